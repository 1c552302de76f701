"""The stated rules of junk, one by one."""

import time

import pytest
from tests.unit.knowledge_store.builders import state

from attune.knowledge_store.junk import RULES, Rule, is_faint, junk_of_names


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("Print", {Rule.COMMON_WORD}),
        ("print  edition", set()),
        ("The Who", set()),
        ("To Be or Not to Be", {Rule.STOP_WORD}),
        ("It", {Rule.COMMON_WORD, Rule.STOP_WORD, Rule.SHORT}),
        ("Q", {Rule.SHORT}),
        ("R2D2", set()),
        ("1984", {Rule.NUMBER_OR_DATE}),
        ("September 11, 2001", {Rule.NUMBER_OR_DATE}),
        ("2001-09-11", {Rule.NUMBER_OR_DATE}),
        ("1990s", {Rule.NUMBER_OR_DATE}),
        ("Friday", {Rule.NUMBER_OR_DATE}),
        ("$1,000", {Rule.NUMBER_OR_DATE}),
        ("December", {Rule.NUMBER_OR_DATE}),
        ("May 5th", {Rule.NUMBER_OR_DATE}),
        ("2001: A Space Odyssey", set()),
        ("Marchioness", set()),
        ("Friday the 13th", set()),
        ("Ada Lovelace", set()),
    ],
)
def test_a_name_falls_under_its_rules(name, rules):
    assert junk_of_names([name]) == rules


def test_any_of_the_names_is_enough():
    assert junk_of_names(["Colorado", "CO"]) == {Rule.SHORT}
    assert junk_of_names([]) == set()


@pytest.mark.parametrize(
    ("count", "weight", "is_so"),
    [(1, 0.09, True), (1, -0.09, True), (1, 0.1, False), (1, -1.0, False), (2, 0.0, False)],
)
def test_faint_is_what_was_seen_once_and_weighs_little_either_way(count, weight, is_so):
    assert is_faint(state("a", count, weight)) is is_so


def test_every_rule_is_stated():
    assert set(RULES) == set(Rule)


def test_a_long_name_takes_no_time():
    begun = time.process_time()
    junk_of_names(["1" * 50_000 + "x", "1 " * 50_000 + "x", "1," * 50_000 + "x"])
    assert time.process_time() - begun < 5
