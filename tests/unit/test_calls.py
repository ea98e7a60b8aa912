"""How `retraining` takes a call that is none, an environment that says something else, and what goes wrong in itself."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import pytest
from botocore.config import Config
from jsonschema import Draft7Validator

from ops import cli
from ops.__main__ import program
from ops.assignments import assignments, assignments_of_file
from ops.call import INTERRUPTED_SAID
from ops.invocation import Exit
from ops.project import ROOT
from ops.stack import CallError, Stack, session_in
from ops.terminal import Terminal
from orchestration.domain.commands import REASON_LIMIT, against_value
from orchestration.domain.votes import COMMENT_LIMIT
from tests.unit import stories
from tests.unit.commands import WorldStack, commands_in, retraining, signed_in, understood

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fakes import World

ERROR: Final = Draft7Validator(
    json.loads((ROOT / "docs" / "schemas" / "commands" / "error.schema.json").read_text(encoding="utf-8"))
)


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WorldStack:
    """A stack with a run in it that waits for people."""
    world.clock.time = datetime.now(UTC) - timedelta(hours=1)
    stories.asked(world)
    monkeypatch.chdir(tmp_path)
    return signed_in(world, monkeypatch)


def error_in(printed: str) -> dict[str, Any]:
    """The one document of a command that could not be carried out."""
    found: dict[str, Any] = json.loads(printed)
    ERROR.validate(found)
    return found


@pytest.mark.parametrize(
    "call",
    [
        ("status", "--json", "--bogus"),
        ("pause", "--json"),
        ("explain", "--json"),
        ("signals", "--json", "--limit", "many"),
        ("statis", "--json"),
        ("signals", "--json", "--limit", "99999999999999999999"),
        ("history", "--json", "--model", "fraud", "--limit", "99999999999999999999"),
        ("status", "--json", "--stack", ""),
        ("signals", "--json", "--id", "arn:aws:states:"),
        ("waits", "--json", "--watch"),
        ("retrain", "--json", "--model", "../x", "--reason", "late labels"),
        ("rollback", "--json", "--model", "", "--reason", "chargebacks"),
        ("unfreeze", "--json", "--model", "m" * 500, "--reason", "mended"),
        ("pause", "--json", "--scope", "model:fraud", "--reason", " "),
        ("pause", "--json", "--scope", "model:fraud", "--reason", "\x01\x02"),
        ("explain", "--json", "run-1\x00"),
        ("explain", "--json", "run-\udcff"),
        ("history", "--json", "--model", "fraud\udcff"),
        ("retrain", "--json", "--model", "fraud", "--reason", "late \udcff labels"),
        ("history", "--json", "--model", "fraud", "--run", "run-1"),
        ("report", "--json", "--model", "fraud", "--run", "run-1"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("stack")
def test_a_wrong_call_gives_programs_one_document_too(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert retraining(*call) == Exit.WRONG_CALL
    said = capsys.readouterr()
    assert error_in(said.out)["status"] == Exit.WRONG_CALL
    assert said.err


NEEDED: Final[dict[str, str]] = {
    "reason": "new labels",
    "model": "fraud",
    "scope": "global",
    "resources": "HistoryTable=x",
}
"""What options that have to be given are given, where another one is looked at."""


NAMES: Final = [name for section in cli.COMMANDS.values() for name in section]


def command_of(name: str) -> click.Command:
    """A command of ``retraining``."""
    found = cli.retraining.get_command(click.Context(cli.retraining), name)
    assert found is not None
    return found


def words_of(command: click.Command, **given: str) -> list[str]:
    """What is typed behind a command that all it needs is given; ``given`` besides, or instead."""
    words = []
    for param in command.params:
        said = given.get(str(param.name), NEEDED.get(str(param.name), "x") if param.required else None)
        if said is not None:
            words += [said] if isinstance(param, click.Argument) else [max(param.opts, key=len), said]
    return words


@pytest.mark.parametrize("name", NAMES)
def test_no_command_takes_a_place_to_fill_in_for_a_value(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = command_of(name)
    texts = [str(param.name) for param in command.params if param.type is click.STRING]
    assert {"stack", "region", "profile"} <= set(texts)
    for option in texts:
        for place in ("<why>", "...", "'<run>'", "&lt;why&gt;", "\u2026", "YOUR-STACK", "your reason"):
            assert retraining(name, *words_of(command, **{option: place})) == Exit.WRONG_CALL
            printed = " ".join(capsys.readouterr().err.split())
            assert "Invalid value for" in printed
            assert f"retraining {name} --help" in printed


@pytest.mark.parametrize("name", [None, *(name for section in cli.COMMANDS.values() for name in section)])
@pytest.mark.parametrize("columns", [40, 80])
def test_help_fits_the_terminal(
    name: str | None, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert retraining(*([name] if name else []), "--help") == Exit.DONE
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > columns] == []


def test_a_text_that_holds_more_than_a_place_to_fill_in_is_a_value() -> None:
    for said in ("p < 0.05 and x > 3", "see <https://example.com>, thanks", "Wait...", "your reasoning", "a"):
        assert against_value(said) is None, said


@pytest.mark.parametrize(
    "params",
    ["Mode=...", "TrainingPipelineArn=arn:aws:states:eu-west-1:<account>:stateMachine:<yours>", "Mode=a <others>"],
)
def test_no_parameter_is_taken_that_has_something_to_fill_in(params: str, tmp_path: Path) -> None:
    file = tmp_path / "parameters"
    file.write_text(params, encoding="utf-8")
    with pytest.raises(CallError, match="a place to fill in"):
        assignments(params, "--params")
    with pytest.raises(CallError, match="a place to fill in"):
        assignments_of_file(file)


@pytest.mark.parametrize("option", ["--reason", "--comment"])
@pytest.mark.usefixtures("stack")
def test_words_that_would_not_be_kept_whole_are_a_wrong_call(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    limit = {"--reason": REASON_LIMIT, "--comment": COMMENT_LIMIT}[option]
    call = {"--reason": ("pause", "--scope", "model:fraud"), "--comment": ("approve", "run-1")}[option]
    assert retraining(*call, option, "x" * (limit + 1)) == Exit.WRONG_CALL
    said = " ".join(capsys.readouterr().err.split())
    assert f"'{option}': it has {limit + 1} characters; at most {limit} are kept." in said
    assert retraining(*call, option, "x" * limit) == Exit.DONE


@pytest.mark.parametrize(
    "key", ["abc", "rejected/abc", "decisions/fraud/2026/03/02/abc.json", "s3://other/rejected/a.json"]
)
@pytest.mark.usefixtures("stack")
def test_what_is_no_key_of_a_kept_event_is_a_wrong_call_that_says_what_is(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retraining("replay", key) == Exit.WRONG_CALL
    said = " ".join(capsys.readouterr().err.split())
    assert "KEY" in said
    assert "rejected/<name>.json" in said or "lies in another bucket" in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("document", [True, False])
def test_ctrl_c_leaves_programs_one_document_and_people_no_traceback(
    name: str, document: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def left(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.invocation.Stack", left)
    monkeypatch.setattr("ops.invocation.session_in", left)
    words = words_of(command_of(name), stack="retraining")
    more = ["--json"] if document else []
    assert retraining(name, *words, *more) == Exit.INTERRUPTED
    said = capsys.readouterr()
    if document:
        assert error_in(said.out) == {"error": INTERRUPTED_SAID, "status": 130, "command": None}
    assert (said.out == "") != document
    assert said.err.strip() == ""


def test_ctrl_c_that_is_pressed_again_disturbs_no_last_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def left(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    heard: list[Any] = []
    said = Terminal.answer

    def answer(terminal: Terminal, document: Any) -> None:
        heard.append(signal.getsignal(signal.SIGINT))
        said(terminal, document)

    monkeypatch.setattr("ops.invocation.Stack", left)
    monkeypatch.setattr(Terminal, "answer", answer)
    before = signal.getsignal(signal.SIGINT)
    assert retraining("waits", "--json") == Exit.INTERRUPTED
    assert heard == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) is before
    assert error_in(capsys.readouterr().out)["status"] == Exit.INTERRUPTED


@pytest.mark.usefixtures("stack")
def test_a_file_that_fails_a_command_is_named_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "page.html")

    monkeypatch.setattr("ops.waits._say", gone)
    assert retraining("waits") == Exit.NO
    assert capsys.readouterr().err == "page.html: No such file or directory.\n"


@pytest.mark.parametrize("given", ["a b", "arn:aws:states:", "x" * 81])
@pytest.mark.usefixtures("stack")
def test_a_rollback_goes_to_nothing_that_is_no_run(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("rollback", "--model", "fraud", "--reason", "chargebacks", "--to", given) == Exit.WRONG_CALL
    assert "Invalid value for '--to'" in capsys.readouterr().err


def test_ctrl_c_before_any_command_is_one_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def left(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.cli.importlib.import_module", left)
    assert retraining("status", "--json") == Exit.INTERRUPTED
    assert error_in(capsys.readouterr().out)["status"] == Exit.INTERRUPTED


@pytest.mark.parametrize("module", ["ops.cli", "ops.invocation"])
def test_ctrl_c_while_the_command_line_is_still_read_in_is_one_document_too(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Left:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == module:
                raise KeyboardInterrupt

    heard = list[Any]()
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Left(), *sys.meta_path])
    monkeypatch.setattr(sys, "argv", ["retraining", "status", "--json"])
    monkeypatch.setattr(signal, "signal", lambda *given: heard.append(given))
    assert program() == Exit.INTERRUPTED
    assert error_in(capsys.readouterr().out)["status"] == Exit.INTERRUPTED
    assert heard == [(signal.SIGINT, signal.SIG_IGN)]


def test_nothing_that_takes_its_time_is_imported_before_ctrl_c_is_heard() -> None:
    heavy = (
        "import sys, ops.__main__; print(*{'click', 'enum', 'json', 'ops.call', 'ops.cli', 'signal'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-S", "-c", heavy], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert found.stdout == "\n"


@pytest.mark.parametrize("given", ["1", "t", "true", "y", "Yes", "on"])
def test_make_gets_the_document_of_a_wrong_call_too(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRAINING_JSON", given)
    assert retraining("pause") == Exit.WRONG_CALL
    assert error_in(capsys.readouterr().out)["command"] == "retraining pause --help"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("name", "value", "typed", "found"),
    [
        ("RETRAINING_RUN", "run-9", ("history", "--model", "fraud"), "runs"),
        ("RETRAINING_MODEL", "payments", ("history", "--run", "run-1"), "moments"),
        ("RETRAINING_RUN", "run-9", ("report", "--model", "fraud"), "kind"),
    ],
)
def test_what_is_typed_wins_over_another_option_of_the_environment(
    name: str,
    value: str,
    typed: tuple[str, ...],
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert retraining(*typed, "--json") == Exit.DONE
    assert found in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("region", ["us east 1", "../x", "eu-west-1\n", "EU-WEST-1", "ireland"])
def test_what_is_no_region_is_a_wrong_call(region: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("status", "--json", "--region", region) == Exit.WRONG_CALL
    assert "is no Region" in error_in(capsys.readouterr().out)["error"]


@pytest.mark.usefixtures("stack")
def test_a_file_whose_name_is_not_utf_8_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / os.fsdecode(b"prices-\xff.json")
    path.write_text("{}", encoding="utf-8")
    assert retraining("report", "--json", "--run", "run-1", "--prices", str(path)) == Exit.WRONG_CALL
    assert "is no table of prices" in error_in(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("written", ["before", "behind"])
def test_what_is_typed_wins_over_the_environment_wherever_it_stands(
    written: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def found(*given: Any) -> WorldStack:
        asked.append(given)
        return WorldStack(world)

    monkeypatch.setattr("ops.invocation.Stack", found)
    for name in ("STACK", "REGION", "PROFILE"):
        monkeypatch.setenv(f"RETRAINING_{name}", "production")
    typed = ("--stack", "trial", "--region", "eu-west-1", "--profile", "me")
    assert retraining(*(*typed, "waits") if written == "before" else ("waits", *typed)) == Exit.DONE
    assert asked == [("trial", "eu-west-1", "me")]


@pytest.mark.usefixtures("stack")
def test_a_page_that_cannot_be_written_is_the_one_document_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("report", "--json", "--out", "no/such/folder.html") == Exit.WRONG_CALL
    assert "no/such/folder.html" in error_in(capsys.readouterr().out)["error"]


def test_programs_read_one_document_also_when_something_goes_wrong_after_the_answer(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise CallError("gone")

    monkeypatch.setattr("ops.waits._say", gone)
    assert stack.table.waits_without_tokens()
    assert retraining("waits", "--json") == Exit.WRONG_CALL
    assert json.loads(capsys.readouterr().out)["waits"]


@pytest.mark.usefixtures("stack")
def test_a_defect_is_a_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("\x1b[31mnobody")

    monkeypatch.setattr("ops.waits.wait_document", broken)
    assert retraining("waits", "--json") == Exit.NO
    said = capsys.readouterr()
    assert "KeyError" in error_in(said.out)["error"]
    assert "report it" in said.err
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err


@pytest.mark.usefixtures("stack")
def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ops.waits._say", full)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert retraining("waits") == Exit.NO
    assert "No space left on device" in capfd.readouterr().err


@pytest.mark.usefixtures("stack")
def test_output_that_was_closed_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert retraining("waits") == Exit.DONE
    assert retraining("waits", "--bogus") == Exit.WRONG_CALL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL", "nowhere"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_RETRY_MODE", "stubborn"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "some"),
        ("AWS_CONFIG_FILE", "broken.cfg"),
    ],
)
def test_a_configuration_that_no_client_can_be_made_with_is_a_wrong_call(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.cfg").write_text("[default\nregion")
    monkeypatch.setenv(name, value)
    with pytest.raises(CallError, match=rf"not configured .*{value}.* It is: aws configure list"):
        Stack("retraining", "eu-west-1")


def test_a_client_is_made_once_for_what_it_is_asked_with() -> None:
    session, patient = session_in("eu-west-1"), Config(read_timeout=300)
    assert session.client("sts") is session.client("sts")
    assert session.client("sts", config=patient) is not session.client("sts")


def test_whoever_is_not_signed_in_is_told_to_sign_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("ops.invocation.Stack", Stack)
    assert retraining("waits", "--region", "eu-west-1") == Exit.NOT_REACHED
    said = capsys.readouterr().err
    assert "Sign in to AWS" in said
    assert "was not found" not in said


def test_an_edited_record_that_is_no_decision_any_more_is_a_sentence(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (key,) = stack.keys("decisions/fraud/")
    whole = stack.read_json(key)
    for edited in (
        {"a": 1},
        {**whole, "chain": 5},
        {**whole, "guards": [{"guard": "x"}]},
        {**whole, "kind": "outcome"},
    ):
        stack.world.put(key, edited)
        assert retraining("explain", whole["signal_id"]) == Exit.NO
        said = capsys.readouterr().err
        assert "edited" in said
        (command,) = commands_in(said)
        understood(command)


@pytest.mark.parametrize(
    "form",
    [
        "{run}",
        "  {run}\n",
        "arn:aws:states:us-east-1:111122223333:execution:loop:{run}",
        "{signal}",
        "{record}",
        "s3://{bucket}/{record}",
        "manifests/fraud/{run}.json",
        "s3://{bucket}/evidence/fraud/{run}/report.html",
    ],
)
def test_what_is_printed_of_a_run_finds_it_again(
    form: str, stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = stack.keys("decisions/fraud/")
    signal = stack.read_json(record)["signal_id"]
    asked = form.format(run="run-1", signal=signal, record=record, bucket=stack.bucket.name)
    for call in (("explain", asked), ("signals", "--id", asked), ("history", "--run", asked)):
        assert retraining(*call) == Exit.DONE, call
        assert signal in capsys.readouterr().out
    assert retraining("report", "--run", asked) == Exit.NO
    assert "Run run-1 goes on" in capsys.readouterr().err


@pytest.mark.usefixtures("stack")
def test_no_id_is_too_long_to_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("explain", "x" * 5000) == Exit.NO
    assert "Nothing has the id" in " ".join(capsys.readouterr().err.split())


def test_a_command_that_names_a_file_names_it_where_it_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy, event = tmp_path / "fraud.json", tmp_path / "event.json"
    policy.write_text('{"schema_version": 1, "mode": "active"}', encoding="utf-8")
    event.write_text('{"source": "aws.sagemaker", "detail-type": "x", "detail": {}}', encoding="utf-8")
    assert retraining("try", str(policy)) == Exit.WRONG_CALL
    assert f"retraining validate {policy}" in " ".join(capsys.readouterr().err.split())
    assert retraining("validate", str(event)) == Exit.WRONG_CALL
    assert f"retraining try {event}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (("waits",), Exit.DONE),
        (("waits", "--json"), Exit.DONE),
        (("signals", "--id", "nobody"), Exit.NO),
        (("signals", "--id", "nobody", "--json"), Exit.NO),
        (("explain", "nobody"), Exit.NO),
        (("explain", "nobody", "--json"), Exit.NO),
        (("waits", "--bogus"), Exit.WRONG_CALL),
    ],
    ids=str,
)
@pytest.mark.usefixtures("stack")
def test_a_command_whose_reader_has_seen_enough_tells_by_its_exit_status_how_it_went(
    call: tuple[str, ...], status: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdout", "stderr"):
        read, write = os.pipe()
        os.close(read)
        monkeypatch.setattr(sys, name, os.fdopen(write, "w", encoding="utf-8"))
    assert retraining(*call) == status


@pytest.mark.usefixtures("stack")
def test_watching_ends_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(sys, "stdout", os.fdopen(write, "w", encoding="utf-8"))
    assert retraining("waits", "--watch") == Exit.DONE
