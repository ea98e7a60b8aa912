"""What the fence judges, read at the moment of an effect; and the same as conditions of its transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.fence import RunSight
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import Policy, pinned_policy, policy_sha256
from orchestration.domain.switches import sources_of
from orchestration.steps.policies import effective_policy, policy_key

if TYPE_CHECKING:
    from orchestration.domain.stored_run import StoredRun
    from orchestration.ports import Ports
    from orchestration.stores.table import Write


@dataclass(frozen=True, slots=True)
class Gathered:
    """A run with its manifest, the policy it was decided under, and what the fence has to judge."""

    run: StoredRun
    manifest: dict[str, Any]
    policy: Policy
    sight: RunSight


def asked_run(ports: Ports, request: dict[str, Any]) -> tuple[str, str]:
    """Run id and execution ARN of a request of the state machine.

    Raises:
        InvalidRequestError: it names no execution of this stack's machine.
    """
    execution = mapping(request.get("execution"))
    name, arn = execution.get("name"), execution.get("id")
    if not name or not arn:
        raise InvalidRequestError("A request of the workflow names its execution: {id, name}.")
    if arn != f"{ports.settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}":
        raise InvalidRequestError("The request names an execution that is none of this stack's workflow.")
    return str(name), str(arn)


def asked_token(request: dict[str, Any]) -> str:
    """The task token of a request.

    Raises:
        InvalidRequestError: there is none.
    """
    token = request.get("token")
    if not isinstance(token, str) or not token:
        raise InvalidRequestError(
            "This action is asked for with a task token; the workflow waits for it to be answered."
        )
    return token


def gather(ports: Ports, run_id: str, execution_arn: str, *, forward: bool = True) -> Gathered:
    """Read what may stop a run. ``forward`` False: for going back, which no policy can forbid, so none is read.

    Raises:
        InvalidRequestError: there is no such run.
        TransientServiceError: nobody can say what the policy says now.
    """
    run = ports.table.run(run_id)
    if run is None:
        raise InvalidRequestError(f"There is no run {run_id}.")
    manifest = json.loads(run.manifest)
    pinned = mapping(manifest.get("policy"))
    loaded = effective_policy(ports, run.model) if forward or not pinned else None
    if loaded is not None and loaded.unreadable:
        raise TransientServiceError(f"{policy_key(run.model)} cannot be read, so nobody knows what it allows.")
    policy = pinned_policy(pinned["effective"]) if pinned else loaded.policy if loaded else None
    if policy is None:
        raise InvalidRequestError(f"Run {run_id} has no policy: its manifest pins none, and {run.model} has none now.")
    sight = RunSight(
        run_id=run_id,
        model=run.model,
        sources=sources_of(manifest),
        execution_arn=execution_arn,
        own_execution_arn=run.execution_arn,
        outcome=run.outcome,
        active_run_id=ports.table.model(run.model).active_run_id,
        switches=ports.table.kill_switches(),
        pinned_sha256=pinned.get("sha256"),
        policy_sha256=policy_sha256(loaded.policy) if loaded else None,
        shadow=loaded is not None and loaded.policy.mode == "shadow",
    )
    return Gathered(run, manifest, policy, sight)


def fence_writes(ports: Ports, gathered: Gathered) -> list[Write]:
    """The fence as conditions of a transaction: what was seen is still so when the intention is committed."""
    run = gathered.run
    return [
        ports.table.open_check(run.run_id, gathered.sight.execution_arn),
        ports.table.active_check(run.model, run.run_id),
        *ports.table.switch_checks(run.model, *gathered.sight.sources),
    ]
