"""A file of signals under some policies: one pass over the file, models shared out over processes where none waits for another."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.simulation.loop import Asked, Loop
from ops.simulation.signal_file import LINE_LIMIT, read_signals
from ops.simulation.stated import Stated, StatedWorld
from ops.simulation.tally import Tally
from ops.stack import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from orchestration.domain.policy import Policy

SMALL: Final = 2_000_000
"""Bytes of a file for which starting another process takes longer than it saves."""

LOOKS: Final = 0.2
"""Seconds between two looks at how far the processes are."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is simulated: policies by their names, and which share of the models (``part`` of ``parts``)."""

    path: Path
    policies: tuple[tuple[str, Policy], ...]
    stated: Stated
    slots: int
    part: int = 0
    parts: int = 1

    def takes(self, model: str) -> bool:
        """Whether a model is of this share."""
        return self.parts == 1 or zlib.crc32(model.encode()) % self.parts == self.part


def simulate_file(
    path: Path,
    policies: tuple[tuple[str, Policy], ...],
    stated: Stated,
    *,
    slots: int = 0,
    jobs: int = 1,
    step: Callable[[int, int], object] = lambda *_: None,
) -> list[Tally]:
    """What each of the policies would have made of the signals of a file.

    Args:
        path: the file.
        policies: with their names.
        stated: what runs come to.
        slots: trainings at once over all models, for which models then wait; 0: no limit.
        jobs: processes.
        step: is told bytes read, and of how many.

    Raises:
        OperatorError: the file cannot be read.
    """
    before = path.stat()
    size = before.st_size
    parts = 1 if slots or size < SMALL else max(1, jobs)
    tasks = [Task(path, policies, stated, slots, part, parts) for part in range(parts)]
    if parts == 1:
        return _simulate(tasks[0], lambda done: step(done, size))
    found = [Tally(name) for name, _ in policies]
    for tallies in _side_by_side(tasks, lambda done: step(done, size)):
        for whole, share in zip(found, tallies, strict=True):
            whole.models |= share.models
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (size, before.st_mtime_ns):
        raise OperatorError(f"{path.name} was changed while it was read: give a file that stays as it is.")
    return found


def _simulate(task: Task, done: Callable[[int], object]) -> list[Tally]:
    tallies = [Tally(name) for name, _ in task.policies]
    loops = [
        Loop(StatedWorld(policy, task.stated), slots=task.slots, decided=tally.hear, ended=tally.end)
        for tally, (_, policy) in zip(tallies, task.policies, strict=True)
    ]
    try:
        with task.path.open(encoding="utf-8-sig") as file:
            lines = iter(lambda: file.readline(LINE_LIMIT + 1), "")
            for number, (heard, at) in enumerate(
                read_signals(_counted(lines, done), name=task.path.name, takes=task.takes)
            ):
                asked = Asked(at, f"{heard.model}-{number}")
                for loop in loops:
                    loop.hear(heard, asked)
    except UnicodeDecodeError as error:
        raise OperatorError(
            f"{task.path.name} is not UTF-8: {error.reason}. Give it as plain text, unpacked, in UTF-8."
        ) from None
    for loop in loops:
        loop.finish()
    return tallies


def _counted(lines: Iterable[str], done: Callable[[int], object]) -> Iterator[str]:
    read = 0
    for place, line in enumerate(lines):
        read += len(line)
        if not place % 4096:
            done(read)
        yield line


def _side_by_side(tasks: list[Task], done: Callable[[int], object]) -> Iterator[list[Tally]]:
    """What came of each task, each in a process of its own that ends with this one."""
    context = multiprocessing.get_context("spawn")
    progress = context.Array("q", len(tasks), lock=False)
    with ExitStack() as leave:
        answers = []
        for task in tasks:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_process, args=(task, theirs, progress), daemon=True)
            # What a terminal sends on Ctrl-C reaches all of them; this one hears it and ends the others.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            process.start()
            signal.signal(signal.SIGINT, before)
            theirs.close()
            leave.callback(process.join)
            leave.callback(process.terminate)
            answers.append(ours)
        for answer in answers:
            while not answer.poll(LOOKS):
                done(min(progress))
            try:
                found = answer.recv()
            except EOFError:
                raise OperatorError(
                    "A process of the simulation ended before it had an answer: is there memory left?"
                ) from None
            if isinstance(found, str):
                raise OperatorError(found)
            yield found


def _process(task: Task, answer: Any, progress: Any) -> None:
    parent = multiprocessing.parent_process()

    def done(read: int) -> None:
        progress[task.part] = read
        if parent is not None and not parent.is_alive():
            # It was killed, and nobody waits for an answer.
            sys.exit(1)

    try:
        answer.send(_simulate(task, done))
    except OperatorError as error:
        answer.send(str(error))
