"""Object Lock as S3 has it, where ministack's differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.seam import Repair, s3

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = "x-amz-bypass-governance-retention"

LOCKS_PASSED = Repair(
    "locks passed",
    alone="a deletion that asks to pass a lock is made in a bucket that locks nothing",
    aws="refused: only a bucket with Object Lock takes the header",
    source="seen by others at S3 itself, word for word; no page of AWS says it",
)


@LOCKS_PASSED.wraps(s3, "_delete_object")
def _delete(
    original: Callable[..., Any], bucket_name: str, key: str, headers: Any = None, query_params: Any = None
) -> Any:
    if (headers or {}).get(_HEADER) and not s3.bucket_object_lock.get(bucket_name):
        return s3.error("InvalidArgument", f"{_HEADER} is only applicable to Object Lock enabled buckets", 400)
    return original(bucket_name, key, headers, query_params)
