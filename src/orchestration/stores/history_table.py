"""The HistoryTable: everything the loop remembers, in one table. What lies where, its parts say."""

from __future__ import annotations

from orchestration.stores.controls import Controls
from orchestration.stores.earlier_release import EarlierRelease
from orchestration.stores.intentions import Intentions
from orchestration.stores.models import Models
from orchestration.stores.runs import Runs
from orchestration.stores.slots import Slots
from orchestration.stores.waits import Waits


class HistoryTable(Models, Runs, Waits, Slots, Intentions, Controls, EarlierRelease):
    """All parts on one table, so that one transaction can write to several of them."""
