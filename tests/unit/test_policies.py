"""Policy files as the bucket holds them, one after the other: which is in force, which is kept, what is told of a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.documents import Document, Unreadable
from orchestration.steps.policies import LoadedPolicy, effective_policy, load_policy, policy_written
from tests.unit.fakes import World

FRAUD: dict[str, Any] = {"schema_version": 1, "model": "fraud", "cooldown_hours": 5}
KEY = "policies/fraud.json"
URI = f"s3://automation/{KEY}"


def loaded(world: World, model: str = "fraud") -> LoadedPolicy:
    found = load_policy(world.ports, model)
    assert found is not None
    assert effective_policy(world.ports, model) == found
    return found


def test_the_newest_good_file_is_in_force_and_kept(world: World) -> None:
    for number in (1, 2):
        world.put(KEY, FRAUD)
        found = loaded(world)
        assert (found.policy.version, found.findings, found.unreadable) == (f"v{number}", (), False)
        kept = world.table.good_policy("fraud")
        assert kept is not None
        assert kept[0] == f"v{number}"
    assert world.channels.messages == []


def test_a_good_file_is_kept_once(world: World) -> None:
    world.put(KEY, FRAUD)
    loaded(world)
    world.outside.live()
    loaded(world)
    assert "PutItem" not in world.outside.calls


def test_a_bad_file_leaves_the_last_good_one_in_force_and_is_told_of_once(world: World) -> None:
    world.put(KEY, FRAUD)
    loaded(world)
    world.put(KEY, b"{")
    for _ in range(2):
        found = loaded(world)
        assert (found.policy.version, found.policy.cooldown_hours, found.unreadable) == ("v1", 5, False)
        assert found.findings
    (told,) = world.told("POLICY_INVALID")
    assert (told.model, told.title) == ("fraud", "Policy file is not valid")
    findings = " ".join(found.findings)
    assert told.sentence.startswith(f"{URI} is not valid, so version v1, the last good one, stays in force. {findings}")
    assert told.next_steps[-1] == world.ports.settings.speaker.runbook("policy-invalid")
    world.put(KEY, b"[")
    loaded(world)
    assert len(world.told("POLICY_INVALID")) == 2
    kept = world.table.good_policy("fraud")
    assert kept is not None
    assert kept[0] == "v1"


def test_a_bad_file_without_a_good_one_leaves_the_stacks_policy(world: World) -> None:
    world.put(KEY, b"{")
    found = loaded(world)
    assert (found.policy.version, found.unreadable) == ("defaults", False)
    assert found.findings


def test_a_file_that_was_good_and_is_not_any_more_is_not_in_force(world: World) -> None:
    world.table.keep_good_policy("fraud", "v0", b"{}")
    world.put(KEY, b"{")
    found = loaded(world)
    assert found.policy.version == "defaults"
    assert found.findings[-1].startswith("The last good version v0 is not valid any more: ")


@pytest.mark.parametrize(("good", "version"), [(False, "defaults"), (True, "v1")])
def test_a_file_that_may_not_be_read_is_told_of_once_and_leaves_what_was_good(
    good: bool, version: str, world: World
) -> None:
    if good:
        world.put(KEY, FRAUD)
        loaded(world)
    world.bucket.forbidden.add(URI)
    for _ in range(2):
        found = loaded(world)
        assert (found.policy.version, found.unreadable) == (version, True)
        assert found.findings == (f"$: {URI} cannot be read (ACCESS_DENIED).",)
    assert len(world.told("POLICY_INVALID")) == 1
    assert world.table.noted_bad_policy("fraud") == "ACCESS_DENIED"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            Document("u", b"{}", "v1", None, "2026-03-02T11:00:00+00:00", "ada"),
            "version v1 of 2026-03-02T11:00:00+00:00 by ada, as it says itself",
        ),
        (
            Document("u", b"{}", "v1", None, "2026-03-02T11:00:00+00:00"),
            "version v1 of 2026-03-02T11:00:00+00:00; it does not say by whom",
        ),
        (
            Document("u", version="v2", unreadable=Unreadable.TOO_LARGE),
            "version v2 of an unknown time; it does not say by whom",
        ),
        (Document("u", unreadable=Unreadable.MISSING), "no file: the stack's defaults"),
    ],
)
def test_who_wrote_a_policy_is_said_as_far_as_it_is_known(
    document: Document, said: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.bucket, "read", lambda _uri: document)
    assert policy_written(world.ports, "fraud") == said
