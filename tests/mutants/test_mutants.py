"""The mutation run itself: what it changes, that known faults are noticed, and that no reason outlives its mutant."""

from __future__ import annotations

import ast
import contextlib
import gc
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestration.domain import fence
from tests.mutants.__main__ import accepted, main
from tests.mutants.mutations import ROOT, Module, modules, weaker_and_stricter
from tests.mutants.trials import ELSEWHERE, IMPORT, LEFT_OUT, TESTS, Mentions, Reach, _functions
from tests.unit.memory_dynamodb import ConditionalCheckFailedException, MemoryDynamoDB


def changes(source: str, *, rules: bool = True) -> set[tuple[str, str]]:
    return {(mutant.was, mutant.becomes) for mutant in Module("x.py", source, rules=rules).mutants}


def test_a_word_that_no_module_has_tries_nothing_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--files", "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < 2", {("a < 2", "a <= 2"), ("2", "3")}),
        ("return a is not None", {("a is not None", "a is None")}),
        ("return a or b", {("a or b", "a and b"), ("a or b", "a"), ("a or b", "b")}),
        ("return not a", {("not a", "a")}),
        ("return 'word'", {("'word'", "'wordx'")}),
        ("return 'Words for people.'", set()),
        ("return f'{a} words'", set()),
        ("return text(a, 500)", set()),
        ("return [a, *b]", {("a", ""), ("*b", "")}),
        ("return {**a, b: c}", {("**a", ""), ("b: c", ""), ("**a", "**a last")}),
        ("a(b=c)", {("a(b=c)", ""), ("a(..., b=c)", "")}),
        ("LOG.info('word', extra={'a': not b})", set()),
        ("raise a", {("raise a", "")}),
        ("return [a for a in b if c]", {("if c", ""), ("c", "not c")}),
        ("return min(a)", {("min(a)", "max(a)")}),
        ("a += b", {("a += b", ""), ("a += b", "a -= b")}),
    ],
)
def test_a_line_is_changed_in_these_ways(line: str, expected: set[tuple[str, str]]) -> None:
    assert changes(f"def f():\n    {line}\n") == expected


def test_a_handler_is_taken_away() -> None:
    source = "def f():\n    try:\n        pass\n    except (A, B):\n        pass\n"
    assert changes(source) == {("except (A, B):", "except (A, B): raise"), ("A", ""), ("B", "")}


def test_in_the_writes_words_numbers_and_entries_stay() -> None:
    assert changes("def f():\n    return {'a': 1}\n", rules=False) == set()
    assert changes("def f():\n    return [a, b == c]\n", rules=False) == {
        ("a", ""),
        ("b == c", ""),
        ("b == c", "b != c"),
    }


def test_every_clause_of_a_condition_is_left_out_and_made_impossible_with_all_its_placeholders() -> None:
    assert list(weaker_and_stricter("attribute_not_exists(pk)")) == [
        "attribute_not_exists(pk) OR attribute_exists(pk)",
    ]
    assert list(weaker_and_stricter("attribute_exists(pk) AND #a = :b")) == [
        "#a = :b AND attribute_exists(pk) OR #a = :b AND attribute_not_exists(pk)",
        "attribute_exists(pk) AND #a = :b OR attribute_exists(pk) AND #a <> :b",
        "attribute_exists(pk) OR #a = :b",
    ]
    assert list(weaker_and_stricter("#a = :b OR #c = :d")) == [
        "#a = :b OR #a <> :b OR #c = :d",
        "#a = :b AND #a <> :b OR #c = :d",
        "#a = :b OR #c = :d OR #c <> :d",
        "#a = :b OR #c = :d AND #c <> :d",
    ]


def test_a_changed_condition_is_one_that_the_table_in_memory_evaluates() -> None:
    """Else it would be noticed for its form, and not for what it lets through."""
    changed = [
        mutant.becomes for module in modules(["stores/"]) for mutant in module.mutants if "(pk)" in mutant.becomes
    ]
    conditions = [ast.literal_eval(text) for text in changed if re.fullmatch(r"'[^']+'", text)]

    assert len(conditions) > 30
    for condition in conditions:
        request: dict[str, Any] = {
            "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}},
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {name: name[1:] for name in re.findall(r"#\w+", condition)},
            "ExpressionAttributeValues": {name: {"S": "v"} for name in re.findall(r":\w+", condition)},
        }
        with contextlib.suppress(ConditionalCheckFailedException):
            MemoryDynamoDB().put_item(**request)


def test_a_change_is_in_the_code_once_and_leaves_no_trace_in_the_next() -> None:
    module = Module("x.py", "def f(a):\n    return a < 2\n", rules=True)

    def value(mutant: Any = None) -> list[bool]:
        names: dict[str, Any] = {}
        exec(module.compile(mutant), names)  # noqa: S102 - the two lines above
        return [names["f"](number) for number in (1, 2, 3)]

    assert sorted(map(value, module.mutants)) == [[True, True, False], [True, True, False]]
    assert value() == [True, False, False]


def test_what_reaches_a_line_is_tried_before_what_only_may_and_its_own_file_first() -> None:
    """Else many tests of a file that reaches the line as it is imported leave no time for the one that notices."""
    module = Module("domain/x.py", "def f(a):\n    return a < 2\n", rules=True)
    other = [f"tests/unit/test_other.py::test_{number}" for number in range(100)]
    far, own = "tests/unit/test_far.py::test_reaches", "tests/unit/test_x.py::test_reaches"
    lines = {"domain/x.py": {2: [f"{IMPORT}tests/unit/test_other.py", far, own]}}
    reach = Reach(lines, dict.fromkeys([*other, far, own], 0.1), Counter({far: 10, own: 1000}))

    tests, afresh = reach.of(module, module.mutants[0], Mentions({}), 1.0)

    assert tests[:2] == [own, far]
    assert (len(tests), afresh) == (10, True)


def test_a_table_is_tried_with_the_tests_of_a_file_that_names_it_in_its_own_lines(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        "from x import TABLE\nCASES = {'all': TABLE}\n\ndef test_a():\n    assert CASES\n", encoding="utf-8"
    )
    items = cast("Any", {"test_x.py::test_a": SimpleNamespace(path=file)})
    assert Mentions(items).tests(frozenset({"TABLE"})) == {"test_x.py::test_a"}
    assert Mentions(items).tests(frozenset({"test_a"})) == set()


def test_a_function_is_found_though_what_was_collected_is_frozen() -> None:
    """Else no mutant is put into a function that is there, and each trial imports everything again."""
    gc.freeze()
    there = _functions()
    gc.freeze()

    assert there["domain/fence.py", "refuse"] == [fence.refuse]


def test_no_reason_outlives_the_mutant_it_was_written_for() -> None:
    mutants = [mutant for module in modules([reason.module for reason in accepted()]) for mutant in module.mutants]
    assert [str(reason) for reason in accepted() if not any(reason.covers(mutant) for mutant in mutants)] == []
    assert all(reason.reason for reason in accepted())


def test_known_faults_are_noticed_by_the_tests_that_are_there_for_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--known"],
        cwd=ROOT,
        env={"PYTHONPATH": "src", "PATH": "", "PYTHONPYCACHEPREFIX": sys.pycache_prefix or ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=115,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_that_are_left_out_are_there() -> None:
    assert [name for name in LEFT_OUT if not (TESTS / name).is_file()] == []
    for test in ELSEWHERE:
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), test
