"""List what came in and what was made of it: decisions, rejections, and events that were ignored.

make signals                                   of all models, the last 7 days
make signals MODEL=fraud SINCE=24h
make signals ID=4ba7853c-6065-46b7-b604-d19d58dc29c6     by signal, execution or event
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ops.explain import COLOURS
from ops.stack import OperatorError, Stack, parser, run, truth, variable
from ops.terminal import Styled
from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import UNATTRIBUTED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ops.terminal import Terminal
    from orchestration.stores.history_table import HistoryTable

IGNORED: Final = "IGNORED"
"""What is said of an event that was understood and says nothing about any model."""

MEMORY: Final = timedelta(days=90)
"""How long what is not in a chain is remembered."""

_AGE: Final = re.compile(r"([0-9]{1,6})\s*([hdm])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Heard:
    """One event and what was made of it. ``signal_id`` is None for what was ignored."""

    at: str
    decision: str
    reason: str
    model: str | None
    sentence: str
    run_id: str
    signal_id: str | None
    event_id: str | None
    record: str | None

    @property
    def ids(self) -> set[str | None]:
        """What it can be asked for by."""
        return {self.run_id, self.signal_id, self.event_id}


def signals(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Print the list. Exit status 1 when an id is asked for and nothing has it."""
    now = datetime.now(UTC)
    wanted = options.id.rpartition(":")[2]
    since = _since(options.since or ("" if not wanted else f"{MEMORY.days}d"), now)
    found = heard(stack.table, options.model, since)
    if wanted:
        found = (each for each in found if wanted in each.ids)
    shown = list(itertools.islice(found, options.limit + 1))
    more, shown = len(shown) > options.limit, shown[: options.limit]
    if options.json:
        terminal.json([asdict(each) for each in shown])
    elif not shown:
        of = f"of {options.model} " if options.model else ""
        further = "" if wanted else " SINCE=30d looks further back"
        further += (
            "; MODEL=_unattributed lists what named no model that is known."
            if options.model
            else "."
            if further
            else ""
        )
        terminal.say(f"Nothing {of}{f'with the id {wanted} ' if wanted else ''}since {since[:19]}.{further}")
    else:
        for each in shown:
            _print(each, terminal)
        if more:
            terminal.say(f"and more: LIMIT={10 * options.limit}")
    return int(bool(wanted) and not shown)


def heard(table: HistoryTable, model: str, since: str) -> Iterator[Heard]:
    """What came in since a time, newest first; of one model, or with an empty name of all and of none."""
    chains = [model] if model else [*table.models(), UNATTRIBUTED]
    lists = [*(_decided(table, chain, since) for chain in chains), _ignored(table, model or UNATTRIBUTED, since)]
    return heapq.merge(*lists, key=lambda each: each.at, reverse=True)


def _decided(table: HistoryTable, chain: str, since: str) -> Iterator[Heard]:
    for link in table.latest(chain):
        record = json.loads(link.record)
        at = _at(record)
        if at is not None and at < since:
            return
        if link.kind is RecordKind.DECISION:
            yield Heard(
                at=record["decided_at"],
                decision=record["decision"],
                reason=record["reason"],
                model=record["model"],
                sentence=record["sentence"],
                run_id=record["run_id"],
                signal_id=record["signal_id"],
                event_id=record.get("event_id"),
                record=link.key,
            )


def _at(record: dict[str, Any]) -> str | None:
    return next((record[name] for name in ("decided_at", "created_at", "ended_at", "at") if record.get(name)), None)


def _ignored(table: HistoryTable, chain: str, since: str) -> Iterator[Heard]:
    events = itertools.takewhile(lambda each: each.at >= since, table.ignored_events(chain))
    for each in events:
        yield Heard(
            each.at, IGNORED, each.reason, each.model, each.sentence, each.run_id, None, each.event_id, record=None
        )


def _print(each: Heard, terminal: Terminal) -> None:
    decision = Styled(COLOURS.get(each.decision, "bold cyan"), each.decision)
    terminal.say(f"{each.at[:19]}  ", decision, f"  {each.reason}  {each.model or ''}")
    terminal.say(f"  {each.sentence}")
    terminal.say(f"  signal {each.signal_id}" if each.signal_id else f"  execution {each.run_id}")


def _since(given: str, now: datetime) -> str:
    """A time from an age (``24h``, ``7d``) or as it is written, ISO-8601 in UTC.

    Raises:
        OperatorError: it is neither.
    """
    age = _AGE.fullmatch(given.strip().lower() or "7d")
    if age is not None:
        return (now - timedelta(**{_UNITS[age[2]]: int(age[1])})).isoformat()
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        raise OperatorError(f"SINCE={given} is no time: write 24h, 7d or 2026-03-02T12:00.") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("signals", __doc__)
    arguments.add_argument("--model", default=variable("MODEL"), help="of this model only (MODEL=)")
    arguments.add_argument("--since", default=variable("SINCE"), help="24h, 7d or a time (SINCE=, 7d; 90d with an id)")
    arguments.add_argument("--id", default=variable("ID"), help="signal, execution or event id (ID=)")
    arguments.add_argument(
        "--limit", type=int, default=int(variable("LIMIT") or 100), help="shown at most (LIMIT=, default 100)"
    )
    arguments.add_argument("--json", action="store_true", default=truth(variable("JSON")), help="as JSON (JSON=1)")
    return run(signals, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
