"""The fence: may this run change the world now? Pure.

Every forward effect asks it with what was read at that moment; the transaction that commits the effect's intention
holds the same conditions, so that nothing slips in between. A refusal is an outcome of its own: it says nothing about the
endpoint's health and counts as no fruitless run. Going back to the champion is no forward effect and does not come here.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.contracts import Next, Status
from orchestration.domain.switches import KillSwitch, paused_sentence, switch_over


@dataclass(frozen=True, slots=True)
class RunSight:
    """What was read of a run and of what may stop it. ``policy_sha256`` None: the loop does not know the model any more."""

    run_id: str
    model: str
    sources: tuple[str, ...]
    execution_arn: str
    own_execution_arn: str
    outcome: str | None
    active_run_id: str | None
    switches: tuple[KillSwitch, ...]
    pinned_sha256: str | None
    policy_sha256: str | None
    shadow: bool


@dataclass(frozen=True, slots=True)
class EndpointSight:
    """Live config, pending config (None: no update is going on) and status of an endpoint; all None when it is gone."""

    live: str | None
    pending: str | None
    status: str | None

    @classmethod
    def of(cls, described: dict[str, object] | None) -> EndpointSight:
        """Read a DescribeEndpoint answer. During an update it names the old config; the new one stands in the summary."""
        described = described or {}
        summary = described.get("PendingDeploymentSummary")
        pending = summary.get("EndpointConfigName") if isinstance(summary, dict) else None
        return cls(_name(described.get("EndpointConfigName")), _name(pending), _name(described.get("EndpointStatus")))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an effect is not made. ``outcome`` None: the run has its outcome already and the caller changes nothing.

    ``again``: the signal is to be decided anew, as the world is now.
    """

    outcome: Status | None
    reason: str
    go: Next = Next.RECORD
    again: bool = False


def closed(sight: RunSight) -> Refusal | None:
    """A run that is over, or that another execution owns, changes nothing however it is woken."""
    if sight.outcome is not None:
        return Refusal(None, f"Run {sight.run_id} has its outcome {sight.outcome} and is not taken up again.")
    if sight.execution_arn != sight.own_execution_arn:
        return Refusal(None, f"Run {sight.run_id} belongs to another execution than {sight.own_execution_arn}.")
    return None


def refuse(sight: RunSight) -> Refusal | None:
    """Why a run may not make any forward effect now, or None. A changed policy is ``policy_changed``'s to judge."""
    over = closed(sight)
    if over is not None:
        return over
    if sight.active_run_id != sight.run_id:
        return Refusal(
            Status.SUPERSEDED,
            f"Run {sight.run_id} is not the run of {sight.model} any more; {sight.active_run_id or 'none'} is.",
        )
    switch = switch_over(sight.switches, sight.model, *sight.sources)
    if switch is not None:
        return Refusal(Status.STOPPED, f"{paused_sentence(switch)} Nothing more was changed.")
    if sight.policy_sha256 is None:
        return Refusal(
            Status.STOPPED,
            f"The policy of {sight.model} was deleted since the decision, so the loop does not know the model any more.",
        )
    if sight.shadow:
        return Refusal(Status.STOPPED, f"{sight.model} was set to shadow mode since the decision; nothing was changed.")
    return None


def policy_changed(sight: RunSight) -> bool:
    """True when the effective policy is not the one the run was decided under; unknown counts as changed."""
    return sight.pinned_sha256 is None or sight.policy_sha256 != sight.pinned_sha256


def foreign_deployment(endpoint: EndpointSight, *, name: str, previous: str, wanted: str) -> Refusal | None:
    """Why an endpoint is not as planned: somebody else deployed, or is deploying, since the evaluation."""
    if endpoint.live is None:
        return Refusal(Status.FAILED, f"Endpoint {name} does not exist any more, so the candidate cannot serve there.")
    for config, does in ((endpoint.pending, "is moving to"), (endpoint.live, "serves")):
        if config is not None and config not in {previous, wanted}:
            return Refusal(
                Status.SUPERSEDED,
                f"Endpoint {name} {does} config {config}, not {previous} as when the candidate was judged: somebody else "
                "deployed meanwhile. Their model stays; retrain against it.",
            )
    return None


def changed_versions(judged: dict[str, str], seen: dict[str, str | None]) -> Refusal | None:
    """Why artifact and report are not those that were judged: what serves has to be what was judged and approved."""
    for uri, version in sorted(judged.items()):
        now = seen.get(uri)
        if now != version:
            what = "cannot be looked at any more" if now is None else "was written again since it was judged"
            return Refusal(
                Status.SUPERSEDED,
                f"{uri} {what}, so what would serve is not what was judged. Nothing was promoted; retrain.",
            )
    return None


def _name(value: object) -> str | None:
    return str(value) if value else None
