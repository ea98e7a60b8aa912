"""Messages for people, one text for each protocol. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Decision, Status

SUBJECT_LIMIT = 99
"""Characters of an e-mail subject. Source: SNS Publish, "fewer than 100 characters", no line breaks."""

_MARKS = {
    "RETRAIN": ":arrows_counterclockwise:",
    "HOLD": ":raised_hand:",
    "REJECT": ":no_entry:",
    "PROMOTED": ":white_check_mark:",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what happened, the facts, what to do next."""

    model: str | None
    status: str
    title: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    next_steps: tuple[str, ...] = ()
    escalates: bool = False
    thread: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The subject line: ASCII, one line, short enough for SNS."""
        line = f"[{'ESCALATION ' if self.escalates else ''}{self.model or 'retraining'}] {self.title}"
        printable = "".join(character if character.isprintable() else " " for character in line)
        return printable.encode("ascii", "replace").decode()[:SUBJECT_LIMIT]

    def text(self) -> str:
        """Plain text, as e-mail shows it."""
        lines = [self.sentence, ""]
        lines += [f"{name}: {value}" for name, value in self.facts]
        if self.next_steps:
            lines += ["", "What to do:"] + [f"- {step}" for step in self.next_steps]
        return "\n".join(lines)

    def chat(self) -> str:
        """JSON of a custom notification of Amazon Q Developer in chat applications.

        Source: its administrator guide, "Custom notifications": description at most 8000 characters, title 250,
        next steps 350 each.
        """
        facts = "\n".join(f"*{name}*: {value}" for name, value in self.facts)
        body: dict[str, Any] = {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": f"{_MARKS.get(self.status, ':bell:')} {self.model or 'retraining'}: {self.title}"[:250],
                "description": f"{self.sentence}\n{facts}"[:8000],
            },
        }
        if self.next_steps:
            body["content"]["nextSteps"] = [step[:350] for step in self.next_steps]
        if self.thread:
            body["metadata"] = {"threadId": self.thread, "summary": self.title[:250]}
        return canonical(body)

    def by_protocol(self) -> dict[str, str]:
        """Bodies by SNS protocol; chat applications subscribe over https."""
        return {"default": self.text(), "email": self.text(), "https": self.chat()}


def decision_message(
    *, decision: Decision, reason: str, sentence: str, model: str | None, facts: dict[str, str], runbook_url: str
) -> Message:
    """The message on a decision."""
    titles = {
        Decision.RETRAIN: "retraining starts",
        Decision.HOLD: "signal held",
        Decision.REJECT: "signal rejected",
        Decision.COALESCE: "signal kept for later",
        Decision.OBSERVE: "signal observed",
        Decision.SKIP: "nothing to do",
    }
    steps: tuple[str, ...] = ()
    if decision in {Decision.HOLD, Decision.REJECT}:
        steps = (sentence, f"Runbook: {runbook_url}#{reason.lower().replace('_', '-')}")
    return Message(
        model=model,
        status=decision,
        title=f"{titles[decision]} ({reason})",
        sentence=sentence,
        facts=tuple(facts.items()),
        next_steps=steps,
        thread=facts.get("run", ""),
    )


def frozen_message(model: str, reason: str, runbook_url: str) -> Message:
    """The page when the breaker freezes a model."""
    return Message(
        model=model,
        status="FROZEN",
        title="model frozen, a person has to look",
        sentence=f"{model} is frozen and starts no more trainings: {reason}",
        next_steps=(
            f"Look at the gates of its last runs: make history MODEL={model}, then make explain RUN=<run>.",
            "Look at the training data, the labels and the monitor's baseline.",
            f'When the cause is mended: make unfreeze MODEL={model} REASON="..."',
            f"Runbook: {runbook_url}#frozen",
        ),
        escalates=True,
    )


def status_message(
    *,
    status: Status,
    run_id: str,
    model: str,
    sentence: str,
    facts: dict[str, str],
    runbook_url: str,
    next_steps: tuple[str, ...] = (),
) -> Message:
    """The message on a status of a run; failures escalate and name their runbook section."""
    steps = next_steps
    if status.escalates:
        steps = (
            *steps,
            f"Runbook: {runbook_url}#{str(status).lower().replace('_', '-')}",
        )
    return Message(
        model=model,
        status=status,
        title=str(status).replace("_", " ").lower(),
        sentence=sentence,
        facts=(("run", run_id), *facts.items()),
        next_steps=steps,
        escalates=status.escalates,
        thread=run_id,
    )
