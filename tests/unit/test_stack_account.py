"""What the commands ask of an account beyond what the loop asks: that something is there, and that a role may be passed."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ops.stack_checks import StackAccount
from orchestration.domain.ownership import Kind, Resource
from tests.unit.fake_services import client_error

PLACE = "us-east-1:111122223333"


class FakeEvents:
    def register(self, *_: Any, **__: Any) -> None:
        """No guard is needed where nothing is sent."""


class FakeClient:
    """Answers one operation, with an answer or an error."""

    def __init__(self, operation: str, answer: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.meta = type("Meta", (), {"events": FakeEvents()})()
        setattr(self, operation, self._answer)
        self._given = answer

    def _answer(self, **request: Any) -> Any:
        self.asked.append(request)
        if isinstance(self._given, Exception):
            raise self._given
        return self._given


class FakeStack:
    """A stack with one client for each service."""

    name = "retraining"
    outputs = {"PromotionFunctionName": "hand"}  # noqa: RUF012 - read only

    def __init__(self, **clients: FakeClient) -> None:
        self.clients = clients

    def client(self, service: str, config: Any = None) -> FakeClient:
        del config
        return self.clients[service]


def account(**clients: FakeClient) -> StackAccount:
    return StackAccount(cast("Any", FakeStack(**clients)))


MACHINE = f"arn:aws:states:{PLACE}:stateMachine:train"
KINDS = {
    Resource(Kind.STATE_MACHINE, f"{MACHINE}:7"): (
        *("stepfunctions", "describe_state_machine", {"stateMachineArn": MACHINE}),
        client_error("StateMachineDoesNotExist", "State Machine Does Not Exist", "DescribeStateMachine"),
    ),
    Resource(Kind.PIPELINE, f"arn:aws:sagemaker:{PLACE}:pipeline/train"): (
        *("sagemaker", "describe_pipeline", {"PipelineName": "train"}),
        client_error("ResourceNotFound", "Pipeline 'train' does not exist.", "DescribePipeline"),
    ),
    Resource(Kind.ENDPOINT, "fraud-prod"): (
        *("sagemaker", "describe_endpoint", {"EndpointName": "fraud-prod"}),
        client_error("ValidationException", 'Could not find endpoint "x".', "DescribeEndpoint"),
    ),
    Resource(Kind.SCHEDULE, "fraud-monitor"): (
        *("sagemaker", "describe_monitoring_schedule", {"MonitoringScheduleName": "fraud-monitor"}),
        client_error("ResourceNotFound", "Monitoring schedule not found", "DescribeMonitoringSchedule"),
    ),
    Resource(Kind.PACKAGE_GROUP, f"arn:aws:sagemaker:{PLACE}:model-package-group/fraud"): (
        *("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": "fraud"}),
        client_error("ValidationException", "ModelPackageGroup x does not exist.", "DescribeModelPackageGroup"),
    ),
}


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.kind)
def test_each_kind_is_asked_for_by_its_name_and_what_is_not_there_is_told_from_what_is_refused(
    resource: Resource,
) -> None:
    service, operation, asked, absent = KINDS[resource]
    client = FakeClient(operation, {})
    assert account(**{service: client}).there(resource)
    assert client.asked == [asked]
    assert not account(**{service: FakeClient(operation, absent)}).there(resource)
    for code in ("AccessDeniedException", "ValidationException", "ThrottlingException"):
        refused = FakeClient(operation, client_error(code, "no", absent.operation_name))
        with pytest.raises(ClientError):
            account(**{service: refused}).there(resource)


def test_there_is_a_question_for_every_kind() -> None:
    assert {resource.kind for resource in KINDS} == set(Kind)


@pytest.mark.parametrize(
    ("decisions", "passes"), [(["allowed"], True), (["implicitDeny"], False), (["explicitDeny"], False)]
)
def test_the_hand_is_asked_about_by_its_role_under_the_condition_of_its_permission(
    decisions: list[str], passes: bool
) -> None:
    answer = {"EvaluationResults": [{"EvalDecision": decision} for decision in decisions]}
    iam = FakeClient("simulate_principal_policy", answer)
    functions = FakeClient("get_function_configuration", {"Role": "arn:aws:iam::111122223333:role/hand"})
    assert account(**{"iam": iam, "lambda": functions}).may_pass("arn:aws:iam::111122223333:role/serving") is passes
    (asked,) = iam.asked
    assert asked["PolicySourceArn"] == "arn:aws:iam::111122223333:role/hand"
    assert (asked["ActionNames"], asked["ResourceArns"]) == (
        ["iam:PassRole"],
        ["arn:aws:iam::111122223333:role/serving"],
    )
    assert asked["ContextEntries"][0]["ContextKeyValues"] == ["sagemaker.amazonaws.com"]
