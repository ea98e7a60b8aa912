"""What ran in a phase of a run, on which instances, for how long, and its list price. Pure.

A phase is from one status to the next. A training's jobs stand in the outcome, the instances of an endpoint in the plan of
its promotion. What no record says is not known, and its reason is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.contracts import Status
from orchestration.domain.jobs import JOBS_KEPT, MOST_SECONDS, Instances, Job, Use, instances_of
from orchestration.domain.json_values import mapping, number, sequence, text
from orchestration.domain.policy import PromotionKind, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.domain.prices import Prices

COUNTED: Final = (
    "List prices without discounts, free tier, storage, requests and data transfer. An endpoint has as many instances as its "
    "config first asks for, and both of its fleets while it moves from one to the other. State transitions are those that records "
    "show, a few more or less where a state failed or the run did not come to its end."
)
"""What is counted, and how."""

INSTANCES_SHOWN: Final = 120
"""Characters of a list of instances."""

SERVING: Final = frozenset({Status.BAKE_APPROVAL_REQUESTED, Status.BAKE_APPROVED, Status.PROMOTION_BAKED})
"""Statuses after which the endpoint serves the candidate until the next."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Something that ran in a phase.

    ``instances`` None: on what is not known; ``hours`` are those of all its instances. ``usd`` is its list price; where it is
    None, ``why`` says why.
    """

    what: str
    instances: str | None
    hours: float | None
    usd: float | None
    why: str | None

    @property
    def told(self) -> str:
        """On what it ran, how long, and its price or why that is not known, for people."""
        if self.instances is None:
            return f"not known: {self.why}"
        hours = f", {self.hours:.4f} instance hours" if self.hours is not None else ""
        price = f"{self.usd:.6f} USD" if self.usd is not None else f"price not known: {self.why}"
        return f"{self.instances}{hours}: {price}"


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices a run is held against: a table, and the Region the run was in, None where no record says it."""

    prices: Prices
    region: str | None

    @property
    def unfit(self) -> str | None:
        """Why the table has no price of the run; None when it has."""
        if self.region == self.prices.region:
            return None
        was = f"the run was in {self.region}" if self.region else "no record says in which Region the run was"
        return f"The prices are those of {self.prices.region}, and {was}."

    def transitions(self, count: int) -> float | None:
        """The list price of state transitions in USD; None where the table does not say."""
        price = self.prices.transition
        return None if self.unfit or price is None else round(count * price, 6)

    def cost(
        self, what: str, use: Use | None, instances: Instances, seconds: float | None, unknown: str | None = None
    ) -> Cost:
        """What something cost: ``seconds`` is how long each instance is billed; ``unknown`` why that is not known."""
        shown = cut(", ".join(f"{count} x {kind}" for kind, count in instances), INSTANCES_SHOWN) or None
        seconds = None if seconds is None or seconds > MOST_SECONDS else seconds
        hours = None if seconds is None or not instances else sum(count for _, count in instances) * seconds / 3600
        usd, why = self._usd(use, instances, hours, seconds)
        rounded = number(round(hours, 6)) if hours is not None else None
        return Cost(what, shown, rounded, None, unknown) if unknown else Cost(what, shown, rounded, usd, why)

    def _usd(
        self, use: Use | None, instances: Instances, hours: float | None, seconds: float | None
    ) -> tuple[float | None, str | None]:
        """The list price, or why it is not known."""
        if use is None or hours is None or seconds is None or number(hours) is None:
            return None, "No record says on what it ran, or for how long."
        if hours == 0:
            return 0.0, None
        if self.unfit:
            return None, self.unfit
        found = [(self.prices.of(use, kind), kind, count) for kind, count in instances]
        unpriced = [kind for price, kind, _ in found if price is None]
        if unpriced:
            return (
                None,
                f"The prices of {self.prices.region} have none of {cut(', '.join(unpriced), INSTANCES_SHOWN)} for {use}.",
            )
        return number(round(sum((price or 0.0) * count for price, _, count in found) * seconds / 3600, 6)), None


def training_costs(tariff: Tariff, manifest: Mapping[str, Any], outcome: Mapping[str, Any]) -> Iterable[Cost]:
    """What ran for a run's training."""
    jobs = [Job.of(job) for job in sequence(outcome.get("jobs"))[: JOBS_KEPT + 1]]
    for job in jobs:
        kind = f"{job.use} job" if job.use else "step"
        yield tariff.cost(
            f"{kind} {job.name}{' (spot)' if job.spot else ''}", job.use, job.instances, job.seconds, job.unknown
        )
    machine = mapping(manifest.get("training")).get("kind") == TargetKind.STATE_MACHINE
    if jobs and not machine:
        return
    statuses = {str(mapping(row).get("status")) for row in sequence(outcome.get("statuses"))}
    over = {Status.TRAINING_FINISHED, Status.TRAINING_FAILED, Status.TRAINING_TIMED_OUT, Status.NO_CAPACITY}
    if machine:
        why = "The team's own state machine trained; what it ran is in no record but the training job it may name."
    elif "jobs" not in outcome:
        why = "The release that wrote the run's outcome did not keep what ran for its training."
    elif over.isdisjoint(statuses):
        why = "The run ended before its training was over."
    else:
        why = "SageMaker named no job of it."
    yield Cost("training, whatever else ran" if jobs else "training", None, None, None, why)


def endpoint_costs(
    tariff: Tariff,
    plan: Mapping[str, Any],
    status: str,
    *,
    seconds: float | None,
    moved: float | None,
    unmoved: bool,
) -> Iterable[Cost]:
    """What ran for a promotion or its way back, from a status on.

    Args:
        tariff: the prices.
        plan: of the promotion, as the verdict keeps it.
        status: the status.
        seconds: until the next; None where no record says it.
        moved: how many of them the endpoint took to serve the candidate; None where no bake is on record.
        unmoved: whether it moved all the while, where no bake is on record.
    """
    kind = plan.get("kind")
    if kind is None and status in {*SERVING, Status.PROMOTION_STARTED, Status.ROLLBACK_STARTED}:
        yield Cost("promotion", None, None, None, "No record has the plan of the promotion.")
    if kind == PromotionKind.PIPELINE and status == Status.PROMOTION_STARTED:
        yield Cost(
            "deployment", None, None, None, "The team's own state machine deployed; what it ran is in no record."
        )
    if kind != PromotionKind.ENDPOINT:
        return
    name = f"endpoint {text(plan.get('endpoint'), 63)}"
    instances, unknown = _fleet(plan)
    if status in SERVING:
        yield tariff.cost(name, Use.HOSTING, instances, seconds, unknown)
    elif status in {Status.PROMOTION_STARTED, Status.ROLLBACK_STARTED}:
        both = tuple((kind, 2 * count) for kind, count in instances)
        moving = unknown
        if "RollingUpdatePolicy" in mapping(mapping(plan.get("update_endpoint")).get("DeploymentConfig")):
            # Source: SageMaker API, RollingUpdatePolicy: a batch of MaximumBatchSize is replaced at a time.
            moving = unknown or "It was replaced in batches; how many instances ran at a time is in no record."
        elif not unmoved and moved is None:
            moving = unknown or "No record says when the endpoint had moved."
        yield tariff.cost(f"{name}, moving", Use.HOSTING, both, seconds if moved is None else moved, moving)
        if moved is not None:
            baked = None if seconds is None else max(0.0, seconds - moved)
            yield tariff.cost(f"{name}, baking", Use.HOSTING, instances, baked, unknown)


def fleet_shown(plan: Mapping[str, Any]) -> str | None:
    """The instances an endpoint is to have with the candidate's config; None where no record says it."""
    config = mapping(plan.get("create_endpoint_config"))
    serverless = [mapping(variant.get("ServerlessConfig")) for variant in _variants(config)]
    shown = [f"serverless, {size:g} MB" for each in serverless if (size := number(each.get("MemorySizeInMB")))]
    shown += [f"{count} x {kind}" for kind, count in _fleet(plan)[0]]
    return ", ".join(shown) or None


def _fleet(plan: Mapping[str, Any]) -> tuple[Instances, str | None]:
    """The instances of a config's variants, shadows too, which both configs of a promotion have alike; or why they are not known."""
    config = plan.get("create_endpoint_config")
    if config is None:
        return (
            (),
            f"What config {text(plan.get('wanted_config'), 63)} runs on stands in the records of whoever made it.",
        )
    variants = _variants(mapping(config))
    if any(variant.get("ServerlessConfig") for variant in variants):
        return (), "A serverless endpoint is paid by its requests, which are in no record."
    found = instances_of(variants, "InstanceType", "InitialInstanceCount")
    return found, None if found else "Its config does not name all its instances."


def _variants(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = (*sequence(config.get("ProductionVariants")), *sequence(config.get("ShadowProductionVariants")))
    return [mapping(variant) for variant in named]
