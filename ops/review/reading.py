"""What the reader may read of a stack, part by part: what their rights do not reach is said, and the rest is shown."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from ops.heard_signals import Heard, gathered, heard
from ops.history import Moment, lived
from ops.known_models import PolicyFiles
from ops.life_page import SPARK_DAYS
from ops.refusals import not_allowed, signed_out
from ops.status import ModelStatus, model_status, settings_of
from orchestration.domain.contracts import WaitKind
from orchestration.domain.json_values import json_object, mapping, model_name
from orchestration.domain.messages import Speaker
from orchestration.domain.people import Person, person_of
from orchestration.domain.records import manifest_key
from orchestration.domain.switches import KillSwitch, sources_of, switch_over
from orchestration.domain.votes import Answer, Via, Vote, VoteCode, unweighable, weigh
from orchestration.steps.approval_reading import asked_of
from orchestration.steps.approvals import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ops.stack import Stack
    from orchestration.domain.approval_view import Asked
    from orchestration.domain.wait import Wait

SIGNALS_READ: Final = 2000
"""The newest of a month, for the sparks; those of one model have a page of their own."""

SIGNALS_SHOWN: Final = 6
"""On the first page."""

SIGNALS_LISTED: Final = 100
"""On the page of signals."""

THREADS: Final = 8
"""Questions asked at once. The SDK keeps ten connections to a service."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Refused:
    """What the reader's rights do not reach; the sentence says what."""

    sentence: str


def seen(read: Callable[[], T], what: str) -> T | Refused:
    """What is read, or that it may not be.

    Args:
        read: asks AWS.
        what: what it reads, as the beginning of a sentence.
    """
    try:
        return read()
    except ClientError as error:
        if not not_allowed(error):
            raise
        return Refused(f"{what} may not be read with your rights.")


def listed(read: Callable[[], T], what: str) -> T | Refused:
    """What is ``seen``, or that a record of it is not whole: of all there is at a glance, one part hides no other."""
    try:
        return seen(read, what)
    except (KeyError, TypeError, ValueError):
        return Refused(f"{what} cannot be listed: a record is not whole. What is named by itself can be looked at.")


class SignedIn:
    """The stack as whoever is signed in sees it; found again where a sign-in is over, since the next one may be good.

    Args:
        find: finds the stack with the credentials there are now.
    """

    def __init__(self, find: Callable[[], Stack]) -> None:
        self._find, self._lock = find, threading.Lock()
        self._stack: Stack | None = None
        self._known: tuple[Stack, Person | None] | None = None

    def stack(self) -> Stack:
        """The stack.

        Raises:
            OperatorError: it is not found; the message says why.
        """
        with self._lock:
            if self._stack is None:
                self._stack = self._find()
            return self._stack

    def person(self) -> Person | None:
        """Whoever is signed in, as votes name them; None where AWS names nobody."""
        stack, known = self.stack(), self._known
        if known is None or known[0] is not stack:
            arn = str(stack.client("sts").get_caller_identity()["Arn"])
            self._known = known = (stack, person_of(arn, settings_of(stack).voter_roles))
        return known[1]

    def forget(self) -> None:
        """Have the stack found again."""
        with self._lock:
            self._stack = self._known = None


def speaker_of(stack: Stack) -> Speaker:
    """The stack, as pages speak of it: with the profile its reader named."""
    return Speaker(stack.place, stack.outputs["StateMachineArn"], stack.parameters.get("RunbookUrl", ""))


# An approval.


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an answer of the reader would be counted, as far as can be told. ``why`` says what keeps one out."""

    approves: bool
    rejects: bool
    why: str = ""


def standing(wait: Wait, person: Person | None, now: datetime) -> Standing:
    """What the function that counts votes would say to the reader's, but for kill switches, which the approval itself tells.

    Args:
        wait: an open approval.
        person: the reader, None when AWS named nobody.
        now: the time to judge at.
    """
    if person is None:
        broken = unweighable(wait)
        return Standing(approves=broken is None, rejects=broken is None, why=broken or "")

    def verdict(answer: Answer) -> tuple[bool, str]:
        vote = Vote(answer, person.name, Via.TERMINAL, "", now.isoformat(), person.arn, str(person.proven_by))
        found = weigh(wait, vote, now=now, paused=None)
        return found.code in {VoteCode.DECIDED, VoteCode.COUNTED}, found.sentence

    (approves, why), (rejects, _) = verdict(Answer.APPROVED), verdict(Answer.REJECTED)
    return Standing(approves, rejects, "" if approves else why.removesuffix(" Nothing was decided."))


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run as far as its reader may see it.

    ``waits`` are all of the run; ``asked`` is what its last approval is about, None when nobody was asked; ``unread`` are
    sentences on what of these may not be read.
    """

    run_id: str
    model: str
    outcome: str | None
    started_at: str
    execution_arn: str
    moments: tuple[Moment, ...]
    waits: tuple[Wait, ...]
    asked: Asked | None
    unread: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether people are asked now."""
        return self.asked is not None and not self.asked.wait.resolved


def run_seen(stack: Stack, run_id: str) -> RunSeen | Refused | None:
    """A run with what it waits for; None when there is no such run."""
    found = seen(lambda: stack.table.run(run_id), "This run")
    if found is None or isinstance(found, Refused):
        return found
    unread: list[str] = []

    def kept(part: T | Refused, otherwise: T) -> T:
        if isinstance(part, Refused):
            unread.append(part.sentence)
            return otherwise
        return part

    waits = kept(seen(lambda: stack.table.waits_of_run_without_tokens(run_id), "What it waits for"), [])
    statuses = kept(seen(lambda: stack.table.statuses(run_id), "What became of it"), [])
    approvals = {wait.subject: wait for wait in waits if wait.kind is WaitKind.APPROVAL}
    ordered = [approvals[subject] for subject in SUBJECTS if subject in approvals]
    wait = next((each for each in ordered if not each.resolved), ordered[0] if ordered else None)
    asked = None
    if wait is not None:
        asked = kept(seen(lambda: asked_of(stack.table, stack.bucket, wait), "What it asks people"), None)
    return RunSeen(
        run_id,
        found.model,
        found.outcome,
        found.started_at,
        found.execution_arn,
        tuple(lived(statuses, waits)),
        tuple(waits),
        asked,
        tuple(unread),
    )


# Everything at a glance.


@dataclass(frozen=True, slots=True)
class Asks:
    """An open approval, the switch that stops it, and whether the reader may answer it."""

    wait: Wait
    standing: Standing
    paused: KillSwitch | None


@dataclass(frozen=True, slots=True)
class Running:
    """A run without an outcome; ``last`` is the last that is known of it, ``waits`` what it waits for besides people."""

    run_id: str
    model: str
    last: Moment | None
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model; ``days`` are the signals of each of the last days, the oldest first, None where they may not be read."""

    status: ModelStatus
    days: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything a reader may see at once, each part by itself."""

    asks: tuple[Asks, ...] | Refused
    running: tuple[Running, ...] | Refused
    models: tuple[ModelLine, ...] | Refused
    switches: tuple[KillSwitch, ...] | Refused
    signals: tuple[Heard, ...] | Refused
    more_signals: bool = False


def glance(stack: Stack, person: Person | None, now: datetime) -> Glance:
    """Look at everything."""
    table, settings = stack.table, settings_of(stack)
    since = (now - timedelta(days=SPARK_DAYS)).isoformat()
    with ThreadPoolExecutor(THREADS) as pool:

        def each(of: Iterable[U], read: Callable[[U], T]) -> tuple[T, ...]:
            return tuple(pool.map(read, of))

        asked_waits = pool.submit(listed, table.waits_without_tokens, "What waits for people")
        asked_switches = pool.submit(listed, table.kill_switches, "Kill switches")
        asked_signals = pool.submit(
            listed, lambda: list(itertools.islice(gathered(heard(table, "", since)), SIGNALS_READ + 1)), "Signals"
        )
        runs, names = listed(table.active_runs, "Runs"), listed(table.models, "Models")
        waits, switches, signals = asked_waits.result(), asked_switches.result(), asked_signals.result()
        thrown = () if isinstance(switches, Refused) else switches
        parked = () if isinstance(waits, Refused) else tuple(waits)

        def asks(wait: Wait) -> Asks:
            manifest = stack.bucket.read(stack.bucket.uri(manifest_key(wait.model, wait.run_id)))
            sources = sources_of(mapping(json_object(manifest.body or b"")))
            return Asks(wait, standing(wait, person, now), switch_over(thrown, wait.model, *sources))

        def running(run: dict[str, Any]) -> Running:
            found = listed(lambda: lived(table.statuses(run["run_id"]), ()), "")
            moments = [] if isinstance(found, Refused) else found
            own = tuple(wait for wait in parked if wait.run_id == run["run_id"])
            return Running(run["run_id"], run["model"], moments[-1] if moments else None, own)

        def model(name: str) -> ModelLine:
            # Their policies are the operators' to read.
            status = model_status(stack, name, PolicyFiles(refused="not asked for"), settings, now)
            if isinstance(signals, Refused):
                return ModelLine(status, None)
            return ModelLine(status, by_day((each.at for each in signals if each.model == name), now))

        default = model_name(settings.default_model)
        known = () if isinstance(names, Refused) else sorted({*names, *([default] if default else [])})
        open_approvals = sorted(
            (wait for wait in parked if wait.kind is WaitKind.APPROVAL), key=lambda wait: wait.deadline
        )
        return Glance(
            asks=waits if isinstance(waits, Refused) else each(open_approvals, asks),
            running=runs if isinstance(runs, Refused) else each(runs, running),
            models=names if isinstance(names, Refused) else listed(lambda: each(known, model), "Models"),
            switches=switches,
            signals=signals if isinstance(signals, Refused) else tuple(signals[:SIGNALS_READ]),
            more_signals=not isinstance(signals, Refused) and len(signals) > SIGNALS_READ,
        )


def by_day(times: Iterable[str], now: datetime) -> tuple[int, ...]:
    """How many times fall on each of the last days, the oldest first."""
    counts = Counter(time[:10] for time in times)
    days = ((now - timedelta(days=ago)).date().isoformat() for ago in reversed(range(SPARK_DAYS)))
    return tuple(counts[day] for day in days)


def was_refused(error: Exception) -> bool:
    """Whether it is certain that what was asked came to nothing: AWS refused the first try of it, or nothing was sent."""
    if not isinstance(error, ClientError):
        return signed_out(error)
    answer = error.response.get("ResponseMetadata", {})
    # The answer to a try before may have been lost, and with it that it was counted.
    return 400 <= int(answer.get("HTTPStatusCode", 0)) < 500 and not answer.get("RetryAttempts")  # noqa: PLR2004 - HTTP: the fault of whoever asks
