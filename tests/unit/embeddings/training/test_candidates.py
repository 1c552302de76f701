"""Which of several experts is used."""

import pytest

from attune.embeddings.domains import ExpertKind
from attune.embeddings.training.candidates import Candidate, best_of
from attune.embeddings.training.judge import MAIN


def candidate(name: str, figure: float, margin: float = 0.005, leeway: float = 0.0) -> Candidate:
    return Candidate(name, ExpertKind.AXES, {}, {MAIN: figure}, margin, leeway)


@pytest.mark.parametrize(
    ("candidates", "best"),
    [
        ([candidate("axes", 0.501, 0.0)], "axes"),
        ([candidate("axes", 0.499, 0.0)], None),
        ([candidate("axes", 0.52, 0.0), candidate("words", 0.524)], "axes"),
        ([candidate("axes", 0.52, 0.0), candidate("words", 0.526)], "words"),
        ([candidate("axes", 0.47, 0.0, 0.02), candidate("words", 0.487, leeway=0.02)], "words"),
        ([candidate("axes", 0.47, 0.0, 0.02), candidate("words", 0.484, leeway=0.02)], None),
        # What may seem worse than the general expert does not lower the bar for what may not.
        ([candidate("axes", 0.482, 0.0, 0.02), candidate("ffn", 0.49)], "axes"),
        ([candidate("axes", 0.482, 0.0, 0.02), candidate("ffn", 0.506)], "ffn"),
    ],
)
def test_the_best_is_used_if_it_is_clearly_better_or_not_clearly_worse(candidates, best):
    found = best_of({MAIN: 0.5}, candidates)
    assert (found and found.name) == best
