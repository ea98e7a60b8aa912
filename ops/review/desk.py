"""What the reader gets for what they ask: pages of what their rights reach, and their answers handed to the function that counts."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from ops.heard_signals import gathered, heard
from ops.invocation import Exit
from ops.life_page import SPARK_DAYS, life_page
from ops.refusals import refusal, signed_out
from ops.report import model_life, run_pages
from ops.review.pages import (
    HOME,
    again_form,
    home_page,
    link,
    message_page,
    path_to,
    run_page,
    signals_page,
    unread_html,
    unseen_page,
    with_links,
)
from ops.review.reading import (
    SIGNALS_LISTED,
    Refused,
    RunSeen,
    SignedIn,
    glance,
    run_seen,
    seen,
    speaker_of,
    standing,
    was_refused,
)
from ops.review.server import Answer, Refusal, Request
from ops.stack import OperatorError
from orchestration.approval_handler import STATUS
from orchestration.domain.approval_view import approval_view, told_view
from orchestration.domain.candidate_view import candidate_section
from orchestration.domain.commands import against_words
from orchestration.domain.console_links import Console
from orchestration.domain.contracts import UNATTRIBUTED
from orchestration.domain.json_values import execution_name, json_object, mapping, model_name
from orchestration.domain.page import Section, facts_of, figure
from orchestration.domain.records import evidence_key, manifest_key, report_key
from orchestration.domain.review_page import View, render
from orchestration.domain.votes import COMMENT_LIMIT, VoteCode, clean_comment
from orchestration.domain.votes import Answer as Said
from orchestration.steps.approvals import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.stack import Stack

NOT_THERE: Final = (404, "There is no such page")


@dataclass(slots=True)
class Cast:
    """An answer of the reader, and what became of it; ``sentence`` says so, ``counted`` is None while nobody knows."""

    run_id: str
    decision: str
    sentence: str = "its result did not come: it may have been counted"
    subject: str = ""
    counted: bool | None = None
    decided: bool = False


class Desk:
    """Answers what the reader asks; called on many threads.

    Args:
        signed_in: the stack, as whoever is signed in sees it.
        minutes: after how many without a request the page ends, which it says.
        now: the time, aware, in UTC.
    """

    def __init__(
        self, signed_in: SignedIn, *, minutes: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._signed_in, self._minutes, self._now = signed_in, minutes, now
        self.casts: list[Cast] = []
        """Answers in the order in which they were given."""

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            answer = self._routed(request)
        except Refusal as refusal:
            answer = _message(refusal.status, refusal.title, refusal.sentence)
        except OperatorError as error:
            status = 502 if error.status == Exit.NOT_REACHED else 404
            answer = _message(status, "This cannot be shown", f"{error} {error.command}".strip())
        except (BotoCoreError, ClientError) as error:
            answer = self._aws_failed(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong in here, the reader gets a page
            defect, where = "The page has a defect, please report it", f"{type(error).__name__}, {_where(error)}."
            answer = (
                self._lost(f"{defect}: {where}", request.path[-1])
                if request.method == "POST"
                else _message(500, defect, where)
            )
        return replace(answer, page=with_links(answer.page, answer.model))

    def _routed(self, request: Request) -> Answer:
        match request.method, request.path:
            case "POST", ("run", run_id):
                return self._vote(request, _run(run_id))
            case "POST", _:
                raise Refusal(405, "Nothing is decided here", "Only the page of a run takes an answer.")
            case _, ():
                return self._home()
            case _, ("run", run_id):
                return self._run(request, _run(run_id))
            case _, ("model",):
                return Answer(303, location=path_to("model", _model(request.query.get("name", ""))))
            case _, ("model", name):
                return self._life(_model(name))
            case _, ("favicon.ico",):
                return Answer(204)
            case _, ("signals",):
                given = request.query.get("model", "")
                return self._signals(given if given in {"", UNATTRIBUTED} else _model(given))
            case _:
                raise Refusal(*NOT_THERE, "What there is stands on the overview.")

    # Looking.

    def _home(self) -> Answer:
        stack, now = self._signed_in.stack(), self._now()
        person = self._signed_in.person()
        found = glance(stack, person, now)
        reader = person.name if person else "nobody that AWS names"
        page = home_page(
            found, stack=stack.name, region=stack.place.region, reader=reader, minutes=self._minutes, now=now
        )
        return Answer(200, page, forms=True)

    def _life(self, model: str) -> Answer:
        stack = self._signed_in.stack()
        found = seen(lambda: model_life(stack, model), f"What happened to {model}")
        if isinstance(found, Refused):
            raise Refusal(403, "This may not be read", found.sentence)
        page = life_page(found, lambda run_id: link(f"{path_to('run', run_id)}?{urlencode({'model': model})}", run_id))
        return Answer(200, page, model=model)

    def _signals(self, model: str) -> Answer:
        stack = self._signed_in.stack()
        since = (self._now() - timedelta(days=SPARK_DAYS)).isoformat()
        found = seen(
            lambda: list(itertools.islice(gathered(heard(stack.table, model, since)), SIGNALS_LISTED + 1)), "Signals"
        )
        listed = found if isinstance(found, Refused) else found[:SIGNALS_LISTED]
        more = not isinstance(found, Refused) and len(found) > SIGNALS_LISTED
        return Answer(200, signals_page(listed, model=model, since=since, more=more, kicker=_kicker(stack)))

    def _run(self, request: Request, run_id: str) -> Answer:
        stack = self._signed_in.stack()
        found = run_seen(stack, run_id)
        if found is None:
            raise Refusal(*NOT_THERE, f"There is no run {run_id}.")
        if isinstance(found, Refused):
            return self._unseen(stack, run_id, request)
        if found.outcome is not None:
            return _report(stack, run_id, found.model)
        if not found.is_open or found.asked is None:
            console = Console.of(found.execution_arn).execution(found.execution_arn)
            return Answer(200, run_page(found, console=console, kicker=_kicker(stack)), model=found.model)
        page = _with_unread(render(self._approval(stack, found, request.nonce)), found.unread)
        return Answer(200, page, forms=True, model=found.model)

    def _approval(self, stack: Stack, run: RunSeen, nonce: str) -> View:
        assert run.asked is not None  # noqa: S101 - the caller looked
        now, person = self._now(), self._signed_in.person()
        view = approval_view(run.asked, speaker_of(stack), now, nonce=nonce)
        if view.form is None:
            return view
        own, form = standing(run.asked.wait, person, now), replace(view.form, action=path_to("run", run.run_id))
        if not own.rejects:
            return replace(view, form=None, notice=f"{view.notice} Your answer would not count: {own.why}", tone="warn")
        who = f"You answer as {person.name}." if person else ""
        # Where nobody can approve, neither can this reader.
        form = replace(form, approves=form.approves and own.approves, reader=person.name if person else "")
        return replace(view, form=form, hint=view.hint or own.why or who)

    def _unseen(self, stack: Stack, run_id: str, request: Request) -> Answer:
        """A run that is found by its id, which some reviewers may not: what lies under its model's name, they may."""
        given, person = request.query.get("model", ""), self._signed_in.person()
        model = _model(given) if given else ""
        if model and (report := stack.bucket.read(stack.bucket.uri(report_key(model, run_id, "html"))).body):
            return Answer(200, report.decode("utf-8", "replace"), ours=False, model=model)
        sections = _of_model(stack, model, run_id) if model else ()
        name = person.name if person else ""
        page = unseen_page(run_id, model, sections, reader=name, nonce=request.nonce)
        return Answer(200, page, forms=True, model=model)

    # Answering.

    def _vote(self, request: Request, run_id: str) -> Answer:
        given = dict(request.form)
        decision, subject = given.get("decision"), given.get("subject")
        comment = clean_comment(given.get("comment", ""))
        if (
            decision not in set(Said)
            or subject not in SUBJECTS
            or set(given) - {"decision", "subject", "comment", "reader"}
        ):
            raise Refusal(400, "Nothing was decided", "The form is not whole. Go back, choose, and send it again.")
        if (against := against_words(comment, COMMENT_LIMIT)) is not None:
            raise Refusal(400, "Nothing was decided", f"The comment {against} Go back and change it.")
        try:
            stack = self._signed_in.stack()
        except OperatorError as error:
            return _kept(_message(502, "Nothing was decided", str(error), run_id), request, run_id)
        cast = Cast(run_id, decision, subject=subject)
        self.casts.append(cast)
        try:
            told = stack.decide(
                {
                    "action": "decide",
                    "run_id": run_id,
                    "decision": decision,
                    "comment": comment,
                    "subject": subject,
                    # Whoever signs in anew meanwhile may be somebody else.
                    "shown_as": given.get("reader", ""),
                }
            )
        except (BotoCoreError, ClientError) as error:
            return self._vote_failed(error, cast, request)
        except OperatorError as error:
            if error.status == Exit.NOT_REACHED:
                return self._lost(str(error), run_id)
            cast.sentence, cast.counted = str(error), False
            self._signed_in.forget()  # it may be that whoever is signed in changed
            return _message(403, "Nothing was decided", str(error), run_id)
        cast.sentence, cast.counted, cast.decided = told["reason"], bool(told["counted"]), bool(told["decided"])
        return self._told(stack, run_id, told)

    def _told(self, stack: Stack, run_id: str, told: dict[str, Any]) -> Answer:
        code = VoteCode(told["code"])
        try:
            found = run_seen(stack, run_id)
        except (BotoCoreError, ClientError, OperatorError):
            found = None  # the answer is what counts; the rest can be looked at again
        if isinstance(found, RunSeen) and found.asked is not None and found.asked.wait.subject == told["subject"]:
            view = told_view(
                approval_view(found.asked, speaker_of(stack), self._now()), found.asked.wait, code, told["reason"]
            )
            return Answer(STATUS[code], _with_unread(render(view), found.unread), model=found.model)
        title = "Your answer is counted" if told["counted"] else "Nothing was decided"
        return _message(STATUS[code], title, told["reason"], run_id, tone="good" if told["counted"] else "warn")

    def _lost(self, why: str, run_id: str) -> Answer:
        """An answer whose result did not come."""
        return _message(
            502,
            "Your answer may have been counted",
            f"{why} Where the run stands says whether it was counted; sent again it counts once.",
            run_id,
        )

    def _vote_failed(self, error: BotoCoreError | ClientError, cast: Cast, request: Request) -> Answer:
        """An answer that AWS did not take."""
        if not was_refused(error):
            return self._lost(refusal(error), cast.run_id)
        cast.sentence, cast.counted = "not sent: AWS took no such request of you", False
        refused = (
            self._aws_failed(error)
            if signed_out(error)
            else _message(403, "Nothing was decided", refusal(error), cast.run_id)
        )
        return _kept(refused, request, cast.run_id)

    def _aws_failed(self, error: BotoCoreError | ClientError) -> Answer:
        if not signed_out(error):
            return _message(502, "AWS did not answer this", f"{refusal(error)} Then load this page again.")
        self._signed_in.forget()
        return _message(
            401,
            "Your sign-in is over",
            "Nothing was decided. Sign in to AWS again (aws sso login, or as you always do), then load this page again. Keys that "
            "you exported in a shell are that shell's: then end this command with Ctrl-C, export the new ones and run it again.",
        )


def _kept(answer: Answer, request: Request, run_id: str) -> Answer:
    """An answer to a vote that came to nothing, with the form that sends the vote again."""
    form = again_form(path_to("run", run_id), request.form, request.nonce, "Send it again")
    return replace(answer, page=answer.page.replace("</main>", f"{form}</main>", 1), forms=True)


def _with_unread(page: str, unread: Sequence[str]) -> str:
    """A page, with what of it may not be read."""
    return page.replace("</main>", f"{unread_html(unread)}</main>", 1)


def _report(stack: Stack, run_id: str, model: str) -> Answer:
    return Answer(200, run_pages(stack, run_id)["html"].decode("utf-8", "replace"), ours=False, model=model)


def _of_model(stack: Stack, model: str, run_id: str) -> tuple[Section, ...]:
    """What of a run lies under its model's name."""

    def record(key: str) -> dict[str, Any]:
        return mapping(json_object(stack.bucket.read(stack.bucket.uri(key)).body or b""))

    manifest, evaluation = record(manifest_key(model, run_id)), record(evidence_key(model, run_id, "evaluation"))
    if not manifest:
        return (Section("Not shown", (("Manifest", f"None of run {run_id} may be read under the name {model}."),)),)
    signal = mapping(manifest.get("signal"))
    threshold, champion = mapping(signal.get("threshold")), mapping(manifest.get("champion"))
    drift = Section(
        "What drifted",
        facts_of(
            ("What happened", signal.get("summary")),
            ("Metric", threshold.get("metric")),
            ("Observed", figure(threshold.get("observed"))),
            ("Threshold", figure(threshold.get("threshold"))),
            ("Training target", mapping(manifest.get("training")).get("target")),
            ("Serves now", champion.get("model_name")),
        ),
    )
    if not evaluation:
        return (drift,)
    effective = mapping(mapping(manifest.get("policy")).get("effective"))
    confidence = mapping(effective.get("evaluation")).get("confidence")
    return (candidate_section({"verdict": evaluation.get("verdict")}, evaluation, confidence), drift)


def _message(status: int, title: str, sentence: str, run_id: str = "", *, tone: str = "warn") -> Answer:
    links = [(path_to("run", run_id), "Where the run stands")] if run_id else []
    return Answer(status, message_page(title, sentence, tone=tone, links=[*links, (HOME, "Overview")]))


def _kicker(stack: Stack) -> str:
    return f"Retraining review · {stack.name}, {stack.place.region}"


def _run(given: str) -> str:
    if execution_name(given) is None:
        raise Refusal(*NOT_THERE, "No run has such a name.")
    return given


def _model(given: str) -> str:
    if model_name(given) is None:
        raise Refusal(*NOT_THERE, "No model has such a name: letters, digits and hyphens, at most 63.")
    return given


def _where(error: Exception) -> str:
    """Function and line an error came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = re.sub(r".*/", "", trace.tb_frame.f_code.co_filename) if trace else ""
    return f"line {trace.tb_lineno} of {name}" if trace else "nobody knows where"
