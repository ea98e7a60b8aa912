"""Metric filters against log lines that the code really writes, in Lambda's own JSON format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from orchestration.domain.contracts import Decision, Status
from tests.contract import metric_filters
from tests.contract.life import ORCHESTRATION, World, living
from tests.contract.template import Template

FILTERS: Final = Template.read().resolve().of_type("AWS::Logs::MetricFilter")


Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The functions, and a table for each test."""
    with living() as world:
        yield world


def written(world: World) -> Lines:
    """What OrchestrationFunction logged since the last time somebody asked, as CloudWatch gets it."""
    lines = [line for function, line in world.log.lines if function == ORCHESTRATION]
    world.log.lines.clear()
    return lines


@pytest.fixture
def lines(world: World) -> Lines:
    """Lines of runs that are decided, wait and end, and of a sweep meanwhile."""
    world.begin_anew()
    written(world)
    run = world.admitted("tagged")
    assert world.word(world.park(run, "slot")) == "train"
    queued = world.admitted("fraud")
    world.park(queued, "slot")
    asked = world.admitted("asked")
    world.park(asked, "approval", "training")
    world.forward(hours=6)
    world.sweep()
    world.close(run)
    return written(world)


def measured(name: str, lines: Lines) -> list[tuple[float, dict[str, str]]]:
    """Values and dimensions that a filter makes of the lines."""
    return metric_filters.measured(FILTERS[name]["Properties"], lines)


def test_decisions_are_counted_by_kind(lines: Lines) -> None:
    assert measured("SignalsDecidedFilter", lines) == [(1.0, {"Decision": "RETRAIN"})] * 3


def test_ended_runs_are_counted_by_outcome_and_timed(lines: Lines) -> None:
    assert measured("RunsEndedFilter", lines) == [(1.0, {"Outcome": "FAILED"})]
    assert measured("RunSecondsFilter", lines) == [(6 * 3600.0, {})]


def test_what_waits_is_gauged_at_the_end_of_each_sweep(lines: Lines) -> None:
    assert measured("ApprovalsWaitingFilter", lines) == [(1.0, {})]
    assert measured("ApprovalWaitPercentFilter", lines) == [(25.0, {})], "6 of 24 hours"
    assert measured("OldestQueuedSecondsFilter", lines) == [(6 * 3600.0, {})]


def test_a_sweep_of_an_idle_stack_writes_one_metric_alone(world: World) -> None:
    """A metric costs for the hours in which it has data; the one that is left says that sweeps run."""
    world.begin_anew()
    world.outside.quiet = True
    world.sweep()
    written(world)
    world.sweep()
    swept = written(world)

    assert {name: found for name in FILTERS if (found := measured(name, swept))} == {
        "ApprovalsWaitingFilter": [(0.0, {})]
    }


def test_repairs_of_what_was_lost_are_counted(world: World) -> None:
    world.begin_anew()
    run = world.admitted()
    world.outside.executions[run.execution_arn] = {"status": "ABORTED"}
    world.forward(hours=1)
    written(world)

    repairs = world.sweep()

    assert repairs["dead_run_settled"] == 1
    assert len(measured("SweepRepairsFilter", written(world))) == sum(repairs.values())


def test_work_that_falls_due_by_the_clock_is_no_repair(world: World) -> None:
    world.begin_anew()
    world.sweep()
    world.write_policy("fraud", cooldown_hours=1)
    run = world.admitted()
    world.admit("keep a signal", world.drift())
    world.close(run)
    world.park(world.admitted("asked"), "approval", "training")
    written(world)
    world.outside.quiet = True
    world.forward(hours=25)

    repairs = world.sweep()

    assert repairs == {"pending_signal_raised": 1, "approval_advanced": 1}
    assert measured("SweepRepairsFilter", written(world)) == []


RAISES: Final = """
from awslambdaric import bootstrap
error = bootstrap.make_error("the endpoint is busy", "{error}", ["a line"], "request-1")
bootstrap.log_error(error, bootstrap.StandardLogSink())
"""


@pytest.mark.parametrize(("error", "counted"), [("NotAcceptedYetError", 1), ("KeyError", 0)])
def test_what_aws_does_not_take_yet_is_told_from_an_error_of_the_hand(error: str, counted: int) -> None:
    """In the line that Lambda's own runtime writes about an exception; its alarm takes them off the errors."""
    environment = {**os.environ, "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    command = [sys.executable, "-c", RAISES.format(error=error)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own

    for name in ("NotAcceptedYetFilter", "CopyGoesOnFilter"):
        assert measured(name, [json.loads(finished.stdout)]) == [(1.0, {})] * counted


def test_every_filter_has_a_test() -> None:
    assert set(FILTERS) == {
        "NotAcceptedYetFilter",
        "CopyGoesOnFilter",
        "SignalsDecidedFilter",
        "RunsEndedFilter",
        "RunSecondsFilter",
        "SweepRepairsFilter",
        "ApprovalsWaitingFilter",
        "ApprovalWaitPercentFilter",
        "OldestQueuedSecondsFilter",
    }


def test_a_field_is_taken_from_a_line_only_when_the_pattern_names_it() -> None:
    """CloudWatch Logs gives a filter no other field."""
    for name, resource in FILTERS.items():
        (transformation,) = resource["Properties"]["MetricTransformations"]
        taken = [str(transformation["MetricValue"])]
        taken += [dimension["Value"] for dimension in transformation.get("Dimensions", [])]
        for selector in taken:
            assert not selector.startswith("$") or f"{selector} = *" in resource["Properties"]["FilterPattern"], name


def test_dimensions_have_few_values_and_no_default() -> None:
    """CloudWatch refuses a default value beside dimensions, and bills every value of one as a metric of its own."""
    few = {"$.decision": len(Decision), "$.outcome": len(Status)}
    for name, resource in FILTERS.items():
        (transformation,) = resource["Properties"]["MetricTransformations"]
        for dimension in transformation.get("Dimensions", []):
            assert few[dimension["Value"]] < 50, name
            assert "DefaultValue" not in transformation
