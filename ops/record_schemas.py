"""The published JSON Schemas of records, and what they find wrong with one. Reads docs/schemas/."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

import fastjsonschema

from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestration.domain.chain import RecordKind

SCHEMAS: Final = ROOT / "docs" / "schemas"


def schema_finding(record: Any) -> str | None:
    """What is wrong with a record of version 2 by the schema of its kind; None when nothing is."""
    kind = record.get("kind") if isinstance(record, dict) else None
    if not isinstance(kind, str) or not schema_path(kind).is_file():
        return f"kind {kind!r} has no schema"
    try:
        _validator(kind)(record)
    except fastjsonschema.JsonSchemaValueException as error:
        return str(error.message)
    return None


def schema_path(kind: RecordKind | str) -> Path:
    """Where the schema of a kind lies."""
    return SCHEMAS / f"{kind}.schema.json"


@functools.cache
def _validator(kind: str) -> Callable[[Any], Any]:
    schema = json.loads(schema_path(kind).read_text(encoding="utf-8"))
    # References name files beside the schema, so their addresses have no scheme.
    beside = {"": lambda name: json.loads((SCHEMAS / name).read_text(encoding="utf-8"))}
    compiled: Callable[[Any], Any] = fastjsonschema.compile(schema, handlers=beside, use_default=False)
    return compiled
