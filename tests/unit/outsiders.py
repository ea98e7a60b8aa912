"""What others do to the loop's world: teams with their policies, trainings and deployments, AWS with its endpoints.

They keep their own account of it, so that nothing about it has to be asked of the loop when its promises are judged.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    RUN_TAG,
    TRAINING_JOB_STATE_CHANGE,
)
from orchestration.domain.training_target import nested_execution_arn
from tests.unit import stories
from tests.unit.fakes import TRAINING, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LIMIT: Final = 2
"""MaxConcurrentTrainings."""

DEPLOYMENT: Final = TRAINING.replace("churn-training", "deployment")
ENDPOINTS: Final = {"fraud": "fraud-prod", "spam": "spam-prod"}
ALARM: Final = "fraud-5xx"
JOB: Final = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
}
WISHES: Final[dict[str, dict[str, Any]]] = {
    "churn": {
        "approval": {"training": "always", "approvals_needed": 2, "expire_hours": 0.5},
        "actions": {"warning": "approve", "critical": "approve"},
        "promotion": {"kind": "none"},
    },
    "fraud": {"promotion": {"endpoint": "fraud-prod", "bake_minutes": 10, "alarms": [ALARM]}},
    "spam": {
        "approval": {"training": "never", "promotion": "always", "approvals_needed": 2, "expire_hours": 0.5},
        "training": {"target": "training-job", "request": JOB},
        "promotion": {"endpoint": "spam-prod", "bake_minutes": 5},
    },
    "offer": {"promotion": {"kind": "registry"}},
    "price": {"promotion": {"kind": "pipeline", "target": DEPLOYMENT}},
}
"""What each model's policy asks for beyond the common: every kind of promotion, two kinds of training, two approvers."""

MODELS: Final = tuple(WISHES)
ASKED: Final = {"churn": "training", "spam": "promotion"}
"""Models that two people have to approve, and what of."""

PEOPLE: Final = ("arn:aws:iam::111122223333:user/ana", "arn:aws:iam::111122223333:user/bob")
COMMON: Final = {"cooldown_hours": 0, "breaker": {"fruitless_runs": 0}}
STOPS: Final = frozenset({"shadow", "gone"})
"""States of a policy that allow no forward effect."""

BAD: Final = {"binary_classification_metrics": {"auc": {"value": 0.05}}}


@dataclass(frozen=True)
class Training:
    """A training that runs at its target; ``stopping``: somebody asked for its end."""

    name: str
    run_id: str
    job: bool
    stopping: bool = False


class Outsiders:
    """Everybody else on one stack in memory.

    ``events`` are those that AWS has still to deliver; ``passed`` the runs whose report passes the gates; ``champions`` the
    configs of an endpoint that nobody has to judge; ``live_since`` when an endpoint began to serve what it serves;
    ``policies`` the number and state of each model's file.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.events: list[dict[str, Any]] = []
        self.passed: set[str] = set()
        self.champions: dict[str, set[str]] = {}
        self.live_since: dict[str, datetime] = {}
        self.policies: dict[str, tuple[int, str]] = {}
        self._numbers = itertools.count(1)
        for model in MODELS:
            self.write_policy(model)
        for endpoint in ENDPOINTS.values():
            world.sagemaker.serve(endpoint, f"{endpoint}-1")
            self.champions[endpoint] = {f"{endpoint}-1"}
            self.live_since[endpoint] = world.clock()
        world.executions.tags[DEPLOYMENT] = {"retraining:model": "price"}
        world.alarms.states[ALARM] = "OK"

    # Policies.

    def write_policy(self, model: str, **changes: Any) -> None:
        """Write a model's policy, as usual but for the changes."""
        self.world.put(
            f"policies/{model}.json", stories.policy(**{**COMMON, **WISHES[model], "model": model, **changes})
        )
        self.policies[model] = (next(self._numbers), str(changes.get("mode", "")))

    def break_policy(self, model: str) -> None:
        """Write what is no JSON; the last good one stays in force."""
        self.world.put(f"policies/{model}.json", b"{broken")
        self.policies[model] = (next(self._numbers), "")

    def delete_policy(self, model: str) -> None:
        """Take a model out."""
        self.world.bucket.objects.pop(self.world.bucket.uri(f"policies/{model}.json"), None)
        self.policies[model] = (next(self._numbers), "gone")

    # Trainings and deployments.

    def artifact(self, run_id: str) -> str:
        """Where a run's candidate lies."""
        return f"s3://amzn-s3-demo-bucket/{run_id}/model.tar.gz"

    def artifacts(self) -> list[str]:
        """Every candidate there is, where its training wrote it."""
        bucket = self.artifact("").partition("/model")[0]
        return sorted(uri for uri in self.world.bucket.objects if uri.startswith(bucket))

    def overwrite(self, uri: str) -> None:
        """Write a candidate once more."""
        self.world.bucket.put(uri, f"other weights {next(self._numbers)}".encode())

    def trainings(self) -> list[Training]:
        """Trainings that run, as their targets say."""
        started, jobs = self.world.executions.started, self.world.sagemaker.trainings
        found = [Training(name, str(started[name]["run_id"]), job=False) for name in self._nested(TRAINING)]
        for asked in self.world.sagemaker.asked("CreateTrainingJob"):
            name, tags = asked["TrainingJobName"], asked["Tags"]
            if (status := jobs[name]["TrainingJobStatus"]) in {"InProgress", "Stopping"}:
                found.append(Training(name, _tagged(tags), job=True, stopping=status == "Stopping"))
        return found

    def end_training(self, training: Training, how: str) -> None:
        """Let a training be over: ``good``, ``bad`` with a report that fails its gates, or ``failed``."""
        run = self.world.table.run(training.run_id)
        assert run is not None
        artifact = self.artifact(run.run_id)
        if how != "failed":
            self.world.bucket.put(artifact, b"weights")
            report = stories.REPORT if how == "good" else BAD
            self.world.put(f"runs/{run.model}/{run.run_id}/outputs/evaluation.json", report)
        if how == "good":
            self.passed.add(run.run_id)
        if training.job:
            ended = "Stopped" if training.stopping else "Failed" if how == "failed" else "Completed"
            self.world.sagemaker.trainings[training.name] |= {
                "TrainingJobStatus": ended,
                "ModelArtifacts": {"S3ModelArtifacts": artifact},
            }
            self._tells(TRAINING_JOB_STATE_CHANGE, TrainingJobName=training.name, TrainingJobStatus=ended)
            return
        made = {"model_data_url": artifact, "image": "image"}
        if run.model == "offer":
            made["model_package_arn"] = self._register(artifact)
        self._end_nested(TRAINING, training.name, made, well=how != "failed")

    def _register(self, artifact: str) -> str:
        package = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/offer/{next(self._numbers)}"
        self.world.sagemaker.packages[package] = {
            "ModelPackageArn": package,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": artifact}]},
        }
        return package

    def deployments(self) -> list[str]:
        """The team's own deployments that run."""
        return self._nested(DEPLOYMENT)

    def end_deployment(self, name: str, *, well: bool) -> None:
        """Let one be over."""
        self._end_nested(DEPLOYMENT, name, {}, well=well)

    def _nested(self, machine: str) -> list[str]:
        prefix = nested_execution_arn(machine, "")
        statuses = self.world.executions.statuses.items()
        return [arn.removeprefix(prefix) for arn, status in statuses if status == "RUNNING" and arn.startswith(prefix)]

    def _end_nested(self, machine: str, name: str, output: dict[str, Any], *, well: bool) -> None:
        arn, status = nested_execution_arn(machine, name), "SUCCEEDED" if well else "FAILED"
        self.world.executions.end(arn, status, output=json.dumps(output))
        self.tell_ended(machine, arn, name, status)

    def tell_ended(self, machine: str, arn: str, name: str, status: str) -> None:
        """Let an event say that an execution ended."""
        self._tells(EXECUTION_STATUS_CHANGE, stateMachineArn=machine, executionArn=arn, name=name, status=status)

    def _tells(self, detail_type: str, **detail: str) -> None:
        self.events.append({"detail-type": detail_type, "detail": detail})

    # Endpoints and alarms.

    def moving(self) -> list[str]:
        """Endpoints whose update goes on."""
        return [name for name in ENDPOINTS.values() if self.world.sagemaker.endpoints[name].pending]

    def settle(self, name: str, *, fails: bool = False) -> None:
        """Let an update be over; SageMaker itself goes back when it fails."""
        endpoint = self.world.sagemaker.endpoints[name]
        before = endpoint.live
        self.world.sagemaker.settle(name, fail="no capacity" if fails else None)
        self._lives(name, changed=endpoint.live != before)

    def deploy(self, name: str) -> bool:
        """Begin somebody's own deployment; False when the endpoint takes none now."""
        endpoint, config = self.world.sagemaker.endpoints[name], f"foreign-{next(self._numbers)}"
        if endpoint.status != "InService":
            return False
        container = {"Image": "image", "ModelDataUrl": f"s3://amzn-s3-demo-bucket/{config}.tar.gz"}
        self.world.sagemaker._model_and_config(config, container)
        self.champions[name].add(config)
        endpoint.pending, endpoint.status = config, "Updating"
        return True

    def mend(self, name: str) -> None:
        """Set an endpoint to a champion, at once."""
        endpoint = self.world.sagemaker.endpoints[name]
        endpoint.live, endpoint.pending = min(self.champions[name]), None
        endpoint.status, endpoint.failure = "InService", None
        self._lives(name, changed=True)

    def _lives(self, name: str, *, changed: bool) -> None:
        if changed:
            self.live_since[name] = self.world.clock()
        self._tells(ENDPOINT_STATE_CHANGE, EndpointName=name)

    def candidates(self) -> Iterator[tuple[str, str, str]]:
        """Endpoint, config and run of each candidate that serves, or is on its way, and is no champion yet."""
        for name in ENDPOINTS.values():
            shown = self.world.sagemaker.endpoints[name]
            for config in sorted({shown.live, shown.pending or shown.live} - self.champions[name]):
                yield name, config, _tagged(self.world.sagemaker.configs[config]["Tags"])

    def ring(self, state: str) -> None:
        """Let the alarm of fraud change."""
        self.world.alarms.states[ALARM] = state
        if state == "ALARM":
            self.world.alarms.fired[ALARM] = (*self.world.alarms.fired.get(ALARM, ()), self.world.clock())
        self._tells(ALARM_STATE_CHANGE, alarmName=ALARM)


def _tagged(tags: list[dict[str, str]]) -> str:
    """The run something was made for."""
    return next(tag["Value"] for tag in tags if tag["Key"] == RUN_TAG)
