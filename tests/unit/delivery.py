# ruff: noqa: N803 - the names of boto3's arguments
"""CloudFormation and a session as the delivery commands use them; every text that AWS chooses can be set."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
ARN: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ana"


class FakeCloudFormation:
    """One account's stacks, by name. ``said`` is in every text of AWS; ``ends`` is what a change comes to."""

    def __init__(self, said: str = "", ends: str = "UPDATE_COMPLETE") -> None:
        self.said, self.ends = said, ends
        self.meta = SimpleNamespace(region_name=REGION)
        self.stacks: dict[str, dict[str, Any]] = {}
        self.done: list[str] = []
        self._waiting = ""
        self._events: list[dict[str, Any]] = []

    def add(self, name: str) -> None:
        """Let a stack be there."""
        outputs = [{"OutputKey": f"Out{self.said}", "OutputValue": f"value{self.said}"}]
        self.stacks[name] = {
            "StackName": name,
            "StackId": f"id-of-{name}",
            "StackStatus": "UPDATE_COMPLETE",
            "Outputs": outputs,
            "Parameters": [],
        }

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        name = StackName.removeprefix("id-of-")
        if name not in self.stacks:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "It does not exist"}}, "DescribeStacks")
        return {"Stacks": [self.stacks[name]]}

    def get_template_summary(self, **_: Any) -> dict[str, Any]:
        return {"Capabilities": ["CAPABILITY_IAM"]}

    def get_template(self, **_: Any) -> dict[str, Any]:
        return {"TemplateBody": '{"Resources": {"Kept": {"Type": "T", "DeletionPolicy": "Retain"}}}'}

    def create_change_set(self, *, StackName: str, **_: Any) -> dict[str, Any]:
        self._waiting = StackName
        return {"Id": "change-set", "StackId": f"id-of-{StackName}"}

    def describe_change_set(self, **_: Any) -> dict[str, Any]:
        change = {
            "Action": f"Modify{self.said}",
            "LogicalResourceId": f"Rule{self.said}",
            "ResourceType": f"T{self.said}",
            "Replacement": self.said,
            "Details": [{"Target": {"Name": f"Name{self.said}"}, "CausingEntity": self.said}],
        }
        changes = [{"ResourceChange": change}]
        return {"Status": "CREATE_COMPLETE", "StackId": f"id-of-{self._waiting}", "Changes": changes}

    def delete_change_set(self, **_: Any) -> None:
        self.done.append("discarded")

    def execute_change_set(self, **_: Any) -> None:
        self.done.append(f"carried out on {self._waiting}")
        self._end(self._waiting)

    def delete_stack(self, *, StackName: str) -> None:
        name = StackName.removeprefix("id-of-")
        self.done.append(f"deleted {name}")
        self._end(name)

    def _end(self, name: str) -> None:
        if name not in self.stacks:
            self.add(name)
        event = {"StackName": name, "ResourceType": f"T{self.said}", "ResourceStatusReason": f"why{self.said}"}
        self._events = [
            {**event, "EventId": "2", "LogicalResourceId": f"Rule{self.said}", "ResourceStatus": f"{self.said}_FAILED"},
            {**event, "EventId": "1", "LogicalResourceId": f"Rule{self.said}", "ResourceStatus": "CREATE_COMPLETE"},
        ]
        self.stacks[name]["StackStatus"] = self.ends

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": self._events}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: self._pages())

    def _pages(self) -> Iterator[dict[str, Any]]:
        resource = {"ResourceType": f"T{self.said}", "PhysicalResourceId": f"name{self.said}"}
        yield {
            "StackEvents": self._events,
            "StackResourceSummaries": [
                {**resource, "LogicalResourceId": "Kept", "ResourceStatus": "DELETE_SKIPPED"},
                {**resource, "LogicalResourceId": f"Gone{self.said}", "ResourceStatus": "CREATE_COMPLETE"},
            ],
        }

    def detect_stack_drift(self, **_: Any) -> dict[str, Any]:
        return {"StackDriftDetectionId": "drift"}

    def describe_stack_drift_detection_status(self, **_: Any) -> dict[str, Any]:
        return {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self, **_: Any) -> dict[str, Any]:
        differs = {
            "PropertyPath": f"/P{self.said}",
            "ActualValue": f"is{self.said}",
            "ExpectedValue": f"says{self.said}",
        }
        drift = {"LogicalResourceId": "HistoryTable", "StackResourceDriftStatus": "MODIFIED"}
        return {"StackResourceDrifts": [{**drift, "PropertyDifferences": [differs]}]}


class FakeSession:
    """Somebody signed in to an account."""

    region_name = REGION

    def __init__(self, cloudformation: FakeCloudFormation, account: str = ACCOUNT, arn: str = ARN) -> None:
        self.cloudformation, self.account, self.arn = cloudformation, account, arn

    def get_partition_for_region(self, _: str) -> str:
        return "aws"

    def client(self, service: str, **_: Any) -> Any:
        if service == "cloudformation":
            return self.cloudformation
        if service == "sts":
            return SimpleNamespace(get_caller_identity=lambda: {"Account": self.account, "Arn": self.arn})
        if service == "logs":
            return SimpleNamespace(describe_log_groups=lambda **_: {"logGroups": []})
        raise AssertionError(service)


class FakePackage:
    """A template that was packaged."""

    bucket, key, url = "bucket", "key.yaml", "https://bucket.example/key.yaml"

    def document(self) -> dict[str, Any]:
        """A template with a table that can be imported."""
        table = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": {}}
        outputs = {"TemplateVersion": {"Value": "2"}}
        return {"Parameters": {}, "Resources": {"HistoryTable": table}, "Outputs": outputs}
