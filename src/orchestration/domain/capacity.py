"""Capacity that a training lacks: a quota of the account that is used up, or instances that AWS does not have. Pure.

Neither says anything of the model: whoever waits for one is no fruitless run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import Next, Status
from orchestration.domain.failures import ended
from orchestration.domain.wait import Result

if TYPE_CHECKING:
    from datetime import datetime

QUOTA: Final = ("ResourceLimitExceeded", "account-level service limit")
"""What a refusal for want of a quota says. Source: CreateTrainingJob's error and its message, as public reports quote it;
a step of a SageMaker pipeline gives the message alone."""

CAPACITY: Final = ("CapacityError", "InsufficientInstanceCapacity")
"""What a training job fails with that was accepted and got no instances."""

OWN_FAULT: Final = "AlgorithmError"
"""What SageMaker puts before the words of a training's own program, which may be any."""

QUOTA_NAME: Final = re.compile(r"service limit '([^']{1,100})'")


def lacks_capacity(said: str) -> bool:
    """True when a training ended, or was refused, for want of a quota or of instances, by what AWS says of it."""
    return OWN_FAULT not in said and any(words in said for words in (*QUOTA, *CAPACITY))


def remedy(said: str) -> str:
    """What people do about it, with the quota's name where AWS says it."""
    named = QUOTA_NAME.search(said)
    if any(words in said for words in QUOTA):
        quota = f"quota '{named[1]}'" if named else "quota that AWS names"
        return f"Raise the {quota} (console: Service Quotas, AWS services, Amazon SageMaker), or let the target use another instance type."
    if any(words in said for words in CAPACITY):
        return "AWS has no such instances free in this Region: let the target use another instance type, or wait."
    return "AWS was asked again all the time; see whether its own words say what to change."


def waiting_sentence(said: str, until: datetime) -> str:
    """What people are told, once, of a run whose training waits."""
    return (
        f"The training waits: {ended(said)} It is asked for again until {until:%Y-%m-%d %H:%M} UTC, and this is told only once. "
        f"{remedy(said)}"
    )


def given_up(said: str, hours: float) -> Result:
    """The result of a training that AWS did not take, or had no capacity for, in all the time its policy gives it."""
    reason = (
        f"AWS did not let the training run for {hours:g} h, as long as the policy waits; nothing was trained. {ended(said)} "
        f"{remedy(said)}"
    )
    return Result(Next.EVALUATE, reason, Status.NO_CAPACITY)
