"""The published JSON Schemas of what others write for the loop, and all that they find wrong with a document at once.

A schema says more than the loop needs to run: the loop passes over a value that it cannot use, and the sender should hear of it.
The functions validate with code that fastjsonschema makes of the policy's schema, which stops at the first fault.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from ops.given_files import FileKind
from ops.project import SOURCE
from ops.record_schemas import SCHEMAS
from orchestration.domain.json_values import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILES: Final[dict[FileKind, Path]] = {
    FileKind.POLICY: SOURCE / "orchestration" / "policy.schema.json",
    FileKind.DRIFT_REPORT: SCHEMAS / "drift-report.schema.json",
    FileKind.REQUEST: SCHEMAS / "retraining-request.schema.json",
    FileKind.OUTPUT: SCHEMAS / "training-output.schema.json",
    FileKind.EVALUATION: SCHEMAS / "evaluation-report.schema.json",
}
"""Where the schema of each kind lies. The policy's is in the package, whose functions have the check that is written from it."""

SIMULATED_SIGNAL: Final = SCHEMAS / "simulated-signal.schema.json"
"""Schema of a line of the file that ``retraining simulate`` reads; ``validate`` knows no such file."""

ALIKE: Final = 0.8
"""How like a key has to be to one that is read, by difflib's ratio, to be taken for a mistyped one where any key is allowed."""

Place = tuple[str | int, ...]
"""Keys and indexes from the root of a document."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a place. ``meant`` is a place beside it that the writer may have meant."""

    place: Place
    sentence: str
    meant: Place | None = None

    def __str__(self) -> str:
        return f"{path(self.place)}: {self.sentence}"


def path(place: Place) -> str:
    """A place as a JSON path, as the loop's own findings begin."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{text(part, 100) or ''}" for part in place)


def schema_of(kind: FileKind) -> dict[str, Any]:
    """The published schema of a kind."""
    found: dict[str, Any] = json.loads(FILES[kind].read_text(encoding="utf-8"))
    return found


def schema_findings(kind: FileKind, document: dict[str, Any]) -> list[Finding]:
    """Everything that the schema of a kind finds wrong with a document, in the order of its places."""
    found = [finding for error in _validator(kind).iter_errors(document) for finding in _findings(error)]
    found += _mistyped(schema_of(kind), document)
    meant = {finding.meant for finding in found}
    # What is there under a mistyped name is not missing as well.
    told = (finding for finding in found if finding.place not in meant or finding.sentence != MISSING)
    return sorted(dict.fromkeys(told), key=lambda finding: [str(part) for part in finding.place])


@functools.cache
def _validator(kind: FileKind) -> Any:
    return _Validator(schema_of(kind))


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """A pattern in the schemas' dialect, ECMA 262, whose $ is the end of the text; Python's is before a last line break too."""
    del schema
    if validator.is_type(instance, "string") and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("does not match")


_Validator: Final = extend(Draft7Validator, {"pattern": _pattern})


def _findings(error: ValidationError) -> Iterator[Finding]:
    place: Place = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema.get("properties", {})
        for name in error.instance.keys() - known.keys():
            if not _of_a_pattern(error.schema, name):
                yield _unknown(place, name, known.keys(), error.instance.keys())
    elif error.validator == "required":
        for name in [name for name in error.validator_value if name not in error.instance]:
            yield Finding((*place, name), MISSING)
    elif "propertyNames" in error.schema_path:
        yield Finding((*place, error.instance), f"its name {_rule(error)}.")
    elif error.validator == "anyOf":
        yield Finding(place, f"{_rule(error)}.")
    else:
        yield Finding(place, f"{_rule(error)}, and is {_shown(error.instance)}.{_near_word(error)}")


MISSING: Final = "is missing."


def _of_a_pattern(schema: dict[str, Any], name: str) -> list[Any]:
    """What a schema says of a key by the look of its name."""
    return [part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, name)]


def _unknown(place: Place, name: str, known: Iterable[str], there: Iterable[str]) -> Finding:
    """A key that is not read; what was meant is not there under its own name."""
    missing = sorted(set(known) - set(there))
    meant = next(iter(difflib.get_close_matches(name.lower(), missing, n=1)), None)
    if meant is None:
        others = f" Read are, besides those given: {', '.join(missing)}." if missing else ""
        return Finding((*place, name), f"is not read.{others}")
    return Finding((*place, name), f"is not read: did you mean {meant}?", (*place, meant))


def _rule(error: ValidationError) -> str:
    """What has to be, from the keyword that does not hold."""
    wanted = error.validator_value
    titled = None if "$schema" in error.schema else error.schema.get("title")  # a whole schema's is a name
    if error.validator in {"pattern", "anyOf", "enum", "type"} and titled:
        return f"must be {titled}"
    return {
        "type": lambda: f"must be {_types(wanted)}",
        "enum": lambda: f"must be one of {', '.join(_shown(word) for word in wanted)}",
        "const": lambda: f"must be {_shown(wanted)}",
        "minimum": lambda: f"must be at least {wanted}",
        "maximum": lambda: f"must be at most {wanted}",
        "exclusiveMinimum": lambda: f"must be above {wanted}",
        "exclusiveMaximum": lambda: f"must be below {wanted}",
        "minLength": lambda: "must not be empty" if wanted == 1 else f"must have at least {wanted} characters",
        "maxLength": lambda: f"must have at most {wanted} characters",
        "maxItems": lambda: f"must have at most {wanted} entries",
        "maxProperties": lambda: f"must have at most {wanted} keys",
        "pattern": lambda: f"must match {wanted}",
    }.get(error.validator, lambda: f"must hold to {error.validator} {json.dumps(wanted)[:200]}")()


ARTICLES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _types(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else [name for name in wanted if name != "null"]
    return " or ".join(ARTICLES[name] for name in names)


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."  # noqa: PLR2004 - a line of a terminal


def _near_word(error: ValidationError) -> str:
    if error.validator != "enum" or not isinstance(error.instance, str):
        return ""
    words = [word for word in error.validator_value if isinstance(word, str) and word]
    meant = difflib.get_close_matches(error.instance, words, n=1)
    return f" Did you mean {meant[0]}?" if meant else ""


def _mistyped(schema: dict[str, Any], document: dict[str, Any]) -> list[Finding]:
    """Keys that are nearly one that is read, where any key is allowed: nobody would read them, and nobody would say so."""
    return list(_mistyped_in(schema, [schema], document, ()))


def _mistyped_in(root: dict[str, Any], schemas: list[dict[str, Any]], value: Any, place: Place) -> Iterator[Finding]:
    parts = [part for schema in schemas for part in _parts(root, schema)]
    if isinstance(value, list):
        items = [part["items"] for part in parts if isinstance(part.get("items"), dict)]
        for index, member in enumerate(value if items else ()):
            yield from _mistyped_in(root, items, member, (*place, index))
    if not isinstance(value, dict):
        return
    known: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        for name, member in part.get("properties", {}).items():
            known.setdefault(name, []).append(member)
    others = [part["additionalProperties"] for part in parts if isinstance(part.get("additionalProperties"), dict)]
    is_open = not any("additionalProperties" in part for part in parts)
    missing = sorted(known.keys() - value.keys())
    for name, member in value.items():
        patterned = [found for part in parts for found in _of_a_pattern(part, name)]
        if name in known or patterned:
            yield from _mistyped_in(root, [*known.get(name, ()), *patterned], member, (*place, name))
        elif others:
            yield from _mistyped_in(root, others, member, (*place, name))
        elif is_open:
            for meant in difflib.get_close_matches(name.lower(), missing, n=1, cutoff=ALIKE):
                yield Finding((*place, name), f"is not read: did you mean {meant}?", (*place, meant))


def _parts(root: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and those that hold where it holds: what it refers to, what it joins, and what follows from it."""
    yield schema
    if "$ref" in schema:
        target: Any = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        yield from _parts(root, target)
    for other in [*schema.get("allOf", ()), *([schema["then"]] if "then" in schema else ())]:
        yield from _parts(root, other)
