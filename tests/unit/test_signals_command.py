"""What people see of everything that came in: decisions, rejections, and events that were ignored."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.signals import since_of
from ops.stack import CallError
from tests.unit.commands import retraining, signed_in
from tests.unit.fakes import World, drift
from tests.unit.stories import do

pytestmark = pytest.mark.usefixtures("heard")

FOREIGN = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Processing Job State Change",
    "id": "event-9",
    "detail": {"ProcessingJobName": "somebody-s-job", "ProcessingJobStatus": "Completed"},
}


@pytest.fixture
def heard(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A decision to train, one to observe, a rejection and an event that is ignored, a minute apart."""
    signed_in(world, monkeypatch)
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


def said(**options: Any) -> tuple[int, str]:
    """Exit status and what people read."""
    out = io.StringIO()
    with redirect_stdout(out):
        status = retraining("signals", *(word for name, value in options.items() for word in (f"--{name}", str(value))))
    return status, out.getvalue()


def listed(**options: Any) -> tuple[int, Any]:
    """Exit status and the signals as programs read them."""
    out = io.StringIO()
    with redirect_stdout(out):
        given = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        status = retraining("signals", "--json", *given)
    return status, json.loads(out.getvalue())["signals"]


def words(found: Any) -> list[str]:
    return [f"{each['decision']} {each['reason']}" for each in found]


def test_everything_that_came_in_is_listed_newest_first() -> None:
    status, found = listed()
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
        "said": "aws.sagemaker, SageMaker Processing Job State Change",
        "source": "aws.sagemaker",
        "severity": None,
        "run_id": "run-3",
        "signal_id": None,
        "event_id": "event-9",
        "record": None,
        "repeats": [],
        "hint": None,
    }
    assert found[3]["record"].startswith("decisions/churn/")


def test_of_one_model_its_own_is_listed_only() -> None:
    _, found = listed(model="churn")
    assert [each["run_id"] for each in found] == ["run-1", "run-0"]


def test_what_is_older_than_asked_for_is_left_out() -> None:
    _, found = listed(since="59m")
    assert [each["run_id"] for each in found] == ["run-3", "run-2"]
    assert [each["run_id"] for each in listed(limit=1)[1]] == ["run-3"]


@pytest.mark.parametrize(
    ("asked", "run_id"),
    [
        ("event-9", "run-3"),
        ("run-2", "run-2"),
        ("arn:aws:states:us-east-1:111122223333:execution:retraining:run-0", "run-0"),
        ("two", "run-1"),
    ],
)
def test_it_is_found_by_event_execution_and_its_arn(asked: str, run_id: str) -> None:
    status, (found,) = listed(id=asked)
    assert (status, found["run_id"]) == (0, run_id)
    assert found["signal_id"] is None or listed(id=found["signal_id"])[1] == [found]


def test_what_a_check_sent_is_in_no_list_and_found_by_every_id_that_is_printed_of_it(heard: World) -> None:
    heard.put("policies/smoke-test.json", {"schema_version": 1, "model": "smoke-test", "mode": "shadow"})
    do(heard, "admit", "run-9", event={**drift(model="smoke-test", dedupe_key="hop"), "id": "event-of-a-check"})
    assert [each["run_id"] for each in listed()[1]] == ["run-3", "run-2", "run-1", "run-0"]
    (found,) = listed(id="event-of-a-check")[1]
    assert found["model"] == "smoke-test"
    for identity in (found["run_id"], found["signal_id"], found["event_id"], found["record"]):
        assert listed(id=identity) == (0, [found])
        assert retraining("explain", identity) == 0


def test_an_id_with_a_colon_is_whole(heard: World) -> None:
    do(heard, "admit", "run-9", event={**FOREIGN, "id": "job:7"})
    assert [each["run_id"] for each in listed(id="job:7")[1]] == ["run-9"]


def test_an_id_that_nothing_has_is_said_and_is_no_success(heard: World) -> None:
    status, text = said(id="nobody")
    assert status == 1
    assert text.startswith("Nothing with the id nobody since ")
    heard.put("policies/risk.json", {"schema_version": 1, "model": "risk"})
    status, text = said(model="risk")
    assert status == 0
    assert text.startswith("Nothing of risk since ")


def test_people_read_what_came_in_the_reason_and_an_id_of_each() -> None:
    lines = said()[1].splitlines()
    assert lines[0].split()[1:] == ["IGNORED", "JOB_UNKNOWN"]
    assert lines[1:4] == [
        "  aws.sagemaker, SageMaker Processing Job State Change",
        "  SageMaker knows no processing job somebody-s-job.",
        "  execution run-3",
    ]
    assert sum(line.startswith("  signal ") for line in lines) == 3


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
    assert since_of(given, NOW) == since


@pytest.mark.parametrize("given", ["yesterday", "-3h", "3w", "2026-13-01"])
def test_what_is_no_time_is_said(given: str) -> None:
    with pytest.raises(CallError, match="write 24h, 7d or"):
        since_of(given, NOW)


def test_an_execution_that_comes_again_is_noted_once(heard: World) -> None:
    do(heard, "admit", "run-3", event=FOREIGN)
    assert words(listed()[1]).count("IGNORED JOB_UNKNOWN") == 1
    noted = heard.table.ignored_event("run-3")
    assert noted is not None
    assert (noted.source, noted.detail_type) == ("aws.sagemaker", "SageMaker Processing Job State Change")
    assert heard.table.ignored_event("run-0") is None


def test_what_is_noted_of_ignored_events_goes_after_ninety_days(heard: World) -> None:
    ends = {key: int(item["expires_at"]["N"]) for key, item in heard.database.items.items() if "IGNORED" in key[1]}
    at = datetime.fromisoformat(listed()[1][0]["at"])
    assert list(ends.values()) == [int((at + timedelta(days=90)).timestamp())] * 2


def test_a_delivery_that_came_again_is_found_by_its_own_ids(heard: World) -> None:
    do(heard, "admit", "run-9", event={**drift(dedupe_key="two", observed=0.1), "id": "event-again"})
    for asked in ("event-again", "run-9"):
        (found,) = listed(id=asked)[1]
        assert (found["decision"], found["run_id"], found["model"]) == ("OBSERVE", "run-1", "churn")
        assert [(each["event_id"], each["run_id"]) for each in found["repeats"]] == [("event-again", "run-9")]


def test_repeats_of_a_signal_that_is_older_than_the_list_stand_in_it_once(heard: World) -> None:
    for name in ("run-9", "run-10"):
        heard.clock.forward(minutes=10)
        do(heard, "admit", name, event={**drift(dedupe_key="two", observed=0.1), "id": f"of-{name}"})
    (found,) = listed(since="50m")[1]
    assert (found["reason"], found["run_id"]) == ("DUPLICATE", "run-10")
    assert [each["run_id"] for each in found["repeats"]] == ["run-9"]
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
        assert [each["run_id"] for each in listed(**options)[1]] == ["run-p"]


def test_a_list_that_is_cut_says_so_with_the_command_that_shows_more() -> None:
    assert "There are more:\n  retraining signals --limit 20 " in said(limit=2)[1]
    assert "There are more" not in said(limit=4)[1]


@pytest.mark.parametrize(("since", "further"), [("1m", True), ("30d", True), ("90d", False), ("300d", False)])
def test_further_back_is_offered_where_there_is_something(since: str, further: bool, heard: World) -> None:
    heard.bucket.objects[heard.bucket.uri("policies/payments.json")] = b"{}"
    status, printed = said(model="payments", since=since)
    assert status == 0
    assert ("retraining signals --model payments --since 90d" in printed) == further
