"""Every operation the stores call, and every task of the workflow, has decided what each error of AWS means for it."""

from __future__ import annotations

import ast
import functools
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from orchestration.domain.capacity import lacks_capacity
from orchestration.domain.errors import ContentionError, NotAcceptedYetError, TransientServiceError
from orchestration.stores import service_errors
from orchestration.stores.service_answers import MEANS, Answer, asked
from orchestration.stores.service_errors import COMMON, OPERATIONS, Meaning, meaning
from tests.contract.template import ROOT, TEMPLATE, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES: Final = ROOT / "src" / "orchestration" / "stores"
CLIENTS: Final = {
    "CloudWatchClient": "cloudwatch",
    "DynamoDBClient": "dynamodb",
    "EventBridgeClient": "events",
    "S3Client": "s3",
    "SFNClient": "stepfunctions",
    "SNSClient": "sns",
    "SQSClient": "sqs",
    "SageMakerClient": "sagemaker",
}
"""boto3's name of each client's service."""

THROUGH: Final = {"self._client", "self._client()", "self._sns", "self._events"}
"""How a store names a client of its own."""

NOT_OPERATIONS: Final = {"exceptions", "meta", "get_paginator"}

UNMODELLED: Final = {
    "ValidationException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ConflictException",
    "StateMachineDoesNotExist",
    "PreconditionFailed",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "InvalidPart",
    "InvalidObjectState",
}
"""Codes that an operation may answer although its service model does not say so; each is quoted in public reports."""


@functools.cache
def model(service: str) -> ServiceModel:
    """Give botocore's model of a service, from its file: moto adds codes of old to what a loader of this process read before."""
    folder = Path(botocore.__file__).parent / "data" / service
    newest = max(path for path in folder.iterdir() if path.is_dir())
    with gzip.open(newest / "service-2.json.gz", "rb") as file:
        return ServiceModel(json.load(file), service)


def codes(service: str, operation: str) -> set[str]:
    """Codes of the errors an operation has by its model: what a client finds under ``Error``, ``Code``."""
    shapes = model(service).operation_model(operation).error_shapes
    return {str(shape.metadata.get("error", {}).get("code") or shape.name) for shape in shapes}


def called() -> Iterator[tuple[str, str]]:
    """Service and operation of every call that the stores' code makes through a client."""
    for path in sorted(STORES.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        services = [service for client, service in CLIENTS.items() if client in named]
        by_name = {
            xform_name(operation): (service, operation)
            for service in services
            for operation in model(service).operation_names
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and ast.unparse(node.value) in THROUGH
                and node.attr not in NOT_OPERATIONS
            ):
                yield by_name[node.attr]
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".get_paginator"):
                yield by_name[ast.literal_eval(node.args[0])]


CALLED: Final = dict(sorted({operation: service for service, operation in called()}.items()))


def test_the_calls_are_found() -> None:
    """A reader that finds nothing would make the tests below pass."""
    assert {"CreateTrainingJob", "TransactWriteItems", "PutEvents", "DeleteMessage", "ListMonitoringExecutions"} <= set(
        CALLED
    )
    clients = {service for service in CLIENTS.values() if service in CALLED.values()}
    assert clients == set(CLIENTS.values())


def test_every_operation_that_is_called_has_a_row_and_no_other_has() -> None:
    assert sorted(OPERATIONS) == sorted(CALLED)


@pytest.mark.parametrize("operation", CALLED)
def test_every_error_of_an_operation_has_a_meaning_and_no_meaning_is_of_an_error_it_cannot_have(operation: str) -> None:
    modelled, row = codes(CALLED[operation], operation), OPERATIONS[operation]
    assert sorted(modelled - set(row) - set(COMMON)) == []
    assert sorted(set(row) - modelled - UNMODELLED) == []


def test_what_botocore_itself_tries_again_may_be_gone_at_the_next_try() -> None:
    checkers: Any = ThrottledRetryableChecker, TransientRetryableChecker
    told = {*checkers[0]._THROTTLED_ERROR_CODES, *checkers[1]._TRANSIENT_ERROR_CODES}
    assert {code for code in told if COMMON.get(code) is not Meaning.AGAIN} == set()


def error(code: str, operation: str, message: str = "no") -> ClientError:
    """An error as botocore raises it."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(response, operation)


def answered(operation: str, code: str, message: str = "no") -> Answer:
    """What a change is answered with."""

    def call() -> Any:
        raise error(code, operation, message)

    return asked(call, operation).answer


CHANGES: Final = sorted(
    {
        node.args[1].value
        for path in STORES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "asked"
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    }
)
"""Operations that change the world outside the loop's records, by the name their stores ask them under."""


def test_the_changes_are_found() -> None:
    assert (
        {"CreateTrainingJob", "StartPipelineExecution", "StartExecution", "UpdateEndpoint"}
        <= set(CHANGES)
        <= set(CALLED)
    )


@pytest.mark.parametrize("operation", CHANGES)
def test_a_change_that_is_throttled_met_another_or_meets_a_quota_is_never_refused(operation: str) -> None:
    assert answered(operation, "ThrottlingException", "Rate exceeded") is Answer.NOT_YET
    modelled = codes(CALLED[operation], operation)
    if "ResourceLimitExceeded" in modelled:
        assert answered(operation, "ResourceLimitExceeded") is Answer.QUOTA
    if "ConflictException" in modelled:
        assert answered(operation, "ConflictException") is Answer.NOT_YET
    assert answered(operation, "AccessDeniedException") is Answer.REFUSED
    assert answered(operation, "NeverHeardOf") is Answer.REFUSED


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint", "UpdateModelPackage"])
@pytest.mark.parametrize("said", ["Could not find it.", "It was not found.", "It does not exist."])
def test_what_names_something_just_made_is_never_refused_for_not_finding_it(operation: str, said: str) -> None:
    assert answered(operation, "ValidationException", said) is Answer.LATE


def test_an_image_that_is_not_there_is_no_model_that_comes_late() -> None:
    said = "Requested image 111122223333.dkr.ecr.us-east-1.amazonaws.com/fraud:1 not found."
    assert answered("CreateModel", "ValidationException", said) is Answer.REFUSED


@pytest.mark.parametrize("operation", [name for name, service in CALLED.items() if service == "sagemaker"])
def test_words_count_only_in_what_has_no_name_of_its_own(operation: str) -> None:
    assert meaning(error("AccessDeniedException", operation, "not found or not yours"), operation) is Meaning.REFUSED


def test_a_meaning_of_a_change_that_is_no_answer_is_a_refusal() -> None:
    assert set(Meaning) - set(MEANS) == {Meaning.ABSENT, Meaning.CONDITION, Meaning.REFUSED}
    assert {row for operation in CHANGES for row in OPERATIONS[operation].values()} & {
        Meaning.ABSENT,
        Meaning.CONDITION,
    } == set()


# The workflow's tasks, and those of the example's training pipeline.

MACHINES: Final = {
    name: json.loads((ROOT / name).read_text(encoding="utf-8"))
    for name in ("statemachine.asl.json", "examples/creditcard/training-pipeline.asl.json")
}
TASKS: Final = {
    (machine, name): state
    for machine, definition in MACHINES.items()
    for name, state in definition["States"].items()
    if state["Type"] == "Task"
}

INVOKE: Final = {
    "ResourceConflictException": Meaning.AGAIN,
    "ResourceNotReadyException": Meaning.AGAIN,
    "ServiceQuotaExceededException": Meaning.REFUSED,
    "RecursiveInvocationException": Meaning.REFUSED,
    "ModeNotSupportedException": Meaning.REFUSED,
    "InvalidRequestContentException": Meaning.REFUSED,
    "InvalidParameterValueException": Meaning.REFUSED,
    "RequestTooLargeException": Meaning.REFUSED,
    "SerializedRequestEntityTooLargeException": Meaning.REFUSED,
    "UnsupportedMediaTypeException": Meaning.REFUSED,
    "ResourceNotFoundException": Meaning.REFUSED,
    "NoPublishedVersionException": Meaning.REFUSED,
    "InvalidRuntimeException": Meaning.REFUSED,
    "InvalidZipFileException": Meaning.REFUSED,
    "DurableExecutionAlreadyStartedException": Meaning.REFUSED,
}
"""Errors of Lambda's Invoke that any function may have."""

NEVER_MET: Final = ("EC2", "ENI", "EFS", "S3Files", "SnapStart", "CodeArtifact", "KMS", "Subnet", "InvalidS")
"""Beginnings of the names of those that take a network, a file system, SnapStart or a key of the function's own."""

INTEGRATIONS: Final = {
    "lambda:invoke": ("lambda", "Invoke", "Lambda", {"Lambda.AWSLambdaException", "Lambda.SdkClientException"}),
    "sns:publish": ("sns", "Publish", "SNS", {"SNS.AmazonSNSException", "SNS.SdkClientException"}),
    "sagemaker:createTrainingJob": (
        "sagemaker",
        "CreateTrainingJob",
        "SageMaker",
        {"SageMaker.AmazonSageMakerException"},
    ),
}
"""Service, operation, prefix of the names of its errors, and the names under which what no model has arrives.

Source: Step Functions, "Supported AWS SDK service integrations" and the pages of the optimized integrations. A task through
``aws-sdk:`` has other names for the same errors (``SageMaker.SageMakerException``, ``DynamoDb.`` for ``DynamoDB.``).
"""

PASSES: Final = {
    "SNS.ThrottledException",
    "SageMaker.ThrottlingException",
    "SageMaker.InternalServerException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.Timeout",
    ContentionError.__name__,
    NotAcceptedYetError.__name__,
    TransientServiceError.__name__,
}
"""Names that are in no service model, of what may be gone at the next try."""


def arrives_as(prefix: str, shape: str) -> str:
    """Name of an error in Step Functions, which always ends in Exception."""
    return f"{prefix}.{shape}" if shape.endswith("Exception") else f"{prefix}.{shape}Exception"


def decided(operation: str, code: str) -> Any:
    """Meaning of an error of a task; None where nobody has decided."""
    if operation != "Invoke":
        return OPERATIONS[operation].get(code) or COMMON.get(code)
    return INVOKE.get(code) or COMMON.get(code)


@pytest.mark.parametrize(("machine", "name"), TASKS)
def test_every_error_of_a_task_is_retried_exactly_when_it_may_be_gone_at_the_next_try(machine: str, name: str) -> None:
    state = TASKS[machine, name]
    integration = state["Resource"].split(":states:::")[1].removesuffix(".waitForTaskToken").removesuffix(".sync")
    service, operation, prefix, unmodelled = INTEGRATIONS[integration]
    retried = {error for retrier in state["Retry"] for error in retrier["ErrorEquals"]}
    assert unmodelled <= retried
    expected = set(unmodelled)
    for shape in model(service).operation_model(operation).error_shapes:
        code = str(shape.metadata.get("error", {}).get("code") or shape.name)
        if operation == "Invoke" and shape.name.startswith(NEVER_MET):
            continue
        means = decided(operation, code)
        assert means is not None, f"nobody has decided what {shape.name} means for {name}"
        if means in {Meaning.AGAIN, Meaning.QUOTA}:
            expected.add(arrives_as(prefix, shape.name))
    assert retried - expected <= PASSES
    assert expected - retried == set()


def test_no_function_has_what_the_errors_that_are_never_met_take() -> None:
    functions = [
        found["Properties"]
        for found in Template.read(TEMPLATE).resolve({}).resources.values()
        if found["Type"] == "AWS::Lambda::Function"
    ]
    assert functions
    for made in functions:
        assert not {"VpcConfig", "FileSystemConfigs", "SnapStart", "KmsKeyArn"} & set(made)


def test_what_no_catch_meets_ends_the_execution_and_a_rule_has_the_run_closed() -> None:
    """States.ALL leaves out States.Runtime and States.DataLimitExceeded: such an execution ends FAILED, whatever it catches."""
    for state in TASKS.values():
        assert [catch["ErrorEquals"] for catch in state["Catch"]] == [["States.ALL"]]
    rule = Template.read(TEMPLATE).resolve({}).resources["SettleRule"]["Properties"]
    assert set(rule["EventPattern"]["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}


def test_a_quota_that_a_training_pipeline_meets_is_read_from_the_name_it_arrives_under() -> None:
    for prefix in ("SageMaker", "SageMaker.AmazonSageMaker"):
        assert lacks_capacity(f"{prefix}.ResourceLimitExceededException: The account-level service limit")
    assert "ResourceLimitExceeded" in codes("sagemaker", "CreateTrainingJob")


def test_the_table_is_read_by_nobody_who_has_one_of_his_own() -> None:
    """Codes of errors stand in the table, where a store makes a value of one, and where people are told what to do."""
    known = {code for row in OPERATIONS.values() for code in row} | set(COMMON)
    elsewhere = {
        (path.name, node.value)
        for path in (ROOT / "src" / "orchestration").rglob("*.py")
        if path.name != f"{service_errors.__name__.rpartition('.')[2]}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in known
    }
    assert {name for name, _ in elsewhere} <= {"bucket_s3.py", "table.py", "capacity.py", "artifact.py"}, sorted(
        elsewhere
    )
