"""A function's role holds what its code calls and nothing else: the code runs, its calls are recorded and judged.

Every action of every function is gone through in ``life``, which takes seconds: what asks for it is in this file. Each
call is put to an evaluator of IAM policies together with the role's resolved policy, down to the partitions of the table.
A new call in the code that no play makes fails a test below that names it. Beside the functions lives a reviewer, whose
commands are judged in the same way.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from local.iam_calls import LeadingKeys, Place, needed
from ops.called_services import methods_of_stores, operations
from orchestration import handler, operator_handler, promotion_handler
from orchestration.domain.contracts import RETRAINING_SOURCE
from orchestration.domain.due import DueItem
from orchestration.domain.training_target import training_name
from tests.contract.life import APPROVAL, HAND, OPERATOR, ORCHESTRATION, REVIEWER, TRAINING, World, lived
from tests.contract.metric_filters import matches
from tests.contract.outside import ROLE, TEAM_BUCKET
from tests.contract.recorder import TAGGED
from tests.contract.template import (
    ACCOUNT,
    ALIKE,
    PARTITION,
    REGION,
    ROOT,
    Call,
    Stack,
    Template,
    allowing,
    as_list,
    unused,
)
from tests.contract.test_metric_filters import FILTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS: Final = (ORCHESTRATION, HAND, APPROVAL, OPERATOR)

FOR_OTHER_ACCOUNTS: Final = {"TellMissingFromForbidden"}
"""Statements that a wider one covers, except for a decision bucket that belongs to another account."""

SAGEMAKER: Final = f"arn:{PARTITION}:sagemaker:{REGION}:{ACCOUNT}"


@pytest.fixture(scope="module")
def life() -> World:
    """A whole life of the three functions, recorded once."""
    return lived()


def made(life: World, function: str) -> list[Call]:
    """What a function called in its life, and what Lambda does under its role."""
    calls = [*life.recorders[function].calls, *runtime_calls(life.stack, function)]
    return list({(call.action, call.resource, call.keys): call for call in calls}.values())


def runtime_calls(stack: Stack, function: str) -> Iterator[Call]:
    """What Lambda does under the role besides: write the log, and trace when that is on."""
    properties = stack.resources[function]["Properties"]
    stream = stack.arn(f"{function}LogGroup").removesuffix("*") + "log-stream:2026/03/02/[$LATEST]0123"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield Call(action, stream, why="LoggingConfig")
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield Call("xray:PutTraceSegments", "*", why="TracingConfig")
        yield Call("xray:PutTelemetryRecords", "*", why="TracingConfig")


def of_the_table(stack: Stack, action: str, partition: str) -> Call:
    """A call on one partition of the table."""
    return Call(f"dynamodb:{action}", stack.arn("HistoryTable"), (("dynamodb:LeadingKeys", (partition,)),))


def test_every_function_of_the_template_lives_here() -> None:
    functions = Template.read().of_type("AWS::Lambda::Function")

    assert set(functions) == set(FUNCTIONS) | ALIKE.keys()
    for function, other in ALIKE.items():
        assert functions[function]["Properties"]["Role"] == functions[other]["Properties"]["Role"]


def test_every_action_of_every_handler_was_run(life: World) -> None:
    assert set(handler.ACTIONS) - life.asked[ORCHESTRATION] == {"settle", "resume", "check_policy"}, (
        "these come by event"
    )
    assert set(promotion_handler.ACTIONS) == life.asked[HAND]
    assert set(operator_handler.ACTIONS) == life.asked[OPERATOR]


def test_every_call_that_the_stores_can_make_was_made(life: World) -> None:
    """What is written in the stores and used by an action; a play is missing when this fails."""
    called = {operation for recorder in life.recorders.values() for operation in recorder.operations}

    assert reachable_operations() - called == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_call_that_a_function_makes_is_allowed(life: World, function: str) -> None:
    policies = life.stack.policies(f"{function}Role")

    refused = [call for call in made(life, function) if allowing(policies, call) is None]
    assert [f"{call.why}: {call.action} on {call.resource} {call.keys}" for call in refused] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_part_of_every_statement_is_needed_by_some_call(life: World, function: str) -> None:
    assert unused(life.stack.policies(f"{function}Role"), made(life, function)) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_missing_permission_is_found(life: World, function: str) -> None:
    """The check would notice: without any one statement some call is refused."""
    (policy,) = life.stack.policies(f"{function}Role")
    for statement in policy["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        rest = {"Statement": [other for other in policy["Statement"] if other is not statement]}
        actions = as_list(statement["Action"])
        calls = [call for call in made(life, function) if call.action in actions]
        refused = [call for call in calls if allowing([rest], call) is None]
        assert refused or statement["Sid"] in FOR_OTHER_ACCOUNTS, statement["Sid"]


READINGS: Final = (LeadingKeys.OF_THE_ITEM, LeadingKeys.OF_THE_ACTION)
"""Which partitions IAM sees of a transaction, AWS does not say. Under these two every transaction is allowed. Under the third,
all of the transaction for each of its items, an action would have to be allowed on whatever shares a transaction with it:
ApprovalFunction could ask for approvals itself, since a vote's record is put beside a change of one. No role is that wide."""


def refused_of_transactions(life: World, function: str, reading: LeadingKeys) -> set[str]:
    """Actions of a function's transactions that its role refuses when they are read so."""
    policies, place = life.stack.policies(f"{function}Role"), Place(ACCOUNT, REGION, PARTITION, leading_keys=reading)
    transactions = life.recorders[function].transactions
    assert transactions
    calls = {call for each in transactions for call in needed("dynamodb", "TransactWriteItems", each, place)}
    return {call.action for call in calls if allowing(policies, call) is None}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_transaction_is_allowed_whether_iam_sees_its_keys_one_by_one_or_those_of_an_action_together(
    life: World, function: str, reading: LeadingKeys
) -> None:
    assert refused_of_transactions(life, function, reading) == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_role_is_as_wide_as_its_transactions(life: World, function: str) -> None:
    """The third reading refuses each function something; a first run on AWS that is refused so is no missing statement."""
    assert refused_of_transactions(life, function, LeadingKeys.OF_THE_TRANSACTION)


def test_the_function_that_decides_stops_trainings_and_removes_what_runs_made_and_changes_nothing_else(
    life: World,
) -> None:
    policies = life.stack.policies(f"{ORCHESTRATION}Role")
    bucket = life.stack.arn("AutomationBucket")

    assert changes_of(life.stack, ORCHESTRATION) == {
        "sagemaker:StopPipelineExecution",
        "sagemaker:StopTrainingJob",
        "sagemaker:DeleteModel",
        "sagemaker:DeleteEndpointConfig",
    }
    for action, kind in (("DeleteModel", "model"), ("DeleteEndpointConfig", "endpoint-config")):
        made = f"{SAGEMAKER}:{kind}/fraud-1"
        of_a_run, kept = ("aws:ResourceTag/retraining:run", "run-1"), ("aws:ResourceTag/retraining:keep", "yes")
        assert allowing(policies, Call(f"sagemaker:{action}", made, (of_a_run,)))
        assert not allowing(policies, Call(f"sagemaker:{action}", made))
        assert not allowing(policies, Call(f"sagemaker:{action}", made, (of_a_run, kept)))
    assert not allowing(policies, Call("s3:PutObject", f"{bucket}/policies/fraud.json"))
    assert not allowing(policies, Call("s3:DeleteObject", f"{bucket}/decisions/fraud/x.json"))
    assert not allowing(policies, Call("s3:GetObject", f"arn:aws:s3:::{TEAM_BUCKET}/customers.csv"))
    assert allowing(policies, Call("s3:GetObject", f"arn:aws:s3:::{TEAM_BUCKET}/output/model.tar.gz"))
    assert not allowing(policies, Call("dynamodb:Scan", life.stack.arn("HistoryTable")))


def changes_of(stack: Stack, function: str) -> set[str]:
    """What a function may change in SageMaker."""
    actions = {a for statement in stack.statements(f"{function}Role") for a in as_list(statement["Action"])}
    return {a for a in actions if a.startswith("sagemaker:") and not re.match(r"sagemaker:(Describe|List)", a)}


@pytest.mark.parametrize("partition", ["MODEL#fraud", "RUN#run-1", "SIGNAL#1", "WAIT#run-1", "REPAIRS", "MODELS"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_deletes_history(life: World, function: str, partition: str) -> None:
    policies = life.stack.policies(f"{function}Role")

    assert allowing(policies, of_the_table(life.stack, "DeleteItem", partition)) is None


def test_the_hand_starts_and_changes_and_stops_nothing(life: World) -> None:
    stack = life.stack

    assert changes_of(stack, HAND) == {
        f"sagemaker:{action}"
        for action in (
            "CreateModel",
            "CreateEndpointConfig",
            "UpdateEndpoint",
            "CreateTrainingJob",
            "StartPipelineExecution",
            "UpdateModelPackage",
            "UpdateMonitoringSchedule",
            "AddTags",
        )
    }
    assert not [a for s in stack.statements(f"{HAND}Role") for a in as_list(s["Action"]) if "Stop" in a]


@pytest.mark.parametrize("folder", ["decisions", "manifests", "evidence", "rejected", "artifacts", "policies", "runs"])
def test_the_hand_writes_no_object(life: World, folder: str) -> None:
    call = Call("s3:PutObject", f"{life.stack.arn('AutomationBucket')}/{folder}/fraud/x.json")

    assert allowing(life.stack.policies(f"{HAND}Role"), call) is None


@pytest.mark.parametrize("action", ["PutItem", "UpdateItem", "DeleteItem"])
@pytest.mark.parametrize(
    "partition", ["APPROVAL#run-1", "CONTROLS", "SLOTS", "MODEL#fraud", "SIGNAL#1", "ENDPOINT#fraud-prod", "ACTIVE"]
)
def test_the_hand_cannot_grant_itself_what_it_is_compared_with(life: World, partition: str, action: str) -> None:
    assert allowing(life.stack.policies(f"{HAND}Role"), of_the_table(life.stack, action, partition)) is None


def test_only_the_one_role_may_be_passed_and_only_to_sagemaker(life: World) -> None:
    policies = life.stack.policies(f"{HAND}Role")
    sagemaker = (("iam:PassedToService", "sagemaker.amazonaws.com"),)

    assert allowing(policies, Call("iam:PassRole", ROLE, sagemaker))
    assert not allowing(policies, Call("iam:PassRole", ROLE))
    assert not allowing(policies, Call("iam:PassRole", ROLE, (("iam:PassedToService", "ec2.amazonaws.com"),)))
    assert not allowing(policies, Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", sagemaker))


def test_without_a_role_in_the_form_none_may_be_passed() -> None:
    statements = Template.read().resolve().statements(f"{HAND}Role")

    assert "iam:PassRole" not in {action for statement in statements for action in as_list(statement["Action"])}


OF_TEAMS: Final = {
    "states:StartExecution": f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:stateMachine:payroll",
    "sagemaker:StartPipelineExecution": f"{SAGEMAKER}:pipeline/payroll",
    "sagemaker:UpdateEndpoint": f"{SAGEMAKER}:endpoint/payroll",
}
"""What the hand does to resources that a policy file names, each on one."""


@pytest.mark.parametrize("action", OF_TEAMS)
def test_iam_refuses_what_carries_no_tag_where_default_model_tags_asks_for_tags(action: str, life: World) -> None:
    """The life is one under REQUIRED; with OPTIONAL DefaultModel's need none, and only the code compares."""
    policies, call = life.stack.policies(f"{HAND}Role"), Call(action, OF_TEAMS[action])

    assert allowing(policies, replace(call, keys=TAGGED))
    assert not allowing(policies, call)
    assert not allowing(policies, replace(call, keys=(("aws:ResourceTag/retraining:target", "true"),)))
    assert allowing(policies, Call("states:StartExecution", TRAINING))
    assert allowing(Template.read().resolve().policies(f"{HAND}Role"), call)


@pytest.mark.parametrize("tags", ["OPTIONAL", "REQUIRED"])
def test_a_schedule_without_a_tag_is_never_changed(tags: str) -> None:
    policies = Template.read().resolve({"DefaultModelTags": tags}).policies(f"{HAND}Role")
    call = Call("sagemaker:UpdateMonitoringSchedule", f"{SAGEMAKER}:monitoring-schedule/payroll")

    assert allowing(policies, replace(call, keys=TAGGED))
    assert not allowing(policies, call)


@pytest.mark.parametrize("tags", ["OPTIONAL", "REQUIRED"])
def test_the_hand_never_starts_the_loop(tags: str) -> None:
    stack = Template.read().resolve({"DefaultModelTags": tags})
    call = Call("states:StartExecution", stack.arn("RetrainingStateMachine"), TAGGED)

    assert allowing(stack.policies(f"{HAND}Role"), call) is None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_sets_the_tag_that_says_whose_something_is(life: World, function: str) -> None:
    policies = life.stack.policies(f"{function}Role")
    kinds = ("endpoint", "pipeline", "monitoring-schedule", "model-package-group", "model-package")

    assert not [kind for kind in kinds if allowing(policies, Call("sagemaker:AddTags", f"{SAGEMAKER}:{kind}/fraud"))]
    assert not allowing(policies, Call("states:TagResource", OF_TEAMS["states:StartExecution"]))


def test_only_what_carries_a_name_of_the_loops_is_stopped(life: World) -> None:
    policies = life.stack.policies(f"{ORCHESTRATION}Role")
    execution = f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:execution:payroll"

    for action, prefix in (
        ("states:StopExecution", f"{execution}:"),
        ("sagemaker:StopTrainingJob", f"{SAGEMAKER}:training-job/"),
    ):
        assert allowing(policies, Call(action, f"{prefix}{training_name('0123456789')}"))
        assert not allowing(policies, Call(action, f"{prefix}payroll-2026-03"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_speaks_on_the_bus_under_the_loops_name_only(life: World, function: str) -> None:
    policies = life.stack.policies(f"{function}Role")
    bus = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/default"

    assert allowing(policies, Call("events:PutEvents", bus, (("events:source", RETRAINING_SOURCE),)))
    assert not allowing(policies, Call("events:PutEvents", bus, (("events:source", "aws.sagemaker"),)))


def test_what_the_commands_of_reviewers_read_is_allowed(life: World) -> None:
    """Make status, waits, history, explain, simulate and verify-audit: each as written, on a table where much goes on."""
    bucket = life.stack.arn("AutomationBucket")
    calls = life.recorders[REVIEWER].calls
    policies = [life.stack.resources["ReviewerPolicy"]["Properties"]["PolicyDocument"]]
    # An audit says of a team's own bucket that it may not look, and takes a refused read of what is not listed for a no.
    unlisted = [call for call in calls if (call.action, call.why) == ("s3:ListBucket", "make verify-audit")]
    unlisted = [call for call in unlisted if call.resource != bucket or not call.keys]

    refused = [call for call in calls if allowing(policies, call) is None and call not in unlisted]
    partitions = {str(dict(call.keys).get("dynamodb:LeadingKeys", ("",))[0]).split("#")[0] for call in calls}
    assert [f"{call.why}: {call.action} on {call.resource} {call.keys}" for call in refused] == []
    assert {
        "WAIT",
        "APPROVAL",
        "DUE",
        "RUN",
        "MODEL",
        "MODELS",
        "SIGNAL",
        "SLOTS",
        "CONTROLS",
        "CHAIN",
        "HEADS",
    } <= partitions


def test_a_due_item_holds_no_token(life: World) -> None:
    """Reviewers read due items whole."""
    assert set(DueItem.__dataclass_fields__) == {
        *("kind", "subject", "model", "due_at", "attempts", "data"),
        "partition",
    }
    assert life.tokens_in_due_items == []


def test_what_a_filter_counts_is_written_by_the_function_whose_log_it_reads(life: World) -> None:
    """A line in another function's log would be counted by nobody."""
    groups = {life.stack.name(f"{function}LogGroup"): function for function in (ORCHESTRATION, HAND, APPROVAL)}
    for name in set(FILTERS) - {"NotAcceptedYetFilter", "CopyGoesOnFilter"}:
        pattern = FILTERS[name]["Properties"]["FilterPattern"]
        writers = {function for function, line in life.log.lines if matches(pattern, line)}
        assert writers == {groups[life.stack.resources[name]["Properties"]["LogGroupName"]]}, name


def reachable_operations() -> set[str]:
    """Operations that methods of the stores call, as far as something outside the method uses the method."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src" / "orchestration").rglob("*.py")]
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name for method in methods_of_stores() if method.name in used for name in operations(method)}
