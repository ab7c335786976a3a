"""The State, the Agent Profile and the Activity Profile Resource: documents of any type, kept byte for byte, no change lost.

A document is named by its kind, activity, agent, registration and id; a digest of these is its key, so that names may be as long as they
like. Who changes one decides on what stands there while nobody else can change it.
Source   xAPI 1.0.3, Communication 2.2, 2.3, 2.6, 2.7 and 3.1; IEEE 9274.1.1, 4.1.4, 4.1.6.2, 4.1.6.5 and 4.1.6.6
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NoReturn

from flask import Response
from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from werkzeug.http import parse_etags

from kernel import strictjson
from kernel.clock import Clock
from kernel.db import Database
from xapi import links, rawtext
from xapi.answers import http_date, json_answer, tag_of
from xapi.auth import Caller
from xapi.errors import DocumentExists, DocumentNotFound, PreconditionFailed, RequestInvalid
from xapi.models import document
from xapi.request import XapiRequest, agent, iri, media_type_of, moment, refuse_unknown, required, single_agent, uuid
from xapi.resource import Resource
from xapi.schema import MEDIA_TYPE
from xapi.vocabulary import JSON, OCTETS, V1

STATE, AGENT, ACTIVITY = "state", "agent", "activity"
_ID = {STATE: "stateId", AGENT: "profileId", ACTIVITY: "profileId"}
_MEDIA_TYPE = re.compile(MEDIA_TYPE.rstrip("$"))


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is kept."""

    kind: str
    activity: str | None
    registration: str | None
    id: str
    content_type: str
    etag: str
    updated: datetime
    contents: bytes


@dataclass(frozen=True, slots=True)
class _Context:
    """Whose documents are asked for."""

    kind: str
    activity: str | None
    agent: Mapping[str, Any] | None
    registration: str | None

    @property
    def identifier(self) -> str:
        return (links.identifier_of(self.agent) if self.agent else None) or ""

    @property
    def owner_key(self) -> bytes:
        return _digest(self.kind, self.activity or "", self.identifier)

    def key(self, document_id: str) -> bytes:
        return _digest(self.kind, self.activity or "", self.identifier, self.registration or "", document_id)


class Documents(Resource):
    """One of the three resources."""

    methods = ("GET", "HEAD", "PUT", "POST", "DELETE")

    def __init__(self, kind: str, database: Database, clock: Clock) -> None:
        self._kind, self._database, self._clock = kind, database, clock
        self._id_name = _ID[kind]

    def read(self, db: Connection, asked: XapiRequest, caller: Caller, now: datetime) -> Response:  # noqa: ARG002  as every resource
        """One document, or the ids of those that there are."""
        context = self._context(asked, caller, write=False)
        if self._id_name in asked.params:
            self._known_parameters(asked, self._id_name)
            return self._one(db, asked, caller, context)
        self._known_parameters(asked, "since")
        since = moment(asked.params, "since", asked.version)
        query = select(document.c.id, document.c.updated).where(*_in(context, caller))
        rows = db.execute(query if since is None else query.where(document.c.updated > since)).all()
        answer = json_answer(strictjson.dumps(sorted({row.id for row in rows})))
        if rows:
            answer.headers["Last-Modified"] = http_date(max(row.updated for row in rows))
        return answer

    def write(self, asked: XapiRequest, caller: Caller, now: datetime) -> Response:  # noqa: ARG002  the moment is read in the transaction
        """Stores, merges or removes; answers 204."""
        context = self._context(asked, caller, write=True)
        is_all = asked.method == "DELETE" and self._kind == STATE and self._id_name not in asked.params
        self._known_parameters(asked, *(() if is_all else (self._id_name,)))
        if is_all:
            with self._database.transaction() as session:
                session.execute(delete(document).where(*_in(context, caller)))
            return Response(status=204)
        document_id = required(asked.params, self._id_name)
        key = (document.c.tenant_id == caller.tenant_id, document.c.key == context.key(document_id))
        sent = None if asked.method == "DELETE" else _sent(asked)
        with self._database.transaction() as session:
            db = session.connection()
            while True:
                stored = db.execute(select(document).where(*key).with_for_update()).first()
                self._check(asked, stored)
                if sent is None:
                    db.execute(delete(document).where(*key))
                    break
                contents = _merged(sent, stored) if asked.method == "POST" and stored is not None else sent
                values = {
                    "content_type": contents.content_type,
                    "contents": contents.body,
                    "etag": tag_of(contents.body),
                    "updated": self._clock(),
                }
                if stored is not None:
                    db.execute(update(document).where(*key).values(**values))
                    break
                if _inserted(db, context, caller.tenant_id, document_id, values):
                    break  # else somebody was quicker: look again
        return Response(status=204)

    def _one(self, db: Connection, asked: XapiRequest, caller: Caller, context: _Context) -> Response:
        key = context.key(required(asked.params, self._id_name))
        row = db.execute(select(document).where(document.c.tenant_id == caller.tenant_id, document.c.key == key)).first()
        if row is None:
            raise DocumentNotFound
        answer = Response(bytes(row.contents), content_type=row.content_type)
        if parse_etags(asked.headers.get("if-none-match")).contains_weak(row.etag):
            answer = Response(status=304)
        answer.set_etag(row.etag)
        answer.headers["Last-Modified"] = http_date(row.updated)
        answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"  # whatever was stored, no browser runs it as ours
        return answer

    def _context(self, asked: XapiRequest, caller: Caller, *, write: bool) -> _Context:
        """Whose documents the request names, if the caller may use them."""
        activity, owner, registration = None, None, None
        if self._kind != AGENT:
            required(asked.params, "activityId")
            activity = iri(asked.params, "activityId")
        if self._kind != ACTIVITY:
            owner = agent(asked.params) if self._kind == STATE else single_agent(asked.params)
        if self._kind == STATE and "registration" in asked.params:
            registration = uuid(asked.params, "registration").lower()
        if activity and owner:
            caller.may_use_state(activity, owner, write=write)
        elif activity:
            caller.may_use_activity_profile(activity, write=write)
        elif owner:
            caller.may_use_agent_profile(owner, write=write)
        return _Context(self._kind, activity, owner, registration)

    def _known_parameters(self, asked: XapiRequest, *more: str) -> None:
        own = {STATE: {"activityId", "agent", "registration"}, AGENT: {"agent"}, ACTIVITY: {"activityId"}}[self._kind]
        refuse_unknown(asked.params, own.union(more))

    def _check(self, asked: XapiRequest, stored: Any) -> None:
        """Passes a change whose conditions hold for what is stored (RFC 9110, 13.1)."""
        wanted, unwanted = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        if wanted is not None and (stored is None or not parse_etags(wanted).contains(stored.etag)):
            raise PreconditionFailed(header="If-Match")
        if unwanted is not None and stored is not None and parse_etags(unwanted).contains_weak(stored.etag):
            raise PreconditionFailed(header="If-None-Match")
        if asked.method == "PUT" and wanted is None and unwanted is None:
            self._check_unconditional(asked, stored)

    def _check_unconditional(self, asked: XapiRequest, stored: Any) -> None:
        """A PUT without conditions: 1.0.3 lets a state be overwritten and wants conditions of every profile; 2.0 protects what exists."""
        if asked.version == V1 and self._kind == STATE:
            return
        if stored is not None:
            raise DocumentExists
        if asked.version == V1:
            _refuse("precondition_missing", "If-Match")


def of_agent(db: Connection, *, tenant_id: int, agent: Mapping[str, Any]) -> Iterator[Document]:
    """The documents of an agent: their state of every activity, and their profiles."""
    columns = [document.c[name] for name in Document.__dataclass_fields__]
    for row in db.execute(_of_agent(select(*columns), tenant_id, agent).order_by(document.c.updated)):
        yield Document(**{**row._asdict(), "contents": bytes(row.contents)})


def erase(db: Connection, *, tenant_id: int, agent: Mapping[str, Any]) -> int:
    """Removes all documents of an agent; gives their number."""
    return db.execute(_of_agent(delete(document), tenant_id, agent)).rowcount


@dataclass(frozen=True, slots=True)
class _Content:
    content_type: str
    body: bytes

    @property
    def is_json(self) -> bool:
        return media_type_of(self.content_type) == JSON


def _sent(asked: XapiRequest) -> _Content:
    """What is to be stored. What calls itself JSON is well formed; a POST of it holds an object (Communication 2.2, 3.2)."""
    content_type = asked.headers.get("content-type") or OCTETS
    if not _MEDIA_TYPE.fullmatch(content_type):
        _refuse("not_media_type", "Content-Type")
    sent = _Content(content_type, asked.body)
    if sent.is_json:
        value = strictjson.loads(sent.body)
        if asked.method == "POST" and not isinstance(value, dict):
            _refuse("not_json_object", "body")
    return sent


def _merged(sent: _Content, stored: Any) -> _Content:
    """The stored object with the members of the sent one, each written as its sender wrote it."""
    before = _Content(stored.content_type, bytes(stored.contents))
    if not sent.is_json:
        _refuse("merge_of_json_only", "Content-Type")
    if not before.is_json or not isinstance(strictjson.loads(before.body), dict):
        _refuse("merge_into_json_only", "document")
    members: dict[str, str] = {}
    for text in (before.body.decode().strip(), sent.body.decode().strip()):
        members |= {name: text[start:end] for name, (start, end) in rawtext.members(text).items()}
    body = ",".join(f"{strictjson.dumps(name).decode()}:{value}" for name, value in members.items())
    return _Content(before.content_type, f"{{{body}}}".encode())


def _inserted(db: Connection, context: _Context, tenant_id: int, document_id: str, values: Mapping[str, Any]) -> bool:
    row = {
        "tenant_id": tenant_id,
        "key": context.key(document_id),
        "kind": context.kind,
        "owner_key": context.owner_key,
        "agent_key": links.agent_key(context.identifier) if context.agent else None,
        "activity": context.activity,
        "registration": context.registration,
        "id": document_id,
        **values,
    }
    new = (
        (postgresql if db.dialect.name == "postgresql" else sqlite)
        .insert(document)
        .values(**row)
        .on_conflict_do_nothing()
        .returning(document.c.key)
    )
    return db.execute(new).first() is not None


def _in(context: _Context, caller: Caller) -> list[ColumnElement[bool]]:
    """Documents of a context: of every registration, unless it names one."""
    conditions = [document.c.tenant_id == caller.tenant_id, document.c.owner_key == context.owner_key]
    return conditions + ([document.c.registration == context.registration] if context.registration else [])


def _of_agent(query: Any, tenant_id: int, agent: Mapping[str, Any]) -> Any:
    identifier = links.identifier_of(agent) or ""
    return query.where(document.c.tenant_id == tenant_id, document.c.agent_key == links.agent_key(identifier))


def _digest(*parts: str) -> bytes:
    """A digest of texts that cannot be mistaken for another list of texts."""
    return blake2b(strictjson.dumps(parts), digest_size=links.KEY_BYTES).digest()


def _refuse(rule: str, place: str) -> NoReturn:
    raise RequestInvalid(rule, place)
