"""The published schemas of records: each kind has one, it is strict, and the code's words are its words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from ops.given_schemas import FILES, SIMULATED_SIGNAL
from ops.record_schemas import SCHEMAS, schema_finding, schema_path
from orchestration.domain.artifact import ARTIFACTS
from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import OUTCOMES, Decision, Next, Severity, SignalKind, SignalSource, Status
from orchestration.domain.votes import ApprovalDecision
from tests.unit import stories
from tests.unit.fakes import UnpublishedRecordError, World, refuse_unpublished
from tests.unit.history import rich_history, signal

PAGE: Final = SCHEMAS.parent / "records.md"
OF_RECORDS: Final = sorted({*SCHEMAS.glob("*.schema.json")} - {*FILES.values(), SIMULATED_SIGNAL})
WORDS: Final[dict[str, set[str]]] = {
    "severity": set(Severity),
    "decision": set(Decision),
    "source": set(SignalSource),
    "signal_kind": set(SignalKind),
    "next": set(Next),
    "status": set(Status),
    "outcome": set(OUTCOMES),
    "ruling": set(ApprovalDecision),
}
THEIRS: Final = frozenset(
    {"input", "parameters", "request", "deployment", "dataset", "environment", "versions"}
    | {"create_model", "create_endpoint_config", "update_endpoint", "candidate_metrics", "champion_metrics"}
)
"""Objects that belong to the team, to AWS or to a report; the dataset of a manifest repeats its signal's."""


@pytest.fixture(scope="module")
def history() -> World:
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    return world


@pytest.fixture(scope="module")
def records(history: World) -> dict[str, dict[str, Any]]:
    """The last record of each kind."""
    return {record["kind"]: record for record in chained_objects(history).values()}


def chained_objects(world: World) -> dict[str, dict[str, Any]]:
    """The records in the bucket, by key."""
    found = {key: world.read(key) for key in world.keys("") if not key.startswith(ARTIFACTS) and key.endswith(".json")}
    return {key: record for key, record in found.items() if isinstance(record, dict) and "chain" in record}


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every object in a JSON value, with its path."""
    if isinstance(value, dict):
        yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield from objects(item, (*path, key))


def test_every_kind_of_record_has_a_schema_and_every_schema_a_kind() -> None:
    kinds = {path.name.removesuffix(".schema.json") for path in OF_RECORDS}
    assert kinds == {*RecordKind, "signal", "definitions", "report"}
    for kind in RecordKind:
        assert json.loads(schema_path(kind).read_text())["properties"]["kind"]["const"] == kind


@pytest.mark.parametrize("path", OF_RECORDS, ids=lambda path: path.name.split(".")[0])
def test_every_property_is_described_and_objects_that_are_ours_allow_no_other(path: Path) -> None:
    loose, silent = [], []
    for place, schema in objects(json.loads(path.read_text())):
        properties = schema.get("properties")
        if not isinstance(properties, dict) or "type" not in schema:
            continue
        silent += [(*place, name) for name, item in properties.items() if not item.get("description")]
        if schema.get("additionalProperties") is not False:
            loose.append(place)
    assert (loose, silent) == ([], [])


def test_the_words_of_the_schemas_are_those_of_the_code() -> None:
    definitions = json.loads((SCHEMAS / "definitions.schema.json").read_text())["definitions"]
    assert {name: set(part["enum"]) for name, part in definitions.items() if "enum" in part} == WORDS


def test_a_history_that_has_seen_everything_holds_every_kind(records: dict[str, dict[str, Any]]) -> None:
    assert set(records) == set(RecordKind)
    assert {kind: schema_finding(record) for kind, record in records.items()} == dict.fromkeys(records)


@pytest.mark.parametrize("kind", RecordKind)
def test_a_field_that_is_added_anywhere_in_a_record_is_refused_until_its_schema_names_it(
    kind: RecordKind, records: dict[str, dict[str, Any]]
) -> None:
    ours = [path for path, _ in objects(records[kind]) if not THEIRS & set(path)]
    assert () in ours
    for path in ours:
        changed = deepcopy(records[kind])
        place: Any = changed
        for key in path:
            place = place[key]
        place["another_field"] = None
        assert schema_finding(changed), path
        with pytest.raises(UnpublishedRecordError):
            refuse_unpublished(changed)


@pytest.mark.parametrize("kind", RecordKind)
def test_a_record_that_lacks_a_field_or_has_another_kind_of_value_there_is_refused(
    kind: RecordKind, records: dict[str, dict[str, Any]]
) -> None:
    record = records[kind]
    for name in record.keys() - {"switch", "by"}:
        # Outcomes of earlier releases are read as well, and lack them.
        lacks = {key: value for key, value in record.items() if key != name}
        assert schema_finding(lacks) or name in {"died", "jobs"}, name
        assert schema_finding({**record, name: [[1]]}), name


@pytest.mark.parametrize("value", [{}, [], None, {"kind": ["decision"]}, {"kind": "../records"}])
def test_what_is_no_record_has_no_schema(value: Any) -> None:
    assert schema_finding(value)


# The page.


@pytest.fixture
def check() -> Callable[[bytes, dict[str, Any] | None], None]:
    """The lines of the page that check a record."""
    (code,) = re.findall(r"<!-- snippet: check -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code.count("\n") <= 12
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page's snippet is what is tested
    found: Callable[[bytes, dict[str, Any] | None], None] = names["check"]
    return found


def test_the_pages_lines_check_whole_chains_and_find_an_edit(
    check: Callable[[bytes, dict[str, Any] | None], None], history: World
) -> None:
    for head in history.table.chain_heads():
        previous = None
        for number in range(1, head.sequence + 1):
            link = history.table.link(head.chain, number)
            assert link is not None
            body = history.bucket.objects[history.bucket.uri(link.key)]
            check(body, previous)
            with pytest.raises(AssertionError, match="edited"):
                check(body.replace(b'"kind":"', b'"kind":"x', 1), previous)
            with pytest.raises(AssertionError, match="does not follow"):
                check(body, {"chain": {"sequence": number, "hash": "1" * 64}})
            with pytest.raises(AssertionError, match="not the canonical text"):
                check(body + b" ", previous)
            previous = json.loads(body)


def test_the_pages_lines_check_records_of_large_numbers(
    check: Callable[[bytes, dict[str, Any] | None], None], world: World
) -> None:
    """A double beyond 2^53 may be written without an exponent, and is no integer for that."""
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(evaluation={"metric": "auc", "minimum": 1e17}))
    assert signal(world, "run-1", observed=1e20, threshold=2**53 + 2) == "RETRAIN"
    decision, manifest = (world.table.link("fraud", number) for number in (1, 2))
    assert decision is not None
    assert manifest is not None
    assert '"observed":100000000000000000000' in decision.record
    check(decision.record.encode(), None)
    check(manifest.record.encode(), json.loads(decision.record))


def test_the_page_names_every_kind_and_where_it_lies(history: World) -> None:
    rows = re.findall(r"^\| (\w+) \|[^|]+\| ([^|]+) \| \[\w+\]\((\S+)\) \|$", PAGE.read_text(), re.MULTILINE)
    assert [kind for kind, _, _ in rows] == list(RecordKind)
    for kind, places, schema in rows:
        assert (PAGE.parent / schema) == schema_path(kind)
        patterns = [re.sub(r"<\w[\w ]*>", "[^/]+", text.replace(".", r"\.")) for text in re.findall(r"`(.+?)`", places)]
        keys = [key for key, record in chained_objects(history).items() if record["kind"] == kind]
        assert keys
        assert [key for key in keys if not any(re.search(f"{pattern}$", key) for pattern in patterns)] == []
