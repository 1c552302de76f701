import math

import pytest

from attune.knowledge_store.context import LexicalContext, words_of

PROFILES = {"planet": "mercury planet orbits the sun", "metal": "mercury liquid metal", "sun": "sun star planet the"}


def test_the_similarity_is_the_cosine_of_idf_weighted_words():
    context = LexicalContext(PROFILES)
    bag, nothing = context.bag("Liquid SUN"), context.bag()
    idf = {
        "liquid": math.log(1 + 3),
        "sun": math.log(1 + 3 / 2),
        "mercury": math.log(1 + 3 / 2),
        "metal": math.log(1 + 3),
    }
    profile = math.sqrt(idf["mercury"] ** 2 + idf["liquid"] ** 2 + idf["metal"] ** 2)
    query = math.sqrt(idf["liquid"] ** 2 + idf["sun"] ** 2)
    assert context.similarity(bag, "metal", ignoring=nothing) == pytest.approx(idf["liquid"] ** 2 / profile / query)


def test_the_ignored_words_count_on_neither_side():
    context = LexicalContext(PROFILES)
    bag, name = context.bag("mercury liquid"), context.bag("mercury")
    alone = LexicalContext({**PROFILES, "metal": "liquid metal"})
    assert context.similarity(context.bag("mercury"), "metal", ignoring=name) == 0.0
    assert context.similarity(bag, "planet", ignoring=name) == 0.0
    assert context.similarity(bag, "metal", ignoring=name) == pytest.approx(
        alone.similarity(alone.bag("liquid"), "metal", ignoring=alone.bag())
    )


def test_a_text_fits_itself_fully_and_strangers_not_at_all():
    context = LexicalContext(PROFILES)
    nothing = context.bag()
    for entity_id, profile in PROFILES.items():
        assert context.similarity(context.bag(profile), entity_id, ignoring=nothing) == pytest.approx(1.0)
    assert context.similarity(context.bag("liquid"), "sun", ignoring=nothing) == 0.0
    assert context.similarity(context.bag("liquid"), "unknown", ignoring=nothing) == 0.0


def test_words_of_no_profile_change_nothing():
    context = LexicalContext(PROFILES)
    assert context.bag("liquid zebra", "quux") == context.bag("liquid")


def test_an_empty_catalog_has_a_context():
    context = LexicalContext({})
    assert context.similarity(context.bag("a b"), "x", ignoring=context.bag()) == 0.0


def test_words_are_normalised_and_dotted_names_fall_apart():
    assert words_of("Use ＯＳ.path, STRASSE") == ["use", "os", "path", "strasse"]  # noqa: RUF001 - other scripts are the point
