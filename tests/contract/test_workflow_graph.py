"""What the definition proves by itself: its graph is walked whole, and its invariants hold on every path.

Error paths count: a catch may be taken at any attempt, a Choice by any of its rules. Each proof is shown to see the fault it
is there for: it fails on a graph that was changed so.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from orchestration import handler, promotion_handler
from orchestration.actions import promote, roll_back
from orchestration.domain.contracts import Next
from orchestration.domain.errors import ContentionError, TransientServiceError
from orchestration.steps.artifacts import AT_A_TIME
from tests.contract.template import ROOT

DEFINITION: Final = json.loads((ROOT / "statemachine.asl.json").read_text(encoding="utf-8"))
SCHEMA: Final = json.loads((ROOT / "src/orchestration/policy.schema.json").read_text(encoding="utf-8"))

NOT_A_RUN: Final = {"NoRetrainingNeeded", "SignalRejected"}
"""Ends of a signal that started no run, so that there is nothing to record."""

RECORDS: Final = {"RecordOutcome", "RecordFailure"}
GIVES_THE_SLOT_BACK: Final = {"EvaluateCandidate", *RECORDS}
HAND: Final = "${PromotionFunctionArn}"
ORCHESTRATION: Final = "${OrchestrationFunctionArn}"
ESCALATION: Final = "EscalateUnrecorded"
CHANGES: Final = {
    "TriggerTrainingPipeline": "train",
    "PromoteCandidate": "promote",
    "RollBackEndpoint": "roll_back",
    "FinishPromotion": "finish",
}
"""The states that change something outside the loop's own records, with what they have the hand do."""

FORWARD: Final = {"TriggerTrainingPipeline": Next.TRAIN, "PromoteCandidate": Next.PROMOTE}
"""Those that begin something, with the word that alone leads there. A finish follows what became of the candidate."""

EVENTS_OF_AN_EXECUTION: Final = 25_000
EVENTS_OF_AN_ATTEMPT: Final = 4
"""TaskScheduled, TaskStarted, TaskSubmitted, TaskFailed; a function that fails has no TaskSubmitted."""

A_MINUTE: Final = 60.0
HALF_AN_HOUR: Final = 1800.0

HALF_A_MINUTE: Final = 30.0

THROTTLED: Final = "Lambda.TooManyRequestsException"

PASSES: Final = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    ContentionError.__name__,
    TransientServiceError.__name__,
}
"""Lambda's faults, a function that is being changed, a process that died or ran out of time, and the errors of
ours that say: retry the call."""

UNSENT: Final = {
    "SNS.SdkClientException",
    "SNS.AmazonSNSException",
    "SNS.ThrottledException",
    "SNS.InternalErrorException",
    "SNS.KMSThrottlingException",
    "States.Timeout",
}
"""With what a message fails that may be taken a moment later."""

PATIENCE_HOURS: Final = {
    "TriggerTrainingPipeline": SCHEMA["properties"]["training"]["properties"]["max_hours"]["maximum"],
    "PromoteCandidate": promote.PATIENCE_HOURS,
    "RollBackEndpoint": roll_back.PATIENCE_HOURS,
}
"""How long the hand may have each of them asked again, at most."""

EVENTS_OF_A_STATE: Final = 2
"""Entered and exited."""


class Graph:
    """A definition as states and the ways between them."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.states: dict[str, dict[str, Any]] = definition["States"]
        self.start: str = definition["StartAt"]
        self.tasks = {name for name, state in self.states.items() if state["Type"] == "Task"}
        self.terminals = {name for name, state in self.states.items() if state["Type"] in {"Succeed", "Fail"}}
        self.asking = self.tasks - {ESCALATION}

    def ways_on(self, name: str) -> list[str]:
        """Every state that can follow, after a success or an error."""
        state = self.states[name]
        ways = [branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))]
        return [*ways, *(state[key] for key in ("Next", "Default") if key in state)]

    def ways_in(self, name: str) -> list[str]:
        """The conditions of the choices that lead to a state; empty for every other way to it."""
        found = []
        for before, state in self.states.items():
            chosen = [choice["Condition"] for choice in state.get("Choices", []) if choice["Next"] == name]
            found += [*chosen, *[""] * (self.ways_on(before).count(name) - len(chosen))]
        return found

    def paths(self, start: str, done: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every way from a state to an end that meets no state twice."""
        way = (*done, start)
        if start in self.terminals:
            yield way
        for name in dict.fromkeys(self.ways_on(start)):
            if name not in way:
                yield from self.paths(name, way)

    def reachable(self, start: str, without: set[str]) -> set[str]:
        """Every state that some path reaches without passing through one of ``without``; ``start`` counts as passed."""
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for name in self.ways_on(waiting.pop()):
                if name not in found and name not in without:
                    found.add(name)
                    waiting.append(name)
        return found

    def follow(self, *words: str) -> list[str]:
        """The states of a run whose functions answer these words one after the other."""
        answers, way = iter(words), [self.start]
        while way[-1] not in self.terminals:
            state = self.states[way[-1]]
            if state["Type"] != "Choice":
                way.append(state["Next"])
                continue
            word = next(answers)
            ways = {re.findall(r"'(\w+)'", choice["Condition"])[0]: choice["Next"] for choice in state["Choices"]}
            way.append(ways.get(word, state["Default"]))
        assert next(answers, None) is None, "an answer is left over"
        return way

    def target(self, name: str) -> str:
        """The function that a state calls."""
        return str(self.states[name]["Arguments"]["FunctionName"])

    def payload(self, name: str) -> dict[str, Any]:
        """What a state sends to its function; nothing for the escalation."""
        found: dict[str, Any] = self.states[name]["Arguments"].get("Payload", {})
        return found

    def events(self, name: str) -> int:
        """History events a state can leave at most: each retrier used up."""
        attempts = 1 + sum(retrier["MaxAttempts"] for retrier in self.states[name].get("Retry", []))
        return EVENTS_OF_A_STATE + (attempts * EVENTS_OF_AN_ATTEMPT if name in self.tasks else 0)


GRAPH: Final = Graph(DEFINITION)
Proof = Callable[[Graph], None]


# No effect without the fence: it is the hand's, which asks the fence itself and takes no plan from its request.


def every_change_outside_the_loop_is_the_hands(graph: Graph) -> None:
    assert {name: graph.payload(name)["action"] for name in graph.asking if graph.target(name) == HAND} == CHANGES
    assert set(CHANGES.values()) == set(promotion_handler.ACTIONS)
    for name in graph.asking - set(CHANGES):
        assert graph.payload(name)["action"] in handler.ACTIONS, name


def the_machine_calls_nothing_but_the_two_functions_and_the_escalation(graph: Graph) -> None:
    called = {(graph.states[name]["Resource"].split(":states:::")[1], graph.target(name)) for name in graph.asking}
    assert {resource for resource, _function in called} == {"lambda:invoke", "lambda:invoke.waitForTaskToken"}
    assert {function for _resource, function in called} == {HAND, ORCHESTRATION}
    assert graph.states[ESCALATION]["Resource"].endswith(":::sns:publish")


def no_decision_travels_through_the_workflow(graph: Graph) -> None:
    """A state hands over who it is and what it is for; everything else the function reads from the record."""
    known = {"action", "execution", "token", "kind", "subject", "event", "failure"}
    for name in graph.asking:
        assert graph.payload(name).keys() <= known, name
        assert graph.payload(name)["execution"] == {
            "id": "{% $states.context.Execution.Id %}",
            "name": "{% $states.context.Execution.Name %}",
        }, name


def a_forward_effect_is_led_to_by_a_functions_word_alone(graph: Graph) -> None:
    """No default, no error and no other word begins a training or a promotion."""
    for name, word in FORWARD.items():
        assert set(graph.ways_in(name)) == {f"{{% $next = '{word}' %}}"}, name


def a_training_starts_only_on_a_granted_slot(graph: Graph) -> None:
    assert "TriggerTrainingPipeline" not in graph.reachable(graph.start, {"SlotChoice"})
    assert "SlotChoice" not in graph.reachable(graph.start, {"AcquireTrainingSlot"})


def a_candidate_is_promoted_only_after_its_evaluation(graph: Graph) -> None:
    """From the decision itself one way leads to it: that to go back to what was evaluated in its time."""
    ways = graph.ways_on("DecisionChoice")
    assert ways.count("PromoteCandidate") == 1
    for way in {graph.start, *ways} - {"PromoteCandidate"}:
        assert "PromoteCandidate" not in graph.reachable(way, {"DecisionChoice", "EvaluateCandidate"}), way


def going_back_trains_nothing(graph: Graph) -> None:
    assert not graph.reachable("PromoteCandidate", set()) & {"AcquireTrainingSlot", "TriggerTrainingPipeline"}


def a_bake_comes_only_after_a_promotion_and_a_rollback_too(graph: Graph) -> None:
    assert {"AwaitBake", "RollBackEndpoint"} & graph.reachable(graph.start, {"PromoteCandidate"}) == set()


def whatever_breaks_once_the_endpoint_may_have_changed_is_rolled_back_or_judged(graph: Graph) -> None:
    """A catch between the promotion and the rollback must not end a run on a half-made change."""
    for name in ("PromoteCandidate", "AwaitBake", "RequestBakeApproval"):
        (catch,) = graph.states[name]["Catch"]
        assert catch["Next"] == "RollBackEndpoint", name


# No path past a granted slot that does not give it back.


def a_slot_that_was_granted_is_given_back_before_any_end(graph: Graph) -> None:
    (granted,) = (
        choice["Next"] for choice in graph.states["SlotChoice"]["Choices"] if f"'{Next.TRAIN}'" in choice["Condition"]
    )
    assert granted not in GIVES_THE_SLOT_BACK
    assert graph.reachable(granted, GIVES_THE_SLOT_BACK) & graph.terminals == set()


def a_slot_that_was_asked_for_is_taken_out_of_the_line_before_any_end(graph: Graph) -> None:
    """A granted token whose answer was lost looks to the workflow like one that was not."""
    assert graph.reachable("AcquireTrainingSlot", GIVES_THE_SLOT_BACK) & graph.terminals == set()


# No end before record and message.


def nothing_ends_unrecorded(graph: Graph) -> None:
    assert graph.reachable(graph.start, RECORDS) & graph.terminals == NOT_A_RUN


def whatever_fails_is_caught_on_its_way_to_a_record(graph: Graph) -> None:
    """A task that catches nothing would end the execution by itself."""
    for name in graph.tasks:
        catches = [catch["ErrorEquals"] for catch in graph.states[name]["Catch"]]
        assert catches == [["States.ALL"]], name


def a_record_is_made_by_the_action_that_tells_people_too(graph: Graph) -> None:
    assert {graph.payload(name)["action"] for name in RECORDS} == {"close"}
    assert {name for name in graph.asking if graph.payload(name)["action"] == "close"} == RECORDS


def a_record_that_failed_is_told_to_people(graph: Graph) -> None:
    for name in RECORDS:
        (catch,) = graph.states[name]["Catch"]
        assert catch["Next"] == ESCALATION, name
        assert graph.states[name]["Next"] == "OutcomeChoice", name


def what_was_recorded_is_followed_by_ends_only(graph: Graph) -> None:
    for name in RECORDS:
        assert graph.reachable(name, {"OutcomeChoice", ESCALATION}) == set()
    assert set(graph.ways_on("OutcomeChoice")) | set(graph.ways_on(ESCALATION)) <= graph.terminals


def a_failure_is_written_down_wherever_a_run_can_break_but_in_the_registry(graph: Graph) -> None:
    """A registry or a monitor that refuses does not change what the run came to."""
    for name in graph.asking - RECORDS:
        (catch,) = graph.states[name]["Catch"]
        assert list(catch.get("Assign", {})) == ([] if name == "FinishPromotion" else ["failure"]), name


# The history fits, and no state waits for ever.


def people_are_asked_about_what_comes_next(graph: Graph) -> None:
    asked = {
        name: graph.payload(name).get("subject")
        for name in graph.asking
        if graph.payload(name).get("kind") == "approval"
    }
    assert asked == {
        "RequestTrainingApproval": "training",
        "RequestPromotionApproval": "promotion",
        "RequestBakeApproval": "bake",
    }


def a_state_is_met_again_only_after_people_were_asked(graph: Graph) -> None:
    """So no loop turns by itself: each round costs somebody's approval, and a run asks for one only once."""
    for name in graph.states:
        met = name in graph.reachable(name, {"RequestPromotionApproval"})
        assert name == "RequestPromotionApproval" or not met, name
    (catch,) = graph.states["RequestPromotionApproval"]["Catch"]
    assert "RequestPromotionApproval" not in graph.reachable(catch["Next"], set())


def the_longest_history_fits_into_an_execution(graph: Graph) -> None:
    """Even with one round more of asking people: each retrier used up in every state of the path."""
    longest = max(graph.paths(graph.start), key=lambda way: sum(map(graph.events, way)))
    assert {"TriggerTrainingPipeline", "PromoteCandidate", "RollBackEndpoint"} <= set(longest)
    again = sum(graph.events(name) for name in ("RequestPromotionApproval", "PromoteCandidate", "PromotionChoice"))
    assert sum(map(graph.events, longest)) + again < EVENTS_OF_AN_EXECUTION


def every_task_has_its_limit(graph: Graph) -> None:
    for name in graph.tasks:
        assert graph.states[name].get("TimeoutSeconds", 0) > 0, name


def what_aws_does_not_take_yet_is_asked_again_before_any_other_rule(graph: Graph) -> None:
    rules = {name: graph.states[name]["Retry"] for name in graph.tasks}
    patient = {name for name, retriers in rules.items() if retriers[0]["ErrorEquals"] == ["NotAcceptedYetError"]}
    assert patient == {*CHANGES, "EvaluateCandidate"} - {"FinishPromotion"}
    others = [retrier for name, retriers in rules.items() for retrier in retriers[name in patient :]]
    assert not [retrier for retrier in others if "NotAcceptedYetError" in retrier["ErrorEquals"]]


def lasts(retrier: dict[str, Any]) -> float:
    """Seconds a retrier waits in all: each delay is drawn between nothing and its limit, so many take half of it."""
    first, rate, limit = retrier["IntervalSeconds"], retrier["BackoffRate"], retrier["MaxDelaySeconds"]
    return float(sum(min(first * rate ** min(number, 50), limit) for number in range(retrier["MaxAttempts"]))) / 2


def what_a_function_fails_with_for_now_is_tried_again_for_a_minute(graph: Graph) -> None:
    for name in graph.asking:
        tried = {error for retrier in graph.states[name]["Retry"] for error in retrier["ErrorEquals"]}
        assert tried >= PASSES, name
        assert lasts(graph.states[name]["Retry"][-1]) >= A_MINUTE, name


def a_throttled_function_is_asked_again_for_as_long_as_a_storm_lasts(graph: Graph) -> None:
    """A tenth is for chance."""
    for name in graph.asking:
        found = [each for each in graph.states[name]["Retry"] if THROTTLED in each["ErrorEquals"]]
        assert [each["ErrorEquals"] for each in found] == [[THROTTLED]], name
        assert lasts(found[0]) >= HALF_AN_HOUR * 0.9, name


def what_aws_does_not_take_yet_is_asked_again_until_the_hand_gives_it_up(graph: Graph) -> None:
    """A tenth is for chance."""
    for name, hours in PATIENCE_HOURS.items():
        assert lasts(graph.states[name]["Retry"][0]) * 0.9 >= hours * 3600, name


def a_copy_goes_on_for_half_an_hour(graph: Graph) -> None:
    """So long as every call of the judge is used up by copying."""
    calls = graph.states["EvaluateCandidate"]["Retry"][0]["MaxAttempts"]
    assert calls * AT_A_TIME.total_seconds() >= HALF_AN_HOUR


def the_message_of_a_record_that_failed_is_tried_again(graph: Graph) -> None:
    (retrier,) = graph.states[ESCALATION]["Retry"]
    assert set(retrier["ErrorEquals"]) >= UNSENT
    assert lasts(retrier) >= HALF_A_MINUTE


def a_word_is_kept_exactly_where_the_next_state_reads_it(graph: Graph) -> None:
    for name in graph.asking - RECORDS:
        state = graph.states[name]
        chosen = graph.states[state["Next"]]["Type"] == "Choice"
        result = "$states.result" if state["Resource"].endswith(".waitForTaskToken") else "$states.result.Payload"
        assert state.get("Assign", {}).get("next") == (f"{{% {result}.next %}}" if chosen else None), name


# Each proof with changes of the graph that it has to see.


def leads(name: str, key: str, to: str) -> Callable[[dict[str, Any]], None]:
    """Let a way on of a state lead somewhere else: its Next, Default or Catch."""

    def change(states: dict[str, Any]) -> None:
        (states[name]["Catch"][0] if key == "Catch" else states[name])["Next" if key == "Catch" else key] = to

    return change


def sets(name: str, *path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set a value inside a state."""

    def change(states: dict[str, Any]) -> None:
        *before, last = path
        functools.reduce(lambda found, step: found[step], before, states[name])[last] = to

    return change


def drops(name: str, *path: str | int) -> Callable[[dict[str, Any]], None]:
    """Take a value out of a state."""

    def change(states: dict[str, Any]) -> None:
        *before, last = path
        del functools.reduce(lambda found, step: found[step], before, states[name])[last]

    return change


PAYLOAD: Final = ("Arguments", "Payload")
MUTANTS: Final[dict[Proof, list[Callable[[dict[str, Any]], None]]]] = {
    every_change_outside_the_loop_is_the_hands: [
        sets("FinishPromotion", "Arguments", "FunctionName", to=ORCHESTRATION),
        sets("PromoteCandidate", *PAYLOAD, "action", to="finish"),
        sets("EvaluateCandidate", *PAYLOAD, "action", to="promote"),
    ],
    the_machine_calls_nothing_but_the_two_functions_and_the_escalation: [
        sets("RollBackEndpoint", "Resource", to="arn:${Partition}:states:::aws-sdk:sagemaker:updateEndpoint"),
        sets("EvaluateCandidate", "Arguments", "FunctionName", to="${AnotherFunctionArn}"),
    ],
    no_decision_travels_through_the_workflow: [
        sets("PromoteCandidate", *PAYLOAD, "plan", to="{% $plan %}"),
        sets("TriggerTrainingPipeline", *PAYLOAD, "execution", "name", to="{% $run %}"),
    ],
    a_forward_effect_is_led_to_by_a_functions_word_alone: [
        leads("SlotChoice", "Default", "TriggerTrainingPipeline"),
        leads("EvaluateCandidate", "Catch", "PromoteCandidate"),
        sets("EvaluationChoice", "Choices", 0, "Next", to="PromoteCandidate"),
    ],
    a_training_starts_only_on_a_granted_slot: [
        sets("DecisionChoice", "Choices", 1, "Next", to="TriggerTrainingPipeline"),
        sets("DecisionChoice", "Choices", 1, "Next", to="SlotChoice"),
    ],
    a_candidate_is_promoted_only_after_its_evaluation: [leads("TriggerTrainingPipeline", "Next", "PromoteCandidate")],
    a_bake_comes_only_after_a_promotion_and_a_rollback_too: [
        leads("EvaluationChoice", "Default", "AwaitBake"),
        leads("RequestPromotionApproval", "Catch", "RollBackEndpoint"),
    ],
    going_back_trains_nothing: [leads("PromotionChoice", "Default", "AcquireTrainingSlot")],
    whatever_breaks_once_the_endpoint_may_have_changed_is_rolled_back_or_judged: [
        leads("AwaitBake", "Catch", "RecordOutcome")
    ],
    a_slot_that_was_granted_is_given_back_before_any_end: [
        leads("TriggerTrainingPipeline", "Catch", "TrainingFailed"),
        leads("TriggerTrainingPipeline", "Next", "RetrainingCompleted"),
    ],
    a_slot_that_was_asked_for_is_taken_out_of_the_line_before_any_end: [
        leads("SlotChoice", "Default", "RetrainingStopped"),
        leads("AcquireTrainingSlot", "Catch", "RetrainingFailed"),
    ],
    nothing_ends_unrecorded: [
        leads("FinishPromotion", "Next", "ModelPromoted"),
        leads("TrainingApprovedChoice", "Default", "ApprovalRejected"),
    ],
    whatever_fails_is_caught_on_its_way_to_a_record: [
        sets("AwaitBake", "Catch", 0, "ErrorEquals", to=["States.TaskFailed"]),
        sets("EvaluateCandidate", "Catch", to=[]),
    ],
    a_record_is_made_by_the_action_that_tells_people_too: [sets("RecordFailure", *PAYLOAD, "action", to="settle")],
    a_record_that_failed_is_told_to_people: [
        leads("RecordOutcome", "Catch", "RetrainingFailed"),
        leads("RecordFailure", "Next", "RetrainingFailed"),
    ],
    what_was_recorded_is_followed_by_ends_only: [
        leads("OutcomeChoice", "Default", "FinishPromotion"),
        leads(ESCALATION, "Next", "RecordOutcome"),
    ],
    a_failure_is_written_down_wherever_a_run_can_break_but_in_the_registry: [
        drops("EvaluateCandidate", "Catch", 0, "Assign"),
        sets("FinishPromotion", "Catch", 0, "Assign", to={"failure": "{% $states.errorOutput %}"}),
    ],
    people_are_asked_about_what_comes_next: [sets("RequestBakeApproval", *PAYLOAD, "subject", to="promotion")],
    a_state_is_met_again_only_after_people_were_asked: [
        leads("EvaluateCandidate", "Catch", "TriggerTrainingPipeline"),
        leads("RequestPromotionApproval", "Catch", "PromoteCandidate"),
        sets("PromotionChoice", "Choices", 1, "Next", to="PromoteCandidate"),
    ],
    the_longest_history_fits_into_an_execution: [
        sets("RollBackEndpoint", "Retry", 0, "MaxAttempts", to=5000),
        sets("EvaluateCandidate", "Retry", 0, "MaxAttempts", to=5000),
    ],
    every_task_has_its_limit: [drops("AwaitBake", "TimeoutSeconds")],
    what_aws_does_not_take_yet_is_asked_again_before_any_other_rule: [
        drops("PromoteCandidate", "Retry", 0),
        sets("FinishPromotion", "Retry", 0, "ErrorEquals", 0, to="NotAcceptedYetError"),
    ],
    what_a_function_fails_with_for_now_is_tried_again_for_a_minute: [
        *(drops("RecordOutcome", "Retry", 1, "ErrorEquals", number) for number in range(len(PASSES))),
        sets("PromoteCandidate", "Retry", 2, "MaxAttempts", to=2),
        sets("EvaluateCandidate", "Retry", 2, "BackoffRate", to=1),
    ],
    a_throttled_function_is_asked_again_for_as_long_as_a_storm_lasts: [
        drops("ReadRetrainingDecision", "Retry", 0),
        sets("PromoteCandidate", "Retry", 1, "MaxAttempts", to=6),
        sets("RecordOutcome", "Retry", 0, "MaxDelaySeconds", to=30),
    ],
    what_aws_does_not_take_yet_is_asked_again_until_the_hand_gives_it_up: [
        sets("TriggerTrainingPipeline", "Retry", 0, "MaxDelaySeconds", to=60),
        sets("PromoteCandidate", "Retry", 0, "MaxAttempts", to=600),
        sets("RollBackEndpoint", "Retry", 0, "BackoffRate", to=1),
    ],
    a_copy_goes_on_for_half_an_hour: [sets("EvaluateCandidate", "Retry", 0, "MaxAttempts", to=6)],
    the_message_of_a_record_that_failed_is_tried_again: [
        *(drops(ESCALATION, "Retry", 0, "ErrorEquals", number) for number in range(len(UNSENT))),
        sets(ESCALATION, "Retry", 0, "MaxAttempts", to=1),
    ],
    a_word_is_kept_exactly_where_the_next_state_reads_it: [
        drops("AwaitBake", "Assign"),
        sets("EvaluateCandidate", "Assign", "next", to="{% $states.result.next %}"),
    ],
}


@pytest.mark.parametrize("proof", MUTANTS, ids=lambda proof: proof.__name__)
def test_the_definition_proves_that(proof: Proof) -> None:
    proof(GRAPH)


@pytest.mark.parametrize(
    ("proof", "change"),
    [
        pytest.param(proof, change, id=f"{proof.__name__}-{number}")
        for proof, changes in MUTANTS.items()
        for number, change in enumerate(changes, start=1)
    ],
)
def test_a_graph_that_breaks_it_fails_the_proof(proof: Proof, change: Callable[[dict[str, Any]], None]) -> None:
    definition = copy.deepcopy(DEFINITION)
    change(definition["States"])
    assert definition != DEFINITION

    with pytest.raises(AssertionError):
        proof(Graph(definition))


# What a run costs, and what a person has to read.


def test_people_are_asked_by_the_words_of_the_contract() -> None:
    assert GRAPH.follow(Next.END) == [GRAPH.start, "DecisionChoice", "NoRetrainingNeeded"]
    assert GRAPH.follow(Next.REJECT)[-1] == "SignalRejected"


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
    way = GRAPH.follow(*words)

    assert len(way) <= most
    assert way[-1] == ("ModelPromoted" if len(words) > 1 else "NoRetrainingNeeded")


def test_the_file_stays_one_that_a_person_reads() -> None:
    assert len(GRAPH.states) <= 45


def test_retries_are_the_same_wherever_they_are() -> None:
    """A throttled function's, the functions', the hand's for a training and for an endpoint AWS does not take yet, a copy's, and the escalation's."""
    blocks = {json.dumps(retrier) for name in GRAPH.tasks for retrier in GRAPH.states[name]["Retry"]}

    assert len(blocks) <= 6
