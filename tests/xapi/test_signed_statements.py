"""Signed statements: xAPI 1.0.3, Data 2.6; RFC 7515."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import RSAKey

from tests.conftest import NOW
from tests.xapi.test_attachments import contents, described, fault, message, part, send

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
PLACE = "/attachments/0"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def other_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key):
    """A certificate that signs itself, as an `x5c` entry."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agency.example.go.th")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1)).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def signature(payload, key, *, alg="RS256", **header):
    text = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    registry = jws.JWSRegistry(algorithms=[alg])
    registry.max_header_length = 100_000
    return jws.serialize_compact({"alg": alg, **header}, text, key, algorithms=[alg], registry=registry).encode()


def rsa_key(key):
    return RSAKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def signed(statement, content, **fields):
    sign = described(content, usageType=SIGNATURE, **fields)
    return message({**statement, "attachments": [sign, *statement.get("attachments", [])]}, part(content))


@pytest.mark.parametrize("version", ["2.0.0", "1.0.3"])
@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512"])
def test_a_statement_signed_with_rsa_is_stored_and_its_signature_kept_byte_for_byte(lrs, new_statement, key, alg, version):
    statement = new_statement(result={"score": {"scaled": 0.50}, "response": "ก"})
    content = signature(statement, rsa_key(key), alg=alg, x5c=[certificate(key)])

    stored = send(lrs.speaking(version), signed(statement, content))

    assert stored.status_code == 200, stored.text
    assert contents(lrs.get(statementId=stored.json[0], attachments="true")) == [content]


@pytest.mark.one_database
def test_a_signature_without_a_certificate_is_taken(lrs, new_statement, key):
    statement = new_statement()

    assert send(lrs, signed(statement, signature(statement, rsa_key(key)))).status_code == 200


@pytest.mark.one_database
def test_what_an_lrs_may_change_may_differ_from_what_was_signed(lrs, new_statement, key):
    statement = new_statement(timestamp="2026-01-01T00:00:00Z", result={"duration": "PT1.234S"})
    payload = {
        **statement,
        "timestamp": "2026-01-01T07:00:00+07:00",
        "result": {"duration": "PT1.23S"},
        "verb": {"id": statement["verb"]["id"]},
    }

    assert send(lrs, signed(statement, signature(payload, rsa_key(key)))).status_code == 200


@pytest.mark.one_database
def test_other_attachments_belong_to_what_is_signed(lrs, new_statement, key):
    other = described(b"other", fileUrl="https://agency.example.go.th/file")
    statement = new_statement(attachments=[other])

    assert send(lrs, signed(statement, signature(statement, rsa_key(key)))).status_code == 200
    unlike = signature(new_statement(), rsa_key(key))
    assert fault(send(lrs, signed(statement, unlike))) == ("signature_differs", PLACE)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "change",
    [
        {"verb": {"id": "http://adlnet.gov/expapi/verbs/passed"}},
        {"result": {"success": True}},
        {"id": "7b6a7b3e-8a52-4b2b-9d0b-222222222222"},
        {"timestamp": "2026-01-02T00:00:00Z"},
    ],
)
def test_a_signature_of_another_statement_is_refused(lrs, new_statement, key, change):
    statement = new_statement(id="7b6a7b3e-8a52-4b2b-9d0b-111111111111", timestamp="2026-01-01T00:00:00Z")
    content = signature({**statement, **change}, rsa_key(key))

    assert fault(send(lrs, signed(statement, content))) == ("signature_differs", PLACE)
    assert lrs.ids() == []


@pytest.mark.one_database
def test_a_signature_that_the_certificate_does_not_prove_is_refused(lrs, new_statement, key, other_key):
    statement = new_statement()
    content = signature(statement, rsa_key(key), x5c=[certificate(other_key)])

    assert fault(send(lrs, signed(statement, content))) == ("signature_wrong", PLACE)


@pytest.mark.one_database
def test_a_signature_has_the_content_type_of_octets(lrs, new_statement, key):
    statement = new_statement()
    content = signature(statement, rsa_key(key))

    assert fault(send(lrs, signed(statement, content, contentType="text/plain"))) == ("signature_type", PLACE)


@pytest.mark.one_database
def test_a_signature_must_come_with_its_statement(lrs, new_statement):
    statement = new_statement(attachments=[described(b"x", usageType=SIGNATURE, fileUrl="https://agency.example.go.th/signature")])

    assert fault(lrs.post([new_statement(), statement])) == ("signature_missing", "/1/attachments/0")


def segments(header, payload, sign=b"signature"):
    return b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in (header, payload, sign))


HEADERS = {
    "no algorithm": b"{}",
    "none": b'{"alg": "none"}',
    "a secret's algorithm": b'{"alg": "HS256"}',
    "another signature's algorithm": b'{"alg": "ES256"}',
    "an algorithm that is no text": b'{"alg": ["RS256"]}',
}
MALFORMED = {
    "no JWS": b"signature",
    "nothing": b"",
    "two segments": b"e30.e30",
    "no Base64": b"***.***.***",
    "a header that is no object": segments(b"[]", b"{}"),
    "a header that is no JSON": segments(b"{", b"{}"),
    "a payload that is no JSON": segments(b'{"alg": "RS256"}', b"{'"),
    "a payload with a member twice": segments(b'{"alg": "RS256"}', b'{"actor": 1, "actor": 2}'),
    "a payload that is no statement": segments(b'{"alg": "RS256"}', b'{"actor": 1}'),
    "a payload that is a list": segments(b'{"alg": "RS256"}', b"[]"),
    "a deep payload": segments(b'{"alg": "RS256"}', b"[" * 100_000),
    "JSON serialization": b'{"payload": "e30", "signatures": []}',
    "bytes": bytes(range(256)),
}
CHAINS = [[], "", None, 1, {}, ["***"], [1], ["e30="], [""], [{}]]


@pytest.mark.one_database
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_signature_is_refused(lrs, new_statement, name):
    assert fault(send(lrs, signed(new_statement(), MALFORMED[name]))) == ("signature_malformed", PLACE)


@pytest.mark.one_database
@pytest.mark.parametrize("name", HEADERS)
def test_an_algorithm_that_is_not_rsa_with_sha_2_is_refused(lrs, new_statement, name):
    statement = new_statement()
    content = segments(HEADERS[name], json.dumps(statement).encode())

    assert fault(send(lrs, signed(statement, content)))[0] in ("signature_algorithm", "signature_malformed")


@pytest.mark.one_database
@pytest.mark.parametrize("chain", CHAINS)
def test_a_certificate_that_is_none_is_refused(lrs, new_statement, chain):
    statement = new_statement()
    content = segments(json.dumps({"alg": "RS256", "x5c": chain}).encode(), json.dumps(statement).encode())

    assert fault(send(lrs, signed(statement, content))) == ("signature_malformed", PLACE)


@pytest.mark.one_database
def test_a_certificate_of_another_kind_of_key_is_refused(lrs, new_statement):
    statement = new_statement()
    header = {"alg": "RS256", "x5c": [certificate(ec.generate_private_key(ec.SECP256R1()))]}
    content = segments(json.dumps(header).encode(), json.dumps(statement).encode())

    assert fault(send(lrs, signed(statement, content))) == ("signature_malformed", PLACE)


@pytest.mark.one_database
def test_a_signature_of_another_usage_type_is_an_attachment_like_any_other(lrs, new_statement):
    content = b"no signature"
    statement = new_statement(attachments=[described(content, usageType="https://agency.example.go.th/attachments/seal")])

    assert send(lrs, message(statement, part(content))).status_code == 200
