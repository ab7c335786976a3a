"""Which target holds for a person in a node, and who set it. Pure. No target is ever made up here."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

SETTERS: Final = ("agency", "ministry", "national")
"""Who may set a target, the most specific first."""


@dataclass(frozen=True, slots=True)
class TargetFact:
    """One target as entered."""

    uuid: UUID
    node_uuid: UUID
    role: str | None
    min_level: int
    due: date | None
    set_by: str


def resolve(targets: Iterable[TargetFact], *, roles: Collection[str]) -> TargetFact | None:
    """The target that holds for a person: agency over ministry over national, exact role over every role, then the higher
    level, then the earlier date.

    targets   those of one node
    roles     codes that the person holds: role and personnel group; may be empty
    Returns   None when nobody has set one: the person has no target, which is not target 0
    """
    fitting = (target for target in targets if target.role is None or target.role in roles)
    return min(fitting, key=_order, default=None)


def _order(target: TargetFact) -> tuple[int, bool, int, date, str]:
    return (SETTERS.index(target.set_by), target.role is None, -target.min_level, target.due or date.max, str(target.uuid))
