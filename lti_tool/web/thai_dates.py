"""Dates and times for people: Buddhist years and Thai month names, or the English form; always the clock of Bangkok.

Machine forms (`datetime` attributes, exports, statements) stay ISO 8601 in the Common Era; nothing here makes them.
"""

from datetime import date, datetime
from typing import Literal

from kernel.clock import BANGKOK

BUDDHIST_ERA = 543
"""Years that the Buddhist Era is ahead of the Common Era (official since 1 January 2484)."""

Form = Literal["short", "long", "full", "month", "time", "moment"]
"""short 22 พ.ย. 2569; long 22 พฤศจิกายน 2569; full with weekday and พ.ศ.; month without the day; time 09.30 น.; moment short + time."""

THAI_MONTHS = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
THAI_MONTHS_SHORT = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")
THAI_WEEKDAYS = ("จันทร์", "อังคาร", "พุธ", "พฤหัสบดี", "ศุกร์", "เสาร์", "อาทิตย์")
ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ENGLISH_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

THAI_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")


def date_text(when: date | datetime, language: str, form: Form = "short", *, thai_digits: bool = False) -> str:
    """One day or moment in words.

    when         an aware moment, read on the clock of Bangkok, or a calendar day (forms `time` and `moment` need a moment)
    language     `th`, else English
    thai_digits  ๐-๙ in place of 0-9, in Thai text only
    Raises       ValueError for a moment without a zone, or a time asked of a day
    """
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("a moment without a zone has no Thai date")
        when = _in_bangkok(when)
    elif form in {"time", "moment"}:
        raise ValueError("a calendar day has no time")
    if language != "th":
        return _english(when, form)
    text = _thai(when, form)
    return text.translate(THAI_DIGITS) if thai_digits else text


def _in_bangkok(when: datetime) -> datetime:
    """The moment on the clock of Bangkok; at the very ends of the calendar, where that clock has no year, on its own."""
    try:
        return when.astimezone(BANGKOK)
    except OverflowError:
        return when


def _thai(when: date, form: Form) -> str:
    year, month = when.year + BUDDHIST_ERA, when.month - 1
    match form:
        case "short":
            return f"{when.day} {THAI_MONTHS_SHORT[month]} {year}"
        case "long":
            return f"{when.day} {THAI_MONTHS[month]} {year}"
        case "full":
            return f"วัน{THAI_WEEKDAYS[when.weekday()]}ที่ {when.day} {THAI_MONTHS[month]} พ.ศ. {year}"
        case "month":
            return f"{THAI_MONTHS[month]} {year}"
        case "time":
            return f"{when:%H.%M} น."
        case "moment":
            return f"{when.day} {THAI_MONTHS_SHORT[month]} {year} เวลา {when:%H.%M} น."


def _english(when: date, form: Form) -> str:
    name = ENGLISH_MONTHS[when.month - 1]
    match form:
        case "short":
            return f"{when.day} {name[:3]} {when.year}"
        case "long":
            return f"{when.day} {name} {when.year}"
        case "full":
            return f"{ENGLISH_WEEKDAYS[when.weekday()]} {when.day} {name} {when.year}"
        case "month":
            return f"{name} {when.year}"
        case "time":
            return f"{when:%H:%M}"
        case "moment":
            return f"{when.day} {name[:3]} {when.year}, {when:%H:%M}"
