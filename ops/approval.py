"""Approve or reject what a run waits for, under your own AWS identity; the same rules and record as on the page.

make approve RUN=<run id> COMMENT="seen with the team"
make reject RUN=<run id> COMMENT="labels are late"
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.stack import OperatorError, Stack, parser, required, run, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


DECISIONS: Final = {"approve": "APPROVED", "reject": "REJECTED"}


def decide(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Have ApprovalFunction count the answer. Exit status 1 when it was not counted."""
    run_id = required(options.run.strip(), "RUN", f"make {options.answer} RUN=<run id>; make waits shows what is open")
    told = _invoke(
        stack,
        {
            "action": "decide",
            "run_id": run_id,
            "decision": DECISIONS[options.answer],
            "by": _identity(stack),
            "comment": options.comment,
            "subject": options.subject or None,
        },
    )
    subject = f"{told['subject']} of run {run_id}: " if told["subject"] else ""
    said = f"{subject}{told['reason']}"
    terminal.say(said if told["counted"] else f"Nothing was decided. {said}")
    return 0 if told["counted"] else 1


def _identity(stack: Stack) -> str:
    """The caller's ARN alone: two answers of one person have to be recognised as one, whatever machine they come from."""
    try:
        return str(stack.client("sts").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"AWS does not say who you are ({error}), so nothing was decided.") from None


def _invoke(stack: Stack, request: dict[str, Any]) -> dict[str, Any]:
    if "ApprovalFunctionName" not in stack.outputs:
        raise OperatorError(f"Stack {stack.name} has no output ApprovalFunctionName: deploy its newest template.")
    answer = stack.client("lambda").invoke(
        FunctionName=stack.outputs["ApprovalFunctionName"], Payload=json.dumps(request).encode()
    )
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise OperatorError(str(told.get("errorMessage", told)))
    return told


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
