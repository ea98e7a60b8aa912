"""What a signal, a sweep, a status event and a slot cost in calls of AWS, as models, foreign resources and waiters become more."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from moto.events.models import EventPattern

from bench.crowd import NAMED, SERVES, Cost, Crowd, crowd
from bench.stack import expect
from orchestration import handler
from orchestration.domain.slots import Waiter
from orchestration.domain.switches import KillSwitch
from orchestration.steps.training_slots import change_slots, give_back_slot
from tests.contract.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable

FEW: Final = 10
FEW_WAITERS: Final = 5
LONG_AGO: Final = timedelta(hours=30)
JUST_NOW: Final = timedelta(seconds=30)
SWEEPS_AFTER: Final = 8
"""Sweeps after a burst, of which the costliest counts: what has just ended is left to its event for some minutes."""

BETWEEN_SWEEPS: Final = timedelta(minutes=5)
CALL_STEPS: Final = 6
DECISION_FILE: Final = b"retraining_required\nNO\n"
NO_AIM: Final = 12
SWEEP_AIM: Final = 15
SWEEP_SECONDS: Final = 2
ITEM_AIM: Final = 100
SIGNALS: Final = {"a no of the decision file": "SKIP", "drift that is observed": "OBSERVE", "drift while a switch is thrown": "HOLD",
    "drift that has a model retrained": "RETRAIN"}  # fmt: skip
"""What is decided, by what the table calls the signal."""


@dataclass(frozen=True, slots=True)
class SlotCost:
    """What one grant costs, and the kilobytes of the largest item of the slots."""

    grant: Cost
    item: float


@dataclass(frozen=True, slots=True)
class CallCosts:
    """What was measured, each beside more of what it must not grow with.

    ``signals`` at ``FEW`` and ``models`` models; ``sweeps`` at few and many models without and with ``foreign`` runs and alarms;
    ``burst`` is the costliest sweep after as much happened
    within minutes; ``events`` by what happened, None where the rule does not let it
    pass; ``slots`` at ``FEW_WAITERS`` and ``foreign`` waiters.
    """

    models: int
    foreign: int
    signals: dict[str, tuple[Cost, Cost]]
    sweeps: tuple[Cost, Cost, Cost, Cost]
    burst: Cost
    events: dict[str, tuple[Cost, Cost] | None]
    slots: tuple[SlotCost, SlotCost]


def measure_calls(models: int, foreign: int, step: Callable[[str], None]) -> CallCosts:
    """Measure in a small and in a large account.

    Args:
        models: how many the large stack has.
        foreign: foreign monitor runs and alarms of the large account, and waiters of the large stack.
        step: told of each of ``CALL_STEPS``.

    Raises:
        PathError: a signal was decided otherwise.
    """
    signals, sweeps, events = [], [], []
    for count in (FEW, models):
        with crowd() as account:
            _prepare(account)
            account.fill(count)
            alone = _sweep(account)
            account.foreign(foreign, LONG_AGO)
            sweeps += [alone, _sweep(account)]
            account.foreign(foreign, JUST_NOW)
            account.hear()
            burst = _costliest_sweep(account)
            step(f"sweeps at {count:,} models")
            signals.append({name: _signal(account, name) for name in SIGNALS})
            events.append({name: _status(account, event) for name, event in STATUS_EVENTS.items()})
            step(f"signals and status events at {count:,} models")
    slots = []
    for count in (FEW_WAITERS, foreign):
        slots.append(_slot(count))
        step(f"a slot with {count:,} waiters")
    few, many = events
    return CallCosts(
        models,
        foreign,
        {name: (signals[0][name], signals[1][name]) for name in SIGNALS},
        (sweeps[0], sweeps[1], sweeps[2], sweeps[3]),
        burst,
        {name: None if (one := few[name]) is None or (two := many[name]) is None else (one, two) for name in few},
        (slots[0], slots[1]),
    )


def calls_table(measured: CallCosts) -> str:
    """The calls as tables in Markdown."""
    lines = [
        "Calls as botocore makes them, the functions in this process, each counted once.",
        f"Of others, where there is something: {measured.foreign:,} monitor runs and as many red alarms.",
        "",
        f"| Calls of one signal | at {FEW} models | at {measured.models:,} models | aim |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (few, many) in measured.signals.items():
        aim = f"equal, ≤ {NO_AIM}" if SIGNALS[name] == "SKIP" else "equal"
        lines.append(f"| {name} | {few.total} | {many.total} | {aim} |")
    few, few_foreign, many, many_foreign = measured.sweeps
    lines += [
        "",
        f"| A sweep | at {FEW} models | at {measured.models:,} models | aim |",
        "| --- | ---: | ---: | ---: |",
        f"| nothing due, nothing foreign: calls | {few.total} | {many.total} | equal, ≤ {SWEEP_AIM} |",
        f"| nothing due, much of others: calls | {few_foreign.total} | {many_foreign.total} | equal, ≤ {SWEEP_AIM} |",
        f"| the same in seconds | {few_foreign.seconds:.2f} | {many_foreign.seconds:.2f} | < {SWEEP_SECONDS} |",
        f"| as much of others just happened: calls | | {measured.burst.total} | bounded |",
        f"| the same in seconds | | {measured.burst.seconds:.2f} | |",
        "",
        f"| Calls of one status event | at {FEW} models | at {measured.models:,} models | aim |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, found in measured.events.items():
        costs = ("none", "none") if found is None else tuple(str(cost.total) for cost in found)
        lines.append(f"| {name} | {costs[0]} | {costs[1]} | none or 1 |")
    few_slot, many_slot = measured.slots
    lines += [
        "",
        f"| A slot that is granted | {FEW_WAITERS} waiters | {measured.foreign:,} waiters | aim |",
        "| --- | ---: | ---: | ---: |",
        f"| calls | {few_slot.grant.total} | {many_slot.grant.total} | equal |",
        f"| kilobytes read | {few_slot.grant.kilobytes:.1f} | {many_slot.grant.kilobytes:.1f} | about equal |",
        f"| kilobytes of the largest item | {few_slot.item:.1f} | {many_slot.item:.1f} | < {ITEM_AIM} |",
    ]
    return "\n".join(lines)


# -- Signals ------------------------------------------------------------------------------------------------------


def _prepare(account: Crowd) -> None:
    """Have each model of the signals known, and one that is copied."""
    ports = account.ports
    ports.table.throw_switch(KillSwitch("model:decided-HOLD", "ops", "Incident.", account.now.isoformat()))
    for model in (NAMED, *(f"decided-{decision}" for decision in SIGNALS.values())):
        policy = {
            "schema_version": 1,
            "model": model,
            "training": {"target": "arn:aws:states:us-east-1:123456789012:stateMachine:training"},
            "actions": {"info": "observe", "warning": "observe", "critical": "retrain"},
            "evaluation": {"metric": "auc", "minimum": 0.8},
            "promotion": {"endpoint": f"{model}{SERVES}"},
        }
        account.put(f"policies/{model}.json", policy)
        _decided(account, _drift(model, 0.21))
    account.put(ports.settings.decision_key, DECISION_FILE)
    _decided(account, _decision_file(account))


def _signal(account: Crowd, name: str) -> Cost:
    decision = SIGNALS[name]
    account.put(account.ports.settings.decision_key, DECISION_FILE)
    observed = 0.9 if decision in {"HOLD", "RETRAIN"} else 0.25
    event = _decision_file(account) if decision == "SKIP" else _drift(f"decided-{decision}", observed)
    found: list[dict[str, Any]] = []
    cost = account.cost_of(lambda: found.append(_decided(account, event)))
    expect(name, found[0]["decision"], decision)
    return cost


def _decided(account: Crowd, event: dict[str, Any]) -> dict[str, Any]:
    name = str(uuid.uuid4())
    machine = account.ports.settings.state_machine_arn
    execution = {"id": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "name": name}
    return handler.run_action({"action": "admit", "execution": execution, "event": event}, account.ports)


def _drift(model: str, observed: float) -> dict[str, Any]:
    detail = {"model": model, "metric": "psi", "observed": observed, "threshold": 0.2, "dedupe_key": uuid.uuid4().hex}
    return _event("mlops.drift", "Drift Detected", detail)


def _decision_file(account: Crowd) -> dict[str, Any]:
    settings = account.ports.settings
    written = {
        "key": settings.decision_key,
        "etag": uuid.uuid4().hex,
        "version-id": account.version(settings.decision_key),
    }
    return _event("aws.s3", "Object Created", {"bucket": {"name": settings.decision_bucket}, "object": written})


def _event(source: str, detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": "123456789012",
        "source": source,
        "detail-type": detail_type,
        "time": "2026-03-02T11:59:00Z",
        "resources": [],
        "detail": detail,
    }


# -- Sweeps -------------------------------------------------------------------------------------------------------


def _sweep(account: Crowd) -> Cost:
    """What the third sweep costs: the ones before it do what is left of the day and of what just came."""
    for _ in range(2):
        account.cost({"action": "sweep"})
        account.now += BETWEEN_SWEEPS
    return account.cost({"action": "sweep"})


def _costliest_sweep(account: Crowd) -> Cost:
    costs = []
    for _ in range(SWEEPS_AFTER):
        costs.append(account.cost({"action": "sweep"}))
        account.now += BETWEEN_SWEEPS
    return max(costs, key=lambda cost: cost.total)


# -- Status events ------------------------------------------------------------------------------------------------

STATUS_EVENTS: Final = {
    "a training job of others ended": _event(
        "aws.sagemaker",
        "SageMaker Training Job State Change",
        {"TrainingJobName": "others-2026", "TrainingJobStatus": "Completed"},
    ),
    "an endpoint of others changed": _event(
        "aws.sagemaker",
        "SageMaker Endpoint State Change",
        {"EndpointName": "others-prod", "EndpointStatus": "IN_SERVICE"},
    ),
    "an alarm of others went red": _event(
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
        {"alarmName": "others-latency", "state": {"value": "ALARM", "timestamp": "2026-03-02T11:59:00.000+0000"}},
    ),
}
"""What happens in an account without being the loop's."""


def _status(account: Crowd, event: dict[str, Any]) -> Cost | None:
    """What the function does about an event; None where no rule lets it pass."""
    rules = [
        found["Properties"]["EventPattern"]
        for found in Template.read().resolve().resources.values()
        if found["Type"] == "AWS::Events::Rule" and "EventPattern" in found["Properties"]
    ]
    if not any(EventPattern.load(json.dumps(pattern)).matches_event(event) for pattern in rules):
        return None
    return account.cost(event)


# -- Slots --------------------------------------------------------------------------------------------------------


def _slot(waiters: int) -> SlotCost:
    """Fill the slots, have so many wait, and give one slot back."""
    with crowd() as account:
        ports = account.ports
        for number in range(waiters + ports.settings.max_concurrent_trainings):
            since = (account.now + timedelta(seconds=number)).isoformat()
            waiter = Waiter(f"run-{number:05}", f"model-{number:05}", since, ("drift_report",))
            account.write(ports.table.queue_write(waiter))
        change_slots(ports)
        holder = ports.table.slots().holders[0]
        granted = account.cost_of(lambda: give_back_slot(ports, holder.run_id))
        return SlotCost(granted, account.largest_item("SLOTS"))
