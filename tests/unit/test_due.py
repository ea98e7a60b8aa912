"""Items of the due list."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.domain.contracts import DueKind
from orchestration.domain.due import due
from orchestration.domain.notification import Message
from orchestration.steps.telling import message_told

NOW = datetime(2026, 3, 2, 11, 9, tzinfo=UTC)


def test_data_may_be_named_like_a_part_of_the_item() -> None:
    item = due(DueKind.RAISE, "alarm:x", "fraud", NOW, model="another", kind="drift", at="noon")

    assert (item.model, item.data) == ("fraud", {"model": "another", "kind": "drift", "at": "noon"})


def test_a_message_without_a_fact_of_its_own_travels_in_its_item() -> None:
    message = Message("fraud", "PAUSED", "paused", "ana paused fraud.", (("by", "ana"),), ("make resume",))

    item = message_told(message, NOW)

    assert item.model == "fraud"
    assert item.data["sentence"] == "ana paused fraud."
    assert item.subject.startswith("message:")
