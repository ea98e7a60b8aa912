"""The page of a run's report: HTML with drawings, for a screen, a screen reader and two sheets of paper. Pure.

Nothing runs and nothing is loaded: the page's own Content-Security-Policy allows its style, by hash, and nothing else. What a
drawing shows stands in a table or in its description too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.channel_text import fitted
from orchestration.domain.contracts import Status
from orchestration.domain.page import CARDS, figure, html, style_hash
from orchestration.domain.page import STYLE as PAGE_STYLE
from orchestration.domain.run_report import LANES, REPORT_VERSION, priced, seconds_between
from orchestration.domain.times import duration, moment
from orchestration.domain.votes import answered_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.gates import GateShown
    from orchestration.domain.run_report import RunReport

STYLE: Final = (
    PAGE_STYLE
    + """\
header,main,footer{max-width:60rem}
svg{display:block;width:100%;height:auto}
svg text{font:10px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
svg .note{fill:var(--soft);font-size:9px}
svg .head{font-weight:600}
.lane{fill:var(--paper);stroke:var(--line)}
.box{fill:var(--card);stroke:var(--soft);stroke-dasharray:3 3}
.box.passed{stroke:var(--accent);stroke-width:2;stroke-dasharray:none}
.box.good{stroke:var(--yes);stroke-width:2.5;stroke-dasharray:none}
.box.bad{stroke:var(--no);stroke-width:2.5;stroke-dasharray:none}
.thread{fill:none;stroke:var(--accent);stroke-width:2}
.axis{stroke:var(--soft);stroke-width:1}
.bar{fill:var(--accent)}
.mark{stroke:var(--no);stroke-width:2.5}
.span{stroke:var(--ink);stroke-width:2;fill:none}
.dot{fill:var(--accent);stroke:var(--accent)}
.ring{fill:var(--card);stroke:var(--ink);stroke-width:1.5}
.plot{min-width:11rem;width:14rem}
.wide{min-width:44rem}
.digest{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.8125rem;overflow-wrap:anywhere}
@page{size:auto;margin:9mm}
@media print{
:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--accent:#174ea6;--yes:#0a6640;--yes-ink:#fff;--no:#a32018;
--warn:#7a4a00;--warn-paper:#fff;--good-paper:#fff}
body{font-size:7.4pt;line-height:1.25}
header,main,footer{max-width:none;padding:0}
header,main,footer{padding-bottom:0;padding-top:0}
h1{font-size:12pt;margin:0 0 2pt}
h2{font-size:8.5pt;margin:0 0 1pt;break-after:avoid}
p{margin:1pt 0}
section{margin-top:3pt;padding:2.5pt 4pt;border-radius:0}
dl{gap:0 6pt;grid-template-columns:minmax(60pt,90pt) 1fr}
table,caption,thead th,.digest,.kicker,.hint,footer{font-size:6.6pt}
caption{padding-bottom:1pt}
th,td{padding:.6pt 4pt .6pt 0}
tr,svg{break-inside:avoid}
.scroll{overflow:visible}
table{overflow-wrap:normal}
th:first-child{min-width:0}
dl+table,table+table{margin-top:2pt}
.wide{min-width:0;max-width:150mm}
.drift{max-width:90mm}
.plot{min-width:0;width:38mm}
td,dd,th,.notice p{max-height:2.6em;overflow:hidden}
td>span,th>span,dd>span,.notice p>span{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden}
a{color:inherit}
}
"""
    + CARDS
)

GENERATOR: Final = f'<meta name="generator" content="retraining-loop, report {REPORT_VERSION}">'
"""What a page says of the version it was made by."""

CELL_SHOWN: Final = 420
"""Characters of an encoded text: each of a report's texts is shorter, but for what has to be escaped."""

GOOD: Final = frozenset({Status.PROMOTED, Status.TRAINED})

PARAGRAPH_SHOWN: Final = 1600
"""Characters of a text that is a paragraph of its own, encoded."""

ROW_SHOWN: Final = 280
"""Characters of something that ran, encoded."""

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def report_page(report: RunReport) -> str:
    """The HTML of a report."""
    outcome = Status(report.outcome)
    tone = "good" if outcome in GOOD else "warn" if outcome.escalates else "plain"
    title = f"{report.model}: {report.outcome.replace('_', ' ').lower()}"
    what = "A champion of before was to serve again" if report.goes_back else "A candidate was to be trained"
    parts = [
        part("way", "The way of the run", _way(report)),
        part("drift", "What it was begun for", _drift(report)),
        part("guards", "Guards of the decision", _guards(report)),
        part("approvals", "Approvals", _votes(report)),
        part("gates", "Candidate against champion", _gates(report)),
        part("endpoint", "What serves", _endpoint(report)),
        part("time", "Time and list price", _time(report)),
        part("digests", "Digests", _digests(report)),
        part("links", "Records and console", _links(report)),
        part("unknown", "Not known", _list(report.unknown)) if report.unknown else "",
    ]
    notice = (
        f'<section class="notice {tone}" aria-label="Outcome"><p><strong>{cell(report.outcome)}</strong> {cell(report.reason, PARAGRAPH_SHOWN)}</p>'
        f"<p>{cell(what)}; run {cell(report.run_id)}.</p></section>\n"
    )
    return document(title, f"Report of a run · {report.model}", notice + "".join(parts))


OF_RECORDS: Final = "Made of records alone: the same records give the same page."
"""What a page says of what it was made of."""


def document(title: str, kicker: str, body: str, made_of: str = OF_RECORDS) -> str:
    """A whole page around its parts."""
    policy = f"default-src 'none'; style-src 'sha256-{style_hash(STYLE)}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"{GENERATOR}\n"
        f"<title>{html(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<p class="kicker">{html(kicker)}</p>\n<h1>{html(title)}</h1>\n</header>\n<main>\n{body}</main>\n'
        f"<footer><p>{made_of} Times are UTC.</p></footer>\n</body>\n</html>\n"
    )


def part(name: str, heading: str, inner: str) -> str:
    """A part of a page under its heading."""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n{inner}</section>\n'


def cell(value: str | None, limit: int = CELL_SHOWN) -> str:
    """A text of a record as HTML, in at most ``limit`` characters."""
    return fitted("not known" if value is None else value, limit, html)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left_out: int = 0) -> str:
    """A table of cells that are HTML already, under columns that are text; the first of a row names it."""
    if left_out:
        caption = f"{caption}; {left_out:,} more left out"
    head = "".join(f'<th scope="col" role="columnheader">{html(column)}</th>' for column in columns)
    body = "".join(
        f'<tr role="row"><th scope="row" role="rowheader"><span>{row[0]}</span></th>'
        + "".join(map(_td, columns[1:], row[1:]))
        + "</tr>\n"
        for row in rows
    )
    # A table that a narrow screen shows as cards is none any more to a screen reader but by its roles.
    return (
        f'<table role="table">\n<caption>{html(caption)}</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n<tbody role="rowgroup">\n{body}</tbody>\n</table>\n'
    )


def _td(column: str, cell: str) -> str:
    label = f'role="cell" data-label="{html(column)}"'
    if cell.startswith("<svg"):
        return f'<td class="plot" {label}>{cell}</td>'
    return f'<td class="figure" {label}><span>{cell}</span></td>'


def _result(*, passed: bool, yes: str = "pass", no: str = "fail") -> str:
    return f'<b class="{"pass" if passed else "fail"}">{yes if passed else no}</b>'


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{cell(line)}</li>" for line in lines) + "</ul>\n"


def _facts(*facts: tuple[str, str | None]) -> str:
    rows = "".join(
        f"<dt>{name}</dt><dd><span>{cell(value)}</span></dd>\n" for name, value in facts if value is not None
    )
    return f"<dl>\n{rows}</dl>\n" if rows else ""


def drawing(name: str, box: str, title: str, description: str, shapes: str, style: str = "") -> str:
    """A drawing that a screen reader can tell: its name, what it shows, its shapes."""
    css = f' class="{style}"' if style else ""
    return (
        f'<svg{css} viewBox="{box}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{html(title)}</title><desc id="{name}-desc">{fitted(description, 1200, html)}</desc>'
        f"{shapes}</svg>"
    )


# The way.

LANE, GAP, BOX, ROW = 114, 6, 40, 50


def _way(report: RunReport) -> str:
    rows = max(sum(stop.phase == phase for stop in report.way) for phase, _, _ in LANES)
    height = 26 + rows * ROW + BOX + 14
    shapes, thread, told, end = [], [], [], []
    for column, (phase, _, ends) in enumerate(LANES):
        left = 4 + column * (LANE + GAP)
        shapes.append(f'<rect class="lane" x="{left}" y="2" width="{LANE}" height="{height - 6}" rx="4"/>')
        shapes.append(f'<text class="head" x="{left + 6}" y="15">{html(phase)}</text>')
        stops = [stop for stop in report.way if stop.phase == phase]
        for row, stop in enumerate(stops):
            y = 24 + row * ROW
            note = _clock(stop.at) if stop.passed else "no record of it"
            shapes.append(
                _box(left + 4, y, stop.state, f"✓ {note}" if stop.passed else note, "passed" if stop.passed else "")
            )
            if stop.passed:
                thread.append((left + LANE / 2, y + BOX / 2))
                told.append(f"{stop.state} ({note})")
        if report.end is not None and report.end in ends:
            y = 24 + rows * ROW
            kind = "good" if Status(report.outcome) in GOOD else "bad" if Status(report.outcome).escalates else "passed"
            shapes.append(_box(left + 4, y, report.end, f"■ ended {_clock(report.ended_at)}", kind))
            end = [(left + LANE / 2, y + BOX / 2)]
    points = " ".join(f"{x:g},{y:g}" for x, y in [*thread, *end])
    ended = f"Ended in {report.end}." if report.end else "Its execution ended without recording an outcome."
    lanes = [shape for shape in shapes if 'class="lane"' in shape]
    others = [shape for shape in shapes if 'class="lane"' not in shape]
    line = f'<polyline class="thread" points="{points}"/>'
    svg = drawing(
        "way-drawing",
        f"0 0 {8 + len(LANES) * (LANE + GAP) - GAP} {height}",
        f"The workflow, and the states that run {report.run_id} passed",
        f"Passed: {', '.join(told)}. {ended}",
        "".join([*lanes, line, *others]),
        "wide",
    )
    took = _took(report.started_at, report.ended_at)
    facts = _facts(
        ("Began", _moment(report.started_at)),
        ("Ended", _moment(report.ended_at)),
        ("Took", took),
        ("Error", report.error),
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="The workflow">{svg}</div>\n'
        f'<p class="hint">✓ and a solid frame: passed, with the time it began where a record has it. Dashed: no record says so. ■: the end. '
        f"{cell(ended)}</p>\n{facts}"
    )


def _box(x: float, y: float, state: str, note: str, kind: str) -> str:
    words, lines = _WORDS.sub(" ", state).split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 17:  # noqa: PLR2004 - letters that fit into a box
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    css = f"box {kind}".strip()
    first = y + (13 if len(lines) > 1 else 17)
    texts = "".join(
        f'<text x="{x + 6}" y="{first + 11 * row:g}">{html(line)}</text>' for row, line in enumerate(lines[:2])
    )
    return (
        f'<rect class="{css}" x="{x}" y="{y}" width="{LANE - 8}" height="{BOX}" rx="4"/>{texts}'
        f'<text class="note" x="{x + 6}" y="{y + BOX - 5}">{html(note)}</text>'
    )


# What it was begun for.


def _drift(report: RunReport) -> str:
    drift = report.drift
    facts = _facts(
        ("What happened", drift.summary),
        ("Raised by", drift.source),
        ("Severity", drift.severity),
        ("Metric", drift.metric),
        ("Observed", figure(drift.observed)),
        ("Threshold", figure(drift.threshold)),
        ("Seen in", drift.dataset),
        ("Window", drift.window),
        ("Report", drift.report_uri),
    )
    svg = ""
    if drift.observed is not None and drift.threshold is not None:
        svg = measured(drift.metric or "metric", drift.observed, drift.threshold, lower_is_worse=drift.lower_is_worse)
    rows = [[cell(feature), cell(check), cell(finding)] for feature, check, finding in drift.violations]
    found = (
        table("Broken constraints", ("Feature", "Check", "Finding"), rows, drift.violations_left_out) if rows else ""
    )
    return svg + facts + found


def measured(metric: str, observed: float, threshold: float, *, lower_is_worse: bool) -> str:
    """A bar up to what was observed, and a mark at the threshold."""
    scale = Scale.of((0.0, observed, threshold), 10, 470)
    zero, end, mark = scale.x(0.0), scale.x(observed), scale.x(threshold)
    worse = "below" if lower_is_worse else "above"
    shapes = (
        f'<line class="axis" x1="10" y1="40" x2="470" y2="40"/>'
        f'<rect class="bar" x="{min(zero, end):.1f}" y="24" width="{max(1.0, abs(end - zero)):.1f}" height="12"/>'
        f'<line class="mark" x1="{mark:.1f}" y1="18" x2="{mark:.1f}" y2="46"/>'
        + _label(end, 16, f"observed {figure(observed)}")
        + _label(mark, 57, f"threshold {figure(threshold)}, bad when {worse} it")
    )
    told = f"{metric} was observed at {figure(observed)}; the threshold is {figure(threshold)}, and it is bad when {worse} it."
    return drawing("drift-drawing", "0 0 480 62", f"{metric[:200]}: observed against threshold", told, shapes, "drift")


def _label(x: float, y: float, text: str) -> str:
    side = "end" if x > 240 else "start"  # noqa: PLR2004 - half of the drawing
    return f'<text x="{x:.1f}" y="{y:g}" text-anchor="{side}">{html(text)}</text>'


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to places on a line."""

    low: float
    span: float
    left: float
    width: float

    @classmethod
    def of(cls, values: Sequence[float | None], left: float, right: float) -> Scale:
        """The scale on which all of them have a place, with some room at the ends."""
        known = [min(max(value, -1e300), 1e300) for value in values if value is not None] or [0.0]
        low, high = min(known), max(known)
        room = (high - low) * 0.08 or abs(low) * 0.08 or 1.0
        return cls(low - room, high - low + 2 * room, left, right - left)

    def x(self, value: float) -> float:
        """The place of a number."""
        return self.left + self.width * (min(max(value, -1e300), 1e300) - self.low) / self.span


# Tables.


def _guards(report: RunReport) -> str:
    if not report.guards:
        return "<p>The decision is not on record.</p>\n"
    rows = [[cell(each.name), _result(passed=each.passed, no="stop"), cell(each.sentence)] for each in report.guards]
    return table("Every guard in its order", ("Guard", "Result", "Sentence"), rows, report.guards_left_out)


def _votes(report: RunReport) -> str:
    if not report.votes:
        return "<p>Nobody was asked, as far as is on record.</p>\n"
    rows = [
        [
            cell(vote.subject),
            cell(vote.decision),
            cell(answered_by(vote.who or "nobody", deputy=vote.deputy)),
            cell(_moment(vote.at)),
            cell(vote.how or "-"),
            cell(vote.comment or "-"),
        ]
        for vote in report.votes
    ]
    columns = ("Before", "Answer", "Who", "When", "Known by", "Comment")
    return table("Answers of people", columns, rows, report.votes_left_out)


def _gates(report: RunReport) -> str:
    if not report.gates:
        return f"<p>{cell(report.judged or 'No candidate was judged.')}</p>\n"
    rows = [
        [
            cell(gate.name),
            _result(passed=gate.passed),
            cell(figure(gate.candidate) or "not measured"),
            cell(figure(gate.champion) or "-"),
            cell(f"{gate.comparison} {figure(gate.bound)}" if gate.bound is not None else "no bound"),
            cell(
                f"{figure(gate.lower)} to {figure(gate.upper)}"
                if gate.lower is not None and gate.upper is not None
                else "-"
            ),
            _gate_plot(gate, position),
            cell(gate.sentence),
        ]
        for position, gate in enumerate(report.gates)
    ]
    columns = ("Gate", "Result", "Candidate", "Champion", "Bound", "May be off", "Drawn", "Sentence")
    found = table("Gates, failed ones first", columns, rows, report.gates_left_out)
    legend = (
        '<p class="hint">Drawn: ● candidate, with the line of how far it may be off; ◇ champion; the upright mark is what has to be '
        "passed.</p>\n"
    )
    return f"<p>{cell(report.judged)}</p>\n{found}{legend}"


def _gate_plot(gate: GateShown, position: int) -> str:
    scale = Scale.of((gate.candidate, gate.champion, gate.needed, gate.lower, gate.upper), 6, 194)
    shapes = ['<line class="axis" x1="6" y1="12" x2="194" y2="12"/>']
    if gate.needed is not None:
        x = scale.x(gate.needed)
        shapes.append(f'<line class="mark" x1="{x:.1f}" y1="2" x2="{x:.1f}" y2="22"/>')
    if gate.lower is not None and gate.upper is not None:
        left, right = scale.x(gate.lower), scale.x(gate.upper)
        shapes.append(f'<path class="span" d="M{left:.1f} 8v8M{left:.1f} 12H{right:.1f}M{right:.1f} 8v8"/>')
    if gate.champion is not None:
        x = scale.x(gate.champion)
        shapes.append(f'<path class="ring" d="M{x:.1f} 6l6 6l-6 6l-6-6Z"/>')
    if gate.candidate is not None:
        shapes.append(f'<circle class="dot" cx="{scale.x(gate.candidate):.1f}" cy="12" r="4"/>')
    told = (
        f"Candidate {figure(gate.candidate) or 'not measured'}, champion {figure(gate.champion) or 'none'}, to be passed "
        f"{figure(gate.needed) or 'nothing'}; {'passed' if gate.passed else 'failed'}."
    )
    return drawing(f"gate-{position}", "0 0 200 24", gate.name, told, "".join(shapes))


def _endpoint(report: RunReport) -> str:
    shown = report.endpoint
    if shown.name is None and shown.candidate is None:
        facts = _facts(("Registry", shown.registry), ("Baseline", shown.baseline))
        return "<p>The run changed no endpoint.</p>\n" + facts
    made = (shown.candidate, shown.candidate_data, shown.candidate_image, shown.instances)
    rows = [
        ["before", cell(shown.before), cell(shown.before_data), cell(shown.before_image), "-"],
        *([["candidate", *map(cell, made)]] if any(made) else []),
        ["at the end", cell(shown.after), "", "", ""],
    ]
    columns = ("When", "Endpoint config", "Model data", "Image", "Instances")
    facts = _facts(("Endpoint", shown.name), ("Registry", shown.registry), ("Baseline", shown.baseline))
    return facts + table("The endpoint before, and when the run ended", columns, rows)


def _time(report: RunReport) -> str:
    phases = [(phase, cell(phase.status.replace("_", " ").lower())) for phase in report.phases]
    found = table(
        "From each status to the next",
        ("Status", "From", "Took"),
        [[status, cell(_moment(phase.at)), cell(_span(phase.seconds))] for phase, status in phases],
    )
    ran = [
        [
            cell(cost.what, ROW_SHOWN),
            status,
            cell(cost.instances, ROW_SHOWN),
            "not known" if cost.hours is None else f"{cost.hours:.4f}",
            "not known" if cost.usd is None else f"{cost.usd:.6f}",
        ]
        for phase, status in phases
        for cost in phase.costs
    ]
    if ran:
        found += table(
            "What ran for it", ("What", "From status", "Instances", "Instance hours", "List price, USD"), ran
        )
    unknown = [f"{cost.what}: {cost.why}" for phase in report.phases for cost in phase.costs if cost.why is not None]
    missing = f'<p class="hint">Not known: {cell(" ".join(unknown), PARAGRAPH_SHOWN)}</p>\n' if unknown else ""
    return f"{found}<p>{cell(priced(report.price), PARAGRAPH_SHOWN)}</p>\n{missing}"


def _digests(report: RunReport) -> str:
    rows = [[cell(name), f'<span class="digest">{cell(digest)}</span>'] for name, digest in report.digests]
    return table(
        "What was decided, trained and judged, by its digest", ("What", "Digest"), rows, report.digests_left_out
    )


def _links(report: RunReport) -> str:
    if not report.links:
        return (
            "<p>No console is known for this partition; the keys of the records are in the JSON beside this page.</p>\n"
        )
    items = "".join(f'<li><a href="{html(url)}" rel="noreferrer">{cell(label)}</a></li>' for label, url in report.links)
    return f'<ul class="links">{items}</ul>\n'


def _span(seconds: float | None) -> str | None:
    if seconds is None:
        return "-"
    return f"{seconds:.3g} s" if seconds < 60 else duration(timedelta(seconds=seconds))  # noqa: PLR2004 - a minute


def _took(start: str | None, end: str | None) -> str | None:
    return _span(seconds_between(start or "", end or "")) if start and end else None


def _moment(value: str | None) -> str | None:
    return moment(value) or None


def _clock(value: str | None) -> str:
    told = moment(value)
    return told.replace(" UTC", "")[5:] if told else "time not known"
