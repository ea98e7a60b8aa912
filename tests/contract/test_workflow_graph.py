"""What the definition proves by itself: its graph is walked whole, and its invariants hold on every path.

Error paths count: a catch may be taken at any attempt, a Choice by any of its rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from orchestration.domain.contracts import Next
from tests.contract.template import ROOT

DEFINITION: Final = json.loads((ROOT / "statemachine.asl.json").read_text(encoding="utf-8"))
STATES: Final[dict[str, dict[str, Any]]] = DEFINITION["States"]
START: Final[str] = DEFINITION["StartAt"]

TASKS: Final = {name for name, state in STATES.items() if state["Type"] == "Task"}
TERMINALS: Final = {name for name, state in STATES.items() if state["Type"] in {"Succeed", "Fail"}}
NOT_A_RUN: Final = {"NoRetrainingNeeded", "SignalRejected"}
"""Ends of a signal that started no run, so that there is nothing to record."""

RECORDS: Final = {"RecordOutcome", "RecordFailure"}
GIVES_THE_SLOT_BACK: Final = {"EvaluateCandidate", *RECORDS}
HAND: Final = "${PromotionFunctionArn}"
CHANGES: Final = {
    "TriggerTrainingPipeline": "train",
    "PromoteCandidate": "promote",
    "RollBackEndpoint": "roll_back",
    "FinishPromotion": "finish",
}
"""The states that change something outside the loop's own records, with what they have the hand do."""

EVENTS_OF_AN_EXECUTION: Final = 25_000
EVENTS_OF_AN_ATTEMPT: Final = 5
"""TaskScheduled, TaskStarted, TaskSubmitted, TaskFailed, and one to spare."""

EVENTS_OF_A_STATE: Final = 2
"""Entered and exited."""


def ways_on(name: str) -> list[str]:
    """Every state that can follow, after a success or an error."""
    state = STATES[name]
    ways = [branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))]
    return [*ways, *(state[key] for key in ("Next", "Default") if key in state)]


def paths(start: str, done: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every way from a state to an end that meets no state twice."""
    way = (*done, start)
    if start in TERMINALS:
        yield way
    for name in dict.fromkeys(ways_on(start)):
        if name not in way:
            yield from paths(name, way)


def reachable(start: str, without: set[str]) -> set[str]:
    """Every state that some path reaches without passing through one of `without`; `start` itself counts as passed."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in ways_on(waiting.pop()):
            if name not in found and name not in without:
                found.add(name)
                waiting.append(name)
    return found


def follow(*words: str) -> list[str]:
    """The states of a run whose functions answer these words one after the other."""
    answers, way = iter(words), [START]
    while way[-1] not in TERMINALS:
        state = STATES[way[-1]]
        if state["Type"] != "Choice":
            way.append(state["Next"])
            continue
        word = next(answers)
        ways = {re.findall(r"'(\w+)'", choice["Condition"])[0]: choice["Next"] for choice in state["Choices"]}
        way.append(ways.get(word, state["Default"]))
    assert next(answers, None) is None, "an answer is left over"
    return way


def test_a_slot_that_was_granted_is_given_back_before_any_end() -> None:
    (granted,) = (
        choice["Next"] for choice in STATES["SlotChoice"]["Choices"] if f"'{Next.TRAIN}'" in choice["Condition"]
    )

    assert granted not in GIVES_THE_SLOT_BACK
    assert reachable(granted, GIVES_THE_SLOT_BACK) & TERMINALS == set()


def test_a_slot_that_was_asked_for_is_taken_out_of_the_line_before_any_end() -> None:
    """A granted token whose answer was lost looks to the workflow like one that was not."""
    assert reachable("AcquireTrainingSlot", GIVES_THE_SLOT_BACK) & TERMINALS == set()


def test_nothing_ends_unrecorded() -> None:
    assert reachable(START, RECORDS) & TERMINALS == NOT_A_RUN


def test_a_record_that_failed_is_told_to_people() -> None:
    for name in RECORDS:
        (catch,) = STATES[name]["Catch"]
        assert catch["Next"] == "EscalateUnrecorded", name
        assert STATES[name]["Next"] == "OutcomeChoice", name


def test_what_was_recorded_is_followed_by_ends_only() -> None:
    for name in RECORDS:
        assert reachable(name, {"OutcomeChoice", "EscalateUnrecorded"}) == set()
    assert set(ways_on("OutcomeChoice")) | set(ways_on("EscalateUnrecorded")) <= TERMINALS


def test_the_machine_calls_nothing_but_the_two_functions_and_the_escalation() -> None:
    called = {
        (STATES[name]["Resource"].split(":states:::")[1], target(name))
        for name in TASKS
        if name != "EscalateUnrecorded"
    }

    assert {resource for resource, _function in called} == {"lambda:invoke", "lambda:invoke.waitForTaskToken"}
    assert {function for _resource, function in called} == {HAND, "${OrchestrationFunctionArn}"}
    assert STATES["EscalateUnrecorded"]["Resource"].endswith(":::sns:publish")


def target(name: str) -> str:
    """The function that a state calls."""
    return str(STATES[name]["Arguments"]["FunctionName"])


def test_every_change_outside_the_loop_is_the_hands() -> None:
    assert {name: payload(name)["action"] for name in TASKS if payload(name) and target(name) == HAND} == CHANGES


def payload(name: str) -> dict[str, Any]:
    """What a state sends to its function; nothing for the escalation."""
    found: dict[str, Any] = STATES[name]["Arguments"].get("Payload", {})
    return found


def test_a_training_starts_only_on_a_granted_slot() -> None:
    assert "TriggerTrainingPipeline" not in reachable(START, {"SlotChoice"})


def test_a_candidate_is_promoted_only_after_its_evaluation() -> None:
    assert "PromoteCandidate" not in reachable(START, {"EvaluateCandidate"})


def test_a_bake_comes_only_after_a_promotion_and_a_rollback_too() -> None:
    assert {"AwaitBake", "RollBackEndpoint"} & reachable(START, {"PromoteCandidate"}) == set()


def test_whatever_breaks_once_the_endpoint_may_have_changed_is_rolled_back_or_judged() -> None:
    """A catch between the promotion and the rollback must not end a run on a half-made change."""
    for name in ("PromoteCandidate", "AwaitBake", "RequestBakeApproval"):
        (catch,) = STATES[name]["Catch"]
        assert catch["Next"] == "RollBackEndpoint", name


def test_a_state_is_met_again_only_after_people_were_asked() -> None:
    """So no loop turns by itself: each round costs somebody's approval."""
    for name in STATES:
        assert name == "RequestPromotionApproval" or name not in reachable(name, {"RequestPromotionApproval"}), name


def test_people_are_asked_by_the_words_of_the_contract() -> None:
    assert follow(Next.END) == [START, "DecisionChoice", "NoRetrainingNeeded"]
    assert follow(Next.REJECT)[-1] == "SignalRejected"


PROMOTED: Final = (Next.TRAIN, Next.TRAIN, Next.PROMOTE, Next.BAKE, Next.FINISH, "PROMOTED")
PROMOTED_BY_PEOPLE: Final = (
    Next.ASK,
    Next.TRAIN,
    Next.TRAIN,
    Next.ASK,
    Next.PROMOTE,
    Next.BAKE,
    Next.FINISH,
    "PROMOTED",
)


@pytest.mark.parametrize(
    ("words", "most"), [((Next.END,), 3), (PROMOTED, 16), (PROMOTED_BY_PEOPLE, 20)], ids=["no", "promoted", "approved"]
)
def test_a_run_is_billed_for_few_states(words: tuple[str, ...], most: int) -> None:
    way = follow(*words)

    assert len(way) <= most
    assert way[-1] == ("ModelPromoted" if len(words) > 1 else "NoRetrainingNeeded")


def test_the_file_stays_one_that_a_person_reads() -> None:
    assert len(STATES) <= 45


def test_retries_are_the_same_wherever_they_are() -> None:
    """The functions', the hand's for what AWS does not take yet, and the escalation's."""
    blocks = {json.dumps(retrier) for name in TASKS for retrier in STATES[name]["Retry"]}

    assert len(blocks) <= 3


def test_what_aws_does_not_take_yet_is_asked_again_before_any_other_rule() -> None:
    patient = {name for name in TASKS if STATES[name]["Retry"][0]["ErrorEquals"] == ["NotAcceptedYetError"]}

    assert patient == set(CHANGES) - {"FinishPromotion"}
    others = [retrier for name in TASKS for retrier in STATES[name]["Retry"][name in patient :]]
    assert not [retrier for retrier in others if "NotAcceptedYetError" in retrier["ErrorEquals"]]


def test_the_longest_history_fits_into_an_execution() -> None:
    """Even with one round more of asking people: each retrier used up in every state of the path."""
    longest = max(paths(START), key=lambda way: sum(map(events, way)))

    assert {"TriggerTrainingPipeline", "PromoteCandidate", "RollBackEndpoint"} <= set(longest)
    again = sum(events(name) for name in ("RequestPromotionApproval", "PromoteCandidate", "PromotionChoice"))
    assert sum(map(events, longest)) + again < EVENTS_OF_AN_EXECUTION


def events(name: str) -> int:
    """History events a state can leave at most."""
    attempts = 1 + sum(retrier["MaxAttempts"] for retrier in STATES[name].get("Retry", []))
    return EVENTS_OF_A_STATE + (attempts * EVENTS_OF_AN_ATTEMPT if name in TASKS else 0)


def test_no_decision_travels_through_the_workflow() -> None:
    """A state hands over who it is and what it is for; everything else the function reads from the record."""
    known = {"action", "execution", "token", "kind", "subject", "event", "failure"}
    for name in TASKS - {"EscalateUnrecorded"}:
        assert payload(name).keys() <= known, name
        assert payload(name)["execution"] == {
            "id": "{% $states.context.Execution.Id %}",
            "name": "{% $states.context.Execution.Name %}",
        }, name


def test_a_failure_is_written_down_wherever_a_run_can_break_but_in_the_registry() -> None:
    """A registry or a monitor that refuses does not change what the run came to."""
    for name in TASKS - RECORDS - {"EscalateUnrecorded"}:
        (catch,) = STATES[name]["Catch"]
        assert catch["ErrorEquals"] == ["States.ALL"], name
        assert list(catch.get("Assign", {})) == ([] if name == "FinishPromotion" else ["failure"]), name


def test_a_word_is_kept_exactly_where_the_next_state_reads_it() -> None:
    for name in TASKS - RECORDS - {"EscalateUnrecorded"}:
        state = STATES[name]
        chosen = STATES[state["Next"]]["Type"] == "Choice"
        result = "$states.result" if state["Resource"].endswith(".waitForTaskToken") else "$states.result.Payload"
        assert state.get("Assign", {}).get("next") == (f"{{% {result}.next %}}" if chosen else None), name
