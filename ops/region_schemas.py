"""Which resource types CloudFormation has in which Region, from the schemas that came with cfn-lint.

Those of the installed release, never newer ones that `cfn-lint --update-specs` left on one machine, so that every
machine finds the same. For a Region of which it has no list cfn-lint answers with that of us-east-1; AWS publishes the
same list for Regions of closed partitions. Such a list says nothing of the Region it stands for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cfnlint
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import ProviderSchemaManager

from ops.regions import FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE: Final = "us-east-1"
"""The Region whose list stands in for those that are not there."""

_SCHEMAS: Final = Path(cfnlint.__file__).parent / "data" / "schemas"


def region_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """What ops/regions.json is to hold.

    Args:
        document: the template; its types are looked for, and those of `FEATURES`.
    """
    schemas = ProviderSchemaManager(_SCHEMAS / "providers", _SCHEMAS / "resources")
    version = json.loads((_SCHEMAS / "version.json").read_text(encoding="utf-8"))
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
