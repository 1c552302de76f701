"""A query that goes on from the last answer finds what is meant; one that says itself what it wants is left alone."""

import pytest

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.search.v1.search_pb2 import SearchResponse
from attune.services.client import Client

pytestmark = pytest.mark.e2e

VAGUE = "and are there cheaper ones there?"
CLEAR = "cheap hotels in Oslo near the station"
TOLD = [
    Turn(
        query="where can I stay in Rome?",
        title="Hotels in Rome",
        text="Rome has many hotels around Termini, and quieter ones in Trastevere and by the Vatican.",
    )
]


def found(client: Client, query: str, context: Context | None = None, **options: str) -> SearchResponse:
    return client.search(query, context=context, domains=["cities"], **options)  # type: ignore[arg-type]


def cities_of(answer: SearchResponse) -> list[str]:
    return [hit.document.title for hit in answer.hits]


@pytest.mark.usefixtures("cities")
def test_a_vague_query_finds_what_its_session_is_about(client: Client) -> None:
    plain, after = found(client, VAGUE), found(client, VAGUE, Context(turns=TOLD))
    assert after.personalization.session_weight > 0
    assert cities_of(after)[:5].count("Rome") > cities_of(plain)[:5].count("Rome")
    assert cities_of(after)[0] == "Rome"
    assert plain.hits[0].document.document_id in {hit.document.document_id for hit in after.hits}
    assert after.hits[0].explanation.summary == "because it goes on from what you were just asking about"
    for hit in after.hits:
        assert sum(part.contribution for part in hit.explanation.parts) == pytest.approx(hit.score)


@pytest.mark.usefixtures("cities")
def test_a_clear_query_is_ranked_as_without_a_session(client: Client) -> None:
    plain, after = found(client, CLEAR), found(client, CLEAR, Context(turns=TOLD))
    assert [hit.score for hit in after.hits] == [hit.score for hit in plain.hits]
    assert after.personalization.session_weight == 0
    assert "not foreseen to help" in after.personalization.session_reason


@pytest.mark.usefixtures("cities")
def test_no_personalization_leaves_the_session_out(client: Client) -> None:
    after = found(client, VAGUE, Context(turns=TOLD, personalization=0))
    assert [hit.score for hit in after.hits] == [hit.score for hit in found(client, VAGUE).hits]


@pytest.mark.usefixtures("cities")
def test_pages_after_a_turn_do_not_overlap(client: Client) -> None:
    first = found(client, VAGUE, Context(turns=TOLD))
    second = found(client, VAGUE, Context(turns=TOLD), page_token=first.next_page_token)
    ids = [hit.document.document_id for answer in (first, second) for hit in answer.hits]
    assert len(ids) == len(set(ids)) == 20
