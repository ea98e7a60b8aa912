"""What policies are held against is what the required botocore knows of the APIs, and what their schema says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import botocore
import fastjsonschema
import pytest
from botocore.loaders import Loader

from ops.docs import WHOLE, main
from ops.policy_check import SCHEMA, TOLD, policy_check
from ops.service_shapes import service_shapes
from orchestration.domain.policy import POLICY_BYTES_LIMIT
from orchestration.domain.schema_fault import SchemaFault
from orchestration.policy_check import check
from tests.contract.template import ROOT

DATA = ROOT / "src" / "orchestration" / "service_shapes.json"


def test_the_shapes_are_those_of_the_botocore_that_is_required() -> None:
    assert DATA.read_text(encoding="utf-8") == service_shapes()
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    required = re.search(r"^botocore==(\S+)", lock, re.MULTILINE)
    assert required is not None
    assert json.loads(DATA.read_text(encoding="utf-8"))["botocore"] == required[1] == botocore.__version__


def test_lint_says_when_the_shapes_are_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WHOLE, "src/orchestration/service_shapes.json", lambda: "{}")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "src/orchestration/service_shapes.json is stale; run make docs\n"


def test_the_check_of_a_policy_is_written_from_its_schema() -> None:
    assert (ROOT / "src" / "orchestration" / "policy_check.py").read_text(encoding="utf-8") == policy_check()


def test_the_check_finds_what_the_library_finds_at_the_same_place_in_the_same_words() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    library = fastjsonschema.compile(schema, use_default=False)
    found = set()
    for document in documents(schema):
        ours, theirs = (outcome(each, document) for each in (check, library))
        assert ours == theirs, document
        found.add(ours[0] if ours else None)
    assert found >= {
        None,
        *TOLD,
        "type",
        "additionalProperties",
        "pattern",
        "minimum",
        "maximum",
        "maxLength",
        "maxItems",
    }


def outcome(look: Callable[[Any], Any], document: Any) -> tuple[Any, ...] | None:
    """The rule, the place, the sentence, the value, and what the schema wants where words are made of it."""
    try:
        look(copy.deepcopy(document))
    except SchemaFault as fault:
        return fault.rule, fault.name, f"{fault.name}{fault.message}", fault.value, fault.wanted
    except fastjsonschema.JsonSchemaValueException as error:
        wanted = error.rule_definition if error.rule in TOLD else None
        return error.rule, error.name, error.message, error.value, wanted
    return None


def documents(schema: dict[str, Any]) -> Iterator[Any]:
    """Policies with every key, each with one value put in the place of each other one, taken out, or with a key too many."""
    whole = whole_of(schema)
    yield from ([], "", None, {}, whole)
    for path in paths_of(whole, ()):
        for value in (None, "", "x" * 5000, "a.b", -1, 0, 0.5, 1e9, True, [], ["x"] * 60, {}, {"x{y}": 1}, {"psi": -1}):
            yield put(whole, path, value)
        yield put(whole, (*path[:-1], "no such"), 1) if isinstance(path[-1], str) else put(whole, path, 1)
        yield put(whole, path, ...)


def whole_of(said: dict[str, Any]) -> Any:
    """A value of a schema: its example where it has one, with each of its keys and one of each list."""
    if "properties" in said:
        return {name: whole_of(each) for name, each in said["properties"].items()}
    if said.get("examples"):
        return said["examples"][0]
    return said.get("const", said.get("default", said.get("x-default", 1)))


def paths_of(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from paths_of(member, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with a value at a place; ``...`` takes out what is there."""
    changed = copy.deepcopy(document)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def test_an_execution_takes_the_largest_input_that_a_policy_can_have() -> None:
    """Beside it stand the run's own keys, each an address or a name; what is sent has at most a character for each byte."""
    shapes = Loader().load_service_model("stepfunctions", "service-2")["shapes"]
    taken = shapes[shapes["StartExecutionInput"]["members"]["input"]["shape"]]["max"]
    assert taken >= POLICY_BYTES_LIMIT + 20 * 2048
