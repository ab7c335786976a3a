"""What may be wrong with a connection, in words with the cure: the page and `kaona doctor` say the same."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import xapi.api as xapi
from kernel.langmap import LangMap
from lti_tool.workflows.standing import fault_of

KIND_NAMES: dict[str, LangMap] = {
    "score.publish": {"th": "คะแนนที่ส่งไปยังรายวิชา", "en": "Scores for a course"},
    "score.reconcile": {"th": "การเทียบคะแนนกับสมุดคะแนน", "en": "Comparisons with a gradebook"},
    "line_item.ensure": {"th": "การสร้างคอลัมน์คะแนน", "en": "New columns of a gradebook"},
    "line_item.update": {"th": "การแก้ไขคอลัมน์คะแนน", "en": "Changed columns of a gradebook"},
    "line_item.delete": {"th": "การลบคอลัมน์คะแนน", "en": "Columns of a gradebook to delete"},
    "items.analyse": {"th": "การวิเคราะห์ข้อสอบ", "en": "Item analyses"},
    "items.analyse_all": {"th": "การวิเคราะห์ข้อสอบประจำคืน", "en": "Nightly item analyses"},
    "roster.sync": {"th": "การอ่านรายชื่อสมาชิก", "en": "Lists of members to read"},
}
"""Kinds of waiting effects."""
PATIENCE = timedelta(hours=1)
"""A target of statements that is away for so long needs a person."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, or that is good to know.

    reason        the stable code behind it, for those who search a log; none where the sentence says all
    needs_person  nothing will mend it by itself
    """

    code: str
    what: LangMap
    cure: LangMap
    needs_person: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    what: LangMap
    cure: LangMap
    needs_person: bool = True


_LOOK: LangMap = {"th": "ไม่มีเหตุผลบันทึกไว้ โปรดสั่ง kaona score retry", "en": "No reason was recorded. Run kaona score retry."}

WORDS: dict[str, _Words] = {
    "erased_came_back": _Words(
        {
            "th": "รายการลบบุคคลมี {n} รายการที่ฐานข้อมูลนี้ไม่รู้จัก ข้อมูลอาจกู้คืนมาจากสำเนาที่เก่ากว่า",
            "en": "The list of erasures has {n} that this database does not know: it may have been restored from an older backup.",
        },
        {"th": "โปรดสั่ง kaona people erase --again", "en": "Run kaona people erase --again."},
    ),
    "pending": _Words(
        {"th": "LMS นี้ลงทะเบียนเองและรอการอนุมัติ", "en": "This LMS registered itself and waits for approval."},
        {
            "th": "โปรดเปิดหน้าของ LMS นี้แล้วกดอนุมัติ หากไม่รู้จักให้กดปิดใช้งาน",
            "en": "Open its page and approve it; if you do not know it, disable it.",
        },
    ),
    "no_deployment": _Words(
        {
            "th": "ยังไม่ทราบรหัสการติดตั้ง (deployment id) ของ LMS นี้ จึงเปิดกิจกรรมไม่ได้",
            "en": "Its deployment id is not known, so that no activity can be opened.",
        },
        {"th": "โปรดคัดลอกรหัสจาก LMS มาใส่ในหน้าของ LMS นี้", "en": "Copy the id from the LMS to its page here."},
    ),
    "never_launched": _Words(
        {"th": "ยังไม่มีผู้เปิดกิจกรรมจาก LMS นี้", "en": "Nobody has opened an activity from this LMS yet."},
        {"th": "โปรดเพิ่มกิจกรรมในรายวิชาแล้วลองเปิด", "en": "Add an activity to a course and open it."},
        needs_person=False,
    ),
    "key_set_unreachable": _Words(
        {
            "th": "อ่านชุดกุญแจของ LMS ไม่ได้ ({reason}) การเปิดกิจกรรมอาจล้มเหลว",
            "en": "Its key set could not be fetched ({reason}). Launches may fail.",
        },
        {
            "th": "โปรดตรวจว่าที่อยู่ของชุดกุญแจเปิดได้จากเครื่องนี้ แล้วกดตรวจสอบในหน้าของ LMS นี้",
            "en": "Check that the address of the key set answers from this machine, then press check on its page.",
        },
    ),
    "keys_refused": _Words(
        {"th": "กุญแจบางดอกของ LMS ไม่ปลอดภัยและไม่ถูกใช้: {keys}", "en": "Some of its keys are not safe and are not used: {keys}."},
        {
            "th": "โปรดแจ้งผู้ดูแล LMS ให้ใช้กุญแจ RSA ตั้งแต่ 2048 บิตสำหรับลงนาม",
            "en": "Ask the administrator of the LMS for RSA signing keys of 2048 bits or more.",
        },
    ),
    "clock_differs": _Words(
        {
            "th": "เวลาของ LMS ต่างจากเวลาของระบบ {seconds:+.0f} วินาที หากเกิน 60 วินาทีจะเปิดกิจกรรมไม่ได้",
            "en": "Its clock differs from ours by {seconds:+.0f} s; launches fail above 60 s.",
        },
        {"th": "โปรดตั้งเวลาของทั้งสองเครื่องด้วย NTP", "en": "Set both clocks by NTP."},
    ),
    "platform_away": _Words(
        {"th": "ติดต่อ LMS ไม่ได้ชั่วคราว ({reason})", "en": "The LMS cannot be reached at the moment ({reason})."},
        {"th": "ระบบลองใหม่เองทุกสี่นาทีหรือเร็วกว่า", "en": "It is tried again by itself, every four minutes or sooner."},
        needs_person=False,
    ),
    "queue_old": _Words(
        {
            "th": "มีรายการที่รอส่งไปยัง LMS นี้ {n} รายการ รายการที่เก่าที่สุดรอมา {minutes} นาที",
            "en": "{n} effects wait for this LMS, the oldest for {minutes} minutes.",
        },
        {
            "th": "โปรดตรวจว่า LMS เปิดได้จากเครื่องนี้ รายการที่รอจะไม่สูญหาย",
            "en": "Check that the LMS answers from this machine. Nothing that waits is lost.",
        },
    ),
    "columns_gone": _Words(
        {
            "th": "LMS ไม่มีคอลัมน์คะแนนที่เคยส่งคะแนนแล้ว หรือไม่ให้เขียน: {n} คอลัมน์",
            "en": "Columns with scores of ours that the LMS no longer has, or no longer lets us write to: {n}.",
        },
        {
            "th": "หากลบโดยตั้งใจไม่ต้องดำเนินการใด มิฉะนั้นโปรดเปิดกิจกรรมจากรายวิชาอีกครั้ง",
            "en": "If they were deleted on purpose, leave it; else open the activity from its course again.",
        },
        needs_person=False,
    ),
    "grades_missing": _Words(
        {
            "th": "คะแนนที่ส่งแล้วแต่ไม่มีในสมุดคะแนนของ LMS: {n} รายการ",
            "en": "Scores that were sent and that the gradebook does not hold: {n}.",
        },
        {
            "th": "ดูรายการด้วย kaona score reconcile หรือให้ผู้สอนกดส่งอีกครั้งในหน้าของผู้สอน",
            "en": "List them by kaona score reconcile, or let the teacher send them again on the teacher's page.",
        },
    ),
    "grades_changed": _Words(
        {
            "th": "คะแนนในสมุดคะแนนที่ต่างจากคะแนนที่ส่งไป: {n} รายการ อาจมีผู้สอนแก้ไข",
            "en": "Grades that differ from what was sent: {n}. Teachers may have changed them.",
        },
        {"th": "ระบบไม่เขียนทับ ผู้สอนเห็นรายการในหน้าของผู้สอน", "en": "They are not overwritten; teachers see them on their page."},
        needs_person=False,
    ),
    "results_unread": _Words(
        {"th": "อ่านผลจากสมุดคะแนนไม่สำเร็จ: {n} คอลัมน์", "en": "Columns whose results could not be read: {n}."},
        {"th": "ระบบจะลองอีกครั้งในคืนถัดไป", "en": "The next night tries again."},
        needs_person=False,
    ),
    "roster_not_allowed": _Words(
        {"th": "LMS ไม่ให้อ่านรายชื่อสมาชิก: {n} รายวิชา", "en": "Courses whose list of members the LMS does not let us read: {n}."},
        {
            "th": "โปรดให้ผู้ดูแล LMS เปิดบริการรายชื่อสมาชิกให้เครื่องมือนี้",
            "en": "Ask the administrator of the LMS to allow this tool the list of members.",
        },
    ),
    "roster_incomplete": _Words(
        {"th": "รายชื่อสมาชิกที่ LMS ส่งมาไม่ครบหรือว่าง: {n} รายวิชา", "en": "Courses whose list of members came incomplete or empty: {n}."},
        {
            "th": "ไม่มีผู้ใดถูกนำออก โปรดแจ้งผู้ดูแล LMS หากเกิดซ้ำ",
            "en": "Nobody was taken off. Tell the administrator of the LMS if it goes on.",
        },
        needs_person=False,
    ),
    "roster_away": _Words(
        {"th": "อ่านรายชื่อสมาชิกครั้งล่าสุดไม่สำเร็จ: {n} รายวิชา", "en": "Courses whose list of members could not be read at the last try: {n}."},
        {"th": "ระบบจะลองอีกครั้งเอง", "en": "It is tried again by itself."},
        needs_person=False,
    ),
    "worker_absent": _Words(
        {
            "th": "มีรายการที่ถึงเวลาส่งมากว่า {minutes} นาทีแล้ว แต่ไม่มีโปรแกรมเบื้องหลังทำงาน",
            "en": "Work has been due for more than {minutes} minutes and no worker does it.",
        },
        {"th": "โปรดเริ่ม kaona worker", "en": "Start kaona worker."},
    ),
    "tool_key_old": _Words(
        {"th": "กุญแจที่ระบบใช้ลงนามมีอายุ {days} วันแล้ว", "en": "The key that this tool signs with is {days} days old."},
        {
            "th": "โปรดเปลี่ยนกุญแจในหน้า LMS ที่เชื่อมต่อ หรือสั่ง kaona platform rotate-keys กุญแจเดิมยังใช้ได้ระหว่างเปลี่ยน",
            "en": "Rotate it on the page of platforms or by kaona platform rotate-keys; the old one stays valid meanwhile.",
        },
    ),
    "forward_paused": _Words(
        {"th": "การส่งต่อ {name} หยุดไว้ตามคำสั่ง มีข้อมูลรอ {n} รายการ", "en": "The forward {name} is paused by hand; {n} statements wait."},
        {"th": "โปรดสั่ง kaona forward resume เมื่อต้องการส่งต่อ", "en": "Run kaona forward resume when it shall go on."},
        needs_person=False,
    ),
    "forward_not_allowed": _Words(
        {
            "th": "ปลายทางของการส่งต่อ {name} ไม่รับชื่อผู้ใช้หรือรหัสลับของเรา ({reason}) จึงหยุดส่ง มีข้อมูลรอ {n} รายการ",
            "en": "The target of the forward {name} does not accept our key or secret ({reason}); it is paused, {n} statements wait.",
        },
        {
            "th": "โปรดขอรหัสลับใหม่ แล้วสั่ง kaona forward rotate-secret และ kaona forward resume",
            "en": "Get a new secret, then run kaona forward rotate-secret and kaona forward resume.",
        },
    ),
    "forward_gone": _Words(
        {
            "th": "ปลายทางของการส่งต่อ {name} แจ้งว่าเลิกรับแล้ว ({reason})",
            "en": "The target of the forward {name} said that it wants no more ({reason}).",
        },
        {
            "th": "หากเลิกใช้จริงโปรดสั่ง kaona forward remove มิฉะนั้นสั่ง kaona forward resume",
            "en": "Run kaona forward remove if that is so, else kaona forward resume.",
        },
    ),
    "forward_refuses_all": _Words(
        {
            "th": "ปลายทางของการส่งต่อ {name} ไม่รับข้อมูลติดต่อกันหลายรายการ จึงหยุดส่งก่อนที่จะพักทุกรายการไว้",
            "en": "The target of the forward {name} refused many statements in a row; it was paused before all were set aside.",
        },
        {
            "th": "โปรดดูเหตุผลด้วย kaona forward refused อาจต้องเปลี่ยนรุ่นของ xAPI แล้วสั่ง resume และ retry",
            "en": "See the reasons by kaona forward refused (often the version of xAPI is wrong), then resume and retry.",
        },
    ),
    "forward_secret_unreadable": _Words(
        {
            "th": "รหัสลับของการส่งต่อ {name} ถอดด้วยกุญแจของระบบปัจจุบันไม่ได้",
            "en": "The secret of the forward {name} was sealed under another key of this installation.",
        },
        {
            "th": "โปรดใส่รหัสลับใหม่ด้วย kaona forward rotate-secret แล้วสั่ง kaona forward resume",
            "en": "Put it in again by kaona forward rotate-secret, then run kaona forward resume.",
        },
    ),
    "forward_away": _Words(
        {
            "th": "ติดต่อปลายทางของการส่งต่อ {name} ไม่ได้ ({reason}) มีข้อมูลรอ {n} รายการ",
            "en": "The target of the forward {name} cannot be reached ({reason}); {n} statements wait.",
        },
        {
            "th": "ระบบลองใหม่เอง ไม่มีข้อมูลสูญหาย หากนานกว่าหนึ่งชั่วโมงโปรดตรวจที่อยู่ปลายทาง",
            "en": "It is tried again by itself and nothing is lost. If it lasts longer than an hour, check the address.",
        },
        needs_person=False,
    ),
    "forward_set_aside": _Words(
        {
            "th": "ข้อมูลที่ปลายทางของการส่งต่อ {name} ไม่รับและพักไว้ {n} รายการ",
            "en": "Statements that the target of the forward {name} refused: {n}.",
        },
        {
            "th": "โปรดดูเหตุผลด้วย kaona forward refused แล้วสั่ง kaona forward retry",
            "en": "See the reasons by kaona forward refused, then run kaona forward retry.",
        },
    ),
    "lrs_key_ends": _Words(
        {"th": "กุญแจของคลังบันทึกการเรียนรู้ {name} จะหมดอายุใน {days} วัน", "en": "The record store's key {name} ends in {days} days."},
        {
            "th": "โปรดสร้างกุญแจใหม่ด้วย kaona lrs key create แล้วยกเลิกกุญแจเดิม",
            "en": "Make a new one by kaona lrs key create, then revoke the old one.",
        },
    ),
}


def finding(code: str, *, reason: str | None = None, **values: Any) -> Finding:
    """A finding in words; `values` fill the places of its sentence."""
    words = WORDS[code]
    what = {language: text.format(reason=reason, **values) for language, text in words.what.items()}
    return Finding(code, what, words.cure, words.needs_person, reason)


PAUSES = {
    "asked": "forward_paused", "status 401": "forward_not_allowed", "status 403": "forward_not_allowed", "status 410": "forward_gone",
    "refuses_all": "forward_refuses_all", "secret_unreadable": "forward_secret_unreadable",
}  # fmt: skip
"""Why a forward or webhook is paused, and the finding that says so."""


def of_push(push: xapi.PushView, now: datetime) -> list[Finding]:
    """What is wrong with a forward or webhook; one whose target is away needs a person after an hour."""
    found = []
    if push.paused_for is not None:
        found.append(finding(PAUSES[push.paused_for], reason=push.paused_for, name=push.name, n=push.waiting))
    elif push.next_try_at is not None:
        is_long = push.oldest_waiting_at is not None and now - push.oldest_waiting_at > PATIENCE
        found.append(replace(finding("forward_away", reason=push.last_error, name=push.name, n=push.waiting), needs_person=is_long))
    elif push.idle_since is not None and now - push.idle_since > PATIENCE:
        found.append(finding("worker_absent", minutes=PATIENCE // timedelta(minutes=1)))
    if push.set_aside:
        found.append(finding("forward_set_aside", name=push.name, n=push.set_aside))
    return found


def parked_scores(note: str, n: int, *, takes_scores: bool) -> Finding:
    """Scores that the platform refused for one reason.

    takes_scores   it took a score before: then a 400 is about the person, mostly a teacher who tried the activity
    """
    counted = {"th": f"คะแนนที่ส่งไม่สำเร็จ {n} รายการ", "en": f"Scores that could not be sent: {n}."}
    return _with_fault("scores_parked", counted, note, needs_person=note != "status 400" or not takes_scores)


def failed_columns(note: str, n: int) -> Finding:
    """Columns that could not be made or changed for one reason; the worker tries again what is no refusal."""
    counted = {"th": f"คอลัมน์คะแนนที่สร้างหรือแก้ไขไม่สำเร็จ {n} คอลัมน์", "en": f"Columns that could not be made or changed: {n}."}
    is_refusal = note.startswith("status 4") or note in {"column_missing", "host_foreign", "scope_missing"}
    return _with_fault("columns_failed", counted, note, needs_person=is_refusal)


def _with_fault(code: str, counted: LangMap, note: str, *, needs_person: bool) -> Finding:
    fault = fault_of(note)
    if fault is None:
        return Finding(code, counted, _LOOK, needs_person)
    what = {language: f"{text} {fault.what[language]}" for language, text in counted.items()}
    return Finding(code, what, fault.cure, needs_person, note)
