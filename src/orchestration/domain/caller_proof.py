"""The proof of who calls: a presigned GetCallerIdentity that is good for one request, for a minute. Pure.

A direct invocation of a function does not say who makes it. So the caller signs a GetCallerIdentity for STS, with one more
signed header that holds the hash of the request; the function has STS answer it. Nobody can use it for another request, and
no name in a request is believed. Source: Signature Version 4, "Authenticating requests: using query parameters". How long
AWS takes a presigned request is not relied on: the age is checked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from orchestration.domain.canonical_json import canonical
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = "x-retraining-request"
"""The signed header that binds a proof to its request."""

QUERY: Final = "Action=GetCallerIdentity&Version=2011-06-15"

LIFETIME: Final = timedelta(minutes=1)
"""How old a proof may be."""

SKEW: Final = timedelta(seconds=30)
"""How far the clocks of caller and function may differ."""

_LIMIT: Final = 6000
"""Characters of a proof; a session token has up to 4,000 and a bit."""

_STAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)

_NEEDED: Final = frozenset(
    {
        "Action",
        "Version",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    }
)


@dataclass(frozen=True, slots=True)
class Unproven:
    """A proof that proves nothing, and why."""

    sentence: str


def binding(request: Mapping[str, Any], stack: str) -> str:
    """What a proof is bound to: hex SHA-256 over the request without its proof, and the stack it is meant for.

    Args:
        request: the request of the function, as JSON values.
        stack: ARN of the stack's state machine.
    """
    asked = {name: value for name, value in request.items() if name != "proof"}
    return sha256(f"caller-proof\x1f{stack}\x1f{canonical(asked)}")


def unproven(proof: Any, now: datetime) -> Unproven | None:
    """Why a proof is none before anybody asks STS, or None. STS says whether it is signed, and by whom.

    Args:
        proof: the query string of the presigned request.
        now: an aware datetime.
    """
    if not isinstance(proof, str) or not proof:
        return Unproven("The request does not say who makes it: use the operator commands, which prove it.")
    if len(proof) > _LIMIT or not proof.isascii():
        return Unproven("The request's proof is no query of a presigned GetCallerIdentity.")
    pairs = parse_qsl(proof)
    query = dict(pairs)
    names = query.keys() - {"X-Amz-Security-Token"}
    asks = query.get("Action") == "GetCallerIdentity" and query.get("Version") == "2011-06-15"
    # A fragment, an empty part, an encoding of its own: what is sent would not be what was checked here.
    as_read = urlencode(pairs, quote_via=quote)
    if as_read != proof or len(pairs) != len(query) or names != _NEEDED or not asks:
        return Unproven("The request's proof is no query of a presigned GetCallerIdentity.")
    if query["X-Amz-SignedHeaders"] != f"host;{HEADER}":
        return Unproven(f"The request's proof is not bound to it: the header {HEADER} is not signed.")
    signed = query["X-Amz-Date"]
    if not _STAMP.fullmatch(signed):
        return Unproven("The request's proof has no time.")
    try:
        age = now - datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return Unproven("The request's proof has no time.")
    if not -SKEW <= age <= LIFETIME + SKEW:
        return Unproven(
            f"The request was signed at {signed}, and it is {now:%Y%m%dT%H%M%SZ}: a proof is good for a minute. Ask again; "
            "if it stays, set your clock."
        )
    return None
