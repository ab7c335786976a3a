"""When a test has told enough. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from assessment.estimation import Ability


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Bounds of one test.

    min_items, max_items   of the whole test
    se                     an ability is precise at this standard deviation or below, logits
    clear_of_cuts_z        an ability is clear when no cut lies within z standard deviations; None: never asked
    confidence             an ability is clear when P(theta >= cut) is so high, or so low, at each of its cuts; None: never asked
    """

    min_items: int
    max_items: int
    se: float
    clear_of_cuts_z: float | None = None
    confidence: float | None = None


def is_settled(ability: Ability, cuts: Sequence[float], rule: StoppingRule) -> bool:
    """Whether one scale needs no further item: precise enough, or its interval clear of all cuts.

    Source   Eggen (1999); Thompson (2011), confidence-interval classification
    """
    if ability.sd <= rule.se:
        return True
    return rule.clear_of_cuts_z is not None and len(cuts) > 0 and distance_to_cut(ability, cuts) > rule.clear_of_cuts_z


def distance_to_cut(ability: Ability, cuts: Sequence[float]) -> float:
    """Distance of an ability from the nearest cut in its own standard deviations, >= 0; infinite without cuts."""
    return min((abs(ability.theta - cut) / ability.sd for cut in cuts), default=float("inf"))


def finish_reason(rule: StoppingRule, *, n_items: int, are_minimums_met: bool, are_settled: bool) -> str | None:
    """Why the test ends now: `max_items`, `precise`, or None to go on. Never before the blueprint's minimums."""
    if n_items >= rule.max_items:
        return "max_items"
    if n_items >= rule.min_items and are_minimums_met and are_settled:
        return "precise"
    return None
