"""What SageMaker takes where a policy or a training writes into a request, out of botocore's model of its API.

``make docs`` writes it to src/orchestration/service_shapes.json, and ``make lint`` says when that is not what the installed
botocore says. The package has the file, and not botocore's 2.5 MB, so that a policy is read alike here and in Lambda.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import botocore
from botocore.loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PARTS: Final = (
    "CreateTrainingJob",
    "CreateTrainingJob.HyperParameters",
    "CreateTrainingJob.Tags",
    "StartPipelineExecution.PipelineParameters",
    "UpdateEndpoint.DeploymentConfig",
    "CreateModel.PrimaryContainer.Environment",
)
"""The parts of requests that others write: an operation, and the members down to the part."""

RULES: Final = ("type", "required", "enum", "min", "max", "pattern")
"""What is kept of a shape, besides the shapes below it. What it means, its documentation says, and no check."""

KINDS: Final = frozenset({"structure", "list", "map", "string", "integer", "long", "boolean"})
"""Types of shapes that domain/service_shapes.py can check."""

SEPARATORS: Final = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's category Z."""

CLASSES: Final = {r"\p{L}\p{Z}\p{N}_": rf"\w{SEPARATORS}", r"\p{Alnum}": "A-Za-z0-9"}
"""Classes of Java's expressions as Python writes them: its ``\\w`` is every letter, every number and the underscore."""


class ShapeError(Exception):
    """botocore's model holds what cannot be checked; the text says what and where."""


def service_shapes() -> str:
    """The data file, for the botocore that is installed.

    Raises:
        ShapeError: a shape is of a type, or has a pattern, that the check does not know.
    """
    model = Loader().load_service_model("sagemaker", "service-2")
    shapes: Mapping[str, dict[str, Any]] = model["shapes"]
    parts, reached = {}, dict[str, dict[str, Any]]()
    for part in PARTS:
        operation, *members = part.split(".")
        name = model["operations"][operation]["input"]["shape"]
        for member in members:
            name = shapes[name]["members"][member]["shape"]
        parts[part] = name
        reached |= {below: _kept(below, shapes) for below in _reached(name, shapes)}
    parameters = reached[parts["StartPipelineExecution.PipelineParameters"]]
    entry = reached.pop(parameters.pop("member"))["members"]
    # The list has a Name and a Value in each entry; a policy writes it as an object.
    parameters |= {"type": "map", "key": entry["Name"], "value": entry["Value"]}
    # A shape a line: what a newer botocore changes is read shape by shape.
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(reached[name])}" for name in sorted(reached))
    head = f'  "botocore": {json.dumps(botocore.__version__)},\n  "parts": {json.dumps(parts)},'
    return f'{{\n{head}\n  "shapes": {{\n{lines}\n  }}\n}}\n'


def _reached(name: str, shapes: Mapping[str, dict[str, Any]], above: tuple[str, ...] = ()) -> Iterator[str]:
    if name in above:
        raise ShapeError(f"{name} holds itself")
    yield name
    for below in _below(shapes[name]):
        yield from _reached(below, shapes, (*above, name))


def _below(shape: Mapping[str, Any]) -> list[str]:
    references = [
        *shape.get("members", {}).values(),
        *(shape[key] for key in ("member", "key", "value") if key in shape),
    ]
    return [reference["shape"] for reference in references]


def _kept(name: str, shapes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    shape = shapes[name]
    if shape["type"] not in KINDS:
        raise ShapeError(f"{name} is a {shape['type']}")
    kept: dict[str, Any] = {rule: shape[rule] for rule in RULES if rule in shape}
    if "pattern" in kept:
        kept["pattern"] = python_pattern(kept["pattern"])
    if "members" in shape:
        kept["members"] = {member: reference["shape"] for member, reference in shape["members"].items()}
    kept |= {key: shape[key]["shape"] for key in ("member", "key", "value") if key in shape}
    return kept


def python_pattern(pattern: str) -> str:
    """An expression of the model as Python reads it.

    Raises:
        ShapeError: it is none that Python has.
    """
    found = pattern
    for java, python in CLASSES.items():
        found = found.replace(java, python)
    if found == pattern and re.search(r"\\[dsw]", pattern, re.IGNORECASE):
        found = f"(?a){pattern}"  # as in Java, where \d is 0 to 9 and no other script's digits
    try:
        re.compile(found)
    except re.error as error:
        raise ShapeError(f"{pattern}: {error}") from None
    return found
