"""What is read of an approval for whoever shows it, and what becomes of it where a record is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.domain.approval_view import Asked, approval_view
from orchestration.domain.contracts import WaitKind
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.records import evidence_key, manifest_key
from orchestration.domain.review_page import render
from orchestration.steps.approval_reading import asked_of
from tests.unit import stories
from tests.unit.fakes import World

MANIFEST, VERDICT = manifest_key("fraud", "run-1"), evidence_key("fraud", "run-1", "evaluation")


def read(world: World) -> Asked:
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    # As a person reads it: without its tokens.
    return asked_of(world.table, world.bucket, replace(wait, token=None))


@pytest.fixture
def asked(world: World) -> World:
    """People are asked to promote the candidate of a run."""
    stories.asked(world)
    return world


def unreadable(world: World, monkeypatch: pytest.MonkeyPatch, key: str, why: Unreadable) -> None:
    whole = world.bucket.read
    refused = world.bucket.uri(key)
    monkeypatch.setattr(
        world.bucket, "read", lambda uri: Document(uri, unreadable=why) if uri == refused else whole(uri)
    )


def test_everything_there_is_is_read(asked: World) -> None:
    found = read(asked)
    assert (found.plan_stands, found.unread) == (True, ())
    assert found.manifest["run_id"] == found.evaluation["run_id"] == "run-1"
    assert [row["status"] for row in found.statuses][-2:] == ["CANDIDATE_EVALUATED", "PROMOTION_APPROVAL_REQUESTED"]
    assert [run["run_id"] for run in found.runs] == ["run-1"]


@pytest.mark.parametrize(
    ("why", "stands", "said"),
    [
        (Unreadable.MISSING, False, "The manifest is not there, so what it says is not known."),
        (Unreadable.ACCESS_DENIED, None, "The manifest may not be read by whoever shows this"),
        (Unreadable.TOO_LARGE, None, "The manifest is larger than one can be"),
    ],
)
def test_a_manifest_that_is_gone_stands_no_more_and_one_that_may_not_be_read_may(
    why: Unreadable, stands: bool | None, said: str, asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable(asked, monkeypatch, MANIFEST, why)
    found = read(asked)
    assert (found.manifest, found.plan_stands) == ({}, stands)
    view = approval_view(found, asked.settings.speaker, asked.clock())
    assert said in view.notice
    assert view.form is not None
    assert view.form.approves is (stands is None)


def test_a_manifest_that_was_changed_is_not_the_one_that_was_asked_about(asked: World) -> None:
    asked.put(MANIFEST, {"run_id": "run-1"})
    assert read(asked).plan_stands is False


def test_without_the_record_of_the_verdict_the_page_shows_what_the_wait_has(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable(asked, monkeypatch, VERDICT, Unreadable.MISSING)
    found = read(asked)
    assert found.unread == ("The record of the verdict is not there, so what it says is not known.",)
    page = render(approval_view(found, asked.settings.speaker, asked.clock()))
    assert "at least 0.7" in page, "the gates stand in the wait"
    assert "fraud-config-1" in page


def test_an_approval_that_an_earlier_release_asked_for_is_shown(asked: World) -> None:
    later = (
        "asked_by",
        "voters",
        "requested",
        "channel",
        "policy_written",
        "versions",
        "budget",
        "policy_sha256",
        "jobs",
    )
    found = read(asked)
    data = {name: value for name, value in found.wait.data.items() if name not in later}
    page = render(
        approval_view(replace(found, wait=replace(found.wait, data=data)), asked.settings.speaker, asked.clock())
    )
    assert "Approve the promotion" in page
    assert "<dt>File when asked</dt><dd>not known</dd>" in page
