"""From stored answers to parameters in use: read, proposed, shown, applied, and what each attempt keeps."""

import math
import uuid
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select

from assessment import api
from assessment.calibration_runs import RunApplied, RunNotFound, RunOutdated
from assessment.irt import ItemParams
from assessment.models import FormItem, FormVersion, Item, ItemParameter, ItemRating, ItemVersion
from assessment.proposals import proposed
from assessment.ratings import Rating, rate, rate_finished
from tests.assessment.stored_answers import KEYS, PILOTS, answered, the_bank, the_form, truth

pytestmark = pytest.mark.one_database


def computed(database: Any, form_uuid: uuid.UUID, *, now: Any, **options: Any) -> api.CalibrationView:
    with database.reading() as db:
        material = api.read_material(db, form_uuid)
    document = proposed(material, **options)
    with database.transaction() as db:
        run = api.store_calibration(db, material, document, pilots_only=options.get("pilots_only", False), as_of=now)
        return api.get_calibration(db, run)


def items_of(view: api.CalibrationView) -> dict[str, dict[str, Any]]:
    return {item["item"]: item for area in view.document["areas"] for item in area["items"]}


def applied(database: Any, view: api.CalibrationView, now: Any) -> api.AppliedCalibration:
    with database.transaction() as db:
        return api.apply_calibration(db, view.uuid, by="user:1", now=now)


def in_use(database: Any) -> dict[str, ItemParameter]:
    """Parameters that the newest form version pins."""
    with database.reading() as db:
        newest = select(func.max(FormVersion.id)).scalar_subquery()
        rows = db.execute(
            select(Item.key, ItemParameter)
            .select_from(FormItem)
            .join(ItemParameter, ItemParameter.id == FormItem.item_parameter_id)
            .join(ItemVersion, ItemVersion.id == FormItem.item_version_id)
            .join(Item, Item.id == ItemVersion.item_id)
            .where(FormItem.form_version_id == newest)
        ).all()
        db.expunge_all()
        return dict(rows)


def test_a_run_shows_what_would_change_and_changes_nothing(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    answered(person.database, truth(), 1200, now=now)
    before = in_use(person.database)

    view = computed(person.database, person.form_uuid, now=now)

    found = items_of(view)
    assert (view.state, view.n_persons) == ("ready", 1200)  # of two agencies
    assert {item["becomes"]["status"] for item in found.values()} == {"calibrated"}
    assert {found[key]["method"] for key in KEYS} == {"2pl"}  # each met by 800
    assert {found[key]["method"] for key in PILOTS} == {"1pl"}  # each met by 400
    [area] = view.document["areas"]
    assert (area["link"]["by"], area["link"]["n_common"], area["refused"]) == ("provisional", 18, [])
    true = [truth()[key].b for key in found]
    assert correlation([item["becomes"]["b"] for item in found.values()], true) > 0.98
    assert correlation([item["was"]["b"] for item in found.values()], true) < 0.94
    assert {key: row.id for key, row in in_use(person.database).items()} == {key: row.id for key, row in before.items()}


def test_applying_a_run_adds_parameters_and_a_form_version_that_pins_them_and_attempts_begun_keep_theirs(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    answered(person.database, truth(), 1200, now=now, first=100)
    person.start()
    person.step()
    before = in_use(person.database)
    view = computed(person.database, person.form_uuid, now=now)

    done = applied(person.database, view, now)

    assert (done.n_calibrated, done.n_rated, done.forms) == (21, 0, {"lit": 2})
    after = in_use(person.database)
    assert {row.status for row in after.values()} == {"calibrated"}
    assert {row.calibration_run for row in after.values()} == {str(view.uuid)}
    with person.database.reading() as db:
        assert {key: db.get(ItemParameter, row.id).b for key, row in before.items()} == {key: row.b for key, row in before.items()}
    person.now += timedelta(minutes=1)
    person.sit()
    with person.database.reading() as db:
        assert api.replay(db, person.attempt).differences == ()
    assert (person.outcome().form.version, person.outcome().rests_on) == (1, "provisional")
    later = sitter(form=the_form(), person=uuid.UUID(int=9), now=person.now)
    later.start()
    later.sit()
    assert (later.outcome().form.version, later.outcome().rests_on) == (2, "calibrated")


def test_a_run_is_applied_once(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    answered(person.database, truth(), 300, now=now)
    view = computed(person.database, person.form_uuid, now=now)
    applied(person.database, view, now)

    with pytest.raises(RunApplied):
        applied(person.database, view, now)
    with pytest.raises(RunNotFound), person.database.transaction() as db:
        api.apply_calibration(db, uuid.uuid4(), by="user:1", now=now)


def test_a_run_of_items_that_have_changed_since_is_refused_whole(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    answered(person.database, truth(), 300, now=now)
    first, second = (computed(person.database, person.form_uuid, now=now) for _ in range(2))
    applied(person.database, first, now)

    with pytest.raises(RunOutdated):
        applied(person.database, second, now)

    assert {row.calibration_run for row in in_use(person.database).values() if row.status == "calibrated"} == {str(first.uuid)}


def test_loading_the_bank_again_does_not_undo_a_calibration(sitter, now):
    bank = the_bank(truth())
    person = sitter(bank=bank, form=the_form())
    answered(person.database, truth(), 300, now=now)
    applied(person.database, computed(person.database, person.form_uuid, now=now), now)
    calibrated = {key: row.id for key, row in in_use(person.database).items()}

    with person.database.transaction() as db:
        report = api.load_bank(db, bank, now=now)

    assert report.n_new_parameters == 0
    assert {key: row.id for key, row in in_use(person.database).items()} == calibrated


def test_items_with_few_answers_stay_and_say_why(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    answered(person.database, truth(), 60, now=now)

    found = items_of(computed(person.database, person.form_uuid, now=now))

    assert {item["becomes"] for item in found.values()} == {None}
    assert {item["why"] for item in found.values()} == {"few_answers"}


def test_a16_a_pilot_has_parameters_after_300_answers_with_live_items_held(sitter, now):
    params = truth()
    person = sitter(bank=the_bank(params, error=0.0, status="calibrated"), form=the_form())
    answered(person.database, params, 900, now=now, seed=7)

    view = computed(person.database, person.form_uuid, now=now, pilots_only=True)

    found = items_of(view)
    assert all(270 < found[key]["n"] < 330 for key in PILOTS)
    for key in PILOTS:
        assert found[key]["becomes"]["se_b"] <= 0.20
        assert abs(found[key]["becomes"]["b"] - params[key].b) < 3 * found[key]["becomes"]["se_b"]
    assert {(found[key]["becomes"], found[key]["why"]) for key in KEYS} == {(None, "held")}
    [area] = view.document["areas"]
    assert (area["passes"][0]["mean"], area["passes"][0]["sd"]) == pytest.approx((0, 1), abs=0.1)


def test_an_item_that_became_easier_is_drift_and_does_not_carry_the_scale(sitter, now):
    params = truth()
    person = sitter(bank=the_bank(params, error=0.0, status="calibrated"), form=the_form())
    leaked = params | {"DLIT-009": ItemParams(params["DLIT-009"].a, params["DLIT-009"].b - 1.0)}
    answered(person.database, leaked, 2000, now=now, mean=0.3, seed=8)

    view = computed(person.database, person.form_uuid, now=now)

    with person.database.reading() as db:
        drift = api.list_drift(db, person.form_uuid)
    assert [one.item for one in drift] == ["DLIT-009"]
    assert drift[0].z < -2.7
    assert drift[0].change_b == pytest.approx(-1.0, abs=0.2)
    [area] = view.document["areas"]
    assert (area["link"]["by"], area["link"]["n_common"]) == ("calibrated", 18)
    assert area["link"]["intercept"] == pytest.approx(0.3, abs=0.1)  # the new people's mean on the bank's scale
    steady = [item["becomes"]["b"] - params[key].b for key, item in items_of(view).items() if key in KEYS and key != "DLIT-009"]
    assert abs(sum(steady) / len(steady)) < 0.05


def test_ratings_take_each_finished_sitting_once_and_serve_until_there_is_a_calibration(sitter, now):
    params = truth()
    person = sitter(bank=the_bank(params), form=the_form())
    answered(person.database, params, 150, now=now, n_seen=14)

    with person.database.transaction() as db:
        taken = [rate_finished(db, now=now, limit=100) for _ in range(3)]
        n = db.scalar(select(func.sum(ItemRating.n)))
    found = items_of(computed(person.database, person.form_uuid, now=now))

    assert (taken, n) == ([100, 50, 0], 150 * 15)
    rated = {key: item for key, item in found.items() if item["becomes"]}
    assert {item["becomes"]["status"] for item in rated.values()} == {"rating"}
    assert rated.keys() >= set(KEYS)  # each met by about 117
    assert rated["DLIT-001"]["method"] == "elo"
    done = applied(person.database, computed(person.database, person.form_uuid, now=now), now)
    assert (done.n_calibrated, done.n_rated) == (0, len(rated))
    late = sitter(form=the_form(), person=uuid.UUID(int=10**6), now=now)
    late.start()
    late.sit()
    assert late.outcome().rests_on in {"rating", "provisional"}
    assert late.outcome().rests_on == ("rating" if set(KEYS) <= rated.keys() else "provisional")


def test_previews_and_open_attempts_move_no_rating(sitter, now):
    person = sitter(bank=the_bank(truth()), form=the_form())
    person.start(is_preview=True)
    person.sit()
    other = sitter(form=the_form(), person=uuid.UUID(int=2))
    other.start()
    other.submit(other.step())

    with person.database.transaction() as db:
        taken = rate_finished(db, now=now)
        n = db.scalar(select(func.count()).select_from(ItemRating))

    assert (taken, n) == (1, 0)  # the preview is done with; nothing moved


def test_p9_ratings_follow_the_truth_after_400_answers_an_item():
    chance = Random(11)
    difficulties = [chance.gauss(0, 1) for _ in range(200)]
    items = [Rating() for _ in difficulties]

    for _ in range(2000):
        theta, person = chance.gauss(0, 1), Rating()
        for place in chance.sample(range(200), 40):
            score = float(chance.random() < 1 / (1 + math.exp(difficulties[place] - theta)))
            rate(person, items[place], score)

    assert all(300 < item.n < 500 for item in items)
    assert correlation([item.value for item in items], difficulties) >= 0.97


def correlation(one: list[float], other: list[float]) -> float:
    a, b = sum(one) / len(one), sum(other) / len(other)
    cross = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    return cross / math.sqrt(sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other))
