"""A release: what it attaches, and which tags it refuses; and the workflows of GitHub, which only call what is here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import package_zip, release
from ops.project import ROOT, TEMPLATE, version

CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Added\n\n- C.\n\n## 1.2.3 - 2026-11-27\n\n### Fixed\n\n- B.\n\n## 1.2.2 - 2026-11-26\n\n- A.\n"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs: dict[str, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_a_section_is_what_stands_under_a_version_and_its_date() -> None:
    assert release.section(CHANGELOG, "1.2.3") == "### Fixed\n\n- B."
    assert release.section(CHANGELOG, "1.2.2") == "- A."


@pytest.mark.parametrize("number", ["1.2.4", "1.2", "1x2.3", "Unreleased"])
def test_what_has_no_section_with_a_date_has_none(number: str) -> None:
    assert release.section(CHANGELOG, number) is None


def test_a_section_that_says_nothing_is_none() -> None:
    assert release.section("## 1.2.3 - 2026-11-27\n\n## 1.2.2 - 2026-11-26\n\n- A.\n", "1.2.3") is None


def test_the_tag_of_the_version_with_a_section_is_a_release() -> None:
    assert release.faults("v1.2.3", "1.2.3", "1.2.3", CHANGELOG, []) == ()


@pytest.mark.parametrize(
    ("tag", "number", "stack_output", "changed", "said"),
    [
        ("1.2.3", "1.2.3", "1.2.3", [], "The tag 1.2.3 is not v1.2.3"),
        ("v1.2.2", "1.2.3", "1.2.3", [], "The tag v1.2.2 is not v1.2.3"),
        ("v1.2.3", "1.2.3", "1.2.2", [], "TemplateVersion of the template is 1.2.2"),
        ("v1.2.4", "1.2.4", "1.2.4", [], 'nothing under "## 1.2.4'),
        ("v1.2.3", "1.2.3", "1.2.3", ["ops/a b.py", "c"], "Not committed as they are here: ops/a b.py, c."),
        ("v1.2.3", "1.2.3", "1.2.3", None, "Git does not say"),
    ],
)
def test_any_other_tag_is_refused_with_the_reason(
    tag: str, number: str, stack_output: str, changed: list[str] | None, said: str
) -> None:
    (fault,) = release.faults(tag, number, stack_output, CHANGELOG, changed)

    assert said in fault


def test_what_is_not_committed_is_what_git_would_commit_or_has_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git")

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)  # noqa: S603, S607 - git, on this test's own folder

    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert release.not_committed() is None
    git("init")
    (tmp_path / ".gitignore").write_text("build\n")
    (tmp_path / "a b.py").write_text("")
    git("add", ".")
    git("commit", "--message", "first")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "x").write_text("")
    assert release.not_committed() == []
    (tmp_path / "a b.py").write_text("changed")
    (tmp_path / "new.py").write_text("")
    assert release.not_committed() == ["a b.py", "new.py"]


def test_a_refused_tag_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "DIST", tmp_path / "dist")

    assert release.main(["--tag", "v0.0.0"]) == 1
    assert not (tmp_path / "dist").exists()
    assert f"The tag v0.0.0 is not v{version()}" in capsys.readouterr().err


def test_what_is_attached_is_what_is_deployed_and_its_sums_are_right(tmp_path: Path) -> None:
    (tmp_path / "of-another-release.whl").touch()
    made = {file.name: file for file in release.build(tmp_path)}
    sums = {line[66:]: line[:64] for line in made.pop(release.SUMS).read_text(encoding="utf-8").splitlines()}

    assert made.keys() == {
        "automation-orchestration-pipeline.yaml",
        "orchestration.zip",
        f"retraining_loop-{version()}-py3-none-any.whl",
        "sbom-development.cdx.json",
        "sbom.cdx.json",
        "statemachine.asl.json",
    }
    assert sums == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in made.items()}
    assert made["orchestration.zip"].read_bytes() == package_zip.package_bytes()
    assert made[TEMPLATE.name].read_bytes() == TEMPLATE.read_bytes()
    assert sums["orchestration.zip"] in made["sbom.cdx.json"].read_text(encoding="utf-8")


def test_every_version_of_the_changelog_is_there_once_newest_first() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]

    assert headings[0] == "Unreleased"
    assert released
    order = [(tuple(map(int, each.groups()[:3])), each[4]) for each in released if each]
    assert len(order) == len(released)
    assert order == sorted(order, reverse=True)
    assert len({number for number, _ in order}) == len(order)
    assert tuple(map(int, version().split("."))) >= order[0][0]


def test_the_changelog_says_what_kind_each_change_is() -> None:
    versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    for text in versions:
        kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        assert len(kinds) == len(set(kinds))
        assert re.match(r"[^\n]+\n\n### |Unreleased\n*\Z", text), "a change stands under its kind"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[workflow.name for workflow in WORKFLOWS])
def test_a_workflow_uses_actions_by_commit_and_may_read_by_default(workflow: Path) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)] == []
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


def test_ci_runs_what_a_laptop_runs_with_each_python_that_make_looks_for() -> None:
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    matrix = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["test"]["strategy"]["matrix"]
    looked_for = re.findall(
        r"python(3\.\d+)", (ROOT / "Makefile").read_text().split("ifndef PYTHON")[1].split("endif")[0]
    )

    assert sorted(matrix["python"]) == sorted(looked_for)
    assert ".ci/run" in [step.get("run") for step in steps(workflow)]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_release_is_made_of_what_make_builds_after_it_was_linted_and_tested() -> None:
    run = [step["run"] for step in steps(ROOT / ".github" / "workflows" / "release.yml") if "run" in step]
    (built,) = [place for place, line in enumerate(run) if line.startswith('make release TAG="$GITHUB_REF_NAME"')]

    assert built < run.index(".ci/run") < len(run) - 1
    assert f"--notes-file {release.NOTES.relative_to(ROOT)} {release.DIST.name}/*" in run[-1]
