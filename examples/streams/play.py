"""Chunk after chunk: the endpoint answers, the labels come, the monitor speaks, the loop does what it does. And the yardsticks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from examples.streams.model import learned
from examples.streams.monitor import drift_report, threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from examples.streams.model import Chunk, Model
    from examples.streams.world import StreamWorld


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days chunks are of: the first chunk begins with ``first``, each takes ``days``."""

    first: datetime
    days: int

    def since(self, number: int) -> datetime:
        """When a chunk begins, which is when the one before it is over."""
        return self.first + timedelta(days=self.days * number)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of the loop that trained: what became of it, in the loop's words."""

    run_id: str
    outcome: str
    reason: str
    waited: bool
    """Whether its signal had come in a cooldown, and waited for its end."""

    @property
    def promoted(self) -> bool:
        """Whether its candidate serves."""
        return self.outcome == "PROMOTED"


@dataclass(frozen=True, slots=True)
class Lived:
    """A chunk that the model lived through.

    Attributes:
        number: of the chunk.
        until: when it was over.
        error: share of the endpoint's answers that were wrong.
        bound: the error that is not chance any more.
        ran: runs that ended before the next chunk.
        promises: the error that promised what serves afterwards.
    """

    number: int
    until: datetime
    error: float
    bound: float
    ran: tuple[Ran, ...]
    promises: float


def play(
    world: StreamWorld,
    policy: Mapping[str, Any],
    chunks: Sequence[Chunk],
    first: int,
    calendar: Calendar,
    set_clock: Callable[[datetime], None],
) -> Iterator[Lived]:
    """Have a model live through chunks.

    Args:
        world: where it serves.
        policy: as the loop has it.
        chunks: all of the stream; those before ``first`` are there already, and the first champion is trained on them.
        first: the first chunk that arrives.
        calendar: the days of chunks.
        set_clock: sets the loop's clock to a moment.

    Yields:
        Each chunk once everything it led to has ended.
    """
    set_clock(calendar.since(first))
    for number, chunk in enumerate(chunks[:first]):
        world.arrive(number, chunk)
    promised = world.serve_first(policy)
    for number in range(first, len(chunks)):
        chunk, until = chunks[number], calendar.since(number + 1)
        wrong, rows = int((world.answers(chunk.columns) != chunk.labels).sum()), len(chunk.labels)
        set_clock(until)
        report = drift_report(
            model=world.model,
            endpoint=world.endpoint,
            uri=world.arrive(number, chunk),
            since=calendar.since(number),
            until=until,
            wrong=wrong,
            rows=rows,
            promised=promised,
        )
        # What waited for the end of a cooldown is raised by a sweep, which AWS runs every few minutes.
        ran = (*_ran(world.speak(report, until), waited=False), *_ran(world.sweep(), waited=True))
        bound = threshold(promised, rows)
        promised = next((world.promised(run.run_id) for run in reversed(ran) if run.promoted), promised)
        yield Lived(number, until, wrong / rows, bound, ran, promised)


def _ran(outputs: Sequence[dict[str, Any]], *, waited: bool) -> tuple[Ran, ...]:
    return tuple(
        Ran(output["run_id"], output["outcome"], output["reason"], waited)
        for output in outputs
        if output["retraining_required"] == "YES"
    )


def errors_never_retrained(chunks: Sequence[Chunk], first: int, window: int) -> list[float]:
    """The error on each chunk from ``first`` on of the first champion, had it served throughout."""
    model = learned(chunks[max(0, first - window) : first])
    return [_error(model, chunk) for chunk in chunks[first:]]


def errors_always_retrained(chunks: Sequence[Chunk], first: int, window: int) -> list[float]:
    """The error on each chunk from ``first`` on of a model that was trained the moment before, on a window of its own."""
    return [
        _error(learned(chunks[max(0, number - window) : number]), chunks[number])
        for number in range(first, len(chunks))
    ]


def _error(model: Model, chunk: Chunk) -> float:
    return float((model.answers(chunk.columns) != chunk.labels).mean())
