"""Rows for the trainer. Each batch is drawn from one of the datasets, so of one domain and one task."""

from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from attune.embeddings.training.pairs import TextPair
from attune.embeddings.training.passages import MadeQuery, Passage
from attune.embeddings.training.teacher import HybridTeacher

_AMONG_THE_FIRST = 30
"""Passages that the teacher ranks so high are worth ranking; of the others it is enough that they are in the batch."""
_TOO_NEAR = 0.95
"""A negative nearer than that share of the pair's own cosine may well be another right answer."""


def pair_rows(pairs: Sequence[TextPair], negatives: Sequence[Sequence[str]] = ()) -> Dataset:
    """Columns a and b, and negative_1, ... if each pair has some."""
    columns = {"a": [pair.a for pair in pairs], "b": [pair.b for pair in pairs]}
    for place, column in enumerate(zip(*negatives, strict=True), start=1):
        columns[f"negative_{place}"] = list(column)
    return Dataset.from_dict(columns)


def ranking_rows(
    queries: Sequence[MadeQuery], passages: Sequence[Passage], teacher: HybridTeacher, each: int, seed: int
) -> Dataset:
    """Columns query, passage_1 (it was made of that), passage_2, ... (of the teacher's first), label: their places."""
    random = np.random.default_rng(seed)
    rows = []
    for place, query in enumerate(queries):
        first = np.argsort(-teacher.scores(place), kind="stable")[:_AMONG_THE_FIRST]
        others = [int(other) for other in random.permutation(first) if other != query.passage]
        # A collection smaller than that repeats a passage, which changes nothing.
        chosen = ([query.passage, *others] * each)[:each]
        texts = {f"passage_{number}": passages[other].whole for number, other in enumerate(chosen, start=1)}
        rows.append({"query": query.text, **texts, "label": [place, *chosen]})
    return Dataset.from_list(rows)


def mine_negatives(
    pairs: Sequence[TextPair], firsts: NDArray[np.float32], seconds: NDArray[np.float32], count: int
) -> list[list[str]]:
    """For each pair the `count` second texts of other pairs nearest to its first one, but not too near.

    `firsts` and `seconds` [pairs, d] are the backbone's vectors of the pairs' texts, normalised. Texts that belong to
    the first one in any pair are left out.
    """
    together: dict[str, set[str]] = {}
    for pair in pairs:
        together.setdefault(pair.a, set()).add(pair.b)
    found = []
    for place, pair in enumerate(pairs):
        cosines = seconds @ firsts[place]
        limit = _TOO_NEAR * float(cosines[place])
        order = np.argsort(-cosines, kind="stable")
        near = [pairs[int(other)].b for other in order[: 50 + 10 * count] if cosines[other] < limit]
        kept = [text for text in dict.fromkeys(near) if text not in together[pair.a] and text != pair.a]
        kept += [pairs[int(other)].b for other in order[::-1][:count]]  # where all are too near
        found.append(kept[:count])
    return found
