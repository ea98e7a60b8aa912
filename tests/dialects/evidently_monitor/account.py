"""As much of an account as ``examples/monitors/evidently/monitor.py`` meets: objects, one endpoint's tags, and a bus."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {
    "MODEL": "creditcard",
    "DATA": "s3://data/fresh/%Y-%m-%d/",
    "WINDOW_END": "2026-03-03T00:15:00Z",
    "WINDOW_HOURS": "24",
    "REPORTS": "s3://data/drift-reports/",
    "BASELINE": "s3://data/champion/training.csv",
    "ENDPOINT": "creditcard-prod",
    "RUNS": "s3://automation/runs/creditcard/",
    "DRIFT_SHARE": "0.3",
    "MINIMUM_ROWS": "500",
    "IGNORED": "is_fraud",
    "EVENT_BUS": "default",
}
SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012"
REPORT = "s3://data/drift-reports/creditcard/2026-03-03T00/report.json"


class Account:
    """Stands for the three clients at once. ``run_id`` is the tag of the config that serves; ``refuses`` what the bus says."""

    def __init__(self, objects: dict[str, bytes] | None = None, *, run_id: str | None = None) -> None:
        self.objects = dict(objects or {})
        self.run_id = run_id
        self.refuses: str | None = None
        self.entries: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        """What was done, with what, and the prefix of a listing."""

    @property
    def clients(self) -> dict[str, Any]:
        """The clients by the names ``run`` takes them under."""
        return dict.fromkeys(("sagemaker", "s3", "events"), self)

    def get_paginator(self, operation: str) -> Any:
        """Pages of ListObjectsV2 or ListTags, the objects one on each."""
        return type(
            "Paginator", (), {"paginate": {"list_objects_v2": self._objects, "list_tags": self._tags}[operation]}
        )

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - the API's names
        """GetObject."""
        self.calls.append(("s3:GetObject", f"arn:aws:s3:::{Bucket}/{Key}", ""))
        return {"Body": BytesIO(self.objects[f"s3://{Bucket}/{Key}"])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803 - same
        """PutObject."""
        assert ContentType
        self.calls.append(("s3:PutObject", f"arn:aws:s3:::{Bucket}/{Key}", ""))
        self.objects[f"s3://{Bucket}/{Key}"] = Body

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, str]:  # noqa: N803 - same
        """DescribeEndpoint: the config that serves, which a run made or the team."""
        self.calls.append(("sagemaker:DescribeEndpoint", f"{SAGEMAKER}:endpoint/{EndpointName}", ""))
        return {"EndpointConfigName": "serves"}

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, str]:  # noqa: N803 - same
        """DescribeEndpointConfig."""
        arn = f"{SAGEMAKER}:endpoint-config/{EndpointConfigName}"
        self.calls.append(("sagemaker:DescribeEndpointConfig", arn, ""))
        return {"EndpointConfigArn": arn}

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - same
        """PutEvents, which answers 200 even when it refuses."""
        buses = {entry["EventBusName"] for entry in Entries}
        self.calls += [
            ("events:PutEvents", f"arn:aws:events:us-east-1:123456789012:event-bus/{bus}", "") for bus in buses
        ]
        if self.refuses:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": self.refuses}]}
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def _objects(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - same
        self.calls.append(("s3:ListBucket", f"arn:aws:s3:::{Bucket}", Prefix))
        found = sorted(address for address in self.objects if address.startswith(f"s3://{Bucket}/{Prefix}"))
        yield {}
        for address in found:
            yield {"Contents": [{"Key": address.removeprefix(f"s3://{Bucket}/")}]}

    def _tags(self, *, ResourceArn: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - same
        self.calls.append(("sagemaker:ListTags", ResourceArn, ""))
        yield {"Tags": [{"Key": "team", "Value": "fraud"}]}
        yield {"Tags": [{"Key": "retraining:run", "Value": self.run_id}] if self.run_id else []}
