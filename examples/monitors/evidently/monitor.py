"""Compare what a model is asked with what it was trained on, by Evidently, and tell the retraining loop: one report a window.

A SageMaker processing job, whose environment ``monitor.yaml`` sets and describes. It says "no drift" too, so that silence is
never taken for health. When it cannot compare, it says why in its exit message and exits with 1; who started it passes that on.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pandas import DataFrame


class MonitorError(Exception):
    """The comparison was not possible; the text is for the operator."""


def window(environment: Mapping[str, str]) -> list[datetime]:
    """The beginnings of the window's hours, in UTC, and last its end: the last whole hour before WINDOW_END."""
    end = datetime.fromisoformat(environment["WINDOW_END"]).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [end - timedelta(hours=hours) for hours in range(int(environment["WINDOW_HOURS"]), -1, -1)]


def objects(s3: Any, addresses: Iterable[str], kinds: tuple[str, ...]) -> list[str]:
    """Addresses of the objects of these kinds that begin with one of the addresses, each once."""
    found: list[str] = []
    for bucket, _, prefix in (address.removeprefix("s3://").partition("/") for address in addresses):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            found += [f"s3://{bucket}/{entry['Key']}" for entry in page.get("Contents", [])]
    return [address for address in dict.fromkeys(found) if address.endswith(kinds)]


def body(s3: Any, address: str) -> bytes:
    """An object's content."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def baseline_address(sagemaker: Any, s3: Any, environment: Mapping[str, str]) -> str:
    """Where the data lies that the model was trained on which serves now: asked anew each time, so no event can be missed.

    Raises:
        MonitorError: a run of the loop serves and left no baseline. An older one would show the drift that was just cured.
    """
    address, serves = environment["BASELINE"], "No run of the loop serves"
    if environment["ENDPOINT"]:
        config = sagemaker.describe_endpoint(EndpointName=environment["ENDPOINT"])["EndpointConfigName"]
        arn = sagemaker.describe_endpoint_config(EndpointConfigName=config)["EndpointConfigArn"]
        pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
        if run_id := {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}.get("retraining:run"):
            address, serves = f"{environment['RUNS']}{run_id}/outputs/baseline.", f"Run {run_id} serves"
    found = objects(s3, [address], (".csv", ".parquet"))
    if not found:
        raise MonitorError(f"{serves}, and its baseline is not there: no CSV or Parquet at {address}")
    return found[0]


def table(s3: Any, address: str, columns: list[str]) -> DataFrame:
    """One file as a table. Requests that were captured as CSV have no header: their fields are ``columns``."""
    import pandas as pd  # noqa: PLC0415 - a window that was measured before is only sent

    content = body(s3, address)
    if not address.endswith(".jsonl"):
        return pd.read_parquet(BytesIO(content)) if address.endswith(".parquet") else pd.read_csv(BytesIO(content))
    requests, records = [], []
    for line in filter(None, content.decode().splitlines()):
        captured = json.loads(line)["captureData"]["endpointInput"]
        encoded = captured["encoding"] == "BASE64"
        text = base64.b64decode(captured["data"]).decode() if encoded else captured["data"]
        if text.lstrip().startswith(("{", "[")):
            records.append(pd.json_normalize(json.loads(text)))
        else:
            requests.append(text.strip("\n"))
    if requests:
        rows = pd.read_csv(StringIO("\n".join(requests)), header=None)
        if len(rows.columns) != len(columns):
            raise MonitorError(
                f"Requests in {address} have {len(rows.columns)} fields, the baseline has {len(columns)}"
            )
        records.append(rows.set_axis(columns, axis="columns"))
    return pd.concat(records) if records else pd.DataFrame()


def measure(sagemaker: Any, s3: Any, environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Evidently's report on the window, with what was compared, and its page."""
    address = baseline_address(sagemaker, s3, environment)
    import pandas as pd  # noqa: PLC0415 - see table
    from evidently import Report  # noqa: PLC0415 - same
    from evidently.presets import DataDriftPreset  # noqa: PLC0415 - same

    baseline = table(s3, address, []).drop(columns=environment["IGNORED"].split(","), errors="ignore")
    sources = [hour.strftime(environment["DATA"]) for hour in window(environment)[:-1]]
    files = objects(s3, sources, (".jsonl", ".csv", ".parquet"))
    fresh = pd.concat([pd.DataFrame(), *(table(s3, file, list(baseline.columns)) for file in files)])
    if len(fresh) < int(environment["MINIMUM_ROWS"]):
        raise MonitorError(f"{len(fresh)} rows in {len(files)} files from {sources[0]} on say nothing: too few")
    if missing := [name for name in baseline.columns if name not in fresh.columns]:
        raise MonitorError(f"The data lacks columns of the baseline: {', '.join(missing)}")
    preset = DataDriftPreset(drift_share=float(environment["DRIFT_SHARE"]))
    ran = Report([preset]).run(fresh[baseline.columns], baseline)
    told = {"baseline": address, "rows": {"baseline": len(baseline), "data": len(fresh)}}
    return {**json.loads(ran.json()), **told}, str(ran.get_html_str(as_iframe=False))


def detail(report: Mapping[str, Any], report_uri: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The drift report that the loop reads, from Evidently's."""
    drift = next(each for each in report["metrics"] if each["metric_name"].startswith("DriftedColumnsCount"))
    share, threshold, hours = drift["value"]["share"], drift["config"]["drift_share"], window(environment)
    ends = {"window_start": hours[0].isoformat(), "window_end": hours[-1].isoformat()}
    return {
        "model": environment["MODEL"],
        "metric": "share_of_drifted_columns",
        "observed": share,
        "threshold": threshold,
        "drift_detected": share >= threshold,
        "dataset": {"uri": hours[0].strftime(environment["DATA"]), **ends},
        "report_uri": report_uri,
        "message": f"{drift['value']['count']:g} columns of {report['rows']['data']} rows drifted from {report['baseline']}",
        "dedupe_key": report_uri,
    }


def run(environment: Mapping[str, str], *, sagemaker: Any, s3: Any, events: Any) -> str:
    """Measure the window unless that was done before, and send its report. Returns the exit message.

    A run that died after it had measured is done again by sending what it measured: the same signal, whatever came since.
    """
    place = f"{environment['REPORTS']}{environment['MODEL']}/{window(environment)[-1]:%Y-%m-%dT%H}/report."
    if not objects(s3, [place], (".json",)):
        report, page = measure(sagemaker, s3, environment)
        bucket, _, key = place.removeprefix("s3://").partition("/")
        s3.put_object(Bucket=bucket, Key=f"{key}html", Body=page.encode(), ContentType="text/html")
        s3.put_object(Bucket=bucket, Key=f"{key}json", Body=json.dumps(report).encode(), ContentType="application/json")
    said = detail(json.loads(body(s3, f"{place}json")), f"{place}json", environment)
    entry = {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(said)}
    answer = events.put_events(Entries=[{**entry, "EventBusName": environment["EVENT_BUS"]}])
    if answer["FailedEntryCount"]:
        raise MonitorError(f"The event bus refused the report: {answer['Entries'][0].get('ErrorMessage')}")
    return f"{'Drift' if said['drift_detected'] else 'No drift'}: {said['message']}"


def main(environment: Mapping[str, str]) -> int:
    """Run as a processing job. ``OPT_ML`` is where ``/opt/ml`` is outside of a container."""
    try:
        status, said = 0, run(environment, **{name: boto3.client(name) for name in ("sagemaker", "s3", "events")})
    except (MonitorError, BotoCoreError, ClientError, KeyError, ValueError) as error:
        status, said = 1, str(error) if isinstance(error, MonitorError) else repr(error)
    message = Path(environment.get("OPT_ML", "/opt/ml"), "output", "message")
    message.parent.mkdir(parents=True, exist_ok=True)
    message.write_text(said, encoding="utf-8")
    print(said)
    return status


if __name__ == "__main__":
    sys.exit(main(os.environ))
