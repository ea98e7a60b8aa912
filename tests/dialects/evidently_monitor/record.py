"""Run ``examples/monitors/evidently/monitor.py`` with Evidently itself, and keep its reports and what it sends.

Windows of card transactions: as the champion was trained, mildly and strongly drifted, and drifted after a run was promoted
that trained on drifted ones. Each in one of the forms the script reads.
"""

from __future__ import annotations

import base64
import json
import sys
import warnings
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pandas as pd

from examples.creditcard.transactions import LABEL, generate
from examples.monitors.evidently import monitor
from tests.dialects.evidently_monitor.account import ENVIRONMENT, REPORT, Account

TRAINING_SEED, FRESH_SEED = 7, 101
CAPTURE = {"DATA": "s3://data/capture/creditcard-prod/AllTraffic/%Y/%m/%d/%H/"}


def transactions(seed: int, rows: int, drift: float) -> pd.DataFrame:
    """Made-up card transactions with their label."""
    return pd.DataFrame(generate(seed, rows, drift))


def csv(table: pd.DataFrame) -> bytes:
    """As CSV with a header row."""
    return str(table.to_csv(index=False)).encode()


def parquet(table: pd.DataFrame) -> bytes:
    """As Parquet."""
    written = BytesIO()
    table.to_parquet(written)
    return written.getvalue()


def captured(table: pd.DataFrame, *, named: bool) -> bytes:
    """As data capture keeps requests of a hundred rows each: JSON records, or CSV without a header, half of them encoded."""
    lines = []
    features = table.drop(columns=LABEL)
    for place, request in enumerate(features[row : row + 100] for row in range(0, len(table), 100)):
        text = request.to_json(orient="records") if named else request.to_csv(index=False, header=False)
        data, encoding = (text, "JSON" if named else "CSV")
        if place % 2:
            data, encoding = base64.b64encode(text.encode()).decode(), "BASE64"
        said = {"observedContentType": "text/csv", "mode": "INPUT", "data": data, "encoding": encoding}
        lines.append(json.dumps({"captureData": {"endpointInput": said}, "eventMetadata": {"eventId": str(place)}}))
    return "\n".join(lines).encode()


def main(folder: Path) -> None:
    """Write one fixture for each window."""
    champion = {ENVIRONMENT["BASELINE"]: csv(transactions(TRAINING_SEED, 20000, 0.0))}
    promoted = {
        "s3://automation/runs/creditcard/r1/outputs/baseline.csv": csv(transactions(FRESH_SEED + 1, 14000, 1.0))
    }
    hour = "s3://data/capture/creditcard-prod/AllTraffic/2026/03/02/{}/a.jsonl"
    strong, mild, none = (transactions(FRESH_SEED, 5000, drift) for drift in (1.0, 0.25, 0.0))
    windows = {
        "no_drift": (Account({**champion, "s3://data/fresh/2026-03-02/a.parquet": parquet(none)}), {}),
        "mild_drift": (Account({**champion, hour.format("05"): captured(mild, named=True)}), CAPTURE),
        "strong_drift": (
            Account(
                {
                    **champion,
                    hour.format("00"): captured(strong[:2000], named=False),
                    hour.format("23"): captured(strong[2000:], named=False),
                }
            ),
            CAPTURE,
        ),
        "strong_drift_after_a_promotion": (
            Account({**champion, **promoted, "s3://data/fresh/2026-03-02/a.csv": csv(strong)}, run_id="r1"),
            {},
        ),
    }
    for name, (account, more) in windows.items():
        said = monitor.run({**ENVIRONMENT, **more}, **account.clients)
        report = json.loads(account.objects[REPORT])
        page = account.objects[REPORT.replace(".json", ".html")].decode()
        assert "<html" in page
        (entry,) = account.entries
        kept = {
            "library": "evidently",
            "version": version("evidently"),
            "seed": FRESH_SEED,
            "data": more,
            "report": report,
            "event": {**entry, "Detail": json.loads(entry["Detail"])},
            "said": said,
        }
        (folder / f"{name}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    data = "s3://data/fresh/2026-03-02/a.csv"
    unnamed = {hour.format("05"): captured(strong, named=False)}
    narrow = {ENVIRONMENT["BASELINE"]: csv(transactions(TRAINING_SEED, 100, 0.0).drop(columns="hour"))}
    refused = {
        "no data": (champion, {}),
        "too few rows": ({**champion, data: csv(strong[:499])}, {}),
        "a column less": ({**champion, data: csv(strong.drop(columns=["hour", "amount"]))}, {}),
        "a field more": ({**narrow, **unnamed}, CAPTURE),
    }
    lines = [f"{name}: {refusal(objects, more)}\n" for name, (objects, more) in refused.items()]
    (folder / "refused.txt").write_text("".join(lines), encoding="utf-8")


def refusal(objects: dict[str, bytes], more: dict[str, str]) -> str:
    """Why a window cannot be compared, after which nothing was sent."""
    account = Account(objects)
    try:
        monitor.run({**ENVIRONMENT, **more}, **account.clients)
    except monitor.MonitorError as error:
        assert account.objects.keys() == objects.keys()
        assert not account.entries
        return str(error)
    raise AssertionError(account.entries)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
