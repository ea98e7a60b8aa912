"""Check a policy file before it is uploaded, with the same rules the loop applies.

make validate POLICY=policies/fraud.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.domain.policy import validate_policy

if TYPE_CHECKING:
    from collections.abc import Sequence


def findings_of(path: Path) -> tuple[str, ...]:
    """Findings on a policy file, each starting with the JSON path; empty when it is valid."""
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return (f"$: cannot be read: {error.strerror}.",)
    except (ValueError, RecursionError) as error:
        return (f"$: is not JSON: {error}.",)
    findings = validate_policy(document)
    if not findings and path.stem not in {document["model"], "policy"}:
        findings = (f"$.model: is {document['model']!r}, but the file is named {path.name}; both must be the same.",)
    return findings


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 valid, 1 not valid, 2 wrong usage."""
    arguments = argparse.ArgumentParser(prog="make validate", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("policies", nargs="*", type=Path, help="policy files (POLICY=)")
    options = arguments.parse_args(argv)
    if not options.policies:
        print("POLICY= is missing. Example: make validate POLICY=policies/fraud.json", file=sys.stderr)
        return 2
    bad = 0
    for path in options.policies:
        findings = findings_of(path)
        bad += bool(findings)
        print(f"{path}: {'valid' if not findings else 'NOT VALID'}")
        for finding in findings:
            print(f"  {finding}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
