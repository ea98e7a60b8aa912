"""The environment of the functions as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestration.domain.commands import Place
from orchestration.domain.console_links import Console
from orchestration.domain.errors import SettingsError
from orchestration.domain.messages import Speaker

if TYPE_CHECKING:
    from collections.abc import Mapping


MACHINE_SUFFIX = "-retraining"
"""What follows the stack's name in that of its state machine, in the template."""


class ApprovalAccess(StrEnum):
    """How reviewers reach the review page."""

    IAM = "IAM"
    LINK = "LINK"
    OFF = "OFF"


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """What the template tells every function. Empty strings mean "not set".

    ``approval_url`` is the page's address; ApprovalFunction itself does not know it, since the address is made from it.
    ``slack_approvals``: messages that ask people have buttons in Slack; the functions that take answers send none.
    ``evidence_lock_days``: for how long each record is locked as it is written; 0: not at all.
    ``voter_roles`` are ARNs of the roles whose trust policy pins the session name; only functions that people call have them,
    and ``reviewer_principals``, ARNs of who those people are; empty: IAM alone says.
    """

    automation_bucket: str
    history_table: str
    operations_topic_arn: str
    escalation_topic_arn: str
    state_machine_arn: str
    runbook_url: str
    evidence_lock_days: int
    approval_access: ApprovalAccess
    approval_url: str
    slack_approvals: bool
    voter_roles: tuple[str, ...]
    reviewer_principals: tuple[str, ...]

    @property
    def speaker(self) -> Speaker:
        """The stack, as messages and answers speak of it; its name begins that of its state machine."""
        stack = self.state_machine_arn.rpartition(":")[2].removesuffix(MACHINE_SUFFIX)
        place = Place(stack, Console.of(self.state_machine_arn).region)
        return Speaker(place, self.state_machine_arn, self.runbook_url)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ApprovalSettings:
        """Read ApprovalFunction's settings. It escalates nothing, so it has no escalation topic.

        Raises:
            SettingsError: a variable is missing or not a number; the text names it.
        """
        return cls(
            **_shared(environ), **_people(environ), escalation_topic_arn="", approval_url="", slack_approvals=False
        )


@dataclass(frozen=True, slots=True)
class Settings(ApprovalSettings):
    """What the template tells the other functions. Durations carry their unit in the name.

    ``dead_letter_queue_url`` is empty but for OperatorFunction, which alone takes dead letters.
    """

    decision_bucket: str
    decision_key: str
    default_model: str
    training_pipeline_arn: str
    alarm_name_prefix: str
    mode: str
    approval_mode: str
    policy_floor: bool
    approval_expiry_hours: int
    cooldown_hours: float
    run_budget: int
    max_concurrent_trainings: int
    keep_champions: int
    default_model_tags: str
    model_data_prefixes: tuple[str, ...]
    image_prefixes: tuple[str, ...]
    dead_letter_queue_url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables named like the fields, upper-cased.

        Raises:
            SettingsError: a variable is missing or not a number; the text names it.
        """
        return cls(
            **_shared(environ),
            **(_people(environ) if "VOTER_ROLES" in environ else {"voter_roles": (), "reviewer_principals": ()}),
            escalation_topic_arn=_text(environ, "ESCALATION_TOPIC_ARN"),
            approval_url=_text(environ, "APPROVAL_URL"),
            slack_approvals=_text(environ, "SLACK_APPROVALS") == "true",
            decision_bucket=_text(environ, "DECISION_BUCKET"),
            decision_key=_text(environ, "DECISION_KEY"),
            default_model=_text(environ, "DEFAULT_MODEL"),
            training_pipeline_arn=_text(environ, "TRAINING_PIPELINE_ARN"),
            alarm_name_prefix=_text(environ, "ALARM_NAME_PREFIX"),
            mode=_text(environ, "MODE"),
            approval_mode=_text(environ, "APPROVAL_MODE"),
            policy_floor=_text(environ, "POLICY_FLOOR") != "OFF",
            approval_expiry_hours=int(_number(environ, "APPROVAL_EXPIRY_HOURS")),
            cooldown_hours=_number(environ, "COOLDOWN_HOURS"),
            run_budget=int(_number(environ, "RUN_BUDGET")),
            max_concurrent_trainings=int(_number(environ, "MAX_CONCURRENT_TRAININGS")),
            keep_champions=int(_number(environ, "KEEP_CHAMPIONS")),
            default_model_tags=_text(environ, "DEFAULT_MODEL_TAGS"),
            model_data_prefixes=_list(environ, "MODEL_DATA_PREFIXES"),
            image_prefixes=_list(environ, "IMAGE_PREFIXES"),
            dead_letter_queue_url=_text(environ, "DEAD_LETTER_QUEUE_URL") if "DEAD_LETTER_QUEUE_URL" in environ else "",
        )


def _shared(environ: Mapping[str, str]) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "automation_bucket": _text(environ, "AUTOMATION_BUCKET"),
        "history_table": _text(environ, "HISTORY_TABLE"),
        "operations_topic_arn": _text(environ, "OPERATIONS_TOPIC_ARN"),
        "state_machine_arn": _text(environ, "STATE_MACHINE_ARN"),
        "runbook_url": _text(environ, "RUNBOOK_URL"),
        "evidence_lock_days": int(_number(environ, "EVIDENCE_LOCK_DAYS")),
    }
    access = _text(environ, "APPROVAL_ACCESS")
    if access not in set(ApprovalAccess):
        raise SettingsError(
            f"Environment variable APPROVAL_ACCESS is {access!r}; the stack parameter ApprovalAccess is IAM, LINK or OFF."
        )
    return {**shared, "approval_access": ApprovalAccess(access)}


def _people(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "voter_roles": _list(environ, "VOTER_ROLES"),
        "reviewer_principals": _list(environ, "REVIEWER_PRINCIPALS"),
    }


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, _text(environ, name).split(","))))


def _number(environ: Mapping[str, str], name: str) -> float:
    try:
        return float(_text(environ, name))
    except ValueError:
        raise SettingsError(
            f"Environment variable {name} is {_text(environ, name)!r}, which is not a number. "
            "Correct the stack parameter it comes from and deploy again."
        ) from None


def _text(environ: Mapping[str, str], name: str) -> str:
    try:
        return environ[name]
    except KeyError:
        raise SettingsError(
            f"Environment variable {name} is missing. The stack's template sets it: deploy the stack again."
        ) from None
