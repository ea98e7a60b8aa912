"""What the entry point makes of AWS's errors."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError

from orchestration import handler, operator_handler, promotion_handler
from orchestration.composition import FirstUse, _config
from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.signals.decision_file import decision_uri
from tests.unit.fake_services import client_error
from tests.unit.fakes import MACHINE, TRAINING, World


def failing(error: Exception) -> Callable[..., dict[str, Any]]:
    def fails(*_: object) -> dict[str, Any]:
        raise error

    return fails


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException", status=400),
        client_error("SlowDown", status=503),
        client_error("InternalServerError", status=500),
        client_error("Unknown", status=429),
        client_error("TransactionConflictException", status=400),
        client_error("TransactionInProgressException", status=400),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
    ],
)
def test_an_error_that_may_be_gone_at_the_next_try_has_the_name_the_workflow_retries(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("orchestration.actions.sweep.sweep", failing(error))

    with pytest.raises(TransientServiceError, match=type(error).__name__):
        handler.run_action({"action": "sweep"}, cast("Any", None))


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDenied", status=403),
        client_error("ValidationException", status=400),
        ParamValidationError(report="x"),
    ],
)
def test_an_error_that_stays_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr("orchestration.actions.sweep.sweep", failing(error))

    with pytest.raises(type(error)):
        handler.run_action({"action": "sweep"}, cast("Any", None))


def test_the_test_event_of_the_weekly_workflow_is_told_what_the_decision_file_says_and_nothing_is_written(
    world: World,
) -> None:
    uri = decision_uri(world.ports.settings)
    with pytest.raises(InvalidRequestError, match="There is no decision file at"):
        handler.run_action({}, world.ports)
    for word in ("YES", "NO"):
        world.bucket.put(uri, f"retraining_required\n{word.lower()}\n".encode())
        objects, items = dict(world.bucket.objects), dict(world.database.items)
        assert handler.run_action({}, world.ports) == {"retraining_required": word}
        assert (world.bucket.objects, world.database.items) == (objects, items)
    world.bucket.put(uri, b"retraining_required\nmaybe\n")
    with pytest.raises(InvalidRequestError, match="Write YES or NO"):
        handler.run_action({}, world.ports)


@pytest.mark.parametrize(
    "where",
    sorted({**handler.ACTIONS, **promotion_handler.ACTIONS}.values()) + sorted(operator_handler.ACTIONS.values()),
)
def test_each_action_is_where_it_is_said_to_be(where: str) -> None:
    action = pkgutil.resolve_name(where)
    assert len(inspect.signature(action).parameters) == 2


def test_an_unknown_action_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidRequestError, match="Known actions: admit"):
        handler.run_action({"action": "train"}, cast("Any", None))


@pytest.mark.parametrize("entry", [handler, promotion_handler])
def test_each_function_takes_only_its_own_actions(entry: Any) -> None:
    others = (handler.ACTIONS.keys() | promotion_handler.ACTIONS.keys()) - entry.ACTIONS.keys()
    assert others
    for action in others:
        with pytest.raises(InvalidRequestError, match="There is no action"):
            entry.run_action({"action": action}, cast("Any", None))


@pytest.mark.parametrize("request_", [None, [], "admit", {"action": None}, {"detail-type": "Object Deleted"}])
def test_a_request_that_names_no_action_is_refused(request_: Any) -> None:
    for entry in (handler, promotion_handler):
        with pytest.raises(InvalidRequestError, match="There is no action"):
            entry.run_action(request_, cast("Any", None))


@pytest.mark.parametrize(
    "request_",
    [
        {"action": "resume", "detail-type": []},
        {"action": "resume", "kind": "approval", "run_id": "r", "by": "ana", "decision": []},
        {"action": "resume", "kind": "approval", "run_id": "r", "by": "ana", "decision": "APPROVED", "subject": {}},
        {"action": "pause", "scope": {"a": 1}, "by": "ana", "reason": "x"},
        {"action": ["x" * 5_000]},
    ],
)
def test_lists_and_objects_where_a_word_belongs_are_refused_with_a_sentence(request_: Any, world: World) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        handler.run_action(request_, world.ports)
    assert len(str(refused.value)) < 500


def test_a_store_that_could_not_be_made_is_made_at_the_next_call_and_one_that_was_made_is_kept() -> None:
    """A function lives for hours after its first call."""
    answers = [client_error("ThrottlingException"), World().table]

    def make() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    store = FirstUse(make)
    with pytest.raises(ClientError, match="ThrottlingException"):
        store.listed()
    assert (store.listed(), store.listed()) == ({}, {})


@pytest.mark.parametrize("ahead", ["600", 1e308, -5, "soon", None, [], float("inf"), float("nan")])
def test_a_sweep_looks_ahead_by_a_number_of_seconds_and_a_week_at_most(ahead: Any, world: World) -> None:
    assert handler.run_action({"action": "sweep", "ahead_seconds": ahead}, world.ports)["failures"] == 0


@pytest.mark.parametrize(
    ("detail_type", "detail", "action"),
    [
        ("SageMaker Endpoint State Change", {}, "resume"),
        ("SageMaker Model Building Pipeline Execution Status Change", {}, "resume"),
        ("SageMaker Training Job State Change", {}, "resume"),
        ("CloudWatch Alarm State Change", {}, "resume"),
        ("Step Functions Execution Status Change", {"stateMachineArn": TRAINING}, "resume"),
        ("Step Functions Execution Status Change", {"stateMachineArn": MACHINE}, "settle"),
    ],
)
def test_an_event_is_routed_by_what_it_is_about(
    monkeypatch: pytest.MonkeyPatch, world: World, detail_type: str, detail: dict[str, Any], action: str
) -> None:
    monkeypatch.setattr("orchestration.actions.resume.resume", lambda _event, _ports: {"routed": "resume"})
    monkeypatch.setattr("orchestration.actions.settle.settle", lambda _event, _ports: {"routed": "settle"})

    assert handler.run_action({"detail-type": detail_type, "detail": detail}, world.ports) == {"routed": action}


def test_calls_say_that_the_loop_makes_them() -> None:
    """CloudTrail keeps what a call says of itself as its userAgent."""
    said: Any = _config()
    assert said.user_agent.startswith("retraining-loop Botocore/")
