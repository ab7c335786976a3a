"""Every verb, activity type and extension that our statements use, with what it means in Thai and English; served at /xapi-profile.

Verbs and activity types are those of ADL and of the TLA profile; only the extensions are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.ids import derived_uuid
from kernel.langmap import LangMap


@dataclass(frozen=True, slots=True)
class Term:
    """One word of the vocabulary."""

    iri: str
    label: LangMap
    definition: LangMap
    schema: Mapping[str, object] | None = None
    """JSON Schema of an extension's value."""


PROFILE: Final = Term(
    "https://w3id.org/kaona/xapi/profile/v1",
    {"th": "โพรไฟล์ xAPI ของก้าวหน้า", "en": "Kaona xAPI profile"},
    {
        "th": "กติกาของ statement ที่เครื่องมือก้าวหน้าสร้างขึ้น",
        "en": "The rules of the statements that Kaona makes.",
    },
)

_ADL_VERBS = "http://adlnet.gov/expapi/verbs/"

INITIALIZED: Final = Term(
    f"{_ADL_VERBS}initialized",
    {"th": "เริ่มทำ", "en": "initialized"},
    {"th": "ผู้เรียนเริ่มทำแบบประเมิน", "en": "The learner began an attempt at the assessment."},
)
ANSWERED: Final = Term(
    f"{_ADL_VERBS}answered",
    {"th": "ตอบ", "en": "answered"},
    {"th": "ผู้เรียนตอบข้อคำถามหนึ่งข้อ", "en": "The learner answered one item."},
)
COMPLETED: Final = Term(
    f"{_ADL_VERBS}completed",
    {"th": "ทำเสร็จ", "en": "completed"},
    {"th": "การทำแบบประเมินครั้งนั้นสิ้นสุดแล้ว", "en": "The attempt at the assessment has ended."},
)
TERMINATED: Final = Term(
    f"{_ADL_VERBS}terminated",
    {"th": "ยุติ", "en": "terminated"},
    {
        "th": "การทำแบบประเมินครั้งนั้นสิ้นสุดโดยไม่มีคำตอบ จึงไม่มีคะแนน",
        "en": "The attempt at the assessment has ended without an answer, and so without a score.",
    },
)
PASSED: Final = Term(
    f"{_ADL_VERBS}passed",
    {"th": "ผ่าน", "en": "passed"},
    {
        "th": "ผลของด้านหนึ่งถึงระดับที่กำหนดไว้ว่าผ่าน",
        "en": "The result in one area reached the level set for passing.",
    },
)
FAILED: Final = Term(
    f"{_ADL_VERBS}failed",
    {"th": "ไม่ผ่าน", "en": "failed"},
    {
        "th": "ผลของด้านหนึ่งยังไม่ถึงระดับที่กำหนดไว้ว่าผ่าน",
        "en": "The result in one area has not reached the level set for passing.",
    },
)
SCORED: Final = Term(
    f"{_ADL_VERBS}scored",
    {"th": "ได้ผล", "en": "scored"},
    {
        "th": "ผลของด้านหนึ่งยังไม่พอจะสรุปว่าถึงระดับที่กำหนดไว้ว่าผ่านหรือไม่ จึงไม่ใช่การไม่ผ่าน",
        "en": "The result in one area does not yet tell whether the level set for passing was reached, so it is no failure.",
    },
)
VERBS: Final = (INITIALIZED, ANSWERED, COMPLETED, TERMINATED, PASSED, FAILED, SCORED)

ASSESSMENT: Final = Term(
    "http://adlnet.gov/expapi/activities/assessment",
    {"th": "แบบประเมิน", "en": "assessment"},
    {"th": "แบบประเมินทั้งฉบับ หรือส่วนหนึ่งของแบบประเมิน", "en": "A whole assessment, or one area of it."},
)
INTERACTION: Final = Term(
    "http://adlnet.gov/expapi/activities/cmi.interaction",
    {"th": "ข้อคำถาม", "en": "interaction"},
    {"th": "ข้อคำถามหนึ่งข้อ", "en": "One item of an assessment."},
)
COMPETENCY: Final = Term(
    "https://w3id.org/xapi/tla/activity-types/competency",
    {"th": "สมรรถนะ", "en": "competency"},
    {"th": "สมรรถนะหนึ่งด้านในกรอบสมรรถนะ", "en": "One competency of a framework."},
)
PROFILE_TYPE: Final = Term(
    "http://adlnet.gov/expapi/activities/profile",
    {"th": "โพรไฟล์", "en": "profile"},
    {"th": "โพรไฟล์ที่ statement เป็นไปตาม", "en": "A profile that the statement follows."},
)
ACTIVITY_TYPES: Final = (ASSESSMENT, INTERACTION, COMPETENCY, PROFILE_TYPE)

_EXTENSIONS = "https://w3id.org/kaona/xapi/ext/"

LEVEL: Final = Term(
    f"{_EXTENSIONS}level",
    {"th": "ระดับ", "en": "level"},
    {
        "th": "ระดับที่ได้ในด้านหนึ่ง: 0 ยังไม่ถึงเกณฑ์ 1 รู้จัก 2 ใช้งานได้ 3 ชำนาญ เกณฑ์เป็นค่าชั่วคราว",
        "en": "Level reached in one area: 0 not yet, 1 aware, 2 working, 3 practised. The cuts are provisional.",
    },
    {"type": "integer", "minimum": 0, "maximum": 4},
)
THETA: Final = Term(
    f"{_EXTENSIONS}theta",
    {"th": "ค่าความสามารถ", "en": "ability"},
    {
        "th": "ค่าประมาณความสามารถในด้านหนึ่ง หน่วยลอจิต (ค่าเฉลี่ยภายหลัง)",
        "en": "Estimate of ability in one area, in logits (posterior mean).",
    },
    {"type": "number"},
)
STANDARD_ERROR: Final = Term(
    f"{_EXTENSIONS}standard-error",
    {"th": "ความคลาดเคลื่อน", "en": "standard error"},
    {
        "th": "ความคลาดเคลื่อนมาตรฐานของค่าความสามารถ หน่วยลอจิต",
        "en": "Standard error of the ability, in logits.",
    },
    {"type": "number", "minimum": 0},
)
ITEMS: Final = Term(
    f"{_EXTENSIONS}items",
    {"th": "จำนวนข้อ", "en": "items"},
    {"th": "จำนวนข้อที่ตอบซึ่งผลนี้อาศัย", "en": "Number of answered items that the result rests on."},
    {"type": "integer", "minimum": 0},
)
BORDERLINE: Final = Term(
    f"{_EXTENSIONS}borderline",
    {"th": "อยู่ใกล้เส้นแบ่ง", "en": "borderline"},
    {
        "th": "มีจุดตัดระดับอยู่ภายในหนึ่งความคลาดเคลื่อนมาตรฐานจากผล",
        "en": "A cut between levels lies within one standard error of the result.",
    },
    {"type": "boolean"},
)
INDICATIVE: Final = Term(
    f"{_EXTENSIONS}indicative",
    {"th": "ผลเบื้องต้น", "en": "indicative"},
    {
        "th": "จำนวนข้อในด้านนี้น้อยกว่าที่ต้องใช้เพื่อยืนยันระดับ",
        "en": "The area had fewer items than a firm claim of a level needs.",
    },
    {"type": "boolean"},
)
VERDICT: Final = Term(
    f"{_EXTENSIONS}verdict",
    {"th": "ข้อสรุป", "en": "verdict"},
    {
        "th": "ข้อสรุปต่อระดับที่กำหนดไว้ว่าผ่าน: met ถึงแล้ว not_met ยังไม่ถึง undecided ยังสรุปไม่ได้",
        "en": "On the level set for passing: met, not_met, or undecided where the answers do not yet tell.",
    },
    {"enum": ["met", "not_met", "undecided"]},
)
CUT_SET: Final = Term(
    f"{_EXTENSIONS}cut-set",
    {"th": "ชุดจุดตัด", "en": "cut set"},
    {
        "th": "แบบประเมินและฉบับที่กำหนดจุดตัดของระดับ",
        "en": "Form and version whose cuts between levels were used.",
    },
    {"type": "string"},
)
FRAMEWORK: Final = Term(
    f"{_EXTENSIONS}framework",
    {"th": "กรอบสมรรถนะ", "en": "framework"},
    {"th": "รหัสของกรอบสมรรถนะ", "en": "Identifier of the competency framework."},
    {"type": "string"},
)
COMPETENCY_KEY: Final = Term(
    f"{_EXTENSIONS}competency",
    {"th": "รหัสสมรรถนะ", "en": "competency key"},
    {"th": "รหัสของสมรรถนะในกรอบ", "en": "Key of the competency within its framework."},
    {"type": "string"},
)
EVIDENCE_KIND: Final = Term(
    f"{_EXTENSIONS}evidence-kind",
    {"th": "ชนิดของหลักฐาน", "en": "kind of evidence"},
    {
        "th": "ผลนี้เป็นหลักฐานชนิดใด เช่น test คือผลการทดสอบ",
        "en": "What kind of evidence the result is; test stands for a test result.",
    },
    {"type": "string"},
)
FINISH_REASON: Final = Term(
    f"{_EXTENSIONS}finish-reason",
    {"th": "เหตุที่สิ้นสุด", "en": "finish reason"},
    {
        "th": "เหตุที่การทำแบบประเมินสิ้นสุด: precise แม่นยำพอ max_items ครบจำนวนข้อ "
        "time หมดเวลา bank_exhausted ไม่มีข้อเหลือ all_items ครบทุกข้อของชุด submitted ผู้เรียนส่งเอง",
        "en": "Why the attempt ended: precise enough, max_items reached, time over, bank_exhausted, "
        "all_items of the form answered, or submitted by the learner.",
    },
    {"enum": ["precise", "max_items", "time", "bank_exhausted", "all_items", "submitted"]},
)
RESULT_EXTENSIONS: Final = (
    LEVEL,
    THETA,
    STANDARD_ERROR,
    ITEMS,
    BORDERLINE,
    INDICATIVE,
    VERDICT,
    CUT_SET,
    FRAMEWORK,
    COMPETENCY_KEY,
    EVIDENCE_KIND,
    FINISH_REASON,
)

INTERACTION_TYPES: Final[Mapping[str, str]] = {
    "single_choice": "choice",
    "multiple_choice": "choice",
    "true_false": "true-false",
    "ordering": "sequencing",
    "matching": "matching",
    "numeric": "numeric",
    "short_text": "fill-in",
}
"""Kind of item to the interaction type of xAPI (1.0.3, Data 2.4.4.1)."""


def assessment_iri(public_url: str, form_uuid: UUID) -> str:
    """Activity id of an assessment."""
    return f"{public_url.rstrip('/')}/xapi-profile/activities/assessment/{form_uuid}"


def area_iri(public_url: str, form_uuid: UUID, code: str) -> str:
    """Activity id of one area of an assessment."""
    return f"{assessment_iri(public_url, form_uuid)}/area/{code}"


def item_iri(public_url: str, item_uuid: UUID) -> str:
    """Activity id of an item, the same in every form and version."""
    return f"{public_url.rstrip('/')}/xapi-profile/activities/item/{item_uuid}"


def competency_iri(public_url: str, node_key: str) -> str:
    """Activity id of a competency: its address in our CASE service.

    node_key   `th-ds-2567#DLIT`
    """
    framework, code = node_key.split("#", 1)
    return f"{public_url.rstrip('/')}/ims/case/v1p1/CFItems/{derived_uuid('framework-node', framework, code)}"
