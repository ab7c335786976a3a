"""What keeps a person from beginning a sitting at a link, each with a stable code, a plain sentence and a way on."""

from typing import ClassVar

import assessment.api as assessment
from kernel.errors import Conflict


class NotYetOpen(assessment.AdmissionRefused):
    """The window has not opened."""

    code = "not_yet_open"
    message: ClassVar = {"th": "แบบประเมินนี้ยังไม่เปิด", "en": "This assessment is not open yet."}
    way_on: ClassVar = {"th": "เริ่มทำได้ตั้งแต่วันที่ {at}", "en": "It opens on {at}."}


class WindowClosed(assessment.AdmissionRefused):
    """The window has closed; only sittings that had begun go on."""

    code = "window_closed"
    message: ClassVar = {"th": "แบบประเมินนี้ปิดรับการเริ่มทำแล้วเมื่อวันที่ {at}", "en": "This assessment closed on {at}."}
    way_on: ClassVar = {
        "th": "หากท่านมีเหตุจำเป็นที่ไม่ได้ทำภายในกำหนด โปรดติดต่อผู้สอน",
        "en": "If you had a good reason for missing it, please ask your teacher.",
    }


class AttemptsUsedUp(assessment.AdmissionRefused):
    """As many sittings count here as the rules allow."""

    code = "attempts_used_up"
    message: ClassVar = {
        "th": "ท่านทำแบบประเมินนี้ครบจำนวนครั้งที่กำหนดแล้ว",
        "en": "You have taken this assessment as often as it may be taken here.",
    }
    way_on: ClassVar = {
        "th": "ดูผลครั้งที่ผ่านมาได้ที่หน้านี้ หากมีเหตุขัดข้องระหว่างทำ โปรดติดต่อผู้สอน",
        "en": "Your results stay on this page. If something went wrong while you took it, please ask your teacher.",
    }


class TooSoon(assessment.AdmissionRefused):
    """The days between two sittings are not over."""

    code = "too_soon"
    message: ClassVar = {"th": "ยังไม่ถึงเวลาที่ทำแบบประเมินนี้อีกครั้งได้", "en": "It is too soon to take this assessment again."}
    way_on: ClassVar = {
        "th": "ทำอีกครั้งได้ตั้งแต่วันที่ {at} ระหว่างนี้โปรดใช้เวลากับเส้นทางการเรียนรู้ของท่าน",
        "en": "You can take it again from {at}. Your learning path shows what to do until then.",
    }


class BegunElsewhere(Conflict):
    """The person's open sitting was begun in another activity, without the rules of this one."""

    code = "begun_elsewhere"
    message: ClassVar = {
        "th": "ท่านเริ่มทำแบบประเมินนี้ค้างไว้ในอีกกิจกรรมหนึ่ง ครั้งที่ค้างอยู่นั้นใช้กับกิจกรรมนี้ไม่ได้",
        "en": "You have begun this assessment in another activity, and that sitting cannot count for this one.",
    }
    way_on: ClassVar = {
        "th": "โปรดกลับไปทำต่อให้จบในกิจกรรมเดิม หรือรอให้หมดเวลา แล้วจึงเริ่มครั้งใหม่ที่นี่",
        "en": "Please finish it in that activity, or let its time run out; then begin a new one here.",
    }


class ResultNotTaken(Conflict):
    """A result from elsewhere cannot count at a link with rules that it did not come about under."""

    code = "result_not_taken"
    message: ClassVar = {
        "th": "ผลจากกิจกรรมอื่นใช้กับกิจกรรมนี้ไม่ได้ เพราะกิจกรรมนี้กำหนดเงื่อนไขการทำไว้",
        "en": "A result from another activity cannot count for this one, which has rules of its own.",
    }
    way_on: ClassVar = {
        "th": "โปรดทำแบบประเมินในกิจกรรมนี้ตามเงื่อนไขที่กำหนด",
        "en": "Please take the assessment here, by the rules of this activity.",
    }


class AccessCodeNeeded(assessment.AdmissionRefused):
    """A code is asked for and none was given."""

    code = "access_code_needed"
    message: ClassVar = {"th": "ต้องใช้รหัสเข้าทำแบบประเมิน", "en": "This assessment needs an access code."}
    way_on: ClassVar = {
        "th": "โปรดขอรหัสจากผู้สอนหรือผู้คุมสอบแล้วกรอกในช่องด้านล่าง",
        "en": "Please ask your teacher for the code and enter it below.",
    }


class AccessCodeWrong(assessment.AdmissionRefused):
    """The code is none of this activity, or was used, or is somebody else's: they look alike."""

    code = "access_code_wrong"
    message: ClassVar = {
        "th": "รหัสนี้ใช้ไม่ได้ อาจพิมพ์ผิด ถูกใช้ไปแล้ว หรือเป็นรหัสของผู้อื่น ลองได้อีก {left} ครั้ง",
        "en": "This code does not work: it may be mistyped, used already, or somebody else's. Tries left: {left}.",
    }
    way_on: ClassVar = {"th": "โปรดตรวจรหัสอีกครั้ง หรือขอรหัสใหม่จากผู้สอน", "en": "Please check the code, or ask your teacher for a new one."}


class TooManyCodes(assessment.AdmissionRefused):
    """Too many wrong codes: no code is looked at for a while."""

    code = "too_many_codes"
    message: ClassVar = {"th": "กรอกรหัสผิดหลายครั้งเกินไป", "en": "Too many wrong codes were entered."}
    way_on: ClassVar = {
        "th": "โปรดลองอีกครั้งหลังวันที่ {at} และขอรหัสที่ถูกต้องจากผู้สอน",
        "en": "Please try again after {at}, with the right code from your teacher.",
    }
