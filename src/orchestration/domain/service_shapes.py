"""What SageMaker would not take where a policy or a training writes into a request, each with a sentence. Pure.

The truth is the service model that botocore has of SageMaker, as ``service_shapes.json`` keeps it of the botocore that it
names; ``make docs`` writes that file. It is read when the first policy has something to check, so a start does not pay.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Finding = tuple[str, str]

TYPES: Final[dict[str, tuple[Any, str]]] = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "an array"),
    "string": (str, "a text"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "long": (int, "a whole number"),
}
"""The Python type of each type of shape, and how people call it."""

INTEGER_HIGHEST: Final = 2**31 - 1
"""What an ``integer`` may be at most; a ``long`` holds any number that a policy may. Source: Smithy's simple types."""

NAMES_SHOWN: Final = 6
"""Names told of those that would be right, the nearest first."""

VALUE_SHOWN: Final = 60
"""Characters told of a value, and compared of a name."""


def part_findings(part: str, value: Any, path: str) -> Iterator[Finding]:
    """What SageMaker would not take in a part of a request: the path of each, and what is wrong and would be right.

    Args:
        part: one of ``ops.service_shapes.PARTS``, such as ``UpdateEndpoint.DeploymentConfig``.
        value: the JSON value that others wrote there.
        path: where the value stands, for people.
    """
    yield from _findings(_model()["parts"][part], value, path)


def _findings(name: str, value: Any, path: str) -> Iterator[Finding]:
    shape = _model()["shapes"][name]
    rule = _misfit(shape, value)
    if rule is not None:
        yield path, rule
    elif shape["type"] == "structure":
        yield from _members(shape, value, path)
    elif shape["type"] == "map":
        for key, member in value.items():
            wrong = _misfit(_model()["shapes"][shape["key"]], key)
            if wrong is not None:
                yield f"{path}.{key}", f"has a name that {wrong}"
            yield from _findings(shape["value"], member, f"{path}.{key}")
    elif shape["type"] == "list":
        for index, member in enumerate(value):
            yield from _findings(shape["member"], member, f"{path}[{index}]")


def _members(shape: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Iterator[Finding]:
    members = shape["members"]
    for name in shape.get("required", ()):
        if name not in value:
            yield f"{path}.{name}", "is missing; SageMaker needs it"
    for name, member in value.items():
        if name in members:
            yield from _findings(members[name], member, f"{path}.{name}")
        else:
            yield f"{path}.{name}", f"is no field that SageMaker takes there; {_known(name, members)}"


def _misfit(shape: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with a value itself, whatever is in it; None when nothing is."""
    kind, called = TYPES[shape["type"]]
    # JSON's true is no number, Python's is.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return f"is {_shown(value)}; SageMaker takes {called}"
    if "enum" in shape and value not in shape["enum"]:
        return f"is {_shown(value)}, which SageMaker does not take there; {_known(value, shape['enum'])}"
    rule = None if isinstance(value, bool) else _outside(shape, value)
    # As a whole: SageMaker refuses a job called my_job by [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}, which my_job begins with. And
    # no dot is a new line: PutRecord is known to refuse "test\n" by .*, with the same words.
    if rule is None and "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        return f"is not of the form that SageMaker takes, {shape['pattern'].removeprefix('(?a)')}"
    return rule


def _outside(shape: Mapping[str, Any], value: int | str | list[Any] | dict[str, Any]) -> str | None:
    """Why a number is none that is taken, or a text or collection is too short or too long; None when it is neither."""
    lowest, highest = shape.get("min"), shape.get("max")
    if isinstance(value, int):
        amount, said = value, f"is {value}"
        if highest is None and shape["type"] == "integer":
            highest = INTEGER_HIGHEST
    else:
        amount, unit = len(value), "character" if isinstance(value, str) else "member"
        said = f"has {amount} {unit}{'' if amount == 1 else 's'}"
    if lowest is not None and amount < lowest:
        return f"{said}; SageMaker takes {lowest} or more"
    return f"{said}; SageMaker takes {highest} at most" if highest is not None and amount > highest else None


def _known(name: str, known: Collection[str]) -> str:
    """The names that botocore has in a place, the nearest to what was written first: a newer one may have more."""
    import difflib  # noqa: PLC0415 - a policy that is legal never needs it

    near = difflib.get_close_matches(name[:VALUE_SHOWN], known, NAMES_SHOWN)
    shown = [*near, *sorted(set(known) - set(near))][:NAMES_SHOWN]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return f"botocore {_model()['botocore']} knows {', '.join(shown)}{more}"


def _shown(value: Any) -> str:
    """A value as people are told of it; of objects and arrays, which may be large, what they are."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return json.dumps(value, ensure_ascii=False)[:VALUE_SHOWN]


@functools.cache
def _model() -> dict[str, Any]:
    """Read once per container, in about 1 ms, and only where a policy or a training has something to check."""
    model: dict[str, Any] = json.loads((Path(__file__).parent.parent / "service_shapes.json").read_bytes())
    return model
