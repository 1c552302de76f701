import math

import pytest

from attune.knowledge_store.context import LexicalContext, Shared, words_of

PROFILES = {"planet": "mercury planet orbits the sun", "metal": "mercury liquid metal", "sun": "sun star planet the"}


def test_the_coverage_is_the_share_of_the_profile_that_the_text_has():
    context = LexicalContext(PROFILES)
    rare, common = math.log(1 + 3) ** 2, math.log(1 + 3 / 2) ** 2
    bag = context.bag("Liquid SUN")
    expected = rare / (2 * rare + common + math.log1p(3) ** 2 / 2) * 60 / 62
    assert context.coverage(bag, "metal", context.bag()) == pytest.approx(expected)


def test_the_ignored_words_count_on_neither_side():
    context = LexicalContext(PROFILES)
    name = context.bag("mercury")
    alone = LexicalContext({**PROFILES, "metal": "liquid metal"})
    assert context.coverage(context.bag("mercury"), "metal", name) == 0.0
    with_name, without = context.bag("liquid mercury"), alone.bag("liquid mercury")
    assert context.coverage(with_name, "metal", name) == pytest.approx(alone.coverage(without, "metal", alone.bag()))


def test_a_text_fits_itself_best_and_strangers_not_at_all():
    context = LexicalContext(PROFILES)
    nothing = context.bag()
    for entity_id, profile in PROFILES.items():
        fits = {other: context.coverage(context.bag(profile), other, nothing) for other in PROFILES}
        assert max(fits, key=lambda other: fits[other]) == entity_id
        assert 0.5 < fits[entity_id] < 1.0
    assert context.coverage(context.bag("liquid"), "sun", nothing) == 0.0
    assert context.coverage(context.bag("liquid"), "unknown", nothing) == 0.0


def test_company_is_what_other_names_have_in_their_topics():
    context = LexicalContext(PROFILES)
    nothing = context.bag()
    topics = [context.topic(["planet"], nothing), context.topic(["sun"], nothing)]
    shared = Shared.of(topics)
    assert context.company(shared, "planet", nothing) > 0.0
    assert context.company(Shared.of(topics[:1]), "planet", nothing) == 0.0  # its own words only
    assert context.company(shared, "metal", nothing) == 0.0
    assert context.company(shared, "unknown", nothing) == 0.0
    assert list(context.topic(["planet", "unknown"], context.bag(PROFILES["planet"]))) == []


def test_words_of_no_profile_change_nothing():
    context = LexicalContext(PROFILES)
    assert context.bag("liquid zebra", "quux") == context.bag("liquid")


def test_an_empty_catalog_has_a_context():
    context = LexicalContext({})
    assert context.coverage(context.bag("a b"), "x", context.bag()) == 0.0


def test_words_are_normalised_and_dotted_names_fall_apart():
    assert words_of("Use ＯＳ.path, STRASSE") == ["use", "os", "path", "strasse"]  # noqa: RUF001 - other scripts are the point
