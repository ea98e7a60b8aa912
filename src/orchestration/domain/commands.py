"""Commands as they are written for people: whole, so that they reach the stack that speaks of them. Pure.

What only whoever reads one can know stands in it as a place to fill in, such as ``<why>``; no command takes that for a value.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

WRITTEN: Final = re.compile(
    r"retraining [a-z][^\n]*? --stack (?:'[^'\n]*'|[^\s']+) --region [a-z0-9-]+"
    r"(?: --profile (?:'[^'\n]*'|[\w@%+=:,./-]*[\w@%+=/-]))?"
)
"""A command of `Place.command` in a sentence: it ends in the stack and Region it is about, and in the profile where one was
named; a full stop, comma or bracket behind it is the sentence's."""

WHY: Final = "<why>"
"""The place of a reason or a comment in a command that is written for people."""

UNFILLED: Final = re.compile(r"(?:<|&lt;)[^<>]*(?:>|&gt;)|\.{2,}|\u2026|YOUR[ _-][A-Z_-]+|your reason")
"""A place to fill in: as it is written here, in a chat too, as docs and people write it, and as messages of the release before did."""

REASON_LIMIT: Final = 500
"""Characters kept of the reason of a change."""


def against_value(said: str) -> str | None:
    """What is to be said against a value that is only a place to fill in, to follow what it is of; None of any other."""
    if UNFILLED.fullmatch(said.strip().strip("\"'")) is None:
        return None
    return f"is {said.strip()}, a place to fill in: write your own in its stead."


def against_words(said: str, limit: int) -> str | None:
    """What is to be said against words that are kept as evidence, to follow what they are; None of words that are kept whole.

    Args:
        said: what somebody wrote, without the control characters that nobody keeps.
        limit: characters that are kept.
    """
    if len(said) > limit:
        return f"has {len(said)} characters; at most {limit} are kept."
    return against_value(said)


@dataclass(frozen=True, slots=True)
class Place:
    """A deployed stack, as a command names it."""

    stack: str
    region: str
    profile: str = ""
    """Of the AWS configuration, where whoever reads it named one."""

    def command(self, name: str, *arguments: str, **options: str | bool | None) -> str:
        """A command line that can be pasted into a shell.

        Args:
            name: the subcommand of ``retraining``.
            arguments: what stands behind it, in their order.
            options: ``to="r1"`` is written ``--to r1``, ``force=True`` is ``--force``; None, False and empty are left out.
        """
        # What begins with a dash would be read as an option; an execution may be named so.
        dashed = any(each.startswith("-") for each in arguments)
        words = ["retraining", name, *(() if dashed else arguments)]
        given = {**options, "stack": self.stack, "region": self.region, "profile": self.profile}
        for key, value in given.items():
            if value:
                words += [f"--{key.replace('_', '-')}", *([] if value is True else [value])]
        return shlex.join([*words, "--", *arguments] if dashed else words)
