"""Which resources lead to one milestone: few, of different kinds, most of the hours in real work. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

KINDS = ("reading", "course", "practice", "coaching", "project")
"""Kinds of resource, in the order in which they follow each other within a milestone."""

FORMAL = frozenset({"reading", "course"})
DOING = frozenset({"practice", "project"})

FORMAL_SHARE_MAX = 0.3
"""Largest share of a path's hours in courses and reading (target P5)."""

DOING_SHARE_MIN = 0.5
"""Smallest share of a path's hours in practice on the job and projects (target P5)."""

RESOURCES_MAX = 3
"""Resources for one milestone, unless the person has begun more."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing to do, as the choice sees it."""

    key: str
    kind: str
    hours: float
    """Expected working hours, above 0."""


def choose_resources(
    candidates: Collection[Resource], *, kept: Collection[str] = (), used: Mapping[str, int] | None = None
) -> tuple[Resource, ...]:
    """The resources for one milestone, in the order in which to do them.

    candidates  every resource that leads to the milestone, those begun among them
    kept        keys of those that the person has begun or done: they stay
    used        how often each kind stands in the path already: the rarer kind is taken
    Returns     of all small sets the one nearest to the mix; then with something to learn and something to do, of most kinds,
                of the rarest kinds, of fewest hours, of the first keys
    """
    begun = tuple(sorted((one for one in candidates if one.key in kept), key=_place))
    others = tuple(sorted((one for one in candidates if one.key not in kept), key=_place))
    return _best(begun, others, tuple((used or {}).get(kind, 0) for kind in KINDS))


def typical_hours(candidates: Collection[Resource]) -> float:
    """Hours that one milestone asks for when nothing is begun yet; 0 when there are no resources."""
    return sum(one.hours for one in choose_resources(candidates))


def is_within_mix(chosen: Iterable[Resource]) -> bool:
    """Whether at least half of the hours are practice or project and at most 30 % are formal."""
    return _distance_from_mix(chosen) == 0


@lru_cache(maxsize=4096)  # thousands of people meet the same few choices
def _best(begun: tuple[Resource, ...], others: tuple[Resource, ...], used: tuple[int, ...]) -> tuple[Resource, ...]:
    room = max(RESOURCES_MAX - len(begun), 0 if is_within_mix(begun) else 1)
    counts = dict(zip(KINDS, used, strict=True))
    sets = (begun + more for size in range(min(room, len(others)) + 1) for more in combinations(others, size))
    best = min((chosen for chosen in sets if chosen), key=lambda chosen: _rank(chosen, counts), default=())
    return tuple(sorted(best, key=_place))


def _rank(chosen: Sequence[Resource], used: Mapping[str, int]) -> tuple[float, bool, int, int, float, tuple[str, ...]]:
    kinds = {one.kind for one in chosen}
    one_sided = not (kinds & FORMAL and kinds & DOING)
    return (
        _distance_from_mix(chosen),
        one_sided,
        -len(kinds),
        sum(used[one.kind] for one in chosen),
        sum(one.hours for one in chosen),
        tuple(one.key for one in chosen),
    )


def _distance_from_mix(chosen: Iterable[Resource]) -> float:
    chosen = tuple(chosen)
    total = sum(one.hours for one in chosen)
    formal = sum(one.hours for one in chosen if one.kind in FORMAL)
    doing = sum(one.hours for one in chosen if one.kind in DOING)
    # rounded, so that a share exactly on the bound counts as within it
    over = max(0.0, round(formal - FORMAL_SHARE_MAX * total, 6))
    under = max(0.0, round(DOING_SHARE_MIN * total - doing, 6))
    return over + under


def _place(one: Resource) -> tuple[int, str]:
    return (KINDS.index(one.kind), one.key)
