"""Say what a policy would have made of signals: those of a stack's history, of a copy of its bucket, or of a file.

retraining simulate --policy new.json --stack fraud              the stack's own history
retraining simulate --policy new.json --history DIR              a copy of its bucket, as `aws s3 sync` makes it
retraining simulate --policy new.json --signals signals.jsonl    what monitors measured, one line each

Nothing is written, sent or started: the decisions are made here, on a virtual clock.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ops.audit.records import STRANGE
from ops.call import PREFIX
from ops.given_files import default_settings
from ops.given_policies import policy_of
from ops.invocation import stack_command
from ops.rebuilt_history import read_chain
from ops.simulation.from_file import simulate_file
from ops.simulation.history import history_of, pause_of
from ops.simulation.over_history import Reproduced, reproduce, simulate_history
from ops.simulation.page import (
    Outcome,
    Simulated,
    beside_sentence,
    measures,
    page,
    reproduced_sentence,
)
from ops.simulation.stated import Stated
from ops.simulation.tally import ModelTally, compared, summary
from ops.stack import CallError, OperatorError
from ops.stack_reading import reading_ports
from ops.terminal import Column
from orchestration.domain.chain import LOOP, RecordKind
from orchestration.domain.contracts import SMOKE_MODEL
from orchestration.domain.json_values import model_name
from orchestration.domain.records import CHAIN_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ops.simulation.history import History, Pause
    from ops.stack import Stack
    from ops.terminal import Step, Terminal
    from orchestration.domain.chain import Link
    from orchestration.domain.policy import Policy
    from orchestration.settings import Settings

STAND_IN: Final = "training-job"
"""Training target where no stack and no policy names one: without any, every signal would be held for that."""

IN_FORCE: Final = "in force then"
"""Name of the policies that were in force."""

NO_FILE: Final = "no policy file"
"""Name of the stack's own defaults."""

WHAT_IF: Final = (
    "Signals are taken as they came: a model that had been trained at another time would have drifted otherwise, and what a "
    "candidate came to is not judged again by other gates."
)


class Between(click.FloatRange):
    """A number of a range; nan, which is smaller than none and larger than none, is of none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a wrong call otherwise."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


@stack_command("simulate", stack=None)
@click.option(
    "--policy",
    "policy_file",
    envvar=f"{PREFIX}_POLICY",
    type=click.Path(path_type=Path),
    help="Policy file that is tried.",
)
@click.option(
    "--compare",
    "compare_file",
    envvar=f"{PREFIX}_COMPARE",
    type=click.Path(path_type=Path),
    help="Policy file to compare it with.",
)
@click.option(
    "--history",
    "folder",
    envvar=f"{PREFIX}_HISTORY",
    type=click.Path(path_type=Path),
    help="Folder with a copy of a stack's bucket.",
)
@click.option(
    "--signals",
    "file",
    envvar=f"{PREFIX}_SIGNALS",
    type=click.Path(path_type=Path),
    help="File of signals, one JSON object a line.",
)
@click.option("--every-model", is_flag=True, help="Of a history: try the policy on every model, not on its own alone.")
@click.option(
    "--training-hours",
    metavar="HOURS",
    type=Between(0, 10_000),
    default=2.0,
    show_default=True,
    help="A training.",
)
@click.option(
    "--answer-hours",
    metavar="HOURS",
    type=Between(0, 10_000),
    default=4.0,
    show_default=True,
    help="Until people say yes.",
)
@click.option(
    "--promoted",
    metavar="SHARE",
    type=Between(0, 1),
    default=1.0,
    show_default=True,
    help="Share of candidates that pass.",
)
@click.option("--price", metavar="PRICE", type=Between(0, 1_000_000), help="Price of one training, in any currency.")
@click.option(
    "--slots", metavar="N", type=click.IntRange(0, 50), default=0, help="Of --signals: trainings at once; 0: no limit."
)
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1, 64), default=None, help="Of --signals: processes; else one a core."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="HTML page with a timeline per model.")
def simulate(
    stack: Stack | None,
    terminal: Terminal,
    *,
    policy_file: Path | None,
    compare_file: Path | None,
    folder: Path | None,
    file: Path | None,
    every_model: bool,
    training_hours: float,
    answer_hours: float,
    promoted: float,
    price: float | None,
    slots: int,
    jobs: int | None,
    out: Path | None,
) -> int:
    """Say what a policy would have made of signals, without effect.

    Signals are those of --history, of --signals, or else of the history of --stack, whose parameters are under the policy in
    any case; without a stack they are those of an empty form. Without --policy a history is only decided again. Exit status
    1: a recorded decision did not come out again under the policy that was in force, or could not be read.
    """
    if folder is not None and file is not None:
        raise CallError("Name one of the two, --history or --signals, not both.")
    if folder is None and file is None and stack is None:
        raise CallError("Whose signals? Name --signals FILE, --history DIR or --stack NAME.")
    if file is not None and policy_file is None:
        raise CallError("A file of signals needs a policy to try: --policy FILE.")
    stated = Stated(training_hours, answer_hours, promoted)
    tried = _tried(stack, compare_file, policy_file, beside_defaults=file is not None and compare_file is None)
    if file is not None:
        found = of_file(terminal, file, tried, stated, slots=slots, jobs=jobs, price=price)
    elif len({policy.model for _, policy in tried}) > 1 and not every_model:
        of = " and ".join(f"{name} of {policy.model}" for name, policy in tried)
        raise CallError(
            f"{of} are of two models, and nothing of one lies beside the other: name two of one, or --every-model."
        )
    else:
        histories = _copied(folder) if folder is not None else _of_stack(stack)
        name = str(folder) if folder is not None else f"stack {stack.name if stack else ''}"
        found = _of_histories(terminal, histories, name, tried, stated, price, every_model=every_model)
    say(terminal, found)
    if out is not None:
        _write(terminal, out, page(found))
    terminal.answer(_record(found))
    return int(found.reproduced is not None and not found.reproduced.whole)


def settings_of(stack: Stack | None) -> Settings:
    """A stack's parameters; without one those of an empty form, and something to train with."""
    if stack is not None:
        return reading_ports(stack).settings
    return replace(default_settings(), training_pipeline_arn=STAND_IN)


def _tried(
    stack: Stack | None, compare_file: Path | None, policy_file: Path | None, *, beside_defaults: bool
) -> list[tuple[str, Policy]]:
    """Policies with their names. Without one no parameter is asked for: a history is decided again by whoever may read records."""
    files = [(file, option) for file, option in ((compare_file, "--compare"), (policy_file, "--policy")) if file]
    if not files:
        return []
    settings = settings_of(stack)
    alike = len({file.name for file, _ in files}) < len(files)
    shared = os.path.commonpath([file.absolute().parent for file, _ in files]) if alike else ""
    tried = [
        (os.path.relpath(file, shared) if alike else file.name, policy_of(file, "", settings, option))
        for file, option in files
    ]
    if beside_defaults:
        tried.insert(0, (NO_FILE, policy_of(None, tried[0][1].model, settings)))
    return tried


# A file of signals.


def of_file(
    terminal: Terminal,
    file: Path,
    tried: Sequence[tuple[str, Policy]],
    stated: Stated,
    *,
    slots: int = 0,
    jobs: int | None = None,
    price: float | None = None,
) -> Simulated:
    """What policies would have made of a file of signals.

    Raises:
        OperatorError: the file cannot be read; the sentence says where.
    """
    jobs = jobs or os.cpu_count() or 1
    try:
        with terminal.aside.progress("Signals") as step:
            tallies = simulate_file(file, tuple(tried), stated, slots=slots, jobs=jobs, step=_kilobytes(step))
    except OSError as error:
        raise CallError(f"--signals {file} cannot be read: {error.strerror}. Name a file that is there.") from None
    if not tallies[0].models:
        raise OperatorError(f"{file.name} has no signal. Write what monitors measured, one JSON object a line.")
    outcomes = tuple(Outcome(summary(each.name, list(each.models.values()), price), each.models) for each in tallies)
    said = (
        WHAT_IF,
        f"Stated: a training takes {stated.training_hours:g} h, people say yes after {stated.answer_hours:g} h, "
        f"{100 * stated.promoted:g} % of candidates pass; "
        + (f"{slots} train at once." if slots else "no training waits for another's slot."),
    )
    return _simulated(file.name, outcomes, None, said)


def _kilobytes(step: Step) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        step(done // 1000, total // 1000, "kB read")

    return told


# Histories.


def _of_stack(stack: Stack | None) -> Iterator[History]:
    assert stack is not None  # noqa: S101 - whoever calls has looked
    pauses = _pauses(stack.table.latest(LOOP))
    for model in sorted(stack.table.models()):
        links = list(stack.table.latest(model))
        yield history_of(model, reversed(links), pauses)


def _copied(folder: Path) -> Iterator[History]:
    if not folder.is_dir():
        raise CallError(f"--history {folder} is no folder. Copy the bucket there: aws s3 sync s3://BUCKET {folder}")
    names = {
        path.name
        for each in CHAIN_FOLDERS
        if (folder / each).is_dir()
        for path in (folder / each).iterdir()
        if path.is_dir()
    }
    models = sorted(name for name in names if model_name(name) is not None and name != SMOKE_MODEL)
    if not models:
        raise CallError(
            f"--history {folder} has no records: a copy of the AutomationBucket has decisions/, manifests/ and evidence/."
        )
    loop = read_chain(LOOP, _objects(folder, LOOP))
    pauses = _pauses(loop.links)
    yield history_of(LOOP, (), (), loop.findings)
    for model in models:
        chain = read_chain(model, _objects(folder, model))
        yield history_of(model, chain.links, pauses, chain.findings)


def _objects(folder: Path, chain: str) -> Iterator[tuple[str, bytes]]:
    for each in CHAIN_FOLDERS:
        for path in sorted(path for path in (folder / each / chain).rglob("*.json") if path.is_file()):
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _pauses(links: Iterable[Link]) -> list[Pause]:
    return [pause_of(json.loads(link.record)) for link in links if link.kind is RecordKind.PAUSE]


def _of_histories(
    terminal: Terminal,
    histories: Iterable[History],
    source: str,
    tried: list[tuple[str, Policy]],
    stated: Stated,
    price: float | None,
    *,
    every_model: bool,
) -> Simulated:
    """Each model's history after the other, so that one of them is in memory at a time."""
    then: dict[str, ModelTally] = {}
    tallies: list[dict[str, ModelTally]] = [{} for _ in tried]
    checks, seen, left_out = list[Reproduced](), list[str](), 0
    findings: list[str] = []
    with terminal.aside.progress("Models") as step:
        for place, history in enumerate(histories, 1):
            step(place, None, history.model)
            left_out += history.left_out
            findings += [f"{history.model}: {finding}" for finding in history.findings]
            if not history.decisions:
                continue
            seen.append(history.model)
            wanted = [
                number for number, (_, policy) in enumerate(tried) if every_model or policy.model == history.model
            ]
            policies = [replace(tried[number][1], model=history.model) for number in wanted]
            try:
                tally, check = reproduce(history, stated, until=history.until)
                others = [simulate_history(history, policy, stated, until=history.until) for policy in policies]
            except STRANGE as error:
                findings.append(
                    f"{history.model}: a record holds what nothing can be decided on ({type(error).__name__})"
                )
                continue
            checks.append(check)
            if wanted or not tried:
                then[history.model] = tally
            for number, other in zip(wanted, others, strict=True):
                tallies[number][history.model] = other
    unread = f": {'; '.join(findings[:3])}" if findings else ""
    if not seen:
        raise OperatorError(f"{source} has no decision that could be made again{unread}.")
    missing = sorted({policy.model for _, policy in tried} - set(seen))
    if missing and not every_model:
        raise OperatorError(
            f"{source} has no decision on {', '.join(missing)}{unread}. It has {', '.join(seen[:10])}; --every-model tries the "
            "policy on each."
        )
    differences = [check.first for check in checks if check.first is not None]
    reproduced = Reproduced(
        sum(check.same for check in checks),
        sum(check.recorded for check in checks),
        min(differences, key=lambda each: each.at, default=None),
        tuple(findings),
    )
    outcomes = [Outcome(summary(IN_FORCE, list(then.values()), price), then)]
    outcomes += [
        Outcome(summary(name, list(models.values()), price), models)
        for (name, _), models in zip(tried, tallies, strict=True)
    ]
    said = [WHAT_IF] if tried else []
    if tried:
        said.append(
            "A run that began as one of the history did comes to what that came to, in its time; any other takes the phases of the "
            "run that began nearest to it."
        )
    if left_out:
        said.append(f"{left_out:,} recorded decisions were not decided again: rejections, or of before what is there.")
    return _simulated(source, tuple(outcomes), reproduced, tuple(said))


# What is said.


def _simulated(
    source: str, outcomes: tuple[Outcome, ...], reproduced: Reproduced | None, said: tuple[str, ...]
) -> Simulated:
    first = outcomes[0].models.values()
    beside = tuple(compared(each.models.values(), first) for each in outcomes[1:])
    return Simulated(source, outcomes, beside, reproduced, said)


def say(terminal: Terminal, found: Simulated) -> None:
    """Say what a simulation found."""
    summaries = [each.summary for each in found.outcomes]
    if found.reproduced is not None:
        terminal.say(reproduced_sentence(found.reproduced))
        terminal.say()
    terminal.table(("counted", *(Column(each.policy, right=True) for each in summaries)), measures(summaries))
    terminal.say()
    for each, beside in zip(summaries[1:], found.beside, strict=True):
        terminal.say(beside_sentence(each.policy, summaries[0].policy, beside))
    for line in found.said:
        terminal.say(line)


def _record(found: Simulated) -> dict[str, Any]:
    reproduced = found.reproduced
    return {
        "source": found.source,
        "reproduced": None if reproduced is None else asdict(reproduced),
        "policies": [
            {
                **each.summary.as_record(),
                "beside": None if place == 0 else found.beside[place - 1].as_record(),
                "models_started": {name: len(tally.trainings) for name, tally in sorted(each.models.items())},
            }
            for place, each in enumerate(found.outcomes)
        ],
        "said": list(found.said),
    }


def _write(terminal: Terminal, path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CallError(f"--out {path} cannot be written: {error.strerror}.") from None
    terminal.say(f"Page: {path}")
