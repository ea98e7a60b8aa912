"""Each contract has a page, whose example is whole and read by the loop; what the loop tells is what its schemas say."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from ops.given_files import FileKind, FileReader, Given, default_settings, event_of, recognised
from ops.given_schemas import schema_findings
from ops.record_hashes import hash_of
from ops.record_schemas import SCHEMAS, schema_finding
from ops.schema_reference import told_schema
from orchestration import handler
from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import OUTCOMES, RETRAINING_SOURCE, RETRAINING_STATUS_CHANGE, Decision, Status
from orchestration.domain.documents import Document
from orchestration.domain.evaluation import Standing, evaluate
from orchestration.domain.policy import Evaluation, Promotion, PromotionKind, parse_policy
from orchestration.domain.promotion import DeploymentPlan, plan_promotion
from orchestration.domain.records import idempotency_token
from orchestration.domain.signal import Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import parse_decision
from orchestration.domain.training_output import TrainingOutput, read_training_output
from orchestration.domain.training_target import training_name
from tests.contract.record_examples import EXAMPLES
from tests.unit import stories
from tests.unit.fakes import NOON, World, drift, request
from tests.unit.history import rich_history

DOCS: Final = SCHEMAS.parent
REFERENCE: Final = DOCS / "reference"
TOLD: Final = sorted(path.name.removesuffix(".schema.json") for path in (SCHEMAS / "told").glob("*.json"))


def block(page: str, marker: str) -> str:
    """The fenced block that follows a marker of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {marker} -->\n```\w+\n(.*?)\n```", text, re.DOTALL)
    return str(found)


def shown(page: str, part: str = "example") -> Any:
    return json.loads(block(page, f"generated: {part}"))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def history() -> World:
    world = World(max_concurrent_trainings=2)
    rich_history(world)
    return world


def test_the_example_of_a_policy_is_whole_and_taken() -> None:
    document = shown("policy.md", "policy example")
    policy = parse_policy("fraud", json.dumps(document).encode(), version="v1", settings=default_settings())

    assert document.keys() >= {"actions", "training", "evaluation", "promotion"}
    assert policy.promotion.endpoint == "fraud-prod"


@pytest.mark.parametrize(
    ("page", "kind"),
    [("drift-report.md", FileKind.DRIFT_REPORT), ("retraining-request.md", FileKind.REQUEST)],
)
def test_the_example_of_an_event_is_a_signal(page: str, kind: FileKind) -> None:
    document = shown(f"reference/{page}")
    found = recognised("file.json", json.dumps(document).encode())

    assert isinstance(found, Given)
    assert found.kind is kind
    event = event_of(found, NOON)
    signal = read_signal(event, reader=FileReader("fraud", {}), settings=default_settings(), run_id="run-1")
    assert isinstance(signal, Signal)
    assert signal.model == "fraud"


def test_the_call_that_sends_a_report_sends_one_that_is_taken() -> None:
    text = (REFERENCE / "drift-report.md").read_text(encoding="utf-8")
    (entries,) = re.findall(r"--entries '(.*?)'", text, re.DOTALL)
    (entry,) = json.loads(entries)

    assert (entry["Source"], entry["DetailType"]) == ("mlops.drift", "Drift Detected")
    assert schema_findings(FileKind.DRIFT_REPORT, json.loads(entry["Detail"])) == []


def test_the_example_of_a_decision_file_says_yes() -> None:
    body = block("reference/decision-file.md", "example").encode()

    assert parse_decision(Document("s3://bucket/decision.csv", body, "v1")) == "YES"


def test_the_example_of_a_trainings_output_is_read_whole() -> None:
    document = shown("reference/training.md", "output example")
    output = read_training_output(document, output_uri="s3://amzn-s3-demo-bucket/runs/")

    assert isinstance(output, TrainingOutput)
    assert output.model_data_uri == document["model_data_url"]
    assert (output.image, output.evaluation_uri) == (document["image"], document["evaluation_uri"])
    assert dict(output.environment) == document["environment"]


def test_the_example_of_a_deployments_input_is_what_the_loop_makes_of_the_example_of_an_output() -> None:
    made = read_training_output(shown("reference/training.md", "output example"), output_uri="s3://bucket/")
    assert isinstance(made, TrainingOutput)
    target = "arn:aws:states:us-east-1:111122223333:stateMachine:deployment"
    promotion = Promotion(PromotionKind.PIPELINE, target=target, input={"stage": "production"})
    plan = plan_promotion(promotion, made, None, model="fraud", name="run", tags={})

    assert isinstance(plan, DeploymentPlan)
    assert plan.input == json.loads(block("reference/training.md", "example: deployment"))


def test_the_example_of_an_evaluation_report_passes_gates_of_each_kind() -> None:
    report = json.dumps(shown("reference/evaluation-report.md")).encode()
    asked = Evaluation("auc", minimum=0.9, min_improvement=0.01, confidence=0.95)

    assert evaluate(report, asked, Standing(expected=True, why="")).passed


@pytest.mark.parametrize("name", TOLD)
def test_a_schema_of_what_the_loop_tells_says_what_each_key_is_and_takes_its_examples(name: str) -> None:
    schema = told_schema(name)
    Draft7Validator.check_schema(schema)

    assert [key for key, node in schema["properties"].items() if not node.get("description")] == []
    assert len(schema["examples"]) > 1
    for example in schema["examples"]:
        Draft7Validator(schema).validate(example)


def test_a_target_is_started_with_what_the_page_says(world: World) -> None:
    stories.training(world)
    started = world.executions.started[training_name(idempotency_token("run-1"))]

    Draft7Validator(told_schema("training-input")).validate(started)
    assert started.keys() == told_schema("training-input")["properties"].keys()


def test_every_event_that_programs_hear_is_what_the_page_says(history: World) -> None:
    schema = Draft7Validator(told_schema("status-change"))
    for event in history.channels.events:
        schema.validate(event)

    assert {"PROMOTED", "SIGNAL_HOLD", "SIGNAL_REJECT"} <= {event["status"] for event in history.channels.events}
    told = {*map(str, Status), *(f"SIGNAL_{decision}" for decision in Decision if not decision.begins_run)}
    assert told == set(told_schema("status-change")["properties"]["status"]["enum"])


def test_the_rule_of_the_page_hears_ends_of_runs() -> None:
    pattern = json.loads(block("reference/status-event.md", "example: pattern"))

    assert pattern["source"] == [RETRAINING_SOURCE]
    assert pattern["detail-type"] == [RETRAINING_STATUS_CHANGE]
    assert set(pattern["detail"]["status"]) <= set(OUTCOMES)
    assert pattern["detail"].keys() <= told_schema("status-change")["properties"].keys()


def test_every_output_of_an_execution_is_what_the_page_says(world: World) -> None:
    schema = told_schema("execution-output")
    stories.trained(world, report={"binary_classification_metrics": {"auc": 0.1}})
    assert stories.do(world, "evaluate")["next"] == "record"
    outputs = [
        stories.do(world, "close")["output"],
        handler.run_action(request(drift(model="fraud", observed=0.1), "run-2"), world.ports)["output"],
        handler.run_action(request({"source": "nobody"}, "run-3"), world.ports)["output"],
        stories.do(world, "close", "run-4", failure={"error": "Lambda.Unknown", "cause": "it died"})["output"],
    ]

    for output in outputs:
        Draft7Validator(schema).validate(output)
    assert [output["outcome"] for output in outputs] == ["CANDIDATE_REJECTED", "OBSERVE", "REJECT", "FAILED"]
    ends = {*map(str, OUTCOMES), *(str(decision) for decision in Decision if not decision.begins_run)}
    assert set(schema["properties"]["outcome"]["enum"]) == ends


@pytest.mark.parametrize("kind", RecordKind)
def test_the_example_of_a_record_is_whole_and_fits_its_own_hash(kind: RecordKind) -> None:
    record = json.loads((EXAMPLES / f"{kind}.json").read_text(encoding="utf-8"))

    assert schema_finding(record) is None
    assert record["chain"]["hash"] == hash_of(record)
