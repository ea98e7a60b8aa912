"""What a team lets the loop do for one model: a JSON file over the stack's defaults, as one frozen value."""

from __future__ import annotations

import functools
import hashlib
import itertools
import operator
import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration import policy_check
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import ChannelApproval, PolicyAction, Severity
from orchestration.domain.errors import PolicyError
from orchestration.domain.json_values import json_object, mapping, text
from orchestration.domain.metrics import judged_as, near
from orchestration.domain.policy_requests import deployment_findings, job_findings, pipeline_findings
from orchestration.domain.schema_fault import SchemaFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestration.domain.signal import DataCheck
    from orchestration.settings import Settings

ACTIONS_BY_APPROVAL_MODE: Final = {
    "never": {Severity.INFO: "observe", Severity.WARNING: "retrain", Severity.CRITICAL: "retrain"},
    "by-severity": {Severity.INFO: "observe", Severity.WARNING: "approve", Severity.CRITICAL: "retrain"},
    "always": {Severity.INFO: "observe", Severity.WARNING: "approve", Severity.CRITICAL: "approve"},
}
"""Default actions for the stack parameter ApprovalMode; the modes from the weakest to the strictest."""

STRICTEST_FIRST: Final = [str(action) for action in PolicyAction]

CRITICAL_RATIO: Final = 2.0
"""From here on a signal is critical, unless a policy file says otherwise."""

STACK_BUDGET_DAYS: Final = 30.0
"""Days the stack parameter RunBudget looks back."""

STATE_MACHINE_ARN: Final = re.compile(
    r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]{1,80}(:[A-Za-z0-9_-]{1,80})?"
)
PIPELINE_ARN: Final = re.compile(r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:pipeline/[A-Za-z0-9-]{1,256}")


class TargetKind(StrEnum):
    """Which of the three training targets a policy names; the words the state machine's choice compares."""

    STATE_MACHINE = "state_machine"
    SAGEMAKER_PIPELINE = "sagemaker_pipeline"
    TRAINING_JOB = "training_job"


class PromotionKind(StrEnum):
    """How an accepted candidate gets to serve; the words the state machine's choice compares."""

    ENDPOINT = "endpoint"
    REGISTRY = "registry"
    PIPELINE = "pipeline"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Training:
    """The training target. ``kind`` is None when no target is set."""

    kind: TargetKind | None
    target: str
    input: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    max_hours: float = 24.0
    slot_while_waiting: str = "keep"


@dataclass(frozen=True, slots=True)
class GuardMetric:
    """A metric that must not fall: an absolute bound, a bound against the champion, or both."""

    metric: str
    minimum: float | None = None
    max_regression: float | None = None
    slice: str | None = None
    lower_is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The gates a candidate has to pass. ``metric`` None means that the policy asks for no evaluation.

    ``champion`` is what it is compared with: what serves on the endpoint, what was promoted last, or nothing.
    ``confidence`` is that of the bounds that gates hold instead of values; None: values.
    """

    metric: str | None
    minimum: float | None = None
    min_improvement: float | None = None
    lower_is_better: bool | None = None
    champion: str = "endpoint"
    guards: tuple[GuardMetric, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """When humans are asked, and how long they have."""

    training: str
    promotion: str
    approvals_needed: int
    remind_hours: float
    escalate_hours: float
    expire_hours: float
    channel: ChannelApproval = ChannelApproval.NOT_CRITICAL
    deputies: tuple[str, ...] = ()

    def asks_to_promote(self, severity: str) -> bool:
        """Whether people are asked before a candidate is promoted whose run began at this severity."""
        return self.promotion == "always" or (self.promotion == "by-severity" and severity != Severity.INFO)


POLICY_BYTES_LIMIT: Final = 60_000
"""A manifest holds a policy and its training's input, and a DynamoDB item 400 KB, of text that may take three bytes each."""

POLICY_FILE_LIMIT: Final = 200_000
"""Bytes of a policy file: that text, with the white space of any editor. The table keeps the last good file in one item."""

FINDINGS_LIMIT: Final = 10
"""Findings told of one file at once."""

PATH_SHOWN: Final = 200
"""Characters of the path in a finding."""

POLICY_DEPTH_LIMIT: Final = 32
"""Levels of a policy; a record keeps twice as many, and holds the policy some levels down."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """How an accepted candidate gets to serve."""

    kind: PromotionKind
    endpoint: str | None = None
    target: str | None = None
    input: dict[str, Any] = field(default_factory=dict)
    bake_minutes: float = 0.0
    alarms: tuple[str, ...] = ()
    deployment: dict[str, Any] = field(default_factory=dict)
    monitoring_schedule: str | None = None
    inconclusive: str = "ask"
    retain_capacity: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """One model's policy. ``version`` is the file's S3 version, or ``defaults`` when there is no file.

    ``expect_every_hours``: hours in which a monitor of the model speaks at least once; 0: nothing is expected.
    """

    model: str
    version: str
    mode: str
    warning_ratio: float
    critical_ratio: float
    actions: dict[Severity, PolicyAction]
    hold_on_data_quality: bool | dict[str, float]
    """Whether broken data holds a signal; or by check the share of good data, 0 to 1, from which it does not. A check that is
    not named holds, and 0 is one that is ignored."""
    cooldown_hours: float
    budget_runs: int
    budget_days: float
    fruitless_runs: int
    drift_again_hours: float
    training: Training
    evaluation: Evaluation
    approval: Approval
    promotion: Promotion
    decision_file: str = "critical"
    expect_every_hours: float = 0.0
    stack_budget_runs: int = 0
    voters: tuple[str, ...] = ()

    def tolerates(self, broken: DataCheck) -> bool:
        """Whether a kind of broken data is taken for sound. A share that nobody knows meets no bound."""
        held = self.hold_on_data_quality
        if isinstance(held, bool):
            return not held
        needed = held.get(broken.check)
        return needed is not None and (needed == 0 or (broken.worst is not None and broken.worst >= needed))


LATER_KEYS: Final = {
    ("decision_file",): "critical",
    ("expect_every_hours",): 0.0,
    ("stack_budget_runs",): 0,
    ("voters",): (),
    ("approval", "channel"): "not_critical",
    ("approval", "deputies"): (),
    ("promotion", "retain_capacity"): True,
    ("training", "slot_while_waiting"): "keep",
    ("evaluation", "champion"): "endpoint",
    ("evaluation", "confidence"): None,
}
"""Keys that came after the first manifests, with what those mean. A value that changes nothing is not written: so the digest
of a policy that was pinned before stays, and code of before reads what is pinned now."""


def policy_record(policy: Policy) -> dict[str, Any]:
    """The effective policy as a manifest pins it: the file's values and the stack's."""
    record = asdict(policy)
    for (*path, key), nothing in LATER_KEYS.items():
        section: dict[str, Any] = functools.reduce(operator.getitem, path, record)
        if section[key] == nothing:
            del section[key]
    return record


def policy_sha256(policy: Policy) -> str:
    """Hex SHA-256 of what a policy means. A file written again with the same meaning has the same one."""
    meaning = {key: value for key, value in policy_record(policy).items() if key != "version"}
    return hashlib.sha256(canonical(meaning).encode()).hexdigest()


def pinned_policy(record: dict[str, Any]) -> Policy:
    """The policy a manifest pinned; the inverse of ``policy_record``."""
    training, evaluation, promotion = record["training"], record["evaluation"], record["promotion"]
    approval = record["approval"]
    kind = training["kind"]
    return Policy(
        **{
            **record,
            "actions": {Severity(name): PolicyAction(action) for name, action in record["actions"].items()},
            "training": Training(**{**training, "kind": None if kind is None else TargetKind(kind)}),
            "evaluation": Evaluation(
                **{**evaluation, "guards": tuple(GuardMetric(**guard) for guard in evaluation["guards"])}
            ),
            "approval": Approval(
                **{
                    **approval,
                    "channel": ChannelApproval(approval.get("channel", "not_critical")),
                    "deputies": tuple(approval.get("deputies", ())),
                }
            ),
            "voters": tuple(record.get("voters", ())),
            "promotion": Promotion(
                **{**promotion, "kind": PromotionKind(promotion["kind"]), "alarms": tuple(promotion["alarms"])}
            ),
        }
    )


def parse_policy(model: str, body: bytes | None, *, version: str, settings: Settings) -> Policy:
    """Build the effective policy from a file's bytes (None: no file) over the stack's defaults.

    Raises:
        PolicyError: the file is not JSON, breaks the schema or contradicts itself.
    """
    if body is None:
        return _build(model, {}, version="defaults", settings=settings)
    document = read_policy(body)
    if isinstance(document, dict) and document["model"] != model:
        document = (f"$.model: is {document['model']!r} in the file of {model!r}; both must be the same.",)
    if isinstance(document, tuple):
        raise PolicyError(model, document)
    return _build(model, document, version=version, settings=settings)


def read_policy(body: bytes) -> dict[str, Any] | tuple[str, ...]:
    """The document of a policy file that is valid, else the findings on it, each starting with the JSON path."""
    document = json_object(body, at_most=POLICY_FILE_LIMIT)
    if isinstance(document, str):
        return (f"$: {document}.",)
    return validate_policy(document) or document


def validate_policy(document: Any) -> tuple[str, ...]:
    """Findings on a policy document, each starting with the JSON path; empty when it is valid."""
    try:
        policy_check.check(document)
    except SchemaFault as fault:
        path = "$" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in _PARTS.findall(fault.name)[1:])
        return (_finding(path, _broken(fault)),)
    return (
        _unfit(document)
        or _contradictions(document)
        or tuple(itertools.starmap(_finding, itertools.islice(_untaken(document), FINDINGS_LIMIT)))
    )


def rule_findings(document: dict[str, Any]) -> Iterator[str]:
    """All that is wrong with a document which the schema takes, each with its JSON path; a decision stops at the first kind."""
    yield from _unfit(document)
    yield from _contradictions(document)
    yield from itertools.starmap(_finding, _untaken(document))


_PARTS: Final = re.compile(r"[^.\[\]]+")
"""Steps of a place such as ``data.gates[0].metric``."""


def _broken(fault: SchemaFault) -> str:
    """Which rule of the schema is broken, in words that show no list of Python's."""
    match fault.rule:
        case "enum":
            return f"must be one of {', '.join(map(str, fault.wanted))}"
        case "required":
            return f"lacks {', '.join(name for name in fault.wanted if name not in mapping(fault.value))}"
        case "const":
            return f"must be {fault.wanted}"
    rule = fault.message.strip()
    unknown = _UNKNOWN.fullmatch(rule)
    return f"has keys that no policy has: {unknown[1]}" if unknown else rule


_UNKNOWN: Final = re.compile(r"must not contain \{(.*)\} properties", re.DOTALL)
"""What the library says of a key that the schema does not have."""


def _unfit(document: dict[str, Any]) -> tuple[str, ...]:
    """What no record could hold as it is written: each run pins its policy, twice with its training's input."""
    size = len(canonical(document).encode())
    if size > POLICY_BYTES_LIMIT:
        return (f"$: has {size} bytes; at most {POLICY_BYTES_LIMIT} are taken. Put what is large into S3.",)
    return tuple(itertools.islice(_unfit_values(("$",), document), FINDINGS_LIMIT))


def _unfit_values(path: tuple[Any, ...], value: Any) -> Iterator[str]:
    rule = None
    if len(path) > POLICY_DEPTH_LIMIT + 1:
        rule = f"is nested deeper than {POLICY_DEPTH_LIMIT} levels"
    elif isinstance(value, (int, float)) and canonical(value).startswith('"'):
        rule = "is larger than a number can be kept exactly; write it as a text, or smaller"
    elif "\0" in value if isinstance(value, str) else isinstance(value, dict) and any("\0" in key for key in value):
        rule = "holds the character U+0000, which no AWS service takes"
    if rule is not None:
        yield _finding(".".join(map(str, path)), rule)
        return
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _unfit_values((*path, key), member)


def _finding(path: str, rule: str) -> str:
    """A finding as people are told of it: the names in it are the file's own, of any length."""
    return f"{text(path, PATH_SHOWN)}: {text(rule)}."


def _contradictions(document: dict[str, Any]) -> tuple[str, ...]:
    findings: list[str] = []
    severity = document.get("severity", {})
    if severity.get("warning", 1.0) > severity.get("critical", CRITICAL_RATIO):
        findings.append("$.severity: warning must not be greater than critical (defaults 1.0 and 2.0).")
    checks = [name.removesuffix("_check") for name in mapping(document.get("data_quality"))]
    findings += [
        f"$.data_quality: names {check} twice, as {check} and as {check}_check."
        for check in sorted({check for check in checks if checks.count(check) > 1})
    ]
    target = document.get("training", {}).get("target")
    if target is not None and target_kind(target) is None:
        findings.append(
            "$.training.target: must be the ARN of a state machine or a SageMaker pipeline, or 'training-job'."
        )
    if target == "training-job" and not document["training"].get("request"):
        findings.append("$.training.request: is needed for the target 'training-job'.")
    promotion = document.get("promotion", {})
    kind = promotion.get("kind")
    if kind == "endpoint" and "endpoint" not in promotion:
        findings.append("$.promotion.endpoint: is needed for kind 'endpoint'.")
    if kind == "pipeline" and target_kind(promotion.get("target", "")) is not TargetKind.STATE_MACHINE:
        findings.append("$.promotion.target: must be the ARN of a state machine for kind 'pipeline'.")
    if promotion and kind != "none" and "evaluation" not in document:
        findings.append("$.evaluation: is needed for a promotion; a candidate that was not measured never serves.")
    evaluation = document.get("evaluation", {})
    if evaluation and "metric" not in evaluation:
        findings.append("$.evaluation.metric: is needed; name the metric the gates compare, such as auc.")
    findings += [*_undirected(evaluation), *_uncompared(evaluation, promotion), *_marginless(evaluation)]
    approval = document.get("approval", {})
    remind, escalate, expire = (approval.get(name) for name in ("remind_hours", "escalate_hours", "expire_hours"))
    given = [hours for hours in (remind, escalate, expire) if hours is not None]
    if given != sorted(given):
        findings.append("$.approval: remind_hours, escalate_hours and expire_hours must not decrease.")
    if approval.get("deputies"):
        if not document.get("voters"):
            findings.append(
                "$.approval.deputies: change nothing without $.voters: everybody answers from the beginning."
            )
        if escalate is not None and escalate == expire:
            findings.append("$.approval.deputies: would never answer: escalate_hours has to be less than expire_hours.")
    findings += _unanswerable(document.get("voters", ()), approval)
    if approval.get("training") == "never" and "approve" in document.get("actions", {}).values():
        findings.append("$.approval.training: is 'never', but $.actions asks for approval; say 'by-severity'.")
    return tuple(findings)


def _unanswerable(voters: Sequence[str], approval: dict[str, Any]) -> Iterator[str]:
    """What approvals ask for and those who may answer cannot give."""
    names = {str(name) for name in (*voters, *(approval.get("deputies") or ()))}
    if voters and approval.get("approvals_needed") == 2 and len(names) == 1 and not names.pop().endswith("*"):  # noqa: PLR2004 - the most there can be
        yield "$.approval.approvals_needed: is 2, but $.voters names one who may answer; name two, or ask for one."
    if voters and approval.get("channel") == ChannelApproval.ALWAYS:
        yield "$.approval.channel: is always, but with $.voters a button in Slack counts never; leave one of them out."


def _undirected(evaluation: dict[str, Any]) -> Iterator[str]:
    """Metrics of which neither the catalogue nor the file says which way is better."""
    asked = [
        ("$.evaluation", evaluation),
        *((f"$.evaluation.guards[{place}]", guard) for place, guard in enumerate(evaluation.get("guards", ()))),
    ]
    for where, wanted in asked:
        name = wanted.get("metric")
        own = wanted.get(
            "lower_is_better", evaluation.get("lower_is_better") if name == evaluation.get("metric") else None
        )
        if name is None or judged_as(name, own) is not None:
            continue
        meant = near(name)
        hint = f", or name {' or '.join(meant)} if that is meant" if meant else ""
        yield _finding(
            f"{where}.metric", f"is {name}, which docs/metrics.md does not know: set lower_is_better beside it{hint}"
        )


def _uncompared(evaluation: dict[str, Any], promotion: dict[str, Any]) -> Iterator[str]:
    """Comparisons that are asked for and not to be made."""
    champion = evaluation.get("champion")
    if champion == "endpoint" and "endpoint" not in promotion:
        yield "$.evaluation.champion: is endpoint, but $.promotion.endpoint names none; say last_promoted."
    if champion == "last_promoted" and "endpoint" in promotion:
        yield "$.evaluation.champion: is last_promoted, but $.promotion.endpoint says what serves; say endpoint."
    if champion == "none":
        guards = enumerate(evaluation.get("guards", ()))
        asked = [
            f"$.evaluation.guards[{place}]"
            for place, guard in guards
            if "max_regression" in guard or "minimum" not in guard
        ]
        if "min_improvement" in evaluation:
            asked.insert(0, "$.evaluation.min_improvement")
        for where in asked[:FINDINGS_LIMIT]:
            yield f"{where}: compares with a champion, but $.evaluation.champion is none; give it a minimum only."


def _marginless(evaluation: dict[str, Any]) -> Iterator[str]:
    """Comparisons under a confidence that do not say by how much: no interval shows that two models are equal."""
    if "confidence" not in evaluation or evaluation.get("champion") == "none":
        return
    asked = [
        f"$.evaluation.guards[{place}].max_regression"
        for place, guard in enumerate(evaluation.get("guards", ()))
        if "max_regression" not in guard and "minimum" not in guard
    ]
    if "min_improvement" not in evaluation:
        asked.insert(0, "$.evaluation.min_improvement")
    for where in asked[:FINDINGS_LIMIT]:
        yield (
            f"{where}: is needed with $.evaluation.confidence; "
            "say how much worse a candidate may be, or how much better it has to be."
        )


def _untaken(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What SageMaker would not take of what the file writes into requests: path and rule of each."""
    training = document.get("training", {})
    kind, parameters = target_kind(training.get("target", "")), training.get("parameters", {})
    if kind is TargetKind.TRAINING_JOB and training.get("request"):
        yield from job_findings(training["request"], parameters)
    elif kind is TargetKind.SAGEMAKER_PIPELINE:
        yield from pipeline_findings(parameters)
    deployment = document.get("promotion", {}).get("deployment")
    if deployment:
        yield from deployment_findings(deployment)


def target_kind(target: str) -> TargetKind | None:
    """What a training target's text names, or None when it names nothing the loop can start."""
    if STATE_MACHINE_ARN.fullmatch(target):
        return TargetKind.STATE_MACHINE
    if PIPELINE_ARN.fullmatch(target):
        return TargetKind.SAGEMAKER_PIPELINE
    return TargetKind.TRAINING_JOB if target == "training-job" else None


def _build(model: str, document: dict[str, Any], *, version: str, settings: Settings) -> Policy:
    severity = document.get("severity", {})
    approval = document.get("approval", {})
    asked = approval.get("training", settings.approval_mode)
    actions = {**ACTIONS_BY_APPROVAL_MODE[asked], **document.get("actions", {})}
    critical_ratio = float(severity.get("critical", CRITICAL_RATIO))
    cooldown_hours = float(document.get("cooldown_hours", settings.cooldown_hours))
    if settings.policy_floor:
        asked = max(asked, settings.approval_mode, key=list(ACTIONS_BY_APPROVAL_MODE).index)
        actions = _floored(actions, settings.approval_mode, critical_ratio)
        cooldown_hours = max(cooldown_hours, settings.cooldown_hours)
    if asked == "never" and "approve" in actions.values():
        asked = "by-severity"  # the file asks people, whatever the stack's default says
    budget = document.get("budget", {})
    breaker = document.get("breaker", {})
    training = document.get("training", {})
    target = training.get("target") or settings.training_pipeline_arn
    evaluation = document.get("evaluation", {})
    promotion = document.get("promotion", {})
    expire_hours = float(approval.get("expire_hours", settings.approval_expiry_hours))
    return Policy(
        model=model,
        version=version,
        # Shadow on the stack wins: a policy file cannot switch on what the operators switched off.
        mode="shadow" if "shadow" in {settings.mode, document.get("mode")} else "active",
        warning_ratio=float(severity.get("warning", 1.0)),
        critical_ratio=critical_ratio,
        actions={Severity(name): PolicyAction(action) for name, action in actions.items()},
        hold_on_data_quality=_held(document.get("data_quality", "hold")),
        cooldown_hours=cooldown_hours,
        budget_runs=int(budget.get("runs", settings.run_budget)),
        budget_days=float(budget.get("days", STACK_BUDGET_DAYS)),
        fruitless_runs=int(breaker.get("fruitless_runs", 3)),
        drift_again_hours=float(breaker.get("drift_again_hours", 0)),
        training=Training(
            kind=target_kind(target),
            target=target,
            input=dict(training.get("input", {})),
            parameters=dict(training.get("parameters", {})),
            request=dict(training.get("request", {})),
            max_hours=float(training.get("max_hours", 24.0)),
            slot_while_waiting=training.get("slot_while_waiting", "keep"),
        ),
        evaluation=Evaluation(
            metric=evaluation.get("metric"),
            minimum=evaluation.get("minimum"),
            min_improvement=evaluation.get("min_improvement"),
            lower_is_better=evaluation.get("lower_is_better"),
            champion=evaluation.get(
                "champion", "last_promoted" if evaluation and not promotion.get("endpoint") else "endpoint"
            ),
            guards=tuple(GuardMetric(**guard) for guard in evaluation.get("guards", ())),
            confidence=evaluation.get("confidence"),
        ),
        approval=Approval(
            training=asked,
            promotion=approval.get("promotion", "never"),
            approvals_needed=int(approval.get("approvals_needed", 1)),
            # The stack's expiry may be shorter than a file's reminder: then nobody is reminded after the end.
            remind_hours=min(float(approval.get("remind_hours", expire_hours / 6)), expire_hours),
            escalate_hours=min(float(approval.get("escalate_hours", expire_hours / 3)), expire_hours),
            expire_hours=expire_hours,
            channel=_channel(approval, critical_ratio, floor=settings.policy_floor),
            deputies=tuple(approval.get("deputies", ())),
        ),
        promotion=Promotion(
            kind=PromotionKind(promotion.get("kind") or ("endpoint" if promotion.get("endpoint") else "none")),
            endpoint=promotion.get("endpoint"),
            target=promotion.get("target"),
            input=dict(promotion.get("input", {})),
            bake_minutes=float(promotion.get("bake_minutes", 0)),
            alarms=tuple(promotion.get("alarms", ())),
            deployment=dict(promotion.get("deployment", {})),
            monitoring_schedule=promotion.get("monitoring_schedule"),
            inconclusive=promotion.get("inconclusive", "ask"),
            retain_capacity=promotion.get("retain_capacity", True),
        ),
        decision_file=document.get("decision_file", "critical"),
        expect_every_hours=float(document.get("monitoring", {}).get("expect_every_hours", 0.0)),
        voters=tuple(document.get("voters", ())),
        stack_budget_runs=settings.run_budget if settings.policy_floor else 0,
    )


def _held(said: str | dict[str, Any]) -> bool | dict[str, float]:
    """What a file says of broken data. Where it names only what holds, it says no more than ``hold``."""
    if isinstance(said, str):
        return said == "hold"
    named = {f"{name.removesuffix('_check')}_check": share for name, share in said.items() if share != "hold"}
    return {check: 0.0 if share == "ignore" else float(share) for check, share in named.items()} or True


def _channel(approval: dict[str, Any], critical_ratio: float, *, floor: bool) -> ChannelApproval:
    """When a channel's approval counts. Under a floor no file has it count for what the stack calls critical."""
    asked = ChannelApproval(approval.get("channel", ChannelApproval.NOT_CRITICAL))
    if not floor or asked is ChannelApproval.NEVER:
        return asked
    return ChannelApproval.NEVER if critical_ratio > CRITICAL_RATIO else ChannelApproval.NOT_CRITICAL


def _floored(actions: dict[Any, str], approval_mode: str, critical_ratio: float) -> dict[Any, str]:
    """A file's actions, none of them weaker than the stack's; observing is the strictest, retraining unasked the weakest.

    A file that calls critical what the stack calls a warning has it asked about as a warning.
    """
    floor = dict(ACTIONS_BY_APPROVAL_MODE[approval_mode])
    if critical_ratio < CRITICAL_RATIO:
        floor[Severity.CRITICAL] = floor[Severity.WARNING]  # which no mode does more about than about a critical one
    return {severity: min(action, floor[severity], key=STRICTEST_FIRST.index) for severity, action in actions.items()}
