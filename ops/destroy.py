"""Delete the stack: say what goes and what stays, refuse while runs are in progress, ask for its name, follow.

Evidence, history, topics, logs and dead letters stay; what it prints last brings them under a stack again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ops import change_sets
from ops.destination import account_option, destination
from ops.import_resources import IDENTIFIERS
from ops.invocation import account_command
from ops.stack import CallError, NotReachedError, OperatorError, Stack
from ops.template import kept, parse
from ops.terminal import Styled
from orchestration.domain.contracts import DueKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import boto3

    from ops.destination import Destination
    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

PATIENCE_SECONDS: Final = 30.0
"""How long stopped runs have to be recorded before the function that records them is deleted."""

FOLLOWS: Final = frozenset({DueKind.STOP, DueKind.TELL, DueKind.LADDER})
"""Work that follows the end of a run, and that a stack has to be there for."""


@account_command("destroy")
@click.option("--force", is_flag=True, help="Stop runs in progress first; each is recorded as stopped.")
@account_option
@click.option("--yes", is_flag=True, help="Delete without asking for the stack's name, as a pipeline does.")
def command(session: boto3.Session, place: Place, terminal: Terminal, force: bool, account: str, yes: bool) -> int:
    """Say what is deleted and what is kept, ask for the stack's name, delete.

    Evidence, history, topics, logs and dead letters stay; what it prints last brings them under a stack again.
    """
    told = terminal.aside
    where = destination(session, told, place, account)
    retained = destroy(session, told, where, force=force, yes=yes)
    terminal.answer(
        {
            **where.as_record(),
            "deleted": retained is not None,
            "retained": [
                {"logical_id": logical_id, "type": kind, "name": name}
                for logical_id, (kind, name) in (retained or {}).items()
            ],
        }
    )
    return int(retained is None)


def destroy(
    session: boto3.Session, terminal: Terminal, where: Destination, *, force: bool, yes: bool
) -> dict[str, tuple[str, str]] | None:
    """Delete a stack; gives type and name of what is retained by logical id, None when it was not deleted.

    Raises:
        NotReachedError: there is no such stack.
        OperatorError: it may not be deleted now; nothing was deleted.
    """
    cloudformation, place = session.client("cloudformation"), where.place
    found = change_sets.described(cloudformation, place.stack)
    if found is None:
        raise NotReachedError(f"There is no stack {place.stack} in {where}. Name it: --stack, --region.")
    if found.get("EnableTerminationProtection"):
        raise OperatorError(
            f"Stack {place.stack} is protected. Who may, lifts that: aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {place.stack} --region {place.region}"
        )
    is_loop = any(output["OutputKey"] == "StateMachineArn" for output in found.get("Outputs", []))
    loop = Stack(place.stack, place.region, place.profile or None) if is_loop else None
    running = _running(loop) if loop else []
    if running and not force:
        for arn in running:
            terminal.say(f"  in progress: {arn}")
        raise OperatorError(
            f"{len(running)} run(s) are in progress; nothing was deleted. Add --force to stop them, or wait for their end:",
            place.command("status"),
        )
    retained = _show(cloudformation, place.stack, terminal)
    if not _confirmed(terminal, where, yes=yes):
        terminal.say("Nothing was deleted.")
        return None
    if loop and running:
        _stop(loop, running, terminal)
    ending = change_sets.delete(cloudformation, found["StackId"], terminal)
    terminal.say()
    if not ending.well:
        terminal.say(Styled("red", "Not deleted"), f" ({ending.status}). {ending.first_failure()}")
        terminal.say("What is gone stays gone. Mend what it names, then:")
        terminal.command(place.command("destroy", force=force))
        return None
    terminal.say(Styled("green", "Deleted"), f". {len(retained)} resource(s) are retained:")
    terminal.facts((logical_id, name) for logical_id, (_, name) in retained.items())
    again = " ".join(f"{logical_id}={name}" for logical_id, (kind, name) in retained.items() if kind in IDENTIFIERS)
    if again:
        terminal.say("Under a stack again:")
        terminal.command(place.command("import", resources=again))
    return retained


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
    rows = []
    retained: dict[str, tuple[str, str]] = {}
    for each in sorted(resources, key=lambda each: (each["LogicalResourceId"] in keeps, each["LogicalResourceId"])):
        logical_id, kind, name = each["LogicalResourceId"], each["ResourceType"], each["PhysicalResourceId"]
        if logical_id in keeps:
            retained[logical_id] = (kind, name)
        becomes = Styled("green", "retained") if logical_id in keeps else Styled("red", "deleted")
        rows.append((logical_id, (becomes, f" {change_sets.kind_of(kind)}")))
    terminal.table(("resource", "becomes"), rows)
    return retained


def _confirmed(terminal: Terminal, where: Destination, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CallError("Nothing was deleted: there is no terminal to ask on. Add --yes to delete.")
    question = f"Type the stack's name, {where.stack}, to delete it in {where}: "
    return change_sets.answer(terminal, question) == where.stack


def _stop(stack: Stack, running: Sequence[str], terminal: Terminal) -> None:
    """Stop executions, and wait until the loop has recorded them and given their locks back."""
    stepfunctions = stack.client("stepfunctions")
    for arn in running:
        stepfunctions.stop_execution(
            executionArn=arn, error="StackDeleted", cause="retraining destroy deletes the stack."
        )
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

    def followed() -> bool:
        # A slot is held until its training is over, and records are written after their facts; the sweep that sees to both goes
        # with the stack.
        held = names & {holder.run_id for holder in table.slots().holders}
        due = (item for item in table.every_item() if item.kind in FOLLOWS)
        if not held and not any(name in item.subject for item in due for name in names):
            return True
        stack.operate({"action": "sweep", "ahead_seconds": 600})
        return False

    if not change_sets.until(followed, within=PATIENCE_SECONDS):
        terminal.say(
            Styled(
                "yellow",
                "Not every training of a stopped run is known to be over, or not all of its records are in the bucket: look at it "
                "at its target. A stack that has the table again writes the records.",
            )
        )
