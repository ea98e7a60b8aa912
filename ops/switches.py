"""Pause and resume the loop, or unfreeze a model; each change is recorded and told to operators.

make pause SCOPE=global REASON="incident 42"      scopes: global, model:<model>, source:<source>
make resume SCOPE=global
make unfreeze MODEL=fraud REASON="labels repaired"
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ops.stack import Stack, parser, required, run, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


def switch(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Carry the change out. Exit status 1 when there was nothing to change."""
    if options.change == "unfreeze":
        model = required(options.model, "MODEL", 'make unfreeze MODEL=fraud REASON="labels repaired"')
        reason = required(options.reason, "REASON", 'make unfreeze MODEL=fraud REASON="labels repaired"')
        answer = stack.ask({"action": "unfreeze", "model": model, "by": stack.who(), "reason": reason})
        terminal.say(f"{model} is unfrozen." if answer["changed"] else f"{model} was not frozen.")
    elif options.change == "pause":
        reason = required(options.reason, "REASON", 'make pause SCOPE=model:fraud REASON="incident 42"')
        answer = stack.ask({"action": "pause", "scope": options.scope, "by": stack.who(), "reason": reason})
        terminal.say(
            f"{answer['scope']} is paused: no training and no promotion starts in it, and a bake in it ends with the "
            f"champion. Undo: make resume SCOPE={answer['scope']}"
            if answer["changed"]
            else f"{answer['scope']} was paused before."
        )
        for begun in answer["in_flight"]:
            terminal.say(f"  begun before, goes on to its end: {begun}")
    else:
        answer = stack.ask({"action": "unpause", "scope": options.scope, "by": stack.who()})
        terminal.say(f"{answer['scope']} goes on." if answer["changed"] else f"{answer['scope']} was not paused.")
    return 0 if answer["changed"] else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("pause|resume|unfreeze", __doc__)
    arguments.add_argument("change", choices=("pause", "resume", "unfreeze"))
    arguments.add_argument(
        "--scope", default=variable("SCOPE") or "global", help="global, model:<model> or source:<source> (SCOPE=)"
    )
    arguments.add_argument("--model", default=variable("MODEL"), help="model name (MODEL=)")
    arguments.add_argument("--reason", default=variable("REASON"), help="why; kept as evidence (REASON=)")
    return run(switch, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
