"""Lists come in pages: what stands on the second one is found like what stands on the first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from orchestration.domain.errors import OrchestrationError
from orchestration.domain.listing import Listing, Stretch
from orchestration.domain.monitor_run import ListedRun, ListedStep, RunListing, StepListing
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.sagemaker_reading import SageMaker
from orchestration.stores.table import to_item

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
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


def ended(name: str, at: datetime = NOON) -> dict[str, Any]:
    shown = {
        "MonitoringScheduleName": "fraud",
        "ScheduledTime": at,
        "CreationTime": at,
        "LastModifiedTime": at,
        "MonitoringExecutionStatus": "Failed",
        "EndpointName": "fraud-prod",
    }
    return {"MonitoringExecutionSummaries": [shown | ({"ProcessingJobArn": f"arn:{name}"} if name else {})]}


PART = timedelta(microseconds=5)
LONG, SHORT = Stretch(NOON - 60 * SECOND + PART, NOON + PART), Stretch(NOON - SECOND + PART, NOON + PART)


def asked_of(stretch: Stretch, status: str) -> dict[str, Any]:
    """The limits are a second further, since nobody knows whether they count themselves, and whole ones, which every SDK sends."""
    limits = {
        "LastModifiedTimeAfter": stretch.since - SECOND - PART,
        "LastModifiedTimeBefore": stretch.until + SECOND - PART,
    }
    return {"StatusEquals": status, **limits, "MaxResults": 100}


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
@pytest.mark.parametrize(("stretch", "pages"), [(LONG, ("a", "c")), (SHORT, ("ab", "c-d"))])
def test_monitor_runs_are_those_of_both_statuses_and_of_every_page_of_the_shortest_stretch(
    stretch: Stretch, pages: tuple[str, str], service: Service
) -> None:
    for status, names in zip(("CompletedWithViolations", "Failed"), pages, strict=True):
        service.answers(
            "list_monitoring_executions",
            *(ended(name.strip("-")) for name in names),
            asked=asked_of(stretch, status),
            token="NextToken",
        )
    found = SageMaker(service.client).monitor_runs(stretch)
    names = "".join(pages).replace("-", "")
    assert found == Listing(tuple((ListedRun(f"arn:{name}", "fraud", "fraud-prod"), NOON) for name in names))


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
def test_a_longer_stretch_of_more_runs_than_a_page_is_not_read_on(service: Service) -> None:
    page = {**ended("a"), "NextToken": "more"}
    service.answers("list_monitoring_executions", page, asked=asked_of(LONG, "CompletedWithViolations"), token="no")
    assert SageMaker(service.client).monitor_runs(LONG) == Listing((), complete=False)


@pytest.mark.parametrize("service", ["sagemaker"], indirect=True)
@pytest.mark.parametrize("at", [NOON - 62 * SECOND, NOON + 2 * SECOND])
def test_a_list_that_gives_what_was_not_asked_for_is_not_believed(at: datetime, service: Service) -> None:
    """SageMaker's reference says of each limit the opposite of its name."""
    asked = asked_of(LONG, "CompletedWithViolations")
    service.answers("list_monitoring_executions", ended("a", at), asked=asked, token="no")
    with pytest.raises(OrchestrationError, match="gave runs that were not modified from"):
        SageMaker(service.client).monitor_runs(LONG)


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


def change(name: str, state: str = "ALARM") -> dict[str, Any]:
    return {"AlarmName": name, "Timestamp": NOON, "HistoryData": json.dumps({"newState": {"stateValue": state}})}


def history_of(stretch: Stretch) -> dict[str, Any]:
    limits = {"StartDate": stretch.since.replace(microsecond=0), "EndDate": stretch.until}
    order = {"ScanBy": "TimestampAscending"}
    return {"AlarmTypes": TYPES, "HistoryItemType": "StateUpdate", **limits, **order, "MaxRecords": 100}


@pytest.mark.parametrize("service", ["cloudwatch"], indirect=True)
@pytest.mark.parametrize("complete", [True, False])
def test_alarms_that_turned_red_are_those_of_the_prefix_and_of_every_page_of_the_shortest_stretch(
    complete: bool, service: Service
) -> None:
    first: dict[str, Any] = {
        "AlarmHistoryItems": [change("drift/a"), change("drift/b", "OK"), change("other"), change("drift/a")]
    }
    if complete:
        stretch = Stretch(SHORT.since.replace(microsecond=5), NOON)
        pages = [first, {"AlarmHistoryItems": [change("drift/c")]}]
    else:
        stretch, pages = LONG, [{**first, "NextToken": "more"}]
    service.answers("describe_alarm_history", *pages, asked=history_of(stretch), token="NextToken")
    found = Alarms(service.client).turned_red("drift/", stretch)
    names = ("drift/a", "drift/a", "drift/c") if complete else ("drift/a", "drift/a")
    # Of a longer one what came first, and where that ends.
    assert found == Listing(tuple((name, NOON) for name in names), until=None if complete else NOON)


@pytest.mark.parametrize("service", ["cloudwatch"], indirect=True)
@pytest.mark.parametrize("times", [(1, 0), (0, 0), ()])
def test_a_page_of_alarms_that_is_not_in_order_or_comes_nowhere_shows_nothing(
    times: tuple[int, ...], service: Service
) -> None:
    items = [{**change("drift/a"), "Timestamp": LONG.since + timedelta(seconds=second)} for second in times]
    page = {"AlarmHistoryItems": items, "NextToken": "more"}
    service.answers("describe_alarm_history", page, asked=history_of(LONG), token="NextToken")
    assert Alarms(service.client).turned_red("drift/", LONG) == Listing((), complete=False)


@pytest.mark.parametrize("service", ["cloudwatch"], indirect=True)
def test_alarms_of_both_types_are_looked_up_by_their_names_a_hundred_at_a_time(service: Service) -> None:
    names = [f"drift/{number}" for number in range(101)]
    for part, shown in (
        (names[:100], {"MetricAlarms": [alarm("drift/1", "ALARM")], "CompositeAlarms": [alarm("drift/2", "ALARM")]}),
        (names[100:], {"MetricAlarms": [alarm("drift/100", "ALARM")]}),
    ):
        asked = {"AlarmNames": part, "StateValue": "ALARM", "AlarmTypes": TYPES, "MaxRecords": 100}
        service.answers("describe_alarms", shown, asked=asked, token="NextToken")
    found = [shown["detail"]["alarmName"] for shown in Alarms(service.client).in_alarm(names)]
    assert found == ["drift/1", "drift/2", "drift/100"]
    assert list(Alarms(service.client).in_alarm([])) == []


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
