"""The audit: a history that goes on meanwhile, one of the release before, and what it costs in memory."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

import pytest

from ops.audit.facts import Recorded, decision_again, outcome_contradicts
from ops.audit.findings import Fault, Finding, Level
from ops.audit.walk import UnknownChainError
from ops.record_hashes import first_version_text
from orchestration.domain.chain import GENESIS
from orchestration.domain.chain import Head as ChainHead
from orchestration.domain.contracts import Next, Status
from orchestration.domain.merkle import root_of
from orchestration.domain.policy import pinned_policy, policy_sha256
from orchestration.domain.records import reported_run, sha256
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.stores.table import to_item
from tests.unit import stories
from tests.unit.fakes import NOON, World, execution_arn
from tests.unit.history import anchored_history, signal
from tests.unit.long_chain import LongChain
from tests.unit.memory_s3 import MemoryS3
from tests.unit.stories import do
from tests.unit.tampering import BUCKET, Inline, Scene, rewrite_from, write_anew

HOUR: Final = timedelta(hours=1)


def faults(findings: list[Finding]) -> list[tuple[str, str | None, int | None]]:
    return [(str(finding.fault), finding.chain, finding.sequence) for finding in findings]


# A history that goes on.


def test_a_record_that_is_due_is_not_written_yet_and_is_missing_once_nothing_has_it_written(world: World) -> None:
    stories.decided(world)
    scene = Scene.of(world)
    key = scene.links()[0].key
    scene.s3.rewrite(BUCKET, key, None)
    assert faults(scene.audit().findings) == [("missing", "fraud", 1)]

    item = world.table.due_items()[0]
    for due_at, expected in ((NOON, "not written yet"), (NOON + 30 * HOUR, "missing")):
        scene.set(
            "DUE#0",
            "1",
            kind="tell",
            subject="message:x",
            due_at=due_at.isoformat(),
            data={"records": [["fraud", 1, "0" * 64]]},
        )
        assert faults(scene.audit().findings) == [(expected, "fraud", 1)]
    scene.remove("DUE#0", "1")
    signal_id = scene.links()[0].document["signal_id"]
    scene.set("DUE#0", "1", kind="tell", subject=f"signal:{signal_id}", due_at=item.due_at)
    scene.set("DUE#0", "2", kind="tell", due_at=3)
    (finding,) = scene.audit().findings
    assert (finding.fault, finding.fault.level) == (Fault.NOT_WRITTEN_YET, Level.NOTE)


def test_an_approvals_record_is_due_as_long_as_its_wait_is_looked_after(world: World) -> None:
    stories.asked(world)
    stories.approve(world)
    world.clock.forward(minutes=5)
    do(world, "sweep")
    scene = Scene.of(world)
    (link,) = [link for link in scene.links() if link.kind == "approval"]
    scene.s3.rewrite(BUCKET, link.key, None)
    assert faults(scene.audit().findings) == [("missing", "fraud", link.sequence)]
    scene.set("DUE#APPROVALS", "1", kind="ladder", subject="run-1:approval:promotion", due_at=NOON.isoformat())
    assert faults(scene.audit().findings) == [("not written yet", "fraud", link.sequence)]


def test_what_is_committed_while_a_chain_is_followed_is_followed_too(world: World) -> None:
    stories.decided(world)
    scene = Scene.of(world)

    def rival() -> None:
        signal(world, "signal-2")
        scene.s3.objects.update(MemoryS3(world.bucket.objects).objects)

    world.outside.meanwhile("TransactGetItems", rival)
    report = scene.audit()
    assert (report.findings, report.records) == ([], 3)


def test_a_chain_that_never_stands_still_is_said_not_to_be_seen_to_its_end(world: World) -> None:
    stories.decided(world)
    scene = Scene.of(world)

    def rival() -> None:
        signal(world, f"signal-{len(world.database.items)}")
        scene.s3.objects.update(MemoryS3(world.bucket.objects).objects)
        world.outside.meanwhile("TransactGetItems", rival)

    world.outside.meanwhile("TransactGetItems", rival)
    (finding,) = scene.audit().findings
    assert (finding.fault, finding.sentence) == (Fault.NOT_SEEN, "The chain went on for as long as it was read.")


def test_an_object_that_may_not_be_read_is_named_and_the_walk_goes_on(world: World) -> None:
    stories.asked(world)
    scene = Scene.of(world)
    scene.s3.refused |= {scene.links()[0].key, *world.keys("artifacts/")}
    assert faults(scene.audit().findings) == [("edited", "fraud", 1), ("not seen", "fraud", 3)]


def test_what_is_not_there_is_missing_also_to_those_whom_s3_does_not_say_so(world: World) -> None:
    stories.decided(world)
    scene = Scene.of(world)
    scene.s3.missing = "AccessDenied"
    scene.s3.rewrite(BUCKET, scene.links()[1].key, None)
    scene.s3.put(BUCKET, scene.links()[0].key, None)
    assert faults(scene.audit().findings) == [("deleted", "fraud", 1), ("missing", "fraud", 2)]


def test_one_chain_is_walked_alone_and_an_unknown_one_is_refused(world: World) -> None:
    stories.decided(world)
    do(world, "pause", scope="global", by="ana", reason="drill")
    scene = Scene.of(world)
    scene.set("CONTROLS", "global", by="nobody")
    scene.set("CONTROLS", "model:fraud", by="nobody", reason="none", since="now")
    report = scene.audit(model="fraud")
    assert (report.chains, report.records) == (1, 2)
    assert faults(report.findings) == [("contradicted", None, None)]
    with pytest.raises(UnknownChainError):
        scene.audit(model="nobody")


def test_an_execution_that_ended_just_now_or_saw_its_signal_before_needs_no_record(world: World) -> None:
    stories.decided(world)
    world.executions.end(execution_arn("duplicate"), "SUCCEEDED", output=json.dumps({"outcome": "SKIP"}))
    world.executions.end(execution_arn("failed"), "FAILED")
    scene = Scene.of(world)
    assert faults(scene.audit().findings) == [("without record", None, None)]
    scene.set("RUN#failed", "UNDECIDED")
    assert scene.audit().findings == []
    scene.set("RUN#duplicate", "DECISION", signal_id="x")
    assert [finding.subject for finding in scene.audit().findings] == [execution_arn("duplicate")]
    scene.executions.began = scene.now - HOUR / 2
    assert scene.audit().findings == []


def test_after_ninety_days_neither_execution_nor_signal_is_asked_for(world: World) -> None:
    signal_id = _decided_signal(world)
    scene = Scene.of(world)
    del scene.executions.statuses[execution_arn("run-1")]
    scene.remove(f"SIGNAL#{signal_id}", "SIGNAL")
    assert {fault for fault, _, _ in faults(scene.audit().findings)} == {"contradicted", "without execution"}
    scene.now += timedelta(days=91)
    assert scene.audit().findings == []


def _decided_signal(world: World) -> str:
    stories.decided(world)
    (pk,) = [pk for pk, _ in world.database.items if pk.startswith("SIGNAL#")]
    return pk.removeprefix("SIGNAL#")


# Table and bucket rewritten together: what else tells.


@pytest.fixture(scope="module")
def original() -> Scene:
    world = World(max_concurrent_trainings=3)
    anchored_history(world)
    scene = Scene.of(world)
    for key in scene.objects("evidence/_anchors/"):
        scene.s3.rewrite(BUCKET, key, None)
    assert scene.audit().findings == []
    return scene


def test_an_object_is_read_for_its_link_and_a_record_once_more_for_the_reports_of_its_run(
    original: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, read = original.copy(), Counter[str]()
    get = scene.s3.get_object

    def counted(**asked: Any) -> dict[str, Any]:
        read[asked["Key"]] += 1
        return get(**asked)

    monkeypatch.setattr(scene.s3, "get_object", counted)
    assert scene.audit().findings == []
    assert {count for key, count in read.items() if reported_run(key) is not None} == {1}
    assert max(read.values()) == 2


@pytest.mark.parametrize("kind", ["manifest", "verdict", "approval", "verification", "outcome", "decision", "override"])
def test_a_tail_cut_off_on_both_sides_is_told_by_the_facts(original: Scene, kind: str) -> None:
    link = [link for link in original.links() if link.kind == kind and link.document.get("decision") != "REJECT"][-1]
    scene = original.copy()
    chain = [other.document for other in scene.links() if other.chain == link.chain]
    write_anew(scene, link.chain, chain[: link.sequence - 1])
    expected = {"manifest": Fault.MISSING, "decision": Fault.WITHOUT_RECORD, "override": Fault.CONTRADICTED}
    assert expected.get(kind, Fault.WITHOUT_RECORD) in {finding.fault for finding in scene.audit().findings}


def test_a_decision_to_retrain_has_its_manifest_behind_it(original: Scene) -> None:
    scene = original.copy()
    manifest = next(link for link in scene.links() if link.kind == "manifest" and link.chain == "fraud")
    rest = [link.document for link in scene.links() if link.chain == "fraud" and link != manifest]
    write_anew(scene, "fraud", rest)
    assert ("missing", "fraud", manifest.sequence) in faults(scene.audit().findings)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": "GUARDS_PASSED"}, "says otherwise of reason"),
        ({"decision": "HOLD"}, "says otherwise of decision"),
        ({"severity": "critical"}, "says otherwise of severity"),
        ({"freezes": True}, "says otherwise of freezes"),
        ({"approval": {"needed": True, "approvals_needed": 1}}, "says otherwise of approval"),
        ({"guards": []}, "says otherwise of guards"),
        ({"inputs": None}, "holds no inputs"),
        ({"inputs": {"policy": {"sha256": "0" * 64}}}, "does not have the digest"),
        (
            {"inputs": {"now": "2020-01-01T00:00:00+00:00", "state": {"cooldown_until": "2021-01-01T00:00:00+00:00"}}},
            "COOLDOWN",
        ),
    ],
)
def test_a_decision_that_its_inputs_do_not_give_is_found(
    original: Scene, changes: dict[str, Any], sentence: str
) -> None:
    scene = original.copy()
    wanted = "RETRAIN" if "COOLDOWN" in sentence else "OBSERVE"
    link = next(link for link in scene.links() if link.document.get("decision") == wanted)
    rewrite_from(scene, link, _merged(link.document, changes))
    told = [finding for finding in scene.audit().findings if finding.fault is Fault.DECIDED_OTHERWISE]
    assert [(finding.chain, finding.sequence) for finding in told] == [(link.chain, link.sequence)]
    assert sentence in told[0].sentence


BY_EARLIER_RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a word lowered what was measured": ({"severity": "warning"}, {"severity": "warning"}),
    "it said that nothing drifted": (
        {"kind": "no_drift"},
        {"severity": "info", "decision": "SKIP", "reason": "NO_DRIFT"},
    ),
    "a request asked nobody": ({"kind": "request"}, {"approval": {"needed": False, "approvals_needed": 1}}),
}


@pytest.mark.parametrize("name", BY_EARLIER_RULES)
def test_a_decision_of_the_release_before_is_held_against_no_rule_it_did_not_have(world: World, name: str) -> None:
    signal_, verdict = BY_EARLIER_RULES[name]
    stories.decided(world)
    record = next(link.document for link in Scene.of(world).links() if link.kind == "decision")
    policy = {
        **record["inputs"]["policy"]["effective"],
        "actions": dict.fromkeys(("info", "warning", "critical"), "approve"),
    }
    digest = policy_sha256(pinned_policy(policy))
    record = {
        **record,
        **verdict,
        "inputs": {**record["inputs"], "policy": {"sha256": digest, "effective": policy}},
        "signal": {**record["signal"], **signal_},
    }
    assert decision_again(record) is not None
    earlier = {**record, "signal": {key: value for key, value in record["signal"].items() if key != "proven_by"}}
    assert decision_again(earlier) is None
    tampered = {**earlier["inputs"], "policy": {"sha256": "0" * 64, "effective": policy}}
    assert decision_again({**earlier, "inputs": tampered}) == "The policy it holds does not have the digest it says."


def test_a_decision_of_the_release_before_on_what_is_decided_as_before_is_decided_again(world: World) -> None:
    stories.decided(world)
    record = next(link.document for link in Scene.of(world).links() if link.kind == "decision")
    del record["signal"]["proven_by"]
    assert decision_again(record) is None
    assert decision_again({**record, "severity": "warning"}) is not None


def _merged(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A document with changes, also in the objects in it."""
    found = {name: (document.get(name), value) for name, value in changes.items()}
    both = {name: isinstance(old, dict) and isinstance(new, dict) for name, (old, new) in found.items()}
    return {**document, **{name: _merged(old or {}, new) if both[name] else new for name, (old, new) in found.items()}}


PASSED: Final = Recorded(Next.PROMOTE)


@pytest.mark.parametrize(
    ("outcome", "recorded", "sentence"),
    [
        (Status.PROMOTED, {"evaluation": PASSED, "bake": Recorded(Next.FINISH, Status.PROMOTED)}, None),
        (
            Status.ROLLED_BACK,
            {"evaluation": PASSED, "bake": Recorded(Next.FINISH, Status.PROMOTED)},
            "concludes PROMOTED",
        ),
        (Status.ROLLED_BACK, {"evaluation": PASSED, "bake": Recorded(Next.ROLL_BACK, Status.ROLLED_BACK)}, None),
        (
            Status.PROMOTED,
            {"evaluation": PASSED, "bake": Recorded(Next.ROLL_BACK, Status.ROLLED_BACK)},
            "champion back",
        ),
        (Status.PROMOTED, {}, "No verdict"),
        (
            Status.PROMOTED,
            {"evaluation": Recorded(Next.RECORD, Status.CANDIDATE_REJECTED)},
            "concludes CANDIDATE_REJECTED",
        ),
        (Status.STOPPED, {"evaluation": PASSED}, None),
        (Status.STOPPED, {}, None),
        (Status.APPROVAL_REJECTED, {"approval:training": Recorded(Next.RECORD, Status.APPROVAL_REJECTED)}, None),
        (Status.TRAINED, {"approval:training": Recorded(Next.RECORD, Status.APPROVAL_REJECTED)}, "APPROVAL_REJECTED"),
    ],
)
def test_an_outcome_follows_from_what_was_recorded_before_it(
    outcome: Status, recorded: dict[str, Recorded], sentence: str | None
) -> None:
    told = outcome_contradicts(outcome, recorded)
    assert (told is None) if sentence is None else (told is not None and sentence in told)


def test_an_outcome_that_does_not_follow_is_found_although_run_and_record_agree(original: Scene) -> None:
    scene = original.copy()
    link = next(link for link in scene.links() if link.document.get("outcome") == "ROLLED_BACK")
    scene.set(f"RUN#{link.document['run_id']}", "RUN", outcome="PROMOTED")
    rewrite_from(scene, link, {**link.document, "outcome": "PROMOTED"})
    sentences = [finding.sentence for finding in scene.audit().findings]
    assert "Outcome: The bake before it sends the champion back." in sentences


def test_an_anchor_behind_the_end_of_a_chain_says_how_long_it_was(original: Scene) -> None:
    scene = original.copy()
    key = "evidence/_anchors/2026-03-03.json"
    heads = [ChainHead(link.chain, link.sequence, str(link.document["chain"]["hash"])) for link in original.links()]
    head = max((head for head in heads if head.chain == "_loop"), key=lambda head: head.sequence)
    anchor = {"at": "2026-03-03T12:00:00+00:00", "root": root_of([head]), "heads": [asdict(head)]}
    scene.s3.rewrite(BUCKET, key, json.dumps(anchor).encode())
    assert scene.audit(anchor=anchor["root"]).findings == []
    write_anew(scene, "_loop", [link.document for link in scene.links() if link.chain == "_loop"][:-1])
    told = [finding for finding in scene.audit().findings if finding.fault is Fault.NOT_AS_ANCHORED]
    assert faults(told) == [("not as anchored", "_loop", head.sequence)]


@pytest.mark.parametrize("folder", ["decisions/", "evidence/", "manifests/", "evidence//", "decisions//fraud/"])
def test_an_object_in_no_chains_folder_is_extra(original: Scene, folder: str) -> None:
    scene = original.copy()
    body = original.body(original.links()[0].key)
    scene.s3.put(BUCKET, f"{folder}x.json", body)
    (finding,) = scene.audit().findings
    assert (finding.fault, finding.subject) == (Fault.EXTRA, f"{folder}x.json")


# The release before.


def earlier_history(world: World) -> None:
    """Decisions of the release before: chained alone, in another text; a run with a manifest and evidence in no chain."""
    previous = GENESIS
    for sequence, decision in enumerate(("OBSERVE", "RETRAIN", "HOLD", "RETRAIN"), 1):
        name = f"earlier-{sequence}"
        world.executions.end(execution_arn(name), "SUCCEEDED")
        record: dict[str, Any] = {
            "schema_version": 1,
            "signal_id": f"{sequence:032x}",
            "model": "fraud",
            "decided_at": (NOON - 50 * HOUR + sequence * HOUR).isoformat(),
            "decision": decision,
            "sentence": f"It drifted by {sequence / 10}.",
            "signal": {"threshold": {"observed": 1.0, "threshold": 1e-7}},
            "run_id": name,
            "execution_arn": execution_arn(name),
            "chain": {"sequence": sequence, "previous_hash": previous},
        }
        previous = sha256(first_version_text(record))
        day = record["decided_at"][:10].replace("-", "/")
        record["chain"]["hash"] = previous
        world.put(f"decisions/fraud/{day}/{record['signal_id']}.json", first_version_text(record).encode())
        if decision == "RETRAIN":
            _earlier_run(world, name, record["decided_at"], ended=sequence == 2)
    world.table.save_model(StoredModel("fraud", active_run_id="earlier-4"))
    state = world.database.items["MODEL#fraud", "STATE"]
    state |= to_item({"chain_sequence": 4, "chain_head": previous})
    world.database.items["MODELS", "fraud"] = to_item({"pk": "MODELS", "sk": "fraud"})


def _earlier_run(world: World, name: str, started: str, *, ended: bool) -> None:
    manifest = {"run_id": name, "model": "fraud", "signal": {"signal_id": "x", "source": "alarm"}}
    run = StoredRun(name, "fraud", started, execution_arn(name), first_version_text(manifest), "critical")
    world.table._transact(world.table.run_writes(run, StatusRow(Status.RETRAINING_DECIDED, started, "It drifted.")))
    world.put(f"manifests/fraud/{name}.json", run.manifest.encode())
    if ended:
        closed = StoredRun(
            **{**{key: getattr(run, key) for key in StoredRun.__slots__}, "outcome": "FAILED", "reason": "x"}
        )
        world.table.close_run(closed, [])
        world.put(f"evidence/fraud/{name}/outcome.json", {"run_id": name, "outcome": "FAILED", "reason": "x"})


def both_releases(world: World) -> Scene:
    """The release before, its open run taken over, and a run of this one."""
    earlier_history(world)
    world.executions.statuses[execution_arn("earlier-4")] = "ABORTED"
    stories.tell_dead(world, "ABORTED", "earlier-4")
    world.clock.forward(hours=2)
    stories.decided(world, cooldown_hours=0)
    return Scene.of(world)


def test_a_chain_that_the_release_before_began_is_whole(world: World) -> None:
    earlier_history(world)
    scene = Scene.of(world)
    report = scene.audit()
    assert (report.findings, report.earlier, report.records, report.runs) == ([], 4, 0, 2)


def test_a_chain_of_both_releases_is_whole(world: World) -> None:
    scene = both_releases(world)
    report = scene.audit()
    assert (report.findings, report.earlier, report.records, report.runs) == ([], 4, 3, 3)
    (first, *_) = scene.links()
    assert (first.sequence, first.kind) == (5, "outcome")


def _edit(scene: Scene, key: str, *, anew: bool = False, **changes: Any) -> None:
    document = {**json.loads(scene.body(key) or b""), **changes}
    if anew:
        place = {name: value for name, value in document["chain"].items() if name != "hash"}
        document["chain"]["hash"] = sha256(first_version_text({**document, "chain": place}))
    scene.s3.rewrite(BUCKET, key, first_version_text(document).encode())


def _decisions(scene: Scene) -> list[str]:
    return scene.objects("decisions/fraud/")[:4]


EARLIER: Final[dict[str, tuple[Callable[[Scene], None], tuple[str, int | None]]]] = {
    "first deleted": (lambda scene: scene.s3.rewrite(BUCKET, _decisions(scene)[0], None), ("missing", 1)),
    "last deleted": (lambda scene: scene.s3.rewrite(BUCKET, _decisions(scene)[3], None), ("missing", 4)),
    "a member twice": (
        lambda scene: scene.s3.rewrite(
            BUCKET, _decisions(scene)[1], b'{"decision":"HOLD",' + (scene.body(_decisions(scene)[1]) or b"")[1:]
        ),
        ("missing", 2),
    ),
    "hidden": (lambda scene: scene.s3.put(BUCKET, _decisions(scene)[1], None), ("missing", 2)),
    "edited": (lambda scene: _edit(scene, _decisions(scene)[1], sentence="No."), ("missing", 2)),
    "hashed anew": (lambda scene: _edit(scene, _decisions(scene)[1], anew=True, sentence="No."), ("forked", 3)),
    "last hashed anew": (lambda scene: _edit(scene, _decisions(scene)[3], anew=True, sentence="No."), ("forked", 4)),
    "twice": (
        lambda scene: scene.s3.put(BUCKET, "decisions/fraud/2026/x.json", scene.body(_decisions(scene)[2])),
        ("swapped", 3),
    ),
    "swapped": (
        lambda scene: scene.s3.put(BUCKET, _decisions(scene)[0], scene.body(_decisions(scene)[1])),
        ("missing", 1),
    ),
    "written again": (
        lambda scene: scene.s3.put(BUCKET, _decisions(scene)[0], scene.body(_decisions(scene)[0])),
        ("several versions", None),
    ),
    "manifest edited": (
        lambda scene: _edit(scene, "manifests/fraud/earlier-2.json", model="x"),
        ("contradicted", None),
    ),
    "manifest gone": (
        lambda scene: scene.s3.rewrite(BUCKET, "manifests/fraud/earlier-2.json", None),
        ("without record", None),
    ),
    "outcome edited": (
        lambda scene: _edit(scene, "evidence/fraud/earlier-2/outcome.json", outcome="PROMOTED"),
        ("contradicted", None),
    ),
    "outcome gone": (
        lambda scene: scene.s3.rewrite(BUCKET, "evidence/fraud/earlier-2/outcome.json", None),
        ("without record", None),
    ),
    "evidence of nobody": (
        lambda scene: scene.s3.put(BUCKET, "evidence/fraud/nobody/outcome.json", b'{"outcome":"PROMOTED"}'),
        ("extra", None),
    ),
    "evidence of a later run": (
        lambda scene: scene.s3.put(BUCKET, "evidence/fraud/run-1/outcome.json", b'{"outcome":"PROMOTED"}'),
        ("extra", None),
    ),
    "five megabytes": (lambda scene: scene.s3.put(BUCKET, _decisions(scene)[0], b"x" * 5_000_000), ("missing", 1)),
}


@pytest.mark.parametrize("name", EARLIER)
def test_what_is_done_to_records_of_the_release_before_is_found(world: World, name: str) -> None:
    scene = both_releases(world)
    tamper, expected = EARLIER[name]
    tamper(scene)
    found = [(fault, sequence) for fault, chain, sequence in faults(scene.audit().findings) if chain == "fraud"]
    assert expected in found


def test_a_head_of_the_release_before_that_was_moved_is_found(world: World) -> None:
    earlier_history(world)
    scene = Scene.of(world)
    scene.set("MODEL#fraud", "STATE", chain_sequence=3)
    assert faults(scene.audit().findings) == [("invented", "fraud", 4), ("forked", "fraud", 3)][::-1]
    scene.set("MODEL#fraud", "STATE", chain_sequence=5)
    assert faults(scene.audit().findings) == [("missing", "fraud", 5)]


# Memory.


def peak(chain: LongChain) -> int:
    """Bytes an audit of a chain of decisions holds at most, beside the chain."""
    usual = gc.get_threshold()
    gc.set_threshold(500, 2, 2)  # what is thrown away is not held
    tracemalloc.start()
    report = chain.audit(Inline())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.set_threshold(*usual)
    assert (report.findings, report.records, report.objects) == ([], chain.length, chain.length)
    return most


def test_an_audit_holds_marks_of_records_and_no_records() -> None:
    few, many = LongChain(80), LongChain(200)
    grown = peak(many) - peak(few)
    assert grown < (many.length - few.length) * few.record_bytes / 2
