"""The fence: every rule that may stop a run, each by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestration.domain.contracts import Next, Status
from orchestration.domain.fence import (
    EndpointSight,
    RunSight,
    changed_versions,
    closed,
    foreign_deployment,
    policy_changed,
    refuse,
)
from orchestration.domain.switches import KillSwitch, paused_sentence, scopes_over

CLEAR = RunSight(
    run_id="run-1",
    model="churn",
    sources=("alarm",),
    execution_arn="arn:run-1",
    own_execution_arn="arn:run-1",
    outcome=None,
    active_run_id="run-1",
    switches=(),
    pinned_sha256="a" * 64,
    policy_sha256="a" * 64,
    shadow=False,
)
SERVES = EndpointSight("old", None, "InService")


def switch(scope: str) -> KillSwitch:
    return KillSwitch(scope, "ana", "Incident 7.", "2026-03-02")


def foreign(sight: EndpointSight) -> Status | None:
    refusal = foreign_deployment(sight, name="fraud-prod", previous="old", wanted="new")
    return refusal.outcome if refusal else None


def test_a_run_that_nothing_speaks_against_goes_on() -> None:
    assert closed(CLEAR) is None
    assert refuse(CLEAR) is None
    assert not policy_changed(CLEAR)


@pytest.mark.parametrize("judge", [closed, refuse])
def test_a_run_with_an_outcome_is_not_taken_up_again_and_keeps_it(judge: Any) -> None:
    refusal = judge(replace(CLEAR, outcome="PROMOTED"))
    assert (refusal.outcome, refusal.go) == (None, Next.RECORD)
    assert "has its outcome PROMOTED" in refusal.reason


@pytest.mark.parametrize("judge", [closed, refuse])
def test_an_execution_that_is_not_the_runs_own_changes_nothing(judge: Any) -> None:
    refusal = judge(replace(CLEAR, execution_arn="arn:other"))
    assert refusal.outcome is None
    assert "belongs to another execution" in refusal.reason


@pytest.mark.parametrize("active", ["run-2", None])
def test_a_run_that_is_not_its_models_any_more_is_superseded(active: str | None) -> None:
    refusal = refuse(replace(CLEAR, active_run_id=active))
    assert refusal is not None
    assert refusal.outcome is Status.SUPERSEDED
    assert f"{active or 'none'} is" in refusal.reason


@pytest.mark.parametrize("scope", ["global", "model:churn", "source:alarm"])
def test_a_switch_over_the_loop_the_model_or_the_source_stops_a_run_with_its_reason(scope: str) -> None:
    refusal = refuse(replace(CLEAR, switches=(switch(scope),)))
    assert refusal is not None
    assert refusal.outcome is Status.STOPPED
    assert f"Paused ({scope}) by ana" in refusal.reason
    assert "Incident 7." in refusal.reason


@pytest.mark.parametrize("scope", ["model:fraud", "source:drift_report", "model:chur", "source:churn"])
def test_a_switch_over_something_else_stops_nothing(scope: str) -> None:
    assert refuse(replace(CLEAR, switches=(switch(scope),))) is None


def test_a_signal_without_a_source_is_stopped_by_no_sources_switch() -> None:
    assert scopes_over("churn", None, "", "alarm") == ("global", "model:churn", "source:alarm")


@pytest.mark.parametrize(("reason", "told"), [("Migration", "Migration."), ("Why?", "Why?"), ("Now!", "Now!")])
def test_the_reason_of_a_switch_is_told_as_a_sentence(reason: str, told: str) -> None:
    sentence = paused_sentence(replace(switch("global"), reason=reason))
    assert sentence == f"Paused (global) by ana since 2026-03-02 00:00 UTC: {told}"
    assert " since spring: " in paused_sentence(replace(switch("global"), since="spring"))


def test_a_run_whose_policy_was_deleted_is_stopped() -> None:
    refusal = refuse(replace(CLEAR, policy_sha256=None))
    assert refusal is not None
    assert (refusal.outcome, refusal.again) == (Status.STOPPED, False)
    assert "was deleted" in refusal.reason


def test_a_run_of_a_model_in_shadow_mode_is_stopped() -> None:
    refusal = refuse(replace(CLEAR, shadow=True))
    assert refusal is not None
    assert refusal.outcome is Status.STOPPED
    assert "shadow mode" in refusal.reason


def test_that_the_run_is_over_is_said_before_anything_that_would_give_it_an_outcome() -> None:
    everything = replace(
        CLEAR, outcome="PROMOTED", active_run_id="run-2", switches=(switch("global"),), policy_sha256=None, shadow=True
    )
    refusal = refuse(everything)
    assert refusal is not None
    assert refusal.outcome is None


def test_a_changed_policy_alone_refuses_nothing_here() -> None:
    assert refuse(replace(CLEAR, policy_sha256="b" * 64)) is None


@pytest.mark.parametrize(
    ("pinned", "now", "changed"),
    [("a", "a", False), ("a", "b", True), ("a", None, True), (None, "a", True), (None, None, True)],
)
def test_a_policy_is_unchanged_only_when_both_are_known_and_the_same(
    pinned: str | None, now: str | None, changed: bool
) -> None:
    assert policy_changed(replace(CLEAR, pinned_sha256=pinned, policy_sha256=now)) is changed


# Endpoints.


def test_an_endpoint_during_an_update_is_seen_with_both_configs() -> None:
    described: dict[str, object] = {
        "EndpointConfigName": "old",
        "EndpointStatus": "Updating",
        "PendingDeploymentSummary": {"EndpointConfigName": "new"},
    }
    assert EndpointSight.of(described) == EndpointSight("old", "new", "Updating")


@pytest.mark.parametrize("described", [None, {}, {"PendingDeploymentSummary": None, "EndpointConfigName": ""}])
def test_an_endpoint_that_is_gone_shows_nothing(described: dict[str, object] | None) -> None:
    assert EndpointSight.of(described) == EndpointSight(None, None, None)


@pytest.mark.parametrize(
    "sight",
    [SERVES, EndpointSight("new", None, "InService"), EndpointSight("old", "new", "Updating")],
)
def test_champion_and_candidate_are_no_foreign_deployment(sight: EndpointSight) -> None:
    assert foreign(sight) is None


def test_an_endpoint_that_serves_somebody_elses_config_supersedes_the_run() -> None:
    assert foreign(EndpointSight("hotfix", None, "InService")) is Status.SUPERSEDED


def test_an_endpoint_that_moves_to_somebody_elses_config_supersedes_the_run() -> None:
    assert foreign(EndpointSight("old", "hotfix", "Updating")) is Status.SUPERSEDED


@pytest.mark.parametrize(
    ("sight", "does"),
    [
        (EndpointSight("hotfix", None, "InService"), "fraud-prod serves config hotfix, not old"),
        (EndpointSight("old", "hotfix", "Updating"), "fraud-prod is moving to config hotfix, not old"),
    ],
)
def test_a_foreign_deployment_is_told_as_one_that_is_there_or_on_its_way(sight: EndpointSight, does: str) -> None:
    refusal = foreign_deployment(sight, name="fraud-prod", previous="old", wanted="new")
    assert refusal is not None
    assert does in refusal.reason


def test_an_endpoint_that_is_gone_fails_the_run() -> None:
    assert foreign(EndpointSight(None, None, None)) is Status.FAILED


# What was judged.


def test_what_is_as_it_was_judged_may_serve() -> None:
    assert (
        changed_versions({"s3://b/model": "1", "s3://b/report": "2"}, {"s3://b/model": "1", "s3://b/report": "2"})
        is None
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"s3://b/model": "9", "s3://b/report": "2"}, "s3://b/model was written again"),
        ({"s3://b/model": "1", "s3://b/report": "9"}, "s3://b/report was written again"),
        ({"s3://b/model": "1", "s3://b/report": None}, "s3://b/report cannot be looked at any more"),
        ({"s3://b/model": "1"}, "s3://b/report cannot be looked at any more"),
    ],
)
def test_what_was_written_again_or_is_gone_since_it_was_judged_never_serves(
    seen: dict[str, str | None], words: str
) -> None:
    refusal = changed_versions({"s3://b/model": "1", "s3://b/report": "2"}, seen)
    assert refusal is not None
    assert refusal.outcome is Status.SUPERSEDED
    assert words in refusal.reason
