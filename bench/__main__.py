"""Measure the loop and write the table of bench/README.md.

    python -m bench                    everything, in less than a minute
    python -m bench --only startup     cold starts of the Lambda package
    python -m bench --only loop        the deployed loop on the embedded AWS
    python -m bench --only simulation  a signal of `retraining simulate`
    python -m bench --only year        a year of 1,000 models of it, in some minutes; only when it is asked for
    python -m bench --dry-run          print the table, write nothing

Exit status: 0 measured, 1 something did not do what was to be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.simulation import MODELS, Simulation, Year, measure_simulation, measure_year
from bench.startup import StartError, Startup, measure_startup
from bench.whole_loop import PATHS, THREADS, LoopTimes, PathError, measure_loop
from local.embedded_aws import EmbeddedAwsError
from ops.stack_deployment import DeploymentError
from ops.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTS: Final = ("startup", "simulation", "loop", "year")

README: Final = Path(__file__).parent / "README.md"
BEGIN: Final = "<!-- bench: begin, written by `make bench` -->"
END: Final = "<!-- bench: end -->"


class Steps:
    """Tells how far it is: a bar on a terminal, a line for each step elsewhere."""

    def __init__(self, terminal: Terminal, title: str, total: int) -> None:
        self._terminal = terminal
        self._title = title
        self._total = total
        self._done = 0
        self._leave = ExitStack()

    def __enter__(self) -> Callable[[str], None]:
        """Begin; what is returned takes each step as it is done."""
        self._bar = self._leave.enter_context(self._terminal.progress(self._title))
        return self._step

    def __exit__(self, *_: object) -> None:
        """End, and leave no bar behind."""
        self._leave.close()

    def _step(self, text: str) -> None:
        self._done += 1
        self._bar(self._done, self._total, text)
        if not self._terminal.is_terminal:
            self._terminal.say(f"{self._title} {self._done}/{self._total}: {text}")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print the table and write it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure what the loop costs in time and transitions."
    )
    parser.add_argument("--only", choices=PARTS, help="measure one part; the other tables stay")
    parser.add_argument("--starts", type=_positive, default=11, metavar="N", help="cold starts of each package (11)")
    parser.add_argument("--events", type=_positive, default=7, metavar="N", help="events sent one by one (7)")
    parser.add_argument("--signals", type=_positive, default=320, metavar="N", help="signals decided at once (320)")
    parser.add_argument("--simulated", type=_positive, default=50_000, metavar="N", help="signals simulated (50000)")
    parser.add_argument("--dry-run", action="store_true", help=f"print only, leave {README.name} as it is")
    arguments = parser.parse_args(argv)
    terminal = Terminal()
    tables: dict[str, str] = {}
    try:
        if arguments.only in {None, "startup"}:
            with Steps(terminal, "start-up", arguments.starts) as step:
                tables["startup"] = startup_table(measure_startup(arguments.starts, step))
        if arguments.only in {None, "simulation"}:
            with Steps(terminal, "simulation", 3) as step:
                tables["simulation"] = simulation_table(measure_simulation(arguments.simulated, step))
        if arguments.only == "year":
            with Steps(terminal, "year", 2) as step:
                tables["year"] = year_table(measure_year(step))
        if arguments.only in {None, "loop"}:
            with Steps(terminal, "loop", arguments.events + len(PATHS) + 2) as step:
                tables["loop"] = loop_table(measure_loop(arguments.events, arguments.signals, step))
    except (StartError, PathError, DeploymentError, EmbeddedAwsError, TimeoutError, AssertionError) as error:
        Terminal(errors=True).say(f"bench: {error}")
        return 1
    for table in tables.values():
        terminal.say()
        for line in table.splitlines():
            terminal.say(line)
    if not arguments.dry_run:
        text = README.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = with_table(text, name, table)
        README.write_text(text, encoding="utf-8")
        terminal.say()
        terminal.say(f"written to {README}")
    return 0


def startup_table(measured: Startup) -> str:
    """The cold starts as a table in Markdown."""
    return "\n".join(
        (
            f"Python {platform.python_version()}, {os.cpu_count()} cores, median of {measured.runs} starts.",
            "",
            "| Lambda package | time | ratio |",
            "| --- | ---: | ---: |",
            f'| bare handler with `boto3.client("s3")`, cold | {measured.bare_cold * 1000:.0f} ms | 1.00 |',
            f"| OrchestrationFunction, cold | {measured.cold * 1000:.0f} ms | {measured.ratio:.2f} |",
            f"| OrchestrationFunction, warm, nothing to do | {measured.warm * 1000:.1f} ms | |",
        )
    )


def simulation_table(measured: Simulation) -> str:
    """What a simulation costs as a table in Markdown."""
    return "\n".join(
        (
            f"Python {platform.python_version()}, one process, {measured.signals:,} decisions of {MODELS} models.",
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
        f"Python {platform.python_version()}, {os.cpu_count()} cores, a process each: {measured.signals:,} lines of 1,000 models under two "
        f"policies in {measured.seconds:.0f} s; the largest process had {measured.peak:.0f} MB."
    )


def loop_table(measured: LoopTimes) -> str:
    """The times and paths of the loop as tables in Markdown."""
    lines = [
        f"Embedded AWS, {os.cpu_count()} cores, median of {measured.runs} events.",
        "",
        "| Loop | |",
        "| --- | ---: |",
        f"| event to decision | {measured.event_to_decision:.2f} s |",
        f"| event to promoted model, training not counted | {measured.event_to_promotion:.2f} s |",
        f"| signals decided in a second, {THREADS} at once | {measured.signals_per_second:.0f} |",
        "",
        "| Path | ends in | transitions | list price of 1,000 |",
        "| --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| {path.name} | `{path.end}` | {path.transitions} | ${path.price * 1000:.3f} |" for path in measured.paths
    ]
    return "\n".join(lines)


def with_table(text: str, name: str, table: str) -> str:
    """The text with the part between the markers of `name` replaced.

    Raises:
        ValueError: the markers are not there.
    """
    begin, end = BEGIN.replace("bench:", f"bench {name}:"), END.replace("bench:", f"bench {name}:")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{README} lacks the line {begin} or {end}")
    return pattern.sub(lambda _match: f"{begin}\n{table}\n{end}", text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
