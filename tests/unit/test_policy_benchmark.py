"""The policy benchmark: what a matrix says, what the loop does in it, and a short run from a stream to the table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.policies.__main__ import as_text, play_all
from bench.policies.benchmark import World
from bench.policies.matrix import Outcomes, compute, stability_index
from bench.policies.oracle import Terms
from bench.policies.ours import FEEDS, GRID, families, policy_of, the_loop
from bench.policies.page import CELL, cells, default_judged, interval, main_table
from bench.policies.play import START, play
from bench.policies.rules import FAMILIES, Kind
from bench.policies.streams import Stream, source

CHUNKS, ROWS, WINDOW, FIRST = 20, 40, 8, 14


def made(name: str, seed: int = 0) -> Stream:
    """Two numbers of which the first says the label, and from chunk 15 on the second does."""
    rng = np.random.default_rng(seed)
    features = rng.random((CHUNKS, ROWS, 2)).astype(np.float32)
    labels = np.where(np.arange(CHUNKS)[:, None] < 15, features[..., 0], features[..., 1]) > 0.5
    return Stream(source(name), seed, features, labels.astype(np.int8))


@pytest.fixture(scope="module")
def learned() -> Outcomes:
    return compute(made("sea"), WINDOW)


def test_a_model_is_tried_on_every_later_chunk_and_on_no_earlier_one(learned: Outcomes) -> None:
    models, chunks = np.indices(learned.errors.shape)
    later = (models >= WINDOW - 1) & (chunks > models)

    for matrix in (learned.errors, learned.estimates, learned.drifts):
        assert (np.isfinite(matrix) == later).all()
    assert learned.errors[12, 13:15].max() < 0.2
    assert learned.errors[12, 15:].min() > 0.3
    # The labels follow from another number, which nobody sees without labels.
    assert learned.estimates[12, 15:].max() < 0.3


def test_what_a_model_learned_does_not_depend_on_what_came_later(learned: Outcomes) -> None:
    stream = made("sea")
    last = CHUNKS - 1
    changed = replace(stream, labels=np.concatenate([stream.labels[:last], 1 - stream.labels[last:]]))

    other = compute(changed, WINDOW)

    np.testing.assert_array_equal(other.errors[:, :last], learned.errors[:, :last])
    np.testing.assert_array_equal(other.promised[:last], learned.promised[:last])
    np.testing.assert_allclose(other.errors[:last, last], 1 - learned.errors[:last, last], atol=1e-6)


def test_the_stability_index_is_small_for_the_same_data_and_above_its_alarm_for_other_data() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=(2000, 3)).astype(np.float32)
    same = rng.normal(size=(1, 500, 3)).astype(np.float32)
    moved, missing = same.copy(), same.copy()
    moved[..., 1] += 0.8
    missing[..., 2] = np.nan

    indices = stability_index(before, np.concatenate([same, moved, missing]))

    assert indices[0] < 0.1
    assert indices[1] > 0.2
    assert indices[2] > 0.2


def bad_from_the_start(chunks: int = START + 12) -> Outcomes:
    """Every model errs twice as much as it promised, and its data have drifted."""
    shape = (chunks, chunks)
    errors, drifts = np.full(shape, 0.4, np.float32), np.full(shape, 0.3, np.float32)
    return Outcomes(errors, errors, drifts, np.full(chunks, 0.2, np.float32), rows=500)


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        ({"cooldown_hours": 24, "budget.runs": 0}, list(range(11))),
        ({"cooldown_hours": 72, "budget.runs": 0}, [0, 3, 6, 9]),
        ({"cooldown_hours": 72, "budget.runs": 2}, [0, 3]),
        ({"severity.warning": 2.0}, []),
    ],
)
def test_the_loop_trains_as_its_policy_says(keys: dict[str, Any], after: list[int]) -> None:
    trained = play(the_loop("quality", **keys), bad_from_the_start(), Terms(START, 0, 0.2))

    assert [chunk - START for chunk in trained] == after


def test_the_loop_hears_what_it_is_fed() -> None:
    calm = replace(bad_from_the_start(), errors=np.full((START + 12, START + 12), 0.1, np.float32))
    keys: dict[str, Any] = {"budget.runs": 0}

    counts = {feed: len(play(the_loop(feed, **keys), calm, Terms(START, 3, 0.2))) for feed in FEEDS}

    assert counts == {"quality": 0, "data": 11, "quality and data": 11}


def test_a_loop_that_asks_and_gets_no_answer_trains_nothing() -> None:
    assert play(the_loop("quality", answered=False), bad_from_the_start(), Terms(START, 0, 0.2)) == ()


def test_each_policy_that_is_tried_is_one_that_the_loop_takes() -> None:
    tried = {json.dumps(keys): policy_of(keys) for keys in GRID}

    assert len(tried) == len(GRID)
    assert {policy.cooldown_hours for policy in tried.values()} == {24, 72, 168, 336}


def test_a_short_run_goes_from_streams_to_the_table(learned: Outcomes) -> None:
    worlds = [World.of("sea", 0, learned), World.of("sine", 0, compute(made("sine", 1), WINDOW))]
    steps: list[tuple[int, int]] = []

    results = play_all(
        worlds, (*FAMILIES, *families()), lambda done, total, _: steps.append((done, total)), start=FIRST
    )

    assert [done for done, _ in steps] == list(range(1, steps[-1][1] + 1))
    table = main_table(results).splitlines()
    assert len(table) == 2 + 2 + len(FAMILIES) + len(families()) + len(FEEDS)
    assert "| oracle | +0.0% |" in table[2]
    assert "the default" in default_judged(results)
    for row in results["policies"]:
        assert min(above for cell in cells(row, ["sea", "sine"]) for above in cell["above"]) >= 0
    assert json.loads(as_text(results)) == json.loads(json.dumps(results))


def test_a_cell_of_the_kept_results_has_what_its_names_say() -> None:
    row = {"cells": [["sea", 0.05, 0, [0.1, 0.2, 0.3], 1, 2, 3, 4, 5], ["sine", 0.05, 0, [0.0], 0, 0, 0, 0, 0]]}

    (cell,) = cells(row, ["sea"], price=0.05)

    assert tuple(cell) == CELL
    assert cells(row, ["sea"], price=0.2) == []


def test_the_interval_of_a_mean_is_wide_where_streams_differ() -> None:
    assert interval([0.1] * 6) == pytest.approx((0.1, 0.1))
    low, high = interval([0.0, 0.0, 0.0, 0.0, 0.0, 0.6])
    assert low == pytest.approx(0.0)
    assert high > 0.2


def test_what_knows_no_price_is_played_once_for_all_prices() -> None:
    """The kinds that say so do: their rules come to the same whatever a training costs."""
    world = bad_from_the_start()
    for family in (*FAMILIES, *families()):
        if family.kind is not Kind.COSTS:
            begin = family.make(**family.settings[0])
            cheap, dear = (play(begin, world, Terms(START, 0, price)) for price in (0.05, 5.0))
            assert cheap == dear, family.name
