"""Check policy: a policy file was written or removed. What is wrong with it is told, and its monitor is listened for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from orchestration.domain.json_values import mapping, model_name
from orchestration.steps.policies import load_policy, policy_key
from orchestration.steps.rivals import against_rivals
from orchestration.steps.silence import listen

if TYPE_CHECKING:
    from orchestration.ports import Ports


def check_policy(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Read the policy file an event of S3 names.

    Args:
        request: S3's event ``Object Created``; only the object's key is taken from it.
        ports: the outside.

    Returns:
        ``{"model", "findings"}``; model is None for what is no policy file, or one of a model that the loop does not know.

    Raises:
        ContentionError: rivals kept winning; EventBridge tries again.
    """
    key = str(mapping(mapping(request.get("detail")).get("object")).get("key"))
    model = model_name(key.removeprefix("policies/").removesuffix(".json"))
    loaded = load_policy(ports, model) if model is not None and key == policy_key(model) else None
    if model is None or loaded is None:
        return {"model": None, "findings": []}
    listening = functools.partial(listen, ports, model, loaded.policy.expect_every_hours)
    against_rivals(ports, lambda: listening() or None, f"The state of {model}")
    return {"model": model, "findings": list(loaded.findings)}
