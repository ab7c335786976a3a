"""A person's rights in the record store: found by several identifiers, handed out, renamed, unlinked, deleted; nothing else breaks."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import select

from kernel.db import Database
from xapi import api, links
from xapi.models import attachment
from xapi.persons import _NewNames

PAGE = "https://agency.example.go.th/people"
MAIL = "mailto:somchai@agency.example.go.th"
ACCOUNT = {"account": {"homePage": PAGE, "name": "3f0b9a52-6a3c-4f7e-9d6c-0d2f6c1a7b11"}}
OTHER = {"account": {"homePage": PAGE, "name": "somebody else"}}
SHA1 = hashlib.sha1(MAIL.encode()).hexdigest()
KEY = RSAKey.generate_key(2048)
AUTHORITY = {"account": {"homePage": "https://agency.example.go.th", "name": "client"}}

New = Callable[..., dict[str, Any]]
Keep = Callable[..., list[str]]


@pytest.fixture
def person() -> api.Person:
    """One human being: an account of the agency, and an address elsewhere."""
    return api.person_of([ACCOUNT, {"mbox": MAIL}])


@pytest.fixture
def keep(database: Database, clock: Any) -> Keep:
    """Stores statements and gives their ids."""

    def store(*statements: dict[str, Any], tenant_id: int = 1) -> list[str]:
        with database.transaction() as db:
            return api.store_statements(db, tenant_id=tenant_id, statements=statements, authority=AUTHORITY, now=clock())

    return store


@pytest.fixture
def change(database: Database, person: api.Person) -> Callable[[api.Policy], api.PersonChanged]:
    def carry_out(policy: api.Policy) -> api.PersonChanged:
        with database.transaction() as db:
            return api.change_person(db, person, tenant_id=1, accounts=api.make_pseudonyms(person), policy=policy)

    return carry_out


def stored(database: Database) -> dict[str, dict[str, Any]]:
    with database.reading() as db:
        return {one.id: one.statement for one in api.iter_statements(db, tenant_id=1)}


def test_a_person_is_found_by_each_identifier_wherever_a_statement_names_them(
    database: Database, keep: Keep, person: api.Person, new_statement: New
):
    in_context = {"instructor": {"mbox_sha1sum": SHA1}}
    group = {"objectType": "Group", "member": [OTHER, {"mbox": "mailto:somchai@AGENCY.example.go.th"}]}
    inside = {"objectType": "SubStatement", "actor": ACCOUNT, "verb": {"id": "http://x.example/v"}, "object": {"id": "http://x.example/o"}}
    ids = keep(
        new_statement(actor=ACCOUNT),
        new_statement(actor=OTHER, context=in_context),
        new_statement(actor=group),
        new_statement(actor=OTHER, object={"objectType": "Agent", "mbox": MAIL}),
        new_statement(actor=OTHER, object=inside),
    )
    keep(new_statement(actor=OTHER))
    keep(new_statement(actor=ACCOUNT), tenant_id=2)

    with database.reading() as db:
        there = api.find_presence(db, person, tenant_id=1)
        handed_out = [json.loads(text)["id"] for text in api.iter_documents_of(db, person, tenant_id=1)]

    assert (there.n_named, there.n_as_actor) == (5, 1)
    assert handed_out == ids


def test_what_only_refers_to_a_persons_statement_is_not_theirs(database: Database, keep: Keep, person: api.Person, new_statement: New):
    (about,) = keep(new_statement(actor=ACCOUNT))
    keep(new_statement(actor=OTHER, object={"objectType": "StatementRef", "id": about}))

    with database.reading() as db:
        assert api.find_presence(db, person, tenant_id=1).n_named == 1


@pytest.mark.parametrize("agents", [[{"mbox": "somchai"}], [{"name": "สมชาย"}], [{"account": {"name": "x"}}], ["x"]])
def test_what_identifies_nobody_is_refused_with_its_place(agents: list[Any]):
    with pytest.raises(api.StatementInvalid) as refused:
        api.person_of([ACCOUNT, *agents])

    assert refused.value.place.startswith("/1")


@pytest.mark.parametrize("policy", ["rename", "unlink"])
def test_a_new_name_stands_wherever_the_old_one_stood_and_all_else_is_as_it_was(
    database: Database, keep: Keep, change: Any, new_statement: New, policy: api.Policy
):
    text = new_statement(
        actor={"objectType": "Agent", "name": "สมชาย ใจดี", **ACCOUNT},
        context={"instructor": {"mbox": MAIL, "name": "สมชาย"}, "extensions": {"http://x.example/e": {"who": f"by {MAIL[7:]}", "n": 1.50}}},
        timestamp="2026-11-22T02:30:00.000Z",
    )
    (id_,) = keep(text)
    before = stored(database)[id_]

    changed = change(policy)

    after = stored(database)[id_]
    kept = json.dumps(after, ensure_ascii=False)
    assert changed.n_renamed == 1
    assert changed.n_left == 0
    assert not any(word in kept for word in ("สมชาย", "somchai", ACCOUNT["account"]["name"]))
    assert UUID(after["actor"]["account"]["name"]) != UUID(after["context"]["instructor"]["account"]["name"])
    assert after["context"]["extensions"]["http://x.example/e"]["n"] == 1.5
    for member in ("id", "verb", "object", "timestamp", "stored", "authority", "version"):
        assert after[member] == before[member]
    assert list(after) == list(before)


def test_the_index_follows_the_new_name(database: Database, keep: Keep, *, person: api.Person, change: Any, lrs: Any, new_statement: New):
    (id_,) = keep(new_statement(actor=ACCOUNT))
    keep(new_statement(actor=OTHER, object={"objectType": "StatementRef", "id": id_}))

    change("rename")

    new = stored(database)[id_]["actor"]
    assert lrs.ids(agent=ACCOUNT) == []
    assert len(lrs.ids(agent=new)) == 2
    assert len(lrs.ids(agent=new, related_agents="true")) == 2
    with database.reading() as db:
        assert not api.find_presence(db, person, tenant_id=1).is_there


def test_order_voiding_and_feeds_stay_after_a_new_name(database: Database, keep: Keep, change: Any, lrs: Any, new_statement: New):
    voiding = {"id": "http://adlnet.gov/expapi/verbs/voided"}
    first, second = keep(new_statement(actor=ACCOUNT), new_statement(actor=ACCOUNT))
    keep(new_statement(actor=ACCOUNT, verb=voiding, object={"objectType": "StatementRef", "id": first}))
    keep(new_statement(actor=OTHER))
    before = lrs.ids(ascending="true")
    more = lrs.get(ascending="true", limit=2).json["more"]

    change("unlink")

    assert lrs.ids(ascending="true") == before
    assert lrs.get(statementId=first).status_code == 404
    assert lrs.get(voidedStatementId=first).status_code == 200
    assert before[0] == second
    assert [one["id"] for one in lrs.follow(more).json["statements"]] == before[2:]


@pytest.mark.parametrize(("interaction", "kept"), [("choice", "golf"), ("fill-in", ""), (None, "")])
def test_the_persons_own_words_go_when_they_are_unlinked(
    database: Database, keep: Keep, change: Any, *, new_statement: New, interaction: str | None, kept: str
):
    definition = {"interactionType": interaction, "correctResponsesPattern": []} if interaction else {}
    said = {"result": {"response": "golf", "success": True}, "object": {"id": "http://x.example/i", "definition": definition}}
    mine, theirs = keep(new_statement(actor=ACCOUNT, **said), new_statement(actor=OTHER, context={"instructor": ACCOUNT}, **said))

    change("unlink")

    assert stored(database)[mine]["result"] == {"response": kept, "success": True}
    assert stored(database)[theirs]["result"]["response"] == "golf"


def test_deleting_removes_the_persons_own_statements_and_their_name_from_others(
    database: Database, keep: Keep, change: Any, lrs: Any, new_statement: New
):
    own, theirs = keep(new_statement(actor=ACCOUNT), new_statement(actor=OTHER, context={"instructor": ACCOUNT}))
    (reference,) = keep(new_statement(actor=OTHER, object={"objectType": "StatementRef", "id": own}))

    changed = change("delete")

    assert changed.deleted == (own,)
    assert changed.n_renamed == 1
    assert lrs.ids(ascending="true") == [theirs, reference]
    assert lrs.get(statementId=own).status_code == 404
    assert ACCOUNT["account"]["name"] not in json.dumps(stored(database))
    assert lrs.put(new_statement(actor=OTHER), own).status_code == 204


def test_a_name_in_an_activitys_address_is_left_and_told(database: Database, keep: Keep, change: Any, new_statement: New):
    address = f"https://agency.example.go.th/profile/{MAIL[7:]}"
    (id_,) = keep(new_statement(actor={"mbox": MAIL}, object={"id": address}))

    assert change("unlink").n_left == 1
    assert stored(database)[id_]["object"]["id"] == address


def test_documents_of_a_person_go_with_the_person(database: Database, keep: Keep, person: api.Person, change: Any, lrs: Any):
    profile = {"agent": json.dumps(ACCOUNT), "profileId": "preferences"}
    address = "/xapi/agents/profile"
    headers = {"X-Experience-API-Version": "2.0.0", "If-None-Match": "*", "Content-Type": "text/plain"}
    sent = lrs.http.put(address, query_string=profile, data=b"x", headers=headers, auth=(lrs.key.key, lrs.key.secret))
    assert sent.status_code == 204, sent.text
    with database.reading() as db:
        assert api.find_presence(db, person, tenant_id=1).n_documents == 1

    assert change("rename").n_documents == 0
    assert change("unlink").n_documents == 1

    with database.reading() as db:
        assert not api.find_presence(db, person, tenant_id=1).is_there


def test_a_slice_that_names_the_person_names_them_anew(database: Database, keep: Keep, now: Any, change: Any, new_statement: New):
    with database.transaction() as db:
        api.create_key(db, tenant_id=1, name="hers", scopes=["statements/read"], now=now, part=api.Slice(agents=(ACCOUNT,)))
        api.create_key(db, tenant_id=1, name="his", scopes=["statements/read"], now=now, part=api.Slice(agents=(OTHER,)))
    (id_,) = keep(new_statement(actor=ACCOUNT))

    change("rename")

    with database.reading() as db:
        slices = {key.name: key.slice for key in api.list_keys(db, tenant_id=1)}
        renamed = stored(database)[id_]
        [hers] = slices["hers"].agents
        assert links.identifier_of(hers) == links.identifier_of(renamed["actor"])
        assert slices["his"].agents == (OTHER,)


def test_a_person_is_found_again_by_a_digest_alone(database: Database, keep: Keep, person: api.Person, new_statement: New):
    keep(new_statement(actor={"objectType": "Agent", "name": "x", **ACCOUNT}))

    with database.reading() as db:
        known = set(api.iter_digests(db, tenant_id=1))
        found = api.list_agents_behind(db, [one for one in person.digests if one in known], tenant_id=1)

    assert found == [ACCOUNT]


def test_another_agencys_statements_stay_as_they_are(database: Database, keep: Keep, change: Any, new_statement: New):
    (id_,) = keep(new_statement(actor=ACCOUNT), tenant_id=2)

    assert change("delete").n_renamed == 0

    with database.reading() as db:
        (one,) = api.iter_statements(db, tenant_id=2)
    assert one.statement["actor"] == ACCOUNT
    assert one.id == id_


def test_five_hundred_statements_and_one_more_are_all_renamed(database: Database, keep: Keep, change: Any, new_statement: New):
    keep(*(new_statement(actor=ACCOUNT, id=str(uuid4())) for _ in range(501)))

    assert change("rename").n_renamed == 501
    assert ACCOUNT["account"]["name"] not in json.dumps(stored(database))


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from([ACCOUNT, OTHER, {"mbox": MAIL, "name": "x"}, MAIL, f"<{MAIL[7:]}>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "id", "ก", '"']), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_the_text_after_a_new_name_is_that_of_the_renamed_value(value: Any, indent: int | None, is_ascii: bool):
    """The second way to the same: rename in the parsed value, and write that."""
    person = api.person_of([ACCOUNT, {"mbox": MAIL}])
    accounts = api.make_pseudonyms(person)
    by_agent = {json.dumps(agent): accounts[identifier] for agent, identifier in zip(person.agents, person.identifiers, strict=True)}

    def renamed(part: Any, name: str = "") -> Any:
        if isinstance(part, list):
            return [renamed(one) for one in part]
        if isinstance(part, dict):
            account = by_agent.get(json.dumps({key: part[key] for key in ("account", "mbox") if key in part}))
            return {"account": account} if account else {key: renamed(one, key) for key, one in part.items()}
        if isinstance(part, str) and name != "id":
            return part.replace(MAIL, MAIL[7:]).replace(MAIL[7:], by_agent[json.dumps({"mbox": MAIL})]["name"])
        return part

    text = json.dumps([value], indent=indent, ensure_ascii=is_ascii)

    assert json.loads(_NewNames(accounts).put_into_json(text)) == renamed([value])


def sent_with(lrs: Any, statement: dict[str, Any], *contents: bytes) -> None:
    """Posts a statement with the contents of its attachments."""
    parts = [(b"Content-Type: application/json", json.dumps(statement).encode())]
    for content in contents:
        about = f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {sha2(content)}"
        parts.append((about.encode(), content))
    body = b"".join(b"--edge\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + b"--edge--\r\n"
    answer = lrs.post(body, content_type="multipart/mixed; boundary=edge")
    assert answer.status_code == 200, answer.text


def sha2(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def attached(content: bytes, usage: str) -> dict[str, Any]:
    about = {"usageType": usage, "display": {"en": "x"}, "contentType": "application/octet-stream"}
    return {**about, "length": len(content), "sha2": sha2(content)}


@pytest.mark.parametrize(("policy", "n_kept"), [("rename", 1), ("unlink", 0), ("delete", 0)])
def test_a_signature_goes_with_the_name_that_it_signed_and_own_work_with_the_person(
    database: Database, lrs: Any, change: Any, *, new_statement: New, policy: api.Policy, n_kept: int
):
    essay = "เรียงความของสมชาย".encode()
    own = attached(essay, "http://x.example/essay")
    statement = new_statement(actor=ACCOUNT, id=str(uuid4()), attachments=[own])
    signature = jws.serialize_compact({"alg": "RS256"}, json.dumps(statement), KEY).encode()
    files = [attached(signature, "http://adlnet.gov/expapi/attachments/signature"), own]
    sent_with(lrs, {**statement, "attachments": files}, signature, essay)

    change(policy)

    with database.reading() as db:
        kept = [bytes(content) for content in db.scalars(select(attachment.c.contents))]
    assert kept == [essay][:n_kept]
    left = stored(database).get(statement["id"], {}).get("attachments", [])
    assert [one["usageType"] for one in left] == ["http://x.example/essay"][:n_kept]
