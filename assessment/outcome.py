"""What a finished test says: per area a level with its error, and one scaled figure for the whole. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assessment.estimation import Ability, Density, chance_at_least, eap

MET: Final = "met"
NOT_MET: Final = "not_met"
UNDECIDED: Final = "undecided"
"""The verdicts on a cut; the last is no failure: it is told with the next chance."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one area.

    ability       EAP and its standard deviation
    level         highest level whose cut the estimate reaches; 0 below the first, and 0 without an answer
    p_levels      P(theta >= cut) for each level from 1, never rising
    verdicts      on each of these cuts: MET, NOT_MET or UNDECIDED
    is_borderline a cut lies within one standard deviation of the estimate
    is_indicative too few items for a firm claim
    """

    ability: Ability
    level: int
    p_levels: tuple[float, ...]
    verdicts: tuple[str, ...]
    is_borderline: bool
    is_indicative: bool


def judge_area(posterior: Density, cuts: Sequence[float], *, n_items: int, min_items_for_level: int, confidence: float) -> Verdict:
    """The verdict on one area from its posterior.

    posterior   at the grid, (41,), sum 1
    cuts        of level 1, 2, ... in logits, rising
    confidence  as in `verdict_by`; without an answer every cut is undecided, whatever the prior says
    """
    ability = eap(posterior)
    chances = chances_at(posterior, cuts)
    return Verdict(
        ability=ability,
        level=sum(ability.theta >= cut for cut in cuts) if n_items else 0,  # the prior alone earns no level
        p_levels=chances,
        verdicts=tuple(verdict_by(chance, confidence) if n_items else UNDECIDED for chance in chances),
        is_borderline=any(abs(ability.theta - cut) <= ability.sd for cut in cuts),
        is_indicative=n_items < min_items_for_level,
    )


def chances_at(posterior: Density, cuts: Sequence[float]) -> tuple[float, ...]:
    """P(theta >= cut) of rising cuts, never rising."""
    chances: list[float] = []
    for cut in cuts:
        chances.append(min(chance_at_least(posterior, cut), *chances[-1:], 1.0))
    return tuple(chances)


def verdict_by(chance: float, confidence: float) -> str:
    """The verdict on one cut, rule 1: MET from `confidence` upwards, NOT_MET from 1 - confidence downwards, else UNDECIDED.

    chance      P(theta >= cut)
    confidence  above one half, below 1
    Source      Rudner (2009), decisions by posterior probability; a third verdict where the evidence is short of both
    """
    if chance >= confidence:
        return MET
    return NOT_MET if chance <= 1 - confidence else UNDECIDED


def verdicts_on(posterior: Density, cuts: Sequence[float], confidence: float) -> tuple[str, ...]:
    """Verdicts on rising cuts from a posterior."""
    return tuple(verdict_by(chance, confidence) for chance in chances_at(posterior, cuts))


def composite(abilities: Sequence[Ability], shares: Sequence[float]) -> Ability:
    """One ability over areas: their mean by share, with the error that independent areas give it.

    shares   per area, sum 1
    """
    theta = sum(share * ability.theta for ability, share in zip(abilities, shares, strict=True))
    variance = sum((share * ability.sd) ** 2 for ability, share in zip(abilities, shares, strict=True))
    return Ability(theta, variance**0.5)


def scaled_score(levels: Sequence[int], top_level: int) -> float:
    """Mean share of the top level that the areas reached, 0..1; 0 without areas."""
    return sum(level / top_level for level in levels) / len(levels) if levels and top_level else 0.0
