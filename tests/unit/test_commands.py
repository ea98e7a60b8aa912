import shlex

import pytest

from orchestration.domain.commands import WRITTEN, Place

HERE = Place("retraining", "eu-west-1")


def test_a_command_ends_in_the_stack_and_region_it_is_about() -> None:
    assert HERE.command("resume", scope="model:fraud") == (
        "retraining resume --scope model:fraud --stack retraining --region eu-west-1"
    )


def test_what_a_person_wrote_stays_one_word_of_the_shell() -> None:
    reason = "it's $(late); rm -rf /"
    line = HERE.command("reject", "run 1", comment=reason)
    assert shlex.split(line)[:5] == ["retraining", "reject", "run 1", "--comment", reason]


def test_an_option_without_a_value_is_a_flag_or_nothing() -> None:
    line = HERE.command("retrain", model="fraud", force=True, to=None, dead_letters=False)
    assert line == "retraining retrain --model fraud --force --stack retraining --region eu-west-1"


def test_the_words_of_an_option_are_joined_by_dashes() -> None:
    line = HERE.command("replay", dead_letters=True)
    assert line == "retraining replay --dead-letters --stack retraining --region eu-west-1"


def test_a_profile_is_named_where_one_was_given() -> None:
    assert Place("a", "b", "prod").command("status") == "retraining status --stack a --region b --profile prod"


def test_an_argument_with_a_dash_before_it_is_no_option() -> None:
    assert HERE.command("explain", "-7") == "retraining explain --stack retraining --region eu-west-1 -- -7"


@pytest.mark.parametrize("profile", ["prod", "my profile", "team/prod.eu"])
@pytest.mark.parametrize("behind", ["", ".", ", or wait", "), or wait"])
def test_a_command_in_a_sentence_ends_where_its_profile_does(profile: str, behind: str) -> None:
    line = Place("a", "eu-west-1", profile).command("status")
    found = WRITTEN.search(f"Wait for them ({line}{behind}")
    assert found is not None
    assert found.group() == line
