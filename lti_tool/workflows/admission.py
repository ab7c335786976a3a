"""Who may begin a sitting at the link of a launch: the rules that hold there, what stands in a person's way, and the codes.

A placement's own rules come before the form's; the platform's times bound both. What a rule forbids is told before the start.
"""

import hmac
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.errors import NotFound
from kernel.langmap import LangMap
from lti_tool.lti.vocabulary import Role
from lti_tool.models import AccessCode, CodeTry, CountedSitting, Enrolment, Launch, Placement, ResourceLink, User
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal
from lti_tool.web.thai_dates import date_text
from lti_tool.workflows.admission_refused import (
    AccessCodeNeeded,
    AccessCodeWrong,
    AttemptsUsedUp,
    BegunElsewhere,
    NotYetOpen,
    ResultNotTaken,
    TooManyCodes,
    TooSoon,
    WindowClosed,
)
from lti_tool.workflows.gradebook import Offer, find_offer, use_result
from lti_tool.workflows.placements import place

TRIES = 5
"""Wrong codes of one person at one activity within the window; then even the right one waits."""
TRIES_WINDOW = timedelta(minutes=10)
CODE_LETTERS = "ACDEFHJKMNPRTUVWXY34679"
"""No two that are read one for the other."""
CODE_CHARACTERS = 10
MIN_SHARED_CHARACTERS = 6
MAX_CODE_CHARACTERS = 64
MAX_CODES = 20_000


@dataclass(frozen=True, slots=True)
class Admission:
    """What holds for one person at one link.

    rules      of placement or form, with the platform's times
    placement  that codes belong to; None where nobody placed anything
    n_used     sittings that count here already
    fault      why no sitting may begin now; codes, networks and browsers are judged at the start alone
    hindrance  the rule that stands against the next sitting, and when it no longer does
    """

    rules: assessment.AdmissionRules
    placement: int | None = None
    code_hash: str | None = None
    n_used: int = 0
    fault: assessment.AdmissionRefused | BegunElsewhere | None = None
    hindrance: assessment.Hindrance | None = None

    @property
    def n_left(self) -> int | None:
        """Sittings that may still begin; None for any number."""
        return None if self.rules.attempts is None else max(0, self.rules.attempts - self.n_used)


def admission_of(
    db: Session, principal: Principal, form: assessment.FormView, attempt: assessment.AttemptSummary | None, now: datetime
) -> Admission:
    """The rules for this person and this form here, and whether they may begin.

    attempt   the person's newest one on the form
    """
    if principal.is_preview:
        return Admission(assessment.OPEN_TO_ALL)
    target, placed = _placed(db, principal, form)
    own = assessment.read_rules(placed.admission) if placed is not None and placed.admission is not None else form.admission
    rules = own.within(_moment(target.get("opens")), _moment(target.get("closes")))
    past = assessment.list_past(db, tenant_id=principal.tenant_id, person_uuid=principal.person_uuid, form_uuid=form.uuid)
    counting = [one for one in past if not one.is_offered_again]
    counted = _counted_here(db, principal, [one.attempt_uuid for one in counting])
    found = assessment.find_hindrance(rules, assessment.Past(len(counted), max((one.ended_at for one in counting), default=None)), now)
    fault: Any = None if found is None else _FAULTS[found.kind](at=_in_words(found.at))
    if attempt is not None and attempt.state == "open":
        is_foreign = rules.is_supervised and not _is_begun_here(db, principal, attempt.launch_ref)
        fault = BegunElsewhere() if is_foreign else None
    return Admission(rules, placed.id if placed else None, placed.access_code_hash if placed else None, len(counted), fault, found)


def begin(
    db: Session, principal: Principal, form_uuid: UUID, *, seed: int, code: str, visit: assessment.Visit, key: bytes, now: datetime
) -> assessment.AttemptStart | assessment.AdmissionRefused:
    """Begins a sitting at the link of this launch, or goes on with the person's open one.

    Checks, in this order: window, number, days between, network, browser, code.
    Returns  the sitting, or why the code does not open it: the caller commits all the same, so that the try is counted
    Raises   AdmissionRefused, BegunElsewhere, FormNotFound
    """
    who: dict[str, Any] = {"tenant_id": principal.tenant_id, "person_uuid": principal.person_uuid}
    form = assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    attempt = assessment.find_attempt(db, form_uuid=form_uuid, **who)
    here = admission_of(db, principal, form, attempt, now)
    if here.fault is not None:
        raise here.fault
    if attempt is None or attempt.state != "open":
        assessment.check_place(here.rules, visit)
        refused = _spend_code(db, principal, here, code, key=key, now=now)
        newest = assessment.find_attempt(db, form_uuid=form_uuid, **who) if refused else None
        if refused is not None and (newest is None or newest.state != "open"):  # not a second click, whose first one spent the code
            return refused
    device = str(principal.launch_uuid)
    begun = assessment.start_attempt(
        db, form_uuid=form_uuid, launch_ref=device, seed=seed, now=now, is_preview=principal.is_preview, admission=here.rules, **who
    )
    if here.rules.seb.is_asked or (attempt is not None and attempt.is_in_exam_browser):
        # the page of the item is read without a form, and a script proves nothing then: this browser has proved itself now
        assessment.get_step(db, begun.attempt_uuid, device=device, now=now, visit=visit, **who)
    return begun


def offer_of(db: Session, principal: Principal, form_uuid: UUID, admission: Admission) -> Offer | None:
    """A result from elsewhere that may count here: never where it matters how it came about, and never beyond the number allowed."""
    return None if admission.rules.is_supervised or admission.n_left == 0 else find_offer(db, principal, form_uuid)


def find_offer_here(db: Session, principal: Principal, form_uuid: UUID, now: datetime) -> Offer | None:
    """The same for a caller that has not asked for the rules."""
    form = assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    return offer_of(db, principal, form_uuid, admission_of(db, principal, form, None, now))


def use_result_here(db: Session, principal: Principal, form_uuid: UUID, now: datetime) -> UUID:
    """A result from elsewhere counts here from now on. Raises ResultNotTaken, and as `gradebook.use_result`."""
    form = assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    here = admission_of(db, principal, form, None, now)
    newest = assessment.find_attempt(db, tenant_id=principal.tenant_id, person_uuid=principal.person_uuid, form_uuid=form_uuid)
    is_counted = newest is not None and bool(_counted_here(db, principal, [newest.uuid]))
    if not is_counted and (here.rules.is_supervised or here.n_left == 0):
        raise ResultNotTaken
    return use_result(db, principal, form_uuid, now)


def _spend_code(
    db: Session, principal: Principal, admission: Admission, code: str, *, key: bytes, now: datetime
) -> assessment.AdmissionRefused | None:
    """Judges the code that a person gave, where one is asked for; a one-time code is used up by it.

    Returns  None when it opens the sitting, else the refusal: the caller commits all the same, so that the try is counted
    """
    if admission.rules.code == "none" or admission.placement is None:
        return None if admission.rules.code == "none" else AccessCodeNeeded()
    given = fold_code(code)
    if not given:
        return AccessCodeNeeded()
    n_wrong, since = _tries(db, principal, admission.placement, now)
    if n_wrong >= TRIES:
        return TooManyCodes(at=_in_words(since + TRIES_WINDOW))
    if _opens(db, principal, admission, _digest(given, key), now):
        return None
    this = (CodeTry.placement_id == admission.placement, CodeTry.user_id == principal.user_id)
    db.execute(update(CodeTry).where(*this).values(n_wrong=n_wrong + 1))
    return AccessCodeWrong(left=TRIES - n_wrong - 1)


def rules_of(placed: Placement, form: assessment.FormView) -> assessment.AdmissionRules:
    """The rules of a placement as its designer sees them."""
    return assessment.read_rules(placed.admission) if placed.admission is not None else form.admission


def find_placed(db: Session, principal: Principal) -> Placement | None:
    """The placement behind the link of this launch."""
    mine = (ResourceLink.id == principal.resource_link_id, Placement.tenant_id == principal.tenant_id)
    return db.scalars(select(Placement).join(ResourceLink, ResourceLink.placement_id == Placement.id).where(*mine)).first()


def own_placement(db: Session, principal: Principal, placed: Placement, now: datetime) -> Placement:
    """The placement itself where this launch's link alone shows it, else a copy for this link: other courses keep what they have."""
    others = select(ResourceLink.id).where(ResourceLink.placement_id == placed.id, ResourceLink.id != principal.resource_link_id)
    if db.scalar(others.limit(1)) is None:
        return placed
    return place(
        db,
        principal,
        activity=placed.activity,
        title=placed.title,
        score_maximum=placed.score_maximum,
        attempts_policy=placed.attempts_policy,
        has_area_columns=placed.has_area_columns,
        now=now,
        resource_link_id=principal.resource_link_id,
    )


def set_rules(
    db: Session, placed: Placement, rules: assessment.AdmissionRules, *, shared_code: str | None, key: bytes, actor: str, now: datetime
) -> None:
    """Keeps who may begin at a placement; sittings that have begun keep the rules that they began under.

    shared_code   the new code for all; nothing keeps the old one
    Raises        AdmissionInvalid, as `read_shared_code`
    """
    folded = read_shared_code(placed, rules, shared_code)
    if folded:
        placed.access_code_hash = _digest(folded, key)
    placed.admission = rules.model_dump(mode="json", exclude_defaults=True)
    placed.changed_at = now
    told = rules.model_dump(mode="json", exclude_defaults=True, exclude={"seb"}) | {"seb": rules.seb.is_asked, "new_code": bool(folded)}
    details = {"placement": str(placed.uuid), "rules": told}
    append_audit(db, event="admission.changed", actor=actor, now=now, tenant_id=placed.tenant_id, details=details)


def read_shared_code(placed: Placement, rules: assessment.AdmissionRules, text: str | None) -> str:
    """The new code for all as it is compared; empty where the old one stays.

    Raises   AdmissionInvalid for one that is too short or long, and where one is asked for and there is none
    """
    folded = fold_code(text or "")
    if text and not MIN_SHARED_CHARACTERS <= len(folded) <= MAX_CODE_CHARACTERS:
        raise assessment.AdmissionInvalid([assessment.Fault("code", f"{MIN_SHARED_CHARACTERS} to {MAX_CODE_CHARACTERS} letters or digits")])
    if rules.code == "shared" and not folded and placed.access_code_hash is None:
        raise assessment.AdmissionInvalid([assessment.Fault("code", "there is no code yet")])
    return folded


def make_codes(
    db: Session, placed: Placement, *, context_id: int | None, n_spare: int, key: bytes, actor: str, now: datetime
) -> list[tuple[str | None, str]]:
    """A list of one-time codes: one for each learner of a course, which lets nobody else in, and spare ones for whoever has them.

    Codes made before and not used open nothing any more. The codes are in what this returns and nowhere else.
    Returns  (the learner's name or short code, None for a spare one; the code)
    Raises   AdmissionInvalid for more codes than MAX_CODES
    """
    learners = _learners(db, placed, context_id)
    if not 0 < len(learners) + n_spare <= MAX_CODES:
        raise assessment.AdmissionInvalid([assessment.Fault("codes", f"1 to {MAX_CODES} codes at once")])
    db.execute(delete(AccessCode).where(AccessCode.placement_id == placed.id, AccessCode.used_at.is_(None)))
    whose: list[tuple[int | None, str | None]] = [*learners, *[(None, None)] * n_spare]
    codes: dict[str, tuple[int | None, str | None]] = {}
    while len(codes) < len(whose):
        codes.setdefault("".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_CHARACTERS)), whose[len(codes)])
    db.add_all(
        AccessCode(tenant_id=placed.tenant_id, placement_id=placed.id, code_hash=_digest(code, key), user_id=user_id, made_at=now)
        for code, (user_id, _) in codes.items()
    )
    details = {"placement": str(placed.uuid), "for_learners": len(learners), "spare": n_spare}
    append_audit(db, event="access_codes.made", actor=actor, now=now, tenant_id=placed.tenant_id, details=details)
    half = CODE_CHARACTERS // 2
    return [(name, f"{code[:half]}-{code[half:]}") for code, (_, name) in codes.items()]


def count_codes(db: Session, placed: Placement) -> tuple[int, int]:
    """How many one-time codes of a placement are still good, and how many were used."""
    counted = select(func.count(AccessCode.id), func.count(AccessCode.used_at)).where(AccessCode.placement_id == placed.id)
    n_all, n_used = db.execute(counted).one()
    return n_all - n_used, n_used


def fold_code(text: str) -> str:
    """A code as it is compared: no spaces or hyphens, capital letters, Arabic digits."""
    composed = unicodedata.normalize("NFKC", text[: 4 * MAX_CODE_CHARACTERS]).upper()
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in composed if one.isalnum() or one > "\u0e00")


_FAULTS: Mapping[str, type[assessment.AdmissionRefused]] = {
    "not_yet_open": NotYetOpen,
    "closed": WindowClosed,
    "used_up": AttemptsUsedUp,
    "too_soon": TooSoon,
}


def _placed(db: Session, principal: Principal, form: assessment.FormView) -> tuple[Mapping[str, Any], Placement | None]:
    """What the launch said of its link, and the placement behind it; nothing where the link is for something else."""
    target: Mapping[str, Any] = db.scalar(select(Launch.target).where(Launch.id == principal.session_id)) or {}
    placed = find_placed(db, principal)
    activity = placed.activity if placed is not None else target.get("activity")
    return (target, placed) if activity == f"assessment:{form.uuid}" else ({}, None)


def _counted_here(db: Session, principal: Principal, attempts: Sequence[UUID]) -> set[UUID]:
    here = (CountedSitting.resource_link_id == principal.resource_link_id, CountedSitting.user_id == principal.user_id)
    return set(db.scalars(select(CountedSitting.attempt_uuid).where(*here, CountedSitting.attempt_uuid.in_(attempts))))


def _is_begun_here(db: Session, principal: Principal, launch_ref: str) -> bool:
    try:
        begun = select(Launch.resource_link_id).where(Launch.uuid == UUID(launch_ref))
    except ValueError:
        return False
    return db.scalar(begun) == principal.resource_link_id


def _tries(db: Session, principal: Principal, placement: int, now: datetime) -> tuple[int, datetime]:
    """Wrong codes in the present window and its beginning; the row is locked, so that guesses go one after the other."""
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"tenant_id": principal.tenant_id, "placement_id": placement, "user_id": principal.user_id, "n_wrong": 0, "since": now}
    locked = insert(CodeTry).values(row)
    locked = locked.on_conflict_do_update(index_elements=["placement_id", "user_id"], set_={"tenant_id": principal.tenant_id})
    n_wrong, since = db.execute(locked.returning(CodeTry.n_wrong, CodeTry.since)).one()
    if since + TRIES_WINDOW > now:
        return n_wrong, since
    this = (CodeTry.placement_id == placement, CodeTry.user_id == principal.user_id)
    db.execute(update(CodeTry).where(*this).values(n_wrong=0, since=now))
    return 0, now


def _opens(db: Session, principal: Principal, admission: Admission, digest: str, now: datetime) -> bool:
    if admission.rules.code == "shared":
        return admission.code_hash is not None and hmac.compare_digest(admission.code_hash, digest)
    unused = (AccessCode.placement_id == admission.placement, AccessCode.code_hash == digest, AccessCode.used_at.is_(None))
    mine = or_(AccessCode.user_id.is_(None), AccessCode.user_id == principal.user_id)
    spent = update(AccessCode).where(*unused, mine).values(used_at=now, used_by_id=principal.user_id).returning(AccessCode.id)
    return db.execute(spent.execution_options(synchronize_session=False)).first() is not None


def _learners(db: Session, placed: Placement, context_id: int | None) -> list[tuple[int | None, str | None]]:
    """Learners of the course who are in it now: row id, and what a list calls them."""
    if context_id is None:
        return []
    rows = db.execute(
        select(User.id, User.display_name, User.person_uuid, Enrolment.roles)
        .join(Enrolment, Enrolment.user_id == User.id)
        .where(Enrolment.context_id == context_id, Enrolment.removed_at.is_(None), User.tenant_id == placed.tenant_id)
        .order_by(User.id)
    )
    return [
        (user_id, name or str(person)[:4])
        for user_id, name, person, roles in rows
        if Role.LEARNER.value in roles and Role.INSTRUCTOR.value not in roles
    ]


def get_placement(db: Session, placement: UUID) -> Placement:
    """A placement by its UUID. Raises NotFound."""
    found = db.scalars(select(Placement).where(Placement.uuid == placement)).first()
    if found is None:
        raise NotFound
    return found


def _digest(code: str, key: bytes) -> str:
    return hmac.digest(key, code.encode(), "sha256").hex()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _in_words(moment: datetime | None) -> LangMap | None:
    return None if moment is None else {language: date_text(moment, language, "moment") for language in ("th", "en")}
