"""Access tokens: RFC 6749 (client credentials) at `/oauth/token`, RFC 6750 at the LRS."""

import base64
import threading
from datetime import timedelta

import pytest
from authlib.integrations.requests_client import OAuth2Session
from werkzeug.serving import make_server

from tests.xapi.conftest import PEPPER, LrsClient
from xapi import api
from xapi.keys import secret_digest
from xapi.tokens import is_token_of, read_token, sealed

pytestmark = pytest.mark.one_database

V2 = {"X-Experience-API-Version": "2.0.0"}
GRANT = {"grant_type": "client_credentials"}


def ask(client, form=None, **options):
    """Asks for a token, naming the client by Basic."""
    return client.http.post("/oauth/token", data=GRANT | (form or {}), **{"auth": (client.key.key, client.key.secret), **options})


def token_of(client, scope=None):
    answer = ask(client, {"scope": scope} if scope else None)
    assert answer.status_code == 200, answer.text
    return answer.json["access_token"]


def bearer(client, token, method="GET", **options):
    return client.http.open("/xapi/statements", method=method, headers={**V2, "Authorization": f"Bearer {token}"}, **options)


@pytest.fixture
def address(http):
    """The LRS on a real port."""
    server = make_server("127.0.0.1", 0, http.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
def test_a_client_that_knows_oauth_alone_writes_and_reads(lrs, new_statement, address, way):
    session = OAuth2Session(
        lrs.key.key,
        lrs.key.secret,
        scope="statements/write statements/read",
        token_endpoint=f"{address}/oauth/token",
        token_endpoint_auth_method=way,
    )
    token = session.fetch_token()

    written = session.post(f"{address}/xapi/statements", json=new_statement(), headers=V2)
    read = session.get(f"{address}/xapi/statements", headers=V2)

    assert token["token_type"] == "Bearer"
    assert token["expires_in"] == 900
    assert written.status_code == 200
    assert [statement["id"] for statement in read.json()["statements"]] == written.json()
    assert read.json()["statements"][0]["authority"]["account"]["name"] == lrs.key.key


def test_the_answer_has_the_form_of_the_standard(lrs):
    """RFC 6749, 5.1."""
    answer = ask(lrs, {"scope": "statements/read"})

    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}


@pytest.mark.parametrize(
    ("held", "asked", "given"),
    [
        (["statements/read", "statements/write"], None, "statements/write statements/read"),
        (["statements/read", "statements/write"], "statements/read", "statements/read"),
        (["statements/read"], "statements/read statements/write", "statements/read"),
        (["statements/read"], "statements/read/mine", "statements/read/mine"),
        (["all/read"], "statements/read", "statements/read"),
        (["all"], "state profile", "state profile"),
        (["all"], None, "all"),
    ],
)
def test_scopes_are_narrowed_to_those_of_the_key(new_client, held, asked, given):
    """RFC 6749, 3.3."""
    assert ask(new_client(*held), {"scope": asked} if asked else None).json["scope"] == given


def test_a_token_does_what_its_scopes_allow_and_no_more(lrs, new_statement):
    reading, writing = token_of(lrs, "statements/read"), token_of(lrs, "statements/write")

    assert bearer(lrs, reading).status_code == 200
    assert bearer(lrs, writing, "POST", json=new_statement()).status_code == 200
    both = ((bearer(lrs, reading, "POST", json=new_statement()), "statements/write"), (bearer(lrs, writing), "statements/read"))
    for refused, scope in both:
        assert refused.status_code == 403
        assert refused.headers["WWW-Authenticate"].startswith(f'Bearer realm="xAPI", error="insufficient_scope", scope="{scope} ')


def test_a_token_of_read_mine_sees_what_its_key_wrote(lrs, new_client, new_statement):
    client = new_client("statements/write", "statements/read")
    lrs.post(new_statement())
    [mine] = client.post(new_statement()).json

    page = bearer(client, token_of(client, "statements/read/mine"))

    assert [statement["id"] for statement in page.json["statements"]] == [mine]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "define"}, "invalid_scope"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
        ({"client_secret": "also here"}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_said_in_the_terms_of_the_standard(new_client, form, error):
    """RFC 6749, 5.2."""
    answer = ask(new_client("statements/read"), form)

    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("options", [{"json": GRANT, "data": None}, {"query_string": "scope=all"}])
def test_a_token_is_asked_for_by_a_form_in_the_body(lrs, options):
    options = {"method": "POST", "data": GRANT, "auth": (lrs.key.key, lrs.key.secret), **options}
    answer = lrs.http.open("/oauth/token", **{name: value for name, value in options.items() if value is not None})

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_a_token_is_not_for_the_asking_by_get(lrs):
    """RFC 6749, 3.2."""
    answer = lrs.http.get("/oauth/token", query_string=GRANT, auth=(lrs.key.key, lrs.key.secret))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_a_form_too_large_is_413(lrs):
    assert ask(lrs, {"scope": "x" * 20_000}).status_code == 413


def test_who_does_not_prove_its_name_gets_no_token(lrs, database, now, clock, new_client):
    expired = new_client("all", expires_at=now + timedelta(minutes=1))
    clock.forward(minutes=1)
    answers = [
        ask(lrs, auth=(lrs.key.key, "wrong")),
        ask(lrs, auth=("unknown", lrs.key.secret)),
        ask(expired),
        ask(lrs, auth=None),
        ask(lrs, {"client_id": lrs.key.key, "client_secret": "wrong"}, auth=None),
        ask(lrs, {"client_id": lrs.key.key}, auth=None),
        ask(lrs, {"client_id": "\x00", "client_secret": "x"}, auth=None),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json["error"] for answer in answers} == {"invalid_client"}
    assert len({answer.text for answer in answers}) == 1
    assert all(answer.headers["WWW-Authenticate"].startswith("Basic ") for answer in answers)


def test_a_token_lives_a_quarter_of_an_hour(lrs, clock):
    token = token_of(lrs)
    clock.forward(minutes=15, seconds=-1)
    assert bearer(lrs, token).status_code == 200

    clock.forward(seconds=1)

    assert bearer(lrs, token).status_code == 401


def test_a_token_ends_with_its_key(lrs, database, now):
    token = token_of(lrs)
    with database.transaction() as db:
        api.revoke_key(db, tenant_id=1, key=lrs.key.key, now=now)

    assert bearer(lrs, token).status_code == 401


def test_a_token_ends_with_the_secret_that_asked_for_it(lrs, database, now, clock):
    old = token_of(lrs)
    with database.transaction() as db:
        key = api.rotate_key(db, tenant_id=1, key=lrs.key.key, now=now, overlap=timedelta(minutes=5), pepper=PEPPER)
    new = token_of(LrsClient(lrs.http, key))

    assert [bearer(lrs, token).status_code for token in (old, new)] == [200, 200]
    clock.forward(minutes=5)
    assert [bearer(lrs, token).status_code for token in (old, new)] == [401, 200]


def test_a_token_that_was_changed_or_made_up_is_refused(lrs, new_client):
    """RFC 6750, 3.1."""
    raw = base64.urlsafe_b64decode(token_of(new_client("statements/read")) + "==")
    widened = base64.urlsafe_b64encode(raw.replace(b"statements/read", b"all")).decode().rstrip("=")
    foreign = base64.urlsafe_b64encode(raw.replace(raw[32:54], lrs.key.key.encode())).decode().rstrip("=")
    broken = base64.urlsafe_b64encode(bytes([raw[0] ^ 1]) + raw[1:]).decode().rstrip("=")

    for token in (widened, foreign, broken, "", "x", "é".encode().decode("latin-1"), "A" * 43, lrs.key.secret, "a.b.c"):
        answer = bearer(lrs, token)

        assert answer.status_code == 401, token
        assert answer.json["error"]["code"] in ("credentials_refused", "credentials_missing")
        challenges = answer.headers.getlist("WWW-Authenticate")
        assert challenges[0].startswith("Basic ")
        assert challenges[1] == 'Bearer realm="xAPI", error="invalid_token"'


def test_who_comes_without_credentials_is_told_of_both_ways(http):
    """RFC 6750, 3: without a token, no error code."""
    answer = http.get("/xapi/statements", headers=V2)

    assert answer.headers.getlist("WWW-Authenticate") == ['Basic realm="xAPI", charset="UTF-8"', 'Bearer realm="xAPI"']


def test_a_token_never_does_what_its_key_may_not(new_client, new_statement, now):
    client = new_client("statements/read")
    token = sealed(client.key.key, ("all",), now, digest=secret_digest(client.key.secret, PEPPER), pepper=PEPPER)

    assert bearer(client, token, "POST", json=new_statement()).status_code == 403


def test_a_stolen_table_of_keys_makes_no_token(lrs, now):
    """Who reads the database has the digest of a secret, but not the pepper."""
    digest = secret_digest(lrs.key.secret, PEPPER)
    token = read_token(token_of(lrs))
    forged = sealed(lrs.key.key, ("all",), now, digest=digest, pepper=b"")

    assert is_token_of(token, now, digest=digest, pepper=PEPPER)
    assert bearer(lrs, forged).status_code == 401
