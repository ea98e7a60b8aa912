"""The report of a run: what it was begun for, which way it went, what it came to. Pure.

Made of the run's records and of one table of prices, so the same run gives the same report whenever and by whomever it is made. A
record that is not there, as of a run of an earlier release, is said to be not known. What is long is cut and what is many is
counted: the records have all of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.console_links import Console
from orchestration.domain.contracts import OUTCOMES, Status
from orchestration.domain.costs import COUNTED, SERVING, Cost, Tariff, endpoint_costs, fleet_shown, training_costs
from orchestration.domain.gates import NAME_SHOWN, SENTENCE_SHOWN, GateShown, gate_shown
from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.records import RUN_RECORDS, decision_key, evidence_key, manifest_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestration.domain.prices import Prices

REPORT_VERSION: Final = 2
"""``schema_version`` of a report, of its JSON and of its page. An audit makes those of this version again and compares."""

GUARDS_SHOWN: Final = 24
GATES_SHOWN: Final = 12
VOTES_SHOWN: Final = 12
VIOLATIONS_SHOWN: Final = 6
VIOLATIONS_COUNTED: Final = 1_000_000
DIGESTS_SHOWN: Final = 17
"""Characters of a text and rows of a table: all at their limits are less than 150 KB, and two printed pages."""

LANES: Final = (
    ("Decide", ("ReadRetrainingDecision",), ("NoRetrainingNeeded", "SignalRejected")),
    ("Ask, queue", ("RequestTrainingApproval", "AcquireTrainingSlot"), ("ApprovalRejected", "ApprovalExpired")),
    (
        "Train, judge",
        ("TriggerTrainingPipeline", "EvaluateCandidate"),
        ("TrainingFailed", "TrainingTimedOut", "NoCapacity"),
    ),
    (
        "Serve",
        ("RequestPromotionApproval", "PromoteCandidate", "AwaitBake", "RequestBakeApproval"),
        ("CandidateRejected", "RetrainingStopped", "RetrainingSuperseded"),
    ),
    ("Undo, finish", ("RollBackEndpoint", "FinishPromotion"), ("RolledBack", "RollbackFailed")),
    (
        "Record",
        ("RecordOutcome", "RecordFailure", "EscalateUnrecorded"),
        ("ModelPromoted", "RetrainingCompleted", "RetrainingFailed"),
    ),
)
"""Phase of the workflow, its states, and the ends reached from it."""

END_OF: Final = {
    Status.PROMOTED: "ModelPromoted",
    Status.TRAINED: "RetrainingCompleted",
    Status.CANDIDATE_REJECTED: "CandidateRejected",
    Status.APPROVAL_REJECTED: "ApprovalRejected",
    Status.APPROVAL_EXPIRED: "ApprovalExpired",
    Status.STOPPED: "RetrainingStopped",
    Status.SUPERSEDED: "RetrainingSuperseded",
    Status.TRAINING_FAILED: "TrainingFailed",
    Status.TRAINING_TIMED_OUT: "TrainingTimedOut",
    Status.NO_CAPACITY: "NoCapacity",
    Status.ROLLED_BACK: "RolledBack",
    Status.ROLLBACK_FAILED: "RollbackFailed",
    Status.FAILED: "RetrainingFailed",
}
"""The workflow's state that an outcome ends in."""

PASSED_BY: Final = {
    "RequestTrainingApproval": (Status.TRAINING_APPROVAL_REQUESTED,),
    "AcquireTrainingSlot": (Status.TRAINING_QUEUED, Status.TRAINING_WAITING, Status.TRAINING_STARTED),
    "TriggerTrainingPipeline": (Status.TRAINING_WAITING, Status.TRAINING_STARTED),
    "EvaluateCandidate": (Status.TRAINING_FINISHED, Status.CANDIDATE_EVALUATED),
    "RequestPromotionApproval": (Status.PROMOTION_APPROVAL_REQUESTED,),
    "PromoteCandidate": (Status.PROMOTION_STARTED,),
    "AwaitBake": (Status.BAKE_APPROVAL_REQUESTED, Status.PROMOTION_BAKED),
    "RequestBakeApproval": (Status.BAKE_APPROVAL_REQUESTED,),
    "RollBackEndpoint": (Status.ROLLBACK_STARTED,),
}
"""Statuses that say that a run came to a state."""

WITH_CHOICE: Final = frozenset(
    {
        "ReadRetrainingDecision",
        "RequestTrainingApproval",
        "AcquireTrainingSlot",
        "EvaluateCandidate",
        "RequestPromotionApproval",
        "PromoteCandidate",
        "AwaitBake",
        "RequestBakeApproval",
        "RecordOutcome",
    }
)
"""States that a Choice follows, which is a transition of its own."""

ASKED: Final = ("training", "promotion", "bake")
"""What people are asked about, in the order of a run's life."""


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The records of a run, by what they are (``RUN_RECORDS``); one that is not there is missing."""

    model: str
    run_id: str
    bucket: str
    found: Mapping[str, Mapping[str, Any]]

    def get(self, name: str) -> dict[str, Any]:
        """A record; empty where there is none, or where it came after the run's end and says nothing of it."""
        record, end = mapping(self.found.get(name)), _place(self.found.get("outcome"))
        place = _place(record)
        return {} if name != "outcome" and place and end and place > end else record


@dataclass(frozen=True, slots=True)
class Drift:
    """What the run was begun for."""

    summary: str | None
    source: str | None
    severity: str | None
    metric: str | None
    observed: float | None
    threshold: float | None
    lower_is_worse: bool
    dataset: str | None
    window: str | None
    report_uri: str | None
    violations: tuple[tuple[str, str, str], ...]
    violations_left_out: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A state of the workflow: whether a record says that the run came to it, and when, where that is known."""

    phase: str
    state: str
    passed: bool
    at: str | None


@dataclass(frozen=True, slots=True)
class GuardShown:
    """A guard of the decision."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class VoteShown:
    """One answer, or that nobody answered; ``who`` is None then."""

    subject: str
    decision: str
    who: str | None
    deputy: bool
    how: str | None
    at: str | None
    comment: str


@dataclass(frozen=True, slots=True)
class EndpointShown:
    """What served before, what the candidate is, what served when the run ended; None is not known."""

    name: str | None
    before: str | None
    candidate: str | None
    after: str | None
    before_data: str | None
    candidate_data: str | None
    before_image: str | None
    candidate_image: str | None
    instances: str | None
    registry: str | None
    baseline: str | None


@dataclass(frozen=True, slots=True)
class Phase:
    """From one status to the next, and what ran for the model meanwhile; none of it where nothing has to."""

    status: str
    at: str
    seconds: float | None
    costs: tuple[Cost, ...]


@dataclass(frozen=True, slots=True)
class PriceShown:
    """What the prices of a report are.

    ``total_usd`` is what is known of them, None where nothing is, and ``at_least``: some are not. ``counted`` says what counts.
    """

    region: str
    location: str
    date: str
    source: str
    counted: str
    transitions: int
    transitions_usd: float | None
    total_usd: float | None
    at_least: bool


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of one run; times are ISO-8601 in UTC as the records have them."""

    model: str
    run_id: str
    outcome: str
    reason: str
    error: str | None
    goes_back: bool
    started_at: str | None
    ended_at: str | None
    end: str | None
    drift: Drift
    way: tuple[Stop, ...]
    guards: tuple[GuardShown, ...]
    guards_left_out: int
    votes: tuple[VoteShown, ...]
    votes_left_out: int
    judged: str | None
    gates: tuple[GateShown, ...]
    gates_left_out: int
    endpoint: EndpointShown
    phases: tuple[Phase, ...]
    price: PriceShown
    digests: tuple[tuple[str, str], ...]
    digests_left_out: int
    links: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...] = field(default_factory=tuple)

    def as_record(self) -> dict[str, Any]:
        """The report as it lies in the bucket."""
        return {"schema_version": REPORT_VERSION, "kind": "report", **asdict(self)}


def record_keys(model: str, run_id: str) -> dict[str, str]:
    """Where a run's records lie, by what they are, without its decision: the manifest tells that."""
    names = {name: evidence_key(model, run_id, name) for name in (*RUN_RECORDS, *map(first_vote, ASKED))}
    return {"manifest": manifest_key(model, run_id), **names}


def first_vote(subject: str) -> str:
    """The record of the first of two approvals, which decides nothing."""
    return f"approval-{subject}-vote-1"


def decision_key_of(manifest: Mapping[str, Any]) -> str | None:
    """Where the decision lies that a manifest follows; None when it does not say."""
    signal_id = mapping(manifest.get("signal")).get("signal_id")
    try:
        decided = datetime.fromisoformat(str(manifest.get("created_at")))
    except ValueError:
        return None
    return decision_key(str(manifest.get("model")), decided, str(signal_id)) if signal_id else None


def run_report(records: RunRecords, prices: Prices) -> RunReport:
    """The report of a run, of its records, and its price by a table."""
    manifest, decision, outcome = (records.get(name) for name in ("manifest", "decision", "outcome"))
    evaluation = records.get("evaluation")
    ended = next((status for status in OUTCOMES if status == outcome.get("outcome")), Status.FAILED)
    verdict = mapping(evaluation.get("verdict"))
    guards = [
        GuardShown(
            _text(guard.get("guard"), NAME_SHOWN) or "", bool(guard.get("passed")), _text(guard.get("sentence")) or ""
        )
        for guard in map(mapping, sequence(decision.get("guards")))
    ]
    gates = sorted(
        (gate_shown(mapping(gate), verdict) for gate in sequence(verdict.get("gates"))), key=lambda gate: gate.passed
    )
    votes = list(_votes(records))
    way = tuple(_way(records))
    ended_in = outcome.get("died") is not True
    transitions = sum(1 + (stop.state in WITH_CHOICE) for stop in way if stop.passed) + ended_in
    tariff = Tariff(prices, Console.of(str(manifest.get("execution_arn") or "")).region or None)
    phases = tuple(_phases(records, tariff))
    digests = list(_digests(records))
    return RunReport(
        model=_text(records.model, NAME_SHOWN) or "",
        run_id=_text(records.run_id, NAME_SHOWN) or "",
        outcome=str(ended),
        reason=_text(outcome.get("reason"), 4 * SENTENCE_SHOWN) or "The outcome's record is not there.",
        error=_text(outcome.get("error"), NAME_SHOWN),
        goes_back=mapping(manifest.get("signal")).get("kind") == "rollback",
        started_at=_text(outcome.get("started_at") or manifest.get("created_at"), NAME_SHOWN),
        ended_at=_text(outcome.get("ended_at"), NAME_SHOWN),
        end=None if outcome.get("died") is True else END_OF.get(ended, "RetrainingFailed"),
        drift=_drift(manifest),
        way=way,
        guards=tuple(guards[:GUARDS_SHOWN]),
        guards_left_out=max(0, len(guards) - GUARDS_SHOWN),
        votes=tuple(votes[:VOTES_SHOWN]),
        votes_left_out=max(0, len(votes) - VOTES_SHOWN),
        judged=_text(verdict.get("sentence")),
        gates=tuple(gates[:GATES_SHOWN]),
        gates_left_out=max(0, len(gates) - GATES_SHOWN),
        endpoint=_endpoint(records, ended),
        phases=phases,
        price=_price(tariff, phases, transitions, ended=ended_in and not outcome.get("error")),
        digests=tuple(digests[:DIGESTS_SHOWN]),
        digests_left_out=max(0, len(digests) - DIGESTS_SHOWN),
        links=tuple(_links(records)),
        unknown=tuple(_unknown(records, ended)),
    )


def priced(price: PriceShown) -> str:
    """What a run cost at list prices, for people: how much, of what, whose prices they are and of when."""
    return (
        f"Price: {shown_total(price)}. State transitions without retries: {shown_transitions(price)}. {price.counted} "
        f"Prices: {shown_source(price)}."
    )


def shown_total(price: PriceShown) -> str:
    """What is known of a run's price, for people."""
    if price.total_usd is None:
        return "not known"
    return f"{'at least ' if price.at_least else ''}{price.total_usd:.6f} USD"


def shown_transitions(price: PriceShown) -> str:
    """A run's state transitions with their price, for people."""
    usd = price.transitions_usd
    return f"{price.transitions}, {'price not known' if usd is None else f'{usd:.6f} USD'}"


def shown_source(price: PriceShown) -> str:
    """Whose prices they are, of where and of when, for people."""
    return f"{price.location}, {price.date}, by {price.source}"


def _drift(manifest: Mapping[str, Any]) -> Drift:
    signal = mapping(manifest.get("signal"))
    threshold, dataset = mapping(signal.get("threshold")), mapping(signal.get("dataset"))
    found = [
        (
            _text(entry.get("feature"), NAME_SHOWN) or "",
            _text(entry.get("check"), NAME_SHOWN) or "",
            _text(entry.get("description")) or "",
        )
        for entry in map(mapping, sequence(signal.get("violations"))[:VIOLATIONS_SHOWN])
    ]
    count = min(number(signal.get("violation_count")) or 0, VIOLATIONS_COUNTED)
    window = " to ".join(str(dataset[key]) for key in ("window_start", "window_end") if dataset.get(key))
    return Drift(
        summary=_text(signal.get("summary")),
        source=_text(signal.get("source"), NAME_SHOWN),
        severity=_text(mapping(manifest.get("decision")).get("severity"), NAME_SHOWN),
        metric=_text(threshold.get("metric"), NAME_SHOWN),
        observed=number(threshold.get("observed")),
        threshold=number(threshold.get("threshold")),
        lower_is_worse=bool(threshold.get("lower_is_worse")),
        dataset=_text(dataset.get("uri")),
        window=_text(window, NAME_SHOWN),
        report_uri=_text(signal.get("report_uri")),
        violations=tuple(found),
        violations_left_out=max(0, int(count) - len(found)),
    )


def _way(records: RunRecords) -> Iterable[Stop]:
    manifest, outcome = records.get("manifest"), records.get("outcome")
    times = dict(_statuses(records))
    known = {"ReadRetrainingDecision": _text(manifest.get("created_at") or outcome.get("started_at"), NAME_SHOWN)}
    if outcome.get("died") is not True:
        known["RecordOutcome"] = _text(outcome.get("ended_at"), NAME_SHOWN)
    bake = records.get("verification")
    if bake:
        known["AwaitBake"] = _text(bake.get("began_at"), NAME_SHOWN)
    if outcome.get("finish") is not None:
        # Nobody notes when it was begun.
        known["FinishPromotion"] = None
    for state, statuses in PASSED_BY.items():
        said = next((status for status in statuses if status in times), None)
        if said is not None:
            known.setdefault(state, times[said])
    if not {Status.TRAINING_FAILED, Status.TRAINING_TIMED_OUT, Status.NO_CAPACITY}.isdisjoint(times):
        # A training that never began ends its run all the same.
        known.setdefault("AcquireTrainingSlot", None)
        known.setdefault("TriggerTrainingPipeline", None)
    if records.get("evaluation") and Status.ROLLBACK_DECIDED not in times:
        known.setdefault("EvaluateCandidate", None)
    for phase, states, _ in LANES:
        for state in states:
            if state not in {"RecordFailure", "EscalateUnrecorded"}:
                yield Stop(phase, state, state in known, known.get(state))


def _statuses(records: RunRecords) -> list[tuple[str, str]]:
    found = map(mapping, sequence(records.get("outcome").get("statuses")))
    return [(str(each.get("status"))[:NAME_SHOWN], str(each.get("at"))[:NAME_SHOWN]) for each in found][: len(Status)]


def _phases(records: RunRecords, tariff: Tariff) -> Iterable[Phase]:
    outcome, statuses = records.get("outcome"), _statuses(records)
    began = str(records.get("verification").get("began_at"))
    following = [*statuses[1:], ("", "")]
    for (status, at), (after, end) in zip(statuses, following, strict=False):
        seconds, costs = seconds_between(at, end), list[Cost]()
        if status == Status.TRAINING_STARTED:
            costs += training_costs(tariff, records.get("manifest"), outcome)
        else:
            moved = seconds_between(at, began) if status == Status.PROMOTION_STARTED else None
            # An endpoint that is asked about or has baked had moved before, whenever that was.
            unmoved = outcome.get("died") is not True and after not in SERVING
            costs += endpoint_costs(tariff, _plan(records), status, seconds=seconds, moved=moved, unmoved=unmoved)
        yield Phase(status, at, seconds, tuple(costs))


def _price(tariff: Tariff, phases: Sequence[Phase], transitions: int, *, ended: bool) -> PriceShown:
    prices, usd = tariff.prices, tariff.transitions(transitions)
    every = [usd, *(cost.usd for phase in phases for cost in phase.costs)]
    known = number(round(sum(each for each in every if each is not None), 6))
    # What ran in a life that no record tells is not known either, nor in which states it did that came to no end.
    at_least = None in every or not phases or not ended
    return PriceShown(
        region=prices.region,
        location=prices.location,
        date=prices.date,
        source=prices.source,
        counted=COUNTED,
        transitions=transitions,
        transitions_usd=usd,
        # At least nothing says nothing.
        total_usd=None if at_least and not known else known,
        at_least=at_least,
    )


def _votes(records: RunRecords) -> Iterable[VoteShown]:
    asked = {status for status, _ in _statuses(records)}
    for subject in ASKED:
        approval = records.get(f"approval-{subject}") or records.get(first_vote(subject))
        if not approval and f"{subject.upper()}_APPROVAL_REQUESTED" not in asked:
            continue
        votes = [mapping(vote) for vote in sequence(approval.get("votes"))]
        for vote in votes:
            yield VoteShown(
                subject=subject,
                decision=_text(vote.get("answer"), NAME_SHOWN) or "",
                who=_text(vote.get("by"), NAME_SHOWN),
                deputy=vote.get("deputy") is True,
                how=_text(vote.get("via"), NAME_SHOWN),
                at=_text(vote.get("at"), NAME_SHOWN),
                comment=_text(vote.get("comment")) or "",
            )
        if not votes or approval.get("decision") not in [vote.get("answer") for vote in votes]:
            decided = _text(approval.get("decided_at"), NAME_SHOWN)
            ended = _text(approval.get("decision") or "WITHDRAWN", NAME_SHOWN) or ""
            why = approval.get("reason") or "The run ended before this was decided."
            yield VoteShown(subject, ended, who=None, deputy=False, how=None, at=decided, comment=_text(why) or "")


def _plan(records: RunRecords) -> dict[str, Any]:
    return mapping(mapping(records.get("evaluation").get("answer")).get("plan"))


def _endpoint(records: RunRecords, ended: Status) -> EndpointShown:
    champion, plan = mapping(records.get("manifest").get("champion")), _plan(records)
    container = mapping(mapping(plan.get("create_model")).get("PrimaryContainer"))
    outcome = records.get("outcome")
    finish = mapping(outcome.get("finish"))
    before = champion.get("endpoint_config") or plan.get("previous_config")
    statuses = {status for status, _ in _statuses(records)}
    # A run that lived to record STOPPED after its rollback began saw the endpoint serve the champion again.
    stopped = ended is Status.STOPPED and Status.ROLLBACK_STARTED in statuses and outcome.get("died") is False
    if ended is Status.PROMOTED:
        after = plan.get("wanted_config")
    elif ended is Status.ROLLED_BACK or stopped or Status.PROMOTION_STARTED not in statuses:
        after = before
    else:
        after = None
    return EndpointShown(
        name=_text(plan.get("endpoint") or champion.get("endpoint"), NAME_SHOWN),
        before=_text(before, NAME_SHOWN),
        candidate=_text(plan.get("wanted_config"), NAME_SHOWN),
        after=_text(after, NAME_SHOWN),
        before_data=_text(champion.get("model_data_uri")),
        candidate_data=_text(container.get("ModelDataUrl")),
        before_image=_text(champion.get("image")),
        candidate_image=_text(container.get("Image")),
        instances=fleet_shown(plan),
        registry=_text(finish.get("registry")),
        baseline=_text(finish.get("baseline")),
    )


def _digests(records: RunRecords) -> Iterable[tuple[str, str]]:
    manifest, evaluation = records.get("manifest"), records.get("evaluation")
    policy, checksums = mapping(manifest.get("policy")), mapping(manifest.get("checksums"))
    named = {
        "policy, version": policy.get("version") or manifest.get("policy_version"),
        "policy, SHA-256": policy.get("sha256"),
        "signal, SHA-256": checksums.get("signal_sha256"),
        "training input, SHA-256": checksums.get("training_input_sha256"),
        "champion's make-up, SHA-256": mapping(manifest.get("champion")).get("make_up_sha256"),
        "data": mapping(manifest.get("dataset")).get("uri"),
        "image": mapping(mapping(_plan(records).get("create_model")).get("PrimaryContainer")).get("Image"),
        **{
            f"record {name}, hash": mapping(records.get(name).get("chain")).get("hash")
            for name in ("decision", "manifest", *RUN_RECORDS)
        },
        **{f"{uri}, ETag and size": version for uri, version in sorted(mapping(evaluation.get("versions")).items())},
    }
    for name, digest in named.items():
        if digest is not None:
            yield _text(name) or "", _text(digest) or ""


def _links(records: RunRecords) -> Iterable[tuple[str, str]]:
    """Pages of the console; none where nobody knows the partition's."""
    manifest = records.get("manifest")
    arn = str(manifest.get("execution_arn") or "")
    console = Console.of(arn)
    endpoint = _plan(records).get("endpoint") or mapping(manifest.get("champion")).get("endpoint")
    found = {"Execution": console.execution(arn)}
    if endpoint:
        found["Endpoint"] = console.endpoint(str(endpoint)[:NAME_SHOWN])
    keys = {"decision": decision_key_of(manifest), **record_keys(records.model, records.run_id)}
    for name, key in keys.items():
        if key and records.get(name):
            found[f"Record: {name}"] = console.s3_object(records.bucket, key)
    yield from ((name, address) for name, address in found.items() if address)


def _unknown(records: RunRecords, ended: Status) -> Iterable[str]:
    """What the records of a run of an earlier release do not say."""
    statuses = {status for status, _ in _statuses(records)}
    wanted = {"decision": True, "manifest": True, "outcome": True}
    wanted["evaluation"] = Status.CANDIDATE_EVALUATED in statuses or ended is Status.PROMOTED
    for subject in ASKED:
        wanted[f"approval-{subject}"] = f"{subject.upper()}_APPROVED" in statuses
    for name, expected in wanted.items():
        if expected and not records.get(name):
            yield f"The record {name} is not there, so what it says is not known."


def _place(record: Mapping[str, Any] | None) -> float | None:
    return number(mapping(mapping(record).get("chain")).get("sequence"))


def _text(value: Any, limit: int = SENTENCE_SHOWN) -> str | None:
    return None if value in (None, "") else cut(str(value), limit)


def seconds_between(start: str, end: str) -> float | None:
    """Seconds from one time of a record to another, never less than none; None where one of them is none."""
    try:
        return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
    except (ValueError, TypeError):
        return None
