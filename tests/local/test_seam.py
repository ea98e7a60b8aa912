"""The seam to ministack: one module touches it, and refuses one that it does not fit."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from local import seam
from local.seam import Own, Part, SeamError

LOCAL = Path(seam.__file__).parent


def fake(**members: Any) -> ModuleType:
    """A module ``ministack.made_up``, not yet changed."""
    module = ModuleType("ministack.made_up")
    vars(module).update(members)
    return module


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Part:
    """The part for it, and nothing registered but what the test registers."""
    for kept in ("PARTS", "_pending", "_places"):
        monkeypatch.setattr(seam, kept, {})
    monkeypatch.setattr(seam, "CHANGES", [])
    return Part("made_up", "_store")


def change(module: ModuleType) -> None:
    """What happens to a module when it is imported."""
    seam._change(module)


def test_what_is_wrapped_gets_what_it_replaces(part: Part) -> None:
    module = fake(_store={}, _double=lambda number, add=0: 2 * number + add)

    @Own("more", "to show it").wraps(part, "_double")
    def more(original: Any, number: int, add: int = 0) -> int:
        return 1 + int(original(number, add))

    change(module)
    assert module._double(3) == 7
    assert module._double(number=3, add=1) == 8


def test_what_is_below_a_dictionary_or_a_class_is_replaced_there(part: Part) -> None:
    class Worker:
        def run(self, event: str) -> str:
            return event

    module = fake(_store={}, Worker=Worker, _HANDLERS={"type": {"create": "kept"}})
    own = Own("below", "to show it")
    own.wraps(part, "Worker", "run")(lambda original, self, event: original(self, event) + "!")
    own.replaces(part, "_HANDLERS", "type", "create")("made")
    own.adds(part, "_HANDLERS", "other")("added")
    change(module)
    assert Worker().run("go") == "go!"
    assert module._HANDLERS == {"type": {"create": "made"}, "other": "added"}


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"_double": lambda number: number}, "has no ministack.made_up._store any more, which local/ uses"),
        ({"_store": {}}, "has no ministack.made_up._double, which 'more' of local/ changes"),
        (
            {"_store": {}, "_double": lambda number, *, exact: (number, exact)},
            "gives (number, *, exact) to ministack.made_up._double, which 'more' of local/ changes and expects to take (number)",
        ),
    ],
)
def test_another_ministack_is_refused_with_what_to_look_at(part: Part, members: dict[str, Any], sentence: str) -> None:
    Own("more", "to show it").wraps(part, "_double")(lambda original, number: original(number))
    with pytest.raises(SeamError) as refused:
        change(fake(**members))
    assert sentence in str(refused.value)


def test_an_addition_that_ministack_has_by_now_is_taken_out(part: Part) -> None:
    Own("type", "to show it").adds(part, "_store", "AWS::Made::Up")({})
    with pytest.raises(
        SeamError, match=r"has ministack.made_up._store.AWS::Made::Up, which 'type' of local/ adds: take"
    ):
        change(fake(_store={"AWS::Made::Up": {}}))


def test_one_thing_is_changed_once(part: Part) -> None:
    Own("first", "to show it").replaces(part, "_store")({})
    with pytest.raises(SeamError, match=r"_store is changed twice: by 'first' and 'second'"):
        Own("second", "to show it").replaces(part, "_store")({})


def trees() -> dict[str, ast.Module]:
    """The modules of ``local`` but the seam, parsed."""
    return {file.name: ast.parse(file.read_text()) for file in LOCAL.glob("*.py") if file.name != "seam.py"}


def test_nothing_but_the_seam_imports_a_module_of_ministack() -> None:
    """Only public names of its core, which are no modules, are imported elsewhere."""
    found = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(each.name.split(".")[0] == "ministack" for each in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and str(node.module).split(".")[0] == "ministack"
            and (
                str(node.module).count(".") != 2
                or not str(node.module).startswith("ministack.core.")
                or any(each.name.startswith("_") for each in node.names)
            )
        )
    ]
    assert found == []


def used(tree: ast.Module) -> set[tuple[str, str]]:
    """The names that a module takes from parts: the part, and the name."""
    names = {
        each.asname or each.name: each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "local.seam"
        for each in node.names
    }
    return {
        (names[node.value.id], node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }


def test_those_names_are_listed_that_are_used() -> None:
    parts = {name: part for name, part in vars(seam).items() if isinstance(part, Part)}
    taken = {(name, attribute) for tree in trees().values() for name, attribute in used(tree) if name in parts}
    listed = {(name, attribute) for name, part in parts.items() for attribute in part.names}
    assert taken - {(name, "load") for name in parts} == listed


def test_nothing_is_changed_before_the_seam_is_applied() -> None:
    """A test that imports what is registered has ministack as it is."""
    importlib.import_module("local.step_functions_executions")
    from ministack.services import stepfunctions  # noqa: PLC0415 - after it

    assert stepfunctions._start_execution.__module__ == "ministack.services.stepfunctions"
    assert not any(isinstance(each, seam._AfterImport) for each in sys.meta_path)


@pytest.mark.parametrize("part", ["stepfunctions", "provisioners"])
def test_the_server_ends_with_the_sentence(part: str) -> None:
    """At the start, and where a module takes long to import, when it is."""
    program = (
        f"from local import seam\nseam.Own('made up', 'to show it').wraps(seam.{part}, '_gone')(lambda original: None)\n"
        "from local.__main__ import main\nmain()"
    )
    ended = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", program, "--port", "0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if "CRITICAL" in line]
    assert len(said) == 1, ended.stderr
    assert f"{part}._gone, which 'made up' of local/ changes. See local/README.md." in said[0]
    assert "Traceback" not in ended.stderr
