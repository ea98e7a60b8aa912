"""Approve or reject what a run waits for, under your own AWS identity; the same rules and record as on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.identities import identity_in
from ops.invocation import stack_command
from ops.stack import CallError, OperatorError
from orchestration.domain.approval_view import FOLLOWS
from orchestration.domain.commands import WHY, against_words
from orchestration.domain.contracts import WaitKind
from orchestration.domain.votes import COMMENT_LIMIT, clean_comment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.wait import Wait

SUBJECTS: Final = ("training", "promotion", "bake")


def _comment(context: click.Context, option: click.Parameter, given: str) -> str:
    against = against_words(clean_comment(given), COMMENT_LIMIT)
    if against is not None:
        raise click.BadParameter(f"it {against}", context, option)
    return given


def _run_and_comment(function: Callable[..., int]) -> Callable[..., int]:
    made = click.argument("run", envvar="RETRAINING_RUN")(function)
    made = click.option("--comment", default="", callback=_comment, help="Why; kept as evidence.")(made)
    said = f"One of {', '.join(SUBJECTS)}; what is open when nothing is said."
    return click.option("--subject", type=click.Choice(SUBJECTS), metavar="SUBJECT", help=said)(made)


@stack_command("approve")
@_run_and_comment
def approve(stack: Stack, terminal: Terminal, **given: Any) -> int:
    """Approve what RUN waits for. Exit status 1: it was not counted."""
    return _decide(stack, terminal, "APPROVED", **given)


@stack_command("reject")
@_run_and_comment
def reject(stack: Stack, terminal: Terminal, **given: Any) -> int:
    """Reject what RUN waits for, which ends the run. Exit status 1: it was not counted."""
    return _decide(stack, terminal, "REJECTED", **given)


def _decide(stack: Stack, terminal: Terminal, decision: str, *, run: str, comment: str, subject: str | None) -> int:
    """Have VoteFunction count the answer, and look up what it was counted as."""
    run_id = identity_in(run)
    if not run_id:
        raise CallError("Which run? What is open, each with its run:", stack.place.command("waits"))
    told = stack.decide(
        {"action": "decide", "run_id": run_id, "decision": decision, "comment": comment, "subject": subject}
    )
    counted, command = bool(told["counted"]), stack.place.command
    waits = _waits(stack, run_id) if told["subject"] else None
    about = _counted_as(stack, told, waits) if waits is not None else None
    show = command("waits")
    if told["subject"]:
        # Who reviews one model only may not look at a run by its id.
        of_model = waits is None and told.get("model")
        show = command("history", model=told["model"]) if of_model else command("history", run=run_id)
    missing = max(0, about["needed"] - about["counted"]) if about else None
    # Whoever answered at the same moment may have decided it.
    another = (
        command("approve", run_id, comment=WHY, subject=told["subject"])
        if counted and not told["decided"] and missing != 0
        else None
    )
    follows = FOLLOWS.get((told["subject"], decision == "APPROVED")) if counted else None
    if another:
        follows = f"{missing or 'More'} other {'person has' if missing == 1 else 'people have'} to approve:"
    terminal.answer(
        {
            "run_id": run_id,
            "subject": told["subject"],
            "counted": counted,
            "decided": bool(told["decided"]),
            "code": told.get("code"),
            "sentence": told["reason"],
            "counted_as": about,
            "follows": follows,
            "show": show,
        }
    )
    of = f"{told['subject']} of run {run_id}: " if told["subject"] else ""
    nothing = "" if counted or "Nothing was decided" in told["reason"] else "Nothing was decided. "
    terminal.say(f"{nothing}{of}{told['reason']}")
    if counted and about:
        terminal.facts(
            [
                ("counted as", about["by"]),
                ("proven by", about["proven_by"]),
                ("your ARN", about["arn"]),
                ("approvals", f"{about['counted']} of {about['needed']}" if decision == "APPROVED" else None),
            ]
        )
    if follows:
        terminal.say(follows)
    if another:
        terminal.command(another)
    terminal.say("See it:" if told["subject"] else "What is open:")
    terminal.command(show)
    return 0 if counted else 1


def _waits(stack: Stack, run_id: str) -> list[Wait] | None:
    """What the run waits for and waited for; None where whoever answered may not look at it."""
    try:
        return stack.table.waits_of_run_without_tokens(run_id)
    except (BotoCoreError, ClientError, OperatorError):
        return None


def _counted_as(stack: Stack, told: dict[str, Any], waits: list[Wait]) -> dict[str, Any] | None:
    """As whom the caller's vote was counted, and how many there are; None where AWS does not say who asks."""
    try:
        arn = stack.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError, OperatorError):
        return None
    asked = next((w for w in waits if w.kind is WaitKind.APPROVAL and w.subject == told["subject"]), None)
    votes = asked.data.get("votes", []) if asked is not None else []
    own = next((vote for vote in reversed(votes) if vote.get("arn") == arn), None)
    if asked is None or own is None:
        return None
    approvals = [vote for vote in votes if vote["answer"] == "APPROVED"]
    return {
        "by": own["by"],
        "arn": own["arn"],
        "proven_by": own.get("proven_by") or None,
        "counted": len(approvals),
        "needed": asked.approvals_needed,
    }
