"""The catalogue that comes with the tool is whole: every step has enough to choose from, in both languages, and keeps to the mix."""

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

import learning
from kernel import strictjson
from learning.catalogue import read_catalogue
from learning.choice import KINDS, Resource, choose_resources, is_within_mix
from learning.graph import Milestone, collect_edges, frontier

CATALOGUE = read_catalogue(strictjson.loads((Path(learning.__file__).parent / "data" / "catalogue-core-2567.json").read_bytes()))
AREAS = ["th-ds-2567#DLIT", "th-ds-2567#DGOV", "th-ds-2567#DLEAD"]
MILESTONES = [Milestone(area, level) for area in AREAS for level in (1, 2, 3)]
THAI = re.compile(r"[\u0e00-\u0e7f]")


def resources_of(milestone):
    return [one for one in CATALOGUE.resources if (one.competency, one.level) == (milestone.node_key, milestone.level)]


@pytest.mark.parametrize("milestone", MILESTONES, ids=str)
def test_each_step_has_every_kind_and_each_can_be_chosen_within_the_mix(milestone):
    candidates = [Resource(one.key, one.kind, one.hours) for one in resources_of(milestone)]

    assert {one.kind for one in candidates} == set(KINDS)
    assert is_within_mix(choose_resources(candidates))
    possible = {one.key for size in (2, 3) for some in combinations(candidates, size) if is_within_mix(some) for one in some}
    assert possible == {one.key for one in candidates}


def test_every_text_is_there_in_thai_and_in_english():
    for resource in CATALOGUE.resources:
        for text in (resource.title, resource.summary, resource.provider):
            assert THAI.search(text.th), resource.key
            assert not THAI.search(text.en), resource.key
            assert "{" not in text.th + text.en
        assert 60 <= len(resource.summary.th) <= 320, resource.key
        assert 60 <= len(resource.summary.en) <= 320, resource.key


def test_no_title_and_no_summary_comes_twice():
    for texts in ([one.title.th for one in CATALOGUE.resources], [one.summary.en for one in CATALOGUE.resources]):
        assert [text for text, times in Counter(texts).items() if times > 1] == []


def test_no_address_and_no_provider_is_made_up():
    assert {one.url for one in CATALOGUE.resources} == {None}
    assert {one.provider.en for one in CATALOGUE.resources} == {"Own agency", "Personnel development unit of the own agency"}


def test_nothing_stands_outside_the_three_core_areas_and_levels():
    assert {Milestone(one.competency, one.level) for one in CATALOGUE.resources} == set(MILESTONES)
    assert {end for edge in CATALOGUE.edges for end in edge} <= set(MILESTONES)


def test_a_beginner_in_all_areas_can_reach_everything():
    between = frontier([Milestone(area, 3) for area in AREAS], dict.fromkeys(AREAS, 0), collect_edges(CATALOGUE.edges))

    assert between.open == set(MILESTONES)
    assert not between.withheld
