"""``Name=Value`` pairs as people write them on a command line or into a file. Pure, but for reading the file.

A value may hold spaces, commas and quotes: it ends where the next ``Name=`` begins. One that holds such a text
itself is put in quotes.

>>> assignments("ScheduleExpression=cron(0 3 ? * MON *) Mode=shadow", "--params")
{'ScheduleExpression': 'cron(0 3 ? * MON *)', 'Mode': 'shadow'}
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from ops.file_reading import bytes_of
from ops.stack import CallError
from orchestration.domain.commands import against_value
from orchestration.domain.failures import ended
from orchestration.domain.json_values import json_document, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_PAIR: Final = re.compile(
    r"""\s* ([A-Za-z][A-Za-z0-9]*) =
        (?: "([^"]*)" | '([^']*)' | (.*?) )
        (?<=\S) (?= \s++ [A-Za-z][A-Za-z0-9]*+= | \s*+\Z )""",
    re.VERBOSE | re.DOTALL,
)


WHOLE: Final = re.compile(r"[0-9]+", re.ASCII)
"""A whole number, as CloudFormation hands it on to a resource that counts."""

PARTED: Final = frozenset({"CooldownHours"})
"""Parameters of type Number that take a part of one; the others count."""


def assignments(text: str, option: str, example: str = "Mode=shadow CooldownHours=12") -> dict[str, str]:
    """Read ``Name=Value`` pairs from one line.

    Raises:
        CallError: something in it is no pair, a name stands in it twice, or a value has a place to fill in.
    """
    found: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None:
            raise CallError(
                f'{option} holds {text[position:].strip()!r}, which is no Name=Value. Example: {option} "{example}"'
            )
        name = match[1]
        if name in found:
            raise CallError(f"{option} gives {name} twice; give it once.")
        found[name] = next(value for value in match.groups()[1:] if value is not None)
        position = match.end()
    return _filled(found, option)


def assignments_of_file(path: Path) -> dict[str, str]:
    """Read a parameter file: a JSON object, the AWS CLI's or CodePipeline's JSON, or one ``Name=Value`` a line.

    Raises:
        CallError: it cannot be read, or is none of these.
    """
    try:
        text = bytes_of(path).decode("utf-8-sig")
    except OSError as error:
        raise CallError(f"--params-file {path} cannot be read: {error.strerror}. Name a file that is there.") from None
    except UnicodeDecodeError:
        raise CallError(f"--params-file {path} cannot be read: it is no text in UTF-8.") from None
    if text.lstrip()[:1] in {"{", "["}:
        try:
            document = json_document(text)
            if isinstance(document, str):
                raise ValueError(f"it {document}")  # noqa: TRY004, TRY301 - like a document of another form
            return _filled(_of_json(document), str(path))
        except ValueError as error:
            raise CallError(
                f'{path} is no parameter file ({error}). Write {{"Mode": "shadow"}}, the list of '
                "ParameterKey and ParameterValue that the AWS CLI reads, or lines of Name=Value."
            ) from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found |= _only_one(line, path)
    return _filled(found, str(path))


def _filled(found: dict[str, str], where: str) -> dict[str, str]:
    """What was read, with every value its writer's own: no part of one is a place to fill in."""
    for name, value in found.items():
        for part in re.findall(r"<[^<>\s]*>|[^\s<]+", value):
            if (against := against_value(part)) is not None:
                raise CallError(f"{where}: of {name} a part {against}")
    return found


def _only_one(line: str, path: Path) -> dict[str, str]:
    name, equals, value = line.strip().partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name.strip()):
        raise CallError(f"{path} holds {line.strip()!r}, which is no Name=Value line.")
    return {name.strip(): value.strip()}


def _of_json(document: Any) -> dict[str, str]:
    if isinstance(document, dict):
        inner = document.get("Parameters", document)
        if not isinstance(inner, dict) or any(isinstance(value, (dict, list)) for value in inner.values()):
            raise ValueError("its values must be texts, numbers or truth values")
        return {str(name): _text(value) for name, value in inner.items()}
    found: dict[str, str] = {}
    for entry in document:
        if isinstance(entry, str):
            found |= assignments(entry, "--params-file")
        elif isinstance(entry, dict) and {"ParameterKey", "ParameterValue"} <= entry.keys():
            found[str(entry["ParameterKey"])] = _text(entry["ParameterValue"])
        else:
            raise ValueError("an entry of its list has no ParameterKey with a ParameterValue")
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_unknown(given: Mapping[str, str], known: Iterable[str], *, what: str, option: str) -> None:
    """Refuse names the template does not have, with the one that was probably meant.

    Args:
        given: values by name.
        known: the names there are.
        what: what is named.
        option: where it was named.

    Raises:
        CallError: a name is unknown.
    """
    known = sorted(known)
    for name in given:
        if name not in known:
            meant = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {meant[0]}?" if meant else f"There are: {', '.join(known)}."
            raise CallError(f"{option}: the template has no {what} {name}. {hint}")


def refuse_illegal(given: Mapping[str, str], declared: Mapping[str, Any], *, option: str) -> None:
    """Refuse values that the template does not allow, as CloudFormation would once everything is built and uploaded.

    Args:
        given: values by name; each is one of the template's.
        declared: the template's parameters.
        option: where they were given.

    Raises:
        CallError: a value is none that is allowed.
    """
    for name, value in given.items():
        rule = declared[name]
        allowed, pattern = [str(each) for each in rule.get("AllowedValues", ())], rule.get("AllowedPattern")
        least, most, longest = rule.get("MinValue"), rule.get("MaxValue"), rule.get("MaxLength")
        wanted = None
        if allowed and value not in allowed:
            wanted = f"it takes {', '.join(allowed)}"
        elif pattern and not re.fullmatch(pattern, value):
            wanted = str(rule.get("ConstraintDescription", f"it matches {pattern}"))
        elif longest is not None and len(value) > longest:
            wanted = f"it takes at most {longest} characters"
        elif rule["Type"] == "Number" and not _within(value, least, most, whole=name not in PARTED):
            kind = "number" if name in PARTED else "whole number"
            wanted = (
                f"it takes a {kind}{'' if least is None else f' from {least}'}{'' if most is None else f' to {most}'}"
            )
        if wanted is not None:
            raise CallError(f"{option}: {name} is {value!r}; {ended(wanted)}")


def _within(value: str, least: float | None, most: float | None, *, whole: bool) -> bool:
    parsed = number(value) if not whole or WHOLE.fullmatch(value) else None
    return parsed is not None and (least is None or parsed >= least) and (most is None or parsed <= most)
