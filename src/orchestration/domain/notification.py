"""Messages for people, one text for each protocol. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchestration.domain.canonical_json import canonical
from orchestration.domain.channel_text import chat_line, fitted, plain_line
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECT_LIMIT: Final = 99
"""Characters of an e-mail subject. Source: SNS Publish, "less than 100 characters", no line breaks or control characters."""

MODEL_SHOWN: Final = 11
"""Characters of a model's name that a subject always has room for; the longest question with its deadline leaves as many."""

SENTENCE_LIMIT: Final = 4000
NAME_LIMIT: Final = 100
FACT_LIMIT: Final = 1000
FACTS_SHOWN: Final = 30
STEP_LIMIT: Final = 1000
STEPS_SHOWN: Final = 10
"""Characters and numbers that keep a message below the 256 KiB of SNS, whatever it tells of, and a person reading."""

TITLE_LIMIT: Final = 250
DESCRIPTION_LIMIT: Final = 8000
NEXT_STEP_LIMIT: Final = 350
"""Characters. Source: Amazon Q Developer in chat applications, administrator guide, "Custom notifications"."""

_IN_ADDRESS: Final = "%/:?#[]@!$&'()*+,;=~"
"""Characters besides unreserved ones that an address holds. Source: RFC 3986, section 2.2."""

_MARKS: Final = {
    "RETRAIN": ":arrows_counterclockwise:",
    "ROLL_BACK": ":leftwards_arrow_with_hook:",
    "HOLD": ":raised_hand:",
    "REJECT": ":no_entry:",
    "PROMOTED": ":white_check_mark:",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A step that leads to a page of ours. Only here a message has an address that people can follow."""

    label: str
    url: str

    @property
    def address(self) -> str:
        """The address without a character that could end it, or a line."""
        return quote(self.url, safe=_IN_ADDRESS)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what happened, the facts, what to do next. Its texts are plain; a channel adds what it looks like.

    ``asks``: somebody has to answer, so it goes to those who act as well; ``escalates``: the loop could not go on by itself.
    ``extra`` is for programs in chat alone: what the buttons under the message carry, by button.
    """

    model: str | None
    status: str
    title: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    next_steps: tuple[str | Page, ...] = ()
    escalates: bool = False
    asks: bool = False
    thread: str = ""
    links: tuple[Page, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The subject line: ASCII, one line, short enough for SNS. A long name of a model gives way to what is said of it."""
        title = plain_line(self.title).encode("ascii", "replace").decode()
        start, name = "ESCALATION " if self.escalates else "", plain_line(self.model or "retraining")
        room = max(MODEL_SHOWN, SUBJECT_LIMIT - len(f"[{start}] {title}"))
        name = name if len(name) <= room else f"{name[: room - 3]}..."
        line = f"[{start}{name}] {title}"
        return line if len(line) <= SUBJECT_LIMIT else f"{line[: SUBJECT_LIMIT - 3]}..."

    def text(self) -> str:
        """Plain text, as e-mail shows it. Each line break is one of ours."""
        lines = [fitted(self.sentence, SENTENCE_LIMIT, plain_line), *([""] if self.facts else [])]
        lines += [
            f"{fitted(name, NAME_LIMIT, plain_line)}: {fitted(value, FACT_LIMIT, plain_line)}"
            for name, value in self.facts[:FACTS_SHOWN]
        ]
        lines += _left_out("fact", len(self.facts) - FACTS_SHOWN)
        if self.next_steps:
            lines += ["", "What to do:"]
            lines += [f"- {_step(step, plain_line, STEP_LIMIT)}" for step in self.next_steps[:STEPS_SHOWN]]
            lines += _left_out("step", len(self.next_steps) - STEPS_SHOWN)
        if self.links:
            lines += ["", "Links:", *(f"- {_step(link, plain_line, STEP_LIMIT)}" for link in self.links)]
        return "\n".join(lines)

    def chat(self) -> str:
        """JSON of a custom notification of Amazon Q Developer in chat applications."""
        mark, model = _MARKS.get(self.status, ":bell:"), chat_line(self.model or "retraining")
        start = f"{mark} {model}: "
        body: dict[str, Any] = {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": start + fitted(self.title, TITLE_LIMIT - len(start), chat_line),
                "description": self._description(),
            },
        }
        if self.next_steps:
            steps = [_step(step, chat_line, NEXT_STEP_LIMIT) for step in self.next_steps[:STEPS_SHOWN]]
            body["content"]["nextSteps"] = steps + _left_out("step", len(self.next_steps) - STEPS_SHOWN)
        if self.thread:
            body["metadata"] = {"threadId": self.thread, "summary": fitted(self.title, TITLE_LIMIT, chat_line)}
        if self.thread and self.extra:
            # Both topics bring it to the channel, and so does a second try: what has the same id is shown once.
            body["id"] = sha256(f"{self.thread}\x1f{self.status}\x1f{self.title}")[:32]
            body["metadata"] |= {"additionalContext": self.extra, "enableCustomActions": True}
        return canonical(body)

    def _description(self) -> str:
        """The sentence and as many facts as there is room for; never empty, which the service would refuse."""
        lines = [fitted(self.sentence, SENTENCE_LIMIT, chat_line) or self.status]
        links = [_step(link, chat_line, FACT_LIMIT) for link in self.links]
        room = DESCRIPTION_LIMIT - SENTENCE_LIMIT - 100 - sum(len(link) + 1 for link in links)
        for position, (name, value) in enumerate(self.facts):
            line = f"*{fitted(name, NAME_LIMIT, chat_line)}*: {fitted(value, FACT_LIMIT, chat_line)}"
            room -= len(line) + 1
            if room < 0:
                return "\n".join([*lines, *_left_out("fact", len(self.facts) - position), *links])
            lines.append(line)
        return "\n".join([*lines, *links])

    def by_protocol(self) -> dict[str, str]:
        """Bodies by SNS protocol; chat applications subscribe over https, mail gets the default."""
        return {"default": self.text(), "https": self.chat()}


def _step(step: str | Page, encode: Callable[[str], str], limit: int) -> str:
    """A step as a channel writes it. An address is whole or not there at all."""
    if isinstance(step, str):
        return fitted(step, limit, encode)
    line = f"{encode(step.label)}: {step.address}"
    return line if len(line) <= limit else f"{encode(step.label)}: the address is too long to be shown here."


def _left_out(what: str, count: int) -> list[str]:
    return [f"({count:,} more {what}{'s' if count > 1 else ''} left out)"] if count > 0 else []
