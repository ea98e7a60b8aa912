"""Questions to the deployed stack itself: what its roles, rules and policies allow where they are enforced."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from ops import change_sets, deploy, destroy, smoke
from ops.aws_questions.question import DOCS, Answer, Question
from ops.stack import OperatorError, Stack
from ops.template import kept, parse
from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, MODEL_TAG, Status

if TYPE_CHECKING:
    from ops.aws_questions.account import Account

SETTLED_SECONDS: Final = 240.0
"""How long SettleRule may take; the sweep, which would close the run as well, comes once an hour here."""

KINDS: Final = {
    "AWS::S3::Bucket": "bucket",
    "AWS::DynamoDB::Table": "table",
    "AWS::Logs::LogGroup": "log-group",
    "AWS::SQS::Queue": "queue",
    "AWS::SNS::Topic": "topic",
}
"""Resources that the stack leaves behind when it is deleted, by the kind they are noted as."""


def _stack(account: Account) -> Stack:
    """The stack, deployed once in a run."""

    def make() -> str:
        stack = account.noted("stack", account.name("loop"))
        bucket = account.noted("bucket", account.name("artifacts"))
        where = (
            {}
            if account.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
        )
        account.client("s3").create_bucket(Bucket=bucket, **where)
        options = deploy.arguments_of("verify-aws", None).parse_args(
            ["--stack", stack, "--bucket", bucket, "--params", "SweepMinutes=60", "--yes"]
        )
        options.params_file = ""
        if deploy.command(options, account.session, account.terminal):
            raise OperatorError(f"Stack {stack} was not deployed; the lines above say why.")
        return stack

    return Stack(str(account.seen("stack", make)), account.region)


def hops(account: Account) -> Answer:
    """Deploy the stack and follow a signal that cannot train through every hop."""
    stack = _stack(account)
    status = smoke.smoke(argparse.Namespace(), stack, account.terminal)
    return Answer(status == 0, f"Deployed; make smoke ended with {status}.")


def vote(account: Account) -> Answer:
    """Have a run ask people, and reject it: one transaction under ApprovalFunction's own policy."""
    stack = _stack(account)
    run = _waiting_run(account, stack)
    try:
        told = stack.decide(
            {
                "action": "decide",
                "run_id": run["run_id"],
                "decision": "REJECTED",
                "comment": "make verify-aws",
                "subject": None,
            }
        )
    except OperatorError as error:
        return Answer(False, f"VoteFunction could not take the vote: {error}.")
    ended = account.ended(run["execution_arn"])
    return Answer(
        bool(told.get("counted")) and ended["status"] == "SUCCEEDED",
        f"The vote: {told.get('reason')} The run's execution: {ended['status']}.",
    )


def settled(account: Account) -> Answer:
    """Stop a run's execution, and see the run closed by SettleRule."""
    stack = _stack(account)
    run = _waiting_run(account, stack)
    account.client("stepfunctions").stop_execution(
        executionArn=run["execution_arn"], error="Verify", cause="make verify-aws"
    )

    def told() -> str:
        if any(row["status"] == Status.STOPPED for row in stack.table.statuses(run["run_id"])):
            return Status.STOPPED
        letters = account.messages(stack.outputs["DeadLetterQueueUrl"])
        return next((f"dead letter {each[:200]}" for each in letters if run["execution_arn"] in each), "")

    found = change_sets.until(told, within=min(SETTLED_SECONDS, account.spread * 50))
    return Answer(found == Status.STOPPED, f"After its execution was stopped the run is {found or 'not closed'}.")


def _waiting_run(account: Account, stack: Stack) -> dict[str, Any]:
    """A run that waits for people: its ``run_id`` and ``execution_arn``."""
    model = f"{account.state.run}-{uuid.uuid4().hex[:6]}"
    target = account.seen("target", lambda: _target(account))
    tags = [{"key": MODEL_TAG, "value": model}]
    account.client("stepfunctions").tag_resource(resourceArn=target, tags=tags)
    policy = {
        "schema_version": 1,
        "model": model,
        "training": {"target": target},
        "actions": {"critical": "approve"},
        "approval": {"training": "always", "promotion": "never"},
        "promotion": {"kind": "none"},
    }
    stack.client("s3").put_object(
        Bucket=stack.outputs["AutomationBucketName"], Key=f"policies/{model}.json", Body=json.dumps(policy).encode()
    )
    detail = {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2, "dedupe_key": uuid.uuid4().hex}
    answer = stack.client("events").put_events(
        Entries=[{"Source": DRIFT_SOURCE, "DetailType": DRIFT_DETECTED, "Detail": json.dumps(detail)}]
    )
    if answer["FailedEntryCount"]:
        raise OperatorError(f"EventBridge refused the signal: {answer['Entries']}")

    def asked() -> Any:
        waits = [each for each in stack.table.waits_without_tokens() if each.model == model and each.kind == "approval"]
        runs = {each["run_id"]: each for each in stack.table.active_runs()}
        return runs.get(waits[0].run_id) if waits else None

    return dict(account.awaited(asked, f"a run of {model} that asks people", within=300))


def _target(account: Account) -> str:
    """A training that nobody starts: every run here is rejected or stopped before."""
    role_arn = account.role("training", "states.amazonaws.com", [_NOTHING])
    return account.machine("training", role_arn, {"Nothing": {"Type": "Pass", "End": True}})


_NOTHING: Final = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}


def destroyed(account: Account, stack: str) -> bool:
    """Delete the stack as ``make destroy`` does, and note what it retains so that it is deleted as well.

    Raises:
        OperatorError: CloudFormation did not delete it.
    """
    cloudformation = account.client("cloudformation")
    if change_sets.described(cloudformation, stack) is None:
        return True
    keeps = kept(parse(cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]))
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for each in (each for page in pages for each in page["StackResourceSummaries"]):
        kind = KINDS.get(each["ResourceType"])
        name = each.get("PhysicalResourceId")
        if each["LogicalResourceId"] in keeps and kind and name and (kind, name) not in account.state.made:
            account.noted(kind, name)
    options = argparse.Namespace(stack=stack, account="", force=True, yes=True)
    if destroy.command(options, account.session, account.terminal):
        raise OperatorError(f"Stack {stack} was not deleted; the lines above say why.")
    return True


QUESTIONS = (
    Question(
        name="signal-hops",
        asks="CloudFormation takes the template, and a signal goes through rule, workflow, function, table, bucket and topic.",
        document=f"{DOCS}/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html",
        open="nothing in it was ever created by CloudFormation itself",
        built_on="automation-orchestration-pipeline.yaml, every role on the way of a signal",
        look=hops,
    ),
    Question(
        name="vote-under-its-policy",
        asks="A vote is taken under ApprovalFunction's own policy, and the run that waits goes on.",
        document=f"{DOCS}/amazondynamodb/latest/developerguide/specifying-conditions.html",
        open="it shows dynamodb:LeadingKeys for single items only",
        built_on="ApprovalFunctionPolicy; docs/decisions/0019-who-a-person-is.md",
        look=vote,
    ),
    Question(
        name="stopped-run-is-closed",
        asks="The stop of an execution reaches the function by SettleRule, which has no role, and closes the run.",
        document=f"{DOCS}/step-functions/latest/dg/eventbridge-integration.html",
        open="delivery is best effort; the sweep repairs what is lost",
        built_on="SettleRule; docs/reliability.md",
        look=settled,
    ),
)
