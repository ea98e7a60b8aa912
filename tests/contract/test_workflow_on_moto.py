"""Every path of the state machine on a second interpreter: each terminal, each catch, and together all states."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from tests.contract.asl_on_moto import PathResult, Return, Throw, run_on_moto

DEFINITION = Path(__file__).parents[2] / "statemachine.asl.json"
PLACEHOLDERS = {
    "Partition": "aws",
    "OrchestrationFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:orchestration",
    "EscalationTopicArn": "arn:aws:sns:eu-west-1:111122223333:escalation",
    "RunbookUrl": "docs/runbook.md",
}
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/fraud/7"
BUSY = Throw("SageMaker.SageMakerException", "Cannot update in-progress endpoint")
LOST = Throw("SageMaker.SdkClientException", "the connection broke")
GONE = Throw("Lambda.AccessDeniedException", "not allowed")
ALARM_TOPIC = Return({"MessageId": "m-1"})
Script = dict[str, list[Return | Throw]]


def machine() -> dict[str, Any]:
    text = DEFINITION.read_text(encoding="utf-8")
    for name, value in PLACEHOLDERS.items():
        text = text.replace(f"${{{name}}}", value)
    definition: dict[str, Any] = json.loads(text)
    return definition


STATES: dict[str, dict[str, Any]] = machine()["States"]
VISITED: set[str] = set()
CAUGHT: set[tuple[str, str]] = set()


def payload(value: Any) -> Return:
    return Return({"Payload": value})


def admitted(*, approval: bool = False, decision: str = "RETRAIN", **training: Any) -> Return:
    target = {
        "kind": "state_machine",
        "target": "arn:aws:states:eu-west-1:111122223333:stateMachine:train",
        "input": {"run_id": "run"},
        "execution_arn": "arn:aws:states:eu-west-1:111122223333:execution:train:token",
        **training,
    }
    run = {
        "run_id": "run",
        "model": "fraud",
        "manifest_uri": "s3://b/m.json",
        "idempotency_token": "token",
        "approval_needed": approval,
        "training": target,
    }
    return payload({"decision": decision, "run": run, "output": {"run_id": "run", "reason": "because"}})


ENDPOINT_PLAN = {
    "kind": "endpoint",
    "endpoint": "fraud-prod",
    "previous_config": "old",
    "wanted_config": "new",
    "create_model": {"ModelName": "new"},
    "create_endpoint_config": {"EndpointConfigName": "new"},
    "update_endpoint": {"EndpointName": "fraud-prod", "EndpointConfigName": "new"},
    "roll_back": {"EndpointName": "fraud-prod", "EndpointConfigName": "old"},
    "bake_seconds": 600,
    "alarms": ["fraud-5xx"],
}
PIPELINE_PLAN = {
    "kind": "pipeline",
    "target": "arn:aws:states:eu-west-1:111122223333:stateMachine:deploy",
    "execution_name": "new",
    "execution_arn": "arn:aws:states:eu-west-1:111122223333:execution:deploy:new",
    "input": {"stage": "prod"},
}
REGISTRY_PLAN = {"kind": "registry", "model_package_arn": PACKAGE}


def evaluated(
    plan: dict[str, Any] | None = None,
    *,
    passed: bool = True,
    package: str | None = None,
    approval: bool = False,
    outcome: str = "PROMOTED",
) -> Return:
    return payload(
        {
            "passed": passed,
            "sentence": "All gates passed.",
            "approval_needed": approval,
            "promotion": plan or ENDPOINT_PLAN,
            "model_package_arn": package,
            "reject_package": package if outcome == "CANDIDATE_REJECTED" else None,
            "result": {"outcome": outcome, "reason": "a sentence"},
        }
    )


def verified(outcome: str = "PROMOTED", *, roll_back: bool = False, baseline: Any = None) -> Return:
    healthy = outcome == "PROMOTED"
    result = {"outcome": outcome, "reason": "a sentence", "baseline": {"status": "LEFT", "sentence": "left"}}
    return payload({"healthy": healthy, "roll_back": roll_back, "baseline": baseline, "result": result})


def closed(outcome: str) -> Return:
    return payload({"outcome": outcome, "output": {"outcome": outcome, "reason": "a sentence"}})


DECIDED: Script = {"ReadRetrainingDecision": [admitted()], "AcquireTrainingSlot": [Return({"granted": True})]}
TRAINED: Script = {
    **DECIDED,
    "TriggerTrainingPipeline": [Return({"Output": {"model_data_url": "s3://b/m.tar.gz"}})],
    "ReleaseTrainingSlot": [payload({"released": True})],
    "EvaluateCandidate": [evaluated()],
}
SERVING: Script = {
    **TRAINED,
    "CreateCandidateModel": [Return({})],
    "CreateCandidateConfig": [Return({})],
    "UpdateEndpoint": [Return({})],
    "AwaitPromotion": [Return({"status": "IN_SERVICE", "reason": "serves"})],
    "AwaitBake": [Return({"status": "BAKED", "reason": "quiet"})],
    "VerifyPromotion": [verified()],
}
ROLLED_BACK: Script = {
    "RollBackEndpoint": [Return({})],
    "AwaitRollback": [Return({"status": "IN_SERVICE", "reason": "serves"})],
    "RecordOutcome": [closed("ROLLED_BACK")],
}


def with_package(script: Script) -> Script:
    return {**script, "EvaluateCandidate": [evaluated(package=PACKAGE)]}


def play(script: Script) -> PathResult:
    # moto parses the definition when it creates the machine and again when it runs it; once is enough, and half the time.
    with patch.object(StepFunctionsParserBackend, "_validate_definition", lambda definition: None):  # noqa: ARG005 - moto passes it by name
        result = run_on_moto(machine(), {"source": "mlops.drift"}, script)
    VISITED.update(result.states_visited)
    for before, after in zip(result.states_visited, result.states_visited[1:], strict=False):
        CAUGHT.add((before, after))
    return result


@functools.cache
def played(path: str) -> PathResult:
    """The result of a named path."""
    return play({**GOOD_ENDS, **BAD_ENDS}[path][0])


def retraining(kind: str, **training: Any) -> Script:
    """A run up to its slot with a SageMaker target."""
    return {**DECIDED, "ReadRetrainingDecision": [admitted(kind=kind, **training)]}


PIPELINE = retraining("sagemaker_pipeline", pipeline={"PipelineName": "p"})
JOB = retraining("training_job", request={"TrainingJobName": "token"})
AFTER_TRAINING: Script = {
    "ReleaseTrainingSlot": TRAINED["ReleaseTrainingSlot"],
    "EvaluateCandidate": [evaluated({"kind": "none"}, outcome="TRAINED")],
    "RecordOutcome": [closed("TRAINED")],
}
ENDED = {"Status": "SUCCEEDED", "Output": '{"model_data_url": "s3://b/m.tar.gz"}'}
COMPLETED = {
    "TrainingJobStatus": "Completed",
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m.tar.gz"},
    "AlgorithmSpecification": {},
}

GOOD_ENDS: dict[str, tuple[Script, str]] = {
    "nothing to do": ({"ReadRetrainingDecision": [admitted(decision="SKIP")]}, "NoRetrainingNeeded"),
    "not understood": ({"ReadRetrainingDecision": [admitted(decision="REJECT")]}, "SignalRejected"),
    "training approved": (
        {
            **SERVING,
            "ReadRetrainingDecision": [admitted(approval=True)],
            "RequestTrainingApproval": [Return({"decision": "APPROVED", "outcome": None, "reason": "yes"})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "training refused": (
        {
            "ReadRetrainingDecision": [admitted(approval=True)],
            "RequestTrainingApproval": [
                Return({"decision": "REJECTED", "outcome": "APPROVAL_REJECTED", "reason": "no"})
            ],
            "RecordOutcome": [closed("APPROVAL_REJECTED")],
        },
        "ApprovalRejected",
    ),
    "training approval silent": (
        {
            "ReadRetrainingDecision": [admitted(approval=True)],
            "RequestTrainingApproval": [Throw("States.Timeout")],
            "RecordOutcome": [closed("APPROVAL_EXPIRED")],
        },
        "ApprovalExpired",
    ),
    "no slot": (
        {
            **DECIDED,
            "AcquireTrainingSlot": [Return({"granted": False, "reason": "paused"})],
            "RecordOutcome": [closed("STOPPED")],
        },
        "RetrainingStopped",
    ),
    "promoted": ({**SERVING, "RecordOutcome": [closed("PROMOTED")]}, "ModelPromoted"),
    "promoted after the backstop of the bake": (
        {**SERVING, "AwaitBake": [Throw("States.Timeout")], "RecordOutcome": [closed("PROMOTED")]},
        "ModelPromoted",
    ),
    "promoted with package and baseline": (
        {
            **with_package(SERVING),
            "VerifyPromotion": [verified(baseline={"MonitoringScheduleName": "s"})],
            "ApprovePromotedPackage": [Return({})],
            "RefreshBaseline": [Return({})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "promoted though registry and monitor refuse": (
        {
            **with_package(SERVING),
            "VerifyPromotion": [verified(baseline={"MonitoringScheduleName": "s"})],
            "ApprovePromotedPackage": [Throw("SageMaker.ConflictException", "busy")],
            "RefreshBaseline": [Throw("SageMaker.SageMakerException", "no PassRole")],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "promoted after lost responses": (
        {
            **SERVING,
            "CreateCandidateModel": [LOST, Throw("SageMaker.SageMakerException", "already existing")],
            "ConfirmCandidateModel": [Return({})],
            "CreateCandidateConfig": [LOST, Throw("SageMaker.SageMakerException", "already existing")],
            "ConfirmCandidateConfig": [Return({})],
            "UpdateEndpoint": [LOST, BUSY],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "promotion approved": (
        {
            **SERVING,
            "EvaluateCandidate": [evaluated(approval=True)],
            "RequestPromotionApproval": [Return({"decision": "APPROVED", "outcome": None, "reason": "yes"})],
            "CheckPromotion": [payload({"clear": True, "result": {"outcome": "PROMOTED", "reason": "x"}})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "paused while people decided": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(approval=True)],
            "RequestPromotionApproval": [Return({"decision": "APPROVED", "outcome": None, "reason": "yes"})],
            "CheckPromotion": [payload({"clear": False, "result": {"outcome": "STOPPED", "reason": "paused"}})],
            "RecordOutcome": [closed("STOPPED")],
        },
        "RetrainingStopped",
    ),
    "promotion refused": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(approval=True, package=PACKAGE)],
            "RequestPromotionApproval": [
                Return({"decision": "REJECTED", "outcome": "APPROVAL_REJECTED", "reason": "no"})
            ],
            "RejectModelPackage": [Return({})],
            "RecordOutcome": [closed("APPROVAL_REJECTED")],
        },
        "ApprovalRejected",
    ),
    "promotion approval silent": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(approval=True)],
            "RequestPromotionApproval": [Throw("States.Timeout")],
            "RecordOutcome": [closed("APPROVAL_EXPIRED")],
        },
        "ApprovalExpired",
    ),
    "worse": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(passed=False, package=PACKAGE, outcome="CANDIDATE_REJECTED")],
            "RejectModelPackage": [Throw("SageMaker.ConflictException", "busy")],
            "RecordOutcome": [closed("CANDIDATE_REJECTED")],
        },
        "CandidateRejected",
    ),
    "registry": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(REGISTRY_PLAN)],
            "ApproveModelPackage": [Return({})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "deployment pipeline": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(PIPELINE_PLAN)],
            "TriggerDeploymentPipeline": [Return({"Status": "SUCCEEDED"})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "deployment that ended before": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(PIPELINE_PLAN)],
            "TriggerDeploymentPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmDeploymentExecution": [Return({"Status": "SUCCEEDED"})],
            "RecordOutcome": [closed("PROMOTED")],
        },
        "ModelPromoted",
    ),
    "training that ended before": (
        {
            **TRAINED,
            **AFTER_TRAINING,
            "TriggerTrainingPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmTrainingExecution": [Return(ENDED)],
        },
        "RetrainingCompleted",
    ),
    "SageMaker pipeline": (
        {
            **PIPELINE,
            **AFTER_TRAINING,
            "TriggerSageMakerPipeline": [LOST, Return({"PipelineExecutionArn": "arn:p"})],
            "AwaitSageMakerPipeline": [Return({"status": "SUCCEEDED", "model_data_url": "s3://b/m.tar.gz"})],
        },
        "RetrainingCompleted",
    ),
    "training job": (
        {**JOB, **AFTER_TRAINING, "RunTrainingJob": [Return(COMPLETED)]},
        "RetrainingCompleted",
    ),
    "training job of a lost response": (
        {
            **JOB,
            **AFTER_TRAINING,
            "RunTrainingJob": [LOST, Throw("SageMaker.ResourceInUseException")],
            "AwaitTrainingJob": [Return({"status": "SUCCEEDED", "model_data_url": "s3://b/m.tar.gz"})],
        },
        "RetrainingCompleted",
    ),
}


@pytest.mark.parametrize("path", GOOD_ENDS)
def test_good_ends_succeed(path: str) -> None:
    terminal = GOOD_ENDS[path][1]

    result = played(path)

    assert (result.status, result.states_visited[-1]) == ("SUCCEEDED", terminal), result


CHILD_FAILED = Throw("States.TaskFailed", '{"Status": "FAILED"}')
TRAINING_FAILED: Script = {"RecordOutcome": [closed("TRAINING_FAILED")]}
FAILED: Script = {"RecordFailure": [closed("FAILED")]}

BAD_ENDS: dict[str, tuple[Script, str]] = {
    "not decided": ({"ReadRetrainingDecision": [GONE], **FAILED}, "RetrainingFailed"),
    "training approval not parked": (
        {"ReadRetrainingDecision": [admitted(approval=True)], "RequestTrainingApproval": [GONE], **FAILED},
        "RetrainingFailed",
    ),
    "slot not parked": ({**DECIDED, "AcquireTrainingSlot": [GONE], **FAILED}, "RetrainingFailed"),
    "training failed": ({**DECIDED, "TriggerTrainingPipeline": [CHILD_FAILED], **TRAINING_FAILED}, "TrainingFailed"),
    "training timed out": (
        {
            **DECIDED,
            "TriggerTrainingPipeline": [Throw("States.TaskFailed", '{"Status": "ABORTED"}')],
            "RecordOutcome": [closed("TRAINING_TIMED_OUT")],
        },
        "TrainingTimedOut",
    ),
    "training that failed before": (
        {
            **DECIDED,
            "TriggerTrainingPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmTrainingExecution": [Return({"Status": "FAILED", "Error": "DataGone"})],
            **TRAINING_FAILED,
        },
        "TrainingFailed",
    ),
    "training that cannot be confirmed": (
        {
            **DECIDED,
            "TriggerTrainingPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmTrainingExecution": [GONE],
            **TRAINING_FAILED,
        },
        "TrainingFailed",
    ),
    "SageMaker pipeline not started": (
        {**PIPELINE, "TriggerSageMakerPipeline": [Throw("SageMaker.ResourceNotFoundException")], **TRAINING_FAILED},
        "TrainingFailed",
    ),
    "SageMaker pipeline failed": (
        {
            **PIPELINE,
            "TriggerSageMakerPipeline": [Return({"PipelineExecutionArn": "arn:p"})],
            "AwaitSageMakerPipeline": [Throw("PipelineFailed", "step train")],
            **TRAINING_FAILED,
        },
        "TrainingFailed",
    ),
    "training job failed": ({**JOB, "RunTrainingJob": [CHILD_FAILED], **TRAINING_FAILED}, "TrainingFailed"),
    "training job of a lost response failed": (
        {
            **JOB,
            "RunTrainingJob": [Throw("SageMaker.ResourceInUseException")],
            "AwaitTrainingJob": [Throw("TrainingJobFailed", "oom")],
            **TRAINING_FAILED,
        },
        "TrainingFailed",
    ),
    "slot not released": ({**TRAINED, "ReleaseTrainingSlot": [GONE], **FAILED}, "RetrainingFailed"),
    "not evaluated": ({**TRAINED, "EvaluateCandidate": [GONE], **FAILED}, "RetrainingFailed"),
    "promotion approval not parked": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(approval=True)],
            "RequestPromotionApproval": [GONE],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "promotion not checked": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(approval=True)],
            "RequestPromotionApproval": [Return({"decision": "APPROVED", "outcome": None, "reason": "yes"})],
            "CheckPromotion": [GONE],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "package not approved": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(REGISTRY_PLAN)],
            "ApproveModelPackage": [Throw("SageMaker.ConflictException")],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "deployment failed": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(PIPELINE_PLAN)],
            "TriggerDeploymentPipeline": [CHILD_FAILED],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "deployment that failed before": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(PIPELINE_PLAN)],
            "TriggerDeploymentPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmDeploymentExecution": [Return({"Status": "FAILED"})],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "deployment that cannot be confirmed": (
        {
            **TRAINED,
            "EvaluateCandidate": [evaluated(PIPELINE_PLAN)],
            "TriggerDeploymentPipeline": [Throw("StepFunctions.ExecutionAlreadyExistsException")],
            "ConfirmDeploymentExecution": [GONE],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "model not created": (
        {**TRAINED, "CreateCandidateModel": [GONE], **FAILED},
        "RetrainingFailed",
    ),
    "model refused": (
        {
            **TRAINED,
            "CreateCandidateModel": [Throw("SageMaker.SageMakerException", "no such image")],
            "ConfirmCandidateModel": [Throw("SageMaker.SageMakerException", "could not find model")],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "config not created": ({**SERVING, "CreateCandidateConfig": [GONE], **FAILED}, "RetrainingFailed"),
    "config refused": (
        {
            **SERVING,
            "CreateCandidateConfig": [Throw("SageMaker.SageMakerException", "no capacity")],
            "ConfirmCandidateConfig": [Throw("SageMaker.SageMakerException", "could not find config")],
            **FAILED,
        },
        "RetrainingFailed",
    ),
    "promotion not parked": ({**SERVING, "AwaitPromotion": [GONE], **ROLLED_BACK}, "RolledBack"),
    "rolled back by SageMaker": (
        {
            **SERVING,
            "AwaitPromotion": [Return({"status": "ROLLED_BACK", "reason": "alarm"})],
            "RecordOutcome": [closed("ROLLED_BACK")],
        },
        "RolledBack",
    ),
    "package rolled back by SageMaker": (
        {
            **with_package(SERVING),
            "AwaitPromotion": [Return({"status": "ROLLED_BACK", "reason": "alarm"})],
            "RejectModelPackage": [Return({})],
            "RecordOutcome": [closed("ROLLED_BACK")],
        },
        "RolledBack",
    ),
    "update failed": (
        {**SERVING, "AwaitPromotion": [Return({"status": "FAILED", "reason": "Failed"})], **ROLLED_BACK},
        "RolledBack",
    ),
    "bake not parked": ({**SERVING, "AwaitBake": [GONE], **ROLLED_BACK}, "RolledBack"),
    "bad bake": (
        {
            **with_package(SERVING),
            "AwaitBake": [Return({"status": "UNHEALTHY", "reason": "alarm"})],
            "VerifyPromotion": [verified("ROLLED_BACK", roll_back=True)],
            **ROLLED_BACK,
            "RejectModelPackage": [Return({})],
        },
        "RolledBack",
    ),
    "bake that SageMaker ended": (
        {
            **with_package(SERVING),
            "VerifyPromotion": [verified("ROLLED_BACK")],
            "RejectModelPackage": [Return({})],
            "RecordOutcome": [closed("ROLLED_BACK")],
        },
        "RolledBack",
    ),
    "bake that somebody else ended": (
        {**SERVING, "VerifyPromotion": [verified("FAILED")], "RecordOutcome": [closed("FAILED")]},
        "RetrainingFailed",
    ),
    "not verified": ({**SERVING, "VerifyPromotion": [GONE], **ROLLED_BACK}, "RolledBack"),
    "rollback refused and not needed": (
        {
            **SERVING,
            "VerifyPromotion": [verified("ROLLED_BACK", roll_back=True)],
            **ROLLED_BACK,
            "RollBackEndpoint": [BUSY] * 11,
        },
        "RolledBack",
    ),
    "rollback failed": (
        {
            **SERVING,
            "VerifyPromotion": [verified("ROLLED_BACK", roll_back=True)],
            **ROLLED_BACK,
            "AwaitRollback": [Return({"status": "FAILED", "reason": "Failed"})],
            "RecordOutcome": [closed("ROLLBACK_FAILED")],
        },
        "RollbackFailed",
    ),
    "rollback not parked": (
        {
            **SERVING,
            "VerifyPromotion": [verified("ROLLED_BACK", roll_back=True)],
            **ROLLED_BACK,
            "AwaitRollback": [GONE],
            "RecordOutcome": [closed("ROLLBACK_FAILED")],
        },
        "RollbackFailed",
    ),
    "outcome not recorded": (
        {**SERVING, "RecordOutcome": [GONE], "EscalateUnrecorded": [ALARM_TOPIC]},
        "RetrainingFailed",
    ),
    "failure not recorded and nobody told": (
        {
            "ReadRetrainingDecision": [GONE],
            "RecordFailure": [GONE],
            "EscalateUnrecorded": [Throw("SNS.AuthorizationErrorException", "no")],
        },
        "RetrainingFailed",
    ),
}


@pytest.mark.parametrize("path", BAD_ENDS)
def test_bad_ends_fail_under_their_own_name_and_with_a_cause(path: str) -> None:
    terminal = BAD_ENDS[path][1]

    result = played(path)

    assert (result.status, result.error, result.states_visited[-1]) == ("FAILED", terminal, terminal), result
    assert result.cause


def told_by(result: PathResult) -> dict[str, Any]:
    """What a run tells its recorder."""
    arguments = (result.task_inputs.get("RecordOutcome") or result.task_inputs["RecordFailure"])[-1]
    told: dict[str, Any] = arguments["Payload"]["result"]
    return told


def test_a_refused_refresh_is_in_the_record_beside_the_promotion() -> None:
    told = told_by(played("promoted though registry and monitor refuse"))

    assert told["outcome"] == "PROMOTED"
    assert told["baseline"]["status"] == "FAILED"
    assert "no PassRole" in told["baseline"]["sentence"]


def test_a_lost_response_leaves_no_trace_in_the_result() -> None:
    told = told_by(played("promoted after lost responses"))

    assert (told["outcome"], told["reason"]) == ("PROMOTED", "a sentence")


def test_a_foreign_execution_under_the_runs_name_is_named_in_the_reason() -> None:
    script: Script = {
        **BAD_ENDS["training that failed before"][0],
        "ConfirmTrainingExecution": [Return({"Status": "RUNNING"})],
    }

    told = told_by(play(script))

    assert told["outcome"] == "TRAINING_FAILED"
    assert "was not started by this run" in told["reason"]


def test_after_a_failed_rollback_the_endpoint_is_left_alone() -> None:
    result = played("rollback failed")

    after = result.states_visited[result.states_visited.index("RollbackChoice") + 1 :]
    assert after == ("RecordOutcome", "OutcomeChoice", "RollbackFailed")


def test_the_paths_above_visit_every_state_and_take_every_catch() -> None:
    for path in [*GOOD_ENDS, *BAD_ENDS]:
        played(path)

    assert set(STATES) - VISITED == set()
    assert _catches() - CAUGHT == set()


def _catches() -> set[tuple[str, str]]:
    """Every state with the states its catches lead to."""
    return {(name, catch["Next"]) for name, state in STATES.items() for catch in state.get("Catch", [])}
