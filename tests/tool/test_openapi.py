"""The OpenAPI document says what our JSON addresses do, and hostile requests made from it meet no fault of ours."""

import base64

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

import xapi.api as xapi
from lti_tool.app import create_app
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import add_tenant
from lti_tool.openapi import document
from lti_tool.settings import Settings

PUBLIC_URL = "http://127.0.0.1:8731"
N_REQUESTS = 12
"""Of each operation, well-formed ones and malformed ones."""
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
PAGES = (
    "/learn/", "/teach/", "/design/", "/executive/", "/admin/", "/privacy/", "/static/", "/open/", "/fonts", "/metrics", "/lti/register",
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("openapi")


@pytest.fixture
def app(database, folder, now):
    with database.transaction() as db:
        add_tenant(db, key="opdc", name={"th": "ก", "en": "A"}, home_page="https://opdc.example", now=now)
    return create_app(Settings(public_url=PUBLIC_URL, data_dir=folder), clock=lambda: now, database=database)


@pytest.fixture
def authorization(app, now):
    with app.database.transaction() as db:
        made = xapi.create_key(db, tenant_id=1, name="test", scopes=["all"], now=now, pepper=lrs_pepper(app.secret))
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()


def test_every_json_address_stands_in_the_document(app):
    described = set(document(PUBLIC_URL)["paths"])

    rules = {rule.rule for rule in app.url_map.iter_rules() if "<" not in rule.rule and not rule.rule.startswith(PAGES)}

    assert rules - described == {"/", "/lti/login", "/lti/launch", "/xapi", "/xapi/1.0.3"}
    assert described <= rules


@pytest.mark.parametrize("path", sorted(document(PUBLIC_URL)["paths"]))
def test_requests_made_from_the_document_meet_no_fault(app, authorization, path):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app).include(path=path)
    operations = [found.ok() for found in schema.get_all_operations()]
    checks = [check for check in CHECKS if (path, check) != ("/readyz", not_a_server_error)]  # 503 is what it is there to say

    for operation in operations:
        attack(operation, GenerationMode.POSITIVE, authorization, checks)
        if operation.body and path == "/xapi/statements":  # the library makes no malformed bodies from the schema of 1.0.3
            attack(operation, GenerationMode.NEGATIVE, authorization, checks)

    assert operations


def attack(operation, mode, authorization, checks):
    """Sends requests of one operation, well-formed or malformed, and checks each answer against the document."""

    @settings(
        max_examples=N_REQUESTS,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case):
        case.call_and_validate(headers={"Authorization": authorization}, checks=checks)

    one()
