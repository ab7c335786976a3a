"""Simulated examinees: what a bank and a set of rules would do before any person meets them. Pure.

Reads the same `Sitting` as real attempts, so what is shown here is what is run.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from assessment.cat import Pool, PoolItem, resting_items
from assessment.irt import ItemParams, probabilities, probability
from assessment.outcome import MET, UNDECIDED, chances_at, verdict_by
from assessment.sitting import Rules, Sitting


@dataclass(frozen=True, slots=True)
class Simulated:
    """One simulated examinee.

    theta      true ability, logits
    estimate   EAP of the first scale at the end, with sd its standard deviation
    places     items taken, in order
    given      items per domain
    p_cuts     P(theta >= cut) at the end, for each cut of the first scale
    """

    theta: float
    estimate: float
    sd: float
    places: tuple[int, ...]
    given: tuple[int, ...]
    p_cuts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Figures over all examinees.

    p95_items          items that 95 in 100 examinees did not exceed
    rmse, bias         of the estimate against the true ability, logits
    max_exposure       highest share of examinees that one item met
    n_never_used       items that nobody met
    overlap            mean share of a test that two examinees have in common, by the item shares
    blueprint_distance furthest that any examinee's domain was from its share of the test, items
    """

    n: int
    mean_items: float
    p95_items: float
    rmse: float
    bias: float
    max_exposure: float
    n_never_used: int
    overlap: float
    blueprint_distance: float


def made_up_bank(n_items: int, seed: int, *, shares: Sequence[float] = (1.0,), c: float = 0.0) -> list[PoolItem]:
    """A bank whose parameters follow ln a ~ N(.2, .3), b ~ N(0, 1.2); items are dealt to domains by share."""
    chance = Random(seed)  # noqa: S311  a simulation, not a secret
    ends = [round(n_items * sum(shares[: d + 1])) for d in range(len(shares))]
    domains = [next(d for d, end in enumerate(ends) if i < end) for i in range(n_items)]
    return [PoolItem(ItemParams(math.exp(chance.gauss(0.2, 0.3)), chance.gauss(0, 1.2), c), domain) for domain in domains]


def simulate(
    pool: Pool, rules: Rules, *, n: int, seed: int, n_window: int = 1_000_000, progress: Callable[[int], None] | None = None
) -> list[Simulated]:
    """Examinees with abilities from N(0, 1), one after the other, each under the exposure that those before have left.

    n_window   examinees whose items count for exposure
    progress   told after each examinee how many there were
    """
    chance = Random(seed)  # noqa: S311  a simulation, not a secret
    done: list[Simulated] = []
    counts: Counter[int] = Counter()
    for number in range(n):
        resting = resting_items(counts, min(len(done), n_window), rules.r_max)
        done.append(_examinee(pool, rules, chance, resting, seed=seed * 1_000_003 + number))
        counts.update(done[-1].places)
        if len(done) > n_window:
            counts.subtract(done[-1 - n_window].places)
        if progress is not None:
            progress(len(done))
    return done


@dataclass(frozen=True, slots=True)
class Decisions:
    """How examinees were judged at a cut; shares 0..1.

    right       of those decided, how many are on the side of the cut where their true ability is; None when nobody was
    undecided   of all, how many the end left without a verdict: they get another chance
    """

    right: float | None
    undecided: float


def decisions(done: Sequence[Simulated], cut: float, confidence: float) -> Decisions:
    """Verdicts on the first cut of the rules, as a sitting gives them. cut: that cut; confidence: as in `outcome.verdict_by`."""
    verdicts = [(person, verdict_by(person.p_cuts[0], confidence)) for person in done]
    decided = [(person, verdict == MET) for person, verdict in verdicts if verdict != UNDECIDED]
    right = sum(is_met == (person.theta >= cut) for person, is_met in decided)
    return Decisions(right / len(decided) if decided else None, 1 - len(decided) / len(done))


def _examinee(pool: Pool, rules: Rules, chance: Random, resting: frozenset[int], *, seed: int) -> Simulated:
    theta = chance.gauss(0, 1)
    sitting = Sitting(pool, rules, seed)
    while sitting.finish_reason() is None and (choice := sitting.next_item(resting)) is not None:
        sitting.answer(choice.place, drawn_category(theta, pool.items[choice.place].params, chance.random()))
    ability = sitting.ability(0)
    p_cuts = chances_at(sitting.posterior(0), rules.cuts[0])
    return Simulated(theta, ability.theta, ability.sd, tuple(place for place, _ in sitting.taken), tuple(sitting.given), p_cuts)


def drawn_category(theta: float, item: ItemParams, number: float) -> int:
    """The category that one random number 0 <= number < 1 stands for: as high as it is small."""
    if not item.steps:
        return int(number < probability(theta, item))
    at_least = accumulate(reversed(probabilities(theta, item)[1:]))
    return sum(number < chance for chance in at_least)


def report(pool: Pool, rules: Rules, done: Sequence[Simulated]) -> Report:
    """Figures over simulated examinees, of whom there are two or more."""
    n = len(done)
    errors = [person.estimate - person.theta for person in done]
    uses = Counter(place for person in done for place in person.places)
    n_given = sum(uses.values())
    return Report(
        n=n,
        mean_items=n_given / n,
        p95_items=sorted(len(person.places) for person in done)[math.ceil(0.95 * n) - 1],
        rmse=math.sqrt(sum(error * error for error in errors) / n),
        bias=sum(errors) / n,
        max_exposure=max(uses.values()) / n,
        n_never_used=len(pool.items) - len(uses),
        overlap=sum(count * (count - 1) for count in uses.values()) / ((n - 1) * n_given),
        blueprint_distance=max(
            abs(count - rule.share * len(person.places)) for person in done for count, rule in zip(person.given, rules.domains, strict=True)
        ),
    )
