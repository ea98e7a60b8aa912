"""Metric filters against log lines that the code really writes, in Lambda's own JSON format."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
from moto import mock_aws

from orchestration.actions.admit import admit
from orchestration.actions.close import close
from orchestration.actions.park import park
from orchestration.actions.sweep import sweep
from orchestration.domain.contracts import Decision, Status
from tests.contract.template import Template
from tests.unit.fakes import Cloud, World, drift, execution_arn, request

FILTERS: Final = Template.read().resolve().of_type("AWS::Logs::MetricFilter")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Give moto's DynamoDB and S3."""
    with mock_aws():
        yield Cloud()


@pytest.fixture
def lines(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Lines of a run that is decided, waits, is lost and ends, and of the sweeps meanwhile; as CloudWatch gets them."""
    caplog.set_level(logging.INFO, logger="orchestration")
    world = cloud.world(max_concurrent_trainings=1)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud"})
    train(world, "run-1", drift())
    train(world, "run-2", drift(model="fraud", dedupe_key="fraud"))
    approve(world, "run-2")
    world.clock.forward(hours=6)
    sweep({}, world.ports)
    execution = {"id": execution_arn("run-1"), "name": "run-1"}
    close({"run": {"run_id": "run-1"}, "execution": execution, "result": {"outcome": "TRAINED"}}, world.ports)
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == "orchestration"]


def train(world: World, run_id: str, event: dict[str, Any]) -> None:
    """Admit a signal and ask for a slot; the execution is gone afterwards, as far as Step Functions knows."""
    run = admit(request(event, run_id), world.ports)["run"]
    execution = {"id": execution_arn(run_id), "name": run_id}
    world.executions.statuses[execution["id"]] = "RUNNING"
    park({"kind": "slot", "subject": "training", "token": run_id, "run": run, "execution": execution}, world.ports)


def approve(world: World, run_id: str) -> None:
    """Ask people about a run."""
    execution = {"id": execution_arn(run_id), "name": run_id}
    run = {"run_id": run_id, "model": "fraud", "reason": "drift"}
    park(
        {"kind": "approval", "subject": "promotion", "token": "approval", "run": run, "execution": execution},
        world.ports,
    )


def matches(pattern: str, line: dict[str, Any]) -> bool:
    """Evaluate the part of CloudWatch Logs' pattern language that the template uses."""
    body = re.fullmatch(r"\{ (.+) \}", pattern)
    assert body, pattern
    for term in body[1].split(" && "):
        if equal := re.fullmatch(r'\$\.(\w+) = "(\w+)"', term):
            if line.get(equal[1]) != equal[2]:
                return False
        elif true := re.fullmatch(r"\$\.(\w+) IS TRUE", term):
            if line.get(true[1]) is not True:
                return False
        elif there := re.fullmatch(r"\$\.(\w+) = \*", term):
            if there[1] not in line:
                return False
        else:
            raise AssertionError(f"{term} is unknown to this reader")
    return True


def measured(name: str, lines: list[dict[str, Any]]) -> list[tuple[float, dict[str, str]]]:
    """Values and dimensions that a filter makes of the lines."""
    properties = FILTERS[name]["Properties"]
    (transformation,) = properties["MetricTransformations"]
    value = str(transformation["MetricValue"])
    found = []
    for line in lines:
        if not matches(properties["FilterPattern"], line):
            continue
        number = float(line[value.removeprefix("$.")]) if value.startswith("$.") else float(value)
        dimensions = {
            entry["Key"]: line[entry["Value"].removeprefix("$.")] for entry in transformation.get("Dimensions", [])
        }
        found.append((number, dimensions))
    return found


def test_decisions_are_counted_by_kind(lines: list[dict[str, Any]]) -> None:
    assert measured("SignalsDecidedFilter", lines) == [(1.0, {"Decision": "RETRAIN"})] * 2


def test_ended_runs_are_counted_by_outcome_and_timed(lines: list[dict[str, Any]]) -> None:
    assert measured("RunsEndedFilter", lines) == [(1.0, {"Outcome": "TRAINED"})]
    ((seconds, _),) = measured("RunSecondsFilter", lines)
    assert 6 * 3600 <= seconds < 6 * 3600 + 60


def test_what_waits_is_gauged_at_the_end_of_each_sweep(lines: list[dict[str, Any]]) -> None:
    ((waiting, _),) = measured("ApprovalsWaitingFilter", lines)
    ((percent, _),) = measured("ApprovalWaitPercentFilter", lines)
    ((queued, _),) = measured("OldestQueuedSecondsFilter", lines)

    assert waiting == 1
    assert percent == 25, "6 of 24 hours"
    assert 6 * 3600 <= queued < 6 * 3600 + 60


def test_repairs_of_what_was_lost_are_counted(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="orchestration")
    world = cloud.world()
    train(world, "run-1", drift())
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    world.clock.forward(hours=1)

    repairs = sweep({}, world.ports)["repairs"]

    found = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert repairs["dead_run_settled"] == 1
    assert len(measured("SweepRepairsFilter", found)) == sum(repairs.values())


def test_work_that_falls_due_by_the_clock_is_no_repair(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="orchestration")
    world = cloud.world()
    train(world, "run-1", drift())
    admit(request(drift(dedupe_key="later"), "run-2"), world.ports)
    execution = {"id": execution_arn("run-1"), "name": "run-1"}
    close({"run": {"run_id": "run-1"}, "execution": execution, "result": {"outcome": "TRAINED"}}, world.ports)
    world.clock.forward(hours=25)

    repairs = sweep({}, world.ports)["repairs"]

    found = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert repairs == {"pending_signal_raised": 1}
    assert measured("SweepRepairsFilter", found) == []


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

    assert measured("NotAcceptedYetFilter", [json.loads(finished.stdout)]) == [(1.0, {})] * counted


def test_every_filter_has_a_test() -> None:
    assert set(FILTERS) == {
        "NotAcceptedYetFilter",
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
