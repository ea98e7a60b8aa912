"""Play every policy of retraining over every stream, and write bench/policies/results.json and docs/policy-benchmark.md.

    python -m bench.policies              everything; the first time it fetches, reads and learns for some ten minutes
    python -m bench.policies --seeds 1    with one seed of each stream; print the table and write nothing

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

from bench.policies.benchmark import DELAYS, PRICES, REPORTING, Benchmark, Cell, Played, World, at_any_price
from bench.policies.matrix import outcomes, prepare_outcomes
from bench.policies.ours import FEEDS, families, for_all
from bench.policies.packages import FetchError
from bench.policies.page import RESULTS, mean_above, reported, worst
from bench.policies.play import START
from bench.policies.rules import CADENCES, FAMILIES, FOREVER, Family, Kind, every
from bench.policies.streams import SEEDS, SOURCES, ReadError
from ops import docs
from ops.terminal import Column, Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Say = Callable[[int, int, str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare, play, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.policies", description="Compare policies of retraining.")
    parser.add_argument(
        "--seeds",
        type=int,
        choices=range(1, len(SEEDS) + 1),
        default=len(SEEDS),
        help="of each stream; fewer write nothing",
    )
    names, seeds = [each.name for each in SOURCES], SEEDS[: parser.parse_args(argv).seeds]
    terminal = Terminal()

    def say(done: int, total: int, text: str) -> None:
        terminal.say(f"{done}/{total} {text}")

    try:
        prepare_outcomes(names, seeds, say)
    except (FetchError, ReadError) as error:
        Terminal(errors=True).say(f"policy-bench: {error}")
        return 1
    worlds = [World.of(name, seed, outcomes(name, seed)) for name in names for seed in seeds]
    begun = time.monotonic()
    results = play_all(worlds, (*FAMILIES, *families()), say)
    seconds = time.monotonic() - begun
    terminal.table(
        ["policy", Column("above the oracle", right=True), Column("worst cell", right=True)],
        [
            (f"{each['name']} ({each['kind']})", f"{mean_above(each, REPORTING):+.1%}", f"{worst(each):+.0%}")
            for each in reported(results, *(kind for kind in Kind if kind is not Kind.CADENCE))
        ],
    )
    terminal.say(f"all policies in {seconds:.0f} s")
    if seeds != SEEDS:
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


def play_all(worlds: Sequence[World], policies: Sequence[Family], say: Say, start: int = START) -> dict[str, Any]:
    """Every policy on every world, with settings chosen on the tuning half; what `page` reads."""
    streams = list(dict.fromkeys(world.stream for world in worlds))
    benchmark = Benchmark(worlds, start=start)
    candidates = for_all()
    total = len(policies) + len(candidates) + 3
    rows = [row("oracle", Kind.HINDSIGHT, "knows all", {}, benchmark.oracles(streams))]
    say(1, total, "the oracle")
    cadences = [benchmark.results(Kind.CADENCE, at_any_price(every(chunks)), streams) for chunks in (1, *CADENCES)]
    rows.append(row("best cadence in hindsight", Kind.HINDSIGHT, "", {}, benchmark.best_of(cadences)))
    rows += [
        row("never" if chunks == FOREVER else str(chunks), Kind.CADENCE, "", {}, played)
        for chunks, played in zip((1, *CADENCES), cadences, strict=True)
    ]
    say(2, total, "fixed cadences")
    together = benchmark.chosen(*candidates)
    say(3, total, "the loop's best policy for all")
    for place, family in enumerate((*policies, *candidates), start=4):
        settings = together if family in candidates else benchmark.chosen(family)
        # One for each setting, so that what is set alike is played once.
        made = {json.dumps(setting): family.make(**setting) for setting in settings.values()}
        begins = {price: made[json.dumps(setting)] for price, setting in settings.items()}
        played = benchmark.results(family.kind, begins.__getitem__, streams)
        rows.append(row(family.name, family.kind, family.says, settings, played))
        say(place, total, family.name)
    return {
        "prices": list(PRICES),
        "delays": list(DELAYS),
        "feeds": list(FEEDS),
        "streams": {world.stream: {"counted": world.outcomes.chunks - start} for world in worlds},
        "policies": rows,
    }


def row(
    name: str,
    kind: Kind,
    says: str,
    settings: Mapping[float, Mapping[str, Any]],
    played: Mapping[Cell, Sequence[Played]],
) -> dict[str, Any]:
    """A policy as it is kept: its cells as `page.CELL` names what is in them, counts summed over the seeds."""
    return {
        "name": name,
        "kind": str(kind),
        "says": says,
        "settings": {f"{price:g}": setting for price, setting in settings.items()},
        "cells": [
            [
                stream,
                price,
                delay,
                [round(each.above, 5) for each in several],
                sum(each.judged.trainings for each in several),
                sum(each.judged.harmful for each in several),
                sum(each.judged.missed for each in several),
                sum(each.judged.harmless for each in several),
                sum(sum(each.judged.waited) for each in several),
            ]
            for (stream, price, delay), several in played.items()
        ],
    }


def as_text(results: Mapping[str, Any]) -> str:
    """JSON with one line a cell, so that a change of one cell is a change of one line."""
    told = {key: value for key, value in results.items() if key != "policies"}
    policies = []
    for each in results["policies"]:
        head = json.dumps({**each, "cells": []}).removesuffix("[]}")
        policies.append(f"  {head}[\n   " + ",\n   ".join(json.dumps(cell) for cell in each["cells"]) + "]}")
    return json.dumps(told, indent=1).removesuffix("\n}") + ',\n "policies": [\n' + ",\n".join(policies) + "\n]}\n"


if __name__ == "__main__":
    sys.exit(main())
