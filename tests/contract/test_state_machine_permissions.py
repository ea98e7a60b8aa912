"""A state machine's role holds what its states need and nothing else; both directions are derived, not listed.

What a state needs follows from its Resource and its Arguments:

- the call itself, on the resource that the Arguments name;
- what the request brings with it: `Tags` need AddTags on what is created, a role needs iam:PassRole, the alarms of a
  deployment need DescribeAlarms. A request that is an expression as a whole is taken to bring everything that its
  operation takes;
- what `.sync` does besides: follow and stop what was started, and the rule that Step Functions manages for it;
- what the machine's logging and tracing do.

The answers come from an evaluator of IAM policies, so conditions and wildcards count as they do in AWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ops import asl_lint
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
PIPELINE = f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:stateMachine:training"
SAGEMAKER_ROLE = f"arn:{PARTITION}:iam::{ACCOUNT}:role/sagemaker"
OPT_IN = (("aws:ResourceTag/retraining:target", "true"),)
"""The tag by which a team lets the loop start a machine that only a policy file names."""

MANAGED_RULES = {
    "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
    "sagemaker:createTrainingJob.sync": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob.sync": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
}
"""The rules that Step Functions makes for itself to hear of the end of what `.sync` started.

Source: the IAM pages of the integrations in the AWS Step Functions developer guide.
"""

FOLLOWED = {
    "states:startExecution.sync": ("states:DescribeExecution", "states:StopExecution"),
    "sagemaker:createTrainingJob.sync": (
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:ListTags",
        "sagemaker:AddTags",
    ),
}
"""What else `.sync` calls, from the same pages: it follows and stops what it started, and marks jobs as its own."""

LOG_DELIVERY = """
    logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery logs:DeleteLogDelivery logs:ListLogDeliveries
    logs:PutResourcePolicy logs:DescribeResourcePolicies logs:DescribeLogGroups
""".split()  # noqa: SIM905 - actions, as the documentation lists them
"""What Step Functions calls under the machine's role to have its log delivered.

The lines themselves are written by CloudWatch Logs' delivery service, under the group's resource policy.
"""

TRACING = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]

IAM_NAMES = {"lambda:Invoke": "lambda:InvokeFunction"}
IAM_PREFIXES = {"stepfunctions": "states"}


@dataclass(frozen=True)
class Machine:
    """A machine of a stack, with the role that it passes on."""

    name: str
    stack: Stack
    passed_role: str

    @property
    def workflow(self) -> Workflow:
        return Workflow.of(self.stack, self.name)

    @property
    def policies(self) -> list[dict[str, Any]]:
        return self.stack.policies(f"{self.name}Role")


@pytest.fixture(scope="module")
def stack() -> Stack:
    """The stack with everything that can be switched on."""
    return Template.read().resolve({"TrainingPipelineArn": PIPELINE, "SageMakerExecutionRoleArn": SAGEMAKER_ROLE})


@pytest.fixture(scope="module", params=["the loop", "the example's training pipeline"])
def machine(request: pytest.FixtureRequest, stack: Stack) -> Machine:
    if request.param == "the loop":
        return Machine(MACHINE, stack, SAGEMAKER_ROLE)
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
    prefix = IAM_PREFIXES.get(task.service, task.service)
    action = IAM_NAMES.get(f"{prefix}:{task.operation}", f"{prefix}:{task.operation}")
    integration = task.integration.removesuffix(".waitForTaskToken").removesuffix(":2")
    resources = _resources(action, task)
    for resource, keys in resources:
        yield Call(action, resource, keys, task.name)
    members = _members(task)
    if "Tags" in members and action.split(":")[1].startswith("Create"):
        for resource, _keys in resources:
            yield Call(f"{prefix}:AddTags", resource, why=f"{task.name}, Tags")
    if any(member.endswith("RoleArn") for member in members):
        service = (("iam:PassedToService", f"{prefix}.amazonaws.com"),)
        yield Call("iam:PassRole", passed_role, service, f"{task.name}, its role")
    if "DeploymentConfig" in members:
        alarm = f"arn:{PARTITION}:cloudwatch:{REGION}:{ACCOUNT}:alarm:fraud-5xx"
        yield Call("cloudwatch:DescribeAlarms", alarm, why=f"{task.name}, its rollback alarms")
    if task.synchronous:
        for action in FOLLOWED[integration]:
            for resource in _started(action, resources):
                yield Call(action, resource, why=f"{task.name}, .sync")
        rule = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:rule/{MANAGED_RULES[integration]}"
        for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
            yield Call(action, rule, why=f"{task.name}, .sync")


def _resources(action: str, task: Task) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """What a call is on: what the Arguments name, else one of each kind of resource that the action is on."""
    if isinstance(task.arguments, dict):
        named = [
            task.arguments[key] for key in ("FunctionName", "TopicArn", "StateMachineArn") if key in task.arguments
        ]
        if named and not named[0].startswith("{%"):
            return [(named[0], ())]
    if action == "states:StartExecution":
        # Which machine, only the run knows: the one of the form, or one that its team has tagged. A deployment
        # pipeline is never the one of the form.
        tagged = (f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:stateMachine:a-teams-own", OPT_IN)
        return [(PIPELINE, ()), tagged] if task.name == "TriggerTrainingPipeline" else [tagged]
    return [(sample, ()) for pattern in resource_kinds(action) if (sample := _sample(pattern)) and _is_ours(sample)]


def _sample(pattern: str) -> str:
    arn = pattern.replace("${Partition}", PARTITION).replace("${Region}", REGION).replace("${Account}", ACCOUNT)
    return arn.replace(".*", "retraining-1")


def _is_ours(arn: str) -> bool:
    """Not bought capacity, which CreateTrainingJob needs only when a request names it, nor express executions."""
    return not re.search(r":(training-plan|reserved-capacity)/|:express:", arn)


def _any_resource(action: str) -> str:
    return next((_sample(pattern) for pattern in resource_kinds(action)), "*")


def _members(task: Task) -> set[str]:
    """The fields of a task's request: those it has, or all it may have when it is one expression."""
    if isinstance(task.arguments, dict):
        return set(task.arguments)
    shape = asl_lint._input_shape(task.service, task.operation)
    return set(shape.members)


def _started(action: str, resources: list[tuple[str, tuple[tuple[str, str], ...]]]) -> list[str]:
    """What `.sync` follows: the executions of a machine, the job itself."""
    if action.startswith("states:"):
        return [f"{arn.replace(':stateMachine:', ':execution:')}:run-1" for arn, _keys in resources]
    return [arn for arn, _keys in resources]


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


def test_only_the_one_role_may_be_passed_and_only_to_sagemaker(stack: Stack) -> None:
    policies = stack.policies(ROLE)
    sagemaker = (("iam:PassedToService", "sagemaker.amazonaws.com"),)

    assert allowing(policies, Call("iam:PassRole", SAGEMAKER_ROLE, sagemaker))
    assert not allowing(policies, Call("iam:PassRole", SAGEMAKER_ROLE))
    assert not allowing(policies, Call("iam:PassRole", SAGEMAKER_ROLE, (("iam:PassedToService", "ec2.amazonaws.com"),)))
    assert not allowing(policies, Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", sagemaker))


def test_without_a_role_in_the_form_none_may_be_passed() -> None:
    policies = Template.read().resolve().policies(ROLE)

    assert "iam:PassRole" not in {
        action for policy in policies for s in policy["Statement"] for action in as_list(s["Action"])
    }


def test_a_machine_that_is_neither_in_the_form_nor_tagged_is_not_started(stack: Stack) -> None:
    policies = stack.policies(ROLE)
    other = f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:stateMachine:payroll"

    assert not allowing(policies, Call("states:StartExecution", other))
    assert not allowing(policies, Call("states:StartExecution", other, (("aws:ResourceTag/retraining:target", "no"),)))
    assert allowing(policies, Call("states:StartExecution", other, OPT_IN))


def test_the_role_deletes_nothing_and_touches_no_other_account(stack: Stack) -> None:
    actions: set[str] = {action for statement in stack.statements(ROLE) for action in as_list(statement["Action"])}
    resources: set[Any] = {arn for statement in stack.statements(ROLE) for arn in as_list(statement["Resource"])}

    assert {action for action in actions if "Delete" in action} <= {"logs:DeleteLogDelivery"}
    assert {arn for arn in resources if arn != "*" and f":{ACCOUNT}:" not in arn} == set()
