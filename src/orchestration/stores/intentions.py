"""Intentions.

==========================  ==========  =========================================================
pk                          sk          item
==========================  ==========  =========================================================
``INTENT#endpoint:<name>``  ``INTENT``  the change of an endpoint that has no verdict yet
``INTENT#training:<run>``   ``INTENT``  the start of a training that is not known to be over
==========================  ==========  =========================================================
"""

from __future__ import annotations

from dataclasses import asdict

from orchestration.domain.intention import Intention, IntentionState
from orchestration.stores.table import Table, Write


class Intentions(Table):
    """Effects that were begun and have no verdict."""

    def intention(self, subject: str) -> Intention | None:
        """The open intention of a subject."""
        item = self._get(f"INTENT#{subject}", "INTENT")
        if item is None:
            return None
        return Intention(**{name: item[name] for name in Intention.__slots__ if name in item})

    def intention_write(self, intention: Intention) -> Write:
        """The write that opens an intention, for a transaction with its fence.

        None is there, or it is the run's own, or it was abandoned, which the fence has looked at.
        """
        return self._put(
            {"pk": f"INTENT#{intention.subject}", "sk": "INTENT", **asdict(intention)},
            "attribute_not_exists(pk) OR run_id = :run OR #state = :abandoned",
            {":run": intention.run_id, ":abandoned": str(IntentionState.ABANDONED)},
            ["state"],
        )

    def abandon_intention(self, subject: str, run_id: str) -> Write:
        """The write that marks an intention as one nobody knows the end of, for the transaction that closes its run."""
        return self._update(
            f"INTENT#{subject}",
            "INTENT",
            "SET #state = :abandoned",
            "run_id = :run",
            {":abandoned": str(IntentionState.ABANDONED), ":run": run_id},
            ["state"],
        )

    def end_intention(self, subject: str, run_id: str) -> bool:
        """Remove an intention that has its verdict. False when it is another run's, or gone."""
        return self._write(self.ended_intention(subject, run_id))

    def ended_intention(self, subject: str, run_id: str) -> Write:
        """The write that removes an intention, for a transaction with its verdict."""
        return {
            "Delete": {
                **self._delete(f"INTENT#{subject}", "INTENT")["Delete"],
                "ConditionExpression": "attribute_not_exists(pk) OR run_id = :run",
                "ExpressionAttributeValues": {":run": {"S": run_id}},
            }
        }
