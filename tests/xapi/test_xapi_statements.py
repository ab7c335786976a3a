"""Storing statements over HTTP and reading one back."""

import json
import uuid

import pytest
from flask import Flask

from xapi import api
from xapi.api import StatementInvalid

VOIDED = "http://adlnet.gov/expapi/verbs/voided"


def voiding(target_id, **fields):
    return {"verb": {"id": VOIDED}, "object": {"objectType": "StatementRef", "id": target_id}, **fields}


def refusal(answer):
    return answer.status_code, answer.json["error"]["code"], answer.json["error"]["rule"], answer.json["error"]["place"]


def test_a_posted_statement_is_stamped_and_read_back(lrs, clock, new_statement):
    [statement_id] = lrs.post(new_statement()).json

    answer = lrs.get(statementId=statement_id)

    assert answer.status_code == 200
    assert answer.json == {
        **new_statement(),
        "id": statement_id,
        "version": "2.0.0",
        "authority": {
            "objectType": "Agent",
            "name": "test",
            "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": lrs.key.key},
        },
        "timestamp": "2026-11-22T02:30:00.000000Z",
        "stored": "2026-11-22T02:30:00.000000Z",
    }
    assert answer.headers["Last-Modified"] == "Sun, 22 Nov 2026 02:30:00 GMT"
    assert answer.headers["ETag"].startswith('"')


def test_the_received_text_is_kept_letter_for_letter(lrs, new_statement):
    statement_id = str(uuid.uuid4())
    sent = json.dumps(new_statement(id=statement_id), ensure_ascii=False)[:-1] + (
        ',  "result" : {"score":{"raw":1.50, "max" : 2E0},"response":"ตอบ \\u0e01 \\/ ๒",'
        '"extensions":{"https://e.go.th/big":12345678901234567890.10}} }'
    )

    lrs.post(sent.encode())

    assert lrs.get(statementId=statement_id).text.startswith(sent[:-1].rstrip())


def test_each_statement_of_a_batch_keeps_its_own_text(lrs, new_statement):
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    texts = [json.dumps(new_statement(id=each), indent=2, ensure_ascii=False) for each in (first, second)]

    answer = lrs.post(f"\n[ {texts[0]}\t,\r\n{texts[1]} ] ".encode())

    assert answer.json == [first, second]
    assert lrs.get(statementId=second).text.startswith(texts[1][:-1])


def test_authority_and_stored_are_always_ours(lrs, new_statement, agent):
    """H44."""
    statement_id = str(uuid.uuid4())
    lrs.post(new_statement(stored="1999-01-01T00:00:00Z", authority=agent, id=statement_id))

    kept = lrs.get(statementId=statement_id).json

    assert kept["authority"]["account"]["name"] == lrs.key.key
    assert kept["stored"] == "2026-11-22T02:30:00.000000Z"
    assert kept["timestamp"] == kept["stored"]


def test_timestamps_are_given_back_in_utc_with_their_digits(lrs, new_statement):
    """IEEE 9274.1.1, 4.2.7."""
    [statement_id] = lrs.post(new_statement(timestamp="2024-01-01T03:00:00.1234567+07:00")).json

    assert lrs.get(statementId=statement_id).json["timestamp"] == "2023-12-31T20:00:00.1234567Z"


def test_lone_context_activities_come_back_as_lists(lrs, new_statement):
    """Data 2.4.6.2."""
    context = {"contextActivities": {"parent": {"id": "https://e.go.th/a"}, "other": [{"id": "https://e.go.th/b"}]}}
    inner = {**new_statement(context=context), "objectType": "SubStatement"}
    [statement_id] = lrs.post(new_statement(context=context, object=inner)).json

    kept = lrs.get(statementId=statement_id).json

    listed = {"parent": [{"id": "https://e.go.th/a"}], "other": [{"id": "https://e.go.th/b"}]}
    assert kept["context"]["contextActivities"] == listed
    assert kept["object"]["context"]["contextActivities"] == listed


@pytest.mark.parametrize(
    ("version", "mount", "stamped"), [("2.0.0", "/xapi", "2.0.0"), ("1.0.3", "/xapi", "1.0.0"), ("1.0", "/xapi/1.0.3", "1.0.0")]
)
def test_a_statement_without_version_gets_that_of_the_request(lrs, new_statement, version, mount, stamped):
    [statement_id] = lrs.speaking(version, mount).post(new_statement()).json

    assert lrs.get(statementId=statement_id).json["version"] == stamped


def test_put_stores_under_the_id_of_the_parameter(lrs, new_statement):
    statement_id = str(uuid.uuid4())

    answer = lrs.put(new_statement(), statement_id)

    assert (answer.status_code, answer.data) == (204, b"")
    assert lrs.get(statementId=statement_id).json["id"] == statement_id


def test_put_refuses_another_id_in_the_body(lrs, new_statement):
    assert refusal(lrs.put(new_statement(id=str(uuid.uuid4())), str(uuid.uuid4()))) == (400, "statement_invalid", "id_differs", "/id")


def test_put_takes_one_statement_and_needs_its_parameter(lrs, new_statement):
    assert lrs.put([new_statement()], str(uuid.uuid4())).status_code == 400
    assert refusal(lrs._send("PUT", new_statement()))[2:] == ("missing_parameter", "statementId")


def test_the_same_id_with_the_same_meaning_is_no_second_row(lrs, database, new_statement, agent):
    """H45; Data 2.3.1."""
    statement_id = str(uuid.uuid4())
    group = {"objectType": "Group", "member": [agent, {"mbox": "mailto:a@example.go.th"}]}
    attached = {
        "usageType": "https://e.go.th/t", "display": {"th": "ก"}, "contentType": "text/plain", "length": 1, "sha2": "ab" * 32,
        "fileUrl": "https://e.go.th/f",
    }  # fmt: skip
    first = new_statement(
        id=statement_id, timestamp="2024-01-01T07:00:00+07:00", result={"duration": "PT1.237S"},
        context={"contextActivities": {"parent": {"id": "https://e.go.th/a", "definition": {"name": {"th": "ก"}}}}, "team": group},
        attachments=[attached],
    )  # fmt: skip
    again = new_statement(
        id=statement_id.upper(), timestamp="2024-01-01T00:00:00Z", result={"duration": "PT1.23S"},
        verb={"id": first["verb"]["id"], "display": {"en": "answered"}},
        context={
            "contextActivities": {"parent": [{"id": "https://e.go.th/a"}]},
            "team": {**group, "member": [{"mbox": "mailto:a@EXAMPLE.go.th"}, agent]},
        },
        attachments=[{**attached, "sha2": attached["sha2"].upper()}],
    )  # fmt: skip
    lrs.post(first)
    before = lrs.get(statementId=statement_id).text

    answer = lrs.post([again, new_statement()])

    assert answer.status_code == 200
    with database.reading() as db:
        assert api.count_statements(db) == 2
    assert lrs.get(statementId=statement_id).text == before


@pytest.mark.parametrize(
    "other",
    [
        {"verb": {"id": "http://adlnet.gov/expapi/verbs/passed"}},
        {"result": {"success": False}},
        {"timestamp": "2024-01-01T00:00:01Z"},
        {"object": {"id": "https://e.go.th/other"}},
    ],
    ids=["verb", "result", "timestamp", "object"],
)
def test_the_same_id_with_another_meaning_is_a_conflict_for_the_whole_batch(lrs, database, new_statement, other):
    """H45."""
    known = new_statement(id=str(uuid.uuid4()), timestamp="2024-01-01T00:00:00Z", result={"success": True})
    lrs.post(known)

    answer = lrs.post([new_statement(), {**known, **other}])

    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "statement_conflict"
    with database.reading() as db:
        assert api.count_statements(db) == 1


def test_one_bad_statement_refuses_its_batch_of_fifty(lrs, database, new_statement):
    """H50."""
    batch = [new_statement() for _ in range(50)]
    batch[37]["actor"] = {}

    assert refusal(lrs.post(batch)) == (400, "statement_invalid", "one_ifi", "/37/actor")
    with database.reading() as db:
        assert api.count_statements(db) == 0


def test_an_id_twice_in_a_batch_is_refused(lrs, new_statement):
    twice = new_statement(id="AAAAAAAA-53d3-4eac-b5ed-2cf6693903bb")

    assert refusal(lrs.post([twice, {**twice, "id": twice["id"].lower()}])) == (400, "statement_invalid", "id_repeated", "/1/id")


def test_an_empty_batch_stores_nothing(lrs):
    answer = lrs.post([])

    assert (answer.status_code, answer.json) == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"actor":NaN}', b'{"a":Infinity}', b"[1,]", b'{"a":1,"a":2}', b"[" * 100_000, b'{"a":' * 100_000, b'"\\u0000"', b'"\\ud800"',
        b'{"a":"\xff"}', b"", b"\xef\xbb\xbf[]", b"[] []",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_refused(lrs, body):
    """H46, H47, H48."""
    assert lrs.post(body).status_code == 400


@pytest.mark.parametrize("body", [1, "x", None, [1], [None], [[]]])
def test_what_is_no_statement_is_refused(lrs, body):
    assert refusal(lrs.post(json.dumps(body).encode()))[:3] == (400, "statement_invalid", "wrong_type")


def test_a_body_over_five_megabytes_is_refused(lrs):
    """H49."""
    assert refusal(lrs.post(b" " * (5 * 1024 * 1024 + 1)))[:2] == (413, "too_large")


def test_more_than_a_thousand_statements_are_refused(lrs, new_statement):
    """H49."""
    assert lrs.post([new_statement()] * 1001).status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/json; charset=tis-620", "nonsense"])
def test_other_content_types_are_refused(lrs, new_statement, content_type):
    assert lrs.post(json.dumps(new_statement()).encode(), content_type=content_type).status_code == 400


def test_an_attachment_without_data_needs_a_file_url(lrs, new_statement):
    """Communication 1.5.2."""
    attachment = {"usageType": "https://e.go.th/u", "display": {"th": "ก"}, "contentType": "text/plain", "length": 1, "sha2": "a" * 64}

    assert refusal(lrs.post([new_statement(attachments=[attachment])]))[2:] == ("attachment_missing", "/0/attachments/0")
    assert lrs.post(new_statement(attachments=[{**attachment, "fileUrl": "https://e.go.th/f"}])).status_code == 200


def test_a_voided_statement_is_found_as_voided_only(lrs, new_statement):
    """Data 2.3.2."""
    [target] = lrs.post(new_statement()).json

    [voider] = lrs.post(new_statement(**voiding(target))).json

    assert lrs.get(statementId=target).status_code == 404
    assert lrs.get(voidedStatementId=target).json["id"] == target
    assert lrs.get(voidedStatementId=voider).status_code == 404
    assert lrs.ids() == [voider]


@pytest.mark.parametrize("together", [True, False])
def test_voiding_takes_effect_on_a_statement_that_comes_later(lrs, new_statement, together):
    target = new_statement(id=str(uuid.uuid4()))
    voider = new_statement(**voiding(target["id"]))

    for batch in [[voider, target]] if together else [voider, target]:
        assert lrs.post(batch).status_code == 200

    assert lrs.get(voidedStatementId=target["id"]).status_code == 200
    assert len(lrs.ids()) == 1


def test_a_voiding_statement_cannot_be_voided(lrs, new_statement):
    [target] = lrs.post(new_statement()).json
    [voider] = lrs.post(new_statement(**voiding(target))).json

    assert lrs.post(new_statement(**voiding(voider))).status_code == 200

    assert lrs.get(statementId=voider).status_code == 200
    assert lrs.get(statementId=target).status_code == 404


def test_who_may_only_write_voids_own_statements_alone(lrs, new_client, new_statement):
    """S29."""
    writer = new_client("statements/write", "statements/read")
    [foreign] = lrs.post(new_statement()).json
    [own] = writer.post(new_statement()).json

    assert refusal(writer.post([new_statement(), new_statement(**voiding(foreign))]))[:2] == (403, "voiding_forbidden")
    assert writer.post(new_statement(**voiding(own))).status_code == 200

    assert lrs.get(statementId=foreign).status_code == 200
    assert lrs.get(statementId=own).status_code == 404
    assert len(lrs.ids(verb=VOIDED)) == 1


def test_voiding_ahead_does_not_reach_a_statement_of_another_authority(lrs, new_client, new_statement):
    target = new_statement(id=str(uuid.uuid4()))
    new_client("statements/write").post(new_statement(**voiding(target["id"])))

    lrs.post(target)

    assert lrs.get(statementId=target["id"]).status_code == 200


def test_new_statements_are_told_inside_their_transaction(database, clock, lrs, new_statement):
    told = []

    def on_stored(db, tenant_id, statements):
        told.append((tenant_id, [statement["id"] for statement in statements], api.count_statements(db, tenant_id=tenant_id)))
        if len(told) == 3:
            raise StatementInvalid("shape")

    app = Flask("listening")
    app.register_blueprint(api.create_lrs(database, clock=clock, on_stored=on_stored, key_pepper=b"pepper of the tests"))
    listening = type(lrs)(app.test_client(), lrs.key)
    known = new_statement(id=str(uuid.uuid4()))

    [first] = listening.post(known).json
    [_, second] = listening.post([known, new_statement()]).json
    refused = listening.post(new_statement())
    listening.post(known)

    assert told == [(1, [first], 1), (1, [second], 2), (1, [told[2][1][0]], 3)]
    assert refused.status_code == 400
    assert len(lrs.ids()) == 2


def test_a_statement_that_is_void_from_the_start_is_not_told(database, clock, new_client, new_statement):
    told = []
    app = Flask("listening")
    on_stored = lambda _db, _tenant_id, statements: told.extend(statement["id"] for statement in statements)  # noqa: E731  one line of it
    app.register_blueprint(api.create_lrs(database, clock=clock, on_stored=on_stored, key_pepper=b"pepper of the tests"))
    admin, stranger, writer = new_client("all"), new_client("statements/write"), new_client("statements/write")
    void, sound = str(uuid.uuid4()), str(uuid.uuid4())
    admin.post(new_statement(**voiding(void)))
    stranger.post(new_statement(**voiding(sound)))

    reply = type(writer)(app.test_client(), writer.key).post([new_statement(id=void), new_statement(id=sound)])

    assert reply.json == [void, sound]
    assert told == [sound]


def test_a_refused_request_stores_nothing_and_says_why_in_two_languages(lrs):
    answer = lrs.post({})

    error = answer.json["error"]
    assert set(error) == {"code", "message", "rule", "place"}
    assert set(error["message"]) == {"th", "en"}
