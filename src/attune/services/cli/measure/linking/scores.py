"""Counts of a set's texts, and the figures made of them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from attune.knowledge_store.linking import Linker, Mention
from attune.services.cli.measure.linking.gold import GoldSet, GoldText


@dataclass(frozen=True)
class TextResult:
    """One text: what was found in it, and which of its gold mentions are in the knowledge base.

    `chosen` and `scores` are of the gold spans, in order; a score is -inf where nothing is called so.
    """

    gold: GoldText
    in_kb: tuple[bool, ...]
    chosen: tuple[str | None, ...]
    scores: tuple[float, ...]
    found: tuple[Mention, ...]

    def right(self) -> list[bool]:
        """For each in-KB gold mention, whether the right entity was chosen for its span."""
        return self.right_if(self.chosen)

    def right_if(self, chosen: Sequence[str | None]) -> list[bool]:
        """The same of other choices, one for each gold mention."""
        judged = zip(self.gold.mentions, self.in_kb, chosen, strict=True)
        return [entity_id in mention.entity_ids for mention, is_known, entity_id in judged if is_known]


@dataclass(frozen=True)
class Counts:
    """How many were proposed, how many of these are right, and how many there are."""

    proposed: int
    right: int
    wanted: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.proposed)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.wanted)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, self.proposed + self.wanted)


def measure_set(linker: Linker, known: AbstractSet[str], gold: GoldSet) -> list[TextResult]:
    """Every text of a set, linked by a linker that leaves nothing out (`nil_threshold` of minus infinity)."""
    return [_measured(linker, known, text) for text in gold.texts]


def _measured(linker: Linker, known: AbstractSet[str], gold: GoldText) -> TextResult:
    given = linker.disambiguate(gold.text, [(each.start, each.end) for each in gold.mentions])
    return TextResult(
        gold=gold,
        in_kb=tuple(bool(each.entity_ids & known) for each in gold.mentions),
        chosen=tuple(each.entity_id if each else None for each in given),
        scores=tuple(float("-inf") if each is None else each.score for each in given),
        found=tuple(linker.link(gold.text)),
    )


def mention_counts(results: Sequence[TextResult], nil_threshold: float) -> Counts:
    """End to end: a mention is right if span and entity are those of a gold mention that is in the knowledge base."""
    proposed = right = wanted = 0
    for result in results:
        found = {(each.start, each.end): each.entity_id for each in result.found if each.score >= nil_threshold}
        proposed += len(found)
        for mention, is_known in zip(result.gold.mentions, result.in_kb, strict=True):
            wanted += is_known
            right += is_known and found.get((mention.start, mention.end)) in mention.entity_ids
    return Counts(proposed, right, wanted)


def nil_counts(results: Sequence[TextResult], nil_threshold: float) -> Counts:
    """Given the gold spans, NIL is what has no candidate, or none at the threshold; wanted for what the KB has not."""
    proposed = right = wanted = 0
    for result in results:
        for is_known, score in zip(result.in_kb, result.scores, strict=True):
            is_nil = score < nil_threshold
            proposed += is_nil
            wanted += not is_known
            right += is_nil and not is_known
    return Counts(proposed, right, wanted)


def calibrated(sets: Sequence[Sequence[TextResult]]) -> float:
    """The threshold with the best mention F1, averaged over the sets, of a grid of tenths; of equals the lowest."""
    grid = [tenth / 10 for tenth in range(-60, 61)]
    return max(grid, key=lambda threshold: (sum(mention_counts(each, threshold).f1 for each in sets), -threshold))
