"""Sessions and pages after a launch: whose they are, how long they live, who may write, who may frame."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import g
from werkzeug.test import Client, TestResponse

from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role, revoke_role
from lti_tool.lti.sessions import end_other_sessions, hold_session, sweep_sessions
from lti_tool.web.csrf import token_of
from lti_tool.web.principal import Role, require
from tests.lti.lti_world import CLIENT_ID, SECRET, TOOL, Tool, code_of

SESSION = "__Host-kaona-session"


@pytest.fixture
def tool(tool: Tool) -> Iterator[Tool]:
    """The tool with three pages of the test's own behind the real guard."""

    def page(launch: UUID) -> Any:
        who = g.principal
        return {"person": str(who.person_uuid), "roles": sorted(who.roles), "launch": str(launch), "name": who.display_name}

    for path, roles in (("learn", [Role.LEARNER]), ("teach", [Role.INSTRUCTOR]), ("executive", [Role.EXECUTIVE])):
        tool.app.add_url_rule(f"/{path}/<uuid:launch>/probe", path + "-probe", require(*roles)(page), methods=["GET", "POST"])
    return tool


def look(tool: Tool, launch: UUID, path: str = "learn", browser: Client | None = None) -> TestResponse:
    return (browser or tool.browser).get(f"/{path}/{launch}/probe", base_url=TOOL, headers={"Accept": "text/html"})


def write(tool: Tool, launch: UUID, *, origin: str | None = TOOL, token: str | None = None, field: str | None = None) -> TestResponse:
    headers = {"Accept": "text/html"} | ({"Origin": origin} if origin else {}) | ({"X-Kaona-Csrf": token} if token else {})
    return tool.browser.post(f"/learn/{launch}/probe", base_url=TOOL, headers=headers, data={"csrf": field} if field else {})


def test_the_cookie_and_the_launch_in_the_path_open_the_page(tool: Tool):
    launch = tool.launched()

    (user,) = tool.rows(models.User)
    assert look(tool, launch).get_json() == {
        "person": str(user.person_uuid), "roles": ["learner"], "launch": str(launch), "name": "สมชาย ใจดี",
    }  # fmt: skip


def test_h25_a_session_cookie_set_before_the_launch_is_replaced(tool: Tool):
    planted = "p" * 43
    tool.browser.set_cookie(SESSION, planted, domain="127.0.0.1")

    launch = tool.launched()

    cookie = tool.browser.get_cookie(SESSION, domain="127.0.0.1")
    assert cookie is not None
    assert cookie.value != planted
    assert look(tool, launch).status_code == 200
    assert cookie.value not in str([row.__dict__ for row in tool.rows(models.Launch)])


def test_h25_every_launch_gives_a_new_cookie_and_ends_the_one_before(tool: Tool):
    first = tool.launched()
    old = tool.browser.get_cookie(SESSION, domain="127.0.0.1")
    other = tool.new_browser()
    second = tool.launched(other)

    assert old is not None
    assert look(tool, second, browser=other).status_code == 200
    assert (look(tool, first).status_code, code_of(look(tool, first))) == (401, "session_missing")


def test_s07_a_role_that_was_taken_away_is_gone_from_the_older_page_too(tool: Tool):
    teacher = tool.launched(**{v.ROLES: ["Instructor", "Learner"]})
    assert look(tool, teacher, "teach").status_code == 200

    tool.launched(**{v.ROLES: ["Learner"]})

    assert look(tool, teacher, "teach").status_code == 404
    assert look(tool, teacher, "learn").status_code == 200


def test_s07_a_role_in_one_course_is_none_in_another(tool: Tool):
    teacher = tool.launched(**{v.ROLES: ["Instructor"], v.CONTEXT: {"id": "a"}})
    learner = tool.launched(**{v.ROLES: ["Learner"], v.CONTEXT: {"id": "b"}})

    assert (look(tool, teacher, "teach").status_code, look(tool, learner, "teach").status_code) == (200, 404)


def test_s19_a_page_of_another_person_is_refused_in_words(tool: Tool):
    mine = tool.launched()
    tool.launched(sub="u-2")

    response = look(tool, mine)

    assert (response.status_code, code_of(response)) == (409, "other_person")
    assert write(tool, mine, token=token_of(mine, SECRET)).status_code == 409


def test_s18_a_session_ends_after_an_idle_hour_and_after_twelve_hours(tool: Tool):
    launch = tool.launched()
    for _ in range(24):
        tool.moment.pass_by(minutes=29, seconds=59)
        assert look(tool, launch).status_code == 200
    tool.moment.pass_by(minutes=1)
    assert code_of(look(tool, launch)) == "session_missing"  # twelve hours

    launch = tool.launched()
    tool.moment.pass_by(minutes=59)
    assert look(tool, launch).status_code == 200
    tool.moment.pass_by(minutes=61)
    assert code_of(look(tool, launch)) == "session_missing"


def test_s18_a_running_sitting_keeps_its_session(tool: Tool):
    launch = tool.launched()
    with tool.database.transaction() as db:
        hold_session(db, launch, until=tool.moment.now.replace(hour=5))

    tool.moment.pass_by(minutes=149)
    assert look(tool, launch).status_code == 200
    tool.moment.pass_by(hours=3)
    assert look(tool, launch).status_code == 401


def test_a_blocked_person_is_refused_at_the_next_request(tool: Tool):
    launch = tool.launched()
    with tool.database.transaction() as db:
        db.query(models.User).update({"blocked_at": tool.moment.now})

    assert code_of(look(tool, launch)) == "person_blocked"


def test_a_platform_that_was_switched_off_has_no_sessions(tool: Tool):
    launch = tool.launched()
    with tool.database.transaction() as db:
        db.query(models.Registration).update({"disabled_at": tool.moment.now})

    assert look(tool, launch).status_code == 404
    tool.moment.pass_by(seconds=6)  # so long a process may remember a registration
    assert code_of(tool.login().response) == "issuer_unknown"


def test_ended_and_swept_sessions_leave_no_way_back(tool: Tool):
    launch = tool.launched()
    with tool.database.transaction() as db:
        assert end_other_sessions(db, user_id=tool.rows(models.User)[0].id, token="") == 1
    assert look(tool, launch).status_code == 401

    tool.launched()
    tool.moment.pass_by(hours=13)
    with tool.database.transaction() as db:
        assert sweep_sessions(db, now=tool.moment.now) == 1
    assert [(row.session_hash, row.return_url) for row in tool.rows(models.Launch)] == [(None, None), (None, None)]


def test_h26_a_write_from_another_origin_with_the_cookie_alone_is_forbidden(tool: Tool):
    launch = tool.launched()
    token = token_of(launch, SECRET)

    for origin, sent in (
        ("https://evil.example", None),
        ("https://evil.example", token),
        ("null", token),
        (None, token),
        (TOOL, None),
        (TOOL, "x" * 64),
    ):
        response = write(tool, launch, origin=origin, token=sent)
        assert (response.status_code, code_of(response)) == (403, "foreign_request"), (origin, sent)
    assert write(tool, launch, token=token_of(uuid4(), SECRET)).status_code == 403
    assert write(tool, launch, token=token).status_code == 200
    assert write(tool, launch, field=token).status_code == 200


def test_h27_only_the_registered_platform_may_frame_a_page(tool: Tool):
    framed = look(tool, tool.launched()).headers["Content-Security-Policy"]
    unknown = tool.browser.get("/healthz", base_url=TOOL).headers["Content-Security-Policy"]

    assert f"frame-ancestors 'self' {tool.platform.url}" in framed
    assert "frame-ancestors 'none'" in unknown


def test_h28_a_learner_finds_no_page_of_other_roles_and_no_launch_of_others(tool: Tool):
    launch = tool.launched()

    assert [look(tool, launch, path).status_code for path in ("teach", "executive")] == [404, 404]
    assert tool.browser.get(f"/admin/{launch}/", base_url=TOOL).status_code == 404
    assert tool.browser.get(f"/executive/{launch}/", base_url=TOOL).status_code == 404
    assert tool.browser.get(f"/learn/{launch}/attempts/{uuid4()}", base_url=TOOL).status_code == 404
    assert look(tool, uuid4()).status_code == 404


def test_h28_a_grant_opens_its_page_and_its_end_closes_it_at_once(tool: Tool):
    who: dict[str, Any] = {"issuer": tool.platform.url, "client_id": CLIENT_ID, "sub": "u-1", "role": "executive", "now": tool.moment.now}
    launch = tool.launched()
    with tool.database.transaction() as db:
        assert grant_role(db, **who)
        assert not grant_role(db, **who)
    assert look(tool, launch, "executive").status_code == 200

    with tool.database.transaction() as db:
        assert revoke_role(db, **who)
    assert look(tool, launch, "executive").status_code == 404


def test_h29_an_answer_has_no_place_for_points_or_for_being_right():
    import dataclasses

    from assessment.api import Answer

    told = {"presentation_uuid", "client_id", "value", "active_ms", "away_count", "away_ms", "is_flagged", "is_leaving"}
    assert {field.name for field in dataclasses.fields(Answer)} == told


LISTENER = re.compile(r"addEventListener\(\s*[\"']message[\"']|\bonmessage\s*=")


def test_h35_no_script_of_ours_listens_to_messages_without_asking_where_they_come_from():
    folder = Path(__file__).resolve().parents[2] / "lti_tool" / "static"
    scripts = {path.name: path.read_text() for path in folder.rglob("*.js")}
    assert scripts

    careless = [name for name, text in scripts.items() if LISTENER.search(text) and ".origin" not in text]

    assert careless == []


def test_h35_the_rule_for_listeners_can_fail():
    assert LISTENER.search('window.addEventListener("message", (event) => save(event.data))')
    assert LISTENER.search("window.onmessage = save")


def test_no_cookie_no_page(tool: Tool):
    launch = tool.launched()

    response = look(tool, launch, browser=tool.new_browser())

    assert (response.status_code, code_of(response)) == (401, "session_missing")


def test_every_answer_carries_the_headers_of_safety(tool: Tool):
    for response in (look(tool, tool.launched()), tool.launch(exp=1), tool.browser.get("/nowhere", base_url=TOOL)):
        headers = response.headers
        policy = headers["Content-Security-Policy"]
        for part in ("default-src 'self'", "script-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"):
            assert part in policy
        assert "unsafe" not in policy
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")
        assert "no-store" in headers["Cache-Control"]
        assert "X-Frame-Options" not in headers


def test_s30_the_pages_of_one_launch_answer_so_often_in_a_minute_and_those_of_others_go_on(tool: Tool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tool.app, "settings", tool.app.settings.model_copy(update={"requests_per_minute": 3}))
    other = tool.new_browser()
    launch, others = tool.launched(), tool.launched(other, sub="u-2")

    statuses = [look(tool, launch).status_code for _ in range(4)]
    refused = look(tool, launch)

    assert statuses == [200, 200, 200, 429]
    assert code_of(refused) == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert look(tool, others, browser=other).status_code == 200
    tool.moment.pass_by(seconds=int(refused.headers["Retry-After"]))
    assert look(tool, launch).status_code == 200
