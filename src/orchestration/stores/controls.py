"""Kill switches.

============  ===========  =============================
pk            sk           item
============  ===========  =============================
``CONTROLS``  ``<scope>``  a kill switch that is thrown
============  ===========  =============================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.domain.switches import KillSwitch, scopes_over
from orchestration.stores.table import Table, Write

if TYPE_CHECKING:
    from collections.abc import Sequence


class Controls(Table):
    """Which switches are thrown."""

    def kill_switches(self) -> tuple[KillSwitch, ...]:
        """Every switch that is thrown."""
        return tuple(
            KillSwitch(scope=item["sk"], by=item["by"], reason=item["reason"], since=item["since"])
            for item in self._query("CONTROLS")
        )

    def throw_switch(self, switch: KillSwitch, writes: Sequence[Write] = ()) -> bool:
        """Throw a kill switch, with what must follow it. False when it was thrown before.

        Raises:
            ContentionError: see ``_once``.
        """
        item = {"pk": "CONTROLS", "sk": switch.scope, "by": switch.by, "reason": switch.reason, "since": switch.since}
        return self._once(self._put(item, "attribute_not_exists(pk)"), writes)

    def lift_switch(self, scope: str, writes: Sequence[Write] = ()) -> bool:
        """Lift a kill switch, with what must follow it. False when it was not thrown.

        Raises:
            ContentionError: see ``_once``.
        """
        return self._once(self._delete("CONTROLS", scope, "attribute_exists(pk)"), writes)

    def switch_checks(self, model: str, *sources: str) -> list[Write]:
        """Conditions of a transaction: no switch over the model or a source of its signal is thrown.

        They serialise a pause with an effect: the pause comes before it and stops it, or after it and is told of it.
        """
        return [self._check("CONTROLS", scope, "attribute_not_exists(pk)") for scope in scopes_over(model, *sources)]
