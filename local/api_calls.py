"""Which call of AWS a request over HTTP is: service, action and parameters, by the service models of botocore."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from local.service_models import service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a signature says, where that is not boto3's name of the service.
_SIGNED_AS = {"cloudwatch": "monitoring", "stepfunctions": "states", "sagemaker-runtime": "sagemaker"}
# Services without X-Amz-Target, Action or an operation in the path: found by the routes of their model.
_ROUTED_BY = {"s3": "s3", "lambda": "lambda", "scheduler": "scheduler", "sagemaker": "sagemaker-runtime"}
_CREDENTIAL = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/([^/]+)$")


def signed_as(service: str) -> str:
    """What a signature says of a service that boto3 calls so."""
    return _SIGNED_AS.get(service, service)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call.

    Attributes:
        service: As the signature names it.
        action: As the protocol names it; empty where it has none.
        protocol: ``json``, ``cbor``, ``query`` or ``rest-xml``: in which errors are answered.
        parameters: Those a policy may look at, by the names of the service model. In a ``query`` request lists stay flat
            (``Tags.member.1.Key``); a body that is no document, and one in CBOR, is left out.
    """

    service: str
    action: str
    protocol: str
    parameters: Mapping[str, Any]

    @staticmethod
    def of(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, list[str]], body: bytes) -> ApiCall:
        """Recognise a request.

        Args:
            method: The HTTP method.
            path: Decoded.
            headers: By their names in lower case.
            query: The values of each parameter.
            body: As it came.
        """
        claimed = "".join(query.get("X-Amz-Credential", ()))
        signed = _CREDENTIAL.search(headers.get("authorization", "")) or _CREDENTIAL.search(f"Credential={claimed}")
        service = signed[1] if signed else ""
        if target := headers.get("x-amz-target"):
            return ApiCall(service, target.rpartition(".")[2], "json", _document(body))
        if operation := _CBOR_PATH.search(path):
            return ApiCall(service, operation[1], "cbor", {})
        if service in _ROUTED_BY:
            action, parameters = _routed(_ROUTED_BY[service], method, path, query, headers)
            return ApiCall(service, action, "rest-xml" if service == "s3" else "json", parameters)
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        given = {name: values[0] for name, values in {**query, **form}.items()}
        return ApiCall(service, given.get("Action", ""), "query", given)


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class _Route:
    """How a service model binds an action to HTTP: what a request must have, and where each parameter is."""

    action: str
    method: str
    path: re.Pattern[str]
    needed: frozenset[tuple[str, str]]
    members: tuple[tuple[str, str, str], ...]
    """Name, ``uri``, ``querystring`` or ``header``, and the name there."""

    def parameters(self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> dict[str, Any]:
        """The parameters outside the body."""
        found = self.path.fullmatch(path)
        places = {
            "uri": found.groupdict() if found else {},
            "querystring": {name: values[0] for name, values in query.items()},
            "header": headers,
        }
        return {
            name: unquote(places[place][there]) if place == "uri" else places[place][there]
            for name, place, there in self.members
            if there in places[place]
        }


def _routed(
    model: str, method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """Give the action whose route, required headers and required parameters the request has; the most of them wins."""
    given = {("querystring", name) for name in query} | {("header", name) for name in headers}
    fitting = [
        route
        for route in _routes(model)
        if route.method == method and route.needed <= given and route.path.fullmatch(path)
    ]
    if not fitting:
        return "", {}
    best = max(fitting, key=lambda route: len(route.needed))
    return best.action, best.parameters(path, query, headers)


@functools.cache
def _routes(model: str) -> list[_Route]:
    service = service_model(model)
    return [_route(service.operation_model(action)) for action in service.operation_names]


def _route(operation: Any) -> _Route:
    path, _, literal = operation.http["requestUri"].partition("?")
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
    pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", pattern)
    needed = {("querystring", part.partition("=")[0]) for part in literal.split("&") if part}
    members = []
    shape = operation.input_shape
    for name, member in shape.members.items() if shape is not None else ():
        place = member.serialization.get("location")
        if place not in ("uri", "querystring", "header"):
            continue
        there = member.serialization["name"]
        there = there.lower() if place == "header" else there
        members.append((name, place, there))
        if place != "uri" and name in shape.required_members:
            needed.add((place, there))
    return _Route(
        operation.name, operation.http["method"], re.compile(pattern + "/?"), frozenset(needed), tuple(members)
    )
