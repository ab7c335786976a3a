"""One valid thing each, every part replaceable."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from kernel.clock import rfc3339
from roadmap.framework import node_uuid

BASE = "https://kaona.example"
NAMES = UUID("00000000-0000-4000-8000-000000002567")
EXT = "https://w3id.org/kaona/xapi/ext/"
COMPETENCY_TYPE = "https://w3id.org/xapi/tla/activity-types/competency"
CLIENT = {"objectType": "Agent", "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": "k-1"}}
OWN = {"objectType": "Agent", "account": {"homePage": BASE, "name": "kaona"}}


def document() -> dict[str, Any]:
    path = Path(__file__).parents[2] / "roadmap" / "data" / "ocsc-digital-skills.json"
    return json.loads(path.read_text(encoding="utf-8"))


def name(*parts: object) -> UUID:
    """The same made-up uuid for the same parts."""
    return uuid5(NAMES, "/".join(map(str, parts)))


def competency_iri(key: str, host: str = BASE) -> str:
    return f"{host}/ims/case/v1p1/CFItems/{node_uuid(*key.split('#'))}"


def area_result(
    person: UUID, key: str, level: int, at: datetime, *, attempt: object = 1, passed: bool | None = None, **extensions: Any
) -> dict[str, Any]:
    """Our own passed or failed statement for one area of one sitting."""
    verb = "passed" if (level >= 1 if passed is None else passed) else "failed"
    values = {"level": level, "theta": level - 1.5, "standard-error": 0.4, "items": 6, "borderline": False, "indicative": False}
    values |= {"cut-set": "core-2567/1", "framework": key.split("#", maxsplit=1)[0], "competency": key, "evidence-kind": "test"}
    values |= {member.replace("_", "-"): value for member, value in extensions.items()}
    return {
        "id": str(name("statement", person, key, attempt)),
        "version": "1.0.3",
        "actor": actor(person),
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"},
        "object": {"objectType": "Activity", "id": f"{BASE}/xapi-profile/activities/assessment/f/area/{key.split('#')[1]}"},
        "result": {
            "success": verb == "passed",
            "extensions": {EXT + member: value for member, value in values.items() if value is not None},
        },
        "context": {
            "registration": str(name("attempt", person, attempt)),
            "contextActivities": {"grouping": [{"id": competency_iri(key), "definition": {"type": COMPETENCY_TYPE}}]},
        },
        "timestamp": rfc3339(at),
    }


def course_done(
    person: UUID, key: str, at: datetime, *, verb: str = "completed", course: object = 1, place: str = "grouping"
) -> dict[str, Any]:
    """A course finished elsewhere that names a competency on a host of its own."""
    competency = {"id": competency_iri(key, "https://case.other.example")}
    statement: dict[str, Any] = {
        "id": str(name("course", person, key, verb, course)),
        "actor": actor(person),
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"},
        "object": {"id": "https://lms.other.example/course/7"},
        "timestamp": rfc3339(at),
        "authority": CLIENT,
    }
    if place == "object":
        statement["object"] = competency
    else:
        statement["context"] = {"contextActivities": {place: [competency]}}
    return statement


def voiding(statement: dict[str, Any], at: datetime, *, authority: dict[str, Any] | None = None) -> dict[str, Any]:
    """A voiding statement; by the authority of what it voids unless a test says another."""
    by = authority or statement.get("authority")
    return ({"authority": by} if by else {}) | {
        "id": str(name("void", statement["id"])),
        "actor": {"objectType": "Agent", "mbox": "mailto:admin@example.com"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": statement["id"]},
        "timestamp": rfc3339(at),
    }


def actor(person: UUID) -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": "https://agency.example", "name": str(person)}}


def days(n: float) -> timedelta:
    return timedelta(days=n)
