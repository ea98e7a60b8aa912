"""What policies came to, in lines for a terminal and as a page with a timeline per model. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.page import html
from orchestration.domain.report_page import cell, document, drawing, part, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ops.simulation.over_history import Reproduced
    from ops.simulation.tally import Compared, ModelTally, Summary

MODELS_DRAWN: Final = 60
DAYS_DRAWN: Final = 400
"""What is drawn of many models and of a long time, the last of it; what is more is said."""

SHOWN: Final = 120
"""Characters of a value in a sentence."""

FINDINGS_SAID: Final = 5
"""Of what could not be read; `--json` has all."""

WIDTH: Final = 700
HEIGHTS: Final = {2: 5.0, 3: 10.0, 4: 15.0}
"""Of a day by its number of ``tally.SHOWN``; one without drift is not drawn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy came to: its summary, and its models for the timelines."""

    summary: Summary
    models: dict[str, ModelTally]


@dataclass(frozen=True, slots=True)
class Simulated:
    """All that a simulation found.

    ``outcomes`` are the policies', the one that others are compared with first; ``beside`` are the comparisons of the others with
    it, in their order. ``said`` are sentences on what was assumed.
    """

    source: str
    outcomes: tuple[Outcome, ...]
    beside: tuple[Compared, ...]
    reproduced: Reproduced | None
    said: tuple[str, ...]


def measures(summaries: Sequence[Summary]) -> list[tuple[str, ...]]:
    """Rows of a table of policies: what is counted, and each policy's number."""
    lines: list[tuple[str, list[str]]] = [
        ("models", [f"{each.models:,}" for each in summaries]),
        ("signals decided", [f"{each.signals:,}" for each in summaries]),
        ("drift signals", [f"{each.drifts:,}" for each in summaries]),
        ("trainings decided", [f"{each.started:,}" for each in summaries]),
        ("trainings asked for first", [f"{each.asked:,}" for each in summaries]),
        ("trainings later than the drift", [f"{each.late:,}" for each in summaries]),
        ("trainings that began", [f"{each.trained:,}" for each in summaries]),
        ("trainings that brought a model", [f"{each.fruitful:,}" for each in summaries]),
        ("drift that went by itself", [f"{each.gone:,}" for each in summaries]),
        ("drift unanswered at the end", [f"{each.waits:,}" for each in summaries]),
        ("signals coalesced", [f"{each.coalesced:,}" for each in summaries]),
        ("signals held", [f"{each.held:,}" for each in summaries]),
        ("held for the budget", [f"{each.spent:,}" for each in summaries]),
        ("held while frozen", [f"{each.frozen:,}" for each in summaries]),
        ("signals only observed", [f"{each.observed:,}" for each in summaries]),
        ("budget used at most", [_budget(each) for each in summaries]),
        ("drift to decision, median h", [_hours(each.hours_to_decision, 0) for each in summaries]),
        ("drift to decision, 95 % h", [_hours(each.hours_to_decision, 1) for each in summaries]),
        ("drift to decision, longest h", [_hours(each.hours_to_decision, 2) for each in summaries]),
        ("drift to training, median h", [_hours(each.hours_to_training, 0) for each in summaries]),
    ]
    if any(each.price is not None for each in summaries):
        lines.append(
            ("price of trainings", ["-" if each.price is None else f"{each.price:,.2f}" for each in summaries])
        )
    return [(what, *numbers) for what, numbers in lines]


def _trainings(count: int) -> str:
    return f"{count:,} training{'' if count == 1 else 's'}"


def _budget(summary: Summary) -> str:
    limit = f"of {summary.budget_runs} in {summary.budget_days:g} d" if summary.budget_runs else "no limit"
    return f"{summary.budget_most} {limit}"


def _hours(spread: tuple[float, float, float] | None, place: int) -> str:
    return "-" if spread is None else f"{spread[place]:,.1f}"


def beside_sentence(name: str, other: str, found: Compared) -> str:
    """One policy's trainings beside another's, as a sentence."""
    hours = "" if found.hours is None else f" (median {found.hours[0]:,.1f} h, longest {found.hours[2]:,.1f} h)"
    return (
        f"Beside {other}, {name} starts {_trainings(found.same)} at the same time, {found.delayed:,} later{hours} and "
        f"{found.earlier:,} earlier, avoids {found.avoided:,} and adds {found.added:,}."
    )


def reproduced_sentence(found: Reproduced) -> str:
    """Whether recorded decisions came out again."""
    unread = "".join(f" Not all could be read: {finding}." for finding in found.findings[:FINDINGS_SAID])
    if found.first is None:
        return (
            f"Under the policies that were in force, {found.same:,} of {found.recorded:,} recorded decisions came out again byte "
            f"for byte.{unread}"
        )
    first = found.first
    record = "a decision that is not on record" if first.sequence is None else f"record {first.sequence}"
    where = f", {first.where}" if first.where else ""
    return (
        f"Under the policies that were in force, {found.same:,} of {found.recorded:,} recorded decisions came out again. The first "
        f"difference: {record} of {first.model} at {first.at}{where}: recorded {_short(first.recorded)}, simulated "
        f"{_short(first.simulated)}.{unread}"
    )


def _short(value: str | None) -> str:
    return "nothing" if value is None else cut(value, SHOWN)


def page(found: Simulated) -> str:
    """The page of a simulation."""
    summaries = [each.summary for each in found.outcomes]
    said = [reproduced_sentence(found.reproduced)] if found.reproduced is not None else []
    first = summaries[0].policy
    said += [
        beside_sentence(each.policy, first, compared)
        for each, compared in zip(summaries[1:], found.beside, strict=True)
    ]
    tone = "plain" if found.reproduced is None or found.reproduced.whole else "warn"
    lines = "".join(f"<p>{cell(line, 1000)}</p>" for line in [*said, *found.said])
    notice = f'<section class="notice {tone}" aria-label="In short">{lines}</section>\n'
    columns = ("Counted", *(each.policy for each in summaries))
    rows = [[cell(column) for column in row] for row in measures(summaries)]
    body = notice + part("policies", "Policies side by side", table("Over all models", columns, rows))
    body += part("models", "Model by model", _timelines(found))
    took_place = (
        "Nothing of this took place." if found.reproduced is None else "Only what was in force then took place."
    )
    return document("What would have happened", f"Simulation of {found.source}", body, took_place)


def _timelines(found: Simulated) -> str:
    names = {name for outcome in found.outcomes for name in outcome.models}

    def weight(name: str) -> tuple[int, int, str]:
        counts = [len(outcome.models[name].trainings) if name in outcome.models else 0 for outcome in found.outcomes]
        return min(counts) - max(counts), -max(counts), name

    drawn = sorted(names, key=weight)[:MODELS_DRAWN]
    if not drawn:
        return "<p>No model had a signal.</p>\n"
    legend = (
        '<p class="hint">A lane for each policy. Outlined: the day\'s signals were only observed (low), wait for a run or a cooldown '
        "(middle), or were held (high). Filled: a training that brought a model, from its decision to its end; framed in red: one that brought none, or none yet.</p>\n"
    )
    left = len(names) - len(drawn)
    more = f"<p>{left:,} more models are not drawn; those whose trainings differ most are.</p>\n" if left else ""
    return legend + "".join(_timeline(found, name, place) for place, name in enumerate(drawn)) + more


def _timeline(found: Simulated, name: str, place: int) -> str:
    tallies = [(each.summary.policy, each.models[name]) for each in found.outcomes if name in each.models]
    since = min(tally.since for _, tally in tallies if tally.since is not None)
    until = max(tally.until for _, tally in tallies if tally.until is not None)
    days = until.toordinal() - since.toordinal() + 1
    start = since.toordinal() + max(0, days - DAYS_DRAWN)
    days = min(days, DAYS_DRAWN)
    width, shapes, told = WIDTH / days, list[str](), list[str]()
    for lane, (policy, tally) in enumerate(tallies):
        base = 34.0 + 46 * lane
        shapes.append(
            f'<text class="note" x="10" y="{base - 24:.0f}">{html(policy[:60])}: {_trainings(len(tally.trainings))}</text>'
        )
        shapes.append(f'<line class="axis" x1="10" y1="{base}" x2="{10 + WIDTH}" y2="{base}"/>')
        shapes += _days(tally, start, width, base)
        for training in tally.trainings:
            at = training.decided_at.toordinal() - start + _share(training.decided_at)
            if at < 0:
                continue
            span = (training.ended_at or training.decided_at) - training.decided_at
            long = max(2.0, width * (span / timedelta(days=1)))
            good = training.outcome is not None and training.outcome.fruitful
            css = "bar" if good else "box bad"
            shapes.append(
                f'<rect class="{css}" x="{10 + at * width:.1f}" y="{base - 18:.1f}" width="{long:.1f}" height="18"/>'
            )
        told.append(f"{policy}: {_trainings(len(tally.trainings))} of {tally.signals:,} signals")
    bottom = 34 + 46 * (len(tallies) - 1) + 14
    shapes.append(f'<text class="note" x="10" y="{bottom}">{since.fromordinal(start):%Y-%m-%d}</text>')
    shapes.append(f'<text class="note" x="{10 + WIDTH}" y="{bottom}" text-anchor="end">{until:%Y-%m-%d}</text>')
    title = f"Trainings of {name}"
    svg = drawing(f"model-{place}", f"0 0 720 {bottom + 4}", title, "; ".join(told), "".join(shapes), "wide")
    wide = f'<div class="scroll" tabindex="0" role="region" aria-label="{html(title)}">{svg}</div>'
    return f"<h3>{html(name)}</h3>\n{wide}\n"


def _days(tally: ModelTally, start: int, width: float, base: float) -> list[str]:
    """The days of a lane, those alike side by side as one shape."""
    if tally.since is None:
        return []
    first, found, shapes = tally.since.toordinal() - start, list(tally.days), list[str]()
    place = max(0, -first)
    while place < len(found):
        shown, began = found[place], place
        while place < len(found) and found[place] == shown:
            place += 1
        height = HEIGHTS.get(shown)
        if height is not None:
            x = 10 + (first + began) * width
            shapes.append(
                f'<rect class="ring" x="{x:.1f}" y="{base - height:.1f}" width="{(place - began) * width:.1f}" height="{height:.0f}"/>'
            )
    return shapes


def _share(at: datetime) -> float:
    return (at.hour * 60 + at.minute) / 1440
