"""What CloudWatch Logs makes of log lines by the template's metric filters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def matches(pattern: str, line: Mapping[str, Any]) -> bool:
    """Evaluate the part of CloudWatch Logs' pattern language that the template uses.

    Raises:
        AssertionError: the pattern has another part.
    """
    body = re.fullmatch(r"\{ (.+) \}", pattern)
    assert body, pattern
    for term in body[1].split(" && "):
        if equal := re.fullmatch(r'\$\.(\w+) = "(\w+)"', term):
            if line.get(equal[1]) != equal[2]:
                return False
        elif true := re.fullmatch(r"\$\.(\w+) IS TRUE", term):
            if line.get(true[1]) is not True:
                return False
        elif above := re.fullmatch(r"\$\.(\w+) > (\d+)", term):
            if not line.get(above[1], 0) > int(above[2]):
                return False
        elif there := re.fullmatch(r"\$\.(\w+) = \*", term):
            if there[1] not in line:
                return False
        else:
            raise AssertionError(f"{term} is unknown to this reader")
    return True


def measured(
    filter_properties: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]
) -> list[tuple[float, dict[str, str]]]:
    """Values and dimensions that a filter makes of the lines."""
    (transformation,) = filter_properties["MetricTransformations"]
    value = str(transformation["MetricValue"])
    found = []
    for line in lines:
        if not matches(filter_properties["FilterPattern"], line):
            continue
        number = float(line[value.removeprefix("$.")]) if value.startswith("$.") else float(value)
        dimensions = {
            entry["Key"]: line[entry["Value"].removeprefix("$.")] for entry in transformation.get("Dimensions", [])
        }
        found.append((number, dimensions))
    return found
