"""List what came in and what was made of it: decisions, rejections, and events that were ignored."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from ops.explain import identity_of, model_hint
from ops.heard_signals import COLOURS, MEMORY, Heard, gathered, heard
from ops.invocation import MOST, legal_identity, stack_command
from ops.known_models import known_models, unknown_model
from ops.stack import CallError, OperatorError
from ops.terminal import Styled
from orchestration.domain.contracts import UNATTRIBUTED

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal

_AGE: Final = re.compile(r"([0-9]{1,6})\s*([hdm])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@stack_command("signals", watch=True)
@click.option("--model", default="", help="Of this model only; _unattributed: what named no known model.")
@click.option("--since", default="", help="24h, 7d or a time; 7d when nothing is said, 90d with --id.")
@click.option(
    "--id",
    "identity",
    default="",
    envvar="RETRAINING_ID",
    callback=legal_identity,
    help="By signal, execution or event.",
)
@click.option("--limit", type=click.IntRange(1, MOST), default=100, show_default=True, help="Shown at most.")
def signals(stack: Stack, terminal: Terminal, *, model: str, since: str, identity: str, limit: int) -> int:
    """List what came in and what was made of it, ignored events too, newest first.

    Exit status 1: an id is asked for and nothing has it, or there is no such model.
    """
    now, wanted = datetime.now(UTC), identity_of(stack, identity)
    start = since_of(since or (f"{MEMORY.days}d" if wanted else ""), now)
    found = gathered(heard(stack.table, model, start, checks=bool(wanted)))
    if wanted:
        found = (each for each in found if wanted in each.ids)
    shown = list(itertools.islice(found, limit + 1))
    more, shown = len(shown) > limit, sorted(shown[:limit], key=lambda each: each.at, reverse=True)
    if not shown and model and model != UNATTRIBUTED and model not in (models := known_models(stack)):
        raise OperatorError(unknown_model(model, models))
    hints = [model_hint(stack, each) for each in shown]
    terminal.answer(
        {
            "since": start,
            "more": more,
            "signals": [{**asdict(each), "hint": hint} for each, hint in zip(shown, hints, strict=True)],
        }
    )
    for each, hint in zip(shown, hints, strict=True):
        _say(terminal, each, hint)
    if more:
        terminal.say("There are more:")
        asked = {"model": model, "since": since, "id": identity, "limit": str(min(10 * limit, MOST))}
        terminal.command(stack.place.command("signals", **asked))
    if not shown:
        _say_nothing(stack, terminal, model=model, wanted=wanted, since=start)
    elif not wanted:
        terminal.say("Every guard of one of them:")
        terminal.command(stack.place.command("explain", "<id>"))
    return int(bool(wanted) and not shown)


def _say(terminal: Terminal, each: Heard, hint: str | None) -> None:
    decision = Styled(COLOURS.get(each.decision, "bold cyan"), each.decision)
    terminal.say(f"{each.at[:19]}  ", decision, f"  {each.reason}  {each.model or ''}", hang=2)
    told = (each.said, None if each.source and each.source in (each.said or "") else each.source, each.severity)
    facts = ", ".join(filter(None, told))
    if facts:
        terminal.say(f"  {facts}")
    terminal.say(f"  {each.sentence}")
    if hint:
        terminal.say("  ", Styled("yellow", hint))
    terminal.say(f"  signal {each.signal_id}" if each.signal_id else f"  execution {each.run_id}")
    if each.record:
        terminal.say(f"  record {each.record}")
    if each.repeats:
        terminal.say(f"  came again {len(each.repeats)} time(s), last {each.repeats[0].at[:19]}, which changed nothing")
    terminal.say()


def _say_nothing(stack: Stack, terminal: Terminal, *, model: str, wanted: str, since: str) -> None:
    of = f"of {model} " if model else ""
    terminal.say(f"Nothing {of}{f'with the id {wanted} ' if wanted else ''}since {since[:19]}.")
    again = stack.place.command
    if wanted or datetime.fromisoformat(since) > datetime.now(UTC) - MEMORY:
        terminal.say("Further back:")
        terminal.command(again("explain", wanted) if wanted else again("signals", model=model, since=f"{MEMORY.days}d"))
    if model and model != UNATTRIBUTED:
        terminal.say("What named no model that is known:")
        terminal.command(stack.place.command("signals", model=UNATTRIBUTED))


def since_of(given: str, now: datetime) -> str:
    """A time from an age (``24h``, ``7d``) or as it is written, ISO-8601 in UTC.

    Raises:
        CallError: it is neither.
    """
    age = _AGE.fullmatch(given.strip().lower() or "7d")
    try:
        if age is not None:
            return (now - timedelta(**{_UNITS[age[2]]: int(age[1])})).isoformat()
        at = datetime.fromisoformat(given.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise CallError(f"--since {given} is no time: write 24h, 7d or 2026-03-02T12:00.") from None
