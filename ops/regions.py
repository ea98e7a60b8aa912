"""What a Region lacks of what the stack is made of, and what that costs.

What is known stands in ops/regions.json, which `make docs` writes from the resource schemas that cfn-lint carries
(ops/region_schemas.py). They say which types CloudFormation has in a Region, not what
the services take there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.settled_template import settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

DATA: Final = Path(__file__).with_suffix(".json")
SOURCE: Final = "CloudFormation's resource schemas"


@dataclass(frozen=True, slots=True)
class Feature:
    """What a Region may be without."""

    name: str
    types: frozenset[str]
    """Resource types; without one of them the feature is missing."""
    cost: str
    """What people do without it."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Parameters as they are then. Empty where the stack makes no such resource, and policies name one."""


FEATURES: Final = (
    Feature(
        "approval-page",
        frozenset({"AWS::Lambda::Url"}),
        "No approval page, as with ApprovalAccess OFF: people answer with retraining approve and retraining reject, "
        "as messages say.",
        {"ApprovalAccess": "OFF"},
    ),
    Feature(
        "slack",
        frozenset({"AWS::Chatbot::SlackChannelConfiguration", "AWS::Chatbot::CustomAction"}),
        "No messages to Slack: OperationsEmail and EscalationEmail, or subscriptions of your own to the two topics.",
        {"SlackWorkspaceId": "", "SlackChannelId": "", "SlackApprovals": "false"},
    ),
    Feature(
        "endpoints",
        frozenset({"AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"}),
        "CloudFormation makes no SageMaker endpoint. Where SageMaker has none either, promote in the model registry or "
        "by a deployment target of your own.",
    ),
    Feature(
        "model-registry",
        frozenset({"AWS::SageMaker::ModelPackageGroup"}),
        "CloudFormation makes no model package group. Where SageMaker has none either, a policy names no registry.",
    ),
    Feature(
        "model-monitor",
        frozenset({"AWS::SageMaker::MonitoringSchedule"}),
        "CloudFormation makes no monitoring schedule. Where SageMaker has none either, drift comes as alarms, "
        "reports and the decision file.",
    ),
)

OPTIONAL: Final = {feature.name: feature for feature in FEATURES if feature.without}
"""What a stack can be packaged without, by name."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is known of the Regions."""

    schema_date: str
    """Day of the schemas, ISO 8601."""
    lacks: Mapping[str, frozenset[str]]
    """Types by Region, of those that were looked for; empty where it has them all."""
    unknown: tuple[str, ...]
    """Regions that the schemas name and say nothing of."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A template as it fits a Region."""

    document: Mapping[str, Any]
    settled: Mapping[str, str]
    """Parameters it does not take any more, with the value it has them at."""
    notes: tuple[str, ...]
    """Sentences for whoever deploys it."""
    refusal: str = ""
    """Why no stack of it can be made there; empty when one can."""


def known_gaps() -> Gaps:
    """What ops/regions.json says."""
    return gaps_of(json.loads(DATA.read_text(encoding="utf-8")))


def gaps_of(data: Mapping[str, Any]) -> Gaps:
    """The same from what the file holds. Pure."""
    lacks = {region: frozenset(types) for region, types in data["lacks"].items()}
    return Gaps(data["schema_date"], lacks, tuple(data["unknown"]))


def missing(region: str, gaps: Gaps) -> tuple[Feature, ...]:
    """Features that a Region is without, as far as it is known. Pure."""
    return tuple(feature for feature in FEATURES if feature.types & gaps.lacks.get(region, frozenset()))


def fitted(document: Mapping[str, Any], region: str, gaps: Gaps, *, without: Collection[str] = ()) -> Fit:
    """The template without what a Region does not have. Pure.

    Args:
        document: the template in its long form.
        region: name of the Region.
        gaps: what is known of Regions.
        without: names of `OPTIONAL` to leave out as well, for a Region of which nothing is known.
    """
    lacks = gaps.lacks.get(region, frozenset())
    absent = missing(region, gaps)
    unwanted = tuple(OPTIONAL[name] for name in without if OPTIONAL[name] not in absent)
    values = {name: value for feature in (*absent, *unwanted) for name, value in feature.without.items()}
    left = settled(document, values)
    notes = [f"{region} has no {_listed(feature.types & lacks)}. {feature.cost}" for feature in absent]
    notes += [f"Left out as asked: {feature.name}. {feature.cost}" for feature in unwanted]
    source = f"{SOURCE} of {gaps.schema_date}"
    if absent:
        notes.append(f"So {source} say; docs/regions.md has every Region.")
    if region not in gaps.lacks:
        kept = [name for name in OPTIONAL if name not in without]
        notes.append(
            f"What {region} has is not known: {source} have no list of its own for it. "
            f"Nothing {'else ' if unwanted else ''}is left out. Where a type is missing, CloudFormation refuses the template and names the type"
            + (f': then --without "{" ".join(OPTIONAL)}", or one of them.' if kept else ".")
        )
    needed = lacks & {resource["Type"] for resource in left["Resources"].values()}
    refusal = (
        f"{region} has no {_listed(needed)}, which the stack cannot do without, as {source} say. Nothing was built; "
        "take another Region (docs/regions.md)."
    )
    return Fit(left, values, tuple(notes), refusal if needed else "")


def _listed(types: Iterable[str]) -> str:
    return " and no ".join(sorted(types))
