"""Commands as they are written for people: whole, so that they reach the stack that speaks of them. Pure."""

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
