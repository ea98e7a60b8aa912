"""What is removed after a promotion: models and configs that the model's runs made and nobody needs any more.

The order keeps a way back safe. What is to go is noted first, in a transaction that holds as long as nothing was decided of
the model meanwhile; a run that goes back holds against that note. Only then SageMaker is asked to delete.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from orchestration.domain.champions import kept_promotions, removable
from orchestration.domain.contracts import KEEP_TAG, RUN_TAG
from orchestration.domain.due import AGAIN
from orchestration.steps.due_work import DONE, Worked, later

if TYPE_CHECKING:
    from orchestration.domain.champions import Made
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

AT_ONCE: Final = 20
"""Runs whose things are removed in one piece of work, of some calls each; a sweep has 40 s for all that is due."""

REMOVED: Final = "old_models_removed"
"""What a sweep did. It is its time that came, and no repair of something lost."""


def remove_old(ports: Ports, item: DueItem) -> Worked:
    """Work off a REMOVE item, which stays until all is removed that may be.

    Raises:
        ClientError: SageMaker refuses; the sweep tries again, and its alarm tells people.
    """
    # Read first: whatever is decided of the model from here on has it looked at again.
    head = ports.table.chain_head(item.model)
    if ports.table.model(item.model).active_run_id is not None:
        # It may be on its way to, or back to, what no promotion tells of yet.
        return later(item, ports.now() + AGAIN)
    there = [each for each in ports.table.made(item.model) if each.removed_at is None]
    old = _old(ports, item.model, there)
    at_once = old[:AT_ONCE]
    # What an earlier try has begun to remove, and is in use or needed again by now.
    spared = [each for each in there if each.removing and each not in old][:AT_ONCE]
    if not at_once and not spared:
        return DONE
    if not ports.table.begin_removing(at_once, ports.table.chain_writes(head, ()), spared):
        return later(item, ports.now() + AGAIN)
    for each in at_once:
        ports.sagemaker.remove(each.name)
        ports.table.note_removed(each, ports.now())
        LOG.info("ModelRemoved", extra={"model": each.model, "run_id": each.run_id, "made": each.name})
    again = later(item, ports.now()).again if len(old) > AT_ONCE else None
    return Worked(again, REMOVED if at_once else None)


def _old(ports: Ports, model: str, there: list[Made]) -> list[Made]:
    """What may be removed now, what an earlier try has begun to remove as well: it may be in use or needed by now."""
    kept = kept_promotions(ports.table.promotions(model), ports.settings.keep_champions)
    old = removable(there, kept, began=ports.table.runs_since(model, kept[-1].run_id)) if kept else ()
    # The endpoints of the account are looked at only where something would be removed.
    used = ports.sagemaker.used_names() if old else set()
    if used is None:
        # Nobody can say that none of them serves.
        LOG.warning("OldModelsLeft", extra={"model": model, "left": len(old)})
        return []
    if old:
        # What is to come back may name a second model of ours.
        for name in {each.plan.wanted_config for each in kept}:
            used |= set(ports.sagemaker.config_and_models(name)[1])
    return [each for each in old if each.name not in used and _is_ours(ports, each)]


def _is_ours(ports: Ports, made: Made) -> bool:
    """True when config and model of this name say that they are the run's, and nobody asks to keep them."""
    tags = ports.sagemaker.tags_of_made(made.name)
    return all(each.get(RUN_TAG) == made.run_id and KEEP_TAG not in each for each in tags)
