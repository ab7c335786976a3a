"""Catalogue and paths by the door, on a real database; the standing on the roadmap is given by each test."""

import copy
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest

import learning
from kernel import strictjson
from kernel.ids import derived_uuid
from learning import api
from learning.errors import CatalogueInvalid, PrerequisiteCycle, StepHasNoActivity, StepNotFound, StepStateUnknown
from learning.paths import Aim
from learning.standings import Standpoint

TODAY = date(2026, 11, 22)
TENANT = 7
PERSON = derived_uuid("test", "somchai")
DLIT, DGOV, DLEAD = (f"th-ds-2567#{code}" for code in ("DLIT", "DGOV", "DLEAD"))
LEVELS = {0: "ยังไม่ถึงเกณฑ์", 1: "รู้จัก", 2: "ใช้งานได้", 3: "ชำนาญ", 4: "เชี่ยวชาญ"}
CORE = strictjson.loads((Path(learning.__file__).parent / "data" / "catalogue-core-2567.json").read_bytes())


@pytest.fixture
def stand(monkeypatch):
    """Sets where the person stands: `stand(DLIT=(level, target))`."""

    def place(**areas):
        aims = tuple(Aim(f"th-ds-2567#{code}", *values) for code, values in sorted(areas.items()))
        labels = {aim.node_key: {"th": "ด้าน" + aim.node_key[-4:], "en": aim.node_key[-4:]} for aim in aims}
        names = {rank: {"th": name, "en": f"rank {rank}"} for rank, name in LEVELS.items()}
        monkeypatch.setattr("learning.commands.read_standpoint", lambda _db, **_: Standpoint(aims, labels, names))

    return place


@pytest.fixture
def catalogue(database, now):
    with database.transaction() as db:
        api.load_catalogue(db, CORE, now=now)


@pytest.fixture
def plan(database, catalogue, now):
    def do(tenant_id=TENANT, person_uuid=PERSON, today=TODAY):
        with database.transaction() as db:
            return api.plan_path(db, tenant_id=tenant_id, person_uuid=person_uuid, today=today, now=now)

    return do


@pytest.fixture
def mark(database, now):
    def do(step, state, tenant_id=TENANT, person_uuid=PERSON):
        with database.transaction() as db:
            return api.mark_step(db, tenant_id=tenant_id, person_uuid=person_uuid, step_uuid=step.uuid, state=state, now=now)

    return do


def changed(**parts):
    return copy.deepcopy(CORE) | parts


def test_loading_the_same_catalogue_again_changes_nothing(database, now):
    with database.transaction() as db:
        first = api.load_catalogue(db, CORE, now=now)
    with database.transaction() as db:
        second = api.load_catalogue(db, CORE, now=now + timedelta(days=1))

    assert (first.n_new, first.n_changed, first.n_unchanged, first.n_retired, first.n_prerequisites) == (57, 0, 0, 0, 6)
    assert (second.n_new, second.n_changed, second.n_unchanged, second.n_retired, second.n_prerequisites) == (0, 0, 57, 0, 6)


def test_what_a_new_catalogue_drops_is_retired_and_what_it_brings_back_is_offered_again(database, catalogue, now):
    fewer = changed(resources=[*CORE["resources"][1:-1], CORE["resources"][-1] | {"hours": 1.5}])

    with database.transaction() as db:
        report = api.load_catalogue(db, fewer, now=now)
        offered = {one.key: one for one in api.list_resources(db)}
    with database.transaction() as db:
        again = api.load_catalogue(db, CORE, now=now)

    assert (report.n_new, report.n_changed, report.n_retired) == (0, 1, 1)
    assert CORE["resources"][0]["key"] not in offered
    assert offered[CORE["resources"][-1]["key"]].hours == 1.5
    assert (again.n_new, again.n_changed, again.n_retired) == (0, 2, 0)


def test_the_catalogue_is_listed_by_competency_and_level(database, catalogue):
    with database.reading() as db:
        found = api.list_resources(db, node_key=DGOV, level=2)

    assert {(one.node_key, one.level) for one in found} == {(DGOV, 2)}
    assert {one.kind for one in found} == {"course", "reading", "practice", "coaching", "project"}
    assert [one.key for one in found] == sorted(one.key for one in found)


def test_a_ring_of_prerequisites_is_refused_by_its_names_and_nothing_is_loaded(database, now):
    ring = changed(
        prerequisites=[
            {"competency": DLIT, "level": 2, "needs": {"competency": DGOV, "level": 1}},
            {"competency": DGOV, "level": 1, "needs": {"competency": DLEAD, "level": 1}},
            {"competency": DLEAD, "level": 1, "needs": {"competency": DLIT, "level": 3}},
        ]
    )

    with pytest.raises(PrerequisiteCycle) as refusal, database.transaction() as db:
        api.load_catalogue(db, ring, now=now)

    for name in (f"{DLIT} level 2", f"{DLIT} level 3", f"{DGOV} level 1", f"{DLEAD} level 1"):
        assert name in refusal.value.sentence("th")
        assert name in refusal.value.sentence("en")
    with database.reading() as db:
        assert api.list_resources(db) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"format": "other"}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"resources": [CORE["resources"][0] | {"kind": "game"}]}, "resources/0/kind"),
        ({"resources": [CORE["resources"][0] | {"title": {"en": "No Thai"}}]}, "resources/0/title/th"),
        ({"resources": [CORE["resources"][0] | {"hours": 0}]}, "resources/0/hours"),
        ({"resources": [CORE["resources"][0] | {"level": 5}]}, "resources/0/level"),
        ({"resources": [CORE["resources"][0] | {"url": "javascript:alert(1)"}]}, "resources/0/url"),
        ({"resources": [CORE["resources"][0]] * 2}, "resources/1"),
        ({"prerequisites": [{"competency": DLIT, "level": 1}]}, "prerequisites/0/needs"),
    ],
)
def test_a_faulty_catalogue_is_refused_with_the_place_of_the_fault(database, now, change, place):
    with pytest.raises(CatalogueInvalid) as refusal, database.transaction() as db:
        api.load_catalogue(db, changed(**change), now=now)

    assert refusal.value.details["place"] == place
    assert place in refusal.value.sentence("th")


def test_a_path_leads_from_the_level_to_the_target_with_a_reason_for_each_step(plan, stand):
    stand(DLIT=(0, 2), DGOV=(1, 1), DLEAD=(None, None))

    path = plan()

    assert path.version == 1
    assert {(step.node_key, step.from_level, step.to_level) for step in path.steps} == {(DLIT, 0, 1), (DLIT, 1, 2)}
    assert [step.to_level for step in path.steps] == sorted(step.to_level for step in path.steps)
    assert [step.position for step in path.steps] == list(range(1, len(path.steps) + 1))
    for step in path.steps:
        assert (step.resource.node_key, step.resource.level, step.resource.kind) == (step.node_key, step.to_level, step.kind)
        assert "ด้าน" in step.reason["th"]
        assert not {"{", "}"} & {*step.reason["th"], *step.reason["en"]}
        assert not step.done
    assert path.steps[0].reason["th"] == "เป้าหมายของท่านในด้านด้านDLITคือระดับ “ใช้งานได้” ขั้นนี้พาท่านไปถึงระดับ “รู้จัก” ซึ่งเป็นระดับถัดไป"


def test_the_whole_way_keeps_to_the_mix_and_uses_all_five_kinds(plan, stand):
    stand(DLIT=(0, 3), DGOV=(0, 3), DLEAD=(0, 3))

    path = plan()

    hours = path.hours_by_kind
    total = sum(hours.values())
    assert set(hours) == {"course", "reading", "practice", "coaching", "project"}
    assert hours["practice"] + hours["project"] >= total / 2
    assert hours["course"] + hours["reading"] <= total * 0.3
    assert total == pytest.approx(sum(step.hours for step in path.steps))
    assert path.notes == ()


def test_who_was_never_assessed_is_asked_to_sit_the_assessment(plan, stand):
    stand(DLIT=(None, 2), DGOV=(None, 1), DLEAD=(0, 2))

    path = plan()

    assert [(step.node_key, step.kind, step.resource) for step in path.steps if step.kind == "assessment"] == [
        (DGOV, "assessment", None),
        (DLIT, "assessment", None),
    ]
    assert [(note.code, "1" in note.text["th"]) for note in path.notes] == [("withheld", True)]
    assert {step.to_level for step in path.steps if step.node_key == DLEAD} == {1}


@pytest.mark.parametrize(("standing", "note"), [((3, 2), "all_reached"), ((0, None), "no_targets")])
def test_a_path_without_steps_says_why(plan, stand, standing, note):
    stand(DLIT=standing)

    path = plan()

    assert (path.steps, [one.code for one in path.notes]) == ((), [note])


def test_the_same_standing_gives_the_same_version(plan, stand):
    stand(DLIT=(0, 2), DGOV=(0, 2, TODAY + timedelta(days=30)))

    assert plan() == plan()


def test_a_new_level_gives_a_new_version_and_the_old_one_stays(database, plan, stand):
    stand(DLIT=(0, 2))
    first = plan()
    stand(DLIT=(1, 2))

    second = plan()

    assert (second.version, second.uuid != first.uuid) == (2, True)
    assert {step.to_level for step in second.steps} == {2}
    with database.reading() as db:
        assert api.find_path(db, tenant_id=TENANT, person_uuid=PERSON) == second


def test_what_is_under_way_or_done_stays_on_a_new_version(plan, mark, stand):
    stand(DLIT=(0, 2), DGOV=(0, 1))
    first = plan()
    begun, finished = [step for step in first.steps if (step.node_key, step.to_level) == (DGOV, 1)][:2]
    mark(begun, "under_way")
    mark(finished, "done")
    stand(DLIT=(1, 2), DGOV=(0, 2))

    second = plan()

    states = {step.resource.key: step.state for step in second.steps}
    assert second.version == 2
    assert states[begun.resource.key] == "under_way"
    assert states[finished.resource.key] == "done"
    assert [step.done for step in second.steps if step.resource.key == finished.resource.key] == [True]
    assert second.steps[0].node_key == DGOV
    assert second.steps[0].reason_code == "begun"


def test_what_is_under_way_stays_even_when_the_catalogue_drops_it(database, plan, mark, stand, now):
    stand(DLIT=(0, 1))
    begun = plan().steps[1]
    mark(begun, "under_way")
    with database.transaction() as db:
        api.load_catalogue(db, changed(resources=[one for one in CORE["resources"] if one["key"] != begun.resource.key]), now=now)

    assert begun.resource.key in {step.resource.key for step in plan().steps}


def test_what_leads_to_a_level_already_reached_leaves_the_path(plan, mark, stand):
    stand(DLIT=(0, 2))
    mark(plan().steps[0], "under_way")
    stand(DLIT=(1, 2))

    assert {step.state for step in plan().steps} == {"planned"}


def test_marking_changes_the_state_and_no_version(database, plan, mark, stand):
    stand(DLIT=(0, 1))
    first = plan()

    marked = mark(first.steps[1], "done")

    assert (marked.version, [step.done for step in marked.steps]) == (1, [False, True, False])
    assert mark(first.steps[1], "planned").steps == first.steps
    with database.reading() as db:
        assert api.find_path(db, tenant_id=TENANT, person_uuid=PERSON) == first


def test_nobody_marks_a_step_of_another_person_or_agency(plan, mark, stand):
    stand(DLIT=(0, 1))
    step = plan().steps[0]
    plan(person_uuid=derived_uuid("test", "malee"))
    plan(tenant_id=8)

    for stranger in ({"person_uuid": derived_uuid("test", "malee")}, {"tenant_id": 8}, {"person_uuid": derived_uuid("test", "nobody")}):
        with pytest.raises(StepNotFound):
            mark(step, "done", **stranger)


def test_a_step_of_an_old_version_is_not_marked(plan, mark, stand):
    stand(DLIT=(0, 2))
    old = plan().steps[0]
    stand(DLIT=(1, 2))
    plan()

    with pytest.raises(StepNotFound):
        mark(old, "done")


def test_a_state_that_does_not_exist_is_refused(plan, mark, stand):
    stand(DLIT=(0, 1))

    with pytest.raises(StepStateUnknown):
        mark(plan().steps[0], "skipped")


def test_an_assessment_is_not_marked_by_hand(plan, mark, stand):
    stand(DLIT=(None, 1))

    with pytest.raises(StepHasNoActivity):
        mark(plan().steps[0], "done")


def test_paths_of_agencies_and_people_are_kept_apart(database, plan, stand):
    stand(DLIT=(0, 1))
    plan()

    with database.reading() as db:
        assert api.find_path(db, tenant_id=8, person_uuid=PERSON) is None
        assert api.find_path(db, tenant_id=TENANT, person_uuid=derived_uuid("test", "malee")) is None


def test_plans_made_at_the_same_time_agree_on_one_version(plan, stand):
    stand(DLIT=(0, 2), DGOV=(0, 2))
    made = []
    threads = [threading.Thread(target=lambda: made.append(plan())) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(made) == 6
    assert {(path.uuid, path.version) for path in made} == {(made[0].uuid, 1)}
    assert all(path == made[0] for path in made)


def test_a_mark_that_meets_a_new_version_is_refused_and_not_lost_in_silence(database, plan, mark, stand, now):
    stand(DLIT=(0, 2))
    step = plan().steps[0]
    stand(DLIT=(1, 2))
    refusals = []

    def mark_late():
        try:
            mark(step, "done")
        except StepNotFound as refusal:
            refusals.append(refusal)

    late = threading.Thread(target=mark_late)
    with database.transaction() as db:
        api.plan_path(db, tenant_id=TENANT, person_uuid=PERSON, today=TODAY, now=now)
        late.start()
        late.join(0.3)
        assert late.is_alive()
    late.join(30)

    assert len(refusals) == 1
