"""An approval as a reviewer sees it: what would happen, on what grounds, who answered, how long there is. Pure.

The page of ApprovalFunction, the page on a reader's own machine and the terminal all show what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchestration.domain.candidate_view import (
    KINDS,
    artifacts_section,
    candidate_section,
    plan_of_asked,
    promotion_section,
)
from orchestration.domain.contracts import Severity
from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.messages import how_to_decide, outcome_shown, resume_steps, what_is_asked
from orchestration.domain.page import NOT_KNOWN, Section, facts_of, figure, known, table_of
from orchestration.domain.policy import PromotionKind
from orchestration.domain.review_page import Form, View
from orchestration.domain.switches import paused_sentence, sources_of, switch_over
from orchestration.domain.times import duration, moment, stamp
from orchestration.domain.votes import MayAnswer, Via, VoteCode, answered_by, nobody_left, refused_unnamed, unweighable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.domain.messages import Speaker
    from orchestration.domain.switches import KillSwitch
    from orchestration.domain.wait import Wait

KICKER: Final = "Retraining approval"
NOT_DECIDED: Final = "Nothing was decided"
EXPIRED: Final = "The approval has expired"

RUNS_SHOWN: Final = 6
"""Lines of the model's latest runs that whoever gathers reads, this run's among them."""

SETTINGS_SHOWN: Final = 12
"""Values of a training's input, of those that the policy sets."""

TRAINING: Final = "training"

FOLLOWS: Final = {
    ("training", True): "The run goes on: it takes a training slot and trains.",
    ("promotion", True): "The run goes on: the candidate is promoted.",
    ("bake", True): "The candidate stays; the run ends PROMOTED.",
    ("training", False): "The run ends APPROVAL_REJECTED; nothing is trained.",
    ("promotion", False): "The run ends APPROVAL_REJECTED; what serves stays.",
    ("bake", False): "The champion comes back; the run ends ROLLED_BACK when the endpoint has moved.",
}
"""What a decided approval has the run do, by what it is of and whether it is a yes."""

LOOPS_OWN_INPUT: Final = frozenset(
    {
        "run",
        "triggered_by",
        "reason",
        "run_id",
        "model",
        "manifest_uri",
        "output_uri",
        "idempotency_token",
        "champion_model_data_uri",
    }
)
"""Keys of a training input that the loop sets itself; the others are the policy's and are shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval with what a reviewer has to see of it.

    Dictionaries are records as they are stored: the run's manifest, its evidence ``evaluation``, lines of the model's latest
    runs, statuses of this one. Each is empty where there is none or it cannot be read; then ``unread`` says of what, and why.
    ``wait`` needs no token, ``switches`` are all that are thrown. ``plan_stands``: whether the manifest is the one that was
    asked about, None where that is not known.
    """

    wait: Wait
    manifest: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    switches: Sequence[KillSwitch] = ()
    statuses: Sequence[Mapping[str, Any]] = ()
    plan_stands: bool | None = None
    unread: tuple[str, ...] = ()


def approval_view(
    asked: Asked, speaker: Speaker, now: datetime, *, by_link: bool = False, nonce: str | None = None
) -> View:
    """The page of an approval.

    Args:
        asked: the approval.
        speaker: its stack, for the commands that are named.
        now: the time to judge at, aware, in UTC.
        by_link: whether whoever looks is known by a link alone.
        nonce: of that link; it goes into the form.
    """
    wait, what = asked.wait, what_is_asked(asked.wait.subject)
    broken = unweighable(wait) if wait.result is None else None
    if broken is not None:
        return View(f"{what.capitalize()} of {wait.model}", f"{KICKER} · run {wait.run_id}", broken, "warn")
    both = Form(f"?run={quote(wait.run_id)}", wait.subject, nonce)
    form: Form | None = both
    asks = "whether it stays" if wait.subject == "bake" else f"before the {what}"
    tone, notice, hint = "plain", f"{known(wait.data.get('why'))} People are asked {asks}.", ""
    if wait.result is not None:
        form, notice = None, f"This was decided: {wait.result.reason}"
    elif now.isoformat() >= wait.deadline:
        form, tone, notice = None, "warn", "The deadline has passed, which means no."
    else:
        switch = switch_over(asked.switches, wait.model, *sources_of(asked.manifest))
        if switch is not None:
            tone = "warn"
            lift = " ".join(resume_steps(speaker, [switch.scope]))
            notice = f"{paused_sentence(switch)} Approving has to wait; rejecting works. {lift}"
        _, *ways = how_to_decide(speaker, wait.run_id, wait.subject)
        if by_link and wait.data.get("voters"):
            form = None
            notice = f"{notice} The policy names who may answer, and a link names nobody. {'; '.join(ways)}"
        elif (stuck := stuck_of(asked)) is not None:
            form, tone, hint = replace(both, approves=False), "warn", stuck
        elif by_link and (refused := refused_unnamed(Via.LINK, wait.data)) is not None:
            form, hint = replace(both, approves=False), f"{refused} {ways[0]}"
    if asked.unread:
        tone, notice = "warn", f"{notice} {' '.join(asked.unread)}"
    return View(
        f"Approve the {what} of {wait.model}?" if form else f"{what.capitalize()} of {wait.model}",
        f"{KICKER} · run {wait.run_id}",
        notice,
        tone,
        clock_of(asked, now) if form else "",
        sections_of(asked, now),
        form,
        hint,
    )


def stuck_of(asked: Asked) -> str | None:
    """Why nobody can approve any more, so that rejecting is all that is left; None where somebody can."""
    if asked.plan_stands is False:
        return (
            "The manifest is not there as it was when this was asked, so nobody can approve any more. Reject the run, and look at the "
            "versions of its manifest."
        )
    return nobody_left(asked.wait.data, asked.wait.parked_at)


def told_view(view: View, wait: Wait, code: VoteCode, sentence: str) -> View:
    """The page after an answer: what became of it, and the approval as it stands now.

    Args:
        view: the approval's page.
        wait: the approval after the answer.
        code: what became of the answer.
        sentence: that, for people.
    """
    titles = {VoteCode.DECIDED: "Decided", VoteCode.COUNTED: "Your approval is counted", VoteCode.EXPIRED: EXPIRED}
    after = ""
    if code is VoteCode.DECIDED:
        ruling = wait.result.ruling if wait.result else None
        after = " The run goes on." if ruling is not None and ruling.approved else " The run ends without it."
    return replace(
        view,
        title=f"{titles.get(code, NOT_DECIDED)}: {what_is_asked(wait.subject)} of {wait.model}",
        notice=sentence + after,
        tone="good" if code in {VoteCode.DECIDED, VoteCode.COUNTED} else "warn",
        clock="",
        form=None,
    )


def sections_of(asked: Asked, now: datetime) -> tuple[Section, ...]:
    """What a yes would change, on what grounds, what it has cost, what came of the runs before it, how long there is to decide."""
    data = asked.wait.data
    champion = mapping(asked.manifest.get("champion"))
    if asked.wait.subject == TRAINING:
        request = mapping(mapping(_policy(asked).get("training")).get("request"))
        image = mapping(request.get("AlgorithmSpecification")).get("TrainingImage")
        parts = [_drift(asked), _training(asked), _after_training(asked)]
    else:
        image, plan = None, plan_of_asked(data, asked.evaluation)
        confidence = mapping(_policy(asked).get("evaluation")).get("confidence")
        parts = [
            candidate_section(data, asked.evaluation, confidence),
            promotion_section(plan, champion, _follows(asked.wait.subject)),
            _drift(asked),
            _training(asked),
        ]
    return (
        *parts,
        artifacts_section(data, asked.evaluation, champion, image),
        _policy_section(asked),
        _cost(asked, now),
        _last_runs(asked),
        _time_and_votes(asked, now),
        _record(asked),
    )


def _follows(subject: str) -> tuple[tuple[str, str | None], ...]:
    return ("With a yes", FOLLOWS.get((subject, True))), ("With a no", FOLLOWS.get((subject, False)))


def clock_of(asked: Asked, now: datetime) -> str:
    """One line on the time left and the approvals so far."""
    left, needed = datetime.fromisoformat(asked.wait.deadline) - now, asked.wait.approvals_needed
    given = sum(mapping(vote).get("answer") == "APPROVED" for vote in sequence(asked.wait.data.get("votes")))
    return f"{duration(left)} left; {given} of {needed} approvals given."


def _drift(asked: Asked) -> Section:
    signal = mapping(asked.manifest.get("signal"))
    threshold, dataset = mapping(signal.get("threshold")), mapping(signal.get("dataset"))
    ratio = number(threshold.get("ratio"))
    worse = "below" if threshold.get("lower_is_worse") else "above"
    window = " to ".join(str(dataset[key]) for key in ("window_start", "window_end") if dataset.get(key))
    facts = facts_of(
        ("What happened", signal.get("summary") or asked.wait.data.get("why")),
        ("Severity", asked.wait.data.get("severity")),
        ("Metric", threshold.get("metric")),
        ("Observed", figure(threshold.get("observed"))),
        ("Threshold", figure(threshold.get("threshold"))),
        ("How far", f"{ratio:.2f} times the threshold (bad when {worse} it)" if ratio is not None else None),
        ("Endpoint", signal.get("endpoint")),
        ("Seen in", dataset.get("uri")),
        ("Window", window),
        ("Report", signal.get("report_uri")),
    )
    rows = tuple(
        (str(entry.get("feature")), str(entry.get("check")), str(entry.get("description")))
        for entry in map(mapping, sequence(signal.get("violations"))[:10])
    )
    count = signal.get("violation_count") or len(rows)
    caption = f"Broken constraints ({len(rows)} of {count} shown)"
    return Section("What drifted", facts, (table_of(caption, ("Feature", "Check", "Finding"), rows),) if rows else ())


def _training(asked: Asked) -> Section:
    training = mapping(asked.manifest.get("training"))
    wanted = mapping(training.get("input"))
    dataset, budget = mapping(asked.manifest.get("dataset")), mapping(asked.wait.data.get("budget"))
    settings = [(f"Input {key}", value) for key, value in sorted(wanted.items()) if key not in LOOPS_OWN_INPUT]
    more = len(settings) - SETTINGS_SHOWN
    used = None
    if budget:
        limit = f" of {budget['runs']}" if budget.get("runs") else ", no limit"
        used = f"{budget.get('used')}{limit} in {figure(budget.get('days'))} days, this one included"
    return Section(
        "What would be trained" if asked.wait.subject == "training" else "What was trained",
        facts_of(
            ("Training target", training.get("target")),
            ("Dataset of the signal", dataset.get("uri")),
            *settings[:SETTINGS_SHOWN],
            ("Input, not shown", f"{more:,} more; the manifest has them" if more > 0 else None),
            ("Instances", _training_instances(asked)),
            ("Longest training", f"{figure(training.get('max_hours'))} h" if training.get("max_hours") else None),
            ("Runs of the budget", used),
        ),
    )


def _training_instances(asked: Asked) -> str:
    """What a training runs on, where the policy asks for it; a team's own target names its own."""
    request = mapping(mapping(_policy(asked).get("training")).get("request"))
    wanted = mapping(request.get("ResourceConfig"))
    groups = [mapping(group) for group in sequence(wanted.get("InstanceGroups"))] or [wanted]
    named = [
        f"{figure(each.get('InstanceCount')) or 1} x {each['InstanceType']}"
        for each in groups
        if each.get("InstanceType")
    ]
    return ", ".join(named) or f"{NOT_KNOWN}: the training target says"


def _policy(asked: Asked) -> dict[str, Any]:
    """The policy in force, as the manifest pins it; empty where there is no manifest."""
    return mapping(mapping(asked.manifest.get("policy")).get("effective"))


def _after_training(asked: Asked) -> Section:
    """What a yes to a training leads to: whether anybody is asked again before it serves."""
    policy, champion = _policy(asked), mapping(asked.manifest.get("champion"))
    promotion, wish = mapping(policy.get("promotion")), mapping(policy.get("approval")).get("promotion")
    asks = wish == "always" or (wish == "by-severity" and asked.wait.data.get("severity") != Severity.INFO)
    if not policy:
        then = NOT_KNOWN
    elif promotion.get("kind") == PromotionKind.NONE:
        then = "nothing serves: the candidate stays in S3 or in the registry"
    else:
        then = f"a candidate that passes its gates is promoted, {'if people approve that too' if asks else 'and nobody is asked again'}"
    return Section(
        "What changes",
        facts_of(
            *_follows(TRAINING),
            ("After the training", then),
            ("Kind of promotion", KINDS.get(str(promotion.get("kind")), NOT_KNOWN)),
            ("Endpoint", promotion.get("endpoint") or champion.get("endpoint")),
            ("Config now", champion.get("endpoint_config")),
            ("Model now", champion.get("model_name") or ("no champion yet" if asked.manifest else NOT_KNOWN)),
        ),
    )


def _policy_section(asked: Asked) -> Section:
    pinned, data = mapping(asked.manifest.get("policy")), asked.wait.data
    same = None
    if pinned.get("sha256") and data.get("policy_sha256"):
        same = (
            "the same" if pinned["sha256"] == data["policy_sha256"] else f"another one, SHA-256 {data['policy_sha256']}"
        )
    return Section(
        "The policy",
        facts_of(
            ("Decided under version", known(pinned.get("version") or asked.manifest.get("policy_version"))),
            ("SHA-256", known(pinned.get("sha256"))),
            ("File when asked", known(data.get("policy_written"))),
            ("In force when asked", known(same)),
        ),
    )


def _cost(asked: Asked, now: datetime) -> Section:
    """What the run has cost until now, as the report of a run counts it."""
    rows = [{"status": row.get("status"), "at": row.get("at")} for row in asked.statuses]
    if not rows:
        return Section("Cost so far", (("Cost so far", f"{NOT_KNOWN}: the run's statuses are not there"),))
    # Whoever only counts a vote would pay for these at a start.
    from orchestration.domain.prices import packaged_prices  # noqa: PLC0415
    from orchestration.domain.run_report import RunRecords, run_report, shown_source, shown_total, shown_transitions  # noqa: PLC0415

    # The last phase goes on until now.
    outcome = {"statuses": [*rows, {"status": "NOW", "at": now.isoformat()}], "died": True}
    outcome |= {"jobs": asked.wait.data["jobs"]} if "jobs" in asked.wait.data else {}
    found = {"manifest": asked.manifest, "evaluation": asked.evaluation, "outcome": outcome}
    report = run_report(RunRecords(asked.wait.model, asked.wait.run_id, "", found), packaged_prices())
    price = report.price
    return Section(
        "Cost so far",
        facts_of(
            ("Price", shown_total(price)),
            *((cost.what, cost.told) for phase in report.phases for cost in phase.costs),
            ("State transitions without retries", shown_transitions(price)),
            ("Counted", price.counted),
            ("Prices", shown_source(price)),
        ),
    )


def _record(asked: Asked) -> Section:
    wanted = mapping(mapping(asked.manifest.get("training")).get("input"))
    return Section(
        "For the record",
        facts_of(
            ("Manifest", asked.wait.data.get("manifest_uri")),
            ("Manifest SHA-256", asked.wait.data.get("manifest_sha256")),
            ("Output", wanted.get("output_uri")),
            ("Execution", known(asked.manifest.get("execution_arn") or asked.wait.execution_arn)),
        ),
    )


def _last_runs(asked: Asked) -> Section:
    rows = tuple(
        (
            moment(run.get("started_at")) or NOT_KNOWN,
            outcome_shown(run.get("outcome"), goes_back=bool(run.get("goes_back"))),
            str(run.get("severity") or ""),
            str(run.get("reason") or ""),
        )
        for run in asked.runs
        if run.get("run_id") != asked.wait.run_id
    )
    if not rows:
        return Section("Runs before", (("Runs", "This is the first run of the model."),))
    caption = f"Last {len(rows)} runs of {asked.wait.model}, newest first"
    return Section("Runs before", (), (table_of(caption, ("Started", "Outcome", "Severity", "Reason"), rows),))


def _time_and_votes(asked: Asked, now: datetime) -> Section:
    deadline, needed = datetime.fromisoformat(asked.wait.deadline), asked.wait.approvals_needed
    left = f" ({duration(deadline - now)} left)" if now < deadline else " (over)"
    votes = tuple(
        (
            answered_by(str(vote.get("by")), deputy=bool(vote.get("deputy"))),
            str(vote.get("answer")),
            str(vote.get("via")),
            moment(vote.get("at")),
            str(vote.get("comment")),
        )
        for vote in map(mapping, sequence(asked.wait.data.get("votes")))
    )
    tables = (table_of("Answers so far", ("Who", "Answer", "Known by", "When", "Comment"), votes),) if votes else ()
    people = "1 person" if needed == 1 else f"{needed} different people"
    asked_by = list(map(str, sequence(asked.wait.data.get("asked_by"))))
    is_open = asked.wait.result is None and now < deadline
    may_answer = MayAnswer.of(asked.wait.data, asked.wait.parked_at).said(now, deadline) if is_open else {}
    return Section(
        "Time and answers",
        facts_of(
            ("Asked", moment(asked.wait.parked_at)),
            ("Deadline", f"{stamp(deadline)}{left if asked.wait.result is None else ''}"),
            ("Approvals", f"{people} must approve; one rejection is enough for a no"),
            ("May answer", may_answer.get("may answer")),
            ("Deputies", may_answer.get("deputies")),
            ("May not approve", f"{', '.join(asked_by)}, who asked for the run" if asked_by and is_open else None),
        ),
        tables,
    )
