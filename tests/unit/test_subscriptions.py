"""Who hears links that decide, as deploy and status say it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.subscriptions import unheard
from tests.unit.commands import WorldStack, retraining, signed_in
from tests.unit.fake_services import client_error
from tests.unit.fakes import World

OUTPUTS = {"OperationsTopicArn": "arn:operations", "EscalationTopicArn": "arn:escalation"}


class Topics:
    """SNS with the confirmed and the pending subscriptions of each topic; without any it refuses."""

    def __init__(self, **of: tuple[int, int]) -> None:
        self.of = of

    def get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        if not self.of:
            raise client_error("AuthorizationError")
        confirmed, pending = self.of[TopicArn.removeprefix("arn:")]
        return {"Attributes": {"SubscriptionsConfirmed": str(confirmed), "SubscriptionsPending": str(pending)}}


def none() -> Any:
    raise AssertionError("nobody asks SNS")


@pytest.mark.parametrize("access", ["IAM", "OFF"])
def test_without_links_nobody_has_to_hear_them(access: str) -> None:
    assert unheard(none, {"ApprovalAccess": access}, OUTPUTS) == ()


@pytest.mark.parametrize(
    ("operations", "escalation", "said"),
    [
        ((1, 0), (2, 1), []),
        ((0, 0), (1, 0), ["OperationsTopic (arn:operations) has no confirmed subscription: its links reach nobody."]),
        ((0, 1), (1, 0), ["has no confirmed subscription; 1 wait(s) to be confirmed: its links"]),
        ((0, 0), (0, 0), ["OperationsTopic", "EscalationTopic"]),
    ],
)
def test_a_topic_without_a_confirmed_subscription_is_named(
    operations: tuple[int, int], escalation: tuple[int, int], said: list[str]
) -> None:
    found = unheard(lambda: Topics(operations=operations, escalation=escalation), {"ApprovalAccess": "LINK"}, OUTPUTS)
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("topics", "needs", "not_known"),
    [
        (Topics(operations=(1, 0), escalation=(1, 0)), 0, 0),
        (Topics(operations=(1, 0), escalation=(0, 0)), 1, 0),
        (Topics(), 0, 1),
    ],
)
def test_status_says_whose_links_reach_nobody_or_that_it_may_not_look(
    topics: Topics,
    needs: int,
    not_known: int,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = signed_in(world, monkeypatch)
    stack.parameters["ApprovalAccess"] = "LINK"
    stack.outputs |= OUTPUTS
    asked = WorldStack.client
    monkeypatch.setattr(stack, "client", lambda service: topics if service == "sns" else asked(stack, service))
    assert retraining("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert sum("its links reach nobody" in need["sentence"] for need in found["needs_people"]) == needs
    assert sum("hears the links" in sentence for sentence in found["not_known"]) == not_known
