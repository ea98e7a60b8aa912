"""Every command that README and docs show in a block is run against the deployed stack, and every other one is read by its parser.

A command that cannot be run here stands in ``NOT_RUN`` with the reason. One that is new in the docs is in neither place: it is run.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from awscli.clidriver import create_clidriver

from ops.cli import COMMANDS, main, retraining
from ops.given_files import FileKind
from ops.given_schemas import schema_of
from ops.project import ROOT
from orchestration.domain.prices import packaged_prices
from tests.stack.loop import Loop
from tests.stack.moments import parked, run_of

PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")

PLACEHOLDERS: Final = re.compile(r"<([A-Za-z]+)>")

NOT_RUN: Final = {
    "make demo": "tests/stack/test_demo.py plays it",
    "make setup": "it makes the environment that the tests run in",
    "retraining review": "it stays in the foreground; tests/stack/test_review.py opens its page",
    "make local": "it stays in the foreground; tests/local starts it",
    'export PATH="$PWD/.venv/bin:$PATH"': "the tests have that path already",
    "retraining deploy": "tests/stack/test_delivery.py deploys, updates and refuses; a stack takes seconds",
    "retraining destroy": "the same file deletes one; this stack is for all stories",
    "retraining import": "the same file imports; it needs resources without a stack",
    "retraining prices": "it asks AWS's Price List; tests/unit/test_prices_command.py serves one",
    "make policy-bench": "it downloads streams and trains for minutes; tests/unit/test_policy_benchmark.py plays a short one",
    "PYTHONPATH=src .venv/bin/python -m tests.unit.interleavings": "it takes minutes; tests/unit/test_interleavings.py plays few",
    "PYTHONPATH=src .venv/bin/python -m tests.unit.safeguards": "as well; the same file takes some of them away",
    "retraining verify-aws": "it asks AWS itself; tests/stack/test_verify_aws.py asks the embedded one",
    "aws cloudformation package": "tests/stack/loop.py packages by this very call for all stories",
    "aws cloudformation deploy": "tests/stack/loop.py deploys by this very call for all stories",
}
"""Commands by how they begin, each with where it is run instead, or why it cannot be."""


def lines_of(block: str) -> Iterator[str]:
    """Commands of a block, each in a line: what a backslash or an open quote carries on is joined."""
    command = ""
    for line in block.splitlines():
        command = f"{command}\n{line.strip()}" if command else line.strip()
        if command.endswith("\\") or command.count("'") % 2:
            continue
        yield command.replace("\\\n", "")
        command = ""


def shown() -> list[tuple[str, str]]:
    """Every command of a block in ``sh``, with its page."""
    return [
        (str(page.relative_to(ROOT)), command)
        for page in PAGES
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for command in lines_of(block)
        if command
    ]


def named() -> list[tuple[str, str]]:
    """Every command of ``retraining`` that stands in a sentence or a table, with its page."""
    return [
        (str(page.relative_to(ROOT)), " ".join(command.split()))
        for page in PAGES
        for command in re.findall(r"`(retraining [a-z-]+(?: [^`]*)?)`", page.read_text(encoding="utf-8"))
    ]


def known() -> set[str]:
    """Names of all commands."""
    return {name for commands in COMMANDS.values() for name in commands}


def reason_not_run(command: str) -> str | None:
    """Why a command is not run; the longest beginning that is listed counts."""
    begins = [begin for begin in NOT_RUN if command == begin or command.startswith(f"{begin} ")]
    return NOT_RUN[max(begins, key=len)] if begins else None


def read(command: str, *, whole: bool) -> str | None:
    """What the command's own parser says against it. ``whole``: what is needed has to be there as well."""
    words = shlex.split(PLACEHOLDERS.sub(r"\1", command))[1:]
    context = click.Context(retraining, info_name="retraining")
    name = words[0] if words else ""
    if name not in known():
        return f"there is no command {name}"
    subcommand = retraining.get_command(context, name)
    assert subcommand is not None
    try:
        subcommand.make_context(name, words[1:], parent=context, resilient_parsing=not whole)
        if not whole:
            subcommand.make_parser(context).parse_args(words[1:])
    except click.UsageError as error:
        return error.format_message()
    return None


def test_every_command_of_a_block_is_run_or_has_its_reason() -> None:
    commands = [command for _, command in shown()]
    assert len(commands) > 30

    assert [
        begin for begin in NOT_RUN if not any(reason_not_run(command) == NOT_RUN[begin] for command in commands)
    ] == []
    assert [
        command
        for command in commands
        if reason_not_run(command) is None and command.split()[0] not in {"retraining", "aws"}
    ] == []


def test_every_command_of_a_block_is_understood_by_its_parser() -> None:
    said = {command: read(command, whole=True) for _, command in shown() if command.startswith("retraining ")}

    assert {command: against for command, against in said.items() if against} == {}


def test_every_command_in_a_sentence_is_understood_as_far_as_it_goes() -> None:
    """A sentence may name a command without what it needs, and never with an option that it does not have."""
    commands = named()
    assert len(commands) > 80

    said = {(page, command): read(command, whole=False) for page, command in commands}
    assert {place: against for place, against in said.items() if against} == {}


def test_every_target_that_the_docs_name_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    found = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    blocks = {command.split()[1] for _, command in shown() if command.startswith("make ")}

    assert (found | blocks) - targets == set()


@pytest.fixture
def story(loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Story:
    """An operator's shell: signed in, in a folder with the files that the docs name."""
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    policy = json.dumps(schema_of(FileKind.POLICY)["examples"][1])
    report = {"model": "fraud", "metric": "psi", "observed": 0.41, "threshold": 0.2}
    prices = json.dumps(packaged_prices().as_record())
    files = {"policies/fraud.json": policy, "report.json": json.dumps(report), "prices.json": prices}
    files["signals.jsonl"] = (ROOT / "examples" / "simulate" / "signals.jsonl").read_text(encoding="utf-8")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Story(loop)


class Story:
    """A model with a run that was promoted, of which all commands speak but those that answer one that waits."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.model = loop.model()
        arn = loop.start(loop.drift(self.model))
        assert loop.ended(arn).status == "SUCCEEDED"
        self.run, self.signal = run_of(arn), loop.decisions(self.model)[0]["signal_id"]

    def _asked(self) -> str:
        arn = self._loop.start(self._loop.drift(self._loop.model(approval={"training": "always"})))
        parked(self._loop, arn, "approval:training")
        return run_of(arn)

    def filled(self, command: str) -> str:
        """A command with what this account has in the place of what the docs speak of."""
        answered = command.split()[1] in {"approve", "reject"}
        has = {
            **self._loop.outputs,
            "address": "ops@example.com",
            "model": self.model,
            "run": self._asked() if answered else self.run,
            "signal": self.signal,
            "bucket": self._loop.bucket,
            "region": self._loop.aws.region,
            "table": "another-history",
        }
        text = PLACEHOLDERS.sub(lambda found: has[found[1]], command)
        text = re.sub(r'(--model |\\"model\\": \\")(?:fraud|default)\b', rf"\g<1>{self.model}", text)
        text = text.replace("--region eu-west-1", f"--region {self._loop.aws.region}")
        if command.startswith("retraining ") and stack_of(command.split()[1]):
            text += f" --stack {self._loop.stack}"
        if command.startswith("retraining verify-audit") and "--model" not in text:
            # Other stories of the stack spoil their own records; so it is with copies below.
            text += f" --model {self.model}"
        if command.startswith("aws s3 sync"):
            text += f" --exclude '*' --include '*/{self.model}/*'"
        return text

    def done(self, command: str) -> int:
        """The exit status of a command, once what it sent has arrived."""
        if command.startswith("retraining "):
            return main(shlex.split(command)[1:])
        decided = len(self._loop.decisions(self.model))
        if "$(" in command:
            return subprocess.run(["/bin/sh", "-ec", command], check=False).returncode  # noqa: S603 - our own docs
        status = int(create_clidriver().main(shlex.split(command)[1:]))
        if " put-events " in command:
            self._loop.until(lambda: len(self._loop.decisions(self.model)) > decided)
        return status


def stack_of(name: str) -> str | None:
    """The stack that a command speaks of when nobody names one."""
    command = retraining.get_command(click.Context(retraining), name)
    params = command.params if command else ()
    return next((str(each.default) for each in params if each.name == "stack" and isinstance(each.default, str)), None)


def test_every_command_of_a_block_does_what_it_says(story: Story, capfd: pytest.CaptureFixture[str]) -> None:
    failed = {}
    run: set[str] = set()
    for page, command in shown():
        if reason_not_run(command) is not None or command in run:
            continue
        run.add(command)
        filled = story.filled(command)
        capfd.readouterr()
        if status := story.done(filled):
            failed[page, filled] = (status, "".join(capfd.readouterr())[-600:])

    assert failed == {}
