"""Results of waits: what is kept of them says all they say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Next, Status
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result

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
results = st.builds(
    Result,
    next=st.sampled_from(Next),
    reason=st.text(max_size=5),
    outcome=st.none() | st.sampled_from(Status),
    output=st.none() | outputs,
    ruling=st.none() | rulings,
    again=st.booleans(),
    unsettled=st.booleans(),
    withdrawn=st.booleans(),
)


@given(results)
def test_a_result_comes_back_from_what_is_kept_of_it(result: Result) -> None:
    assert Result.of(json.loads(canonical(result.as_record()))) == result


@pytest.mark.parametrize("word", ["again", "unsettled", "withdrawn"])
def test_a_record_says_only_what_the_result_says(word: str) -> None:
    quiet = {"next": "record", "reason": "Over.", "outcome": None}
    assert Result(Next.RECORD, "Over.").as_record() == quiet
    assert Result.of({**quiet, word: True}).as_record() == {**quiet, word: True}


def test_a_ruling_without_a_comment_has_an_empty_one() -> None:
    kept = {"next": "record", "reason": "Over.", "outcome": None, "decision": "EXPIRED", "decided_at": "t"}
    assert Result.of({**kept, "comment": None}).ruling == Ruling(ApprovalDecision.EXPIRED, "t")
