"""The questions to AWS, asked of the embedded AWS: all held, everything deleted, and each check notices the other behaviour."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.embedded_aws import EmbeddedAws
from ops import cli, verify_aws
from ops.aws_questions import QUESTIONS, Answer, Question, chat, serving
from ops.aws_questions.account import Account, State
from ops.aws_questions.cost import total
from ops.terminal import Terminal
from orchestration.domain.contracts import ENDPOINT_STATE_CHANGE, TRAINING_JOB_STATE_CHANGE
from orchestration.stores.sagemaker_changes import SageMakerChanges

Otherwise = Callable[[EmbeddedAws, Account], Callable[[], Any] | None]
"""Switches the embedded AWS to the other behaviour; gives what switches it back, where forgetting the faults does not."""

BY_NAME = {each.name: each for each in QUESTIONS}
DENIED: dict[str, Any] = {"code": "AccessDenied", "status": 403}
INVALID: dict[str, Any] = {"code": "ValidationException"}


def faulty(service: str, action: str, **rule: Any) -> Otherwise:
    def begin(aws: EmbeddedAws, _: Account) -> None:
        aws.fail_next(service, action, **rule)

    return begin


def answered(service: str, action: str, document: Any, **rule: Any) -> Otherwise:
    body = document if isinstance(document, str) else json.dumps(document)
    return faulty(service, action, answer=body, status=rule.pop("status", 200), **rule)


def without_bucket_policy(aws: EmbeddedAws, account: Account) -> Callable[[], Any]:
    """Take the policy away that asks for If-None-Match, as if its condition never held."""
    s3, bucket = aws.client("s3"), account.state.seen["records"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    return lambda: s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def shorter_commands(_: EmbeddedAws, account: Account) -> Callable[[], Any]:
    """Ask with a command that is longer than the embedded AWS takes, as if the limit were a lower one."""
    del account
    limit = chat.COMMAND_LIMIT
    chat.COMMAND_LIMIT = limit + 1  # type: ignore[misc] # put back by what is given
    return lambda: setattr(chat, "COMMAND_LIMIT", limit)


def allow_every_key(aws: EmbeddedAws, account: Account) -> Callable[[], Any]:
    """Let the function's role write any key, as if a transaction had no keys for its conditions."""
    iam, made = aws.client("iam"), account.state.seen["leading keys"]
    role = made["role_arn"].rsplit("/", 1)[-1]
    allowed = {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=role, PolicyName="every-key", PolicyDocument=document)
    return lambda: iam.delete_role_policy(RoleName=role, PolicyName="every-key")


def promoting(then: Otherwise) -> Otherwise:
    """Promote anew, under the other behaviour."""

    def begin(aws: EmbeddedAws, account: Account) -> None:
        account.in_service(account.world()["endpoint"])
        account.state.seen.pop("promotion", None)
        then(aws, account)

    return begin


def heard(kind: str, resource: Callable[[Account], str], detail: Callable[[str], dict[str, Any]]) -> Otherwise:
    """An event in another shape is what the queue holds."""

    def begin(aws: EmbeddedAws, account: Account) -> None:
        account.state.seen.pop("heard", None)
        name = resource(account)
        event = {
            "detail-type": kind,
            "resources": [f"arn:aws:sagemaker:::thing/{name.lower()}"],
            "detail": detail(name),
        }
        message = {"MessageId": "1", "ReceiptHandle": "1", "Body": json.dumps(event)}
        answered("sqs", "ReceiveMessage", {"Messages": [message]})(aws, account)
        answered("sqs", "DeleteMessage", {})(aws, account)

    return begin


def described(status: str, count: int) -> dict[str, Any]:
    variants = [{"VariantName": "AllTraffic", "CurrentInstanceCount": count}]
    return {"EndpointStatus": status, "EndpointConfigName": "another", "ProductionVariants": variants}


def rolls_back(aws: EmbeddedAws, account: Account) -> None:
    aws.tell_endpoint(account.world()["endpoint"], "roll_back")


def lock_settle_rule_out(aws: EmbeddedAws, account: Account) -> Callable[[], Any]:
    """Take SettleRule's permission away, as if EventBridge asked for a role as well."""
    found = aws.client("cloudformation").list_stack_resources(StackName=account.state.seen["stack"])
    (function,) = (
        each["PhysicalResourceId"]
        for each in found["StackResourceSummaries"]
        if each["LogicalResourceId"] == "OrchestrationFunction"
    )
    functions = aws.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    (statement,) = (each for each in policy["Statement"] if "SettleRule" in json.dumps(each))
    functions.remove_permission(FunctionName=function, StatementId=statement["Sid"])
    # Given back, so that the stack is deleted as any other.
    return lambda: functions.add_permission(
        FunctionName=function,
        StatementId=statement["Sid"],
        Principal="events.amazonaws.com",
        Action="lambda:InvokeFunction",
        SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
    )


SOMEBODY_ELSE = '{"userArn": "arn:aws:iam::000000000000:user/somebody-else"}'
OTHERWISE: list[tuple[str, str, Otherwise]] = [
    ("slack-actions", "a command of 100 characters is too long", shorter_commands),
    ("rule-by-resource-policy", "a role is asked for", answered("lambda", "AddPermission", {}, status=201)),
    ("pattern-or", "no branch matches", answered("events", "TestEventPattern", {"Result": False})),
    ("dead-letter-with-sqs-key", "nothing arrives", answered("sqs", "ReceiveMessage", {}, times=500)),
    ("dead-letter-with-own-key", "nothing arrives", answered("sqs", "ReceiveMessage", {}, times=500)),
    (
        "redrive",
        "the old token wakes it",
        answered("stepfunctions", "DescribeExecution", {"status": "SUCCEEDED", "redriveCount": 0}, times=500),
    ),
    (
        "timeout-error-name",
        "another name",
        answered("stepfunctions", "DescribeExecution", {"status": "FAILED", "error": "Lambda.Late"}, times=500),
    ),
    (
        "unmodelled-error-name",
        "another name",
        answered("stepfunctions", "DescribeExecution", {"status": "FAILED", "error": "SageMaker.Refused"}, times=500),
    ),
    ("signed-function-url", "unsigned is let in", answered("", "", "null", matching="/_aws/lambda-url/")),
    (
        "signed-function-url",
        "another signer is told",
        answered("lambda", "", SOMEBODY_ELSE, matching="/_aws/lambda-url/", times=500),
    ),
    (
        "caller-proof",
        "the header is not held against its signature",
        lambda aws, account: answered(
            "sts",
            "GetCallerIdentity",
            f"<Arn>{account.identity()['Arn']}</Arn>",
            times=2,
            matching="X-Amz-Signature",
        )(aws, account),
    ),
    (
        "leading-keys-in-a-transaction",
        "no key is there",
        allow_every_key,
    ),
    (
        "leading-keys-in-a-transaction",
        "all keys are there",
        faulty("dynamodb", "TransactWriteItems", code="AccessDeniedException", matching="CHAIN#verify", times=500),
    ),
    ("record-lock", "the checksum is none", faulty("s3", "PutObject", code="InvalidRequest", matching="locked")),
    ("written-once", "the condition does not hold", without_bucket_policy),
    (
        "written-once-in-parts",
        "the condition does not hold",
        without_bucket_policy,
    ),
    ("copied-once", "a part counts as an object", faulty("s3", "UploadPartCopy", **DENIED)),
    ("copied-once", "a PUT replaces it", without_bucket_policy),
    ("signal-hops", "a policy is refused", faulty("s3", "PutObject", matching="policies/smoke-test", **DENIED)),
    (
        "vote-under-its-policy",
        "the vote is refused",
        faulty(
            "dynamodb", "TransactWriteItems", code="AccessDeniedException", matching="retraining verify-aws", times=500
        ),
    ),
    ("stopped-run-is-closed", "a role is asked for", lock_settle_rule_out),
    (
        "training-event",
        "camelCase",
        heard(
            TRAINING_JOB_STATE_CHANGE,
            lambda account: account.world()["name"],
            lambda name: {"trainingJobName": name, "TrainingJobStatus": "Completed"},
        ),
    ),
    (
        "endpoint-event",
        "camelCase",
        heard(ENDPOINT_STATE_CHANGE, lambda account: account.world()["endpoint"], lambda name: {"endpointName": name}),
    ),
    (
        "processing-event",
        "SHOUTING_CASE",
        heard(
            "SageMaker Processing Job State Change",
            lambda account: str(account.state.seen["processing job"]),
            lambda name: {"ProcessingJobName": name, "ProcessingJobStatus": "COMPLETED"},
        ),
    ),
    (
        "just-created-is-found",
        "in other words",
        promoting(faulty("sagemaker", "UpdateEndpoint", message="Unknown endpoint configuration", **INVALID)),
    ),
    (
        "made-reads-back",
        "another variant is filled in",
        promoting(answered("sagemaker", "DescribeEndpointConfig", {"ProductionVariants": []}, skip=1)),
    ),
    (
        "update-during-an-update",
        "in other words",
        promoting(faulty("sagemaker", "UpdateEndpoint", message="The endpoint is busy", skip=1, **INVALID)),
    ),
    (
        "update-while-it-scales",
        "in other words",
        faulty("sagemaker", "UpdateEndpoint", message="The endpoint is busy", **INVALID),
    ),
    (
        "update-is-shown",
        "the description lags",
        promoting(answered("sagemaker", "DescribeEndpoint", described("InService", 2), skip=3)),
    ),
    (
        "capacity-is-retained",
        "the config's count serves",
        promoting(answered("sagemaker", "DescribeEndpoint", described("InService", 1), skip=4)),
    ),
    (
        "second-promotion",
        "its tags are refused",
        promoting(faulty("sagemaker", "CreateEndpointConfig", message="Duplicate tag key", skip=1, **INVALID)),
    ),
    (
        "composite-alarm",
        "the model's role is asked",
        promoting(faulty("sagemaker", "UpdateEndpoint", message="may not describe the alarms", **INVALID)),
    ),
    ("composite-alarm", "it rolls back", promoting(rolls_back)),
    (
        "pending-package",
        "its containers are refused",
        faulty("sagemaker", "CreateModel", message="not approved", matching="retraining:package", **INVALID),
    ),
    (
        "config-deleted-while-it-serves",
        "in other words",
        faulty("sagemaker", "DescribeEndpointConfig", message="It is gone", skip=2, **INVALID),
    ),
    (
        "promotion-under-its-role",
        "the role may not make a model",
        faulty("sagemaker", "CreateModel", code="AccessDeniedException", matching="retraining:run", times=500),
    ),
]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An embedded AWS of its own, with somebody signed in, and a folder for the run's state."""
    with (
        pytest.MonkeyPatch.context() as patch,
        EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded,
    ):
        key = embedded.key_of("verifier")
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        embedded.client("iam").put_user_policy(
            UserName="verifier",
            PolicyName="administrator",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
        )
        signed_in = {"AWS_ACCESS_KEY_ID": key.access_key, "AWS_SECRET_ACCESS_KEY": key.secret_key}
        for name, value in (embedded.environment | signed_in).items():
            patch.setenv(name, str(value))
        patch.setattr(verify_aws, "FOLDER", tmp_path_factory.mktemp("verify-aws"))
        yield embedded


def _state_file(aws: EmbeddedAws) -> Path:
    return verify_aws.FOLDER / f"{aws.account}-{aws.region}.json"


@pytest.fixture(scope="module")
def asked(aws: EmbeddedAws) -> int:
    """The exit status of the whole command, which leaves what it made."""
    make_alarms = serving._alarms

    def then_take_time(account: Account) -> tuple[str, str]:
        # The update that follows goes on long enough to be looked at, whatever else this machine does.
        aws.tell_endpoint(account.world()["endpoint"], None, seconds=1)
        return make_alarms(account)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "_alarms", then_take_time)
        return cli.main(["verify-aws", "--yes", "--keep"])


@pytest.fixture(scope="module")
def account(aws: EmbeddedAws, asked: int) -> Account:
    """The account after the run, with what the run had set up."""
    del asked
    return Account(boto3.Session(), State.at(_state_file(aws), run="none", today="2026-01-01"), Terminal())


def test_every_question_has_a_case_of_the_other_behaviour() -> None:
    assert {name for name, _, _ in OTHERWISE} == set(BY_NAME)


def test_the_embedded_aws_answers_every_question_as_the_project_builds_on_it(aws: EmbeddedAws, asked: int) -> None:
    kept = json.loads(_state_file(aws).read_text())

    assert {name: answer["saw"] for name, answer in kept["answers"].items() if not answer["holds"]} == {}
    assert (asked, set(kept["answers"])) == (0, set(BY_NAME))
    assert aws.faults_left() == []


@pytest.mark.parametrize(
    ("name", "otherwise", "switch"), OTHERWISE, ids=[f"{name}: {how}" for name, how, _ in OTHERWISE]
)
def test_a_check_notices_the_other_behaviour(
    aws: EmbeddedAws, account: Account, name: str, otherwise: str, switch: Otherwise
) -> None:
    switch_back = switch(aws, account)
    try:
        answer = BY_NAME[name].look(account)
    finally:
        aws.forget_faults()
        if switch_back:
            switch_back()

    assert not answer.holds, f"{otherwise}: {answer.saw}"


def test_who_was_stopped_with_the_config_deleted_makes_it_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(BaseException):
        pass

    def stopped(*_: Any) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(SageMakerChanges, "create_endpoint_config", stopped)
        with pytest.raises(StoppedError):
            BY_NAME["config-deleted-while-it-serves"].look(account)
    answer = BY_NAME["config-deleted-while-it-serves"].look(account)
    assert answer.holds, answer.saw
    assert "made again under its name: TAKEN" in answer.saw


def test_who_was_stopped_during_an_update_waits_for_its_end(aws: EmbeddedAws, account: Account) -> None:
    endpoint = account.world()["endpoint"]
    account.in_service(endpoint)
    account.state.seen.pop("promotion", None)
    described = aws.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    aws.tell_endpoint(endpoint, None, seconds=1)
    aws.client("sagemaker").update_endpoint(
        EndpointName=endpoint, EndpointConfigName=described["EndpointConfigName"], RetainAllVariantProperties=True
    )
    answer = BY_NAME["second-promotion"].look(account)
    assert answer.holds, answer.saw


def test_a_run_that_goes_on_asks_nothing_again_and_deletes_all_it_made(
    aws: EmbeddedAws, asked: int, capsys: pytest.CaptureFixture[str]
) -> None:
    del asked

    status = cli.main(["verify-aws", "--yes", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert (status, told["unasked"]) == (0, {})
    assert [each.split()[0] for each in told["left"]] == ["key"]
    assert not _state_file(aws).exists()
    assert remains(aws) == []


def remains(aws: EmbeddedAws) -> list[str]:
    """Names of what there is in the account that costs, or is in the way."""
    sagemaker, events = aws.client("sagemaker"), aws.client("events")
    lists = [
        [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]],
        [each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]],
        [each["ModelName"] for each in sagemaker.list_models()["Models"]],
        [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]],
        [each["FunctionName"] for each in aws.client("lambda").list_functions()["Functions"]],
        [each["name"] for each in aws.client("stepfunctions").list_state_machines()["stateMachines"]],
        [each["Name"] for each in events.list_rules()["Rules"]],
        [each["RoleName"] for each in aws.client("iam").list_roles()["Roles"]],
        [each["AlarmName"] for each in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        [each["logGroupName"] for each in aws.client("logs").describe_log_groups()["logGroups"]],
        [each["TopicArn"] for each in aws.client("sns").list_topics()["Topics"]],
        aws.client("sqs").list_queues().get("QueueUrls", []),
        aws.client("dynamodb").list_tables()["TableNames"],
    ]
    return [name for names in lists for name in names if "verify-aws" in name]


def test_without_a_yes_nothing_is_made_and_the_cost_was_said(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del aws
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(Terminal, "ask", lambda *_: "no")
    asked: list[str] = []
    monkeypatch.setattr(verify_aws, "QUESTIONS", (_question("one", lambda _: asked.append("one")),))

    assert cli.main(["verify-aws"]) == 1

    printed = capsys.readouterr().out
    assert f"At most {total():.2f} USD and 2 hours" in printed
    assert asked == []


def leave_a_queue(account: Account) -> None:
    account.queue("left")


def test_what_could_not_be_deleted_is_named_and_deleted_by_the_next_run(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_aws, "QUESTIONS", (_question("one", leave_a_queue),))
    aws.fail_next("sqs", "DeleteQueue", code="AccessDenied", status=403)

    assert cli.main(["verify-aws", "--yes"]) == 1

    assert "stays: queue verify-aws-" in capsys.readouterr().out
    assert remains(aws) != []
    assert cli.main(["verify-aws", "--yes"]) == 0
    assert remains(aws) == []
    assert not _state_file(aws).exists()


def test_after_the_longest_time_nothing_more_is_asked(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(verify_aws, "LONGEST_HOURS", -1)
    monkeypatch.setattr(verify_aws, "QUESTIONS", (_question("one", lambda _: asked.append("one")),))

    assert cli.main(["verify-aws", "--yes"]) == 1

    assert "hours are over" in capsys.readouterr().out
    assert asked == []
    _state_file(aws).unlink()


def test_an_interrupted_run_deletes_what_it_made_keeps_its_answers_and_goes_on(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def one(account: Account) -> None:
        asked.append("one")
        account.queue("left")

    def two(_: Account) -> None:
        asked.append("two")
        if len(asked) == 2:
            raise KeyboardInterrupt

    def three(_: Account) -> None:
        asked.append("three")
        if "again" not in asked:
            raise KeyError("AWS is tired.")

    monkeypatch.setattr(
        verify_aws, "QUESTIONS", (_question("one", one), _question("two", two), _question("three", three))
    )

    assert cli.main(["verify-aws", "--yes"]) == 1
    assert json.loads(_state_file(aws).read_text())["made"] == []
    assert remains(aws) == []
    assert cli.main(["verify-aws", "--yes"]) == 1
    assert "AWS is tired." in capsys.readouterr().out
    asked.append("again")
    assert cli.main(["verify-aws", "--yes"]) == 0
    assert asked == ["one", "two", "two", "three", "again", "three"]
    assert not _state_file(aws).exists()


def _question(name: str, act: Callable[[Account], None]) -> Question:
    def look(account: Account) -> Answer:
        act(account)
        return Answer(True, "It did.")

    return Question(name, "Does it?", "https://docs.aws.amazon.com/x.html", "all", "everything", look)
