"""A stack is changed in the account that is meant: it is said before it is asked, and another one is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from ops import cli, deploy, destination, import_resources
from tests.unit.delivery import ACCOUNT, ARN, REGION, FakeCloudFormation, FakePackage, FakeSession

OTHER: Final = "444455556666"
ENDS: Final = {"deploy": "UPDATE_COMPLETE", "destroy": "DELETE_COMPLETE", "import": "IMPORT_COMPLETE"}
COMMANDS: Final[dict[str, Callable[..., int]]] = {
    "deploy": lambda *more: cli.main(["deploy", "--stack", "fraud", *more]),
    "destroy": lambda *more: cli.main(["destroy", "--stack", "fraud", *more]),
    "import": lambda *more: cli.main(["import", "--stack", "fraud", "--resources", "HistoryTable=history", *more]),
}


class Desk:
    """Somebody who signs in to one account after the other; each has the stack."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.packaged = 0
        self.sign_in(ACCOUNT)
        for module in (deploy, import_resources):
            monkeypatch.setattr(module, "package", self._package)

    def _package(self, *_: Any, **__: Any) -> FakePackage:
        self.packaged += 1
        return FakePackage()

    def sign_in(self, account: str) -> None:
        self.packaged, self.cloudformation = 0, FakeCloudFormation()
        self.cloudformation.add("fraud")
        session = FakeSession(self.cloudformation, account, ARN.replace(ACCOUNT, account))
        self._patch.setattr("ops.invocation.session_in", lambda *_: session)

    def run(self, command: str, *arguments: str) -> int:
        self.cloudformation.ends = ENDS[command]
        return COMMANDS[command](*arguments)

    def types(self, answer: str) -> list[str]:
        """Give this answer to whatever is asked; what was asked is kept."""
        asked: list[str] = []

        class Keyboard(io.StringIO):
            def isatty(self) -> bool:
                return True

        def read(*_: Any) -> str:
            asked.append(answer)
            return answer

        self._patch.setattr("sys.stdin", Keyboard())
        self._patch.setattr("builtins.input", read)
        return asked


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sentence is broken."""
    monkeypatch.setenv("COLUMNS", "20000")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept what was deployed to which account."""
    file = tmp_path / "build" / "deployed.json"
    monkeypatch.setattr(destination, "REMEMBERED", file)
    return file


@pytest.fixture
def desk(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in a checkout that has deployed nothing yet."""
    assert not kept.exists()
    for name in ("AWS_ENDPOINT_URL", "RETRAINING_ACCOUNT", "RETRAINING_YES"):
        monkeypatch.delenv(name, raising=False)
    return Desk(monkeypatch)


@pytest.mark.parametrize("command", COMMANDS)
def test_account_region_and_caller_are_said_before_it_is_asked(
    command: str, desk: Desk, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = desk.types("no")

    assert desk.run(command) == 1

    assert len(asked) == 1
    # The question's line goes on with what follows: what was typed is on the screen, and not in the output.
    first, *_, question = capsys.readouterr().out.splitlines()
    assert first == f"account {ACCOUNT}, Region {REGION}, as {ARN}"
    assert f"account {ACCOUNT}, Region {REGION}" in question
    assert [done for done in desk.cloudformation.done if done != "discarded"] == []
    assert not kept.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_another_account_than_the_one_that_was_named_is_refused_before_anything_is_changed(
    command: str, desk: Desk, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run(command, "--yes", "--account", OTHER) == 1

    printed = capsys.readouterr()
    assert f"as {ARN}" in printed.out
    assert f"--account names account {OTHER}" in printed.err
    assert f"Sign in to {OTHER}" in printed.err
    assert (desk.cloudformation.done, desk.packaged, kept.exists()) == ([], 0, False)


@pytest.mark.threat("wrong-account")
@pytest.mark.parametrize("first", ["deploy", "import"])
@pytest.mark.parametrize("command", COMMANDS)
def test_another_account_than_the_last_one_is_refused_until_it_is_named(
    first: str, command: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run(first, "--yes") == 0
    desk.sign_in(OTHER)
    capsys.readouterr()

    assert desk.run(command, "--yes") == 1

    said = capsys.readouterr().err
    assert f"last deployed to account {ACCOUNT} from here" in said
    assert f"--account {OTHER}" in said
    assert (desk.cloudformation.done, desk.packaged) == ([], 0)
    assert desk.run(command, "--yes", "--account", OTHER) == 0
    assert desk.cloudformation.done


def test_the_account_that_was_named_is_the_last_one_from_then_on(desk: Desk, kept: Path) -> None:
    assert desk.run("deploy", "--yes") == 0
    desk.sign_in(OTHER)
    assert desk.run("deploy", "--yes", "--account", "4444-5555 6666") == 0

    assert json.loads(kept.read_text()) == {"fraud": {"account": OTHER, "region": REGION}}
    assert desk.run("deploy", "--yes") == 0
    desk.sign_in(ACCOUNT)
    assert desk.run("deploy", "--yes") == 1


def test_a_stack_in_which_there_was_nothing_to_change_is_remembered_too(
    desk: Desk, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(**_: Any) -> None:
        raise ClientError({"Error": {"Message": "No updates are to be performed."}}, "CreateChangeSet")

    monkeypatch.setattr(desk.cloudformation, "create_change_set", nothing)

    assert desk.run("deploy", "--yes") == 0
    assert json.loads(kept.read_text())["fraud"]["account"] == ACCOUNT


def test_other_stacks_and_the_embedded_aws_have_accounts_of_their_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.run("deploy", "--yes") == 0
    desk.sign_in(OTHER)
    assert cli.main(["deploy", "--stack", "churn", "--yes"]) == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert desk.run("deploy", "--yes") == 0
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert desk.run("deploy", "--yes") == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"fraud": 1}', '{"fraud": {}}', "\udc80"])
def test_a_memory_that_cannot_be_read_asks_for_the_account(
    content: str, desk: Desk, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.parent.mkdir()
    kept.write_bytes(content.encode(errors="surrogateescape"))

    assert desk.run("deploy", "--yes") == 1
    assert "Name the account you mean: --account" in capsys.readouterr().err
    assert desk.cloudformation.done == []
    assert desk.run("deploy", "--yes", "--account", ACCOUNT) == 0
    assert desk.run("deploy", "--yes") == 0


@pytest.mark.parametrize("account", ["production", "11112222333", "1111222233334", "١١١١٢٢٢٢٣٣٣٣"])
def test_what_is_no_account_id_is_refused(account: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("deploy", "--yes", "--account", account) == 2
    assert "twelve digits" in capsys.readouterr().err
    assert desk.cloudformation.done == []
