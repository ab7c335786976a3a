"""Why a step stands where it does, in plain Thai and English: one whole text for each reason code, with named places."""

# ruff: noqa: E501  a sentence stays in one piece

from collections.abc import Mapping
from typing import Any

from kernel.langmap import text_in

LANGUAGES = ("th", "en")

REASONS: Mapping[str, Mapping[str, str]] = {
    "assess_first": {
        "th": "ยังไม่มีผลประเมินของท่านในด้าน{node} จึงควรทำแบบประเมินก่อน แล้วระบบจะวางขั้นต่อไปจากระดับจริงของท่าน",
        "en": "There is no result of yours in {node} yet. Sit the assessment first; the next steps will then start from your real level.",
    },
    "begun": {
        "th": "ท่านเริ่มกิจกรรมสู่ระดับ “{level}” ในด้าน{node}ไว้แล้ว เส้นทางจึงให้ท่านทำต่อจนถึงระดับนั้น",
        "en": "You have begun working towards the level “{level}” in {node}, so your path lets you go on until you reach it.",
    },
    "overdue": {
        "th": "กำหนดที่ต้องถึงระดับของเป้าหมายในด้าน{node}ผ่านไปแล้ว จึงควรเริ่มขั้นสู่ระดับ “{level}” ทันที",
        "en": "The date set for your target in {node} has passed, so begin this step towards the level “{level}” now.",
    },
    "due": {
        "th": "เป้าหมายของท่านในด้าน{node}มีวันครบกำหนด ขั้นสู่ระดับ “{level}” จึงควรเริ่มแต่เนิ่น ๆ",
        "en": "Your target in {node} has a due date, so it is wise to begin this step towards the level “{level}” early.",
    },
    "gap": {
        "th": "เป้าหมายของท่านในด้าน{node}คือระดับ “{target}” ขั้นนี้พาท่านไปถึงระดับ “{level}” ซึ่งเป็นระดับถัดไป",
        "en": "Your target in {node} is the level “{target}”. This step takes you to the level “{level}”, which comes next.",
    },
    "target": {
        "th": "ขั้นนี้พาท่านไปถึงระดับ “{level}” ซึ่งเป็นเป้าหมายของท่านในด้าน{node}",
        "en": "This step takes you to the level “{level}”, which is your target in {node}.",
    },
    "unlocks": {
        "th": "เมื่อถึงระดับ “{level}” ในด้าน{node}แล้ว ท่านจะไปต่อได้อีก {count} ระดับในเส้นทางนี้ จึงควรทำก่อน",
        "en": "Reaching the level “{level}” in {node} opens the way to other levels on this path ({count} in all), so it is worth doing early.",
    },
    "foundation": {
        "th": "ระดับ “{level}” ในด้าน{node}เป็นพื้นฐานที่ต้องมีก่อนจะไปถึงระดับ “{for_level}” ในด้าน{for_node} ซึ่งอยู่ในเป้าหมายของท่าน",
        "en": "The level “{level}” in {node} is needed before the level “{for_level}” in {for_node}, which is part of your target.",
    },
    "nothing_in_catalogue": {
        "th": "ยังไม่มีกิจกรรมสู่ระดับ “{level}” ในด้าน{node}ในบัญชีรายการเรียนรู้ โปรดตกลงวิธีพัฒนากับผู้บังคับบัญชาของท่าน",
        "en": "The catalogue holds nothing yet for the level “{level}” in {node}. Please agree with your supervisor how you will work towards it.",
    },
    "then_reading": {
        "th": "อ่านเพิ่มอีกเรื่องหนึ่ง เพื่อให้มีความรู้ครบสำหรับระดับ “{level}” ในด้าน{node}",
        "en": "Read one more piece, so that you know what the level “{level}” in {node} asks for.",
    },
    "then_course": {
        "th": "หลักสูตรนี้เรียบเรียงความรู้ที่ต้องใช้ในระดับ “{level}” ของด้าน{node}ให้ครบก่อนลงมือทำ",
        "en": "This course brings together what the level “{level}” in {node} asks you to know before you do the work.",
    },
    "then_practice": {
        "th": "ลงมือทำกับงานจริงของท่าน เพราะระดับ “{level}” ในด้าน{node}วัดจากสิ่งที่ทำได้ ไม่ใช่เพียงสิ่งที่รู้",
        "en": "Do it in your own work, because the level “{level}” in {node} is about what you can do, not only what you know.",
    },
    "then_coaching": {
        "th": "ให้ผู้มีประสบการณ์ดูงานที่ท่านทำและบอกสิ่งที่ควรปรับ เพื่อให้ถึงระดับ “{level}” ในด้าน{node}ได้อย่างมั่นใจ",
        "en": "Let someone with experience look at your work and say what to change, so that you reach the level “{level}” in {node} with confidence.",
    },
    "then_project": {
        "th": "รวมสิ่งที่ฝึกมาเป็นผลงานหนึ่งชิ้นที่หน่วยงานใช้ได้จริง เพื่อแสดงว่าท่านถึงระดับ “{level}” ในด้าน{node}",
        "en": "Bring what you have practised together in one piece of work that your agency can use, and so show the level “{level}” in {node}.",
    },
}
"""Reason code to its text. `node` and `for_node` are competencies; `level`, `target` and `for_level` are names of levels."""

NOTES: Mapping[str, Mapping[str, str]] = {
    "no_targets": {
        "th": "หน่วยงานของท่านยังไม่ได้ตั้งเป้าหมาย จึงยังไม่มีเส้นทาง",
        "en": "Your agency has not set any targets yet, so there is no path.",
    },
    "all_reached": {
        "th": "ท่านถึงเป้าหมายทุกด้านแล้ว",
        "en": "You have reached every target.",
    },
    "withheld": {
        "th": "จะวางขั้นเพิ่มอีกหลังจากมีผลประเมินแล้ว เพราะเส้นทางไม่วางขั้นจากการคาดเดา (รออยู่ {count} ระดับ)",
        "en": "More steps will follow once you have been assessed, because nothing is planned on a guess. Levels waiting: {count}.",
    },
    "mix": {
        "th": "ชั่วโมงในเส้นทางนี้ยังไม่เป็นไปตามสัดส่วน คือปฏิบัติจริงอย่างน้อยครึ่งหนึ่งและเรียนในระบบไม่เกินร้อยละ 30 โปรดหารือกับผู้บังคับบัญชา",
        "en": "The hours of this path do not keep to the mix of at least half in practice and at most 30 % formal. Please discuss it with your supervisor.",
    },
}
"""Note code to its text: what the path as a whole has to say."""


def fill(texts: Mapping[str, str], places: Mapping[str, Any]) -> dict[str, str]:
    """A text with its places filled, in Thai and English.

    places   name to a value; a language map is put in by its language
    Raises   KeyError when a place has no value
    """
    return {language: texts[language].format_map(_in_language(places, language)) for language in LANGUAGES}


def _in_language(places: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {name: text_in(language, value) if isinstance(value, Mapping) else value for name, value in places.items()}
