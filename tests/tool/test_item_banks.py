"""`kaona items score`, `simulate` and `load-form` with partial credit, testlets, enemies and lists."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assessment.simulate import made_up_bank
from tests.tool.test_item_commands import SHARES, read, run


def chances(theta: float, a: float, steps: tuple[float, ...]) -> list[float]:
    """Muraki (1992), by plain exponentials."""
    weights = [math.exp(sum(a * (theta - step) for step in steps[:k])) for k in range(len(steps) + 1)]
    return [weight / sum(weights) for weight in weights]


PARTIAL = {"p1": (1.2, (-0.5, 0.4)), "p2": (0.8, (-1.0, 0.2, 0.9)), "q1": (1.1, (0.3,))}


@pytest.fixture(params=["one column", "several columns", "b as well"])
def partial_bank(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "bank.csv"
    if request.param == "several columns":
        lines = ["item,a,b,step1,step2,step3", "p1,1.2,,-0.5,0.4,", "p2,0.8,,-1,0.2,0.9", "q1,1.1,0.3,,,"]
    elif request.param == "one column":
        lines = ["item,a,b,steps", "p1,1.2,,-0.5;0.4", "p2,0.8,,-1 0.2 0.9", "q1,1.1,0.3,"]
    else:
        lines = ["item,a,b,steps", "p1,1.2,-0.05,-0.5;0.4", "p2,0.8,0.0333,-1;0.2;0.9", "q1,1.1,0.3,"]
    path.write_text("\n".join(lines))
    return path


def test_score_takes_partial_credit_and_agrees_with_a_fine_integral(partial_bank: Path, tmp_path: Path):
    answers = tmp_path / "answers.csv"
    rows: list[tuple[int | None, ...]] = [(0, 0, 0), (2, 3, 1), (1, 2, None), (2, 0, 1)]
    answers.write_text("p1,p2,q1\n" + "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows))

    persons = read("score", "--bank", partial_bank, "--responses", answers)["persons"]

    points = [k / 200 for k in range(-1200, 1201)]
    for row, person in zip(rows, persons, strict=True):
        seen = [(PARTIAL[name], cell) for name, cell in zip(PARTIAL, row, strict=True) if cell is not None]
        likelihood = [math.prod(chances(theta, a, steps)[cell] for (a, steps), cell in seen) for theta in points]
        weights = [own * math.exp(-(theta**2) / 2) for own, theta in zip(likelihood, points, strict=True)]
        mean = sum(w * theta for w, theta in zip(weights, points, strict=True)) / sum(weights)
        sd = math.sqrt(sum(w * (theta - mean) ** 2 for w, theta in zip(weights, points, strict=True)) / sum(weights))
        assert person["eap"] == pytest.approx(mean, abs=2e-3)
        assert person["sd"] == pytest.approx(sd, abs=2e-3)
        assert person["map"] == pytest.approx(max(zip(weights, points, strict=True))[1], abs=5e-3)
        assert person.keys() == {"eap", "sd", "wle", "map"}


@pytest.mark.parametrize(
    ("bank", "told"),
    [
        ("item,a,b,steps\np1,1,0.5,-0.5;0.4", "row 1 (p1)"),
        ("item,a,b,c,steps\np1,1,,0.2,-0.5;0.4", "row 1 (p1)"),
        ("item,a,step1,step2\np1,1,,0.4", "row 1 (p1)"),
        ("item,a,step1,steps\np1,1,0.1,0.4", "heading: the steps are either in one column or in several"),
        ("item,a\np1,1", "heading: there is no column b"),
        ("item,b,enemies\np1,1,p9", "column enemies (p1): there is no item p9"),
        ("item,b,d\np1,1,1.7", "column d: not one of item, a, b, c, steps"),
    ],
)
def test_a_bank_that_contradicts_itself_is_refused_with_the_place(tmp_path: Path, bank: str, told: str):
    (tmp_path / "bank.csv").write_text(bank)
    (tmp_path / "answers.csv").write_text("p1\n1")

    result = run("score", "--bank", tmp_path / "bank.csv", "--responses", tmp_path / "answers.csv", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr


@pytest.mark.parametrize("score", ["3", "0.5"])
def test_a_score_that_an_item_does_not_have_is_told_with_row_and_column(tmp_path: Path, score: str):
    (tmp_path / "bank.csv").write_text("item,steps\np1,-0.5;0.4\np2,0.1")
    (tmp_path / "answers.csv").write_text(f"p1,p2\n2,1\n{score},0")

    result = run("score", "--bank", tmp_path / "bank.csv", "--responses", tmp_path / "answers.csv")

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"row 2, column p1: {score}: the item has the scores 0 to 2" in result.stderr


def test_simulated_tests_of_partial_credit_are_shorter_for_the_same_error(tmp_path: Path):
    chance = Random(3)
    plain, partial = ["item,a,b"], ["item,a,steps"]
    for place in range(300):
        a, b = math.exp(chance.gauss(0.2, 0.3)), chance.gauss(0, 1.2)
        plain.append(f"i{place},{a},{b}")
        partial.append(f"i{place},{a},{b - 1};{b};{b + 1}")
    figures = {}
    for name, lines in (("plain", plain), ("partial", partial)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
        figures[name] = read("simulate", "--bank", tmp_path / f"{name}.csv", "--examinees", "300", "--seed", "7")

    assert figures["partial"]["items_mean"] < 0.8 * figures["plain"]["items_mean"]
    assert figures["partial"]["rmse"] <= 0.32


def grouped_bank(path: Path) -> Path:
    """500 items of five areas; half come together in threes of about the same difficulty, others are enemies of their neighbours."""
    items = made_up_bank(500, 42, shares=tuple(SHARES.values()))
    order = sorted(range(500), key=lambda place: (items[place].domain, items[place].params.b))
    testlets = {place: f"T{k // 3}" for k, place in enumerate(order) if k // 3 % 2 == 0}
    lines = ["item,a,b,domain,testlet,enemies"]
    for place in sorted(range(500), key=order.index):
        params = items[place].params
        enemy = "" if place in testlets or place + 1 in testlets or place == 499 else f"i{place + 1}"
        lines.append(f"i{place},{params.a},{params.b},{'ABCDE'[items[place].domain]},{testlets.get(place, '')},{enemy}")
    path.write_text("\n".join(lines))
    return path


def test_simulated_tests_with_testlets_keep_the_blueprint_within_one_item(tmp_path: Path):
    bank, blueprint = grouped_bank(tmp_path / "bank.csv"), tmp_path / "blueprint.json"
    blueprint.write_text(json.dumps({"shares": SHARES, "min": {"E": 1}, "max": {"A": 10}}))

    found: dict[str, Any] = read(
        "simulate",
        "--bank",
        bank,
        "--examinees",
        "150",
        "--seed",
        "7",
        "--blueprint",
        blueprint,
        "--max-exposure",
        "0.25",
        "--max-items",
        "30",
    )

    assert found["blueprint_deviation_max"] <= 1 + 1e-9
    assert found["items_p95"] <= 30
    assert found["max_exposure"] <= 0.27


def test_a7_a_cap_brings_a_progressive_start_that_uses_more_than_half_of_the_bank(tmp_path: Path):
    bank, blueprint = tmp_path / "bank.csv", tmp_path / "blueprint.json"
    items = made_up_bank(500, 42, shares=tuple(SHARES.values()))
    bank.write_text("item,a,b,domain\n" + "\n".join(f"i{n},{i.params.a},{i.params.b},{'ABCDE'[i.domain]}" for n, i in enumerate(items)))
    blueprint.write_text(json.dumps({"shares": SHARES}))
    common = ("simulate", "--bank", bank, "--examinees", "1000", "--seed", "7", "--blueprint", blueprint, "--max-exposure", "0.25")

    found, without = read(*common), read(*common, "--progressive", "0")

    assert found["unused_share"] <= 0.5 < without["unused_share"]
    for figures in (found, without):
        assert figures["items_mean"] <= 16
        assert figures["rmse"] <= 0.31
        assert figures["max_exposure"] <= 0.26
        assert figures["blueprint_deviation_max"] <= 1
        assert figures["overlap_mean"] <= 0.20
