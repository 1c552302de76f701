"""The benchmark of suggestion measures what it says: the ranker among a file of queries, and the fallback."""

from pathlib import Path
from random import Random

from attune.services.cli.measure.suggestion_speed.ranking import FALLBACK, RANKER, fallback_times, ranker_times
from attune.services.cli.measure.suggestion_speed.synthetic import Synthetic
from attune.services.suggestion.queries.file import QueryFile
from attune.services.suggestion.queries.writing import write_queries


def test_ranker_and_fallback_are_timed_among_the_queries_of_a_file(tmp_path: Path) -> None:
    synthetic, random = Synthetic.drawn(1000, 0), Random(0)  # noqa: S311 - no secret
    file = tmp_path / "of-default.sqlite"
    write_queries(file, synthetic.counted(), synthetic.following(), {})
    found = QueryFile(file)
    (ranked,) = ranker_times(found, synthetic, 3, random)
    (fallen,) = fallback_times(found, synthetic, 2, random)
    assert (ranked["what"], fallen["what"]) == (RANKER, FALLBACK)
    assert float(ranked["p50_ms"]) > 0
    assert float(fallen["p50_ms"]) > 0
