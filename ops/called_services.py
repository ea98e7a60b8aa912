"""What botocore's files say of the calls that functions make, and nothing of the other thousands.

``make docs`` writes it to src/orchestration/service_models, and ``make lint`` says when that is not what the installed botocore says. A
function reads these few files in the place of botocore's (`composition.OwnServices`), whose model of SageMaker alone takes
30 ms of a start.
"""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from botocore import xform_name
from botocore.loaders import JSONFileLoader, Loader

from ops.project import SOURCE
from orchestration.composition import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER: Final = "src/orchestration/service_models"

STORES: Final = SOURCE / "orchestration" / "stores"

CLIENTS: Final = frozenset({"_client", "_sns", "_events"})
"""What stores call their clients."""

FOR_PEOPLE: Final = frozenset(
    {"documentation", "documentationUrl", "deprecated", "deprecatedMessage", "deprecatedSince", "pattern", "enum"}
)
"""What botocore makes no request, no check and no answer of: of a value it checks the type, whether it is there, and its size."""

OF_ITS_OWN: Final = frozenset({"create_session", "head_bucket"})
"""What botocore's client of S3 calls by itself: of a directory bucket, and to learn in which Region a bucket is."""

PROTOCOLS: Final = frozenset({"json", "query", "rest-json", "rest-xml"})
"""What every botocore speaks that a runtime may have; CBOR is newer than Lambda's Python 3.13."""

BELOW: Final = ("member", "key", "value")
"""Where a list and a map say what is in them."""


class ModelError(Exception):
    """botocore's model is one that an older botocore cannot use; the text says why."""


def files() -> dict[str, Callable[[], str]]:
    """What to write, by its path."""
    made: dict[str, Callable[[], str]] = {f"{FOLDER}/endpoints.json": endpoints}
    for service in SERVICES:
        version = as_installed().determine_latest_version(service, "service-2")
        made[f"{FOLDER}/{service}/{version}/service-2.json"] = functools.partial(service_model, service)
    return made


def service_model(service: str) -> str:
    """A service's model with the operations that stores call, and the shapes of those.

    Raises:
        ModelError: the service speaks nothing that older releases of botocore do.
    """
    model = as_installed().load_service_model(service, "service-2")
    called = OF_ITS_OWN.union(*(operations(method) for method in methods_of_stores()))
    kept = {name: each for name, each in model["operations"].items() if xform_name(name) in called}
    shapes: dict[str, Any] = {}
    for operation in kept.values():
        for said in (operation.get("input"), operation.get("output"), *operation.get("errors", ())):
            if said is not None:
                _keep(model["shapes"], said["shape"], shapes)
    metadata = {**model["metadata"], **spoken(service, model["metadata"])}
    made = _for_programs({"version": model["version"], "metadata": metadata, "operations": kept, "shapes": shapes})
    # Its documentation is read, and used by nothing.
    context = {name: {**said, "documentation": ""} for name, said in model.get("clientContextParams", {}).items()}
    return json.dumps({**made, "clientContextParams": context}, indent=1) + "\n"


def spoken(service: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """The first protocol of a service that is not new: the functions' botocore may be older than this model.

    Raises:
        ModelError: no botocore from before spoke any of them.
    """
    known = [each for each in metadata["protocols"] if each in PROTOCOLS]
    if not known:
        raise ModelError(f"{service} speaks {', '.join(metadata['protocols'])}, which not every botocore does.")
    return {"protocol": known[0], "protocols": known[:1]}


def endpoints() -> str:
    """Partitions with their Regions, and of services those that there are clients of."""
    loader = as_installed()
    data = loader.load_data("endpoints")
    prefixes = {loader.load_service_model(name, "service-2")["metadata"]["endpointPrefix"] for name in SERVICES}
    partitions = [
        {**partition, "services": {name: said for name, said in partition["services"].items() if name in prefixes}}
        for partition in data["partitions"]
    ]
    return json.dumps({**data, "partitions": partitions}, indent=1) + "\n"


@functools.cache
def methods_of_stores() -> tuple[ast.FunctionDef, ...]:
    """All methods of classes in the stores."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(STORES.glob("*.py"))]
    classes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return tuple(method for node in classes for method in node.body if isinstance(method, ast.FunctionDef))


def operations(method: ast.FunctionDef) -> Iterator[str]:
    """What a method calls of its client, by botocore's name; or what it hands on to be called."""
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and _is_client(node.value) and node.attr not in {"exceptions", "meta"}:
            if node.attr != "get_paginator":
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_client(node.func.value):
            argument: Any = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant):
                yield str(argument.value)


def _is_client(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in CLIENTS


def _keep(all_shapes: dict[str, Any], name: str, kept: dict[str, Any]) -> None:
    """Take a shape and those below it."""
    if name in kept:
        return
    shape = kept[name] = all_shapes[name]
    for below in (*shape.get("members", {}).values(), *(shape[key] for key in BELOW if key in shape)):
        _keep(all_shapes, below["shape"], kept)


def _for_programs(said: Any) -> Any:
    """Without what only people read; a member may have such a name too."""
    if isinstance(said, list):
        return [_for_programs(each) for each in said]
    if not isinstance(said, dict):
        return said
    return {
        name: {member: _for_programs(each) for member, each in value.items()}
        if name in {"members", "shapes", "operations"}
        else _for_programs(value)
        for name, value in said.items()
        if name not in FOR_PEOPLE
    }


class _Unchanged(JSONFileLoader):
    """Reads a file anew: a client changes the model that it was made of, which others of the process may have from a cache."""

    def _load_file(self, full_path: str, open_method: Callable[..., IO[bytes]]) -> Any:
        if not Path(full_path).is_file():
            return None
        with open_method(full_path, "rb") as file:
            return json.load(file)


@functools.cache
def as_installed() -> Loader:
    """The files of the installed botocore, and none that somebody keeps in their home."""
    paths = [Loader.BUILTIN_DATA_PATH]
    return Loader(extra_search_paths=paths, file_loader=_Unchanged(), include_default_search_paths=False)
