"""Every state that a page can be in, as values of the doors' own shapes, and an application that renders them without the doors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import g, render_template, request
from flask_babel import Babel
from werkzeug.datastructures import MultiDict

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
from assessment.errors import (
    AccommodationInvalid,
    AlreadyAnswered,
    AnswerInvalid,
    AttemptClosed,
    AttemptMoved,
    AttemptPaused,
    NumberExpected,
)
from kernel.errors import KaonaError, NotFound
from kernel.ids import derived_uuid
from lti_tool.errors import RequestRefused, Unavailable, Unexpected
from lti_tool.lti.ags import ScoreInvalid
from lti_tool.lti.errors import (
    BindingMissing,
    ChoiceNeedsCookie,
    IssuerUnknown,
    MemberRemoved,
    MessageInvalid,
    RightMissing,
    SessionMissing,
    TicketSpent,
)
from lti_tool.lti.message import DeepLinkingSettings
from lti_tool.lti.sessions import Ticket
from lti_tool.settings import Settings
from lti_tool.views import admin, designer, executive, front, item_analysis, learner, leave, privacy, tab, teacher
from lti_tool.views import admission as admission_page
from lti_tool.views import integrity as integrity_page
from lti_tool.views import platforms as platform_pages
from lti_tool.views import records as record_pages
from lti_tool.views import registration as registration_page
from lti_tool.views import resource as resource_page
from lti_tool.views import review as review_page
from lti_tool.views import sitting as sitting_page
from lti_tool.web import fonts, pages
from lti_tool.web.answers import fields_of
from lti_tool.web.edge import KaonaApp
from lti_tool.web.headers import POLICY
from lti_tool.web.principal import Principal, Role
from lti_tool.workflows.admission import Admission
from lti_tool.workflows.allowances import Grant
from lti_tool.workflows.doctor import DoctorSummary, ParkedItem, PlatformHealth
from lti_tool.workflows.findings import finding, parked_scores
from lti_tool.workflows.gradebook import Offer
from lti_tool.workflows.learner_time import WATCHES, Allowed, LearnerTime, Now, UnderWay
from lti_tool.workflows.picker import first_terms, read_wish
from lti_tool.workflows.placements import Choice, PlacementView
from lti_tool.workflows.roster import ClassPage, Counts, LearnerRow, RosterChange, RosterState
from lti_tool.workflows.scope import ExecutiveScope
from lti_tool.workflows.standing import FAULTS, ColumnView, ScoreState, ScoreView
from tests.pages.admission_states import admission_states
from tests.pages.item_states import item_states
from tests.pages.message_states import message_states
from tests.pages.platform_states import platform_states
from tests.pages.record_states import record_states

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
LAUNCH = UUID("11111111-1111-4111-8111-111111111111")
ATTEMPT = UUID("22222222-2222-4222-8222-222222222222")
PERSON = UUID("1a2b3c4d-3333-4333-8333-333333333333")
FORM = UUID("44444444-4444-4444-8444-444444444444")
HOSTILE = "<img src=x onerror=alert(1)>"

STORAGE = {
    "origin": "https://lms.example.go.th", "target": "_parent", "key": "kaona-1", "value": "x", "next_url": "#main", "other_url": "#main",
}  # fmt: skip
"""A page that goes on by itself; here it stays."""

TICKET = Ticket(
    launch_id=1,
    uuid=LAUNCH,
    tenant_id=1,
    user_id=1,
    locale="th",
    display_name="นางสาวกมลชนก ศรีสุวรรณ",
    context_title="ทักษะดิจิทัลสำหรับข้าราชการ รุ่นที่ 12",
    agency={"th": "สำนักงานคณะกรรมการพัฒนาระบบราชการ", "en": "Office of the Public Sector Development Commission"},
)

PRINCIPAL = Principal(
    launch_uuid=LAUNCH,
    session_id=1,
    tenant_id=1,
    tenant_home_page="https://opdc.example.go.th",
    registration_id=1,
    deployment_id=1,
    user_id=1,
    person_uuid=PERSON,
    display_name="นางสาวกมลชนก ศรีสุวรรณ",
    locale="th",
    roles=frozenset({Role.LEARNER}),
    context_id=1,
    context_title="ทักษะดิจิทัลสำหรับข้าราชการ รุ่นที่ 12",
    resource_link_id=1,
    return_url="https://lms.example.go.th/course/view.php?id=7",
    platform_origin="https://lms.example.go.th",
    framed=False,
)


@dataclass(frozen=True)
class State:
    """One page in one state: the address it stands at, who looks, the template and its values."""

    name: str
    path: str
    template: str
    values: Callable[[], dict[str, Any]]
    role: Role | None = Role.LEARNER
    framed: bool = False
    is_preview: bool = False
    status: int = 200
    in_both: bool = False
    """Rendered in the language that is asked for although nobody is known."""


def text(th: str, en: str) -> dict[str, str]:
    return {"th": th, "en": en}


# --- the framework -------------------------------------------------------------------------------------------------------------

AREA_LABELS = {
    "DLIT": text("การเข้าใจและใช้เทคโนโลยีดิจิทัล", "Digital literacy"),
    "DGOV": text("การปฏิบัติตามและใช้กฎหมายด้านดิจิทัล", "Digital governance"),
    "DLEAD": text("ผู้นำดิจิทัล", "Digital leadership"),
    "DTECH": text("เทคโนโลยีดิจิทัล", "Digital technology"),
    "DSERV": text("การให้บริการดิจิทัล", "Digital service"),
    "DATA": text("การใช้ประโยชน์และแบ่งปันข้อมูล", "Data utilization and sharing"),
    "CYBER": text("ความมั่นคงปลอดภัยไซเบอร์", "Cyber security"),
}
CORE = ("DLIT", "DGOV", "DLEAD")


def node(code: str) -> roadmap.NodeView:
    return roadmap.NodeView(
        uuid=derived_uuid("framework-node", "th-ds-2567", code),
        key=f"th-ds-2567#{code}",
        code=code,
        kind="group",
        parent=None,
        label=AREA_LABELS[code],
        core=code in CORE,
        confidence="high",
        awaiting=(),
        role_groups=(),
    )


FRAMEWORK = roadmap.FrameworkView(
    id="th-ds-2567",
    version="2567",
    title=text(
        "สมรรถนะสนับสนุนการทำงานด้านดิจิทัลสำหรับข้าราชการและบุคลากรภาครัฐ",
        "Digital supporting competency for civil servants and government personnel",
    ),
    issuer="TPQI with OCSC",
    status="current",
    alignment_only=False,
    groups=tuple(node(code) for code in AREA_LABELS),
    nodes=tuple(node(code) for code in AREA_LABELS),
    role_groups=(),
    role_levels=(),
    personnel_groups=(),
    stages=(),
    scale=tuple(
        roadmap.LevelView(rank, code, text(th, en), True)
        for rank, code, th, en in [
            (0, "NOT_YET", "ยังไม่ถึงเกณฑ์", "Not yet"),
            (1, "AWARE", "รู้จัก", "Aware"),
            (2, "WORKING", "ใช้งานได้", "Working"),
            (3, "PRACTISED", "ชำนาญ", "Practised"),
            (4, "EXPERT", "เชี่ยวชาญ", "Expert"),
        ]
    ),
)

# --- the assessment ------------------------------------------------------------------------------------------------------------

CUTS = tuple(
    assessment.Cut(code, level, theta, "provisional: equal steps on the scale; no panel has met")
    for code in CORE
    for level, theta in [(1, -1.0), (2, 0.0), (3, 1.0)]
)
FORM_VIEW = assessment.FormView(
    uuid=FORM,
    key="core-2567",
    title=text("แบบประเมินทักษะดิจิทัลหลักสำหรับข้าราชการและบุคลากรภาครัฐ", "Core digital skills for civil servants and government personnel"),
    description=text(
        "วัดความรู้ความเข้าใจสามด้านหลักที่บุคลากรภาครัฐทุกคนต้องมี เพื่อวางเส้นทางการเรียนรู้ที่ตรงกับท่าน",
        "It measures the three core areas that every public official needs, so that your learning path fits you.",
    ),
    minutes=40,
    min_items=18,
    max_items=20,
    framework="th-ds-2567",
    domains=tuple(assessment.DomainView(code, f"th-ds-2567#{code}") for code in CORE),
    cuts=CUTS,
    min_items_for_level=6,
    version=1,
)


def summary(state: str) -> assessment.AttemptSummary:
    finished = NOW - timedelta(days=2) if state == "finished" else None
    return assessment.AttemptSummary(ATTEMPT, state, 1, 6, NOW - timedelta(minutes=8), finished, NOW + timedelta(minutes=32))


def option(name: str, th: str, en: str) -> assessment.OptionView:
    return assessment.OptionView(name, text(th, en))


def item(kind: str) -> assessment.ItemView:
    stems = {
        "single_choice": text(
            "ท่านได้รับอีเมลจาก “ฝ่ายบุคคล” ขอให้กดลิงก์เพื่อยืนยันรหัสผ่านภายใน 24 ชั่วโมง ควรทำอย่างไรเป็นอันดับแรก",
            "An email from “Human Resources” asks you to confirm your password by a link within 24 hours. What do you do first?",
        ),
        "multiple_choice": text("ข้อใดเป็นข้อมูลส่วนบุคคลตามกฎหมาย", "Which of these are personal data under the law?"),
        "true_false": text(
            "หน่วยงานของรัฐเปิดเผยข้อมูลสุขภาพของผู้รับบริการบนเว็บไซต์ได้ หากไม่ระบุชื่อสกุล",
            "An agency may publish its clients' health data on its website as long as no names are given.",
        ),
        "ordering": text("เรียงขั้นตอนการปรับปรุงบริการดิจิทัลให้ถูกต้อง", "Put the steps of improving a digital service in order."),
        "matching": text("จับคู่ไฟล์กับการใช้งานที่เหมาะสม", "Match each file with its proper use."),
        "numeric": text(
            "แบบสำรวจมีผู้ตอบ 250 คน พึงพอใจ 105 คน คิดเป็นร้อยละเท่าใด", "Of 250 people in a survey, 105 were satisfied. What percentage is that?"
        ),
        "short_text": text("การยืนยันตัวตนด้วยปัจจัยสองอย่างเรียกโดยย่อว่าอะไร", "What is the abbreviation for signing in with two factors?"),
    }
    options = {
        "single_choice": (
            option("a", "กดลิงก์ทันทีเพราะมีกำหนดเวลา", "Follow the link at once, because there is a deadline"),
            option(
                "b",
                "ตรวจสอบกับฝ่ายบุคคลผ่านช่องทางที่รู้จักอยู่แล้วโดยไม่กดลิงก์",
                "Check with Human Resources by a channel that you know already, without following the link",
            ),
            option("c", "ส่งต่อให้เพื่อนร่วมงานช่วยดู", "Forward it to a colleague"),
            option("d", "ตอบกลับพร้อมรหัสผ่านเก่า", "Reply with your old password"),
        ),
        "multiple_choice": (
            option("a", "เลขประจำตัวประชาชน", "National identity number"),
            option("b", "หมายเลขโทรศัพท์มือถือส่วนตัว", "Private mobile number"),
            option("c", "จำนวนประชากรของจังหวัด", "Population of a province"),
            option("d", "ลายนิ้วมือ", "Fingerprint"),
        ),
        "ordering": (
            option("c", "ทดสอบต้นแบบกับผู้ใช้", "Test a prototype with users"),
            option("a", "สำรวจความต้องการของผู้ใช้", "Find out what users need"),
            option("d", "เปิดใช้จริงและติดตามผล", "Launch it and follow the results"),
            option("b", "ออกแบบต้นแบบของบริการ", "Design a prototype of the service"),
        ),
        "matching": (
            option("s1", "ตารางงบประมาณที่ต้องคำนวณต่อ", "A budget table that others will calculate with"),
            option("s2", "ประกาศที่ต้องเผยแพร่โดยห้ามแก้ไข", "A notice to be published and not changed"),
            option("s3", "ข้อมูลเปิดให้เครื่องอ่านได้", "Open data for machines to read"),
        ),
    }
    targets = (
        option("t1", "CSV", "CSV"),
        option("t2", "สเปรดชีต", "Spreadsheet"),
        option("t3", "PDF", "PDF"),
        option("t4", "รูปภาพ", "Picture"),
    )
    return assessment.ItemView(
        presentation_uuid=derived_uuid("presentation", kind),
        kind=kind,
        stem=stems[kind],
        options=options.get(kind, ()),
        targets=targets if kind == "matching" else (),
        unit=text("ร้อยละ", "percent") if kind == "numeric" else None,
        domain="DLIT",
        time_guide_seconds=60,
    )


def step(kind: str = "single_choice", **changes: Any) -> assessment.Step:
    made = assessment.Step(
        attempt_uuid=ATTEMPT,
        state="item",
        position=7,
        min_items=18,
        max_items=20,
        deadline_at=NOW + timedelta(seconds=1384),
        seconds_left=1384,
        item=item(kind),
        saved_at=NOW - timedelta(seconds=4),
    )
    return replace(made, **changes)


def item_values(
    given: dict[str, Any] | None = None, fault: KaonaError | None = None, *, kind: str = "single_choice", **changes: Any
) -> dict[str, Any]:
    return {
        "step": step(kind, **changes),
        "given": MultiDict(given or {}),
        "fault": fault,
        "ahead": [(sheet, fields_of(sheet.item.kind, sheet.given)) for sheet in changes.get("ahead", ())],
        "back_path": f"/learn/{LAUNCH}/attempts/{ATTEMPT}",
    }


KINDS = ("single_choice", "multiple_choice", "true_false", "ordering", "matching", "numeric", "short_text")
SHEETS = tuple(
    assessment.Sheet(
        position=7 + number,
        item=replace(item(kind), presentation_uuid=derived_uuid("presentation", f"{7 + number}")),
        given={"numeric": "42", "multiple_choice": ["a", "d"]}.get(kind),
        is_flagged=kind == "matching",
    )
    for number, kind in enumerate(KINDS, start=1)
)
"""What follows the seventh item of a test whose items stand fast."""

PLACES = tuple(assessment.Place(number, number < 7 or number in {9, 13}, number in {3, 7, 12}) for number in range(1, 21))


def linear(kind: str = "single_choice", *, may_return: bool = False, **changes: Any) -> dict[str, Any]:
    """A page of a test whose items stand fast."""
    places = {"places": PLACES, "is_flagged": True} if may_return else {}
    return item_values(kind=kind, **{"min_items": 20, "max_items": 20, "ahead": SHEETS[:5], **places, **changes})


def area(
    code: str, theta: float, se: float = 0.41, n_items: int = 6, p_levels: tuple[float, ...] = (0.99, 0.86, 0.12)
) -> assessment.AreaOutcome:
    return assessment.AreaOutcome(
        domain=code,
        competency=f"th-ds-2567#{code}",
        theta=theta,
        se=se,
        wle=theta + 0.05,
        n_items=n_items,
        n_right=n_items // 2,
        level=sum(theta >= cut for cut in (-1.0, 0.0, 1.0)),
        p_levels=p_levels,
        borderline=any(abs(theta - cut) <= se for cut in (-1.0, 0.0, 1.0)),
        indicative=n_items < 6,
        verdicts=tuple("met" if p >= 0.9 else "not_met" if p <= 0.1 else "undecided" for p in p_levels) if n_items else (),
    )


def outcome(areas: tuple[assessment.AreaOutcome, ...], reason: str = "precise") -> assessment.Outcome:
    responses = []
    for one in areas:
        for number in range(one.n_items):
            shown = NOW - timedelta(minutes=20 - len(responses))
            responses.append(
                assessment.ResponseView(
                    position=len(responses) + 1,
                    presentation_uuid=derived_uuid("p", one.domain, str(number)),
                    item_uuid=derived_uuid("i", one.domain, str(number)),
                    item_key=f"{one.domain}-{number:03}",
                    item_version=1,
                    kind="single_choice",
                    stem=text("ข้อ", "Item"),
                    options=(),
                    targets=(),
                    domain=one.domain,
                    value="b",
                    correct_pattern="b",
                    score=number % 2,
                    shown_at=shown,
                    answered_at=shown + timedelta(seconds=40),
                    active_ms=38000,
                    theta_after=one.theta * (number + 1) / one.n_items,
                    se_after=1.0 - (1.0 - one.se) * (number + 1) / one.n_items,
                )
            )
    return assessment.Outcome(
        attempt_uuid=ATTEMPT,
        form=FORM_VIEW,
        person_uuid=PERSON,
        launch_ref=str(LAUNCH),
        started_at=NOW - timedelta(minutes=22),
        finished_at=NOW - timedelta(minutes=1),
        finish_reason=reason,
        theta=sum(one.theta for one in areas) / len(areas),
        se=0.26,
        areas=areas,
        responses=tuple(responses),
        n_items=sum(one.n_items for one in areas),
        scaled=0.56,
    )


FIRM = outcome((area("DLIT", 0.52), area("DGOV", -0.48, p_levels=(0.9, 0.12, 0.01)), area("DLEAD", 1.51, p_levels=(0.999, 0.99, 0.93))))
SHAKY = outcome(
    (
        area("DLIT", 0.08, 0.52, 4, (0.97, 0.55, 0.05)),
        area("DGOV", -1.2, 0.6, 3, (0.36, 0.05, 0.01)),
        area("DLEAD", 0.95, 0.41, 6, (0.99, 0.97, 0.45)),
    ),
    "time",
)


def result_values(
    made: assessment.Outcome,
    score_state: str,
    path: learning.PathView | None,
    targets: dict[str, int | None] | None = None,
    changes: dict[str, bool] | None = None,
    *,
    hindrance: assessment.Hindrance | None = None,
    rationales: dict[UUID, dict[str, str]] | None = None,
) -> dict[str, Any]:
    chosen = targets if targets is not None else {f"th-ds-2567#{code}": level for code, level in zip(CORE, (2, 2, 1), strict=True)}
    return {
        "score_state": score_state,
        "may_use": score_state == "elsewhere",
        "path": path,
        **learner.result_values(made, FRAMEWORK, chosen, changes, hindrance=hindrance, rationales=rationales),
    }


# --- roadmap and path ----------------------------------------------------------------------------------------------------------


def attainment(code: str, level: int) -> roadmap.AttainmentView:
    return roadmap.AttainmentView(
        node_key=f"th-ds-2567#{code}",
        node_uuid=node(code).uuid,
        label=AREA_LABELS[code],
        level=level,
        theta=0.5,
        se=0.41,
        as_of=NOW,
        expires_at=None,
        borderline=False,
        indicative=False,
        evidence_ids=(derived_uuid("e", code),),
        statement_ids=(derived_uuid("s", code),),
        rule_version="1",
    )


def standing(code: str, level: int | None, target: int | None, due: date | None = None) -> roadmap.Standing:
    return roadmap.Standing(
        node=node(code),
        level=level,
        target=target,
        gap=None if level is None or target is None else max(0, target - level),
        due=due,
        source=None if target is None else "agency",
        attainment=None if level is None else attainment(code, level),
    )


STANDINGS = [
    standing("DLIT", 2, 2),
    standing("DGOV", 1, 2, date(2027, 9, 30)),
    standing("DLEAD", 3, 1),
    standing("DTECH", None, None),
    standing("DSERV", None, 1),
    standing("DATA", None, None),
    standing("CYBER", None, None),
]
UNKNOWN = [standing(code, None, 2 if code in CORE else None) for code in AREA_LABELS]


def evidence(code: str, kind: str, level: int, attempt: UUID | None) -> roadmap.EvidenceView:
    return roadmap.EvidenceView(
        uuid=derived_uuid("e", code, kind),
        node_key=f"th-ds-2567#{code}",
        kind=kind,
        level=level,
        theta=0.5,
        se=0.41,
        n_items=6,
        borderline=False,
        indicative=False,
        cut_set="core-2567:1",
        attempt_uuid=attempt,
        observed_at=NOW,
        statement_id=derived_uuid("s", code, kind),
        counts=True,
        deciding=kind == "test",
    )


def resource(kind: str, th: str, en: str, url: str | None = None) -> learning.ResourceView:
    return learning.ResourceView(
        uuid=derived_uuid("resource", kind, en),
        key=f"{kind}-1",
        kind=kind,
        title=text(th, en),
        summary=text(
            "อธิบายหลักการพร้อมตัวอย่างจากงานราชการ และแบบฝึกหัดสั้น ๆ ท้ายบท",
            "The principles with examples from public service, and short exercises after each chapter.",
        ),
        provider=text("สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)", "Digital Government Development Agency"),
        hours=6.0,
        language="th",
        url=url,
        node_key="th-ds-2567#DGOV",
        level=2,
    )


REASON = text(
    "เป้าหมายของท่านในด้านการปฏิบัติตามและใช้กฎหมายด้านดิจิทัลคือระดับ “ใช้งานได้” ขั้นนี้พาท่านไปถึงระดับนั้น",
    "Your target in digital governance is the level “Working”. This step takes you there.",
)


def path_step(
    n: int, kind: str, th: str, en: str, *, state: str = "planned", hours: float = 6.0, url: str | None = None, due: date | None = None
) -> learning.StepView:
    has_resource = kind not in ("assessment", "open")
    return learning.StepView(
        uuid=derived_uuid("step", str(n)),
        position=n,
        node_key="th-ds-2567#DGOV",
        node_label=AREA_LABELS["DGOV"],
        from_level=1 if kind != "assessment" else None,
        to_level=2 if kind != "assessment" else None,
        resource=resource(kind, th, en, url) if has_resource else None,
        reason=REASON,
        reason_code="gap",
        hours=hours if kind != "open" else 0.0,
        kind=kind,
        due=due,
        state=state,
    )


STEPS = (
    path_step(
        1,
        "reading",
        "คู่มือ PDPA สำหรับหน่วยงานของรัฐ",
        "PDPA handbook for government agencies",
        state="done",
        hours=1.5,
        url="https://www.pdpc.or.th/",
    ),
    path_step(
        2, "course", "กฎหมายดิจิทัลสำหรับผู้ปฏิบัติงาน", "Digital law for operational staff", state="under_way", url="https://tdga.dga.or.th/"
    ),
    path_step(
        3,
        "practice",
        "จัดทำบันทึกรายการกิจกรรมการประมวลผลของกลุ่มงาน",
        "Draw up the record of processing activities of your unit",
        hours=12,
        due=date(2027, 9, 30),
    ),
    path_step(4, "coaching", "ให้เจ้าหน้าที่คุ้มครองข้อมูลดูงานและให้คำแนะนำ", "Have the data protection officer review your work", hours=2),
    path_step(5, "project", "โครงการปรับแบบฟอร์มขอความยินยอมของหน่วยงาน", "Project: renew the consent forms of your agency", hours=16),
    path_step(6, "open", "", ""),
    path_step(7, "assessment", "", "", hours=0.7),
)
PATH = learning.PathView(
    uuid=derived_uuid("path"),
    version=2,
    made_at=NOW,
    steps=STEPS,
    hours_by_kind={"reading": 1.5, "course": 6.0, "practice": 12.0, "coaching": 2.0, "project": 16.0},
    notes=(
        learning.NoteView(
            "withheld",
            text("จะวางขั้นเพิ่มอีกหลังจากมีผลประเมินแล้ว (รออยู่ 2 ระดับ)", "More steps will follow once you have been assessed. Levels waiting: 2."),
        ),
    ),
    rule_version="1",
)
REACHED = replace(
    PATH,
    steps=(),
    hours_by_kind={},
    notes=(learning.NoteView("all_reached", text("ท่านถึงเป้าหมายทุกด้านแล้ว", "You have reached every target.")),),
)

# --- teacher, executive, administrator ------------------------------------------------------------------------------------------

NAMES = ["นางสาวเพ็ญศรี ใจดี", "นายกิตติ ทองสุข", "แก้วตา วงศ์ประเสริฐ", None, "ว่าที่ร้อยตรี ธีรเดช ณ อยุธยา", HOSTILE]


def progress(person: UUID, state: str, n_items: int, areas: tuple[assessment.AreaOutcome, ...] = ()) -> assessment.PersonProgress:
    done = NOW - timedelta(hours=1) if state == "finished" else None
    return assessment.PersonProgress(person, derived_uuid("a", str(person)), state, n_items, NOW - timedelta(hours=2), done, areas)


def score_view(state: ScoreState, **changes: Any) -> ScoreView:
    is_sent = state == "sent"
    made = ScoreView(
        state=state,
        given=72.5,
        maximum=100.0,
        comment=None,
        is_override=False,
        sent_at=NOW - timedelta(hours=1) if is_sent else None,
        fault=None,
        cure=None,
        in_gradebook=72.5 if is_sent else None,
        read_at=NOW if is_sent else None,
        differs=False,
    )
    return replace(made, **changes)


PARKED = score_view("parked", fault=FAULTS["status 403"].what, cure=FAULTS["status 403"].cure)
CHANGED = score_view("sent", given=60.0, is_override=True, comment="ให้คะแนนเพิ่มจากงานกลุ่ม", in_gradebook=85.0, differs=True)
COLUMN = ColumnView(label="แบบประเมิน", maximum=100.0, is_gone=False)


def class_row(n: int) -> teacher.Row:
    """The n-th learner of a class: some finished, some are under way, some never came, some without a name."""
    person, kinds = derived_uuid("person", str(n)), ("finished", "open", "none", "none", "finished", "none")
    state = kinds[n % 6]
    began = None if state == "none" else NOW - timedelta(days=n % 9, hours=2)
    ended = NOW - timedelta(days=n % 9, hours=1) if state == "finished" else None
    score = None if state != "finished" else [score_view("sent"), PARKED, CHANGED, score_view("waiting")][n // 4 % 4]
    seen = None if n % 6 == 5 else NOW - timedelta(days=n % 9)
    learner = LearnerRow(person, NAMES[n % len(NAMES)], state, began, ended, seen, score.state if score else "none")
    areas = () if state != "finished" else FIRM.areas if n % 12 else SHAKY.areas
    return teacher.Row(learner, {"finished": 18, "open": 6}.get(state, 0), areas, score, is_known_elsewhere=n % 6 == 3)


def class_values(n: int = 6, members: RosterState | None = None, notice: str | None = None, **asked: str) -> dict[str, Any]:
    """The page of a class of n."""
    wish = teacher.read_asked(asked)
    rows = [row for row in map(class_row, range(n)) if wish.state in ("all", row.learner.state, row.learner.score_state)]
    states = [row.learner.state for row in map(class_row, range(n))]
    counts = Counts(n, states.count("none"), states.count("open"), states.count("finished"), parked=int(n > 4), differs=int(n > 8))
    page = ClassPage(tuple(row.learner for row in rows[:50]), counts, counts, wish.page, -(-n // 50), len(rows))
    levels = {code: {1: n // 6, 2: n // 6} for code in CORE}
    values = teacher.activity_values(FORM_VIEW, FRAMEWORK, page=page, rows=rows[:50], counts=levels, state=members or ROSTER, asked=wish)
    return {"forms": [FORM_VIEW], "notice": notice, "read_at": NOW, "under_way": under_way(n), **values}


def under_way(n: int) -> Now:
    """Those under way in a class of n: one of each kind, and the rest at work."""
    people = [class_row(number).learner for number in range(n)][: 3 * len(WATCHES)]
    watches = [WATCHES[number] if number < len(WATCHES) else "working" for number in range(len(people))]
    shown = [
        UnderWay(
            one.person_uuid, one.display_name, watch, 3 * number, NOW - number * timedelta(minutes=2), 1800 - 110 * number, number == 1
        )
        for number, (one, watch) in enumerate(zip(people, watches, strict=True))
    ]
    return Now(tuple(shown), {watch: watches.count(watch) for watch in WATCHES})


ROSTER = RosterState(is_offered=True, read_at=NOW - timedelta(minutes=4), tried_at=NOW - timedelta(minutes=4))
MOVED = RosterChange(
    NOW - timedelta(days=2), 25, 1, 2, joined=(*NAMES[:4], HOSTILE), changed=("นายกิตติ ทองสุข",), left=(None, "แก้วตา วงศ์ประเสริฐ")
)


def learner_values(
    n: int, column: ColumnView | None = COLUMN, fault: KaonaError | None = None, notice: str | None = None
) -> dict[str, Any]:
    values = teacher.learner_values(FORM_VIEW, FRAMEWORK, class_row(n), column, fault)
    given = {"points": "๑๒๐", "comment": "ดีมาก"} if fault else {}
    return {"forms": [FORM_VIEW], "notice": notice, "time": LearnerTime(None, ()), **values, "given": given}


EXTRA = (
    Allowed(derived_uuid("allowed", "1"), "sitting", assessment.Allowance(extra_minutes=10), None, NOW, can_be_taken_back=True),
    Allowed(derived_uuid("allowed", "2"), "form", assessment.Allowance(150, 0, 2, 9), NOW + timedelta(days=9), NOW, can_be_taken_back=True),
    Allowed(derived_uuid("allowed", "3"), "all", assessment.Allowance(125), None, NOW, can_be_taken_back=False),
)


def time_values(n: int, fault: KaonaError | None = None, *, is_running: bool = True) -> dict[str, Any]:
    """The second step of giving extra time."""
    time = LearnerTime(summary("open") if is_running else None, EXTRA[:1])
    allowance = assessment.Allowance(125, 10, 2, 5)
    one = class_row(n).learner
    grant = Grant(one.person_uuid, allowance, "interruption", None if is_running else FORM, ATTEMPT if is_running else None)
    ends = NOW + timedelta(minutes=52) if is_running else None
    values = {"shown_form": FORM_VIEW, "one": one, "time": time, "grant": grant, "ends": ends, "fault": fault}
    return {"forms": [FORM_VIEW], "back_path": "/", "given": {"minutes": "สิบ", "scope": "form"} if fault else {}, **values}


def figure(
    code: str, scope: int | None, assessed: int | None, met: int | None, levels: tuple[int, ...] = (), *, has_target: bool = True
) -> roadmap.AreaFigure:
    return roadmap.AreaFigure(
        node=node(code),
        has_target=has_target,
        scope=scope,
        assessed=assessed,
        met=met,
        coverage=assessed / scope if scope and assessed is not None else None,
        attainment=met / scope if scope and met is not None else None,
        mean_gap=0.6 if met is not None else None,
        levels=levels,
        unknown=scope - sum(levels) if levels and scope else None,
        hidden=None in (scope, assessed, met),
    )


def group(key: str, tenant_id: int, label: dict[str, str], scope: int | None, *figures: roadmap.AreaFigure) -> roadmap.GroupFigure:
    return roadmap.GroupFigure(key=key, tenant_id=tenant_id, label=label, scope=scope, areas=figures, hidden=scope is None)


DEFINITIONS = {
    "scope": text("บุคลากรทุกคนที่อยู่ในขอบเขต ณ วันนี้ ไม่ใช่เฉพาะผู้ที่ได้รับการประเมิน", "Everyone in scope today, not only those assessed"),
    "coverage": text("ผู้ที่ได้รับการประเมิน หารด้วยผู้ที่อยู่ในขอบเขต", "People assessed, divided by people in scope"),
    "attainment": text("ผู้ที่ถึงเป้าหมาย หารด้วยผู้ที่อยู่ในขอบเขต", "People who met their target, divided by people in scope"),
    "mean_gap": text("ค่าเฉลี่ยจำนวนระดับที่ยังขาดของผู้ที่ได้รับการประเมิน", "Mean number of levels missing among those assessed"),
    "unknown": text("ผู้ที่อยู่ในขอบเขตแต่ยังไม่มีหลักฐานระดับ", "People in scope without evidence of a level"),
}


def nation() -> roadmap.Figures:
    def row(key: str, tenant_id: int, scope: int, *counts: tuple[int, int] | None) -> roadmap.GroupFigure:
        cells = [figure(code, scope, *(pair or (None, None))) for code, pair in zip(CORE, counts, strict=True)]
        return group(key, tenant_id, {}, scope, *cells, figure("DTECH", scope, 20, None, has_target=False))

    return roadmap.Figures(
        n_scope=1204,
        areas=(
            figure("DLIT", 1204, 812, 501, (60, 251, 330, 150, 21)),
            figure("DGOV", 1204, 790, 322, (180, 310, 220, 80, 0)),
            figure("DLEAD", 1204, 640, 590, (22, 210, 280, 120, 8)),
            figure("DTECH", 1204, 40, None, (10, 10, 10, 10, 0), has_target=False),
        ),
        units=(),
        agencies=(
            row("1", 1, 620, (500, 301), (480, 122), (400, 380)),
            row("2", 2, 410, (240, 160), (238, 180), None),
            row("3", 3, 160, (72, 40), (72, 20), None),
            group("4", 4, {}, None, *(figure(code, None, None, None) for code in (*CORE, "DTECH"))),
        ),
        as_of=NOW,
        k=5,
        rule_version="1",
        definitions=DEFINITIONS,
    )


def small_agency() -> roadmap.Figures:
    return roadmap.Figures(
        n_scope=9,
        areas=(figure("DLIT", 9, 7, 5), figure("DGOV", 9, None, None), figure("DLEAD", 9, 5, None)),
        units=(
            group(
                "hr",
                1,
                text("กลุ่มทรัพยากรบุคคล", "Human resources"),
                5,
                figure("DLIT", 5, 5, 3),
                figure("DGOV", 5, None, None),
                figure("DLEAD", 5, None, None),
            ),
            group("", 1, {}, None, *(figure(code, None, None, None) for code in CORE)),
        ),
        agencies=(),
        as_of=NOW,
        k=5,
        rule_version="1",
        definitions=DEFINITIONS,
    )


AGENCIES = {
    1: text("สำนักงานคณะกรรมการพัฒนาระบบราชการ", "Office of the Public Sector Development Commission"),
    2: text("กรมการปกครอง", "Department of Provincial Administration"),
    3: text("สำนักงานสถิติแห่งชาติ", "National Statistical Office"),
    4: text("หน่วยงานตัวอย่าง", "Sample agency"),
}
CENTRAL = ExecutiveScope((1, 2, 3, 4), None, AGENCIES)
OWN = ExecutiveScope((1, 2, 3, 4), 1, {1: AGENCIES[1]})


@dataclass(frozen=True)
class Key:
    """What the page reads of a key of the record store."""

    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    key: str = field(default="k1")


def platform(**changes: Any) -> PlatformHealth:
    made = PlatformHealth(
        uuid=PERSON,
        issuer="https://lms.example.go.th",
        client_id="kaona-1",
        agency=AGENCIES[1],
        last_launch_at=NOW,
        last_score_at=NOW - timedelta(minutes=3),
        last_roster_at=NOW - timedelta(hours=5),
        oldest_waiting_at=None,
        waiting_scores=2,
        parked_scores=0,
        columns_gone=0,
        grades_missing=0,
        grades_changed=0,
        clock_difference_seconds=0.4,
        is_pending=False,
        is_disabled=False,
        findings=(),
    )
    return replace(made, **changes)


WELL = DoctorSummary((platform(waiting_scores=0),), {}, None, (), 48211, ())
ILL = DoctorSummary(
    platforms=(
        platform(
            parked_scores=2,
            columns_gone=1,
            findings=(
                parked_scores("status 403", 2, takes_scores=True),
                finding("columns_gone", n=1),
                finding("grades_changed", n=3),
                finding("keys_refused", keys="k-2019 (too_short)"),
            ),
        ),
        platform(
            issuer="https://learn.example.go.th",
            agency=AGENCIES[2],
            findings=(finding("key_set_unreachable", reason="timeout"), finding("queue_old", n=12, minutes=95)),
            last_launch_at=NOW - timedelta(days=3),
            last_score_at=None,
        ),
        platform(
            issuer="https://new.example.go.th", agency=AGENCIES[4], is_pending=True, last_launch_at=None, findings=(finding("pending"),)
        ),
        platform(issuer="https://old.example.go.th", agency=AGENCIES[3], is_disabled=True, last_launch_at=None, last_score_at=None),
    ),
    queue={"score.publish": 12, "roster.sync": 3},
    oldest_waiting_at=NOW - timedelta(minutes=41),
    parked=(
        ParkedItem(
            "score.publish", "score:12:3", "status 403", NOW - timedelta(hours=3), FAULTS["status 403"].what, FAULTS["status 403"].cure
        ),
        ParkedItem("roster.sync", "roster:7:1", "status 403", NOW - timedelta(hours=2)),
        ParkedItem("unknown.kind", "s-9", "", None),
    ),
    statements=1204113,
    keys=(
        Key("คลังข้อมูลกลาง", ("statements/read",), NOW),
        Key("old-consumer", ("statements/read/mine",), NOW - timedelta(days=300), revoked_at=NOW),
        Key("trial", ("all",), NOW - timedelta(days=90), expires_at=NOW - timedelta(days=1)),
        Key("partner", ("statements/write",), NOW, expires_at=NOW + timedelta(days=90)),
    ),
    findings=(finding("tool_key_old", days=400),),
)

# --- the designer ----------------------------------------------------------------------------------------------------------------


def choice(kind: str, th: str, en: str, code: str | None = None, level: int | None = None, *, minutes: int | None = 90) -> Choice:
    """Something that can be placed, in one area and level, or in none."""
    return Choice(
        activity=kind if code is None else f"resource:{derived_uuid('choice', en)}",
        kind=kind,
        title=text(th, en),
        summary=resource("reading", "", "").summary,
        minutes=minutes,
        areas=(f"th-ds-2567#{code}",) if code else (),
        levels=(level,) if level else (),
        is_gradable=False,
    )


ASSESSED = Choice(
    activity=f"assessment:{FORM}",
    kind="assessment",
    title=FORM_VIEW.title,
    summary=FORM_VIEW.description,
    minutes=40,
    areas=tuple(one.competency for one in FORM_VIEW.domains),
    levels=(1, 2, 3),
    is_gradable=True,
)
LONG_TITLE = ("จัดโฟลเดอร์กลางของฝ่ายให้หาเอกสารพบภายในหนึ่งนาที", "Put the section's shared folder in order so that any document is found")
CHOICES = [
    ASSESSED,
    choice("roadmap", "แผนที่พัฒนาทักษะของฉัน", "My roadmap", minutes=None),
    choice("path", "เส้นทางการเรียนรู้ของฉัน", "My learning path", minutes=None),
    choice("reading", "คู่มือ PDPA สำหรับหน่วยงานของรัฐ", "PDPA handbook for government agencies", "DGOV", 1),
    choice("practice", *LONG_TITLE, "DLIT", 1, minutes=720),
    *(choice("course", f"หลักสูตรที่ {n}", f"Course {n}", "DLEAD", 2) for n in range(1, 20)),
    choice("project", HOSTILE, HOSTILE, "DLEAD", 3),
]


def asked_for(**changes: Any) -> DeepLinkingSettings:
    return DeepLinkingSettings("https://lms.example.go.th/return", ("ltiResourceLink",), ("iframe",), **changes)


def picker(purpose: str = "course", *, chosen: tuple[str, ...] = (), fault: str | None = None, **asked: str) -> dict[str, Any]:
    return {
        "task": designer.Task(purpose, None if purpose == "link" else asked_for(accept_multiple=True)),
        "present": ASSESSED if purpose == "link" else None,
        "fault": fault,
        "back_path": f"/design/{LAUNCH}/choose",
        **designer.list_values(CHOICES, FRAMEWORK, read_wish(asked, chosen)),
    }


def terms(purpose: str, *chosen: Choice, points: str = "100", makes_columns: bool = True) -> dict[str, Any]:
    given = [replace(first_terms(one), points=points) for one in chosen]
    task = designer.Task(purpose, asked_for(accept_lineitem=makes_columns))
    return {"task": task, "back_path": f"/design/{LAUNCH}/confirm", **designer.terms_values(given, FRAMEWORK)}


def placed(one: Choice, points: float | None, fate: str) -> dict[str, Any]:
    view = PlacementView(FORM, one.activity, one.title["th"], points, "best", has_area_columns=False, is_shared=False)
    return designer.kept_values(view, one, fate)


def resource_values(shown: learning.ResourceView, path: learning.PathView | None) -> dict[str, Any]:
    return resource_page.resource_values(shown, FRAMEWORK, path)


# --- the states ----------------------------------------------------------------------------------------------------------------

LEARN = f"/learn/{LAUNCH}"
INTRO = f"{LEARN}/assessment/{FORM}"
ITEM = f"{LEARN}/attempts/{ATTEMPT}"
LABELS = {one.key: one.label for one in FRAMEWORK.nodes}


def intro(attempt: assessment.AttemptSummary | None, *, is_of_course: bool | None = None) -> dict[str, Any]:
    """is_of_course: whether the result that may be used here is of this course; None when there is none to use."""
    offer = None if is_of_course is None else Offer(ATTEMPT, NOW - timedelta(days=2), is_of_course)
    due = None if attempt else NOW + timedelta(days=9)
    here = {"admission": Admission(assessment.OPEN_TO_ALL), "fault": None, "own_time": assessment.AllowedTime(40, 0, 0, is_more=False)}
    return {"form": FORM_VIEW, "attempt": attempt, "offer": offer, "labels": LABELS, "due": due, **here}


def roadmap_values(standings: list[roadmap.Standing], path: learning.PathView | None, *, with_evidence: bool) -> dict[str, Any]:
    found = [
        (AREA_LABELS["DLIT"], [evidence("DLIT", "test", 2, ATTEMPT), evidence("DLIT", "course", 1, None)]),
        (AREA_LABELS["DGOV"], [evidence("DGOV", "test", 1, ATTEMPT)]),
    ]
    return {"evidence": found if with_evidence else [], "forms": [FORM_VIEW], **learner.roadmap_values(FRAMEWORK, standings, path)}


def path_values(path: learning.PathView | None) -> dict[str, Any]:
    return {"forms": [FORM_VIEW], **learner.path_values(FRAMEWORK, path)}


def error(made: KaonaError, status: int) -> dict[str, Any]:
    return {"error": made, "status": status, "reference": "Q7XK2M9A", "language": "th"}


def _undecided_states() -> Iterator[State]:
    """Results that do not tell yet whether what the role asks for is reached, and when the next chance is."""
    page, at = "learner/result.html", f"{ITEM}/result"
    later, none_left = assessment.Hindrance("too_soon", NOW + timedelta(days=30)), assessment.Hindrance("used_up")
    by_list = outcome(SHAKY.areas, "all_items")
    yield State("result-undecided-later", at, page, lambda: result_values(SHAKY, "sent", PATH, hindrance=later))
    yield State("result-undecided-last", at, page, lambda: result_values(by_list, "sent", PATH, hindrance=none_left))


def _learner_states() -> Iterator[State]:
    yield State("intro-new", INTRO, "learner/intro.html", lambda: intro(None))
    yield State("intro-pilots", INTRO, "learner/intro.html", lambda: {**intro(None), "form": replace(FORM_VIEW, n_pilots=2)})
    yield State("intro-open", INTRO, "learner/intro.html", lambda: intro(summary("open")), framed=True)
    yield State("intro-finished", INTRO, "learner/intro.html", lambda: intro(summary("finished")))
    for kind in ("single_choice", "multiple_choice", "true_false", "ordering", "matching", "numeric", "short_text"):
        yield State(f"item-{kind}", ITEM, "learner/item.html", lambda kind=kind: item_values(kind=kind))
    yield State("item-first", ITEM, "learner/item.html", lambda: item_values(position=1, saved_at=None), framed=True)
    yield State("item-last-minute", ITEM, "learner/item.html", lambda: item_values(position=20, seconds_left=55))
    yield State("item-moved-here", ITEM, "learner/item.html", lambda: item_values(device_moved=True))
    yield from _handed_out_states()
    yield State(
        "item-refused-number",
        ITEM,
        "learner/item.html",
        lambda: item_values({"value": "สี่สิบสอง"}, NumberExpected(), kind="numeric"),
        status=422,
    )
    yield State(
        "item-refused-choice",
        ITEM,
        "learner/item.html",
        lambda: item_values({"value": "c"}, AnswerInvalid(), kind="multiple_choice"),
        status=422,
    )
    yield State(
        "item-refused-order",
        ITEM,
        "learner/item.html",
        lambda: item_values({"order-a": "1", "order-b": "1"}, AnswerInvalid(), kind="ordering"),
        status=422,
    )
    yield State("result-firm-sent", f"{ITEM}/result", "learner/result.html", lambda: result_values(FIRM, "sent", PATH))
    grown = dict.fromkeys(CORE[:2], True) | {CORE[2]: False}
    rated, calibrated = replace(FIRM, rests_on="rating"), replace(FIRM, rests_on="calibrated", n_tried=2)
    yield State("result-by-rating", f"{ITEM}/result", "learner/result.html", lambda: result_values(rated, "sent", PATH))
    yield State("result-calibrated", f"{ITEM}/result", "learner/result.html", lambda: result_values(calibrated, "sent", PATH))
    yield State("result-grown", f"{ITEM}/result", "learner/result.html", lambda: result_values(FIRM, "sent", PATH, changes=grown))
    yield State("result-shaky-parked", f"{ITEM}/result", "learner/result.html", lambda: result_values(SHAKY, "parked", REACHED, {}))
    yield from _undecided_states()
    yield State("result-waiting", f"{ITEM}/result", "learner/result.html", lambda: result_values(FIRM, "waiting", None))
    two = outcome(FIRM.areas[:2], "max_items")
    yield State("result-two-areas", f"{ITEM}/result", "learner/result.html", lambda: result_values(two, "none", PATH), framed=True)
    yield State("roadmap-known", f"{LEARN}/roadmap", "learner/roadmap.html", lambda: roadmap_values(STANDINGS, PATH, with_evidence=True))
    yield State("roadmap-unknown", f"{LEARN}/roadmap", "learner/roadmap.html", lambda: roadmap_values(UNKNOWN, None, with_evidence=False))
    yield State("roadmap-empty", f"{LEARN}/roadmap", "learner/roadmap.html", lambda: roadmap_values([], None, with_evidence=False))
    yield State("path-steps", f"{LEARN}/path", "learner/path.html", lambda: path_values(PATH))
    yield State("path-reached", f"{LEARN}/path", "learner/path.html", lambda: path_values(REACHED))
    yield State("path-none", f"{LEARN}/path", "learner/path.html", lambda: path_values(None))


def _handed_out_states() -> Iterator[State]:
    """Tests whose items stand fast."""
    yield State("item-linear", ITEM, "learner/item.html", linear)
    yield State("item-review", ITEM, "learner/item.html", lambda: linear(may_return=True, given={"value": "b"}))
    yield State("item-review-framed", ITEM, "learner/item.html", lambda: linear("matching", may_return=True), framed=True)
    over = {"state": "summary", "item": None, "position": 20}
    yield State("item-summary", ITEM, "learner/summary.html", lambda: linear(may_return=True, **over))
    done = tuple(assessment.Place(number, True, False) for number in range(1, 21))
    yield State("item-summary-all", ITEM, "learner/summary.html", lambda: linear(may_return=True, places=done, **over), framed=True)
    shown = {one.presentation_uuid: text("เพราะเป็นวิธีที่ปลอดภัย", "Because this way is safe") for one in FIRM.responses[:3]}
    asked = item("single_choice")
    told = [replace(one, stem=asked.stem, options=asked.options, is_flagged=one.position == 2) for one in FIRM.responses[:2]]
    open_form = replace(FIRM, responses=(*told, replace(told[0], position=3, value=None, score=0), replace(told[0], position=4, score=0.5)))
    yield State("result-answers", f"{ITEM}/result", "learner/result.html", lambda: result_values(open_form, "sent", PATH, rationales=shown))
    fixed = replace(FORM_VIEW, type="linear", min_items=20)
    yield State("intro-linear", INTRO, "learner/intro.html", lambda: {**intro(None), "form": fixed})
    yield State("intro-review", INTRO, "learner/intro.html", lambda: {**intro(None), "form": replace(fixed, review=True)}, framed=True)


def _states() -> Iterator[State]:
    yield from _learner_states()
    teach = f"/teach/{LAUNCH}/activities/{FORM}"
    yield from _teacher_states(teach)

    lead = f"/executive/{LAUNCH}/"
    yield State(
        "executive-nation", lead, "executive/home.html", lambda: executive.home_values(nation(), CENTRAL, FRAMEWORK, {}), Role.EXECUTIVE
    )
    yield State(
        "executive-area",
        lead,
        "executive/home.html",
        lambda: executive.home_values(nation(), CENTRAL, FRAMEWORK, {"area": "DGOV", "measure": "coverage", "group": "2"}),
        Role.EXECUTIVE,
    )
    yield State(
        "executive-small", lead, "executive/home.html", lambda: executive.home_values(small_agency(), OWN, FRAMEWORK, {}), Role.EXECUTIVE
    )

    yield State("admin-well", f"/admin/{LAUNCH}/", "admin/home.html", lambda: admin.home_values(WELL), Role.ADMINISTRATOR)
    yield State("admin-ill", f"/admin/{LAUNCH}/", "admin/home.html", lambda: admin.home_values(ILL), Role.ADMINISTRATOR)

    yield from platform_states(State, NOW, LAUNCH)
    yield from record_states(State, NOW, LAUNCH)
    yield from item_states(State, NOW, LAUNCH, FORM_VIEW, FRAMEWORK)
    yield from message_states(State, NOW, LAUNCH, FIRM, FRAMEWORK)
    yield from admission_states(State, NOW, LAUNCH, FORM_VIEW, intro)

    page = "errors/page.html"
    yield State("error-moved", ITEM, page, lambda: error(AttemptMoved(), 409), status=409)
    yield State("error-closed", ITEM, page, lambda: error(AttemptClosed(), 409), status=409)
    yield State("error-answered", ITEM, page, lambda: error(AlreadyAnswered(), 409), status=409)
    yield State("error-not-found", f"{ITEM}/result", page, lambda: error(NotFound(), 404), status=404)
    yield State("error-away", f"{LEARN}/roadmap", page, lambda: error(Unavailable(), 503), status=503)
    yield State("error-teacher", teach, page, lambda: error(Unexpected(), 500), Role.INSTRUCTOR, status=500)
    yield State("error-request", "/lti/launch", page, lambda: error(RequestRefused(), 400), None, status=400)
    yield State(
        "error-issuer", "/lti/login", page, lambda: error(IssuerUnknown(issuer=f"https://evil.example/{HOSTILE}"), 400), None, status=400
    )
    yield State(
        "error-cookie",
        "/lti/launch",
        page,
        lambda: error(BindingMissing(relaunch_url="/lti/login?iss=https%3A%2F%2Flms.example.go.th"), 400),
        None,
        status=400,
    )
    yield State("launch-opening", "/lti/login", "launch/storage.html", lambda: STORAGE, None)
    yield from _way_out_states()
    yield State("error-removed", f"{LEARN}/path", page, lambda: error(MemberRemoved(), 403), status=403)
    yield State("error-right", "/lti/launch", page, lambda: error(RightMissing(), 403), None, status=403)
    reason = "launch_presentation/locale: type"
    yield State("error-claims", "/lti/launch", page, lambda: error(MessageInvalid(reason=reason), 400), None, status=400)
    yield State("front", "/", "front/page.html", dict, None)
    yield State("error-session", f"{LEARN}/path", page, lambda: error(SessionMissing(), 401), None, status=401)


def _way_out_states() -> Iterator[State]:
    """From a frame into a tab of its own, and where that does not help."""
    asked, page = "launch/continue.html", "errors/page.html"
    spoken = {"ticket": "x" * 48, "found": TICKET}
    nameless = {"ticket": "x" * 48, "found": replace(TICKET, display_name=None, context_title=None)}
    yield State("launch-tab", "/lti/launch", "launch/tab.html", lambda: {"ticket": "x" * 48, "seconds": 60}, None, in_both=True)
    yield State("launch-continue", "/lti/tab/x", asked, lambda: spoken, None, in_both=True)
    yield State("launch-continue-nameless", "/lti/tab/x", asked, lambda: nameless, None, in_both=True)
    yield State("error-ticket", "/lti/tab/x", page, lambda: error(TicketSpent(), 400), None, status=400)
    yield State("error-choice", "/lti/login", page, lambda: error(ChoiceNeedsCookie(), 400), None, status=400)


def _designer_states() -> Iterator[State]:
    design, learnt = f"/design/{LAUNCH}/choose", f"{LEARN}/resources/{STEPS[1].resource.uuid}"
    yield State("picker-several", design, "designer/choose.html", picker, Role.DESIGNER, framed=True)
    ticked = (CHOICES[0].activity, CHOICES[-1].activity)
    yield State("picker-ticked", design, "designer/choose.html", lambda: picker(chosen=ticked, page="2"), Role.INSTRUCTOR, framed=True)
    yield State("picker-link", design, "designer/choose.html", lambda: picker("link", kind="course"), Role.INSTRUCTOR)
    yield State("picker-empty", design, "designer/choose.html", lambda: picker("file", q=HOSTILE * 3, level="1"), Role.INSTRUCTOR)
    yield State(
        "picker-nothing", design, "designer/choose.html", lambda: picker(fault="โปรดเลือกอย่างน้อยหนึ่งกิจกรรม"), Role.INSTRUCTOR, status=422
    )
    yield State("terms-course", design, "designer/confirm.html", lambda: terms("course", ASSESSED, CHOICES[4]), Role.DESIGNER, framed=True)
    yield State(
        "terms-no-columns", design, "designer/confirm.html", lambda: terms("course", ASSESSED, makes_columns=False), Role.INSTRUCTOR
    )
    yield State("terms-file", design, "designer/confirm.html", lambda: terms("file", *CHOICES[3:5], CHOICES[-1]), Role.INSTRUCTOR)
    yield State("terms-refused", design, "designer/confirm.html", lambda: terms("link", ASSESSED, points="๐"), Role.INSTRUCTOR, status=422)
    yield State("kept-graded", design, "designer/kept.html", lambda: placed(ASSESSED, 12.5, "missing"), Role.INSTRUCTOR)
    yield State("kept-resource", design, "designer/kept.html", lambda: placed(CHOICES[4], None, "idle"), Role.DESIGNER, framed=True)
    yield State("resource-under-way", learnt, "learner/resource.html", lambda: resource_values(STEPS[1].resource, PATH))
    yield State("resource-planned", learnt, "learner/resource.html", lambda: resource_values(STEPS[2].resource, PATH), framed=True)
    yield State("resource-off-path", learnt, "learner/resource.html", lambda: resource_values(STEPS[0].resource, None))
    yield State("nothing-yet", f"{LEARN}/resources/none-yet", "learner/nothing_yet.html", dict)
    yield State("preview-intro", INTRO, "learner/intro.html", lambda: intro(None), framed=True, is_preview=True)
    yield State("preview-item", ITEM, "learner/item.html", lambda: item_values(position=1, saved_at=None), framed=True, is_preview=True)
    yield State("preview-path", f"{LEARN}/path", "learner/path.html", lambda: path_values(None), is_preview=True)


def _elsewhere_states() -> Iterator[State]:
    """Results that came about through other links, and what counts nowhere."""
    page, result = "learner/intro.html", "learner/result.html"
    yield State("intro-result-elsewhere", INTRO, page, lambda: intro(summary("finished"), is_of_course=False), framed=True)
    yield State("intro-result-of-course", INTRO, page, lambda: intro(summary("finished"), is_of_course=True))
    yield State("result-elsewhere", f"{ITEM}/result", result, lambda: result_values(FIRM, "elsewhere", PATH), framed=True)
    nothing = replace(FIRM, n_items=0)
    yield State("result-nothing-answered", f"{ITEM}/result", result, lambda: result_values(nothing, "none", PATH))


def _teacher_states(teach: str) -> Iterator[State]:
    page = "teacher/activity.html"
    old = replace(ROSTER, change=MOVED, is_coming=True)
    failing = replace(ROSTER, fault="status 503")
    for name, values, framed in [
        ("class-mixed", class_values, False),
        ("class-large", lambda: class_values(15_000, sort="activity", page="7", notice="reading"), False),
        ("class-parked", lambda: class_values(12, state="parked", sort="state", notice="resent"), False),
        ("class-search-nobody", lambda: class_values(1, state="open", q=HOSTILE), False),
        ("class-empty", lambda: class_values(0, RosterState(is_offered=False)), True),
        ("class-first-reading", lambda: class_values(0, RosterState(is_offered=True, is_coming=True)), True),
        ("class-change", lambda: class_values(8, old), True),
        ("class-roster-away", lambda: class_values(3, failing), False),
        ("class-roster-cut", lambda: class_values(3, replace(failing, fault="page_cap")), False),
        ("class-roster-refused", lambda: class_values(3, replace(failing, read_at=None, fault="scope_missing")), False),
    ]:
        yield State(name, teach, page, values, Role.INSTRUCTOR, framed=framed)
    one = f"{teach}/learners/{PERSON}"
    page = "teacher/learner.html"
    yield State("learner-finished", one, page, lambda: learner_values(0), Role.INSTRUCTOR)
    yield State("learner-parked", one, page, lambda: learner_values(4, notice="overridden"), Role.INSTRUCTOR, framed=True)
    yield State("learner-changed", one, page, lambda: learner_values(10), Role.INSTRUCTOR)
    yield State("learner-never-came", one, page, lambda: learner_values(5), Role.INSTRUCTOR)
    yield State("learner-ungraded", one, page, lambda: learner_values(3, None), Role.INSTRUCTOR)
    wrong = ScoreInvalid(reason="points are finite numbers")
    yield State("learner-wrong-points", one, page, lambda: learner_values(4, fault=wrong), Role.INSTRUCTOR, status=422)


def _time_states() -> Iterator[State]:
    """The time of a sitting: limits of items, pauses, extra time, and what is told of it before the start."""
    page, intro_page = "learner/item.html", "learner/intro.html"
    rights = {"pauses_left": 2, "pause_minutes": 10, "away_minutes": 15}
    yield State("item-timed", ITEM, page, lambda: item_values(item_seconds_left=45, **rights))
    late = {"is_item_late": True, "item_seconds_left": 9, "seconds_left": 290}
    yield State("item-late", ITEM, page, lambda: item_values(**late, **rights), framed=True)
    paused = {"state": "paused", "item": None, "pause_ends_at": NOW + timedelta(minutes=8)}
    yield State("paused", ITEM, "learner/paused.html", lambda: item_values(**paused, **rights))
    own = assessment.AllowedTime(70, 2, 10, is_more=True)
    lenient = replace(FORM_VIEW, away_minutes=15, pauses=2, pause_minutes=10, item_seconds=90)
    yield State("intro-own-time", INTRO, intro_page, lambda: {**intro(None), "form": lenient, "own_time": own})
    yield State("intro-open-lenient", INTRO, intro_page, lambda: {**intro(summary("open")), "form": lenient, "own_time": own}, framed=True)
    teach = f"/teach/{LAUNCH}/activities/{FORM}"
    one = f"{teach}/learners/{PERSON}"
    running = {"time": LearnerTime(summary("open"), EXTRA)}
    yield State("learner-time", one, "teacher/learner.html", lambda: {**learner_values(4, notice="time"), **running}, Role.INSTRUCTOR)
    yield State("time-confirm", f"{one}/time", "teacher/time.html", lambda: time_values(4), Role.INSTRUCTOR, framed=True)
    yield State("time-confirm-form", f"{one}/time", "teacher/time.html", lambda: time_values(4, is_running=False), Role.INSTRUCTOR)
    refused = AccommodationInvalid(reason="extra minutes are 0 to 1440")
    yield State("time-refused", f"{one}/time", "teacher/time.html", lambda: time_values(4, refused), Role.INSTRUCTOR, status=422)
    yield State("error-paused", ITEM, "errors/page.html", lambda: error(AttemptPaused(), 409), status=409)


STATES = {state.name: state for state in (*_states(), *_elsewhere_states(), *_designer_states(), *_time_states())}


def create_pages_app(data_dir: Path) -> KaonaApp:
    """An application with our pages, whose every address shows the state that its query names: `?state=<name>&as=<language>`."""
    app = KaonaApp("lti_tool", template_folder="../templates", static_folder="static")
    app.settings = Settings(data_dir=data_dir)
    app.clock = lambda: NOW
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(pages.compile_translations(data_dir))
    app.config["BABEL_DEFAULT_LOCALE"] = "th"
    Babel(app, locale_selector=pages.page_language)
    pages.register(app)
    fonts.register(app)
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    for one in (
        learner,
        sitting_page,
        teacher,
        executive,
        admin,
        item_analysis,
        platform_pages,
        record_pages,
        registration_page,
        front,
        resource_page,
        review_page,
        privacy,
        leave,
        designer,
        admission_page,
        integrity_page,
        tab,
    ):
        app.register_blueprint(one.blueprint)
    app.before_request(_show)
    return app


def _show() -> Any:
    state = STATES.get(request.args.get("state", ""))
    return None if state is None else show(state, request.args.get("as", "th"))


def show(state: State, language: str) -> Any:
    """The page of one state, with the headers that matter to a browser."""
    g.now = NOW
    g.principal = (
        None
        if state.role is None
        else replace(PRINCIPAL, locale=language, roles=frozenset({state.role}), framed=state.framed, is_preview=state.is_preview)
    )
    headers = {"Content-Security-Policy": POLICY.format(ancestors="'none'"), "X-Kaona": "1"}
    values = state.values()
    page = pages.in_language(language, state.template, **values, now=NOW) if state.in_both else render_template(state.template, **values)
    return page, state.status, headers


def address(state: State, language: str) -> str:
    """Path and query under which `create_pages_app` shows a state."""
    return f"{state.path}?state={state.name}&as={language}"
