"""What an endpoint serves is the copy of what was judged: where it lies, how it is made, and why there may be none."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from orchestration import handler
from orchestration.domain import artifact
from orchestration.domain.artifact import PART_BYTES, PARTS, ArtifactCopy, artifact_copy, copies_used, served_from
from orchestration.domain.boundary import Boundary
from orchestration.domain.contracts import Next, Status
from orchestration.domain.errors import NotAcceptedYetError
from orchestration.domain.origins import Origins
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.training_output import TrainingOutput
from orchestration.steps.artifacts import champion_of, served_artifacts
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.service_answers import Answer
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import ProcessDiedError, World, drift, execution_arn, request
from tests.unit.stories import ENDPOINT, MODEL_URI, OLD, do
from tests.unit.test_evaluating import PACKAGE, REGISTERED, REJECTED, REPORT_URI, judged, pinned, trained, verdict
from tests.unit.test_records import S3

SOURCE = "s3://team/models/model.tar.gz"
LAST = "bytes=134217728-134217728"


def copy_of(size: int) -> ArtifactCopy:
    return artifact_copy(SOURCE, f"abc/{size}", bucket="automation", model="fraud", run_id="run-1")


# Where and in which parts.


def test_a_copy_lies_under_its_run_by_what_it_is_a_copy_of() -> None:
    first = copy_of(7)
    assert (first.etag, first.size, first.source) == ("abc", 7, SOURCE)
    assert first == copy_of(7)
    folder, digest, name = first.uri.rsplit("/", 2)
    assert (folder, len(digest), name) == ("s3://automation/artifacts/fraud/run-1", 16, "model.tar.gz")
    assert copy_of(8).uri != first.uri
    elsewhere = artifact_copy(
        "s3://other/models/model.tar.gz", "abc/7", bucket="automation", model="fraud", run_id="run-1"
    )
    assert elsewhere.uri != first.uri


def test_the_name_of_a_copy_fits_into_a_key_and_keeps_its_end() -> None:
    """1,024 bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html. A run's name has 80 characters."""
    made = artifact_copy(f"s3://team/{'é' * 400}.tar.gz", "abc/7", bucket="b", model="m" * 63, run_id="\U0001f600" * 80)
    assert made.uri.rpartition("/")[2] == f"{'é' * 121}.tar.gz"
    assert len(made.uri.removeprefix("s3://b/").encode()) <= 1_024


@pytest.mark.parametrize(
    ("size", "spans"),
    [
        (1, [None]),
        (PART_BYTES, [None]),
        (PART_BYTES + 1, ["bytes=0-67108863", "bytes=67108864-67108864"]),
        (2 * PART_BYTES, ["bytes=0-67108863", "bytes=67108864-134217727"]),
        (2 * PART_BYTES + 1, ["bytes=0-67108863", "bytes=67108864-134217727", LAST]),
    ],
)
def test_the_parts_of_a_copy_are_all_of_it_once(size: int, spans: list[str | None]) -> None:
    assert list(copy_of(size).parts()) == list(enumerate(spans, 1))


def test_what_is_empty_or_larger_than_its_parts_can_be_is_not_copied() -> None:
    assert copy_of(0).unfit() == f"{SOURCE} is empty, so nothing was trained."
    assert copy_of(1).unfit() is None
    assert copy_of(PARTS * PART_BYTES).unfit() is None
    assert len(list(copy_of(PARTS * PART_BYTES).parts())) == PARTS
    told = copy_of(PARTS * PART_BYTES + 1).unfit()
    assert told is not None
    assert "671088640001 bytes; 671088640000 are copied at most" in told


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDenied", "may not read it"),
        ("AllAccessDisabled", "may not read it"),
        ("403", "may not read it"),
        ("InvalidObjectState", "Restore it"),
        ("NoSuchKey", "it is gone"),
        ("404", "it is gone"),
        ("NoSuchBucket", "its bucket is gone"),
        ("Surprise", "what S3 said"),
    ],
)
def test_why_there_is_no_copy_is_said_with_what_to_do(code: str, says: str) -> None:
    told = copy_of(7).refused(code, "what S3 said")
    assert told.startswith(f"{SOURCE} could not be copied to where nobody can change it ({code}): ")
    assert told.endswith(". Then retrain.")
    assert says in told


def test_the_copies_that_a_model_is_made_of_are_known_by_where_they_lie() -> None:
    own = "s3://automation/artifacts/fraud/run-1/0123/model.tar.gz"
    sources = [{"S3DataSource": {"S3Uri": own.replace("run-1", "run-2")}}]
    containers = [{"ModelDataUrl": own}, {"AdditionalModelDataSources": sources}]
    others = [
        {"ModelDataUrl": own.replace("fraud", "spam")},
        {"ModelDataUrl": own.replace("automation", "team")},
        {"ModelDataUrl": "s3://automation/artifacts/fraud/model.tar.gz".replace("/model", "-model")},
        {"ModelDataUrl": "s3://automation/runs/fraud/run-1/model.tar.gz"},
    ]
    found = list(copies_used([*containers, *others], "automation", "fraud"))
    assert found == [(own, "run-1"), (own.replace("run-1", "run-2"), "run-2")]
    assert list(copies_used([{"ModelDataUrl": "s3://automation/artifacts/fraud/run-1"}], "automation", "fraud")) == []


def test_what_has_to_stay_as_it_is_are_the_copies_and_not_what_they_are_of() -> None:
    copy = copy_of(7)
    assert served_from({SOURCE: "abc/7", REPORT_URI: "r/1"}, [copy], {copy.uri: "new/7"}) == {
        REPORT_URI: "r/1",
        copy.uri: "new/7",
    }


def test_a_package_is_served_by_its_own_data_whatever_else_the_training_names() -> None:
    package = {"InferenceSpecification": {"Containers": [{"ModelDataUrl": SOURCE}, {"Image": "image"}]}}
    both = TrainingOutput(model_package_arn=PACKAGE, model_data_uri=MODEL_URI)
    assert served_artifacts(both, package) == [SOURCE]
    assert served_artifacts(TrainingOutput(model_data_uri=MODEL_URI), None) == [MODEL_URI]
    assert served_artifacts(TrainingOutput(), None) == []


# By S3 itself.


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """Give S3 as moto plays it, with a team's bucket beside the stack's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        played = S3()
        played.client.create_bucket(Bucket="team")
        yield played


def copied(s3: S3, key: str = "models/model v1.tar.gz") -> ArtifactCopy:
    version = s3.bucket.version(f"s3://team/{key}")
    assert version is not None
    return artifact_copy(f"s3://team/{key}", version, bucket="automation", model="fraud", run_id="run-1")


def body_of(s3: S3, copy: ArtifactCopy) -> bytes:
    body: bytes = s3.client.get_object(Bucket="automation", Key=copy.uri.removeprefix("s3://automation/"))[
        "Body"
    ].read()
    return body


def test_a_copy_is_made_once_and_stays(s3: S3) -> None:
    s3.put("models/model v1.tar.gz", b"weights", "team")
    copy = copied(s3)
    assert s3.bucket.copy(copy, lambda: True).answer is Answer.TAKEN
    assert body_of(s3, copy) == b"weights"
    assert s3.bucket.copy(copy, lambda: True).answer is Answer.EXISTS
    assert len(s3.client.list_object_versions(Bucket="automation", Prefix="artifacts/")["Versions"]) == 1


def test_a_copy_of_several_parts_is_left_and_gone_on_with(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """5 MiB is the least that S3 takes of a part that is not the last."""
    monkeypatch.setattr(artifact, "PART_BYTES", 5 * 1024**2)
    body = b"1" * 5 * 1024**2 + b"2" * 5 * 1024**2 + b"3"
    s3.put("models/model v1.tar.gz", body, "team")
    copy, steps = copied(s3), iter([True, False, True, True])
    left = s3.bucket.copy(copy, lambda: next(steps))
    assert (left.answer, left.sentence) == (Answer.NOT_YET, f"1 of 3 parts of {copy.source} are copied.")
    assert s3.bucket.version(copy.uri) is None
    assert s3.bucket.copy(copy, lambda: next(steps)).answer is Answer.TAKEN
    assert next(steps, None) is None
    assert body_of(s3, copy) == body
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket="automation")


class Scripted:
    """S3's client that fails with an error in one operation, and else has begun an upload of one part."""

    def __init__(self, operation: str, error: BaseException) -> None:
        self._operation, self._error = operation, error

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*_: Any, **asked: Any) -> Any:
            if operation == self._operation:
                raise self._error
            if operation == "list_multipart_uploads":
                return {"Uploads": [{"Key": f"{asked['Prefix']}.old", "UploadId": "0"}]}
            if operation == "upload_part_copy":
                return {"CopyPartResult": {"ETag": "part"}}
            return {"UploadId": "1"}

        return call


@pytest.mark.parametrize(
    ("operation", "code", "answer"),
    [
        ("list_multipart_uploads", "SlowDown", Answer.NOT_YET),
        ("list_multipart_uploads", "AccessDenied", Answer.REFUSED),
        ("create_multipart_upload", "NoSuchUpload", Answer.NOT_YET),
        ("upload_part_copy", "SlowDown", Answer.NOT_YET),
        ("upload_part_copy", "PreconditionFailed", Answer.NOT_YET),
        ("upload_part_copy", "NoSuchUpload", Answer.NOT_YET),
        ("upload_part_copy", "AccessDenied", Answer.REFUSED),
        ("complete_multipart_upload", "PreconditionFailed", Answer.EXISTS),
        ("complete_multipart_upload", "ConditionalRequestConflict", Answer.NOT_YET),
        ("complete_multipart_upload", "NoSuchUpload", Answer.NOT_YET),
        ("complete_multipart_upload", "InvalidPart", Answer.NOT_YET),
        ("complete_multipart_upload", "AccessDenied", Answer.REFUSED),
    ],
)
def test_what_s3_says_to_a_copy_is_a_value(operation: str, code: str, answer: Answer) -> None:
    client: Any = Scripted(operation, client_error(code))
    taken = AutomationBucket(client, "automation").copy(copy_of(7), lambda: True)
    assert (taken.answer, taken.code) == (answer, code)


# At the evaluation.


def copies(world: World) -> list[str]:
    return [f"s3://automation/{key}" for key in world.keys("artifacts/")]


def test_what_an_endpoint_is_to_serve_is_copied_before_it_is_judged(world: World) -> None:
    pinned(world)
    trained(world)
    assert judged(world) == (Next.PROMOTE, None)
    (uri,) = copies(world)
    assert world.bucket.objects[uri] == b"weights"
    found = verdict(world)
    assert found.copies == (ArtifactCopy(MODEL_URI, world.bucket.version(MODEL_URI) or "", uri),)
    assert set(found.versions) == {uri, REPORT_URI}
    assert isinstance(found.plan, EndpointPlan)
    assert found.plan.create_model is not None
    assert found.plan.create_model["PrimaryContainer"]["ModelDataUrl"] == uri
    (record,) = world.keys("evidence/fraud/run-1/evaluation")
    assert world.read(record)["answer"]["copies"] == [copy.as_record() for copy in found.copies]


def registered(world: World, uri: str) -> None:
    """Let the candidate's package have one container of this data."""
    world.sagemaker.packages[PACKAGE] = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": uri}]},
    }


@pytest.mark.parametrize("tail", [" ", "\u00a0", "\u00ad"])
def test_what_is_judged_of_a_package_is_what_its_containers_name_to_the_letter(tail: str, world: World) -> None:
    uri = f"s3://amzn-s3-demo-bucket/candidate/model.tar.gz{tail}"
    pinned(world)
    trained(world, REGISTERED)
    world.bucket.put(uri, b"another object")
    registered(world, uri)
    judged(world)
    (copy,) = copies(world)
    assert world.bucket.objects[copy] == b"another object"
    plan = verdict(world).plan
    assert isinstance(plan, EndpointPlan)
    assert plan.create_model is not None
    assert plan.create_model["PrimaryContainer"]["ModelDataUrl"] == copy


def test_of_a_package_only_what_it_is_served_by_is_judged(world: World) -> None:
    """A pipeline also returns what its training wrote, which the package may hold repacked."""
    pinned(world)
    trained(world, replace(REGISTERED, model_data_uri="s3://amzn-s3-demo-bucket/raw/model.tar.gz"))
    world.bucket.put("s3://amzn-s3-demo-bucket/raw/model.tar.gz", b"raw")
    registered(world, MODEL_URI)
    assert judged(world) == (Next.PROMOTE, None)
    assert "s3://amzn-s3-demo-bucket/raw/model.tar.gz" not in verdict(world).versions


def test_every_container_of_a_package_serves_copies(world: World) -> None:
    def source(name: str, **more: str) -> dict[str, Any]:
        where = {
            "S3Uri": f"s3://amzn-s3-demo-bucket/{name}",
            "S3DataType": "S3Object",
            "CompressionType": "None",
            **more,
        }
        return {"S3DataSource": where}

    pinned(world)
    trained(world, REGISTERED)
    for name in ("words", "net.bin"):
        world.bucket.put(f"s3://amzn-s3-demo-bucket/{name}", name.encode())
    world.sagemaker.packages[PACKAGE] = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": "image",
                    "ModelDataUrl": MODEL_URI,
                    "AdditionalModelDataSources": [{"ChannelName": "words", **source("words", ETag="of the source")}],
                },
                {"Image": "image", "ModelDataSource": source("net.bin")},
                {"Image": "image", "ModelDataUrl": MODEL_URI},
                {"Image": "image"},
            ]
        },
    }
    assert judged(world) == (Next.PROMOTE, None)
    plan = verdict(world).plan
    assert isinstance(plan, EndpointPlan)
    assert plan.create_model is not None
    first, second, third, last = plan.create_model["Containers"]
    (words,) = first["AdditionalModelDataSources"]
    assert words["ChannelName"] == "words"
    assert "ETag" not in words["S3DataSource"]
    net = second["ModelDataSource"]["S3DataSource"]
    assert net["CompressionType"] == "None"
    served = [first["ModelDataUrl"], words["S3DataSource"]["S3Uri"], net["S3Uri"]]
    assert sorted(served) == sorted(copies(world))
    bodies = [world.bucket.objects[uri] for uri in served]
    assert bodies == [b"weights", b"words", b"net.bin"]
    assert third["ModelDataUrl"] == first["ModelDataUrl"]
    assert last == {"Image": "image"}
    assert len(copies(world)) == len(verdict(world).copies) == 3


def test_no_copy_is_made_of_what_does_not_serve_on_an_endpoint_or_did_not_pass(world: World) -> None:
    pinned(world, promotion={"kind": "none"}, champion=None)
    trained(world)
    assert judged(world) == (Next.RECORD, Status.TRAINED)
    assert copies(world) == []
    assert (verdict(world).copies, set(verdict(world).versions)) == ((), {MODEL_URI, REPORT_URI})


@pytest.mark.parametrize("happens", ["bad report", "other champion"])
def test_no_copy_is_made_of_a_candidate_that_goes_nowhere(happens: str, world: World) -> None:
    pinned(world)
    trained(world)
    if happens == "bad report":
        world.bucket.put(REPORT_URI, b"{}")
    else:
        world.sagemaker.serve(ENDPOINT, "hotfix")
    assert judged(world)[0] is Next.RECORD
    assert copies(world) == []


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_what_cannot_be_copied_is_rejected_with_what_to_do(code: str, world: World) -> None:
    pinned(world)
    trained(world)
    world.bucket.uploads.refusals[MODEL_URI] = code
    assert judged(world) == REJECTED
    assert verdict(world).result.reason.startswith(f"{MODEL_URI} could not be copied")
    assert (verdict(world).plan, verdict(world).copies) == (None, ())


def test_what_is_empty_is_rejected(world: World) -> None:
    pinned(world)
    trained(world)
    world.bucket.put(MODEL_URI, b"")
    assert judged(world) == REJECTED
    assert verdict(world).result.reason == f"{MODEL_URI} is empty, so nothing was trained."


def test_a_copy_that_is_not_to_be_seen_yet_is_waited_for(world: World) -> None:
    pinned(world)
    trained(world)
    version = world.bucket.version(MODEL_URI)
    assert version is not None
    uri = artifact_copy(MODEL_URI, version, bucket="automation", model="fraud", run_id="run-1").uri
    world.bucket.forbidden.add(uri)
    with pytest.raises(NotAcceptedYetError, match=f"{uri} is not to be seen yet"):
        do(world, "evaluate")
    world.bucket.forbidden.clear()
    assert judged(world) == (Next.PROMOTE, None)


def large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts, of which one call makes one."""
    monkeypatch.setattr(artifact, "PART_BYTES", 3)
    pinned(world)
    trained(world)


def slow(world: World) -> None:
    world.outside.meanwhile("UploadPartCopy", lambda: world.clock.forward(seconds=30))


def test_a_large_copy_goes_on_with_the_next_call_and_nothing_is_judged_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(world, monkeypatch)
    for made in (1, 2):
        slow(world)
        with pytest.raises(NotAcceptedYetError, match=f"{made} of 3 parts"):
            do(world, "evaluate")
        assert (copies(world), world.table.candidate_verdict("run-1")) == ([], None)
    assert judged(world) == (Next.PROMOTE, None)
    (uri,) = copies(world)
    assert world.bucket.objects[uri] == b"weights"
    assert [number for _, number, _ in world.bucket.uploads.copied] == [1, 2, 3]
    assert len(world.told("CANDIDATE_EVALUATED")) == 1


@pytest.mark.threat("artifact-overwritten")
def test_an_artifact_that_is_written_again_while_it_is_copied_is_copied_anew_and_never_mixed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(world, monkeypatch)
    slow(world)
    with pytest.raises(NotAcceptedYetError):
        do(world, "evaluate")
    world.bucket.put(MODEL_URI, b"swapped")
    world.outside.meanwhile("UploadPartCopy", lambda: world.bucket.put(MODEL_URI, b"another"))
    with pytest.raises(NotAcceptedYetError, match="PreconditionFailed"):
        do(world, "evaluate")
    assert judged(world) == (Next.PROMOTE, None)
    (uri,) = copies(world)
    assert world.bucket.objects[uri] == b"another"
    assert verdict(world).copies[0].version == world.bucket.version(MODEL_URI)


def test_a_process_that_dies_between_any_two_lines_leaves_one_whole_copy(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in itertools.count(1):
        world, done = new_world(), False
        large(world, monkeypatch)
        world.outside.die_before(call)
        with contextlib.suppress(ProcessDiedError):
            do(world, "evaluate")
            done = True
        world.outside.live()
        assert judged(world) == (Next.PROMOTE, None)
        (uri,) = copies(world)
        assert world.bucket.objects[uri] == b"weights"
        assert (world.bucket.writes[uri], len(world.bucket.uploads.copied)) == (1, 3), "no part was copied twice"
        if done:
            assert call > len(["list", "create", 1, 2, 3, "complete"])
            return


def test_two_that_copy_at_once_leave_one_whole_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    large(world, monkeypatch)
    world.outside.meanwhile("UploadPartCopy", lambda: do(world, "evaluate"))
    with pytest.raises(NotAcceptedYetError, match="NoSuchUpload"):
        do(world, "evaluate")
    assert judged(world) == (Next.PROMOTE, None)
    (uri,) = copies(world)
    assert (world.bucket.objects[uri], world.bucket.writes[uri]) == (b"weights", 1)


# After it serves.


def came_from(world: World, model: str = "fraud") -> tuple[str, ...]:
    champion = champion_of(world.ports, ENDPOINT, model)
    assert champion is not None
    return champion.copied_from


def test_a_model_goes_on_taking_its_data_from_where_those_lay_that_serve_as_a_copy_now(world: World) -> None:
    """Without ModelDataPrefixes the champion says from where; else the first promotion would be the last."""
    settings = replace(world.settings, model_data_prefixes=())
    world.ports = replace(world.ports, settings=settings)
    stories.accepted(world)
    (uri,) = copies(world)
    world.sagemaker.serve(ENDPOINT, OLD, ModelDataUrl=uri)
    assert came_from(world) == (MODEL_URI,)
    assert came_from(world, "spam") == ()
    do(world, "close", failure={"error": "Boom", "cause": "The end."})
    world.clock.forward(hours=9)
    world.executions.statuses[execution_arn("run-2")] = "RUNNING"
    answer = handler.run_action(request(drift(model="fraud", dedupe_key="run-2"), "run-2"), world.ports)
    assert answer["decision"] == "RETRAIN", answer
    champion_record = world.read("manifests/fraud/run-2.json")["champion"]
    assert (champion_record["model_data_uri"], champion_record["copied_from"]) == (uri, [MODEL_URI])
    for record, taken in ((champion_record, True), ({**champion_record, "copied_from": []}, False)):
        origins = Origins.of(Boundary.of(world.ports.settings), "fraud", record)
        assert (origins.data_finding(MODEL_URI, "The candidate's data") is None) is taken


def test_a_champion_came_from_where_its_own_copies_did_and_not_from_where_others_of_the_run_did(world: World) -> None:
    pinned(world)
    trained(world, REGISTERED)
    other = "s3://amzn-s3-demo-bucket/other/model.tar.gz"
    world.bucket.put(other, b"words")
    world.sagemaker.packages[PACKAGE] = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": "image", "ModelDataUrl": uri} for uri in (MODEL_URI, other)]
        },
    }
    judged(world)
    first, second = verdict(world).copies
    for copy in (first, second):
        world.sagemaker.serve(ENDPOINT, copy.uri[-30:-20], ModelDataUrl=copy.uri)
        assert came_from(world) == (copy.source,)


def test_a_champion_of_no_run_that_is_known_came_from_nowhere(world: World) -> None:
    world.sagemaker.serve(ENDPOINT, OLD, ModelDataUrl="s3://automation/artifacts/fraud/run-9/0123/model.tar.gz")
    assert came_from(world) == ()
    assert champion_of(world.ports, None, "fraud") is None
    assert champion_of(world.ports, "no-such-endpoint", "fraud") is None
