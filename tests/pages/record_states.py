"""The states of the administrator's pages of the record store."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

import xapi.api as xapi
from lti_tool.statements.sentences import VOIDED
from lti_tool.views import record_access, record_people, records
from lti_tool.web.principal import Role
from lti_tool.workflows.erasure import Receipt, Request
from lti_tool.workflows.lrs_import import FaultView, ImportView
from lti_tool.workflows.people import IdentifierInvalid, KnownPerson, ToolUser
from lti_tool.workflows.record_access import Use
from lti_tool.workflows.records import FilterInvalid, Volumes
from tests.pages.platform_states import LMS, VIEW

A_DAY = timedelta(days=1)
PEOPLE = "https://kaona.opdc.example.go.th/people/opdc"
PERSON = "1a2b3c4d-3333-4333-8333-333333333333"
PATHS = {
    "volumes": "volumes",
    "refusals": "refusals",
    "keys": "keys",
    "feeds": "feeds",
    "pushes": "forwards",
    "imports": "imports",
    "people": "people/",
}
VERBS = "http://adlnet.gov/expapi/verbs/"
COURSE = f"{LMS}/course/view.php?id=7&section=หลักสูตรทักษะดิจิทัลสำหรับข้าราชการระดับต้น"


def seen(now: datetime, verb: str, *, voided: bool = False, **fields: Any) -> xapi.Seen:
    id_ = f"00000000-0000-4000-8000-{abs(hash(verb)) % 10**12:012d}"
    value = {
        "id": id_,
        "actor": {"objectType": "Agent", "account": {"homePage": PEOPLE, "name": PERSON}},
        "verb": {"id": VERBS + verb, "display": {"th": "เรียน", "en": verb}},
        "object": {"id": COURSE, "definition": {"name": {"th": "ความมั่นคงปลอดภัยไซเบอร์เบื้องต้น", "en": "Cyber security basics"}}},
        "timestamp": "2026-11-22T02:29:59.120Z",
        "stored": "2026-11-22T02:30:00.000001Z",
        "authority": {
            "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": "x9KQ2mVt4LbTz7Wd0cYh1g"},
            "name": "Moodle",
        },
        "version": "2.0.0",
        **fields,
    }
    return xapi.Seen(1_790_000_000_000_000, id_, now, json.dumps(value, ensure_ascii=False), voided)


def record_states(state: Any, now: datetime, launch: UUID) -> Iterator[Any]:
    """The states. state: the class of one; now, launch: of the pages' world."""
    at = f"/admin/{launch}/records/"
    some = [
        seen(now, "completed", result={"score": {"scaled": 0.86}}),
        seen(now, "passed"),
        seen(now, "launched", actor={"mbox": "mailto:kamolchanok.srisuwan@opdc.example.go.th"}),
    ]
    asked = {"verb": VERBS + "completed", "since": "2026-11-01"}
    part = xapi.read_slice({"verbs": [VERBS + "completed"], "activities": [COURSE.split("&", maxsplit=1)[0]]})
    keys = [
        key("Moodle", now, scopes=("statements/write",), last_used_at=now),
        key(
            "คลังข้อมูลของกระทรวง",
            now,
            part=part,
            pseudonymous=True,
            expires_at=now + timedelta(days=90),
            previous_until=now + timedelta(days=1),
        ),
        key("Old", now, revoked_at=now - timedelta(days=3)),
        key("Past", now, expires_at=now - timedelta(days=1)),
    ]
    used = {keys[0].key: Use(written=12_345), keys[1].key: Use(read=98_765)}
    refused = [
        xapi.Refusal(now, keys[0].key, "POST", "statements", 400, "statement_invalid", "one_ifi", "/3/actor"),
        xapi.Refusal(now, keys[1].key, "POST", "statements", 409, "statement_conflict", None, None),
        xapi.Refusal(now, "unknown", "GET", "statements", 403, "scope_missing", None, None),
    ]
    feeds = [
        xapi.FeedState("warehouse", keys[1].key, part, now, now, now, 0),
        xapi.FeedState("dashboard-of-the-ministry", keys[1].key, xapi.EVERYTHING, now, None, None, 10_000),
        xapi.FeedState("slow", "gone", xapi.EVERYTHING, now, now, now - timedelta(days=2), 41),
    ]
    pushes = [
        push("กระทรวง", now, xapi.EVERYTHING),
        push("Ministry of Labour", now, part, state="paused", paused_for="status 401", set_aside=2, waiting=10_000, oldest_waiting_at=now),
        push("Dashboard", now, part, kind="webhook", next_try_at=now, last_error="timeout", last_error_at=now, pseudonymous=True),
        push("Asked", now, part, state="paused", paused_for="asked"),
    ]
    aside = {"Ministry of Labour": [xapi.SetAside(some[0].id, "400 The actor is not known here.", now, is_waiting=True)]}
    imports = [
        bringing(now, "/srv/old-lrs/statements-2566.ndjson.gz", state="running"),
        bringing(now, "https://old-lrs.example.go.th/xapi/", state="stopped", last_error="source_away", keeps_authority=True),
        bringing(now, "-", state="done"),
    ]
    faults = [
        FaultView(17, None, "invalid_json", None, None),
        FaultView(423, some[0].id, "statement_invalid", "one_ifi", "/context/contextActivities/grouping/0/definition/extensions"),
        FaultView(1024, some[1].id, "statement_conflict", None, None),
    ]
    days = tuple(date(2026, 11, 22) - timedelta(days=back) for back in reversed(range(30)))
    volumes = Volumes(
        days, tuple((number * 37) % 410 for number in range(30)),
        {VERBS + "answered": 4_210, VERBS + "completed": 310, VERBS + "passed": 12, VOIDED: 1, "https://x.example/verbs/odd": 1, None: 3},
    )  # fmt: skip
    known = KnownPerson(
        1, PEOPLE, xapi.person_of([{"account": {"homePage": PEOPLE, "name": PERSON}}]), (UUID(PERSON),),
        (ToolUser(1, 1, PEOPLE, 1, UUID(PERSON), LMS, "4711", "นางสาวกมลชนก ศรีสุวรรณ"),),
    )  # fmt: skip
    stranger = KnownPerson(1, PEOPLE, known.person, (), ())
    there, sent = xapi.Presence(412, 398, 2, now - timedelta(days=200), now), {"identifiers": PERSON, "issuer": LMS, "sub": "4711"}
    counts = {
        "attempts": 2,
        "evidence": 6,
        "paths": 3,
        "visits": 9,
        "scores": 2,
        "identities": 1,
        "statements_renamed": 412,
        "statements_left": 1,
    }
    receipt = Receipt(UUID(int=9), "opdc", "unlink", now, "user:12", counts, ("กระทรวง",), ("0" * 64,))
    request = Request("กระทรวง", "https://lrs.ministry.example.go.th/xapi", {"request": "erase", "statements": [one.id for one in some]})
    typed: MultiDict[str, str] = MultiDict([("name", "x"), ("scope", "statements/read"), ("days", "soon"), ("verbs", "completed")])

    for name, template, values in [
        ("records", "home", lambda: records.home_values(some, {}, following=1_789_999_999_999_999)),
        ("records-older", "home", lambda: records.home_values(some, asked, before=1_789_999_999_999_999)),
        ("records-none", "home", lambda: records.home_values([], asked)),
        ("records-filter-wrong", "home", lambda: records.home_values([], {"since": "x"}, fault=FilterInvalid(reason="x"))),
        ("records-statement", "statement", lambda: records.statement_values(some[0])),
        ("records-statement-voided", "statement", lambda: records.statement_values(seen(now, "failed", voided=True))),
        ("records-volumes", "volumes", lambda: records.volume_values(volumes)),
        ("records-volumes-none", "volumes", lambda: records.volume_values(Volumes(days[-7:], (0,) * 7, {}))),
        ("records-refusals", "refusals", lambda: records.refusal_values(refused, keys)),
        ("records-refusals-none", "refusals", lambda: records.refusal_values([], [])),
        ("records-keys", "keys", lambda: record_access.key_values(keys, used)),
        ("records-keys-made", "keys", lambda: record_access.key_values([], {}, made=xapi.NewKey("x9KQ2mVt4LbTz7Wd0cYh1g", "s" * 43))),
        ("records-keys-wrong", "keys", lambda: record_access.key_values([], {}, fault=FilterInvalid(reason="soon"), given=typed)),
        ("records-feeds", "feeds", lambda: record_access.feed_values(feeds, keys)),
        ("records-feeds-none", "feeds", lambda: record_access.feed_values([], [])),
        ("records-forwards", "pushes", lambda: record_access.push_values(pushes, aside)),
        ("records-forwards-none", "pushes", lambda: record_access.push_values([], {})),
        ("records-imports", "imports", lambda: {"imports": imports}),
        ("records-imports-none", "imports", lambda: {"imports": []}),
        ("records-import", "import", lambda: records.import_values(imports[1], faults)),
        ("records-people", "people", lambda: record_people.home_values([VIEW], [receipt])),
        ("records-people-wrong", "people", lambda: record_people.home_values([], [], fault=IdentifierInvalid(place=2), given=sent)),
        ("records-person", "person", lambda: record_people.person_values(known, there, sent)),
        (
            "records-person-unsure",
            "person",
            lambda: record_people.person_values(stranger, there, sent, is_unsure=True),
        ),
        ("records-receipt", "receipt", lambda: record_people.receipt_values(receipt)),
        ("records-receipt-new", "receipt", lambda: record_people.receipt_values(receipt, [request])),
    ]:
        yield state(name, at + PATHS.get(template, ""), f"records/{template}.html", values, Role.ADMINISTRATOR)


def key(name: str, now: datetime, *, part: xapi.Slice = xapi.EVERYTHING, **changes: Any) -> xapi.KeyView:
    values: dict[str, Any] = {
        "key": f"key-of-{len(name)}-{name.encode().hex()[:12]}", "name": name, "scopes": ("statements/read",), "created_at": now,
        "expires_at": None, "revoked_at": None, "last_used_at": None, "previous_until": None, "slice": part, "pseudonymous": False,
        "requests_per_minute": None,
    }  # fmt: skip
    return xapi.KeyView(**values | changes)


def push(name: str, now: datetime, part: xapi.Slice, **changes: Any) -> xapi.PushView:
    values: dict[str, Any] = {
        "tenant_id": 1, "name": name, "kind": "lrs", "url": "https://lrs.ministry.example.go.th/xapi", "version": "2.0.0", "key": "k",
        "slice": part, "pseudonymous": False, "created_at": now, "removed_at": None, "state": "on", "paused_for": None, "through": now,
        "waiting": 0, "oldest_waiting_at": None, "sent": 4_711, "known": 3, "set_aside": 0, "last_success_at": now, "last_error": None,
        "last_error_at": None, "next_try_at": None, "idle_since": None,
    }  # fmt: skip
    return xapi.PushView(**values | changes)


def bringing(now: datetime, source: str, **changes: Any) -> ImportView:
    values: dict[str, Any] = {
        "uuid": UUID(int=len(source)), "source": source, "state": "done", "keeps_authority": False, "actor": "command", "n_read": 120_000,
        "n_new": 119_000, "n_known": 997, "n_refused": 3, "last_error": None, "started_at": now, "changed_at": now,
    }  # fmt: skip
    return ImportView(**values | changes)
