"""Questions about rules, queues, executions and who a caller is."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from ops.aws_questions.account import PATIENCE_SECONDS
from ops.aws_questions.question import DOCS, Answer, Question
from ops.caller_proof import proven
from ops.change_sets import until
from ops.project import ROOT
from ops.stack import OperatorError
from ops.template import sources
from orchestration.domain.caller_proof import binding
from orchestration.domain.people import person_of
from orchestration.stores.callers_sts import Callers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.aws_questions.account import Account

EXECUTIONS = 10
"""How many executions are stopped until a new rule tells of one."""

UNSIGNED = frozenset({401, 403})
"""HTTP statuses of a request that Lambda does not let through."""


def resource_policy(account: Account) -> Answer:
    """A rule whose target has no role invokes a function that lets it in as the template does."""
    probe, functions = account.probe(), account.client("lambda")
    source = f"verify.{uuid.uuid4().hex[:8]}"
    letters, letters_arn = account.queue("letters")
    rule = account.rule({"source": [source]}, {"Arn": probe["arn"], "DeadLetterConfig": {"Arn": letters_arn}})
    rule_arn = account.arn("events", f"rule/{rule}")
    account.rule_may_send(letters, letters_arn, rule_arn)
    allowed = sources()["Resources"]["WaitRulePermission"]["Properties"]
    functions.add_permission(
        FunctionName=probe["name"],
        StatementId=rule,
        Principal=allowed["Principal"],
        Action=allowed["Action"],
        SourceArn=rule_arn,
    )
    heard, letter = _sent_until_heard(account, source, probe["queue_url"], letters)
    if heard:
        return Answer(True, "The function got the event.")
    return Answer(
        False, f"EventBridge may not invoke the function: {letter[:200] or 'nothing arrived, no dead letter either'}."
    )


def _sent_until_heard(account: Account, source: str, wanted: str, letters: str = "") -> tuple[str, str]:
    """Send an event again and again, since rules and policies take a while; gives what came to each queue, '' for nothing."""
    events, letter = account.client("events"), ""
    entry = {"Source": source, "DetailType": "Verify", "Detail": json.dumps({"for": source})}
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        # A letter of the first seconds shows only that a policy was not known yet; a start of the function takes a while too.
        if waited > (account.spread * 4 if letter or not letters else PATIENCE_SECONDS):
            return "", letter
        events.put_events(Entries=[entry])
        time.sleep(account.spread / 20)
        if heard := next((body for body in account.messages(wanted) if source in body), ""):
            return heard, letter
        if letters:
            letter = next((body for body in account.messages(letters) if source in body), letter)


def dead_letter(account: Account) -> Answer:
    """What cannot be delivered comes to a queue that is encrypted with SQS's own key, as the template's is."""
    return _letter(account, {"SqsManagedSseEnabled": "true"})


def dead_letter_with_key(account: Account) -> Answer:
    """The same with a key of one's own, whose policy is the one of docs/security.md."""
    key = account.seen("key", lambda: _key(account))
    return _letter(account, {"KmsMasterKeyId": str(key)})


def _letter(account: Account, encryption: Mapping[str, str]) -> Answer:
    letters, letters_arn = account.queue("letters", encryption)
    source = f"verify.{uuid.uuid4().hex[:8]}"
    missing = account.arn("lambda", f"function:{account.name('missing')}")
    rule = account.rule({"source": [source]}, {"Arn": missing, "DeadLetterConfig": {"Arn": letters_arn}})
    account.rule_may_send(letters, letters_arn, account.arn("events", f"rule/{rule}"))
    how = "SQS's own key" if "SqsManagedSseEnabled" in encryption else "a key with the documented policy"
    letter, _ = _sent_until_heard(account, source, letters)
    return Answer(bool(letter), f"A queue encrypted with {how} got {'the' if letter else 'no'} dead letter.")


def key_policy() -> str:
    """The policy that docs/security.md asks of a key, with its placeholders."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- key policy -->\n```json\n(.*?)```", text, re.DOTALL)
    if found is None:
        raise OperatorError("docs/security.md has no key policy any more.")
    return found[1]


def _key(account: Account) -> str:
    statements = json.loads(
        key_policy()
        .replace("<account>", str(account.identity()["Account"]))
        .replace("<region>", account.region)
        .replace("arn:aws:", f"arn:{account.partition}:")
    )
    made = account.client("kms").create_key(
        Description="retraining verify-aws", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    return account.noted("key", str(made["KeyMetadata"]["KeyId"]))


def patterns(account: Account) -> Answer:
    """The rules' patterns, with ``$or`` at their top, match what they are for and nothing beside it."""
    said = []
    for rule, kind, source, detail, wanted in _CASES:
        pattern = _plain(sources()["Resources"][rule]["Properties"]["EventPattern"], account)
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "account": account.identity()["Account"],
            "region": account.region,
            "time": "2026-01-01T00:00:00Z",
            "resources": [],
            "source": source,
            "detail-type": kind,
            "detail": detail,
        }
        found = account.client("events").test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))[
            "Result"
        ]
        if found is not wanted:
            said.append(f"{rule} {'matches' if found else 'does not match'} {kind} of {source}")
    return Answer(not said, "; ".join(said) or f"{len(_CASES)} events are matched as they should be.")


_ALARM = "CloudWatch Alarm State Change"
_CASES: tuple[tuple[str, str, str, dict[str, Any], bool], ...] = (
    ("DriftRule", "SageMaker Processing Job State Change", "aws.sagemaker", {"ProcessingJobStatus": "Completed"}, True),
    (
        "DriftRule",
        "SageMaker Processing Job State Change",
        "aws.sagemaker",
        {"ProcessingJobStatus": "InProgress"},
        False,
    ),
    ("DriftRule", _ALARM, "aws.cloudwatch", {"alarmName": "value-auc", "state": {"value": "ALARM"}}, True),
    ("DriftRule", _ALARM, "aws.cloudwatch", {"alarmName": "value-auc", "state": {"value": "OK"}}, False),
    # The source of one branch with what the other asks for.
    ("DriftRule", _ALARM, "aws.sagemaker", {"alarmName": "value-auc", "state": {"value": "ALARM"}}, False),
    ("WaitRule", "SageMaker Endpoint State Change", "aws.sagemaker", {"EndpointName": "prod"}, True),
    ("WaitRule", "SageMaker Training Job State Change", "aws.sagemaker", {"TrainingJobName": "retraining-1"}, True),
    ("WaitRule", "SageMaker Training Job State Change", "aws.sagemaker", {"TrainingJobName": "theirs-1"}, False),
)


def _plain(value: Any, account: Account) -> Any:
    """A pattern of the template with its references filled in: the account, or a word that stands for a name."""
    if isinstance(value, dict):
        if value == {"Ref": "AWS::AccountId"}:
            return account.identity()["Account"]
        if set(value) <= {"Ref", "Fn::GetAtt", "Fn::Sub"} and value:
            return "value"
        return {key: _plain(each, account) for key, each in value.items()}
    return [_plain(each, account) for each in value] if isinstance(value, list) else value


def redrive(account: Account) -> Answer:
    """A redriven execution is described and told as that, and a token of before wakes nothing."""
    stepfunctions = account.client("stepfunctions")
    tokens, tokens_arn = account.queue("tokens")
    role_arn = account.role(
        "redrive",
        "states.amazonaws.com",
        [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": tokens_arn}],
    )
    machine = account.machine(
        "redrive",
        role_arn,
        {
            "Ask": {
                "Type": "Task",
                "Resource": f"arn:{account.partition}:states:::sqs:sendMessage.waitForTaskToken",
                "Arguments": {
                    "QueueUrl": tokens,
                    "MessageBody": "{% $states.context.Execution.Id & ' ' & $states.context.Task.Token %}",
                },
                "TimeoutSeconds": 900,
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "MaxAttempts": 6}],
                "End": True,
            }
        },
    )
    told, told_arn = account.queue("told")
    rule = account.rule({"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}, {"Arn": told_arn})
    account.rule_may_send(told, told_arn, account.arn("events", f"rule/{rule}"))

    def token(arn: str) -> str:
        def sent() -> str:
            found = (each.partition(" ") for each in account.messages(tokens))
            return next((text for of, _, text in found if of == arn), "")

        return str(account.awaited(sent, f"a task token of {arn}"))

    def stopped() -> str:
        arn = str(stepfunctions.start_execution(stateMachineArn=machine)["executionArn"])
        token_of[arn] = token(arn)
        stepfunctions.stop_execution(executionArn=arn)
        return arn

    def heard(arn: str, until_status: str, within: float) -> bool:
        def over() -> bool:
            events.extend(json.loads(each)["detail"] for each in account.messages(told))
            return any(each["executionArn"] == arn and each["status"] == until_status for each in events)

        return bool(until(over, within=within))

    token_of: dict[str, str] = {}
    events: list[dict[str, Any]] = []
    arn = stopped()
    # A new rule takes a while: until its end is heard, another execution is stopped.
    while len(token_of) < EXECUTIONS and not heard(arn, "ABORTED", 30):
        arn = stopped()
    stepfunctions.redrive_execution(executionArn=arn)
    after = token(arn)
    count = stepfunctions.describe_execution(executionArn=arn).get("redriveCount")
    old = _sent(stepfunctions, token_of[arn])
    woken = stepfunctions.describe_execution(executionArn=arn)["status"] != "RUNNING"
    new = _sent(stepfunctions, after)
    heard(arn, "SUCCEEDED", 60)
    mine = [(each["status"], each.get("redriveCount")) for each in events if each["executionArn"] == arn]
    return Answer(
        count == 1 and token_of[arn] != after and not woken and {("ABORTED", 0), ("SUCCEEDED", 1)} <= set(mine),
        f"redriveCount is {count}; the token of before is {'the same' if token_of[arn] == after else 'another'}, answered: "
        f"{old}, and the execution {'ended' if woken else 'ran on'}; the new one: {new}. Told, with redriveCount: "
        f"{', '.join(f'{status} {number}' for status, number in mine)}.",
    )


def _sent(stepfunctions: Any, token: str) -> str:
    try:
        stepfunctions.send_task_success(taskToken=token, output="{}")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "taken"


def error_names(account: Account) -> Answer:
    """A function that times out has a name that the workflow's retriers know."""
    probe = account.probe()
    role_arn = account.role(
        "errors",
        "states.amazonaws.com",
        [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": probe["arn"]}],
    )
    machine = account.machine(
        "errors",
        role_arn,
        {
            "Invoke": {
                "Type": "Task",
                "Resource": f"arn:{account.partition}:states:::lambda:invoke",
                "Arguments": {"FunctionName": probe["name"], "Payload": {"sleep": 30}},
                "End": True,
            }
        },
    )
    stepfunctions = account.client("stepfunctions")
    known = retried_names()
    ended: dict[str, Any] = {}

    def name() -> bool:
        # A role of a moment ago may not be allowed to invoke yet, which is another error.
        started = stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]
        ended.update(account.ended(started))
        told = f"{ended.get('error')} {ended.get('cause')}"
        return not any(word in told for word in ("AccessDenied", "not authorized"))

    account.awaited(name, "the function's timeout")
    return Answer(
        ended.get("error") in known,
        f"It is {ended.get('error')}, which the workflow's retriers {'know' if ended.get('error') in known else 'do not know'}.",
    )


def unmodelled_error(account: Account) -> Answer:
    """A request that SageMaker refuses has, in a workflow, the name that the example's retriers have for throttling."""
    serving = account.serving()
    rule = account.arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")
    role_arn = account.role(
        "refused",
        "states.amazonaws.com",
        [
            {
                "Effect": "Allow",
                "Action": ["sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
                "Resource": account.arn("sagemaker", f"training-job/{account.state.run}-*"),
            },
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": serving["role_arn"]},
            {
                "Effect": "Allow",
                "Action": ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                "Resource": rule,
            },
        ],
    )
    machine = account.machine(
        "refused",
        role_arn,
        {
            "Train": {
                "Type": "Task",
                "Resource": f"arn:{account.partition}:states:::sagemaker:createTrainingJob.sync",
                "Arguments": {
                    "TrainingJobName": account.name("refused"),
                    "RoleArn": serving["role_arn"],
                    "AlgorithmSpecification": {"TrainingImage": "no-image", "TrainingInputMode": "File"},
                    "OutputDataConfig": {"S3OutputPath": f"s3://{serving['bucket']}/refused/"},
                    # No instance has this name, so nothing starts.
                    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.nowhere.large", "VolumeSizeInGB": 1},
                    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                },
                "End": True,
            }
        },
    )
    started = account.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = account.ended(started)
    known = retried_names("examples/creditcard/training-pipeline.asl.json")
    return Answer(
        ended.get("error") in known,
        f"It is {ended.get('error')} ({str(ended.get('cause'))[:200]}), which the example's retriers "
        f"{'know' if ended.get('error') in known else 'do not know'}.",
    )


def retried_names(definition: str = "statemachine.asl.json") -> set[str]:
    """Error names that a workflow's retriers have."""
    states = json.loads((ROOT / definition).read_text(encoding="utf-8"))["States"]
    return {name for state in states.values() for retrier in state.get("Retry", []) for name in retrier["ErrorEquals"]}


def signed_url(account: Account) -> Answer:
    """A function's address with AWS_IAM refuses what is not signed, and tells the function who signed."""
    probe, functions = account.probe(), account.client("lambda")
    url = account.seen(
        "address",
        lambda: functions.create_function_url_config(FunctionName=probe["name"], AuthType="AWS_IAM")["FunctionUrl"],
    )
    address = account.address(str(url))
    unsigned = URLLib3Session(timeout=30).send(AWSRequest("GET", address).prepare())
    signed: Any = None

    def let_in() -> bool:
        nonlocal signed
        request = AWSRequest("GET", address)
        SigV4Auth(account.credentials(), "lambda", account.region).add_auth(request)
        signed = URLLib3Session(timeout=30).send(request.prepare())
        return bool(signed.status_code == 200)  # noqa: PLR2004 - HTTP

    until(let_in, within=account.spread)
    told = (json.loads(signed.text) or {}).get("userArn") if let_in() else None
    caller = account.identity()["Arn"]
    same = told is not None and person_of(str(told), ()) == person_of(caller, ())
    return Answer(
        unsigned.status_code in UNSIGNED and same,
        f"Unsigned: {unsigned.status_code}. Signed: {signed.status_code}, and the function is told "
        f"{'the same ARN as GetCallerIdentity gives' if told == caller else told}.",
    )


def caller_proof(account: Account) -> Answer:
    """STS answers a presigned GetCallerIdentity with one more signed header, and refuses it with another value of it."""
    sts, machine = account.client("sts").meta, account.arn("states", "stateMachine:verify")
    request = {"action": "verify"}
    signed = proven(
        request,
        account.credentials(),
        region=account.region,
        sts=str(sts.endpoint_url).replace("//sts.amazonaws.com", f"//sts.{account.region}.amazonaws.com"),
        machine_arn=machine,
    )
    callers = Callers(account.client("sts"))
    right = callers.arn_of(signed["proof"], binding(request, machine))
    wrong = callers.arn_of(signed["proof"], binding({"action": "another"}, machine))
    return Answer(
        right == account.identity()["Arn"] and wrong is None,
        f"STS names {'the caller' if right == account.identity()['Arn'] else right}; for another request it names "
        f"{'nobody' if wrong is None else wrong}.",
    )


QUESTIONS = (
    Question(
        name="rule-by-resource-policy",
        asks="A rule invokes a function by the function's resource policy alone, without a role and without SourceAccount.",
        document=f"{DOCS}/eventbridge/latest/userguide/eb-use-resource-based.html",
        open="it takes a role or a resource policy, the text of PutTargets knows the policy only",
        built_on="WaitRule, SettleRule, SweepRule and PolicyRule",
        look=resource_policy,
    ),
    Question(
        name="pattern-or",
        asks="A pattern with an $or at its top, of branches with different sources, matches each branch and no mixture.",
        document=f"{DOCS}/eventbridge/latest/userguide/eb-create-pattern-operators.html",
        open="its samples have $or within detail; docs/decisions/0012-known-limits.md, point 5",
        built_on="DriftRule and WaitRule",
        look=patterns,
    ),
    Question(
        name="dead-letter-with-sqs-key",
        asks="EventBridge sends dead letters to a queue that is encrypted with SQS's own key.",
        document=f"{DOCS}/eventbridge/latest/userguide/eb-targets.html",
        open="it takes no queue under a key that AWS owns, and does not say whether SQS's own is one",
        built_on="SignalDeadLetterQueue without KmsKeyArn: no event is lost",
        look=dead_letter,
    ),
    Question(
        name="dead-letter-with-own-key",
        asks="EventBridge sends dead letters to a queue under a key with the policy of docs/security.md.",
        document=f"{DOCS}/eventbridge/latest/userguide/eb-rule-dlq.html",
        open="whether that policy is enough",
        built_on="SignalDeadLetterQueue with KmsKeyArn: no event is lost",
        look=dead_letter_with_key,
    ),
    Question(
        name="redrive",
        asks="A redriven execution is described and told with redriveCount 1, and the token of before wakes nothing.",
        document=f"{DOCS}/step-functions/latest/dg/redrive-executions.html",
        open="what the token of before is answered, and whether a redrive is told by an event of its own",
        built_on="src/orchestration/actions/settle.py; docs/reliability.md: a closed run changes nothing, however it is woken",
        look=redrive,
    ),
    Question(
        name="timeout-error-name",
        asks="A function that times out is an error whose name the workflow's retriers have.",
        document=f"{DOCS}/step-functions/latest/dg/concepts-error-handling.html",
        open="it was Lambda.Unknown and is Sandbox.Timedout in newer runtimes",
        built_on="the retriers of statemachine.asl.json",
        look=error_names,
    ),
    Question(
        name="unmodelled-error-name",
        asks="An error of SageMaker that its API does not name, as throttling, has the one name that retriers have for it.",
        document=f"{DOCS}/step-functions/latest/dg/connect-sagemaker.html",
        open="the names of errors of this integration",
        built_on="examples/creditcard/training-pipeline.asl.json",
        look=unmodelled_error,
    ),
    Question(
        name="signed-function-url",
        asks="A function's address with AWS_IAM refuses an unsigned request and tells the function who signed one.",
        document=f"{DOCS}/lambda/latest/dg/urls-invocation.html",
        open="its samples are an IAM user's: how a session's ARN is spelled",
        built_on="docs/decisions/0019-who-a-person-is.md; src/orchestration/domain/people.py",
        look=signed_url,
    ),
    Question(
        name="caller-proof",
        asks="STS answers a presigned GetCallerIdentity that has one more signed header, and no other request with it.",
        document=f"{DOCS}/STS/latest/APIReference/API_GetCallerIdentity.html",
        open="it says nothing of further headers",
        built_on="every operator's command; docs/decisions/0019-who-a-person-is.md",
        look=caller_proof,
    ),
)
