"""The chain of records, and the canonical text its hashes stand on."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.canonical_json import NESTING_LIMIT, SAFE_INTEGER, canonical
from orchestration.domain.chain import GENESIS, Head, Record, RecordKind, chained, head_after, record_hash
from orchestration.domain.contracts import Status

quick = settings(max_examples=200)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)

# RFC 8785, appendix B: the bits of a double, and its text.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "expected"), NUMBERS.items())
def test_numbers_are_written_as_the_standard_says(bits: str, expected: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value) == expected


def test_the_standards_own_example_is_written_as_it_shows() -> None:
    # RFC 8785, section 3.2.2 to 3.2.4.
    given_ = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }
    assert canonical(given_) == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]


@quick
@given(values)
def test_every_value_is_written_as_a_kept_library_writes_it(value: Any) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)
    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_what_json_cannot_say_is_written_as_text() -> None:
    assert canonical([float("nan"), float("inf"), -float("inf")]) == '["nan","inf","-inf"]'
    assert canonical([SAFE_INTEGER, SAFE_INTEGER + 2, -(10**400)])[:40] == f'[{SAFE_INTEGER},"{SAFE_INTEGER + 2}","-1'
    assert canonical({"a\ud800": Status.PROMOTED}) == '{"a?":"PROMOTED"}'
    assert canonical({None: 1, 2: 3}) == '{"2":3,"None":1}'
    deep: Any = 1
    for _ in range(NESTING_LIMIT * 40):
        deep = [deep]
    assert "left out" in canonical(deep)


@pytest.mark.parametrize(
    ("value", "text"), [(1e22, "1e+22"), (1.5e22, "1.5e+22"), (1.25e22, "1.25e+22"), (1.5e-7, "1.5e-7")]
)
def test_an_exponent_has_one_digit_before_the_point(value: float, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**53 - 1, "9007199254740991"),
        (2**53, "9007199254740992"),
        (2**53 + 1, '"9007199254740993"'),
        (-(2**53) - 1, '"-9007199254740993"'),
        (2**1024 - 1, f'"{2**1024 - 1}"'),
    ],
)
def test_an_integer_that_no_double_has_exactly_is_written_as_text(value: int, text: str) -> None:
    assert canonical(value) == text


def test_64_levels_are_kept_and_one_more_is_left_out() -> None:
    def nested(levels: int) -> Any:
        return [nested(levels - 1)] if levels else 1

    assert canonical(nested(64)) == "[" * 64 + "1" + "]" * 64
    assert canonical(nested(65)) == "[" * 64 + '"(left out: nested deeper than 64 levels)"' + "]" * 64
    assert canonical({"a": nested(63)}) == '{"a":' + "[" * 63 + "1" + "]" * 63 + "}"
    assert '"(left out' in canonical({"a": nested(64)})


# The chain.


def records(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    links = chained(Head("churn"), *(Record(RecordKind.DECISION, f"k{i}", body) for i, body in enumerate(bodies)))
    return [json.loads(link.record) for link in links]


def test_a_record_cannot_say_its_own_version_kind_and_place() -> None:
    (plain,) = records({"model": "churn"})
    (found,) = records({"model": "churn", "schema_version": 99, "kind": "outcome", "chain": {"name": "fraud"}})
    assert found == plain


def is_intact(found: list[dict[str, Any]], head: str) -> bool:
    previous = GENESIS
    for number, record in enumerate(found, start=1):
        place = record["chain"]
        if (place["sequence"], place["previous_hash"], place["hash"]) != (number, previous, record_hash(record)):
            return False
        previous = place["hash"]
    return previous == head


@quick
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), min_size=1, max_size=4), st.data())
def test_removing_editing_or_swapping_a_record_breaks_the_chain(
    bodies: list[dict[str, Any]], data: st.DataObject
) -> None:
    found = records(*bodies)
    head = found[-1]["chain"]["hash"]
    assert is_intact(found, head)
    place = data.draw(st.integers(0, len(found) - 1))
    assert not is_intact(found[:place] + found[place + 1 :], head)
    edited = {**found[place], "a": ["another value"]}
    assert not is_intact([*found[:place], edited, *found[place + 1 :]], head)
    before = Head("churn", place, found[place]["chain"]["previous_hash"])
    (rehashed,) = chained(before, Record(RecordKind.DECISION, "k", {**edited}))
    assert not is_intact([*found[:place], json.loads(rehashed.record), *found[place + 1 :]], head)


def test_a_link_says_where_it_stands_and_what_follows_stands_behind_it() -> None:
    head = Head("churn", 4, "a" * 64)
    first, second = chained(
        head, Record(RecordKind.DECISION, "d", {"x": 1}), Record(RecordKind.MANIFEST, "m", {"x": 1})
    )
    assert [(link.sequence, link.kind, link.key) for link in (first, second)] == [
        (5, "decision", "d"),
        (6, "manifest", "m"),
    ]
    assert json.loads(second.record)["chain"]["previous_hash"] == first.hash
    assert head_after(head, (first, second)) == Head("churn", 6, second.hash)
    assert head_after(head, ()) == head


def test_the_hash_covers_place_chain_and_kind() -> None:
    body = Record(RecordKind.DECISION, "k", {"a": 1})
    hashes = {
        chained(head, record)[0].hash
        for head in (Head("churn"), Head("fraud"), Head("churn", 1), Head("churn", 0, "1" * 64))
        for record in (body, Record(RecordKind.VERDICT, "k", {"a": 1}))
    }
    assert len(hashes) == 8
