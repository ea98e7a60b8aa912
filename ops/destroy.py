"""Delete the stack: say what goes and what stays, refuse while runs are in progress, ask for its name, follow.

make destroy STACK=fraud
make destroy STACK=fraud FORCE=1     stops the runs in progress first, each is recorded as stopped
make destroy STACK=fraud YES=1       without asking, as a pipeline does
make destroy ACCOUNT=111122223333    in this account and no other; without it, as with make deploy

Evidence, history, topics, logs and dead letters stay; what it prints last brings them under a stack again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ops import change_sets
from ops.destination import add_account, destination
from ops.import_resources import IDENTIFIERS
from ops.stack import OperatorError, Stack, parser, run_signed_in, truth, variable
from ops.template import kept, parse
from ops.terminal import Styled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import boto3

    from ops.destination import Destination
    from ops.terminal import Cell, Terminal

PATIENCE_SECONDS: Final = 30.0
"""How long stopped runs have to be recorded before the function that records them is deleted."""


def command(options: argparse.Namespace, session: boto3.Session, terminal: Terminal) -> int:
    """Delete."""
    where = destination(session, terminal, options.stack, options.account)
    cloudformation = session.client("cloudformation")
    found = change_sets.described(cloudformation, options.stack)
    if found is None:
        raise OperatorError(f"There is no stack {options.stack} in {where}. STACK= and REGION= name it.")
    if found.get("EnableTerminationProtection"):
        raise OperatorError(
            f"Stack {options.stack} is protected. Who may, lifts that: aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {options.stack}"
        )
    is_loop = any(output["OutputKey"] == "StateMachineArn" for output in found.get("Outputs", []))
    loop = Stack(options.stack, session.region_name) if is_loop else None
    running = _running(loop) if loop else []
    if running and not options.force:
        for arn in running:
            terminal.say(f"  in progress: {arn}")
        raise OperatorError(
            f"{len(running)} run(s) are in progress; nothing was deleted. Wait for them (make status), or add FORCE=1 "
            "to stop them."
        )
    retained = _show(cloudformation, options.stack, terminal)
    if not _confirmed(terminal, where, yes=options.yes):
        terminal.say("Nothing was deleted.")
        return 1
    if loop and running:
        _stop(loop, running, terminal)
    ending = change_sets.delete(cloudformation, found["StackId"], terminal)
    terminal.say()
    if not ending.well:
        terminal.say(Styled("red", "Not deleted"), f" ({ending.status}). {ending.first_failure()}")
        terminal.say("Mend what it names, then make destroy again; what is gone stays gone.")
        return 1
    terminal.say(Styled("green", "Deleted"), f". {len(retained)} resource(s) are retained:")
    for logical_id, (_, physical_id) in retained.items():
        terminal.say(f"  {logical_id:<32} {physical_id}")
    again = " ".join(
        f"{logical_id}={physical_id}" for logical_id, (kind, physical_id) in retained.items() if kind in IDENTIFIERS
    )
    if again:
        terminal.say(f'Under a stack again: make import STACK={options.stack} RESOURCES="{again}"')
    return 0


def _running(stack: Stack) -> list[str]:
    pages = (
        stack.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=stack.outputs["StateMachineArn"], statusFilter="RUNNING")
    )
    return [execution["executionArn"] for page in pages for execution in page["executions"]]


def _show(cloudformation: Any, stack: str, terminal: Terminal) -> dict[str, tuple[str, str]]:
    """Print what is deleted and what is retained; give the type and name of what is retained, by logical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [
        each
        for page in pages
        for each in page["StackResourceSummaries"]
        if each.get("PhysicalResourceId") and each["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    keeps = kept(parse(cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]))
    rows: list[tuple[Cell, ...]] = []
    retained: dict[str, tuple[str, str]] = {}
    for each in sorted(resources, key=lambda each: (each["LogicalResourceId"] in keeps, each["LogicalResourceId"])):
        logical_id, kind, name = each["LogicalResourceId"], each["ResourceType"], each["PhysicalResourceId"]
        if logical_id in keeps:
            retained[logical_id] = (kind, name)
        becomes = Styled("green", "retained") if logical_id in keeps else Styled("red", "deleted")
        rows.append((becomes, logical_id, kind, name))
    terminal.table(("", "logical id", "type", "name"), rows)
    return retained


def _confirmed(terminal: Terminal, where: Destination, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise OperatorError("Nothing was deleted: there is no terminal to ask on. Add YES=1 to delete.")
    question = f"Type the stack's name, {where.stack}, to delete it in {where}: "
    return change_sets.answer(terminal, question) == where.stack


def _stop(stack: Stack, running: Sequence[str], terminal: Terminal) -> None:
    """Stop executions, and wait until the loop has recorded them and given their locks back."""
    stepfunctions = stack.client("stepfunctions")
    for arn in running:
        stepfunctions.stop_execution(executionArn=arn, error="StackDeleted", cause="make destroy deletes the stack.")
        terminal.say(f"  stopped: {arn}")
    names = {arn.rsplit(":", 1)[-1] for arn in running}
    table = stack.table

    def recorded() -> bool:
        return not any(table.model(model).active_run_id in names for model in table.models())

    if not change_sets.until(recorded, within=PATIENCE_SECONDS):
        terminal.say(
            Styled("yellow", "Not every stopped run was recorded in time; its history ends without an outcome.")
        )
        return

    def trainings_over() -> bool:
        # A slot is held until its training is over; the sweep that asks again goes with the stack.
        if not names & {holder.run_id for holder in table.slots().holders}:
            return True
        stack.operate({"action": "sweep", "ahead_seconds": 600})
        return False

    if not change_sets.until(trainings_over, within=PATIENCE_SECONDS):
        terminal.say(
            Styled("yellow", "Not every training of a stopped run is known to be over; look at it at its target.")
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("destroy", __doc__)
    add_account(arguments)
    arguments.add_argument(
        "--force", action="store_true", default=truth(variable("FORCE")), help="stop runs in progress (FORCE=1)"
    )
    arguments.add_argument(
        "--yes", action="store_true", default=truth(variable("YES")), help="delete without asking (YES=1)"
    )
    return run_signed_in(command, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
