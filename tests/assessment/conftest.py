"""Banks, forms and persons of the assessment tests: each builder gives one valid thing, every field overridable."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assessment import api
from assessment.views import Answer, Outcome, Step
from kernel.db import Database

DATA = Path(__file__).parents[2] / "assessment" / "data"
PERSON, NOBODY = uuid.UUID(int=1), uuid.UUID(int=0)
DOMAINS = ("DLIT", "DGOV", "DLEAD")


def texts(word: str) -> dict[str, str]:
    return {"th": f"{word} ไทย", "en": f"{word} English"}


def make_item(number: int = 1, domain: str = "DLIT", **fields: Any) -> dict[str, Any]:
    key = fields.get("key", f"{domain}-{number:03}")
    item: dict[str, Any] = {
        "key": key,
        "domain": domain,
        "topic": texts("topic"),
        "kind": "single_choice",
        "params": {"model": "2pl", "a": 1.0 + number % 5 / 5, "b": -2 + number % 17 / 4},
        "time_guide_seconds": 60,
        "stem": texts(f"stem of {key}"),
        "options": [{"id": name, "text": texts(f"option {name}")} for name in "abcd"],
        "correct": "b",
        "rationale": texts(f"rationale of {key}"),
    }
    item.update(fields)
    return {name: value for name, value in item.items() if value is not None}


def make_bank(n_per_domain: int = 15, **fields: Any) -> dict[str, Any]:
    bank = {
        "format": "kaona-bank",
        "format_version": 1,
        "framework": "th-ds-2567",
        "licence": "CC-BY-4.0",
        "parameters": {"status": "provisional", "note": texts("note")},
        "items": [make_item(number, domain) for domain in DOMAINS for number in range(1, n_per_domain + 1)],
    }
    return bank | fields


def make_form(**fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DATA / "form-core-2567.json").read_text("utf-8"))
    return document | fields


@dataclass
class Sitter:
    """One person in front of one form, through the door; each call is a transaction of its own."""

    database: Database
    form_uuid: uuid.UUID
    now: datetime
    tenant_id: int = 1
    person: uuid.UUID = PERSON
    device: str = "phone"
    seed: int = 1
    attempt: uuid.UUID = NOBODY

    def start(self, **overrides: Any) -> Any:
        with self.database.transaction() as db:
            started = api.start_attempt(
                db,
                **{
                    "tenant_id": self.tenant_id,
                    "person_uuid": self.person,
                    "form_uuid": self.form_uuid,
                    "launch_ref": "launch-1",
                    "seed": self.seed,
                    "now": self.now,
                }
                | overrides,
            )
        self.attempt = started.attempt_uuid
        return started

    def step(self, device: str | None = None) -> Step:
        with self.database.transaction() as db:
            return api.get_step(
                db, self.attempt, tenant_id=self.tenant_id, person_uuid=self.person, device=device or self.device, now=self.now
            )

    def submit(self, step: Step, value: Any = "b", client_id: str | None = None, *, device: str | None = None, **fields: Any) -> Step:
        assert step.item
        answer = Answer(step.item.presentation_uuid, client_id or f"client-{step.position}", value, **fields)
        with self.database.transaction() as db:
            return api.submit_response(
                db, self.attempt, answer, tenant_id=self.tenant_id, person_uuid=self.person, device=device or self.device, now=self.now
            )

    def sit(self, value_of: Callable[[Step], Any] = lambda _step: "b", *, seconds_an_item: float = 30) -> Step:
        """The whole attempt from where it stands to its end."""
        step = self.step()
        while step.state == "item":
            self.now += timedelta(seconds=seconds_an_item)
            step = self.submit(step, value_of(step), f"client-{step.position}")
        return step

    def outcome(self) -> Outcome:
        with self.database.reading() as db:
            return api.get_outcome(db, self.attempt, tenant_id=self.tenant_id)


@pytest.fixture
def make() -> Any:
    """The builders: `make.item`, `make.bank`, `make.form`, `make.texts`."""

    class Make:
        item = staticmethod(make_item)
        bank = staticmethod(make_bank)
        form = staticmethod(make_form)
        texts = staticmethod(texts)

    return Make


@pytest.fixture
def sitter(database: Database, now: datetime) -> Callable[..., Sitter]:
    """Gives a person in front of a form; the first call loads bank and form, which it may override."""
    forms: dict[str, uuid.UUID] = {}

    def new(*, bank: dict[str, Any] | None = None, form: dict[str, Any] | None = None, **fields: Any) -> Sitter:
        document = form or make_form()
        if document["key"] not in forms:
            with database.transaction() as db:
                api.load_bank(db, bank or make_bank(), now=now)
                forms[document["key"]] = api.load_form(db, document, now=now).uuid
        return Sitter(database, forms[document["key"]], fields.pop("now", now), **fields)

    return new
