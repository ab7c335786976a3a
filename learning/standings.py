"""The one place where this room meets the roadmap: a person's standing becomes the aims of a path."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from kernel.langmap import LangMap
from learning.paths import Aim
from roadmap import api as roadmap

ROLE_WEIGHTS: Mapping[str | None, float] = {"agency": 1.25, "ministry": 1.1}
"""Who set the target to its weight: the nearer to the person's own role, the more it counts; 1 for every other source."""


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where a person stands on the roadmap, with the words for it."""

    aims: tuple[Aim, ...]
    labels: Mapping[str, LangMap]
    """Node key to label."""
    level_names: Mapping[int, LangMap]
    """Rank to the name of the level."""


def read_standpoint(db: Session, *, tenant_id: int, person_uuid: UUID, today: date, now: datetime) -> Standpoint:
    """The aims of one person and the labels of the framework in force."""
    return read_standpoints(db, tenant_id=tenant_id, person_uuids=[person_uuid], today=today, now=now)[person_uuid]


def read_standpoints(db: Session, *, tenant_id: int, person_uuids: Collection[UUID], today: date, now: datetime) -> dict[UUID, Standpoint]:
    """The aims of each of these people of one agency, from `roadmap.api.standings_of`; labels and levels are the same for all."""
    framework = roadmap.active_framework(db, tenant_id=tenant_id, on=today)
    standings = roadmap.standings_of(db, tenant_id=tenant_id, person_uuids=person_uuids, today=today, now=now)
    labels = {node.key: node.label for node in framework.nodes}
    level_names = {level.rank: level.label for level in framework.scale}
    return {person_uuid: Standpoint(_aims(found), labels, level_names) for person_uuid, found in standings.items()}


def _aims(standings: Iterable[roadmap.Standing]) -> tuple[Aim, ...]:
    return tuple(Aim(one.node.key, one.level, one.target, one.due, ROLE_WEIGHTS.get(one.source, 1.0)) for one in standings)
