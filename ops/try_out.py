"""Say what the loop would make of a file, without effect: by a policy file, or by what a stack has in force now.

A file is an EventBridge event; the detail of a drift report or of a request; a decision file (.csv); a monitor's
constraint_violations.json; what a training gives back; or an evaluation report. Without a stack a model has neither cooldown nor
history, nobody asks AWS whose the resources are, and without a policy it has the defaults of an empty form.

With a stack the loop's own decision is made with what the stack has now, read with the rights of whoever asks: the policy in
force, cooldown, active run, budget, breaker, kill switches, champion, tags, and the processing job that an event names. Nothing is
written, sent or started: the clients refuse everything but questions.
"""

from __future__ import annotations

import json
import shlex
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.call import PREFIX
from ops.given_files import TRIED, FileKind, FileReader, Given, default_settings, event_of, recognised
from ops.given_policies import DEFAULTS, named_bytes, policy_of
from ops.heard_signals import COLOURS
from ops.invocation import Exit, stack_command
from ops.refusals import refusal
from ops.stack import CallError, NotReachedError
from ops.stack_reading import NotKnownError, UnwrittenTable, reading_client, reading_ports, without_effect
from ops.terminal import Styled
from orchestration.actions.admit import admit
from orchestration.actions.evaluate import standing
from orchestration.domain.contracts import Decision, SignalSource
from orchestration.domain.decision import ModelState, as_tolerated, decide
from orchestration.domain.evaluation import Standing, evaluate
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import Policy, parse_policy, policy_record
from orchestration.domain.promotion import plan_promotion
from orchestration.domain.signal import Ignored, Rejection, Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import decision_uri
from orchestration.domain.signals.model_monitor import found_in, parse_violations
from orchestration.domain.training_output import TrainingOutput, read_training_output
from orchestration.steps.artifacts import champion_of, served_artifacts
from orchestration.steps.ownership import output_foreign
from orchestration.steps.policies import effective_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.ports import Ports
    from orchestration.settings import Settings

SIGNALS: Final = frozenset({FileKind.EVENT, FileKind.DRIFT_REPORT, FileKind.REQUEST, FileKind.DECISION_FILE})
"""What the loop decides on; everything else is judged by a policy."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a file. ``kind`` is what it was read as, ``answer`` the loop's word, ``good`` whether it goes on."""

    kind: str
    answer: str
    sentence: str
    good: bool
    facts: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


def given_file(name: str, body: bytes, file: Path | None = None) -> Given:
    """The file that is tried.

    Raises:
        CallError: it is none of the kinds that can be tried.
    """
    given = recognised(name, body)
    if isinstance(given, str):
        raise CallError(f"{name} {given}.")
    if given.kind is FileKind.POLICY:
        raise CallError(
            f"{name} is a policy, under which others are tried (--policy). This checks it:",
            shlex.join(("retraining", "validate", str(file or name))),
        )
    return given


# Without a stack.


def try_file(given: Given, policy: Policy, settings: Settings, now: datetime) -> Tried:
    """What the loop would make of a file under a policy. Pure.

    Raises:
        CallError: the file is of another model.
    """
    if given.kind in SIGNALS:
        return _signal(given, policy, settings, now)
    if given.kind is FileKind.EVALUATION:
        why = (
            "A champion serves"
            if policy.evaluation.champion == "endpoint"
            else f"No run of {policy.model} was promoted yet"
        )
        return _report(given, policy, Standing(True, why))
    return _violations(given, policy, now) if given.kind is FileKind.VIOLATIONS else _output(given)


def _signal(given: Given, policy: Policy, settings: Settings, now: datetime) -> Tried:
    reader = FileReader(policy.model, _decision_file(given, settings))
    found = read_signal(event_of(given, now), reader=reader, settings=settings, run_id=TRIED)
    if isinstance(found, Rejection):
        return Tried(given.read_as, Decision.REJECT, found.sentence, good=False, facts={"reason": found.reason})
    if isinstance(found, Ignored):
        return Tried(given.read_as, "IGNORED", found.sentence, good=False, facts={"reason": found.reason})
    if found.model != policy.model:
        if policy.version != DEFAULTS:
            raise CallError(
                f"The file is of {found.model}, and the policy of {policy.model}: give the policy of {found.model}."
            )
        policy = parse_policy(found.model, None, version=DEFAULTS, settings=settings)
    return _decided(given, _decision(found, policy, now))


def _decision_file(given: Given, settings: Settings) -> dict[str, bytes]:
    return {decision_uri(settings): given.body} if given.kind is FileKind.DECISION_FILE else {}


def _decided(given: Given, record: dict[str, Any]) -> Tried:
    """A decision by its record."""
    signal = mapping(record.get("signal"))
    measured = mapping(signal.get("threshold"))
    asks = bool(mapping(record.get("approval")).get("needed"))
    facts = {
        "model": record["model"],
        "kind": signal.get("kind"),
        "metric": measured.get("metric"),
        "observed": measured.get("observed"),
        "threshold": measured.get("threshold"),
        "ratio": measured.get("ratio"),
        "severity": record.get("severity"),
        "asks people": "yes" if asks else "no",
        **(_answering(mapping(mapping(record.get("policy")).get("effective"))) if asks else {}),
        "policy": record.get("policy_version"),
    }
    lines = tuple(
        f"{'pass' if guard['passed'] else 'stop'} {guard['guard']}: {guard['sentence']}" for guard in record["guards"]
    )
    decision = Decision(record["decision"])
    return Tried(given.read_as, decision, record["sentence"], decision.begins_run, facts, lines)


def _answering(policy: Mapping[str, Any]) -> dict[str, str]:
    """Who would be asked under a policy, and who later, where it says so."""
    approval = mapping(policy.get("approval"))
    names, deputies = ", ".join(policy.get("voters") or ()), ", ".join(approval.get("deputies") or ())
    found = {
        "may answer": names,
        "deputies": f"{deputies}, {approval.get('escalate_hours'):g} h after people are asked" if deputies else "",
    }
    return {name: said for name, said in found.items() if said}


def _violations(given: Given, policy: Policy, now: datetime) -> Tried:
    """Of a run that SageMaker confirms."""
    violations = parse_violations(given.body)
    if isinstance(violations, str):
        return Tried(given.read_as, Decision.REJECT, f"The report {violations}.", good=False)
    found = found_in(violations)
    signal = Signal(
        signal_id=TRIED,
        source=SignalSource.MODEL_MONITOR,
        kind=found.kind,
        model=policy.model,
        summary=f"A monitoring run found {len(violations)} violation(s).",
        observed_at=now.isoformat(),
        threshold=found.threshold,
        violations=violations,
        data_checks=found.data_checks,
        proven_by=TRIED,
    )
    tried = _decided(given, _decision(signal, policy, now))
    lines = tuple(f"{each.feature}: {each.check}: {each.description}" for each in violations[:20])
    return replace(tried, facts=tried.facts | {"violations": len(violations)}, lines=(*lines, *tried.lines))


def _decision(signal: Signal, policy: Policy, now: datetime) -> dict[str, Any]:
    """What the record of a decision says, of a model that has neither cooldown nor history."""
    signal = as_tolerated(signal, policy)
    verdict = decide(signal, policy, ModelState(), now)
    return {
        "signal": signal.as_record(),
        "model": signal.model,
        "policy_version": policy.version,
        "policy": {"effective": policy_record(policy)},
        **verdict.as_record(),
    }


def _report(given: Given, policy: Policy, against: Standing) -> Tried:
    verdict = evaluate(given.body, policy.evaluation, against)
    lines = tuple(f"{'pass' if gate.passed else 'fail'} {gate.sentence}" for gate in verdict.gates)
    return Tried(given.read_as, verdict.reason, verdict.sentence, verdict.passed, {}, lines)


def _output(given: Given) -> Tried:
    found = read_training_output(given.document, output_uri="s3://output-uri/")
    if not isinstance(found, TrainingOutput):
        return Tried(given.read_as, "FAILED", f"The training's output {found}.", good=False)
    names = ("model_data_uri", "model_package_arn", "image", "evaluation_uri")
    facts = {name: getattr(found, name) for name in names} | {"environment": dict(found.environment) or None}
    if found.model_data_uri is None and found.model_package_arn is None:
        told = "It names neither model_data_url nor model_package_arn, so there is nothing to serve or to register."
        return Tried(given.read_as, "FAILED", told, good=False, facts=facts)
    return Tried(given.read_as, "TAKEN", "The evaluation goes on with this.", good=True, facts=facts)


# With what a stack has now.


def try_now(given: Given, model: str, ports: Ports, table: UnwrittenTable) -> Tried:
    """What the loop would make of a file now, by its own code on ports that only read.

    Args:
        given: the file.
        model: of a file that names none; empty for the stack's DefaultModel.
        ports: the stack's.
        table: of that stack, which writes nothing.

    Raises:
        NotKnownError: whoever asks may not read what it hangs on.
        CallError: the stack does not know the model.
    """
    ports = without_effect(ports, table, _decision_file(given, ports.settings))
    if given.kind in SIGNALS:
        return _decided_now(given, model, ports, table)
    model = model or ports.settings.default_model
    loaded = effective_policy(ports, model)
    if loaded is None:
        raise CallError(f"The stack does not know {model}: name the model with --model.")
    policy = loaded.policy
    if given.kind is FileKind.VIOLATIONS:
        return _by(policy, _violations(given, policy, ports.now()))
    champion = champion_of(ports, policy.promotion.endpoint, model)
    if given.kind is FileKind.EVALUATION:
        return _by(policy, _report(given, policy, standing(ports, policy, serves=champion is not None)))
    tried = _output(given)
    if not tried.good:
        return _by(policy, tried)
    refused = _unusable(given, policy, ports)
    return _by(policy, replace(tried, answer="FAILED", sentence=refused, good=False) if refused else tried)


def _by(policy: Policy, tried: Tried) -> Tried:
    return replace(tried, facts={"model": policy.model, "policy": policy.version, **tried.facts})


def _decided_now(given: Given, model: str, ports: Ports, table: UnwrittenTable) -> Tried:
    event, run_id = event_of(given, ports.now()), f"{TRIED}-{uuid.uuid4()}"
    if given.kind in {FileKind.DRIFT_REPORT, FileKind.REQUEST}:
        # An event that was not sent has no id, so that no other has the same.
        event |= {"id": run_id}
    machine = ports.settings.state_machine_arn.replace(":stateMachine:", ":execution:")
    answer = admit({"event": event, "execution": {"id": f"{machine}:{run_id}", "name": run_id}}, ports)
    if table.appended:
        record = json.loads(table.appended[0].record)
        if model and record["model"] not in {model, None}:
            raise CallError(f"The file is of {record['model']}: leave --model out, or name that one.")
        return _decided(given, record)
    # An event that is ignored, or that was decided before, leaves no record.
    output = answer["output"]
    return Tried(given.read_as, output["outcome"], output["reason"], good=False, facts={"model": output["model"]})


def _unusable(given: Given, policy: Policy, ports: Ports) -> str | None:
    """Why nothing of a training's output could serve, whatever it measures; None when it could."""
    output = read_training_output(given.document, output_uri="s3://output-uri/")
    assert isinstance(output, TrainingOutput)  # noqa: S101 - what is not one was told before
    champion = champion_of(ports, policy.promotion.endpoint, policy.model)
    package = ports.sagemaker.model_package(output.model_package_arn) if output.model_package_arn else None
    if output.model_package_arn and package is None:
        return f"Model package {output.model_package_arn} does not exist, so there is nothing to promote."
    serves = policy.promotion.kind != "none"
    record = champion.as_record() if champion else None
    foreign = output_foreign(ports, policy.model, output, package, record, serves=serves)
    if foreign:
        return f"The candidate would not be used. {' '.join(foreign)}"
    for uri in served_artifacts(output, package):
        if ports.bucket.version(uri) is None:
            return f"{uri} does not exist, or may not be listed."
    plan = plan_promotion(policy.promotion, output, champion, model=policy.model, name=TRIED, tags={}, package=package)
    return plan if isinstance(plan, str) else None


@stack_command("try", stack=None)
@click.argument("file", envvar=f"{PREFIX}_FILE", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Path(path_type=Path), help="Policy it is tried under; without it that of an empty form."
)
@click.option("--model", default="", help="Model of a file that names none: an evaluation, an output, violations.")
def command(stack: Stack | None, terminal: Terminal, file: Path, policy: Path | None, model: str) -> int:
    """Say what the loop would make of a file, without effect.

    A file is an event, a drift report, a request, a decision file (.csv), a monitor's violations, a training's output or
    an evaluation. With --stack the policy and state of that stack count, and nothing is written, sent or started. Exit
    status: 0 it would go on, 1 it would not, 3 you may not look at what the answer hangs on.
    """
    given = given_file(file.name, named_bytes(file), file)
    try:
        found = _tried(given, stack, policy, model)
    except (NotKnownError, BotoCoreError, ClientError) as error:
        said = f"{error}." if isinstance(error, NotKnownError) else refusal(error)
        raise NotReachedError(f"Not known: {said} Nothing was decided.") from None
    _say(found, terminal)
    terminal.answer(
        {
            "read_as": found.kind,
            "answer": found.answer,
            "sentence": found.sentence,
            "goes_on": found.good,
            "facts": json.loads(json.dumps(_facts(found))),
            "lines": list(found.lines),
        }
    )
    return int(Exit.DONE if found.good else Exit.NO)


def _tried(given: Given, stack: Stack | None, policy_file: Path | None, model: str) -> Tried:
    if stack is None:
        settings = default_settings()
        policy = policy_of(policy_file, model, settings)
        # What names no model is DefaultModel's, here the policy's.
        return try_file(given, policy, replace(settings, default_model=policy.model), datetime.now(UTC))
    if policy_file is not None:
        raise CallError("The stack has a policy in force: leave --policy out, or leave --stack out to try another one.")
    ports = reading_ports(stack)
    return try_now(given, model, ports, UnwrittenTable(reading_client(stack, "dynamodb"), ports.settings.history_table))


def _facts(found: Tried) -> dict[str, Any]:
    return {name: value for name, value in found.facts.items() if value is not None}


def _say(found: Tried, terminal: Terminal) -> None:
    terminal.say(f"read as {found.kind}")
    terminal.say(Styled(COLOURS.get(found.answer, "bold cyan"), str(found.answer)), f"  {found.sentence}")
    terminal.facts((name, str(value)) for name, value in _facts(found).items())
    for line in found.lines:
        terminal.say(f"  {line}", hang=5)
