"""Play every case of the fault matrix, then interleave calls in memory, and write the table of docs/reliability.md.

    python -m tests.faults                      # all that were not played yet on this state of the product
    python -m tests.faults --case NAME          # one, saying what is broken
    python -m tests.faults --only TEXT          # those whose name contains the text
    python -m tests.faults --table              # only write the table from what was played

What was played is kept in build/faults, by the state of the product, so that a run that was interrupted goes on. Calls are
interleaved (tests.unit.interleavings), and each safeguard taken away (tests.unit.safeguards), once every case was played.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.faults import report
from tests.faults.axes import AXES, CANNOT
from tests.faults.cases import BROKEN, UNREACHED, Came, is_case, play_case, play_plain
from tests.faults.cells import Point, cells_of, points_of
from tests.faults.place import Place
from tests.faults.play import Play
from tests.faults.stories import STORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 20_261_125
NO_CASE = """\
There is no case {case}. Names look like stopped/deciding, or
fault/paused/pause/sagemaker:DescribeEndpoint.1/throttled/once.
Three cases of a row of the table, with - for each blank of its name:
    make faults ARGS="--only throttled --most 3"
What was played is named in build/faults/<commit>/played.jsonl."""


def discovered(place: Place) -> list[Point]:
    """Play each story without a fault, and give the calls it makes.

    Raises:
        AssertionError: a story does not end as it should when nothing fails.
    """
    seen: dict[str, list[dict[str, Any]]] = {}
    for name, story in STORIES.items():
        play = Play(place, story, place.new_name())
        came = play_plain(play)
        assert not came, f"{name}, without a fault: {came}"
        seen[name] = place.seen(play.name)
        print(f"  {name}: {sum('operation' in line for line in seen[name])} calls", flush=True)
    return points_of(seen)


STEPS = 100_000
IN_MEMORY = {
    "interleavings": ("--steps", str(STEPS), "--seed", str(SEED)),
    "safeguards": ("--seed", "1"),
}
"""What is played in memory, with its arguments."""


def played_in_memory(kept: report.Kept) -> bool:
    """Interleave calls and take safeguards away, unless this was done; False when something broke or was not missed."""
    well = True
    for name, arguments in IN_MEMORY.items():
        if name not in kept.in_memory():
            print(f"{name} {' '.join(arguments)}", flush=True)
            run = subprocess.Popen(  # noqa: S603 - this Python
                [sys.executable, "-m", f"tests.unit.{name}", *arguments], stdout=subprocess.PIPE, text=True
            )
            assert run.stdout is not None
            line = ""
            for line in run.stdout:
                print(f"  {line}", end="", flush=True)
            # What broke something is played again next time, and its last line says so in the table until then.
            kept.keep_in_memory(name, line.strip(), well=run.wait() == 0)
            well &= name in kept.in_memory()
    return well


class Runner:
    """Plays cases in several places at once and keeps what came of them."""

    def __init__(self, kept: report.Kept, names: Sequence[str], jobs: int) -> None:
        self.kept, self.total, self.jobs = kept, len(names), jobs
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in names:
            self._waiting.put(name)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._count: Counter[str] = Counter()

    def run(self) -> int:
        """Play them all; gives how many are broken."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(min(self.jobs, self.total))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return self._count[BROKEN]

    def _work(self) -> None:
        with Place() as place:
            while True:
                try:
                    name = self._waiting.get_nowait()
                except queue.Empty:
                    return
                came = play_case(place, name)
                if came.result == UNREACHED:
                    # Events come in another order now and then.
                    came = play_case(place, name)
                self._note(came)

    def _note(self, came: Came) -> None:
        with self._lock:
            self.kept.add(came)
            self._count[came.result] += 1
            done, spent = sum(self._count.values()), time.monotonic() - self._began
            if came.result == BROKEN:
                print(f"BROKEN {came.name}", *(f"    {line}" for line in came.how), sep="\n", flush=True)
                print(f"    again: make faults CASE='{came.name}'", flush=True)
            if done % 25 == 0 or done == self.total:
                left = spent / done * (self.total - done)
                said = ", ".join(f"{count} {result}" for result, count in sorted(self._count.items()))
                print(f"{done}/{self.total} {said}; {spent:.0f} s, about {left / 60:.0f} min left", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="make faults", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--case", default=os.environ.get("CASE", ""), help="play this one, and write no table (CASE=)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="those whose name contains the text; writes no table"
    )
    parser.add_argument("--jobs", type=int, default=2, help="cases at once (2)")
    parser.add_argument("--most", type=int, default=0, help="play so many at most, spread over all; writes no table")
    parser.add_argument("--again", action="store_true", help="play again what was broken or not reached")
    parser.add_argument("--table", action="store_true", help="play nothing, write the table from what was played")
    given = parser.parse_args(arguments)
    if given.case:
        if not is_case(given.case):
            print(NO_CASE.format(case=given.case), file=sys.stderr)
            return 2
        with Place() as place:
            came = play_case(place, given.case)
        print(json.dumps(asdict(came), indent=2))
        return int(came.result == BROKEN)
    kept = report.Kept.of_this_product()
    points = kept.points()
    if not points and not given.table:
        print("The calls each story makes:", flush=True)
        with Place() as place:
            points = discovered(place)
        kept.keep_points(points)
    if not points or (given.table and not kept.results()):
        print("Nothing was played of this state of the product, and the table stays as it", file=sys.stderr)
        print("is; first: make faults", file=sys.stderr)
        return 2
    cells, cannot = cells_of(points)
    names = [cell.name for cell in cells] + list(AXES)
    if not any(given.only in name for name in names):
        print(f"No case has {given.only} in its name; rows of the table are named with - for each", file=sys.stderr)
        print("blank: make faults ARGS='--only stopped-no-event'", file=sys.stderr)
        return 2
    if not given.table:
        known = kept.results()
        wanted = [
            name
            for name in names
            if given.only in name and (name not in known or (given.again and known[name].result != "held"))
        ]
        # Spread, so that a run that is interrupted has seen something of everything.
        random.Random(SEED).shuffle(wanted)  # noqa: S311 - no secret
        wanted = wanted[: given.most] if given.most else wanted
        print(
            f"{len(names)} cases, {len(names) - len(wanted)} played before or left out, {len(wanted)} to play.",
            flush=True,
        )
        if wanted:
            Runner(kept, wanted, given.jobs).run()
    every = not given.table and set(names) <= kept.results().keys()
    well = played_in_memory(kept) if every else True
    summary = report.summed(names, kept, cannot + Counter(CANNOT.values()))
    if given.table or not (given.only or given.most):
        report.write(summary)
    print(report.table(summary))
    return int(summary.broken > 0 or not well)


if __name__ == "__main__":
    sys.exit(main())
