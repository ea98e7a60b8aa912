"""An approval as a reviewer sees it: what would happen, on what grounds, who answered, how long there is. Pure.

The page of ApprovalFunction, the page on a reader's own machine and the terminal all show what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.messages import how_to_decide, resume_steps
from orchestration.domain.page import RESULT, Section, facts_of, figure, moment, table_of
from orchestration.domain.review_page import Form, View
from orchestration.domain.switches import paused_sentence, sources_of, switch_over
from orchestration.domain.votes import Via, VoteCode, duration, refused_unnamed, stamp

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
    runs. Each is empty where there is none or it cannot be read. ``wait`` needs no token, ``switches`` are all that are thrown.
    """

    wait: Wait
    manifest: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    switches: Sequence[KillSwitch] = ()


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
    wait = asked.wait
    switch = switch_over(asked.switches, wait.model, *sources_of(asked.manifest))
    form: Form | None = Form(f"?run={quote(wait.run_id, safe='')}", wait.subject, nonce)
    hint = ""
    tone, notice = "plain", f"{wait.data['why']} People are asked before the {wait.subject}."
    if wait.result is not None:
        form, notice = None, f"This was decided: {wait.result.reason}"
    elif now.isoformat() >= wait.deadline:
        form, tone, notice = None, "warn", "The deadline has passed, which means no."
    elif switch is not None:
        tone = "warn"
        lift = " ".join(resume_steps(speaker, [switch.scope]))
        notice = f"{paused_sentence(switch)} Approving has to wait; rejecting works. {lift}"
    if form is not None and by_link and wait.data.get("voters"):
        ways = "; ".join(how_to_decide(speaker, wait.run_id))
        form, notice = None, f"{notice} The policy names who may answer, and a link names nobody. {ways}"
    refused = refused_unnamed(Via.LINK, wait.data) if by_link else None
    if form is not None and refused is not None:
        form, hint = replace(form, approves=False), f"{refused} {how_to_decide(speaker, wait.run_id)[0]}"
    return View(
        f"Approve the {wait.subject} of {wait.model}?" if form else f"{wait.subject.capitalize()} of {wait.model}",
        f"{KICKER} · run {wait.run_id}",
        notice,
        tone,
        clock_of(asked, now) if form else "",
        sections_of(asked, now),
        form,
        hint,
    )


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
        title=f"{titles.get(code, NOT_DECIDED)}: {wait.subject} of {wait.model}",
        notice=sentence + after,
        tone="good" if code in {VoteCode.DECIDED, VoteCode.COUNTED} else "warn",
        clock="",
        form=None,
    )


def sections_of(asked: Asked, now: datetime) -> tuple[Section, ...]:
    """What the run is about, what it would do, what came of the runs before it, how long there is to decide."""
    parts = [_drift(asked), _training(asked)]
    if asked.wait.subject == "promotion":
        parts.insert(0, _candidate(asked))
    return (*parts, _last_runs(asked), _time_and_votes(asked, now), _record(asked))


def clock_of(asked: Asked, now: datetime) -> str:
    """One line on the time left and the approvals so far."""
    left, needed = datetime.fromisoformat(asked.wait.deadline) - now, asked.wait.data.get("approvals_needed") or 1
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
    training, champion = mapping(asked.manifest.get("training")), mapping(asked.manifest.get("champion"))
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
            ("Longest training", f"{figure(training.get('max_hours'))} h" if training.get("max_hours") else None),
            ("Serves now", champion.get("model_name") or ("no champion yet" if asked.manifest else None)),
            ("Runs of the budget", used),
        ),
    )


def _record(asked: Asked) -> Section:
    wanted = mapping(mapping(asked.manifest.get("training")).get("input"))
    return Section(
        "For the record",
        facts_of(
            ("Manifest", asked.wait.data.get("manifest_uri")),
            ("Manifest SHA-256", asked.wait.data.get("manifest_sha256")),
            ("Policy version", asked.manifest.get("policy_version")),
            ("Policy file", asked.wait.data.get("policy_written")),
            ("Output", wanted.get("output_uri")),
            ("Champion's model data", wanted.get("champion_model_data_uri")),
            ("Execution", asked.manifest.get("execution_arn")),
        ),
        folded=True,
    )


def _candidate(asked: Asked) -> Section:
    verdict = mapping(asked.wait.data.get("verdict"))
    measured = mapping(asked.evaluation.get("verdict"))
    candidate, champion = mapping(measured.get("candidate_metrics")), mapping(measured.get("champion_metrics"))
    gates = tuple(
        (
            str(gate.get("name")),
            figure(gate.get("value")) or "not measured",
            f"{gate.get('comparison')} {figure(gate.get('bound')) or 'no bound'}",
            "pass" if gate.get("passed") else "fail",
        )
        # What failed first: of a long list only the beginning is shown.
        for gate in sorted(map(mapping, sequence(verdict.get("gates"))), key=lambda gate: bool(gate.get("passed")))
    )
    metrics = tuple(
        (
            name,
            figure(champion.get(name)) or "not measured",
            figure(value) or "not measured",
            _change(champion.get(name), value),
        )
        for name, value in sorted(candidate.items())
    )
    plan = mapping(verdict.get("promotion"))
    tables = []
    if gates:
        tables.append(table_of("Gates of the candidate", ("Gate", "Candidate", "Bound", RESULT), gates))
    if metrics:
        tables.append(
            table_of("Candidate against champion, same data", ("Metric", "Champion", "Candidate", "Change"), metrics)
        )
    return Section(
        "The candidate",
        facts_of(
            ("Verdict", verdict.get("sentence")),
            ("Promotion", plan.get("kind")),
            ("Endpoint", plan.get("endpoint")),
            ("Serves now", plan.get("previous_config")),
            ("Would serve", plan.get("wanted_config")),
        ),
        tuple(tables),
    )


def _last_runs(asked: Asked) -> Section:
    rows = tuple(
        (
            moment(run.get("started_at")),
            str(run.get("outcome") or "in progress"),
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
    deadline, needed = datetime.fromisoformat(asked.wait.deadline), asked.wait.data.get("approvals_needed") or 1
    left = f"{duration(deadline - now)} left" if now < deadline else "over"
    votes = tuple(
        (
            str(vote.get("by")),
            str(vote.get("answer")),
            str(vote.get("via")),
            moment(vote.get("at")),
            str(vote.get("comment")),
        )
        for vote in map(mapping, sequence(asked.wait.data.get("votes")))
    )
    tables = (table_of("Answers so far", ("Who", "Answer", "Known by", "When", "Comment"), votes),) if votes else ()
    people = "1 person" if needed == 1 else f"{needed} different people"
    return Section(
        "Time and answers",
        facts_of(
            ("Asked", moment(asked.wait.parked_at)),
            ("Deadline", f"{stamp(deadline)} ({left})"),
            (
                "Approvals",
                f"{people} must approve; one rejection is enough for a no",
            ),
        ),
        tables,
    )


def _change(before: Any, after: Any) -> str:
    old, new = number(before), number(after)
    return "" if old is None or new is None else f"{new - old:+.4g}"
