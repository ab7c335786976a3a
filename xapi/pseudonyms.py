"""Statements without the persons in them, for consumers who study what happened and not who did it. Pure.

A pseudonym is the digest under which the index finds an agent (`links.agent_key`), enciphered with a secret of its own for each credential:
two consumers cannot join what they got, nobody without the secret can try names, and the LRS can turn a pseudonym in a query back into
the digest without keeping a list of who is who. This is pseudonymisation, not anonymity: times, activities and registrations stay.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from xapi import links

PSEUDONYM_HOME_PAGE: Final = "https://w3id.org/kaona/xapi/pseudonyms"
"""`homePage` of the account that stands for a person."""
MAX_MEASURE: Final = 10_000_000
"""A number from here on in an extension may be one of a person, a telephone or a card, and is left out."""

_NAME = re.compile(r"[A-Za-z0-9_-]{64}", re.ASCII)


def pseudonym_secret(key: str, pepper: bytes) -> bytes:
    """The secret of one credential's pseudonyms, 32 bytes; rotating its own secret does not change it."""
    return hmac.digest(b"xapi pseudonyms\n" + pepper, key.encode(), "sha256")


def pseudonym(identifier: str, secret: bytes) -> str:
    """The account name that stands for an agent, 64 characters. Source: RFC 5297, deterministic encryption.

    identifier   as `links.identifier_of` gives it
    secret       32 bytes
    """
    keys = links.agent_key(identifier) + links.agent_key(identifier, related=True)
    return urlsafe_b64encode(AESSIV(secret).encrypt(keys, None)).decode()


def agent_key_of(agent: Mapping[str, Any], secret: bytes, *, related: bool) -> bytes | None:
    """The key of the index that finds the person of a pseudonym; None for any agent that is no pseudonym made with this secret."""
    account = agent.get("account", {})
    if account.get("homePage") != PSEUDONYM_HOME_PAGE or not _NAME.fullmatch(account.get("name", "")):
        return None
    try:
        keys = AESSIV(secret).decrypt(urlsafe_b64decode(account["name"]), None)
    except InvalidTag:
        return None
    return keys[links.KEY_BYTES :] if related else keys[: links.KEY_BYTES]


def pseudonymised(statement: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    """A statement whose every agent and group is a pseudonym, and that holds no free text about a person.

    Agents and groups keep their kind; names go, identifiers become accounts of `PSEUDONYM_HOME_PAGE`, members likewise: actor, object,
    authority, instructor, team, contextAgents, contextGroups, those of a sub-statement too. Gone are `result.response`, attachments
    (a signature holds the whole statement) and, from the extensions of result and context, everything but truth values and numbers
    below `MAX_MEASURE`. What the statement says of the activity stays.
    """
    kept = {name: value for name, value in statement.items() if name != "attachments"}
    kept["actor"] = _actor(statement["actor"], secret)
    kept["object"] = _object(statement["object"], secret)
    if "authority" in kept:
        kept["authority"] = _actor(kept["authority"], secret)
    if "result" in kept:
        kept["result"] = _measured({name: value for name, value in kept["result"].items() if name != "response"})
    if "context" in kept:
        kept["context"] = _context(kept["context"], secret)
    return kept


def _object(value: Mapping[str, Any], secret: bytes) -> Mapping[str, Any]:
    kind = value.get("objectType", "Activity")
    if kind == "SubStatement":
        return pseudonymised(value, secret)
    return _actor(value, secret) if kind in ("Agent", "Group") else value


def _context(context: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    kept = _measured(context)
    for name in ("instructor", "team"):
        if name in kept:
            kept[name] = _actor(kept[name], secret)
    for name, inner in (("contextAgents", "agent"), ("contextGroups", "group")):
        if name in kept:
            kept[name] = [{**entry, inner: _actor(entry[inner], secret)} for entry in kept[name]]
    return kept


def _actor(actor: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    kept = {"objectType": actor["objectType"]} if "objectType" in actor else {}
    identifier = links.identifier_of(actor)
    if identifier is not None:
        kept["account"] = {"homePage": PSEUDONYM_HOME_PAGE, "name": pseudonym(identifier, secret)}
    if "member" in actor:
        kept["member"] = [_actor(member, secret) for member in actor["member"]]
    return kept


def _measured(part: Mapping[str, Any]) -> dict[str, Any]:
    """A result or context whose extensions hold measures only."""
    kept = dict(part)
    extensions = kept.pop("extensions", {})
    measures = {iri: value for iri, value in extensions.items() if _is_measure(value)}
    return {**kept, "extensions": measures} if measures else kept


def _is_measure(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_measure, value))
    return isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < MAX_MEASURE)
