"""What EventBridge may deliver, and where the rest goes: ministack asks nobody, and only logs what it cannot deliver.

A function lets rules in by its resource policy, a state machine is started under the target's role. Source:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html; AWS's pages do not agree on what a role
does to a target that is a function, so here it does nothing.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, get_account_id, get_region

from local.iam_calls import Call
from local.iam_enforcement import caller_of_role, trusts
from local.iam_policies import lets_in
from local.seam import Repair, eventbridge, lambda_svc, sqs, stepfunctions

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.iam_enforcement import Authority
    from local.sagemaker_records import Document

logger = logging.getLogger(__name__)


UNDELIVERABLE = Repair(
    "undeliverable events",
    alone="a rule invokes any function, starts any machine and fills any queue; no dead-letter queue for rules",
    aws="a function and a queue take events only of rules that their resource policies name, a function with no "
    "`aws:SourceAccount`; a machine is started under the target's role, which must trust the rule and may start it; "
    "what is refused or missing sends the event to the rule's dead-letter queue",
    source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html",
)
TARGET_ROLES = Repair(
    "roles of targets",
    alone="a state machine is a target without a role",
    aws="refused",
    source="https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html",
)


def install(authority: Authority) -> None:
    """Have events delivered where the authority allows it, and left where an undeliverable one goes."""

    @UNDELIVERABLE.wraps(eventbridge, "_invoke_target")
    def invoke(
        original: Callable[..., None], target: Document, event: Document, rule: Document, view: Any = None
    ) -> None:
        refused = _refused(authority, target, rule["Arn"])
        if refused is None:
            original(target, event, rule, view)
            return
        queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue_arn is None:
            logger.warning("%s delivers nothing to %s: %s", rule["Arn"], target["Arn"], refused)
            return
        if not _queue_takes(queue_arn, rule["Arn"]):
            logger.warning("%s: the policy of %s lets it leave nothing there", rule["Arn"], queue_arn)
            return
        shown = (view or eventbridge.pattern_event_view(event)).event_with_detail()
        _send_to_queue(queue_arn, json.dumps(shown), rule["Arn"], target["Arn"], refused)


@TARGET_ROLES.wraps(eventbridge, "_validate_target_arn")
def _validate(original: Callable[[Document], Any], target: Document) -> Any:
    problem = missing_role(target)
    if problem is None:
        return original(target)
    return error_response_json("ValidationException", problem, HTTPStatus.BAD_REQUEST)


def missing_role(target: Document) -> str | None:
    """What PutTargets says to a state machine without the role to start it under; None when there is nothing to say."""
    arn = str(target.get("Arn", ""))
    if arn.split(":")[2:3] == ["states"] and not target.get("RoleArn"):
        return f"RoleArn is required for target {arn}."
    return None


def _refused(authority: Authority, target: Document, rule_arn: str) -> tuple[str, str] | None:
    """Code and reason when a state machine, function or queue takes nothing from this rule; None when it does, and for other kinds."""
    arn = str(target.get("Arn", ""))
    service = arn.removeprefix("arn:aws:").partition(":")[0]
    if service == "states" and stepfunctions.resolve_state_machine_arn(arn) is None:
        return "NO_RESOURCE", f"State Machine Does Not Exist: '{arn}'"
    if service == "states":
        role = target["RoleArn"]
        if not trusts(role, "events.amazonaws.com", rule_arn):
            return "NO_PERMISSIONS", f"The trust policy of {role} lets {rule_arn} do nothing."
        sentence = authority.refusal(caller_of_role(role, "events"), Call("states:StartExecution", arn))
        return None if sentence is None else ("NO_PERMISSIONS", sentence)
    if service == "sqs" and not _queue_takes(arn, rule_arn):
        return "NO_PERMISSIONS", f"The policy of {arn} lets {rule_arn} do nothing."
    if service == "lambda":
        function, config, _ = lambda_svc.get_func_record_for_ref(arn)
        if not function or not config:
            return "NO_RESOURCE", f"Function not found: {arn}"
        if not _lets_in(function["policy"], arn, rule_arn):
            return "NO_PERMISSIONS", f"The resource policy of {arn} lets {rule_arn} do nothing."
    return None


def _lets_in(policy: Document, function_arn: str, rule_arn: str) -> bool:
    """Whether a function's resource policy lets EventBridge invoke it for a rule. No ``aws:SourceAccount`` comes with the call.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html, of ``SourceAccount``.
    """
    call = Call("lambda:InvokeFunction", function_arn, (("aws:SourceArn", rule_arn),))
    return lets_in(policy, call, "events.amazonaws.com", get_region())


def _queue_takes(queue_arn: str, rule_arn: str) -> bool:
    """Whether a queue's policy lets EventBridge send to it for a rule."""
    keys = (("aws:SourceArn", rule_arn), ("aws:SourceAccount", get_account_id()))
    policy, _ = sqs.queue_policy_for_arn(queue_arn) or ("", "")
    return lets_in(policy, Call("sqs:SendMessage", queue_arn, keys), "events.amazonaws.com", get_region())


def _send_to_queue(queue_arn: str, body: str, rule_arn: str, target_arn: str, refused: tuple[str, str]) -> None:
    queue = sqs.queue_by_arn(queue_arn)
    if queue is None:
        logger.warning("no dead-letter queue %s", queue_arn)
        return
    attributes = {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target_arn,
        # Neither a target that does not exist nor one that refuses is tried again: no count, no exhausted condition.
        "ERROR_CODE": refused[0],
        "ERROR_MESSAGE": refused[1],
    }
    sqs.act_send_message(
        {
            "QueueUrl": queue["url"],
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        },
        queue["url"],
    )
