"""The loop on a virtual clock decides as the loop does, and a history comes out of it again."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bench import __main__ as bench
from bench.simulation import measure_year, year_table
from ops import cli
from ops.given_schemas import SIMULATED_SIGNAL
from ops.project import ROOT
from ops.rebuilt_history import read_chain
from ops.simulation import from_file
from ops.simulation.from_file import simulate_file
from ops.simulation.history import History, HistoryWorld, history_of, pause_of
from ops.simulation.loop import Asked, Decided, Ended, Loop
from ops.simulation.over_history import reproduce, simulate_history
from ops.simulation.page import beside_sentence, measures
from ops.simulation.signal_file import read_signals
from ops.simulation.stated import Stated, StatedWorld
from ops.simulation.tally import ModelTally, Tally, Training, compared, summary
from ops.stack import OperatorError
from orchestration import handler
from orchestration.domain.chain import LOOP
from orchestration.domain.contracts import Decision, Severity, SignalKind, SignalSource, Status
from orchestration.domain.policy import Policy, parse_policy
from orchestration.domain.signal import Signal, Threshold
from orchestration.domain.stored_run import StatusRow
from tests.unit import stories
from tests.unit.fakes import SETTINGS, World, drift, request
from tests.unit.outsiders import MODELS
from tests.unit.tampering import FOLDERS, Scene
from tests.unit.test_interleavings import history as interleaved

BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
DEFAULT = parse_policy("churn", None, version="defaults", settings=SETTINGS)
UNASKED = replace(DEFAULT, approval=replace(DEFAULT.approval, training="never"), cooldown_hours=24.0, budget_runs=0)
GOES = Stated(training_hours=2.0)


class Played:
    """Signals of models, each an observed psi against 0.2 at an hour, and what came of them."""

    def __init__(self, policy: Policy, stated: Stated = GOES, slots: int = 0) -> None:
        self.decided: list[Decided] = []
        self.ended: list[Ended] = []
        self.loop = Loop(StatedWorld(policy, stated), slots=slots, decided=self.decided.append, ended=self.ended.append)

    def hear(self, hour: float, observed: float, model: str = "churn") -> Decided:
        past = observed >= 0.2
        signal = Signal(
            signal_id=f"{hour}",
            source=SignalSource.DRIFT_REPORT,
            kind=SignalKind.DRIFT if past else SignalKind.NO_DRIFT,
            model=model,
            summary="psi.",
            observed_at="",
            threshold=Threshold("psi", observed, 0.2),
        )
        at = BEGAN + timedelta(hours=hour)
        return self.loop.hear(signal, Asked(at, f"{model}-{hour:g}"))

    def hours(self, status: Status | None = None) -> list[float]:
        """Hours at which runs ended, of one outcome or of any."""
        return [
            (each.at - BEGAN) / timedelta(hours=1)
            for each in self.ended
            if status is None or each.run.course.outcome is status
        ]


# The clock.


def test_a_cooldown_keeps_a_signal_and_decides_it_when_it_is_over() -> None:
    played = Played(UNASKED)
    assert played.hear(0, 0.5).verdict.decision is Decision.RETRAIN
    assert played.hear(1, 0.5).verdict.reason == "RUN_IN_PROGRESS"
    assert played.hear(3, 0.6).verdict.reason == "COOLDOWN"
    played.loop.advance(BEGAN + timedelta(hours=40))
    again = played.decided[-1]
    assert (again.verdict.decision, again.signal.source) == (Decision.RETRAIN, SignalSource.PENDING)
    assert again.asked.at == BEGAN + timedelta(hours=26)
    assert again.signal.summary.startswith("2 signal(s)")
    assert played.hours() == [2.0, 28.0]


def test_what_waits_is_decided_once_whatever_else_came_meanwhile() -> None:
    played = Played(UNASKED)
    for hour in range(24):
        played.hear(hour, 0.5)
    played.loop.advance(BEGAN + timedelta(days=30))
    assert [each.verdict.decision for each in played.decided].count(Decision.RETRAIN) == 2
    assert played.loop.state("churn").pending is None


def test_a_budget_holds_and_a_breaker_freezes_until_it_is_closed() -> None:
    played = Played(replace(UNASKED, cooldown_hours=0.0, budget_runs=2))
    reasons = [played.hear(10 * each, 0.5).verdict.reason for each in range(3)]
    assert reasons[-1] == "BUDGET_SPENT"
    failing = Played(replace(UNASKED, cooldown_hours=0.0, fruitless_runs=2), Stated(promoted=0.0))
    reasons = [failing.hear(10 * each, 0.5).verdict.reason for each in range(3)]
    assert reasons[-1] == "FROZEN"
    failing.loop.unfreeze("churn", BEGAN + timedelta(hours=21))
    assert failing.hear(22, 0.5).verdict.decision is Decision.RETRAIN


def test_people_who_answer_late_have_not_answered() -> None:
    asks = replace(UNASKED, approval=replace(UNASKED.approval, training="always", expire_hours=24.0))
    in_time, late = Played(asks, Stated(answer_hours=5)), Played(asks, Stated(answer_hours=25))
    for played in (in_time, late):
        assert played.hear(0, 0.5).verdict.approval_needed
        played.loop.finish()
    assert (in_time.hours(), in_time.ended[0].run.course.outcome) == ([7.0], Status.TRAINED)
    assert (late.hours(), late.ended[0].run.course.outcome) == ([24.0], Status.APPROVAL_EXPIRED)
    assert late.ended[0].run.trains_at is None


def test_trainings_wait_for_a_slot_in_their_order() -> None:
    played = Played(UNASKED, slots=1)
    for minute, model in enumerate(("churn", "fraud", "price")):
        played.hear(minute / 60, 0.5, model)
    played.loop.finish()
    assert [each.run.decided.signal.model for each in played.ended] == ["churn", "fraud", "price"]
    assert played.hours() == [2.0, 4.0, 6.0]


def test_the_same_run_of_a_model_always_comes_to_the_same_and_the_share_is_met() -> None:
    outcomes = []
    for _ in range(2):
        played = Played(replace(UNASKED, cooldown_hours=0.0, fruitless_runs=0), Stated(promoted=0.3))
        for number in range(400):
            played.hear(10 * number, 0.5)
        played.loop.finish()
        outcomes.append([each.run.course.outcome for each in played.ended])
    assert outcomes[0] == outcomes[1]
    assert 0.2 < outcomes[0].count(Status.TRAINED) / 400 < 0.4


@st.composite
def measured(draw: st.DrawFn, model: str) -> list[tuple[timedelta, str, float]]:
    """What a monitor measures of a model: hours between, and how much past the threshold."""
    steps = draw(
        st.lists(st.tuples(st.sampled_from((0, 1, 6, 30, 500)), st.sampled_from((0.1, 0.3, 0.9))), max_size=25)
    )
    hours = itertools.accumulate(hour for hour, _ in steps)
    return [(timedelta(hours=hour), model, observed) for hour, (_, observed) in zip(hours, steps, strict=True)]


POLICIES = st.builds(
    lambda cooldown, runs, days, training: replace(
        UNASKED,
        cooldown_hours=cooldown,
        budget_runs=runs,
        budget_days=days,
        approval=replace(UNASKED.approval, training=training, expire_hours=24.0),
    ),
    st.sampled_from((0.0, 1.0, 24.0)),
    st.sampled_from((0, 1, 3)),
    st.sampled_from((1.0, 30.0)),
    st.sampled_from(("never", "always")),
)


def simulated(policy: Policy, stated: Stated, *heard: tuple[timedelta, str, float]) -> tuple[Played, Tally]:
    """Signals in their order, and what came of them."""
    played, tally = Played(policy, stated), Tally("new")
    for at, model, observed in sorted(heard):
        played.hear(at / timedelta(hours=1), observed, model)
    played.loop.finish()
    for decided in played.decided:
        tally.hear(decided)
    for ended in played.ended:
        tally.end(ended)
    return played, tally


@settings(max_examples=40, deadline=None)
@given(
    policy=POLICIES,
    stated=st.builds(
        Stated, st.sampled_from((0.0, 2.0, 50.0)), st.sampled_from((1.0, 30.0)), st.sampled_from((0.5, 1.0))
    ),
    own=measured("churn"),
    other=measured("fraud"),
)
def test_whatever_is_measured_no_run_begins_that_should_not_and_nothing_is_lost(
    policy: Policy, stated: Stated, own: list[tuple[timedelta, str, float]], other: list[tuple[timedelta, str, float]]
) -> None:
    played, tally = simulated(policy, stated, *own)
    over = {each.run.run_id: each.at for each in played.ended}
    starts = [each.asked for each in played.decided if each.verdict.decision is Decision.RETRAIN]
    for before, after in itertools.pairwise(starts):
        assert after.at - over[before.run_id] >= timedelta(hours=policy.cooldown_hours)
    days = timedelta(days=policy.budget_days)
    for place, start in enumerate(starts):
        assert not 0 < policy.budget_runs < sum(each.at > start.at - days for each in starts[: place + 1])
    assert played.loop.state("churn").pending is None
    found = summary("new", list(tally.models.values()), None)
    assert found.signals == len(played.decided) == sum(found.reasons.values())
    assert found.drifts == sum(observed >= 0.2 for _, _, observed in own)
    assert found.started == len(starts) == len(over) >= found.trained >= found.fruitful
    assert compared(tally.models.values(), tally.models.values()).same == found.started

    beside = simulated(policy, stated, *own, *other)[1].models
    assert [each for name, each in beside.items() if name == "churn"] == list(tally.models.values())


# Histories.


def histories(seed: str) -> list[History]:
    """Histories of a stack in motion."""
    world = interleaved(seed)[0].world
    pauses = [pause_of(json.loads(link.record)) for link in chain_of(world, LOOP).links]
    return [history_of(name, chain_of(world, name).links, pauses) for name in MODELS]


def chain_of(world: World, name: str) -> Any:
    """A chain of a stack in memory."""
    scene = Scene.of(world)
    own = [key for key in scene.objects(*FOLDERS) if key.split("/")[1] == name]
    return read_chain(name, [(key, scene.body(key) or b"") for key in own])


@pytest.mark.parametrize("number", range(4))
def test_a_history_comes_out_again_byte_for_byte_under_the_policies_that_were_in_force(number: int) -> None:
    for history in histories(f"177/{number}"):
        tally, found = reproduce(history, GOES, until=history.until)
        assert (found.first, found.same) == (None, found.recorded), history.model
        assert found.recorded == len(history.decisions) == tally.signals > 0


def test_the_first_decision_that_comes_out_otherwise_is_named_with_its_field() -> None:
    (history,) = (each for each in histories("177/2") if each.model == "fraud")
    place = next(at for at, each in enumerate(history.decisions) if each.decision is Decision.RETRAIN)
    wrong = history.decisions[place]
    other = replace(wrong, policy=replace(wrong.policy, cooldown_hours=1000.0))
    steps = tuple(other if step is wrong else step for step in history.steps)
    found = reproduce(replace(history, steps=steps), GOES, until=history.until)[1]
    assert found.first is not None
    assert found.first.sequence == wrong.link.sequence
    assert found.first.where == "inputs.policy.effective.cooldown_hours"
    assert (found.first.recorded, found.first.simulated) == (json.dumps(wrong.policy.cooldown_hours), "1000")


def test_a_decision_that_is_not_made_again_is_named_too() -> None:
    (history,) = (each for each in histories("177/2") if each.model == "fraud")
    lost = next(step for step in history.decisions if step.decision is Decision.RETRAIN)
    kept = replace(history, steps=tuple(step for step in history.steps if step is not lost))
    found = reproduce(kept, GOES, until=history.until)[1]
    assert found.first is not None
    assert found.same < found.recorded


def test_the_policy_that_was_in_force_trains_when_the_stack_did_and_a_stricter_one_seldom() -> None:
    """Trainings of a history are in its records; under the same policy the same begin."""
    found = [each for number in range(4) for each in histories(f"177/{number}")]
    alike = [each for each in found if len({repr(replace(one.policy, version="")) for one in each.decisions}) == 1]
    assert len(alike) >= 3
    for history in alike:
        policy = history.decisions[0].policy
        then, _ = reproduce(history, GOES, until=history.until)
        again = simulate_history(history, policy, GOES, until=history.until)
        assert [each.decided_at for each in again.trainings] == [each.decided_at for each in then.trainings]
        strict = replace(policy, budget_runs=1, budget_days=365.0)
        assert len(simulate_history(history, strict, GOES, until=history.until).trainings) <= 1


def test_a_run_that_ended_before_people_were_asked_ends_as_it_did() -> None:
    history = next(each for each in histories("177/2") if each.model == "churn")
    asked = next(run for run in history.runs.values() if run.asked_people and run.began is not None)
    stopped = replace(asked, outcome=Status.STOPPED, times={})
    tally, _ = reproduce(replace(history, runs={asked.run_id: stopped}), GOES, until=history.until)
    assert tally.trainings[0].asked
    assert (tally.trainings[0].outcome, tally.trainings[0].ended_at) == (Status.STOPPED, asked.ended_at)


def test_people_of_a_history_answer_as_fast_as_they_did_whatever_is_stated() -> None:
    history = next(each for each in histories("177/2") if each.model == "churn")
    decided: list[Decided] = []
    began = history.decisions[0]
    Loop(HistoryWorld(history, GOES, None), decided=decided.append).hear(began.signal, began.asked)
    other = decided[0]._replace(asked=began.asked._replace(run_id="another"))
    slow = HistoryWorld(history, Stated(answer_hours=1000.0), began.policy).course(other)
    assert slow.outcome is history.runs[began.run_id].outcome is Status.TRAINED
    assert timedelta() < slow.answered < timedelta(seconds=5)


def test_whether_a_run_of_before_the_history_promoted_is_taken_from_what_was_decided(world: World) -> None:
    """The same words again are answered by a run until it promotes; of a run whose records are not there, a decision says which."""
    world.put("policies/fraud.json", stories.policy(cooldown_hours=0))
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    for number in (1, 2):
        run_id = f"run-{number}"
        said = {**drift(model="fraud"), "id": run_id}
        assert handler.run_action(request(said, run_id), world.ports)["decision"] == "RETRAIN"
        world.table.add_status(
            run_id, StatusRow(Status.PROMOTION_STARTED, world.clock().isoformat(), "", Severity.INFO)
        )
        world.clock.forward(minutes=1)
        stories.do(world, "close", run_id)
    links = chain_of(world, "fraud").links
    later = [link for link in links if link.sequence > 2]
    assert json.loads(later[1].record)["inputs"]["state"]["answered"] is None
    for known in (links, later):
        history = history_of("fraud", known, [])
        found = reproduce(history, GOES, until=history.until)[1]
        assert (found.first, found.same) == (None, len(history.decisions))


# The file.


def line(**given: Any) -> str:
    return json.dumps({"at": "2026-03-02T06:00:00Z", "model": "fraud", **given})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"observed": 0.3, "threshold": 0.2}, SignalKind.DRIFT),
        ({"observed": 0.1, "threshold": 0.2}, SignalKind.NO_DRIFT),
        ({"observed": 0.1, "threshold": 0.2, "comparison": "lower_is_worse"}, SignalKind.DRIFT),
        ({"observed": 0.1, "threshold": 0.2, "severity": "critical"}, SignalKind.DRIFT),
        ({"observed": "0.3", "threshold": 0.2, "kind": "kpi"}, SignalKind.KPI),
        ({"kind": "monitor_failure"}, SignalKind.MONITOR_FAILURE),
        ({"severity": "high"}, SignalKind.DRIFT),
    ],
)
def test_a_line_says_what_was_measured(given: dict[str, Any], kind: SignalKind) -> None:
    ((signal, at),) = read_signals([line(**given)], name="signals.jsonl")
    assert (signal.kind, signal.model, at) == (kind, "fraud", BEGAN)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "line 1: it is not JSON"),
        (["at,model,psi"], "docs/simulate.md makes them of a CSV"),
        (["[]"], "line 1: it is no JSON object"),
        ([line(at="yesterday", observed=1, threshold=2)], "`at` is 'yesterday'"),
        ([line(at="2026-03-02T06:00:00", observed=1, threshold=2)], "a time with its zone"),
        ([line(at=None)], "`at` is missing"),
        ([line(model="no/model", severity="info")], "`model` is 'no/model'"),
        ([line(observed="much", threshold=2)], "`observed` is 'much'"),
        ([line(observed=True, threshold=2)], "`observed` is True"),
        ([line(observed=1, threshold=2, comparison="bad")], "`comparison` is 'bad'"),
        ([line(severity="grave")], "`severity` is 'grave'"),
        ([line(kind="rollback")], "`kind` is 'rollback'"),
        ([line(kind=["drift"])], "`kind` is ['drift']"),
        (['{"observed": 0.1, "observed": 0.9}'], "has the key 'observed' twice"),
        ([line(model="1", severity="info"), line(model=1, severity="info")], "line 2: `model` is 1:"),
        ([line(metric=["psi"])], "`metric` is ['psi']"),
        ([line(at="0001-01-01T00:00:00+05:00", severity="info")], "from 1970 to 2999"),
        ([line(at="9999-12-31T23:59:59Z", severity="info")], "from 1970 to 2999"),
        ([line(obs=1)], "it has 'obs', which no line has"),
        ([line()], "it measures nothing"),
        ([line(severity="info", metric="m" * 30_000)], "more than 20,000 characters"),
        (
            [line(severity="info"), line(at="2026-03-02T05:59:59Z", severity="info")],
            "line 2: 2026-03-02T05:59:59+00:00 is before",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_to_write(lines: list[str], said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        list(read_signals(lines, name="signals.jsonl"))
    assert said in str(caught.value)
    assert str(caught.value).startswith("signals.jsonl, line ")


def test_a_csv_becomes_lines_as_the_documentation_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With zones, out of order, and with days that have no value."""
    monkeypatch.chdir(tmp_path)
    rows = ("2026-03-02T06:00:00Z,fraud,0.31", "2026-03-02T06:00:00+05:30,credit_risk,0.1")
    Path("psi.csv").write_text(
        "\n".join(("at,model,psi", *rows, "2026-03-03T06:00:00Z,fraud,", "2026-03-04T06:00:00Z,fraud,NaN"))
    )
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})  # noqa: S102 - the code is that of our own page
    with Path("signals.jsonl").open() as lines:
        found = [(signal.model, signal.kind, f"{at:%H:%M}") for signal, at in read_signals(lines, name="signals.jsonl")]
    assert found == [("credit-risk", SignalKind.NO_DRIFT, "00:30"), ("fraud", SignalKind.DRIFT, "06:00")]


def test_the_schema_takes_the_lines_that_are_read_and_no_others() -> None:
    """But for what no schema says: the order of lines, and when a text is a time."""
    schema = Draft7Validator(json.loads(SIMULATED_SIGNAL.read_text()))
    values: dict[str, list[Any]] = {
        "model": ["fraud", "a-b", "-a", "", 1],
        "observed": [0.3, "0.3", "much", True, None],
        "threshold": [0.2, 0],
        "comparison": ["lower_is_worse", ">", "bad", []],
        "severity": ["critical", "grave", {}],
        "kind": ["drift", "no_drift", "rollback"],
        "metric": ["psi"],
        "other": [1],
    }
    for size in (1, 2, 3):
        for names in itertools.combinations(values, size):
            for chosen in itertools.product(*(values[name] for name in names)):
                given = {"at": "2026-03-02T06:00:00Z", "model": "fraud"} | dict(zip(names, chosen, strict=True))
                try:
                    read = len(list(read_signals([json.dumps(given)], name="signals.jsonl"))) == 1
                except OperatorError:
                    read = False
                assert schema.is_valid(given) == read, given


def written(path: Path, models: int, days: int) -> Path:
    """A file in which each model drifts for some days of each month."""
    lines = [
        {
            "at": (BEGAN + timedelta(hours=6 * step, seconds=number)).isoformat(),
            "model": f"m-{number}",
            "observed": 0.45 if (step // 4 + 7 * number) % 30 < 5 else 0.1,
            "threshold": 0.2,
        }
        for step in range(4 * days)
        for number in range(models)
    ]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return path


def test_models_shared_out_over_processes_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "signals.jsonl", 5, 40)
    alone = simulate_file(path, (("new", UNASKED),), GOES)
    monkeypatch.setattr(from_file, "SMALL", 0)
    told: list[tuple[int, int]] = []
    shared = simulate_file(path, (("new", UNASKED),), GOES, jobs=2, step=lambda *done: told.append(done))
    assert list(alone[0].models) == [f"m-{number}" for number in range(5)]
    found = [
        summary("new", sorted(each[0].models.values(), key=lambda one: one.model), 2.0) for each in (alone, shared)
    ]
    assert found[0] == found[1]
    assert found[0].started > 5
    assert found[0].price == 2.0 * found[0].trained


def test_what_is_wrong_with_a_file_is_said_by_whichever_process_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "signals.jsonl", 5, 2)
    path.write_text(path.read_text() + line(observed=0.3, threshold=0.2, at="2030-01-01T00:00:00Z", model="m-1", obs=1))
    monkeypatch.setattr(from_file, "SMALL", 0)
    with pytest.raises(OperatorError, match="line 41: it has 'obs'"):
        simulate_file(path, (("new", UNASKED),), GOES, jobs=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no signal"),
        (b"\n \n", "has no signal"),
        (line(severity="info").encode("utf-16"), "is not UTF-8"),
        (b"\0" * 3_000_000, "more than 20,000 characters"),
    ],
)
def test_a_file_without_a_signal_that_can_be_read_is_no_answer(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "signals.jsonl"
    path.write_bytes(content)
    asked = ("simulate", "--signals", str(path), "--policy", policy_file(tmp_path), "--jobs", "1", "--json")
    assert cli.main(asked) == 1
    assert said in json.loads(capsys.readouterr().out)["error"]


def test_a_file_from_windows_is_read_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "signals.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{line(severity='warning')}\r\n\r\n".encode())
    (found,) = simulate_file(path, (("new", UNASKED),), GOES)
    assert found.models["fraud"].signals == 1


def test_a_file_that_changes_while_it_is_read_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "signals.jsonl", 1, 2)
    monkeypatch.setattr(from_file, "SMALL", 0)

    def read_meanwhile(*_: Any) -> list[Any]:
        path.write_text(path.read_text() + "\n")
        return []

    monkeypatch.setattr(from_file, "_side_by_side", read_meanwhile)
    with pytest.raises(OperatorError, match="changed while it was read"):
        simulate_file(path, (("new", UNASKED),), GOES, jobs=2)


def test_a_process_that_starts_hears_no_ctrl_c_and_ends_when_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    process = SimpleNamespace(
        start=lambda: heard.append(signal.getsignal(signal.SIGINT)), join=lambda: None, terminate=lambda: None
    )
    answer = SimpleNamespace(poll=lambda _: True, recv=lambda: [Tally("new")], send=None, close=lambda: None)
    context = SimpleNamespace(
        Array=lambda *_, **__: [0, 0], Pipe=lambda **_: (answer, answer), Process=lambda **_: process
    )
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    monkeypatch.setattr(from_file, "SMALL", 0)
    before = signal.getsignal(signal.SIGINT)
    path = written(tmp_path / "signals.jsonl", 1, 2)
    simulate_file(path, (("new", UNASKED),), GOES, jobs=2)
    assert (heard, signal.getsignal(signal.SIGINT)) == ([signal.SIG_IGN] * 2, before)

    dead = SimpleNamespace(is_alive=lambda: False)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: dead)
    with pytest.raises(SystemExit):
        from_file._process(from_file.Task(path, (("new", UNASKED),), GOES, 0), answer, [0])


# What is counted.


def test_drift_is_answered_late_or_goes_by_itself() -> None:
    tally = Tally("new")
    loop = Played(UNASKED)
    for hour, observed in ((0, 0.3), (3, 0.3), (30, 0.1), (60, 0.3), (61, 0.1)):
        loop.hear(hour, observed)
    loop.loop.finish()
    for each in loop.decided:
        tally.hear(each)
    for ended in loop.ended:
        tally.end(ended)
    found = summary("new", list(tally.models.values()), None)
    assert (found.started, found.late, found.price) == (3, 1, None)
    assert found.hours_to_decision == (0.0, 20.7, 23.0)
    held = Tally("observes")
    calm = Played(replace(UNASKED, budget_runs=1, cooldown_hours=0.0))
    for hour, observed in ((0, 0.3), (10, 0.3), (20, 0.1)):
        held.hear(calm.hear(hour, observed))
    found = summary("observes", list(held.models.values()), None)
    assert (found.spent, found.gone, found.waits, found.budget_most) == (1, 1, 0, 1)


def test_the_budget_that_is_shown_is_the_one_that_was_the_fullest() -> None:
    small, large = at_days(0, 1, 2), at_days(0, 1, 2, 3)
    small.budget, large.budget = (3, 30.0), (8, 30.0)
    found = summary("in force then", [large, small], None)
    assert (found.budget_most, found.budget_runs) == (3, 3)


def test_what_a_run_answers_already_is_no_drift_that_went_by_itself_or_waits() -> None:
    """The same words again, within hours, are the same event sent twice."""
    said = Signal("1", SignalSource.DRIFT_REPORT, SignalKind.DRIFT, "churn", "psi.", "", content="c")
    played, tally = Played(UNASKED), ModelTally("churn")
    for hour, signal_ in ((0, said), (1, said), (30, replace(said, kind=SignalKind.NO_DRIFT, content=None))):
        tally.hear(played.loop.hear(signal_, Asked(BEGAN + timedelta(hours=hour), f"run-{hour}")))
    assert [reason for _, reason in tally.decided] == ["GUARDS_PASSED", "ANSWERED", "NO_DRIFT"]
    assert (tally.gone, tally.drifted_at) == (0, None)


def test_a_training_that_goes_on_when_a_history_ends_has_begun() -> None:
    history = next(each for each in histories("177/2") if each.model == "churn")
    until = history.runs[history.decisions[0].run_id].times["TRAINING_STARTED"]
    history = replace(history, steps=history.steps[:1])
    for tally in (
        reproduce(history, GOES, until=until)[0],
        simulate_history(history, history.decisions[0].policy, GOES, until=until),
    ):
        found = summary("new", [tally], 5.0)
        assert (found.started, found.trained, found.fruitful, found.price) == (1, 1, 0, 5.0)


def at_days(*days: float) -> ModelTally:
    trainings = [Training(BEGAN + timedelta(days=day), None, asked=False) for day in days]
    return ModelTally("churn", trainings=trainings)


def test_trainings_are_paired_with_those_of_another_policy() -> None:
    found = compared([at_days(0, 11, 19.5, 41)], [at_days(0, 10, 20, 30, 40)])
    assert (found.same, found.delayed, found.earlier, found.avoided, found.added) == (1, 2, 1, 1, 0)
    assert found.hours == (24.0, 24.0, 24.0)
    said = beside_sentence("new", "old", found)
    assert said.startswith("Beside old, new starts 1 training at the same time, 2 later (median 24.0 h")
    assert compared([at_days(1, 2, 3)], [at_days()]).added == 3
    assert compared([], [at_days(1, 2)]).avoided == 2
    assert compared([at_days(1, 1)], [at_days(1, 1)]).same == 2


def test_signals_of_a_frozen_model_are_counted_apart() -> None:
    """Few trainings of a model that nobody unfroze are no merit of its policy."""
    failing, tally = Played(replace(UNASKED, cooldown_hours=0.0, fruitless_runs=2), Stated(promoted=0.0)), Tally("new")
    for each in range(5):
        tally.hear(failing.hear(10 * each, 0.5))
    found = summary("new", list(tally.models.values()), None)
    assert (found.started, found.held, found.frozen, found.spent) == (2, 3, 3, 0)
    assert ("held while frozen", "3") in measures([found])


# The command.


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status = cli.main(["simulate", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the bucket of a stack in motion."""
    scene = Scene.of(interleaved("177/2")[0].world)
    for key in scene.objects(*FOLDERS):
        path = tmp_path / "copy" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scene.body(key) or b"")
    return tmp_path / "copy"


def policy_file(folder: Path, model: str = "fraud", **given: Any) -> str:
    path = folder / f"{model}.json"
    path.write_text(json.dumps({"schema_version": 1, "model": model, **given}))
    return str(path)


def test_a_copy_of_a_bucket_is_decided_again_and_under_another_policy(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = said(capsys, "--history", str(copied))
    assert (status, found["reproduced"]["first"]) == (0, None)
    assert found["reproduced"]["same"] == found["reproduced"]["recorded"] > 20
    page = tmp_path / "page.html"
    seldom = policy_file(tmp_path, budget={"runs": 1, "days": 365})
    status, found = said(capsys, "--history", str(copied), "--policy", seldom, "--out", str(page), "--price", "3")
    then, tried = found["policies"]
    assert status == 0
    assert then["policy"] == "in force then"
    assert then["started"] > tried["started"] == 1
    assert tried["beside"]["avoided"] == then["started"] - 1
    assert tried["models_started"] == {"fraud": 1}
    assert "<svg" in page.read_text()
    assert "Only what was in force then took place." in page.read_text()
    hostile = tmp_path / '<b id="x">\x1b[31m.json'
    hostile.write_text(Path(seldom).read_text())
    said(capsys, "--history", str(copied), "--policy", str(hostile), "--out", str(page))
    assert "<b id=" not in page.read_text()
    assert 'b id="x"' not in page.read_text()
    assert "\x1b" not in page.read_text()
    everywhere = said(capsys, "--history", str(copied), "--policy", seldom, "--every-model")[1]
    assert everywhere["policies"][1]["models"] == 5


def test_a_record_that_does_not_come_out_again_is_an_answer_of_no(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.domain.decision._reason_to_retrain", lambda *_, **__: "Otherwise worded.")
    status, found = said(capsys, "--history", str(copied))
    assert status == 1
    assert found["reproduced"]["first"]["simulated"] == '"Otherwise worded."'
    assert found["reproduced"]["first"]["where"] == "sentence"


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text(path.read_text().replace("fraud", "spam"))])
def test_a_record_that_cannot_be_read_is_an_answer_of_no(
    harm: Callable[[Path], object], copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows whether it would have come out again, nor those after it."""
    whole = said(capsys, "--history", str(copied))[1]["reproduced"]
    harm(sorted((copied / "decisions" / "fraud").rglob("*.json"))[2])
    status, found = said(capsys, "--history", str(copied))
    assert status == 1
    assert found["reproduced"]["same"] == found["reproduced"]["recorded"] < whole["recorded"]
    assert any(each.startswith("fraud: record ") for each in found["reproduced"]["findings"])
    for path in (copied / "decisions" / "fraud").rglob("*.json"):
        path.unlink()
    status, found = said(capsys, "--history", str(copied), "--policy", policy_file(tmp_path))
    assert status == 1
    assert "has no decision on fraud: fraud: record 1 is missing" in found["error"]


def test_a_record_that_nothing_can_be_decided_on_is_a_finding_and_leaves_the_other_models(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_strange_numbers(history: History, *more: Any, **named: Any) -> Any:
        first = history.decisions[0]
        forged = replace(first, policy=replace(first.policy, critical_ratio={}))  # type: ignore[arg-type]  # as forged
        steps = (forged, *history.steps[1:]) if history.model == "fraud" else history.steps
        return reproduce(replace(history, steps=steps), *more, **named)

    (copied / "decisions" / "fraud" / "folder.json").mkdir()
    monkeypatch.setattr("ops.simulate.reproduce", of_strange_numbers)
    status, found = said(capsys, "--history", str(copied))
    assert (status, found["policies"][0]["models"]) == (1, 4)
    assert found["reproduced"]["findings"] == ["fraud: a record holds what nothing can be decided on (TypeError)"]


def test_a_switch_over_all_models_whose_record_is_missing_is_a_finding(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    min((copied / "evidence" / LOOP).rglob("*.json")).unlink()
    status, found = said(capsys, "--history", str(copied))
    assert status == 1
    assert found["reproduced"]["findings"][0].startswith("_loop: record 1 is missing")


def test_a_link_that_is_not_in_the_table_is_a_finding_and_ends_what_is_known(world: World) -> None:
    stories.baking(world)
    links = chain_of(world, "fraud").links
    history = history_of("fraud", [link for link in links if link.sequence != 2], [])
    assert history.findings == ("record 2 is missing",)
    assert len(history.steps) == 1


def test_two_files_of_one_name_are_told_apart(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").mkdir()
    named = policy_file(tmp_path), policy_file(tmp_path / "old", cooldown_hours=9)
    found = said(capsys, "--history", str(copied), "--policy", named[0], "--compare", named[1])[1]
    assert [each["policy"] for each in found["policies"]] == ["in force then", "old/fraud.json", "fraud.json"]


def test_policies_of_two_models_are_not_held_beside_each_other(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--policy", policy_file(tmp_path), "--compare", policy_file(tmp_path, "spam"))
    status, found = said(capsys, "--history", str(copied), *named)
    assert status == 2
    assert "are of two models" in found["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Whose signals?"),
        (["--signals", "nowhere.jsonl"], "needs a policy to try"),
        (["--signals", "nowhere.jsonl", "--history", "."], "not both"),
        (["--history", "nowhere"], "aws s3 sync"),
        (["--history", "."], "has no records"),
        (["--history", ".", "--training-hours", "nan"], "nan is no number"),
        (["--history", ".", "--price", "inf"], "not in the range"),
    ],
)
def test_a_call_that_lacks_something_says_what(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, found = said(capsys, *arguments)
    assert status == 2
    assert words in found["error"]


def test_a_file_of_signals_is_held_against_the_defaults_of_an_empty_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "signals.jsonl", 3, 60)
    policy = policy_file(tmp_path, "m-0", approval={"training": "never"}, cooldown_hours=240)
    status, found = said(capsys, "--signals", str(path), "--policy", policy)
    assert status == 0
    defaults, tried = found["policies"]
    assert (defaults["policy"], tried["policy"]) == ("no policy file", "m-0.json")
    assert defaults["models"] == tried["models"] == 3
    assert tried["started"] < defaults["started"]
    assert tried["asked"] == 0
    assert cli.main(["simulate", "--signals", str(path), "--policy", policy]) == 0
    printed = capsys.readouterr().out
    assert "Beside no policy file, m-0.json starts" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_short_run_of_the_bench_ends_in_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Memory of five times the signals is that of the models and days alone."""
    assert bench.main(["--dry-run", "--only", "simulation", "--simulated", "7000"]) == 0
    printed = capsys.readouterr().out
    assert "| the same beside a bare `decide` of it" in printed
    (more,) = re.findall(r"beside that of a fifth of the signals \| ([0-9.]+) \|", printed)
    assert float(more) < 1.1


def test_a_year_is_measured_as_it_is_told() -> None:
    steps: list[str] = []
    told = year_table(measure_year(steps.append, models=3, days=2))
    assert steps == ["written", "simulated"]
    assert "84 lines" in told
