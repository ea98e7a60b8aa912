"""Which resource types CloudFormation has in which Region, from the schemas that came with cfn-lint.

Those of the installed release, never newer ones that `cfn-lint --update-specs` left on one machine, so that every
machine finds the same. For a Region of which it has no list cfn-lint answers with that of us-east-1; AWS publishes the
same list for Regions of closed partitions. Such a list says nothing of the Region it stands for.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.regions import FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE: Final = "us-east-1"
"""The Region whose list stands in for those that are not there."""


def resource_schema(kind: str, region: str = REFERENCE) -> dict[str, Any]:
    """CloudFormation's schema of a resource type in a Region that has a list of its own.

    Raises:
        KeyError: the Region has no such type.
    """
    return _read(_folder() / "resources" / f"{_read(_folder() / 'providers' / f'{region}.json')[kind]}.json")


@functools.cache
def _folder() -> Path:
    # The package takes a second and a half to import; of the installed release the files are all that is read.
    package = importlib.util.find_spec("cfnlint")
    folders = [] if package is None else [*(package.submodule_search_locations or [])]
    return Path(folders[0]) / "data" / "schemas"


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def region_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """What ops/regions.json is to hold.

    Args:
        document: the template; its types are looked for, and those of `FEATURES`.
    """
    from cfnlint.helpers import REGIONS  # noqa: PLC0415 - a second and a half, and most who import this never ask
    from cfnlint.schema.manager import ProviderSchemaManager  # noqa: PLC0415 - the same

    schemas = ProviderSchemaManager(_folder() / "providers", _folder() / "resources")
    version = _read(_folder() / "version.json")
    types = {resource["Type"] for resource in document["Resources"].values()}.union(*(each.types for each in FEATURES))
    there = {region: frozenset(schemas.get_resource_types(region)) for region in sorted(REGIONS)}
    told = {region: has for region, has in there.items() if region == REFERENCE or has != there[REFERENCE]}
    return {
        "schema_date": version["schema_date"][:10],
        "types": sorted(types),
        "lacks": {region: sorted(types - has) for region, has in told.items()},
        "unknown": [region for region in there if region not in told],
    }


def as_text(data: Mapping[str, Any]) -> str:
    """The same as the file holds it."""
    return json.dumps(data, indent=1) + "\n"
