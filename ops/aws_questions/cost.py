"""What a run of ``retraining verify-aws`` costs at most, and how long it takes at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRICED: Final = "upper bounds for us-east-1 of 2026, not read on the day; AWS's pages have today's, other Regions may be half dearer"
SOURCES: Final = (
    "https://aws.amazon.com/sagemaker/pricing/",
    "https://aws.amazon.com/kms/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
)
LONGEST_HOURS: Final = 2.0
"""After this nothing more is asked, and what was made is deleted. A run takes about half of it: a training (5 min), an endpoint
(10 min), three updates of it (15 min each), a processing job (5 min), a stack (10 min)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One priced thing: ``amount`` of ``unit`` at ``price`` USD each."""

    what: str
    amount: float
    unit: str
    price: float

    @property
    def usd(self) -> float:
        """What it comes to, in USD."""
        return self.amount * self.price


COSTS: Final = (
    Cost("endpoint, ml.m5.large: 2 instances, 4 while an update shifts traffic", 10.0, "instance-hour", 0.14),
    Cost("training job, ml.m5.large", 0.2, "instance-hour", 0.14),
    Cost("processing job, ml.m5.large", 0.2, "instance-hour", 0.14),
    Cost("KMS key, prorated; a whole month at most", 1.0, "key-month", 1.0),
    Cost("alarms and metrics of the stack, prorated to two hours of 730", 2 / 730, "month", 6.0),
    Cost("requests to S3, DynamoDB, Lambda, Step Functions, SQS, SNS, EventBridge, logs", 5.0, "thousand", 0.03),
)


def total() -> float:
    """The sum, in USD."""
    return sum(cost.usd for cost in COSTS)
