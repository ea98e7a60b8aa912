"""The commands that look and steer: what they say of a world, for people at any width and for programs."""

from __future__ import annotations

import functools
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft7Validator, FormatChecker

from ops import cli, retrain
from ops.heard_signals import measured
from ops.identities import hashed_key_in, identity_in
from ops.review.door import Door
from orchestration.domain.console_links import Console
from orchestration.domain.contracts import Decision
from orchestration.domain.messages import how_to_decide
from orchestration.domain.records import undecided_key
from orchestration.domain.stored_model import StoredModel
from tests.unit import stories
from tests.unit.commands import PLACE, WorldStack, commands_in, retraining, signed_in, understood
from tests.unit.fake_services import client_error
from tests.unit.fakes import World, drift, person
from tests.unit.stories import do
from tests.unit.test_going_back import back, decide, promoted

PRICE_LISTS: Final = Path(__file__).parent / "price_lists"
SCHEMAS: Final = Path(__file__).parents[2] / "docs" / "schemas" / "commands"
SECTIONS: Final = ("Look", "Steer")
NAMES: Final = [name for section in SECTIONS for name in cli.COMMANDS[section]]
HERE: Final = "--stack retraining --region us-east-1"
SENT: Final = {**drift(model="fraud", dedupe_key="again", observed=0.9), "id": "event-1"}


def price_list(service: str) -> Any:
    """An excerpt of AWS's Price List."""
    return json.loads((PRICE_LISTS / f"{service}.json").read_text(encoding="utf-8"))


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WorldStack:
    """A stack in which people are asked, a signal came twice, one was rejected, and a source is paused."""
    world.clock.time = datetime.now(UTC) - timedelta(hours=1)
    stories.asked(world)
    do(world, "admit", "run-7", event=SENT)
    world.clock.forward(minutes=1)
    do(world, "admit", "run-8", event={**SENT, "id": "event-2"})
    do(world, "admit", "run-9", event=drift(model="fruad", dedupe_key="misspelt"))
    do(world, "pause", scope="source:alarm", reason="drill")
    monkeypatch.setattr(retrain, "PATIENCE_SECONDS", 0.1)
    # The page ends at once: nobody ever uses it.
    monkeypatch.setattr(Door, "idle_seconds", float("inf"))
    monkeypatch.setattr("ops.prices.fetched", lambda service, _: price_list(service))
    monkeypatch.chdir(tmp_path)
    return signed_in(world, monkeypatch)


CALLS: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "status": (("status",), 0),
    "status, checked": (("status", "--check"), 1),
    "waits": (("waits",), 0),
    "waits of a run": (("waits", "run-1"), 0),
    "waits of nothing": (("waits", "nobody"), 1),
    "signals": (("signals",), 0),
    "signals of a model": (("signals", "--model", "fraud", "--since", "24h", "--limit", "1"), 0),
    "signals with nothing": (("signals", "--id", "nobody"), 1),
    "history of a model": (("history", "--model", "fraud"), 0),
    "history of a model without runs": (("history", "--model", "churn"), 0),
    "history of a run": (("history", "--run", "run-1"), 0),
    "history of a misspelt model": (("history", "--model", "fruad"), 1),
    "history of what began no run": (("history", "--run", "run-7"), 1),
    "history of nothing": (("history", "--run", "nobody"), 1),
    "report": (("report",), 0),
    "report of a model": (("report", "--model", "fraud"), 0),
    "report of a misspelt model": (("report", "--model", "fruad"), 1),
    "report of a run in progress": (("report", "--run", "run-1"), 1),
    "report of nothing": (("report", "--run", "nobody"), 1),
    "prices": (("prices", "--region", "us-east-1"), 0),
    "explain": (("explain", "run-1"), 0),
    "explain a rejection": (("explain", "run-9"), 0),
    "explain nothing": (("explain", "nobody"), 1),
    "review": (("review", "run-1", "--no-open"), 0),
    "review of everything": (("review", "--no-open"), 0),
    "review of nothing": (("review", "nobody", "--no-open"), 1),
    "review of no run": (("review", " ", "--no-open"), 2),
    "approve": (("approve", "run-1", "--comment", "seen with the team"), 0),
    "approve nothing": (("approve", "run-7"), 1),
    "reject": (("reject", "run-1", "--comment", "labels are late"), 0),
    "retrain": (("retrain", "--model", "fraud", "--reason", "new labels"), 1),
    "rollback": (("rollback", "--model", "fraud", "--reason", "chargebacks doubled"), 1),
    "pause": (("pause", "--scope", "model:fraud", "--reason", "incident 42"), 0),
    "pause of a misspelt model": (("pause", "--scope", "model:fruad", "--reason", "incident 42"), 0),
    "pause of no scope": (("pause", "--scope", "fraud", "--reason", "incident 42"), 2),
    "resume": (("resume", "--scope", "source:alarm"), 0),
    "resume of what is not paused": (("resume", "--scope", "global"), 1),
    "unfreeze": (("unfreeze", "--model", "fraud", "--reason", "labels repaired"), 1),
    "sweep": (("sweep",), 0),
    "replay nothing": (("replay", "rejected/none.json"), 1),
    "replay without a key": (("replay",), 2),
    "replay": (("replay", "rejected/KEPT.json"), 0),
}


def called(stack: WorldStack, name: str, *more: str) -> int:
    arguments, expected = CALLS[name]
    (kept,) = stack.world.keys("rejected/")
    status = retraining(*(each.replace("rejected/KEPT.json", kept) for each in arguments), *more)
    assert status == expected
    return status


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("name", CALLS)
def test_every_line_fits_the_terminal_and_every_command_reaches_the_same_stack(
    name: str, width: int, stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    called(stack, name)

    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert said.strip()
    assert [line for line in said.splitlines() if len(line) > width and not whole(line)] == []
    for command in commands_in(said):
        assert command.endswith(HERE)
        understood(command)


def whole(line: str) -> bool:
    """True for a line that is one word, which is there to be copied, or one option of a command with its value."""
    words = line.split()
    return len(words) == 1 or (words[-1] == "\\" and len(words) <= 4)


def document(printed: str, name: str) -> Any:
    """What a program reads, which is what the schema says."""
    found = json.loads(printed)
    schema = json.loads((SCHEMAS / f"{'error' if 'error' in found else name}.schema.json").read_text(encoding="utf-8"))
    errors = [error.message for error in Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(found)]
    assert errors == []
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_program_reads_one_document_that_its_schema_describes(
    name: str, stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    called(stack, name, "--json")
    out = capsys.readouterr().out
    document(out, CALLS[name][0][0])
    assert '"token"' not in out
    assert "nonce" not in out


def test_every_command_has_a_schema_and_is_called_here() -> None:
    assert {arguments[0] for arguments, _ in CALLS.values()} == set(NAMES)
    for name in NAMES:
        Draft7Validator.check_schema(json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))


# What came in.


def found_by(identity: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert retraining("explain", identity, "--json") == 0
    return document(capsys.readouterr().out, "explain")


@pytest.mark.parametrize(
    "identity", ["event-1", "event-2", "run-7", "arn:aws:states:us-east-1:111122223333:execution:retraining:run-7"]
)
@pytest.mark.usefixtures("stack")
def test_a_signal_is_found_by_each_of_its_ids_and_those_of_its_repeats(
    identity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = found_by(identity, capsys)
    assert (found["decision"], found["run_id"], found["said"]) == ("COALESCE", "run-7", "psi 0.9 against 0.2")
    assert found_by(found["signal_id"], capsys)["run_id"] == "run-7"


@pytest.mark.usefixtures("stack")
def test_a_repeat_is_found_by_its_execution_and_names_the_decision(capsys: pytest.CaptureFixture[str]) -> None:
    found = found_by("run-8", capsys)
    assert (found["found"], found["reason"]) == ("ignored event", "DUPLICATE")
    assert found_by(found["signal_id"], capsys)["run_id"] == "run-7"


@pytest.mark.usefixtures("stack")
def test_a_signal_that_came_twice_stands_once_in_the_list_with_its_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("signals", "--json") == 0
    listed = document(capsys.readouterr().out, "signals")["signals"]
    assert [each["run_id"] for each in listed] == ["run-9", "run-7", "run-1"]
    assert [repeat["event_id"] for repeat in listed[1]["repeats"]] == ["event-2"]
    assert retraining("signals", "--id", "event-2") == 0
    assert "came again 1 time(s)" in capsys.readouterr().out


@pytest.mark.usefixtures("stack")
def test_a_model_that_was_misspelt_is_named_as_it_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for call, status in ((("explain", "run-9"), 0), (("signals",), 0), (("history", "--model", "fruad"), 1)):
        assert retraining(*call) == status
        printed = capsys.readouterr()
        assert "Did you mean fraud? Models: churn, fraud." in " ".join((printed.out + printed.err).split())


@pytest.mark.parametrize("name", ["run-30", "läuft.7"])
@pytest.mark.parametrize("form", ["{name}", "{key}", "s3://{bucket}/{key}", "arn:aws:states:x:1:execution:loop:{name}"])
def test_an_event_whose_execution_failed_before_it_was_decided_is_found_with_what_raises_it_again(
    name: str, form: str, stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    do(stack.world, "close", name, event=SENT, failure={"error": "Boom", "cause": "It broke."})
    key = undecided_key(name)
    asked = form.format(name=name, key=key, bucket=stack.bucket.name)
    found = found_by(asked, capsys)
    assert (found["found"], found["decision"], found["run_id"]) == ("undecided event", "UNDECIDED", name)
    assert "It broke." in found["sentence"]
    assert found["event_id"] == "event-1"
    assert retraining("explain", asked) == 0
    assert f"retraining replay {key} {HERE}" in commands_in(capsys.readouterr().out)

    assert retraining("signals", "--id", asked) == 1
    further = next(each for each in commands_in(capsys.readouterr().out) if " explain " in each)
    assert shlex.split(further)[2] == name


def test_a_decision_older_than_the_tables_memory_is_found_in_the_bucket(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    signal_id = found_by("run-7", capsys)["signal_id"]
    for key in [key for key in stack.world.database.items if key[0] in {f"SIGNAL#{signal_id}", "RUN#run-7"}]:
        del stack.world.database.items[key]
    for key in [key for key in stack.world.database.items if key[0].startswith("CHAIN#")]:
        del stack.world.database.items[key]
    assert found_by(signal_id, capsys)["run_id"] == "run-7"


def test_an_edited_record_is_said_to_be_and_is_no_success(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (key,) = (key for key in stack.world.keys("decisions/fraud/") if stack.world.read(key)["run_id"] == "run-7")
    stack.world.put(key, {**stack.world.read(key), "sentence": "All is well."})
    assert retraining("explain", "run-7") == 1
    assert "ITS HASH IS WRONG" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ({"kind": "drift", "threshold": {"metric": "psi", "observed": 0.4, "threshold": 0.2}}, "psi 0.4 against 0.2"),
        ({"kind": "drift", "threshold": {"metric": "psi", "observed": 0, "threshold": None}}, "psi 0"),
        ({"kind": "drift", "threshold": {"metric": "psi", "observed": None, "threshold": None}}, "psi"),
        ({"kind": "data_quality", "threshold": None, "violation_count": 3}, "3 violation(s)"),
        ({"kind": "monitor_failure", "threshold": None, "violation_count": 0}, "monitor failure"),
        ({"kind": "request", "proven_by": "ana"}, "request by ana"),
        ({"kind": "request", "requested_by": "a script"}, "request by a script"),
        ({"kind": "rollback", "proven_by": "ana"}, "rollback asked for by ana"),
        ({}, None),
    ],
)
def test_only_what_is_known_of_a_signal_is_said(signal: dict[str, Any], said: str | None) -> None:
    assert measured(signal) == said


# How it is doing.


def status_of(capsys: pytest.CaptureFixture[str]) -> Any:
    assert retraining("status", "--json") == 0
    return document(capsys.readouterr().out, "status")


def model(found: Any, name: str = "fraud") -> Any:
    return next(each for each in found["models"] if each["model"] == name)


def needs(found: Any) -> str:
    return "\n".join(need["sentence"] for need in found["needs_people"])


def test_status_answers_while_something_is_paused_and_says_no_only_when_checked(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retraining("status") == 0
    said = capsys.readouterr().out
    assert f"retraining resume --scope source:alarm {HERE}" in commands_in(said)
    assert f"retraining approve run-1 --comment '<why>' --subject promotion {HERE}" in commands_in(said)
    assert retraining("status", "--check") == 1
    do(stack.world, "unpause", scope="source:alarm")
    stories.approve(stack.world)
    assert retraining("status", "--check") == 0


def test_status_says_what_serves_before_during_and_after_a_promotion(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch)
    stories.baking(world)
    serves = model(status_of(capsys))["serves"]
    assert (serves["run_id"], serves["on_trial"], serves["looked"]) == ("run-1", True, True)
    assert serves["config"] == stories.candidate(world)

    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    serves = model(status_of(capsys))["serves"]
    assert (serves["run_id"], serves["config"]) == (None, stories.OLD)
    assert serves["sentence"].startswith("what the team deployed itself")


def test_who_may_not_look_at_an_endpoint_is_told_how_the_loop_left_it(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeEndpoint")

    monkeypatch.setattr(stack, "client", refused)
    assert model(status_of(capsys))["serves"] is None


def test_status_says_what_is_missing_to_train_of_each_model(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    world = stack.world
    stack.parameters |= {"TrainingPipelineArn": "", "SageMakerExecutionRoleArn": ""}
    world.put("policies/bad.json", {"model": "bad", "mode": "loud"})
    world.put("policies/bare.json", {"schema_version": 1, "model": "bare"})
    world.put("policies/fraud.JSON", b"{}")
    world.put("policies/", b"")
    found = status_of(capsys)
    assert "its policy file is not valid, so every signal of it is held" in model(found, "bad")["missing"][0]
    assert "there is nothing to train with" in model(found, "bare")["missing"][0]
    assert model(found)["missing"] == [
        "no SageMakerExecutionRoleArn is given, so nothing can be passed to SageMaker for it"
    ]
    assert "policies/fraud.JSON is read by nobody" in needs(found)
    assert all(name in needs(found) for name in ("bad:", "bare:", "fraud:"))
    commands = " ".join(str(each["command"]) for each in found["needs_people"])
    assert "validate policies/bad.json" in commands
    assert "deploy --params 'TrainingPipelineArn=<arn>'" in commands
    assert "deploy --params 'SageMakerExecutionRoleArn=<arn>'" in commands

    world.remove("policies/fraud.json")
    assert model(status_of(capsys))["missing"] == ["it has no policy file, so every signal of it is rejected"]


def test_a_policy_that_was_good_before_is_said_to_stay_in_force(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.world.put("policies/fraud.json", b"{")
    assert "the last good one, stays in force" in model(status_of(capsys))["missing"][0]


def test_a_frozen_model_waits_for_a_person_and_a_stack_in_shadow_is_said_to_be(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = signed_in(world, monkeypatch)
    made.parameters["Mode"] = "shadow"
    stories.frozen(world, StoredModel("fraud", frozen_reason="3 runs brought nothing."))
    assert "fraud is frozen: 3 runs brought nothing." in needs(status_of(capsys))
    assert retraining("status") == 0
    assert "shadow: decides, and trains nothing" in capsys.readouterr().out


def test_a_stack_that_knows_no_model_says_how_it_gets_to_know_one(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch).parameters["DefaultModel"] = ""
    found = status_of(capsys)
    assert [hint["sentence"].partition(":")[0] for hint in found["hints"]] == ["No model is known"]
    assert retraining("status", "--check") == 0


def test_a_model_that_nobody_has_configured_is_a_hint_until_a_signal_of_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a stack of an empty form has one: nothing is broken, and something is there to be done."""
    signed_in(world, monkeypatch).parameters["TrainingPipelineArn"] = ""
    (hint,) = status_of(capsys)["hints"]
    assert hint["sentence"].startswith("churn: there is nothing to train with")
    assert hint["command"] == f"retraining deploy --params 'TrainingPipelineArn=<arn>' {HERE}"
    assert retraining("status", "--check") == 0
    assert "To begin with:" in capsys.readouterr().out

    do(world, "admit", "run-1", event=drift())
    found = status_of(capsys)
    assert found["hints"] == []
    assert "churn: there is nothing to train with" in needs(found)
    assert retraining("status", "--check") == 1


def test_rejections_and_holds_of_the_day_stand_in_the_status(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    do(stack.world, "pause", scope="model:churn", reason="incident")
    do(stack.world, "admit", "run-10", event=drift(dedupe_key="held"))
    found = status_of(capsys)
    assert found["refused_count"] == 2
    assert {each["decision"] for each in found["refused"]} == {Decision.HOLD, Decision.REJECT}


def denied(action: str, *_: Any, **__: Any) -> None:
    """AWS's answer to somebody who has no right to it."""
    said = (
        f"User: arn:aws:iam::111122223333:user/ana is not authorized to perform: {action} because no policy allows it"
    )
    raise client_error("AccessDeniedException", said, action.partition(":")[2])


def test_what_a_reviewer_may_not_read_is_said_in_a_line_and_never_taken_for_well(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stories.approve(stack.world)
    do(stack.world, "unpause", scope="source:alarm")
    assert retraining("status", "--check") == 0
    monkeypatch.setattr(stack, "keys", functools.partial(denied, "s3:ListBucket"))
    monkeypatch.setattr(
        stack,
        "client",
        lambda _: SimpleNamespace(describe_endpoint=functools.partial(denied, "sagemaker:DescribeEndpoint")),
    )
    capsys.readouterr()
    found = status_of(capsys)
    assert model(found)["missing"] == []
    (line,) = found["not_known"]
    assert (
        line
        == "The policy files cannot be listed by you. Whoever has the policy in the stack's output OperatorPolicyArn may."
    )
    assert retraining("status") == 0
    assert "because" not in capsys.readouterr().out
    assert retraining("status", "--check") == 3


@pytest.mark.parametrize(
    ("unreadable", "said"),
    [
        ("policies/fraud.json", "The policy of fraud may not be read by you."),
        (None, "What endpoint fraud-prod serves: You may not do sagemaker:DescribeEndpoint."),
    ],
)
def test_what_of_a_model_may_not_be_read_is_not_missing(
    unreadable: str | None,
    said: str,
    stack: WorldStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if unreadable:
        stack.bucket.forbidden.add(stack.bucket.uri(unreadable))
    else:
        monkeypatch.setattr(
            stack,
            "client",
            lambda _: SimpleNamespace(describe_endpoint=functools.partial(denied, "sagemaker:DescribeEndpoint")),
        )
    found = status_of(capsys)
    assert model(found)["missing"] == []
    (line,) = model(found)["not_known"]
    assert line.startswith(said)
    assert line in found["not_known"]
    assert retraining("status") == 0
    assert "promoted nothing yet" not in capsys.readouterr().out.partition("fraud\n")[2]


LOOKS: Final[dict[str, tuple[str, ...]]] = {
    "status": ("status",),
    "waits": ("waits",),
    "waits of a run": ("waits", "run-1"),
    "signals": ("signals",),
    "history of a model": ("history", "--model", "fraud"),
    "history of a run": ("history", "--run", "run-1"),
    "report": ("report",),
    "report of a model": ("report", "--model", "fraud"),
    "report of a run": ("report", "--run", "run-1"),
    "explain": ("explain", "run-1"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_that_is_not_allowed_is_one_sentence_that_says_who_may(
    name: str, stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for operation in ("query", "get_item"):
        monkeypatch.setattr(stack.table._client, operation, functools.partial(denied, "dynamodb:Query"))
    assert retraining(*LOOKS[name], "--json") == 3
    said = document(capsys.readouterr().out, "error")["error"]
    assert said.startswith(
        "You may not do dynamodb:Query. Whoever has the policy in the stack's output ReviewerPolicyArn may."
    )
    # A review says it on its page, and prices are public.
    assert {each[0] for each in LOOKS.values()} | {"review", "prices"} == set(cli.COMMANDS["Look"])


# The life of a run.


def test_the_life_of_a_run_has_what_people_said_in_its_place(
    stack: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stories.approve(stack.world)
    assert retraining("history", "--run", "run-1", "--json") == 0
    moments = document(capsys.readouterr().out, "history")["moments"]
    assert [each["what"] for each in moments] == [
        "RETRAINING_DECIDED",
        "TRAINING_STARTED",
        "TRAINING_FINISHED",
        "CANDIDATE_EVALUATED",
        "PROMOTION_APPROVAL_REQUESTED",
        "PROMOTION_APPROVED",
        "approved promotion",
    ]
    assert moments[-1]["sentence"].endswith("user/ana, terminal.")


def test_the_life_of_a_run_that_goes_on_says_what_stops_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch)
    stories.training(world)
    for goes_on in (True, False):
        assert retraining("history", "--run", "run-1") == 0
        printed = capsys.readouterr().out.replace(" \\\n", " ")
        run = world.table.run("run-1")
        assert run is not None
        stops = f"aws stepfunctions stop-execution --execution-arn {run.execution_arn} --region us-east-1"
        said = " ".join(printed.split())
        assert (stops in said) is goes_on
        assert ("retraining report --run run-1 --stack" in said) is not goes_on
        assert ("retraining retrain --model fraud --reason '<why>' --stack" in said) is not goes_on
        do(world, "close", failure={"error": "ABORTED", "cause": "by hand"})


def test_a_way_back_that_failed_is_not_said_to_be_trained_again(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(world, "run-1", "run-2")
    decide(world, "back-1", back(world)["signal_id"])
    do(world, "close", "back-1", failure={"error": "ABORTED", "cause": "by hand"})
    signed_in(world, monkeypatch)
    assert retraining("history", "--run", "back-1") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "retraining report --run back-1" in said
    assert "retraining retrain" not in said


def test_the_life_of_a_run_says_of_an_answer_that_it_was_a_deputys(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24}
    stories.asked(
        world, voters=[person("ana")], approval={"promotion": "always", "deputies": [person("cleo")], **hours}
    )
    world.clock.forward(hours=8)
    stories.approve(world, by="cleo")
    signed_in(world, monkeypatch)
    assert retraining("history", "--run", "run-1", "--json") == 0
    said = [each["sentence"] for each in document(capsys.readouterr().out, "history")["moments"][-2:]]
    assert said == [f"Approved by {person('cleo')} (deputy).", f"By {person('cleo')} (deputy), terminal."]


def test_the_life_of_a_run_that_only_trains_says_where_its_model_lies(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stories.trained(world, promotion={"kind": "none"})
    do(world, "evaluate")
    assert do(world, "close")["outcome"] == "TRAINED"
    signed_in(world, monkeypatch)
    assert retraining("history", "--run", "run-1") == 0
    assert f"model data  {stories.MODEL_URI}" in capsys.readouterr().out
    assert retraining("history", "--run", "run-1", "--json") == 0
    found = document(capsys.readouterr().out, "history")
    assert (found["model_data_uri"], found["model_package_arn"]) == (stories.MODEL_URI, None)


@pytest.mark.parametrize("run_id", ["run-1", "läuft.7", "a b+c"])
def test_what_a_person_copies_of_a_run_names_it(run_id: str) -> None:
    key, console = f"evidence/fraud/{run_id}/report.html", Console("aws", "eu-west-1")
    execution = f"arn:aws:states:eu-west-1:111122223333:execution:loop:{run_id}"
    pages = (console.execution(execution), console.s3_object("automation", key))
    folder = f"runs/fraud/{run_id}/"
    for each in (
        run_id,
        f" {execution}\n",
        key,
        folder,
        f"s3://automation/{key}",
        f"arn:aws:s3:::automation/{key}",
        *pages,
    ):
        assert identity_in(str(each)) == run_id
    assert hashed_key_in(f"arn:aws-cn:s3:::automation/rejected/x-{'0' * 12}.json") == f"rejected/x-{'0' * 12}.json"


@pytest.mark.usefixtures("stack")
def test_a_run_is_found_by_its_signal_too(capsys: pytest.CaptureFixture[str]) -> None:
    signal_id = found_by("run-1", capsys)["signal_id"]
    assert retraining("history", "--run", signal_id) == 0
    assert capsys.readouterr().out.startswith("run run-1\n")


@pytest.mark.usefixtures("stack")
def test_what_began_no_run_is_said_to_be_none_with_what_was_made_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("history", "--run", "run-7") == 1
    said = capsys.readouterr().err
    assert said.startswith("run-7 began no run: COALESCE (RUN_IN_PROGRESS).")
    assert re.search(r"retraining explain [0-9a-f]{32}", commands_in(said)[0])


# Deciding.


def test_an_approval_that_is_one_of_two_says_who_was_counted_and_how_many_are_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = signed_in(world, monkeypatch)
    stories.asked(world, approval={"training": "never", "promotion": "always", "approvals_needed": 2})
    assert retraining("approve", "run-1", "--json") == 0
    first = document(capsys.readouterr().out, "approve")
    assert (first["counted_as"]["counted"], first["counted_as"]["needed"]) == (1, 2)
    assert first["counted_as"]["by"].endswith("user/ana")
    assert "1 other person has" in first["follows"]

    assert retraining("approve", "run-1") == 1
    made.by = "bo"
    assert retraining("approve", "run-1") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "approvals 2 of 2" in said
    assert "The run goes on: the candidate is promoted." in said


def test_an_answer_to_what_was_asked_before_is_none_to_what_is_asked_now(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message about a training is read when the run has trained, and asks about the promotion."""
    signed_in(world, monkeypatch)
    stories.asked(world)
    (told,) = world.told("PROMOTION_APPROVAL_REQUESTED")
    late = how_to_decide(world.ports.settings.speaker, "run-1", "training")
    for steps, status, waits in ((late, 1, True), (told.next_steps, 0, False)):
        (command,) = (str(step).removeprefix("To approve: ") for step in steps if str(step).startswith("To approve: "))
        assert retraining(*(PLACE.sub("seen", word) for word in shlex.split(command)[1:])) == status
        assert (stories.next_of(world, "approval") is None) is waits
    assert "No approval was asked for run run-1." in capsys.readouterr().out


def test_whose_vote_is_shown_is_not_somebody_elses_who_voted_at_the_same_moment(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = signed_in(world, monkeypatch)
    stories.asked(world, approval={"training": "never", "promotion": "always", "approvals_needed": 2})
    decide = made.decide

    def both(request: dict[str, Any]) -> dict[str, Any]:
        told = decide(request)
        assert stories.approve(world, by="bo")["counted"]
        return told

    monkeypatch.setattr(made, "decide", both)
    assert retraining("approve", "run-1", "--json") == 0
    told = document(capsys.readouterr().out, "approve")
    assert (told["counted_as"]["by"], told["counted_as"]["counted"]) == (person("ana"), 2)
    assert told["follows"] == "The run goes on: the candidate is promoted."


def test_who_reviews_one_model_is_shown_the_run_by_what_they_may_read(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = signed_in(world, monkeypatch)
    stories.asked(world)

    def may_not(*_: Any) -> None:
        denied("dynamodb:Query")

    class Table:
        """What ModelReviewerPolicy lets of it."""

        waits_of_run_without_tokens = run = statuses = staticmethod(may_not)
        runs_of_model = staticmethod(world.table.runs_of_model)

    monkeypatch.setattr(made, "table", Table())
    assert retraining("approve", "run-1") == 0
    (show,) = commands_in(capsys.readouterr().out)
    assert retraining(*shlex.split(show)[1:]) == 0
    assert "run run-1" in capsys.readouterr().out
    assert retraining("history", "--run", "run-1") == 3
    assert "Who reviews one model only names it" in capsys.readouterr().err


@pytest.mark.usefixtures("stack")
def test_whoever_stops_waiting_for_a_decision_is_told_that_it_comes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def left(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retrain, "_decided", left)
    assert retraining("retrain", "--model", "fraud", "--reason", "new labels") == 130
    said = capsys.readouterr().err
    assert "The request is kept and will be decided all the same." in said
    assert commands_in(said)[0].startswith("retraining explain ")


def test_whoever_stops_a_replay_is_told_what_was_raised_before(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([{"replayed": [{"what": "letter", "execution": None, "why": None}], "left": [], "more": True}])

    def asked(_: dict[str, Any]) -> dict[str, Any]:
        answer = next(answers, None)
        if answer is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(stack, "operate", asked)
    assert retraining("replay", "--dead-letters") == 130
    assert "1 event(s) were taken from the queue and are decided all the same" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.usefixtures("stack")
def test_a_watch_looks_again_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([None, None])

    def wait(_: float) -> None:
        if next(looks, 0) == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr("ops.invocation.time.sleep", wait)
    for name in ("status", "waits", "signals", "history"):
        looks = iter([None, None])
        more = ["--model", "fraud"] if name == "history" else []
        assert retraining(name, "--watch", *more) == 130
        said = capsys.readouterr().out
        assert said.count("run-1") >= 3
        assert len(re.findall(r"^==== \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC ====$", said, re.MULTILINE)) == 3


def test_make_names_what_stands_behind_a_command(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch)
    stories.asked(world)
    for name, value in {"RUN": "run-1", "COMMENT": "seen", "REASON": "", "LIMIT": "", "JSON": "1"}.items():
        monkeypatch.setenv(f"RETRAINING_{name}", value)
    assert retraining("approve") == 0
    assert document(capsys.readouterr().out, "approve")["sentence"].endswith("seen.")
    assert retraining("history") == 0
    assert document(capsys.readouterr().out, "history")["run_id"] == "run-1"


@pytest.mark.usefixtures("stack")
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("ops.terminal.Terminal.json", closed)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert retraining("signals", "--json") == 0
    assert "Traceback" not in capfd.readouterr().err


def test_waits_explain_and_history_say_who_may_answer_on_what(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.clock.time = datetime.now(UTC) - timedelta(hours=1)
    approval = {"training": "never", "promotion": "always", "deputies": ["cleo"]}
    stories.asked(world, voters=[person("ana")], approval=approval)
    signed_in(world, monkeypatch)
    (wait,) = shown("waits", capsys)["waits"]
    assert (wait["approval"]["deputies"], wait["sections"]) == (["cleo"], None)
    (wait,) = shown("waits", capsys, "run-1")["waits"]
    sections = {section["heading"]: section for section in wait["sections"]}
    facts = sections["Time and answers"]["facts"]
    since = datetime.fromisoformat(wait["approval"]["deputies_from"])
    assert facts["May answer"] == person("ana")
    assert re.fullmatch(rf"cleo \(from {since:%Y-%m-%d} \d\d:\d\d UTC on\)", facts["Deputies"])
    (gate,) = sections["The candidate"]["tables"][0]["rows"]
    assert (gate["Gate"], gate["Has to be"], gate["Result"]) == ("auc bound", "at least 0.7", "pass")
    asked = shown("explain", capsys, "run-1")["approval"]
    assert (asked["subject"], asked["may_answer"], asked["deputies"]) == ("promotion", person("ana"), facts["Deputies"])
    (judged,) = [each for each in shown("history", capsys, "--run", "run-1")["moments"] if each["facts"]]
    assert judged["what"] == "CANDIDATE_EVALUATED"
    assert judged["facts"].keys() == {"auc bound"}
    assert (wait["next_step"], wait["remarks"]) == ("people are reminded", [])
    manifest = world.bucket.read(world.bucket.uri("manifests/fraud/run-1.json")).body or b""
    world.put("manifests/fraud/run-1.json", {})
    (wait,) = shown("waits", capsys, "run-1")["waits"]
    assert "The manifest is not there as it was when this was asked" in wait["remarks"][-1]
    world.put("manifests/fraud/run-1.json", manifest)
    stories.approve(world)
    assert shown("waits", capsys, "run-1") == {"waits": []}
    assert shown("explain", capsys, "run-1")["approval"] is None


def shown(name: str, capsys: pytest.CaptureFixture[str], *given: str) -> Any:
    """The document of a command that looks."""
    assert retraining(name, *given, "--json") == 0
    return document(capsys.readouterr().out, name)
