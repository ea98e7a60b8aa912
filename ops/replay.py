"""Have an event raised again that came to nothing: a rejected one whose cause was mended, one that was never decided, a dead letter.

make replay EVENT=rejected/14f5d41096dc3ee07ad92b66de04cc50.json    a key of the AutomationBucket
make replay DEAD_LETTERS=1                                          everything in the dead-letter queue

A signal that was decided before stays decided. An event of one's own is sent with aws events put-events.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ops.stack import Stack, parser, required, run, truth, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


def replay(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Ask for it. Exit status 1 when a dead letter stays in the queue."""
    if truth(options.dead_letters):
        return _dead_letters(stack, terminal)
    place = required(options.event, "EVENT", "make replay EVENT=rejected/<name>.json")
    key = place.removeprefix(f"s3://{stack.outputs['AutomationBucketName']}/")
    _say(stack.operate({"action": "replay", "key": key}), terminal)
    return 0


def _dead_letters(stack: Stack, terminal: Terminal) -> int:
    """Ask until the queue gives nothing, or only letters that were left in it before."""
    count, left = 0, set[str]()
    while True:
        answer = stack.operate({"action": "replay", "dead_letters": True})
        _say({**answer, "left": [letter for letter in answer["left"] if letter["what"] not in left]}, terminal)
        fresh = {letter["what"] for letter in answer["left"]} - left
        count, left = count + len(answer["replayed"]), left | fresh
        if not answer["more"] or not (answer["replayed"] or fresh):
            terminal.say(f"{count} event(s) replayed; {len(left)} left in the dead-letter queue.")
            return 1 if left else 0


def _say(answer: dict[str, Any], terminal: Terminal) -> None:
    for event in answer["replayed"]:
        how = f"execution {event['execution']}" if event["execution"] else "a sweep does what it was for"
        terminal.say(f"{event['what']} replayed: {how}")
        if event["why"]:
            terminal.say(f"  it was not delivered: {event['why']}")
    for letter in answer["left"]:
        terminal.say(f"{letter['what']} left: {letter['sentence']}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("replay", __doc__)
    arguments.add_argument("--event", default=variable("EVENT"), help="a key of the AutomationBucket (EVENT=)")
    arguments.add_argument(
        "--dead-letters", default=variable("DEAD_LETTERS"), help="1 replays the dead-letter queue (DEAD_LETTERS=1)"
    )
    return run(replay, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
