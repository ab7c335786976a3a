"""Bringing statements in from a file or another record store: batch by batch, each with its evidence in one transaction, resumable.

The place in the source is committed with each batch, so an import that was stopped, by a fault or by pulling the plug, goes on after
the last batch that landed. Nothing of it is lost or doubled: what is sent again is known by its id. The network is asked between the
transactions, never within one.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import KaonaError, NotFound
from kernel.http import GuardedClient, OutboundFailed
from lti_tool.models import LrsImport, LrsImportFault
from lti_tool.models.audit import append_audit
from lti_tool.workflows import statements_arrived

SHOWN_FAULTS = 1_000
"""Lines that were not taken in, kept of each import; the command gives all of them."""
TRIES = 5
"""Tries of one page of another store before an import stops."""
FIRST_PAUSE_SECONDS = 1.0
AUTHORITY: Mapping[str, Any] = {"objectType": "Agent", "account": {"homePage": xapi.CREDENTIAL_HOME_PAGE, "name": "import"}}
"""Whose word brought-in statements are that keep no authority of their own."""


class NothingToResume(NotFound):
    """No import of this source was stopped in this agency."""

    code = "nothing_to_resume"
    message: ClassVar = {"th": "ไม่มีการนำเข้าจากแหล่งนี้ที่ค้างอยู่", "en": "No import of this source is waiting to be gone on with."}


class Source(Protocol):
    """Where lines come from. `name` is kept and shown; it holds no secret."""

    @property
    def name(self) -> str: ...  # noqa: D102  said above

    def batches(self, position: Mapping[str, Any]) -> Iterator[tuple[Sequence[xapi.Line], dict[str, Any]]]:
        """The batches after a position, each with the position after it. Raises SourceUnusable, OutboundRefused, OutboundFailed."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of NDJSON, packed by gzip or not; `file` is open for reading."""

    name: str
    file: IO[bytes]

    def batches(self, position: Mapping[str, Any]) -> Iterator[tuple[Sequence[xapi.Line], dict[str, Any]]]:
        """As `Source` has it."""
        for lines in xapi.read_lines(self.file, after=position.get("line", 0)):
            yield lines, {"line": lines[-1].number}


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """The statements of another record store, by its `more` links."""

    name: str
    http: GuardedClient
    key: str | None
    secret: str
    sleep: Callable[[float], None] = time.sleep

    def batches(self, position: Mapping[str, Any]) -> Iterator[tuple[Sequence[xapi.Line], dict[str, Any]]]:
        """As `Source` has it; a store that is away for a moment is asked again."""
        lrs = xapi.open_remote(self.http, endpoint=self.name, key=self.key, secret=self.secret)
        is_last = False
        while not is_last:
            page = self._page(lrs, position)
            yield page.lines, page.position
            position, is_last = page.position, page.is_last

    def _page(self, lrs: Any, position: Mapping[str, Any]) -> xapi.RemotePage:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TRIES - 1):
            with contextlib.suppress(OutboundFailed, xapi.SourceAway):
                return xapi.read_remote(lrs, position)
            self.sleep(pause)
            pause *= 2
        return xapi.read_remote(lrs, position)


@dataclass(frozen=True, slots=True)
class ImportView:
    """One bringing-in and how far it got."""

    uuid: UUID
    source: str
    state: str
    keeps_authority: bool
    actor: str
    n_read: int
    n_new: int
    n_known: int
    n_refused: int
    last_error: str | None
    started_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class FaultView:
    """One line that was not taken in."""

    line: int
    statement_id: str | None
    code: str
    rule: str | None
    place: str | None


def bring_in(
    database: Database,
    source: Source,
    *,
    tenant_id: int,
    keeps_authority: bool = False,
    resume: bool = False,
    actor: str,
    clock: Clock,
    on_batch: Callable[[ImportView, Sequence[xapi.Fault]], None] = lambda _view, _faults: None,
) -> ImportView:
    """Brings all of a source in.

    keeps_authority   statements keep the authority that they came with; an administrator's decision
    resume            goes on with the last import of this source that did not come to its end
    on_batch          told after each commit: how far it is, and the lines of the batch that were not taken in
    Raises            NothingToResume; SourceUnusable, OutboundRefused, OutboundFailed, after which it can be gone on with
    """
    with database.transaction() as db:
        row = _unfinished(db, tenant_id, source.name) if resume else _begun(db, source.name, tenant_id, keeps_authority, actor, clock())
        import_id, position = row.id, row.position
        row.state, row.last_error = "running", None
    try:
        for lines, after in source.batches(position):
            with database.transaction() as db:
                view, faults = _land(db, import_id, lines, after, clock)
            on_batch(view, faults)
    except BaseException as error:
        with database.transaction() as db:
            _ended(db, import_id, "stopped", clock(), error.code if isinstance(error, KaonaError) else type(error).__name__)
        raise
    with database.transaction() as db:
        return _ended(db, import_id, "done", clock(), None)


def list_imports(db: Session, *, tenant_id: int, limit: int = 50) -> list[ImportView]:
    """The bringings-in of an agency, the newest first."""
    rows = select(LrsImport).where(LrsImport.tenant_id == tenant_id).order_by(LrsImport.id.desc()).limit(limit)
    return [_view(row) for row in db.scalars(rows)]


def get_import(db: Session, uuid: UUID, *, tenant_id: int) -> tuple[ImportView, list[FaultView]]:
    """One bringing-in with the lines that were not taken in, as far as they are kept. Raises NotFound."""
    row = db.scalars(select(LrsImport).where(LrsImport.uuid == uuid, LrsImport.tenant_id == tenant_id)).first()
    if row is None:
        raise NotFound
    faults = db.scalars(select(LrsImportFault).where(LrsImportFault.import_id == row.id).order_by(LrsImportFault.line))
    return _view(row), [FaultView(one.line, one.statement_id, one.code, one.rule, one.place) for one in faults]


def _begun(db: Session, source: str, tenant_id: int, keeps_authority: bool, actor: str, now: datetime) -> LrsImport:  # noqa: PLR0917
    row = LrsImport(
        tenant_id=tenant_id, source=source, keeps_authority=keeps_authority, actor=actor, position={}, started_at=now, changed_at=now
    )
    db.add(row)
    db.flush()  # its id is asked for
    details = {"source": source, "keeps_authority": keeps_authority}
    append_audit(db, event="statements.import_begun", actor=actor, now=now, tenant_id=tenant_id, details=details)
    return row


def _unfinished(db: Session, tenant_id: int, source: str) -> LrsImport:
    mine = (LrsImport.tenant_id == tenant_id, LrsImport.source == source, LrsImport.state != "done")
    row = db.scalars(select(LrsImport).where(*mine).order_by(LrsImport.id.desc())).first()
    if row is None:
        raise NothingToResume
    return row


def _land(
    db: Session, import_id: int, lines: Sequence[xapi.Line], after: dict[str, Any], clock: Clock
) -> tuple[ImportView, Sequence[xapi.Fault]]:
    """One batch with its evidence and the new place in the source, in the caller's transaction."""
    row = db.get_one(LrsImport, import_id)
    now = clock()
    landed = xapi.land_lines(db, lines, tenant_id=row.tenant_id, authority=AUTHORITY, keeps_authority=row.keeps_authority, now=now)
    if landed.statements:
        statements_arrived.take_in(db, tenant_id=row.tenant_id, statements=landed.statements, now=now)
    room = SHOWN_FAULTS - (db.scalar(select(func.count(LrsImportFault.id)).where(LrsImportFault.import_id == import_id)) or 0)
    for fault in landed.faults[: max(room, 0)]:
        told = {"statement_id": fault.statement_id, "code": fault.code, "rule": fault.rule, "place": fault.place}
        db.add(LrsImportFault(import_id=import_id, line=fault.line.number, **told))
    row.position, row.changed_at = after, now
    row.n_read += len(lines)
    row.n_new += landed.n_new
    row.n_known += landed.n_known
    row.n_refused += len(landed.faults)
    db.flush()
    return _view(row), landed.faults


def _ended(db: Session, import_id: int, state: str, now: datetime, last_error: str | None) -> ImportView:
    row = db.get_one(LrsImport, import_id)
    row.state, row.last_error, row.changed_at = state, last_error, now
    counts = {"read": row.n_read, "new": row.n_new, "known": row.n_known, "refused": row.n_refused}
    details = {"source": row.source, **counts, "error": last_error}
    event = "statements.import_done" if state == "done" else "statements.import_stopped"
    append_audit(db, event=event, actor=row.actor, now=now, tenant_id=row.tenant_id, details=details)
    return _view(row)


def _view(row: LrsImport) -> ImportView:
    return ImportView(
        row.uuid, row.source, row.state, row.keeps_authority, row.actor, row.n_read, row.n_new, row.n_known, row.n_refused,
        row.last_error, row.started_at, row.changed_at,
    )  # fmt: skip
