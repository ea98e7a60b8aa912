"""The hash a record must have, whichever release wrote it."""

from __future__ import annotations

import json
import math
from typing import Any

from orchestration.domain.chain import record_hash
from orchestration.domain.records import sha256


def hash_of(record: dict[str, Any]) -> str:
    """Hex SHA-256 of a record's text without its own hash: canonical since version 2, that of the release before else."""
    if record.get("schema_version") != 1:
        return record_hash(record)
    place = {key: value for key, value in record["chain"].items() if key != "hash"}
    return sha256(first_version_text({**record, "chain": place}))


def first_version_text(value: Any) -> str:
    """The JSON text that records of version 1 were hashed as: sorted by characters, numbers as Python writes them."""
    written = json.dumps(_finite(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return written.encode(errors="replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
