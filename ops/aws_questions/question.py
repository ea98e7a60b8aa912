"""An open question about AWS: what is asked, which document raised it, what is built on the answer, how to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.aws_questions.account import Account


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS does. ``holds``: what is built on it holds. ``saw``: one sentence of what was seen."""

    holds: bool
    saw: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        name: in kebab-case; ``ONLY=`` takes it.
        asks: one sentence, true where what is built on it holds.
        document: address on docs.aws.amazon.com of the page that raised it.
        open: what that page leaves open.
        built_on: the file or guarantee that falls with it.
        look: has AWS answer; what it makes there it notes with the account first.
    """

    name: str
    asks: str
    document: str
    open: str
    built_on: str
    look: Callable[[Account], Answer]


DOCS = "https://docs.aws.amazon.com"
