"""Answering waits: the result is fixed in the table first, then the workflow is told, then the token goes.

Each part can be repeated, and the wait's due item repeats it when whoever resolved it died in between.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.wait import WaitState
from orchestration.steps import approvals
from orchestration.steps.evidence import with_record, write_record
from orchestration.steps.telling import record_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.chain import Head
    from orchestration.domain.due import DueItem
    from orchestration.domain.wait import Result, Wait
    from orchestration.ports import ApprovalPorts
    from orchestration.stores.table import Write

LOG = logging.getLogger("orchestration")


def look_due(ports: ApprovalPorts, wait: Wait) -> DueItem:
    """The item that has a sweep look after a wait whose event, or whose answering, was lost."""
    return due(DueKind.LOOK, wait.wait_id, wait.model, ports.now() + GRACE)


def resolve(
    ports: ApprovalPorts, wait: Wait, result: Result, head: Head | None = None, checks: Sequence[Write] = ()
) -> bool:
    """Fix the result of a wait and answer its token. False when somebody else had fixed another result before.

    Args:
        ports: the outside.
        wait: the wait.
        result: what it came to.
        head: where the model's chain ended before that was judged; None where no record in between would change it.
        checks: what else must still be as it was judged.

    Raises:
        ContentionError: something changed since, or was written at the same moment; whoever judged judges again.
    """
    if not wait.resolved:
        over, writes = with_record(ports, settled(wait, result), head)
        if not ports.table.resolve_wait(over, look_due(ports, over), [*writes, *checks]):
            LOG.info("WaitResolvedBefore", extra={"run_id": wait.run_id, "model": wait.model, "kind": str(wait.kind)})
    # Read again: the workflow may have parked a new token meanwhile, and that one is alive.
    current = ports.table.wait(wait.run_id, wait.kind, wait.subject)
    if current is None or current.result is None:
        return False
    deliver(ports, current)
    return current.result == result


def deliver(ports: ApprovalPorts, wait: Wait) -> None:
    """Answer the tokens of a resolved wait; a wait that was answered is left alone."""
    if wait.kind is WaitKind.APPROVAL:
        approvals.deliver(ports, wait)
        return
    if wait.result is None or not wait.tokens:
        return
    if wait.record is not None:
        # Evidence first: a run never goes on with a verdict nobody can look up.
        write_record(ports, wait.model, wait.record, wait.seal)
    if wait.kind is WaitKind.BAKE and wait.result.outcome is Status.PROMOTED:
        record_status(
            ports,
            run_id=wait.run_id,
            model=wait.model,
            status=Status.PROMOTION_BAKED,
            sentence=f"{wait.result.reason} {_seconds(wait)} s of bake are over.",
        )
    alive = ports.executions.succeed(wait.tokens, {"next": wait.result.next})
    if not alive:
        LOG.warning("WaitTokenDead", extra={"run_id": wait.run_id, "model": wait.model, "kind": str(wait.kind)})
    ports.table.finish_wait(wait, at=ports.now().isoformat(), delivered=alive)


def _seconds(wait: Wait) -> int:
    return round((datetime.fromisoformat(wait.deadline) - datetime.fromisoformat(wait.parked_at)).total_seconds())


def answer(ports: ApprovalPorts, token: str, go: Next) -> bool:
    """Tell the workflow where to go. False when nobody waits on the token any more."""
    return ports.executions.succeed([token], {"next": go})


def take_up(ports: ApprovalPorts, wait: Wait, token: str) -> Wait | None:
    """The workflow came again with a new token for a wait that exists: None when it was answered with its result.

    Otherwise the wait, still parked; the table has the new token.
    """
    if not wait.resolved and ports.table.swap_token(wait, token):
        return wait
    current = ports.table.wait(wait.run_id, wait.kind, wait.subject) or wait
    deliver(ports, current)
    # After its evidence, as every other token.
    if current.result is not None:
        answer(ports, token, current.result.next)
    return None


def settled(wait: Wait, result: Result) -> Wait:
    """A wait that is over before it was parked: a refusal is a fact like any other."""
    return replace(wait, state=WaitState.RESOLVED, result=result)
