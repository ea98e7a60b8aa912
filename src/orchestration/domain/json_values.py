"""JSON values from outside made safe: texts, numbers, names. Pure."""

from __future__ import annotations

import math
import re
from typing import Any, Final

MODEL_NAME: Final = re.compile(r"[a-zA-Z0-9]([\-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
"""Names a model may have: SageMaker's own rule for model and endpoint names, so a name is safe in keys and ARNs.

Source: the pattern of ``ModelName`` in SageMaker's API, ``[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?``, at most 63.
"""

S3_URI: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\x7f\"'<>\\`{}|^]{0,1024}")

EXECUTION_NAME: Final = re.compile(
    r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]{1,80}"
)
"""Names an execution, and so a run, may have. Source: ``name`` of StartExecution in the API of Step Functions."""

S3_ADDRESS: Final = re.compile(r"s3[an]?://[^\s\"'<>,;\\]*", re.IGNORECASE)
"""An S3 address inside another text; hyperparameters are often JSON texts, and entry points command lines."""

TEXT_LIMIT: Final = 500
"""Characters kept of a text that came from outside; enough for a sentence, too little to flood a page."""


def text(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A text from outside, stripped of control characters and cut to ``limit`` characters; None when there is none."""
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return None
    cleaned = "".join(character for character in str(value) if character.isprintable()).strip()
    return cleaned[:limit] or None


def number(value: Any) -> float | None:
    """A finite number from a JSON number or a numeric string; None for anything else, "NaN" and booleans included."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def model_name(value: Any) -> str | None:
    """A legal model name, or None. Never trimmed or repaired: a name that has to be repaired is another name."""
    return value if isinstance(value, str) and MODEL_NAME.fullmatch(value) else None


def execution_name(value: Any) -> str | None:
    """A name that an execution may have, or None."""
    return value if isinstance(value, str) and EXECUTION_NAME.fullmatch(value) else None


def s3_uri(value: Any) -> str | None:
    """A well-formed ``s3://bucket/key`` without ``..`` segments, or None."""
    if not isinstance(value, str) or not S3_URI.fullmatch(value):
        return None
    return None if ".." in value.split("/") else value


def s3_addresses(value: Any) -> list[str]:
    """Every S3 address in the texts of a JSON value, in their order, well-formed or not."""
    if isinstance(value, str):
        return S3_ADDRESS.findall(value)
    members = value.values() if isinstance(value, dict) else sequence(value)
    return [address for member in members for address in s3_addresses(member)]


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value when it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
