"""Print what is parked: what it waits for, for whom, since when, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops.invocation import stack_command
from ops.terminal import Styled
from orchestration.domain.contracts import WaitKind
from orchestration.domain.json_values import sequence

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.wait import Wait


@stack_command("waits", watch=True)
def waits(stack: Stack, terminal: Terminal) -> int:
    """Print what is parked: what it waits for, for whom, since when, until when."""
    found = sorted(stack.table.waits_without_tokens(), key=lambda wait: wait.parked_at)
    documents = [wait_document(wait) for wait in found]
    terminal.answer({"waits": documents})
    if not found:
        terminal.say("Nothing is parked.")
    for place, each in enumerate(documents):
        if place:
            terminal.say()
        _say(stack, terminal, each)
    return 0


def wait_document(wait: Wait) -> dict[str, Any]:
    """A wait as commands show it, without its tokens; ``approval`` is None for a wait that is not for people."""
    data = wait.data
    asked = wait.kind is WaitKind.APPROVAL
    said = "" if data.get("accepted") else data.get("said", "")
    return {
        "kind": str(wait.kind),
        "subject": wait.subject,
        "model": wait.model,
        "run_id": wait.run_id,
        "names": [name.partition(":")[2] for name in data.get("names", ())],
        "parked_at": wait.parked_at,
        "next_step_at": wait.next_step_at,
        "until": str(data.get("until") or wait.deadline),
        "why": str(data.get("why") or (said and f"AWS has not taken it yet: {said}") or "") or None,
        "approval": {
            "counted": len(sequence(data.get("votes"))),
            "needed": int(data.get("approvals_needed", 1)),
            "counted_as": [vote["by"] for vote in sequence(data.get("votes"))],
            "asked_by": list(data.get("asked_by") or ()),
            "voters": list(data.get("voters") or ()),
        }
        if asked
        else None,
    }


def _say(stack: Stack, terminal: Terminal, wait: dict[str, Any]) -> None:
    approval = wait["approval"]
    what = f"approval of {wait['subject']}" if approval else wait["kind"]
    terminal.say(Styled("bold", f"{what}, {wait['model']}"), hang=2)
    terminal.say(f"  run {wait['run_id']}")
    named = ", ".join(wait["names"]) or (None if approval else wait["subject"])
    facts: list[tuple[str, str | None]] = [
        ("waits for", f"people, {approval['counted']} of {approval['needed']} said yes" if approval else named or None),
        ("since", wait["parked_at"][:19]),
        ("next step", wait["next_step_at"][:19]),
        ("until", wait["until"][:19]),
        ("why", wait["why"]),
    ]
    if approval:
        facts += [
            ("counted", ", ".join(approval["counted_as"]) or None),
            ("asked by", ", ".join(approval["asked_by"]) or None),
            ("may answer", ", ".join(approval["voters"]) or None),
        ]
    terminal.facts(facts)
    if approval:
        for answer in ("approve", "reject"):
            terminal.command(stack.place.command(answer, wait["run_id"], comment="..."))
