"""A model lives through days of a stream on a clock that is set ahead: it drifts, is trained anew, and what was learned serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from examples.streams.model import Chunk
from examples.streams.play import Calendar, play
from examples.streams.world import StreamWorld
from local.embedded_aws import EmbeddedAws
from ops.report import model_life
from ops.stack import Stack
from tests.stack.loop import IMAGE, Loop, deployed

ROWS, KNOWN = 90, 2
MODEL = "stream"


def chunk(seed: int, *, turned: bool) -> Chunk:
    """Labels that follow from the first column; once the stream has turned, the other way round."""
    columns = np.random.default_rng(seed).normal(size=(ROWS, 2))
    # Far enough apart that a model errs in none or in all.
    columns[:, 0] += np.sign(columns[:, 0])
    return Chunk(columns, ((columns[:, 0] > 0) != turned).astype(float))


@pytest.fixture(scope="module")
def own_loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A loop of its own: sweeps of the days to come would do what other stories wait for."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as aws:
        made = deployed(aws, tmp_path_factory.mktemp("packaged"), ModelDataPrefixes="s3://team-data/stream")
        yield made
        assert made.unpublished() == {}


def test_a_stream_that_turns_is_heard_trained_on_and_served_on_days_of_its_own(
    own_loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = own_loop
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    world = StreamWorld(
        loop.aws.client,
        model=MODEL,
        data_bucket=loop.data_bucket,
        role_arn=loop.role_arn,
        image=IMAGE,
        outputs=loop.outputs,
    )
    policy = world.put_policy(cooldown_hours=36)
    policy["training"]["request"]["HyperParameters"] |= {"window": "1", "judged": "1"}
    world.put_policy(cooldown_hours=36, training=policy["training"])
    chunks = [chunk(number, turned=number in {2, 4}) for number in range(5)]
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    lived = list(play(world, policy, chunks, KNOWN, Calendar(tomorrow, 1), loop.aws.set_clock))

    # It turns, and is learned. It turns back for a day in the cooldown, whose end that waits for; then nothing is to be gained.
    assert [each.error for each in lived] == [1, 1, 0]
    assert [[(ran.outcome, ran.waited) for ran in each.ran] for each in lived] == [
        [("PROMOTED", False)],
        [],
        [("CANDIDATE_REJECTED", True)],
    ]
    life = model_life(Stack(loop.stack, loop.aws.region), MODEL)
    days = [f"{tomorrow + timedelta(days=number + 1):%Y-%m-%d}" for number in range(KNOWN, len(chunks))]
    assert [day.day for day in life.days] == days
    assert [each.since[:10] for each in life.served] == [days[0]]
    assert {each.reason for each in life.noes} == {"BELOW_ACTION", "COOLDOWN"}
    (measured,) = life.measured
    assert [high for _, _, high, _ in measured.points] == [1, 1, 0]
    assert lived[0].bound == pytest.approx(measured.points[0][3], abs=1e-4)
