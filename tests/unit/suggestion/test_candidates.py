"""Candidates: from entities and titles, never a repetition of the session."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.candidates import MAX_CANDIDATES, candidates
from attune.services.suggestion.known import KnownEntity, Situation, normalised

SEEN = datetime(2026, 11, 3, 9, tzinfo=UTC)
TITLES = st.lists(st.text(max_size=40), max_size=20)


def entity(label: str, mode: Mode = Mode.FAMILIAR, **given_fields: object) -> KnownEntity:
    return KnownEntity(entity_id=label, label=label, mode=mode, score=0.5, **given_fields)  # type: ignore[arg-type]


def situation(query: str = "", previous: tuple[str, ...] = (), entities: tuple[KnownEntity, ...] = (), titles=()):
    return Situation(query, previous, "", "", entities, titles)


def test_an_entity_is_joined_to_the_query_and_judged_by_itself() -> None:
    found = candidates(situation("run tasks", entities=(entity("asyncio"),)))
    assert [each.about for each in found] == ["asyncio"]
    assert [each.text for each in found] == ["run tasks asyncio"]


def test_an_entity_that_the_query_names_is_not_joined_again() -> None:
    found = candidates(situation("Asyncio timeouts", entities=(entity("asyncio"),)))
    assert [each.text for each in found] == ["asyncio"]


def test_a_long_query_is_not_made_longer() -> None:
    found = candidates(situation("run several tasks at once", entities=(entity("asyncio"),)))
    assert [each.text for each in found] == ["asyncio"]


def test_titles_keep_their_rank_and_long_ones_are_left_out() -> None:
    found = candidates(situation("q", titles=["first", "word " * 13, "third"]))
    assert [(each.text, each.document_rank) for each in found] == [("first", 1), ("third", 3)]


def test_without_anything_there_is_nothing() -> None:
    assert candidates(situation()) == []


def test_reasons_speak_of_how_the_user_knows_the_entity() -> None:
    known = (
        entity("a", Mode.FAMILIAR, count=4, last_seen=SEEN),
        entity("b", Mode.LAPSED, count=3, last_seen=SEEN),
        entity("c", Mode.NEIGHBOUR, via_label="a"),
        entity("d", Mode.UNFAMILIAR),
        entity("e", Mode.NEIGHBOUR, via_label="a", via_users=6),
    )
    assert [each.rationale for each in candidates(situation(entities=known))] == [
        "You came across a 4 times, last on 3 November 2026.",
        "You came across b 3 times, but not lately, last on 3 November 2026.",
        "c is close to a, which you know.",
        "d belongs to what you asked, and is new to you.",
        "Others who care about a, which you know, care about e too.",
    ]


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=3), TITLES)
def test_candidates_are_distinct_bounded_and_never_repeat_the_session(
    query: str, previous: list[str], titles: list[str]
) -> None:
    found = candidates(situation(query, tuple(previous), (entity("asyncio"),), titles))
    keys = [normalised(each.text) for each in found]
    assert len(keys) == len(set(keys)) <= MAX_CANDIDATES
    assert not set(keys) & {normalised(text) for text in (query, *previous)}
