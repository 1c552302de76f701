"""The ranker: nearer, dearer and better documented first; no two alike."""

import numpy as np
import pytest

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.candidates import Candidate
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.ranker import rank


def vectors(*rows: tuple[float, ...]) -> np.ndarray:
    matrix = np.array(rows, np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def about(label: str, score: float, mode: Mode = Mode.FAMILIAR) -> Candidate:
    return Candidate(label, "", label, KnownEntity(label, label, mode, score))


def test_the_nearer_candidate_comes_first() -> None:
    found = [Candidate("far", "", "far"), Candidate("near", "", "near")]
    ranked = rank(found, vectors((0, 1), (1, 0.1)), vectors((1, 0))[0], limit=2)
    assert [each.candidate.text for each in ranked] == ["near", "far"]


def test_of_two_equally_near_the_dearer_comes_first() -> None:
    found = [about("little", 0.1), about("much", 0.9)]
    ranked = rank(found, vectors((1, 1), (1, -1)), vectors((1, 0))[0], limit=2)
    assert [each.candidate.text for each in ranked] == ["much", "little"]


def test_of_two_equally_near_titles_the_better_ranked_comes_first() -> None:
    found = [Candidate("tenth", "", "tenth", document_rank=10), Candidate("first", "", "first", document_rank=1)]
    ranked = rank(found, vectors((1, 1), (1, -1)), vectors((1, 0))[0], limit=2)
    assert [each.candidate.text for each in ranked] == ["first", "tenth"]


def test_candidates_that_say_the_same_are_kept_once() -> None:
    found = [Candidate("one", "", "one"), Candidate("one again", "", "one again"), Candidate("two", "", "two")]
    ranked = rank(found, vectors((1, 0), (1, 0.01), (0.5, 1)), vectors((1, 0))[0], limit=3)
    assert [each.candidate.text for each in ranked] == ["one", "two"]


def test_without_a_context_the_user_alone_decides() -> None:
    ranked = rank([about("little", 0.1), about("much", 0.9)], vectors((1, 0), (0, 1)), None, limit=1)
    assert [(each.candidate.text, each.score) for each in ranked] == [("much", pytest.approx(0.3))]


def test_no_candidates_give_no_suggestions() -> None:
    assert rank([], np.zeros((0, 2), np.float32), None, limit=5) == []


def test_an_entity_with_no_positive_score_adds_nothing() -> None:
    ranked = rank([about("rejected", -0.5)], vectors((1, 0)), None, limit=1)
    assert ranked[0].score == 0
