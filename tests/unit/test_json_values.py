"""What others wrote is read one way: I-JSON, ASCII numbers, within limits; what is refused says why."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.json_values import ascii_lower, ascii_upper, json_document, json_object, number, text

SURROGATE = '{"a": "\\ud800"}'

JSON_NUMBERS: Final[list[Any]] = [0, -3, 0.5, 1e308]
NO_NUMBERS: Final[list[Any]] = [True, None, [1], {}, float("nan"), float("inf"), 10**400]

NUMBERS_ELSEWHERE: Final = (
    *("1_0", "٩٩", "０", "1e999", "NaN", "Infinity", "0x1", "1 0", "", "-", ".", "1e", "9" * 401),  # noqa: RUF001 - other scripts
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        (b"", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "is no JSON object"),
        (b'"{}"', "is no JSON object"),
        (b"{} {}", "is not JSON: Extra data: line 1 column 4 (char 3)"),
        (b"\xff\xfe{\0}\0", "is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8"),
        ('{"a": "\ud800"}', "is not UTF-8"),
        (SURROGATE, "holds half of a surrogate pair, which is no character"),
        (SURROGATE.replace("d800", "D800"), "holds half of a surrogate pair, which is no character"),
        (b'{"auc": 1, "auc": 2}', "has the key 'auc' twice in one object; nobody can tell which one counts"),
        (
            b'{"a": [{"b": {"x": 1, "y": 1, "\\u0078": 1}}]}',
            "has the key 'x' twice in one object; nobody can tell which",
        ),
        (b'{"a": NaN}', "holds NaN, which is not a JSON number"),
        (b'{"a": -Infinity}', "holds -Infinity, which is not a JSON number"),
        (b'{"a": 1e999}', "holds the number 1e999, which is larger than a number can be"),
        (b'{"a": ' + b"9" * 398 + b".0}", f"holds the number {'9' * 40}, which is larger than a number can be"),
        (b'{"\\u0001": 1, "\\u0001": 2}', "has the key '' twice in one object"),
        (b'{"a": ' + b"9" * 401 + b"}", "holds a number of 401 digits; at most 400 are taken"),
        (b'{"a": 0.' + b"9" * 5_000_000 + b"}", "has 5000009 bytes; at most 5000000 are taken"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "is nested deeper than 64 levels"),
        (b"[" * 300_000, "is nested deeper than 64 levels"),
        (b"[" + b"0," * 400_000 + b"0]", "holds more than 400000 values"),
    ],
    ids=range(21),
)
def test_a_document_that_two_readers_could_read_in_two_ways_is_refused_with_its_fault(given_: Any, why: str) -> None:
    assert str(json_object(given_)).startswith(why)


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        (b"\xef\xbb\xbf{}", {}),
        (b'{"a": "\\ud83d\\ude00 \\\\ud800"}', {"a": "\U0001f600 \\ud800"}),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
        (b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}", None),
    ],
)
def test_what_is_one_thing_to_every_reader_is_taken(given_: bytes, found: Any) -> None:
    assert json_object(given_) == (found or json.loads(given_.decode("utf-8-sig")))


def test_only_a_report_of_measurements_may_say_nan() -> None:
    assert json_document("[NaN]") == "holds NaN, which is not a JSON number"
    assert json_document("[NaN]", nan=True) == [None]


def test_a_report_of_measurements_says_null_where_there_is_no_number() -> None:
    assert json_object('{"a": NaN, "b": Infinity, "c": 1e999}', nan=True) == {"a": None, "b": None, "c": None}
    assert "401 digits" in str(json_object('{"a": ' + "9" * 401 + "}", nan=True))


@settings(max_examples=60)
@given(VALUES)
def test_every_document_of_values_that_json_has_comes_back(value: Any) -> None:
    for written in (json.dumps([value]), json.dumps([value], ensure_ascii=False).encode(errors="replace")):
        assert json_document(written) == json.loads(written)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *zip(JSON_NUMBERS, JSON_NUMBERS, strict=True),
        *zip(("0.5", " 5 ", "-3", "+1", ".5", "5.", "1e-3"), (0.5, 5.0, -3.0, 1.0, 0.5, 5.0, 0.001), strict=True),
        ("5".zfill(400), 5.0),
        ("5".zfill(401), None),
        *((value, None) for value in (*NO_NUMBERS, *NUMBERS_ELSEWHERE)),
    ],
)
def test_a_number_is_a_json_number_or_the_ascii_text_of_one(value: Any, found: float | None) -> None:
    assert number(value) == found


def test_a_text_is_cut_before_it_is_looked_at() -> None:
    assert text("a" * 5_000_000) == "a" * 500
    assert text("\n\t" * 20 + " a\0b ") == "ab"
    assert text(10**5000) is None
    assert text("\0" * 9 + "ab", 1) == "a"
    assert text("\0" * 10 + "a", 1) is None


@pytest.mark.parametrize("value", [None, True, [], ["a"], {"a": 1}])
def test_what_is_neither_text_nor_number_is_no_text(value: Any) -> None:
    assert text(value) is None


@pytest.mark.parametrize("word", ["yeſ", "ＹＥＳ", "straße", "\u212aey"])  # noqa: RUF001 - letters that are folded to ASCII ones
def test_letters_of_other_scripts_never_become_ascii_ones(word: str) -> None:
    assert ascii_upper(word) == ascii_lower(word) == word
    assert (ascii_upper("yes"), ascii_lower("YES")) == ("YES", "yes")


@pytest.mark.parametrize(
    ("given_", "limits"),
    [
        (b'{"a": ' + b"9" * 400 + b"}", {}),
        (b'{"a": 0.' + b"9" * 398 + b"}", {"nan": True}),
        (b"{}" + b" " * 8, {"at_most": 10}),
        (b"[" + b"0," * 399_999 + b"0]", {}),
    ],
    ids=range(4),
)
def test_what_is_just_within_a_limit_is_taken(given_: bytes, limits: dict[str, Any]) -> None:
    assert json_document(given_, **limits) == json.loads(given_)
    longer = (
        given_.replace(b"9" * 398, b"9" * 399).replace(b"0]", b"0,0]")
        if b"9" in given_ or b"]" in given_
        else given_ + b" "
    )
    assert isinstance(json_document(longer, **limits), str)
