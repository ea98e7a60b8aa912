"""Write what is deployed and what it is developed with as bills of materials.

    python -m ops.sbom

`build/sbom.cdx.json` is about the Lambda package: its SHA-256, and whose data and code `make docs` put into it. botocore's own
modules, which it imports, come with Lambda's Python and are in no zip of ours. `build/sbom-development.cdx.json` is about the environment
this runs in. Both are CycloneDX 1.6 and validated against its schema. The same content gives the same bytes: there is no
time in them, and the serial number is made from the rest.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import tomllib
import uuid
from typing import TYPE_CHECKING, Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL

from ops.package_zip import PackageError, package_bytes
from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyclonedx.model.license import License

DEPLOYED: Final = ROOT / "build" / "sbom.cdx.json"
DEVELOPMENT: Final = ROOT / "build" / "sbom-development.cdx.json"

MADE_WITH: Final = ("botocore", "fastjsonschema")
"""Whose models of services, and whose code of a schema, are in the package."""

_LONGEST_NAME: Final = 60
"""Characters; a longer text in a package's field `License` is the licence itself."""


class BomError(Exception):
    """What was made is not CycloneDX; the text says where."""


def deployed(content: bytes) -> str:
    """Return the bill of materials of a Lambda package, given its zip. Pure but for what is installed."""
    return _written(
        _ourselves([HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())]),
        map(importlib.metadata.distribution, MADE_WITH),
    )


def development() -> str:
    """Return the bill of materials of the environment this runs in."""
    return _written(_ourselves([]), importlib.metadata.distributions())


def _written(about: Component, distributions: Iterable[importlib.metadata.Distribution]) -> str:
    """Return the document about a component that depends on these distributions.

    Raises:
        BomError: when it does not keep to the schema.
    """
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - a third of a second, as for the licences

    parts = {part.purl: part for part in map(_component, distributions)}
    bom = Bom(components=parts.values(), serial_number=uuid.UUID(int=0))
    bom.metadata.component = about
    bom.metadata.timestamp = None  # type: ignore[assignment] # the library takes it, and would put the present there
    bom.register_dependency(about, parts.values())
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, JsonV1Dot6(bom).output_as_string())
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        raise BomError(f"not CycloneDX 1.6: {fault}")
    return text


def _ourselves(hashes: list[HashType]) -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        type=ComponentType.APPLICATION,
        bom_ref=f"{project['name']}@{project['version']}",
        name=project["name"],
        version=project["version"],
        description=project["description"],
        licenses=[_licence(project["license"])],
        hashes=hashes,
    )


def _component(distribution: importlib.metadata.Distribution) -> Component:
    purl = PackageURL("pypi", name=distribution.name.lower().replace("_", "-"), version=distribution.version)
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        name=distribution.name,
        version=distribution.version,
        licenses=[_licence(name) for name in _licence_names(distribution.metadata)],
        purl=purl,
    )


def _licence(name: str) -> License:
    """One of SPDX where the name is one, an expression where it is one, else the name as it stands."""
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415 - reads all of SPDX's licences

    return LicenseFactory().make_from_string(name, license_acknowledgement=LicenseAcknowledgement.DECLARED)


def _licence_names(metadata: importlib.metadata.PackageMetadata) -> list[str]:
    """What a package says of its licence, in the field that is most exact."""
    for field in ("License-Expression", "License"):
        said = metadata.get_all(field) or [""]
        if said[0] and "\n" not in said[0] and len(said[0]) <= _LONGEST_NAME:
            return [said[0]]
    classifiers = metadata.get_all("Classifier") or []
    return sorted(name.rsplit(" :: ", 1)[-1] for name in classifiers if name.startswith("License :: OSI Approved :: "))


def main() -> int:
    """Write both files; return the exit status."""
    try:
        documents = {DEPLOYED: deployed(package_bytes()), DEVELOPMENT: development()}
    except (PackageError, BomError) as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    DEPLOYED.parent.mkdir(parents=True, exist_ok=True)
    for path, text in documents.items():
        path.write_text(text, encoding="utf-8")
        print(f"{hashlib.sha256(text.encode()).hexdigest()}  {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
