"""Build the Lambda package, `build/orchestration.zip`.

    python -m ops.package_zip            # write it when its bytes changed, print its SHA-256
    python -m ops.package_zip --check    # write nothing, print the SHA-256 of what would be built

The same sources give the same bytes on every machine: names sorted, times fixed at the zip epoch, modes
fixed, JSON on one line, entries stored rather than deflated (zlib builds differ in their output, and the package is small). The file
is left alone when nothing changed, so `aws cloudformation package` finds the object it uploaded last time.

The package holds `orchestration/`, as sources and as bytecode (`ops.bytecode`). The runtime brings the standard library and botocore;
importing anything else is refused here rather than found out in Lambda.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import bytecode
from ops.project import BUILD, SOURCE, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TARGET = BUILD / "orchestration.zip"

PACKAGE = "orchestration"
SDK = frozenset({"botocore"})
"""Of what the runtime brings, what functions may import. Not boto3: importing it brings s3transfer, which nothing here uses."""

SUFFIXES = frozenset({".py", ".json", ".html", ".css", ".svg", ".txt", ".typed"})

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE_0644 = 0o100644 << 16


class PackageError(Exception):
    """The sources hold something that cannot go into the Lambda package; the text says what and where."""


def package_bytes(source: Path = SOURCE) -> bytes:
    """Return the zip of `source`/orchestration.

    Raises:
        PackageError: for a file of an unexpected kind, an import that Lambda does not have, or a check of policies that was
            written from another schema; where no Python writes the functions' bytecode.
    """
    files = {name: _content(file) for name, file in _own_files(source)}
    modules = {name: content for name, content in files.items() if name.endswith(".py")}
    _refuse_foreign_imports(modules)
    _refuse_check_of_another_schema(files)
    try:
        files.update(bytecode.compiled(modules))
    except bytecode.NoInterpreterError as error:
        raise PackageError(str(error)) from None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_ZIP_EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR_FILE_0644
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def build(target: Path = TARGET, source: Path = SOURCE) -> Path:
    """Write the package to `target` unless it already holds these bytes; return `target`."""
    content = package_bytes(source)
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: a test or a deployment that reads meanwhile sees the old package or the new one, and two that
        # build at once each have a file of their own.
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as partial:
            partial.write(content)
        partial_path = Path(partial.name)
        partial_path.chmod(0o644)
        partial_path.replace(target)
    return target


def _own_files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name in the zip, file) for the package's own files."""
    if not (source / PACKAGE / "__init__.py").is_file():
        raise PackageError(f"{source / PACKAGE} is not a package: it has no __init__.py")
    for file in (source / PACKAGE).rglob("*"):
        name = file.relative_to(source)
        if not file.is_file() or "__pycache__" in name.parts or any(part.startswith(".") for part in name.parts):
            continue
        if file.suffix not in SUFFIXES:
            raise PackageError(f"{name} does not belong in the package: only {', '.join(sorted(SUFFIXES))} files do")
        yield name.as_posix(), file


def _content(file: Path) -> bytes:
    """Bytes of a file as the package has them: JSON without the white space and the keywords, ``x-...``, that only people read."""
    return compact(file.read_bytes()) if file.suffix == ".json" else file.read_bytes()


def compact(document: bytes) -> bytes:
    """A JSON file as the package has it."""
    return json.dumps(read_by_programs(document), ensure_ascii=False, separators=(",", ":")).encode()


def schema_mark(schema: bytes) -> str:
    """What the check of a policy says of the schema that it was written from, given as the package has it."""
    return f"Of the schema {hashlib.sha256(schema).hexdigest()}."


def read_by_programs(document: bytes) -> Any:
    """What a JSON file says without the keywords that only its reference is made of."""
    return json.loads(
        document, object_pairs_hook=lambda pairs: {name: value for name, value in pairs if not name.startswith("x-")}
    )


def _refuse_foreign_imports(modules: dict[str, bytes]) -> None:
    for name, content in modules.items():
        for top in _imported(content, name):
            if top != PACKAGE and top not in SDK and top not in sys.stdlib_module_names:
                raise PackageError(f"{name} imports {top}, which functions do not have")


def _refuse_check_of_another_schema(files: dict[str, bytes]) -> None:
    """Else functions would refuse what `retraining validate` takes, or the other way round."""
    check, schema = (files.get(f"{PACKAGE}/{name}") for name in ("policy_check.py", "policy.schema.json"))
    if check is not None and schema_mark(schema or b"").encode() not in check:
        raise PackageError(f"{PACKAGE}/policy_check.py was written from another policy.schema.json: make docs")


@functools.cache
def _imported(content: bytes, name: str) -> frozenset[str]:
    """Return the top-level packages that a module imports when it runs; a module is parsed once a process."""
    return frozenset(module.split(".", 1)[0] for module in _runtime_imports(ast.parse(content, filename=name).body))


def _runtime_imports(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the absolute module names imported when the code runs, so not those under `if TYPE_CHECKING:`."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            yield statement.module
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _runtime_imports(statement.orelse)
        else:
            # No expression imports anything, and most of a module's nodes are in one.
            inner = (node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.expr))
            yield from _runtime_imports(inner)


def main(argv: Sequence[str] | None = None) -> int:
    """Build or check the package; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.package_zip", description="Build build/orchestration.zip.")
    parser.add_argument("--check", action="store_true", help="write nothing, only print the SHA-256")
    arguments = parser.parse_args(argv)
    try:
        content = package_bytes() if arguments.check else build().read_bytes()
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(f"{hashlib.sha256(content).hexdigest()}  {shown(TARGET)}  ({len(content):,} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
