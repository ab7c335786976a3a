"""From evidence to a level, by a named version of the rule. Pure; the reasons stand in docs/decisions/0004-attainment-rule.md.

The level is the highest that counted, unexpired evidence shows, each kind and each test that broke off up to its cap. So trying
again never lowers a level, the order of evidence does not matter, and one piece of evidence answers for the level.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from roadmap.framework import CARRYING_RELATIONS, TOP_RANK

UNMEASURED_ERROR: Final = float("inf")
"""Evidence without a standard error ranks behind every measured one."""


@dataclass(frozen=True, slots=True)
class KindPolicy:
    """How one kind of evidence counts."""

    max_level: int
    """The highest level that this kind alone can show."""
    valid_days: int | None = None
    """Days for which it counts; None for ever."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of the rule. A kind that is not named never counts."""

    key: str
    kinds: Mapping[str, KindPolicy]
    indicative_max_level: int | None = None
    """The highest level that evidence from too few items can show; None for no bound of its own."""

    def as_policy(self) -> dict[str, Any]:
        """The rule as stored beside the attainments that it made."""
        kinds = {kind: {"max_level": policy.max_level, "valid_days": policy.valid_days} for kind, policy in self.kinds.items()}
        return {"choose": "highest_unexpired", "kinds": kinds, "indicative_max_level": self.indicative_max_level}


RULE: Final = Rule("2026-2", {"test": KindPolicy(max_level=3), "course": KindPolicy(max_level=1)}, indicative_max_level=1)
"""The rule in force. Self-report is not named. No authority has set a period of validity, so none is set here."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the rule reads of one piece of evidence."""

    uuid: UUID
    statement_id: UUID
    kind: str
    level: int
    theta: float | None
    se: float | None
    borderline: bool
    indicative: bool
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Attained:
    """A level and the evidence that answers for it."""

    level: int
    theta: float | None
    se: float | None
    borderline: bool
    indicative: bool
    as_of: datetime
    expires_at: datetime | None
    evidence_uuid: UUID
    statement_id: UUID
    rule_version: str


def attain(evidence: Iterable[Shown], rule: Rule, *, at: datetime | None = None) -> Attained | None:
    """The level of one person in one competency.

    evidence  all of it, in any order
    at        the moment for which expiry is judged; by default that of the newest evidence, so that the outcome rests on
              evidence alone
    Returns   None when nothing counts: unknown, which is not level 0
    """
    counted = [one for one in evidence if is_counted(one, rule)]
    if not counted:
        return None
    moment = at if at is not None else max(one.observed_at for one in counted)
    valid = [one for one in counted if _is_valid(one, rule, moment)]
    if not valid:
        return None
    best = min(valid, key=lambda one: _rank(one, rule))
    return Attained(
        level=level_of(best, rule),
        theta=best.theta,
        se=best.se,
        borderline=best.borderline,
        indicative=best.indicative,
        as_of=best.observed_at,
        expires_at=_expiry(best, rule),
        evidence_uuid=best.uuid,
        statement_id=best.statement_id,
        rule_version=rule.key,
    )


@dataclass(frozen=True, slots=True)
class Carrier:
    """One link of the crosswalk, as far as carrying asks for it."""

    from_uuid: UUID
    to_uuid: UUID
    relation: str
    reviewed: bool


def carry(attained: Mapping[UUID, Attained], links: Iterable[Carrier], *, top_rank: int = TOP_RANK) -> dict[UUID, tuple[UUID, Attained]]:
    """Attainments brought over from other framework versions, to be shown as carried and counted apart from measured ones.

    attained  level by node, all frameworks together
    links     the crosswalk; only reviewed `exactMatch` (both ways) and `replacedBy` (forward) carry
    top_rank  the highest rank of the scale that they are brought to
    Returns   node to (node it came from, attainment): only for nodes with no attainment of their own. Where several nodes
              became one, the lowest of their levels is carried, and none while one of them is unknown.
    """
    sources: dict[UUID, set[UUID]] = {}
    for link in links:
        if link.reviewed and link.relation in CARRYING_RELATIONS:
            sources.setdefault(link.to_uuid, set()).add(link.from_uuid)
            if link.relation == "exactMatch":
                sources.setdefault(link.from_uuid, set()).add(link.to_uuid)
    brought: dict[UUID, tuple[UUID, Attained]] = {}
    for node, origins in sources.items():
        if node in attained or not origins <= attained.keys():
            continue
        origin = min(origins, key=lambda uuid: (attained[uuid].level, str(uuid)))
        brought[node] = (origin, replace(attained[origin], level=min(attained[origin].level, top_rank)))
    return brought


def is_counted(one: Shown, rule: Rule) -> bool:
    """The rule counts this kind at all."""
    return one.kind in rule.kinds


def level_of(one: Shown, rule: Rule) -> int:
    """The level that one piece of evidence shows, within the bounds of its kind and length; 0 for a kind that does not count."""
    if not is_counted(one, rule):
        return 0
    level = min(one.level, rule.kinds[one.kind].max_level)
    if one.indicative and rule.indicative_max_level is not None:
        return min(level, rule.indicative_max_level)
    return level


def _is_valid(one: Shown, rule: Rule, moment: datetime) -> bool:
    expiry = _expiry(one, rule)
    return expiry is None or expiry > moment


def _expiry(one: Shown, rule: Rule) -> datetime | None:
    days = rule.kinds[one.kind].valid_days
    try:
        return None if days is None else one.observed_at + timedelta(days=days)
    except OverflowError:  # beyond the calendar's end
        return None


def _rank(one: Shown, rule: Rule) -> tuple[Any, ...]:
    """Best first: level, then firm before indicative, clear of the cut, precise, recent; the id settles the rest."""
    error = one.se if one.se is not None else UNMEASURED_ERROR
    return (-level_of(one, rule), one.indicative, one.borderline, error, -one.observed_at.timestamp(), str(one.uuid))
