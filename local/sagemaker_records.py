"""What the embedded SageMaker remembers: records by account, region and name, and how they are listed.

Times in records are seconds since the epoch (float), the form the JSON protocol of SageMaker uses on the wire.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ministack.core.responses import get_account_id, get_region

from local import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

V = TypeVar("V")

Document = dict[str, Any]


class ApiError(Exception):
    """An error SageMaker answers with: the code boto3 sees, a sentence, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def validation_error(message: str) -> ApiError:
    """SageMaker's answer to a request that cannot be right; the code is not in its service model."""
    return ApiError("ValidationException", message)


def now() -> float:
    """Seconds since the epoch, to the millisecond, as SageMaker reports times."""
    return round(clock.now(), 3)


def arn(kind: str, name: str) -> str:
    """The ARN of a SageMaker resource of the account and region of the request being served."""
    # SageMaker's ARNs are lower case whatever the resource's own name is.
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{kind}/{name.lower()}"


_left_behind: Final[list[contextvars.ContextVar[Any]]] = []


def left_behind(variable: contextvars.ContextVar[V]) -> contextvars.ContextVar[V]:
    """A context variable that says for whom a thread works, which what it begins in the background does not."""
    _left_behind.append(variable)
    return variable


def in_background(task: Callable[[], object], name: str) -> threading.Thread:
    """Run the task on a daemon thread that keeps the account and region of the request being served, and nothing else of it."""
    # Threads do not inherit context variables, and ministack scopes every store by them.
    context = contextvars.copy_context()
    for variable in _left_behind:
        context.run(variable.set, None)
    thread = threading.Thread(target=context.run, args=(task,), name=name, daemon=True)
    thread.start()
    return thread


class Records:
    """Records of one kind, each account and region seeing only its own."""

    def __init__(self) -> None:
        self._by_scope: dict[tuple[str, str], dict[str, Any]] = {}

    def _mine(self) -> dict[str, Any]:
        return self._by_scope.setdefault((get_account_id(), get_region()), {})

    def get(self, name: str) -> Any | None:
        """Give the record of this name, or None."""
        return self._mine().get(name)

    def put(self, name: str, record: Any) -> None:
        """Store the record under this name."""
        self._mine()[name] = record

    def remove(self, name: str) -> None:
        """Forget the record of this name, if there is one."""
        self._mine().pop(name, None)

    def all(self) -> list[Any]:
        """Give the records of the account and region of the request, oldest first."""
        return list(self._mine().values())

    def everywhere(self) -> list[Any]:
        """Give the records of every account and region."""
        return [record for scope in list(self._by_scope.values()) for record in list(scope.values())]

    def clear(self) -> None:
        """Forget everything."""
        self._by_scope.clear()


# What a List action's time filters compare, by the name of the filter without After or Before.
_TIME_FILTERS = {
    "CreationTime": "CreationTime",
    "LastModifiedTime": "LastModifiedTime",
    "Created": "CreationTime",
    "ScheduledTime": "ScheduledTime",
}
_DEFAULT_PAGE = 100


def list_page(
    records: Iterable[Document],
    request: Document,
    *,
    result_key: str,
    name_key: str,
    status_key: str,
) -> Document:
    """Filter, sort and page the records as SageMaker's List actions do.

    Args:
        records: Documents with ``CreationTime`` and ``LastModifiedTime``.
        request: The List request; ``NextToken`` is the offset of the next page, in decimal.
        result_key: Name of the list in the answer.
        name_key: Member that holds the record's name.
        status_key: Member that holds the record's status.
    """
    selected = list(records)
    if wanted := request.get("NameContains"):
        selected = [r for r in selected if wanted.lower() in str(r.get(name_key, "")).lower()]
    if status := request.get("StatusEquals"):
        selected = [r for r in selected if r.get(status_key) == status]
    for filter_name, member in _TIME_FILTERS.items():
        if (after := request.get(f"{filter_name}After")) is not None:
            selected = [r for r in selected if float(r.get(member) or 0) >= float(after)]
        if (before := request.get(f"{filter_name}Before")) is not None:
            selected = [r for r in selected if float(r.get(member) or 0) <= float(before)]
    sort_member = {"Name": name_key, "Status": status_key, "CreationTime": "CreationTime"}.get(
        request.get("SortBy", "CreationTime"), "CreationTime"
    )
    # Newest first is SageMaker's order unless the request says otherwise.
    selected.sort(
        key=lambda r: (r.get(sort_member) or 0) if sort_member == "CreationTime" else str(r.get(sort_member, "")),
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    start = int(request.get("NextToken") or 0)
    size = int(request.get("MaxResults") or _DEFAULT_PAGE)
    answer: Document = {result_key: selected[start : start + size]}
    if start + size < len(selected):
        answer["NextToken"] = str(start + size)
    return answer
