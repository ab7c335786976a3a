"""The door of the LRS: what an application that carries it may do without HTTP, within its own transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import Session

from kernel import strictjson
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.prepared import Prepared
from xapi import exports, feeds, keys, links, looking, query, store, usage
from xapi.activities import learn
from xapi.bearer import IdentityProvider
from xapi.blueprint import create_lrs
from xapi.delivery import deliver, find_due, put_off
from xapi.errors import SourceAway, SourceUnusable, StatementInvalid, TargetUnusable
from xapi.exports import ndjson_line
from xapi.feeds import Batch, Feed
from xapi.imports import BATCH as IMPORT_BATCH
from xapi.imports import Fault, Landed, Line, RemotePage, land_lines, open_remote, read_lines, read_remote
from xapi.keys import KeyView, NewKey
from xapi.lags import Lag, measure_lags
from xapi.looking import FeedState, Seen, count_by_day, count_by_verb, get_seen, list_feed_states, list_newest, reason_of, remove_feed
from xapi.migrate import migrate
from xapi.models import registry
from xapi.models import statement as statement_table
from xapi.openapi import SECURITY as OPENAPI_SECURITY
from xapi.openapi import paths as openapi_paths
from xapi.openapi import schemas as openapi_schemas
from xapi.partitions import Month, keep_ahead
from xapi.persons import (
    Person,
    PersonChanged,
    Policy,
    Presence,
    change_person,
    find_presence,
    iter_digests,
    iter_documents_of,
    iter_kept_documents,
    list_agents_behind,
    make_pseudonyms,
    person_of,
)
from xapi.pushes import (
    WAITING_CAP,
    LrsTarget,
    NewPush,
    PushView,
    Recipient,
    SetAside,
    WebhookTarget,
    add_push,
    back_fill_push,
    list_pushes,
    list_set_aside,
    pause_push,
    recipients,
    remove_push,
    resume_push,
    retry_set_aside,
    rotate_push_secret,
)
from xapi.retention import Leaving, list_leaving, retain
from xapi.slices import EVERYTHING, Slice, read_slice
from xapi.usage import Refusal, Volume
from xapi.validation import validate_statement
from xapi.vocabulary import CREDENTIAL_HOME_PAGE, MAX_PAGE, SCOPES, V2

__all__ = [
    "CREDENTIAL_HOME_PAGE",
    "EVERYTHING",
    "IMPORT_BATCH",
    "OPENAPI_SECURITY",
    "SCOPES",
    "WAITING_CAP",
    "Batch",
    "Fault",
    "Feed",
    "FeedState",
    "IdentityProvider",
    "KeyView",
    "Lag",
    "Landed",
    "Leaving",
    "Line",
    "LrsTarget",
    "Month",
    "NewKey",
    "NewPush",
    "Person",
    "PersonChanged",
    "Policy",
    "Presence",
    "PushView",
    "Recipient",
    "Refusal",
    "RemotePage",
    "Seen",
    "SetAside",
    "Slice",
    "SourceAway",
    "SourceUnusable",
    "StatementInvalid",
    "StoredStatement",
    "TargetUnusable",
    "Volume",
    "WebhookTarget",
    "add_push",
    "back_fill_push",
    "change_person",
    "count_by_day",
    "count_by_verb",
    "count_statements",
    "create_key",
    "create_lrs",
    "deliver",
    "end_waits",
    "export_day",
    "find_due",
    "find_presence",
    "get_feed",
    "get_seen",
    "has_statement",
    "heads",
    "iter_digests",
    "iter_documents_of",
    "iter_kept_documents",
    "iter_statements",
    "iter_statements_of",
    "keep_ahead",
    "land_lines",
    "list_agents_behind",
    "list_feed_states",
    "list_keys",
    "list_leaving",
    "list_newest",
    "list_pushes",
    "list_refusals",
    "list_set_aside",
    "make_pseudonyms",
    "measure_lags",
    "migrate",
    "ndjson_line",
    "open_remote",
    "openapi_paths",
    "openapi_schemas",
    "pause_push",
    "person_of",
    "place_after",
    "put_off",
    "read_lines",
    "read_on",
    "read_remote",
    "read_slice",
    "reason_of",
    "recipients",
    "remove_feed",
    "remove_push",
    "resume_push",
    "retain",
    "retry_set_aside",
    "revoke_key",
    "rotate_key",
    "rotate_push_secret",
    "store_statements",
    "target_versions",
    "validate_statement",
    "volumes_of",
]


_PLACE_OF = Prepared(select(registry.c.seq).where(registry.c.tenant_id == bindparam("tenant"), registry.c.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement as the LRS holds it. `seq` grows with the order of commits within its tenant."""

    seq: int
    tenant_id: int
    id: str
    stored: datetime
    statement: dict[str, Any]
    voided: bool


def store_statements(
    db: Session,
    *,
    tenant_id: int,
    statements: Sequence[dict[str, Any]],
    authority: Mapping[str, Any],
    now: datetime,
) -> list[str]:
    """Validates, stamps and stores statements within the caller's transaction; gives their ids, in order.

    Call it late in the transaction: other writers of the tenant wait until it ends.
    authority   becomes each statement's authority; it may void its own statements only
    now         the moment of storing, read after the transaction began
    Raises      StatementInvalid (place from the list down), StatementConflict, VoidingForbidden; nothing is stored then
    """
    author = store.Author(authority)
    batch = []
    for place, statement in enumerate(statements):
        try:
            validate_statement(statement)
            batch.append(store.prepare(strictjson.dumps(statement).decode(), statement, author, version=V2))
        except StatementInvalid as error:
            raise error.within(f"/{place}") from None
    if batch:
        new = store.store(db.connection(), batch, tenant_id=tenant_id, now=now)
        learn(db.connection(), (stored.statement for stored in new), tenant_id=tenant_id)
    return [prepared.id for prepared in batch]


def has_statement(db: Session, *, tenant_id: int, statement_id: str) -> bool:
    """Whether a statement of this id is stored, voided or not."""
    return _PLACE_OF.first(db, {"tenant": tenant_id, "id": statement_id.lower()}) is not None


def iter_statements(db: Session, *, tenant_id: int | None = None, after: int = 0, batch: int = 500) -> Iterator[StoredStatement]:
    """Statements in the order of their places, voided ones too; read `batch` at a time.

    tenant_id   one tenant, or None for all, tenant by tenant
    after       only places above this one; a place has its meaning within a tenant, so it needs `tenant_id`
    """
    if tenant_id is None and after:
        raise ValueError("a place in the sequence is one of a tenant")
    tenants = [tenant_id] if tenant_id is not None else _tenants(db)
    for tenant in tenants:
        for rows in query.iterate(db.connection(), tenant_id=tenant, after=after, batch=batch):
            for row in rows:
                yield StoredStatement(row.seq, tenant, row.id, row.stored, orjson.loads(row.document), row.voided)


def iter_statements_of(db: Session, *, tenant_id: int, agent: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements whose actor or object is one agent, in the order of arrival, voided ones left out.

    agent   with one identifier, as in a statement
    """
    identifier = links.identifier_of(agent)
    assert identifier is not None
    wanted = query.Filter(keys=((links.agent_key(identifier),),), ascending=True)
    page: query.Page | None = query.first_page(db.connection(), wanted, tenant_id=tenant_id)
    while page is not None:
        found = query.read_page(db.connection(), page, tenant_id=tenant_id, mine=None)
        yield from map(orjson.loads, found.documents)
        page = found.next


def count_statements(db: Session, *, tenant_id: int | None = None) -> int:
    """How many statements are stored, voided ones too; of one tenant or of all.

    Above `looking.COUNTED` on PostgreSQL only about as many, in two digits and zeros: counting millions would take seconds.
    """
    return looking.count_statements(db, tenant_id=tenant_id)


def create_key(
    db: Session,
    *,
    tenant_id: int,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
    part: Slice = EVERYTHING,
    pseudonymous: bool = False,
    requests_per_minute: int | None = None,
    pepper: bytes = b"",
) -> NewKey:
    """A new credential. `pepper` must be the `key_pepper` of `create_lrs`.

    part                 the only statements that it reads or writes
    pseudonymous         it sees pseudonyms in place of actors, and no free text; it can read statements only
    requests_per_minute  its own bound
    Raises               RequestInvalid
    """
    return keys.create_key(
        db.connection(),
        tenant_id=tenant_id,
        name=name,
        scopes=scopes,
        now=now,
        pepper=pepper,
        expires_at=expires_at,
        part=part,
        pseudonymous=pseudonymous,
        requests_per_minute=requests_per_minute,
    )


def list_keys(db: Session, *, tenant_id: int | None) -> list[KeyView]:
    """The credentials of a tenant, or of all (None), oldest first, ended ones too."""
    return keys.list_keys(db.connection(), tenant_id=tenant_id)


def rotate_key(db: Session, *, tenant_id: int, key: str, now: datetime, overlap: timedelta, pepper: bytes = b"") -> NewKey:
    """A new secret for a credential; the present one stays good for `overlap`, 0 to 90 days. Raises KeyNotFound, RequestInvalid."""
    return keys.rotate_key(db.connection(), tenant_id=tenant_id, key=key, now=now, overlap=overlap, pepper=pepper)


def revoke_key(db: Session, *, tenant_id: int, key: str, now: datetime) -> None:
    """Ends a credential and its tokens at once. Raises KeyNotFound."""
    keys.revoke_key(db.connection(), tenant_id=tenant_id, key=key, now=now)


def volumes_of(db: Session, *, tenant_id: int, since: date, until: date, key: str | None = None) -> list[Volume]:
    """What the credentials of a tenant did from one day to another (UTC, both included); the last seconds may be missing yet."""
    return usage.volumes_of(db.connection(), tenant_id=tenant_id, since=since, until=until, key=key)


def list_refusals(db: Session, *, tenant_id: int, limit: int = 100, key: str | None = None) -> list[Refusal]:
    """The last requests of a tenant's credentials that were refused, newest first: why and where, never what they held."""
    return usage.list_refusals(db.connection(), tenant_id=tenant_id, limit=limit, key=key)


def target_versions(http: GuardedClient, endpoint: str) -> list[str]:
    """The versions that another LRS names in its About resource; asked over the network, outside of any transaction.

    Raises   OutboundRefused, OutboundFailed, TargetUnusable
    """
    from xapi.remote import OutsideLrs  # noqa: PLC0415  tincan takes long to load, and only who calls an LRS needs it

    return OutsideLrs(http, endpoint=endpoint).versions()


def get_feed(db: Session, *, tenant_id: int, name: str) -> Feed:
    """One feed of a tenant, whoever made it. Raises FeedNotFound."""
    return feeds.get_feed(db.connection(), tenant_id=tenant_id, name=name, owner=None)


def read_on(db: Session, part: Slice, *, tenant_id: int, after: int, limit: int = MAX_PAGE) -> Batch:
    """The statements of a slice that come after a place, voided ones left out, and the place to go on from."""
    return feeds.read(db.connection(), part, tenant_id=tenant_id, after=after, limit=limit)


def place_after(db: Session, moment: datetime, *, tenant_id: int) -> int:
    """The place after which all that was stored after a moment stands."""
    return feeds.place_after(db.connection(), moment, tenant_id=tenant_id)


def heads(db: Session) -> dict[int, int]:
    """The last place that was given out in each tenant that has statements."""
    return feeds.heads(db.connection())


def export_day(database: Database, part: Slice, *, tenant_id: int, day: date, zone: tzinfo, form: str) -> Iterator[bytes]:
    """The statements of a slice that arrived on a day of a zone, as a file in pieces.

    form     `csv`, `ndjson` or `parquet`
    Raises   ParquetMissing, before the first piece
    """

    def look(work: Callable[[Connection], Batch]) -> Batch:
        with database.looking() as db:
            return work(db)

    with database.looking() as db:
        through = feeds.head_of(db, tenant_id)
    read = feeds.batches(look, part.between(*exports.day_of(day, zone)), tenant_id=tenant_id, after=0, through=through)
    return exports.EXPORTS[form].write([document for _seq, document in batch.rows] for batch in read)


def end_waits() -> None:
    """Lets go everyone who waits for statements in this process, which is about to end."""
    feeds.ENDING.set()


def _tenants(db: Session) -> list[int]:
    return list(db.scalars(select(statement_table.c.tenant_id).distinct().order_by(statement_table.c.tenant_id)))
