"""JSON texts and values from outside made safe: documents, texts, numbers, names. Pure, and linear in what is given.

``json_object`` and ``json_document`` are the one reader of JSON that others wrote. It takes what every other reader takes
in the same way: I-JSON, RFC 7493.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import NESTING_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_NAME: Final = re.compile(r"[a-zA-Z0-9]([\-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
"""Names a model may have: SageMaker's own rule for model and endpoint names, so a name is safe in keys and ARNs.

Source: the pattern of ``ModelName`` in SageMaker's API, ``[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?``, at most 63.
"""

S3_URI: Final = re.compile(r"s3://[A-Za-z0-9._-]{3,255}/[^\x00-\x1f\x7f\"'<>\\`{}|^]{0,1024}")
"""Bucket and key. Buckets of us-east-1 made before March 2018 have up to 255 characters, capitals and underscores.

Source: Amazon S3 User Guide, "General purpose bucket naming rules"; botocore takes such names too.
"""

EXECUTION_NAME: Final = re.compile(
    r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]{1,80}"
)
"""Names an execution, and so a run, may have. Source: ``name`` of StartExecution in the API of Step Functions."""

NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""A number in a text. ``float`` takes other scripts' digits, underscores and names of no number besides."""

NUMBER_LIMIT: Final = 400
"""Characters of a number. The largest double written out has 309 digits; Python refuses integers of some thousands."""

S3_ADDRESS: Final = re.compile(r"s3[an]?://[^\s\"'<>,;\\]*", re.IGNORECASE)
"""An S3 address inside another text; hyperparameters are often JSON texts, and entry points command lines."""

ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
"""An escape of a JSON text. Source: RFC 8259, section 7."""

DECODINGS: Final = 4
"""How often a text is read as JSON: a text in a document in a hyperparameter takes three."""

TEXT_LIMIT: Final = 500
"""Characters kept of a text that came from outside; enough for a sentence, too little to flood a page."""

DOCUMENT_BYTES_LIMIT: Final = 5_000_000
"""Largest document read: a violations file or an evaluation report has kilobytes, one with curves some hundreds."""

VALUES_LIMIT: Final = 400_000
"""Values in a document. An empty object takes 64 bytes in memory and three in a file; the functions have 512 MB."""


class _UnfitError(ValueError):
    """A part of a JSON text is not what every reader takes in the same way."""


def json_object(given: bytes | str, *, at_most: int = DOCUMENT_BYTES_LIMIT, nan: bool = False) -> dict[str, Any] | str:
    """``json_document`` where only an object will do."""
    found = json_document(given, at_most=at_most, nan=nan)
    return "is no JSON object" if isinstance(found, list) else found


def json_document(
    given: bytes | str, *, at_most: int = DOCUMENT_BYTES_LIMIT, nan: bool = False
) -> dict[str, Any] | list[Any] | str:
    """A JSON object or array that others wrote; or why it is none that can be taken, to follow the document's name.

    Refused are: what is larger, holds more values or is nested deeper than its limits; what is not UTF-8; a key that an
    object has twice; a number that no double holds; half of a surrogate pair. Source: RFC 7493 (I-JSON), section 2.

    Args:
        given: the text; UTF-8 with or without byte order mark.
        at_most: bytes taken.
        nan: True for a report of measurements: NaN and the infinities, which Python writes there, are read as null.
    """
    try:
        body = given.encode() if isinstance(given, str) else given
        if len(body) > at_most:
            return f"has {len(body)} bytes; at most {at_most} are taken"
        if sum(map(body.count, (b",", b"[", b"{"))) > VALUES_LIMIT:
            return f"holds more than {VALUES_LIMIT} values"
        content = body.removeprefix(codecs.BOM_UTF8).decode()
        found = json.loads(
            content,
            parse_int=_integer,
            parse_float=_finite_or_null if nan else _double,
            parse_constant=_null if nan else _no_number,
            object_pairs_hook=members,
        )
    except _UnfitError as error:
        return str(error)
    except UnicodeError:
        return "is not UTF-8"
    except RecursionError:
        return f"is nested deeper than {NESTING_LIMIT} levels"
    except ValueError as error:
        return f"is not JSON: {error}"
    if not isinstance(found, (dict, list)):
        return "is no JSON object"
    if _deeper_than(found, NESTING_LIMIT):
        return f"is nested deeper than {NESTING_LIMIT} levels"
    if r"\ud" in content.lower() and not _is_unicode(found):
        return "holds half of a surrogate pair, which is no character"
    return found


def text(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A text from outside, stripped of control characters and cut to ``limit`` characters; None when there is none."""
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return None
    try:
        # Ten times what is kept: a text that begins with more control characters than that says nothing.
        beginning = str(value)[: 10 * limit]
    except ValueError:
        # An integer of more digits than Python writes.
        return None
    return "".join(character for character in beginning if character.isprintable()).strip()[:limit] or None


def number(value: Any) -> float | None:
    """A finite number from a JSON number or the text of one; None for anything else, "NaN" and booleans included."""
    if isinstance(value, str):
        stripped = value.strip() if len(value) <= NUMBER_LIMIT else ""
        value = float(stripped) if NUMBER.fullmatch(stripped) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def ascii_upper(value: str) -> str:
    """The text in upper case if it is ASCII, else as it is: other scripts have letters that become ASCII ones."""
    return value.upper() if value.isascii() else value


def ascii_lower(value: str) -> str:
    """The text in lower case if it is ASCII, else as it is: other scripts have letters that become ASCII ones."""
    return value.lower() if value.isascii() else value


def model_name(value: Any) -> str | None:
    """A legal model name, or None. Never trimmed or repaired: a name that has to be repaired is another name."""
    return value if isinstance(value, str) and MODEL_NAME.fullmatch(value) else None


def execution_name(value: Any) -> str | None:
    """A name that an execution may have, or None."""
    return value if isinstance(value, str) and EXECUTION_NAME.fullmatch(value) else None


def s3_uri(value: Any) -> str | None:
    """A well-formed ``s3://bucket/key`` without ``..`` segments, or None."""
    if not isinstance(value, str) or not S3_URI.fullmatch(value):
        return None
    return None if ".." in value.split("/") else value


def s3_addresses(value: Any) -> list[str]:
    """Every S3 address in the texts of a JSON value, in their order, well-formed or not; a text is read as JSON too."""
    if isinstance(value, str):
        return list(dict.fromkeys(address for reading in _readings(value) for address in S3_ADDRESS.findall(reading)))
    members = value.values() if isinstance(value, dict) else sequence(value)
    return [address for member in members for address in s3_addresses(member)]


def _readings(value: str) -> Iterator[str]:
    """A text as it is, and as whoever reads it as JSON once or more often has it."""
    for _ in range(DECODINGS):
        yield value
        read = ESCAPE.sub(_unescaped, value)
        if read == value:
            return
        value = read


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else escape[2]


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value when it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a frozen dataclass by name, their values as they are: ``asdict`` copies each of them, which takes five times as long."""
    return {name: getattr(value, name) for name in value.__slots__}


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, for a decoder's ``object_pairs_hook``.

    Raises:
        ValueError: it has a key twice, and is one thing to one reader and another to the next.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # adds and goes on
        raise _UnfitError(
            f"has the key {text(twice, 80) or ''!r} twice in one object; nobody can tell which one counts"
        )
    return found


def _integer(digits: str) -> int:
    return int(_bounded(digits))


def _double(digits: str) -> float:
    found = float(_bounded(digits))
    if math.isinf(found):
        raise _UnfitError(f"holds the number {digits[:40]}, which is larger than a number can be")
    return found


def _finite_or_null(digits: str) -> float | None:
    found = float(_bounded(digits))
    return None if math.isinf(found) else found


def _bounded(digits: str) -> str:
    if len(digits) > NUMBER_LIMIT:
        raise _UnfitError(f"holds a number of {len(digits)} digits; at most {NUMBER_LIMIT} are taken")
    return digits


def _no_number(name: str) -> None:
    raise _UnfitError(f"holds {name}, which is not a JSON number")


def _null(name: str) -> None:
    del name


def _deeper_than(document: dict[str, Any] | list[Any], limit: int) -> bool:
    """Level by level, since a function that calls itself is what deep nesting breaks."""
    level: list[Any] = [document]
    for _ in range(limit):
        level = [
            member
            for value in level
            for member in (value.values() if isinstance(value, dict) else value)
            if isinstance(member, (dict, list))
        ]
        if not level:
            return False
    return True


def _is_unicode(document: dict[str, Any] | list[Any]) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
