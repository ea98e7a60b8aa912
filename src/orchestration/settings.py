"""The function's environment as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What the template tells the function. Durations carry their unit in the name; empty strings mean "not set"."""

    automation_bucket: str
    history_table: str
    operations_topic_arn: str
    escalation_topic_arn: str
    state_machine_arn: str
    decision_bucket: str
    decision_key: str
    default_model: str
    training_pipeline_arn: str
    alarm_name_prefix: str
    mode: str
    approval_mode: str
    approval_expiry_hours: int
    cooldown_hours: float
    run_budget: int
    max_concurrent_trainings: int
    runbook_url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables named like the fields, upper-cased.

        Raises:
            SettingsError: a variable is missing or not a number; the text names it.
        """

        def text(name: str) -> str:
            try:
                return environ[name]
            except KeyError:
                raise SettingsError(
                    f"Environment variable {name} is missing. The stack's template sets it: deploy the stack again."
                ) from None

        def number(name: str) -> float:
            try:
                return float(text(name))
            except ValueError:
                raise SettingsError(
                    f"Environment variable {name} is {text(name)!r}, which is not a number. "
                    "Correct the stack parameter it comes from and deploy again."
                ) from None

        return cls(
            automation_bucket=text("AUTOMATION_BUCKET"),
            history_table=text("HISTORY_TABLE"),
            operations_topic_arn=text("OPERATIONS_TOPIC_ARN"),
            escalation_topic_arn=text("ESCALATION_TOPIC_ARN"),
            state_machine_arn=text("STATE_MACHINE_ARN"),
            decision_bucket=text("DECISION_BUCKET"),
            decision_key=text("DECISION_KEY"),
            default_model=text("DEFAULT_MODEL"),
            training_pipeline_arn=text("TRAINING_PIPELINE_ARN"),
            alarm_name_prefix=text("ALARM_NAME_PREFIX"),
            mode=text("MODE"),
            approval_mode=text("APPROVAL_MODE"),
            approval_expiry_hours=int(number("APPROVAL_EXPIRY_HOURS")),
            cooldown_hours=number("COOLDOWN_HOURS"),
            run_budget=int(number("RUN_BUDGET")),
            max_concurrent_trainings=int(number("MAX_CONCURRENT_TRAININGS")),
            runbook_url=text("RUNBOOK_URL"),
        )
