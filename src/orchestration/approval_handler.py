"""Entry points of ApprovalFunction, the review page and its API, and of VoteFunction, decisions from the terminal.

A request of the function URL is payload format 2.0: GET and HEAD show, POST decides, nothing else does anything. Lambda wraps
it and writes into it who signed it; whoever may invoke a function directly can write the same. So the page is a function that
nobody may invoke but through its URL, and the terminal's, ``{"action": "decide", "proof", ...}``, is another.

No log line holds an event, a body or a query: a link's nonce decides for whoever reads it.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl

from orchestration.composition import compose_approval
from orchestration.dispatch import dispatch
from orchestration.domain.approval_view import EXPIRED, KICKER, NOT_DECIDED, approval_view, told_view
from orchestration.domain.canonical_json import canonical
from orchestration.domain.commands import against_words
from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.domain.json_values import execution_name, mapping, text
from orchestration.domain.review_page import HEADERS, View, render
from orchestration.domain.votes import (
    COMMENT_LIMIT,
    Answer,
    Via,
    VoteCode,
    clean_comment,
    nonce_shaped,
)
from orchestration.settings import ApprovalAccess
from orchestration.steps.approval_reading import asked_of
from orchestration.steps.approvals import (
    SUBJECTS,
    Ballot,
    approval_of,
    approval_of_nonce,
    decide,
)
from orchestration.steps.callers import person_who_may_ask

if TYPE_CHECKING:
    from orchestration.domain.people import Person
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts

LOG = logging.getLogger("orchestration")

BODY_LIMIT: Final = 16_384
"""Bytes of a form. The longest comment, percent-encoded, has 12,000."""

QUERY_LIMIT: Final = 2048
"""Characters of a query. A run's name of 80 characters, percent-encoded, with a nonce has 1,020."""

STATUS: Final = {
    VoteCode.DECIDED: 200,
    VoteCode.COUNTED: 200,
    VoteCode.COUNTED_BEFORE: 409,
    VoteCode.DECIDED_BEFORE: 409,
    VoteCode.EXPIRED: 410,
    VoteCode.PAUSED: 409,
    VoteCode.RUN_OVER: 409,
    VoteCode.PLAN_CHANGED: 409,
    VoteCode.ASKER: 403,
    VoteCode.NAME_NEEDED: 403,
    VoteCode.NO_VOTER: 403,
    VoteCode.TOO_EARLY: 403,
    VoteCode.LINK_INVALID: 403,
    VoteCode.UNKNOWN: 404,
}
"""HTTP status of what became of a vote."""

TITLES: Final = {
    400: "This request cannot be read",
    403: "This link is not valid",
    404: "Nothing to review here",
    405: "This page knows GET and POST only",
    409: NOT_DECIDED,
    410: EXPIRED,
    413: "This form is too large",
    415: "This form has another format",
    500: "The page failed",
    503: "Too many at once",
}

_ports: list[ApprovalPorts] = []


class _Refusal(Exception):  # noqa: N818 - not an error of the program but an answer to its caller
    """A request that is answered without looking at any approval."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


def review(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Answer a request of the function URL.

    Raises:
        InvalidRequestError: this is no request of the URL.
    """
    del context
    return answer(event, _composed())


def vote(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Count a decision from the terminal.

    Raises:
        InvalidRequestError: this is no decision, or nobody is proven to decide.
        OrchestrationError: what the decision runs into.
    """
    del context
    return run_action(event, _composed())


def _composed() -> ApprovalPorts:
    if not _ports:
        _ports.append(compose_approval())
    return _ports[0]


def run_action(event: Any, ports: ApprovalPorts) -> dict[str, Any]:
    """Route a decision from the terminal; the part of the entry point that needs no environment."""
    request = mapping(event)
    return dispatch(
        str(request.get("action")), {"decide": "orchestration.steps.approvals:decide_request"}, request, ports
    )


def answer(event: Any, ports: ApprovalPorts) -> dict[str, Any]:
    """Answer a request of the URL; the part of the entry point that needs no environment."""
    request = mapping(event)
    if "requestContext" not in request:
        raise InvalidRequestError(
            "ApprovalFunction takes requests of its URL; decide with the commands that the message names."
        )
    wants_json = _wants_json(request)
    method = str(mapping(mapping(request["requestContext"]).get("http")).get("method", ""))
    try:
        status, view, more = _answer_http(request, method, ports)
        headers: dict[str, str] = {}
    except _Refusal as refusal:
        status, headers = refusal.status, refusal.headers
        view, more = View(TITLES[status], KICKER, refusal.sentence, "warn"), {}
    except ContentionError as error:
        status, headers, more = 503, {"Retry-After": "2"}, {}
        view = View(TITLES[status], KICKER, str(error), "warn")
    except Exception as error:  # noqa: BLE001 - a reviewer gets a page; what happened is logged without the request
        LOG.error("ApprovalPageFailed", extra={"error": type(error).__name__, "where": _where(error)})  # noqa: TRY400 - a traceback may quote values
        status, headers, more = 500, {}, {}
        view = View(TITLES[status], KICKER, "Open the page again to see whether your answer was counted.", "warn")
    document = {**view.as_json(), **more}
    return {
        "statusCode": status,
        "headers": {
            **HEADERS,
            **headers,
            "Content-Type": "application/json" if wants_json else "text/html; charset=utf-8",
        },
        "body": "" if method == "HEAD" else canonical(document) if wants_json else render(view),
        "isBase64Encoded": False,
    }


def _answer_http(request: dict[str, Any], method: str, ports: ApprovalPorts) -> tuple[int, View, dict[str, Any]]:
    if ports.settings.approval_access is ApprovalAccess.OFF:
        _refuse(404, "This stack has no review page; decide with the commands that the message names.")
    if method not in {"GET", "HEAD", "POST"}:
        _refuse(405, "GET shows an approval, POST decides it.", {"Allow": "GET, HEAD, POST"})
    if request.get("rawPath") not in ("/", "", None):
        _refuse(404, "The review page is at the root of this address.")
    raw = str(request.get("rawQueryString") or "")
    if len(raw) > QUERY_LIMIT:
        _refuse(404, f"No run has an address of more than {QUERY_LIMIT} characters.")
    query = _fields(raw, allowed={"run", "nonce"}, what="address")
    run_id = query.get("run")
    if not run_id:
        _refuse(400, "The address lacks run, the id of the run to review.")
    if execution_name(run_id) is None:
        _refuse(404, "No run has such a name.")
    if method == "POST":
        return _post(request, run_id, ports)
    return _get(query, run_id, ports)


def _get(query: dict[str, str], run_id: str, ports: ApprovalPorts) -> tuple[int, View, dict[str, Any]]:
    nonce = None
    if ports.settings.approval_access is ApprovalAccess.LINK:
        nonce = _nonce(query)
        found = approval_of_nonce(ports, run_id, nonce, Via.LINK)
        if found is None:
            _refuse(403, "Nothing was shown and nothing was decided. Use the newest message about this run.")
        wait = found
    else:
        known = approval_of(ports, run_id)
        if known is None:
            _refuse(404, "No approval was asked for this run.")
        wait = known
    view = _view(ports, wait, nonce)
    return 200, view, _state(wait)


def _post(request: dict[str, Any], run_id: str, ports: ApprovalPorts) -> tuple[int, View, dict[str, Any]]:
    form = _form(request)
    decision, subject = form.get("decision"), form.get("subject")
    if decision not in set(Answer):
        _refuse(400, "The form lacks decision: APPROVED or REJECTED.")
    if subject not in SUBJECTS:
        _refuse(400, f"The form lacks subject: {', '.join(SUBJECTS)}, as the page said.")
    comment = clean_comment(form.get("comment", ""))
    if (against := against_words(comment, COMMENT_LIMIT)) is not None:
        _refuse(400, f"The comment {against} Go back and change it.")
    if ports.settings.approval_access is ApprovalAccess.LINK:
        person, via, nonce = None, Via.LINK, _nonce(form)
    else:
        person, via, nonce = _identity(request, ports), Via.IAM, None
    told = decide(ports, Ballot(run_id, Answer(decision), person, via, comment, subject, nonce))
    status = STATUS[told.code]
    if told.wait is None:
        _refuse(status, f"{told.sentence} Nothing was decided.")
    view = told_view(_view(ports, told.wait, None), told.wait, told.code, told.sentence)
    return status, view, {**told.as_record(), **_state(told.wait)}


def _view(ports: ApprovalPorts, wait: Wait, nonce: str | None) -> View:
    asked = asked_of(ports.table, ports.bucket, wait)
    by_link = ports.settings.approval_access is ApprovalAccess.LINK
    return approval_view(asked, ports.settings.speaker, ports.now(), by_link=by_link, nonce=nonce)


def _state(wait: Wait) -> dict[str, Any]:
    """The approval for programs."""
    return {
        "run_id": wait.run_id,
        "model": wait.model,
        "subject": wait.subject,
        "deadline": wait.deadline,
        "approvals_needed": wait.approvals_needed,
        "votes": wait.data.get("votes"),
        "decision": wait.result.ruling.decision if wait.result and wait.result.ruling else None,
    }


def _identity(request: dict[str, Any], ports: ApprovalPorts) -> Person:
    """The person Lambda found in the signature. Lambda sets it; nothing a caller sends gets there."""
    iam = mapping(mapping(mapping(request["requestContext"]).get("authorizer")).get("iam"))
    arn = text(iam.get("userArn"), 700)
    if arn is None or arn != iam["userArn"]:
        _refuse(
            403,
            "The request carries no IAM identity, so nobody would have decided. Sign it, or decide from a terminal.",
        )
    try:
        return person_who_may_ask(ports, arn)
    except InvalidRequestError as error:
        _refuse(403, str(error))


def _nonce(fields: dict[str, str]) -> str:
    """The nonce of a link. What cannot be one is refused before anything is read: the address is open to everybody."""
    nonce = fields.get("nonce", "")
    if not nonce_shaped(nonce):
        _refuse(404, "This link is not whole. Use the newest message about this run, and all of its link.")
    return nonce


def _form(request: dict[str, Any]) -> dict[str, str]:
    headers = {str(name).lower(): str(value) for name, value in mapping(request.get("headers")).items()}
    kind = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        _refuse(415, "Send the page's own form: application/x-www-form-urlencoded.")
    raw = str(request.get("body") or "")
    if len(raw) > BODY_LIMIT * 4 // 3 + 4:
        _refuse(413, f"The form is larger than {BODY_LIMIT} bytes.")
    try:
        body = base64.b64decode(raw, validate=True) if request.get("isBase64Encoded") else raw.encode()
        decoded = body.decode("ascii")
    except ValueError:
        # Not base64, or not ASCII: binascii and the codecs each have an error of their own below it.
        _refuse(400, "The form's encoding is broken.")
    if len(body) > BODY_LIMIT:
        _refuse(413, f"The form is larger than {BODY_LIMIT} bytes.")
    return _fields(decoded, allowed={"decision", "comment", "subject", "nonce"}, what="form")


def _fields(encoded: str, *, allowed: set[str], what: str) -> dict[str, str]:
    """Fields of a query or a form: known names, each once, valid UTF-8."""
    if not encoded:
        return {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20)
    except ValueError:
        _refuse(400, f"The {what} cannot be read.")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _refuse(400, f"The {what} has a field twice; nobody can tell which one counts.")
    if set(fields) - allowed:
        _refuse(400, f"The {what} has fields this page does not know.")
    return fields


def _wants_json(request: dict[str, Any]) -> bool:
    headers = {str(name).lower(): str(value).lower() for name, value in mapping(request.get("headers")).items()}
    accepted = headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _where(error: Exception) -> str:
    """File and line an error came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""


def _refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> NoReturn:
    raise _Refusal(status, sentence, headers)
