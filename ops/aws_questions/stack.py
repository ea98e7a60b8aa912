"""Questions to the deployed stack itself: what its roles, rules and policies allow where they are enforced."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from ops import change_sets, deploy, destroy, smoke
from ops.aws_questions.account import UPDATE_SECONDS
from ops.aws_questions.question import DOCS, Answer, Question
from ops.destination import destination
from ops.package import package
from ops.stack import OperatorError, Stack
from ops.template import kept, parse
from orchestration.domain.commands import Place
from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, MODEL_TAG, Status

if TYPE_CHECKING:
    from ops.aws_questions.account import Account

SETTLED_SECONDS: Final = 240.0
"""How long SettleRule may take; the sweep, which would close the run as well, comes once an hour here."""

SENDINGS: Final = 5
"""How often a signal is sent, a minute apart: a new rule takes a while, and the same signal again is a duplicate."""

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
        bucket = account.bucket("artifacts")
        parameters = f"SweepMinutes=60 SageMakerExecutionRoleArn={account.serving()['role_arn']}"
        given = deploy.given_parameters(parameters, "")
        where = destination(account.session, account.terminal, Place(stack, account.region), "")
        made = package(account.session, account.terminal, bucket, given=given)
        deployed = deploy.deploy_packaged(account.session, account.terminal, made, where, given, yes=True)
        if deployed.status:
            raise OperatorError(f"Stack {stack} was not deployed; the lines above say why.")
        return stack

    return Stack(str(account.seen("stack", make)), account.region)


def hops(account: Account) -> Answer:
    """Deploy the stack and follow a signal that cannot train through every hop."""
    stack = _stack(account)
    status = smoke.smoke(stack, account.terminal)
    return Answer(status == 0, f"Deployed; the smoke test ended with {status}.")


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
                "comment": "retraining verify-aws",
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
        executionArn=run["execution_arn"], error="Verify", cause="retraining verify-aws"
    )

    def told() -> str:
        if any(row["status"] == Status.STOPPED for row in stack.table.statuses(run["run_id"])):
            return Status.STOPPED
        letters = account.messages(stack.outputs["DeadLetterQueueUrl"])
        return next((f"dead letter {each[:200]}" for each in letters if run["execution_arn"] in each), "")

    found = change_sets.until(told, within=SETTLED_SECONDS)
    return Answer(found == Status.STOPPED, f"After its execution was stopped the run is {found or 'not closed'}.")


def promotion(account: Account) -> Answer:
    """Have the loop itself promote: a drift report, a training that gives the champion's artifact back, a promotion."""
    world, stack = account.world(), _stack(account)
    sagemaker, model = account.client("sagemaker"), f"{account.state.run}-{uuid.uuid4().hex[:6]}"
    account.in_service(world["endpoint"])
    endpoint_arn = sagemaker.describe_endpoint(EndpointName=world["endpoint"])["EndpointArn"]
    sagemaker.add_tags(ResourceArn=endpoint_arn, Tags=[{"Key": MODEL_TAG, "Value": model}])
    artifact = sagemaker.describe_training_job(TrainingJobName=world["name"])["ModelArtifacts"]["S3ModelArtifacts"]
    report = f"reports/{model}/evaluation.json"
    measured = {"binary_classification_metrics": {"auc": {"value": 0.9, "standard_deviation": "NaN"}}}
    account.client("s3").put_object(Bucket=world["bucket"], Key=report, Body=json.dumps(measured).encode())
    output = {
        "model_data_url": artifact,
        "image": world["image"],
        "evaluation_uri": f"s3://{world['bucket']}/{report}",
    }
    role_arn = account.role("candidate", "states.amazonaws.com", [_NOTHING])
    target = account.machine("candidate", role_arn, {"Train": {"Type": "Pass", "Output": output, "End": True}})
    run = _run(
        account,
        stack,
        model,
        target,
        actions={"critical": "retrain"},
        approval={"training": "never", "promotion": "never"},
        evaluation={"metric": "auc", "minimum": 0.8},
        promotion={"endpoint": world["endpoint"], "bake_minutes": 0},
    )
    account.say("  a promotion by the loop (some minutes)")
    try:
        ended = account.ended(run["execution_arn"], within=UPDATE_SECONDS)
    finally:
        # The loop names what it makes after the model.
        for each in sagemaker.list_models(NameContains=model)["Models"]:
            account.noted("model", each["ModelName"])
        for each in sagemaker.list_endpoint_configs(NameContains=model)["EndpointConfigs"]:
            account.noted("endpoint-config", each["EndpointConfigName"])
    told = json.loads(ended.get("output") or "{}")
    return Answer(
        told.get("outcome") == Status.PROMOTED,
        f"The run: {ended['status']}, {told.get('outcome')}: {told.get('reason') or ended.get('cause')}",
    )


def _waiting_run(account: Account, stack: Stack) -> dict[str, Any]:
    """A run that waits for people: its ``run_id`` and ``execution_arn``."""
    model = f"{account.state.run}-{uuid.uuid4().hex[:6]}"
    run = _run(
        account,
        stack,
        model,
        account.seen("target", lambda: _target(account)),
        actions={"critical": "approve"},
        approval={"training": "always", "promotion": "never"},
        promotion={"kind": "none"},
    )

    def asked() -> bool:
        waits = stack.table.waits_without_tokens()
        return any(each.run_id == run["run_id"] and each.kind == "approval" for each in waits)

    account.awaited(asked, f"run {run['run_id']} that asks people")
    return run


def _run(account: Account, stack: Stack, model: str, target: str, **policy: Any) -> dict[str, Any]:
    """A run of a model of its own: its ``run_id`` and ``execution_arn``."""
    account.client("stepfunctions").tag_resource(resourceArn=target, tags=[{"key": MODEL_TAG, "value": model}])
    document = {"schema_version": 1, "model": model, "training": {"target": target}, **policy}
    stack.client("s3").put_object(
        Bucket=stack.outputs["AutomationBucketName"], Key=f"policies/{model}.json", Body=json.dumps(document).encode()
    )
    detail = {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2, "dedupe_key": uuid.uuid4().hex}
    entry = {"Source": DRIFT_SOURCE, "DetailType": DRIFT_DETECTED, "Detail": json.dumps(detail)}
    for _ in range(SENDINGS):
        answer = stack.client("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise OperatorError(f"EventBridge refused the signal: {answer['Entries']}")
        if found := change_sets.until(lambda: stack.table.runs_of_model(model, limit=1), within=60):
            break
    else:
        raise OperatorError(
            f"{SENDINGS} signals, and no run of {model}: {stack.place.command('smoke')} says where it stops."
        )
    run = stack.table.run(found[0]["run_id"])
    if run is None:
        raise OperatorError(f"Run {found[0]['run_id']} is listed and not there.")
    return {"run_id": run.run_id, "execution_arn": run.execution_arn}


def _target(account: Account) -> str:
    """A training that nobody starts: every run here is rejected or stopped before."""
    role_arn = account.role("training", "states.amazonaws.com", [_NOTHING])
    return account.machine("training", role_arn, {"Nothing": {"Type": "Pass", "End": True}})


_NOTHING: Final = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}


def destroyed(account: Account, stack: str) -> bool:
    """Delete the stack as ``retraining destroy`` does, and note what it retains so that it is deleted as well.

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
    where = destination(account.session, account.terminal, Place(stack, account.region), "")
    if destroy.destroy(account.session, account.terminal, where, force=True, yes=True) is None:
        raise OperatorError(f"Stack {stack} was not deleted; the lines above say why.")
    return True


SERVING_QUESTIONS = (
    Question(
        name="promotion-under-its-role",
        asks="A drift report ends in a promotion of the endpoint, under the roles of the template.",
        document=f"{DOCS}/sagemaker/latest/dg/security_iam_service-with-iam.html",
        open="what UpdateEndpoint, CreateModel and the tags on them ask of the caller besides",
        built_on="PromotionFunctionPolicy; docs/promotion.md",
        look=promotion,
    ),
)

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
