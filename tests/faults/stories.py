"""The stories faults are put into: what a team set up, what happens, who answers what, and how it ends when nothing fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.stack import teams
from tests.stack.loop import BETTER, CHAMPION

if TYPE_CHECKING:
    from tests.faults.play import Play

WORSE: Final = {"auc": 0.7, "recall": 0.8}
OBSERVE: Final = {"info": "observe", "warning": "observe", "critical": "observe"}


def _no_policy(play: Play) -> dict[str, Any]:
    del play
    return {}


def _nothing(play: Play) -> None:
    del play


@dataclass(frozen=True)
class Story:
    """A story.

    Attributes:
        name: what a case calls it.
        ends: the outcome its last run has, or the decision on its last signal, when nothing fails.
        policy: sections of the policy that are not the usual ones.
        votes: what people answer when they are asked about a subject; asked about another one, nobody answers.
        goes_on: called again and again while the story is played; does what is next, once.
        ahead: hours by which the clock goes on after the story, beyond what faults need.
        signals: how many signals are sent, each after the run of the one before has ended.
        detail: what the signals' detail says beyond the usual.
    """

    name: str
    ends: str
    policy: Callable[[Play], dict[str, Any]] = _no_policy
    votes: dict[str, str] = field(default_factory=dict)
    goes_on: Callable[[Play], None] = _nothing
    ahead: float = 0
    signals: int = 1
    detail: dict[str, Any] = field(default_factory=dict)


def _kept(play: Play, name: str, make: Callable[[], Any]) -> Any:
    """What all cases of a place share: made when the first one asks."""
    return (
        play.place.shared.setdefault(name, None) or play.place.shared.update({name: make()}) or play.place.shared[name]
    )


def training(play: Play, name: str = "better", **more: Any) -> str:
    """A training pipeline that answers at once."""
    loop = play.place.loop
    reports = {"better": BETTER, "worse": WORSE}
    made: str = _kept(
        play, f"training-{name}", lambda: loop.training(loop.evaluation(reports.get(name, BETTER), CHAMPION), **more)
    )
    return made


def _asks(subject: str) -> Callable[[Play], dict[str, Any]]:
    wanted = {name: "always" if name in subject else "never" for name in ("training", "promotion")}
    return lambda _: {"approval": {**wanted, "approvals_needed": 1}}


def _measured(play: Play, number: int) -> None:
    """The report of a training whose target returns none."""
    loop = play.place.loop
    report = loop.read_uri(_kept(play, "report", lambda: loop.evaluation(BETTER, CHAMPION)))
    loop.put(f"runs/{play.name}/{play.name}-{number}/outputs/evaluation.json", report, bucket=loop.bucket)


def _registry(play: Play) -> dict[str, Any]:
    loop = play.place.loop
    package = teams.model_package(loop)
    loop.own(play.name, package)
    report = _kept(play, "report", lambda: loop.evaluation(BETTER, CHAMPION))
    return {
        "training": {"target": loop.training(report, model_package_arn=package)},
        "promotion": {"kind": "registry"},
    }


def _deployment(play: Play) -> dict[str, Any]:
    states = {"Deploy": {"Type": "Pass", "End": True}}
    target = _kept(play, "deployment", lambda: play.place.loop.pipeline(states, "Deploy"))
    return {"promotion": {"kind": "pipeline", "target": target}}


def _job(play: Play) -> dict[str, Any]:
    _measured(play, 1)
    return {
        "training": {"target": "training-job", "request": teams.job_request(play.place.loop)},
        "promotion": {"kind": "none"},
    }


def _sagemaker_pipeline(play: Play) -> dict[str, Any]:
    _measured(play, 1)
    target = _kept(play, "sagemaker-pipeline", lambda: teams.sagemaker_pipeline(play.place.loop))
    return {"training": {"target": target, "parameters": {"OutputUri": "output_uri"}}, "promotion": {"kind": "none"}}


def _failing(play: Play) -> dict[str, Any]:
    return {"training": {"target": _kept(play, "failing", play.place.loop.failing_training)}}


def _held(play: Play) -> dict[str, Any]:
    play.kept["held"] = teams.held_training(play.place.loop)
    return {"training": {"target": play.kept["held"].arn}}


def _alarmed(play: Play) -> dict[str, Any]:
    play.kept["alarm"] = teams.alarm(play.place.loop)
    return {
        "promotion": {"endpoint": play.endpoint, "bake_minutes": 60, "alarms": [play.kept["alarm"]]},
    }


def _silent(play: Play) -> dict[str, Any]:
    alarm = teams.alarm(play.place.loop)
    teams.set_alarm(play.place.loop, alarm, "INSUFFICIENT_DATA")
    return {"promotion": {"endpoint": play.endpoint, "bake_minutes": 0, "alarms": [alarm], "inconclusive": "ask"}}


def _raise_alarm(play: Play) -> None:
    if play.waits_for("bake") and play.once("alarm"):
        teams.set_alarm(play.place.loop, play.kept["alarm"], "ALARM")


def _stop_in_training(play: Play) -> None:
    if play.waits_for("training") and play.once("stop"):
        play.stop_executions()


def _pause_in_bake(play: Play) -> None:
    if play.waits_for("bake") and play.once("pause"):
        play.operate(action="pause", scope=f"model:{play.name}", reason="a case says so.")
    if "pause" in play.done and not play.executions() and play.once("unpause"):
        play.operate(action="unpause", scope=f"model:{play.name}")


def _stop_in_bake(play: Play) -> None:
    """Stopped while a candidate serves on trial: frozen, looked at again, and freed by a person."""
    if play.waits_for("bake") and play.once("stop"):
        play.stop_executions()
    if "stop" in play.done and play.clock > 200 and play.frozen() and play.once("unfreeze"):
        play.operate(action="unfreeze", model=play.name, reason="the candidate serves well.")


def _ask_for_a_training(play: Play) -> None:
    """Drift that is only observed, and an operator who wants a training all the same."""
    if play.runs and not play.executions() and play.once("request"):
        play.operate(action="retrain", model=play.name, reason="new labels.", key="case")


def _take_back(play: Play) -> None:
    """An operator takes a candidate back while it is on trial."""
    if play.waits_for("bake") and play.once("rollback"):
        play.operate(action="rollback", model=play.name, reason="a case says so.")


def _long_bake(play: Play) -> dict[str, Any]:
    return {"promotion": {"endpoint": play.endpoint, "bake_minutes": 60}}


STORIES: Final[dict[str, Story]] = {
    story.name: story
    for story in (
        Story("no", "OBSERVE", lambda _: {"actions": OBSERVE}),
        Story("refused", "REJECT", detail={"observed": "much", "threshold": "more"}),
        Story(
            "trained", "TRAINED", lambda play: {"training": {"target": training(play)}, "promotion": {"kind": "none"}}
        ),
        Story("training-failed", "TRAINING_FAILED", _failing),
        Story("rejected", "CANDIDATE_REJECTED", lambda play: {"training": {"target": training(play, "worse")}}),
        Story("promoted", "PROMOTED"),
        Story("registry", "PROMOTED", _registry),
        Story("deployment", "PROMOTED", _deployment),
        Story("rolled-back", "ROLLED_BACK", _alarmed, goes_on=_raise_alarm),
        Story("asked", "PROMOTED", _asks("training promotion"), {"training": "APPROVED", "promotion": "APPROVED"}),
        Story("no-is-said", "APPROVAL_REJECTED", _asks("promotion"), {"promotion": "REJECTED"}),
        Story("nobody-answers", "APPROVAL_EXPIRED", _asks("training"), ahead=80),
        Story("asked-about-bake", "PROMOTED", _silent, {"bake": "APPROVED"}),
        Story("stopped", "STOPPED", _held, goes_on=_stop_in_training),
        Story("stopped-in-bake", "STOPPED", _long_bake, goes_on=_stop_in_bake),
        Story("paused", "STOPPED", _long_bake, goes_on=_pause_in_bake),
        Story("taken-back", "ROLLED_BACK", _long_bake, goes_on=_take_back),
        Story("requested", "PROMOTED", lambda _: {"actions": OBSERVE}, goes_on=_ask_for_a_training),
        Story("job", "TRAINED", _job),
        Story("sagemaker-pipeline", "TRAINED", _sagemaker_pipeline),
        Story("pending", "PROMOTED", lambda _: {"cooldown_hours": 1}, ahead=2, signals=2),
    )
}
"""By name, those that are over soon first: a call that two stories make alike is put to the test in the first."""


def drift(play: Play, number: int) -> dict[str, Any]:
    """A signal of the story, as EventBridge delivers it."""
    event = play.place.loop.drift(play.name, observed=0.9 + number / 10)
    event["detail"] |= play.story.detail
    parsed: dict[str, Any] = json.loads(json.dumps(event))
    return parsed
