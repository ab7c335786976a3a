"""The Statement Resource: statements in, one or a batch, whole or not at all; statements out, one or a page.

Source   xAPI 1.0.3, Communication 2.1; IEEE 9274.1.1, 4.1.6.1
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from flask import Response
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kernel import strictjson
from kernel.clock import Clock
from kernel.db import Database
from xapi import attachments, query, store, timestamps
from xapi.activities import Definition, Memory, activities_of, known_definitions, learn, news
from xapi.answers import http_date, json_answer, tagged
from xapi.auth import Caller, Sight
from xapi.errors import RequestInvalid, StatementInvalid, StatementNotFound
from xapi.formats import Definitions, formatted
from xapi.intake import CredentialChanged, prove, take_in
from xapi.request import XapiRequest, boolean, read_filter, read_statements, refuse_unknown, require_json, required, statement_format, uuid
from xapi.resource import Resource
from xapi.signatures import verify_signatures
from xapi.slices import EVERYTHING
from xapi.validation import validate_statement
from xapi.vocabulary import CONSISTENT_THROUGH_HEADER, MULTIPART

OnStored = Callable[[Session, int, list[dict[str, Any]]], None]
"""Told of new statements inside their transaction: session, tenant, statements as they will be given back."""


class Statements(Resource):
    """The resource, with what it stands on."""

    methods = ("GET", "HEAD", "PUT", "POST")
    may_lag = True
    proves = True

    def __init__(self, database: Database, clock: Clock, on_stored: OnStored | None, pepper: bytes) -> None:
        self._database, self._clock, self._on_stored, self._pepper = database, clock, on_stored, pepper
        self._memory = Memory()

    def read(self, db: Connection, asked: XapiRequest, caller: Caller, now: datetime) -> Response:
        """One statement, or a page of those that match."""
        reader = _Reader(db, asked, caller, caller.sight())
        through = query.consistent_through(db, tenant_id=caller.tenant_id, now=now)
        if "statementId" in asked.params or "voidedStatementId" in asked.params:
            answer = self._one(reader)
        elif "more" in asked.params:
            refuse_unknown(asked.params, {"more"})
            page = query.open_more(asked.params["more"], owner=caller.key, now=now, pepper=self._pepper)
            answer = self._page(reader, page, now)
        else:
            wanted = query.within(read_filter(asked.params, asked.version, reader.sight.agent_key), reader.sight.part)
            answer = self._page(reader, query.first_page(db, wanted, tenant_id=caller.tenant_id), now)
        answer.headers[CONSISTENT_THROUGH_HEADER] = timestamps.written(through)
        return answer

    def write(self, asked: XapiRequest, caller: Caller, now: datetime) -> Response:
        """POST answers with the ids in order, PUT with nothing."""
        caller.may_write_statements()
        if asked.method == "POST":
            refuse_unknown(asked.params, set())
            ids, last = self._store(asked, caller, now)
            answer = json_answer(strictjson.dumps(ids))
        else:
            refuse_unknown(asked.params, {"statementId"})
            required(asked.params, "statementId")
            _, last = self._store(asked, caller, now, statement_id=uuid(asked.params, "statementId").lower())
            answer = Response(status=204)
        if last is not None and not self._database.has_replica:  # whoever comes later gets a later place
            answer.headers[CONSISTENT_THROUGH_HEADER] = timestamps.written(timestamps.moment_of(last))
        return answer

    def _one(self, reader: "_Reader") -> Response:
        db, asked, tenant_id, sight = reader.db, reader.asked, reader.caller.tenant_id, reader.sight
        voided = "voidedStatementId" in asked.params
        name = "voidedStatementId" if voided else "statementId"
        refuse_unknown(asked.params, {name, "attachments", "format"})
        wants_attachments = boolean(asked.params, "attachments")
        form, statement_id = statement_format(asked.params), uuid(asked.params, name)
        document, stored, seq = query.get_statement(db, statement_id, tenant_id=tenant_id, voided=voided, mine=sight.mine)
        if sight.part != EVERYTHING and not query.is_in_slice(db, seq, sight.part, tenant_id=tenant_id):
            raise StatementNotFound
        documents = [sight.shown(document)]
        answer = reader.answer(reader.formatted(documents, form)[0].encode(), documents, [seq] if wants_attachments else None)
        answer.headers["Last-Modified"] = http_date(stored)
        return answer

    def _page(self, reader: "_Reader", page: query.Page, now: datetime) -> Response:
        caller = reader.caller
        found = query.read_page(reader.db, page, tenant_id=caller.tenant_id, mine=reader.sight.mine)
        if page.attachments:
            fitting = attachments.within_bound(reader.db, tenant_id=caller.tenant_id, seqs=found.seqs)
            found = query.cut(page, found, fitting)
        more = ""
        if found.next is not None:
            token = query.sign_more(found.next, owner=caller.key, now=now, pepper=self._pepper)
            more = f"{reader.asked.mount}/statements?more={token}"
        documents = [reader.sight.shown(document) for document in found.documents]
        texts = ",".join(reader.formatted(documents, page.format))
        body = f'{{"statements":[{texts}],"more":"{more}"}}'.encode()
        return reader.answer(body, documents, found.seqs if page.attachments else None)

    def _store(self, asked: XapiRequest, caller: Caller, now: datetime, statement_id: str | None = None) -> tuple[list[str], int | None]:
        """Validates and stores what was sent; gives the ids, in order, and the last place that was given out.

        statement_id   of a PUT, which carries one statement
        """
        body, contents = _content(asked)
        texts, statements, is_list = read_statements(body)
        if statement_id is not None and is_list:
            raise StatementInvalid("wrong_type")
        batch = []
        for number, (text, statement) in enumerate(zip(texts, statements, strict=True)):
            place = f"/{number}" if is_list else ""
            try:
                validate_statement(statement, asked.version)
                verify_signatures(statement, contents, asked.version)
                if statement_id is not None and statement.get("id", statement_id).lower() != statement_id:
                    raise StatementInvalid("id_differs", "/id")  # noqa: TRY301  told with its place like every other rule
            except StatementInvalid as error:
                raise error.within(place) from None
            prepared = store.prepare(text, statement, caller.author, version=asked.version, id_hint=statement_id)
            caller.may_store(prepared.keys, place, now)
            batch.append(prepared)
        attachments.match([(f"/{number}" if is_list else "", one) for number, one in enumerate(statements)], contents)
        if not batch and caller.proof is not None:
            raise CredentialChanged  # nothing will be written that could prove it
        last = self._store_batch(batch, contents, caller) if batch else None
        caller.count(written=len(batch))
        return [prepared.id for prepared in batch], last

    def _store_batch(self, batch: list[store.Prepared], contents: dict[str, bytes], caller: Caller) -> int | None:
        """Gives the last place; None when all of the batch was known."""
        sent = (prepared.received for prepared in batch)
        told = news(sent, tenant_id=caller.tenant_id, memory=self._memory) if caller.may_define else {}
        if self._on_stored is None and not contents:
            first = self._straight_in(batch, caller, told)
            if first is not None:
                self._memory.remember(caller.tenant_id, {key: one.digest for key, one in told.items()})
                return first + len(batch) - 1

        def work(session: Session) -> tuple[dict[bytes, bytes], int | None]:
            learned: dict[bytes, bytes] = {}
            db = session.connection()
            if caller.proof is not None:
                prove(db, caller.proof)
            new = store.store(db, batch, tenant_id=caller.tenant_id, now=self._clock())
            if contents:
                attachments.keep(db, [(stored.seq, stored.statement) for stored in new], contents, tenant_id=caller.tenant_id)
            if told:
                learned = learn(db, (stored.statement for stored in new), tenant_id=caller.tenant_id)
            heard = [stored.statement for stored in new if not stored.voided]
            if heard and self._on_stored is not None:
                self._on_stored(session, caller.tenant_id, heard)
            return learned, new[-1].seq if new else None

        learned, last = self._database.write(work)
        self._memory.remember(caller.tenant_id, learned)
        return last

    def _straight_in(self, batch: list[store.Prepared], caller: Caller, definitions: dict[bytes, Definition]) -> int | None:
        """Stores a batch in one statement, if it can be; gives the first place."""
        if self._database.engine.dialect.name != "postgresql":
            return None
        try:
            with self._database.writing() as db:
                return take_in(db, batch, tenant_id=caller.tenant_id, now=self._clock(), proof=caller.proof, definitions=definitions)
        except OperationalError:
            return None  # the long way tries again, and says what is wrong


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads what, and with which connection."""

    db: Connection
    asked: XapiRequest
    caller: Caller
    sight: Sight

    def formatted(self, documents: list[str], form: str) -> list[str]:
        """The statements in one format; `canonical` takes definitions from all statements, where the caller may see them all."""
        if form == "exact":
            return documents
        definitions: Definitions = {}
        if form == "canonical" and self.sight.sees_everything:
            named = {activity["id"] for document in documents for activity in activities_of(orjson.loads(document))}
            definitions = known_definitions(self.db, named, tenant_id=self.caller.tenant_id)
        return [formatted(document, form, self.asked.languages, definitions) for document in documents]

    def answer(self, body: bytes, documents: list[str], seqs: list[int] | None) -> Response:
        """The answer as JSON; with contents of attachments when `seqs` are given, the places of the statements."""
        self.caller.count(read=len(documents))
        if seqs is None:
            return json_answer(body)
        contents = attachments.of(self.db, tenant_id=self.caller.tenant_id, seqs=seqs)
        content_type, message = attachments.multipart(body, documents, contents)
        return tagged(Response(message, content_type=content_type), body)


def _content(asked: XapiRequest) -> tuple[bytes, dict[str, bytes]]:
    """The JSON of a request, and the contents of attachments by hash."""
    content_type = asked.headers.get("content-type")
    if content_type is None:
        raise RequestInvalid("not_json", "Content-Type")
    if asked.media_type == MULTIPART:
        return attachments.read_multipart(content_type, asked.body)
    require_json(content_type)
    return asked.body, {}
