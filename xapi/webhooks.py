"""What a webhook sends: a batch of statements in one body, signed so that the receiver knows who sent it, and when. Pure.

Source   Standard Webhooks specification 1.0.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`; symmetric signatures `v1`
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from kernel import strictjson
from xapi.errors import RequestInvalid

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  the mark of such a secret
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A fresh secret: `whsec_` and 256 random bits in Base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises RequestInvalid for one that is not of its form."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:  # noqa: PLR2004  the specification's bounds
        raise RequestInvalid("webhook_secret", "secret")
    return key


def body_of(push: str, cursor: str, documents: Sequence[str]) -> bytes:
    """The body: `{"push": name, "cursor": text, "statements": [...]}`, each statement letter for letter.

    cursor   of the last statement, as feeds take it: whoever missed something reads on from there
    """
    return f'{{"push":{strictjson.dumps(push).decode()},"cursor":"{cursor}","statements":[{",".join(documents)}]}}'.encode()


def headers_of(body: bytes, keys: Sequence[bytes], now: datetime) -> dict[str, str]:
    """The headers of one call.

    keys   one, or two while a secret is being replaced: the receiver may know either
    """
    message_id = f"msg_{blake2b(body, digest_size=16).hexdigest()}"  # the same batch, sent again, keeps its id
    seconds = str(int(now.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signatures),
    }
