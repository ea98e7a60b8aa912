"""Whatever is done to a history is found, or is one of the things that are said not to be provable.

make tamper COUNT=1000          so many cases instead of a sample
make tamper CASE=417            one of them again
"""

from __future__ import annotations

import json
import logging
import os

import pytest

from ops.audit.findings import Fault, Finding, Level, first_breaks
from orchestration.domain.records import reported_run
from tests.unit.fakes import World
from tests.unit.history import anchored_history
from tests.unit.tampering import PROVABLE, UNPROVABLE, Scene, Tampering, rewrite_from, tampered

SAMPLE = 16


def asked(name: str) -> int | None:
    """The whole number that a variable of make gives; a word that is none ends the run with exit status 2."""
    given = os.environ.get(name) or None
    if given is not None and not given.isdecimal():
        pytest.exit(f"{name}={given} is no whole number; for example: make tamper {name}=417", returncode=2)
    return None if given is None else int(given)


COUNT, CASE = asked("COUNT"), asked("CASE")

KINDS = len(PROVABLE) + len(UNPROVABLE)


@pytest.fixture(scope="module")
def original() -> Scene:
    logging.disable(logging.CRITICAL)
    world = World(max_concurrent_trainings=3)
    anchored_history(world)
    logging.disable(logging.NOTSET)
    return Scene.of(world)


def names(tampering: Tampering, finding: Finding, *, alone: bool) -> bool:
    """True when a finding is about a tampering. Two of them may look like something else than each does."""
    if tampering.subject is not None and tampering.subject in finding.subject:
        return finding.fault in tampering.faults or not alone
    if tampering.chain is None or finding.chain != tampering.chain:
        return False
    return not alone or (
        finding.fault in tampering.faults and (not tampering.places or finding.sequence in tampering.places)
    )


def judge(case: int, original: Scene) -> list[str]:
    """What is wrong with how a case was found."""
    scene, done = tampered(case, original)
    findings = scene.audit().findings
    what = f"case {case}: {' and '.join(tampering.what for tampering in done)}"
    faults = [
        f"{what}: not found; found was {[finding.sentence for finding in findings]}"
        for tampering in done
        if tampering.provable and not any(names(tampering, finding, alone=len(done) == 1) for finding in findings)
    ]
    chains = {tampering.chain for tampering in done if tampering.provable and tampering.chain}
    named = first_breaks(findings)
    harmless = {Fault.ARTIFACT_CHANGED}
    if any(tampering.provable and tampering.faults != harmless for tampering in done) and not any(
        finding.fault.level is Level.BREAK for finding in findings
    ):
        faults.append(f"{what}: nothing is broken")
    if len(done) == 1 and done[0].places and not chains <= set(named):
        faults.append(f"{what}: no first bad link")
    return faults


def chosen() -> list[int]:
    """The cases of this run: one, so many, or a spread sample that goes through all kinds over the days it is changed."""
    if CASE is not None:
        return [CASE]
    if COUNT:
        return list(range(COUNT))
    return list(range(0, 2 * KINDS, 2)) + list(range(1, 2 * KINDS, 2))[:SAMPLE]


def test_what_the_loop_wrote_is_whole(original: Scene) -> None:
    report = original.audit()
    assert [finding.sentence for finding in report.findings] == []
    assert report.records >= 50
    assert report.anchors == 3


@pytest.mark.threat("record-changed")
def test_every_tampering_is_found(original: Scene) -> None:
    assert [fault for case in chosen() for fault in judge(case, original)] == []


def test_rewriting_both_sides_is_told_by_nothing_but_an_anchor(original: Scene) -> None:
    """What is said not to be provable is just this; a root that was kept outside proves it."""
    keys = original.objects("evidence/_anchors/")
    roots = [json.loads(original.body(key) or b"")["root"] for key in keys]
    assert original.audit(anchor=roots[-1]).findings == original.audit(anchor=roots[0]).findings == []
    for link in [link for link in original.links() if link.kind == "pause"]:
        scene = original.copy()
        rewrite_from(scene, link, {**link.document, "reason": "Another reason."})
        findings = scene.audit().findings
        # Reports tell too, until somebody makes them again as well.
        told = {finding.fault for finding in findings if reported_run(finding.subject) is None}
        assert told == {Fault.NOT_AS_ANCHORED}
        assert findings[0].chain == link.chain
        for key in (*keys, *filter(reported_run, scene.objects("evidence/"))):
            scene.s3.rewrite("automation", key, None)
        assert scene.audit().findings == []
        (finding,) = scene.audit(anchor=roots[-1]).findings
        assert finding.fault is Fault.NOT_AS_ANCHORED
        assert roots[-1] in finding.sentence
