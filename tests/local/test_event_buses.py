"""Events over the border of an account, and rules on buses that do not exist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.local.conftest import Account

OTHER = "999988887777"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"
ENTRY = {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": "{}", "EventBusName": BUS}


def put(account: Account, *entries: dict[str, Any], sender: str = OTHER) -> Any:
    return account.aws.client("events", account=sender).put_events(Entries=list(entries))


def test_a_bus_takes_no_event_of_an_account_that_its_policy_does_not_name(account: Account) -> None:
    url = account.listen({"source": ["mlops.drift"]})
    events = account.aws.client("events")
    events.put_permission(StatementId="other", Action="events:PutEvents", Principal="999988887778")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        put(account, ENTRY)
    events.put_events(Entries=[{**ENTRY, "Detail": '{"own": true}'}])

    assert [event["detail"] for event in account.heard(url, 1)] == [{"own": True}]


def test_an_event_of_a_named_account_keeps_its_account_and_a_rule_may_ask_for_it(account: Account) -> None:
    url = account.listen({"source": ["mlops.drift"], "account": [OTHER]})
    account.aws.client("events").put_permission(StatementId="all", Action="events:PutEvents", Principal="*")

    answer = put(account, {**ENTRY, "Detail": '{"model": "m"}'}, {**ENTRY, "EventBusName": "default"})
    put(account, ENTRY, sender="999988887778")
    refused = put(account, {**ENTRY, "Source": "aws.sagemaker"})
    put(account, {**ENTRY, "Detail": '{"last": true}'})

    first, last = account.heard(url, 2)
    assert (answer["FailedEntryCount"], [len(entry["EventId"]) for entry in answer["Entries"]]) == (0, [36, 36])
    assert (first["account"], first["id"], first["detail"]) == (OTHER, answer["Entries"][0]["EventId"], {"model": "m"})
    assert last["detail"] == {"last": True}
    assert refused["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_no_stack_makes_a_rule_on_a_bus_that_does_not_exist(account: Account) -> None:
    rule = {"EventBusName": "nobodys", "EventPattern": {"source": ["x"]}}
    stacks = account.aws.client("cloudformation")
    body = json.dumps({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": rule}}})
    stacks.create_stack(StackName="s", TemplateBody=body, OnFailure="DO_NOTHING")

    with pytest.raises(Exception, match=r"failed|Max attempts"):
        stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    said = [
        event.get("ResourceStatusReason", "") for event in stacks.describe_stack_events(StackName="s")["StackEvents"]
    ]
    assert any("Event bus nobodys does not exist" in reason for reason in said)
