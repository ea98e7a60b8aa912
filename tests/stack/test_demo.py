"""The demo as people meet it: piped and left alone, or at a terminal of 80 columns where somebody says no."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from local.embedded_aws import EmbeddedAws
from ops import demo
from ops.project import ROOT
from ops.review.visit import Visitor
from ops.terminal import Terminal
from orchestration.domain.commands import Place
from tests.processes import hear_signals

PATIENCE = 150.0
"""Seconds for a demo that shares its cores with other tests; alone it takes a tenth."""

NO_DESKTOP = {"SSH_CONNECTION": "203.0.113.9 50000 198.51.100.7 22"}
"""What keeps a demo from opening a browser."""

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@dataclass
class Kept:
    """A demo that stays up: what it printed, and its process."""

    process: subprocess.Popen[str]
    printed: str
    temporary: Path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The demo with KEEP=1 in a pipe, told to its end."""
    temporary = tmp_path_factory.mktemp("demo")
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.demo"],
        cwd=ROOT,
        env=_environment(temporary)
        | {"RETRAINING_KEEP": "1", "AWS_PROFILE": "somebody", "AWS_ENDPOINT_URL_S3": "http://nowhere"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,  # noqa: PLW1509 - it calls nothing that another thread could hold
    )
    # One that hangs would be read from for ever.
    watch = threading.Timer(PATIENCE, process.kill)
    watch.start()
    printed = ""
    assert process.stdout is not None
    for line in process.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            break
    yield Kept(process, printed, temporary)
    process.kill()
    process.wait()
    watch.cancel()


def test_every_promise_comes_true_and_the_story_has_a_yes_a_way_back_and_a_no(kept: Kept) -> None:
    assert "NOT TRUE" not in kept.printed
    assert re.search(r"^All \d+ promises came true in \d+ s\.$", kept.printed, re.MULTILINE)
    short = kept.printed.partition("\nIn short\n")[2]
    assert re.search(r"drift +amount 0\.62 against 0\.1: RETRAIN", short)
    assert re.search(r"approval +approved by user/demo\n", short)
    promoted, back = (re.search(rf"{name} +(\S+)", short) for name in ("promoted", "rolled back"))
    assert promoted is not None
    assert back is not None
    assert promoted[1] != back[1]
    for outcome in ("RETRAIN (GUARDS_PASSED)", "OBSERVE (BELOW_ACTION)", "SignalRejected", "NoRetrainingNeeded"):
        assert outcome in kept.printed


def test_no_line_is_longer_than_80_columns_and_none_holds_a_colour(kept: Kept) -> None:
    assert [
        line for line in kept.printed.splitlines() if len(line) > 80 and not line.startswith("  export PATH=")
    ] == []
    assert "\x1b" not in kept.printed


def test_who_cannot_be_asked_is_told_that_the_demo_approves_itself(kept: Kept) -> None:
    said = " ".join(kept.printed.split())
    assert "the demo approves under its own identity" in said
    assert "Approved by arn:aws:iam::000000000000:user/demo" in said


def test_the_commands_it_prints_find_what_it_speaks_of(kept: Kept) -> None:
    commands = re.findall(r"^ +(retraining .*)$", kept.printed.replace(" \\\n", " "), re.MULTILINE)
    assert {command.split()[1] for command in commands} == {
        "explain",
        "history",
        "report",
        "review",
        "rollback",
        "signals",
        "status",
    }
    for command in commands:
        assert re.search(r"--stack retraining-demo +--region us-east-1$", command), command


def test_ctrl_c_ends_what_was_kept_and_nothing_is_left(kept: Kept) -> None:
    begun = _begun_by(kept.process.pid)
    assert begun

    kept.process.send_signal(signal.SIGINT)

    assert kept.process.wait(30) == 0
    assert _alive(begun) == set()
    assert [path.name for path in kept.temporary.iterdir()] == []


def test_a_person_who_says_no_on_the_page_sees_the_run_end_and_closes_the_terminal_on_nothing(tmp_path: Path) -> None:
    process, terminal = _at_a_terminal(tmp_path)
    screen = _read_until(terminal, "Promote it?")
    os.write(terminal, b"perhaps\n")
    screen += _read_until(terminal, "'perhaps' is no answer: y, n, or Enter alone")
    os.write(terminal, b"y\n")
    screen += _read_until(terminal, "Comment")
    # On second thoughts: what is asked in the terminal is answered on the page, before the answer there is whole.
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+", screen)
    assert address is not None
    visitor = Visitor(address[0])
    page = visitor.get(visitor.path)
    assert "You answer as arn:aws:iam::000000000000:user/reviewer." in page.html
    visitor.send(page, visitor.path, decision="REJECTED", comment="labels are late")
    screen += _read_until(terminal, "and the champion serves on")
    begun = _begun_by(process.pid)
    # What a terminal sends that is closed; this one is no one's, so it is sent here.
    process.send_signal(signal.SIGHUP)
    _read_until(terminal, None)

    assert process.wait(30) == 130
    assert _alive(begun) == set()
    assert [path.name for path in tmp_path.iterdir()] == []
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen)
    said = " ".join(plain.split())
    assert "Enter alone approves" in said
    assert "Rejected by arn:aws:iam::000000000000:user/reviewer. Comment: labels are late" in said
    assert "ApprovalRejected" in said
    assert "ok the run ended APPROVAL_REJECTED, and the champion serves on" in said
    assert "NOT TRUE" not in said
    told = [
        line
        for line in plain.replace("\r", "\n").splitlines()
        if "Promote it?" not in line and not line.strip().startswith("http://")
    ]
    assert [line for line in told if len(line.rstrip()) > 80] == []


def test_a_demo_that_is_killed_half_way_leaves_nothing_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.demo"],
        cwd=ROOT,
        env=_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "embedded AWS ready" not in process.stdout.readline():
        assert process.poll() is None
    begun = _begun_by(process.pid)
    assert begun

    process.terminate()

    printed = process.stdout.read()
    assert process.wait(60) == 130
    assert "everything the demo started has ended" in printed
    assert _alive(begun) == set()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_demo_whose_reader_has_seen_enough_ends_quietly_and_leaves_nothing_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.demo"],
        cwd=ROOT,
        env=_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while "embedded AWS ready" not in process.stdout.readline():
        assert process.poll() is None
    begun = _begun_by(process.pid)

    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(60) == 0
    assert _alive(begun) == set()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_wrong_call_and_help_say_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as wrong:
        demo.main(["--no-such-option"])
    assert wrong.value.code == 2

    with pytest.raises(SystemExit) as helped:
        demo.main(["--help"])
    assert helped.value.code == 0
    said = capsys.readouterr().out
    for option in ("--yes", "--keep", "YES=1", "KEEP=1"):
        assert option in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_demo_that_stays_up_ends_with_a_sentence_when_its_aws_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kept(story: demo.Story, **_: bool) -> None:
        with EmbeddedAws() as aws:
            stack = SimpleNamespace(place=Place("retraining-demo", "us-east-1"))
            outcome = SimpleNamespace(run=SimpleNamespace(name="run-1"), record={"signal_id": "signal-1"})
            os.kill(aws.process_id, signal.SIGKILL)
            demo._stay(
                cast("demo.Scene", SimpleNamespace(story=story, aws=aws, stack=stack)), cast("demo.Outcome", outcome)
            )

    monkeypatch.setattr(demo, "run_demo", kept)
    # What a demo changes for its own process is not this one's.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert demo.main([]) == 1
    assert "The demo stopped: the embedded AWS ended by itself" in " ".join(capsys.readouterr().out.split())


def test_what_did_not_come_true_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    story = demo.Story(Terminal())
    story.promise("water runs downhill", kept=True)
    story.promise("water runs uphill", kept=False)

    assert (story.promises, story.failures) == (2, ["water runs uphill"])
    assert "NOT TRUE  water runs uphill" in capsys.readouterr().out


def _environment(temporary: Path) -> dict[str, str]:
    left_out = {"RETRAINING_YES", "RETRAINING_KEEP", "COLUMNS", "NO_COLOR", "BROWSER"}
    here = {name: value for name, value in os.environ.items() if name not in left_out}
    return (
        here | {"PYTHONPATH": "src", "TMPDIR": str(temporary), "TERM": "xterm-256color", "LANG": "C.UTF-8"} | NO_DESKTOP
    )


def _begun_by(parent: int) -> set[int]:
    """Every process that a demo has started and that lives, and those that they started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, more = {parent}, {parent}
    while more:
        more = {each for each, of in parents.items() if of in more}
        found |= more
    return found - {parent}


def _alive(processes: set[int], within: float = 10.0) -> set[int]:
    """Those that are still there after so many seconds."""
    deadline = time.monotonic() + within
    while (left := {each for each in processes if Path(f"/proc/{each}").exists()}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _at_a_terminal(temporary: Path) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.demo"],
        cwd=ROOT,
        env=_environment(temporary) | {"COLUMNS": "80", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=hear_signals,  # noqa: PLW1509 - it calls nothing that another thread could hold
    )
    os.close(theirs)
    return process, ours


def _read_until(terminal: int, text: str | None) -> str:
    """What is printed until a text, or until the end."""
    read, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                more = os.read(terminal, 65536)
            except OSError:
                more = b""
            if not more:
                break
            read += more
        if text is not None and text.encode() in read:
            return read.decode()
    assert text is None, f"{text!r} was not printed: {read.decode()[-2000:]}"
    return read.decode()
