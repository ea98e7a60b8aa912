"""The words that cross the border between code, state machine and template are the same on both sides."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

import pytest

from orchestration.domain import contracts
from orchestration.domain.contracts import Decision, Status, WaitKind
from orchestration.domain.policy import PromotionKind, TargetKind
from orchestration.handler import ACTIONS, EVENT_ACTIONS
from tests.contract.template import ROOT, Template
from tests.contract.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = sorted((ROOT / "src" / "orchestration").rglob("*.py"))

ENDS_WELL = {decision for decision in Decision if decision not in {Decision.RETRAIN, Decision.REJECT}}
"""Decisions that need no rule of their own: the Default ends them in NoRetrainingNeeded."""


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    return Workflow.of(Template.read().resolve())


def only(found: dict[str, set[str]]) -> set[str]:
    """The words of the one Choice that compares them."""
    ((_name, words),) = found.items()
    return words


def test_the_decision_choice_knows_every_decision_that_does_not_end_in_no_retraining(workflow: Workflow) -> None:
    assert workflow.compared("decision") == {"DecisionChoice": set(map(str, set(Decision) - ENDS_WELL))}
    assert workflow.definition["States"]["DecisionChoice"]["Default"] == "NoRetrainingNeeded"


def test_the_outcome_choice_knows_every_final_status_and_leaves_failed_to_its_default(workflow: Workflow) -> None:
    final = {str(status) for status in Status if status.final}

    assert only(workflow.compared("outcome")) == final - {Status.FAILED}
    assert workflow.definition["States"]["OutcomeChoice"]["Default"] == "RetrainingFailed"


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


def test_every_outcome_that_the_workflow_writes_down_is_a_final_status(workflow: Workflow) -> None:
    written = workflow.assigned("outcome")

    assert written
    assert written <= {str(status) for status in Status if status.final}


def test_every_final_status_is_reached_by_the_workflow_or_by_the_code(workflow: Workflow) -> None:
    named = workflow.assigned("outcome") | set(literals())
    for path in SOURCES:
        if path.name != "contracts.py":
            named |= set(re.findall(r"\bStatus\.([A-Z_]+)", path.read_text(encoding="utf-8")))

    assert {str(status) for status in Status} - named == set()


def test_every_action_that_a_state_asks_for_exists(workflow: Workflow) -> None:
    asked = {payload["action"] for _name, payload in workflow.payloads()}

    assert asked - ACTIONS.keys() == set()


def test_every_action_is_asked_for_by_a_state_a_rule_or_an_operator(workflow: Workflow) -> None:
    """An action that nobody asks for is dead code, or a state that was forgotten."""
    template = Template.read()
    asked = {payload["action"] for _name, payload in workflow.payloads()} | set(EVENT_ACTIONS.values())
    asked |= {match for _path, text in template.strings() for match in re.findall(r'"action": ?"(\w+)"', text)}
    for path in sorted((ROOT / "ops").glob("*.py")):
        asked |= set(re.findall(r'"action": "(\w+)"', path.read_text(encoding="utf-8")))

    operators = {"pause", "unpause", "unfreeze"}  # make pause, make resume, make unfreeze
    assert ACTIONS.keys() - asked - operators == set()


def test_the_wait_kinds_of_the_states_are_those_of_the_code(workflow: Workflow) -> None:
    parked = {payload["kind"] for _name, payload in workflow.payloads() if payload["action"] == "park"}

    assert parked == set(map(str, WaitKind))


def test_a_state_waits_for_a_token_exactly_when_it_parks_one(workflow: Workflow) -> None:
    payloads = dict(workflow.payloads())
    for task in workflow.tasks():
        if task.service == "lambda":
            assert task.waits == (payloads[task.name]["action"] == "park"), task.name


def test_the_training_targets_are_those_of_the_policy(workflow: Workflow) -> None:
    assert only(workflow.compared("run.training.kind")) == set(map(str, TargetKind)) - {TargetKind.STATE_MACHINE}
    assert workflow.definition["States"]["TrainingTargetChoice"]["Default"] == "TriggerTrainingPipeline"


def test_the_kinds_of_promotion_are_those_of_the_policy(workflow: Workflow) -> None:
    known = {word for words in workflow.compared("verdict.promotion.kind").values() for word in words}

    assert known == set(map(str, PromotionKind)) - {PromotionKind.ENDPOINT}
    assert workflow.definition["States"]["PromotionKindChoice"]["Default"] == "CreateCandidateModel"


@pytest.mark.parametrize("variable", ["promotion", "rollback"])
def test_the_results_of_an_endpoint_wait_are_words_that_the_code_writes(workflow: Workflow, variable: str) -> None:
    words = only(workflow.compared(f"{variable}.status"))

    assert words <= set(literals("wait_results.py"))


def test_an_approvals_decision_is_the_word_that_the_code_writes(workflow: Workflow) -> None:
    for name, words in workflow.compared("approval.decision").items():
        assert words == {"APPROVED"}, name
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
