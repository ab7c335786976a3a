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
    "signature_type": {
        "th": "ลายเซ็นที่ {place} ต้องมี contentType เป็น application/octet-stream",
        "en": "The signature at {place} must have the contentType application/octet-stream.",
    },
    "signature_missing": {"th": "ไม่ได้ส่งข้อมูลของลายเซ็นที่ {place} มา", "en": "The data of the signature at {place} was not sent."},
    "signature_malformed": {
        "th": "ลายเซ็นที่ {place} ไม่ใช่ JWS (RFC 7515) แบบกระชับของสเตตเมนต์",
        "en": "The signature at {place} is no compact JWS (RFC 7515) of a statement.",
    },
    "signature_algorithm": {
        "th": "ลายเซ็นที่ {place} ต้องใช้ RS256, RS384 หรือ RS512",
        "en": "The signature at {place} must be by RS256, RS384 or RS512.",
    },
    "signature_wrong": {
        "th": "ลายเซ็นที่ {place} ไม่ตรงกับใบรับรองใน x5c",
        "en": "The signature at {place} does not hold for the certificate in its x5c header.",
    },
    "signature_differs": {
        "th": "ลายเซ็นที่ {place} ลงนามสเตตเมนต์ที่มีเนื้อหาต่างจากที่ส่งมา",
        "en": "The signature at {place} signs a statement that says something else.",
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
    "not_single_agent": {"th": "{place} ต้องเป็น Agent ไม่ใช่กลุ่ม", "en": "The parameter {place} must be an agent, not a group."},
    "not_media_type": {"th": "{place} ต้องเป็นชนิดสื่อตาม RFC 2046", "en": "The header {place} must be a media type (RFC 2046)."},
    "precondition_missing": {
        "th": "ต้องมีส่วนหัว {place} หรือ If-None-Match",
        "en": "The header {place} or If-None-Match is needed.",
    },
    "not_json_object": {"th": "{place} ต้องเป็นออบเจกต์ JSON", "en": "The {place} must be a JSON object."},
    "merge_of_json_only": {
        "th": "รวมเข้ากับเอกสารที่มีอยู่ได้เฉพาะ application/json ({place})",
        "en": "Only application/json can be merged into the document that exists ({place}).",
    },
    "merge_into_json_only": {
        "th": "เอกสารที่มีอยู่ไม่ใช่ออบเจกต์ application/json จึงรวมไม่ได้ ({place})",
        "en": "The document that exists is no application/json object, so nothing can be merged into it ({place}).",
    },
    "no_boundary": {"th": "{place} ต้องระบุ boundary ยาว 1 ถึง 70 อักขระ", "en": "The {place} must name a boundary of 1 to 70 characters."},
    "not_multipart": {
        "th": "{place} ไม่ใช่ multipart/mixed ที่ครบถ้วนตาม boundary",
        "en": "The {place} is no complete multipart/mixed message with its boundary.",
    },
    "part_without_headers": {"th": "{place} ไม่มีส่วนหัวของตน", "en": "The {place} has no headers of its own."},
    "part_left_over": {"th": "ไม่มีไฟล์แนบใดอ้างถึง {place}", "en": "No attachment names the {place}."},
    "not_binary": {"th": "{place} ต้องเป็น binary", "en": "The {place} must be binary."},
    "hash_differs": {
        "th": "{place} ต้องเป็นค่า SHA-2 ของข้อมูลในส่วนนั้น",
        "en": "The {place} must be the SHA-2 digest of what the part holds.",
    },
    "alternate_parameters": {
        "th": "รูปแบบคำขอทางเลือกรับพารามิเตอร์ method เพียงตัวเดียว ({place})",
        "en": "The alternate request syntax takes the parameter method alone ({place}).",
    },
    "alternate_refused": {"th": "xAPI 2.0 ไม่มีรูปแบบคำขอทางเลือก ({place})", "en": "xAPI 2.0 has no alternate request syntax ({place})."},
    "not_object": {"th": "{place} ต้องเป็นออบเจกต์ JSON", "en": "The value at {place} must be a JSON object."},
    "unknown_member": {"th": "ไม่รู้จักสมาชิก {place}", "en": "The member {place} is unknown here."},
    "not_list": {"th": "{place} ต้องเป็นรายการที่มี 1 ถึง 50 ค่า", "en": "The value at {place} must be a list of 1 to 50 values."},
    "feed_name": {
        "th": "{place} ของฟีดต้องเป็นอักษรอังกฤษ ตัวเลข จุด ขีด หรือขีดล่าง 1 ถึง 64 ตัว",
        "en": "The {place} of a feed must have 1 to 64 letters of ASCII, digits, dots, hyphens or low lines, a letter or digit first.",
    },
    "too_many_feeds": {"th": "รหัสนี้มีฟีดครบ 100 ชุดแล้ว ({place})", "en": "This credential has 100 feeds already ({place})."},
    "one_start": {"th": "ระบุจุดเริ่มอ่านได้ทางเดียว ({place})", "en": "Say in one way only where to start ({place})."},
    "out_of_range": {"th": "{place} อยู่นอกช่วงที่กำหนด", "en": "The value of {place} is out of its range."},
    "not_date": {"th": "{place} ต้องเป็นวันที่ในรูป YYYY-MM-DD", "en": "The {place} must be a date, YYYY-MM-DD."},
    "not_zone": {"th": "{place} ต้องเป็นชื่อเขตเวลาของ IANA", "en": "The {place} must be the name of a time zone (IANA)."},
    "times_exclude_all": {
        "th": "ช่วงเวลาไม่มีข้อมูลใดอยู่ภายใน เพราะ {place} ไม่อยู่หลัง since",
        "en": "Nothing lies between the times: {place} must be after since.",
    },
    "unknown_scope": {"th": "{place} มีสิทธิ์ที่ไม่รู้จักหรือว่างเปล่า", "en": "The {place} are empty or hold one that xAPI does not know."},
    "xapi_version": {"th": "{place} ต้องเป็น 2.0.0 หรือ 1.0.3", "en": "The {place} must be 2.0.0 or 1.0.3."},
    "web_address": {
        "th": "{place} ต้องเป็นที่อยู่เว็บยาวไม่เกิน 2000 อักขระ ไม่มี ? และ #",
        "en": "The {place} must be a web address of at most 2,000 characters, without ? and #.",
    },
    "webhook_secret": {
        "th": "{place} ต้องเป็น whsec_ ตามด้วย Base64 ของ 24 ถึง 64 ไบต์",
        "en": "The {place} must be whsec_ followed by 24 to 64 bytes in Base64.",
    },
    "name_length": {"th": "{place} ต้องยาว 1 ถึง 200 อักขระ", "en": "The {place} must have 1 to 200 characters."},
    "pseudonymous_reads_only": {
        "th": "{place}: รหัสที่เห็นเฉพาะนามแฝงมีได้เพียง statements/read หรือ statements/read/mine",
        "en": "The {place} of a credential that sees pseudonyms can only be statements/read or statements/read/mine.",
    },
    "expired_at_birth": {"th": "{place} ต้องเป็นเวลาในอนาคต", "en": "The moment {place} must lie in the future."},
    "requests_range": {"th": "{place} ต้องอยู่ระหว่าง 1 ถึง 10,000,000", "en": "The number {place} must be from 1 to 10,000,000."},
    "overlap_range": {"th": "{place} ต้องอยู่ระหว่าง 0 ถึง 90 วัน", "en": "The {place} must be from 0 to 90 days."},
    "not_pseudonym": {
        "th": "รหัสนี้เห็นเฉพาะนามแฝง {place} จึงต้องเป็นบัญชีนามแฝงที่ได้รับจาก LRS นี้",
        "en": "This credential sees pseudonyms: the {place} must be an account that this LRS gave in their place.",
    },
    "slice_verbs": {"th": "รหัสนี้ใช้ได้เฉพาะกริยาที่กำหนดไว้ ({place})", "en": "This credential is held to certain verbs ({place})."},
    "slice_activities": {"th": "รหัสนี้ใช้ได้เฉพาะกิจกรรมที่กำหนดไว้ ({place})", "en": "This credential is held to certain activities ({place})."},
    "slice_agents": {"th": "รหัสนี้ใช้ได้เฉพาะบุคคลที่กำหนดไว้ ({place})", "en": "This credential is held to certain agents ({place})."},
    "slice_registrations": {
        "th": "รหัสนี้ใช้ได้เฉพาะ registration ที่กำหนดไว้ ({place})",
        "en": "This credential is held to certain registrations ({place}).",
    },
    "slice_times": {"th": "รหัสนี้ใช้ไม่ได้ในเวลานี้ ({place})", "en": "This credential is held to another time ({place})."},
}
