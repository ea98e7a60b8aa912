"""Every message that people get, a function for each kind: what happened, who has to do what until when, the facts. Pure.

The subject says what happened in our own words. What AWS, a program or a person wrote stands in the body alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import pasted
from orchestration.domain.commands import WHY
from orchestration.domain.console_links import Console
from orchestration.domain.contracts import Decision, SignalKind, Status
from orchestration.domain.failures import TOLD, ended, gist
from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.notification import Message, Page
from orchestration.domain.reasons import Reason
from orchestration.domain.votes import LadderAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orchestration.domain.commands import Place

Step = str | Page

HELD: Final = {
    Reason.PAUSED: "the loop is paused",
    Reason.POLICY_INVALID: "its policy file is not valid",
    Reason.FROZEN: "the model is frozen",
    Reason.MONITOR_FAILED: "its monitor failed",
    Reason.MONITOR_SILENT: "its monitor is silent",
    Reason.RUN_UNCONFIRMED: "SageMaker does not confirm the monitoring run",
    Reason.BROKEN_DATA: "the data are broken",
    Reason.NO_TRAINING_TARGET: "there is nothing to train with",
    Reason.NO_ENDPOINT: "its endpoint does not exist",
    Reason.NOT_PROMOTABLE: "no candidate could serve on its endpoint",
    Reason.NO_WAY_BACK: "there is no way back",
    Reason.FOREIGN_RESOURCE: "its policy names what is not its own",
    Reason.BUDGET_SPENT: "its run budget is used up",
}
"""Why a signal is held, as its subject says it."""

HAPPENED: Final = {
    Status.RETRAINING_DECIDED: "Retraining decided",
    Status.ROLLBACK_DECIDED: "Rollback decided",
    Status.TRAINING_APPROVAL_REQUESTED: "Approve or reject the training",
    Status.TRAINING_APPROVED: "Training approved",
    Status.TRAINING_QUEUED: "Training waits for its slot",
    Status.TRAINING_WAITING: "Training waits for capacity of AWS",
    Status.TRAINING_STARTED: "Training started",
    Status.TRAINING_FINISHED: "Training finished",
    Status.CANDIDATE_EVALUATED: "Candidate evaluated",
    Status.PROMOTION_APPROVAL_REQUESTED: "Approve or reject the promotion",
    Status.PROMOTION_APPROVED: "Promotion approved",
    Status.PROMOTION_STARTED: "Promotion started",
    Status.BAKE_APPROVAL_REQUESTED: "Approve or reject the serving candidate",
    Status.BAKE_APPROVED: "Serving candidate approved",
    Status.PROMOTION_BAKED: "Trial of the candidate is over",
    Status.ROLLBACK_STARTED: "Going back to the champion",
    Status.PROMOTED: "Candidate promoted",
    Status.TRAINED: "Candidate trained and accepted",
    Status.CANDIDATE_REJECTED: "Candidate not promoted",
    Status.APPROVAL_REJECTED: "Rejected by people",
    Status.APPROVAL_EXPIRED: "Nobody answered in time, which means no",
    Status.STOPPED: "Run stopped",
    Status.SUPERSEDED: "Run gave way",
    Status.TRAINING_FAILED: "Training failed",
    Status.TRAINING_TIMED_OUT: "Training took longer than it may",
    Status.NO_CAPACITY: "AWS had no capacity to train with",
    Status.ROLLED_BACK: "Promotion rolled back",
    Status.ROLLBACK_FAILED: "The champion could not be brought back",
    Status.FAILED: "Run failed",
}
"""What each status is called where people read it first."""

GOES_BACK: Final = {
    Status.PROMOTION_STARTED: "Rollback moves the endpoint",
    Status.PROMOTION_BAKED: "Trial of the model that came back is over",
    Status.PROMOTED: "The model asked for serves again",
}
"""What they are called of a run that brings a model of the past back, where that is another thing."""

ASKS: Final = frozenset(
    {Status.TRAINING_APPROVAL_REQUESTED, Status.PROMOTION_APPROVAL_REQUESTED, Status.BAKE_APPROVAL_REQUESTED}
)
"""Statuses that ask people."""

OVER: Final = {
    Status.TRAINING_APPROVAL_REQUESTED: "The question about the training is answered",
    Status.PROMOTION_APPROVAL_REQUESTED: "The question about the promotion is answered",
    Status.BAKE_APPROVAL_REQUESTED: "The question about the serving candidate is answered",
}
"""What a question is called that is told when nobody can answer it any more."""

EXPLAINED: Final = frozenset({Status.CANDIDATE_REJECTED, Status.STOPPED, Status.ROLLED_BACK, Status.ROLLBACK_FAILED})
"""Statuses whose subject takes the beginning of the sentence as well, which is ours."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The stack that a message comes from: its commands, its runbook, its console.

    ``runbook_url`` is an address, or no address where the stack was deployed without one.
    """

    place: Place
    state_machine_arn: str
    runbook_url: str

    def command(self, name: str, *arguments: str, **options: str | bool | None) -> str:
        """A command that reaches this stack, from any channel."""
        return pasted(self.place.command(name, *arguments, **options))

    def runbook(self, section: str) -> Step:
        """The step that leads to a section of the runbook; ``section`` is a status, a reason, or the anchor itself."""
        anchor = section.lower().replace("_", "-")
        title = anchor.replace("-", " ").capitalize()
        if not self.runbook_url.startswith("https://") and not self.runbook_url.startswith("http://"):
            return f'Runbook of this release (in the project: docs, runbook), section "{title}".'
        return Page(f'Runbook, section "{title}"', f"{self.runbook_url}#{anchor}")

    def execution(self, run_id: str) -> tuple[Page, ...]:
        """The link to a run's execution, where the console is known."""
        arn = f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"
        return linked("Execution in the console", Console.of(self.state_machine_arn).execution(arn))


def linked(label: str, address: str | None) -> tuple[Page, ...]:
    """A link, or none where nobody knows the address."""
    return (Page(label, address),) if address else ()


# Signals.


def signal_decided(speaker: Speaker, record: Mapping[str, Any], facts: Mapping[str, str]) -> Message:
    """What became of a signal."""
    decision, reason, model = Decision(record["decision"]), str(record["reason"]), record["model"]
    signal_id, steps = str(record["signal_id"]), []
    if decision in {Decision.HOLD, Decision.REJECT}:
        steps += _after_hold(speaker, record) if decision is Decision.HOLD else _after_rejection(speaker, record)
        steps += [f"See what it was decided on: {speaker.command('explain', signal_id)}", speaker.runbook(reason)]
    return Message(
        model=model,
        status=decision,
        title=_decided(decision, record),
        sentence=ended(str(record["sentence"])),
        facts=(*facts.items(), ("signal", signal_id)),
        next_steps=tuple(steps),
        thread=facts.get("run") or facts.get("execution") or "",
        links=speaker.execution(str(record["run_id"])) if record.get("run_id") else (),
    )


def _decided(decision: Decision, record: Mapping[str, Any]) -> str:
    reason, severity = str(record["reason"]), record.get("severity") or "unknown"
    words = reason.replace("_", " ").lower()
    match decision:
        case Decision.RETRAIN if mapping(record.get("approval")).get("needed"):
            return f"Severity {severity}: people are asked before it retrains"
        case Decision.RETRAIN:
            return f"Severity {severity}: retraining begins"
        case Decision.ROLL_BACK:
            return "Rollback begins, as a person asked"
        case Decision.HOLD:
            return f"Signal held: {HELD.get(Reason(reason), words) if reason in set(Reason) else words}"
        case Decision.REJECT:
            return f"Signal rejected: {words}"
        case Decision.COALESCE:
            return "Signal kept until the model may train again"
        case Decision.OBSERVE:
            return "Signal observed, nothing is started"
        case Decision.SKIP:
            return "Signal needs nothing"


def _after_hold(speaker: Speaker, record: Mapping[str, Any]) -> list[Step]:
    model, reason = str(record["model"]), str(record["reason"])
    again = f"Then ask for the retraining: {speaker.command('retrain', model=model, reason=WHY)}"
    signal = mapping(record.get("signal"))
    if signal.get("kind") == SignalKind.ROLLBACK:
        again = f"Then ask again: {speaker.command('rollback', model=model, reason=WHY, to=text(signal.get('to')))}"
    switches = sequence(mapping(mapping(record.get("inputs")).get("state")).get("kill_switches"))
    resume = resume_steps(speaker, [str(mapping(switch).get("scope")) for switch in switches])
    done: dict[str, list[Step]] = {
        Reason.PAUSED: [*resume, again],
        Reason.POLICY_INVALID: [*_mend_policy(speaker), again],
        Reason.FROZEN: [
            f"Model owner: look at its last runs: {speaker.command('history', model=model)}",
            f"When the cause is mended: {speaker.command('unfreeze', model=model, reason=WHY)}",
            again,
        ],
        Reason.MONITOR_FAILED: ["Data owner: mend the monitoring job; its next run is heard by itself."],
        Reason.MONITOR_SILENT: [
            "Data owner: see why the monitor does not run, or have it send what it finds each time."
        ],
        Reason.RUN_UNCONFIRMED: [
            f"Model owner: if the monitor did run, ask: {speaker.command('retrain', model=model, reason=WHY)}"
        ],
        Reason.BROKEN_DATA: ["Data owner: mend the data; a signal on sound data is decided by itself.", again],
        Reason.NO_WAY_BACK: [
            f"Choose another run to go back to: {speaker.command('history', model=model)}",
            f"Then ask again, with that run: {speaker.command('rollback', model=model, reason=WHY, to='<run>')}",
        ],
        Reason.BUDGET_SPENT: ["Model owner: wait until older runs leave the budget, or raise it.", again],
    }
    return done.get(reason, ["Model owner: mend what the sentence names.", again])


def resume_steps(speaker: Speaker, scopes: Iterable[str]) -> tuple[str, ...]:
    """What lifts each switch, and no other."""
    return tuple(f"When the cause of the pause is over: {speaker.command('resume', scope=scope)}" for scope in scopes)


def _after_rejection(speaker: Speaker, record: Mapping[str, Any]) -> list[Step]:
    again = speaker.command("replay", f"rejected/{record['signal_id']}.json")
    return [
        "Whoever sent the event: correct it and send it again.",
        f"If the event was right and the stack is mended: {again}",
    ]


def model_frozen(speaker: Speaker, model: str, reason: str, *, endpoint_left: bool = False) -> Message:
    """The breaker froze a model; ``endpoint_left``: since a run left its endpoint as nobody has judged it."""
    steps: tuple[str, ...] = (
        f"Model owner: look at its last runs: {speaker.command('history', model=model)}",
        "Look at the training data, the labels and the monitor's baseline.",
        f"When the cause is mended: {speaker.command('unfreeze', model=model, reason=WHY)}",
    )
    if endpoint_left:
        steps = _settle_endpoint(speaker, model)
    return Message(
        model=model,
        status="FROZEN",
        title="Model frozen: a person has to look",
        sentence=ended(f"{model} is frozen and starts no more trainings: {reason}"),
        next_steps=(*steps, speaker.runbook("frozen")),
        escalates=True,
    )


def _settle_endpoint(speaker: Speaker, model: str) -> tuple[str, str]:
    return (
        "Platform team, at once: look at what the endpoint serves and set it to the config that is to serve.",
        f"Then: {speaker.command('unfreeze', model=model, reason=WHY)}",
    )


def signal_undecided(speaker: Speaker, *, run_id: str, reason: str, key: str, uri: str) -> Message:
    """An execution failed before its signal was decided."""
    return Message(
        model=None,
        status=str(Status.FAILED),
        title="A signal could not be decided",
        sentence=ended(f"Execution {run_id} failed before its signal was decided: {reason}"),
        facts=(("execution", run_id), ("event", uri)),
        next_steps=(
            "Platform team: mend the cause; the event is kept.",
            f"Then have it raised again: {speaker.command('replay', key)}",
            speaker.runbook("signal-not-decided"),
        ),
        escalates=True,
        thread=run_id,
        links=speaker.execution(run_id),
    )


def policy_invalid(speaker: Speaker, *, model: str, uri: str, instead: str, findings: tuple[str, ...]) -> Message:
    """A policy file is not valid."""
    return Message(
        model=model,
        status="POLICY_INVALID",
        title="Policy file is not valid",
        sentence=ended(f"{uri} is not valid, so {instead}. {' '.join(map(ended, findings))}"),
        next_steps=(*_mend_policy(speaker), speaker.runbook("policy-invalid")),
    )


def _mend_policy(speaker: Speaker) -> list[Step]:
    return [
        f"Model owner: correct the file and check it, which says all that is wrong: {speaker.command('validate', 'policy.json')}",
        "Then upload it again.",
    ]


# Runs.


def run_status(
    speaker: Speaker,
    *,
    status: Status,
    run_id: str,
    model: str,
    sentence: str,
    facts: Mapping[str, str],
    deciding: tuple[Step, ...] = (),
    buttons: Mapping[str, str] | None = None,
    until: str = "",
    links: tuple[Page, ...] = (),
    scopes: Iterable[str] = (),
    goes_back: bool = False,
    to: str | None = None,
    endpoint_left: bool = False,
) -> Message:
    """A status of a run.

    Args:
        speaker: the stack.
        status: the status.
        run_id: the run.
        model: its model.
        sentence: what happened.
        facts: what is known besides.
        deciding: how people decide, of a status that asks them.
        buttons: what the buttons under it carry in chat.
        until: until when, for people; empty where nobody is asked.
        links: pages of the console besides the execution's.
        scopes: what is paused over the run now.
        goes_back: whether it was to bring a champion of before back, and trains nothing.
        to: the run whose champion that is, where it was named.
        endpoint_left: whether it ended in the middle of changing its endpoint, so that nobody has judged what serves.
    """
    title, asks = HAPPENED[status], status in ASKS and bool(until)
    if goes_back:
        title = GOES_BACK.get(status, title)
    if asks:
        title = f"{title} by {until}"
    elif status in ASKS:
        title = OVER[status]
    elif status in EXPLAINED and sentence and gist(sentence) != TOLD["ABORTED"]:
        title = f"{title}: {gist(sentence)}"
    lift = resume_steps(speaker, scopes) if status in {Status.STOPPED, Status.TRAINING_QUEUED} else ()
    if goes_back:
        again = speaker.command("rollback", model=model, reason=WHY, to=to)
    else:
        again = speaker.command("retrain", model=model, reason=WHY, force=True)
    acts: Iterable[Step] = (step(speaker, model, again) for step in _ACTS.get(status, ()))
    if endpoint_left:
        acts = _settle_endpoint(speaker, model)
    steps = [*deciding, *lift, *acts]
    if status.escalates:
        steps += [f"See what it was decided on: {speaker.command('explain', run_id)}", speaker.runbook(status)]
    if status is Status.TRAINING_WAITING:
        steps.append(speaker.runbook(Status.NO_CAPACITY))
    return Message(
        model=model,
        status=status,
        title=title,
        sentence=ended(sentence),
        facts=(("run", run_id), *facts.items()),
        next_steps=tuple(steps),
        escalates=status.escalates,
        asks=asks,
        thread=run_id,
        links=(*speaker.execution(run_id), *links),
        extra=dict(buttons or {}),
    )


def _ask(when: str) -> Callable[[Speaker, str, str], Step]:
    return lambda _speaker, _model, again: f"{when}: {again}"


def _says(words: str) -> Callable[[Speaker, str, str], Step]:
    return lambda *_: words


_ACTS: Final[Mapping[Status, tuple[Callable[[Speaker, str, str], Step], ...]]] = {
    Status.TRAINING_WAITING: (
        lambda speaker, model, _: f"To end the wait: {speaker.command('pause', scope=f'model:{model}', reason=WHY)}",
    ),
    Status.APPROVAL_EXPIRED: (
        _says("Nothing has to be undone: what served before serves."),
        _ask("Model owner: if it is wanted all the same, ask again"),
    ),
    Status.STOPPED: (
        _says("Nothing has to be undone: what served before serves."),
        _ask("Once nothing is paused any more, ask again"),
    ),
    Status.SUPERSEDED: (_ask("Model owner: if no run begins by itself and one is wanted, ask again"),),
    Status.TRAINING_FAILED: (
        _says("Model owner: look at the training's own log and mend what it names."),
        _ask("Then ask again"),
    ),
    Status.TRAINING_TIMED_OUT: (
        _says("Model owner: see why it takes so long, or raise max_hours of training in the policy."),
        _ask("Then ask again"),
    ),
    Status.NO_CAPACITY: (
        _says("Platform team: raise the quota that is named, or have the target use another instance type."),
        _ask("Then ask again"),
    ),
    Status.ROLLED_BACK: (
        _says("Model owner: see why, as said above; what served before serves again."),
        _ask("When the cause is mended, ask again"),
    ),
    Status.ROLLBACK_FAILED: (
        _says("Platform team, at once: set the endpoint to the champion's config; the loop leaves it alone."),
        lambda speaker, model, _: f"Then: {speaker.command('unfreeze', model=model, reason=WHY)}",
    ),
    Status.FAILED: (
        _says("Platform team: mend what the sentence names."),
        _ask("Then ask again"),
    ),
}
"""What people do about a status: who, what, and with which command, of the model or of what asks for the same again."""


def approval_undecided(
    speaker: Speaker,
    *,
    action: LadderAction,
    run_id: str,
    model: str,
    subject: str,
    why: str,
    left: str,
    until: str,
    manifest: str,
    asked: Mapping[str, str],
    deciding: tuple[Step, ...],
    buttons: Mapping[str, str] | None = None,
) -> Message:
    """People are reminded of an approval, or others are called; ``asked`` is on what, and who may answer."""
    escalates = action is LadderAction.ESCALATE
    return Message(
        model=model,
        status=f"APPROVAL_{'ESCALATED' if escalates else 'REMINDED'}",
        title=f"Undecided: approve or reject the {what_is_asked(subject)} by {until}",
        sentence=ended(
            f"The {what_is_asked(subject)} of {model} waits for approval. Nobody has decided yet; {left} are left, then the answer is "
            f"no. {why}"
        ),
        facts=(("run", run_id), ("deadline", until), *asked.items(), ("manifest", manifest)),
        next_steps=(*deciding, *((speaker.runbook("approval-undecided"),) if escalates else ())),
        escalates=escalates,
        asks=True,
        thread=run_id,
        links=speaker.execution(run_id),
        extra=dict(buttons or {}),
    )


def approval_counted(
    speaker: Speaker, *, run_id: str, model: str, subject: str, by: str, sentence: str, until: str
) -> Message:
    """A vote is counted, and another person is needed."""
    return Message(
        model=model,
        status="APPROVAL_COUNTED",
        title=f"One more person has to approve the {what_is_asked(subject)} by {until}",
        sentence=ended(f"{by} approved the {what_is_asked(subject)} of {model}. {sentence}"),
        facts=(("run", run_id), ("deadline", until)),
        next_steps=how_to_decide(speaker, run_id, subject),
        asks=True,
        thread=run_id,
        links=speaker.execution(run_id),
    )


def outcome_shown(outcome: str | None, *, goes_back: bool) -> str:
    """What a run came to, in a list of runs; None while it goes on."""
    return f"{outcome or 'in progress'}{' (rollback)' if goes_back else ''}"


def what_is_asked(subject: str) -> str:
    """What an approval is of, in words."""
    return "serving candidate" if subject == "bake" else subject


def how_to_decide(speaker: Speaker, run_id: str, subject: str) -> tuple[str, str, str]:
    """The commands for an approval: a page on the reader's own machine that shows and decides, a yes, a no.

    A yes and a no name their subject: by the time they are given, the run may ask something else.
    """
    return (
        f"Look and decide: {speaker.command('review', run_id)}",
        f"To approve: {speaker.command('approve', run_id, comment=WHY, subject=subject)}",
        f"To reject: {speaker.command('reject', run_id, comment=WHY, subject=subject)}",
    )


def endpoint_left(
    speaker: Speaker, *, run_id: str, model: str, endpoint: str, shown: str, facts: tuple[tuple[str, str], ...]
) -> Message:
    """What serves where a run that is over left the change of an endpoint open."""
    return Message(
        model=model,
        status="ENDPOINT_LEFT",
        title="Endpoint left by a run that is over: a person has to look",
        sentence=ended(f"Run {run_id} ended while it changed endpoint {endpoint}. The endpoint {shown}"),
        facts=facts,
        next_steps=(*_settle_endpoint(speaker, model), speaker.runbook("frozen")),
        escalates=True,
        thread=run_id,
        links=(
            *speaker.execution(run_id),
            *linked("Endpoint in the console", Console.of(speaker.state_machine_arn).endpoint(endpoint)),
        ),
    )


# The loop itself.


def records_anchored(speaker: Speaker, *, root: str, chains: int, at: str, bucket: str, key: str) -> Message:
    """The day's anchor of all records."""
    return Message(
        model=None,
        status="RECORDS_ANCHORED",
        title="Records anchored: keep this message",
        sentence=f"The records of {chains} {'chain' if chains == 1 else 'chains'} had the root {root} at {at}.",
        facts=(("root", root), ("heads", f"s3://{bucket}/{key}")),
        next_steps=(f"To check the records against it later: {speaker.command('verify-audit', anchor=root)}",),
        links=linked("Heads in the console", Console.of(speaker.state_machine_arn).s3_object(bucket, key)),
    )


def switch_changed(speaker: Speaker, *, scope: str, what: str, sentence: str) -> Message:
    """People paused, resumed or unfroze something."""
    kind, _, name = scope.partition(":")
    model = name if kind == "model" else None
    step = {
        "paused": f"To go on: {speaker.command('resume', scope=scope)}",
        "resumed": f"See how it stands: {speaker.command('status')}",
    }.get(what, f"Its last runs: {speaker.command('history', model=model)}")
    return Message(
        model=model,
        status=what.upper(),
        title=f"{ {'model': 'Model', 'source': f'Source {name}'}.get(kind, 'Everything') } {what}",
        sentence=ended(sentence),
        next_steps=(step,),
    )
