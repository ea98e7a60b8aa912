"""What must follow a commit is never a best effort: it is due until it is done, whatever failed or died meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.moments import SWEEP, due, holders, outcome, parked, run_of, serving, stop
from tests.stack.teams import HANG, held_training, job_request, sagemaker_pipeline


@pytest.fixture(autouse=True)
def no_faults_left(loop: Loop) -> Iterator[None]:
    """Make no call fail after a story."""
    yield
    loop.aws.forget_faults()


def sweep(loop: Loop, *, hours: float = 0) -> Any:
    """Sweep, as if it were ten minutes, or so many hours, later."""
    return loop.invoke({**SWEEP, "ahead_seconds": max(SWEEP["ahead_seconds"], hours * 3600)})


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("ConditionalRequestConflict", 409), ("InternalError", 500)]
)
def test_a_decision_whose_record_could_not_be_written_gets_it_from_a_sweep(loop: Loop, code: str, status: int) -> None:
    model = loop.model(actions={"info": "observe", "warning": "observe", "critical": "observe"})
    loop.aws.fail_next("s3", "PutObject", code=code, status=status, times=20, matching=f"decisions/{model}")

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "OBSERVE"
    assert loop.keys(f"decisions/{model}/") == []
    loop.aws.forget_faults()
    sweep(loop)
    (record,) = loop.decisions(model)
    assert record["run_id"] == ended.name
    assert due(loop, ended.name) == []


def test_a_decision_whose_message_could_not_be_sent_is_told_by_a_sweep(loop: Loop) -> None:
    model = loop.model(approval={"training": "always", "promotion": "never"})
    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        loop.aws.fail_next("sns", "Publish", code="AuthorizationError", status=403, times=20, matching=model)
        arn = loop.start(loop.drift(model))
        parked(loop, arn, "approval:training")
        loop.until(lambda: len(due(loop, model)) >= 2)
        loop.aws.forget_faults()
        sweep(loop)

        def told() -> bool:
            return any(
                "retraining approve " in message["Message"] and model in message["Message"] for message in messages(2)
            )

        loop.until(told)
    stop(loop, arn)
    outcome(loop, arn)


def test_a_notification_that_fails_for_good_fails_no_run(loop: Loop) -> None:
    model = loop.model()
    loop.aws.fail_next("sns", "Publish", code="AuthorizationError", status=403, times=200, matching=model)
    loop.aws.fail_next("events", "PutEvents", code="AccessDeniedException", status=400, times=200, matching=model)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED"
    assert serving(loop, model) != f"{model}-first"


def test_an_outcome_whose_evidence_could_not_be_written_gets_it_from_a_sweep(loop: Loop) -> None:
    model = loop.model()
    loop.aws.fail_next("s3", "PutObject", code="AccessDenied", status=403, times=20, matching="outcome.json")

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED"
    key = f"evidence/{model}/{ended.name}/outcome.json"
    assert key not in loop.keys(f"evidence/{model}/")
    loop.aws.forget_faults()
    sweep(loop)
    assert loop.read(key)["outcome"] == "PROMOTED"


def test_one_conflict_of_a_record_is_tried_again_at_once(loop: Loop) -> None:
    model = loop.model()
    loop.aws.fail_next(
        "s3", "PutObject", code="ConditionalRequestConflict", status=409, times=1, matching="evaluation.json"
    )
    loop.aws.fail_next("s3", "PutObject", code="ConditionalRequestConflict", status=409, times=1, matching="manifests/")

    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"


@pytest.mark.parametrize("kind", ["state_machine", "job", "pipeline"])
def test_a_training_that_could_not_be_stopped_is_stopped_later_and_keeps_its_slot_until_then(
    loop: Loop, kind: str
) -> None:
    held = held_training(loop)
    training: dict[str, Any] = {"target": held.arn}
    call = ("stepfunctions", "StopExecution")
    if kind == "job":
        training, call = (
            {"target": "training-job", "request": job_request(loop, HANG)},
            ("sagemaker", "StopTrainingJob"),
        )
    if kind == "pipeline":
        training = {"target": sagemaker_pipeline(loop, HANG), "parameters": {"OutputUri": "output_uri"}}
        call = ("sagemaker", "StopPipelineExecution")
    model = loop.model(policy={"training": training})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "training")
    loop.until(lambda: "TRAINING_STARTED" in loop.statuses(run_of(arn)))
    # Before the run is stopped, which has the training stopped at once; the run's own stop is none of these calls.
    training_machine = held.arn.rsplit(":", 1)[-1] if kind == "state_machine" else ""
    loop.aws.fail_next(*call, code="InternalFailure", status=500, times=20, matching=training_machine)
    stop(loop, arn)

    assert outcome(loop, arn) == "STOPPED"
    assert run_of(arn) in holders(loop)

    loop.aws.forget_faults()

    def over() -> bool:
        sweep(loop)
        return run_of(arn) not in holders(loop)

    loop.until(over)
    assert loop.item(f"INTENT#training:{run_of(arn)}", "INTENT") is None


def test_one_poisoned_piece_of_work_does_not_hold_up_the_others(loop: Loop) -> None:
    bad, good = loop.model(), loop.model()
    loop.aws.fail_next("s3", "PutObject", code="AccessDenied", status=403, times=50, matching="outcome.json")
    first, second = loop.run(loop.drift(bad)), loop.run(loop.drift(good))
    loop.aws.forget_faults()
    loop.aws.fail_next("s3", "PutObject", code="AccessDenied", status=403, times=50, matching=f"evidence/{bad}/")

    answer = loop.aws.client("lambda").invoke(
        FunctionName=loop.outputs["OrchestrationFunctionName"], Payload=json.dumps(SWEEP).encode()
    )

    assert "FunctionError" in answer
    assert loop.read(f"evidence/{good}/{second.name}/outcome.json")["outcome"] == "PROMOTED"
    loop.aws.forget_faults()
    sweep(loop)
    assert loop.read(f"evidence/{bad}/{first.name}/outcome.json")["outcome"] == "PROMOTED"


def test_a_run_stopped_between_the_update_and_its_verdict_freezes_and_pages(loop: Loop) -> None:
    model = loop.model()
    loop.aws.tell_endpoint(f"{model}-prod", None, seconds=4)
    arn = loop.start(loop.drift(model))
    loop.until(lambda: loop.endpoint_status(f"{model}-prod") == "Updating", within=20)
    with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
        stop(loop, arn)
        assert outcome(loop, arn) == "STOPPED"
        loop.until(lambda: any("frozen" in message["Subject"] for message in messages(2)))

    assert loop.item(f"INTENT#endpoint:{model}-prod", "INTENT")["state"]["S"] == "ABANDONED"  # type: ignore[index] # it is there
    assert "no bake has judged" in loop.item(f"MODEL#{model}", "STATE")["frozen_reason"]["S"]  # type: ignore[index] # same
    loop.until(lambda: serving(loop, model) != f"{model}-first")
    loop.end_cooldown(model)
    assert loop.run(loop.drift(model, observed=1.3)).output["outcome"] == "HOLD"
    assert loop.decisions(model)[-1]["reason"] == "FROZEN"


def test_an_approval_whose_first_try_failed_is_asked_for(loop: Loop) -> None:
    model = loop.model(approval={"training": "never", "promotion": "always"})
    loop.aws.fail_next(
        "dynamodb", "TransactWriteItems", code="InternalServerError", status=500, times=4, matching="APPROVAL#"
    )

    arn = loop.start(loop.drift(model))

    parked(loop, arn, "approval:promotion")
    assert "PROMOTION_APPROVAL_REQUESTED" in loop.statuses(run_of(arn))
    loop.approve(run_of(arn))
    assert loop.ended(arn).output["outcome"] == "PROMOTED"


def test_a_pending_signal_whose_execution_failed_is_raised_again(loop: Loop) -> None:
    model = loop.model(cooldown_hours=1)
    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"
    assert loop.run(loop.drift(model, observed=1.1)).output["outcome"] == "COALESCE"
    loop.aws.fail_next(
        "dynamodb", "TransactWriteItems", code="AccessDeniedException", times=1, matching="retraining_decision"
    )
    loop.aws.fail_next("dynamodb", "GetItem", code="AccessDeniedException", times=30, matching="RUN#pending-")
    loop.end_cooldown(model)
    sweep(loop, hours=8)
    loop.until(lambda: any(f"pending-{model}" in arn for arn in loop.executions()))
    failed = next(arn for arn in loop.executions() if f"pending-{model}" in arn)
    assert loop.ended(failed).status == "FAILED"
    loop.aws.forget_faults()

    def decided() -> bool:
        sweep(loop, hours=8)
        return any(
            record["run_id"] != failed and record["signal"]["source"] == "pending" for record in loop.decisions(model)
        )

    loop.until(decided)


def test_a_pending_signal_held_by_a_pause_is_kept(loop: Loop) -> None:
    model = loop.model(cooldown_hours=1)
    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"
    assert loop.run(loop.drift(model, observed=1.1)).output["outcome"] == "COALESCE"
    loop.end_cooldown(model)
    loop.operate({"action": "pause", "scope": f"model:{model}", "reason": "a story says so."})
    event = {"source": "mlops.retraining", "detail-type": "Pending Signal Due", "detail": {"model": model}}

    assert loop.run(event).output["outcome"] == "HOLD"

    loop.operate({"action": "unpause", "scope": f"model:{model}"})
    loop.until(lambda: loop.decisions(model)[-1]["decision"] == "RETRAIN")


def test_a_wait_that_is_taken_up_again_gets_the_answer_it_had(loop: Loop) -> None:
    """An approval decided while the workflow asks again with a new token is answered, not parked afresh."""
    model = loop.model(approval={"training": "always", "promotion": "never"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:training")
    loop.aws.fail_next("stepfunctions", "SendTaskSuccess", code="AccessDeniedException", status=400, times=20)
    with pytest.raises(AssertionError):
        loop.approve(run_of(arn))
    loop.aws.forget_faults()

    sweep(loop)

    assert loop.ended(arn).output["outcome"] == "PROMOTED"


def test_evidence_says_what_the_outcome_says_after_a_lost_answer(loop: Loop) -> None:
    model = loop.model(training=loop.training(loop.evaluation(BETTER, CHAMPION)))
    loop.aws.fail_next(
        "dynamodb",
        "TransactWriteItems",
        code="InternalServerError",
        status=500,
        times=4,
        after_effect=True,
        matching="VERDICT",
    )

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED"
    evidence = loop.read(f"evidence/{model}/{ended.name}/evaluation.json")
    assert evidence["answer"]["next"] == "promote"
    assert loop.read(f"evidence/{model}/{ended.name}/verification.json")["answer"]["outcome"] == "PROMOTED"


def test_a_run_that_was_redriven_before_it_was_settled_goes_on(loop: Loop) -> None:
    """Nobody closed it: it is its own run still, and an administrator's redrive takes it up."""
    model = loop.model(approval={"training": "always", "promotion": "never"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:training")
    rule = loop.rule("SettleRule")
    loop.aws.client("events").disable_rule(Name=rule)
    try:
        stop(loop, arn)
        loop.aws.client("stepfunctions").redrive_execution(executionArn=arn)
    finally:
        loop.aws.client("events").enable_rule(Name=rule)
    loop.until(lambda: loop.approve(run_of(arn))["decided"] or True)

    assert loop.ended(arn).output["outcome"] == "PROMOTED"
