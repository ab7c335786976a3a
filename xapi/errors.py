"""Every refusal of the LRS, and the one table that gives each its HTTP status."""

from typing import Any, ClassVar

from kernel.errors import Conflict, Invalid, KaonaError, NotFound
from kernel.strictjson import InvalidJson
from xapi.sentences import REQUEST_RULES, STATEMENT_RULES


class XapiError(KaonaError):
    """Base of the refusals of this room."""


class StatementInvalid(Invalid):
    """A statement breaks a rule of the standard; nothing of its batch is stored.

    rule    stable code, a key of `sentences.STATEMENT_RULES`
    place   JSON pointer (RFC 6901) into what was sent; empty for the whole
    """

    code = "statement_invalid"

    def __init__(self, rule: str, place: str = "") -> None:
        super().__init__(rule=rule, place=place or "/")
        self.rule = rule
        self.place = place
        self.message = STATEMENT_RULES[rule]  # type: ignore[misc]  # the sentence is the rule's own

    def within(self, prefix: str) -> "StatementInvalid":
        """The same refusal, its place seen from further out: `/3` for the fourth statement of a batch."""
        return StatementInvalid(self.rule, prefix + self.place)


class RequestInvalid(Invalid):
    """A header, parameter or body of the request is missing, unknown, given twice or not of its form.

    rule    stable code, a key of `sentences.REQUEST_RULES`
    place   name of the parameter, header or part
    """

    code = "request_invalid"

    def __init__(self, rule: str, place: str) -> None:
        super().__init__(rule=rule, place=place)
        self.rule = rule
        self.place = place
        self.message = REQUEST_RULES[rule]  # type: ignore[misc]  # the sentence is the rule's own


class VersionRefused(Invalid):
    """The request names no version of xAPI, or one that is not served."""

    code = "version_refused"
    message: ClassVar = {
        "th": "คำขอต้องระบุส่วนหัว X-Experience-API-Version เป็น 2.0.x หรือ 1.0.x",
        "en": "The request must carry the header X-Experience-API-Version with 2.0.x or 1.0.x.",
    }


class MoreInvalid(Invalid):
    """A `more` link was changed, is older than a day, or belongs to another credential."""

    code = "more_invalid"
    message: ClassVar = {
        "th": "ลิงก์หน้าถัดไปหมดอายุหรือไม่ใช่ของผู้ขอ โปรดเริ่มสืบค้นใหม่",
        "en": "The link to the next page has expired or is not yours. Please start the query again.",
    }


class CredentialsMissing(XapiError):
    """No credentials were sent."""

    code = "credentials_missing"
    message: ClassVar = {"th": "ต้องใช้ชื่อและรหัสลับของผู้ใช้ API", "en": "Credentials are needed."}


class CredentialsRefused(XapiError):
    """The credentials are unknown, wrong, expired or revoked: the four look alike."""

    code = "credentials_refused"
    message: ClassVar = {"th": "ชื่อหรือรหัสลับไม่ถูกต้อง หมดอายุ หรือถูกยกเลิกแล้ว", "en": "The credentials are wrong, expired or revoked."}


class ScopeMissing(XapiError):
    """The credential is good but does not allow this act."""

    code = "scope_missing"
    message: ClassVar = {"th": "สิทธิ์ของรหัสนี้ไม่ครอบคลุมการทำงานที่ขอ", "en": "This credential does not allow the requested act."}


class VoidingForbidden(XapiError):
    """A statement of another authority may only be voided with scope `all`."""

    code = "voiding_forbidden"
    message: ClassVar = {
        "th": "ไม่มีสิทธิ์ยกเลิกสเตตเมนต์ของผู้ส่งรายอื่น",
        "en": "This credential may not void a statement of another authority.",
    }


class StatementNotFound(NotFound):
    """No such statement in this tenant, or none that the credential may see."""

    code = "statement_not_found"
    message: ClassVar = {"th": "ไม่พบสเตตเมนต์ที่ขอ", "en": "The statement was not found."}


class ResourceNotFound(NotFound):
    """No such resource of xAPI at this address."""

    code = "resource_not_found"
    message: ClassVar = {"th": "ไม่มีทรัพยากรนี้ใน LRS", "en": "The LRS has no such resource."}


class KeyNotFound(NotFound):
    """No such credential in this tenant."""

    code = "key_not_found"
    message: ClassVar = {"th": "ไม่พบรหัสของผู้ใช้ API", "en": "The credential was not found."}


class StatementConflict(Conflict):
    """A statement with this id is stored and says something else; nothing of the batch is stored."""

    code = "statement_conflict"
    message: ClassVar = {
        "th": "มีสเตตเมนต์รหัส {id} อยู่แล้วและมีเนื้อหาต่างกัน",
        "en": "A statement with the id {id} is stored already and says something else.",
    }


class MethodRefused(XapiError):
    """The resource does not know this method."""

    code = "method_refused"
    message: ClassVar = {"th": "ทรัพยากรนี้ไม่รองรับวิธีการ {method}", "en": "The resource does not support the method {method}."}


class TooLarge(XapiError):
    """The body or the batch is over its bound."""

    code = "too_large"
    message: ClassVar = {"th": "คำขอใหญ่เกินกำหนด: {bound}", "en": "The request is over its bound: {bound}"}


class MediaTypeRefused(XapiError):
    """The body is of a media type that this resource does not take."""

    code = "media_type_refused"
    message: ClassVar = {"th": "ไม่รองรับเนื้อหาชนิด {media_type}", "en": "Content of the type {media_type} is not taken here."}


class StoreUnavailable(XapiError):
    """The database does not answer; nothing was stored."""

    code = "store_unavailable"
    message: ClassVar = {"th": "ฐานข้อมูลไม่พร้อมใช้งาน โปรดส่งใหม่ภายหลัง", "en": "The store is not available. Please send again later."}


STATUS: dict[type[KaonaError], int] = {
    StatementInvalid: 400,
    RequestInvalid: 400,
    VersionRefused: 400,
    MoreInvalid: 400,
    InvalidJson: 400,
    CredentialsMissing: 401,
    CredentialsRefused: 401,
    ScopeMissing: 403,
    VoidingForbidden: 403,
    NotFound: 404,
    MethodRefused: 405,
    Conflict: 409,
    TooLarge: 413,
    MediaTypeRefused: 415,
    StoreUnavailable: 503,
}


def status_of(error: KaonaError) -> int:
    """The HTTP status of a refusal: that of the nearest class in `STATUS`, else 400."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)


def body_of(error: KaonaError) -> dict[str, Any]:
    """The refusal as JSON: `{"error": {code, message: {th, en}, rule, place}}`."""
    return {
        "error": {
            "code": error.code,
            "message": {"th": error.sentence("th"), "en": error.sentence("en")},
            "rule": getattr(error, "rule", None),
            "place": getattr(error, "place", None),
        }
    }
