"""What events lose, the sweep repairs: once, and with the same result."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta

import pytest

from ops import cli
from tests.stack.loop import Loop
from tests.stack.moments import SWEEP, parked, run_of
from tests.stack.teams import held_training


def test_a_training_and_an_endpoint_whose_events_were_lost_are_found_over_by_the_sweep(loop: Loop) -> None:
    rule = loop.rule("WaitRule")
    loop.aws.client("events").disable_rule(Name=rule)
    try:
        held = held_training(loop)
        model = loop.model(training=held.arn)
        # Long enough for the run to be parked before the endpoint is there.
        loop.aws.tell_endpoint(f"{model}-prod", None, seconds=2)
        arn = loop.start(loop.drift(model))
        parked(loop, arn, "training")
        held.until_it_runs()
        loop.until(lambda: loop.aws.functions_running() == 0)
        held.let_go()
        (child,) = held.executions()
        assert loop.ended(child["executionArn"]).status == "SUCCEEDED"

        trained = loop.invoke(SWEEP)
        loop.until(lambda: "PROMOTION_STARTED" in loop.statuses(run_of(arn)))
        loop.until(lambda: loop.endpoint_status(f"{model}-prod") == "InService")
        promoted = loop.invoke(SWEEP)
    finally:
        loop.aws.client("events").enable_rule(Name=rule)

    assert trained["repairs"]["lost_event_replaced"] >= 1
    assert promoted["repairs"]["lost_event_replaced"] >= 1
    assert loop.ended(arn).output["outcome"] == "PROMOTED"


def test_a_signal_of_the_cooldown_is_decided_once_when_the_cooldown_is_over(loop: Loop) -> None:
    model = loop.model(cooldown_hours=6)
    loop.run(loop.drift(model))
    for observed in (0.9, 1.4):
        assert loop.run(loop.drift(model, observed=observed)).output["outcome"] == "COALESCE"
    # What is due by the end of the cooldown: the signal is looked at, and not raised while the cooldown lasts.
    swept = {"action": "sweep", "ahead_seconds": 6 * 3600}
    before = loop.executions()
    loop.invoke(swept)
    assert not [arn for arn in loop.executions() - before if model in loop.input_of(arn)]
    loop.end_cooldown(model)

    loop.invoke(swept)
    loop.invoke(swept)

    (arn,) = [arn for arn in loop.executions() - before if model in loop.input_of(arn)]
    ended = loop.ended(arn)
    assert ended.output["outcome"] == "PROMOTED"
    record = next(record for record in loop.decisions(model) if record["run_id"] == ended.name)
    assert record["signal"]["source"] == "pending"
    assert record["signal"]["summary"].startswith("2 signal(s) arrived")
    assert "pending" not in (loop.item(f"MODEL#{model}", "STATE") or {})


def test_an_alarm_that_stayed_in_alarm_without_a_decision_is_decided_by_the_sweep(loop: Loop) -> None:
    model = loop.model()
    rule = loop.rule("DriftRule")
    cloudwatch = loop.aws.client("cloudwatch")
    alarm, others = f"drift/{model}/psi", f"others/{model}"
    loop.aws.client("events").disable_rule(Name=rule)
    try:
        # More than a call lists, just before.
        cloudwatch.put_metric_alarm(AlarmName=others, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1)
        for number in range(120):
            state = ("OK", "ALARM")[number % 2]
            cloudwatch.set_alarm_state(AlarmName=others, StateValue=state, StateReason="flaps")
        cloudwatch.put_metric_alarm(
            AlarmName=alarm,
            Namespace="Scores",
            MetricName="psi",
            Dimensions=[{"Name": "Model", "Value": model}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0.2,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(
            AlarmName=alarm,
            StateValue="ALARM",
            StateReason="Threshold Crossed: 1 out of the last 1 datapoints [0.9] was greater than the threshold (0.2).",
            StateReasonData=json.dumps({"version": "1.0", "recentDatapoints": [0.9], "threshold": 0.2}),
        )
    finally:
        loop.aws.client("events").enable_rule(Name=rule)
    before = loop.executions()

    swept = loop.invoke(SWEEP)
    loop.invoke(SWEEP)

    assert swept["repairs"]["alarm_without_decision"] == 1
    (arn,) = [arn for arn in loop.executions() - before if alarm in loop.input_of(arn)]
    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    # Only now: a sweep that comes while the first one's execution still decides starts that same execution again.
    assert "alarm_without_decision" not in loop.invoke(SWEEP)["repairs"]
    (record,) = loop.decisions(model)
    assert record["signal"]["threshold"]["observed"] == 0.9
    cloudwatch.delete_alarms(AlarmNames=[alarm, others])


def test_an_alarm_through_eventbridge_is_one_signal_with_the_sweep(loop: Loop) -> None:
    model = loop.model()
    cloudwatch = loop.aws.client("cloudwatch")
    alarm = f"drift/{model}/revenue"
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Business",
        MetricName="approved_revenue",
        Dimensions=[{"Name": "Endpoint", "Value": f"{model}-prod"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="LessThanThreshold",
    )
    before = loop.executions()

    cloudwatch.set_alarm_state(
        AlarmName=alarm,
        StateValue="ALARM",
        StateReason="Threshold Crossed: 1 out of the last 1 datapoints [40.0] was less than the threshold (100.0).",
        StateReasonData=json.dumps({"version": "1.0", "recentDatapoints": [40.0], "threshold": 100.0}),
    )
    (arn,) = loop.until(lambda: [arn for arn in loop.executions() - before if alarm in loop.input_of(arn)])
    assert loop.ended(arn).output["outcome"] == "PROMOTED"

    assert "alarm_without_decision" not in loop.invoke(SWEEP)["repairs"]
    (record,) = loop.decisions(model)
    assert record["signal"]["kind"] == "kpi"
    assert record["signal"]["endpoint"] == f"{model}-prod"
    assert record["signal"]["threshold"]["ratio"] == 2.5
    cloudwatch.delete_alarms(AlarmNames=[alarm])


def test_a_run_without_end_is_not_touched_by_the_sweep(loop: Loop) -> None:
    model = loop.model(policy={"approval": {"training": "always"}})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:training")

    loop.invoke(SWEEP)

    assert loop.aws.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"
    loop.aws.client("stepfunctions").stop_execution(executionArn=arn)


def test_a_monitor_that_does_not_speak_is_told_of_from_the_day_its_policy_expects_it_to(loop: Loop) -> None:
    """The policy is written, S3 tells the rule, and no signal ever comes."""
    model = f"m{uuid.uuid4().hex[:10]}"
    loop.policy(model, monitoring={"expect_every_hours": 2})
    loop.until(lambda: loop.item(f"MODEL#{model}", "WATCH") is not None)
    watch = loop.item(f"MODEL#{model}", "WATCH") or {}
    before = loop.executions()
    loop.invoke({"action": "sweep", "ahead_seconds": 2 * 3600 + 60})
    assert not [arn for arn in loop.executions() - before if model in loop.input_of(arn)]

    # Three hours pass without a word.
    since = datetime.fromisoformat(watch["since"]["S"]) - timedelta(hours=3)
    loop.aws.client("dynamodb").update_item(
        TableName=loop.table,
        Key={"pk": {"S": f"MODEL#{model}"}, "sk": {"S": "WATCH"}},
        UpdateExpression="SET since = :since",
        ExpressionAttributeValues={":since": {"S": since.isoformat()}},
    )
    loop.invoke({"action": "sweep", "ahead_seconds": 2 * 3600 + 60})

    (arn,) = [arn for arn in loop.executions() - before if model in loop.input_of(arn)]
    assert loop.ended(arn).output["outcome"] == "HOLD"
    (record,) = loop.decisions(model)
    assert (record["reason"], record["signal"]["source"]) == ("MONITOR_SILENT", "silence")
    assert "its policy expects one every 2 h" in record["sentence"]


def test_what_is_sent_twice_under_two_ids_trains_once_and_what_is_ignored_is_found(
    loop: Loop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loop.model(cooldown_hours=0, evaluation=loop.evaluation({"auc": 0.5, "recall": 0.5}, {"auc": 0.9}))
    event = loop.drift(model)
    assert loop.run(event).output["outcome"] == "CANDIDATE_REJECTED"
    again = loop.run({**event, "id": str(uuid.uuid4())})
    assert again.output["outcome"] == "SKIP"
    assert "began run" in again.output["reason"]
    foreign = loop.run(
        {
            "source": "aws.sagemaker",
            "detail-type": "SageMaker Processing Job State Change",
            "id": f"foreign-{model}",
            "detail": {"ProcessingJobName": "somebody-s-job", "ProcessingJobStatus": "Completed"},
        }
    )
    assert foreign.output["outcome"] == "SKIP"

    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    asked = ["signals", "--stack", loop.stack, "--region", loop.aws.region, "--id", f"foreign-{model}", "--json"]
    assert cli.main(asked) == 0

    listed = json.loads(capsys.readouterr().out)["signals"]
    assert [(each["decision"], each["run_id"]) for each in listed] == [("IGNORED", foreign.name)]
