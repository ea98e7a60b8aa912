"""Who may do what: every persona against every action, decided by the policies as the template writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from ministack.core.iam_evaluator import (
    EvalContext,
    combine_resource_policy,
    evaluate,
    evaluate_resource_policy,
    parse_policy_document,
)

from local.iam_calls import authorization_reference
from ops.refusals import READ
from orchestration.domain.wait import Wait
from tests.contract.template import ACCOUNT, ALIKE, BUTTONS, REGION, ROOT, Stack, Template

AUTOMATION_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/teams/fraud-training"
REVIEWER: Final = f"arn:aws:iam::{ACCOUNT}:role/reviewer"
OPERATOR: Final = f"arn:aws:iam::{ACCOUNT}:role/operator"
ADMINISTRATOR: Final = f"arn:aws:iam::{ACCOUNT}:role/administrator"
STRANGER: Final = f"arn:aws:iam::{ACCOUNT}:role/stranger"

TEMPLATE: Final = Template.read()
STACK: Final = TEMPLATE.resolve(
    {
        "AutomationPrincipals": AUTOMATION_ROLE,
        "ReviewerPrincipals": f"{REVIEWER},{OPERATOR},{ADMINISTRATOR}",
        "EvidenceObjectLock": "GOVERNANCE",
        **BUTTONS,
    }
)


def document(stack: Stack, logical_id: str) -> dict[str, Any]:
    """The policy document of a resource."""
    found: dict[str, Any] = stack.resources[logical_id]["Properties"]["PolicyDocument"]
    return found


BUCKET: Final = STACK.arn("AutomationBucket")
TABLE: Final = STACK.arn("HistoryTable")
MACHINE: Final = STACK.arn("RetrainingStateMachine")
QUEUE: Final = STACK.arn("SignalDeadLetterQueue")
EXECUTION: Final = MACHINE.replace(":stateMachine:", ":execution:") + ":run-1"
PAGE: Final = STACK.arn("ApprovalFunctionRole")
LOOP: Final = STACK.arn("OrchestrationFunctionRole")
HAND: Final = STACK.arn("PromotionFunctionRole")
DESK: Final = STACK.arn("OperatorFunctionRole")

EVERYTHING: Final = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ALL_OBJECTS: Final = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:*Object*", "s3:Replicate*", "s3:BypassGovernanceRetention"],
            "Resource": "*",
        }
    ]
}

PERSONAS: Final = {
    "approval page": (PAGE, [document(STACK, "ApprovalFunctionPolicy")]),
    "the loop": (LOOP, [document(STACK, "OrchestrationFunctionPolicy")]),
    "the hand": (HAND, [document(STACK, "PromotionFunctionPolicy")]),
    "operators' function": (DESK, [document(STACK, "OperatorFunctionPolicy")]),
    "Slack channel": (STACK.arn("SlackChannelRole"), [document(STACK, "SlackChannelPolicy")]),
    "automation": (AUTOMATION_ROLE, [ALL_OBJECTS]),
    "reviewer": (REVIEWER, [document(STACK, "ReviewerPolicy")]),
    "operator": (
        OPERATOR,
        [document(STACK, name) for name in ("ReviewerPolicy", "OperatorPolicy")],
    ),
    "administrator": (ADMINISTRATOR, [EVERYTHING]),
    "everyone else": (STRANGER, [ALL_OBJECTS]),
}
"""Everyone's identity policies. Automation and everyone else may do anything with objects, so that only the bucket's own
policy can stand in their way."""


@dataclass(frozen=True)
class Deed:
    """One thing to do: an action on a resource, with what the request carries."""

    action: str
    resource: str
    context: dict[str, Any] = field(default_factory=dict)
    https: bool = True


def _item(*keys: str, **context: Any) -> dict[str, Any]:
    return {"dynamodb:leadingkeys": list(keys), **context}


WRITE_ONCE: Final = {"s3:if-none-match": "*"}
MAKES_AN_OBJECT: Final = {"s3:objectcreationoperation": "true"}
"""PutObject, and CompleteMultipartUpload: of the requests that s3:PutObject allows, those that make an object."""

COPY: Final = f"{BUCKET}/artifacts/fraud/run-1/0123456789abcdef/model.tar.gz"
GOVERNANCE: Final = {"s3:object-lock-mode": "GOVERNANCE"}
TOKENS: Final = {"token", "token_before"}
"""Who has one answers the wait in somebody else's name."""

WAIT_FIELDS: Final = ["pk", *(name for name in Wait.__dataclass_fields__ if name not in TOKENS)]
SAGEMAKER: Final = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
BUS: Final = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"

DEEDS: Final = {
    "read a decision": Deed("s3:GetObject", f"{BUCKET}/decisions/fraud/2026/03/02/a.json"),
    "read a manifest": Deed("s3:GetObject", f"{BUCKET}/manifests/fraud/run-1.json"),
    "read evidence": Deed("s3:GetObject", f"{BUCKET}/evidence/fraud/run-1/outcome.json"),
    "read a rejected event": Deed("s3:GetObject", f"{BUCKET}/rejected/a.json"),
    "see every version of a record": Deed("s3:ListBucketVersions", BUCKET, {"s3:prefix": "decisions/fraud/"}),
    "write a decision": Deed("s3:PutObject", f"{BUCKET}/decisions/fraud/2026/03/02/a.json", WRITE_ONCE),
    "write evidence": Deed("s3:PutObject", f"{BUCKET}/evidence/fraud/run-1/outcome.json", WRITE_ONCE),
    "write evidence of an approval": Deed(
        "s3:PutObject", f"{BUCKET}/evidence/fraud/run-1/approval-training.json", WRITE_ONCE
    ),
    "write evidence of a pause": Deed(
        "s3:PutObject", f"{BUCKET}/evidence/fraud/_controls/000000000007-paused.json", WRITE_ONCE
    ),
    "replace evidence": Deed("s3:PutObject", f"{BUCKET}/evidence/fraud/run-1/outcome.json"),
    "delete evidence": Deed("s3:DeleteObject", f"{BUCKET}/evidence/fraud/run-1/outcome.json"),
    "replicate into the records": Deed("s3:ReplicateObject", f"{BUCKET}/evidence/fraud/run-1/outcome.json"),
    "replicate a deletion into the records": Deed("s3:ReplicateDelete", f"{BUCKET}/evidence/fraud/run-1/outcome.json"),
    "own a record replicated from another account": Deed(
        "s3:ObjectOwnerOverrideToBucketOwner", f"{BUCKET}/evidence/fraud/run-1/outcome.json"
    ),
    "tag a record": Deed("s3:PutObjectTagging", f"{BUCKET}/rejected/a.json"),
    "open a record to the world by its ACL": Deed("s3:PutObjectVersionAcl", f"{BUCKET}/manifests/fraud/run-1.json"),
    "lock a record": Deed("s3:PutObjectRetention", f"{BUCKET}/decisions/fraud/2026/03/02/a.json", GOVERNANCE),
    "lock evidence of an approval": Deed(
        "s3:PutObjectRetention", f"{BUCKET}/evidence/fraud/run-1/approval-training.json", GOVERNANCE
    ),
    "lock a record beyond undoing": Deed(
        "s3:PutObjectRetention",
        f"{BUCKET}/decisions/fraud/2026/03/02/a.json",
        {"s3:object-lock-mode": "COMPLIANCE"},
    ),
    "go past the lock of a record": Deed("s3:BypassGovernanceRetention", f"{BUCKET}/decisions/fraud/2026/03/02/a.json"),
    "give a record another key": Deed("s3:UpdateObjectEncryption", f"{BUCKET}/decisions/fraud/2026/03/02/a.json"),
    "bring an archived record back": Deed("s3:RestoreObject", f"{BUCKET}/decisions/fraud/2026/03/02/a.json"),
    "delete a version of a decision": Deed("s3:DeleteObjectVersion", f"{BUCKET}/decisions/fraud/2026/03/02/a.json"),
    "write a training's output": Deed("s3:PutObject", f"{BUCKET}/runs/fraud/run-1/outputs/model.tar.gz"),
    "add a part to the copy of an artifact": Deed("s3:PutObject", COPY, {"s3:objectcreationoperation": "false"}),
    "make the copy of an artifact": Deed("s3:PutObject", COPY, {**WRITE_ONCE, **MAKES_AN_OBJECT}),
    "replace the copy of an artifact": Deed("s3:PutObject", COPY, MAKES_AN_OBJECT),
    "delete the copy of an artifact": Deed("s3:DeleteObject", COPY),
    "write the decision file": Deed(
        "s3:PutObject", f"{BUCKET}/monitoring_outputs/retraining_decision/retraining_decision.csv"
    ),
    "replicate the decision file into its place": Deed(
        "s3:ReplicateObject", f"{BUCKET}/monitoring_outputs/retraining_decision/retraining_decision.csv"
    ),
    "replicate a model's policy into its place": Deed("s3:ReplicateObject", f"{BUCKET}/policies/fraud.json"),
    "read a model's policy": Deed("s3:GetObject", f"{BUCKET}/policies/fraud.json"),
    "write a model's policy": Deed("s3:PutObject", f"{BUCKET}/policies/fraud.json"),
    "read over plain HTTP": Deed("s3:GetObject", f"{BUCKET}/manifests/fraud/run-1.json", https=False),
    "change the bucket policy": Deed("s3:PutBucketPolicy", BUCKET),
    "read a run's history": Deed("dynamodb:Query", TABLE, _item("RUN#run-1")),
    "see what waits, without tokens": Deed(
        "dynamodb:Query",
        TABLE,
        _item("WAIT#run-1", **{"dynamodb:select": "SPECIFIC_ATTRIBUTES", "dynamodb:attributes": WAIT_FIELDS}),
    ),
    "read a task token": Deed(
        "dynamodb:Query",
        TABLE,
        _item(
            "WAIT#run-1",
            **{"dynamodb:select": "SPECIFIC_ATTRIBUTES", "dynamodb:attributes": ["pk", "token"]},
        ),
    ),
    "read a whole wait": Deed("dynamodb:GetItem", TABLE, _item("WAIT#run-1")),
    "write a run's plan and verdict": Deed("dynamodb:PutItem", TABLE, _item("RUN#run-1")),
    "write a run's statuses": Deed("dynamodb:PutItem", TABLE, _item("STATUS#run-1")),
    "have other work done than an approval's": Deed("dynamodb:PutItem", TABLE, _item("DUE#3")),
    "have an event raised in anybody's name": Deed("dynamodb:PutItem", TABLE, _item("DUE#EVENTS")),
    "delete history": Deed("dynamodb:DeleteItem", TABLE, _item("RUN#run-1")),
    "decide an approval past the page": Deed("dynamodb:UpdateItem", TABLE, _item("APPROVAL#run-1")),
    "lift a kill switch past the loop": Deed("dynamodb:DeleteItem", TABLE, _item("CONTROLS")),
    "look at an execution": Deed("states:GetExecutionHistory", EXECUTION),
    "list executions": Deed("states:ListExecutions", MACHINE),
    "start an execution": Deed("states:StartExecution", MACHINE),
    "stop an execution": Deed("states:StopExecution", EXECUTION),
    "redrive an execution": Deed("states:RedriveExecution", EXECUTION),
    "answer a task token": Deed("states:SendTaskSuccess", MACHINE),
    "throw a kill switch past the function": Deed("dynamodb:PutItem", TABLE, _item("CONTROLS")),
    "keep a request": Deed("dynamodb:PutItem", TABLE, _item("REQUEST#1")),
    "pause, resume, unfreeze, retrain, rollback, sweep, replay": Deed(
        "lambda:InvokeFunction", STACK.arn("OperatorFunction")
    ),
    "have the loop decide": Deed("lambda:InvokeFunction", STACK.arn("OrchestrationFunction")),
    "have the hand act": Deed("lambda:InvokeFunction", STACK.arn("PromotionFunction")),
    "decide on the approval page": Deed(
        "lambda:InvokeFunctionUrl", STACK.arn("ApprovalFunction"), {"lambda:functionurlauthtype": "AWS_IAM"}
    ),
    "decide in the shape of the page": Deed(
        "lambda:InvokeFunction", STACK.arn("ApprovalFunction"), {"lambda:invokedviafunctionurl": "false"}
    ),
    "decide by command": Deed("lambda:InvokeFunction", STACK.arn("VoteFunction")),
    "press a button in Slack": Deed("lambda:InvokeFunction", STACK.arn("SlackFunction")),
    "send a signal": Deed("events:PutEvents", BUS, {"events:source": "mlops.drift"}),
    "speak in the loop's name": Deed("events:PutEvents", BUS, {"events:source": "mlops.retraining"}),
    "take a dead letter": Deed("sqs:ReceiveMessage", QUEUE),
    "leave a dead letter": Deed("sqs:SendMessage", QUEUE),
    "keep an event as if it was rejected": Deed("s3:PutObject", f"{BUCKET}/rejected/a.json", WRITE_ONCE),
    "read the log": Deed("logs:FilterLogEvents", STACK.arn("OrchestrationFunctionLogGroup")),
    "start a training": Deed("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/retraining-1"),
    "stop a training": Deed("sagemaker:StopTrainingJob", f"{SAGEMAKER}:training-job/retraining-1"),
    "change an endpoint": Deed("sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint/fraud"),
    "approve in the registry": Deed("sagemaker:UpdateModelPackage", f"{SAGEMAKER}:model-package/fraud/7"),
    "change a baseline": Deed(
        "sagemaker:UpdateMonitoringSchedule",
        f"{SAGEMAKER}:monitoring-schedule/fraud",
        {"aws:resourcetag/retraining:model": "fraud"},
    ),
    "change the baseline of a schedule without the tag": Deed(
        "sagemaker:UpdateMonitoringSchedule", f"{SAGEMAKER}:monitoring-schedule/fraud"
    ),
    "say by a tag whose an endpoint is": Deed("sagemaker:AddTags", f"{SAGEMAKER}:endpoint/fraud"),
}


def allowed(persona: str, deed: Deed) -> bool:
    """Whether the persona's policies and those of bucket and queue let the deed pass."""
    principal, documents = PERSONAS[persona]
    context = EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=deed.action,
        resource_arn=deed.resource,
        region=REGION,
        secure_transport=deed.https,
        service_context=deed.context,
    )
    identity = evaluate(context, [parse_policy_document(document) for document in documents])
    for resource, policy in ((BUCKET, "AutomationBucketPolicy"), (QUEUE, "SignalDeadLetterQueuePolicy")):
        if deed.resource.startswith(resource):
            return bool(
                combine_resource_policy(identity, context, document(STACK, policy), ACCOUNT).decision == "Allow"
            )
    return bool(identity.decision == "Allow")


def matrix() -> dict[str, dict[str, bool]]:
    """The matrix as docs/security.md prints it: action, persona, yes or no."""
    table = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").split("<!-- matrix -->")[1]
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    header, _, *body = rows
    return {row[0]: {persona: cell == "yes" for persona, cell in zip(header[1:], row[1:], strict=True)} for row in body}


MATRIX: Final = matrix()


def test_the_matrix_of_the_security_page_has_every_persona_and_every_action() -> None:
    assert list(MATRIX) == list(DEEDS)
    assert all(list(row) == list(PERSONAS) for row in MATRIX.values())


def test_the_table_of_the_security_page_has_every_function_and_machine_with_its_role() -> None:
    table = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").split("## The functions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| .+? \| `(\w+)` \|", table, re.MULTILINE)

    assert dict(rows) == {
        name: f"{ALIKE.get(name, name)}Role"
        for name in STACK.of_type("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine")
    }


@pytest.mark.threat("evidence-leak")
@pytest.mark.parametrize("deed", list(DEEDS))
def test_the_policies_allow_what_the_security_page_says(deed: str) -> None:
    assert {persona: allowed(persona, DEEDS[deed]) for persona in PERSONAS} == MATRIX[deed]


def test_of_all_that_s3_can_do_to_an_object_only_reading_and_writing_once_is_left_on_a_record() -> None:
    """Every action of the service that takes an object, the ones cfn-lint has learned since included."""
    actions = authorization_reference()["s3"]["Actions"]
    changing = {
        name
        for name, about in actions.items()
        if "object" in (about.get("Resources") or ()) and not name.startswith(("get", "list"))
    } - {"putobject", "abortmultipartupload", "restoreobject", "initiatereplication", "putobjectlegalhold"}
    assert "bypassgovernanceretention" in changing
    policy = document(TEMPLATE.resolve(), "AutomationBucketPolicy")

    def decided(action: str, folder: str) -> str:
        context = EvalContext(
            principal_arn=ADMINISTRATOR,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=f"s3:{action}",
            resource_arn=f"{BUCKET}/{folder}/fraud/run-1/a.json",
            region=REGION,
            secure_transport=True,
        )
        return str(evaluate_resource_policy(policy, context).decision)

    allowed_on_records = {
        (action, folder)
        for action in changing
        for folder in ("decisions", "manifests", "evidence", "rejected", "artifacts")
        if decided(action, folder) != "Deny"
    }
    assert {
        "replicateobject",
        "replicatedelete",
        "replicatetags",
        "putobjecttagging",
        "updateobjectencryption",
    } <= changing
    assert allowed_on_records == set()
    assert decided("putobjecttagging", "runs") != "Deny"


@pytest.mark.parametrize("folder", ["decisions", "manifests", "evidence", "rejected", "artifacts"])
@pytest.mark.parametrize("principal", [LOOP, PAGE, DESK, ADMINISTRATOR])
def test_a_record_of_any_kind_is_written_by_the_loop_alone_and_once(principal: str, folder: str) -> None:
    """A stolen permission to write, or the loop's own, replaces none."""
    policy = document(TEMPLATE.resolve(), "AutomationBucketPolicy")

    def decided(**headers: str) -> str:
        context = EvalContext(
            principal_arn=principal,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action="s3:PutObject",
            resource_arn=f"{BUCKET}/{folder}/fraud/run-1/a.json",
            region=REGION,
            secure_transport=True,
            service_context={**MAKES_AN_OBJECT, **headers},
        )
        return str(evaluate_resource_policy(policy, context).decision)

    assert decided() == "Deny"
    assert (decided(**WRITE_ONCE) == "Deny") is (principal == ADMINISTRATOR)


@pytest.mark.parametrize(("key", "reads"), [(COPY, True), (f"{BUCKET}/runs/fraud/run-1/outputs/model.tar.gz", False)])
def test_the_role_that_models_run_under_reads_copies_without_a_policy_of_its_own(key: str, reads: bool) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/serving"
    policy = document(
        TEMPLATE.resolve({"SageMakerExecutionRoleArn": role, "ReviewerPrincipals": REVIEWER}), "AutomationBucketPolicy"
    )
    context = EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action="s3:GetObject",
        resource_arn=key,
        region=REGION,
        secure_transport=True,
    )
    nothing = evaluate(context, [])
    assert (combine_resource_policy(nothing, context, policy, ACCOUNT).decision == "Allow") is reads


def test_nobody_is_kept_out_of_the_bucket_when_no_principals_are_named() -> None:
    """An empty form must not lock out the account's own roles; IAM alone decides there."""
    bucket_policy = document(TEMPLATE.resolve(), "AutomationBucketPolicy")

    for deed in ("read evidence", "write a training's output", "write the decision file", "write a model's policy"):
        context = EvalContext(
            principal_arn=STRANGER,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=DEEDS[deed].action,
            resource_arn=DEEDS[deed].resource,
            region=REGION,
            secure_transport=True,
            service_context=DEEDS[deed].context,
        )
        assert evaluate_resource_policy(bucket_policy, context).decision != "Deny", deed


def test_the_role_of_trainings_writes_and_reads_without_being_named() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
    parameters = {
        "SageMakerExecutionRoleArn": role,
        "AutomationPrincipals": AUTOMATION_ROLE,
        "ReviewerPrincipals": REVIEWER,
    }
    bucket_policy = document(TEMPLATE.resolve(parameters), "AutomationBucketPolicy")

    for action in ("s3:PutObject", "s3:GetObject"):
        context = EvalContext(
            principal_arn=role,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=action,
            resource_arn=f"{BUCKET}/runs/fraud/run-1/outputs/model.tar.gz",
            region=REGION,
            secure_transport=True,
        )
        assert evaluate_resource_policy(bucket_policy, context).decision != "Deny"


def test_whoever_may_not_read_something_is_sent_to_a_policy_that_lets_them_read_it() -> None:
    read = {
        action
        for statement in document(STACK, "ReviewerPolicy")["Statement"]
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if not action.startswith(("lambda:", "kms:"))
    }
    assert read == READ


def test_waits_are_shown_with_every_attribute_but_the_tokens() -> None:
    statement = next(
        statement
        for statement in document(STACK, "ReviewerPolicy")["Statement"]
        if statement["Sid"] == "SeeWaitsWithoutTokens"
    )

    shown = set(statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])

    assert shown == {"pk", "sk", *Wait.__dataclass_fields__} - TOKENS


@pytest.mark.parametrize("partition", ["WAIT#run-1", "APPROVAL#run-1"])
@pytest.mark.parametrize(
    ("fields", "shown"), [(WAIT_FIELDS, True), *((["pk", token], False) for token in sorted(TOKENS)), ([], False)]
)
def test_waits_and_approvals_are_shown_by_named_attributes_only(partition: str, fields: list[str], shown: bool) -> None:
    asked = {"dynamodb:select": "SPECIFIC_ATTRIBUTES" if fields else "ALL_ATTRIBUTES", "dynamodb:attributes": fields}

    assert allowed("reviewer", Deed("dynamodb:Query", TABLE, _item(partition, **asked))) is shown


def test_a_redrive_is_refused_even_to_an_operator_with_every_other_right() -> None:
    """A redriven run would go on without its lock and slot."""
    policies = [parse_policy_document(each) for each in (EVERYTHING, document(STACK, "OperatorPolicy"))]
    context = EvalContext(
        principal_arn=OPERATOR,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action="states:RedriveExecution",
        resource_arn=EXECUTION,
        region=REGION,
    )

    assert evaluate(context, policies).decision == "Deny"


@pytest.mark.threat("event-swallowed")
@pytest.mark.parametrize("more", [[], [EVERYTHING]])
@pytest.mark.parametrize("policies", [["ReviewerPolicy"], ["ReviewerPolicy", "OperatorPolicy"]])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("states:StartExecution", MACHINE),
        ("states:StartExecution", f"{MACHINE}:7"),
        ("states:StartExecution", f"{MACHINE}:live"),
        ("sqs:SendMessage", QUEUE),
        ("sqs:ReceiveMessage", QUEUE),
        ("sqs:DeleteMessage", QUEUE),
        ("sqs:PurgeQueue", QUEUE),
        ("sqs:StartMessageMoveTask", QUEUE),
    ],
)
def test_people_bring_the_loop_no_event_in_anothers_name_whatever_else_they_may_do(
    action: str, resource: str, policies: list[str], more: list[Any]
) -> None:
    """An execution believes its input, and a replay what the queue holds."""
    context = EvalContext(
        principal_arn=OPERATOR,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
    )

    held = [parse_policy_document(each) for each in (*more, *(document(STACK, name) for name in policies))]
    assert evaluate(context, held).decision == "Deny"


@pytest.mark.parametrize(
    ("source", "sends"),
    [
        *((STACK.arn(rule), True) for rule in STACK.of_type("AWS::Events::Rule")),
        (f"{STACK.arn('DriftRule')}-2", False),
        (None, False),
    ],
)
def test_only_a_rule_of_this_stack_leaves_a_dead_letter(source: str | None, sends: bool) -> None:
    """Nobody else, an administrator's own message neither: an event that lies there counts as AWS's."""
    policy = document(STACK, "SignalDeadLetterQueuePolicy")
    context = EvalContext(
        principal_arn=ADMINISTRATOR,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action="sqs:SendMessage",
        resource_arn=QUEUE,
        region=REGION,
        secure_transport=True,
        service_context={"aws:sourcearn": source} if source else {},
    )

    assert (evaluate_resource_policy(policy, context).decision == "Deny") is not sends


@pytest.mark.parametrize("action", ["lambda:InvokeFunction", "lambda:InvokeAsync"])
@pytest.mark.parametrize("qualifier", ["", ":$LATEST", ":1", ":live"])
@pytest.mark.parametrize("function", ["OrchestrationFunction", "PromotionFunction", "ApprovalFunction"])
def test_people_cannot_speak_for_the_workflow_or_the_page_whatever_else_they_may_do(
    function: str, qualifier: str, action: str
) -> None:
    """With a qualifier the request is for another ARN: Lambda Developer Guide, "Resources and conditions", by version or alias."""
    policies = [parse_policy_document(each) for each in (EVERYTHING, document(STACK, "ReviewerPolicy"))]
    context = EvalContext(
        principal_arn=OPERATOR,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=f"{STACK.arn(function)}{qualifier}",
        region=REGION,
    )

    assert evaluate(context, policies).decision == "Deny"


@pytest.mark.parametrize("policy", ["ReviewerPolicy", "OperatorPolicy"])
def test_a_persona_holds_no_wildcard(policy: str) -> None:
    for statement in document(STACK, policy)["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert not [action for action in actions if "*" in action]
        assert "*" not in resources
        assert re.fullmatch(r"([A-Z][a-z]+)+", statement["Sid"])


@pytest.mark.parametrize("policy", ["ReviewerPolicy", "OperatorPolicy"])
def test_a_persona_may_use_the_key_only_when_there_is_one(policy: str) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"

    def key_statements(stack: Stack) -> list[Any]:
        return [statement for statement in document(stack, policy)["Statement"] if "kms:" in str(statement["Action"])]

    assert key_statements(TEMPLATE.resolve()) == []
    (statement,) = key_statements(TEMPLATE.resolve({"KmsKeyArn": key}))
    assert statement["Resource"] == key
