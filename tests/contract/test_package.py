"""The Lambda package: the same bytes from the same sources, and nothing in it that Lambda cannot run."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import bytecode, package_zip
from ops.project import ROOT, SOURCE
from tests.contract.template import Template

LARGEST_PACKAGE_BYTES = 3_145_728
"""3 MB: up to here Lambda's console shows what is in a package. Sources have less than half of it, their bytecode the rest.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a small `src` folder."""
    package = tmp_path / "src" / "orchestration"
    (package / "actions").mkdir(parents=True)
    (package / "__init__.py").write_text('"""A package."""\n')
    (package / "handler.py").write_text("import botocore\nfrom orchestration.actions import admit\n")
    (package / "actions" / "__init__.py").write_text("")
    (package / "actions" / "admit.py").write_text("import json\n")
    (package / "policy.schema.json").write_text("{}\n")
    return package.parent


def script(folder: Path, body: str) -> str:
    """An interpreter that is a script, as pyenv's shims are."""
    folder.mkdir(exist_ok=True)
    file = folder / "python3.13"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def look_anew() -> None:
    """Have the interpreter looked for once more."""
    bytecode.interpreter.cache_clear()
    bytecode._compiled.cache_clear()


@pytest.fixture
def chosen_anew() -> Iterator[None]:
    """The interpreter that a test chooses is looked for again after it."""
    yield
    look_anew()


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


def test_two_copies_made_in_another_order_at_other_times_with_other_modes_give_identical_bytes(tmp_path: Path) -> None:
    original = SOURCE / "orchestration"
    files = sorted(
        file.relative_to(original)
        for file in original.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")
    )
    copies = []
    for number, order in enumerate((files, list(reversed(files)))):
        copy = tmp_path / str(number) / "orchestration"
        for file in order:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original / file, copy / file)
            os.utime(copy / file, (1_000_000_000 + number, 1_000_000_000 + number))
            (copy / file).chmod(0o600 + number * 0o155)
        copies.append(package_zip.package_bytes(copy.parent))

    assert copies[0] == copies[1]
    assert copies[0] == package_zip.package_bytes()


def test_a_checkout_that_would_write_other_line_ends_gives_the_same_package(tmp_path: Path) -> None:
    """``core.autocrlf`` is what Git for Windows is installed with."""
    if shutil.which("git") is None:
        pytest.skip("no git")

    def git(*arguments: str) -> None:
        settings = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.autocrlf=true")
        subprocess.run(["git", *settings, *arguments], check=True, capture_output=True, timeout=60)  # noqa: S603, S607 - git, on this test's own folders

    written, cloned = tmp_path / "written", tmp_path / "cloned"
    shutil.copytree(
        SOURCE / "orchestration",
        written / "src" / "orchestration",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copyfile(ROOT / ".gitattributes", written / ".gitattributes")
    git("init", str(written))
    git("-C", str(written), "add", ".")
    git("-C", str(written), "commit", "-m", "Write it")
    git("clone", str(written), str(cloned))

    assert package_zip.package_bytes(cloned / "src") == package_zip.package_bytes()


def test_json_says_in_the_package_what_it_says_to_programs_in_the_sources() -> None:
    with zipfile.ZipFile(io.BytesIO(package_zip.package_bytes())) as archive:
        packaged = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}

    assert packaged == {
        file.relative_to(SOURCE).as_posix(): package_zip.read_by_programs(file.read_bytes())
        for file in SOURCE.rglob("*.json")
    }
    assert packaged
    assert package_zip.read_by_programs(b'{"x-default": 1, "y": [{"x-a": 2, "b": "x-c"}]}') == {"y": [{"b": "x-c"}]}


def test_the_real_package_is_small_and_holds_only_its_own_python() -> None:
    content = package_zip.package_bytes()

    assert len(content) < LARGEST_PACKAGE_BYTES
    assert {name.split("/", 1)[0] for name in names(content)} <= {"orchestration"}
    assert "orchestration/__init__.py" in names(content)
    assert not [name for name in names(content) if name.endswith((".so", ".pyd")) or "test" in name.split("/")]


def test_every_entry_is_stored_with_the_same_time_and_mode_and_names_are_sorted(sources: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package_zip.package_bytes(sources))) as archive:
        entries = archive.infolist()

    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {(entry.create_system, entry.create_version, entry.extract_version) for entry in entries} == {(3, 20, 20)}


def test_each_module_has_the_bytecode_of_the_functions_python_which_import_compares_with_it(tmp_path: Path) -> None:
    unpacked = tmp_path / "task"
    with zipfile.ZipFile(io.BytesIO(package_zip.package_bytes())) as archive:
        archive.extractall(unpacked)
    modules = sorted(file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*.py"))
    code = {file.relative_to(unpacked).as_posix(): file.read_bytes() for file in unpacked.rglob("*.pyc")}

    assert sorted(code) == sorted(bytecode.place(name) for name in modules)
    # PEP 552: the magic number of 3.13, flags "by hash" and "checked".
    assert {content[:8] for content in code.values()} == {b"\xf3\r\r\n\x03\0\0\0"}
    assert all(f"{ROOT}/".encode() not in content for content in code.values())

    def loaded(statement: str) -> str:
        statement = f"import sys; sys.path.insert(0, {str(unpacked)!r}); {statement}"
        loading = [bytecode.interpreter(), "-I", "-S", "-B", "-v", "-c", statement]
        return subprocess.run(loading, check=True, capture_output=True, text=True, timeout=60).stderr  # noqa: S603 - Lambda's Python

    verbose = loaded("import orchestration.domain.decision").splitlines()
    compiled = [line for line in verbose if "code object from" in line and "/orchestration/" in line]
    assert compiled
    assert not [line for line in compiled if "__pycache__" not in line]

    loaded(
        "from orchestration.domain.decision import decide as d; assert {p[2:] for p in d.__code__.co_positions()} == {(None, None)}"
    )

    # A data class without one would be given its signature, which takes longer than to read a text.
    loaded("import orchestration.domain.wait as m; assert {m.__doc__, m.Wait.__doc__, m.overdue.__doc__} == {'.'}")

    edited = unpacked / "orchestration" / "domain" / "decision.py"
    edited.write_text(edited.read_text() + "\nEDITED = True\n")
    verbose_again = loaded("import orchestration.domain.decision as edited; assert edited.EDITED")
    assert f"# code object from {edited}\n" in verbose_again


def test_the_bytecode_is_that_of_the_python_that_the_template_names() -> None:
    runtimes = {
        function["Properties"]["Runtime"] for function in Template.read().of_type("AWS::Lambda::Function").values()
    }

    assert runtimes == {f"python{bytecode.RUNTIME[0]}.{bytecode.RUNTIME[1]}"}


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (
            None,
            r"no Python 3\.13 is found here\. Have one on the path, or by uv python install 3\.13, or name one: RETRAINING_LAMBDA_PYTHON=",
        ),
        (
            "/nowhere/python3.13",
            r"RETRAINING_LAMBDA_PYTHON names /nowhere/python3\.13, which is no CPython 3\.13 that runs here",
        ),
    ],
)
@pytest.mark.usefixtures("chosen_anew")
def test_without_that_python_nothing_is_packaged_and_how_to_have_one_is_said(
    sources: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, sentence: str
) -> None:
    monkeypatch.setattr(bytecode, "_candidates", lambda: iter(["/nowhere/python3.13"]))
    if named is not None:
        monkeypatch.setenv(bytecode.NAMED, named)
    look_anew()
    with pytest.raises(package_zip.PackageError, match=sentence):
        package_zip.package_bytes(sources)


@pytest.mark.parametrize(("named", "fetched"), [(None, True), ("/nowhere/python3.13", False)])
@pytest.mark.usefixtures("chosen_anew")
def test_uv_fetches_one_only_where_none_is_named_and_says_itself_what_keeps_it_from_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], named: str | None, fetched: bool
) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\n[ "$*" = "python install 3.13" ] && echo "no network" >&2\nexit 1\n')
    uv.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.delenv(bytecode.NAMED, raising=False)
    monkeypatch.setattr(bytecode, "_candidates", lambda: iter(["/nowhere/python3.13"]))
    if named is not None:
        monkeypatch.setenv(bytecode.NAMED, named)
    look_anew()

    assert bytecode.main() == 1
    said = capfd.readouterr().err
    assert ("uv fetches one" in said, "no network" in said) == (fetched, fetched)
    assert bytecode.NAMED in said


@pytest.mark.usefixtures("chosen_anew")
def test_a_shim_that_takes_its_python_from_the_environment_gives_the_same_package(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged, real = package_zip.package_bytes(sources), bytecode.interpreter()
    shim = script(tmp_path / "shims", f'[ "$WHICH" = 3.13 ] || exit 127\nWHICH= exec {real} "$@"')
    look_anew()
    monkeypatch.setenv(bytecode.NAMED, shim)
    monkeypatch.setenv("WHICH", "3.13")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")

    assert package_zip.package_bytes(sources) == packaged
    assert bytecode.interpreter() == real


@pytest.mark.parametrize("tag", ["cpython-313t", "cpython-313d", "pypy313", "cpython-312"])
@pytest.mark.usefixtures("chosen_anew")
def test_of_interpreters_of_one_release_only_the_one_that_writes_lambdas_bytes_is_taken(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free-threaded and debugging builds give their bytecode the same name; uv lists the free-threaded one first."""
    real = bytecode.interpreter()
    other = script(tmp_path / "other", f"printf '{tag}\\n/other\\n'")
    look_anew()
    monkeypatch.setattr(bytecode, "_candidates", lambda: iter([other, real]))

    assert bytecode.interpreter() == real


@pytest.mark.parametrize(("flags", "taken"), [("", True), ("t", False)])
def test_an_interpreter_says_its_flags_and_where_it_is(flags: str, taken: bool) -> None:
    asked = [bytecode.interpreter(), "-I", "-S", "-c", f"import sys; sys.abiflags = {flags!r}; {bytecode._LOOK}"]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603 - Lambda's Python

    assert (answer.split() == [bytecode.TAG, bytecode.interpreter()]) is taken


def test_bytecode_and_hidden_files_stay_out_of_the_package(sources: Path) -> None:
    before = package_zip.package_bytes(sources)
    (sources / "orchestration" / "__pycache__").mkdir()
    (sources / "orchestration" / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"\0")
    (sources / "orchestration" / ".DS_Store").write_bytes(b"\0")

    assert package_zip.package_bytes(sources) == before


@pytest.mark.parametrize("name", ["fast.cpython-311-x86_64-linux-gnu.so", "handler.py.orig", "notes.md"])
def test_a_file_of_an_unexpected_kind_is_refused_by_name(sources: Path, name: str) -> None:
    (sources / "orchestration" / name).write_bytes(b"\0")

    with pytest.raises(package_zip.PackageError, match=name.replace(".", r"\.")):
        package_zip.package_bytes(sources)


@pytest.mark.parametrize(
    "statement", ["import requests", "from moto.core import models", "def f():\n    import rich.table"]
)
def test_an_import_that_lambda_does_not_have_is_refused(sources: Path, statement: str) -> None:
    (sources / "orchestration" / "actions" / "admit.py").write_text(statement + "\n")

    with pytest.raises(package_zip.PackageError, match=r"admit\.py imports (requests|moto|rich)"):
        package_zip.package_bytes(sources)


def test_an_import_for_the_type_checker_only_is_not_a_dependency(sources: Path) -> None:
    code = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from types_boto3_s3 import S3Client\n"
    (sources / "orchestration" / "actions" / "admit.py").write_text(code)

    assert package_zip.package_bytes(sources)


def test_a_check_of_policies_that_was_written_from_another_schema_is_refused(sources: Path) -> None:
    package = sources / "orchestration"
    mark = package_zip.schema_mark(package_zip.compact((package / "policy.schema.json").read_bytes()))
    (package / "policy_check.py").write_text(f'"""{mark}"""\n')
    assert package_zip.package_bytes(sources)

    (package / "policy.schema.json").write_text('{"x-told": "to people"}\n')
    assert package_zip.package_bytes(sources)
    (package / "policy.schema.json").write_text('{"type": "object"}\n')
    with pytest.raises(package_zip.PackageError, match=r"was written from another policy\.schema\.json: make docs$"):
        package_zip.package_bytes(sources)


def test_the_file_is_left_alone_when_nothing_changed_and_rewritten_when_something_did(
    sources: Path, tmp_path: Path
) -> None:
    target = package_zip.build(tmp_path / "build" / "orchestration.zip", sources)
    os.utime(target, (1_000_000_000, 1_000_000_000))

    package_zip.build(target, sources)
    assert target.stat().st_mtime == 1_000_000_000

    (sources / "orchestration" / "handler.py").write_text("import json\n")
    package_zip.build(target, sources)
    assert target.stat().st_mtime > 1_000_000_000
    assert [file.name for file in target.parent.iterdir()] == ["orchestration.zip"]


def test_one_that_builds_while_another_does_takes_nothing_from_it(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace = tmp_path / "build" / "orchestration.zip", Path.replace

    def after_another(partial: Path, place: Path) -> Path:
        monkeypatch.undo()
        package_zip.build(target, sources)
        return replace(partial, place)

    monkeypatch.setattr(Path, "replace", after_another)
    assert package_zip.build(target, sources).read_bytes() == package_zip.package_bytes(sources)
    assert [file.name for file in target.parent.iterdir()] == ["orchestration.zip"]
