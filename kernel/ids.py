"""Identifiers: random ones for rows that others store, derived ones for data that must keep its name, secrets."""

import hashlib
import secrets
import uuid

MIN_SECRET_BYTES = 16
"""Bytes of the shortest secret that we make: 128 bits."""

KAONA_NAMESPACE = uuid.UUID("6f0c6d0a-6f9e-5b7a-9c57-2f4c1f0f2567")
"""Namespace of every derived (version 5) identifier of the project."""


def new_uuid() -> uuid.UUID:
    """A random identifier (version 4), from the system's secure source."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4)


def derived_uuid(*parts: str) -> uuid.UUID:
    """The identifier (version 5) that the same parts always give, on any machine.

    parts    one or more texts; joined by a newline, which no part may hold
    Source   RFC 9562, section 5.5
    """
    if not parts or any("\n" in part for part in parts):
        raise ValueError("a derived identifier needs parts without line breaks")
    return uuid.uuid5(KAONA_NAMESPACE, "\n".join(parts))


def new_token(n_bytes: int = 32) -> str:
    """A secret as URL-safe text. n_bytes: 16 or more; 32 gives 256 bits."""
    if n_bytes < MIN_SECRET_BYTES:
        raise ValueError("a secret below 128 bits can be guessed")
    return secrets.token_urlsafe(n_bytes)


def digest(secret: str) -> str:
    """SHA-256 of a high-entropy secret, hexadecimal, 64 characters; what is stored in its place."""
    return hashlib.sha256(secret.encode()).hexdigest()
