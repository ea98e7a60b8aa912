"""The monitor for newcomers beside the loop: its own stack, and its script as the processing job that its schedule starts.

Of Evidently there is what it said of such a window (``tests/dialects/evidently_monitor``), as a run leaves it that died before
it could send it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from ops.project import ROOT
from ops.stack_deployment import deploy, package
from tests.stack.loop import Ended, Loop

EXAMPLE: Final = ROOT / "examples" / "monitors" / "evidently"
RECORDED: Final = ROOT / "tests" / "dialects" / "evidently_monitor" / "recorded"
SCRIPT: Final = "monitors/evidently/monitor.py"


class Monitor:
    """A model under the loop with its deployed monitor."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.loop = loop
        self.model = loop.model(policy={"severity": {"warning": 1.0, "critical": 2.5}})
        loop.put(SCRIPT, (EXAMPLE / "monitor.py").read_bytes())
        packaged = package(
            EXAMPLE / "monitor.yaml", loop.data_bucket, folder / "monitor.yaml", environment=loop.aws.environment
        )
        self.outputs = deploy(
            packaged,
            f"monitor-{self.model}",
            {
                "Model": self.model,
                "EndpointName": f"{self.model}-prod",
                "AutomationBucket": loop.bucket,
                "DataBucket": loop.data_bucket,
                "DataPrefix": "fresh/%Y-%m-%d/",
                "BaselineKey": "champion/training.csv",
                "ReportPrefix": f"reports-of-{self.model}/",
                "Image": "evidently",
                "ScheduleState": "DISABLED",
            },
            environment=loop.aws.environment,
        )

    def measured(self, name: str, hour: str) -> None:
        """Evidently compared the window that ends in an hour, and its run died before it sent what it said."""
        report = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["report"]
        self.loop.put(f"reports-of-{self.model}/{self.model}/{hour}/report.json", report)

    def compare(self, window_end: str, **more: Any) -> Ended:
        """Have a window compared as the schedule does, and await the end."""
        scheduler = self.loop.aws.client("scheduler")
        target = scheduler.get_schedule(Name=self.outputs["MonitorScheduleName"])["Target"]
        assert target["Arn"] == self.outputs["MonitorStateMachineArn"]
        given = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", window_end))
        started = self.loop.aws.client("stepfunctions").start_execution(
            stateMachineArn=target["Arn"], input=json.dumps({**given, **more})
        )
        return self.loop.ended(started["executionArn"])

    def decisions(self, count: int) -> list[dict[str, Any]]:
        """So many decision records of the model, awaited."""
        found: list[dict[str, Any]] = self.loop.until(
            lambda: records if len(records := self.loop.decisions(self.model)) >= count else None
        )
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def monitor(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Monitor:
    return Monitor(loop, tmp_path_factory.mktemp("monitor"))


def test_a_newcomers_monitor_says_what_it_found_what_it_did_not_and_that_it_could_not_look(monitor: Monitor) -> None:
    loop, sagemaker = monitor.loop, monitor.loop.aws.client("sagemaker")

    # A quiet day is told, so that silence can be told from health.
    monitor.measured("no_drift", "2026-03-03T02")
    ended = monitor.compare("2026-03-03T02:15:00Z")
    assert ended.status == "SUCCEEDED", ended.cause
    (quiet,) = monitor.decisions(1)
    assert (quiet["decision"], quiet["reason"]) == ("SKIP", "NO_DRIFT")
    job = sagemaker.describe_processing_job(ProcessingJobName=f"{monitor.model}-drift-2026030302")
    assert job["ExitMessage"].startswith("No drift: 0 columns of 5000 rows drifted from ")

    # The same window again, as a schedule may start it: one job, and no second signal.
    assert monitor.compare("2026-03-03T02:15:00Z").status == "SUCCEEDED"
    # By hand as well, with a job of its own: the same signal.
    assert monitor.compare("2026-03-03T02:15:00Z", attempt=2).status == "SUCCEEDED"
    jobs = sagemaker.list_processing_jobs(NameContains=f"{monitor.model}-drift")["ProcessingJobSummaries"]
    assert len(jobs) == 2
    assert len(monitor.decisions(1)) == 1

    # A drifted day retrains, and what is promoted says whose baseline counts from now on.
    monitor.measured("strong_drift", "2026-03-04T02")
    assert monitor.compare("2026-03-04T02:15:00Z").status == "SUCCEEDED"
    drifted = monitor.decisions(2)[-1]
    assert (drifted["decision"], drifted["signal"]["dataset"]["window_end"]) == ("RETRAIN", "2026-03-04T02:00:00+00:00")
    (run_id,) = loop.until(lambda: [Path(key).stem for key in loop.keys(f"manifests/{monitor.model}/")])
    loop.until(lambda: "PROMOTED" in loop.statuses(run_id))

    # The next day nothing was measured: the run that serves left no baseline, and an older one would show what was cured.
    ended = monitor.compare("2026-03-05T02:15:00Z")
    assert (ended.status, ended.error) == ("FAILED", "ComparisonFailed")
    assert f"Run {run_id} serves, and its baseline is not there" in (ended.cause or "")
    failed = monitor.decisions(3)[-1]
    assert (failed["decision"], failed["reason"]) == ("HOLD", "MONITOR_FAILED")
    assert f"Run {run_id} serves" in failed["sentence"]


def test_a_job_that_never_begins_is_told_by_the_state_machine(monitor: Monitor) -> None:
    before = len(monitor.loop.decisions(monitor.model))
    monitor.loop.aws.fail_next(
        "sagemaker", "CreateProcessingJob", code="ValidationException", message="Could not access the image", times=9
    )

    ended = monitor.compare("2026-03-06T02:15:00Z")

    monitor.loop.aws.forget_faults()
    assert ended.status == "FAILED"
    failed = monitor.decisions(before + 1)[-1]
    assert (failed["decision"], failed["reason"]) == ("HOLD", "MONITOR_FAILED")
    assert "Could not access the image" in failed["sentence"]
