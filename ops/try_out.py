"""Say what the loop would make of a file, without a stack and without effect.

make try FILE=report.json POLICY=policies/fraud.json
make try FILE=evaluation.json POLICY=policies/fraud.json JSON=1

FILE is an EventBridge event; the detail of a drift report; a decision file (.csv); a monitor's constraint_violations.json; what a
training gives back; or an evaluation report. Without POLICY= a model has the defaults of an empty form; a model that has
neither cooldown nor history is looked at, and nobody asks AWS whose the resources are.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.explain import COLOURS
from ops.stack import USAGE_ERROR, OperatorError, truth, variable
from ops.template import sources
from ops.terminal import Styled, Terminal
from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, Decision, SignalKind, SignalSource
from orchestration.domain.decision import ModelState, decide, severity_of
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.errors import PolicyError
from orchestration.domain.evaluation import METRIC_GROUPS, Standing, evaluate
from orchestration.domain.json_values import json_object
from orchestration.domain.monitor_run import RunListing
from orchestration.domain.policy import Policy, parse_policy
from orchestration.domain.signal import Ignored, Rejection, Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import decision_uri
from orchestration.domain.signals.model_monitor import parse_violations, worst_threshold
from orchestration.domain.training_output import TrainingOutput, read_training_output
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULTS: Final = "defaults"
"""Version of the policy of a model that has no file."""

TRIED: Final = "try-out"
"""Name of the execution that an event would start."""

OUTPUT_KEYS: Final = frozenset({"model_data_url", "model_data_uri", "model_package_arn", "evaluation_uri"})
"""Keys by which a training's output is known."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a file. ``kind`` is what it was read as, ``answer`` the loop's word, ``good`` whether it goes on."""

    kind: str
    answer: str
    sentence: str
    good: bool
    facts: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reader:
    """What an event refers to, as far as there is something without a stack: the decision file that is tried."""

    model: str
    documents: dict[str, bytes]

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        """Nobody asks SageMaker."""
        del name
        return None

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """Nobody asks SageMaker."""
        del schedule, endpoint, job_arn
        return RunListing()

    def pipeline_check(self, job_arn: str) -> None:
        """Nobody asks SageMaker."""
        del job_arn

    def read_document(self, uri: str) -> Document:
        """The file that is tried, where it is the decision file."""
        body = self.documents.get(uri)
        return Document(uri, body, "try") if body is not None else Document(uri, unreadable=Unreadable.MISSING)

    def model_of_endpoint(self, endpoint: str) -> str | None:
        """Every endpoint is the policy's model's."""
        del endpoint
        return self.model

    def model_of_schedule(self, schedule: str) -> str | None:
        """Every schedule is the policy's model's."""
        del schedule
        return self.model

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        """Nothing waits."""
        del model
        return None

    def kept_request(self, request_id: str) -> Any:
        """Nobody asked."""
        del request_id

    def silence(self, model: str) -> None:
        """Nobody listens."""
        del model


def defaults() -> Settings:
    """What the function of a stack with an empty form is told; what the stack would make has its own name instead."""
    template = sources()
    given = template["Resources"]["OrchestrationFunction"]["Properties"]["Environment"]["Variables"]
    parameters = template["Parameters"]

    def value(name: str, source: Any) -> str:
        if isinstance(source, dict) and source.get("Ref") in parameters:
            return str(parameters[source["Ref"]].get("Default", ""))
        return "0" if name == "EVIDENCE_LOCK_DAYS" else name.lower().replace("_", "-")

    return Settings.from_env({name: value(name, source) for name, source in given.items()})


def try_file(name: str, body: bytes, policy: Policy, settings: Settings, now: datetime) -> Tried:
    """What the loop would make of a file, by its name and its bytes. Pure.

    Raises:
        OperatorError: it is none of the kinds that can be tried.
    """
    if name.endswith(".csv"):
        reader = _Reader(policy.model, {decision_uri(settings): body})
        return _signal("decision file", {}, reader, policy, settings, now)
    document = json_object(body, nan=True)
    if isinstance(document, str):
        raise OperatorError(f"{name} {document}.")
    if isinstance(document.get("violations"), list):
        return _violations(body, policy)
    if any(group in document for group in METRIC_GROUPS):
        return _report(body, policy)
    if OUTPUT_KEYS & document.keys():
        return _output(document)
    reader = _Reader(policy.model, {})
    if "detail-type" in document:
        return _signal(f"event {document['detail-type']!r}", document, reader, policy, settings, now)
    event = {
        "source": DRIFT_SOURCE,
        "detail-type": DRIFT_DETECTED,
        "time": now.isoformat(),
        "id": TRIED,
        "detail": document,
    }
    return _signal("drift report", event, reader, policy, settings, now)


def _signal(
    kind: str, event: dict[str, Any], reader: _Reader, policy: Policy, settings: Settings, now: datetime
) -> Tried:
    found = read_signal(event, reader=reader, settings=settings, run_id=TRIED)
    if isinstance(found, Rejection):
        return Tried(kind, Decision.REJECT, found.sentence, good=False, facts={"reason": found.reason})
    if isinstance(found, Ignored):
        return Tried(kind, "IGNORED", found.sentence, good=False, facts={"reason": found.reason})
    if found.model != policy.model:
        if policy.version != DEFAULTS:
            raise OperatorError(
                f"The file is of {found.model}, and the policy of {policy.model}: give the policy of {found.model}."
            )
        policy = parse_policy(found.model, None, version=DEFAULTS, settings=settings)
    verdict = decide(found, policy, ModelState(), now)
    measured = found.threshold
    facts = {
        "model": found.model,
        "kind": found.kind,
        "metric": measured and measured.metric,
        "observed": measured and measured.observed,
        "threshold": measured and measured.threshold,
        "ratio": measured and measured.ratio,
        "severity": verdict.severity,
        "asks people": "yes" if verdict.approval_needed else "no",
        "policy": policy.version,
    }
    lines = tuple(
        f"{'pass' if guard.decision is None else 'stop'} {guard.guard}: {guard.sentence}" for guard in verdict.guards
    )
    return Tried(kind, verdict.decision, verdict.sentence, verdict.decision is Decision.RETRAIN, facts, lines)


def _violations(body: bytes, policy: Policy) -> Tried:
    kind, found = "violations of a monitor", parse_violations(body)
    if isinstance(found, str):
        return Tried(kind, Decision.REJECT, f"The report {found}.", good=False)
    worst = worst_threshold(found)
    signal = Signal(
        "", SignalSource.MODEL_MONITOR, SignalKind.DRIFT, policy.model, "", "", threshold=worst, proven_by="try"
    )
    severity = severity_of(signal, policy)
    facts = {
        "violations": len(found),
        "worst": worst and worst.metric,
        "observed": worst and worst.observed,
        "threshold": worst and worst.threshold,
        "ratio": worst and worst.ratio,
    }
    lines = tuple(f"{each.feature}: {each.check}: {each.description}" for each in found[:20])
    sentence = (
        f"{len(found)} violation(s) count as {severity}, which the policy answers with {policy.actions[severity]}."
    )
    return Tried(kind, str(severity), sentence, bool(found), facts, lines)


def _report(body: bytes, policy: Policy) -> Tried:
    why = (
        "A champion serves"
        if policy.evaluation.champion == "endpoint"
        else f"No run of {policy.model} was promoted yet"
    )
    verdict = evaluate(body, policy.evaluation, Standing(True, why))
    lines = tuple(f"{'pass' if gate.passed else 'fail'} {gate.sentence}" for gate in verdict.gates)
    return Tried("evaluation report", verdict.reason, verdict.sentence, verdict.passed, {}, lines)


def _output(document: dict[str, Any]) -> Tried:
    kind, found = "output of a training", read_training_output(document, output_uri="s3://output-uri/")
    if not isinstance(found, TrainingOutput):
        return Tried(kind, "FAILED", f"The training's output {found}.", good=False)
    names = ("model_data_uri", "model_package_arn", "image", "evaluation_uri")
    facts = {name: getattr(found, name) for name in names} | {"environment": dict(found.environment) or None}
    if found.model_data_uri is None and found.model_package_arn is None:
        told = "It names neither model_data_url nor model_package_arn, so there is nothing to serve or to register."
        return Tried(kind, "FAILED", told, good=False, facts=facts)
    return Tried(kind, "TAKEN", "The evaluation goes on with this.", good=True, facts=facts)


def _policy(options: argparse.Namespace, settings: Settings) -> Policy:
    if not options.policy:
        return parse_policy(options.model or settings.default_model, None, version=DEFAULTS, settings=settings)
    path = Path(options.policy)
    body = path.read_bytes()
    document = json_object(body)
    named = document.get("model") if isinstance(document, dict) else None
    try:
        return parse_policy(str(options.model or named or path.stem), body, version=path.name, settings=settings)
    except PolicyError as error:
        raise OperatorError(f"{error} make validate POLICY={path} says all of it.") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 it would go on, 1 it would not, 2 wrong usage."""
    arguments = argparse.ArgumentParser(prog="make try", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("--file", default=variable("FILE"), help="what is tried (FILE=)")
    arguments.add_argument("--policy", default=variable("POLICY"), help="the policy it is tried under (POLICY=)")
    arguments.add_argument("--model", default=variable("MODEL"), help="the model, where neither names it (MODEL=)")
    arguments.add_argument("--json", action="store_true", default=truth(variable("JSON")), help="as JSON (JSON=1)")
    options = arguments.parse_args(argv)
    terminal, errors = Terminal(), Terminal(errors=True)
    if not options.file:
        errors.say("FILE= is missing. Example: make try FILE=report.json POLICY=policies/fraud.json")
        return USAGE_ERROR
    try:
        settings = defaults()
        path, policy = Path(options.file), _policy(options, settings)
        # What names no model is DefaultModel's, here the policy's.
        settings = replace(settings, default_model=policy.model)
        found = try_file(path.name, path.read_bytes(), policy, settings, datetime.now(UTC))
    except OSError as error:
        errors.say(Styled("red", f"{error.filename} cannot be read: {error.strerror}."))
        return USAGE_ERROR
    except OperatorError as error:
        errors.say(Styled("red", str(error)))
        return USAGE_ERROR
    _say(found, terminal, as_json=options.json)
    return 0 if found.good else 1


def _say(found: Tried, terminal: Terminal, *, as_json: bool) -> None:
    facts = {name: value for name, value in found.facts.items() if value is not None}
    if as_json:
        told = {"read_as": found.kind, "answer": found.answer, "sentence": found.sentence, "goes_on": found.good}
        terminal.json({**told, "facts": json.loads(json.dumps(facts)), "lines": list(found.lines)})
        return
    terminal.say(f"read as {found.kind}")
    terminal.say(Styled(COLOURS.get(found.answer, "bold cyan"), str(found.answer)), f"  {found.sentence}")
    for name, value in facts.items():
        terminal.say(f"  {name:<14} {value}")
    for line in found.lines:
        terminal.say(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
