"""Print how the loop is doing: mode, kill switches, models and what serves, what is missing to train, runs, slots, waits."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.heard_signals import COLOURS, Heard, gathered, heard
from ops.invocation import Exit, stack_command
from ops.known_models import PolicyFiles, policy_files
from ops.refusals import OPERATORS, refusal, who_has
from ops.stack import OperatorError
from ops.subscriptions import unheard
from ops.terminal import Styled
from orchestration.domain.commands import WHY
from orchestration.domain.contracts import Decision, WaitKind
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import PolicyError
from orchestration.domain.json_values import model_name
from orchestration.domain.policy import POLICY_FILE_LIMIT, Policy, PromotionKind, TargetKind, parse_policy
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.switches import paused_sentence
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.champions import Promoted
    from orchestration.domain.stored_model import StoredModel

RECENT: Final = timedelta(hours=24)
"""How far back rejections and holds are shown."""

SHOWN: Final = 5
"""Rejections and holds shown; `retraining signals` lists all."""


@dataclass(frozen=True, slots=True)
class Champion:
    """What serves of a model, as far as is known.

    ``run_id`` made it, None for a config of the team's own; ``config`` is the endpoint's, None for a model that is promoted
    otherwise; ``looked``: the endpoint itself said so, else the loop's last promotion does. ``on_trial``: it is a candidate
    that bakes. ``since`` is ISO-8601 in UTC.
    """

    run_id: str | None
    endpoint: str | None = None
    config: str | None = None
    since: str | None = None
    brought_back_by: str | None = None
    looked: bool = False
    on_trial: bool = False

    @property
    def sentence(self) -> str:
        """It as people read it."""
        whose = f"run {self.run_id}" if self.run_id else "what the team deployed itself"
        said = [f"the candidate of run {self.run_id}, on trial" if self.on_trial else whose]
        if self.brought_back_by:
            said.append(f"brought back by run {self.brought_back_by}")
        if self.config:
            said.append(f"config {self.config} on {self.endpoint}")
        if self.since:
            said.append(f"since {self.since[:19]}")
        if not self.looked and self.endpoint:
            said.append("as the loop left it (nobody looked at the endpoint)")
        return ", ".join(said)


LINKS_NOT_KNOWN: Final = (
    "whether anybody hears the links (ApprovalAccess LINK): sns:GetTopicAttributes is not given to you."
)
NO_TARGET: Final = (
    "there is nothing to train with: no training.target in its policy, no TrainingPipelineArn of the stack"
)
NO_ROLE: Final = "no SageMakerExecutionRoleArn is given, so nothing can be passed to SageMaker for it"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as it is now; sentences are ``missing``, what keeps it from being trained or promoted, and ``not_known``."""

    model: str
    state: str
    detail: str | None
    serves: Champion | None
    last_promoted: str | None
    fruitless_runs: int
    pending: str | None
    policy_version: str | None
    mode: str | None
    missing: tuple[str, ...]
    not_known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """What waits for a person, or is there to be done before anything can happen, and the command that does it, where one does."""

    sentence: str
    command: str | None = None


@stack_command("status", watch=True)
@click.option(
    "--check",
    is_flag=True,
    help="Exit status 1 when something waits for a person, 3 when nothing does that you may read.",
)
def status(stack: Stack, terminal: Terminal, *, check: bool) -> int:
    """Print the mode, switches, models and what serves, what is missing to train, runs, slots, waits.

    What you may not read is said. A model that nobody has configured yet waits for nobody: it is a hint.
    """
    found = _gathered(stack, datetime.now(UTC))
    terminal.answer(found)
    _say(stack, terminal, found)
    if not check:
        return Exit.DONE
    return Exit.NO if found["needs_people"] else Exit.NOT_REACHED if found["not_known"] else Exit.DONE


def _gathered(stack: Stack, now: datetime) -> dict[str, Any]:
    table, files, settings = stack.table, policy_files(stack), settings_of(stack)
    switches, waits = table.kill_switches(), table.waits_without_tokens()
    default = model_name(settings.default_model)
    # Somebody gave it a policy file, or a signal of it came.
    configured = {*table.models(), *files.models}
    names = sorted({*configured, *([default] if default else [])})
    models = [model_status(stack, name, files, settings, now) for name in names]
    links = _unheard(stack)
    recent = gathered(heard(table, "", (now - RECENT).isoformat()))
    refused = [each for each in recent if each.decision in {Decision.REJECT, Decision.HOLD}]
    command = stack.place.command
    needs = [
        *(Need(paused_sentence(switch), command("resume", scope=switch.scope)) for switch in switches),
        *(
            Need(f"{each.model} is frozen: {each.detail}", command("unfreeze", model=each.model, reason=WHY))
            for each in models
            if each.state == "frozen"
        ),
        *(
            Need(
                f"The {wait.subject} of {wait.model} waits for approval until {wait.deadline[:19]}.",
                command("approve", wait.run_id, comment=WHY, subject=wait.subject),
            )
            for wait in waits
            if wait.kind is WaitKind.APPROVAL
        ),
        *(
            Need(
                f"{key} is read by nobody: a policy file is named policies/<model>.json, in small letters behind the dot. "
                "Upload it under its model's name, and delete this one."
            )
            for key in files.stray
        ),
        *(Need(sentence) for sentence in links or ()),
        *(need for each in models if each.model in configured for need in _lacks(stack, each)),
    ]
    hints = [need for each in models if each.model not in configured for need in _lacks(stack, each)]
    if not names:
        hints.append(
            Need(
                "No model is known: upload policies/<model>.json to the AutomationBucket, or deploy with DefaultModel.",
                command("deploy", params="DefaultModel=<model>"),
            )
        )
    return {
        "stack": stack.place.stack,
        "region": stack.place.region,
        "mode": settings.mode,
        "training_pipeline": settings.training_pipeline_arn or None,
        "execution_role": stack.parameters.get("SageMakerExecutionRoleArn") or None,
        "switches": [asdict(switch) for switch in switches],
        "models": [
            asdict(each) | {"serves": asdict(each.serves) | {"sentence": each.serves.sentence} if each.serves else None}
            for each in models
        ],
        "slots": [
            {"model": each.model, "run_id": each.run_id, "since": each.since, "grant": each.fence}
            for each in table.slots().holders
        ],
        "queue": [{"model": each.model, "run_id": each.run_id, "since": each.since} for each in table.queue()],
        "waits": len(waits),
        "refused": [_refused(each) for each in itertools.islice(refused, SHOWN)],
        "refused_count": len(refused),
        "needs_people": [asdict(each) for each in needs],
        "hints": [asdict(each) for each in hints],
        "not_known": [
            *([files.refused] if files.refused else []),
            *([LINKS_NOT_KNOWN] if links is None else []),
            *(sentence for each in models for sentence in each.not_known),
        ],
    }


def _lacks(stack: Stack, model: ModelStatus) -> list[Need]:
    return [Need(f"{model.model}: {sentence}", _remedy(stack, model.model, sentence)) for sentence in model.missing]


def _unheard(stack: Stack) -> tuple[str, ...] | None:
    """Which links reach nobody; None where whoever asks may not look."""
    try:
        return unheard(lambda: stack.client("sns"), stack.parameters, stack.outputs)
    except (BotoCoreError, ClientError):
        return None


def _refused(each: Heard) -> dict[str, Any]:
    names = ("at", "decision", "reason", "model", "sentence", "signal_id")
    return {name: getattr(each, name) for name in names}


def settings_of(stack: Stack) -> Settings:
    """What the loop's functions are told, from the stack's parameters: whoever asks may read these, and no function's environment."""
    told = {"APPROVAL_ACCESS": "OFF", "APPROVAL_MODE": "by-severity"}
    for each in fields(Settings):
        given = stack.parameters.get(each.name.title().replace("_", ""))
        told[each.name.upper()] = given or told.get(each.name.upper(), "0" if each.type in {"int", "float"} else "")
    return Settings.from_env(told)


def model_status(stack: Stack, name: str, files: PolicyFiles, settings: Settings, now: datetime) -> ModelStatus:
    """A model as it is now. Its policy is not looked at where ``files`` says that nobody let us list them."""
    table = stack.table
    stored = table.model(name)
    policy, missing, unread = _policy(stack, name, files, settings)
    if policy is not None:
        missing = (*missing, *lacking(policy, stack.parameters.get("SageMakerExecutionRoleArn", "")))
    serves, unseen = _champion(stack, name, policy, stored)
    state, detail = _state(stored, now)
    pending = f"{stored.pending['count']} ({stored.pending['severity']})" if stored.pending else None
    last = next(iter(table.promoted_runs(name)), None)
    ended = table.run(last) if last is not None else None
    return ModelStatus(
        model=name,
        state=state,
        detail=detail,
        serves=serves,
        last_promoted=ended.ended_at if ended is not None else None,
        fruitless_runs=stored.fruitless_runs,
        pending=pending,
        policy_version=policy.version if policy is not None else None,
        mode=policy.mode if policy is not None else None,
        missing=missing,
        not_known=tuple(filter(None, (unread, unseen))),
    )


def _state(stored: StoredModel, now: datetime) -> tuple[str, str | None]:
    if stored.frozen_reason:
        return "frozen", stored.frozen_reason
    if stored.active_run_id:
        return "running", f"run {stored.active_run_id}"
    if stored.cooldown_until and datetime.fromisoformat(stored.cooldown_until) > now:
        return "cooldown", f"until {stored.cooldown_until[:19]}"
    return "idle", None


def _policy(
    stack: Stack, name: str, files: PolicyFiles, settings: Settings
) -> tuple[Policy | None, tuple[str, ...], str | None]:
    """The policy in force, None where it is not known; what is wrong with its file; and why nobody could look at it."""
    if files.refused:
        return None, (), None
    if name not in files.models:
        if name == settings.default_model:
            return parse_policy(name, None, version="defaults", settings=settings), (), None
        return None, ("it has no policy file, so every signal of it is rejected",), None
    document = stack.bucket.read(stack.bucket.uri(f"policies/{name}.json"), at_most=POLICY_FILE_LIMIT)
    if document.unreadable is Unreadable.ACCESS_DENIED:
        return None, (), f"The policy of {name} may not be read by you. {who_has(OPERATORS)}"
    if document.body is None:
        return None, (f"its policy file cannot be read ({document.unreadable})",), None
    try:
        return parse_policy(name, document.body, version=document.version, settings=settings), (), None
    except PolicyError as error:
        good = stack.table.good_policy(name)
        instead = f"version {good[0]}, the last good one, stays in force" if good else "every signal of it is held"
        return None, (f"its policy file is not valid, so {instead}: {' '.join(error.findings)}",), None


def lacking(policy: Policy, execution_role: str) -> tuple[str, ...]:
    """What a policy needs and does not have, as sentences."""
    found = []
    if not policy.training.target:
        found.append(NO_TARGET)
    needs_role = policy.promotion.kind is PromotionKind.ENDPOINT or policy.training.kind is TargetKind.TRAINING_JOB
    if policy.training.target and needs_role and not execution_role:
        found.append(NO_ROLE)
    return tuple(found)


def _remedy(stack: Stack, model: str, sentence: str) -> str:
    """The command that gives a model what it lacks, or says all that is wrong with its policy file."""
    parameter = {NO_TARGET: "TrainingPipelineArn", NO_ROLE: "SageMakerExecutionRoleArn"}.get(sentence)
    if parameter:
        return stack.place.command("deploy", params=f"{parameter}=<arn>")
    return stack.place.command("validate", f"policies/{model}.json")


def _champion(
    stack: Stack, name: str, policy: Policy | None, stored: StoredModel
) -> tuple[Champion | None, str | None]:
    """What serves, as far as is known, and why nobody could look at the endpoint."""
    promotions, active = stack.table.promotions(name), stored.active_run_id
    endpoint = policy.promotion.endpoint if policy is not None else promotions[0].plan.endpoint if promotions else None
    if endpoint is None:
        last = next(iter(stack.table.promoted_runs(name)), None)
        run = stack.table.run(last) if last else None
        return (Champion(run.run_id, since=run.ended_at) if run is not None else None), None
    live, unseen = _serving(stack, endpoint)
    trial = stack.table.candidate_verdict(active) if active and live else None
    wanted = trial.plan.wanted_config if trial is not None and isinstance(trial.plan, EndpointPlan) else None
    found = champion(promotions, endpoint=endpoint, live=live, trial=(active, wanted))
    if found is None or found.run_id is None:
        return found, unseen
    run = stack.table.run(found.brought_back_by or found.run_id)
    return (replace(found, since=run.ended_at) if run is not None else found), unseen


def _serving(stack: Stack, endpoint: str) -> tuple[str | None, str | None]:
    """The config an endpoint serves, None where there is none; and why nobody could look."""
    try:
        described = stack.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    except (BotoCoreError, ClientError) as error:
        return None, f"What endpoint {endpoint} serves: {refusal(error)}"
    except OperatorError as error:
        return None, f"What endpoint {endpoint} serves: {error}"
    return str(described["EndpointConfigName"]), None


def champion(
    promotions: Sequence[Promoted], *, endpoint: str, live: str | None, trial: tuple[str | None, str | None]
) -> Champion | None:
    """What serves on an endpoint: as it says itself, else as the last promotion left it; None where neither is known.

    Args:
        promotions: of the model, the newest first.
        endpoint: the policy's.
        live: the config it serves, None when nobody could look.
        trial: the model's run in progress and the config it promotes, None where it promotes none.
    """
    own = [each for each in promotions if each.plan.endpoint == endpoint]
    config = live or (own[0].plan.wanted_config if own else None)
    if config is None:
        return None
    by = {each.plan.wanted_config: each.run_id for each in reversed(own) if not each.plan.goes_back}
    active, wanted = trial
    on_trial = active is not None and config == wanted
    run_id = active if on_trial else by.get(config)
    back = own[0].run_id if own and own[0].plan.goes_back and own[0].plan.wanted_config == config else None
    return Champion(run_id, endpoint, config, brought_back_by=back, looked=live is not None, on_trial=on_trial)


def _say(stack: Stack, terminal: Terminal, found: dict[str, Any]) -> None:
    shadow = found["mode"] == "shadow"
    terminal.facts(
        [
            ("stack", f"{found['stack']}, {found['region']}"),
            ("mode", (Styled("yellow", f"{found['mode']}: decides, and trains nothing"),) if shadow else found["mode"]),
            ("kill switches", ", ".join(each["scope"] for each in found["switches"]) or "none"),
            ("trains with", found["training_pipeline"] or "what each model's policy names"),
            ("passes role", found["execution_role"] or "none is given"),
        ],
        indent=0,
    )
    for each in found["models"]:
        terminal.say()
        _say_model(terminal, each)
    terminal.say()
    terminal.say(f"{len(found['slots'])} training slot(s) held, {len(found['queue'])} run(s) in the queue")
    for slot in found["slots"]:
        terminal.say(
            f"  {slot['model']} run {slot['run_id']} since {slot['since'][:19]} (grant {slot['grant']})", hang=2
        )
    for waiter in found["queue"]:
        terminal.say(f"  waiting: {waiter['model']} run {waiter['run_id']} since {waiter['since'][:19]}", hang=2)
    terminal.say(f"{found['waits']} wait(s) parked{':' if found['waits'] else ''}")
    if found["waits"]:
        terminal.command(stack.place.command("waits"))
    terminal.say(f"{found['refused_count']} signal(s) rejected or held in the last 24 h")
    for each in found["refused"]:
        decision = Styled(COLOURS.get(each["decision"], "bold"), each["decision"])
        terminal.say(f"  {each['at'][:19]}  ", decision, f"  {each['reason']}  {each['model'] or ''}", hang=2)
        terminal.say(f"    {each['sentence']}")
    if found["refused_count"]:
        terminal.command(stack.place.command("signals", since="24h"))
    if found["needs_people"]:
        terminal.say()
        terminal.say(Styled("bold", "For a person:"))
    for need in found["needs_people"]:
        terminal.say("  ", Styled("yellow", need["sentence"]), hang=2)
        if need["command"]:
            terminal.command(need["command"], indent=4)
    if found["hints"]:
        terminal.say()
        terminal.say(Styled("bold", "To begin with:"))
    for hint in found["hints"]:
        terminal.say(f"  {hint['sentence']}", hang=2)
        if hint["command"]:
            terminal.command(hint["command"], indent=4)
    if found["not_known"]:
        terminal.say()
        terminal.say(Styled("bold", "Not known:"))
    for sentence in found["not_known"]:
        terminal.say(f"  {sentence}", hang=2)


def _unknown_champion(model: dict[str, Any]) -> str:
    looked = model["policy_version"] is not None and not model["not_known"]
    return "not known: the loop promoted nothing yet" if looked else "not known"


def _say_model(terminal: Terminal, model: dict[str, Any]) -> None:
    colours: dict[str, Any] = {"frozen": "red", "running": "cyan"}
    state = Styled(colours.get(model["state"], "green"), model["state"])
    terminal.say(Styled("bold", model["model"]))
    detail = f" {model['detail']}" if model["detail"] and model["state"] != "frozen" else ""
    terminal.facts(
        [
            ("state", (state, detail)),
            ("serves", model["serves"]["sentence"] if model["serves"] else _unknown_champion(model)),
            ("promoted", (model["last_promoted"] or "never")[:19]),
            ("fruitless", f"{model['fruitless_runs']} run(s)" if model["fruitless_runs"] else None),
            ("pending", model["pending"]),
            ("policy", model["policy_version"]),
            ("mode", "shadow: decides, and trains nothing" if model["mode"] == "shadow" else None),
            ("missing", "; ".join(model["missing"]) or None),
        ]
    )
