"""What each rule says to the person whose statement or request broke it, Thai and English. Pure data."""

from typing import Final

STATEMENT_RULES: Final[dict[str, dict[str, str]]] = {
    "wrong_type": {"th": "ค่าที่ {place} ไม่ใช่ชนิดข้อมูลที่มาตรฐานกำหนด", "en": "The value at {place} is not of the type that the standard names."},
    "null_value": {
        "th": "ค่าที่ {place} เป็น null ซึ่งมีได้เฉพาะใน extensions",
        "en": "The value at {place} is null; null is allowed in extensions only.",
    },
    "unknown_property": {
        "th": "{place} มีคุณสมบัติที่มาตรฐานไม่รู้จักหรือสะกดไม่ตรง",
        "en": "There is a property at {place} that the standard does not know or spells otherwise.",
    },
    "missing_property": {"th": "{place} ขาดคุณสมบัติที่จำเป็น", "en": "A required property is missing at {place}."},
    "unknown_value": {"th": "ค่าที่ {place} ไม่อยู่ในรายการที่มาตรฐานกำหนด", "en": "The value at {place} is not one that the standard lists."},
    "iri": {"th": "{place} ต้องเป็น IRI ที่มี scheme", "en": "The value at {place} must be an IRI with a scheme."},
    "uuid": {"th": "{place} ต้องเป็น UUID", "en": "The value at {place} must be a UUID."},
    "mailto": {"th": "{place} ต้องอยู่ในรูป mailto:อีเมล", "en": "The value at {place} must have the form mailto:address."},
    "sha1": {
        "th": "{place} ต้องเป็นค่า SHA-1 เลขฐานสิบหก 40 หลัก",
        "en": "The value at {place} must be a SHA-1 digest of 40 hexadecimal digits.",
    },
    "sha2": {"th": "{place} ต้องเป็นค่า SHA-2 เลขฐานสิบหก", "en": "The value at {place} must be a SHA-2 digest in hexadecimal digits."},
    "media_type": {"th": "{place} ต้องเป็นชนิดสื่อตาม RFC 2046", "en": "The value at {place} must be a media type (RFC 2046)."},
    "duration": {"th": "{place} ต้องเป็นช่วงเวลาตาม ISO 8601", "en": "The value at {place} must be an ISO 8601 duration."},
    "language": {"th": "{place} ต้องใช้รหัสภาษาตาม RFC 5646", "en": "A language tag at {place} does not follow RFC 5646."},
    "version": {"th": "{place} เป็นเวอร์ชันที่ไม่รองรับ", "en": "The version at {place} is not served."},
    "timestamp": {
        "th": "{place} ต้องเป็นเวลาจริงตาม RFC 3339 และมีเขตเวลาที่ทราบ",
        "en": "The value at {place} must be a real moment by RFC 3339 with a known zone.",
    },
    "one_ifi": {
        "th": "{place} ต้องมีตัวระบุตัวตนเพียงหนึ่งเดียว",
        "en": "The actor at {place} must have exactly one inverse functional identifier.",
    },
    "anonymous_group": {"th": "กลุ่มไม่ระบุตัวตนที่ {place} ต้องมีสมาชิก", "en": "The anonymous group at {place} must list its members."},
    "team_is_group": {"th": "{place} ต้องเป็นกลุ่ม", "en": "The team at {place} must be a group."},
    "authority_pair": {
        "th": "กลุ่มที่ {place} ต้องมีสมาชิกสองราย คือแอปพลิเคชันและผู้ใช้",
        "en": "The group at {place} must have two members: an application with an account, and a user.",
    },
    "score_range": {"th": "คะแนนที่ {place} อยู่นอกช่วงที่กำหนด", "en": "The score at {place} is out of its range."},
    "score_order": {
        "th": "คะแนนที่ {place} ต้องเป็นไปตาม min < max และ min <= raw <= max",
        "en": "The score at {place} must keep min < max and min <= raw <= max.",
    },
    "too_small": {"th": "ค่าที่ {place} น้อยเกินไป", "en": "The value at {place} is too small."},
    "relevant_types_empty": {"th": "รายการที่ {place} ต้องไม่ว่าง", "en": "The list at {place} must not be empty."},
    "revision_needs_activity": {
        "th": "{place} ใช้ได้เมื่อ object เป็น Activity เท่านั้น",
        "en": "The property at {place} is allowed only when the object is an Activity.",
    },
    "voiding_needs_statement_ref": {
        "th": "สเตตเมนต์ยกเลิกต้องมี object เป็น StatementRef ({place})",
        "en": "The object of a voiding statement must be a StatementRef ({place}).",
    },
    "interaction_type_missing": {
        "th": "นิยามที่ {place} ขาด interactionType",
        "en": "The definition at {place} has interaction properties but no interactionType.",
    },
    "interaction_component": {
        "th": "{place} ใช้กับ interactionType นี้ไม่ได้",
        "en": "The list at {place} does not belong to this interactionType.",
    },
    "component_repeated": {"th": "รหัสใน {place} ซ้ำกัน", "en": "An id in the list at {place} stands there twice."},
    "id_repeated": {"th": "รหัสสเตตเมนต์ที่ {place} ซ้ำกับรายการอื่นในชุดเดียวกัน", "en": "The id at {place} stands twice in this batch."},
    "id_differs": {"th": "รหัสที่ {place} ไม่ตรงกับพารามิเตอร์ statementId", "en": "The id at {place} is not that of the parameter statementId."},
    "attachment_missing": {
        "th": "ไฟล์แนบที่ {place} ไม่มี fileUrl และไม่มีข้อมูลแนบมา",
        "en": "The attachment at {place} has no fileUrl and its data was not sent.",
    },
    "shape": {"th": "ข้อมูลที่ {place} ไม่ถูกรูปแบบ", "en": "The value at {place} does not have the shape that the standard names."},
}

REQUEST_RULES: Final[dict[str, dict[str, str]]] = {
    "unknown_parameter": {"th": "ไม่รู้จักพารามิเตอร์ {place}", "en": "The parameter {place} is unknown here."},
    "repeated_parameter": {"th": "พารามิเตอร์ {place} ซ้ำกัน", "en": "The parameter {place} is given twice."},
    "missing_parameter": {"th": "ขาดพารามิเตอร์ {place}", "en": "The parameter {place} is missing."},
    "not_boolean": {"th": "{place} ต้องเป็น true หรือ false", "en": "The parameter {place} must be true or false."},
    "not_uuid": {"th": "{place} ต้องเป็น UUID", "en": "The parameter {place} must be a UUID."},
    "not_iri": {"th": "{place} ต้องเป็น IRI ที่มี scheme", "en": "The parameter {place} must be an IRI with a scheme."},
    "not_number": {"th": "{place} ต้องเป็นจำนวนเต็มตั้งแต่ 0", "en": "The parameter {place} must be a whole number, 0 or more."},
    "not_format": {"th": "{place} ต้องเป็น ids, exact หรือ canonical", "en": "The parameter {place} must be ids, exact or canonical."},
    "not_timestamp": {
        "th": "{place} ต้องเป็นเวลาตาม RFC 3339",
        "en": "The parameter {place} must be a timestamp with a known zone (RFC 3339).",
    },
    "not_agent": {"th": "{place} ต้องเป็น Agent หรือกลุ่มที่ระบุตัวตน", "en": "The parameter {place} must be an agent or an identified group."},
    "not_json": {"th": "{place} ต้องเป็น application/json", "en": "The header {place} must be application/json."},
    "not_utf8": {"th": "{place} ต้องเป็น UTF-8", "en": "The text of the {place} must be UTF-8."},
    "bad_encoding": {"th": "{place} เข้ารหัสไม่ถูกต้อง", "en": "Names and values of the {place} must be percent-encoded UTF-8, at most 100."},
    "alternate_parameters": {
        "th": "รูปแบบคำขอทางเลือกรับพารามิเตอร์ method เพียงตัวเดียว ({place})",
        "en": "The alternate request syntax takes the parameter method alone ({place}).",
    },
    "alternate_refused": {"th": "xAPI 2.0 ไม่มีรูปแบบคำขอทางเลือก ({place})", "en": "xAPI 2.0 has no alternate request syntax ({place})."},
    "not_object": {"th": "{place} ต้องเป็นออบเจกต์ JSON", "en": "The value at {place} must be a JSON object."},
    "unknown_member": {"th": "ไม่รู้จักสมาชิก {place}", "en": "The member {place} is unknown here."},
    "not_list": {"th": "{place} ต้องเป็นรายการที่มี 1 ถึง 50 ค่า", "en": "The value at {place} must be a list of 1 to 50 values."},
    "times_exclude_all": {
        "th": "ช่วงเวลาไม่มีข้อมูลใดอยู่ภายใน เพราะ {place} ไม่อยู่หลัง since",
        "en": "Nothing lies between the times: {place} must be after since.",
    },
    "unknown_scope": {"th": "{place} มีสิทธิ์ที่ไม่รู้จักหรือว่างเปล่า", "en": "The {place} are empty or hold one that xAPI does not know."},
    "name_length": {"th": "{place} ต้องยาว 1 ถึง 200 อักขระ", "en": "The {place} must have 1 to 200 characters."},
}
