"""List price of a month, from what one signal, one promotion and one sweep of the deployed loop were seen to use.

Calls, units of the table, transitions, log lines and bytes are AWS's own count of what the loop does. The time that functions are
billed is that of this machine and of the embedded AWS, and the smallest part of the bill.
"""

from __future__ import annotations

import json
import math
import statistics
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.stack import PATIENCE_SECONDS, deployed_loop, expect, quiet
from ops import package_zip
from tests.contract.lambda_runtime import LambdaRuntime
from tests.contract.metric_filters import measured
from tests.contract.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.call_log import Called
    from tests.stack.loop import Loop

MODELS: Final = 1_000
SIGNALS: Final = 50
"""A model's in a month."""

PROMOTIONS: Final = 20
"""All models' together."""

MIX: Final = {"SKIP": 0.2, "OBSERVE": 0.75, "HOLD": 0.05}
"""How the other signals are decided: files that say no, drift that is watched, drift while somebody holds the model."""

HOURS: Final = 730
SWEEPS: Final = HOURS * 60 // 5
"""By the default of SweepMinutes."""

COLD: Final = 0.1
"""Share of the calls that find no warm environment, beside those of promotions, which all find none."""

LOG_ENTRY_BYTES: Final = 26
"""What CloudWatch Logs counts for each line beside its text: PutLogEvents."""

NO_FILE: Final = b"retraining_required\nNO\n"
GB: Final = 1e9
AIM: Final = 10
IDLE_AIM: Final = 5
MONTH_STEPS: Final = len(MIX) + 3
PRICES: Final = json.loads((Path(__file__).parent / "list_prices.json").read_text(encoding="utf-8"))["prices"]

Amounts = dict[str, float]
"""How much of what has a price, by its name in list_prices.json."""

SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "Step Functions": ("transition",),
    "Lambda": ("lambda_request", "lambda_gb_second"),
    "DynamoDB reads and writes": ("read_unit", "write_unit"),
    "DynamoDB storage and recovery": ("table_gb", "backup_gb"),
    "S3 requests": ("s3_put", "s3_get"),
    "S3 storage": ("s3_gb",),
    "EventBridge": ("custom_event",),
    "SNS": ("publish", "email"),
    "CloudWatch Logs": ("log_gb", "log_gb_kept"),
    "CloudWatch alarms": ("alarm_metric",),
    "CloudWatch metrics": ("custom_metric",),
    "CloudWatch dashboard": ("dashboard",),
    "CloudWatch requests": ("metric_request",),
    "X-Ray": ("trace",),
    "KMS, AWS's own keys": ("key_request",),
}
"""Lines of the bill. SQS is asked only when signals cannot be delivered, and a key of one's own is an option."""

KEPT: Final = ("table_gb", "backup_gb", "s3_gb", "log_gb_kept")
"""What is billed by the month for as long as it lies there, and of which a month has half on average: what it made."""

WORDS: Final = {
    "transition": "transitions",
    "lambda_request": "requests",
    "lambda_gb_second": "GB-s",
    "read_unit": "read units",
    "write_unit": "write units",
    "table_gb": "GB",
    "s3_put": "PUT",
    "s3_get": "GET",
    "s3_gb": "GB",
    "custom_event": "events",
    "publish": "messages",
    "log_gb": "GB",
    "alarm_metric": "metrics of alarms",
    "custom_metric": "metrics",
    "dashboard": "dashboards",
    "metric_request": "requests",
    "trace": "traces",
    "key_request": "requests",
}
"""What the table calls an amount; the others go by the one beside them."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of many models, and one in which nothing happens; ``calls`` of AWS are those of one signal, promotion and sweep."""

    busy: Amounts
    idle: Amounts
    calls: dict[str, int]


def measure_month(events: int, step: Callable[[str], None]) -> Month:
    """Watch the deployed loop decide, promote and sweep.

    Args:
        events: how many of each are watched.
        step: told of each of ``MONTH_STEPS``.

    Raises:
        PathError: something was decided otherwise.
    """
    used: dict[str, Amounts] = {}
    calls: dict[str, int] = {}

    def watch(name: str, act: Callable[[], str | None]) -> None:
        seen = [_watched(loop, act) for _ in range(events + 1)][1:]
        calls[name] = round(statistics.median(count for count, _ in seen))
        used[name] = {key: sum(amounts.get(key, 0.0) for _, amounts in seen) / events for key in PRICES}
        step(name)

    with deployed_loop() as loop:
        model = loop.model()
        held = loop.model()
        loop.operate({"action": "pause", "scope": f"model:{held}", "reason": "Measured."})
        # The first sweep, which is not counted, does what is left of a new stack; nothing is due then.
        watch("sweep", lambda: _swept(loop))
        watch("SKIP", lambda: _file_says_no(loop))
        watch("OBSERVE", lambda: _decided(loop, loop.drift(model, observed=0.25), "OBSERVE"))
        watch("HOLD", lambda: _decided(loop, loop.drift(held), "HOLD"))
        watch("promotion", lambda: _decided(loop, loop.drift(loop.model()), "PROMOTED"))
        lines, cold = _logged(loop, model, held)
        step("log lines under Lambda's runtime client")
    _add_lines(used, lines, cold)
    return Month(*reckoned(used, lines), calls)


def reckoned(used: Mapping[str, Amounts], lines: Mapping[str, Sequence[dict[str, Any]]]) -> tuple[Amounts, Amounts]:
    """A month of many models and an idle one, from what each thing uses and logs."""
    resolved = Template.read().resolve()
    # What a team puts on the bus is its signal's; a file that is written is an event of S3's, which is free.
    used = {
        name: {**amounts, "custom_event": amounts.get("custom_event", 0.0) + (name in {"OBSERVE", "HOLD", "promotion"})}
        for name, amounts in used.items()
    }
    alarms = [alarm["Properties"] for alarm in resolved.of_type("AWS::CloudWatch::Alarm").values()]
    fixed: Amounts = {
        "alarm_metric": sum(sum("MetricStat" in entry for entry in alarm.get("Metrics", [])) or 1 for alarm in alarms),
        "dashboard": len(resolved.of_type("AWS::CloudWatch::Dashboard")),
    }
    signals = MODELS * SIGNALS - PROMOTIONS
    idle = _sum(fixed, _times(used["sweep"], SWEEPS))
    busy = _sum(
        idle,
        *(_times(used[name], signals * share) for name, share in MIX.items()),
        _times(used["promotion"], PROMOTIONS),
    )
    often = {name: signals * share for name, share in MIX.items()}
    idle["custom_metric"] = _metrics({"sweep": SWEEPS}, lines)
    busy["custom_metric"] = _metrics({"sweep": SWEEPS, **often}, lines) + _metrics_of_promotions()
    for month in (idle, busy):
        # A month's logs, records and items are there at its end; on average half of them were kept.
        for kept, made in (("log_gb_kept", "log_gb"), ("s3_gb", "s3_gb"), ("table_gb", "table_gb")):
            month[kept] = month.get(made, 0.0) / 2
        month["backup_gb"] = month["table_gb"]
        month["email"] = month.get("publish", 0.0)
    return busy, idle


def price(amounts: Amounts, keys: Sequence[str], *, free: bool = False) -> float:
    """List price in USD of some amounts, beyond what is free each month for ever where that is asked."""
    return float(
        sum(max(0.0, amounts.get(key, 0.0) - (PRICES[key]["free"] if free else 0)) * PRICES[key]["usd"] for key in keys)
    )


def month_table(measured_month: Month) -> str:
    """The bill by service as a table in Markdown."""
    busy, idle = measured_month.busy, measured_month.idle
    shares = ", ".join(f"{share:.0%} {name}" for name, share in MIX.items())
    lines = [
        f"{MODELS:,} models with {SIGNALS} signals each, {shares}, and {PROMOTIONS} promotions in all; a sweep every 5 minutes.",
        "List prices of us-east-1 ([their sources](list_prices.json)), with nothing free.",
        f"Calls of AWS, as measured: {', '.join(f'{name} {count}' for name, count in measured_month.calls.items())}.",
        "",
        "| A month | used | USD | used idle | USD idle |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for service, keys in SERVICES.items():
        cells = [cell for month in (busy, idle) for cell in (_said(month, keys), f"{price(month, keys):.2f}")]
        lines.append(f"| {service} | {' | '.join(cells)} |")
    every = [key for keys in SERVICES.values() for key in keys]
    lines += [
        f"| all | | {price(busy, every):.2f} | | {price(idle, every):.2f} |",
        f"| aim | | < {AIM} | | < {IDLE_AIM} |",
        f"| more in each month after it, for what it left | | {2 * price(busy, KEPT):.2f} | | {2 * price(idle, KEPT):.2f} |",
        f"| beyond what is free each month | | {price(busy, every, free=True):.2f} | | {price(idle, every, free=True):.2f} |",
    ]
    return "\n".join(lines)


def _said(month: Amounts, keys: Sequence[str]) -> str:
    return ", ".join(f"{_number(month.get(key, 0.0))} {WORDS[key]}" for key in keys if key in WORDS)


def _number(amount: float) -> str:
    if amount >= 100 or amount == int(amount):  # noqa: PLR2004 - a fraction of hundreds says nothing
        return f"{amount:,.0f}"
    return f"{amount:.2g}"


def _times(amounts: Amounts, factor: float) -> Amounts:
    return {key: amount * factor for key, amount in amounts.items()}


def _sum(*given: Amounts) -> Amounts:
    return {key: sum(amounts.get(key, 0.0) for amounts in given) for key in {key for each in given for key in each}}


# -- What one thing uses ------------------------------------------------------------------------------------------


def _watched(loop: Loop, act: Callable[[], str | None]) -> tuple[int, Amounts]:
    """Calls, and amounts of what has a price, of something that may start an execution, whose ARN it gives."""
    quiet(loop)
    began = int(time.time() * 1000)
    before = _table_bytes(loop)
    loop.aws.count_calls()
    execution = act()
    quiet(loop)
    calls = loop.aws.calls()
    amounts = _amounts(calls)
    amounts["table_gb"] = (_table_bytes(loop) - before) / GB
    for line in _reports(loop, began):
        said = dict(part.split(": ", 1) for part in line.split("\t")[1:])
        memory = int(said["Memory Size"].split()[0]) / 1024
        amounts["lambda_request"] += 1
        amounts["lambda_gb_second"] += memory * float(said["Billed Duration"].split()[0]) / 1000
    if execution is not None:
        history = _history(loop, execution)
        amounts["transition"] = sum("stateEnteredEventDetails" in event for event in history)
        amounts["log_gb"] = sum(len(_machine_line(execution, event)) + LOG_ENTRY_BYTES for event in history) / GB
        amounts["trace"] = 1
    else:
        # DynamoDB keeps the key of its table for five minutes: Developer Guide, Encryption at rest.
        amounts["key_request"] = 1
    return len(calls), amounts


def _amounts(calls: Sequence[Called]) -> Amounts:
    found: Amounts = defaultdict(float)
    for call in calls:
        found["read_unit"] += call.read_units
        found["write_unit"] += call.write_units
        if call.service == "s3":
            reads = call.action.startswith(("Get", "Head"))
            found["s3_get" if reads else "s3_put"] += 1
            found["s3_gb"] += call.sent / GB
        elif call.service == "events":
            found["custom_event"] += 1
        elif call.service == "sns":
            found["publish"] += 1
        elif call.service == "monitoring":
            found["metric_request"] += 1
    return found


def _reports(loop: Loop, since: int) -> list[str]:
    """The REPORT line of each invocation of the stack's functions since a moment in milliseconds."""
    logs = loop.aws.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    return [
        event["message"]
        for group in groups
        if f"/{loop.stack}/" in group
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        for event in page["events"]
        if event["message"].startswith("REPORT")
    ]


def _table_bytes(loop: Loop) -> int:
    pages = loop.aws.client("dynamodb").get_paginator("scan").paginate(TableName=loop.table)
    return sum(len(json.dumps(item)) for page in pages for item in page["Items"])


def _history(loop: Loop, arn: str) -> list[dict[str, Any]]:
    pages = loop.aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def _machine_line(arn: str, event: Mapping[str, Any]) -> str:
    """A line of a state machine's log at level ALL without execution data: Developer Guide, Logging in CloudWatch Logs."""
    name = {key: details["name"] for key, details in event.items() if key.endswith("Details") and "name" in details}
    return json.dumps(
        {
            "id": str(event["id"]),
            "type": event["type"],
            "details": {"name": next(iter(name.values()), ""), "inputDetails": {"truncated": False}},
            "previous_event_id": str(event.get("previousEventId", 0)),
            "event_timestamp": "1772452800000",
            "execution_arn": arn,
            "redrive_count": "0",
        }
    )


# -- What is watched ----------------------------------------------------------------------------------------------


def _decided(loop: Loop, event: dict[str, Any], outcome: str) -> str:
    """Send a signal as a team does and await the end of its run."""
    before = loop.executions()
    loop.send(event["detail"], detail_type=event["detail-type"])
    arn = _started(loop, before)
    expect(
        f"a signal of {event['detail']['model']}",
        loop.ended(arn, within=PATIENCE_SECONDS).output.get("outcome"),
        outcome,
    )
    return arn


def _swept(loop: Loop) -> None:
    loop.invoke({"action": "sweep"})


def _file_says_no(loop: Loop) -> str:
    before = loop.executions()
    loop.put("monitoring_outputs/retraining_decision/retraining_decision.csv", NO_FILE, bucket=loop.bucket)
    arn = _started(loop, before)
    expect("a file that says no", loop.ended(arn, within=PATIENCE_SECONDS).output.get("outcome"), "SKIP")
    return arn


def _started(loop: Loop, before: set[str]) -> str:
    return str(loop.until(lambda: next(iter(loop.executions() - before), None)))


# -- Log lines ----------------------------------------------------------------------------------------------------


def _logged(loop: Loop, model: str, held: str) -> tuple[dict[str, list[dict[str, Any]]], float]:
    """Lines of one call of each kind as Lambda's own runtime client writes them, and the CPU seconds of a start up to its first answer."""
    function = loop.outputs["OrchestrationFunctionName"]
    found = loop.aws.client("lambda").get_function_configuration(FunctionName=function)
    environment = {**found["Environment"]["Variables"], **loop.aws.environment}
    requests: dict[str, dict[str, Any]] = {
        "sweep": {"action": "sweep"},
        "OBSERVE": _asked(loop, loop.drift(model, observed=0.25)),
        "HOLD": _asked(loop, loop.drift(held)),
        "SKIP": _asked(loop, {}),
    }
    lines: dict[str, list[dict[str, Any]]] = {}
    cold = 0.0
    with LambdaRuntime(package_zip.build(), found["Handler"], environment) as runtime:
        for name, request in requests.items():
            before = len(runtime.logs)
            answer = runtime.invoke(request)
            expect(f"{name} under Lambda's runtime client", answer.get("errorMessage"), None)
            cold = cold or runtime.cpu_seconds
            lines[name] = [json.loads(line) for line in runtime.logs[before:].splitlines() if line.startswith("{")]
    return lines, cold


def _asked(loop: Loop, event: dict[str, Any]) -> dict[str, Any]:
    name = str(uuid.uuid4())
    return {"action": "admit", "execution": {"id": loop.execution_arn(name), "name": name}, "event": event}


def _add_lines(used: dict[str, Amounts], lines: Mapping[str, Sequence[dict[str, Any]]], cold: float) -> None:
    """Add what the functions log, and what cold starts are billed for, to what each thing uses."""
    memory = Template.read().resolve().resources["OrchestrationFunction"]["Properties"]["MemorySize"] / 1024
    for name, amounts in used.items():
        # A promotion's calls are taken to log what a signal's does.
        said, times = (lines[name], 1.0) if name in lines else (lines["OBSERVE"], amounts["lambda_request"])
        amounts["log_gb"] += times * sum(len(json.dumps(line)) + LOG_ENTRY_BYTES for line in said) / GB
        share = {"promotion": 1.0, "sweep": 0.0}.get(name, COLD)
        amounts["lambda_gb_second"] += amounts["lambda_request"] * share * cold * memory


def _metrics(often: Mapping[str, float], lines: Mapping[str, Sequence[dict[str, Any]]]) -> float:
    """Metrics that filters make of what is logged so often in a month; each counts by the hours in which it has data."""
    hours: dict[str, float] = {}
    for resource in Template.read().resolve().of_type("AWS::Logs::MetricFilter").values():
        properties = resource["Properties"]
        (transformation,) = properties["MetricTransformations"]
        for name, times in often.items():
            series = [sorted(dimensions.items()) for _, dimensions in measured(properties, lines[name])]
            if "DefaultValue" in transformation and properties["LogGroupName"] == _log_group():
                series.append([])
            for dimensions in series:
                key = f"{transformation['MetricName']}{dimensions}"
                hours[key] = max(hours.get(key, 0.0), 1 - math.exp(-times / HOURS))
    return sum(hours.values())


def _log_group() -> str:
    return str(Template.read().resolve().name("OrchestrationFunctionLogGroup"))


def _metrics_of_promotions() -> float:
    """The decision, the outcome, the time taken, and what the hand was asked again: each in the hours of the promotions."""
    return 4 * PROMOTIONS / HOURS
