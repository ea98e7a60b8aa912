"""The monitor for newcomers: what it sends is what the loop reads, and its baseline follows what serves.

What Evidently itself says is recorded (``tests/dialects/evidently_monitor``): it is too large to be installed here.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jsonata
import pytest

from examples.monitors.evidently import monitor
from orchestration.domain.contracts import Decision, Severity, SignalKind
from orchestration.domain.decision import ModelState, decide, severity_of
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Dataset, Signal, Threshold
from orchestration.domain.signals import read_signal
from tests.contract.template import ACCOUNT, Call, Stack, Template, allowing, unused
from tests.dialects.evidently_monitor.account import ENVIRONMENT, REPORT, Account
from tests.unit.fakes import SETTINGS, FakeReader
from tests.unit.test_decision import DEFAULT

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = ROOT / "examples" / "monitors" / "evidently"
DIALECT: Final = ROOT / "tests" / "dialects" / "evidently_monitor"
RECORDED: Final = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (DIALECT / "recorded").glob("*.json")
}
DEFINITION: Final = json.loads((EXAMPLE / "monitor.asl.json").read_text(encoding="utf-8"))
GIVEN: Final = {
    "Model": "creditcard",
    "EndpointName": "creditcard-prod",
    "AutomationBucket": "automation",
    "DataBucket": "data",
    "DataPrefix": "fresh/%Y-%m-%d/",
    "BaselineKey": "champion/training.csv",
    "IgnoredColumns": "is_fraud",
    "Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/evidently:1",
}
RUN_BASELINE: Final = "s3://automation/runs/creditcard/r1/outputs/baseline.csv"


def recorded(name: str, **more: Any) -> Account:
    """An account in which a window was measured already."""
    return Account({REPORT: json.dumps(RECORDED[name]["report"]).encode()}, **more)


def signal(sent: dict[str, Any]) -> Signal:
    """What the loop makes of a detail."""
    event = {"source": "mlops.drift", "detail-type": "Drift Detected", "id": "1", "account": ACCOUNT, "detail": sent}
    found = read_signal(event, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Signal), found
    return found


def stack(**parameters: str) -> Stack:
    return Template.read(EXAMPLE / "monitor.yaml").resolve({**GIVEN, **parameters})


# -- What is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_what_evidently_said_is_sent_as_it_was_when_it_was_recorded(name: str) -> None:
    account, kept = recorded(name), RECORDED[name]

    said = monitor.run({**ENVIRONMENT, **kept["data"]}, **account.clients)

    (entry,) = account.entries
    assert {**entry, "Detail": json.loads(entry["Detail"])} == kept["event"]
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("mlops.drift", "Drift Detected", "default")
    assert said == kept["said"]


@pytest.mark.parametrize(
    ("name", "threshold", "kind", "severity"),
    [
        ("no_drift", Threshold("share_of_drifted_columns", 0.0, 0.3), SignalKind.NO_DRIFT, Severity.INFO),
        ("mild_drift", Threshold("share_of_drifted_columns", 4 / 6, 0.3), SignalKind.DRIFT, Severity.CRITICAL),
        ("strong_drift", Threshold("share_of_drifted_columns", 5 / 6, 0.3), SignalKind.DRIFT, Severity.CRITICAL),
        (
            "strong_drift_after_a_promotion",
            Threshold("share_of_drifted_columns", 0.0, 0.3),
            SignalKind.NO_DRIFT,
            Severity.INFO,
        ),
    ],
)
def test_the_loop_reads_what_is_sent(name: str, threshold: Threshold, kind: SignalKind, severity: Severity) -> None:
    found = signal(RECORDED[name]["event"]["Detail"])

    assert (found.threshold, found.kind, found.model) == (threshold, kind, "creditcard")
    assert severity_of(found, DEFAULT) is severity
    ends = ("2026-03-02T00:00:00+00:00", "2026-03-03T00:00:00+00:00")
    assert found.dataset == Dataset(RECORDED[name]["event"]["Detail"]["dataset"]["uri"], *ends)
    assert (found.report_uri, found.context) == (REPORT, RECORDED[name]["event"]["Detail"]["message"])


def test_no_drift_is_decided_too_so_silence_is_not_health() -> None:
    found = decide(
        signal(RECORDED["no_drift"]["event"]["Detail"]), DEFAULT, ModelState(), datetime(2026, 3, 3, tzinfo=UTC)
    )

    assert (found.decision, found.reason) == (Decision.SKIP, Reason.NO_DRIFT)


def test_the_marks_of_a_policy_tell_a_mild_drift_from_a_strong_one() -> None:
    """The README's table; the share says how many columns moved, so its ratio ends at 1 / DriftShare."""
    policy = replace(DEFAULT, critical_ratio=2.5)

    assert severity_of(signal(RECORDED["mild_drift"]["event"]["Detail"]), policy) is Severity.WARNING
    assert severity_of(signal(RECORDED["strong_drift"]["event"]["Detail"]), policy) is Severity.CRITICAL


# -- Done again ---------------------------------------------------------------------------------------------------


def test_a_window_that_was_measured_is_only_sent_and_is_the_same_signal() -> None:
    """So a run that died after it had measured costs no second comparison, and late data makes no second signal."""
    account = recorded("strong_drift")
    account.refuses = "try again"
    with pytest.raises(monitor.MonitorError, match="The event bus refused the report: try again"):
        monitor.run(ENVIRONMENT, **account.clients)
    assert account.entries == []

    account.refuses = None
    for end in ("2026-03-03T00:15:00Z", "2026-03-03T01:59:59+01:00"):
        monitor.run({**ENVIRONMENT, "WINDOW_END": end}, **account.clients)

    first, second = (signal(json.loads(entry["Detail"])) for entry in account.entries)
    assert first.signal_id == second.signal_id
    assert {action for action, _, _ in account.calls} == {"s3:ListBucket", "s3:GetObject", "events:PutEvents"}


def test_a_window_is_the_whole_hours_before_its_end() -> None:
    hours = monitor.window({"WINDOW_END": "2026-03-03T01:15:59.5+01:00", "WINDOW_HOURS": "3"})

    assert [hour.isoformat() for hour in hours] == [f"2026-03-0{day}+00:00" for day in
        ("2T21:00:00", "2T22:00:00", "2T23:00:00", "3T00:00:00")]  # fmt: skip


def test_files_are_found_below_each_hour_once_whichever_page_they_are_on() -> None:
    account = Account(
        dict.fromkeys(["s3://d/a/1.csv", "s3://d/a/2.jsonl", "s3://d/a/3.txt", "s3://d/b/4.parquet"], b"")
    )

    assert monitor.objects(account, ["s3://d/a/", "s3://d/a/1", "s3://d/c/"], (".csv", ".jsonl")) == [
        "s3://d/a/1.csv",
        "s3://d/a/2.jsonl",
    ]


# -- The baseline follows what serves -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["baseline.csv", "baseline.parquet"])
def test_the_baseline_is_that_of_the_run_that_serves(name: str) -> None:
    of_run = f"s3://automation/runs/creditcard/r1/outputs/{name}"
    account = Account({of_run: b"", ENVIRONMENT["BASELINE"]: b""}, run_id="r1")

    assert monitor.baseline_address(account, account, ENVIRONMENT) == of_run
    # A rollback changes the config that serves, and nothing else has to.
    account.run_id = None
    assert monitor.baseline_address(account, account, ENVIRONMENT) == ENVIRONMENT["BASELINE"]


def test_a_run_that_left_no_baseline_is_not_compared_with_an_older_one() -> None:
    """The drift that was just cured would be found for ever."""
    account = Account({ENVIRONMENT["BASELINE"]: b""}, run_id="r1")

    with pytest.raises(
        monitor.MonitorError, match=r"Run r1 serves, and its baseline is not there: .*/r1/outputs/baseline\."
    ):
        monitor.run(ENVIRONMENT, **account.clients)

    assert account.entries == []
    assert account.objects.keys() == {ENVIRONMENT["BASELINE"]}


def test_without_an_endpoint_the_baseline_is_the_teams_own() -> None:
    account = Account({ENVIRONMENT["BASELINE"]: b""}, run_id="r1")

    assert monitor.baseline_address(account, account, {**ENVIRONMENT, "ENDPOINT": ""}) == ENVIRONMENT["BASELINE"]
    assert [action for action, _, _ in account.calls] == ["s3:ListBucket"]
    with pytest.raises(monitor.MonitorError, match="No run of the loop serves"):
        monitor.baseline_address(Account(), Account(), {**ENVIRONMENT, "ENDPOINT": ""})


# -- The stack ----------------------------------------------------------------------------------------------------


def rendered() -> dict[str, Any]:
    """The definition with the template's substitutions."""
    given = stack().resources["MonitorStateMachine"]["Properties"]["DefinitionSubstitutions"]
    text = re.sub(r"\$\{(\w+)\}", lambda match: str(given[match[1]]), json.dumps(DEFINITION))
    return dict(json.loads(text))


def evaluated(value: Any, **states: Any) -> Any:
    """JSONata expressions evaluated, in whatever they are in."""
    if isinstance(value, dict):
        return {name: evaluated(each, **states) for name, each in value.items()}
    if isinstance(value, list):
        return [evaluated(each, **states) for each in value]
    if isinstance(value, str) and value.startswith("{%"):
        return jsonata.Jsonata(value[2:-2]).evaluate(None, {"states": states})
    return value


def request(**given: Any) -> Any:
    """The CreateProcessingJob request of a window."""
    return evaluated(
        rendered()["States"]["CompareWindow"]["Arguments"], input={"window_end": "2026-03-03T00:15:00Z", **given}
    )


def test_the_job_gets_each_variable_the_script_reads_and_no_other() -> None:
    read = set(re.findall(r'environment(?:\.get\(|\[)["\'](\w+)', (EXAMPLE / "monitor.py").read_text(encoding="utf-8")))
    given = request()["Environment"]

    assert {name: given[name] for name in ENVIRONMENT} == ENVIRONMENT
    assert read == {*ENVIRONMENT, "OPT_ML"}
    assert given.keys() - read == {"AWS_DEFAULT_REGION", "DO_NOT_TRACK"}


def test_no_variable_of_the_longest_form_is_longer_than_sagemaker_takes() -> None:
    """256 characters, of ``ProcessingEnvironmentValue`` in SageMaker's API."""
    parameters = Template.read(EXAMPLE / "monitor.yaml").parameters
    bounds = {name: re.search(r"\{[01],(\d+)\}/?$", parameters[name].get("AllowedPattern", "")) for name in parameters}
    longest = {name: int(found[1]) + 2 for name, found in bounds.items() if found}

    for value in DEFINITION["States"]["CompareWindow"]["Arguments"]["Environment"].values():
        names = re.findall(r"\$\{(\w+)\}", value)
        # A bucket's pattern bounds its middle; what has no bound is a number or the name of a bus, which stands alone.
        assert len(re.sub(r"\$\{\w+\}", "", value)) + sum(longest.get(name, 0) for name in names) <= 258, value


def test_the_jobs_name_comes_from_the_window_so_a_window_is_compared_once() -> None:
    name = request()["ProcessingJobName"]

    assert name == "creditcard-drift-2026030300"
    assert request(window_end="2026-03-03T00:59:59Z")["ProcessingJobName"] == name
    assert request(window_end="2026-03-03T01:15:00Z")["ProcessingJobName"] != name
    assert request(attempt=2)["ProcessingJobName"] == f"{name}-2"
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", f"{'x' * 40}{name.removeprefix('creditcard')}-2")
    catch = DEFINITION["States"]["CompareWindow"]["Catch"]
    assert [each["Next"] for each in catch] == ["AlreadyCompared", "TellFailure"]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            '{"ExitMessage":"Run r1 serves, and its baseline is not there","FailureReason":"AlgorithmError"}',
            "States.TaskFailed: Run r1 serves, and its baseline is not there; AlgorithmError",
        ),
        ('{"FailureReason": "InternalServerError"}', "States.TaskFailed: InternalServerError"),
        ("no JSON", "States.TaskFailed: no JSON"),
    ],
)
def test_whatever_went_wrong_the_loop_hears_of_it_and_people_are_told(cause: str, told: str) -> None:
    states = rendered()["States"]
    window = {"window_end": "2026-03-03T00:15:00Z"}
    error = {"Error": "States.TaskFailed", "Cause": cause}
    caught = evaluated(states["CompareWindow"]["Catch"][1]["Output"], input=window, errorOutput=error)
    (entry,) = evaluated(states["TellFailure"]["Arguments"], input=caught)["Entries"]

    found = signal(entry["Detail"])

    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("mlops.drift", "Drift Detected", "default")
    assert found.summary == f"The monitor of creditcard failed: {told}"
    verdict = decide(found, DEFAULT, ModelState(), datetime(2026, 3, 3, tzinfo=UTC))
    assert (verdict.decision, verdict.reason) == (Decision.HOLD, Reason.MONITOR_FAILED)


def test_the_schedule_starts_the_window_that_was_meant() -> None:
    target = stack().resources["MonitorSchedule"]["Properties"]["Target"]

    assert json.loads(target["Input"]) == {"window_end": "<aws.scheduler.scheduled-time>"}
    assert target["Arn"] == stack().arn("MonitorStateMachine")


@pytest.mark.parametrize("endpoint", ["", "creditcard-prod"])
def test_the_jobs_role_may_do_what_the_script_does_and_nothing_else(endpoint: str) -> None:
    account = Account({RUN_BASELINE: b"", ENVIRONMENT["BASELINE"]: b""}, run_id="r1")
    environment = {**ENVIRONMENT, "ENDPOINT": endpoint}
    address = monitor.baseline_address(account, account, environment)
    monitor.body(account, address)
    # What the comparison leaves is put before it is read and sent.
    page = REPORT.replace(".json", ".html").removeprefix("s3://data/")
    account.put_object(Bucket="data", Key=page, Body=b"", ContentType="text/html")
    account.objects[REPORT] = recorded("strong_drift").objects[REPORT]
    monitor.run(environment, **account.clients)
    policies = stack(EndpointName=endpoint).policies("MonitorJobRole")
    mine = {"events:source": "mlops.drift", "events:detail-type": "Drift Detected"}
    calls = [
        Call(action, arn, (("s3:prefix", prefix),) if prefix else tuple(mine.items()) if "events" in action else ())
        for action, arn, prefix in account.calls
    ]

    assert [call for call in calls if allowing(policies, call) is None] == []
    needed_by_sagemaker = ("logs:", "ecr:", "cloudwatch:")
    assert [each for each in unused(policies, calls) if not any(kind in each for kind in needed_by_sagemaker)] == []
    for action, arn in (
        ("s3:PutObject", "arn:aws:s3:::data/fresh/x.csv"),
        ("s3:GetObject", "arn:aws:s3:::automation/policies/creditcard.json"),
        ("s3:GetObject", "arn:aws:s3:::automation/runs/fraud/r1/outputs/baseline.csv"),
        ("sagemaker:DescribeEndpoint", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/fraud-prod"),
    ):
        assert allowing(policies, Call(action, arn)) is None
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    assert allowing(policies, Call("events:PutEvents", bus, (("events:source", "aws.sagemaker"),))) is None


def test_the_image_has_what_the_recording_was_made_with() -> None:
    wanted = (EXAMPLE / "requirements.txt").read_text(encoding="utf-8")

    assert wanted == (DIALECT / "requirements.txt").read_text(encoding="utf-8")
    assert {kept["version"] for kept in RECORDED.values()} == set(re.findall(r"^evidently==(\S+)", wanted))


def test_what_cannot_be_compared_says_why_in_a_sentence() -> None:
    """Recorded like the reports: each was refused before anything was written or sent."""
    lines = (DIALECT / "recorded" / "refused.txt").read_text(encoding="utf-8").splitlines()
    refused = dict(line.split(": ", 1) for line in lines)

    assert refused.keys() == {"no data", "too few rows", "a column less", "a field more"}
    assert refused["a column less"] == "The data lacks columns of the baseline: amount, hour"
    # TellFailure reads the sentence out of the job's description, as far as the first quotation mark.
    assert not any('"' in sentence for sentence in refused.values())
