"""What an expert learns from a domain's texts: rows, a loss that says what is right, a judge of what was kept back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from torch import nn

from attune.embeddings.training.datasets import mine_negatives, pair_rows, ranking_rows
from attune.embeddings.training.frozen import Embed
from attune.embeddings.training.judge import Judge, PairJudge, RankingJudge
from attune.embeddings.training.losses import RankingDistillation, fitted_temperature, pair_loss
from attune.embeddings.training.pairs import TextPair
from attune.embeddings.training.passages import MadeQuery, Passage, QueryMaker
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.teacher import STOPWORDS, HybridTeacher, chosen_share, lexical_shares

_T = TypeVar("_T")
PAIRS, RANKINGS = "pairs", "rankings"
_DEV_PAIRS = 200
_DEV_QUERIES = 100
_DEV_PASSAGES = 300
_MOST_PASSAGES = 4000  # of a larger collection, a sample teaches
_KNOWN_QUERIES = 300
_FEWEST_KNOWN = 30  # of fewer, the reciprocal ranks say nothing
_DEV_KNOWN = 150
_FITTED_BATCHES = 20
_TYPICAL_PAIRS, _TYPICAL_QUERIES = 1500, 500
ROUTED_BY = 1000
"""How many of the typical passages tell the router of a domain: more do not move their mean."""


@dataclass(frozen=True)
class Task:
    """One thing to learn, of one domain, and to be judged by; `facts` say what was found out about it beforehand."""

    name: str
    domain: str
    judge: Judge
    rows: Dataset
    loss: nn.Module
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Whether there is anything to learn; if not, what is learned elsewhere is judged all the same."""
        return len(self.rows) > 0

    @property
    def columns(self) -> list[str]:
        """The columns with texts."""
        return [name for name in self.rows.column_names if name != "label"]


def tasks_of(model: SentenceTransformer, backbone: Embed, material: Material, recipe: Recipe) -> Iterator[Task]:
    """The tasks of a domain's pairs and documents, for the `model` that is to learn them.

    Where there are pairs, documents are not learned from: people's word for what belongs together is the better one.
    """
    if material.pairs:
        negatives = _negatives(backbone, material.pairs, recipe)
        dev = _drawn(material.dev_pairs, _DEV_PAIRS, recipe.seed)
        rows, judge = pair_rows(material.pairs if recipe.learns else [], negatives), PairJudge(dev, recipe.seed)
        yield Task(f"{material.domain}-{PAIRS}", material.domain, judge, rows, pair_loss(model))
    if material.passages:
        learns = recipe.learns and not material.pairs
        yield _ranking_task(model, backbone, material.domain, material.passages, recipe, learns=learns)


@dataclass(frozen=True)
class TypicalTexts:
    """Some of a domain's passages, of the queries that may come for them, and of its pairs: what its head is fitted to,
    and the first of the passages, with the queries, what the router keeps.
    """

    passages: Sequence[str]
    queries: Sequence[str]
    pairs: Sequence[TextPair] = ()

    def without(self, taken: Mapping[str, MadeQuery]) -> "TypicalTexts":
        """Without the queries that were taken from some passages, and without the pairs that have one of these."""
        asked = {query.text for query in taken.values()}
        passages = [taken[text].rest if text in taken else text for text in self.passages]
        queries = [query for query in self.queries if query not in asked] or self.queries
        pairs = [pair for pair in self.pairs if pair.a not in taken and pair.b not in taken]
        return TypicalTexts(passages, queries, pairs)


def typical_texts(material: Material, seed: int) -> TypicalTexts:
    """Passages as they are, with queries made of them. Of pairs, the shorter first texts are queries as well: of some
    domains they are questions.
    """
    pairs = _drawn(material.pairs, _TYPICAL_PAIRS, seed)
    texts = [Passage("", text) for text in dict.fromkeys(pair.b for pair in pairs)]
    passages = _drawn([*material.passages, *texts], _MOST_PASSAGES, seed)
    asked = list(dict.fromkeys(pair.a for pair in pairs if len(pair.a) < len(pair.b)))[:_TYPICAL_QUERIES]
    made = [query.text for query in QueryMaker(passages, STOPWORDS, seed).make(_TYPICAL_QUERIES)]
    return TypicalTexts([passage.whole for passage in passages], [*asked, *made], pairs)


def _drawn(items: Sequence[_T], count: int, seed: int) -> list[_T]:
    order = np.random.default_rng(seed).permutation(len(items))[:count]
    return [items[place] for place in order.tolist()]


def _negatives(backbone: Embed, pairs: Sequence[TextPair], recipe: Recipe) -> list[list[str]]:
    if not (recipe.learns and recipe.hard_negatives):
        return []
    firsts, seconds = (backbone(texts) for texts in ([each.a for each in pairs], [each.b for each in pairs]))
    return mine_negatives(pairs, firsts, seconds, recipe.hard_negatives)


def _ranking_task(
    model: SentenceTransformer,
    backbone: Embed,
    domain: str,
    passages: Sequence[Passage],
    recipe: Recipe,
    *,
    learns: bool,
) -> Task:
    """Queries made of the passages, ranked as the teacher ranks them; the judge has queries and passages of its own.

    There is nothing to learn where BM25 adds nothing to the backbone; the judge is there all the same.
    """
    passages = _drawn(passages, _MOST_PASSAGES, recipe.seed)
    maker, texts = QueryMaker(passages, STOPWORDS, recipe.seed), [passage.whole for passage in passages]
    known = maker.make_known(_KNOWN_QUERIES)
    shares = lexical_shares(texts, known, backbone) if learns and len(known) >= _FEWEST_KNOWN else {}
    share = chosen_share(shares)
    facts = {"lexical_share": share, **{f"known_item_mrr_at_{each}": mrr for each, mrr in shares.items()}}
    kept = _kept_back(known, len(passages))
    sample = _sample(kept, len(passages), recipe.seed)
    judge = RankingJudge(passages, sample, kept)
    if not share:
        return Task(f"{domain}-{RANKINGS}", domain, judge, Dataset.from_list([]), nn.Identity(), facts)
    made = maker.make(recipe.steps * recipe.batch + _DEV_QUERIES, without={query.passage for query in kept})
    queries = [query.text for query in made]
    teacher = HybridTeacher(texts, backbone(texts), queries, backbone(queries), share)
    rows = ranking_rows(made[:-_DEV_QUERIES], passages, teacher, recipe.passages_each, recipe.seed)
    judge = judge.with_teacher(queries, range(len(rows), len(made)), teacher)
    labels = torch.tensor(rows[: _FITTED_BATCHES * recipe.batch]["label"])
    loss = RankingDistillation(model, teacher, fitted_temperature(teacher, labels, recipe.batch))
    return Task(f"{domain}-{RANKINGS}", domain, judge, rows, loss, facts)


def _sample(kept: Sequence[MadeQuery], passages: int, seed: int) -> list[int]:
    """The places of passages to be ranked: those that queries were kept back of, and others, half of all at most."""
    own = dict.fromkeys(query.passage for query in kept)
    others = dict.fromkeys(np.random.default_rng(seed).permutation(passages).tolist())
    return list(own | others)[: max(min(_DEV_PASSAGES, passages // 2), len(own))]


def _kept_back(known: Sequence[MadeQuery], passages: int) -> list[MadeQuery]:
    """Queries to be judged by, one for a passage, of which no other query is made: of half of the passages at most."""
    first = {query.passage: query for query in reversed(known)}
    places = list(dict.fromkeys(query.passage for query in known))[: passages // 2]
    return [first[place] for place in places][:_DEV_KNOWN]
