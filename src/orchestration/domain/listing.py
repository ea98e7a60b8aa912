"""What a sweep lists of what AWS tells by events, and what of that was heard. Pure.

Events are best effort, so a sweep lists what ended or turned red in a stretch of time and looks for what nobody heard of. All that
it remembers is where the last stretch ended. A stretch that holds more than one call lists is taken again, half as long: so
a sweep makes the same few calls whatever else the account runs, and nothing is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from orchestration.domain.contracts import ALARM_STATE_CHANGE, PROCESSING_JOB_STATE_CHANGE
from orchestration.domain.json_values import mapping, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

SETTLED: Final = timedelta(minutes=10)
"""What happened less long ago is not listed yet: its event may be on its way, and lists are consistent a little later."""

FIRST: Final = timedelta(days=2)
"""How far back the first listing looks; longer than any rule retries."""

BEHIND: Final = timedelta(days=3)
"""A list that came no further than this is told of, which the first one never is. CloudWatch keeps an alarm's history for 30 days."""

NARROWEST: Final = timedelta(seconds=1)
"""A stretch as short as this is listed to its end, however many calls that takes."""

LISTED_AGAIN: Final = timedelta(hours=1)
"""Where nothing is found, the next sweep lists the same stretch and what came since, which is no call more; until it is this long."""

SAME: Final = timedelta(seconds=2)
"""Two times of one change: the event's and a list's are not documented to be equal to the millisecond."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time; ``since`` and ``until`` are aware datetimes."""

    since: datetime
    until: datetime

    @property
    def narrowest(self) -> bool:
        """True when it is listed to its end."""
        return self.until - self.since <= NARROWEST


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """What a stretch shows. Not ``complete``: it holds more than one call lists, and nothing of it is given.

    ``until`` where what came first was given, in order: all of before is shown, and the rest is another stretch's.
    """

    found: tuple[T, ...]
    complete: bool = True
    until: datetime | None = None


def stretch_after(listed: Mapping[str, Any] | None, horizon: datetime) -> Stretch | None:
    """The stretch to list now, None when there is none.

    Args:
        listed: ``{"until", "seconds"?}`` as ``noted`` gave it, None before the first listing.
        horizon: up to when is listed.
    """
    if listed is None:
        since = horizon - FIRST
    elif "seen" in listed:
        # The release before remembered what it had listed. To go with the next one.
        since = datetime.fromisoformat(listed["until"]) - SETTLED if "until" in listed else horizon - FIRST
    else:
        since = datetime.fromisoformat(listed["until"])
    seconds = (listed or {}).get("seconds")
    until = horizon if seconds is None else min(horizon, since + timedelta(seconds=seconds))
    return Stretch(since, until) if since < until else None


def noted(stretch: Stretch, *, complete: bool) -> dict[str, Any]:
    """Where the next stretch begins after one that was listed, and how many seconds it has at most.

    Args:
        stretch: what was listed.
        complete: whether all of it was shown.
    """
    seconds = (stretch.until - stretch.since).total_seconds()
    if not complete:
        return {"until": stretch.since.isoformat(), "seconds": max(seconds / 2, NARROWEST.total_seconds())}
    return {"until": stretch.until.isoformat(), "seconds": seconds * 2}


def remembered(listed: Mapping[str, Any], began: datetime | None, settled: datetime) -> dict[str, Any]:
    """What the next sweep goes on from.

    Args:
        listed: what ``noted`` gave last.
        began: where this sweep began to list, None where it was the first.
        settled: what happened later is listed once more, whole; but no sweep goes back.
    """
    until = datetime.fromisoformat(listed["until"])
    if until < settled:
        return dict(listed)
    return {"until": min(until, max(settled, began or settled)).isoformat()}


@dataclass(frozen=True, slots=True)
class Heard:
    """That an event of AWS's was judged. ``name`` is whose it is; ``at`` when an alarm turned red, empty for a job, which ends once."""

    name: str
    at: str = ""

    @classmethod
    def job(cls, name: str) -> Heard:
        """The end of a processing job. Of an account, its name is unique."""
        return cls(f"job:{name}")

    @classmethod
    def alarm(cls, name: str, at: str) -> Heard:
        """That an alarm turned red at an ISO-8601 time."""
        return cls(f"alarm:{name}", at)

    def same(self, other: Heard | None) -> bool:
        """True when both are of one event."""
        if other is None or other.name != self.name:
            return False
        if self.at == other.at:
            return True
        try:
            return abs(datetime.fromisoformat(self.at) - datetime.fromisoformat(other.at)) <= SAME
        except (ValueError, TypeError):
            return False


SAYS_NOTHING: Final = frozenset(
    {Reason.UNMANAGED_MONITOR, Reason.UNMANAGED_ENDPOINT, Reason.NOT_A_MONITOR_RUN, Reason.MERGE_JOB}
)
"""Why the end of a job is ignored for good; any other reason may be gone when it is looked at again."""


def heard_of(event: Any, found: Signal | Rejection | Ignored) -> Heard | None:
    """What a sweep need not look for any more once ``found`` was made of an event; None where that is not sure.

    What is not proven to be a monitor's run was not heard of: the run of a schedule may be listed later, and is decided as
    what it is then.
    """
    if isinstance(found, Ignored):
        if found.reason not in SAYS_NOTHING:
            return None
    elif found.unproven:
        return None
    detail, kind = mapping(mapping(event).get("detail")), mapping(event).get("detail-type")
    if kind == PROCESSING_JOB_STATE_CHANGE and (job := text(detail.get("ProcessingJobName"), 63)):
        return Heard.job(job)
    at = text(mapping(detail.get("state")).get("timestamp"), 60)
    if kind == ALARM_STATE_CHANGE and at and (alarm := text(detail.get("alarmName"), 255)):
        return Heard.alarm(alarm, at)
    return None
