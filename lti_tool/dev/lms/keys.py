"""The platform's signing keys: made once, rotated on request, published as a key set.

Key objects are loaded once and kept: loading one for each signature costs some 80 ms.
"""

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEYS_PUBLISHED = 2
"""The signing key and the one before it."""

Signer = Callable[[bytes], bytes]
"""From the signing input to the signature."""


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One RSA key with its name."""

    kid: str
    private: rsa.RSAPrivateKey

    @classmethod
    def generate(cls, *, bits: int = 2048) -> "SigningKey":
        """A new key. bits: 2048 for use, 1024 to misbehave."""
        return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @classmethod
    def from_pem(cls, pem: str) -> "SigningKey":
        """The key of a PEM text without a password."""
        return cls.of(_private_key(pem))

    @classmethod
    def of(cls, private: rsa.RSAPrivateKey) -> "SigningKey":
        """Names a key by its public part, so that the same key has the same kid everywhere."""
        numbers = private.public_key().public_numbers()
        thumbprint = json.dumps({"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}, separators=(",", ":"))
        return cls(kid=hashlib.sha256(thumbprint.encode()).hexdigest()[:20], private=private)

    def pem(self) -> str:
        """The private key as PKCS 8 text."""
        form = serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    def public_pem(self) -> bytes:
        """The public key as text: what a careless verifier would take for an HMAC secret."""
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, *, with_private: bool = False) -> dict[str, Any]:
        """The key as a JSON Web Key (RFC 7517); with its secret part only to misbehave."""
        secret = self.private.private_numbers()
        public = secret.public_numbers
        jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": _number(public.n), "e": _number(public.e)}
        if with_private:
            parts = {"d": secret.d, "p": secret.p, "q": secret.q, "dp": secret.dmp1, "dq": secret.dmq1, "qi": secret.iqmp}
            jwk |= {name: _number(value) for name, value in parts.items()}
        return jwk

    def sign(self, data: bytes) -> bytes:
        """RS256 signature (RFC 7518, section 3.3)."""
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


def compact(header: Any, payload: Any, signature_of: Signer) -> str:
    """A JWS in compact form.

    header, payload   JSON values; bytes are taken as they are
    Source            RFC 7515, section 7.1
    """
    parts = [b64url(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, payload)]
    signing_input = ".".join(parts).encode()
    return f"{signing_input.decode()}.{b64url(signature_of(signing_input))}"


def hmac_signature(secret: bytes) -> Signer:
    """HS256 with this secret, as `compact` wants it."""
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


class KeyRing:
    """The published keys, oldest first; the last one signs."""

    def __init__(self, keys: list[SigningKey]) -> None:
        if not keys:
            raise ValueError("a key ring holds at least one key")
        self.keys = keys

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return self.keys[-1]

    def rotate(self) -> SigningKey:
        """A new key takes over; the one before it stays published, older ones go."""
        self.keys = [*self.keys, SigningKey.generate()][-KEYS_PUBLISHED:]
        return self.current

    def dumps(self) -> str:
        """The ring as text, for the store."""
        return json.dumps([key.pem() for key in self.keys])

    @classmethod
    def loads(cls, text: str) -> "KeyRing":
        """The ring that `dumps` wrote."""
        return cls([SigningKey.from_pem(pem) for pem in json.loads(text)])

    def jwks(self) -> dict[str, Any]:
        """The key set as published (RFC 7517, section 5)."""
        return {"keys": [key.jwk() for key in self.keys]}


@functools.lru_cache(maxsize=8)
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    """The key of a PEM text; to read one takes long, for its numbers are tried."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a signing key is an RSA key")
    return key


@functools.cache
def stranger() -> SigningKey:
    """A sound key that is published nowhere; made at its first use."""
    return SigningKey.generate()


@functools.cache
def weakling() -> SigningKey:
    """A key of 1024 bits, too short for RS256; made at its first use."""
    return SigningKey.generate(bits=1024)
