"""The outcome of a run: what its facts say, the latest first, and what stands in where none speaks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from orchestration.domain.conclusion import STAGES, Conclusion, Failure, conclude
from orchestration.domain.contracts import OUTCOMES, Next, Status
from orchestration.domain.wait import Result

ASK, TRAIN, EVALUATE, PROMOTE = Next.ASK, Next.TRAIN, Next.EVALUATE, Next.PROMOTE
GOES_ON = {
    "approval:training": Result(TRAIN, "approved"),
    "slot": Result(TRAIN, "slot"),
    "training": Result(EVALUATE, "trained"),
    "evaluation": Result(ASK, "gates passed"),
    "approval:promotion": Result(PROMOTE, "approved"),
    "promotion": Result(Next.BAKE, "serves"),
    "bake": Result(Next.ASK, "no data"),
    "approval:bake": Result(Next.FINISH, "approved", Status.PROMOTED),
}
TIMEOUT = Failure("States.Timeout", "no cause given")


def facts(*stages: str, **last: Result) -> dict[str, Result]:
    return {**{stage: GOES_ON[stage] for stage in stages}, **last}


def told(
    found: dict[str, Result], *, died: Status | None = None, failure: Failure | None = None
) -> tuple[Status, bool]:
    conclusion = conclude(found, died=died, failure=failure)
    return conclusion.outcome, conclusion.known


@pytest.mark.parametrize(("position", "stage"), list(enumerate(STAGES)))
def test_the_latest_fact_says_what_a_run_came_to(position: int, stage: str) -> None:
    earlier = {name: Result(Next.RECORD, "earlier", Status.STOPPED) for name in STAGES[:position]}
    conclusion = conclude(
        {stage: Result(Next.RECORD, "the latest", Status.TRAINED), **earlier}, died=Status.FAILED, failure=TIMEOUT
    )
    assert conclusion == Conclusion(Status.TRAINED, "the latest", "States.Timeout", known=True)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_an_outcome_of_a_fact_is_known_but_for_a_rollback_that_failed(outcome: Status) -> None:
    found = {"bake": Result(Next.FINISH, "said", outcome)}
    assert told(found) == (outcome, outcome is not Status.ROLLBACK_FAILED)


@pytest.mark.parametrize("stages", [list(GOES_ON)[:count] for count in range(8)])
def test_a_run_that_stopped_between_two_facts_failed_and_nobody_knows_what_it_left(stages: list[str]) -> None:
    failure = Failure("Lambda.Unknown", "killed")
    conclusion = conclude(facts(*stages), died=None, failure=failure)
    assert conclusion == Conclusion(
        Status.FAILED, "The function ended without an answer: killed.", "Lambda.Unknown", known=False
    )


def test_a_run_that_ended_without_a_word_says_so() -> None:
    conclusion = conclude({}, died=None, failure=None)
    assert (conclusion.outcome, conclusion.reason) == (Status.FAILED, "The workflow ended without a result.")


def test_an_execution_that_people_stopped_was_stopped_where_no_fact_speaks() -> None:
    assert told(facts("training"), died=Status.STOPPED) == (Status.STOPPED, False)


def test_an_execution_that_died_after_its_fact_has_the_facts_outcome() -> None:
    found = facts(training=Result(EVALUATE, "out of memory", Status.TRAINING_FAILED))
    assert told(found, died=Status.STOPPED) == (Status.TRAINING_FAILED, True)


# Going back.


def test_a_bake_that_asked_for_the_champion_and_did_not_get_it_is_a_failed_rollback() -> None:
    found = facts("promotion", bake=Result(Next.ROLL_BACK, "Alarm.", Status.ROLLED_BACK))
    conclusion = conclude(found, died=None, failure=Failure("States.Timeout", "waited"))
    assert (conclusion.outcome, conclusion.known) == (Status.ROLLBACK_FAILED, False)
    assert conclusion.reason.startswith("Alarm. The champion was not brought back.")


def test_a_run_that_died_before_the_champion_was_back_is_what_its_death_says_and_unjudged() -> None:
    found = facts("promotion", bake=Result(Next.ROLL_BACK, "Alarm.", Status.ROLLED_BACK))
    assert told(found, died=Status.STOPPED) == (Status.STOPPED, False)


def test_a_champion_that_is_back_is_the_outcome_of_the_rollback() -> None:
    found = facts(
        "promotion",
        bake=Result(Next.ROLL_BACK, "Paused.", Status.STOPPED),
        rollback=Result(Next.FINISH, "back", Status.STOPPED),
    )
    assert told(found) == (Status.STOPPED, True)


# Silence.


@pytest.mark.parametrize("stages", [(), ("slot", "training", "evaluation")])
@pytest.mark.parametrize(("asks", "wanted"), [(True, Status.APPROVAL_EXPIRED), (False, Status.FAILED)])
def test_a_workflow_that_ran_out_of_time_expired_only_while_it_asked_people(
    stages: tuple[str, ...], asks: bool, wanted: Status
) -> None:
    conclusion = conclude(facts(*stages), died=None, failure=TIMEOUT, asks=asks)
    assert (conclusion.outcome, conclusion.known) == (wanted, False)


@pytest.mark.parametrize("died", [Status.FAILED, None])
def test_what_broke_while_people_were_asked_and_is_no_end_of_time_failed(died: Status | None) -> None:
    failure = TIMEOUT if died else Failure("Lambda.Unknown", "killed")
    assert conclude({}, died=died, failure=failure, asks=True).outcome is Status.FAILED


def test_nobody_is_asked_unless_it_is_said() -> None:
    assert conclude({}, died=None, failure=TIMEOUT).outcome is Status.FAILED


def test_an_execution_that_ran_out_of_time_as_a_whole_failed() -> None:
    assert told({}, died=Status.FAILED, failure=TIMEOUT) == (Status.FAILED, False)


# What the workflow caught.


@pytest.mark.parametrize("value", [None, {}, [], "boom", 3])
def test_no_failure_is_none(value: Any) -> None:
    assert Failure.read(value) is None


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ('{"errorMessage": "It broke.", "errorType": "X"}', "It broke."),
        ('{"Cause": "137", "Error": "OOM"}', "It failed with OOM: 137."),
        ('{"FailureReason": "no capacity"}', "no capacity."),
        ('{"other": 1}', "It failed with E: The cause is data that no person reads; the execution holds it."),
        ('{"errorMessage": "It diverged.", "loss": NaN}', "It diverged."),
        ("plain", "It failed with E: plain."),
        ('{"errorMessage": "' + "x" * 2000 + '"}', f"{'x' * 573}... (1,427 more characters)."),
        ("[" * 100_000, "It failed with E: The cause is data that no person reads; the execution holds it."),
        ("", "It failed with E, and no cause is given."),
    ],
)
def test_a_cause_is_told_as_a_sentence(cause: str, sentence: str) -> None:
    failure = Failure.read({"error": "E", "cause": cause})
    assert failure is not None
    assert failure.sentence == sentence


def test_an_error_without_a_name_or_cause_is_still_one() -> None:
    failure = Failure.read({"cause": "", "error": None, "more": 1})
    assert failure is not None
    assert failure.sentence == "It failed with Unknown, and no cause is given."


def test_a_failure_says_as_much_as_was_given() -> None:
    nameless, long = Failure.read({"error": "E"}), Failure.read({"error": "E" * 300})
    assert nameless is not None
    assert long is not None
    assert nameless.sentence == "It failed with E, and no cause is given."
    assert long.error == "E" * 256


def test_facts_count_by_their_place_in_a_runs_life_and_not_by_the_order_they_are_read_in() -> None:
    found = {
        "evaluation": Result(Next.FINISH, "too weak", Status.CANDIDATE_REJECTED),
        "training": Result(EVALUATE, "trained"),
        "slot": Result(TRAIN, "slot"),
    }
    for order in itertools.permutations(found):
        assert told({stage: found[stage] for stage in order}) == (Status.CANDIDATE_REJECTED, True)


def test_only_what_ended_by_itself_without_a_better_model_says_that_retraining_does_not_help() -> None:
    assert {status for status in Status if status.fruitless} == {
        Status.CANDIDATE_REJECTED,
        Status.APPROVAL_REJECTED,
        Status.APPROVAL_EXPIRED,
        Status.TRAINING_FAILED,
        Status.TRAINING_TIMED_OUT,
        Status.ROLLED_BACK,
        Status.ROLLBACK_FAILED,
        Status.FAILED,
    }
