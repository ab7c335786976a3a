"""States of the pages on admission and integrity: who may begin, why not, and sittings that somebody should look at."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import assessment.api as assessment
from assessment.errors import NetworkRefused, SafeExamBrowserNeeded
from kernel.ids import derived_uuid
from lti_tool.views import admission as admission_pages
from lti_tool.views import integrity as integrity_pages
from lti_tool.web.principal import Role
from lti_tool.workflows.admission import Admission
from lti_tool.workflows.admission_refused import AccessCodeWrong, AttemptsUsedUp, BegunElsewhere, NotYetOpen
from lti_tool.workflows.integrity import CourseReview

KEY = "81aad4ab9dfd447cc479e6a4a7c9a544e2cafc7f3adeb68b2a21efad68eca4dc"
WHEN = {"th": "1 ธ.ค. 2569 เวลา 09.00 น.", "en": "1 Dec 2026, 09:00"}


def admission_states(state: Any, now: datetime, launch: UUID, form: assessment.FormView, intro: Callable[..., Any]) -> Iterator[Any]:
    """The states. state: the class of one; now, launch, form: of the pages' world; intro: values of a learner's first page."""
    at, page = f"/learn/{launch}/assessment/{form.uuid}", "learner/intro.html"
    rules = assessment.read_rules({
        "attempts": 2, "days_between": 7, "opens_at": now + timedelta(days=9), "closes_at": now + timedelta(days=12), "code": "one_time",
        "networks": ["10.4.0.0/16", "2001:db8::/32"], "seb": {"config_keys": [KEY], "exam_keys": [KEY]},
    })  # fmt: skip
    coded, open_ = rules.model_copy(update={"code": "shared"}), intro(None)
    done = intro(_summary(now, launch, "finished"))
    begun = intro(_summary(now, launch, "open"))
    yield state("intro-not-yet", at, page, lambda: open_ | {"admission": Admission(rules, 1, fault=NotYetOpen(at=WHEN))})
    yield state("intro-used-up", at, page, lambda: done | {"admission": Admission(rules, 1, n_used=2, fault=AttemptsUsedUp())}, framed=True)
    yield state("intro-code", at, page, lambda: open_ | {"admission": Admission(coded, 1)})
    wrong = {"admission": Admission(rules, 1, n_used=1), "fault": AccessCodeWrong(left=3)}
    yield state("intro-wrong-code", at, page, lambda: done | wrong, framed=True, status=422)
    yield state("intro-exam-browser", at, page, lambda: begun | {"admission": Admission(rules, 1)})
    yield state("intro-begun-elsewhere", at, page, lambda: begun | {"admission": Admission(coded, 1, fault=BegunElsewhere())}, framed=True)
    for name, refused in (("network", NetworkRefused()), ("exam-browser", SafeExamBrowserNeeded())):
        values = {"error": refused, "status": 403, "reference": "Q7XK2M9A", "language": "th"}
        yield state(f"error-{name}", f"{at}/start", "errors/page.html", lambda values=values: values, status=403)

    at, page = f"/design/{launch}/admission", "designer/admission.html"
    placed = SimpleNamespace(title=form.title["th"], access_code_hash="x")

    def rules_page(asked: assessment.AdmissionRules, **more: Any) -> dict[str, Any]:
        values = {"given": admission_pages.fields_of(asked), "rules": asked, "bad": set(), "codes": (118, 12), "is_kept": False, **more}
        kept = values.pop("is_kept")
        return {"is_kept": kept, "shown_form": form, **admission_pages.page_values(placed, **values)}

    yield state("rules-none", at, page, lambda: rules_page(assessment.OPEN_TO_ALL), Role.DESIGNER, framed=True)
    yield state("rules-all", at, page, lambda: rules_page(rules, is_kept=True), Role.INSTRUCTOR)
    posted = {"attempts": "many", "closes_at": "", "networks": "10.0.0.0/33", "code": "shared", "config_keys": "abc"}
    bad = {"attempts", "closes_at", "networks", "code", "seb", "codes"}
    yield state("rules-refused", at, page, lambda: rules_page(rules, given=posted, bad=bad), Role.INSTRUCTOR, status=422)

    at, page = f"/teach/{launch}/integrity/{form.uuid}", "teacher/integrity.html"
    waiting, decided = _reviews(now, form.uuid)
    yield state("integrity-list", at, page, lambda: integrity_pages.reviews_values(form, [waiting, decided]), Role.INSTRUCTOR)
    yield state("integrity-none", at, page, lambda: integrity_pages.reviews_values(form, []), Role.INSTRUCTOR, framed=True)
    at, page = f"{at}/{waiting.review.attempt_uuid}", "teacher/integrity_review.html"
    yield state("integrity-waiting", at, page, lambda: integrity_pages.review_values(form, waiting), Role.INSTRUCTOR, framed=True)
    yield state("integrity-decided", at, page, lambda: integrity_pages.review_values(form, decided), Role.INSTRUCTOR)
    fault, given = assessment.ReviewInvalid(field="reason"), {"decision": "retake", "reason": ""}
    refused = integrity_pages.review_values(form, waiting, given=given, fault=fault)
    yield state("integrity-refused", at, page, lambda: refused, Role.INSTRUCTOR, status=422)


def _summary(now: datetime, launch: UUID, kind: str) -> assessment.AttemptSummary:
    ended = now - timedelta(days=2) if kind == "finished" else None
    return assessment.AttemptSummary(
        launch, kind, 1, 6, now - timedelta(minutes=8), ended, now + timedelta(minutes=32), is_in_exam_browser=ended is None
    )


def _reviews(now: datetime, form: UUID) -> tuple[CourseReview, CourseReview]:
    here, there = derived_uuid("attempt", "here"), derived_uuid("attempt", "there")
    details = [
        ("rapid", None, {"n_rapid": 7, "n_answers": 20, "effort": 0.65}),
        ("misfit", None, {"lz_star": -3.42}),
        ("similar", here, {"n_same": 12, "expected": 4.1, "chance": 2e-7}),
        ("similar", there, {"n_same": 11, "expected": 3.9, "chance": 3e-7}),
        ("away", None, {"n_away": 12, "away_seconds": 340}),
        ("moved", None, {"n_moves": 4}),
    ]
    flags = tuple(assessment.FlagView(kind, other, now, detail) for kind, other, detail in details)
    other = (derived_uuid("person", "2"), "นายวีระศักดิ์ ตั้งใจทำงาน ณ อยุธยา")
    review = assessment.ReviewView(derived_uuid("attempt", "1"), form, derived_uuid("person", "1"), now, now, flags)
    decided = assessment.ReviewView(
        derived_uuid("attempt", "2"), form, derived_uuid("person", "3"), now - timedelta(days=3), now, flags[:1],
        "retake", "เครือข่ายของหน่วยงานขัดข้องระหว่างทำ จึงให้ทำใหม่", now,
    )  # fmt: skip
    return CourseReview(review, "นางสาวกมลชนก ศรีสุวรรณ", {here: other, there: None}), CourseReview(decided, None, {})
