"""The state of a login: what its launch must find again, sealed by us and carried by the platform in our place. Pure.

A login is answered without a row; its launch spends the state by a unique entry (`docs/decisions/0006-sealed-state.md`).

Source   LTI 1.3 core, section 5.1.1.2; 1EdTech security framework 1.0, section 5.1.1; OpenID Connect core 1.0, 3.1.2.1
"""

import hashlib
import hmac
import re
import secrets
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from lti_tool.lti.errors import StateUnknown

MAX_CHARACTERS = 1500
"""Longest state that we ask a platform to carry. Hints that do not fit stay with us."""
TEXT = re.compile(r"[A-Za-z0-9_-]{192,1500}", re.ASCII)
RANDOM_BYTES = 32
SEAL_BYTES = 32
HEAD = struct.Struct(f">QQ{RANDOM_BYTES}s{RANDOM_BYTES}s32s")
"""Registration, milliseconds since 1970, the state's own randomness, the nonce's, digest of the binding cookie."""
SHORT_BYTES = 400
"""Hints up to here are not worth compressing."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class State:
    """One login, as its launch reads it."""

    text: str
    """What the platform carries."""
    hash: str
    """Names the state where it is spent, and tells nothing of it; two spellings of one state have the same."""
    registration_id: int
    nonce: str
    browser_hash: bytes
    """SHA-256 of the cookie that binds the launch to this browser."""
    hints: Mapping[str, str] | None
    """The login initiation as it came, for the offer of a new window; None when it is too long to be carried."""
    created_at: datetime


def browser_digest(token: str) -> bytes:
    """What stands in a state for a binding cookie."""
    return hashlib.sha256(token.encode()).digest()


def seal_state(key: bytes, *, registration_id: int, browser_hash: bytes, hints: Mapping[str, str], now: datetime) -> State:
    """A new state for one login.

    key      32 bytes for this purpose alone
    Returns  a state of 256 random bits with a nonce of 256 others, in at most 1,500 characters of the URL-safe alphabet
    """
    random = secrets.token_bytes(2 * RANDOM_BYTES)
    at = (now - EPOCH) // MILLISECOND
    head = HEAD.pack(registration_id, at, random[:RANDOM_BYTES], random[RANDOM_BYTES:], browser_hash)
    text, raw = _sealed(key, head + _packed(hints))
    carried: Mapping[str, str] | None = hints
    if len(text) > MAX_CHARACTERS:
        carried = None
        text, raw = _sealed(key, head)
    return State(text, _hash(raw), registration_id, _spelled(random[RANDOM_BYTES:]), browser_hash, carried, EPOCH + at * MILLISECOND)


def open_state(key: bytes, text: str) -> State:
    """The state that a launch brings back. Raises StateUnknown when we never made it, or when a single bit of it was changed."""
    if not TEXT.fullmatch(text):
        raise StateUnknown
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except Base64Error:
        raise StateUnknown from None
    seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
    if not hmac.compare_digest(seal, hmac.digest(key, body, "sha256")):
        raise StateUnknown
    registration_id, at, _, nonce, browser_hash = HEAD.unpack_from(body)
    return State(text, _hash(raw), registration_id, _spelled(nonce), browser_hash, _unpacked(body[HEAD.size :]), EPOCH + at * MILLISECOND)


def storage_key(state: State) -> str:
    """The name under which a platform keeps that value."""
    return f"kaona-{state.hash[:32]}"


def storage_token(key: bytes, state: State) -> str:
    """What a platform keeps for one login where cookies are refused: 256 bits that nobody finds without our key.

    It does for the launch what the binding cookie does; it is none of the words that stand in addresses and forms.
    """
    return _spelled(hmac.digest(key, b"kept by the platform\n" + state.hash.encode(), "sha256"))


def _sealed(key: bytes, body: bytes) -> tuple[str, bytes]:
    raw = hmac.digest(key, body, "sha256") + body
    return _spelled(raw), raw


def _packed(hints: Mapping[str, str]) -> bytes:
    plain = orjson.dumps(hints)
    return plain if len(plain) <= SHORT_BYTES else zlib.compress(plain)


def _unpacked(packed: bytes) -> Mapping[str, str] | None:
    if not packed:
        return None
    hints: Mapping[str, str] = orjson.loads(packed if packed.startswith(b"{") else zlib.decompress(packed))
    return hints


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _spelled(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
