"""TorchMetrics: the classes that its packages export, and the ``higher_is_better`` of each."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.dialects.metric_names import keep, said_by_classes


def record(folder: str) -> None:
    """Nothing is imported, since that needs torch."""
    spec = find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        raise SystemExit("torchmetrics is not installed.")
    sources = Path(spec.origin).parent
    said = said_by_classes(sources, "higher_is_better")
    exported = {name for init in sources.rglob("__init__.py") for name in _all(init)} & said.keys()
    keep(folder, "torchmetrics", {name: None if said[name] is None else not said[name] for name in exported})


def _all(init: Path) -> set[str]:
    """Names in a package's ``__all__``, which some extend by ``+=``."""
    lists = (
        node.value
        for node in ast.walk(ast.parse(init.read_bytes()))
        if isinstance(node, (ast.Assign, ast.AugAssign)) and "__all__" in ast.unparse(node).partition("=")[0]
    )
    return {
        part.value
        for each in lists
        for part in ast.walk(each)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


if __name__ == "__main__":
    record(sys.argv[1])
