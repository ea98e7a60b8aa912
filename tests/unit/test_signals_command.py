"""What people see of everything that came in: decisions, rejections, and events that were ignored."""

from __future__ import annotations

import argparse
import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.signals import _since, signals
from ops.stack import OperatorError, Stack
from ops.terminal import Terminal
from tests.unit.fakes import World, drift
from tests.unit.stories import do

FOREIGN = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Processing Job State Change",
    "id": "event-9",
    "detail": {"ProcessingJobName": "somebody-s-job", "ProcessingJobStatus": "Completed"},
}


@pytest.fixture
def heard(world: World) -> World:
    """A decision to train, one to observe, a rejection and an event that is ignored, a minute apart."""
    world.clock.time = datetime.now(UTC) - timedelta(hours=1)
    for number, sent in enumerate(
        [
            drift(dedupe_key="one"),
            drift(dedupe_key="two", observed=0.1),
            drift(model="../x", dedupe_key="three"),
            FOREIGN,
        ]
    ):
        do(world, "admit", f"run-{number}", event=sent)
        world.clock.forward(minutes=1)
    return world


def listed(world: World, **options: Any) -> tuple[int, Any]:
    """Exit status and what is printed, as JSON if that was asked for."""
    given = argparse.Namespace(**{"model": "", "since": "", "id": "", "limit": 100, "json": True, **options})
    out = io.StringIO()
    status = signals(given, cast("Stack", SimpleNamespace(table=world.table)), Terminal(file=out))
    return status, json.loads(out.getvalue()) if given.json else out.getvalue()


def words(found: Any) -> list[str]:
    return [f"{each['decision']} {each['reason']}" for each in found]


def test_everything_that_came_in_is_listed_newest_first(heard: World) -> None:
    status, found = listed(heard)
    assert status == 0
    assert words(found) == [
        "IGNORED JOB_UNKNOWN",
        "REJECT BAD_MODEL_NAME",
        "OBSERVE BELOW_ACTION",
        "RETRAIN GUARDS_PASSED",
    ]
    assert found[0] == {
        "at": found[0]["at"],
        "decision": "IGNORED",
        "reason": "JOB_UNKNOWN",
        "model": None,
        "sentence": "SageMaker knows no processing job somebody-s-job.",
        "run_id": "run-3",
        "signal_id": None,
        "event_id": "event-9",
        "record": None,
    }
    assert found[3]["record"].startswith("decisions/churn/")


def test_of_one_model_its_own_is_listed_only(heard: World) -> None:
    _, found = listed(heard, model="churn")
    assert [each["run_id"] for each in found] == ["run-1", "run-0"]


def test_what_is_older_than_asked_for_is_left_out(heard: World) -> None:
    _, found = listed(heard, since="59m")
    assert [each["run_id"] for each in found] == ["run-3", "run-2"]
    assert [each["run_id"] for each in listed(heard, limit=1)[1]] == ["run-3"]


@pytest.mark.parametrize(
    ("asked", "run_id"),
    [
        ("event-9", "run-3"),
        ("run-2", "run-2"),
        ("arn:aws:states:us-east-1:111122223333:execution:retraining:run-0", "run-0"),
        ("two", "run-1"),
    ],
)
def test_it_is_found_by_event_execution_and_its_arn(asked: str, run_id: str, heard: World) -> None:
    status, (found,) = listed(heard, id=asked)
    assert (status, found["run_id"]) == (0, run_id)
    assert found["signal_id"] is None or listed(heard, id=found["signal_id"])[1] == [found]


def test_an_id_that_nothing_has_is_said_and_is_no_success(heard: World) -> None:
    status, said = listed(heard, id="nobody", json=False)
    assert status == 1
    assert said.startswith("Nothing with the id nobody since ")
    status, said = listed(heard, model="risk", json=False)
    assert status == 0
    assert said.startswith("Nothing of risk since ")


def test_people_read_two_lines_and_an_id_of_each(heard: World) -> None:
    _, said = listed(heard, json=False)
    lines = said.splitlines()
    assert lines[0].split()[1:] == ["IGNORED", "JOB_UNKNOWN"]
    assert lines[1:3] == ["  SageMaker knows no processing job somebody-s-job.", "  execution run-3"]
    assert lines[5].startswith("  signal ")


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ("", "2026-02-23T12:00:00+00:00"),
        ("24h", "2026-03-01T12:00:00+00:00"),
        (" 30 M ", "2026-03-02T11:30:00+00:00"),
        ("2d", "2026-02-28T12:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T12:00+02:00", "2026-03-01T10:00:00+00:00"),
    ],
)
def test_a_time_is_an_age_or_as_it_is_written(given: str, since: str) -> None:
    assert _since(given, NOW) == since


@pytest.mark.parametrize("given", ["yesterday", "-3h", "3w", "2026-13-01"])
def test_what_is_no_time_is_said(given: str) -> None:
    with pytest.raises(OperatorError, match="write 24h, 7d or"):
        _since(given, NOW)


def test_an_execution_that_comes_again_is_noted_once(heard: World) -> None:
    do(heard, "admit", "run-3", event=FOREIGN)
    assert words(listed(heard)[1]).count("IGNORED JOB_UNKNOWN") == 1
    noted = heard.table.ignored_event("run-3")
    assert noted is not None
    assert (noted.source, noted.detail_type) == ("aws.sagemaker", "SageMaker Processing Job State Change")
    assert heard.table.ignored_event("run-0") is None


def test_what_is_noted_of_ignored_events_goes_after_ninety_days(heard: World) -> None:
    ends = {key: int(item["expires_at"]["N"]) for key, item in heard.database.items.items() if "IGNORED" in key[1]}
    at = datetime.fromisoformat(listed(heard)[1][0]["at"])
    assert list(ends.values()) == [int((at + timedelta(days=90)).timestamp())] * 2


def test_a_delivery_that_came_again_is_found_by_its_own_ids(heard: World) -> None:
    do(heard, "admit", "run-9", event={**drift(dedupe_key="two", observed=0.1), "id": "event-again"})
    for asked in ("event-again", "run-9"):
        (found,) = listed(heard, id=asked)[1]
        assert (found["decision"], found["reason"], found["model"]) == ("IGNORED", "DUPLICATE", "churn")
        assert "was decided at" in found["sentence"]


def test_an_ignored_event_of_a_model_that_had_no_signal_is_in_the_list_of_all(heard: World) -> None:
    pending = {
        "source": "mlops.retraining",
        "detail-type": "Pending Signal Due",
        "id": "event-p",
        "detail": {"model": "risk"},
    }
    do(heard, "admit", "run-p", event=pending)
    for options in ({"id": "event-p"}, {"model": "risk"}, {"limit": 1}):
        assert [each["run_id"] for each in listed(heard, **options)[1]] == ["run-p"]


def test_a_list_that_is_cut_says_so(heard: World) -> None:
    assert listed(heard, limit=2, json=False)[1].endswith("and more: LIMIT=20\n")
    assert "and more" not in listed(heard, limit=4, json=False)[1]
