"""A real stream as a model's life: drift heard, trained for, promoted.

    make streams                            seven months of electricity prices
    make streams ARGS="--chunks 10"         the first 10 chunks only

No AWS account, no Docker. The first time it fetches the stream, by hash. What
it leaves on this machine is the page of the model's life, in .demo/, and the
stream, in build/. Exit status: 0 when it came to the end; 1 when something
went wrong; 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np

from examples.streams import stream
from examples.streams.play import Calendar, Lived, errors_always_retrained, errors_never_retrained, play
from examples.streams.world import StreamWorld
from local.embedded_aws import EmbeddedAws
from ops import package_zip
from ops.creditcard_world import IMAGE
from ops.invocation import finished
from ops.life_page import life_page
from ops.own_aws import played
from ops.project import ROOT, TEMPLATE
from ops.report import model_life
from ops.stack import Stack
from ops.stack_deployment import deploy, package
from ops.terminal import Column, Styled, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from examples.streams.model import Chunk

STACK: Final = "retraining-streams"
MODEL: Final = "electricity"
PAGE: Final = ROOT / ".demo" / "life.html"

KNOWN: Final = 14
"""Chunks that are there when the first champion is trained: four weeks."""

CHUNKS: Final = 106
"""That arrive after them: with them 240 days."""


def coming_year() -> datetime:
    """The day on which the life begins: functions have a clock that can be set ahead, and not back."""
    return datetime(datetime.now(UTC).year + 1, 1, 1, tzinfo=UTC)


def live(terminal: Terminal, count: int) -> int:
    """Have a model live on a stream, say what the loop did, and write the page of its life; gives the exit status.

    Args:
        terminal: where it is said.
        count: chunks that arrive.
    """
    with terminal.working("having the stream here"):
        chunks = stream.chunks(KNOWN + count)
    calendar = Calendar(coming_year(), stream.DAYS)
    began = time.monotonic()
    with (
        TemporaryDirectory(prefix="retraining-streams-") as folder,
        EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as aws,
    ):
        os.environ.update(aws.environment)
        terminal.say(Styled("bold", stream.TITLE))
        with terminal.working("deploying the loop"):
            world = _deployed(aws, Path(folder))
            policy = world.put_policy()
        terminal.say(f"  the loop is deployed; {KNOWN} chunks of {stream.ROWS} rows are there, {count} more arrive")
        lived = _lived(terminal, play(world, policy, chunks, KNOWN, calendar, aws.set_clock), count)
        life = model_life(Stack(STACK, aws.region), world.model)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(life_page(life), encoding="utf-8")
    terminal.say()
    decided = sum((Counter(day.decided) for day in life.days), Counter[str]())
    counted = ", ".join(f"{times} {decision}" for decision, times in decided.most_common())
    terminal.say(f"{life.signals} signals: {counted}")
    _sum_up(terminal, chunks, lived, int(policy["training"]["request"]["HyperParameters"]["window"]))
    terminal.say()
    terminal.say(
        f"{count * stream.DAYS} days took {time.monotonic() - began:.0f} s. The life as a page: {PAGE.relative_to(ROOT)}"
    )
    return 0


def _deployed(aws: EmbeddedAws, folder: Path) -> StreamWorld:
    """The loop's stack, from the real template, beside what the team has."""
    s3 = aws.client("s3")
    for bucket in ("artifacts", "stream-data"):
        s3.create_bucket(Bucket=bucket)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = aws.client("iam").create_role(RoleName="stream-model", AssumeRolePolicyDocument=json.dumps(trust))
    role_arn = role["Role"]["Arn"]
    package_zip.build()
    outputs = deploy(
        package(TEMPLATE, "artifacts", folder / "packaged.yaml", environment=aws.environment),
        STACK,
        {"SageMakerExecutionRoleArn": role_arn, "DefaultModel": MODEL},
        bucket="artifacts",
        environment=aws.environment,
    )
    return StreamWorld(
        aws.client, model=MODEL, data_bucket="stream-data", role_arn=role_arn, image=IMAGE, outputs=outputs
    )


def _lived(terminal: Terminal, played: Iterator[Lived], count: int) -> list[Lived]:
    """Play, and tell of each run."""
    lived: list[Lived] = []
    with terminal.progress("living") as bar:
        for each in played:
            lived.append(each)
            bar(len(lived), count, f"{each.until:%Y-%m-%d}, error {each.error:.2f}")
            for ran in each.ran:
                why = "drift of the cooldown" if ran.waited else f"error {each.error:.1%} > {each.bound:.1%}"
                told = (
                    f"promoted, promises {each.promises:.1%}" if ran.promoted else ran.outcome.replace("_", " ").lower()
                )
                terminal.say(
                    f"  {each.until:%Y-%m-%d}  {why:<22} trained, ",
                    Styled("green" if ran.promoted else "yellow", told),
                    hang=4,
                )
    return lived


def _sum_up(terminal: Terminal, chunks: Sequence[Chunk], lived: Sequence[Lived], window: int) -> None:
    ran = [each for chunk in lived for each in chunk.ran]
    never, always = (errors(chunks, KNOWN, window) for errors in (errors_never_retrained, errors_always_retrained))
    loop = [each.error for each in lived]
    terminal.say()
    terminal.table(
        ("", Column("error", right=True), Column("trainings", right=True), Column("promotions", right=True)),
        [
            ("never retrained", f"{np.mean(never):.1%}", "0", "0"),
            ("by the loop", f"{np.mean(loop):.1%}", f"{len(ran)}", f"{sum(each.promoted for each in ran)}"),
            ("at every chunk", f"{np.mean(always):.1%}", f"{len(always)}", f"{len(always)}"),
        ],
    )


def _streams(argv: Sequence[str] | None) -> int:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m examples.streams",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--chunks", type=int, default=CHUNKS, metavar="N", help=f"chunks that arrive ({CHUNKS})")
    options = parser.parse_args(argv)
    if not 1 <= options.chunks <= stream.CHUNKS - KNOWN:
        parser.error(f"--chunks takes a number from 1 to {stream.CHUNKS - KNOWN}")
    terminal = Terminal()
    return played(lambda: live(terminal, options.chunks), terminal, "the life")


def main(argv: Sequence[str] | None = None) -> int:
    """Run it from the command line; whoever reads it, such as `head`, may have seen enough."""
    return finished(lambda: _streams(argv), ())


if __name__ == "__main__":
    sys.exit(main())
