"""The file of a search ranker: as it was written, or refused with the mend."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.search.conftest import MakeRanker

from attune.services.runtime.config import Config, ConfigError
from attune.services.search.ranking.configured import configured_rankings
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import FEATURES, NAMES
from attune.services.search.ranking.model import SearchRanker
from attune.services.search.ranking.rankings import CHALLENGER, LEARNED, PERSONAL
from attune.services.suggestion.ranking.errors import RankerError as SuggestionError
from attune.services.suggestion.ranking.model import RankerModel


def test_it_reads_what_it_wrote(tmp_path: Path, make_ranker: MakeRanker) -> None:
    made = make_ranker(plain=1.0, personal=0.5)
    made.save(tmp_path / "deep" / "ranker.json")
    read = SearchRanker.load(tmp_path / "deep" / "ranker.json")
    assert (read.version, read.provenance) == (made.version, {"made": "by hand"})
    assert read.version != make_ranker(plain=1.0).version


def test_what_is_unknown_counts_as_the_mean_and_personal_nothing_as_nothing(make_ranker: MakeRanker) -> None:
    ranker = make_ranker(dense=2.0, personal=3.0)
    ranker.means[:] = 0.25
    values = np.zeros((1, len(FEATURES)), np.float32)
    values[0, NAMES.index("dense")] = np.nan
    assert ranker.scores(values) == pytest.approx([0.0])
    values[0, NAMES.index("personal")] = 0.5
    assert ranker.scores(values) == pytest.approx([1.5])


def test_features_have_names_and_ids_of_their_own() -> None:
    assert len(set(NAMES)) == len({each.id for each in FEATURES}) == len(FEATURES)


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"format": 2}, "field format: is 2"),
        ({"for": "suggestion"}, "field for"),
        ({"features": {}}, "lacks plain, dense"),
        (
            {"features": {name: {"weight": 1, "mean": 0, "scale": 1} for name in (*NAMES, "clicks")}},
            "has unknown clicks",
        ),
        ({"features": {name: {"weight": 1, "mean": 0, "scale": 0} for name in NAMES}}, "features.plain.scale"),
    ],
)
def test_one_made_for_something_else_is_refused(
    tmp_path: Path, make_ranker: MakeRanker, fields: dict[str, Any], told: str
) -> None:
    path = tmp_path / "ranker.json"
    make_ranker(plain=1.0).save(path)
    changed(path, **fields)
    with pytest.raises(RankerError, match="attune train ranker --for search") as refused:
        SearchRanker.load(path)
    assert told in str(refused.value)
    with pytest.raises(ConfigError, match="ATTUNE_SEARCH_RANKER_PATH"):
        configured_rankings(Config(search_ranker_path=path))


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"format": 1}'])
def test_what_is_no_ranker_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ranker.json"
    path.write_bytes(content)
    with pytest.raises(RankerError, match="train it anew"):
        SearchRanker.load(path)
    with pytest.raises(RankerError, match="cannot be read"):
        SearchRanker.load(tmp_path / "missing.json")


def test_rankers_of_suggestions_and_of_search_do_not_pass_for_each_other(
    tmp_path: Path, make_ranker: MakeRanker
) -> None:
    make_ranker(plain=1.0).save(tmp_path / "search.json")
    RankerModel.load().save(tmp_path / "suggestion.json")
    with pytest.raises(RankerError):
        SearchRanker.load(tmp_path / "suggestion.json")
    with pytest.raises(SuggestionError):
        RankerModel.load(tmp_path / "search.json")


def test_a_file_makes_the_ranking_that_it_is_named_for(tmp_path: Path, make_ranker: MakeRanker) -> None:
    path = tmp_path / "ranker.json"
    make_ranker(plain=1.0).save(path)
    assert configured_rankings(Config()).default == PERSONAL
    assert configured_rankings(Config(search_ranker_path=path)).default == LEARNED
    found = configured_rankings(Config(search_challenger_path=path, search_compare="personal, challenger"))
    assert found.default == PERSONAL
    assert found.comparison is not None
    assert (found.comparison.first, found.comparison.second) == (PERSONAL, CHALLENGER)


@pytest.mark.parametrize(
    "compared", ["personal", "personal,personal", "personal,best", "plain,personal,learned", "learned,plain"]
)
def test_what_cannot_be_compared_is_refused_at_the_start(compared: str) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_SEARCH_COMPARE: "):
        configured_rankings(Config(search_compare=compared))
