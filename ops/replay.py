"""Have an event raised again that came to nothing: a rejected one whose cause was mended, one that was never decided, a dead letter.

A signal that was decided before stays decided. An event of one's own is sent with aws events put-events.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from ops.invocation import stack_command
from ops.stack import CallError, StoppedError
from orchestration.actions.request_replay import KEY

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal


def _legal_key(context: click.Context, argument: click.Parameter, given: str | None) -> str | None:
    if given and not KEY.fullmatch(re.sub(r"^s3://[^/]+/", "", given.strip())):
        raise click.BadParameter(
            f"{given} is no key of a kept event: pass rejected/<name>.json, as the message on it says.",
            context,
            argument,
        )
    return given


@stack_command("replay")
@click.argument("key", required=False, envvar="RETRAINING_EVENT", callback=_legal_key)
@click.option("--dead-letters", is_flag=True, help="Everything in the dead-letter queue instead.")
def replay(stack: Stack, terminal: Terminal, *, key: str | None, dead_letters: bool) -> int:
    """Have an event raised again that came to nothing.

    KEY is where it was kept: rejected/<name>.json, as the message on it says. Exit status 1: a dead letter stays in the queue.
    """
    came_in = stack.place.command("signals")
    if bool(key) == dead_letters:
        raise CallError(
            "Give one of the two: KEY, which is rejected/<name>.json, or --dead-letters. What came in:", came_in
        )
    if key:
        own = f"s3://{stack.outputs['AutomationBucketName']}/"
        place = key.strip().removeprefix(own)
        if not KEY.fullmatch(place):
            raise CallError(
                f"KEY {key} lies in another bucket than the events of stack {stack.name}, {own}. What came in:", came_in
            )
        answer = stack.operate({"action": "replay", "key": place})
    else:
        answer = _dead_letters(stack, terminal)
    replayed, left = answer["replayed"], answer["left"]
    terminal.answer({"replayed": replayed, "left": left})
    for event in replayed:
        how = f"execution {event['execution']}" if event["execution"] else "a sweep does what it was for"
        terminal.say(f"{event['what']} replayed: {how}")
        if event["why"]:
            terminal.say(f"  it was not delivered: {event['why']}")
        if event["execution"]:
            terminal.say("  What comes of it:")
            terminal.command(stack.place.command("explain", event["execution"]), indent=4)
    for letter in left:
        terminal.say(f"{letter['what']} left: {letter['sentence']}")
    if dead_letters:
        terminal.say(f"{len(replayed)} event(s) replayed; {len(left)} left in the dead-letter queue.")
    return 1 if left else 0


def _dead_letters(stack: Stack, terminal: Terminal) -> dict[str, Any]:
    """Ask until the queue gives nothing, or only letters that were left in it before."""
    replayed, left = list[dict[str, Any]](), dict[str, dict[str, Any]]()
    try:
        with terminal.progress("Dead letters") as step:
            while True:
                answer = stack.operate({"action": "replay", "dead_letters": True})
                fresh = {letter["what"]: letter for letter in answer["left"] if letter["what"] not in left}
                replayed += answer["replayed"]
                left |= fresh
                step(len(replayed))
                if not answer["more"] or not (answer["replayed"] or fresh):
                    return {"replayed": replayed, "left": list(left.values())}
    except KeyboardInterrupt:
        raise StoppedError(
            f"{len(replayed)} event(s) were taken from the queue and are decided all the same; the others stay in it. What "
            "came in:",
            stack.place.command("signals"),
        ) from None
