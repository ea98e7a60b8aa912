"""Write a table of a Region's list prices, of AWS's public Price List, for the reports of runs.

retraining prices --region eu-west-1
retraining report --run 4ba7853c-... --prices prices.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ops.file_reading import bytes_of
from ops.invocation import account_command
from ops.price_list import address_of, fetched, prices_of
from ops.stack import CallError, OperatorError
from orchestration.domain.json_values import json_object
from orchestration.domain.prices import Prices, read_prices

if TYPE_CHECKING:
    import boto3

    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

FILE: Final = "prices.json"


@account_command("prices")
@click.option("--out", type=click.Path(dir_okay=False), help=f"File to write; else {FILE}, here.")
def prices(session: boto3.Session, place: Place, terminal: Terminal, *, out: str | None) -> int:
    """Write the list prices of a Region, of AWS's public Price List.

    Nobody has to be signed in, and no stack has to be there. Exit status 1: AWS lists no prices of the Region.
    """
    del session  # whose Region is that of ``place``
    if place.region.startswith("cn-"):
        raise CallError("Prices of China are in CNY, and a report reckons in USD: there is no table of them.")
    terminal.say(f"Reading AWS's Price List of {place.region} ...")
    instances, transitions = (fetched(service, place.region) for service in ("AmazonSageMaker", "AmazonStates"))
    address = address_of("AmazonSageMaker", place.region)
    if instances is None:
        raise OperatorError(f"AWS has no Price List of SageMaker in {place.region}: {address}")
    found = prices_of(place.region, instances, transitions)
    if found is None:
        raise OperatorError(f"{address} names no price of an instance by a usage type that is known here.")
    table, unclear = found
    if out or not terminal.is_document:
        path = Path(out or FILE)
        try:
            path.write_text(json.dumps(table.as_record(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OperatorError(f"{path} cannot be written ({error.strerror}): name another file with --out.") from None
        many = sum(map(len, table.hourly.values()))
        terminal.say(f"Written: {path}, {many} prices of {table.location} of {table.date}.")
        if table.transition is None:
            terminal.say("State transitions have no one price in the list, so the table has none.")
        if unclear:
            terminal.say(f"More than one price, so left out: {', '.join(unclear)}.")
        terminal.say("The report of a run by these prices:")
        terminal.command(place.command("report", run="<run>", prices=str(path)))
    terminal.answer(table.as_record())
    return 0


def given_prices(path: str) -> Prices:
    """A table from a file.

    Raises:
        CallError: it cannot be read, or is none.
    """
    try:
        body = bytes_of(Path(path))
    except OSError as error:
        raise CallError(f"{path} cannot be read ({error.strerror}).") from None
    document = json_object(body)
    found = document if isinstance(document, str) else read_prices(document)
    if isinstance(found, str):
        raise CallError(f"{path} {found}.")
    return found
