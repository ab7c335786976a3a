"""The states of the pages of item analysis."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import assessment.api as assessment
import roadmap.api as roadmap
from lti_tool.views import item_analysis
from lti_tool.web.principal import Role

ITEM = UUID("55555555-5555-4555-8555-555555555555")
TEXTS = {
    1: assessment.ItemText(
        {
            "th": "ท่านได้รับอีเมลขอให้เปิดลิงก์เพื่อยืนยันรหัสผ่าน ควรทำอย่างไร",
            "en": "An e-mail asks you to open a link and confirm your password. What do you do?",
        },
        {
            "a": {"th": "แจ้งผู้ดูแลระบบของหน่วยงาน", "en": "Report it to the agency's administrators"},
            "b": {"th": "เปิดลิงก์แล้วตรวจดู", "en": "Open the link and have a look"},
            "c": {"th": "ส่งต่อให้เพื่อนร่วมงานช่วยดู", "en": "Forward it to a colleague"},
            "d": {"th": "ตอบกลับเพื่อขอข้อมูลเพิ่ม", "en": "Answer and ask for more"},
        },
    )
}
OPTIONS = (
    ("a", True, (0.22, 0.41, 0.55, 0.71, 0.88), 0.41),
    ("b", False, (0.31, 0.22, 0.18, 0.11, 0.05), -0.24),
    ("c", False, (0.27, 0.21, 0.15, 0.10, 0.04), -0.19),
    ("d", False, (0.20, 0.16, 0.12, 0.08, 0.03), 0.06),
)


def dif(delta: float, ets: str, size: str = "A") -> dict[str, Any]:
    logistic = {
        "chi2": 8.1, "p": 0.017, "uniform_chi2": 7.9, "uniform_p": 0.005, "nonuniform_chi2": 0.2, "nonuniform_p": 0.65,
        "delta": delta, "r2_change": 0.041, "size": size,
    }  # fmt: skip
    return {
        "mh_chi2": 7.6, "mh_alpha": 1.9, "mh_delta": delta, "ets": ets, "p_difference": delta / 14, "logistic": logistic,
        "n_reference": 4210, "n_focal": 812,
    }  # fmt: skip


def item(key: str, *, uuid: UUID = ITEM, flags: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    options = [
        {"option": name, "is_key": is_key, "share": sum(shares) / 5, "by_fifth": list(shares), "correlation": correlation, "n": 900}
        for name, is_key, shares, correlation in OPTIONS
    ]
    return {
        "item": f"{key} v1", "key": key, "uuid": str(uuid), "version": 1, "version_id": 1, "kind": "single_choice", "is_pilot": False,
        "n": 1843,
        "facility": 0.62, "discrimination": 0.34, "point_biserial": 0.47, "efficiency": 0.55, "effective_weight": 0.021,
        "fit": {"infit": 0.98, "outfit": 1.03}, "s_x2": {"s_x2": 21.4, "df": 17, "p": 0.21}, "distractors": options,
        "groups": [
            {"attribute": "ministry", "label": "กระทรวงมหาดไทย", "dif": dif(-1.84, "C", "B")},
            {"attribute": "device", "label": "phone", "dif": dif(-0.42, "A")},
            {"attribute": "accommodation", "label": "with", "dif": dif(0.65, "A")},
        ],
        "drift": None, "flags": list(flags),
    } | fields  # fmt: skip


def document(*, is_sparse: bool = False) -> dict[str, Any]:
    flagged = item("DLIT-007", flags=("group_difference", "wrong_option_attracts"), drift={"z": 3.1, "change_b": 0.42})
    plain = [item(f"DLIT-{n:03}", uuid=UUID(int=n), facility=0.25 + n / 20, groups=[], discrimination=0.1 + n / 30) for n in range(1, 6)]
    few = item("DLIT-012", uuid=UUID(int=12), fit=None, s_x2=None, discrimination=None, point_biserial=None, distractors=[], groups=[], n=4)
    whole = {
        "n_persons": 5022, "alpha": 0.81, "kr20": 0.81, "error_ratio": 0.43, "sem": 1.62, "reliability": 0.79, "matched_by": "total",
        "set_aside": {}, "left_out": {}, "decisions": {"accuracy": 0.91, "consistency": 0.87, "kappa": 0.72, "raw_cuts": []},
    }  # fmt: skip
    if is_sparse:
        whole |= {"alpha": None, "kr20": None, "sem": None, "matched_by": "ability", "left_out": {"alpha": "sparse", "s_x2": "sparse"}}
    groups = {"ministry": {"กระทรวงมหาดไทย": 812, "กระทรวงสาธารณสุข": 7}, "device": {"computer": 3100, "phone": 1900}}
    return {"groups": groups, "domains": [{"code": "DLIT", **whole, "items": [flagged, *plain, few]}]}


def item_states(state: Any, now: datetime, launch: UUID, form: assessment.FormView, framework: roadmap.FrameworkView) -> Iterator[Any]:
    """The states. state: the class of one; now, launch, form, framework: of the pages' world."""
    at = f"/admin/{launch}/items/"
    one, course = f"{at}forms/{form.uuid}/{ITEM}", f"/teach/{launch}/activities/{form.uuid}/items/"
    found = assessment.AnalysisView(form.uuid, "tenant:1", now - timedelta(hours=3), 5022, document(), 5022, is_stale=False)
    old = replace(found, document=document(is_sparse=True), n_finished=5040, is_stale=True)
    nothing = replace(found, as_of=None, n_persons=0, document={"groups": {}, "domains": []}, n_finished=0)
    review = assessment.ItemReviewView(
        UUID(int=6), form.uuid, ITEM, "DLIT-007", 1, ("group_difference", "wrong_option_attracts"),
        now - timedelta(days=2), None, None, None, None,
    )  # fmt: skip
    decided = replace(
        review, uuid=UUID(int=7), item_key="DLIT-003", decision="revise", reason="ตัวเลือก ง. ถูกได้ในบางหน่วยงาน ให้ผู้เขียนแก้ไข",
        closed_by="user:12", closed_at=now - timedelta(days=1),
    )  # fmt: skip
    shared = {"scope_word": None, "may_see_all": True}
    boss = {"role": Role.ADMINISTRATOR}
    yield state("items", at, "admin/items.html", lambda: {**shared, **item_analysis.home_values([form], [review, decided])}, **boss)
    yield state(
        "items-none", at, "admin/items.html", lambda: {**shared, "may_see_all": False, **item_analysis.home_values([form], [])}, **boss
    )
    values = item_analysis.form_values
    path = f"{at}forms/{form.uuid}"
    yield state("item-form", path, "admin/item_form.html", lambda: {**shared, **values(form, framework, found)}, **boss)
    yield state(
        "item-form-old", path, "admin/item_form.html", lambda: {**shared, "scope_word": "all", **values(form, framework, old)}, **boss
    )
    yield state("item-form-empty", path, "admin/item_form.html", lambda: {**shared, **values(form, framework, nothing)}, **boss)
    yield state(
        "item-flagged", one, "admin/item.html",
        lambda: {**shared, **item_analysis.item_values(form, framework, found, ITEM, [review], texts=TEXTS)}, **boss,
    )  # fmt: skip
    yield state(
        "item-undecided", one, "admin/item.html",
        lambda: {
            **shared,
            **item_analysis.item_values(
                form, framework, found, ITEM, [review], texts=TEXTS, given={"decision": "keep"}, fault=assessment.DecisionInvalid()
            ),
        },
        status=422, **boss,
    )  # fmt: skip
    yield state(
        "item-decided", one, "admin/item.html",
        lambda: {**shared, **item_analysis.item_values(form, framework, found, ITEM, [decided], texts=TEXTS, was_decided=True)}, **boss,
    )  # fmt: skip
    teacher = {"role": Role.INSTRUCTOR}
    yield state(
        "course-items", course, "teacher/items.html",
        lambda: {"forms": [form], **item_analysis.course_values(form, framework, found)}, **teacher,
    )  # fmt: skip
    yield state(
        "course-items-few", course, "teacher/items.html",
        lambda: {"forms": [form], **item_analysis.course_values(form, framework, replace(found, n_persons=4, n_finished=4))}, **teacher,
    )  # fmt: skip
