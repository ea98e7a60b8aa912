"""Check the decision records of every model: none edited, none missing, the last one the one the table knows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ops.stack import OperatorError, Stack, parser, run, variable
from orchestration.domain.contracts import UNATTRIBUTED
from orchestration.domain.records import GENESIS, record_hash

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console


def verify_audit(options: argparse.Namespace, stack: Stack, console: Console) -> int:
    """Walk every chain. Exit status 1 when one is broken."""
    models = [options.model] if options.model else [*stack.table.models(), UNATTRIBUTED]
    if options.model and options.model not in {*stack.table.models(), UNATTRIBUTED}:
        raise OperatorError(
            f"There is no model {options.model}: no signal of it was ever decided. make status lists models."
        )
    broken = 0
    for model in models:
        records = _records(stack, model)
        state = stack.table.model(model)
        findings = chain_findings(records, head=state.chain_head, length=state.chain_sequence)
        broken += bool(findings)
        if records or findings:
            mark = "[red]BROKEN[/]" if findings else "[green]whole[/]"
            console.print(f"{mark}  {model}: {len(records)} of {state.chain_sequence} records")
        for finding in findings:
            console.print(f"        {finding}")
    return int(broken > 0)


def chain_findings(records: list[dict[str, Any]], *, head: str, length: int) -> list[str]:
    """What is wrong with a model's chain. Pure.

    Args:
        records: the decision records found, in any order.
        head: hash of the last record, as the table knows it.
        length: how many records there have to be.
    """
    findings: list[str] = []
    by_sequence: dict[int, dict[str, Any]] = {}
    for record in records:
        sequence = int(record["chain"]["sequence"])
        if sequence in by_sequence:
            findings.append(f"record {sequence} is there twice")
        by_sequence[sequence] = record
        if record_hash(record) != record["chain"]["hash"]:
            findings.append(f"record {sequence} ({record['signal_id']}) was edited: its hash does not fit")
    previous = GENESIS
    for sequence in range(1, length + 1):
        found = by_sequence.get(sequence)
        if found is None:
            findings.append(f"record {sequence} is missing")
            previous = ""
            continue
        if previous and found["chain"]["previous_hash"] != previous:
            findings.append(f"record {sequence} does not follow record {sequence - 1}")
        previous = found["chain"]["hash"]
    if length and previous and previous != head:
        findings.append(f"the last record is not the one the table knows ({head[:12]})")
    findings += [
        f"record {sequence} is not known to the table" for sequence in sorted(by_sequence) if sequence > length
    ]
    return findings


def _records(stack: Stack, model: str) -> list[dict[str, Any]]:
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.outputs["AutomationBucketName"], Prefix=f"decisions/{model}/")
    )
    return [stack.read_json(entry["Key"]) for page in pages for entry in page.get("Contents", [])]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("verify-audit", __doc__)
    arguments.add_argument("--model", default=variable("MODEL"), help="only this model (MODEL=)")
    return run(verify_audit, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
