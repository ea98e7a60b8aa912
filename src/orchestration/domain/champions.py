"""Champions of the past: which config an endpoint goes back to, and which models and configs nobody needs any more. Pure.

A promotion that made a config says what served before it. Going back follows that from the config that serves now, so going
back twice is two steps and not there and back again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestration.domain.promotion import EndpointPlan, endpoint_move

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from orchestration.domain.fence import EndpointSight
    from orchestration.domain.policy import Promotion

LOOKED_AT: Final = 100
"""Promotions of a model that are looked at, the newest first; KeepChampions keeps 50 at most."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """A run that was promoted to an endpoint, and how. A rollback is one too; it made no config of its own."""

    run_id: str
    plan: EndpointPlan


@dataclass(frozen=True, slots=True)
class WayBack:
    """The config that is to serve again, the run that made it (None: the team's own), and the run that replaced it."""

    config: str
    made_by: str | None
    replaced_by: str


@dataclass(frozen=True, slots=True)
class Made:
    """The model and the endpoint config that a run of a model made, both of one name, and when they were removed.

    ``removing`` from the moment of the decision: from then on no run goes back to them. ``removed_at`` is ISO-8601 in UTC.
    """

    run_id: str
    model: str
    name: str
    removing: bool = False
    removed_at: str | None = None


def way_back(
    promotions: Iterable[Promoted], *, endpoint: str, seen: EndpointSight, takes_back: str, to: str | None
) -> WayBack | str:
    """Where an endpoint goes back to, or a sentence that says why it does not and what to do.

    Args:
        promotions: of the model, the newest first.
        endpoint: the policy's.
        seen: how it is now.
        takes_back: the model's last promotion when that was asked for.
        to: the run whose config is to serve; None: what served before.
    """
    own = [each for each in promotions if each.plan.endpoint == endpoint]
    itself = f"set endpoint {endpoint} to the config that is to serve yourself (docs/runbook.md, Manual override)"
    if not own or own[0].run_id != takes_back:
        return f"Another promotion than that of run {takes_back} is the last one to endpoint {endpoint} now: ask again."
    if seen.live is None:
        return f"Endpoint {endpoint} does not exist, so nothing can serve there: create it with the config that is to serve."
    for config, does in ((seen.pending, "is moving to"), (seen.live, "serves")):
        if config is not None and config != own[0].plan.wanted_config:
            return (
                f"Endpoint {endpoint} {does} config {config}, not {own[0].plan.wanted_config} of run {takes_back}: somebody "
                f"else deployed since. Their model stays; if it is to go, {itself}."
            )
    made = {each.plan.wanted_config: each for each in own if not each.plan.goes_back}
    if to is not None:
        config = next((each.plan.wanted_config for each in own if each.run_id == to), None)
        if config is None:
            return f"Run {to} promoted nothing to endpoint {endpoint}: name one that did; the history of its model shows them."
    else:
        origin = made.get(seen.live)
        if origin is None:
            return (
                f"Config {seen.live}, which serves on endpoint {endpoint}, is none the loop made, so no record says what served "
                f"before it. Name a run whose model is to serve (--to), or {itself}."
            )
        config = origin.plan.previous_config
    if config == seen.live:
        return f"Endpoint {endpoint} serves config {config} already; there is nothing to go back to."
    replaced = next((each for each in own if each.plan.previous_config == config), None)
    if replaced is None:
        return (
            f"Config {config} was replaced by somebody else's deployment, so no manifest says what it was made of when it "
            f"served: {itself}."
        )
    return WayBack(config, made[config].run_id if config in made else None, replaced.run_id)


def plan_rollback(
    promotion: Promotion, way: WayBack, *, endpoint: str, live: str, made: EndpointPlan | None
) -> EndpointPlan:
    """How an endpoint goes back: it is moved and baked as a candidate is, by the policy in force; nothing is made for it.

    Args:
        promotion: the policy's wish.
        way: where to.
        endpoint: the endpoint.
        live: the config that serves now.
        made: the plan that made the config, which knows its baseline; None for the team's own.
    """
    plan = endpoint_move(promotion, endpoint=endpoint, live=live, wanted=way.config)
    if made is None:
        return plan
    return replace(
        plan,
        baseline_statistics_uri=made.baseline_statistics_uri,
        baseline_constraints_uri=made.baseline_constraints_uri,
    )


def kept_promotions(promotions: Sequence[Promoted], keep: int) -> Sequence[Promoted]:
    """The last ``keep`` promotions that made a config, with the rollbacks among and after them; none when there are fewer.

    A rollback does not count: it would push out what the next step back needs.
    """
    made = [place for place, each in enumerate(promotions) if not each.plan.goes_back]
    return promotions[: made[keep - 1] + 1] if len(made) >= keep else ()


def removable(made: Iterable[Made], kept: Sequence[Promoted], *, began: Collection[str]) -> tuple[Made, ...]:
    """What the loop made and no kept promotion brought or can go back to; the caller looks what serves.

    Args:
        made: what runs of a model made and is still there.
        kept: its promotions that can be gone back from, at least one.
        began: the oldest of them and the runs after it; what they made is kept.
    """
    needed = {name for each in kept for name in (each.plan.wanted_config, each.plan.previous_config)}
    return tuple(each for each in made if each.name not in needed and each.run_id not in began)
