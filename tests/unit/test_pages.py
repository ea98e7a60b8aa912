"""Lists come in pages: what stands on the second one is found like what stands on the first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from orchestration.domain.monitor_run import ListedRun, ListedStep, RunListing, StepListing
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.sagemaker_reading import SageMaker
from orchestration.stores.table import to_item

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"


class Service:
    """A client whose answers are given beforehand, page by page."""

    def __init__(self, name: str) -> None:
        self.client: Any = boto3.Session(region_name="us-east-1").client(
            name,  # type: ignore[call-overload] # one of the services below
            aws_access_key_id="a",
            aws_secret_access_key="s",
        )
        self._stub = Stubber(self.client)
        self._stub.activate()

    def answers(self, operation: str, *pages: dict[str, Any], asked: dict[str, Any], token: str) -> None:
        """Give pages; each but the first is asked for by the token of the one before."""
        for number, page in enumerate(pages):
            more = {token: f"page-{number + 1}"} if number + 1 < len(pages) else {}
            before = {token: f"page-{number}"} if number else {}
            self._stub.add_response(operation, {**page, **more}, {**asked, **before})

    def over(self) -> None:
        """Every page was asked for."""
        self._stub.assert_no_pending_responses()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    made = Service(request.param)
    yield made
    made.over()


def summary(number: int) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": f"{PIPELINE}/execution/{number}",
        "PipelineExecutionDisplayName": f"retraining-{number}",
    }


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
@pytest.mark.parametrize(("name", "found"), [("retraining-2", f"{PIPELINE}/execution/2"), ("retraining-3", None)])
def test_a_pipeline_execution_is_found_on_any_page(name: str, found: str | None, service: Service) -> None:
    service.answers(
        "list_pipeline_executions",
        *({"PipelineExecutionSummaries": [summary(number)]} for number in (1, 2)),
        asked={"PipelineName": PIPELINE, "CreatedAfter": NOON},
        token="NextToken",
    )
    assert SageMaker(service.client).pipeline_execution_named(PIPELINE, name, NOON) == found


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
def test_the_steps_of_every_page_are_those_of_a_pipeline_execution(service: Service) -> None:
    service.answers(
        "list_pipeline_execution_steps",
        *({"PipelineExecutionSteps": [{"StepName": name}]} for name in ("Prepare", "Train")),
        asked={"PipelineExecutionArn": f"{PIPELINE}/execution/1", "SortOrder": "Ascending"},
        token="NextToken",
    )
    steps = SageMaker(service.client).pipeline_steps(f"{PIPELINE}/execution/1")
    assert [step["StepName"] for step in steps] == ["Prepare", "Train"]


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
def test_monitor_runs_are_those_of_both_statuses_and_of_every_page(service: Service) -> None:
    def run(name: str, **more: Any) -> dict[str, Any]:
        shown = {
            "MonitoringScheduleName": "fraud",
            "ScheduledTime": NOON,
            "CreationTime": NOON,
            "LastModifiedTime": NOON,
            "MonitoringExecutionStatus": "Failed",
            **more,
        }
        return {"MonitoringExecutionSummaries": [shown | ({"ProcessingJobArn": f"arn:{name}"} if name else {})]}

    for status, names in {"CompletedWithViolations": ("a", "b"), "Failed": ("c", "", "d")}.items():
        service.answers(
            "list_monitoring_executions",
            *(run(name, EndpointName="fraud-prod") for name in names),
            asked={"StatusEquals": status, "LastModifiedTimeAfter": NOON, "MaxResults": 100},
            token="NextToken",
        )
    runs = list(SageMaker(service.client).monitor_runs(since=NOON))
    assert runs == [(ListedRun(f"arn:{name}", "fraud", "fraud-prod"), NOON) for name in "abcd"]


def run_of(name: str) -> dict[str, Any]:
    shown = {"ScheduledTime": NOON, "CreationTime": NOON, "LastModifiedTime": NOON, "ProcessingJobArn": f"arn:{name}"}
    named = {"MonitoringScheduleName": "fraud", "EndpointName": "fraud-prod", "MonitoringExecutionStatus": "InProgress"}
    return {"MonitoringExecutionSummaries": [shown | named]}


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
@pytest.mark.parametrize(("name", "pages"), [("a", "a"), ("b", "ab"), ("c", "ab")])
def test_a_job_is_looked_for_among_the_newest_runs_of_its_schedule_and_no_further_than_it_is_found(
    name: str, pages: str, service: Service
) -> None:
    service.answers(
        "list_monitoring_executions",
        *map(run_of, pages),
        asked={
            "MonitoringScheduleName": "fraud",
            "EndpointName": "fraud-prod",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        },
        token="NextToken",
    )
    found = SageMaker(service.client).monitor_run("fraud", "fraud-prod", f"arn:{name}")
    assert found == RunListing(None if name == "c" else ListedRun(f"arn:{name}", "fraud", "fraud-prod"))


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
def test_a_run_on_batch_transforms_is_looked_for_without_an_endpoint(service: Service) -> None:
    (shown,) = run_of("a")["MonitoringExecutionSummaries"]
    del shown["EndpointName"]
    service.answers(
        "list_monitoring_executions",
        {"MonitoringExecutionSummaries": [shown]},
        asked={
            "MonitoringScheduleName": "fraud",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        },
        token="NextToken",
    )
    found = SageMaker(service.client).monitor_run("fraud", None, "arn:a")
    assert found == RunListing(ListedRun("arn:a", "fraud", None))


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
@pytest.mark.parametrize(("name", "found"), [("b", ListedStep("Check", checks=True)), ("c", None)])
def test_a_check_is_looked_for_among_the_steps_of_every_page(
    name: str, found: ListedStep | None, service: Service
) -> None:
    service.answers(
        "list_pipeline_execution_steps",
        {"PipelineExecutionSteps": [{"StepName": "Prepare", "Metadata": {"ProcessingJob": {"Arn": "arn:a"}}}]},
        {"PipelineExecutionSteps": [{"StepName": "Check", "Metadata": {"QualityCheck": {"CheckJobArn": "arn:b"}}}]},
        asked={"PipelineExecutionArn": f"{PIPELINE}/execution/1", "SortOrder": "Ascending"},
        token="NextToken",
    )
    assert SageMaker(service.client).pipeline_step(f"{PIPELINE}/execution/1", f"arn:{name}") == StepListing(found)


def alarm(name: str, state: str) -> dict[str, Any]:
    arn = f"arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}"
    return {"AlarmName": name, "AlarmArn": arn, "StateValue": state, "StateUpdatedTimestamp": NOON}


TYPES = ["MetricAlarm", "CompositeAlarm"]


@pytest.mark.parametrize("service", ["cloudwatch"], indirect=True)
def test_alarms_of_both_types_and_of_every_page_are_in_alarm(service: Service) -> None:
    service.answers(
        "describe_alarms",
        {"MetricAlarms": [alarm("drift/a", "ALARM")], "CompositeAlarms": [alarm("drift/b", "ALARM")]},
        {"MetricAlarms": [alarm("drift/c", "ALARM")]},
        asked={"AlarmNamePrefix": "drift/", "StateValue": "ALARM", "AlarmTypes": TYPES},
        token="NextToken",
    )
    names = [shown["detail"]["alarmName"] for shown in Alarms(service.client).in_alarm("drift/")]
    assert names == ["drift/a", "drift/b", "drift/c"]


@pytest.mark.parametrize("service", ["cloudwatch"], indirect=True)
def test_an_alarm_that_rang_and_is_quiet_again_is_found_on_any_page_of_its_history(service: Service) -> None:
    since = NOON.replace(microsecond=5)
    service.answers(
        "describe_alarms",
        {"MetricAlarms": [alarm("a", "OK")]},
        {"CompositeAlarms": [alarm("b", "ALARM")]},
        asked={"AlarmNames": ["a", "b", "gone"], "AlarmTypes": TYPES},
        token="NextToken",
    )
    for name in ("a", "b"):
        went = ({"newState": {"stateValue": state}} for state in ("OK", "ALARM"))
        service.answers(
            "describe_alarm_history",
            *({"AlarmHistoryItems": [{"Timestamp": NOON, "HistoryData": json.dumps(data)}]} for data in went),
            asked={"AlarmName": name, "AlarmTypes": TYPES, "HistoryItemType": "StateUpdate", "StartDate": NOON},
            token="NextToken",
        )
    watches = Alarms(service.client).watch(["a", "b", "gone"], since=since)
    assert [(watch.name, watch.state, watch.fired_at) for watch in watches] == [
        ("a", "OK", (NOON,)),
        ("b", "ALARM", (NOON,)),
        ("gone", None, ()),
    ]


@pytest.mark.parametrize("service", ["dynamodb"], indirect=True)
def test_every_page_of_a_partition_is_read(service: Service) -> None:
    items = [to_item({"pk": "ACTIVE", "sk": f"RUN#{number}", "model": "fraud"}) for number in (1, 2)]
    asked = {
        "TableName": "history",
        "KeyConditionExpression": ANY,
        "ExpressionAttributeValues": ANY,
        "ConsistentRead": True,
        "ScanIndexForward": True,
    }
    stub = service._stub
    key = to_item({"pk": "ACTIVE", "sk": "RUN#1"})
    stub.add_response("query", {"Items": items[:1], "LastEvaluatedKey": key}, asked)
    stub.add_response("query", {"Items": items[1:]}, {**asked, "ExclusiveStartKey": key})
    runs = HistoryTable(service.client, "history").active_runs()
    assert [run["run_id"] for run in runs] == ["1", "2"]
