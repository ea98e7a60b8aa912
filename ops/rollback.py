"""Have the champion before serve again, or an older one; a candidate on trial is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ops.identities import identity_in
from ops.invocation import legal_model, legal_run, reason_option, stack_command
from ops.known_models import unknown_to
from ops.retrain import asked_document, told
from ops.stack import NotReachedError, OperatorError
from orchestration.domain.commands import WHY

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal


@stack_command("rollback")
@click.option("--model", required=True, callback=legal_model, help="Model whose champion is to serve again.")
@reason_option
@click.option(
    "--to",
    default="",
    metavar="RUN",
    callback=legal_run,
    help="The run whose model is to serve; else what served before.",
)
def rollback(stack: Stack, terminal: Terminal, *, model: str, reason: str, to: str) -> int:
    """Have the champion before serve again. Exit status 1: nothing new follows, or it was refused."""
    wanted = {"to": identity_in(to)} if to else {}
    try:
        answer = stack.operate({"action": "rollback", "model": model, "reason": reason, **wanted})
    except NotReachedError:
        raise
    except OperatorError:
        if (unknown := unknown_to(stack, model)) is None:
            raise
        raise OperatorError(unknown) from None
    if "signal_id" in answer:
        return told(stack, terminal, answer["signal_id"])
    run_id = answer["run_id"]
    going_back = bool(answer.get("goes_back"))
    if going_back:
        said = f"Run {run_id}, which was asked for before, puts the model before back."
    elif answer["changed"]:
        said = f"The candidate of run {run_id} is taken back; the champion serves again when the endpoint has moved."
    else:
        said = f"The candidate of run {run_id} was asked back before."
    terminal.answer({**asked_document(None, said), "run_id": run_id})
    terminal.say(f"{said} Follow it:")
    terminal.command(stack.place.command("history", run=run_id, watch=True))
    if going_back:
        terminal.say("To have the model stay that it takes away, end its bake:")
        terminal.command(stack.place.command("pause", scope=f"model:{model}", reason=WHY))
    return 0 if answer["changed"] and not going_back else 1
