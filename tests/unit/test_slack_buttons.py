"""Buttons in Slack: which a message has, what they carry, what a press does, and what the channel is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import EXECUTION_NAME
from orchestration.domain.notification import Message
from orchestration.domain.slack_buttons import Button, Press, carries, press_of
from orchestration.domain.votes import CHANNEL, Via
from orchestration.domain.wait import Wait
from orchestration.settings import ApprovalAccess
from orchestration.slack_handler import answer
from orchestration.steps.approval_links import buttons
from orchestration.steps.approvals import ladder_due
from orchestration.steps.telling import message_told
from tests.unit import stories
from tests.unit.fakes import World
from tests.unit.stories import do, next_of

ASKS: dict[str, Any] = {"actions": {"warning": "approve", "critical": "approve"}}
ALWAYS = {"training": "always", "channel": "always"}
NONCE = "n".ljust(43, "_")
STACK = "--stack retraining --region us-east-1"


@pytest.fixture
def slack(new_world: Callable[..., World]) -> World:
    """A stack with buttons."""
    return new_world(slack_approvals=True)


def asked(world: World, *, approval: dict[str, Any] = ALWAYS, **changes: Any) -> Message:
    """A run asks people about its training; gives the question."""
    stories.decided(world, approval=approval, **ASKS, **changes)
    do(world, "park", kind="approval", subject="training", token="token")
    (message,) = world.told("TRAINING_APPROVAL_REQUESTED")
    return message


def chat(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(message.chat())
    return body


def carried(message: Message) -> dict[str, str]:
    found: dict[str, str] = chat(message)["metadata"]["additionalContext"]
    return found


def press(world: World, button: str, message: Message) -> str:
    """Somebody in the channel presses a button that a message may or may not have."""
    return answer({button: carried(message)["explain"]}, world.ports)


def wait_of(world: World) -> Wait:
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "training")
    assert wait is not None
    return wait


class TestWhatAMessageHas:
    def test_a_question_carries_its_run_and_a_secret_of_its_own_for_each_button(self, slack: World) -> None:
        message = asked(slack)
        body = chat(message)
        nonce = "nonce-0".ljust(43, "A")

        assert body["metadata"]["additionalContext"] == dict.fromkeys(
            ("explain", "reject", "approve"), f"run-1.{nonce}"
        )
        assert body["metadata"]["enableCustomActions"] is True
        assert len(body["id"]) == 32
        assert nonce not in message.text()
        assert nonce not in json.dumps(wait_of(slack).data)

    def test_a_reminder_is_another_message_with_another_secret_and_both_work(self, slack: World) -> None:
        first = asked(slack)
        slack.clock.forward(hours=5)
        do(slack, "sweep")
        (reminder,) = slack.told("APPROVAL_REMINDED")

        assert chat(first)["id"] != chat(reminder)["id"]
        assert carried(first)["approve"] != carried(reminder)["approve"]
        assert "Approved by Slack channel" in press(slack, "approve", reminder)
        assert "was decided before: Approved by Slack channel" in press(slack, "approve", first)

    def test_a_message_that_is_sent_twice_has_one_id(self, slack: World) -> None:
        first = asked(slack)
        again = replace(first, extra=buttons(slack.ports, wait_of(slack)))

        assert carried(again) != carried(first)
        assert chat(again)["id"] == chat(first)["id"]

    @pytest.mark.parametrize(
        ("approval", "changes", "has"),
        [
            ({"training": "always"}, {}, {"explain", "reject"}),
            ({"training": "always", "channel": "never"}, {}, {"explain", "reject"}),
            ({**ALWAYS, "approvals_needed": 2}, {}, {"explain", "reject"}),
            ({"training": "always"}, {"voters": ["ana"]}, {"explain"}),
            ({"training": "always"}, {"severity": {"critical": 50}}, {"explain", "reject", "approve"}),
        ],
    )
    def test_a_button_whose_press_could_not_count_is_not_there_and_does_not_count(
        self, approval: dict[str, Any], changes: dict[str, Any], has: set[str], slack: World
    ) -> None:
        message = asked(slack, approval=approval, **changes)

        assert set(carried(message)) == has
        said = press(slack, "approve", message)
        assert ("Approved by" in said) is ("approve" in has)
        if "approve" not in has:
            assert "To approve: retraining approve run-1 --comment " in said
            assert wait_of(slack).data["votes"] == []
            rejected = press(slack, "reject", message)
            assert ("Rejected by Slack channel" in rejected) is ("reject" in has)

    @pytest.mark.parametrize("settings", [{}, {"approval_access": ApprovalAccess.LINK}])
    def test_without_the_parameter_no_message_has_any(
        self, settings: dict[str, Any], new_world: Callable[..., World]
    ) -> None:
        body = chat(asked(new_world(**settings)))

        assert set(body) == {"version", "source", "content", "metadata"}
        assert set(body["metadata"]) == {"threadId", "summary"}

    def test_no_other_message_has_any_and_none_is_kept_where_people_read(self, slack: World) -> None:
        message = asked(slack)
        assert [each.status for each in slack.channels.messages if each.extra] == [message.status]
        press(slack, "approve", message)
        assert [each.status for each in slack.channels.messages if each.extra] == [message.status]
        kept = message_told(message, slack.clock())
        assert kept.kind is DueKind.TELL
        assert "nonce-" not in json.dumps([item.data for item in slack.due(DueKind.TELL)])

    def test_a_message_about_what_is_decided_has_none(self, slack: World) -> None:
        asked(slack)
        open_ = wait_of(slack)
        stories.approve(slack)
        assert buttons(slack.ports, open_) == {}

    @pytest.mark.threat("button-forged")
    @pytest.mark.parametrize(
        ("name", "may"),
        [("run-1", True), ("again.after.fix_2", True), ("it's", False), ("größe", False), ("a(b)", False)],
    )
    def test_a_run_whose_name_could_mean_something_in_a_command_has_none(
        self, name: str, may: bool, slack: World
    ) -> None:
        asked(slack)
        wait = replace(wait_of(slack), run_id=name)
        slack.table.park(wait, ladder_due(wait, slack.clock()))
        assert EXECUTION_NAME.fullmatch(name), "or nobody could start it"
        assert carries(name) is may
        assert bool(buttons(slack.ports, wait)) is may

    def test_a_link_of_a_message_is_no_button_and_a_button_no_link(self, new_world: Callable[..., World]) -> None:
        world = new_world(slack_approvals=True, approval_access=ApprovalAccess.LINK)
        message = asked(world)
        link = message.text().split("nonce=")[1][:43]

        assert link != carried(message)["approve"][-43:]
        assert "not valid" in answer({"approve": f"run-1.{link}"}, world.ports)
        assert wait_of(world).data["votes"] == []


class TestAPress:
    def test_an_approval_is_recorded_as_the_channels_and_the_run_goes_on(self, slack: World) -> None:
        said = press(slack, "approve", asked(slack))

        (vote,) = wait_of(slack).data["votes"]
        assert (vote["answer"], vote["by"], vote["via"], vote["arn"]) == ("APPROVED", CHANNEL, Via.CHANNEL, "")
        assert next_of(slack, "token") == "train"
        assert said == (
            "The training of fraud, run run-1. Approved by Slack channel. The run goes on: it takes a training slot and "
            f"trains. What happens: retraining history --run run-1 {STACK}"
        )

    def test_a_rejection_ends_the_run(self, slack: World) -> None:
        said = press(slack, "reject", asked(slack))

        assert next_of(slack, "token") == "record"
        assert "Rejected by Slack channel. The run ends APPROVAL" in said

    @pytest.mark.parametrize("second", ["approve", "reject"])
    def test_a_second_press_says_what_was_decided_and_changes_nothing(self, second: str, slack: World) -> None:
        message = asked(slack)
        press(slack, "approve", message)
        before, told = wait_of(slack), len(slack.channels.messages)

        assert "The training was decided before: Approved by Slack channel." in press(slack, second, message)
        assert wait_of(slack) == before
        assert len(slack.channels.messages) == told

    @pytest.mark.threat("button-forged")
    def test_what_the_message_showed_is_decided_or_nothing(self, slack: World) -> None:
        message = asked(slack)
        slack.put("manifests/fraud/run-1.json", {"another": "plan"})

        assert "The manifest of run run-1 is not the one that was asked about" in press(slack, "approve", message)
        assert wait_of(slack).data["votes"] == []

    def test_a_button_of_an_earlier_question_answers_no_later_one_of_the_run(self, slack: World) -> None:
        stories.asked(slack, approval={"training": "never", "promotion": "always", "channel": "always"})
        wait = slack.table.wait("run-1", WaitKind.APPROVAL, "promotion")
        assert wait is not None
        (message,) = slack.told("PROMOTION_APPROVAL_REQUESTED")
        later = replace(wait, subject="bake", token="later")
        assert slack.table.park(later, ladder_due(later, slack.clock())) is None

        assert "The promotion of fraud, run run-1. Approved by Slack channel." in press(slack, "approve", message)
        assert "The promotion was decided before" in press(slack, "reject", message)
        other = slack.table.wait("run-1", WaitKind.APPROVAL, "bake")
        assert other is not None
        assert not other.resolved
        assert other.data["votes"] == []

    @pytest.mark.threat("button-forged")
    def test_a_secret_is_of_its_run(self, slack: World) -> None:
        secret = carried(asked(slack))["approve"][-43:]
        assert "not valid" in answer({"approve": f"run-9.{secret}"}, slack.ports)

    def test_a_pause_keeps_approvals_out_and_says_how_it_ends(self, slack: World) -> None:
        message = asked(slack)
        do(slack, "pause", scope="model:fraud", reason="Migration.")

        said = press(slack, "approve", message)
        assert "Paused" in said
        assert f"retraining resume --scope model:fraud {STACK}" in said
        assert "Reject works" in press(slack, "explain", message)
        assert wait_of(slack).data["votes"] == []

    def test_after_the_deadline_a_press_says_that_it_is_over(self, slack: World) -> None:
        message = asked(slack)
        slack.clock.forward(hours=30)
        for button in ("approve", "explain"):
            assert "expired" in press(slack, button, message)
        do(slack, "sweep")
        assert "expired" in press(slack, "approve", message)

    def test_who_asked_for_the_run_does_not_approve_it_unnamed(self, slack: World) -> None:
        message = asked(slack)
        wait = wait_of(slack)
        assert slack.table.change_wait(wait, replace(wait, data={**wait.data, "requested": True}))
        assert "this approval takes names" in press(slack, "approve", message)
        assert wait_of(slack).data["votes"] == []

    def test_a_press_that_meets_rivals_says_to_press_again(self, slack: World, monkeypatch: pytest.MonkeyPatch) -> None:
        message = asked(slack)
        monkeypatch.setattr(slack.table, "change_wait", lambda *_: False)
        assert press(slack, "approve", message).endswith("nothing was changed. Try again. Press the button again.")

    def test_a_failure_shows_nothing_of_the_request(self, slack: World, caplog: pytest.LogCaptureFixture) -> None:
        message = asked(slack)
        broken = replace(slack.ports, table=None)  # type: ignore[arg-type] # it stands for any fault
        with pytest.raises(OrchestrationError, match="Press it again") as failed:
            answer({"approve": carried(message)["approve"]}, broken)
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__
        assert "SlackPressFailed" in caplog.text
        assert "nonce-0" not in caplog.text


class TestExplain:
    def test_it_says_what_is_asked_how_it_stands_and_what_the_buttons_do_and_changes_nothing(
        self, slack: World
    ) -> None:
        message = asked(slack)
        before = wait_of(slack)
        said = press(slack, "explain", message)

        assert said.startswith("The training of fraud, run run-1. ")
        assert "Severity critical. 0 of 1 approvals are given. 1 d 0 h are left, until " in said
        assert "Approve and Reject decide at once. It is recorded that somebody in this channel did, not who." in said
        assert said.endswith(f"All of it: retraining explain run-1 {STACK}")
        assert wait_of(slack) == before

    def test_where_the_channel_does_not_count_it_says_why_and_who_does(self, slack: World) -> None:
        said = press(slack, "explain", asked(slack, approval={"training": "always"}))
        assert "the policy takes none of the channel's at severity critical: approve from a terminal" in said
        assert "To reject: retraining reject run-1 --comment " in said

    def test_of_a_run_that_ended_and_of_a_plan_that_changed_it_says_that_nobody_can_approve(self, slack: World) -> None:
        message = asked(slack)
        manifest = slack.bucket.read(slack.bucket.uri("manifests/fraud/run-1.json")).body
        slack.put("manifests/fraud/run-1.json", {})
        said = press(slack, "explain", message)
        assert "The manifest of run run-1 is not the one that was asked about" in said
        assert "Reject the run" in said
        assert "decide at once" not in said
        slack.put("manifests/fraud/run-1.json", manifest)
        assert "decide at once" in press(slack, "explain", message)
        run = slack.table.run("run-1")
        assert run is not None
        slack.table.close_run(replace(run, outcome="STOPPED"), [])
        assert "Run run-1 is over (STOPPED); there is nothing left to decide." in press(slack, "explain", message)

    def test_of_what_is_decided_it_says_how(self, slack: World) -> None:
        message = asked(slack)
        stories.approve(slack)
        assert "It was decided: Approved by arn" in press(slack, "explain", message)

    @pytest.mark.threat("button-forged")
    def test_without_a_secret_it_shows_nothing(self, slack: World) -> None:
        asked(slack)
        assert answer({"explain": f"run-1.{NONCE}"}, slack.ports) == (
            "This button is not valid. Nothing was decided. Use the newest message about the run."
        )

    def test_what_others_wrote_is_one_line_of_text_and_not_too_long(self, slack: World) -> None:
        message = asked(slack)
        wait = wait_of(slack)
        why = "<!channel> *bold* https://evil.com\n> quote " + "&x" * 9000
        assert slack.table.change_wait(wait, replace(wait, data={**wait.data, "why": why}))
        said = press(slack, "explain", message)
        assert len(said) <= 1200
        for mark in ("<!", "*bold", "https://", "\n"):
            assert mark not in said
        assert said.endswith(STACK), "how to go on is not what is cut"


class TestWhatARequestAsks:
    @pytest.mark.parametrize("button", list(Button))
    def test_one_button_with_what_it_carries(self, button: Button) -> None:
        assert press_of({str(button): f"a.b-1.{NONCE}"}) == Press(button, "a.b-1", NONCE)

    @pytest.mark.parametrize(
        "request_",
        [
            None,
            [],
            "approve",
            {},
            {"approve": None},
            {"approve": NONCE},
            {"approve": f".{NONCE}"},
            {"approve": f"run-1.{NONCE}x"},
            {"approve": f"run-1.{NONCE[1:]}"},
            {"approve": f"run-1.{NONCE}\n"},
            {"approve": f'r"un.{NONCE}'},
            {"approve": f"{'r' * 81}.{NONCE}"},
            {"approve": {"run": "run-1"}},
            {"approve": "$id"},
            {"decide": f"run-1.{NONCE}"},
            {"action": "decide", "run_id": "run-1", "decision": "APPROVED"},
            {"approve": f"run-1.{NONCE}", "reject": f"run-1.{NONCE}"},
        ],
    )
    def test_anything_else_is_no_press_and_reads_nothing(self, request_: Any, world: World) -> None:
        world.outside.calls.clear()
        assert press_of(request_) is None
        assert "Nothing was decided" in answer(request_, world.ports)
        assert world.outside.calls == []

    @given(st.from_regex(EXECUTION_NAME, fullmatch=True), st.sampled_from(Button))
    def test_what_a_button_carries_is_read_back_or_not_carried(self, run_id: str, button: Button) -> None:
        asked_ = press_of({str(button): f"{run_id}.{NONCE}"})
        assert asked_ == (Press(button, run_id, NONCE) if carries(run_id) else None)
