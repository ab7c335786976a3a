"""Time as an argument: the edge reads it once, rules receive it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Gives the present moment, aware, UTC."""


def system_clock() -> datetime:
    """The machine's present moment, aware, UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """One moment as RFC 3339 text in UTC with milliseconds and a Z.

    moment   aware; a naive one is refused
    Raises   ValueError when the moment has no zone
    Source   RFC 3339, section 5.6
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone has no place on the time line")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


BANGKOK = ZoneInfo("Asia/Bangkok")
"""The zone in which days begin and end for people; everything stored is UTC."""


def local_date(moment: datetime) -> date:
    """The calendar day in Thailand at one moment (aware)."""
    return moment.astimezone(BANGKOK).date()
