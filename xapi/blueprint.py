"""The LRS over HTTP: `/xapi` (a request without version is refused in the terms of 2.0.0) and `/xapi/1.0.3` (in those of 1.0.3).

One walk for every request: read it strictly, know the caller, do it in one transaction, answer in the version that it names. Documents,
activities, agents and attachments join here as further resources. No cookies are read, so cross-site forgery has nothing to ride on.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, g, request
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from kernel import strictjson
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.errors import KaonaError
from xapi import auth, query, store, timestamps
from xapi.errors import (
    MethodRefused,
    RequestInvalid,
    ResourceNotFound,
    StatementInvalid,
    StoreUnavailable,
    VersionRefused,
    body_of,
    status_of,
)
from xapi.formats import formatted
from xapi.request import (
    XapiRequest,
    boolean,
    read_filter,
    read_request,
    read_statements,
    refuse_unknown,
    served_version,
    statement_format,
    uuid,
)
from xapi.validation import validate_statement
from xapi.vocabulary import CONSISTENT_THROUGH_HEADER, MOUNTS, VERSION_HEADER, VERSIONS

OnStored = Callable[[Session, int, list[dict[str, Any]]], None]
"""Told of new statements inside their transaction: session, tenant, statements as they will be given back."""

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]


def create_lrs(database: Database, *, clock: Clock = system_clock, on_stored: OnStored | None = None, key_pepper: bytes = b"") -> Blueprint:
    """A blueprint that serves the LRS on this database.

    clock        read once for each request, and once more inside a writing transaction for `stored`
    on_stored    called in the transaction of statements that arrive here, but for those that are void from the start; what it raises
                 refuses them
    key_pepper   secret of this installation: keys the digests of credentials and signs `more` links
    """
    blueprint = Blueprint("xapi", __name__)
    lrs = _Lrs(database, clock, on_stored, key_pepper)
    for mount, version in MOUNTS.items():
        name = version.replace(".", "_")
        for path, view in (("/about", lrs.about), ("/statements", lrs.statements), ("/<path:_resource>", lrs.unknown), ("", lrs.unknown)):
            blueprint.add_url_rule(
                mount + path,
                f"{view.__name__}_{name}{'' if path else '_root'}",
                view,
                methods=_METHODS,
                defaults={"mount": mount},
                provide_automatic_options=False,
            )
    blueprint.register_error_handler(KaonaError, lrs.refused)
    blueprint.register_error_handler(OperationalError, lambda _error: lrs.refused(StoreUnavailable()))
    blueprint.register_error_handler(PoolTimeout, lambda _error: lrs.refused(StoreUnavailable()))
    blueprint.after_request(lrs.complete)
    return blueprint


class _Lrs:
    """The resources, with what they stand on."""

    def __init__(self, database: Database, clock: Clock, on_stored: OnStored | None, pepper: bytes) -> None:
        self._database, self._clock, self._on_stored, self._pepper = database, clock, on_stored, pepper

    def about(self, mount: str) -> Response:
        """What this LRS speaks. Needs neither credentials nor a version (xAPI 1.0.3, Communication 2.8)."""
        g.xapi_mount = mount
        asked = read_request(request)
        if asked.method not in ("GET", "HEAD"):
            raise MethodRefused(method=asked.method)
        return _json(strictjson.dumps({"version": list(VERSIONS), "extensions": {}}))

    def unknown(self, mount: str, _resource: str = "") -> Response:
        """Any other address below the LRS; a request without version is refused as such first (Communication 3.3)."""
        g.xapi_mount = mount
        if served_version(request.headers.get(VERSION_HEADER)) is None:
            raise VersionRefused
        raise ResourceNotFound

    def statements(self, mount: str) -> Response:
        """The Statement Resource (xAPI 1.0.3, Communication 2.1; IEEE 9274.1.1, 4.1.6.1)."""
        g.xapi_mount = mount
        asked = read_request(request)
        g.xapi_version_header = asked.headers.get(VERSION_HEADER.lower())
        version = asked.version
        now = self._clock()
        with self._reading() as db:
            caller = auth.authenticate(db, asked.headers.get("authorization"), now=now, pepper=self._pepper)
            g.xapi_caller = caller
            if asked.method in ("GET", "HEAD"):
                answer = self._get(db, asked, version, caller, now)
        if asked.method == "POST":
            refuse_unknown(asked.params, set())
            answer = self._post(asked, version, caller)
        elif asked.method == "PUT":
            answer = self._put(asked, version, caller)
        elif asked.method not in ("GET", "HEAD"):
            raise MethodRefused(method=asked.method)
        self._record_use(caller, now)
        return answer

    def refused(self, error: KaonaError) -> Response:
        """A refusal as JSON with its status."""
        answer = _json(strictjson.dumps(body_of(error)), status=status_of(error))
        if answer.status_code == 401:  # noqa: PLR2004  RFC 9110, 15.5.2: the answer names the scheme
            answer.headers["WWW-Authenticate"] = 'Basic realm="xAPI", charset="UTF-8"'
        if answer.status_code == 405:  # noqa: PLR2004  RFC 9110, 15.5.6
            answer.headers["Allow"] = "GET, HEAD" if request.path.endswith("/about") else "GET, HEAD, POST, PUT"
        if answer.status_code == 503:  # noqa: PLR2004
            answer.headers["Retry-After"] = "5"
        return answer

    def complete(self, answer: Response) -> Response:
        """The headers that every answer carries."""
        header = g.get("xapi_version_header") or request.headers.get(VERSION_HEADER)
        answer.headers[VERSION_HEADER] = served_version(header) or MOUNTS[g.get("xapi_mount", "/xapi")]
        if CONSISTENT_THROUGH_HEADER not in answer.headers:
            answer.headers[CONSISTENT_THROUGH_HEADER] = timestamps.written(self._consistent_through())
        answer.headers.setdefault("Cache-Control", "no-store" if g.get("xapi_caller") else "no-cache")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def _get(self, db: Connection, asked: XapiRequest, version: str, caller: auth.Caller, now: datetime) -> Response:
        mine = caller.sees_only()
        through = query.consistent_through(db, tenant_id=caller.tenant_id, now=now)
        if "statementId" in asked.params or "voidedStatementId" in asked.params:
            answer = self._get_one(db, asked, caller, mine)
        elif "more" in asked.params:
            refuse_unknown(asked.params, {"more"})
            page = query.open_more(asked.params["more"], owner=caller.key, now=now, pepper=self._pepper)
            answer = self._page(db, page, caller, mine, now)
        else:
            wanted = read_filter(asked.params, version)
            page = query.first_page(db, wanted, tenant_id=caller.tenant_id)
            answer = self._page(db, page, caller, mine, now)
        answer.headers[CONSISTENT_THROUGH_HEADER] = timestamps.written(through)
        return answer

    def _get_one(self, db: Connection, asked: XapiRequest, caller: auth.Caller, mine: bytes | None) -> Response:
        voided = "voidedStatementId" in asked.params
        name = "voidedStatementId" if voided else "statementId"
        refuse_unknown(asked.params, {name, "attachments", "format"})
        boolean(asked.params, "attachments")
        form, statement_id = statement_format(asked.params), uuid(asked.params, name)
        document, stored = query.get_statement(db, statement_id, tenant_id=caller.tenant_id, voided=voided, mine=mine)
        answer = _json(formatted(document, form, _languages()).encode())
        answer.headers["Last-Modified"] = format_datetime(stored.astimezone(UTC).replace(microsecond=0), usegmt=True)
        return answer

    def _page(self, db: Connection, page: query.Page, caller: auth.Caller, mine: bytes | None, now: datetime) -> Response:
        found = query.read_page(db, page, tenant_id=caller.tenant_id, mine=mine)
        more = ""
        if found.next is not None:
            token = query.sign_more(found.next, owner=caller.key, now=now, pepper=self._pepper)
            more = f"{quote(request.script_root)}{g.xapi_mount}/statements?more={token}"
        languages = _languages()
        documents = ",".join(formatted(document, page.format, languages) for document in found.documents)
        return _json(f'{{"statements":[{documents}],"more":"{more}"}}'.encode())

    def _post(self, asked: XapiRequest, version: str, caller: auth.Caller) -> Response:
        texts, statements, is_list = read_statements(asked)
        caller.may_write_statements()
        author = caller.author
        batch = []
        for place, (text, statement) in enumerate(zip(texts, statements, strict=True)):
            try:
                batch.append(_prepared(text, statement, version, author))
            except StatementInvalid as error:
                raise (error.within(f"/{place}") if is_list else error) from None
        self._store(batch, caller)
        return _json(strictjson.dumps([prepared.id for prepared in batch]))

    def _put(self, asked: XapiRequest, version: str, caller: auth.Caller) -> Response:
        refuse_unknown(asked.params, {"statementId"})
        if "statementId" not in asked.params:
            raise RequestInvalid("missing_parameter", "statementId")
        statement_id = uuid(asked.params, "statementId")
        texts, statements, is_list = read_statements(asked)
        caller.may_write_statements()
        if is_list:
            raise StatementInvalid("wrong_type")
        sent_id = statements[0].get("id")
        prepared = _prepared(texts[0], statements[0], version, caller.author, id_hint=statement_id.lower())
        if sent_id is not None and sent_id.lower() != statement_id.lower():
            raise StatementInvalid("id_differs", "/id")
        self._store([prepared], caller)
        return Response(status=204)

    def _store(self, batch: list[store.Prepared], caller: auth.Caller) -> None:
        if not batch:
            return
        with self._database.transaction() as db:
            new = store.store(db.connection(), batch, tenant_id=caller.tenant_id, now=self._clock())
            told = [stored.statement for stored in new if not stored.voided]
            if told and self._on_stored is not None:
                self._on_stored(db, caller.tenant_id, told)

    def _record_use(self, caller: auth.Caller, now: datetime) -> None:
        if auth.is_use_due(caller, now):
            with suppress(OperationalError), self._database.transaction() as db:  # a busy file must not fail a good request
                auth.record_use(db.connection(), caller, now=now)

    def _consistent_through(self) -> datetime:
        now = self._clock()
        caller = g.get("xapi_caller")
        if caller is not None and self._database.engine.dialect.name == "postgresql":
            with suppress(OperationalError, PoolTimeout), self._reading() as db:
                return query.consistent_through(db, tenant_id=caller.tenant_id, now=now)
        return now - query.IN_FLIGHT_GRACE

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection to read with, without the ORM's session: this path only needs rows."""
        with self._database.engine.connect() as db:
            yield db


def _prepared(text: str, statement: dict[str, Any], version: str, author: store.Author, id_hint: str | None = None) -> store.Prepared:
    validate_statement(statement, version)
    for place, attachment in enumerate(statement.get("attachments", ())):
        if "fileUrl" not in attachment:
            raise StatementInvalid("attachment_missing", f"/attachments/{place}")
    return store.prepare(text, statement, author, version=version, id_hint=id_hint)


def _json(body: bytes, status: int = 200) -> Response:
    answer = Response(body, status=status, content_type="application/json")
    if status == 200 and request.method in ("GET", "HEAD"):  # noqa: PLR2004
        answer.set_etag(base64.urlsafe_b64encode(blake2b(body, digest_size=15).digest()).decode())
    return answer


def _languages() -> list[str]:
    return [tag for tag, _quality in request.accept_languages]
