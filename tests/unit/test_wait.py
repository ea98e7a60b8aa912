"""Waits and their results: what is kept of them says all they say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.jobs import Job, Use
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result, Wait, WaitState, overdue, parse_wait_id, wait_id
from tests.unit.fakes import NOON

RULED = Ruling(ApprovalDecision.APPROVED, "2026-03-02T12:00:00+00:00", "ana", "Labels are in.")


def test_a_result_keeps_what_ran_for_it_and_what_people_said() -> None:
    jobs = (Job(Use.TRAINING, "train-1", (("ml.m5.large", 2),), 60.0),)
    result = Result(Next.EVALUATE, "It is trained.", ruling=RULED, jobs=jobs)
    assert Result.of(json.loads(canonical(result.as_record()))) == result


texts = st.none() | st.text(max_size=5)
rulings = st.builds(
    Ruling,
    decision=st.sampled_from(ApprovalDecision),
    decided_at=st.text(max_size=5),
    by=texts,
    comment=st.text(max_size=5),
)
outputs = st.builds(
    TrainingOutput,
    model_package_arn=texts,
    model_data_uri=texts,
    image=texts,
    environment=st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=2).map(tuple),
    evaluation_uri=texts,
    baseline_statistics_uri=texts,
    baseline_constraints_uri=texts,
)
jobs = st.builds(
    Job,
    use=st.sampled_from(Use),
    name=st.just("job"),
    instances=st.just((("ml.m5.large", 2),)),
    seconds=st.floats(0, 9),
    spot=st.booleans(),
    unknown=st.none() | st.just("Why."),
)
results = st.builds(
    Result,
    next=st.sampled_from(Next),
    reason=st.text(max_size=5),
    outcome=st.none() | st.sampled_from(Status),
    output=st.none() | outputs,
    ruling=st.none() | rulings,
    again=st.booleans(),
    withdrawn=st.booleans(),
    jobs=st.lists(jobs, max_size=2).map(tuple),
)


@given(results)
def test_a_result_comes_back_from_what_is_kept_of_it(result: Result) -> None:
    assert Result.of(json.loads(canonical(result.as_record()))) == result


def test_the_environment_of_what_was_trained_comes_back_as_the_pairs_it_was() -> None:
    result = Result(Next.EVALUATE, "Over.", output=TrainingOutput(environment=(("A", "1"), ("B", ""))))
    assert Result.of(json.loads(canonical(result.as_record()))) == result


@pytest.mark.parametrize("word", ["again", "withdrawn"])
def test_a_record_says_only_what_the_result_says(word: str) -> None:
    quiet = {"next": "record", "reason": "Over.", "outcome": None}
    assert Result(Next.RECORD, "Over.").as_record() == quiet
    assert Result.of({**quiet, word: True}).as_record() == {**quiet, word: True}


def test_a_ruling_without_a_comment_has_an_empty_one() -> None:
    kept = {"next": "record", "reason": "Over.", "outcome": None, "decision": "EXPIRED", "decided_at": "t"}
    assert Result.of({**kept, "comment": None}).ruling == Ruling(ApprovalDecision.EXPIRED, "t")


PARKED = Wait(
    kind=WaitKind.TRAINING,
    subject="",
    run_id="run-1",
    model="churn",
    token="now",
    execution_arn="arn",
    parked_at=NOON.isoformat(),
    deadline=NOON.isoformat(),
    next_step_at=NOON.isoformat(),
)


def test_of_a_new_wait_nobody_was_reminded() -> None:
    assert (PARKED.step, PARKED.state, PARKED.result) == (0, WaitState.PARKED, None)


@pytest.mark.parametrize(
    ("token", "before", "tokens"),
    [("now", None, ("now",)), ("now", "before", ("now", "before")), (None, "before", ("before",)), (None, None, ())],
)
def test_the_tokens_to_be_answered_are_those_there_are(
    token: str | None, before: str | None, tokens: tuple[str, ...]
) -> None:
    assert replace(PARKED, token=token, token_before=before).tokens == tokens


@pytest.mark.parametrize(
    ("state", "token", "answered"),
    [
        (WaitState.PARKED, "now", False),
        (WaitState.PARKED, None, False),
        (WaitState.RESOLVED, "now", False),
        (WaitState.RESOLVED, None, True),
    ],
)
def test_a_wait_is_answered_when_its_result_is_fixed_and_its_token_gone(
    state: WaitState, token: str | None, *, answered: bool
) -> None:
    assert replace(PARKED, state=state, token=token).answered is answered


@pytest.mark.parametrize(
    ("kind", "subject"), [(WaitKind.TRAINING, ""), (WaitKind.APPROVAL, "promotion"), (WaitKind.APPROVAL, "a:b")]
)
def test_an_id_names_run_kind_and_subject(kind: WaitKind, subject: str) -> None:
    assert parse_wait_id(wait_id("run-1", kind, subject)) == ("run-1", kind, subject)


def test_a_wait_is_overdue_from_its_hours_on_and_without_any_never() -> None:
    assert not overdue(PARKED, 2, NOON + timedelta(hours=2, microseconds=-1))
    assert overdue(PARKED, 2, NOON + timedelta(hours=2))
    assert not overdue(PARKED, None, NOON + timedelta(days=365))


def test_what_aws_took_later_has_its_hours_from_then_on() -> None:
    taken = replace(PARKED, data={"accepted_at": (NOON + timedelta(hours=5)).isoformat()})
    assert not overdue(taken, 2, NOON + timedelta(hours=7, microseconds=-1))
    assert overdue(taken, 2, NOON + timedelta(hours=7))
