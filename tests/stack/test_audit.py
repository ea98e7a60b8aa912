"""The audit of a deployed stack: what is whole, and each thing that was done behind the loop's back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from ops import cli
from orchestration.domain.records import CHAIN_FOLDERS
from orchestration.stores.history_table import HistoryTable
from tests.stack.loop import Loop

REASONS: Final = {
    "COALESCE COOLDOWN": 1, "HOLD PAUSED": 1, "OBSERVE BELOW_ACTION": 1, "RETRAIN GUARDS_PASSED": 1,
}  # fmt: skip
"""Decisions of the story that is decided again."""


@pytest.fixture(autouse=True)
def signed_in(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of somebody who is signed in to the stack's account."""
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RETRAINING_STACK", loop.stack)
    monkeypatch.setenv("COLUMNS", "20000")  # no sentence is broken


def verified(capsys: pytest.CaptureFixture[str], model: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of ``retraining verify-audit --model ... --json``."""
    status = cli.main(["verify-audit", "--model", model, "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def found(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["fault"], finding["subject"]) for finding in report["findings"]}


@pytest.mark.threat("record-changed")
def test_a_history_is_whole_until_somebody_deletes_edits_and_adds(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    model = loop.model(policy={"approval": {"training": "always", "promotion": "never"}})
    loop.run(loop.drift(model, observed=0.25))
    arn = loop.start(loop.drift(model))
    run_id = arn.rsplit(":", 1)[-1]
    loop.until(lambda: "TRAINING_APPROVAL_REQUESTED" in loop.statuses(run_id))
    loop.approve(run_id)
    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    loop.until(lambda: loop.keys(f"evidence/{model}/{run_id}/outcome.json"))

    status, report = verified(capsys, model)
    assert (status, report["findings"], report["whole"], report["first_break"]) == (0, [], True, {})
    assert report["looked_at"] | {"executions": 0, "anchors": 0} == {
        "chains": 1, "records": 7, "objects": 9, "runs": 1, "executions": 0, "anchors": 0, "earlier": 0, "foreign": 0,
    }  # fmt: skip
    assert cli.main(["verify-audit", "--model", model]) == 0
    out = capsys.readouterr().out
    assert "whole  7 records in 1 chain(s)" in out
    assert "rewrites table, bucket and anchors together" in out.split("Not proven by this:")[1]

    verdict, outcome = (f"evidence/{model}/{run_id}/{name}.json" for name in ("evaluation", "outcome"))
    manifest, added = f"manifests/{model}/{run_id}.json", f"evidence/{model}/{run_id}/approval-promotion.json"
    loop.put(verdict, {**loop.read(verdict), "model": "another"}, bucket=loop.bucket)
    loop.remove(outcome)
    s3 = loop.aws.client("s3")
    s3.put_object(Bucket=loop.bucket, Key=added, Body=b"\xff not json")
    s3.put_object(Bucket=loop.bucket, Key=f"decisions/{model}//x.json", Body=b"x")
    link = next(link["chain"]["sequence"] for link in [loop.read(manifest)])
    loop.aws.client("dynamodb").delete_item(
        TableName=loop.table, Key={"pk": {"S": f"CHAIN#{model}"}, "sk": {"S": f"{link:012d}"}}
    )

    status, report = verified(capsys, model)
    assert (status, report["whole"]) == (1, False)
    assert found(report) >= {
        ("edited", verdict),
        ("several versions", verdict),
        ("deleted", outcome),
        ("extra", added),
        ("extra", f"decisions/{model}//x.json"),
        ("missing", f"CHAIN#{model}"),
        ("missing", manifest),
    }
    assert report["first_break"][model]["sequence"] == link
    assert cli.main(["verify-audit", "--model", model]) == 1
    out = capsys.readouterr().out
    assert f"{model} {link} (first)" in out
    assert "BROKEN" in out
    for key in (verdict, added, f"decisions/{model}//x.json"):
        loop.remove(key)  # the other stories' records are looked at


def test_decisions_of_a_stack_come_out_again_byte_for_byte_from_its_table_and_from_a_copy_of_its_bucket(
    loop: Loop, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loop.model(cooldown_hours=6)
    loop.run(loop.drift(model, observed=0.25))
    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"
    loop.operate({"action": "pause", "scope": f"model:{model}", "reason": "incident"})
    loop.run(loop.drift(model))
    loop.operate({"action": "unpause", "scope": f"model:{model}"})
    loop.run(loop.drift(model))
    policy = f"policies/{model}.json"
    for key in (policy, *(key for folder in CHAIN_FOLDERS for key in loop.keys(f"{folder}{model}/"))):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(loop.read_bytes(key))
    # Other stories of the stack spoil their own records.
    monkeypatch.setattr(HistoryTable, "models", lambda _: [model])
    stack = ("--stack", loop.stack)
    for whose in (stack, (*stack, "--history", str(tmp_path)), ("--history", str(tmp_path))):
        for tried in ((), ("--policy", str(tmp_path / policy))):
            capsys.readouterr()
            assert cli.main(["simulate", *whose, *tried, "--json"]) == 0
            told = json.loads(capsys.readouterr().out)
            assert told["reproduced"] == {"same": 4, "recorded": 4, "first": None, "findings": []}
            assert [each["reasons"] for each in told["policies"]] == [REASONS] * (1 + bool(tried))


def test_a_wrong_call_says_what_is_wrong_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify-audit", "--anchor", "abc"]) == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err
    assert cli.main(["verify-audit", "--model", "nobody"]) == 1
    assert "no model nobody" in capsys.readouterr().err


def test_a_root_that_nobody_anchored_is_said_to_be_none(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model()
    loop.run(loop.drift(model, observed=0.25))
    status, report = verified(capsys, model, "--anchor", "F" * 64)
    assert status == 1
    assert ("not as anchored", "evidence/_anchors/") in found(report)
