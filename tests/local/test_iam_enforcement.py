"""Roles count: what a session, a function, a machine or a rule may not do is refused, with AWS's sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.embedded_aws import wait_until
from ops.project import ROOT
from ops.resolved_template import ACCOUNT, Template
from tests.local.conftest import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.conftest import Account

PEOPLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}],
}
SESSION = "arn:aws:sts::000000000000:assumed-role"
DATA = "arn:aws:s3:::data"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/items"
MODEL = "arn:aws:sagemaker:us-east-1:000000000000:model/m"
PASS = {"Type": "Pass", "End": True}
CALLS_S3 = """
import boto3
def handler(event, context):
    try:
        boto3.client("s3").put_object(Bucket="data", Key=event["key"], Body=b"x")
    except Exception as error:
        return str(error)
    return "done"
"""


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def session(account: Account, service: str, *statements: dict[str, Any]) -> Any:
    """A client signed in to a role with these statements."""
    role = account.role("person", document(*statements), PEOPLE)
    given = account.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="mary")["Credentials"]
    return boto3.session.Session().client(
        service,  # type: ignore[call-overload] # the name is only known at run time
        endpoint_url=account.aws.endpoint_url,
        region_name=account.aws.region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error, meta = refused.value.response["Error"], refused.value.response["ResponseMetadata"]
    return error["Code"], meta["HTTPStatusCode"], error["Message"]


def sentence(action: str, resource: str, who: str = "person/mary") -> str:
    return (
        f"User: {SESSION}/{who} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


class TestSessions:
    def test_what_nothing_allows_is_refused(self, account: Account) -> None:
        s3 = session(account, "s3", allow("s3:PutObject", f"{DATA}/mine/*"))

        s3.put_object(Bucket="data", Key="mine/a", Body=b"x")

        assert refusal(lambda: s3.put_object(Bucket="data", Key="yours/a", Body=b"x")) == (
            "AccessDenied",
            403,
            sentence("s3:PutObject", f'"{DATA}/yours/a"'),
        )
        account.s3.put_object(Bucket="data", Key="yours/a", Body=b"the administrator asks nobody")

    def test_a_missing_object_is_told_to_those_who_may_list_the_bucket(self, account: Account) -> None:
        reads = allow("s3:GetObject", f"{DATA}/*")
        blind = session(account, "s3", reads)
        assert refusal(lambda: blind.get_object(Bucket="data", Key="none")) == (
            "AccessDenied",
            403,
            sentence("s3:ListBucket", f'"{DATA}"'),
        )
        assert refusal(lambda: blind.head_object(Bucket="data", Key="none"))[:2] == ("403", 403)

        sees = session(account, "s3", reads, allow("s3:ListBucket", DATA))
        assert refusal(lambda: sees.get_object(Bucket="data", Key="none"))[:2] == ("NoSuchKey", 404)

    def test_a_bucket_policy_denies_what_a_role_allows_but_to_the_role_it_names(self, account: Account) -> None:
        s3 = session(account, "s3", allow("s3:*"))
        for role, expected in (("person", None), ("other", "AccessDenied")):
            only = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::000000000000:role/{role}"}}
            statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{DATA}/*"}
            account.s3.put_bucket_policy(Bucket="data", Policy=json.dumps(document({**statement, "Condition": only})))
            if expected is None:
                s3.put_object(Bucket="data", Key="a", Body=b"x")
                continue
            code, _, message = refusal(lambda: s3.put_object(Bucket="data", Key="a", Body=b"x"))
            assert code == expected
            assert message.endswith("with an explicit deny in a resource-based policy")

    def test_a_record_is_written_once_where_the_bucket_asks_for_it(self, account: Account) -> None:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{DATA}/*"}
        once = {**deny, "Condition": {"Null": {"s3:if-none-match": "true"}}}
        account.s3.put_bucket_policy(Bucket="data", Policy=json.dumps(document(once)))
        s3 = session(account, "s3", allow("s3:*"))

        s3.put_object(Bucket="data", Key="a", Body=b"x", IfNoneMatch="*")

        assert refusal(lambda: s3.put_object(Bucket="data", Key="b", Body=b"x"))[0] == "AccessDenied"

    def test_each_item_of_a_transaction_is_authorised_by_its_partition(self, account: Account) -> None:
        account.aws.client("dynamodb").create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        runs = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["RUN#*"]}}
        dynamodb = session(account, "dynamodb", allow(["dynamodb:PutItem", "dynamodb:Query"], TABLE, Condition=runs))

        def put(*keys: str) -> Any:
            items = [{"Put": {"TableName": "items", "Item": {"pk": {"S": key}}}} for key in keys]
            return dynamodb.transact_write_items(TransactItems=items)

        put("RUN#1", "RUN#2")
        code, _, message = refusal(lambda: put("RUN#3", "CONTROLS"))
        assert (code, message) == ("AccessDeniedException", sentence("dynamodb:PutItem", TABLE))
        query = {"TableName": "items", "KeyConditionExpression": "pk = :key"}
        assert dynamodb.query(**query, ExpressionAttributeValues={":key": {"S": "RUN#1"}})["Count"] == 1
        assert refusal(lambda: dynamodb.query(**query, ExpressionAttributeValues={":key": {"S": "CONTROLS"}}))

    def test_a_model_takes_its_role_and_its_tags_with_permission_only(self, account: Account) -> None:
        role = account.role("runs-models", document(allow("s3:*")))
        account.s3.put_object(Bucket="data", Key="model.tar.gz", Body=b"x")
        request = {
            "ModelName": "m",
            "PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://data/model.tar.gz"},
            "ExecutionRoleArn": role,
            "Tags": [{"Key": "team", "Value": "fraud"}],
        }
        to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        statements = [
            allow("sagemaker:CreateModel", MODEL),
            allow("sagemaker:AddTags", MODEL, Condition={"StringEquals": {"aws:RequestTag/team": "fraud"}}),
            allow("iam:PassRole", role, Condition=to_sagemaker),
        ]
        for missing, (action, resource) in enumerate(
            [("sagemaker:CreateModel", MODEL), ("sagemaker:AddTags", MODEL), ("iam:PassRole", role)]
        ):
            rest = [statement for number, statement in enumerate(statements) if number != missing]
            sagemaker = session(account, "sagemaker", *rest)
            code, _, message = refusal(lambda client=sagemaker: client.create_model(**request))  # type: ignore[misc]
            assert (code, message) == ("AccessDeniedException", sentence(action, resource))

        session(account, "sagemaker", *statements).create_model(**request)

    def test_a_condition_on_a_tag_of_a_resource_looks_at_the_resource(self, account: Account) -> None:
        schedules = {"Null": {"aws:ResourceTag/retraining:model": "false"}}
        sagemaker = session(
            account, "sagemaker", allow("sagemaker:DescribeModelPackageGroup", "*", Condition=schedules)
        )
        admin = account.aws.client("sagemaker")
        for name, tags in (("tagged", [{"Key": "retraining:model", "Value": "m"}]), ("plain", [])):
            admin.create_model_package_group(ModelPackageGroupName=name, Tags=tags)

        sagemaker.describe_model_package_group(ModelPackageGroupName="tagged")

        assert refusal(lambda: sagemaker.describe_model_package_group(ModelPackageGroupName="plain"))[0] == (
            "AccessDeniedException"
        )

    def test_a_machine_is_started_by_its_tag(self, account: Account) -> None:
        tagged, plain = account.machine("tagged", {"A": PASS}), account.machine("plain", {"A": PASS})
        account.states.tag_resource(resourceArn=tagged, tags=[{"key": "retraining:model", "value": "m"}])
        of_a_model = {"StringEquals": {"aws:ResourceTag/retraining:model": "m"}}
        states = session(account, "stepfunctions", allow("states:StartExecution", "*", Condition=of_a_model))

        states.start_execution(stateMachineArn=tagged)

        assert refusal(lambda: states.start_execution(stateMachineArn=plain))[2] == (
            sentence("states:StartExecution", plain)
        )

    def test_a_call_that_nobody_can_map_is_refused(self, account: Account) -> None:
        s3 = session(account, "s3", allow("*"))

        code, _, message = refusal(lambda: s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "a"}]}))

        assert (code, "s3:DeleteObjects" in message) == ("AccessDenied", True)

    def test_a_session_with_another_secret_is_nobody(self, account: Account) -> None:
        s3 = session(account, "s3", allow("*"))
        s3._request_signer._credentials.secret_key = "another"

        assert refusal(lambda: s3.list_objects_v2(Bucket="data"))[0] == "SignatureDoesNotMatch"


def test_a_function_has_its_own_role_and_no_more(account: Account) -> None:
    account.function("writes", CALLS_S3)
    account.role("service-role", document(allow("s3:PutObject", f"{DATA}/mine/*")))
    functions = account.aws.client("lambda")

    def put(key: str) -> str:
        answer = functions.invoke(FunctionName="writes", Payload=json.dumps({"key": key}).encode())
        return str(json.loads(answer["Payload"].read()))

    assert put("mine/a") == "done"
    assert sentence("s3:PutObject", f'"{DATA}/yours"', "service-role/writes") in put("yours")


class TestMachines:
    INVOKE: ClassVar[dict[str, Any]] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "answers", "Payload": {}},
        "End": True,
    }

    def test_a_machine_invokes_what_its_role_may_invoke(self, account: Account) -> None:
        arn = account.function("answers", "def handler(event, context):\n    return 1\n")
        account.role("service-role", document(allow("lambda:InvokeFunction", f"{arn}-2")))

        ended = account.run("machine", {"Ask": self.INVOKE})

        assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AWSLambdaException")
        assert f"is not authorized to perform: lambda:InvokeFunction on resource: {arn} because" in ended["cause"]
        account.role("service-role", document(allow("lambda:InvokeFunction", arn)))
        assert account.run("machine-2", {"Ask": self.INVOKE})["status"] == "SUCCEEDED"

    def test_a_machine_runs_under_a_role_that_trusts_step_functions(self, account: Account) -> None:
        account.function("answers", "def handler(event, context):\n    return 1\n")
        account.aws.client("iam").update_assume_role_policy(RoleName="service-role", PolicyDocument=json.dumps(PEOPLE))

        ended = account.run("machine", {"Ask": self.INVOKE})

        assert (ended["status"], "authorized to assume the provided role" in ended["cause"]) == ("FAILED", True)

    @pytest.mark.parametrize(
        "missing", ["states:StartExecution", "states:StopExecution", "states:DescribeExecution", "events:PutRule"]
    )
    def test_one_that_awaits_another_needs_to_follow_it(self, account: Account, missing: str) -> None:
        child = account.machine("child", {"A": PASS})
        account.role("service-role", document(allow("*"), {"Effect": "Deny", "Action": missing, "Resource": "*"}))
        task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True}

        ended = account.run("parent", {"A": {**task, "Arguments": {"StateMachineArn": child, "Input": {}}}})

        assert ended["status"] == "FAILED"
        assert f"is not authorized to perform: {missing} on resource:" in ended["cause"]
        assert account.states.list_executions(stateMachineArn=child)["executions"] == []

    @pytest.mark.parametrize(
        "missing",
        [None, "sagemaker:CreateTrainingJob", "iam:PassRole", "sagemaker:StopTrainingJob", "events:PutTargets"],
    )
    def test_the_examples_pipeline_trains_with_the_policy_it_has(self, account: Account, missing: str | None) -> None:
        example = Template.read(ROOT / "examples" / "creditcard" / "training-pipeline.yaml").resolve()
        (policy,) = json.loads(
            json.dumps(example.policies("TrainingPipelineRole")).replace(ACCOUNT, account.aws.account)
        )
        if missing:
            policy["Statement"].append({"Effect": "Deny", "Action": missing, "Resource": "*"})
        account.role("service-role", document(*policy["Statement"]))
        job_role = account.role(example.name("TrainingJobRole"), EVERYTHING)
        request = account.training_request("retraining-1", "print('trained')", RoleArn=job_role)
        task = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "End": True}

        ended = account.run("machine", {"Train": {**task, "Arguments": request}})

        assert ended["status"] == ("FAILED" if missing else "SUCCEEDED"), ended.get("cause")
        assert missing is None or f"is not authorized to perform: {missing} on resource:" in ended["cause"]
        assert missing is None or ended["error"] == "SageMaker.AmazonSageMakerException"

    def test_an_aws_sdk_call_is_authorised_too(self, account: Account) -> None:
        account.role("service-role", document(allow("s3:ListBucket")))
        task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "End": True}

        ended = account.run("machine", {"A": {**task, "Arguments": {"Bucket": "data", "Key": "k", "Body": "x"}}})

        assert (ended["status"], ended["error"]) == ("FAILED", "S3.S3Exception")
        assert 'is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::data/k"' in ended["cause"]


class TestRules:
    RULE = "arn:aws:events:us-east-1:000000000000:rule/drift"

    def left(self, account: Account, **role: Any) -> dict[str, str]:
        """Send an event to a machine under a role; the attributes of the dead letter."""
        url, machine = account.queue("dead"), account.machine("machine", {"A": PASS})
        events = account.aws.client("events")
        events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))
        target = {"Id": "m", "Arn": machine, "RoleArn": account.role("rules", **role)}
        dead = {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead"}
        events.put_targets(Rule="drift", Targets=[{**target, "DeadLetterConfig": dead}])
        events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "d", "Detail": "{}"}])

        def found() -> Any:
            letters = account.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
            return letters or account.states.list_executions(stateMachineArn=machine)["executions"]

        (first,) = wait_until(found)
        return {name: value["StringValue"] for name, value in first.get("MessageAttributes", {}).items()}

    def test_a_rule_starts_a_machine_with_the_permission_of_its_role(self, account: Account) -> None:
        assert self.left(account, policy=document(allow("states:StartExecution"))) == {}

    def test_a_rule_without_it_leaves_a_dead_letter(self, account: Account) -> None:
        letter = self.left(account, policy=document(allow("states:StopExecution")))

        machine = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"
        assert letter["ERROR_CODE"] == "NO_PERMISSIONS"
        assert letter["ERROR_MESSAGE"] == sentence("states:StartExecution", machine, "rules/events")

    @pytest.mark.parametrize(("rule", "trusted"), [(RULE, True), (f"{RULE}-2", False)])
    def test_a_role_is_assumed_for_the_rules_it_trusts(self, account: Account, rule: str, trusted: bool) -> None:
        service = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = document({**service, "Condition": {"ArnLike": {"aws:SourceArn": rule}}})

        letter = self.left(account, policy=EVERYTHING, trust=trust)

        assert (letter == {}) is trusted

    def test_a_queue_takes_from_the_rules_its_policy_names(self, account: Account) -> None:
        url = account.sqs.create_queue(QueueName="told")["QueueUrl"]
        events = account.aws.client("events")
        rule = events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))["RuleArn"]
        arn = "arn:aws:sqs:us-east-1:000000000000:told"
        events.put_targets(Rule="drift", Targets=[{"Id": "queue", "Arn": arn}])
        entry = {"Source": "mlops.drift", "DetailType": "d"}
        events.put_events(Entries=[{**entry, "Detail": '{"heard": false}'}])

        sends = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        only = {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
        account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document({**sends, **only}))})
        events.put_events(Entries=[{**entry, "Detail": '{"heard": true}'}])

        assert [event["detail"] for event in account.heard(url, 1)] == [{"heard": True}]


@pytest.mark.parametrize(("named", "heard"), [("drift", True), ("drift-2", False)])
def test_a_topic_takes_the_messages_of_the_alarms_its_policy_names(account: Account, named: str, heard: bool) -> None:
    sns, cloudwatch = account.aws.client("sns"), account.aws.client("cloudwatch")
    topic = sns.create_topic(Name="told")["TopicArn"]
    url = account.queue("told")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:told")
    source = {"aws:SourceArn": f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{named}"}
    publish = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"}
    policy = document({**publish, "Resource": topic, "Condition": {"ArnEquals": source}})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    metric = {"Namespace": "n", "MetricName": "m", "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1}
    compared = {"Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName="drift", AlarmActions=[topic], **metric, **compared)

    cloudwatch.set_alarm_state(AlarmName="drift", StateValue="ALARM", StateReason="told to")
    sns.publish(TopicArn=topic, Message="by the administrator")

    told = [message["Message"] for message in account.heard(url, 2 if heard else 1)]
    assert any("AlarmName" in message for message in told) is heard


def test_a_stack_with_roles_asks_for_the_capability(account: Account) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": PEOPLE}}
    body = json.dumps({"Resources": {"Role": role}})
    stacks = account.aws.client("cloudformation")

    assert refusal(lambda: stacks.create_stack(StackName="s", TemplateBody=body))[0] == (
        "InsufficientCapabilitiesException"
    )
    stacks.create_stack(StackName="s", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])


def test_a_simulation_of_a_role_is_decided_by_the_conditions_it_is_told_of(account: Account) -> None:
    """``make validate STACK=`` asks so whether the hand may pass a role."""
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    one, other = ("arn:aws:iam::000000000000:role/one", "arn:aws:iam::000000000000:role/other")
    role = account.role("hand", document(allow("iam:PassRole", one, Condition=to_sagemaker)), PEOPLE)

    def simulated(service: str | None) -> dict[str, str]:
        entries = [
            {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": [service], "ContextKeyType": "string"}
            for _ in range(service is not None)
        ]
        answer = account.aws.client("iam").simulate_principal_policy(
            PolicySourceArn=role, ActionNames=["iam:PassRole"], ResourceArns=[one, other], ContextEntries=entries
        )
        return {found["EvalResourceName"]: found["EvalDecision"] for found in answer["EvaluationResults"]}

    assert simulated("sagemaker.amazonaws.com") == {one: "allowed", other: "implicitDeny"}
    assert simulated("ec2.amazonaws.com") == {one: "implicitDeny", other: "implicitDeny"}
    assert simulated(None) == {one: "implicitDeny", other: "implicitDeny"}
