"""The id token, step by step: its shape, its signature, its claims. Pure; the launch calls these in this order.

Source   LTI 1.3 security framework 1.0, section 5.1.3 (authentication response validation); RFC 7515; RFC 7519
"""

import math
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from kernel import strictjson
from lti_tool.lti.errors import (
    AudienceWrong,
    IssuerMismatch,
    NonceWrong,
    SignatureInvalid,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    TokenTooOld,
)

MAX_TOKEN_CHARACTERS = 32_768
LEEWAY_SECONDS = 60
"""How far the platform's clock and ours may differ."""
MAX_AGE_SECONDS = 600
"""Oldest token that is taken, whatever its own expiry says."""
MAX_ID_CHARACTERS = 255

PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
PADDING = PKCS1v15()
HASH = SHA256()


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token of the right shape; nothing in it is to be believed yet."""

    kid: str
    claims: Mapping[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_token(text: str) -> UnverifiedToken:
    """The parts of a compact JSON Web Signature by RS256.

    Raises   TokenMalformed for another number of parts, bad base64, JSON or UTF-8, parts that are no objects, an algorithm
             other than RS256, no key id, or extensions that we would have to understand
    """
    parts = text.split(".", 3)
    if len(text) > MAX_TOKEN_CHARACTERS or len(parts) != 3 or not all(map(PART.fullmatch, parts)):  # noqa: PLR2004  header, claims, signature
        raise TokenMalformed
    header, claims = (_json_object(_decoded(part)) for part in parts[:2])
    kid = header.get("kid")
    if header.get("alg") != "RS256" or not isinstance(kid, str) or not 0 < len(kid) <= MAX_ID_CHARACTERS:
        raise TokenMalformed
    if "crit" in header or "b64" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise TokenMalformed
    return UnverifiedToken(kid, claims, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]))


def verify_signature(token: UnverifiedToken, key: RSAPublicKey) -> None:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3). Raises SignatureInvalid."""
    try:
        key.verify(token.signature, token.signed, PADDING, HASH)
    except InvalidSignature:
        raise SignatureInvalid from None


def check_claims(claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: datetime) -> None:
    """Whether a signed token answers this login, for us, now.

    issuer, client_id, nonce   as the login's state record holds them
    Raises   IssuerMismatch, AudienceWrong, TokenExpired, TokenTooOld, TokenNotYetValid, NonceWrong, TokenMalformed
    """
    if claims.get("iss") != issuer:
        raise IssuerMismatch
    _check_audience(claims, client_id)
    _check_times(claims, now.timestamp())
    found = claims.get("nonce")
    if not isinstance(found, str) or not compare_digest(found.encode(), nonce.encode()):
        raise NonceWrong


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Our id is in `aud`; with several, `azp` must be ours; `azp`, if there, must be ours (OpenID Connect core, 3.1.3.7)."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or not all(isinstance(name, str) for name in audiences):
        raise AudienceWrong
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise AudienceWrong


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires_at, issued_at = _moment(claims, "exp"), _moment(claims, "iat")
    if now > expires_at + LEEWAY_SECONDS:
        raise TokenExpired
    if issued_at > now + LEEWAY_SECONDS or ("nbf" in claims and _moment(claims, "nbf") > now + LEEWAY_SECONDS):
        raise TokenNotYetValid
    if now - issued_at > MAX_AGE_SECONDS + LEEWAY_SECONDS:
        raise TokenTooOld


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenMalformed
    return value


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (Base64Error, ValueError):
        raise TokenMalformed from None


def _json_object(raw: bytes) -> Mapping[str, Any]:
    try:
        value = strictjson.loads(raw)
    except strictjson.InvalidJson:
        raise TokenMalformed from None
    if not isinstance(value, dict):
        raise TokenMalformed
    return value
