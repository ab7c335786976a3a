"""One sitting of an adaptive test as a function of its answers: abilities, the next item, the end. Pure.

The web rebuilds a sitting from the stored answers for each request; the simulation drives the same object. Same pool,
rules, seed and answers give the same sitting, to the bit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from assessment.blueprint import DomainRule, minimums_met, next_domains
from assessment.cat import Choice, Pool, choose
from assessment.draws import draw
from assessment.estimation import Ability, eap, normal_prior, posterior_of
from assessment.stopping import StoppingRule, distance_to_cut, finish_reason, is_settled


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides about a test besides its items.

    domains            per domain of the pool, its part of the blueprint
    stopping           bounds and precision
    scales             per domain, the number of the ability that it measures; all 0 is one ability for the whole test
    cuts               per scale, its cuts in logits
    randomesque_first  candidates for each of the first three items
    randomesque_later  candidates after that
    r_max              exposure cap, share of attempts; 1 is none
    """

    domains: tuple[DomainRule, ...]
    stopping: StoppingRule
    scales: tuple[int, ...] = (0,)
    cuts: tuple[tuple[float, ...], ...] = ((),)
    randomesque_first: int = 1
    randomesque_later: int = 1
    r_max: float = 1.0

    @property
    def has_cuts(self) -> bool:
        """Whether items beyond the minimums go to where a decision is near."""
        return any(self.cuts)


N_FIRST = 3
"""Items that count as the first ones, when little is known and many persons stand at the same point."""


class Sitting:
    """State of one attempt: what was given and answered, and what follows from it.

    seed   of the attempt
    seen   places of items that the person met lately
    """

    __slots__ = ("_abilities", "_logs", "barred", "given", "pool", "rules", "seed", "seen", "spent", "taken")

    def __init__(self, pool: Pool, rules: Rules, seed: int, seen: Collection[int] = frozenset()) -> None:
        self.pool, self.rules, self.seed, self.seen = pool, rules, seed, seen
        n_scales = max(rules.scales) + 1
        self._logs: list[list[float]] = [list(normal_prior())] * n_scales
        self._abilities: list[Ability | None] = [_ability_before()] * n_scales
        self.barred: set[int] = set()
        self.given = [0] * len(rules.domains)
        """Items answered, per domain."""
        self.taken: list[tuple[int, bool]] = []
        """Place and whether right, in order."""
        self.spent: set[int] = set()
        """Domains found without an item left."""

    def answer(self, place: int, is_right: bool) -> None:
        """Takes one answer in."""
        item = self.pool.items[place]
        scale = self.rules.scales[item.domain]
        self._logs[scale] = [log + row for log, row in zip(self._logs[scale], self.pool.log_row(place, is_right), strict=True)]
        self._abilities[scale] = None
        self.barred.add(place)
        self.barred |= item.enemies
        self.given[item.domain] += 1
        self.taken.append((place, is_right))

    def posterior(self, scale: int) -> list[float]:
        """Posterior of one scale at the grid, (41,), sum 1."""
        return posterior_of(self._logs[scale])

    def ability(self, scale: int) -> Ability:
        """EAP of one scale from the answers to its items, prior N(0, 1)."""
        known = self._abilities[scale]
        if known is None:
            known = self._abilities[scale] = eap(self.posterior(scale))
        return known

    def ability_at(self, place: int) -> Ability:
        """EAP of the scale that an item measures."""
        return self.ability(self.rules.scales[self.pool.items[place].domain])

    def finish_reason(self) -> str | None:
        """Why the test ends now, or None."""
        return finish_reason(
            self.rules.stopping,
            n_items=len(self.taken),
            are_minimums_met=minimums_met(self.rules.domains, self.given, self.spent),
            are_settled=all(self._is_settled(scale) for scale in range(len(self._logs))),
        )

    def next_item(self, resting: Collection[int] = frozenset()) -> Choice | None:
        """The item that comes next; None when the bank has none that may be given.

        resting   places above the exposure cap at this moment
        """
        n_taken = len(self.taken)
        n_candidates = self.rules.randomesque_first if n_taken < N_FIRST else self.rules.randomesque_later
        chance = draw(self.seed, "item", n_taken + 1)
        for domain in self._domains():
            theta = self.ability(self.rules.scales[domain]).theta
            choice = choose(
                self.pool,
                domain,
                theta,
                barred=self.barred,
                seen=self.seen,
                resting=resting,
                n_candidates=n_candidates,
                pick=chance.__mod__,
            )
            if choice is not None:
                return choice
            self.spent.add(domain)
        return None

    def _domains(self) -> list[int]:
        urgency = [self._urgency(scale) for scale in self.rules.scales] if self.rules.has_cuts else None
        return next_domains(self.rules.domains, self.given, max_items=self.rules.stopping.max_items, urgency=urgency, spent=self.spent)

    def _urgency(self, scale: int) -> float:
        """Nearness to a cut; scales that are settled come after all others."""
        nearness = -distance_to_cut(self.ability(scale), self.rules.cuts[scale])
        return nearness - 1000 * self._is_settled(scale)

    def _is_settled(self, scale: int) -> bool:
        return is_settled(self.ability(scale), self.rules.cuts[scale], self.rules.stopping)


@cache
def _ability_before() -> Ability:
    """The ability before any answer: mean and spread of the prior on the grid."""
    return eap(posterior_of(normal_prior()))
