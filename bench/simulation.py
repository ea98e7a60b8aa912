"""What a simulation costs: time a signal beside a bare decision, and memory as the signals become more."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.given_policies import policy_of
from ops.project import ROOT, SOURCE
from ops.simulate import settings_of
from ops.simulation.from_file import simulate_file
from ops.simulation.signal_file import read_signals
from ops.simulation.stated import Stated
from orchestration.domain.decision import ModelState, decide

if TYPE_CHECKING:
    from collections.abc import Callable

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY: Final = 14
"""Signals of a model in a day."""

MODELS: Final = 100
TIMES_MORE: Final = 5

PEAK: Final = """
import resource, sys
from pathlib import Path
from bench.simulation import simulated
simulated(Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""Prints the peak memory of a process that simulates a file, in kilobytes on Linux."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was measured.

    ``seconds`` and ``bare_seconds`` are of one signal: simulated in one process, and decided alone; ``peak`` of all the signals and
    ``smaller_peak`` of a fifth of them are in megabytes.
    """

    signals: int
    seconds: float
    bare_seconds: float
    peak: float
    smaller_peak: float


def measure_simulation(signals: int, step: Callable[[str], None]) -> Simulation:
    """Measure.

    Args:
        signals: how many; a fifth of them is measured beside.
        step: is told of each of three steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        days = max(1, signals // (MODELS * A_DAY))
        file = write_signals(Path(folder) / "signals.jsonl", MODELS, days)
        smaller = write_signals(Path(folder) / "fewer.jsonl", MODELS, max(1, days // TIMES_MORE))
        began = time.process_time()
        count = simulated(file)
        seconds = (time.process_time() - began) / count
        step(f"{count:,} signals simulated")
        bare = _bare(smaller)
        step("and decided alone")
        peaks = [_peak(path) for path in (file, smaller)]
        step("and their memory")
    return Simulation(count, seconds, bare, *peaks)


@dataclass(frozen=True, slots=True)
class Year:
    """A year of 1,000 models under two policies: lines of the file, seconds by the clock, and the largest process in megabytes."""

    signals: int
    seconds: float
    peak: float


def measure_year(step: Callable[[str], None], models: int = 1000, days: int = 365) -> Year:
    """Measure a whole year, with a process for each core.

    Args:
        step: is told of each of two steps.
        models: how many.
        days: of the year.
    """
    settings = settings_of(None)
    default = policy_of(None, "m-0", settings)
    policies = (("no policy file", default), ("patient", replace(default, cooldown_hours=72.0)))
    with tempfile.TemporaryDirectory() as folder:
        file = write_signals(Path(folder) / "signals.jsonl", models, days)
        step("written")
        began = time.perf_counter()
        simulate_file(file, policies, Stated(), jobs=os.cpu_count() or 1)
        seconds = time.perf_counter() - began
    step("simulated")
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Year(models * days * A_DAY, seconds, largest / 1000)


def write_signals(file: Path, models: int, days: int) -> Path:
    """Write signals of some models, which drift for weeks and are calm for others; the same each time."""
    draw = random.Random(1)  # noqa: S311 - nothing is kept secret by it
    phases = [draw.random() * 40 for _ in range(models)]
    with file.open("w", encoding="utf-8") as written:
        for number in range(days * A_DAY):
            for model, phase in enumerate(phases):
                at = BEGAN + timedelta(days=number / A_DAY, milliseconds=model)
                observed = 0.1 + 0.006 * max(0.0, (number / A_DAY + phase) % 40 - 15) + draw.random() * 0.08
                said = {"at": at.isoformat(), "model": f"m-{model}", "metric": "psi"}
                written.write(json.dumps(said | {"observed": round(observed, 4), "threshold": 0.2}) + "\n")
    return file


def simulated(file: Path) -> int:
    """Simulate a file under the policy of a model without a file, in this process; gives the number of decisions."""
    policy = policy_of(None, "m-0", settings_of(None))
    (tally,) = simulate_file(file, (("no policy file", policy),), Stated())
    return sum(each.signals for each in tally.models.values())


def _bare(file: Path) -> float:
    policy = policy_of(None, "m-0", settings_of(None))
    with file.open(encoding="utf-8") as lines:
        signals = list(read_signals(lines, name=file.name))
    state = ModelState()
    began = time.process_time()
    for signal, at in signals:
        decide(signal, policy, state, at)
    return (time.process_time() - began) / len(signals)


def _peak(file: Path) -> float:
    finished = subprocess.run(
        [sys.executable, "-c", PEAK, str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(finished.stdout) / 1000


def simulation_table(measured: Simulation) -> str:
    """What a simulation costs as a table in Markdown."""
    return "\n".join(
        (
            f"One process, {measured.signals:,} decisions of {MODELS} models, measured once.",
            "",
            "| Simulation | |",
            "| --- | ---: |",
            f"| CPU time of a signal, from its line to its decision counted | {measured.seconds * 1e6:.0f} µs |",
            f"| the same beside a bare `decide` of it | {measured.seconds / measured.bare_seconds:.1f} |",
            f"| peak memory | {measured.peak:.0f} MB |",
            f"| the same beside that of a fifth of the signals | {measured.peak / measured.smaller_peak:.2f} |",
        )
    )


def year_table(measured: Year) -> str:
    """What a year of many models costs as a line of Markdown."""
    return (
        f"A process for each core, measured once: {measured.signals:,} lines of 1,000 models under two policies in "
        f"{measured.seconds:.0f} s; the largest process had {measured.peak:.0f} MB."
    )
