"""A deployed stack, found by its name: outputs, clients, and the questions operators ask of it."""

from __future__ import annotations

import functools
import json
import re
import shlex
import threading
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from ops.caller_proof import proven
from ops.refusals import SIGN_IN, refusal, signed_out
from orchestration.domain import errors
from orchestration.domain.commands import Place
from orchestration.domain.failures import ended, failure_sentence
from orchestration.domain.json_values import json_object, mapping
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.history_table import HistoryTable

if TYPE_CHECKING:
    from botocore.config import Config


class OperatorError(Exception):
    """The command cannot be carried out; the message says what to do.

    Args:
        said: the message.
        command: a command that helps, to be copied from a line of its own.
    """

    status = 1
    """Exit status of the command: the answer is no."""

    def __init__(self, said: str, command: str = "") -> None:
        super().__init__(said)
        self.command = command


class CallError(OperatorError):
    """Something was given that no command takes."""

    status = 2


class NotReachedError(OperatorError):
    """What is to be asked is not there, cannot be reached, or does not answer whoever asks."""

    status = 3


class StoppedError(KeyboardInterrupt):
    """Ctrl-C came while something goes on, or may have taken effect, all the same; the message says what.

    Args:
        said: the message.
        command: a command that shows it, to be copied from a line of its own.
    """

    def __init__(self, said: str, command: str) -> None:
        super().__init__(said)
        self.command = command


REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
"""Names of Regions. Source: AWS General Reference, "AWS service endpoints"."""

NOES: Final = frozenset({"InvalidRequestError", "PolicyError", "ContentionError"})
"""Errors by which a function says no, with nothing changed; after any other it may have done what was asked."""


def stop_command(execution_arn: str) -> str:
    """The command of the AWS CLI that stops an execution."""
    region = execution_arn.split(":")[3]
    return f"aws stepfunctions stop-execution --execution-arn {shlex.quote(execution_arn)} --region {region}"


class Stack:
    """The deployed stack.

    Args:
        name: the CloudFormation stack's name.
        region: AWS Region; None takes the one of the AWS configuration.
        profile: of the AWS configuration; None takes the one of the environment.

    Raises:
        NotReachedError: there is no such stack, or nobody is signed in.
    """

    def __init__(self, name: str, region: str | None = None, profile: str | None = None) -> None:
        self.name = name
        self._session, self._making = session_in(region, profile), threading.Lock()
        self.place = Place(name, str(self._session.region_name), profile or "")
        """For the commands that are printed."""
        try:
            described = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise NotReachedError(refusal(error)) from None
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] != "ValidationError":
                raise NotReachedError(
                    f"Stack {name} cannot be looked at in {self.place.region}. {refusal(error)}"
                ) from None
            gone = "does not exist" in str(error)
            found = "not found" if gone else "not reached"
            raise NotReachedError(
                f"Stack {name} was {found} in {self.place.region}{'' if gone else f' ({error})'}. Name it with --stack, its Region with "
                "--region; for the embedded AWS export what `make local` prints."
            ) from None
        self.outputs: dict[str, str] = {
            output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])
        }
        self.parameters: dict[str, str] = {
            each["ParameterKey"]: str(each.get("ParameterValue") or "") for each in described.get("Parameters", [])
        }
        self.event_bus = self.parameters.get("EventBusName") or "default"
        """Where drift reports and requests come in."""
        if "StateMachineArn" not in self.outputs:
            raise NotReachedError(f"Stack {name} is no retraining stack: it has no output StateMachineArn.")

    def client(self, service: str, config: Config | None = None) -> Any:
        """A boto3 client in the stack's region."""
        # Many threads may use a client at once, and one at a time a session.
        with self._making:
            return self._session.client(service, config=config)  # type: ignore[call-overload] # the name is only known at run time

    @functools.cached_property
    def table(self) -> HistoryTable:
        """The stack's HistoryTable."""
        return HistoryTable(self.client("dynamodb"), self.outputs["HistoryTableName"])

    @functools.cached_property
    def bucket(self) -> AutomationBucket:
        """The stack's AutomationBucket."""
        return AutomationBucket(self.client("s3"), self.outputs["AutomationBucketName"])

    def keys(self, prefix: str) -> list[str]:
        """Keys of the AutomationBucket under a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.outputs["AutomationBucketName"], Prefix=prefix)
        return [entry["Key"] for page in found for entry in page.get("Contents", [])]

    def operate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask OperatorFunction, under the identity of whoever is signed in.

        Raises:
            OperatorError: the function refused; the message is its sentence.
            NotReachedError: it did not come to its end, and may have done it.
        """
        return self._ask("OperatorFunctionName", request)

    def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask VoteFunction, likewise.

        Raises:
            OperatorError: the function refused; the message is its sentence.
            NotReachedError: it did not come to its end, and may have done it.
        """
        return self._ask("VoteFunctionName", request)

    def _ask(self, function: str, request: dict[str, Any]) -> dict[str, Any]:
        if function not in self.outputs:
            raise OperatorError(f"Stack {self.name} has no output {function}: deploy its newest template.")
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NotReachedError(f"Nobody is signed in. {SIGN_IN}")
        sts = self.client("sts").meta
        signed = proven(
            request,
            credentials.get_frozen_credentials(),
            region=sts.region_name,
            # An old setting of the SDK names the STS of all Regions; the function asks the one of its own.
            sts=str(sts.endpoint_url).replace("//sts.amazonaws.com", f"//sts.{sts.region_name}.amazonaws.com"),
            machine_arn=self.outputs["StateMachineArn"],
        )
        unknown, look = (
            "Whether it did what was asked is not known. Look before you ask again:",
            self._shown_by(request),
        )
        try:
            answer = self.client("lambda").invoke(
                FunctionName=self.outputs[function], Payload=json.dumps(signed).encode()
            )
            payload = json.loads(answer["Payload"].read())
        except KeyboardInterrupt:
            raise StoppedError(f"Interrupted. {unknown}", look) from None
        except (HTTPClientError, ValueError) as error:
            raise NotReachedError(
                f"{self.outputs[function]} did not answer: {ended(str(error))} {unknown}", look
            ) from None
        if "FunctionError" not in answer:
            return dict(payload)
        failed = mapping(payload)
        name, said = str(failed.get("errorType") or ""), str(failed.get("errorMessage") or payload)
        if name in NOES:
            raise OperatorError(said)
        # What the package raises on purpose is a sentence of its own.
        why = ended(said) if hasattr(errors, name) else failure_sentence(name, said)
        raise NotReachedError(f"{self.outputs[function]} did not come to its end. {why} {unknown}", look)

    def _shown_by(self, request: dict[str, Any]) -> str:
        """The command that shows whether a request took effect."""
        match request["action"]:
            case "decide":
                return self.place.command("history", run=request["run_id"])
            case "retrain" | "rollback":
                return self.place.command("signals", model=request["model"])
            case "replay":
                return self.place.command("signals")
            case "sweep":
                return self.place.command("waits")
            case _:
                return self.place.command("status")

    def read_json(self, key: str) -> dict[str, Any] | None:
        """A JSON object of the AutomationBucket, None when it is not there.

        Raises:
            OperatorError: what is there is none.
        """
        document = self.bucket.read(self.bucket.uri(key))
        return None if document.body is None else json_given(key, document.body)


def json_given(name: str, given: bytes | str) -> dict[str, Any]:
    """A JSON object that others wrote.

    Raises:
        OperatorError: it is none; the message says what is wrong with it.
    """
    found = json_object(given)
    if isinstance(found, str):
        raise OperatorError(f"{name} {found}.")
    return found


class _Session(boto3.Session):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._clients: dict[Any, Any] = {}

    def client(self, *arguments: Any, **options: Any) -> Any:
        """Give a client, the same one for the same arguments, or say what of the configuration none can be made with.

        Making one takes longer than most calls do, and each has connections of its own.
        """
        asked = (arguments, frozenset(options.items()))
        try:
            if asked not in self._clients:
                self._clients[asked] = super().client(*arguments, **options)
            return self._clients[asked]
        except (BotoCoreError, ValueError) as error:
            # Nobody is asked yet. Of an AWS_ENDPOINT_URL that is no address botocore has no error of its own.
            if signed_out(error):
                raise
            raise _unconfigured(error) from None


def _unconfigured(error: Exception) -> CallError:
    return CallError(
        f"AWS is not configured in a way that it can be asked: {ended(str(error))} It is: aws configure list"
    )


def session_in(region: str | None, profile: str | None = None) -> boto3.Session:
    """AWS as whoever is signed in sees it.

    Raises:
        CallError: it is not known in which Region, what is named is none, or there is no such profile.
    """
    try:
        session = _Session(region_name=region, profile_name=profile)
    except ProfileNotFound as error:
        raise CallError(f"{error}. Those there are: aws configure list-profiles") from None
    except BotoCoreError as error:
        raise _unconfigured(error) from None
    if not session.region_name:
        raise CallError("Which Region? Name it: --region eu-west-1; with make, REGION=eu-west-1")
    if not REGION.fullmatch(session.region_name):
        raise CallError(f"{session.region_name} is no Region. Name one, such as --region eu-west-1")
    return session
