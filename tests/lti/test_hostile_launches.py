"""Hostile logins and launches, each by the name of its case; every refusal is a page, an audit line and nothing else."""

import hmac
import json
import secrets
import time
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from lti_tool import logs, models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.storage import sweep_long_logins
from lti_tool.lti.tenants import add_tenant
from tests.lti.lti_world import (
    CLIENT_ID,
    KEYS,
    TOOL,
    Answer,
    Moment,
    Platform,
    Tool,
    assert_refused,
    code_of,
    encode,
    public,
    register,
    sign,
)

pytestmark = pytest.mark.one_database


def test_h01_a_launch_posted_twice_is_refused_the_second_time(tool: Tool):
    login = tool.login()
    token = sign(tool.claims(login))
    assert tool.post(login.state, token).status_code == 303

    response = tool.post(login.state, token)

    assert_refused(tool, response, "state_used")
    assert "already used" in response.text
    assert tool.platform.url in response.headers["Content-Security-Policy"]  # the person sees the page in the frame
    assert len(tool.rows(models.Launch)) == 1


def test_h02_a_launch_posted_from_another_browser_is_refused(tool: Tool):
    login = tool.login()
    stranger = tool.new_browser()
    tool.login(stranger)

    assert_refused(tool, tool.post(login.state, sign(tool.claims(login)), stranger), "other_browser")
    assert tool.post(login.state, sign(tool.claims(login))).status_code == 303  # and the right one may still finish


def test_h03_a_state_that_was_never_issued_is_refused_whatever_cookie_is_planted(tool: Tool):
    login = tool.login()
    invented = "x" * 43
    for name in ("__Host-kaona-login", f"lti1p3-{invented}"):
        tool.browser.set_cookie(name, invented, domain="127.0.0.1")

    assert_refused(tool, tool.post(invented, sign(tool.claims(login))), "state_unknown")


def test_h04_the_nonce_of_one_login_with_the_state_of_another_is_refused(tool: Tool):
    first, second = tool.login(), tool.login()

    assert_refused(tool, tool.post(second.state, sign(tool.claims(first))), "nonce_wrong", 401)


@pytest.mark.parametrize("algorithm", ["none", None, ["RS256"], "PS256", "RS512"])
def test_h05_any_algorithm_but_rs256_is_refused(tool: Tool, algorithm: Any):
    login = tool.login()
    header = {name: value for name, value in {"alg": algorithm, "kid": "key-0"}.items() if value is not None}
    signature = "" if algorithm == "none" else sign(tool.claims(login)).rsplit(".", 1)[1]

    assert_refused(tool, tool.post(login.state, f"{encode(header)}.{encode(tool.claims(login))}.{signature}"), "token_malformed")


def test_h06_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(tool: Tool):
    login = tool.login()
    signed = f"{encode({'alg': 'HS256', 'kid': 'key-0'})}.{encode(tool.claims(login))}"

    for secret in (KEYS[0].as_pem(private=False), KEYS[0].as_pem(private=False).strip()):
        signature = encode(hmac.digest(secret, signed.encode(), "sha256"))
        assert_refused(tool, tool.post(login.state, f"{signed}.{signature}"), "token_malformed")


@pytest.mark.parametrize(
    "published",
    [
        {"kty": "oct", "k": encode(b"secret" * 8), "kid": "key-0", "alg": "RS256"},
        public(KEYS[0], alg="HS256"),
        public(KEYS[0], alg=["RS256"]),
    ],
)
def test_h07_a_key_set_with_a_shared_secret_or_a_mislabelled_key_is_refused(tool: Tool, published: dict[str, Any]):
    tool.platform.keys = [published]

    assert_refused(tool, tool.launch(), "key_unsafe", 401)


def test_h08_a_token_without_expiry_is_refused(tool: Tool):
    assert_refused(tool, tool.launch(exp=None), "token_malformed")


def test_h09_a_token_without_or_with_an_old_moment_of_issue_is_refused(tool: Tool, now: Any):
    at = int(now.timestamp())

    assert_refused(tool, tool.launch(iat=None), "token_malformed")
    assert_refused(tool, tool.launch(iat=at - 86_400, exp=at + 86_400), "token_too_old", 401)


@pytest.mark.parametrize("bad", [True, "1", [1], {"a": 1}, 1e400])
def test_h09_a_moment_that_is_no_number_is_refused(tool: Tool, bad: Any):
    assert_refused(tool, tool.launch(iat=bad), "token_malformed")


def test_h10_clocks_may_differ_by_a_minute_and_no_more(tool: Tool, now: Any):
    at = int(now.timestamp())
    tool.launched(iat=at + 45)
    tool.launched(exp=at - 30)

    assert_refused(tool, tool.launch(iat=at + 300, exp=at + 600), "token_not_yet_valid", 401)
    assert_refused(tool, tool.launch(iat=at - 400, exp=at - 300), "token_expired", 401)
    assert_refused(tool, tool.launch(nbf=at + 300), "token_not_yet_valid", 401)


def test_h11_a_token_for_several_that_names_us_as_its_party_is_taken(tool: Tool):
    tool.launched(aud=["other", CLIENT_ID], azp=CLIENT_ID)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT_ID, "other"]},
        {"aud": [CLIENT_ID, "other"], "azp": "other"},
        {"aud": CLIENT_ID, "azp": "other"},
        {"aud": "other"},
        {"aud": []},
        {"aud": None},
        {"aud": [CLIENT_ID, 1], "azp": CLIENT_ID},
        {"aud": {"0": CLIENT_ID}},
    ],
)
def test_h12_a_token_for_somebody_else_is_refused(tool: Tool, changes: dict[str, Any]):
    assert_refused(tool, tool.launch(**changes), "audience_wrong", 401)


MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"iss": MARKUP}, "issuer_unknown"), ({"client_id": MARKUP}, "client_unknown"), ({"client_id": "x", "iss": "y"}, "issuer_unknown")],
)
def test_h13_an_unknown_issuer_or_client_gets_a_page_with_its_words_escaped(tool: Tool, changes: dict[str, str], code: str):
    response = tool.login(**changes).response

    assert_refused(tool, response, code)
    assert "<script>alert" not in response.text
    assert "<img src=x" not in response.text
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_h13_an_unknown_deployment_gets_a_page_with_its_words_escaped(tool: Tool):
    response = tool.launch(**{v.DEPLOYMENT_ID: MARKUP})

    assert_refused(tool, response, "deployment_unknown")
    assert "&lt;script&gt;" in response.text
    assert "<script>alert" not in response.text


def test_h14_a_token_of_one_platform_in_the_name_of_another_is_refused(tool: Tool, other_platform: Platform, moment: Moment):
    other_platform.keys = [public(KEYS[2])]
    with tool.database.transaction() as db:
        register(db, other_platform, moment, client_id="b")
    at_first = tool.login()
    at_second = tool.login(iss=other_platform.url, client_id="b")

    by_second = sign(tool.claims(at_first), KEYS[2])
    assert_refused(tool, tool.post(at_first.state, by_second), "key_unknown", 401)
    in_the_name_of_first = sign(tool.claims(at_second), KEYS[2])
    assert_refused(tool, tool.post(at_second.state, in_the_name_of_first), "issuer_mismatch", 401)


def test_h15_an_activity_of_another_agency_is_not_found(tool: Tool, monkeypatch: pytest.MonkeyPatch):
    from assessment.errors import FormNotFound
    from lti_tool.views import arrivals as view

    asked: list[int] = []

    def get_form(_db: Any, _form: Any, *, tenant_id: int) -> Any:
        asked.append(tenant_id)
        raise FormNotFound

    monkeypatch.setattr(view.assessment, "get_form", get_form)

    response = tool.launch(**{v.CUSTOM: {"activity": "assessment:6f0c6d0a-6f9e-5b7a-9c57-2f4c1f0f2567"}})

    assert response.status_code == 404
    assert "Set-Cookie" not in response.headers
    assert tool.rows(models.Launch) == []
    assert asked == [tool.rows(models.Tenant)[0].id]


def test_h15_an_activity_that_is_no_identifier_is_not_found(tool: Tool):
    assert tool.launch(**{v.CUSTOM: {"activity": "assessment:../../etc/passwd"}}).status_code == 404


def malformed(token: str) -> dict[str, str]:
    header, body, signature = token.split(".")
    return {
        "two parts": f"{header}.{body}",
        "four parts": f"{token}.{signature}",
        "five parts": f"{token}.{signature}.{signature}",
        "header is a list": f"{encode([1])}.{body}.{signature}",
        "body is a list": f"{header}.{encode([1])}.{signature}",
        "body is a text": f"{header}.{encode('text')}.{signature}",
        "broken base64": f"{header}.{body[:-1]}*.{signature}",
        "one letter of base64": f"{header}.a.{signature}",
        "invalid UTF-8": f"{header}.{encode(bytes([0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x7D]))}.{signature}",
        "no JSON": f"{header}.{encode(b'{')}.{signature}",
        "members given twice": f'{header}.{encode(b"""{"iss":"a","iss":"b"}""")}.{signature}',
        "NUL in a text": f"{header}.{encode(json.dumps({'iss': chr(0)}))}.{signature}",
        "nested without end": f"{header}.{encode(b'[' * 9000 + b']' * 9000)}.{signature}",
        "critical extension": f"{encode({'alg': 'RS256', 'kid': 'key-0', 'crit': ['x']})}.{body}.{signature}",
        "no key id": f"{encode({'alg': 'RS256'})}.{body}.{signature}",
        "not ASCII": f"{header}.{body}ก.{signature}",
        "empty parts": "..",
    }


@pytest.mark.parametrize("fault", list(malformed("a.b.c")))
def test_h16_a_token_of_the_wrong_shape_is_refused(tool: Tool, fault: str):
    login = tool.login()

    assert_refused(tool, tool.post(login.state, malformed(sign(tool.claims(login)))[fault]), "token_malformed")


def test_h16_a_signature_that_does_not_hold_is_refused(tool: Tool):
    login = tool.login()
    header, _, signature = sign(tool.claims(login)).split(".")

    assert_refused(
        tool, tool.post(login.state, f"{header}.{encode(tool.claims(login, sub='admin'))}.{signature}"), "signature_invalid", 401
    )


def test_h16_a_form_with_a_field_twice_or_missing_is_refused(tool: Tool):
    login = tool.login()
    token = sign(tool.claims(login))

    assert_refused(tool, tool.post(login.state, token, error=["a", "b"]), "launch_malformed")
    assert_refused(tool, tool.post(login.state, [token, token]), "launch_malformed")  # type: ignore[arg-type]
    assert_refused(tool, tool.post(login.state, ""), "launch_malformed")


def test_h16_a_launch_or_login_beyond_all_measure_is_refused_before_it_is_read(tool: Tool):
    login = tool.login()

    assert_refused(tool, tool.post(login.state, "a" * 2_000_000), "launch_too_large")
    assert_refused(tool, tool.login(login_hint="a" * 2_000_000).response, "launch_too_large")


@pytest.mark.parametrize("name", ["iss", "login_hint", "target_link_uri", "client_id"])
def test_s01_a_login_with_a_parameter_twice_is_refused(tool: Tool, name: str):
    assert_refused(tool, tool.login(**{name: ["a", "b"]}).response, "login_malformed")


@pytest.mark.parametrize("name", ["iss", "login_hint", "target_link_uri"])
def test_s01_a_login_without_a_required_parameter_is_refused(tool: Tool, name: str):
    assert_refused(tool, tool.login(**{name: None}).response, "login_malformed")


def test_h17_a_launch_without_a_person_gets_a_page_that_says_so(tool: Tool):
    response = tool.launch(sub=None)

    assert_refused(tool, response, "anonymous_launch")
    assert "LMS" in response.text


@pytest.mark.parametrize("sub", [5, "u" * 300, "", ["u"], {"a": 1}, "สมชาย", True])
def test_h17_a_person_id_that_is_none_is_refused(tool: Tool, sub: Any):
    assert_refused(tool, tool.launch(sub=sub), "message_invalid")


@pytest.mark.parametrize("roles", ["http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor", None, {"a": 1}, [1]])
def test_h18_roles_that_are_no_list_of_texts_are_refused(tool: Tool, roles: Any):
    assert_refused(tool, tool.launch(**{v.ROLES: roles}), "message_invalid")


@pytest.mark.parametrize(
    "role",
    [
        "http://purl.imsglobal.org/vocab/lis/v2evil/membership#Instructor",
        "http://purl.imsglobal.org/vocab/lis/v2/membership#InstructorX",
        "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor",
        "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator",
        "http://purl.imsglobal.org/vocab/lis/v2/membership/Learner#Instructor",
        "https://purl.imsglobal.org/vocab/lis/v2/membership#Instructor",
        "Administrator",
        "instructor",
        "Instructor ",
    ],
)
def test_h18_a_role_that_only_looks_like_a_teachers_gives_no_staff_rights(tool: Tool, role: str):
    tool.launched(**{v.ROLES: [role, f"{v.MEMBERSHIP}#Learner"]})

    assert [row.roles for row in tool.rows(models.Enrolment)] == [["learner"]]


@pytest.mark.parametrize("role", ["Instructor", f"{v.MEMBERSHIP}#Instructor", f"{v.MEMBERSHIP}/Instructor#TeachingAssistant"])
def test_h18_the_standards_own_spellings_of_a_teacher_count(tool: Tool, role: str):
    tool.launched(**{v.ROLES: [role]})

    assert [row.roles for row in tool.rows(models.Enrolment)] == [["instructor"]]


FOREIGN = [
    "https://evil.example/", "http://127.0.0.1:8000.evil.example/", "http://127.0.0.1:8000@evil.example/", "//evil.example/",
    "javascript:alert(1)", "http://127.0.0.1:8001/open/roadmap", "https://127.0.0.1:8000/open/roadmap",
    "http://evil.example\\@127.0.0.1:8000/", "http://[::1",
]  # fmt: skip


@pytest.mark.parametrize("target", FOREIGN)
def test_h19_a_target_on_another_origin_is_refused_at_login(tool: Tool, target: str):
    response = tool.login(target_link_uri=target).response

    assert_refused(tool, response, "target_foreign")
    assert "Location" not in response.headers


@pytest.mark.parametrize("target", FOREIGN)
def test_h19_a_target_on_another_origin_is_refused_in_the_token(tool: Tool, target: str):
    response = tool.launch(**{v.TARGET_LINK_URI: target})

    assert_refused(tool, response, "target_foreign")
    assert "Location" not in response.headers


def test_h20_a_sign_in_address_with_a_query_keeps_it(tool: Tool, moment: Moment, other_platform: Platform):
    with tool.database.transaction() as db:
        register(db, other_platform, moment, client_id="q", auth_url=f"{other_platform.url}/auth?tenant=ก&x=1#part")

    login = tool.login(iss=other_platform.url, client_id="q")

    assert login.url.startswith(f"{other_platform.url}/auth?tenant=")
    assert login.url.count("?") == 1
    assert "#" not in login.url
    assert (login.query["x"], login.query["client_id"]) == ("1", "q")


def test_h21_an_error_reply_gets_a_page_with_a_way_on(tool: Tool):
    login = tool.login()
    data = {"state": login.state, "error": "login_required", "error_description": MARKUP}

    response = tool.browser.post("/lti/launch", data=data, base_url=TOOL, headers={"Accept": "text/html"})

    assert_refused(tool, response, "platform_refused")
    assert "login_required" in response.text
    assert MARKUP not in response.text
    assert "open the activity again" in response.text
    without_state = tool.browser.post("/lti/launch", data={"error": MARKUP}, base_url=TOOL, headers={"Accept": "text/html"})
    assert_refused(tool, without_state, "platform_refused")
    assert "<script>alert" not in without_state.text


def test_h22_a_rotated_key_works_after_one_fetch_and_unknown_keys_cost_no_more(tool: Tool, moment: Moment):
    tool.launched()
    moment.pass_by(minutes=2)
    tool.platform.keys = [public(KEYS[0]), public(KEYS[1])]
    assert tool.launch(key=KEYS[1]).status_code == 303
    assert tool.platform.count("/jwks") == 2

    unknown = [
        RSAKey.import_key(KEYS[2].as_dict(private=True), {"kid": f"unknown-{number}"}) for number in range(100)
    ]  # one key, a hundred names
    for key in unknown:
        assert code_of(tool.launch(key=key)) == "key_unknown"

    assert tool.platform.count("/jwks") == 2
    assert tool.launch(key=KEYS[1]).status_code == 303


def test_h22_a_second_process_takes_the_keys_from_the_database(tool: Tool, settings: Any, moment: Moment):
    from lti_tool.app import create_app

    tool.launched()
    second = Tool(create_app(settings, clock=moment, database=tool.database), tool.platform, moment)

    second.launched()

    assert tool.platform.count("/jwks") == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("10 MB", Answer(body=b'{"keys":[' + b" " * 10_000_000 + b"]}")),
        ("HTML", Answer(body=b"<html>SECRET-OF-THE-INSIDE</html>")),
        ("500", Answer(500, b"SECRET-OF-THE-INSIDE")),
        ("a list", Answer(body=b"[]")),
        ("an empty object", Answer(body=b"{}")),
        ("keys are no list", Answer(body=b'{"keys":{"a":1}}')),
        ("redirect inside", Answer(302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})),
        ("redirect to itself", Answer(302, headers={"Location": "/jwks2"})),
    ],
)
def test_h23_a_key_set_that_is_none_is_refused_without_a_word_of_it(tool: Tool, name: str, answer: Answer):
    tool.platform.answers["/jwks"] = lambda _: answer
    tool.platform.answers["/jwks2"] = lambda _: Answer(body=json.dumps({"keys": [public(KEYS[0])]}).encode())

    response = tool.launch()

    assert_refused(tool, response, "key_set_unreachable")
    assert "SECRET" not in response.text
    assert tool.platform.count("/jwks2") == 0


def test_h23_a_hanging_key_set_delays_its_own_platform_alone(
    tool: Tool, other_platform: Platform, moment: Moment, monkeypatch: pytest.MonkeyPatch
):
    import threading

    from lti_tool.lti import keysets

    monkeypatch.setattr(keysets, "FETCH_SECONDS", 60.0)
    monkeypatch.setattr(keysets, "WAIT_SECONDS", 0.5)
    release = threading.Event()

    def hang(_: Any) -> Answer:
        release.wait(60)
        return Answer()

    other_platform.answers["/jwks"] = hang
    with tool.database.transaction() as db:
        register(db, other_platform, moment, client_id="slow")
    tool.launched()
    refused: list[str] = []

    def slow() -> None:
        browser = tool.new_browser()
        login = tool.login(browser, iss=other_platform.url, client_id="slow")
        refused.append(code_of(tool.post(login.state, sign(tool.claims(login, iss=other_platform.url, aud="slow")), browser)))

    threads = [threading.Thread(target=slow) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(refused) < 7:  # one fetches, a few waited for it, the rest were told at once
        time.sleep(0.05)
    tool.launched(tool.new_browser())
    n_hanging = sum(thread.is_alive() for thread in threads)
    release.set()
    for thread in threads:
        thread.join()

    assert n_hanging == 1
    assert refused == ["key_set_unreachable"] * 8
    assert other_platform.count("/jwks") == 1


WEAK = RSAKey.generate_key(1024, parameters={"kid": "key-0"})


@pytest.mark.parametrize(
    ("published", "key", "reason"),
    [
        (public(WEAK), WEAK, "1024 bits"),
        (public(KEYS[0], use="enc"), KEYS[0], "not for signatures"),
        (public(KEYS[0], key_ops=["sign"]), KEYS[0], "not for signatures"),
        (KEYS[0].as_dict(private=True), KEYS[0], "private part"),
    ],
)
def test_h24_an_unsafe_key_is_refused_and_the_administrator_is_told(
    tool: Tool, published: dict[str, Any], key: RSAKey, reason: str, capsys: pytest.CaptureFixture[str]
):
    tool.platform.keys = [published]
    logs.configure("INFO")  # to the stream that this test reads

    response = tool.launch(key=key)

    assert_refused(tool, response, "key_unsafe", 401)
    assert reason in response.text
    assert "key_set_unsafe" in capsys.readouterr().err
    (row,) = tool.rows(models.KeySet)
    assert reason in row.refused["key-0"]


def test_two_agencies_with_the_same_ids_at_different_platforms_stay_apart(tool: Tool, other_platform: Platform, moment: Moment):
    with tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example.go.th", now=moment.now)
        register(db, other_platform, moment, tenant="two")
    tool.launched()
    login = tool.login(iss=other_platform.url)

    assert tool.post(login.state, sign(tool.claims(login, iss=other_platform.url))).status_code == 303

    users, contexts = tool.rows(models.User), tool.rows(models.Context)
    assert (len(users), len({user.tenant_id for user in users}), len({user.person_uuid for user in users})) == (2, 2, 2)
    assert len({context.tenant_id for context in contexts}) == 2


WRONG_FORMS: list[dict[str, Any]] = [
    {v.VERSION: "1.2.0"}, {v.VERSION: None}, {v.MESSAGE_TYPE: None}, {v.RESOURCE_LINK: "link"},
    {v.RESOURCE_LINK: {"id": "x" * 256}}, {v.RESOURCE_LINK: None}, {v.DEPLOYMENT_ID: None}, {v.DEPLOYMENT_ID: 1},
    {v.DEPLOYMENT_ID: "d" * 3000}, {v.CONTEXT: [1]}, {v.CUSTOM: "x"}, {v.AGS_ENDPOINT: "x"}, {v.AGS_ENDPOINT: {"lineitem": 5}},
    {v.NRPS_SERVICE: []}, {v.LAUNCH_PRESENTATION: "x"}, {"name": 5},
]  # fmt: skip


@pytest.mark.parametrize("changes", WRONG_FORMS)
def test_s04_a_claim_of_the_wrong_form_is_refused(tool: Tool, changes: dict[str, Any]):
    assert_refused(tool, tool.launch(**changes), "message_invalid")


def test_s02_of_two_workers_that_spend_one_state_one_wins(tool: Tool):
    import threading

    login = tool.login()
    token = sign(tool.claims(login))
    cookie = tool.browser.get_cookie("__Host-kaona-login", domain="127.0.0.1")
    assert cookie is not None
    statuses: list[int] = []
    gate = threading.Barrier(6)

    def post() -> None:
        browser = tool.new_browser()
        browser.set_cookie(cookie.key, cookie.value, domain="127.0.0.1")
        gate.wait()
        statuses.append(tool.post(login.state, token, browser).status_code)

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [303, 400, 400, 400, 400, 400]
    assert len(tool.rows(models.Launch)) == 1


def test_s02_a_state_of_which_anything_was_changed_was_never_issued(tool: Tool):
    login = tool.login()
    token = sign(tool.claims(login))

    for place in range(0, len(login.state), 7):
        other = "A" if login.state[place] != "A" else "B"
        changed = login.state[:place] + other + login.state[place + 1 :]
        assert code_of(tool.post(changed, token)) == "state_unknown", place
    for odd in (login.state[:-1], login.state + "A", login.state + "=", " " + login.state, login.state.replace("_", "/"), "A" * 192):
        if odd != login.state:
            assert code_of(tool.post(odd, token)) == "state_unknown", odd
    assert tool.post(login.state, token).status_code == 303


def test_s02_a_state_spelled_otherwise_is_the_same_state_and_spent_with_it(tool: Tool):
    login = next(login for length in range(1, 5) if len((login := tool.login(login_hint="u" * length)).state) % 4)
    token = sign(tool.claims(login))
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(login.state[-1])
    respelled = login.state[:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1]
    assert tool.post(respelled, token).status_code == 303

    assert_refused(tool, tool.post(login.state, token), "state_used")


def test_h01_a_launch_posted_again_after_its_login_expired_is_still_told_that_it_was_used(tool: Tool):
    login = tool.login()
    token = sign(tool.claims(login))
    assert tool.post(login.state, token).status_code == 303
    tool.moment.pass_by(minutes=11)

    assert_refused(tool, tool.post(login.state, token), "state_used")


@pytest.mark.parametrize("length", [1, 300, 900, 4000])
def test_s02_a_state_is_short_whatever_the_platform_gives_along(tool: Tool, length: int):
    hint = secrets.token_urlsafe(length)[:length]

    login = tool.login(lti_message_hint=hint)

    assert len(login.state) <= 1500
    assert login.query["lti_message_hint"] == hint
    refused = tool.post(login.state, sign(tool.claims(login)), tool.new_browser())
    assert_refused(tool, refused, "binding_missing")
    assert f"lti_message_hint={hint}" in refused.text  # the new tab gets it whole
    assert tool.post(login.state, sign(tool.claims(login))).status_code == 303
    assert len(tool.rows(models.LongLogin)) == (1 if length == 4000 else 0)


def test_what_a_long_login_left_is_swept_after_a_day(tool: Tool):
    tool.login(lti_message_hint=secrets.token_urlsafe(3000))
    tool.moment.pass_by(days=1, seconds=1)

    with tool.database.transaction() as db:
        assert sweep_long_logins(db, now=tool.moment.now) == 1


@pytest.mark.parametrize("change", ["disabled_at", "pending_since"])
def test_a_platform_that_was_switched_off_after_the_login_is_refused_at_the_launch(tool: Tool, change: str):
    login = tool.login()
    with tool.database.transaction() as db:
        db.query(models.Registration).update({change: tool.moment.now})

    assert_refused(tool, tool.post(login.state, sign(tool.claims(login))), "issuer_unknown")


def test_a_platform_whose_key_set_moved_after_the_login_is_judged_by_its_new_one_alone(tool: Tool, other_platform: Platform):
    login = tool.login()
    other_platform.keys = [public(KEYS[2])]
    with tool.database.transaction() as db:
        db.query(models.Registration).update({"jwks_url": f"{other_platform.url}/jwks"})

    assert_refused(tool, tool.post(login.state, sign(tool.claims(login))), "issuer_unknown")
    tool.moment.pass_by(seconds=6)
    assert tool.post(login.state, sign(tool.claims(login))).status_code == 401
    assert tool.launch(key=KEYS[2]).status_code == 303
