"""The one JSON text of a value: RFC 8785, the JSON Canonicalization Scheme. Pure.

What is hashed, compared or kept as a record is written by this encoder, so that anybody can write the same bytes from the
same value with any library for that scheme.
"""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from typing import Any, Final

NESTING_LIMIT: Final = 64
"""Levels of JSON kept when a value is written. Ours have fewer than ten; Python gives up at some hundreds."""

SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer every reader keeps as it is. Source: RFC 7493 (I-JSON), section 2.2. Larger ones are
written as texts, unless they are a double's own digits."""

DOUBLE_BITS: Final = 1023
"""Integers of so many bits have a double near them; what is longer, ECMAScript would write with an exponent."""

PLAIN_FROM: Final = 1e-6
PLAIN_BELOW: Final = 1e21
"""Numbers between the two are written without exponent. Source: ECMA-262, Number::toString, which RFC 8785 prescribes."""


def canonical(value: Any) -> str:
    """The canonical JSON text of a value; the same for equal values.

    Not JSON, and so written as texts: NaN and the infinities by their names, integers beyond ``SAFE_INTEGER`` by their
    digits, anything else by ``str``. Halves of surrogate pairs, which UTF-8 cannot carry, become question marks.
    """
    return _text(value, 0)


def _text(value: Any, depth: int) -> str:
    if isinstance(value, str):
        # Python escapes exactly what RFC 8785 wants escaped, the same way, and leaves the rest alone.
        return encode_basestring(value if value.isascii() else _utf8(value))
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value)) if abs(value) <= SAFE_INTEGER else _large(value)
    if isinstance(value, float):
        return _number(value) if math.isfinite(value) else f'"{value}"'
    if not isinstance(value, (dict, list, tuple)):
        return _text(str(value), depth)
    if depth >= NESTING_LIMIT:
        return f'"(left out: nested deeper than {NESTING_LIMIT} levels)"'
    deeper = depth + 1
    if isinstance(value, dict):
        members, ordered = _ordered(value)
        return "{" + ",".join([f"{encode_basestring(key)}:{_text(members[key], deeper)}" for key in ordered]) + "}"
    return "[" + ",".join([_text(item, deeper) for item in value]) + "]"


def _ordered(value: dict[Any, Any]) -> tuple[dict[Any, Any], list[Any]]:
    """Members by keys that are texts, and the keys in their order."""
    try:
        if "".join(value).isascii():
            return value, sorted(value)
    except TypeError:
        pass  # a key is no text
    members = {_utf8(str(key)): item for key, item in value.items()}
    # By UTF-16 code units: beyond the basic plane their order is not that of the characters.
    return members, sorted(members, key=_utf16)


def _large(value: int) -> str:
    """A large integer is a number if that is how a double is written, which reads back as an integer; else a text."""
    digits = str(value) if value.bit_length() <= DOUBLE_BITS else ""
    return digits if digits and _number(float(value)) == digits else f'"{value}"'


def _utf8(value: str) -> str:
    return value.encode(errors="replace").decode()


def _utf16(value: str) -> bytes:
    return value.encode("utf-16-be")


def _number(value: float) -> str:
    """A finite double as ECMAScript writes it. ``repr`` finds the same shortest digits and sets them otherwise."""
    if value == 0:
        return "0"
    sign, magnitude = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = repr(magnitude).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if PLAIN_FROM <= magnitude < PLAIN_BELOW:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        if point >= len(digits):
            return f"{sign}{digits}{'0' * (point - len(digits))}"
        return f"{sign}{digits[:point]}.{digits[point:]}"
    power = point - 1
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if power > 0 else '-'}{abs(power)}"
