"""A candidate that serves badly is taken back; what cannot be taken back is left to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.moments import SWEEP, asleep, parked, run_of
from tests.stack.teams import alarm, approval_of, model_package, set_alarm

LONG = 60.0
"""Minutes of a bake that only ends early, or when the clock is moved."""


def baking(loop: Loop, *, bake_minutes: float = LONG, package: str | None = None, **promotion: Any) -> tuple[str, str]:
    """Start a run and await its bake: model and execution ARN."""
    more = {"model_package_arn": package} if package else {}
    model = loop.model(training=loop.training(loop.evaluation(BETTER, CHAMPION), **more), package=package)
    document = loop.read(f"policies/{model}.json")
    document["promotion"] |= {"bake_minutes": bake_minutes, **promotion}
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "bake")
    # Who parks a bake looks at its alarms afterwards: what a story does next is not for that look.
    loop.until(lambda: loop.aws.functions_running() == 0)
    return model, arn


def end_bake(loop: Loop, arn: str) -> None:
    """Let the bake's time be over, as far as the table tells."""
    loop.aws.client("dynamodb").update_item(
        TableName=loop.table,
        Key={"pk": {"S": f"WAIT#{run_of(arn)}"}, "sk": {"S": "bake"}},
        UpdateExpression="SET deadline = :past",
        ExpressionAttributeValues={":past": {"S": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}},
    )


def test_sagemakers_own_rollback_is_a_rollback_and_not_a_promotion(loop: Loop) -> None:
    model = loop.model()
    loop.aws.tell_endpoint(f"{model}-prod", "roll_back")

    ended = loop.run(loop.drift(model))

    assert (ended.status, ended.error) == ("FAILED", "RolledBack")
    assert "RollBackEndpoint" not in loop.states(ended.arn)
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"
    assert loop.statuses(ended.name)[-1] == "ROLLED_BACK"


def test_an_endpoint_that_cannot_be_brought_back_pages_freezes_and_is_left_alone(loop: Loop) -> None:
    model = loop.model()
    loop.aws.tell_endpoint(f"{model}-prod", "fail")
    with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
        ended = loop.run(loop.drift(model))
        (message,) = messages(1)

    assert ended.error == "RollbackFailed"
    assert loop.statuses(ended.name)[-1] == "ROLLBACK_FAILED"
    assert 'section "Rollback failed"' in message["Message"]
    assert loop.states(ended.arn)[-4:] == ["FinishPromotion", "RecordOutcome", "OutcomeChoice", "RollbackFailed"]
    loop.end_cooldown(model)
    assert loop.run(loop.drift(model, observed=1.7)).output["outcome"] == "HOLD"
    assert "repair the endpoint first" in loop.decisions(model)[-1]["sentence"]


def test_an_alarm_in_the_bake_ends_it_at_once_and_the_champion_serves_again(loop: Loop) -> None:
    name, package = alarm(loop), model_package(loop)
    model, arn = baking(loop, alarms=[name], package=package)
    assert loop.endpoint_config(f"{model}-prod") != f"{model}-first"

    set_alarm(loop, name, "ALARM")
    ended = loop.ended(arn)

    assert (ended.status, ended.error) == ("FAILED", "RolledBack"), ended
    assert name in (ended.cause or "")
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"
    assert loop.endpoint_status(f"{model}-prod") == "InService"
    assert loop.statuses(ended.name)[-2:] == ["ROLLBACK_STARTED", "ROLLED_BACK"]
    assert approval_of(loop, package) == "Rejected"
    assert loop.report(model, ended.name)["endpoint"]["after"] == f"{model}-first"
    state = loop.item(f"MODEL#{model}", "STATE")
    assert state is not None
    assert state["fruitless_runs"] == {"N": "1"}


def composite_state(loop: Loop, name: str) -> str:
    found = loop.aws.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])
    return str(found["CompositeAlarms"][0]["StateValue"])


def test_a_composite_alarm_is_watched_too_and_one_that_calmed_down_still_counts(loop: Loop) -> None:
    child = alarm(loop)
    name = f"any-{child}"
    loop.aws.client("cloudwatch").put_composite_alarm(AlarmName=name, AlarmRule=f"ALARM({child})")
    model, arn = baking(loop, alarms=[name])
    with asleep(loop):
        set_alarm(loop, child, "ALARM")
        loop.until(lambda: composite_state(loop, name) == "ALARM")
        set_alarm(loop, child, "OK")
        # It follows its children a moment later.
        loop.until(lambda: composite_state(loop, name) == "OK")
    loop.invoke(SWEEP)

    ended = loop.ended(arn)

    assert ended.error == "RolledBack"
    assert "was in ALARM during the bake" in (ended.cause or "")
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"


def test_a_quiet_bake_is_ended_by_the_sweep_when_its_time_is_over_and_by_no_other_alarm(loop: Loop) -> None:
    _, arn = baking(loop, alarms=[alarm(loop)])
    loop.invoke(SWEEP)
    assert loop.status(arn) == "RUNNING"
    answer = loop.invoke(
        {"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": "x", "state": {"value": "ALARM"}}}
    )
    assert answer == {"resumed": 0}
    assert loop.status(arn) == "RUNNING"

    end_bake(loop, arn)
    loop.invoke(SWEEP)

    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    bake = loop.item(f"WAIT#{run_of(arn)}", "bake")
    assert bake is not None
    assert (bake["state"]["S"], "token" in bake) == ("RESOLVED", False)


def test_drift_that_comes_back_in_the_bake_is_rolled_back(loop: Loop) -> None:
    model, arn = baking(loop)
    again = loop.drift(model, observed=1.1) | {"time": datetime.now(UTC).isoformat()}
    assert loop.run(again).output["outcome"] == "COALESCE"

    loop.invoke(SWEEP)
    ended = loop.ended(arn)

    assert ended.error == "RolledBack"
    assert "Drift came back during the bake" in (ended.cause or "")
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"


def test_drift_in_the_champions_traffic_says_nothing_of_the_candidate(loop: Loop) -> None:
    model, arn = baking(loop)
    window = {
        "uri": "s3://team-data/window.csv",
        "window_start": "2026-03-01T00:00:00Z",
        "window_end": "2026-03-02T00:00:00Z",
    }
    late = loop.drift(model, observed=1.1, dataset=window) | {"time": datetime.now(UTC).isoformat()}
    assert loop.run(late).output["outcome"] == "COALESCE"

    end_bake(loop, arn)
    loop.invoke(SWEEP)

    assert loop.ended(arn).output["outcome"] == "PROMOTED"


def test_what_somebody_else_deployed_during_the_bake_is_not_taken_away(loop: Loop) -> None:
    model, arn = baking(loop)
    sagemaker = loop.aws.client("sagemaker")
    other = sagemaker.describe_endpoint_config(EndpointConfigName=f"{model}-first")["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName=f"{model}-hand", ProductionVariants=other)
    sagemaker.update_endpoint(EndpointName=f"{model}-prod", EndpointConfigName=f"{model}-hand")

    loop.until(lambda: loop.endpoint_config(f"{model}-prod") == f"{model}-hand")
    ended = loop.ended(arn)

    # Nobody's failure: the world changed under the run, so it counts as no fruitless one.
    assert ended.output["outcome"] == "SUPERSEDED"
    assert loop.states(arn)[-1] == "RetrainingSuperseded"
    assert "somebody else deployed" in ended.output["reason"]
    assert "RollBackEndpoint" not in loop.states(arn)
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-hand"
