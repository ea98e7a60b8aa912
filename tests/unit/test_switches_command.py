"""What make pause and make resume take for their scope, and what is said of what is paused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from ops.restore_history import Report, _show
from ops.terminal import Terminal
from orchestration import handler
from orchestration.approval_handler import answer
from orchestration.domain.commands import Place
from orchestration.domain.contracts import SignalSource
from orchestration.domain.switches import KillSwitch
from tests.unit import stories
from tests.unit.commands import WorldStack, commands_in, retraining, signed_in
from tests.unit.fakes import World, drift, request
from tests.unit.history import signal
from tests.unit.test_approval_page import signed

REASON = ("--reason", "incident 42")
WARNING = "may be a typo"
HERE = "--stack retraining --region us-east-1"


@pytest.fixture
def operator(world: World, monkeypatch: pytest.MonkeyPatch) -> WorldStack:
    """Whoever runs the commands on the world's stack."""
    return signed_in(world, monkeypatch)


def paused(world: World) -> list[str]:
    return [each.scope for each in world.table.kill_switches()]


@pytest.mark.parametrize("command", [("pause", *REASON), ("resume",)])
@pytest.mark.parametrize("scope", [None, "", "everything", "fraud", "model:", "source:alarms"])
def test_without_a_legal_scope_nothing_is_changed_and_the_scopes_are_named(
    command: tuple[str, ...],
    scope: str | None,
    operator: WorldStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if scope is not None:
        monkeypatch.setenv("RETRAINING_SCOPE", scope)  # as the Makefile hands it on
    for each in ("global", "model:fraud"):
        operator.table.throw_switch(KillSwitch(each, "bo", "Incident.", "2026-03-02T12:00:00+00:00"))

    assert retraining(*command) == 2

    said = " ".join(capsys.readouterr().err.split())
    if scope:
        assert "Use global (everything), model:<model>, or source:<one of " in said
        assert all(source in said for source in SignalSource)
    else:
        assert "Missing option '--scope'" in said
    assert sorted(paused(operator.world)) == ["global", "model:fraud"]


@pytest.mark.parametrize(
    ("given", "meant"), [("everything", "global"), ("fraud", "model:fraud"), ("source:alarms", "source:alarm")]
)
@pytest.mark.usefixtures("operator")
def test_the_scope_that_was_meant_is_said(given: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("resume", "--scope", given) == 2
    assert f"{given} is no scope. Did you mean {meant}? " in " ".join(capsys.readouterr().err.split())


def test_the_scope_of_the_make_line_is_the_one_that_is_paused_and_resumed(
    operator: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stories.decided(operator.world)
    operator.table.throw_switch(KillSwitch("global", "bo", "Incident.", "2026-03-02T12:00:00+00:00"))
    monkeypatch.setenv("RETRAINING_SCOPE", "model:fraud")

    for expected in (0, 1):
        assert retraining("pause", *REASON) == expected
        assert commands_in(capsys.readouterr().out) == [f"retraining resume --scope model:fraud {HERE}"]
    assert sorted(paused(operator.world)) == ["global", "model:fraud"]

    assert retraining("resume") == 0
    assert paused(operator.world) == ["global"]
    assert retraining("resume") == 1
    assert "model:fraud was not paused. What is, each with its scope" in capsys.readouterr().out


def test_a_pause_says_what_was_begun_before_and_goes_on(
    operator: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stories.training(operator.world)
    assert retraining("pause", "--scope", "model:fraud", *REASON) == 0
    assert "Begun before, goes on to its end:\n  training of run run-1 (fraud)\n" in capsys.readouterr().out


def test_a_model_nobody_knows_is_paused_with_a_warning(
    operator: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    for status_of_call in (0, 1):
        assert retraining("pause", "--scope", "model:fruad", *REASON) == status_of_call
        said = capsys.readouterr().out
        assert " ".join(said.split()).count("There is no model fruad.") == 1
        assert WARNING in " ".join(said.split())
        assert commands_in(said) == [f"retraining resume --scope model:fruad {HERE}"]
    assert paused(operator.world) == ["model:fruad"]


@pytest.mark.parametrize("scope", ["model:with-signal", "model:with-policy", "global", "source:alarm"])
def test_what_is_known_is_paused_without_a_warning(
    scope: str, operator: WorldStack, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.world.put("policies/with-policy.json", b"not even valid")
    operator.world.put("policies/with-signal.json", stories.policy(model="with-signal"))
    signal(operator.world, "run-9", "with-signal")
    operator.world.remove("policies/with-signal.json")

    assert retraining("pause", "--scope", scope, *REASON) == 0
    assert WARNING not in " ".join(capsys.readouterr().out.split())


def test_a_model_is_paused_also_where_nobody_may_look_whether_it_is_known(
    operator: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.bucket.forbidden.add(operator.bucket.uri("policies/fraud.json"))
    assert retraining("pause", "--scope", "model:fraud", *REASON) == 0

    def refused(_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    monkeypatch.setattr(operator.bucket, "read", refused)
    assert retraining("pause", "--scope", "model:fraud", *REASON) == 1
    assert WARNING not in " ".join(capsys.readouterr().out.split())
    assert paused(operator.world) == ["model:fraud"]


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:alarm"])
@pytest.mark.usefixtures("operator")
def test_status_names_the_command_that_lifts_a_switch(scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("pause", "--scope", scope, *REASON) == 0
    capsys.readouterr()

    assert retraining("status", "--check") == 1
    assert f"retraining resume --scope {scope} {HERE}" in commands_in(capsys.readouterr().out)


def test_a_restored_chain_that_is_paused_is_listed_with_the_command_that_lifts_it() -> None:
    chain = {"records": 1, "runs": 0, "open_runs": 0, "hash": "0", "findings": ["record 2 is missing."]}
    report = Report("history", [{**chain, "chain": name} for name in ("_loop", "_unattributed", "fraud")])
    report.chains.append({**chain, "chain": "whole", "findings": []})
    out = io.StringIO()

    _show(report, Place("retraining", "us-east-1"), Terminal(file=out))

    assert commands_in(out.getvalue()) == [
        f"retraining resume --scope {scope} --stack retraining --region us-east-1"
        for scope in ("global", "model:fraud")
    ]


# What people are told of something that a switch stopped.


def _decided(world: World, throw: Callable[[], object]) -> str:
    world.put("policies/fraud.json", stories.policy())
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    throw()
    handler.run_action(request(drift(model="fraud")), world.ports)
    return world.told("HOLD")[0].text()


def _queued(world: World, throw: Callable[[], object]) -> str:
    stories.decided(world)
    throw()
    stories.do(world, "park", kind="slot", token="slot")
    return world.told("TRAINING_QUEUED")[0].text()


def _refused_to_train(world: World, throw: Callable[[], object]) -> str:
    stories.with_slot(world)
    throw()
    stories.do(world, "train", token="training")
    stories.do(world, "close")
    return world.told("STOPPED")[0].text()


def _voted(world: World, throw: Callable[[], object]) -> str:
    stories.asked(world)
    throw()
    return str(stories.approve(world)["reason"])


def _shown(world: World, throw: Callable[[], object]) -> str:
    stories.asked(world)
    throw()
    return str(json.loads(answer(signed("GET"), world.ports)["body"])["notice"])


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
@pytest.mark.parametrize("told", [_decided, _queued, _refused_to_train, _voted, _shown])
def test_whatever_a_switch_stops_names_the_command_that_lifts_this_switch(
    told: Callable[[World, Callable[[], object]], str], scope: str, world: World
) -> None:
    thrown = KillSwitch(scope, "bo", "Incident 42", "2026-03-02T12:00:00+00:00")

    said = told(world, lambda: world.table.throw_switch(thrown))

    assert f"Paused ({scope}) by bo" in said
    command = f"retraining resume --scope {scope} --stack retraining --region us-east-1"
    assert said.count("retraining resume") == said.count(command) == 1


def test_a_run_whose_slots_are_taken_is_not_told_to_be_paused(world: World) -> None:
    stories.with_slot(world)
    churn = request(drift(dedupe_key="churn"), "run-2")
    assert handler.run_action(churn, world.ports)["decision"] == "RETRAIN"

    stories.do(world, "park", "run-2", kind="slot", token="slot-2")

    assert [one.sentence for one in world.told("TRAINING_QUEUED")] == [
        "All 1 training slot(s) are taken. The run is in the queue."
    ]
