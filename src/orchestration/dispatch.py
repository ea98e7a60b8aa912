"""What the entry points share: find the action, run it, give AWS's passing faults one name of ours."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.json_values import text
from orchestration.stores.service_errors import transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.ports import ApprovalPorts


def dispatch(name: str, actions: Mapping[str, str], request: Any, ports: ApprovalPorts) -> dict[str, Any]:
    """Run an action, which is imported when it is first asked for: a start loads what one of them needs, not what all do.

    Args:
        name: what is asked for.
        actions: where each action is, ``<module>:<function>``, a function of a request and the ports.
        request: handed to it.
        ports: handed to it.

    Returns:
        What the action gives.

    Raises:
        InvalidRequestError: there is no such action.
        TransientServiceError: AWS failed for a moment; the workflow retries, since every action can be repeated.
        OrchestrationError: what the action says.
    """
    if name not in actions:
        raise InvalidRequestError(
            f"There is no action {text(name, 80)!r}. Known actions: {', '.join(sorted(actions))}."
        )
    action: Callable[[Any, ApprovalPorts], dict[str, Any]] = pkgutil.resolve_name(actions[name])
    try:
        return action(request, ports)
    except (BotoCoreError, ClientError) as error:
        if transient(error):
            raise TransientServiceError(f"{type(error).__name__}: {error}"[:1000]) from error
        raise
