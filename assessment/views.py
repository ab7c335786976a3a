"""Shapes that the door gives and takes. Frozen values, never rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.langmap import LangMap


@dataclass(frozen=True, slots=True)
class DomainView:
    """An area of a form; competency is its node key, `th-ds-2567#DLIT`."""

    code: str
    competency: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a level begins on an area's scale: theta in logits, level from 1, method who set it and how."""

    domain: str
    level: int
    theta: float
    method: str


@dataclass(frozen=True, slots=True)
class FormView:
    """One form in its newest version, or in the version that an attempt pins."""

    uuid: UUID
    key: str
    title: LangMap
    description: LangMap
    minutes: int
    min_items: int
    max_items: int
    framework: str
    domains: tuple[DomainView, ...]
    cuts: tuple[Cut, ...]
    min_items_for_level: int
    """Items that an area needs for a firm claim."""
    version: int


@dataclass(frozen=True, slots=True)
class BankReport:
    """What loading a bank changed; an item whose parameters alone changed is counted in `n_new_parameters`."""

    n_new_items: int
    n_new_versions: int
    n_unchanged: int
    n_new_parameters: int = 0


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """The attempt that is open now; resumed when it was open already."""

    attempt_uuid: UUID
    resumed: bool


@dataclass(frozen=True, slots=True)
class AttemptSummary:
    """One attempt in a line. state: `open` | `finished`; n: which attempt of the person, from 1; position: items answered."""

    uuid: UUID
    state: str
    n: int
    position: int
    started_at: datetime
    finished_at: datetime | None
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as the browser sends it.

    client_id   1 to 64 visible ASCII characters, one per answer; the same one again gives the same reply and no second row
    value       JSON by the kind of the item: "b"; ["a", "c"]; true; {"s1": "t2"}; "๔๒"; "text"
    active_ms   time on the item, milliseconds; what makes no sense is dropped
    """

    presentation_uuid: UUID
    client_id: str
    value: Any
    active_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OptionView:
    """A choice, a part to order, or a target."""

    id: str
    text: LangMap


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item as it is shown: nothing here tells what is right."""

    presentation_uuid: UUID
    kind: str
    stem: LangMap
    options: tuple[OptionView, ...]
    targets: tuple[OptionView, ...]
    unit: LangMap | None
    domain: str
    time_guide_seconds: int


@dataclass(frozen=True, slots=True)
class Step:
    """Where an attempt stands.

    state         `item` | `finished`
    position      of the item shown, from 1; items answered when finished
    seconds_left  until the deadline, never below 0
    saved_at      when the newest answer was stored
    device_moved  this request took the attempt over from another device
    just_finished this request ended the attempt: what follows from the end is due in this transaction
    """

    attempt_uuid: UUID
    state: str
    position: int
    min_items: int
    max_items: int
    deadline_at: datetime
    seconds_left: int
    item: ItemView | None
    saved_at: datetime | None
    device_moved: bool = False
    just_finished: bool = False


@dataclass(frozen=True, slots=True)
class AreaOutcome:
    """What an attempt says of one area.

    theta, se    EAP and its standard deviation, logits
    wle          Warm's estimate, logits; None without answers
    p_levels     P(theta >= cut) of level 1, 2, 3
    borderline   a cut lies within one se
    indicative   fewer items than a firm claim needs
    """

    domain: str
    competency: str
    theta: float
    se: float
    wle: float | None
    n_items: int
    n_right: int
    level: int
    p_levels: tuple[float, ...]
    borderline: bool
    indicative: bool


@dataclass(frozen=True, slots=True)
class ResponseView:
    """One answered item of a finished attempt, for statements and review. theta_after, se_after: of the item's area."""

    position: int
    presentation_uuid: UUID
    item_uuid: UUID
    item_key: str
    item_version: int
    kind: str
    stem: LangMap
    options: tuple[OptionView, ...]
    targets: tuple[OptionView, ...]
    domain: str
    value: Any
    correct_pattern: Any
    score: int
    shown_at: datetime
    answered_at: datetime
    active_ms: int | None
    theta_after: float
    se_after: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one finished attempt.

    finish_reason  `precise` | `max_items` | `time` | `bank_exhausted`
    theta, se      mean of the areas by their share, and its error, logits
    scaled         mean share of the top level that the areas reached, 0..1
    """

    attempt_uuid: UUID
    form: FormView
    person_uuid: UUID
    launch_ref: str
    started_at: datetime
    finished_at: datetime
    finish_reason: str
    theta: float
    se: float
    areas: tuple[AreaOutcome, ...]
    responses: tuple[ResponseView, ...]
    n_items: int
    scaled: float
    device: str | None = None
    """The browser that answered last."""


@dataclass(frozen=True, slots=True)
class FinishedAttempt:
    """One finished attempt, as far as a gradebook needs it; previews are none.

    n_items    items answered
    top_level  the highest level of its form, 1 or more
    scaled     as `Outcome.scaled`
    """

    attempt_uuid: UUID
    form_uuid: UUID
    person_uuid: UUID
    launch_ref: str
    started_at: datetime
    finished_at: datetime
    n_items: int
    top_level: int
    areas: tuple[AreaOutcome, ...]
    scaled: float


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer as it is kept of a person, for themselves: nothing here tells what is right."""

    item_key: str
    value: Any
    answered_at: datetime
    active_ms: int | None


@dataclass(frozen=True, slots=True)
class KeptAttempt:
    """One attempt as it is kept of a person, for themselves."""

    attempt_uuid: UUID
    form_key: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    answers: tuple[KeptAnswer, ...]
    levels: dict[str, int]
    """Node key of an area to the level found."""


@dataclass(frozen=True, slots=True)
class PersonProgress:
    """Where one person stands in a form: the newest attempt; areas are empty until it is finished."""

    person_uuid: UUID
    attempt_uuid: UUID
    state: str
    n_items: int
    started_at: datetime
    finished_at: datetime | None
    areas: tuple[AreaOutcome, ...]
