"""Play every policy of retraining over every stream, and write bench/policies/results.json and docs/policy-benchmark.md.

    python -m bench.policies                        everything; the first time reads and learns for some minutes
    python -m bench.policies --streams still,sine   some streams, print and write nothing
    python -m bench.policies --seeds 1              with one seed, the same

Exit status: 0 played, 1 a stream could not be had.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sklearn

from bench.policies.benchmark import DELAYS, PRICES, Benchmark, Cell, Played, World
from bench.policies.matrix import outcomes, prepare_outcomes
from bench.policies.packages import FetchError
from bench.policies.page import RESULTS, main_table
from bench.policies.play import START
from bench.policies.rules import CADENCES, FAMILIES, Family, Kind, every
from bench.policies.streams import SEEDS, SOURCES, ReadError
from ops import docs
from ops.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Say = Callable[[int, int, str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare, play, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.policies", description="Compare policies of retraining.")
    names = [each.name for each in SOURCES]
    parser.add_argument("--streams", default=",".join(names), metavar="NAME,...", help="some streams; writes nothing")
    parser.add_argument(
        "--seeds", type=int, default=len(SEEDS), metavar="N", help="of each stream; fewer than all write nothing"
    )
    arguments = parser.parse_args(argv)
    chosen, seeds = [name for name in names if name in arguments.streams.split(",")], SEEDS[: arguments.seeds]
    terminal = Terminal()

    def say(done: int, total: int, text: str) -> None:
        terminal.say(f"{done}/{total} {text}")

    try:
        prepare_outcomes(chosen, seeds, say)
    except (FetchError, ReadError) as error:
        Terminal(errors=True).say(f"policy-bench: {error}")
        return 1
    worlds = [World.of(name, seed, outcomes(name, seed)) for name in chosen for seed in seeds]
    begun = time.monotonic()
    results = play_all(worlds, FAMILIES, say)
    seconds = time.monotonic() - begun
    for line in main_table(results).splitlines():
        terminal.say(line)
    terminal.say(f"all policies in {seconds:.0f} s")
    if chosen != names or seeds != SEEDS:
        return 0
    results["measured"] = {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "cores": os.cpu_count(),
        "matrix_seconds": round(sum(world.outcomes.seconds for world in worlds)),
        "seconds": round(seconds),
    }
    RESULTS.write_text(as_text(results), encoding="utf-8")
    terminal.say(f"written to {RESULTS}")
    return docs.main([])


def play_all(worlds: Sequence[World], families: Sequence[Family], say: Say) -> dict[str, Any]:
    """Every policy on every world, with settings chosen on the tuning half; what `page` reads."""
    streams = list(dict.fromkeys(world.stream for world in worlds))
    benchmark = Benchmark(worlds)
    total = len(families) + 2
    rows = [
        row("oracle", Kind.HINDSIGHT, "knows all", {}, benchmark.oracles(streams)),
        row(
            "best cadence in hindsight",
            Kind.HINDSIGHT,
            "the cadence that costs least in that cell",
            {},
            benchmark.best_cadence(streams),
        ),
    ]
    for chunks in CADENCES[:-1]:
        begin = every(chunks)
        rows.append(row(str(chunks), Kind.CADENCE, "", {}, benchmark.results(lambda _, begin=begin: begin, streams)))
    say(2, total, "the oracle and fixed cadences")
    for place, family in enumerate(families, start=3):
        settings = benchmark.chosen(family)
        begins = {price: family.make(**setting) for price, setting in settings.items()}
        rows.append(
            row(family.name, family.kind, family.says, settings, benchmark.results(begins.__getitem__, streams))
        )
        say(place, total, family.name)
    return {
        "prices": list(PRICES),
        "delays": list(DELAYS),
        "feeds": [],
        "streams": {world.stream: {"counted": world.outcomes.chunks - START} for world in worlds},
        "policies": rows,
    }


def row(
    name: str,
    kind: Kind,
    says: str,
    settings: Mapping[float, Mapping[str, Any]],
    played: Mapping[Cell, Sequence[Played]],
) -> dict[str, Any]:
    """A policy as it is kept: its cells, in each the cost above the oracle by seed, and sums over the seeds."""
    return {
        "name": name,
        "kind": str(kind),
        "says": says,
        "settings": {f"{price:g}": setting for price, setting in settings.items()},
        "cells": [
            {
                "stream": stream,
                "price": price,
                "delay": delay,
                "above": [round(each.above, 5) for each in several],
                "trainings": sum(each.judged.trainings for each in several),
                "harmful": sum(each.judged.harmful for each in several),
                "missed": sum(each.judged.missed for each in several),
                "harmless": sum(each.judged.harmless for each in several),
                "waited": sum(sum(each.judged.waited) for each in several),
            }
            for (stream, price, delay), several in played.items()
        ],
    }


def as_text(results: Mapping[str, Any]) -> str:
    """JSON with one line a cell, so that a change of one cell is a change of one line."""
    text = json.dumps({**results, "policies": []}, indent=1)[: -len("[]\n}")]
    policies = []
    for each in results["policies"]:
        head = json.dumps({**each, "cells": []})[: -len("[]}")]
        cells = ",\n   ".join(json.dumps(cell) for cell in each["cells"])
        policies.append(f"  {head}[\n   {cells}]}}")
    return text + "[\n" + ",\n".join(policies) + "\n]}\n"


if __name__ == "__main__":
    sys.exit(main())
