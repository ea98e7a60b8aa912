"""What the project builds on that no document says, and nobody saw on AWS yet: each a question that AWS can answer."""

from __future__ import annotations

from typing import Final

from ops.aws_questions import chat, events, serving, stack, writing
from ops.aws_questions.question import Answer, Question

QUESTIONS: Final[tuple[Question, ...]] = (
    *events.QUESTIONS,
    *writing.QUESTIONS,
    *chat.QUESTIONS,
    *stack.QUESTIONS,
    *serving.QUESTIONS,
    *stack.SERVING_QUESTIONS,
)
"""Every question, the cheap ones first: an endpoint is made for the last ones only."""

__all__ = ["QUESTIONS", "Answer", "Question"]
