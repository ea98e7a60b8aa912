"""ApprovalFunction's role holds what its page and its API call and nothing else, down to the partitions of the table."""

from __future__ import annotations

import dataclasses
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from orchestration import composition
from orchestration.approval_handler import answer
from orchestration.settings import ApprovalAccess
from tests.contract.template import REGION, Call, Stack, Template, allowing, unused
from tests.contract.test_function_permissions import (
    DECISION_BUCKET,
    POLICY,
    TRANSACTION_ACTIONS,
    Recorder,
    World,
    _deploy,
    distinct,
    runtime_calls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = "ApprovalFunction"
ROLE = f"{FUNCTION}Role"


class PartitionRecorder(Recorder):
    """Notes the partition of each call to DynamoDB too, as IAM sees it in ``dynamodb:LeadingKeys``."""

    def _derived(self, service: str, operation: str, params: dict[str, Any]) -> Iterator[Call]:
        if service != "dynamodb":
            yield from super()._derived(service, operation, params)
            return
        items = [next(iter(item.items())) for item in params.get("TransactItems", [])] or [("", params)]
        for kind, item in items:
            keys = item.get("Key") or item.get("Item") or {"pk": item.get("ExpressionAttributeValues", {}).get(":pk")}
            action = TRANSACTION_ACTIONS.get(kind, f"dynamodb:{operation}")
            yield Call(action, self.stack.arn("HistoryTable"), (("dynamodb:LeadingKeys", keys["pk"]["S"]),))


@pytest.fixture(scope="module")
def stack() -> Stack:
    """The stack with links."""
    return Template.read().resolve({"DecisionBucket": DECISION_BUCKET, "ApprovalAccess": "LINK"})


@pytest.fixture(scope="module")
def recorder(stack: Stack) -> Iterator[PartitionRecorder]:
    """Everything the function does in a life, recorded; what the other function does is not."""
    recorder = PartitionRecorder(stack)
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    session = boto3.Session
    with ExitStack() as entered:
        entered.enter_context(patch.dict("os.environ", environment))
        entered.enter_context(mock_aws())
        _deploy(stack)
        other = Recorder(stack)
        with patch("orchestration.composition.boto3.Session", lambda: other.listen(session())):
            asking = composition.compose(_variables(stack, "OrchestrationFunction"))
        with patch("orchestration.composition.boto3.Session", lambda: recorder.listen(session())):
            ports = composition.compose_approval(_variables(stack, FUNCTION))
        ports = dataclasses.replace(
            ports, settings=dataclasses.replace(ports.settings, approval_access=ApprovalAccess.IAM)
        )
        world = World(asking, other, stack)
        boto3.client("s3").put_object(
            Bucket=stack.name("AutomationBucket"), Key="policies/fraud.json", Body=_json(POLICY)
        )
        for needed, decisions in ((2, ("APPROVED", "APPROVED")), (1, ("REJECTED",))):
            run = {**world.run(), "approvals_needed": needed}
            # Without ListBucket a missing record reads as a forbidden one; a promotion is asked for after its evaluation.
            boto3.client("s3").put_object(
                Bucket=stack.name("AutomationBucket"),
                Key=f"evidence/fraud/{run['run_id']}/evaluation.json",
                Body=_json({"verdict": {"candidate_metrics": {"auc": 0.9}}}),
            )
            for subject in ("training", "promotion"):
                world.park(run, "approval", subject, verdict={"sentence": "better"})
                answer(_signed("GET", run["run_id"]), ports)
                for number, decision in enumerate(decisions):
                    form = f"subject={subject}&decision={decision}"
                    told = answer(_signed("POST", run["run_id"], form, f"person-{number}"), ports)
                    assert told["statusCode"] == 200, told
            answer(_signed("GET", run["run_id"]), ports)
            answer({"action": "decide", "run_id": run["run_id"], "decision": "APPROVED", "by": "late"}, ports)
            world.close(run)
        yield recorder


def _variables(stack: Stack, function: str) -> dict[str, str]:
    variables = stack.resources[function]["Properties"]["Environment"]["Variables"]
    return {name: str(value) for name, value in variables.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _signed(method: str, run_id: str, body: str | None = None, who: str = "ada") -> dict[str, Any]:
    iam = {"userArn": f"arn:aws:iam::123456789012:user/{who}"}
    return {
        "rawPath": "/",
        "rawQueryString": f"run={run_id}",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": method}, "authorizer": {"iam": iam}},
        "body": body,
    }


def test_every_call_of_the_page_and_the_api_is_allowed(recorder: PartitionRecorder, stack: Stack) -> None:
    calls = distinct([*recorder.calls, *runtime_calls(stack, FUNCTION)])

    assert calls
    assert [f"{call}" for call in calls if allowing(stack.policies(ROLE), call) is None] == []


def test_every_statement_of_the_role_is_needed(recorder: PartitionRecorder, stack: Stack) -> None:
    calls = distinct([*recorder.calls, *runtime_calls(stack, FUNCTION)])

    assert unused(stack.policies(ROLE), calls) == []


@pytest.mark.parametrize(
    ("action", "partition"),
    [
        ("GetItem", "WAIT#run-1:slot:training"),
        ("Query", "WAIT#run-1:slot:training"),
        ("UpdateItem", "WAIT#run-1:slot:training"),
        ("PutItem", "APPROVAL#run-1:approval:training"),
        ("Query", "APPROVAL#run-1:approval:training"),
        ("GetItem", "DUE#2026-03-02"),
        ("UpdateItem", "DUE#2026-03-02"),
        ("PutItem", "SUBJECT#fraud-prod"),
        ("DeleteItem", "SUBJECT#fraud-prod"),
        ("GetItem", "INTENT#run-1"),
        ("PutItem", "INTENT#run-1"),
        ("UpdateItem", "RUN#r"),
        ("PutItem", "MODEL#fraud"),
        ("PutItem", "CONTROLS"),
        ("DeleteItem", "CONTROLS"),
        ("PutItem", "SLOTS"),
        ("Scan", "APPROVAL#run-1:approval:training"),
    ],
)
def test_the_role_reaches_no_other_part_of_the_table(stack: Stack, action: str, partition: str) -> None:
    call = Call(f"dynamodb:{action}", stack.arn("HistoryTable"), (("dynamodb:LeadingKeys", partition),))

    assert allowing(stack.policies(ROLE), call) is None


def test_the_role_changes_nothing_in_sagemaker_and_neither_policies_nor_manifests(stack: Stack) -> None:
    actions = {action for statement in stack.statements(ROLE) for action in _listed(statement["Action"])}
    bucket = stack.arn("AutomationBucket")

    assert {action.split(":")[0] for action in actions} == {"logs", "dynamodb", "s3", "states", "sns", "events"}
    for folder in ("policies", "manifests", "decisions"):
        assert allowing(stack.policies(ROLE), Call("s3:PutObject", f"{bucket}/{folder}/fraud.json")) is None


@pytest.mark.parametrize(
    ("access", "auth", "permissions"), [("IAM", "AWS_IAM", 0), ("LINK", "NONE", 2), ("OFF", None, 0)]
)
def test_only_links_let_unsigned_requests_in_and_off_has_no_address(
    access: str, auth: str | None, permissions: int
) -> None:
    stack = Template.read().resolve({"ApprovalAccess": access})
    resources = stack.resources
    url = resources.get("ApprovalFunctionUrl")

    assert (url["Properties"]["AuthType"] if url else None) == auth
    kinds = [resource["Type"] for resource in resources.values()]
    assert kinds.count("AWS::Lambda::Permission") == permissions
    reviewer = resources["ReviewerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    signed = [statement["Sid"] for statement in reviewer if "lambda" in str(statement["Action"])]
    assert signed == (["OpenTheApprovalPage", "OnlyThroughItsAddress"] if access == "IAM" else [])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
