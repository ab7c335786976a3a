"""What this room refuses, each with a stable code and a sentence for the person. Status and page are chosen at the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from kernel.errors import Conflict, Invalid, KaonaError, NotFound


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


class AttemptPaused(Conflict):
    """The attempt rests: an answer waits until the person goes on."""

    code = "attempt_paused"
    message: ClassVar = {
        "th": "ท่านหยุดพักการทำแบบประเมินอยู่ คำตอบจึงยังไม่ถูกบันทึก",
        "en": "You have paused this assessment, so the answer was not saved.",
    }
    way_on: ClassVar = {"th": "กดทำต่อแล้วส่งคำตอบอีกครั้ง", "en": "Go on, then send the answer again."}


class PauseRefused(Conflict):
    """No pause may begin now.

    reason   `none_left`, `not_open`
    """

    code = "pause_refused"
    message: ClassVar = {"th": "หยุดพักในขณะนี้ไม่ได้", "en": "A pause is not possible now."}
    way_on: ClassVar = {"th": "ทำแบบประเมินต่อ", "en": "Go on with the assessment."}


class AccommodationInvalid(Invalid):
    """An accommodation is outside its bounds, or contradicts itself.

    reason   what is wrong, in words
    """

    code = "accommodation_invalid"
    message: ClassVar = {"th": "การกำหนดเวลาเพิ่มไม่ถูกต้อง: {reason}", "en": "The accommodation is not valid: {reason}"}


class AccommodationNotFound(NotFound):
    """No such accommodation is in force for this person."""

    code = "accommodation_not_found"
    message: ClassVar = {"th": "ไม่พบการกำหนดเวลาเพิ่มนี้", "en": "This accommodation was not found."}


class AlreadyAnswered(Conflict):
    """The item has an answer already; the first one stands."""

    code = "already_answered"
    message: ClassVar = {
        "th": "ข้อนี้มีคำตอบที่บันทึกไว้แล้ว คำตอบแรกยังคงอยู่",
        "en": "This item already has a saved answer; the first one stands.",
    }
    way_on: ClassVar = {"th": "โหลดหน้านี้ใหม่เพื่อไปยังข้อปัจจุบัน", "en": "Reload this page to go to the present item."}


class ReviewNotAllowed(Conflict):
    """A sitting that goes from item to item was to be handed in: it ends by itself."""

    code = "review_not_allowed"
    message: ClassVar = {
        "th": "แบบประเมินนี้ทำทีละข้อและสิ้นสุดเองเมื่อครบ จึงส่งก่อนครบไม่ได้",
        "en": "This assessment goes from question to question and ends by itself, so it cannot be handed in before.",
    }
    way_on: ClassVar = {"th": "กลับไปทำข้อปัจจุบันต่อ", "en": "Go back to the present question."}


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


class AdmissionInvalid(DocumentInvalid):
    """Rules of admission break the format or contradict themselves; nothing was changed."""

    code = "admission_invalid"
    message: ClassVar = {
        "th": "เงื่อนไขการเข้าทำแบบประเมินมีข้อผิดพลาด {n_faults} จุด: {faults}",
        "en": "The rules of admission have {n_faults} faults: {faults}",
    }


class AdmissionRefused(KaonaError):
    """A sitting may not begin, or not go on, here and now; what was answered before stays saved."""

    code = "admission_refused"
    status: ClassVar[int] = 403


class NetworkRefused(AdmissionRefused):
    """The request comes from an address outside of the sitting's networks."""

    code = "network_refused"
    message: ClassVar = {
        "th": "แบบประเมินนี้ทำได้จากเครือข่ายที่กำหนดไว้เท่านั้น เช่น ห้องสอบของหน่วยงาน และขณะนี้ท่านอยู่นอกเครือข่ายดังกล่าว",
        "en": "This assessment can be taken from certain networks only, like the agency's examination room, and you are outside of them.",
    }
    way_on: ClassVar = {
        "th": "โปรดใช้เครื่องในห้องสอบหรือเครือข่ายของหน่วยงาน หากท่านอยู่ที่นั่นแล้ว โปรดแจ้งผู้คุมสอบ คำตอบที่บันทึกแล้วยังอยู่ครบ",
        "en": "Please use a machine in the examination room or the agency's network. If you are there already, tell the person in charge. "
        "Answers that were saved stay saved.",
    }


class SafeExamBrowserNeeded(AdmissionRefused):
    """The request does not prove that it comes from Safe Exam Browser with the sitting's settings."""

    code = "safe_exam_browser_needed"
    message: ClassVar = {
        "th": "แบบประเมินนี้เปิดได้ใน Safe Exam Browser ที่ใช้ไฟล์ตั้งค่าของการสอบนี้เท่านั้น",
        "en": "This assessment opens only in Safe Exam Browser with the settings of this examination.",
    }
    way_on: ClassVar = {
        "th": "โปรดปิดหน้านี้ เปิดไฟล์ตั้งค่า (.seb) ที่ผู้สอนให้ไว้ แล้วเข้ารายวิชาและกิจกรรมนี้อีกครั้งจากในโปรแกรมนั้น "
        "หากเปิดอยู่ในโปรแกรมแล้ว โปรดแจ้งผู้สอนว่าไฟล์ตั้งค่าไม่ตรงกับการสอบนี้ คำตอบที่บันทึกแล้วยังอยู่ครบ",
        "en": "Please close this page, open the settings file (.seb) that your teacher gave you, and open the course and this "
        "activity again from within that program. If you are in it already, tell your teacher that the file does not fit this examination. "
        "Answers that were saved stay saved.",
    }


class ReviewNotFound(NotFound):
    """No review of this attempt is open or was ever opened."""

    code = "review_not_found"
    message: ClassVar = {"th": "ไม่พบรายการตรวจสอบนี้", "en": "This review was not found."}


class ReviewDecided(Conflict):
    """Somebody has decided already; the first decision stands."""

    code = "review_decided"
    message: ClassVar = {"th": "มีผู้ตัดสินรายการนี้ไปแล้ว", "en": "This review has been decided already."}
    way_on: ClassVar = {"th": "โหลดหน้านี้ใหม่เพื่อดูผลการตัดสิน", "en": "Load the page again to see the decision."}


class ReviewInvalid(Invalid):
    """The decision is none of the three, or has no reason. details: `field` names which."""

    code = "review_invalid"
    message: ClassVar = {
        "th": "โปรดเลือกผลการตรวจสอบหนึ่งข้อและเขียนเหตุผล (ไม่เกิน 1,000 ตัวอักษร)",
        "en": "Please choose one decision and write a reason (up to 1,000 characters).",
    }
