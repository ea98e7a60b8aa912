"""Results judged on an old look, facts put into the table alone, and records larger or stranger than an item can hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.rebuilt_history import read_chain, rebuild
from orchestration import handler
from orchestration.actions import admit
from orchestration.actions import evaluate as evaluating
from orchestration.actions import pause as pausing
from orchestration.domain.contracts import Next, SignalKind, SignalSource, Status, WaitKind
from orchestration.domain.signal import Signal, Violation
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result, WaitState
from orchestration.steps import approvals, closing, evidence, facts
from orchestration.steps.policies import load_policy
from tests.unit import stories
from tests.unit.fakes import World, drift, request
from tests.unit.history import signal
from tests.unit.stories import do, next_of
from tests.unit.tampering import Scene


def breaks(world: World) -> list[str]:
    """What the audit says is broken of a history nobody touched."""
    world.clock.forward(minutes=5)
    do(world, "sweep")
    world.clock.forward(minutes=5)
    return [f"{found.fault}: {found.sentence}" for found in Scene.of(world).audit().findings]


def test_a_verdict_committed_after_its_run_was_closed_is_no_alarm(world: World, monkeypatch: Any) -> None:
    stories.trained(world)
    judge = evaluating._judge

    def slow(*given: Any) -> Any:
        verdict = judge(*given)
        stories.tell_dead(world, "ABORTED")
        return verdict

    monkeypatch.setattr(evaluating, "_judge", slow)
    do(world, "evaluate")
    assert breaks(world) == []


def test_a_run_is_not_concluded_on_facts_older_than_the_place_of_its_outcome(world: World, monkeypatch: Any) -> None:
    stories.asked(world)
    read = facts.facts_of
    voted: list[Any] = []

    def slow(*given: Any) -> Any:
        found = read(*given)
        if not voted:
            voted.append(stories.approve(world, decision="REJECTED"))
        return found

    monkeypatch.setattr(closing, "facts_of", slow)
    stories.tell_dead(world, "ABORTED")
    run = world.table.run("run-1")
    assert voted[0]["decided"]
    assert breaks(world) == []
    assert run is not None
    assert run.outcome == "APPROVAL_REJECTED"


def test_a_bake_is_not_ended_by_a_judgement_older_than_drift_recorded_before_it(world: World) -> None:
    stories.baking(world)
    world.clock.forward(minutes=31)
    drifted: list[str] = []

    def rival() -> None:
        drifted.append(signal(world, "signal-2"))

    real = world.table.resolve_wait

    def resolve(*given: Any, **more: Any) -> bool:
        if not drifted:
            rival()
        return real(*given, **more)

    world.table.resolve_wait = resolve  # type: ignore[method-assign]
    do(world, "sweep")
    assert drifted == ["COALESCE"]
    assert [link.kind for link in Scene.of(world).links() if link.chain == "fraud"][-2:] == ["decision", "verification"]
    assert next_of(world, "bake") == "roll_back"


def test_a_yes_is_not_counted_after_the_pause_that_keeps_it_out(world: World, monkeypatch: Any) -> None:
    stories.asked(world)
    real = evidence.with_record
    paused: list[Any] = []

    def slow(*given: Any) -> Any:
        if not paused:
            paused.append(do(world, "pause", scope="model:fraud", by="ops", reason="Incident."))
        return real(*given)

    monkeypatch.setattr(approvals, "with_record", slow)
    answer = stories.approve(world)
    assert paused[0]["changed"]
    assert not answer["decided"]


def biggest(world: World) -> int:
    """Bytes of the largest item, roughly as DynamoDB counts them."""
    return max(
        sum(len(name) + len(str(next(iter(value.values()))).encode()) for name, value in item.items())
        for item in world.database.items.values()
    )


def test_a_long_list_of_violations_fits_an_item_while_a_run_goes_on(world: World) -> None:
    stories.decided(world)
    loaded = load_policy(world.ports, "fraud")
    big = tuple(Violation("\U0001f600" * 200, "\U0001f600" * 100, "\U0001f600" * 500) for _ in range(60))
    found = Signal("s" * 32, SignalSource.MODEL_MONITOR, SignalKind.DRIFT, "fraud", "Drift.", "", violations=big)
    asked = admit._Asked("run-2", "arn:x", {"id": "1"})
    admit._decide_once(world.ports, asked, found, loaded)
    assert biggest(world) < 400 * 1024


def test_an_event_of_large_numbers_fits_an_item(world: World) -> None:
    stories.decided(world)
    sent = drift(model="fraud", dedupe_key="big")
    sent["detail"]["numbers"] = [1e20] * 30_000
    handler.run_action(request(sent, "run-2"), world.ports)
    assert biggest(world) < 400 * 1024


def test_an_execution_that_decided_nothing_is_told_however_large_its_event_is(world: World) -> None:
    """An input of 256 KiB whose numbers are written out is larger than an item."""
    sent = {"detail": [1e20] * 50_000}
    answer = do(world, "close", failure={"error": "Boom", "cause": "The end."}, event=sent)
    assert answer["outcome"] == Status.FAILED
    assert world.told("FAILED")
    kept = world.read("rejected/run-1.json")["event"]["beginning"]
    assert kept.startswith('{"detail":[100000000000000000000,')


TWO = {"training": "never", "promotion": "always", "approvals_needed": 2}


def test_an_approval_put_into_the_table_is_found(world: World) -> None:
    stories.asked(world, approval=TWO, promotion={"endpoint": stories.ENDPOINT})
    scene = Scene.of(world)
    ruling = Ruling(ApprovalDecision.APPROVED, world.clock().isoformat(), "ana and ben")
    forged = approvals.ruled(ruling, "Approved by ana and ben.", "promotion")
    scene.set("APPROVAL#run-1", "promotion", state=str(WaitState.RESOLVED), result=forged.as_record())
    assert do(world, "promote", token="promotion") == {"started": True}
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", kind="bake", token="bake")
    do(world, "finish")
    assert do(world, "close")["outcome"] == "PROMOTED"
    assert breaks(world) != []


def test_a_bake_put_into_the_table_is_found(world: World) -> None:
    stories.baking(world)
    world.alarms.states[stories.ALARM] = "ALARM"
    forged = Result(Next.FINISH, "Healthy.", Status.PROMOTED)
    Scene.of(world).set("WAIT#run-1", "bake", state=str(WaitState.RESOLVED), result=forged.as_record())
    do(world, "finish")
    assert do(world, "close")["outcome"] == "PROMOTED"
    assert breaks(world) != []


def test_the_way_on_of_a_decided_signal_is_compared_with_its_record(world: World) -> None:
    stories.decided(world, approval={"training": "always"}, actions={})
    scene = Scene.of(world)
    ((pk, sk),) = scene.keys("SIGNAL#")
    payload = json.loads(scene.item(pk, sk)["payload"])
    assert payload["next"] == "ask"
    scene.set(pk, sk, payload=json.dumps({**payload, "next": "train"}))
    assert breaks(world) != []


def raw(world: World) -> None:
    """Policies are put as a person may write them: 1e999 is JSON."""
    put = world.put
    world.put = lambda key, body: put(key, json.dumps(body).replace("Infinity", "1e999").encode())  # type: ignore[method-assign]


def test_a_decision_that_follows_a_pause_in_its_chain_knows_of_it(world: World, monkeypatch: Any) -> None:
    real = world.table.kill_switches
    paused: list[Any] = []

    def slow() -> Any:
        found = real()
        if not paused:
            paused.append(1)
            do(world, "pause", scope="model:fraud", by="ops", reason="Incident.")
        return found

    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy())
    monkeypatch.setattr(world.table, "kill_switches", slow)
    assert signal(world, "run-1") == "HOLD"


def test_a_pause_ends_a_bake_although_a_sweep_judged_it_just_before(world: World, monkeypatch: Any) -> None:
    stories.baking(world)
    world.clock.forward(minutes=31)
    real, looked = world.table.resolve_wait, pausing._in_flight
    swept: list[Any] = []

    def resolve(*given: Any, **more: Any) -> bool:
        # The sweep has judged; a pause is committed; the sweep commits; the pause looks at what is in flight.
        if not swept:
            swept.append(1)
            monkeypatch.setattr(pausing, "_in_flight", lambda *_: [])
            do(world, "pause", scope="global", by="ops", reason="Incident.")
        return real(*given, **more)

    monkeypatch.setattr(world.table, "resolve_wait", resolve)
    do(world, "sweep")
    looked(world.ports, "global")
    assert next_of(world, "bake") == "roll_back"


def test_a_restored_bake_that_a_pause_ended_is_still_stopped_and_not_rolled_back(world: World) -> None:
    stories.serving(world)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", kind="bake", token="bake")
    for _ in range(2):
        world.clock.forward(minutes=31)
        do(world, "sweep")
    do(world, "park", kind="approval", subject="bake", token="asked")
    do(world, "pause", scope="global", by="ops", reason="Incident.")
    before = world.table.wait("run-1", WaitKind.APPROVAL, "bake")
    world.clock.forward(minutes=5)
    do(world, "sweep")
    keys = [key for folder in ("decisions", "manifests", "evidence") for key in world.keys(f"{folder}/fraud/")]
    found = [(key, world.bucket.objects[world.bucket.uri(key)]) for key in keys]
    world.database.items = dict(rebuild(read_chain("fraud", found), world.clock()).items)
    after = world.table.wait("run-1", WaitKind.APPROVAL, "bake")
    assert before is not None
    assert before.result is not None
    assert after is not None
    assert after.result is not None
    assert (after.result.next, after.result.outcome) == (before.result.next, before.result.outcome)


@pytest.mark.parametrize(
    "wishes",
    [
        {"evaluation": {"metric": "auc", "minimum": 2**53 + 1}},
        {"evaluation": {"metric": "auc", "minimum": 1e999}},
        {"severity": {"warning": 1, "critical": 1e999}},
        {"training": {**stories.POLICY["training"], "input": {"a": "x" * 210_000}}},
        {
            "training": {
                **stories.POLICY["training"],
                "input": json.loads('{"a":' * 61 + "1" + "}" * 61),
            }
        },
    ],
    ids=["no double", "no number", "an infinite mark", "large", "deep"],
)
def test_a_policy_that_no_record_could_hold_as_it_is_written_is_refused_with_a_sentence(
    wishes: dict[str, Any], world: World
) -> None:
    raw(world)
    world.put("policies/fraud.json", stories.policy(**wishes))
    answer = do(world, "admit", event=drift(model="fraud"))
    assert answer["decision"] == "HOLD"
    assert any(
        said in answer["output"]["reason"]
        for said in ("exactly", "more than 200000 bytes", "nested deeper", "larger than")
    )
    assert biggest(world) < 400 * 1024
    world.chain("fraud")


def test_a_run_is_not_concluded_against_a_rollback_that_is_a_fact_before_its_end(
    world: World, monkeypatch: Any
) -> None:
    stories.rejected_by_bake(world)
    do(world, "roll_back", token="rollback")
    read = facts.facts_of
    told: list[Any] = []

    def slow(*given: Any) -> Any:
        found = read(*given)
        if not told:
            told.append(1)
            world.sagemaker.settle(stories.ENDPOINT)
            stories.tell_endpoint(world)
        return found

    monkeypatch.setattr(closing, "facts_of", slow)
    stories.tell_dead(world, "ABORTED")
    wait = world.table.wait("run-1", WaitKind.ROLLBACK)
    run = world.table.run("run-1")
    assert wait is not None
    assert wait.result is not None
    assert run is not None
    assert (wait.result.outcome, world.table.model("fraud").frozen_reason) == ("ROLLED_BACK", None)
    assert run.outcome == "ROLLED_BACK"


def test_a_vote_put_into_the_table_is_found(world: World) -> None:
    stories.asked(world, approval=TWO)
    scene = Scene.of(world)
    data = scene.item("APPROVAL#run-1", "promotion")["data"]
    forged = {"answer": "APPROVED", "by": "ben", "via": "terminal", "comment": "", "at": world.clock().isoformat()}
    scene.set("APPROVAL#run-1", "promotion", data={**data, "votes": [forged]})
    assert stories.approve(world)["decided"]
    assert breaks(world) != []
