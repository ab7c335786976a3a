"""`kaona items`: files in, figures out, for people and for scripts."""

import io
import json
import math
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assessment.simulate import made_up_bank
from lti_tool.cli import main
from tests.assessment.lsat import lsat6_csv

SHARES = {"A": 0.30, "B": 0.25, "C": 0.20, "D": 0.15, "E": 0.10}


@dataclass
class Result:
    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str | Path) -> Result:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(["items", *map(str, arguments)])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def read(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(lsat6_csv())
    return path


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    lines = ["item,a,b,c,domain"]
    for place, item in enumerate(made_up_bank(500, 42, shares=tuple(SHARES.values()))):
        lines.append(f"i{place},{item.params.a},{item.params.b},{item.params.c},{'ABCDE'[item.domain]}")
    path = tmp_path / "bank.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("model", ["1pl", "2pl", "3pl", "gpcm"])
def test_calibrate_prints_what_scripts_rely_on(answers: Path, model: str):
    found = read("calibrate", "--responses", answers, "--model", model)

    assert {"model", "n_persons", "log_likelihood", "iterations", "items"} <= found.keys()
    assert (found["model"], found["n_persons"]) == (model, 1000)
    assert found["log_likelihood"] == pytest.approx(-2466.8, abs=0.2)
    for item in found["items"]:
        assert {"item", "a", "b", "c", "se_a", "se_b"} <= item.keys()


def test_analyse_prints_what_scripts_rely_on(answers: Path, tmp_path: Path):
    groups = tmp_path / "groups.csv"
    groups.write_text("group\n" + "\n".join("ab"[person % 2] for person in range(1000)))

    found = read("analyse", "--responses", answers, "--group", groups)

    assert {"n_persons", "alpha", "sem", "items"} <= found.keys()
    for item in found["items"]:
        assert {"item", "facility", "discrimination", "point_biserial", "dif"} <= item.keys()
        assert item["dif"].keys() == {"mh_chi2", "mh_alpha", "mh_delta", "ets"}
    assert [item["dif"] for item in read("analyse", "--responses", answers)["items"]] == [None] * 5


def test_score_gives_the_published_abilities_of_lsat6(tmp_path: Path):
    """EAP and sd as facts of ltm 1.2 for R: patterns 00000, 11011, 11111."""
    bank, answers = tmp_path / "bank.csv", tmp_path / "answers.csv"
    slopes, places = (0.8257, 0.7227, 0.8909, 0.6884, 0.6569), (-3.3588, -1.3701, -0.2797, -1.8664, -3.1259)
    bank.write_text("item,a,b\n" + "\n".join(f"q{n},{a},{b}" for n, (a, b) in enumerate(zip(slopes, places, strict=True))))
    answers.write_text("q0,q1,q2,q3,q4\n0,0,0,0,0\n1,1,0,1,1\n1,1,1,1,1\n,,,,\n")

    found = read("score", "--bank", bank, "--responses", answers)

    persons = found["persons"]
    assert isinstance(persons, list)
    expected = [(-1.8968, 0.8013), (0.0082, 0.8338), (0.6456, 0.8590), (0.0, 1.0)]
    for person, (eap, sd) in zip(persons, expected, strict=True):
        assert person.keys() == {"eap", "sd", "wle", "map"}
        assert (person["eap"], person["sd"]) == (pytest.approx(eap, abs=5e-4), pytest.approx(sd, abs=5e-4))
    for person, pattern in zip(persons, ("00000", "11011", "11111"), strict=False):
        assert person["map"] == pytest.approx(highest_point(slopes, places, pattern), abs=1e-3)
    assert (persons[3]["wle"], persons[3]["map"]) == (None, pytest.approx(0, abs=1e-9))


def highest_point(slopes: tuple[float, ...], places: tuple[float, ...], pattern: str) -> float:
    """Where likelihood times prior is highest, by looking at every thousandth."""

    def height(theta: float) -> float:
        chances = [1 / (1 + math.exp(-a * (theta - b))) for a, b in zip(slopes, places, strict=True)]
        return sum(math.log(p if mark == "1" else 1 - p) for p, mark in zip(chances, pattern, strict=True)) - theta**2 / 2

    return max((k / 1000 for k in range(-4000, 4000)), key=height)


def test_a5_a6_a8_simulate_reaches_what_the_engine_promises(bank: Path, tmp_path: Path):
    blueprint = tmp_path / "blueprint.json"
    blueprint.write_text(json.dumps({"shares": SHARES}))
    common = ("simulate", "--bank", bank, "--examinees", "600", "--seed", "7")

    free = read(*common)
    bound = read(*common, "--blueprint", blueprint, "--max-exposure", "0.25")
    cut = read(*common, "--cut", "0.5")

    keys = [
        "items_mean",
        "items_p95",
        "rmse",
        "bias",
        "max_exposure",
        "unused_share",
        "overlap_mean",
        "blueprint_deviation_max",
        "decisions",
    ]
    assert [list(found) for found in (free, bound, cut)] == [keys] * 3
    assert (free["items_mean"] <= 12.5, free["rmse"] <= 0.31, abs(free["bias"]) <= 0.04) == (True, True, True)
    assert bound["items_mean"] <= 16
    assert bound["max_exposure"] <= 0.26
    assert bound["blueprint_deviation_max"] <= 1
    assert bound["overlap_mean"] <= 0.20
    assert free["decisions"] == {"right": None, "undecided": None}
    assert cut["decisions"]["right"] >= 0.96
    assert 0 < cut["decisions"]["undecided"] < 0.25


def test_the_same_seed_gives_the_same_figures_and_another_one_others(bank: Path):
    common = ("simulate", "--bank", bank, "--examinees", "50", "--seed")

    assert read(*common, "1") == read(*common, "1")
    assert read(*common, "1") != read(*common, "2")


def test_faults_of_a_file_are_told_with_row_and_column_and_nothing_is_printed(tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_text("q1,q2\n1,0\n1\n1,x\n")

    result = run("calibrate", "--responses", path, "--model", "2pl", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "row 2" in result.stderr
    assert "row 3, column q2" in result.stderr


def test_an_item_that_everybody_got_right_is_left_out_and_said(tmp_path: Path):
    path = tmp_path / "answers.csv"
    lines = lsat6_csv().splitlines()
    path.write_text("\n".join([lines[0] + ",easy", *(line + ",1" for line in lines[1:])]))

    result = run("calibrate", "--responses", path, "--model", "1pl", "--json")

    assert "column easy: everybody was right; left out" in result.stderr
    assert json.loads(result.stdout)["set_aside"] == {"easy": "all_right"}


def test_a_model_that_does_not_converge_says_so_and_gives_no_numbers(tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_text("q1,q2,q3\n" + "1,1,1\n1,1,0\n1,0,0\n0,0,0\n" * 30)

    result = run("calibrate", "--responses", path, "--model", "2pl", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "did not converge" in result.stderr


def test_a_group_that_nobody_is_in_is_a_wrong_use(answers: Path, tmp_path: Path):
    groups = tmp_path / "groups.csv"
    groups.write_text("group\n" + "\n".join("ab"[person % 2] for person in range(1000)))

    assert run("analyse", "--responses", answers, "--group", groups, "--reference", "c").exit_code == 2
    assert run("analyse", "--responses", answers, "--group", groups, "--reference", "a", "--focal", "a").exit_code == 2


def test_a_long_run_shows_where_it_stands(bank: Path, monkeypatch: pytest.MonkeyPatch):
    from lti_tool.cli import items

    monkeypatch.setattr(items, "QUIET_SECONDS", 0.0)

    assert "of 20 examinees" in run("simulate", "--bank", bank, "--examinees", "20", "--seed", "1").stderr


def test_tables_for_people_hold_the_same(answers: Path, bank: Path):
    assert "log likelihood -2466.6534" in run("calibrate", "--responses", answers, "--model", "2pl").stdout
    assert "alpha 0.2950, SEM 0.8691" in run("analyse", "--responses", answers).stdout
    assert "items_mean" in run("simulate", "--bank", bank, "--examinees", "20", "--seed", "1").stdout


def test_a_column_that_the_bank_lacks_is_named(bank: Path, answers: Path):
    result = run("score", "--bank", bank, "--responses", answers)

    assert (result.exit_code, "column item1: the bank has no such item" in result.stderr) == (1, True)


def test_partial_credit_is_ranked_by_the_model_for_it(tmp_path: Path):
    path = tmp_path / "answers.csv"
    chance = Random(1)
    rows = []
    for _ in range(400):
        theta = chance.gauss(0, 1)
        rows.append(",".join(str(sum(chance.random() < 1 / (1 + math.exp(step - theta)) for step in (-0.5, 0.5))) for _ in range(4)))
    path.write_text("a,b,c,d\n" + "\n".join(rows))

    found = read("calibrate", "--responses", path, "--model", "gpcm")

    assert [len(item["steps"]) for item in found["items"]] == [2, 2, 2, 2]


def test_analyse_tells_fit_options_and_both_ways_of_comparing_groups(answers: Path, tmp_path: Path):
    lines = answers.read_text().splitlines()
    letters, groups, key = tmp_path / "letters.csv", tmp_path / "groups.csv", tmp_path / "key.csv"
    letters.write_text("\n".join([lines[0], *(line.replace("1", "b").replace("0", "c") for line in lines[1:])]))
    groups.write_text("\n".join(["group", *("ab"[place % 2] for place in range(1000))]))
    key.write_text("item,key\n" + "\n".join(f"{name},b" for name in lines[0].split(",")))

    found = read("analyse", "--responses", answers, "--group", groups, "--answers", letters, "--key", key)

    assert (found["kr20"], found["left_out"]) == (pytest.approx(0.294997, abs=1e-6), {})
    for item in found["items"]:
        assert set(item["dif_more"]["logistic"]) >= {"uniform_p", "nonuniform_p", "r2_change", "size"}
        assert item["s_x2"]["df"] in {1, 2}
        assert [(one["option"], one["is_key"]) for one in item["distractors"]] == [("b", True), ("c", False)]
    shown = run("analyse", "--responses", answers, "--group", groups, "--answers", letters, "--key", key).stdout
    assert "infit" in shown
    assert "fifth 5" in shown


def test_answers_that_do_not_go_with_the_scores_are_refused_with_the_place(answers: Path, tmp_path: Path):
    letters, key = tmp_path / "letters.csv", tmp_path / "key.csv"
    letters.write_text("item1,item2\nb,c\n")
    key.write_text("item,key\nitem9,b\n")

    assert "--key" in run("analyse", "--responses", answers, "--answers", letters).stderr
    assert "heading" in run("analyse", "--responses", answers, "--answers", letters, "--key", key).stderr


def test_decisions_of_a_form_an_end_rule_and_people_are_told_side_by_side(tmp_path: Path):
    """The four items of R's cacIRT, 1.7 within a; its cuts of 2 and 3 points as abilities."""
    bank, people = tmp_path / "bank.csv", tmp_path / "people.csv"
    bank.write_text("item,a,b\nq1,1.7,-2\nq2,1.7,1\nq3,1.7,0\nq4,1.7,1\nq5,1,0\n")
    people.write_text("theta,se\n-1.2,0.4\n0.9,0.33\n")
    cuts = ("--cut", "1.1518451610236429", "--cut", "0.23023923180426842")

    found = read("decisions", "--bank", bank, *cuts, "--items", "q1,q2,q3,q4", "--se", "0.3", "--estimates", people)

    assert (found["n_items"], found["cuts"]) == (4, pytest.approx([0.2302392, 1.1518452]))
    assert found["lee"]["raw_cuts"] == [2, 3]
    assert found["lee"]["accuracy"] == pytest.approx(0.6053875, abs=5e-4)
    assert found["rudner_at_se"]["consistency"] == pytest.approx(0.8040360, abs=5e-4)
    assert 0 < found["rudner_of_people"]["accuracy"] < 1
    assert "q9" in run("decisions", "--bank", bank, *cuts, "--items", "q9").stderr
