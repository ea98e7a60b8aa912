"""The commands behind the make targets, against the deployed stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ops import cli
from ops.stack import OperatorError, Stack
from tests.stack.loop import Loop
from tests.stack.moments import parked, run_of, stop
from tests.stack.teams import alarm
from tests.unit.commands import commands_in, understood


@pytest.fixture(autouse=True)
def signed_in(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an operator who is signed in to the stack's account."""
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RETRAINING_STACK", loop.stack)


def test_explain_prints_the_decision_with_every_guard(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model()
    loop.run(loop.drift(model, observed=0.25))
    (record,) = loop.decisions(model)

    assert cli.main(["explain", record["signal_id"]]) == 0

    out = capsys.readouterr().out
    assert out.startswith("OBSERVE BELOW_ACTION")
    for guard in record["guards"]:
        assert guard["sentence"] in " ".join(out.split())
    assert "record 1 of the chain" in out


def test_explain_of_an_unknown_signal_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "f" * 32]) == 1
    assert f"Nothing has the id {'f' * 32}" in capsys.readouterr().err


def test_a_manual_request_retrains_and_in_the_cooldown_only_with_force_and_history_lists_the_runs(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    model = loop.model()
    assert cli.main(["retrain", "--model", model, "--reason", "new labels"]) == 0
    (first,) = loop.until(lambda: loop.decisions(model))
    loop.ended(loop.execution_arn(first["run_id"]))

    assert cli.main(["retrain", "--model", model, "--reason", "more labels"]) == 1
    assert "cooldown" in capsys.readouterr().out

    assert cli.main(["retrain", "--model", model, "--reason", "even more labels", "--force"]) == 0
    forced = loop.until(lambda: loop.decisions(model)[2:])[-1]
    loop.ended(loop.execution_arn(forced["run_id"]))
    assert forced["reason"] == "FORCED"
    assert any(guard["reason"] == "COOLDOWN_OVERRIDDEN" for guard in forced["guards"])

    capsys.readouterr()
    assert cli.main(["history", "--model", model]) == 0
    assert "PROMOTED" in capsys.readouterr().out
    assert cli.main(["history", "--run", first["run_id"]]) == 0
    out = capsys.readouterr().out
    assert out.index("TRAINING_STARTED") < out.rindex("PROMOTED")


def test_a_manual_request_without_a_reason_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["retrain", "--model", "fraud"]) == 2
    assert "Missing option '--reason'" in capsys.readouterr().err


def test_pause_holds_resume_lifts_and_status_tells(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model()
    scope = f"model:{model}"
    assert cli.main(["pause", "--scope", scope, "--reason", "incident 42"]) == 0
    assert cli.main(["pause", "--scope", scope, "--reason", "incident 42"]) == 1
    assert loop.run(loop.drift(model)).output["outcome"] == "HOLD"
    assert cli.main(["status", "--check"]) == 1
    assert "incident 42" in capsys.readouterr().out

    assert cli.main(["resume", "--scope", scope]) == 0
    assert cli.main(["resume", "--scope", scope]) == 1
    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"


def test_a_candidate_on_trial_is_taken_back_in_the_operators_words(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    model = loop.model()
    document = loop.read(f"policies/{model}.json")
    document["promotion"]["bake_minutes"] = 60
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    wanted = ["rollback", "--model", model, "--reason", "chargebacks doubled"]
    assert cli.main(wanted) == 1
    assert f"No run of {model} was promoted" in capsys.readouterr().err
    champion = loop.endpoint_config(f"{model}-prod")
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "bake")
    assert loop.endpoint_config(f"{model}-prod") != champion

    assert cli.main(wanted) == 0
    assert cli.main(wanted) == 1  # asked before, or the champion is on its way

    loop.ended(arn)
    assert loop.statuses(run_of(arn))[-1] == "ROLLED_BACK"
    assert loop.endpoint_config(f"{model}-prod") == champion
    (outcome,) = (record for record in loop.chain(model) if record["kind"] == "outcome")
    assert 'asked for the champion: "chargebacks doubled"' in outcome["reason"]


def test_an_illegal_scope_is_refused_with_the_legal_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pause", "--scope", "everything", "--reason", "x"]) == 2
    assert "Use global (everything), model:<model>, or source:" in " ".join(capsys.readouterr().err.split())


def test_waits_shows_what_is_parked_without_its_token(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model(policy={"approval": {"training": "always"}})
    arn = loop.start(loop.drift(model))
    item = parked(loop, arn, "approval:training")

    assert cli.main(["waits"]) == 0

    out = capsys.readouterr().out
    assert model in out
    assert item["token"]["S"] not in out
    loop.aws.client("stepfunctions").stop_execution(executionArn=arn)


def test_waits_shows_which_endpoint_and_alarms_a_bake_watches(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model()
    document = loop.read(f"policies/{model}.json")
    document["promotion"] |= {"bake_minutes": 60, "alarms": [alarm(loop)]}
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "bake")

    assert cli.main(["waits"]) == 0

    out = " ".join(capsys.readouterr().out.split())
    assert f"waits for {model}-prod, {document['promotion']['alarms'][0]}" in out
    assert loop.endpoint_config(f"{model}-prod") in out
    stop(loop, arn)


def test_a_rejected_event_is_replayed_from_where_it_was_kept(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    kept = set(loop.keys("rejected/"))
    loop.run({"source": "mlops.drift", "detail-type": "Drift Detected", "id": "mended", "detail": {"metric": "psi"}})
    (key,) = set(loop.keys("rejected/")) - kept

    assert cli.main(["replay", key]) == 0

    name = replayed_by(capsys)
    assert "was decided" in loop.ended(started(loop, name)).output["reason"]


def test_an_event_that_was_mended_is_decided_and_its_input_says_who_replayed_it(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    model, kept = loop.model(), set(loop.keys("rejected/"))
    policy = loop.read(f"policies/{model}.json")
    loop.aws.client("s3").delete_object(Bucket=loop.bucket, Key=f"policies/{model}.json")
    assert loop.run(loop.drift(model)).output["outcome"] == "REJECT"
    (key,) = set(loop.keys("rejected/")) - kept
    loop.put(f"policies/{model}.json", policy, bucket=loop.bucket)

    assert cli.main(["replay", f"s3://{loop.bucket}/{key}"]) == 0

    arn = started(loop, replayed_by(capsys))
    loop.until(lambda: loop.decisions(model))
    replayed = json.loads(loop.aws.client("stepfunctions").describe_execution(executionArn=arn)["input"])["replayed"]
    assert replayed["from"] == key
    assert replayed["by"].startswith("arn:aws:")
    loop.ended(arn)


@pytest.mark.threat("event-swallowed")
def test_an_event_that_lies_anywhere_else_is_not_replayed(
    loop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of one's own, an object where others may write: it could be any event, in the name of AWS too."""
    forged = {"event": loop.drift("fraud") | {"source": "aws.cloudwatch"}, "sentence": "It was rejected."}
    loop.put("policies/forged.json", forged, bucket=loop.bucket)
    (tmp_path / "event.json").write_text(json.dumps(forged), encoding="utf-8")

    for place in ("policies/forged.json", "rejected/../policies/forged.json", str(tmp_path / "event.json")):
        assert cli.main(["replay", place]) == 2
        assert "rejected/<name>.json" in capsys.readouterr().err
        with pytest.raises(OperatorError, match="is none"):
            Stack(loop.stack).operate({"action": "replay", "key": place})
    assert cli.main(["replay", "rejected/nothing.json"]) == 1
    assert "There is no event rejected/nothing.json" in capsys.readouterr().err
    loop.aws.client("s3").delete_object(Bucket=loop.bucket, Key="policies/forged.json")


def replayed_by(capsys: pytest.CaptureFixture[str]) -> str:
    """Name of the execution that a replay was said to have."""
    return " ".join(capsys.readouterr().out.split()).partition("replayed: execution ")[2].split()[0]


def started(loop: Loop, name: str) -> str:
    """ARN of an execution that a sweep starts."""
    arn = loop.execution_arn(name)

    def there() -> bool:
        client = loop.aws.client("stepfunctions")
        return any(
            found["executionArn"] == arn for found in client.list_executions(stateMachineArn=loop.machine)["executions"]
        )

    loop.until(there)
    return arn


def test_a_dead_letter_is_replayed_and_leaves_the_queue(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    model = loop.model()
    # As EventBridge leaves it.
    said = {"TARGET_ARN": loop.machine, "ERROR_CODE": "NO_PERMISSIONS"}
    loop.aws.client("sqs").send_message(
        QueueUrl=loop.outputs["DeadLetterQueueUrl"],
        MessageBody=json.dumps(loop.drift(model)),
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in said.items()},
    )

    assert cli.main(["replay", "--dead-letters"]) == 0

    out = capsys.readouterr().out
    assert "it was not delivered: NO_PERMISSIONS" in out
    assert "1 event(s) replayed; 0 left" in out
    loop.until(lambda: loop.decisions(model))


def lines_fit(printed: str, width: int) -> None:
    """Fail for a line that is too long, but for one word or one option of a command, which are there to be copied."""
    for line in printed.splitlines():
        words = line.split()
        assert len(line) <= width or len(words) == 1 or (words[-1] == "\\" and len(words) <= 4), line


def test_a_whole_run_is_looked_at_and_steered_by_the_commands_that_are_printed(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person who has only the terminal sees; each printed command reaches the same stack. Unit tests have narrow ones."""
    model = loop.model(policy={"approval": {"training": "always"}})
    event = loop.drift(model)
    arn = loop.start(event)
    parked(loop, arn, "approval:training")
    here = f"--stack {loop.stack} --region {loop.aws.region}"
    run = run_of(arn)
    assert loop.run(event).output["outcome"] == "SKIP"

    monkeypatch.setenv("COLUMNS", "80")

    def said(*arguments: str, status: int = 0) -> str:
        assert cli.main([*arguments, *here.split()]) == status
        printed = "".join(capsys.readouterr())
        lines_fit(printed, 80)
        for command in commands_in(printed):
            assert command.endswith(here)
            understood(command, stack=loop.stack)
        return " ".join(printed.split())

    assert f"The training of {model} waits for approval" in said("status", "--check", status=1)
    assert f"retraining approve {run} --comment '<why>'" in said("waits")
    assert "came again 1 time(s)" in said("signals", "--model", model)
    assert f"run {run}" in said("explain", arn)
    assert f"Did you mean {model}?" in said("history", "--model", f"{model}x", status=1)
    assert "TRAINING_APPROVAL_REQUESTED" in said("history", "--run", run)

    assert cli.main(["approve", run, "--comment", "seen with the team"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "counted as arn:aws:" in out
    assert "approvals 1 of 1" in out
    loop.ended(arn)
    assert "PROMOTED" in said("history", "--model", model)
    assert "approved training" in said("history", "--run", run)
    assert f"serves run {run}, config {loop.endpoint_config(f'{model}-prod')}" in said("status")


READER: Final = (
    *("cloudformation:DescribeStacks", "lambda:GetFunctionConfiguration", "dynamodb:GetItem", "dynamodb:Query"),
    *(
        "s3:GetObject",
        "s3:ListBucket",
        "sagemaker:Describe*",
        "sagemaker:List*",
        "states:Describe*",
        "states:ListTags*",
    ),
    "cloudwatch:DescribeAlarms",
)
"""What an asker needs for all but the question about roles."""


@pytest.fixture
def reader(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sign in somebody who may do this and nothing else."""

    def signed_in_as(name: str, *actions: str) -> None:
        key = loop.aws.key_of(name)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        loop.aws.client("iam").put_user_policy(
            UserName=name,
            PolicyName="reads",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(key.access_key))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", str(key.secret_key))

    return signed_in_as


def test_validate_looks_up_all_that_a_policy_names_with_the_rights_of_who_asks(
    loop: Loop,
    reader: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "20000")  # no sentence is broken
    model = loop.model()
    path = tmp_path / f"{model}.json"
    path.write_bytes(loop.read_bytes(f"policies/{model}.json"))
    assert cli.main(["validate", str(path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert {check["check"].split()[0]: check["outcome"] for check in told["checks"]} == dict.fromkeys(
        ("State", "Endpoint", "places", "serving", "role"), "passes"
    )

    document = json.loads(path.read_text())
    gone = {"target": document["training"]["target"] + "-gone"}
    path.write_text(
        json.dumps({**document, "training": gone, "promotion": {**document["promotion"], "alarms": ["none"]}})
    )
    assert cli.main(["validate", str(path)]) == 1
    out = capsys.readouterr().out
    assert "fails     promotion.alarms: There is no alarm none." in out
    assert f"fails     State machine {gone['target']}: " in out

    path.write_bytes(loop.read_bytes(f"policies/{model}.json"))
    reader("analyst", *READER)
    assert cli.main(["validate", str(path)]) == 3
    out = capsys.readouterr().out
    assert "not known role of the champion's model: not checked: You may not do iam:SimulatePrincipalPolicy on" in out
    assert out.count("passes") == 4

    path.write_text(json.dumps({**document, "mode": "actve", "severity": {"warning": "high"}}))
    assert cli.main(["validate", str(path)]) == 1
    out = capsys.readouterr().out
    assert "$.severity.warning: must be a number" in out
    assert "Did you mean active?" in out


def test_try_says_what_the_stack_decides_next_and_leaves_it_as_it_is(
    loop: Loop, reader: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def everything() -> Any:
        items = loop.aws.client("dynamodb").get_paginator("scan").paginate(TableName=loop.table)
        objects = loop.aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=loop.bucket)
        return (
            sorted(json.dumps(item, sort_keys=True) for page in items for item in page["Items"]),
            sorted(version["VersionId"] for page in objects for version in page["Versions"]),
            loop.executions(),
        )

    def tried(content: Any, *more: str) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "file.json"
        path.write_text(json.dumps(content))
        before = everything()
        status = cli.main(["try", str(path), "--json", *more])
        assert everything() == before
        return status, json.loads(capsys.readouterr().out)

    model = loop.model()
    # The loop reads a policy as it is written.
    loop.until(lambda: loop.item(f"MODEL#{model}", "POLICY") is not None)
    event = loop.drift(model)
    status, said = tried(event)
    assert (status, said["answer"]) == (0, "RETRAIN")

    loop.run(event)
    (decided, *_) = loop.decisions(model)
    assert (decided["decision"], decided["sentence"]) == (said["answer"], said["sentence"])
    assert tried(event)[1]["answer"] == "SKIP"

    reader("analyst", *READER)
    assert loop.item(f"MODEL#{model}", "STATE") is not None
    status, said = tried({**event["detail"], "observed": 0.95})
    assert (status, said["answer"]) == (1, "COALESCE")
    assert any(line.startswith("stop cooldown") for line in said["lines"])
    report = {"binary_classification_metrics": {"auc": 0.99, "recall": 0.9}}
    assert "report lacks the champion's auc" in tried(report, "--model", model)[1]["sentence"]

    reader("outsider", *(action for action in READER if not action.startswith("dynamodb")))
    (tmp_path / "event.json").write_text(json.dumps(loop.drift(model)))
    assert cli.main(["try", str(tmp_path / "event.json")]) == 3
    assert "Not known" in capsys.readouterr().err


def test_a_missing_stack_says_how_to_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--stack", "nobodys"]) == 3
    assert "Name it with --stack" in " ".join(capsys.readouterr().err.split())


def test_a_bad_policy_is_refused_and_the_last_good_one_stays_in_force(loop: Loop) -> None:
    model = loop.model()
    loop.run(loop.drift(model, observed=0.25))
    loop.put(f"policies/{model}.json", {"schema_version": 1, "model": model, "cooldown_hours": -1}, bucket=loop.bucket)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED"
    record = loop.decisions(model)[-1]
    (guard,) = [guard for guard in record["guards"] if guard["guard"] == "policy"]
    assert guard["reason"] == "LAST_GOOD_POLICY"
    assert "$.cooldown_hours" in guard["sentence"]
