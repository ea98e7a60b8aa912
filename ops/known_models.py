"""The models a stack knows, and the one that was meant by a name it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.refusals import OPERATORS, not_allowed, refusal, who_has
from ops.stack import OperatorError
from orchestration.domain.documents import Unreadable
from orchestration.domain.json_values import model_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.stack import Stack

NAMED_AT_MOST: Final = 10
"""Models named in a sentence; `retraining status` lists all."""

FOLDER: Final = "policies/"


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """What lies in the folder of policies: the models with a file, and files whose name is no model's.

    ``refused`` says why it was not looked at, where whoever asks may not.
    """

    models: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    refused: str | None = None


def policy_files(stack: Stack) -> PolicyFiles:
    """List the folder of policies."""
    try:
        keys = stack.keys(FOLDER)
    except (BotoCoreError, ClientError) as error:
        why = who_has(OPERATORS) if not_allowed(error) else refusal(error)
        return PolicyFiles(refused=f"The policy files cannot be listed by you. {why}")
    named = {key: _model_of(key) for key in keys if key != FOLDER}
    return PolicyFiles(
        tuple(model for model in named.values() if model is not None),
        tuple(key for key, model in named.items() if model is None),
    )


def _model_of(key: str) -> str | None:
    name = key.removeprefix(FOLDER)
    return model_name(name.removesuffix(".json")) if name.endswith(".json") else None


def known_models(stack: Stack) -> list[str]:
    """Every model that had a signal, has a policy file, or is the stack's DefaultModel."""
    default = model_name(stack.parameters.get("DefaultModel"))
    return sorted({*stack.table.models(), *policy_files(stack).models, *([default] if default else [])})


def nothing_of(stack: Stack, name: str) -> str:
    """Say why nothing is on record of a model."""
    models = known_models(stack)
    return f"No signal of {name} came yet." if name in models else unknown_model(name, models)


def unknown_to(stack: Stack, name: str) -> str | None:
    """Say that a stack knows no such model; None where it does, and where that cannot be seen."""
    try:
        policy = stack.bucket.read(stack.bucket.uri(f"{FOLDER}{name}.json"))
        if policy.unreadable is not Unreadable.MISSING or name in (models := known_models(stack)):
            return None
    except (BotoCoreError, ClientError, OperatorError):
        return None
    return unknown_model(name, models)


def unknown_model(name: str, models: Sequence[str]) -> str:
    """Say that there is no such model, which one was meant, and which there are."""
    near = get_close_matches(name, models, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    more = f" and {len(models) - NAMED_AT_MOST} more" if len(models) > NAMED_AT_MOST else ""
    there = f"Models: {', '.join(models[:NAMED_AT_MOST])}{more}." if models else "No model is known yet."
    return f"There is no model {name}.{meant} {there}"
