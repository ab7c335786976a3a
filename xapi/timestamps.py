"""Timestamps as statements and parameters carry them. Pure.

xAPI 2.0 asks for RFC 3339; 1.0.3 also lets a zone be short (`+07`, `+0700`) or missing. `-00`, `-0000` and `-00:00` say "zone unknown"
and are refused by both.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from xapi.vocabulary import V2

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ISO8601 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNKNOWN_ZONES = ("-00", "-0000", "-00:00")


def parse(text: str, version: str = V2) -> datetime | None:
    """The moment that a timestamp names, aware, UTC, cut to microseconds; None when it names none.

    text      a timestamp; without zone (1.0.3 only) it is read as UTC; second 60 is read as second 59
    version   `2.0.0` or `1.0.3`
    Source    RFC 3339, section 5.6; xAPI 1.0.3, Data 4.5
    """
    found = (_RFC3339 if version == V2 else _ISO8601).fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    if zone in _UNKNOWN_ZONES:
        return None
    seconds = "59" if clock.endswith("60") else clock[6:]
    try:
        moment = datetime.fromisoformat(f"{day}T{clock[:6]}{seconds}").replace(tzinfo=UTC)
        return moment.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])) - _offset(zone)
    except (ValueError, OverflowError):
        return None


def in_utc(text: str) -> str:
    """A valid timestamp with zone, said in UTC; digits of the second are kept, at least three stand.

    A timestamp in UTC, without zone or in a leap second is given back as it is.
    Source    IEEE 9274.1.1, 4.2.7 (the LRS returns timestamps in UTC)
    """
    found = None if text.endswith("Z") else _ISO8601.fullmatch(text)
    if found is None or not found[4] or found[4] in "Zz" or found[2].endswith("60"):
        return text
    moment = datetime.fromisoformat(f"{found[1]}T{found[2]}") - _offset(found[4])
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{(found[3] or '').ljust(3, '0')}Z"


def written(moment: datetime) -> str:
    """A moment with microseconds and a Z, as `stored` carries it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def place_of(moment: datetime) -> int:
    """Where a moment stands in the sequence of statements: microseconds since 1970 UTC; exact in a JSON number until the year 2255."""
    return (moment - _EPOCH) // _MICROSECOND


def of_place(place: int) -> str:
    """The moment that a place in the sequence is, as `stored` carries it."""
    second, microsecond = divmod(place, 1_000_000)
    return f"{_second(second)}.{microsecond:06}Z"


def moment_of(place: int) -> datetime:
    """The moment that a place in the sequence is, aware, UTC."""
    return _EPOCH + place * _MICROSECOND


@lru_cache(maxsize=128)
def _second(number: int) -> str:
    return (_EPOCH + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0  # noqa: PLR2004  sign and two digits
    if hours > 23 or minutes > 59:  # noqa: PLR2004  RFC 3339, time-numoffset
        raise ValueError(zone)
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset
