"""A teacher's look through a learner's eyes: a launch of its own, of a learner who is nobody, that leaves nothing behind.

The learner's pages work as ever. The person of a preview is the launch's own UUID, so no page finds anything of the teacher's; its
attempts are marked, so no count has them; and whoever records what a learner did asks `principal.is_preview` first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.errors import NotFound
from kernel.ids import digest, new_uuid
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Launch
from lti_tool.web.principal import Principal

KEPT = timedelta(days=1)
"""How long a preview that nobody ended is kept."""
SWEPT_AT_ONCE = 100


def start_preview(db: Session, principal: Principal, *, activity: str, back: str, now: datetime) -> UUID:
    """Begins a look at an activity; one that was still open from the same launch ends.

    activity  what is looked at, as in the parameter of a link
    back      path and query of the page to come back to
    Returns   the launch whose learner's pages show it
    """
    origin = db.get_one(Launch, principal.session_id)
    _forget(db, Launch.preview_of_id == origin.id)
    preview = Launch(
        uuid=new_uuid(),
        tenant_id=origin.tenant_id,
        registration_id=origin.registration_id,
        deployment_id=origin.deployment_id,
        user_id=origin.user_id,
        context_id=origin.context_id,
        resource_link_id=origin.resource_link_id,
        preview_of_id=origin.id,
        roles=[Role.LEARNER.value],
        locale=origin.locale,
        target={"activity": activity, "back": back},
        framed=origin.framed,
        created_at=now,
        seen_at=now,
        expires_at=origin.expires_at,
    )
    preview.state_hash = digest(f"preview {preview.uuid}")
    db.add(preview)
    return preview.uuid


def end_preview(db: Session, principal: Principal) -> str:
    """Removes a preview and all that it wrote. Returns the way back. Raises NotFound for a launch that is none."""
    preview = db.get_one(Launch, principal.session_id)
    if preview.preview_of_id is None:
        raise NotFound
    back = str(preview.target["back"])
    _forget(db, Launch.id == preview.id)
    return back


def sweep_previews(db: Session, *, now: datetime) -> int:
    """Removes previews that nobody ended for a day. Returns how many."""
    old = select(Launch.id).where(Launch.preview_of_id.is_not(None), Launch.created_at < now - KEPT).limit(SWEPT_AT_ONCE)
    return _forget(db, Launch.id.in_(list(db.scalars(old))))


def forget_previews_of(db: Session, launches: Sequence[int]) -> int:
    """Removes the previews that were begun from these launches (row ids). Returns how many."""
    return _forget(db, Launch.preview_of_id.in_(launches))


def _forget(db: Session, which: object) -> int:
    """Removes previews with their attempts. Returns how many."""
    found = db.execute(select(Launch.id, Launch.tenant_id, Launch.uuid).where(which, Launch.preview_of_id.is_not(None))).all()  # type: ignore[arg-type]
    for _id, tenant_id, uuid in found:
        assessment.forget_previews(db, tenant_id=tenant_id, person_uuid=uuid)
    db.execute(delete(Launch).where(Launch.id.in_([row.id for row in found])))
    return len(found)
