"""Whether a processing job is a monitoring run: what it says against what SageMaker lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.facts import decision_again
from orchestration.domain.contracts import Decision, PolicyAction, Severity, SignalKind, SignalSource
from orchestration.domain.decision import ModelState, decide
from orchestration.domain.monitor_run import (
    ListedRun,
    ListedStep,
    PipelineCheck,
    RunClaim,
    RunListing,
    RunProof,
    StepListing,
    listed_step,
    prove_check,
    prove_run,
)
from orchestration.domain.policy import parse_policy, policy_record, policy_sha256
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Signal, Threshold, asker_of, record_unproven
from tests.unit.fakes import NOON, SETTINGS

CLAIM = RunClaim("arn:job", "fraud-schedule", "fraud-prod")
LISTED = ListedRun("arn:job", "fraud-schedule", "fraud-prod")
SIGNAL = Signal("1", SignalSource.MODEL_MONITOR, SignalKind.DRIFT, "fraud", "It drifts.", "")


def test_what_sagemaker_lists_as_it_is_said_is_proven_by_its_schedule() -> None:
    proof = prove_run(CLAIM, RunListing(LISTED))
    assert proof.proven_by == "monitoring schedule fraud-schedule"
    assert proof.reason == "SageMaker lists that schedule fraud-schedule ran this job on fraud-prod."


@pytest.mark.parametrize(
    ("claim", "listing", "why"),
    [
        (CLAIM, RunListing(), "SageMaker does not list that schedule fraud-schedule ran this job on fraud-prod"),
        (
            CLAIM,
            RunListing(refused="AccessDeniedException"),
            "SageMaker does not say (AccessDeniedException): allow the orchestration function's role sagemaker:ListMonitoringExecutions.",
        ),
        (CLAIM, RunListing(LISTED, refused="AccessDeniedException"), "SageMaker does not say"),
        (CLAIM, RunListing(replace(LISTED, job_arn="arn:other")), "not that schedule fraud-schedule"),
        (CLAIM, RunListing(replace(LISTED, schedule="other")), "as a run of other on fraud-prod"),
        (CLAIM, RunListing(replace(LISTED, schedule=None)), "not that schedule fraud-schedule"),
        (CLAIM, RunListing(replace(LISTED, endpoint="other")), "as a run of fraud-schedule on other"),
        (CLAIM, RunListing(replace(LISTED, endpoint=None)), "not that schedule fraud-schedule"),
        (replace(CLAIM, job_arn=None), RunListing(LISTED), "does not name itself"),
        (replace(CLAIM, schedule=None), RunListing(LISTED), "does not name itself"),
        (
            replace(CLAIM, endpoint=None),
            RunListing(LISTED),
            "as a run of fraud-schedule on fraud-prod, not that schedule",
        ),
        (
            replace(CLAIM, endpoint=None),
            RunListing(),
            "SageMaker does not list that schedule fraud-schedule ran this job (looked",
        ),
        (CLAIM, RunListing(replace(LISTED, endpoint=None)), "as a run of fraud-schedule on no endpoint, not that"),
    ],
)
def test_what_is_not_known_is_not_proven_and_says_why_and_what_to_do(
    claim: RunClaim, listing: RunListing, why: str
) -> None:
    proof = prove_run(claim, listing)
    assert proof.proven_by is None
    assert why in proof.reason
    assert "see in CloudTrail who created the job" in proof.reason


def test_a_run_on_batch_transforms_is_proven_by_its_schedule_too() -> None:
    proof = prove_run(replace(CLAIM, endpoint=None), RunListing(replace(LISTED, endpoint=None)))
    assert proof == RunProof(
        "monitoring schedule fraud-schedule", "SageMaker lists that schedule fraud-schedule ran this job."
    )


def step(name: str | None = "Check", **metadata: Any) -> dict[str, Any]:
    return {"StepName": name, "Metadata": metadata}


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([], None),
        ([{}], None),
        ([step(QualityCheck={"CheckJobArn": "arn:other"})], None),
        ([step(QualityCheck={"CheckJobArn": "arn:job"})], ListedStep("Check", checks=True)),
        ([step(ClarifyCheck={"CheckJobArn": "arn:job", "SkipCheck": False})], ListedStep("Check", checks=True)),
        ([step(QualityCheck={"CheckJobArn": "arn:job", "SkipCheck": True})], ListedStep("Check", checks=False)),
        ([step(ProcessingJob={"Arn": "arn:job"})], ListedStep("Check", checks=False)),
        (
            [step(ProcessingJob={"Arn": "arn:other"}), step("B", ClarifyCheck={"CheckJobArn": "arn:job"})],
            ListedStep("B", checks=True),
        ),
        ([step(None, QualityCheck={"CheckJobArn": "arn:job"})], ListedStep("(unnamed)", checks=True)),
        ([step(TrainingJob={"Arn": "arn:job"})], None),
    ],
)
def test_a_pipelines_step_says_which_job_was_its_check(steps: list[dict[str, Any]], found: ListedStep | None) -> None:
    assert listed_step(steps, "arn:job") == found


def test_a_check_is_proven_by_the_step_that_lists_it() -> None:
    check = PipelineCheck(
        "arn:aws:sagemaker:us-east-1:1:pipeline/scoring", "fraud", listing=StepListing(ListedStep("Check", checks=True))
    )
    said = "step Check of pipeline scoring"
    assert prove_check(check) == RunProof(said, f"SageMaker lists that {said} ran this job.")
    for listing in (
        StepListing(),
        StepListing(ListedStep("Check", checks=False)),
        StepListing(refused="AccessDeniedException"),
    ):
        assert prove_check(replace(check, listing=listing)).proven_by is None
    refused = prove_check(replace(check, listing=StepListing(refused="AccessDeniedException"))).reason
    assert (
        "(AccessDeniedException): allow the orchestration function's role sagemaker:ListPipelineExecutionSteps. "
        in refused
    )


@pytest.mark.parametrize(
    ("source", "origin", "proven_by", "unproven"),
    [
        (SignalSource.MODEL_MONITOR, None, None, True),
        (SignalSource.MODEL_MONITOR, None, "monitoring schedule x", False),
        (SignalSource.PENDING, SignalSource.MODEL_MONITOR, None, True),
        (SignalSource.PENDING, SignalSource.MODEL_MONITOR, "monitoring schedule x", False),
        (SignalSource.PENDING, SignalSource.ALARM, None, False),
        (SignalSource.ALARM, None, None, False),
        (SignalSource.DRIFT_REPORT, None, None, False),
    ],
)
def test_only_what_a_monitor_is_said_to_have_found_needs_a_proof(
    source: SignalSource, origin: SignalSource | None, proven_by: str | None, *, unproven: bool
) -> None:
    signal = replace(SIGNAL, source=source, origin=origin, proven_by=proven_by)
    assert signal.unproven is unproven
    assert record_unproven(signal.as_record()) is unproven
    assert Signal.of(signal.as_record()).unproven is unproven


def test_a_record_of_the_release_before_proves_no_run() -> None:
    record = SIGNAL.as_record()
    del record["proven_by"]
    assert record_unproven(record)


@pytest.mark.parametrize("source", [{"source": SignalSource.MODEL_MONITOR}, {"origin": SignalSource.MODEL_MONITOR}])
def test_the_audit_does_not_decide_a_monitors_record_of_the_release_before_again(source: Any) -> None:
    """That release took the job's word; from this one on the record says what proved the run."""
    drifted = replace(SIGNAL, **{"source": SignalSource.PENDING, **source})
    policy = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    verdict = decide(replace(drifted, proven_by="monitoring schedule x"), policy, ModelState(), NOON)
    record = {
        **verdict.as_record(),
        "signal": drifted.as_record(),
        "inputs": {
            "policy": {"effective": policy_record(policy), "sha256": policy_sha256(policy)},
            "state": ModelState().as_record(),
            "now": NOON.isoformat(),
        },
    }
    forged = {**record, "approval": {"needed": not verdict.approval_needed, "approvals_needed": 1}}
    assert decision_again(forged) is not None
    before = {name: value for name, value in record["signal"].items() if name != "proven_by"}
    assert decision_again({**forged, "signal": before}) is None


@pytest.mark.parametrize("training", ["never", "by-severity", "always"])
@pytest.mark.parametrize("action", [PolicyAction.APPROVE, PolicyAction.RETRAIN])
@pytest.mark.parametrize(("observed", "approvals"), [(0.3, 1), (0.9, 2)], ids=["warning", "critical"])
def test_what_is_not_proven_is_asked_about_by_as_many_as_its_severity_wants_whatever_the_policy_says(
    observed: float, approvals: int, action: PolicyAction, training: Any
) -> None:
    given = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    approval = replace(given.approval, training=training, approvals_needed=2)
    policy = replace(given, actions=dict.fromkeys(Severity, action), approval=approval)
    verdict = decide(replace(SIGNAL, threshold=Threshold("psi", observed, 0.2)), policy, ModelState(), NOON)
    assert (verdict.decision, verdict.approval_needed) == (Decision.RETRAIN, True)
    assert verdict.approvals_needed == approvals
    assert "If the monitor of fraud did run, approve; if not, reject." in verdict.sentence


def test_what_is_not_proven_is_observed_where_the_policy_observes() -> None:
    given = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    policy = replace(given, actions=dict.fromkeys(Severity, PolicyAction.OBSERVE))
    assert decide(SIGNAL, policy, ModelState(), NOON).decision is Decision.OBSERVE


@pytest.mark.parametrize(
    ("kind", "proven_by", "reason"),
    [
        (SignalKind.DATA_QUALITY, None, Reason.RUN_UNCONFIRMED),
        (SignalKind.DATA_QUALITY, "monitoring schedule x", Reason.BROKEN_DATA),
        (SignalKind.MONITOR_FAILURE, None, Reason.RUN_UNCONFIRMED),
        (SignalKind.MONITOR_FAILURE, "monitoring schedule x", Reason.MONITOR_FAILED),
    ],
)
def test_what_is_held_unproven_has_a_reason_of_its_own(kind: SignalKind, proven_by: str | None, reason: Reason) -> None:
    policy = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    verdict = decide(replace(SIGNAL, kind=kind, proven_by=proven_by), policy, ModelState(), NOON)
    assert (verdict.decision, verdict.reason) == (Decision.HOLD, reason)
    assert [guard.guard for guard in verdict.guards if guard.decision is not None] == ["data_quality"]


@pytest.mark.parametrize(("proven_by", "freezes"), [(None, False), ("monitoring schedule x", True)])
def test_what_is_not_proven_freezes_no_model(proven_by: str | None, freezes: bool) -> None:
    given = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    drifted = replace(SIGNAL, threshold=Threshold("psi", 0.9, 0.2), proven_by=proven_by)
    verdict = decide(drifted, replace(given, drift_again_hours=48), ModelState(promoted_at=NOON), NOON)
    assert verdict.freezes is freezes


def test_broken_data_that_the_policy_ignores_is_asked_about_when_it_is_not_proven() -> None:
    given = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    policy = replace(given, hold_on_data_quality=False, actions=dict.fromkeys(Severity, PolicyAction.RETRAIN))
    verdict = decide(replace(SIGNAL, kind=SignalKind.DATA_QUALITY), policy, ModelState(), NOON)
    assert (verdict.decision, verdict.approval_needed) == (Decision.RETRAIN, True)


def test_a_schedule_asks_for_nothing() -> None:
    """Who asked may not approve, and a link approves nothing that was asked for."""
    assert asker_of(replace(SIGNAL, proven_by="monitoring schedule x").as_record()) is None
    asked = replace(SIGNAL, source=SignalSource.MANUAL_REQUEST, kind=SignalKind.REQUEST)
    assert asker_of(replace(asked, proven_by="ada").as_record()) == "ada"
    assert asker_of(asked.as_record()) is None
