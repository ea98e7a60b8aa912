"""Print the latest runs of a model, or the life of one run: what was decided, asked, answered and done, in order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ops.explain import find
from ops.identities import identity_in
from ops.invocation import MOST, legal_identity, one_of, stack_command
from ops.known_models import known_models, unknown_model
from ops.stack import CallError, OperatorError, stop_command
from ops.terminal import Styled
from orchestration.domain.contracts import Status, WaitKind
from orchestration.domain.json_values import mapping, sequence
from orchestration.domain.messages import outcome_shown
from orchestration.domain.votes import answered_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.stack import Stack
    from ops.terminal import Style, Terminal
    from orchestration.domain.wait import Wait


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened in a run. ``at`` is ISO-8601 in UTC, ``what`` a status, a wait or a vote; ``facts`` are gates."""

    at: str
    what: str
    sentence: str
    facts: dict[str, str] = field(default_factory=dict)


@stack_command("history", watch=True)
@click.option("--model", default="", help="Latest runs of this model.")
@click.option(
    "--run",
    "identity",
    default="",
    envvar="RETRAINING_RUN",
    callback=legal_identity,
    help="This run, by its id; an execution or a signal will do.",
)
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="Runs shown.")
def history(stack: Stack, terminal: Terminal, *, model: str, identity: str, limit: int) -> int:
    """Print the latest runs of a model, or the life of one run.

    Exit status 1: there is no such model or run.
    """
    model, identity = one_of(model=model, identity=identity).values()
    if identity:
        return _run(stack, terminal, identity)
    if not model:
        raise CallError("Name a model or a run, --model or --run. The models there are:", stack.place.command("status"))
    return _runs(stack, terminal, model, limit)


def _runs(stack: Stack, terminal: Terminal, model: str, limit: int) -> int:
    lines = stack.table.runs_of_model(model, limit)
    if not lines and model not in (models := known_models(stack)):
        raise OperatorError(unknown_model(model, models))
    names = ("run_id", "started_at", "ended_at", "severity", "outcome", "reason")
    runs: list[dict[str, Any]] = [
        {**{name: line.get(name) for name in names}, "goes_back": bool(line.get("goes_back"))} for line in lines
    ]
    terminal.answer({"model": model, "runs": runs})
    for run in runs:
        terminal.say(f"{run['started_at'][:19]}  ", _outcome(run["outcome"], goes_back=run["goes_back"]), hang=2)
        terminal.say(f"  run {run['run_id']}")
        if run["severity"]:
            terminal.say(f"  severity {run['severity']}")
        if run["reason"]:
            terminal.say(f"  {run['reason']}")
        terminal.say()
    if runs:
        terminal.say("The life of one of them:")
        terminal.command(stack.place.command("history", run="<run>"))
    else:
        terminal.say(f"{model} has had no run. What came in of it:")
        terminal.command(stack.place.command("signals", model=model))
    return 0


def _outcome(outcome: str | None, *, goes_back: bool) -> Styled:
    style: Style = "cyan" if outcome is None else "green" if Status(outcome).fruitful else "yellow"
    return Styled(style, outcome_shown(outcome, goes_back=goes_back))


def _run(stack: Stack, terminal: Terminal, identity: str) -> int:
    run_id = identity_in(identity)
    statuses = stack.table.statuses(run_id) if run_id else []
    if not statuses:
        run_id = run_of(stack, identity)
        statuses = stack.table.statuses(run_id)
    run, waits = stack.table.run(run_id), stack.table.waits_of_run_without_tokens(run_id)
    life = lived(statuses, waits)
    manifest = json.loads(run.manifest) if run is not None else {}
    trained = next((wait.result.output for wait in waits if wait.result and wait.result.output), None)
    about: dict[str, Any] = {
        "run_id": run_id,
        "model": run.model if run else None,
        "started_at": run.started_at if run else None,
        "ended_at": run.ended_at if run else None,
        "severity": run.severity if run else None,
        "outcome": run.outcome if run else None,
        "goes_back": bool(run and run.goes_back),
        "signal_id": mapping(manifest.get("signal")).get("signal_id"),
        "execution_arn": run.execution_arn if run else None,
        "model_data_uri": trained.model_data_uri if trained else None,
        "model_package_arn": trained.model_package_arn if trained else None,
    }
    terminal.answer({**about, "moments": [asdict(each) for each in life]})
    terminal.say(f"run {run_id}")
    names = (("model", "model"), ("signal", "signal_id"), ("severity", "severity"))
    made = (("model data", "model_data_uri"), ("package", "model_package_arn"))
    outcome = _outcome(run.outcome, goes_back=run.goes_back) if run is not None else None
    facts = [(name, about[key]) for name, key in names]
    terminal.facts([*facts, ("outcome", outcome), *((name, about[key]) for name, key in made)])
    terminal.say()
    for each in life:
        terminal.say(f"{each.at[:19]}  ", Styled("bold", each.what), hang=2)
        if each.sentence:
            terminal.say(f"  {each.sentence}")
        terminal.facts(each.facts.items(), indent=4)
    if run is not None and run.outcome is None:
        terminal.say()
        terminal.say("What it waits for:")
        terminal.command(stack.place.command("waits"))
        terminal.say("What stops it, its training too:")
        terminal.command(stop_command(run.execution_arn))
    if run is not None and run.outcome is not None:
        terminal.say()
        terminal.say("Its report, with what it cost and what was read:")
        terminal.command(stack.place.command("report", run=run_id))
        if Status(run.outcome).escalates and not run.goes_back:
            terminal.say("To train again, once its cause is gone:")
            terminal.command(stack.place.command("retrain", model=run.model, reason="<why>"))
    return 0


def run_of(stack: Stack, identity: str) -> str:
    """The run that a signal or an execution began.

    Raises:
        OperatorError: it began none; the message says what was made of it.
    """
    run_id = identity_in(identity)
    if run_id and stack.table.run(run_id) is not None:
        return run_id
    found = find(stack, identity)
    if found is None:
        raise OperatorError(
            f"There is no run {identity}. The runs of a model:", stack.place.command("history", model="<model>")
        )
    heard = found.heard
    if stack.table.run(heard.run_id) is not None:
        return heard.run_id
    raise OperatorError(
        f"{identity} began no run: {heard.decision} ({heard.reason}). {heard.sentence} More:",
        stack.place.command("explain", heard.signal_id or heard.run_id),
    )


def lived(statuses: list[dict[str, Any]], waits: Iterable[Wait]) -> list[Moment]:
    """The moments of a run in the order of its life.

    Statuses keep their order, since times do not order them; between them stands what people said, and what a wait came to.
    """
    placed, latest = list[tuple[str, Moment]](), ""
    for row in statuses:
        details = mapping(row.get("details"))
        latest = max(latest, row["at"])
        sentence = details.get("sentence") or details.get("reason") or ""
        told = {"sentence", "reason"} if row["status"] == Status.CANDIDATE_EVALUATED else details.keys()
        gates = {str(name): str(value) for name, value in details.items() if name not in told}
        placed.append((latest, Moment(row["at"], str(row["status"]), sentence, gates)))
    said = {moment.sentence for _, moment in placed} | {moment.what for _, moment in placed}
    for wait in waits:
        asked = f"{wait.subject}_APPROVAL_REQUESTED".upper() in said
        moments = _moments(wait)[1:] if asked and wait.kind is WaitKind.APPROVAL else _moments(wait)
        placed += [(moment.at, moment) for moment in moments if moment.sentence not in said]
    return [moment for _, moment in sorted(placed, key=lambda each: each[0])]


def _moments(wait: Wait) -> list[Moment]:
    if wait.kind is not WaitKind.APPROVAL:
        until = str(wait.data.get("until") or wait.deadline)[:19]
        found = [Moment(wait.parked_at, f"waits for {wait.kind}", f"Until {until} at most.")]
        return found if not wait.resolved else []
    subject = wait.subject
    asked = Moment(wait.parked_at, f"asks for {subject}", f"Until {wait.deadline[:19]}: {wait.data.get('why') or ''}")
    votes = [
        Moment(
            vote["at"],
            f"{str(vote['answer']).lower()} {subject}",
            " ".join(
                filter(
                    None,
                    (
                        f"By {answered_by(vote['by'], deputy=bool(vote.get('deputy')))}, {vote['via']}.",
                        vote.get("comment"),
                    ),
                )
            ),
        )
        for vote in sequence(wait.data.get("votes"))
    ]
    result = wait.result
    if result is None or result.ruling is None:
        return [asked, *votes]
    ended = Moment(result.ruling.decided_at, f"{subject} {result.ruling.decision}".lower(), result.reason)
    return [asked, *votes, ended]
