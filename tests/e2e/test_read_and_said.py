"""What a user has read, and said of themselves, leans later searches; forgotten or not allowed, it does not."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.e2e.conftest import exported, record_visibly

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1.search_pb2 import SearchResponse
from attune.services.client import Client, interaction

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("cities")]

VAGUE = "what should I do there?"
RELATED = "what is there in Kyoto for me?"
"""To what was read."""
READ = ("city-Kyoto-7", "city-Kyoto-1")
SAID = "I am vegetarian."
FOR_VEGETARIANS = 2


def event(user: str, kind: str, **fields: object) -> InteractionEvent:
    return interaction(user, kind, datetime.now(UTC) - timedelta(minutes=1), **fields)  # type: ignore[arg-type]


def clicks(user: str) -> list[InteractionEvent]:
    return [event(user, "click", object_id=each) for each in READ]


def found(client: Client, user: str = "", query: str = VAGUE, **options: object) -> SearchResponse:
    return client.search(query, user=user, domains=["cities"], **options)  # type: ignore[arg-type]


def ranking(answer: SearchResponse) -> list[tuple[str, float]]:
    return [(hit.document.document_id, hit.score) for hit in answer.hits]


def places(client: Client, user: str = "") -> list[int]:
    """Where the documents that were read stand in the whole list."""
    ids = [hit.document.document_id for hit in found(client, user, RELATED, page_size=32).hits]
    return [ids.index(each) for each in READ]


def test_what_was_read_lifts_what_is_like_it_and_forgetting_makes_the_ranking_plain(client: Client) -> None:
    plain = found(client, query=RELATED)
    record_visibly(client, clicks("rs-reader"))
    after = found(client, "rs-reader", RELATED)
    assert after.personalization.applied
    assert after.personalization.history_weight > 0
    assert sum(places(client, "rs-reader")) < sum(places(client))
    near = [hit.explanation for hit in after.hits if hit.explanation.HasField("history")]
    assert {each.history.document_id for each in near} <= set(READ)
    assert any(each.summary.startswith("because it is close to what you read on ") for each in near)
    assert plain.hits[0].document.document_id in {hit.document.document_id for hit in after.hits}
    for hit in after.hits:
        assert sum(part.contribution for part in hit.explanation.parts) == pytest.approx(hit.score)
    assert ranking(found(client, "rs-reader", RELATED, context=Context(personalization=0))) == ranking(plain)
    removed = client.forget("rs-reader").removed
    assert removed["readings"] == 2
    forgotten = found(client, "rs-reader", RELATED)
    assert ranking(forgotten) == ranking(plain)
    assert forgotten.personalization.history_weight == 0


def test_what_a_user_said_of_themselves_counts_until_it_is_taken_back(client: Client) -> None:
    record_visibly(client, [event("rs-said", "statement", query=SAID)])
    plain, after = found(client), found(client, "rs-said")
    wanted = f"-{FOR_VEGETARIANS}"
    assert after.personalization.history_weight > 0
    assert after.hits[0].document.document_id.endswith(wanted)
    assert after.hits[0].explanation.summary.startswith("because it fits what you said of yourself on ")
    assert SAID not in str(after)
    assert [each.statement.text for each in exported(client, "rs-said") if each.HasField("statement")] == [SAID]
    record_visibly(client, [event("rs-said", "statement", query=SAID, attributes={"verdict": "irrelevant"})])
    assert ranking(found(client, "rs-said")) == ranking(plain)


def test_personal_data_in_a_statement_is_not_kept(client: Client) -> None:
    record_visibly(client, [event("rs-data", "statement", query="Call me on 030 901820 1234.")])
    assert [each for each in exported(client, "rs-data") if each.HasField("statement")] == []


def test_what_the_user_rejected_or_turned_away_from_does_not_count(client: Client) -> None:
    rejected = event("rs-no", "feedback", object_id=READ[0], attributes={"verdict": "irrelevant"})
    left = event("rs-no", "dwell", object_id=READ[1], dwell_ms=900)
    record_visibly(client, [*clicks("rs-no"), rejected, left])
    assert ranking(found(client, "rs-no", RELATED)) == ranking(found(client, query=RELATED))


def test_who_does_not_allow_ranking_is_ranked_plainly(client: Client) -> None:
    record_visibly(client, clicks("rs-withheld"))
    client.set_consents("rs-withheld", withdraw=["ranking"])
    after = found(client, "rs-withheld", RELATED)
    assert ranking(after) == ranking(found(client, query=RELATED))
    assert "does not allow" in after.personalization.history_reason


def test_another_users_history_is_not_counted(client: Client) -> None:
    record_visibly(client, clicks("rs-one"))
    assert ranking(found(client, "rs-other", RELATED)) == ranking(found(client, query=RELATED))


def test_a_statement_that_is_too_long_is_refused_by_its_field(client: Client) -> None:
    answer = client.record([event("rs-long", "statement", query="x" * 301), event("rs-long", "statement")])
    assert answer.rejected_count == 2
    assert "300 characters" in answer.rejected[0].reason
