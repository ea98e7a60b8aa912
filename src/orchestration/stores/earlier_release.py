"""What the release before left in the table: waits in two partitions of all runs. To go with the next release.

=============  ==================  =======================================
pk             sk                  item
=============  ==================  =======================================
``WAITS``      ``WAIT#<wait id>``  a parked task token
``APPROVALS``  ``WAIT#<wait id>``  a parked task token that waits for people
=============  ==================  =======================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.stores.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class EarlierWait:
    """A token that was parked by the release before."""

    pk: str
    sk: str
    kind: str
    token: str
    run_id: str


class EarlierRelease(Table):
    """Reads and removes those waits."""

    def earlier_waits(self) -> Iterator[EarlierWait]:
        """All of them."""
        for pk in ("WAITS", "APPROVALS"):
            for item in self._query(pk, "WAIT#"):
                yield EarlierWait(pk, item["sk"], str(item["kind"]), str(item["token"]), str(item["run_id"]))

    def forget_earlier_wait(self, wait: EarlierWait) -> None:
        """Remove one. Idempotent."""
        self._write(self._delete(wait.pk, wait.sk))
