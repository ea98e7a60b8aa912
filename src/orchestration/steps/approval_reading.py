"""What a reviewer has to see of an approval, read by whoever shows it: a function, or a person with the reviewers' rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.approval_view import RUNS_SHOWN, TRAINING, Asked
from orchestration.domain.documents import Unreadable
from orchestration.domain.json_values import json_object, mapping
from orchestration.domain.records import evidence_key, manifest_key, sha256

if TYPE_CHECKING:
    from orchestration.domain.documents import Document
    from orchestration.domain.wait import Wait
    from orchestration.stores.bucket_s3 import AutomationBucket
    from orchestration.stores.history_table import HistoryTable

UNREAD: Final = {
    Unreadable.MISSING: "is not there",
    Unreadable.ACCESS_DENIED: "may not be read by whoever shows this",
    Unreadable.TOO_LARGE: "is larger than one can be",
}


def asked_of(table: HistoryTable, bucket: AutomationBucket, wait: Wait) -> Asked:
    """An approval with what a reviewer has to see of it. ``wait`` may come without its tokens.

    Raises:
        ClientError: the table may not be read.
    """
    manifest = bucket.read(bucket.uri(manifest_key(wait.model, wait.run_id)))
    verdict = (
        bucket.read(bucket.uri(evidence_key(wait.model, wait.run_id, "evaluation")))
        if wait.subject != TRAINING
        else None
    )
    stands = None
    if manifest.body is not None or manifest.unreadable is Unreadable.MISSING:
        stands = manifest.body is not None and sha256(manifest.body) == wait.data.get("manifest_sha256")
    return Asked(
        wait,
        manifest=_record(manifest),
        evaluation=_record(verdict) if verdict is not None else {},
        runs=table.runs_of_model(wait.model, RUNS_SHOWN),
        switches=table.kill_switches(),
        statuses=table.statuses(wait.run_id),
        plan_stands=stands,
        unread=tuple(
            f"The {name} {UNREAD[document.unreadable]}, so what it says is not known."
            for name, document in (("manifest", manifest), ("record of the verdict", verdict))
            if document is not None and document.unreadable is not None
        ),
    )


def _record(document: Document) -> dict[str, Any]:
    """A JSON record of the bucket, or nothing: a page without it still decides."""
    return mapping(json_object(document.body or b""))
