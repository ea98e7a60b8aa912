"""A run of the model fraud, brought as far as a test wants it, through the entry points the workflow calls."""

from __future__ import annotations

import json
from typing import Any, Final

from orchestration import approval_handler, handler, operator_handler, promotion_handler
from orchestration.domain.contracts import EXECUTION_STATUS_CHANGE
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.records import idempotency_token
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.training_target import nested_execution_arn, training_name
from tests.unit.fakes import MACHINE, TRAINING, World, asking, drift, execution_arn, proven, request

ENDPOINT: Final = "fraud-prod"
OLD: Final = "fraud-config-1"
ALARM: Final = "fraud-5xx"
MODEL_URI: Final = "s3://amzn-s3-demo-bucket/candidate/model.tar.gz"
POLICY: Final[dict[str, Any]] = {
    "schema_version": 1,
    "model": "fraud",
    "cooldown_hours": 1,
    "budget": {"runs": 0},
    "approval": {"training": "never"},
    "actions": {"warning": "retrain", "critical": "retrain"},
    "training": {"target": TRAINING},
    "evaluation": {"metric": "auc", "minimum": 0.7},
    "promotion": {"endpoint": ENDPOINT, "bake_minutes": 30, "alarms": [ALARM]},
}
REPORT: Final = {"binary_classification_metrics": {"auc": {"value": 0.9}}}


def policy(**changes: Any) -> dict[str, Any]:
    """The policy of fraud with other wishes."""
    return {**POLICY, **changes}


def do(world: World, action: str, run_id: str = "run-1", **more: Any) -> dict[str, Any]:
    """Ask for an action as the workflow does, of the function that has it."""
    if action in operator_handler.ACTIONS and action != "sweep":
        return operate(world, action, **more)
    request_ = {"action": action, **asking(run_id, **more)}
    if action in promotion_handler.ACTIONS:
        return promotion_handler.run_action(request_, world.ports)
    return handler.run_action(request_, world.ports)


def operate(world: World, action: str, *, by: str = "ops", swept: bool = True, **more: Any) -> dict[str, Any]:
    """An operator asks; the sweep that the function asks for comes at once, as EventBridge has it, or is lost."""
    asked_before = world.channels.sweeps_requested
    answer = operator_handler.run_action(proven({"action": action, **more}, by, world.clock()), world.ports)
    if swept and world.channels.sweeps_requested > asked_before:
        handler.run_action({"action": "sweep"}, world.ports)
    return answer


def next_of(world: World, token: str) -> str | None:
    """Where the workflow was told to go, None while it waits."""
    answered = world.executions.answers.get(token)
    return None if answered is None else str(answered["next"])


def frozen(world: World, state: StoredModel) -> None:
    """A model with a policy and this state."""
    world.put("policies/fraud.json", policy())
    world.table.save_model(state)


def decided(world: World, run_id: str = "run-1", **changes: Any) -> None:
    """A signal came and began the run."""
    world.sagemaker.serve(ENDPOINT, OLD)
    world.alarms.states[ALARM] = "OK"
    document = policy(**changes)
    world.put("policies/fraud.json", document)
    for section in ("training", "promotion"):
        world.executions.tags.setdefault(document[section].get("target", ""), {"retraining:model": "fraud"})
    world.executions.statuses[execution_arn(run_id)] = "RUNNING"
    sent = drift(model="fraud", dedupe_key=run_id)
    answer = handler.run_action(request(sent, run_id), world.ports)
    assert answer["decision"] == "RETRAIN", answer


def with_slot(world: World, **changes: Any) -> None:
    """It holds a slot."""
    decided(world, **changes)
    do(world, "park", kind="slot", token="slot")
    assert next_of(world, "slot") == "train"


def training(world: World, **changes: Any) -> None:
    """Its training runs."""
    with_slot(world, **changes)
    assert do(world, "train", token="training") == {"started": True}


def training_arn(run_id: str = "run-1") -> str:
    """The nested execution that trains."""
    return nested_execution_arn(TRAINING, training_name(idempotency_token(run_id)))


def trained(world: World, *, report: Any = REPORT, output: dict[str, Any] | None = None, **changes: Any) -> None:
    """Its training is over, with an artifact and a report."""
    training(world, **changes)
    world.bucket.put(MODEL_URI, b"weights")
    world.put("runs/fraud/run-1/outputs/evaluation.json", report)
    made = {"model_data_url": MODEL_URI, "image": "image"} if output is None else output
    world.executions.end(training_arn(), "SUCCEEDED", output=json.dumps(made))
    tell_ended(world, training_arn())
    assert next_of(world, "training") == "evaluate"


def tell_ended(world: World, arn: str) -> dict[str, Any]:
    """The event of a nested execution that ended."""
    machine, name = arn.replace(":execution:", ":stateMachine:").rsplit(":", 1)
    detail = {"stateMachineArn": machine, "executionArn": arn, "name": name}
    return handler.run_action({"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail}, world.ports)


def tell_endpoint(world: World) -> dict[str, Any]:
    """The event of the endpoint, whatever it says."""
    event = {"detail-type": "SageMaker Endpoint State Change", "detail": {"EndpointName": ENDPOINT}}
    return handler.run_action(event, world.ports)


def tell_dead(world: World, status: str, run_id: str = "run-1", **more: Any) -> dict[str, Any]:
    """The event of an execution of the loop that ended."""
    world.executions.end(execution_arn(run_id), status, **more)
    detail = {"stateMachineArn": MACHINE, "executionArn": execution_arn(run_id), "name": run_id, "status": status}
    return handler.run_action({"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail}, world.ports)


def accepted(world: World, **changes: Any) -> None:
    """Its candidate passed the gates."""
    trained(world, **changes)
    assert do(world, "evaluate")["next"] == "promote"


def asked(world: World, **changes: Any) -> None:
    """Its candidate passed the gates, and people are asked to promote it."""
    trained(world, **{"approval": {"training": "never", "promotion": "always"}, **changes})
    assert do(world, "evaluate")["next"] == "ask"
    do(world, "park", kind="approval", subject="promotion", token="approval")


def approve(world: World, run_id: str = "run-1", *, by: str = "ana", decision: str = "APPROVED") -> dict[str, Any]:
    """Somebody decides from a terminal; a sweep that the function asks for comes at once, as EventBridge has it."""
    asked_before = world.channels.sweeps_requested
    ballot = proven({"action": "decide", "run_id": run_id, "decision": decision}, by, world.clock())
    answer = approval_handler.run_action(ballot, world.ports)
    if world.channels.sweeps_requested > asked_before:
        handler.run_action({"action": "sweep"}, world.ports)
    return answer


def moving(world: World, **changes: Any) -> None:
    """The endpoint moves to its candidate."""
    accepted(world, **changes)
    assert do(world, "promote", token="promotion") == {"started": True}


def candidate(world: World) -> str:
    """The candidate's config."""
    verdict = world.table.candidate_verdict("run-1")
    assert verdict is not None
    assert isinstance(verdict.plan, EndpointPlan)
    return verdict.plan.wanted_config


def serving(world: World, **changes: Any) -> None:
    """Its candidate serves."""
    moving(world, **changes)
    world.sagemaker.settle(ENDPOINT)
    tell_endpoint(world)
    assert next_of(world, "promotion") == "bake"


def baking(world: World, **changes: Any) -> None:
    """Its candidate bakes."""
    serving(world, **changes)
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") is None


def rejected_by_bake(world: World, **changes: Any) -> None:
    """An alarm rings during the bake, so the champion is to come back."""
    baking(world, **changes)
    world.alarms.states[ALARM] = "ALARM"
    event = {"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": ALARM}}
    handler.run_action(event, world.ports)
    assert next_of(world, "bake") == "roll_back"
