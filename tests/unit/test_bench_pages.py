"""What the bench makes of its numbers: medians, tables on a page, list prices."""

from __future__ import annotations

from typing import Any

import pytest

from bench import month, storm
from bench.readme import labels, table_of, with_table
from bench.spread import Spread
from bench.stack import PathError

IDLE = {"approvals_waiting": 0, "approval_wait_percent": 0, "oldest_queued_seconds": 0}
LINES: dict[str, list[dict[str, Any]]] = {
    "sweep": [{"message": "WaitsObserved", **IDLE}],
    **{decision: [{"message": "SignalDecided", "decision": decision}] for decision in month.MIX},
}


def amounts(**given: float) -> month.Amounts:
    """Amounts of what has a price; what is not named is nothing."""
    return {**dict.fromkeys(month.PRICES, 0.0), **given}


def test_a_median_is_told_with_the_least_and_the_most() -> None:
    assert Spread.of([0.3, 0.1, 0.2]).text(1000, "ms") == "200 ms (100 to 300)"
    with pytest.raises(ValueError, match="median"):
        Spread.of([])


def test_a_table_takes_the_place_of_the_one_between_its_markers_alone() -> None:
    page = "\n".join(
        f"<!-- bench {name}: begin, written by `make bench` -->\n| old |\n<!-- bench {name}: end -->"
        for name in ("one", "two")
    )

    written = with_table(page, "two", "| new | 1 |")

    assert labels(table_of(written, "one")) == ["old"]
    assert labels(table_of(written, "two")) == ["new"]
    with pytest.raises(ValueError, match="bench three: begin"):
        with_table(page, "three", "")


def test_everything_with_a_price_is_on_one_line_of_the_bill_and_has_its_sources() -> None:
    billed = [key for keys in month.SERVICES.values() for key in keys]

    assert sorted(billed) == sorted(month.PRICES)
    assert [key for key, price in month.PRICES.items() if not price["by"]] == []


def test_what_is_free_each_month_is_taken_off_each_amount_by_itself() -> None:
    used = amounts(transition=5_000, dashboard=1)

    assert month.price(used, ["transition", "dashboard"]) == pytest.approx(0.125 + 3)
    assert month.price(used, ["transition", "dashboard"], free=True) == pytest.approx(0.025)


def test_a_month_is_its_sweeps_its_signals_by_their_mix_and_its_promotions() -> None:
    used = {name: amounts() for name in (*month.MIX, "promotion", "sweep")}
    used["SKIP"]["transition"] = 3
    used["promotion"]["transition"] = 15
    used["sweep"]["read_unit"] = 2

    busy, idle = month.reckoned(used, LINES)

    signals = month.MODELS * month.SIGNALS - month.PROMOTIONS
    assert idle["read_unit"] == busy["read_unit"] == 2 * month.SWEEPS
    assert idle["transition"] == 0
    assert busy["transition"] == pytest.approx(0.2 * signals * 3 + month.PROMOTIONS * 15)
    assert busy["custom_event"] == pytest.approx(0.8 * signals + month.PROMOTIONS), "a team's own events"


def test_what_a_month_leaves_is_told_with_what_it_costs_from_then_on() -> None:
    """A link of a chain stays in the table for ever: a first month alone says less than the second one costs."""
    used = {name: amounts() for name in (*month.MIX, "promotion", "sweep")}
    used["promotion"] |= {"table_gb": 10.0, "s3_gb": 100.0}
    busy, idle = month.reckoned(used, LINES)

    table = month.month_table(month.Month(busy, idle, {}))

    left = 20 * (10 * (0.25 + 0.2) + 100 * 0.023)
    assert f"| more in each month after it, for what it left | | {left:.2f} | | 0.00 |" in table
    assert month.price(busy, month.KEPT) == pytest.approx(left / 2)


def test_a_metric_costs_for_the_hours_in_which_it_has_data() -> None:
    used = {name: amounts() for name in (*month.MIX, "promotion", "sweep")}

    busy, idle = month.reckoned(used, LINES)

    assert idle["custom_metric"] == pytest.approx(2, abs=0.01), "that sweeps run, and the one with a default"
    assert busy["custom_metric"] == pytest.approx(2 + len(month.MIX) + 4 * month.PROMOTIONS / month.HOURS, abs=0.05)


def test_alarms_are_paid_for_by_the_metrics_in_them() -> None:
    _, idle = month.reckoned({name: amounts() for name in (*month.MIX, "promotion", "sweep")}, LINES)

    assert idle["alarm_metric"] == 27
    assert idle["dashboard"] == 0


def test_a_run_that_begins_before_the_one_of_its_model_has_ended_is_told() -> None:
    first, second = ({"kind": "manifest", "run_id": name} for name in ("first", "second"))
    end = {"kind": "outcome", "run_id": "first"}

    assert storm.runs_one_at_a_time("fraud", [first, end, second]) == {"first", "second"}
    with pytest.raises(PathError, match="fraud: run second began while first went on"):
        storm.runs_one_at_a_time("fraud", [first, second, end])


def test_a_storm_has_each_signal_twice_and_out_of_order() -> None:
    numbers = [number for number, _ in storm.storm_events(["a", "b"], 50)]

    assert sorted(numbers) == sorted([*range(50), *range(50)])
    assert numbers not in (sorted(numbers), [*range(50), *range(50)])
