"""A learner's pages: the assessment, its result, the roadmap and the path. Each view reads, calls a door, renders."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
from kernel.clock import local_date
from kernel.errors import Invalid, KaonaError, NotFound
from kernel.langmap import LangMap
from lti_tool.keys import code_key
from lti_tool.lti.sessions import hold_session
from lti_tool.web import pages, pictures
from lti_tool.web.answer_lines import answer_lines
from lti_tool.web.answers import AnswerUnreadable, fields_of, read_answer, read_place
from lti_tool.web.current import this_app
from lti_tool.web.devices import device_kind
from lti_tool.web.edge import AfterCommit, writes
from lti_tool.web.principal import Role, require
from lti_tool.web.visits import read_visit
from lti_tool.workflows import admission
from lti_tool.workflows.attempt_finished import finish_attempt
from lti_tool.workflows.placements import due_at
from lti_tool.workflows.standing import result_state

blueprint = Blueprint("learner", __name__, url_prefix="/learn/<uuid:launch>")

ALL_AREAS: LangMap = {"th": "ทุกด้าน", "en": "All areas"}

HELD_AFTER_DEADLINE = timedelta(minutes=30)
"""How long beyond its deadline a sitting keeps the session, so that its result can be read."""

SEED_BITS = 63
"""Bits of an attempt's seed: fits a signed 64-bit column."""


@dataclass(frozen=True, slots=True)
class AreaLine:
    """One area of a result as the page says it.

    low, high  levels that the estimate less and plus its error reaches
    sure       chance of the level or above; at level 0 the chance of being below the first
    verdict    on the level that the role asks for, `met` | `not_met` | `undecided`; None where it asks for none that the test can tell
    p_target   chance of that level or above
    """

    area: assessment.AreaOutcome
    label: LangMap
    level_label: LangMap
    target: int | None
    low: int
    high: int
    sure: float
    verdict: str | None = None
    p_target: float = 0.0


@blueprint.get("/assessment/<uuid:form>")
@require(Role.LEARNER)
def assessment_intro(form: UUID) -> str:
    """What the assessment is, who may begin it, and the way in, on or to the result."""
    return _intro_page(form)


@blueprint.post("/assessment/<uuid:form>/start")
@require(Role.LEARNER)
def start(launch: UUID, form: UUID) -> Any:
    """Begins the assessment, or goes on with the open attempt; a code that does not open it is asked for again."""
    begun = admission.begin(
        g.db,
        g.principal,
        form,
        seed=secrets.randbits(SEED_BITS),
        code=request.form.get("code", ""),
        visit=read_visit(url_for("learner.assessment_intro", launch=launch, form=form), request.script_root + request.path),
        key=code_key(this_app().secret),
        now=g.now,
    )
    if isinstance(begun, KaonaError):
        return _intro_page(form, fault=begun), 422
    if not begun.resumed and not g.principal.is_preview:
        kind = device_kind(request.headers.get("User-Agent", ""))
        assessment.note_device(g.db, begun.attempt_uuid, tenant_id=g.principal.tenant_id, kind=kind, now=g.now)
    return redirect(url_for("learner.attempt", launch=launch, attempt=begun.attempt_uuid), code=303)


@blueprint.post("/assessment/<uuid:form>/use")
@require(Role.LEARNER)
def use_here(launch: UUID, form: UUID) -> Response:
    """The newest result, begun and finished through other links, counts for the link of this launch too."""
    attempt = admission.use_result_here(g.db, g.principal, form, g.now)
    return redirect(url_for("learner.result", launch=launch, attempt=attempt), code=303)


@blueprint.get("/attempts/<uuid:attempt>")
@writes
@require(Role.LEARNER)
def attempt(launch: UUID, attempt: UUID) -> Any:
    """The present item, or the one that is asked for; the attempt moves to the launch that asks."""
    at = read_place(request.args.get("at"))
    step = assessment.get_step(g.db, attempt, device=str(launch), now=g.now, visit=read_visit(), at=at, **_person())
    if step.state != "finished":
        hold_session(g.db, launch, until=step.deadline_at + HELD_AFTER_DEADLINE)
    return _go_on(launch, step)


@blueprint.post("/attempts/<uuid:attempt>/responses")
@require(Role.LEARNER)
def respond(launch: UUID, attempt: UUID) -> Any:
    """Takes one answer. A script gets the next item at once; a plain form is sent back to the attempt's own page.

    An answer in part goes to the room too, which looks first at who answers: a page that another one has locked is told so,
    and never takes the attempt back.
    """
    own = request.script_root + request.path
    here = {"device": str(launch), "now": g.now, "visit": read_visit(own.removesuffix("/responses"), own), **_person()}
    answer = read_answer(request.form)
    try:
        step = assessment.submit_response(g.db, attempt, answer, at=read_place(request.form.get("go")), **here)
    except Invalid as refused:
        if refused.details.get("reason") == "client_id":  # refused before the room looked at the device
            raise
        step = assessment.get_step(g.db, attempt, at=answer.presentation_uuid, **here)
        if step.item is None:
            return _go_on(launch, step)
        is_readable = answer.value is not None and request.form.get("kind") == step.item.kind
        fault = refused if is_readable else AnswerUnreadable()
        given = request.form if step.item.presentation_uuid == answer.presentation_uuid else None
        return _item_page(launch, step, given=given, fault=fault), 422
    if "X-Kaona-Script" in request.headers or step.state == "finished":
        return _go_on(launch, step)
    return redirect(_address(launch, step), code=303)


@blueprint.post("/attempts/<uuid:attempt>/end")
@require(Role.LEARNER)
def hand_in(launch: UUID, attempt: UUID) -> Any:
    """Ends a sitting in which the person may go back, at their word."""
    own = request.script_root + request.path
    visit = read_visit(own.removesuffix("/end"), own)
    return _go_on(launch, assessment.hand_in(g.db, attempt, device=str(launch), now=g.now, visit=visit, **_person()))


@blueprint.get("/attempts/<uuid:attempt>/result")
@require(Role.LEARNER)
def result(attempt: UUID) -> str:
    """The result in words, picture and numbers, and what to do next."""
    outcome = assessment.get_outcome(g.db, attempt, tenant_id=g.principal.tenant_id)
    if outcome.person_uuid != g.principal.person_uuid:
        raise NotFound
    framework = roadmap.get_framework(g.db, outcome.form.framework)
    standings = roadmap.standing_of(g.db, today=local_date(g.now), now=g.now, **_person())
    state = result_state(g.db, g.principal, outcome)
    offer = admission.find_offer_here(g.db, g.principal, outcome.form.uuid, g.now) if state == "elsewhere" else None
    return render_template(
        "learner/result.html",
        path=learning.find_path(g.db, **_person()),
        score_state=state,
        may_use=offer is not None and offer.attempt_uuid == attempt,
        **result_values(
            outcome,
            framework,
            {one.node.key: one.target for one in standings},
            assessment.list_changes(g.db, attempt, tenant_id=g.principal.tenant_id),
            hindrance=admission.admission_of(g.db, g.principal, outcome.form, None, g.now).hindrance,
            rationales=None if outcome.form.is_secure else assessment.list_rationales(g.db, attempt, tenant_id=g.principal.tenant_id),
        ),
    )


@blueprint.get("/roadmap")
@require(Role.LEARNER)
def roadmap_page() -> str:
    """Where the person stands on the roadmap, what the role asks, what is next, and the evidence."""
    today = local_date(g.now)
    framework = roadmap.active_framework(g.db, tenant_id=g.principal.tenant_id, on=today)
    standings = roadmap.standing_of(g.db, today=today, now=g.now, **_person())
    attained = [one.node for one in standings if one.attainment is not None]
    found = roadmap.evidence_of(g.db, node_keys=[node.key for node in attained], **_person())
    evidence = [(node.label, found[node.key]) for node in attained if found[node.key]]
    path = learning.find_path(g.db, **_person())
    return render_template(
        "learner/roadmap.html",
        evidence=evidence,
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        **roadmap_values(framework, standings, path),
    )


@blueprint.get("/path")
@require(Role.LEARNER)
def path_page() -> str:
    """The personal path, step by step."""
    framework = roadmap.active_framework(g.db, tenant_id=g.principal.tenant_id, on=local_date(g.now))
    return render_template(
        "learner/path.html",
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        **path_values(framework, learning.find_path(g.db, **_person())),
    )


@blueprint.post("/path/steps/<uuid:step>")
@require(Role.LEARNER)
def mark(launch: UUID, step: UUID) -> Response:
    """Keeps what the person says of one step: planned, under way or done; the room refuses any other word."""
    state = cast("learning.State", request.form.get("state", ""))
    learning.mark_step(g.db, step_uuid=step, state=state, now=g.now, **_person())
    return redirect(url_for("learner.path_page", launch=launch, _anchor=f"step-{step}"), code=303)


@blueprint.post("/language")
@require(Role.LEARNER)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("learner.roadmap_page", launch=launch))


def result_values(
    outcome: assessment.Outcome,
    framework: roadmap.FrameworkView,
    targets: Mapping[str, int | None],
    changes: Mapping[str, bool] | None = None,
    *,
    hindrance: assessment.Hindrance | None = None,
    rationales: Mapping[UUID, LangMap] | None = None,
) -> dict[str, Any]:
    """What the result page shows of one outcome.

    hindrance  what stands against the person's next sitting here
    rationales by presentation, where the answers are shown; None: the form keeps them to itself
    changes    code of an area to whether the person has grown there since the result before; areas without one are not in it
    """
    labels, levels = _labels(framework), level_names(framework)
    lines = [_area_line(area, outcome.form.cuts, labels, levels, targets.get(area.competency)) for area in outcome.areas]
    courses = [(line.label, pictures.estimate_course(line.area, outcome.responses, line.label)) for line in lines]
    return {
        "outcome": outcome,
        "answers": [] if rationales is None else answer_lines(outcome.responses, _areas(outcome, labels), rationales),
        "changes": changes or {},
        "lines": lines,
        "levels": levels,
        "top_level": max(levels),
        "has_targets": all(line.target is not None for line in lines),
        "is_undecided": any(line.verdict == "undecided" for line in lines),
        "hindrance": hindrance,
        "radar": pictures.level_radar([(line.label, line.area.level, line.target) for line in lines], levels),
        "bars": pictures.estimate_bars(outcome.areas, labels, outcome.form.cuts),
        "estimates": [
            *((line.label, line.area.theta, line.area.se, line.area.n_items) for line in lines),
            (ALL_AREAS, outcome.theta, outcome.se, outcome.n_items),
        ],
        "courses": [(label, course) for label, course in courses if course is not None],
    }


def roadmap_values(framework: roadmap.FrameworkView, standings: list[roadmap.Standing], path: learning.PathView | None) -> dict[str, Any]:
    """What the roadmap page shows of a person's standing."""
    levels = level_names(framework)
    return {
        "framework": framework,
        "levels": levels,
        "standings": standings,
        "has_any_level": any(one.level is not None for one in standings),
        "tracks": pictures.standing_tracks(standings, levels),
        "next_step": next((step for step in path.steps if not step.done), None) if path else None,
    }


def path_values(framework: roadmap.FrameworkView, path: learning.PathView | None) -> dict[str, Any]:
    """What the path page shows of a path."""
    return {
        "path": path,
        "levels": level_names(framework),
        "hours_chart": pictures.hours_bars(path, kind_names()) if path else None,
        "total_hours": sum(path.hours_by_kind.values()) if path else 0,
    }


def level_names(framework: roadmap.FrameworkView) -> dict[int, LangMap]:
    """Rank of each level to its name, lowest first."""
    return {level.rank: level.label for level in sorted(framework.scale, key=lambda one: one.rank)}


def kind_names() -> dict[str, str]:
    """Kinds of learning in the page's language."""
    return {
        "course": _("Course"),
        "reading": _("Reading"),
        "practice": _("Practice on the job"),
        "coaching": _("Coaching"),
        "project": _("Project"),
        "assessment": _("Assessment"),
    }


def _go_on(launch: UUID, step: assessment.Step) -> AfterCommit | Response:
    """The item, or the way to the result; what follows from the end is done in the transaction that ended the attempt."""
    if step.just_finished and not g.principal.is_preview:
        finish_attempt(g.db, principal=g.principal, attempt_uuid=step.attempt_uuid, now=g.now, settings=this_app().settings)
    if step.state == "paused":
        return AfterCommit(lambda: _paused_page(launch, step))
    if step.state == "finished":
        return redirect(url_for("learner.result", launch=launch, attempt=step.attempt_uuid), code=303)
    return AfterCommit(lambda: _item_page(launch, step))


def _item_page(launch: UUID, step: assessment.Step, *, given: MultiDict[str, str] | None = None, fault: KaonaError | None = None) -> str:
    """The item's page, or the summary's; of it, for a script that has sent an answer, only what it puts in the place of the last item.

    given   what a form just held; else what is stored is shown
    """
    return render_template(
        "learner/summary.html" if step.item is None else "learner/item.html",
        frame="fragment.html" if request.method == "POST" and "X-Kaona-Script" in request.headers else "base.html",
        step=step,
        given=given or (MultiDict() if step.item is None else fields_of(step.item.kind, step.given)),
        ahead=[(sheet, fields_of(sheet.item.kind, sheet.given)) for sheet in step.ahead],
        fault=fault,
        back_path=_address(launch, step),
    )


def _address(launch: UUID, step: assessment.Step) -> str:
    """Where a sitting's page stands: where the person may go back, each item has its own."""
    at = (step.position if step.item else assessment.SUMMARY) if step.places else None
    return url_for("learner.attempt", launch=launch, attempt=step.attempt_uuid, at=at)


def _paused_page(launch: UUID, step: assessment.Step) -> str:
    back = url_for("learner.attempt", launch=launch, attempt=step.attempt_uuid)
    return render_template("learner/paused.html", step=step, now=g.now, back_path=back)


def _intro_page(form: UUID, *, fault: KaonaError | None = None) -> str:
    """fault: why the code that was sent opens nothing."""
    view = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    attempt = assessment.find_attempt(g.db, form_uuid=form, **_person())
    here = admission.admission_of(g.db, g.principal, view, attempt, g.now)
    return render_template(
        "learner/intro.html",
        form=view,
        attempt=attempt,
        admission=here,
        own_time=assessment.get_allowed_time(g.db, form_uuid=form, now=g.now, **_person()),
        fault=fault,
        offer=admission.offer_of(g.db, g.principal, form, here) if attempt and attempt.state == "finished" else None,
        labels=_labels(roadmap.get_framework(g.db, view.framework)),
        due=due_at(g.db, g.principal),
    )


def _person() -> dict[str, Any]:
    return {"tenant_id": g.principal.tenant_id, "person_uuid": g.principal.person_uuid}


def _areas(outcome: assessment.Outcome, labels: Mapping[str, LangMap]) -> dict[str, LangMap]:
    return {domain.code: labels[domain.competency] for domain in outcome.form.domains}


def _labels(framework: roadmap.FrameworkView) -> dict[str, LangMap]:
    return {node.key: node.label for node in (*framework.groups, *framework.nodes)}


def _area_line(
    area: assessment.AreaOutcome,
    cuts: tuple[assessment.Cut, ...],
    labels: Mapping[str, LangMap],
    levels: Mapping[int, LangMap],
    target: int | None,
) -> AreaLine:
    own = [cut.theta for cut in cuts if cut.domain == area.domain]
    return AreaLine(
        area=area,
        label=labels[area.competency],
        level_label=levels[area.level],
        target=target,
        low=sum(area.theta - area.se >= cut for cut in own),
        high=sum(area.theta + area.se >= cut for cut in own),
        sure=area.p_levels[area.level - 1] if area.level else 1 - area.p_levels[0],
        verdict=area.verdicts[target - 1] if target and target <= len(area.verdicts) else None,
        p_target=area.p_levels[target - 1] if target and target <= len(area.p_levels) else 0.0,
    )
