"""Make a page to look at: of one run, of a model's life, or of all models with a line each.

retraining report                      all models
retraining report --model fraud        everything that happened to fraud
retraining report --run 4ba7853c-...   one run, as the loop reported it; with --prices FILE by the prices of your Region
"""

from __future__ import annotations

import itertools
import json
import re
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.history import run_of
from ops.invocation import legal_identity, one_of, stack_command
from ops.known_models import nothing_of
from ops.life_page import life_page, models_page, spark_text
from ops.model_life import Life, life_of
from ops.prices import given_prices
from ops.record_schemas import schema_finding
from ops.stack import CallError, OperatorError
from orchestration.domain.chain import LOOP
from orchestration.domain.costs import Cost
from orchestration.domain.json_values import json_object, mapping
from orchestration.domain.records import report_key
from orchestration.domain.run_report import REPORT_VERSION, PriceShown, priced
from orchestration.steps.reports import pages, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.prices import Prices


@stack_command("report")
@click.option("--model", default="", help="Everything that happened to this model.")
@click.option(
    "--run",
    "identity",
    default="",
    envvar="RETRAINING_RUN",
    callback=legal_identity,
    help="This run, as the loop reported it.",
)
@click.option(
    "--prices", type=click.Path(), help="With --run: reckon it by this table, which `retraining prices` wrote."
)
@click.option("--out", type=click.Path(dir_okay=False), help="File to write; else report-<what>.html, here.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
def report(
    stack: Stack, terminal: Terminal, *, model: str, identity: str, prices: str | None, out: str | None, opens: bool
) -> int:
    """Make a page to look at: of one run, of a model's life, or of all models with a line each.

    Exit status 1: what it is to be of is not there, or goes on.
    """
    model, identity = one_of(model=model, identity=identity).values()
    if prices and not identity:
        raise CallError("--prices is for the report of a run: name it with --run.")
    if identity:
        table = given_prices(prices) if prices else None
        run_id = run_of(stack, identity)
        made = run_pages(stack, run_id, table)
        name, page, record = f"run-{run_id}", made["html"], json.loads(made["json"])
        _say_price(terminal, record)
    elif model:
        life = model_life(stack, model)
        name, page, record = model, life_page(life).encode(), life.as_record()
    else:
        lives = [model_life(stack, each) for each in sorted(stack.table.models())]
        for life in lives:
            runs = len(life.runs) + life.runs_left_out
            terminal.say(f"{life.model:<24} {spark_text(life, lives)}  {life.signals} signals, {runs} runs", hang=2)
        name, page = "models", models_page(lives).encode()
        record = {"schema_version": 1, "kind": "models", "models": [each.as_record() for each in lives]}
    if out or opens or not terminal.is_document:
        _write(terminal, Path(out or f"report-{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:120]}.html"), page, opens=opens)
    terminal.answer(record)
    return 0


def _say_price(terminal: Terminal, record: dict[str, Any]) -> None:
    """Say what a run cost, phase by phase; a report of another version, or one the loop did not write, does not."""
    if record.get("schema_version") != REPORT_VERSION or schema_finding(record) is not None:
        return
    for phase in record["phases"]:
        for cost in phase["costs"]:
            terminal.say(f"{cost['what']}: {Cost(**cost).told}", hang=2)
    terminal.say(priced(PriceShown(**record["price"])), hang=2)


def run_pages(stack: Stack, run_id: str, prices: Prices | None = None) -> dict[str, bytes]:
    """The report of a run by suffix, as it lies in the bucket; made here of the records where none lies there, or by other prices.

    Raises:
        OperatorError: there is no such run, or it goes on.
    """
    run = stack.table.run(run_id)
    if run is None:
        raise OperatorError(
            f"There is no run {run_id}. Those of a model:", stack.place.command("history", model="<model>")
        )
    if run.outcome is None:
        raise OperatorError(
            f"Run {run_id} goes on, and is reported when it has ended. How far it is:",
            stack.place.command("history", run=run_id),
        )

    def read(key: str) -> bytes | None:
        return stack.bucket.read(stack.bucket.uri(key)).body

    if prices is not None:
        return pages(read_records(read, stack.bucket.name, run.model, run_id), prices)
    found = {suffix: read(report_key(run.model, run_id, suffix)) for suffix in ("json", "html")}
    written = {suffix: body for suffix, body in found.items() if body is not None}
    if len(written) < len(found):
        return pages(read_records(read, stack.bucket.name, run.model, run_id))
    if not mapping(json_object(written["json"])):
        raise OperatorError(
            f"The report of run {run_id} in the bucket is not one that the loop wrote. What else is not:",
            stack.place.command("verify-audit", model=run.model),
        )
    return written


def model_life(stack: Stack, model: str) -> Life:
    """A model's life, of its chain and of the switches that are over everything.

    Raises:
        OperatorError: nothing is on record of it.
    """
    own = _records(stack, model)
    first = next(own, None)
    if first is None:
        raise OperatorError(nothing_of(stack, model))
    return life_of(model, itertools.chain([first], own, _records(stack, LOOP)))


def _records(stack: Stack, chain: str) -> Iterator[dict[str, Any]]:
    for link in stack.table.latest(chain):
        record = mapping(json_object(link.record))
        if not record:
            raise OperatorError(
                f"Record {link.sequence} of {chain} cannot be read, so nothing was drawn. What became of it:",
                stack.place.command("verify-audit", model=None if chain == LOOP else chain),
            )
        yield record


def _write(terminal: Terminal, path: Path, page: bytes, *, opens: bool) -> None:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise CallError(f"{path} cannot be written ({error.strerror}): name another file with --out.") from None
    terminal.say(f"Written: {path}")
    if opens:
        webbrowser.open(path.resolve().as_uri())
