"""Form versions compiled for the request path: items, rules and tables in one read-only object, kept in process memory.

A form version never changes, so the cache needs no invalidation; losing it costs a fraction of a second, never truth.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assessment.admission import OPEN_TO_ALL
from assessment.cat import Pool, PoolItem, resting_items
from assessment.forms import FormDocument
from assessment.irt import ItemParams, params_of
from assessment.models import Attempt, Form, FormItem, FormVersion, Item, ItemParameter, ItemVersion, Presentation
from assessment.scoring import ScoringRule
from assessment.sitting import Rules, Sitting, drawn_sequence
from assessment.views import Cut, DomainView, FormView, OptionView
from kernel.langmap import LangMap

MAX_COMPILED: Final = 32
"""Form versions kept in one process."""

EXPOSURE_ATTEMPTS: Final = 1000
"""Newest attempts of a form that count for exposure."""

EXPOSURE_SECONDS: Final = 10
"""How old a process's knowledge of what other processes showed may be."""


@dataclass(frozen=True, slots=True)
class CompiledItem:
    """One item version of a pool with all that showing and scoring it takes."""

    item_id: int
    item_uuid: UUID
    item_key: str
    version_id: int
    version: int
    parameter_id: int
    parameter_status: str
    domain: str
    stem: LangMap
    options: dict[str, OptionView]
    targets: dict[str, OptionView]
    unit: LangMap | None
    time_guide_seconds: int
    time_limit_seconds: int | None
    """What it may take at the most, by itself or by the form."""
    rule: ScoringRule


@dataclass(frozen=True, slots=True)
class CompiledForm:
    """One form version, read-only, shared by all attempts on it."""

    uuid: UUID
    form_id: int
    version_id: int
    document: FormDocument
    view: FormView
    rules: Rules
    pool: Pool
    items: tuple[CompiledItem, ...]
    place_of: dict[int, int]
    """Item id to its place in the pool."""
    has_item_limits: bool
    """Whether some item may take so long and no longer."""
    sequences: tuple[tuple[int, ...], ...]
    """Places in order: of a linear form, or of each parallel form; none where items are chosen."""

    @property
    def is_handed_out(self) -> bool:
        """Whether all items stand in the sitting from its start: they are fixed, and none has a time of its own."""
        return bool(self.sequences) and not self.has_item_limits

    def places_of(self, item_ids: list[int]) -> frozenset[int]:
        """Places of those items that this pool holds."""
        return frozenset(self.place_of[item_id] for item_id in item_ids if item_id in self.place_of)

    def new_sitting(self, seed: int, seen_item_ids: list[int]) -> Sitting:
        """A sitting before its first answer."""
        seen = self.places_of(seen_item_ids)
        return Sitting(self.pool, self.rules, seed, seen, drawn_sequence(self.sequences, seed, seen), is_open=self.document.review)

    def sitting_of(self, seed: int, seen_item_ids: list[int], scores: Iterable[tuple[int, float]], *, is_over: bool = False) -> Sitting:
        """A sitting as its stored answers make it, to the bit.

        scores   item id and score of each answer that counts now, in order of position
        is_over  items that may be answered in any order and were left out count as not right
        """
        sitting = self.new_sitting(seed, seen_item_ids)
        reached = {self.place_of[item_id]: score for item_id, score in scores}
        for place in (sitting.sequence or ()) if is_over and self.document.review else reached:
            sitting.answer(place, self.pool.category(place, reached.get(place, 0.0)))
        return sitting


@dataclass(slots=True)
class Exposure:
    """How often the items of a pool were met. A guess of one process: losing or doubling a few counts does no harm.

    counts      attempts that met the item, per place
    n_attempts  attempts of the window
    r_max       highest share
    read_at     when the presentations were counted, seconds of this process's clock
    """

    counts: dict[int, int]
    n_attempts: int
    r_max: float
    read_at: float

    def resting(self) -> frozenset[int]:
        """Places that rest now."""
        return resting_items(self.counts.copy(), self.n_attempts, self.r_max)  # a copy: other threads count on

    def note(self, place: int, *, is_first: bool) -> None:
        """Counts one presentation of this process; the first one of an attempt counts the attempt."""
        self.counts[place] = self.counts.get(place, 0) + 1
        self.n_attempts += is_first


_lock = threading.Lock()
_compiled: dict[UUID, CompiledForm] = {}
_exposure: dict[UUID, "Exposure"] = {}


def compiled_form(db: Session, version_uuid: UUID) -> CompiledForm:
    """A form version from the cache, or compiled now. version_uuid: of a row that exists."""
    form = _compiled.get(version_uuid)
    if form is None:
        form = _compile(db, version_uuid)
        with _lock:
            while len(_compiled) >= MAX_COMPILED:
                _exposure.pop(oldest := next(iter(_compiled)), None)
                del _compiled[oldest]
            _compiled[version_uuid] = form
    return form


def exposure_of(db: Session, form: CompiledForm) -> Exposure:
    """What the newest attempts on a form have met, as this process knows it.

    Counted from the presentations themselves, every ten seconds in each process, and kept up with its own in between: no
    counter row is ever updated, so answers of many persons never wait for each other.
    """
    known = _exposure.get(form.uuid)
    if known is None or time.monotonic() - known.read_at > EXPOSURE_SECONDS:
        known = _exposure[form.uuid] = _read_exposure(db, form)
    return known


def view_of(form: Form, version: FormVersion, document: FormDocument) -> FormView:
    """A form version as the door shows it."""
    n_pilots = document.pilots.number if document.pilots else 0
    return FormView(
        uuid=form.uuid,
        key=form.key,
        title=document.title.model_dump(),
        description=document.description.model_dump(),
        minutes=document.minutes,
        min_items=document.min_items,
        max_items=document.max_items + n_pilots,
        framework=document.framework,
        domains=tuple(DomainView(domain.code, domain.competency) for domain in document.domains),
        cuts=tuple(Cut(cut.domain, cut.level, cut.theta, cut.method) for cut in document.cuts),
        min_items_for_level=document.min_items_for_level,
        version=version.n,
        away_minutes=document.away_minutes if document.clock_while_away == "stops" else 0,
        pauses=document.pauses.number if document.pauses else 0,
        pause_minutes=document.pauses.minutes if document.pauses else 0,
        item_seconds=document.item_seconds,
        type=document.type,
        review=document.review,
        is_secure=document.secure,
        n_pilots=n_pilots,
        admission=document.admission or OPEN_TO_ALL,
    )


def params_of_row(parameter: ItemParameter) -> ItemParams:
    """Stored parameters for the engine."""
    return params_of(parameter.model, a=parameter.a, b=parameter.b, c=parameter.c, steps=parameter.steps)


def testlets_of(versions: Sequence[ItemVersion]) -> list[list[int]]:
    """Places of the items of each testlet, in their order there. versions: by place in the pool."""
    testlets: dict[str, list[tuple[int, int]]] = {}
    for place, version in enumerate(versions):
        if version.testlet is not None:
            testlets.setdefault(version.testlet, []).append((version.testlet_place or 0, place))
    return [[place for _, place in sorted(members)] for members in testlets.values()]


def _read_exposure(db: Session, form: CompiledForm) -> Exposure:
    counted = (Attempt.form_id == form.form_id, ~Attempt.is_preview)
    newest = select(Attempt.id).where(*counted).order_by(Attempt.id.desc()).limit(EXPOSURE_ATTEMPTS)
    attempt_ids = db.scalars(newest).all()
    met = (
        select(Presentation.item_id, func.count())
        .join(Attempt, Attempt.id == Presentation.attempt_id)
        .where(*counted, Attempt.id >= min(attempt_ids, default=0))
        .group_by(Presentation.item_id)
    )
    counts = {form.place_of[item_id]: count for item_id, count in db.execute(met) if item_id in form.place_of}
    return Exposure(counts, len(attempt_ids), form.rules.r_max, time.monotonic())


def _compile(db: Session, version_uuid: UUID) -> CompiledForm:
    form, version = db.execute(select(Form, FormVersion).join(FormVersion).where(FormVersion.uuid == version_uuid)).one()
    document = FormDocument.model_validate(version.document)
    rows = db.execute(
        select(Item, ItemVersion, ItemParameter, FormItem.is_pilot)
        .select_from(FormItem)
        .join(ItemVersion, ItemVersion.id == FormItem.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
        .join(ItemParameter, ItemParameter.id == FormItem.item_parameter_id)
        .where(FormItem.form_version_id == version.id)
        .order_by(FormItem.place)
    ).all()
    places = {row.Item.key: place for place, row in enumerate(rows)}
    domains = {domain.code: number for number, domain in enumerate(document.domains)}
    enemies: list[set[int]] = [set() for _ in rows]
    for place, row in enumerate(rows):
        for key in row.ItemVersion.enemies:
            if key in places:
                enemies[place].add(places[key])
                enemies[places[key]].add(place)
    pool = Pool(
        [
            PoolItem(
                params_of_row(row.ItemParameter),
                domains[row.ItemVersion.domain],
                frozenset(enemies[place]),
                row.is_pilot,
            )
            for place, row in enumerate(rows)
        ],
        len(domains),
        [] if version.sequences else testlets_of([row.ItemVersion for row in rows]),
    )
    items = tuple(_compile_item(row.Item, row.ItemVersion, row.ItemParameter, document) for row in rows)
    return CompiledForm(
        uuid=version.uuid,
        form_id=form.id,
        version_id=version.id,
        document=document,
        view=view_of(form, version, document),
        rules=document.rules(),
        pool=pool,
        items=items,
        place_of={row.Item.id: place for place, row in enumerate(rows)},
        has_item_limits=any(item.time_limit_seconds is not None for item in items),
        sequences=tuple(map(tuple, version.sequences)),
    )


def _compile_item(item: Item, version: ItemVersion, parameter: ItemParameter, form: FormDocument) -> CompiledItem:
    options, targets = _options(version.body, "options"), _options(version.body, "targets")
    return CompiledItem(
        item_id=item.id,
        item_uuid=item.uuid,
        item_key=item.key,
        version_id=version.id,
        version=version.n,
        parameter_id=parameter.id,
        parameter_status=parameter.status,
        domain=version.domain,
        stem=version.body["stem"],
        options=options,
        targets=targets,
        unit=version.body.get("unit"),
        time_guide_seconds=version.time_guide_seconds,
        time_limit_seconds=None if form.review else version.body.get("time_limit_seconds", form.item_seconds),
        rule=ScoringRule(version.kind, version.correct, tuple(options), tuple(targets), version.is_partial),
    )


def _options(body: dict[str, Any], name: str) -> dict[str, OptionView]:
    return {option["id"]: OptionView(option["id"], option["text"]) for option in body.get(name, ())}
