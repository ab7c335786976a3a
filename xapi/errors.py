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


class CursorInvalid(Invalid):
    """A cursor of a feed was changed, or belongs to another tenant."""

    code = "cursor_invalid"
    message: ClassVar = {
        "th": "ตำแหน่งอ่านที่ส่งมาไม่ใช่ของระบบนี้ โปรดใช้ค่า cursor ที่ได้รับ หรือเริ่มจาก 0",
        "en": "The cursor is none of ours. Please send one that you were given, or start from 0.",
    }


class CredentialsMissing(XapiError):
    """No credentials were sent."""

    code = "credentials_missing"
    message: ClassVar = {"th": "ต้องใช้ชื่อและรหัสลับของผู้ใช้ API", "en": "Credentials are needed."}


class CredentialsRefused(XapiError):
    """The credentials are unknown, wrong, expired or revoked: the four look alike to who sent them.

    tenant_id, key   whose they are, where that is known, for the list that administrators see
    """

    code = "credentials_refused"
    message: ClassVar = {"th": "ชื่อหรือรหัสลับไม่ถูกต้อง หมดอายุ หรือถูกยกเลิกแล้ว", "en": "The credentials are wrong, expired or revoked."}


class TokenRefused(CredentialsRefused):
    """A token of an identity provider was refused; its holder can read it, so the reason is told.

    rule    stable code: token_form, token_issuer, token_algorithm, token_type, token_key, token_signature, token_audience, token_expired,
            token_not_yet, token_client, token_tenant, token_scope
    place   the claim or header that says so
    """

    code = "token_refused"
    message: ClassVar = {"th": "โทเคนใช้ไม่ได้: {rule} ({place})", "en": "The token is refused: {rule} ({place})."}

    def __init__(self, rule: str, place: str) -> None:
        super().__init__(rule=rule, place=place)
        self.rule = rule
        self.place = place


class IssuerUnavailable(XapiError):
    """The keys of the token's issuer cannot be fetched now."""

    code = "issuer_unavailable"
    message: ClassVar = {
        "th": "ไม่สามารถตรวจโทเคนได้ในขณะนี้ เพราะติดต่อผู้ออกโทเคนไม่ได้ โปรดส่งใหม่ภายหลัง",
        "en": "The token cannot be checked now, its issuer cannot be reached. Please send again later.",
    }


class ScopeMissing(XapiError):
    """The credential is good but does not allow this act.

    scopes   any of these would
    """

    code = "scope_missing"
    rule = "scope"
    place = "Authorization"
    message: ClassVar = {"th": "สิทธิ์ของรหัสนี้ไม่ครอบคลุมการทำงานที่ขอ", "en": "This credential does not allow the requested act."}


class SliceForbids(XapiError):
    """The credential is held to a slice of the store, and this lies outside it.

    rule    which member of the slice says so, a key of `sentences.REQUEST_RULES`
    place   JSON pointer into what was sent, or name of the parameter
    """

    code = "slice_forbids"

    def __init__(self, rule: str, place: str) -> None:
        super().__init__(rule=rule, place=place)
        self.rule = rule
        self.place = place
        self.message = REQUEST_RULES[rule]  # type: ignore[misc]  # the sentence is the rule's own


class Throttled(XapiError):
    """The credential made more requests in this minute than it may.

    seconds    until the next minute
    is_first   whether it is the first that is refused in this one
    """

    code = "throttled"
    rule = "requests_per_minute"
    place = "Authorization"
    message: ClassVar = {
        "th": "รหัสนี้ส่งคำขอถี่เกินกำหนด โปรดส่งใหม่ในอีก {seconds} วินาที",
        "en": "This credential sends too many requests. Please send again in {seconds} seconds.",
    }


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


class PushNotFound(NotFound):
    """No such forward or webhook in this tenant."""

    code = "push_not_found"
    message: ClassVar = {"th": "ไม่พบการส่งต่อชื่อนี้", "en": "There is no forward or webhook of this name."}


class PushExists(Conflict):
    """A forward or webhook of this name is there."""

    code = "push_exists"
    message: ClassVar = {"th": "มีการส่งต่อชื่อ {name} อยู่แล้ว", "en": "There is a forward or webhook called {name} already."}


class TargetUnusable(XapiError):
    """What answers at the address is no LRS that can be used."""

    code = "target_unusable"
    message: ClassVar = {"th": "ที่อยู่นี้ไม่ใช่ LRS ที่ใช้งานได้: {reason}", "en": "No usable LRS answers at this address: {reason}"}


class SourceUnusable(XapiError):
    """What statements are brought in from cannot be read on; what came before it is in."""

    code = "source_unusable"
    message: ClassVar = {"th": "อ่านแหล่งข้อมูลต่อไม่ได้: {reason}", "en": "The source cannot be read on: {reason}"}
    way_on: ClassVar = {
        "th": "แก้ไขแล้วสั่งนำเข้าอีกครั้งด้วย --resume เพื่อทำต่อจากจุดที่หยุด",
        "en": "Mend it and import again with --resume to go on from where it stopped.",
    }


class SourceAway(SourceUnusable):
    """What statements are brought in from does not answer now, and may do so in a moment."""

    code = "source_away"


class FeedNotFound(NotFound):
    """No feed of this name, or one of another credential."""

    code = "feed_not_found"
    message: ClassVar = {"th": "ไม่พบฟีดชื่อนี้", "en": "There is no feed of this name."}


class FeedTaken(Conflict):
    """The name belongs to a feed of another credential."""

    code = "feed_taken"
    message: ClassVar = {"th": "มีฟีดชื่อ {name} ของผู้ใช้ API รายอื่นอยู่แล้ว", "en": "The name {name} is taken by a feed of another credential."}


class WaitersTooMany(XapiError):
    """As many consumers wait or stream here as may."""

    code = "waiters_too_many"
    message: ClassVar = {
        "th": "มีผู้รอรับข้อมูลเต็มจำนวนแล้ว โปรดขอใหม่ภายหลัง หรือขอโดยไม่รอ",
        "en": "As many consumers wait here as may. Please come again, or ask without waiting.",
    }


class ParquetMissing(XapiError):
    """The package that writes Parquet is not installed."""

    code = "parquet_missing"
    message: ClassVar = {
        "th": "ระบบนี้ไม่ได้ติดตั้งส่วนเสริม parquet โปรดขอเป็น csv หรือ ndjson",
        "en": "This installation has no extra `parquet`. Please ask for csv or ndjson.",
    }


class StatementConflict(Conflict):
    """A statement with this id is stored and says something else; nothing of the batch is stored."""

    code = "statement_conflict"
    message: ClassVar = {
        "th": "มีสเตตเมนต์รหัส {id} อยู่แล้วและมีเนื้อหาต่างกัน",
        "en": "A statement with the id {id} is stored already and says something else.",
    }


class DocumentNotFound(NotFound):
    """No document of this name in this tenant."""

    code = "document_not_found"
    message: ClassVar = {"th": "ไม่พบเอกสารที่ขอ", "en": "The document was not found."}


class DocumentExists(Conflict):
    """A document stands where a PUT without a condition would overwrite it; nothing is changed."""

    code = "document_exists"
    message: ClassVar = {
        "th": "มีเอกสารนี้อยู่แล้ว โปรดอ่านฉบับปัจจุบัน แล้วส่งใหม่พร้อมส่วนหัว If-Match ที่มีค่า ETag ของฉบับนั้น",
        "en": "The document exists already. Please read it as it is now and send again with If-Match set to its ETag.",
    }


class PreconditionFailed(XapiError):
    """What stands there is not what the sender believed; nothing is changed."""

    code = "precondition_failed"
    message: ClassVar = {
        "th": "เอกสารเปลี่ยนไปจากที่ระบุในส่วนหัว {header} โปรดอ่านใหม่แล้วลองอีกครั้ง",
        "en": "The document is not as the header {header} says. Please read it again.",
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
    SliceForbids: 403,
    VoidingForbidden: 403,
    NotFound: 404,
    MethodRefused: 405,
    Conflict: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    MediaTypeRefused: 415,
    Throttled: 429,
    ParquetMissing: 501,
    IssuerUnavailable: 503,
    StoreUnavailable: 503,
    WaitersTooMany: 503,
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
