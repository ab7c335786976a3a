"""Tables of the room. Rows are immutable unless a column says otherwise; what an attempt was decided by is pinned with it.

National data (items, forms) has no tenant; attempts and all below them belong to one agency. Items and forms are stored
as documents were loaded: a change makes a new version, and attempts keep the version that they began with.
"""

from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime

Id = BigInteger().with_variant(Integer, "sqlite")
"""Row keys of tables that grow with use."""

_NATIONAL = text("tenant_id IS NULL")
_OPEN = text("state = 'open'")


class Item(Base):
    """One item of a bank; what it says is in its versions."""

    __tablename__ = "item"
    __table_args__ = (
        UniqueConstraint("tenant_id", "framework", "key", name="uq_item_tenant_key"),
        Index("uq_item_national_key", "framework", "key", unique=True, sqlite_where=_NATIONAL, postgresql_where=_NATIONAL),
    )

    tenant_id: Mapped[int | None] = mapped_column()
    """Owner; none for the national bank."""
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    framework: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    """Code in its bank, `DLIT-001`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ItemVersion(Base):
    """What an item says and what counts as right, from one change to the next. Never updated."""

    __tablename__ = "item_version"
    __table_args__ = (
        UniqueConstraint("item_id", "n", name="uq_item_version_n"),
        CheckConstraint("n >= 1", name="n"),
        CheckConstraint("time_guide_seconds > 0", name="time_guide_seconds"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    n: Mapped[int] = mapped_column()
    """1, 2, 3 ... in the order of loading; the newest is in use."""
    kind: Mapped[str] = mapped_column(String(32))
    domain: Mapped[str] = mapped_column(String(32))
    topic: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    body: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """What is shown: `stem`, `options`, `targets`, `unit`."""
    correct: Mapped[Any] = mapped_column(JsonDocument)
    """The correct response; never leaves the server before the attempt ends."""
    rationale: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    enemies: Mapped[list[str]] = mapped_column(JsonDocument)
    """Keys of items that must not meet this one in one attempt."""
    time_guide_seconds: Mapped[int] = mapped_column()
    licence: Mapped[str] = mapped_column(String(64))
    checksum: Mapped[str] = mapped_column(String(64))
    """SHA-256 of all of the above but `n`; equal content, equal checksum."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ItemParameter(Base):
    """Parameters of an item version by one calibration. Never updated; the newest is in use."""

    __tablename__ = "item_parameter"
    __table_args__ = (
        Index("ix_item_parameter_version", "item_version_id", "id"),
        CheckConstraint("a > 0", name="a"),
        CheckConstraint("c >= 0 AND c < 1", name="c"),
        CheckConstraint("model IN ('rasch', '2pl', '3pl')", name="model"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"))
    model: Mapped[str] = mapped_column(String(8))
    a: Mapped[float] = mapped_column()
    """Discrimination, per logit."""
    b: Mapped[float] = mapped_column()
    """Difficulty, logits."""
    c: Mapped[float] = mapped_column()
    """Chance of a right answer by guessing."""
    se_a: Mapped[float | None] = mapped_column()
    """Standard error of a, per logit; none while provisional."""
    se_b: Mapped[float | None] = mapped_column()
    """Standard error of b, logits."""
    status: Mapped[str] = mapped_column(String(32))
    """`provisional` until a calibration has met enough answers."""
    calibration_run: Mapped[str | None] = mapped_column(String(64))
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)


class Form(Base):
    """One assessment that a link may point to; its rules are in its versions."""

    __tablename__ = "form"

    tenant_id: Mapped[int | None] = mapped_column(index=True)
    """Owner; none for a national form."""
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    framework: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FormVersion(Base):
    """Rules, cuts and pool of a form, frozen. New attempts take the newest; begun ones keep theirs."""

    __tablename__ = "form_version"
    __table_args__ = (UniqueConstraint("form_id", "n", name="uq_form_version_n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    """Random: names this version in this database alone, so that a cache may be keyed by it."""
    form_id: Mapped[int] = mapped_column(ForeignKey("form.id"))
    n: Mapped[int] = mapped_column()
    document: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """The form document as loaded, see `forms.FormDocument`."""
    checksum: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the document and of the item versions and parameters of its pool."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FormItem(Base):
    """One item of a form version's pool: which version, and by which parameters it is scored."""

    __tablename__ = "form_item"

    form_version_id: Mapped[int] = mapped_column(ForeignKey("form_version.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0, 1, 2 ... in the pool."""
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"))
    item_parameter_id: Mapped[int] = mapped_column(ForeignKey("item_parameter.id"))


class Attempt(Base):
    """One sitting of one person. Changes: device while open, then state, finish and reason once."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("uq_attempt_open", "tenant_id", "person_uuid", "form_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_attempt_person", "tenant_id", "person_uuid", "form_id", "id"),
        Index("ix_attempt_form", "form_id", "id"),
        Index("ix_attempt_due", "deadline_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("state IN ('open', 'finished')", name="state"),
        CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", name="finished"),
        CheckConstraint("finish_reason IN ('precise', 'max_items', 'time', 'bank_exhausted')", name="finish_reason"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    person_uuid: Mapped[UUID] = mapped_column(Uuid)
    form_id: Mapped[int] = mapped_column(ForeignKey("form.id"))
    form_version_id: Mapped[int] = mapped_column(ForeignKey("form_version.id"))
    """Pins item versions, parameters, cuts and rules."""
    state: Mapped[str] = mapped_column(String(16))
    seed: Mapped[int] = mapped_column(BigInteger)
    """Of every draw in this attempt."""
    seen_item_ids: Mapped[list[int]] = mapped_column(JsonDocument)
    """Items that the person met in the twelve months before the start."""
    launch_ref: Mapped[str] = mapped_column(String(255))
    """The launch that began it, for whoever sends the score back."""
    device: Mapped[str | None] = mapped_column(String(128))
    """The browser that may answer now."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deadline_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The last answer's moment, or the deadline where time ran out."""
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    is_preview: Mapped[bool] = mapped_column(default=False)
    """A look through a learner's eyes: counts for nothing, and goes with all its rows when the look is over."""


class Presentation(Base):
    """One item as it was shown to one person. These rows are the exposure counts, too: nothing hot is updated."""

    __tablename__ = "presentation"
    __table_args__ = (
        UniqueConstraint("attempt_id", "position", name="uq_presentation_position"),
        UniqueConstraint("attempt_id", "item_id", name="uq_presentation_item"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    """1, 2, 3 ... in the attempt."""
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"))
    item_parameter_id: Mapped[int] = mapped_column(ForeignKey("item_parameter.id"))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)
    option_order: Mapped[dict[str, list[str]]] = mapped_column(JsonDocument)
    """Ids as presented: `options`, `targets`."""
    rested: Mapped[list[int]] = mapped_column(JsonDocument)
    """Places in the pool that were passed over because of exposure; with them the choice can be repeated."""
    waived: Mapped[str] = mapped_column(String(16))
    """Rule that gave way for want of items: `exposure`, `seen`, or empty."""


class Response(Base):
    """One answer, durable before it is acknowledged."""

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("presentation_id", name="uq_response_presentation"),
        UniqueConstraint("attempt_id", "client_id", name="uq_response_client"),
        CheckConstraint("score IN (0, 1)", name="score"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    presentation_id: Mapped[int] = mapped_column(ForeignKey("presentation.id"))
    client_id: Mapped[str] = mapped_column(String(64))
    """The browser's name for this answer: sent twice, stored once."""
    value: Mapped[Any] = mapped_column(JsonDocument)
    score: Mapped[int] = mapped_column(SmallInteger)
    """1 right, 0 wrong."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    active_ms: Mapped[int | None] = mapped_column()
    """Time on the item as the browser tells it, milliseconds."""
    theta_after: Mapped[float] = mapped_column()
    """EAP of the item's area after this answer, logits."""
    se_after: Mapped[float] = mapped_column()
    """Its standard deviation, logits."""


class AbilityEstimate(Base):
    """What a finished attempt says of one area."""

    __tablename__ = "ability_estimate"

    tenant_id: Mapped[int] = mapped_column()
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    domain: Mapped[str] = mapped_column(String(32), primary_key=True)
    theta: Mapped[float] = mapped_column()
    """EAP, logits, prior N(0, 1)."""
    se: Mapped[float] = mapped_column()
    """Standard deviation of the posterior, logits."""
    wle: Mapped[float | None] = mapped_column()
    """Warm's estimate, logits; none without answers."""
    n_items: Mapped[int] = mapped_column(SmallInteger)
    n_right: Mapped[int] = mapped_column(SmallInteger)
    level: Mapped[int] = mapped_column(SmallInteger)
    """Highest rank whose cut theta reaches; 0 below the first."""
    p_levels: Mapped[list[float]] = mapped_column(JsonDocument)
    """P(theta >= cut) of level 1, 2, ..."""
    is_borderline: Mapped[bool] = mapped_column()
    is_indicative: Mapped[bool] = mapped_column()
    posterior: Mapped[list[float]] = mapped_column(JsonDocument)
    """At the 41 points of the grid."""


class AttemptEvent(Base):
    """Something that happened to an attempt and changes no score. Append-only."""

    __tablename__ = "attempt_event"
    __table_args__ = (UniqueConstraint("attempt_id", "kind", "key", name="uq_attempt_event_key"),)

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    kind: Mapped[str] = mapped_column(String(32))
    """Stable code: `device_moved`, `late_answer`."""
    key: Mapped[str] = mapped_column(String(128))
    """Same event, same key: a second row for it cannot exist."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(JsonDocument)


def _refuse_update(_mapper: Any, _connection: Any, target: Base) -> NoReturn:
    raise RuntimeError(f"a {type(target).__name__} is never updated: a change makes a new one")


for _frozen in (ItemVersion, ItemParameter, FormVersion, Presentation, Response, AttemptEvent):
    event.listen(_frozen, "before_update", _refuse_update)
