"""Gates: what they look at, what they let through, how they are taught, and the file that they are in."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attune.services.search.leaning.gate import FEATURES, MOST, Asked, Gate, features
from attune.services.search.leaning.gates import Gates, GatesError
from attune.services.search.leaning.mixing import Candidates, beside
from attune.services.search.leaning.teaching import Lessons, teach

EAST, NORTH = np.eye(2, dtype=np.float32)


def of(**values: float) -> np.ndarray:
    return np.array([values.get(name, 0.0) for name in FEATURES])


def seen(text: str, vectors: np.ndarray, session: np.ndarray = NORTH) -> dict[str, float]:
    base = np.linspace(1, 0.5, len(vectors))
    documents = Candidates(vectors, base, base / 2, 0.5)
    ranking = beside(documents, EAST, documents.cosines(session), 0.6)
    found = features(Asked(text, 2, 5.0), documents.base, ranking, 0.25)
    return dict(zip(FEATURES, found.tolist(), strict=True))


def test_the_query_is_seen_by_its_words() -> None:
    found = seen("Is that one safe?", np.stack([EAST, NORTH]))
    assert found["refers"] == 0.5  # that, one
    assert found["terms"] == pytest.approx(np.log(3))
    assert found["words"] == 2.5
    assert found["context_cosine"] == 0.25


def test_a_query_of_signs_is_seen_too() -> None:
    assert seen("?!", np.stack([EAST, NORTH]))["refers"] == 0


def test_what_the_context_would_change_is_seen_by_the_ten_best() -> None:
    same = seen("x", np.stack([EAST, NORTH]))
    assert (same["gain"], same["cost"], same["overlap"]) == (0, 0, 1)  # two documents are the ten best in any order
    many = seen("x", np.stack([EAST] * 10 + [NORTH] * 10), session=4 * NORTH)
    assert many["overlap"] == 0
    assert many["gain"] == pytest.approx(4)
    assert many["cost"] == pytest.approx(1)
    assert many["support"] == pytest.approx(4)


def test_one_document_is_enough_to_look_at() -> None:
    assert all(np.isfinite(value) for value in seen("x", EAST[None]).values())


@pytest.mark.parametrize(("bias", "weight"), [(-50.0, 0.0), (0.0, 0.0), (50.0, MOST)])
def test_below_the_threshold_the_weight_is_0_and_it_never_passes_most(bias: float, weight: float) -> None:
    closed = Gate.closed()
    assert Gate(bias, closed.weights, closed.means, closed.scales, 0.5).weight(of()) == pytest.approx(weight)


def test_a_closed_gate_lets_nothing_through() -> None:
    assert Gate.closed().weight(of(gain=1e6, cost=-1e6)) == 0


def lessons(count: int = 200) -> Lessons:
    random = np.random.default_rng(0)
    values = random.standard_normal((count, len(FEATURES)))
    gains = 0.3 * values[:, FEATURES.index("gain")] + 0.01 * random.standard_normal(count)
    return Lessons(values, gains, np.ones(count))


def test_a_gate_learns_what_the_gain_depends_on() -> None:
    gate = teach(lessons())
    assert gate.weights.argmax() == FEATURES.index("gain")
    assert gate.weight(of(gain=3)) == pytest.approx(MOST)
    assert gate.weight(of(gain=-3)) == 0


def test_lessons_of_which_none_matters_teach_no_nan() -> None:
    gate = teach(Lessons(np.zeros((5, len(FEATURES))), np.zeros(5), np.ones(5)))
    assert np.isfinite(gate.weights).all()


def test_lessons_that_count_less_are_believed_less() -> None:
    found = lessons()
    opposite = Lessons(
        np.concatenate([found.values, found.values]),
        np.concatenate([found.gains, -found.gains]),
        np.concatenate([np.ones(len(found.gains)), np.full(len(found.gains), 0.2)]),
    )
    assert teach(opposite).weights[FEATURES.index("gain")] > 0


def test_gates_come_back_from_their_file_as_they_went_in(tmp_path: Path) -> None:
    made = Gates(teach(lessons()), Gate.closed(), Gate.closed(), {"sets": ["ikat"]})
    made.save(tmp_path / "gates.json")
    found = Gates.load(tmp_path / "gates.json")
    assert np.array_equal(found.session.weights, made.session.weights)
    assert (found.session.bias, found.documents.threshold) == (made.session.bias, 1.0)
    assert found.provenance == {"sets": ["ikat"]}


def test_the_packaged_gates_are_there_and_say_what_taught_them() -> None:
    assert Gates.packaged().provenance["sets"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "format"),
        ("no json", "Invalid JSON"),
        (json.dumps({"format": 2}), "session"),
    ],
)
def test_a_file_of_something_else_is_refused_with_the_mend(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "gates.json").write_text(content)
    with pytest.raises(GatesError, match="make one with `attune eval personalization --gates FILE`") as refused:
        Gates.load(tmp_path / "gates.json")
    assert said in str(refused.value)


def test_other_features_are_refused(tmp_path: Path) -> None:
    Gates.closed().save(tmp_path / "gates.json")
    content = json.loads((tmp_path / "gates.json").read_text())
    content["documents"]["features"]["mood"] = content["documents"]["features"].pop("gain")
    (tmp_path / "gates.json").write_text(json.dumps(content))
    with pytest.raises(GatesError, match="its features are not terms, refers"):
        Gates.load(tmp_path / "gates.json")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    Gates.closed().save(tmp_path / "gates.json")
    content = json.loads((tmp_path / "gates.json").read_text())
    (tmp_path / "gates.json").write_text(json.dumps(content | {"format": 3}))
    with pytest.raises(GatesError, match="has format 3, this version reads 2"):
        Gates.load(tmp_path / "gates.json")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(GatesError, match="cannot be read"):
        Gates.load(tmp_path / "gates.json")


def test_a_stricter_gate_lets_less_through() -> None:
    values = np.zeros(len(FEATURES))
    gate = replace(Gate.closed(), bias=0.3, threshold=0.5)
    assert gate.weight(values) > gate.stricter(0.05).weight(values) > gate.stricter(0.2).weight(values) == 0
