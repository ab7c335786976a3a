"""The demo LMS as OpenID provider, judged by Moodle's measured behaviour (facts Q1-Q24) through real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from lti_tool.dev.lms import names
from tests.lms_harness import (
    ADMINISTRATOR,
    ASSISTANT,
    COURSE_ID,
    EXECUTIVE,
    FOR_EXECUTIVES,
    GRADED,
    LEARNER,
    OTHER_LEARNER,
    PEOPLE,
    TEACHER,
    UNGRADED,
    Pair,
    make_course,
    make_tool,
    running_pair,
    verified_claims,
    with_person,
)


@pytest.fixture(scope="module")
def shared_pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    shared_pair.tool.changes = {}
    return shared_pair


def initiation_of(pair: Pair, person_id: str, activity_id: str) -> tuple[dict[str, str], "object"]:
    """The login initiation that the LMS sends, and the browser that carries it."""
    browser = pair.running.browser(person_id)
    page = browser.get(f"{pair.url}/activities/{activity_id}/launch")
    return dict(browser.forms(page)[0].fields), browser


def ask(pair: Pair, browser: object, login: dict[str, str], **changes: str | None) -> requests.Response:
    """An authentication request by this browser, as the redirect from the tool would make it."""
    pair.tool.changes = changes
    return browser.get(f"{pair.url}/mod/lti/auth.php", params=pair.tool.authentication_request(login))


def posted(page: requests.Response) -> dict[str, str]:
    """The fields that an answering page hands over to the tool."""
    from lti_tool.dev.lms.client import forms_of

    return dict(forms_of(page)[0].fields)


def test_login_initiation_is_a_post_with_the_six_parameters_of_moodle(pair: Pair) -> None:
    pair.launch(LEARNER, GRADED)

    login = pair.tool.logins[-1]

    assert set(login) == {"iss", "target_link_uri", "login_hint", "lti_message_hint", "client_id", "lti_deployment_id"}
    assert login["iss"] == pair.url
    assert login["login_hint"] == LEARNER
    assert login["target_link_uri"] == f"{pair.tool.url}/open/assessment/6f0c6d0a-6f9e-4b7a-9c57-2f4c1f0f2567"


def test_q14_the_message_hint_is_json_text_with_quotes_and_braces(pair: Pair) -> None:
    pair.launch(LEARNER, GRADED)

    hint = json.loads(pair.tool.logins[-1]["lti_message_hint"])

    assert hint["cmid"] == int(GRADED)
    assert hint["launchid"].startswith("ltilaunch3_")


def test_login_initiation_by_get_carries_the_same_parameters(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        browser.get(f"{pair.url}/activities/{GRADED}/launch?method=get")

    assert pair.tool.logins[-1]["iss"] == pair.url
    assert "launchid" in pair.tool.logins[-1]["lti_message_hint"]


def test_a_launch_ends_on_the_tools_page_with_a_token_that_pyjwt_verifies(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        page = browser.open_activity(GRADED)

    claims = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])

    assert page.url == f"{pair.tool.url}/page"
    assert pair.tool.launches[-1]["state"] == "state-of-this-login"
    assert claims["nonce"] == "nonce-of-this-login"
    assert claims["sub"] == LEARNER


def test_the_authentication_request_may_be_a_post_too(pair: Pair) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)

    page = browser.request("POST", f"{pair.url}/mod/lti/auth.php", data=pair.tool.authentication_request(login))

    assert verified_claims(pair.running, posted(page)["id_token"])["sub"] == LEARNER


@pytest.mark.parametrize("redirect_uri", ["{0}/lti/launch/", "{0}/lti/launch?x=1", "{0}/LTI/launch", "https://phishing.example/", None, ""])
def test_q13_a_redirect_uri_that_is_not_registered_to_the_byte_is_a_404_page(pair: Pair, redirect_uri: str | None) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)

    page = ask(pair, browser, login, redirect_uri=redirect_uri.format(pair.tool.url) if redirect_uri else redirect_uri)

    assert page.status_code == 404
    assert "คำขอไม่ถูกต้อง" in page.text
    assert not browser.forms(page)


@pytest.mark.parametrize("name", ["scope", "response_type", "client_id", "login_hint", "nonce", "lti_message_hint"])
def test_a_missing_parameter_is_a_404_page(pair: Pair, name: str) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)

    assert ask(pair, browser, login, **{name: None}).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"), [("scope", "openid profile"), ("scope", "OpenID"), ("response_type", "code"), ("lti_message_hint", "3")]
)
def test_a_scope_response_type_or_hint_other_than_the_one_is_a_404_page(pair: Pair, name: str, value: str) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)

    assert ask(pair, browser, login, **{name: value}).status_code == 404


def test_q16_a_message_hint_works_once(pair: Pair) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)

    first, second = ask(pair, browser, login), ask(pair, browser, login)

    assert (first.status_code, second.status_code) == (200, 404)


def test_a_message_hint_belongs_to_the_session_it_was_made_in(pair: Pair) -> None:
    login, _ = initiation_of(pair, LEARNER, GRADED)
    with pair.running.browser(OTHER_LEARNER) as other:
        page = ask(pair, other, login, login_hint=OTHER_LEARNER)

    assert page.status_code == 404


def test_q17_two_launches_of_one_session_go_side_by_side(pair: Pair) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)
    other = dict(browser.forms(browser.get(f"{pair.url}/activities/{UNGRADED}/launch"))[0].fields)

    assert posted(ask(pair, browser, other))["id_token"]
    assert posted(ask(pair, browser, login))["id_token"]


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"response_mode": None}, "invalid_request", "Invalid response_mode"),
        ({"response_mode": "query"}, "invalid_request", "Invalid response_mode"),
        ({"prompt": "login"}, "invalid_request", "Invalid prompt"),
        ({"client_id": "somebody-else"}, "unauthorized_client", None),
        ({"login_hint": TEACHER}, "access_denied", None),
    ],
)
def test_q15_an_error_is_posted_to_the_tool_with_its_state(
    pair: Pair, changes: dict[str, str | None], error: str, description: str | None
) -> None:
    answer = pair.launch(LEARNER, GRADED, **changes)

    assert answer.get("error") == error
    assert answer.get("error_description") == description
    assert answer["state"] == "state-of-this-login"
    assert "id_token" not in answer


def test_q15_prompt_may_be_absent(pair: Pair) -> None:
    assert "id_token" in pair.launch(LEARNER, GRADED, prompt=None)


def test_a_missing_state_is_posted_back_empty(pair: Pair) -> None:
    answer = pair.launch(LEARNER, GRADED, state=None)

    assert answer["state"] == ""
    assert "id_token" in answer


def test_q18_a_browser_that_is_not_signed_in_is_asked_to_repost_once_and_then_refused(pair: Pair) -> None:
    login, _ = initiation_of(pair, LEARNER, GRADED)
    with pair.running.browser() as stranger:
        first = ask(pair, stranger, login)
        second = stranger.submit_form(first, form="handover")

    assert first.status_code == 200
    assert posted(first)["repost"] == "1"
    assert second.status_code == 404


def test_the_answering_page_runs_its_script_under_its_own_policy_and_has_a_button_without(pair: Pair) -> None:
    login, browser = initiation_of(pair, LEARNER, GRADED)
    page = ask(pair, browser, login)

    policy = page.headers["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert pair.tool.url in policy.split("form-action", 1)[1].split(";")[0]
    assert "<script>" not in page.text
    assert '<script src="/static/post.js">' in page.text
    assert len(browser.forms(page)[0].buttons) == 1


def test_q19_the_token_lives_sixty_seconds_and_has_the_claims_of_moodle_4_5(pair: Pair) -> None:
    claims = pair.claims(LEARNER, GRADED)

    assert claims["exp"] - claims["iat"] == 60
    assert claims["aud"] == "kaonaDemoTool01"
    assert not {"azp", "jti", "auth_time", "locale", "picture"} & set(claims)
    assert claims[names.MESSAGE_TYPE] == "LtiResourceLinkRequest"
    assert claims[names.VERSION] == "1.3.0"
    assert claims[names.DEPLOYMENT_ID] == "1"
    assert claims[names.RESOURCE_LINK]["id"] == GRADED
    assert claims[names.TOOL_PLATFORM]["product_family_code"] == "moodle"
    assert claims[names.LIS] == {"person_sourcedid": "", "course_section_sourcedid": ""}


def test_q20_the_context_type_is_a_short_word(pair: Pair) -> None:
    assert pair.claims(LEARNER, GRADED)[names.CONTEXT] == {
        "id": COURSE_ID,
        "label": "DIGI-101",
        "title": "การพัฒนาทักษะดิจิทัลสำหรับข้าราชการ",
        "type": ["CourseSection"],
    }


def test_q24_the_locale_is_thai_by_default_and_follows_the_language_chosen_on_the_pages(pair: Pair) -> None:
    thai = pair.claims(LEARNER, GRADED)
    with pair.running.browser(LEARNER) as browser:
        browser.request("POST", f"{pair.url}/language", data={"language": "en", "back": "/"})
        browser.open_activity(GRADED)
    english = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])

    assert thai[names.LAUNCH_PRESENTATION]["locale"] == "th"
    assert thai["name"] == "สมชาย ใจดี"
    assert thai["given_name"] == "สมชาย"
    assert english[names.LAUNCH_PRESENTATION]["locale"] == "en"


@pytest.mark.parametrize(
    ("person_id", "roles"),
    [
        (LEARNER, [names.LEARNER]),
        (TEACHER, [names.INSTRUCTOR]),
        (ASSISTANT, [names.INSTRUCTOR]),
        (ADMINISTRATOR, [names.INSTITUTION_ADMINISTRATOR, names.INSTRUCTOR, names.SYSTEM_ADMINISTRATOR]),
    ],
)
def test_roles_are_the_sorted_uris_of_moodle(pair: Pair, person_id: str, roles: list[str]) -> None:
    given = pair.claims(person_id, GRADED)[names.ROLES]

    assert given == roles
    assert given == sorted(given)


def test_q22_the_lineitem_is_named_only_when_the_link_has_exactly_one(pair: Pair) -> None:
    one = pair.claims(LEARNER, GRADED)[names.AGS_ENDPOINT]
    none = pair.claims(LEARNER, UNGRADED)
    document = {"label": "ด้านที่สอง", "scoreMaximum": 10, "resourceLinkId": GRADED}
    made = pair.call("POST", one["lineitems"], json=document, headers={"Content-Type": names.MEDIA_LINE_ITEM}).json()
    two = pair.claims(LEARNER, GRADED)[names.AGS_ENDPOINT]
    pair.call("DELETE", made["id"])

    assert one["lineitem"].endswith("/lineitem?type_id=1")
    assert "lineitem" not in none[names.AGS_ENDPOINT]
    assert names.BASIC_OUTCOME not in none
    assert "lineitem" not in two


def test_q21_with_privacy_never_nothing_of_a_person_but_the_sub_and_the_id_number_is_sent() -> None:
    with running_pair() as pair:
        custom = {"full": "$Person.name.full", "mail": "$Person.email.primary", "user": "$User.username", "number": "$Person.sourcedId"}
        secret = make_tool(pair.tool.url, shares_name=False, shares_email=False, custom=custom)
        pair.lms.config = replace(pair.lms.config, tools=(secret,))
        claims = pair.claims(OTHER_LEARNER, GRADED)

    assert claims[names.CUSTOM] == {"full": None, "mail": None, "user": "malee", "number": "1103700000011"}
    assert not {"name", "given_name", "family_name", "email"} & set(claims)
    assert claims[names.EXT] == {"lms": "moodle-2"}
    assert claims[names.LIS]["person_sourcedid"] == "1103700000011"


def test_q26_q28_custom_parameters_are_substituted_doubled_and_overruled_by_the_registration() -> None:
    with running_pair() as pair:
        tool = make_tool(pair.tool.url, custom={"activity": "from-registration"})
        course = make_course(pair.tool.url)
        custom = {"activity": "from-link", "Item-ID": "a=b;c", "who": "$User.id", "partly": "x $User.id", "unknown": "$Message.locale"}
        link = replace(course.activities[0], custom=custom)
        pair.lms.config = replace(pair.lms.config, tools=(tool,), courses=(replace(course, activities=(link,)),))
        given = pair.claims(LEARNER, GRADED)[names.CUSTOM]

    assert given == {
        "activity": "from-registration",
        "Item-ID": "a=b;c",
        "item_id": "a=b;c",
        "who": LEARNER,
        "partly": "x $User.id",
        "unknown": "$Message.locale",
    }


def test_q19_the_key_set_holds_two_public_keys_and_keeps_the_old_one_through_a_rotation() -> None:
    with running_pair() as pair:
        before = pair.launch(LEARNER, GRADED)["id_token"]
        pair.lms.rotate_keys()
        after = pair.launch(LEARNER, GRADED)["id_token"]
        keys = requests.get(f"{pair.url}/mod/lti/certs.php", timeout=10).json()["keys"]

        assert len(keys) == 2
        assert all(set(key) == {"kty", "alg", "use", "kid", "n", "e"} for key in keys)
        assert verified_claims(pair.running, before)["sub"] == LEARNER
        assert verified_claims(pair.running, after)["sub"] == LEARNER
        assert before.split(".")[0] != after.split(".")[0]


def test_an_activity_for_executives_is_hidden_from_a_learner_and_cannot_be_launched(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as learner, pair.running.browser(EXECUTIVE) as executive:
        assert "ภาพรวมผู้บริหาร" not in learner.get(f"{pair.url}/courses/{COURSE_ID}").text
        assert learner.get(f"{pair.url}/activities/{FOR_EXECUTIVES}/launch").status_code == 404
        assert "ภาพรวมผู้บริหาร" in executive.get(f"{pair.url}/courses/{COURSE_ID}").text


def test_q52_the_return_address_shows_a_message_escaped_and_refuses_another_session_key(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        browser.open_activity(GRADED)
        claims = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])
        address = claims[names.LAUNCH_PRESENTATION]["return_url"]
        page = browser.get(address, params={"lti_errormsg": "<b>ผิดพลาด</b>"})
        stolen = browser.get(f"{pair.url}/courses/{COURSE_ID}/return?sesskey=guess")

    assert "&lt;b&gt;ผิดพลาด&lt;/b&gt;" in page.text
    assert "return.js" not in page.text
    assert stolen.status_code == 404


def test_the_state_file_keeps_keys_and_grades_over_a_restart(tmp_path: "object") -> None:
    path = tmp_path / "lms.sqlite"
    with running_pair(state_path=path, signing_keys=()) as pair:
        token = pair.launch(LEARNER, GRADED)["id_token"]
    with running_pair(state_path=path, signing_keys=()) as pair:
        kids = {key["kid"] for key in requests.get(f"{pair.url}/mod/lti/certs.php", timeout=10).json()["keys"]}

    import jwt

    assert jwt.get_unverified_header(token)["kid"] in kids


def test_a_person_without_a_role_in_the_course_cannot_enter_it() -> None:
    with running_pair(people=with_person(PEOPLE, LEARNER, roles={})) as pair, pair.running.browser(LEARNER) as browser:
        assert browser.get(f"{pair.url}/courses/{COURSE_ID}").status_code == 404
        assert browser.get(f"{pair.url}/activities/{GRADED}").status_code == 404


def test_q1_two_platforms_give_the_same_ids_under_two_issuers() -> None:
    with running_pair() as one, running_pair() as other:
        first, second = one.claims(LEARNER, GRADED), other.claims(LEARNER, GRADED)

    same = ("sub", "aud", names.DEPLOYMENT_ID)
    assert [first[name] for name in same] == [second[name] for name in same]
    assert first[names.CONTEXT]["id"] == second[names.CONTEXT]["id"]
    assert first[names.RESOURCE_LINK]["id"] == second[names.RESOURCE_LINK]["id"]
    assert first["iss"] != second["iss"]


def test_q2_the_issuer_is_the_address_exactly_with_its_port_and_no_slash(pair: Pair) -> None:
    claims = pair.claims(LEARNER, GRADED)

    assert claims["iss"] == pair.tool.logins[-1]["iss"] == pair.url
    assert not claims["iss"].endswith("/")
    assert ":" in claims["iss"].partition("://")[2]


def test_q23_return_address_and_outcome_id_hold_what_nobody_may_log(pair: Pair) -> None:
    claims = pair.claims(LEARNER, GRADED)

    assert "sesskey=" in claims[names.LAUNCH_PRESENTATION]["return_url"]
    assert '"userid": "11"' in claims[names.BASIC_OUTCOME]["lis_result_sourcedid"]
