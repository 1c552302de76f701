import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.services.cli.corpora.cooccurrence import NameFinder, npmi, related
from attune.services.cli.corpora.keywords import keyword_entities, split_keywords
from attune.services.cli.corpora.model import CorpusDocument
from attune.services.cli.corpora.nouns import merge_plurals, singular
from attune.services.cli.corpora.phrase_counts import count_phrases
from attune.services.cli.corpora.phrases import least_documents, phrase_entities
from attune.services.cli.corpora.tokens import document_tokens, tokenize

SUBJECTS = ("boundary layer", "heat transfer", "wind tunnel", "flat plate", "angle of attack", "shock wave")
SENTENCES = (
    "We show that the {a} depends on the {b}, which is significant.",
    "The proposed method is used to study the {a} in the {b}.",
    "It is shown that a {a} and the {b} are important in the present paper.",
)


def corpus(size: int = 240) -> list[CorpusDocument]:
    """Prose in which a few noun phrases, each in a tenth of the documents at most, hide among reporting verbs."""
    rng = random.Random(7)  # noqa: S311  # sample sentences, nothing secret
    documents = []
    for number in range(size):
        fillers = ("sky", "house", "tree", "river", "stone", "cloud", "bread", "music", "paint", "chair")
        a, b = rng.sample(SUBJECTS, 2) if number % 6 == 0 else rng.sample(fillers, 2)
        text = " ".join(rng.choice(SENTENCES).format(a=a, b=b) for _ in range(2))
        documents.append(CorpusDocument(str(number), "", text, "d"))
    return documents


def documents_of(*texts: str) -> list[CorpusDocument]:
    return [CorpusDocument(str(number), "", text, "d") for number, text in enumerate(texts)]


def test_noun_phrases_are_found_and_reporting_words_are_not() -> None:
    entities = phrase_entities(corpus())
    labels = {entity.label for entity in entities}
    assert labels >= {"boundary layer", "heat transfer", "angle of attack"}
    assert labels.isdisjoint({"show", "shown", "depends", "proposed", "method", "significant", "present paper", "used"})


def news(change: Callable[[str], str]) -> list[CorpusDocument]:
    """Reports of places, each with a few nouns that every report may have, as some collection writes them."""
    sentences = (
        "The king spoke in {place}, and the night was long.",
        "His wife drove the car of the king to a palace in {place}.",
        "That night in {place}, the wife of the king was in the palace, and {place}'s car was there.",
    )
    places = ("laos", "moscow", "kenya", "geneva", "bonn", "cairo")
    texts = [
        " ".join([sentences[n // 6 % 3].format(place=places[n % 6])] * 2) if n < 36 else f"Report x{n} y{n}."
        for n in range(300)
    ]
    return documents_of(*map(change, texts))


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
def test_single_words_are_names_rather_than_nouns_of_any_story(change: Callable[[str], str]) -> None:
    labels = {entity.label for entity in phrase_entities(news(change))}
    assert labels >= {"laos", "moscow", "kenya"}
    assert labels.isdisjoint({"king", "wife", "night", "car", "palace"})


def test_a_possessive_names_its_owner_and_ends_the_phrase() -> None:
    assert tokenize("Nehru's cabinet, the allies\u2019 plan, IL-6's role") == [
        *("nehru", None, "cabinet", None, "the", "allies", None, "plan", None, "il-6", None, "role")
    ]


def test_a_gerund_with_an_object_is_a_verb_and_without_one_a_noun() -> None:
    counts = count_phrases([tokenize("by cooling the plate"), tokenize("the theory of cooling is old")] * 2, least=2)
    assert (counts.noun_ends["cooling"], counts.bare_ends["cooling"], counts.verb_ends["cooling"]) == (2, 2, 2)
    assert (counts.noun_ends["plate"], counts.bare_ends["plate"]) == (2, 0)


def test_entities_are_capped_and_the_most_salient_stay() -> None:
    everything = phrase_entities(corpus())
    assert [entity.label for entity in phrase_entities(corpus(), most=3)] != []
    assert len(phrase_entities(corpus(), most=3)) <= 3 < len(everything)


def test_links_lead_to_other_entities_at_most_five() -> None:
    entities = phrase_entities(corpus())
    ids = {entity.id for entity in entities}
    assert any(entity.links for entity in entities)
    for entity in entities:
        assert len(entity.links) <= 5
        assert all(relation == "related_to" and target in ids - {entity.id} for relation, target in entity.links)


def test_a_description_is_a_sentence_that_names_the_entity() -> None:
    for entity in phrase_entities(corpus()):
        assert any(name in entity.description.lower() for name in (entity.label, *entity.aliases))


def test_the_same_documents_give_the_same_entities() -> None:
    assert phrase_entities(corpus()) == phrase_entities(corpus())


def test_a_phrase_in_too_many_or_too_few_documents_is_no_entity() -> None:
    texts = [f"The white whale swims. A thing x{n}." for n in range(40)] + [
        f"The black crow flies y{n}." for n in range(60)
    ]
    texts[3] += " The lone albatross sings."
    labels = {entity.label for entity in phrase_entities(documents_of(*texts))}
    assert labels.isdisjoint({"white whale", "black crow", "lone albatross"})


@pytest.mark.parametrize("texts", [[], [""], ["", " ", "..."], ["same words again"] * 60, ["日本語 のみ"] * 30])
def test_degenerate_corpora_give_no_entities_and_no_errors(texts: list[str]) -> None:
    phrase_entities(documents_of(*texts))


def test_a_corpus_without_determiners_still_gives_phrases() -> None:
    texts = [f"steel bottle lid item{n}" if n % 15 == 0 else f"cotton shirt{n} blue{n}" for n in range(90)]
    assert "steel bottle lid" in {entity.label for entity in phrase_entities(documents_of(*texts))}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=30))
def test_any_texts_are_survived_with_ids_unique_and_links_resolved(texts: list[str]) -> None:
    entities = phrase_entities(documents_of(*texts, *texts))
    ids = [entity.id for entity in entities]
    assert len(ids) == len(set(ids))
    assert {target for entity in entities for _, target in entity.links} <= set(ids)


def test_least_documents_grows_with_the_corpus() -> None:
    assert [least_documents(size) for size in (50, 299, 300, 15_000, 100_000)] == [2, 2, 3, 3, 20]


def test_tokens_break_at_punctuation_numbers_and_single_letters() -> None:
    assert tokenize("State-of-the-art IL-6, x 42 snake_case don\u2019t") == [
        *("state-of-the-art", "il-6", None, None, None, None, "snake", "case", "don\u2019t")
    ]


def test_a_title_repeated_by_the_text_counts_once() -> None:
    assert document_tokens(CorpusDocument("1", "Red fox.", "red fox. It runs.", "d")).count("fox") == 1
    assert document_tokens(CorpusDocument("1", "Red fox", "It runs", "d")) == ["red", "fox", None, "it", "runs"]


def test_counts_are_of_documents_for_phrases_and_of_occurrences_for_words() -> None:
    texts = [tokenize("the red fox and the red fox ran"), tokenize("a red fox den"), tokenize("angle of attack")] * 2
    counts = count_phrases(texts, least=2)
    assert counts.document_frequency["red", "fox"] == 4
    assert counts.complete_frequency["red", "fox"] == 2
    assert counts.document_frequency["red", "fox", "den"] == 2
    assert counts.document_frequency["angle", "of", "attack"] == 2
    assert counts.term_frequency["fox"] == 6
    assert ("the", "red") not in counts.document_frequency
    assert count_phrases(texts, least=3).document_frequency["red", "fox", "den"] == 0


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("jets", "jet"),
        ("bodies", "body"),
        ("boxes", "box"),
        ("gas", "ga"),
        ("class", "class"),
        ("analysis", "analysis"),
    ],
)
def test_plural_endings_go(plural: str, expected: str) -> None:
    assert singular(plural) == expected


def test_singular_and_plural_are_one_entity() -> None:
    merged = merge_plurals([("angles", "of", "attack"), ("jet",), ("angle", "of", "attack"), ("jets",)])
    assert merged == {
        ("angles", "of", "attack"): [("angles", "of", "attack"), ("angle", "of", "attack")],
        ("jet",): [("jet",), ("jets",)],
    }


def test_npmi_is_one_for_inseparable_zero_for_independent_and_negative_for_shunning() -> None:
    assert npmi(5, 5, 5, 100) == pytest.approx(1)
    assert npmi(25, 50, 50, 100) == pytest.approx(0)
    assert npmi(1, 50, 50, 100) == pytest.approx(math.log(0.04) / -math.log(0.01))
    assert npmi(100, 100, 100, 100) == 1


def test_related_ids_are_the_strongest_companions() -> None:
    mentions = [["a", "b"]] * 4 + [["a", "c"]] * 2 + [["c", "d"]] + [["e"]] * 20
    links = related(mentions)
    assert links["a"] == ["b", "c"]
    assert links["b"] == ["a"]
    assert "d" not in links
    assert "e" not in links


def test_names_are_found_at_word_boundaries_nested_ones_too() -> None:
    finder = NameFinder({("red",): "red", ("red", "fox"): "fox", (): "nothing"})
    assert finder.find(tokenize("The red fox; redder foxes")) == ["fox", "red"]
    assert finder.find(tokenize("red, fox")) == ["red"]
    assert finder.find([]) == []


@pytest.mark.parametrize(
    ("value", "keywords"),
    [
        ("a, b c ,d", ["a", "b c", "d"]),
        ("a, x; b", ["a, x", "b"]),
        ("a | b", ["a", "b"]),
        (["a", " b ", "", 3, None], ["a", "b"]),
        ("", []),
        (None, []),
        ({"a": 1}, []),
        ("x" * 81, []),
    ],
)
def test_keywords_are_split(value: object, keywords: list[str]) -> None:
    assert split_keywords(value) == keywords


def test_keywords_are_capped_by_frequency() -> None:
    documents = documents_of("", "", "")
    entities = keyword_entities(documents, [["b", "a", "A"], ["a", "b"], ["a"]], most=1)
    assert [(entity.id, entity.label) for entity in entities] == [("a", "a")]
