"""Reviewers and operators who try to be somebody else, somebody twice, or the loop itself."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from orchestration import approval_handler, handler, operator_handler
from orchestration.domain.contracts import RETRAINING_REQUESTED, RETRAINING_SOURCE, WaitKind
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import is_listed
from orchestration.domain.votes import Via, refused_unnamed
from orchestration.settings import ApprovalAccess
from tests.unit import stories
from tests.unit.fakes import NOON, World, asking, drift, execution_arn, person, proven, request
from tests.unit.test_approval_page import signed

STS: Final = "arn:aws:sts::111122223333:assumed-role"
PAIR: Final[dict[str, Any]] = {"approval": {"training": "never", "promotion": "always", "approvals_needed": 2}}


def says(world: World, by: str, decision: str = "APPROVED") -> str:
    """What becomes of a vote of somebody on what the run asks."""
    return str(stories.approve(world, by=by, decision=decision)["code"])


def opened(world: World) -> bool:
    """Whether the workflow still waits for people."""
    return stories.next_of(world, "approval") is None


@pytest.mark.threat("vote-twice")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{STS}/Reviewers/ada", f"{STS}/Reviewers/grace"),
        (f"{STS}/AWSReservedSSO_Reviewer_0123456789abcdef/ada@x.io", f"{STS}/AWSReservedSSO_Admin_fedcba9876543210/ada@x.io"),
        ("arn:aws:sts::111122223333:federated-user/ada", "arn:aws:sts::111122223333:federated-user/grace"),
        ("ada", "ada"),
    ],
)  # fmt: skip
def test_one_person_is_not_two_whatever_sessions_they_open(one: str, other: str, world: World) -> None:
    stories.asked(world, **PAIR)

    assert [says(world, one), says(world, other)] == ["COUNTED", "COUNTED_BEFORE"]
    assert opened(world)
    assert says(world, "somebody-else") == "DECIDED"


@pytest.mark.threat("vote-twice")
def test_a_link_is_no_second_person_and_no_first_one(new_world: Any) -> None:
    for first_by_link in (True, False):
        world = new_world(approval_access=ApprovalAccess.LINK)
        stories.asked(world, **PAIR)
        (nonce,) = {
            page.url.split("nonce=")[1]
            for message in world.channels.messages
            for page in message.next_steps
            if "nonce=" in getattr(page, "url", "")
        }
        form = f"subject=promotion&decision=APPROVED&nonce={nonce}"

        def by_link(world: World = world, form: str = form) -> int:
            return int(approval_handler.answer(signed("POST", form), world.ports)["statusCode"])

        if first_by_link:
            assert by_link() == 403
        assert says(world, "ada") == "COUNTED"
        assert by_link() == 403
        assert opened(world)


@pytest.mark.threat("approve-own-request")
def test_who_asked_for_a_retraining_does_not_approve_it(world: World) -> None:
    ada = f"{STS}/AWSReservedSSO_Operator_0123456789abcdef/ada@x.io"
    ada_again = f"{STS}/AWSReservedSSO_Reviewer_fedcba9876543210/ada@x.io"
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(approval={"training": "always"}))
    stories.operate(world, "retrain", by=ada, model="fraud", reason="new labels", key="k")
    ((name, event),) = world.executions.started.items()
    assert handler.run_action(request(event, name), world.ports)["next"] == "ask"
    stories.do(world, "park", name, kind="approval", subject="training", token="approval")

    assert stories.approve(world, name, by=ada_again)["code"] == "ASKER"
    assert opened(world)
    assert stories.approve(world, name, by="grace")["code"] == "DECIDED"
    assert world.read(f"evidence/fraud/{name}/approval-training.json")["votes"][0]["by"] == person("grace")


@pytest.mark.threat("vote-twice")
@pytest.mark.parametrize(
    "stranger",
    [
        "arn:aws:iam::444455556666:user/grace",
        "arn:aws:iam::444455556666:root",
        "arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Reviewer_0123456789abcdef/grace@x.io",
        "arn:aws:sts::444455556666:assumed-role/Voter/grace",
    ],
)
def test_an_identity_of_another_account_is_no_second_person(stranger: str, new_world: Any) -> None:
    """A proof says who somebody is and not that they may vote; the one who invokes may have an account of their own."""
    world = new_world(voter_roles=("arn:aws:iam::444455556666:role/Voter",))
    stories.asked(world, **PAIR)
    assert says(world, "ada") == "COUNTED"

    with pytest.raises(InvalidRequestError, match="another account"):
        says(world, stranger)
    assert opened(world)
    with pytest.raises(InvalidRequestError, match="another account"):
        stories.operate(world, "retrain", by=stranger, model="fraud", reason="new labels", key="k")


@pytest.mark.threat("vote-twice")
def test_another_identity_of_the_account_is_no_second_person_where_the_stack_names_its_people(new_world: Any) -> None:
    """The reviewer's notebook has a role too, and who may use it may sign with it."""
    account = person("ada").split(":")[4]
    named = (
        person("ada"),
        person("grace"),
        f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Reviewer_*",
    )
    world = new_world(reviewer_principals=named)
    stories.asked(world, **PAIR)
    assert says(world, "ada") == "COUNTED"

    for other in ("mallory", f"arn:aws:sts::{account}:assumed-role/notebook/ada", f"arn:aws:iam::{account}:root"):
        with pytest.raises(InvalidRequestError, match="none of the stack's ReviewerPrincipals"):
            says(world, other)
        with pytest.raises(InvalidRequestError, match="none of the stack's ReviewerPrincipals"):
            stories.operate(world, "retrain", by=other, model="fraud", reason="new labels", key="k")
        # Whoever may invoke many functions, such as an administrator, opens the page too.
        page = approval_handler.answer(
            signed("POST", "subject=promotion&decision=APPROVED", person(other)), world.ports
        )
        assert (page["statusCode"], "ReviewerPrincipals" in page["body"]) == (403, True)
    assert opened(world)
    assert (
        says(world, f"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_Reviewer_0123456789abcdef/grace@x.io")
        == "DECIDED"
    )


@pytest.mark.threat("vote-twice")
@pytest.mark.parametrize(
    "named", ["reviewers/*", "reviewers/app-*", "aws-reserved/*", "aws-reserved/sso.amazonaws.com/*"]
)
def test_a_path_that_a_session_does_not_show_makes_nobody_a_reviewer(named: str, new_world: Any) -> None:
    """Every role of the account has a name that ``reviewers/*`` would fit, if its path counts for nothing."""
    account = person("ada").split(":")[4]
    world = new_world(reviewer_principals=(person("ada"), f"arn:aws:iam::{account}:role/{named}"))
    stories.asked(world, **PAIR)
    assert says(world, "ada") == "COUNTED"

    with pytest.raises(InvalidRequestError, match="by its whole name"):
        says(world, f"arn:aws:sts::{account}:assumed-role/app-notebook/ada")
    assert opened(world)


@pytest.mark.parametrize(
    ("role", "named"),
    [
        ("Reviewer", "*"),
        ("Reviewer", "Rev*"),
        ("Reviewer", "teams/Reviewer"),
        ("Reviewer", "*/Rev*"),
        ("AWSReservedSSO_Rev_0123456789abcdef", "aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Rev_*"),
        ("AWSReservedSSO_Rev_0123456789abcdef", "aws-reserved/*"),
    ],
)
def test_a_role_is_known_by_its_name(role: str, named: str) -> None:
    assert is_listed(f"arn:aws:sts::111122223333:assumed-role/{role}/ada", [f"arn:aws:iam::111122223333:role/{named}"])


@pytest.mark.threat("vote-in-anothers-name")
@pytest.mark.parametrize("claim", [{}, {"by": "the board"}, {"arn": person("grace")}, {"person": {"name": "grace"}}])
def test_a_name_in_a_request_is_nobodys_name(claim: dict[str, Any], world: World) -> None:
    stories.asked(world)
    ballot = {"action": "decide", "run_id": "run-1", "decision": "APPROVED", **claim}

    with pytest.raises(InvalidRequestError):
        approval_handler.run_action(ballot, world.ports)
    assert opened(world)
    approval_handler.run_action(proven(ballot, "ada", world.clock()), world.ports)
    assert world.read("evidence/fraud/run-1/approval-promotion.json")["votes"][0]["by"] == person("ada")


@pytest.mark.threat("vote-in-anothers-name")
def test_a_proof_that_was_seen_is_good_for_nothing_else(world: World) -> None:
    stories.asked(world)
    ballot = {"action": "decide", "run_id": "run-1", "decision": "REJECTED"}
    seen = proven(ballot, "ada", world.clock())["proof"]

    for other in ({**ballot, "decision": "APPROVED"}, {"action": "pause", "scope": "global", "reason": "x"}):
        entry = operator_handler.run_action if other["action"] == "pause" else approval_handler.run_action
        with pytest.raises(InvalidRequestError, match="does not take the request's proof"):
            entry({**other, "proof": seen}, world.ports)
    world.clock.forward(minutes=2)
    with pytest.raises(InvalidRequestError, match="good for a minute"):
        approval_handler.run_action({**ballot, "proof": seen}, world.ports)
    assert opened(world)
    assert world.table.kill_switches() == ()


@pytest.mark.threat("vote-in-anothers-name")
def test_the_terminals_function_takes_no_request_of_the_page(world: World) -> None:
    """Whoever may invoke it could write into one what Lambda writes: who signed."""
    stories.asked(world)

    for event in (signed("POST", "subject=promotion&decision=APPROVED"), {**signed("GET"), "action": "decide"}):
        with pytest.raises(InvalidRequestError):
            approval_handler.run_action(event, world.ports)
    assert opened(world)


@pytest.mark.threat("speak-as-the-loop")
@pytest.mark.parametrize(
    "asked",
    [
        {"action": "evaluate", "verdict": {"auc": 0.999}},
        {"action": "close", "outcome": "PROMOTED", "reason": "approved by the board", "failure": None},
        {"action": "resume", "kind": "approval", "run_id": "run-1", "decision": "APPROVED", "by": "ada"},
        {"action": "pause", "scope": "global", "by": "ada", "reason": "x"},
        {"action": "unpause", "scope": "global", "by": "ada"},
        {"action": "unfreeze", "model": "fraud", "by": "ada", "reason": "x"},
        {"action": "retrain", "model": "fraud", "by": "ada", "reason": "x", "key": "k"},
    ],
)
def test_what_the_function_that_decides_is_told_makes_nothing_true(asked: dict[str, Any], world: World) -> None:
    """It is out of people's reach; if somebody reaches it all the same, facts decide and not the request."""
    stories.training(world)
    before = world.table.candidate_verdict("run-1"), world.table.kill_switches()

    with contextlib.suppress(InvalidRequestError):
        handler.run_action({**asking(), **asked}, world.ports)
    assert (world.table.candidate_verdict("run-1"), world.table.kill_switches()) == before
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome in {None, "FAILED"}, "the workflow's own end of a run that has no result"
    assert run.reason is None or "board" not in run.reason


@pytest.mark.threat("speak-as-the-loop")
def test_a_request_that_no_operator_made_is_none(world: World) -> None:
    """Whoever may start an execution can write the event that the loop writes."""
    world.put("policies/fraud.json", stories.policy())
    for detail in (
        {"request": "1" * 32},
        {"request": None},
        {"model": "fraud", "requested_by": "ada", "force": True},
        {},
    ):
        event = {"source": RETRAINING_SOURCE, "detail-type": RETRAINING_REQUESTED, "detail": detail}
        answer = handler.run_action(request(event, f"forged-{len(str(detail))}"), world.ports)
        assert answer["decision"] == "REJECT", detail
    assert world.table.active_runs() == []


@pytest.mark.threat("speak-as-the-loop")
def test_a_request_keeps_the_name_that_aws_proved(world: World) -> None:
    asked = {"action": "retrain", "model": "churn", "reason": "x", "key": "k", "by": "root", "requested_by": "root"}
    operator_handler.run_action(proven(asked, "ada", NOON), world.ports)
    handler.run_action({"action": "sweep"}, world.ports)
    ((name, event),) = world.executions.started.items()

    handler.run_action(request(event, name), world.ports)

    (record,) = world.chain("churn")
    assert (record["signal"]["requested_by"], record["signal"]["proven_by"]) == (person("ada"), person("ada"))
    assert execution_arn(name) == record["execution_arn"]


@pytest.mark.threat("reviewer-of-another-model")
@pytest.mark.parametrize("decision", ["APPROVED", "REJECTED"])
def test_a_reviewer_of_another_model_decides_nothing(decision: str, world: World) -> None:
    stories.asked(world, voters=[person("grace"), f"{STS}/fraud-*"])

    assert says(world, "mallory", decision) == "NO_VOTER"
    assert says(world, f"{STS}/churn-reviewers/x", decision) == "NO_VOTER"
    assert opened(world)
    assert says(world, f"{STS}/fraud-reviewers/x") == "DECIDED"


@pytest.mark.threat("approve-own-request")
def test_drift_that_comes_after_a_request_does_not_hide_who_asked(world: World) -> None:
    """Both wait for the cooldown and come back as one."""
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(approval={"training": "always"}))
    cooling = (world.clock() + timedelta(hours=1)).isoformat()
    assert world.table.save_model(replace(world.table.model("fraud"), cooldown_until=cooling))
    stories.operate(world, "retrain", by="ada", model="fraud", reason="new labels", key="k")
    ((name, event),) = world.executions.started.items()
    assert handler.run_action(request(event, name), world.ports)["decision"] == "COALESCE"
    later = handler.run_action(request(drift(model="fraud"), "later"), world.ports)
    assert later["decision"] == "COALESCE"
    world.clock.forward(hours=2)
    handler.run_action({"action": "sweep"}, world.ports)
    (name,) = [started for started in world.executions.started if started.startswith("pending-")]
    assert handler.run_action(request(world.executions.started[name], name), world.ports)["next"] == "ask"
    stories.do(world, "park", name, kind="approval", subject="training", token="approval")

    assert stories.approve(world, name, by="ada")["code"] == "ASKER"
    assert stories.approve(world, name, by="grace")["code"] == "DECIDED"


@pytest.mark.threat("approve-own-request")
def test_drift_that_comes_after_a_request_by_event_does_not_hide_that_somebody_asked(new_world: Any) -> None:
    """Nobody knows who sent it, so nobody who is not named approves it."""
    world = new_world(slack_approvals=True)
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(approval={"training": "always", "channel": "always"}))
    cooling = (world.clock() + timedelta(hours=1)).isoformat()
    assert world.table.save_model(replace(world.table.model("fraud"), cooldown_until=cooling))
    asks = {
        **drift(),
        "detail-type": "Retraining Requested",
        "id": "by-event",
        "detail": {"model": "fraud", "reason": "new labels", "requested_by": "ana"},
    }
    for name, event in (("first", asks), ("later", drift(model="fraud"))):
        assert handler.run_action(request(event, name), world.ports)["decision"] == "COALESCE"
    world.clock.forward(hours=2)
    handler.run_action({"action": "sweep"}, world.ports)
    (name,) = [started for started in world.executions.started if started.startswith("pending-")]
    assert handler.run_action(request(world.executions.started[name], name), world.ports)["next"] == "ask"
    stories.do(world, "park", name, kind="approval", subject="training", token="approval")

    wait = world.table.wait(name, WaitKind.APPROVAL, "training")
    assert wait is not None
    assert wait.data["requested"]
    for via in (Via.LINK, Via.CHANNEL):
        assert refused_unnamed(via, wait.data) is not None
    assert stories.approve(world, name, by="grace")["code"] == "DECIDED"
