"""Every misbehaviour of the demo LMS does what its name says; switched off, the LMS is right again."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import requests
from jwt.exceptions import InvalidSubjectError

from lti_tool.dev.lms import names
from lti_tool.dev.lms.faults import HUGE_KEY_SET_BYTES, ID_TOKEN_FAULTS, KEY_SET_FAULTS, METADATA_ADDRESS, Faults
from tests.lms_harness import COURSE_ID, GRADED, LEARNER, Pair, running_lms, running_pair, verified_claims


@pytest.fixture(scope="module")
def shared_pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def pair(shared_pair: Pair) -> Iterator[Pair]:
    yield shared_pair
    shared_pair.lms.faults = Faults()


def switch(pair: Pair, **document: Any) -> requests.Response:
    return requests.put(f"{pair.url}/control/faults", json=document, timeout=10)


def token_under(pair: Pair, **document: Any) -> str:
    assert switch(pair, **document).status_code == 200
    return pair.launch(LEARNER, GRADED)["id_token"]


def part(token: str, place: int) -> Any:
    text = token.split(".")[place]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def published(pair: Pair) -> requests.Response:
    return requests.get(f"{pair.url}/mod/lti/certs.php", timeout=10, allow_redirects=False)


VERIFIER_SAYS: dict[str, type[Exception]] = {
    "wrong_signature": jwt.InvalidSignatureError,
    "other_kid": KeyError,
    "alg_none": jwt.InvalidAlgorithmError,
    "hs256_with_public_key": jwt.InvalidAlgorithmError,
    "expired": jwt.ExpiredSignatureError,
    "slightly_expired": jwt.ExpiredSignatureError,
    "future_iat": jwt.ImmatureSignatureError,
    "slightly_future_iat": jwt.ImmatureSignatureError,
    "wrong_aud": jwt.InvalidAudienceError,
    "wrong_iss": jwt.InvalidIssuerError,
    "missing_exp": jwt.MissingRequiredClaimError,
    "missing_iat": jwt.MissingRequiredClaimError,
    "missing_nonce": jwt.MissingRequiredClaimError,
    "missing_sub": jwt.MissingRequiredClaimError,
    "integer_sub": InvalidSubjectError,
    "two_parts": jwt.DecodeError,
    "four_parts": jwt.DecodeError,
    "five_parts": jwt.DecodeError,
    "broken_base64": jwt.DecodeError,
    "header_not_an_object": jwt.DecodeError,
    "body_not_an_object": jwt.DecodeError,
    "invalid_utf8": jwt.DecodeError,
}
"""What PyJWT, which knows nothing of our faults, says of the token."""


@pytest.mark.parametrize("fault", sorted(VERIFIER_SAYS))
def test_a_foreign_verifier_refuses_the_token_for_the_reason_that_the_fault_names(pair: Pair, fault: str) -> None:
    token = token_under(pair, id_token=fault)

    with pytest.raises(VERIFIER_SAYS[fault]):
        verified_claims(pair.running, token, options={"require": ["exp", "iat", "nonce", "sub"]})


SOUND_BUT: dict[str, Any] = {
    "old_iat": lambda claims, now: claims["iat"] < now - 86_000 and claims["exp"] > now + 86_000,
    "wrong_nonce": lambda claims, _: claims["nonce"] != "nonce-of-this-login",
    "wrong_azp": lambda claims, _: claims["azp"] == "another-tool",
    "two_aud_with_azp": lambda claims, _: claims["aud"] == ["another-tool", "kaonaDemoTool01"] and claims["azp"] == "kaonaDemoTool01",
    "two_aud_without_azp": lambda claims, _: len(claims["aud"]) == 2 and "azp" not in claims,
    "two_aud_wrong_azp": lambda claims, _: len(claims["aud"]) == 2 and claims["azp"] == "another-tool",
    "wrong_deployment": lambda claims, _: claims[names.DEPLOYMENT_ID] == "<b>404</b>",
    "long_sub": lambda claims, _: len(claims["sub"]) == 300,
    "roles_string": lambda claims, _: claims[names.ROLES] == names.INSTRUCTOR,
    "evil_roles": lambda claims, _: "v2evil" in claims[names.ROLES][0],
    "foreign_target_link_uri": lambda claims, _: claims[names.TARGET_LINK_URI].startswith("https://phishing.example/"),
}
"""Faults that leave signature and times sound, with what must show in the claims."""


@pytest.mark.parametrize("fault", sorted(SOUND_BUT))
def test_a_soundly_signed_token_carries_the_claim_that_the_fault_names(pair: Pair, fault: str) -> None:
    claims = verified_claims(pair.running, token_under(pair, id_token=fault))

    assert SOUND_BUT[fault](claims, time.time())


def test_every_token_fault_is_judged_by_a_test() -> None:
    assert set(VERIFIER_SAYS) | set(SOUND_BUT) | {"weak_key", "alg_missing", "alg_array"} == set(ID_TOKEN_FAULTS)


def test_the_algorithm_faults_are_in_the_header(pair: Pair) -> None:
    assert "alg" not in part(token_under(pair, id_token="alg_missing"), 0)
    assert part(token_under(pair, id_token="alg_array"), 0)["alg"] == ["RS256"]
    assert token_under(pair, id_token="alg_none").endswith(".")


def test_the_hs256_fault_is_signed_with_the_public_key_as_its_secret(pair: Pair) -> None:
    import hashlib
    import hmac

    token = token_under(pair, id_token="hs256_with_public_key")
    head, _, signature = token.rpartition(".")
    expected = hmac.new(pair.lms.ring.current.public_pem(), head.encode(), hashlib.sha256).digest()

    assert base64.urlsafe_b64encode(expected).rstrip(b"=").decode() == signature


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
def test_the_weak_key_has_1024_bits_is_published_and_really_signs(pair: Pair) -> None:
    token = token_under(pair, id_token="weak_key")
    kid = jwt.get_unverified_header(token)["kid"]
    weak = jwt.PyJWKSet.from_dict(published(pair).json())[kid]

    assert weak.key.key_size == 1024
    assert jwt.decode(token, weak, algorithms=["RS256"], audience="kaonaDemoTool01")["sub"] == LEARNER


def test_claims_and_header_can_be_laid_over_and_taken_away(pair: Pair) -> None:
    token = token_under(pair, claims={"name": "<img onerror=alert(1)>", "email": None}, header={"typ": None, "x": 1})

    assert part(token, 1)["name"] == "<img onerror=alert(1)>"
    assert "email" not in part(token, 1)
    assert set(part(token, 0)) == {"alg", "kid", "x"}


def test_reset_the_lms_is_right_again(pair: Pair) -> None:
    token_under(pair, id_token="alg_none", key_set="empty")
    requests.delete(f"{pair.url}/control/faults", timeout=10)

    assert verified_claims(pair.running, pair.launch(LEARNER, GRADED)["id_token"])["sub"] == LEARNER


@pytest.mark.parametrize(
    "document", [{"id_token": "no_such"}, {"key_set": "no_such"}, {"nothing": 1}, {"ags": [{"colour": 1}]}, {"ags": ["x"]}]
)
def test_a_switch_that_does_not_exist_is_refused_and_nothing_changes(pair: Pair, document: dict[str, Any]) -> None:
    answer = switch(pair, **document)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert requests.get(f"{pair.url}/control/faults", timeout=10).json() == Faults().to_json()


def test_without_leave_there_is_no_control() -> None:
    with running_lms(control=False) as running:
        assert requests.get(f"{running.url}/control/faults", timeout=10).status_code == 404
        assert requests.put(f"{running.url}/control/faults", json={"id_token": "alg_none"}, timeout=10).status_code == 404


# Key set


KEY_SET_SHOWS: dict[str, Any] = {
    "private_key": lambda answer: {"d", "p", "q"} <= set(answer.json()["keys"][0]),
    "for_encryption": lambda answer: all(key["use"] == "enc" for key in answer.json()["keys"]),
    "labelled_hs256": lambda answer: all((key["kty"], key["alg"]) == ("RSA", "HS256") for key in answer.json()["keys"]),
    "symmetric": lambda answer: answer.json()["keys"][0]["kty"] == "oct",
    "weak": lambda answer: min(len(key["n"]) for key in answer.json()["keys"]) < 200,
    "empty": lambda answer: answer.json() == {"keys": []},
    "huge": lambda answer: len(answer.content) > HUGE_KEY_SET_BYTES,
    "html": lambda answer: answer.headers["Content-Type"].startswith("text/html") and "secret-marker" in answer.text,
    "broken_json": lambda answer: answer.content == b'{"keys": [',
    "redirect": lambda answer: answer.status_code == 302 and answer.headers["Location"] == METADATA_ADDRESS,
    "error": lambda answer: answer.status_code == 503,
}


@pytest.mark.parametrize("fault", sorted(KEY_SET_FAULTS))
def test_the_key_set_is_wrong_in_the_way_that_the_fault_names(pair: Pair, fault: str) -> None:
    switch(pair, key_set=fault)

    assert KEY_SET_SHOWS[fault](published(pair))


def test_a_slow_key_set_takes_as_long_as_it_was_told(pair: Pair) -> None:
    switch(pair, key_set_delay_seconds=0.4)
    began = time.monotonic()

    assert published(pair).json()["keys"]
    assert time.monotonic() - began >= 0.4


def test_rotation_by_control_names_the_new_key(pair: Pair) -> None:
    kid = requests.post(f"{pair.url}/control/keys", timeout=10).json()["kid"]

    assert jwt.get_unverified_header(pair.launch(LEARNER, GRADED)["id_token"])["kid"] == kid


# Login


def test_every_authentication_request_can_be_answered_by_an_error(pair: Pair) -> None:
    switch(pair, auth_error="login_required")

    answer = pair.launch(LEARNER, GRADED)

    assert answer["error"] == "login_required"
    assert answer["state"] == "state-of-this-login"
    assert "id_token" not in answer


def test_login_initiation_can_name_a_target_elsewhere(pair: Pair) -> None:
    switch(pair, target_link_uri="https://phishing.example/")
    pair.launch(LEARNER, GRADED)

    assert pair.tool.logins[-1]["target_link_uri"] == "https://phishing.example/"


def test_the_clock_can_be_put_ahead(pair: Pair) -> None:
    claims = part(token_under(pair, clock_offset_seconds=300), 1)

    assert claims["iat"] == pytest.approx(time.time() + 300, abs=10)


# Services


def score_call(pair: Pair, moment: datetime, timeout: float = 10) -> requests.Response:
    token = pair.ask_token([names.SCOPE_SCORE]).json()["access_token"]
    body = {
        "userId": LEARNER,
        "timestamp": moment.isoformat(),
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 1,
        "scoreMaximum": 1,
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": names.MEDIA_SCORE}
    url = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems/1/lineitem/scores?type_id=1"
    return requests.post(url, data=json.dumps(body), headers=headers, timeout=timeout)


def test_the_grade_services_follow_a_script_of_faults_and_then_work() -> None:
    moment = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    with running_pair() as pair:
        switch(pair, ags=[500, 503, {"status": 429, "retry_after": "2"}, 401, 409])
        answers = [score_call(pair, moment) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [500, 503, 429, 401, 409, 200]
        assert answers[2].headers["Retry-After"] == "2"
        received = requests.get(f"{pair.url}/control/scores", timeout=10).json()
        assert [score["status"] for score in reversed(received)] == [500, 503, 429, 401, 409, 200]


def test_a_scripted_time_out_holds_the_answer_longer_than_the_caller_waits() -> None:
    with running_pair() as pair:
        switch(pair, ags=[{"hold_seconds": 1.0}])

        with pytest.raises(requests.ReadTimeout):
            score_call(pair, datetime(2026, 11, 22, 3, 0, tzinfo=UTC), timeout=0.2)


def test_an_answer_can_be_lost_after_the_score_was_taken() -> None:
    moment = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    with running_pair() as pair:
        switch(pair, ags=[{"status": 502, "is_stored": True}])
        lost, again = score_call(pair, moment), score_call(pair, moment)
        grades = requests.get(f"{pair.url}/control/grades/1", timeout=10).json()

    assert (lost.status_code, again.status_code) == (502, 409)
    assert grades[0]["score"] == 100


def test_the_token_endpoint_follows_a_script_of_its_own(pair: Pair) -> None:
    switch(pair, token=[{"status": 500, "body": "<h1>down</h1>"}, 400])

    assert [pair.ask_token().status_code for _ in range(3)] == [500, 400, 200]


def test_the_members_list_can_name_itself_as_its_next_page(pair: Pair) -> None:
    switch(pair, members_next_is_same_page=True)
    url = f"{pair.url}/mod/lti/services.php/CourseSection/{COURSE_ID}/bindings/1/memberships?limit=2"

    answer = pair.call("GET", url, headers={"Accept": names.MEDIA_MEMBERS})

    assert answer.links["next"]["url"] == url


def test_q23_the_call_log_holds_no_token(pair: Pair) -> None:
    answer = pair.ask_token()
    pair.launch(LEARNER, GRADED)
    logged = requests.get(f"{pair.url}/control/calls", timeout=10)

    assert {"/mod/lti/token.php", "/mod/lti/auth.php"} <= {call["path"] for call in logged.json()}
    assert answer.json()["access_token"] not in logged.text
    assert pair.tool.launches[-1]["id_token"] not in logged.text
