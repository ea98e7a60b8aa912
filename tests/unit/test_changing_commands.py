"""The commands that check and that change a stack: what they say at any width, and to programs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator, FormatChecker

from ops import cli, deploy, import_resources, smoke, verify_aws
from ops.aws_questions import QUESTIONS
from ops.aws_questions.question import Answer
from ops.project import ROOT
from orchestration.domain.commands import Place
from tests.unit.commands import commands_in, understood
from tests.unit.delivery import REGION, FakeCloudFormation, FakePackage, FakeSession
from tests.unit.fakes import World
from tests.unit.test_terminal import FakeStack, played

SCHEMAS: Final = ROOT / "docs" / "schemas" / "commands"
SECTIONS: Final = ("Check", "Change the stack")
ENDS: Final = {
    "deploy": ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
    "import": ("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
    "destroy": ("DELETE_COMPLETE", "DELETE_FAILED"),
}
REPORT: Final = '{"model": "fraud", "observed": 0.4, "threshold": 0.2, "treshold": 1}'
ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "validate": ("my report.json", "fraud.json"),
    "try": ("my report.json",),
    "simulate": ("--signals", "signals.jsonl", "--policy", "fraud.json"),
    "import": ("--resources", "HistoryTable=history", "--yes"),
    "deploy": ("--yes",),
    "destroy": ("--yes",),
    "restore-history": ("--yes",),
    "verify-aws": ("--yes", "--only", QUESTIONS[0].name),
}
NAMES: Final = [name for section in SECTIONS for name in cli.COMMANDS[section]]
FAILS: Final = frozenset({"deploy", "import", "destroy", "smoke"})
CALLS: Final = [(name, well) for name in NAMES for well in (True, False) if well or name in FAILS]


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Call a command; it comes to a good end or to a bad one."""
    played(world)
    stack = FakeStack(world)
    stack.place = Place("retraining", REGION)
    there = SimpleNamespace(
        scan=lambda **_: {"Items": []}, put_item=lambda **_: {}, exceptions=stack.scene.database.exceptions
    )
    monkeypatch.setattr("ops.invocation.Stack", lambda *_: stack)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my report.json").write_text(REPORT, encoding="utf-8")
    (tmp_path / "signals.jsonl").write_text('{"at": "2026-03-02T06:00:00Z", "model": "fraud", "severity": "critical"}')
    (tmp_path / "fraud.json").write_text('{"schema_version": 1, "model": "fraud"}', encoding="utf-8")
    monkeypatch.setattr("ops.destination.REMEMBERED", tmp_path / "deployed.json")
    monkeypatch.setattr(verify_aws, "FOLDER", tmp_path / "verify-aws")
    monkeypatch.setattr("ops.verify_aws.Results", SimpleNamespace(kept=lambda: None))
    monkeypatch.setattr(verify_aws, "embedded", lambda: True)
    asked = SimpleNamespace(
        name=QUESTIONS[0].name, asks="Is it so?", look=lambda _: Answer(True, "It is so."), built_on=""
    )
    monkeypatch.setattr(verify_aws, "chosen", lambda _: (asked,))
    hops = {"_listen": "queue", "_lock": None, "_send": None, "_awaited": "heard", "_end": {"outcome": "HOLD"}}
    hops |= {"_no_execution": "", "_no_message": "", "_check_evidence": None, "_subscribers": ""}
    for name, answer in hops.items():
        monkeypatch.setattr(smoke, name, lambda *_, answer=answer: answer)
    record = {"decision": "HOLD", "reason": "PAUSED", "sentence": "Held.", "signal_id": "1"}

    def called(name: str, *more: str, well: bool = True) -> int:
        if name == "restore-history":
            stack.clients["dynamodb"] = there
        cloudformation = FakeCloudFormation(ends=ENDS.get(name, ("", ""))[not well])
        cloudformation.add("retraining")
        session = FakeSession(cloudformation)
        monkeypatch.setattr("ops.invocation.session_in", lambda *_: session)
        for module in (deploy, import_resources):
            monkeypatch.setattr(module, "package", lambda *_, **__: FakePackage())
        made = SimpleNamespace(
            bucket="b", key="k", url="https://b/k", template=Path("t.yaml"), uploaded=("k",), notes=("No page.",)
        )
        monkeypatch.setattr("ops.package.package", lambda *_, **__: made)
        monkeypatch.setattr("ops.package.embedded", lambda: True)

        def decision(*_: Any) -> Any:
            if not well:
                raise smoke.HopError("decision: the HistoryTable has none.")
            return record, "decisions/1.json"

        monkeypatch.setattr(smoke, "_decision", decision)
        return cli.main([name, *ARGUMENTS.get(name, ()), *more])

    return called


@pytest.mark.parametrize(("name", "well"), CALLS)
def test_a_program_reads_one_document_that_its_schema_describes(
    name: str, well: bool, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    status = call(name, "--json", well=well)

    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "error" not in found, found
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(found)] == []
    assert well or status == 1
    assert (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8").count('"additionalProperties": false')


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize(("name", "well"), CALLS)
def test_every_line_fits_the_terminal_and_every_command_names_its_stack(
    name: str, well: bool, width: int, call: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    call(name, well=well)

    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert said.strip()
    wide = [line for line in said.splitlines() if len(line) > width]
    assert [line for line in wide if len(line.split()) > 1 and not line.endswith("\\")] == []
    for command in commands_in(printed.out):
        assert "--stack retraining --region " in command
        understood(command)


def test_every_command_has_a_schema_whose_every_property_is_described() -> None:
    def undescribed(node: Any) -> list[str]:
        properties = node.get("properties", {}) if isinstance(node, dict) else {}
        here = [name for name, child in properties.items() if "description" not in child]
        children = [*properties.values(), *([node["items"]] if isinstance(node, dict) and "items" in node else [])]
        return here + [name for child in children for name in undescribed(child)]

    for name in (name for section in cli.COMMANDS.values() for name in section):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        Draft7Validator.check_schema(schema)
        assert schema["title"] == f"retraining {name} --json"
        assert undescribed(schema) == [], name


@pytest.mark.parametrize("name", [name for section in cli.COMMANDS.values() for name in section])
def test_help_fits_eighty_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([name, "--help"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_nobody_deploys_by_a_misspelt_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deploy", "--parms", "Mode=shadow"]) == 2
    assert "--params" in capsys.readouterr().err


def test_one_file_of_the_environment_keeps_its_spaces_and_colons(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my: report.json"
    file.write_text('{"model": "fraud", "observed": 0.4, "threshold": 0.2}', encoding="utf-8")
    monkeypatch.setenv("RETRAINING_FILE", str(file))

    assert cli.main(["validate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["file"] == str(file)


def test_a_failed_deployment_says_what_failed_first_and_how_to_go_on(
    call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("deploy", well=False) == 1
    said = capsys.readouterr().out
    assert "Rule (T) failed first: why." in said
    assert f"retraining deploy --stack retraining --region {REGION}" in commands_in(said)


def test_what_destroy_prints_brings_the_retained_resources_back(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("destroy") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 resource(s) are retained: Kept name" in said
