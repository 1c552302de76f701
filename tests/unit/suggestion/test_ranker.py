"""The ranker: nearer and dearer first; no two alike; the token tells what it saw."""

import numpy as np
import pytest

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import Source
from attune.services.suggestion.ranking.candidates import Candidate
from attune.services.suggestion.ranking.features import FEATURES, Facts, Seen
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.ranker import rank
from attune.services.suggestion.ranking.texts import Text
from attune.services.suggestion.ranking.token import Token

MODEL = RankerModel.load()


def unit(*row: float) -> np.ndarray:
    vector = np.array(row, np.float32)
    return vector / np.linalg.norm(vector)


def candidate(text: str, **facts: object) -> Candidate:
    return Candidate(text, "", Source.DOCUMENT, Facts(**facts))  # type: ignore[arg-type]


QUERY = Text.of("query", unit(1, 0))


def ranked(found: list[Candidate], vectors: list[np.ndarray], seen: Seen, limit: int = 5) -> list[str]:
    texts = [Text.of(each.text, vector) for each, vector in zip(found, vectors, strict=True)]
    return [each.candidate.text for each in rank(found, texts, seen, MODEL, limit)]


def test_the_nearer_candidate_comes_first() -> None:
    found = [candidate("distant"), candidate("near")]
    assert ranked(found, [unit(0, 1), unit(1, 0.1)], Seen(QUERY)) == ["near", "distant"]


@pytest.mark.parametrize("mode", [Mode.FAMILIAR, Mode.LAPSED, Mode.NEIGHBOUR])
def test_of_two_equally_near_the_dearer_comes_first(mode: Mode) -> None:
    found = [candidate("small", entity_ids=("small",)), candidate("ample", entity_ids=("ample",))]
    known = {"small": (mode, 0.1), "ample": (mode, 0.9)}
    assert ranked(found, [unit(1, 1), unit(1, -1)], Seen(QUERY, known=known)) == ["ample", "small"]


def test_of_two_equally_near_titles_the_better_ranked_comes_first() -> None:
    found = [candidate("lower", document_rank=10), candidate("upper", document_rank=1)]
    assert ranked(found, [unit(1, 1), unit(1, -1)], Seen(QUERY)) == ["upper", "lower"]


def test_what_more_users_asked_next_comes_first() -> None:
    found = [candidate("plain", next_users=5), candidate("other", next_users=500)]
    assert ranked(found, [unit(1, 1), unit(1, -1)], Seen(QUERY)) == ["other", "plain"]


def test_candidates_that_say_the_same_are_kept_once() -> None:
    found = [candidate("first"), candidate("again"), candidate("different")]
    kept = ranked(found, [unit(1, 0), unit(1, 0.01), unit(0.5, 1)], Seen(QUERY))
    assert len(kept) == 2
    assert "different" in kept


def test_words_in_another_order_say_the_same_even_without_vectors() -> None:
    found = [candidate("yahoo chat"), candidate("Yahoo  chat!"), candidate("zebra")]
    texts = [Text.of(each.text) for each in found]
    kept = [each.candidate.text for each in rank(found, texts, Seen(Text.of("yahoo")), MODEL, 5)]
    assert sorted(kept) in (["yahoo chat", "zebra"], ["Yahoo  chat!", "zebra"])


def test_a_misspelt_query_finds_its_correction_without_vectors() -> None:
    found = [candidate("yahoo chat"), candidate("weather")]
    texts = [Text.of(each.text) for each in found]
    assert rank(found, texts, Seen(Text.of("yahoo caht")), MODEL, 1)[0].candidate.text == "yahoo chat"


def test_without_any_context_the_user_alone_decides() -> None:
    found = [candidate("small", entity_ids=("small",)), candidate("ample", entity_ids=("ample",))]
    known = {"small": (Mode.LAPSED, 0.1), "ample": (Mode.LAPSED, 0.9)}
    assert ranked(found, [unit(1, 0), unit(0, 1)], Seen(None, known=known), 1) == ["ample"]


def test_no_candidates_give_no_suggestions() -> None:
    assert rank([], [], Seen(None), MODEL, 5) == []


def test_the_token_holds_what_was_seen_and_where_it_was_put() -> None:
    found = [candidate("distant"), candidate("near", next_users=9)]
    texts = [Text.of("distant", unit(0, 1)), Text.of("near", unit(1, 0.1))]
    first, second = (Token.decoded(each.token) for each in rank(found, texts, Seen(QUERY), MODEL, 2))
    assert (first.position, second.position, first.propensity) == (1, 2, 1.0)
    assert first.version == MODEL.version
    assert first.source == Source.DOCUMENT
    assert first.values[FEATURES.index("asked_next")] == pytest.approx(np.log2(9), rel=1e-3)


def test_a_long_query_is_ranked_too() -> None:
    long = "word " * 1638
    found = [candidate("word")]
    assert ranked(found, [unit(1, 0)], Seen(Text.of(long, unit(1, 0)))) == ["word"]
