"""Check everything the loop recorded: nothing edited, removed, added or put in another order, and all of it true."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.config import Config

from ops.audit.findings import Level, first_breaks
from ops.audit.reading import Reading
from ops.audit.records import HASH
from ops.audit.walk import NOT_PROVEN, Audit, UnknownChainError
from ops.invocation import stack_command
from ops.known_models import nothing_of
from ops.stack import CallError, OperatorError
from ops.terminal import Styled, Terminal

if TYPE_CHECKING:
    from ops.audit.gathered import Report
    from ops.stack import Stack
    from ops.terminal import Style

REPORT_VERSION: Final = 1

SHOWN: Final = 20
"""Findings of a chain that are printed of each level, so that notes hide no break; ``--json`` has all."""

NEXT: Final = (
    "What each word means, and what can be done: docs/audit.md, Prove that it is whole. "
    "When the table was lost: docs/runbook.md, Table lost."
)
"""What is said when something is broken."""

THREADS: Final = 16
"""Reads at a time."""

COLOURS: Final[dict[Level, Style]] = {Level.BREAK: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}

COUNTED: Final = ("chains", "records", "objects", "runs", "executions", "anchors", "earlier", "foreign")


@stack_command("verify-audit")
@click.option("--model", help="Only this model's chain, and the executions of its decisions.")
@click.option(
    "--anchor", default="", help="Root of an anchor that was kept outside: is every record up to it still the one?"
)
def command(stack: Stack, terminal: Terminal, model: str | None, anchor: str) -> int:
    """Check every record against bucket, table and executions.

    Warnings and notes break nothing. What each word means: docs/audit.md, Prove that it is whole.
    """
    root = anchor.strip().lower() or None
    if root and not HASH.fullmatch(root):
        raise CallError("--anchor is the root of an anchor: 64 hexadecimal digits, as the daily message says it.")
    config = Config(max_pool_connections=THREADS, retries={"mode": "adaptive", "max_attempts": 10})
    reading = Reading(
        stack.client("s3", config),
        stack.client("dynamodb", config),
        stack.client("stepfunctions", config),
        bucket=stack.outputs["AutomationBucketName"],
        table=stack.outputs["HistoryTableName"],
        machine=stack.outputs["StateMachineArn"],
    )
    try:
        with ThreadPoolExecutor(THREADS) as pool, Terminal(errors=True).progress("records") as progress:
            report = Audit(
                reading,
                pool,
                now=datetime.now(UTC),
                model=model or None,
                anchor=root,
                progress=progress,
            ).run()
    except UnknownChainError:
        raise OperatorError(nothing_of(stack, str(model))) from None
    _print(report, terminal)
    terminal.answer(report_record(report))
    return 0 if is_whole(report) else 1


def is_whole(report: Report) -> bool:
    """True when nothing is broken."""
    return not any(finding.fault.level is Level.BREAK for finding in report.findings)


def report_record(report: Report) -> dict[str, Any]:
    """The report as JSON.

    ``looked_at`` counts what was read; ``findings`` are in the order of chains and places, each with ``level`` (break,
    warning, note), ``fault``, ``chain`` and ``sequence`` (null where it has none), ``subject`` and ``sentence``;
    ``first_break`` names the first bad place of each chain that has one; ``not_proven`` says what a whole history does
    not show.
    """
    return {
        "schema_version": REPORT_VERSION,
        "whole": is_whole(report),
        "looked_at": {name: getattr(report, name) for name in COUNTED},
        "first_break": {chain: found.as_record() for chain, found in first_breaks(report.findings).items()},
        "findings": [finding.as_record() for finding in report.findings],
        "not_proven": list(NOT_PROVEN),
    }


def _print(report: Report, terminal: Terminal) -> None:
    first, shown = first_breaks(report.findings), Counter[tuple[str | None, Level]]()
    for finding in report.findings:
        level = finding.fault.level
        shown[finding.chain, level] += 1
        if shown[finding.chain, level] > SHOWN:
            continue
        place = finding.chain or "no chain"
        at = "" if finding.sequence is None else f" {finding.sequence}"
        mark = " (first)" if finding.chain is not None and first.get(finding.chain) is finding else ""
        terminal.say(Styled(COLOURS[level], level), f"  {place}{at}{mark}  {finding.fault}: {finding.sentence}")
        terminal.say(f"         {finding.subject}")
    for (chain, level), count in shown.items():
        if count > SHOWN:
            terminal.say(f"         {count - SHOWN} more {level}s of {chain or 'no chain'}; --json shows all")
    terminal.say(
        Styled("green", "whole") if is_whole(report) else Styled("red", "BROKEN"),
        f"  {report.records + report.earlier:,} records in {report.chains:,} chain(s), {report.objects:,} objects, "
        f"{report.runs:,} runs, {report.executions:,} executions, {report.anchors:,} anchors",
    )
    if not is_whole(report):
        terminal.say(NEXT)
    if report.foreign:
        terminal.say(
            f"{report.foreign:,} record(s) name executions of another state machine; these were not looked up."
        )
    terminal.say("Not proven by this:")
    for sentence in NOT_PROVEN:
        terminal.say(f"  {sentence}")
