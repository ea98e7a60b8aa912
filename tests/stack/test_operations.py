"""What operators get beside the loop itself: alarms that page, a dashboard, policies for people, a stack locked down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.embedded_aws import EmbeddedAws, wait_until
from ops.project import TEMPLATE
from ops.stack_deployment import DeploymentError, deploy, package
from orchestration.stores.history_table import HistoryTable
from tests.stack.loop import Loop


def alarms(loop: Loop) -> list[dict[str, Any]]:
    """Alarms of the stack."""
    pages = loop.aws.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{loop.stack}-")
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


def test_every_alarm_pages_the_escalation_topic_and_names_its_runbook_section(loop: Loop) -> None:
    found = alarms(loop)

    assert len(found) >= 10
    for alarm in found:
        # Of the sweep's alarm what is missing is the news.
        pages = alarm["InsufficientDataActions" if "SweepNotRunning" in alarm["AlarmName"] else "AlarmActions"]
        assert pages == [loop.outputs["EscalationTopicArn"]], alarm["AlarmName"]
        assert ": docs/runbook.md#" in alarm["AlarmDescription"], alarm["AlarmName"]
        assert not alarm["AlarmName"].startswith("drift/"), "it would be a signal"


def test_a_dead_letter_pages_people(loop: Loop) -> None:
    queue = loop.outputs["DeadLetterQueueUrl"].rsplit("/", 1)[-1]
    name = next(alarm["AlarmName"] for alarm in alarms(loop) if "SignalDeadLetters" in alarm["AlarmName"])
    cloudwatch = loop.aws.client("cloudwatch")

    def state() -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])

    with loop.listening(loop.outputs["EscalationTopicArn"]) as heard:
        # SQS counts its own messages on AWS; here the count is put in its place.
        cloudwatch.put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateNumberOfMessagesVisible",
                    "Dimensions": [{"Name": "QueueName", "Value": queue}],
                    "Value": 1,
                }
            ],
        )
        loop.until(lambda: state() == "ALARM")
        # Alarms that other stories set off may page in the same moment.
        paged = next(count for count in range(1, 10) if "#dead-letters" in heard(count)[-1]["Message"])

    assert paged
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="read")


def test_the_functions_log_is_turned_into_metrics_of_this_stack(loop: Loop) -> None:
    filters = loop.aws.client("logs").describe_metric_filters()["metricFilters"]
    transformations = [entry for found in filters for entry in found["metricTransformations"]]

    assert {entry["metricNamespace"] for entry in transformations} >= {f"RetrainingLoop/{loop.stack}"}
    assert {entry["metricName"] for entry in transformations} >= {"SignalsDecided", "RunsEnded", "SweepRepairs"}


def test_the_dashboard_covers_the_week_and_shows_metrics_that_exist(loop: Loop) -> None:
    cloudwatch = loop.aws.client("cloudwatch")
    name = next(
        entry["DashboardName"]
        for entry in cloudwatch.list_dashboards()["DashboardEntries"]
        if entry["DashboardName"].startswith(loop.stack)
    )
    body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    dashboard = json.loads(body)
    filters = loop.aws.client("logs").describe_metric_filters()["metricFilters"]
    own = {entry["metricName"] for found in filters for entry in found["metricTransformations"]}

    assert dashboard["start"] == "-P7D"
    assert {widget["type"] for widget in dashboard["widgets"]} == {"text", "metric"}
    assert "${" not in body
    shown = {metric for metric in own if metric in body}
    assert shown >= {"SignalsDecided", "RunsEnded", "RunSeconds", "SweepRepairs", "ApprovalsWaiting"}


def test_people_see_what_waits_but_not_its_token(loop: Loop) -> None:
    model = loop.model(approval={"training": "always"})
    arn = loop.start(loop.drift(model))
    table = HistoryTable(loop.aws.client("dynamodb"), loop.table)

    (wait,) = loop.until(lambda: [wait for wait in table.waits_without_tokens() if wait.model == model])

    assert wait.kind == "approval"
    assert wait.token is None
    assert wait.data["why"]
    loop.aws.client("stepfunctions").stop_execution(executionArn=arn)


@pytest.fixture(scope="module")
def packaged(aws: EmbeddedAws, loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged template; after the loop's, so that bucket and zip are there."""
    del loop
    return package(
        TEMPLATE, "artifacts", tmp_path_factory.mktemp("hard") / "packaged.yaml", environment=aws.environment
    )


def test_every_option_of_a_careful_team_deploys_together(aws: EmbeddedAws, packaged: Path) -> None:
    key = aws.client("kms").create_key(Description="the team's own")["KeyMetadata"]["Arn"]
    person = f"arn:aws:iam::{aws.account}:role/reviewer"
    job = f"arn:aws:iam::{aws.account}:role/training"

    outputs = deploy(
        packaged,
        "careful",
        {
            "KmsKeyArn": key,
            "EvidenceObjectLock": "GOVERNANCE",
            "ReviewerPrincipals": person,
            "AutomationPrincipals": f"{job},{job}-2",
            "SlackWorkspaceId": "T0123ABCD",
            "SlackChannelId": "C0123ABCD",
        },
        bucket="artifacts",
        environment=aws.environment,
    )

    s3, bucket = aws.client("s3"), outputs["AutomationBucketName"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    named = next(entry for entry in policy["Statement"] if entry["Sid"] == "NobodyElseTouchesObjects")
    assert {person, job, f"{job}-2"} < set(named["Condition"]["ArnNotLike"]["aws:PrincipalArn"])
    table = aws.client("dynamodb").describe_table(TableName=outputs["HistoryTableName"])["Table"]
    assert table["DeletionProtectionEnabled"] is True
    queue = aws.client("sqs").get_queue_attributes(QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=["All"])
    assert queue["Attributes"]["KmsMasterKeyId"] == key

    locks = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert locks == {"ObjectLockEnabled": "Enabled"}, "a default would lock the data of runs"
    odd = {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": "{}"}
    aws.client("events").put_events(Entries=[odd])
    listed = wait_until(lambda: s3.list_object_versions(Bucket=bucket, Prefix="rejected/").get("Versions"))
    kept = {"Bucket": bucket, "Key": listed[0]["Key"], "VersionId": listed[0]["VersionId"]}
    head = s3.head_object(**kept)
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert timedelta(days=2554) < head["ObjectLockRetainUntilDate"] - datetime.now(UTC) < timedelta(days=2555)
    with pytest.raises(ClientError, match="object lock"):
        s3.delete_object(**kept)
    s3.put_object(Bucket=bucket, Key="runs/fraud/run-1/outputs/model.tar.gz", Body=b"a model")
    assert "ObjectLockMode" not in s3.head_object(Bucket=bucket, Key="runs/fraud/run-1/outputs/model.tar.gz")


def test_a_slack_channel_without_its_workspace_is_refused_before_anything_is_created(
    aws: EmbeddedAws, packaged: Path
) -> None:
    with pytest.raises(DeploymentError, match="SlackChannelId needs SlackWorkspaceId"):
        deploy(packaged, "half", {"SlackChannelId": "C0123ABCD"}, bucket="artifacts", environment=aws.environment)

    resources = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert "half" not in {stack["StackName"] for stack in resources if stack["StackStatus"] == "CREATE_COMPLETE"}
