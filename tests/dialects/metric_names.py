"""What a library says of its own metrics: their names, and of each whether lower is better."""

from __future__ import annotations

import ast
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WORD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,39}")


def keep(folder: str, library: str, metrics: Mapping[str, bool | None]) -> None:
    """Write ``<folder>/metrics.json``: of each name whether lower is better, None where the library says neither."""
    listed = [{"name": name, "lower_is_better": metrics[name]} for name in sorted(metrics)]
    lines = ",\n".join(f"  {json.dumps(each)}" for each in listed)
    head = f'"library": {json.dumps(library)}, "version": {json.dumps(version(library))}'
    Path(folder, "metrics.json").write_text(f'{{{head}, "metrics": [\n{lines}\n]}}\n', encoding="utf-8")


def words(package: Path) -> list[str]:
    """Every word in the code of a package, compiled or not: what a name that it takes has to be among."""
    files = (path for path in package.rglob("*") if path.suffix in {".so", ".py"})
    return sorted({word.decode() for path in files for word in WORD.findall(path.read_bytes())})


def said_by_classes(package: Path, attribute: str) -> dict[str, object]:
    """The literal that each class of a package's sources, or a base of it, gives an attribute.

    So nothing is imported: what a library needs to compute its metrics may have gigabytes. None is what no class says.
    """
    said: dict[str, object] = {}
    bases: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                for name, value in _assigned(node):
                    if name == attribute and isinstance(value, ast.Constant):
                        said[node.name] = value.value

    def of(name: str) -> object:
        return (
            said[name]
            if name in said
            else next((found for base in bases.get(name, ()) if (found := of(base)) is not None), None)
        )

    return {name: of(name) for name in bases}


def _assigned(node: ast.ClassDef) -> list[tuple[str, ast.expr | None]]:
    found: list[tuple[str, ast.expr | None]] = []
    for part in ast.walk(node):
        targets = (
            part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
        )
        if isinstance(part, (ast.Assign, ast.AnnAssign)):
            found += [(ast.unparse(target).removeprefix("self."), part.value) for target in targets]
    return found
