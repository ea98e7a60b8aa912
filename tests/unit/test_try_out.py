"""What the loop would make of a file, said by the loop's own code and without a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops import try_out
from tests.unit.fakes import drift

POLICY = {
    "schema_version": 1,
    "model": "fraud",
    "training": {"target": "arn:aws:states:us-east-1:111122223333:stateMachine:fraud-training"},
    "evaluation": {"metric": "auc", "minimum": 0.8, "min_improvement": 0.0},
    "promotion": {"endpoint": "fraud-prod"},
}
GROUP = "binary_classification_metrics"


def tried(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: Any, *more: str, policy: Any = POLICY
) -> tuple[int, Any]:
    """Exit status of the command and what it said as JSON; without a policy file where ``policy`` is None."""
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    given = ["--file", str(folder / name), "--json", *more]
    if policy is not None:
        (folder / "fraud.json").write_text(json.dumps(policy))
        given += ["--policy", str(folder / "fraud.json")]
    status = try_out.main(given)
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else said.err


REPORT = {"model": "fraud", "metric": "ks_p_value", "observed": 0.0004, "threshold": 0.05}
SERVED = {GROUP: {"auc": {"value": 0.9}}, "champion": {GROUP: {"auc": {"value": 0.85}}}}
VIOLATIONS = {
    "violations": [
        {
            "feature_name": "amount",
            "constraint_check_type": "baseline_drift_check",
            "description": "Baseline drift distance: 0.15 exceeds threshold: 0.1",
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "content", "status", "read_as", "answer", "word"),
    [
        ("r.json", REPORT, 0, "drift report", "RETRAIN", "so the policy of fraud retrains"),
        ("r.json", {**REPORT, "observed": 0.5}, 1, "drift report", "OBSERVE", "which the policy only observes"),
        ("r.json", {"model": "fraud", "drift_detected": False}, 1, "drift report", "SKIP", "Nothing to retrain for"),
        ("r.json", {"model": "fraud", "treshold": 1}, 1, "drift report", "REJECT", "has no numbers"),
        ("e.json", drift(model="fraud"), 0, "event 'Drift Detected'", "RETRAIN", "Severity critical"),
        ("e.json", {**drift(), "detail-type": "Drift"}, 1, "event 'Drift'", "REJECT", "Nothing here understands"),
        ("d.csv", "a\nYES\n", 0, "decision file", "RETRAIN", "The decision file says YES."),
        ("d.csv", "a\nNO\n", 1, "decision file", "SKIP", "The decision file says NO."),
        ("d.csv", "a\n", 1, "decision file", "REJECT", "only a header row"),
        ("v.json", VIOLATIONS, 0, "violations of a monitor", "warning", "1 violation(s) count as warning"),
        ("v.json", {"violations": []}, 1, "violations of a monitor", "warning", "0 violation(s)"),
        ("q.json", SERVED, 0, "evaluation report", "GATES_PASSED", "All 2 gates passed"),
        ("q.json", {GROUP: {"auc": 0.9}}, 1, "evaluation report", "GATE_FAILED", "lacks the champion's auc"),
        ("t.json", {"model_data_url": "s3://data/m.tar.gz"}, 0, "output of a training", "TAKEN", "goes on"),
        (
            "t.json",
            {"model_data_url": "https://x"},
            1,
            "output of a training",
            "FAILED",
            "names model_data_url 'https://x'",
        ),
        ("t.json", {"evaluation_uri": "s3://data/e.json"}, 1, "output of a training", "FAILED", "names neither"),
    ],
)
def test_a_file_is_read_as_what_it_is_and_answered_as_the_loop_would(
    name: str, content: Any, status: int, read_as: str, answer: str, word: str, tmp_path: Path, capsys: Any
) -> None:
    ended, said = tried(tmp_path, capsys, name, content)
    assert (ended, said["read_as"], said["answer"], said["goes_on"]) == (status, read_as, answer, status == 0)
    assert word in said["sentence"]


def test_without_a_policy_a_model_has_the_defaults_of_an_empty_form(tmp_path: Path, capsys: Any) -> None:
    status, said = tried(tmp_path, capsys, "r.json", REPORT, policy=None)
    assert (status, said["answer"], said["facts"]["policy"]) == (1, "HOLD", "defaults")
    assert "There is nothing to train fraud with" in said["sentence"]


def test_a_file_of_another_model_is_not_tried_under_a_policy(tmp_path: Path, capsys: Any) -> None:
    status, said = tried(tmp_path, capsys, "r.json", {**REPORT, "model": "churn"})
    assert status == 2
    assert "The file is of churn, and the policy of fraud: give the policy of churn." in said


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": 1, "a": 2}'])
def test_what_is_no_object_is_refused_with_a_sentence(content: str, tmp_path: Path, capsys: Any) -> None:
    status, said = tried(tmp_path, capsys, "x.json", content)
    assert status == 2
    assert said.startswith("x.json ")


def test_a_policy_that_is_not_valid_is_named(tmp_path: Path, capsys: Any) -> None:
    status, said = tried(tmp_path, capsys, "r.json", REPORT, policy={**POLICY, "evaluation": {"metric": "lift"}})
    assert status == 2
    assert "set lower_is_better beside it" in said


def test_what_is_missing_is_said(tmp_path: Path, capsys: Any) -> None:
    assert try_out.main([]) == 2
    assert "FILE= is missing" in capsys.readouterr().err
    assert try_out.main(["--file", str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be read: No such file" in capsys.readouterr().err


def test_a_person_reads_it_line_by_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "r.json").write_text(json.dumps(REPORT))
    (tmp_path / "fraud.json").write_text(json.dumps(POLICY))
    assert try_out.main(["--file", str(tmp_path / "r.json"), "--policy", str(tmp_path / "fraud.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "read as drift report"
    assert said[1].startswith("RETRAIN  Drift report on fraud: ks_p_value is 0.0004")
    assert any(line.startswith("  pass cooldown: ") for line in said)
