"""People are asked: they approve, reject, stay silent, come twice, come late, come with somebody else's link."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from local.embedded_aws import wait_until
from ops.stack_deployment import DeploymentError
from ops.subscriptions import unheard
from orchestration.approval_handler import answer
from orchestration.domain.wait import WaitState
from orchestration.steps.approvals import climb
from orchestration.steps.due_work import work_off
from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.reviewer import ASKS, FORM, Reviewer, url_event
from tests.stack.slack import Channel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE: Final = {"width": 360, "height": 740}
PAIR: dict[str, Any] = {
    "actions": {"critical": "approve"},
    "approval": {"training": "always", "approvals_needed": 2},
}
ADA, GRACE = "arn:aws:iam::000000000000:user/ada", "arn:aws:iam::000000000000:user/grace"


@pytest.fixture
def terminal(loop: Loop) -> Reviewer:
    """A reviewer with a terminal, in a stack whose page wants signed requests."""
    return Reviewer(loop)


@pytest.fixture
def linked(link_loop: Loop) -> Reviewer:
    """A reviewer who gets links."""
    return Reviewer(link_loop)


@pytest.fixture(scope="module")
def waiting(loop: Loop) -> tuple[str, str]:
    """A run that waits for its approval, for the stories in which nobody decides: model and run."""
    model = loop.model(**ASKS)
    return model, Reviewer(loop).asked(model)[1]


@pytest.fixture(scope="module")
def waiting_by_link(link_loop: Loop) -> tuple[str, str, str]:
    """The same with its link: model, run and nonce."""
    model = link_loop.model(**ASKS)
    return model, *Reviewer(link_loop).asked_by_link(model)[1:]


class TestFromATerminal:
    def test_an_approved_run_trains_and_leaves_who_when_how_and_why(
        self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = terminal.loop.model(**ASKS)
        arn, run_id = terminal.asked(model)

        status, printed = terminal.terminal(monkeypatch, "approve", run_id, "--comment", "seen with the team")

        assert status == 0, printed
        assert "Approved by arn:aws:" in " ".join(printed.split())
        ended = terminal.loop.ended(arn)
        assert ended.output["outcome"] == "PROMOTED"
        statuses = terminal.loop.statuses(run_id)
        assert statuses[:3] == ["RETRAINING_DECIDED", "TRAINING_APPROVAL_REQUESTED", "TRAINING_APPROVED"]
        evidence = terminal.evidence(model, run_id)
        (vote,) = evidence["votes"]
        assert (evidence["decision"], vote["via"], vote["comment"]) == ("APPROVED", "terminal", "seen with the team")
        assert vote["by"].startswith("arn:aws:")
        assert evidence["decided_at"] == vote["at"]
        manifest = terminal.loop.aws.client("s3").get_object(
            Bucket=terminal.loop.bucket, Key=f"manifests/{model}/{run_id}.json"
        )["Body"]
        assert evidence["manifest_sha256"] == _sha256(manifest.read())
        item = terminal.wait_item(run_id)
        assert item is not None
        assert "token" not in item

    def test_a_rejected_run_trains_nothing_and_is_told_so(
        self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = terminal.loop.model(**ASKS)
        arn, run_id = terminal.asked(model)

        assert terminal.terminal(monkeypatch, "reject", run_id, "--comment", "labels are late")[0] == 0

        ended = terminal.loop.ended(arn)
        assert (ended.status, ended.output["outcome"]) == ("SUCCEEDED", "APPROVAL_REJECTED")
        assert "labels are late" in ended.output["reason"]
        assert "TRAINING_STARTED" not in terminal.loop.statuses(run_id)
        assert terminal.evidence(model, run_id)["decision"] == "REJECTED"
        (vote,) = terminal.loop.report(model, run_id)["votes"]
        assert (vote["decision"], vote["comment"]) == ("REJECTED", "labels are late")

    def test_deciding_twice_changes_nothing_and_says_what_was_decided(
        self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = terminal.loop.model(**ASKS)
        arn, run_id = terminal.asked(model)
        terminal.claim(run_id, "APPROVED", ADA)
        terminal.loop.ended(arn)

        status, printed = terminal.terminal(monkeypatch, "reject", run_id)

        assert status == 1
        assert f"decided before: Approved by {ADA}" in " ".join(printed.split())
        assert terminal.evidence(model, run_id)["decision"] == "APPROVED"

    def test_a_run_nobody_knows_and_a_stack_nobody_knows_are_told_apart(
        self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        status, printed = terminal.terminal(monkeypatch, "approve", "no-such-run")
        assert (status, "No approval was asked" in printed) == (1, True)

        status, printed = terminal.terminal(monkeypatch, "approve", "x", stack="elsewhere")
        assert (status, "Stack elsewhere was not found" in printed) == (3, True)

        assert terminal.terminal(monkeypatch, "approve", "")[0] == 2

    def test_a_malformed_invocation_is_an_error_and_decides_nothing(
        self, terminal: Reviewer, waiting: tuple[str, str]
    ) -> None:
        _, run_id = waiting
        for request in (
            {"decision": "MAYBE"},
            {"subject": "slot"},
            {"comment": "x" * 1001},
            {"comment": "<why>"},
        ):
            told = terminal.claim(**{"run_id": run_id, "decision": "APPROVED", "by": ADA, **request})
            assert told["errorType"] == "InvalidRequestError", request
        item = terminal.wait_item(run_id)
        assert item is not None
        assert item["state"]["S"] == "PARKED"


class TestTwoPeople:
    def test_two_different_people_decide_and_the_same_one_twice_does_not(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(**PAIR)
        arn, run_id = terminal.asked(model)

        assert terminal.claim(run_id, "APPROVED", ADA)["code"] == "COUNTED"
        assert terminal.claim(run_id, "APPROVED", ADA)["code"] == "COUNTED_BEFORE"
        assert "TRAINING_APPROVED" not in terminal.loop.statuses(run_id)
        assert terminal.claim(run_id, "APPROVED", GRACE)["code"] == "DECIDED"

        assert terminal.loop.ended(arn).output["outcome"] == "PROMOTED"
        assert [vote["by"] for vote in terminal.evidence(model, run_id)["votes"]] == [ADA, GRACE]

    def test_no_vote_is_lost_when_two_people_approve_at_the_same_moment(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(**PAIR)
        arn, run_id = terminal.asked(model)

        with ThreadPoolExecutor(2) as pool:
            codes = sorted(
                told["code"] for told in pool.map(lambda by: terminal.claim(run_id, "APPROVED", by), (ADA, GRACE))
            )

        assert codes == ["COUNTED", "DECIDED"]
        assert terminal.loop.ended(arn).output["outcome"] == "PROMOTED"

    def test_one_rejection_is_enough_after_an_approval_also_a_deputys_once_it_is_time_to_escalate(
        self, terminal: Reviewer
    ) -> None:
        at_once = {"remind_hours": 1e-6, "escalate_hours": 1e-6, "deputies": [GRACE]}
        model = terminal.loop.model(**PAIR | {"voters": [ADA], "approval": PAIR["approval"] | at_once})
        arn, run_id = terminal.asked(model)
        terminal.claim(run_id, "APPROVED", ADA)

        assert terminal.claim(run_id, "REJECTED", GRACE)["code"] == "DECIDED"

        assert terminal.loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"
        votes = terminal.evidence(model, run_id)["votes"]
        assert [(vote["by"], vote.get("deputy")) for vote in votes] == [(ADA, None), (GRACE, True)]

    def test_a_link_shows_and_rejects_and_two_people_approve_from_terminals(self, linked: Reviewer) -> None:
        model = linked.loop.model(**PAIR)
        unread = unheard(lambda: linked.loop.aws.client("sns"), {"ApprovalAccess": "LINK"}, linked.loop.outputs)
        assert [sentence.partition(" (arn:")[0].rpartition(" ")[2] for sentence in unread][-1:] == ["EscalationTopic"]
        arn, run_id, nonce = linked.asked_by_link(model)
        page = linked.get(run_id, nonce).body
        assert "A link does not say who you are" in page
        assert ("REJECTED" in page, "APPROVED" in page) == (True, False)

        refused = linked.post(run_id, "APPROVED", nonce)
        assert (refused.status, "takes names" in refused.body) == (403, True)
        assert [linked.claim(run_id, "APPROVED", by)["code"] for by in (ADA, GRACE)] == ["COUNTED", "DECIDED"]

        assert linked.loop.ended(arn).output["outcome"] == "PROMOTED"
        assert [vote["by"] for vote in linked.evidence(model, run_id)["votes"]] == [ADA, GRACE]


class TestSilence:
    def test_a_silent_approver_is_reminded_then_escalated_and_then_the_answer_is_no(
        self, linked: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outputs = linked.loop.outputs
        model = linked.loop.model(
            actions={"critical": "approve"},
            approval={"training": "always", "remind_hours": 4, "escalate_hours": 8, "expire_hours": 24},
        )
        arn, run_id, first = linked.asked_by_link(model)

        def look(hours: float) -> str | None:
            """The step that is taken at that hour."""
            ports = linked.ports(monkeypatch, hours=hours)
            before = linked.approval(ports, run_id).data["ladder"]["taken"]
            work_off(ports, linked.step(ports, run_id), climb)
            taken = linked.approval(ports, run_id).data["ladder"]["taken"][len(before) :]
            return str(taken[0]["step"]) if taken else None

        with linked.loop.listening(outputs["OperationsTopicArn"]) as heard:
            assert [look(1), look(4.1), look(4.2)] == [None, "remind", None]
            reminder = heard(1)[0]
            second = linked.nonce_of(heard, run_id)
        assert second != first
        assert "19 h" in reminder["Message"]
        with linked.loop.listening(outputs["EscalationTopicArn"]) as heard:
            assert [look(8.1), look(23.9)] == ["escalate", None]
            assert 'section "Approval undecided"' in heard(1)[0]["Message"]
        assert linked.get(run_id, first).status == linked.get(run_id, second).status == 200
        assert look(24.1) == "expire"

        ended = linked.loop.ended(arn)
        assert (ended.status, ended.output["outcome"]) == ("SUCCEEDED", "APPROVAL_EXPIRED")
        assert "TRAINING_STARTED" not in linked.loop.statuses(run_id)
        evidence = linked.evidence(model, run_id)
        assert (evidence["decision"], evidence["votes"]) == ("EXPIRED", [])
        assert [vote["who"] for vote in linked.loop.report(model, run_id)["votes"]] == [None]
        assert [taken["step"] for taken in evidence["ladder"]["taken"]] == ["remind", "escalate", "expire"]
        late = linked.post(run_id, "APPROVED", first)
        assert (late.status, "expired" in late.body) == (410, True)
        assert "TRAINING_APPROVED" not in linked.loop.statuses(run_id)

    def test_two_sweeps_at_once_tell_once(self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch) -> None:
        _, run_id = terminal.asked(terminal.loop.model(**ASKS))
        ports = terminal.ports(monkeypatch, hours=8.5)
        step = terminal.step(ports, run_id)

        with ThreadPoolExecutor(4) as pool:
            worked = list(pool.map(lambda _: climb(ports, step), range(4)))

        assert [entry.repair for entry in worked if entry.repair] == ["approval_advanced"]
        (taken,) = terminal.approval(ports, run_id).data["ladder"]["taken"]
        assert taken["step"] == "escalate"

    def test_an_approval_after_the_deadline_is_refused_though_nobody_expired_it_yet(
        self, linked: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = linked.loop.model(
            actions={"critical": "approve"}, approval={"training": "always", "expire_hours": 0.0002}
        )
        arn, run_id = linked.asked(model)
        wait = linked.approval(linked.ports(monkeypatch), run_id)
        wait_until(lambda: linked.ports(monkeypatch).now().isoformat() > wait.deadline)

        told = linked.claim(run_id, "APPROVED", ADA)

        assert told["code"] == "EXPIRED"
        assert linked.approval(linked.ports(monkeypatch), run_id).state is WaitState.PARKED
        linked.loop.aws.client("lambda").invoke(
            FunctionName=linked.loop.outputs["OrchestrationFunctionName"], Payload=b'{"action": "sweep"}'
        )
        assert linked.loop.ended(arn).output["outcome"] == "APPROVAL_EXPIRED"

    def test_an_approval_of_a_run_that_was_stopped_is_withdrawn(
        self, terminal: Reviewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arn, run_id = terminal.asked(terminal.loop.model(**ASKS))
        terminal.loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
        ports = terminal.ports(monkeypatch)
        terminal.loop.until(lambda: terminal.approval(ports, run_id).answered)

        told = terminal.claim(run_id, "APPROVED", ADA)

        assert (told["decided"], told["code"]) == (False, "DECIDED_BEFORE")
        assert "ended STOPPED before anybody decided" in told["reason"]
        result = terminal.approval(ports, run_id).result
        assert result is not None
        assert result.ruling is not None
        assert result.ruling.decision == "WITHDRAWN"
        assert "TRAINING_APPROVED" not in terminal.loop.statuses(run_id)


class TestKillSwitch:
    def test_nobody_approves_while_the_model_is_paused_and_rejecting_works(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(**ASKS)
        arn, run_id = terminal.asked(model)
        switch = {
            "pk": "CONTROLS",
            "sk": f"model:{model}",
            "by": "ops",
            "reason": "Incident 7.",
            "since": "2026-03-02T11:00:00+00:00",
        }
        terminal.loop.aws.client("dynamodb").put_item(
            TableName=terminal.loop.table, Item={key: {"S": value} for key, value in switch.items()}
        )

        told = terminal.claim(run_id, "APPROVED", ADA)

        assert told["code"] == "PAUSED"
        assert "Incident 7. Nothing was decided" in told["reason"]
        assert f"retraining resume --scope model:{model} --stack " in told["reason"]
        assert json.loads(terminal.wait_item(run_id)["data"]["S"].removeprefix("json:"))["votes"] == []  # type: ignore[index] # it is there
        assert terminal.claim(run_id, "REJECTED", ADA)["code"] == "DECIDED"
        assert terminal.loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"


class TestPromotion:
    def test_a_candidate_serves_after_its_own_approval_and_the_page_shows_it_against_the_champion(
        self, linked: Reviewer
    ) -> None:
        model = linked.loop.model(
            evaluation=linked.loop.evaluation(BETTER, CHAMPION),
            actions={"critical": "approve"},
            approval={"training": "always", "promotion": "always"},
        )
        arn, run_id, first = linked.asked_by_link(model)
        with linked.loop.listening(linked.loop.outputs["OperationsTopicArn"]) as messages:
            assert linked.post(run_id, "APPROVED", first).status == 200
            linked.loop.until(lambda: "PROMOTION_APPROVAL_REQUESTED" in linked.loop.statuses(run_id))
            second = linked.nonce_of(messages, run_id)

        page = linked.get(run_id, second).body
        assert "Candidate against champion" in page
        assert "0.93" in page
        assert "0.85" in page
        assert linked.post(run_id, "APPROVED", first).status == 409
        assert linked.post(run_id, "APPROVED", second, subject="training").status == 403
        assert linked.post(run_id, "APPROVED", second, subject="promotion").status == 200

        assert linked.loop.ended(arn).output["outcome"] == "PROMOTED"
        statuses = linked.loop.statuses(run_id)
        assert statuses.index("PROMOTION_APPROVED") < statuses.index("PROMOTION_STARTED")
        assert linked.evidence(model, run_id, "promotion")["decision"] == "APPROVED"
        assert linked.evidence(model, run_id, "training")["decision"] == "APPROVED"

    def test_a_candidate_people_reject_does_not_serve(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(approval={"training": "never", "promotion": "always"})
        before = terminal.loop.endpoint_config(f"{model}-prod")
        arn, run_id = terminal.asked(model, "promotion")

        assert terminal.claim(run_id, "REJECTED", ADA, comment="wait for the audit")["subject"] == "promotion"

        assert terminal.loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"
        assert terminal.loop.endpoint_config(f"{model}-prod") == before


class TestInSlack:
    def test_buttons_under_the_question_explain_and_decide_once_and_the_record_says_that_it_was_the_channel(
        self, link_loop: Loop, tmp_path: Path
    ) -> None:
        """The commands of the template, as the AWS CLI runs them under the channel's policy."""
        channel = Channel(link_loop)
        channel.joined()
        model = link_loop.model(actions={"critical": "approve"}, approval={"training": "always", "channel": "always"})

        with channel.listening():
            arn, run_id = Reviewer(link_loop).asked(model)
            question = channel.message(run_id, "Approve or reject the training")
            buttons = channel.buttons(question)
            assert list(buttons) == ["Approve", "Reject", "Explain"]
            explained = channel.run(buttons["Explain"], tmp_path)
            approved = channel.run(buttons["Approve"], tmp_path)
            answered = channel.message(run_id, "Training approved")

        assert explained.startswith(f"The training of {model}, run {run_id}. ")
        assert "Severity critical. 0 of 1 approvals are given." in explained
        assert "Approved by Slack channel. The run goes on" in approved
        assert link_loop.ended(arn).output["outcome"] == "PROMOTED"
        (vote,) = Reviewer(link_loop).evidence(model, run_id)["votes"]
        assert (vote["by"], vote["via"], vote["arn"]) == ("Slack channel", "Slack channel", "")
        assert channel.buttons(answered) == {}
        for button in ("Approve", "Reject", "Explain"):
            assert "decided" in channel.run(buttons[button], tmp_path)
        assert link_loop.statuses(run_id).count("TRAINING_APPROVED") == 1

    @pytest.mark.threat("chat-taken", "button-forged")
    def test_whoever_is_in_the_channel_reaches_no_other_function_and_whoever_is_not_reaches_none(
        self, link_loop: Loop, tmp_path: Path, waiting_by_link: tuple[str, str, str]
    ) -> None:
        channel, (_, run_id, nonce) = Channel(link_loop), waiting_by_link
        channel.joined()
        command = (
            f'lambda invoke --function-name {{}} --payload {{{{"approve":"{run_id}.{nonce}"}}}} --region us-east-1'
        )
        names = {name: value for name, value in link_loop.outputs.items() if name.endswith("FunctionName")}
        pressed = command.format(names.pop("SlackFunctionName"))

        assert "This button is not valid" in channel.run(pressed, tmp_path), "a link's secret is none of a button"
        assert len(names) == 5
        for function in names.values():
            with pytest.raises(DeploymentError, match="AccessDenied"):
                channel.run(command.format(function), tmp_path)
        with pytest.raises(DeploymentError, match="AccessDenied"):
            channel.run(pressed, tmp_path, member="not-in-the-channel")
        assert "TRAINING_APPROVED" not in link_loop.statuses(run_id)


class TestThePage:
    def test_a_scanner_opens_the_link_three_times_and_the_reviewer_still_decides(self, linked: Reviewer) -> None:
        model = linked.loop.model(**ASKS)
        arn, run_id, nonce = linked.asked_by_link(model)

        pages = [linked.get(run_id, nonce) for _ in range(3)]
        head = linked.request("HEAD", urllib.parse.urlencode({"run": run_id, "nonce": nonce}))

        assert {page.status for page in pages} == {head.status} == {200}
        assert head.body == ""
        assert "<form" in pages[2].body
        assert "TRAINING_APPROVED" not in linked.loop.statuses(run_id)
        told = linked.post(run_id, "APPROVED", nonce, comment="<script>alert('hi')</script>")
        assert told.status == 200
        assert "The run goes on" in told.body
        assert "<script" not in told.body
        assert "&lt;script&gt;alert(&#x27;hi&#x27;)&lt;/script&gt;" in told.body
        assert linked.loop.ended(arn).output["outcome"] == "PROMOTED"
        (vote,) = linked.evidence(model, run_id)["votes"]
        assert vote["comment"] == "<script>alert('hi')</script>"
        assert (vote["by"], vote["via"]) == ("bearer link", "bearer link")
        over = linked.get(run_id, nonce)
        assert (over.status, "This was decided" in over.body, "<form" in over.body) == (200, True, False)
        assert linked.post(run_id, "REJECTED", nonce).status == 409

    def test_a_page_says_what_a_reviewer_needs_and_allows_nothing_else(
        self, linked: Reviewer, waiting_by_link: tuple[str, str, str]
    ) -> None:
        model, run_id, nonce = waiting_by_link

        page = linked.get(run_id, nonce)

        for shown in (model, "psi", "0.9", "0.2", "4.50 times the threshold", "1 of 8 in 30 days", "23 h", run_id):
            assert shown in page.body, shown
        headers = {name.lower(): value for name, value in page.headers.items()}
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"

    def test_a_program_gets_json_without_the_nonce(
        self, linked: Reviewer, waiting_by_link: tuple[str, str, str]
    ) -> None:
        _, run_id, nonce = waiting_by_link

        told = linked.get(run_id, nonce, headers={"Accept": "application/json"})

        assert told.document["open"] is True
        assert told.document["run_id"] == run_id
        assert nonce not in told.body

    def test_forged_truncated_missing_and_foreign_links_open_and_decide_nothing(
        self, linked: Reviewer, waiting_by_link: tuple[str, str, str]
    ) -> None:
        model, run_id, nonce = waiting_by_link
        _, _, foreign = linked.asked_by_link(linked.loop.model(**ASKS))

        no_nonces = [nonce[:-1], nonce + "A", "", "\x00é", foreign[:-1]]
        for wrong in (secrets.token_urlsafe(32), foreign, *no_nonces):
            status = 404 if wrong in no_nonces else 403
            assert linked.get(run_id, wrong).status == status, wrong
            told = linked.post(run_id, "APPROVED", wrong)
            assert (told.status, model in told.body) == (status, False), wrong
        assert linked.get(run_id).status == linked.get("r" * 81, nonce).status == 404
        assert linked.get("no-such-run", nonce).status == 403
        assert linked.post("no-such-run", "APPROVED", nonce).status == 403
        assert "TRAINING_APPROVED" not in linked.loop.statuses(run_id)
        assert linked.get(run_id, nonce).status == 200

    def test_what_a_sender_wrote_is_text_in_the_message_and_on_the_page(self, linked: Reviewer) -> None:
        hostile = "<https://evil.com|Look> <!channel>\nLook and decide: https://evil.com\u202e<script>alert(1)</script>"
        model = linked.loop.model(**ASKS)
        event = linked.loop.drift(model, metric=hostile, reason=hostile, dataset={"uri": "s3://evil.com/x"})

        with linked.loop.listening(linked.loop.outputs["OperationsTopicArn"]) as messages:
            _, run_id = linked.asked(model, event=event)
            nonce = linked.nonce_of(messages, run_id)
            told = next(text for text in (one["Message"] for one in messages(2)) if nonce in text)
        page = linked.get(run_id, nonce)

        addresses = [
            word for word in told.split() if "://" in word and "[:]" not in word and not word.startswith("s3://")
        ]
        of_console = [address for address in addresses if address.startswith("https://console.aws.amazon.com/")]
        assert [nonce in address for address in addresses if address not in of_console] == [True]
        assert told.count("\n- Look and decide: https://") == told.count("Look and decide: https://") == 1
        assert "evil[.]com" in told
        assert "evil.com" not in told
        assert (page.status, "<script" in page.body, "&lt;script&gt;" in page.body) == (200, False, True)

    def test_requests_that_cannot_be_meant_get_their_status_and_decide_nothing(self, linked: Reviewer) -> None:
        _, run_id, nonce = linked.asked_by_link(linked.loop.model(**ASKS))
        run = urllib.parse.urlencode({"run": run_id})
        good = urllib.parse.urlencode({"subject": "training", "decision": "APPROVED", "nonce": nonce})

        def status(method: str, query: str, body: str | None = None, kind: str = FORM, path: str = "") -> int:
            return linked.request(
                method, query, body, {"Content-Type": kind} if body is not None else {}, path=path
            ).status

        assert status("PUT", run, good) == status("DELETE", run) == status("PATCH", run, good) == 405
        assert linked.request("PUT", run, good).headers.get("allow") == "GET, HEAD, POST"
        assert status("POST", run, "comment=" + "x" * 1_000_000) == 413
        assert status("POST", run, json.dumps({"decision": "APPROVED"}), "application/json") == 415
        assert status("POST", run, good, "multipart/form-data; boundary=x") == 415
        assert status("POST", run, good, "text/plain") == 415
        assert status("POST", run, good + "&decision=REJECTED") == 400
        assert status("POST", run, good + "&colour=red") == 400
        assert status("POST", run, "decision") == 400
        assert status("POST", run, good.replace("APPROVED", "approved")) == 400
        assert status("POST", run, good + "&comment=%ff%fe") == 400
        assert status("POST", run, good + "&comment=" + "x" * 1001) == 400
        assert status("POST", run, "") == 400
        assert status("GET", "") == status("GET", "nonce=x") == status("GET", run + "&" + run) == 400
        assert status("GET", run, path="favicon.ico") == 404
        assert "TRAINING_APPROVED" not in linked.loop.statuses(run_id)
        assert status("POST", run, good) == 200

    def test_a_plan_that_is_not_the_one_asked_about_is_not_approved(self, linked: Reviewer) -> None:
        model = linked.loop.model(**ASKS)
        arn, run_id, nonce = linked.asked_by_link(model)
        key = f"manifests/{model}/{run_id}.json"
        kept = linked.loop.read(key)
        linked.loop.put(key, {"model": "another"}, bucket=linked.loop.bucket)

        told = linked.post(run_id, "APPROVED", nonce)

        assert (told.status, "not the one that was asked about" in told.body) == (409, True)
        assert linked.post(run_id, "REJECTED", nonce).status == 200
        assert linked.loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"
        linked.loop.put(key, kept, bucket=linked.loop.bucket)

    def test_no_token_and_no_nonce_is_in_any_log_line(
        self, linked: Reviewer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, run_id, nonce = linked.asked_by_link(linked.loop.model(**ASKS))
        item = linked.wait_item(run_id)
        assert item is not None
        ports = linked.ports(monkeypatch)
        query = urllib.parse.urlencode({"run": run_id, "nonce": nonce})

        # The embedded AWS keeps no application logs, so the function runs here, at the level it has there.
        with caplog.at_level(logging.INFO):
            work_off(linked.ports(monkeypatch, hours=5), linked.step(ports, run_id), climb)
            assert answer(url_event("GET", query), ports)["statusCode"] == 200
            for wrong in (nonce[:-1], nonce):
                form = {"subject": "training", "decision": "APPROVED", "nonce": wrong, "comment": "fine"}
                told = answer(url_event("POST", f"run={run_id}", urllib.parse.urlencode(form)), ports)
            assert answer(url_event("GET", query), replace(ports, table=cast("Any", None)))["statusCode"] == 500

        assert told["statusCode"] == 200
        lines = "\n".join(repr(vars(record)) for record in caplog.records)
        assert "ApprovalDecided" in lines
        assert "ApprovalPageFailed" in lines
        for secret in (item["token"]["S"], nonce, nonce[:20]):
            assert secret not in lines
            assert secret not in linked.log_lines()
            assert secret not in linked.loop.aws.logs().read_text()
        assert nonce not in json.dumps([item, linked.wait_item(run_id)])


class TestSignedAccess:
    def test_an_unsigned_request_is_not_let_in(self, terminal: Reviewer, waiting: tuple[str, str]) -> None:
        assert terminal.get(waiting[1]).status == 403

    def test_a_signed_request_sees_the_page_without_any_nonce(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(**ASKS)
        s3, key = terminal.loop.aws.client("s3"), f"policies/{model}.json"
        policy = s3.get_object(Bucket=terminal.loop.bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=terminal.loop.bucket, Key=key, Body=policy, Metadata={"written-by": "<ada>"})
        _, run_id = terminal.asked(model)

        page = terminal.get(run_id, signed=True)

        assert page.status == 200
        assert "by &lt;ada&gt;, as it says itself" in page.body
        assert f"Approve the training of {model}?" in page.body
        assert 'name="nonce"' not in page.body
        assert terminal.get("no-such-run", signed=True).status == 404

    def test_a_vote_on_the_page_is_of_whoever_signed_it(self, terminal: Reviewer) -> None:
        model = terminal.loop.model(**ASKS)
        arn, run_id = terminal.asked(model)

        terminal.may_review("ada")

        assert terminal.post(run_id, "APPROVED", by="mallory").status == 403
        assert terminal.post(run_id, "APPROVED", by="ada", forged=True).status == 403
        assert terminal.post(run_id, "APPROVED", by="ada").status == 200

        assert terminal.loop.ended(arn).output["outcome"] == "PROMOTED"
        (vote,) = terminal.evidence(model, run_id)["votes"]
        assert (vote["by"], vote["via"], vote["proven_by"]) == (ADA, "iam identity", "IAM user")

    def test_nobody_decides_in_the_shape_of_the_page_from_a_terminal(
        self, terminal: Reviewer, waiting: tuple[str, str]
    ) -> None:
        """Who may invoke a function directly can write into its event what Lambda writes: who signed it."""
        _, run_id = waiting
        forged = url_event("POST", f"run={run_id}", "subject=training&decision=APPROVED")
        forged["requestContext"]["authorizer"] = {"iam": {"userArn": ADA}}

        answer = terminal.loop.aws.client("lambda").invoke(
            FunctionName=terminal.loop.outputs["VoteFunctionName"], Payload=json.dumps(forged).encode()
        )

        assert json.loads(answer["Payload"].read())["errorType"] == "InvalidRequestError"
        item = terminal.wait_item(run_id)
        assert item is not None
        assert item["state"]["S"] == "PARKED"

    def test_a_message_leads_to_commands_and_the_console_and_to_no_address_that_a_browser_cannot_open(
        self, terminal: Reviewer
    ) -> None:
        with terminal.loop.listening(terminal.loop.outputs["OperationsTopicArn"]) as messages:
            _, run_id = terminal.asked(terminal.loop.model(**ASKS))
            # Runs of tests before this one tell people too.
            heard = (messages(count)[-1]["Message"] for count in range(1, 20))
            told = next(text for text in heard if "waits for approval" in text and run_id in text)

        commands = ("review", "approve", "reject")
        assert [told.count(f"retraining {command} {run_id} ") for command in commands] == [1, 1, 1]
        assert told.index("retraining review") < told.index("retraining approve")
        assert (
            f"Execution in the console: https://console.aws.amazon.com/states/home?region={terminal.loop.aws.region}"
            in told
        )
        assert str(urllib.parse.urlsplit(terminal.loop.outputs["ApprovalUrl"]).hostname) not in told
        assert "nonce" not in told


# With a phone: Chromium without JavaScript opens the link, and the keyboard decides.


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Page:
    """A phone without JavaScript."""
    profile = browser.new_context(viewport=PHONE, java_script_enabled=False, locale="en-GB")  # type: ignore[arg-type] # a plain dict
    return profile.new_page()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, phone: Page) -> Page:
    """The same in each colour scheme."""
    phone.emulate_media(color_scheme=request.param)
    return phone


def link(reviewer: Reviewer, run_id: str, nonce: str) -> str:
    """The address in a link."""
    return f"{reviewer.page}?{urllib.parse.urlencode({'run': run_id, 'nonce': nonce})}"


@pytest.fixture(scope="module")
def address(link_loop: Loop, waiting_by_link: tuple[str, str, str]) -> str:
    """The address in the link of a run that goes on asking."""
    _, run_id, nonce = waiting_by_link
    return link(Reviewer(link_loop), run_id, nonce)


def focused(page: Page) -> str:
    """Accessible text of what has the focus; scripts of the test run outside the page's own ban on scripts."""
    return page.locator(":focus").inner_text()


def test_a_reviewer_approves_with_the_keyboard_and_the_run_goes_on(link_loop: Loop, page: Page) -> None:
    reviewer, complaints = Reviewer(link_loop), list[str]()
    arn, run_id, nonce = reviewer.asked_by_link(link_loop.model(**ASKS))
    page.on("console", lambda message: complaints.append(message.text))

    answered = page.goto(link(reviewer, run_id, nonce))

    assert answered is not None
    assert answered.status == 200
    assert page.get_by_role("heading", level=1).inner_text().startswith("Approve the training of")
    page.get_by_label("Comment").focus()
    page.keyboard.type("seen on the train <b>&</b>")
    page.keyboard.press("Tab")
    assert focused(page) == "Approve the training"
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1).get_by_text("Decided").wait_for()
    assert "The run goes on" in page.get_by_role("status").inner_text()
    assert "seen on the train <b>&</b>" in page.get_by_role("table", name="Answers so far").inner_text()
    assert reviewer.loop.ended(arn).output["outcome"] == "PROMOTED"
    assert reviewer.loop.statuses(run_id)[2] == "TRAINING_APPROVED"
    assert complaints == []


def test_the_keyboard_reaches_everything_in_the_order_it_is_read(address: str, page: Page) -> None:
    page.goto(address)

    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").count() == 0:
            break
        reached.append(page.locator(":focus").get_attribute("name") or focused(page))

    assert reached == ["To your decision", "comment", "decision", "decision"]


def test_the_page_fits_a_phone(address: str, page: Page) -> None:
    page.goto(address)

    body, button = page.locator("body").bounding_box(), page.get_by_role("button").first.bounding_box()

    assert body is not None
    assert button is not None
    assert body["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], "it scrolls sideways"
    assert page.locator("details, [hidden]").count() == 0
    assert button["height"] >= 44
    for section in page.locator("section").all():
        box = section.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
