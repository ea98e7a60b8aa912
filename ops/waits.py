"""Print what is parked: what it waits for, for whom, since when, until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ops.history import run_of
from ops.invocation import legal_identity, stack_command
from ops.review.reading import speaker_of
from ops.terminal import Styled
from orchestration.domain.approval_view import approval_view
from orchestration.domain.commands import WHY
from orchestration.domain.contracts import WaitKind
from orchestration.domain.json_values import sequence
from orchestration.domain.votes import MayAnswer, unweighable
from orchestration.steps.approval_reading import asked_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.page import Section
    from orchestration.domain.review_page import View
    from orchestration.domain.wait import Wait


@stack_command("waits", watch=True)
@click.argument("run", required=False, default="", envvar="RETRAINING_RUN", callback=legal_identity)
def waits(stack: Stack, terminal: Terminal, *, run: str) -> int:
    """Print what is parked: what it waits for, for whom, since when, until when.

    With RUN, what that one waits for, and all that a reviewer sees before answering: gates, what changes, artifact and
    image, policy, cost so far. Exit status 1: there is no such run.
    """
    if run:
        run = run_of(stack, run)
        found = [wait for wait in stack.table.waits_of_run_without_tokens(run) if not wait.resolved]
    else:
        found = sorted(stack.table.waits_without_tokens(), key=lambda wait: wait.parked_at)
    seen = [_view(stack, wait) if run else None for wait in found]
    documents = [wait_document(wait) for wait in found]
    terminal.answer(
        {
            "waits": [
                {
                    **each,
                    "remarks": [] if view is None else _remarks(view),
                    "sections": None if view is None else [section.as_json() for section in view.sections],
                }
                for each, view in zip(documents, seen, strict=True)
            ]
        }
    )
    if not found:
        terminal.say(f"Run {run} waits for nothing. Its life:" if run else "Nothing is parked.")
    if run and not found:
        terminal.command(stack.place.command("history", run=run))
    for place, (each, view) in enumerate(zip(documents, seen, strict=True)):
        if place:
            terminal.say()
        _say(stack, terminal, each, view)
    return 0


def _view(stack: Stack, wait: Wait) -> View | None:
    """What a reviewer sees of an approval; None of a wait that is not for people."""
    if wait.kind is not WaitKind.APPROVAL:
        return None
    return approval_view(asked_of(stack.table, stack.bucket, wait), speaker_of(stack), datetime.now(UTC))


def _remarks(view: View) -> list[str]:
    """What keeps answers from counting, or cannot be shown."""
    return [*([view.notice] if view.tone == "warn" else []), *([view.hint] if view.hint else [])]


def _step(wait: Wait) -> str:
    """What comes at the time of a wait's next step."""
    if wait.kind is not WaitKind.APPROVAL:
        return "the loop looks again"
    if wait.next_step_at >= wait.deadline:
        return "no answer means no"
    return "people are reminded" if wait.step == 0 else "the escalation topic hears"


def wait_document(wait: Wait) -> dict[str, Any]:
    """A wait as commands show it, without its tokens; ``approval`` is None for a wait that is not for people."""
    data = wait.data
    asked = wait.kind is WaitKind.APPROVAL
    said = "" if data.get("accepted") else data.get("said", "")
    broken = unweighable(wait) if asked else None
    return {
        "kind": str(wait.kind),
        "subject": wait.subject,
        "model": wait.model,
        "run_id": wait.run_id,
        "names": [name.partition(":")[2] for name in data.get("names", ())],
        "parked_at": wait.parked_at,
        "next_step_at": wait.next_step_at,
        "next_step": _step(wait),
        "until": str(data.get("until") or wait.deadline),
        "why": str(data.get("why") or (said and f"AWS has not taken it yet: {said}") or "") or None,
        "approval": {
            "counted": len(sequence(data.get("votes"))),
            "needed": wait.approvals_needed,
            "counted_as": [vote["by"] for vote in sequence(data.get("votes"))],
            "asked_by": list(data.get("asked_by") or ()),
            "voters": list(data.get("voters") or ()),
            "deputies": list(data.get("deputies") or ()),
            "deputies_from": MayAnswer.of(data, wait.parked_at).since.isoformat()
            if data.get("deputies") and broken is None
            else None,
        }
        if asked
        else None,
    }


def _say(stack: Stack, terminal: Terminal, wait: dict[str, Any], view: View | None) -> None:
    approval = wait["approval"]
    what = f"approval of {wait['subject']}" if approval else wait["kind"]
    terminal.say(Styled("bold", f"{what}, {wait['model']}"), hang=2)
    terminal.say(f"  run {wait['run_id']}")
    named = ", ".join(wait["names"]) or (None if approval else wait["subject"])
    facts: list[tuple[str, str | None]] = [
        ("waits for", f"people, {approval['counted']} of {approval['needed']} said yes" if approval else named or None),
        ("since", wait["parked_at"][:19]),
        ("next step", f"{wait['next_step_at'][:19]}, {wait['next_step']}"),
        ("until", wait["until"][:19]),
        ("why", wait["why"]),
    ]
    if approval:
        facts += [
            ("counted", ", ".join(approval["counted_as"]) or None),
            ("asked by", ", ".join(approval["asked_by"]) or None),
            ("may answer", ", ".join(approval["voters"]) or None),
            ("deputies", _deputies(approval)),
        ]
    terminal.facts(facts)
    if view is not None:
        for remark in _remarks(view):
            terminal.say(f"  {remark}", hang=2)
        say_sections(terminal, view.sections)
    elif approval:
        terminal.say("  all there is to see of it, and the answers:")
        terminal.command(stack.place.command("waits", wait["run_id"]))
    if approval:
        for answer in ("approve", "reject"):
            terminal.command(stack.place.command(answer, wait["run_id"], comment=WHY, subject=wait["subject"]))


def _deputies(approval: dict[str, Any]) -> str | None:
    names = ", ".join(approval["deputies"])
    return f"{names}, from {approval['deputies_from'][:19]} on" if names else None


def say_sections(terminal: Terminal, sections: Iterable[Section]) -> None:
    """Print what a page shows, below each other."""
    for section in sections:
        terminal.say()
        terminal.say(Styled("bold", section.heading))
        terminal.facts(section.facts)
        for table in section.tables:
            terminal.say(f"  {table.caption}:", hang=2)
            terminal.table(table.columns, table.rows)
    terminal.say()
