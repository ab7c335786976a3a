"""What designers place in courses: the choice there is, the placement, the answer to a platform that asked for content."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
from kernel.errors import Invalid, NotFound
from kernel.langmap import LangMap, text_in
from lti_tool.lti.ags import TAG_WHOLE
from lti_tool.lti.deep_linking import MAX_TITLE_CHARACTERS, SUBSTITUTED, Column, HandBack, Item, make_response, settings_of
from lti_tool.lti.message import DeepLinkingSettings
from lti_tool.lti.storage import find_platform
from lti_tool.lti.tool_keys import signing_key
from lti_tool.lti.vocabulary import SCOPE_LINE_ITEM
from lti_tool.models import AccessCode, Context, Deployment, Launch, LineItem, Placement, ResourceLink
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal
from lti_tool.workflows.gradebook import placement_changed

POLICIES = ("best", "last", "first")
MAX_POINTS = 100_000.0

PATH: tuple[LangMap, LangMap] = (
    {"th": "เส้นทางการเรียนรู้ของฉัน", "en": "My learning path"},
    {
        "th": "ขั้นตอนการเรียนรู้ของผู้เรียนแต่ละคน ตามผลการประเมินและเป้าหมายของตำแหน่ง",
        "en": "Each learner's own steps, by what the assessment showed and what the role asks.",
    },
)
ROADMAP: tuple[LangMap, LangMap] = (
    {"th": "แผนที่พัฒนาทักษะของฉัน", "en": "My roadmap"},
    {
        "th": "ระดับสมรรถนะดิจิทัลของผู้เรียนแต่ละคนเทียบกับเป้าหมาย พร้อมหลักฐาน",
        "en": "Where each learner stands in digital competency, what the role asks, and the evidence.",
    },
)


class PlacementInvalid(Invalid):
    """A choice that breaks a rule of form. details: `field` names it."""

    code = "placement_invalid"
    message: ClassVar = {
        "th": "การตั้งค่ากิจกรรมไม่ถูกต้อง ({field})",
        "en": "The settings of the activity are not valid ({field}).",
    }
    way_on: ClassVar = {
        "th": "คะแนนเต็มต้องเป็นตัวเลขมากกว่า 0 และชื่อต้องไม่เกิน 255 ตัวอักษร",
        "en": "The points must be a number above 0, and the title at most 255 characters long.",
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a designer can place.

    activity  as in the parameter of a link
    kind      `assessment`, `roadmap`, `path`, or the kind of a resource: `course`, `reading`, `practice`, `coaching`, `project`
    areas     node keys of competency areas; empty for all
    levels    that it leads to or measures; empty for all
    """

    activity: str
    kind: str
    title: LangMap
    summary: LangMap
    minutes: int | None
    areas: tuple[str, ...]
    levels: tuple[int, ...]
    is_gradable: bool


@dataclass(frozen=True, slots=True)
class PlacementView:
    """What stands behind a link."""

    uuid: UUID
    activity: str
    title: str
    score_maximum: float | None
    attempts_policy: str
    has_area_columns: bool
    is_shared: bool
    """Whether copies of the link in other courses show the same placement; a change here leaves them as they are."""


ColumnFate = Literal["none", "kept", "idle", "made", "missing"]
"""What becomes of the link's column when its placement changes: none, before and after; kept for the new scores; idle, for nothing is
graded any more; made by us soon; missing, for the platform lets nobody but the teacher make one."""


def list_choices(db: Session, *, tenant_id: int) -> list[Choice]:
    """All that an agency may place: assessments, the roadmap, the path, then resources by competency and level."""
    return list(_choices(db, tenant_id))


def find_choice(db: Session, activity: str, *, tenant_id: int) -> Choice | None:
    """The choice of that name; None for what cannot be placed (any longer)."""
    return next((one for one in _choices(db, tenant_id) if one.activity == activity), None)


def place(
    db: Session,
    principal: Principal,
    *,
    activity: str,
    title: str,
    score_maximum: float | None,
    attempts_policy: str = "best",
    has_area_columns: bool = False,
    now: datetime,
    resource_link_id: int | None = None,
) -> Placement:
    """Keeps one choice of a designer.

    title             plain text, 1 to 255 characters; the choice's own title in the designer's language when empty
    score_maximum     points above 0; None for what is not graded
    resource_link_id  the link that shows it from now on (`principal.resource_link_id`); None for an item that is to be returned.
                      Copies of the link in other courses keep what they show
    Raises            NotFound for an activity that the agency does not have; PlacementInvalid
    """
    choice = find_choice(db, activity, tenant_id=principal.tenant_id)
    if choice is None:
        raise NotFound
    _check(title, score_maximum, attempts_policy)
    is_graded = choice.is_gradable and score_maximum is not None
    made = Placement(
        tenant_id=principal.tenant_id,
        registration_id=principal.registration_id,
        context_id=principal.context_id,
        created_by_id=principal.user_id,
        activity=activity,
        title=" ".join(title.split()) or text_in(principal.locale, choice.title)[:MAX_TITLE_CHARACTERS],
        score_maximum=score_maximum if is_graded else None,
        attempts_policy=attempts_policy,
        has_area_columns=has_area_columns and is_graded,
        created_at=now,
        changed_at=now,
    )
    db.add(made)
    db.flush()  # the link's row and the response name it
    if resource_link_id is not None:
        _keep_admission(db, resource_link_id, made)
    append_audit(
        db,
        event="placement.made",
        actor=f"user:{principal.user_id}",
        now=now,
        tenant_id=principal.tenant_id,
        details={"placement": str(made.uuid), "activity": activity, "link": resource_link_id},
    )
    if resource_link_id is not None:
        _put_behind(db, principal, resource_link_id, made, now)
    return made


def placement_of(db: Session, principal: Principal) -> PlacementView | None:
    """What stands behind the link of this launch; None where nobody chose."""
    if principal.resource_link_id is None:
        return None
    placed = db.scalars(
        select(Placement)
        .join(ResourceLink, ResourceLink.placement_id == Placement.id)
        .where(ResourceLink.id == principal.resource_link_id, Placement.tenant_id == principal.tenant_id)
    ).first()
    if placed is None:
        return None
    others = select(ResourceLink.id).where(ResourceLink.placement_id == placed.id, ResourceLink.id != principal.resource_link_id).limit(1)
    return PlacementView(
        uuid=placed.uuid,
        activity=placed.activity,
        title=placed.title,
        score_maximum=placed.score_maximum,
        attempts_policy=placed.attempts_policy,
        has_area_columns=placed.has_area_columns,
        is_shared=db.scalar(others) is not None,
    )


def activity_of(db: Session, principal: Principal) -> str | None:
    """What the link of this launch shows, `kind` or `kind:id`: what a designer placed behind it, else what it names itself."""
    placed = placement_of(db, principal)
    if placed is not None:
        return placed.activity
    target = db.scalar(select(Launch.target).where(Launch.id == principal.session_id))
    return target.get("activity") if target else None


def due_at(db: Session, principal: Principal) -> datetime | None:
    """When the course wants the work of this link at the latest, as the platform told at the launch; None where it did not."""
    target = db.scalar(select(Launch.target).where(Launch.id == principal.session_id))
    due = target.get("due") if target else None
    return datetime.fromisoformat(due) if due else None


def column_fate(db: Session, principal: Principal, *, is_graded: bool) -> ColumnFate:
    """What becomes of the column of this launch's link if something graded, or something else, is put behind it now."""
    own = select(LineItem.id).where(LineItem.resource_link_id == principal.resource_link_id, LineItem.area.is_(None))
    own = own.where(LineItem.url.is_not(None), LineItem.gone_at.is_(None))  # one that is only asked for is still to be made
    has_column = principal.resource_link_id is not None and db.scalar(own.limit(1)) is not None
    if has_column:
        return "kept" if is_graded else "idle"
    if not is_graded:
        return "none"
    context = db.get(Context, principal.context_id) if principal.context_id is not None else None
    return "made" if context and context.line_items_url and SCOPE_LINE_ITEM in context.ags_scopes else "missing"


def find_request(db: Session, principal: Principal) -> DeepLinkingSettings | None:
    """What the platform asked for in this launch; None when it asked for no content."""
    stored = db.scalar(select(Launch.deep_linking).where(Launch.id == principal.session_id))
    return settings_of(stored) if stored else None


def answer(
    db: Session,
    principal: Principal,
    placements: Sequence[Placement],
    *,
    public_url: str,
    secret: bytes,
    now: datetime,
    message: str | None = None,
    error: str | None = None,
) -> HandBack:
    """The signed response that returns these placements, or nothing, to the platform that asked in this launch.

    Raises   NotFound when this launch asked for nothing
    """
    settings, platform = find_request(db, principal), find_platform(db, principal.registration_id)
    if settings is None or platform is None:
        raise NotFound
    choices = {one.activity: one for one in _choices(db, principal.tenant_id)}
    return make_response(
        settings,
        [_item(placed, choices.get(placed.activity), public_url, principal.locale) for placed in placements],
        platform=platform,
        deployment_id=db.execute(select(Deployment.deployment_id).where(Deployment.id == principal.deployment_id)).scalar_one(),
        key=signing_key(db, secret=secret, now=now),
        now=now,
        message=message,
        error=error,
    )


def link_to(placement: Placement, *, public_url: str) -> tuple[str, dict[str, str]]:
    """Address and custom parameters of a link that shows a placement: those of a content item, and of a cartridge."""
    url = f"{public_url}/open/{placement.activity.replace(':', '/')}"
    return url, {"activity": placement.activity, "placement": str(placement.uuid), **SUBSTITUTED}


def _choices(db: Session, tenant_id: int) -> Iterator[Choice]:
    for form in assessment.list_forms(db, tenant_id=tenant_id):
        yield Choice(
            activity=f"assessment:{form.uuid}",
            kind="assessment",
            title=form.title,
            summary=form.description,
            minutes=form.minutes,
            areas=tuple(domain.competency for domain in form.domains),
            levels=tuple(sorted({cut.level for cut in form.cuts})),
            is_gradable=True,
        )
    for kind, (title, summary) in (("roadmap", ROADMAP), ("path", PATH)):
        yield Choice(kind, kind, title, summary, None, (), (), is_gradable=False)
    for resource in learning.list_resources(db):
        yield Choice(
            activity=f"resource:{resource.uuid}",
            kind=resource.kind,
            title=resource.title,
            summary=resource.summary,
            minutes=round(resource.hours * 60),
            areas=(resource.node_key,),
            levels=(resource.level,),
            is_gradable=False,
        )


def _check(title: str, score_maximum: float | None, attempts_policy: str) -> None:
    if len(title) > MAX_TITLE_CHARACTERS or "\x00" in title:
        raise PlacementInvalid(field="title")
    if score_maximum is not None and not 0 < score_maximum <= MAX_POINTS:  # no number compares so, NaN neither
        raise PlacementInvalid(field="score_maximum")
    if attempts_policy not in POLICIES:
        raise PlacementInvalid(field="attempts_policy")


def _put_behind(db: Session, principal: Principal, link_id: int, placed: Placement, now: datetime) -> None:
    """The link, and the columns that the platform has for it, belong to the new placement from now on."""
    link = db.scalars(select(ResourceLink).where(ResourceLink.id == link_id, ResourceLink.tenant_id == principal.tenant_id)).first()
    if link is None or link.context_id != principal.context_id:
        raise NotFound
    link.placement_id = placed.id
    db.flush()  # the columns of the link are looked for by its placement
    placement_changed(db, placed.id, now)


def _keep_admission(db: Session, link_id: int, made: Placement) -> None:
    """Who may begin stays as it was where the same activity is placed anew; one-time codes come along where no copy needs them."""
    before = db.scalars(
        select(Placement).join(ResourceLink, ResourceLink.placement_id == Placement.id).where(ResourceLink.id == link_id)
    ).first()
    if before is None or before.activity != made.activity:
        return
    made.admission, made.access_code_hash = before.admission, before.access_code_hash
    others = select(ResourceLink.id).where(ResourceLink.placement_id == before.id, ResourceLink.id != link_id)
    if db.scalar(others.limit(1)) is None:
        db.execute(update(AccessCode).where(AccessCode.placement_id == before.id).values(placement_id=made.id))


def _item(placed: Placement, choice: Choice | None, public_url: str, locale: str) -> Item:
    url, custom = link_to(placed, public_url=public_url)
    text = text_in(locale, choice.summary) if choice else ""
    column = None
    if placed.score_maximum is not None:
        column = Column(placed.title, placed.score_maximum, resource_id=str(placed.uuid), tag=TAG_WHOLE)
    return Item(title=placed.title, text=text, url=url, custom=custom, column=column)
