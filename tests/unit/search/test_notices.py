"""Notices: one sentence a domain, true numbers, never more than a few."""

from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.knowledge.v1.context_pb2 import Context
from attune.services.search.notices import NAMED, GeneralistCount, of_augmentation, of_empty_domains
from attune.services.search.service import _notices_of_augmentation
from attune.services.search.wish import Wish

EXPERTS = frozenset({"general", "medicine"})


def counted(*domains: str, experts: frozenset[str] = EXPERTS) -> GeneralistCount:
    generalist = GeneralistCount(experts)
    for domain in domains:
        generalist.add(domain)
    return generalist


def test_a_domain_without_an_expert_is_told_with_its_documents_and_the_known_ones() -> None:
    because = "no expert is trained for it; known domains: general, medicine"
    assert counted(*["nosuch"] * 12, "medicine", "law").notices() == [
        f"12 documents of domain 'nosuch' were embedded by the general expert: {because}",
        f"1 document of domain 'law' was embedded by the general expert: {because}",
    ]


@pytest.mark.parametrize("domains", [(), ("",), ("general", "medicine", "")])
def test_documents_of_their_own_expert_and_of_no_domain_are_nothing_to_tell(domains: tuple[str, ...]) -> None:
    assert counted(*domains).notices() == []
    assert counted(*domains).total == 0


def test_beyond_the_named_domains_documents_are_counted_together() -> None:
    domains = [f"d{number}" for number in range(NAMED + 5)]
    generalist = counted(*domains, *domains)
    assert len(generalist.notices()) == NAMED + 1
    assert generalist.notices()[-1].startswith("10 documents of further domains were embedded by the general expert")
    assert generalist.total == 2 * len(domains)


def test_one_document_of_a_further_domain_is_one() -> None:
    last = counted(*(f"d{number}" for number in range(NAMED + 1))).notices()[-1]
    assert last.startswith("1 document of further domains was embedded")


def test_of_many_known_domains_the_first_are_named_and_the_others_counted() -> None:
    experts = frozenset({"general", *(f"e{number:02}" for number in range(30))})
    (sentence,) = counted("nosuch", experts=experts).notices()
    assert sentence.endswith("known domains: e00, e01, e02, e03, e04, e05, e06, e07, e08, e09 and 21 more")


def test_control_characters_of_a_domain_do_not_reach_the_sentence() -> None:
    name = "a\nb\x1b[2J"
    for (sentence,) in (counted(name).notices(), of_empty_domains([name])):
        assert sentence.isprintable()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=60))
def test_no_document_is_lost_or_counted_twice(domains: list[str]) -> None:
    generalist = counted(*domains)
    expected = Counter(domain for domain in domains if domain and domain not in EXPERTS)
    assert generalist.total == expected.total()
    assert all(expected[domain] == count for domain, count in generalist.by_domain.items())
    assert len(generalist.by_domain) == min(NAMED, len(expected))
    assert len(generalist.notices()) <= NAMED + 1


def test_an_empty_domain_is_told_with_field_and_mend() -> None:
    (sentence,) = of_empty_domains(["nosuch"])
    assert sentence.startswith("domains: no document has domain 'nosuch'; ")
    assert sentence.endswith("name domains that documents were indexed with, or none to search all of them")


def test_several_empty_domains_are_one_sentence_of_bounded_length() -> None:
    assert of_empty_domains(["a", "b"])[0].startswith("domains: no document has any of the domains 'a', 'b'; name")
    (sentence,) = of_empty_domains([f"{number}" * 32 for number in range(64)])
    assert "and 54 more; name" in sentence
    assert len(sentence) < 1000


def test_without_empty_domains_nothing_is_said() -> None:
    assert of_empty_domains([]) == []


def test_an_augmentation_that_no_expert_has_is_told():
    [sentence] = of_augmentation("tower", ["general"])
    assert sentence.startswith("augmentation: the query was left plain, as 'general' has no tower:")
    assert of_augmentation("tower", []) == []


@pytest.mark.parametrize(
    ("wanted", "done", "told"),
    [
        (embedding.AUGMENTATION_TOWER, [embedding.AUGMENTATION_NONE], True),
        (embedding.AUGMENTATION_TOWER, [embedding.AUGMENTATION_NONE, embedding.AUGMENTATION_TOWER], False),
        (embedding.AUGMENTATION_UNSPECIFIED, [embedding.AUGMENTATION_NONE], False),
        (embedding.AUGMENTATION_NONE, [embedding.AUGMENTATION_NONE], False),
    ],
)
def test_a_search_tells_when_no_query_vector_was_augmented_as_asked(wanted, done, told):
    wish = Wish("q", "", Context(), (), 10, wanted)
    found = SimpleNamespace(augmentations=done, spaces=[SimpleNamespace(domain="")])
    assert bool(_notices_of_augmentation(wish, found)) == told
