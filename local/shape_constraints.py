"""What a service's model allows of a request: enumerations, patterns, maxima, which botocore's client does not look at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def constraint_problems(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Give a sentence for each enumeration, pattern or maximum of its shape that a value breaks."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for key, item in value.items():
            yield from constraint_problems(item, shape.members[key], f"{where}.{key}" if where else key)
    elif shape.type_name == "list":
        for index, item in enumerate(value, 1):
            yield from constraint_problems(item, shape.member, f"{where}.{index}.member")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from constraint_problems(item, shape.value, f"{where}.{key}.value")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield constraint(value, where, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
        elif not _matches(shape.metadata.get("pattern"), value):
            yield constraint(
                value, where, f"Member must satisfy regular expression pattern: {shape.metadata['pattern']}"
            )
    limit = shape.metadata.get("max")
    if limit is None:
        return
    if shape.type_name in ("string", "list", "map") and len(value) > limit:
        yield constraint(value, where, f"Member must have length less than or equal to {limit}")
    elif shape.type_name in ("integer", "long", "float", "double") and value > limit:
        yield constraint(value, where, f"Member must have value less than or equal to {limit}")


def constraint(value: Any, where: str, problem: str) -> str:
    """The sentence in AWS's words."""
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {problem}"


def _matches(pattern: str | None, value: str) -> bool:
    if not pattern:
        return True
    try:
        # As a whole, and no dot is a new line: its PutRecord is known to refuse "test\n" by .*, with these words.
        return re.fullmatch(pattern, value) is not None
    except re.error:
        # A pattern of Java's that Python does not read is not checked.
        return True
