"""Which errors of AWS may be gone at the next try, and what AWS makes of a request to change something."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from orchestration.stores.sagemaker_reading import SageMaker
from orchestration.stores.service_answers import Answer, asked
from orchestration.stores.service_errors import COMES_AGAIN, transient
from tests.unit.fake_services import client_error
from tests.unit.fakes import World

AT = {"endpoint_url": "https://aws"}


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ReadTimeoutError(**AT), True),
        (ConnectTimeoutError(**AT), True),
        (EndpointConnectionError(**AT), True),
        (ResponseStreamingError(error="reset"), True),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (FlexibleChecksumError(error_msg="other"), True),
        (NoCredentialsError(), False),
        (ParamValidationError(report="no"), False),
        (client_error("InternalError", status=500), True),
        (client_error("ServiceUnavailable", status=503), True),
        (client_error("Whatever", status=429), True),
        (client_error("AccessDeniedException", status=403), False),
        (client_error("ValidationException"), False),
        *((client_error(code), True) for code in sorted(COMES_AGAIN)),
    ],
    ids=repr,
)
def test_an_error_passes_when_another_try_may_go_well(error: BotoCoreError | ClientError, passes: bool) -> None:
    assert transient(error) is passes


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (client_error("ResourceLimitExceeded", "account limit"), Answer.NOT_YET),
        (client_error("ConflictException", "another change"), Answer.NOT_YET),
        (client_error("ThrottlingException", "Rate exceeded"), Answer.NOT_YET),
        (client_error("ValidationException", 'Could not find model "m".'), Answer.NOT_YET),
        (client_error("ValidationException", 'Cannot update in-progress endpoint "e".'), Answer.NOT_YET),
        (client_error("ValidationException", 'Cannot create already existing model "m".'), Answer.EXISTS),
        (client_error("ResourceInUse", "Job name must be unique"), Answer.EXISTS),
        (client_error("ExecutionAlreadyExists", "Execution Already Exists"), Answer.EXISTS),
        (client_error("ValidationException", "instance type is not supported"), Answer.REFUSED),
        (client_error("AccessDeniedException", "not found or not yours", status=403), Answer.REFUSED),
        (ReadTimeoutError(**AT), Answer.NOT_YET),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Answer.NOT_YET),
        (ParamValidationError(report="no"), Answer.REFUSED),
    ],
    ids=repr,
)
def test_a_request_is_refused_for_good_only_when_it_will_never_be_taken(error: Exception, answer: Answer) -> None:
    def call() -> Any:
        raise error

    taken = asked(call, "Change")
    assert taken.answer is answer
    assert taken.sentence.startswith("Change")


def test_what_a_request_that_was_taken_returned_is_kept() -> None:
    taken = asked(lambda: {"Arn": "arn"}, "Change")
    assert (taken.answer, taken.returned) == (Answer.TAKEN, {"Arn": "arn"})


# What is not there is a value.


@pytest.mark.parametrize(
    ("error", "there"),
    [
        (client_error("ValidationException", 'Could not find endpoint "e".'), False),
        (client_error("ValidationException", 'Endpoint "e" not found.'), False),
        (client_error("ValidationException", 'ModelPackage "m" does not exist.'), False),
        (client_error("ResourceNotFound", "Requested resource."), False),
        (client_error("ResourceNotFoundException", "Requested resource."), False),
        (client_error("ValidationException", "Invalid name."), True),
        (client_error("AccessDeniedException", "not found or not yours", status=403), True),
        (client_error("ThrottlingException", "Rate exceeded"), True),
    ],
    ids=repr,
)
def test_what_sagemaker_does_not_find_is_none_and_what_it_does_not_say_an_error(
    error: ClientError, there: bool
) -> None:
    class Refusing:
        def describe_endpoint(self, **_: str) -> Any:
            raise error

    client: Any = Refusing()
    if there:
        with pytest.raises(ClientError):
            SageMaker(client).endpoint("e")
    else:
        assert SageMaker(client).endpoint("e") is None


# What is over needs no stop, and is no error.


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        ("stop_training_job", client_error("ValidationException", "The request was rejected")),
        ("stop_training_job", client_error("ResourceNotFound", "Requested resource not found.")),
        ("stop_pipeline_execution", client_error("ConflictException", "It is over.")),
        ("stop_pipeline_execution", client_error("ValidationException", "It is over.")),
    ],
    ids=repr,
)
def test_a_stop_of_what_is_over_or_never_was_is_no_error(stop: str, error: ClientError) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Any:
            assert name == stop
            return self._refuse

        def _refuse(self, **_: str) -> Any:
            raise error

    client: Any = Refusing()
    more = {"stop_training_job": ("retraining-1",), "stop_pipeline_execution": ("arn", "token")}[stop]
    assert getattr(SageMaker(client), stop)(*more) is False


def test_an_execution_that_never_was_needs_no_stop(world: World) -> None:
    world.ports.executions.stop("arn:aws:states:us-east-1:111122223333:execution:t:never", "RunStopped", "It ended.")
