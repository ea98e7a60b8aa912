"""Make a page to look at: of one run, of a model's life, or of all models with a line each.

retraining report                      all models
retraining report --model fraud        everything that happened to fraud
retraining report --run 4ba7853c-...   one run, as the loop reported it
"""

from __future__ import annotations

import itertools
import json
import re
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.life_page import life_page, models_page, spark_text
from ops.model_life import Life, life_of
from ops.stack import OperatorError
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import LOOP
from orchestration.domain.records import report_key
from orchestration.steps.reports import pages, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stack import Stack
    from ops.terminal import Terminal


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What is asked for. ``out`` None: a file named after it, here; ``json`` prints it for programs and writes no file."""

    model: str = ""
    run: str = ""
    out: str | None = None
    open: bool = False
    json: bool = False


def report(stack: Stack, terminal: Terminal, options: ReportOptions) -> int:
    """Make the page. Exit status 0; 1 when what it is to be of is not there or has not ended.

    Raises:
        OperatorError: there is no such run or model, or the run goes on.
    """
    if options.run:
        made = run_pages(stack, options.run)
        return _give(terminal, options, f"run-{options.run}", made["html"], json.loads(made["json"]))
    if options.model:
        life = model_life(stack, options.model)
        return _give(terminal, options, options.model, life_page(life).encode(), life.as_record())
    lives = [model_life(stack, model) for model in sorted(stack.table.models())]
    if not options.json:
        for life in lives:
            terminal.say(
                f"{life.model:<24} {spark_text(life, lives)}  {life.signals} signals, {len(life.runs) + life.runs_left_out} runs"
            )
    record = {"schema_version": 1, "kind": "models", "models": [life.as_record() for life in lives]}
    return _give(terminal, options, "models", models_page(lives).encode(), record)


def run_pages(stack: Stack, run_id: str) -> dict[str, bytes]:
    """The report of a run by suffix, as it lies in the bucket; made here of the records where none lies there.

    Raises:
        OperatorError: there is no such run, or it goes on.
    """
    run = stack.table.run(run_id)
    if run is None:
        raise OperatorError(f"There is no run {run_id}. The history of its model lists the runs there are.")
    if run.outcome is None:
        raise OperatorError(f"Run {run_id} goes on, and is reported when it has ended. Its history says how far it is.")

    def read(key: str) -> bytes | None:
        return stack.bucket.read(stack.bucket.uri(key)).body

    found = {suffix: read(report_key(run.model, run_id, suffix)) for suffix in ("json", "html")}
    written = {suffix: body for suffix, body in found.items() if body is not None}
    return written if len(written) == len(found) else pages(read_records(read, stack.bucket.name, run.model, run_id))


def model_life(stack: Stack, model: str) -> Life:
    """A model's life, of its chain and of the switches that are over everything.

    Raises:
        OperatorError: nothing is on record of it.
    """
    own = _records(stack, model)
    first = next(own, None)
    if first is None:
        raise OperatorError(f"Nothing is on record of {model}. The status of the stack lists its models.")
    return life_of(model, itertools.chain([first], own, _records(stack, LOOP)))


def _records(stack: Stack, chain: str) -> Iterator[dict[str, Any]]:
    for link in stack.table.latest(chain):
        yield json.loads(link.record)


def _give(terminal: Terminal, options: ReportOptions, name: str, page: bytes, record: dict[str, Any]) -> int:
    if options.json and options.out is None:
        terminal.json(record)
        return 0
    path = Path(options.out or f"report-{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:120]}.html")
    try:
        path.write_bytes(canonical(record).encode() if options.json else page)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror}): name another file with --out.") from None
    terminal.say(f"Written: {path}")
    if options.open:
        webbrowser.open(path.resolve().as_uri())
    return 0
