"""What a sweep costs when nothing is due: the same calls whatever the stack holds."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from orchestration.actions.sweep import sweep
from orchestration.domain.contracts import DueKind
from orchestration.domain.due import due
from orchestration.domain.stored_model import StoredModel
from tests.unit.fakes import NOON, World


def idle_sweep(models: int, *, later_items: int = 0) -> Counter[str]:
    """Calls of the second sweep of a stack with so many models, and so much that is due another day."""
    world = World()
    for number in range(models):
        world.table.save_model(StoredModel(f"model-{number}"))
        world.database.items[("MODELS", f"model-{number}")] = {"pk": {"S": "MODELS"}, "sk": {"S": f"model-{number}"}}
    for number in range(later_items):
        item = due(DueKind.PENDING, f"model-{number}", f"model-{number}", NOON + timedelta(days=2))
        world.table.add_due(item)
    sweep({}, world.ports)
    world.clock.forward(minutes=5)
    world.outside.live()
    assert sweep({}, world.ports) == {"repairs": {}, "failures": 0, "left": 0}
    return Counter(world.outside.calls)


@pytest.mark.parametrize(("models", "later_items"), [(10, 0), (1_000, 0), (10_000, 5_000)])
def test_a_sweep_with_nothing_due_makes_the_same_calls_at_ten_and_at_ten_thousand_models(
    models: int, later_items: int
) -> None:
    calls = idle_sweep(models, later_items=later_items)

    assert calls == idle_sweep(1)
    assert calls.total() <= 15, calls
