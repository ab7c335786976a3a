"""Columns: found or made once, changed with all their members, deleted; by the rules that Moodle was measured to keep (Q22, Q32 to Q44)."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.jobs import line_items
from lti_tool.lti import vocabulary as v
from lti_tool.lti.ags import TAG_WHOLE, column_in, cut_label, filtered_url, find_column, scores_url
from lti_tool.workflows import gradebook, standing
from tests.lti.gradebook_world import COLUMN, COLUMNS, ITEMS, Course, new_course
from tests.lti.lti_world import Answer, Tool

pytestmark = pytest.mark.stocked


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    course = new_course(tool, monkeypatch)
    course.load()
    return course


@pytest.fixture
def roadmap_course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course whose placement needs no assessment."""
    return new_course(tool, monkeypatch)


def placed(course: Course, **values: Any) -> tuple[models.Launch, models.Placement]:
    launch = course.launch()
    return launch, course.place(launch, **({"activity": "roadmap"} | values))


def test_a_placement_that_gives_points_gets_the_column_that_the_link_lacks(roadmap_course: Course):
    _, placement = placed(roadmap_course)

    roadmap_course.settle()

    (item,) = roadmap_course.gradebook.items.values()
    assert {name: item[name] for name in ("label", "scoreMaximum", "resourceLinkId", "resourceId", "tag")} == {
        "label": placement.title, "scoreMaximum": 20.0, "resourceLinkId": "7", "resourceId": str(placement.uuid), "tag": TAG_WHOLE,
    }  # fmt: skip
    (column,) = roadmap_course.columns()
    assert (column.url, column.is_ours, column.filled_at is None) == (item["id"], True, False)


def test_q41_each_call_about_columns_names_exactly_one_media_type(roadmap_course: Course):
    placed(roadmap_course)
    roadmap_course.settle()

    (listed,), (made,) = roadmap_course.gradebook.calls("GET", "/lineitems"), roadmap_course.gradebook.calls("POST", "/lineitems")
    assert listed.headers["accept"] == COLUMNS
    assert (made.headers["accept"], made.headers["content-type"]) == (COLUMN, COLUMN)
    assert scores_url("https://p/1/lineitem?type_id=2") == "https://p/1/lineitem/scores?type_id=2"


def test_q43_a_column_is_looked_for_before_it_is_made_and_limit_is_never_asked(roadmap_course: Course):
    placed(roadmap_course)
    answers = roadmap_course.tool.platform.answers
    usual = answers[ITEMS]

    def makes_it_and_hangs_up(call: Any) -> Answer:
        answer = usual(call)
        return Answer(503) if call.method == "POST" else answer

    answers[ITEMS] = makes_it_and_hangs_up
    for _ in range(4):
        roadmap_course.settle()
        roadmap_course.tool.moment.pass_by(minutes=5)

    assert len(roadmap_course.gradebook.items) == 1
    (column,) = roadmap_course.columns()
    assert column.url == roadmap_course.gradebook.items[1]["id"]
    assert not any("limit" in call.path for call in roadmap_course.tool.platform.calls)


def test_q43_two_workers_and_two_launches_make_one_column(roadmap_course: Course):
    launch, _ = placed(roadmap_course)
    for _ in range(2):
        with roadmap_course.tool.database.transaction() as db:
            gradebook.ensure_columns(db, launch.resource_link_id, roadmap_course.now)
    roadmap_course.settle()

    assert len(roadmap_course.columns()) == len(roadmap_course.gradebook.items) == 1


def test_our_own_row_is_unique_for_its_link_and_area(roadmap_course: Course):
    launch, _ = placed(roadmap_course)
    row = {
        "tenant_id": launch.tenant_id, "registration_id": launch.registration_id, "resource_link_id": launch.resource_link_id,
        "is_ours": True, "scopes": [], "created_at": roadmap_course.now,
    }  # fmt: skip

    with pytest.raises(Exception, match=r"(?i)unique"), roadmap_course.tool.database.transaction() as db:
        db.add_all([models.LineItem(**row), models.LineItem(**row)])


def test_q22_a_link_whose_launch_names_no_column_is_looked_up_by_its_link_id(course: Course):
    course.gradebook.add(resourceLinkId="8")
    url = course.gradebook.add(resourceLinkId="7")
    launch = course.launch()

    course.sit(launch)
    course.settle()

    assert [column.url for column in course.columns()] == [url]
    assert (course.gradebook.grade(2) is None, course.gradebook.calls("POST", "/lineitems")) == (False, [])


def test_q22_an_ungraded_link_stays_ungraded(course: Course):
    launch = course.launch()
    course.sit(launch)
    course.settle()
    course.sit(launch)
    course.settle()

    assert (course.gradebook.items, course.scores()) == ({}, [])
    assert len(course.gradebook.calls("GET", "/lineitems")) == 1  # looked for once a day, whatever people do
    with course.tool.database.reading() as db:
        assert standing.column_view(db, course.teacher(launch)) is None


def test_q32_a_copy_of_a_link_never_takes_the_column_of_its_original(roadmap_course: Course):
    launch, placement = placed(roadmap_course)
    roadmap_course.gradebook.add(resourceLinkId="8", resourceId=str(placement.uuid), tag=TAG_WHOLE)
    mine = roadmap_course.gradebook.add(resourceLinkId="7", resourceId=str(placement.uuid), tag=TAG_WHOLE)

    roadmap_course.settle()

    assert [column.url for column in roadmap_course.columns()] == [mine]
    assert launch.line_item_id is None


def test_q44_area_columns_are_made_only_when_the_designer_asked(course: Course):
    launch, placement = placed(course, activity=f"assessment:{course.form.uuid}")
    course.settle()
    assert len(course.gradebook.items) == 1

    with course.tool.database.transaction() as db:
        db.execute(update(models.Placement).where(models.Placement.id == placement.id).values(has_area_columns=True))
    course.settle()

    tags = [item["tag"] for item in course.gradebook.items.values()]
    assert tags == [TAG_WHOLE, *(domain.competency for domain in course.form.domains)]
    course.sit(launch)
    course.settle()
    shares = {body["scoreGiven"] / body["scoreMaximum"] for body in course.gradebook.bodies()}
    assert (len(course.scores()), len(course.gradebook.bodies()), max(shares)) == (4, 4, 1.0)
    assert all(item["label"].startswith(placement.title) for item in course.gradebook.items.values())


def test_columns_that_come_late_get_the_scores_of_earlier_sittings(course: Course):
    launch, placement = placed(course, activity=f"assessment:{course.form.uuid}")
    course.sit(launch)
    course.settle()
    with course.tool.database.transaction() as db:
        db.execute(update(models.Placement).where(models.Placement.id == placement.id).values(has_area_columns=True))

    course.settle()

    assert sorted(number for number, _ in course.gradebook.grades) == [1, 2, 3, 4]


def test_q43_a_change_sends_back_every_member_that_the_platform_told(roadmap_course: Course):
    _, placement = placed(roadmap_course)
    roadmap_course.settle()
    roadmap_course.gradebook.items[1] |= {"submissionReview": {"reviewableStatus": ["Submitted"]}, "https://lms.example/own": [1]}
    before = dict(roadmap_course.gradebook.items[1])

    with roadmap_course.tool.database.transaction() as db:
        db.execute(update(models.Placement).where(models.Placement.id == placement.id).values(title="ชื่อใหม่", score_maximum=50.0))
        gradebook.placement_changed(db, placement.id, roadmap_course.now)
    roadmap_course.settle()

    assert roadmap_course.gradebook.items[1] == before | {"label": "ชื่อใหม่", "scoreMaximum": 50.0}
    with roadmap_course.tool.database.transaction() as db:
        gradebook.placement_changed(db, placement.id, roadmap_course.now)
    roadmap_course.settle()
    assert len(roadmap_course.gradebook.calls("PUT", "/lineitem")) == 1  # what stands is not sent again


def test_a_column_of_ours_can_be_given_dates_and_be_deleted(roadmap_course: Course):
    placed(roadmap_course)
    roadmap_course.settle()
    with roadmap_course.tool.database.transaction() as db:
        column = db.get_one(models.LineItem, roadmap_course.columns()[0].id)
        line_items.change_column(db, column, now=roadmap_course.now, opens_at=roadmap_course.now, closes_at=roadmap_course.now)
    roadmap_course.settle()
    item = roadmap_course.gradebook.items[1]
    assert item["startDateTime"] == item["endDateTime"]

    with roadmap_course.tool.database.transaction() as db:
        line_items.delete_column(db, db.get_one(models.LineItem, column.id), actor="command", now=roadmap_course.now)
    roadmap_course.settle()

    assert roadmap_course.gradebook.items == {}
    assert roadmap_course.columns()[0].gone_at is not None
    assert roadmap_course.gradebook.calls("POST", "/lineitems") == roadmap_course.gradebook.calls("POST", "/lineitems")[:1]
    assert [entry.event for entry in roadmap_course.tool.rows(models.AuditEntry)][-1] == "line_item.deleted"


def test_a_column_that_somebody_deleted_on_the_platform_is_not_made_again(course: Course):
    launch, _ = placed(course, activity=f"assessment:{course.form.uuid}")
    course.settle()
    course.gradebook.remove(1)

    course.sit(launch)
    course.settle()
    course.tool.moment.pass_by(days=2)
    course.settle()

    assert len(course.gradebook.calls("POST", "/lineitems")) == 1
    assert [score.state for score in course.scores()] == ["parked"]
    assert course.columns()[0].gone_at is not None


def test_q36_a_token_without_the_scope_is_not_used_and_the_cure_is_told(roadmap_course: Course):
    token = json.dumps({"access_token": "t", "expires_in": 3600, "scope": v.SCOPE_SCORE}).encode()
    roadmap_course.tool.platform.answers["/token"] = lambda _: Answer(body=token)
    launch, _ = placed(roadmap_course)

    roadmap_course.settle()

    assert not any(ITEMS in call.path for call in roadmap_course.tool.platform.calls)
    with roadmap_course.tool.database.reading() as db:
        (view,) = standing.column_views(db, roadmap_course.teacher(launch))
    assert (view.is_there, view.fault) == (False, standing.FAULTS["scope_missing"].what)


def test_q7_where_columns_may_only_be_read_none_is_made(roadmap_course: Course):
    endpoint = {"scope": [v.SCOPE_LINE_ITEM_READ, v.SCOPE_SCORE, v.SCOPE_RESULT_READ], "lineitems": roadmap_course.gradebook.url}
    launch = roadmap_course.launch(**{v.AGS_ENDPOINT: endpoint})
    roadmap_course.place(launch, activity="roadmap")

    roadmap_course.settle()

    assert roadmap_course.gradebook.items == {}
    with roadmap_course.tool.database.reading() as db:
        (view,) = standing.column_views(db, roadmap_course.teacher(launch))
    assert view.fault == standing.FAULTS[line_items.COLUMN_MISSING].what


@pytest.mark.parametrize("answer", [Answer(200), Answer(201, b"<html>"), Answer(201, b"[]")])
def test_an_answer_that_does_not_say_where_the_column_is_is_asked_for_again(roadmap_course: Course, answer: Answer):
    placed(roadmap_course)
    answers = roadmap_course.tool.platform.answers
    usual = answers[ITEMS]

    def tells_nothing(call: Any) -> Answer:
        made = usual(call)
        return answer if call.method == "POST" else made

    answers[ITEMS] = tells_nothing
    roadmap_course.settle()
    roadmap_course.tool.moment.pass_by(minutes=1)
    roadmap_course.settle()

    assert len(roadmap_course.gradebook.items) == 1
    assert roadmap_course.columns()[0].url is not None


def test_h41_a_column_on_a_foreign_host_is_not_taken(roadmap_course: Course, other_platform: Any):
    roadmap_course.gradebook.add(resourceLinkId="7")
    roadmap_course.gradebook.items[1]["id"] = f"{other_platform.url}/items/1"
    placed(roadmap_course)

    roadmap_course.settle()

    assert ([column.url for column in roadmap_course.columns()], other_platform.calls) == ([None], [])
    assert [item.last_error for item in roadmap_course.tool.rows(OutboxItem)] == ["host_foreign"]


@pytest.mark.parametrize("rel", ['rel="next"', "rel=\u201cnext\u201d"])
def test_pages_are_followed_by_well_formed_links_alone(roadmap_course: Course, rel: str):
    placed(roadmap_course)
    mine = {"id": f"{roadmap_course.tool.platform.url}/mine", "label": "x", "scoreMaximum": 5, "resourceLinkId": "7", "tag": TAG_WHOLE}
    answers = roadmap_course.tool.platform.answers
    link = f"<{roadmap_course.tool.platform.url}/more>; {rel}".encode().decode("latin-1")
    usual = answers[ITEMS]
    answers[ITEMS] = lambda call: Answer(body=b"[]", headers={"Link": link}) if call.method == "GET" else usual(call)
    answers["/more"] = lambda _: Answer(body=json.dumps([mine]).encode(), headers={"Link": link})

    roadmap_course.settle()

    well_formed = rel.isascii()
    assert roadmap_course.tool.platform.count("/more") == (1 if well_formed else 0)
    assert (roadmap_course.columns()[0].url == mine["id"]) is well_formed


def test_a_next_page_on_a_foreign_host_is_not_asked(roadmap_course: Course, other_platform: Any):
    placed(roadmap_course)
    answers = roadmap_course.tool.platform.answers
    usual = answers[ITEMS]
    link = f'<{other_platform.url}/more>; rel="next"'
    answers[ITEMS] = lambda call: Answer(body=b"[]", headers={"Link": link}) if call.method == "GET" else usual(call)

    roadmap_course.settle()

    assert other_platform.calls == []
    assert roadmap_course.columns()[0].url is not None


def test_a_filter_joins_the_query_that_is_there():
    url = filtered_url("https://p/lineitems?type_id=1", resource_link_id="a&b")
    assert url == "https://p/lineitems?type_id=1&resource_link_id=a%26b"


def test_the_whole_never_takes_the_column_of_an_area():
    found = [
        column_in({"id": "https://p/1", "tag": "th#A"}),
        column_in({"id": "https://p/2", "resourceId": "r"}),
        column_in({"id": "https://p/3"}),
    ]
    columns = [column for column in found if column is not None]
    areas = frozenset({"th#A"})

    assert find_column(columns, tag=TAG_WHOLE, resource_id="r", area_tags=areas).url == "https://p/2"
    assert find_column(columns, tag=TAG_WHOLE, resource_id="other", area_tags=areas).url == "https://p/2"
    assert find_column(columns, tag="th#A", resource_id="r", area_tags=areas).url == "https://p/1"
    assert find_column(columns[:1], tag=TAG_WHOLE, resource_id="r", area_tags=areas) is None


@pytest.mark.parametrize("member", [None, [], {}, {"id": 5}, {"label": "x"}])
def test_what_is_no_line_item_is_none(member: Any):
    assert column_in(member) is None


@pytest.mark.parametrize("maximum", [0, -1, None, "5", True, float("inf")])
def test_a_maximum_that_is_none_is_not_believed(maximum: Any):
    assert column_in({"id": "https://p/1", "scoreMaximum": maximum}).maximum is None


def test_a_label_of_300_characters_is_cut_between_letters():
    label = "กิ่" * 100

    cut = cut_label(label)

    assert (len(cut) <= 255, cut.endswith("กิ่…"), cut_label("ชื่อ  \n สั้น"), cut_label(" ")) == (True, True, "ชื่อ สั้น", "Kaona")


@given(st.text(alphabet="กำิ์่a\u0301👍🏽\u200d👩🎓 ", min_size=1), st.integers(4, 40))
def test_a_cut_label_never_begins_a_letter_that_it_does_not_end(text: str, limit: int):
    cut = cut_label(text, limit)
    whole = " ".join(text.split())

    assert len(cut) <= limit
    if whole and len(whole) > limit and len(cut) > 2:
        kept = len(cut) - 1
        follows = whole[kept:].lstrip(" ")[0]
        at_blank = whole[kept] == " "
        assert at_blank or not (unicodedata.category(follows).startswith("M") or follows in "ำ\u200d🏽")


def test_a_label_that_the_platform_would_choke_on_is_cut_before_it_is_sent(roadmap_course: Course):
    placed(roadmap_course, title="ก" * 300)

    roadmap_course.settle()

    assert len(roadmap_course.gradebook.items[1]["label"]) == 255
