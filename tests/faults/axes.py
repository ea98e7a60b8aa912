"""What else can happen to a run, at every state in which it can be: stops, redrives, switches, policies, deployments, events.

A moment is a story that comes to rest, or is held for a while, where its run is in one state of the workflow. What
happens there is done once; then the story goes on as if nobody had noticed.
"""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tests.faults.injector import INVOKE
from tests.faults.play import Intervention, Play
from tests.faults.promises import ends
from tests.faults.stories import STORIES, Story, drift, training
from tests.stack import teams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.faults.place import Place
    from tests.faults.promises import Left

HELD_SECONDS: Final = 0.8
"""How long a call is held where a run cannot be met at rest."""

MOVING_SECONDS: Final = 1.0
"""How long an endpoint moves where it is to be met moving."""

FORWARD: Final = frozenset(
    {
        "sagemaker:CreateModel",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:UpdateEndpoint",
        "sagemaker:CreateTrainingJob",
        "sagemaker:StartPipelineExecution",
        "stepfunctions:StartExecution",
    }
)
"""Forward effects, where the hand makes them in train and promote."""


def _nothing(play: Play) -> dict[str, Any]:
    del play
    return {}


def _at_rest(what: str) -> Callable[[Play], bool]:
    return lambda play: play.waits_for(what)


def _held(play: Play) -> bool:
    return play.place.fired(play.name) is not None


@dataclass(frozen=True)
class Moment:
    """Where a run can be.

    Attributes:
        name: of the moment.
        here: true when the run is there.
        policy: what brings it there.
        held: label and operation of the call that is held there, where it cannot be met at rest.
        before: done again and again until it is there.
        promoted: whether the verdict on the candidate fell before.
    """

    name: str
    here: Callable[[Play], bool]
    policy: Callable[[Play], dict[str, Any]] = _nothing
    held: tuple[str, str] | None = None
    before: Callable[[Play], None] = lambda _: None
    promoted: bool = False


def _asks(subject: str) -> Callable[[Play], dict[str, Any]]:
    wanted = {name: "always" if name == subject else "never" for name in ("training", "promotion")}
    return lambda _: {"approval": {**wanted, "approvals_needed": 1}}


def _slot_taken(play: Play) -> dict[str, Any]:
    _ledger(play, [{"run_id": "somebody-elses", "model": "another", "fence": 1, "since": "2026-01-01T00:00:00+00:00"}])
    return {}


def _ledger(play: Play, holders: list[dict[str, Any]]) -> None:
    """Say in the table who holds a slot, as runs of another model would."""
    item = {
        "pk": {"S": "SLOTS"},
        "sk": {"S": "LEDGER"},
        "holders": {"S": f"json:{json.dumps(holders)}"},
        "waiters": {"S": "json:[]"},
        "fence": {"N": "1"},
        "version": {"N": "1"},
    }
    play.place.aws.client("dynamodb").put_item(TableName=play.place.loop.table, Item=item)


def _training(play: Play) -> dict[str, Any]:
    play.kept["held"] = teams.held_training(play.place.loop)
    return {"training": {"target": play.kept["held"].arn}}


def _trains(play: Play) -> bool:
    if not play.waits_for("training"):
        return False
    play.kept["held"].until_it_runs()
    return True


def _moves_slowly(play: Play) -> dict[str, Any]:
    play.place.aws.tell_endpoint(play.endpoint, None, seconds=MOVING_SECONDS)
    return {}


def _long_bake(play: Play) -> dict[str, Any]:
    play.kept["alarm"] = teams.alarm(play.place.loop)
    return {"promotion": {"endpoint": play.endpoint, "bake_minutes": 60, "alarms": [play.kept["alarm"]]}}


def _silent_bake(play: Play) -> dict[str, Any]:
    alarm = teams.alarm(play.place.loop)
    teams.set_alarm(play.place.loop, alarm, "INSUFFICIENT_DATA")
    return {"promotion": {"endpoint": play.endpoint, "bake_minutes": 0, "alarms": [alarm], "inconclusive": "ask"}}


def _alarms(play: Play) -> None:
    if play.waits_for("bake") and play.once("alarm"):
        teams.set_alarm(play.place.loop, play.kept["alarm"], "ALARM")


def _alarms_slowly(play: Play) -> None:
    if play.waits_for("bake") and "alarm" not in play.done:
        play.place.aws.tell_endpoint(play.endpoint, None, seconds=MOVING_SECONDS)
        _alarms(play)


def _updating(what: str) -> Callable[[Play], bool]:
    return lambda play: play.waits_for(what) and play.place.loop.endpoint_status(play.endpoint) == "Updating"


MOMENTS: Final = {
    moment.name: moment
    for moment in (
        Moment("deciding", _held, held=("admit", "dynamodb:TransactWriteItems")),
        Moment("asked-before-training", _at_rest("approval:training"), _asks("training")),
        Moment("queued", _at_rest("slot"), _slot_taken),
        Moment("starting-training", _held, held=("train", "stepfunctions:StartExecution")),
        Moment("training", _trains, _training),
        Moment("evaluating", _held, held=("evaluate", "sagemaker:DescribeModel")),
        Moment("asked-before-promotion", _at_rest("approval:promotion"), _asks("promotion")),
        Moment("starting-promotion", _held, held=("promote", "sagemaker:UpdateEndpoint")),
        Moment("moving", _updating("promotion"), _moves_slowly),
        Moment("baking", _at_rest("bake"), _long_bake),
        Moment("asked-about-bake", _at_rest("approval:bake"), _silent_bake),
        Moment("going-back", _held, _long_bake, ("roll_back", "sagemaker:UpdateEndpoint"), _alarms, promoted=True),
        Moment("moving-back", _updating("rollback"), _long_bake, before=_alarms_slowly, promoted=True),
        Moment("finishing", _held, held=("finish", "sagemaker:DescribeEndpoint"), promoted=True),
        Moment("recording", _held, held=("close", "dynamodb:TransactWriteItems"), promoted=True),
    )
}


def _goes_on(moment: Moment, play: Play) -> None:
    """Bring the run to the moment; once something happened there, answer what it waits for."""
    if "happened" not in play.done:
        moment.before(play)
        return
    for subject in ("training", "promotion", "bake"):
        if f"voted {subject}" not in play.done and play.waits_for(f"approval:{subject}"):
            play.done.add(f"voted {subject}")
            play.vote(subject, "APPROVED")
    if moment.name == "training" and play.once("let go"):
        with contextlib.suppress(ClientError):
            play.kept["held"].let_go()
    if moment.name == "queued" and play.once("given back"):
        item = play.place.loop.item("SLOTS", "LEDGER") or {}
        if "somebody-elses" in item.get("holders", {}).get("S", ""):
            _ledger(play, [])


@dataclass(frozen=True)
class Happening:
    """What happens to a run.

    Attributes:
        name: of the axis.
        does: what is done at the moment.
        but: moments at which it cannot be done or means nothing, and why.
        sets_up: done before the story begins.
        wrong: what this case alone asks of what was left.
    """

    name: str
    does: Callable[[Play], None]
    but: dict[str, str] = field(default_factory=dict)
    sets_up: Callable[[Play], None] = lambda _: None
    wrong: Callable[[Play, Left], list[str]] = lambda _, __: []


# Stops and redrives.


def _deaf_to(*rules: str) -> Callable[[Play], None]:
    """Rules that deliver nothing until the case is over."""

    def sets_up(play: Play) -> None:
        for rule in rules:
            deaf = play.place.deaf(rule)
            deaf.__enter__()
            play.at_end.append(lambda deaf=deaf: deaf.__exit__(None, None, None))  # type: ignore[misc] # the one of this turn

    return sets_up


def _outcome(play: Play) -> Any:
    return ((play.place.loop.item(f"RUN#{play.run}", "RUN") or {}).get("outcome") or {}).get("S")


def _world(play: Play) -> dict[str, Any]:
    """What a run could change."""
    loop = play.place.loop
    sagemaker = play.place.aws.client("sagemaker")
    return {
        "serves": loop.endpoint_config(play.endpoint),
        "models": sorted(
            each["ModelName"] for each in sagemaker.list_models(MaxResults=100, NameContains=play.name)["Models"]
        ),
        "trainings": len(
            play.place.aws.client("stepfunctions").list_executions(stateMachineArn=play.policy["training"]["target"])[
                "executions"
            ]
        ),
        "outcome": _outcome(play),
    }


def _redrive(play: Play) -> None:
    """Redrive the case's execution once its run is closed, and await that it ends again."""
    loop, arn = play.place.loop, play.place.loop.execution_arn(play.run)
    states = play.place.aws.client("stepfunctions")
    with contextlib.suppress(TimeoutError):
        loop.until(lambda: _outcome(play), within=5)
    with contextlib.suppress(TimeoutError):
        # What was begun before the stop ends first: an update, a training that is being stopped.
        loop.until(lambda: loop.endpoint_status(play.endpoint) == "InService", within=5)
    play.kept["before"] = _world(play)
    with contextlib.suppress(ClientError):
        states.redrive_execution(executionArn=arn)
        loop.ended(arn)
        play.kept["redriven"] = True
    play.kept["after"] = _world(play)


def _stop_and_redrive(play: Play) -> None:
    play.stop_executions()
    play.until_quiet()
    _redrive(play)


def _stop_and_redrive_at_once(play: Play) -> None:
    """An administrator's redrive before anybody closed the run: it is its own run still, and goes on."""
    play.stop_executions()
    with contextlib.suppress(ClientError):
        play.place.aws.client("stepfunctions").redrive_execution(executionArn=play.place.loop.execution_arn(play.run))


def _stop_and_signal(play: Play) -> None:
    """Stopped, and then the next signal comes, under a policy that waits for nothing."""
    play.stop_executions()
    play.until_quiet()
    if play.name in json.dumps(play.place.loop.item("SLOTS", "LEDGER") or {}):
        # A slot is held until its training is known to be over, which may be later than the run's end.
        play.clock += 200
        play.tell()
        play.sweep()
    _ledger(play, [])
    plain = play.policy | {
        "training": {"target": training(play)},
        "promotion": {"endpoint": play.endpoint, "bake_minutes": 0},
        "approval": {"training": "never", "promotion": "never", "approvals_needed": 1},
    }
    play.place.loop.policy(play.name, **plain)
    play.kept["frozen"] = play.frozen()
    play.runs.append(f"{play.name}-2")
    play.place.loop.start(drift(play, 1), name=play.run)


def _next_is_retrained(play: Play, left: Left) -> list[str]:
    """The next signal is retrained on, unless the endpoint was left for people to look at."""
    records = [value for key, value in left.objects.items() if key.startswith("decisions/")]
    decisions = [record["decision"] for record in records if record["run_id"] == play.run]
    # One that meets a run nobody knew of when it was stopped is kept, and brought back.
    ended = ends(left) if decisions in (["RETRAIN"], ["COALESCE"]) else ", ".join(decisions)
    expected = "HOLD" if play.kept.get("frozen") else "PROMOTED"
    return [] if ended == expected else [f"the next signal ended {ended}, not {expected}"]


def _redriven_changes_nothing(play: Play, left: Left) -> list[str]:
    del left
    before, after = play.kept.get("before"), play.kept.get("after")
    return [] if before == after else [f"a redrive changed {before} to {after}"]


# Switches.


def _pause(scope: str, play: Play) -> None:
    named = scope.replace("NAME", play.name)
    play.operate(action="pause", scope=named, reason="a case says so.")
    play.kept["lines"] = len(play.place.seen(play.name))
    play.kept["outcome"] = _outcome(play)
    play.at_rest.append(lambda: play.operate(action="unpause", scope=named))


def _nothing_forward(play: Play, left: Left) -> list[str]:
    """No forward effect of an invocation that began after the switch was thrown, until it was lifted."""
    lines = play.place.seen(play.name)
    known = {line["invocation"] for line in lines[: play.kept.get("lines", 0)]}
    lifted = next((place for place, line in enumerate(lines) if line["label"] == "unpause"), len(lines))
    wrong = [
        f"{line['operation']} by {line['label']} after the switch was thrown"
        for line in lines[play.kept.get("lines", 0) : lifted]
        if line.get("operation") in FORWARD
        and line["label"] in {"train", "promote"}
        and line["invocation"] not in known
    ]
    del left
    return wrong


# Policies.


def _change_policy(play: Play) -> None:
    document = play.place.loop.read(f"policies/{play.name}.json")
    document["evaluation"]["min_improvement"] = 0.02
    play.place.loop.put(f"policies/{play.name}.json", document, bucket=play.place.loop.bucket)


def _delete_policy(play: Play) -> None:
    play.place.loop.remove(f"policies/{play.name}.json")


def _set_shadow(play: Play) -> None:
    document = play.place.loop.read(f"policies/{play.name}.json")
    play.place.loop.put(f"policies/{play.name}.json", {**document, "mode": "shadow"}, bucket=play.place.loop.bucket)


def _champion_serves(play: Play, left: Left) -> list[str]:
    del play
    return [] if left.made_by is None else [f"a candidate serves: {left.made_by}"]


BEFORE_PROMOTION: Final = (
    "asked-before-training",
    "queued",
    "starting-training",
    "training",
    "evaluating",
    "asked-before-promotion",
)


def _champion_serves_if_before(moment: Moment) -> Callable[[Play, Left], list[str]]:
    return _champion_serves if moment.name in BEFORE_PROMOTION else lambda _, __: []


# The endpoint.


def _hotfix(play: Play) -> None:
    """Somebody deploys another config. SageMaker takes no update while one goes on."""
    sagemaker, name = play.place.aws.client("sagemaker"), f"{play.name}-hotfix"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=f"{play.name}-first")
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=config["ProductionVariants"])
    with contextlib.suppress(ClientError):
        sagemaker.update_endpoint(EndpointName=play.endpoint, EndpointConfigName=name)
        play.kept["hotfix"] = name


def _hotfix_serves(play: Play, left: Left) -> list[str]:
    hotfix = play.kept.get("hotfix")
    serves = (left.endpoint or {}).get("EndpointConfigName")
    return [] if hotfix in {None, serves} else [f"{serves} serves instead of somebody's {hotfix}"]


def _anything(play: Play, left: Left) -> list[str]:
    del play, left
    return []


def _delete_endpoint(play: Play) -> None:
    with contextlib.suppress(ClientError):
        play.place.aws.client("sagemaker").delete_endpoint(EndpointName=play.endpoint)


def _scale(play: Play) -> None:
    """An autoscaler changes the endpoint's capacity, which takes a while."""
    play.place.aws.tell_endpoint(play.endpoint, None, seconds=MOVING_SECONDS)
    wishes = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
    with contextlib.suppress(ClientError):
        play.place.aws.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=play.endpoint, DesiredWeightsAndCapacities=wishes
        )


# Events.


def _nobody_hears(play: Play) -> None:
    deaf = play.place.deaf("WaitRule")
    deaf.__enter__()
    play.at_end.append(lambda: deaf.__exit__(None, None, None))


def _events(play: Play) -> list[dict[str, Any]]:
    """The events that can come about a case, as their sources send them."""
    loop, sent = play.place.loop, list[dict[str, Any]]()
    arn = loop.execution_arn(play.run)
    described = play.place.aws.client("stepfunctions").describe_execution(executionArn=arn)
    settled = {"executionArn": arn, "stateMachineArn": loop.machine, "name": play.run}
    sent += [
        _event("aws.states", "Step Functions Execution Status Change", {**settled, "status": status})
        for status in sorted({described["status"], "ABORTED"})
    ]
    sent.append(
        _event(
            "aws.sagemaker",
            "SageMaker Endpoint State Change",
            {"EndpointName": play.endpoint, "EndpointStatus": "IN_SERVICE"},
        )
    )
    target = play.policy["training"]["target"]
    trained = play.place.aws.client("stepfunctions").list_executions(stateMachineArn=target)["executions"]
    sent += [
        _event(
            "aws.states",
            "Step Functions Execution Status Change",
            {
                "executionArn": each["executionArn"],
                "stateMachineArn": target,
                "name": each["name"],
                "status": "SUCCEEDED",
            },
        )
        for each in trained
    ]
    return sent


def _event(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "an-event",
        "source": source,
        "detail-type": kind,
        "time": "2026-03-02T11:09:41Z",
        "resources": [],
        "detail": detail,
    }


def _all_events_twice(play: Play) -> None:
    """Every event that can come, twice, last ones first: late, out of order and doubled."""
    for event in [*reversed(_events(play)), *_events(play)]:
        play.invoke("OrchestrationFunctionName", event)


def _signal_again(play: Play) -> None:
    """The signal itself is delivered again, at once and under another execution."""
    again = play.place.loop.input_of(play.place.loop.execution_arn(play.run))
    run = f"{play.name}-again"
    play.runs.insert(0, run)
    play.place.aws.client("stepfunctions").start_execution(
        stateMachineArn=play.place.loop.machine, name=run, input=again
    )


def _skewed(seconds: float, play: Play) -> None:
    """The functions' clock is off from that of the services, whose times they compare with theirs."""
    play.skew = seconds
    play.tell()


# Sweeps.


def _together(*calls: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _two_sweeps(play: Play) -> None:
    _together(play.sweep_ahead, play.sweep_ahead)


def _sweep_beside_events(play: Play) -> None:
    events = _events(play)

    def tell() -> None:
        for event in events:
            play.invoke("OrchestrationFunctionName", event)

    _together(play.sweep_ahead, tell)


MOVING: Final = "SageMaker takes no other change while the endpoint moves"
UNDECIDED: Final = "the run is not there yet: what comes before the decision is what it is decided on"
NO_REDRIVE: Final = (
    "nothing to redrive: the run has its verdict, and its execution ended well before it could be stopped"
)
NEVER_CLOSED: Final = "an execution that is stopped before its decision has no run"


def _happenings(moment: Moment) -> tuple[Happening, ...]:
    champion = _champion_serves_if_before(moment)
    undecided = {"deciding": UNDECIDED}
    return (
        Happening("stopped", lambda play: play.stop_executions()),
        Happening("stopped-no-event", lambda play: play.stop_executions(), sets_up=_deaf_to("SettleRule")),
        Happening(
            "stopped-and-redriven", _stop_and_redrive, {"deciding": NEVER_CLOSED}, wrong=_redriven_changes_nothing
        ),
        Happening("stopped-and-redriven-at-once", _stop_and_redrive_at_once, sets_up=_deaf_to("SettleRule")),
        Happening("stopped-and-signalled", _stop_and_signal, wrong=_next_is_retrained),
        Happening("paused-model", partial(_pause, "model:NAME"), wrong=_nothing_forward),
        Happening("paused-source", partial(_pause, "source:drift_report"), wrong=_nothing_forward),
        Happening("paused-global", partial(_pause, "global"), wrong=_nothing_forward),
        Happening("policy-changed", _change_policy, undecided),
        Happening("policy-deleted", _delete_policy, undecided, wrong=champion),
        Happening("shadow-set", _set_shadow, undecided, wrong=champion),
        Happening(
            "deployed-by-others",
            _hotfix,
            {**undecided, "moving": MOVING, "moving-back": MOVING},
            # What comes and is over between the last look and UpdateEndpoint is overwritten: "What remains".
            wrong=_anything if moment.name in {"starting-promotion", "going-back"} else _hotfix_serves,
        ),
        Happening("endpoint-deleted", _delete_endpoint, {"moving": MOVING, "moving-back": MOVING}),
        Happening("endpoint-scaling", _scale, {"moving": MOVING, "moving-back": MOVING}),
        Happening("events-lost", _nobody_hears),
        Happening("events-late-twice-in-disorder", _all_events_twice),
        Happening("signal-twice", _signal_again),
        Happening("clock-behind", lambda _: None, sets_up=partial(_skewed, -300)),
        Happening("clock-ahead", lambda _: None, sets_up=partial(_skewed, 300)),
        Happening("two-sweeps", _two_sweeps),
        Happening("sweep-beside-events", _sweep_beside_events),
    )


def _case(moment: Moment, happening: Happening, place: Place) -> Play:
    story = Story(moment.name, "", moment.policy, goes_on=partial(_goes_on, moment))
    fault = None
    if moment.held:
        label, operation = moment.held
        fault = {
            "label": label,
            "operation": operation,
            "kind": "delayed",
            "seconds": HELD_SECONDS,
            "retried": True,
        }
    play = Play(place, story, place.new_name(), fault=fault)

    def does(play: Play) -> None:
        happening.does(play)
        play.done.add("happened")

    play.interventions.append(Intervention(moment.here, does))
    play.also = partial(happening.wrong, play)
    play.before = partial(happening.sets_up, play)
    return play


# Redrives of executions that failed by themselves.


def _failed_case(story: str, place: Place) -> Play:
    play = Play(place, STORIES[story], place.new_name())

    def ended(play: Play) -> bool:
        return bool(play.runs) and not play.executions() and _outcome(play) is not None

    play.interventions.append(Intervention(ended, _redrive))
    play.also = partial(_redriven_changes_nothing, play)
    return play


# The last message of a workflow that could not record how it ended, which it sends itself.

LAST_MESSAGE: Final[dict[str, dict[str, Any]]] = {
    "throttled": {"code": "Throttling"},
    "5xx": {"code": "InternalError", "status": 500},
    "lost": {"code": "SdkClientException", "after_effect": True},
    "denied": {"code": "AuthorizationError", "status": 403, "times": 50},
}
"""How SNS answers it: the workflow tries again, and only a refusal stays."""

UNRECORDED: Final = "could not record its outcome"


def _unrecorded_case(kind: str, place: Place) -> Play:
    denied = {"label": "close", "operation": INVOKE, "shape": "", "ordinal": 1, "kind": "denied for good"}
    play = Play(place, STORIES["trained"], place.new_name(), fault={**denied, "retried": False})

    def set_up() -> None:
        matching = UNRECORDED.replace(" ", "+")
        place.aws.fail_next("sns", "Publish", matching=matching, **LAST_MESSAGE[kind])
        play.at_end.append(place.aws.forget_faults)

    def told(left: Left) -> list[str]:
        expected = kind != "denied"
        return [] if left.told(UNRECORDED) is expected else [f"the last message {'is missing' if expected else 'came'}"]

    play.before, play.also = set_up, told
    return play


AXES: Final[Mapping[str, Callable[[Place], Play]]] = (
    {
        f"{happening.name}/{moment.name}": partial(_case, moment, happening)
        for moment in MOMENTS.values()
        for happening in _happenings(moment)
        if moment.name not in happening.but
    }
    | {f"failed-and-redriven/{story}": partial(_failed_case, story) for story in ("training-failed", "rolled-back")}
    | {f"last-message/{kind}": partial(_unrecorded_case, kind) for kind in LAST_MESSAGE}
)
"""Every case of these axes by its name."""

CANNOT: Final[dict[str, str]] = {
    f"{happening.name}/{moment.name}": happening.but[moment.name]
    for moment in MOMENTS.values()
    for happening in _happenings(moment)
    if moment.name in happening.but
}
"""Those that cannot be, and why."""
