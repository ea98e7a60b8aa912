"""What is printed is text: whatever events, people and AWS write, it is shown, and nothing of it is obeyed."""

from __future__ import annotations

import dataclasses
import dis
import importlib.util
import io
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

import bench
import ops
from ops import (
    cli,
    deploy,
    destroy,
    import_resources,
    retrain,
    smoke,
    validate,
)
from ops.given_schemas import Finding
from ops.stack import OperatorError
from ops.terminal import Column, Styled, Terminal
from orchestration.domain.channel_text import shown
from orchestration.domain.commands import Place
from orchestration.domain.switches import KillSwitch
from tests.unit import stories
from tests.unit.delivery import FakeCloudFormation, FakePackage, FakeSession
from tests.unit.fakes import World
from tests.unit.stories import do
from tests.unit.tampering import BUCKET, Scene

FORGED: Final = "FORGED"
NASTY: Final = (
    "[/nope][red]x[/][link=https://evil.example]y[/link]:boom:\\"
    "\x1b[2J\x1b]8;;https://evil.example\x07\x9b31m\x7f\x00\u202e\u2066\u2069\u200b\u2028\u0085\r\n" + FORGED
)
HARMLESS: Final = (
    r"[/nope][red]x[/][link=https://evil.example]y[/link]:boom:\\x1b[2J\x1b]8;;https://evil.example\x07\x9b31m\x7f\x00"
    r"\u202e\u2066\u2069\u200b\u2028\x85\r\n" + FORGED
)


def soiled(value: Any) -> Any:
    """The value with the nasty text behind every text in it."""
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(soiled(json.loads(value)))
    if isinstance(value, str):
        return value + NASTY
    if isinstance(value, dict):
        return {key: soiled(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: soiled(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, tuple):
        return tuple(map(soiled, value))
    return list(map(soiled, value)) if isinstance(value, (list, Iterator)) else value


class Soiled:
    """Answers as something else does, with every text in the answers soiled; what is asked for is taken clean."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        def answer(*asked: Any) -> Any:
            return soiled(
                getattr(self._inner, name)(*(a.removesuffix(NASTY) if isinstance(a, str) else a for a in asked))
            )

        return answer


class FakeStack:
    """A deployed stack whose table, records and functions answer nothing clean."""

    name = "retraining"
    refuses = False
    place = Place(f"retraining{NASTY}", "us-east-1")

    def __init__(self, world: World) -> None:
        self.world = world
        self.table, self.bucket = Soiled(world.table), world.bucket
        self.scene = Scene.of(world)
        machine = world.settings.state_machine_arn
        self.parameters = {"Mode": f"active{NASTY}", "DefaultModel": "churn", "TrainingPipelineArn": NASTY}
        self.outputs = {
            "AutomationBucketName": BUCKET,
            "HistoryTableName": "history",
            "StateMachineArn": machine,
            "DeadLetterQueueUrl": "https://queue",
        }
        self.clients: dict[str, Any] = {
            "s3": self.scene.s3,
            "dynamodb": self.scene.database,
            "stepfunctions": self.scene.executions,
            "sts": SimpleNamespace(get_caller_identity=lambda: {"Arn": f"arn:aws:iam::1:user/ana{NASTY}"}),
        }

    def client(self, service: str, config: Any = None) -> Any:
        del config
        return self.clients[service]

    def operate(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            raise OperatorError(NASTY)
        return {
            "scope": request.get("scope", "") + NASTY,
            "changed": True,
            "in_flight": [f"training{NASTY}"],
            "signal_id": f"1{NASTY}",
            "asked": True,
        }

    def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        counted = request["decision"] == "APPROVED"
        return {"subject": f"training{NASTY}", "reason": f"Since{NASTY}", "counted": counted, "decided": counted}

    def keys(self, prefix: str) -> list[str]:
        return [f"{key}{NASTY}" for key in self.world.keys(prefix)]

    def read_json(self, key: str) -> Any:
        key = key.removesuffix(NASTY)
        return soiled(self.world.read(key)) if key in set(self.world.keys()) else None


Command = Callable[[FakeStack, pytest.MonkeyPatch], int]


def played(world: World) -> None:
    """A model that people are asked about, and a switch."""
    stories.asked(world)
    do(world, "pause", scope="source:alarm", by="ana", reason="drill")


def fake(answers: dict[str, Any]) -> Any:
    """A client with these answers."""
    return SimpleNamespace(**{name: lambda answer=answer, **_: answer for name, answer in answers.items()})


def explained(stack: FakeStack, _: pytest.MonkeyPatch) -> int:
    signal_id = next(link.document["signal_id"] for link in stack.scene.links() if link.kind == "decision")
    return cli.main(["explain", signal_id])


def status_of_everything(stack: FakeStack, patch: pytest.MonkeyPatch) -> int:
    stack.world.table.throw_switch(KillSwitch("global", "ana", "Incident.", "2026-03-02T12:00:00+00:00"))
    state = dataclasses.replace(stack.world.table.model("fraud"), frozen_reason="frozen", pending=None)
    model = Soiled(SimpleNamespace(model=lambda _: state)).model
    patch.setattr(stack.table, "model", model, raising=False)
    return cli.main(["status", "--check"])


def audited(stack: FakeStack, *arguments: str) -> int:
    stack.scene.s3.put(BUCKET, f"decisions/fraud/2026/{NASTY}.json", b"{}")
    stack.scene.s3.put(BUCKET, f"decisions/{NASTY}/1.json", b"{}")
    return cli.main(["verify-audit", *arguments])


def restored(stack: FakeStack, _: pytest.MonkeyPatch) -> int:
    stack.scene.s3.put(BUCKET, f"decisions/{NASTY}/1.json", b"{}")
    exceptions = stack.scene.database.exceptions

    def put_item(**_: Any) -> None:
        raise exceptions.ConditionalCheckFailedException({"Error": {}}, "PutItem")

    stack.clients["dynamodb"] = SimpleNamespace(
        scan=lambda **_: {"Items": []}, put_item=put_item, get_item=lambda **_: {"Item": {}}, exceptions=exceptions
    )
    return cli.main(["restore-history", "--yes"])


def answered(answer: str) -> Command:
    return lambda *_: cli.main([answer, f"run-1{NASTY}"])


def requested(stack: FakeStack, patch: pytest.MonkeyPatch) -> int:
    links = (link.document for link in stack.scene.links() if link.kind == "decision")
    record = soiled(next(links))
    patch.setattr(retrain, "_decided", lambda *_: record)
    return cli.main(["retrain", "--model", "fraud", "--reason", "x"])


def refused(stack: FakeStack, _: pytest.MonkeyPatch) -> int:
    stack.refuses = True
    return cli.main(["retrain", "--model", "fraud", "--reason", "x"])


def replayed(stack: FakeStack, patch: pytest.MonkeyPatch) -> int:
    nasty = dict.fromkeys(("what", "execution", "why", "sentence"), NASTY)
    patch.setattr(stack, "operate", lambda _: {"replayed": [nasty], "left": [nasty], "more": False})
    return cli.main(["replay", "--dead-letters"])


def smoked(error: Exception | None) -> Command:
    def command(_: FakeStack, patch: pytest.MonkeyPatch) -> int:
        def decision(*_: Any) -> Any:
            if error:
                raise error
            return soiled(
                {"decision": "HOLD", "reason": "PAUSED", "sentence": "Held.", "signal_id": "1"}
            ), f"key{NASTY}"

        patches: dict[str, Any] = {
            "_listen": "queue",
            "_lock": None,
            "_send": None,
            "_awaited": f"heard{NASTY}",
            "_no_execution": "",
            "_no_message": "",
            "_end": {"outcome": f"HOLD{NASTY}"},
            "_check_evidence": None,
            "_subscribers": NASTY,
        }
        for name, answer in patches.items():
            patch.setattr(smoke, name, lambda *_, answer=answer: answer)
        patch.setattr(smoke, "_decision", decision)
        return cli.main(["smoke"])

    return command


NAMES: Final = {deploy: "deploy", destroy: "destroy", import_resources: "import"}


def delivered(module: Any, ends: str, *arguments: str) -> Command:
    def command(_: FakeStack, patch: pytest.MonkeyPatch) -> int:
        cloudformation = FakeCloudFormation(NASTY, ends)
        cloudformation.add("fraud")
        patch.setattr("ops.destination.REMEMBERED", Path("deployed.json").absolute())
        arn = f"arn:aws:sts::111122223333:assumed-role/admin/{NASTY}"
        patch.setattr("ops.invocation.session_in", lambda *_: FakeSession(cloudformation, arn=arn))
        if module is not destroy:
            patch.setattr(module, "package", lambda *_, **__: FakePackage())
        return cli.main([NAMES[module], "--stack", "fraud", "--yes", *arguments])

    return command


def validated(_: FakeStack, patch: pytest.MonkeyPatch) -> int:
    patch.setattr(validate, "_given", lambda file, **_: validate.Checked(file, "policy", (Finding(("mode",), NASTY),)))
    Path("policy.json").write_text("{}", encoding="utf-8")
    return cli.main(["validate", "policy.json"])


IMPORTED: Final = ("--resources", "HistoryTable=history")
COMMANDS: Final[dict[str, tuple[Command, int]]] = {
    "explain": (explained, 1),
    "history of a model": (lambda *_: cli.main(["history", "--model", "fraud"]), 0),
    "history of no model": (lambda *_: cli.main(["history", "--model", f"no{NASTY}"]), 1),
    "signals": (lambda *_: cli.main(["signals"]), 0),
    "signals of no model": (lambda *_: cli.main(["signals", "--model", f"no{NASTY}"]), 1),
    "explain of nothing": (lambda *_: cli.main(["explain", f"no{NASTY}"]), 2),
    "history of a run": (lambda *_: cli.main(["history", "--run", "run-1"]), 0),
    "history of no run": (lambda *_: cli.main(["history", "--run", f"no{NASTY}"]), 2),
    "waits": (lambda *_: cli.main(["waits"]), 0),
    "status": (status_of_everything, 1),
    "verify-audit": (lambda stack, _: audited(stack), 1),
    "verify-audit of no model": (lambda *_: cli.main(["verify-audit", "--model", f"no{NASTY}"]), 1),
    "restore-history": (restored, 1),
    "approve": (answered("approve"), 0),
    "reject": (answered("reject"), 1),
    "pause": (lambda *_: cli.main(["pause", "--scope", "model:fraud", "--reason", "x"]), 0),
    "pause of no scope": (lambda *_: cli.main(["pause", "--scope", f"model:{NASTY}", "--reason", "x"]), 2),
    "resume": (lambda *_: cli.main(["resume", "--scope", "model:fraud"]), 0),
    "unfreeze": (lambda *_: cli.main(["unfreeze", "--model", "fraud", "--reason", NASTY]), 0),
    "unfreeze of no model": (lambda *_: cli.main(["unfreeze", "--model", f"m{NASTY}", "--reason", "x"]), 2),
    "retrain": (requested, 1),
    "retrain, refused": (refused, 1),
    "replay": (replayed, 1),
    "smoke": (smoked(None), 0),
    "smoke, a hop": (smoked(smoke.HopError(NASTY)), 1),
    "smoke, an error": (smoked(ClientError({"Error": {"Code": "X", "Message": NASTY}}, "X")), 3),
    "deploy": (delivered(deploy, "UPDATE_COMPLETE"), 0),
    "deploy, rolled back": (delivered(deploy, "UPDATE_ROLLBACK_COMPLETE"), 1),
    "destroy": (delivered(destroy, "DELETE_COMPLETE"), 0),
    "destroy, failed": (delivered(destroy, "DELETE_FAILED"), 1),
    "import": (delivered(import_resources, "IMPORT_COMPLETE", *IMPORTED), 0),
    "import, failed": (delivered(import_resources, "IMPORT_ROLLBACK_COMPLETE", *IMPORTED), 1),
    "validate": (validated, 1),
}


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeStack:
    """The stack that every command finds; whatever folder it looks into is an empty one."""
    played(world)
    made = FakeStack(world)
    for place in ("ops.stack.Stack", "ops.invocation.Stack"):
        monkeypatch.setattr(place, lambda *_: made)
    monkeypatch.setattr("ops.terminal.WIDTH", 20_000)  # no cell is folded
    monkeypatch.chdir(tmp_path)
    return made


@pytest.mark.threat("terminal-injection")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_text_from_outside_is_obeyed_by_the_terminal(
    name: str, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, expected = COMMANDS[name]

    assert command(stack, monkeypatch) == expected

    printed = capsys.readouterr()
    out = printed.out + printed.err
    assert [each for each in out if not each.isprintable() and each != "\n"] == []
    assert HARMLESS in out
    assert not any(line.startswith(FORGED) for line in out.splitlines())


# The terminal itself.


def printed(show: Callable[[Terminal], None]) -> str:
    out = io.StringIO()
    show(Terminal(file=out))
    return out.getvalue()


def test_a_text_is_shown_as_it_is_with_escapes_for_what_is_not_simply_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert shown("Änderung: 数 [x] \\ 1") == "Änderung: 数 [x] \\ 1"
    assert shown(NASTY) == HARMLESS
    assert printed(lambda terminal: terminal.say(f"a {NASTY}", Styled("red", NASTY))) == f"a {HARMLESS}{HARMLESS}\n"
    assert printed(lambda terminal: terminal.say()) == "\n"


def test_a_cell_is_text_too_and_a_whole_column_is_not_broken() -> None:
    long = "x" * 100
    out = printed(
        lambda terminal: terminal.table(
            (Column("run", whole=True), "why"), [(long, (Styled("red", "frozen"), f": {NASTY}"))]
        )
    )
    assert long in out
    assert FORGED in out.replace("\n", "").replace(" ", "").replace("│", "")
    assert "\x1b" not in out


def test_what_should_be_a_text_and_is_none_is_shown_all_the_same() -> None:
    assert printed(lambda terminal: terminal.say(3, None)) == "3None\n"  # type: ignore[arg-type] # as in a tampered record


def test_a_character_that_the_terminal_cannot_show_ends_no_command() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(file=file).say("Änderung \udc80")
    file.flush()
    assert raw.getvalue() == b"\\xc4nderung \\udc80\n"


def test_colours_are_the_only_escapes_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("builtins.input", lambda *_: "yes")
    terminal = Terminal()
    terminal.say(Styled("bold red", NASTY))
    assert terminal.ask(NASTY) == "yes"
    out = capsys.readouterr().out
    assert "\x1b[1;31m" in out
    assert re.sub(r"\x1b\[[0-9;]*m", "", out) == f"{HARMLESS}\n{HARMLESS}"


def test_progress_and_its_title_are_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "600")
    with Terminal().progress(NASTY) as step:
        step(1, 2, NASTY)
    out = capsys.readouterr().out
    assert HARMLESS in out
    assert "\x1b]8" not in out
    assert "\x1b[2J" not in out


def test_json_has_the_text_as_it_is(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert audited(stack, "--json") == 1

    report = json.loads(capsys.readouterr().out)
    assert f"decisions/{NASTY}/1.json" in {finding["subject"] for finding in report["findings"]}


@pytest.mark.parametrize("error", [OperatorError(NASTY), ClientError({"Error": {"Message": NASTY}}, "GetObject")])
def test_an_error_is_text(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr("ops.stack.Stack", refuse)
    monkeypatch.setattr("ops.invocation.Stack", refuse)
    assert cli.main(["status"]) in {1, 3}
    assert HARMLESS in capsys.readouterr().err


# Nobody prints another way.

OWN_OUTPUT: Final = {
    *("ops.asl_lint", "ops.bytecode", "ops.docs", "ops.package_zip", "ops.release", "ops.sbom", "ops.security_lint"),
    *("ops.taskcat_run", "bench.policies.matrix"),
}
"""Print what this repository says of itself, and two that run where there is no terminal of ours."""


def modules() -> Iterable[str]:
    for package in (ops, bench):
        yield from (each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


def instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from instructions(constant)


def instructions_of(module: str) -> list[dis.Instruction]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.loader is not None
    return list(instructions(spec.loader.get_code(module)))  # type: ignore[attr-defined] # a loader of source files


def test_no_other_module_of_the_commands_knows_the_library_that_prints() -> None:
    knows = {
        module
        for module in modules()
        if any(
            each.opname == "IMPORT_NAME" and str(each.argval).partition(".")[0] == "rich"
            for each in instructions_of(module)
        )
    }
    assert knows == {"ops.terminal"}


def test_no_command_prints_past_the_terminal() -> None:
    prints = {
        module
        for module in modules()
        if any(each.opname.startswith("LOAD_") and each.argval == "print" for each in instructions_of(module))
    }
    assert prints == OWN_OUTPUT | {"ops.terminal"}
