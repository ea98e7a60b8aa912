"""What ApprovalFunction cannot do: it reaches approvals and no other part of the table, and nothing in SageMaker.

That its role holds what its code calls, test_function_permissions.py says.
"""

from __future__ import annotations

import pytest

from tests.contract.life import APPROVAL, FORM
from tests.contract.template import Call, Stack, Template, allowing, as_list

ROLE = f"{APPROVAL}Role"


@pytest.fixture(scope="module")
def stack() -> Stack:
    """The stack with links."""
    return Template.read().resolve(FORM)


@pytest.mark.parametrize(
    ("action", "partition"),
    [
        ("GetItem", "WAIT#run-1"),
        ("Query", "WAIT#run-1"),
        ("UpdateItem", "WAIT#run-1"),
        ("PutItem", "APPROVAL#run-1"),
        ("DeleteItem", "APPROVAL#run-1"),
        ("Query", "APPROVAL#run-1"),
        ("GetItem", "DUE#APPROVALS"),
        ("UpdateItem", "DUE#APPROVALS"),
        ("PutItem", "SUBJECT#fraud-prod"),
        ("DeleteItem", "SUBJECT#fraud-prod"),
        ("GetItem", "INTENT#endpoint:fraud-prod"),
        ("PutItem", "INTENT#endpoint:fraud-prod"),
        ("UpdateItem", "RUN#r"),
        ("PutItem", "RUN#r"),
        ("PutItem", "FINISH#r"),
        ("PutItem", "DUE#3"),
        ("DeleteItem", "DUE#3"),
        ("PutItem", "MODEL#fraud"),
        ("PutItem", "CONTROLS"),
        ("DeleteItem", "CONTROLS"),
        ("PutItem", "SLOTS"),
        ("Scan", "APPROVAL#run-1"),
    ],
)
def test_the_role_reaches_no_other_part_of_the_table(stack: Stack, action: str, partition: str) -> None:
    call = Call(f"dynamodb:{action}", stack.arn("HistoryTable"), (("dynamodb:LeadingKeys", (partition,)),))

    assert allowing(stack.policies(ROLE), call) is None


def test_the_role_changes_nothing_in_sagemaker_and_neither_policies_nor_manifests(stack: Stack) -> None:
    actions = {action for statement in stack.statements(ROLE) for action in as_list(statement["Action"])}
    bucket = stack.arn("AutomationBucket")

    assert {action.split(":")[0] for action in actions} == {"logs", "dynamodb", "s3", "states", "sns", "events"}
    for folder in ("policies", "manifests", "decisions"):
        assert allowing(stack.policies(ROLE), Call("s3:PutObject", f"{bucket}/{folder}/fraud.json")) is None


@pytest.mark.parametrize(
    ("given", "reserved"),
    [
        ({}, None),
        ({"ApprovalAccess": "OFF"}, None),
        ({"ApprovalAccess": "IAM", "ApprovalConcurrency": "7"}, None),
        ({"ApprovalAccess": "LINK"}, "5"),
        ({"ApprovalAccess": "LINK", "ApprovalConcurrency": "7"}, "7"),
        ({"ApprovalAccess": "LINK", "ApprovalConcurrency": "0"}, None),
    ],
)
def test_a_page_open_to_everybody_takes_no_more_than_its_part_of_the_accounts_concurrency(
    given: dict[str, str], reserved: str | None
) -> None:
    """An empty form reserves none, so it deploys in an account that has none to reserve."""
    function = Template.read().resolve(given).resources["ApprovalFunction"]["Properties"]
    found = function.get("ReservedConcurrentExecutions")

    assert (None if found is None else str(found)) == reserved


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
    of_page = [
        name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Permission"
        and resource["Properties"]["FunctionName"] == stack.arn("ApprovalFunction")
    ]
    assert len(of_page) == permissions
    let_in = [resources[name]["Properties"] for name in of_page]
    invoked = [each for each in let_in if each["Action"] == "lambda:InvokeFunction"]
    assert all(each["InvokedViaFunctionUrl"] is True for each in invoked), "anybody could else speak for the page"
    reviewer = resources["ReviewerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    signed = [statement["Sid"] for statement in reviewer if "lambda" in str(statement["Action"])]
    by_page = ["OpenTheApprovalPage", "OnlyThroughItsAddress"] if access == "IAM" else []
    assert signed == [
        *by_page,
        "NeverPastItsAddress",
        "OnlyTheLoopDecidesAndActs",
        "NeverByTheOldAction",
        "DecideByCommand",
    ]
