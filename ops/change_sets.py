"""Change sets: made, shown, asked about, carried out and followed to their end.

Every change to a stack goes this way, so that what happens was on the screen before it happened.
"""

from __future__ import annotations

import shlex
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.stack import CallError, OperatorError, StoppedError
from ops.terminal import Styled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from types_boto3_cloudformation import CloudFormationClient

    from ops.terminal import Style, Terminal

_EMPTY: Final = ("didn't contain changes", "No updates are to be performed", "no changes", "contain at least one new")
"""How CloudFormation says that a change set would change nothing. Source: its StatusReason texts."""

_NOT_THE_CAUSE: Final = ("cancelled", "canceled")
"""A resource that was stopped because another one failed."""

_COLOURS: Final[dict[str, Style]] = {
    "Add": "green",
    "Import": "green",
    "Modify": "yellow",
    "Remove": "red",
    "Dynamic": "yellow",
}


_REPLACED: Final = {"True": "REPLACED", "Conditional": "may be REPLACED"}


@dataclass(frozen=True)
class ChangeSet:
    """A change set that waits to be carried out."""

    stack: str
    stack_id: str
    arn: str
    changes: tuple[dict[str, Any], ...]
    creates: bool

    def as_record(self) -> list[dict[str, Any]]:
        """What it would do, for programs."""
        return [
            {
                "action": change["Action"],
                "logical_id": change["LogicalResourceId"],
                "type": change["ResourceType"],
                "replacement": change.get("Replacement", ""),
                "because_of": sorted(set(_causes(change))),
            }
            for change in self.in_order()
        ]

    def in_order(self) -> list[dict[str, Any]]:
        """Its changes by action and name."""
        return sorted(self.changes, key=lambda each: (each["Action"], each["LogicalResourceId"]))


NEXT_STEPS: Final = (
    (
        ("not authorized", "accessdenied", "access denied", "not allowed"),
        "Deploy as somebody who has the permission that it names, or have it given to you.",
    ),
    (
        ("already exists",),
        "Something of that name is there: bring it under the stack (retraining import), or remove it.",
    ),
    (
        ("limit exceeded", "limitexceeded", "quota", "too many"),
        "Ask for a higher quota in Service Quotas, or remove what is not used any more.",
    ),
    (("rate exceeded", "throttl"), "AWS was busy: deploy again."),
)
"""What to do about a reason of CloudFormation's that has one of the words in it."""


@dataclass
class Ending:
    """How an operation on a stack ended."""

    status: str
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """True when it did what was asked."""
        return self.status.endswith("_COMPLETE") and "ROLLBACK" not in self.status

    def first_failure(self) -> str:
        """Sentences: the resource that failed first, CloudFormation's reason, and what to do about it."""
        causes = [
            event
            for event in self.failures
            if not any(word in event.get("ResourceStatusReason", "").lower() for word in _NOT_THE_CAUSE)
        ]
        if not causes:
            return "CloudFormation names no resource that failed: its console shows the stack's events."
        cause = causes[0]
        reason = str(cause.get("ResourceStatusReason") or "without a reason").strip().rstrip(".")
        step = next((step for words, step in NEXT_STEPS if any(word in reason.lower() for word in words)), "")
        said = f"{cause['LogicalResourceId']} ({cause['ResourceType']}) failed first: {reason}."
        return f"{said} {step}".strip()

    def failed(self) -> list[dict[str, str]]:
        """What failed, for programs."""
        return [
            {
                "logical_id": event["LogicalResourceId"],
                "type": event["ResourceType"],
                "reason": event.get("ResourceStatusReason", ""),
            }
            for event in self.failures
        ]


def described(cloudformation: CloudFormationClient, stack: str) -> dict[str, Any] | None:
    """What CloudFormation says of a stack; None when there is none."""
    try:
        return dict(cloudformation.describe_stacks(StackName=stack)["Stacks"][0])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def create(
    cloudformation: CloudFormationClient,
    stack: str,
    kind: str,
    *,
    template: Mapping[str, str],
    parameters: Sequence[Mapping[str, Any]],
    imports: Sequence[Mapping[str, Any]] = (),
    capabilities: Sequence[str] = ("CAPABILITY_IAM",),
) -> ChangeSet | None:
    """Make a change set and wait until CloudFormation has worked it out; None when it would change nothing.

    Args:
        cloudformation: the client.
        stack: the stack's name.
        kind: CREATE, UPDATE or IMPORT.
        template: ``{"TemplateURL": ...}`` or ``{"TemplateBody": ...}``.
        parameters: as the API takes them.
        imports: resources to import, as the API takes them.
        capabilities: what the template is allowed to make.

    Raises:
        OperatorError: CloudFormation refused; nothing was changed.
    """
    # A name of its own for each: those carried out are kept by some, and two can be made within one second.
    name = f"retraining-{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"
    try:
        made = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType=kind,  # type: ignore[arg-type] # a literal type; callers pass one of the three
            Parameters=list(parameters),  # type: ignore[arg-type] # plain mappings of the right keys
            Capabilities=list(capabilities),  # type: ignore[arg-type] # as the template summary named them
            **({"ResourcesToImport": list(imports)} if imports else {}),  # type: ignore[arg-type] # same
            **template,  # type: ignore[arg-type] # one of two texts
        )
    except ClientError as error:
        if any(text in str(error) for text in _EMPTY):
            return None
        raise OperatorError(f"CloudFormation refused before anything was changed: {_said(error)}") from None
    arn = made["Id"]
    found = _worked_out(cloudformation, arn)
    if found["Status"] == "FAILED":
        reason = found.get("StatusReason", "no reason given")
        discard(cloudformation, ChangeSet(stack, made["StackId"], arn, (), kind == "CREATE"))
        if any(text in reason for text in _EMPTY):
            return None
        raise OperatorError(f"CloudFormation refused before anything was changed: {reason}")
    return ChangeSet(
        stack=stack,
        stack_id=made["StackId"],
        arn=arn,
        changes=tuple(change["ResourceChange"] for change in found["Changes"]),
        creates=found["_new"],
    )


def _worked_out(cloudformation: CloudFormationClient, arn: str) -> dict[str, Any]:
    for _ in _pauses():
        found = cloudformation.describe_change_set(ChangeSetName=arn)
        if found["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            break
    changes = list(found.get("Changes", []))
    token = found.get("NextToken")
    while token:
        page = cloudformation.describe_change_set(ChangeSetName=arn, NextToken=token)
        changes += page.get("Changes", [])
        token = page.get("NextToken")
    stack = described(cloudformation, found["StackId"]) or {}
    return {**found, "Changes": changes, "_new": stack.get("StackStatus") == "REVIEW_IN_PROGRESS"}


def discard(cloudformation: CloudFormationClient, change_set: ChangeSet) -> None:
    """Take a change set back, and the empty stack that CloudFormation made to hold it."""
    cloudformation.delete_change_set(ChangeSetName=change_set.arn)
    found = described(cloudformation, change_set.stack_id)
    if found is not None and found["StackStatus"] == "REVIEW_IN_PROGRESS":
        cloudformation.delete_stack(StackName=change_set.stack_id)


def show(terminal: Terminal, change_set: ChangeSet) -> None:
    """Print what a change set would do, one row a resource."""
    rows, whys = [], []
    for change in change_set.in_order():
        replaced = _REPLACED.get(change.get("Replacement", ""), "")
        why = "; ".join(filter(None, (replaced, ", ".join(sorted(set(_causes(change)))))))
        becomes = f"{change['Action']} {kind_of(change['ResourceType'])}"
        whys.append(why)
        rows.append(
            (
                change["LogicalResourceId"],
                Styled(_COLOURS.get(change["Action"], "white"), becomes),
                Styled("red", why) if replaced else why,
            )
        )
    if any(whys):
        terminal.table(("resource", "change", "because of"), rows)
    else:
        terminal.table(("resource", "change"), [row[:2] for row in rows])


def kind_of(resource_type: str) -> str:
    """A resource's type in short, for people."""
    return resource_type.removeprefix("AWS::")


def _causes(change: Mapping[str, Any]) -> Iterator[str]:
    """Properties that change; those that only would if another resource's value did say so."""
    details = [(detail, detail.get("Target", {})) for detail in change.get("Details", [])]
    sure = {target.get("Name") for detail, target in details if detail.get("Evaluation") == "Static"}
    for detail, target in details:
        name = target.get("Name") or target.get("Attribute")
        if not name:
            continue
        if detail.get("Evaluation") == "Static" or target.get("Name") in sure:
            yield str(name)
        else:
            yield f"{name} if {detail.get('CausingEntity', 'another resource')} changes"


def confirmed(terminal: Terminal, question: str, *, yes: bool) -> bool:
    """Ask on a terminal.

    Raises:
        CallError: there is none to ask on.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CallError("Not carried out: there is no terminal to ask on. Add --yes to carry it out.")
    return answer(terminal, f"{question} [y/N] ").lower() in {"y", "yes"}


def answer(terminal: Terminal, question: str) -> str:
    """What is typed; nothing when the question is left with Ctrl-C or Ctrl-D."""
    try:
        return terminal.ask(question).strip()
    except (EOFError, KeyboardInterrupt):
        terminal.say()
        return ""


def carry_out(cloudformation: CloudFormationClient, change_set: ChangeSet, terminal: Terminal) -> Ending:
    """Execute a change set and print events until it is done."""
    seen = _newest_event(cloudformation, change_set.stack_id)
    cloudformation.execute_change_set(ChangeSetName=change_set.arn)
    return follow(cloudformation, change_set.stack_id, terminal, since=seen)


def delete(cloudformation: CloudFormationClient, stack_id: str, terminal: Terminal) -> Ending:
    """Delete a stack and print events until it is done."""
    seen = _newest_event(cloudformation, stack_id)
    cloudformation.delete_stack(StackName=stack_id)
    return follow(cloudformation, stack_id, terminal, since=seen)


def _newest_event(cloudformation: CloudFormationClient, stack_id: str) -> str | None:
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    return events[0]["EventId"] if events else None


def follow(cloudformation: CloudFormationClient, stack_id: str, terminal: Terminal, *, since: str | None) -> Ending:
    """Print the events after one until the stack is at rest.

    Raises:
        StoppedError: Ctrl-C leaves CloudFormation to it.
    """
    try:
        return _followed(cloudformation, stack_id, terminal, since=since)
    except KeyboardInterrupt:
        raise StoppedError(
            "Stopped watching; CloudFormation goes on with what it has begun. How far it is:",
            "aws cloudformation describe-stack-events --max-items 10 "
            f"--stack-name {shlex.quote(stack_id)} --region {cloudformation.meta.region_name}",
        ) from None


def _followed(cloudformation: CloudFormationClient, stack_id: str, terminal: Terminal, *, since: str | None) -> Ending:
    began = time.monotonic()
    ending = Ending("")
    for _ in _pauses():
        status = (described(cloudformation, stack_id) or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
        events = _events_since(cloudformation, stack_id, since)
        for event in events:
            since = event["EventId"]
            if event["ResourceStatus"].endswith("_FAILED"):
                ending.failures.append(event)
            _print_event(terminal, event, time.monotonic() - began)
        # An update is over once the leftovers of replaced resources are gone too: UPDATE_COMPLETE_CLEANUP_IN_PROGRESS.
        if not status.endswith("_IN_PROGRESS"):
            ending.status = status
            break
    return ending


def _events_since(cloudformation: CloudFormationClient, stack_id: str, since: str | None) -> list[dict[str, Any]]:
    """Events newer than one, oldest first."""
    found: list[dict[str, Any]] = []
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            if event["EventId"] == since:
                return found[::-1]
            found.append(dict(event))
    return found[::-1]


def _print_event(terminal: Terminal, event: Mapping[str, Any], seconds: float) -> None:
    status = event["ResourceStatus"]
    of_resource = event["LogicalResourceId"] != event["StackName"]
    if of_resource and status.endswith("_IN_PROGRESS") and not terminal.is_terminal:
        return  # in a log, what became of it is enough
    colour: Style
    if status.endswith("_FAILED"):
        colour = "red"
    elif "ROLLBACK" in status:
        colour = "yellow"
    else:
        colour = "green" if status.endswith("_COMPLETE") else "dim"
    reason = event.get("ResourceStatusReason") or ""
    terminal.say(
        Styled("dim", f"{seconds:6.1f} s"),
        "  ",
        Styled(colour, f"{status:<28}"),
        f" {event['LogicalResourceId']}",
        f"  {reason}" if reason and status.endswith(("_FAILED", "ROLLBACK_IN_PROGRESS")) else "",
    )


def _pauses() -> Iterator[None]:
    """Give a turn at once, then after longer and longer pauses: quick on a laptop, and no throttling in AWS."""
    pause = 0.1
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 1.4, 3.0)


def until(condition: Callable[[], Any], *, within: float) -> Any:
    """Await something true and give it; what is false in the end is given too."""
    deadline = time.monotonic() + within
    value = None
    for _ in _pauses():
        value = condition()
        if value or time.monotonic() > deadline:
            break
    return value


def _said(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", error))
