"""`retraining` installed from a wheel: it carries what its commands need, and works in any folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.embedded_aws import EmbeddedAws
from ops import package_zip
from ops.cli import COMMANDS
from ops.project import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BESIDE = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing of this checkout on its path."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(  # noqa: S603 - programs of this test
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def retraining(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment of its own, whose libraries are those of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = BESIDE / "uv"
    for arguments in (
        (uv, "venv", "--offline", "--python", sys.executable, folder),
        (uv, "pip", "install", "--offline", "--no-deps", "--python", folder / "bin" / "python", wheel),
    ):
        done = run(*arguments, cwd=folder.parent)
        assert done.returncode == 0, done.stderr
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "retraining"


def test_the_installed_command_says_its_exit_status_and_works_in_any_folder(retraining: Path, tmp_path: Path) -> None:
    helped = run(retraining, "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    for name in (name for section in COMMANDS.values() for name in section):
        assert re.search(rf"^  {name} ", helped.stdout, re.MULTILINE), name
    assert run(retraining, "--version", cwd=tmp_path).stdout.strip().endswith(PROJECT["version"])
    (tmp_path / "my report.json").write_text('{"model": "fraud", "observed": 0.4, "threshold": 0.2}', encoding="utf-8")
    (tmp_path / "fraud.json").write_text('{"schema_version": 1, "model": "fraud", "mode": "lout"}', encoding="utf-8")
    assert run(retraining, "validate", "my report.json", cwd=tmp_path).returncode == 0
    wrong = run(retraining, "validate", "my report.json", "--policy", "fraud.json", cwd=tmp_path)
    assert (wrong.returncode, "$.mode" in wrong.stdout) == (1, True), wrong.stdout
    assert run(retraining, "validate", cwd=tmp_path).returncode == 2
    tried = run(retraining, "try", "my report.json", "--json", cwd=tmp_path)
    assert json.loads(tried.stdout)["read_as"] == "drift report", tried.stderr
    refused = run(retraining, "verify-aws", "--region", "eu-west-1", cwd=tmp_path)
    assert (refused.returncode, "in a checkout" in refused.stderr) == (2, True)


def test_the_installed_command_uploads_the_bytes_that_the_checkout_does(
    retraining: Path, aws: EmbeddedAws, tmp_path: Path
) -> None:
    bucket = "installed-artifacts"
    aws.client("s3").create_bucket(Bucket=bucket)
    environment = {
        **aws.environment,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "HOME": str(tmp_path),
        "PATH": f"{BESIDE}{os.pathsep}{os.environ['PATH']}",
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    made = run(retraining, "package", "--bucket", bucket, "--json", cwd=elsewhere, **environment)

    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    bodies = {key: aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() for key in document["uploaded"]}
    zips = [body for body in bodies.values() if body.startswith(b"PK")]
    assert [hashlib.sha256(body).hexdigest() for body in zips] == [
        hashlib.sha256(package_zip.package_bytes()).hexdigest()
    ]
    assert len(bodies) == 4
    assert list(elsewhere.iterdir()) == []


def test_a_wheel_holds_no_test_no_example_and_nothing_that_was_built(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/", 1)[0] for name in names if ".dist-info" not in name} == {"ops", "orchestration"}
    assert [name for name in names if "__pycache__" in name or name.startswith("ops/files/build")] == []


def test_every_library_that_a_command_imports_comes_with_the_command() -> None:
    modules = sorted({place.partition(":")[0] for section in COMMANDS.values() for place, _ in section.values()})
    program = (
        f"import sys\nfor name in {modules!r}: __import__(name)\n"
        "for name, module in sys.modules.items():\n"
        "    if name.split('.')[0] in {'ops', 'orchestration'} and module.__file__: print(module.__file__)"
    )
    loaded = run(sys.executable, "-c", program, cwd=ROOT, PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    assert loaded.returncode == 0, loaded.stderr
    imported = {name for file in loaded.stdout.split() for name in package_zip._imported(Path(file).read_bytes(), file)}
    imported -= {*sys.stdlib_module_names, "ops", "orchestration", "examples"}

    # boto3 and awscli bring botocore and s3transfer, which they are made of.
    declared = {_name(each) for each in PROJECT["dependencies"]}
    brought = {_name(each) for name in declared for each in importlib.metadata.requires(name) or ()}
    of_module = importlib.metadata.packages_distributions()
    assert {_name(of_module[name][0]) for name in imported} - brought - declared == set()
    assert declared - {_name(of_module[name][0]) for name in imported} == set()


def test_the_dependencies_are_satisfied_by_the_releases_they_are_tested_with() -> None:
    lock = dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE))
    for each in PROJECT["dependencies"]:
        found = re.match(r"([A-Za-z0-9.-]+)(==|>=)([0-9.]+)", each)
        assert found is not None, each
        assert lock[found[1].lower()] == found[3], f"{each}: the lock has {lock[found[1].lower()]}"


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
