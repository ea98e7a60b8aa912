"""A throttled invocation has AWS's name in a state machine, and one that nobody waits for is made again later."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from local.sagemaker_records import in_background
from local.seam import Repair, eventbridge, lambda_svc

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

logger = logging.getLogger(__name__)

NAME: Final = "Lambda.TooManyRequestsException"
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
OLDEST_SECONDS: Final = 6 * 3600.0
_SHORTEST_PAUSE_SECONDS: Final = 0.1
"""Where pauses are skipped."""

NAMES = Repair(
    "throttled tasks",
    alone="a task whose function is throttled fails with `Lambda.Unknown`",
    aws=f"`{NAME}`",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html",
)
LATER = Repair(
    "throttled events",
    alone="an event for a function whose concurrency is used up is lost",
    aws="the function is invoked again for six hours, at first after a second, at last each five minutes",
    source="https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html",
)


_forgotten = threading.Event()
"""Set when the events that are kept so far are."""


def reset() -> None:
    """Forget the events that wait for a function to let them in: another one may have its name soon."""
    global _forgotten  # noqa: PLW0603 - those of the whole process
    _forgotten.set()
    _forgotten = threading.Event()


@NAMES.wraps(lambda_svc, "_throttle_response")
def _throttled(original: Callable[..., Document], reason_code: str, msg: str, retry_after: int = 1) -> Document:
    answer = original(reason_code, msg, retry_after)
    answer["body"]["errorType"] = NAME
    return answer


@LATER.replaces(eventbridge, "_dispatch_to_lambda")
def _dispatch(arn: str, payload: str) -> None:
    in_background(lambda: _invoke(arn, json.loads(payload)), f"event for {arn}")


def _invoke(arn: str, event: Any) -> None:
    """Invoke a function until its concurrency lets the event in."""
    forgotten = _forgotten
    scale, pause, began = float(os.environ.get("SFN_WAIT_SCALE", "1")), FIRST_PAUSE_SECONDS, time.monotonic()
    while time.monotonic() - began < OLDEST_SECONDS:
        function, config, name = lambda_svc.get_func_record_for_ref(arn)
        if not function or not config:
            logger.warning("EventBridge delivers nothing to function %s: there is none", name)
            return
        record = lambda_svc.execution_record_for_config(function, config)
        if not lambda_svc.execute_function_with_config_scope(record, event).get("throttle"):
            return
        if forgotten.wait(max(_SHORTEST_PAUSE_SECONDS, scale * pause)):
            return
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    logger.warning("an event for %s was throttled for too long", arn)
