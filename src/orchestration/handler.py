"""Entry point of OrchestrationFunction.

A request is ``{"action": <name>, ...}`` from the state machine, an operator or a schedule, or a bare EventBridge event,
which is routed by its detail-type. The answer is a JSON object; errors are Lambda errors with one of the classes of
``errors`` as their type.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from orchestration.actions.admit import admit
from orchestration.actions.close import close
from orchestration.actions.evaluate import check_promotion, evaluate_candidate
from orchestration.actions.park import park
from orchestration.actions.resume import resume
from orchestration.actions.settle import settle
from orchestration.actions.sweep import sweep
from orchestration.actions.switches import pause, unfreeze, unpause
from orchestration.actions.verify import verify_promotion
from orchestration.composition import compose
from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    PIPELINE_STATE_CHANGE,
    TRAINING_JOB_STATE_CHANGE,
)
from orchestration.domain.errors import InvalidRequestError, TransientServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.ports import Ports

ACTIONS: Final[dict[str, Callable[[dict[str, Any], Ports], dict[str, Any]]]] = {
    "admit": admit,
    "park": park,
    "resume": resume,
    "evaluate": evaluate_candidate,
    "check": check_promotion,
    "verify": verify_promotion,
    "close": close,
    "settle": settle,
    "sweep": sweep,
    "pause": pause,
    "unpause": unpause,
    "unfreeze": unfreeze,
}
"""What can be asked for, by name; the state machine uses the same names."""

EVENT_ACTIONS: Final = {
    ENDPOINT_STATE_CHANGE: "resume",
    PIPELINE_STATE_CHANGE: "resume",
    TRAINING_JOB_STATE_CHANGE: "resume",
    ALARM_STATE_CHANGE: "resume",
    EXECUTION_STATUS_CHANGE: "settle",
}

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    }
)
"""Codes that ask the caller to come again."""

_ports: list[Ports] = []


def orchestrate(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Run one action.

    Raises:
        InvalidRequestError: no such action.
        OrchestrationError: what the action says.
    """
    del context
    if not _ports:
        _ports.append(compose())
    return run_action(event, _ports[0])


def transient(error: BotoCoreError | ClientError) -> bool:
    """True for an error of AWS that may be gone at the next try: no answer, throttled, or a fault of its own. Pure.

    Source: HTTP, 429 and 5xx; the codes are those botocore's standard retry mode counts as throttling.
    """
    if isinstance(error, BotoCoreError):
        return isinstance(error, (HTTPClientError, NoConnectionError))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        status == HTTPStatus.TOO_MANY_REQUESTS
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or (error.response.get("Error", {}).get("Code") in THROTTLED)
    )


def run_action(event: Any, ports: Ports) -> dict[str, Any]:
    """Route a request to its action; the part of the entry point that needs no environment."""
    name = None
    if isinstance(event, dict):
        name = event.get("action") or EVENT_ACTIONS.get(str(event.get("detail-type")))
    action = ACTIONS.get(str(name))
    if action is None:
        raise InvalidRequestError(f"There is no action {name!r}. Known actions: {', '.join(sorted(ACTIONS))}.")
    try:
        return action(event, ports)
    except (BotoCoreError, ClientError) as error:
        # Under one name of ours, which the workflow retries: every action can be repeated.
        if transient(error):
            raise TransientServiceError(f"{type(error).__name__}: {error}"[:1000]) from error
        raise
