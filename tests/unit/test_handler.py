"""What the entry point makes of AWS's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError

from orchestration import handler
from orchestration.domain.errors import InvalidRequestError, TransientServiceError


def client_error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetItem")


def failing(error: Exception) -> Callable[..., dict[str, Any]]:
    def fails(*_: object) -> dict[str, Any]:
        raise error

    return fails


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException", 400),
        client_error("SlowDown", 503),
        client_error("InternalServerError", 500),
        client_error("Unknown", 429),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
    ],
)
def test_an_error_that_may_be_gone_at_the_next_try_has_the_name_the_workflow_retries(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setitem(handler.ACTIONS, "sweep", failing(error))

    with pytest.raises(TransientServiceError, match=type(error).__name__):
        handler.run_action({"action": "sweep"}, cast("Any", None))


@pytest.mark.parametrize(
    "error",
    [client_error("AccessDenied", 403), client_error("ValidationException", 400), ParamValidationError(report="x")],
)
def test_an_error_that_stays_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setitem(handler.ACTIONS, "sweep", failing(error))

    with pytest.raises(type(error)):
        handler.run_action({"action": "sweep"}, cast("Any", None))


def test_an_unknown_action_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidRequestError, match="Known actions: admit"):
        handler.run_action({"action": "train"}, cast("Any", None))
