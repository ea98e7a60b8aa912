"""What the loop would make of a file, said by the loop's own code and without a stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.config import Config

from ops import cli, try_out
from ops.stack import OperatorError, session_in
from ops.stack_reading import READS, AskedSageMaker, NotKnownError, UnwrittenTable, reading_client
from orchestration import handler
from tests.unit import stories
from tests.unit.fake_services import FakeSageMaker, client_error
from tests.unit.fakes import NOON, TRAINING, World, drift, event, request

POLICY = {
    "schema_version": 1,
    "model": "fraud",
    "training": {"target": "arn:aws:states:us-east-1:111122223333:stateMachine:fraud-training"},
    "evaluation": {"metric": "auc", "minimum": 0.8, "min_improvement": 0.0},
    "promotion": {"endpoint": "fraud-prod"},
}
GROUP = "binary_classification_metrics"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sentence is broken."""
    monkeypatch.setenv("COLUMNS", "20000")


def tried(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: Any, *more: str, policy: Any = POLICY
) -> tuple[int, Any]:
    """Exit status of the command and what it said as JSON; without a policy file where ``policy`` is None."""
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    given = [str(folder / name), "--json", *more]
    if policy is not None:
        (folder / "fraud.json").write_text(json.dumps(policy))
        given += ["--policy", str(folder / "fraud.json")]
    status = cli.main(["try", *given])
    said = capsys.readouterr()
    found = json.loads(said.out)
    return status, found.get("error", found)


REPORT = {"model": "fraud", "metric": "ks_p_value", "observed": 0.0004, "threshold": 0.05}
SERVED = {GROUP: {"auc": {"value": 0.9}}, "champion": {GROUP: {"auc": {"value": 0.85}}}}
TYPES = {
    "feature_name": "age",
    "constraint_check_type": "data_type_check",
    "description": "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. "
    "Observed: Only 99.6% of data is Integral.",
}
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
        ("r.json", {"model": "fraud", "treshold": 1}, 1, "drift report", "REJECT", "did you mean that"),
        ("e.json", drift(model="fraud"), 0, "event 'Drift Detected'", "RETRAIN", "Severity critical"),
        ("e.json", {**drift(), "detail-type": "Drift"}, 1, "event 'Drift'", "REJECT", "Nothing here understands"),
        ("d.csv", "a\nYES\n", 0, "decision file", "RETRAIN", "The decision file says YES."),
        ("d.csv", "a\nNO\n", 1, "decision file", "SKIP", "The decision file says NO."),
        ("d.csv", "a\n", 1, "decision file", "REJECT", "only a header row"),
        (
            "v.json",
            VIOLATIONS,
            0,
            "violations of a monitor",
            "RETRAIN",
            "1 violation(s). Severity warning; every guard",
        ),
        ("v.json", {"violations": []}, 1, "violations of a monitor", "SKIP", "0 violation(s). Nothing to retrain for."),
        (
            "v.json",
            {"violations": [TYPES]},
            1,
            "violations of a monitor",
            "HOLD",
            "1 violation(s). Training on broken data",
        ),
        (
            "m.json",
            {"model": "fraud", "reason": "new labels", "requested_by": "ana"},
            0,
            "retraining request",
            "RETRAIN",
            "ana",
        ),
        ("m.json", {"model": "fraud", "requested_by": "ana"}, 1, "retraining request", "REJECT", "lacks reason"),
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


def test_a_policy_is_what_others_are_tried_under(tmp_path: Path, capsys: Any) -> None:
    status, said = tried(tmp_path, capsys, "fraud.json", POLICY, policy=None)
    assert status == 2
    assert "under which others are tried (--policy). This checks it:" in said


def test_what_is_missing_is_said(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["try"]) == 2
    assert "Missing argument 'FILE'" in capsys.readouterr().err
    assert cli.main(["try", str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be read: No such file" in capsys.readouterr().err


def test_a_person_reads_it_line_by_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "r.json").write_text(json.dumps(REPORT))
    (tmp_path / "fraud.json").write_text(json.dumps(POLICY))
    assert cli.main(["try", str(tmp_path / "r.json"), "--policy", str(tmp_path / "fraud.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "read as drift report"
    assert said[1].startswith("RETRAIN  Drift report on fraud: ks_p_value is 0.0004")
    assert any(line.startswith("  pass cooldown: ") for line in said)


# With a stack.


def standing_still(world: World) -> Any:
    """Everything a command could have changed."""
    return deepcopy(
        (
            world.database.items,
            world.bucket.objects,
            world.channels.messages,
            world.channels.events,
            world.executions.started,
            world.sagemaker.requests,
        )
    )


def now(world: World, name: str, content: Any, model: str = "") -> try_out.Tried:
    """What comes of a file with what a stack has; nothing of that changes."""
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    before = standing_still(world)
    world.outside.calls.clear()
    table = UnwrittenTable(world.database, world.settings.history_table)
    found = try_out.try_now(try_out.given_file(name, body), model, world.ports, table)
    assert standing_still(world) == before
    assert [call for call in world.outside.calls if not call.startswith((*READS, "list_"))] == []
    return found


def in_use(world: World) -> None:
    """A policy, and an endpoint that serves."""
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(cooldown_hours=24, budget={"runs": 4, "days": 30}))


def with_state(**changes: Any) -> Callable[[World], None]:
    """A model in a state."""

    def prepared(world: World) -> None:
        in_use(world)
        world.table.save_model(replace(world.table.model("fraud"), **changes))

    return prepared


def paused(world: World) -> None:
    in_use(world)
    stories.operate(world, "pause", scope="model:fraud", reason="incident")


def without_endpoint(world: World) -> None:
    in_use(world)
    del world.sagemaker.endpoints[stories.ENDPOINT]


def with_a_foreign_target(world: World) -> None:
    in_use(world)
    world.put("policies/fraud.json", stories.policy(training={"target": TRAINING.replace("churn", "spam")}))


def with_a_broken_policy(world: World) -> None:
    in_use(world)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "mod": 1})


EVENT = drift(model="fraud", dedupe_key="today")
LATER = (NOON + timedelta(hours=3)).isoformat()
STATES: dict[str, tuple[Callable[[World], None], str, str]] = {
    "nothing stands in the way": (in_use, "RETRAIN", "every guard passed"),
    "the cooldown runs": (with_state(cooldown_until=LATER), "COALESCE", "cooldown"),
    "a run is active": (with_state(active_run_id="run-0"), "COALESCE", "run-0"),
    "the budget is used up": (with_state(run_starts=(NOON.isoformat(),) * 4), "HOLD", "4 runs"),
    "the breaker is open": (with_state(frozen_reason="3 in a row"), "HOLD", "3 in a row"),
    "a kill switch is thrown": (paused, "HOLD", "incident"),
    "the endpoint is missing": (without_endpoint, "HOLD", "does not exist"),
    "the target is another's": (with_a_foreign_target, "HOLD", "spam-training"),
    "the policy is broken": (with_a_broken_policy, "HOLD", "has keys that no policy has: 'mod'"),
    "nobody knows the model": (lambda _: None, "REJECT", "does not know the model fraud"),
}


@pytest.mark.parametrize("case", STATES)
def test_with_a_stack_it_says_what_the_loop_then_decides_and_changes_nothing(case: str, world: World) -> None:
    prepare, decision, word = STATES[case]
    prepare(world)
    found = now(world, "e.json", EVENT)
    assert (found.answer, found.good) == (decision, decision == "RETRAIN")
    assert word in f"{found.sentence} {' '.join(found.lines)}"

    handler.run_action(request(EVENT), world.ports)

    seen = world.table.decision_of("run-1")
    assert seen is not None
    record = world.table.record_of(seen)
    assert (record["decision"], record["sentence"]) == (found.answer, found.sentence)
    assert len(record["guards"]) == len(found.lines)


def test_what_was_decided_before_is_said_to_be_that(world: World) -> None:
    in_use(world)
    handler.run_action(request(EVENT), world.ports)
    found = now(world, "e.json", EVENT)
    assert (found.answer, found.good) == ("SKIP", False)
    assert "the same signal again changes nothing" in found.sentence


def test_a_report_that_was_never_sent_is_a_signal_of_its_own_each_time(world: World) -> None:
    in_use(world)
    assert now(world, "r.json", REPORT).answer == "RETRAIN"
    nameless = {key: REPORT[key] for key in REPORT if key != "model"}
    assert now(world, "r.json", nameless, "fraud").answer == "REJECT", "as it is when it is sent"
    assert now(world, "r.json", REPORT, "fraud").answer == "RETRAIN"
    with pytest.raises(OperatorError, match="The file is of fraud: leave --model out"):
        now(world, "r.json", REPORT, "churn")
    assert now(world, "m.json", {"model": "fraud", "reason": "x", "requested_by": "ana"}).answer == "RETRAIN"


def test_a_decision_file_that_was_not_written_yet_stands_for_the_one_that_is(world: World) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn"})
    uri = f"s3://{world.settings.decision_bucket}/{world.settings.decision_key}"
    world.bucket.put(uri, b"d\nNO\n")
    assert now(world, "d.csv", "d\nYES\n").answer == "RETRAIN"
    # An execution that somebody starts reads the one that is.
    assert now(world, "e.json", {"detail-type": "Scheduled Event", "source": "aws.events"}).answer == "SKIP"


def test_the_processing_job_that_an_event_names_is_looked_up_and_its_report_read(world: World) -> None:
    sent = event("model_monitor/drifted")
    job = sent["detail"]
    world.sagemaker.serve("churn-prod", "churn-first")
    unknown = now(world, "e.json", sent)
    assert unknown.answer == "SKIP"
    world.sagemaker.run_schedule(job)
    report = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    world.bucket.put(f"{report}/constraint_violations.json", json.dumps(VIOLATIONS).encode())
    found = now(world, "e.json", sent)
    assert (found.facts["model"], found.facts["metric"], found.facts["observed"]) == ("churn", "amount", 0.15)
    assert found.answer == "RETRAIN"

    class Closed(FakeSageMaker):
        """An asker who may describe jobs and list no runs."""

    closed = Closed(world.outside.enter)
    closed.jobs, closed.endpoints = world.sagemaker.jobs, world.sagemaker.endpoints
    closed.refuse("list_monitoring_executions", client_error("AccessDeniedException"))
    world.ports = replace(world.ports, sagemaker=AskedSageMaker(cast("Any", closed)))
    with pytest.raises(NotKnownError, match="may not be listed by you"):
        now(world, "e.json", sent)


def test_what_the_asker_may_not_read_leaves_the_answer_not_known(world: World) -> None:
    in_use(world)
    world.bucket.forbidden.add(world.bucket.uri("policies/fraud.json"))
    with pytest.raises(NotKnownError, match=r"policies/fraud\.json may not be read by you"):
        now(world, "e.json", EVENT)


def test_a_report_on_a_candidate_is_judged_by_the_policy_in_force_against_what_serves(world: World) -> None:
    in_use(world)
    world.put("policies/fraud.json", stories.policy(evaluation={"metric": "auc", "min_improvement": 0.01}))
    found = now(world, "q.json", {GROUP: {"auc": 0.9}}, "fraud")
    assert (found.answer, found.facts) == ("GATE_FAILED", {"model": "fraud", "policy": "v2"})
    assert "A champion serves, and the report lacks the champion's auc" in found.sentence
    del world.sagemaker.endpoints[stories.ENDPOINT]
    assert now(world, "q.json", {GROUP: {"auc": 0.9}}, "fraud").answer == "GATES_PASSED"
    assert now(world, "v.json", VIOLATIONS, "fraud").facts["policy"] == "v2"
    with pytest.raises(OperatorError, match="does not know spam"):
        now(world, "v.json", VIOLATIONS, "spam")


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ({"model_data_url": stories.MODEL_URI, "image": "image"}, "The evaluation goes on"),
        ({"model_data_url": "s3://amzn-s3-demo-bucket/none", "image": "image"}, "does not exist, or may not be listed"),
        ({"model_data_url": "s3://elsewhere/m", "image": "image"}, "The candidate would not be used."),
        ({"model_data_url": "https://x"}, "names model_data_url 'https://x'"),
        ({"model_package_arn": "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/9"}, "does not exist"),
    ],
)
def test_an_output_is_held_against_what_may_serve(output: dict[str, Any], word: str, world: World) -> None:
    in_use(world)
    world.bucket.put(stories.MODEL_URI, b"weights")
    found = now(world, "t.json", output, "fraud")
    assert word in found.sentence
    assert found.good == (word == "The evaluation goes on")


def test_an_output_that_no_plan_can_be_made_of_is_told(world: World) -> None:
    in_use(world)
    world.put("policies/fraud.json", stories.policy(promotion={"kind": "registry"}))
    world.bucket.put(stories.MODEL_URI, b"weights")
    found = now(world, "t.json", {"model_data_url": stories.MODEL_URI, "image": "image"}, "fraud")
    assert (found.good, "no model_package_arn" in found.sentence) == (False, True)


def test_a_policy_file_is_not_tried_against_a_stack_that_has_its_own(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text(json.dumps(REPORT))
    monkeypatch.setattr("ops.invocation.Stack", lambda *_: object())
    monkeypatch.setattr("ops.try_out.reading_ports", lambda *_: pytest.fail("nothing is asked"))
    given = [str(tmp_path / "r.json"), "--policy", "fraud.json", "--stack", "retraining"]
    assert cli.main(["try", *given]) == 2
    assert "leave --policy out" in capsys.readouterr().err


class Signed:
    """The clients of a stack, of somebody signed in."""

    def __init__(self) -> None:
        self._session = session_in("us-east-1")

    def client(self, name: str, config: Config | None = None) -> Any:
        return self._session.client(  # type: ignore[call-overload] # any service
            name,
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
            config=config,
        )


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("s3", lambda client: client.put_object(Bucket="amzn-s3-demo-bucket", Key="k", Body=b"x")),
        ("dynamodb", lambda client: client.delete_item(TableName="t", Key={"pk": {"S": "x"}})),
        ("sagemaker", lambda client: client.add_tags(ResourceArn="arn:aws:sagemaker:x", Tags=[])),
        ("stepfunctions", lambda client: client.start_execution(stateMachineArn=TRAINING)),
        ("sns", lambda client: client.publish(Message="x", TopicArn="x")),
    ],
)
def test_a_client_that_only_reads_sends_no_change(service: str, call: Any) -> None:
    """The last guard, below everything else: whatever code is called, AWS hears questions only."""
    signed = Signed()
    with pytest.raises(OperatorError, match="would change something"):
        call(reading_client(cast("Any", signed), service))


def test_others_may_write_with_their_client_of_the_same_stack() -> None:
    signed = Signed()
    assert reading_client(cast("Any", signed), "sns") is not signed.client("sns")
    assert signed.client("sns") is signed.client("sns")


def test_broken_data_that_the_policy_tolerates_leaves_the_drift_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {"violations": [TYPES, *VIOLATIONS["violations"]]}
    assert tried(tmp_path, capsys, "v.json", both)[1]["answer"] == "HOLD"
    status, said = tried(tmp_path, capsys, "v.json", both, policy=POLICY | {"data_quality": {"data_type_check": 0.99}})
    assert (status, said["answer"], said["facts"]["ratio"], said["facts"]["violations"]) == (0, "RETRAIN", 1.5, 2)
    assert "pass data_quality: The policy tolerates what is broken: data_type_check at 99.6 %." in said["lines"]


def test_where_people_would_be_asked_it_says_whom_and_who_may_answer_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = {"training": "always", "deputies": ["cleo"], "escalate_hours": 8}
    _, found = tried(tmp_path, capsys, "r.json", REPORT, policy={**POLICY, "voters": ["ana", "b*"], "approval": asks})
    facts = found["facts"]
    assert (facts["asks people"], facts["may answer"]) == ("yes", "ana, b*")
    assert facts["deputies"] == "cleo, 8 h after people are asked"
    _, unasked = tried(tmp_path, capsys, "r.json", REPORT, policy={**POLICY, "voters": ["ana"]})
    assert (unasked["facts"]["asks people"], "may answer" in unasked["facts"]) == ("no", False)
