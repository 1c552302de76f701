"""What every index engine must do alike with documents from the log: of two versions the later one stays, whoever comes
last, and how far the log was read is kept beside them.
"""

from itertools import permutations
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import DIMENSION, Opener

from attune.services.search.index.port import Document, Index, IndexedDocument, Version

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
VECTOR = np.ones((1, DIMENSION), np.float32)
LARGE = 2**40
"""Beyond what fits 32 bits."""


def put(index: Index, document_id: str, text: str, version: Version | None, tenant: str = "acme") -> None:
    document = IndexedDocument.of(Document(document_id, "", text, "general"), version=version)
    index.upsert(tenant, [document], VECTOR)


def text_of(index: Index, document_id: str) -> str | None:
    found = index.get("acme", document_id)
    return None if found is None else found.text


def test_the_latest_of_three_versions_stays_in_whatever_order_they_come(index: Index) -> None:
    for number, order in enumerate(permutations((LARGE, LARGE + 1, LARGE + 2))):
        for offset in order:
            put(index, str(number), f"text {offset}", Version(0, offset, 0))
        assert text_of(index, str(number)) == f"text {LARGE + 2}"
        assert index.versions("acme", [str(number)]) == {str(number): Version(0, LARGE + 2, 0)}


def test_what_is_deleted_does_not_come_back_and_no_search_sees_what_stays_of_it(index: Index) -> None:
    put(index, "1", "unique words", Version(0, 5, 0))
    index.retire("acme", {"1": Version(0, 6, 0)})
    put(index, "1", "unique words", Version(0, 5, 0))
    assert index.get("acme", "1") is None
    assert index.documents("acme", ["1"]) == {}
    assert index.digests("acme", ["1"]) == {}
    assert index.count("acme") == 0
    assert index.bm25("acme", "unique", 10) == []
    assert index.dense("acme", VECTOR[0], 10) == []
    assert index.inhabited("acme", ["general"]) == frozenset()
    assert index.versions("acme", ["1"]) == {"1": Version(0, 6, 0)}


def test_what_was_read_to_rank_is_gone_once_it_was_deleted_and_back_once_it_is_put_again(index: Index) -> None:
    put(index, "1", "words", Version(0, 5, 0))
    assert index.to_rank("acme", ["1"]).documents.keys() == index.vectors("acme", ["1"]).keys() == {"1"}
    index.retire("acme", {"1": Version(0, 6, 0)})
    assert not index.to_rank("acme", ["1"]).documents
    assert not index.vectors("acme", ["1"])
    put(index, "1", "words", Version(0, 7, 0))
    assert index.to_rank("acme", ["1"]).documents.keys() == index.vectors("acme", ["1"]).keys() == {"1"}


def test_a_document_may_be_put_again_after_its_deletion(index: Index) -> None:
    index.retire("acme", {"1": Version(0, 6, 0)})
    put(index, "1", "revived", Version(0, 7, 0))
    assert text_of(index, "1") == "revived"
    assert [each.id for each in index.bm25("acme", "revived", 10)] == ["1"]


def test_an_old_deletion_leaves_the_document(index: Index) -> None:
    put(index, "1", "new", Version(0, 7, 0))
    index.retire("acme", {"1": Version(0, 6, 0)})
    assert text_of(index, "1") == "new"


def test_of_two_partitions_the_log_time_says_which_is_later(index: Index) -> None:
    put(index, "1", "in partition 0", Version(0, 900, 1_793_664_000_000))
    put(index, "1", "moved to 7", Version(7, 3, 1_793_664_000_001))
    put(index, "1", "in partition 0", Version(0, 900, 1_793_664_000_000))
    assert text_of(index, "1") == "moved to 7"


def test_a_document_without_a_version_is_replaced_by_one_with_and_the_other_way_round(index: Index) -> None:
    put(index, "1", "by a call", None)
    put(index, "1", "by the log", Version(0, 0, 0))
    assert text_of(index, "1") == "by the log"
    put(index, "1", "by a call", None)
    assert text_of(index, "1") == "by a call"
    assert index.versions("acme", ["1"]) == {}


def test_an_unchanged_document_can_have_its_version_confirmed_and_a_changed_one_not(index: Index) -> None:
    put(index, "1", "same", Version(0, 3, 0))
    same = Document("1", "", "same", "general")
    index.confirm("acme", [IndexedDocument.of(same, version=Version(0, 8, 0))])
    assert index.versions("acme", ["1"]) == {"1": Version(0, 8, 0)}
    index.confirm("acme", [IndexedDocument.of(same, version=Version(0, 4, 0))])
    index.confirm("acme", [IndexedDocument.of(Document("1", "", "other", "general"), version=Version(0, 9, 0))])
    index.confirm("acme", [IndexedDocument.of(Document("2", "", "same", "general"), version=Version(0, 9, 0))])
    assert index.versions("acme", ["1", "2"]) == {"1": Version(0, 8, 0)}
    assert text_of(index, "1") == "same"


def test_versions_are_each_tenants_own(index: Index) -> None:
    put(index, "1", "new", Version(0, 7, 0))
    put(index, "1", "old", Version(0, 3, 0), tenant="other")
    index.retire("other", {"1": Version(0, 9, 0)})
    assert text_of(index, "1") == "new"
    assert index.versions("other", ["1"]) == {"1": Version(0, 9, 0)}


def test_a_call_that_deletes_counts_documents_and_not_what_is_left_of_them(index: Index) -> None:
    put(index, "1", "here", Version(0, 1, 0))
    index.retire("acme", {"2": Version(0, 2, 0)})
    assert index.delete("acme", ["1", "2", "3"]) == 1
    put(index, "2", "old", Version(0, 1, 0))
    assert index.get("acme", "2") is None


def test_the_offset_of_a_partition_only_goes_up_and_is_no_document(index: Index) -> None:
    assert index.log_offset(3) == 0
    index.move_log_offset(3, LARGE)
    index.move_log_offset(3, 5)
    index.move_log_offset(4, 1)
    assert (index.log_offset(3), index.log_offset(4)) == (LARGE, 1)
    assert index.count("acme") == 0


def test_offsets_and_versions_survive_a_restart(open_index: Opener) -> None:
    index = open_index()
    put(index, "1", "text", Version(2, 5, 17))
    index.retire("acme", {"2": Version(2, 6, 18)})
    index.move_log_offset(2, 7)
    index.close()
    again = open_index()
    assert again.versions("acme", ["1", "2"]) == {"1": Version(2, 5, 17), "2": Version(2, 6, 18)}
    assert again.log_offset(2) == 7
    again.close()


VERSIONS = st.builds(Version, st.integers(0, 2), st.integers(0, 5), st.integers(0, 3))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=VERSIONS, second=VERSIONS, is_deletion=st.booleans())
def test_the_engine_judges_as_is_after_does(index: Index, first: Version, second: Version, is_deletion: bool) -> None:
    other = uuid4().hex  # a document of its own, as what is left of one stays
    put(index, other, "first", first)
    if is_deletion:
        index.retire("acme", {other: second})
    else:
        put(index, other, "second", second)
    expected = (None if is_deletion else "second") if second.is_after(first) else "first"
    assert text_of(index, other) == expected
