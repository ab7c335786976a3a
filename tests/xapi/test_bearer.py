"""Tokens of an agency's identity provider: RFC 9068 and RFC 8725, with keys that a real server publishes."""

import base64
import hmac
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from kernel.http import GuardedClient, HttpPolicy
from tests.conftest import NOW
from tests.xapi.conftest import PEPPER
from xapi import api

ISSUER, AUDIENCE = "https://id.agency.example.go.th/realms/people", "https://kaona.example.go.th/xapi"
TENANTS = {"dmd": 1, "dsd": 2}
V2 = {"X-Experience-API-Version": "2.0.0"}


class Provider:
    """An identity provider: keys of its own, published on a real port, and how often they were fetched."""

    def __init__(self) -> None:
        self.keys = {"rsa": RSAKey.generate_key(2048, {"kid": "rsa"}), "ec": ECKey.generate_key("P-256", {"kid": "ec"})}
        self.published: Any = {"keys": [key.as_dict(private=False) for key in self.keys.values()]}
        self.status = 200
        self.fetched = 0
        self.wait = threading.Event()
        self.wait.set()

    def token(self, key: str = "rsa", *, header: Any = None, signed_by: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        head = {"alg": algorithm, "typ": "at+jwt", "kid": key} | (header or {})
        body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "s", "client_id": "warehouse", "scope": "statements/read", **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        head = {name: value for name, value in head.items() if value is not None}
        return jws.serialize_compact(head, json.dumps(kept), signed_by or self.keys[key], algorithms=[head["alg"]])


@pytest.fixture(scope="module")
def keys() -> Provider:
    return Provider()


@pytest.fixture
def provider(keys):
    """A provider with the module's keys and a server of its own."""
    one = Provider.__new__(Provider)
    one.__dict__ |= keys.__dict__ | {"fetched": 0, "status": 200, "wait": threading.Event()}
    one.wait.set()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.fetched += 1
            one.wait.wait(10)
            body = one.published if isinstance(one.published, bytes) else json.dumps(one.published).encode()
            self.send_response(one.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    one.url = f"http://127.0.0.1:{server.server_port}/certs"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield one
    one.wait.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def serve(database, clock, provider) -> Callable[..., Any]:
    """An LRS that takes the provider's tokens."""

    def make(http: GuardedClient | None = None, **options: Any) -> Any:
        if "tenant_claim" not in options:
            options = {"tenant": "dmd"} | options
        known = api.IdentityProvider(issuer=ISSUER, audience=AUDIENCE, jwks_url=provider.url, **options)
        app = Flask("lrs")
        app.register_blueprint(
            api.create_lrs(
                database, clock=clock, key_pepper=PEPPER, identity_providers=[known], tenant_of=lambda _db, code: TENANTS.get(code),
                http=http or GuardedClient(HttpPolicy(dev_mode=True)),
            )
        )  # fmt: skip
        return app.test_client()

    return make


@pytest.fixture
def call():
    """Calls the LRS with a token of the provider that lives for five minutes."""

    def make(http, token: str, method: str = "GET", **options: Any):
        return http.open("/xapi/statements", method=method, headers={**V2, "Authorization": f"Bearer {token}"}, **options)

    return make


def seconds(**later):
    return int((NOW + timedelta(**later)).timestamp())


def test_a_token_of_the_provider_reads_and_writes_for_its_tenant(serve, provider, call, new_statement, new_client):
    http, elsewhere = serve(), new_client("all", tenant_id=2)
    token = provider.token(exp=seconds(minutes=5), iat=seconds(), scope="openid statements/read statements/write")

    written = call(http, token, "POST", json=new_statement())
    read = call(http, token)

    assert (written.status_code, read.status_code) == (200, 200)
    [statement] = read.json["statements"]
    assert statement["authority"] == {"objectType": "Agent", "account": {"homePage": ISSUER, "name": "warehouse"}}
    assert elsewhere.ids() == []
    assert provider.fetched == 1


def test_a_more_link_belongs_to_the_client_of_the_token(serve, provider, call, new_statement):
    http, exp = serve(), seconds(minutes=5)
    ours, theirs = provider.token(exp=exp, scope="all"), provider.token(exp=exp, scope="all", client_id="another")
    call(http, ours, "POST", json=[new_statement(), new_statement()])
    more = call(http, ours, query_string={"limit": 1}).json["more"]

    def follow(token):
        return http.get(more, headers={**V2, "Authorization": f"Bearer {token}"}).status_code

    assert (follow(ours), follow(theirs)) == (200, 400)


def test_an_elliptic_key_serves_where_it_is_set_up(serve, provider, call):
    token = provider.token("ec", algorithm="ES256", exp=seconds(minutes=5))

    assert call(serve(algorithms=("RS256", "ES256")), token).status_code == 200
    assert call(serve(), token).json["error"]["rule"] == "token_algorithm"


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def made_by_hand(exp, sign, **header):
    """A token that no library would make."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": exp, "client_id": "x", "scope": "all"}
    signed = f"{encoded({'typ': 'at+jwt', 'kid': 'rsa', **header})}.{encoded(claims)}"
    return f"{signed}.{encoded(sign(signed.encode()))}"


def hmac_with_the_public_key(provider, exp):
    """RFC 8725, 2.1: the public key taken for a shared secret."""
    return made_by_hand(exp, lambda signed: hmac.digest(provider.keys["rsa"].as_pem(private=False), signed, "sha256"), alg="HS256")


def unsigned(provider, exp):
    return made_by_hand(exp, lambda _: b"", alg="none")


def with_something_critical(provider, exp):
    """RFC 7515, 4.1.11: what is critical and not understood refuses the token."""
    key = provider.keys["rsa"].private_key
    return made_by_hand(exp, lambda signed: key.sign(signed, PKCS1v15(), SHA256()), alg="RS256", crit=["x"], x=1)


def repeated(provider, exp):
    """Two audiences under one name: which one counts is not ours to guess."""
    text = json.dumps({"iss": ISSUER, "aud": "x", "exp": exp, "client_id": "x", "scope": "all"})[:-1] + f', "aud": "{AUDIENCE}"}}'
    return jws.serialize_compact({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}, text, provider.keys["rsa"])


REFUSED = {
    "of no issuer that we know": ("token_issuer", {"iss": "https://elsewhere.example"}),
    "without issuer": ("token_issuer", {"iss": None}),
    "for another": ("token_audience", {"aud": "https://another.example"}),
    "for nobody": ("token_audience", {"aud": None}),
    "run out": ("token_expired", {"exp": -61}),
    "without end": ("token_form", {"exp": None}),
    "with an end that is no number": ("token_form", {"exp": "tomorrow"}),
    "from the future": ("token_not_yet", {"iat": 61}),
    "not valid yet": ("token_not_yet", {"nbf": 61}),
    "an id token": ("token_type", {"header": {"typ": "JWT"}}),
    "without type": ("token_type", {"header": {"typ": None}}),
    "without key": ("token_key", {"header": {"kid": None}}),
    "by an unknown key": ("token_key", {"header": {"kid": "other"}}),
    "by another algorithm of the key": ("token_algorithm", {"algorithm": "PS256"}),
    "without client": ("token_client", {"client_id": None, "sub": None}),
    "with a client too long": ("token_client", {"client_id": "x" * 151}),
    "without scope": ("token_scope", {"scope": None}),
    "with no scope of ours": ("token_scope", {"scope": "openid email"}),
}


@pytest.mark.one_database
@pytest.mark.parametrize(("rule", "change"), REFUSED.values(), ids=list(REFUSED))
def test_a_token_is_refused_that_is(serve, provider, call, rule, change):
    """RFC 9068, section 4; RFC 8725, section 3."""
    change = {name: seconds(seconds=value) if isinstance(value, int) else value for name, value in change.items()}

    answer = call(serve(), provider.token(**{"exp": seconds(minutes=5), **change}))

    assert answer.status_code == 401
    assert (answer.json["error"]["code"], answer.json["error"]["rule"]) == ("token_refused", rule)
    assert f'error="invalid_token", error_description="{rule} ' in answer.headers.getlist("WWW-Authenticate")[1]


@pytest.mark.one_database
def test_clocks_may_differ_by_a_minute(serve, provider, call):
    assert call(serve(), provider.token(exp=seconds(seconds=-59), iat=seconds(seconds=60))).status_code == 200


@pytest.mark.one_database
@pytest.mark.parametrize("forge", [hmac_with_the_public_key, unsigned, repeated, with_something_critical])
def test_a_forged_token_is_refused(serve, provider, call, forge):
    good = made_by_hand(seconds(minutes=5), lambda signed: provider.keys["rsa"].private_key.sign(signed, PKCS1v15(), SHA256()), alg="RS256")
    http = serve()

    assert [call(http, token).status_code for token in (good, forge(provider, seconds(minutes=5)))] == [200, 401]


@pytest.mark.one_database
def test_a_changed_token_is_refused(serve, provider, call):
    http, token = serve(), provider.token(exp=seconds(minutes=5))
    head, _, signature = token.split(".")
    _, body, _ = provider.token(exp=seconds(minutes=5), scope="all").split(".")

    assert call(http, f"{head}.{body}.{signature}").json["error"]["rule"] == "token_signature"
    for broken in (f"{token}.x", "a.b.c", "..", f"{head}.{body}.", "é.é.é".encode().decode("latin-1"), "x" * 20_000 + ".x.x"):
        assert call(http, broken).status_code == 401


@pytest.mark.one_database
@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: {**key, "use": "enc"},
        lambda key: {**key, "alg": "RS512"},
        lambda _: {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"},
        lambda key: {**key, "kid": None},
        lambda key: {**key, "n": "xx"},
        lambda _: "rsa",
        lambda _: RSAKey.generate_key(1024, {"kid": "rsa"}).as_dict(private=False),
        lambda _: RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=True),
    ],
)
def test_a_published_key_that_is_not_safe_checks_nothing(serve, provider, call, spoil):
    provider.published = {"keys": [spoil(provider.keys["rsa"].as_dict(private=False))]}

    answer = call(serve(), provider.token(exp=seconds(minutes=5)))

    assert answer.json["error"]["rule"] == "token_key"


@pytest.mark.one_database
def test_two_keys_of_one_id_check_nothing(serve, provider, call):
    provider.published = {"keys": [provider.published["keys"][0]] * 2}

    assert call(serve(), provider.token(exp=seconds(minutes=5))).json["error"]["rule"] == "token_key"


@pytest.mark.one_database
def test_a_new_key_is_fetched_at_most_once_a_minute(serve, provider, call, clock):
    """H22."""
    http, fresh = serve(), RSAKey.generate_key(2048, {"kid": "fresh"})
    old = provider.token(exp=seconds(hours=5))
    new = provider.token(exp=seconds(hours=5), header={"kid": "fresh"}, signed_by=fresh)
    assert call(http, old).status_code == 200
    provider.published = {"keys": [fresh.as_dict(private=False)]}

    assert {call(http, new).status_code for _ in range(5)} == {401}
    clock.forward(seconds=60)
    assert [call(http, new).status_code for _ in range(5)] == [200] * 5
    assert call(http, old).json["error"]["rule"] == "token_key"
    assert provider.fetched == 2


@pytest.mark.one_database
def test_known_keys_serve_while_the_provider_is_away_but_not_for_ever(serve, provider, call, clock):
    http, token = serve(), provider.token(exp=seconds(days=3))
    call(http, token)
    provider.status = 500
    clock.forward(hours=23)
    assert call(http, token).status_code == 200

    clock.forward(hours=1)
    away = call(http, token)

    assert (away.status_code, away.json["error"]["code"]) == (503, "issuer_unavailable")
    assert away.headers["Retry-After"] == "5"


@pytest.mark.one_database
@pytest.mark.parametrize("published", [b"<html>", b"[]", b"{}", b"\xff"])
def test_what_is_no_key_set_is_none(serve, provider, call, published):
    provider.published = published

    assert call(serve(), provider.token(exp=seconds(minutes=5))).status_code in (401, 503)


@pytest.mark.one_database
def test_keys_are_not_fetched_from_where_the_guard_forbids(serve, provider, call):
    answer = call(serve(GuardedClient(HttpPolicy())), provider.token(exp=seconds(minutes=5)))

    assert answer.status_code == 503
    assert provider.fetched == 0


def test_no_connection_is_held_while_keys_are_fetched(serve, provider, call, database):
    http, token = serve(), provider.token(exp=seconds(minutes=5))
    provider.wait.clear()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(call(http, token).status_code))
    waiting.start()
    while not provider.fetched:
        waiting.join(0.01)
    checked_out = database.engine.pool.checkedout()
    provider.wait.set()
    waiting.join()

    assert (checked_out, answers) == (0, [200])


@pytest.mark.one_database
def test_roles_of_the_provider_become_scopes(serve, provider, call, new_statement):
    http = serve(scope_claim="realm_access.roles", scopes={"lrs-reader": ("statements/read",), "lrs-writer": ("statements/write",)})

    def token(*roles):
        return provider.token(exp=seconds(minutes=5), scope="all", realm_access={"roles": [*roles, 7]})

    assert call(http, token("lrs-reader")).status_code == 200
    assert call(http, token("lrs-reader"), "POST", json=new_statement()).status_code == 403
    assert call(http, token("lrs-reader", "lrs-writer"), "POST", json=new_statement()).status_code == 200
    assert call(http, token("all")).json["error"]["rule"] == "token_scope"


def test_a_claim_tells_the_tenant_among_those_set_up(serve, provider, call, new_client):
    http = serve(tenant_claim="agency", tenants={"กรม ก": "dmd", "กรม ข": "dsd", "gone": "gone"})
    new_client("all")

    def asked(agency):
        return call(http, provider.token(exp=seconds(minutes=5), scope="all", agency=agency), "POST", json=[])

    assert asked("กรม ก").status_code == 200
    assert [asked(agency).json["error"]["rule"] for agency in ("กรม ค", ["กรม ก"], None)] == ["token_tenant"] * 3
    assert asked("gone").status_code == 401


@pytest.mark.one_database
def test_without_providers_no_such_token_is_taken(http, provider, call):
    assert call(http, provider.token(exp=seconds(minutes=5))).status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        {"tenant": "dmd", "algorithms": ("HS256",)},
        {"tenant": "dmd", "algorithms": ("none",)},
        {"tenant": "dmd", "algorithms": ()},
        {"tenant": "dmd", "types": ()},
        {"tenant": "dmd", "tenant_claim": "agency", "tenants": {"a": "dmd"}},
        {"tenant_claim": "agency"},
        {},
        {"tenant": "dmd", "issuer": ""},
        {"tenant": "dmd", "issuer": "https://" + "x" * 100},
        {"tenant": "dmd", "scopes": {"reader": ("everything",)}},
    ],
)
def test_a_provider_that_is_set_up_badly_is_refused_at_the_start(options):
    with pytest.raises(ValueError):
        api.IdentityProvider(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": "https://id.example/keys", **options})
