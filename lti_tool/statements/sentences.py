"""One statement as a plain sentence in Thai or English, for a person who looks at the record. Pure."""

from collections.abc import Mapping
from typing import Any

from kernel.langmap import text_in
from lti_tool.statements import vocabulary as words

VOIDED = "http://adlnet.gov/expapi/verbs/voided"

SENTENCES: Mapping[str, Mapping[str, str]] = {
    "initialized": {"th": "{who} เริ่มทำ “{what}”", "en": "{who} began “{what}”."},
    "answered": {"th": "{who} ตอบข้อ “{what}”", "en": "{who} answered “{what}”."},
    "answered_right": {"th": "{who} ตอบข้อ “{what}” ถูก", "en": "{who} answered “{what}” correctly."},
    "answered_wrong": {"th": "{who} ตอบข้อ “{what}” ไม่ถูก", "en": "{who} answered “{what}” incorrectly."},
    "completed": {"th": "{who} ทำ “{what}” เสร็จแล้ว", "en": "{who} completed “{what}”."},
    "completed_scored": {
        "th": "{who} ทำ “{what}” เสร็จแล้ว ได้คะแนนร้อยละ {percent}",
        "en": "{who} completed “{what}” with a score of {percent} per cent.",
    },
    "terminated": {"th": "{who} ยุติการทำ “{what}” โดยไม่มีคำตอบ", "en": "{who} ended “{what}” without an answer."},
    "passed": {"th": "{who} ผ่าน “{what}”", "en": "{who} passed “{what}”."},
    "passed_level": {"th": "{who} ผ่าน “{what}” ที่ระดับ {level}", "en": "{who} passed “{what}” at level {level}."},
    "failed": {"th": "{who} ยังไม่ผ่าน “{what}”", "en": "{who} has not passed “{what}” yet."},
    "failed_level": {
        "th": "{who} ยังไม่ผ่าน “{what}” ผลอยู่ที่ระดับ {level}",
        "en": "{who} has not passed “{what}” yet; the result is level {level}.",
    },
    "scored": {"th": "{who} ทำ “{what}” ได้ผลแล้ว", "en": "{who} has a result in “{what}”."},
    "scored_level": {
        "th": "{who} ได้ผลระดับ {level} ใน “{what}” ยังสรุปไม่ได้ว่าผ่านหรือไม่",
        "en": "{who} has the level {level} in “{what}”; whether it is a pass cannot be told yet.",
    },
    "voided": {"th": "{who} ยกเลิกรายการ {what}", "en": "{who} voided the statement {what}."},
    "other": {"th": "{who} {verb} “{what}”", "en": "{who} {verb} “{what}”."},
}
"""What happened, as one whole sentence each; `who`, `what`, `verb`, `percent` and `level` are its places."""

WHO: Mapping[str, Mapping[str, str]] = {
    "account": {"th": "บุคคล {id}", "en": "Person {id}"},
    "group": {"th": "กลุ่มบุคคล", "en": "A group"},
}

_VERBS = {term.iri: term.iri.rsplit("/", 1)[1] for term in words.VERBS} | {VOIDED: "voided"}


def sentence_of(statement: Mapping[str, Any], language: str) -> str:
    """The statement in one sentence.

    statement   any valid statement, ours or not
    language    a language code; Thai when it is neither Thai nor English
    """
    verb, result = statement["verb"], statement.get("result", {})
    case = _case(_VERBS.get(verb["id"], "other"), result)
    return text_in(language, SENTENCES[case]).format(
        who=_who(statement["actor"], language),
        what=_what(statement["object"], language),
        verb=_text(verb.get("display"), language) or verb["id"].rstrip("/").rsplit("/", 1)[-1],
        percent=f"{100 * result.get('score', {}).get('scaled', 0):.0f}",
        level=result.get("extensions", {}).get(words.LEVEL.iri),
    )


def _case(verb: str, result: Mapping[str, Any]) -> str:
    if verb == "answered" and "success" in result:
        return "answered_right" if result["success"] else "answered_wrong"
    if verb == "completed" and "scaled" in result.get("score", {}):
        return "completed_scored"
    if verb in ("passed", "failed", "scored") and words.LEVEL.iri in result.get("extensions", {}):
        return f"{verb}_level"
    return verb


def _who(actor: Mapping[str, Any], language: str) -> str:
    if actor.get("name"):
        return str(actor["name"])
    if "account" in actor:
        return text_in(language, WHO["account"]).format(id=actor["account"]["name"][:8])
    mailbox = str(actor.get("mbox", actor.get("openid", actor.get("mbox_sha1sum", "")))).removeprefix("mailto:")
    return mailbox or text_in(language, WHO["group"])


def _what(thing: Mapping[str, Any], language: str) -> str:
    """The name of the object, or whatever says best which one it is."""
    if thing.get("objectType") in ("Agent", "Group"):
        return _who(thing, language)
    if thing.get("objectType") == "SubStatement":
        return sentence_of(thing, language)
    return _text(thing.get("definition", {}).get("name"), language) or str(thing["id"])


def _text(texts: Mapping[str, str] | None, language: str) -> str:
    return text_in(language, texts) if texts else ""
