import sqlite3
from contextlib import closing
from datetime import timedelta

import orjson
import pytest
from sqlalchemy.exc import OperationalError

import xapi.api as xapi
from lti_tool import migrate
from lti_tool.app import create_app
from lti_tool.settings import Settings
from lti_tool.web.edge import without_transaction

pytestmark = pytest.mark.one_database


@pytest.fixture
def app(migrated_database, installation, now):
    return create_app(Settings(data_dir=installation), clock=lambda: now, database=migrated_database)


def test_a_running_tool_says_that_it_is_alive_ready_and_counted(app):
    client = app.test_client()

    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"status": "ready"}
    assert 'kaona_requests_total{endpoint="healthz"' in client.get("/metrics").text


def test_a_made_up_method_makes_no_series_of_its_own(app):
    client = app.test_client()

    client.open("/healthz", method="BREW")

    counts = client.get("/metrics").text
    assert 'method="other"' in counts
    assert "BREW" not in counts


def test_the_figures_say_who_waits_for_statements(app, migrated_database, now):
    with migrated_database.transaction() as db:
        xapi.add_push(db, tenant_id=1, name="centre", target=xapi.WebhookTarget("https://centre.example.go.th/hook"), now=now, pepper=b"p")
        statement = {
            "actor": {"mbox": "mailto:p@agency.example.go.th"},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
            "object": {"id": "https://agency.example.go.th/items/1"},
        }
        xapi.store_statements(db, tenant_id=1, statements=[statement], authority=statement["actor"], now=now - timedelta(minutes=1))

    told = app.test_client().get("/metrics").text

    assert 'kaona_lrs_waiting{kind="webhook",name="centre",tenant="1"} 1.0' in told
    assert 'kaona_lrs_oldest_waiting_seconds{kind="webhook",name="centre",tenant="1"} 60.0' in told


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("10.0.0.7", {}, 404),
        ("", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 404),
        ("127.0.0.1", {"X-Real-IP": "203.0.113.9"}, 404),
    ],
)
@pytest.mark.parametrize("trusted_proxies", [0, 1, 2])
def test_the_figures_are_for_this_machine_alone(database, installation, *, trusted_proxies, address, headers, status):
    app = create_app(Settings(data_dir=installation, trusted_proxies=trusted_proxies), database=database)

    answer = app.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})

    assert answer.status_code == status


def test_the_figures_are_for_all_when_the_installation_says_so(database, installation):
    app = create_app(Settings(data_dir=installation, metrics_public=True), database=database)

    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.7"}).status_code == 200


def test_a_tool_whose_schema_is_behind_is_not_ready_and_names_the_cure(app, monkeypatch):
    monkeypatch.setattr(migrate, "pending", lambda _database: ["0002"])

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json["cure"] == "run: kaona db upgrade"


def test_an_unknown_address_is_a_page_in_thai_with_a_reference(app):
    answer = app.test_client().get("/nowhere/<script>", headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert 'lang="th"' in answer.text
    assert "not_found" in answer.text
    assert "<script>alert" not in answer.text
    assert "nowhere" not in answer.text


def test_a_script_gets_its_refusal_as_json_in_both_languages(app):
    answer = app.test_client().get("/nowhere", headers={"Accept": "application/json"})

    assert answer.json["error"]["code"] == "not_found"
    assert set(answer.json["error"]["message"]) == {"th", "en"}


def test_a_wrong_method_keeps_its_status_and_says_what_is_allowed(app):
    answer = app.test_client().delete("/lti/login")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_database_that_is_away_is_told_in_words_with_a_time_to_come_back(app):
    @app.get("/test-away")
    @without_transaction
    def away():
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    answer = app.test_client().get("/test-away", headers={"Accept": "application/json"})

    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "unavailable"
    assert answer.headers["Retry-After"] == "5"


def test_the_log_names_the_databases_own_code_and_none_of_its_words(app, capsys):
    @app.get("/test-missing")
    @without_transaction
    def missing():
        with closing(sqlite3.connect(":memory:")) as db:
            try:
                db.execute("SELECT secret_word FROM nowhere")
            except sqlite3.OperationalError as error:
                raise OperationalError("SELECT secret_word", {}, error) from error

    assert app.test_client().get("/test-missing").status_code == 503
    log = capsys.readouterr().err
    assert '"code":"SQLITE_ERROR"' in log
    assert "secret_word" not in log


def test_a_fault_of_ours_shows_a_reference_and_no_trace_and_the_log_has_it(app, capsys):
    @app.get("/test-broken")
    @without_transaction
    def broken():
        raise RuntimeError("secret detail")

    answer = app.test_client().get("/test-broken", headers={"Accept": "application/json"})

    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    logged = next(line for line in lines if line["event"] == "unexpected")
    assert logged["reference"] == answer.json["error"]["reference"]
    assert "secret detail" in logged["exception"]


def test_the_log_strikes_out_what_it_must_not_keep(app, capsys):
    import structlog

    structlog.get_logger().info("something", id_token="eyJ", answer="b", name="สมชาย", count=1)

    line = orjson.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["id_token"] == line["answer"] == line["name"] == "[struck out]"
    assert line["count"] == 1


def test_every_answer_carries_the_protective_headers(app):
    answer = app.test_client().get("/nowhere")

    policy = answer.headers["Content-Security-Policy"]
    for part in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Frame-Options" not in answer.headers
