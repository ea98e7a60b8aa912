"""Ask checkov and parliament; this file alone runs in .venv-scanners.

    .venv-scanners/bin/python ops/scanners_run.py < question.json > answer.json

The question is ``{"templates": [file, ...], "policies": [text, ...]}``, templates as JSON without functions, policies
with one statement a line from the second on. The answer is ``{"checkov": {file: [[resource, check, sentence], ...]},
"parliament": [[[issue, line or null, action, sentence], ...], ...]}``, one list for each policy.

checkov's own command line loads every kind of file it knows and looks for a newer platform of its maker; the runner of one
kind does neither.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

warnings.simplefilter("ignore")  # parliament imports pkg_resources, which warns of its own end
logging.disable(logging.WARNING)

import parliament  # noqa: E402 - after the warnings are off
from checkov.cloudformation.runner import Runner  # noqa: E402
from checkov.runner_filter import RunnerFilter  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


def failed_checks(file: str) -> list[tuple[str, str, str]]:
    """Return (resource, check, sentence) for each check that a template fails.

    Raises:
        ValueError: when checkov cannot read it, which would else pass as no finding.
    """
    report = Runner().run(root_folder=None, files=[file], runner_filter=RunnerFilter(framework=["cloudformation"]))
    if report.parsing_errors or not report.passed_checks:
        raise ValueError(f"checkov cannot read {file}")
    return [(check.resource.rsplit(".", 1)[-1], check.check_id, check.check_name) for check in report.failed_checks]


def issues(text: str) -> Iterator[tuple[str, int | None, str, str]]:
    """Yield (issue, line, action or "", sentence) for each thing parliament has to say about a policy."""
    # Its community auditors find escalations; what their issues are called stands in a file of their own.
    parliament.override_config(Path(parliament.__file__).parent / "community_auditors" / "config_override.yaml")
    for finding in parliament.analyze_policy_string(text, include_community_auditors=True).findings:
        location: Any = finding.location or {}
        line = location.get("line")
        sentence = parliament.enhance_finding(finding).title
        told = f": {finding.detail}" if isinstance(finding.detail, str) and finding.detail else ""
        for action in list(_actions(finding.detail)) or location.get("actions") or [""]:
            yield finding.issue, line, action, f"{sentence.strip()}{told}"


def _actions(detail: Any) -> Iterator[str]:
    """Yield the actions a finding is about: each kind of finding says it in a shape of its own."""
    if isinstance(detail, list):
        for part in detail:
            yield part["action"] if isinstance(part, dict) else part
    elif isinstance(detail, str) and (match := re.fullmatch(r"Unknown .* ([\w-]+:\w+)", detail)):
        yield match[1]


def main() -> int:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    answer = {
        "checkov": {file: failed_checks(file) for file in question["templates"]},
        "parliament": [list(issues(text)) for text in question["policies"]],
    }
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
