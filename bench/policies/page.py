"""The tables of docs/policy-benchmark.md, from the results that the last run of the benchmark left.

A cell is a stream under a price and a delay; each was played with every seed. Cost above the oracle is a share of the oracle's cost.
"""

from __future__ import annotations

import bisect
import functools
import inspect
import itertools
import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.policies import rules
from bench.policies.benchmark import REPORTING, TUNING
from bench.policies.rules import FOREVER, Kind
from bench.policies.streams import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULTS: Final = Path(__file__).with_name("results.json")

CONFIDENCE: Final = 0.95

CELL: Final = ("stream", "price", "delay", "above", "trainings", "harmful", "missed", "harmless", "waited")
"""What is in a cell, by its place: costs above the oracle seed by seed; the counts are sums over the seeds."""

Results = dict[str, Any]
Row = dict[str, Any]
"""A policy with its cells: see `bench.policies.__main__`."""


@functools.cache
def kept() -> Results:
    """What the last run left."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def reported(results: Results, *kinds: Kind) -> list[Row]:
    """The policies of these kinds, the least cost on the reporting half first."""
    rows = [row for row in results["policies"] if row["kind"] in kinds]
    return sorted(rows, key=lambda row: mean_above(row, REPORTING))


def cells(
    row: Row, streams: Sequence[str], price: float | None = None, delay: int | None = None
) -> list[dict[str, Any]]:
    """A policy's cells of some streams, of one price or all, of one delay or all."""
    return [
        dict(zip(CELL, cell, strict=True))
        for cell in row["cells"]
        if cell[0] in streams and price in (None, cell[1]) and delay in (None, cell[2])
    ]


def mean_above(row: Row, streams: Sequence[str], price: float | None = None, delay: int | None = None) -> float:
    """A policy's mean cost above the oracle over cells and seeds."""
    return statistics.fmean(above for cell in cells(row, streams, price, delay) for above in cell["above"])


def by_stream(row: Row, streams: Sequence[str]) -> list[float]:
    """A policy's mean cost above the oracle on each stream that was played."""
    return [mean_above(row, [stream]) for stream in streams if cells(row, [stream])]


def interval(of_streams: Sequence[float]) -> tuple[float, float]:
    """Within which the mean lies if other streams like these had been drawn: a bootstrap of whole streams, of every draw there is.

    Cells of one stream go together, so that they are drawn together. Six streams can be drawn in 462 ways.
    """
    count = len(of_streams)
    drawn: list[tuple[float, float]] = []
    for places in itertools.combinations_with_replacement(range(count), count):
        # In how many orders the same streams are drawn.
        orders = math.factorial(count) / math.prod(math.factorial(each) for each in Counter(places).values())
        drawn.append((statistics.fmean(of_streams[place] for place in places), orders / count**count))
    drawn.sort()
    below = list(itertools.accumulate(chance for _, chance in drawn))
    tail = (1 - CONFIDENCE) / 2
    return drawn[bisect.bisect_left(below, tail)][0], drawn[bisect.bisect_left(below, 1 - tail)][0]


def main_table(results: Results) -> str:
    """Every policy on the reporting half."""
    lines = [
        "| policy | mean above the oracle | 95 % interval | worst cell | trainings in 100 chunks | drifts missed | harmless trainings | waited |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in reported(results, Kind.HINDSIGHT, Kind.SIMPLE, Kind.COSTS, Kind.OURS):
        mine = cells(row, REPORTING)
        low, high = interval(by_stream(row, REPORTING))
        chunks = sum(results["streams"][cell["stream"]]["counted"] * len(cell["above"]) for cell in mine)
        total = {name: sum(cell[name] for cell in mine) for name in ("trainings", "harmful", "missed", "harmless")}
        answered, waited = total["harmful"] - total["missed"], sum(cell["waited"] for cell in mine)
        lines.append(
            f"| {_name(row)} | {mean_above(row, REPORTING):+.1%} | {low:+.1%} to {high:+.1%} | {worst(row):+.0%} "
            f"| {100 * total['trainings'] / chunks:.1f} | {_of(total['missed'], total['harmful'])} "
            f"| {_of(total['harmless'], total['trainings'])} | {f'{waited / answered:.1f}' if answered else ''} |"
        )
    return "\n".join(lines)


def terms_table(results: Results) -> str:
    """Every policy on the reporting half, by price and delay."""
    prices, delays = results["prices"], results["delays"]
    titles = [f"price {price:g}" for price in prices] + [f"labels {_late(delay)}" for delay in delays]
    lines = [f"| policy | {' | '.join(titles)} |", f"| --- |{' ---: |' * len(titles)}"]
    for row in reported(results, Kind.HINDSIGHT, Kind.SIMPLE, Kind.COSTS, Kind.OURS):
        numbers = [mean_above(row, REPORTING, price=price) for price in prices]
        numbers += [mean_above(row, REPORTING, delay=delay) for delay in delays]
        lines.append(f"| {_name(row)} | {' | '.join(f'{number:+.1%}' for number in numbers)} |")
    return "\n".join(lines)


def streams_of_policies_table(results: Results) -> str:
    """Every policy on each stream of both halves."""
    names = [*REPORTING, *TUNING]
    lines = [f"| policy | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    lines += [
        f"| {_name(row)} | {' | '.join(f'{number:+.0%}' for number in by_stream(row, names))} |"
        for row in reported(results, Kind.HINDSIGHT, Kind.SIMPLE, Kind.COSTS, Kind.OURS)
    ]
    return "\n".join(lines)


def cadence_table(results: Results) -> str:
    """Every fixed cadence on the reporting half."""
    prices = results["prices"]
    lines = [
        f"| chunks between trainings | mean above the oracle | {' | '.join(f'price {price:g}' for price in prices)} |",
        f"| --- |{' ---: |' * (len(prices) + 1)}",
    ]
    for row in results["policies"]:
        if row["kind"] == Kind.CADENCE:
            numbers = [mean_above(row, REPORTING)] + [mean_above(row, REPORTING, price=price) for price in prices]
            lines.append(f"| {row['name']} | {' | '.join(f'{number:+.1%}' for number in numbers)} |")
    return "\n".join(lines)


def settings_table(results: Results) -> str:
    """What each policy says, and the settings that were chosen on the tuning half."""
    lines = ["| policy | trains when | set to |", "| --- | --- | --- |"]
    lines += [
        f"| {_name(row)} | {row['says']} | {_setting(row)} |"
        for row in results["policies"]
        if row["kind"] in {Kind.SIMPLE, Kind.COSTS, Kind.OURS}
    ]
    return "\n".join(lines)


def simpler_table(results: Results) -> str:
    """Every cell of the reporting half in which a simpler policy costs less than the loop that hears of quality."""
    rows = {row["name"]: row for row in results["policies"]}
    return "\n\n".join(_simpler(results, rows[f"{how}, quality"]) for how in ("tuned", "default"))


def _simpler(results: Results, ours: Row) -> str:
    simple = reported(results, Kind.SIMPLE)
    lines = [
        f"Against the loop, *{ours['name']}*:",
        "",
        "| stream | price | labels | the loop | costs less | and so do |",
        "| --- | ---: | --- | ---: | --- | --- |",
    ]
    mine = cells(ours, REPORTING)
    for cell in mine:
        where = ([cell["stream"]], cell["price"], cell["delay"])
        own = statistics.fmean(cell["above"])
        better = sorted((mean_above(row, *where), row["name"]) for row in simple)
        better = [(above, name) for above, name in better if above < own - 0.0005]
        if better:
            others = f"{len(better) - 1} more of {len(simple)}" if len(better) > 1 else "no other"
            lines.append(
                f"| {cell['stream']} | {cell['price']:g} | {_late(cell['delay'])} | {own:+.1%} "
                f"| {better[0][1]} {better[0][0]:+.1%} | {others} |"
            )
    return "\n".join([*lines, "", f"{len(lines) - 4} of {len(mine)} cells."])


def streams_table(results: Results) -> str:
    """Where each stream is from, and how often the oracle trains on it."""
    prices = results["prices"]
    oracle = next(row for row in results["policies"] if row["name"] == "oracle")
    lines = [
        f"| stream | half | what | chunk | chunks that count | oracle's trainings at price {', '.join(f'{price:g}' for price in prices)} |",
        "| --- | --- | --- | --- | ---: | ---: |",
    ]
    for source in SOURCES:
        often = []
        for price in prices:
            mine = cells(oracle, [source.name], price=price)
            often.append(sum(cell["trainings"] for cell in mine) / sum(len(cell["above"]) for cell in mine))
        lines.append(
            f"| {source.name} | {'tuning' if source.name in TUNING else 'reporting'} | {source.title} | {source.chunk} "
            f"| {results['streams'][source.name]['counted']} | {', '.join(f'{each:.1f}' for each in often)} |"
        )
    return "\n".join(lines)


def licences_table() -> str:
    """Whose the streams are."""
    lines = ["| stream | inside | by | licence |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.name} | {each.package} | {each.origin} | {each.licence} |" for each in SOURCES]
    return "\n".join(lines)


def literature() -> str:
    """What was written anew from the literature, and how it departs."""
    described: tuple[Callable[..., Any], ...] = (rules.cara, rules.data_latency, rules.avoidable, rules.forecast)
    told = (_paragraphs(inspect.getdoc(each) or "").partition(": ") for each in described)
    return "\n\n".join(f"**{name}**: {rest}" for name, _, rest in told)


def measured(results: Results) -> str:
    """How long the last run took, and on what."""
    took = results["measured"]
    return (
        f"Python {took['python']}, scikit-learn {took['scikit-learn']}, one process on a machine of {took['cores']} cores: "
        f"all matrices in {took['matrix_seconds'] / 60:.0f} minutes, all policies from the matrices in {took['seconds']:.0f} s."
    )


def default_judged(results: Results) -> str:
    """Today's default beside the policy that costs least on the tuning half, on both halves, and whether it is to be replaced."""
    lines = [
        "| what the loop hears | policy | tuning half | reporting half | default less this | worst cell | drifts missed |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = {row["name"]: row for row in results["policies"]}
    won = []
    for feed in results["feeds"]:
        default, other = rows[f"default, {feed}"], rows[f"best for all, {feed}"]
        gains = [one - two for one, two in zip(by_stream(default, REPORTING), by_stream(other, REPORTING), strict=True)]
        low, high = interval(gains)
        won.append(low > 0 and worst(other) <= worst(default))
        gain = f"{100 * statistics.fmean(gains):+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
        for row, policy, less in ((default, "the default", ""), (other, _setting(other), gain)):
            mine = cells(row, REPORTING)
            lines.append(
                f"| {feed} | {policy} | {mean_above(row, TUNING):+.1%} | {mean_above(row, REPORTING):+.1%} | {less} "
                f"| {worst(row):+.0%} | {_of(sum(each['missed'] for each in mine), sum(each['harmful'] for each in mine))} |"
            )
    return "\n".join(
        (
            *lines,
            "",
            f"It wins in {sum(won)} of {len(won)}: the default {'has to change' if all(won) else 'stays'}.",
        )
    )


def worst(row: Row) -> float:
    """A policy's mean cost above the oracle over the seeds, in the cell of the reporting half where that is highest."""
    return max(statistics.fmean(cell["above"]) for cell in cells(row, REPORTING))


def _name(row: Row) -> str:
    return f"**the loop: {row['name']}**" if row["kind"] == Kind.OURS else str(row["name"])


def _of(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _late(delay: int) -> str:
    return f"{delay} chunks late" if delay else "at once"


def _setting(row: Row) -> str:
    """How a policy is set: the same at each price, or price by price."""
    told = [
        (price, ", ".join(f"{name} {'never' if value == FOREVER else value}" for name, value in setting.items()))
        for price, setting in row["settings"].items()
    ]
    if len({text for _, text in told}) == 1:
        return told[0][1]
    return "; ".join(f"price {price}: {text}" for price, text in told)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def parts() -> Iterable[tuple[str, Callable[[], str]]]:
    """The generated parts of the page by name."""
    of_results = {
        "main": main_table,
        "terms": terms_table,
        "by stream": streams_of_policies_table,
        "cadences": cadence_table,
        "settings": settings_table,
        "simpler": simpler_table,
        "streams": streams_table,
        "measured": measured,
        "default": default_judged,
    }
    yield from ((name, lambda make=make: make(kept())) for name, make in of_results.items())
    yield "licences", licences_table
    yield "literature", literature
