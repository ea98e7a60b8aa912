"""The threats of docs/threats.toml, and the tests that show what answers each: the table of docs/security.md."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
THREATS: Final = ROOT / "docs" / "threats.toml"
TESTS: Final = ROOT / "tests"
MARK: Final = "threat"
SHOWN: Final = 4
"""Tests a row of the table names; the marks in tests/ name all."""


@dataclass(frozen=True, slots=True)
class Threat:
    """A row: who does it, what, what answers it, what is left."""

    name: str
    who: str
    threat: str
    answer: str
    left: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A test that shows an answer."""

    path: str
    test: str


def threats() -> list[Threat]:
    """Every threat, in the order of the file."""
    entries = tomllib.loads(THREATS.read_text(encoding="utf-8"))["threats"]
    return [Threat(name, **entry) for name, entry in entries.items()]


def shown_by() -> dict[str, list[Shown]]:
    """Tests marked ``threat("name", ...)``, by threat, those of tests/attack first."""
    found: dict[str, list[Shown]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py"), key=lambda path: (path.parent.name != "attack", str(path))):
        text = path.read_text(encoding="utf-8")
        if f".{MARK}(" not in text:
            continue
        where = path.relative_to(ROOT).as_posix()
        for test, names in _marked(ast.parse(text)):
            for name in names:
                found[name].append(Shown(where, test))
    return dict(found)


def threat_table() -> str:
    """The table of docs/security.md."""
    shown = shown_by()
    lines = ["| who | threat | answer | what is left | shown by |", "| --- | --- | --- | --- | --- |"]
    for threat in threats():
        tests = shown.get(threat.name, [])
        named = ", ".join(f"[`{test.test}`](../{test.path})" for test in tests[:SHOWN])
        more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
        cells = (threat.who, threat.threat, threat.answer, threat.left, f"{named}{more}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Names of tests, or of the module's first one where a mark is the module's, with the threats of each."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = _names(node.decorator_list)
            for test in node.body:
                if isinstance(test, ast.FunctionDef) and (names := own + _names(test.decorator_list)):
                    yield test.name, names
        elif isinstance(node, ast.FunctionDef) and (names := _names(node.decorator_list)):
            yield node.name, names


def _names(decorators: list[ast.expr]) -> list[str]:
    return [
        str(argument.value)
        for decorator in decorators
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr == MARK
        for argument in decorator.args
        if isinstance(argument, ast.Constant)
    ]
