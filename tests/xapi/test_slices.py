"""Slices: read strictly, said again as they were, and equal to what a query finds."""

import random
import uuid
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xapi import links, query
from xapi.errors import RequestInvalid
from xapi.slices import EVERYTHING, Slice, read_slice
from xapi.timestamps import parse, place_of
from xapi.vocabulary import MAX_SLICE_VALUES

VERBS = [f"https://agency.example.go.th/verbs/{n}" for n in range(4)]
ACTIVITIES = [f"https://agency.example.go.th/items/{n}" for n in range(4)]
AGENTS = [
    {"mbox": "mailto:somsri@example.go.th"},
    {"account": {"homePage": "https://e.go.th", "name": "1"}},
    {"openid": "https://id.example.go.th/1"},
]
REGISTRATIONS = [str(uuid.UUID(int=n)) for n in range(1, 4)]


def some_statements(n: int) -> list[dict]:
    """Statements that name few things in every place where a thing can be named; one in four refers to another."""
    chance = random.Random(7)
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(n)]
    found = []
    for statement_id in ids:
        statement = {"id": statement_id, "actor": chance.choice(AGENTS), "verb": {"id": chance.choice(VERBS)}}
        inner = {"actor": chance.choice(AGENTS), "verb": {"id": chance.choice(VERBS)}, "object": {"id": chance.choice(ACTIVITIES)}}
        statement["object"] = chance.choice(
            [
                {"id": chance.choice(ACTIVITIES)},
                {"objectType": "StatementRef", "id": chance.choice(ids)},
                {"objectType": "Group", "member": chance.sample(AGENTS, 2)},
                {"objectType": "SubStatement", **inner},
            ]
        )
        context = {
            "registration": chance.choice(REGISTRATIONS),
            "instructor": chance.choice(AGENTS),
            "contextActivities": {chance.choice(["parent", "grouping", "category", "other"]): [{"id": chance.choice(ACTIVITIES)}]},
        }
        statement["context"] = {name: context[name] for name in chance.sample(sorted(context), chance.randrange(3))}
        found.append(statement)
    return found


def referred_by(statement: dict, by_id: dict[str, dict]) -> list[dict]:
    """The statements at the end of each reference, as far as the store follows them."""
    chain = [statement]
    while chain[-1]["object"].get("objectType") == "StatementRef" and len(chain) <= 10:
        after = by_id[chain[-1]["object"]["id"]]
        if after in chain:
            break
        chain.append(after)
    return chain[1:]


def is_in(part: Slice, statement: dict, referred: list[dict]) -> bool:
    """Whether a stored statement is in a slice, judged by itself; the words of those that it refers to count as its own."""
    stored = parse(statement["stored"])
    has = {key for one in (statement, *referred) for key in links.keys_of(one, one["authority"])}
    is_in_time = (part.since is None or stored > part.since) and (part.until is None or stored <= part.until)
    return is_in_time and all(not has.isdisjoint(group) for group in part.keys)


def lists_of(values: list) -> st.SearchStrategy:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def test_a_slice_matches_just_the_statements_that_its_query_finds(lrs, database):
    assert lrs.post(some_statements(60)).status_code == 200
    every = lrs.get(ascending="true").json["statements"]
    by_id = {statement["id"]: statement for statement in every}
    moments = [statement["stored"] for statement in every]
    assert any(len(referred_by(statement, by_id)) > 1 for statement in every)

    @settings(max_examples=25, derandomize=True, deadline=None, database=None)
    @given(
        described=st.fixed_dictionaries(
            {},
            optional={
                "verbs": lists_of(VERBS),
                "activities": lists_of(ACTIVITIES),
                "agents": lists_of(AGENTS),
                "registrations": lists_of(REGISTRATIONS),
                "since": st.sampled_from(moments[:40]),
                "until": st.sampled_from(moments[41:]),
            },
        ),
        is_ascending=st.booleans(),
        limit=st.sampled_from([10, 500]),
    )
    def same(described, is_ascending, limit):
        part = read_slice(described)
        matching = [statement["id"] for statement in every if is_in(part, statement, referred_by(statement, by_id))]
        wanted = query.within(query.Filter(limit=limit, ascending=is_ascending), part)

        with database.engine.connect() as db:
            page = query.first_page(db, wanted, tenant_id=1)
            found = []
            while page is not None:
                read = query.read_page(db, page, tenant_id=1, mine=None)
                found += [id_of(document) for document in read.documents]
                page = read.next
            some = every[::6]
            inside = [one["id"] for one in some if query.is_in_slice(db, place_of(parse(one["stored"])), part, tenant_id=1)]

        assert found == (matching if is_ascending else matching[::-1])
        assert inside == [one["id"] for one in some if one["id"] in matching]

    same()


def id_of(document: str) -> str:
    return query.strictjson.loads(document)["id"]


def test_a_slice_of_a_slice_holds_what_both_hold(lrs, database):
    assert lrs.post(some_statements(40)).status_code == 200
    every = lrs.get(ascending="true").json["statements"]
    by_id = {statement["id"]: statement for statement in every}
    first = Slice(verbs=tuple(VERBS[:3]), since=parse(every[2]["stored"]), until=parse(every[30]["stored"]))
    second = Slice(verbs=tuple(VERBS[1:]), since=parse(every[5]["stored"]), until=parse(every[35]["stored"]))

    with database.engine.connect() as db:
        wanted = query.within(query.within(query.Filter(ascending=True), first), second)
        found = query.read_page(db, query.first_page(db, wanted, tenant_id=1), tenant_id=1, mine=None).documents

    both = [one["id"] for one in every if all(is_in(part, one, referred_by(one, by_id)) for part in (first, second))]
    assert 0 < len(both) < 30
    assert [id_of(document) for document in found] == both


def test_a_slice_is_said_as_it_was_read():
    described = {
        "verbs": VERBS[:2],
        "activities": ACTIVITIES,
        "agents": AGENTS,
        "registrations": REGISTRATIONS,
        "since": "2026-11-22T02:30:00.000001Z",
        "until": "2026-11-23T00:00:00.000000Z",
    }

    assert read_slice(described).to_json() == described
    assert read_slice({}) == EVERYTHING
    assert EVERYTHING.to_json() == {}


def test_a_slice_keeps_of_an_agent_only_what_identifies_it():
    named = {"objectType": "Agent", "name": "สมศรี", **AGENTS[0]}

    assert read_slice({"agents": [named]}).to_json() == {"agents": [{"objectType": "Agent", **AGENTS[0]}]}


def test_values_given_twice_and_other_spellings_count_once():
    part = read_slice({"registrations": [REGISTRATIONS[0], REGISTRATIONS[0].upper()], "since": "2026-11-22T09:30:00+07:00"})

    assert part.to_json() == {"registrations": [REGISTRATIONS[0]], "since": "2026-11-22T02:30:00.000000Z"}


@pytest.mark.parametrize(
    ("described", "rule", "place"),
    [
        ([], "not_object", "/slice"),
        (None, "not_object", "/slice"),
        ({"verb": VERBS}, "unknown_member", "/slice/verb"),
        ({"verbs": VERBS[0]}, "not_list", "/slice/verbs"),
        ({"verbs": []}, "not_list", "/slice/verbs"),
        ({"verbs": [f"https://e.go.th/{n}" for n in range(MAX_SLICE_VALUES + 1)]}, "not_list", "/slice/verbs"),
        ({"verbs": [VERBS[0], "passed"]}, "not_iri", "/slice/verbs/1"),
        ({"activities": [1]}, "not_iri", "/slice/activities/0"),
        ({"activities": ["https://e.go.th/\n"]}, "not_iri", "/slice/activities/0"),
        ({"registrations": ["1"]}, "not_uuid", "/slice/registrations/0"),
        ({"agents": [{"mbox": "x"}]}, "not_agent", "/slice/agents/0/mbox"),
        ({"agents": ["x"]}, "not_agent", "/slice/agents/0"),
        ({"agents": [{"objectType": "Group", "member": [AGENTS[0]]}]}, "not_agent", "/slice/agents/0"),
        ({"since": "2026-02-30T00:00:00Z"}, "not_timestamp", "/slice/since"),
        ({"since": 1}, "not_timestamp", "/slice/since"),
        ({"until": "2026-02-20T00:00:00"}, "not_timestamp", "/slice/until"),
        ({"since": "2026-02-20T00:00:00Z", "until": "2026-02-20T07:00:00+07:00"}, "times_exclude_all", "/slice/until"),
    ],
)
def test_what_is_no_slice_is_refused_with_its_place(described, rule, place):
    with pytest.raises(RequestInvalid) as refusal:
        read_slice(described, "/slice")

    assert (refusal.value.rule, refusal.value.place) == (rule, place)
    assert refusal.value.sentence("th") != refusal.value.sentence("en")


def test_as_many_values_as_a_slice_may_have_are_found_in_pages(lrs, database, new_statement):
    verbs = [f"https://e.go.th/verbs/{n}" for n in range(MAX_SLICE_VALUES)]
    activities = [f"https://e.go.th/items/{n}" for n in range(MAX_SLICE_VALUES)]
    ids = lrs.post([new_statement(verb={"id": verb}, object={"id": iri}) for verb, iri in zip(verbs, activities, strict=True)]).json
    wanted = query.within(query.Filter(limit=20, ascending=True), read_slice({"verbs": verbs, "activities": activities[::-1]}))

    with database.engine.connect() as db:
        page, pages = query.first_page(db, wanted, tenant_id=1), []
        while page is not None:
            found = query.read_page(db, page, tenant_id=1, mine=None)
            pages.append([id_of(document) for document in found.documents])
            page = found.next

    assert [len(page) for page in pages] == [20, 20, 10]
    assert [one for page in pages for one in page] == ids
    assert all(before[-1] != after[0] for before, after in pairwise(pages))
