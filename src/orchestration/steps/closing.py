"""Closing a run: outcome, history and the model's state in one transaction, with the items of everything that follows.

Asked by the workflow at its end, by the settle rule when an execution died, and by the sweep when even that was lost.
All of them may come for the same run; the first one closes it, the others find it closed.
"""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import RETURNING
from orchestration.domain.chain import chained
from orchestration.domain.conclusion import Conclusion, Failure, conclude
from orchestration.domain.contracts import DueKind, Severity, Status, WaitKind
from orchestration.domain.due import GRACE, DueItem, due
from orchestration.domain.intention import Intention, IntentionState, endpoint_subject
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import Policy, pinned_policy
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.signal import record_unproven
from orchestration.steps.approvals import BAKE
from orchestration.steps.due_work import Worked, attempt
from orchestration.steps.evidence import outcome_record
from orchestration.steps.facts import facts_of
from orchestration.steps.looking import look_after, planned
from orchestration.steps.pending import merge_pending, pending_due, raise_pending
from orchestration.steps.policies import effective_policy
from orchestration.steps.rivals import against_rivals
from orchestration.steps.telling import report_told, status_told, tell
from orchestration.steps.winding_down import look_at_intention, wind_down

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.chain import Head
    from orchestration.domain.wait import Result
    from orchestration.ports import Ports
    from orchestration.stores.models import StoredModel
    from orchestration.stores.runs import StoredRun
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
    closed = replace(
        current,
        outcome=str(conclusion.outcome),
        reason=conclusion.reason[:2000],
        error=conclusion.error,
        ended_at=ports.now().isoformat(),
    )
    after = _after(ports, closed, conclusion, facts, head, died=died is not None)
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
    ports: Ports, run: StoredRun, conclusion: Conclusion, facts: dict[str, Result], head: Head, *, died: bool
) -> _After:
    now, stored, manifest = ports.now(), ports.table.model(run.model), json.loads(run.manifest)
    policy = _policy(ports, run, manifest)
    intention = _open_intention(ports, run, policy)
    left = (intention is not None and not conclusion.known) or _left_by_earlier_release(ports, run, conclusion)
    state = next_state(stored, run, policy, now=now, endpoint_left=left)
    if conclusion.outcome is Status.SUPERSEDED and (_again(facts) or conclusion.error == STACK_UPDATED):
        signal = mapping(manifest.get("signal"))
        state = replace(
            state,
            pending=merge_pending(
                state.pending,
                signal,
                Severity(run.severity),
                sequence=head.sequence,
                returning=signal.get("kind") in RETURNING and not record_unproven(signal),
            ),
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


def next_state(
    stored: StoredModel, run: StoredRun, policy: Policy | None, *, now: datetime, endpoint_left: bool
) -> StoredModel:
    """The model's state after a run. Pure.

    Args:
        stored: the state before.
        run: the run with its outcome.
        policy: the policy it was decided under.
        now: an aware datetime.
        endpoint_left: True when the run left a change of an endpoint that nobody has judged.
    """
    outcome = Status(run.outcome or Status.FAILED)
    fruitless = 0 if outcome.fruitful else stored.fruitless_runs + int(outcome.fruitless)
    if run.goes_back:
        # It says nothing of retraining, and drift of a champion that came back is no sign that retraining did not help.
        fruitless = stored.fruitless_runs
    frozen, limit = stored.frozen_reason, policy.fruitless_runs if policy else 0
    if limit and outcome.fruitless and not run.goes_back and fruitless >= limit and not frozen:
        frozen = f"{fruitless} runs in a row brought no improvement, the last one {run.run_id} ({outcome})."
    if endpoint_left:
        # Whatever serves now, only people may touch it until they say otherwise.
        frozen = (
            f"Run {run.run_id} ended {outcome} while its endpoint was being changed, so a candidate may serve that no "
            "bake has judged. Compare the endpoint's config, and the one it is moving to, with the champion's in the "
            "manifest; repair the endpoint first."
        )
    cooldown = stored.cooldown_until
    if policy and outcome is not Status.SUPERSEDED:
        hours = policy.cooldown_hours
        cooldown = (now + timedelta(hours=hours)).isoformat() if hours else None
    return replace(
        stored,
        active_run_id=None if stored.active_run_id == run.run_id else stored.active_run_id,
        cooldown_until=cooldown,
        fruitless_runs=fruitless,
        frozen_reason=frozen,
        promoted_at=_promoted_at(stored, run, outcome, now),
    )


def _promoted_at(stored: StoredModel, run: StoredRun, outcome: Status, now: datetime) -> str | None:
    if outcome is not Status.PROMOTED:
        return stored.promoted_at
    return None if run.goes_back else now.isoformat()


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
