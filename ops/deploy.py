"""Deploy the stack: package it, show the change set, ask, carry it out, follow it to its end."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops import change_sets, runbook_page
from ops.assignments import assignments, assignments_of_file, refuse_illegal, refuse_unknown
from ops.destination import account_option, destination
from ops.invocation import account_command
from ops.package import Package, bucket_option, package, without_of, without_option
from ops.slack_channel import refuse_taken_channel
from ops.stack import OperatorError, stop_command
from ops.stack_names import refuse_stack_name
from ops.subscriptions import unheard
from ops.template import kept, sources
from ops.terminal import Styled
from orchestration.domain.contracts import Status
from orchestration.stores.history_table import HistoryTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3

    from ops.change_sets import ChangeSet, Ending
    from ops.destination import Destination
    from ops.terminal import Terminal
    from orchestration.domain.commands import Place


yes_option: Final = click.option("--yes", is_flag=True, help="Carry it out without asking, as a pipeline does.")


def deploying(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of those that deploy."""
    options = (
        click.option("--params", default="", help='"Name=Value ..."; what is not given keeps its value.'),
        click.option("--params-file", default="", type=click.Path(), help="File of parameters; --params wins over it."),
        bucket_option,
        without_option,
        account_option,
        yes_option,
    )
    return functools.reduce(lambda made, option: option(made), reversed(options), function)


@account_command("deploy")
@deploying
def command(
    session: boto3.Session,
    place: Place,
    terminal: Terminal,
    params: str,
    params_file: str,
    bucket: str,
    without: str,
    account: str,
    yes: bool,
) -> int:
    """Show the change set, ask, deploy, follow it to its end.

    Without --account another account is refused than the one the stack was last deployed to from here.
    """
    given = given_parameters(params, params_file)
    refuse_stack_name(place.stack, sources())
    told = terminal.aside
    where = destination(session, told, place, account)
    made = package(session, told, bucket, given=given, without=without_of(without))
    deployed = deploy_packaged(session, told, made, where, given, yes=yes)
    terminal.answer({**where.as_record(), **deployed.as_record()})
    return deployed.status


def given_parameters(params: str, params_file: str) -> dict[str, str]:
    """Parameters of ``--params-file`` and ``--params``; the line wins over the file.

    Raises:
        CallError: one cannot be read, or names a parameter or has a value that the template does not have.
    """
    of_file = assignments_of_file(Path(params_file)) if params_file else {}
    given = {**of_file, **assignments(params, "--params")}
    declared, option = sources()["Parameters"], f"--params{f' and {params_file}' if params_file else ''}"
    refuse_unknown(given, declared, what="parameter", option=option)
    refuse_illegal(given, declared, option=option)
    return given


@dataclass(frozen=True, slots=True)
class Deployed:
    """What came of it. ``change_set`` is None when there was nothing to change, ``ending`` when nobody carried it out."""

    change_set: ChangeSet | None = None
    ending: Ending | None = None
    outputs: Mapping[str, str] | None = None

    @property
    def status(self) -> int:
        """Exit status."""
        return int(self.change_set is not None and (self.ending is None or not self.ending.well))

    def as_record(self) -> dict[str, Any]:
        """It, for programs."""
        return {
            "deployed": not self.status,
            "stack_status": self.ending.status if self.ending else None,
            "changes": self.change_set.as_record() if self.change_set else [],
            "failures": self.ending.failed() if self.ending else [],
            "outputs": dict(self.outputs or {}),
        }


def deploy_packaged(
    session: boto3.Session,
    terminal: Terminal,
    made: Package,
    where: Destination,
    given: Mapping[str, str],
    *,
    yes: bool,
) -> Deployed:
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
        raise OperatorError(*_not_now(where.place, found["StackStatus"]))
    if found is None:
        _refuse_names_in_use(session, made.document(), where.place)
    else:
        _refuse_runs_past_their_slot(session, made.document(), found, where.place)
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
        return Deployed(outputs=_outputs(cloudformation, stack))
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
        terminal.say("Not carried out.")
        return Deployed(change_set)
    where.remember()
    ending = change_sets.carry_out(cloudformation, change_set, terminal)
    terminal.say()
    if not ending.well:
        terminal.say(Styled("red", "Not deployed"), f" ({ending.status}). {ending.first_failure()}")
        said, command = _what_runs(where.place, ending.status)
        terminal.say(said)
        terminal.command(command)
        for name in _left_over(cloudformation, change_set.stack_id) if found is None else []:
            terminal.say(f"  left, because it is protected: {name}")
        return Deployed(change_set, ending)
    terminal.say(Styled("green", "Deployed"), f" ({ending.status}).")
    outputs = _outputs(cloudformation, stack)
    terminal.facts(outputs.items())
    _say_unheard(session, terminal, where, outputs)
    if "StateMachineArn" in outputs:
        terminal.say()
        terminal.say("Try it:")
        terminal.command(where.place.command("smoke"))
    return Deployed(change_set, ending, outputs)


def _say_unheard(session: boto3.Session, terminal: Terminal, where: Destination, outputs: Mapping[str, str]) -> None:
    """Say which links reach nobody yet; a mail's subscription waits until somebody confirms it."""
    found = change_sets.described(session.client("cloudformation"), where.stack) or {}
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}
    try:
        sentences = unheard(lambda: session.client("sns"), parameters, outputs)
    except (BotoCoreError, ClientError):
        # Whoever deploys by a role of CloudFormation may not look at topics; `status` says so.
        return
    for sentence in sentences:
        terminal.say(Styled("yellow", sentence))


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


def _refuse_names_in_use(session: boto3.Session, document: Mapping[str, Any], place: Place) -> None:
    """Refuse a new stack whose named log groups an earlier stack of that name left: their creation would fail."""
    logs = session.client("logs")
    for logical_id, resource in kept(document).items():
        name = named_log_group(resource, place.stack)
        if name is None:
            continue
        groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in groups):
            raise OperatorError(
                f"Log group {name} is there, left by an earlier stack {place.stack}. Bring it back under the stack, with "
                f"what else was retained: {place.command('import', resources=f'{logical_id}={name} <others>')}; or delete it: "
                f"aws logs delete-log-group --log-group-name {shlex.quote(name)} --region {place.region}"
            )


PAST_THEIR_SLOT: Final = frozenset({Status.TRAINING_WAITING, Status.TRAINING_STARTED, Status.ROLLBACK_DECIDED})
"""Statuses from which on a run changes something; one that goes back needs no slot."""


def _refuse_runs_past_their_slot(
    session: boto3.Session, document: Mapping[str, Any], found: Mapping[str, Any], place: Place
) -> None:
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
            f"{runs} Await their end, or stop each ({stop_command(past[0]['execution_arn'])}), then deploy again. Runs that wait "
            "for an approval or a slot need no draining. How far they are:",
            place.command("status"),
        )


def named_log_group(resource: Mapping[str, Any], stack: str) -> str | None:
    """The name that the template gives a log group in this stack; None when CloudFormation chooses. Pure."""
    name = resource.get("Properties", {}).get("LogGroupName")
    if isinstance(name, dict):
        name = name.get("Fn::Sub")
    return name.replace("${AWS::StackName}", stack) if isinstance(name, str) else None


def _not_now(place: Place, status: str) -> tuple[str, str]:
    """Sentence and command of a stack that cannot be deployed as it is."""
    if status.endswith("_IN_PROGRESS"):
        return f"Stack {place.stack} is being changed right now ({status}). Wait, then:", place.command("deploy")
    if status == "UPDATE_ROLLBACK_FAILED":
        go_on = shlex.join(("--stack-name", place.stack, "--region", place.region))
        return (
            f"Stack {place.stack} is in {status}: repair what its events name, then deploy again after:",
            f"aws cloudformation continue-update-rollback {go_on}",
        )
    return f"Stack {place.stack} is in {status}. Delete it, then deploy again:", place.command("destroy")


def _what_runs(place: Place, status: str) -> tuple[str, str]:
    """Sentence and command after a deployment that failed."""
    again = "Mend the cause, then deploy again with the same parameters:"
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return f"It was rolled back: {place.stack} runs as before. {again}", place.command("deploy")
    if status == "ROLLBACK_COMPLETE":
        return f"It was rolled back: nothing of {place.stack} is left but its name. {again}", place.command("deploy")
    return _not_now(place, status)


def _left_over(cloudformation: Any, stack_id: str) -> list[str]:
    """What a creation that was rolled back made and kept all the same."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return [
        f"{each['LogicalResourceId']} {each['PhysicalResourceId']}"
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] == "DELETE_SKIPPED"
    ]


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    found = change_sets.described(cloudformation, stack) or {}
    return {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])}
