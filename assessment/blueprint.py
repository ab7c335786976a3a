"""Content: which domain the next item comes from, so that everyone's test has the same make-up. Pure."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

WITHIN_ITEMS: Final = 1.0
"""No domain's count is ever further from its share of the test, in items."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class DomainRule:
    """A domain's part of the blueprint.

    share     of the test, above 0; the shares of a form sum to 1
    minimum   items that every attempt gets, where its time lasts
    maximum   items that no attempt exceeds
    """

    share: float = 1.0
    minimum: int = 0
    maximum: int = 1_000_000


def next_domains(
    rules: Sequence[DomainRule],
    given: Sequence[int],
    *,
    max_items: int,
    urgency: Sequence[float] | None = None,
    spent: Collection[int] = (),
) -> list[int]:
    """Domains that the next item may come from, the best first; empty when none may.

    given      items so far, per domain
    max_items  of the whole test: what the minimums still need is kept free
    urgency    per domain, how much another item is wanted once all minimums are met (the higher the sooner); None: shares alone
    spent      domains without an item left
    Source     Kingsbury & Zara (1991), shortfall share x (t + 1) - given, within minimum and maximum; among domains that
               are short the one whose bound comes first, Tijdeman (1980), The chairman assignment problem: the largest
               shortfall alone lets a small domain fall more than one item behind where there are four or more
    """
    t = sum(given)
    shortfall = [rule.share * (t + 1) - count for rule, count in zip(rules, given, strict=True)]
    owed = [max(rule.minimum - count, 0) for rule, count in zip(rules, given, strict=True)]
    open_ = [d for d, rule in enumerate(rules) if d not in spent and given[d] < rule.maximum]
    if sum(owed) >= max_items - t:
        open_ = [d for d in open_ if owed[d] > 0] or open_
    if urgency is None or any(owed):
        return sorted(open_, key=lambda d: _due(rules[d].share, shortfall[d], len(rules)))
    level = [d for d in open_ if _stays_level(shortfall, d)]
    if level:
        return sorted(level, key=lambda d: (-urgency[d], -shortfall[d]))
    return sorted(open_, key=lambda d: _due(rules[d].share, shortfall[d], len(rules)))


def minimums_met(rules: Sequence[DomainRule], given: Sequence[int], spent: Collection[int] = ()) -> bool:
    """Whether every domain has its minimum, or no item left."""
    return all(count >= rule.minimum or d in spent for d, (rule, count) in enumerate(zip(rules, given, strict=True)))


def may_hold(rules: Sequence[DomainRule], given: Sequence[int], more: Sequence[int], *, max_items: int) -> bool:
    """Whether several items that come together may be given now: so that what is left of the longest test can still bring every
    domain to its minimum and within one item of its share.

    given, more   items so far and of the testlet, per domain
    """
    needed = 0
    for rule, count, own in zip(rules, given, more, strict=True):
        due = rule.share * max_items
        if own and count + own > min(rule.maximum, due + WITHIN_ITEMS + _ROUNDING):
            return False
        needed += max(count + own, rule.minimum, min(math.ceil(due - WITHIN_ITEMS - _ROUNDING), rule.maximum))
    return needed <= max_items


def is_level(rules: Sequence[DomainRule], given: Sequence[int]) -> bool:
    """Whether every domain is within one item of its share of the items so far."""
    t = sum(given)
    return all(abs(count - rule.share * t) <= WITHIN_ITEMS + _ROUNDING for rule, count in zip(rules, given, strict=True))


def _due(share: float, shortfall: float, n_domains: int) -> tuple[int, float]:
    """Rank of a domain, the lowest first: by the items until it would fall behind; domains that are not short come last."""
    slack = 1 / max(2 * n_domains - 2, 1)
    if shortfall >= slack - _ROUNDING:
        return 0, round((1 - slack - shortfall) / share, 9)
    return 1, -shortfall


def _stays_level(shortfall: Sequence[float], chosen: int) -> bool:
    """Whether every domain is within one item of its share after one more item of the chosen domain."""
    return all(abs(value - (d == chosen)) <= WITHIN_ITEMS + _ROUNDING for d, value in enumerate(shortfall))
