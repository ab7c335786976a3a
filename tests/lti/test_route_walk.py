"""Every address of a launch, walked by the strongest stranger: a person with every right, of another agency (S23, H28)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import Client

import assessment.api as assessment
import xapi.api as xapi
from assessment.models import Item, ItemVersion
from kernel.db import Base
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.lti.tenants import add_tenant, get_tenant
from lti_tool.models import Erasure, Launch, LrsImport, Registration, User
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import SECRET, TOOL, Moment, Platform, Tool, register, sign
from tests.stock import stock
from xapi.models import metadata as record_store

pytestmark = pytest.mark.stocked

FOREIGN = ("accommodation", "attempt", "bringing", "person", "platform", "receipt", "review", "statement", "step")
"""Parts of addresses that name something of one agency; a form or resource may be national."""
WELL_FORMED = {"presentation": str(uuid4()), "kind": "single_choice", "client_id": "c-1", "value": "a", "state": "done"}
"""So that nothing is refused for its form before it is looked up."""


@dataclass(frozen=True, slots=True)
class TwoAgencies:
    """Agency one has a learner with an attempt; the stranger of agency two has every role and right there."""

    tool: Tool
    tenant_id: int
    theirs: dict[str, Any]
    """Ids of agency one, by the name that addresses give them."""
    their_launch: UUID
    stranger: Client
    own_launch: UUID


@pytest.fixture
def agencies(tool: Tool, other_platform: Platform, moment: Moment) -> TwoAgencies:
    with tool.database.transaction() as db:
        form = stock(db, now=moment.now).uuid
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=moment.now)
        register(db, other_platform, moment, tenant="two", client_id="two")
        for role in ("executive", "central_executive", "administrator"):
            grant_role(db, issuer=other_platform.url, client_id="two", sub="stranger", role=role, now=moment.now)
        tenant_id = get_tenant(db, "opdc").id
    learner = tool.new_browser()
    their_launch = tool.launched(learner)
    begun = learner.post(
        f"/learn/{their_launch}/assessment/{form}/start",
        base_url=TOOL, data={"csrf": token_of(their_launch, SECRET)}, headers={"Origin": TOOL},
    )  # fmt: skip
    attempt = UUID(begun.headers["Location"].rsplit("/", 1)[1])
    records = records_of(tool, tenant_id)
    with tool.database.transaction() as db:
        person = db.scalars(select(User.person_uuid).where(User.tenant_id == tenant_id)).one()
        allowed = assessment.set_accommodation(
            db,
            tenant_id=tenant_id,
            person_uuid=person,
            allowance=assessment.Allowance(150),
            reason="other",
            granted_by="command",
            now=moment.now,
        )
    with tool.database.reading() as db:
        platform = db.scalars(select(Registration.uuid).where(Registration.tenant_id == tenant_id)).one()
    stranger = tool.new_browser()
    login = tool.login(stranger, iss=other_platform.url, client_id="two", login_hint="stranger")
    roles = [f"{v.MEMBERSHIP}#{name}" for name in ("Learner", "Instructor", "ContentDeveloper")]
    claims = tool.claims(login, iss=other_platform.url, aud="two", sub="stranger", **{v.ROLES: roles, v.AGS_ENDPOINT: None})
    tool.post(login.state, sign(claims), stranger)
    with tool.database.reading() as db:
        own_launch = db.scalars(select(Launch.uuid).where(Launch.tenant_id != tenant_id)).one()
    theirs = {
        "attempt": attempt, "person": person, "platform": platform, "step": uuid4(), "form": form, "resource": uuid4(), "lms": "moodle",
        "accommodation": allowed, **records, **review_of(tool, tenant_id, form),
    }  # fmt: skip
    return TwoAgencies(tool, tenant_id, theirs, their_launch, stranger, own_launch)


def records_of(tool: Tool, tenant_id: int) -> dict[str, UUID]:
    """A statement of an agency, an import and a receipt."""
    now = tool.moment.now
    account = {"account": {"homePage": "https://one.example.go.th", "name": "p-1"}}
    told = {"actor": account, "verb": {"id": "https://one.example.go.th/verbs/did"}, "object": {"id": "https://one.example.go.th/x"}}
    with tool.database.transaction() as db:
        (statement,) = xapi.store_statements(db, tenant_id=tenant_id, statements=[told], authority=account, now=now)
        bringing = LrsImport(tenant_id=tenant_id, source="-", keeps_authority=False, actor="command", started_at=now, changed_at=now)
        receipt = Erasure(tenant_id=tenant_id, act="rename", at=now, actor="command", digests=[], counts={}, recipients=[])
        db.add_all([bringing, receipt])
        db.flush()
        return {"statement": UUID(statement), "bringing": bringing.uuid, "receipt": receipt.uuid}


def review_of(tool: Tool, tenant_id: int, form: UUID) -> dict[str, UUID]:
    """An item that an agency's analysis has flagged, and its open review."""
    with tool.database.transaction() as db:
        version_id, item = db.execute(select(ItemVersion.id, Item.uuid).join(Item, Item.id == ItemVersion.item_id).limit(1)).one()
        flagged = {"groups": {}, "domains": [{"items": [{"version_id": version_id, "flags": ["misfit"]}]}]}
        scope, now = assessment.agency(tenant_id), tool.moment.now
        (review,) = assessment.store_analysis(db, form, scope, n_persons=1, document=flagged, as_of=now)
    return {"item": item, "review": review}


def rules_of(tool: Tool) -> list[Rule]:
    return [rule for rule in tool.app.url_map.iter_rules() if "launch" in rule.arguments]


def asked(agencies: TwoAgencies, rule: Rule, launch: UUID) -> list[tuple[str, int, str]]:
    """Every method of one address, with all that a page of that launch would send along."""
    values = {name: agencies.theirs[name] for name in rule.arguments if name != "launch"}
    path = agencies.tool.app.url_map.bind("x").build(rule.endpoint, values | {"launch": launch})
    answers = []
    for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
        answer = agencies.stranger.open(
            path,
            method=method,
            base_url=TOOL,
            data={"csrf": token_of(launch, SECRET), **WELL_FORMED} if method == "POST" else None,
            headers={"Origin": TOOL},
        )
        answers.append((f"{method} {path}", answer.status_code, answer.text))
    return answers


def rows_of(tool: Tool, tenant_id: int) -> dict[str, list[Any]]:
    """Everything that one agency has, but the lines of its audit log."""
    with tool.database.reading() as db:
        return {
            table.name: sorted(db.execute(table.select().where(table.c.tenant_id == tenant_id)).all(), key=repr)
            for table in (*Base.metadata.sorted_tables, *record_store.sorted_tables)
            if "tenant_id" in table.c and table.name != "audit_entry"
        }


def test_s23_no_address_opens_a_launch_of_another_agency(agencies: TwoAgencies):
    before = rows_of(agencies.tool, agencies.tenant_id)

    answers = [one for rule in rules_of(agencies.tool) for one in asked(agencies, rule, agencies.their_launch)]

    assert len(answers) > 40
    assert [(what, status) for what, status, _ in answers if status != 404] == []
    assert [what for what, _, text in answers if "สมชาย" in text] == []
    assert rows_of(agencies.tool, agencies.tenant_id) == before


def test_s23_no_address_of_the_own_launch_opens_a_thing_of_another_agency(agencies: TwoAgencies):
    before = rows_of(agencies.tool, agencies.tenant_id)
    rules = [rule for rule in rules_of(agencies.tool) if rule.arguments.intersection(FOREIGN)]

    answers = [one for rule in rules for one in asked(agencies, rule, agencies.own_launch)]

    assert len(answers) > 15
    assert [(what, status) for what, status, _ in answers if status != 404] == []
    assert rows_of(agencies.tool, agencies.tenant_id) == before


def test_the_stranger_is_at_home_in_the_own_launch(agencies: TwoAgencies):
    own = agencies.own_launch

    pages = [
        f"/learn/{own}/roadmap",
        f"/teach/{own}/activities/{agencies.theirs['form']}",
        f"/executive/{own}/",
        f"/admin/{own}/",
        f"/admin/{own}/records/",
    ]

    assert [agencies.stranger.get(page, base_url=TOOL).status_code for page in pages] == [200, 200, 200, 200, 200]


def test_v3_looking_changes_nothing(agencies: TwoAgencies):
    """ASVS 5.0.0, 3.5.3: an address that is only fetched, as a link or an image of another site can have it, writes no row."""
    tool, launch, browser = agencies.tool, agencies.own_launch, agencies.stranger
    with tool.database.reading() as db:
        user = db.scalars(select(User).where(User.tenant_id != agencies.tenant_id)).one()
        tenant_id = user.tenant_id
        own = agencies.theirs | {
            "person": user.person_uuid,
            "platform": db.scalars(select(Registration.uuid).where(Registration.tenant_id == tenant_id)).one(),
        }
    begun = browser.post(
        f"/learn/{launch}/assessment/{own['form']}/start", base_url=TOOL, data={"csrf": token_of(launch, SECRET)}, headers={"Origin": TOOL}
    )
    own["attempt"] = begun.headers["Location"].rsplit("/", 1)[1]
    browser.get(begun.headers["Location"], base_url=TOOL)  # the one page that notes: what was shown first, and when
    before = rows_of(tool, tenant_id)

    statuses = []
    for rule in (rule for rule in rules_of(tool) if "GET" in (rule.methods or ())):
        path = tool.app.url_map.bind("x").build(
            rule.endpoint, {name: own[name] for name in rule.arguments if name != "launch"} | {"launch": launch}
        )
        statuses.append(browser.get(path, base_url=TOOL).status_code)

    assert statuses.count(200) > 8
    assert rows_of(tool, tenant_id) == before
