"""Inputs that nobody wrote: valid examples changed byte by byte, and documents changed member by member."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from random import Random

LARGEST: Final = 60_000
"""Bytes of an input; what is larger is a matter of the test of linear reading."""

TOKENS: Final = (
    *(b"null", b"true", b"0", b"-1", b"1e999", b"-0.0", b"NaN", b"-Infinity", b"9" * 500, b"1_0", "٩٩".encode()),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\\ud83d\\ude00",
        b"[" * 200,
        b'{"a":' * 200,
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\0",
        b"\r\n",
        b"\xe2\x80\xae",
        b"\xc5\xbf\xe2\x84\xaa",
        b"../",
        b"json:",
        b"%00",
    ),
)
"""What readers stumble over."""

ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 10**30, 10**400, 2**53 + 1, 1e308, -1e308, 5e-324, float("nan"), float("inf")),
    *(
        "",
        " ",
        "0",
        "1_0",
        "٩٩",
        "NaN",
        "1e999",
        "ye\u017f",
        "\0",
        "\ud800",
        "\u202e",
        "\n",
        "a" * 300,
        "../x",
        "s3://b/../k",
        "json:{}",
    ),
    *([], {}, [[]], [None], {"": None}, ["a"] * 50, {"a": {"a": {"a": []}}}),
)
"""Values where another kind belongs."""


def mutated(example: bytes, others: list[bytes], words: tuple[str, ...], random: Random) -> bytes:
    """An example after one to four changes of its bytes."""
    data = bytearray(example)
    tokens = (*TOKENS, *(word.encode(errors="surrogatepass") for word in words))
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 1, 2, 8, 64, 512)))
        match random.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << random.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * random.choice((1, 2, 50))
            case 3:
                data[at:end] = random.choice(tokens)
            case 4:
                data[at:at] = random.choice(tokens)
            case 5:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                data[at:end] = other[start : start + random.choice((8, 64, 512))]
            case 6:
                del data[at:]
            case _:
                data[at:end] = random.randbytes(end - at)
        del data[LARGEST:]
    return bytes(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member of a document, the document's own first."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """A document with one member changed, and everything on the way to it copied."""
    if not path:
        return change(document)
    key, *rest = path
    copied = dict(document) if isinstance(document, dict) else list(document)
    copied[key] = changed(document[key], tuple(rest), change)
    return copied


VALUES: Final = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn, examples: list[Any], words: tuple[str, ...]) -> bytes:
    """An example with one to three of its members replaced, left out, doubled or taken from another example."""
    found = draw(st.sampled_from(examples))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(found))))
        kind = draw(st.sampled_from(("odd", "odd", "any", "word", "wrap", "drop", "other")))
        if kind == "drop" and path:
            found = changed(found, path[:-1], functools.partial(_without, path[-1]))
        elif kind == "other":
            other = draw(st.sampled_from(examples))
            taken = other
            for key in draw(st.sampled_from(list(places(other)))):
                taken = taken[key]
            found = changed(found, path, functools.partial(_instead, taken))
        elif kind == "wrap":
            found = changed(
                found, path, draw(st.sampled_from((lambda value: [value], lambda value: {"value": value}, str)))
            )
        else:
            choices = {"any": VALUES, "word": st.sampled_from(words or ("",))}
            value = draw(choices.get(kind, st.sampled_from(ODD)))
            found = changed(found, path, functools.partial(_instead, value))
    written = json.dumps(found)
    if isinstance(found, dict) and found and draw(st.integers(0, 9)) == 0:
        # What no dict can hold: a key twice.
        key = draw(st.sampled_from(list(found)))
        written = f"{written[:-1]}, {json.dumps(key)}: {json.dumps(draw(VALUES))}}}"
    return written.encode()


def _instead(value: Any, _: Any) -> Any:
    return value


def _without(key: Any, parent: Any) -> Any:
    if isinstance(parent, dict):
        return {name: value for name, value in parent.items() if name != key}
    return [value for place, value in enumerate(parent) if place != key]


def from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Documents that a JSON Schema allows, and some just beside it: members at and past their bounds."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            known = {name: from_schema(member) for name, member in schema.get("properties", {}).items()}
            needed = {name: known.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional=known)
        case "array":
            return st.lists(from_schema(schema.get("items", {})), max_size=3)
        case "number" | "integer":
            low, high = schema.get("minimum", schema.get("exclusiveMinimum", -2)), schema.get("maximum", 10_000)
            whole = st.sampled_from((low, high, low - 1, high + 1, low + 1))
            return whole if schema["type"] == "integer" else whole | st.floats(low, high)
        case "boolean":
            return st.booleans()
        case "string":
            return st.sampled_from(("fraud", "auc", "training-job", "fraud-prod")) | st.text(max_size=8)
        case _:
            return VALUES
