"""Dates in Thai and English: Buddhist years, the clock of Bangkok, the days where mistakes hide."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lti_tool.web.thai_dates import date_text


@pytest.mark.parametrize(
    ("form", "thai", "english"),
    [
        ("short", "22 พ.ย. 2569", "22 Nov 2026"),
        ("long", "22 พฤศจิกายน 2569", "22 November 2026"),
        ("full", "วันอาทิตย์ที่ 22 พฤศจิกายน พ.ศ. 2569", "Sunday 22 November 2026"),
        ("month", "พฤศจิกายน 2569", "November 2026"),
        ("time", "09.30 น.", "09:30"),
        ("moment", "22 พ.ย. 2569 เวลา 09.30 น.", "22 Nov 2026, 09:30"),
    ],
)
def test_a_moment_reads_in_both_languages_in_every_form(form, thai, english, now):
    assert date_text(now, "th", form) == thai
    assert date_text(now, "en", form) == english


@pytest.mark.parametrize(("day", "thai"), [(date(2024, 2, 29), "29 กุมภาพันธ์ 2567"), (date(2028, 2, 29), "29 กุมภาพันธ์ 2571")])
def test_the_29th_of_february_keeps_its_day_though_its_buddhist_year_divides_by_another_rule(day, thai):
    assert date_text(day, "th", "long") == thai


def test_the_year_changes_at_midnight_in_bangkok():
    before = datetime(2026, 12, 31, 16, 59, 59, tzinfo=UTC)
    after = before + timedelta(seconds=1)

    assert date_text(before, "th", "moment") == "31 ธ.ค. 2569 เวลา 23.59 น."
    assert date_text(after, "th", "moment") == "1 ม.ค. 2570 เวลา 00.00 น."
    assert date_text(after, "en", "moment") == "1 Jan 2027, 00:00"


def test_thai_digits_stand_in_thai_text_only(now):
    assert date_text(now, "th", "moment", thai_digits=True) == "๒๒ พ.ย. ๒๕๖๙ เวลา ๐๙.๓๐ น."
    assert date_text(now, "en", "moment", thai_digits=True) == "22 Nov 2026, 09:30"


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        date_text(datetime(2026, 11, 22, 9, 30), "th")  # noqa: DTZ001


@pytest.mark.parametrize("form", ["time", "moment"])
def test_a_day_has_no_time_to_tell(form):
    with pytest.raises(ValueError, match="no time"):
        date_text(date(2026, 11, 22), "th", form)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2400, 1, 1)))  # noqa: DTZ001
def test_the_buddhist_year_is_always_543_ahead(moment):
    aware = moment.replace(tzinfo=UTC)

    assert int(date_text(aware, "th", "month").split()[-1]) == int(date_text(aware, "en", "month").split()[-1]) + 543


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime.min.replace(tzinfo=UTC), "1 ม.ค. 544 เวลา 06.42 น."),
        (datetime.max.replace(tzinfo=UTC), "31 ธ.ค. 10542 เวลา 23.59 น."),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "1 ม.ค. 544 เวลา 00.00 น."),
    ],
)
def test_a_moment_at_the_end_of_the_calendar_has_a_text_too(moment, text):
    assert date_text(moment, "th", "moment") == text
