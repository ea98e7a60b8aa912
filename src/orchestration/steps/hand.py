"""What the hand's actions share: a refusal as a fact, and the commit of an intention with its fence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.errors import ContentionError, NotAcceptedYetError
from orchestration.domain.intention import settles_at
from orchestration.domain.wait import Result, Wait, wait_id
from orchestration.steps.answering import deliver, look_due, resolve, settled
from orchestration.steps.looking import look_after
from orchestration.steps.sight import Gathered, fence_writes

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.domain.fence import Refusal
    from orchestration.domain.intention import Intention
    from orchestration.ports import HandPorts


def put_wait(
    ports: HandPorts, gathered: Gathered, kind: WaitKind, token: str, data: dict[str, Any], deadline: datetime
) -> Wait:
    """A new wait of the run."""
    run, at = gathered.run, ports.now().isoformat()
    return Wait(
        kind=kind,
        subject="",
        run_id=run.run_id,
        model=run.model,
        token=token,
        execution_arn=run.execution_arn,
        parked_at=at,
        deadline=deadline.isoformat(),
        next_step_at=deadline.isoformat(),
        data=data,
    )


def refused(ports: HandPorts, gathered: Gathered, kind: WaitKind, token: str, refusal: Refusal, *, go: Next) -> None:
    """Keep a refusal as the result of the wait and tell the workflow.

    Raises:
        ContentionError: it met another write and could not be kept.
    """
    found = Result(go, refusal.reason, refusal.outcome, again=refusal.again)
    parked = ports.table.wait(gathered.run.run_id, kind)
    if parked is None:
        now = ports.now()
        over = settled(put_wait(ports, gathered, kind, token, {}, now), found)
        item = due(DueKind.LOOK, wait_id(over.run_id, kind), over.model, now + GRACE)
        if ports.table.park(over, item) is None:
            deliver(ports, over)
            return
        parked = ports.table.wait(gathered.run.run_id, kind)
        if parked is None:
            raise ContentionError("The refusal could not be kept; the workflow asks again.")
    resolve(ports, parked, found)


def commit(ports: HandPorts, gathered: Gathered, intention: Intention | None, parked: Wait | None, new: Wait) -> Wait:
    """Commit an intention under the fence, with the wait for what comes of it. Gives the wait as it stands.

    A retry finds its wait parked: then only the intention is opened anew, with a later time to settle. What changes no
    endpoint and starts no training has no intention; its wait is committed under the same fence.

    Raises:
        ContentionError: the fence does not hold any more, or a rival was faster; the workflow asks again, and the
            fence says why.
    """
    fence = fence_writes(ports, gathered)
    if intention is not None:
        fence.append(ports.table.intention_write(intention))
    if parked is None:
        if ports.table.park(new, look_due(ports, new), new.data.get("names", ()), fence) is None:
            return new
    else:
        again = replace(parked, data={**parked.data, "settles_at": settles_at(ports.now()).isoformat()})
        if ports.table.change_wait(parked, again, fence):
            return replace(again, revision=parked.revision + 1)
    raise ContentionError(
        "Something changed at the moment of the effect; nothing was changed, the workflow asks again."
    )


def not_yet(ports: HandPorts, wait: Wait, sentence: str, **more: Any) -> NotAcceptedYetError:
    """Why the workflow has to ask again, noted in the wait with ``more`` for the day it is given up."""
    said = {"said": sentence, **more}
    if not said.items() <= wait.data.items():
        # A rival's change is as good: the next try notes it.
        ports.table.change_wait(wait, replace(wait, data={**wait.data, **said}))
    return NotAcceptedYetError(sentence)


def noted(ports: HandPorts, wait: Wait) -> None:
    """Note that AWS took what a wait is about, and look at what came of it so far.

    Raises:
        ContentionError: the note met another write; the workflow asks again.
    """
    # What was just taken may not show at once, so that its time begins anew.
    now = ports.now()
    taken = {**wait.data, "accepted": True, "accepted_at": now.isoformat(), "settles_at": settles_at(now).isoformat()}
    kept = ports.table.change_wait(wait, replace(wait, data=taken))
    current = ports.table.wait(wait.run_id, wait.kind)
    if current is None or current.resolved:
        return
    if not kept:
        raise ContentionError("Something else was written to the wait at the same moment; the workflow asks again.")
    look_after(ports, current)
