"""Pages of a model's life and of all models, drawn as the report of a run is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.model_life import days_between, days_served
from orchestration.domain.page import figure, html
from orchestration.domain.report_page import Scale, cell, document, drawing, part, table
from orchestration.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.model_life import Life, Measured

ORDER: Final = ("RETRAIN", "ROLL_BACK", "COALESCE", "OBSERVE", "HOLD", "SKIP", "REJECT")
"""Decisions from the bottom of a bar to its top."""

SPARKS: Final = "▁▂▃▄▅▆▇█"
SPARK_DAYS: Final = 30


def life_page(life: Life, run: Callable[[str], str] = cell) -> str:
    """The HTML of a model's life.

    Args:
        life: the life.
        run: HTML for a run's id; where its page can be opened, a link.
    """
    frozen = f"<p>Frozen: {cell(life.frozen_reason)}</p>" if life.frozen_reason else ""
    tone = "warn" if life.frozen_reason else "plain"
    notice = (
        f'<section class="notice {tone}" aria-label="In short"><p>{life.signals:,} signals, {len(life.runs) + life.runs_left_out:,} runs that '
        f"ended, {len(life.served) + life.served_left_out:,} promotions.</p>{frozen}</section>\n"
    )
    parts = [
        part("days", "Signals and decisions by day", _days(life)),
        part("noes", "Every no with its reason", _noes(life)),
        part(
            "metrics",
            "Metrics over time",
            "".join(_measured(life, each, at) for at, each in enumerate(life.measured))
            or "<p>No signal had a number.</p>\n",
        ),
        part("served", "Promotions and what became of them", _served(life, run)),
        part("runs", "Runs", _runs(life, run)),
        part("controls", "Pauses and other changes by people", _controls(life)),
    ]
    return document(f"{life.model}: its life on record", "Report of a model", notice + "".join(parts))


def models_page(lives: Sequence[Life]) -> str:
    """All models, one line each."""
    rows = [
        [
            cell(life.model),
            spark(f"spark-{position}", life.model, counts := _counts(life, lives), max(counts, default=0)),
            f"{life.signals:,}",
            f"{len(life.runs) + life.runs_left_out:,}",
            f"{len(life.served) + life.served_left_out:,}",
            cell(_when(life.days[-1].day) if life.days else "-"),
            "yes" if life.frozen_reason else "no",
        ]
        for position, life in enumerate(lives)
    ]
    columns = ("Model", f"Signals, {SPARK_DAYS} days", "Signals", "Runs", "Promotions", "Last signal", "Frozen")
    body = table("Models that had a signal", columns, rows) if rows else "<p>No signal has come yet.</p>\n"
    return document("All models", "Report of models", part("models", "Models", body))


def spark_text(life: Life, lives: Sequence[Life]) -> str:
    """A model's signals by day for a terminal, up to the last day that any model had one."""
    counts = _counts(life, lives)
    most = max(counts, default=0) or 1
    return "".join(SPARKS[(count * (len(SPARKS) - 1) + most - 1) // most] for count in counts)


def _counts(life: Life, lives: Sequence[Life]) -> list[int]:
    last = max((each.days[-1].day for each in lives if each.days), default=None)
    if last is None:
        return []
    by_day = {day.day: sum(day.decided.values()) for day in life.days}
    first = min(by_day, default=last)
    days = days_between(min(first, last), last)[-SPARK_DAYS:]
    return [0] * (SPARK_DAYS - len(days)) + [by_day.get(day, 0) for day in days]


def spark(name: str, model: str, counts: Sequence[int], most: int) -> str:
    """Signals of each day as bars.

    Args:
        name: of the drawing on its page.
        model: whose signals.
        counts: of each of the last ``SPARK_DAYS`` days, the oldest first.
        most: of a day, which has the highest bar.
    """
    bars = "".join(
        f'<rect class="bar" x="{2 + at * 196 / SPARK_DAYS:.1f}" y="{22 - 20 * count / most:.1f}" width="5" height="{20 * count / most:.1f}"/>'
        for at, count in enumerate(counts)
        if count
    )
    told = f"{sum(counts)} signals in {SPARK_DAYS} days, at most {max(counts, default=0)} a day."
    return drawing(
        name, "0 0 200 24", f"Signals of {model}", told, f'<line class="axis" x1="2" y1="22" x2="198" y2="22"/>{bars}'
    )


def _days(life: Life) -> str:
    if not life.days:
        return "<p>No signal has come yet.</p>\n"
    every = days_between(life.days[0].day, life.days[-1].day)[-400:]
    by_day = {day.day: day.decided for day in life.days if day.day >= every[0]}
    counts = [sum(decided.values()) for decided in by_day.values()]
    most, width = max(counts), 700 / len(every)
    shapes = ['<line class="axis" x1="10" y1="104" x2="710" y2="104"/>']
    for at, day in enumerate(every):
        decided, base = by_day.get(day, {}), 104.0
        yes = sum(count for name, count in decided.items() if name in ORDER[:2])
        for count, shade in ((yes, 1), (sum(decided.values()) - yes, 0.35)):
            if count:
                height = 90 * count / most
                base -= height
                shapes.append(
                    f'<rect class="bar" opacity="{shade}" x="{10 + at * width:.2f}" y="{base:.2f}" width="{max(0.8, width * 0.8):.2f}" height="{height:.2f}"/>'
                )
    shapes.append(f'<text class="note" x="10" y="118">{html(every[0])}</text>')
    shapes.append(f'<text class="note" x="710" y="118" text-anchor="end">{html(every[-1])}</text>')
    shapes.append(f'<text class="note" x="10" y="10">most in a day: {most:,}</text>')
    told = f"{sum(counts):,} signals from {every[0]} to {every[-1]}, at most {most:,} in a day."
    if sum(counts) < life.signals:
        told = f"{told} Earlier ones, {life.signals - sum(counts):,}, are not drawn."
    svg = drawing("days-drawing", "0 0 720 124", "Signals by day", told, "".join(shapes))
    rows = [
        [cell(day.day), *(f"{day.decided.get(name, 0) or '-'}" for name in ORDER)] for day in reversed(life.days[-31:])
    ]
    left_out = len(life.days) - len(rows) + life.days_left_out
    shown = table(
        "Days with signals, newest first", ("Day", *(name.replace("_", " ").lower() for name in ORDER)), rows, left_out
    )
    legend = '<p class="hint">Full: a run began. Pale: answered no, or kept for later.</p>\n'
    return f"{svg}\n<p>{cell(told)}</p>\n{legend}{shown}"


def _noes(life: Life) -> str:
    if not life.noes:
        return "<p>Every signal began a run.</p>\n"
    rows = [
        [
            cell(no.reason),
            cell(no.decision),
            f"{no.count:,}",
            cell(_when(no.first)),
            cell(_when(no.last)),
            cell(no.sentence),
        ]
        for no in life.noes
    ]
    return table(
        "By reason, the most frequent first",
        ("Reason", "Decision", "Times", "First", "Last", "Last sentence"),
        rows,
        life.noes_left_out,
    )


def _measured(life: Life, measured: Measured, position: int) -> str:
    days = days_between(measured.points[0][0], measured.points[-1][0])[-400:]
    numbers = [value for _, low, high, bound in measured.points for value in (low, high, bound)]
    scale = Scale.of(numbers, 96, 8)
    step = 700 / max(1, len(days) - 1)
    at = {day: 10 + number * step for number, day in enumerate(days)}
    points = [point for point in measured.points if point[0] in at]
    line = " ".join(f"{at[day]:.1f},{scale.x(high):.1f}" for day, _, high, _ in points)
    bounds = " ".join(f"{at[day]:.1f},{scale.x(bound):.1f}" for day, _, _, bound in points if bound is not None)
    dots = "".join(
        f'<circle class="dot" cx="{at[day]:.1f}" cy="{scale.x(high):.1f}" r="2"/>' for day, _, high, _ in points
    )
    spans = "".join(
        f'<path class="span" d="M{at[day]:.1f} {scale.x(low):.1f}V{scale.x(high):.1f}"/>'
        for day, low, high, _ in points
        if low != high
    )
    promoted = [at[each.since[:10]] for each in life.served if each.since[:10] in at]
    flags = "".join(
        f'<path class="bar" d="M{x - 4:.1f} 1h8l-4 7z"/><line class="axis" x1="{x:.1f}" y1="8" x2="{x:.1f}" y2="104"/>'
        for x in promoted
    )
    last = points[-1]
    shapes = (
        f'{flags}<polyline class="thread" points="{line}"/>{spans}{dots}'
        + (f'<polyline class="mark" fill="none" stroke-dasharray="5 3" points="{bounds}"/>' if bounds else "")
        + f'<text class="note" x="10" y="10">highest: {figure(max(high for _, _, high, _ in points))}</text>'
        f'<text class="note" x="10" y="118">{html(days[0])}</text><text class="note" x="710" y="118" text-anchor="end">{html(days[-1])}</text>'
    )
    told = f"{measured.metric} on {len(points)} day{'s' if len(points) != 1 else ''}; on {last[0]} at most {figure(last[2])}, threshold {figure(last[3]) or 'none'}."
    legend = " Dashed: the threshold."
    if promoted:
        told = f"{told} {len(promoted)} promotion{'s' if len(promoted) != 1 else ''} meanwhile."
        legend = f"{legend} Flags: promotions."
    svg = drawing(f"metric-{position}", "0 0 720 124", f"{measured.metric} over time", told, shapes)
    return f"<h3>{html(measured.metric)}</h3>\n<p>{cell(told)}{legend}</p>\n{svg}\n"


def _served(life: Life, run: Callable[[str], str]) -> str:
    if not life.served:
        return "<p>Nothing was promoted.</p>\n"
    rows = []
    for each in life.served:
        days = days_served(each)
        rows.append(
            [
                run(each.run_id),
                cell(_when(each.since)),
                cell(_when(each.until) if each.until else "serves, as far as is on record"),
                "-" if days is None else f"{days:.1f}",
                cell(each.ended_by or "-"),
                f"{each.signals:,}",
                f"{each.drifts:,}",
            ]
        )
    columns = ("Run", "Since", "Until", "Days", "Ended by", "Signals meanwhile", "Past their threshold")
    return table("Newest first", columns, rows, life.served_left_out)


def _runs(life: Life, run: Callable[[str], str]) -> str:
    if not life.runs:
        return "<p>No run has ended.</p>\n"
    rows = [
        [
            run(each.run_id),
            cell(_when(each.started_at)),
            cell(_when(each.ended_at)),
            cell(each.outcome),
            cell(_when(each.cooldown_until or "") or "-"),
            cell(each.reason),
        ]
        for each in life.runs
    ]
    return table(
        "Runs, newest first", ("Run", "Began", "Ended", "Outcome", "Cooldown until", "Reason"), rows, life.runs_left_out
    )


def _controls(life: Life) -> str:
    if not life.controls:
        return "<p>Nobody paused or unfroze it.</p>\n"
    rows = [[cell(_when(each.at)), cell(each.change), cell(each.scope), cell(each.reason)] for each in life.controls]
    return table("Changes, newest first", ("When", "Change", "Scope", "Reason"), rows, life.controls_left_out)


def _when(value: str) -> str:
    return moment(value) if "T" in value else value
