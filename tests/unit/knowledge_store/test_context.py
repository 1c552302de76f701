import math

import pytest

from attune.knowledge_store.context import Asked, Bag, LexicalContext, Shared, words_of

PROFILES = {"planet": "mercury planet orbits the sun", "metal": "mercury liquid metal", "sun": "sun star planet the"}


def coverage(context: LexicalContext, bag: Bag, entity_id: str, ignoring: Bag | None = None) -> float:
    asked = [Asked([entity_id], ignoring or context.bag())]
    return context.fits(bag, Shared.of([]), asked)[0][0].coverage


def company(context: LexicalContext, shared: Shared, entity_id: str) -> float:
    return context.fits(context.bag(), shared, [Asked([entity_id], context.bag())])[0][0].company


def test_the_coverage_is_the_share_of_the_profile_that_the_text_has():
    context = LexicalContext(PROFILES)
    rare, common = math.log(1 + 3) ** 2, math.log(1 + 3 / 2) ** 2
    bag = context.bag("Liquid SUN")
    expected = rare / (2 * rare + common + math.log1p(3) ** 2 / 2) * 60 / 62
    assert coverage(context, bag, "metal") == pytest.approx(expected)


def test_the_ignored_words_count_on_neither_side():
    context = LexicalContext(PROFILES)
    name = context.bag("mercury")
    alone = LexicalContext({**PROFILES, "metal": "liquid metal"})
    assert coverage(context, context.bag("mercury"), "metal", name) == 0.0
    with_name, without = context.bag("liquid mercury"), alone.bag("liquid mercury")
    assert coverage(context, with_name, "metal", name) == pytest.approx(coverage(alone, without, "metal"))


def test_a_text_fits_itself_best_and_strangers_not_at_all():
    context = LexicalContext(PROFILES)
    for entity_id, profile in PROFILES.items():
        fits = {other: coverage(context, context.bag(profile), other) for other in PROFILES}
        assert max(fits, key=lambda other: fits[other]) == entity_id
        assert 0.5 < fits[entity_id] < 1.0
    assert coverage(context, context.bag("liquid"), "sun") == 0.0
    assert coverage(context, context.bag("liquid"), "unknown") == 0.0


def test_company_is_what_other_names_have_in_their_topics():
    context = LexicalContext(PROFILES)
    nothing = context.bag()
    topics = [context.topic(["planet"], nothing), context.topic(["sun"], nothing)]
    shared = Shared.of(topics)
    assert company(context, shared, "planet") > 0.0
    assert company(context, Shared.of(topics[:1]), "planet") == 0.0  # its own words only
    assert company(context, shared, "metal") == 0.0
    assert company(context, shared, "unknown") == 0.0
    assert list(context.topic(["planet", "unknown"], context.bag(PROFILES["planet"]))) == []


def test_many_are_asked_for_at_once_each_without_the_words_of_its_own_name():
    context = LexicalContext({**PROFILES, "nothing": "!"})
    bag, shared = context.bag("liquid sun"), Shared.of([context.topic(["planet", "sun"], context.bag())] * 2)
    asked = [
        Asked(["planet", "nothing", "metal"], context.bag("mercury")),
        Asked([], context.bag("sun")),
        Asked(["unknown", "sun", "planet"], context.bag("sun", "the")),
    ]
    alone = [
        [context.fits(bag, shared, [Asked([id_], each.ignoring)])[0][0] for id_ in each.entity_ids] for each in asked
    ]
    assert context.fits(bag, shared, asked) == alone
    assert alone[0][0] != alone[2][2]
    assert context.fits(bag, shared, []) == []


def test_words_of_no_profile_change_nothing():
    context = LexicalContext(PROFILES)
    assert context.bag("liquid zebra", "quux") == context.bag("liquid")


def test_an_empty_catalog_has_a_context():
    context = LexicalContext({})
    assert coverage(context, context.bag("a b"), "x") == 0.0


def test_words_are_normalised_and_dotted_names_fall_apart():
    assert words_of("Use ＯＳ.path, STRASSE") == ["use", "os", "path", "strasse"]  # noqa: RUF001 - other scripts are the point
