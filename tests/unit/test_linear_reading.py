"""Whoever writes twice as much is read in twice the time: near-matches of 5 MB against every reader of foreign text."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest

from ops.assignments import assignments
from ops.audit.records import read_record
from ops.stack import OperatorError
from orchestration import approval_handler
from orchestration.domain.channel_text import chat_line, plain_line
from orchestration.domain.conclusion import Failure
from orchestration.domain.documents import Document
from orchestration.domain.errors import PolicyError
from orchestration.domain.evaluation import Standing, evaluate
from orchestration.domain.json_values import json_object, model_name, number, s3_addresses, s3_uri, text
from orchestration.domain.policy import Evaluation, GuardMetric, parse_policy, target_kind
from orchestration.domain.signal import Violation
from orchestration.domain.signals import alarm, drift_report, model_monitor, read_signal
from orchestration.domain.signals.decision_file import parse_decision
from orchestration.domain.signals.model_monitor import data_checks, parse_violations, worst_threshold
from orchestration.domain.training_output import read_training_output
from orchestration.domain.votes import clean_comment
from tests.unit.fakes import SETTINGS, FakeReader, World, drift, event

LARGEST: Final = 5_000_000
RATIO: Final = 3.0
CLOCK: Final = 0.01
"""Seconds of CPU that are noise."""

SLOW: Final = 20
"""What Python reads character by character, or is tried at each, gets so much less: one step for each pair of what is left
would still be hours."""

Read = Callable[[], object]
Kind = Callable[[int], Read]


def fill(pattern: str, size: int) -> str:
    """A pattern again and again, so many characters."""
    return (pattern * (size // len(pattern) + 1))[:size]


def sentence(pattern: str) -> Kind:
    """One violation, read past every limit, so that the expressions themselves are shown."""

    def of(size: int) -> Read:
        violation = Violation("age", "baseline_drift_check", fill(pattern, size // SLOW))
        return lambda: worst_threshold((violation,))

    return of


def share(pattern: str) -> Kind:
    """One violation of broken data, read past every limit."""

    def of(size: int) -> Read:
        violation = Violation("age", "data_type_check", fill(pattern, size // SLOW))
        return lambda: data_checks((violation,))

    return of


def violations(description: str) -> Kind:
    def of(size: int) -> Read:
        # As many as are read, each as long as is kept of one.
        entry = f'{{"feature_name": "a", "description": "{fill(description, 480)}"}},'
        body = f'{{"violations": [{fill(entry, size // len(entry) * len(entry))}{{}}]}}'.encode()
        return lambda: worst_threshold(parse_violations(body))  # type: ignore[arg-type] # within its limits

    return of


def document(pattern: str, read: Callable[[bytes], object], *, slow: bool = False) -> Kind:
    def of(size: int) -> Read:
        body = fill(pattern, size // SLOW if slow else size).encode()
        return lambda: read(body)

    return of


def words(pattern: str, read: Callable[[str], object], *, slow: bool = False) -> Kind:
    def of(size: int) -> Read:
        given = fill(pattern, size // SLOW if slow else size)
        return lambda: read(given)

    return of


def csv(body: bytes) -> object:
    return parse_decision(Document("s3://bucket/decision.csv", body))


def policy(body: bytes) -> object:
    with suppress(PolicyError):
        return parse_policy("churn", body, version="v1", settings=SETTINGS)
    return None


def policy_with(member: str) -> Kind:
    """A policy within its limit of bytes: twice as much of it is what is measured there."""

    def of(size: int) -> Read:
        much = member.replace("MUCH", fill("7", size // 30))
        body = f'{{"schema_version": 1, "model": "churn", {much}}}'.encode()
        return lambda: list(map(policy, [body] * 20))

    return of


def report(size: int) -> Read:
    """As many metrics as a document may hold, and as many guards as a policy."""
    metrics = ",".join(f'"m{place}": {{"value": 0.{place}}}' for place in range(size // 200))
    body = f'{{"binary_classification_metrics": {{{metrics}}}}}'.encode()
    wanted = Evaluation("m1", guards=tuple(GuardMetric(f"m{place}", minimum=0.1) for place in range(500)))
    return lambda: evaluate(body, wanted, Standing(False, "No champion serves"))


def said(name: str, place: Callable[[dict[str, Any], str], object], adapter: Any, pattern: str) -> Kind:
    """An event of a fixture with much in one place, given to its adapter past the limit on events."""

    def of(size: int) -> Read:
        given = event(name)
        place(given, fill(pattern, size))
        return lambda: adapter.from_event(given, FakeReader(models={"churn-prod": "churn"}), SETTINGS, "run-1")

    return of


def large(size: int) -> Read:
    given = drift(metric=fill('a"\n', size))
    return lambda: read_signal(given, reader=FakeReader(), settings=SETTINGS, run_id="run-1")


def page(part: str, pattern: str) -> Kind:
    world = World()

    def of(size: int) -> Read:
        request = {
            "requestContext": {"http": {"method": "POST"}},
            "rawPath": "/",
            "rawQueryString": "run=run-1",
            "headers": {"content-type": "application/x-www-form-urlencoded"},
            "body": "decision=APPROVED&subject=training",
            part: fill(pattern, size),
        }
        return lambda: approval_handler.answer(request, world.ports)

    return of


def parameters(given: str) -> None:
    with suppress(OperatorError):
        assignments(given, "PARAMS")


READERS: Final[dict[str, Kind]] = {
    "digits in a violation": sentence("1"),
    "digits and points in a violation": sentence("1.1"),
    "a number and white space in a violation": sentence("5" + " " * 1000),
    "numbers with deviations in a violation": sentence("1 +/- 1 "),
    "numbers glued to deviations in a violation": sentence("1 +/- 1+/-1"),
    "comparisons without end in a violation": sentence("1 was less than or equal to the threshold "),
    "comparisons of nothing in a violation": sentence("1 is lessorequalto  "),
    "exponents in a violation": sentence("1e1"),
    "shares without end": share("observed: only 1"),
    "shares of nothing": share("observed " + "." * 60),
    "violations of digits": violations("1"),
    "violations of near comparisons": violations("1.1e1 +/- 1 was less than "),
    "descriptions without end": document('{"violations": [{"description": "1.', parse_violations),
    "a decision file of line ends": document("\n", csv, slow=True),
    "a decision file of rows": document("a\nYES,\n", csv),
    "a decision file of commas": document(",", csv),
    "a decision file of quotes": document('"', csv),
    "a decision file of zero bytes": document("a\0", csv),
    "a policy that is too large": document('{"a": ', policy),
    "a policy with a long key": policy_with('"training": {"input": {"MUCH": 1}}'),
    "a policy with a long number": policy_with('"cooldown_hours": MUCH'),
    "a policy with a long name": policy_with('"promotion": {"endpoint": "MUCH"}'),
    "objects": document('{"a":', json_object),
    "values": document('{"a":0},', json_object),
    "escapes": document(r"\ud83d", json_object),
    "a report of many metrics": report,
    "a training's output": words('{"a":"', lambda given: read_training_output(given, output_uri="s3://b/o/")),
    "a cause": words('{"errorMessage": "', lambda given: Failure("E", given).sentence),
    "a record": document('{"chain": {"hash": "', read_record),
    "numbers": words("1", number),
    "numbers with points": words("1.", number),
    "texts": words("\0a", text),
    "model names": words("a-", model_name),
    "addresses": words("s3://a.b/../", s3_uri),
    "targets": words("arn:aws:states:us-east-1:", target_kind),
    "a line of a mail": words("a.b ://\\\\", plain_line, slow=True),
    "a line of blanks": words("  a", plain_line, slow=True),
    "a line of chat": words(":a_*@:", chat_line, slow=True),
    "a line of unfinished emoji": words(":aaaaaaaaa", chat_line, slow=True),
    "comments": words("\r\na\0", clean_comment, slow=True),
    "an event that is too large": large,
    "the reason of an alarm": said(
        "alarm/lower_is_worse",
        lambda given, much: given["detail"]["state"].update(reason=much),
        alarm,
        "was were less tham ",
    ),
    "the data of an alarm": said(
        "alarm/lower_is_worse",
        lambda given, much: given["detail"]["state"].update(reasonData=much),
        alarm,
        '{"threshold": "1',
    ),
    "the name of an alarm": said(
        "alarm/lower_is_worse", lambda given, much: given["detail"].update(alarmName=f"drift/{much}"), alarm, "a/"
    ),
    "the name of a processing job": said(
        "model_monitor/drifted",
        lambda given, much: given["detail"].update(ProcessingJobName=much),
        model_monitor,
        "a-",
    ),
    "the metric of an Evidently report": said(
        "drift_report/evidently_0_7",
        lambda given, much: given["detail"].update(
            metrics=[{"metric_id": f"DriftedColumnsCount(drift_share={much}", "value": {"share": 1}}]
        ),
        drift_report,
        "1.1",
    ),
    **{
        f"addresses written as {escape}": words(escape, s3_addresses, slow=True)
        for escape in ("\\", "\\u005c", "u005c", "\\u005cu005c", "s3:\\/\\/")
    },
    "an address of the page": page("rawQueryString", "run=%4&"),
    "one field of an address": page("rawQueryString", "%4%41"),
    "a form": page("body", "comment=%0&"),
    "parameters": words("A=b c d  ", parameters),
    "parameters and white space": words("A=b" + " " * 1000, parameters),
    "parameters without a name": words("A=" + "a" * 1000, parameters),
}


def seconds(read: Read) -> float:
    # A full collection looks at all that other tests left, and only what makes many objects causes one.
    gc.disable()
    try:
        began = time.process_time()
        read()
        return time.process_time() - began
    finally:
        gc.enable()


@pytest.mark.threat("hostile-file")
@pytest.mark.parametrize("name", list(READERS))
def test_twice_as_much_is_read_in_less_than_three_times_the_time(name: str) -> None:
    small, twice = READERS[name](LARGEST // 2), READERS[name](LARGEST)
    ratios = []
    for _ in range(3):
        # Another process may have the cache: only what is slow again and again is slow.
        took, longer = seconds(small), seconds(twice)
        ratios.append(longer / max(took, CLOCK))
        if ratios[-1] < RATIO:
            return
    pytest.fail(
        f"{name}: {LARGEST} bytes took {', '.join(f'{ratio:.1f}' for ratio in ratios)} times as long as half of them"
    )
