"""The commands of ``retraining`` on a world in memory: a stack as they see it, with the functions behind it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import click
import pytest

from ops import cli
from ops.stack import CallError, OperatorError
from orchestration import approval_handler, operator_handler
from orchestration.domain.commands import Place
from orchestration.domain.errors import OrchestrationError
from tests.unit.fakes import MACHINE, World, person, proven
from tests.unit.tampering import BUCKET

PLACE = re.compile(r"<[a-z]+>")
"""Something to fill in, in a command that is printed."""

ROLE = "arn:aws:iam::111122223333:role/serving"


class _SageMaker:
    """What of SageMaker people may look at."""

    def __init__(self, world: World) -> None:
        self._world = world

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        return dict(self._world.sagemaker.describe_endpoint(EndpointName=EndpointName))


class _Sts:
    """Who AWS says somebody is."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": self._arn}


class WorldStack:
    """A deployed stack over a world in memory; ``by`` is who is signed in."""

    name = "retraining"

    def __init__(self, world: World, by: str = "ana") -> None:
        self.world, self.by = world, by
        self.place = Place("retraining", "us-east-1")
        self.table, self.bucket = world.table, world.bucket
        self.outputs = {"AutomationBucketName": BUCKET, "StateMachineArn": world.settings.state_machine_arn}
        self.parameters = {
            "Mode": world.settings.mode,
            "DefaultModel": world.settings.default_model,
            "TrainingPipelineArn": world.settings.training_pipeline_arn,
            "SageMakerExecutionRoleArn": ROLE,
        }

    def client(self, service: str) -> Any:
        return {"sagemaker": _SageMaker(self.world), "sts": _Sts(person(self.by, MACHINE))}[service]

    def keys(self, prefix: str) -> list[str]:
        return self.world.keys(prefix)

    def read_json(self, key: str) -> Any:
        return self.world.read(key) if self.world.keys(key) else None

    def operate(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._asked(operator_handler, request)

    def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._asked(approval_handler, request)

    def _asked(self, function: Any, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = function.run_action(proven(request, self.by, self.world.clock()), self.world.ports)
        except OrchestrationError as error:
            raise OperatorError(str(error)) from None
        return answer


def signed_in(world: World, monkeypatch: pytest.MonkeyPatch) -> WorldStack:
    """Have the commands find the world's stack."""
    made = WorldStack(world)
    monkeypatch.setattr("ops.invocation.Stack", lambda *_: made)
    return made


def retraining(*arguments: str) -> int:
    """Call the command line; gives the exit status."""
    return cli.main(arguments)


def commands_in(printed: str) -> list[str]:
    """The commands that stand alone in what was printed, each whole again."""
    lines = printed.replace(" \\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip().startswith("retraining ")]


def understood(command: str, stack: str = "retraining") -> None:
    """Fail unless the command line is one that ``retraining`` takes, and names its stack and Region.

    As it is printed it is taken only where nothing has to be filled in.
    """
    name, *arguments = shlex.split(command)[1:]
    found = cli.retraining.get_command(click.Context(cli.retraining), name)
    assert found is not None, command
    filled = [PLACE.sub("words", each) for each in arguments]
    if any(PLACE.fullmatch(each) for each in arguments):
        with pytest.raises(click.BadParameter, match="a place to fill in"):
            found.make_context(name, list(arguments))
    try:
        context = found.make_context(name, filled)
    except (click.ClickException, CallError) as error:
        pytest.fail(f"{command}: {error}")
    assert context.params["stack"] == stack, command
    assert context.params["region"], command
