"""The pipe from the queue of AWS's MLOps sample: what its monitoring function sends becomes an event the loop reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, SignalKind
from orchestration.domain.signal import Signal, Threshold
from orchestration.domain.signals import read_signal
from tests.contract.template import ACCOUNT, Call, Stack, Template, allowing, unused
from tests.unit.fakes import SETTINGS, FakeReader

TEMPLATE: Final = Path(__file__).resolve().parents[2] / "examples" / "monitors" / "mlops-sample-pipe.yaml"
QUEUE: Final = f"arn:aws:sqs:us-east-1:{ACCOUNT}:ml-monitoring-for-the-loop"
BUS: Final = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"

RESULTS: Final = {
    "monitoring_run_id": "drift-20260302-020000",
    "monitoring_timestamp": "2026-03-02 02:00:00",
    "endpoint_name": "churn-prod",
    "model_version": "latest",
    "data_drift_detected": True,
    "drifted_columns_count": 11,
    "drifted_columns_share": 0.3667,
    "features_analyzed": 30,
    "data_sample_size": 5000,
    "model_drift_detected": False,
    "baseline_roc_auc": None,
    "current_roc_auc": None,
    "per_feature_drift_scores": '{"credit_limit": 74.47}',
    "evidently_report_s3_path": None,
    "detection_engine": "evidently",
}
"""A message of the sample's ``write_monitoring_results``, of a day without labels: numbers that were not measured are null."""


def stack() -> Stack:
    return Template.read(TEMPLATE).resolve({"QueueArn": QUEUE})


def carried(body: dict[str, Any]) -> dict[str, Any]:
    """The event that the pipe makes of a message: its input template is a path to the body, which Pipes reads as JSON.

    Source: EventBridge user guide, "Amazon EventBridge Pipes input transformation", Implicit body data parsing.
    """
    pipe = stack().resources["SamplePipe"]["Properties"]
    record = {"messageId": "1", "body": json.dumps(body), "attributes": {"SenderId": "AIDA"}, "eventSource": "aws:sqs"}
    template = pipe["TargetParameters"]["InputTemplate"]
    assert template == "<$.body>"
    detail = json.loads(str(record[template.removeprefix("<$.").removesuffix(">")]))
    said = pipe["TargetParameters"]["EventBridgeEventBusParameters"]
    return {
        "id": "1",
        "account": ACCOUNT,
        "source": said["Source"],
        "detail-type": said["DetailType"],
        "detail": detail,
    }


def signal(event: dict[str, Any]) -> Signal:
    reader = FakeReader(models={"churn-prod": "churn"})
    found = read_signal(event, reader=reader, settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Signal), found
    return found


@pytest.mark.parametrize(
    ("more", "threshold", "kind"),
    [
        ({}, Threshold("drifted_columns_share", 0.3667, None), SignalKind.DRIFT),
        (
            {"model_drift_detected": True, "baseline_roc_auc": 0.92, "current_roc_auc": 0.8},
            Threshold("roc_auc", 0.8, 0.92, lower_is_worse=True),
            SignalKind.DRIFT,
        ),
        (
            {"data_drift_detected": False, "drifted_columns_share": 0.0, "drifted_columns_count": 0},
            Threshold("drifted_columns_share", 0.0, None),
            SignalKind.NO_DRIFT,
        ),
    ],
)
def test_what_the_sample_measured_is_what_the_loop_reads(
    more: dict[str, Any], threshold: Threshold, kind: SignalKind
) -> None:
    event = carried({**RESULTS, **more})

    assert (event["source"], event["detail-type"]) == (DRIFT_SOURCE, DRIFT_DETECTED)
    found = signal(event)
    assert (found.model, found.endpoint, found.kind, found.threshold) == ("churn", "churn-prod", kind, threshold)


def test_a_message_that_comes_twice_is_one_signal_and_the_next_run_another() -> None:
    first, again = carried(RESULTS), {**carried(RESULTS), "id": "2"}

    assert signal(first).signal_id == signal(again).signal_id
    assert (
        signal(carried({**RESULTS, "monitoring_run_id": "drift-20260303-020000"})).signal_id != signal(first).signal_id
    )


def test_the_pipe_may_take_messages_and_send_reports_and_nothing_else() -> None:
    policies = stack().policies("SamplePipeRole")
    mine = (("events:source", "mlops.drift"), ("events:detail-type", "Drift Detected"))
    calls = [Call(f"sqs:{action}", QUEUE) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")]
    calls.append(Call("events:PutEvents", BUS, mine))

    assert [call for call in calls if allowing(policies, call) is None] == []
    assert unused(policies, calls) == []
    assert allowing(policies, Call("events:PutEvents", BUS, (("events:source", "mlops.retraining"),))) is None
    assert stack().resources["SamplePipe"]["Properties"]["Target"] == BUS
