"""Attachments and multipart/mixed: xAPI 1.0.3, Communication 1.5; Data 2.4.11; RFC 2046, section 5.1."""

import hashlib
import json
from email import policy
from email.parser import BytesParser

import pytest
from sqlalchemy import func, select

from xapi import attachments
from xapi.models import attachment, attachment_link, statement

BOUNDARY = "abcABC0123'()+_,-./:=?"
PICTURE = bytes(range(256)) + b"\r\n--" + BOUNDARY.encode() + b"x\r\n\n\n\r\r\n--"
TEXT = "ใบประกาศ".encode()


def sha2(content, algorithm="sha256"):
    return hashlib.new(algorithm, content).hexdigest()


def described(content, *, algorithm="sha256", **fields):
    return {
        "usageType": "https://agency.example.go.th/attachments/certificate",
        "display": {"th": "ใบประกาศ"},
        "contentType": "application/octet-stream",
        "length": len(content),
        "sha2": sha2(content, algorithm),
        **fields,
    }


def part(content, *, digest=None, **headers):
    named = {
        "Content-Type": "application/octet-stream",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": digest or sha2(content),
    }
    return {name: value for name, value in {**named, **headers}.items() if value is not None}, content


def message(statements, *parts, first=None, line_end=b"\r\n", boundary=BOUNDARY, preamble=b"", epilogue=b"", close=True):
    text = json.dumps(statements, ensure_ascii=False).encode()
    pieces = [preamble]
    for headers, content in [({"Content-Type": "application/json"} if first is None else first, text), *parts]:
        lines = [f"--{boundary}", *(f"{name}: {value}" for name, value in headers.items())]
        pieces += [line_end + line_end.join(line.encode() for line in lines) + line_end + line_end, content]
    return b"".join(pieces) + line_end + f"--{boundary}{'--' if close else ''}".encode() + line_end + epilogue


def send(lrs, body, *, boundary=BOUNDARY, method="POST", **params):
    return lrs.call(method, "/statements", body, content_type=f'multipart/mixed; boundary="{boundary}"', **params)


def read(answer):
    """The JSON of a multipart answer and the contents by hash, read by a parser that is not ours."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    first, *others = BytesParser(policy=policy.HTTP).parsebytes(head + answer.data).iter_parts()
    assert first.get_content_type() == "application/json"
    assert {other["Content-Transfer-Encoding"] for other in others} <= {"binary"}
    return json.loads(first.get_payload(decode=True)), {other["X-Experience-API-Hash"]: other for other in others}


def contents(answer):
    """The contents byte for byte: cut at the delimiters, for the library's parser changes line ends."""
    boundary = answer.headers["Content-Type"].partition('boundary="')[2].rstrip('"').encode()
    parts = (b"\r\n" + answer.data).split(b"\r\n--" + boundary)[2:-1]
    return [one.partition(b"\r\n\r\n")[2] for one in parts]


def fault(answer):
    assert answer.status_code == 400, answer.text
    return answer.json["error"]["rule"], answer.json["error"]["place"]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("version", ["2.0.0", "1.0.3"])
def test_contents_come_back_byte_for_byte(lrs, new_statement, line_end, version):
    lrs = lrs.speaking(version)
    sent = new_statement(attachments=[described(PICTURE), described(TEXT, contentType="text/plain; charset=utf-8")])

    stored = send(lrs, message(sent, part(PICTURE), part(TEXT), line_end=line_end))
    answer = lrs.get(statementId=stored.json[0], attachments="true")

    assert (stored.status_code, answer.status_code) == (200, 200)
    assert read(answer)[0]["attachments"] == sent["attachments"]
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n" in answer.data
    assert contents(answer) == [PICTURE, TEXT]


@pytest.mark.one_database
@pytest.mark.parametrize("algorithm", ["sha224", "sha256", "sha384", "sha512"])
def test_any_sha_2_in_small_or_capital_letters_matches(lrs, new_statement, algorithm):
    sent = new_statement(attachments=[described(TEXT, sha2=sha2(TEXT, algorithm).upper())])

    stored = send(lrs, message(sent, part(TEXT, digest=sha2(TEXT, algorithm))))

    assert stored.status_code == 200
    assert contents(lrs.get(statementId=stored.json[0], attachments="true")) == [TEXT]


def test_a_put_takes_an_attachment(lrs, new_statement):
    statement_id = "7b6a7b3e-8a52-4b2b-9d0b-111111111111"
    body = message(new_statement(attachments=[described(TEXT)]), part(TEXT))

    answer = send(lrs, body, method="PUT", statementId=statement_id)

    assert answer.status_code == 204
    assert contents(lrs.get(statementId=statement_id, attachments="true")) == [TEXT]


def test_one_part_serves_several_statements_and_is_kept_once(lrs, new_statement, database):
    batch = [new_statement(attachments=[described(TEXT)]) for _ in range(3)]

    send(lrs, message(batch, part(TEXT)))
    send(lrs, message(batch, part(TEXT)))
    answer = lrs.get(attachments="true")

    assert len(read(answer)[0]["statements"]) == 6
    assert contents(answer) == [TEXT]
    with database.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(attachment)) == 1
        assert db.scalar(select(func.count()).select_from(attachment_link)) == 6


@pytest.mark.one_database
def test_a_multipart_of_statements_alone_or_with_file_urls_alone_is_taken(lrs, new_statement):
    remote = new_statement(attachments=[described(TEXT, fileUrl="https://agency.example.go.th/file")])

    assert send(lrs, message(new_statement())).status_code == 200
    assert send(lrs, message([remote])).status_code == 200
    assert lrs.post(remote).status_code == 200
    assert send(lrs, message([])).status_code == 200


@pytest.mark.one_database
def test_with_attachments_the_answer_is_multipart_and_without_it_is_json(lrs, new_statement):
    statement_id = lrs.post(new_statement()).json[0]

    for params in ({"statementId": statement_id}, {}):
        assert lrs.get(**params, attachments="true").content_type.startswith("multipart/mixed; boundary=")
        assert lrs.get(**params, attachments="false").content_type == "application/json"
        assert lrs.get(**params).content_type == "application/json"


@pytest.mark.one_database
def test_head_tells_the_length_of_the_multipart_answer(lrs, new_statement):
    send(lrs, message(new_statement(attachments=[described(TEXT)]), part(TEXT)))

    got = lrs.get(attachments="true")
    head = lrs.call("HEAD", "/statements", attachments="true")

    assert (head.data, head.headers["Content-Length"], head.headers["ETag"]) == (b"", got.headers["Content-Length"], got.headers["ETag"])


def test_the_next_page_brings_its_attachments_too(lrs, new_statement):
    for content in (TEXT, PICTURE):
        send(lrs, message(new_statement(attachments=[described(content)]), part(content)))

    first = lrs.get(attachments="true", limit=1)
    second = lrs.follow(read(first)[0]["more"])

    assert (contents(first), contents(second)) == ([PICTURE], [TEXT])


def test_a_page_ends_where_its_attachments_would_grow_over_20_mb(lrs, new_statement):
    large = [bytes([n]) * (9 * 1024 * 1024) for n in range(3)]
    for content in large:
        assert send(lrs, message(new_statement(attachments=[described(content)]), part(content))).status_code == 200

    first = lrs.get(attachments="true")
    found = read(first)[0]
    second = lrs.follow(found["more"])

    assert [len(found["statements"]), len(read(second)[0]["statements"])] == [2, 1]
    assert contents(first) + contents(second) == large[::-1]


def test_an_attachment_without_file_url_and_contents_is_refused_with_its_place(lrs, new_statement):
    batch = [new_statement(), new_statement(attachments=[described(TEXT), described(PICTURE)])]

    assert fault(send(lrs, message(batch, part(TEXT)))) == ("attachment_missing", "/1/attachments/1")
    assert fault(lrs.post(new_statement(attachments=[described(TEXT)]))) == ("attachment_missing", "/attachments/0")
    assert lrs.ids() == []


def test_an_attachment_of_a_substatement_needs_its_contents_too(lrs, new_statement, agent):
    inner = {"objectType": "SubStatement", **new_statement(attachments=[described(TEXT)])}
    sent = new_statement(object=inner)

    assert fault(lrs.post(sent)) == ("attachment_missing", "/object/attachments/0")
    assert send(lrs, message(sent, part(TEXT))).status_code == 200
    assert contents(lrs.get(attachments="true")) == [TEXT]


FAULTS = {
    "a part that no attachment names": (lambda one: message(one, part(TEXT), part(PICTURE)), ("part_left_over", "part 3")),
    "statements in a second part": (
        lambda one: message(one, ({"Content-Type": "application/json"}, json.dumps(one).encode()), part(TEXT)),
        ("hash_differs", "X-Experience-API-Hash of part 2"),
    ),
    "a part without its hash": (
        lambda one: message(one, part(TEXT, **{"X-Experience-API-Hash": None})),
        ("hash_differs", "X-Experience-API-Hash of part 2"),
    ),
    "contents that are not those of the hash": (
        lambda one: message(one, part(TEXT + b" ", digest=sha2(TEXT))),
        ("hash_differs", "X-Experience-API-Hash of part 2"),
    ),
    "a hash that is none": (lambda one: message(one, part(TEXT, digest="zz")), ("hash_differs", "X-Experience-API-Hash of part 2")),
    "base64": (
        lambda one: message(one, part(TEXT, **{"Content-Transfer-Encoding": "base64"})),
        ("not_binary", "Content-Transfer-Encoding of part 2"),
    ),
    "a first part that is no JSON": (
        lambda one: message(one, part(TEXT), first={"Content-Type": "text/plain"}),
        ("not_json", "Content-Type of part 1"),
    ),
    "a first part without a type": (lambda one: message(one, part(TEXT), first={"X-Other": "1"}), ("not_json", "Content-Type of part 1")),
    "another boundary": (lambda one: message(one, part(TEXT), boundary="other"), ("not_multipart", "body")),
    "no closing delimiter": (lambda one: message(one, part(TEXT), close=False), ("not_multipart", "body")),
    "no delimiter at all": (lambda one: json.dumps(one).encode(), ("not_multipart", "body")),
    "nothing": (lambda _one: b"", ("not_multipart", "body")),
    "a closing delimiter alone": (lambda _one: f"--{BOUNDARY}--".encode(), ("not_multipart", "body")),
    "headers without end": (lambda one: message(one, part(TEXT, **{"X-Long": "x" * 2_048})), ("part_without_headers", "part 2")),
    "a part without a blank line": (lambda one: message(one).replace(b"json\r\n\r\n", b"json\r\n"), ("part_without_headers", "part 1")),
}


@pytest.mark.one_database
@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_message_is_refused_by_its_rule_and_stores_nothing(lrs, new_statement, name):
    body, expected = FAULTS[name]

    assert fault(send(lrs, body(new_statement(attachments=[described(TEXT)])))) == expected
    assert lrs.ids() == []


@pytest.mark.one_database
@pytest.mark.parametrize("content_type", ["multipart/mixed", "multipart/mixed; boundary=", f"multipart/mixed; boundary={'b' * 71}"])
def test_a_boundary_has_1_to_70_characters(lrs, new_statement, content_type):
    answer = lrs.call("POST", "/statements", message(new_statement()), content_type=content_type)

    assert fault(answer) == ("no_boundary", "Content-Type")


@pytest.mark.one_database
def test_form_data_is_not_taken(lrs, new_statement):
    answer = lrs.call("POST", "/statements", message(new_statement()), content_type=f'multipart/form-data; boundary="{BOUNDARY}"')

    assert fault(answer) == ("not_json", "Content-Type")


@pytest.mark.one_database
def test_what_stands_before_and_after_the_message_is_nobodys(lrs, new_statement):
    sent = new_statement(attachments=[described(TEXT)])
    body = message(sent, part(TEXT), preamble=b"This is multipart.", epilogue=b"--" + BOUNDARY.encode() + b"\r\n\r\nleft over")

    assert send(lrs, body).status_code == 200


@pytest.mark.one_database
def test_a_part_without_a_transfer_encoding_is_taken_as_binary(lrs, new_statement):
    sent = new_statement(attachments=[described(TEXT)])

    assert send(lrs, message(sent, part(TEXT, **{"Content-Transfer-Encoding": None}))).status_code == 200


@pytest.mark.one_database
def test_a_type_of_contents_that_would_break_a_header_is_refused(lrs, new_statement):
    sent = new_statement(attachments=[described(TEXT, contentType="text/plain;\r\nX-Injected: 1")])

    assert fault(send(lrs, message(sent, part(TEXT)))) == ("media_type", "/attachments/0/contentType")


@pytest.mark.one_database
def test_a_type_of_contents_beyond_ascii_reads_as_octets(lrs, new_statement):
    send(lrs, message(new_statement(attachments=[described(TEXT, contentType="text/plain; title=ก")]), part(TEXT)))

    found, parts = read(lrs.get(attachments="true"))

    assert found["statements"][0]["attachments"][0]["contentType"] == "text/plain; title=ก"
    assert parts[sha2(TEXT)]["Content-Type"] == "application/octet-stream"


@pytest.mark.one_database
def test_ten_thousand_parts_are_413(lrs, new_statement):
    body = message(new_statement(), *(part(b"%d" % n) for n in range(10_000)))

    assert send(lrs, body).status_code == 413


@pytest.mark.one_database
def test_attachments_over_20_mb_are_413_and_so_is_a_body_over_25_mb(lrs, new_statement):
    large = b"\n" * (20 * 1024 * 1024 + 1)
    sent = new_statement(attachments=[described(large)])

    assert send(lrs, message(sent, part(large))).status_code == 413
    assert send(lrs, b"x" * (25 * 1024 * 1024 + 1)).status_code == 413
    assert lrs.ids() == []


@pytest.mark.one_database
def test_a_caller_who_is_not_known_sends_a_large_body_in_vain(lrs, new_statement):
    answer = lrs.http.post(
        "/xapi/statements",
        data=b"x" * (26 * 1024 * 1024),
        content_type=f"multipart/mixed; boundary={'b' * 10}",
        headers={"X-Experience-API-Version": "2.0.0"},
    )

    assert answer.status_code == 401


def test_who_names_the_hash_of_anothers_contents_does_not_get_them(lrs, new_client, new_statement):
    send(lrs, message(new_statement(attachments=[described(TEXT)]), part(TEXT)))
    other = new_client("statements/write", "statements/read/mine")
    mine = other.post(new_statement(attachments=[described(TEXT, fileUrl="https://agency.example.go.th/file")])).json[0]

    assert contents(other.get(statementId=mine, attachments="true")) == []
    assert contents(other.get(attachments="true")) == []


def test_contents_of_another_tenant_are_not_given(lrs, new_client, new_statement):
    send(lrs, message(new_statement(attachments=[described(TEXT)]), part(TEXT)))
    other = new_client("all", tenant_id=2)
    other.post(new_statement(attachments=[described(TEXT, fileUrl="https://agency.example.go.th/file")]))

    assert contents(other.get(attachments="true")) == []


def test_forgetting_a_statement_removes_its_contents_unless_another_shares_them(lrs, new_statement, database):
    batch = [new_statement(attachments=[described(TEXT), described(PICTURE)]), new_statement(attachments=[described(TEXT)])]
    send(lrs, message(batch, part(TEXT), part(PICTURE)))

    with database.transaction() as db:
        first, second = db.scalars(select(statement.c.seq).order_by(statement.c.seq))
        attachments.forget(db.connection(), tenant_id=1, seqs=[first])

    with database.engine.connect() as db:
        assert attachments.of(db, tenant_id=1, seqs=[first]) == {}
        assert attachments.of(db, tenant_id=1, seqs=[second]) == {sha2(TEXT): TEXT}
        assert db.scalars(select(attachment.c.sha2)).all() == [sha2(TEXT)]
