"""Check a policy file before it is uploaded, with the same rules the loop applies, and against the files beside it.

make validate POLICY=policies/fraud.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.terminal import Terminal
from orchestration.domain.policy import read_policy

if TYPE_CHECKING:
    from collections.abc import Sequence


def findings_of(path: Path) -> tuple[str, ...]:
    """Findings on a policy file, each starting with the JSON path; empty when it is valid."""
    document = _read(path)
    if isinstance(document, tuple):
        return document
    if path.stem not in {document["model"], "policy"}:
        return (f"$.model: is {document['model']!r}, but the file is named {path.name}; both must be the same.",)
    return ()


def _read(path: Path) -> dict[str, Any] | tuple[str, ...]:
    try:
        return read_policy(path.read_bytes())
    except OSError as error:
        return (f"$: cannot be read: {error.strerror}.",)


def shared_endpoints(paths: Sequence[Path]) -> dict[Path, str]:
    """Findings on files that promote to the endpoint of another file, given or in the same folder."""
    beside = {path.resolve() for given in paths for path in given.resolve().parent.glob("*.json")}
    owners: dict[str, dict[str, Path]] = {}
    for path in sorted(beside | {path.resolve() for path in paths}):
        document = _read(path)
        if isinstance(document, tuple) or findings_of(path):
            continue
        endpoint = document.get("promotion", {}).get("endpoint")
        if endpoint and document.get("promotion", {}).get("kind", "endpoint") == "endpoint":
            owners.setdefault(endpoint, {})[document["model"]] = path
    return {
        path: (
            f"$.promotion.endpoint: {endpoint} is the endpoint of {', '.join(sorted(set(models) - {model}))} as well: two "
            "models would promote over each other. Give each model an endpoint of its own."
        )
        for endpoint, models in owners.items()
        if len(models) > 1
        for model, path in models.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 valid, 1 not valid, 2 wrong usage."""
    arguments = argparse.ArgumentParser(prog="make validate", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("policies", nargs="*", type=Path, help="policy files (POLICY=)")
    options = arguments.parse_args(argv)
    if not options.policies:
        Terminal(errors=True).say("POLICY= is missing. Example: make validate POLICY=policies/fraud.json")
        return 2
    terminal, bad, shared = Terminal(), 0, shared_endpoints(options.policies)
    for path in options.policies:
        findings = findings_of(path)
        if path.resolve() in shared:
            findings = (*findings, shared[path.resolve()])
        bad += bool(findings)
        terminal.say(f"{path}: {'valid' if not findings else 'NOT VALID'}")
        for finding in findings:
            terminal.say(f"  {finding}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
