"""Who somebody is: every session of a person is that person, and a name somebody chose proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from orchestration import approval_handler, operator_handler
from orchestration.domain.caller_proof import binding, unproven
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import ProvenBy, called, is_listed, person_of
from tests.unit import stories
from tests.unit.fakes import MACHINE, NOON, World, person, proven

STS = "arn:aws:sts::111122223333:assumed-role"
SSO = f"{STS}/AWSReservedSSO_Reviewer_0123456789abcdef"
VOTERS = ("arn:aws:iam::111122223333:role/teams/Voter",)


def name_of(arn: str) -> str | None:
    found = person_of(arn, VOTERS)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{SSO}/ada@example.com", f"{STS}/AWSReservedSSO_Operator_fedcba9876543210/ada@example.com"),
        (f"{STS}/Anybody/ada", f"{STS}/Anybody/grace"),
        (f"{STS}/Anybody/botocore-session-1", f"{STS}/Anybody/botocore-session-2"),
        ("arn:aws:sts::111122223333:federated-user/ada", "arn:aws:sts::111122223333:federated-user/grace"),
        # Not the reserved form: somebody's own role of a like name.
        (f"{STS}/AWSReservedSSO_Mine/ada", f"{STS}/AWSReservedSSO_Mine/grace"),
        (f"{STS}/xAWSReservedSSO_R_0123456789abcdef/ada", f"{STS}/xAWSReservedSSO_R_0123456789abcdef/bo"),
    ],
)
def test_two_sessions_of_one_are_one_person(one: str, other: str) -> None:
    assert name_of(one) == name_of(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("arn:aws:iam::111122223333:user/ada", "arn:aws:iam::111122223333:user/grace"),
        ("arn:aws:iam::111122223333:user/a/ada", "arn:aws:iam::111122223333:user/b/ada"),
        (f"{SSO}/ada@example.com", f"{SSO}/grace@example.com"),
        (
            f"{SSO}/ada@example.com",
            "arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_R_0123456789abcdef/ada@example.com",
        ),
        (f"{STS}/Voter/ada", f"{STS}/Voter/grace"),
        (f"{STS}/One/ada", f"{STS}/Other/ada"),
        ("arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"),
    ],
)
def test_two_people_are_two(one: str, other: str) -> None:
    assert name_of(one) != name_of(other)
    assert None not in {name_of(one), name_of(other)}


def test_a_voter_role_of_another_account_is_any_role() -> None:
    foreign = "arn:aws:sts::444455556666:assumed-role/Voter"
    assert name_of(f"{foreign}/ada") == foreign
    found = person_of(f"{STS}/Voter/ada", VOTERS)
    assert found is not None
    assert found.proven_by is ProvenBy.VOTER_ROLE


@pytest.mark.parametrize(
    "arn",
    [
        "", "ada", "arn:aws:iam::111122223333:user/", "arn:aws:iam::111122223333:role/Reviewer", f"{STS}/Reviewer",
        f"{STS}/Reviewer/", f"{STS}//ada", "arn:aws:iam::1:user/ada", "arn:aws:sts::111122223333:root",
        "arn:aws:iam::111122223333:user/ada\n", "arn:aws:iam::111122223333:user/a da",
        "arn:aws:iam::١١١١٢٢٢٢٣٣٣٣:user/ada", "arn:aws:iam::111122223333:user", "arn:aws:iam::111122223333:root/ada",
        "arn:aws:sts::111122223333:federated-user", "arn:aws:sts::111122223333:assumed-role",
        "arn:aws:sts::111122223333:user/ada", "arn:aws:sts::111122223333:user/a/ada", "arn:aws:iam::111122223333:group/a/b",
        "arn:aws:iam::111122223333:assumed-role/a/b", "arn:aws:iam::111122223333:federated-user/ada",
    ],
)  # fmt: skip
def test_what_is_nobodys_arn_is_nobody(arn: str) -> None:
    assert person_of(arn, VOTERS) is None


@pytest.mark.parametrize("arn", [f"{STS}/Anybody/ada", "arn:aws:iam::111122223333:user/ada", f"{SSO}/ada"])
def test_a_person_keeps_the_callers_own_arn_for_the_record(arn: str) -> None:
    found = person_of(arn, VOTERS)
    assert found is not None
    assert found.arn == arn


ROLE = "arn:aws:iam::111122223333:role/teams/Operator"
USER = "arn:aws:iam::111122223333:user/ops/ada"


@pytest.mark.parametrize(
    ("arn", "principals", "listed"),
    [
        # A session's ARN leaves its role's path out; a user's does not.
        (f"{STS}/Operator/ada", [ROLE], True),
        (f"{STS}/Operator/ada", [USER, ROLE], True),
        (f"{STS}/Operator-2/ada", [ROLE], False),
        (f"{STS}/operator/ada", [ROLE], False),
        (f"{STS}/Operator", [ROLE], True),
        ("arn:aws:sts::444455556666:assumed-role/Operator/ada", [ROLE], False),
        (USER, [USER], True),
        (USER, [ROLE, USER], True),
        ("arn:aws:iam::111122223333:user/ada", [USER], False),
        ("arn:aws:iam::444455556666:user/ops/ada", [USER], False),
        # Nobody passes for one of another kind by its name.
        ("arn:aws:iam::111122223333:user/Operator", [ROLE], False),
        (f"{STS}/ada/x", ["arn:aws:iam::111122223333:user/ada"], False),
        ("arn:aws:iam::111122223333:assumed-role/Operator/ada", [ROLE], False),
        # Any characters.
        (f"{SSO}/ada", ["arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Reviewer_*"], True),
        (f"{STS}/Deploy/ada", ["arn:aws:iam::111122223333:role/aws-reserved/AWSReservedSSO_*"], False),
        ("arn:aws:iam::111122223333:user/ops/bo", ["arn:aws:iam::111122223333:user/ops/*"], True),
        ("arn:aws:iam::111122223333:user/bo", ["arn:aws:iam::111122223333:user/ops/*"], False),
        # A path that no session shows would say whose it is; only Identity Center's nobody else can make.
        (f"{STS}/Operator/ada", ["arn:aws:iam::111122223333:role/Oper*"], True),
        (f"{STS}/Operator/ada", ["arn:aws:iam::111122223333:role/*/Oper*"], True),
        (f"{STS}/Operator/ada", ["arn:aws:iam::111122223333:role/teams/Oper*"], False),
        (f"{SSO}/ada", ["arn:aws:iam::111122223333:role/teams/AWSReservedSSO_*"], False),
        (f"{SSO}/ada", ["arn:aws:iam::111122223333:role/aws-reserved/AWSReservedSSO_Other_*"], False),
        (f"{STS}/AWSReservedSSO_Mine/ada", ["arn:aws:iam::111122223333:role/aws-reserved/AWSReservedSSO_*"], False),
        # Nobody at all.
        (f"{STS}/Operator/ada", [], False),
        ("arn:aws:iam::111122223333:root", [USER, ROLE], False),
        ("arn:aws:iam::111122223333:root", ["arn:aws:iam::111122223333:root"], True),
        (STS, [ROLE], False),
        ("ada", [USER, ROLE], False),
        ("", [""], False),
    ],
)  # fmt: skip
def test_who_is_listed_is_compared_by_account_kind_and_name(arn: str, principals: list[str], listed: bool) -> None:
    assert is_listed(arn, principals) is listed


# The proof.

ASKED = {"action": "pause", "scope": "global", "reason": "Incident 7."}


def changed(proof: str, **fields: str | None) -> str:
    query = {**dict(parse_qsl(proof)), **fields}
    return urlencode({name: value for name, value in query.items() if value is not None})


@pytest.fixture
def proof() -> str:
    return str(proven(ASKED, "ada", NOON)["proof"])


def test_a_fresh_proof_goes_to_sts(proof: str) -> None:
    assert unproven(proof, NOON) is None
    assert unproven(changed(proof, **{"X-Amz-Security-Token": "t" * 4000}), NOON) is None
    # Clocks may differ by half a minute.
    for age in (-30, 60, 90):
        assert unproven(proof, NOON + timedelta(seconds=age)) is None


def test_a_proof_has_at_most_6000_characters(proof: str) -> None:
    without = len(changed(proof, **{"X-Amz-Security-Token": ""}))
    assert unproven(changed(proof, **{"X-Amz-Security-Token": "t" * (6000 - without)}), NOON) is None
    assert unproven(changed(proof, **{"X-Amz-Security-Token": "t" * (6001 - without)}), NOON) is not None


@pytest.mark.parametrize("age", [timedelta(seconds=-31), timedelta(seconds=91), timedelta(days=9)])
def test_a_proof_of_another_minute_is_none(proof: str, age: timedelta) -> None:
    refused = unproven(proof, NOON + age)
    assert refused is not None
    assert "good for a minute" in refused.sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"Action": "AssumeRole"}, {"Action": None}, {"Version": "2012-10-17"}, {"X-Amz-SignedHeaders": "host"},
        {"X-Amz-SignedHeaders": "x-retraining-request"}, {"X-Amz-Date": "20260302T120000"}, {"X-Amz-Date": "٢"},
        {"X-Amz-Date": "20269999T999999Z"}, {"X-Amz-Signature": None}, {"RoleArn": "x"}, {"X-Amz-Expires": None},
        {"x": "y" * 7000}, {"X-Amz-Credential": None}, {"X-Amz-Signature": ""}, {"X-Amz-Security-Token": ""},
    ],
)  # fmt: skip
def test_a_query_that_is_no_bound_getcalleridentity_never_reaches_sts(
    proof: str, fields: dict[str, str | None]
) -> None:
    assert unproven(changed(proof, **fields), NOON) is not None


@pytest.mark.parametrize("proof_", ["x", "Action=GetCallerIdentity", "Action=%ff\n", "é", "x=\ud800"])
def test_what_is_no_query_is_no_proof(proof_: str) -> None:
    refused = unproven(proof_, NOON)
    assert refused is not None
    assert "is no query of a presigned GetCallerIdentity" in refused.sentence


@pytest.mark.parametrize("proof_", [None, "", 7, [], {}])
def test_who_sends_no_proof_is_told_what_proves_who_asks(proof_: Any) -> None:
    refused = unproven(proof_, NOON)
    assert refused is not None
    assert "use the operator commands" in refused.sentence


def test_a_field_that_comes_twice_is_no_proof(proof: str) -> None:
    assert unproven(f"{proof}&Action=GetCallerIdentity", NOON) is not None


@pytest.mark.parametrize("end", ["#;host;x-retraining-request", "#", ";", "+", "&", " ", "%zz", "?", "/", "\\"])
def test_what_a_sender_could_read_otherwise_than_the_check_is_no_proof(proof: str, end: str) -> None:
    """What stands after a ``#`` is checked and never sent: a query that signs no binding would look as if it did."""
    unbound = changed(proof, **{"X-Amz-SignedHeaders": None})
    assert unproven(f"{unbound}&X-Amz-SignedHeaders=host{end}", NOON) is not None
    assert unproven(f"{proof}{end}", NOON) is not None


def test_a_proof_is_bound_to_every_field_of_its_request_and_to_the_stack() -> None:
    bound = binding(ASKED, MACHINE)
    assert binding({**ASKED, "proof": "x"}, MACHINE) == bound
    for other in ({**ASKED, "scope": "model:fraud"}, {**ASKED, "more": None}, {"action": "pause", "scope": "global"}):
        assert binding(other, MACHINE) != bound
    assert binding(ASKED, f"{MACHINE}-2") != bound


# Requests of people.

OPERATORS: dict[str, dict[str, Any]] = {
    "pause": {"scope": "global", "reason": "Incident 7."},
    "unpause": {"scope": "global"},
    "unfreeze": {"model": "churn", "reason": "Looked at it."},
    "retrain": {"model": "churn", "reason": "New labels.", "key": "k1"},
    "rollback": {"model": "churn", "reason": "Chargebacks."},
    "sweep": {},
    "replay": {"key": "rejected/a.json"},
}


def test_every_action_of_operators_is_tried_here() -> None:
    assert OPERATORS.keys() == operator_handler.ACTIONS.keys()


@pytest.mark.parametrize("action", OPERATORS)
def test_nobody_is_heard_without_a_proof_or_with_one_for_something_else(action: str, world: World) -> None:
    request = {"action": action, **OPERATORS[action]}
    stolen = proven({**request, "more": "of it"}, "ada", world.clock())["proof"]
    late = proven(request, "ada", world.clock() - timedelta(minutes=2))
    foreign = proven(request, "arn:aws:iam::111122223333:role/nobody", world.clock())
    for refused in (request, {**request, "by": "root"}, {**request, "proof": stolen}, late, foreign):
        with pytest.raises(InvalidRequestError, match=r"proof|who makes|good for a minute|no person"):
            operator_handler.run_action(refused, world.ports)
    assert world.database.items == {}
    assert world.channels.sweeps_requested == 0


def test_only_people_of_the_stacks_account_whom_it_lists_are_heard(new_world: Callable[..., World]) -> None:
    world = new_world(reviewer_principals=(person("ada"),))
    for by, said in ((person("ada").replace("1111", "4444"), "of another account"), ("bob", "ReviewerPrincipals")):
        with pytest.raises(InvalidRequestError, match=said):
            operator_handler.run_action(proven({"action": "sweep"}, by, world.clock()), world.ports)
    assert world.channels.sweeps_requested == 0
    operator_handler.run_action(proven({"action": "sweep"}, "ada", world.clock()), world.ports)
    assert world.channels.sweeps_requested == 1


def test_a_name_in_a_vote_is_not_believed(world: World) -> None:
    stories.asked(world)
    ballot = {"action": "decide", "run_id": "run-1", "decision": "APPROVED", "by": "the board"}
    with pytest.raises(InvalidRequestError, match="does not say who makes it"):
        approval_handler.run_action(ballot, world.ports)
    for other in ({"decision": "REJECTED"}, {"run_id": "run-2"}, {"comment": "fine"}, {"subject": "training"}):
        signed = proven({**ballot, **other}, "ada", world.clock())["proof"]
        with pytest.raises(InvalidRequestError, match="does not take the request's proof"):
            approval_handler.run_action({**ballot, "proof": signed}, world.ports)
    assert stories.next_of(world, "approval") is None

    approval_handler.run_action(proven(ballot, "ada", world.clock()), world.ports)
    assert world.read("evidence/fraud/run-1/approval-promotion.json")["votes"][0]["by"] == person("ada")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("arn:aws:iam::111122223333:user/team/ana", "user/team/ana"),
        ("arn:aws:sts::111122223333:assumed-role/Ops", "assumed-role/Ops"),
        ("arn:aws:iam::111122223333:root", "root"),
        ("ana (Identity Center, account 111122223333)", "ana (Identity Center, account 111122223333)"),
        ("bearer link", "bearer link"),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket"),
    ],
)
def test_a_sentence_calls_a_person_by_what_stands_behind_the_account(name: str, said: str) -> None:
    assert called(name) == said
