"""The administrator's pages of the record store: looking, who may, what goes on, a person's rights; each look stands in the audit log."""

import io
import json
import re
import zipfile
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import Client

import xapi.api as xapi
from lti_tool import models
from lti_tool.lti.grants import grant_role
from lti_tool.lti.tenants import add_tenant
from lti_tool.models import User
from lti_tool.web.csrf import token_of
from lti_tool.workflows import erasure, lrs_import
from tests.lti.lti_world import CLIENT_ID, SECRET, TOOL, Tool
from xapi.usage import Usage

pytestmark = pytest.mark.one_database

VERBS = "http://adlnet.gov/expapi/verbs/"
AUTHORITY = {"name": "Moodle", "account": {"homePage": "https://lms.example", "name": "logstore"}}
ACTOR = {"mbox": "mailto:somchai@one.example.go.th"}


class Desk:
    """An administrator at the pages of the record store."""

    def __init__(self, tool: Tool) -> None:
        self.tool, self.browser = tool, tool.new_browser()
        with tool.database.transaction() as db:
            grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub="admin", role="administrator", now=tool.moment.now)
        self.launch = tool.launched(self.browser, sub="admin", name=None)
        with tool.database.transaction() as db:
            db.execute(models.Launch.__table__.update().values(locale="en"))

    def get(self, path: str = "", browser: Client | None = None, **query: str) -> Any:
        return (browser or self.browser).get(f"/admin/{self.launch}/records/{path}", query_string=query, base_url=TOOL)

    def post(self, path: str, **fields: Any) -> Any:
        data = {"csrf": token_of(self.launch, SECRET), **fields}
        return self.browser.post(
            f"/admin/{self.launch}/records/{path}", base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"}
        )

    def store(self, *statements: dict[str, Any], tenant_id: int = 1) -> list[str]:
        with self.tool.database.transaction() as db:
            return xapi.store_statements(db, tenant_id=tenant_id, statements=statements, authority=AUTHORITY, now=self.tool.moment.now)

    def audit(self, event: str) -> list[dict[str, Any]]:
        return [entry.details for entry in self.tool.rows(models.AuditEntry) if entry.event == event]


@pytest.fixture
def desk(tool: Tool) -> Desk:
    return Desk(tool)


def told(verb: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"actor": ACTOR, "verb": {"id": VERBS + verb}, "object": {"id": "https://lms.example/course/1"}, **fields}


def sentences(page: Any) -> list[str]:
    assert page.status_code == 200, page.text[:500]
    return [unescape(text) for text in re.findall(r'<th scope="row" role="rowheader"><a [^>]*>([^<]+)</a>', page.text)]


def test_the_newest_statements_stand_first_as_sentences(desk: Desk):
    desk.store(told("completed"), told("passed"))

    page = desk.get()

    assert sentences(page) == [
        "somchai@one.example.go.th passed “https://lms.example/course/1”.", "somchai@one.example.go.th completed “https://lms.example/course/1”.",
    ]  # fmt: skip
    assert "Moodle" in page.text
    assert "tail.js" in page.text


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ({}, 3),
        ({"verb": VERBS + "passed"}, 1),
        ({"activity": "https://lms.example/course/2"}, 1),
        ({"person": "somchai@one.example.go.th"}, 2),
        ({"person": "https://one.example.go.th p-9"}, 1),
        ({"since": "2026-11-22"}, 3),
        ({"until": "2026-11-21"}, 0),
        ({"since": "2026-11-22", "until": "2026-11-22", "verb": VERBS + "completed"}, 2),
    ],
)
def test_each_field_of_the_filter_narrows_the_list(desk: Desk, query: dict[str, str], n: int):
    other = {"account": {"homePage": "https://one.example.go.th", "name": "p-9"}}
    desk.store(told("completed"), told("passed"), told("completed", actor=other, object={"id": "https://lms.example/course/2"}))

    assert len(sentences(desk.get(**query))) == n


@pytest.mark.parametrize(
    "query", [{"verb": "passed"}, {"since": "yesterday"}, {"person": "somchai"}, {"since": "2026-11-22", "until": "2026-11-01"}]
)
def test_a_filter_that_cannot_be_is_told_on_the_page(desk: Desk, query: dict[str, str]):
    page = desk.get(**query)

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert next(iter(query.values())) in page.text


def test_older_statements_are_a_page_further(desk: Desk):
    desk.store(*(told("answered") for _ in range(30)))
    first = desk.get()
    (older,) = re.findall(r'href="([^"]*before=\d+)"', first.text)

    second = desk.browser.get(unescape(older), base_url=TOOL)

    assert (len(sentences(first)), len(sentences(second))) == (25, 5)
    assert "tail.js" not in second.text


def test_one_statement_stands_in_both_languages_and_letter_for_letter(desk: Desk):
    (id_,) = desk.store(told("completed", result={"score": {"scaled": 0.50}}))
    with desk.tool.database.reading() as db:
        seen = xapi.get_seen(db, id_, tenant_id=1)

    page = desk.get(f"statements/{id_}")

    assert 'lang="th">somchai@one.example.go.th ทำ' in page.text
    assert 'lang="en">somchai@one.example.go.th completed' in page.text
    assert seen.text in unescape(page.text)
    assert desk.get(f"statements/{uuid4()}").status_code == 404


def test_a_voided_statement_is_left_out_of_the_list_and_told_as_such(desk: Desk):
    (id_,) = desk.store(told())
    desk.store(told("voided", object={"objectType": "StatementRef", "id": id_}))

    assert len(sentences(desk.get())) == 1
    assert "Voided" in desk.get(f"statements/{id_}").text


def test_each_look_is_written_down_once_and_names_nobody(desk: Desk):
    (id_,) = desk.store(told())
    for _ in range(3):
        desk.get(person="somchai@one.example.go.th")
    desk.get(f"statements/{id_}")
    desk.tool.moment.pass_by(seconds=601)
    desk.get(f"statements/{id_}")

    assert desk.audit("statements.viewed") == [{"person": "given"}, {"statement": id_}, {"statement": id_}]


def test_only_administrators_find_these_pages(desk: Desk):
    learner = desk.tool.new_browser()
    launch = desk.tool.launched(learner, sub="u-1")

    for path in ("", "volumes", "refusals", "keys", "feeds", "forwards", "imports", "people/"):
        assert learner.get(f"/admin/{launch}/records/{path}", base_url=TOOL).status_code == 404
        assert desk.get(path).status_code == 200


def test_volumes_count_each_statement_once_by_day_and_verb(desk: Desk):
    (id_, *_) = desk.store(told("completed"), told("completed"), told("answered"))
    desk.tool.moment.pass_by(seconds=60)
    desk.store(told("commented", object={"objectType": "StatementRef", "id": id_}), tenant_id=1)
    desk.store(told("passed"), tenant_id=2)

    page = desk.get("volumes", days="7")

    rows = re.findall(
        r'<tr><th scope="row">(?:<a[^>]*><span>)?(.*?)(?:<br>.*?)?</th><td class="number">([\d,]+)</td></tr>', page.text, re.DOTALL
    )
    by_name = {re.sub(r"<[^>]*>", "", name).strip(): n for name, n in rows}
    assert "4 statements were stored" in page.text
    assert {name: by_name[name] for name in ("completed", "answered", "commented")} == {"completed": "2", "answered": "1", "commented": "1"}
    assert list(by_name.values()).count("4") == 1
    assert "passed" not in by_name
    assert page.text.count('<svg class="chart') == 2


def test_refused_requests_stand_with_their_reason(desk: Desk):
    usage = Usage(desk.tool.database, desk.tool.moment)
    usage.note(1, xapi.Refusal(desk.tool.moment.now, "k", "POST", "statements", 400, "statement_invalid", "one_ifi", "/3/actor"))
    usage.note(2, xapi.Refusal(desk.tool.moment.now, "k", "POST", "theirs", 400, "statement_invalid", "one_ifi", "/4"))
    usage.flush()

    page = desk.get("refusals")

    assert "/3/actor" in page.text
    assert "inverse functional identifier" in page.text
    assert "theirs" not in page.text


# --- keys ----------------------------------------------------------------------------------------------------------------------------


def made_key(page: Any) -> tuple[str, str]:
    (key,) = re.findall(r'id="made-key" value="([^"]+)"', page.text)
    (secret,) = re.findall(r'id="made-secret" value="([^"]+)"', page.text)
    return key, secret


def asked_with(desk: Desk, key: tuple[str, str]) -> int:
    headers = {"X-Experience-API-Version": "2.0.0"}
    return desk.tool.app.test_client().get("/xapi/statements", headers=headers, auth=key, base_url=TOOL).status_code


def test_a_key_is_made_shown_once_renewed_and_revoked(desk: Desk):
    made = desk.post("keys", name="Warehouse", scope=["statements/read"], days="30", verbs=VERBS + "completed", activities="")
    key = made_key(made)
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    listed = desk.get("keys")
    assert key[0] in listed.text
    assert key[1] not in listed.text
    assert asked_with(desk, key) == 200

    renewed = made_key(desk.post("keys/rotate", key=key[0]))
    assert renewed[0] == key[0]
    assert (asked_with(desk, renewed), asked_with(desk, key)) == (200, 200)

    assert desk.post("keys/revoke", key=key[0]).status_code == 303
    assert asked_with(desk, renewed) == 401
    assert [len(desk.audit(f"lrs_key.{what}")) for what in ("created", "rotated", "revoked")] == [1, 1, 1]
    assert key[1] not in json.dumps([entry.details for entry in desk.tool.rows(models.AuditEntry)])


@pytest.mark.parametrize("wrong", [{"scope": []}, {"days": "soon"}, {"verbs": "completed"}, {"name": ""}])
def test_a_key_that_cannot_be_is_told_with_what_was_typed(desk: Desk, wrong: dict[str, Any]):
    page = desk.post("keys", **{"name": "Warehouse", "scope": ["statements/read"], "activities": "https://x.example/a", **wrong})

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert "https://x.example/a" in page.text
    with desk.tool.database.reading() as db:
        assert xapi.list_keys(db, tenant_id=1) == []


def test_nothing_of_another_agency_can_be_changed_by_its_name(desk: Desk):
    now = desk.tool.moment.now
    with desk.tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=now)
        theirs = xapi.create_key(db, tenant_id=2, name="theirs", scopes=["all"], now=now)
        xapi.add_push(db, tenant_id=2, name="theirs", target=xapi.WebhookTarget("https://x.example/h"), now=now, pepper=b"p")

    answers = [
        desk.post("keys/rotate", key=theirs.key), desk.post("keys/revoke", key=theirs.key), desk.post("feeds/remove", name="theirs"),
        *(desk.post("forwards", name="theirs", act=act) for act in ("pause", "resume", "retry", "else")),
    ]  # fmt: skip

    assert {answer.status_code for answer in answers} == {404}
    with desk.tool.database.reading() as db:
        assert xapi.list_keys(db, tenant_id=2)[0].revoked_at is None
        assert xapi.list_pushes(db, tenant_id=2)[0].state == "on"


# --- feeds, forwards, imports ----------------------------------------------------------------------------------------------------------


def test_a_feed_shows_its_lag_and_can_be_removed(desk: Desk):
    from xapi import feeds

    with desk.tool.database.transaction() as db:
        feeds.put_feed(db.connection(), tenant_id=1, name="warehouse", owner="k", part=xapi.EVERYTHING, now=desk.tool.moment.now)
    desk.store(told(), told())

    assert "2 statements wait" in desk.get("feeds").text
    assert desk.post("feeds/remove", name="warehouse").status_code == 303
    assert "No consumer keeps a feed here." in desk.get("feeds").text
    assert desk.audit("feed.removed") == [{"name": "warehouse"}]


def test_a_forward_is_paused_and_goes_on(desk: Desk):
    with desk.tool.database.transaction() as db:
        target = xapi.WebhookTarget("https://x.example/hook")
        xapi.add_push(db, tenant_id=1, name="Dashboard", target=target, now=desk.tool.moment.now, pepper=b"p")
    desk.store(told())

    states = []
    for act in ("pause", "resume", "retry"):
        assert desk.post("forwards", name="Dashboard", act=act).status_code == 303
        with desk.tool.database.reading() as db:
            states.append(xapi.list_pushes(db, tenant_id=1)[0].state)

    assert states == ["paused", "on", "on"]
    assert "https://x.example/hook" in desk.get("forwards").text
    assert [len(desk.audit(f"forward.{what}")) for what in ("paused", "resumed", "retried")] == [1, 1, 1]


def test_an_import_is_shown_with_the_lines_that_were_not_taken_in(desk: Desk):
    source = lrs_import.FileSource("/srv/old.ndjson", io.BytesIO(json.dumps(told()).encode() + b"\n{\n"))
    view = lrs_import.bring_in(desk.tool.database, source, tenant_id=1, actor="command", clock=desk.tool.moment)

    page = desk.get(f"imports/{view.uuid}")

    assert "/srv/old.ndjson" in desk.get("imports").text
    assert "The JSON text is not valid" in page.text
    assert re.search(r'role="rowheader">2</th>', page.text)
    assert desk.get(f"imports/{uuid4()}").status_code == 404


# --- a person's rights -----------------------------------------------------------------------------------------------------------------

WHO = {"identifiers": "somchai@one.example.go.th\n"}


def test_a_person_is_found_handed_out_and_erased_with_a_receipt(desk: Desk):
    desk.tool.launched(desk.tool.new_browser(), sub="u-1")
    desk.store(told(), told("passed"))
    who = {**WHO, "issuer": desk.tool.platform.url, "sub": "u-1"}

    found = desk.post("people/find", **who)
    assert "สมชาย ใจดี" in found.text
    assert "somchai" not in found.request.url
    packed = desk.post("people/export", **who)
    assert packed.headers["Content-Disposition"] == 'attachment; filename="kaona-person.zip"'
    with zipfile.ZipFile(io.BytesIO(packed.data)) as file:
        assert len(file.read("statements.ndjson").splitlines()) == 2
    done = desk.post("people/erase", **who, act="unlink", sure="yes")

    (receipt,) = re.findall(r"<dd>([0-9a-f-]{36})</dd>", done.text)
    assert desk.get(f"people/receipts/{receipt}").status_code == 200
    assert receipt in desk.get("people/").text
    listed = erasure.read_list(desk.tool.app.settings.data_dir / erasure.LIST_NAME)
    assert UUID(receipt) in [one.uuid for one in listed]
    assert [user.sub for user in desk.tool.rows(User)] == ["admin"]
    assert desk.post("people/find", **who).status_code == 404
    assert desk.get(f"people/receipts/{uuid4()}").status_code == 404


@pytest.mark.parametrize("fields", [{"act": "unlink"}, {"act": "burn", "sure": "yes"}, {"sure": "yes"}])
def test_nothing_is_erased_without_a_choice_and_a_confirmation(desk: Desk, fields: dict[str, str]):
    desk.store(told())

    page = desk.post("people/erase", **WHO, **fields)

    assert page.status_code == 400
    assert "Please choose what is to be done" in page.text
    with desk.tool.database.reading() as db:
        assert [one.statement["actor"] for one in xapi.iter_statements(db)] == [ACTOR]


@pytest.mark.parametrize(("typed", "status"), [("nobody@x.example", 404), ("somchai", 400), ("", 404)])
def test_who_is_not_found_is_told_and_what_was_typed_stays(desk: Desk, typed: str, status: int):
    page = desk.post("people/find", identifiers=typed)

    assert page.status_code == status
    assert 'role="alert"' in page.text
    assert typed in page.text


def test_another_agencys_person_is_nobody_here(desk: Desk):
    with desk.tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=desk.tool.moment.now)
    desk.store(told(), tenant_id=2)

    assert desk.post("people/find", **WHO).status_code == 404
    assert desk.post("people/erase", **WHO, act="delete", sure="yes").status_code == 404


def test_a_change_of_language_leads_back_to_the_page(desk: Desk):
    for path in ("volumes", "keys", "people/"):
        page = desk.get(path)
        (back,) = re.findall(r'name="back" value="([^"]+)"', page.text)

        changed = desk.post("language", language="th", back=unescape(back))

        assert changed.headers["Location"].endswith(f"/records/{path}")
        desk.post("language", language="en")
