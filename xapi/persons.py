"""All that is stored of a person: found by what identifies them, handed out, given another name, or deleted.

A person is a set of agents: the same human being may be an account of one system, an address of another and the digest of that address
in a third. Statements are found by the index of agents, wherever they name the person: as actor, object, member of a group, instructor,
team, authority, context agent, or inside a sub-statement.

A new name goes into the text of a statement letter by letter where the old one stood, so that all else stays as it was received: id,
place in the sequence, times, voiding, references. The index follows by moving every row of the old name's digest to the new one.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import orjson
from sqlalchemy import BindParameter, bindparam, delete, select, update
from sqlalchemy.orm import Session

from kernel import strictjson
from kernel.ids import new_uuid
from xapi import attachments, documents, links, pushes, rawtext
from xapi.bulk import insert_rows
from xapi.documents import Document
from xapi.errors import StatementInvalid
from xapi.models import credential, feed, head, link, push, reference, registry, statement, stored
from xapi.pushes import Recipient
from xapi.validation import validate_agent
from xapi.vocabulary import SIGNATURE

Policy = Literal["rename", "unlink", "delete"]
"""`rename` gives another name; `unlink` also forgets free text; `delete` removes the person's own statements and renames in the rest."""

PSEUDONYM_HOME_PAGE: Final = "https://w3id.org/kaona/xapi/pseudonyms"
"""`homePage` of the accounts that stand in for people of whom nothing else may be known."""

BATCH: Final = 500
"""Statements that are held at once."""

_IFIS: Final = ("mbox", "mbox_sha1sum", "openid", "account")
_MIN_TOKEN: Final = 16
"""Characters of the shortest account name that is also looked for inside other texts: a short one means too many things."""
_ADDRESSES: Final = frozenset({"id", "type", "moreInfo", "usageType", "fileUrl", "registration", "homePage", "stored", "timestamp"})
"""Members whose text says which thing is meant; it is never changed."""
_CLOSED: Final = frozenset({"true-false", "choice", "sequencing", "matching", "likert", "numeric", "performance"})
"""Interactions whose response is made of given parts; any other response may be the person's own words."""


@dataclass(frozen=True)
class Person:
    """One person by all agents that mean them.

    agents   agents or identified groups, each reduced to its identifier, none twice
    """

    agents: tuple[Mapping[str, Any], ...]

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """The agents as `links` writes them."""
        return tuple(links.identifier_of(agent) or "" for agent in self.agents)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """What the index finds the person by, in the order of the agents."""
        return tuple(links.agent_key(identifier, related=True) for identifier in self.identifiers)


@dataclass(frozen=True, slots=True)
class Presence:
    """How much the store says of a person.

    n_named     statements that name the person
    n_as_actor  those among them whose actor is the person
    n_documents profiles and states of the person
    """

    n_named: int
    n_as_actor: int
    n_documents: int
    first_at: datetime | None
    last_at: datetime | None

    @property
    def is_there(self) -> bool:
        """Whether the store has anything of the person."""
        return bool(self.n_named or self.n_documents)


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """What became of the statements of a person.

    n_renamed   statements in which the person has another name now
    named       ids of the statements that named the person
    n_documents profiles and states that are gone
    n_left      statements that still hold an identifier in a place that names a thing (an activity's address): for a person to look at
    deleted     ids of the statements that are gone
    recipients  targets, former ones too, that a statement of the person was sent to before
    """

    n_renamed: int
    n_documents: int
    n_left: int
    named: tuple[str, ...]
    deleted: tuple[str, ...]
    recipients: tuple[Recipient, ...]


def person_of(agents: Iterable[Mapping[str, Any]]) -> Person:
    """A person by their agents; who is known by an address is also known by its SHA-1.

    Raises   StatementInvalid with the place of an agent that is none, or has no identifier
    """
    found: dict[str, Mapping[str, Any]] = {}
    for place, agent in enumerate(agents):
        try:
            validate_agent(agent)
        except StatementInvalid as error:
            raise error.within(f"/{place}") from None
        bare = {name: agent[name] for name in _IFIS if name in agent}
        if not bare:
            raise StatementInvalid("one_ifi", f"/{place}")
        variants = [bare]
        if "mbox" in bare:
            address = bare["mbox"]
            digests = {hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for text in (address, address.lower())}
            variants += [{"mbox_sha1sum": digest} for digest in sorted(digests)]
        for one in variants:
            found.setdefault(links.identifier_of(one) or "", one)
    return Person(tuple(found.values()))


def make_pseudonyms(person: Person, *, known: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Mapping[str, str]]:
    """A new account for each identifier of a person, so that not even the new names can be put together.

    known   accounts that the caller has chosen, by identifier
    """
    fresh = {one: {"homePage": PSEUDONYM_HOME_PAGE, "name": str(new_uuid())} for one in person.identifiers}
    return {one: (known or {}).get(one, account) for one, account in fresh.items()}


def find_presence(db: Session, person: Person, *, tenant_id: int) -> Presence:
    """How much the store of a tenant says of a person."""
    n_named, n_as_actor, first, last = 0, 0, None, None
    for rows in _rows(db, person, tenant_id):
        for row in rows:
            value = orjson.loads(row.document)
            if not _names(value, person):
                continue
            n_named += 1
            n_as_actor += _is_actor(value, person)
            first, last = first or row.stored, row.stored
    n_documents = sum(1 for _ in iter_kept_documents(db, person, tenant_id=tenant_id))
    return Presence(n_named, n_as_actor, n_documents, first, last)


def iter_documents_of(db: Session, person: Person, *, tenant_id: int) -> Iterator[str]:
    """The statements that name a person, voided ones too, as they were received, in the order of their places."""
    for rows in _rows(db, person, tenant_id):
        yield from (row.document for row in rows if _names(orjson.loads(row.document), person))


def iter_kept_documents(db: Session, person: Person, *, tenant_id: int) -> Iterator[Document]:
    """The agent profiles and states of a person."""
    for agent in person.agents:
        yield from documents.of_agent(db.connection(), tenant_id=tenant_id, agent=agent)


def iter_digests(db: Session, *, tenant_id: int) -> Iterator[bytes]:
    """Every digest that the index of a tenant holds, of people and of all else, each once."""
    last = b""
    wanted = select(link.c.key).where(link.c.tenant_id == tenant_id, link.c.key > bindparam("last")).distinct().order_by(link.c.key)
    while found := [bytes(key) for key in db.scalars(wanted.limit(10_000), {"last": last})]:
        yield from found
        last = found[-1]


def list_agents_behind(db: Session, wanted: Sequence[bytes], *, tenant_id: int) -> list[dict[str, Any]]:
    """The agents whose digests (`Person.digests`) are given, as the statements name them; one that no statement names is left out."""
    found: dict[bytes, dict[str, Any]] = {}
    for digest in wanted:
        of_digest = select(link.c.seq).where(link.c.tenant_id == tenant_id, link.c.key == digest)
        documents_of = select(statement.c.document).where(statement.c.tenant_id == tenant_id, statement.c.seq.in_(of_digest))
        for document in db.scalars(documents_of.order_by(statement.c.seq)):
            for agent in _agents_in(orjson.loads(document)):
                if links.agent_key(_identifier(agent) or "", related=True) == digest:
                    found[digest] = {name: agent[name] for name in _IFIS if name in agent}
            if digest in found:
                break
    return list(found.values())


def change_person(
    db: Session, person: Person, *, tenant_id: int, accounts: Mapping[str, Mapping[str, str]], policy: Policy
) -> PersonChanged:
    """Renames, unlinks or deletes a person in the statements of a tenant, in the caller's transaction.

    Nobody else writes statements of the tenant until it ends, so call it late.
    accounts   the account that takes the place of each identifier (`make_pseudonyms`)
    """
    db.execute(update(head).where(head.c.tenant_id == tenant_id).values(seq=head.c.seq))
    names = _NewNames(accounts)
    named: list[tuple[int, str]] = []
    deleted: list[tuple[int, str]] = []
    recipients: dict[Recipient, None] = {}
    n_left = 0
    for rows in _rows(db, person, tenant_id):
        recipients |= dict.fromkeys(pushes.recipients(db, tenant_id=tenant_id, seqs=[row.seq for row in rows]))
        changed, lost = [], []
        for row in rows:
            value = orjson.loads(row.document)
            if not _names(value, person):
                continue
            named.append((row.seq, row.id))
            is_actor = _is_actor(value, person)
            if policy == "delete" and is_actor:
                lost.append((row.seq, row.id))
                continue
            text, contents = names.put_into(row.document, forgets=policy == "unlink" and is_actor)
            if contents:
                attachments.forget(db.connection(), tenant_id=tenant_id, seqs=[row.seq], only=contents)
            n_left += names.stand_in(text)
            changed.append({"at": row.seq, "text": text, "by": links.authority_key(orjson.loads(text)["authority"])})
        _rewrite(db, tenant_id, changed)
        _delete(db, tenant_id, [seq for seq, _ in lost])
        deleted += lost
    for identifier, account in accounts.items():
        _move(db, tenant_id, identifier, links.identifier_of({"account": account}) or "")
    _rename_in_slices(db, tenant_id, names)
    n_documents = (
        0 if policy == "rename" else sum(documents.erase(db.connection(), tenant_id=tenant_id, agent=one) for one in person.agents)
    )
    return PersonChanged(
        n_renamed=len(named) - len(deleted),
        n_documents=n_documents,
        n_left=n_left,
        named=tuple(id_ for _, id_ in named),
        deleted=tuple(id_ for _, id_ in deleted),
        recipients=tuple(recipients),
    )


@dataclass(frozen=True)
class _NewNames:
    """The accounts that take the place of identifiers, and how they are put into a text."""

    accounts: Mapping[str, Mapping[str, str]]

    @cached_property
    def _tokens(self) -> dict[str, str]:
        """What stands for the person outside of an agent, in small letters, and the name that takes its place."""
        tokens = {}
        for identifier, account in self.accounts.items():
            kind, *values = identifier.split("\n")
            token = values[-1].removeprefix("mailto:").lower()
            if kind != "account" or len(token) >= _MIN_TOKEN:
                tokens[token] = account["name"]
        return tokens

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        any_token = "|".join(re.escape(token) for token in sorted(self._tokens, key=len, reverse=True))
        return re.compile(rf"(?<![\w.+@-])(?:mailto:)?({any_token})(?![\w-])", re.IGNORECASE) if any_token else None

    def stand_in(self, text: str) -> bool:
        """Whether an identifier is still somewhere in a text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def put_into(self, text: str, *, forgets: bool) -> tuple[str, set[str]]:
        """A statement's text with the new names in it, and the hashes of attached contents that it no longer has.

        A signature goes: it holds the statement with the old name, and would not fit the new one.
        forgets   the person's own words (responses that are free text, what was attached) go, too
        """
        text, contents = _without_attachments(text, signatures_only=not forgets)
        if forgets:
            text = _without_words(text)
        return self.put_into_json(text), contents

    def put_into_json(self, text: str) -> str:
        """The text of any JSON value with the new names in it."""
        return _edited(text, self._edits(text, orjson.loads(text), 0))

    def _edits(self, text: str, value: Any, at: int) -> Iterator[rawtext.Edit]:
        """What has to change in the object or array that stands at a place."""
        if isinstance(value, list):
            places: Iterable[tuple[str, Any, tuple[int, int]]] = (
                ("", part, place) for part, place in zip(value, rawtext.elements(text, at), strict=True)
            )
        else:
            members = rawtext.members(text, at)
            account = self.accounts.get(_identifier(value) or "")
            if account is not None:
                end = max(to for _, to in members.values())
                yield at, text.index("}", end) + 1, self._agent(text, value, members, account)
                return
            places = ((name, part, members[name]) for name, part in value.items())
        for name, part, (start, end) in places:
            if isinstance(part, dict | list):
                yield from self._edits(text, part, start)
            elif isinstance(part, str) and name not in _ADDRESSES and self._pattern is not None and self._pattern.search(part):
                said = self._pattern.sub(lambda found: self._tokens[found[1].lower()], part)
                yield start, end, strictjson.dumps(said).decode()

    def _agent(self, text: str, value: Mapping[str, Any], members: Mapping[str, tuple[int, int]], account: Mapping[str, str]) -> str:
        """The agent or group under its new name; a display name does not go along."""
        parts = [f'"objectType":{text[slice(*members["objectType"])]}'] if "objectType" in value else []
        parts.append(f'"account":{strictjson.dumps(account).decode()}')
        if "member" in value:
            inner = text[slice(*members["member"])]
            parts.append(f'"member":{_edited(inner, self._edits(inner, value["member"], 0))}')
        return "{" + ",".join(parts) + "}"


def _without_words(text: str) -> str:
    """A statement with an empty response, unless the response is made of given parts."""
    value = orjson.loads(text)
    interaction = value["object"].get("definition", {}).get("interactionType")
    if not value.get("result", {}).get("response") or interaction in _CLOSED:
        return text
    start, end = rawtext.members(text, rawtext.members(text)["result"][0])["response"]
    return f'{text[:start]}""{text[end:]}'


def _without_attachments(text: str, *, signatures_only: bool) -> tuple[str, set[str]]:
    """A statement without the attachments that came with their contents, or without its signatures alone; and the hashes of these."""
    value = orjson.loads(text)
    edits: list[rawtext.Edit] = []
    hashes: set[str] = set()
    for part, at in ((value, 0), (value["object"], rawtext.members(text)["object"][0])):
        gone = [one["usageType"] == SIGNATURE or not (signatures_only or "fileUrl" in one) for one in part.get("attachments", ())]
        if any(gone):
            start, end = rawtext.members(text, at)["attachments"]
            stay = [text[slice(*place)] for place, is_gone in zip(rawtext.elements(text, start), gone, strict=True) if not is_gone]
            edits.append((start, end, f"[{','.join(stay)}]"))
            hashes.update(one["sha2"].lower() for one, is_gone in zip(part["attachments"], gone, strict=True) if is_gone)
    return _edited(text, edits), hashes


def _edited(text: str, edits: Iterable[rawtext.Edit]) -> str:
    return "".join(rawtext.edited(text, list(edits)))


def _rows(db: Session, person: Person, tenant_id: int) -> Iterator[Sequence[Any]]:
    """Rows (seq, id, stored, document) of the statements that the index finds a person by, in order of place, in batches.

    A statement that refers to one of the person is among them. The places are read first: what is done to a batch cannot shift the next.
    """
    found = select(link.c.seq).where(link.c.tenant_id == tenant_id, link.c.key.in_(person.digests)).distinct().order_by(link.c.seq)
    columns = (statement.c.seq, statement.c.id, stored, statement.c.document)
    ids: BindParameter[Any] = bindparam("seqs", expanding=True)
    query = select(*columns).where(statement.c.tenant_id == tenant_id, statement.c.seq.in_(ids)).order_by(statement.c.seq)
    places = db.scalars(found).all()
    for start in range(0, len(places), BATCH):
        yield db.execute(query, {"seqs": places[start : start + BATCH]}).all()


def _delete(db: Session, tenant_id: int, seqs: Sequence[int]) -> None:
    if not seqs:
        return
    attachments.forget(db.connection(), tenant_id=tenant_id, seqs=seqs)
    pushes.forget(db.connection(), tenant_id=tenant_id, seqs=seqs)
    for table in (link, reference, registry, statement):
        db.execute(delete(table).where(table.c.tenant_id == tenant_id, table.c.seq.in_(seqs)))


def _rename_in_slices(db: Session, tenant_id: int, names: _NewNames) -> None:
    """Puts the new names into the slices of credentials, feeds and pushes: they name the person, and go on finding the statements."""
    for table in (credential, feed, push):
        kept = (table.c.tenant_id == tenant_id, table.c.slice.is_not(None))
        for text in db.scalars(select(table.c.slice).where(*kept).distinct()).all():
            renamed = names.put_into_json(text)
            if renamed != text:
                db.execute(update(table).where(*kept, table.c.slice == text).values(slice=renamed))


def _rewrite(db: Session, tenant_id: int, changed: Sequence[Mapping[str, Any]]) -> None:
    if changed:
        at = (statement.c.tenant_id == tenant_id, statement.c.seq == bindparam("at"))
        db.execute(update(statement).where(*at).values(document=bindparam("text"), authority_key=bindparam("by")), changed)


def _move(db: Session, tenant_id: int, old: str, new: str) -> None:
    """Makes every statement that the index finds by one identifier one that it finds by another."""
    for related in (False, True):
        before, after = links.agent_key(old, related=related), links.agent_key(new, related=related)
        of_old = (link.c.tenant_id == tenant_id, link.c.key == before)
        places = db.scalars(select(link.c.seq).where(*of_old)).all()
        insert_rows(db.connection(), link, [(tenant_id, after, seq) for seq in places], skip_known=True)
        db.execute(delete(link).where(*of_old))


def _names(value: Mapping[str, Any], person: Person) -> bool:
    """Whether a statement names a person in its own words."""
    return any(_identifier(agent) in person.identifiers for agent in _agents_in(value))


def _is_actor(value: Mapping[str, Any], person: Person) -> bool:
    return _identifier(value["actor"]) in person.identifiers


def _agents_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object within a value that has the identifier of an agent, extensions included."""
    if isinstance(value, list):
        for part in value:
            yield from _agents_in(part)
    elif isinstance(value, dict):
        if _identifier(value) is not None:
            yield value
        for part in value.values():
            yield from _agents_in(part)


def _identifier(value: Mapping[str, Any]) -> str | None:
    """The identifier of an object, if it has the form of an agent's: any object of an extension may be asked."""
    account = value.get("account", {"homePage": "", "name": ""})
    if not isinstance(account, dict) or not isinstance(account.get("homePage"), str) or not isinstance(account.get("name"), str):
        return None
    if not all(isinstance(value.get(name, ""), str) for name in ("mbox", "mbox_sha1sum", "openid")):
        return None
    return links.identifier_of(value)
