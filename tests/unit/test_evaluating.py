"""The judgement on a candidate: what it is made on, what it says, and where the run goes with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.actions.evaluate import evaluate_candidate
from orchestration.domain.chain import Head, RecordKind
from orchestration.domain.champions import Made
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.intention import Intention, training_subject
from orchestration.domain.policy import parse_policy, policy_record, policy_sha256
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.slots import Holder, SlotLedger
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.stores.runs import _line
from tests.unit import stories
from tests.unit.fakes import NOON, TRAINING, World, asking
from tests.unit.stories import ALARM, ENDPOINT, MODEL_URI, OLD, REPORT, do
from tests.unit.test_close import RUN, SIGNAL, begin

REPORT_URI = "s3://automation/runs/fraud/run-1/outputs/evaluation.json"
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
MADE = TrainingOutput(model_data_uri=MODEL_URI, image="image", evaluation_uri=REPORT_URI)
REGISTERED = TrainingOutput(model_package_arn=PACKAGE, evaluation_uri=REPORT_URI)
BAD = {"binary_classification_metrics": {"auc": {"value": 0.6}}}


def pinned(world: World, *, champion: str | None = OLD, severity: str = "critical", **policy: Any) -> None:
    """A run that pins a policy, which is in force, and a champion, which serves."""
    document = stories.policy(**policy)
    world.put("policies/fraud.json", document)
    parsed = parse_policy("fraud", json.dumps(document).encode(), version="v1", settings=world.settings)
    if champion is not None:
        world.sagemaker.serve(ENDPOINT, champion)
    world.alarms.states[ALARM] = "OK"
    manifest = {
        "signal": SIGNAL.as_record(),
        "decision": {"sentence": "It drifted."},
        "champion": {"endpoint_config": OLD} if champion else None,
        "policy": {"version": "v1", "sha256": policy_sha256(parsed), "effective": policy_record(parsed)},
    }
    begin(world, replace(RUN, manifest=json.dumps(manifest), severity=severity))


def trained(world: World, output: TrainingOutput | None = MADE, outcome: Status | None = None) -> None:
    """Its training is over; what it made and its report are there."""
    at = NOON.isoformat()
    wait = Wait(WaitKind.TRAINING, "", "run-1", "fraud", "training", RUN.execution_arn, at, at, at)
    wait = settled(wait, Result(Next.EVALUATE, "It ended.", outcome, output=output))
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    world.bucket.put(MODEL_URI, b"weights")
    world.bucket.put(REPORT_URI, json.dumps(REPORT).encode())


def verdict(world: World) -> CandidateVerdict:
    found = world.table.candidate_verdict("run-1")
    assert found is not None
    return found


def judged(world: World) -> tuple[Next, Status | None]:
    answer = do(world, "evaluate")
    result = verdict(world).result
    assert answer == {"next": result.next, "reason": result.reason}
    return result.next, result.outcome


REJECTED = (Next.RECORD, Status.CANDIDATE_REJECTED)


# When.


def test_a_run_that_is_over_is_judged_no_more(world: World) -> None:
    pinned(world)
    trained(world)
    do(world, "close", failure={"error": "Boom", "cause": "The end."})
    assert do(world, "evaluate")["next"] == "record"
    assert world.table.candidate_verdict("run-1") is None


def test_nothing_is_judged_before_the_training_is_over(world: World) -> None:
    pinned(world)
    with pytest.raises(InvalidRequestError, match="is not over"):
        do(world, "evaluate")
    at = NOON.isoformat()
    wait = Wait(WaitKind.TRAINING, "", "run-1", "fraud", "training", RUN.execution_arn, at, at, at)
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    with pytest.raises(InvalidRequestError, match="is not over"):
        do(world, "evaluate")


def holds_slot(world: World) -> None:
    assert world.table.save_slots(SlotLedger((Holder("run-1", "fraud", 1, NOON.isoformat()),), 1), [], [])
    at = NOON.isoformat()
    intention = Intention(training_subject("run-1"), "run-1", "fraud", RUN.execution_arn, at, at, 1, TRAINING)
    assert world.table.save_model(world.table.model("fraud"), [world.table.intention_write(intention)])


@pytest.mark.parametrize("outcome", [Status.TRAINING_FAILED, Status.TRAINING_TIMED_OUT])
def test_a_training_that_failed_is_not_judged_and_the_end_of_its_run_frees_its_slot(
    outcome: Status, world: World
) -> None:
    pinned(world)
    trained(world, None, outcome)
    holds_slot(world)
    assert do(world, "evaluate") == {"next": "record", "reason": "It ended."}
    assert world.table.candidate_verdict("run-1") is None
    assert world.table.slots().holder("run-1") is not None
    assert world.table.intention(training_subject("run-1")) is not None


def test_a_training_that_is_over_frees_its_slot_and_its_candidate_is_judged_once(world: World) -> None:
    pinned(world)
    trained(world)
    holds_slot(world)
    assert judged(world) == (Next.PROMOTE, None)
    assert world.table.slots().holders == ()
    assert world.table.intention(training_subject("run-1")) is None
    assert world.statuses("run-1") == ["RETRAINING_DECIDED", "TRAINING_FINISHED", "CANDIDATE_EVALUATED"]
    (told,) = world.told("CANDIDATE_EVALUATED")
    gates = verdict(world).evaluation["gates"]
    assert gates
    assert [f"{gate['name']}: {dict(told.facts)[gate['name']]}" for gate in gates] == [
        gate["sentence"] for gate in gates
    ]
    world.bucket.put(REPORT_URI, json.dumps(BAD).encode())
    assert judged(world) == (Next.PROMOTE, None)
    (record,) = world.keys("evidence/fraud/run-1/evaluation")
    assert world.read(record)["versions"] == verdict(world).versions


@pytest.mark.parametrize("looked", ["GetObject", "chain_head"])
def test_a_run_that_is_closed_while_it_is_judged_gets_no_verdict(
    looked: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its run is looked at once more, or between that look and the write."""
    pinned(world)
    trained(world)

    def close() -> None:
        do(world, "close", failure={"error": "Boom", "cause": "The end."})

    def closed_before(chain: str) -> Head:
        monkeypatch.undo()
        close()
        return world.table.chain_head(chain)

    if looked == "GetObject":
        world.outside.meanwhile(looked, close)
    else:
        monkeypatch.setattr(world.table, looked, closed_before)
    assert do(world, "evaluate")["next"] == "promote"
    assert world.table.candidate_verdict("run-1") is None
    assert [link.kind for link in world.table.latest("fraud")] == [RecordKind.OUTCOME]


def test_what_a_candidate_needs_made_is_noted_with_its_verdict(world: World) -> None:
    pinned(world)
    trained(world)
    assert judged(world) == (Next.PROMOTE, None)
    plan = verdict(world).plan
    assert isinstance(plan, EndpointPlan)
    assert world.table.made("fraud") == [Made("run-1", "fraud", plan.wanted_config)]


# What it says.


def test_a_training_that_gave_nothing_back_made_no_candidate(world: World) -> None:
    pinned(world)
    trained(world, None)
    assert judged(world) == REJECTED


@pytest.mark.parametrize(("output", "go"), [(MADE, Next.RECORD), (REGISTERED, Next.FINISH)])
def test_a_candidate_that_fails_a_gate_is_rejected_and_its_package_in_the_registry_too(
    output: TrainingOutput, go: Next, world: World
) -> None:
    pinned(world)
    trained(world, output)
    world.bucket.put(REPORT_URI, json.dumps(BAD).encode())
    assert judged(world) == (go, Status.CANDIDATE_REJECTED)
    found = verdict(world)
    assert (found.plan, found.versions) == (None, {})
    assert (found.evaluation_uri, found.model_package_arn) == (REPORT_URI, output.model_package_arn)


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda world: world.bucket.forbidden.add(REPORT_URI), "may not be read; write it under output_uri"),
        (lambda world: world.bucket.objects.pop(REPORT_URI), "report"),
    ],
)
def test_a_candidate_without_a_report_is_rejected_with_the_reason(happens: Any, words: str, world: World) -> None:
    pinned(world)
    trained(world)
    happens(world)
    assert judged(world) == REJECTED
    assert words in verdict(world).result.reason
    assert ("may not be read" in verdict(world).result.reason) == (REPORT_URI in world.bucket.forbidden)


def test_what_is_judged_is_kept_by_its_version(world: World) -> None:
    pinned(world)
    trained(world)
    judged(world)
    (copy,) = verdict(world).copies
    assert (copy.source, copy.version) == (MODEL_URI, world.bucket.version(MODEL_URI))
    assert verdict(world).versions == {uri: world.bucket.version(uri) for uri in (copy.uri, REPORT_URI)}


@pytest.mark.parametrize("uri", [None, "s3://automation/runs/fraud/run-1/outputs/none.json"])
def test_a_candidate_that_no_gate_asks_a_report_of_is_kept_by_its_artifact(uri: str | None, world: World) -> None:
    pinned(world, evaluation={}, promotion={"kind": "none"}, champion=None)
    trained(world, replace(MADE, evaluation_uri=uri))
    assert judged(world) == (Next.RECORD, Status.TRAINED)
    assert set(verdict(world).versions) == {MODEL_URI}


TRAINED = (Next.RECORD, Status.TRAINED)
COMPARED: dict[str, Any] = {"metric": "auc", "minimum": 0.7, "min_improvement": 0.01}


def test_a_candidate_of_no_endpoint_is_compared_with_what_was_promoted_last() -> None:
    """And with nothing only where the policy writes that down."""
    assert by_policy(COMPARED) == REJECTED
    assert by_policy({"metric": "auc", "minimum": 0.7}) == TRAINED
    assert by_policy({"metric": "auc", "minimum": 0.7, "champion": "none"}) == TRAINED
    assert by_policy(COMPARED, last=0.93) == REJECTED
    assert by_policy(COMPARED, last=0.7) == TRAINED
    assert by_policy(COMPARED, last=0.7, outcome="STOPPED") == REJECTED


def test_what_serves_says_whether_a_report_has_to_name_it(world: World) -> None:
    alone = World()
    promotion = {"kind": "registry", "endpoint": ENDPOINT}
    for each, champion in ((world, OLD), (alone, None)):
        pinned(each, evaluation=COMPARED, promotion=promotion, champion=champion)
        trained(each, replace(MADE, model_package_arn=PACKAGE) if MADE else None)
        each.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE}
        judged(each)
    assert "A champion serves, and the report lacks the champion's auc" in verdict(world).result.reason
    stands = [gate["sentence"] for gate in verdict(alone).evaluation["gates"]]
    assert "No champion serves, so auc stands alone." in stands


def by_policy(evaluation: dict[str, Any], *, last: float | None = None, outcome: str = "PROMOTED") -> Any:
    """What becomes of a candidate that is promoted nowhere; ``last``: AUC of the run before it."""
    world = World()
    pinned(world, evaluation=evaluation, promotion={"kind": "none"}, champion=None)
    if last is not None:
        table = world.table
        line = _line(replace(RUN, run_id="run-0", started_at=(NOON - timedelta(days=7)).isoformat()))
        table._write(table._put({**line, "outcome": outcome}))
        measured = {"gates": [], "candidate_metrics": {"auc": last}}
        assert table.store_candidate_verdict("run-0", CandidateVerdict(Result(Next.PROMOTE, "Good."), measured), [])
    trained(world)
    return judged(world)


def test_a_candidate_whose_artifact_cannot_be_looked_at_is_rejected(world: World) -> None:
    pinned(world)
    trained(world)
    del world.bucket.objects[MODEL_URI]
    assert judged(world) == REJECTED
    assert verdict(world).result.reason.startswith(f"{MODEL_URI} does not exist, or the loop may not list")


@pytest.mark.parametrize(
    ("containers", "uris"),
    [
        ([{"ModelDataUrl": MODEL_URI}, {"Image": "image"}], {MODEL_URI, REPORT_URI}),
        ([], {REPORT_URI}),
    ],
)
def test_a_package_is_kept_by_what_it_is_made_of_and_the_versions_of_what_it_holds(
    containers: list[dict[str, str]], uris: set[str], world: World
) -> None:
    pinned(world, promotion={"kind": "registry"})
    trained(world, REGISTERED)
    world.sagemaker.packages[PACKAGE] = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {"Containers": containers},
    }
    assert judged(world) == (Next.PROMOTE, None)
    assert set(verdict(world).versions) == {PACKAGE, *uris}


@pytest.mark.parametrize(("name", "outcome"), [("MODE", None), ("1MODE", Status.FAILED)])
def test_every_container_of_a_package_is_held_against_what_sagemaker_takes(
    name: str, outcome: Status | None, world: World
) -> None:
    pinned(world)
    trained(world, REGISTERED)
    own = {"Image": "image", "ModelDataUrl": MODEL_URI}
    world.sagemaker.packages[PACKAGE] = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {"Containers": [own, {**own, "Environment": {name: "fast"}}]},
    }
    assert judged(world)[1] is outcome


@pytest.mark.parametrize("elsewhere", [("111122223333", "444455556666"), ("us-east-1", "eu-west-1")])
def test_a_package_of_another_account_or_region_is_rejected_and_nobody_is_asked_for_it(
    elsewhere: tuple[str, str], world: World
) -> None:
    package = PACKAGE.replace(*elsewhere)
    world.sagemaker.packages[package] = {"ModelPackageArn": package}
    pinned(world)
    trained(world, replace(REGISTERED, model_package_arn=package))
    assert judged(world) == REJECTED
    assert "of another account or Region" in verdict(world).result.reason
    assert "DescribeModelPackage" not in world.outside.calls


def test_a_package_that_was_just_registered_is_looked_for_until_it_is_found(world: World) -> None:
    """Within 15 seconds of the end of its training."""
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if sum(waited) == 15:
            world.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE}

    pinned(world, promotion={"kind": "registry"})
    trained(world, REGISTERED)
    evaluate_candidate(asking(), replace(world.ports, pause=pause))
    assert waited == [1, 2, 4, 8]
    assert PACKAGE in verdict(world).versions


def test_a_package_that_does_not_exist_is_rejected(world: World) -> None:
    pinned(world, promotion={"kind": "registry"})
    trained(world, REGISTERED)
    assert judged(world) == (Next.FINISH, Status.CANDIDATE_REJECTED)
    assert verdict(world).result.reason.startswith(f"Model package {PACKAGE} does not exist")


def test_a_candidate_that_serves_nowhere_is_trained(world: World) -> None:
    pinned(world, promotion={"kind": "none"}, champion=None)
    trained(world)
    assert judged(world) == (Next.RECORD, Status.TRAINED)
    assert verdict(world).plan is None


def test_a_candidate_that_no_plan_can_be_made_for_is_rejected_with_what_was_judged(world: World) -> None:
    pinned(world, promotion={"kind": "registry"})
    trained(world)
    assert judged(world) == REJECTED
    assert set(verdict(world).versions) == {MODEL_URI, REPORT_URI}
    assert verdict(world).plan is None
    assert "package" in verdict(world).result.reason


def test_a_candidate_is_not_compared_with_another_champion_than_the_one_that_serves(world: World) -> None:
    pinned(world)
    trained(world)
    world.sagemaker.serve(ENDPOINT, "hotfix")
    assert judged(world) == (Next.RECORD, Status.SUPERSEDED)
    assert f"served {OLD} and serves hotfix now" in verdict(world).result.reason


def test_a_promotion_whose_alarms_do_not_exist_is_not_begun(world: World) -> None:
    pinned(world)
    trained(world)
    del world.alarms.states[ALARM]
    assert judged(world) == (Next.RECORD, Status.FAILED)
    assert f"promotion.alarms names alarms that do not exist: {ALARM}." in verdict(world).result.reason


def test_a_promotion_that_sagemaker_would_refuse_is_not_begun(world: World) -> None:
    pinned(world)
    world.sagemaker.configs[OLD]["DataCaptureConfig"] = {"Colour": "blue"}
    trained(world)
    assert judged(world) == (Next.RECORD, Status.FAILED)
    reason = verdict(world).result.reason
    assert reason.startswith("The promotion cannot be carried out. CreateEndpointConfig: ")
    assert "alarms" not in reason


@pytest.mark.parametrize(
    ("value", "said"), [("x" * 1024, None), ("x" * 1025, "has 1025 characters; SageMaker takes 1024 at most")]
)
def test_an_environment_that_no_model_takes_is_not_promoted(value: str, said: str | None, world: World) -> None:
    pinned(world)
    trained(world, replace(MADE, environment=(("A", value), ("B", "b"))))
    if said is None:
        assert judged(world) == (Next.PROMOTE, None)
        plan = verdict(world).plan
        assert isinstance(plan, EndpointPlan)
        assert plan.create_model is not None
        assert plan.create_model["PrimaryContainer"]["Environment"] == {"A": value, "B": "b"}
        return
    assert judged(world) == (Next.RECORD, Status.FAILED)
    assert verdict(world).result.reason == (
        f"The promotion cannot be carried out. The training's output: environment.A {said}. "
        "Correct the policy, or what the training gives, and retrain."
    )


def test_what_is_created_is_named_by_the_run_and_tagged_with_it(world: World) -> None:
    pinned(world)
    trained(world)
    judged(world)
    plan = verdict(world).plan
    assert isinstance(plan, EndpointPlan)
    assert plan.wanted_config.startswith("fraud-")
    assert plan.create_model is not None
    tags = {tag["Key"]: tag["Value"] for tag in plan.create_model["Tags"]}
    assert tags.items() >= {"retraining:model": "fraud", "retraining:run": "run-1"}.items()


# Where the run goes.


@pytest.mark.parametrize(
    ("wish", "severity", "changed", "go"),
    [
        ("never", "critical", False, Next.PROMOTE),
        ("never", "critical", True, Next.ASK),
        ("always", "info", False, Next.ASK),
        ("by-severity", "info", False, Next.PROMOTE),
        ("by-severity", "warning", False, Next.ASK),
    ],
)
def test_people_are_asked_where_the_policy_says_so_and_when_it_changed(
    wish: str, severity: str, changed: bool, go: Next, world: World
) -> None:
    pinned(world, severity=severity, approval={"training": "never", "promotion": wish})
    trained(world)
    if changed:
        approval = {"training": "never", "promotion": wish}
        world.put("policies/fraud.json", stories.policy(approval=approval, cooldown_hours=9))
    assert judged(world) == (go, None)
    assert verdict(world).result.reason.startswith("The policy changed since the decision") == changed
