"""The oracle of the policy benchmark is exact, and no rule sees the future."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.policies.matrix import WINDOW, Outcomes
from bench.policies.oracle import Terms, best, cost, sums
from bench.policies.ours import families
from bench.policies.play import START, Judge, Past, Rule, Sight, play
from bench.policies.rules import FAMILIES, Family

EVERY = (*FAMILIES, *families())


@st.composite
def small_worlds(draw: st.DrawFn) -> tuple[NDArray[np.float32], Terms]:
    """Errors of up to eight chunks, and terms under which some of them count."""
    chunks = draw(st.integers(5, 8))
    delay = draw(st.integers(0, 2))
    terms = Terms(draw(st.integers(delay + 1, chunks - 2)), delay, draw(st.sampled_from([0.0, 0.1, 0.5, 3.0])))
    share = st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])
    errors = np.array(draw(st.lists(share, min_size=chunks**2, max_size=chunks**2)), dtype=np.float32)
    return np.where(np.triu(np.ones((chunks, chunks), dtype=bool), 1), errors.reshape(chunks, chunks), np.nan), terms


def cost_by_hand(errors: NDArray[np.float32], trained: tuple[int, ...], terms: Terms) -> float:
    """Chunk by chunk: who serves, and what it errs."""
    total, serving = terms.price * len(trained), terms.start - 1
    for chunk in range(terms.start, len(errors)):
        total += float(errors[serving - terms.delay, chunk])
        serving = chunk if chunk in trained else serving
    return total


@settings(max_examples=150, deadline=None)
@given(small_worlds())
def test_the_oracle_costs_as_little_as_the_best_of_all_ways_of_training(
    world: tuple[NDArray[np.float32], Terms],
) -> None:
    errors, terms = world
    ends = range(terms.start, len(errors) - 1)
    ways = [way for count in range(len(ends) + 1) for way in itertools.combinations(ends, count)]

    found = best(sums(errors), terms)

    assert found in ways
    assert cost(sums(errors), found, terms) == pytest.approx(min(cost_by_hand(errors, way, terms) for way in ways))


@settings(max_examples=100, deadline=None)
@given(small_worlds(), st.data())
def test_a_way_of_training_costs_what_is_served_and_what_is_trained(
    world: tuple[NDArray[np.float32], Terms], data: st.DataObject
) -> None:
    errors, terms = world
    ends = list(range(terms.start, len(errors) - 1))
    way = tuple(sorted(data.draw(st.sets(st.sampled_from(ends)) if ends else st.just(set()))))

    assert cost(sums(errors), way, terms) == pytest.approx(cost_by_hand(errors, way, terms))


def outcomes(seed: int, chunks: int = START + 14) -> Outcomes:
    """Made up: a model's error grows with its age and jumps with the stream, estimates and drifts go along."""
    rng = np.random.default_rng(seed)
    later = np.triu(np.ones((chunks, chunks), dtype=bool), 1)
    later[: WINDOW - 1] = False
    jumps = rng.random(chunks).cumsum() * 0.05
    errors = np.clip(np.abs(jumps[None, :] - jumps[:, None]) + rng.normal(0.15, 0.03, (chunks, chunks)), 0, 1)
    made = (errors, errors + rng.normal(0, 0.05, errors.shape), np.abs(rng.normal(0.2, 0.1, errors.shape)))
    kept, estimates, drifts = (np.where(later, each, np.nan).astype(np.float32) for each in made)
    return Outcomes(kept, estimates, drifts, np.full(chunks, 0.15, dtype=np.float32), rows=500)


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("family", EVERY, ids=[family.name for family in EVERY])
def test_a_rule_decides_the_same_whatever_comes_later(family: Family, delay: int) -> None:
    """Two streams are alike up to a chunk and differ after it; up to that chunk the same is decided."""
    one, other = outcomes(1), outcomes(2)
    terms = Terms(START, delay, 0.1)
    for last in (START, START + 6):
        errors, estimates, drifts = (
            np.concatenate([mine[:, : last - late + 1], others[:, last - late + 1 :]], axis=1)
            for mine, others, late in (
                (one.errors, other.errors, delay),
                (one.estimates, other.estimates, 0),
                (one.drifts, other.drifts, 0),
            )
        )
        known = last - delay + 1
        promised = np.concatenate([one.promised[:known], np.full(one.chunks - known, 0.4, dtype=np.float32)])
        mixed = Outcomes(errors, estimates, drifts, promised, one.rows)
        for setting in family.settings[::7]:
            alike, changed = (play(family.make(**setting), each, terms) for each in (one, mixed))

            assert [at for at in alike if at <= last] == [at for at in changed if at <= last]


def test_what_a_rule_sees_are_labels_as_late_as_they_come() -> None:
    world, seen = outcomes(3), list[tuple[int, int, int]]()

    def begin(past: Past) -> Rule:
        assert past.errors.shape == (START - 3, START - 3)

        def rule(sight: Sight) -> bool:
            seen.append((sight.age, len(sight.errors), len(sight.estimates)))
            assert np.isnan(sight.known[:, sight.chunk - 2 :]).all()
            return sight.age == 5

        return rule

    trained = play(begin, world, Terms(START, 3, 0.1))

    assert trained == (START + 4, START + 9)
    assert seen[:6] == [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 1, 4), (5, 2, 5), (1, 0, 1)]


def test_a_drift_is_missed_where_nobody_trains_and_a_training_that_saves_nothing_is_harmless() -> None:
    """Nothing happens but one jump of all older models, from 0.1 to 0.4, after chunk 33."""
    chunks, jump = START + 12, START + 5
    errors = np.full((chunks, chunks), 0.1, dtype=np.float32)
    errors[:jump, jump:] = 0.4
    world = Outcomes(errors, errors, errors, errors[0], rows=100)
    terms = Terms(START, 0, 0.5)

    idle, wasteful, right = (Judge(world).judge(way, terms) for way in ((), (START + 1,), (jump + 1,)))

    assert (idle.harmful, idle.missed, idle.waited, idle.harmless) == (1, 1, (), 0)
    assert (wasteful.harmful, wasteful.missed, wasteful.harmless) == (1, 1, 1)
    assert (right.harmful, right.missed, right.waited, right.harmless) == (1, 0, (1,), 0)
    assert right.cost == pytest.approx(0.1 * (chunks - START) + 2 * 0.3 + 0.5)
