"""The command that asks AWS: what it says before it asks, what it keeps, what its page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from ops import cli, verify_aws
from ops.aws_questions import QUESTIONS
from ops.aws_questions.account import State
from ops.aws_questions.cost import COSTS, LONGEST_HOURS, total
from ops.aws_questions.events import key_policy, retried_names
from ops.aws_questions.page import Results, questions_table, state_sentence
from ops.creditcard_world import REGISTRIES, image_of
from ops.stack import OperatorError
from orchestration.domain.aws_images import is_aws_registry
from tests.contract.template import ROOT

HELD = {"holds": True, "saw": "It did.", "on": "2026-11-26", "region": "eu-west-1"}


def test_a_question_has_a_name_of_its_own_a_page_of_aws_and_a_file_or_guarantee_that_stands_on_it() -> None:
    names = [each.name for each in QUESTIONS]

    assert len(set(names)) == len(names)
    for each in QUESTIONS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", each.name)
        assert re.fullmatch(r"https://docs\.aws\.amazon\.com/[\w/.-]+\.html", each.document)
        assert all((each.asks.endswith("."), each.open, each.built_on))


@pytest.mark.parametrize("each", QUESTIONS, ids=lambda each: each.name)
def test_every_file_a_question_names_is_there(each: object) -> None:
    named = re.findall(r"(?:docs|src|ops)/[\w./-]+\.(?:md|py)", str(each))

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_sum_is_a_few_dollars_and_made_of_its_rows() -> None:
    assert total() == pytest.approx(sum(cost.amount * cost.price for cost in COSTS))
    assert 0 < total() < 5
    assert LONGEST_HOURS <= 2


def test_only_takes_names_of_questions_and_says_which_there_are() -> None:
    assert verify_aws.chosen("") == QUESTIONS
    assert [each.name for each in verify_aws.chosen("record-lock, redrive")] == ["redrive", "record-lock"]
    with pytest.raises(OperatorError, match=r"redrives\. There are: .*redrive"):
        verify_aws.chosen("redrives")


def test_nobody_is_asked_to_sign_in_where_aws_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreached(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com/")

    session = SimpleNamespace(region_name="eu-west-1", client=lambda _: SimpleNamespace(get_caller_identity=unreached))
    monkeypatch.setattr("ops.invocation.session_in", lambda *_: session)
    assert cli.main(["verify-aws", "--yes"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("AWS was not reached: ")
    assert "Sign in" not in said


def test_what_a_run_made_and_saw_is_there_when_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    state = State.at(path, run="verify-aws-1", today="2026-11-26")
    state.made.append(("queue", "verify-aws-1-q"))
    state.seen["probe"] = {"name": "p"}
    state.answers["redrive"] = HELD
    state.keep()

    assert State.at(path, run="another", today="2026-12-01") == state
    state.forget()
    assert State.at(path, run="another", today="2026-12-01").run == "another"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"run": "r", "began": "d", "made": 3, "seen": {}, "answers": {}}']
)
def test_a_file_that_is_no_state_is_named_and_not_overwritten(content: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)

    with pytest.raises(OperatorError, match=r"state\.json is no state"):
        State.at(path, run="r", today="d")


def test_the_page_says_first_that_nobody_ran_it_and_then_what_came_out() -> None:
    first, second = QUESTIONS[0].name, QUESTIONS[1].name
    results = Results({first: HELD, second: {**HELD, "holds": False, "saw": "It | did not."}})

    assert state_sentence(None).startswith("Nobody ran `retraining verify-aws` yet")
    assert questions_table(None).count("| open |") == len(QUESTIONS)
    assert f"Of {len(QUESTIONS)} questions 1 hold and 1 do not, as seen in eu-west-1 on 2026-11-26" in state_sentence(
        results
    )
    assert "| holds (eu-west-1, 2026-11-26): It did. |" in questions_table(results)
    assert r"| does not hold (eu-west-1, 2026-11-26): It \| did not. |" in questions_table(results)


def test_results_are_kept_without_the_account(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    Results({"redrive": HELD}).keep(path)

    assert Results.kept(path) == Results({"redrive": HELD})
    assert "account" not in path.read_text()
    assert Results.kept(tmp_path / "none.json") is None


def test_an_aws_that_is_not_reached_ends_with_three_before_anything_is_said_to_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_aws, "FOLDER", tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    assert cli.main(["verify-aws", "--region", "eu-west-1", "--yes"]) == 3
    assert "AWS was not reached" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_container_of_every_region_lies_in_a_registry_that_policies_may_name() -> None:
    for region in REGISTRIES:
        assert is_aws_registry(str(image_of(region)).partition("/")[0])
    assert image_of("xx-nowhere-1") is None


def test_what_the_checks_take_from_the_project_is_found() -> None:
    assert {"Sandbox.Timedout", "Lambda.Unknown"} <= retried_names()
    assert "RulesSendToTheDeadLetterQueue" in key_policy()
