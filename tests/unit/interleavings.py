"""Histories of a stack in motion, drawn by chance: interleaved call by call, with deaths, losses and conflicts.

A history is the list of its moves. The same seed draws the same one, its moves alone play it again, and one that breaks a
promise is cut down to the moves that do.

::

    python -m tests.unit.interleavings --steps 100000 --seed 1
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.unit.promises import BrokenPromiseError
from tests.unit.scheduler import Fate
from tests.unit.stack_in_motion import Move, StackInMotion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

USUAL: Final = {
    "calls": 300,
    "up_to_write": 150,
    "crowd": 20,
    "finish": 40,
    "go_well": 12,
    "seconds_pass": 10,
    "minutes_pass": 8,
    "signal": 12,
    "event": 30,
    "vote": 50,
    "training_ends": 40,
    "deployment_ends": 10,
    "endpoint_settles": 30,
    "unpause": 4,
    "mend": 3,
}
"""How often each move is drawn that lets runs go on."""

UNUSUAL: Final = {
    "sweep": 3,
    "pause": 2,
    "ask_back": 4,
    "policy": 1.5,
    "foreign_deployment": 2,
    "alarm": 4,
    "overwrite": 1,
    "stop": 3,
    "redrive": 3,
    "doubled": 3,
    "strike": 15,
    "rest": 1,
}
"""The same of what gets in their way; each history draws anew how much of each it has."""

PARTS: Final = 2
LENGTH: Final = 300
"""Moves that are made until everything comes to rest; so many parts make a history."""

REST: Final = Move("come_to_rest")
PROGRESS_SECONDS: Final = 5.0


def drawn(seed: str) -> tuple[StackInMotion, str | None]:
    """Draw a history by chance and play it. Gives it with what broke, or None."""
    chance, history = random.Random(seed), StackInMotion()  # noqa: S311 - a history, not a secret
    weights = USUAL | {kind: weight * chance.choice((0, 1, 3)) for kind, weight in UNUSUAL.items()}
    kinds, likely = list(weights), list(weights.values())

    def play() -> None:
        for _ in range(PARTS):
            made = 0
            while made < LENGTH:
                kind = chance.choices(kinds, likely)[0]
                made += history.play(Move(kind, chance.randrange(5040), chance.randrange(5040)))
            history.play(REST)

    return history, _broken(play)


def played(moves: Iterable[Move]) -> tuple[StackInMotion, str | None]:
    """Play moves; gives the history with what broke, or None. A move that cannot be made is passed over."""
    history = StackInMotion()

    def play() -> None:
        for move in moves:
            history.play(move)

    return history, _broken(play)


def _broken(play: Callable[[], None]) -> str | None:
    try:
        play()
    except BrokenPromiseError as error:
        return str(error)
    return None


def cut_down(moves: Sequence[Move], broken: str) -> list[Move]:
    """Fewer moves that break the same promise: ever smaller parts are left out as long as it breaks."""
    kept, size = list(moves), len(moves) // 2
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if promise_of(played([*fewer, REST])[1]) == promise_of(broken):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept


def promise_of(broken: str | None) -> str | None:
    """The word of the promise that broke."""
    return broken.split(":")[0] if broken is not None else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw histories until they have so many steps. Gives 1 when a promise broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000, help="calls to make (100,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the histories are drawn from (1)")
    parser.add_argument("--only", type=int, help="play this history alone, as one that broke says")
    asked = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    began = said = time.monotonic()
    digest = hashlib.sha256()
    for number in itertools.count() if asked.only is None else [asked.only]:
        history, broken = drawn(f"{asked.seed}/{number}")
        digest.update("\n".join(history.scheduler.trace).encode())
        total += history.counts + history.promises.effects
        total += Counter(steps=history.scheduler.steps, histories=1, conflicts=history.world.database.conflicts)
        if broken is not None:
            total["broken"] += 1
            _show(asked.seed, number, history, broken)
        if total["steps"] >= asked.steps:
            break
        if time.monotonic() - said > PROGRESS_SECONDS:
            said = time.monotonic()
            _say(f"{total['steps']} of {asked.steps} steps, {total['histories']} histories, {total['broken']} broken")
    _say(
        f"seed {asked.seed}, steps {total['steps']}, histories {total['histories']}, actions {total['actions']}, "
        f"deaths {total[Fate.DIES] + total[Fate.DIED]}, lost answers {total[Fate.LOST] + total[Fate.AGAIN]}, "
        f"throttled {total[Fate.THROTTLED]}, conflicts {total['conflicts']}, switches {total['switches']}, "
        f"trainings {total['StartTraining'] + total['CreateTrainingJob']}, "
        f"endpoints moved {total['UpdateEndpoint']} and back {total['rollbacks']}, "
        f"{time.monotonic() - began:.0f} s, trace {digest.hexdigest()[:12]}, broken: {total['broken']}"
    )
    return 1 if total["broken"] else 0


def _show(seed: int, number: int, history: StackInMotion, broken: str) -> None:
    moves = cut_down(history.moves, broken)
    shown, sentence = played([*moves, REST])
    _say(f"history {number} breaks: {broken}\ncut down from {len(history.moves)} to {len(moves)} moves: {sentence}")
    _say("\n".join(map(str, moves)))
    _say("\n".join(shown.scheduler.trace[-60:]))
    _say(f"again: python -m tests.unit.interleavings --seed {seed} --only {number}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
