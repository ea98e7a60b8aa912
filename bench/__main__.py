"""Measure the loop and write the tables of bench/README.md.

    python -m bench                    everything but year and storm, in about three minutes
    python -m bench --only startup     cold starts of the Lambda package
    python -m bench --only simulation  a signal of `retraining simulate`
    python -m bench --only loop        the deployed loop on the embedded AWS: times and transitions
    python -m bench --only weekly      from an event to the start of a training, beside a workflow of four states
    python -m bench --only calls       calls of AWS as models, foreign resources and waiters become more
    python -m bench --only month       list price of a month, from measured calls
    python -m bench --only storm       10,000 signals at once, in half an hour or more; only when it is asked for
    python -m bench --only year        a year of 1,000 models of a simulation, in some minutes; only when it is asked for
    python -m bench --dry-run          print the tables, write nothing

startup and month need .venv-lambda, AWS's runtime client in the functions' Python, which `make bench` makes.

Exit status: 0 measured, 1 something did not do what was to be measured.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.calls import CALL_STEPS, calls_table, measure_calls
from bench.month import MONTH_STEPS, measure_month, month_table
from bench.readme import README, stamp, with_table
from bench.simulation import measure_simulation, measure_year, simulation_table, year_table
from bench.stack import PathError
from bench.startup import StartError, measure_startup, startup_table
from bench.storm import STORM_STEPS, measure_storms, storm_table
from bench.weekly import measure_training_starts, training_starts_table
from bench.whole_loop import PATHS, loop_table, measure_loop
from local.embedded_aws import EmbeddedAwsError
from ops.package_zip import PackageError
from ops.stack_deployment import DeploymentError
from ops.terminal import Terminal
from tests.contract.lambda_runtime import NoRuntimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Step = Callable[[str], None]

SIZES: Final = {
    "starts": (11, "cold starts of each package"),
    "events": (7, "events sent one by one"),
    "signals": (320, "signals decided at once"),
    "simulated": (50_000, "signals simulated"),
    "models": (10_000, "models a stack has at most"),
    "storm": (10_000, "signals of the storm, ten of a model"),
    "foreign": (5_000, "foreign monitor runs, alarms and waiters at most"),
}
"""How much is measured, by option, with the sentence of --help."""


@dataclass(frozen=True, slots=True)
class Part:
    """One subject: ``measure`` gives its table and tells of each of ``steps``; ``sizes`` are the options that count for it."""

    measure: Callable[[argparse.Namespace, Step], str]
    steps: Callable[[argparse.Namespace], int]
    sizes: tuple[str, ...] = ()
    asked_only: bool = False


PARTS: Final = {
    "startup": Part(
        lambda to, step: startup_table(measure_startup(to.starts, step)), lambda to: to.starts, ("starts",)
    ),
    "simulation": Part(
        lambda to, step: simulation_table(measure_simulation(to.simulated, step)), lambda _: 3, ("simulated",)
    ),
    "loop": Part(
        lambda to, step: loop_table(measure_loop(to.events, to.signals, step)),
        lambda to: to.events + len(PATHS) + 2,
        ("events", "signals"),
    ),
    "weekly": Part(
        lambda to, step: training_starts_table(measure_training_starts(to.events, step)),
        lambda to: 2 * to.events + 1,
        ("events",),
    ),
    "calls": Part(
        lambda to, step: calls_table(measure_calls(to.models, to.foreign, step)),
        lambda _: CALL_STEPS,
        ("models", "foreign"),
    ),
    "month": Part(lambda to, step: month_table(measure_month(to.events, step)), lambda _: MONTH_STEPS, ("events",)),
    "storm": Part(
        lambda to, step: storm_table(measure_storms(to.storm, step)), lambda _: STORM_STEPS, ("storm",), asked_only=True
    ),
    "year": Part(lambda _, step: year_table(measure_year(step)), lambda _: 2, asked_only=True),
}
"""What is measured, in this order."""


_TOLD: Final = (
    *(StartError, PathError, DeploymentError, EmbeddedAwsError, TimeoutError, AssertionError),
    *(NoRuntimeError, PackageError),
)
"""What ends the bench with a sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print the tables and write them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure what the loop costs in time, calls, transitions and money."
    )
    parser.add_argument("--only", choices=PARTS, help="measure one part; the other tables stay")
    for name, (default, sentence) in SIZES.items():
        parser.add_argument(f"--{name}", type=_positive, default=default, metavar="N", help=f"{sentence} ({default})")
    parser.add_argument("--dry-run", action="store_true", help=f"print only, leave {README.name} as it is")
    arguments = parser.parse_args(argv)
    terminal = Terminal()
    tables: dict[str, str] = {}
    try:
        for name, part in PARTS.items():
            if name == arguments.only or (arguments.only is None and not part.asked_only):
                with Steps(terminal, name, part.steps(arguments)) as step:
                    table = part.measure(arguments, step)
                tables[name] = f"{stamp(_command(name, part, arguments))}\n\n{table}"
    except _TOLD as error:
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


def _command(name: str, part: Part, arguments: argparse.Namespace) -> str:
    """What measures this part alone, in this size."""
    given = [
        f" --{size} {getattr(arguments, size)}" for size in part.sizes if getattr(arguments, size) != SIZES[size][0]
    ]
    return f"python -m bench --only {name}{''.join(given)}"


class Steps:
    """Tells how far it is: a bar on a terminal, a line for each step elsewhere."""

    def __init__(self, terminal: Terminal, title: str, total: int) -> None:
        self._terminal = terminal
        self._title = title
        self._total = total
        self._done = 0
        self._leave = ExitStack()

    def __enter__(self) -> Step:
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
