"""Every path of the state machine on a second interpreter: each terminal, each way on, each catch."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, Final

import pytest

from orchestration.domain.contracts import Next
from tests.contract.asl_on_moto import PathResult, Return, Throw, run_on_moto
from tests.contract.template import Template
from tests.contract.workflow import Workflow
from tests.unit.commands import understood

DEFINITION: Final = Workflow.of(Template.read().resolve()).definition
STATES: Final[dict[str, dict[str, Any]]] = DEFINITION["States"]
EVENT: Final = {"source": "mlops.drift", "detail": {"model": "fraud"}}
BROKE: Final = Throw("KeyError", json.dumps({"errorMessage": "No rows", "errorType": "KeyError", "stackTrace": ["a"]}))
GONE: Final = Throw("Lambda.AccessDeniedException", "not allowed\nRunbook: https://evil.com/x\u202e\x1b[2J at 0.5")
WITHOUT_CAUSE: Final = Throw("States.Timeout")
LATER: Final = Throw("NotAcceptedYetError", "the endpoint is busy")
BUSY: Final = Throw("TransientServiceError", "throttled")

Step = tuple[str, "str | Throw"]
"""A task and what it answers: the word of its function, the outcome of a record, or an error."""


def says(word: str) -> Return:
    """The answer of a plain invocation; the next state, not the workflow, knows what else a run is about."""
    return Return({"Payload": {"next": word, "output": {"run_id": "run", "reason": "because"}}})


def answer(state: str, given: str | Throw) -> Return | Throw:
    """What a task's integration returns, in the form that its Resource has."""
    if isinstance(given, Throw):
        return given
    if state == "EscalateUnrecorded":
        return Return({"MessageId": given})
    if state in {"RecordOutcome", "RecordFailure"}:
        return Return({"Payload": {"outcome": given, "output": {"outcome": given, "reason": "a sentence"}}})
    if state == "FinishPromotion":
        return Return({"Payload": {}})  # its answer is read by nobody
    return Return({"next": given}) if STATES[state]["Resource"].endswith(".waitForTaskToken") else says(given)


DECIDED: Final[tuple[Step, ...]] = (("ReadRetrainingDecision", Next.TRAIN), ("AcquireTrainingSlot", Next.TRAIN))
TRAINED: Final = (*DECIDED, ("TriggerTrainingPipeline", Next.EVALUATE))
JUDGED: Final = (*TRAINED, ("EvaluateCandidate", Next.PROMOTE))
SERVING: Final = (*JUDGED, ("PromoteCandidate", Next.BAKE))
ASKED: Final[tuple[Step, ...]] = (("ReadRetrainingDecision", Next.ASK),)
SHOWN: Final = (*TRAINED, ("EvaluateCandidate", Next.ASK))
DOUBTED: Final = (*SERVING, ("AwaitBake", Next.ASK))
FINISHED: Final[tuple[Step, ...]] = (("FinishPromotion", Next.RECORD),)
UNDONE: Final[tuple[Step, ...]] = (("RollBackEndpoint", Next.FINISH), *FINISHED)


def recorded(outcome: str) -> tuple[Step, ...]:
    """The record of a run."""
    return (("RecordOutcome", outcome),)


PATHS: Final[dict[str, tuple[tuple[Step, ...], str]]] = {
    # What the guards and people say.
    "nothing to do": ((("ReadRetrainingDecision", Next.END),), "NoRetrainingNeeded"),
    "an unknown word trains nothing": ((("ReadRetrainingDecision", "dance"),), "NoRetrainingNeeded"),
    "not understood": ((("ReadRetrainingDecision", Next.REJECT),), "SignalRejected"),
    "training refused": (
        (*ASKED, ("RequestTrainingApproval", Next.RECORD), *recorded("APPROVAL_REJECTED")),
        "ApprovalRejected",
    ),
    "training approval silent": (
        (*ASKED, ("RequestTrainingApproval", WITHOUT_CAUSE), *recorded("APPROVAL_EXPIRED")),
        "ApprovalExpired",
    ),
    "no slot": (
        (DECIDED[0], ("AcquireTrainingSlot", Next.RECORD), *recorded("STOPPED")),
        "RetrainingStopped",
    ),
    "slot not parked": ((DECIDED[0], ("AcquireTrainingSlot", GONE), *recorded("FAILED")), "RetrainingFailed"),
    # Training.
    "training failed": (
        (*DECIDED, ("TriggerTrainingPipeline", Throw("TrainingFailed", "oom")), *recorded("TRAINING_FAILED")),
        "TrainingFailed",
    ),
    "training timed out": (
        (*DECIDED, ("TriggerTrainingPipeline", WITHOUT_CAUSE), *recorded("TRAINING_TIMED_OUT")),
        "TrainingTimedOut",
    ),
    "no capacity for the training": (
        (
            *DECIDED,
            ("TriggerTrainingPipeline", Next.EVALUATE),
            ("EvaluateCandidate", Next.RECORD),
            *recorded("NO_CAPACITY"),
        ),
        "NoCapacity",
    ),
    "training at last accepted": (
        (
            *DECIDED,
            *(("TriggerTrainingPipeline", LATER),) * 40,
            ("TriggerTrainingPipeline", Next.EVALUATE),
            ("EvaluateCandidate", Next.RECORD),
            *recorded("TRAINED"),
        ),
        "RetrainingCompleted",
    ),
    # Judging.
    "trained, nothing to promote": (
        (*TRAINED, ("EvaluateCandidate", Next.RECORD), *recorded("TRAINED")),
        "RetrainingCompleted",
    ),
    "worse": (
        (*TRAINED, ("EvaluateCandidate", Next.FINISH), *FINISHED, *recorded("CANDIDATE_REJECTED")),
        "CandidateRejected",
    ),
    "not evaluated": ((*TRAINED, ("EvaluateCandidate", GONE), *recorded("FAILED")), "RetrainingFailed"),
    "promotion refused": (
        (*SHOWN, ("RequestPromotionApproval", Next.FINISH), *FINISHED, *recorded("APPROVAL_REJECTED")),
        "ApprovalRejected",
    ),
    "paused while people decided": (
        (*SHOWN, ("RequestPromotionApproval", Next.RECORD), *recorded("STOPPED")),
        "RetrainingStopped",
    ),
    "promotion approval silent": (
        (*SHOWN, ("RequestPromotionApproval", WITHOUT_CAUSE), *recorded("APPROVAL_EXPIRED")),
        "ApprovalExpired",
    ),
    # Serving.
    "promoted": ((*SERVING, ("AwaitBake", Next.FINISH), *FINISHED, *recorded("PROMOTED")), "ModelPromoted"),
    "promoted by people": (
        (
            *ASKED,
            ("RequestTrainingApproval", Next.TRAIN),
            *SHOWN[1:],
            ("RequestPromotionApproval", Next.PROMOTE),
            ("PromoteCandidate", Next.BAKE),
            ("AwaitBake", Next.FINISH),
            *FINISHED,
            *recorded("PROMOTED"),
        ),
        "ModelPromoted",
    ),
    "promoted without a bake": (
        (*JUDGED, ("PromoteCandidate", Next.FINISH), *FINISHED, *recorded("PROMOTED")),
        "ModelPromoted",
    ),
    "promoted though the registry refuses": (
        (*SERVING, ("AwaitBake", Next.FINISH), ("FinishPromotion", GONE), *recorded("PROMOTED")),
        "ModelPromoted",
    ),
    "promoted after errors that pass": (
        (
            *JUDGED,
            *(("PromoteCandidate", each) for each in (LATER, BUSY, LATER)),
            ("PromoteCandidate", Next.BAKE),
            ("AwaitBake", BUSY),
            ("AwaitBake", Next.FINISH),
            *FINISHED,
            *recorded("PROMOTED"),
        ),
        "ModelPromoted",
    ),
    "asked again when the world changed": (
        (
            *JUDGED,
            ("PromoteCandidate", Next.ASK),
            ("RequestPromotionApproval", Next.PROMOTE),
            ("PromoteCandidate", Next.BAKE),
            ("AwaitBake", Next.FINISH),
            *FINISHED,
            *recorded("PROMOTED"),
        ),
        "ModelPromoted",
    ),
    "superseded": ((*JUDGED, ("PromoteCandidate", Next.RECORD), *recorded("SUPERSEDED")), "RetrainingSuperseded"),
    "kept by people after a doubtful bake": (
        (*DOUBTED, ("RequestBakeApproval", Next.FINISH), *FINISHED, *recorded("PROMOTED")),
        "ModelPromoted",
    ),
    # Going back, days later.
    "a champion of the past": (
        (
            ("ReadRetrainingDecision", Next.PROMOTE),
            ("PromoteCandidate", Next.BAKE),
            ("AwaitBake", Next.FINISH),
            *FINISHED,
            *recorded("PROMOTED"),
        ),
        "ModelPromoted",
    ),
    # Undoing.
    "undone by people after a doubtful bake": (
        (*DOUBTED, ("RequestBakeApproval", Next.ROLL_BACK), *UNDONE, *recorded("ROLLED_BACK")),
        "RolledBack",
    ),
    "nobody asked about a doubtful bake": (
        (*DOUBTED, ("RequestBakeApproval", Next.RECORD), *recorded("FAILED")),
        "RetrainingFailed",
    ),
    "doubtful bake not parked": (
        (*DOUBTED, ("RequestBakeApproval", GONE), *UNDONE, *recorded("ROLLED_BACK")),
        "RolledBack",
    ),
    "half promoted": ((*JUDGED, ("PromoteCandidate", Next.ROLL_BACK), *UNDONE, *recorded("ROLLED_BACK")), "RolledBack"),
    "promotion broke": ((*JUDGED, ("PromoteCandidate", GONE), *UNDONE, *recorded("ROLLED_BACK")), "RolledBack"),
    "bad bake": ((*SERVING, ("AwaitBake", Next.ROLL_BACK), *UNDONE, *recorded("ROLLED_BACK")), "RolledBack"),
    "bake not parked": ((*SERVING, ("AwaitBake", WITHOUT_CAUSE), *UNDONE, *recorded("ROLLED_BACK")), "RolledBack"),
    "endpoint of somebody else after the bake": (
        (*SERVING, ("AwaitBake", Next.RECORD), *recorded("FAILED")),
        "RetrainingFailed",
    ),
    "rollback refused for a while": (
        (*SERVING, ("AwaitBake", Next.ROLL_BACK), ("RollBackEndpoint", LATER), *UNDONE, *recorded("ROLLED_BACK")),
        "RolledBack",
    ),
    "rollback failed": (
        (
            *SERVING,
            ("AwaitBake", Next.ROLL_BACK),
            ("RollBackEndpoint", Throw("RollbackFailed", "it serves neither")),
            *recorded("ROLLBACK_FAILED"),
        ),
        "RollbackFailed",
    ),
    # Recording.
    "not decided": (
        (("ReadRetrainingDecision", GONE), ("RecordFailure", "FAILED")),
        "RetrainingFailed",
    ),
    "outcome not recorded": (
        (*TRAINED, ("EvaluateCandidate", Next.RECORD), ("RecordOutcome", GONE), ("EscalateUnrecorded", "m-1")),
        "RetrainingFailed",
    ),
    "outcome not recorded by a function that broke": (
        (*TRAINED, ("EvaluateCandidate", Next.RECORD), ("RecordOutcome", BROKE), ("EscalateUnrecorded", "m-1")),
        "RetrainingFailed",
    ),
    "failure not recorded and nobody told": (
        (
            ("ReadRetrainingDecision", GONE),
            ("RecordFailure", WITHOUT_CAUSE),
            ("EscalateUnrecorded", Throw("SNS.AuthorizationErrorException", "no")),
        ),
        "RetrainingFailed",
    ),
    "outcome not recorded and told at last": (
        (
            *TRAINED,
            ("EvaluateCandidate", Next.RECORD),
            ("RecordOutcome", GONE),
            *[("EscalateUnrecorded", Throw("SNS.AmazonSNSException", "Rate exceeded"))] * 5,
            ("EscalateUnrecorded", "m-1"),
        ),
        "RetrainingFailed",
    ),
}
"""What each task of a run answers, in order, and where the run ends."""


@functools.cache
def played(path: str) -> PathResult:
    """The result of a path."""
    script: dict[str, list[Return | Throw]] = {}
    for state, given in PATHS[path][0]:
        script.setdefault(state, []).append(answer(state, given))
    return run_on_moto(DEFINITION, EVENT, script)


@pytest.mark.parametrize("path", PATHS)
def test_a_run_meets_the_tasks_of_its_path_and_comes_to_its_end(path: str) -> None:
    steps, terminal = PATHS[path]
    tasks = [state for number, (state, _) in enumerate(steps) if number == 0 or steps[number - 1][0] != state]

    result = played(path)

    assert [name for name in result.states_visited if STATES[name]["Type"] == "Task"] == tasks
    assert result.states_visited[-1] == terminal
    if STATES[terminal]["Type"] == "Fail":
        assert (result.status, result.error, bool(result.cause)) == ("FAILED", terminal, True)
    else:
        assert result.status == "SUCCEEDED"


def test_the_paths_take_every_way_on_and_every_catch_of_every_state() -> None:
    ways = {
        (name, following)
        for name, state in STATES.items()
        for following in (
            *(branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))),
            *(state[key] for key in ("Next", "Default") if key in state),
        )
    }

    taken = {way for path in PATHS for way in zip(played(path).states_visited, played(path).states_visited[1:])}  # noqa: B905 - the last has none

    assert ways - taken == set()


def sent(path: str, state: str) -> dict[str, Any]:
    """The last payload that a state of the path sent."""
    found: dict[str, Any] = played(path).task_inputs[state][-1]["Payload"]
    return found


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("promoted", None),
        ("training failed", {"error": "TrainingFailed", "cause": "oom"}),
        ("training timed out", {"error": "States.Timeout", "cause": "no cause given"}),
        ("promotion broke", {"error": GONE.error, "cause": GONE.cause}),
        ("promoted though the registry refuses", None),
        ("promoted after errors that pass", None),
    ],
)
def test_the_record_hears_what_broke_and_only_that(path: str, failure: dict[str, str] | None) -> None:
    assert sent(path, "RecordOutcome")["failure"] == failure


def test_a_decision_that_failed_is_recorded_with_its_event() -> None:
    payload = sent("not decided", "RecordFailure")

    assert payload["event"] == EVENT
    assert payload["failure"] == {"error": GONE.error, "cause": GONE.cause}


def test_every_payload_says_which_run_it_is_of() -> None:
    for path in PATHS:
        for state, inputs in played(path).task_inputs.items():
            if state != "EscalateUnrecorded":
                execution = inputs[-1]["Payload"]["execution"]
                assert execution["name"] == "run", state
                assert execution["id"].endswith(":run"), state


def test_the_escalation_says_which_run_could_not_be_recorded_and_why() -> None:
    (arguments,) = played("outcome not recorded").task_inputs["EscalateUnrecorded"]

    assert GONE.error in arguments["Message"]
    assert (
        ": not allowed Runbook: https[:]//evil[.]com/x [2J at 0.5. Platform team: mend that; " in arguments["Message"]
    )
    assert arguments["Message"].isprintable()
    assert json.dumps(arguments).count("#run-not-recorded") == 1


def test_the_escalation_says_what_a_function_said_and_not_its_data_and_who_has_to_act() -> None:
    (arguments,) = played("outcome not recorded by a function that broke").task_inputs["EscalateUnrecorded"]

    assert (
        " could not record its outcome (KeyError): No rows. Platform team: mend that; within an hour a sweep closes the run and tells "
        "how it ended. To have one now: retraining sweep --stack "
    ) in arguments["Message"]
    (command,) = re.findall(r"retraining sweep .*?(?=\. Runbook, section Run not recorded: )", arguments["Message"])
    understood(command, stack="loop")
    assert "stackTrace" not in arguments["Message"]


@pytest.mark.parametrize(
    ("path", "cause"), [("outcome not recorded", GONE.cause), ("failure not recorded and nobody told", "no")]
)
def test_an_end_that_has_no_record_says_what_went_wrong_last(path: str, cause: str) -> None:
    assert played(path).cause == cause


def test_a_good_no_hands_on_why() -> None:
    assert played("nothing to do").output == {"run_id": "run", "reason": "because"}
