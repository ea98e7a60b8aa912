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
from orchestration.stores.service_errors import COMMON, Meaning, transient
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
        *((client_error(code), means is Meaning.AGAIN) for code, means in sorted(COMMON.items())),
    ],
    ids=repr,
)
def test_an_error_passes_when_another_try_may_go_well(error: BotoCoreError | ClientError, passes: bool) -> None:
    assert transient(error) is passes


THERE = 'Could not find model "m".'


@pytest.mark.parametrize(
    ("operation", "error", "answer"),
    [
        ("CreateTrainingJob", client_error("ResourceLimitExceeded", "account limit"), Answer.QUOTA),
        ("StartPipelineExecution", client_error("ResourceLimitExceeded", "account limit"), Answer.QUOTA),
        ("StartExecution", client_error("ExecutionLimitExceeded", "too many"), Answer.QUOTA),
        ("StartPipelineExecution", client_error("ConflictException", "another change"), Answer.NOT_YET),
        ("UpdateModelPackage", client_error("ConflictException", "another change"), Answer.NOT_YET),
        ("CreateModel", client_error("ThrottlingException", "Rate exceeded"), Answer.NOT_YET),
        ("CreateModel", client_error("ValidationException", "Could not find model package."), Answer.LATE),
        ("CreateEndpointConfig", client_error("ValidationException", THERE), Answer.LATE),
        ("UpdateEndpoint", client_error("ValidationException", "Endpoint configuration not found"), Answer.LATE),
        ("UpdateModelPackage", client_error("ValidationException", "ModelPackage does not exist"), Answer.LATE),
        # What a policy names is there, or it is not.
        ("CreateTrainingJob", client_error("ValidationException", THERE), Answer.REFUSED),
        ("StartPipelineExecution", client_error("ResourceNotFound", "Pipeline does not exist"), Answer.REFUSED),
        ("StartExecution", client_error("StateMachineDoesNotExist", "does not exist"), Answer.REFUSED),
        ("UpdateEndpoint", client_error("ValidationException", "Cannot update in-progress endpoint"), Answer.NOT_YET),
        ("CreateModel", client_error("ValidationException", "Cannot create already existing model"), Answer.EXISTS),
        ("CreateTrainingJob", client_error("ResourceInUse", "Job name must be unique"), Answer.EXISTS),
        ("StartExecution", client_error("ExecutionAlreadyExists", "Execution Already Exists"), Answer.EXISTS),
        ("CreateModel", client_error("ValidationException", "instance type is not supported"), Answer.REFUSED),
        ("CreateModel", client_error("AccessDeniedException", "not found or not yours", status=403), Answer.REFUSED),
        ("CreateModel", client_error("ValidationException", "no words of ours", status=503), Answer.NOT_YET),
        ("CreateModel", ReadTimeoutError(**AT), Answer.NOT_YET),
        ("CreateModel", IncompleteReadError(actual_bytes=1, expected_bytes=2), Answer.NOT_YET),
        ("CreateModel", ParamValidationError(report="no"), Answer.REFUSED),
    ],
    ids=repr,
)
def test_a_request_is_refused_for_good_only_when_it_will_never_be_taken(
    operation: str, error: Exception, answer: Answer
) -> None:
    def call() -> Any:
        raise error

    taken = asked(call, operation)
    assert taken.answer is answer
    assert taken.sentence.startswith(operation)
    assert taken.answer.later is (answer in {Answer.NOT_YET, Answer.LATE, Answer.QUOTA})


def test_what_a_request_that_was_taken_returned_is_kept() -> None:
    taken = asked(lambda: {"Arn": "arn"}, "Change")
    assert (taken.answer, taken.returned) == (Answer.TAKEN, {"Arn": "arn"})


# What is not there is a value.


def of_endpoint(code: str, message: str, status: int = 400) -> ClientError:
    """An error of DescribeEndpoint."""
    return client_error(code, message, "DescribeEndpoint", status)


@pytest.mark.parametrize(
    ("error", "there"),
    [
        (of_endpoint("ValidationException", 'Could not find endpoint "e".'), False),
        (of_endpoint("ValidationException", 'Endpoint "e" not found.'), False),
        (of_endpoint("ValidationException", 'ModelPackage "m" does not exist.'), False),
        (of_endpoint("ResourceNotFound", "Requested resource."), False),
        (of_endpoint("ResourceNotFoundException", "Requested resource."), False),
        (of_endpoint("ValidationException", "Invalid name."), True),
        (of_endpoint("AccessDeniedException", "not found or not yours", status=403), True),
        (of_endpoint("ThrottlingException", "Rate exceeded"), True),
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
        ("stop_training_job", client_error("ValidationException", "The request was rejected", "StopTrainingJob")),
        ("stop_training_job", client_error("ResourceNotFound", "Not found.", "StopTrainingJob")),
        ("stop_pipeline_execution", client_error("ConflictException", "It is over.", "StopPipelineExecution")),
        ("stop_pipeline_execution", client_error("ValidationException", "It is over.", "StopPipelineExecution")),
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
