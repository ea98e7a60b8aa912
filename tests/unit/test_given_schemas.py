"""The published schemas of what others write: complete, and of one mind with the loop's own readers."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from ops import given_schemas
from ops.given_files import FileKind, FileReader, Given, default_settings, event_of, recognised
from ops.given_schemas import FILES, schema_findings, schema_of
from orchestration.domain.contracts import Decision
from orchestration.domain.decision import ModelState, decide
from orchestration.domain.evaluation import METRIC_GROUPS, Standing, evaluate
from orchestration.domain.policy import Evaluation, GuardMetric, parse_policy, read_policy
from orchestration.domain.signal import Rejection, Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.plain_report import LOWER_IS_WORSE, SEVERITIES, WORDS
from orchestration.domain.training_output import READ, TrainingOutput, read_training_output
from tests.unit.fakes import EVENTS, NOON, TRAINING

BINARY: Final = METRIC_GROUPS[0]
EVALUATED: Final = Evaluation(
    "auc", minimum=0.7, guards=(GuardMetric("recall", minimum=0.5), GuardMetric("recall", minimum=0.5, slice="DE"))
)
"""What reads every part of a report."""

GOOD: Final[dict[FileKind, list[Any]]] = {
    FileKind.DRIFT_REPORT: [
        {"model": "fraud", "observed": "0.4", "threshold": " 2e-1 "},
        {"model": "fraud", "metric": "psi", "observed": 0},
        {"model": "fraud", "observed": 0.4, "severity": "low"},
        {"model": "fraud", "is_drift": 0, "p_val": 0.62, "threshold": 0.05},
        {"model": "fraud", "status": "resolved"},
        {"model": "fraud", "metric": "psi", "threshold": 0.2, "error": {"message": "no data"}},
        {"model": "fraud", "metric_name": "auc", "current_value": 0.7, "baseline_value": 0.8},
        {"model": "fraud", "severity": "High"},
        {"model": "fraud", "severity": "", "observed": 1, "threshold": 2},
        {"model_name": "fraud", "is_drift": True},
        {"endpoint_name": "fraud-prod", "drift_detected": False, "message": "fine", "more": {"of": "theirs"}},
        {"drift_share": 0.4},
        {"alert_type": "model_drift", "metric_name": "auc", "current_value": 0.7, "baseline_value": 0.8},
        {"model": "fraud", "current_accuracy": 0.7, "baseline_accuracy": 0.8},
        {"model": "fraud", "drifted_columns_share": 0.4, "data_drift_detected": True},
        {"model": "fraud", "dataset_drift": True, "drift_share": 0.5, "share_of_drifted_columns": 0.6},
        {"model": "fraud", "metrics": [{"result": {"dataset_drift": False, "share_of_drifted_columns": 0.1}}]},
        {"model": "fraud", "metrics": [{"metric_id": "DriftedColumnsCount(drift_share=0.5)", "value": {"share": 0.6}}]},
    ],
    FileKind.REQUEST: [{"model": "fraud", "reason": "new labels", "requested_by": "ana", "force": True, "ticket": 3}],
    FileKind.OUTPUT: [
        {
            "model_data_uri": "s3://amzn-s3-demo-bucket/m.tar.gz",
            "image": "",
            "environment": None,
            "training_job_name": "j",
        },
        {"model_data_url": "s3://amzn-s3-demo-bucket/a..b/m.tar.gz", "environment": {"A": 1, "B": True, "C": None}},
        {"model_package_arn": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/fraud"},
    ],
    FileKind.EVALUATION: [
        {BINARY: {}},
        {BINARY: {"auc": "0.9", "confusion_matrix": {"0": {"0": 1}}, "curve": {"fpr": [0, 1]}}, "champion": {}},
        {"regression_metrics": {"auc": {"value": "NaN", "standard_deviation": "NaN"}}, "slices": None},
    ],
}
BAD: Final[dict[FileKind, list[Any]]] = {
    FileKind.DRIFT_REPORT: [
        {},
        {"model": "fraud"},
        {"observed": 0.4, "threshold": 0.2},
        {"model": "fraud", "metric": "psi", "dedupe_key": "x"},
        {"model": "fraud", "metric": "psi", "observed": 0.4},
        {"model": "fraud", "metric": "psi", "threshold": 0.2},
        {"model": "fraud", "metric": "psi", "observed": "1%", "threshold": 0.2},
        {"model": "fraud", "metric": "psi", "observed": None, "threshold": 0.2},
        {"model": "fraud", "drifted_columns_share": 0.4},
        {"model": "fraud", "share_of_drifted_columns": 0.4},
        {"model": "fraud", "drift_detected": 2},
        {"model": "../churn", "observed": 0.4, "threshold": 0.2},
        {"model": None, "observed": 0.4, "threshold": 0.2},
        {"model": "fraud", "observed": "much", "threshold": "NaN"},
        {"model": "fraud", "severity": "bad"},
        {"model": "fraud", "drift_detected": "yes"},
        {"model": "fraud", "metrics": [{"metric_name": "ColumnDrift", "value": {"share": 0.5}}]},
        {"model": ["fraud"], "observed": 0.4, "threshold": 0.2},
    ],
    FileKind.REQUEST: [
        {},
        {"model": "fraud", "reason": "new labels"},
        {"model": "fraud", "reason": " ", "requested_by": "ana"},
        {"model": "fraud", "reason": ["x"], "requested_by": "ana"},
        {"model": "fraud!", "reason": "x", "requested_by": "ana"},
        {"reason": "x", "requested_by": "ana"},
    ],
    FileKind.OUTPUT: [
        {},
        {"model_data_url": ""},
        {"model_data_url": "https://example.com/m.tar.gz"},
        {"model_data_url": "s3://amzn-s3-demo-bucket/a/../m.tar.gz"},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "image": " "},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "image": "x" * 256},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "environment": [1]},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "environment": {"1A": "x"}},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "environment": {f"A{n}": "x" for n in range(101)}},
        {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "evaluation_uri": 7},
        {"model_package_arn": "fraud/7"},
    ],
    FileKind.EVALUATION: [
        {},
        {"metrics": {"auc": 0.9}},
        {BINARY: {"auc": {"value": "high"}, "recall": 0.9}, "slices": {"DE": {BINARY: {"recall": 0.9}}}},
        {BINARY: {"auc": True, "recall": 0.9}, "slices": {"DE": {BINARY: {"recall": 0.9}}}},
        {BINARY: [{"auc": 0.9}], "slices": {"DE": {BINARY: {"recall": 0.9}}}},
        {BINARY: {"auc": 0.9, "recall": 0.9}, "slices": {"DE": {"recall": 0.9}}},
        {BINARY: {"auc": 0.9, "recall": 0.9}, "slices": [1]},
        {BINARY: {"auc": 0.9, "recall": 0.9}, "slices": {"DE": {BINARY: {"recall": 0.9}}}, "champion": {"auc": 0.8}},
        {BINARY: {"auc": 0.9, "recall": 0.9}, "slices": {"DE": {BINARY: {"recall": 0.9}}}, "champion": "the old one"},
    ],
}


@pytest.fixture(scope="module")
def loops() -> Any:
    """The settings of a stack with an empty form."""
    return default_settings()


def read(kind: FileKind, document: Any, loops: Any) -> Signal | Rejection | Any:
    """What the loop reads in a report or request."""
    event = event_of(Given(kind, "file.json", b"", document), NOON)
    # What lies in S3 is another document, which can be read.
    kept = {"s3://amzn-s3-demo-bucket/2026-11-25/drift_report.json": b'{"drift_detected": true}'}
    return read_signal(event, reader=FileReader("fraud", kept), settings=loops, run_id="run-1")


def takes(kind: FileKind, document: Any, loops: Any) -> bool:
    """Whether the loop's own reader takes a document of a kind."""
    if kind is FileKind.POLICY:
        return isinstance(read_policy(json.dumps(document).encode()), dict)
    if kind is FileKind.OUTPUT:
        found = read_training_output(document, output_uri="s3://amzn-s3-demo-bucket/runs/")
        return isinstance(found, TrainingOutput) and bool(found.model_data_uri or found.model_package_arn)
    if kind is FileKind.EVALUATION:
        return evaluate(json.dumps(document).encode(), EVALUATED, Standing(False, "")).passed
    return isinstance(read(kind, document, loops), Signal)


def examples(kind: FileKind) -> list[Any]:
    """Those the schema shows."""
    found: list[Any] = schema_of(kind)["examples"]
    return found


@pytest.mark.parametrize("kind", FILES)
def test_a_schema_is_one_and_says_what_each_key_is(kind: FileKind) -> None:
    schema = schema_of(kind)
    Draft7Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    silent = []

    def walk(place: str, part: Any) -> None:
        for name, member in part.get("properties", {}).items() if isinstance(part, dict) else ():
            # What a condition asks of a key stands beside what the key is.
            if isinstance(member, dict) and not member.get("description") and "required" not in part:
                silent.append(f"{place}.{name}")
        members = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        for member in members:
            walk(place, member)

    walk(str(kind), {key: part for key, part in schema.items() if key not in {"examples", "required"}})
    assert silent == []


@pytest.mark.parametrize("kind", FILES)
def test_the_examples_of_a_schema_are_taken_by_it_and_by_the_loop(kind: FileKind, loops: Any) -> None:
    assert len(examples(kind)) > 1
    for example in examples(kind):
        assert schema_findings(kind, example) == []
        found = recognised("file.json", json.dumps(example).encode())
        assert isinstance(found, Given)
        assert found.kind is kind
        if kind is FileKind.EVALUATION:
            verdict = evaluate(
                json.dumps(example).encode(), Evaluation(next(iter(metrics(example)))), Standing(False, "")
            )
            assert verdict.passed or verdict.candidate_metrics
        else:
            assert takes(kind, example, loops), example


def metrics(report: dict[str, Any]) -> dict[str, Any]:
    """The first group of metrics of a report."""
    return next(report[group] for group in METRIC_GROUPS if group in report)


@pytest.mark.parametrize(
    ("kind", "document"), [(kind, document) for kind, documents in GOOD.items() for document in documents]
)
def test_what_the_loop_takes_the_schema_takes(kind: FileKind, document: Any, loops: Any) -> None:
    assert schema_findings(kind, document) == []
    if kind is not FileKind.EVALUATION:
        assert takes(kind, document, loops)


@pytest.mark.parametrize(
    ("kind", "document"), [(kind, document) for kind, documents in BAD.items() for document in documents]
)
def test_what_the_loop_does_not_take_the_schema_does_not_take(kind: FileKind, document: Any, loops: Any) -> None:
    assert schema_findings(kind, document) != []
    if kind is FileKind.EVALUATION and "champion" in document:
        # A champion of another shape is compared with, and nothing can be.
        wanted = Evaluation("auc", min_improvement=0.0)
        assert not evaluate(json.dumps(document).encode(), wanted, Standing(False, "")).passed
    else:
        assert not takes(kind, document, loops)


@pytest.mark.parametrize("folder", ["drift_report", "manual_request"])
def test_the_schema_and_the_loop_agree_on_every_event_that_is_kept_for_tests(folder: str, loops: Any) -> None:
    kind = FileKind.REQUEST if folder == "manual_request" else FileKind.DRIFT_REPORT
    events = {path.stem: json.loads(path.read_text()) for path in (EVENTS / folder).glob("*.json")}
    details = {name: event["detail"] for name, event in events.items() if isinstance(event["detail"], dict)}
    assert len(details) > 5
    refused = {name for name, detail in details.items() if schema_findings(kind, detail)}
    # Words that the loop passes over, so that the sender hears of them from the schema alone.
    passed_over = {"force_as_text", "report_uri_with_dots"}
    unread = {name for name, detail in details.items() if not takes(kind, detail, loops)} - {"unknown_endpoint"}
    assert refused - passed_over == unread


def test_the_words_of_the_schemas_are_those_of_the_code() -> None:
    drift = schema_of(FileKind.DRIFT_REPORT)
    words = drift["definitions"]["severity"]["enum"]
    assert {word.lower() for word in words} == SEVERITIES.keys()
    assert set(words) == {made(word) for word in SEVERITIES for made in (str.lower, str.upper, str.capitalize)}
    assert set(WORDS) < drift["properties"].keys()
    compared = [word for word in drift["properties"]["comparison"]["enum"] if word]
    assert {word.lower() for word in compared if word.lower() in LOWER_IS_WORSE} == LOWER_IS_WORSE
    assert schema_of(FileKind.OUTPUT)["properties"].keys() == READ.keys() | {"training_job_name"}
    assert tuple(schema_of(FileKind.EVALUATION)["definitions"]["part"]["properties"]) == METRIC_GROUPS


VALUES: Final = st.sampled_from(
    [
        *(
            None,
            True,
            False,
            0,
            0.4,
            -1,
            "",
            " ",
            "0.4",
            "x",
            "critical",
            "s3://amzn-s3-demo-bucket/k",
            "https://x",
            "../a",
        ),
        *([], [1], {}, {"value": "x"}, {"share": 1}, "fraud", "fraud\n", "nan"),
    ]
)


@settings(max_examples=400)
@given(
    example=st.sampled_from(examples(FileKind.DRIFT_REPORT) + GOOD[FileKind.DRIFT_REPORT]),
    changed=st.dictionaries(
        st.sampled_from(sorted(schema_of(FileKind.DRIFT_REPORT)["properties"].keys() - {"comparison"})),
        VALUES,
        max_size=3,
    ),
)
def test_a_report_that_the_schema_refuses_trains_nothing_by_what_it_refuses(
    example: dict[str, Any], changed: dict[str, Any]
) -> None:
    """The loop refuses it, or it decides as if the keys that are refused were not there."""
    loops = replace(default_settings(), training_pipeline_arn=TRAINING, approval_mode="by-severity")
    document = {**deepcopy(example), **changed}
    findings = schema_findings(FileKind.DRIFT_REPORT, document)
    found = read(FileKind.DRIFT_REPORT, document, loops)
    if not findings or not isinstance(found, Signal):
        return
    policy = parse_policy(found.model, None, version="defaults", settings=loops)
    told = decide(found, policy, ModelState(), NOON)
    if told.decision is not Decision.RETRAIN or told.approval_needed:
        return
    refused = {finding.place[0] for finding in findings if finding.place}
    without = read(FileKind.DRIFT_REPORT, {key: each for key, each in document.items() if key not in refused}, loops)
    assert isinstance(without, Signal), (document, refused)
    assert decide(without, policy, ModelState(), NOON).severity == told.severity, (document, refused)


@settings(max_examples=300)
@given(
    kind=st.sampled_from([FileKind.OUTPUT, FileKind.REQUEST]),
    data=st.data(),
)
def test_what_the_schema_of_an_output_or_request_refuses_the_loop_refuses(kind: FileKind, data: st.DataObject) -> None:
    """``force``, which in an event counts for nothing, and the training job that the report looks up are passed over."""
    example = data.draw(st.sampled_from(examples(kind)))
    names = sorted(schema_of(kind)["properties"].keys() - {"force", "environment", "dedupe_key", "training_job_name"})
    document = {**example, **data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=2))}
    assert (schema_findings(kind, document) == []) == takes(kind, document, default_settings()), document


@settings(max_examples=300)
@given(
    place=st.sampled_from([("auc",), ("recall",), ("slices",), ("champion",), ("slices", "DE"), ("champion", BINARY)]),
    value=VALUES,
)
def test_an_evaluation_that_the_schema_refuses_passes_no_gate_by_what_it_refuses(place: Any, value: Any) -> None:
    report: dict[str, Any] = {
        BINARY: {"auc": 0.9, "recall": 0.9},
        "slices": {"DE": {BINARY: {"recall": 0.9}}},
        "champion": {BINARY: {"auc": 0.8}},
    }
    part = report[BINARY] if place[0] in {"auc", "recall"} else report
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    if schema_findings(FileKind.EVALUATION, report) and takes(FileKind.EVALUATION, report, None):
        # As without it: a champion of which there is no number. Where one serves and the policy compares, that fails.
        assert place[0] == "champion", report
        asked, serves = replace(EVALUATED, min_improvement=0.0), Standing(True, "A champion serves")
        assert not evaluate(json.dumps(report).encode(), asked, serves).passed


def test_a_schema_is_published_where_the_docs_say() -> None:
    page = Path(FILES[FileKind.DRIFT_REPORT]).parent / "README.md"
    linked = page.read_text()
    for path in FILES.values():
        (link,) = re.findall(rf"\(([^()]*{re.escape(path.name)})\)", linked)
        assert (page.parent / link).resolve() == path.resolve()


def test_keys_that_a_schema_knows_by_their_look_are_neither_unknown_nor_mistyped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No schema here has both yet; a policy's may, with keys of checks."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {"model": {}},
        "patternProperties": {"^[a-z]+_check$": {"type": "number", "exclusiveMaximum": 1}},
    }
    monkeypatch.setattr(given_schemas, "schema_of", lambda _: schema)
    given_schemas._validator.cache_clear()
    try:
        found = schema_findings(FileKind.POLICY, {"model": 1, "type_check": 0.5, "size_check": 1, "modl": 1})
    finally:
        given_schemas._validator.cache_clear()
    assert [str(finding) for finding in found] == ["$.modl: is not read.", "$.size_check: must be below 1, and is 1."]
