"""Addresses of the AWS console, in each partition, for whoever is signed in there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

DOMAINS: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""Domain of the console by partition. Source: AWS General Reference, "Sign in to the AWS Management Console", and the user
guides of AWS GovCloud (US) and of AWS in China."""


@dataclass(frozen=True, slots=True)
class Console:
    """The console of a Region. Each address is None in a partition whose console nobody here knows."""

    partition: str
    region: str

    @classmethod
    def of(cls, arn: str) -> Console:
        """The console that shows what an ARN names."""
        _, partition, _, region, *_ = [*arn.split(":"), "", "", ""]
        return cls(partition, region)

    def execution(self, arn: str) -> str | None:
        """The page of a Step Functions execution."""
        return self._home("states", f"/v2/executions/details/{_quoted(arn, safe=':')}")

    def training_job(self, name: str) -> str | None:
        """The page of a SageMaker training job."""
        return self._home("sagemaker", f"/jobs/{_quoted(name)}")

    def endpoint(self, name: str) -> str | None:
        """The page of a SageMaker endpoint."""
        return self._home("sagemaker", f"/endpoints/{_quoted(name)}")

    def s3_object(self, bucket: str, key: str) -> str | None:
        """The page of an object, from which it is opened or downloaded."""
        return self._at(f"s3/object/{_quoted(bucket)}", f"&prefix={_quoted(key)}")

    def quick_create(self, query: str) -> str | None:
        """CloudFormation's form for a new stack; ``query`` is encoded already."""
        return self._home("cloudformation", f"/stacks/quickcreate?{query}")

    def _home(self, service: str, fragment: str) -> str | None:
        return self._at(f"{service}/home", f"#{fragment}")

    def _at(self, path: str, rest: str) -> str | None:
        domain = DOMAINS.get(self.partition)
        return domain and f"https://{domain}/{path}?region={_quoted(self.region)}{rest}"


def _quoted(name: str, safe: str = "") -> str:
    """A name in an address. One that UTF-8 does not write, as a record may hold that was tampered with, hinders no page."""
    return quote(name, safe=safe, errors="replace")
