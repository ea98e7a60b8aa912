"""What each status says of its run: an end or none, worth another try or not, and whether people have to act."""

from __future__ import annotations

from orchestration.domain.contracts import OUTCOMES, RUN_TAG, Status

CUT_SHORT = {Status.STOPPED, Status.SUPERSEDED, Status.NO_CAPACITY}
GOOD = {Status.PROMOTED, Status.TRAINED}


def test_people_have_to_act_on_what_the_loop_could_not_keep_by_itself() -> None:
    assert {status for status in Status if status.escalates} == {
        Status.STOPPED,
        Status.TRAINING_FAILED,
        Status.TRAINING_TIMED_OUT,
        Status.NO_CAPACITY,
        Status.ROLLED_BACK,
        Status.ROLLBACK_FAILED,
        Status.FAILED,
    }


def test_an_end_is_fruitful_or_fruitless_unless_the_run_was_cut_short() -> None:
    assert {status for status in Status if status.final} == OUTCOMES
    assert {status for status in Status if status.fruitful} == GOOD
    assert {status for status in Status if status.fruitless} == OUTCOMES - GOOD - CUT_SHORT


def test_what_a_run_creates_is_tagged_as_the_roles_of_the_template_ask() -> None:
    assert RUN_TAG == "retraining:run"
