"""A lost table is rebuilt from the records: what was there item by item, what cannot be, and what is not to be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.rebuilt_history import (
    NOT_REBUILT,
    SENTENCE,
    Item,
    Key,
    Rebuilt,
    anchored_heads,
    read_chain,
    rebuild,
    undecided_items,
)
from ops.record_hashes import hash_of
from ops.restore_history import _Source
from orchestration import handler
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import GENESIS, Head, Record, RecordKind, chained
from orchestration.domain.contracts import DueKind, Status
from orchestration.domain.merkle import root_of
from orchestration.domain.records import reported_run
from orchestration.stores.models import SIGNAL_MEMORY
from orchestration.stores.table import from_item
from tests.unit import stories
from tests.unit.fakes import World, drift, execution_arn, person, request
from tests.unit.history import anchored_history, ended, rich_history, signal, sweeps
from tests.unit.stories import do
from tests.unit.tampering import BUCKET, Scene

Objects = dict[str, bytes]

CHAINS: Final = ("_loop", "_unattributed", "churn", "fraud", "scoring", "spam")


@pytest.fixture(scope="module")
def history() -> World:
    """Give a history that is only looked at."""
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    return world


def objects(world: World, chain: str) -> Objects:
    """What the bucket holds in a chain's folders."""
    keys = [key for folder in ("decisions", "manifests", "evidence") for key in world.keys(f"{folder}/{chain}/")]
    return {key: world.bucket.objects[world.bucket.uri(key)] for key in keys}


def rebuilt(world: World) -> tuple[dict[Key, Item], list[Rebuilt]]:
    """All items, and what each chain gave."""
    each = [rebuild(read_chain(name, objects(world, name).items()), world.clock()) for name in CHAINS]
    items = {key: item for chain in each for key, item in chain.items.items()}
    return items, each


def lose_and_restore(world: World) -> list[Rebuilt]:
    """The table is lost, and restored."""
    world.database.items, each = rebuilt(world)
    return each


# Item by item.


def missing(pk: str, sk: str) -> int | None:
    """Which of ``NOT_REBUILT`` says that an item does not come back; None when none does."""
    kind, _, subject = pk.partition("#")
    match kind:
        case "WAIT":
            return 0 if subject in {"run-5", "run-6"} else 1
        case "SUBJECT":
            return 1
        case "SLOTS":
            return 3
        case "DUE" if "#look#" in sk or "#ladder#" in sk:
            return 4
        case "STATUS" if subject in {"run-5", "run-6", "run-7"}:
            return 5
        case "REPAIRS":
            return 6
        case "MODEL" if sk == "POLICY":
            return 7
    return None


def changed(pk: str, sk: str, before: dict[str, Any], after: dict[str, Any]) -> int | None:
    """Which of ``NOT_REBUILT`` says that an item comes back as it does; None when none does."""
    fields = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    match pk.partition("#")[0]:
        case "APPROVAL" if pk == "APPROVAL#run-7":
            return 0 if {"token"} <= fields <= {"token", "data", "revision", "next_step_at"} else None
        case "STATUS" if fields <= {"details", "severity"}:
            first_or_last = sk == "STATUS#RETRAINING_DECIDED" or Status(before["status"]).final
            return None if first_or_last or after["details"] != {"sentence": SENTENCE} else 5
        case "SIGNAL" if fields == {"event"}:
            return 6
        case "WAIT" | "APPROVAL" if fields <= {"data", "ended_at", "delivered", "next_step_at", "revision"}:
            return 2
    return None


def test_what_was_in_the_table_comes_back_item_by_item_and_the_rest_is_what_is_listed(history: World) -> None:
    before, (after, _) = history.database.items, rebuilt(history)
    told: dict[Key, int | None] = {key: missing(*key) for key in before.keys() - after.keys()}
    for key in before.keys() & after.keys():
        if before[key] != after[key]:
            told[key] = changed(*key, from_item(before[key]), from_item(after[key]))
    # Runs that have not ended: is their execution alive is asked anew, and what they may have begun counts as begun now.
    again = {key for key in before.keys() | after.keys() if key[0].startswith("INTENT#") or "#alive#run-" in key[1]} | {
        ("LISTED", "SWEEP")
    }

    assert {key for key, number in told.items() if number is None} - again == set()
    assert after.keys() - before.keys() - again == set()
    assert {number for number in told.values() if number is not None} == set(range(len(NOT_REBUILT) - 2))


def test_whose_answers_count_comes_back_with_an_approval_that_was_open(history: World) -> None:
    key = ("APPROVAL#run-7", "training")
    before, after = (from_item(items[key])["data"] for items in (history.database.items, rebuilt(history)[0]))
    for name in ("approvals_needed", "requested", "asked_by", "voters", "channel"):
        assert after[name] == before[name], name


def test_states_heads_switches_and_decisions_come_back_to_the_letter(history: World) -> None:
    before, (after, _) = history.database.items, rebuilt(history)
    exact = ("CHAIN", "HEADS", "CONTROLS", "MODELS", "ENDPOINT", "ACTIVE")
    kept = {
        key
        for key in before
        if key[0].partition("#")[0] in exact
        or (key[0].startswith("MODEL#") and key[1] != "POLICY")
        or key[0].startswith("RUN#")
        or "#pending#" in key[1]
    }
    assert len(kept) > 80
    assert {key: after.get(key) for key in kept} == {key: before[key] for key in kept}
    signals = [key for key in before if key[0].startswith("SIGNAL#")]
    assert len(signals) == 14
    for key in signals:
        assert after[key] == {name: value for name, value in before[key].items() if name != "event"}


def test_every_chain_is_whole_and_the_runs_without_an_outcome_are_named(history: World) -> None:
    _, each = rebuilt(history)
    assert [chain.findings for chain in each] == [()] * len(CHAINS)
    assert [chain.chain.head for chain in each] == list(history.table.chain_heads())
    runs = {left.run_id: left for chain in each for left in chain.open_runs}
    assert set(runs) == {"run-5", "run-6", "run-7"}
    assert runs["run-7"].reached == "1 vote(s) on its training were counted."
    assert runs["run-6"].training is None
    assert runs["run-5"].training == stories.training_arn("run-5").rsplit(":", 1)[-1]


def test_executions_that_decided_nothing_are_known_again_by_their_events(world: World) -> None:
    world.executions.statuses[execution_arn("by.hand")] = "RUNNING"
    handler.run_action(request({"source": "mlops.drift", "detail-type": "Drift Detected"}, "by.hand"), world.ports)
    world.executions.end(execution_arn("by.hand"), "SUCCEEDED")
    for run_id in ("run-8", "run.9"):
        stories.tell_dead(world, "FAILED", run_id, input="{}")
    sweeps(world)
    before = world.database.items
    scene = Scene.of(world)
    source = _Source(cast("Any", scene.s3), BUCKET)
    restored = {key: item for chain in source.chains(scene.now, lambda _: None) for key, item in chain.items.items()}
    notes = undecided_items(source.rejected(), scene.now)
    assert set(notes) == {("RUN#run-8", "UNDECIDED"), ("RUN#run.9", "UNDECIDED")} <= set(before)
    scene.database.items = restored | notes
    assert scene.audit().findings == []
    assert undecided_items(source.rejected(), scene.now + SIGNAL_MEMORY) == {}
    garbage = [("rejected/x.json", b"[]", scene.now), ("rejected/y.json", b'{"run_id": "z"}', scene.now)]
    assert undecided_items(garbage, scene.now) == {}


def test_signals_whose_memory_is_over_are_left_out_and_the_states_stay(history: World) -> None:
    chain = read_chain("fraud", objects(history, "fraud").items())
    items = rebuild(chain, history.clock() + SIGNAL_MEMORY + timedelta(days=1)).items
    assert not [key for key in items if key[0].startswith("SIGNAL#") or key[1] == "DECISION"]
    assert ("MODEL#fraud", "STATE") in items
    assert [key for key in items if key[0] == "CHAIN#fraud"]


@pytest.mark.parametrize("write", [rich_history, anchored_history])
def test_the_audit_finds_nothing_in_a_restored_table(write: Callable[[World], None]) -> None:
    world = World(max_concurrent_trainings=2)
    write(world)
    assert Scene.of(world).audit().findings == []
    lose_and_restore(world)
    report = Scene.of(world).audit()
    assert report.findings == []
    assert (report.chains, report.runs) == (len(CHAINS), len([key for key in world.database.items if key[1] == "RUN"]))


# The loop goes on.


@pytest.fixture
def restored() -> World:
    """Give a stack whose table was lost and restored."""
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    lose_and_restore(world)
    return world


def test_cooldown_budget_breaker_and_pause_hold_as_before(restored: World) -> None:
    assert signal(restored, "signal-9") == "COALESCE"
    assert restored.chain("fraud")[-1]["reason"] == "COOLDOWN"
    assert signal(restored, "signal-10", "spam") == "HOLD"
    assert signal(restored, "signal-11", "churn") == "COALESCE"
    assert restored.table.model("churn").active_run_id == "run-7"
    assert len(restored.table.model("churn").run_starts) == 4


def test_the_chains_go_on_where_they_ended(restored: World) -> None:
    before = restored.table.chain_head("fraud")
    signal(restored, "signal-9")
    link = restored.table.link("fraud", before.sequence + 1)
    assert link is not None
    assert json.loads(link.record)["chain"]["previous_hash"] == before.hash
    assert restored.table.chain_head("fraud").sequence == before.sequence + 1


def test_a_signal_that_was_decided_stays_decided(restored: World) -> None:
    told, chains = len(restored.channels.messages), list(restored.table.chain_heads())
    for run_id, model in (("signal-3", "fraud"), ("run-1", "fraud"), ("signal-6", "nobody")):
        sent = drift(model=model, dedupe_key=run_id)
        answer = handler.run_action(request(sent, f"again-{run_id}"), restored.ports)
        assert answer["decision"] == "SKIP"
        assert "changes nothing" in answer["output"]["reason"]
    # And the execution that decided it gets its own answer again.
    assert signal(restored, "run-1") == "RETRAIN"
    assert (len(restored.channels.messages), list(restored.table.chain_heads())) == (told, chains)


def test_what_waited_for_its_cooldown_is_raised_when_that_is_over(restored: World) -> None:
    restored.clock.forward(hours=1)
    do(restored, "sweep")
    assert [name for name in restored.executions.statuses if "pending-fraud" in name]


def test_a_run_that_waits_goes_on_waiting_until_its_execution_is_stopped(restored: World) -> None:
    sweeps(restored)
    assert {run["run_id"] for run in restored.table.active_runs()} == {"run-5", "run-6", "run-7"}
    for run_id in ("run-5", "run-6", "run-7"):
        stories.tell_dead(restored, "ABORTED", run_id)
    assert restored.table.active_runs() == []
    for run_id in ("run-5", "run-6", "run-7"):
        run = restored.table.run(run_id)
        assert run is not None
        assert run.outcome == "STOPPED"
    # The training that nobody waits for is stopped with its run; the endpoint that was left freezes its model.
    restored.sagemaker.settle("scoring-prod")
    sweeps(restored)
    assert restored.executions.statuses[stories.training_arn("run-5")] == "ABORTED"
    assert "while its endpoint was being changed" in str(restored.table.model("scoring").frozen_reason)
    assert restored.table.model("churn").frozen_reason is None
    assert "scoring-prod" in restored.told("ENDPOINT_LEFT")[-1].sentence
    assert not restored.due(DueKind.ALIVE, DueKind.STOP)
    assert Scene.of(restored).audit().findings == []


def test_a_yes_to_an_approval_that_was_open_is_kept_and_moves_nothing(restored: World) -> None:
    restored.executions.answers["lost"] = {}  # Step Functions knows no such token
    assert stories.approve(restored, "run-7")["code"] == "COUNTED_BEFORE"
    assert stories.approve(restored, "run-7", by="ben")["decided"]
    assert restored.statuses("run-7") == ["RETRAINING_DECIDED", "TRAINING_APPROVED"]
    stories.tell_dead(restored, "ABORTED", "run-7")
    run = restored.table.run("run-7")
    assert run is not None
    assert run.outcome == "STOPPED"
    sweeps(restored)
    assert Scene.of(restored).audit().findings == []


def test_an_execution_that_died_while_there_was_no_table_is_closed_by_the_next_sweep(restored: World) -> None:
    restored.executions.end(execution_arn("run-7"), "ABORTED")
    sweeps(restored)
    run = restored.table.run("run-7")
    assert run is not None
    assert run.outcome == "STOPPED"


def test_a_restored_model_is_unfrozen_and_resumed_as_ever(restored: World) -> None:
    assert do(restored, "unpause", scope="model:spam", by="ana")["changed"]
    stories.tell_dead(restored, "ABORTED", "run-5")
    assert signal(restored, "signal-12", "spam") == "COALESCE"
    stories.tell_dead(restored, "ABORTED", "run-6")
    sweeps(restored)
    assert do(restored, "unfreeze", model="scoring", by="ana", reason="Looked at it.")["changed"]


def test_a_table_that_is_lost_again_after_the_loop_went_on_comes_back_again(restored: World) -> None:
    stories.tell_dead(restored, "ABORTED", "run-7")
    sweeps(restored)
    before = dict(restored.database.items)
    each = lose_and_restore(restored)
    assert [chain.findings for chain in each] == [()] * len(CHAINS)
    for key in [("MODEL#churn", "STATE"), ("HEADS", "churn"), ("RUN#run-7", "RUN")]:
        assert restored.database.items[key] == before[key]


def test_an_approval_that_was_withdrawn_with_its_run_says_so_again(world: World) -> None:
    stories.asked(world)
    stories.tell_dead(world, "ABORTED")
    sweeps(world)
    before = from_item(world.database.items["APPROVAL#run-1", "promotion"])
    assert before["result"]["withdrawn"]
    world.database.items = rebuild(read_chain("fraud", objects(world, "fraud").items()), world.clock()).items
    assert from_item(world.database.items["APPROVAL#run-1", "promotion"])["result"] == before["result"]


def test_a_candidate_that_bakes_when_the_table_is_lost_is_not_taken_for_the_champion(world: World) -> None:
    stories.rejected_by_bake(world)
    world.database.items = rebuild(read_chain("fraud", objects(world, "fraud").items()), world.clock()).items
    stories.tell_dead(world, "ABORTED")
    assert world.table.model("fraud").frozen_reason
    assert ended(world, "run-1") == "STOPPED"


# What is not to be trusted.


def rewritten(body: bytes, **changes: Any) -> bytes:
    """A record with another content and the hash that fits it."""
    record = {**json.loads(body), **changes}
    place = record.pop("chain")
    head = Head(place["name"], place["sequence"] - 1, place["previous_hash"])
    return chained(head, Record(RecordKind(record["kind"]), "key", record))[0].record.encode()


def edited(found: Objects, keys: list[str]) -> None:
    found[keys[3]] = found[keys[3]].replace(b"fraud", b"freud", 1)


def chained_anew(found: Objects, keys: list[str]) -> None:
    found[keys[3]] = rewritten(found[keys[3]], run_id="run-1", model="fraud", reason="REASON")


def removed(found: Objects, keys: list[str]) -> None:
    del found[keys[3]]


def swapped(found: Objects, keys: list[str]) -> None:
    found[keys[3]], found[keys[4]] = found[keys[4]], found[keys[3]]


def written_again(found: Objects, keys: list[str]) -> None:
    found[keys[3]] = json.dumps(json.loads(found[keys[3]]), indent=1).encode()


def garbage(found: Objects, keys: list[str]) -> None:
    found[keys[3]] = b"\xff{"


def copied(found: Objects, keys: list[str]) -> None:
    found["evidence/fraud/run-1/copy.json"] = found[keys[3]]


def of_the_future(found: Objects, keys: list[str]) -> None:
    record = {**json.loads(found[keys[3]]), "schema_version": 3}
    record["chain"]["hash"] = hash_of(record)
    found[keys[3]] = json.dumps(record).encode()


def forked(found: Objects, keys: list[str]) -> None:
    record = json.loads(found[keys[0]])
    other = rewritten(found[keys[0]], signal_id="f" * 32, run_id=record["run_id"])
    found[keys[0].rsplit("/", 1)[0] + f"/{'f' * 32}.json"] = other


TAMPERINGS: Final[dict[Callable[[Objects, list[str]], None], int]] = {
    edited: 3,
    chained_anew: 3,
    removed: 3,
    swapped: 3,
    written_again: 3,
    garbage: 3,
    copied: 10,
    of_the_future: 3,
    forked: 0,
}
"""What somebody does to the ten records of fraud, and how many of them are still trusted."""


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_record_that_is_not_trusted_is_named_and_the_chain_ends_before_it_with_its_model_paused(
    tamper: Callable[[Objects, list[str]], None], history: World
) -> None:
    found = objects(history, "fraud")
    keys = [link.key for link in read_chain("fraud", found.items()).links]
    assert len(keys) == 10
    tamper(found, keys)

    chain = read_chain("fraud", found.items())
    made = rebuild(chain, history.clock())

    assert len(chain.links) == TAMPERINGS[tamper]
    assert [link.key for link in chain.links] == keys[: len(chain.links)]
    assert made.findings == chain.findings != ()
    assert any(key in finding for finding in chain.findings for key in (*keys, "record 4", "copy.json"))
    assert from_item(made.items["CONTROLS", "model:fraud"])["by"] == "retraining restore-history"
    assert [key for key in made.items if key[0] == "CHAIN#fraud"] == [
        ("CHAIN#fraud", f"{number:012d}") for number in range(1, len(chain.links) + 1)
    ]


def test_a_tail_that_was_cut_shows_against_the_anchor_of_its_head(history: World) -> None:
    found = objects(history, "fraud")
    head = read_chain("fraud", found.items()).head
    assert read_chain("fraud", found.items(), head).findings == ()
    last = read_chain("fraud", found.items()).links[-1]
    del found[last.key]
    assert read_chain("fraud", found.items()).findings == ()
    (finding,) = read_chain("fraud", found.items(), head).findings
    assert finding == "the chain ends at record 9, and is not the one anchored at record 10"
    assert read_chain("fraud", found.items(), replace(head, sequence=9)).findings
    assert read_chain("gone", [], replace(head, chain="gone")).findings


def test_an_anchor_is_read_and_what_is_none_gives_no_heads() -> None:
    key, head = "evidence/_anchors/2026-03-03.json", Head("fraud", 3, "a" * 64)
    anchor = {"at": "2026-03-03T12:00:00+00:00", "root": root_of([head]), "heads": [asdict(head)]}
    assert anchored_heads(key, json.dumps(anchor).encode()) == {"fraud": head}
    others: list[dict[str, Any]] = [
        {"at": "2026-03-04T12:00:00+00:00"},
        {"root": "b" * 64},
        {"heads": [*anchor["heads"], {"chain": "x"}]},
    ]
    spoilt = [json.dumps({**anchor, **other}).encode() for other in others]
    assert [anchored_heads(key, body) for body in (*spoilt, b"", b"[]", b'{"heads": 1}', b"\xff")] == [{}] * 7


def test_a_tail_that_was_cut_shows_whatever_else_lies_beside_the_anchors() -> None:
    """Neither an object that calls itself a later anchor nor one of any size hides the anchor that knows of more."""
    world = World(max_concurrent_trainings=3)
    anchored_history(world)
    scene = Scene.of(world)
    (*_, anchor) = scene.objects("evidence/_anchors/")
    shorter = {**json.loads(scene.body(anchor) or b""), "heads": [], "root": root_of([])}
    head = max((link for link in scene.links() if link.chain == "_loop"), key=lambda link: link.sequence)
    for key, body in ((anchor.replace("2026", "2027"), canonical(shorter).encode()), ("evidence/_anchors/~", b"{}")):
        scene.s3.put(BUCKET, key, body)
    scene.s3.put(BUCKET, "evidence/_loop/_controls/large.json", b" " * 500_000)
    scene.s3.rewrite(BUCKET, head.key, None)
    chains = {
        each.chain.name: each for each in _Source(cast("Any", scene.s3), BUCKET).chains(scene.now, lambda _: None)
    }
    assert [finding for finding in chains["_loop"].findings if "anchored at record" in finding]
    assert [finding for finding in chains["_loop"].findings if "large.json is not JSON" in finding]
    assert {name for name, chain in chains.items() if chain.findings} == {"_loop"}


def test_switches_whose_chain_is_not_whole_pause_everything(history: World) -> None:
    found = objects(history, "_loop")
    del found[read_chain("_loop", found.items()).links[0].key]
    made = rebuild(read_chain("_loop", found.items()), history.clock())
    assert ("CONTROLS", "global") in made.items


@pytest.mark.parametrize("name", ["é", "_anchors", "", "a/b", "-"])
def test_objects_under_the_name_of_no_model_pause_nothing(name: str, history: World) -> None:
    made = rebuild(read_chain(name, [(f"decisions/{name}/x.json", b"x")]), history.clock())
    assert made.findings
    assert made.items == {}


def test_a_chain_nobody_knows_is_no_reason_to_pause(history: World) -> None:
    found = objects(history, "_unattributed")
    del found[read_chain("_unattributed", found.items()).links[0].key]
    made = rebuild(read_chain("_unattributed", found.items()), history.clock())
    assert made.findings
    assert not [key for key in made.items if key[0] == "CONTROLS"]


@settings(max_examples=100)
@given(st.data())
def test_no_content_of_an_object_raises(history: World, data: st.DataObject) -> None:
    found = objects(history, "fraud")
    key = data.draw(st.sampled_from(sorted(key for key in found if reported_run(key) is None)))
    record = json.loads(found[key])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(
            st.sampled_from([record, record["chain"]] if isinstance(record.get("chain"), dict) else [record])
        )
        name = data.draw(st.sampled_from(sorted(place) or ["a"]))
        place[name] = data.draw(st.sampled_from([None, 0, 1, True, "", "x", [], {}, [[1]], -1, 2**70, "decision"]))
    if data.draw(st.booleans()) and isinstance(record.get("chain"), dict):
        record["chain"]["hash"] = hash_of(record)
    found[key] = json.dumps(record).encode()
    made = rebuild(read_chain("fraud", found.items()), history.clock())
    assert len(made.chain.links) <= 10
    assert made.findings or len(made.chain.links) == 10


def test_a_model_that_was_paused_before_its_first_signal_is_whole(world: World) -> None:
    do(world, "pause", scope="model:fraud", by="ana", reason="Not yet.")
    made = rebuild(read_chain("fraud", objects(world, "fraud").items()), world.clock())
    assert made.findings == ()
    assert from_item(made.items["CONTROLS", "model:fraud"])["by"] == person("ana")


# Records of the release before.


def first_version(sequence: int, previous: str, **changes: Any) -> dict[str, Any]:
    """A decision record of version 1."""
    record = {
        "schema_version": 1,
        "signal_id": f"{sequence:032x}",
        "model": "fraud",
        "decided_at": "2026-03-01T12:00:00+00:00",
        "decision": "OBSERVE",
        "reason": "BELOW_ACTION",
        "sentence": "Too little.",
        "severity": "info",
        "guards": [],
        "signal": {"threshold": {"observed": 1.0}},
        "policy_version": "defaults",
        "run_id": f"old-{sequence}",
        "execution_arn": execution_arn(f"old-{sequence}"),
        "event_id": None,
        **changes,
        "chain": {"sequence": sequence, "previous_hash": previous},
    }
    record["chain"]["hash"] = hash_of(record)
    return record


def test_a_chain_goes_on_over_the_change_of_versions() -> None:
    old = [first_version(1, GENESIS)]
    old.append(first_version(2, old[0]["chain"]["hash"], decision="RETRAIN"))
    found = {f"decisions/fraud/2026/03/01/{record['signal_id']}.json": json.dumps(record).encode() for record in old}
    found["manifests/fraud/old-2.json"] = b'{"run_id": "old-2"}'
    found["evidence/fraud/old-2/outcome.json"] = b'{"schema_version": 1, "outcome": "TRAINED"}'
    world = World()
    alone = rebuild(read_chain("fraud", found.items()), world.clock())
    assert [link.sequence for link in alone.chain.links] == [1, 2]
    assert alone.findings == (
        "its records are all of version 1 and hold no state: cooldown, budget and breaker begin anew",
    )
    assert ("CONTROLS", "model:fraud") in alone.items
    assert alone.runs == 0

    world.database.items = {key: item for key, item in alone.items.items() if key[0] != "CONTROLS"}
    stories.decided(world)
    both = read_chain("fraud", [*found.items(), *objects(world, "fraud").items()])
    after = rebuild(both, world.clock())
    assert (len(both.links), after.findings) == (4, ())
    assert after.items["MODEL#fraud", "STATE"] == world.database.items["MODEL#fraud", "STATE"]
    assert {key for key in after.items if key[0].startswith("SIGNAL#")} == {
        key for key in world.database.items if key[0].startswith("SIGNAL#")
    }
