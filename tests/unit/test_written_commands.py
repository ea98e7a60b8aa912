"""A command that people read is written at one place, so that it names its stack and its Region."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestration.domain.console_links import Console
from tests.unit.fakes import SETTINGS

OPS: Final = Path(__file__).parent.parent.parent / "ops"
SOURCES: Final = Path(__file__).parent.parent.parent / "src" / "orchestration"
COMMANDS: Final = (
    "status|waits|signals|history|explain|report|prices|review|approve|reject|retrain|pause|resume|unfreeze|rollback|sweep|"
    "replay|verify-audit|restore-history|validate|try|package|deploy|smoke|import|destroy|verify-aws"
)
WRITTEN: Final = re.compile(rf"\bmake ({COMMANDS})\b|\bretraining ({COMMANDS})\b|\b[A-Z]{{2,}}=<")


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Texts of a module but its docstrings, which no person at a terminal reads."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def test_no_other_place_writes_a_command() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{node.lineno}: {node.value!r}"
        for path in sorted(SOURCES.rglob("*.py"))
        if path.name != "commands.py"
        for node in texts(ast.parse(path.read_text(encoding="utf-8")))
        if WRITTEN.search(str(node.value))
    ]
    assert found == []


def test_a_tool_writes_a_command_of_a_stack_at_that_place_too() -> None:
    """A sentence may name a command; one with what stands behind it is there to be pasted, and names its stack and Region."""
    whole = re.compile(rf"\bretraining ({COMMANDS}) (?!ID\b|FILE\b|KEY\b|RUN\b)(--|<|[\w./]+[/.])")
    found = [
        f"{path.name}:{node.lineno}: {node.value!r}"
        for path in sorted(OPS.rglob("*.py"))
        for node in texts(ast.parse(path.read_text(encoding="utf-8")))
        if whole.search(str(node.value)) and "retraining validate policies/" not in str(node.value)
    ]
    assert found == []


def test_a_written_command_would_be_found() -> None:
    wrong = ast.parse('''x = f"Then: make resume SCOPE={1}"\ny = "retraining waits shows it"\n"""make resume"""''')
    assert len([node for node in texts(wrong) if WRITTEN.search(str(node.value))]) == 2


def test_every_command_that_is_asked_for_is_one_there_is() -> None:
    asked = {
        node.args[0].value
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"command", "told"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"approve", "resume", "explain"} <= asked
    assert asked <= set(COMMANDS.split("|"))


def test_the_stack_speaks_of_itself_by_its_name_and_region() -> None:
    assert SETTINGS.speaker.command("status") == "retraining status --stack retraining --region us-east-1"
    assert Console.of(SETTINGS.state_machine_arn).partition == "aws"
