"""What the core form does on the bank that comes with it: made-up people of known ability sit it. `python -m bench.core_form`.

Abilities of the three areas are N(0, 1) plus N(0, 0.5) each, so correlated as levels of one person are. The figures of
`docs/assessment.md` come from here.
"""

import json as json_module
import statistics
from collections import Counter
from importlib.resources import files
from random import Random
from typing import Any

from assessment.cat import Pool, PoolItem, resting_items
from assessment.forms import read_form
from assessment.irt import ItemParams, probability
from assessment.sitting import Sitting

N_PEOPLE = 1_000
R_MAX_WINDOW = 1_000


def run(json: bool = False, *, n_people: int = N_PEOPLE) -> dict[str, Any]:
    """Sittings of made-up people: items needed, error, share of right levels, exposure."""
    data = files("assessment") / "data"
    bank = json_module.loads((data / "bank-core-2567.json").read_text())["items"]
    form = read_form(json_module.loads((data / "form-core-2567.json").read_text()))
    domains = [domain.code for domain in form.domains]
    places = {item["key"]: place for place, item in enumerate(bank)}
    pool = Pool(
        [
            PoolItem(
                ItemParams(item["params"]["a"], item["params"]["b"], 0.0),
                domains.index(item["domain"]),
                frozenset(places[key] for key in item.get("enemies", ())),
            )
            for item in bank
        ],
        len(domains),
    )
    rules = form.rules()
    chance, lengths, met = Random(2567), Counter[int](), Counter[int]()
    errors, squares, hits, near = [], [], 0, 0
    for seed in range(n_people):
        general = chance.gauss(0, 1)
        truth = [general + chance.gauss(0, 0.5) for _ in domains]
        sitting = Sitting(pool, rules, seed)
        while sitting.finish_reason() is None:
            choice = sitting.next_item(resting_items(met, seed, rules.r_max))
            if choice is None:
                break
            item = pool.items[choice.place]
            sitting.answer(choice.place, chance.random() < probability(truth[item.domain], item.params))
        met.update(place for place, _ in sitting.taken)
        lengths[len(sitting.taken)] += 1
        for scale, theta in enumerate(truth):
            ability, cuts = sitting.ability(scale), rules.cuts[scale]
            distance = abs(sum(ability.theta >= cut for cut in cuts) - sum(theta >= cut for cut in cuts))
            errors.append(ability.sd)
            squares.append((ability.theta - theta) ** 2)
            hits, near = hits + (distance == 0), near + (distance <= 1)
    n_levels = n_people * len(domains)
    figures = {
        "people": n_people,
        "items": {str(n): round(count / n_people, 3) for n, count in sorted(lengths.items())},
        "mean_error": round(statistics.mean(errors), 3),
        "rmse": round(statistics.mean(squares) ** 0.5, 3),
        "level_right": round(hits / n_levels, 3),
        "level_within_one": round(near / n_levels, 3),
        "max_exposure": round(max(met.values()) / n_people, 3),
        "never_met": sum(1 for place in range(len(bank)) if place not in met),
    }
    if not json:
        for name, value in figures.items():
            print(f"{name:18} {value}")
    return figures


if __name__ == "__main__":
    run()
