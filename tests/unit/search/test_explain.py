"""Explanations: a sentence that a person understands, parts that add up."""

from datetime import UTC, datetime

import pytest

from attune.services.search.explain import explain
from attune.services.search.fusion import Fused, reciprocal_rank, reciprocal_rank_fusion
from attune.services.search.index.port import Candidate
from attune.services.search.leaning.contexts import FromContext
from attune.services.search.person import Acquaintance
from attune.services.search.personal import Evidence, Ranked

SEEN = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)


def ranked(ranks: dict[str, int], *evidence: Evidence, personal: float = 0.2) -> Ranked:
    fused = Fused("d", 0.03, ranks, dict.fromkeys(ranks, 0.7))
    return Ranked(fused, 4, 0.9, 0.5, personal if evidence else 0.0, evidence)


def reading(**fields: object) -> Evidence:
    values = {"entity_id": "asyncio", "label": "asyncio", "strength": 0.5, "last_seen": SEEN}
    return Evidence(Acquaintance(**(values | fields)), 0.4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        (reading(reads=4, searches=2), "because you read about asyncio 4 times, last on 3 November 2026"),
        (reading(reads=1), "because you read about asyncio once, last on 3 November 2026"),
        (reading(searches=2), "because you searched for asyncio 2 times, last on 3 November 2026"),
        (
            reading(via_label="selectors", last_seen=None),
            "because it is about asyncio, which is close to selectors that you know",
        ),
        (
            reading(via_label="selectors", via_users=7, last_seen=None),
            "because it is about asyncio, which others who care about selectors care about too",
        ),
    ],
)
def test_the_sentence_tells_what_the_user_did(evidence: Evidence, sentence: str) -> None:
    assert explain(ranked({"dense": 1}, evidence)).summary == sentence


@pytest.mark.parametrize(
    ("ranks", "sentence"),
    [
        ({"dense": 2, "bm25": 1}, "matches what your query means (place 2) and its words (place 1)"),
        ({"dense": 2}, "matches what your query means (place 2)"),
        ({"bm25": 3}, "matches the words of your query (place 3)"),
    ],
)
def test_without_history_the_sentence_tells_of_the_query(ranks: dict[str, int], sentence: str) -> None:
    assert explain(ranked(ranks)).summary == sentence


def test_history_that_moved_nothing_is_not_claimed_as_a_reason() -> None:
    assert explain(ranked({"dense": 1}, reading(reads=4), personal=0.001)).summary.startswith("matches")


def test_the_parts_add_up_to_the_score() -> None:
    each = ranked({"dense": 2, "bm25": 7}, reading(reads=1))
    explanation = explain(each)
    assert sum(part.contribution for part in explanation.parts) == pytest.approx(each.score)
    assert {part.name: part.rank for part in explanation.parts} == {"dense": 2, "bm25": 7, "personal": 0}


def test_the_plain_score_is_divided_as_the_fusion_made_it() -> None:
    dense, bm25 = [Candidate(each, 1.0) for each in "ab"], [Candidate(each, 1.0) for each in "cdeb"]
    fused = {each.id: each for each in reciprocal_rank_fusion({"dense": dense, "bm25": bm25})}["b"]
    parts = explain(Ranked(fused, 1, fused.score, 0.0, 0.0, ())).parts
    assert {part.name: part.contribution for part in parts} == pytest.approx(
        {"dense": reciprocal_rank(2), "bm25": reciprocal_rank(4), "personal": 0.0}
    )


def test_at_most_five_entities_are_named() -> None:
    assert len(explain(ranked({"dense": 1}, *(reading(reads=1) for _ in range(9)))).entities) == 5


def after(contribution: float, *evidence: Evidence, personal: float = 0.0) -> Ranked:
    fused = Fused("d", 0.03, {"dense": 1}, {"dense": 0.7})
    return Ranked(fused, 4, 0.9, 0.5, personal, evidence, FromContext(contribution, 2, 0.6))


def test_the_session_is_a_part_and_a_reason() -> None:
    found = explain(after(0.2))
    assert found.summary == "because it goes on from what you were just asking about"
    part = next(each for each in found.parts if each.name == "session")
    assert (part.contribution, part.rank, part.value) == (0.2, 2, 0.6)


def test_a_session_that_speaks_against_a_hit_is_no_reason_for_it_but_a_part() -> None:
    found = explain(after(-0.2))
    assert found.summary.startswith("matches")
    assert sum(each.contribution for each in found.parts) == pytest.approx(0.7)


def test_the_stronger_of_session_and_history_is_told() -> None:
    assert "goes on" in explain(after(0.3, reading(reads=2), personal=0.1)).summary
    assert "you read about" in explain(after(0.1, reading(reads=2), personal=0.3)).summary


def test_a_hit_of_the_session_alone_has_no_other_part() -> None:
    ranked = Ranked(Fused("d", 0.0, {}, {}), 120, 0.0, 0.0, 0.0, (), FromContext(0.005, 90, 0.2))
    found = explain(ranked)
    assert found.summary == "is near what you were just asking about"
    assert [each.name for each in found.parts] == ["session", "personal"]
