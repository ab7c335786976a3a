"""What a finished test says: per area a level with its error, and one scaled figure for the whole. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from assessment.estimation import Ability, Density, chance_at_least, eap


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one area.

    ability       EAP and its standard deviation
    level         highest level whose cut the estimate reaches; 0 below the first, and 0 without an answer
    p_levels      P(theta >= cut) for each level from 1, never rising
    is_borderline a cut lies within one standard deviation of the estimate
    is_indicative too few items for a firm claim
    """

    ability: Ability
    level: int
    p_levels: tuple[float, ...]
    is_borderline: bool
    is_indicative: bool


def judge_area(posterior: Density, cuts: Sequence[float], *, n_items: int, min_items_for_level: int) -> Verdict:
    """The verdict on one area from its posterior.

    posterior   at the grid, (41,), sum 1
    cuts        of level 1, 2, ... in logits, rising
    """
    ability = eap(posterior)
    chances: list[float] = []
    for cut in cuts:
        chances.append(min(chance_at_least(posterior, cut), *chances[-1:], 1.0))
    return Verdict(
        ability=ability,
        level=sum(ability.theta >= cut for cut in cuts) if n_items else 0,  # the prior alone earns no level
        p_levels=tuple(chances),
        is_borderline=any(abs(ability.theta - cut) <= ability.sd for cut in cuts),
        is_indicative=n_items < min_items_for_level,
    )


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
