"""The statements of a day as a file."""

import csv
import io
import json
import sys
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from pyarrow import parquet

from kernel.csv_file import BYTE_ORDER_MARK
from xapi import exports, feeds

COURSE = "https://agency.example.go.th/courses/1"
FULL = {
    "verb": {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en": "passed", "th-TH": "ผ่าน"}},
    "object": {
        "id": "https://agency.example.go.th/items/1",
        "definition": {"name": {"fr": "question", "en": "item"}, "type": "http://adlnet.gov/expapi/activities/assessment"},
    },
    "result": {
        "success": True,
        "completion": False,
        "score": {"scaled": -0.5, "raw": -5, "min": -10, "max": 10},
        "duration": "PT1M",
        "response": '=HYPERLINK("http://e.go.th")',
    },
    "context": {
        "registration": "2c0f4d28-4d2c-4b2a-9c4e-3b1f5a0f2567",
        "platform": "+SUM(1)",
        "language": "th",
        "contextActivities": {"parent": [{"id": COURSE}, {"id": COURSE + "/2"}], "category": [{"id": "https://w3id.org/xapi/cmi5"}]},
    },
    "timestamp": "2026-11-21T09:30:00+07:00",
}


@pytest.fixture
def export(lrs):
    """Reads a file of the feed `all`."""
    auth = (lrs.key.key, lrs.key.secret)
    lrs.http.put("/xapi/feeds/all", json={}, auth=auth)

    def get(file, **options):
        return lrs.http.get(f"/xapi/feeds/all/days/{file}", auth=auth, **options)

    return get


def rows_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.data.startswith(BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


@pytest.mark.one_database
def test_a_statement_is_flat_in_csv(lrs, export, new_statement, agent):
    [statement_id] = lrs.post(new_statement(**FULL)).json

    answer = export("2026-11-22.csv")
    [row] = rows_of(answer)

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="all-2026-11-22.csv"'
    assert json.loads(row.pop("statement"))["id"] == statement_id
    assert {name: value for name, value in row.items() if value} == {
        "id": statement_id,
        "stored": "2026-11-22T02:30:00.000000Z",
        "timestamp": "2026-11-21T02:30:00.000000Z",
        "actor_type": "Agent",
        "actor_account_home_page": agent["account"]["homePage"],
        "actor_account_name": "p-1",
        "verb": FULL["verb"]["id"],
        "verb_display": "ผ่าน",
        "object_type": "Activity",
        "object_id": FULL["object"]["id"],
        "object_name": "item",
        "object_activity_type": FULL["object"]["definition"]["type"],
        "success": "true",
        "completion": "false",
        "score_scaled": "-0.5",
        "score_raw": "-5.0",
        "score_min": "-10.0",
        "score_max": "10.0",
        "duration": "PT1M",
        "response": '\'=HYPERLINK("http://e.go.th")',
        "registration": FULL["context"]["registration"],
        "parent": f"{COURSE} {COURSE}/2",
        "category": "https://w3id.org/xapi/cmi5",
        "platform": "'+SUM(1)",
        "language": "th",
        "authority": f"https://w3id.org/kaona/xapi/credentials {lrs.key.key}",
    }


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("target", "kind", "identifier"),
    [
        ({"objectType": "StatementRef", "id": FULL["context"]["registration"]}, "StatementRef", FULL["context"]["registration"]),
        ({"objectType": "Agent", "mbox": "mailto:a@e.go.th"}, "Agent", "mailto:a@e.go.th"),
        ({"objectType": "Group", "member": [{"mbox": "mailto:a@e.go.th"}]}, "Group", ""),
        (
            {"objectType": "SubStatement", "actor": {"mbox": "mailto:a@e.go.th"}, "verb": FULL["verb"], "object": {"id": COURSE}},
            "SubStatement",
            "",
        ),
    ],
    ids=["statement", "agent", "group", "sub-statement"],
)
def test_objects_of_every_kind_have_their_columns(lrs, export, new_statement, *, target, kind, identifier):
    lrs.post(new_statement(object=target))

    [row] = rows_of(export("2026-11-22.csv"))

    assert (row["object_type"], row["object_id"], row["object_name"]) == (kind, identifier, "")


@pytest.mark.one_database
def test_names_that_look_like_formulas_stay_names(lrs, export, new_statement):
    names = ["=1+1", "+SUM(1)", "-1", "@SUM(1)", "\tx", "＝1", "สมศรี"]
    lrs.post([new_statement(actor={"mbox": f"mailto:{n}@e.go.th", "name": name}) for n, name in enumerate(names)])

    rows = rows_of(export("2026-11-22.csv"))

    assert [row["actor_name"] for row in rows] == [f"'{name}" if name != "สมศรี" else name for name in names]


def test_a_day_holds_what_arrived_on_it_in_its_zone(lrs, export, clock, new_statement):
    ids = []
    for hours in (0, 14.5, 3, 4):  # 09:30, midnight in Bangkok, 03:00 and 07:00 there: midnight in Greenwich
        clock.forward(hours=hours)
        ids += lrs.post(new_statement()).json

    def of(file, **query):
        return [row["id"] for row in rows_of(export(file, query_string=query))]

    assert of("2026-11-22.csv") == ids[:3]
    assert of("2026-11-23.csv") == ids[3:]
    assert of("2026-11-22.csv", zone="Asia/Bangkok") == ids[:1]
    assert of("2026-11-23.csv", zone="Asia/Bangkok") == ids[1:]
    assert of("2026-11-21.csv") == []


def test_a_file_tells_whether_its_day_is_over(lrs, export, clock, new_statement):
    lrs.post(new_statement())

    assert export("2026-11-22.csv").headers["X-Feed-Day-Complete"] == "false"
    clock.forward(hours=21, minutes=30, seconds=2)
    assert export("2026-11-22.csv").headers["X-Feed-Day-Complete"] == "true"
    assert export("2026-11-23.csv").headers["X-Feed-Day-Complete"] == "false"


def test_lines_of_a_day_are_the_statements_themselves(lrs, export, new_statement):
    lrs.post([new_statement(), new_statement()])

    answer = export("2026-11-22.ndjson")

    assert [json.loads(line) for line in answer.text.splitlines()] == lrs.get(ascending="true").json["statements"]
    assert answer.content_length == len(answer.data)


@pytest.mark.one_database
def test_a_file_larger_than_memory_allows_is_whole(lrs, export, new_statement, monkeypatch):
    monkeypatch.setattr("xapi.feed_http.MAX_FILE_IN_MEMORY", 1000)
    monkeypatch.setattr("xapi.feed_http.FILE_PIECE", 333)
    ids = lrs.post([new_statement() for _ in range(40)]).json

    assert [row["id"] for row in rows_of(export("2026-11-22.csv"))] == ids


@pytest.mark.one_database
def test_a_failure_half_way_is_a_refusal_and_no_short_file(lrs, export, new_statement, monkeypatch):
    from sqlalchemy.exc import OperationalError

    lrs.post([new_statement() for _ in range(600)])
    read, calls = feeds.read, []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return read(*arguments, **options)

    monkeypatch.setattr(feeds, "read", failing)

    assert export("2026-11-22.csv").status_code == 503
    assert len(rows_of(export("2026-11-22.csv"))) == 600  # its seat was given back, too


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("file", "rule", "place"),
    [
        ("2026-02-30.csv", "not_date", "day"),
        ("9999-12-31.csv", "not_date", "day"),
        ("0000-01-01.csv", "not_date", "day"),
        ("0001-01-01.csv", "not_date", "day"),
        ("2026-11-22.csv?zone=Bangkok", "not_zone", "zone"),
        ("2026-11-22.csv?zone=Asia", "not_zone", "zone"),
        ("2026-11-22.csv?zone=../UTC", "not_zone", "zone"),
        ("2026-11-22.csv?limit=1", "unknown_parameter", "limit"),
    ],
)
def test_what_is_no_day_is_refused(export, file, rule, place):
    answer = export(file)

    assert (answer.status_code, answer.json["error"]["rule"], answer.json["error"]["place"]) == (400, rule, place)


def test_a_day_of_summer_time_has_its_own_length():
    since, until = exports.day_of(date(2026, 3, 29), ZoneInfo("Europe/Berlin"))

    assert (until.astimezone(ZoneInfo("UTC")) - since.astimezone(ZoneInfo("UTC"))).total_seconds() == 23 * 3600


@pytest.mark.one_database
def test_without_its_package_parquet_is_refused_plainly(export, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    answer = export("2026-11-22.parquet")

    assert (answer.status_code, answer.json["error"]["code"]) == (501, "parquet_missing")


def test_parquet_says_what_csv_says_with_types(lrs, export, new_statement):
    lrs.post([new_statement(**FULL), new_statement()])

    table = parquet.read_table(io.BytesIO(export("2026-11-22.parquet").data))
    rows = rows_of(export("2026-11-22.csv"))

    assert table.column_names == [column.name for column in exports.COLUMNS]
    assert str(table.schema.field("stored").type) == "timestamp[us, tz=UTC]"
    first, second = table.to_pylist()
    assert (first["success"], first["score_raw"], second["success"]) == (True, -5.0, None)
    assert first["response"] == '=HYPERLINK("http://e.go.th")'
    for row, found in zip(rows, (first, second), strict=True):
        assert row["id"] == found["id"]
        assert json.loads(row["statement"]) == json.loads(found["statement"])


def test_parquet_of_many_batches_and_of_none(lrs, export, new_statement):
    assert parquet.read_table(io.BytesIO(export("2026-11-22.parquet").data)).num_rows == 0
    ids = [one for _ in range(2) for one in lrs.post([new_statement() for _ in range(400)]).json]

    assert parquet.read_table(io.BytesIO(export("2026-11-22.parquet").data))["id"].to_pylist() == ids
