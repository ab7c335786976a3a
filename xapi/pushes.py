"""Pushes: a target outside (another LRS, a webhook), the slice that it gets, and a cursor over the tenant's sequence.

The log of statements is the queue: a statement is stored with its cause in one transaction, and every push sees it by its place. What the
administrator does with pushes is here; `delivery` sends.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kernel import strictjson
from xapi import query, webhooks
from xapi.errors import PushExists, PushNotFound, RequestInvalid
from xapi.models import push, set_aside
from xapi.query import Filter, Page
from xapi.slices import EVERYTHING, Slice, read_slice
from xapi.timestamps import moment_of, place_of
from xapi.vocabulary import V1, V2

BATCH: Final = 100
"""Statements in one call, at the most."""
OVERLAP: Final = timedelta(days=1)
"""So long a webhook's former secret signs beside the new one."""
WAITING_CAP: Final = 10_000
"""Statements that wait are counted as far as this."""
ASKED: Final = "asked"
"""`paused_for` of a push that a person paused."""

_MAX_URL = 2_000


@dataclass(frozen=True, slots=True)
class LrsTarget:
    """Another LRS. endpoint: the address below which `statements` stands; version: `2.0.0` or `1.0.3`."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    version: str = V2


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """An address that takes batches by POST. Without a secret (`whsec_...`) one is made."""

    url: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewPush:
    """A push that was added. `secret` is that of a webhook, shown this once."""

    name: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushView:
    """A push as administrators see it."""

    tenant_id: int
    name: str
    kind: Literal["lrs", "webhook"]
    url: str
    version: str | None
    key: str | None
    slice: Slice
    pseudonymous: bool
    created_at: datetime
    removed_at: datetime | None
    state: Literal["on", "paused", "removed"]
    paused_for: str | None
    """`asked`, `status 401`, `status 403`, `status 410`, `refuses_all`, `secret_unreadable`."""
    through: datetime | None
    """What was stored up to this moment is dealt with; None before the first statement."""
    waiting: int
    """Statements that wait, up to `WAITING_CAP`."""
    oldest_waiting_at: datetime | None
    """When the first of them was stored."""
    sent: int
    known: int
    """Statements that the target said it had."""
    set_aside: int
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    next_try_at: datetime | None
    """When the target is tried again, while it is away."""
    idle_since: datetime | None
    """Since when something waits that could be sent, and nothing was: long ago means that no worker runs."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A statement that a target refused. is_waiting: it will be tried once more."""

    statement_id: str
    reason: str
    refused_at: datetime
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Recipient:
    """A target that got statements."""

    name: str
    kind: Literal["lrs", "webhook"]
    url: str
    removed_at: datetime | None


def add_push(
    db: Session,
    *,
    tenant_id: int,
    name: str,
    target: LrsTarget | WebhookTarget,
    now: datetime,
    pepper: bytes,
    part: Slice = EVERYTHING,
    pseudonymous: bool = False,
    since: datetime | None = None,
) -> NewPush:
    """A new push, which begins at once.

    since    what was stored after this moment is sent too; None sends what comes from now on
    pepper   the installation's secret of the LRS, not empty: the target's secret is sealed under it
    Raises   RequestInvalid for a value not of its form; PushExists
    """
    if not 0 < len(name) <= 200:  # noqa: PLR2004  the column's width
        raise RequestInvalid("name_length", "name")
    shown = None
    if isinstance(target, LrsTarget):
        if target.version not in (V1, V2):
            raise RequestInvalid("xapi_version", "version")
        if not 0 < len(target.key) <= 200:  # noqa: PLR2004  the column's width
            raise RequestInvalid("name_length", "key")
        if not target.secret:
            raise RequestInvalid("missing_parameter", "secret")
        values: dict[str, Any] = {"kind": "lrs", "url": _address(target.endpoint, "endpoint"), "version": target.version, "key": target.key}
        secret = target.secret
    else:
        secret = shown = target.secret or webhooks.new_secret()
        webhooks.key_of(secret)
        values = {"kind": "webhook", "url": _address(target.url, "url"), "version": None, "key": None}
    here = query.first_page(db.connection(), Filter(), tenant_id=tenant_id).high
    start = here if since is None else min(here, place_of(since))
    row = {
        **values,
        "tenant_id": tenant_id,
        "name": name,
        "secret": sealed(secret, pepper),
        "slice": strictjson.dumps(part.to_json()).decode(),
        "pseudonymous": pseudonymous,
        "created_at": now,
        "first_seq": start,
        "cursor": start,
        "reached": start,
        "batch_limit": BATCH,
        "due_at": now,
        **dict.fromkeys(("refused_in_row", "failures", "sent", "known"), 0),
    }
    try:
        with db.begin_nested():
            db.execute(insert(push).values(row))
    except IntegrityError:
        raise PushExists(name=name) from None
    return NewPush(name, shown)


def list_pushes(db: Session, *, tenant_id: int | None, removed: bool = False) -> list[PushView]:
    """The pushes of a tenant, or of all (None), oldest first.

    removed   those that were removed too
    """
    whose = push.c.tenant_id == tenant_id if tenant_id is not None else true()
    there = true() if removed else push.c.removed_at.is_(None)
    counted: dict[int, int] = {
        row.push_id: row.n for row in db.execute(select(set_aside.c.push_id, func.count().label("n")).group_by(set_aside.c.push_id))
    }
    return [_view(db.connection(), row, counted.get(row.id, 0)) for row in db.execute(select(push).where(whose, there).order_by(push.c.id))]


def pause_push(db: Session, *, tenant_id: int, name: str, now: datetime) -> None:
    """Stops a push after the call that is under way; nothing is lost. Raises PushNotFound."""
    found = _found(db, tenant_id, name)
    if found.paused_at is None:
        _set(db, found.id, paused_at=now, paused_for=ASKED)


def resume_push(db: Session, *, tenant_id: int, name: str, now: datetime) -> None:
    """Lets a push go on where it stopped, at once, also one that waits for a target that was away. Raises PushNotFound."""
    _set(db, _found(db, tenant_id, name).id, paused_at=None, paused_for=None, due_at=now, failures=0, refused_in_row=0)


def back_fill_push(db: Session, *, tenant_id: int, name: str, since: datetime, now: datetime) -> None:
    """Sends what was stored after a moment once more, in order, and then goes on. Raises PushNotFound."""
    found = _found(db, tenant_id, name)
    start = min(found.cursor, place_of(since))
    # without its lease a call that is under way cannot put the cursor back to where it stood
    _set(db, found.id, cursor=start, first_seq=min(found.first_seq, start), suspect=None, due_at=now, lease=None, lease_until=None)


def remove_push(db: Session, *, tenant_id: int, name: str, now: datetime) -> None:
    """Ends a push and forgets its secrets; who got statements is still known. Raises PushNotFound."""
    found = _found(db, tenant_id, name)
    _set(db, found.id, removed_at=now, secret=None, previous_secret=None, previous_until=None, lease=None, lease_until=None)
    db.execute(delete(set_aside).where(set_aside.c.push_id == found.id))


def rotate_push_secret(db: Session, *, tenant_id: int, name: str, now: datetime, pepper: bytes, secret: str | None = None) -> str | None:
    """Puts a new secret in place.

    secret    for an LRS the one that it gave, needed; for a webhook one of the form `whsec_...`, or None to have one made
    Returns   a webhook's new secret; for a day the former one signs beside it. None for an LRS
    Raises    PushNotFound, RequestInvalid
    """
    found = _found(db, tenant_id, name)
    if found.kind == "lrs":
        if not secret:
            raise RequestInvalid("missing_parameter", "secret")
        _set(db, found.id, secret=sealed(secret, pepper))
        return None
    made = secret or webhooks.new_secret()
    webhooks.key_of(made)
    _set(db, found.id, secret=sealed(made, pepper), previous_secret=found.secret, previous_until=now + OVERLAP)
    return made


def list_set_aside(db: Session, *, tenant_id: int, name: str, limit: int = 100) -> list[SetAside]:
    """The statements that a push's target refused, the newest first. Raises PushNotFound."""
    mine = set_aside.c.push_id == _found(db, tenant_id, name).id
    rows = db.execute(select(set_aside).where(mine).order_by(set_aside.c.seq.desc()).limit(limit))
    return [SetAside(row.statement_id, row.reason, row.refused_at, row.again) for row in rows]


def retry_set_aside(db: Session, *, tenant_id: int, name: str, now: datetime, statement_ids: Sequence[str] | None = None) -> int:
    """Has statements that were refused tried once more, all of them when none is named. Returns how many. Raises PushNotFound."""
    found = _found(db, tenant_id, name)
    wanted = set_aside.c.push_id == found.id
    if statement_ids is not None:
        wanted &= set_aside.c.statement_id.in_([one.lower() for one in statement_ids])
    changed: Any = db.execute(update(set_aside).where(wanted).values(again=True))
    if changed.rowcount:
        _set(db, found.id, due_at=now)
    return int(changed.rowcount)


def recipients(db: Session, *, tenant_id: int, seqs: Sequence[int]) -> list[Recipient]:
    """The targets, former ones too, that one of the statements at these places was sent to."""
    refused = {(row.push_id, row.seq) for row in db.execute(select(set_aside.c.push_id, set_aside.c.seq).where(set_aside.c.seq.in_(seqs)))}
    return [
        Recipient(row.name, row.kind, row.url, row.removed_at)
        for row in db.execute(select(push).where(push.c.tenant_id == tenant_id).order_by(push.c.id))
        if any(
            row.first_seq < seq <= row.reached
            and (row.id, seq) not in refused
            and query.is_in_slice(db.connection(), seq, slice_of(row), tenant_id=tenant_id)
            for seq in seqs
        )
    ]


def forget(db: Connection, *, tenant_id: int, seqs: Sequence[int]) -> None:
    """Drops what targets answered to statements that are no more."""
    mine = select(push.c.id).where(push.c.tenant_id == tenant_id)
    db.execute(delete(set_aside).where(set_aside.c.push_id.in_(mine), set_aside.c.seq.in_(seqs)))


def slice_of(row: Row[Any]) -> Slice:
    """What a push sends."""
    return EVERYTHING if row.slice == "{}" else read_slice(strictjson.loads(row.slice))


def next_page(db: Connection, row: Row[Any], *, limit: int) -> Page:
    """What of a push's slice stands after its cursor, as of now."""
    page = query.first_page(db, query.within(Filter(ascending=True), slice_of(row)), tenant_id=row.tenant_id)
    return replace(page, low=max(page.low, row.cursor), limit=limit)


def sealed(secret: str, pepper: bytes) -> str:
    """A target's secret as it is kept: encrypted and authenticated (Fernet), under a key derived from the installation's."""
    return str(_vault(pepper).encrypt(secret.encode()).decode())


def opened(text: str, pepper: bytes) -> str | None:
    """A secret that was sealed; None when another key sealed it."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415  as in `_vault`

    try:
        return str(_vault(pepper).decrypt(text.encode()).decode())
    except InvalidToken:
        return None


def _vault(pepper: bytes) -> Any:
    from cryptography.fernet import Fernet  # noqa: PLC0415  a web process that reads and writes statements need not load it

    if not pepper:
        raise ValueError("without a key of the installation no secret can be kept")
    return Fernet(base64.urlsafe_b64encode(hmac.digest(b"xapi push secrets\n" + pepper, b"1", "sha256")))


def _found(db: Session, tenant_id: int, name: str) -> Row[Any]:
    row = db.execute(select(push).where(push.c.tenant_id == tenant_id, push.c.name == name, push.c.removed_at.is_(None))).first()
    if row is None:
        raise PushNotFound
    return row


def _set(db: Session, push_id: int, **values: Any) -> None:
    db.execute(update(push).where(push.c.id == push_id).values(values))


def _address(url: str, place: str) -> str:
    if not url.startswith(("https://", "http://")) or len(url) > _MAX_URL or "?" in url or "#" in url:
        raise RequestInvalid("web_address", place)
    return url


def _view(db: Connection, row: Row[Any], n_set_aside: int) -> PushView:
    state: Literal["on", "paused", "removed"] = "removed" if row.removed_at else "paused" if row.paused_at else "on"
    waiting, oldest = 0, None
    if state != "removed":
        page = next_page(db, row, limit=WAITING_CAP)
        waiting = query.count_page(db, page, tenant_id=row.tenant_id)
        first = query.read_places(db, replace(page, limit=1), tenant_id=row.tenant_id) if waiting else []
        oldest = moment_of(first[0][0]) if first else None
    return PushView(
        tenant_id=row.tenant_id,
        name=row.name,
        kind=row.kind,
        url=row.url,
        version=row.version,
        key=row.key,
        slice=slice_of(row),
        pseudonymous=row.pseudonymous,
        created_at=row.created_at,
        removed_at=row.removed_at,
        state=state,
        paused_for=row.paused_for if state == "paused" else None,
        through=moment_of(row.cursor) if row.cursor else None,
        waiting=waiting,
        oldest_waiting_at=oldest,
        sent=row.sent,
        known=row.known,
        set_aside=n_set_aside,
        last_success_at=row.last_success_at,
        last_error=row.last_error,
        last_error_at=row.last_error_at,
        next_try_at=row.due_at if row.failures and state == "on" else None,
        idle_since=max(oldest, row.due_at, row.last_success_at or oldest) if oldest and state == "on" and not row.failures else None,
    )
