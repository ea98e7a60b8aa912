"""A history as the loop itself makes it: models, runs of every end, decisions of every kind, switches, votes, an anchor."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from orchestration import handler
from orchestration.domain.promotion import EndpointPlan
from tests.unit import stories
from tests.unit.fakes import World, drift, execution_arn
from tests.unit.stories import REPORT, do, next_of

ENDPOINTS: Final = {"fraud": "fraud-prod", "spam": "spam-prod"}
ALARM: Final = stories.ALARM
WORSE: Final = {"binary_classification_metrics": {"auc": {"value": 0.4}}}


class History:
    """Drives a world; each step is what the workflow, people or AWS would do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._numbers = itertools.count(1)
        world.alarms.states[ALARM] = "OK"
        for model, endpoint in ENDPOINTS.items():
            world.sagemaker.serve(endpoint, f"{model}-config-1")
            self.policy(model, promotion={"endpoint": endpoint, "bake_minutes": 30, "alarms": [ALARM]})
        self.policy("churn", promotion={"kind": "none"})

    def policy(self, model: str, **wishes: Any) -> None:
        """Write a model's policy."""
        wishes = {"cooldown_hours": 1, "breaker": {"fruitless_runs": 0, "drift_again_hours": 0}, **wishes}
        self.world.put(f"policies/{model}.json", stories.policy(model=model, **wishes))

    def signal(self, model: str | None, **detail: Any) -> str:
        """A drift signal comes; gives its execution, which goes on only if the decision is to retrain."""
        name = f"run-{next(self._numbers)}"
        self.world.executions.statuses[execution_arn(name)] = "RUNNING"
        self.world.clock.forward(minutes=1)
        answer = do(self.world, "admit", name, event=drift(model=model or "", dedupe_key=name, **detail))
        if answer["decision"] != "RETRAIN":
            self.world.executions.end(execution_arn(name), "SUCCEEDED", output=json.dumps(answer["output"]))
        return name

    def trained(self, model: str, run_id: str, report: Any = REPORT) -> None:
        """A slot, a training, and what it made."""
        do(self.world, "park", run_id, kind="slot", token=f"slot-{run_id}")
        do(self.world, "train", run_id, token=f"training-{run_id}")
        uri = f"s3://amzn-s3-demo-bucket/{run_id}/model.tar.gz"
        self.world.bucket.put(uri, f"weights of {run_id}".encode())
        self.world.put(f"runs/{model}/{run_id}/outputs/evaluation.json", report)
        output = json.dumps({"model_data_url": uri, "image": "image"})
        arn = stories.training_arn(run_id)
        self.world.executions.end(arn, "SUCCEEDED", output=output)
        stories.tell_ended(self.world, arn)
        assert next_of(self.world, f"training-{run_id}") == "evaluate"
        do(self.world, "evaluate", run_id)

    def asked(self, run_id: str, subject: str, *votes: tuple[str, str]) -> None:
        """People are asked, and vote."""
        do(self.world, "park", run_id, kind="approval", subject=subject, token=f"{subject}-asked-{run_id}")
        for by, decision in votes:
            self.world.clock.forward(minutes=2)
            stories.approve(self.world, run_id, by=by, decision=decision)

    def moved(self, model: str, run_id: str) -> None:
        """The endpoint moves to the candidate, which bakes."""
        do(self.world, "promote", run_id, token=f"promotion-{run_id}")
        self.world.sagemaker.settle(ENDPOINTS[model])
        self._tell_endpoint(model)
        assert next_of(self.world, f"promotion-{run_id}") == "bake"
        do(self.world, "park", run_id, kind="bake", token=f"bake-{run_id}")

    def baked(self, model: str, run_id: str, *, alarm: bool = False) -> None:
        """The bake ends: well, or by an alarm."""
        if alarm:
            self.world.alarms.states[ALARM] = "ALARM"
            event = {"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": ALARM}}
            handler.run_action(event, self.world.ports)
            self.world.alarms.states[ALARM] = "OK"
            do(self.world, "roll_back", run_id, token=f"rollback-{run_id}")
            self.world.sagemaker.settle(ENDPOINTS[model])
            self._tell_endpoint(model)
        else:
            self.world.clock.forward(minutes=31)
            self._tell_endpoint(model)
            do(self.world, "finish", run_id)

    def closed(self, run_id: str) -> str:
        """The workflow ends; gives the outcome."""
        answer = do(self.world, "close", run_id)
        self.world.executions.end(execution_arn(run_id), "SUCCEEDED", output=json.dumps(answer["output"]))
        return str(answer["outcome"])

    def promoted(self, model: str) -> str:
        """A whole run that ends well."""
        run_id = self.signal(model)
        self.trained(model, run_id)
        self.moved(model, run_id)
        self.baked(model, run_id)
        assert self.closed(run_id) == "PROMOTED"
        self.world.clock.forward(hours=2)
        return run_id

    def candidate(self, run_id: str) -> str:
        """The config of a run's candidate."""
        verdict = self.world.table.candidate_verdict(run_id)
        assert verdict is not None
        assert isinstance(verdict.plan, EndpointPlan)
        return verdict.plan.wanted_config

    def _tell_endpoint(self, model: str) -> None:
        detail = {"EndpointName": ENDPOINTS[model]}
        handler.run_action({"detail-type": "SageMaker Endpoint State Change", "detail": detail}, self.world.ports)


def write_history(world: World) -> None:
    """Write a history of a few days with every kind of record and of decision, and runs of most ends."""
    history = History(world)
    history.promoted("fraud")
    history.signal("fraud", observed=0.1)  # observed
    run = history.signal("fraud")
    history.signal("fraud")  # coalesced
    history.trained("fraud", run)
    history.moved("fraud", run)
    history.baked("fraud", run, alarm=True)
    assert history.closed(run) == "ROLLED_BACK"
    world.clock.forward(hours=2)
    do(world, "pause", scope="model:churn", by="ops", reason="labels")
    history.signal("churn")  # held
    do(world, "unpause", scope="model:churn", by="ops")
    run = history.signal("churn")
    history.trained("churn", run)
    assert history.closed(run) == "TRAINED"
    history.signal("churn")  # in the cooldown
    world.clock.forward(hours=2)
    do(world, "sweep")
    run = history.signal("spam")
    history.trained("spam", run, WORSE)
    assert history.closed(run) == "CANDIDATE_REJECTED"
    world.clock.forward(hours=2)
    history.policy(
        "spam",
        promotion={"endpoint": "spam-prod", "bake_minutes": 30, "alarms": [ALARM]},
        approval={"training": "always", "promotion": "always", "approvals_needed": 2},
    )
    run = history.signal("spam")
    history.asked(run, "training", ("ana", "APPROVED"), ("ben", "APPROVED"))
    history.trained("spam", run)
    history.asked(run, "promotion", ("ana", "APPROVED"), ("ben", "APPROVED"))
    history.moved("spam", run)
    history.baked("spam", run)
    assert history.closed(run) == "PROMOTED"
    world.clock.forward(hours=2)
    run = history.signal("spam")
    history.asked(run, "training", ("ana", "REJECTED"))
    assert history.closed(run) == "APPROVAL_REJECTED"
    world.clock.forward(hours=24)
    do(world, "sweep")  # anchors
    history.signal(None)  # rejected
    history.signal("nobody")  # rejected: unknown
    run = history.signal("spam")
    world.executions.end(execution_arn(run), "ABORTED")
    stories.tell_dead(world, "ABORTED", run)
    do(world, "pause", scope="source:alarm", by="ops", reason="storm")
    do(world, "pause", scope="global", by="ops", reason="drill")
    do(world, "unpause", scope="global", by="ops")
    state = world.table.model("fraud")
    assert state.frozen_reason is None
    history.policy(
        "fraud",
        breaker={"fruitless_runs": 0, "drift_again_hours": 2000},
        promotion={"endpoint": "fraud-prod", "bake_minutes": 30, "alarms": [ALARM]},
    )
    history.signal("fraud")  # drifts again: frozen
    assert world.table.model("fraud").frozen_reason
    do(world, "unfreeze", model="fraud", by="ops", reason="labels repaired")
    world.clock.forward(hours=25)
    do(world, "sweep")
    run = history.signal("fraud")
    history.trained("fraud", run)  # goes on
    world.clock.forward(minutes=5)
