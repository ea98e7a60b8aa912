"""What the loop knows of SageMaker's API is what botocore knows: shapes that policies are held against, fields that are copied."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader

from ops.docs import WHOLE, main
from ops.service_shapes import service_shapes
from orchestration.domain.copied_fields import CONFIG_FIELDS, CONTAINER_FIELDS, MODEL_FIELDS, copied
from orchestration.domain.policy import POLICY_BYTES_LIMIT
from tests.contract.template import ROOT

DATA = ROOT / "src" / "orchestration" / "service_shapes.json"


@functools.cache
def model(service: str) -> Any:
    return Loader().load_service_model(service, "service-2")


def members(shape: str, service: str = "sagemaker") -> dict[str, str]:
    return {name: member["shape"] for name, member in model(service)["shapes"][shape]["members"].items()}


def asked(operation: str, service: str = "sagemaker") -> dict[str, str]:
    return members(model(service)["operations"][operation]["input"]["shape"], service)


def answered(operation: str) -> dict[str, str]:
    return members(model("sagemaker")["operations"][operation]["output"]["shape"])


def test_the_shapes_are_those_of_the_botocore_that_is_required() -> None:
    assert DATA.read_text(encoding="utf-8") == service_shapes()
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    required = re.search(r"^botocore==(\S+)", lock, re.MULTILINE)
    assert required is not None
    assert json.loads(DATA.read_text(encoding="utf-8"))["botocore"] == required[1] == botocore.__version__


def test_lint_says_when_the_shapes_are_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WHOLE, "src/orchestration/service_shapes.json", lambda: "{}")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == (
        "src/orchestration/service_shapes.json: what is generated in it is stale; run make docs\n"
    )


TABLES = {
    "endpoint config": (CONFIG_FIELDS, answered("DescribeEndpointConfig"), asked("CreateEndpointConfig")),
    "model": (MODEL_FIELDS, answered("DescribeModel"), asked("CreateModel")),
    "container": (CONTAINER_FIELDS, members("ContainerDefinition"), members("ContainerDefinition")),
}


@pytest.mark.parametrize("what", TABLES)
def test_every_field_that_is_described_and_can_be_given_is_copied_or_has_a_reason(what: str) -> None:
    fields, described, created = TABLES[what]
    assert set(fields) == described.keys() & created.keys()
    assert all(reason is None or re.fullmatch(r"[A-Z].+\.", reason) for reason in fields.values())


@pytest.mark.parametrize("what", TABLES)
def test_what_is_copied_is_described_in_the_shape_in_which_it_is_given(what: str) -> None:
    fields, described, created = TABLES[what]
    assert copied(fields)
    assert {name: described[name] for name in copied(fields)} == {name: created[name] for name in copied(fields)}


def test_what_is_copied_whole_has_one_shape_in_both() -> None:
    """Variants with all their members, and a schedule's config but for its baseline, whose every field is decided on."""
    variants = answered("DescribeEndpointConfig")["ProductionVariants"]
    assert variants == asked("CreateEndpointConfig")["ProductionVariants"]
    config = answered("DescribeMonitoringSchedule")["MonitoringScheduleConfig"]
    assert config == asked("UpdateMonitoringSchedule")["MonitoringScheduleConfig"]
    assert asked("UpdateMonitoringSchedule").keys() == {"MonitoringScheduleName", "MonitoringScheduleConfig"}
    assert members("MonitoringBaselineConfig").keys() == {
        "ConstraintsResource",
        "StatisticsResource",
        "BaseliningJobName",  # of the old baseline, so it goes
    }


def test_an_execution_takes_the_largest_input_that_a_policy_can_have() -> None:
    """Beside it stand the run's own keys, each an address or a name; what is sent has at most a character for each byte."""
    taken = model("stepfunctions")["shapes"][asked("StartExecution", "stepfunctions")["input"]]["max"]
    assert taken >= POLICY_BYTES_LIMIT + 20 * 2048
