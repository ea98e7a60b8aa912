"""DynamoDB expressions are read once: ministack reads a key condition letter by letter for each item of a partition."""

from __future__ import annotations

import functools
from typing import Any


def install(dynamodb: Any) -> None:
    """Keep what comes of a text, and of nothing else; when its module has been loaded."""
    tokens = functools.lru_cache(maxsize=1024)(dynamodb._tokenize)
    # A list of its own for each that evaluates.
    dynamodb._tokenize = lambda expression: [*tokens(expression)]
    dynamodb._condition_syntax_error = functools.lru_cache(maxsize=1024)(dynamodb._condition_syntax_error)
