"""Stories that somebody who wanted to break the promises came up with, on the deployed stack."""

from __future__ import annotations

from tests.stack.loop import Loop
from tests.stack.moments import SWEEP, asleep, parked, pause, run_of, serving
from tests.stack.teams import alarm, set_alarm
from tests.stack.test_rollback import baking, end_bake


def test_a_rollback_that_was_throttled_is_not_given_up_by_a_sweep(loop: Loop) -> None:
    name = alarm(loop)
    model, arn = baking(loop, alarms=[name])
    loop.aws.client("dynamodb").update_item(
        TableName=loop.table,
        Key={"pk": {"S": f"INTENT#endpoint:{model}-prod"}, "sk": {"S": "INTENT"}},
        UpdateExpression="SET settles_at = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00+00:00"}},
    )
    # The SDK tries a few times itself before the hand hears of it.
    loop.aws.fail_next("sagemaker", "UpdateEndpoint", code="ThrottlingException", times=4, matching=f"{model}-prod")

    set_alarm(loop, name, "ALARM")
    parked(loop, arn, "rollback")
    for _ in range(4):
        loop.invoke(SWEEP)
    ended = loop.ended(arn)

    assert ended.error == "RolledBack", ended
    assert serving(loop, model) == f"{model}-first"


def doubtful(loop: Loop) -> tuple[str, str, str]:
    """A run whose bake nobody can judge, so that people are asked: model, execution and alarm."""
    name = alarm(loop)
    set_alarm(loop, name, "INSUFFICIENT_DATA")
    model, arn = baking(loop, alarms=[name])
    end_bake(loop, arn)
    loop.invoke(SWEEP)
    end_bake(loop, arn)
    loop.invoke(SWEEP)
    parked(loop, arn, "approval:bake")
    return model, arn, name


def test_a_switch_thrown_while_people_are_asked_about_a_bake_brings_the_champion_back(loop: Loop) -> None:
    model, arn, _ = doubtful(loop)

    pause(loop, f"model:{model}")
    try:
        ended = loop.ended(arn)
    finally:
        loop.operate({"action": "unpause", "scope": f"model:{model}"})

    assert ended.output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"


def test_an_alarm_that_rings_while_people_are_asked_about_a_bake_brings_the_champion_back(loop: Loop) -> None:
    model, arn, name = doubtful(loop)

    with asleep(loop):
        set_alarm(loop, name, "ALARM")
    loop.invoke(SWEEP)
    ended = loop.ended(arn)

    assert ended.error == "RolledBack"
    assert serving(loop, model) == f"{model}-first"
    assert loop.item(f"APPROVAL#{run_of(arn)}", "bake")["result"]["S"].count("WITHDRAWN") == 1  # type: ignore[index]
