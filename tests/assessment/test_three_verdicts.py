"""Met, not met, cannot tell yet: from the chance that is stored to when a test may end."""

import pytest

from assessment import api
from assessment.blueprint import DomainRule
from assessment.cat import Pool
from assessment.draws import draw
from assessment.errors import FormInvalid
from assessment.estimation import chance_at_least, normal_prior, posterior_of
from assessment.outcome import judge_area, verdict_by, verdicts_on
from assessment.simulate import decisions, made_up_bank, report, simulate
from assessment.sitting import Rules, Sitting
from assessment.stopping import StoppingRule

PRIOR = posterior_of(normal_prior())


@pytest.mark.parametrize(
    ("chance", "verdict"), [(1.0, "met"), (0.9, "met"), (0.8999, "undecided"), (0.1001, "undecided"), (0.0999, "not_met"), (0.0, "not_met")]
)
def test_a_verdict_needs_the_confidence_on_either_side(chance, verdict):
    assert verdict_by(chance, 0.9) == verdict


def test_verdicts_of_rising_cuts_go_from_met_to_not_met():
    # of a standard normal ability: P(theta >= -1.2816) = .90, P(theta >= 1.2816) = .10
    assert verdicts_on(PRIOR, (-1.30, -1.26, 0.0, 1.26, 1.30), 0.9) == ("met", "undecided", "undecided", "undecided", "not_met")


def test_without_an_answer_nothing_is_decided_whatever_the_prior_says():
    assert judge_area(PRIOR, (-4.0, 4.0), n_items=0, min_items_for_level=6, confidence=0.9).verdicts == ("undecided", "undecided")
    assert judge_area(PRIOR, (-4.0, 4.0), n_items=6, min_items_for_level=6, confidence=0.9).verdicts == ("met", "not_met")


def test_a_test_goes_on_until_the_verdict_is_there_and_no_longer():
    pool, cut = Pool(made_up_bank(300, seed=2)), 0.5
    rules = Rules((DomainRule(),), StoppingRule(3, 40, 0.0, confidence=0.95), cuts=((cut,),))
    for seed in range(40):
        sitting = Sitting(pool, rules, seed)
        while sitting.finish_reason() is None:
            undecided = verdict_by(chance_at_least(sitting.posterior(0), cut), 0.95) == "undecided"
            assert undecided or len(sitting.taken) < 3
            choice = sitting.next_item()
            sitting.answer(choice.place, draw(seed, choice.place) % 100 < 55)
        decided = verdict_by(chance_at_least(sitting.posterior(0), cut), 0.95) != "undecided"
        assert (sitting.finish_reason(), decided) in {("precise", True), ("max_items", False), ("max_items", True)}


def test_a8_at_most_thirteen_items_and_at_least_96_in_100_right():
    pool = Pool(made_up_bank(500, 42))
    rules = Rules((DomainRule(),), StoppingRule(5, 40, 0.0, confidence=0.95), cuts=((0.5,),))

    done = simulate(pool, rules, n=1000, seed=7)

    found = decisions(done, 0.5, 0.95)
    assert report(pool, rules, done).mean_items <= 13
    assert found.right >= 0.96
    assert 0 < found.undecided <= 0.15


def test_verdicts_and_their_chances_are_stored_and_come_again_in_a_replay(sitter, make):
    form = make.form(decision={"confidence": 0.7}, stop={"se": 0.2, "by_verdict": True})
    person = sitter(form=form, seed=4)
    person.start()
    person.sit(lambda step: "b" if draw(4, step.position) % 3 else "c")

    for area in person.outcome().areas:
        assert area.verdicts == tuple(verdict_by(chance, 0.7) for chance in area.p_levels)
        assert len(area.verdicts) == 3
    with person.database.reading() as db:
        assert api.replay(db, person.attempt).differences == ()


@pytest.mark.parametrize("decision", [{"confidence": 0.5}, {"confidence": 1.0}, {"rule": 2}])
def test_a_rule_that_decides_nothing_is_refused(sitter, make, decision):
    with pytest.raises(FormInvalid, match="decision"):
        sitter(form=make.form(decision=decision))
