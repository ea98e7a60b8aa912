"""Check everything the loop recorded: nothing edited, removed, added or put in another order, and all of it true.

make verify-audit                      everything: every object and version, the table, the executions AWS knows
make verify-audit MODEL=fraud          one chain, and its decisions' executions
make verify-audit ANCHOR=<hex root>    and that every record up to that anchor is still the one that was anchored
make verify-audit JSON=1               the report as one JSON object on standard output

Exit status: 0 whole, 1 broken, 2 the call was wrong or could not be carried out. Warnings and notes break nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.audit.findings import Level, first_breaks
from ops.audit.reading import Reading
from ops.audit.records import HASH
from ops.audit.walk import NOT_PROVEN, Audit, UnknownChainError
from ops.stack import OperatorError, Stack, parser, run, truth, variable
from ops.terminal import Styled, Terminal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.audit.gathered import Report
    from ops.terminal import Style

REPORT_VERSION: Final = 1

SHOWN: Final = 20
"""Findings of a chain that are printed of each level, so that notes hide no break; ``JSON=1`` has all."""

NEXT: Final = (
    "What each word means, and what can be done: docs/security.md, What an audit proves. "
    "When the table was lost: docs/runbook.md, Table lost."
)
"""What is said when something is broken."""

THREADS: Final = 16
"""Reads at a time."""

COLOURS: Final[dict[Level, Style]] = {Level.BREAK: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}

COUNTED: Final = ("chains", "records", "objects", "runs", "executions", "anchors", "earlier", "foreign")


def verify_audit(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Walk everything. Exit status 1 when something is broken."""
    anchor = options.anchor.strip().lower() or None
    if anchor and not HASH.fullmatch(anchor):
        raise OperatorError(
            "ANCHOR= is the root of an anchor: 64 hexadecimal digits, from a message of records anchored."
        )
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
                model=options.model or None,
                anchor=anchor,
                progress=progress,
            ).run()
    except UnknownChainError:
        raise OperatorError(
            f"There is no model {options.model}: no signal of it was ever decided. make status lists models."
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"AWS refused, so nothing is known: {error}") from None
    if truth(options.json):
        terminal.json(report_record(report))
    else:
        _print(report, terminal)
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
            terminal.say(f"         {count - SHOWN} more {level}s of {chain or 'no chain'}; JSON=1 shows all")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("verify-audit", __doc__)
    arguments.add_argument("--model", default=variable("MODEL"), help="only this chain (MODEL=)")
    arguments.add_argument("--anchor", default=variable("ANCHOR"), help="a root kept outside (ANCHOR=)")
    arguments.add_argument("--json", nargs="?", const="1", default=variable("JSON"), help="print JSON (JSON=1)")
    return run(verify_audit, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
