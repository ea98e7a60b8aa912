"""``make dialects``: a library runs where it is installed, and what it says replaces what it said before, or nothing does."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from ops import dialects
from ops.stack import CallError, OperatorError

REQUIREMENTS = "# as it is on the shelf\nlibrary==1.2  # the newest\n"

WRITES = 'import pathlib, sys\npathlib.Path(sys.argv[1], "drift.json").write_text({said!r})\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one dialect, whose environment is this interpreter and up to date."""
    dialect, environment = tmp_path / "dialects" / "library", tmp_path / "environments" / "library-1.2"
    dialect.mkdir(parents=True)
    (dialect / "requirements.txt").write_text(REQUIREMENTS)
    (dialect / "record.py").write_text(WRITES.format(said="drift"))
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    key = hashlib.sha256(f"{sys.version_info[:2]}\n{REQUIREMENTS}".encode()).hexdigest()
    (environment / "made-of").write_text(key)
    return tmp_path


def run(folder: Path, *arguments: str) -> int:
    return dialects.main(arguments, folder=folder / "dialects", environments=folder / "environments")


def test_what_a_library_says_becomes_its_fixtures_and_a_change_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture = folder / "dialects" / "library" / "recorded" / "drift.json"

    assert run(folder) == 0
    assert fixture.read_text() == "drift"
    assert "other than before: drift.json" in capsys.readouterr().out

    assert run(folder, "--library", "library") == 0
    assert "1/1 library: 1 fixture(s), all as before." in capsys.readouterr().out

    (fixture.parent.parent / "record.py").write_text(WRITES.format(said="no drift"))
    (fixture.parent / "gone.json").write_text("")
    assert run(folder) == 0
    assert "other than before: drift.json, gone.json" in capsys.readouterr().out
    assert [path.read_text() for path in fixture.parent.iterdir()] == ["no drift"]


@pytest.mark.parametrize(
    ("script", "told"),
    [("raise SystemExit('no such column')", "no such column"), ("", "library/record.py wrote nothing.")],
)
def test_a_library_that_fails_keeps_its_fixtures_and_stops_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str], script: str, told: str
) -> None:
    run(folder)
    failing, next_one = folder / "dialects" / "library", folder / "dialects" / "library2"
    shutil.copytree(failing, next_one)
    (failing / "record.py").write_text(script)
    capsys.readouterr()

    assert run(folder) == 1

    out = capsys.readouterr().out
    assert told in out
    assert "2/2 library2: 1 fixture(s)" in out
    assert (failing / "recorded" / "drift.json").read_text() == "drift"


def test_a_library_that_nobody_recorded_is_a_usage_error_that_says_which_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--library", "librarian") == CallError.status
    assert "No dialect 'librarian'; there are library." in capsys.readouterr().out


def test_an_environment_is_made_anew_when_its_requirements_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr("venv.create", lambda path, **_: ran.append(f"made {path.name}"))
    monkeypatch.setattr(dialects, "_run", lambda _, what: ran.append(what))
    requirements = folder / "dialects" / "library" / "requirements.txt"

    dialects._environment(requirements, folder / "environments")
    assert ran == []

    requirements.write_text(f"{REQUIREMENTS}numpy<2\n")
    dialects._environment(requirements, folder / "environments")
    dialects._environment(requirements, folder / "environments")
    assert ran == ["made library-1.2", "installing library"]


@pytest.mark.parametrize("requirements", ["", "library>=1", "-r other.txt", "# library==1.2"])
def test_the_first_requirement_is_the_library_in_one_version(requirements: str) -> None:
    with pytest.raises(OperatorError, match="as name==version"):
        dialects.pinned(requirements)


@pytest.mark.parametrize("dialect", dialects.dialects())
def test_every_dialect_of_the_project_pins_its_library(dialect: str) -> None:
    assert dialects.pinned((dialects.DIALECTS / dialect / "requirements.txt").read_text())
