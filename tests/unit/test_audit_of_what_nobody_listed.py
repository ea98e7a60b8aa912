"""An audit names each difference: what is invented beside a fact that is recorded, and objects of any name and content."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from ops.audit.findings import Fault, Finding, Level
from ops.audit.gathered import Report
from ops.terminal import Terminal
from ops.verify_audit import _print
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head
from orchestration.domain.merkle import root_of
from tests.unit import stories
from tests.unit.fakes import World
from tests.unit.history import anchored_history
from tests.unit.stories import do
from tests.unit.tampering import BUCKET, Link, Scene, rewrite_from

LATER: Final = "2026-03-05T00:00:00+00:00"


@pytest.fixture(scope="module")
def original() -> Scene:
    world = World(max_concurrent_trainings=3)
    anchored_history(world)
    return Scene.of(world)


def breaks(scene: Scene) -> list[tuple[Fault, str | None, str]]:
    found = scene.audit().findings
    return [(each.fault, each.chain, each.subject) for each in found if each.fault.level is Level.BREAK]


def link_of(scene: Scene, kind: str, **holds: Any) -> Link:
    links = [link for link in scene.links() if link.kind == kind]
    return next(link for link in links if holds.items() <= link.document.items())


# A fact in the table that a record holds, beside which another one is put: statuses, state, a signal.


def status(name: str, key: str, at: str) -> Callable[[Scene], None]:
    return lambda scene: scene.set("STATUS#run-2", f"STATUS#{key}", status=name, at=at, details={})


def answer_changed(scene: Scene, **output: Any) -> None:
    pk = f"SIGNAL#{link_of(scene, 'decision', run_id='run-2').document['signal_id']}"
    told = json.loads(scene.item(pk, "SIGNAL")["payload"])
    scene.set(pk, "SIGNAL", payload=json.dumps({**told, "output": {**told["output"], **output}}))


INVENTED: Final[dict[str, tuple[Callable[[Scene], None], Fault, str]]] = {
    "an outcome's status": (status("PROMOTED", "PROMOTED", LATER), Fault.CONTRADICTED, "churn"),
    "a status twice": (status("APPROVAL_REJECTED", "9-APPROVAL_REJECTED", LATER), Fault.CONTRADICTED, "churn"),
    "a status long before the end": (
        status("TRAINING_STARTED", "TRAINING_STARTED", "2026-03-02T00:00:00+00:00"),
        Fault.CONTRADICTED,
        "churn",
    ),
    "an outcome's status of a run that goes on": (
        lambda scene: scene.set("RUN#run-6", "STATUS#PROMOTED", status="PROMOTED", at=LATER, details={}),
        Fault.WITHOUT_RECORD,
        "scoring",
    ),
    "a second line of a run": (
        lambda scene: scene.set("MODEL#churn", f"RUN#{LATER}#run-2", run_id="run-2", outcome="PROMOTED"),
        Fault.WITHOUT_RECORD,
        "churn",
    ),
    "a state where none is recorded": (
        lambda scene: scene.set("MODEL#_loop", "STATE", frozen_reason="frozen by nobody"),
        Fault.CONTRADICTED,
        "_loop",
    ),
    "another answer of a decided signal": (
        lambda scene: answer_changed(scene, retraining_required="NO"),
        Fault.CONTRADICTED,
        "churn",
    ),
}


@pytest.mark.parametrize("name", INVENTED)
def test_what_is_invented_beside_a_recorded_fact_is_found(original: Scene, name: str) -> None:
    scene = original.copy()
    invent, fault, chain = INVENTED[name]
    invent(scene)
    assert {found[:2] for found in breaks(scene)} == {(fault, chain)}


def test_a_status_that_is_told_after_its_run_was_closed_is_none(original: Scene) -> None:
    """It was committed before, by a process that died or was slow."""
    scene = original.copy()
    status("TRAINING_APPROVED", "TRAINING_APPROVED", LATER)(scene)
    assert breaks(scene) == []


@pytest.mark.parametrize("payload", ["", "{", "[]", "{}", '{"run": 1}', 7, None])
def test_a_spoilt_answer_is_the_signals_and_no_fault_of_its_record(original: Scene, payload: Any) -> None:
    scene = original.copy()
    link = link_of(scene, "decision", run_id="run-2")
    pk = f"SIGNAL#{link.document['signal_id']}"
    scene.set(pk, "SIGNAL", payload=payload)
    assert breaks(scene) == [(Fault.CONTRADICTED, "churn", pk)]


# "It never crashes on an object", and reads every one below the folders of records.


@pytest.mark.parametrize("key", ["decisions/_anchors/2026/03/02/x.json", "manifests/_anchors/x.json"])
def test_an_object_under_the_name_of_the_anchors_is_extra_where_no_anchors_lie(original: Scene, key: str) -> None:
    scene = original.copy()
    scene.s3.put(BUCKET, key, scene.body(scene.links()[0].key))
    assert breaks(scene) == [(Fault.EXTRA, None, key)]


def head(**changes: Any) -> list[dict[str, Any]]:
    return [{"chain": "fraud", "sequence": 1, "hash": "a" * 64, **changes}]


HEADS: Final[list[Any]] = [
    head(sequence=[1]),
    head(sequence="1"),
    head(sequence=0),
    head(sequence=1.5),
    head(sequence=True),
    head(chain={"a": 1}),
    head(chain=5),
    head(chain=""),
    head(chain="x" * 3000),
    head(chain="a/b"),
    head(hash=["a"]),
    head(hash=None),
    head(more=1),
    [{"chain": "fraud"}],
    [7],
    {},
    [],
    None,
]


@pytest.mark.parametrize("heads", HEADS, ids=range(len(HEADS)))
def test_an_anchor_of_strange_heads_is_named_although_it_has_their_root(original: Scene, heads: Any) -> None:
    scene = original.copy()
    try:
        root = root_of([Head(**each) for each in heads])
    except TypeError:
        root = "a" * 64
    key = "evidence/_anchors/2026-03-09.json"
    body = {"schema_version": 2, "kind": "anchor", "at": "2026-03-09T00:00:00+00:00", "root": root, "heads": heads}
    scene.s3.put(BUCKET, key, canonical(body).encode())
    assert breaks(scene) == [(Fault.NOT_AS_ANCHORED, None, key)]


def test_an_anchor_of_another_day_than_its_key_is_named(original: Scene) -> None:
    scene, key = original.copy(), "evidence/_anchors/2026-12-31.json"
    scene.s3.put(BUCKET, key, scene.body(scene.objects("evidence/_anchors/")[0]))
    assert breaks(scene) == [(Fault.NOT_AS_ANCHORED, None, key)]


def test_an_anchor_of_more_models_than_a_record_could_hold_is_one(original: Scene) -> None:
    """Its heads are of chains that are not there, which is named; the anchor itself is whole."""
    scene, key = original.copy(), "evidence/_anchors/2026-03-09.json"
    heads = [Head(f"model-{number}", 1, "a" * 64) for number in range(4000)]
    listed = [{"chain": each.chain, "sequence": 1, "hash": each.hash} for each in heads]
    body = {"at": "2026-03-09T00:00:00+00:00", "root": root_of(heads), "heads": listed}
    scene.s3.put(BUCKET, key, canonical(body).encode())
    assert key not in {subject for _, _, subject in breaks(scene)}


@pytest.mark.parametrize("scope", [None, 5, [], {"a": 1}, True])
def test_a_switch_over_something_strange_is_named(original: Scene, scope: Any) -> None:
    scene = original.copy()
    link = link_of(scene, "pause", scope="source:alarm")
    rewrite_from(scene, link, {**link.document, "scope": scope})
    assert (Fault.EDITED, "_loop", f"CHAIN#_loop/{link.sequence:012d}") in breaks(scene)


def test_a_verdict_on_what_has_no_legal_name_asks_aws_for_nothing(original: Scene) -> None:
    """Some names make the SDK refuse the call itself, which would end the whole audit."""
    scene = original.copy()
    link = link_of(scene, "verdict")
    strange = {"s3://arn:aws:s3:nowhere:1:accesspoint:x/key": "a/1", "": "a/1", "s3://b": "a/1"}
    asked: list[str] = []

    def list_objects(**request: Any) -> dict[str, Any]:
        asked.append(request["Bucket"])
        return {}

    scene.s3.list_objects_v2 = list_objects  # type: ignore[method-assign]
    rewrite_from(scene, link, {**link.document, "versions": strange})
    found = [finding for finding in scene.audit().findings if finding.fault is Fault.NOT_SEEN]
    assert {finding.subject for finding in found} == set(strange)
    assert not {"arn:aws:s3:nowhere:1:accesspoint:x", "", "b"} & set(asked)


def test_a_record_of_any_size_that_an_item_holds_is_read(original: Scene) -> None:
    scene = original.copy()
    link = link_of(scene, "pause", scope="source:alarm")
    rewrite_from(scene, link, {**link.document, "reason": "x" * (405 * 1000)})
    assert {fault for fault, _, _ in breaks(scene)} == {Fault.NOT_AS_ANCHORED}


@pytest.mark.parametrize("name", ["run-9", "by.hand", "..", "é", "a+b@c(1)'=", "x" * 80, "f" * 32])
def test_an_execution_of_any_name_that_decided_nothing_is_known_with_its_event(name: str, world: World) -> None:
    """Names are what Step Functions allows; two of them never share an event's key."""
    for run_id in (name, "by-hand", "-"):
        stories.tell_dead(world, "FAILED", run_id, input='{"a": 1}')
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert len(world.keys("rejected/")) == 3
    scene = Scene.of(world)
    scene.now += timedelta(hours=2)
    assert breaks(scene) == []
    scene.remove(f"RUN#{name}", "UNDECIDED")
    assert {fault for fault, _, _ in breaks(scene)} == {Fault.EXTRA, Fault.WITHOUT_RECORD}


# What is printed: the first bad place of each chain, whatever else there is to say.


def test_the_first_break_of_a_chain_is_printed_behind_any_number_of_warnings() -> None:
    warnings = [Finding(Fault.ARTIFACT_CHANGED, "fraud", place, "s3://a/b", "Gone.") for place in range(1, 60)]
    broken = [Finding(Fault.EDITED, "fraud", place, "key", f"Edited {place}.") for place in range(70, 99)]
    loose = [Finding(Fault.EXTRA, None, None, "decisions/x", "The object lies in no chain's folder.")]
    out = io.StringIO()
    _print(Report([*warnings, *broken, *loose]), Terminal(file=out))
    told = out.getvalue()
    assert "break  fraud 70 (first)  edited: Edited 70." in told
    assert "break  no chain  extra: The object lies in no chain's folder." in told
    assert "39 more warnings of fraud" in told
    assert "9 more breaks of fraud" in told
