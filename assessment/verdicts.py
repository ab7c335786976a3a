"""What a sitting says of each area when it ends: the values that are stored, and computed again for a replay."""

from typing import Any

from assessment.estimation import warm
from assessment.outcome import judge_area
from assessment.pool import CompiledForm
from assessment.sitting import Sitting


def area_estimates(form: CompiledForm, sitting: Sitting) -> list[dict[str, Any]]:
    """One row of `ability_estimate` an area, without the attempt's own columns, in the order of the form."""
    rows = []
    for number, domain in enumerate(form.document.domains):
        answers = [(form.pool.items[place].params, reached) for place, reached in sitting.taken if form.pool.items[place].domain == number]
        posterior = sitting.posterior(number)
        verdict = judge_area(
            posterior,
            form.rules.cuts[number],
            n_items=len(answers),
            min_items_for_level=form.document.min_items_for_level,
            confidence=form.document.decision.confidence,
        )
        rows.append(
            {
                "domain": domain.code,
                "theta": verdict.ability.theta,
                "se": verdict.ability.sd,
                "wle": warm(answers),
                "n_items": len(answers),
                "n_right": sum(reached == item.n_points for item, reached in answers),
                "level": verdict.level,
                "p_levels": list(verdict.p_levels),
                "verdicts": list(verdict.verdicts),
                "is_borderline": verdict.is_borderline,
                "is_indicative": verdict.is_indicative,
                "posterior": posterior,
            }
        )
    return rows
