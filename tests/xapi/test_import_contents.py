"""Contents of attachments that another LRS gives with its statements."""

import itertools
import json

import pytest
from werkzeug.wrappers import Response

from kernel.http import GuardedClient, HttpPolicy
from tests.xapi.outside import outside
from tests.xapi.test_attachments import TEXT, described, message, part, read, send, sha2
from xapi import api, imports

PEOPLE = {"objectType": "Agent", "account": {"homePage": "https://agency.example.go.th/people", "name": "import"}}


def held(lrs, statement_id):
    """Contents by hash."""
    parts = read(lrs.get(statementId=statement_id, attachments="true"))[1]
    return {digest: one.get_payload(decode=True) for digest, one in parts.items()}


@pytest.fixture
def source(http, new_client):
    """Tenant 2, whose statements are brought into tenant 1."""
    with outside(http.application) as reached:
        yield reached, new_client("all", tenant_id=2)


@pytest.fixture
def bring_in(database, source, clock):
    def bring():
        client = GuardedClient(HttpPolicy(dev_mode=True))
        lrs = api.open_remote(client, endpoint=f"{source[0].url}/xapi", key=source[1].key.key, secret=source[1].key.secret)
        position, landed, is_last = {}, [], False
        while not is_last:
            page = api.read_remote(lrs, position)
            position, is_last = page.position, page.is_last
            with database.transaction() as db:
                landed.append(api.land_lines(db, page.lines, tenant_id=1, authority=PEOPLE, keeps_authority=False, now=clock()))
        client.close()
        return landed

    return bring


def test_contents_come_with_their_statements(source, bring_in, lrs, new_statement):
    with_contents = new_statement(attachments=[described(TEXT), described(b"2", fileUrl="https://x.th/2")])
    plain = source[1].post([new_statement(), new_statement()]).json
    [known] = send(source[1], message([with_contents], part(TEXT))).json

    [landed] = bring_in()

    assert (landed.n_new, landed.faults) == (3, ())
    assert held(lrs, known) == {sha2(TEXT): TEXT}
    assert lrs.ids(ascending="true") == [*plain, known]
    assert [call.path for call in source[0].calls] == ["/xapi/about", "/xapi/statements", "/xapi/statements"]


def test_a_page_with_large_contents_comes_in_parts(source, bring_in, lrs, new_statement, monkeypatch):
    monkeypatch.setattr(imports, "MAX_ATTACHMENT_BYTES", 10)
    contents = [bytes([number]) * 6 for number in range(4)]
    known = [send(source[1], message([new_statement(attachments=[described(one)])], part(one))).json[0] for one in contents]

    landed = bring_in()

    assert [one.n_new for one in landed] == [1, 1, 1, 1]
    assert lrs.ids(ascending="true") == known
    assert [held(lrs, one) for one in known] == [{sha2(one): one} for one in contents]


def test_a_statement_that_is_voided_between_two_parts_costs_none_of_the_others(source, bring_in, lrs, new_statement, monkeypatch):
    monkeypatch.setattr(imports, "MAX_ATTACHMENT_BYTES", 10)
    contents = [bytes([number]) * 6 for number in range(3)]
    known = [send(source[1], message([new_statement(attachments=[described(one)])], part(one))).json[0] for one in contents]
    void = new_statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object={"objectType": "StatementRef", "id": known[0]})
    n_asked = itertools.count()

    def void_it_meanwhile(call):
        if call.path.endswith("/statements") and next(n_asked) == 2:  # the page, the first contents, and now the second ones
            source[1].post(void)

    source[0].misdeed = void_it_meanwhile
    bring_in()

    assert source[1].ids(ascending="true")[:2] == known[1:]
    assert lrs.ids(ascending="true")[:2] == known[1:]
    assert lrs.get(voidedStatementId=known[0]).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        Response("{}", status=200, content_type="application/json"),
        Response("no such", status=404),
        Response(message({}, part(b"other", digest=sha2(TEXT))), content_type="multipart/mixed; boundary=x"),
        Response(b"x" * 2_000, content_type="multipart/mixed; boundary=x"),
    ],
    ids=["no multipart", "gone", "wrong hash", "too large"],
)
def test_contents_that_are_not_to_be_had_leave_what_has_an_address(  # noqa: PLR0917  fixtures
    source, bring_in, lrs, new_statement, monkeypatch, answer
):
    monkeypatch.setattr(imports, "MAX_MULTIPART_BYTES", 1_000)
    bare, linked = described(TEXT), described(TEXT, fileUrl="https://x.th/1")
    [refused] = send(source[1], message([new_statement(attachments=[bare])], part(TEXT))).json
    [taken] = source[1].post(new_statement(attachments=[linked])).json
    n_asked = itertools.count()
    source[0].misdeed = lambda call: answer if call.path.endswith("/statements") and next(n_asked) > 0 else None

    [landed] = bring_in()

    assert [(fault.statement_id, fault.rule) for fault in landed.faults] == [(refused, "attachment_missing")]
    assert lrs.ids() == [taken]
    assert json.loads(lrs.get(statementId=taken).data)["attachments"] == [linked]


def test_a_source_that_is_away_while_contents_are_asked_for_is_asked_again(source, bring_in, new_statement):
    send(source[1], message([new_statement(attachments=[described(TEXT)])], part(TEXT)))
    n_asked = itertools.count()
    source[0].misdeed = lambda call: Response(status=503) if call.path.endswith("/statements") and next(n_asked) == 1 else None

    with pytest.raises(api.SourceAway):
        bring_in()
    source[0].misdeed = lambda _call: None

    assert [one.n_new for one in bring_in()] == [1]
