"""Have checkov and parliament look at templates and at every policy in them.

    python -m ops.security_lint automation-orchestration-pipeline.yaml

Both read what CloudFormation would create, not what is written: of an unresolved ``!If`` neither can tell what comes out,
and checkov lets it pass. checkov is shown a template twice, with every condition true and with every one false; parliament
each policy under every combination of the conditions in it.

A finding is mended, or accepted with its reason where the reader of the template looks for it:

- of checkov: ``Metadata: { checkov: { skip: [{ id: ..., comment: ... }] } }`` at the resource, which checkov itself reads too;
- a permission that is far-reaching (`WEIGHED`): the comment beside the ``Sid`` of its statement;
- where parliament and AWS differ: ``MISTAKEN`` below.

What is accepted and not found is a finding as well. Neither of them speaks to a network here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.project import ROOT
from ops.resolved_template import ACCOUNT, PARTITION, REGION, Stack, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PYTHON: Final = ROOT / ".venv-scanners" / "bin" / "python"
WORKPLACE: Final = ROOT / "build" / "scanners"
FORMS: Final = ("all", "none")
"""Of the conditions of a template, those that are true when checkov looks at it."""

SAMPLES: Final[Mapping[str, str]] = {
    "TrainingPipelineArn": f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:stateMachine:training",
    "SageMakerExecutionRoleArn": f"arn:{PARTITION}:iam::{ACCOUNT}:role/sagemaker",
    "DecisionBucket": "team-decisions",
    "PermissionsBoundaryArn": f"arn:{PARTITION}:iam::{ACCOUNT}:policy/boundary",
    "QueueArn": f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:monitoring-results",
    "KmsKeyArn": f"arn:{PARTITION}:kms:{REGION}:{ACCOUNT}:key/7a1b2c3d-0000-0000-0000-000000000000",
    "ReviewerPrincipals": f"arn:{PARTITION}:iam::{ACCOUNT}:role/reviewers",
    "AutomationPrincipals": f"arn:{PARTITION}:iam::{ACCOUNT}:role/training",
    "RunbookObject": "team-artifacts/retraining/runbook.html",
}
"""Values of parameters that are empty by default and stand in a policy: nothing is no ARN."""

TAG_OF_THE_CALLER: Final = re.compile(r"\$\{aws:PrincipalTag/[^}]+\}")

WEIGHED: Final = frozenset({"RESOURCE_STAR", "PERMISSIONS_MANAGEMENT_ACTIONS", "CREDENTIALS_EXPOSURE"})
"""Issues that are right, and that a good reason answers: the comment beside the statement."""

ONE_KIND_IS_ENOUGH: Final = "AWS takes the ARN of one of its kinds of resource, parliament asks for each"
ON_THE_MACHINE: Final = (
    "AWS compares the machine the token belongs to; the reference that parliament reads lists no resource"
)
MISTAKEN: Final[Mapping[tuple[str, str], str]] = {
    ("RESOURCE_MISMATCH", "states:DescribeExecution"): ONE_KIND_IS_ENOUGH,
    ("RESOURCE_MISMATCH", "states:ListExecutions"): ONE_KIND_IS_ENOUGH,
    ("RESOURCE_MISMATCH", "states:SendTaskSuccess"): ON_THE_MACHINE,
    ("RESOURCE_MISMATCH", "states:SendTaskFailure"): ON_THE_MACHINE,
    (
        "RESOURCE_MISMATCH",
        "sagemaker:UpdateEndpoint",
    ): "endpoint and config have a statement each: only endpoints need a tag",
    ("UNKNOWN_CONDITION_FOR_ACTION", "lambda:InvokeFunction"): "lambda:InvokedViaFunctionUrl is younger than its data",
    ("CREDENTIALS_EXPOSURE", "sts:assumerole"): "that is what a trust policy is for",
}
"""(issue, action) of which parliament says what is not so, with the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What somebody has to mend or to accept, and where."""

    place: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document as IAM would get it, of the resource `place`."""

    place: str
    statements: tuple[dict[str, Any], ...]

    @property
    def text(self) -> str:
        """As JSON with one statement a line from the second on, by which an issue is put to its statement."""
        lines = ",\n".join(json.dumps(statement) for statement in self.statements)
        return f'{{"Version": "2012-10-17", "Statement": [\n{lines}\n]}}'

    def sids(self, line: int | None, action: str) -> list[str]:
        """The statements an issue is about: the one of the line, else those with the action."""
        if line is not None and 0 <= line - 2 < len(self.statements):
            return [str(self.statements[line - 2].get("Sid"))]
        return [
            str(statement.get("Sid"))
            for statement in self.statements
            if action.lower() in json.dumps(statement.get("Action", "")).lower()
        ]


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that parliament says of one action of a policy."""

    policy: Policy
    name: str
    line: int | None
    action: str
    sentence: str


# -- What is shown to them ----------------------------------------------------------------------------------------


def sampled(template: Template, conditions: Mapping[str, bool]) -> Stack:
    """The stack of a template under these conditions, whatever its parameters would make of them. Pure."""
    given = {name: value for name, value in SAMPLES.items() if name in template.parameters}
    return template.resolve(given, conditions)


def without_metadata(stack: Stack) -> dict[str, Any]:
    """A stack as a template without functions, and without what checkov is to skip. Pure."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {"Type": resource["Type"], "Properties": resource["Properties"]}
            for name, resource in stack.resources.items()
        },
    }


def policies(template: Template) -> list[Policy]:
    """Every policy document a template can make, trust and resource policies too, each once. Pure."""
    every = dict.fromkeys(template.conditions, True)
    found: dict[str, Policy] = {}
    for name, resource in template.resources.items():
        for key, document in _documents(resource.get("Properties") or {}):
            names = sorted(_conditions(document))
            for decided in itertools.product((True, False), repeat=len(names)):
                stack = sampled(template, every | dict(zip(names, decided, strict=True)))
                # parliament takes the colon in a tag's name for one of the ARN.
                written = TAG_OF_THE_CALLER.sub("the-tag", json.dumps(stack.value(document)["Statement"]))
                statements = json.loads(written)
                if key == "AssumeRolePolicyDocument":  # is on its role, which parliament wants to read
                    statements = [{**statement, "Resource": stack.arn(name)} for statement in statements]
                policy = Policy(name, tuple(statements))
                found.setdefault(f"{name} {policy.text}", policy)
    return list(found.values())


def _documents(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (property, document as written) for each policy document below a node."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield key, node
        else:
            for inner_key, inner in node.items():
                yield from _documents(inner, key if inner_key.startswith("Fn::") else inner_key)
    elif isinstance(node, list):
        for inner in node:
            yield from _documents(inner, key)


def _conditions(node: Any) -> set[str]:
    """The names that the `Fn::If` below a node ask for."""
    if isinstance(node, dict):
        own = {node["Fn::If"][0]} if "Fn::If" in node else set()
        return own.union(*(_conditions(inner) for inner in node.values()))
    if isinstance(node, list):
        return set[str]().union(*(_conditions(inner) for inner in node))
    return set()


# -- What becomes of their answers --------------------------------------------------------------------------------


def judge_checks(template: Template, failed: Iterable[tuple[str, str, str]]) -> list[Finding]:
    """Compare (resource, check, sentence) of failed checks with the skips of the template. Pure."""
    skips: dict[tuple[str, str], str] = {}
    for name, resource in template.resources.items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            skips[name, skip["id"]] = str(skip.get("comment", "")).strip()
    found = {(name, check): sentence for name, check, sentence in failed}
    return sorted(
        [Finding(*where, sentence) for where, sentence in found.items() if where not in skips]
        + [Finding(*where, "is skipped without a reason") for where, reason in skips.items() if not reason]
        + [Finding(*where, "is skipped and not found: remove the skip") for where in skips.keys() - found.keys()]
    )


def judge_issues(template: Template, issues: Iterable[Issue]) -> list[Finding]:
    """Drop the issues that have their reason, in the template or in `MISTAKEN`. Pure."""
    found = set()
    for issue in issues:
        if (issue.name, issue.action) in MISTAKEN:
            continue
        sids = issue.policy.sids(issue.line, issue.action)
        if issue.name in WEIGHED and sids and all(_has_reason(template, issue.policy.place, sid) for sid in sids):
            continue
        advice = ": mend it, or say beside the Sid why it has to be so" if issue.name in WEIGHED else ""
        place = ".".join([issue.policy.place, *sids])
        about = f" ({issue.action})" if issue.action else ""
        found.add(Finding(place, issue.name, f"{issue.sentence}{about}{advice}"))
    return sorted(found)


def unused_mistakes(issues: Iterable[Issue]) -> list[Finding]:
    """Entries of `MISTAKEN` that no template needs. Pure."""
    met = {(issue.name, issue.action) for issue in issues}
    return [Finding(action, name, "is in MISTAKEN and not found: remove it") for name, action in MISTAKEN.keys() - met]


def _has_reason(template: Template, resource: str, sid: str) -> bool:
    """Tell whether at least three words stand beside a Sid."""
    return any(re.search(rf"Sid: {sid} +# \S+ \S+ \S+", line) for line in template.source[resource])


# -- Asking -------------------------------------------------------------------------------------------------------


def ask(templates: Mapping[str, Mapping[str, Any]], documents: Sequence[Policy]) -> Mapping[str, Any]:
    """Return what both say: {"checkov": {name: [...]}, "parliament": [[...], ...]}; ops/scanners_run.py has the shapes.

    Raises:
        subprocess.CalledProcessError: when they do not run.
    """
    WORKPLACE.mkdir(parents=True, exist_ok=True)
    files = {name: WORKPLACE / f"{name}.json" for name in templates}
    for name, file in files.items():
        file.write_text(json.dumps(templates[name], indent=1), encoding="utf-8")
    question = {"templates": [str(file) for file in files.values()], "policies": [each.text for each in documents]}
    # A key of checkov's maker in the environment would have it look there for checks.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "CKV_", "PYTHONPATH"))}
    answer = subprocess.run(
        [str(PYTHON), str(ROOT / "ops" / "scanners_run.py")],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        env=clean,
        check=True,
    )
    said = json.loads(answer.stdout)
    return {**said, "checkov": {name: said["checkov"][str(file)] for name, file in files.items()}}


def lint(templates: Sequence[Template]) -> dict[Path, list[Finding]]:
    """Return the findings by template; those about `MISTAKEN` stand with this file."""
    forms = {
        f"{number}-{form}": without_metadata(sampled(template, dict.fromkeys(template.conditions, form == "all")))
        for number, template in enumerate(templates)
        for form in FORMS
    }
    by_template = {template.path: policies(template) for template in templates}
    said = ask(forms, list(itertools.chain.from_iterable(by_template.values())))
    answers = iter(said["parliament"])
    findings: dict[Path, list[Finding]] = {}
    every_issue: list[Issue] = []
    for number, template in enumerate(templates):
        failed = [tuple(each) for form in FORMS for each in said["checkov"][f"{number}-{form}"]]
        issues = [Issue(policy, *issue) for policy in by_template[template.path] for issue in next(answers)]
        every_issue += issues
        findings[template.path] = judge_checks(template, failed) + judge_issues(template, issues)
    return {**findings, Path(__file__): unused_mistakes(every_issue)}


def main(argv: Sequence[str] | None = None) -> int:
    """Lint the templates named; return 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m ops.security_lint", description="Look for unsafe templates.")
    parser.add_argument("templates", nargs="+", type=Path, help="all of them: what none needs is a finding too")
    arguments = parser.parse_args(argv)
    if not PYTHON.is_file():
        print("security_lint: .venv-scanners is not there; make lint installs it", file=sys.stderr)
        return 2
    findings = lint([Template.read(path.resolve()) for path in arguments.templates])
    for path, each in findings.items():
        for finding in each:
            print(f"{os.path.relpath(path)}:{finding.place}: {finding.rule} {finding.message}")
    if any(findings.values()):
        return 1
    print(f"security_lint: {len(arguments.templates)} template(s) without findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
