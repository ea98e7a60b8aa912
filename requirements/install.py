"""Make the virtual environment of a lock file, or leave it alone when it is up to date.

    python requirements/install.py dev                # .venv from requirements/dev.txt
    python requirements/install.py scanners           # .venv-scanners from requirements/scanners.txt
    python3.13 requirements/install.py lambda         # .venv-lambda from requirements/lambda.txt
    python requirements/install.py streams            # .venv-streams from requirements/streams.txt
    python requirements/install.py taskcat            # .venv-taskcat from requirements/taskcat.txt
    python requirements/install.py node               # requirements/node/node_modules from package-lock.json

.venv gets a `retraining` that runs this checkout, from whichever folder it is called.

Only the standard library, since nothing is installed yet. The interpreter that runs this file is the
interpreter of the environment: run with another minor version, the environment is rebuilt.

Every file is checked against the hashes of the lock. pip installs one wheel, uv, and uv installs the rest in
parallel (about ten times faster). uv reads no pip configuration, so the index pip would use is handed to it; where
uv cannot install (a platform without a wheel, a mirror it does not understand), pip does, from the same lock.

Node is optional: without it, or without a way to reach its packages, two of the ASL linters are skipped and
this program says so and exits 0.
"""
# ruff: noqa: INP001, T201, S603
# A script beside the lock files, not a package; it speaks to the person who runs make, and runs pip, uv and npm.

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = {name: f".venv-{name}" for name in ("lambda", "scanners", "streams", "taskcat")} | {"dev": ".venv"}
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18


def main(argv: list[str]) -> int:
    """Bring each named environment up to date; return the exit status."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        print(f"Python 3.11 or newer is needed; {sys.executable} is {found}. Choose one: make setup PYTHON=python3.12")
        return 1
    for name in argv or ["dev"]:
        if name == "node":
            install_node_linters(HERE / "node")
        else:
            try:
                made = install_environment(ROOT / ENVIRONMENTS[name], HERE / f"{name}.txt")
                if name == "dev" and made is not None:
                    # Without Lambda's Python no package is built; who builds none does not need it.
                    subprocess.run([str(made), "-m", "ops.bytecode"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
                if name == "dev" and os.name != "nt":
                    write_command(ROOT / ENVIRONMENTS[name] / "bin" / "retraining")
            except subprocess.CalledProcessError as error:
                print(f"Could not set up {ENVIRONMENTS[name]}: {error}")
                return 1
    return 0


def install_environment(environment: Path, lock: Path) -> Path | None:
    """Create `environment` for this interpreter and make it hold exactly what `lock` says.

    Returns:
        Its interpreter, None when it was up to date.
    """
    installer = HERE / "uv.txt"
    wanted = _key(lock, installer, Path(__file__))
    stamp = environment / "up-to-date"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    usable = _version(python) == sys.version_info[:3]
    if usable and stamp.is_file() and stamp.read_text() == wanted:
        return None
    stamp.unlink(missing_ok=True)
    if not usable:
        print(f"Creating {environment.name} with Python {sys.version.split()[0]}", flush=True)
        _create(environment)
    print(f"Installing {lock.relative_to(ROOT)} into {environment.name}", flush=True)
    if not _install_with_uv(python, lock, installer):
        print("uv could not install the lock here; pip does it instead (about a minute)", flush=True)
        _run(python, "-m", "pip", "install", *PIP_QUIETLY, "--no-deps", "--require-hashes", "-r", lock)
    stamp.write_text(wanted)
    return python


def write_command(file: Path) -> None:
    """Have `file` run this checkout's `retraining` with the interpreter beside it; left alone when it does already."""
    path = shlex.quote(os.pathsep.join((str(ROOT), str(ROOT / "src"))))
    python = shlex.quote(str(file.parent / "python"))
    # -P: nothing of the folder it is called in is imported.
    text = f'#!/bin/sh\nPYTHONPATH={path} exec {python} -P -m ops "$@"\n'
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)
        file.chmod(0o755)


PIP_QUIETLY = ("--quiet", "--quiet", "--disable-pip-version-check", "--no-input")
"""Twice, so that a mirror that lacks a package does not print a line for each."""


def _create(environment: Path) -> None:
    """Create an empty environment, replacing what is there."""
    if sys.prefix != sys.base_prefix and Path(sys.prefix).resolve() == environment.resolve():
        raise SystemExit(f"{environment} cannot rebuild itself; name another interpreter with PYTHON=")
    try:
        venv.create(environment, clear=True, with_pip=True, symlinks=os.name != "nt", prompt=ROOT.name)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(environment, ignore_errors=True)
        raise SystemExit(
            f"Python's venv module does not work ({error}). On Debian: apt install python3-venv"
        ) from error


def _install_with_uv(python: Path, lock: Path, installer: Path) -> bool:
    """Return True when uv made the environment equal to the lock."""
    try:
        _run(python, "-m", "pip", "install", *PIP_QUIETLY, "--require-hashes", "-r", installer)
        uv = python.parent / ("uv.exe" if os.name == "nt" else "uv")
        _run(
            uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock, env=_pip_settings_for_uv(python)
        )
    except (subprocess.CalledProcessError, OSError) as error:
        print(error)
        return False
    return True


def _pip_settings_for_uv(python: Path) -> dict[str, str]:
    """Return this process's environment with pip's index and certificates under uv's names.

    What the user set for uv wins. Extra indexes are left out: uv would prefer them to the main index.
    """
    environment = dict(os.environ)
    for setting, name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        if name in environment or (setting == "index-url" and "UV_INDEX_URL" in environment):
            continue
        value = os.environ.get("PIP_" + setting.upper().replace("-", "_")) or _pip_setting(python, setting)
        if value:
            environment[name] = value
    return environment


def _pip_setting(python: Path, setting: str) -> str:
    """Return what pip's configuration files say about `setting`, or an empty string."""
    for section in ("global", "install"):
        answer = subprocess.run(
            [str(python), "-m", "pip", "config", "get", f"{section}.{setting}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0:
            return answer.stdout.strip()
    return ""


def install_node_linters(folder: Path) -> None:
    """Install the npm packages of `folder` from its lock, or say why they are skipped."""
    stamp = folder / "node_modules" / "up-to-date"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _node_major(node) < OLDEST_NODE:
        print(
            f"Node {OLDEST_NODE} or newer not found: asl-validator, amazon-states-language-service and axe-core are skipped"
        )
        return
    wanted = _key(folder / "package.json", folder / "package-lock.json")
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Installing {folder.relative_to(ROOT)}/package-lock.json", flush=True)
    try:
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
    except (subprocess.CalledProcessError, OSError) as error:
        print(
            f"npm could not install them ({error}): asl-validator, amazon-states-language-service and axe-core are skipped"
        )
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        return
    stamp.write_text(wanted)


def _node_major(node: str) -> int:
    """Return node's major version, 0 when it does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        return int(answer.lstrip("v").split(".", 1)[0])
    except (OSError, ValueError):
        return 0


def _version(python: Path) -> tuple[int, ...] | None:
    """Return the version of `python`, None when it does not run (no environment, or its base is gone)."""
    program = "import sys; print(*sys.version_info[:3])"
    try:
        answer = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return tuple(int(part) for part in answer.stdout.split()) or None


def _key(*files: Path) -> str:
    """Return a hash that changes when a file or the interpreter does."""
    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run `command` with its output shown; raise CalledProcessError when it fails."""
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
