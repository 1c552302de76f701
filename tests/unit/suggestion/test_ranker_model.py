"""The file of a ranker, and how its weights are learned."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from attune.services.runtime.config import Config, ConfigError
from attune.services.suggestion.ranking.configured import configured_ranker
from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.training import Lesson, _Lists, fit

COSINE, ASKED = FEATURES.index("query_cosine"), FEATURES.index("asked_next")


def lessons(count: int, feature: int, sign: float = 1.0) -> list[Lesson]:
    """Lists whose chosen candidate mostly has the highest (or lowest) value of a feature."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        values = np.zeros((8, len(FEATURES)), np.float32)
        values[:, feature] = random.random(8)
        found.append(Lesson(values, int((sign * values[:, feature]).argmax())))
    return found


def test_a_saved_ranker_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = fit(lessons(20, COSINE), {"log": "test"})
    made.save(tmp_path / "ranker.json")
    read = RankerModel.load(tmp_path / "ranker.json")
    assert read.version == made.version
    assert read.provenance == made.provenance
    assert read.provenance["log"] == "test"


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_file_of_other_features_is_refused_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    RankerModel.load().save(path)
    features = json.loads(path.read_text())["features"]
    features["novelty"] = features.pop("query_cosine")
    change(path, features=features)
    with pytest.raises(RankerError, match=r"field features: lacks query_cosine and has unknown novelty; train it anew"):
        RankerModel.load(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("prose", "field the whole"),
        ('{"format": 1}', "field features"),
        ('{"format": 9, "features": {}}', "field format: is 9"),
        ('{"format": 1, "features": {"words": {"weight": 1, "mean": 0, "scale": 0}}}', "features.words.scale"),
        ('{"format": 1, "features": {"words": {"weight": 1e308, "mean": 0, "scale": 1}}}', "features.words.weight"),
        ('{"format": 1, "features": {"words": {"weight": 1, "mean": 0, "scale": 1e-300}}}', "features.words.scale"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "ranker.json").write_text(content)
    with pytest.raises(RankerError, match=told):
        RankerModel.load(tmp_path / "ranker.json")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RankerError, match="cannot be read"):
        RankerModel.load(tmp_path / "none.json")


def test_a_service_that_is_given_a_wrong_file_tells_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_RANKER_PATH: .*none\.json cannot be read"):
        configured_ranker(Config(ranker_path=tmp_path / "none.json"))
    assert configured_ranker(Config()).version == RankerModel.load().version


def test_an_unknown_value_counts_as_the_mean() -> None:
    model = RankerModel.load()
    values = np.zeros((2, len(FEATURES)), np.float32)
    values[0, COSINE], values[1, COSINE] = np.nan, model.means[COSINE]
    assert np.diff(model.scores(values)) == pytest.approx(0, abs=1e-6)


def test_what_decides_gets_the_weight() -> None:
    model = fit(lessons(60, COSINE))
    held_out = lessons(80, COSINE)[60:]
    assert all(model.scores(each.values).argmax() == each.chosen for each in held_out)


def test_that_many_asked_is_never_held_against_a_candidate() -> None:
    assert fit(lessons(60, ASKED, sign=-1)).weights[ASKED] == 0


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(RankerError, match="no list with a choice"):
        fit([Lesson(np.zeros((1, len(FEATURES)), np.float32), 0)])


def test_the_gradient_is_that_of_the_loss() -> None:
    made = lessons(5, COSINE)
    lists = _Lists.of(made, np.zeros(len(FEATURES)), np.ones(len(FEATURES)))
    weights = np.random.default_rng(1).normal(size=len(FEATURES))
    assert check_grad(lambda w: lists.loss(w)[0], lambda w: lists.loss(w)[1], weights) < 1e-5
