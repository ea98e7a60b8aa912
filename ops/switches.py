"""Pause and resume the loop, unfreeze a model, go back to the champion before, or have what is due done now; changes are told to operators.

make pause SCOPE=model:fraud REASON="incident 42"     scopes: global, model:<model>, source:<source>
make resume SCOPE=model:fraud                         the scope is never guessed: make status shows what is paused
make unfreeze MODEL=fraud REASON="labels repaired"
make rollback MODEL=fraud REASON="chargebacks doubled" [TO=<run>]   the champion before serves again, or that run's model
make sweep                                            also what is due within ten minutes
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ops.retrain import told
from ops.stack import OperatorError, Stack, parser, required, run, variable
from ops.stack_names import resume_command
from ops.terminal import Styled
from orchestration.domain.contracts import SignalSource
from orchestration.domain.documents import Unreadable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


AHEAD_SECONDS = 600


def switch(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Carry the change out. Exit status 1 when there was nothing to change."""
    if options.change == "sweep":
        asked = stack.operate({"action": "sweep", "ahead_seconds": AHEAD_SECONDS})["asked"]
        terminal.say("A sweep was asked for." if asked else "A sweep could not be asked for; the next comes by itself.")
        return 0 if asked else 1
    if options.change == "rollback":
        example = 'make rollback MODEL=fraud REASON="chargebacks doubled"'
        model, reason = required(options.model, "MODEL", example), required(options.reason, "REASON", example)
        to = {"to": options.to} if options.to else {}
        answer = stack.operate({"action": "rollback", "model": model, "reason": reason, **to})
        if "signal_id" in answer:
            return told(stack, terminal, answer["signal_id"])
        run_id = answer["run_id"]
        if answer.get("goes_back"):
            terminal.say(
                f"Run {run_id}, which was asked for before, puts the model before back. Follow it: make history RUN={run_id}\n"
                f"To have the model stay that it takes away, end its bake with make pause SCOPE=model:{model}."
            )
            return 1
        terminal.say(
            f"The candidate of run {run_id} is taken back; the champion serves again when the endpoint has moved. "
            f"Follow it: make history RUN={run_id}"
            if answer["changed"]
            else f"The candidate of run {run_id} was asked back before. Follow it: make history RUN={run_id}"
        )
    elif options.change == "unfreeze":
        model = required(options.model, "MODEL", 'make unfreeze MODEL=fraud REASON="labels repaired"')
        reason = required(options.reason, "REASON", 'make unfreeze MODEL=fraud REASON="labels repaired"')
        answer = stack.operate({"action": "unfreeze", "model": model, "reason": reason})
        terminal.say(f"{model} is unfrozen." if answer["changed"] else f"{model} was not frozen.")
    elif options.change == "pause":
        example = 'make pause SCOPE=model:fraud REASON="incident 42"'
        scope, reason = _scope(options.scope, example), required(options.reason, "REASON", example)
        answer = stack.operate({"action": "pause", "scope": scope, "reason": reason})
        undo = resume_command(answer["scope"])
        terminal.say(
            f"{answer['scope']} is paused: no training and no promotion starts in it, and a bake in it ends with the "
            f"champion. Undo: {undo}"
            if answer["changed"]
            else f"{answer['scope']} was paused before. Undo: {undo}"
        )
        for begun in answer["in_flight"]:
            terminal.say(f"  begun before, goes on to its end: {begun}")
        if _unknown(stack, scope):
            model = scope.removeprefix("model:")
            terminal.say(
                Styled("yellow", "Unknown model"),
                f": no signal of {model} ever came and it has no policy, so this may be a typo. It is paused all the same. "
                f"make status lists models; undo: {undo}",
            )
    else:
        scope = _scope(options.scope, "make resume SCOPE=model:fraud")
        answer = stack.operate({"action": "unpause", "scope": scope})
        terminal.say(
            f"{answer['scope']} goes on."
            if answer["changed"]
            else f"{answer['scope']} was not paused. make status shows what is, each with its scope."
        )
    return 0 if answer["changed"] else 1


def _scope(given: str, example: str) -> str:
    """The scope of SCOPE=. It is never guessed: a switch of one model is not the switch of everything.

    Raises:
        OperatorError: it is missing; the sentence names the scopes.
    """
    if not given:
        raise OperatorError(
            f"SCOPE= is missing: global (everything), model:<model>, or source:<one of {', '.join(SignalSource)}>. "
            f"Example: {example}"
        )
    return given


def _unknown(stack: Stack, scope: str) -> bool:
    """Whether a scope is a model that the loop has never heard of. Where that cannot be seen, nothing is said."""
    kind, _, model = scope.partition(":")
    if kind != "model":
        return False
    try:
        # Asked after the switch is thrown, which is what cannot wait; throwing it makes no model known.
        policy = stack.bucket.read(stack.bucket.uri(f"policies/{model}.json"))
        return policy.unreadable is Unreadable.MISSING and model not in stack.table.models()
    except (BotoCoreError, ClientError):
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("pause|resume|unfreeze|rollback|sweep", __doc__)
    arguments.add_argument("change", choices=("pause", "resume", "unfreeze", "rollback", "sweep"))
    arguments.add_argument(
        "--scope", default=variable("SCOPE"), help="global, model:<model> or source:<source> (SCOPE=)"
    )
    arguments.add_argument("--model", default=variable("MODEL"), help="model name (MODEL=)")
    arguments.add_argument("--to", default=variable("TO"), help="run whose model is to serve again (TO=)")
    arguments.add_argument("--reason", default=variable("REASON"), help="why; kept as evidence (REASON=)")
    return run(switch, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
