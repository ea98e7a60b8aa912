"""Keras: its metrics and losses as its sources export them, with the direction that a metric's class sets."""

from __future__ import annotations

import ast
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.dialects.metric_names import keep, said_by_classes

DIRECTIONS: Final = {"up": False, "down": True}


def record(folder: str) -> None:
    """A loss is minimised. One of a metric's name is that metric. Nothing is imported, since that needs a backend."""
    spec = find_spec("keras")
    if spec is None or spec.origin is None:
        raise SystemExit("keras is not installed.")
    sources = Path(spec.origin).parent / "src"
    said = said_by_classes(sources / "metrics", "_direction")
    metrics = {name: DIRECTIONS.get(str(said.get(name))) for name in _exported(sources / "metrics")}
    taken = {name.replace("_", "").lower() for name in metrics}
    losses = [name for name in _exported(sources / "losses") if name.replace("_", "").lower() not in taken]
    keep(folder, "keras", dict.fromkeys(losses, True) | metrics)


def _exported(sources: Path) -> list[str]:
    decorators = [
        ast.unparse(decorator)
        for path in sources.glob("[!_]*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        for decorator in node.decorator_list
    ]
    return sorted({name for each in decorators for name in re.findall(r"keras\.(?:metrics|losses)\.(\w+)", each)})


if __name__ == "__main__":
    record(sys.argv[1])
