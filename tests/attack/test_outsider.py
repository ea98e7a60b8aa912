"""Somebody without any right, who found the address of an approval page that is open to links."""

from __future__ import annotations

from typing import Any, Final

import pytest

from orchestration import approval_handler
from orchestration.settings import ApprovalAccess
from tests.unit import stories
from tests.unit.fakes import World

RUN: Final = "run-1"
NONCE: Final = "nonce-9".ljust(43, "A")


def asked(method: str, query: str, body: str | None = None, path: str = "/") -> dict[str, Any]:
    """A request of the URL that nobody signed."""
    return {
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/x-www-form-urlencoded"} if body is not None else {},
        "requestContext": {"http": {"method": method}},
        "isBase64Encoded": False,
        **({} if body is None else {"body": body}),
    }


@pytest.mark.threat("page-flooded")
@pytest.mark.parametrize(
    "request_",
    [
        asked("GET", ""),
        asked("GET", "run=" + "x" * 81 + f"&nonce={NONCE}"),
        asked("GET", f"run={RUN}"),
        asked("GET", f"run={RUN}&nonce=short"),
        asked("GET", f"run={RUN}&nonce={NONCE}&nonce={NONCE}"),
        asked("GET", f"run=../{RUN}&nonce={NONCE}"),
        asked("GET", "x" * 100_000),
        asked("DELETE", f"run={RUN}&nonce={NONCE}"),
        asked("POST", f"run={RUN}", "decision=APPROVED"),
        asked("POST", f"run={RUN}", "x" * 1_000_000),
        asked("POST", f"run={RUN}", f"subject=training&decision=APPROVED&nonce={NONCE[:-1]}"),
        asked("GET", f"run={RUN}&nonce={NONCE}", path="/admin"),
    ],
)
def test_what_is_no_link_costs_no_call(request_: dict[str, Any], new_world: Any) -> None:
    world = new_world(approval_access=ApprovalAccess.LINK)
    stories.decided(world, approval={"training": "always"})
    stories.do(world, "park", kind="approval", subject="training", token="approval")
    world.outside.live()

    answer = approval_handler.answer(request_, world.ports)

    assert 400 <= answer["statusCode"] < 500
    assert world.outside.calls == []
    assert stories.next_of(world, "approval") is None


@pytest.mark.threat("page-flooded")
@pytest.mark.parametrize("decision", ["APPROVED", "REJECTED"])
def test_a_link_that_nobody_was_sent_decides_nothing_and_tells_nothing(decision: str, new_world: Any) -> None:
    world = new_world(approval_access=ApprovalAccess.LINK)
    stories.decided(world, approval={"training": "always"})
    stories.do(world, "park", kind="approval", subject="training", token="approval")
    form = f"subject=training&decision={decision}&nonce={NONCE}"

    answers = [
        approval_handler.answer(asked("POST", f"run={run}", form), world.ports) for run in (RUN, "run-of-nobody")
    ]

    assert [answer["statusCode"] for answer in answers] == [403, 403]
    assert len({answer["body"].replace("run-of-nobody", RUN) for answer in answers}) == 1
    assert stories.next_of(world, "approval") is None


@pytest.mark.threat("vote-in-anothers-name")
def test_a_request_that_says_who_it_is_of_is_of_nobody(world: World) -> None:
    stories.asked(world)
    for claim in (
        {"iam": None},
        {"iam": {"userArn": ""}},
        {},
        {"lambda": {"userArn": "arn:aws:iam::111122223333:user/ada"}},
    ):
        event = asked("POST", f"run={RUN}", "subject=promotion&decision=APPROVED")
        event["requestContext"]["authorizer"] = claim
        assert approval_handler.answer(event, world.ports)["statusCode"] == 403
    assert stories.next_of(world, "approval") is None
