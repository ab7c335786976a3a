"""Pushes: what goes to other LRSs and webhooks, in which order, how often, and what becomes of what they refuse."""

import base64
import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from werkzeug.wrappers import Response

from kernel.http import GuardedClient, HttpPolicy
from tests.xapi.conftest import PEPPER, LrsClient
from tests.xapi.outside import Outside, outside, refusing, taker
from xapi import api, delivery, webhooks
from xapi.errors import PushExists, PushNotFound, RequestInvalid
from xapi.models import push as push_table
from xapi.remote import OutsideLrs

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
OTHER_VERB = "http://adlnet.gov/expapi/verbs/passed"


@pytest.fixture
def other(lrs: LrsClient) -> Iterator[Outside]:
    """The other LRS; in it tenant 2 is at home."""
    with outside(lrs.http.application) as running:
        yield running


@pytest.fixture
def theirs(new_client: Callable[..., LrsClient]) -> LrsClient:
    return new_client("all", tenant_id=2)


@pytest.fixture
def there(other: Outside, theirs: LrsClient) -> api.LrsTarget:
    return api.LrsTarget(f"{other.url}/xapi", theirs.key.key, theirs.key.secret)


@pytest.fixture
def receiver() -> Iterator[Outside]:
    with outside(taker) as running:
        yield running


def test_statements_go_out_in_the_order_of_the_sequence_letter_for_letter(world, there, theirs, other):
    world.add(there)
    text_sent = '{"id":"%s","verb":{"id":"http://a.example/v"},"result":{"score":{"raw":1.50}},"object":{"id":"http://a.example/\\u0e01"},"actor":{"mbox":"mailto:a@b.example"},"timestamp":"2026-11-20T09:00:00.5+07:00"}'
    odd = str(uuid.uuid4())
    assert world.source.post((text_sent % odd).encode()).status_code == 200
    ids = [odd, *world.store(150), *world.store(60)]

    n_calls = world.send()

    assert n_calls == 3
    assert [one for batch in other.batches for one in batch] == ids
    assert b'"raw":1.50' in other.calls[0].body and b"\\u0e01" in other.calls[0].body
    assert other.calls[0].headers["x-experience-api-version"] == "2.0.0"
    assert theirs.ids(ascending="true", limit=0) == ids
    assert (world.view().waiting, world.view().sent, world.view().last_success_at) == (0, 211, world.clock())


def test_a_new_push_begins_now_or_at_a_date(world, receiver):
    world.store()
    world.clock.forward(days=1)
    middle = world.clock()
    world.clock.forward(days=1)
    late = world.store(2)

    world.add(api.WebhookTarget(receiver.url), name="from now")
    world.add(api.WebhookTarget(receiver.url), name="since", since=middle)

    assert (world.view("from now").waiting, world.view("since").waiting) == (0, 2)
    assert world.view("since").oldest_waiting_at == world.clock()
    world.send()
    assert receiver.batches == [late]


def test_only_the_slice_goes_out_and_voiding_goes_with_what_it_voids(world, receiver):
    world.add(api.WebhookTarget(receiver.url), part=api.Slice(verbs=(OTHER_VERB,)))
    world.store(3)
    wanted = world.store(2, verb={"id": OTHER_VERB})
    world.send()

    voiding = world.store(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": wanted[0]})
    unrelated = world.store(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": str(uuid.uuid4())})
    world.send()

    assert receiver.batches == [wanted, voiding]
    assert unrelated[0] not in str(receiver.calls)


def test_a_statement_that_was_voided_while_it_waited_is_not_sent_and_its_voiding_is(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    kept, wrong = world.store(2)
    voiding = world.store(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": wrong})

    world.send()

    assert receiver.batches == [[kept, *voiding]]


@pytest.mark.one_database
def test_a_pause_keeps_everything_and_a_resume_goes_on(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    world.act(api.pause_push, now=world.clock())
    ids = world.store(3)

    assert world.send() == 0
    assert (world.view().state, world.view().paused_for, world.view().waiting) == ("paused", "asked", 3)
    world.act(api.resume_push, now=world.clock())
    world.send()

    assert receiver.batches == [ids]


def test_a_back_fill_sends_again_what_was_stored_since_and_the_other_lrs_stays_as_it_is(world, there, theirs, other):
    first = world.store()
    world.clock.forward(hours=1)
    since = world.clock()
    world.clock.forward(hours=1)
    world.add(there)
    later = world.store(2)
    world.send()

    world.act(api.back_fill_push, since=since, now=world.clock())
    world.send()

    assert other.batches == [later, later]
    assert theirs.ids() == later[::-1]
    world.act(api.back_fill_push, since=since - timedelta(days=1), now=world.clock())
    world.send()
    assert sorted(theirs.ids()) == sorted(first + later)


def test_r10_one_bad_statement_is_found_by_bisecting_and_set_aside_and_the_rest_arrives(world, there, theirs, other):
    world.add(there)
    ids = world.store(100)
    bad = ids[70]
    other.misdeed = refusing(400, bad)

    n_calls = world.send()

    assert theirs.ids(ascending="true") == [one for one in ids if one != bad]
    assert n_calls <= 2 * 7 + 1, "one refusal and one success at each of seven halvings, and the rest"
    (aside,) = world.refused()
    assert (aside.statement_id, aside.is_waiting) == (bad, False)
    assert aside.reason == 'status 400 {"error": "not this one"}'
    assert (world.view().set_aside, world.view().waiting, world.view().sent) == (1, 0, 99)


@pytest.mark.one_database
def test_several_bad_statements_are_each_set_aside(world, there, theirs, other):
    world.add(there)
    ids = world.store(40)
    bad = [ids[0], ids[1], ids[20], ids[39]]
    other.misdeed = refusing(422, *bad)

    world.send()

    assert theirs.ids(ascending="true") == [one for one in ids if one not in bad]
    assert [aside.statement_id for aside in world.refused()] == bad[::-1]


@pytest.mark.one_database
def test_what_was_set_aside_is_tried_again_on_request_and_only_then(world, there, theirs, other):
    world.add(there)
    good, bad, worse = world.store(3)
    other.misdeed = refusing(400, bad, worse)
    world.send()
    other.misdeed = refusing(400, worse)
    assert world.send() == 0

    assert world.act(api.retry_set_aside, now=world.clock()) == 2
    world.send()

    assert sorted(theirs.ids()) == sorted([good, bad])
    assert [(aside.statement_id, aside.is_waiting) for aside in world.refused()] == [(worse, False)]
    world.act(api.retry_set_aside, now=world.clock(), statement_ids=[good])
    assert world.send() == 0


@pytest.mark.one_database
def test_what_was_voided_meanwhile_is_not_tried_again(world, there, other):
    world.add(there)
    (bad,) = world.store()
    other.misdeed = refusing(400, bad)
    world.send()
    world.source.post(
        {
            **other.calls[0].statements[0],
            "id": str(uuid.uuid4()),
            "verb": {"id": VOIDED},
            "object": {"objectType": "StatementRef", "id": bad},
        }
    )
    other.misdeed = lambda _call: None

    world.act(api.retry_set_aside, now=world.clock())
    world.send()

    assert world.refused() == []
    assert [bad] not in other.batches[1:]


def test_409_for_one_statement_means_that_it_is_there(world, there, theirs, other):
    world.add(there)
    mine = world.store(3)
    world.source.http.post(
        "/xapi/statements",
        json=[{"id": mine[1], "actor": {"mbox": "mailto:x@y.example"}, "verb": {"id": OTHER_VERB}, "object": {"id": "http://a.example"}}],
        headers={"X-Experience-API-Version": "2.0.0"}, auth=(theirs.key.key, theirs.key.secret),
    )  # fmt: skip

    world.send()

    assert (world.view().sent, world.view().known, world.view().set_aside, world.view().waiting) == (2, 1, 0, 0)
    assert sorted(theirs.ids()) == sorted(mine)


@pytest.mark.one_database
def test_a_target_that_takes_none_pauses_the_push_before_all_are_set_aside(world, there, other, monkeypatch):
    monkeypatch.setattr(delivery, "MAX_REFUSED_IN_ROW", 4)
    world.add(there)
    world.store(20)
    other.misdeed = refusing(400)

    world.send()

    assert (world.view().state, world.view().paused_for, world.view().set_aside) == ("paused", "refuses_all", 4)
    assert world.view().waiting == 16


@pytest.mark.one_database
def test_413_halves_the_batches_until_they_fit(world, there, theirs, other):
    world.add(there)
    ids = world.store(100)
    other.misdeed = lambda call: Response(status=413) if len(call.ids) > 30 else None

    world.send()

    assert theirs.ids(ascending="true") == ids
    assert [len(batch) for batch in other.batches[:3]] == [100, 50, 25]
    assert world.view().set_aside == 0


@pytest.mark.one_database
def test_a_bound_on_batches_that_is_told_as_400_is_learnt_too(world, there, theirs, other):
    world.add(there)
    ids = world.store(200)
    other.misdeed = lambda call: Response(status=400) if len(call.ids) > 60 else None

    world.send()

    assert theirs.ids(ascending="true", limit=0) == ids
    assert (world.view().set_aside, len(other.calls) < 12) == (0, True)


@pytest.mark.one_database
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(world, receiver, status):
    world.add(api.WebhookTarget(receiver.url))
    world.store()
    receiver.misdeed = refusing(status, Retry_After="120")
    world.send()
    receiver.misdeed = lambda _call: None

    world.clock.forward(seconds=119)
    assert world.send() == 0
    assert world.view().next_try_at == world.clock() + timedelta(seconds=1)
    world.clock.forward(seconds=1)
    assert world.send() == 1
    assert world.view().next_try_at is None


@pytest.mark.one_database
def test_pauses_between_tries_double_up_to_ten_minutes_and_differ(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    world.store()
    receiver.misdeed = refusing(500)
    pauses = []
    for _ in range(13):
        world.send()
        pauses.append((world.view().next_try_at - world.clock()).total_seconds())
        world.clock.now = world.view().next_try_at

    assert all(2**n / 2 <= pause <= min(600, 2**n) for n, pause in enumerate(pauses, 1) if n < 10), pauses
    assert all(300 <= pause <= 600 for pause in pauses[10:])
    assert len(set(pauses)) == len(pauses)
    assert world.view().last_error == "status 500"


@pytest.mark.one_database
@pytest.mark.parametrize("status", [401, 403, 410])
def test_wrong_credentials_and_a_target_that_is_gone_wait_for_a_person(world, receiver, status):
    world.add(api.WebhookTarget(receiver.url))
    world.store(5)
    receiver.misdeed = refusing(status)

    assert world.send() == 1

    world.clock.forward(days=1)
    assert world.send() == 0
    assert (world.view().state, world.view().paused_for, world.view().waiting) == ("paused", f"status {status}", 5)


@pytest.mark.one_database
def test_403_to_a_voiding_statement_is_about_that_statement(world, there, other):
    world.add(there)
    ids = world.store(4)
    world.send()
    voiding = world.store(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": ids[0]})
    more = world.store(3)
    other.misdeed = refusing(403, *voiding)

    world.send()

    assert (world.view().state, [aside.statement_id for aside in world.refused()]) == ("on", voiding)
    assert other.batches[-1][-1] == more[-1]


@pytest.mark.one_database
@pytest.mark.parametrize("status", [301, 404, 405, 500, 502])
def test_an_answer_that_says_nothing_of_statements_sets_none_aside(world, receiver, status):
    world.add(api.WebhookTarget(receiver.url))
    world.store(3)
    receiver.misdeed = refusing(status)

    assert world.send() == 1

    assert (world.view().state, world.view().set_aside, world.view().waiting) == ("on", 0, 3)
    assert world.view().last_error == f"status {status}"


def test_an_answer_that_is_lost_after_storing_brings_the_same_batch_again_and_no_second_row(world, there, theirs, other):
    world.add(there)
    ids = world.store(3)
    other.drops = 1

    world.send()
    assert (world.view().last_error, world.view().waiting) == ("broken", 3)
    world.clock.forward(minutes=1)
    world.send()

    assert other.batches == [ids, ids]
    assert theirs.ids(ascending="true") == ids


@pytest.mark.one_database
def test_a_target_that_hangs_is_given_up_at_the_deadline(world, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "OUTBOUND_SECONDS", 0.3)
    world.add(api.WebhookTarget(receiver.url))
    world.store()
    release = threading.Event()

    def hang(_call: Any) -> None:
        release.wait(10)

    receiver.misdeed = hang
    begun = time.monotonic()

    world.send()

    assert time.monotonic() - begun < 5
    release.set()
    assert world.view().last_error == "timeout"


def test_two_workers_never_send_the_same_push_at_once_and_a_lost_lease_records_nothing(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    ids = world.store(2)
    met, go = threading.Event(), threading.Event()

    def slow(_call: Any) -> None:
        if not met.is_set():
            met.set()
            go.wait(10)

    receiver.misdeed = slow
    first = threading.Thread(target=world.turn)
    first.start()
    met.wait(10)

    assert api.find_due(world.database, now=world.clock()) == []
    assert world.turn() == 0
    world.clock.forward(seconds=61)  # the first worker is not heard of again: its lease is over
    assert world.turn() == 1
    sent_by_second = world.view().sent
    go.set()
    first.join()

    assert receiver.batches == [ids, ids]
    assert world.view().sent == sent_by_second == 2


def test_a_back_fill_while_a_call_is_under_way_is_not_undone_by_it(world, receiver):
    since = world.clock()
    world.clock.forward(hours=1)
    world.add(api.WebhookTarget(receiver.url))
    ids = world.store(2)

    def back_fill(_call: Any) -> None:
        receiver.misdeed = lambda _call: None
        world.act(api.back_fill_push, since=since, now=world.clock())

    receiver.misdeed = back_fill
    world.send()

    assert receiver.batches == [ids, ids]


def test_two_lrss_that_forward_to_each_other_come_to_rest(world, there, theirs, other):
    world.add(there, name="there")
    back = api.LrsTarget(f"{other.url}/xapi", world.source.key.key, world.source.key.secret)
    world.add(back, name="back", tenant_id=2)
    ours = world.store(5)
    world.clock.forward(seconds=5)
    theirs.post({**other_statement(), "id": str(uuid.uuid4())})

    for _ in range(6):
        world.clock.forward(seconds=5)
        world.send()

    assert sorted(world.source.ids()) == sorted(theirs.ids())
    assert len(theirs.ids()) == 6
    assert {one for batch in other.batches for one in batch} >= set(ours)
    n_calls = len(other.calls)
    for _ in range(3):
        world.clock.forward(seconds=5)
        world.send()
    assert len(other.calls) == n_calls, "nothing goes round"


def other_statement() -> dict[str, Any]:
    return {"actor": {"mbox": "mailto:b@c.example"}, "verb": {"id": OTHER_VERB}, "object": {"id": "http://c.example/1"}}


@pytest.mark.one_database
def test_a_push_to_an_lrs_of_1_0_3_tells_its_version_and_nothing_else_changes(world, there, theirs, other):
    world.add(api.LrsTarget(there.endpoint + "/1.0.3", there.key, there.secret, version="1.0.3"))
    ids = world.store(2)

    world.send()

    assert theirs.ids(ascending="true") == ids
    assert other.calls[0].headers["x-experience-api-version"] == "1.0.3"
    sent, stored = other.calls[0].statements[0], world.source.get(statementId=ids[0]).json
    assert sent == {**stored, "version": "1.0.0"}


def test_attachments_go_with_their_statements(world, there, theirs, other):
    from hashlib import sha256

    content = b"\x00\xff certificate"
    digest = sha256(content).hexdigest()
    attachment = {
        "usageType": "http://id.example/attachment", "display": {"th": "ใบรับรอง"}, "contentType": "application/octet-stream",
        "length": len(content), "sha2": digest,
    }  # fmt: skip
    statement = {**other_statement(), "id": str(uuid.uuid4()), "attachments": [attachment]}
    body = (
        b"--b1\r\nContent-Type: application/json\r\n\r\n" + json.dumps(statement).encode()
        + b"\r\n--b1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: "
        + digest.encode() + b"\r\n\r\n" + content + b"\r\n--b1--\r\n"
    )  # fmt: skip
    world.add(there)
    assert world.source.post(body, content_type="multipart/mixed; boundary=b1").status_code == 200

    world.send()

    assert theirs.ids() == [statement["id"]]
    assert content in theirs.get(statementId=statement["id"], attachments="true").data
    assert other.calls[0].headers["content-type"].startswith("multipart/mixed")


@pytest.mark.one_database
def test_pseudonyms_are_sent_where_they_are_asked_for(world, receiver, agent):
    world.add(api.WebhookTarget(receiver.url), pseudonymous=True)
    world.add(api.WebhookTarget(receiver.url), name="second", pseudonymous=True)
    world.store(2, result={"response": "สมชาย ใจดี"})

    world.send()

    one, other_one = receiver.calls
    assert agent["account"]["name"] not in (one.body + other_one.body).decode() and "สมชาย" not in (one.body + other_one.body).decode()
    names = [[statement["actor"]["account"]["name"] for statement in call.statements] for call in (one, other_one)]
    assert names[0][0] == names[0][1]
    assert names[0][0] != names[1][0], "two receivers cannot join what they got"


@pytest.mark.one_database
def test_a_webhook_is_signed_as_standard_webhooks_says(world, receiver):
    secret = world.add(api.WebhookTarget(receiver.url)).secret
    ids = world.store(2)
    world.send()
    (call,) = receiver.calls
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body

    assert len(key) == 32
    assert call.headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert int(call.headers["webhook-timestamp"]) == int(world.clock().timestamp())
    body = json.loads(call.body)
    assert (body["push"], [one["id"] for one in body["statements"]]) == ("centre", ids)


@pytest.mark.one_database
def test_who_missed_something_reads_on_in_a_feed_from_the_cursor_of_a_webhook(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    world.store(2)
    world.send()
    missed = world.store(3)
    open_feed = {"auth": (world.source.key.key, world.source.key.secret)}
    assert world.source.http.put("/xapi/feeds/centre", json={}, **open_feed).status_code == 201

    answer = world.source.http.get("/xapi/feeds/centre", query_string={"after": json.loads(receiver.calls[0].body)["cursor"]}, **open_feed)

    assert [statement["id"] for statement in answer.json["statements"]] == missed


def test_the_signature_is_that_of_the_published_library(now):
    # made with standardwebhooks 1.1.0: Webhook("whsec_" + Base64 of 32 times "k").sign(msg_id, timestamp, data)
    headers = webhooks.headers_of('{"a":"ก"}'.encode(), [webhooks.key_of("whsec_" + base64.b64encode(b"k" * 32).decode())], now)

    assert headers["webhook-id"] == "msg_74a1a4fd0be4568fe0137baa192bfe03"
    assert headers["webhook-timestamp"] == "1795314600"
    assert headers["webhook-signature"] == "v1,JpjEkhqKmijNBMjYk9+ghGriuVDtKG3UbtmuZLrhj2Q="


@pytest.mark.one_database
def test_a_message_keeps_its_id_when_it_is_sent_again(world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    world.store()
    receiver.drops = 1
    world.send()
    world.clock.forward(minutes=1)
    world.send()
    world.store()
    world.send()

    ids = [call.headers["webhook-id"] for call in receiver.calls]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.one_database
def test_for_a_day_after_a_rotation_both_secrets_sign(world, receiver):
    old = world.add(api.WebhookTarget(receiver.url)).secret
    new = world.act(api.rotate_push_secret, now=world.clock(), pepper=PEPPER)

    world.store()
    world.send()
    world.clock.forward(days=1)
    world.store()
    world.send()

    def made_by(call: Any, secret: str) -> str:
        signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
        return "v1," + base64.b64encode(hmac.digest(webhooks.key_of(secret), signed, "sha256")).decode()

    during, after = receiver.calls
    assert during.headers["webhook-signature"].split() == [made_by(during, new), made_by(during, old)]
    assert after.headers["webhook-signature"].split() == [made_by(after, new)]


@pytest.mark.one_database
def test_an_lrs_that_changed_its_secret_gets_the_new_one(world, there, theirs):
    world.add(api.LrsTarget(there.endpoint, there.key, "old and wrong"))
    ids = world.store()
    world.send()
    assert world.view().paused_for == "status 401"

    assert world.act(api.rotate_push_secret, now=world.clock(), pepper=PEPPER, secret=there.secret) is None
    world.act(api.resume_push, now=world.clock())
    world.send()

    assert theirs.ids() == ids


def test_secrets_of_targets_are_sealed_and_shown_nowhere(world, there, database):
    made = world.add(there, name="lrs"), world.add(api.WebhookTarget("https://a.example/hook"), name="hook")
    secrets = [there.secret, made[1].secret]

    with database.reading() as db:
        rows = str(db.execute(text("SELECT * FROM xapi_push")).all())
        views = repr(api.list_pushes(db, tenant_id=1)) + repr(made) + repr(there)

    assert made[0].secret is None
    assert not any(secret in rows + views for secret in secrets)
    assert api.deliver(database, 1, http=world.client, pepper=b"another key", clock=world.clock) == 0
    world.store()
    api.deliver(database, 1, http=world.client, pepper=b"another key", clock=world.clock)
    assert world.view("lrs").paused_for == "secret_unreadable"
    with pytest.raises(ValueError, match="key of the installation"), database.transaction() as db:
        api.add_push(db, tenant_id=1, name="open", target=there, now=world.clock(), pepper=b"")


def test_a_push_that_is_removed_sends_nothing_and_forgets_its_secret_but_not_who_got_what(world, there, database):
    world.add(there)
    (sent,) = world.store()
    world.send()
    world.act(api.remove_push, now=world.clock())
    (later,) = world.store()

    assert world.send() == 0
    with database.reading() as db:
        row = db.execute(select(push_table)).one()
        seqs = {one.id: one.seq for one in api.iter_statements(db, tenant_id=1)}
        assert (row.secret, row.previous_secret) == (None, None)
        assert api.list_pushes(db, tenant_id=1) == []
        assert [one.url for one in api.recipients(db, tenant_id=1, seqs=[seqs[sent]])] == [there.endpoint]
        assert api.recipients(db, tenant_id=1, seqs=[seqs[later]]) == []
    world.add(there)  # the name is free again


def test_who_got_a_statement_is_known_while_a_back_fill_is_under_way(world, there, database):
    since = world.clock()
    world.clock.forward(hours=1)
    world.add(there)
    *_, last = world.store(150)
    world.send()

    world.act(api.back_fill_push, since=since, now=world.clock())
    after_one_call = threading.Event()
    after_one_call.set()
    api.deliver(database, 1, http=world.client, pepper=PEPPER, clock=world.clock, stop=after_one_call)

    assert world.view().waiting == 50
    with database.reading() as db:
        seqs = [one.seq for one in api.iter_statements(db, tenant_id=1) if one.id == last]
        assert len(api.recipients(db, tenant_id=1, seqs=seqs)) == 1


def test_a_statement_that_was_refused_or_lies_outside_the_slice_has_no_recipient(world, there, other, database):
    world.add(there, part=api.Slice(verbs=(OTHER_VERB,)))
    (outside_slice,) = world.store()
    (bad,) = world.store(verb={"id": OTHER_VERB})
    other.misdeed = refusing(400, bad)
    world.send()

    with database.reading() as db:
        seqs = {one.id: one.seq for one in api.iter_statements(db, tenant_id=1)}
        assert api.recipients(db, tenant_id=1, seqs=[seqs[outside_slice], seqs[bad]]) == []


def test_what_cannot_be_added_is_refused_with_its_place(world, there):
    world.add(there)
    with pytest.raises(PushExists):
        world.add(there)
    for target, place in (
        (api.LrsTarget("ftp://a.example", "k", "s"), "endpoint"),
        (api.LrsTarget("https://a.example/?x=1", "k", "s"), "endpoint"),
        (api.LrsTarget("https://a.example", "k", "s", version="0.95"), "version"),
        (api.LrsTarget("https://a.example", "", "s"), "key"),
        (api.LrsTarget("https://a.example", "k", ""), "secret"),
        (api.WebhookTarget("https://a.example", "whsec_AAAA"), "secret"),
        (api.WebhookTarget("https://a.example", "no secret of this form"), "secret"),
    ):
        with pytest.raises(RequestInvalid) as refused:
            world.add(target, name="next")
        assert refused.value.place == place
    for act in (api.pause_push, api.resume_push, api.remove_push):
        with pytest.raises(PushNotFound):
            world.act(act, name="unknown", now=world.clock())


@pytest.mark.one_database
def test_an_address_that_may_not_be_called_is_not_called_and_told(database, world, receiver):
    world.add(api.WebhookTarget(receiver.url))
    world.store()
    strict = GuardedClient(HttpPolicy())

    assert api.deliver(database, 1, http=strict, pepper=PEPPER, clock=world.clock) == 1

    assert receiver.calls == []
    assert world.view().last_error == "outbound_refused: it is not HTTPS"


def test_the_cursor_does_not_stay_behind_for_ever_when_nothing_is_of_the_slice(world, receiver):
    world.add(api.WebhookTarget(receiver.url), part=api.Slice(verbs=(OTHER_VERB,)))
    world.store(2)
    before = world.view().through
    world.clock.forward(hours=1)
    world.store(2)

    assert world.send() == 0
    assert world.view().through > (before or world.clock() - timedelta(hours=1))


@pytest.mark.one_database
def test_tincans_own_requests_pass_the_guard(world, there, other):
    (statement_id,) = world.store()
    lrs = OutsideLrs(world.client, endpoint=there.endpoint, version="1.0.3", key=world.source.key.key, secret=world.source.key.secret)

    assert lrs.retrieve_statement(statement_id).content.id == uuid.UUID(statement_id)
    assert api.target_versions(world.client, there.endpoint)[0] == "2.0.0"
    with pytest.raises(Exception, match="not the LRS that was asked"):
        lrs.call("GET", "http://127.0.0.1:9/xapi/statements?more=1")
    with pytest.raises(Exception, match="HTTPS"):
        OutsideLrs(GuardedClient(HttpPolicy()), endpoint=there.endpoint).retrieve_statement(statement_id)


@pytest.mark.one_database
def test_a_cursor_over_seven_days_drains_in_order_after_the_target_is_back(world, there, theirs, other):
    world.add(there)
    other.misdeed = refusing(503)
    expected = []
    for _ in range(7):
        expected += world.store(20)
        world.send()
        world.clock.forward(days=1)
    other.misdeed = lambda _call: None

    world.send()

    assert theirs.ids(ascending="true", limit=0) == expected


def test_a_suspect_place_survives_a_restart(world, there, theirs, other):
    world.add(there)
    ids = world.store(8)
    other.misdeed = refusing(400, ids[5])
    calls = 0
    while api.find_due(world.database, now=world.clock()):
        with world.database.transaction() as db:  # each turn ends after one call, as if the worker had been killed
            db.execute(update(push_table).values(lease=None, lease_until=None))
        stop = threading.Event()
        stop.set()
        calls += api.deliver(world.database, 1, http=world.client, pepper=PEPPER, clock=world.clock, stop=stop)

    assert theirs.ids(ascending="true") == [one for one in ids if one != ids[5]]
    assert [aside.statement_id for aside in world.refused()] == [ids[5]]
    assert calls <= 8
