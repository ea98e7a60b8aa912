"""The words that cross the border between code, state machine and template are the same on both sides."""

from __future__ import annotations

import ast
import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from orchestration import handler
from orchestration.actions.resume import SUBJECTS as RESUME_SUBJECTS
from orchestration.actions.sweep import WORKERS
from orchestration.domain import contracts
from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.training_target import NAME_PREFIX, deployment_name, training_name
from orchestration.handler import ACTIONS, EVENT_ACTIONS
from orchestration.operator_handler import ACTIONS as OPERATOR_ACTIONS
from orchestration.promotion_handler import ACTIONS as HAND_ACTIONS
from orchestration.steps.looking import LOOKS
from tests.contract.template import ACCOUNT, REGION, ROOT, STACK, Stack, Template
from tests.contract.workflow import MACHINE, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = sorted((ROOT / "src" / "orchestration").rglob("*.py"))

ORCHESTRATION, HAND = "OrchestrationFunction", "PromotionFunction"

WAYS: Final = {
    "DecisionChoice": {
        Next.ASK: "RequestTrainingApproval",
        Next.TRAIN: "AcquireTrainingSlot",
        Next.PROMOTE: "PromoteCandidate",
        Next.REJECT: "SignalRejected",
        "": "NoRetrainingNeeded",
    },
    "TrainingApprovedChoice": {Next.TRAIN: "AcquireTrainingSlot", "": "RecordOutcome"},
    "SlotChoice": {Next.TRAIN: "TriggerTrainingPipeline", "": "RecordOutcome"},
    "EvaluationChoice": {
        Next.ASK: "RequestPromotionApproval",
        Next.PROMOTE: "PromoteCandidate",
        Next.FINISH: "FinishPromotion",
        "": "RecordOutcome",
    },
    "PromotionApprovedChoice": {
        Next.PROMOTE: "PromoteCandidate",
        Next.FINISH: "FinishPromotion",
        "": "RecordOutcome",
    },
    "PromotionChoice": {
        Next.BAKE: "AwaitBake",
        Next.ASK: "RequestPromotionApproval",
        Next.ROLL_BACK: "RollBackEndpoint",
        Next.FINISH: "FinishPromotion",
        "": "RecordOutcome",
    },
    "BakeChoice": {
        Next.FINISH: "FinishPromotion",
        Next.ASK: "RequestBakeApproval",
        Next.ROLL_BACK: "RollBackEndpoint",
        "": "RecordOutcome",
    },
    "BakeApprovedChoice": {
        Next.FINISH: "FinishPromotion",
        Next.ROLL_BACK: "RollBackEndpoint",
        "": "RecordOutcome",
    },
}
"""Where each word leads after each question; any other word leads to a good end or into the record."""

LED_BY_DEFAULT: Final = {Next.END, Next.EVALUATE, Next.RECORD}
"""Words that need no rule: nothing else can follow, or it is where every other word leads."""

PARKED_BY_THE_HAND: Final = {
    "TriggerTrainingPipeline": WaitKind.TRAINING,
    "PromoteCandidate": WaitKind.PROMOTION,
    "RollBackEndpoint": WaitKind.ROLLBACK,
}
"""The hand parks the token itself, before it changes anything; the state names no kind."""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Template.read().resolve()


@pytest.fixture(scope="module")
def workflow(stack: Stack) -> Workflow:
    return Workflow.of(stack)


def test_every_word_leads_where_the_contract_says(workflow: Workflow) -> None:
    assert workflow.compared("next") == {
        choice: {str(word): state for word, state in ways.items()} for choice, ways in WAYS.items()
    }


def test_every_word_is_followed_somewhere_and_no_other_is() -> None:
    followed = {word for ways in WAYS.values() for word in ways if word}

    assert followed == set(Next) - LED_BY_DEFAULT


def test_every_word_is_said_by_the_code() -> None:
    said = {
        word
        for path in SOURCES
        if path.name != "contracts.py"
        for word in re.findall(r"\bNext\.([A-Z_]+)", path.read_text(encoding="utf-8"))
    }

    assert said == {word.name for word in Next}


def test_the_outcome_choice_knows_every_final_status_and_leaves_failed_to_its_default(workflow: Workflow) -> None:
    final = {str(status) for status in Status if status.final}
    ((name, ways),) = workflow.compared("outcome").items()

    assert (name, ways[""]) == ("OutcomeChoice", "RetrainingFailed")
    assert ways.keys() - {""} == final - {Status.FAILED}


def test_every_outcome_leads_to_an_end_of_its_own(workflow: Workflow) -> None:
    choices = workflow.definition["States"]["OutcomeChoice"]["Choices"]
    ends = [choice["Next"] for choice in choices]

    assert len(set(ends)) == len(ends)
    assert {workflow.definition["States"][end]["Type"] for end in ends} == {"Succeed", "Fail"}


def test_outcomes_that_people_have_to_act_on_end_failed_unless_a_person_stopped_the_run(workflow: Workflow) -> None:
    states = workflow.definition["States"]
    for choice in states["OutcomeChoice"]["Choices"]:
        status = Status(re.findall(r"'(\w+)'", choice["Condition"])[0])
        failed = states[choice["Next"]]["Type"] == "Fail"
        assert failed == (status.escalates and status is not Status.STOPPED), status


def test_a_fails_error_is_the_name_of_its_state(workflow: Workflow) -> None:
    for name, state in workflow.states():
        if state["Type"] == "Fail":
            assert state["Error"] == name.rsplit("/", 1)[-1]


def test_every_final_status_is_reached_by_the_code() -> None:
    named = set(literals())
    for path in SOURCES:
        if path.name != "contracts.py":
            named |= set(re.findall(r"\bStatus\.([A-Z_]+)", path.read_text(encoding="utf-8")))

    assert {str(status) for status in Status} - named == set()


def test_every_action_that_a_state_asks_for_exists(stack: Stack, workflow: Workflow) -> None:
    for function, known in ((ORCHESTRATION, ACTIONS), (HAND, HAND_ACTIONS)):
        asked = {payload["action"] for _name, payload in workflow.payloads(stack.arn(function))}
        assert asked - known.keys() == set(), function


def test_the_hand_does_what_states_ask_for_and_nothing_else(stack: Stack, workflow: Workflow) -> None:
    asked = {payload["action"] for _name, payload in workflow.payloads(stack.arn(HAND))}

    assert asked == {"train", "promote", "roll_back", "finish"}
    assert asked == HAND_ACTIONS.keys()


def test_every_action_is_asked_for_by_a_state_a_rule_or_an_operator(workflow: Workflow) -> None:
    """An action that nobody asks for is dead code, or a state that was forgotten."""
    template = Template.read()
    asked = (
        {payload["action"] for _name, payload in workflow.payloads()}
        | set(EVENT_ACTIONS.values())
        | {"settle"}
        | {"read_decision"}
    )  # the event of a rule, and of who tests the function
    asked |= {match for _path, text in template.strings() for match in re.findall(r'"action": ?"(\w+)"', text)}
    for path in sorted((ROOT / "ops").glob("*.py")):
        asked |= set(re.findall(r'"action": "(\w+)"', path.read_text(encoding="utf-8")))

    assert ACTIONS.keys() - asked == set()
    assert OPERATOR_ACTIONS.keys() - asked == set()


@pytest.mark.parametrize(("machine", "action"), [(f"{STACK}-retraining", "settle"), ("a-teams-training", "resume")])
def test_the_end_of_a_run_is_settled_and_the_end_of_a_training_resumes_one(
    stack: Stack, machine: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both come under one detail-type; the machine tells them apart."""
    monkeypatch.setattr(handler, "dispatch", lambda name, *_: {"action": name})
    ports: Any = SimpleNamespace(settings=SimpleNamespace(state_machine_arn=stack.arn(MACHINE)))
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}"
    event = {"detail-type": contracts.EXECUTION_STATUS_CHANGE, "detail": {"stateMachineArn": arn}}

    assert handler.run_action(event, ports) == {"action": action}


def test_what_the_loop_starts_is_named_as_the_rules_filter_it(stack: Stack) -> None:
    """A name that begins otherwise would have its end heard by nobody but the sweep."""
    pattern = stack.resources["WaitRule"]["Properties"]["EventPattern"]
    prefixes = re.findall(r'"prefix": "([^"]+)"', json.dumps(pattern))

    assert prefixes == [NAME_PREFIX] * 3
    assert training_name("0" * 64).startswith(NAME_PREFIX)
    assert deployment_name("0" * 64).startswith(NAME_PREFIX)


def test_events_are_read_by_the_fields_that_the_rules_filter(stack: Stack) -> None:
    parts = stack.resources["WaitRule"]["Properties"]["EventPattern"]["$or"]
    filtered = {
        kind: field
        for part in parts
        for kind in part["detail-type"]
        for field, tests in part.get("detail", {}).items()
        if isinstance(tests, list) and {"prefix": NAME_PREFIX} in tests
    }

    assert filtered == {kind: field for kind, (what, field) in RESUME_SUBJECTS.items() if what == "job"}


def test_every_kind_of_due_work_has_a_worker_and_every_kind_of_wait_is_looked_after() -> None:
    assert set(WORKERS) == set(DueKind)
    assert set(LOOKS) == set(WaitKind), "approvals have their ladder, and one of a bake is looked after beside it"


def test_every_kind_of_wait_is_parked_by_a_state_or_by_the_hand(stack: Stack, workflow: Workflow) -> None:
    parked = {
        payload["kind"] for _name, payload in workflow.payloads(stack.arn(ORCHESTRATION)) if payload["action"] == "park"
    }

    assert parked == set(WaitKind) - set(PARKED_BY_THE_HAND.values())
    assert {name for name, payload in workflow.payloads(stack.arn(HAND)) if "token" in payload} == (
        PARKED_BY_THE_HAND.keys()
    )


def test_a_state_waits_for_a_token_exactly_when_its_action_parks_one(workflow: Workflow) -> None:
    payloads = dict(workflow.payloads())
    for task in workflow.tasks():
        if task.service == "lambda":
            parks = payloads[task.name]["action"] in {"park", "train", "promote", "roll_back"}
            assert (task.waits, "token" in payloads[task.name]) == (parks, parks), task.name


def test_the_error_that_the_hand_repeats_is_one_of_the_code() -> None:
    """A class of another name would end a run where AWS only wanted to be asked later."""
    tree = ast.parse((ROOT / "src" / "orchestration" / "domain" / "errors.py").read_text(encoding="utf-8"))
    ours = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    definition = json.loads((ROOT / "statemachine.asl.json").read_text(encoding="utf-8"))
    retried = {
        error
        for state in definition["States"].values()
        for retrier in state.get("Retry", [])
        for error in retrier["ErrorEquals"]
        if "." not in error
    }

    assert retried == {"ContentionError", "NotAcceptedYetError", "TransientServiceError"}
    assert retried <= ours


def test_an_approvals_decision_is_the_word_that_the_code_writes() -> None:
    assert {"APPROVED", "REJECTED"} <= set(literals("votes.py"))


def test_sources_and_detail_types_are_written_out_in_the_contract_only() -> None:
    """A second copy of a word is one that will differ one day."""
    words = {
        value
        for name, value in vars(contracts).items()
        if name.isupper() and isinstance(value, str) and (" " in value or value.startswith("mlops."))
    }
    copies = {
        f"{path.name}: {word}"
        for path in SOURCES
        if path.name != "contracts.py"
        for word in literals(path.name, docstrings=False)
        if word in words
    }

    assert copies == set()


def test_the_stacks_choices_are_those_of_the_policy_schema() -> None:
    parameters = Template.read().parameters
    schema = json.loads((ROOT / "src" / "orchestration" / "policy.schema.json").read_text(encoding="utf-8"))

    assert set(parameters["Mode"]["AllowedValues"]) == set(schema["properties"]["mode"]["enum"])
    approval = schema["properties"]["approval"]["properties"]
    assert set(parameters["ApprovalMode"]["AllowedValues"]) == set(approval["training"]["enum"])


def literals(file: str | None = None, *, docstrings: bool = True) -> Iterator[str]:
    """Every text written out in a source file of the function, or in all of them."""
    for path in SOURCES:
        if file is None or path.name == file:
            yield from _literals(path, docstrings=docstrings)


def _literals(path: Path, *, docstrings: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (docstrings or id(node) not in documentation)
        ):
            yield node.value
