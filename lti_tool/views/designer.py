"""The pages of a course designer: the picker, what becomes of a choice, the cartridge, and the look through a learner's eyes.

A choice goes back to the platform that asked for content (`course`), behind the link of this launch (`link`), or into a
file (`file`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
from kernel.clock import local_date
from kernel.errors import NotFound
from kernel.langmap import text_in
from lti_tool.lti.message import DeepLinkingSettings
from lti_tool.models import Placement
from lti_tool.views.learner import level_names
from lti_tool.web import pages
from lti_tool.web.current import this_app
from lti_tool.web.hand_back import hand_back_page
from lti_tool.web.principal import Principal, Role, require
from lti_tool.workflows.cartridge import MEDIA_TYPE, PROFILES, CartridgeLink, make_cartridge
from lti_tool.workflows.picker import Terms, Wish, chosen_of, first_terms, pick, read_terms, read_wish
from lti_tool.workflows.placements import (
    Choice,
    PlacementView,
    activity_of,
    answer,
    column_fate,
    find_choice,
    find_request,
    link_to,
    list_choices,
    place,
    placement_of,
)
from lti_tool.workflows.preview import end_preview, start_preview

blueprint = Blueprint("designer", __name__, url_prefix="/design/<uuid:launch>")

DESIGNERS = (Role.INSTRUCTOR, Role.DESIGNER)


@dataclass(frozen=True, slots=True)
class Task:
    """What a designer is at. asked: what the platform wants back; None where it asked for nothing."""

    purpose: str
    asked: DeepLinkingSettings | None

    @property
    def is_several(self) -> bool:
        """Whether more than one activity may be chosen."""
        return self.purpose == "file" or (self.purpose == "course" and self.asked is not None and self.asked.accept_multiple)

    @property
    def makes_columns(self) -> bool:
        """Whether the platform makes the column of a choice itself."""
        return self.purpose != "course" or self.asked is None or self.asked.accept_lineitem is not False


@blueprint.get("/choose")
@require(*DESIGNERS)
def choose() -> str:
    """All that can be placed, searched and filtered."""
    return _list_page(_task(), read_wish(request.args, request.args.getlist("chosen")))


@blueprint.get("/confirm")
@require(*DESIGNERS)
def confirm() -> str | tuple[str, int]:
    """What was chosen, and on which terms it is going to be placed."""
    task, wish = _task(), read_wish(request.args, request.args.getlist("chosen"))
    chosen = _chosen(task, wish)
    if not chosen:
        return _list_page(task, wish, fault=_("Please choose at least one activity.")), 422
    placed = placement_of(g.db, g.principal)
    return _terms_page(task, [first_terms(choice, placed) for choice in chosen])


@blueprint.post("/place")
@require(*DESIGNERS)
def keep(launch: UUID) -> Any:
    """Places what was chosen: handed back to the platform, put behind the link, or packed into a file."""
    task, wish = _task(), read_wish(request.form, request.form.getlist("chosen"))
    terms = [read_terms(choice, request.form) for choice in _chosen(task, wish)]
    if not terms:
        return _list_page(task, wish, fault=_("Please choose at least one activity.")), 422
    if not all(one.is_sound for one in terms):
        return _terms_page(task, terms), 422
    match task.purpose:
        case "course":
            return hand_back_page(_answer([_placed(one) for one in terms]))
        case "file":
            return _cartridge([_placed(one) for one in terms], [one.choice for one in terms])
        case _:
            _placed(terms[0], resource_link_id=g.principal.resource_link_id)
            return redirect(url_for("designer.kept", launch=launch), code=303)


@blueprint.post("/cancel")
@require(*DESIGNERS)
def cancel() -> str:
    """Hands an empty choice back to the platform."""
    return hand_back_page(_answer([], message=_("Nothing was added.")))


@blueprint.get("/kept")
@require(*DESIGNERS)
def kept() -> str:
    """What stands behind the link now, and what becomes of its column."""
    placed = placement_of(g.db, g.principal)
    if placed is None:
        raise NotFound
    choice = find_choice(g.db, placed.activity, tenant_id=g.principal.tenant_id)
    if choice is None:
        raise NotFound
    fate = column_fate(g.db, g.principal, is_graded=placed.score_maximum is not None)
    return render_template("designer/kept.html", **kept_values(placed, choice, fate))


@blueprint.post("/preview")
@require(*DESIGNERS)
def preview(launch: UUID) -> AnyResponse:
    """Begins a look through a learner's eyes at the activity that the form names."""
    activity, back = request.form.get("activity", ""), request.form.get("back", "")
    endpoint, values = _learner_page(activity)
    if not any(pages.is_below(folder, back) for folder in (f"/design/{launch}/", f"/teach/{launch}/")):
        back = f"/design/{launch}/choose"
    shown = start_preview(g.db, g.principal, activity=activity, back=back, now=g.now)
    return redirect(url_for(endpoint, launch=shown, **values), code=303)


@blueprint.post("/preview/end")
@require(Role.LEARNER)
def stop_preview() -> AnyResponse:
    """Ends the look; everything of it is removed. The launch of the path is the preview's own."""
    return redirect(request.script_root + end_preview(g.db, g.principal), code=303)


@blueprint.post("/language")
@require(*DESIGNERS)
def language(launch: UUID) -> AnyResponse:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("designer.choose", launch=launch))


def list_values(choices: Sequence[Choice], framework: roadmap.FrameworkView, wish: Wish) -> dict[str, Any]:
    """What the picker shows of the activities that there are."""
    return {
        "wish": wish,
        "picked": pick(choices, wish),
        "kinds": list(dict.fromkeys(choice.kind for choice in choices)),
        **_names(choices, framework),
    }


def terms_values(terms: Sequence[Terms], framework: roadmap.FrameworkView) -> dict[str, Any]:
    """What the page of terms shows."""
    return {
        "terms": terms,
        "policies": {"best": _("The best attempt counts"), "last": _("The last attempt counts"), "first": _("The first attempt counts")},
        "profiles": list(PROFILES),
        **_names([one.choice for one in terms], framework),
    }


def kept_values(placed: PlacementView, choice: Choice, fate: str) -> dict[str, Any]:
    """What the page says once a choice stands behind the link."""
    return {"placed": placed, "choice": choice, "fate": fate}


def _names(choices: Sequence[Choice], framework: roadmap.FrameworkView) -> dict[str, Any]:
    """Names of the areas and levels of these activities, in the framework's order."""
    areas = {key for choice in choices for key in choice.areas}
    ranks = {rank for choice in choices for rank in choice.levels}
    return {
        "areas": {node.key: node.label for node in (*framework.groups, *framework.nodes) if node.key in areas},
        "levels": {rank: label for rank, label in level_names(framework).items() if rank in ranks},
    }


def _list_page(task: Task, wish: Wish, *, fault: str | None = None) -> str:
    choices = list_choices(g.db, tenant_id=g.principal.tenant_id)
    now_shown = activity_of(g.db, g.principal)
    return render_template(
        "designer/choose.html",
        task=task,
        present=next((choice for choice in choices if choice.activity == now_shown), None),
        fault=fault,
        back_path=request.full_path if request.method == "GET" else f"/design/{g.principal.launch_uuid}/choose",
        **list_values(choices, _framework(g.principal), wish),
    )


def _terms_page(task: Task, terms: Sequence[Terms]) -> str:
    return render_template(
        "designer/confirm.html",
        task=task,
        back_path=_confirm_path(task, terms),
        **terms_values(terms, _framework(g.principal)),
    )


def _confirm_path(task: Task, terms: Sequence[Terms]) -> str:
    """The page of terms as an address to come back to, also where it answers a form."""
    values: dict[str, Any] = {"chosen": [one.choice.activity for one in terms], "for": "file" if task.purpose == "file" else None}
    path = url_for("designer.confirm", launch=g.principal.launch_uuid, **values)
    return path.removeprefix(request.script_root)


def _task() -> Task:
    """A file where that is asked for, or nothing else is possible; an answer where the platform asked; else this launch's link."""
    asked = find_request(g.db, g.principal)
    has_place = asked is not None or g.principal.resource_link_id is not None
    if request.values.get("for") == "file" or not has_place:
        return Task("file", asked)
    return Task("link" if asked is None else "course", asked)


def _chosen(task: Task, wish: Wish) -> list[Choice]:
    """What the form names, as far as the agency has it; the first alone where one is asked for."""
    chosen = chosen_of(list_choices(g.db, tenant_id=g.principal.tenant_id), wish.chosen)
    return chosen if task.is_several else chosen[:1]


def _placed(terms: Terms, *, resource_link_id: int | None = None) -> Placement:
    return place(
        g.db,
        g.principal,
        activity=terms.choice.activity,
        title="",
        score_maximum=terms.score_maximum,
        attempts_policy=terms.policy,
        has_area_columns=terms.has_area_columns,
        now=g.now,
        resource_link_id=resource_link_id,
    )


def _answer(placements: Sequence[Placement], *, message: str | None = None) -> Any:
    app = this_app()
    return answer(g.db, g.principal, placements, public_url=app.settings.public_url, secret=app.secret, now=g.now, message=message)


def _cartridge(placements: Sequence[Placement], choices: Sequence[Choice]) -> Response:
    """The file of these placements. Raises NotFound for a profile that we do not write."""
    profile = PROFILES.get(request.form.get("profile", next(iter(PROFILES))))
    if profile is None:
        raise NotFound
    public_url, language = this_app().settings.public_url, g.principal.locale
    links = [
        CartridgeLink(placed.uuid, placed.title, text_in(language, choice.summary), *link_to(placed, public_url=public_url))
        for placed, choice in zip(placements, choices, strict=True)
    ]
    packed = make_cartridge(g.principal.context_title or _("Kaona"), links, profile=profile, language=language, now=g.now)
    response = Response(packed, mimetype=MEDIA_TYPE)
    response.headers.set("Content-Disposition", "attachment", filename=f"kaona-{g.now:%Y%m%d}.imscc")
    return response


def _framework(principal: Principal) -> roadmap.FrameworkView:
    return roadmap.active_framework(g.db, tenant_id=principal.tenant_id, on=local_date(g.now))


def _learner_page(activity: str) -> tuple[str, dict[str, Any]]:
    """Endpoint of the page that shows a learner this activity, and what its address names. Raises NotFound."""
    kind, _colon, name = activity.partition(":")
    tenant_id = g.principal.tenant_id
    try:
        match kind:
            case "assessment":
                return "learner.assessment_intro", {"form": assessment.get_form(g.db, UUID(name), tenant_id=tenant_id).uuid}
            case "resource":
                return "resource.page", {"resource": learning.get_resource(g.db, UUID(name), tenant_id=tenant_id).uuid}
            case "path" | "roadmap" if not name:
                return {"path": "learner.path_page", "roadmap": "learner.roadmap_page"}[kind], {}
    except ValueError:
        pass
    raise NotFound
