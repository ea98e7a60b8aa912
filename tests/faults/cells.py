"""The cells of the fault matrix: action by call by kind by whether the workflow tries again, found from plays without faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS: Final = (
    "throttled",
    "5xx",
    "denied for a while",
    "denied for good",
    "lost",
    "409",
    "conflict",
    "killed before",
    "killed after",
)
"""``lost``: the call takes effect and its answer never comes. ``conflict``: DynamoDB's, of a single write or a transaction."""

DENIED: Final = frozenset({"denied for a while", "denied for good"})
READS: Final = ("Get", "Query", "Describe", "List", "BatchGet")
SINGLE_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})


@dataclass(frozen=True)
class Point:
    """A call of an action in a story: which one, about what, and the how manyeth of these in one invocation."""

    story: str
    label: str
    operation: str
    shape: str
    ordinal: int

    @property
    def reads(self) -> bool:
        """True for a call that changes nothing."""
        return self.operation.partition(":")[2].startswith(READS)

    def cannot(self, kind: str, *, retried: bool) -> str | None:
        """Why this kind of fault cannot come at this call, or would be the same case as another; None when it can."""
        service, _, name = self.operation.partition(":")
        if kind == "409" and (service, name) != ("s3", "PutObject"):
            return "S3 alone answers 409, and to conditional writes"
        if kind == "conflict" and (service != "dynamodb" or name not in SINGLE_WRITES):
            return "DynamoDB alone answers a conflict of transactions, and to writes"
        if kind in DENIED and retried:
            return "no retrier names a refusal"
        if self.operation == "lambda:Invoke" and kind.startswith("killed"):
            return "the workflow itself does not die"
        if self.reads and kind == "lost":
            return "a read whose answer is lost is a read that failed"
        if self.reads and kind.startswith("killed"):
            return "a death at a read is a death after the write before it"
        return None


@dataclass(frozen=True)
class Cell:
    """One case of the matrix."""

    point: Point
    kind: str
    retried: bool

    @property
    def name(self) -> str:
        """What ``make faults CASE=`` takes."""
        point, retried = self.point, "retried" if self.retried else "once"
        about = f"-{point.shape}" if point.shape else ""
        where = f"{point.story}/{point.label}/{point.operation}{about}.{point.ordinal}"
        return f"fault/{where}/{self.kind.replace(' ', '-')}/{retried}"

    @classmethod
    def of(cls, name: str) -> Cell:
        """The cell of a name.

        Raises:
            ValueError: the name is none.
        """
        _, story, label, call, kind, retried = name.split("/")
        made, _, ordinal = call.rpartition(".")
        operation, _, shape = made.partition("-")
        point = Point(story, label, operation, shape, int(ordinal))
        return cls(point, next(known for known in KINDS if known.replace(" ", "-") == kind), retried == "retried")

    @property
    def rule(self) -> dict[str, Any]:
        """What the injector is told."""
        point = self.point
        return {
            "label": point.label,
            "operation": point.operation,
            "shape": point.shape,
            "ordinal": point.ordinal,
            "kind": self.kind,
            "retried": self.retried,
        }


def points_of(seen: Mapping[str, Iterable[dict[str, Any]]]) -> list[Point]:
    """The calls that stories make, each in the first story that makes it.

    Two calls are the same when the same action makes them for the same, the how manyeth time in one invocation.
    """
    points: dict[tuple[Any, ...], Point] = {}
    for story, lines in seen.items():
        for line in lines:
            if "operation" in line:
                key = (line["label"], line["operation"], line["shape"], line["ordinal"])
                points.setdefault(key, Point(story, *key))
    return list(points.values())


def cells_of(points: Iterable[Point]) -> tuple[list[Cell], Counter[str]]:
    """The cells that can be, and how many cannot, by their reason."""
    cells: list[Cell] = []
    cannot: Counter[str] = Counter()
    for point in points:
        for kind in KINDS:
            for retried in (True, False):
                reason = point.cannot(kind, retried=retried)
                if reason is None:
                    cells.append(Cell(point, kind, retried))
                else:
                    cannot[reason] += 1
    return cells, cannot
