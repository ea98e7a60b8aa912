"""Check a policy file before it is uploaded, with the same rules the loop applies, and against the files beside it.

make validate POLICY=policies/fraud.json
make validate POLICY=policies/fraud.json STACK=retraining

With STACK= it is asked as well, of that stack and with the rights of whoever asks, whose the resources are that the file
names, and whether its data and images are from where the stack takes them: what the loop asks before it acts on a signal.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.stack import USAGE_ERROR, OperatorError, Stack, variable
from ops.terminal import Styled, Terminal
from orchestration.composition import compose
from orchestration.domain.policy import parse_policy, read_policy
from orchestration.steps.artifacts import champion_of
from orchestration.steps.ownership import policy_foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.ports import Ports


def findings_of(path: Path) -> tuple[str, ...]:
    """Findings on a policy file, each starting with the JSON path; empty when it is valid."""
    document = _read(path)
    if isinstance(document, tuple):
        return document
    findings = places_named(document)
    if not findings and path.stem not in {document["model"], "policy"}:
        findings = (f"$.model: is {document['model']!r}, but the file is named {path.name}; both must be the same.",)
    return findings


def _read(path: Path) -> dict[str, Any] | tuple[str, ...]:
    try:
        return read_policy(path.read_bytes())
    except OSError as error:
        return (f"$: cannot be read: {error.strerror}.",)


def places_named(document: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """Findings on targets that cannot be one stack's, which works in one account and Region."""
    targets = {section: document.get(section, {}).get("target") or "" for section in ("training", "promotion")}
    places = {f"$.{name}.target": arn.split(":")[3:5] for name, arn in targets.items() if arn.startswith("arn:")}
    if len({tuple(place) for place in places.values()}) < 2:  # noqa: PLR2004 - two differ
        return ()
    shown = ", ".join(f"{name} of account {account}, {region}" for name, (region, account) in places.items())
    return (f"$: names {shown}: the loop starts targets of its own account and Region only.",)


def not_own(path: Path, ports: Ports) -> tuple[str, ...]:
    """Findings on a valid file that only the stack and its account can show: whose is what it names?"""
    document = _read(path)
    if isinstance(document, tuple):
        return document
    policy = parse_policy(document["model"], path.read_bytes(), version="file", settings=ports.settings)
    champion = champion_of(ports, policy.promotion.endpoint, policy.model)
    return policy_foreign(ports, policy, champion.as_record() if champion else None)


def ports_of(stack: str, region: str) -> Ports:
    """What the stack's deciding function has, with the credentials of whoever asks.

    Raises:
        OperatorError: there is no such stack, or it may not be looked at.
    """
    if region:
        os.environ["AWS_DEFAULT_REGION"] = region
    found = Stack(stack, region or None)
    try:
        described = found.client("lambda").get_function_configuration(
            FunctionName=found.outputs["OrchestrationFunctionName"]
        )
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"What stack {stack} allows cannot be read: {error}") from None
    return compose(described["Environment"]["Variables"])


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
    arguments.add_argument("--stack", default=variable("STACK"), help="a stack to check them against as well (STACK=)")
    arguments.add_argument("--region", default=variable("REGION"), help="its AWS region (REGION=)")
    options = arguments.parse_args(argv)
    if not options.policies:
        Terminal(errors=True).say("POLICY= is missing. Example: make validate POLICY=policies/fraud.json")
        return USAGE_ERROR
    try:
        ports = ports_of(options.stack, options.region) if options.stack else None
        return _say(options.policies, ports, Terminal())
    except (OperatorError, BotoCoreError, ClientError) as error:
        Terminal(errors=True).say(Styled("red", str(error)))
        return USAGE_ERROR


def _say(policies: Sequence[Path], ports: Ports | None, terminal: Terminal) -> int:
    bad, shared = 0, shared_endpoints(policies)
    for path in policies:
        findings = findings_of(path)
        if path.resolve() in shared:
            findings = (*findings, shared[path.resolve()])
        if not findings and ports is not None:
            findings = not_own(path, ports)
        bad += bool(findings)
        terminal.say(f"{path}: {'valid' if not findings else 'NOT VALID'}")
        for finding in findings:
            terminal.say(f"  {finding}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
