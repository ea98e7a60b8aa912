"""Waits.

====================  ================  ==========================================================================
pk                    sk                item
====================  ================  ==========================================================================
``WAIT#<run>``        ``<kind>``        what a run waits or waited for, with its token until that was answered
``APPROVAL#<run>``    ``<subject>``     the same for people
``SUBJECT#<name>``    ``<wait id>``     a pointer from what an event names to who waits for it
====================  ================  ==========================================================================

Approvals stand in partitions of their own, so that the function people reach can be kept from every other token.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.wait import Result, Wait, WaitState, parse_wait_id
from orchestration.stores.due_items import DueItems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.due import DueItem
    from orchestration.stores.table import Write

SHOWN = tuple(name for name in Wait.__slots__ if name not in {"token", "token_before"})
"""What people may see of a wait. IAM allows reviewers these queries only with every attribute named."""

_ASKED = ("pk", "sk", *SHOWN)

_UNSAID = {
    **dict.fromkeys(("subject", "model", "execution_arn", "parked_at", "deadline", "next_step_at"), ""),
    "state": WaitState.PARKED,
}
"""What stands for people where an item does not say it, so that one that is broken hides none of the others."""


class Waits(DueItems):
    """Parked tokens and what came of them."""

    def wait(self, run_id: str, kind: WaitKind, subject: str = "") -> Wait | None:
        """A run's wait, parked or over."""
        item = self._get(*_key(run_id, kind, subject))
        return None if item is None else _wait(item)

    def wait_by_id(self, identity: str) -> Wait | None:
        """A wait by its id."""
        return self.wait(*parse_wait_id(identity))

    def waits_of_run(self, run_id: str) -> list[Wait]:
        """All waits of a run, parked or over."""
        return [_wait(item) for pk in (f"WAIT#{run_id}", f"APPROVAL#{run_id}") for item in self._query(pk)]

    def waits_of_run_without_tokens(self, run_id: str) -> list[Wait]:
        """All waits of a run, as people may see them."""
        partitions = (f"WAIT#{run_id}", f"APPROVAL#{run_id}")
        return [_wait({**_UNSAID, **item}) for pk in partitions for item in self._query(pk, only=_ASKED)]

    def waits_without_tokens(self) -> list[Wait]:
        """All waits that are not over, as people may see them: the tokens stay in the table."""
        identities = {item.subject for item in self.every_item() if item.kind in {DueKind.LOOK, DueKind.LADDER}}
        found = []
        for identity in sorted(identities):
            pk, sk = _key(*parse_wait_id(identity))
            found += [_wait({**_UNSAID, **item}) for item in self._query(pk, sk, only=_ASKED)]
        return [wait for wait in found if not wait.resolved]

    def waiting_for(self, name: str) -> list[str]:
        """Ids of the waits for what an event names; one keyed query."""
        return [item["sk"] for item in self._query(f"SUBJECT#{name}")]

    def park(
        self, wait: Wait, due: DueItem, names: Sequence[str] = (), writes: Sequence[Write] = ()
    ) -> list[str] | None:
        """Store a wait that is not there yet, with its due item and its pointers, in one transaction with ``writes``.

        Returns:
            None when stored, else the cancellation code of each write: the wait's own first, then those of ``writes``.
        """
        pk, sk = _key(wait.run_id, wait.kind, wait.subject)
        return self._transact(
            [
                self._put({"pk": pk, "sk": sk, **_item(wait)}, "attribute_not_exists(pk)"),
                *writes,
                self.due_write(due),
                *(self._put({"pk": f"SUBJECT#{name}", "sk": wait.wait_id}) for name in names),
            ]
        )

    def renamed(self, wait: Wait, names: Sequence[str]) -> list[Write]:
        """The writes by which other events tell of what a wait waits for, for the transaction that changes it."""
        return [
            *(self._delete(f"SUBJECT#{name}", wait.wait_id) for name in wait.data.get("names", ())),
            *(self._put({"pk": f"SUBJECT#{name}", "sk": wait.wait_id}) for name in names),
        ]

    def parked_check(self, wait: Wait) -> Write:
        """Condition of a transaction: a wait has no result yet."""
        parked = {":parked": str(WaitState.PARKED)}
        return self._check(*_key(wait.run_id, wait.kind, wait.subject), "#state = :parked", parked, ["state"])

    def swap_token(self, wait: Wait, token: str) -> bool:
        """Give a wait that is not over the token of a retry, and keep the one it had. False when it was resolved meanwhile."""
        update = "SET token_before = #token, #token = :token"
        return self._write(self._change(wait, update, "#state = :parked", {":token": token}, ["token", "state"]))

    def change_wait(self, before: Wait, after: Wait, writes: Sequence[Write] = ()) -> bool:
        """Change a parked wait, or resolve it, unless someone changed it since ``before`` was read. True when written."""
        names = ["state", "step", "next_step_at", "data", "revision"]
        values = {
            ":state": str(after.state),
            ":step": after.step,
            ":next": after.next_step_at,
            ":deadline": after.deadline,
            ":data": after.data,
            ":old": before.revision,
            ":new": before.revision + 1,
        }
        update = "SET #state = :state, #step = :step, #next_step_at = :next, deadline = :deadline, #data = :data, #revision = :new"
        if after.result is not None:
            update, names, values = (
                f"{update}, #result = :result, #record = :record, seal = :seal",
                [*names, "result", "record"],
                {
                    **values,
                    ":result": after.result.as_record(),
                    ":record": after.record or 0,
                    ":seal": after.seal or "",
                },
            )
        write = self._change(before, update, "#state = :parked AND #revision = :old", values, names)
        return self._transact([write, *writes]) is None if writes else self._write(write)

    def resolve_wait(self, wait: Wait, due: DueItem, writes: Sequence[Write] = ()) -> bool:
        """Fix the result a wait carries. The first to call decides; False for everyone after.

        ``due`` has the workflow told by a sweep, if whoever resolves dies before telling; ``writes`` is its record.

        Raises:
            ContentionError: see ``_once``.
        """
        write = self._change(
            wait,
            "SET #state = :resolved, #result = :result, #record = :record, seal = :seal",
            "#state = :parked",
            {
                ":resolved": str(WaitState.RESOLVED),
                ":result": wait.result.as_record() if wait.result is not None else {},
                ":record": wait.record or 0,
                ":seal": wait.seal or "",
            },
            ["state", "result", "record"],
        )
        return self._once(write, [self.due_write(due), *writes])

    def finish_wait(self, wait: Wait, *, at: str, delivered: bool) -> None:
        """Note that the workflow has the result: the tokens go, and so do the pointers. Idempotent."""
        for name in wait.data.get("names", ()):
            self._write(self._delete(f"SUBJECT#{name}", wait.wait_id))
        self._write(
            self._change(
                wait,
                "SET ended_at = :at, delivered = :delivered REMOVE #token, token_before",
                "#state = :resolved",
                {":at": at, ":delivered": delivered, ":resolved": str(WaitState.RESOLVED)},
                ["token", "state"],
            )
        )

    def _change(self, wait: Wait, update: str, condition: str, values: dict[str, Any], names: list[str]) -> Write:
        if ":parked" in condition:
            values = {**values, ":parked": str(WaitState.PARKED)}
        return self._update(*_key(wait.run_id, wait.kind, wait.subject), update, condition, values, names)


def _key(run_id: str, kind: WaitKind, subject: str) -> tuple[str, str]:
    return (f"APPROVAL#{run_id}", subject) if kind is WaitKind.APPROVAL else (f"WAIT#{run_id}", str(kind))


def _item(wait: Wait) -> dict[str, Any]:
    return {**asdict(wait), "result": None if wait.result is None else wait.result.as_record()}


def _wait(item: dict[str, Any]) -> Wait:
    """A wait from its item.

    Which one it is its key says, the only thing IAM compares: an approval that called itself a bake would have the loop end
    a bake for whoever may write approvals only.
    """
    fields = {name: item[name] for name in Wait.__slots__ if name in item}
    partition, _, run_id = item["pk"].partition("#")
    of_people = partition == "APPROVAL"
    return Wait(
        **{
            "token": None,
            **fields,
            "kind": WaitKind.APPROVAL if of_people else WaitKind(item["sk"]),
            "subject": item["sk"] if of_people else item["subject"],
            "run_id": run_id,
            "state": WaitState(item["state"]),
            "result": Result.of(item["result"]) if item.get("result") else None,
            "record": item.get("record") or None,
            "seal": item.get("seal") or None,
        }
    )
