"""Candidates: from entities and titles, never a repetition of the session."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, Situation, Source, normalised
from attune.services.suggestion.queries.model import NO_QUERIES, Counted
from attune.services.suggestion.ranking.candidates import MAX_CANDIDATES, candidates
from attune.services.suggestion.ranking.features import Facts

SEEN = datetime(2026, 11, 3, 9, tzinfo=UTC)
TITLES = st.lists(st.text(max_size=40), max_size=20)


def entity(label: str, mode: Mode = Mode.FAMILIAR, **given_fields: object) -> KnownEntity:
    return KnownEntity(entity_id=label, label=label, mode=mode, score=0.5, **given_fields)  # type: ignore[arg-type]


def situation(query: str = "", previous: tuple[str, ...] = (), entities: tuple[KnownEntity, ...] = (), titles=()):
    return Situation(query, previous, "", "", entities, titles)


def test_an_entity_is_joined_to_the_query() -> None:
    found = candidates(situation("run tasks", entities=(entity("asyncio"),)))
    assert [(each.source, each.facts.entity_ids) for each in found] == [(Source.ENTITY, ("asyncio",))]
    assert [each.text for each in found] == ["run tasks asyncio"]


def test_an_entity_that_the_query_names_is_not_joined_again() -> None:
    found = candidates(situation("Asyncio timeouts", entities=(entity("asyncio"),)))
    assert [each.text for each in found] == ["asyncio"]


def test_a_long_query_is_not_made_longer() -> None:
    found = candidates(situation("run several tasks at once", entities=(entity("asyncio"),)))
    assert [each.text for each in found] == ["asyncio"]


def test_titles_keep_their_rank_and_long_ones_are_left_out() -> None:
    found = candidates(situation("q", titles=["first", "word " * 13, "third"]))
    assert [(each.text, each.facts.document_rank) for each in found] == [("first", 1), ("third", 3)]


def test_without_anything_there_is_nothing() -> None:
    assert candidates(situation()) == []


def test_reasons_speak_of_how_the_user_knows_the_entity() -> None:
    known = (
        entity("a", Mode.FAMILIAR, count=4, last_seen=SEEN),
        entity("b", Mode.LAPSED, count=3, last_seen=SEEN),
        entity("c", Mode.NEIGHBOUR, via_label="a"),
        entity("d", Mode.UNFAMILIAR),
        entity("e", Mode.NEIGHBOUR, via_label="a", via_users=6),
        entity("f", Mode.NEIGHBOUR),
        entity("g", Mode.NEIGHBOUR, via_users=6),
        entity("h", Mode.FAMILIAR),
        entity("i", Mode.FAMILIAR, count=1),
    )
    assert [each.rationale for each in candidates(situation(entities=known))] == [
        "You came across a 4 times, last on 3 November 2026.",
        "You came across b 3 times, but not lately, last on 3 November 2026.",
        "c is close to a, which you know.",
        "d belongs to what you asked, and is new to you.",
        "Others who care about a, which you know, care about e too.",
        "f is close to what you know.",
        "Others who care about what you know care about g too.",
        "You came across h.",
        "You came across i once.",
    ]


class Asked(type(NO_QUERIES)):  # type: ignore[misc]
    """Statistics of a tenant whose users ask these."""

    def next_after(self, *_: object) -> list[Counted]:
        return [Counted("asyncio cancellation", 40)]

    def naming(self, *_: object) -> list[Counted]:
        return [Counted("learn asyncio", 9, ("asyncio",))]

    def containing(self, *_: object) -> list[Counted]:
        return [Counted("run many tasks", 7), Counted("Asyncio Cancellation", 6)]

    def users_of(self, *_: object) -> int:
        return 50


def test_what_many_asked_is_a_candidate_once_and_says_of_others_only_that_they_are_many() -> None:
    found = candidates(situation("run tasks", entities=(entity("asyncio"),)), Asked())
    others = [each for each in found if each.source is Source.OTHER_USERS]
    assert [each.text for each in others] == ["asyncio cancellation", "learn asyncio", "run many tasks"]
    assert (others[0].facts.next_users, others[0].facts.users) == (40, 50)
    assert all(each.rationale.startswith("Many") for each in others)


def test_what_several_sources_know_of_a_text_is_put_together() -> None:
    entities = (entity("queue"), entity("asyncio"))
    (first, second) = candidates(situation(entities=entities, titles=["Asyncio"]))
    assert (first.text, second.text) == ("queue", "Asyncio")
    assert second.facts == Facts(("asyncio",), document_rank=1)


def test_lapsed_topics_of_the_user_need_no_context() -> None:
    own = (entity("sailing", Mode.LAPSED, count=3), entity("asyncio"))
    found = candidates(Situation("run tasks", (), "", "", (), (), own))
    assert [each.text for each in found] == ["sailing"]


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=3), TITLES)
def test_candidates_are_distinct_bounded_and_never_repeat_the_session(
    query: str, previous: list[str], titles: list[str]
) -> None:
    found = candidates(situation(query, tuple(previous), (entity("asyncio"),), titles))
    keys = [normalised(each.text) for each in found]
    assert len(keys) == len(set(keys)) <= MAX_CANDIDATES
    assert not set(keys) & {normalised(text) for text in (query, *previous)}


def test_what_cannot_be_seen_is_no_other_query_and_is_not_shown() -> None:
    query = "\u202e\u05e9\u05d0\u05dc\u05d4 asyncio"
    titles = ["\u05e9\u05d0\u05dc\u05d4 asyncio", "\u2066Queues\u2069"]
    found = candidates(situation(query, entities=(entity("\u200fpyramid"),), titles=titles))
    assert [(each.text, each.rationale) for each in found] == [
        ("\u05e9\u05d0\u05dc\u05d4 asyncio pyramid", "You came across pyramid."),
        ("Queues", "It answers what you asked."),
    ]
