"""The bake: what is judged about a candidate that serves, when it is over, and what an endpoint update came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.domain.bake import AlarmWatch, BakeState, BakeVerdict, bake_result, judge_bake, returned_drift
from orchestration.domain.contracts import Status
from orchestration.domain.kept_request import KeptRollback
from orchestration.domain.results import promotion_result, rollback_result
from orchestration.domain.switches import KillSwitch

SINCE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SERVES = {"EndpointStatus": "InService", "EndpointConfigName": "new"}
BACK = {"EndpointStatus": "InService", "EndpointConfigName": "old"}
QUIET = AlarmWatch("a", "OK")
SILENT = AlarmWatch("a", "INSUFFICIENT_DATA")
SWITCH = KillSwitch("global", "ana", "Incident 7.", "2026-03-02")
DRIFT = {"drift": {"kind": "drift", "summary": "psi is 0.4 against 0.2."}, "drift_sequence": 8}


def judged(described: dict[str, Any] | None = SERVES, *alarms: AlarmWatch, **more: Any) -> BakeVerdict:
    given: dict[str, Any] = {"pending": None, "switch": None, "rollback": None, **more}
    return judge_bake(
        described,
        endpoint="fraud-prod",
        wanted_config="new",
        previous_config="old",
        alarms=alarms,
        sequence=7,
        since=SINCE,
        **given,
    )


# A look.


@pytest.mark.parametrize("alarms", [(), (QUIET,), (QUIET, AlarmWatch("b", "OK"))])
def test_a_candidate_that_serves_beside_quiet_alarms_is_healthy(alarms: tuple[AlarmWatch, ...]) -> None:
    assert judged(SERVES, *alarms).state is BakeState.HEALTHY


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_that_failed_under_the_candidate_is_unhealthy(status: str) -> None:
    assert judged({**SERVES, "EndpointStatus": status}).state is BakeState.UNHEALTHY


def test_an_endpoint_that_is_gone_or_failed_is_unhealthy_and_called_that() -> None:
    assert judged(None) == BakeVerdict(BakeState.UNHEALTHY, "Endpoint fraud-prod is gone after its promotion.")
    failed = judged({**SERVES, "EndpointStatus": "Failed"})
    assert failed.reason == "Endpoint fraud-prod is Failed after its promotion."


def test_an_endpoint_that_moves_to_what_it_serves_is_judged() -> None:
    assert judged({**SERVES, "PendingDeploymentSummary": {"EndpointConfigName": "new"}}).state is BakeState.HEALTHY


def test_the_last_time_an_alarm_rang_is_told_to_the_second() -> None:
    times = (SINCE.replace(minute=5, microsecond=7), SINCE.replace(minute=9, microsecond=7))
    assert judged(SERVES, AlarmWatch("a", "OK", times)).reason.endswith("at 2026-03-02T12:09:00+00:00.")


@pytest.mark.parametrize(
    "alarm",
    [
        AlarmWatch("a", None),
        AlarmWatch("a", "ALARM"),
        AlarmWatch("a", "OK", (SINCE,)),
        AlarmWatch("a", "ALARM", (SINCE,)),
    ],
    ids=["does not exist", "is in alarm", "was in alarm", "is and was"],
)
def test_an_alarm_that_is_gone_rings_or_rang_speaks_against_the_candidate(alarm: AlarmWatch) -> None:
    verdict = judged(SERVES, QUIET, alarm)
    assert verdict.state is BakeState.UNHEALTHY
    assert "Alarm a" in verdict.reason


def test_a_champion_that_serves_was_sagemakers_own_rollback() -> None:
    ringing = AlarmWatch("a", "ALARM")
    verdict = judged(BACK, ringing, switch=SWITCH, pending=DRIFT)
    assert verdict.state is BakeState.ROLLED_BACK
    assert verdict.reason.endswith("config old: it was rolled back.")


@pytest.mark.parametrize("pending", ["old", "hotfix"])
def test_a_move_that_may_still_fail_says_nothing_until_it_is_over(pending: str) -> None:
    moving = {**SERVES, "PendingDeploymentSummary": {"EndpointConfigName": pending}}
    assert judged(moving, AlarmWatch("a", "ALARM"), switch=SWITCH).state is BakeState.MOVING
    assert said(BakeState.MOVING, ended=True, extended=True) is None


def test_somebody_elses_deployment_is_not_judged_and_not_taken_away() -> None:
    described = {**SERVES, "EndpointConfigName": "hotfix"}
    assert judged(described, AlarmWatch("a", "ALARM"), switch=SWITCH).state is BakeState.SUPERSEDED


def test_a_kill_switch_in_a_bake_stops_it_with_the_switchs_reason() -> None:
    verdict = judged(SERVES, QUIET, switch=SWITCH)
    assert verdict.state is BakeState.STOPPED
    assert "Incident 7." in verdict.reason


def test_an_alarm_without_data_leaves_the_bake_inconclusive_and_is_named() -> None:
    verdict = judged(SERVES, QUIET, SILENT)
    assert verdict.state is BakeState.INCONCLUSIVE
    assert "a had no data" in verdict.reason


def test_an_alarm_that_rings_is_not_hidden_by_a_silent_one_before_it() -> None:
    assert judged(SERVES, SILENT, AlarmWatch("b", "ALARM")).state is BakeState.UNHEALTHY


def test_drift_that_came_back_is_not_hidden_by_a_silent_alarm() -> None:
    assert judged(SERVES, SILENT, pending=DRIFT).state is BakeState.UNHEALTHY


def test_a_candidate_whose_config_is_the_champions_is_judged_and_not_taken_for_rolled_back() -> None:
    verdict = judge_bake(
        BACK,
        endpoint="fraud-prod",
        wanted_config="old",
        previous_config="old",
        alarms=(),
        pending=None,
        sequence=7,
        since=SINCE,
        switch=None,
        rollback=None,
    )
    assert verdict.state is BakeState.HEALTHY


ASKED_BACK = KeptRollback("run-1", "fraud", "chargebacks doubled", "ana", SINCE.isoformat())


def test_a_candidate_an_operator_wants_back_is_unhealthy_in_their_words_even_under_a_switch() -> None:
    for switch in (None, SWITCH):
        verdict = judged(SERVES, QUIET, rollback=ASKED_BACK, switch=switch)
        assert verdict == BakeVerdict(BakeState.UNHEALTHY, 'ana asked for the champion: "chargebacks doubled".')


def test_what_others_deployed_is_not_taken_back_for_an_operator() -> None:
    foreign = {**SERVES, "EndpointConfigName": "hotfix"}
    assert judged(foreign, rollback=ASKED_BACK).state is BakeState.SUPERSEDED
    assert judged(BACK, rollback=ASKED_BACK).state is BakeState.ROLLED_BACK


# Drift, in the order of the model's chain.


@pytest.mark.parametrize("place", [8, 9, 500])
def test_drift_decided_after_the_promotion_speaks_against_the_candidate(place: int) -> None:
    verdict = judged(SERVES, QUIET, pending={**DRIFT, "drift_sequence": place})
    assert verdict.state is BakeState.UNHEALTHY
    assert "psi is 0.4 against 0.2." in verdict.reason


@pytest.mark.parametrize("place", [7, 1, None, "8"])
def test_drift_decided_before_the_promotion_or_nobody_knows_when_is_the_champions(place: Any) -> None:
    assert judged(SERVES, QUIET, pending={**DRIFT, "drift_sequence": place}).state is BakeState.HEALTHY


@pytest.mark.parametrize("observed", [None, "", "yesterday", "2026-03-02T11:00:00Z", "2026-03-02T11:59:59+00:00"])
def test_drift_counts_by_its_place_in_the_chain_whatever_the_senders_clock_said(observed: str | None) -> None:
    """A clock that is behind, or an event without a time, hides nothing."""
    pending = {"drift": {**DRIFT["drift"], "observed_at": observed}, "drift_sequence": 8}  # type: ignore[dict-item] # a dict
    assert returned_drift(pending, 7, SINCE) is not None


@pytest.mark.parametrize(
    ("window_end", "counts"),
    [
        ("2026-03-02T12:00:00Z", False),
        ("2026-03-02T11:00:00Z", False),
        ("2026-03-02T12:00:01Z", True),
        ("2026-03-02T13:00:30+01:00", True),
        ("2026-03-02T12:30:00", True),
        ("later", True),
        (None, True),
    ],
)
def test_a_window_that_ended_before_the_promotion_is_the_champions_traffic(
    window_end: str | None, counts: bool
) -> None:
    pending = {"drift": {"kind": "drift", "dataset": {"window_end": window_end}}, "drift_sequence": 8}
    assert (returned_drift(pending, 7, SINCE) is not None) is counts


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("drift", True), ("kpi", True), ("data_quality", False), ("request", False), ("monitor_failure", False)],
)
def test_only_drift_and_indicators_speak_against_a_candidate(kind: str, counts: bool) -> None:
    assert (returned_drift({"drift": {"kind": kind}, "drift_sequence": 8}, 7, SINCE) is not None) is counts


def test_what_waits_without_drift_says_nothing() -> None:
    assert returned_drift(None, 7, SINCE) is None
    assert returned_drift({"count": 1}, 7, SINCE) is None


# What a look comes to.


def said(state: BakeState, **more: Any) -> tuple[str, str | None] | None:
    given: dict[str, Any] = {"ended": False, "extended": False, "inconclusive": "ask", **more}
    found = bake_result(BakeVerdict(state, "why"), **given)
    return None if found is None else (found.next, found.outcome)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (BakeState.UNHEALTHY, ("roll_back", Status.ROLLED_BACK)),
        (BakeState.STOPPED, ("roll_back", Status.STOPPED)),
        (BakeState.ROLLED_BACK, ("finish", Status.ROLLED_BACK)),
        (BakeState.SUPERSEDED, ("record", Status.SUPERSEDED)),
    ],
)
def test_what_speaks_against_a_candidate_ends_its_bake_at_once(
    state: BakeState, expected: tuple[str, Status], ended: bool
) -> None:
    assert said(state, ended=ended) == expected


def test_a_healthy_candidate_is_promoted_at_the_end_of_its_bake_and_not_before() -> None:
    assert said(BakeState.HEALTHY) is None
    assert said(BakeState.HEALTHY, ended=True) == ("finish", Status.PROMOTED)


@pytest.mark.parametrize("inconclusive", ["ask", "promote", "roll_back"])
@pytest.mark.parametrize(("ended", "extended"), [(False, False), (True, False), (False, True)])
def test_silence_is_given_more_time_once_whatever_the_policy_says(
    inconclusive: str, ended: bool, extended: bool
) -> None:
    assert said(BakeState.INCONCLUSIVE, ended=ended, extended=extended, inconclusive=inconclusive) is None


@pytest.mark.parametrize(
    ("inconclusive", "expected"),
    [
        ("ask", ("ask", None)),
        ("promote", ("finish", Status.PROMOTED)),
        ("roll_back", ("roll_back", Status.ROLLED_BACK)),
        ("anything else", ("ask", None)),
    ],
)
def test_silence_to_the_end_is_what_the_policy_makes_of_it(inconclusive: str, expected: tuple[str, Any]) -> None:
    assert said(BakeState.INCONCLUSIVE, ended=True, extended=True, inconclusive=inconclusive) == expected


# What an update came to.


def endpoint(status: str, live: str, pending: str | None = None) -> dict[str, Any]:
    shown = {"EndpointStatus": status, "EndpointConfigName": live}
    return {**shown, "PendingDeploymentSummary": {"EndpointConfigName": pending}} if pending else shown


PROMOTIONS: list[tuple[dict[str, Any] | None, tuple[str, Status | None] | None]] = [
    (endpoint("InService", "new"), ("bake", None)),
    (endpoint("InService", "old"), ("finish", Status.ROLLED_BACK)),
    (endpoint("Failed", "old"), ("roll_back", Status.ROLLED_BACK)),
    (endpoint("OutOfService", "new"), ("roll_back", Status.ROLLED_BACK)),
    (endpoint("UpdateRollbackFailed", "new"), ("roll_back", Status.ROLLED_BACK)),
    (endpoint("Updating", "old", "new"), None),
    (endpoint("RollingBack", "new"), None),
    (endpoint("SystemUpdating", "new"), None),
    (endpoint("InService", "new", "new"), None),
    (endpoint("InService", "hotfix"), ("record", Status.SUPERSEDED)),
    (endpoint("Updating", "old", "hotfix"), None),
    (endpoint("Updating", "new", "hotfix"), None),
    (None, ("roll_back", Status.ROLLED_BACK)),
]


@pytest.mark.parametrize(("described", "expected"), PROMOTIONS)
def test_an_update_came_to_what_its_endpoint_shows(
    described: dict[str, Any] | None, expected: tuple[str, Status | None] | None
) -> None:
    found = promotion_result(described, name="fraud-prod", previous="old", wanted="new", certain=True)
    assert (found and (found.next, found.outcome)) == expected


@pytest.mark.parametrize("live", ["old", "hotfix"])
def test_no_other_config_is_a_verdict_while_the_update_may_still_be_asked_for_or_not_show_yet(live: str) -> None:
    seen = endpoint("InService", live)
    assert promotion_result(seen, name="fraud-prod", previous="old", wanted="new", certain=False) is None
    found = promotion_result(
        endpoint("InService", "new"), name="fraud-prod", previous="old", wanted="new", certain=False
    )
    assert found is not None
    assert found.next == "bake"


@pytest.mark.parametrize(
    ("described", "certain", "expected"),
    [
        (endpoint("InService", "old"), True, ("finish", Status.STOPPED)),
        (endpoint("InService", "old"), False, None),
        (endpoint("InService", "new"), True, ("finish", Status.ROLLBACK_FAILED)),
        (endpoint("InService", "new"), False, None),
        (endpoint("Updating", "new", "old"), True, None),
        (endpoint("InService", "new", "old"), True, None),
        (endpoint("RollingBack", "new"), True, None),
        (endpoint("Failed", "new"), True, ("finish", Status.ROLLBACK_FAILED)),
        (endpoint("InService", "hotfix"), False, ("finish", Status.SUPERSEDED)),
        (None, False, ("finish", Status.ROLLBACK_FAILED)),
    ],
)
def test_going_back_came_to_what_its_endpoint_shows(
    described: dict[str, Any] | None, certain: bool, expected: tuple[str, Status] | None
) -> None:
    found = rollback_result(
        described, name="fraud-prod", previous="old", wanted="new", outcome=Status.STOPPED, certain=certain
    )
    assert (found and (found.next, found.outcome)) == expected


def test_what_sagemaker_says_of_a_failure_is_told() -> None:
    why = {"FailureReason": "no capacity in us-east-1b"}
    names: dict[str, Any] = {"name": "fraud-prod", "previous": "old", "wanted": "new", "certain": True}
    failed, back = endpoint("Failed", "old") | why, endpoint("InService", "old") | why
    told = [
        promotion_result(failed, **names),
        promotion_result(back, **names),
        rollback_result(failed, outcome=Status.STOPPED, **names),
        rollback_result(endpoint("InService", "new") | why, outcome=Status.STOPPED, **names),
    ]
    assert all("no capacity in us-east-1b" in str(found and found.reason) for found in told)
    assert "no capacity in us-east-1b" in judged(BACK | why).reason
    assert "InService" not in judged(None).reason


def test_what_sagemaker_does_not_explain_is_told_as_that() -> None:
    names: dict[str, Any] = {"name": "fraud-prod", "previous": "old", "wanted": "new", "certain": True}
    failed, back = endpoint("Failed", "old"), endpoint("InService", "old")
    told = [
        promotion_result(failed, **names),
        promotion_result(back, **names),
        rollback_result(failed, outcome=Status.STOPPED, **names),
    ]
    assert [str(found and found.reason).rsplit(": ")[-1] for found in told] == [
        "no reason given.",
        "the update did not take effect or was rolled back by SageMaker.",
        "no reason given.",
    ]
