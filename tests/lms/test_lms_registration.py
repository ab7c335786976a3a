"""Dynamic registration at the demo LMS, each row as it was measured on Moodle (facts section 2; Q4 to Q11)."""

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from lti_tool.dev.lms import names
from lti_tool.dev.lms.client_metadata import custom_lines, parse_custom, same_domain
from lti_tool.dev.lms.keys import SigningKey, compact
from tests.lms_harness import ADMINISTRATOR, COURSE_ID, TEACHER, Pair, running_pair

CONFIGURATION = names.TOOL_CONFIGURATION


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def configuration_of(answer: requests.Response) -> dict[str, Any]:
    return answer.json()[CONFIGURATION]


def test_the_configuration_document_is_moodles(pair: Pair) -> None:
    document = requests.get(f"{pair.url}/mod/lti/openid-configuration.php", timeout=10).json()

    platform = document[names.PLATFORM_CONFIGURATION]
    assert document["issuer"] == pair.url
    assert document["registration_endpoint"] == f"{pair.url}/mod/lti/openid-registration.php"
    assert document["authorization_endpoint"] == f"{pair.url}/mod/lti/auth.php"
    assert len(document["scopes_supported"]) == 8
    assert document["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert document["claims_supported"] == ["sub", "iss", "name", "given_name", "family_name", "email"]
    assert platform["product_family_code"] == "moodle"
    assert [message["type"] for message in platform["messages_supported"]] == ["LtiResourceLinkRequest", "LtiDeepLinkingRequest"]
    assert not {"claims", "placements", "notice"} & set(platform)


def test_the_registration_url_is_opened_in_a_frame_with_its_own_query_kept(pair: Pair) -> None:
    with pair.running.browser(ADMINISTRATOR) as browser:
        browser.open_registration(f"{pair.tool.url}/lti/register?invite=secret", choice="new")

    query = pair.tool.registrations[-1]
    claims = jwt.decode(query["registration_token"], options={"verify_signature": False})
    assert query["invite"] == "secret"
    assert query["openid_configuration"] == f"{pair.url}/mod/lti/openid-configuration.php"
    assert claims["scope"] == "reg"
    assert len(claims["sub"]) == 15
    assert claims["exp"] - claims["iat"] == 3600


def test_a_registration_is_answered_200_and_waits_for_its_activation(pair: Pair) -> None:
    answer = pair.register(pair.registration_token())

    tool = pair.lms.tools[-1]
    with pair.running.browser(ADMINISTRATOR) as browser:
        waiting = browser.get(f"{pair.url}/administration")
        browser.request("POST", f"{pair.url}/administration/tools/{tool.client_id}/activate", page=waiting)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert (answer.json()["client_id"], configuration_of(answer)["deployment_id"]) == (tool.client_id, "2")
    assert "รอเปิดใช้งาน" in waiting.text
    assert not tool.is_active
    assert pair.lms.tools[-1].is_active


def test_an_activated_tool_is_offered_in_a_course_only_after_the_teacher_switched_it_on(pair: Pair) -> None:
    client_id = pair.register(pair.registration_token()).json()["client_id"]
    with pair.running.browser(ADMINISTRATOR) as browser:
        browser.request("POST", f"{pair.url}/administration/tools/{client_id}/activate")
    form = f"{pair.url}/courses/{COURSE_ID}/activities/new?tool=2"

    with pair.running.browser(TEACHER) as browser:
        before = browser.get(form)
        browser.submit_form(browser.get(f"{pair.url}/courses/{COURSE_ID}/tools"), form="show-2")
        after = browser.get(form)

    assert (before.status_code, after.status_code) == (404, 200)


def test_a_call_without_a_bearer_token_is_401(pair: Pair) -> None:
    answer = pair.register("")

    assert (answer.status_code, answer.text) == (401, "missing_registration_token")
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_token_used_before_is_401_for_a_get_too(pair: Pair, method: str) -> None:
    token = pair.registration_token()
    pair.register(token)

    answer = pair.register(token, method)

    assert (answer.status_code, answer.text) == (401, "token_already_used")


@pytest.mark.parametrize("damage", ["cut", "unsigned", "stranger", "expired"])
def test_q4_a_damaged_token_is_a_404_page_and_no_json(pair: Pair, damage: str) -> None:
    token, now = pair.registration_token(), int(time.time())
    key, stranger = pair.lms.ring.current, SigningKey.generate()
    header = {"alg": "RS256", "kid": key.kid}
    token = {
        "cut": token[:-20],
        "unsigned": compact({"alg": "none"}, {"sub": "x", "scope": "reg"}, lambda _: b""),
        "stranger": compact(header, {"sub": "x", "scope": "reg", "exp": now + 60}, stranger.sign),
        "expired": compact(header, {"sub": "x", "scope": "reg", "exp": now - 1}, key.sign),
    }[damage]

    answer = pair.register(token)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<html" in answer.text


@pytest.mark.parametrize(
    "name",
    ["response_types", "initiate_login_uri", "redirect_uris", "client_name", "jwks_uri", "token_endpoint_auth_method", CONFIGURATION],
)
def test_a_missing_attribute_is_400_and_named(pair: Pair, name: str) -> None:
    answer = pair.register(pair.registration_token(), **{name: None})

    assert (answer.status_code, answer.text) == (400, f"missing required attribute {name}")
    assert len(pair.lms.tools) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"response_types": ["code"]}, "invalid_response_types"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "invalid_token_endpoint_auth_method"),
        ({"application_type": "native"}, "invalid_application_type"),
        ({"redirect_uris": "https://tool.example/launch"}, "invalid_redirect_uris"),
        ({"configuration": {"domain": ""}}, "missing_domain"),
        ({"configuration": {"domain": "127.0.0.1"}}, "domain_targetlinkuri_mismatch"),
        ({"configuration": {"domain": "tool.example"}}, "domain_targetlinkuri_mismatch"),
    ],
)
def test_a_value_that_moodle_does_not_take_is_400(pair: Pair, changes: dict[str, Any], reason: str) -> None:
    answer = pair.register(pair.registration_token(), **changes)

    assert (answer.status_code, answer.text) == (400, reason)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("tool.example", "https://tool.example/launch", True),
        ("https://tool.example", "https://www.tool.example/launch", True),
        ("www.tool.example", "https://tool.example/launch", True),
        ("tool.example", "https://tool.example:8443/launch", False),
        ("tool.example:8443", "https://tool.example:8443/launch", True),
        ("other.example", "https://tool.example/launch", False),
    ],
)
def test_q5_ports_count_in_a_domain_and_www_and_a_scheme_do_not(one: str, other: str, is_same: bool) -> None:
    assert same_domain(one, other) is is_same


def test_another_method_is_400(pair: Pair) -> None:
    answer = pair.register(pair.registration_token(), "PUT")

    assert (answer.status_code, answer.text) == (400, "Unsupported operation")


def test_q6_asking_to_send_scores_alone_is_answered_with_all_four_scopes_but_gives_grade_sync(pair: Pair) -> None:
    answer = pair.register(pair.registration_token(), scope=names.SCOPE_SCORE)

    assert set(answer.json()["scope"].split()) == set(names.AGS_SCOPES)
    assert set(pair.lms.tools[-1].scopes) == {names.SCOPE_LINE_ITEM_READ, names.SCOPE_RESULT_READ, names.SCOPE_SCORE}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (names.SCOPE_LINE_ITEM, set(names.AGS_SCOPES)),
        (names.SCOPE_MEMBERS, {names.SCOPE_MEMBERS}),
        ("openid", set()),
        ("", set()),
    ],
)
def test_q7_columns_are_for_who_asked_for_lineitem_and_members_for_who_asked_for_them(pair: Pair, asked: str, granted: set[str]) -> None:
    pair.register(pair.registration_token(), scope=asked)

    assert set(pair.lms.tools[-1].scopes) == granted


@pytest.mark.parametrize(
    ("claims", "shares"),
    [(["sub"], (False, False)), (["family_name"], (True, False)), (["email"], (False, True)), (["given_name", "email"], (True, True))],
)
def test_q8_names_and_mail_are_sent_only_when_their_claims_were_asked(pair: Pair, claims: list[str], shares: tuple[bool, bool]) -> None:
    pair.register(pair.registration_token(), configuration={"claims": claims})

    tool = pair.lms.tools[-1]
    assert (tool.shares_name, tool.shares_email) == shares


def test_q8_the_administrator_can_set_them_to_never_later(pair: Pair) -> None:
    client_id = pair.lms.tools[0].client_id
    with pair.running.browser(ADMINISTRATOR) as browser:
        browser.request("POST", f"{pair.url}/administration/tools/{client_id}/privacy", data={"email": "on"})

    assert (pair.lms.tools[0].shares_name, pair.lms.tools[0].shares_email) == (False, True)


def test_q9_custom_parameters_become_lines_in_php_words() -> None:
    lines = custom_lines({"a": True, "b": False, "nested": {"x": 1}, "n": 5, "none": None, "evil": "x\ninjected=1", "eq": "1=2"})

    assert parse_custom(lines) == {"a": "1", "b": "", "nested": "Array", "n": "5", "none": "", "evil": "x", "injected": "1", "eq": "1=2"}


def test_q9_the_answer_cuts_a_value_at_a_second_sign_and_the_launch_does_not(pair: Pair) -> None:
    answer = pair.register(pair.registration_token(), configuration={"custom_parameters": {"key": "a=b"}})

    assert configuration_of(answer)["custom_parameters"] == {"key": "a"}
    assert pair.lms.tools[-1].custom == {"key": "a=b"}


def test_q10_names_and_descriptions_lose_their_tags(pair: Pair) -> None:
    answer = pair.register(pair.registration_token(), client_name="<b>ก้าว</b>หน้า", configuration={"description": "<i>x</i>"})

    assert answer.json()["client_name"] == "ก้าวหน้า"
    assert configuration_of(answer)["description"] == "x"


def test_q11_a_tool_of_the_same_domain_leads_to_the_choice_of_update_or_new(pair: Pair) -> None:
    with pair.running.browser(ADMINISTRATOR) as browser:
        page = browser.get(f"{pair.url}/administration/tools/register", params={"url": f"{pair.tool.url}/lti/register"})
        foreign = browser.get(f"{pair.url}/administration/tools/register", params={"url": "https://tool.example/register"})

    assert 'name="tool" value="1"' in page.text
    assert 'name="tool" value="new"' in page.text
    assert "<iframe" in foreign.text


def test_q11_an_update_keeps_client_and_deployment_and_may_be_repeated(pair: Pair) -> None:
    token = pair.registration_token("1")

    read = pair.register(token, "GET")
    first, second = pair.register(token, client_name="ใหม่"), pair.register(token, client_name="ใหม่กว่า")

    assert jwt.decode(token, options={"verify_signature": False})["scope"] == "reg-update"
    assert read.json()["client_id"] == "kaonaDemoTool01"
    assert {each.json()["client_id"] for each in (first, second)} == {"kaonaDemoTool01"}
    assert configuration_of(second)["deployment_id"] == "1"
    assert len(pair.lms.tools) == 1
    assert pair.lms.tools[0].name["th"] == "ใหม่กว่า"
    assert pair.lms.tools[0].is_active


def test_q3_the_same_tool_can_be_registered_twice_at_one_issuer(pair: Pair) -> None:
    first, second = (pair.register(pair.registration_token()).json()["client_id"] for _ in range(2))

    assert len({first, second, "kaonaDemoTool01"}) == 3
    assert [tool.deployment_id for tool in pair.lms.tools] == ["1", "2", "3"]


def test_of_the_messages_only_the_deep_linking_target_is_kept(pair: Pair) -> None:
    messages = [{"type": "LtiDeepLinkingRequest", "target_link_uri": f"{pair.tool.url}/pick"}, {"type": "LtiSubmissionReviewRequest"}]

    answer = pair.register(pair.registration_token(), configuration={"messages": messages})

    assert configuration_of(answer)["messages"] == [messages[0]]


def test_a_registered_tool_outlives_a_restart(tmp_path: Any) -> None:
    with running_pair(state_path=tmp_path / "lms.sqlite") as pair:
        client_id = pair.register(pair.registration_token()).json()["client_id"]
    with running_pair(state_path=tmp_path / "lms.sqlite") as pair:
        assert pair.lms.tools[-1].client_id == client_id


def test_the_registration_endpoint_and_the_configuration_misbehave_when_asked(pair: Pair) -> None:
    token = pair.registration_token()
    faults = {"registration": [503, 500], "configuration": {"issuer": "https://other.example", "jwks_uri": None}}
    requests.put(f"{pair.url}/control/faults", json=faults, timeout=10)

    document = requests.get(f"{pair.url}/mod/lti/openid-configuration.php", timeout=10).json()

    assert [pair.register(token).status_code for _ in range(3)] == [503, 500, 200]
    assert document["issuer"] == "https://other.example"
    assert "jwks_uri" not in document


@pytest.mark.parametrize(
    ("kind", "status", "start"), [("html", 200, b"<!doctype"), ("broken_json", 200, b'{"issuer'), ("error", 503, b"Serv")]
)
def test_the_configuration_document_is_wrong_as_the_fault_says(pair: Pair, kind: str, status: int, start: bytes) -> None:
    requests.put(f"{pair.url}/control/faults", json={"configuration_kind": kind}, timeout=10)

    answer = requests.get(f"{pair.url}/mod/lti/openid-configuration.php", timeout=10)

    assert answer.status_code == status
    assert answer.content.startswith(start)


def test_a_learner_registers_nothing(pair: Pair) -> None:
    with pair.running.browser(TEACHER) as browser:
        assert browser.get(f"{pair.url}/administration/tools/register", params={"url": "https://tool.example"}).status_code == 404


@pytest.mark.browser
def test_in_a_real_browser_the_frame_is_left_when_the_tool_says_that_it_is_done(pair: Pair, chromium: Any) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{ADMINISTRATOR}']")
    page.goto(f"{pair.url}/administration")
    page.fill("#url", f"{pair.tool.url}/lti/register")
    page.click("#register button")
    page.click("button[value=new]")
    page.wait_for_url(f"{pair.url}/administration#tools")
    context.close()

    assert len(pair.tool.registrations) == 1
