"""What a reviewer gets on the page of their own machine: what they may see, and what became of their answer."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError, UnauthorizedSSOTokenError

from ops.review.desk import Desk
from ops.review.reading import SIGNALS_SHOWN, SignedIn, was_refused
from ops.review.server import Answer, Request, headers_of
from ops.stack import NotReachedError
from orchestration.domain.contracts import WaitKind
from orchestration.domain.report_page import STYLE as REPORT_STYLE
from orchestration.domain.switches import KillSwitch
from orchestration.steps.approvals import ladder_due
from tests.unit import stories
from tests.unit.commands import WorldStack
from tests.unit.fake_services import client_error
from tests.unit.fakes import World, drift
from tests.unit.history import promoted, rich_history
from tests.unit.page_check import page_findings
from tests.unit.stories import do

NONCE: Final = "the-form-is-ours"
HOSTILE: Final = "<script>alert(1)</script>\u202e\"'&"


class Reader:
    """One reviewer in front of their page."""

    def __init__(self, world: World, by: str = "ana") -> None:
        self.stack = WorldStack(world, by)
        self.found: list[WorldStack] = []
        self.desk = Desk(SignedIn(cast("Any", self._find)), minutes=30, now=world.clock)

    def _find(self) -> WorldStack:
        self.found.append(self.stack)
        return self.stack

    def get(self, *path: str, **query: str) -> Answer:
        return self._checked(self.desk(Request("GET", path, query, {}, NONCE)))

    def post(self, run_id: str = "run-1", decision: str = "APPROVED", **fields: str) -> Answer:
        form = {"decision": decision, "subject": "promotion", "comment": "", **fields}
        return self._checked(self.desk(Request("POST", ("run", run_id), {}, form, NONCE)))

    def refuse(self, error: Exception, *names: str, monkeypatch: pytest.MonkeyPatch, of: Any = None) -> None:
        """Have what is asked of the table, or of something else, fail."""

        def fail(*_: Any, **__: Any) -> Any:
            raise error

        for name in names:
            monkeypatch.setattr(of or self.stack.table, name, fail)

    @staticmethod
    def _checked(answer: Answer) -> Answer:
        """Every page is whole, runs nothing and loads nothing, whatever is on it."""
        if answer.page:
            assert page_findings(answer.page, served=headers_of(answer)["Content-Security-Policy"]) == []
            assert ("<form" in answer.page) <= answer.forms
        return answer


@pytest.fixture
def asked(world: World) -> World:
    """Run run-1 of fraud asks people to promote its candidate."""
    world.clock.time = datetime.now(UTC)
    stories.asked(world)
    return world


def text(answer: Answer) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", answer.page, flags=re.DOTALL)).split())


# Looking.


def test_the_first_page_says_what_waits_why_for_how_long_and_who_reads(asked: World) -> None:
    said = text(Reader(asked).get())

    assert "One approval waits" in said
    assert "you are arn:aws:iam::111122223333:user/ana" in said
    assert "Promotion of fraud" in said
    assert "1 d 0 h left" in said
    assert "0 of 1 approvals given" in said
    assert "✓ auc bound 0.9 (&gt;= 0.7)" in said
    assert "RETRAIN" in said


def test_the_first_page_shows_every_part_of_a_rich_history(world: World) -> None:
    rich_history(world)
    page = Reader(world).get()
    said = text(page)

    assert "model:spam" in said
    assert "source:alarm" in said
    for model in ("fraud", "churn", "spam", "scoring"):
        assert f'<a href="/model/{model}">' in page.page
    assert 'href="/run/run-6"' in page.page
    assert page.page.count("<svg") == 4
    _, _, signals = page.page.partition('id="signals"')
    assert signals.count("<li>") == SIGNALS_SHOWN
    assert '<a href="/signals">All signals</a>' in signals


def test_what_the_reader_may_not_answer_is_said_before_they_try(asked: World) -> None:
    wait = asked.table.waits_without_tokens()[0]
    for data, why, rejects in (
        ({"asked_by": ["arn:aws:iam::111122223333:user/ana"]}, "asked for this retraining, so somebody else", True),
        ({"voters": ["arn:aws:iam::111122223333:user/ben"]}, "is none of those who answer for this model", False),
    ):
        after = replace(wait, data={**wait.data, "voters": [], "asked_by": [], **data})
        assert asked.table.change_wait(wait, after)
        wait = asked.table.waits_without_tokens()[0]
        reader = Reader(asked)
        home, run = reader.get(), reader.get("run", "run-1")

        assert why in text(home)
        assert why in text(run)
        assert ("Reject the promotion" in run.page) is rejects
        assert "Approve the promotion" not in run.page.partition("<main>")[2]
        # The function that counts says the same.
        assert not reader.stack.decide({"action": "decide", "run_id": "run-1", "decision": "APPROVED"})["counted"]


def test_an_open_approval_has_the_form_and_says_as_whom_one_answers(asked: World) -> None:
    page = Reader(asked).get("run", "run-1")

    assert (page.status, page.forms) == (200, True)
    assert '<form method="post" action="/run/run-1">' in page.page
    assert f'name="nonce" value="{NONCE}"' in page.page
    assert "You answer as arn:aws:iam::111122223333:user/ana." in page.page
    assert "http-equiv" not in page.page, "a half-written comment would be lost"


def test_a_run_that_goes_on_shows_what_it_waits_for_and_what_happened(world: World) -> None:
    stories.training(world)
    said = text(Reader(world).get("run", "run-1"))

    assert "fraud: in progress" in said
    assert "Waits: training" in said
    assert "Retraining decided" in said
    assert "Its execution in the console" in said


def test_a_run_that_ended_shows_its_report_in_a_sandbox(world: World) -> None:
    promoted(world)
    page = Reader(world).get("run", "run-1")

    assert not page.ours
    assert "fraud: promoted" in text(page)
    assert '<nav aria-label="Pages">' in page.page
    assert REPORT_STYLE in page.page


def test_a_model_shows_its_life_and_signals_those_of_one_or_all(world: World) -> None:
    rich_history(world)
    reader = Reader(world)

    life = reader.get("model", "fraud")
    assert "fraud: its life on record" in text(life)
    assert '<a href="/run/run-1?model=fraud">run-1</a>' in life.page
    assert '<a href="/model/fraud">fraud</a>' in reader.get("run", "run-1").page
    everything, of_one = reader.get("signals"), reader.get("signals", model="fraud")
    assert "REJECT" in text(everything)
    assert "Signals of fraud" in text(of_one)
    assert 'href="/model/churn"' not in of_one.page
    assert reader.get("model", name="fraud").location == "/model/fraud"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (("nix",), 404),
        (("run", "run-2"), 404),
        (("run", "a/b"), 404),
        (("run",), 404),
        (("model", "nobody"), 404),
        (("model", "a b"), 404),
        (("run", "run-1", "more"), 404),
        (("favicon.ico",), 204),
    ],
)
def test_what_is_not_there_is_said(path: tuple[str, ...], status: int, asked: World) -> None:
    assert Reader(asked).get(*path).status == status


def test_nothing_that_others_wrote_is_anything_but_text(world: World) -> None:
    world.clock.time = datetime.now(UTC)
    stories.asked(world, approval={"training": "never", "promotion": "always"})
    do(world, "pause", scope="global", reason=HOSTILE)
    sent = drift(model="fraud", metric=HOSTILE, dedupe_key="x", observed=0.9)
    do(world, "admit", "run-2", event=sent)
    do(world, "admit", "run-3", event=drift(model="nobody", metric=HOSTILE))
    reader = Reader(world)

    for answer in (
        reader.get(),
        reader.get("run", "run-1"),
        reader.get("signals"),
        reader.get("model", "fraud"),
        reader.get("run", HOSTILE),
        reader.post(subject=HOSTILE),
        reader.post(comment=HOSTILE),
    ):
        assert "<script" not in answer.page
        assert "\u202e" not in answer.page


@pytest.mark.parametrize(
    ("partition", "broken", "said"),
    [
        ("STATUS#run-1", {"at": {"L": []}}, "One approval waits"),
        ("MODEL#fraud", {"run_starts": {"N": "1"}}, "Models cannot be listed: a record"),
        (
            "APPROVAL#run-1",
            {"result": {"M": {"next": {"S": "nowhere"}}}},
            "What waits for people cannot be listed: a record",
        ),
        ("CONTROLS", {"scope": {"M": {}}, "reason": None}, "Kill switches cannot be listed: a record is not whole."),
    ],
)
def test_a_record_that_is_not_whole_hides_no_other_part(
    partition: str, broken: dict[str, Any], said: str, asked: World
) -> None:
    asked.table.throw_switch(KillSwitch("model:churn", "ana", "An incident.", "2026-03-02T09:00:00+00:00"))
    for (pk, _), item in asked.database.items.items():
        if pk == partition:
            item.update(broken)
            for name in [name for name, value in item.items() if value is None]:
                del item[name]
    page = Reader(asked).get()

    assert (page.status, said in text(page)) == (200, True)
    assert "RETRAIN" in text(page)


def test_a_plan_that_is_not_the_one_asked_about_has_no_button_that_approves_it(asked: World) -> None:
    asked.put("manifests/fraud/run-1.json", {"training": {"target": "another"}})
    page = Reader(asked).get("run", "run-1")

    assert "so nobody can approve any more. Reject the run" in text(page)
    assert 'value="APPROVED"' not in page.page
    assert 'value="REJECTED"' in page.page


@pytest.mark.parametrize("lost", ["ladder", "votes", "why", "manifest_sha256", "approvals_needed", "deadline"])
def test_an_approval_whose_record_is_not_whole_is_said_and_hides_no_other(lost: str, asked: World) -> None:
    wait = asked.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    other = replace(wait, run_id="run-2", model="churn")
    assert asked.table.park(other, ladder_due(other, asked.clock())) is None
    data = {name: value for name, value in wait.data.items() if name != lost}
    broken = replace(wait, data=data, deadline="" if lost == "deadline" else wait.deadline)
    assert asked.table.change_wait(wait, broken)
    home, page = Reader(asked).get(), Reader(asked).get("run", "run-1")

    assert (home.status, page.status) == (200, 200)
    assert "Promotion of churn" in text(home)
    said = f"The record of this approval is not whole ({lost}), so no answer to it can be counted."
    for shown in (home, page):
        assert (said in text(shown)) is (lost in {"ladder", "votes", "deadline"})
    assert ('value="APPROVED"' in page.page) is (lost in {"why", "approvals_needed"})
    if lost != "why":
        told = text(Reader(asked).post())
        assert ("Approval 1 of 2 is counted" in told) is (lost == "approvals_needed")
        assert stories.next_of(asked, "approval") is None


# Answering.


def test_an_answer_is_counted_as_the_readers_own_and_said(asked: World) -> None:
    reader = Reader(asked)
    told = reader.post(comment="seen <b>with</b> the team")

    assert told.status == 200
    assert "Decided: promotion of fraud" in text(told)
    assert "The run goes on." in told.page
    assert "<form" not in told.page
    (wait,) = (wait for wait in asked.table.waits_of_run_without_tokens("run-1") if wait.subject == "promotion")
    assert [(vote["by"], vote["comment"]) for vote in wait.data["votes"]] == [
        ("arn:aws:iam::111122223333:user/ana", "seen <b>with</b> the team")
    ]
    (cast_,) = reader.desk.casts
    assert (cast_.run_id, cast_.decision, cast_.counted, cast_.decided) == ("run-1", "APPROVED", True, True)


def test_a_rejection_ends_the_run(asked: World) -> None:
    told = Reader(asked).post(decision="REJECTED", comment="labels are late")
    assert "Rejected by arn:aws:iam::111122223333:user/ana. Comment: labels are late. The run ends without it." in text(
        told
    )


def test_while_another_decides_the_result_says_what_became_of_it(asked: World) -> None:
    reader = Reader(asked)
    assert reader.get("run", "run-1").forms
    assert stories.approve(asked, by="ben", decision="REJECTED")["decided"]

    told = reader.post(comment="mine comes late")

    assert told.status == 409
    assert "Nothing was decided" in text(told)
    assert "ejected by arn:aws:iam::111122223333:user/ben" in text(told)
    assert reader.desk.casts[0].counted is False


def test_two_people_are_needed_and_one_counts_once(world: World) -> None:
    world.clock.time = datetime.now(UTC)
    stories.asked(world, approval={"training": "never", "promotion": "always", "approvals_needed": 2})
    ana, ben = Reader(world), Reader(world, "ben")

    assert "Your approval is counted" in text(ana.post())
    assert "is counted already" in text(ana.post())
    assert "is counted already" in text(ana.get("run", "run-1"))
    assert "1 of 2 approvals given" in text(ben.get())
    assert "Decided" in text(ben.post())


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": ""},
        {"decision": "MAYBE"},
        {"subject": ""},
        {"subject": "everything"},
        {"comment": "x" * 1001},
        {"more": "1"},
    ],
)
def test_a_form_that_is_not_whole_decides_nothing(fields: dict[str, str], asked: World) -> None:
    reader = Reader(asked)
    told = reader.post(**fields)

    assert told.status == 400
    assert reader.desk.casts == []
    assert asked.table.waits_of_run_without_tokens("run-1")[-1].data["votes"] == []


def test_only_the_page_of_a_run_takes_an_answer(asked: World) -> None:
    reader = Reader(asked)
    assert reader.desk(Request("POST", (), {}, {"decision": "APPROVED"}, NONCE)).status == 405
    assert reader.desk.casts == []


def test_a_vote_on_a_run_that_asks_nobody_says_so(world: World) -> None:
    stories.training(world)
    told = Reader(world).post()
    assert told.status == 404
    assert "No approval was asked for run run-1" in text(told)


# What goes wrong in the middle.


def expired(operation: str = "Invoke", **metadata: Any) -> ClientError:
    return _error("ExpiredTokenException", operation, **metadata)


def _error(code: str, operation: str, said: str = "no more", **metadata: Any) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": said},
        "ResponseMetadata": {"HTTPStatusCode": 403, "RetryAttempts": 0, **metadata},
    }
    return ClientError(response, operation)


def fails_once(reader: Reader, error: Exception, *, counted: bool) -> None:
    """The next vote meets an error, after it was counted or before."""
    decide = reader.stack.decide

    def fail(request: dict[str, Any]) -> dict[str, Any]:
        reader.stack.decide = decide  # type: ignore[method-assign] # only the next one
        if counted:
            decide(request)
        raise error

    reader.stack.decide = fail  # type: ignore[method-assign] # a fake of this test


@pytest.mark.parametrize("error", [expired(), UnauthorizedSSOTokenError()], ids=["keys", "sso"])
def test_a_sign_in_that_ends_in_the_middle_loses_nothing_and_the_next_goes_on(error: Exception, asked: World) -> None:
    reader = Reader(asked)
    assert reader.get("run", "run-1").status == 200
    fails_once(reader, error, counted=False)

    told = reader.post(comment="typed for minutes & kept")

    assert told.status == 401
    assert "Nothing was decided. Sign in to AWS again" in text(told)
    assert 'name="comment" value="typed for minutes &amp; kept"' in told.page
    assert 'name="decision" value="APPROVED"' in told.page
    assert "APPROVED promotion typed for minutes" in text(told), "nobody sends again what they do not see"
    assert (len(reader.found), reader.desk.casts[0].counted) == (1, False)
    assert "Decided" in text(reader.post(comment="typed for minutes & kept"))
    assert len(reader.found) == 2, "the session of before would bring the old credentials"


def test_a_sign_in_that_ends_while_one_looks_says_how_to_go_on(asked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(asked)
    with monkeypatch.context() as patch:
        reader.refuse(expired("Query"), "run", "kill_switches", "active_runs", monkeypatch=patch)
        for page in (reader.get(), reader.get("run", "run-1")):
            assert page.status == 401
            assert "aws sso login" in page.page
            assert "export the new ones and run it again" in page.page
    assert reader.get().status == 200
    assert len(reader.found) == 3


def test_a_stack_that_cannot_be_found_again_is_a_page_too() -> None:
    def find() -> Any:
        raise NotReachedError("Stack retraining cannot be looked at in us-east-1 (no). Sign in to AWS.")

    desk = Desk(SignedIn(find), minutes=30)
    looked = desk(Request("GET", (), {}, {}))
    form = {"decision": "APPROVED", "subject": "promotion", "comment": "typed for minutes"}
    voted = desk(Request("POST", ("run", "run-1"), {}, form, NONCE))

    for answer in (looked, voted):
        assert answer.status == 502
        assert "Sign in to AWS." in answer.page
    assert "Nothing was decided" in text(voted)
    assert 'name="comment" value="typed for minutes"' in voted.page
    assert desk.casts == []


def test_an_answer_counts_for_nobody_but_whom_the_page_named(asked: World) -> None:
    """Somebody signs in anew as somebody else, and sends the form that was loaded before."""
    reader = Reader(asked)
    shown = reader.get("run", "run-1")
    (name,) = re.findall(r'name="reader" value="([^"]+)"', shown.page)
    assert f"You answer as {name}." in text(shown)
    reader.stack.by = "ben"

    told = reader.post(reader=name)

    assert told.status == 403
    assert "You are arn:aws:iam::111122223333:user/ben now" in text(told)
    assert asked.table.waits_without_tokens()[0].data["votes"] == []
    again = reader.get("run", "run-1")
    assert 'name="reader" value="arn:aws:iam::111122223333:user/ben"' in again.page
    assert reader.post(reader="arn:aws:iam::111122223333:user/ben").status == 200


@pytest.mark.parametrize("told", [None, [], {"counted": True}, {"code": "OF_A_NEWER_RELEASE"}])
def test_an_answer_to_a_vote_that_cannot_be_shown_is_not_said_to_have_come_to_nothing(told: Any, asked: World) -> None:
    reader = Reader(asked)
    decide = reader.stack.decide

    def newer(request: dict[str, Any]) -> Any:
        counted = decide(request)
        return {**counted, **told} if told and "code" in told else told

    reader.stack.decide = newer  # type: ignore[method-assign] # a fake of this test

    assert "Your answer may have been counted" in text(reader.post())


@pytest.mark.parametrize(
    "error",
    [
        NotReachedError("loop-vote did not answer."),
        ReadTimeoutError(endpoint_url="https://lambda.example"),
        _error("ServiceException", "Invoke", HTTPStatusCode=500),
        expired(RetryAttempts=1),
    ],
    ids=["no answer", "timeout", "fault", "a try before was lost"],
)
def test_an_answer_whose_result_is_lost_may_have_been_counted_and_counts_once(error: Exception, asked: World) -> None:
    reader = Reader(asked)
    fails_once(reader, error, counted=True)

    told = reader.post()

    assert told.status == 502
    assert "Your answer may have been counted" in text(told)
    assert '<a href="/run/run-1">Where the run stands</a>' in told.page
    assert reader.desk.casts[0].counted is None
    assert "Approved by arn:aws:iam::111122223333:user/ana" in text(reader.get("run", "run-1"))
    assert reader.post().status == 409
    (wait,) = (wait for wait in asked.table.waits_of_run_without_tokens("run-1") if wait.subject == "promotion")
    assert len(wait.data["votes"]) == 1


def test_an_answer_that_aws_refuses_came_to_nothing(asked: World) -> None:
    reader = Reader(asked)
    fails_once(reader, _error("AccessDeniedException", "Invoke"), counted=False)

    assert "Nothing was decided" in text(reader.post())
    assert reader.desk.casts[0].counted is False


@pytest.mark.parametrize(
    "said",
    [
        "Signature expired: 20261127T010000Z is now earlier than 20261127T010500Z (20261127T011000Z - 5 min.)",
        "Signature not yet current: 20261127T011600Z is still later than 20261127T010500Z (20261127T010000Z + 5 min.)",
    ],
)
def test_a_clock_that_is_off_is_not_called_a_sign_in_that_is_over(said: str, asked: World) -> None:
    reader = Reader(asked)
    fails_once(reader, _error("InvalidSignatureException", "Invoke", said), counted=False)

    told = reader.post(comment="typed for minutes")

    assert "Nothing was decided" in text(told)
    assert "clock of this machine off" in text(told)
    assert "Sign in" not in text(told)
    assert 'name="comment" value="typed for minutes"' in told.page


def test_only_what_was_never_tried_before_is_known_to_have_come_to_nothing() -> None:
    assert was_refused(_error("AccessDeniedException", "Invoke"))
    assert was_refused(UnauthorizedSSOTokenError())
    assert not was_refused(_error("AccessDeniedException", "Invoke", RetryAttempts=2))
    assert not was_refused(_error("ServiceException", "Invoke", HTTPStatusCode=502))
    assert not was_refused(ReadTimeoutError(endpoint_url="https://lambda.example"))


def test_a_defect_is_a_page_that_quotes_nothing(asked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(asked)
    reader.refuse(RuntimeError("a value of somebody"), "run", monkeypatch=monkeypatch)
    page = reader.get("run", "run-1")

    assert page.status == 500
    assert "RuntimeError" in page.page
    assert "a value of somebody" not in page.page


# Rights.

DENIED_READ: Final = client_error("AccessDeniedException", "not you", "Query")


def test_each_part_that_may_not_be_read_is_said_and_the_rest_is_shown(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, str] = {
        "waits_without_tokens": "What waits for people may not be read with your rights.",
        "kill_switches": "Kill switches may not be read with your rights.",
        "active_runs": "Runs may not be read with your rights.",
        "models": "Models may not be read with your rights.",
        "ignored_events": "Signals may not be read with your rights.",
    }
    for name, sentence in parts.items():
        with monkeypatch.context() as patch:
            reader = Reader(asked)
            reader.refuse(DENIED_READ, name, monkeypatch=patch)
            said = text(reader.get())
        assert sentence in said, name
        assert sum(each in said for each in parts.values()) <= 2, "signals are of models"
        assert "Last signals" in said


def _of_one_model(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what ModelReviewerPolicy does not give."""
    reader.refuse(
        DENIED_READ,
        *(
            "waits_without_tokens",
            "kill_switches",
            "active_runs",
            "models",
            "run",
            "statuses",
            "waits_of_run_without_tokens",
        ),
        monkeypatch=monkeypatch,
    )
    latest = reader.stack.table.latest

    def own(chain: str) -> Any:
        if chain not in {"fraud", "_loop"}:
            raise DENIED_READ
        return latest(chain)

    monkeypatch.setattr(reader.stack.table, "latest", own)


def test_who_reviews_one_model_sees_that_and_votes(asked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(asked)
    with monkeypatch.context() as patch:
        _of_one_model(reader, patch)
        assert '<form method="get" action="/model">' in reader.get().page
        life = reader.get("model", "fraud")
        assert "fraud: its life on record" in text(life)
        assert "may not be read with your rights" not in text(life)
        assert reader.get("model", "churn").status == 403
        unseen, named = reader.get("run", "run-1"), reader.get("run", "run-1", model="fraud")
        assert "may not be read with your rights" in text(unseen)
        assert "The candidate" not in text(unseen)
        assert "Gates, failed ones first" in text(named)
        assert "auc bound" in text(named)

    decide, votes = reader.stack.decide, list[Any]()

    def vote(request: dict[str, Any]) -> Any:
        told = decide(request)
        votes.append(request)
        _of_one_model(reader, monkeypatch)
        return told

    reader.stack.decide = vote  # type: ignore[method-assign] # the function that counts has rights of its own
    told = reader.post(comment="of my model")
    assert told.status == 200
    assert "Approved by arn:aws:iam::111122223333:user/ana" in text(told)
    assert len(votes) == 1


def test_many_readers_at_once_get_whole_pages(asked: World) -> None:
    """Threads of one server share a desk."""
    reader = Reader(asked)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: reader.get(), range(8)))
    assert [page.status for page in pages] == [200] * 8
    assert len(reader.found) == 1


def test_the_time_that_is_left_is_drawn(asked: World) -> None:
    asked.clock.forward(hours=12)
    page = Reader(asked).get()
    assert '<progress max="1" value="0.500"' in page.page
    asked.clock.time += timedelta(hours=13)
    assert "the time is over, which means no" in text(Reader(asked).get())
