"""The views with the real doors behind them: one learner from the first page to the path, and those who look on."""

import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from werkzeug.datastructures import MultiDict

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.ids import new_uuid
from lti_tool.app import create_app
from lti_tool.lti.errors import RightMissing
from lti_tool.lti.launch import Arrival, Page
from lti_tool.models import Context, Deployment, Enrolment, Launch, Registration, Tenant, User
from lti_tool.settings import Settings
from lti_tool.views.arrivals import page_of
from lti_tool.web import principal as principals
from lti_tool.web.answers import AnswerUnreadable, read_answer
from lti_tool.web.csrf import token_of
from lti_tool.web.principal import Role
from lti_tool.web.thai_sorting import thai_order
from tests.pages import states
from tests.stock import stock

pytestmark = pytest.mark.stocked

ORIGIN = "http://127.0.0.1:8000"
PERSON = UUID("aaaaaaaa-3333-4333-8333-333333333333")


class World:
    """The application on a real database with one agency, one course and one learner in it; `role` says who asks."""

    def __init__(self, database, installation, monkeypatch, now) -> None:
        self.now = now
        self.app = create_app(Settings(data_dir=installation), clock=lambda: self.now, database=database)
        self.app.testing = True
        self.database = database
        with database.transaction() as db:
            self.form = stock(db, now=now)
            tenant = Tenant(key="opdc", name={"th": "ก.พ.ร.", "en": "OPDC"}, home_page="https://opdc.example.go.th", created_at=now)
            db.add(tenant)
            db.flush()  # the rows below name it
            platform = Registration(
                tenant_id=tenant.id,
                issuer="https://lms.example.go.th",
                client_id="c",
                auth_url="https://lms.example.go.th/a",
                token_url="https://lms.example.go.th/t",
                jwks_url="https://lms.example.go.th/j",
                approved_hosts=[],
                frame_origins=["https://lms.example.go.th"],
                created_at=now,
            )
            db.add(platform)
            db.flush()
            deployment = Deployment(tenant_id=tenant.id, registration_id=platform.id, deployment_id="1", created_at=now)
            user = User(
                tenant_id=tenant.id, registration_id=platform.id, sub="7", person_uuid=PERSON, display_name=states.HOSTILE, created_at=now
            )
            db.add_all([deployment, user])
            db.flush()
            context = Context(tenant_id=tenant.id, deployment_id=deployment.id, lti_id="c1", title=states.HOSTILE, created_at=now)
            db.add(context)
            db.flush()
            db.add(
                Enrolment(tenant_id=tenant.id, context_id=context.id, user_id=user.id, roles=["learner"], created_at=now, changed_at=now)
            )
            self.person = replace(
                states.PRINCIPAL,
                tenant_id=tenant.id,
                registration_id=platform.id,
                deployment_id=deployment.id,
                user_id=user.id,
                context_id=context.id,
                context_title=states.HOSTILE,
                person_uuid=PERSON,
                resource_link_id=None,
            )
            for launch in (states.LAUNCH, states.ATTEMPT):
                db.add(
                    Launch(
                        uuid=launch,
                        tenant_id=tenant.id,
                        registration_id=platform.id,
                        deployment_id=deployment.id,
                        user_id=user.id,
                        context_id=context.id,
                        state_hash=str(launch),
                        roles=["learner"],
                        locale="th",
                        target={},
                        framed=False,
                        created_at=now,
                        seen_at=now,
                        expires_at=now + timedelta(hours=12),
                    )
                )
            for role in (None, *range(5)):
                roadmap.place_person(
                    db, tenant_id=tenant.id, person_uuid=PERSON if role is None else new_uuid(), role=None, unit=None, now=now
                )
            roadmap.set_target(
                db, tenant_id=tenant.id, node_key="th-ds-2567#DLIT", min_level=2, role=None, due=None, set_by="agency", now=now
            )
        self.role = Role.LEARNER
        monkeypatch.setattr(principals, "read_principal", self._principal)
        self.client = self.app.test_client()

    def _principal(self, launch):
        with self.database.reading() as db:
            locale = db.query(Launch.locale).filter_by(uuid=launch).scalar()
        return replace(self.person, launch_uuid=launch, roles=frozenset({self.role}), locale=locale)

    def get(self, path, role=Role.LEARNER):
        self.role = role
        return self.client.get(path)

    def post(self, path, fields=(), *, launch=states.LAUNCH, headers=()):
        body = MultiDict(fields)
        body["csrf"] = token_of(launch, self.app.secret)
        return self.client.post(path, data=body, headers={"Origin": ORIGIN, **dict(headers)})

    def start(self, launch=states.LAUNCH):
        return self.post(f"/learn/{launch}/assessment/{self.form.uuid}/start", launch=launch).headers["Location"]


@pytest.fixture
def world(database, installation, monkeypatch, now):
    return World(database, installation, monkeypatch, now)


def fields_of(html):
    """An answer to the item on a page: its hidden fields, and something chosen."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
    fields = [(name, hidden[name]) for name in ("presentation", "kind", "client_id")]
    match hidden["kind"]:
        case "single_choice" | "multiple_choice" | "true_false":
            fields.append(("value", re.findall(r'name="value" value="([^"]+)"', html)[0]))
        case "ordering":
            fields += [(name, str(place)) for place, name in enumerate(re.findall(r'<select id="order-\d+" name="([^"]+)"', html), 1)]
        case "matching":
            targets = re.findall(r'<option value="([^"]+)">', html)
            fields += [(name, targets[index]) for index, name in enumerate(re.findall(r'<select id="match-\d+" name="([^"]+)"', html))]
        case "numeric":
            fields.append(("value", "๔๒"))
        case _:
            fields.append(("value", "คำตอบ"))
    return fields


def sit(world, attempt):
    """Answers every item. Returns the address of the result."""
    for _ in range(world.form.max_items + 1):
        page = world.get(attempt)
        if page.status_code == 303:
            return page.headers["Location"]
        world.now += timedelta(seconds=20)
        reply = world.post(f"{attempt}/responses", fields_of(page.text))
        assert reply.status_code == 303, reply.text
    raise AssertionError("the assessment did not end")


def test_a_learner_walks_from_the_first_page_to_the_path_and_others_see_it(world):
    intro = world.get(f"/learn/{states.LAUNCH}/assessment/{world.form.uuid}")
    result = sit(world, world.start())
    learn = f"/learn/{states.LAUNCH}"
    pages = {
        "intro": world.get(f"{learn}/assessment/{world.form.uuid}"),
        "result": world.get(result),
        "roadmap": world.get(f"{learn}/roadmap"),
        "path": world.get(f"{learn}/path"),
        "class": world.get(f"/teach/{states.LAUNCH}/activities/{world.form.uuid}", Role.INSTRUCTOR),
        "executive": world.get(f"/executive/{states.LAUNCH}/", Role.EXECUTIVE),
        "admin": world.get(f"/admin/{states.LAUNCH}/", Role.ADMINISTRATOR),
    }

    assert intro.status_code == 200
    assert {name: page.status_code for name, page in pages.items()} == dict.fromkeys(pages, 200)
    assert "ดูผลของฉัน" in pages["intro"].text
    assert "การเข้าใจและใช้เทคโนโลยีดิจิทัล" in pages["result"].text
    assert result in pages["roadmap"].text
    assert "เหตุผลของขั้นนี้" in pages["path"].text
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages["class"].text
    assert not any(states.HOSTILE in page.text for page in pages.values())
    assert "ปกปิด" in pages["executive"].text


def test_the_item_page_holds_no_key_no_rationale_and_no_parameter(world):
    page = world.get(world.start()).text

    assert not re.search(r"correct|rationale|theta|\bb=|difficulty|domain", re.sub(r"<script.*?</script>|<link[^>]*>", "", page))


def test_a_script_gets_the_next_item_at_once_and_a_repeat_gets_the_same(world):
    attempt = world.start()
    fields = fields_of(world.get(attempt).text)

    first = world.post(f"{attempt}/responses", fields, headers={"X-Kaona-Script": "1"})
    again = world.post(f"{attempt}/responses", fields, headers={"X-Kaona-Script": "1"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert "ข้อ 2 " in first.text
    assert fields_of(first.text)[0] == fields_of(again.text)[0]
    assert "บันทึกคำตอบล่าสุดแล้วเมื่อ" in first.text


def test_an_incomplete_answer_comes_back_with_what_was_given(world):
    attempt = world.start()
    fields = [field for field in fields_of(world.get(attempt).text) if field[0] in ("presentation", "kind", "client_id")]

    reply = world.post(f"{attempt}/responses", fields)

    assert reply.status_code == 422
    assert 'role="alert"' in reply.text
    assert dict(fields)["client_id"] in reply.text
    assert world.get(attempt).text.count("ข้อ 1 ") >= 1


@pytest.mark.parametrize(("left_out", "status"), [("kind", 409), ("value", 409), ("client_id", 400), ("presentation", 400)])
def test_an_answer_in_part_from_a_locked_page_never_takes_the_attempt_back(world, left_out, status):
    attempt = world.start()
    fields = [field for field in fields_of(world.get(attempt).text) if field[0] in ("presentation", "kind", "client_id")]
    newer = attempt.replace(str(states.LAUNCH), str(states.ATTEMPT), 1)
    theirs = fields_of(world.get(newer).text)

    reply = world.post(f"{attempt}/responses", [field for field in fields if field[0] != left_out])
    kept = world.post(f"{newer}/responses", theirs, launch=states.ATTEMPT)

    assert reply.status_code == status
    assert kept.status_code == 303


def test_what_was_given_to_an_earlier_item_is_not_put_into_the_present_one(world):
    attempt = world.start()
    first = fields_of(world.get(attempt).text)
    world.post(f"{attempt}/responses", first)
    names = ("presentation", "kind", "client_id")

    reply = world.post(
        f"{attempt}/responses", [(name, "other" if name == "client_id" else value) for name, value in first if name in names]
    )

    assert 'value="other"' not in reply.text
    assert reply.status_code == 409


def test_a_kind_that_is_not_the_items_is_refused_as_unreadable_and_nothing_is_stored(world):
    attempt = world.start()
    fields = dict(fields_of(world.get(attempt).text))
    wrong = "multiple_choice" if fields["kind"] != "multiple_choice" else "short_text"

    for kind in (wrong, "essay", ""):
        reply = world.post(f"{attempt}/responses", {**fields, "kind": kind, "value": "a"})
        assert reply.status_code == 422
        assert AnswerUnreadable().sentence("th") in reply.text

    assert "ข้อ 1 " in world.get(attempt).text


def test_the_older_device_is_told_and_nothing_of_it_is_stored(world):
    attempt = world.start()
    fields = fields_of(world.get(attempt).text)
    newer = attempt.replace(str(states.LAUNCH), str(states.ATTEMPT), 1)
    moved = world.get(newer)

    refused = world.post(f"{attempt}/responses", fields)

    assert "ถูกล็อกแล้ว" in moved.text
    assert refused.status_code == 409
    assert "ทำต่อบนอุปกรณ์นี้" in refused.text
    assert "ข้อ 1 " in world.get(newer).text


def test_an_attempt_whose_time_is_over_ends_with_a_result_when_it_is_opened(world):
    attempt = world.start()
    world.post(f"{attempt}/responses", fields_of(world.get(attempt).text))
    world.now += timedelta(minutes=world.form.minutes, seconds=31)  # answers on their way have half a minute

    result = world.get(attempt)

    assert result.status_code == 303
    assert "หมดเวลา" in world.get(result.headers["Location"]).text


def test_a_result_of_somebody_else_is_not_found(world):
    result = sit(world, world.start())
    world.person = replace(world.person, person_uuid=new_uuid())

    assert world.get(result).status_code == 404


def test_the_language_is_kept_on_the_launch_and_leads_back_to_the_page(world):
    back = f"/learn/{states.LAUNCH}/path"

    reply = world.post(f"/learn/{states.LAUNCH}/language", {"language": "en", "back": back})

    assert reply.headers["Location"] == back
    assert '<html lang="en">' in world.get(back).text
    assert "You have no learning path yet" in world.get(back).text


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example",
        "/learn/other/path",
        "",
        "/learn/{launch}/\\evil",
        "/learn/{launch}/a//b",
        "/learn/{launch}/a\r\nX: 1",
        "/learn/{launch}/../../admin/",
        "/learn/{launch}/%2e%2E/other",
        "/learn/{launch}/..",
        "/learn/{launch}/" + "a" * 2000,
    ],
)
def test_a_change_of_language_never_leads_away(world, back):
    reply = world.post(f"/learn/{states.LAUNCH}/language", {"language": "en", "back": back.format(launch=states.LAUNCH)})

    assert reply.headers["Location"] == f"/learn/{states.LAUNCH}/roadmap"


def test_a_step_is_marked_by_the_person(world):
    sit(world, world.start())
    path = f"/learn/{states.LAUNCH}/path"
    address = re.search(rf"{path}/steps/[0-9a-f-]+", world.get(path).text)

    reply = world.post(address.group(), {"state": "under_way"})

    assert reply.status_code == 303
    assert "กำลังทำ" in world.get(path).text


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"kind": "single_choice", "value": "b", "score": "1", "is_correct": "true"}, "b"),
        ({"kind": "multiple_choice", "value": ["a", "c"]}, ["a", "c"]),
        ({"kind": "true_false", "value": "false"}, False),
        ({"kind": "ordering", "order-a": "2", "order-b": "1"}, ["b", "a"]),
        ({"kind": "matching", "match-s1": "t2"}, {"s1": "t2"}),
        ({"kind": "numeric", "value": " ๔๒ "}, "๔๒"),
        ({"kind": "short_text", "value": "สองปัจจัย"}, "สองปัจจัย"),
    ],
)
def test_a_form_becomes_the_value_that_the_room_takes(fields, value):
    answer = read_answer(MultiDict({"presentation": str(PERSON), "client_id": "c", "active_ms": "1500", **fields}))

    assert answer == assessment.Answer(PERSON, "c", value, 1500)
    assert type(answer.value) is type(value)


@pytest.mark.parametrize("state", ["finished", "", None])
def test_a_step_takes_no_other_state(world, state):
    sit(world, world.start())
    path = f"/learn/{states.LAUNCH}/path"
    address = re.search(rf"{path}/steps/[0-9a-f-]+", world.get(path).text)

    reply = world.post(address.group(), {} if state is None else {"state": state})

    assert reply.status_code == 400
    assert "path_step_state_unknown" in reply.text


@pytest.mark.parametrize(("kind", "right"), [("executive", Role.EXECUTIVE), ("admin", Role.ADMINISTRATOR)])
def test_a_link_to_a_page_for_people_with_a_right_refuses_others_with_the_way_on(world, kind, right):
    def lead(*roles):
        message = SimpleNamespace(activity=kind, message_type="LtiResourceLinkRequest")
        platform = SimpleNamespace(tenant_id=1)
        return page_of(None, Arrival(states.LAUNCH, message, frozenset(roles), platform, {}))

    with world.app.test_request_context("/lti/launch"):
        with pytest.raises(RightMissing) as refusal:
            lead(Role.LEARNER, Role.INSTRUCTOR)
        assert lead(Role.LEARNER, right) == Page(f"/{kind}/{states.LAUNCH}/", is_framable=kind != "admin")

    assert (refusal.value.status, refusal.value.code) == (403, "right_missing")
    assert "ขอสิทธิ์" in refusal.value.advice("th")
    assert world.get(f"/{kind}/{states.LAUNCH}/").status_code == 404


def test_the_reason_stands_in_small_print_and_not_in_the_sentence(pages_app):
    page = pages_app.test_client().get(states.address(states.STATES["error-claims"], "th")).text

    assert "<h1>ข้อมูลของกิจกรรมที่ LMS ส่งมาไม่ถูกต้อง</h1>" in page
    assert '<dd lang="en">launch_presentation/locale: type</dd>' in page


def test_the_bare_address_says_in_both_languages_where_the_tool_is_opened(pages_app):
    reply = pages_app.test_client().get("/")

    assert reply.status_code == 200
    assert "โปรดเปิดระบบนี้จากรายวิชาของท่าน" in reply.text
    assert "Open this system from your course" in reply.text


def test_a_path_without_steps_leads_on_to_the_roadmap_and_the_assessment(pages_app):
    page = pages_app.test_client().get(states.address(states.STATES["path-reached"], "th")).text.partition("<main")[2]

    assert f'href="{states.LEARN}/roadmap"' in page
    assert f'href="{states.INTRO}"' in page


def test_the_teacher_reads_one_column_for_each_area_and_marks_with_a_legend(pages_app):
    page = pages_app.test_client().get(states.address(states.STATES["class-mixed"], "th")).text
    people = page.partition('id="people"')[2]

    assert people.count('<th scope="col" role="columnheader">การเข้าใจและใช้เทคโนโลยีดิจิทัล</th>') == 1
    assert len(re.findall(r'<td role="cell"(?: class="bare")? data-label="ผู้นำดิจิทัล">', people)) == 6
    assert '<strong>2</strong> ใช้งานได้<sup aria-hidden="true">\u00a0≈</sup><span class="visually-hidden"> (ใกล้เส้นแบ่งระดับ)</span>' in people
    assert "<li>≈ ใกล้เส้นแบ่งระหว่างสองระดับ</li>" in people


def test_a_form_that_names_no_item_is_unreadable():
    with pytest.raises(AnswerUnreadable):
        read_answer(MultiDict({"presentation": "no", "kind": "single_choice", "value": "a", "client_id": "c"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "essay", "value": "a"},
        {"value": "a"},
        {"kind": "single_choice"},
        {"kind": "true_false", "value": "maybe"},
        {"kind": "multiple_choice"},
        {"kind": "ordering", "order-a": "1", "order-b": "1"},
        {"kind": "ordering"},
        {"kind": "matching", "match-s1": "t1", "match-s2": ""},
    ],
)
def test_an_answer_in_part_has_no_value(fields):
    assert read_answer(MultiDict({"presentation": str(PERSON), "client_id": "c", **fields})).value is None


@pytest.mark.parametrize("active", ["-1", "1.5", "๑๒", "9" * 13, "x"])
def test_a_time_that_makes_no_sense_is_no_time(active):
    assert read_answer(MultiDict({"presentation": str(PERSON), "kind": "numeric", "value": "1", "active_ms": active})).active_ms is None


def test_thai_names_stand_in_the_order_of_the_dictionary():
    names = ["แก้ว", "ขวัญ", "กิตติ", "เกษม", "โกวิท", "กมล", "ไข่มุก", "กานดา"]

    assert sorted(names, key=thai_order) == ["กมล", "กานดา", "กิตติ", "เกษม", "แก้ว", "โกวิท", "ขวัญ", "ไข่มุก"]
