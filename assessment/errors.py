"""What this room refuses, each with a stable code and a sentence for the person. Status and page are chosen at the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from kernel.errors import Conflict, Invalid, NotFound


class AttemptNotFound(NotFound):
    """No such attempt, or one of somebody else: the two look alike."""

    code = "attempt_not_found"
    message: ClassVar = {"th": "ไม่พบการทำแบบประเมินครั้งนี้", "en": "This attempt was not found."}


class FormNotFound(NotFound):
    """No such form, or none for this agency."""

    code = "form_not_found"
    message: ClassVar = {"th": "ไม่พบแบบประเมินนี้", "en": "This assessment was not found."}


class PresentationNotFound(NotFound):
    """The answer is for an item that this attempt has not shown."""

    code = "presentation_not_found"
    message: ClassVar = {"th": "ข้อที่ตอบไม่ได้อยู่ในการทำแบบประเมินครั้งนี้", "en": "The answered item is not part of this attempt."}


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer that came too late: what `api.keep_late_answer` records after the refusal has been rolled back."""

    tenant_id: int
    attempt_uuid: UUID
    presentation_uuid: UUID
    client_id: str
    value: Any
    received_at: datetime


class AttemptClosed(Conflict):
    """A response arrived after the attempt was finished, or after its time and the grace.

    late   the answer, for the second transaction that keeps it; it counts for nothing
    """

    code = "attempt_closed"
    message: ClassVar = {
        "th": "การทำแบบประเมินครั้งนี้สิ้นสุดแล้ว คำตอบที่ส่งมาหลังจากนั้นจึงไม่ถูกนับ",
        "en": "This attempt has ended, so the answer sent afterwards does not count.",
    }
    way_on: ClassVar = {"th": "เปิดหน้าผลการประเมินเพื่อดูผล", "en": "Open the result page to see your result."}

    def __init__(self, late: LateAnswer | None = None, **details: Any) -> None:
        super().__init__(**details)
        self.late = late


class AttemptMoved(Conflict):
    """The attempt goes on at another device or tab; this one is locked."""

    code = "attempt_moved"
    message: ClassVar = {
        "th": "ท่านเปิดแบบประเมินนี้ต่อในอุปกรณ์หรือแท็บอื่นแล้ว คำตอบจากหน้านี้จึงไม่ถูกบันทึก",
        "en": "You have continued this assessment on another device or tab, so the answer from this page was not saved.",
    }
    way_on: ClassVar = {
        "th": "ทำต่อในอุปกรณ์ล่าสุด หรือโหลดหน้านี้ใหม่เพื่อกลับมาทำต่อที่นี่",
        "en": "Go on at the newest device, or reload this page to continue here.",
    }


class AttemptOpen(Conflict):
    """The result of an attempt was asked for before its end."""

    code = "attempt_open"
    message: ClassVar = {
        "th": "การทำแบบประเมินครั้งนี้ยังไม่สิ้นสุด จึงยังไม่มีผล",
        "en": "This attempt has not ended, so there is no result yet.",
    }
    way_on: ClassVar = {"th": "กลับไปทำแบบประเมินต่อ", "en": "Go back and continue the assessment."}


class AlreadyAnswered(Conflict):
    """The item has an answer already; the first one stands."""

    code = "already_answered"
    message: ClassVar = {
        "th": "ข้อนี้มีคำตอบที่บันทึกไว้แล้ว คำตอบแรกยังคงอยู่",
        "en": "This item already has a saved answer; the first one stands.",
    }
    way_on: ClassVar = {"th": "โหลดหน้านี้ใหม่เพื่อไปยังข้อปัจจุบัน", "en": "Reload this page to go to the present item."}


class AnswerInvalid(Invalid):
    """The answer has not the form that this kind of item takes; nothing was stored.

    reason   stable code for the log: `value_type`, `unknown_option`, `incomplete`, `too_long`, `client_id`, `active_ms`
    """

    code = "answer_invalid"
    message: ClassVar = {
        "th": "คำตอบยังไม่ครบหรือไม่อยู่ในรูปแบบที่ข้อนี้กำหนด จึงยังไม่ได้บันทึก",
        "en": "The answer is incomplete or not in the form that this item takes, so it was not saved.",
    }
    way_on: ClassVar = {"th": "ตรวจคำตอบแล้วส่งอีกครั้ง", "en": "Check the answer and send it again."}


class NumberExpected(AnswerInvalid):
    """A numeric item was answered with something that is not a number."""

    code = "number_expected"
    message: ClassVar = {
        "th": "ข้อนี้ต้องตอบเป็นตัวเลข เช่น 42 หรือ ๔๒ คำตอบจึงยังไม่ได้บันทึก",
        "en": "This item takes a number, such as 42 or ๔๒, so the answer was not saved.",
    }


class InvalidItemParams(Invalid):
    """Item parameters are outside the model's range."""

    code = "invalid_item_params"
    message: ClassVar = {"th": "ค่าพารามิเตอร์ของข้อสอบไม่ถูกต้อง", "en": "The item parameters are outside the range of their model."}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: where it stands, and what is wrong."""

    place: str
    """Path from the root with the item's key: `items[3] (DLIT-004).options[1].text.en`."""
    reason: str

    def __str__(self) -> str:
        """Place and reason on one line."""
        return f"{self.place}: {self.reason}"


class DocumentInvalid(Invalid):
    """A document was refused whole; every fault is told.

    faults   one or more, in the order of the document
    """

    code = "document_invalid"
    message: ClassVar = {"th": "เอกสารมีข้อผิดพลาด {n_faults} จุด: {faults}", "en": "The document has {n_faults} faults: {faults}"}

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(n_faults=len(self.faults), faults="; ".join(map(str, self.faults)))


class BankInvalid(DocumentInvalid):
    """A bank document breaks the format or contradicts itself; nothing of it was loaded."""

    code = "bank_invalid"
    message: ClassVar = {"th": "คลังข้อสอบมีข้อผิดพลาด {n_faults} จุด: {faults}", "en": "The item bank has {n_faults} faults: {faults}"}


class FormInvalid(DocumentInvalid):
    """A form document breaks the format, contradicts itself, or asks more than the bank holds; nothing of it was loaded."""

    code = "form_invalid"
    message: ClassVar = {"th": "แบบประเมินมีข้อผิดพลาด {n_faults} จุด: {faults}", "en": "The form has {n_faults} faults: {faults}"}
