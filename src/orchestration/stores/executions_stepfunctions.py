"""Step Functions executions and task tokens."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from orchestration.domain.canonical_json import canonical
from orchestration.domain.json_values import json_object
from orchestration.domain.training_target import nested_execution_arn
from orchestration.stores.service_answers import Answer, Taken, asked
from orchestration.stores.service_errors import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from types_boto3_stepfunctions import SFNClient


class Executions:
    """Answers parked tokens, starts and describes executions."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def succeed(self, tokens: Iterable[str], result: dict[str, Any]) -> bool:
        """Give a parked task its result. False when every token it may wait on is dead."""
        output, answer = canonical(result), self._client.send_task_success
        return any(
            _answered(functools.partial(answer, taskToken=token, output=output), "SendTaskSuccess") for token in tokens
        )

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Fail a parked task. False when the token is dead. Step Functions takes 256 and 32,768 characters."""
        return _answered(
            lambda: self._client.send_task_failure(taskToken=token, error=error[:256], cause=cause[:32768]),
            "SendTaskFailure",
        )

    def status(self, execution_arn: str) -> str | None:
        """Status of an execution (RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE), None if unknown."""
        try:
            return self._client.describe_execution(executionArn=execution_arn)["status"]
        except self._client.exceptions.ExecutionDoesNotExist:
            return None

    def describe(self, execution_arn: str) -> dict[str, Any] | None:
        """DescribeExecution, or None when there is no such execution."""
        try:
            return dict(self._client.describe_execution(executionArn=execution_arn))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None

    def began(self, execution_arn: str, value: dict[str, Any]) -> bool:
        """True when there is an execution of this ARN with this input; whoever else takes its name has another."""
        return json_object((self.describe(execution_arn) or {}).get("input") or "") == value

    def begin(self, state_machine_arn: str, name: str, value: dict[str, Any]) -> Taken:
        """Start an execution of somebody else's machine, and say what Step Functions made of it.

        EXISTS is an execution that has the name and this input, FOREIGN one that has another input.
        """
        taken = asked(
            lambda: self._client.start_execution(stateMachineArn=state_machine_arn, name=name, input=canonical(value)),
            "StartExecution",
        )
        if taken.answer is not Answer.EXISTS:
            return taken
        if self.began(nested_execution_arn(state_machine_arn, name), value):
            return taken
        sentence = f"Execution {name} of {state_machine_arn} has another input: it was not started by this run."
        return Taken(Answer.FOREIGN, sentence)

    def start(self, state_machine_arn: str, name: str, value: dict[str, Any]) -> bool:
        """Start an execution under a name of ours. False when that name was used: it was started before."""
        try:
            self._client.start_execution(stateMachineArn=state_machine_arn, name=name, input=canonical(value))
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def tag(self, state_machine_arn: str, key: str) -> str | None:
        """The value of one tag of a state machine; None when it has none, or there is no such machine."""
        try:
            answer = self._client.list_tags_for_resource(resourceArn=state_machine_arn)
        except ClientError as error:
            if meaning(error, "ListTagsForResource") is Meaning.ABSENT:
                return None
            raise
        return next((tag["value"] for tag in answer["tags"] if tag["key"] == key), None)

    def stop(self, execution_arn: str, error: str, cause: str) -> None:
        """Stop an execution; one that has ended stays as it is."""
        try:
            self._client.stop_execution(executionArn=execution_arn, error=error, cause=cause[:32768])
        except (self._client.exceptions.ExecutionDoesNotExist, self._client.exceptions.ValidationException):
            return


def _answered(call: Callable[[], Any], operation: str) -> bool:
    """False when nobody waits on the token any more."""
    try:
        call()
    except ClientError as error:
        if meaning(error, operation) is Meaning.ABSENT:
            return False
        raise
    return True
