"""Closing a run: outcome, history and the model's state in one transaction, with the items of everything that follows.

Asked by the workflow at its end, by the settle rule when an execution died, and by the sweep when even that was lost.
All of them may come for the same run; the first one closes it, the others find it closed.
"""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.chain import chained
from orchestration.domain.conclusion import Conclusion, Failure, conclude
from orchestration.domain.contracts import DueKind, Severity, Status, WaitKind
from orchestration.domain.due import GRACE, DueItem, due
from orchestration.domain.intention import Intention, IntentionState, endpoint_subject
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import Policy, pinned_policy
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.stored_model import EndedRun, after_run, with_signal_again
from orchestration.steps.approvals import BAKE
from orchestration.steps.due_work import Worked, attempt
from orchestration.steps.evidence import outcome_record
from orchestration.steps.facts import facts_of
from orchestration.steps.looking import look_after, planned
from orchestration.steps.pending import pending_due, raise_pending
from orchestration.steps.policies import effective_policy
from orchestration.steps.rivals import against_rivals
from orchestration.steps.telling import report_told, status_told, tell
from orchestration.steps.winding_down import look_at_intention, wind_down

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.chain import Head
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.wait import Result
    from orchestration.ports import Ports
    from orchestration.stores.table import Write

LOG = logging.getLogger("orchestration")

STACK_UPDATED: Final = "StackUpdated"
"""Error of a run that the release before began and this one cannot go on with."""


@dataclass(frozen=True, slots=True)
class _After:
    """What closing a run writes beside its outcome, and works off at once."""

    writes: tuple[Write, ...]
    work: tuple[tuple[DueItem, Callable[[Any, DueItem], Worked]], ...]


def close_run(ports: Ports, run: StoredRun, *, died: Status | None, failure: Failure | None) -> StoredRun:
    """Give a run its outcome. Gives the run as it stands: with this outcome, or the one it had.

    Args:
        ports: the outside.
        run: the run.
        died: the outcome of a dead execution, None when the workflow asks.
        failure: what the workflow caught, or how the execution ended.

    Raises:
        ContentionError: rivals kept winning; the caller tries again.
    """
    close_once = functools.partial(_close_once, ports, run, died, failure)
    return against_rivals(ports, close_once, f"The state of run {run.run_id}")


def _close_once(ports: Ports, run: StoredRun, died: Status | None, failure: Failure | None) -> StoredRun | None:
    current = ports.table.run(run.run_id) or run
    if current.outcome is not None:
        return current
    _see_promotion(ports, run)
    # Read before the facts: what is recorded in between has the run concluded again.
    head = ports.table.chain_head(run.model)
    # A wait that gets its result in between, which may leave no record, has it concluded again as well.
    open_waits = [wait for wait in ports.table.waits_of_run(run.run_id) if not wait.resolved]
    facts = facts_of(ports, run.run_id)
    asks = any(wait.kind is WaitKind.APPROVAL and wait.subject != BAKE for wait in open_waits)
    conclusion = conclude(facts, died=died, failure=failure, asks=asks)
    now = ports.now()
    closed = replace(
        current,
        outcome=str(conclusion.outcome),
        reason=conclusion.reason[:2000],
        error=conclusion.error,
        ended_at=now.isoformat(),
    )
    after = _after(ports, closed, conclusion, facts, head, now, died=died is not None)
    if not ports.table.close_run(closed, [*after.writes, *map(ports.table.parked_check, open_waits)]):
        return None
    for item, worker in after.work:
        attempt(ports, item, worker)
    return closed


def _see_promotion(ports: Ports, run: StoredRun) -> None:
    """Make a fact of a package that is approved, or a deployment that is over, although its run could not note so.

    They have no intention that would tell of them later. One that cannot be seen now holds up no end.
    """
    wait = ports.table.wait(run.run_id, WaitKind.PROMOTION)
    if wait is None or wait.resolved:
        return
    try:
        if not isinstance(planned(ports, run.run_id), EndpointPlan):
            look_after(ports, wait)
    except Exception:  # whatever it is, the run ends all the same
        LOG.exception("PromotionUnseen", extra={"run_id": run.run_id, "model": run.model})


def _after(
    ports: Ports,
    run: StoredRun,
    conclusion: Conclusion,
    facts: dict[str, Result],
    head: Head,
    now: datetime,
    *,
    died: bool,
) -> _After:
    stored, manifest = ports.table.model(run.model), json.loads(run.manifest)
    policy = _policy(ports, run, manifest)
    intention = _open_intention(ports, run, policy)
    left = (intention is not None and not conclusion.known) or _left_by_earlier_release(ports, run, conclusion)
    over = EndedRun(run.run_id, conclusion.outcome, run.goes_back, endpoint_left=left)
    state = after_run(stored, over, policy, now)
    if conclusion.outcome is Status.SUPERSEDED and (_again(facts) or conclusion.error == STACK_UPDATED):
        state = with_signal_again(
            state, mapping(manifest.get("signal")), Severity(run.severity), sequence=head.sequence
        )
    jobs = facts["training"].jobs if "training" in facts else ()
    links = chained(head, outcome_record(ports, run, ports.table.statuses(run.run_id), state, jobs, died=died))
    work: list[tuple[DueItem, Callable[[Any, DueItem], Worked]]] = [
        (report_told(run.run_id, run.model, now, links), tell),
        (status_told(run.run_id, run.model, conclusion.outcome, now, links), tell),
        (due(DueKind.STOP, run.run_id, run.model, now + GRACE), wind_down),
    ]
    writes = [ports.table.model_write(state), *ports.table.chain_writes(head, links)]
    if intention is not None and conclusion.known:
        writes.append(ports.table.ended_intention(intention.subject, run.run_id))
    elif intention is not None:
        writes.append(ports.table.abandon_intention(intention.subject, run.run_id))
        endpoint = intention.subject.removeprefix("endpoint:")
        settles = max(datetime.fromisoformat(intention.settles_at), now)
        work.append((due(DueKind.INTENT, run.run_id, run.model, settles, endpoint=endpoint), look_at_intention))
    if state.pending is not None:
        work.append((pending_due(run.model, now + GRACE), raise_pending))
    writes += [ports.table.due_write(item) for item, _ in work]
    if conclusion.outcome is Status.PROMOTED:
        # A sweep's work: it reads the account's endpoints, and no run's end waits for that.
        writes.append(ports.table.due_write(due(DueKind.REMOVE, run.model, run.model, now + GRACE)))
    return _After(tuple(writes), tuple(work))


def _policy(ports: Ports, run: StoredRun, manifest: dict[str, Any]) -> Policy | None:
    """The policy the run was decided under; runs of older releases pinned none, so the one in force stands for it."""
    pinned = mapping(manifest.get("policy"))
    if pinned:
        return pinned_policy(pinned["effective"])
    loaded = effective_policy(ports, run.model)
    return loaded.policy if loaded else None


def _open_intention(ports: Ports, run: StoredRun, policy: Policy | None) -> Intention | None:
    endpoint = policy.promotion.endpoint if policy else None
    intention = ports.table.intention(endpoint_subject(endpoint)) if endpoint else None
    if intention is None or intention.run_id != run.run_id or intention.state != IntentionState.OPEN:
        return None
    return intention


def _again(facts: dict[str, Result]) -> bool:
    """True when a refusal said that the signal is to be decided again."""
    return any(fact.again for fact in facts.values())


def _left_by_earlier_release(ports: Ports, run: StoredRun, conclusion: Conclusion) -> bool:
    """True when a run without intentions had begun to change its endpoint."""
    if conclusion.error != STACK_UPDATED:
        return False
    return any(row["status"] == Status.PROMOTION_STARTED for row in ports.table.statuses(run.run_id))
