"""The template as data: what it declares, what it keeps, the part of it that an import needs."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import botocore  # noqa: F401 - before the AWS CLI, which has copies of these two and else puts them in their place
import s3transfer  # noqa: F401 - the same
import yaml
from awscli.customizations.cloudformation.yamlhelper import intrinsics_multi_constructor, yaml_dump

from ops.project import TEMPLATE
from ops.stack import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

KEEPS: Final = frozenset({"Retain", "RetainExceptOnCreate"})
"""Deletion policies under which a resource outlives its stack."""

_PLACEHOLDER: Final = re.compile(r"\$\{(?!!)([^}]+)\}")


def parse(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a template; short forms such as ``!Ref`` become their long ones. What it gives is not to be changed."""
    return _of_text(text) if isinstance(text, str) else dict(text)


@lru_cache(maxsize=8)
def _of_text(text: str) -> dict[str, Any]:
    document: dict[str, Any]
    try:
        document = json.loads(text, object_pairs_hook=OrderedDict)
    except ValueError:
        document = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    return document


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # which of the two, the platform says
    """Reads as the AWS CLI's own loader does, in an eighth of its 0.2 s: libyaml's where it is there."""


def _in_order(loader: Any, node: Any) -> OrderedDict[Any, Any]:
    loader.flatten_mapping(node)  # for merge keys
    return OrderedDict(loader.construct_pairs(node))


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _in_order)
Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def sources() -> dict[str, Any]:
    """The template as it is in this repository, before anything is built or uploaded."""
    return parse(TEMPLATE.read_text(encoding="utf-8"))


def dump(document: Mapping[str, Any]) -> str:
    """Write a template as YAML."""
    text: str = yaml_dump(dict(document))
    return text


def kept(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources that outlive the stack, by logical id."""
    return {name: each for name, each in document["Resources"].items() if each.get("DeletionPolicy") in KEEPS}


def references(value: Any) -> Iterator[str]:
    """Names that a part of a template refers to: parameters, conditions, other resources."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"Ref", "Condition"} and isinstance(inner, str):
                yield inner
            elif key == "Fn::GetAtt":
                yield str(inner[0] if isinstance(inner, list) else inner.split(".")[0])
            elif key == "Fn::If":
                yield str(inner[0])
                yield from references(inner[1:])
            elif key == "Fn::Sub":
                text, local = (inner, {}) if isinstance(inner, str) else (inner[0], inner[1])
                yield from (name.split(".")[0] for name in _PLACEHOLDER.findall(text) if name not in local)
                yield from references(local)
            elif key == "DependsOn":
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def import_template(
    document: Mapping[str, Any], logical_ids: Iterable[str], *, onto: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A template that holds the resources to import and what they refer to, on top of a stack's own template.

    CloudFormation imports only when the template changes nothing else: no other resource, no output.

    Raises:
        OperatorError: a resource refers to one that is neither imported with it nor in the stack.
    """
    logical_ids = list(logical_ids)
    made: dict[str, Any] = {
        "AWSTemplateFormatVersion": document.get("AWSTemplateFormatVersion", "2010-09-09"),
        **({"Description": document["Description"]} if "Description" in document else {}),
        **(onto or {}),
    }
    sections = {name: dict(made.get(name) or {}) for name in ("Parameters", "Conditions", "Resources")}
    for logical_id in logical_ids:
        sections["Resources"][logical_id] = document["Resources"][logical_id]
    wanted = [name for logical_id in logical_ids for name in references(document["Resources"][logical_id])]
    while wanted:
        name = wanted.pop()
        if name.startswith("AWS::") or any(name in section for section in sections.values()):
            continue
        if name in document.get("Parameters", {}):
            sections["Parameters"][name] = document["Parameters"][name]
        elif name in document.get("Conditions", {}):
            sections["Conditions"][name] = document["Conditions"][name]
            wanted += references(document["Conditions"][name])
        else:
            raise OperatorError(
                f"One of {', '.join(logical_ids)} refers to {name}, which is not in the stack: import {name} with it."
            )
    return {**made, **{name: section for name, section in sections.items() if section}}
