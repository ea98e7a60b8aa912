"""Check with taskcat: lint always; where somebody is signed in, deploy every test of .taskcat.yml in its regions.

make taskcat                      lint, then the tests in the account of the credentials, or on the embedded AWS
make taskcat ARGS=--lint-only     lint only

Lambda takes code only from its own region, so each region gets a package of its own. In the copies under test every
resource goes with its stack: nothing is left behind but the artifacts bucket of each region.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from ops.package import BUCKET_PREFIX, embedded, package
from ops.project import ROOT
from ops.stack import OperatorError
from ops.template import KEEPS, dump
from ops.terminal import Styled, Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONFIG: Final = ROOT / ".taskcat.yml"
ENVIRONMENT: Final = ROOT / ".venv-taskcat" / "bin"
WORKPLACE: Final = ROOT / "build" / "taskcat"


def lint() -> int:
    """Run taskcat's lint over .taskcat.yml and the template; its exit status."""
    return _taskcat(ENVIRONMENT / "taskcat", "lint", "--input-file", CONFIG.name)


def run_tests(terminal: Terminal, account: str) -> int:
    """Package for each region, then have taskcat deploy and delete; its exit status."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    shutil.rmtree(WORKPLACE, ignore_errors=True)
    WORKPLACE.mkdir(parents=True)
    for region in sorted({region for test in config["tests"].values() for region in test["regions"]}):
        terminal.say(Styled("bold", region))
        made = package(boto3.Session(region_name=region), terminal, packaged=WORKPLACE / f"{region}.packaged.yaml")
        (WORKPLACE / f"{region}.yaml").write_text(dump(disposable(made.document())), encoding="utf-8")
    (WORKPLACE / ".taskcat.yml").write_text(yaml.safe_dump(by_region(config, account)), encoding="utf-8")
    return _taskcat(ENVIRONMENT / "python", str(ROOT / "ops" / "taskcat_run.py"), str(WORKPLACE))


def by_region(config: Mapping[str, Any], account: str) -> dict[str, Any]:
    """The configuration with one test for each test and region, on that region's template and bucket. Pure."""
    tests = {
        f"{name}-{region}": {**test, "regions": [region], "template": f"{region}.yaml"}
        for name, test in config["tests"].items()
        for region in test["regions"]
    }
    project = {key: value for key, value in config["project"].items() if key not in {"template", "regions"}}
    # taskcat puts the region behind the name, which gives the bucket of make package; one of its own it would leave.
    buckets = {"s3_bucket": f"{BUCKET_PREFIX}-{account}", "s3_regional_buckets": True}
    return {"project": {**project, **buckets}, "tests": tests}


def disposable(document: Mapping[str, Any]) -> dict[str, Any]:
    """The template as it is, but for what keeps data when the stack is deleted. Pure."""
    resources: dict[str, Any] = {}
    for name, resource in document["Resources"].items():
        changed = dict(resource)
        if changed.get("DeletionPolicy") in KEEPS:
            changed["DeletionPolicy"] = "Delete"
        if "DeletionProtectionEnabled" in changed.get("Properties", {}):
            changed["Properties"] = {**changed["Properties"], "DeletionProtectionEnabled": False}
        resources[name] = changed
    return {**document, "Resources": resources}


def signed_in() -> str | None:
    """The account of the credentials at hand; None without any that work."""
    # taskcat itself looks for a region there when none is set.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        return str(boto3.Session(region_name=region).client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return None


def _taskcat(*command: str | Path) -> int:
    sys.stdout.flush()  # or what was said before comes after, in a log
    # Its dependencies warn of their own old age at every start.
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=_environment(), check=False).returncode


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONWARNINGS"}}
    return {**clean, "PYTHONWARNINGS": "ignore"}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 passed (or linted only, which it says), 1 failed, 2 could not be tried."""
    arguments = argparse.ArgumentParser(prog="make taskcat", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("--lint-only", action="store_true", help="deploy nothing")
    options = arguments.parse_args(argv)
    terminal = Terminal()
    if lint():
        terminal.say(Styled("red", "taskcat: the template or .taskcat.yml does not pass its lint."))
        return 1
    account = None if options.lint_only else signed_in()
    if account is None:
        why = (
            "asked for"
            if options.lint_only
            else "nobody is signed in to AWS, and AWS_ENDPOINT_URL names no embedded one"
        )
        terminal.say(f"taskcat: linted only ({why}); nothing was deployed.")
        return 0
    terminal.say(f"taskcat: deploying to {'the embedded AWS' if embedded() else f'account {account}'}")
    try:
        status = run_tests(terminal, account)
    except (OperatorError, BotoCoreError, ClientError) as error:
        terminal.say(Styled("red", f"taskcat: {error}"))
        return 2
    if status:
        terminal.say(Styled("red", "taskcat: failed"))
    else:
        terminal.say(Styled("green", "taskcat: every test deployed and was deleted"))
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main())
