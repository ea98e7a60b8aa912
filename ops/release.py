"""Build what a release attaches, and say what keeps the tag from being one.

    python -m ops.release                # into dist/; says what is missing to a release, and builds all the same
    python -m ops.release --tag v1.2.3   # refuses first, with exit status 1, unless the tag is a release of this checkout

dist/ holds the wheel of ``retraining``, which carries the template, the workflow and the schemas and builds the Lambda
package itself; the package, the template and the workflow as they are, for who deploys without it; both bills of materials;
and ``SHA256SUMS``, which ``sha256sum --check`` reads. The same sources and the same lock file give the same bytes, but for the bill of what it
is developed with, which is of the machine. ``build/release-notes.md`` is the version's section of CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from ops import package_zip, sbom
from ops.project import BUILD, ROOT, TEMPLATE, WORKFLOW, shown, version
from ops.template import sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIST: Final = ROOT / "dist"
NOTES: Final = BUILD / "release-notes.md"
SUMS: Final = "SHA256SUMS"

_EPOCH: Final = "315532800"
"""1980-01-01, as in the Lambda package: the time of each file in the wheel, which hatchling reads from SOURCE_DATE_EPOCH."""


class ReleaseError(Exception):
    """Something could not be built; the text says what."""


def section(changelog: str, number: str) -> str | None:
    """What CHANGELOG.md says under ``## <number> - <date>``; None where there is no such section, or nothing in it. Pure."""
    found = re.search(
        rf"^## {re.escape(number)} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return (found[1].strip() or None) if found else None


def faults(tag: str, number: str, stack_output: str, changelog: str, changed: Sequence[str] | None) -> tuple[str, ...]:
    """What keeps a tag from being the release of a version, a sentence each. Pure.

    Args:
        tag: as git has it, ``v1.2.3``.
        number: the version of pyproject.toml.
        stack_output: ``TemplateVersion`` of the template.
        changelog: the text of CHANGELOG.md.
        changed: files that are not as they were committed, or not committed; None when git does not say.
    """
    kept = {
        f"The tag {tag} is not v{number}, the version of pyproject.toml.": tag == f"v{number}",
        f"TemplateVersion of the template is {stack_output}, not {number}.": stack_output == number,
        f'CHANGELOG.md has nothing under "## {number} - <year>-<month>-<day>": give what is Unreleased that heading.': section(
            changelog, number
        )
        is not None,
        "Git does not say what is committed here: a release is built in a clone.": changed is not None,
        f"Not committed as they are here: {', '.join(changed or ())}.": not changed,
    }
    return tuple(sentence for sentence, is_kept in kept.items() if not is_kept)


def not_committed() -> list[str] | None:
    """Files of the checkout that git has otherwise or not at all, what it ignores aside; None when git does not say."""
    try:
        told = subprocess.run(
            ["git", "status", "--porcelain", "-z", "--no-renames"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return [line[3:] for line in told.stdout.split("\0") if line] if told.returncode == 0 else None


def build(dist: Path) -> list[Path]:
    """Write everything into an empty folder; return its files, sorted by name, the sums last.

    Raises:
        ReleaseError: a part could not be built.
    """
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    try:
        package = package_zip.build()
        (dist / sbom.DEPLOYED.name).write_text(sbom.deployed(package.read_bytes()), encoding="utf-8")
        (dist / sbom.DEVELOPMENT.name).write_text(sbom.development(), encoding="utf-8")
    except (package_zip.PackageError, sbom.BomError) as error:
        raise ReleaseError(str(error)) from None
    for file in (package, TEMPLATE, WORKFLOW):
        shutil.copyfile(file, dist / file.name)
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ReleaseError(f"hatchling could not build the wheel:\n{made.stdout}{made.stderr}")
    files = sorted(dist.iterdir())
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (dist / SUMS).write_text(sums, encoding="utf-8")
    return [*files, dist / SUMS]


def main(argv: Sequence[str] | None = None) -> int:
    """Build, or refuse; return the exit status."""
    arguments = argparse.ArgumentParser(prog="make release", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("--tag", default=os.environ.get("TAG", ""), help="TAG=v<version>")
    tag = arguments.parse_args(argv).tag
    number, changelog = version(), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    stack_output = str(sources()["Outputs"]["TemplateVersion"]["Value"])
    missing = faults(tag or f"v{number}", number, stack_output, changelog, not_committed())
    for sentence in missing:
        print(sentence, file=sys.stderr)
    if tag and missing:
        print("Nothing was built.", file=sys.stderr)
        return 1
    try:
        files = build(DIST)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    NOTES.write_text(f"{section(changelog, number) or ''}\n", encoding="utf-8")
    for file in files:
        print(shown(file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
