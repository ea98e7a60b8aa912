"""Playing a case by its name, and saying what came of it."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.faults.axes import AXES
from tests.faults.cells import DENIED, Cell
from tests.faults.play import Play
from tests.faults.promises import Left, broken, ends, left_by, unrecorded
from tests.faults.stories import STORIES

if TYPE_CHECKING:
    from tests.faults.place import Place

HELD: Final = "held"
BROKEN: Final = "broken"
UNREACHED: Final = "not reached"


@dataclass(frozen=True)
class Came:
    """What came of a case: HELD, BROKEN with how, or UNREACHED, since this time the call was not made."""

    name: str
    result: str
    how: list[str] = field(default_factory=list)
    ends: str = ""
    seconds: float = 0.0


def is_case(name: str) -> bool:
    """Whether a name can be played."""
    if not name.startswith("fault/"):
        return name in AXES
    try:
        return Cell.of(name).point.story in STORIES
    except (ValueError, StopIteration):
        return False


def play_case(place: Place, name: str) -> Came:
    """Play a case."""
    began = time.monotonic()
    if name.startswith("fault/"):
        cell = Cell.of(name)
        play = Play(place, STORIES[cell.point.story], place.new_name(), fault=cell.rule)
    else:
        play, cell = AXES[name](place), None
    try:
        how, ended, reached = _played(play, cell)
    except Exception:  # noqa: BLE001 - a case that cannot be played to its end breaks a promise too
        how, ended, reached = [traceback.format_exc()[-1500:]], "", True
    finally:
        play.tear_down()
    result = BROKEN if how else HELD if reached else UNREACHED
    return Came(name, result, how, ended, round(time.monotonic() - began, 2))


def play_plain(play: Play, *, swept: bool = True) -> list[str]:
    """Play a story in which nothing goes wrong; gives what is broken all the same.

    Args:
        play: the story.
        swept: whether it is swept up after it.
    """
    story = play.story
    try:
        play.set_up()
        play.play()
        if swept:
            play.finish()
        left = left_by(play)
    finally:
        play.tear_down()
    ended = ends(left)
    return broken(left) + ([] if ended == story.ends else [f"it ended {ended}, not {story.ends}"])


def _played(play: Play, cell: Cell | None) -> tuple[list[str], str, bool]:
    play.set_up()
    play.play()
    how: list[str] = []
    if cell is not None and cell.kind == "denied for good":
        play.finish()
        how += _held_back_silently(play)
    play.lifted = True
    play.finish()
    left = left_by(play)
    how += [each for each in broken(left) if not (cell and _accepted(cell, left, each))] + play.wrong(left)
    ended = ends(left)
    reached = not play.interventions if cell is None else play.place.fired(play.name) is not None
    if cell is not None and cell.retried and cell.kind not in DENIED and ended != play.story.ends:
        how.append(f"what was tried again ended {ended}, not {play.story.ends}")
    return how, ended, reached


def _accepted(cell: Cell, left: Left, how: str) -> bool:
    """What a table that is denied for an execution's whole life may leave: docs/reliability.md, "What remains".

    Then neither decision nor failure can be kept, and no sweep knows of them. The workflow itself tells people.
    """
    denied = cell.kind in DENIED and cell.point.operation.startswith("dynamodb:")
    run = f"{left.name}-{STORIES[cell.point.story].signals}"
    return denied and how.startswith("one_record_a_signal: signal of") and "0 decision" in how and unrecorded(left, run)


def _held_back_silently(play: Play) -> list[str]:
    """What is held back for good may stay so, as docs/reliability.md says under "What remains", but never in silence.

    A refusal that no event and no sweep gets past leaves its item in the list, and the function's errors raise the alarm;
    where a message or a record was refused, the item is there and the sweep that meets it ends in an error.
    """
    if play.clean():
        return []
    errors = [line for line in play.place.seen(play.name) if line.get("ended") == "error"]
    return [] if errors else ["something is held back, and no function ended in an error"]
