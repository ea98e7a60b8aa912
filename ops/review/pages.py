"""The pages that are made here alone: everything at a glance, a run that goes on, signals, a word to the reader. Pure.

They look like the pages of approvals, runs and models, which are made where they always are; a line of links stands on all.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ops.life_page import SPARK_DAYS, spark
from ops.review.reading import SIGNALS_READ, SIGNALS_SHOWN, Refused
from orchestration.domain.candidate_view import gates_of
from orchestration.domain.channel_text import cut
from orchestration.domain.contracts import Decision
from orchestration.domain.page import STYLE as PAGE_STYLE
from orchestration.domain.page import Section, facts_of, figure, html, section_html
from orchestration.domain.report_page import STYLE as REPORT_STYLE
from orchestration.domain.report_page import cell
from orchestration.domain.review_page import STYLE as FORM_STYLE
from orchestration.domain.switches import paused_sentence
from orchestration.domain.times import duration, moment
from orchestration.domain.votes import COMMENT_LIMIT, unweighable
from orchestration.steps.approvals import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ops.heard_signals import Heard
    from ops.history import Moment
    from ops.review.reading import Asks, Glance, ModelLine, Running, RunSeen
    from ops.status import Champion
    from orchestration.domain.switches import KillSwitch

STYLE: Final = (
    REPORT_STYLE
    + FORM_STYLE.removeprefix(PAGE_STYLE)
    + """\
h3{margin:0;font-size:1rem}
.rows{list-style:none;margin:0;padding:0}
.rows>li{padding:.7rem 0;border-top:1px solid var(--line)}
.rows>li:first-child{padding-top:0;border-top:0}
.rows>li:last-child{padding-bottom:0}
.rows p{margin:.15rem 0}
.soft{color:var(--soft);font-size:.875rem}
.badge{display:inline-block;margin:.1rem 0;padding:0 .55rem;border:1px solid currentColor;border-radius:.8rem;font-size:.75rem;font-weight:600;
line-height:1.5rem;letter-spacing:.02em;color:var(--soft)}
.badge.yes{color:var(--yes)}
.badge.no{color:var(--no)}
.badge.warn{color:var(--warn)}
.badge.on{color:var(--accent)}
.go{display:inline-block;margin-top:.6rem;padding:.65rem 1.3rem;border-radius:.4rem;background:var(--accent);color:var(--card);
font-weight:600;text-decoration:none}
.asks h2{font-size:1.25rem}
progress{display:block;width:100%;height:.5rem;margin:.7rem 0 .2rem;accent-color:var(--accent)}
.model{display:grid;grid-template-columns:minmax(9rem,15rem) minmax(7rem,10rem) 1fr;gap:.2rem 1.4rem;align-items:center}
.model svg{max-width:11rem}
select,input[type=text]{width:100%;min-height:2.9rem;padding:.5rem .7rem;border:1px solid var(--soft);border-radius:.4rem;
background:var(--paper);color:var(--ink);font:inherit}
select{margin-bottom:.8rem}
@media (max-width:40rem){.model{grid-template-columns:1fr}.go{display:block;text-align:center}}
"""
)

HOME, SIGNALS = "/", "/signals"

BADGES: Final[dict[str, str]] = {
    Decision.RETRAIN: "yes",
    Decision.ROLL_BACK: "yes",
    Decision.REJECT: "no",
    Decision.HOLD: "warn",
}
"""Colour of a decision, which its word says too; the others have none."""

BEGINS: Final[frozenset[str]] = frozenset({Decision.RETRAIN, Decision.ROLL_BACK})

GATES_SHOWN: Final = 6
"""On the overview; the page of the approval has all."""

STATES: Final = {"frozen": "no", "running": "on", "cooldown": "warn"}


def path_to(*parts: str) -> str:
    """An address of this page. Of a part that browsers take for a step up or none, such as ``..``, a colon makes a name."""
    return "/" + "/".join((":" if part in {".", ".."} else "") + quote(part, safe="") for part in parts)


def with_links(page: str, model: str = "") -> str:
    """A page with the line of links that stands on all; ``model`` is the one it is about, where it is about one."""
    places = [(HOME, "Overview"), (SIGNALS, "Signals"), *([(path_to("model", model), model)] if model else [])]
    links = " · ".join(link(address, name) for address, name in places)
    return page.replace("<header>\n", f'<header>\n<nav aria-label="Pages"><p class="kicker">{links}</p></nav>\n', 1)


def page_of(title: str, kicker: str, body: str, *, footer: str = "", ahead: str = "") -> str:
    """A page of ours; with ``ahead`` a browser goes on from it at once, and whoever has none by its link."""
    more = f'<meta http-equiv="refresh" content="0;url={html(ahead)}">\n' if ahead else ""
    end = f"<footer>{footer}</footer>\n" if footer else "<footer><p>Times are UTC.</p></footer>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{more}<title>{html(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<p class="kicker">{html(kicker)}</p>\n<h1>{html(title)}</h1>\n</header>\n<main>\n{body}</main>\n{end}</body>\n</html>\n'
    )


def message_page(
    title: str,
    sentence: str,
    *,
    tone: str = "plain",
    ahead: str = "",
    links: Sequence[tuple[str, str]] = (),
    more: str = "",
) -> str:
    """A word to the reader.

    Args:
        title: what it is about.
        sentence: the word.
        tone: ``plain``, ``warn`` or ``good``.
        ahead: where the browser goes on to at once.
        links: address and name of where to go on to.
        more: HTML of ours below it.
    """
    named = [*links, *([(ahead, "Go on")] if ahead else [])]
    return page_of(
        title,
        "Retraining review",
        f'<section class="notice {tone}" aria-label="State" role="status"><p>{cell(sentence, 4000)}</p>{_links(named)}</section>\n{more}',
        ahead=ahead,
    )


def _links(links: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<p><a href="{html(address)}">{html(name)}</a></p>' for address, name in links)


def _part(name: str, heading: str, inner: str, style: str = "") -> str:
    css = f' class="{style}"' if style else ""
    return f'<section{css} aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n{inner}</section>\n'


def _badge(word: str, style: str = "") -> str:
    return f'<b class="badge {style}">{html(word)}</b>' if style else f'<b class="badge">{html(word)}</b>'


def _rows(items: Iterable[str], style: str = "") -> str:
    css = f' class="{style}"' if style else ""
    return '<ul class="rows">\n' + "".join(f"<li{css}>{item}</li>\n" for item in items) + "</ul>\n"


def link(address: str, name: str) -> str:
    """A link."""
    return f'<a href="{html(address)}">{cell(name)}</a>'


def _unread(refused: Refused) -> str:
    return f'<p class="hint">{cell(refused.sentence)}</p>\n'


# Everything at a glance.


def home_page(glance: Glance, *, stack: str, region: str, reader: str, minutes: int, now: datetime) -> str:
    """What waits for the reader, and all else there is to see.

    Args:
        glance: what was read.
        stack: its name.
        region: where it is.
        reader: who reads it, as votes name them.
        minutes: after how many without a request the page ends.
        now: the time of the looking.
    """
    parts = [
        _asks(glance.asks, now),
        _switches(glance.switches),
        _part("runs", "Runs that go on", _running(glance.running, glance.asks)),
        _part("models", "Models", _models(glance.models, more=glance.more_signals)),
        _part("signals", "Last signals", _last_signals(glance.signals)),
    ]
    if any(isinstance(part, Refused) for part in (glance.asks, glance.models)):
        parts.insert(1, _name_a_model())
    return page_of(
        _waiting(glance.asks),
        f"Retraining review · {stack}, {region} · you are {reader}",
        "".join(parts),
        footer=(
            "<p>This page is on the machine where retraining review runs, and ends by itself "
            f"{minutes} minutes after it was last used. It shows what was there when it was loaded. Times are UTC.</p>"
        ),
    )


def _waiting(asks: tuple[Asks, ...] | Refused) -> str:
    if isinstance(asks, Refused):
        return "What waits for you cannot be listed"
    if not asks:
        return "Nothing waits for you"
    if not any(each.standing.rejects for each in asks):
        return "Nothing waits for you; others are asked"
    return "One approval waits" if len(asks) == 1 else f"{len(asks)} approvals wait"


def _asks(asks: tuple[Asks, ...] | Refused, now: datetime) -> str:
    if isinstance(asks, Refused):
        return f'<section class="notice warn" aria-label="Approvals">{_unread(asks)}</section>\n'
    return "".join(_ask(each, position, now) for position, each in enumerate(asks))


def _ask(each: Asks, position: int, now: datetime) -> str:
    wait, data, address = each.wait, each.wait.data, path_to("run", each.wait.run_id)
    heading = f"{wait.subject.capitalize()} of {wait.model}"
    broken = unweighable(wait)
    if broken is not None:
        said = f"<p>{cell(broken)}</p>\n<p>{link(address, f'Run {wait.run_id}')}</p>\n"
        return _part(f"ask-{position}", html(heading), said, "notice asks warn")
    asked, deadline = datetime.fromisoformat(wait.parked_at), datetime.fromisoformat(wait.deadline)
    share = min(max((deadline - now) / (deadline - asked), 0.0), 1.0) if deadline > asked else 0.0
    left = f"{duration(deadline - now)} left" if now < deadline else "the time is over, which means no"
    given = sum(vote.get("answer") == "APPROVED" for vote in data.get("votes", ()))
    notes = [
        f"{left}, until {moment(wait.deadline)}; {given} of {wait.approvals_needed} approvals given.",
        *([paused_sentence(each.paused)] if each.paused else []),
        *([f"Yours would not count: {each.standing.why}"] if each.standing.why else []),
    ]
    verb = "Look and decide" if each.standing.rejects else "Look at it"
    return (
        f'<section class="notice asks {"warn" if each.paused else "plain"}" aria-labelledby="ask-{position}">\n'
        f'<h2 id="ask-{position}">{html(heading)}</h2>\n<p>{cell(str(data.get("why") or ""), 1600)}</p>\n{_gates(data)}'
        f'<progress max="1" value="{share:.3f}" aria-label="Time left, {html(heading)}">{share:.0%}</progress>\n'
        + "".join(f'<p class="soft">{cell(note, 800)}</p>\n' for note in notes)
        + f'<a class="go" href="{html(address)}" aria-label="{verb}: {html(heading)}">{verb}</a>\n</section>\n'
    )


def _gates(data: Mapping[str, Any]) -> str:
    """The gates of a candidate in short, those that failed first."""
    gates = gates_of(data, {})
    shown = " ".join(
        _badge(
            f"{'✓' if gate.passed else '✗'} {cut(gate.name, 60)} {figure(gate.candidate) or 'not measured'} "
            f"({gate.comparison} {figure(gate.bound) or 'no bound'})",
            "yes" if gate.passed else "no",
        )
        for gate in gates[:GATES_SHOWN]
    )
    more = f" and {len(gates) - GATES_SHOWN} more" if len(gates) > GATES_SHOWN else ""
    return f"<p>{shown}{more}</p>\n" if gates else ""


def _switches(switches: tuple[KillSwitch, ...] | Refused) -> str:
    if isinstance(switches, Refused):
        return _part("switches", "Kill switches", _unread(switches))
    if not switches:
        return _part("switches", "Kill switches", "<p>None is thrown.</p>\n")
    thrown = _rows(
        f"<p>{_badge(each.scope, 'warn')} {cell(each.reason, 1000)}</p>"
        f'<p class="soft">by {cell(each.by)} since {html(moment(each.since) or each.since)}</p>'
        for each in switches
    )
    return _part("switches", "Kill switches", thrown, "notice warn")


def _running(running: tuple[Running, ...] | Refused, asks: tuple[Asks, ...] | Refused) -> str:
    if isinstance(running, Refused):
        return _unread(running)
    asked = set() if isinstance(asks, Refused) else {each.wait.run_id for each in asks}
    others = [run for run in running if run.run_id not in asked]
    if not others:
        return f"<p>None{' but those that ask' if running else ''}.</p>\n"

    def one(run: Running) -> str:
        last = f"{moment(run.last.at)} · {run.last.sentence}" if run.last else "Nothing is known of it yet."
        waits = ", ".join(
            f"{wait.kind} until {moment(str(wait.data.get('until') or wait.deadline))}" for wait in run.waits
        )
        return (
            f"<h3>{link(path_to('run', run.run_id), run.model)}</h3><p>{cell(last, 800)}</p>"
            f'<p class="soft">run {html(run.run_id)}{cell(f" · waits: {waits}", 300) if waits else ""}</p>'
        )

    return _rows(map(one, others))


def _models(models: tuple[ModelLine, ...] | Refused, *, more: bool) -> str:
    if isinstance(models, Refused):
        return _unread(models)
    if not models:
        return "<p>No signal of any model has come yet.</p>\n"
    most = max((max(each.days, default=0) for each in models if each.days), default=0)

    def one(at: int, each: ModelLine) -> str:
        now = each.status
        since = moment(f"{(now.detail or '').removeprefix('until ')}+00:00")
        detail = f"until {since}" if since else now.detail if now.state == "frozen" else ""
        drawn = (
            spark(f"spark-{at}", now.model, each.days, most)
            if each.days is not None
            else '<span class="soft">signals may not be read</span>'
        )
        return (
            f"<div><h3>{link(path_to('model', now.model), now.model)} {_badge(now.state, STATES.get(now.state, ''))}</h3>"
            + (f'<p class="soft">{cell(detail, 600)}</p>' if detail else "")
            + f"</div><div>{drawn}</div><div>{_serves(now.serves)}</div>"
        )

    newest = f", of the newest {SIGNALS_READ:,} signals" if more else ""
    legend = f'<p class="hint">Drawn: signals of each of the last {SPARK_DAYS} days{newest}.</p>\n'
    return _rows((one(at, each) for at, each in enumerate(models)), "model") + legend


def _serves(champion: Champion | None) -> str:
    if champion is None:
        return '<p class="soft">The loop has promoted nothing of it yet.</p>'
    what = f"{champion.config} on {champion.endpoint}" if champion.config else "what its registry or pipeline serves"
    run = champion.brought_back_by or champion.run_id
    by = f"{link(path_to('run', run), 'the run')} that made it serve" if run else "the team's own"
    facts = [
        *(["on trial"] if champion.on_trial else []),
        *([f"since {moment(f'{champion.since[:19]}+00:00')}"] if champion.since else []),
        *(["as the loop left it"] if not champion.looked and champion.endpoint else []),
    ]
    return f'<p>{cell(what)}</p><p class="soft">{" · ".join([by, *map(cell, facts)])}</p>'


def _last_signals(signals: tuple[Heard, ...] | Refused) -> str:
    if isinstance(signals, Refused):
        return _unread(signals)
    if not signals:
        return f"<p>None in {SPARK_DAYS} days.</p>\n"
    return _signals(signals[:SIGNALS_SHOWN]) + f'<p><a href="{SIGNALS}">All signals</a></p>\n'


def _signals(signals: Sequence[Heard]) -> str:
    def one(each: Heard) -> str:
        model = link(path_to("model", each.model), each.model) if each.model else "no model that is known"
        facts = " · ".join(filter(None, (moment(each.at), each.said, each.severity, each.source)))
        ran = f" {link(path_to('run', each.run_id), 'its run')}" if each.decision in BEGINS else ""
        again = f'<p class="soft">Came again {len(each.repeats)} time(s).</p>' if each.repeats else ""
        return (
            f"<p>{_badge(each.decision, BADGES.get(each.decision, ''))} {model}{ran}</p>"
            f'<p>{cell(each.sentence, 1000)}</p><p class="soft">{cell(facts, 600)}</p>{again}'
        )

    return _rows(map(one, signals))


def _name_a_model() -> str:
    return _part(
        "name",
        "The model you may read",
        "<p>Your rights do not reach what all models are listed in. What you may read of yours is on its page.</p>\n"
        '<form method="get" action="/model">\n<label for="model">Model</label>\n'
        '<input type="text" id="model" name="name" required maxlength="63" autocomplete="off">\n'
        '<div class="buttons"><button type="submit">Open its page</button></div>\n</form>\n',
    )


# Signals.


def signals_page(found: Sequence[Heard] | Refused, *, model: str, since: str, more: bool, kicker: str) -> str:
    """What came in, newest first, and what was made of it.

    Args:
        found: the signals.
        model: of this one, empty for all.
        since: from when on, ISO-8601.
        more: whether there are more than were read.
        kicker: whose they are.
    """
    if isinstance(found, Refused):
        inner = _unread(found)
    elif not found:
        inner = f"<p>None since {html(moment(since))}.</p>\n"
    else:
        inner = _signals(found) + ('<p class="hint">There are older ones.</p>\n' if more else "")
    of = f" of {model}" if model else ""
    every = f'<p><a href="{SIGNALS}">Of all models</a></p>\n' if model else ""
    return page_of(f"Signals{of}", kicker, _part("list", "What came in, and what was made of it", inner + every))


# A run.


def run_page(run: RunSeen, *, console: str | None, kicker: str) -> str:
    """A run that goes on and asks nobody."""
    notice = "It ended; its report is not written yet." if run.outcome else "It goes on. Nobody is asked now."
    waits = [wait for wait in run.waits if not wait.resolved]
    waiting = "".join(
        section_html(
            Section(
                f"Waits: {wait.kind}",
                facts_of(
                    ("Since", moment(wait.parked_at)),
                    ("Looks again", moment(wait.next_step_at)),
                    ("Until", moment(str(wait.data.get("until") or wait.deadline))),
                    ("Why", wait.data.get("why") or wait.data.get("said")),
                ),
            ),
            position,
        )
        for position, wait in enumerate(waits)
    )
    links = [(path_to("model", run.model), f"Everything of {run.model}")]
    links += [(console, "Its execution in the console")] if console else []
    title = f"{run.model}: {(run.outcome or 'in progress').replace('_', ' ').lower()}"
    return page_of(
        title,
        f"{kicker} · run {run.run_id}",
        f'<section class="notice plain" aria-label="State" role="status"><p>{html(notice)}</p>{_links(links)}</section>\n'
        + waiting
        + _part("so-far", "So far", moments_html(run.moments))
        + unread_html(run.unread),
    )


def moments_html(moments: Sequence[Moment]) -> str:
    """What happened in a run, in its order."""
    if not moments:
        return "<p>Nothing is known.</p>\n"
    return _rows(
        f"<h3>{html(each.what.replace('_', ' ').capitalize())}</h3><p>{cell(each.sentence, 1600) if each.sentence else ''}</p>"
        f'<p class="soft">{html(moment(each.at))}</p>'
        for each in moments
    )


def unread_html(sentences: Sequence[str]) -> str:
    """What may not be read."""
    if not sentences:
        return ""
    return _part("unread", "Not shown", "".join(f"<p>{cell(each)}</p>\n" for each in sentences))


# An approval that may be answered and not be seen.


def unseen_page(run_id: str, model: str, sections: Sequence[Section], *, reader: str, nonce: str) -> str:
    """A run that the reader's rights do not reach; who may vote may vote all the same.

    Args:
        run_id: the run.
        model: whose run the reader says it is; empty where nothing was said.
        sections: what may be read of it under that name.
        reader: who reads it, as votes name them; empty where AWS names nobody.
        nonce: what the form sends back.
    """
    notice = (
        "What this run waits for may not be read with your rights. Your answer goes to the function that counts votes all the same; it "
        "says whether yours is counted."
    )
    shown = "".join(section_html(section, position) for position, section in enumerate(sections))
    ask = (
        ""
        if model
        else _part(
            "name",
            "What you may read of it",
            f'<form method="get" action="{html(path_to("run", run_id))}">\n<label for="model">Its model, as the message names it</label>\n'
            '<input type="text" id="model" name="model" required maxlength="63" autocomplete="off">\n'
            '<div class="buttons"><button type="submit">Show what I may read</button></div>\n</form>\n',
        )
    )
    options = "".join(f'<option value="{subject}">{subject}</option>\n' for subject in reversed(SUBJECTS))
    form = (
        f'<form method="post" action="{html(path_to("run", run_id))}">\n<input type="hidden" name="nonce" value="{html(nonce)}">\n'
        f'<input type="hidden" name="reader" value="{html(reader)}">\n'
        '<label for="subject">What the message asks about</label>\n'
        f'<select id="subject" name="subject" required>\n<option value="">Choose</option>\n{options}</select>\n'
        '<label for="comment">Comment</label>\n'
        f'<textarea id="comment" name="comment" maxlength="{COMMENT_LIMIT}" aria-describedby="comment-hint"></textarea>\n'
        f'<p class="hint" id="comment-hint">Optional, up to {COMMENT_LIMIT} characters; kept as evidence. You answer as {html(reader or "nobody that AWS names")}.</p>\n'
        '<div class="buttons">\n<button type="submit" name="decision" value="APPROVED">Approve</button>\n'
        '<button type="submit" name="decision" value="REJECTED" class="no">Reject</button>\n</div>\n</form>\n'
    )
    return page_of(
        f"Run {run_id}",
        f"Retraining review{f' · {model}' if model else ''}",
        f'<section class="notice warn" aria-label="State" role="status"><p>{notice}</p></section>\n{ask}{shown}'
        + _part("decide", "Your decision", form),
    )


def again_form(address: str, fields: Mapping[str, str], nonce: str, button: str) -> str:
    """A form that sends the same answer once more, so that nobody writes a comment twice."""
    hidden = "".join(
        f'<input type="hidden" name="{html(name)}" value="{html(value)}">\n'
        for name, value in {**fields, "nonce": nonce}.items()
    )
    return _part(
        "again",
        "Your answer",
        f'<form method="post" action="{html(address)}">\n{hidden}'
        f"<p>{_badge(fields.get('decision', ''))} {cell(fields.get('subject', ''))}</p>\n"
        f"<p>{cell(fields.get('comment') or 'Without a comment.', 8000)}</p>\n"
        f'<div class="buttons"><button type="submit">{html(button)}</button></div>\n</form>\n',
    )
