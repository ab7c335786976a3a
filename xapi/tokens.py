"""Access tokens of the LRS itself: made at `/oauth/token`, stored nowhere. Pure.

A token holds key, scopes and expiry under a seal that is made with the digest of the credential's secret. So it cannot be forged by who
reads the database without the pepper, it ends with its credential or with the secret that asked for it, and a request that carries it
costs the one read that Basic costs.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from xapi.errors import CredentialsRefused
from xapi.vocabulary import SCOPE_ALL, SCOPE_ALL_READ, SCOPE_READ, SCOPE_READ_MINE, SCOPES

TOKEN_SECONDS: Final = 15 * 60
"""How long a token lives."""

_SEAL_BYTES = 32
_CONTAINS = {SCOPE_ALL: SCOPES, SCOPE_ALL_READ: (SCOPE_READ, SCOPE_READ_MINE), SCOPE_READ: (SCOPE_READ_MINE,)}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was sent; nothing in it is to be believed before `is_token_of`."""

    key: str
    scopes: tuple[str, ...]
    expires: int
    """Seconds since 1970."""
    body: bytes = field(repr=False)
    seal: bytes = field(repr=False)


@lru_cache(maxsize=1024)
def narrowed(asked: tuple[str, ...], held: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that are asked for, as far as those held contain them; in the order of the standard."""
    contained = {scope for one in held for scope in (one, *_CONTAINS.get(one, ()))}
    return tuple(scope for scope in SCOPES if scope in contained.intersection(asked))


def sealed(key: str, scopes: Sequence[str], now: datetime, *, digest: str, pepper: bytes) -> str:
    """A token of a credential, made with the secret of this digest; it lives `TOKEN_SECONDS`."""
    body = " ".join([key, str(int(now.timestamp()) + TOKEN_SECONDS), *scopes]).encode()
    return base64.urlsafe_b64encode(_seal(body, digest, pepper) + body).decode().rstrip("=")


def read_token(text: str) -> Token:
    """The parts of a token. Raises CredentialsRefused for what cannot be one."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        key, expires, *scopes = body.decode("ascii").split(" ")
        return Token(key.replace("\x00", ""), tuple(scopes), int(expires), body, seal)
    except ValueError:
        raise CredentialsRefused from None


def is_token_of(token: Token, now: datetime, *, digest: str, pepper: bytes) -> bool:
    """Whether a token was made with the secret of this digest, and still lives."""
    return hmac.compare_digest(token.seal, _seal(token.body, digest, pepper)) and token.expires > now.timestamp()


def _seal(body: bytes, digest: str, pepper: bytes) -> bytes:
    return hmac.digest(b"xapi token\n" + pepper, f"{digest}\n".encode() + body, "sha256")
