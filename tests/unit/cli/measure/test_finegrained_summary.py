"""What a fine-grained measurement comes to, in numbers."""

import numpy as np
import pytest

from attune.embeddings.evaluation.finegrained import PassageQuery
from attune.embeddings.training.collections import Collection
from attune.services.cli.measure.finegrained.measured import APPLIED, BM25_READ, DROPPED, PLAIN, SYSTEMS, Measured
from attune.services.cli.measure.finegrained.summary import summarised
from attune.services.cli.measure.finegrained.tasks import KEYWORDS, MADE, NATURAL, PARTS, Corpora, made_queries, unread


def run(level: str, seed: int, natural: list[float], applied: float = 0.6) -> Measured:
    """Two corpora; plain is .5 everywhere, the head gives `applied`, and people's differences are `natural`."""
    values = {
        system: {task: [np.full(6, 0.5), np.full(2, 0.5)] for task in MADE}
        | {NATURAL: [np.full(4, 0.5), np.full(2, 0.5)]}
        for system in SYSTEMS
    }
    for task in MADE:
        values[APPLIED][task] = [np.full(6, applied), np.full(2, applied)]
        values[DROPPED][task] = [np.full(6, 0.45), np.full(2, 0.45)]
    values[APPLIED][NATURAL] = [0.5 + np.array(natural), np.full(2, 0.4)]
    values[BM25_READ][KEYWORDS] = [np.full(6, 0.75), np.full(2, 0.75)]
    return Measured(level, seed, values, {PARTS[0]: np.array([1.0, 0.5, 0.0, seed])})


def test_gains_are_relative_for_made_queries_and_means_over_corpora_for_peoples():
    found = summarised([run("plugin", 0, [0.1, 0.1, 0.3, 0.3])])
    assert found["plugin_keyword_relative_gain"] == pytest.approx(0.2)
    assert found["plugin_part_of_passage_relative_gain"] == pytest.approx(0.2)
    assert found["plugin_keyword_relative_gain_dropped"] == pytest.approx(-0.1)
    assert found["plugin_natural_gain"] == pytest.approx((0.2 - 0.1) / 2)
    assert found["plugin_natural_gain_low"] < found["plugin_natural_gain"] < found["plugin_natural_gain_high"]
    assert found["fused_keyword_gain"] == 0


def test_what_words_tell_that_are_read_and_what_is_not_read():
    found = summarised([run("plugin", seed, [0.0] * 4) for seed in (0, 1)])
    assert found["read_words_keyword_relative_gain"] == pytest.approx(0.5)
    assert found[f"{PARTS[0]}_unread_share"] == pytest.approx(3 / 8)
    assert found[f"{PARTS[0]}_partly_unread_share"] == pytest.approx(2 / 8)


def test_a_part_is_unread_as_far_as_it_lies_beyond_the_words_that_are_read():
    parts = [PassageQuery("a", 0, start) for start in (0, 4, 6, 9, 10, 30)] + [PassageQuery("a", 1, 30)]
    assert unread(parts, 4, [10, 99]).tolist() == [0, 0, 0, 0.75, 1, 1, 0]


def test_the_same_people_asked_under_several_seeds_are_no_more_people():
    natural = [0.3, -0.2, 0.1, -0.1]
    once = summarised([run("plugin", 0, natural)])
    thrice = summarised([run("plugin", seed, natural) for seed in range(3)])
    for figure in ("plugin_natural_gain", "plugin_natural_gain_low", "plugin_natural_gain_high"):
        assert thrice[figure] == pytest.approx(once[figure])


def test_seeds_are_meant_and_the_best_level_is_fused():
    runs = [run("plugin", 0, [0.0] * 4, 0.6), run("plugin", 1, [0.0] * 4, 0.7), run("paired", 0, [0.0] * 4, 0.9)]
    found = summarised(runs)
    assert found["plugin_keyword_relative_gain"] == pytest.approx(0.3)
    assert found["paired_keyword_relative_gain"] == pytest.approx(0.8)


def test_what_nobody_asks_is_left_out():
    measured = run("plugin", 0, [0.0] * 4)
    for tasks in measured.values.values():
        tasks[PARTS[-1]] = [np.zeros(0), np.zeros(0)]
        tasks[NATURAL] = [np.zeros(0), np.zeros(0)]
    found = summarised([measured])
    assert found["plugin_part_of_passage_relative_gain"] == pytest.approx(0.2)
    assert "plugin_natural_gain" not in found
    [plain] = [row for row in measured.rows() if row["system"] == PLAIN]
    assert PARTS[-1] not in plain
    assert plain[KEYWORDS] == 0.5


def test_no_passage_is_asked_for_twice_and_places_are_those_of_the_whole_index():
    corpora = Corpora([Collection("a", ["one two three four"] * 2), Collection("b", ["five six seven eight"] * 3)])
    asked = made_queries(corpora, 50, 0)[KEYWORDS]
    assert [sorted(query.passage for query in each) for each in asked] == [[0, 1], [2, 3, 4]]
