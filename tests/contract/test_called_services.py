"""What functions read in the place of botocore's files: the calls they make, the same requests, sent to the same places."""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from ops.called_services import (
    FOLDER,
    ModelError,
    as_installed,
    files,
    methods_of_stores,
    operations,
    spoken,
)
from ops.project import ROOT
from orchestration.composition import SERVICES, OwnServices
from orchestration.stores.bucket_s3 import AutomationBucket

NOWHERE: Final = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "nobodys"}

PLAIN: Final = (
    "us-east-1",
    "eu-central-1",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "eusc-de-east-1",
    "eu-north-9",
)
"""One of each partition and kind; the last is none yet, as one is that botocore hears of later."""

PLACES: Final[list[tuple[str, dict[str, bool]]]] = [
    *((region, {}) for region in PLAIN),
    *((region, {flag: True}) for region in PLAIN[:4] for flag in ("use_fips_endpoint", "use_dualstack_endpoint")),
]


def own(service: str) -> dict[str, Any]:
    """Read anew: a client changes the model that it was made of."""
    (path,) = (ROOT / FOLDER / service).glob("*/service-2.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_they_are_those_of_the_botocore_that_is_installed(sessions: tuple[Session, Session]) -> None:
    # Which changes the model that it is made of, as tests keep it for all clients.
    sessions[1].create_client("s3", "us-east-1")
    for path, make in files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == make(), path
    written = {path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).rglob("*.json")}
    assert written == files().keys()


def test_every_call_of_a_store_is_in_one_of_them() -> None:
    called = {name for method in methods_of_stores() for name in operations(method)}
    kept = {xform_name(name) for service in SERVICES for name in own(service)["operations"]}
    assert called
    assert called - kept == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_is_made_and_read_as_botocores_own_model_says(service: str) -> None:
    """All that botocore's model says of an operation and of the shapes below it, but what makes no request and no answer."""
    ours, theirs = own(service), as_installed().load_service_model(service, "service-2")
    protocol = ours["metadata"]["protocol"]

    assert protocol in theirs["metadata"]["protocols"]
    assert ours["metadata"] == {**read(theirs["metadata"]), "protocol": protocol, "protocols": [protocol]}
    assert read(ours["clientContextParams"]) == read(theirs.get("clientContextParams", {}))
    for name, operation in ours["operations"].items():
        assert operation == read(theirs["operations"][name]), name
    for name, shape in ours["shapes"].items():
        assert shape == read(theirs["shapes"][name]), name
    named = set(re.findall(r'"shape": "(\w+)"', json.dumps(ours)))
    assert named == ours["shapes"].keys()


UNREAD: Final = {
    "documentation",
    "documentationUrl",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "pattern",
    "enum",
}


def read(said: Any) -> Any:
    """What programs read of a part of a model. A member may be called as a keyword is; what is below it says its shape."""
    if isinstance(said, dict):
        return {
            name: read(each)
            for name, each in said.items()
            if name not in UNREAD or (isinstance(each, dict) and "shape" in each)
        }
    return [read(each) for each in said] if isinstance(said, list) else said


@pytest.mark.parametrize("uri", ["s3://teams--use1-az4--x-s3/report.json", "s3://teams/report.json"])
def test_what_botocore_calls_by_itself_is_known_too(uri: str) -> None:
    """A directory bucket is asked for a session, a bucket elsewhere for its Region: whoever sends a signal chooses the address."""
    session: Any = Session()
    session.register_component("data_loader", OwnServices())
    client = session.create_client("s3", "us-east-1", **NOWHERE)
    asked: list[str] = []

    def answered(request: Any, **_: Any) -> Any:
        asked.append(request.method)
        status, code, headers = 403, "AccessDenied", {}
        if request.method == "HEAD":
            status, headers = 200, {"x-amz-bucket-region": "eu-central-1"}
        elif "x-s3" not in request.url and "eu-central-1" not in request.url:
            status, code = 301, "PermanentRedirect"
        made: Any = AWSResponse(request.url, status, cast("Any", HeadersDict(headers)), None)
        made._content = b"" if status == 200 else f"<Error><Code>{code}</Code></Error>".encode()
        return made

    client.meta.events.register("before-send.s3", answered)

    assert AutomationBucket(client, "own").read(uri, at_most=100) is not None
    assert asked == (["GET"] if "x-s3" in uri else ["GET", "HEAD", "GET"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_reads_the_model_that_is_kept_and_of_botocores_the_rest(service: str) -> None:
    loader = OwnServices()
    kept, whole = own(service)["operations"], as_installed().load_service_model(service, "service-2")["operations"]
    rules = as_installed().load_service_model(service, "endpoint-rule-set-1")

    assert loader.load_service_model(service, "service-2")["operations"].keys() == kept.keys() < whole.keys()
    assert loader.load_service_model(service, "endpoint-rule-set-1") == rules


def test_a_service_is_spoken_to_as_every_botocore_does() -> None:
    """The functions' may be older than the one that the models are of."""
    assert {own(service)["metadata"]["protocol"] for service in SERVICES} <= {"json", "query", "rest-xml"}
    with pytest.raises(ModelError, match=r"^logs speaks smithy-rpc-v2-cbor, which not every botocore does\.$"):
        spoken("logs", {"protocols": ["smithy-rpc-v2-cbor"]})


@pytest.fixture(scope="module")
def sessions() -> tuple[Session, Session]:
    """As functions have it, and botocore's own."""
    made = Session(), Session()
    for session, loader in zip(made, (OwnServices(), Loader()), strict=True):
        session.register_component("data_loader", loader)
    return made


@pytest.mark.parametrize("service", SERVICES)
def test_a_request_goes_to_the_same_place_under_the_same_name(service: str, sessions: tuple[Session, Session]) -> None:
    for region, config in PLACES:
        ours, theirs = (place_of(session, service, region, config) for session in sessions)
        assert ours == theirs, (region, config)


def place_of(session: Session, service: str, region: str, config: dict[str, bool]) -> tuple[Any, ...]:
    given: dict[str, Any] = {"config": Config(**cast("Any", config)), **NOWHERE}
    client: Any = cast("Any", session).create_client(service, region, **given)
    signer = client._request_signer
    return (
        client.meta.endpoint_url,
        client.meta.partition,
        signer.region_name,
        signer.signing_name,
        signer.signature_version,
        # What the rules of addresses go by: an address of one's own, for one, which is not asked for here.
        {name: value for name, value in client._ruleset_resolver._builtins.items() if not callable(value)},
    )
