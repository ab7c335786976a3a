"""Who may speak to the LRS, in which version, and what every answer carries."""

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from kernel.errors import NotFound
from xapi import api
from xapi.errors import RequestInvalid

pytestmark = pytest.mark.one_database

HEADERS = ("X-Experience-API-Version", "X-Experience-API-Consistent-Through")
V2 = {"X-Experience-API-Version": "2.0.0"}


def basic(user, secret):
    return {**V2, "Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    "scheme", ["", "Bearer x", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe").decode(), "Basic eDp5", "Basic é"]
)
def test_no_or_a_wrong_credential_is_401(http, lrs, scheme):
    """H43."""
    answer = http.get("/xapi/statements", headers={**V2, "Authorization": scheme} if scheme else V2)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert all(name in answer.headers for name in HEADERS)


def test_a_wrong_secret_an_unknown_key_an_expired_and_a_revoked_one_look_alike(http, database, clock, new_client, now):
    good, revoked = new_client("all"), new_client("all")
    expired = new_client("all", expires_at=now + timedelta(hours=1))
    assert expired.get().status_code == 200
    with database.transaction() as db:
        api.revoke_key(db, tenant_id=1, key=revoked.key.key, now=now)
    clock.forward(hours=1)

    answers = [
        http.get("/xapi/statements", headers=basic(good.key.key, "wrong")),
        http.get("/xapi/statements", headers=basic("unknown", good.key.secret)),
        expired.get(),
        revoked.get(),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


WRITE = ("statements/write", "all")
READ = ("statements/read", "statements/read/mine", "all/read", "all")


@pytest.mark.parametrize(
    "scope", ["statements/write", "statements/read", "statements/read/mine", "state", "profile", "define", "all/read", "all"]
)
def test_each_scope_allows_its_acts_and_no_other(new_client, new_statement, scope):
    """Communication 4.2."""
    client = new_client(scope)

    assert client.post(new_statement()).status_code == (200 if scope in WRITE else 403)
    assert client.put(new_statement(), "9e13cefd-53d3-4eac-b5ed-2cf6693903bb").status_code == (204 if scope in WRITE else 403)
    assert client.get().status_code == (200 if scope in READ else 403)


def test_read_mine_sees_own_statements_only(lrs, new_client, new_statement):
    """H43."""
    client = new_client("statements/write", "statements/read/mine")
    [foreign] = lrs.post(new_statement()).json
    mine = client.post([new_statement(), new_statement()]).json
    imitation = {"objectType": "Agent", "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": client.key.key}}
    lrs.post(new_statement(actor=imitation))
    lrs.post(new_statement(object={"objectType": "StatementRef", "id": mine[0]}))

    assert client.ids() == mine[::-1]
    assert client.ids(verb=new_statement()["verb"]["id"]) == mine[::-1]
    assert client.follow(client.get(limit=1).json["more"]).json["statements"][0]["id"] == mine[0]
    assert client.get(statementId=foreign).status_code == 404
    assert client.get(statementId=mine[0]).status_code == 200


def test_tenants_do_not_see_each_other(lrs, new_client, new_statement):
    other = new_client("all", tenant_id=2)
    statement_id = "9e13cefd-53d3-4eac-b5ed-2cf6693903bb"
    lrs.post(new_statement(id=statement_id))

    assert other.get(statementId=statement_id).status_code == 404
    assert other.ids() == []
    assert other.post(new_statement(id=statement_id, result={"success": True})).status_code == 200
    assert "result" not in lrs.get(statementId=statement_id).json
    assert other.post(
        new_statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object={"objectType": "StatementRef", "id": statement_id})
    ).status_code == 200  # fmt: skip
    assert lrs.get(statementId=statement_id).status_code == 200


def test_a_secret_is_not_stored_and_use_is_noted_once_an_hour(database, clock, lrs, now):
    lrs.get()
    clock.forward(minutes=59)
    lrs.get()
    with database.reading() as db:
        [view] = api.list_keys(db, tenant_id=1)
        row = str(db.execute(text("SELECT * FROM xapi_key")).one())
    assert view.last_used_at == now
    assert lrs.key.secret not in row

    clock.forward(minutes=1)
    lrs.get()

    with database.reading() as db:
        assert api.list_keys(db, tenant_id=1)[0].last_used_at == clock.now


def test_a_new_key_hides_its_secret_from_logs_and_has_256_bits(lrs):
    assert lrs.key.secret not in repr(lrs.key)
    assert len(base64.urlsafe_b64decode(lrs.key.secret + "=")) == 32


def test_keys_are_listed_and_revoked_within_their_tenant(database, lrs, now):
    with database.transaction() as db:
        assert [view.key for view in api.list_keys(db, tenant_id=1)] == [lrs.key.key]
        assert api.list_keys(db, tenant_id=2) == []
        with pytest.raises(NotFound):
            api.revoke_key(db, tenant_id=2, key=lrs.key.key, now=now)
        api.revoke_key(db, tenant_id=1, key=lrs.key.key, now=now)
        api.revoke_key(db, tenant_id=1, key=lrs.key.key, now=now + timedelta(days=1))
        assert api.list_keys(db, tenant_id=1)[0].revoked_at == now


@pytest.mark.parametrize("scopes", [[], ["statements"], ["all", "everything"]])
def test_a_key_needs_scopes_that_xapi_knows(database, now, scopes):
    with database.transaction() as db, pytest.raises(RequestInvalid):
        api.create_key(db, tenant_id=1, name="x", scopes=scopes, now=now)


@pytest.mark.parametrize(("mount", "default"), [("/xapi", "2.0.0"), ("/xapi/1.0.3", "1.0.3")])
def test_a_request_without_version_is_refused_in_the_terms_of_its_mount(lrs, new_statement, mount, default):
    """Communication 3.3."""
    client = lrs.speaking("", mount)

    for answer in (client.get(), client.post(new_statement()), client.put(new_statement(), "9e13cefd-53d3-4eac-b5ed-2cf6693903bb")):
        assert answer.status_code == 400
        assert answer.headers["X-Experience-API-Version"] == default


@pytest.mark.parametrize("mount", ["/xapi", "/xapi/1.0.3"])
@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("2.0.0", "2.0.0"),
        ("2.0", "2.0.0"),
        ("2.0.7", "2.0.0"),
        ("1.0.3", "1.0.3"),
        ("1.0", "1.0.3"),
        ("1.0.0", "1.0.3"),
        ("1.0.2", "1.0.3"),
    ],
)
def test_a_request_is_answered_in_the_version_it_names(lrs, new_statement, mount, asked, answered):
    client = lrs.speaking(asked, mount)

    for answer in (client.get(), client.post(new_statement()), client.get(limit="x")):
        assert answer.headers["X-Experience-API-Version"] == answered


@pytest.mark.parametrize("version", ["0.95", "1.1.0", "2.1.0", "3.0.0", "2", "1.0.3x", "๑.๐"])
def test_other_versions_are_refused(lrs, version):
    answer = lrs.http.get("/xapi/statements", headers={"X-Experience-API-Version": version.encode().decode("latin-1")})

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "version_refused")


@pytest.mark.parametrize("path", ["/xapi/about", "/xapi/1.0.3/about"])
def test_about_needs_neither_version_nor_credential(http, path):
    answer = http.get(path)

    assert answer.status_code == 200
    assert answer.json["version"][0] == "2.0.0"
    assert {"1.0.0", "1.0.1", "1.0.2", "1.0.3"} < set(answer.json["version"])
    assert all(name in answer.headers for name in HEADERS)


def test_consistent_through_is_recent_on_every_answer(lrs, clock, new_statement):
    answers = [
        lrs.get(),
        lrs.get(limit="x"),
        lrs.post(new_statement()),
        lrs.post({}),
        lrs.get(statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb"),
    ]

    for answer in answers:
        assert answer.headers["X-Experience-API-Consistent-Through"].startswith("2026-11-22T02:")


def test_head_is_get_without_body(lrs, new_statement):
    """Communication 1.1."""
    [statement_id] = lrs.post(new_statement()).json
    for path in (f"/xapi/statements?statementId={statement_id}", "/xapi/statements", "/xapi/about"):
        got, head = (lrs.http.open(path, method=method, headers=basic(lrs.key.key, lrs.key.secret)) for method in ("GET", "HEAD"))

        assert (head.status_code, head.data) == (got.status_code, b"")
        assert head.headers["ETag"] == got.headers["ETag"]
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405_in_json(lrs, method):
    answer = lrs.http.open("/xapi/statements", method=method, headers=basic(lrs.key.key, lrs.key.secret))

    assert answer.status_code == 405
    assert answer.json["error"]["code"] == "method_refused"
    assert "POST" in answer.headers["Allow"]


def test_an_unknown_address_without_version_is_refused_for_that(http):
    assert http.get("/xapi/nothing").json["error"]["code"] == "version_refused"


@pytest.mark.parametrize("path", ["/xapi", "/xapi/nothing", "/xapi/1.0.3/nothing/here"])
def test_other_addresses_are_404_in_json(http, path):
    answer = http.get(path, headers=V2)

    assert (answer.status_code, answer.json["error"]["code"]) == (404, "resource_not_found")
    assert all(name in answer.headers for name in HEADERS)


def test_no_answer_invites_other_origins(lrs):
    answer = lrs.get(headers={"Origin": "https://elsewhere.example"})

    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


def test_statement_answers_are_not_cached_by_others(lrs):
    assert lrs.get().headers["Cache-Control"] == "no-store"


def alternate(lrs, method, query=None, **form):
    headers = {"X-Experience-API-Version": "1.0.3", "Authorization": basic(lrs.key.key, lrs.key.secret)["Authorization"]}
    return lrs.http.post("/xapi/1.0.3/statements", query_string=query or {"method": method}, data={**headers, **form})


def test_the_alternate_syntax_works_in_1_0_3(lrs, new_statement):
    """Communication 1.3."""
    statement_id = "9e13cefd-53d3-4eac-b5ed-2cf6693903bb"
    content = json.dumps(new_statement(), ensure_ascii=False)

    put = alternate(lrs, "PUT", statementId=statement_id, content=content, **{"Content-Type": "application/json"})
    got = alternate(lrs, "GET", statementId=statement_id)
    post = alternate(lrs, "POST", content=content)

    assert (put.status_code, got.status_code, post.status_code) == (204, 200, 200)
    assert got.json["verb"] == new_statement()["verb"]


def test_the_alternate_syntax_refuses_what_it_does_not_know(lrs, new_statement):
    assert alternate(lrs, "PUT", query={"method": "PUT", "statementId": "x"}).status_code == 400
    assert alternate(lrs, "PUT", statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb").json["error"]["place"] == "content"
    assert alternate(lrs, "BREW").status_code == 405
    assert alternate(lrs, "GET", unknown="1").status_code == 400


def test_2_0_has_no_alternate_syntax(lrs):
    form = {"limit": "1", **basic(lrs.key.key, lrs.key.secret)}

    in_form = lrs.http.post("/xapi/statements?method=GET", data=form)
    in_header = lrs.http.post("/xapi/statements?method=GET", headers=basic(lrs.key.key, lrs.key.secret), data={"limit": "1"})

    assert (in_form.status_code, in_header.status_code) == (400, 400)
