"""The function of the weekly workflow: what the decision file says."""

from __future__ import annotations

import csv
import os
from typing import Any

import boto3

S3 = boto3.client("s3")


def read_decision(event: Any, context: object) -> dict[str, str]:
    """Give the first word under the header."""
    del event, context
    found = S3.get_object(Bucket=os.environ["DECISION_BUCKET"], Key=os.environ["DECISION_KEY"])
    rows = list(csv.reader(found["Body"].read().decode("utf-8").splitlines()))
    return {"retraining_required": rows[1][0].strip().upper()}
