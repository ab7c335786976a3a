"""A launch that is as it should be: what it makes, where it leads, what the browser gets."""

from urllib.parse import parse_qs, urlsplit

import pytest

from lti_tool import logs, models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from tests.lti.lti_world import CLIENT_ID, KEYS, TOOL, Tool, assert_refused, code_of, sign


def test_a_login_leads_to_the_platforms_sign_in_with_a_state_of_ours(tool: Tool):
    login = tool.login()

    assert login.response.status_code == 302
    assert login.url.startswith(f"{tool.platform.url}/auth?")
    assert {name: login.query[name] for name in login.query.keys() - {"state", "nonce"}} == {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{TOOL}/lti/launch",
        "login_hint": "u-1",
        "lti_message_hint": '{"cmid":3,"launchid":"x"}',
    }
    assert min(len(login.state), len(login.nonce)) >= 43  # 256 bits
    assert tool.rows(models.LongLogin) == []  # a login costs no row


def test_a_login_by_get_is_taken_too(tool: Tool):
    query = {"iss": tool.platform.url, "login_hint": "u-1", "target_link_uri": TOOL, "client_id": CLIENT_ID}

    response = tool.browser.get("/lti/login", query_string=query, base_url=TOOL)

    assert response.status_code == 302


def test_a_login_without_client_id_is_taken_when_the_issuer_has_one(tool: Tool):
    assert tool.login(client_id=None).response.status_code == 302


def test_both_cookies_are_bound_to_the_host_and_work_in_a_frame(tool: Tool):
    login = tool.login()
    launch = tool.post(login.state, sign(tool.claims(login)))

    for response in (login.response, launch):
        name, *attributes = response.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Host-kaona-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"} <= set(attributes)
        assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_two_logins_in_one_browser_finish_in_any_order(tool: Tool):
    first, second = tool.login(), tool.login()

    responses = [tool.post(login.state, sign(tool.claims(login))) for login in (second, first)]

    assert [response.status_code for response in responses] == [303, 303]


def test_a_first_launch_makes_the_person_the_course_the_link_the_role_and_the_column(tool: Tool):
    launch = tool.launched()

    (user,) = tool.rows(models.User)
    (context,) = tool.rows(models.Context)
    (link,) = tool.rows(models.ResourceLink)
    (enrolment,) = tool.rows(models.Enrolment)
    (line_item,) = tool.rows(models.LineItem)
    (row,) = tool.rows(models.Launch)
    assert (user.sub, user.display_name, user.blocked_at) == ("u-1", "สมชาย ใจดี", None)
    assert user.person_uuid.version == 4
    assert (context.lti_id, context.title) == ("course-1", "รายวิชา")
    assert (link.lti_id, link.context_id) == ("link-1", context.id)
    assert (enrolment.roles, enrolment.user_id, enrolment.context_id) == (["learner"], user.id, context.id)
    assert (line_item.url, line_item.resource_link_id) == (f"{tool.platform.url}/items/1/lineitem?type_id=1", link.id)
    assert (row.uuid, row.user_id, row.context_id, row.line_item_id, row.locale) == (launch, user.id, context.id, line_item.id, "th")


def test_a_second_launch_makes_nothing_twice_and_takes_over_what_changed(tool: Tool):
    tool.launched()
    tool.launched(name="สมหญิง ใจดี", **{v.CONTEXT: {"id": "course-1", "title": "รายวิชาใหม่"}, v.ROLES: ["Instructor"]})

    assert [user.display_name for user in tool.rows(models.User)] == ["สมหญิง ใจดี"]
    assert [context.title for context in tool.rows(models.Context)] == ["รายวิชาใหม่"]
    assert [enrolment.roles for enrolment in tool.rows(models.Enrolment)] == [["instructor"]]
    assert (len(tool.rows(models.ResourceLink)), len(tool.rows(models.LineItem))) == (1, 1)


def test_a_name_that_is_no_longer_sent_is_forgotten(tool: Tool):
    tool.launched()
    tool.launched(name=None)

    assert [user.display_name for user in tool.rows(models.User)] == [None]


def test_a_learner_enters_the_agencys_scope_and_a_teacher_does_not(tool: Tool):
    from roadmap.models import PersonScope

    tool.launched()
    tool.launched()
    tool.launched(tool.new_browser(), sub="teacher", **{v.ROLES: ["Instructor"]})

    learner = tool.rows(models.User)[0]
    assert [(member.tenant_id, member.person_uuid) for member in tool.rows(PersonScope)] == [(learner.tenant_id, learner.person_uuid)]


@pytest.mark.parametrize(("locale", "shown"), [("th", "th"), ("en-GB", "en"), ("th_TH", "th"), ("xx", "th"), (None, "th")])
def test_the_platforms_locale_is_the_language(tool: Tool, locale: str | None, shown: str):
    tool.launched(**{v.LAUNCH_PRESENTATION: {"locale": locale}})

    assert [row.locale for row in tool.rows(models.Launch)] == [shown]


def test_the_way_back_is_kept_only_when_it_leads_to_the_platform(tool: Tool):
    tool.launched()
    tool.launched(**{v.LAUNCH_PRESENTATION: {"return_url": "https://evil.example/"}})
    tool.launched(**{v.LAUNCH_PRESENTATION: {"return_url": "javascript:alert(1)"}})

    assert [row.return_url for row in tool.rows(models.Launch)] == [f"{tool.platform.url}/return?sesskey=x", None, None]


@pytest.mark.parametrize(("place", "framed"), [("iframe", True), ("document", False), (None, True)])
def test_a_launch_for_a_frame_that_was_begun_again_in_a_tab_offers_the_way_back(tool: Tool, place: str | None, *, framed: bool):
    login = tool.login()
    data = {"state": login.state, "id_token": sign(tool.claims(login))}

    tool.browser.post("/lti/launch", data=data, base_url=TOOL, headers={"Sec-Fetch-Dest": place} if place else {})

    assert [row.framed for row in tool.rows(models.Launch)] == [framed]


def test_h41_a_column_or_roster_on_a_foreign_host_is_not_kept(tool: Tool):
    tool.launched(**{
        v.AGS_ENDPOINT: {"scope": sorted(v.AGS_SCOPES), "lineitem": "https://evil.example/items/1"},
        v.NRPS_SERVICE: {"context_memberships_url": "https://evil.example/members"},
    })  # fmt: skip

    assert tool.rows(models.LineItem) == []
    assert [context.memberships_url for context in tool.rows(models.Context)] == [None]
    assert [row.line_item_id for row in tool.rows(models.Launch)] == [None]


def _grant(tool: Tool, sub: str, *roles: str) -> None:
    with tool.database.transaction() as db:
        for role in roles:
            grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub=sub, role=role, now=tool.moment.now)


@pytest.mark.parametrize(
    ("target", "activity", "roles", "path"),
    [
        ("/open/roadmap", None, ["Learner"], "/learn/{launch}/roadmap"),
        ("/open/path", None, ["Learner"], "/learn/{launch}/path"),
        ("/lti/launch", "roadmap", ["Learner"], "/learn/{launch}/roadmap"),
        ("/open/roadmap", "$activity", ["Learner"], "/learn/{launch}/roadmap"),
        ("/open/executive", None, ["Learner"], "/executive/{launch}/"),
        ("/open/admin", None, ["Learner"], "/admin/{launch}/"),
    ],
)
def test_a_launch_leads_to_the_page_that_its_link_names(tool: Tool, target: str, activity: str | None, roles: list[str], path: str):
    claims = {v.TARGET_LINK_URI: TOOL + target, v.ROLES: roles, v.CUSTOM: {"Activity": activity} if activity else None}
    claims[v.LAUNCH_PRESENTATION] = {"document_target": "window"}
    _grant(tool, "boss", "executive", "administrator")

    response = tool.launch(sub="boss", **claims)

    (row,) = tool.rows(models.Launch)
    assert response.headers["Location"] == path.format(launch=row.uuid)


def test_a_person_with_a_grant_and_no_role_in_the_course_is_let_in(tool: Tool):
    _grant(tool, "boss", "executive")

    response = tool.launch(sub="boss", **{v.ROLES: [], v.TARGET_LINK_URI: f"{TOOL}/lti/launch"})

    assert response.headers["Location"].startswith("/executive/")


def test_a_person_without_any_role_is_told_so(tool: Tool):
    assert_refused(tool, tool.launch(**{v.ROLES: ["http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"]}), "role_unknown")


def test_a_blocked_person_is_refused_at_launch(tool: Tool):
    tool.launched()
    with tool.database.transaction() as db:
        db.query(models.User).update({"blocked_at": tool.moment.now})

    assert_refused(tool, tool.launch(), "person_blocked", 401)


def test_a_browser_that_kept_no_cookie_gets_the_offer_of_a_new_window(tool: Tool):
    login = tool.login()

    response = tool.post(login.state, sign(tool.claims(login)), tool.new_browser())

    assert_refused(tool, response, "binding_missing")
    offered = response.text.split('href="' + TOOL + "/lti/login?")[1].split('"')[0].replace("&amp;", "&")
    assert parse_qs(offered)["lti_message_hint"] == ['{"cmid":3,"launchid":"x"}']
    assert 'target="_blank"' in response.text


def test_a_refusal_may_be_shown_in_the_frame_of_its_platform(tool: Tool):
    response = tool.launch(exp=1)

    assert f"frame-ancestors 'self' {tool.platform.url}" in response.headers["Content-Security-Policy"]


def test_the_launch_address_opened_by_hand_explains_itself(tool: Tool):
    response = tool.browser.get("/lti/launch", base_url=TOOL)

    assert (response.status_code, code_of(response)) == (400, "state_unknown")


def test_a_login_that_took_too_long_is_refused_in_words(tool: Tool):
    login = tool.login()
    tool.moment.pass_by(seconds=601)

    assert_refused(tool, tool.post(login.state, sign(tool.claims(login))), "state_expired")


def test_the_key_set_of_the_tool_is_public_and_may_be_cached(tool: Tool):
    response = tool.browser.get("/lti/jwks.json", base_url=TOOL)

    (key,) = response.get_json()["keys"]
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_an_installation_without_keys_makes_its_first_when_asked(tool: Tool):
    with tool.database.transaction() as db:
        db.query(models.ToolKey).delete()

    assert len(tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json()["keys"]) == 1


def test_nothing_of_a_token_reaches_the_log(tool: Tool, capsys: pytest.CaptureFixture[str]):
    logs.configure("INFO")  # to the stream that this test reads
    login = tool.login()
    good, bad = sign(tool.claims(login)), sign(tool.claims(login), KEYS[2], header={"kid": "key-0"})
    tool.post(login.state, bad)
    tool.post(login.state, good)

    logged = capsys.readouterr().err
    assert "signature_invalid" in logged
    for secret in (*good.split("."), *bad.split("."), login.state, login.nonce, "สมชาย", urlsplit(login.url).query):
        assert secret not in logged
