"""Silence: a monitor that does not speak is not known to have found nothing.

A policy says how often its model's monitor speaks. From then on one item of the due list waits for the time at which it has not.
Work that finds silence raises an event, so that it is decided, recorded and told as every other signal is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import MONITOR_SILENT, RETRAINING_SOURCE, DueKind, SignalSource
from orchestration.domain.due import due
from orchestration.domain.errors import ContentionError
from orchestration.domain.records import sha256
from orchestration.domain.silence import Silence, Watch
from orchestration.steps.due_work import DONE, Worked, later
from orchestration.steps.pending import start
from orchestration.steps.policies import effective_policy

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.domain.signal import Signal
    from orchestration.ports import Ports

SPEAKS: Final = frozenset({SignalSource.MODEL_MONITOR, SignalSource.DRIFT_REPORT, SignalSource.DECISION_FILE})
"""Sources that speak of their own accord, "no drift" too. An alarm speaks when its state changes, and people when they like."""

TOLD: Final = "silence_told"


def listened(
    model: str, before: Watch | None, hours: float, now: datetime, signal: Signal | None = None
) -> tuple[Watch | None, list[DueItem]]:
    """What follows for a model's watch from a signal of it, or from its policy alone. Pure.

    A monitoring run that nobody confirms is no sign of life: whoever may create jobs could keep a dead monitor hidden. Nor is
    what came without a time: a person has a decision file read that may have been written long ago. Another number of hours
    counts from now.

    Returns:
        The watch, None where nothing was ever expected; and an item, where none waits yet for what is expected now.
    """
    if before is None and not hours:
        return None, []
    spoke = signal is not None and signal.source in SPEAKS and not signal.unproven and signal.observed_at != ""
    if before is not None and before.hours == hours:
        return replace(before, since=now.isoformat()) if spoke else before, []
    watch = Watch(model, now.isoformat(), hours, now.isoformat())
    return watch, [_due(watch)] if hours else []


def _due(watch: Watch) -> DueItem:
    at = datetime.fromisoformat(watch.since) + timedelta(hours=watch.hours)
    return due(DueKind.SILENCE, watch.model, watch.model, at, watch_id=watch.watch_id)


def listen(ports: Ports, heard: Signal | str, hours: float) -> bool:
    """Keep what a policy says of a model's monitor, and that it spoke where a signal is given. False when a rival wrote first."""
    signal, model = (None, heard) if isinstance(heard, str) else (heard, heard.model)
    before = ports.table.watch(model)
    watch, items = listened(model, before, hours, ports.now(), signal)
    if watch is None or watch == before:
        return True
    return ports.table.keep_watch(watch, before, [ports.table.due_write(item) for item in items])


def silence_of(ports: Ports, model: str) -> Silence | None:
    """The silence of a model's monitor that is as long as its policy says; None when there is none."""
    watch, loaded = ports.table.watch(model), effective_policy(ports, model)
    if watch is None or loaded is None or loaded.policy.expect_every_hours != watch.hours:
        return None
    silence = watch.silence(ports.now())
    return silence if silence is not None and silence.periods else None


def see_silence(ports: Ports, item: DueItem) -> Worked:
    """Work off a SILENCE item: wait on while the monitor speaks, else raise the event, once in each time it should have spoken.

    Raises:
        ContentionError: the watch was written at the same moment; the item is tried again.
    """
    model, watch = item.subject, ports.table.watch(item.subject)
    if watch is None or watch.watch_id != item.data["watch_id"]:
        return DONE
    loaded = effective_policy(ports, model)
    hours = loaded.policy.expect_every_hours if loaded else 0.0
    silence = watch.silence(ports.now())
    if silence is None or hours != watch.hours:
        # The policy was changed, and nobody heard of it.
        if not listen(ports, model, hours):
            raise ContentionError(f"The watch over {model} was written at the same moment.")
        return DONE
    if not silence.periods:
        return later(item, silence.next_at)
    event = {
        "source": RETRAINING_SOURCE,
        "detail-type": MONITOR_SILENT,
        "time": ports.now().isoformat(),
        "detail": {"model": model},
    }
    identity = sha256(canonical([model, watch.since, silence.periods]))[:24]
    tries = int(item.data.get("tries", 0)) if item.data.get("identity") == identity else 0
    worked = start(ports, item, f"silence-{model[:40]}-{identity}", event, tries, TOLD)
    again = worked.again or replace(item, due_at=silence.next_at.isoformat(), attempts=0)
    return Worked(replace(again, data={**again.data, "identity": identity}), worked.repair)
