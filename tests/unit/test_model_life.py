"""Pages of a model's life and of all models, as a reviewer makes them: same bytes from the same records, bounded, safe."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.life_page import life_page, models_page, spark_text
from ops.model_life import days_served, life_of
from ops.report import model_life
from orchestration.domain.records import report_key
from orchestration.steps.reports import read_records
from tests.unit import stories
from tests.unit.commands import WorldStack, retraining, signed_in
from tests.unit.fakes import World
from tests.unit.history import rich_history
from tests.unit.page_check import page_findings
from tests.unit.stories import do


def made(world: World, **options: Any) -> tuple[int, str]:
    words = [
        word for name, value in options.items() for word in ([f"--{name}"] if value is True else [f"--{name}", value])
    ]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        signed_in(world, patch)
        status = retraining("report", *words)
    return status, said.getvalue()


@pytest.fixture(scope="module")
def lived() -> World:
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    return world


def test_the_same_world_gives_the_same_page_whenever_it_is_made(lived: World) -> None:
    first = life_page(model_life(WorldStack(lived), "churn"))  # type: ignore[arg-type] # as far as it is asked
    lived.clock.forward(hours=1)
    assert life_page(model_life(WorldStack(lived), "churn")) == first  # type: ignore[arg-type] # likewise
    assert page_findings(first) == []


def test_a_life_has_every_no_every_run_and_what_people_changed(lived: World) -> None:
    life = model_life(WorldStack(lived), "churn")  # type: ignore[arg-type] # as far as it is asked
    assert [run.outcome for run in life.runs] == ["CANDIDATE_REJECTED", "APPROVAL_EXPIRED", "APPROVAL_REJECTED"]
    assert ("FROZEN", "HOLD") in {(no.reason, no.decision) for no in life.noes}
    assert "unfrozen" in {control.change for control in life.controls}
    fraud = model_life(WorldStack(lived), "fraud")  # type: ignore[arg-type] # likewise
    (served,) = fraud.served
    assert (served.run_id, served.until) == ("run-1", None)
    assert served.drifts <= served.signals


def test_a_promotion_ends_with_the_next_one_and_says_which_kind_that_was() -> None:
    def ended(run_id: str, at: str) -> dict[str, Any]:
        return {
            "kind": "outcome",
            "model": "fraud",
            "run_id": run_id,
            "outcome": "PROMOTED",
            "ended_at": at,
            "model_state": {},
        }

    back = {"kind": "manifest", "run_id": "back", "signal": {"kind": "rollback"}}
    newest_first = [
        ended("back", "2026-03-20T00:00:00+00:00"),
        back,
        ended("b", "2026-03-08T00:00:00+00:00"),
        ended("a", "2026-03-01T00:00:00+00:00"),
    ]
    life = life_of("fraud", newest_first)
    assert [(each.run_id, each.ended_by) for each in life.served] == [
        ("back", None),
        ("b", "rollback by hand back"),
        ("a", "promotion b"),
    ]
    assert "12.0" in life_page(life)


def test_promotions_are_flags_over_a_metric_on_the_days_that_it_was_measured() -> None:
    def decided(day: int) -> dict[str, Any]:
        threshold = {"metric": "error", "observed": 0.3, "threshold": 0.2, "ratio": 1.5}
        at = f"2026-03-{day:02d}T00:00:00+00:00"
        return {"kind": "decision", "decision": "OBSERVE", "decided_at": at, "signal": {"threshold": threshold}}

    def promoted(day: int) -> dict[str, Any]:
        ended = f"2026-03-{day:02d}T00:00:00+00:00"
        return {"kind": "outcome", "run_id": f"run-{day}", "outcome": "PROMOTED", "ended_at": ended}

    page = life_page(life_of("fraud", [promoted(20), decided(9), promoted(5), decided(2)]))
    assert "1 promotion meanwhile. Dashed: the threshold. Flags: promotions." in page
    assert page.count('y1="8"') == 1
    assert "Flags" not in life_page(life_of("fraud", [promoted(20), decided(9), decided(2)]))


def test_what_waited_is_a_measurement_of_the_day_it_came_on_and_of_no_other() -> None:
    def decided(day: int, observed: float, source: str) -> dict[str, Any]:
        threshold = {"metric": "error", "observed": observed, "threshold": 0.2, "ratio": observed / 0.2}
        at = f"2026-03-{day:02d}T00:00:00+00:00"
        signal = {"source": source, "threshold": threshold}
        return {"kind": "decision", "decision": "RETRAIN", "decided_at": at, "signal": signal}

    newest_first = [decided(9, 0.5, "pending"), decided(9, 0.1, "drift_report"), decided(3, 0.5, "drift_report")]
    life = life_of("fraud", newest_first)
    assert life.measured[0].points == (("2026-03-03", 0.5, 0.5, 0.2), ("2026-03-09", 0.1, 0.1, 0.2))
    assert life.signals == 3


@pytest.mark.parametrize("spoilt", [{"decided_at": None}, {"decided_at": "2026-13-45T00"}, {"kind": []}])
def test_a_record_that_somebody_spoilt_is_not_drawn_and_stops_no_page(spoilt: dict[str, Any]) -> None:
    sound = {"kind": "decision", "decision": "HOLD", "reason": "PAUSED", "sentence": "So."}
    far = [{**sound, "decided_at": at} for at in ("9999-12-31T00:00:00+00:00", "2026-03-02T12:00:00+00:00")]
    life = life_of("fraud", [*far, {**sound, "decided_at": "2026-03-01T00:00:00+00:00", **spoilt}])
    assert life.signals == 2
    assert "Earlier ones, 1, are not drawn." in life_page(life)


@pytest.mark.parametrize("spoilt", [None, "soon", "2026-03-02T12:00:00", 7])
def test_an_end_that_is_no_time_is_a_promotion_that_served_for_nobody_knows_how_long(spoilt: Any) -> None:
    ended = [
        {"kind": "outcome", "outcome": "PROMOTED", "run_id": f"run-{n}", "ended_at": at}
        for n, at in enumerate((spoilt, "2026-03-01T00:00:00+00:00"))
    ]
    life = life_of("fraud", ended)
    assert [days_served(each) for each in life.served] == [None, None]
    assert "run-1" in life_page(life)


def test_a_record_that_is_no_json_any_more_is_named_with_what_to_do(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = lived.database.items["CHAIN#fraud", f"{2:012d}"]
    monkeypatch.setitem(item, "record", {"S": "{"})
    status, said = made(lived, model="fraud")
    assert (status, "Record 2 of fraud cannot be read" in said) == (1, True)
    assert "retraining verify-audit --model fraud " in said


def test_ten_thousand_signals_are_one_page_of_at_most_500_kb() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hostile = "<script>\u202e" + "x" * 4000
    records = [
        {
            "kind": "decision",
            "decided_at": (start + timedelta(hours=number)).isoformat(),
            "decision": "HOLD",
            "reason": f"REASON_{number % 90}",
            "sentence": hostile,
            "signal": {
                "threshold": {"metric": f"psi<{number % 7}>", "observed": number % 13, "threshold": 5.0, "ratio": 1.1}
            },
        }
        for number in reversed(range(10_000))
    ]
    life = life_of("fraud", records)
    page = life_page(life)
    assert life.signals == 10_000
    assert len(page.encode()) <= 500_000
    assert page_findings(page) == []
    assert (life.noes_left_out, life.measured_left_out) == (30, 3)
    assert "left out" in page
    # 10,000 hours end in the 417th day; 180 days with a signal are drawn, the last with 16 of 24 hours.
    assert f"{179 * 24 + 16:,} signals from 2026-08-26 to 2027-02-21, at most 24 in a day." in page
    assert f"Earlier ones, {10_000 - 179 * 24 - 16:,}, are not drawn." in page


def test_all_models_are_a_line_each_with_a_spark_line(lived: World, tmp_path: Path) -> None:
    status, said = made(lived, out=str(tmp_path / "all.html"))
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    models = lived.table.models()
    assert status == 0
    assert all(any(line.startswith(model) for line in said.splitlines()) for model in models)
    assert page.count('id="spark-') == 2 * len(models)
    assert page_findings(page) == []
    lives = [model_life(WorldStack(lived), model) for model in models]  # type: ignore[arg-type] # as far as it is asked
    assert {len(spark_text(life, lives)) for life in lives} == {30}
    assert page_findings(models_page([])) == []


def test_a_run_is_fetched_as_the_loop_reported_it(lived: World, tmp_path: Path) -> None:
    out = tmp_path / "run.html"
    assert made(lived, run="run-1", out=str(out))[0] == 0
    assert out.read_bytes() == lived.bucket.objects[lived.bucket.uri(report_key("fraud", "run-1", "html"))]
    _, said = made(lived, run="run-1", json=True)
    assert json.loads(said)["run_id"] == "run-1"


def test_a_report_that_somebody_wrote_over_is_said_to_be_none(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lived.bucket.objects, lived.bucket.uri(report_key("fraud", "run-1", "json")), b"<nothing>")
    status, said = made(lived, run="run-1")
    assert (status, "not one that the loop wrote" in said) == (1, True)
    assert "retraining verify-audit --model fraud " in said


def test_the_report_of_an_old_run_is_made_of_what_its_records_tell(world: World, tmp_path: Path) -> None:
    stories.training(world)
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})
    written = world.bucket.objects.pop(world.bucket.uri(report_key("fraud", "run-1", "html")))
    assert made(world, run="run-1", out=str(tmp_path / "a.html"))[0] == 0
    assert (tmp_path / "a.html").read_bytes() == written
    records = read_records(
        lambda key: world.bucket.read(world.bucket.uri(key)).body, world.bucket.name, "fraud", "run-1"
    )
    decision = next(key for key in world.keys("decisions/fraud/") if records.get("decision"))
    world.remove(decision)
    assert made(world, run="run-1", out=str(tmp_path / "b.html"))[0] == 0
    text = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "The record decision is not there, so what it says is not known." in text
    assert page_findings(text) == []


def test_what_is_not_there_or_goes_on_is_said(lived: World) -> None:
    for options, expected, said in (
        ({"run": "nobody"}, 1, "There is no run nobody"),
        ({"run": "run-5"}, 1, "Run run-5 goes on"),
        ({"model": "nobody"}, 1, "nobody"),
        ({"run": "run-1", "out": "/nowhere/at/all"}, 2, "cannot be written"),
    ):
        status, printed = made(lived, **options)
        assert status == expected
        assert said in printed
