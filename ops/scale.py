"""How many models a stack takes: AWS's quotas, what the loop takes of each, and the tables of docs/scale.md.

What is taken is measured (tests/unit/table_units.py) or counted in the workflow and the template; what AWS gives by default is
written down here with where it stands. Pure but for the files it reads.
"""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.project import WORKFLOW
from ops.template import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MINUTE: Final = 60
SIGNALS_A_MONTH: Final = 50
"""Of one model: a monitor that runs every day, and reports of other kinds now and then."""

SECONDS_OF_A_DECISION: Final = 0.5
"""A function is taken so long by one signal, its answers of AWS awaited. Assumed: nobody measured it on AWS."""

GUIDE: Final = "https://docs.aws.amazon.com"
EVENTBRIDGE: Final = f"[EventBridge]({GUIDE}/eventbridge/latest/userguide/eb-quota.html)"
STEP_FUNCTIONS: Final = f"[Step Functions]({GUIDE}/step-functions/latest/dg/service-quotas.html)"
LAMBDA: Final = f"[Lambda]({GUIDE}/lambda/latest/dg/gettingstarted-limits.html)"
DYNAMODB: Final = f"[DynamoDB]({GUIDE}/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html)"
S3: Final = f"[S3]({GUIDE}/AmazonS3/latest/userguide/optimizing-performance.html)"
SNS: Final = f"[SNS]({GUIDE}/sns/latest/dg/sns-email-notifications.html)"
CLOUDWATCH: Final = f"[CloudWatch]({GUIDE}/general/latest/gr/cw_region.html)"
IAM: Final = f"[IAM]({GUIDE}/IAM/latest/UserGuide/reference_iam-quotas.html)"

SHARED: Final = {
    "HEADS": "where each chain ends, an item a model",
    "CONTROLS": "kill switches: each change of a run checks `global`, one item",
    "SLOTS": "who trains, one item, and who waits",
    "ACTIVE": "open runs",
    "DUE#<0 to 7>": "what is due, spread over eight by model",
}
"""Partitions in which items of all models lie."""

A_PARTITION: Final = 1_000
"""Write units a second that one partition takes, and so does one item."""

PARTITIONS_OF_DUE: Final = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """What something takes: calls by operation, write units of the table by partition."""

    calls: Mapping[str, int]
    written: Mapping[str, int]

    def units(self) -> int:
        """All write units."""
        return sum(self.written.values())

    def shared(self, partition: str) -> int:
        """Write units in a partition that models share, the eight of the due list as one."""
        if partition.startswith("DUE#<"):
            return sum(units for name, units in self.written.items() if name.startswith("DUE#") and name[4:].isdigit())
        return self.written.get(partition, 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """So much a second, and so much at once before that counts."""

    a_second: float
    at_once: float = 0.0

    def in_a_minute(self, taken: float) -> int:
        """How many there may be in one minute, each taking so much."""
        return math.floor((self.at_once + MINUTE * self.a_second) / taken)


@dataclass(frozen=True, slots=True)
class Quota:
    """A rate by default, in the Regions that have most and in those that have least, and what takes of it."""

    name: str
    most: Rate
    least: Rate
    takes: Callable[[Taken], float]
    source: str
    sure: str = "AWS's page"
    note: str = "throttled, tried again"


def _calls(*operations: str, more: int = 0) -> Callable[[Taken], float]:
    return lambda taken: more + sum(taken.calls.get(operation, 0) for operation in operations)


OF_A_SIGNAL: Final = (
    Quota("PutEvents: the sender's, and what the loop tells", Rate(10_000), Rate(400), _calls("PutEvents", more=1), EVENTBRIDGE),
    Quota("events that meet a rule", Rate(18_750), Rate(750), lambda _: 1, EVENTBRIDGE, note="later, not lost"),
    Quota("StartExecution", Rate(300, 1_300), Rate(150, 800), lambda _: 1, STEP_FUNCTIONS, note="a rule tries for 24 h"),
    Quota("state transitions", Rate(5_000, 5_000), Rate(800, 800), lambda _: transitions(), STEP_FUNCTIONS, note="later, not lost"),
    Quota(
        "functions at once, 1,000",
        Rate(1_000 / SECONDS_OF_A_DECISION),
        Rate(1_000 / SECONDS_OF_A_DECISION),
        lambda _: 1,
        LAMBDA,
        note="retried by the workflow",
    ),
    Quota(
        "functions at once, 10 in a new account",
        Rate(10 / SECONDS_OF_A_DECISION),
        Rate(10 / SECONDS_OF_A_DECISION),
        lambda _: 1,
        LAMBDA,
        sure="the page says reduced; 10 is of public reports",
        note="raise it first",
    ),
    Quota("write units of a new table", Rate(4_000), Rate(4_000), Taken.units, DYNAMODB, note="grows with what is asked"),
    Quota("write units of partition `HEADS`", Rate(A_PARTITION), Rate(A_PARTITION), lambda taken: taken.shared("HEADS"), DYNAMODB, note="DynamoDB may split it, an item a model"),
    Quota("PUT under `decisions/`", Rate(3_500), Rate(3_500), _calls("PutObject"), S3),
    Quota("GET under `policies/`", Rate(5_500), Rate(5_500), _calls("GetObject"), S3),
)  # fmt: skip
"""What one signal takes that begins no run."""

OF_A_PROMOTION: Final = (
    Quota("StartExecution: the run, and a training that is a state machine", Rate(300, 1_300), Rate(150, 800), _calls("StartExecution", more=1), STEP_FUNCTIONS),
    Quota("SendTaskSuccess", Rate(500, 3_000), Rate(300, 1_500), _calls("SendTaskSuccess"), STEP_FUNCTIONS),
    Quota("DescribeExecution", Rate(15, 300), Rate(10, 250), _calls("DescribeExecution"), STEP_FUNCTIONS, note="tried again by the next look"),
    Quota("DescribeAlarms", Rate(9), Rate(9), _calls("DescribeAlarms"), CLOUDWATCH, note="tried again by the next look"),
    Quota("e-mail to one address on both topics", Rate(10), Rate(10), _calls("Publish"), SNS, note="more, and SNS suspends the address"),
    Quota("write units of a new table", Rate(4_000), Rate(4_000), Taken.units, DYNAMODB),
    Quota("write units of the item `CONTROLS`, `global`", Rate(A_PARTITION), Rate(A_PARTITION), lambda taken: taken.shared("CONTROLS"), DYNAMODB, note="two at once conflict, and come again"),
    Quota("write units of partition `SLOTS`", Rate(A_PARTITION), Rate(A_PARTITION), lambda taken: taken.shared("SLOTS"), DYNAMODB, note="the same"),
)  # fmt: skip
"""What one run takes from its signal to its promotion."""


def transitions() -> int:
    """States that a signal passes at least, its end among them: what Step Functions counts as transitions."""
    definition = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    states = definition["States"]
    ways = deque([(definition["StartAt"], 1)])
    seen = set()
    while ways:
        name, passed = ways.popleft()
        state = states[name]
        if state["Type"] == "Succeed":
            return passed
        if name not in seen:
            seen.add(name)
            nexts = [*(choice["Next"] for choice in state.get("Choices", ())), state.get("Default"), state.get("Next")]
            ways.extend((each, passed + 1) for each in nexts if each)
    raise ValueError("No way of the workflow ends well.")


def signals_table(no: Taken) -> str:
    """The quotas that signals meet, first the one that is reached first."""
    return _table(OF_A_SIGNAL, no, "models that may speak in one minute")


def promotions_table(promotion: Taken) -> str:
    """The quotas that runs meet."""
    return _table(OF_A_PROMOTION, promotion, "promotions in one minute")


def _table(quotas: Iterable[Quota], taken: Taken, counted: str) -> str:
    rows = sorted(quotas, key=lambda quota: quota.least.in_a_minute(quota.takes(taken)))
    lines = [
        f"| quota | takes | {counted}, in the least Regions | in the largest | beyond it | source |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for quota in rows:
        takes = quota.takes(taken)
        least, most = (f"{rate.in_a_minute(takes):,}" for rate in (quota.least, quota.most))
        source = quota.source if quota.sure == "AWS's page" else f"{quota.source}: {quota.sure}"
        lines.append(f"| {quota.name} | {takes:g} | {least} | {most} | {quota.note} | {source} |")
    return "\n".join(lines)


def evenly() -> str:
    """What models make that speak evenly, as a sentence."""
    seconds = 30 * 24 * 3_600
    tenthousand = 10_000 * SIGNALS_A_MONTH / seconds
    return (
        f"With {SIGNALS_A_MONTH} signals a model and month, evenly spread, 10,000 models make {tenthousand:.2f} signals a second, "
        f"{tenthousand * MINUTE:.0f} a minute. No rate below is near that: what matters is how many speak at the same moment, since "
        "schedules begin at full hours."
    )


def partitions_table(no: Taken, promotion: Taken) -> str:
    """The partitions that models share, and how often they bear what."""
    lines = [
        '| partition | what lies there | write units of a "no" | of a promotion | "no" a second | promotions a second |',
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, what in SHARED.items():
        bears = A_PARTITION * (PARTITIONS_OF_DUE if name.startswith("DUE") else 1)
        cells = [taken.shared(name) for taken in (no, promotion)]
        borne = [f"{bears / units:,.0f}" if units else "any" for units in cells]
        lines.append(f"| `{name}` | {what} | {cells[0]} | {cells[1]} | {borne[0]} | {borne[1]} |")
    return "\n".join(lines)


def stacks_table() -> str:
    """How many stacks an account takes, by what each has."""
    has = Counter(resource["Type"] for resource in sources()["Resources"].values())
    quotas = (
        ("AWS::Events::Rule", "rules of a bus", 300, EVENTBRIDGE),
        ("AWS::IAM::Role", "roles of an account", 1_000, IAM),
        ("AWS::CloudWatch::Alarm", "alarms of a Region", 5_000, f"{CLOUDWATCH}: of public reports"),
    )
    lines = [
        "| quota | by default | a stack has | stacks, if nothing else has any | source |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {name} | {given:,} | {has[kind]} | {given // has[kind]} | {source} |"
        for kind, name, given, source in quotas
    ]
    return "\n".join(lines)
