"""Sittings as the commands store them, of people who follow the model: much quicker than sitting them."""

import math
import uuid
from random import Random
from typing import Any

from sqlalchemy import insert, select

from assessment.irt import ItemParams, probability
from assessment.models import Attempt, Form, FormItem, FormVersion, Item, ItemVersion, Presentation, Response
from tests.assessment.conftest import make_bank, make_form, make_item, texts

KEYS = [f"DLIT-{number:03}" for number in range(1, 19)]
PILOTS = ("DLIT-901", "DLIT-902", "DLIT-903")
IDS_FROM = 10**6
"""Of rows that are put there whole: far from those that the database numbers itself."""


def truth(seed: int = 1) -> dict[str, ItemParams]:
    """Slopes and difficulties as they really are; the bank's authors guessed half a logit off."""
    chance = Random(seed)
    live = {key: ItemParams(math.exp(chance.gauss(0.1, 0.2)), -1.7 + 0.2 * place) for place, key in enumerate(KEYS)}
    return live | {key: ItemParams(1.1, b) for key, b in zip(PILOTS, (-1.4, 0.0, 1.4), strict=True)}


def the_bank(params: dict[str, ItemParams], *, error: float = 0.5, seed: int = 2, status: str = "provisional") -> dict[str, Any]:
    chance = Random(seed)
    items = [
        make_item(
            key=key,
            state="pilot" if key in PILOTS else None,
            params={"model": "2pl", "a": params[key].a if not error else 1.0, "b": params[key].b + chance.gauss(0, error)},
        )
        for key in (*KEYS, *PILOTS)
    ]
    return make_bank(items=items, parameters={"status": status, "note": texts("note")})


def the_form(**fields: Any) -> dict[str, Any]:
    domain = {"code": "DLIT", "competency": "th-ds-2567#DLIT", "share": 1.0, "min": 6, "max": 12}
    cuts = [cut for cut in make_form()["cuts"] if cut["domain"] == "DLIT"]
    return make_form(key="lit", domains=[domain], cuts=cuts, min_items=6, max_items=12, pilots={"number": 1}, **fields)


def answered(
    database: Any, params: dict[str, ItemParams], n: int, *, now: Any, n_seen: int = 12, seed: int = 3, mean: float = 0.0, first: int = 1
) -> None:
    """Finished sittings, their rows as the commands store them; each saw some live items and one pilot."""
    chance = Random(seed)
    with database.transaction() as db:
        form_id, version_id = db.execute(
            select(Form.id, FormVersion.id).join(FormVersion, FormVersion.form_id == Form.id).order_by(FormVersion.n.desc())
        ).first()
        pool = {
            row.key: row
            for row in db.execute(
                select(Item.key, Item.id, ItemVersion.id.label("version_id"), FormItem.item_parameter_id)
                .join(ItemVersion, ItemVersion.item_id == Item.id)
                .join(FormItem, FormItem.item_version_id == ItemVersion.id)
                .where(FormItem.form_version_id == version_id)
            )
        }
        attempts, shown, responses = [], [], []
        for number in range(first, first + n):
            attempt_id, theta, whose = IDS_FROM + number, chance.gauss(mean, 1), {"tenant_id": 1 + number % 2}
            attempts.append(
                whose
                | {"id": attempt_id, "uuid": uuid.uuid4(), "person_uuid": uuid.UUID(int=number), "form_id": form_id}
                | {"form_version_id": version_id, "state": "finished", "seed": number, "seen_item_ids": [], "launch_ref": "x"}
                | {"started_at": now, "deadline_at": now, "finished_at": now, "finish_reason": "max_items"}
            )
            for position, key in enumerate([*chance.sample(KEYS, n_seen), chance.choice(PILOTS)], 1):
                item, presentation_id = pool[key], 100 * attempt_id + position
                shown.append(
                    whose
                    | {"id": presentation_id, "uuid": uuid.uuid4(), "attempt_id": attempt_id, "position": position, "item_id": item.id}
                    | {"item_version_id": item.version_id, "item_parameter_id": item.item_parameter_id, "shown_at": now}
                    | {"option_order": {"options": [], "targets": []}, "rested": [], "waived": ""}
                )
                responses.append(
                    whose
                    | {"id": presentation_id, "attempt_id": attempt_id, "presentation_id": presentation_id, "client_id": f"c{position}"}
                    | {"value": "b", "score": float(chance.random() < probability(theta, params[key])), "received_at": now}
                    | {"theta_after": 0.0, "se_after": 1.0}
                )
        for table, rows in ((Attempt, attempts), (Presentation, shown), (Response, responses)):
            db.execute(insert(table.__table__), rows)
