"""Registry and baseline after a run: they follow its outcome, and what nobody may change or has changed is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.promotion import PromotionPlan, RegistryPlan
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from tests.unit.fake_services import Endpoint
from tests.unit.fakes import NOON, World
from tests.unit.stories import ENDPOINT, OLD, do
from tests.unit.test_evaluating import PACKAGE, pinned
from tests.unit.test_looking import ENDPOINT_PLAN, NEW

SCHEDULE = "fraud-monitor"
BASE = {"statistics": "s3://amzn-s3-demo-bucket/statistics.json", "constraints": "s3://amzn-s3-demo-bucket/c.json"}
PLAN = replace(
    ENDPOINT_PLAN,
    monitoring_schedule=SCHEDULE,
    baseline_statistics_uri=BASE["statistics"],
    baseline_constraints_uri=BASE["constraints"],
)
NOTHING = {"next": "record", "registry": None, "baseline": None}


def ended(
    world: World, outcome: Status, plan: PromotionPlan = PLAN, *, package: str | None = PACKAGE, live: str = NEW
) -> None:
    """A run whose candidate passed its gates, and whose last fact says this."""
    pinned(world)
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(live)
    world.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE}
    old = {"BaselineConfig": {"ConstraintsResource": {"S3Uri": "s3://old/c.json"}}}
    config = {"MonitoringJobDefinition": old, "ScheduleConfig": {}}
    world.sagemaker.schedules[SCHEDULE] = {"MonitoringScheduleConfig": config}
    verdict = CandidateVerdict(Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan, model_package_arn=package)
    assert world.table.store_candidate_verdict("run-1", verdict, [])
    at = NOON.isoformat()
    wait = Wait(WaitKind.ROLLBACK, "", "run-1", "fraud", "token", "arn", at, at, at)
    wait = settled(wait, Result(Next.FINISH, "It ended.", outcome))
    assert world.table.park(wait, look_due(world.ports, wait)) is None


def asked(world: World) -> int:
    return len(world.sagemaker.requests)


@pytest.mark.parametrize(
    ("outcome", "registry"),
    [
        (Status.PROMOTED, "Approved"),
        (Status.CANDIDATE_REJECTED, "Rejected"),
        (Status.APPROVAL_REJECTED, "Rejected"),
        (Status.APPROVAL_EXPIRED, "Rejected"),
        (Status.ROLLED_BACK, "Rejected"),
        (Status.STOPPED, None),
        (Status.SUPERSEDED, None),
        (Status.FAILED, None),
    ],
)
def test_the_registry_hears_of_a_candidate_that_is_good_or_is_not_and_of_no_other(
    outcome: Status, registry: str | None, world: World
) -> None:
    ended(world, outcome, live=NEW if outcome is Status.PROMOTED else OLD)
    said = do(world, "finish")
    assert said["registry"] == (f"{PACKAGE} is {registry}." if registry else None)
    if registry:
        (request,) = world.sagemaker.asked("UpdateModelPackage")
        assert request["ModelApprovalStatus"] == registry
    assert (said["baseline"] is not None) == (outcome is Status.PROMOTED)


def test_the_monitor_gets_the_baseline_of_what_was_promoted(world: World) -> None:
    ended(world, Status.PROMOTED, package=None)
    said = do(world, "finish")
    assert said["registry"] is None
    (request,) = world.sagemaker.asked("UpdateMonitoringSchedule")
    assert request["MonitoringScheduleConfig"]["MonitoringJobDefinition"]["BaselineConfig"] == {
        "StatisticsResource": {"S3Uri": BASE["statistics"]},
        "ConstraintsResource": {"S3Uri": BASE["constraints"]},
    }


def test_what_was_promoted_by_the_registry_has_no_endpoint_to_look_at(world: World) -> None:
    ended(world, Status.PROMOTED, RegistryPlan(PACKAGE))
    said = do(world, "finish")
    assert said["registry"] == f"{PACKAGE} is Approved."
    assert world.sagemaker.asked("UpdateMonitoringSchedule") == []


def test_where_somebody_else_deployed_since_registry_and_baseline_are_left(world: World) -> None:
    ended(world, Status.PROMOTED, live="hotfix")
    said = do(world, "finish")
    assert all("was left as it is: " in said[what] for what in ("registry", "baseline"))
    assert asked(world) == 0


def test_what_is_done_is_not_done_again(world: World) -> None:
    ended(world, Status.PROMOTED)
    said = do(world, "finish")
    count = asked(world)
    world.sagemaker.endpoints[ENDPOINT].live = "hotfix"
    assert do(world, "finish") == said
    assert asked(world) == count


@pytest.mark.parametrize("closes", [True, False])
def test_a_run_that_is_over_or_has_no_candidate_changes_nothing(closes: bool, world: World) -> None:
    if closes:
        ended(world, Status.PROMOTED)
        do(world, "close")
    else:
        pinned(world)
    assert do(world, "finish") == NOTHING
    assert world.table.finish_of("run-1") is None
    assert asked(world) == 0
