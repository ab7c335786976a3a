"""Refusals at the LTI boundary: each a class, a stable code, a sentence in Thai and English, and a way on.

None of them holds a token; what a platform or a browser sent stands in `details` only where the page shows it, escaped.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from kernel.errors import Conflict, KaonaError
from lti_tool.models.audit import append_audit

AGAIN: Mapping[str, str] = {
    "th": "โปรดกลับไปที่รายวิชาแล้วเปิดกิจกรรมนี้อีกครั้ง",
    "en": "Please go back to your course and open the activity again.",
}
TELL_ADMIN: Mapping[str, str] = {
    "th": "โปรดแจ้งรหัสอ้างอิงนี้แก่ผู้ดูแลระบบ LMS ของหน่วยงาน",
    "en": "Please give the reference code to the administrator of your LMS.",
}
SHOWN_CHARACTERS = 200
"""Longest piece of a foreign text that a page repeats."""


class LtiRefused(KaonaError):
    """A login or launch was refused: no session, no row but one line of the audit log.

    registration_id, tenant_id   whose launch it was, as far as that is known
    """

    code = "lti_refused"
    status: ClassVar[int] = 400
    way_on: ClassVar = AGAIN
    event: ClassVar[str] = "launch.refused"

    def __init__(self, *, registration_id: int | None = None, tenant_id: int | None = None, **details: Any) -> None:
        super().__init__(**{name: value[:SHOWN_CHARACTERS] if isinstance(value, str) else value for name, value in details.items()})
        self.registration_id = registration_id
        self.tenant_id = tenant_id

    def audit(self, db: Session, *, now: datetime, reference: str) -> None:
        """Adds the line of the audit log that stands for this refusal."""
        details = {"code": self.code, "registration": self.registration_id}
        append_audit(db, event=self.event, actor="browser", now=now, tenant_id=self.tenant_id, reference=reference, details=details)


class LaunchTooLarge(LtiRefused):
    """The login or launch is larger than any real one."""

    code = "launch_too_large"
    message: ClassVar = {"th": "ข้อมูลที่ LMS ส่งมามีขนาดใหญ่เกินกำหนด", "en": "What the LMS sent is too large."}
    way_on: ClassVar = TELL_ADMIN


class LoginMalformed(LtiRefused):
    """A login initiation lacks a parameter or gives one twice."""

    code = "login_malformed"
    message: ClassVar = {
        "th": "คำขอเข้าใช้จาก LMS ไม่ครบถ้วนหรือไม่ถูกต้อง",
        "en": "The request from the LMS is incomplete or malformed.",
    }


class IssuerUnknown(LtiRefused):
    """No registration for this issuer, or it is switched off."""

    code = "issuer_unknown"
    message: ClassVar = {"th": "ระบบไม่รู้จัก LMS นี้: {issuer}", "en": "This LMS is not registered here: {issuer}"}
    way_on: ClassVar = TELL_ADMIN


class ClientUnknown(LtiRefused):
    """The issuer is known, this client id of it is not."""

    code = "client_unknown"
    message: ClassVar = {
        "th": "LMS {issuer} ไม่ได้ลงทะเบียนด้วย Client ID {client_id}",
        "en": "The LMS {issuer} is not registered with the client id {client_id}.",
    }
    way_on: ClassVar = TELL_ADMIN


class RegistrationPending(LtiRefused):
    """The platform registered itself and no administrator of ours has approved it yet."""

    code = "registration_pending"
    status = 403
    message: ClassVar = {
        "th": "LMS {issuer} ลงทะเบียนไว้แล้ว แต่ยังรอการอนุมัติจากผู้ดูแลระบบ",
        "en": "The LMS {issuer} is registered and waits for an administrator's approval.",
    }
    way_on: ClassVar = {
        "th": "โปรดแจ้งผู้ดูแลระบบของหน่วยงานให้อนุมัติ LMS นี้",
        "en": "Please ask the administrator of your agency to approve this LMS.",
    }


class TargetForeign(LtiRefused):
    """The target link is not an address of ours."""

    code = "target_foreign"
    message: ClassVar = {"th": "ลิงก์ของกิจกรรมนี้ไม่ได้ชี้มาที่ระบบของเรา", "en": "The link of this activity does not lead to this system."}
    way_on: ClassVar = TELL_ADMIN


class LaunchMalformed(LtiRefused):
    """The launch form lacks a field or gives one twice."""

    code = "launch_malformed"
    message: ClassVar = {"th": "แบบฟอร์มที่ LMS ส่งมาไม่ครบถ้วนหรือไม่ถูกต้อง", "en": "The form that the LMS sent is incomplete or malformed."}


class StateUnknown(LtiRefused):
    """No login of ours stands behind this launch."""

    code = "state_unknown"
    message: ClassVar = {"th": "ไม่พบการเริ่มเข้าใช้ที่ตรงกับคำขอนี้", "en": "No login stands behind this request."}


class StateExpired(LtiRefused):
    """The login began more than ten minutes ago."""

    code = "state_expired"
    message: ClassVar = {"th": "การเข้าใช้ครั้งนี้ใช้เวลานานเกินสิบนาที จึงหมดอายุแล้ว", "en": "This login took more than ten minutes and has expired."}


class StateUsed(LtiRefused):
    """The login was spent by an earlier launch."""

    code = "state_used"
    message: ClassVar = {"th": "ลิงก์เข้าใช้นี้ถูกใช้ไปแล้ว", "en": "This launch was already used."}


class OtherBrowser(LtiRefused):
    """The launch came from another browser than its login."""

    code = "other_browser"
    message: ClassVar = {
        "th": "คำขอนี้มาจากเบราว์เซอร์อื่นที่ไม่ใช่เบราว์เซอร์ที่เริ่มเข้าใช้",
        "en": "This request comes from another browser than the one that began it.",
    }


class TokenMalformed(LtiRefused):
    """The id token is not a signed JSON Web Token of the form that we take."""

    code = "token_malformed"
    message: ClassVar = {"th": "ข้อมูลยืนยันตัวตนจาก LMS ไม่อยู่ในรูปแบบที่ถูกต้อง", "en": "The identity token from the LMS is not well formed."}


class SignatureInvalid(LtiRefused):
    """The signature does not hold."""

    code = "signature_invalid"
    status = 401
    message: ClassVar = {"th": "ลายเซ็นของข้อมูลยืนยันตัวตนจาก LMS ไม่ถูกต้อง", "en": "The signature of the identity token does not hold."}
    way_on: ClassVar = TELL_ADMIN


class KeyUnknown(LtiRefused):
    """The platform's key set has no key of this id."""

    code = "key_unknown"
    status = 401
    message: ClassVar = {
        "th": "ไม่พบกุญแจที่ LMS ใช้ลงนามในชุดกุญแจที่ LMS ประกาศไว้",
        "en": "The key that signed the token is not in the key set of the LMS.",
    }
    way_on: ClassVar = TELL_ADMIN


class KeyUnsafe(LtiRefused):
    """The key that signed the token breaks our rules for keys."""

    code = "key_unsafe"
    status = 401
    message: ClassVar = {"th": "กุญแจที่ LMS ใช้ลงนามไม่ปลอดภัยพอ", "en": "The key that the LMS signs with is not safe."}
    way_on: ClassVar = TELL_ADMIN


class KeySetUnreachable(LtiRefused):
    """The platform's key set cannot be fetched now."""

    code = "key_set_unreachable"
    message: ClassVar = {"th": "ระบบยังติดต่อ LMS เพื่อตรวจสอบลายเซ็นไม่ได้", "en": "The key set of the LMS cannot be reached at the moment."}
    way_on: ClassVar = {
        "th": "โปรดรอสักครู่ แล้วกลับไปที่รายวิชาเพื่อเปิดกิจกรรมอีกครั้ง",
        "en": "Please wait a moment, then open the activity again from your course.",
    }


class IssuerMismatch(LtiRefused):
    """The token names another issuer than the login did."""

    code = "issuer_mismatch"
    status = 401
    message: ClassVar = {
        "th": "ผู้ออกข้อมูลยืนยันตัวตนไม่ตรงกับ LMS ที่เริ่มเข้าใช้",
        "en": "The token was issued by another LMS than the one that began the login.",
    }


class AudienceWrong(LtiRefused):
    """The token is meant for another tool."""

    code = "audience_wrong"
    status = 401
    message: ClassVar = {"th": "ข้อมูลยืนยันตัวตนนี้ไม่ได้ออกให้แก่ระบบของเรา", "en": "The identity token is meant for another tool."}
    way_on: ClassVar = TELL_ADMIN


class TokenExpired(LtiRefused):
    """The token's life is over."""

    code = "token_expired"
    status = 401
    message: ClassVar = {"th": "ข้อมูลยืนยันตัวตนจาก LMS หมดอายุแล้ว", "en": "The identity token from the LMS has expired."}


class TokenTooOld(LtiRefused):
    """The token was issued more than ten minutes ago."""

    code = "token_too_old"
    status = 401
    message: ClassVar = {"th": "ข้อมูลยืนยันตัวตนจาก LMS ออกไว้นานเกินไป", "en": "The identity token from the LMS was issued too long ago."}


class TokenNotYetValid(LtiRefused):
    """The token comes from the future: the clocks differ."""

    code = "token_not_yet_valid"
    status = 401
    message: ClassVar = {
        "th": "เวลาของ LMS เร็วกว่าเวลาของระบบเกินหนึ่งนาที",
        "en": "The clock of the LMS runs more than a minute ahead of ours.",
    }
    way_on: ClassVar = TELL_ADMIN


class NonceWrong(LtiRefused):
    """The token does not answer this login."""

    code = "nonce_wrong"
    status = 401
    message: ClassVar = {"th": "ข้อมูลยืนยันตัวตนนี้ไม่ได้ตอบการเข้าใช้ครั้งนี้", "en": "The identity token does not answer this login."}


class DeploymentUnknown(LtiRefused):
    """The platform is known, this deployment of it is not."""

    code = "deployment_unknown"
    message: ClassVar = {
        "th": "ระบบไม่รู้จักการติดตั้ง (deployment) {deployment_id} ของ LMS นี้",
        "en": "The deployment {deployment_id} of this LMS is not registered here.",
    }
    way_on: ClassVar = TELL_ADMIN


class MessageInvalid(LtiRefused):
    """A claim is missing or has not the form of the standard."""

    code = "message_invalid"
    message: ClassVar = {"th": "ข้อมูลของกิจกรรมที่ LMS ส่งมาไม่ถูกต้อง", "en": "The launch data from the LMS is not valid."}
    way_on: ClassVar = TELL_ADMIN


class MessageUnknown(LtiRefused):
    """A message of a type that this tool does not know."""

    code = "message_unknown"
    message: ClassVar = {
        "th": "ระบบไม่รู้จักข้อความชนิด {message_type} ที่ LMS ส่งมา",
        "en": "The LMS sent a message of the type {message_type}, which this tool does not know.",
    }
    way_on: ClassVar = TELL_ADMIN


class LinksNotAccepted(LtiRefused):
    """A choice of content from which the platform takes no links to tools."""

    code = "links_not_accepted"
    message: ClassVar = {
        "th": "ตำแหน่งนี้ใน LMS ไม่รับลิงก์กิจกรรม (รับเพียง {accepted}) จึงเลือกกิจกรรมของก้าวหน้ามาวางที่นี่ไม่ได้",
        "en": "This place in the LMS takes no links to activities (only {accepted}), so nothing of Kaona can be placed here.",
    }
    way_on: ClassVar = {
        "th": "โปรดเพิ่มกิจกรรมจากเมนูเพิ่มกิจกรรมหรือเครื่องมือภายนอกของรายวิชาแทน",
        "en": "Please add the activity from the course's menu of activities or external tools instead.",
    }


class ReturnForeign(LtiRefused):
    """The choice of content would have to go to an address that is not the platform's."""

    code = "return_foreign"
    message: ClassVar = {
        "th": "ที่อยู่ที่ LMS ให้ส่งกิจกรรมที่เลือกกลับไป ไม่ใช่ที่อยู่ของ LMS ที่ลงทะเบียนไว้",
        "en": "The address to which the LMS wants the chosen content is not one that is registered for this LMS.",
    }
    way_on: ClassVar = {
        "th": "โปรดแจ้งผู้ดูแลระบบให้เพิ่มที่อยู่ของ LMS นี้ในการลงทะเบียน",
        "en": "Please ask the administrator to add the address of this LMS to its registration.",
    }


class MayNotPlace(LtiRefused):
    """A choice of content by somebody who neither teaches nor designs the course."""

    code = "may_not_place"
    status = 403
    message: ClassVar = {
        "th": "ผู้สอนหรือผู้ออกแบบรายวิชาเท่านั้นที่เลือกกิจกรรมมาวางในรายวิชาได้",
        "en": "Only the teachers and designers of a course can choose its activities.",
    }
    way_on: ClassVar = TELL_ADMIN


class MayNotReview(LtiRefused):
    """A submission review by somebody who does not teach the course."""

    code = "may_not_review"
    status = 403
    message: ClassVar = {
        "th": "ผู้สอนของรายวิชานี้เท่านั้นที่เปิดดูผลของผู้เรียนได้",
        "en": "Only the teachers of this course can look at a learner's work.",
    }
    way_on: ClassVar = {
        "th": "หากต้องการดูผลของตนเอง โปรดเปิดกิจกรรมจากรายวิชา",
        "en": "To see your own result, please open the activity from your course.",
    }


class Anonymous(LtiRefused):
    """The launch names no person."""

    code = "anonymous_launch"
    message: ClassVar = {
        "th": "LMS ไม่ได้ส่งข้อมูลว่าผู้ใช้คือใคร จึงบันทึกผลให้ท่านไม่ได้",
        "en": "The LMS did not say who is launching, so no result could be kept for you.",
    }
    way_on: ClassVar = {
        "th": "โปรดเข้าสู่ระบบ LMS ด้วยบัญชีของท่าน หรือให้ผู้ดูแล LMS เปิดการส่งรหัสผู้ใช้ให้เครื่องมือนี้",
        "en": "Please sign in to your LMS with your own account, or ask its administrator to share the user id with this tool.",
    }


class RoleUnknown(LtiRefused):
    """The launch gives the person no role that we know in this course."""

    code = "role_unknown"
    message: ClassVar = {"th": "LMS ไม่ได้ระบุบทบาทของท่านในรายวิชานี้", "en": "The LMS gave you no role in this course that this system knows."}
    way_on: ClassVar = TELL_ADMIN


class RightMissing(LtiRefused):
    """The link leads to a page for people whom our administrators gave a right, and this person has none."""

    code = "right_missing"
    status = 403
    message: ClassVar = {
        "th": "ลิงก์นี้สำหรับผู้บริหารหรือผู้ดูแลระบบ",
        "en": "This link is for executives or administrators.",
    }
    way_on: ClassVar = {
        "th": "โปรดแจ้งผู้ดูแลระบบของหน่วยงานเพื่อขอสิทธิ์",
        "en": "Please ask the administrator of your agency for the right.",
    }


class PersonBlocked(LtiRefused):
    """An administrator of ours closed this person's access."""

    code = "person_blocked"
    status = 401
    message: ClassVar = {"th": "บัญชีของท่านถูกระงับการใช้งานในระบบนี้", "en": "Your access to this system has been suspended."}
    way_on: ClassVar = {
        "th": "โปรดติดต่อผู้ดูแลระบบของหน่วยงาน",
        "en": "Please contact the administrator of your agency.",
    }


class MemberRemoved(LtiRefused):
    """The course's roster, read after this launch, no longer has the person as an active member."""

    code = "member_removed"
    status = 403
    message: ClassVar = {
        "th": "ขณะนี้รายชื่อสมาชิกของรายวิชาไม่มีชื่อของท่าน หรือสิทธิ์ของท่านในรายวิชาถูกระงับไว้ ผลงานของท่านยังเก็บไว้ครบถ้วน",
        "en": "The course does not list you as an active member at present. What you have done so far is kept.",
    }
    way_on: ClassVar = {
        "th": "หากท่านยังเรียนรายวิชานี้อยู่ โปรดแจ้งผู้สอน แล้วเปิดกิจกรรมจากรายวิชาอีกครั้ง",
        "en": "If you still belong to this course, tell your teacher, then open the activity from your course again.",
    }


class PlatformRefused(LtiRefused):
    """The platform answered the login with an error."""

    code = "platform_refused"
    message: ClassVar = {"th": "LMS ปฏิเสธการเข้าใช้ครั้งนี้ ({error})", "en": "The LMS refused this login ({error})."}
    way_on: ClassVar = {
        "th": "โปรดตรวจว่าท่านยังเข้าสู่ระบบ LMS อยู่ แล้วเปิดกิจกรรมจากรายวิชาอีกครั้ง",
        "en": "Please make sure that you are still signed in to your LMS, then open the activity again from your course.",
    }


class BindingMissing(LtiRefused):
    """The browser kept no cookie for us in this frame: it can be the right one, but cannot show it.

    relaunch_url   begins the same login again, for a window of its own, where cookies are first-party
    """

    code = "binding_missing"
    message: ClassVar = {
        "th": "เบราว์เซอร์ของท่านไม่ยอมให้กิจกรรมนี้ใช้คุกกี้ภายในหน้าของ LMS จึงยืนยันไม่ได้ว่าคำขอมาจากท่าน",
        "en": "Your browser did not let this activity keep a cookie inside the page of your LMS, so we cannot tell that it is you.",
    }
    way_on: ClassVar = {
        "th": "โปรดเปิดกิจกรรมในหน้าต่างใหม่ หาก LMS แจ้งว่าคำขอไม่ถูกต้อง ให้กลับไปที่รายวิชาแล้วเปิดลิงก์ของกิจกรรมในแท็บใหม่",
        "en": "Open the activity in a new window. If your LMS then says that the request is invalid, "
        "go back to your course and open the link of the activity in a new tab.",
    }

    def __init__(self, *, relaunch_url: str, **details: Any) -> None:
        super().__init__(**details)
        self.relaunch_url = relaunch_url


class ChoiceNeedsCookie(LtiRefused):
    """As `BindingMissing`, where content is to be chosen: a window of its own could not hand the choice back to the LMS's dialogue."""

    code = "choice_needs_cookie"
    message: ClassVar = BindingMissing.message
    way_on: ClassVar = {
        "th": "โปรดอนุญาตให้เว็บไซต์นี้ใช้คุกกี้แล้วเลือกกิจกรรมอีกครั้ง หรือบันทึกกิจกรรมโดยยังไม่เลือกเนื้อหา แล้วเปิดกิจกรรมนั้นในแท็บใหม่เพื่อเลือก",
        "en": "Allow cookies for this site, then choose again. Or save the activity without content, "
        "open it in a new tab, and choose there.",
    }


class TicketSpent(LtiRefused):
    """The way from a frame into a tab of its own was used, or is too old."""

    code = "ticket_spent"
    message: ClassVar = {
        "th": "ลิงก์นี้ใช้ไปแล้วหรือหมดเวลาแล้ว เพื่อความปลอดภัย ลิงก์ใช้ได้ครั้งเดียวภายในหนึ่งนาที",
        "en": "This link was used or is too old. For safety it works once, and for one minute.",
    }
    way_on: ClassVar = {
        "th": "โปรดปิดแท็บนี้ กลับไปที่รายวิชา แล้วเปิดกิจกรรมนี้อีกครั้ง",
        "en": "Please close this tab, go back to your course and open the activity again.",
    }


class TooManyRequests(KaonaError):
    """The pages of one launch were asked for more often in a minute than people do; nothing of this request was done.

    retry_after   seconds until they answer again
    """

    code = "too_many_requests"
    status: ClassVar[int] = 429
    message: ClassVar = {"th": "มีคำขอจากหน้านี้ถี่เกินไป", "en": "There were too many requests from this page."}
    way_on: ClassVar = {
        "th": "สิ่งที่บันทึกแล้วยังอยู่ครบ โปรดรอ {retry_after} วินาทีแล้วลองอีกครั้ง",
        "en": "Everything that was saved is kept. Please wait {retry_after} seconds and try again.",
    }


class SessionMissing(KaonaError):
    """No session cookie of ours, or one that names no living session."""

    code = "session_missing"
    status: ClassVar[int] = 401
    message: ClassVar = {
        "th": "การเข้าใช้ของท่านสิ้นสุดแล้ว หรือกิจกรรมนี้ถูกเปิดใหม่ในหน้าต่างหรืออุปกรณ์อื่น",
        "en": "Your session has ended, or the activity was opened again in another window or on another device.",
    }
    way_on: ClassVar = {
        "th": "คำตอบที่บันทึกแล้วยังอยู่ครบ โปรดกลับไปที่รายวิชาแล้วเปิดกิจกรรมนี้อีกครั้งเพื่อทำต่อ",
        "en": "Everything that was saved is kept. Please go back to your course and open the activity again to go on.",
    }


class OtherPerson(Conflict):
    """A page belongs to one person, and the browser's session meanwhile to another."""

    code = "other_person"
    message: ClassVar = {
        "th": "หน้านี้เป็นของผู้ใช้อีกคนหนึ่ง ขณะนี้เบราว์เซอร์นี้เข้าใช้ด้วยบัญชีอื่น จึงไม่มีการบันทึกสิ่งใด",
        "en": "This page belongs to another person than the one who is signed in to this browser now. Nothing was stored.",
    }
    way_on: ClassVar = {
        "th": "โปรดปิดหน้านี้ แล้วเปิดกิจกรรมจากรายวิชาด้วยบัญชีของท่านเอง",
        "en": "Please close this page and open the activity from your course with your own account.",
    }


class ServiceRefused(KaonaError):
    """A service of the platform answered a call of ours with an error.

    status_code   the platform's HTTP status
    """

    code = "service_refused"
    message: ClassVar = {
        "th": "บริการของ LMS ตอบกลับด้วยรหัส {status_code}",
        "en": "The service of the LMS answered with status {status_code}.",
    }

    def __init__(self, *, status_code: int, retry_after_seconds: float | None = None, **details: Any) -> None:
        super().__init__(status_code=status_code, **details)
        self.status_code = status_code
        self.retry_after_seconds = retry_after_seconds


class TokenRefused(ServiceRefused):
    """The platform gives us no access token."""

    code = "token_refused"
    message: ClassVar = {
        "th": "LMS ไม่ออกโทเคนให้ระบบ ({reason})",
        "en": "The LMS gave no access token ({reason}).",
    }


class ScopeMissing(KaonaError):
    """The platform's access token does not allow what is to be done: nothing was sent.

    scopes   last words of the scopes that are missing
    """

    code = "scope_missing"
    message: ClassVar = {
        "th": "LMS ไม่ได้ให้สิทธิ์ {scopes} แก่ระบบ",
        "en": "The LMS does not grant this tool the permission {scopes}.",
    }
    way_on: ClassVar = {
        "th": "โปรดให้ผู้ดูแล LMS เปิดบริการคะแนนและการจัดการคอลัมน์คะแนนให้เครื่องมือนี้",
        "en": "Please ask the administrator of the LMS to switch on grade sync and column management for this tool.",
    }


class HostForeign(KaonaError):
    """A service's address is not on a host approved for this registration: nothing was sent there."""

    code = "host_foreign"
    message: ClassVar = {
        "th": "ที่อยู่บริการ {host} ไม่อยู่ในรายการที่อนุญาตสำหรับ LMS นี้",
        "en": "The service address {host} is not approved for this LMS.",
    }


class ToolKeyUnreadable(KaonaError):
    """A private key in the database does not open with this installation's secret."""

    code = "tool_key_unreadable"
    message: ClassVar = {
        "th": "เปิดกุญแจของเครื่องมือด้วยความลับของระบบชุดนี้ไม่ได้",
        "en": "The tool's key does not open with this installation's secret.",
    }
    way_on: ClassVar = {
        "th": "โปรดคืนไฟล์ความลับเดิม หรือสร้างกุญแจใหม่",
        "en": "Restore the secret file of this database, or make a new tool key.",
    }
