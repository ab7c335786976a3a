"""The OpenAPI document says what our JSON addresses do, and hostile requests made from it meet no fault of ours."""

import base64
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis.strategies import data
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import InvalidSchema
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


@pytest.fixture
def apps(every_database, installation, now):
    """The tool on each kind of database."""
    return [create_app(Settings(public_url=PUBLIC_URL, data_dir=installation), clock=lambda: now, database=one) for one in every_database]


def authorization(app, now):
    with app.database.transaction() as db:
        add_tenant(db, key="opdc", name={"th": "ก", "en": "A"}, home_page="https://opdc.example", now=now)
        made = xapi.create_key(db, tenant_id=1, name="test", scopes=["all"], now=now, pepper=lrs_pepper(app.secret))
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()


def test_every_json_address_stands_in_the_document(apps):
    described = set(document(PUBLIC_URL)["paths"])

    every = [rule.rule for rule in apps[0].url_map.iter_rules() if "<" not in rule.rule or rule.rule.startswith("/xapi/feeds")]
    rules = {re.sub(r"<(\w+)>", r"{\1}", rule) for rule in every if not rule.startswith(PAGES)}

    assert rules - described == {"/", "/lti/login", "/lti/launch", "/xapi", "/xapi/1.0.3"}
    assert described <= rules


@pytest.mark.parametrize("path", sorted(document(PUBLIC_URL)["paths"]))
def test_requests_made_from_the_document_meet_no_fault(apps, now, path):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", apps[0]).include(path=path)
    callers = [{"app": app, "headers": {"Authorization": authorization(app, now)}} for app in apps]
    operations = [found.ok() for found in schema.get_all_operations()]
    checks = [check for check in CHECKS if (path, check) != ("/readyz", not_a_server_error)]  # 503 is what it is there to say

    for operation in operations:
        attack(operation, GenerationMode.POSITIVE, callers, checks)
        if operation.body and path == "/xapi/statements":  # the library makes no malformed bodies from the schema of 1.0.3
            attack(operation, GenerationMode.NEGATIVE, callers, checks)

    assert operations


def attack(operation, mode, callers, checks):
    """Sends requests of one operation, well-formed or malformed, to each tool, and checks each answer against the document."""

    @settings(
        max_examples=N_REQUESTS,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=data())
    def one(data):
        try:
            case = data.draw(operation.as_strategy(generation_mode=mode))
        except InvalidSchema:  # the library has bent the schema into one that no value fits, by words that it finds in loaded modules
            reject()
        for caller in callers:
            case.call_and_validate(**caller, checks=checks)

    one()
