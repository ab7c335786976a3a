"""One sitting as a function of its answers: abilities, the next item, the end. Pure.

The web rebuilds a sitting from the stored answers for each request; the simulation drives the same object. Same pool,
rules, seed and answers give the same sitting, to the bit.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from assessment.blueprint import DomainRule, is_level, may_hold, minimums_met, next_domains
from assessment.cat import Chance, Choice, Pool, choose
from assessment.draws import draw
from assessment.estimation import Ability, eap, normal_prior, posterior_of
from assessment.outcome import UNDECIDED, verdicts_on
from assessment.pilots import PilotRule, next_pilot
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
    progressive_items  items over which information takes the place of chance, in equal steps; 0 is information from the start
    pilots             how many items are only tried out, and where
    """

    domains: tuple[DomainRule, ...]
    stopping: StoppingRule
    scales: tuple[int, ...] = (0,)
    cuts: tuple[tuple[float, ...], ...] = ((),)
    randomesque_first: int = 1
    randomesque_later: int = 1
    r_max: float = 1.0
    progressive_items: int = 0
    pilots: PilotRule | None = None

    @property
    def has_cuts(self) -> bool:
        """Whether items beyond the minimums go to where a decision is near."""
        return any(self.cuts)


N_FIRST = 3
"""Items that count as the first ones, when little is known and many persons stand at the same point."""


class Sitting:
    """State of one attempt: what was given and answered, and what follows from it.

    seed      of the attempt
    seen      places of items that the person met lately
    sequence  places in order, where the items stand fast beforehand (a linear or parallel form); None: each is chosen
    is_open   a sequence that does not end by itself: answers may be changed until it is handed in
    """

    __slots__ = (
        "_abilities",
        "_logs",
        "_testlet",
        "barred",
        "given",
        "is_open",
        "pool",
        "rules",
        "seed",
        "seen",
        "sequence",
        "spent",
        "taken",
        "tried",
    )

    def __init__(
        self,
        pool: Pool,
        rules: Rules,
        seed: int,
        seen: Collection[int] = frozenset(),
        sequence: tuple[int, ...] | None = None,
        *,
        is_open: bool = False,
    ) -> None:
        self.pool, self.rules, self.seed, self.seen, self.sequence, self.is_open = pool, rules, seed, seen, sequence, is_open
        n_scales = max(rules.scales) + 1
        self._logs: list[list[float]] = [list(normal_prior())] * n_scales
        self._abilities: list[Ability | None] = [_ability_before()] * n_scales
        self._testlet: tuple[int, ...] = ()
        self.barred: set[int] = set()
        self.given = [0] * len(rules.domains)
        """Items answered, per domain."""
        self.taken: list[tuple[int, int]] = []
        """Place and category that was reached, in order."""
        self.tried: list[int] = []
        """Places of the pilots that were answered, which count for nothing."""
        self.spent: set[int] = set()
        """Domains found without an item left."""

    def linear_places(self) -> tuple[int, ...] | None:
        """Places of all items in order, where they stand fast beforehand; None where each is chosen."""
        return self.sequence

    def answer(self, place: int, category: int) -> None:
        """Takes one answer in. category: as in `estimation.Answers`."""
        item = self.pool.items[place]
        self.barred.add(place)
        self.barred |= item.enemies
        if item.is_pilot:
            self.tried.append(place)
            return
        scale = self.rules.scales[item.domain]
        self._logs[scale] = [log + row for log, row in zip(self._logs[scale], self.pool.log_row(place, category), strict=True)]
        self._abilities[scale] = None
        self.given[item.domain] += 1
        self.taken.append((place, category))
        if self.pool.testlets:
            self._testlet = self._testlet[1:] or self.pool.members(place)[1:]

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
        """Why the test ends now, or None. A testlet that was begun is not cut short."""
        if self.sequence is not None:
            return "all_items" if len(self.taken) == len(self.sequence) and not self.is_open else None
        if self._testlet:
            return None
        return finish_reason(
            self.rules.stopping,
            n_items=len(self.taken),
            are_minimums_met=minimums_met(self.rules.domains, self.given, self.spent) and self._is_level(),
            are_settled=all(self._is_settled(scale) for scale in range(len(self._logs))),
        )

    def next_item(self, resting: Collection[int] = frozenset()) -> Choice | None:
        """The item that comes next; None when there is none that may be given.

        resting   places above the exposure cap at this moment
        """
        place = self._fixed_place()
        if place is not None:
            return Choice(place, self.pool.items[place].domain)
        if self.sequence is not None:
            return None
        n_taken, n_tried = len(self.taken), len(self.tried)
        pilot = next_pilot(
            self.rules.pilots, self.pool.pilots, self.seed, n_taken=n_taken, n_tried=n_tried, barred=self.barred, seen=self.seen
        )
        return self._chosen(resting) if pilot is None else Choice(pilot, self.pool.items[pilot].domain)

    def _fixed_place(self) -> int | None:
        """The next item of the sequence or of a testlet that was begun, if any."""
        if self.sequence is None:
            return self._testlet[0] if self._testlet else None
        done = {place for place, _ in self.taken}
        return next((place for place in self.sequence if place not in done), None)

    def _chosen(self, resting: Collection[int]) -> Choice | None:
        n_taken = len(self.taken)
        chance = Chance(
            draw(self.seed, "item", n_taken + 1),
            self.rules.randomesque_first if n_taken < N_FIRST else self.rules.randomesque_later,
            min(n_taken / self.rules.progressive_items, 1.0) if self.rules.progressive_items else 1.0,
        )
        for domain in self._domains():
            theta = self.ability(self.rules.scales[domain]).theta
            choice = choose(self.pool, domain, theta, barred=self.barred, seen=self.seen, resting=resting, chance=chance, fits=self._fits)
            if choice is not None:
                return choice
            self.spent.add(domain)
        return None

    def _fits(self, members: tuple[int, ...]) -> bool:
        """Whether a testlet leaves room for what the blueprint still owes."""
        more = [0] * len(self.given)
        for place in members:
            more[self.pool.items[place].domain] += 1
        return may_hold(self.rules.domains, self.given, more, max_items=self.rules.stopping.max_items)

    def _is_level(self) -> bool:
        """Whether no domain is off its share because of a testlet; items that come one by one keep to it by themselves."""
        return not self.pool.testlets or is_level(self.rules.domains, self.given)

    def _domains(self) -> list[int]:
        urgency = [self._urgency(scale) for scale in self.rules.scales] if self.rules.has_cuts else None
        return next_domains(self.rules.domains, self.given, max_items=self.rules.stopping.max_items, urgency=urgency, spent=self.spent)

    def _urgency(self, scale: int) -> float:
        """Nearness to a cut; scales that are settled come after all others."""
        nearness = -distance_to_cut(self.ability(scale), self.rules.cuts[scale])
        return nearness - 1000 * self._is_settled(scale)

    def _is_settled(self, scale: int) -> bool:
        rule, cuts = self.rules.stopping, self.rules.cuts[scale]
        if is_settled(self.ability(scale), cuts, rule):
            return True
        return rule.confidence is not None and bool(cuts) and UNDECIDED not in verdicts_on(self.posterior(scale), cuts, rule.confidence)


def drawn_sequence(sequences: Sequence[tuple[int, ...]], seed: int, seen: Collection[int]) -> tuple[int, ...] | None:
    """The form that an attempt gets: drawn among those with the fewest items that the person met lately; None without forms."""
    if not sequences:
        return None
    known = [sum(place in seen for place in sequence) for sequence in sequences]
    fewest = [sequence for sequence, n_known in zip(sequences, known, strict=True) if n_known == min(known)]
    return fewest[draw(seed, "form") % len(fewest)]


@cache
def _ability_before() -> Ability:
    """The ability before any answer: mean and spread of the prior on the grid."""
    return eap(posterior_of(normal_prior()))
