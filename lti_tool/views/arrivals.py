"""From a launch to its page: what its link shows, or what its message asks for, by the person's part in the course."""

from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
from kernel.errors import NotFound
from lti_tool.lti import vocabulary as v
from lti_tool.lti.errors import RightMissing
from lti_tool.lti.launch import Arrival, Page
from lti_tool.lti.vocabulary import Role

DESIGNERS = frozenset({Role.INSTRUCTOR, Role.DESIGNER})
RIGHTS = {"executive": Role.EXECUTIVE, "admin": Role.ADMINISTRATOR}
"""What a person must have been given for the pages that no role in a course opens."""
LEARNERS_OWN = {"roadmap": "learner.roadmap_page", "path": "learner.path_page"}
KINDS = frozenset({"assessment", "teach", "resource", *LEARNERS_OWN, *RIGHTS})
NEVER_FRAMED = "admin.home"

BY_MESSAGE = {
    v.DEEP_LINKING_REQUEST: "designer.choose",
    v.SUBMISSION_REVIEW_REQUEST: "review.submission",
    v.DATA_PRIVACY_REQUEST: "privacy.home",
}
"""Messages that lead to one page, whatever their link shows."""


def page_of(db: Session, arrival: Arrival) -> Page:
    """The page that a launch leads to.

    Raises   NotFound when the link names an activity that this agency does not have; RightMissing
    """
    page, values = _page_of(db, arrival)
    return Page(url_for(page, launch=arrival.uuid, **values), is_framable=page != NEVER_FRAMED)


def _page_of(db: Session, arrival: Arrival) -> tuple[str, dict[str, Any]]:
    """Endpoint of the page, and what its address names beside the launch."""
    if arrival.message.message_type in BY_MESSAGE:
        return BY_MESSAGE[arrival.message.message_type], {}
    activity = arrival.placed.activity if arrival.placed else arrival.message.activity
    kind, _, name = (activity or "").partition(":")
    if kind not in KINDS:
        return _where_nothing_is_chosen(arrival)
    return _page_by_right(kind, arrival) if kind in RIGHTS else _activity_page(db, arrival, kind, name)


def _activity_page(db: Session, arrival: Arrival, kind: str, name: str) -> tuple[str, dict[str, Any]]:
    """The learner's page of an activity, or the teacher's; its designer sees what the link shows and may change it."""
    if kind in LEARNERS_OWN:
        return (LEARNERS_OWN[kind] if Role.LEARNER in arrival.roles else "designer.choose"), {}
    if kind == "resource":
        resource = learning.get_resource(db, _uuid(name), tenant_id=arrival.platform.tenant_id).uuid
        return ("resource.page", {"resource": resource}) if Role.LEARNER in arrival.roles else ("designer.choose", {})
    form = {"form": _present_form(db, name, tenant_id=arrival.platform.tenant_id)}
    if kind == "teach" or Role.INSTRUCTOR in arrival.roles:
        return "teacher.activity", form
    return ("learner.assessment_intro", form) if Role.LEARNER in arrival.roles else ("designer.choose", {})


def _where_nothing_is_chosen(arrival: Arrival) -> tuple[str, dict[str, Any]]:
    """A link without an activity: its designer chooses, a learner is told; who has no part in a course has come for a granted page."""
    if arrival.roles & DESIGNERS:
        return "designer.choose", {}
    if Role.LEARNER in arrival.roles:
        return "resource.nothing_yet", {}
    return _page_by_right("executive" if Role.EXECUTIVE in arrival.roles else "admin", arrival)


def _page_by_right(kind: str, arrival: Arrival) -> tuple[str, dict[str, Any]]:
    if RIGHTS[kind] not in arrival.roles:
        raise RightMissing
    return f"{kind}.home", {}


def _present_form(db: Session, name: str, *, tenant_id: int) -> UUID:
    """The form that a link names, if the agency has it; the agency's first for a link that names none. Raises NotFound."""
    if name:
        return assessment.get_form(db, _uuid(name), tenant_id=tenant_id).uuid
    forms = assessment.list_forms(db, tenant_id=tenant_id)
    if not forms:
        raise NotFound
    return forms[0].uuid


def _uuid(text: str) -> UUID:
    try:
        return UUID(text.strip("/"))
    except ValueError:
        raise NotFound from None
