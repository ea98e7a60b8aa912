"""What the loop is kept from breaking by, each with a way to take it away, so that who looks for faults is seen to find them.

::

    python -m tests.unit.safeguards --steps 1000000 --seed 1

Two conditions of a decision are not among them, since nothing breaks without one of them alone: that its signal has none yet, and
that nobody wrote its model since. What it begins with is read at one instant, and the chain's end is in the same transaction. The first
tells a duplicate from a conflict, and both would hold if a record were written apart from its decision.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from orchestration.actions import pause, promote
from orchestration.domain.contracts import DueKind
from orchestration.steps import closing, hand
from orchestration.stores.due_items import DueItems
from tests.unit.interleavings import drawn, promise_of
from tests.unit.memory_dynamodb import MemoryDynamoDB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from orchestration.domain.due import DueItem
    from orchestration.stores.table import Write


@dataclass(frozen=True)
class Safeguard:
    """A safeguard: how to do without it, and the promises that may break then."""

    without: Callable[[], AbstractContextManager[Any]]
    breaks: frozenset[str]


def _conditions(partition: str, item: str = "") -> AbstractContextManager[Any]:
    """Let every condition on these items hold."""
    holds = MemoryDynamoDB._holds

    def held(table: MemoryDynamoDB, request: dict[str, Any], key: tuple[str, str]) -> bool:
        return holds(table, request, key) or (key[0].startswith(partition) and key[1].startswith(item))

    return patch.object(MemoryDynamoDB, "_holds", held)


def _due_items(kind: DueKind) -> AbstractContextManager[Any]:
    """Write items of a kind where no sweep finds them."""
    due_write = DueItems.due_write

    def lost(table: DueItems, item: DueItem) -> Write:
        made = due_write(table, item)
        if item.kind is kind:
            made["Put"]["Item"]["pk"] = {"S": "NOWHERE"}
        return made

    return patch.object(DueItems, "due_write", lost)


SAFEGUARDS: Final = {
    name: Safeguard(without, frozenset(breaks.split()))
    for name, without, breaks in (
        ("the fence's conditions", lambda: patch.object(hand, "fence_writes", lambda *_: []), "switch closed quiet"),
        ("the fence's switches", lambda: _conditions("CONTROLS"), "switch"),
        ("one vote after the other", lambda: _conditions("APPROVAL#"), "facts votes records"),
        ("a chain's end", lambda: _conditions("HEADS"), "facts records rollback"),
        ("the items that stop trainings", lambda: _due_items(DueKind.STOP), "left quiet slots"),
        ("the items that look at waits", lambda: _due_items(DueKind.LOOK), "left quiet in-flight"),
        ("the items that ask if runs live", lambda: _due_items(DueKind.ALIVE), "left quiet"),
        ("the items that tell", lambda: _due_items(DueKind.TELL), "told records evidence served"),
        ("the intention a closed run leaves", lambda: patch.object(closing, "_open_intention", _none), "served left"),
        ("the slot ledger's version", lambda: _conditions("SLOTS", "LEDGER"), "slots left quiet"),
        ("one result a wait", lambda: _conditions("WAIT#"), "facts records"),
        ("the hand's look at the endpoint", lambda: patch.object(promote, "foreign_deployment", _none), "foreign"),
        ("the hand's look at its run", lambda: patch.object(promote, "refuse", _none), "switch policy"),
        ("what a pause names", lambda: patch.object(pause, "_in_flight", lambda *_: []), "in-flight"),
    )
}

COLUMNS: Final = 78
"""Of a line; `make faults` prints them two further in."""


def _none(*_: Any, **__: Any) -> None:
    """Find nothing."""


def steps_without(name: str, *, seed: int, most: int) -> tuple[int, str | None]:
    """Draw histories without a safeguard until one breaks a promise, or so many calls were made.

    Returns:
        The calls it took, and what broke; None when nothing did.
    """
    steps = 0
    with SAFEGUARDS[name].without():
        for number in itertools.count():
            history, broken = drawn(f"{seed}/{number}")
            steps += history.scheduler.steps
            if broken is not None or steps > most:
                return steps, broken
    raise AssertionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Take away one safeguard after the other. Gives 1 when one is not missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000, help="calls to make at most without each (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the histories are drawn from (1)")
    asked = parser.parse_args(arguments)
    missed = 0
    for name, safeguard in SAFEGUARDS.items():
        steps, broken = steps_without(name, seed=asked.seed, most=asked.steps)
        found = promise_of(broken) in safeguard.breaks
        missed += found
        told = f"{name}: {f'missed after {steps} steps' if found else 'NOT MISSED'}: {str(broken)[:120]}"
        sys.stdout.write(textwrap.fill(told, COLUMNS, subsequent_indent="  ") + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"seed {asked.seed}, safeguards {len(SAFEGUARDS)}, missed: {missed}\n")
    return 0 if missed == len(SAFEGUARDS) else 1


if __name__ == "__main__":
    sys.exit(main())
