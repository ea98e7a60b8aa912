"""AWS's Price List of a Region, as the bulk API publishes it, and the table of prices it gives. Pure but for `fetched`.

Source: AWS Billing user guide, "Getting price list files manually" and "Reading the service price list file for an AWS
service": products by SKU with their attributes, and OnDemand terms by SKU with price dimensions. Which attributes name an
instance is not documented; the usage types are those of a bill, such as USE1-Train:ml.m5.large.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from ops.stack import NotReachedError, OperatorError
from orchestration.domain.jobs import Use
from orchestration.domain.json_values import mapping, number, text
from orchestration.domain.prices import MOST_USD, Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

PRICE_LIST: Final = "https://pricing.us-east-1.amazonaws.com"
"""Of all Regions of the partitions aws and aws-us-gov; nobody has to be signed in."""

PATH: Final = "/offers/v1.0/aws/{service}/current/{region}/index.json"

INSTANCES: Final = re.compile(r"(?:[A-Z0-9]+-)?(Train|Processing|Host):(ml\.[a-z0-9.-]+)")
"""Usage types of an hour of an instance. Those of spot capacity, warm pools and notebooks have other words before the colon."""

USES: Final = {"Train": Use.TRAINING, "Processing": Use.PROCESSING, "Host": Use.HOSTING}

TRANSITIONS: Final = re.compile(r"(?:[A-Z0-9]+-)?StateTransition")
"""Usage type of a state transition of a Standard workflow."""

LIST_BYTES: Final = 400_000_000
"""Most that is read of a list."""

PATIENCE_SECONDS: Final = 60.0


def address_of(service: str, region: str) -> str:
    """Where the Price List of a service in a Region is published."""
    return f"{PRICE_LIST}{PATH.format(service=service, region=region)}"


def fetched(service: str, region: str) -> dict[str, Any] | None:
    """The Price List of a service in a Region; None where AWS has none.

    Raises:
        NotReachedError: it was not given.
        OperatorError: what came is no Price List.
    """
    address = address_of(service, region)
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the address is ours
            body = answer.read(LIST_BYTES + 1)
            left = answer.length or 0
    except urllib.error.HTTPError as error:
        if error.code in {403, 404}:
            return None
        raise NotReachedError(f"{address} answered {error.code} {error.reason}.") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise NotReachedError(
            f"{address} was not reached ({reason}). Ask from a machine that reaches it, and take the table along."
        ) from None
    if left and len(body) <= LIST_BYTES:
        raise NotReachedError(f"{address} was cut off after {len(body)} bytes. Ask again.")
    try:
        found = json.loads(body) if len(body) <= LIST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if mapping(found).get("offerCode") != service:
        raise OperatorError(f"{address} is no Price List of {service}.")
    return mapping(found)


def prices_of(
    region: str, instances: dict[str, Any], transitions: dict[str, Any] | None
) -> tuple[Prices, list[str]] | None:
    """The table that the Price Lists of a Region give, and what has more than one price, which it leaves out.

    Args:
        region: the Region.
        instances: AmazonSageMaker's.
        transitions: AmazonStates's; None where there is none.

    Returns:
        None where they name no instance by a usage type that is known.
    """
    found: dict[tuple[Use, str], set[float]] = {}
    location = region
    for usage, attributes, prices in _priced(instances, region, "Hrs"):
        if named := INSTANCES.fullmatch(usage):
            location = text(attributes.get("location"), 100) or location
            found.setdefault((USES[named[1]], named[2]), set()).update(prices)
    if not found:
        return None
    hourly: dict[str, dict[str, float]] = {}
    for (use, kind), several in sorted(found.items()):
        if len(several) == 1:
            hourly.setdefault(use, {})[kind] = min(several)
    passed = _priced(transitions or {}, region, None)
    of_transitions = {price for usage, _, given in passed if TRANSITIONS.fullmatch(usage) for price in given}
    table = Prices(
        region=region,
        location=location,
        date=(text(instances.get("publicationDate"), 40) or "no date")[:10],
        source=", version ".join(filter(None, ("the Price List of AWS", text(instances.get("version"), 40)))),
        transition=min(of_transitions) if len(of_transitions) == 1 else None,
        hourly=hourly,
    )
    return table, [f"{kind} for {use}" for (use, kind), several in sorted(found.items()) if len(several) > 1]


def _priced(
    price_list: dict[str, Any], region: str, unit: str | None
) -> Iterator[tuple[str, dict[str, Any], set[float]]]:
    """Usage type, attributes and prices above none in USD of each product of a Region that is sold on demand."""
    terms = mapping(mapping(price_list.get("terms")).get("OnDemand"))
    for sku, product in mapping(price_list.get("products")).items():
        attributes = mapping(mapping(product).get("attributes"))
        if (
            attributes.get("regionCode", region) != region
            or attributes.get("locationType", "AWS Region") != "AWS Region"
        ):
            continue
        given = {
            price
            for term in mapping(terms.get(sku)).values()
            for dimension in mapping(mapping(term).get("priceDimensions")).values()
            if (unit is None or mapping(dimension).get("unit") == unit)
            and 0 < (price := number(mapping(mapping(dimension).get("pricePerUnit")).get("USD")) or 0.0) <= MOST_USD
        }
        if given:
            yield str(attributes.get("usagetype")), attributes, given
