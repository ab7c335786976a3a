"""Tables of the room. Rows are immutable unless a column says otherwise; what an attempt was decided by is pinned with it.

National data (items, forms) has no tenant; attempts and all below them belong to one agency. Items and forms are stored
as documents were loaded: a change makes a new version, and attempts keep the version that they began with.
"""

from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime

Id = BigInteger().with_variant(Integer, "sqlite")
"""Row keys of tables that grow with use."""

_JSON_OR_NULL = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NATIONAL = text("tenant_id IS NULL")
_OPEN = text("state = 'open'")
_UNRATED = text("state = 'finished' AND NOT is_rated")
_NOT_COMPARED = text("compared_at IS NULL")
_UNDECIDED = text("closed_at IS NULL")


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
    is_pilot: Mapped[bool] = mapped_column(default=False)
    """Whether it is only tried out for now, as its bank last said; form versions pin what it was."""
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
    is_partial: Mapped[bool] = mapped_column(default=False)
    """Whether a part of the answer earns a part of the credit."""
    testlet: Mapped[str | None] = mapped_column(String(64))
    """Key of the items that come together with this one."""
    testlet_place: Mapped[int | None] = mapped_column(SmallInteger)
    """1, 2, 3 ... in the testlet."""
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
        CheckConstraint("model IN ('rasch', '2pl', '3pl', 'gpcm')", name="model"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"))
    model: Mapped[str] = mapped_column(String(8))
    a: Mapped[float] = mapped_column()
    """Discrimination, per logit."""
    b: Mapped[float] = mapped_column()
    """Difficulty, logits; of partial credit the mean of its steps."""
    c: Mapped[float] = mapped_column()
    """Chance of a right answer by guessing."""
    steps: Mapped[list[float]] = mapped_column(JsonDocument, default=list)
    """Of partial credit, logits; else empty."""
    se_a: Mapped[float | None] = mapped_column()
    """Standard error of a, per logit; none while provisional."""
    se_b: Mapped[float | None] = mapped_column()
    """Standard error of b, logits."""
    status: Mapped[str] = mapped_column(String(32))
    """`provisional` (the authors' guess), `rating` (moved by answers), `calibrated` (estimated from enough of them)."""
    calibration_run: Mapped[str | None] = mapped_column(String(64))
    """UUID of the run that made it; none where a bank document says so."""
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
    sequences: Mapped[list[list[int]]] = mapped_column(JsonDocument, default=list)
    """Places of the pool in order: of a linear form, or of each of the parallel forms that were assembled; else empty."""
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
    is_pilot: Mapped[bool] = mapped_column(default=False)
    """Whether it is only tried out in this version: shown among the others, and counts for nothing."""


class Attempt(Base):
    """One sitting of one person. Changes: device while open, then state, finish and reason once."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("uq_attempt_open", "tenant_id", "person_uuid", "form_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_attempt_person", "tenant_id", "person_uuid", "form_id", "id"),
        Index("ix_attempt_form", "form_id", "id"),
        Index("ix_attempt_unrated", "id", sqlite_where=_UNRATED, postgresql_where=_UNRATED),
        Index("ix_attempt_due", "deadline_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("state IN ('open', 'finished')", name="state"),
        CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", name="finished"),
        CheckConstraint(
            "finish_reason IN ('precise', 'max_items', 'time', 'bank_exhausted', 'all_items', 'submitted')", name="finish_reason"
        ),
        CheckConstraint("hold IN ('pause', 'away')", name="hold"),
        CheckConstraint("(hold IS NULL) = (hold_ends_at IS NULL)", name="held"),
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
    """Start and all that follows, see `timing.Clock`: kept, so that a worker finds what is due."""
    factor_percent: Mapped[int] = mapped_column(SmallInteger, default=100, server_default="100")
    extra_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    notice_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    """Kept when time was taken away, so that it did not come unannounced."""
    paused_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    """All pauses so far, a present one in full."""
    away_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of these, while the person was away."""
    pauses_allowed: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    pause_minutes: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """The longest that one pause may last."""
    n_pauses: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """Pauses that the person took."""
    hold: Mapped[str | None] = mapped_column(String(8))
    """Why the clock stands still until hold_ends_at: `pause`, or `away`."""
    hold_began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hold_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    alive_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The newest sign of life besides answers; written where the clock stops for who is away."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The last answer's moment, or the deadline where time ran out."""
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    is_rated: Mapped[bool] = mapped_column(default=False)
    """Whether its answers have moved the items' ratings."""
    is_preview: Mapped[bool] = mapped_column(default=False)
    """A look through a learner's eyes: counts for nothing, and goes with all its rows when the look is over."""
    flagged: Mapped[list[int]] = mapped_column(JsonDocument, default=list)
    """Positions that the person marked to be looked at again, rising; changes while open."""
    admission: Mapped[dict[str, Any] | None] = mapped_column(_JSON_OR_NULL)
    """Rules of admission that it began under, see `admission.AdmissionRules`; none where there were none."""


class Accommodation(Base):
    """What one person is allowed beyond a form's own time; a newer one for the same sittings ends the older one."""

    __tablename__ = "accommodation"
    __table_args__ = (
        Index("ix_accommodation_person", "tenant_id", "person_uuid"),
        CheckConstraint("factor_percent BETWEEN 100 AND 1000", name="factor_percent"),
        CheckConstraint("extra_minutes BETWEEN 0 AND 1440", name="extra_minutes"),
        CheckConstraint("pauses BETWEEN 0 AND 20 AND pause_minutes BETWEEN 0 AND 240", name="pauses"),
        CheckConstraint("valid_until > valid_from", name="valid"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    person_uuid: Mapped[UUID] = mapped_column(Uuid)
    form_id: Mapped[int | None] = mapped_column(ForeignKey("form.id"))
    """The form that it is for; none: all sittings, or the one of attempt_id."""
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"), index=True)
    """The one sitting that it is for."""
    factor_percent: Mapped[int] = mapped_column(SmallInteger)
    """Of the limits of form and items; 150 is half as much again."""
    extra_minutes: Mapped[int] = mapped_column()
    pauses: Mapped[int] = mapped_column(SmallInteger)
    pause_minutes: Mapped[int] = mapped_column(SmallInteger)
    """Each, at the most."""
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(32))
    """Stable code, see `accommodations.REASONS`: never what a person suffers from."""
    granted_by: Mapped[str] = mapped_column(String(255))
    """Who, as the audit log names them."""
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Taken back, or put aside by a newer one; set once."""


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
    paused_before_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    """Pauses of the attempt before the item was shown: the item's own time leaves out those after."""


class Response(Base):
    """One answer, durable before it is acknowledged."""

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("presentation_id", name="uq_response_presentation"),
        UniqueConstraint("attempt_id", "client_id", name="uq_response_client"),
        CheckConstraint("score >= 0 AND score <= 1", name="score"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    presentation_id: Mapped[int] = mapped_column(ForeignKey("presentation.id"))
    client_id: Mapped[str] = mapped_column(String(64))
    """The browser's name for this answer: sent twice, stored once."""
    value: Mapped[Any] = mapped_column(JsonDocument)
    score: Mapped[float] = mapped_column()
    """Share of the full credit: 1 right, 0 wrong, between them partial credit."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    active_ms: Mapped[int | None] = mapped_column()
    """Time on the item as the browser tells it, milliseconds."""
    away_count: Mapped[int | None] = mapped_column()
    """How often the page was left during the item, as the browser tells it; gone with `integrity.KEPT`."""
    away_ms: Mapped[int | None] = mapped_column()
    """For how long in all, milliseconds."""
    theta_after: Mapped[float] = mapped_column()
    """EAP of the item's area after this answer, logits."""
    se_after: Mapped[float] = mapped_column()
    """Its standard deviation, logits."""


class ChangedResponse(Base):
    """An answer that was given, acknowledged and changed before the end, as it stood in `response`: kept, and counted nowhere."""

    __tablename__ = "changed_response"
    __table_args__ = (UniqueConstraint("attempt_id", "client_id", name="uq_changed_response_client"),)

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    presentation_id: Mapped[int] = mapped_column(ForeignKey("presentation.id"), index=True)
    client_id: Mapped[str] = mapped_column(String(64))
    value: Mapped[Any] = mapped_column(JsonDocument)
    score: Mapped[float] = mapped_column()
    """Share of full credit, 0 to 1."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Strictly rising over all answers of a sitting in which answers may be changed: the order in which they came."""
    active_ms: Mapped[int | None] = mapped_column()
    away_count: Mapped[int | None] = mapped_column()
    away_ms: Mapped[int | None] = mapped_column()
    theta_after: Mapped[float] = mapped_column()
    se_after: Mapped[float] = mapped_column()
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the next answer, or none, took its place."""


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
    verdicts: Mapped[list[str]] = mapped_column(JsonDocument, default=list)
    """On the cut of level 1, 2, ...: `met`, `not_met`, `undecided`, by the form's `decision`."""
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
    """Stable code: `device_moved`, `late_answer`, `time_changed`, `paused`, `resumed`, `away`, `item_time_over`."""
    key: Mapped[str] = mapped_column(String(128))
    """Same event, same key: a second row for it cannot exist."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(JsonDocument)


class IntegrityCheck(Base):
    """What a finished attempt was measured to be: once, by the worker. It is gone with `integrity.KEPT`."""

    __tablename__ = "integrity_check"
    __table_args__ = (Index("ix_integrity_check_new", "at", sqlite_where=_NOT_COMPARED, postgresql_where=_NOT_COMPARED),)

    tenant_id: Mapped[int] = mapped_column()
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    n_answers: Mapped[int] = mapped_column(SmallInteger)
    n_rapid: Mapped[int] = mapped_column(SmallInteger)
    """Answers given faster than anybody can read the item."""
    person_fit: Mapped[float | None] = mapped_column()
    """lz*; none where too few answers tell."""
    n_away: Mapped[int] = mapped_column()
    away_seconds: Mapped[int] = mapped_column()
    n_moves: Mapped[int] = mapped_column(SmallInteger)
    """Changes of browser or device."""
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its answers were compared with those of others; none until then."""


class IntegrityFlag(Base):
    """One thing about a finished attempt that a person should look at. It says nothing of guilt and changes no score."""

    __tablename__ = "integrity_flag"
    __table_args__ = (
        UniqueConstraint("attempt_id", "kind", "key", name="uq_integrity_flag_key"),
        CheckConstraint("kind IN ('rapid', 'misfit', 'similar', 'away', 'moved')", name="kind"),
    )

    tenant_id: Mapped[int] = mapped_column()
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(36))
    """The other attempt of a similar pair, its UUID; empty for the rest."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """The figures that it rests on."""


class IntegrityReview(Base):
    """The duty to look at a flagged attempt, and what was decided. Changes: decision, once."""

    __tablename__ = "integrity_review"
    __table_args__ = (
        CheckConstraint("decision IN ('no_concern', 'talk', 'retake')", name="decision"),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="decided"),
    )

    tenant_id: Mapped[int] = mapped_column(index=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decision: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    """Why, in the words of who decided; the learner may read it."""
    decided_by: Mapped[str | None] = mapped_column(String(255))
    """As the audit log names them."""
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


INTEGRITY_TABLES = (IntegrityFlag, IntegrityReview, IntegrityCheck)
"""What goes first when attempts go."""


class PersonGroup(Base):
    """What an agency says of one of its people, for comparing groups: one label an attribute."""

    __tablename__ = "person_group"

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_uuid: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    attribute: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`ministry`, `region`, `age_band`, ..."""
    label: Mapped[str] = mapped_column(String(100))


class FormAnalysis(Base):
    """What the answers to a form say of its items, computed by the worker. A roll-up: it may be dropped and computed again."""

    __tablename__ = "form_analysis"
    __table_args__ = (UniqueConstraint("form_id", "scope", name="uq_form_analysis_scope"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    form_id: Mapped[int] = mapped_column(ForeignKey("form.id"))
    scope: Mapped[str] = mapped_column(String(32))
    """Whose answers: `all`, `tenant:3`, `course:12`."""
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
    n_persons: Mapped[int] = mapped_column()
    document: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """See `form_analysis.analysis_document`."""


class ItemReview(Base):
    """An item that an analysis flagged, until a person decides. Closed once; nothing of it changes by itself."""

    __tablename__ = "item_review"
    __table_args__ = (
        Index("uq_item_review_open", "scope", "item_version_id", unique=True, sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED),
        Index("ix_item_review_form", "form_id", "scope"),
        CheckConstraint("decision IN ('keep', 'revise', 'retire')", name="decision"),
        CheckConstraint("(decision IS NULL) = (closed_at IS NULL)", name="closed"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    scope: Mapped[str] = mapped_column(String(32))
    """As in `form_analysis`; never a course's."""
    form_id: Mapped[int] = mapped_column(ForeignKey("form.id"))
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"))
    reasons: Mapped[list[str]] = mapped_column(JsonDocument)
    """Codes of `flags.REASONS` that brought it here, sorted."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decision: Mapped[str | None] = mapped_column(String(16))
    """`keep`, `revise`, or `retire`: left out of the next version of a form that is issued."""
    reason: Mapped[str | None] = mapped_column(Text)
    closed_by: Mapped[str | None] = mapped_column(String(255))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ItemRating(Base):
    """How hard an item version is by the answers so far, while it has no calibration. The worker moves it; see `ratings`."""

    __tablename__ = "item_rating"
    __table_args__ = (CheckConstraint("n >= 0", name="n"),)

    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_version.id"), primary_key=True, autoincrement=False)
    b: Mapped[float] = mapped_column()
    """Logits."""
    n: Mapped[int] = mapped_column()
    """Answers that moved it."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CalibrationRun(Base):
    """What a calibration from stored answers found, and whether an administrator has put it to use. Applied once; else never updated."""

    __tablename__ = "calibration_run"
    __table_args__ = (
        Index("ix_calibration_run_form", "form_id", "id"),
        CheckConstraint("state IN ('ready', 'applied')", name="state"),
        CheckConstraint("(state = 'applied') = (applied_at IS NOT NULL)", name="applied"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    form_id: Mapped[int] = mapped_column(ForeignKey("form.id"))
    form_version_id: Mapped[int] = mapped_column(ForeignKey("form_version.id"))
    """Whose pool it was computed for."""
    pilots_only: Mapped[bool] = mapped_column()
    """Whether live items were held as they are."""
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
    n_persons: Mapped[int] = mapped_column()
    document: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """See `proposals.proposed`."""
    state: Mapped[str] = mapped_column(String(16))
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    applied_by: Mapped[str | None] = mapped_column(String(255))
    """As the audit log names them."""


def _refuse_update(_mapper: Any, _connection: Any, target: Base) -> NoReturn:
    raise RuntimeError(f"a {type(target).__name__} is never updated: a change makes a new one")


for _frozen in (ItemVersion, ItemParameter, FormVersion, Presentation, Response, ChangedResponse, AttemptEvent):
    event.listen(_frozen, "before_update", _refuse_update)
