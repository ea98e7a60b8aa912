"""A clock that is set ahead moves functions that run already, and SageMaker, and nothing that a function measures."""

from __future__ import annotations

import json
import urllib.error
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.server import CLOCK_PATH

if TYPE_CHECKING:
    from tests.local.conftest import Account

DAY = 86_400

TELLS = """
from datetime import UTC, datetime, timedelta, timezone
import boto3, copy, time
def handler(event, context):
    now = datetime.now(UTC)
    boto3.client("s3").put_object(Bucket="data", Key="told", Body=b"")
    listed = boto3.client("s3").list_objects_v2(Bucket="data", Prefix="told")["Contents"][0]["LastModified"]
    east = datetime.now(timezone(timedelta(hours=9)))
    return {
        "now": now.isoformat(), "naive": datetime.utcnow().isoformat(), "east": east.isoformat(), "time": time.time(),
        "left": context.get_remaining_time_in_millis(),
        "kinds": [type(each) is type(listed) and isinstance(each, datetime) for each in (
            now, copy.deepcopy(now), datetime(2026, 1, 2), datetime.fromisoformat("2026-01-02"), now + timedelta(1), listed)],
    }
"""


def asked(account: Account) -> dict[str, Any]:
    answer = account.aws.client("lambda").invoke(FunctionName="tells", Payload=b"{}")
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "now" in found, found
    return found


def ahead(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)) / timedelta(seconds=1)


def test_a_function_that_runs_already_lives_in_the_days_to_come_and_signs_its_calls_there(account: Account) -> None:
    account.function("tells", TELLS)
    before = asked(account)
    account.aws.set_clock(datetime.now(UTC) + timedelta(days=400))
    after = asked(account)

    assert ahead(before["now"]) == pytest.approx(0, abs=30)
    for moment in (after["now"], after["east"], f"{after['naive']}+00:00"):
        assert ahead(moment) == pytest.approx(400 * DAY, abs=30)
    assert after["time"] - before["time"] < 30
    assert after["left"] > 0
    assert set(after["kinds"]) == {True}
    # Whoever goes by the machine's clock is heard as before.
    assert account.s3.list_objects_v2(Bucket="data", Prefix="told")["KeyCount"] == 1


def test_what_sagemaker_writes_of_jobs_is_of_that_day_until_a_reset(account: Account) -> None:
    def created(name: str) -> str:
        request = account.training_request(name, "print(1)")
        account.sagemaker.create_training_job(**request)
        return str(account.sagemaker.describe_training_job(TrainingJobName=name)["CreationTime"].isoformat())

    account.aws.set_clock(datetime.now(UTC) + timedelta(days=3))
    assert ahead(created("later")) == pytest.approx(3 * DAY, abs=30)
    account.aws.reset()
    assert json.loads(account.aws._send("GET", CLOCK_PATH, None)) == {"ahead_seconds": 0.0}


def test_a_clock_is_not_set_back_nor_to_what_is_no_number(account: Account) -> None:
    wrongs: list[Any] = [{"ahead_seconds": -1}, {"ahead_seconds": "soon"}, {}, []]
    for wrong in wrongs:
        with pytest.raises(urllib.error.HTTPError, match="400"):
            account.aws._send("POST", CLOCK_PATH, wrong)
    assert json.loads(account.aws._send("GET", CLOCK_PATH, None)) == {"ahead_seconds": 0.0}
