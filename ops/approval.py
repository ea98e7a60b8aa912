"""Approve or reject what a run waits for, under your own AWS identity; the same rules and record as on the page.

make approve RUN=<run id> COMMENT="seen with the team"
make reject RUN=<run id> COMMENT="labels are late"
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ops.stack import Stack, parser, required, run, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


DECISIONS: Final = {"approve": "APPROVED", "reject": "REJECTED"}


def decide(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Have ApprovalFunction count the answer. Exit status 1 when it was not counted."""
    run_id = required(options.run.strip(), "RUN", f"make {options.answer} RUN=<run id>; make waits shows what is open")
    told = stack.decide(
        {
            "action": "decide",
            "run_id": run_id,
            "decision": DECISIONS[options.answer],
            "comment": options.comment,
            "subject": options.subject or None,
        }
    )
    subject = f"{told['subject']} of run {run_id}: " if told["subject"] else ""
    said = f"{subject}{told['reason']}"
    terminal.say(said if told["counted"] else f"Nothing was decided. {said}")
    return 0 if told["counted"] else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("approve|reject", __doc__)
    arguments.add_argument("answer", choices=tuple(DECISIONS))
    arguments.add_argument("--run", default=variable("RUN"), help="run id (RUN=)")
    arguments.add_argument("--comment", default=variable("COMMENT"), help="why; kept as evidence (COMMENT=)")
    arguments.add_argument(
        "--subject",
        default=variable("SUBJECT"),
        choices=("", "training", "promotion", "bake"),
        help="default: what is open",
    )
    return run(decide, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
