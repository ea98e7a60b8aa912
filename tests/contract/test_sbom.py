"""Bills of materials: CycloneDX, of what is really in the zip and in the environment, the same bytes each time."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from email.message import Message

import pytest
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component

from ops import sbom
from ops.package_zip import package_bytes
from ops.project import ROOT

LOCKED = re.compile(r"^([a-z0-9.-]+)==([^ ]+)", re.MULTILINE)


def test_the_deployed_one_names_the_zip_and_whose_data_and_code_are_in_it_with_version_and_licence() -> None:
    content = package_bytes()
    made = json.loads(sbom.deployed(content))
    (checksum,) = made["metadata"]["component"]["hashes"]

    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert checksum == {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}
    assert {part["name"]: part["version"] for part in made["components"]} == {
        name: importlib.metadata.version(name) for name in ("botocore", "fastjsonschema")
    }
    assert [part["licenses"][0]["license"]["id"] for part in made["components"]] == ["Apache-2.0", "BSD-3-Clause"]
    (ours,) = (part for part in made["dependencies"] if part["ref"] == made["metadata"]["component"]["bom-ref"])
    assert ours["dependsOn"] == [f"pkg:pypi/{part['name']}@{part['version']}" for part in made["components"]]


def test_the_same_content_gives_the_same_bytes_and_another_one_another_serial_number() -> None:
    content = package_bytes()
    first, again, other = (json.loads(sbom.deployed(each)) for each in (content, content, package_bytes(ROOT / "src")))
    parts = [importlib.metadata.distribution(name) for name in ("pytest", "moto", "ruff")]
    about = Component(name="about", bom_ref="about")

    assert first == again == other
    assert "timestamp" not in first["metadata"]
    assert sbom._written(about, parts) == sbom._written(about, reversed(parts))
    assert json.loads(sbom._written(about, parts[1:]))["serialNumber"] != json.loads(sbom._written(about, parts))["serialNumber"]  # fmt: skip


def test_the_one_of_the_environment_names_what_the_lock_names_in_its_versions() -> None:
    lock = set(LOCKED.findall((ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")))
    made = {
        re.sub(r"[-_.]+", "-", part["name"]).lower(): part["version"]
        for part in json.loads(sbom.development())["components"]
    }

    assert {"pytest", "moto", "uv", "cyclonedx-python-lib"} <= made.keys()
    assert {part for part in made.items() if part[0] in dict(lock)} <= lock, (
        "another version for another Python is in it too"
    )


def test_what_does_not_keep_to_the_schema_is_not_written() -> None:
    wrong = Component(name="about", bom_ref="about", hashes=[HashType(alg=HashAlgorithm.SHA_256, content="none")])

    with pytest.raises(sbom.BomError, match=r"not CycloneDX 1\.6"):
        sbom._written(wrong, [])


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "MIT")], ["MIT OR Apache-2.0"]),
        ([("License", "BSD-3-Clause"), ("Classifier", "License :: OSI Approved :: BSD License")], ["BSD-3-Clause"]),
        ([("License", "Copyright\nand so on"), ("Classifier", "License :: OSI Approved :: BSD License")], ["BSD License"]),
        ([("Classifier", "Topic :: Software Development")], []),
    ],
)  # fmt: skip
def test_a_licence_is_taken_from_the_field_that_is_most_exact(fields: list[tuple[str, str]], names: list[str]) -> None:
    metadata = Message()
    for field, value in fields:
        metadata[field] = value

    assert sbom._licence_names(metadata) == names  # type: ignore[arg-type] # a message is what metadata is
