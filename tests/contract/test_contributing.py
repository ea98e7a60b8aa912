"""CONTRIBUTING.md: its lists of files lead through the code as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.contract.template import ROOT

TEXT: Final = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILE: Final = re.compile(r"[\w.-]+(/[\w.<>-]+)*\.(py|json|yaml|yml|toml|md)|[\w.-]+(/[\w.-]+)+/?")
NAME: Final = re.compile(r"[A-Za-z_][\w-]*")
ADDITIONS: Final = [
    part for part in re.split(r"^(?=## )", TEXT, flags=re.MULTILINE) if part.startswith("## Add ")
]  # fmt: skip
STEPS: Final = [step for part in ADDITIONS for step in re.findall(r"^\d+\. .*$", part, re.MULTILINE)]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def test_every_addition_that_people_ask_for_has_its_list() -> None:
    assert [part.splitlines()[0].removeprefix("## Add ") for part in ADDITIONS] == [
        "a signal source",
        "a gate",
        "a state of the workflow",
        "a key of a policy",
        "an error of AWS",
    ]
    assert all(len(re.findall(r"^\d+\. ", part, re.MULTILINE)) >= 5 for part in ADDITIONS)


def test_every_file_and_folder_that_it_names_is_there() -> None:
    named = [word for word in quoted(TEXT.split("## Targets")[0]) if FILE.fullmatch(word)]

    assert len(named) > 40
    made = {"dist/"}
    assert [name for name in named if name not in made and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_names_is_in_a_file_that_it_names(step: str) -> None:
    words = quoted(step)
    files = [ROOT / word for word in words if FILE.fullmatch(word)]
    names = [word for word in words if not FILE.fullmatch(word) and NAME.fullmatch(word)]
    texts = [_text(file) for file in files]

    lost = [
        name for name in names if not any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for text in texts)
    ]
    assert lost == [] or all(name.startswith("test_") and _is_a_test(name) for name in lost)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _is_a_test(name: str) -> bool:
    return any(f"def {name}(" in file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))


def test_every_make_target_that_it_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert {word.split()[1] for word in quoted(TEXT) if word.startswith("make ")} <= targets
