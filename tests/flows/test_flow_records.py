"""Consumers and providers of statements, and the roadmap that is made of them, on both databases."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import requests
from click.testing import CliRunner

import roadmap.api as roadmap
import xapi.api as xapi
from kernel.clock import system_clock
from lti_tool.cli.roadmap import roadmap as roadmap_commands
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import get_tenant
from tests.flows.stored import count_statements, person_uuid_of
from tests.flows.walker import visible

VERSION = {"X-Experience-API-Version": "1.0.3"}


@pytest.fixture
def provider(house):
    """A course system with a credential of its own that may write."""
    with house.database.transaction() as db:
        tenant = get_tenant(db, house.far.agency)
        key = xapi.create_key(
            db,
            tenant_id=tenant.id,
            name="course system",
            scopes=["statements/write", "statements/read/mine"],
            now=system_clock(),
            pepper=lrs_pepper(house.settings.secret_key),
        )
        home_page = tenant.home_page
    session = requests.Session()
    session.trust_env = False
    session.auth = (key.key, key.secret)
    session.headers.update(VERSION)
    session.home_page = home_page
    yield session
    session.close()


def competency(house, code="DLIT"):
    with house.database.reading() as db:
        framework = roadmap.get_framework(db, "th-ds-2567")
    node = next(node for node in (*framework.groups, *framework.nodes) if node.code == code)
    return f"{house.url}/ims/case/v1p1/CFItems/{node.uuid}"


def completed(house, provider, person_uuid: UUID, **changes):
    return {
        "id": str(uuid4()),
        "actor": {"objectType": "Agent", "account": {"homePage": provider.home_page, "name": str(person_uuid)}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en": "completed"}},
        "object": {"objectType": "Activity", "id": "https://courses.example/digital-literacy"},
        "context": {"contextActivities": {"grouping": [{"objectType": "Activity", "id": competency(house)}]}},
        "timestamp": datetime.now(UTC).isoformat(),
        **changes,
    }


def test_a_completed_course_of_another_system_is_evidence_on_the_persons_roadmap(house, provider, learner):
    learner.launch()
    person_uuid = person_uuid_of(house, learner.official.id)
    assert "หลักฐานประกอบ" not in visible(learner.open("roadmap"))

    stored = provider.post(f"{house.url}/xapi/statements", json=completed(house, provider, person_uuid), timeout=30)

    assert stored.status_code == 200, stored.text
    page = visible(learner.open("roadmap"))
    assert "หลักฐานประกอบ" in page
    assert "หลักสูตร" in page[page.index("หลักฐานประกอบ") :]
    assert "1 รู้จัก" in page


def test_one_bad_statement_keeps_its_whole_batch_out(house, provider, learner):
    learner.launch()
    person_uuid = person_uuid_of(house, learner.official.id)
    batch = [completed(house, provider, person_uuid) for _ in range(5)]
    batch[3]["verb"] = {"id": "not an iri"}
    before = count_statements(house)

    refused = provider.post(f"{house.url}/xapi/statements", json=batch, timeout=30)

    assert refused.status_code == 400
    assert refused.json()["error"]
    assert count_statements(house) == before
    assert "หลักฐานประกอบ" not in visible(learner.open("roadmap"))


def test_a_consumer_reads_every_statement_of_its_agency_once_page_by_page_and_of_no_other(house, learner):
    learner.sit()
    read = {}
    for platform, key in zip(house.platforms, house.lrs, strict=True):
        url, ids = f"{house.url}/xapi/statements?limit=50&ascending=true", []
        while url:
            page = requests.get(url, auth=(key.lrs_key, key.lrs_secret), headers=VERSION, timeout=30)
            assert page.status_code == 200, page.text
            ids += [one["id"] for one in page.json()["statements"]]
            url = house.url + page.json()["more"] if page.json().get("more") else None
        assert len(ids) == len(set(ids))
        read[platform.agency] = set(ids)

    with house.database.reading() as db:
        for platform in house.platforms:
            tenant_id = get_tenant(db, platform.agency).id
            assert read[platform.agency] == {one.id for one in xapi.iter_statements(db, tenant_id=tenant_id)}
    assert not read["dmd"] & read["pro"]


def test_without_or_with_a_wrong_credential_the_record_store_answers_401(house):
    address = f"{house.url}/xapi/statements"

    assert requests.get(address, headers=VERSION, timeout=30).status_code == 401
    assert requests.get(address, headers=VERSION, auth=(house.lrs[0].lrs_key, house.lrs[1].lrs_secret), timeout=30).status_code == 401


def test_a_key_that_reads_cannot_write(house, provider):
    key = house.lrs[0]
    statement = completed(house, provider, uuid4())

    refused = requests.post(f"{house.url}/xapi/statements", json=statement, auth=(key.lrs_key, key.lrs_secret), headers=VERSION, timeout=30)

    assert refused.status_code == 403


def test_evidence_and_attainment_made_again_from_the_statements_are_equal_to_the_bit(house, provider, learner):
    learner.sit()
    person_uuid = person_uuid_of(house, learner.official.id)
    provider.post(f"{house.url}/xapi/statements", json=completed(house, provider, person_uuid), timeout=30).raise_for_status()

    done = CliRunner().invoke(roadmap_commands, ["rebuild", "--json"], env=house.environment(), catch_exceptions=False)

    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["differences"] == []
    assert report["statements"] == count_statements(house)
    assert report["equal"] == report["evidence"] + report["attainment"] > 20
