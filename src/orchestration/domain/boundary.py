"""What the stack itself says of whose resources are whose; no policy can change it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.settings import Settings


@dataclass(frozen=True, slots=True)
class Boundary:
    """The stack's own account and Region (those of its state machine), targets, default model and prefixes.

    ``default_model_needs_tags``: DefaultModel's endpoint and targets have to be tagged like those of any other.
    """

    state_machine_arn: str
    training_pipeline_arn: str
    default_model: str
    default_model_needs_tags: bool
    automation_bucket: str
    model_data_prefixes: tuple[str, ...] = ()
    image_prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Boundary:
        """The boundary that the functions' settings draw."""
        return cls(
            settings.state_machine_arn,
            settings.training_pipeline_arn,
            settings.default_model,
            settings.default_model_tags == "REQUIRED",
            settings.automation_bucket,
            settings.model_data_prefixes,
            settings.image_prefixes,
        )

    @property
    def place(self) -> tuple[str, str]:
        """Region and account."""
        region, account = self.state_machine_arn.split(":")[3:5]
        return region, account
