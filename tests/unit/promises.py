"""What the loop promises, looked at from outside while its invocations go on, and when everything is quiet.

Each effect is judged in the step that makes it: by what its invocation could have seen when it began, and by the order in
which intention, end of the run and switches were committed. ``docs/reliability.md`` has the promises in words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestration.domain.contracts import UNATTRIBUTED, Status, WaitKind
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.intention import IntentionState, endpoint_subject, training_subject
from orchestration.domain.switches import scopes_over
from orchestration.stores.service_errors import transient
from tests.unit.fakes import ProcessDiedError, World
from tests.unit.outsiders import ASKED, ENDPOINTS, LIMIT, MODELS, PEOPLE, STOPS, Outsiders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestration.domain.stored_run import StoredRun
    from tests.unit.memory_dynamodb import Key
    from tests.unit.scheduler import Actor

TRAININGS = frozenset({"StartTraining", "CreateTrainingJob"})
PREPARATIONS = frozenset({"CreateModel", "CreateEndpointConfig"})


class BrokenPromiseError(AssertionError):
    """What the loop promises does not hold. Its text begins with one word for the promise."""


def promised(holds: object, sentence: str) -> None:
    """Raise when a promise does not hold."""
    if not holds:
        raise BrokenPromiseError(sentence)


def planned(error: BaseException | None) -> bool:
    """True for what an invocation may raise, or log and go on after: anything else is a fault of its own."""
    if isinstance(error, (BotoCoreError, ClientError)):
        return transient(error)
    return error is None or isinstance(error, (OrchestrationError, ProcessDiedError))


@dataclass
class Sight:
    """What an invocation of the hand could see when it began; ``looked_at`` is its last look at an endpoint."""

    run_id: str
    closed: bool
    switches: dict[str, int]
    policy: tuple[int, str]
    artifact: int
    looked_at: datetime


class Promises:
    """Judges one stack in memory.

    ``said`` are people who said yes to a run, ``counted`` those whose vote on an approval was counted, ``named`` what a pause
    named as in flight, ``effects`` the effects that were seen.
    """

    def __init__(self, world: World, outsiders: Outsiders) -> None:
        self._world, self._outsiders = world, outsiders
        self.said: dict[str, set[str]] = {}
        self.counted: dict[tuple[str, str], set[str]] = {}
        self.named: dict[str, set[str]] = {}
        self.effects: Counter[str] = Counter()
        self._sights: dict[Actor, Sight] = {}
        self._opened: dict[tuple[str, str], int] = {}
        self._facts: dict[Key, Any] = {}
        self._requests = 0
        self._started: set[str] = set()

    # At any moment.

    def begins(self, actor: Actor, sight: Sight) -> None:
        """An invocation of the hand begins with this sight."""
        self._sights[actor] = sight

    def sight(self, run_id: str) -> Sight:
        """What is to be seen of a run now."""
        run = self._world.table.run(run_id)
        model = run.model if run else ""
        return Sight(
            run_id=run_id,
            closed=run is None or run.outcome is not None,
            switches=self._switches(model),
            policy=self._outsiders.policies.get(model, (0, "")),
            artifact=self._world.bucket.writes[self._outsiders.artifact(run_id)],
            looked_at=self._world.clock(),
        )

    def before(self, actor: Actor) -> None:
        """An invocation is about to make its call."""
        if actor.call == "DescribeEndpoint" and actor in self._sights:
            self._sights[actor].looked_at = self._world.clock()

    def after(self, actor: Actor, written: Sequence[Key]) -> None:
        """It has made it; ``written`` are the items it may have written.

        Raises:
            BrokenPromiseError: by what it did.
        """
        for key in written:
            self._fact(key, self._world.database.items.get(key, {}))
        requests, started = self._world.sagemaker.requests, self._world.executions.started
        for operation, request in requests[self._requests :]:
            if not operation.startswith("Stop"):
                self._effect(actor, operation, request)
        self._requests = len(requests)
        for name in [name for name in started if name.startswith("retraining-") and name not in self._started]:
            self._started.add(name)
            self._effect(actor, "StartDeployment" if "-deploy-" in name else "StartTraining", started[name])
        if actor.over:
            self._sights.pop(actor, None)

    def _fact(self, key: Key, item: dict[str, Any]) -> None:
        """A fact that was written is never changed; the opening of an intention is noted with its place."""
        (pk, sk), table = key, self._world.database
        if pk.startswith("INTENT#"):
            if item.get("state") == {"S": "OPEN"} and table.written[key] == table.commits:
                self._opened[pk, str(item["run_id"]["S"])] = table.commits
            return
        fact: Any = item.get("result") if pk.startswith(("WAIT#", "APPROVAL#")) else item.get("outcome")
        if pk.startswith(("SIGNAL#", "CHAIN#")) or sk.startswith(("VERDICT#", "STATUS#", "FINISH")):
            # A finish is begun before it is over.
            fact = item if item.get("over") != {"BOOL": False} else None
        if fact and pk.startswith(("WAIT#", "APPROVAL#", "SIGNAL#", "CHAIN#", "RUN#", "STATUS#", "FINISH#")):
            if key not in self._facts and sk == "bake" and "PROMOTED" in str(fact):
                asked = (f"REQUEST#{pk.removeprefix('WAIT#')}", "ROLLBACK") in table.items
                promised(not asked, f"rollback: {pk} is promoted after somebody asked for the champion")
            before = self._facts.setdefault(key, fact)
            promised(before == fact, f"facts: {pk} {sk} said {before} and says {fact}")
        if sk == "ROLLBACK" and key not in self._facts and item:
            self._facts[key] = item
            promoted = "PROMOTED" in str(self._facts.get((f"WAIT#{pk.removeprefix('REQUEST#')}", "bake")))
            promised(not promoted, f"rollback: {pk} is taken after its candidate was promoted")

    def _switches(self, model: str) -> dict[str, int]:
        """Switches over a model's runs, with the number of the write that threw each."""
        table = self._world.database
        keys = [("CONTROLS", scope) for scope in scopes_over(model, "drift_report")]
        return {key[1]: table.written[key] for key in keys if key in table.items}

    def _effect(self, actor: Actor, operation: str, request: dict[str, Any]) -> None:
        sight, does = self._sights.get(actor), f"{actor.name} made {operation}"
        if operation in {"DeleteEndpointConfig", "DeleteModel"}:
            # Old champions are removed by a sweep, which has no run.
            name = request.get("EndpointConfigName") or request.get("ModelName")
            live = {each.live for each in self._world.sagemaker.endpoints.values()}
            promised(name not in live, f"removed: {does} on what serves")
            return
        promised(sight is not None, f"hand: {does}, and only the hand may")
        assert sight is not None
        run = self._world.table.run(sight.run_id)
        promised(run is not None and not sight.closed, f"closed: {does} for a run that was over")
        assert run is not None
        if operation == "UpdateEndpoint":
            self._moves(does, sight, str(request["EndpointName"]))
            if request["EndpointConfigName"] in self._outsiders.champions[request["EndpointName"]]:
                # Going back is no forward effect.
                self.effects["rollbacks"] += 1
                return
        self.effects[operation] += 1
        thrown = self._switches(run.model)
        for scope, number in sight.switches.items():
            promised(thrown.get(scope) != number, f"switch: {does} under {scope}")
        if self._outsiders.policies[run.model] == sight.policy:
            promised(sight.policy[1] not in STOPS, f"policy: {does} under {sight.policy[1]}")
        if operation in PREPARATIONS:
            return
        self._agreed(does, operation, run)
        if operation in TRAININGS:
            running = len(self._outsiders.trainings())
            promised(running <= LIMIT, f"slots: {running} trainings run at once, {LIMIT} may")
            self._intended(does, "training", run, training_subject(run.run_id), thrown)
        elif operation == "UpdateEndpoint":
            self._intended(does, "promotion", run, endpoint_subject(str(request["EndpointName"])), thrown)
        if operation in {"UpdateEndpoint", "StartDeployment"} or request.get("ModelApprovalStatus") == "Approved":
            self._judged(does, sight, run)

    def _moves(self, does: str, sight: Sight, name: str) -> None:
        """Nobody's deployment is overwritten that could be seen at the last look."""
        intention = self._world.table.intention(endpoint_subject(name))
        promised(intention is not None and intention.run_id == sight.run_id, f"intention: {does} on {name}")
        assert intention is not None
        live = self._world.sagemaker.endpoints[name].live
        foreign = live not in {intention.previous, intention.wanted}
        seen = self._outsiders.live_since[name] <= sight.looked_at
        promised(not (foreign and seen), f"foreign: {does} over {live} on {name}")

    def _agreed(self, does: str, operation: str, run: StoredRun) -> None:
        if ASKED.get(run.model) == ("training" if operation in TRAININGS else "promotion"):
            said = self.said.get(run.run_id, set())
            promised(said == set(PEOPLE), f"consent: {does}, and {said} had said yes")

    def _intended(self, does: str, what: str, run: StoredRun, subject: str, thrown: dict[str, int]) -> None:
        """A forward effect has an intention that was committed before its run was closed and before a switch was thrown."""
        opened = self._opened.get((f"INTENT#{subject}", run.run_id), 0)
        promised(opened, f"intention: {does} without one")
        written = self._world.database.written
        if run.outcome is not None:
            promised(opened < written[f"RUN#{run.run_id}", "RUN"], f"closed: {does} for a run that was over")
        for scope, number in thrown.items():
            promised(opened < number, f"switch: {does} after {scope} was thrown")
            named = self.named.get(scope)
            told = named is None or any(line.startswith(f"{what} of run {run.run_id} ") for line in named)
            promised(told, f"in-flight: {does} after the pause of {scope}, which named {named}")

    def _judged(self, does: str, sight: Sight, run: StoredRun) -> None:
        """What is promoted passed its gates, and is what was judged."""
        artifact = self._outsiders.artifact(run.run_id)
        promised(run.run_id in self._outsiders.passed, f"gates: {does} with what had not passed")
        verdict = self._world.table.candidate_verdict(run.run_id)
        judged = {artifact: verdict.versions.get(artifact)} if verdict else {artifact: None}
        copies = {copy.uri: copy.version for copy in verdict.copies} if verdict else {}
        same = all(self._world.bucket.version(uri) == version for uri, version in (copies or judged).items())
        # Nobody writes a copy again, so only what is no copy may be written while the hand is at it.
        since = not copies and self._world.bucket.writes[artifact] != sight.artifact
        promised(same or since, f"versions: {does} with what was written again")

    def hold(self) -> None:
        """Look at what has to hold between any two calls.

        Raises:
            BrokenPromiseError: what does not.
        """
        models = [run["model"] for run in self._world.table.active_runs()]
        promised(len(set(models)) == len(models), f"lock: two runs of one model are open: {models}")
        for endpoint, config, run_id in self._outsiders.candidates():
            run = self._world.table.run(run_id)
            if run is not None and run.outcome == Status.PROMOTED:
                self._outsiders.champions[endpoint].add(config)
            elif run is not None and run.outcome is not None:
                frozen = self._world.table.model(run.model).frozen_reason
                promised(frozen, f"served: {config} of {run_id}, {run.outcome}, is on {endpoint}, and nobody is told")

    # When everything is quiet.

    def kept(self, executions: Sequence[str]) -> None:
        """Look at what has to hold when everything came to its end.

        Raises:
            BrokenPromiseError: what does not.
        """
        self.hold()
        self._nothing_is_left()
        self._records_are_whole(executions)
        for run_id in executions:
            run = self._world.table.run(run_id)
            if run is not None:
                self._end_is_told(run)
        for (run_id, subject), people in self.counted.items():
            wait = self._world.table.wait(run_id, WaitKind.APPROVAL, subject)
            votes = {vote["by"] for vote in wait.data["votes"]} if wait else set()
            promised(people <= votes, f"votes: those of {people} on {run_id} were counted, and {votes} are kept")
        for endpoint, config, run_id in self._outsiders.candidates():
            pages = [message for message in self._world.channels.messages if message.escalates]
            about = [message for message in pages if run_id in f"{message.thread} {message.sentence}"]
            promised(about, f"served: {config} of {run_id} serves on {endpoint}, and nobody was paged")

    def _nothing_is_left(self) -> None:
        table = self._world.table
        promised(table.active_runs() == [], "left: runs are open")
        promised(table.slots().holders == (), f"left: slots are held by {table.slots().holders}")
        promised(not list(table.queue()), "left: runs wait for a slot")
        promised(table.waits_without_tokens() == [], "left: waits are open")
        promised(table.due_items() == [], "left: something is due")
        promised(not self._outsiders.trainings(), "left: trainings run")
        for model in MODELS:
            state = table.model(model)
            promised(state.active_run_id is None, f"left: {model} is locked by {state.active_run_id}")
            promised(state.pending is None, f"left: {model} keeps a signal")
            if model in ENDPOINTS and not state.frozen_reason:
                # One that was abandoned counts as settled once its model is not frozen any more.
                intention = table.intention(endpoint_subject(ENDPOINTS[model]))
                left = intention is not None and intention.state == IntentionState.OPEN
                promised(not left, f"left: {intention} on the endpoint of {model}")

    def _records_are_whole(self, executions: Sequence[str]) -> None:
        """Each model's chain is whole, each signal has one record at most, and each decision one that was told."""
        records: Counter[str] = Counter()
        for model in (*MODELS, UNATTRIBUTED):
            try:
                chain = self._world.chain(model)
            except AssertionError as error:
                raise BrokenPromiseError(f"records: the chain of {model} is broken") from error
            records.update(record["signal"]["signal_id"] for record in chain if record.get("signal"))
        twice = [signal for signal, count in records.items() if count > 1]
        promised(not twice, f"records: signals with two: {twice}")
        told = {told["run_id"] for told in self._world.channels.events}
        for run_id in executions:
            decided = self._world.table.decision_of(run_id)
            if decided is not None:
                self._once(decided.record_key)
                promised(run_id in told, f"told: nobody heard of the decision of {run_id}")

    def _end_is_told(self, run: StoredRun) -> None:
        promised(run.outcome is not None, f"left: {run.run_id} has no outcome")
        evidence = f"evidence/{run.model}/{run.run_id}/outcome.json"
        self._once(evidence)
        self._once(f"manifests/{run.model}/{run.run_id}.json")
        said = self._world.read(evidence)["outcome"]
        promised(said == run.outcome, f"evidence: {evidence} says {said}, and the run {run.outcome}")
        events = {detail["id"] for detail in self._world.channels.events}
        for status in self._world.statuses(run.run_id):
            promised(f"{run.run_id}:{status}" in events, f"told: no event says {run.run_id}:{status}")
        messages = [message for message in self._world.told(str(run.outcome)) if message.thread == run.run_id]
        promised(messages, f"told: no message says that {run.run_id} ended {run.outcome}")

    def _once(self, key: str) -> None:
        written = self._world.versions(key)
        promised(written == 1, f"records: {key} was written {written} times")
