import math

import pytest
from tests.unit.knowledge_store.builders import line

from attune.knowledge_store.candidates import MOST_CANDIDATES, CandidateIndex, Use
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.names import NameKind
from attune.knowledge_store.popularity import popularity


def index_of(*lines: str) -> CandidateIndex:
    catalog = Catalog.load(lines)
    return CandidateIndex(catalog, popularity(catalog, CatalogGraph(catalog)))


def small(name: str) -> Use:
    return Use(name, is_capitalised=False, is_upper=False)


def test_the_probabilities_of_a_name_sum_to_one_over_all_who_may_be_meant():
    index = index_of(line("a", "Ford"), line("b", "Gerald Ford"), line("c", "Harrison Ford", ["Ford"]))
    for use, ids in ((small("ford"), {"a", "c"}), (Use("ford", is_capitalised=True, is_upper=False), {"a", "b", "c"})):
        named = index.of(use)
        assert {each.entity_id for each in named} == ids
        assert math.fsum(math.exp(each.log_prior) for each in named) == pytest.approx(1.0)


def test_an_only_entity_is_certain():
    index = index_of(line("a", "Alpha"))
    (named,) = index.of(small("alpha"))
    assert (named.entity_id, named.kind, named.log_prior) == ("a", NameKind.LABEL, 0.0)
    assert index.of(small("beta")) == ()


def test_of_a_crowd_the_likeliest_are_kept_with_their_share_among_all():
    crowd = [line(f"e{i:03}", f"thing {i}", ["x"]) for i in range(200)]
    named = index_of(*crowd, line("z", "x")).of(small("x"))
    assert len(named) == MOST_CANDIDATES
    assert named[0].entity_id == "z"
    assert math.fsum(math.exp(each.log_prior) for each in named) < 0.2


def test_low_numbers_of_wikidata_are_popular_unless_other_ids_are_among_them():
    lines = [line("Q900000", "same"), line("Q30", "Same")]
    assert [each.entity_id for each in index_of(*lines).of(small("same"))] == ["Q30", "Q900000"]
    assert [each.entity_id for each in index_of(*lines, line("other")).of(small("same"))] == ["Q30", "Q900000"]
    catalog = Catalog.load([*lines, line("other")])
    values = popularity(catalog, CatalogGraph(catalog))
    assert values["Q30"] == values["Q900000"] == values["other"]
