"""The stack's own life: made, changed, refused, deleted, brought back; each with the command behind its make target."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from local.embedded_aws import EmbeddedAws, wait_until
from ops import change_sets, cli, deploy, destination, import_resources, package, package_zip, smoke
from ops.change_sets import ChangeSet
from ops.package import Package
from ops.project import TEMPLATE
from ops.terminal import Terminal
from orchestration.domain.contracts import MODEL_TAG
from tests.stack.loop import teams_role

TABLE_KEY = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
}
KEPT_DATA = {
    "AutomationBucket",
    "HistoryTable",
    "OperationsTopic",
    "EscalationTopic",
    "SignalDeadLetterQueue",
    "OrchestrationFunctionLogGroup",
    "RetrainingStateMachineLogGroup",
    "ApprovalFunctionLogGroup",
    "OperatorFunctionLogGroup",
    "PromotionFunctionLogGroup",
}

BUS = "ml/drift"
SENDER = "999988887777"

PACKAGED: dict[bytes, tuple[str, Package]] = {}
"""Packages by their sources, with the server that holds their parts."""


class Desk:
    """Somebody at a terminal-less desk with sources of their own, signed in to the embedded AWS."""

    def __init__(self, embedded: EmbeddedAws, sources: Path) -> None:
        self.aws = embedded
        self.sources = sources
        self.shown: list[ChangeSet] = []

    def package(
        self,
        session: boto3.Session,
        terminal: Terminal,
        bucket: str = "",
        *,
        given: Mapping[str, str],
        without: frozenset[str],
    ) -> Package:
        """Package the desk's sources; unchanged ones, once for all tests, since each start of the AWS CLI costs a second."""
        region = str(session.region_name)
        content = region.encode() + b"".join(
            path.read_bytes() for path in sorted(self.sources.rglob("*")) if path.is_file()
        )
        packaged = PACKAGED.get(content)
        if packaged is None or packaged[0] != self.aws.endpoint_url:
            made = package.package(
                session,
                terminal,
                bucket,
                given=given,
                without=without,
                template=self.sources / TEMPLATE.name,
                packaged=self.sources.parent / "packaged.yaml",
            )
            packaged = PACKAGED[content] = (self.aws.endpoint_url, made)
        return packaged[1]

    def deploy(self, stack: str, *arguments: str) -> int:
        self.shown.clear()
        return cli.main(["deploy", "--stack", stack, *arguments])

    def surely_changed(self) -> dict[str, set[str]]:
        """Resources of the last change set by logical id, with the properties that change whatever else does."""
        return {
            change["LogicalResourceId"]: {
                detail["Target"]["Name"]
                for detail in change["Details"]
                if detail["Evaluation"] == "Static" and detail["Target"].get("Name")
            }
            for change in self.shown[-1].changes
            if any(detail["Evaluation"] == "Static" for detail in change["Details"])
        }

    def replaced(self) -> list[str]:
        return [change["LogicalResourceId"] for change in self.shown[-1].changes if change.get("Replacement") == "True"]

    def names(self, stack: str) -> dict[str, str]:
        """Physical ids by logical id."""
        found = self.aws.client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def outputs(self, stack: str) -> dict[str, str]:
        found = self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}

    def status(self, stack: str) -> str:
        return str(self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    """An embedded AWS of its own: the stacks that stay in it would hear the events of every story after these."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        yield embedded


@pytest.fixture
def desk(aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose sources are copies, so that a test may change them."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("RETRAINING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "20000")  # no sentence is broken
    monkeypatch.setattr(destination, "REMEMBERED", tmp_path / "deployed.json")
    sources = tmp_path / "sources"
    (sources / "build").mkdir(parents=True)
    for name in (TEMPLATE.name, "statemachine.asl.json"):
        shutil.copy(TEMPLATE.parent / name, sources / name)
    shutil.copy(package_zip.build(), sources / "build" / "orchestration.zip")
    made = Desk(aws, sources)
    monkeypatch.setattr(deploy, "package", made.package)
    monkeypatch.setattr(import_resources, "package", made.package)
    show = change_sets.show

    def remember(terminal: Terminal, change_set: ChangeSet) -> None:
        made.shown.append(change_set)
        show(terminal, change_set)

    monkeypatch.setattr(change_sets, "show", remember)
    return made


@pytest.fixture
def stack(desk: Desk) -> str:
    """A stack on a bus of its own, which one other account may use; the same one for every test."""
    if not getattr(desk.aws, "delivery_stack", None):
        desk.aws.client("events").create_event_bus(Name=BUS)
        assert desk.deploy("delivery", "--yes", "--params", f"EventBusName={BUS} SenderAccounts={SENDER}") == 0
        desk.aws.delivery_stack = "delivery"  # type: ignore[attr-defined] # kept as long as the server that has it
    return "delivery"


def test_an_empty_form_deploys_and_again_there_is_nothing_to_change(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.deploy("fresh", "--yes") == 0
    assert {change["Action"] for change in desk.shown[0].changes} == {"Add"}
    assert desk.status("fresh") == "CREATE_COMPLETE"
    capsys.readouterr()

    assert desk.deploy("fresh", "--yes") == 0

    assert desk.shown == []
    assert "Nothing to change" in capsys.readouterr().out


def test_unchanged_sources_upload_nothing_and_give_the_same_template(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session, terminal = boto3.Session(), Terminal()
    bucket = f"artifacts-{uuid.uuid4().hex}"
    desk.aws.client("s3").create_bucket(Bucket=bucket)
    template = desk.sources / TEMPLATE.name
    first = package.package(session, terminal, bucket, template=template, packaged=tmp_path / "first.yaml")
    assert capsys.readouterr().out.count("uploaded s3://") == 4

    again = package.package(session, terminal, bucket, template=template, packaged=tmp_path / "again.yaml")

    assert "nothing to upload" in capsys.readouterr().out
    assert (again.key, again.template.read_bytes()) == (first.key, first.template.read_bytes())


def test_a_bucket_that_is_not_there_is_not_guessed_at(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["package", "--bucket", "no-such-bucket"]) == 2

    assert "aws s3 mb s3://no-such-bucket" in capsys.readouterr().err
    assert "no-such-bucket" not in {each["Name"] for each in desk.aws.client("s3").list_buckets()["Buckets"]}


def test_a_region_without_function_urls_gets_a_stack_without_a_page_and_says_so(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.deploy("west", "--region", "ca-west-1", "--yes") == 0

    assert "ca-west-1 has no AWS::Lambda::Url. No approval page" in capsys.readouterr().out
    cloudformation = boto3.client("cloudformation", region_name="ca-west-1")
    (made,) = cloudformation.describe_stacks(StackName="west")["Stacks"]
    parameters = {each["ParameterKey"] for each in made["Parameters"]}
    outputs = {each["OutputKey"] for each in made["Outputs"]}
    template = cloudformation.get_template(StackName="west")["TemplateBody"]
    assert not {"ApprovalAccess", "ApprovalConcurrency"} & parameters
    assert {"ApprovalFunctionName", "VoteFunctionName"} <= outputs
    assert "ApprovalUrl" not in outputs
    assert "AWS::Lambda::Url" not in str(template)


def test_a_stack_name_that_is_too_long_is_refused_before_anything_is_built(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-team-whose-name-says-what-it-is-for-and-who-it-is"

    assert desk.deploy(name, "--yes") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"Stack name {name} has {len(name)} characters; 47 fit" in said.err


def test_a_parameter_changes_what_it_names_and_the_others_keep_their_values(desk: Desk, stack: str) -> None:
    before = desk.names(stack)
    assert desk.deploy(stack, "--yes", "--params", "CooldownHours=12") == 0

    assert desk.deploy(stack, "--yes", "--params", "ScheduleExpression=cron(30 4 ? * MON *) SweepMinutes=7") == 0

    assert desk.surely_changed() == {"ScheduleRule": {"ScheduleExpression"}, "SweepRule": {"ScheduleExpression"}}
    assert desk.replaced() == []
    assert desk.names(stack) == before
    described = change_sets.described(desk.aws.client("cloudformation"), stack)
    assert described is not None
    values = {entry["ParameterKey"]: entry["ParameterValue"] for entry in described["Parameters"]}
    assert (values["CooldownHours"], values["SweepMinutes"]) == ("12", "7")
    assert values["ScheduleExpression"] == "cron(30 4 ? * MON *)"


def test_new_code_changes_the_functions_and_a_new_workflow_the_machine_alone(desk: Desk, stack: str) -> None:
    before = desk.names(stack)
    with zipfile.ZipFile(desk.sources / "build" / "orchestration.zip", "a") as archive:
        archive.writestr("orchestration/release.txt", uuid.uuid4().hex)
    assert desk.deploy(stack, "--yes") == 0
    changed = desk.surely_changed()
    assert "OrchestrationFunction" in changed
    assert set().union(*changed.values()) == {"Code"}
    assert desk.replaced() == []

    definition = desk.sources / "statemachine.asl.json"
    document = json.loads(definition.read_text())
    definition.write_text(json.dumps({**document, "Comment": f"{document['Comment']} {uuid.uuid4().hex}"}))
    assert desk.deploy(stack, "--yes") == 0

    assert desk.surely_changed() == {"RetrainingStateMachine": {"DefinitionS3Location"}}
    assert desk.replaced() == []
    assert desk.names(stack) == before


def test_a_failed_update_is_rolled_back_and_says_what_failed_first(
    desk: Desk, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.names(stack)

    # Passes the form's pattern; EventBridge alone knows that one of the two days must be a question mark.
    assert desk.deploy(stack, "--yes", "--params", "ScheduleExpression=cron(0 3 * * MON *)") == 1

    said = capsys.readouterr().out
    assert "ScheduleRule (AWS::Events::Rule) failed first: " in said
    assert "runs as before" in said
    assert desk.status(stack) == "UPDATE_ROLLBACK_COMPLETE"
    assert desk.names(stack) == before
    assert cli.main(["smoke", "--stack", stack]) == 0


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ("Moed=shadow", 2, "Did you mean Mode?"),
        ("Mode=loud", 2, "it takes active, shadow"),
        ("ScheduleExpression=cron(at night)", 2, "cron() with six fields"),
        ("Mode=shadow then", 2, "it takes active, shadow"),
        ("SlackChannelId=C0123", 1, "SlackChannelId needs SlackWorkspaceId"),
        ("ApprovalAccess=LINK", 1, "Say who gets them"),
    ],
)
def test_a_bad_parameter_is_refused_before_anything_is_made(
    desk: Desk, capsys: pytest.CaptureFixture[str], parameters: str, status: int, said: str
) -> None:
    # What one parameter may be stands in the template; what several may be together, CloudFormation judges by its rules.
    assert desk.deploy("never", "--yes", "--params", parameters) == status

    assert said in capsys.readouterr().err
    assert change_sets.described(desk.aws.client("cloudformation"), "never") is None


def test_without_a_terminal_and_without_yes_nothing_is_changed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.deploy("asked") == 2

    assert "Add --yes" in capsys.readouterr().err
    # The empty stack that held the change set is deleted, which takes a moment.
    wait_until(lambda: change_sets.described(desk.aws.client("cloudformation"), "asked") is None)


@pytest.mark.threat("wrong-account")
def test_another_account_than_the_named_one_gets_no_stack_and_no_bucket(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.aws.client("s3").list_buckets()["Buckets"]

    assert desk.deploy("elsewhere", "--yes", "--account", "999999999999") == 1

    assert "Sign in to 999999999999" in capsys.readouterr().err
    assert change_sets.described(desk.aws.client("cloudformation"), "elsewhere") is None
    assert desk.aws.client("s3").list_buckets()["Buckets"] == before


def test_a_failed_creation_leaves_nothing_in_the_way_of_the_next(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    template = desk.sources / TEMPLATE.name
    good = template.read_text()
    template.write_text(good.replace("RoleName: !Ref RetrainingStateMachineRole", "RoleName: nobody"))
    assert desk.deploy("second-try", "--yes") == 1
    said = capsys.readouterr().out
    assert re.search(r"RetrainingStateMachinePolicy \(AWS::IAM::\w+\) failed first: ", said)
    assert "nothing of second-try is left but its name" in said
    template.write_text(good)

    assert desk.deploy("second-try", "--yes") == 0


def test_smoke_reports_every_hop_and_leaves_only_its_records(
    desk: Desk, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, sqs = desk.aws.client("s3"), desk.aws.client("sqs")
    assert cli.main(["smoke", "--stack", stack]) == 0

    said = capsys.readouterr().out
    for hop in ("rule", "execution", "decision", "evidence", "notification"):
        assert f"\nok  {hop} " in said, hop
    found = desk.outputs(stack)
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=found["AutomationBucketName"]).get("Contents", [])]
    left = ("decisions/smoke-test/", "evidence/smoke-test/_controls/", "evidence/_anchors/")
    assert all(key.startswith(left) for key in keys), keys
    assert not any("smoke" in url for url in sqs.list_queues().get("QueueUrls", []))
    subscriptions = desk.aws.client("sns").list_subscriptions_by_topic(TopicArn=found["OperationsTopicArn"])
    assert subscriptions["Subscriptions"] == []
    state = desk.aws.client("dynamodb").scan(TableName=found["HistoryTableName"])["Items"]
    assert [item for item in state if item["pk"]["S"] == "CONTROLS"] == []


@pytest.mark.threat("foreign-account-event")
def test_only_a_named_sender_of_another_account_is_heard_on_the_stacks_own_bus(desk: Desk, stack: str) -> None:
    events, states = desk.aws.client("events"), desk.aws.client("stepfunctions")
    events.put_permission(StatementId="anybody", Action="events:PutEvents", Principal="*", EventBusName=BUS)
    bus = f"arn:aws:events:{desk.aws.region}:{desk.aws.account}:event-bus/{BUS}"
    entry = {"Source": "mlops.drift", "DetailType": "Drift Detected", "EventBusName": bus}
    key = uuid.uuid4().hex
    for account in ("999988887778", SENDER):
        answer = desk.aws.client("events", account=account).put_events(
            Entries=[{**entry, "Detail": f'{{"x": "{key}"}}'}]
        )
        assert answer["FailedEntryCount"] == 0
    events.put_events(Entries=[{**entry, "EventBusName": "default", "Detail": f'{{"x": "{key}"}}'}])

    def heard() -> list[str]:
        listed = states.list_executions(stateMachineArn=desk.outputs(stack)["StateMachineArn"])["executions"]
        inputs = [states.describe_execution(executionArn=each["executionArn"])["input"] for each in listed]
        return [json.loads(text)["account"] for text in inputs if key in text]

    assert wait_until(heard) == [SENDER]


def test_smoke_says_which_hop_did_not_happen_and_cleans_up(
    desk: Desk, stack: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smoke, "PATIENCE_SECONDS", 0.5)
    rule = desk.names(stack)["DriftReportRule"]
    events = desk.aws.client("events")
    events.disable_rule(Name=rule, EventBusName=BUS)
    try:
        assert cli.main(["smoke", "--stack", stack]) == 1
    finally:
        events.enable_rule(Name=rule, EventBusName=BUS)

    assert "NOT OK rule" in capsys.readouterr().out
    assert not any("smoke" in url for url in desk.aws.client("sqs").list_queues().get("QueueUrls", []))


@pytest.mark.threat("stack-deleted")
def test_destroy_refuses_during_a_run_keeps_the_data_and_import_brings_it_back(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.deploy("goner", "--yes") == 0
    found, before = desk.outputs("goner"), desk.names("goner")
    arn = _run_that_waits(desk, found)
    capsys.readouterr()

    assert cli.main(["destroy", "--stack", "goner", "--yes"]) == 1
    assert arn in capsys.readouterr().out
    assert desk.status("goner") == "CREATE_COMPLETE"

    assert cli.main(["destroy", "--stack", "goner", "--yes", "--force"]) == 0
    said = capsys.readouterr().out
    assert change_sets.described(desk.aws.client("cloudformation"), "goner") is None
    assert {
        line.split()[0]
        for line in said.split("are retained:")[1].split("Under a stack again")[0].splitlines()
        if line.startswith("  ")
    } == KEPT_DATA
    assert "was not recorded in time" not in said
    assert desk.aws.client("s3").get_object(Bucket=before["AutomationBucket"], Key="policies/m.json")
    assert desk.deploy("goner", "--yes") == 1
    assert "retraining import" in capsys.readouterr().err

    words = shlex.split(said.split("Under a stack again:")[1].replace("\\\n", " "))
    again = words[words.index("--resources") + 1]
    assert cli.main(["import", "--stack", "goner", "--yes", "--resources", again]) == 0

    after = desk.names("goner")
    assert {name: after[name] for name in KEPT_DATA} == {name: before[name] for name in KEPT_DATA}
    assert "finds no difference" in capsys.readouterr().out
    runs = desk.aws.client("dynamodb").scan(TableName=after["HistoryTable"])["Items"]
    assert any(item["pk"]["S"] == f"RUN#{arn.rsplit(':', 1)[-1]}" for item in runs)
    assert cli.main(["smoke", "--stack", "goner"]) == 0
    capsys.readouterr()
    assert cli.main(["verify-audit", "--stack", "goner"]) == 0
    assert cli.main(["status", "--stack", "goner"]) in {0, 1}
    assert "smoke-test" not in capsys.readouterr().out
    assert desk.deploy("goner", "--yes") == 0
    assert desk.shown == []


def _run_that_waits(desk: Desk, found: dict[str, str]) -> str:
    """Start a run that waits for an approval, and give its execution."""
    target = desk.aws.client("stepfunctions").create_state_machine(
        name="m-training",
        definition=json.dumps({"StartAt": "Train", "States": {"Train": {"Type": "Pass", "End": True}}}),
        roleArn=teams_role(desk.aws, "m-training"),
        tags=[{"key": MODEL_TAG, "value": "m"}],
    )["stateMachineArn"]
    policy = {
        "schema_version": 1,
        "model": "m",
        "training": {"target": target},
        "approval": {"training": "always"},
    }
    desk.aws.client("s3").put_object(
        Bucket=found["AutomationBucketName"], Key="policies/m.json", Body=json.dumps(policy).encode()
    )
    event = {
        "id": uuid.uuid4().hex,
        "source": "mlops.drift",
        "detail-type": "Drift Detected",
        "detail": {"model": "m", "metric": "psi", "observed": 0.9, "threshold": 0.2},
    }
    arn = desk.aws.client("stepfunctions").start_execution(
        stateMachineArn=found["StateMachineArn"], input=json.dumps(event)
    )["executionArn"]
    waits = {
        "TableName": found["HistoryTableName"],
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": f"APPROVAL#{arn.rsplit(':', 1)[-1]}"}},
    }
    wait_until(lambda: desk.aws.client("dynamodb").query(**waits)["Items"])
    return str(arn)


def test_a_bucket_and_a_table_of_ones_own_come_under_a_new_stack_untouched(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, dynamodb = desk.aws.client("s3"), desk.aws.client("dynamodb")
    s3.create_bucket(Bucket="our-evidence")
    s3.put_bucket_versioning(Bucket="our-evidence", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="our-evidence", Key="decisions/old.json", Body=b"{}")
    dynamodb.create_table(TableName="our-history", BillingMode="PAY_PER_REQUEST", **TABLE_KEY)
    dynamodb.put_item(TableName="our-history", Item={"pk": {"S": "old"}, "sk": {"S": "row"}})
    s3.put_bucket_policy(Bucket="our-evidence", Policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    wanted = "AutomationBucket=our-evidence HistoryTable=our-history"
    assert cli.main(["import", "--stack", "adopted", "--yes", "--resources", wanted]) == 1
    assert "has a bucket policy" in capsys.readouterr().err
    s3.delete_bucket_policy(Bucket="our-evidence")

    assert cli.main(["import", "--stack", "adopted", "--yes", "--resources", wanted]) == 0

    said = capsys.readouterr().out
    assert {change["Action"] for change in desk.shown[0].changes} == {"Import"}
    assert {change["Action"] for change in desk.shown[1].changes} == {"Add"}
    assert desk.status("adopted") == "UPDATE_COMPLETE"
    names = desk.names("adopted")
    assert (names["AutomationBucket"], names["HistoryTable"]) == ("our-evidence", "our-history")
    assert s3.get_object(Bucket="our-evidence", Key="decisions/old.json")["Body"].read() == b"{}"
    assert dynamodb.scan(TableName="our-history")["Count"] == 1
    assert "/VersioningConfiguration/Status" in said
    assert "Suspended" in said


def test_a_bucket_is_added_to_a_stack_that_is_there_and_nothing_else_changes(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudformation = desk.aws.client("cloudformation")
    other = {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Url": {"Value": {"Ref": "Other"}}}}
    cloudformation.create_stack(StackName="there", TemplateBody=json.dumps(other))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="there", WaiterConfig={"Delay": 1})
    before = desk.names("there")
    desk.aws.client("s3").create_bucket(Bucket="added-evidence")

    assert cli.main(["import", "--stack", "there", "--yes", "--resources", "AutomationBucket=added-evidence"]) == 0

    assert desk.names("there") == {**before, "AutomationBucket": "added-evidence"}
    assert cli.main(["import", "--stack", "there", "--yes", "--resources", "AutomationBucket=added-evidence"]) == 1
    assert "already in the stack" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ("", "--resources names nothing"),
        ("AutomationBucket=", "--resources names nothing for AutomationBucket."),
        ("AutomationBucket", 'Example: --resources "AutomationBucket=my-evidence"'),
        ("AutomationBukket=b", "Did you mean AutomationBucket?"),
        ("DriftRule=r", "cannot be imported"),
        ("OperationsTopic=name", "must be the TopicArn"),
        ("RetrainingStateMachineLogGroup=/mine", "named /aws/vendedlogs/states/no-retraining"),
        ("AutomationBucket=nobodys-bucket", "refused before anything was changed"),
    ],
)
@pytest.mark.usefixtures("desk")
def test_an_import_that_cannot_be_says_why(capsys: pytest.CaptureFixture[str], resources: str, said: str) -> None:
    assert cli.main(["import", "--stack", "no", "--yes", "--resources", resources]) == (
        1 if "nobodys" in resources else 2
    )

    assert said in capsys.readouterr().err
