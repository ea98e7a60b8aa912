"""What functions read in the place of botocore's files: the calls they make, the same requests, sent to the same places."""

from __future__ import annotations

import json
from typing import Any, Final, cast

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.session import Session

from ops.called_services import (
    FOLDER,
    FOR_PEOPLE,
    ModelError,
    as_installed,
    files,
    methods_of_stores,
    operations,
    spoken,
)
from ops.project import ROOT
from orchestration.composition import SERVICES, OwnServices

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


def test_they_are_those_of_the_botocore_that_is_installed() -> None:
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
    """All but what only people read, of each operation and each shape below it."""
    ours = ServiceModel(own(service), service)
    theirs = ServiceModel(as_installed().load_service_model(service, "service-2"), service)

    protocol = {"protocol": ours.protocol, "protocols": [ours.protocol]}
    assert ours.protocol in theirs.metadata["protocols"]
    assert said_of(ours.metadata) == {**said_of(theirs.metadata), **protocol}
    assert [(each.name, each.type) for each in ours.client_context_parameters] == [
        (each.name, each.type) for each in theirs.client_context_parameters
    ]
    for name in ours.operation_names:
        assert parts_of(ours.operation_model(name)) == parts_of(theirs.operation_model(name)), name


def parts_of(operation: OperationModel) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "http": operation.http,
        "auth": operation.auth_type,
        "context": operation.context_parameters,
    }
    for name, shape in (("input", operation.input_shape), ("output", operation.output_shape)):
        parts[name] = {} if shape is None else shapes_below(shape, {})
    parts["errors"] = [shapes_below(shape, {}) for shape in operation.error_shapes]
    return parts


def shapes_below(shape: Shape, seen: dict[str, Any]) -> dict[str, Any]:
    """Every shape by its name: its type, its rules and what its members are called on the way."""
    if shape.name in seen:
        return seen
    below = [*getattr(shape, "members", {}).items()]
    below += [(name, getattr(shape, name)) for name in ("member", "key", "value") if hasattr(shape, name)]
    seen[shape.name] = (
        shape.type_name,
        said_of({**shape.serialization, **shape.metadata}),
        [(name, part.name, said_of(part.serialization)) for name, part in below],
    )
    for _, part in below:
        shapes_below(part, seen)
    return seen


def said_of(said: Any) -> Any:
    return {name: each for name, each in said.items() if name.lstrip("_") not in FOR_PEOPLE | {"sensitive"}}


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
