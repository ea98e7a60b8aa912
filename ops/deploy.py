"""Deploy the stack: package it, show the change set, ask, carry it out, follow it to its end.

make deploy                                                     the stack `retraining` with every default
make deploy STACK=fraud REGION=eu-west-1 PARAMS="Mode=shadow ScheduleExpression=cron(0 3 ? * MON *)"
make deploy PARAMS_FILE=production.json YES=1                   without asking, as a pipeline does
make deploy ACCOUNT=111122223333                                into this account and no other
make deploy REGION=eusc-de-east-1 WITHOUT=slack                 where nobody knows what the Region has

Without ACCOUNT= another account is refused than the one the stack was last deployed to from this checkout
(build/deployed.json). Parameters that are not given keep their values. Exit status: 0 deployed or nothing to change, 1 not deployed, 2 wrong
usage or refused before anything was changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops import change_sets, runbook_page
from ops.assignments import assignments, assignments_of_file, refuse_unknown
from ops.destination import add_account, destination
from ops.package import Package, add_without, package, without_of
from ops.slack_channel import refuse_taken_channel
from ops.stack import OperatorError, parser, run_signed_in, truth, variable
from ops.stack_names import refuse_long_name
from ops.template import kept, sources
from ops.terminal import Styled
from orchestration.domain.contracts import Status
from orchestration.stores.history_table import HistoryTable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    import boto3

    from ops.destination import Destination
    from ops.terminal import Terminal


def command(options: argparse.Namespace, session: boto3.Session, terminal: Terminal) -> int:
    """Deploy."""
    given = given_parameters(options)
    refuse_long_name(options.stack, sources())
    where = destination(session, terminal, options.stack, options.account)
    made = package(session, terminal, options.bucket, given=given, without=without_of(options.without))
    return deploy_packaged(session, terminal, made, where, given, yes=options.yes)


def given_parameters(options: argparse.Namespace) -> dict[str, str]:
    """Parameters of PARAMS_FILE= and PARAMS=; the line wins over the file.

    Raises:
        OperatorError: one cannot be read, or names a parameter that the template does not have.
    """
    of_file = assignments_of_file(Path(options.params_file)) if options.params_file else {}
    given = {**of_file, **assignments(options.params, "PARAMS")}
    refuse_unknown(given, sources()["Parameters"], what="parameter")
    return given


def deploy_packaged(
    session: boto3.Session,
    terminal: Terminal,
    made: Package,
    where: Destination,
    given: Mapping[str, str],
    *,
    yes: bool,
) -> int:
    """Create or update a stack with a packaged template.

    Raises:
        OperatorError: the stack is in no state to be deployed, or CloudFormation refused; nothing was changed.
    """
    cloudformation, stack = session.client("cloudformation"), where.stack
    found = change_sets.described(cloudformation, stack)
    if found is not None and found["StackStatus"] == "ROLLBACK_COMPLETE":
        terminal.say(f"Stack {stack} is the empty shell of a creation that failed: it is removed first.")
        change_sets.delete(cloudformation, found["StackId"], terminal)
        found = None
    if found is not None and found["StackStatus"] == "REVIEW_IN_PROGRESS":
        found = None  # only a change set that nobody carried out
    if found is not None and found["StackStatus"].endswith(("_IN_PROGRESS", "_FAILED")):
        raise OperatorError(_not_now(stack, found["StackStatus"]))
    if found is None:
        _refuse_names_in_use(session, made.document(), stack)
    else:
        _refuse_runs_past_their_slot(session, made.document(), found)
    has = {entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in (found or {}).get("Parameters", [])}
    refuse_taken_channel(session, made.document(), stack=stack, has=has, given=given)
    change_set = change_sets.create(
        cloudformation,
        stack,
        "CREATE" if found is None else "UPDATE",
        template={"TemplateURL": made.url},
        parameters=parameters_of(
            made.document()["Parameters"], found, {**runbook_page.renewed(found, made.document()), **given}
        ),
        capabilities=capabilities_of(cloudformation, made.url),
    )
    if change_set is None:
        where.remember()
        terminal.say(f"Nothing to change: stack {stack} is what the sources and parameters say.")
        return 0
    terminal.say()
    terminal.say(
        Styled("bold", f"{'Create' if found is None else 'Update'} {stack} in {where}"),
        " (its IAM roles included)",
    )
    change_sets.show(terminal, change_set)
    try:
        go_on = change_sets.confirmed(terminal, f"Carry it out in {where}?", yes=yes)
    except OperatorError:
        change_sets.discard(cloudformation, change_set)
        raise
    if not go_on:
        change_sets.discard(cloudformation, change_set)
        terminal.say("Nothing was changed.")
        return 1
    where.remember()
    ending = change_sets.carry_out(cloudformation, change_set, terminal)
    terminal.say()
    if not ending.well:
        terminal.say(Styled("red", "Not deployed"), f" ({ending.status}). First failure: {ending.first_failure()}")
        terminal.say(_what_runs(ending.status, stack))
        for name in _left_over(cloudformation, change_set.stack_id) if found is None else []:
            terminal.say(f"  left, because it is protected: {name}")
        return 1
    terminal.say(Styled("green", "Deployed"), f" ({ending.status}).")
    _print_outputs(cloudformation, stack, terminal)
    return 0


def parameters_of(
    declared: Iterable[str], found: Mapping[str, Any] | None, given: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Parameters as the API takes them: the given ones, for others what the stack has. Pure."""
    has = {entry["ParameterKey"] for entry in (found or {}).get("Parameters", [])}
    made: list[dict[str, Any]] = []
    for name in declared:
        if name in given:
            made.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in has:
            made.append({"ParameterKey": name, "UsePreviousValue": True})
    return made


def capabilities_of(cloudformation: Any, url: str) -> list[str]:
    """What the template asks leave for: CAPABILITY_IAM, and CAPABILITY_NAMED_IAM only when it names a role."""
    return list(cloudformation.get_template_summary(TemplateURL=url).get("Capabilities", [])) or ["CAPABILITY_IAM"]


def _refuse_names_in_use(session: boto3.Session, document: Mapping[str, Any], stack: str) -> None:
    """Refuse a new stack whose named log groups an earlier stack of that name left: their creation would fail."""
    logs = session.client("logs")
    for logical_id, resource in kept(document).items():
        name = named_log_group(resource, stack)
        if name is None:
            continue
        groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in groups):
            raise OperatorError(
                f"Log group {name} is there, left by an earlier stack {stack}. Bring it back under the stack, with what "
                f'else was retained: make import STACK={stack} RESOURCES="{logical_id}={name} ..."; or delete it: '
                f"aws logs delete-log-group --log-group-name {name}"
            )


PAST_THEIR_SLOT: Final = frozenset({Status.TRAINING_WAITING, Status.TRAINING_STARTED, Status.ROLLBACK_DECIDED})
"""Statuses from which on a run changes something; one that goes back needs no slot."""


def _refuse_runs_past_their_slot(session: boto3.Session, document: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse another version of the template while a run trains or promotes under the one before.

    An execution keeps its definition and meets new functions. A run that waits for people or a slot is taken over; one
    past its slot is drained first.
    """
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])}
    if outputs.get("TemplateVersion") == document["Outputs"]["TemplateVersion"]["Value"]:
        return
    if "HistoryTableName" not in outputs:
        return
    table = HistoryTable(session.client("dynamodb"), outputs["HistoryTableName"])
    past = [
        run
        for run in table.active_runs()
        if any(row["status"] in PAST_THEIR_SLOT for row in table.statuses(run["run_id"]))
    ]
    if past:
        runs = " ".join(f"{run['model']} run {run['run_id']} ({run['execution_arn']})." for run in past[:10])
        raise OperatorError(
            f"{len(past)} run(s) train or promote under template {outputs.get('TemplateVersion')}; nothing was changed. "
            f"{runs} Await their end (make status), or stop them (aws stepfunctions stop-execution --execution-arn ...), "
            "then make deploy again. Runs that wait for an approval or a slot need no draining."
        )


def named_log_group(resource: Mapping[str, Any], stack: str) -> str | None:
    """The name that the template gives a log group in this stack; None when CloudFormation chooses. Pure."""
    name = resource.get("Properties", {}).get("LogGroupName")
    if isinstance(name, dict):
        name = name.get("Fn::Sub")
    return name.replace("${AWS::StackName}", stack) if isinstance(name, str) else None


def _not_now(stack: str, status: str) -> str:
    if status.endswith("_IN_PROGRESS"):
        return f"Stack {stack} is being changed right now ({status}). Wait, then make deploy again."
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"Stack {stack} is in {status}: repair what its events name, then "
            f"aws cloudformation continue-update-rollback --stack-name {stack}, then make deploy."
        )
    return f"Stack {stack} is in {status}: make destroy STACK={stack}, then make deploy."


def _what_runs(status: str, stack: str) -> str:
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return f"It was rolled back: {stack} runs as before. Mend the cause, then make deploy again."
    if status == "ROLLBACK_COMPLETE":
        return f"It was rolled back: nothing of {stack} is left but its name. Mend the cause, then make deploy again."
    return _not_now(stack, status)


def _left_over(cloudformation: Any, stack_id: str) -> list[str]:
    """What a creation that was rolled back made and kept all the same."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return [
        f"{each['LogicalResourceId']} {each['PhysicalResourceId']}"
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] == "DELETE_SKIPPED"
    ]


def _print_outputs(cloudformation: Any, stack: str, terminal: Terminal) -> None:
    found = change_sets.described(cloudformation, stack) or {}
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])}
    width = max((len(name) for name in outputs), default=0)
    for name, value in outputs.items():
        terminal.say(f"  {name:<{width}}  {value}")
    if "StateMachineArn" in outputs:
        terminal.say(f"Try it: make smoke STACK={stack} REGION={cloudformation.meta.region_name}")


def arguments_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """Arguments of the commands that change a stack."""
    arguments = parser(program, description)
    add_account(arguments)
    arguments.add_argument("--bucket", default=variable("BUCKET"), help="bucket for the artifacts (BUCKET=)")
    arguments.add_argument("--params", default=variable("PARAMS"), help='"Name=Value ..." (PARAMS=)')
    arguments.add_argument("--params-file", default=variable("PARAMS_FILE"), help="a parameter file (PARAMS_FILE=)")
    add_without(arguments)
    arguments.add_argument(
        "--yes", action="store_true", default=truth(variable("YES")), help="carry out without asking (YES=1)"
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_signed_in(command, arguments_of("deploy", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
