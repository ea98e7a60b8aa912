"""Verify: judge a promotion while it bakes and after it; plan the refresh of the monitor's baseline.

Judging reads; the state machine changes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.domain.bake import BakeVerdict, judge_bake
from orchestration.domain.baseline import plan_baseline_refresh
from orchestration.domain.contracts import Status
from orchestration.domain.json_values import mapping, text
from orchestration.domain.records import evidence_key
from orchestration.steps.statuses import record_status

if TYPE_CHECKING:
    from orchestration.ports import Ports


def verify_promotion(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Judge a promotion after its bake.

    Args:
        request: ``{"run": $run, "promotion": <the plan>}``.
        ports: the outside.

    Returns:
        ``{"healthy", "roll_back", "baseline": <UpdateMonitoringSchedule request or None>, "result": {"outcome",
        "reason", "baseline": {"status", "sentence"}}}``.
    """
    run, plan = mapping(request.get("run")), mapping(request.get("promotion"))
    run_id, model = str(run["run_id"]), str(run["model"])

    verdict = judge_promotion(ports, run_id=run_id, model=model, plan=plan)
    answer: dict[str, Any] = {
        "healthy": verdict.healthy,
        "roll_back": verdict.roll_back,
        "baseline": None,
        "result": {"outcome": verdict.outcome, "reason": verdict.reason},
    }
    if verdict.healthy:
        schedule = text(plan.get("monitoring_schedule"), 63)
        refresh = plan_baseline_refresh(
            schedule,
            ports.sagemaker.monitoring_schedule(schedule) if schedule else None,
            statistics_uri=plan.get("baseline_statistics_uri"),
            constraints_uri=plan.get("baseline_constraints_uri"),
        )
        answer["baseline"] = refresh.request
        # What stands in the record unless the state machine refreshes it.
        answer["result"]["baseline"] = {
            "status": "REFRESHED" if refresh.request else "LEFT",
            "sentence": refresh.sentence,
        }

    ports.bucket.write_once(
        evidence_key(model, run_id, "verification"),
        {"run_id": run_id, "verified_at": ports.now().isoformat(), "answer": answer},
    )
    if verdict.healthy:
        record_status(
            ports,
            run_id=run_id,
            model=model,
            status=Status.PROMOTION_BAKED,
            severity=run.get("severity"),
            sentence=f"{verdict.reason} {int(plan.get('bake_seconds') or 0)} s of bake are over.",
            facts={"baseline": answer["result"]["baseline"]["sentence"]},
        )
    return answer


def judge_promotion(ports: Ports, *, run_id: str, model: str, plan: dict[str, Any]) -> BakeVerdict:
    """Gather what speaks for and against a candidate that serves, and judge it."""
    began = [row["at"] for row in ports.table.statuses(run_id) if row["status"] == Status.PROMOTION_STARTED]
    since = datetime.fromisoformat(began[0]) if began else ports.now()
    return judge_bake(
        ports.sagemaker.endpoint(str(plan["endpoint"])),
        endpoint=str(plan["endpoint"]),
        wanted_config=str(plan["wanted_config"]),
        previous_config=str(plan["previous_config"]),
        alarms=ports.alarms.watch(list(plan.get("alarms") or ()), since=since),
        pending=ports.table.model(model).pending,
        since=since,
    )
