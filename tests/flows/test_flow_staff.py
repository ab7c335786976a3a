"""What the teacher and the executive see, over HTTP, on both databases."""

import re
from urllib.parse import urlencode

import requests

from tests.flows.house import ASSESSMENT, EXECUTIVE, MARKUP, OVERVIEW, TEACHER
from tests.flows.walker import visible

SENT = "ส่งไปยังรายวิชาแล้ว"
HIDDEN = "ปกปิด"


def rows_of(page: requests.Response) -> list[str]:
    """The lines of the page's tables as they are written."""
    return re.findall(r'<tr role="row">\s*(<th scope="row" role="rowheader">.*?)</tr>', page.text, re.DOTALL)


def test_a_teacher_sees_who_stands_where_in_their_own_course_alone(house, learner):
    learner.sit()
    house.work()

    with house.far.browser(TEACHER) as browser:
        page = browser.open_activity(ASSESSMENT)
        assert f"/activities/{house.form.uuid}" in page.url
        page = browser.get(f"{page.url}?{urlencode({'q': learner.official.name['th']})}")  # the class has several pages

    (row,) = [row for row in rows_of(page) if f">{learner.official.name['th']}<" in row]
    assert "เสร็จแล้ว" in row
    assert row.count("<strong>") == 3
    assert SENT in row
    assert MARKUP["th"] not in visible(page)


def test_an_executive_sees_shares_and_no_figure_of_a_group_below_five(quiet_house):
    with quiet_house.far.browser(EXECUTIVE) as browser:
        page = browser.open_activity(OVERVIEW)
    text = visible(page)

    assert "/executive/" in page.url
    assert len(re.findall(r"\d+\s?%", text)) >= 6
    assert page.text.count(f'<span class="masked">{HIDDEN}</span>') >= 4
    small = [row for row in rows_of(page) if "&lt;img src=x" in row]
    assert small, "the small agency has no row"
    for row in small:
        cells = re.findall(r"<span>(.*?)</span></td>", row, re.DOTALL)
        told = [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]
        assert set(told) <= {HIDDEN, "ไม่มีเป้าหมาย"}
        assert HIDDEN in told


def test_no_filter_of_the_executive_page_shows_what_is_hidden(quiet_house):
    with quiet_house.far.browser(EXECUTIVE) as browser:
        page = browser.open_activity(OVERVIEW)
        links = sorted({link.replace("&amp;", "&") for link in re.findall(r'href="(/executive/[^"]+\?[^"]+)"', page.text)})
        assert len(links) >= 4
        for link in links:
            filtered = browser.get(quiet_house.url + link)
            for row in [one for one in rows_of(filtered) if "&lt;img src=x" in one]:
                assert not re.search(r"\d+\s?%", row), link
