"""Times and spans as people read them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any


def stamp(moment: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def moment(value: Any) -> str:
    """A time of a record, ISO-8601 in UTC; empty where it is none."""
    try:
        return stamp(datetime.fromisoformat(str(value)))
    except ValueError:
        return ""


def duration(span: timedelta) -> str:
    """A span by its two largest units."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
