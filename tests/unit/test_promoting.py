"""The hand by itself: what it does first, what it does again, and when it gives up."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.errors import ContentionError, InvalidRequestError, NotAcceptedYetError
from orchestration.domain.intention import Intention, endpoint_subject, training_subject
from orchestration.domain.promotion import DeploymentPlan, PromotionPlan, RegistryPlan
from orchestration.domain.slots import Holder, SlotLedger
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_target import nested_execution_arn
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.steps.facts import facts_of
from tests.unit import stories
from tests.unit.fake_services import Endpoint, client_error
from tests.unit.fakes import NOON, TRAINING, World, execution_arn
from tests.unit.stories import ENDPOINT, OLD, do, next_of
from tests.unit.test_close import ASKED, RUN
from tests.unit.test_evaluating import PACKAGE, pinned
from tests.unit.test_hand import JOB, NAME
from tests.unit.test_looking import ENDPOINT_PLAN, NEW

AT = NOON.isoformat()
UPDATE = {"EndpointName": ENDPOINT, "EndpointConfigName": NEW}
PLAN = replace(
    ENDPOINT_PLAN,
    create_model={
        "ModelName": NEW,
        "PrimaryContainer": {"Image": "image", "ModelDataUrl": stories.MODEL_URI},
        "ExecutionRoleArn": "arn:aws:iam::111122223333:role/serving",
    },
    create_endpoint_config={
        "EndpointConfigName": NEW,
        "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": NEW, "InstanceType": "ml.m5.large"}],
    },
    update_endpoint=UPDATE,
)
DEPLOYS = "retraining-deploy-1"
DEPLOYMENT = nested_execution_arn(TRAINING, DEPLOYS)
DEPLOYMENT_PLAN = DeploymentPlan(TRAINING, DEPLOYS, DEPLOYMENT, {"stage": "prod"})
REFUSED = client_error("ValidationException", "It cannot be done.")
LATER = client_error("ThrottlingException", "Rate exceeded")


def ready(world: World, plan: PromotionPlan | None = PLAN, result: Result | None = None, **policy: Any) -> None:
    """A candidate that passed its gates."""
    pinned(world, **policy)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(OLD)
    world.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": "PendingManualApproval"}
    found = CandidateVerdict(result or Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan)
    assert world.table.store_candidate_verdict("run-1", found, [])


def parked(world: World, kind: WaitKind, result: Result | None = None, **data: Any) -> Wait:
    kept = {"settles_at": AT, "accepted": False, "names": [], "sequence": 1, "since": AT, "why": "It was bad.", **data}
    wait = Wait(kind, "", "run-1", "fraud", "first", RUN.execution_arn, AT, AT, AT, data=kept)
    wait = wait if result is None else settled(wait, result)
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    return wait


def stored(world: World, kind: WaitKind) -> Wait:
    found = world.table.wait("run-1", kind)
    assert found is not None
    return found


def outcome(world: World, kind: WaitKind) -> Status | None:
    result = stored(world, kind).result
    assert result is not None
    return result.outcome


def promote(world: World) -> bool:
    return bool(do(world, "promote", token="again")["started"])


def updates(world: World) -> list[str]:
    return [asked["EndpointConfigName"] for asked in world.sagemaker.asked("UpdateEndpoint")]


def pause(world: World) -> None:
    assert world.table.throw_switch(KillSwitch("global", "ana", "Incident 7.", AT))


# Promoting.


@pytest.mark.parametrize(
    ("plan", "result"),
    [
        (None, None),
        (PLAN, Result(Next.RECORD, "It did not pass.", Status.CANDIDATE_REJECTED)),
        (None, Result(Next.RECORD, "-", Status.TRAINED)),
    ],
)
def test_nothing_is_promoted_that_has_no_plan_or_did_not_pass(plan: Any, result: Any, world: World) -> None:
    ready(world, plan, result)
    with pytest.raises(InvalidRequestError, match="has no candidate that passed its gates"):
        promote(world)


def test_nothing_is_promoted_before_it_was_judged(world: World) -> None:
    pinned(world)
    with pytest.raises(InvalidRequestError, match="has no candidate that passed its gates"):
        promote(world)


def test_a_promotion_is_given_a_week(world: World) -> None:
    ready(world)
    assert promote(world)
    wait = stored(world, WaitKind.PROMOTION)
    assert wait.deadline == (NOON + timedelta(days=7)).isoformat()
    assert updates(world) == [NEW]


def test_a_promotion_that_is_over_is_not_begun_again(world: World) -> None:
    ready(world)
    parked(world, WaitKind.PROMOTION, Result(Next.BAKE, "Serves."))
    assert promote(world) is False
    assert next_of(world, "again") == "bake"
    assert updates(world) == []


def test_a_package_that_a_person_approved_before_is_promoted_like_any_other(world: World) -> None:
    ready(world, RegistryPlan(PACKAGE))
    world.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = "Approved"
    assert promote(world)
    assert outcome(world, WaitKind.PROMOTION) is Status.PROMOTED


def made(world: World) -> None:
    """An earlier try got as far as that."""
    for make, made_of in (("create_model", PLAN.create_model), ("create_endpoint_config", PLAN.create_endpoint_config)):
        getattr(world.sagemaker, make)(**copy.deepcopy(made_of or {}))


def serves(world: World) -> None:
    made(world)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(NEW)


def moves(world: World) -> None:
    made(world)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(OLD, pending=NEW, status="Updating")


def approved(world: World) -> None:
    world.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = "Approved"


def deploys(world: World) -> None:
    earlier = World()
    ready(earlier, DEPLOYMENT_PLAN)
    assert promote(earlier)
    world.executions.started[DEPLOYS] = earlier.executions.started[DEPLOYS]
    world.executions.statuses[DEPLOYMENT] = "RUNNING"


@pytest.mark.parametrize(
    ("plan", "shows"),
    [(PLAN, serves), (PLAN, moves), (RegistryPlan(PACKAGE), approved), (DEPLOYMENT_PLAN, deploys)],
)
def test_what_an_earlier_try_began_is_followed_whatever_stops_the_run_now(plan: Any, shows: Any, world: World) -> None:
    ready(world, plan)
    parked(world, WaitKind.PROMOTION)
    shows(world)
    begun = dict(world.executions.started)
    pause(world)
    assert promote(world)
    wait = stored(world, WaitKind.PROMOTION)
    assert wait.result is None or wait.result.outcome is not Status.STOPPED
    assert (updates(world), world.executions.started) == ([], begun)


@pytest.mark.parametrize("plan", [PLAN, RegistryPlan(PACKAGE), DEPLOYMENT_PLAN])
def test_what_no_earlier_try_began_is_stopped_once_it_would_show(plan: Any, world: World) -> None:
    ready(world, plan)
    later = (NOON + timedelta(seconds=1)).isoformat()
    parked(world, WaitKind.PROMOTION, settles_at=later)
    pause(world)
    with pytest.raises(NotAcceptedYetError, match="may still show"):
        promote(world)
    world.clock.forward(seconds=1)
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is Status.STOPPED


def test_people_who_are_asked_after_a_try_leave_its_wait_as_it_is(world: World) -> None:
    ready(world)
    parked(world, WaitKind.PROMOTION)
    world.put("policies/fraud.json", stories.policy(cooldown_hours=9))
    assert promote(world) is False
    assert next_of(world, "again") == "ask"
    do(world, "sweep")
    assert stored(world, WaitKind.PROMOTION).resolved is False


@pytest.mark.parametrize(("frozen", "goes"), [(None, True), ("Left.", False)])
def test_an_endpoint_that_another_run_left_is_free_once_its_model_is_unfrozen(
    frozen: str | None, goes: bool, world: World
) -> None:
    ready(world)
    intention = Intention(endpoint_subject(ENDPOINT), "run-7", "risk", "arn", AT, AT, 1, state="ABANDONED")
    left = [world.table.intention_write(intention)]
    assert world.table.save_model(StoredModel("risk", frozen_reason=frozen), left)
    assert promote(world) is goes
    assert updates(world) == ([NEW] if goes else [])


def test_a_try_that_comes_later_counts_drift_from_then_on(world: World) -> None:
    ready(world)
    parked(world, WaitKind.PROMOTION, since="2026-03-02T11:00:00+00:00", sequence=0)
    stories.operate(world, "pause", scope="model:fraud", reason="Incident 7.")
    stories.operate(world, "unpause", scope="model:fraud")
    world.clock.forward(minutes=1)
    assert promote(world)
    data = stored(world, WaitKind.PROMOTION).data
    assert data["since"] == world.clock().isoformat()
    assert data["sequence"] == world.table.chain_head("fraud").sequence > 0


@pytest.mark.parametrize(
    ("shows", "started", "asked"),
    [
        (Endpoint(OLD, pending=NEW, status="Updating"), True, []),
        (Endpoint(NEW), True, []),
        (Endpoint("hotfix"), False, []),
    ],
)
def test_what_shows_right_after_the_commit_is_not_asked_for_again(
    shows: Endpoint, started: bool, asked: list[str], world: World
) -> None:
    ready(world)
    world.outside.meanwhile("TransactWriteItems", lambda: world.sagemaker.endpoints.update({ENDPOINT: shows}))
    assert promote(world) is started
    assert updates(world) == asked
    if not started:
        assert outcome(world, WaitKind.PROMOTION) is Status.SUPERSEDED


@pytest.mark.parametrize(
    ("error", "after", "what"),
    [
        (REFUSED, Endpoint(NEW), "started"),
        (REFUSED, Endpoint(OLD, pending=NEW, status="Updating"), "started"),
        (REFUSED, Endpoint(OLD, status="Updating"), "again"),
        (LATER, Endpoint(OLD), "again"),
        (REFUSED, Endpoint(OLD), "failed"),
    ],
)
def test_an_update_that_was_not_taken_is_judged_by_what_the_endpoint_shows(
    error: Exception, after: Endpoint, what: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(world)

    def update(**_: Any) -> None:
        world.sagemaker.endpoints[ENDPOINT] = after
        raise error

    monkeypatch.setattr(world.sagemaker, "update_endpoint", update)
    if what == "again":
        with pytest.raises(NotAcceptedYetError):
            promote(world)
    else:
        assert promote(world) is (what == "started")
        assert ("PROMOTION_STARTED" in world.statuses("run-1")) == (what == "started")
    if what == "failed":
        assert outcome(world, WaitKind.PROMOTION) is Status.FAILED


NOT_FOUND = client_error("ValidationException", "Could not find what was made a moment ago.")
QUOTA = client_error("ResourceLimitExceeded", "The account-level service limit 'ml.m5.large for endpoint usage' is 1.")


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
def test_what_was_made_a_moment_ago_and_is_not_found_yet_is_asked_for_again(operation: str, world: World) -> None:
    ready(world)
    world.sagemaker.refuse(operation, NOT_FOUND)
    with pytest.raises(NotAcceptedYetError, match=f"{operation} was refused"):
        promote(world)
    do(world, "sweep")
    assert promote(world) is True
    assert updates(world) == [NEW]


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
@pytest.mark.parametrize(("error", "ends"), [(NOT_FOUND, Status.FAILED), (QUOTA, Status.NO_CAPACITY)])
def test_what_aws_does_not_take_for_half_a_day_is_given_up(
    operation: str, error: Exception, ends: Status, world: World
) -> None:
    ready(world)
    world.sagemaker.refuse(operation, error, error)
    with pytest.raises(NotAcceptedYetError):
        promote(world)
    world.clock.forward(hours=12)
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is ends
    assert updates(world) == []
    found = stored(world, WaitKind.PROMOTION).result
    reason = found.reason if found else ""
    assert reason.startswith(f"Given up after 12 h. {operation} was refused")
    assert ("Raise the quota 'ml.m5.large for endpoint usage'" in reason) == (ends is Status.NO_CAPACITY)


def test_a_model_that_is_refused_makes_no_config(world: World) -> None:
    ready(world)
    world.sagemaker.refuse("CreateModel", REFUSED)
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is Status.FAILED
    assert world.sagemaker.asked("CreateEndpointConfig") == []


def test_what_was_asked_for_just_before_it_is_given_up_shows_first(world: World) -> None:
    """The answer to the last try may be lost: nobody says that nothing was changed before it would show."""
    ready(world)
    world.sagemaker.refuse("UpdateEndpoint", LATER)
    with pytest.raises(NotAcceptedYetError):
        promote(world)
    world.clock.forward(hours=11.99)
    world.sagemaker.refuse("UpdateEndpoint", LATER)
    with pytest.raises(NotAcceptedYetError):
        promote(world)
    world.clock.forward(hours=0.02)
    with pytest.raises(NotAcceptedYetError, match="may still show"):
        promote(world)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(NEW)
    assert promote(world) is True


@pytest.mark.parametrize("shows", [serves, moves])
def test_an_endpoint_that_somebody_else_moved_to_the_runs_name_is_not_followed(shows: Any, world: World) -> None:
    ready(world)
    parked(world, WaitKind.PROMOTION)
    shows(world)
    world.sagemaker.models[NEW]["PrimaryContainer"]["Image"] = "evil"
    assert promote(world) is False
    result = stored(world, WaitKind.PROMOTION).result
    assert result is not None
    assert (result.next, result.outcome) == (Next.ROLL_BACK, Status.ROLLED_BACK)
    assert "PROMOTION_STARTED" not in world.statuses("run-1")


def test_an_endpoint_on_what_somebody_else_made_under_the_runs_name_is_brought_back(world: World) -> None:
    stories.accepted(world)
    assert do(world, "promote", token="p-1") == {"started": True}
    wait = stored(world, WaitKind.PROMOTION)
    # As if the function had died before it noted that the update was taken.
    assert world.table.change_wait(wait, replace(wait, data={**wait.data, "accepted": False}))
    world.sagemaker.models[stories.candidate(world)]["PrimaryContainer"]["Image"] = "evil"
    do(world, "promote", token="p-2")
    assert next_of(world, "p-2") == "roll_back"
    world.sagemaker.settle(ENDPOINT)
    assert do(world, "roll_back", token="back") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD
    closed = do(world, "close")
    assert closed["outcome"] == Status.ROLLED_BACK
    assert "is not what was judged" in world.read("evidence/fraud/run-1/outcome.json")["reason"]


@pytest.mark.parametrize("missing", ["models", "configs"])
def test_what_an_earlier_try_made_and_does_not_show_yet_is_asked_for_again(missing: str, world: World) -> None:
    ready(world)
    parked(world, WaitKind.PROMOTION)
    serves(world)
    gone = getattr(world.sagemaker, missing).pop(NEW)
    with pytest.raises(NotAcceptedYetError, match="not to be seen yet"):
        promote(world)
    getattr(world.sagemaker, missing)[NEW] = gone
    assert promote(world) is True


def test_what_somebody_else_made_under_the_runs_name_is_not_promoted() -> None:
    for spoil in (
        "model",
        "model alone",
        "environment",
        "role",
        "config",
        "config alone",
        "instances",
        "answer lost",
        "nothing",
    ):
        fresh = World()
        ready(fresh)
        model, config = copy.deepcopy((dict(PLAN.create_model or {}), dict(PLAN.create_endpoint_config or {})))
        container, (variant,) = dict(model["PrimaryContainer"]), config["ProductionVariants"]
        match spoil:
            case "model" | "model alone":
                model["PrimaryContainer"] = {**container, "ModelDataUrl": "s3://evil/model.tar.gz"}
            case "environment":
                model["PrimaryContainer"] = {**container, "Environment": {"SAGEMAKER_PROGRAM": "other.py"}}
            case "role":
                model["ExecutionRoleArn"] = "arn:aws:iam::111122223333:role/other"
            case "config" | "config alone":
                config["ProductionVariants"] = [{**variant, "ModelName": "evil"}]
            case "instances":
                config["ProductionVariants"] = [{**variant, "InstanceType": "ml.c5.large"}]
        if spoil != "config alone":
            fresh.sagemaker.create_model(**{**model, "Tags": []})
        if spoil not in {"answer lost", "model alone"}:
            fresh.sagemaker.create_endpoint_config(**{**config, "Tags": []})
        harmless = spoil in {"answer lost", "nothing"}
        assert promote(fresh) is harmless, spoil
        assert updates(fresh) == ([NEW] if harmless else []), spoil
        if not harmless:
            result = stored(fresh, WaitKind.PROMOTION).result
            assert result is not None
            assert result.outcome is Status.FAILED
            assert "is not what was judged" in result.reason


def test_a_deployment_that_somebody_else_started_under_its_name_is_not_followed(world: World) -> None:
    ready(world, DEPLOYMENT_PLAN)
    world.executions.start_execution(stateMachineArn=TRAINING, name=DEPLOYS, input=json.dumps({"by": "hand"}))
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is Status.FAILED
    assert "PROMOTION_STARTED" not in world.statuses("run-1")


def test_a_deployment_that_began_is_told_of(world: World) -> None:
    ready(world, DEPLOYMENT_PLAN)
    assert promote(world) is True
    assert world.executions.started[DEPLOYS]["stage"] == "prod"
    assert "PROMOTION_STARTED" in world.statuses("run-1")


def test_which_way_an_endpoint_moves_is_told(new_world: Callable[..., World]) -> None:
    there, back = new_world(), new_world()
    ready(there)
    ready(back, replace(PLAN, create_model=None, create_endpoint_config=None))
    made(back)
    for world, says in ((there, "is moving to config"), (back, "is moving back to config")):
        assert promote(world) is True
        (row,) = [row for row in world.table.statuses("run-1") if row["status"] == Status.PROMOTION_STARTED]
        assert says in row["details"]["sentence"]


# Going back.

BAKED = Result(Next.ROLL_BACK, "An alarm rang.", Status.ROLLED_BACK)


def promoted(world: World, endpoint: Endpoint | None = None, *, settles: datetime = NOON, **policy: Any) -> None:
    """A candidate that was promoted, with its intention open."""
    ready(world, **policy)
    world.sagemaker.endpoints[ENDPOINT] = endpoint or Endpoint(NEW)
    intention = Intention(
        endpoint_subject(ENDPOINT), "run-1", "fraud", RUN.execution_arn, AT, settles.isoformat(), 1, NEW, OLD
    )
    assert world.table.save_model(world.table.model("fraud"), [world.table.intention_write(intention)])


def roll_back(world: World) -> bool:
    return bool(do(world, "roll_back", token="again")["started"])


@pytest.mark.parametrize(
    ("facts", "why", "ends"),
    [
        ([(WaitKind.BAKE, "", BAKED)], "An alarm rang.", Status.ROLLED_BACK),
        ([(WaitKind.BAKE, "", replace(BAKED, outcome=Status.STOPPED))], "An alarm rang.", Status.STOPPED),
        ([(WaitKind.PROMOTION, "", replace(BAKED, reason="It failed."))], "It failed.", Status.ROLLED_BACK),
        (
            [
                (WaitKind.BAKE, "", Result(Next.ASK, "Nobody knows.")),
                (WaitKind.APPROVAL, "bake", replace(BAKED, reason="No.")),
            ],
            "No.",
            Status.ROLLED_BACK,
        ),
        ([], "The promotion could not be followed.", Status.ROLLED_BACK),
    ],
)
def test_the_champion_comes_back_for_the_latest_reason_within_a_week(
    facts: list[tuple[WaitKind, str, Result]], why: str, ends: Status, world: World
) -> None:
    promoted(world)
    for kind, subject, result in facts:
        wait = settled(Wait(kind, subject, "run-1", "fraud", "t", "arn", AT, AT, AT), result)
        assert world.table.park(wait, look_due(world.ports, wait)) is None
    world.bucket.forbidden.add(world.bucket.uri("policies/fraud.json"))
    assert roll_back(world)
    assert updates(world) == [OLD]
    (request,) = world.sagemaker.asked("UpdateEndpoint")
    assert request["RetainAllVariantProperties"] is True
    wait = stored(world, WaitKind.ROLLBACK)
    assert (wait.data["why"], wait.data["outcome"]) == (why, ends)
    assert wait.deadline == (NOON + timedelta(days=7)).isoformat()


def test_the_champion_comes_back_with_its_configs_capacity_where_the_policy_says_so(world: World) -> None:
    promoted(world, promotion={**stories.POLICY["promotion"], "retain_capacity": False})
    parked(world, WaitKind.BAKE, BAKED)
    assert roll_back(world)
    (request,) = world.sagemaker.asked("UpdateEndpoint")
    assert request["RetainAllVariantProperties"] is False


def test_a_yes_that_comes_as_the_champion_is_brought_back_is_no_outcome_of_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose question could not be asked goes back; people who saw the question may answer at that moment."""
    promoted(world)
    read = facts_of

    def answered_meanwhile(ports: Any, run_id: str) -> dict[str, Result]:
        facts = read(ports, run_id)
        yes = Wait(WaitKind.APPROVAL, "bake", "run-1", "fraud", "t", "arn", AT, AT, AT, data=ASKED)
        yes = settled(yes, Result(Next.FINISH, "ana approved.", Status.PROMOTED))
        world.table.park(yes, look_due(world.ports, yes))
        return facts

    monkeypatch.setattr("orchestration.actions.roll_back.facts_of", answered_meanwhile)
    assert roll_back(world)
    assert updates(world) == [OLD]
    assert stored(world, WaitKind.ROLLBACK).data["outcome"] == Status.ROLLED_BACK


def test_a_candidate_that_was_found_good_is_not_taken_back(world: World) -> None:
    promoted(world)
    wait = Wait(WaitKind.BAKE, "", "run-1", "fraud", "t", "arn", AT, AT, AT)
    wait = settled(wait, Result(Next.FINISH, "It held.", Status.PROMOTED))
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    assert roll_back(world) is False
    assert (next_of(world, "again"), updates(world)) == ("finish", [])


def test_a_way_back_that_was_begun_goes_on_whatever_the_bake_says_late(world: World) -> None:
    promoted(world)
    wait = Wait(WaitKind.BAKE, "", "run-1", "fraud", "t", "arn", AT, AT, AT)
    wait = settled(wait, Result(Next.FINISH, "It held.", Status.PROMOTED))
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    parked(world, WaitKind.ROLLBACK, outcome="ROLLED_BACK")
    assert roll_back(world) is True
    assert updates(world) == [OLD]


def test_a_rollback_that_is_over_is_not_begun_again(world: World) -> None:
    promoted(world)
    parked(world, WaitKind.ROLLBACK, Result(Next.FINISH, "Back.", Status.ROLLED_BACK))
    assert roll_back(world) is False
    assert (next_of(world, "again"), updates(world)) == ("finish", [])


def test_a_rollback_that_was_taken_is_looked_at_and_not_asked_for_again(world: World) -> None:
    promoted(world, Endpoint(OLD, changed=NOON))
    parked(world, WaitKind.ROLLBACK, accepted=True, outcome="ROLLED_BACK")
    assert roll_back(world) is True
    assert (next_of(world, "again"), updates(world)) == ("finish", [])


def test_an_execution_that_a_run_does_not_belong_to_brings_no_champion_back(world: World) -> None:
    promoted(world)
    world.database.items["RUN#run-1", "RUN"]["execution_arn"] = {"S": execution_arn("run-2")}
    assert roll_back(world) is False
    assert (next_of(world, "again"), updates(world)) == ("finish", [])


def test_a_run_that_is_closed_as_its_rollback_is_parked_moves_nothing(world: World) -> None:
    promoted(world)
    world.outside.meanwhile("TransactWriteItems", lambda: do(world, "close"))
    with pytest.raises(ContentionError, match="at the same moment"):
        roll_back(world)
    assert updates(world) == []


@pytest.mark.parametrize(
    ("endpoint", "settles", "what"),
    [
        (Endpoint(NEW), NOON, "started"),
        (Endpoint(NEW, status="Failed"), NOON, "started"),
        (Endpoint(OLD, status="Failed"), NOON, "started"),
        (Endpoint(NEW, pending=OLD, status="Updating"), NOON, "followed"),
        (Endpoint(NEW, pending="hotfix", status="Updating"), NOON, "again"),
        (Endpoint(NEW, pending="hotfix"), NOON, "again"),
        (Endpoint(OLD, pending=NEW, status="Updating"), NOON, "again"),
        (Endpoint(NEW, status="Updating"), NOON, "again"),
        (Endpoint(OLD), NOON + timedelta(minutes=1), "again"),
        (Endpoint(OLD), NOON, "over"),
        (Endpoint("hotfix"), NOON, "over"),
    ],
)
def test_a_champion_comes_back_from_whatever_the_endpoint_shows(
    endpoint: Endpoint, settles: datetime, what: str, world: World
) -> None:
    promoted(world, endpoint, settles=settles)
    if what == "again":
        world.outside.calls.clear()
        with pytest.raises(NotAcceptedYetError):
            roll_back(world)
        assert "UpdateEndpoint" not in world.outside.calls
    else:
        assert roll_back(world) is True
    assert updates(world) == ([OLD] if what == "started" else [])
    assert ("ROLLBACK_STARTED" in world.statuses("run-1")) == (what in {"started", "followed"})


@pytest.mark.parametrize(
    ("error", "after", "what"),
    [
        (REFUSED, Endpoint(OLD), "started"),
        (REFUSED, Endpoint(NEW, pending=OLD, status="Updating"), "started"),
        (REFUSED, Endpoint(NEW, status="Updating"), "again"),
        (LATER, Endpoint(NEW), "again"),
        (REFUSED, Endpoint(NEW), "failed"),
        (REFUSED, Endpoint(NEW, status="Failed"), "failed"),
    ],
)
def test_a_way_back_that_was_not_taken_is_judged_by_what_the_endpoint_shows(
    error: Exception, after: Endpoint, what: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(world)

    def update(**_: Any) -> None:
        world.sagemaker.endpoints[ENDPOINT] = after
        raise error

    monkeypatch.setattr(world.sagemaker, "update_endpoint", update)
    if what == "again":
        with pytest.raises(NotAcceptedYetError):
            roll_back(world)
    else:
        assert roll_back(world) is (what == "started")
    if what == "failed":
        assert outcome(world, WaitKind.ROLLBACK) is Status.ROLLBACK_FAILED


# Training.


def slotted(world: World, **training: Any) -> None:
    """A run that holds its slot."""
    stories.with_slot(world, training=training or {"target": TRAINING})
    assert world.table.slots().holder("run-1") is not None


def train(world: World) -> bool:
    return bool(do(world, "train", token="again")["started"])


def test_a_training_is_given_four_weeks(world: World) -> None:
    slotted(world)
    assert train(world)
    assert stored(world, WaitKind.TRAINING).deadline == (NOON + timedelta(days=28)).isoformat()


@pytest.mark.parametrize("first", [True, False])
def test_only_a_training_that_no_try_before_can_have_begun_needs_no_stop(first: bool, world: World) -> None:
    slotted(world, **JOB)
    if not first:
        world.sagemaker.refuse("CreateTrainingJob", LATER)
        with pytest.raises(NotAcceptedYetError):
            train(world)
    world.sagemaker.refuse("CreateTrainingJob", REFUSED)
    assert train(world) is False
    assert outcome(world, WaitKind.TRAINING) is Status.TRAINING_FAILED
    assert (world.table.intention(training_subject("run-1")) is None) == first


@pytest.mark.parametrize(
    ("created", "followed"),
    [
        (NOON, True),
        (NOON - timedelta(minutes=5), True),
        (NOON - timedelta(minutes=5, seconds=1), False),
        (None, True),
    ],
)
def test_a_job_of_the_runs_name_that_is_older_than_the_run_is_not_followed(
    created: datetime | None, followed: bool, world: World
) -> None:
    job = begun_before(world)
    world.sagemaker.trainings[NAME] = job | ({} if created is None else {"CreationTime": created})
    assert train(world) is followed
    assert ("TRAINING_STARTED" in world.statuses("run-1")) == followed


def begun_before(world: World) -> dict[str, Any]:
    """The job that an earlier try began, whose answer was lost."""
    earlier = World()
    for each in (earlier, world):
        slotted(each, **JOB)
    assert train(earlier)
    return dict(earlier.sagemaker.trainings[NAME])


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("image", {"AlgorithmSpecification": {"TrainingImage": "other"}}),
        ("role", {"RoleArn": "arn:aws:iam::111122223333:role/other"}),
        ("data", {"InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": "s3://evil/"}}}]}),
        ("output", {"OutputDataConfig": {"S3OutputPath": "s3://evil/"}}),
        ("parameters", {"HyperParameters": {"rounds": "1"}}),
    ],
)
def test_a_job_of_the_runs_name_that_somebody_else_began_is_not_followed(
    part: str, other: dict[str, Any], world: World
) -> None:
    world.sagemaker.trainings[NAME] = begun_before(world) | other | {"CreationTime": NOON}
    assert train(world) is False
    result = stored(world, WaitKind.TRAINING).result
    assert result is not None
    assert result.outcome is Status.TRAINING_FAILED
    assert f"is not what the run asks for ({part})" in result.reason


def test_a_deployment_that_somebody_else_began_after_a_first_try_is_not_followed(world: World) -> None:
    ready(world, DEPLOYMENT_PLAN)
    world.executions.refuse_start(LATER)
    with pytest.raises(NotAcceptedYetError):
        promote(world)
    world.executions.start_execution(stateMachineArn=TRAINING, name=DEPLOYS, input=json.dumps({"by": "hand"}))
    world.executions.end(DEPLOYMENT, "SUCCEEDED", output="{}")
    stories.tell_ended(world, DEPLOYMENT)
    assert stored(world, WaitKind.PROMOTION).result is None
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is Status.FAILED


def test_a_training_that_somebody_else_began_after_a_first_try_is_not_followed(world: World) -> None:
    slotted(world)
    world.executions.refuse_start(LATER)
    with pytest.raises(NotAcceptedYetError):
        train(world)
    world.executions.start_execution(stateMachineArn=TRAINING, name=NAME, input=json.dumps({"by": "hand"}))
    output = json.dumps({"model_data_url": "s3://evil/model.tar.gz", "image": "image"})
    world.executions.end(stories.training_arn(), "SUCCEEDED", output=output)
    stories.tell_ended(world, stories.training_arn())
    assert stored(world, WaitKind.TRAINING).result is None
    assert train(world) is False
    assert outcome(world, WaitKind.TRAINING) is Status.TRAINING_FAILED


def test_the_time_in_which_people_were_asked_is_not_awss(world: World) -> None:
    """One refused try, a policy that changed, and a yes 13 hours later."""
    stories.accepted(world)
    world.sagemaker.refuse("UpdateEndpoint", LATER)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="p-1")
    world.put("policies/fraud.json", stories.policy(cooldown_hours=9))
    world.clock.forward(minutes=2)
    do(world, "promote", token="p-2")
    do(world, "park", kind="approval", subject="promotion", token="approval")
    world.clock.forward(hours=13)
    stories.approve(world)
    assert do(world, "promote", token="p-3") == {"started": True}


def test_what_is_asked_for_in_vain_since_people_said_yes_is_given_up(world: World) -> None:
    stories.accepted(world)
    world.sagemaker.endpoints[ENDPOINT].status = "Updating"
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="p-1")
    world.put("policies/fraud.json", stories.policy(cooldown_hours=9))
    world.clock.forward(minutes=2)
    do(world, "promote", token="p-2")
    do(world, "park", kind="approval", subject="promotion", token="approval")
    world.clock.forward(hours=13)
    stories.approve(world)
    for hours in (0, 11.9):
        world.clock.forward(hours=hours)
        with pytest.raises(NotAcceptedYetError):
            do(world, "promote", token=f"p-{hours}")
    world.clock.forward(hours=0.1)
    do(world, "promote", token="p-9")
    assert outcome(world, WaitKind.PROMOTION) is Status.FAILED


def test_a_quota_that_was_met_once_is_not_why_a_promotion_is_given_up(world: World) -> None:
    ready(world)
    world.sagemaker.refuse("CreateModel", QUOTA)
    with pytest.raises(NotAcceptedYetError):
        promote(world)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(OLD, status="Updating")
    with pytest.raises(NotAcceptedYetError, match="takes no update now"):
        promote(world)
    world.clock.forward(hours=12)
    assert promote(world) is False
    assert outcome(world, WaitKind.PROMOTION) is Status.FAILED


def test_a_run_without_its_slot_keeps_none_for_a_training(world: World) -> None:
    slotted(world)
    others = (Holder("run-7", "risk", 9, AT),)
    assert world.table.save_slots(SlotLedger(others, 9, world.table.slots().version), [], [])
    assert train(world) is False
    assert outcome(world, WaitKind.TRAINING) is Status.STOPPED


def test_a_training_that_lost_its_slot_and_is_in_no_line_for_another_is_given_up(world: World) -> None:
    slotted(world, **JOB)
    world.sagemaker.refuse("CreateTrainingJob", LATER)
    with pytest.raises(NotAcceptedYetError):
        train(world)
    assert world.table.save_slots(SlotLedger((), 9, world.table.slots().version), [], [])
    assert train(world) is False
    assert outcome(world, WaitKind.TRAINING) is Status.STOPPED
