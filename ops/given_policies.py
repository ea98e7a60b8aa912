"""A policy file that is named in a command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from ops.file_reading import bytes_of
from ops.stack import CallError
from orchestration.domain.errors import PolicyError
from orchestration.domain.json_values import json_object
from orchestration.domain.policy import Policy, parse_policy

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.settings import Settings

DEFAULTS: Final = "defaults"
"""Version of the policy of a model that has no file."""


def policy_of(file: Path | None, model: str, settings: Settings, option: str = "--policy") -> Policy:
    """The policy of a file, or, without one, that of a model that has no file.

    Args:
        file: the file.
        model: whose policy; empty for the one that the file names, or the DefaultModel.
        settings: the stack's parameters.
        option: what the file was given with, for whoever is told what is wrong with it.

    Raises:
        CallError: it cannot be read, or is not valid.
    """
    if file is None:
        return parse_policy(model or settings.default_model, None, version=DEFAULTS, settings=settings)
    body = named_bytes(file, f"{option} ")
    document = json_object(body)
    named = document.get("model") if isinstance(document, dict) else None
    try:
        return parse_policy(str(model or named or file.stem), body, version=file.name, settings=settings)
    except PolicyError as error:
        raise CallError(
            f"{option} {file}: {error} This says all of it:", shlex.join(("retraining", "validate", str(file)))
        ) from None


def named_bytes(file: Path, option: str = "") -> bytes:
    """The bytes of a file that was named.

    Raises:
        CallError: it cannot be read.
    """
    try:
        return bytes_of(file)
    except OSError as error:
        raise CallError(f"{option}{file} cannot be read: {error.strerror}. Name a file that is there.") from None
