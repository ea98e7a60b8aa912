"""The stored verdicts of a run: on its candidate, and on what followed its promotion. Pure.

Each is computed once; what is approved, what serves and what is written down later all come from here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from orchestration.domain.artifact import ArtifactCopy
from orchestration.domain.promotion import PromotionPlan, plan_of
from orchestration.domain.wait import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CandidateVerdict:
    """The judgement on a candidate.

    ``evaluation`` is the record of its gates, ``versions`` say by URI which artifacts and report were judged, ``copies`` from
    where those were copied that an endpoint is to serve, ``plan`` how it is to serve; None when it is not to serve anywhere.
    """

    result: Result
    evaluation: dict[str, Any]
    evaluation_uri: str | None = None
    model_package_arn: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    copies: tuple[ArtifactCopy, ...] = ()
    plan: PromotionPlan | None = None

    def as_record(self) -> dict[str, Any]:
        """The verdict as table and evidence keep it."""
        return {
            **self.result.as_record(),
            "evaluation": self.evaluation,
            "evaluation_uri": self.evaluation_uri,
            "model_package_arn": self.model_package_arn,
            "versions": self.versions,
            "copies": [copy.as_record() for copy in self.copies],
            "plan": {"kind": "none"} if self.plan is None else self.plan.as_record(),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> CandidateVerdict:
        """A verdict from its record."""
        return cls(
            result=Result.of(record),
            evaluation=record["evaluation"],
            evaluation_uri=record.get("evaluation_uri"),
            model_package_arn=record.get("model_package_arn"),
            versions=record["versions"],
            copies=tuple(ArtifactCopy(**copy) for copy in record.get("copies", ())),
            plan=plan_of(record["plan"]),
        )


@dataclass(frozen=True, slots=True)
class Finish:
    """What became of registry and baseline after a run: a sentence each, None where there was nothing to do.

    ``over`` False: it was begun under the fence, and nobody has noted yet what came of it.
    """

    registry: str | None = None
    baseline: str | None = None
    over: bool = True

    def as_record(self) -> dict[str, Any]:
        """As table and evidence keep it."""
        return asdict(self)
