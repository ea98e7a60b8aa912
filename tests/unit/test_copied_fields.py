"""Every field that SageMaker describes of what serves, and takes for what is to serve, is copied or has a reason why not."""

from __future__ import annotations

import re

import pytest
from botocore.loaders import Loader

from orchestration.domain.copied_fields import CONFIG_FIELDS, CONTAINER_FIELDS, MODEL_FIELDS, PACKAGE_FIELDS, copied

MODEL = Loader().load_service_model("sagemaker", "service-2")


def members(shape: str) -> dict[str, str]:
    return {name: member["shape"] for name, member in MODEL["shapes"][shape]["members"].items()}


def asked(operation: str) -> dict[str, str]:
    return members(MODEL["operations"][operation]["input"]["shape"])


def answered(operation: str) -> dict[str, str]:
    return members(MODEL["operations"][operation]["output"]["shape"])


TABLES = {
    "endpoint config": (CONFIG_FIELDS, answered("DescribeEndpointConfig"), asked("CreateEndpointConfig")),
    "model": (MODEL_FIELDS, answered("DescribeModel"), asked("CreateModel")),
    "container": (CONTAINER_FIELDS, members("ContainerDefinition"), members("ContainerDefinition")),
    "package": (PACKAGE_FIELDS, members("ModelPackageContainerDefinition"), members("ContainerDefinition")),
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


def test_no_field_is_copied_both_of_a_package_and_of_the_champion() -> None:
    assert not {*copied(PACKAGE_FIELDS)} & {*copied(CONTAINER_FIELDS)}


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
