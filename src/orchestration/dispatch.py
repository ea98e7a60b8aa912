"""What the entry points share: find the action, run it, give AWS's passing faults one name of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.json_values import text
from orchestration.stores.service_errors import transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.ports import ApprovalPorts

P = TypeVar("P", bound="ApprovalPorts")


def dispatch(
    name: str, actions: Mapping[str, Callable[[dict[str, Any], P], dict[str, Any]]], request: Any, ports: P
) -> dict[str, Any]:
    """Run an action.

    Raises:
        InvalidRequestError: there is no such action.
        TransientServiceError: AWS failed for a moment; the workflow retries, since every action can be repeated.
        OrchestrationError: what the action says.
    """
    action = actions.get(name)
    if action is None:
        raise InvalidRequestError(
            f"There is no action {text(name, 80)!r}. Known actions: {', '.join(sorted(actions))}."
        )
    try:
        return action(request, ports)
    except (BotoCoreError, ClientError) as error:
        if transient(error):
            raise TransientServiceError(f"{type(error).__name__}: {error}"[:1000]) from error
        raise
