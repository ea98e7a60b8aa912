"""Pause and resume the loop, unfreeze a model, or have what is due done now; changes are told to operators."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click

from ops.invocation import legal_model, reason_option, stack_command
from ops.known_models import unknown_to
from ops.terminal import Styled
from orchestration.domain.contracts import SignalSource
from orchestration.domain.json_values import model_name

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal


AHEAD_SECONDS: Final = 3600
"""As long as anything is put off that failed or has lasted: who mended its cause need not wait."""

SCOPES: Final = f"global (everything), model:<model>, or source:<one of {', '.join(SignalSource)}>"


def legal_scope(context: click.Context, option: click.Parameter, given: str) -> str:
    """A scope as it was given. It is never guessed: a switch of one model is not the switch of everything."""
    kind, _colon, name = given.partition(":")
    if given == "global" or (kind == "model" and model_name(name)) or (kind == "source" and name in set(SignalSource)):
        return given
    near = get_close_matches(name or given, SignalSource, n=1)
    if given in {"all", "everything", "*"}:
        meant = " Did you mean global?"
    elif near:
        meant = f" Did you mean source:{near[0]}?"
    elif not name and model_name(given):
        meant = f" Did you mean model:{given}?"
    else:
        meant = ""
    raise click.BadParameter(f"{given} is no scope.{meant} Use {SCOPES}.", context, option)


SCOPE: Final = click.option("--scope", required=True, callback=legal_scope, help=f"{SCOPES}.")


@stack_command("pause")
@SCOPE
@reason_option
def pause(stack: Stack, terminal: Terminal, *, scope: str, reason: str) -> int:
    """Throw a kill switch: no training and no promotion starts under it. Exit status 1: it was thrown before."""
    answer = stack.operate({"action": "pause", "scope": scope, "reason": reason})
    lift = stack.place.command("resume", scope=answer["scope"])
    kind, _, model = scope.partition(":")
    # Asked after the switch is thrown, which is what cannot wait; throwing it makes no model known.
    unknown = unknown_to(stack, model) if kind == "model" else None
    warning = unknown and f"It is paused, and this may be a typo. {unknown}"
    terminal.answer({**_changed(answer), "in_flight": list(answer["in_flight"]), "warning": warning, "lift": lift})
    terminal.say(
        f"{answer['scope']} is paused: no training and no promotion starts in it, and a bake in it ends with the champion."
        if answer["changed"]
        else f"{answer['scope']} was paused before, and stays as it was."
    )
    if answer["in_flight"]:
        terminal.say("Begun before, goes on to its end:")
        for begun in answer["in_flight"]:
            terminal.say(f"  {begun}")
    else:
        terminal.say("Nothing that was begun before goes on in it.")
    if warning:
        terminal.say(Styled("yellow", warning))
    terminal.say("This lifts it:")
    terminal.command(lift)
    return 0 if answer["changed"] else 1


@stack_command("resume")
@SCOPE
def resume(stack: Stack, terminal: Terminal, *, scope: str) -> int:
    """Lift a kill switch. Exit status 1: it was not thrown."""
    answer = stack.operate({"action": "unpause", "scope": scope})
    terminal.answer(_changed(answer))
    if answer["changed"]:
        terminal.say(f"{answer['scope']} goes on. What waited for it:")
        terminal.command(stack.place.command("status"))
        return 0
    terminal.say(f"{answer['scope']} was not paused. What is, each with its scope:")
    terminal.command(stack.place.command("status"))
    return 1


@stack_command("unfreeze")
@click.option("--model", required=True, callback=legal_model, help="Model whose breaker is to be closed.")
@reason_option
def unfreeze(stack: Stack, terminal: Terminal, *, model: str, reason: str) -> int:
    """Close the breaker of a model. Exit status 1: it was not frozen."""
    answer = stack.operate({"action": "unfreeze", "model": model, "reason": reason})
    unknown = None if answer["changed"] else unknown_to(stack, model)
    terminal.answer({"model": model, "changed": bool(answer["changed"]), "warning": unknown})
    terminal.say(f"{model} is unfrozen." if answer["changed"] else unknown or f"{model} was not frozen.")
    terminal.say("How it is doing:")
    terminal.command(stack.place.command("status"))
    return 0 if answer["changed"] else 1


@stack_command("sweep")
def sweep(stack: Stack, terminal: Terminal) -> int:
    """Have what is due, or will be within the hour, done now. Exit status 1: it could not be asked for."""
    asked = bool(stack.operate({"action": "sweep", "ahead_seconds": AHEAD_SECONDS})["asked"])
    terminal.answer({"asked": asked, "ahead_seconds": AHEAD_SECONDS})
    terminal.say("A sweep was asked for." if asked else "A sweep could not be asked for; the next comes by itself.")
    terminal.say("What is left waiting:")
    terminal.command(stack.place.command("waits"))
    return 0 if asked else 1


def _changed(answer: dict[str, Any]) -> dict[str, Any]:
    return {"scope": answer["scope"], "changed": bool(answer["changed"])}
