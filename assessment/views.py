"""Shapes that the door gives and takes. Frozen values, never rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from assessment.admission import OPEN_TO_ALL, AdmissionRules
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
    away_minutes: int = 0
    """So long the clock stops for who is away, all absences together; 0 where it runs on."""
    pauses: int = 0
    """Pauses that everybody may take, of `pause_minutes` each at the most."""
    pause_minutes: int = 0
    item_seconds: int | None = None
    """What one item may take, unless it says otherwise itself."""
    type: str = "adaptive"
    """`adaptive` | `linear` | `parallel`."""
    review: bool = False
    """Whether answers may be changed until the sitting is handed in."""
    is_secure: bool = True
    """Whether a person is never shown which of their answers were right."""
    admission: AdmissionRules = OPEN_TO_ALL
    """Who may begin, where a placement says nothing else."""
    n_pilots: int = 0
    """Items of each attempt that are only tried out, at the most."""


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
    launch_ref: str = ""
    """The launch that began it."""
    is_in_exam_browser: bool = False
    """Whether it goes on in Safe Exam Browser alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as the browser sends it.

    client_id   1 to 64 visible ASCII characters, one per answer; the same one again gives the same reply and no second row
    value       JSON by the kind of the item: "b"; ["a", "c"]; true; {"s1": "t2"}; "๔๒"; "text"
                None, for a person who goes elsewhere in a test in which they may come back: no answer
    active_ms   time on the item, milliseconds; what makes no sense is dropped
    is_flagged  whether the person wants the item looked at again; None: as it was
    is_leaving  the person goes to another item of the test and may leave this one blank
    away_count  how often the page was left during the item, as the browser tells it
    away_ms     for how long in all, milliseconds
    """

    presentation_uuid: UUID
    client_id: str
    value: Any
    active_ms: int | None = None
    is_flagged: bool | None = None
    is_leaving: bool = False
    away_count: int | None = None
    away_ms: int | None = None


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
class Sheet:
    """An item in its place in the test, with what the person has put down. given: the answer that stands, None without one."""

    position: int
    item: ItemView
    given: Any = None
    is_flagged: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a test in which a person may go back."""

    position: int
    is_answered: bool
    is_flagged: bool


SUMMARY: Final = 0
"""The place after the last item of a test in which a person may go back: what is answered, and the way to the end."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where an attempt stands.

    state         `item` | `summary`, before the end of a test in which a person may go back | `paused` | `finished`
    position      of the item shown, from 1; items answered when finished
    seconds_left  until the deadline, never below 0
    saved_at      when the newest answer was stored
    device_moved  this request took the attempt over from another device
    just_finished this request ended the attempt: what follows from the end is due in this transaction
    given         the answer that stands for the item shown, None without one
    is_flagged    the person wants the item shown looked at again
    ahead         items of a linear test that a browser may show while it cannot ask for them
    places        every place of a test in which a person may go back; else empty
    item_seconds_left  until the item's own time is over, never below 0; None where it has no limit
    pauses_left   that the person may still take, of `pause_minutes` each at the most
    pause_ends_at when a pause ends by itself; seconds_left is then what there will be after it
    is_item_late  the item before this one ran out of its own time and counts as not answered
    away_minutes  so long the clock may still stop while the person is away; 0 where it runs on
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
    given: Any = None
    is_flagged: bool = False
    ahead: tuple[Sheet, ...] = ()
    places: tuple[Place, ...] = ()
    item_seconds_left: int | None = None
    pauses_left: int = 0
    pause_minutes: int = 0
    pause_ends_at: datetime | None = None
    is_item_late: bool = False
    away_minutes: int = 0


@dataclass(frozen=True, slots=True)
class ClockView:
    """What the clock of an attempt shows.

    state               `running` | `paused` | `finished`
    seconds_left        until the deadline, never below 0; in a pause what there will be after it
    item_seconds_left   until the item's own time is over; None where it has no limit
    pause_seconds_left  until a pause ends by itself
    is_elsewhere        another device has taken the attempt over
    wants_note          a sign of life is due: see `note_alive`
    """

    state: str
    seconds_left: int = 0
    item_seconds_left: int | None = None
    pause_seconds_left: int | None = None
    is_elsewhere: bool = False
    wants_note: bool = False


@dataclass(frozen=True, slots=True)
class AccommodationView:
    """What one person is allowed beyond a form's own time.

    form_uuid, attempt_uuid   what it is for; neither: all sittings
    is_in_force               at the moment that was asked for
    """

    uuid: UUID
    person_uuid: UUID
    form_uuid: UUID | None
    form_key: str | None
    attempt_uuid: UUID | None
    factor_percent: int
    extra_minutes: int
    pauses: int
    pause_minutes: int
    valid_from: datetime
    valid_until: datetime | None
    reason: str
    granted_by: str
    granted_at: datetime
    ended_at: datetime | None
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class AllowedTime:
    """What a person would have in a sitting that begins now.

    minutes   in all, rounded up; is_more than the form gives to everybody
    pauses    of `pause_minutes` each at the most
    """

    minutes: int
    pauses: int
    pause_minutes: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that is under way, for whoever watches over it.

    n_items      answered
    last_at      the newest answer, else the start
    alive_at     the newest sign of life besides, where one was written down
    seconds_left until the deadline, never below 0; in a pause what there will be after it
    hold         `pause` | `away`: why its clock stands still; None where it runs
    device       the browser that may answer
    """

    attempt_uuid: UUID
    person_uuid: UUID
    n_items: int
    started_at: datetime
    last_at: datetime
    alive_at: datetime | None
    deadline_at: datetime
    seconds_left: int
    factor_percent: int
    extra_minutes: int
    hold: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class AreaOutcome:
    """What an attempt says of one area.

    theta, se    EAP and its standard deviation, logits
    wle          Warm's estimate, logits; None without answers
    p_levels     P(theta >= cut) of level 1, 2, 3
    verdicts     on these cuts: `met` | `not_met` | `undecided`
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
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseView:
    """One answered item of a finished attempt, for statements and review. theta_after, se_after: of the item's area.

    is_flagged  the person wanted the item looked at again
    """

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
    score: float
    shown_at: datetime
    answered_at: datetime
    active_ms: int | None
    theta_after: float
    se_after: float
    is_flagged: bool = False


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
    rests_on: str = "provisional"
    """What is known of the items that counted, by the least known of them: `provisional`, `rating`, `calibrated`."""
    n_tried: int = 0
    """Items answered besides that are only tried out and count for nothing."""


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
    away_count: int | None = None
    away_ms: int | None = None


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
