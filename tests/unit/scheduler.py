"""A scheduler of function calls: what runs goes on only when it is told to, one call to a store or service at a time.

Each ``Actor`` is one invocation of a function. It stands before its next call until the scheduler lets it make that call,
or says what becomes of it: the process dies, the answer is lost, the service throttles. Nothing depends on threads or
time, so the same choices give the same history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ReadTimeoutError
from greenlet import GreenletExit, getcurrent, greenlet

from tests.unit.fake_services import client_error
from tests.unit.fakes import ProcessDiedError, World
from tests.unit.memory_dynamodb import AskedAgain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.memory_dynamodb import Key

FUNCTION_SECONDS: Final = 60.0
"""How long a function may run; the template's Timeout of each of the three."""

CALL_SECONDS: Final = 0.02
"""How much time a call takes."""


class Fate(StrEnum):
    """What becomes of a call."""

    GOES = "goes"
    DIES = "dies"
    """The process dies before the call has its effect."""
    DIED = "died"
    """It dies after that."""
    LOST = "lost"
    """The effect takes place, the caller sees a timeout."""
    AGAIN = "again"
    """The answer is lost and the SDK asks again: the second try meets the effect of the first."""
    THROTTLED = "throttled"


OF_READS: Final = {Fate.DIED: Fate.DIES, Fate.LOST: Fate.THROTTLED, Fate.AGAIN: Fate.GOES}
"""A read has no effect, so that before and after are the same for it."""

READS: Final = ("Get", "TransactGet", "Query", "Describe", "List", "list")
TABLE: Final = frozenset(
    {"GetItem", "TransactGetItems", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "Commit"}
)


@dataclass(eq=False)
class Actor:
    """One invocation. ``call`` is the call it is about to make, ``about`` its keys in the table, ``error`` what it raised."""

    name: str
    began_at: datetime
    call: str = ""
    about: Sequence[Key] = ()
    answer: dict[str, Any] | None = None
    error: BaseException | None = None
    over: bool = False
    calls: int = 0

    @property
    def reads(self) -> bool:
        """True when the call it is about to make changes nothing."""
        return self.call.startswith(READS)

    def overdue(self, now: datetime) -> bool:
        """True when its function has no time left."""
        return now - self.began_at >= timedelta(seconds=FUNCTION_SECONDS)


class Scheduler:
    """Runs actors on a stack in memory. ``trace`` has a line for each step, which is one call with what became of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub = getcurrent()
        self._greenlets: dict[Actor, greenlet] = {}
        self._endings: dict[Actor, Callable[[Actor], object]] = {}
        self.running: Actor | None = None
        self.actors: list[Actor] = []
        self.trace: list[str] = []
        world.outside.follow(self._enter)
        world.database.between = self._enter

    @property
    def steps(self) -> int:
        """Calls that were scheduled."""
        return len(self.trace)

    def begin(self, name: str, work: Callable[[], dict[str, Any]], over: Callable[[Actor], object]) -> Actor:
        """Begin an invocation; it comes to stand before its first call. ``over`` is told of its end."""
        actor = Actor(name, self._world.clock())
        self._greenlets[actor] = greenlet(lambda: self._work(actor, work), parent=self._hub)
        self._endings[actor] = over
        self.actors.append(actor)
        self._switch(actor, None)
        return actor

    def go(self, actor: Actor, fate: Fate = Fate.GOES) -> None:
        """Let an actor make its call, with this fate."""
        if actor.reads:
            fate = OF_READS.get(fate, fate)
        about = " ".join(f"{pk}/{sk}" for pk, sk in actor.about)
        self.trace.append(f"{actor.name} {actor.call} {about} {fate}")
        self._world.clock.forward(seconds=CALL_SECONDS)
        actor.calls += 1
        self._switch(actor, fate)

    def finish(self, actor: Actor) -> None:
        """Let an actor run to its end, alone and unharmed."""
        while not actor.over:
            self.go(actor)

    def _switch(self, actor: Actor, fate: Fate | None) -> None:
        self.running = actor
        self._greenlets[actor].switch(*([] if fate is None else [fate]))
        self.running = None
        if actor.over:
            self.actors.remove(actor)
            del self._greenlets[actor]
            self._endings.pop(actor)(actor)

    def _work(self, actor: Actor, work: Callable[[], dict[str, Any]]) -> None:
        try:
            actor.answer = work()
        except GreenletExit:
            # Nobody lets it go on any more.
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an invocation raises is its answer
            actor.error = error
        actor.over = True

    def _enter(self, name: str) -> BaseException | None:
        actor = self.running
        if actor is None:
            # The test itself looks at the world.
            return None
        actor.call = name
        actor.about = self._world.database.about if name in TABLE else ()
        fate: Fate = self._hub.switch()
        if fate is Fate.DIES:
            raise ProcessDiedError(name)
        if fate is Fate.THROTTLED:
            raise client_error("ThrottlingException", "Rate exceeded", name)
        fates: dict[Fate, BaseException] = {
            Fate.DIED: ProcessDiedError(name),
            Fate.LOST: ReadTimeoutError(endpoint_url="https://aws"),
            Fate.AGAIN: AskedAgain(),
        }
        return fates.get(fate)
