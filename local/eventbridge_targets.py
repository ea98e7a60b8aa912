"""EventBridge's dead-letter queues: an event whose target is gone is kept, which ministack only logs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ministack.services import eventbridge, sqs, stepfunctions

if TYPE_CHECKING:
    from local.sagemaker_records import Document

logger = logging.getLogger(__name__)


def install() -> None:
    """Replace the delivery to a target with one that knows where an undeliverable event goes."""
    invoke_target = eventbridge._invoke_target

    def invoke(target: Document, event: Document, rule: Document, view: Any = None) -> None:
        missing = _missing(target.get("Arn", ""))
        queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if missing is None or queue_arn is None:
            invoke_target(target, event, rule, view)
            return
        shown = (view or eventbridge._pattern_event_view(event)).event_with_detail()
        _send_to_queue(queue_arn, json.dumps(shown), rule["Arn"], target["Arn"], missing)

    eventbridge._invoke_target = invoke


def _missing(arn: str) -> str | None:
    """Say what is missing when the target does not exist; None when it does, or when it is of another kind."""
    service = arn.removeprefix("arn:aws:").partition(":")[0]
    if service == "states" and stepfunctions._resolve_state_machine_arn(arn) is None:
        return f"State Machine Does Not Exist: '{arn}'"
    if service == "lambda":
        # One of the modules that take long to import; a function to look for means somebody already did.
        from ministack.services import lambda_svc  # noqa: PLC0415 - see above

        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            return f"Function not found: {arn}"
    return None


def _send_to_queue(queue_arn: str, body: str, rule_arn: str, target_arn: str, message: str) -> None:
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        logger.warning("no dead-letter queue %s", queue_arn)
        return
    attributes = {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target_arn,
        # A target that does not exist is not retried, so there is neither a count nor an exhausted condition.
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": message,
    }
    sqs._act_send_message(
        {
            "QueueUrl": queue["url"],
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        },
        queue["url"],
    )
