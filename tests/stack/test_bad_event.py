"""Events that cannot be understood are refused with a sentence, kept, and told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.loop import Loop


@pytest.mark.threat("forged-event")
@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ([1, 2], "not an object"),
        ("drift!", "not an object"),
        ({"source": "acme.weather", "detail-type": "Rain", "detail": {}}, "Nothing here understands"),
        ({"source": "mlops.drift", "detail-type": "Drift Detected", "detail": "drift"}, "detail is not a JSON object"),
        ({"source": "mlops.drift", "detail-type": "Drift Detected", "detail": {"metric": "psi"}}, "names no model"),
        (
            {"source": "mlops.drift", "detail-type": "Drift Detected", "detail": {"model": "../../etc/passwd"}},
            "is not legal",
        ),
        ({"source": "mlops.drift", "detail-type": "Drift Detected", "detail": {"model": "a b"}}, "is not legal"),
        ({"source": "mlops.drift", "detail-type": "Drift Detected", "detail": {"model": "m" * 300}}, "is not legal"),
        (
            {
                "source": "mlops.drift",
                "detail-type": "Drift Detected",
                "detail": {"model": "nobodys", "observed": 1, "threshold": 1},
            },
            "does not know the model nobodys",
        ),
        (
            {
                "source": "mlops.drift",
                "detail-type": "Drift Detected",
                "detail": {"model": "big", "pad": "x" * 250_000},
            },
            "Put the report into S3",
        ),
    ],
    ids=["array", "string", "source", "detail", "no model", "dots", "space", "long", "unknown", "250 KB"],
)
def test_a_bad_event_is_refused_kept_and_told(loop: Loop, event: Any, sentence: str) -> None:
    kept, manifests = set(loop.keys("rejected/")), set(loop.keys("manifests/"))

    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        ended = loop.run(event)
        (message,) = messages(1)

    assert ended.status == "SUCCEEDED", ended
    assert loop.states(ended.arn) == ["ReadRetrainingDecision", "DecisionChoice", "SignalRejected"]
    assert sentence in ended.output["reason"]
    assert sentence in message["Message"]
    (key,) = set(loop.keys("rejected/")) - kept
    assert loop.read(key)["event"] == event
    assert set(loop.keys("manifests/")) == manifests


def test_a_processing_job_of_somebody_else_is_ignored_without_a_record(loop: Loop) -> None:
    ended = loop.run(
        {
            "source": "aws.sagemaker",
            "detail-type": "SageMaker Processing Job State Change",
            "detail": {"ProcessingJobName": "feature-engineering-7", "ProcessingJobStatus": "Completed"},
        }
    )

    assert ended.output["outcome"] == "SKIP"
    assert "knows no processing job" in ended.output["reason"]
