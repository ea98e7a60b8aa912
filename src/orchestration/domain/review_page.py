"""The review page: from a view to HTML or JSON. Pure; every value is escaped, nothing runs, nothing is loaded.

The page works without JavaScript and without images, on a phone, with a keyboard and with a screen reader. Its
Content-Security-Policy allows its own style, by hash, and posting its form to itself; nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.page import (
    RESULT,
    Section,
    facts_of,
    figure,
    html,
    moment,
    section_html,
    style_hash,
    table_of,
)
from orchestration.domain.page import STYLE as PAGE_STYLE
from orchestration.domain.votes import COMMENT_LIMIT, duration, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STYLE: Final = (
    PAGE_STYLE
    + """\
label{display:block;margin-bottom:.3rem;font-weight:600}
textarea{width:100%;min-height:5.5rem;padding:.6rem .7rem;border:1px solid var(--soft);border-radius:.4rem;
background:var(--paper);color:var(--ink);font:inherit}
.buttons{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:.9rem}
button{flex:1 1 9rem;min-height:2.9rem;padding:.5rem 1.2rem;border:2px solid var(--yes);border-radius:.4rem;
background:var(--yes);color:var(--yes-ink);font:inherit;font-weight:600;cursor:pointer}
button.no{border-color:var(--no);background:transparent;color:var(--no)}
"""
)

STYLE_HASH: Final = style_hash(STYLE)

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Vary": "Accept",
}
"""Headers of every answer, pages and JSON alike. A link holds a nonce, so no referrer and no cache may keep it."""


NOTICE_SHOWN: Final = 4000
"""Characters of what the page says first, as many as a message says of it."""

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
class Form:
    """What the decision form sends besides decision and comment. ``nonce`` is None where the request is signed; without ``approves`` it only rejects."""

    action: str
    subject: str
    nonce: str | None
    approves: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """A page. ``tone`` is ``plain``, ``warn`` or ``good``; ``clock`` says how long there is; ``form`` is None when there is nothing to decide here."""

    title: str
    kicker: str
    notice: str
    tone: str = "plain"
    clock: str = ""
    sections: tuple[Section, ...] = ()
    form: Form | None = None
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The page for programs: everything it says, never the nonce."""
        return {
            "title": self.title,
            "notice": cut(self.notice, NOTICE_SHOWN),
            "open": self.form is not None,
            "subject": self.form.subject if self.form else None,
            "sections": [
                {
                    "heading": section.heading,
                    "facts": dict(section.facts),
                    "tables": [
                        {
                            "caption": table.caption,
                            "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
                        }
                        for table in section.tables
                    ],
                }
                for section in self.sections
            ],
        }


def render(view: View) -> str:
    """The HTML of a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html(view.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<p class="kicker">{html(view.kicker)}</p>\n<h1>{html(view.title)}</h1>\n</header>\n<main>\n'
        f'<section class="notice {html(view.tone)}" aria-label="State" role="status"><p>{html(cut(view.notice, NOTICE_SHOWN))}</p>'
        + (f"<p>{html(view.clock)}</p>" if view.clock else "")
        + ('<p><a href="#decide">To your decision</a></p>' if view.form else "")
        + "</section>\n"
        + "".join(section_html(section, position) for position, section in enumerate(view.sections))
        + (_form(view.form, view.hint) if view.form else "")
        + "</main>\n<footer><p>Reading this page decides nothing; only its buttons do. "
        "No answer in time means no.</p></footer>\n</body>\n</html>\n"
    )


def _form(form: Form, hint: str) -> str:
    nonce = f'<input type="hidden" name="nonce" value="{html(form.nonce)}">\n' if form.nonce else ""
    button = f'<button type="submit" name="decision" value="APPROVED">Approve the {html(form.subject)}</button>\n'
    approve = button if form.approves else ""
    return (
        '<section aria-labelledby="decide">\n<h2 id="decide">Your decision</h2>\n'
        + (f"<p>{html(hint)}</p>\n" if hint else "")
        + f'<form method="post" action="{html(form.action)}">\n'
        f'<input type="hidden" name="subject" value="{html(form.subject)}">\n{nonce}'
        '<label for="comment">Comment</label>\n'
        f'<textarea id="comment" name="comment" maxlength="{COMMENT_LIMIT}" aria-describedby="comment-hint"></textarea>\n'
        f'<p class="hint" id="comment-hint">Optional, up to {COMMENT_LIMIT} characters; kept as evidence.</p>\n'
        '<div class="buttons">\n'
        f"{approve}"
        f'<button type="submit" name="decision" value="REJECTED" class="no">Reject the {html(form.subject)}</button>\n'
        "</div>\n</form>\n</section>\n"
    )


# What a reviewer has to see.


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval as the page needs it. Dictionaries are records as they are stored; each may be empty."""

    model: str
    run_id: str
    subject: str
    asked_at: str
    deadline: str
    data: Mapping[str, Any]
    manifest: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]


def sections_of(asked: Asked, now: datetime) -> tuple[Section, ...]:
    """What the run is about, what it would do, what came of the runs before it, how long there is to decide."""
    parts = [_drift(asked), _training(asked)]
    if asked.subject == "promotion":
        parts.insert(0, _candidate(asked))
    return (*parts, _last_runs(asked), _time_and_votes(asked, now), _record(asked))


def clock_of(asked: Asked, now: datetime) -> str:
    """One line on the time left and the approvals so far."""
    left, needed = datetime.fromisoformat(asked.deadline) - now, asked.data.get("approvals_needed") or 1
    given = sum(mapping(vote).get("answer") == "APPROVED" for vote in sequence(asked.data.get("votes")))
    return f"{duration(left)} left; {given} of {needed} approvals given."


def _drift(asked: Asked) -> Section:
    signal = mapping(asked.manifest.get("signal"))
    threshold, dataset = mapping(signal.get("threshold")), mapping(signal.get("dataset"))
    ratio = number(threshold.get("ratio"))
    worse = "below" if threshold.get("lower_is_worse") else "above"
    window = " to ".join(str(dataset[key]) for key in ("window_start", "window_end") if dataset.get(key))
    facts = facts_of(
        ("What happened", signal.get("summary") or asked.data.get("why")),
        ("Severity", asked.data.get("severity")),
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
    dataset, budget = mapping(asked.manifest.get("dataset")), mapping(asked.data.get("budget"))
    settings = [(f"Input {key}", value) for key, value in sorted(wanted.items()) if key not in LOOPS_OWN_INPUT]
    more = len(settings) - SETTINGS_SHOWN
    used = None
    if budget:
        limit = f" of {budget['runs']}" if budget.get("runs") else ", no limit"
        used = f"{budget.get('used')}{limit} in {figure(budget.get('days'))} days, this one included"
    return Section(
        "What would be trained" if asked.subject == "training" else "What was trained",
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
            ("Manifest", asked.data.get("manifest_uri")),
            ("Manifest SHA-256", asked.data.get("manifest_sha256")),
            ("Policy version", asked.manifest.get("policy_version")),
            ("Policy file", asked.data.get("policy_written")),
            ("Output", wanted.get("output_uri")),
            ("Champion's model data", wanted.get("champion_model_data_uri")),
            ("Execution", asked.manifest.get("execution_arn")),
        ),
        folded=True,
    )


def _candidate(asked: Asked) -> Section:
    verdict = mapping(asked.data.get("verdict"))
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
        if run.get("run_id") != asked.run_id
    )
    if not rows:
        return Section("Runs before", (("Runs", "This is the first run of the model."),))
    caption = f"Last {len(rows)} runs of {asked.model}, newest first"
    return Section("Runs before", (), (table_of(caption, ("Started", "Outcome", "Severity", "Reason"), rows),))


def _time_and_votes(asked: Asked, now: datetime) -> Section:
    deadline, needed = datetime.fromisoformat(asked.deadline), asked.data.get("approvals_needed") or 1
    left = f"{duration(deadline - now)} left" if now < deadline else "over"
    votes = tuple(
        (
            str(vote.get("by")),
            str(vote.get("answer")),
            str(vote.get("via")),
            moment(vote.get("at")),
            str(vote.get("comment")),
        )
        for vote in map(mapping, sequence(asked.data.get("votes")))
    )
    tables = (table_of("Answers so far", ("Who", "Answer", "Known by", "When", "Comment"), votes),) if votes else ()
    people = "1 person" if needed == 1 else f"{needed} different people"
    return Section(
        "Time and answers",
        facts_of(
            ("Asked", moment(asked.asked_at)),
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
