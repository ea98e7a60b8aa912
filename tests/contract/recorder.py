"""What a function asks AWS for, as IAM sees it: an action on a resource, with the keys that conditions look at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name

from local.iam_calls import Call, Place, needed
from tests.contract.template import ACCOUNT, PARTITION, REGION, Stack

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.contract.outside import Outside

MACHINE: Final = "RetrainingStateMachine"

TAGS: Final = {"retraining:model": "fraud"}
TAGGED: Final = tuple((f"aws:ResourceTag/{key}", value) for key, value in TAGS.items())
"""What IAM sees of the tag by which a team gives a resource of its own to the loop."""

OF_TEAMS: Final = re.compile(r":sagemaker:.*:(pipeline|endpoint|monitoring-schedule)/|:states:.*:stateMachine:")
"""What a team tags: what the loop changes and starts, all but what it creates and what the form names."""

MADE: Final = {"retraining:run": "run-1"}
"""The tag of what a run made."""

OF_RUNS: Final = re.compile(r":sagemaker:.*:(model|endpoint-config)/")


@dataclass
class Recorder:
    """What one function called while ``outside.doing`` something; what moto has only in part, ``outside`` answers."""

    stack: Stack
    outside: Outside
    calls: list[Call] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    _asked: dict[str, Any] = field(default_factory=dict)

    def listen(self, session: Session) -> Session:
        """Hook into the clients that a session will make."""
        events = session.get_component("event_emitter")
        events.register_first("provide-client-params", self._called)
        events.register_first("before-call", self._answered)
        events.register_first("after-call.s3.GetObject", self._missed)
        return session

    def _called(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = str(model.service_model.service_name)
        self.operations.add(xform_name(model.name))
        if "TransactItems" in params:
            self.transactions.append({**params, "why": self.outside.doing})
        found = needed(service, model.name, params, self._place)
        self.calls += [replace(call, why=self.outside.doing) for call in found]
        self._asked = params

    def _answered(self, model: Any, **_: Any) -> Any:
        return self.outside.answer(model.service_model.service_name, model.name, self._asked)

    def _missed(self, parsed: dict[str, Any], **_: Any) -> None:
        """S3 says 404 for a missing object only to those who may list the bucket; to others it says 403."""
        if parsed["ResponseMetadata"]["HTTPStatusCode"] == 404:
            bucket = f"arn:{PARTITION}:s3:::{self._asked['Bucket']}"
            self.calls.append(Call("s3:ListBucket", bucket, why=self.outside.doing))

    @cached_property
    def _place(self) -> Place:
        machine = self.stack.arn(MACHINE)
        ours = {machine, self.stack.values["TrainingPipelineArn"]}

        def tags_of(arn: str) -> dict[str, str]:
            if OF_RUNS.search(arn):
                return MADE
            return TAGS if OF_TEAMS.search(arn) and arn not in ours else {}

        return Place(ACCOUNT, REGION, PARTITION, tags_of=tags_of, machine_of=lambda _: machine)
