"""The last step to a list: what never gives way, under every ranking, feedback and interleaving."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.conftest import MakeRanker

from attune.services.search.comparing.plan import Assignment
from attune.services.search.feedback.memory import NO_FEEDBACK, SessionFeedback
from attune.services.search.fusion import Fused
from attune.services.search.leaning.contexts import FromContext
from attune.services.search.ordering import Draw, Ordered, Ordering
from attune.services.search.person import Acquaintance, Person
from attune.services.search.personal import Ranked, personal_ranking
from attune.services.search.ranking.rankings import CHALLENGER, LEARNED, PERSONAL, PLAIN, Formula, Learned, Ranking
from attune.services.search.ranking.token import Method, Token

COUNT = 20
IDS = [f"d{place}" for place in range(1, COUNT + 1)]
FUSED = [
    Fused(each, 1 / (60 + place), {"dense": place}, {"dense": 1 - place / 50}) for place, each in enumerate(IDS, 1)
]
FORMULAS: dict[str, Ranking] = {name: Formula(name) for name in (PLAIN, PERSONAL)}


def candidates(entities: Sequence[Sequence[str]], weight: float = 0.35, **strengths: float) -> list[Ranked]:
    person = Person({key: Acquaintance(key, key, value, reads=1) for key, value in strengths.items()})
    return personal_ranking(FUSED, entities, person, weight)


def page_of(
    ranked: Sequence[Ranked],
    entities: Sequence[Sequence[str]],
    names: tuple[str, ...] = (PERSONAL,),
    feedback: SessionFeedback = NO_FEEDBACK,
    rankings: dict[str, Ranking] = FORMULAS,
    draw: Draw = Draw(10, "q"),  # noqa: B008 - it is immutable
) -> Ordered:
    by_id = dict(zip(IDS, entities, strict=True))
    method = Method.INTERLEAVING if len(names) == 2 else Method.NOTHING
    compared = (names[0], names[-1]) if method else None
    ordering = Ordering(ranked, [by_id[each.fused.id] for each in ranked], rankings, feedback)
    return ordering.whole(draw, Assignment(names, method, compared), names[0])


def ids(made: Ordered, size: int = 10) -> list[str]:
    """Of the first page."""
    return [each.ranked.fused.id for each in made.hits(0, size)]


NOTHING = [()] * COUNT
ABOUT = [("cat",) if place in (8, 15) else () for place in range(COUNT)]


def test_without_feedback_the_formula_decides_as_before() -> None:
    ranked = candidates(ABOUT, cat=0.9)
    assert ids(page_of(ranked, ABOUT)) == [each.fused.id for each in ranked[:10]]
    assert ids(page_of(ranked, ABOUT, (PLAIN,))) == IDS[:10]
    assert all(not each.ranked.evidence for each in page_of(ranked, ABOUT, (PLAIN,)).hits(0, COUNT))


def test_a_rejected_document_is_gone_and_a_pinned_one_first() -> None:
    feedback = SessionFeedback(pinned=("d19", "d3", "elsewhere"), rejected=frozenset({"d1", "d4"}))
    made = page_of(candidates(NOTHING), NOTHING, feedback=feedback)
    assert ids(made)[:4] == ["d19", "d3", "d2", "d5"]
    assert [each.is_pinned for each in made.hits(0, 3)] == [True, True, False]
    assert (made.rejected, len(made)) == (2, COUNT - 2)


def test_an_entity_that_is_not_meant_counts_against_its_documents() -> None:
    entities = [("cat",) if place == 1 else () for place in range(COUNT)]
    made = page_of(candidates(entities), entities, feedback=SessionFeedback(not_about=frozenset({"cat"})))
    assert "d2" not in ids(made)
    assert made.lowered == 1
    everywhere = [("cat",)] * COUNT
    same = page_of(candidates(everywhere), everywhere, feedback=SessionFeedback(not_about=frozenset({"cat"})))
    assert ids(same) == IDS[:10]


def test_the_parts_of_a_learned_score_add_up_to_it(make_ranker: MakeRanker) -> None:
    learned = FORMULAS | {LEARNED: Learned(make_ranker(dense=2.0, personal=1.0))}
    made = page_of(candidates(ABOUT, cat=0.9), ABOUT, (LEARNED,), rankings=learned)
    for each in made.hits(0, COUNT):
        assert each.parts is not None
        assert sum(each.parts.values()) == pytest.approx(each.score)


def test_a_learned_ranker_ranks_who_is_not_known_as_without_personalization(make_ranker: MakeRanker) -> None:
    ranker = make_ranker(dense=-2.0, plain=1.0, personal=5.0)
    ranker.means[:] = 0.3
    learned = FORMULAS | {LEARNED: Learned(ranker)}
    for weight in (0.0, 0.35):
        stranger = page_of(candidates(ABOUT, weight), ABOUT, (LEARNED,), rankings=learned)
        nobody = page_of(candidates(ABOUT, 0.0, cat=0.9), ABOUT, (LEARNED,), rankings=learned)
        assert ids(stranger) == ids(nobody)


def test_tokens_say_what_was_drawn_and_how_likely_it_was() -> None:
    ranked = candidates(ABOUT, cat=0.9)
    made = page_of(ranked, ABOUT, (PERSONAL, PLAIN))
    tokens = [Token.decoded(each.token.encoded()) for each in made.hits(0, 10)]
    assert [each.position for each in tokens] == list(range(1, 11))
    assert {each.team for each in tokens} == {1, 2}
    for each in tokens:
        assert each.places[each.position] > 0
        assert sum(each.places.values()) <= 1 + 1e-2
    assert [each.ranking for each in made.hits(0, 10)] == [("", PERSONAL, PLAIN)[each.team] for each in tokens]
    again = page_of(ranked, ABOUT, (PERSONAL, PLAIN))
    assert [each.token.encoded() for each in again.hits(0, COUNT)] == [
        each.token.encoded() for each in made.hits(0, COUNT)
    ]


def test_where_two_rankings_agree_nothing_is_drawn() -> None:
    made = page_of(candidates(NOTHING), NOTHING, (PERSONAL, PLAIN))
    assert ids(made) == IDS[:10]
    assert all(each.token.places == {} and not each.ranking for each in made.hits(0, COUNT))


@pytest.mark.parametrize("query_id", list("abcdef"))
def test_on_a_page_of_one_the_plain_winner_of_the_default_ranking_goes_before_that_of_another(
    make_ranker: MakeRanker, query_id: str
) -> None:
    """Whichever ranking the coin lets begin."""
    rankings = FORMULAS | {LEARNED: Learned(make_ranker(dense=-1.0))}
    made = page_of(candidates(NOTHING), NOTHING, (PERSONAL, LEARNED), rankings=rankings, draw=Draw(1, query_id))
    assert ids(made, 1) == ["d1"]


def test_what_the_session_adds_is_personal_and_no_part_of_the_plain_ranking(make_ranker: MakeRanker) -> None:
    said = FromContext(0.4, 1, 0.9)
    ranked = [replace(each, session=said) if each.fused.id == "d2" else each for each in candidates(NOTHING)]
    assert ids(page_of(ranked, NOTHING))[0] == "d2"
    plain = page_of(ranked, NOTHING, (PLAIN,))
    assert ids(plain) == IDS[:10]
    assert all(hit.ranked.session is None for hit in plain.hits(0, COUNT))
    learned = FORMULAS | {LEARNED: Learned(make_ranker(plain=1.0, session=1.0))}
    made = page_of(ranked, NOTHING, (LEARNED,), rankings=learned)
    assert (made.hits(0, 1)[0].parts or {})["session"] > 0


feedbacks = st.builds(
    SessionFeedback,
    pinned=st.lists(st.sampled_from(IDS), unique=True, max_size=12).map(tuple),
    rejected=st.frozensets(st.sampled_from(IDS), max_size=12),
    not_about=st.frozensets(st.sampled_from("abc")),
)
weights = st.fixed_dictionaries({name: st.floats(-3, 3) for name in ("plain", "dense", "bm25", "personal")})
situations = st.tuples(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=6),
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=COUNT, max_size=COUNT),
    st.floats(0, 0.7),
)
names = st.lists(st.sampled_from([PLAIN, PERSONAL, LEARNED, CHALLENGER]), min_size=1, max_size=2, unique=True)


@given(situations, feedbacks, weights, weights, names, st.integers(1, 12), st.text(max_size=3))
def test_the_first_without_personalization_stays_on_the_first_page_whatever_ranks(
    make_ranker: MakeRanker,
    situation: tuple[dict[str, float], list[list[str]], float],
    feedback: SessionFeedback,
    learned: dict[str, float],
    challenger: dict[str, float],
    chosen: list[str],
    size: int,
    query_id: str,
) -> None:
    strengths, entities, weight = situation
    rankings = FORMULAS | {LEARNED: Learned(make_ranker(**learned)), CHALLENGER: Learned(make_ranker(**challenger))}
    draw = Draw(size, query_id)
    pinned = tuple(each for each in feedback.pinned if each not in feedback.rejected)
    feedback = replace(feedback, pinned=pinned)
    ranked = candidates(entities, weight, **strengths)
    made = page_of(ranked, entities, tuple(chosen), feedback, rankings, draw)
    plain = page_of(
        candidates(entities, 0.0), entities, (chosen[0],), SessionFeedback(rejected=feedback.rejected), rankings, draw
    )
    if size > 1 or not pinned:
        assert set(ids(plain, 1)) <= set(ids(made, size))
    assert not feedback.rejected & set(ids(made))
    if pinned:
        assert ids(made)[0] == pinned[0]


@given(situations, feedbacks, weights, names, st.integers(1, 7), st.text(max_size=3))
def test_every_document_is_in_the_list_once_at_its_position(
    make_ranker: MakeRanker,
    situation: tuple[dict[str, float], list[list[str]], float],
    feedback: SessionFeedback,
    learned: dict[str, float],
    chosen: list[str],
    size: int,
    query_id: str,
) -> None:
    strengths, entities, weight = situation
    ranker: Ranking = Learned(make_ranker(**learned))
    rankings = FORMULAS | {LEARNED: ranker, CHALLENGER: ranker}
    ranked = candidates(entities, weight, **strengths)
    made = page_of(ranked, entities, tuple(chosen), feedback, rankings, Draw(size, query_id))
    assert sorted(ids(made, COUNT)) == sorted(set(IDS) - feedback.rejected)
    assert [each.token.position for each in made.hits(0, COUNT)] == list(range(1, len(made) + 1))
    assert all(each.token.places.get(each.token.position, 1) > 0 for each in made.hits(0, COUNT))
