"""The path follows the real roadmap: targets of the agency, evidence from statements, labels of the framework."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

import learning
import roadmap
from kernel import strictjson
from kernel.clock import rfc3339
from kernel.ids import derived_uuid
from learning import api
from roadmap import api as roadmap_api

TODAY = date(2026, 11, 22)
TENANT = 3
PERSON = derived_uuid("test", "official")
EXT = "https://w3id.org/kaona/xapi/ext/"


def load(package, name):
    return strictjson.loads((Path(package.__file__).parent / "data" / name).read_bytes())


@pytest.fixture
def plan(database, now):
    with database.transaction() as db:
        roadmap_api.load_frameworks(db, load(roadmap, "ocsc-digital-skills.json"), now=now)
        api.load_catalogue(db, load(learning, "catalogue-core-2567.json"), now=now)
        roadmap_api.place_person(db, tenant_id=TENANT, person_uuid=PERSON, now=now)

    def do():
        with database.transaction() as db:
            return api.plan_path(db, tenant_id=TENANT, person_uuid=PERSON, today=TODAY, now=now)

    return do


@pytest.fixture
def ask(database, now):
    def do(code, level, due=None):
        with database.transaction() as db:
            roadmap_api.set_target(
                db, tenant_id=TENANT, node_key=f"th-ds-2567#{code}", min_level=level, role=None, due=due, set_by="agency", now=now
            )

    return do


@pytest.fixture
def assess(database, now):
    def do(after=timedelta(0), person=PERSON, **levels):
        statements = [
            {
                "id": str(derived_uuid("test", code, str(after))),
                "actor": {"objectType": "Agent", "account": {"homePage": "https://a.example.go.th", "name": str(person)}},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
                "object": {"id": f"https://kaona.example.go.th/area/{code}"},
                "context": {
                    "contextActivities": {
                        "grouping": [
                            {"id": f"https://k.example/ims/case/v1p1/CFItems/{derived_uuid('framework-node', 'th-ds-2567', code)}"}
                        ]
                    }
                },
                "result": {"extensions": {f"{EXT}level": level, f"{EXT}evidence-kind": "test", f"{EXT}items": 7}},
                "timestamp": rfc3339(now - timedelta(hours=1) + after),
            }
            for code, level in levels.items()
        ]
        with database.transaction() as db:
            roadmap_api.record_statements(db, tenant_id=TENANT, statements=statements)

    return do


def test_without_targets_there_is_no_path(plan):
    assert [note.code for note in plan().notes] == ["no_targets"]


def test_a_target_without_a_result_asks_for_the_assessment_in_the_words_of_the_framework(plan, ask):
    ask("DLIT", 2)

    (step,) = plan().steps

    assert (step.kind, step.node_label["en"]) == ("assessment", "Digital literacy")
    assert step.reason["th"].startswith("ยังไม่มีผลประเมินของท่านในด้านการเข้าใจและใช้เทคโนโลยีดิจิทัล จึงควรทำแบบประเมินก่อน")


def test_evidence_moves_the_path(plan, ask, assess):
    ask("DLIT", 2, due=TODAY + timedelta(days=30))
    ask("DGOV", 1)
    ask("DLEAD", 2)
    assess(DLIT=0, DGOV=1, DLEAD=1)

    first = plan()
    assess(after=timedelta(minutes=5), DLIT=1)
    second = plan()

    assert {(step.node_key[11:], step.to_level) for step in first.steps} == {("DLIT", 1), ("DLIT", 2), ("DLEAD", 2)}
    started = first.steps[0]
    assert (started.node_key, started.due, started.reason_code) == ("th-ds-2567#DLIT", TODAY + timedelta(days=30), "due")
    assert (second.version, {(step.node_key[11:], step.to_level) for step in second.steps}) == (2, {("DLIT", 2), ("DLEAD", 2)})
    assert "“ใช้งานได้”" in second.steps[0].reason["th"]


def test_many_paths_planned_together_are_those_planned_one_by_one(database, plan, ask, assess, now):
    people = [PERSON, *(derived_uuid("test", "official", str(number)) for number in range(3))]
    ask("DLIT", 2)
    ask("DLEAD", 2)
    assess(DLIT=0, DGOV=1, DLEAD=1)
    first = plan()
    begun = next(step for step in first.steps if step.resource)
    with database.transaction() as db:
        api.mark_step(db, tenant_id=TENANT, person_uuid=PERSON, step_uuid=begun.uuid, state="under_way", now=now)
    assess(after=timedelta(minutes=5), DGOV=2)

    def together():
        with database.transaction() as db:
            n_new = api.plan_paths(db, tenant_id=TENANT, person_uuids=people, today=TODAY, now=now)
            return n_new, [api.find_path(db, tenant_id=TENANT, person_uuid=person) for person in people]

    ask("DGOV", 3)
    n_new, paths = together()

    assert (n_new, [path.version for path in paths]) == (4, [2, 1, 1, 1])
    assert [step.state for step in paths[0].steps].count("under_way") == 1
    assert plan() == paths[0], "planned alone it says the same, so there is no new version"
    assert {step.kind for step in paths[1].steps} == {"assessment"}
    assert together() == (0, paths)


def test_a_resource_that_one_began_and_the_catalogue_dropped_is_not_offered_to_others(database, plan, ask, assess, now):
    ask("DLIT", 1)
    assess(DLIT=0)
    dropped = plan().steps[0]
    other = derived_uuid("test", "other official")
    with database.transaction() as db:
        api.mark_step(db, tenant_id=TENANT, person_uuid=PERSON, step_uuid=dropped.uuid, state="under_way", now=now)
        catalogue = load(learning, "catalogue-core-2567.json")
        catalogue["resources"] = [one for one in catalogue["resources"] if one["key"] != dropped.resource.key]
        api.load_catalogue(db, catalogue, now=now)
    assess(after=timedelta(minutes=5), person=other, DLIT=0)

    with database.transaction() as db:
        api.plan_paths(db, tenant_id=TENANT, person_uuids=[PERSON, other], today=TODAY, now=now)
        mine, others = (
            {step.resource.key for step in api.find_path(db, tenant_id=TENANT, person_uuid=one).steps} for one in (PERSON, other)
        )

    assert dropped.resource.key in mine
    assert others
    assert dropped.resource.key not in others


def test_plans_of_many_made_at_the_same_time_agree_on_one_version_each(database, plan, ask, now):
    people = [derived_uuid("test", "official", str(number)) for number in range(8)]
    ask("DLIT", 2)

    def together(_number):
        with database.transaction() as db:
            return api.plan_paths(db, tenant_id=TENANT, person_uuids=people, today=TODAY, now=now)

    with ThreadPoolExecutor(4) as pool:
        n_new = sum(pool.map(together, range(4)))

    with database.reading() as db:
        versions = [api.find_path(db, tenant_id=TENANT, person_uuid=person).version for person in people]
    assert (n_new, versions) == (8, [1] * 8)


def test_a_prerequisite_outside_the_targets_is_named_as_the_foundation(plan, ask, assess):
    ask("DLEAD", 2)
    assess(DLIT=0, DGOV=1, DLEAD=1)

    step = plan().steps[0]

    assert (step.node_key, step.to_level, step.reason_code) == ("th-ds-2567#DLIT", 1, "foundation")
    assert "“Working” in Digital leadership" in step.reason["en"]


def test_every_target_reached_leaves_an_empty_path_that_says_so(plan, ask, assess):
    ask("DLIT", 2)
    assess(DLIT=2)

    path = plan()

    assert (path.steps, [note.code for note in path.notes]) == ((), ["all_reached"])
