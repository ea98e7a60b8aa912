"""The files around the code: locks that are locked, a Makefile that explains itself, artefacts that git ignores."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import click
import pytest
import yaml

from ops.cli import COMMANDS, retraining
from tests.conftest import pytest_terminal_summary

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MAKE = shutil.which("make") or "make"

RULE = re.compile(r"^([a-z][a-z-]*):(?!=)(.*)$", re.MULTILINE)


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, without what an outer make left in the environment."""
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(  # noqa: S603 - make itself, with arguments from this file
        [MAKE, *arguments],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.name for lock in LOCKS])
def test_every_requirement_of_a_lock_is_pinned_with_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())

    assert requirements
    for requirement in requirements:
        assert re.match(r"[a-z0-9.-]+==[^ ]+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", requirement), requirement[
            :80
        ]
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("name", ["uv", "dev", "lambda", "scanners", "streams", "taskcat"])
def test_a_lock_holds_every_requirement_of_its_source(name: str) -> None:
    source = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8")
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    wanted = [
        re.split(r"[=<>\[ ;#]", line.strip(), maxsplit=1)[0].lower()
        for line in source.splitlines()
        if line.strip() and not line.startswith("#")
    ]

    assert [package for package in wanted if not re.search(rf"^{re.escape(package)}==", lock, re.MULTILINE)] == []


def test_the_npm_lock_holds_hashes_and_names_no_registry() -> None:
    lock = json.loads((ROOT / "requirements" / "node" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert packages
    assert [name for name, package in packages.items() if "integrity" not in package or "resolved" in package] == []


def test_a_word_that_is_no_target_is_said_before_anything_is_done() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        make("help", "yes")
    assert (failed.value.returncode, failed.value.stdout) == (2, "")
    assert (
        "There is no target yes. `make` prints the targets; a value is NAME=value, such as YES=1" in failed.value.stderr
    )


@pytest.mark.parametrize(
    "path",
    [
        ".venv/bin/python",
        ".venv-scanners/bin/python",
        ".venv-lambda/bin/python",
        ".venv-streams/bin/python",
        ".venv-taskcat/bin/python",
        "build/orchestration.zip",
        "dist/SHA256SUMS",
        "requirements/node/node_modules/asl-validator/package.json",
        "src/orchestration/__pycache__/handler.cpython-311.pyc",
        ".pytest_cache/README.md",
        ".mypy_cache/x",
        ".ruff_cache/x",
        ".hypothesis/x",
        ".coverage",
        ".demo/x",
    ],
)
def test_git_ignores_what_make_creates(path: str) -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")

    answer = subprocess.run([git, "check-ignore", "--quiet", path], cwd=ROOT, check=False)  # noqa: S603 - git itself

    assert answer.returncode == 0


def test_every_file_of_text_keeps_what_an_editor_is_told() -> None:
    """The section [*] of .editorconfig, with a tab where it says so."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603 - git
    contents = {
        name: (ROOT / name).read_bytes() for name in listed.decode().split("\0") if name and (ROOT / name).is_file()
    }
    texts = {name: content.decode("utf-8") for name, content in contents.items() if b"\0" not in content}

    assert len(texts) > 500
    assert [name for name, text in texts.items() if "\r" in text or (text and not text.endswith("\n"))] == []
    assert [name for name, text in texts.items() if re.search(r"[ \t]$", text, re.MULTILINE)] == []
    assert [name for name, text in texts.items() if re.search(r"^\t", text, re.MULTILINE)] == ["Makefile"]


def test_every_hook_of_pre_commit_calls_what_make_setup_installs() -> None:
    """None is fetched from elsewhere, which would be a second version of a tool."""
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = [hook for repository in repositories for hook in repository["hooks"]]

    assert [repository["repo"] for repository in repositories] == ["local"]
    assert hooks
    for hook in hooks:
        match hook["entry"].split():
            case ["make", target, *_]:
                assert target in dict(RULE.findall(MAKEFILE)), hook["entry"]
            case [".venv/bin/python", "-m", module, *_]:
                assert importlib.util.find_spec(module) is not None, hook["entry"]
            case ["git", *_]:
                pass
            case _:
                pytest.fail(f"{hook['entry']} is not of this project")
        assert hook["language"] == "system"
        assert "additional_dependencies" not in hook


def test_make_alone_prints_every_target_with_its_sentence() -> None:
    printed = make().stdout
    rules = dict(RULE.findall(MAKEFILE))

    assert rules
    for name, rest in rules.items():
        assert "## " in rest, f"the target {name} has no ## sentence"
        sentence = rest.split("## ", 1)[1]
        assert re.search(rf"^  {re.escape(name)} +{re.escape(sentence)}$", printed, re.MULTILINE), name


def test_help_fits_eighty_columns() -> None:
    assert [line for line in make("help").stdout.splitlines() if len(line) > 80] == []


def test_every_command_of_retraining_is_a_target_of_one_line() -> None:
    for name in (name for section in COMMANDS.values() for name in section):
        assert re.search(rf"^{name}: setup ## .*\n\t@\$\(RETRAINING\) {name}\n", MAKEFILE, re.MULTILINE), name


def test_every_option_that_help_names_is_handed_on() -> None:
    """`make x NAME=` reaches the option --name, or the argument, of the command."""
    listed = re.search(r"^override OPTIONS := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert listed is not None
    handed_on = set(listed[1].replace("\\", " ").split())
    for name in (name for section in COMMANDS.values() for name in section):
        command = retraining.get_command(click.Context(retraining), name)
        assert command is not None
        context = command.make_context(name, [], resilient_parsing=True)
        taken = {each.removeprefix("RETRAINING_") for param in command.params for each in _variables(param, context)}
        for variable in set(re.findall(r"[A-Z_]{2,}(?==)", dict(RULE.findall(MAKEFILE))[name])):
            assert variable in handed_on & taken, f"make {name} {variable}="


def _variables(param: click.Parameter, context: click.Context) -> list[str]:
    of_name = [f"RETRAINING_{(param.name or '').upper()}"] if isinstance(param, click.Option) else []
    given = [param.envvar] if isinstance(param.envvar, str) else list(param.envvar or ())
    assert context.auto_envvar_prefix == "RETRAINING"
    return given or of_name


def test_setup_gives_a_command_that_works_in_any_folder(tmp_path: Path) -> None:
    specification = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert specification is not None
    assert specification.loader is not None
    install = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(install)
    folder = tmp_path / "it's a folder" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (folder / "python").chmod(0o755)

    install.write_command(folder / "retraining")
    written = (folder / "retraining").stat().st_mtime_ns
    install.write_command(folder / "retraining")
    called = subprocess.run(  # noqa: S603 - the command that was written
        [folder / "retraining", "validate"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert (folder / "retraining").stat().st_mtime_ns == written
    assert (called.returncode, called.stderr.startswith("Which file?")) == (2, True), called.stderr


def test_help_has_no_colour_when_it_is_not_printed_on_a_terminal() -> None:
    assert "\x1b" not in make("help").stdout


def test_tests_takes_a_word_that_narrows_the_run() -> None:
    assert '-x -k "$TESTS"' in make("-n", "test", "TESTS=rollback").stdout
    assert "-k" not in make("-n", "test").stdout.split("pytest", 1)[1]


def test_a_word_that_no_test_has_is_answered_with_what_to_type() -> None:
    said: list[str] = []
    reporter = cast("pytest.TerminalReporter", SimpleNamespace(write_line=said.append))
    config = cast("pytest.Config", SimpleNamespace(getoption={"keyword": "nosuch"}.get))
    pytest_terminal_summary(reporter, pytest.ExitCode.OK, config)
    assert said == []
    pytest_terminal_summary(reporter, pytest.ExitCode.NO_TESTS_COLLECTED, config)
    assert said == ["No test has 'nosuch' in its name, or that of its file: make test TESTS=rollback"]


def test_a_python_that_is_too_old_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\necho 'too old' >&2\nexit 1\n")
    old.chmod(0o755)

    with pytest.raises(subprocess.CalledProcessError):
        make("setup", f"PYTHON={old}")


@pytest.mark.parametrize("given", ["argument", "environment"])
@pytest.mark.parametrize(
    "text",
    ["$(shell touch {})", "${{shell touch {}}}", "costs $5, or $$5", "$(error no)", "it's #1; `touch {}`", "a\\"],
)
def test_make_hands_on_what_people_write_as_it_was_written(text: str, given: str, tmp_path: Path) -> None:
    touched, more = tmp_path / "touched", tmp_path / "more.mk"
    more.write_text("told: ; @printenv RETRAINING_COMMENT\n", encoding="utf-8")
    said = text.format(touched)
    asked = ["-f", "Makefile", "-f", str(more), "told"]
    told = make(*asked, f"COMMENT={said}") if given == "argument" else make(*asked, COMMENT=said)

    assert told.stdout == f"{said}\n", told.stderr
    assert not touched.exists()


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_no_variable_is_read_by_make_or_put_into_a_recipe_as_it_was_given(given: str, tmp_path: Path) -> None:
    """Every variable that the Makefile or its help speaks of, on every target."""
    handed_on = re.findall(r"^override (?:OPTIONS|DEVELOPED_WITH) := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    named = {name for line in handed_on for name in line.replace("\\", " ").split()}
    named |= set(re.findall(r"^(?:override |export )?([A-Z_]{2,}) *[:?]?=", MAKEFILE, re.MULTILINE))
    named |= {name for _, rest in RULE.findall(MAKEFILE) for name in re.findall(r"\b([A-Z_]{2,})=", rest)}
    assert {"ARGS", "PORT", "PYTHON", "REASON", "TESTS", "VENV"} <= named
    touched = tmp_path / "touched"
    said = dict.fromkeys(sorted(named - {"PATH"}), f"$(shell touch {touched})")
    targets = [name for name, _ in RULE.findall(MAKEFILE)]
    asked = ["-n", *targets, *([f"{name}={text}" for name, text in said.items()] if given == "argument" else [])]
    printed = make(*asked, **({} if given == "argument" else said)).stdout

    assert not touched.exists()
    assert str(touched) not in printed


@pytest.mark.parametrize(
    ("target", "given"),
    [("test", {"TESTS": "{}"}), ("test", {"JOBS": "{}"}), ("mutants", {"FILES": "{}"}), ("docs", {"ARGS": "{}"})],
)
@pytest.mark.parametrize("text", ["$(touch {0})", "`touch {0}`", '"; touch {0}; "'])
def test_no_shell_reads_what_is_given_to_a_target_of_developers(
    target: str, given: dict[str, str], text: str, tmp_path: Path
) -> None:
    touched, hears = tmp_path / "touched", tmp_path / "hears.mk"
    hears.write_text(
        "override PYTHON_VENV := echo\noverride OPS := echo \noverride LAMBDA := :\nsetup: ;\n", encoding="utf-8"
    )
    said = {name: text.format(touched) for name in given}
    told = make("-f", "Makefile", "-f", str(hears), target, *(f"{name}={each}" for name, each in said.items()))

    assert not touched.exists()
    assert str(touched) in told.stdout
