"""What is said of a call whatever comes of it. Nothing heavy is imported: Ctrl-C may come before anything else is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "RETRAINING"
"""Of the environment variables that stand for options."""

_YES: Final = frozenset({"1", "t", "true", "y", "yes", "on"})
"""What the environment says of an option that is on. Source: click, ``BoolParamType``."""

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""

INTERRUPTED_SAID: Final = "Interrupted, as Ctrl-C asks."
"""What programs read after Ctrl-C where there is no more to say of it."""


def is_for_programs(given: Sequence[str]) -> bool:
    """Whether a program reads the answer of a call, by its words and the environment."""
    return "--json" in given or os.environ.get(f"{PREFIX}_JSON", "").strip().lower() in _YES


def error_document(said: str, status: int, command: str = "") -> dict[str, Any]:
    """What programs read of a command that could not be carried out."""
    return {"error": said, "status": int(status), "command": command or None}
