import numpy as np
import pytest

from attune.embeddings.training.judge import RankingJudge
from attune.embeddings.training.passages import MadeQuery, Passage
from attune.embeddings.training.teacher import HybridTeacher

WORDS = ("anvil", "bellows", "crucible", "die")
PASSAGES = [Passage("", f"{word} in the shed") for word in WORDS]
KNOWN = [MadeQuery("an anvil", 0, "anvil, heavy"), MadeQuery("a die", 3, "something else")]


def by_word(texts):
    """A text lies on the axis of the first word that it has, or on one of its own."""
    places = [next((place for place, word in enumerate(WORDS) if word in text), len(WORDS)) for text in texts]
    return np.eye(len(WORDS) + 1, dtype=np.float32)[places]


def test_rests_are_looked_for_among_the_other_passages():
    figures = RankingJudge(PASSAGES, range(4), KNOWN).measure(by_word)
    # The first is found at once. The second's rest is as near as the three other passages, which are counted before it.
    assert figures == {"ranking": pytest.approx(0.625), "known_item_mrr": pytest.approx((1 + 1 / 4) / 2)}


def test_the_passage_itself_stands_in_nobodys_way():
    assert RankingJudge(PASSAGES, [0], KNOWN[:1]).measure(by_word)["known_item_mrr"] == 1


def test_what_ranks_as_the_teacher_does_overlaps_wholly_with_it():
    passages = [Passage("", f"{word} {number}") for number in range(10) for word in WORDS]
    texts = [passage.whole for passage in passages]
    teacher = HybridTeacher(texts, by_word(texts), ["anvil"], by_word(["anvil"]), 0.0)
    judge = RankingJudge(passages, range(len(passages)), []).with_teacher(["anvil"], range(1), teacher)
    assert judge.measure(by_word) == {"ranking": 0.0, "teacher_overlap": 1.0}
    assert judge.measure(lambda each: -by_word(each) if each == ["anvil"] else by_word(each))["teacher_overlap"] == 0


def test_without_queries_there_is_no_figure():
    assert RankingJudge(PASSAGES, [0], []).measure(by_word) == {"ranking": 0.0}
