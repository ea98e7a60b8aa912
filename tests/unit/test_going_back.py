"""Days later: a champion of the past serves again by a run of its own, and what nobody needs any more is removed."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.audit.findings import Fault
from ops.deploy import _refuse_runs_past_their_slot
from ops.rebuilt_history import read_chain, rebuild
from ops.stack import OperatorError
from orchestration import approval_handler, handler
from orchestration.domain.champions import Made, Promoted, WayBack, kept_promotions, plan_rollback, removable, way_back
from orchestration.domain.commands import Place
from orchestration.domain.contracts import DueKind, Next
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fence import EndpointSight
from orchestration.domain.policy import Promotion, PromotionKind
from orchestration.domain.promotion import EndpointPlan, RegistryPlan
from orchestration.domain.records import idempotency_token
from orchestration.domain.training_target import nested_execution_arn, training_name
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result
from orchestration.steps.going_back import artifacts
from orchestration.steps.keeping import AT_ONCE
from orchestration.stores.sagemaker_reading import ENDPOINTS_LOOKED_AT
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import TRAINING, World, drift, execution_arn, person, request
from tests.unit.stories import ENDPOINT, OLD, do, next_of, operate, policy
from tests.unit.tampering import Scene
from tests.unit.test_approval_page import signed

QUICK: dict[str, Any] = {"promotion": {"endpoint": ENDPOINT, "bake_minutes": 0, "alarms": [stories.ALARM]}}


def promoted(world: World, *run_ids: str) -> None:
    """Runs one after the other, each promoted."""
    if ENDPOINT not in world.sagemaker.endpoints:
        world.sagemaker.serve(ENDPOINT, OLD)
    world.alarms.states[stories.ALARM] = "OK"
    world.executions.tags[TRAINING] = {"retraining:model": "fraud"}
    for run_id in run_ids:
        world.clock.forward(days=8)
        do(world, "sweep")
        world.put("policies/fraud.json", policy(**QUICK))
        world.executions.statuses[execution_arn(run_id)] = "RUNNING"
        sent = drift(model="fraud", dedupe_key=run_id)
        assert handler.run_action(request(sent, run_id), world.ports)["decision"] == "RETRAIN"
        do(world, "park", run_id, kind="slot", token=f"{run_id}-slot")
        do(world, "train", run_id, token=f"{run_id}-training")
        uri = stories.MODEL_URI.replace("candidate", run_id)
        world.bucket.put(uri, run_id.encode())
        world.put(f"runs/fraud/{run_id}/outputs/evaluation.json", stories.REPORT)
        arn = nested_execution_arn(TRAINING, training_name(idempotency_token(run_id)))
        world.executions.end(arn, "SUCCEEDED", output=json.dumps({"model_data_url": uri, "image": "image"}))
        stories.tell_ended(world, arn)
        assert do(world, "evaluate", run_id)["next"] == "promote"
        serve(world, run_id)
        close(world, run_id)


def serve(world: World, run_id: str) -> None:
    """The workflow from its promotion to the end of its bake."""
    do(world, "promote", run_id, token=f"{run_id}-promotion")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert next_of(world, f"{run_id}-promotion") == "bake"
    do(world, "park", run_id, kind="bake", token=f"{run_id}-bake")


def close(world: World, run_id: str, outcome: str = "PROMOTED") -> None:
    do(world, "finish", run_id)
    assert do(world, "close", run_id)["outcome"] == outcome
    world.executions.end(execution_arn(run_id), "SUCCEEDED")


def back(world: World, **more: Any) -> dict[str, Any]:
    return operate(world, "rollback", **{"model": "fraud", "reason": "chargebacks doubled", **more})


def decide(world: World, run_id: str, signal_id: str) -> dict[str, Any]:
    """The execution that a sweep started for the request."""
    event = next(item.data["event"] for item in world.due(DueKind.RAISE) if signal_id in item.data["identities"])
    world.executions.statuses[execution_arn(run_id)] = "RUNNING"
    return handler.run_action(request(event, run_id), world.ports)


def gone_back(world: World, run_id: str = "back-1", **more: Any) -> None:
    world.clock.forward(days=1)
    answer = decide(world, run_id, back(world, **more)["signal_id"])
    assert (answer["decision"], answer["next"]) == ("ROLL_BACK", "promote"), answer
    serve(world, run_id)
    close(world, run_id)


def copy_of(world: World, run_id: str) -> str:
    """Where what a run made lies that serves."""
    made = world.table.candidate_verdict(run_id)
    assert made is not None
    return made.copies[0].uri


def config_of(world: World, run_id: str) -> str:
    verdict = world.table.candidate_verdict(run_id)
    assert verdict is not None
    assert isinstance(verdict.plan, EndpointPlan)
    return verdict.plan.wanted_config


def live(world: World) -> str | None:
    return world.sagemaker.endpoints[ENDPOINT].live


def test_days_later_the_champion_before_serves_again_by_a_run_of_its_own(world: World) -> None:
    promoted(world, "run-1", "run-2")
    world.clock.forward(days=5)
    starts = world.table.model("fraud").run_starts
    gone_back(world)

    assert live(world) == config_of(world, "run-1")
    assert world.statuses("back-1") == ["ROLLBACK_DECIDED", "PROMOTION_STARTED", "PROMOTION_BAKED", "PROMOTED"]
    said = f'{person("ops")} asked for config {config_of(world, "run-1")} of run run-1: "chargebacks doubled".'
    assert world.read("evidence/fraud/back-1/outcome.json")["reason"].startswith(said)
    evaluation = world.read("evidence/fraud/back-1/evaluation.json")
    assert evaluation["answer"]["plan"]["create_model"] is None
    arn = world.sagemaker.configs[config_of(world, "run-1")]["EndpointConfigArn"]
    assert evaluation["versions"].keys() == {copy_of(world, "run-1"), arn}
    assert (evaluation["verdict"]["passed"], evaluation["verdict"]["compared_with_champion"]) == (True, False)
    manifest = world.read("manifests/fraud/back-1.json")
    assert (manifest["training"], manifest["champion"]["endpoint_config"]) == (None, config_of(world, "run-2"))
    assert [message.title for message in world.told("ROLL_BACK")] == ["Rollback begins, as a person asked"]
    assert [world.table.run("back-1").outcome, world.table.model("fraud").active_run_id] == ["PROMOTED", None]  # type: ignore[union-attr]
    # It counts against no budget, says nothing of retraining, and no drift is held against it.
    assert world.table.model("fraud").run_starts == starts
    assert world.table.model("fraud").promoted_at is None
    assert len(world.chain("fraud")) == 3


def test_a_line_of_history_says_which_run_was_a_rollback(world: World) -> None:
    promoted(world, "run-1", "run-2")
    gone_back(world)
    lines = {line["run_id"]: line.get("goes_back") for line in world.table.runs_of_model("fraud", 10)}
    assert lines == {"run-1": None, "run-2": None, "back-1": True}
    assert [each.run_id for each in world.table.promotions("fraud")] == ["back-1", "run-2", "run-1"]
    assert world.table.runs_since("fraud", "run-2") == {"run-2", "back-1"}
    assert world.table.runs_since("fraud", "run-0") == {"run-0", "run-1", "run-2", "back-1"}
    assert world.table.statuses("back-1")[0]["status"] == "ROLLBACK_DECIDED"


def test_only_promotions_to_endpoints_can_be_gone_back_from(world: World) -> None:
    """A run without a verdict, and one that was promoted in the registry, are none."""
    promoted(world, "run-1")
    for run_id, plan in (("run-2", RegistryPlan("arn")), ("run-3", None)):
        line = {"pk": "MODEL#fraud", "sk": f"RUN#2027#{run_id}", "run_id": run_id, "outcome": "PROMOTED"}
        world.table._write(world.table._put(line))
        if plan is not None:
            verdict = CandidateVerdict(Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan)
            assert world.table.store_candidate_verdict(run_id, verdict, [])
    assert [each.run_id for each in world.table.promotions("fraud")] == ["run-1"]


def test_a_way_back_is_told_as_one_from_its_start(world: World) -> None:
    promoted(world, "run-1", "run-2")
    gone_back(world)
    rows = {row["status"]: row for row in world.table.statuses("back-1")}
    assert "is moving back to config" in str(rows["PROMOTION_STARTED"])
    before = {row["status"]: row for row in world.table.statuses("run-2")}
    assert "is moving to config" in str(before["PROMOTION_STARTED"])


def test_rollbacks_that_fail_freeze_nothing(world: World) -> None:
    """The breaker counts trainings; a rollback that its bake takes back is none."""
    promoted(world, "run-1", "run-2")
    state = world.table.model("fraud")
    world.table.save_model(replace(state, fruitless_runs=3))
    decide(world, "back-1", back(world)["signal_id"])
    do(world, "promote", "back-1", token="promotion")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    world.alarms.states[stories.ALARM] = "ALARM"
    do(world, "park", "back-1", kind="bake", token="bake")
    do(world, "roll_back", "back-1", token="rollback")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    close(world, "back-1", "ROLLED_BACK")
    after = world.table.model("fraud")
    assert (after.fruitless_runs, after.frozen_reason) == (3, None)


def test_going_back_twice_is_two_steps_and_not_there_and_back_again(world: World) -> None:
    promoted(world, "run-1", "run-2")
    gone_back(world, "back-1")
    gone_back(world, "back-2")
    assert live(world) == OLD


def test_a_named_run_serves_again_also_the_one_that_was_taken_back(world: World) -> None:
    promoted(world, "run-1", "run-2", "run-3")
    gone_back(world, "back-1", to="run-1")
    assert live(world) == config_of(world, "run-1")
    gone_back(world, "back-2", to="run-3")
    assert live(world) == config_of(world, "run-3")


def test_asked_twice_by_two_people_it_is_one_run(world: World) -> None:
    promoted(world, "run-1", "run-2")
    first, second = back(world, by="ana", swept=False), back(world, by="bob", swept=False)
    kept = next(item.data["event"]["detail"]["request"] for item in world.due(DueKind.RAISE))
    asked = world.table.kept_request(kept)
    assert asked is not None
    assert (asked.by, asked.takes_back, asked.to, asked.force) == (person("ana"), "run-2", None, False)
    assert (first["changed"], second) == (True, {**first, "changed": False})
    assert decide(world, "back-1", first["signal_id"])["decision"] == "ROLL_BACK"
    assert decide(world, "back-2", first["signal_id"])["decision"] == "SKIP"


def test_a_request_that_comes_late_does_not_go_a_step_further(world: World) -> None:
    """It was asked for a promotion that has been taken back since."""
    promoted(world, "run-1", "run-2")
    back(world, swept=False, to="run-1")
    event = next(item.data["event"] for item in world.due(DueKind.RAISE))
    gone_back(world)
    world.executions.statuses[execution_arn("back-2")] = "RUNNING"
    answer = handler.run_action(request(event, "back-2"), world.ports)
    assert (answer["decision"], answer["next"]) == ("HOLD", "end")
    assert "ask again" in world.told("HOLD")[-1].sentence


def test_a_request_that_was_held_can_be_made_again_once_the_cause_is_gone(world: World) -> None:
    promoted(world, "run-1", "run-2")
    operate(world, "pause", scope="model:fraud", reason="incident 42")
    for run_id in ("back-1", "back-2"):
        assert decide(world, run_id, back(world)["signal_id"])["decision"] == "HOLD"
    # Whoever asks is answered, the second time too; that drift is held is told besides.
    assert len(world.told("HOLD")) == 2
    handler.run_action(request(drift(model="fraud", dedupe_key="held"), "held"), world.ports)
    assert len(world.told("HOLD")) == 3
    operate(world, "unpause", scope="model:fraud")
    gone_back(world, "back-3")


@pytest.mark.parametrize("named", ["run-1", None])
def test_whoever_is_told_that_a_way_back_did_not_come_about_asks_again_for_the_same(
    named: str | None, world: World
) -> None:
    promoted(world, "run-1", "run-2")
    more = {"to": named} if named else {}
    wanted = f"--reason '<why>' {'--to run-1 ' if named else ''}--stack"
    asked = back(world, **more)
    stories.operate(world, "pause", scope="source:manual_request", reason="drill")
    decide(world, "back-1", asked["signal_id"])
    (held,) = world.told("HOLD")
    assert any(f"retraining rollback --model fraud {wanted}" in str(step) for step in held.next_steps)

    stories.operate(world, "unpause", scope="source:manual_request")
    world.clock.forward(minutes=1)
    decide(world, "back-2", back(world, **more)["signal_id"])
    world.executions.end(execution_arn("back-2"), "ABORTED")
    do(world, "close", "back-2", failure={"error": "ABORTED", "cause": "by hand"})
    (failed,) = world.told("FAILED")
    assert any(f"retraining rollback --model fraud {wanted}" in str(step) for step in failed.next_steps)


def test_an_artifact_written_over_after_the_decision_does_not_serve(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    world.bucket.put(stories.MODEL_URI.replace("candidate", "run-1"), b"other")
    world.bucket.put(copy_of(world, "run-1"), b"other")
    do(world, "promote", "back-1", token="promotion")
    close(world, "back-1", "SUPERSEDED")
    assert live(world) == config_of(world, "run-2")


def test_what_serves_of_what_was_judged_is_the_artifacts_alone() -> None:
    versions = {"arn:aws:sagemaker:x": "1", "s3://b/report.json": "2", "s3://b/model.tar.gz": "3"}
    judged = CandidateVerdict(Result(Next.PROMOTE, ""), {}, evaluation_uri="s3://b/report.json", versions=versions)
    assert artifacts(judged) == {"s3://b/model.tar.gz": "3"}


def test_a_switch_thrown_after_the_decision_stops_it_before_anything_is_changed(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    operate(world, "pause", scope="model:fraud", reason="incident 42")
    do(world, "promote", "back-1", token="promotion")
    close(world, "back-1", "STOPPED")
    assert live(world) == config_of(world, "run-2")


def test_a_bake_that_fails_brings_the_champion_back_and_counts_against_no_training(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    do(world, "promote", "back-1", token="promotion")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    world.alarms.states[stories.ALARM] = "ALARM"
    do(world, "park", "back-1", kind="bake", token="bake")
    assert next_of(world, "bake") == "roll_back"
    do(world, "roll_back", "back-1", token="rollback")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    close(world, "back-1", "ROLLED_BACK")
    assert live(world) == config_of(world, "run-2")
    assert world.table.model("fraud").fruitless_runs == 0


def test_a_way_back_whose_bake_goes_on_is_looked_at_again(world: World) -> None:
    promoted(world, "run-1", "run-2")
    longer = policy(promotion={"endpoint": ENDPOINT, "bake_minutes": 30, "alarms": [stories.ALARM]})
    world.put("policies/fraud.json", longer)
    decide(world, "back-1", back(world)["signal_id"])
    serve(world, "back-1")
    world.clock.forward(minutes=10)
    do(world, "sweep")
    assert next_of(world, "back-1-bake") is None
    world.clock.forward(minutes=21)
    do(world, "sweep")
    assert next_of(world, "back-1-bake") == "finish"


def test_a_bake_that_says_nothing_is_shown_to_people_and_another_than_who_asked_keeps_it(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world, by="ana")["signal_id"])
    do(world, "promote", "back-1", token="promotion")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", "back-1", kind="bake", token="bake")
    assert next_of(world, "bake") == "ask"
    do(world, "park", "back-1", kind="approval", subject="bake", token="approval")
    shown = approval_handler.answer({**signed("GET"), "rawQueryString": "run=back-1"}, world.ports)
    assert shown["statusCode"] == 200
    assert "chargebacks doubled" in json.dumps(shown)
    stories.approve(world, "back-1", by="ben")
    assert next_of(world, "approval") == "finish"
    close(world, "back-1")
    assert live(world) == config_of(world, "run-1")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("config", "was deleted, so there is nothing to go back to"),
        ("model", "which was deleted"),
        ("artifact", "was written again since it was judged"),
        ("foreign", "serves config hotfix, not"),
        ("moving", "is moving to config hotfix"),
        ("gone", "does not exist"),
        ("remade", "is not what served before (image)"),
        ("environment", "is not what served before (variants, environment, role or containers)"),
        ("role", "is not what served before (variants, environment, role or containers)"),
        ("variants", "is not what served before (variants, environment, role or containers)"),
        ("owner", "belongs to churn"),
        ("shadow", "shadow mode"),
        ("registry", "promotes to no endpoint"),
        ("compared", "promotes to no endpoint"),
        ("removing", "more than KeepChampions promotions"),
    ],
)
def test_what_cannot_be_gone_back_to_is_held_with_a_sentence_and_nothing_is_changed(
    spoil: str, sentence: str, world: World
) -> None:
    promoted(world, "run-1", "run-2")
    config = config_of(world, "run-1")
    asked = back(world, swept=False)
    updates, endpoint = len(world.sagemaker.asked("UpdateEndpoint")), world.sagemaker.endpoints[ENDPOINT]
    match spoil:
        case "config":
            del world.sagemaker.configs[config]
        case "model":
            del world.sagemaker.models[config]
        case "artifact":
            world.bucket.put(copy_of(world, "run-1"), b"other")
        case "foreign":
            endpoint.live = "hotfix"
        case "moving":
            endpoint.pending = "hotfix"
        case "gone":
            del world.sagemaker.endpoints[ENDPOINT]
        case "remade":
            world.sagemaker.models[config]["PrimaryContainer"]["Image"] = "other"
        case "environment":
            world.sagemaker.models[config]["PrimaryContainer"]["Environment"] = {"SAGEMAKER_PROGRAM": "other.py"}
        case "role":
            world.sagemaker.models[config]["ExecutionRoleArn"] = "arn:aws:iam::111122223333:role/other"
        case "variants":
            world.sagemaker.configs[config]["ProductionVariants"].append({"VariantName": "b", "ModelName": OLD})
        case "owner":
            arn = f"arn:aws:sagemaker:us-east-1:111122223333:endpoint/{ENDPOINT}"
            world.sagemaker.tags[arn] = {"retraining:model": "churn"}
        case "shadow":
            world.put("policies/fraud.json", policy(**QUICK, mode="shadow"))
        case "registry":
            world.put("policies/fraud.json", policy(promotion={"kind": "registry"}))
        case "compared":
            world.put("policies/fraud.json", policy(promotion={"kind": "registry", "endpoint": ENDPOINT}))
        case "removing":
            old = next(each for each in world.table.made("fraud") if each.run_id == "run-1")
            assert world.table.begin_removing([old], [])
    answer = decide(world, "back-1", asked["signal_id"])
    assert (answer["decision"], answer["next"]) == ("OBSERVE" if spoil == "shadow" else "HOLD", "end")
    assert sentence in answer["output"]["reason"]
    assert world.told(answer["decision"])
    assert world.table.model("fraud").active_run_id is None
    assert len(world.sagemaker.asked("UpdateEndpoint")) == updates


@pytest.mark.parametrize("spoil", ["made again", "deleted"])
def test_what_was_made_again_since_the_decision_does_not_serve(spoil: str, world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    config = config_of(world, "run-1")
    if spoil == "deleted":
        del world.sagemaker.configs[config]
    else:
        world.sagemaker.models[config]["PrimaryContainer"]["Environment"] = {"SAGEMAKER_PROGRAM": "other.py"}
    updates = len(world.sagemaker.asked("UpdateEndpoint"))
    do(world, "promote", "back-1", token="promotion")
    assert next_of(world, "promotion") == "record"
    assert do(world, "close", "back-1")["outcome"] == "SUPERSEDED"
    assert len(world.sagemaker.asked("UpdateEndpoint")) == updates


def test_a_manifest_of_the_release_before_which_says_less_is_gone_back_by(world: World) -> None:
    promoted(world, "run-1", "run-2")
    key = ("RUN#run-2", "RUN")
    manifest = json.loads(world.database.items[key]["manifest"]["S"])
    del manifest["champion"]["make_up_sha256"], manifest["champion"]["code_uris"]
    world.database.items[key]["manifest"] = {"S": json.dumps(manifest)}
    gone_back(world)
    assert live(world) == config_of(world, "run-1")


def test_neither_a_report_that_was_written_again_nor_what_another_run_made_is_in_the_way(world: World) -> None:
    promoted(world, "run-1", "run-2", "run-3")
    world.put("runs/fraud/run-2/outputs/evaluation.json", {})
    other = next(each for each in world.table.made("fraud") if each.run_id == "run-1")
    assert world.table.begin_removing([other], [])
    gone_back(world)
    assert live(world) == config_of(world, "run-2")


def test_a_frozen_model_may_go_back_and_stays_frozen(world: World) -> None:
    promoted(world, "run-1")
    state = world.table.model("fraud")
    world.table.save_model(replace(state, frozen_reason="It drifts again."))
    gone_back(world)
    assert world.table.model("fraud").frozen_reason == "It drifts again."


def test_while_a_run_is_in_progress_nothing_else_goes_back(world: World) -> None:
    promoted(world, "run-1", "run-2")
    asked = back(world, swept=False)
    decide(world, "back-1", asked["signal_id"])
    asked_before = {"run_id": "back-1", "changed": False, "goes_back": True}
    assert back(world) == asked_before
    do(world, "promote", "back-1", token="promotion")
    assert back(world) == asked_before
    with pytest.raises(InvalidRequestError, match=r"already, and one run at a time.* history --run back-1 "):
        back(world, to="run-1")
    # Asked twice, it is not undone.
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", "back-1", kind="bake", token="bake")
    close(world, "back-1")
    assert live(world) == config_of(world, "run-1")


def test_while_a_candidate_is_on_trial_the_run_to_go_back_to_is_not_named_yet(world: World) -> None:
    stories.accepted(world)
    with pytest.raises(InvalidRequestError, match="is in progress: one run at a time"):
        back(world)
    do(world, "promote", token="promotion")
    with pytest.raises(InvalidRequestError, match="without --to"):
        back(world, to="run-0")
    assert back(world) == {"run_id": "run-1", "changed": True}


@pytest.mark.parametrize(
    ("wrong", "look"),
    [({"to": "no run!"}, "history --model "), ({"to": 7}, "history --model "), ({"model": "risk"}, "status ")],
)
def test_a_request_names_a_run_and_there_is_one_to_go_back_from(wrong: dict[str, Any], look: str, world: World) -> None:
    promoted(world, "run-1")
    with pytest.raises(InvalidRequestError, match=f"retraining {look}"):
        back(world, **wrong)


# Which config.


def promotion(run_id: str, previous: str, wanted: str, *, back: bool = False, endpoint: str = "e") -> Promoted:
    made = None if back else {"Name": wanted}
    return Promoted(run_id, EndpointPlan(endpoint, previous, wanted, made, made, {}, 0, (), "ask"))


HISTORY = [promotion("r2", "c1", "c2"), promotion("r1", "c0", "c1"), promotion("elsewhere", "x", "y", endpoint="f")]


@pytest.mark.parametrize(
    ("promotions", "live_config", "to", "found"),
    [
        (HISTORY, "c2", None, WayBack("c1", "r1", "r2")),
        (HISTORY, "c2", "r1", WayBack("c1", "r1", "r2")),
        ([promotion("b", "c2", "c1", back=True), *HISTORY], "c1", None, WayBack("c0", None, "r1")),
        ([promotion("b", "c1", "c0", back=True), *HISTORY[1:]], "c0", "r1", WayBack("c1", "r1", "b")),
        (HISTORY, "c2", "r2", "serves config c2 already"),
        (HISTORY, "hotfix", None, "serves config hotfix, not c2 of run r2"),
        (HISTORY[2:], "y", None, "Another promotion than that of run elsewhere"),
        (HISTORY, "c2", "elsewhere", "promoted nothing to endpoint e"),
        ([promotion("b", "c1", "c0", back=True), *HISTORY[1:]], "c0", None, "none the loop made"),
        ([promotion("r3", "hotfix", "c3"), promotion("r1", "c0", "c1")], "c3", "r1", "somebody else's deployment"),
    ],
)
def test_the_way_back_is_what_a_config_replaced(
    promotions: list[Promoted], live_config: str, to: str | None, found: WayBack | str
) -> None:
    seen = EndpointSight(live_config, None, "InService")
    way = way_back(promotions, endpoint="e", seen=seen, takes_back=promotions[0].run_id, to=to)
    assert way == found if isinstance(found, WayBack) else isinstance(way, str) and found in way


def test_an_endpoint_goes_back_as_a_candidate_comes_by_the_policy_in_force() -> None:
    way, made = WayBack("c1", "r1", "r2"), promotion("r1", "c0", "c1").plan
    bare = Promotion(PromotionKind.ENDPOINT, endpoint="e", bake_minutes=2, retain_capacity=False)
    plan = plan_rollback(bare, way, endpoint="e", live="c2", made=None)
    update = {"EndpointName": "e", "EndpointConfigName": "c1", "RetainAllVariantProperties": False}
    assert plan.as_record() | {"update_endpoint": update} == plan.as_record()
    assert (plan.previous_config, plan.wanted_config, plan.bake_seconds, plan.alarms) == ("c2", "c1", 120, ())
    assert (plan.create_model, plan.create_endpoint_config, plan.goes_back, made.goes_back) == (None, None, True, False)
    assert plan.baseline_statistics_uri is plan.baseline_constraints_uri is plan.monitoring_schedule is None

    watched = replace(bare, alarms=("a",), monitoring_schedule="hourly", inconclusive="promote", retain_capacity=True)
    known = replace(made, baseline_statistics_uri="s3://b/s.json", baseline_constraints_uri="s3://b/c.json")
    plan = plan_rollback(watched, way, endpoint="e", live="c2", made=known)
    assert plan.update_endpoint["DeploymentConfig"]["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "a"}]}
    assert plan.update_endpoint["RetainAllVariantProperties"] is True
    assert (plan.alarms, plan.inconclusive, plan.monitoring_schedule) == (("a",), "promote", "hourly")
    assert (plan.baseline_statistics_uri, plan.baseline_constraints_uri) == ("s3://b/s.json", "s3://b/c.json")


def test_what_no_kept_promotion_brought_or_can_go_back_to_is_removable() -> None:
    made = [
        Made(run_id, "fraud", name) for run_id, name in (("r2", "c2"), ("r-lost", "lost"), ("r1", "c1"), ("r0", "c0"))
    ]
    assert {each.name for each in removable(made, HISTORY[:1], began={"r2"})} == {"c0", "lost"}
    assert {each.name for each in removable(made, HISTORY[:1], began={"r2", "r-lost"})} == {"c0"}
    assert removable(made, HISTORY[:2], began={"r2", "r-lost", "r1"}) == ()
    far_back = [promotion("b", "c2", "c0", back=True), HISTORY[0]]
    assert {each.name for each in removable(made, far_back, began={"r2", "b"})} == {"lost"}


def test_a_rollback_pushes_nothing_out_of_what_is_kept() -> None:
    r3, r2, r1 = (promotion(f"r{number}", f"c{number - 1}", f"c{number}") for number in (3, 2, 1))
    b1 = promotion("b1", "c3", "c2", back=True)
    assert kept_promotions([r3, r2, r1], 2) == [r3, r2]
    assert kept_promotions([b1, r3, r2, r1], 2) == [b1, r3, r2]
    assert kept_promotions([b1, r3, r2, r1], 3) == [b1, r3, r2, r1]
    assert kept_promotions([b1, r3, r2, r1], 4) == ()


# What is removed.


def swept(world: World) -> dict[str, Any]:
    world.clock.forward(minutes=10)
    return do(world, "sweep")


def there(world: World) -> set[str]:
    assert set(world.sagemaker.configs) == set(world.sagemaker.models)
    return set(world.sagemaker.configs)


@pytest.fixture
def short() -> World:
    """Three promotions in a stack that keeps one champion beside the one that serves; the sweep has not come yet."""
    world = World(keep_champions=1)
    promoted(world, "run-1", "run-2", "run-3")
    return world


def test_what_is_older_than_the_kept_promotions_is_removed_and_never_the_teams_own(short: World) -> None:
    assert swept(short)["repairs"]["old_models_removed"] == 1
    assert there(short) == {OLD, config_of(short, "run-2"), config_of(short, "run-3")}
    assert stories.MODEL_URI.replace("candidate", "run-1") in short.bucket.objects
    swept(short)
    assert short.due(DueKind.REMOVE) == []
    assert {each.run_id for each in short.table.made("fraud") if each.removed_at} == {"run-1"}
    gone_back(short)
    assert live(short) == config_of(short, "run-2")
    # One step further there is nothing any more, and whoever asks is told why.
    answer = decide(short, "back-2", back(short)["signal_id"])
    assert answer["decision"] == "HOLD"
    assert "more than KeepChampions promotions came after it" in answer["output"]["reason"]


def test_what_a_decided_way_back_is_on_its_way_to_is_not_removed(short: World) -> None:
    decide(short, "back-1", back(short, swept=False, to="run-1")["signal_id"])
    short.clock.forward(minutes=10)
    do(short, "sweep")
    serve(short, "back-1")
    close(short, "back-1")
    assert live(short) == config_of(short, "run-1")


def test_as_many_steps_back_as_are_kept_can_be_taken() -> None:
    world = World(keep_champions=2)
    promoted(world, "run-1", "run-2", "run-3")
    for run_id, config in (("back-1", config_of(world, "run-2")), ("back-2", config_of(world, "run-1"))):
        swept(world)
        gone_back(world, run_id)
        assert live(world) == config


def test_with_the_default_three_promotions_remove_nothing(world: World) -> None:
    promoted(world, "run-1", "run-2", "run-3")
    swept(world)
    assert there(world) == {OLD, *(config_of(world, f"run-{number}") for number in (1, 2, 3))}
    assert world.sagemaker.asked("DeleteModel") == []


def test_what_a_candidate_left_that_never_got_to_serve_is_removed_with_its_time(world: World) -> None:
    object.__setattr__(world.ports, "settings", World(keep_champions=1).settings)
    promoted(world, "run-1")
    decide(world, "back-1", back(world)["signal_id"])  # a run between, which makes nothing
    serve(world, "back-1")
    close(world, "back-1")
    promoted(world, "run-2")
    swept(world)
    assert there(world) == {OLD, config_of(world, "run-2")}


@pytest.mark.threat("used-model-removed")
@pytest.mark.parametrize(
    "use", ["serves", "is moved to", "its model serves", "shadows", "kept", "another run's", "untagged"]
)
def test_what_somebody_uses_or_is_not_the_runs_stays(use: str, short: World) -> None:
    old, sagemaker = config_of(short, "run-1"), short.sagemaker
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:model/{old}"
    sagemaker.serve("elsewhere", "elsewhere-config")
    match use:
        case "serves":
            sagemaker.endpoints["elsewhere"].live = old
        case "is moved to":
            sagemaker.endpoints["elsewhere"].pending = old
        case "its model serves":
            sagemaker.configs["elsewhere-config"]["ProductionVariants"][0]["ModelName"] = old
        case "shadows":
            sagemaker.configs["elsewhere-config"]["ShadowProductionVariants"] = [{"ModelName": old}]
        case "kept":
            sagemaker.tags[arn]["retraining:keep"] = "the audit of 2026"
        case "another run's":
            sagemaker.tags[arn]["retraining:run"] = "run-9"
        case "untagged":
            sagemaker.tags[arn] = {}
    short.table.begin_removing = None  # type: ignore[method-assign,assignment] # nobody asks for it
    swept(short)
    assert {old} <= there(short)
    assert sagemaker.asked("DeleteModel") == sagemaker.asked("DeleteEndpointConfig") == []
    # It is looked at again with the next promotion.
    assert short.due(DueKind.REMOVE) == []
    assert not any(each.removing for each in short.table.made("fraud"))


@pytest.mark.parametrize(("more", "left"), [(0, False), (1, True)])
def test_in_an_account_of_more_endpoints_than_a_sweep_can_look_at_nothing_is_removed(
    more: int, left: bool, short: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is two calls; a sweep that looked at thousands would be ended in the middle, and so would every one after it."""
    old = config_of(short, "run-1")
    for number in range(ENDPOINTS_LOOKED_AT - len(short.sagemaker.endpoints) + more):
        short.sagemaker.serve(f"theirs-{number}", f"theirs-{number}")
    short.outside.live()
    swept(short)
    assert (old in there(short)) is left
    assert ("DescribeEndpoint" not in short.outside.calls) is left
    assert short.due(DueKind.REMOVE) == []
    assert [record.getMessage() for record in caplog.records].count("OldModelsLeft") == left


def test_a_model_that_a_kept_config_names_beside_its_own_stays(world: World) -> None:
    """The team served an older candidate as a second variant for a while, and candidates since copied that."""
    promoted(world, "run-1", "run-2")
    first, second = config_of(world, "run-1"), config_of(world, "run-2")
    (variant,) = copy.deepcopy(world.sagemaker.configs[second]["ProductionVariants"])
    both = [variant, {**variant, "VariantName": "B", "ModelName": first}]
    world.sagemaker.create_endpoint_config(EndpointConfigName="team-ab", ProductionVariants=both)
    world.sagemaker.endpoints[ENDPOINT].live = "team-ab"
    promoted(world, "run-3", "run-4")
    alone = copy.deepcopy(world.sagemaker.configs[config_of(world, "run-4")]["ProductionVariants"][:1])
    world.sagemaker.create_endpoint_config(EndpointConfigName="team-solo", ProductionVariants=alone)
    world.sagemaker.endpoints[ENDPOINT].live = "team-solo"
    promoted(world, "run-5")
    world.clock.forward(hours=1)
    do(world, "sweep")
    assert first in world.sagemaker.models
    world.sagemaker.endpoints[ENDPOINT].live = config_of(world, "run-5")
    gone_back(world, to="run-3")


def test_what_does_not_fit_into_one_sweep_is_left_to_the_next(short: World) -> None:
    many = [Made(f"lost-{number}", "fraud", f"lost-{number}") for number in range(AT_ONCE + 3)]
    short.table._transact([short.table.made_write(each) for each in many])
    for left in (4, 0):
        swept(short)
        there_is = [each for each in short.table.made("fraud") if each.removed_at is None]
        assert len(there_is) == 2 + left, left
    assert short.due(DueKind.REMOVE) == []


@pytest.mark.parametrize("operation", ["DeleteEndpointConfig", "DeleteModel", "list_endpoints"])
def test_what_sagemaker_refuses_is_tried_again_by_the_next_sweep_and_told_by_its_alarm(
    operation: str, short: World
) -> None:
    short.sagemaker.refuse(operation, client_error("AccessDeniedException", "not authorized", operation))
    short.clock.forward(minutes=10)
    with pytest.raises(RuntimeError, match="not authorized"):
        do(short, "sweep")
    assert [item.attempts for item in short.due(DueKind.REMOVE)] == [1]
    swept(short)
    assert config_of(short, "run-1") not in there(short)


def test_a_deletion_whose_answer_was_lost_is_found_done(short: World) -> None:
    for operation in ("DeleteEndpointConfig", "DeleteModel"):
        short.sagemaker.lose(operation)
        short.clock.forward(minutes=10)
        with pytest.raises(RuntimeError):
            do(short, "sweep")
    swept(short)
    assert config_of(short, "run-1") not in there(short)
    assert [each.run_id for each in short.table.made("fraud") if each.removed_at] == ["run-1"]


def test_what_was_begun_to_be_removed_and_is_in_use_by_now_stays(short: World) -> None:
    made = next(each for each in short.table.made("fraud") if each.run_id == "run-1")
    assert short.table.begin_removing([made], [])
    short.sagemaker.serve("elsewhere", "elsewhere-config")
    short.sagemaker.endpoints["elsewhere"].live = made.name
    swept(short)
    assert {made.name} <= there(short)
    assert [each.removing for each in short.table.made("fraud") if each.run_id == "run-1"] == [False]


def test_what_was_begun_to_be_removed_and_a_promotion_replaced_since_can_be_gone_back_to(world: World) -> None:
    """A person set the endpoint back by hand to what a sweep could not delete, and a candidate came after it."""
    promoted(world, "run-1", "run-2")
    made = next(each for each in world.table.made("fraud") if each.run_id == "run-1")
    assert world.table.begin_removing([made], [])
    world.sagemaker.endpoints[ENDPOINT].live = made.name
    promoted(world, "run-3", "run-4", "run-5")
    world.clock.forward(minutes=10)
    do(world, "sweep")
    assert made.name in world.sagemaker.configs
    gone_back(world, to="run-1")
    assert live(world) == made.name


def test_nothing_is_removed_that_a_decision_of_the_same_moment_may_need(short: World) -> None:
    """The decision comes between the look and the note; the removal is looked at again."""
    begin = short.table.begin_removing

    def later(*arguments: Any, **more: Any) -> Any:
        short.table.begin_removing = begin  # type: ignore[method-assign]
        handler.run_action(request(drift(model="fraud", dedupe_key="late"), "late"), short.ports)
        return begin(*arguments, **more)

    short.table.begin_removing = later  # type: ignore[method-assign]
    short.clock.forward(minutes=10)
    do(short, "sweep")
    assert short.sagemaker.asked("DeleteModel") == []
    assert len(short.due(DueKind.REMOVE)) == 1


def test_a_way_back_that_is_being_removed_at_the_same_moment_is_not_taken(world: World) -> None:
    """The note comes between the look and the decision; the decision is made again and says so."""
    promoted(world, "run-1", "run-2")
    asked = back(world, swept=False)
    commit = world.table.commit_decision
    made = next(each for each in world.table.made("fraud") if each.run_id == "run-1")

    def later(*arguments: Any, **more: Any) -> Any:
        world.table.commit_decision = commit  # type: ignore[method-assign]
        assert world.table.begin_removing([made], [])
        return commit(*arguments, **more)

    world.table.commit_decision = later  # type: ignore[method-assign]
    assert decide(world, "back-1", asked["signal_id"])["decision"] == "HOLD"
    assert world.table.run("back-1") is None


# What is left of it.


def test_the_audit_finds_every_record_of_a_way_back_whole(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "held-1", back(world, to="run-9")["signal_id"])
    gone_back(world)
    world.clock.forward(days=1)
    do(world, "sweep")
    scene = Scene.of(world)
    assert scene.audit().findings == []
    # Of a plan that was changed in the table it says so.
    plan = scene.item("RUN#back-1", "VERDICT#evaluation")["verdict"]
    scene.set("RUN#back-1", "VERDICT#evaluation", verdict={**plan, "plan": {**plan["plan"], "wanted_config": "x"}})
    assert [finding.fault for finding in scene.audit().findings] == [Fault.CONTRADICTED]


def test_a_lost_table_comes_back_with_the_way_back_and_what_is_kept(world: World) -> None:
    promoted(world, "run-1", "run-2")
    gone_back(world)
    world.clock.forward(hours=1)
    do(world, "sweep")
    folders = [f"{folder}/fraud/" for folder in ("decisions", "manifests", "evidence")]
    objects = {key: world.bucket.objects[world.bucket.uri(key)] for folder in folders for key in world.keys(folder)}
    restored = rebuild(read_chain("fraud", objects.items()), world.clock())
    assert restored.findings == ()
    before = world.database.items
    for pk in ("RUN#back-1", "MADE#fraud", "MODEL#fraud", "HEADS"):
        kept = {key: item for key, item in before.items() if key[0] == pk and key[1] != "POLICY"}
        assert {key: item for key, item in restored.items.items() if key[0] == pk} == kept
    world.database.items = {**restored.items, ("MODEL#fraud", "POLICY"): before["MODEL#fraud", "POLICY"]}
    assert world.statuses("back-1") == ["ROLLBACK_DECIDED", "PROMOTION_STARTED", "PROMOTION_BAKED", "PROMOTED"]
    gone_back(world, "back-2")
    assert live(world) == OLD


def test_another_release_is_not_deployed_while_a_run_goes_back(world: World) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    session = SimpleNamespace(client=lambda _: world.database)
    document = {"Outputs": {"TemplateVersion": {"Value": "9"}}}
    outputs = {"TemplateVersion": "8", "HistoryTableName": "history"}
    found = {"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}
    with pytest.raises(OperatorError, match="fraud run back-1"):
        _refuse_runs_past_their_slot(cast("Any", session), document, found, Place("retraining", "us-east-1"))


def test_what_was_never_made_is_not_asked_to_go(world: World) -> None:
    """A run was stopped before it made what it had noted; what is not there has no tag by which it may be deleted."""
    world.ports.sagemaker.remove("never-made")
    assert not [name for name in world.outside.calls if name.startswith("Delete")]
    world.sagemaker.create_model(ModelName="half-made")
    world.ports.sagemaker.remove("half-made")
    assert [name for name in world.outside.calls if name.startswith("Delete")] == ["DeleteModel"]
    assert "half-made" not in world.sagemaker.models
