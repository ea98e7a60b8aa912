"""A spread sample of the fault matrix, always the same; ``make faults`` plays all of it."""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.faults.axes import AXES
from tests.faults.cases import BROKEN, Came, play_case, play_plain
from tests.faults.cells import cells_of, points_of
from tests.faults.place import Place
from tests.faults.play import Play
from tests.faults.stories import STORIES

SEED: Final = 10
STORIES_OF_THE_SAMPLE: Final = ("registry", "promoted")
FAULTS_A_STORY: Final = 4
OTHERS: Final = sorted(random.Random(SEED).sample(sorted(AXES), 4))  # noqa: S311 - no secret


def held(came: Came) -> None:
    """Fail with what is broken and the command that plays the case again."""
    if came.result == BROKEN:
        pytest.fail("\n".join([came.name, *came.how, f"again: make faults CASE='{came.name}'"]), pytrace=False)


@pytest.mark.parametrize("story", STORIES_OF_THE_SAMPLE)
def test_faults_at_any_call_of_a_story_break_no_promise(story: str, place: Place) -> None:
    plain = Play(place, STORIES[story], place.new_name())
    assert play_plain(plain) == []
    cells, _ = cells_of(points_of({story: place.seen(plain.name)}))
    for cell in random.Random(SEED).sample(cells, FAULTS_A_STORY):  # noqa: S311 - no secret
        held(play_case(place, cell.name))


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_happens_to_a_run_breaks_no_promise(name: str, place: Place) -> None:
    held(play_case(place, name))


def test_what_is_lost_and_never_swept_up_is_seen(place: Place) -> None:
    """The matrix itself can fail: a run whose execution died, before anything repaired that, breaks promises."""
    play = Play(place, STORIES["stopped"], place.new_name())
    with place.deaf("SettleRule"):
        assert play_plain(play, swept=False) != []
