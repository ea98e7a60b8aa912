"""Kill switches: what operators throw to stop the loop, for everything, one model or one source of signals. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.domain.failures import ended
from orchestration.domain.json_values import mapping
from orchestration.domain.people import called
from orchestration.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """A switch an operator threw. ``scope`` is ``global``, ``model:<name>`` or ``source:<name>``."""

    scope: str
    by: str
    reason: str
    since: str


def scopes_over(model: str, *sources: str | None) -> tuple[str, ...]:
    """Scopes of the switches that stop a model's run; ``sources`` are those of the signal it began with."""
    return ("global", f"model:{model}", *(f"source:{source}" for source in sources if source))


def sources_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Sources of the signal a run began with: who raised it, and pending where it was kept in between."""
    signal = mapping(manifest.get("signal"))
    return tuple(dict.fromkeys(str(signal[key]) for key in ("source", "origin") if signal.get(key)))


def run_scope(run_id: str) -> str:
    """A run, named where a scope is; nobody throws a switch over one, its candidate is asked back."""
    return f"run:{run_id}"


def switches_over(switches: Iterable[KillSwitch], model: str, *sources: str | None) -> tuple[KillSwitch, ...]:
    """The switches thrown over a model or a source. The only place that says what is paused."""
    return tuple(switch for switch in switches if switch.scope in scopes_over(model, *sources))


def switch_over(switches: Iterable[KillSwitch], model: str, *sources: str | None) -> KillSwitch | None:
    """The first of them, None when there is none."""
    return next(iter(switches_over(switches, model, *sources)), None)


def paused_sentence(switch: KillSwitch) -> str:
    """What people are told of something that a switch stopped; the command that lifts it stands in messages and answers."""
    return f"Paused ({switch.scope}) by {called(switch.by)} since {moment(switch.since) or switch.since}: {ended(switch.reason)}"
