"""DynamoDB expressions are read once: ministack reads a key condition letter by letter for each item of a partition."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from local.seam import Own, dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

READ_ONCE = Own("expressions of DynamoDB", "what comes of a text is kept, not made again for each item of a partition")


@READ_ONCE.wraps(dynamodb, "_tokenize")
def _tokenize(original: Callable[[str], Any], expr: str) -> list[Any]:
    # A list of its own for each that evaluates.
    return [*_kept(original, expr)]


@READ_ONCE.wraps(dynamodb, "_condition_syntax_error")
def _syntax_error(original: Callable[[str, str], Any], expr: str, slot: str) -> Any:
    return _kept(original, expr, slot)


@functools.lru_cache(maxsize=2048)
def _kept(read: Callable[..., Any], *given: str) -> Any:
    return read(*given)
