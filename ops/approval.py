"""Approve or reject what waits for people, from a terminal: ``make approve RUN=`` and ``make reject RUN=``.

    python -m ops.approval approve --run RUN [--comment TEXT] [--subject training|promotion] [--stack retraining]

Asks STS who you are and ApprovalFunction to count your word: the same rules and the same record as on the page. Exit
status: 0 counted, 1 not counted, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Sequence

STACK: Final = "retraining"
DECISIONS: Final = {"approve": "APPROVED", "reject": "REJECTED"}


class NotFoundError(Exception):
    """The stack, or an output of it, is not there; the text says what to do."""


def stack_output(session: boto3.Session, stack: str, name: str) -> str:
    """One output of a stack.

    Raises:
        NotFoundError: there is no such stack, or it has no such output.
    """
    try:
        described = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise NotFoundError(f"There is no stack {stack} here. Name it: STACK=<name>.") from None
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])}
    if name not in outputs:
        raise NotFoundError(f"The stack {stack} has no output {name}: is it this project's, and up to date?")
    return outputs[name]


def decide(
    session: boto3.Session, stack: str, *, run_id: str, decision: str, comment: str, subject: str | None
) -> dict[str, Any]:
    """Send a decision under the caller's own name.

    Returns:
        ``{"decided", "counted", "code", "reason", "subject"}``; with ``errorMessage`` instead when the function refused
        the request itself.
    """
    function = stack_output(session, stack, "ApprovalFunctionName")
    request = {
        "action": "decide",
        "run_id": run_id,
        "decision": decision,
        "by": session.client("sts").get_caller_identity()["Arn"],
        "comment": comment,
        "subject": subject,
    }
    answer = session.client("lambda").invoke(FunctionName=function, Payload=json.dumps(request).encode())
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    return told


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="ops.approval", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("answer", choices=sorted(DECISIONS))
    parser.add_argument("--run", required=True, help="id of the run, as the message and make waits show it")
    parser.add_argument("--comment", default="", help="why; kept as evidence")
    parser.add_argument("--subject", choices=["training", "promotion"], help="default: the approval that is open")
    parser.add_argument("--stack", default=STACK)
    options = parser.parse_args(argv)
    if not options.run.strip():
        parser.error(f"which run? make {options.answer} RUN=<run id>; make waits shows what is open")
    try:
        told = decide(
            boto3.Session(),
            options.stack or STACK,
            run_id=options.run.strip(),
            decision=DECISIONS[options.answer],
            comment=options.comment,
            subject=options.subject,
        )
    except (NotFoundError, ClientError, BotoCoreError) as error:
        print(f"Nothing was decided: {error}", file=sys.stderr)
        return 1
    if "errorMessage" in told:
        print(f"Nothing was decided: {told['errorMessage']}", file=sys.stderr)
        return 1
    subject = f"{told['subject']} of run {options.run}: " if told["subject"] else ""
    if not told["counted"]:
        print(f"Nothing was decided. {subject}{told['reason']}", file=sys.stderr)
        return 1
    print(f"{subject}{told['reason']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
