"""A history that has seen everything: a record of each kind, runs that ended every way, and some that have not ended."""

from __future__ import annotations

import json
from typing import Any, Final

from orchestration import handler
from orchestration.domain.records import idempotency_token
from orchestration.domain.training_target import nested_execution_arn, training_name
from tests.unit import stories
from tests.unit.fakes import TRAINING, World, drift, event, execution_arn, request
from tests.unit.stories import ENDPOINT, do, next_of

ALWAYS: Final[dict[str, Any]] = {"training": "always", "approvals_needed": 2, "expire_hours": 4}
"""Two people are asked before a training."""


def signal(world: World, run_id: str, model: str = "fraud", **detail: Any) -> str:
    """A signal comes; gives what it was decided as."""
    world.executions.statuses[execution_arn(run_id)] = "RUNNING"
    sent = drift(model=model, dedupe_key=run_id, **detail)
    return str(handler.run_action(request(sent, run_id), world.ports)["decision"])


def ended(world: World, run_id: str) -> str:
    """The workflow of a run comes to its end, and what must follow it is done."""
    outcome = str(do(world, "close", run_id)["outcome"])
    world.executions.end(execution_arn(run_id), "SUCCEEDED")
    sweeps(world)
    return outcome


def sweeps(world: World) -> None:
    """Time passes, with a sweep in it."""
    world.clock.forward(minutes=5)
    do(world, "sweep")


def promoted(world: World) -> None:
    """Run run-1 of fraud is approved and promoted; drift during it is kept."""
    stories.asked(world)
    assert stories.approve(world)["decided"]
    assert do(world, "promote", token="promotion") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert signal(world, "signal-2", observed=0.1) == "OBSERVE"
    do(world, "park", kind="bake", token="bake")
    world.clock.forward(minutes=31)
    do(world, "sweep")
    assert next_of(world, "bake") == "finish"
    assert signal(world, "signal-3") == "COALESCE"
    do(world, "finish")
    assert ended(world, "run-1") == "PROMOTED"


def trained(world: World, run_id: str, **output: Any) -> None:
    """The training of a run that holds no slot yet goes to its end."""
    do(world, "park", run_id, kind="slot", token=f"{run_id}-slot")
    assert do(world, "train", run_id, token=f"{run_id}-training") == {"started": True}
    made = {"model_data_url": stories.MODEL_URI, "image": "image", **output}
    arn = nested_execution_arn(TRAINING, training_name(idempotency_token(run_id)))
    world.executions.end(arn, "SUCCEEDED", output=json.dumps(made))
    stories.tell_ended(world, arn)
    assert next_of(world, f"{run_id}-training") == "evaluate"


def rejected_and_frozen(world: World) -> None:
    """Runs of churn: one nobody wanted, one nobody decided, one without a report; the last freezes, a person unfreezes."""
    world.put("policies/churn.json", policy("churn", approval=ALWAYS, breaker={"fruitless_runs": 3}))
    for run_id in ("run-2", "run-3", "run-4"):
        assert signal(world, run_id, "churn") == "RETRAIN"
        do(world, "park", run_id, kind="approval", subject="training", token=f"{run_id}-approval")
        if run_id == "run-2":
            assert stories.approve(world, run_id, decision="REJECTED")["decided"]
        elif run_id == "run-3":
            for _ in range(4):
                world.clock.forward(hours=1, minutes=5)
                do(world, "sweep")
        else:
            assert stories.approve(world, run_id)["counted"]
            assert stories.approve(world, run_id, by="ben")["decided"]
            trained(world, run_id, evaluation_uri="s3://amzn-s3-demo-bucket/none.json")
            assert do(world, "evaluate", run_id)["next"] == "record"
        assert ended(world, run_id) in {"APPROVAL_REJECTED", "APPROVAL_EXPIRED", "CANDIDATE_REJECTED"}
        world.clock.forward(hours=2)
    assert world.table.model("churn").frozen_reason
    assert signal(world, "signal-4", "churn") == "HOLD"
    assert do(world, "unfreeze", model="churn", by="ana", reason="Labels repaired.")["changed"]


def policy(model: str, **changes: Any) -> dict[str, Any]:
    """A policy of another model than fraud; it promotes nothing unless it says so."""
    return stories.policy(**{"model": model, "promotion": {"kind": "none"}, **changes})


def rich_history(world: World) -> None:
    """Everything: the runs of fraud and churn, switches, events nobody understood, and three runs that have not ended.

    Run run-5 of spam trains, run-6 of scoring moves its endpoint, run-7 of churn waits for its second vote. Fraud has a
    signal that waits for its cooldown; spam and the source alarm are paused.
    """
    rejected_and_frozen(world)
    promoted(world)
    world.executions.statuses[execution_arn("signal-5")] = "RUNNING"
    handler.run_action(request({"source": "mlops.drift", "detail-type": "Drift Detected"}, "signal-5"), world.ports)
    assert signal(world, "signal-6", "nobody") == "REJECT"
    for run_id, model in (("run-5", "spam"), ("run-6", "scoring")):
        world.sagemaker.serve(f"{model}-prod", f"{model}-config-1")
        world.put(f"policies/{model}.json", policy(model, promotion={"endpoint": f"{model}-prod", "bake_minutes": 5}))
        assert signal(world, run_id, model) == "RETRAIN"
    trained(world, "run-6")
    world.put("runs/scoring/run-6/outputs/evaluation.json", stories.REPORT)
    assert do(world, "evaluate", "run-6")["next"] == "promote"
    assert do(world, "promote", "run-6", token="run-6-promotion") == {"started": True}
    do(world, "park", "run-5", kind="slot", token="run-5-slot")
    assert do(world, "train", "run-5", token="run-5-training") == {"started": True}
    assert signal(world, "run-7", "churn") == "RETRAIN"
    do(world, "park", "run-7", kind="approval", subject="training", token="run-7-approval")
    assert stories.approve(world, "run-7")["counted"]
    for scope in ("global", "model:spam", "source:alarm"):
        assert do(world, "pause", scope=scope, by="ana", reason="Incident 7.")["changed"]
    assert signal(world, "signal-7") == "HOLD"
    assert do(world, "unpause", scope="global", by="ben")["changed"]
    assert signal(world, "signal-8") == "COALESCE"
    sweeps(world)


def anchored_history(world: World) -> None:
    """All that and more days: pending drift comes back and is rolled back, runs are stopped and trained, heads are anchored."""
    rich_history(world)
    assert stories.approve(world, "run-7", by="ben")["decided"]
    world.put("runs/churn/run-7/outputs/evaluation.json", stories.REPORT)
    trained(world, "run-7")
    assert do(world, "evaluate", "run-7")["next"] == "record"
    assert ended(world, "run-7") == "TRAINED"
    world.clock.forward(hours=24)
    do(world, "sweep")
    (pending,) = [name for name in world.executions.started if name.startswith("pending-")]
    world.executions.statuses[execution_arn(pending)] = "RUNNING"
    raised = world.executions.started[pending]
    assert handler.run_action(request(raised, pending), world.ports)["decision"] == "RETRAIN"
    trained(world, pending)
    world.put(f"runs/fraud/{pending}/outputs/evaluation.json", stories.REPORT)
    assert do(world, "evaluate", pending)["next"] == "ask"
    do(world, "park", pending, kind="approval", subject="promotion", token="pending-approval")
    assert stories.approve(world, pending)["decided"]
    assert do(world, "promote", pending, token="pending-promotion") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", pending, kind="bake", token="pending-bake")
    world.alarms.states[stories.ALARM] = "ALARM"
    do(world, "sweep", ahead_seconds=600)
    assert next_of(world, "pending-bake") == "roll_back"
    do(world, "roll_back", pending, token="pending-rollback")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert ended(world, pending) == "ROLLED_BACK"
    stories.tell_dead(world, "ABORTED", "run-5")
    assert do(world, "unpause", scope="model:spam", by="ben")["changed"]
    world.clock.forward(hours=24)
    do(world, "sweep")
    world.executions.statuses[execution_arn("signal-9")] = "RUNNING"
    said = handler.run_action(request(event("drift_report/evidently_no_drift"), "signal-9"), world.ports)
    assert said["decision"] == "SKIP"
    world.clock.forward(minutes=5)
