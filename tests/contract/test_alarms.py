"""Alarms: on every function, on metrics that exist, to a topic that lets them in, and never back into the loop."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.contract.template import ACCOUNT, ALIKE, BUTTONS, STACK, Template

TEMPLATE: Final = Template.read()
PLAIN: Final = TEMPLATE.resolve(BUTTONS)
ALARMS: Final = {name: resource["Properties"] for name, resource in PLAIN.of_type("AWS::CloudWatch::Alarm").items()}


def watched(alarm: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of the metrics an alarm looks at."""
    if "Metrics" in alarm:
        metrics = [entry["MetricStat"]["Metric"] for entry in alarm["Metrics"] if "MetricStat" in entry]
    else:
        metrics = [alarm]
    return [
        (
            metric["Namespace"],
            metric["MetricName"],
            {entry["Name"]: entry["Value"] for entry in metric.get("Dimensions", [])},
        )
        for metric in metrics
    ]


@pytest.mark.threat("untold")
@pytest.mark.parametrize("function", list(PLAIN.of_type("AWS::Lambda::Function")))
@pytest.mark.parametrize("symptom", ["Errors", "Throttles"])
def test_a_function_has_an_alarm_on(symptom: str, function: str) -> None:
    wanted = ("AWS/Lambda", symptom, {"FunctionName": PLAIN.name(function)})

    alarm_of = ALIKE.get(function, function)
    assert [name for name, alarm in ALARMS.items() if wanted in watched(alarm)] == [f"{alarm_of}{symptom}Alarm"]


@pytest.mark.parametrize(
    ("function", "later"), [("PromotionFunction", "NotAcceptedYet"), ("OrchestrationFunction", "CopyGoesOn")]
)
def test_nobody_is_paged_for_what_only_wants_to_be_asked_again(function: str, later: str) -> None:
    """They fail with that error on purpose, for hours if a promotion is queued behind another or an artifact is large."""
    alarm = ALARMS[f"{function}ErrorsAlarm"]
    (shown,) = (entry for entry in alarm["Metrics"] if "Expression" in entry)
    metrics = {entry["Id"]: entry["MetricStat"] for entry in alarm["Metrics"] if "MetricStat" in entry}

    assert shown["Expression"] == "errors - FILL(later, 0)"
    assert metrics["later"]["Metric"]["MetricName"] == later
    assert {stat["Period"] for stat in metrics.values()} == {900}
    properties = PLAIN.resources[f"{later}Filter"]["Properties"]
    assert properties["LogGroupName"] == PLAIN.name(f"{function}LogGroup")
    (transformation,) = properties["MetricTransformations"]
    assert transformation["MetricName"] == later
    assert transformation["DefaultValue"] == 0, "without data the difference would be missing, and so the page"


@pytest.mark.threat("page-flooded")
def test_requests_that_the_page_refuses_page_nobody_and_pages_that_fail_do() -> None:
    """Anybody may send the first where links decide. Source: Lambda, "Monitoring function URLs": 4xx and 5xx of a URL."""
    name = {"FunctionName": PLAIN.name("ApprovalFunction")}
    counted = {metric for alarm in ALARMS.values() for _, metric, dimensions in watched(alarm) if dimensions == name}
    pages = "MAX([FILL(errors, 0), FILL(pages, 0)]) + FILL(terminal, 0)"

    assert counted == {"Errors", "Url5xxCount", "Throttles"}
    for stack, expression in ((TEMPLATE.resolve(), pages), (PLAIN, f"{pages} + FILL(slack, 0)")):
        alarm = stack.resources["ApprovalFunctionErrorsAlarm"]["Properties"]
        (shown,) = (entry for entry in alarm["Metrics"] if "Expression" in entry)
        assert shown["Expression"] == expression, "a stack without an address has no pages"
        used = {entry["Id"] for entry in alarm["Metrics"] if "MetricStat" in entry}
        assert used == set(re.findall(r"\b[a-z]+\b", expression))


def test_an_alarm_on_the_loops_own_metrics_looks_at_one_that_a_filter_makes() -> None:
    """Of a metric with dimensions an alarm would see nothing: it names none, and no sum over them exists."""
    made = {
        (transformation["MetricNamespace"], transformation["MetricName"])
        for resource in PLAIN.of_type("AWS::Logs::MetricFilter").values()
        for transformation in resource["Properties"]["MetricTransformations"]
        if "Dimensions" not in transformation
    }

    for name, alarm in ALARMS.items():
        for namespace, metric, dimensions in watched(alarm):
            if namespace.startswith("RetrainingLoop"):
                assert (namespace, metric) in made, name
                assert dimensions == {}, name
            else:
                assert dimensions, f"{name} would look at the whole account"


PAGES_WHEN_DATA_STOP: Final = "SweepNotRunningAlarm"

RULES: Final = {name: rule["Properties"] for name, rule in PLAIN.of_type("AWS::Events::Rule").items()}
MACHINE: Final = PLAIN.arn("RetrainingStateMachine")

SUMS: Final = {
    "RetrainingExecutionsFailedAlarm": [
        ("AWS/States", f"Executions{end}", {"StateMachineArn": MACHINE}) for end in ("Failed", "TimedOut", "Aborted")
    ],
    "SignalsLostAlarm": [
        ("AWS/Events", "InvocationsFailedToBeSentToDlq", {"RuleName": rule["Name"]})
        for rule in RULES.values()
        if rule["Targets"][0]["Arn"] == MACHINE
    ],
    "NotificationsFailedAlarm": [
        ("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": PLAIN.name(topic)})
        for topic in PLAIN.of_type("AWS::SNS::Topic")
    ],
}
"""Alarms on every bad end of a run, on every rule that brings a signal, and on every topic."""


@pytest.mark.threat("untold")
@pytest.mark.parametrize("name", SUMS)
def test_an_alarm_on_all_of_a_kind_leaves_none_out(name: str) -> None:
    (shown,) = (entry for entry in ALARMS[name]["Metrics"] if "Expression" in entry)

    assert watched(ALARMS[name]) == SUMS[name]
    assert shown["Expression"] == "SUM(METRICS())"


SAID: Final = {
    "three times in 15 minutes": (3, 900),
    "being throttled": (3, 900),
    "three quarters of its time": (75, 3600),
    "six hours": (6 * 3600, 3600),
    "within an hour": (5, 3600),
}
"""Threshold and period in seconds, by words of the alarm's own sentence; every other alarm pages for one within five minutes."""

GAUGES: Final = {"ApproximateNumberOfMessagesVisible", "ApprovalWaitPercent", "OldestQueuedSeconds"}


@pytest.mark.threat("untold")
@pytest.mark.parametrize("name", sorted(set(ALARMS) - {PAGES_WHEN_DATA_STOP}))
def test_an_alarm_pages_for_as_much_as_it_says_and_at_once(name: str) -> None:
    alarm = ALARMS[name]
    counted = [entry["MetricStat"] for entry in alarm["Metrics"] if "MetricStat" in entry] if "Metrics" in alarm else []
    kinds = {"Maximum" if metric in GAUGES else "Sum" for _, metric, _ in watched(alarm)}
    threshold, period = next((when for said, when in SAID.items() if said in alarm["AlarmDescription"]), (1, 300))

    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", threshold)
    assert (alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm", 1)) == (1, 1)
    assert {each["Period"] for each in counted or [alarm]} == {period}
    assert {each["Stat"] for each in counted} | {alarm.get("Statistic")} - {None} == kinds


@pytest.mark.threat("untold")
def test_every_alarm_pages_people() -> None:
    people = [PLAIN.arn("EscalationTopic")]
    pages = {name: {key: alarm[key] for key in alarm if key.endswith("Actions")} for name, alarm in ALARMS.items()}

    assert pages == {
        name: {"InsufficientDataActions" if name == PAGES_WHEN_DATA_STOP else "AlarmActions": people} for name in ALARMS
    }


def test_no_alarm_pages_for_a_stack_that_was_just_made() -> None:
    """It has no data. An alarm begins in INSUFFICIENT_DATA and acts on a change of its state only.

    Source: CloudWatch, "Configuring how CloudWatch alarms treat missing data" and PutMetricAlarm.
    """
    assert {name: alarm["TreatMissingData"] for name, alarm in ALARMS.items()} == {
        name: "missing" if name == PAGES_WHEN_DATA_STOP else "notBreaching" for name in ALARMS
    }


def test_the_alarm_on_the_sweep_has_two_states_one_without_data_and_one_without_trouble() -> None:
    """A sweep that comes to its end writes a number, so a period has one at least, or is missing."""
    alarm = ALARMS[PAGES_WHEN_DATA_STOP]
    longest_pause = int(TEMPLATE.parameters["SweepMinutes"]["MaxValue"]) * 60

    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        "SampleCount",
        "LessThanThreshold",
        1,
    )
    assert "two hours" in alarm["AlarmDescription"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 2 * 3600 >= 2 * longest_pause, "one late sweep leaves no gap"
    (made,) = (
        transformation
        for resource in PLAIN.of_type("AWS::Logs::MetricFilter").values()
        for transformation in resource["Properties"]["MetricTransformations"]
        if transformation["MetricName"] == alarm["MetricName"]
    )
    assert "DefaultValue" not in made, "it would be written by functions that do not sweep"


def test_the_escalation_topic_lets_in_the_alarms_of_this_stack_only() -> None:
    """Each by its ARN. A pattern on the stack's name misses names in which CloudFormation shortens it."""
    (allow,) = (
        statement
        for statement in PLAIN.resources["EscalationTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    )

    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": [PLAIN.arn(name) for name in ALARMS]},
    }


@pytest.mark.parametrize("topic", list(PLAIN.of_type("AWS::SNS::Topic")))
def test_nothing_is_published_over_plain_http(topic: str) -> None:
    (policy,) = (
        resource["Properties"]
        for resource in PLAIN.of_type("AWS::SNS::TopicInlinePolicy").values()
        if resource["Properties"]["TopicArn"] == PLAIN.arn(topic)
    )

    assert {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": PLAIN.arn(topic),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } in policy["PolicyDocument"]["Statement"]


@pytest.mark.threat("own-alarm")
@pytest.mark.parametrize(
    ("prefix", "taken"),
    [("drift/", True), ("team-a/drift/", True), ("kpi_", True), ("drift.", True), ("retraining", False), ("r-", False)],
)
def test_no_alarm_of_a_stack_can_start_with_the_prefix_of_signals(prefix: str, taken: bool) -> None:
    """Alarms without a name of their own are named after the stack, whose name holds letters, digits and hyphens."""
    assert bool(re.match(TEMPLATE.parameters["AlarmNamePrefix"]["AllowedPattern"], prefix)) is taken
    assert not [name for name, alarm in ALARMS.items() if "AlarmName" in alarm]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", STACK)
