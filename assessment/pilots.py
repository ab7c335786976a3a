"""Items that are only tried out, among those that count: where they come, and which. Pure.

A pilot is shown as any other item and counts for nothing: not for ability, end, blueprint or exposure. Where it comes is drawn from the
attempt's seed, so that a replay finds it again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assessment.draws import draw, shuffled


@dataclass(frozen=True, slots=True)
class PilotRule:
    """What a form says of pilots.

    number        in each attempt, where there are so many that may be shown
    first, last   positions in the attempt between which they come; 2 or more, and so early that an item that counts comes after
    """

    number: int
    first: int
    last: int


@lru_cache(maxsize=4096)
def pilot_positions(rule: PilotRule, seed: int) -> tuple[int, ...]:
    """Positions of the pilots in an attempt, rising."""
    return tuple(sorted(shuffled(range(rule.first, rule.last + 1), seed, "pilots")[: rule.number]))


def next_pilot(
    rule: PilotRule | None, pilots: Sequence[int], seed: int, *, n_taken: int, n_tried: int, barred: Collection[int], seen: Collection[int]
) -> int | None:
    """The place of the pilot that comes now, or None.

    pilots    places of all pilots of the pool
    n_taken   items answered that count; n_tried: pilots answered
    barred    places that this attempt must not meet: what it met, and its enemies
    seen      places that the person met lately
    """
    if rule is None or not pilots:
        return None
    positions = pilot_positions(rule, seed)
    if n_tried >= len(positions) or n_taken + n_tried + 1 < positions[n_tried]:
        return None
    free = [place for place in pilots if place not in barred and place not in seen]
    return free[draw(seed, "pilot", n_tried) % len(free)] if free else None
