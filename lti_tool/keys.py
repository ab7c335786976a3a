"""Keys for single purposes, derived from the installation's one secret."""

import hashlib
import hmac


def derive(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose; one purpose's key says nothing about another's.

    Source   HKDF-Expand with one block (RFC 5869, section 2.3), SHA-256; the secret is uniformly random, so it needs no extraction
    """
    return hmac.new(secret, purpose.encode() + b"\x01", hashlib.sha256).digest()


def lrs_pepper(secret: bytes) -> bytes:
    """The key under which LRS secrets are digested and `more` links signed."""
    return derive(secret, "kaona lrs credentials")


def state_key(secret: bytes) -> bytes:
    """The key that seals the states of logins."""
    return derive(secret, "kaona login states")


def code_key(secret: bytes) -> bytes:
    """The key under which access codes are digested."""
    return derive(secret, "kaona access codes")


def erasure_key(secret: bytes) -> bytes:
    """The key under which erased people are remembered, so that a restored backup can be rid of them again."""
    return derive(secret, "kaona erasure list")
