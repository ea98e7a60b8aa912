"""Object Lock as S3 has it, where ministack's differs: only a bucket with Object Lock takes the header that passes it."""

from __future__ import annotations

import functools
from typing import Any

_HEADER = "x-amz-bypass-governance-retention"


def install(s3: Any) -> None:
    """Have a deletion refused that asks to pass a lock in a bucket that locks nothing.

    Seen by others at S3 itself, word for word; no page of AWS says it.
    """
    delete = s3._delete_object

    @functools.wraps(delete)
    def delete_object(bucket: str, key: str, headers: Any = None, query_params: Any = None) -> Any:
        if (headers or {}).get(_HEADER) and not s3._bucket_object_lock.get(bucket):
            return s3._error("InvalidArgument", f"{_HEADER} is only applicable to Object Lock enabled buckets", 400)
        return delete(bucket, key, headers, query_params)

    s3._delete_object = delete_object
