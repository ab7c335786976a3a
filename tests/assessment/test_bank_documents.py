"""Bank and form documents: refused whole with every fault told, or loaded; changes make versions, repeats make none."""

import copy
import json
import uuid
from pathlib import Path

import pytest
from sqlalchemy import func, select

from assessment import api
from assessment.bank import read_bank
from assessment.errors import BankInvalid, DocumentInvalid, FormInvalid
from assessment.forms import read_form
from assessment.models import FormItem, FormVersion, Item, ItemParameter, ItemVersion, Presentation
from assessment.scoring import KINDS, ScoringRule, points

DATA = Path(__file__).parents[2] / "assessment" / "data"


def faults(document, read=read_bank):
    with pytest.raises(DocumentInvalid) as refusal:
        read(document)
    return [str(fault) for fault in refusal.value.faults]


def load(database, document, now):
    with database.transaction() as db:
        return api.load_bank(db, document, now=now)


def count(database, table):
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(table))


def of_each_kind(make):
    two = [{"id": name, "text": make.texts(name)} for name in "ab"]
    return [
        make.item(1),
        make.item(2, kind="multiple_choice", correct=["a", "c"]),
        make.item(3, kind="true_false", options=None, correct=True),
        make.item(4, kind="ordering", correct=["c", "a", "b", "d"]),
        make.item(5, kind="matching", options=two, targets=[*two, {"id": "c", "text": make.texts("c")}], correct={"a": "b", "b": "c"}),
        make.item(6, kind="numeric", options=None, correct={"value": "1,250", "tolerance": "0.5"}, unit=make.texts("baht")),
        make.item(7, kind="short_text", options=None, correct={"accepted": {"th": ["ฟิชชิง"], "en": ["phishing"]}}),
    ]


def test_every_kind_is_read_and_its_correct_response_scores(make):
    bank = read_bank(make.bank(items=of_each_kind(make)))

    assert {item.content["kind"] for item in bank.items} == set(KINDS)
    right = ["b", ["a", "c"], True, ["c", "a", "b", "d"], {"a": "b", "b": "c"}, "๑,๒๕๐.๕", "ฟิชชิง"]
    for item, value in zip(bank.items, right, strict=True):
        body = item.content["body"]
        ids = (tuple(option["id"] for option in body.get(name, ())) for name in ("options", "targets"))
        assert points(ScoringRule(item.content["kind"], item.content["correct"], *ids), value)


def test_all_faults_are_told_together_each_with_its_place(make):
    bank = make.bank(items=of_each_kind(make))
    items = bank["items"]
    del items[0]["options"][2]["text"]["en"]
    items[1]["correct"] = ["a", "z"]
    items[2]["params"]["a"] = -1.0
    items[3]["correct"] = ["c", "a"]
    items[4]["correct"] = {"a": "q", "b": "c"}
    items[5]["correct"] = {"value": "many", "tolerance": "-1"}
    items[6]["correct"] = {"accepted": {"th": [], "en": []}}
    items.append(make.item(1))
    items.append(make.item(9, kind="essay"))
    items.append("not an item")

    told = faults(bank)

    assert [fault.split(":")[0] for fault in told] == [
        "items[0] (DLIT-001).options[2].text.en",
        "items[1] (DLIT-002).correct",
        "items[2] (DLIT-003).params",
        "items[3] (DLIT-004).correct",
        "items[4] (DLIT-005).correct",
        "items[5] (DLIT-006).correct.value",
        "items[5] (DLIT-006).correct.tolerance",
        "items[6] (DLIT-007).correct.accepted",
        "items[8] (DLIT-009)",
        "items[9]",
        "items",
    ]
    assert "'DLIT-001' is given twice" in told[-1]


def test_a_broken_envelope_does_not_hide_the_faults_of_items(make):
    bank = make.bank(format_version=2, items=[make.item(1, correct="z")])
    del bank["licence"]

    places = [fault.split(":")[0] for fault in faults(bank)]

    assert places == ["format_version", "licence", "items[0] (DLIT-001).correct"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"stem": {"th": "ข้อความ", "en": " "}}, "stem.en"),
        ({"stem": {"th": "ข้อความ"}}, "stem.en"),
        ({"params": {"model": "2pl", "a": float("nan"), "b": 0.0}}, "params"),
        ({"params": {"model": "rasch", "a": 1.2, "b": 0.0}}, "params"),
        ({"params": {"model": "2pl", "a": "1", "b": 0.0}}, "params.a"),
        ({"points": 5}, "points"),
        ({"options": []}, "options"),
        ({"options": [{"id": "a", "text": {"th": "ก", "en": "a"}}] * 2, "correct": "a"}, "options"),
        ({"correct": "z"}, "correct"),
        ({"key": "no spaces"}, "key"),
        ({"time_guide_seconds": 0}, "time_guide_seconds"),
        ({"enemies": ["DLIT-999"]}, "enemies"),
        ({"enemies": ["DLIT-001"]}, "enemies"),
    ],
)
def test_a_fault_is_told_at_its_place(make, fields, place):
    told = faults(make.bank(items=[make.item(1, **fields)]))

    assert len(told) == 1
    assert told[0].split(":")[0].endswith(f").{place}")


@pytest.mark.parametrize("document", [None, [], "bank", 3, {}])
def test_what_is_no_bank_is_refused_without_a_crash(document):
    assert faults(document)


def test_a_bank_with_a_fault_is_refused_whole(database, make, now):
    bank = make.bank()
    bank["items"][-1]["correct"] = "z"

    with pytest.raises(BankInvalid):
        load(database, bank, now)

    assert count(database, Item) == 0


def test_an_unchanged_bank_makes_no_version(database, make, now):
    first = load(database, make.bank(), now)

    again = load(database, make.bank(), now)

    assert (first.n_new_items, first.n_new_versions, first.n_unchanged) == (45, 0, 0)
    assert (again.n_new_items, again.n_new_versions, again.n_unchanged) == (0, 0, 45)
    assert count(database, ItemVersion) == count(database, ItemParameter) == 45


def test_a_changed_item_makes_a_new_version_and_leaves_the_old_one(database, make, now):
    load(database, make.bank(), now)
    bank = make.bank()
    bank["items"][3]["stem"] = make.texts("clearer stem")

    report = load(database, bank, now)

    assert (report.n_new_items, report.n_new_versions, report.n_unchanged) == (0, 1, 44)
    with database.reading() as db:
        stems = db.execute(
            select(ItemVersion.n, ItemVersion.body).join(Item).where(Item.key == bank["items"][3]["key"]).order_by(ItemVersion.n)
        ).all()
        assert [(n, body["stem"]["en"]) for n, body in stems] == [(1, "stem of DLIT-004 English"), (2, "clearer stem English")]


def test_changed_parameters_make_no_item_version_but_new_parameters(database, make, now):
    load(database, make.bank(), now)
    bank = make.bank()
    bank["items"][0]["params"]["b"] = 0.123

    report = load(database, bank, now)

    assert (report.n_new_versions, report.n_new_parameters, report.n_unchanged) == (0, 1, 44)
    assert count(database, ItemVersion) == 45
    assert count(database, ItemParameter) == 46


def test_versions_are_never_updated(database, make, now):
    load(database, make.bank(), now)

    with pytest.raises(RuntimeError, match="never updated"), database.transaction() as db:
        db.scalars(select(ItemVersion)).first().kind = "true_false"


def test_a_form_follows_the_bank_with_a_new_version_and_is_otherwise_left(database, make, now):
    load(database, make.bank(), now)
    with database.transaction() as db:
        first = api.load_form(db, make.form(), now=now)
        again = api.load_form(db, make.form(), now=now)
    bank = make.bank()
    bank["items"][0]["params"]["b"] = 0.5
    load(database, bank, now)
    load(database, bank, now)

    with database.reading() as db:
        forms = api.list_forms(db, tenant_id=5)
        assert api.get_form(db, first.uuid, tenant_id=5) == forms[0]
    assert first == again
    assert [(form.uuid, form.version) for form in forms] == [(first.uuid, 2)]
    assert count(database, FormVersion) == 2
    assert count(database, FormItem) == 90


def test_a_begun_attempt_keeps_its_version_parameters_and_cuts(sitter, make):
    person = sitter()
    person.start()
    before = person.step()
    bank = make.bank()
    for item in bank["items"]:
        item["correct"] = "c"
        item["params"]["b"] += 1.0
    form = make.form()
    for cut in form["cuts"]:
        cut["theta"] += 2.0
    with person.database.transaction() as db:
        api.load_bank(db, bank, now=person.now)
        api.load_form(db, form, now=person.now)

    assert person.step().item == before.item
    person.sit()

    outcome = person.outcome()
    assert {response.item_version for response in outcome.responses} == {1}
    assert all(response.score == 1 and response.correct_pattern == "b" for response in outcome.responses)
    assert [cut.theta for cut in outcome.form.cuts if cut.domain == "DLIT"] == [-1.0, 0.0, 1.0]
    later = sitter(person=uuid.UUID(int=2))
    later.start()
    later.sit(lambda _step: "c")
    assert {response.item_version for response in later.outcome().responses} == {2}
    assert later.outcome().responses[0].score == 1


def change(document, path, value):
    document = copy.deepcopy(document)
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("domains", 0, "share"), 0.9, "domains: the shares do not sum to 1"),
        (("domains", 0, "min"), 9, "domains[0] (DLIT): min is above max"),
        (("min_items",), 21, "min_items: min_items is above max_items"),
        (("max_items",), 17, "max_items: the areas' minimums do not fit into the test"),
        (("cuts", 0, "domain"), "XYZ", "cuts[0].domain: no area has the code 'XYZ'"),
        (("cuts", 1, "theta"), -1.5, "cuts: the cuts of DLIT must rise with the level"),
        (("domains", 1, "code"), "DLIT", "domains: the code 'DLIT' is given twice"),
        (("exposure", "r_max"), 0, "exposure.r_max: Input should be greater than 0"),
        (("minutes",), "40", "minutes: Input should be a valid integer"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused_with_the_place(make, path, value, told):
    assert told in faults(change(make.form(), path, value), read_form)


def test_a_form_with_an_area_that_has_no_cut_is_refused(make):
    form = make.form()
    form["cuts"] = [cut for cut in form["cuts"] if cut["domain"] != "DLIT"]

    assert "cuts: DLIT has no cut, so no level could be told" in faults(form, read_form)


def test_a_form_that_asks_more_than_the_bank_holds_is_refused(database, make, now):
    load(database, make.bank(n_per_domain=5), now)

    with pytest.raises(FormInvalid) as refusal, database.transaction() as db:
        api.load_form(db, make.form(), now=now)

    assert len(refusal.value.faults) == 3
    assert "the bank holds 5 items, the blueprint needs 6" in str(refusal.value)


def test_the_bank_and_the_form_that_ship_load_and_run(sitter):
    bank = json.loads((DATA / "bank-core-2567.json").read_text("utf-8"))
    person = sitter(bank=bank)
    person.start()

    def answer(step):
        options = [option.id for option in step.item.options]
        return {
            "single_choice": options[:1],
            "multiple_choice": [options],
            "true_false": [True],
            "ordering": [options],
            "matching": [dict(zip(options, [target.id for target in step.item.targets], strict=False))],
            "numeric": ["๔๒"],
            "short_text": ["ไม่ทราบ"],
        }[step.item.kind][0]

    person.sit(answer)

    assert 18 <= person.outcome().n_items <= 20
    assert count(person.database, Presentation) == person.outcome().n_items
