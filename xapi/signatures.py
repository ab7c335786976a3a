"""Signed statements: is the signature that comes with a statement well formed, and does it sign this statement? Pure.

It catches mistakes and broken transfers. Whether the signer is who they say is for the reader to decide: no certificate chain is
trusted here, as the standard leaves it.
Source   xAPI 1.0.3, Data 2.6; IEEE 9274.1.1, 4.2.6; RFC 7515
"""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from kernel import strictjson
from kernel.strictjson import InvalidJson
from xapi.errors import StatementInvalid
from xapi.meaning import same_meaning
from xapi.validation import validate_statement
from xapi.vocabulary import MAX_ATTACHMENT_BYTES, MAX_BODY_BYTES, OCTETS, SIGNATURE

_ALGORITHMS = ("RS256", "RS384", "RS512")


class _Sizes(jws.JWSRegistry):
    """Room for a chain of certificates in the header, and for a whole statement."""

    max_header_length = MAX_BODY_BYTES
    max_payload_length = MAX_ATTACHMENT_BYTES


_REGISTRY = _Sizes(algorithms=_ALGORITHMS, strict_check_header=False)


def verify_signatures(statement: Mapping[str, Any], contents: Mapping[str, bytes], version: str) -> None:
    """Passes a statement without a signature, or one that each of its signatures signs.

    statement   valid
    contents    those that came with it, by hash
    version     the terms of the request
    Raises      StatementInvalid with the attachment's place
    """
    for number, attachment in enumerate(statement.get("attachments", ())):
        if attachment["usageType"] == SIGNATURE:
            broken = _broken_rule(statement, attachment, contents.get(attachment["sha2"].lower()), version)
            if broken:
                raise StatementInvalid(broken, f"/attachments/{number}")


def _broken_rule(statement: Mapping[str, Any], attachment: Mapping[str, Any], content: bytes | None, version: str) -> str | None:
    if attachment["contentType"].lower() != OCTETS:
        return "signature_type"
    if content is None:
        return "signature_missing"
    try:
        signature = jws.extract_compact(content.strip(), registry=_REGISTRY)
        if signature.headers().get("alg") not in _ALGORITHMS:
            return "signature_algorithm"
        signed = strictjson.loads(signature.payload)
        validate_statement(signed, version)
        if "x5c" in signature.headers() and not jws.validate_compact(signature, _certified(signature.headers()["x5c"]), registry=_REGISTRY):
            return "signature_wrong"
    except (JoseError, InvalidJson, StatementInvalid, UnsupportedAlgorithm, ValueError, TypeError, LookupError):
        return "signature_malformed"
    is_other = "id" in signed and "id" in statement and signed["id"].lower() != statement["id"].lower()
    return "signature_differs" if is_other or not same_meaning(_unsigned(signed), _unsigned(statement)) else None


def _certified(chain: Any) -> RSAKey:
    """The key of the certificate that signed: the first of an `x5c` header."""
    key = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True)).public_key()
    if not isinstance(key, RSAPublicKey):
        raise TypeError(type(key))
    return RSAKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _unsigned(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as it was before it was signed."""
    others = [one for one in statement.get("attachments", ()) if one["usageType"] != SIGNATURE]
    return {**{name: value for name, value in statement.items() if name != "attachments"}, **({"attachments": others} if others else {})}
