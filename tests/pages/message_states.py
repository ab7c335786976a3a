"""The states of the pages that other messages than a plain launch lead to: submission review, data privacy."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.ids import derived_uuid
from kernel.langmap import LangMap
from lti_tool.lti.sessions import OpenSession
from lti_tool.views.review import review_values
from lti_tool.web.principal import Role
from lti_tool.workflows.privacy import KINDS, Kept
from lti_tool.workflows.review import Review

AGENCY = {"th": "สำนักงานคณะกรรมการพัฒนาระบบราชการ", "en": "Office of the Public Sector Development Commission"}


def text(th: str, en: str) -> LangMap:
    return {"th": th, "en": en}


OPTIONS = tuple(
    assessment.OptionView(name, text(th, en))
    for name, th, en in [
        ("a", "เลขประจำตัวประชาชน", "National identity number"),
        ("b", "จำนวนประชากรของจังหวัดในแต่ละปี", "The population of a province in each year"),
        ("c", "ลายนิ้วมือ", "A fingerprint"),
    ]
)
TARGETS = tuple(assessment.OptionView(f"t{n}", text(word, word)) for n, word in enumerate(("CSV", "PDF", "PNG")))
SHORT = {"accepted": {"th": ["การยืนยันตัวตนสองปัจจัย"], "en": ["two-factor authentication"]}}
ANSWERS: list[tuple[str, Any, Any]] = [
    ("single_choice", "b", "a"),
    ("multiple_choice", ["a", "c"], ["a", "c"]),
    ("true_false", False, True),
    ("ordering", ["c", "a", "b"], ["a", "b", "c"]),
    ("matching", {"a": "t0", "b": "t2", "c": "t1"}, {"a": "t0", "b": "t1", "c": "t2"}),
    ("numeric", "๔๒", {"value": "42", "tolerance": "0.5"}),
    ("short_text", "<img src=x onerror=alert(1)>", SHORT),
]
"""Each kind of question: as answered, as the item keeps what is right."""


def message_states(state: Any, now: datetime, launch: UUID, outcome: assessment.Outcome, framework: roadmap.FrameworkView) -> Iterator[Any]:
    """The states. state: the class of one; now, launch, outcome, framework: of the pages' world."""
    at, teacher = f"/teach/{launch}/review", Role.INSTRUCTOR
    who = {"person_uuid": derived_uuid("person", "1"), "name": "นางสาวกมลชนก ศรีสุวรรณ", "form": outcome.form}
    done = reviewed(outcome, now)
    for name, found in [
        ("review-other", Review("other")),
        ("review-nobody", Review("nobody", form=outcome.form)),
        ("review-none", Review("none", **who)),
        ("review-open", Review("open", begun_at=now - timedelta(hours=1), n_answered=7, **{**who, "name": None})),
    ]:
        yield state(name, at, "teacher/review.html", lambda found=found: review_values(found, None, {}), teacher)
    yield state("review-finished", at, "teacher/review.html", lambda: review_values(replace(done, **who), framework, {}), teacher)

    kept = Kept(AGENCY, dict(zip(KINDS, (1, 2, 14, 1, 18, 2, 1, 1, 41, 3, 5), strict=True)), 4)
    whole = Kept(AGENCY, {kind: 1_204 * n for n, kind in enumerate(KINDS[:9], 1)}, 90_112)
    visits = [
        OpenSession("การใช้เทคโนโลยีดิจิทัลสำหรับบุคลากรภาครัฐ", now - timedelta(minutes=20), now, is_here=True),
        OpenSession(None, now - timedelta(hours=3), now - timedelta(minutes=50), is_here=False),
    ]
    page = {"mine": kept, "kinds": KINDS, "visits": visits, "agency": None, "contact": ""}
    officer = page | {"agency": whole, "contact": "เจ้าหน้าที่คุ้มครองข้อมูลส่วนบุคคล dpo@opdc.example.go.th"}
    yield state("privacy-own", f"/privacy/{launch}/", "privacy/home.html", lambda: page)
    yield state("privacy-agency", f"/privacy/{launch}/", "privacy/home.html", lambda: officer, Role.ADMINISTRATOR)
    yield state("left", f"/leave/{launch}/", "launch/left.html", dict)


def reviewed(outcome: assessment.Outcome, now: datetime) -> Review:
    """A finished sitting with one question of each kind, the second of two."""
    first = outcome.responses[0]
    responses = tuple(
        replace(
            first,
            position=number,
            presentation_uuid=derived_uuid("review", kind),
            kind=kind,
            stem=text(f"ข้อใดเป็นข้อมูลส่วนบุคคลตามกฎหมาย ({number})", f"Which of these are personal data under the law? ({number})"),
            options=OPTIONS if kind not in {"true_false", "numeric", "short_text"} else (),
            targets=TARGETS if kind == "matching" else (),
            value=value,
            correct_pattern=right,
            score=int(value == right),
        )
        for number, (kind, value, right) in enumerate(ANSWERS, 1)
    )
    why = text("เป็นข้อมูลที่ระบุตัวบุคคลได้ ไม่ว่าทางตรงหรือทางอ้อม", "It identifies a person, directly or indirectly.")
    sitting = assessment.FinishedAttempt(
        attempt_uuid=outcome.attempt_uuid,
        form_uuid=outcome.form.uuid,
        person_uuid=outcome.person_uuid,
        launch_ref=outcome.launch_ref,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        n_items=len(responses),
        top_level=3,
        areas=outcome.areas,
        scaled=outcome.scaled,
    )
    older = replace(sitting, attempt_uuid=derived_uuid("attempt", "older"), finished_at=now - timedelta(days=30))
    return Review(
        "finished",
        sittings=(sitting, older),
        outcome=replace(outcome, responses=responses),
        rationales={one.presentation_uuid: why for one in responses[:5]},
    )
