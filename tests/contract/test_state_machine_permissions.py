"""A state machine's role holds what its states need and nothing else; both directions are derived, not listed.

What a state needs follows from its Resource and its Arguments:

- the call itself, on the resource that the Arguments name;
- what the request brings with it: `Tags` need AddTags on what is created, a role needs iam:PassRole;
- what `.sync` does besides: follow and stop what was started, and the rule that Step Functions manages for it;
- what the machine's logging and tracing do.

The answers come from an evaluator of IAM policies, so conditions and wildcards count as they do in AWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from local.iam_calls import Place, followed
from tests.contract.template import (
    ACCOUNT,
    PARTITION,
    REGION,
    ROOT,
    Call,
    Stack,
    Template,
    allowing,
    as_list,
    resource_kinds,
    unused,
)
from tests.contract.workflow import MACHINE, Task, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = f"{MACHINE}Role"

LOG_DELIVERY = """
    logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery logs:DeleteLogDelivery logs:ListLogDeliveries
    logs:PutResourcePolicy logs:DescribeResourcePolicies logs:DescribeLogGroups
""".split()  # noqa: SIM905 - actions, as the documentation lists them
"""What Step Functions calls under the machine's role to have its log delivered.

The lines themselves are written by CloudWatch Logs' delivery service, under the group's resource policy.
"""

TRACING = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]

PLACE = Place(ACCOUNT, REGION, PARTITION)

IAM_NAMES = {"lambda:Invoke": "lambda:InvokeFunction"}


@dataclass(frozen=True)
class Machine:
    """A machine of a stack, with the role that it passes on."""

    name: str
    stack: Stack
    passed_role: str = ""

    @property
    def workflow(self) -> Workflow:
        return Workflow.of(self.stack, self.name)

    @property
    def policies(self) -> list[dict[str, Any]]:
        return self.stack.policies(f"{self.name}Role")


@pytest.fixture(scope="module")
def stack() -> Stack:
    """The stack of an empty form: nothing in it changes what the machine may do, but for the key."""
    return Template.read().resolve()


@pytest.fixture(scope="module", params=["the loop", "the example's training pipeline"])
def machine(request: pytest.FixtureRequest, stack: Stack) -> Machine:
    if request.param == "the loop":
        return Machine(MACHINE, stack)
    example = Template.read(ROOT / "examples" / "creditcard" / "training-pipeline.yaml").resolve()
    return Machine("TrainingPipeline", example, example.arn("TrainingJobRole"))


@pytest.fixture(scope="module")
def calls(machine: Machine) -> list[Call]:
    return [*machine_calls(machine)]


def machine_calls(machine: Machine) -> Iterator[Call]:
    """Everything that is done under the machine's role."""
    for task in machine.workflow.tasks():
        yield from task_calls(task, machine.passed_role)
    properties = machine.stack.resources[machine.name]["Properties"]
    if properties.get("LoggingConfiguration", {}).get("Level", "OFF") != "OFF":
        yield from (Call(action, _any_resource(action), why="LoggingConfiguration") for action in LOG_DELIVERY)
    if properties.get("TracingConfiguration", {}).get("Enabled"):
        yield from (Call(action, _any_resource(action), why="TracingConfiguration") for action in TRACING)


def task_calls(task: Task, passed_role: str) -> Iterator[Call]:
    """What one state needs."""
    action = IAM_NAMES.get(f"{task.service}:{task.operation}", f"{task.service}:{task.operation}")
    integration = task.integration.removesuffix(".waitForTaskToken")
    resources = _resources(action, task)
    for resource in resources:
        yield Call(action, resource, why=task.name)
        if "Tags" in task.arguments:
            yield Call(f"{task.service}:AddTags", resource, why=f"{task.name}, Tags")
    if any(member.endswith("RoleArn") for member in task.arguments):
        service = (("iam:PassedToService", f"{task.service}.amazonaws.com"),)
        yield Call("iam:PassRole", passed_role, service, f"{task.name}, its role")
    if task.synchronous:
        yield from followed(integration, resources, PLACE, f"{task.name}, .sync")


def _resources(action: str, task: Task) -> list[str]:
    """What a call is on: what the Arguments name, else one of each kind of resource that the action is on."""
    if isinstance(task.arguments, dict):
        named = [task.arguments[key] for key in ("FunctionName", "TopicArn") if key in task.arguments]
        if named:
            return named
    return [sample for pattern in resource_kinds(action) if _is_ours(sample := _sample(pattern))]


def _sample(pattern: str) -> str:
    arn = pattern.replace("${Partition}", PARTITION).replace("${Region}", REGION).replace("${Account}", ACCOUNT)
    return arn.replace(".*", "retraining-1")


def _is_ours(arn: str) -> bool:
    """Not bought capacity, which CreateTrainingJob needs only when a request names it, nor express executions."""
    return not re.search(r":(training-plan|reserved-capacity)/|:express:", arn)


def _any_resource(action: str) -> str:
    return next((_sample(pattern) for pattern in resource_kinds(action)), "*")


def test_every_call_that_a_state_makes_is_allowed(machine: Machine, calls: list[Call]) -> None:
    refused = [
        f"{call.why}: {call.action} on {call.resource}" for call in calls if allowing(machine.policies, call) is None
    ]
    assert refused == []


def test_every_statement_of_the_role_is_needed_by_some_state(machine: Machine, calls: list[Call]) -> None:
    assert unused(machine.policies, calls) == []


def test_the_derivation_sees_every_task(machine: Machine, calls: list[Call]) -> None:
    tasks = {task.name for task in machine.workflow.tasks()}

    assert tasks - {call.why.split(",")[0] for call in calls} == set()


def test_a_missing_permission_is_found(machine: Machine, calls: list[Call]) -> None:
    """The check would notice: without any one statement some state is refused."""
    (policy,) = machine.policies
    for statement in policy["Statement"]:
        rest = {"Statement": [other for other in policy["Statement"] if other is not statement]}
        assert [call for call in calls if allowing([rest], call) is None], statement["Sid"]


def test_the_loops_machine_itself_changes_nothing(stack: Stack) -> None:
    """It invokes two functions and escalates: what SageMaker, EventBridge or a pipeline would do, the hand does."""
    services = {action.split(":")[0] for statement in stack.statements(ROLE) for action in as_list(statement["Action"])}
    invoked = [s["Resource"] for s in stack.statements(ROLE) if s["Action"] == "lambda:InvokeFunction"]

    assert services == {"lambda", "sns", "logs", "xray"}
    assert invoked == [[stack.arn("OrchestrationFunction"), stack.arn("PromotionFunction")]]


def test_the_role_deletes_nothing_and_touches_no_other_account(stack: Stack) -> None:
    actions: set[str] = {action for statement in stack.statements(ROLE) for action in as_list(statement["Action"])}
    resources: set[Any] = {arn for statement in stack.statements(ROLE) for arn in as_list(statement["Resource"])}

    assert {action for action in actions if "Delete" in action} <= {"logs:DeleteLogDelivery"}
    assert {arn for arn in resources if arn != "*" and f":{ACCOUNT}:" not in arn} == set()
