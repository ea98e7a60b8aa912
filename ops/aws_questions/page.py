"""The page on what AWS answered: the questions, and the results of the last run that are kept beside the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.aws_questions import QUESTIONS
from ops.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RESULTS: Final = ROOT / "docs" / "verified-on-aws.json"
"""Results of the last run on AWS; there is no such file until somebody ran it."""


@dataclass(frozen=True, slots=True)
class Results:
    """``answers``: by question ``holds``, ``saw``, ``on`` which day and ``region``."""

    answers: dict[str, dict[str, Any]]

    @classmethod
    def kept(cls, path: Path = RESULTS) -> Results | None:
        """The results of the file, None when nobody ran it."""
        if not path.exists():
            return None
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def keep(self, path: Path = RESULTS) -> None:
        """Write the file. It names no account."""
        path.write_text(json.dumps(self.answers, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def state_sentence(results: Results | None) -> str:
    """Whether anybody ran it, and what came out."""
    if results is None:
        return (
            "Nobody ran `retraining verify-aws` yet: nothing of this project was ever seen on AWS itself, and all "
            f"{len(QUESTIONS)} questions it asks are open."
        )
    known = [results.answers[each.name] for each in QUESTIONS if each.name in results.answers]
    held = sum(bool(each["holds"]) for each in known)
    days = sorted({str(each["on"]) for each in known})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    regions = ", ".join(sorted({str(each["region"]) for each in known}))
    return (
        f"Of {len(QUESTIONS)} questions {held} hold and {len(known) - held} do not, as seen in {regions} on {span}; "
        f"{len(QUESTIONS) - len(known)} are open."
    )


def questions_table(results: Results | None) -> str:
    """Every question with its document, what is built on it, and its answer."""
    answers = results.answers if results else {}
    lines = ["| question | what the document leaves open | built on it | answer |", "| --- | --- | --- | --- |"]
    for each in QUESTIONS:
        answer = answers.get(each.name)
        said = "open"
        if answer:
            held = "holds" if answer["holds"] else "does not hold"
            said = f"{held} ({answer['region']}, {answer['on']}): {answer['saw']}"
        cells = (
            f"`{each.name}`: {each.asks}",
            f"{each.open} ([document]({each.document}))",
            each.built_on,
            said,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(lines)
