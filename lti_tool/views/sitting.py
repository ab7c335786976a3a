"""The time of a learner's sitting: what its clock shows, a pause, and going on. The pages themselves are `learner`'s."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, jsonify, redirect, url_for
from werkzeug.wrappers import Response

import assessment.api as assessment
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require

blueprint = Blueprint("sitting", __name__, url_prefix="/learn/<uuid:launch>/attempts/<uuid:attempt>")

ASK_AGAIN_SECONDS = 4
"""How soon a page asks its clock again: extra time holds in an open page within five seconds."""


@blueprint.get("/clock")
@require(Role.LEARNER)
def clock(launch: UUID, attempt: UUID) -> Response:
    """What the clock shows. A sign of life is written down in a transaction of its own, where one is due."""
    shown = assessment.get_clock(g.db, attempt, **_asked(launch))
    if shown.wants_note:
        with this_app().database.transaction() as db:
            shown = assessment.note_alive(db, attempt, **_asked(launch))
    return jsonify(
        state=shown.state,
        seconds_left=shown.seconds_left,
        item_seconds_left=shown.item_seconds_left,
        pause_seconds_left=shown.pause_seconds_left,
        is_elsewhere=shown.is_elsewhere,
        ask_again_seconds=ASK_AGAIN_SECONDS,
    )


@blueprint.post("/pause")
@require(Role.LEARNER)
def pause(launch: UUID, attempt: UUID) -> Response:
    """The person rests."""
    assessment.pause_attempt(g.db, attempt, **_asked(launch))
    return redirect(url_for("learner.attempt", launch=launch, attempt=attempt), code=303)


@blueprint.post("/resume")
@require(Role.LEARNER)
def resume(launch: UUID, attempt: UUID) -> Response:
    """The person goes on."""
    assessment.resume_attempt(g.db, attempt, tenant_id=g.principal.tenant_id, person_uuid=g.principal.person_uuid, now=g.now)
    return redirect(url_for("learner.attempt", launch=launch, attempt=attempt), code=303)


def _asked(launch: UUID) -> dict[str, Any]:
    return {"tenant_id": g.principal.tenant_id, "person_uuid": g.principal.person_uuid, "device": str(launch), "now": g.now}
