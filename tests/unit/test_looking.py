"""What a look at a wait says: each kind by itself, against what AWS and the table show."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from orchestration.domain.contracts import DueKind, Next, SignalKind, Status, WaitKind
from orchestration.domain.due import AGAIN, due
from orchestration.domain.intention import Intention, training_subject
from orchestration.domain.kept_request import KeptRollback
from orchestration.domain.policy import TargetKind
from orchestration.domain.promotion import DeploymentPlan, EndpointPlan, PromotionPlan, RegistryPlan
from orchestration.domain.slots import Holder, SlotLedger
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_target import nested_execution_arn
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.votes import ApprovalDecision
from orchestration.domain.wait import Result, Wait
from orchestration.steps.due_work import Worked, later
from orchestration.steps.hand import noted
from orchestration.steps.looking import look, look_after
from tests.unit.fake_services import Endpoint
from tests.unit.fakes import NOON, TRAINING, World
from tests.unit.stories import ALARM, ENDPOINT, OLD
from tests.unit.test_close import ASKED, RUN, SIGNAL, begin

NEW = "fraud-config-2"
HALF = timedelta(minutes=30)
SECOND = timedelta(seconds=1)
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
DEPLOYMENT = nested_execution_arn(TRAINING, "retraining-deploys")
ENDPOINT_PLAN = EndpointPlan(ENDPOINT, OLD, NEW, {}, {}, {}, 1800, (ALARM,), "ask")
DEPLOYMENT_PLAN = DeploymentPlan(TRAINING, "retraining-deploys", DEPLOYMENT, {})


def parked(world: World, kind: WaitKind, subject: str = "", *, lasts: timedelta = HALF, **data: Any) -> Wait:
    """A wait that was parked at noon."""
    until = (NOON + lasts).isoformat()
    kept = {"settles_at": until, "since": NOON.isoformat(), "sequence": 0, "why": "It was bad.", **data}
    wait = Wait(kind, subject, "run-1", "fraud", f"{kind}-token", RUN.execution_arn, NOON.isoformat(), until, until)
    wait = replace(wait, data={**ASKED, **kept} if kind is WaitKind.APPROVAL else kept)
    assert world.table.park(wait, item_of(wait)) is None
    return wait


def item_of(wait: Wait) -> Any:
    return due(DueKind.LOOK, wait.wait_id, "fraud", NOON)


def stored(world: World, wait: Wait) -> Wait:
    found = world.table.wait(wait.run_id, wait.kind, wait.subject)
    assert found is not None
    return found


def looked(world: World, wait: Wait) -> Result | None:
    """What a look comes to."""
    answered = look_after(world.ports, wait)
    found = stored(world, wait)
    assert found.answered == answered
    return found.result


def says(result: Result | None) -> tuple[Next, Status | None] | None:
    return None if result is None else (result.next, result.outcome)


def planned(world: World, plan: PromotionPlan = ENDPOINT_PLAN) -> None:
    """A run whose candidate passed its gates."""
    begin(world)
    verdict = CandidateVerdict(Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan)
    assert world.table.store_candidate_verdict("run-1", verdict, [])


def switch(world: World, scope: str = "global") -> None:
    assert world.table.throw_switch(KillSwitch(scope, "ana", "Incident 7.", NOON.isoformat()))


# Any kind.


@pytest.mark.parametrize("outcome", [None, "STOPPED"])
@pytest.mark.parametrize(
    ("kind", "repair"),
    [
        (WaitKind.SLOT, "lost_event_replaced"),
        (WaitKind.TRAINING, "lost_event_replaced"),
        (WaitKind.PROMOTION, "lost_event_replaced"),
        (WaitKind.ROLLBACK, "lost_event_replaced"),
        (WaitKind.BAKE, None),
        (WaitKind.APPROVAL, None),
    ],
)
def test_what_a_run_that_is_over_or_never_was_waits_for_is_withdrawn(
    kind: WaitKind, repair: str | None, outcome: str | None, world: World
) -> None:
    if outcome is not None:
        begin(world, replace(RUN, outcome=outcome))
    wait = parked(world, kind, "bake" if kind is WaitKind.APPROVAL else "")
    assert look(world.ports, item_of(wait)) == Worked(repair=repair)
    result = stored(world, wait).result
    assert result is not None
    assert (result.next, result.withdrawn) == (Next.RECORD, True)
    if kind is WaitKind.APPROVAL:
        assert result.outcome == (outcome or "FAILED")
        assert result.ruling is not None
    else:
        assert result.reason == "Run run-1 ended before what it waited for."
        assert result.outcome is None


@pytest.mark.parametrize(
    ("kind", "minutes", "after"),
    [(WaitKind.SLOT, 1, AGAIN), (WaitKind.BAKE, 1, timedelta(minutes=1)), (WaitKind.BAKE, 30, AGAIN)],
)
def test_what_goes_on_is_looked_at_in_a_rhythm_and_a_bake_at_its_end(
    kind: WaitKind, minutes: int, after: timedelta, world: World
) -> None:
    planned(world)
    baking(world)
    wait = parked(world, kind, lasts=timedelta(minutes=minutes))
    assert look(world.ports, item_of(wait)) == later(item_of(wait), NOON + after)


def test_a_bake_that_gets_longer_is_looked_at_on(world: World) -> None:
    planned(world)
    baking(world, alarm="INSUFFICIENT_DATA")
    wait = parked(world, WaitKind.BAKE)
    world.clock.forward(minutes=30)
    assert look(world.ports, item_of(wait)) == later(item_of(wait), world.clock() + AGAIN)


def test_a_run_has_its_slot_when_the_ledger_says_so(world: World) -> None:
    begin(world)
    wait = parked(world, WaitKind.SLOT)
    assert looked(world, wait) is None
    assert world.table.save_slots(SlotLedger((Holder("run-1", "fraud", 7, NOON.isoformat()),), 7), [], [])
    result = looked(world, wait)
    assert says(result) == (Next.TRAIN, None)


# A training.


def training(world: World) -> tuple[Wait, str]:
    """A run that trains at another state machine."""
    trains = {
        "target": TRAINING,
        "kind": TargetKind.STATE_MACHINE,
        "max_hours": 2,
        "input": {"idempotency_token": "0" * 40, "output_uri": "s3://automation/runs/fraud/run-1/outputs/"},
    }
    begin(world, replace(RUN, manifest=json.dumps({"signal": SIGNAL.as_record(), "training": trains})))
    name = f"retraining-{'0' * 40}"
    intention = Intention(
        training_subject("run-1"), "run-1", "fraud", RUN.execution_arn, RUN.started_at, RUN.started_at, 1, wanted=name
    )
    assert world.table.save_model(world.table.model("fraud"), [world.table.intention_write(intention)])
    return parked(world, WaitKind.TRAINING, accepted=True), nested_execution_arn(TRAINING, name)


@pytest.mark.parametrize(
    ("status", "more", "hours", "outcome"),
    [
        ("RUNNING", {}, 0, None),
        ("SUCCEEDED", {"output": "{}"}, 0, (Next.EVALUATE, None)),
        ("FAILED", {"error": "Boom"}, 0, (Next.EVALUATE, Status.TRAINING_FAILED)),
        ("FAILED", {"error": "Boom"}, 3, (Next.EVALUATE, Status.TRAINING_FAILED)),
        ("ABORTED", {}, 0, (Next.EVALUATE, Status.TRAINING_FAILED)),
        ("ABORTED", {}, 3, (Next.EVALUATE, Status.TRAINING_TIMED_OUT)),
        (None, {}, 0, None),
    ],
)
def test_a_training_is_what_its_target_says(
    status: str | None, more: dict[str, Any], hours: int, outcome: Any, world: World
) -> None:
    wait, arn = training(world)
    world.clock.forward(hours=hours)
    if status is not None:
        world.executions.end(arn, status, **more)
    assert says(looked(world, wait)) == outcome


@pytest.mark.parametrize(("hours", "status"), [(1.9, "RUNNING"), (2, "ABORTED")])
def test_a_training_past_its_limit_is_stopped_and_has_timed_out(hours: float, status: str, world: World) -> None:
    wait, arn = training(world)
    world.executions.statuses[arn] = "RUNNING"
    world.clock.forward(hours=hours)
    assert looked(world, wait) is None
    assert world.executions.statuses[arn] == status
    if status == "ABORTED":
        assert world.executions.more[arn] == {
            "error": "TrainingTimedOut",
            "cause": "The training ran longer than the 2 h its policy allows.",
        }
        assert says(looked(world, wait)) == (Next.EVALUATE, Status.TRAINING_TIMED_OUT)


def test_a_job_stopped_at_its_limit_has_timed_out_also_where_it_is_noted_as_taken_later(world: World) -> None:
    """The hand notes that AWS took a training after it did, and its time counts from there; a job does not say why it was stopped."""
    wait, _ = training(world)
    job = {"kind": TargetKind.TRAINING_JOB, "target": "training-job"}
    manifest = json.loads(world.table.run("run-1").manifest)  # type: ignore[union-attr] # it was begun just now
    world.database.items["RUN#run-1", "RUN"]["manifest"] = {
        "S": json.dumps({**manifest, "training": {**manifest["training"], **job}})
    }
    name = f"retraining-{'0' * 40}"
    world.sagemaker.trainings[name] = {"TrainingJobName": name, "TrainingJobStatus": "InProgress"}
    assert world.table.change_wait(wait, replace(wait, data={**wait.data, "accepted": False}))
    world.clock.forward(hours=2)
    assert looked(world, stored(world, wait)) is None
    assert world.sagemaker.trainings[name]["TrainingJobStatus"] == "Stopping"
    world.sagemaker.trainings[name]["TrainingJobStatus"] = "Stopped"
    noted(cast("Any", world.ports), stored(world, wait))
    assert says(stored(world, wait).result) == (Next.EVALUATE, Status.TRAINING_TIMED_OUT)


@pytest.mark.parametrize("known", [True, False])
def test_a_training_is_not_stopped_before_it_is_noted_that_it_is_late(known: bool, world: World) -> None:
    wait, arn = training(world)
    world.executions.statuses[arn] = "RUNNING"
    world.clock.forward(hours=2)
    rival = replace(wait, data={**wait.data, "overdue": known})
    assert world.table.change_wait(wait, rival)
    assert looked(world, rival if known else wait) is None
    assert world.executions.statuses[arn] == ("ABORTED" if known else "RUNNING")


def test_a_run_without_a_target_trained_nothing(world: World) -> None:
    begin(world)
    assert says(looked(world, parked(world, WaitKind.TRAINING))) == (Next.EVALUATE, Status.TRAINING_FAILED)


# A promotion.


@pytest.mark.parametrize(
    ("status", "outcome"), [("PendingManualApproval", None), ("Approved", (Next.RECORD, Status.PROMOTED))]
)
def test_a_package_is_promoted_when_it_is_approved_whatever_is_paused(status: str, outcome: Any, world: World) -> None:
    planned(world, RegistryPlan(PACKAGE))
    switch(world)
    world.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": status}
    assert says(looked(world, parked(world, WaitKind.PROMOTION))) == outcome


@pytest.mark.parametrize(
    ("status", "minutes", "outcome"),
    [
        (None, 29, None),
        (None, 30, (Next.RECORD, Status.FAILED)),
        ("RUNNING", 60, None),
        ("SUCCEEDED", 1, (Next.RECORD, Status.PROMOTED)),
        ("FAILED", 1, (Next.RECORD, Status.FAILED)),
    ],
)
def test_a_deployment_is_what_its_execution_says(status: str | None, minutes: int, outcome: Any, world: World) -> None:
    planned(world, DEPLOYMENT_PLAN)
    wait = parked(world, WaitKind.PROMOTION, accepted=True)
    world.clock.forward(minutes=minutes)
    if status is not None:
        world.executions.statuses[DEPLOYMENT] = status
    assert says(looked(world, wait)) == outcome


SERVES_ON = (Next.FINISH, Status.ROLLED_BACK)


@pytest.mark.parametrize(
    ("data", "changed", "minutes", "outcome"),
    [
        ({"accepted": True}, NOON, 0, SERVES_ON),
        ({"accepted": True}, NOON - SECOND, 0, None),
        ({"accepted": True}, None, 0, None),
        ({"accepted": False}, NOON, 0, None),
        ({"accepted": False}, NOON, 30, None),
        ({"accepted": True}, NOON - SECOND, 29, None),
        ({"accepted": True}, NOON - SECOND, 30, SERVES_ON),
    ],
)
def test_an_endpoint_that_is_as_before_was_moved_since_or_would_show_it_by_now(
    data: dict[str, Any], changed: datetime | None, minutes: int, outcome: Any, world: World
) -> None:
    planned(world)
    wait = parked(world, WaitKind.PROMOTION, **data)
    world.clock.forward(minutes=minutes)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(OLD, changed=changed)  # type: ignore[arg-type] # may be missing
    assert says(looked(world, wait)) == outcome


@pytest.mark.parametrize(
    ("endpoint", "outcome"),
    [
        (None, (Next.ROLL_BACK, Status.ROLLED_BACK)),
        (Endpoint(NEW), (Next.BAKE, None)),
        (Endpoint(OLD, pending=NEW, status="Updating"), None),
        (Endpoint("somebodys"), None),
    ],
)
def test_a_promotion_is_what_its_endpoint_shows(endpoint: Endpoint | None, outcome: Any, world: World) -> None:
    planned(world)
    if endpoint is not None:
        world.sagemaker.endpoints[ENDPOINT] = endpoint
    assert says(looked(world, parked(world, WaitKind.PROMOTION))) == outcome


# Going back.

BACK, NOT_BACK = (Next.FINISH, Status.STOPPED), (Next.FINISH, Status.ROLLBACK_FAILED)


@pytest.mark.parametrize(
    ("live", "accepted", "minutes", "outcome"),
    [
        (OLD, True, 1, BACK),
        (OLD, False, 1, None),
        (OLD, False, 30, None),
        (NEW, True, 1, NOT_BACK),
        (NEW, False, 30, None),
        ("somebodys", False, 1, (Next.FINISH, Status.SUPERSEDED)),
        (None, True, 1, NOT_BACK),
        (None, False, 1, None),
    ],
)
def test_until_aws_took_the_way_back_only_the_hand_says_that_there_is_none(
    live: str | None, accepted: bool, minutes: int, outcome: Any, world: World
) -> None:
    planned(world)
    if live is not None:
        world.sagemaker.endpoints[ENDPOINT] = Endpoint(live, changed=NOON)
    wait = parked(world, WaitKind.ROLLBACK, accepted=accepted, outcome="STOPPED")
    world.clock.forward(minutes=minutes)
    result = looked(world, wait)
    assert says(result) == outcome
    assert result is None or result.reason.startswith("It was bad. Endpoint ")


# A bake.


def baking(world: World, *, alarm: str = "OK") -> None:
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(NEW)
    world.alarms.states[ALARM] = alarm


GOOD, BAD, ASKS = (Next.FINISH, Status.PROMOTED), (Next.ROLL_BACK, Status.ROLLED_BACK), (Next.ASK, None)


@pytest.mark.parametrize(
    ("alarm", "minutes", "extended", "outcome"),
    [
        ("OK", 29, False, None),
        ("OK", 30, False, GOOD),
        ("OK", 30, True, GOOD),
        ("ALARM", 1, False, BAD),
        ("ALARM", 30, False, BAD),
        ("INSUFFICIENT_DATA", 29, False, None),
        ("INSUFFICIENT_DATA", 29, True, None),
        ("INSUFFICIENT_DATA", 30, True, ASKS),
    ],
)
def test_a_bake_is_judged_at_its_end_and_what_speaks_against_it_ends_it_before(
    alarm: str, minutes: int, extended: bool, outcome: Any, world: World
) -> None:
    planned(world)
    baking(world, alarm=alarm)
    wait = parked(world, WaitKind.BAKE, extended=extended)
    world.clock.forward(minutes=minutes)
    assert says(looked(world, wait)) == outcome
    assert stored(world, wait).deadline == wait.deadline


def test_a_bake_without_data_lasts_as_long_again_from_its_end_and_only_once(world: World) -> None:
    planned(world)
    baking(world, alarm="INSUFFICIENT_DATA")
    wait = parked(world, WaitKind.BAKE)
    world.clock.forward(minutes=31)
    assert looked(world, wait) is None
    longer = stored(world, wait)
    assert longer.deadline == longer.next_step_at == (world.clock() + HALF).isoformat()
    assert longer.data == {**wait.data, "extended": True}
    world.clock.forward(minutes=30)
    assert says(looked(world, longer)) == ASKS


@pytest.mark.parametrize(("policy", "outcome"), [("ask", ASKS), ("promote", GOOD), ("roll_back", BAD)])
def test_a_bake_of_no_length_that_has_no_data_ends_as_the_policy_says(policy: str, outcome: Any, world: World) -> None:
    planned(world, replace(ENDPOINT_PLAN, inconclusive=policy))
    baking(world, alarm="INSUFFICIENT_DATA")
    wait = parked(world, WaitKind.BAKE, lasts=timedelta())
    world.clock.forward(minutes=1)
    assert says(looked(world, wait)) == outcome
    # It was extended, by no time, while it was judged; its workflow hears of that all the same.
    assert stored(world, wait).deadline > wait.deadline
    assert list(world.executions.answers) == [wait.token]


@pytest.mark.parametrize(("fired", "outcome"), [(NOON - SECOND, None), (NOON, BAD)])
def test_an_alarm_counts_from_the_promotion_on(fired: datetime, outcome: Any, world: World) -> None:
    planned(world)
    baking(world)
    world.alarms.fired[ALARM] = (fired,)
    assert says(looked(world, parked(world, WaitKind.BAKE))) == outcome


@pytest.mark.parametrize(("sequence", "outcome"), [(3, None), (2, BAD)])
def test_drift_counts_by_its_place_in_the_chain(sequence: int, outcome: Any, world: World) -> None:
    planned(world)
    baking(world)
    came_back(world, 3)
    assert says(looked(world, parked(world, WaitKind.BAKE, sequence=sequence))) == outcome


def came_back(world: World, sequence: int) -> None:
    signal = replace(SIGNAL, kind=SignalKind.DRIFT).as_record()
    pending = {"count": 1, "severity": "critical", "first_signal_id": SIGNAL.signal_id, "signal": signal}
    state = replace(world.table.model("fraud"), pending={**pending, "drift": signal, "drift_sequence": sequence})
    assert world.table.save_model(state)


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:manual_request"])
def test_a_switch_over_the_run_ends_its_bake(scope: str, world: World) -> None:
    planned(world)
    baking(world)
    switch(world, scope)
    assert says(looked(world, parked(world, WaitKind.BAKE))) == (Next.ROLL_BACK, Status.STOPPED)


def test_a_switch_that_is_thrown_as_a_bake_is_found_good_ends_it_otherwise(world: World) -> None:
    planned(world)
    baking(world)
    wait = parked(world, WaitKind.BAKE)
    world.clock.forward(minutes=30)
    world.outside.meanwhile("TransactWriteItems", lambda: switch(world))
    assert says(looked(world, wait)) == (Next.ROLL_BACK, Status.STOPPED)


@pytest.mark.parametrize("alarm", ["OK", "INSUFFICIENT_DATA"])
def test_a_candidate_that_is_wanted_back_as_its_bake_is_found_good_or_left_to_people_goes_back(
    alarm: str, world: World
) -> None:
    planned(world)
    baking(world, alarm=alarm)
    wait = parked(world, WaitKind.BAKE, extended=True)
    world.clock.forward(minutes=30)
    wanted = KeptRollback("run-1", "fraud", "Chargebacks doubled.", "ana", NOON.isoformat())
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.keep_rollback(wanted, [], at=NOON))
    assert says(looked(world, wait)) == BAD


@pytest.mark.parametrize("kind", [WaitKind.BAKE, WaitKind.APPROVAL])
def test_drift_that_is_recorded_while_a_bake_is_judged_is_judged_too(
    kind: WaitKind, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes after the chain's end was read has it judged again; what came before is seen."""
    planned(world)
    baking(world)
    bake = parked(world, WaitKind.BAKE)
    wait = bake if kind is WaitKind.BAKE else parked(world, kind, "bake")
    world.clock.forward(minutes=30)
    head = world.table.chain_head

    def after_drift(chain: str) -> Any:
        monkeypatch.setattr(world.table, "chain_head", head)
        came_back(world, 3)
        return head(chain)

    monkeypatch.setattr(world.table, "chain_head", after_drift)
    assert says(looked(world, wait)) == BAD


# What people are asked about a bake.


@pytest.mark.parametrize(
    ("subject", "baked", "alarm", "outcome"),
    [
        ("bake", True, "OK", None),
        ("bake", True, "INSUFFICIENT_DATA", None),
        ("bake", True, "ALARM", BAD),
        ("bake", False, "ALARM", None),
        ("promotion", True, "ALARM", None),
    ],
)
def test_what_speaks_against_a_candidate_ends_the_asking_about_its_bake(
    subject: str, baked: bool, alarm: str, outcome: Any, world: World
) -> None:
    planned(world)
    baking(world, alarm=alarm)
    if baked:
        parked(world, WaitKind.BAKE)
    wait = parked(world, WaitKind.APPROVAL, subject)
    world.clock.forward(minutes=31)
    result = looked(world, wait)
    assert says(result) == outcome
    if result is not None:
        assert result.ruling is not None
        assert result.ruling.decision is ApprovalDecision.WITHDRAWN
        assert result.ruling.decided_at == world.clock().isoformat()
