"""A set's row, and the figures over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.significance import Interval, resampled_all
from attune.services.cli.measure.linking.scores import TextResult, mention_counts, nil_counts
from attune.services.cli.measure.report import Row

Rights = Sequence[Sequence[bool]]
"""For each text, whether each of its in-KB gold mentions was given the right entity."""


BRIEF = ("set", "part", "texts", "accuracy", "popularity_accuracy", "mention_f1", "nil_f1")
"""The columns of a row that a narrow terminal has place for."""


@dataclass(frozen=True)
class Judged:
    """One set: what the linker did, and what each baseline got right."""

    name: str
    results: Sequence[TextResult]
    baselines: Mapping[str, Rights]

    @property
    def rights(self) -> Rights:
        return [each.right() for each in self.results]


def set_row(judged: Judged, nil_threshold: float, part: str) -> Row:
    """`part` is dev or test."""
    mentions, nil = mention_counts(judged.results, nil_threshold), nil_counts(judged.results, nil_threshold)
    total = sum(len(each.in_kb) for each in judged.results)
    return {
        "set": judged.name,
        "part": part,
        "texts": len(judged.results),
        "mentions": total,
        "unlocated": sum(each.gold.unlocated for each in judged.results),
        "covered": mentions.wanted / max(1, total),
        "accuracy": accuracy(judged.rights),
        **{f"{name}_accuracy": accuracy(rights) for name, rights in judged.baselines.items()},
        "mention_precision": mentions.precision,
        "mention_recall": mentions.recall,
        "mention_f1": mentions.f1,
        "nil_precision": nil.precision,
        "nil_recall": nil.recall,
        "nil_f1": nil.f1,
    }


def summary(sets: Sequence[Judged], nil_threshold: float) -> dict[str, float]:
    """Means over the sets, and the gains of accuracy with 95% intervals; texts are drawn, set by set."""
    figures = {
        "linking_accuracy_macro": fmean(accuracy(each.rights) for each in sets),
        "linking_mention_f1_macro": fmean(mention_counts(each.results, nil_threshold).f1 for each in sets),
    }
    for name in sets[0].baselines:
        gain = _gain(sets, name)
        figures |= {
            f"{name}_accuracy_macro": fmean(accuracy(each.baselines[name]) for each in sets),
            f"linking_gain_over_{name}": gain.mean,
            f"linking_gain_over_{name}_low": gain.low,
            f"linking_gain_over_{name}_high": gain.high,
        }
    return figures


def accuracy(rights: Rights) -> float:
    """Over mentions; 0 where there are none."""
    return sum(map(sum, rights)) / max(1, sum(map(len, rights)))


def _gain(sets: Sequence[Judged], baseline: str) -> Interval:
    ours, theirs, counts = (
        [np.array([of(text) for text in rights]) for rights in which]
        for of, which in (
            (sum, [each.rights for each in sets]),
            (sum, [each.baselines[baseline] for each in sets]),
            (len, [each.rights for each in sets]),
        )
    )

    def measure(drawn: Sequence[NDArray[np.intp]]) -> float:
        gains = [
            (ours[i][places].sum() - theirs[i][places].sum()) / max(1, counts[i][places].sum())
            for i, places in enumerate(drawn)
        ]
        return float(np.mean(gains))

    return resampled_all([len(each.results) for each in sets], measure)
