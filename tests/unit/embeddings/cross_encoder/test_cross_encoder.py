"""A cross-encoder from a directory, in a process of its own: its scores, its errors, its death."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.fakes.cross_encoder import save_cross_encoder

from attune.embeddings.cross_encoder.engine import PairEngine
from attune.embeddings.cross_encoder.main import answers
from attune.embeddings.cross_encoder.messages import Question, ScorerSettings
from attune.embeddings.cross_encoder.scorer import PairScorer
from attune.embeddings.errors import (
    ComputeError,
    DeadlineExpiredError,
    EngineClosedError,
    ModelError,
    Overloaded,
    WorkerLostError,
)

pytestmark = pytest.mark.timeout(600)  # a process loads torch and sentence-transformers, on a machine that may be busy
TEXTS = ["bread and cloud", "the event loop", "wait of work", "a file", "delta " * 500]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def scorer(directory: Path) -> PairScorer:
    return PairScorer.load(str(directory), 1, "cpu")


def test_a_directory_gives_scores_alike_alone_and_in_a_batch(scorer: PairScorer, directory: Path) -> None:
    pairs = [("apple", text) for text in TEXTS]
    together = scorer.scores(pairs)
    assert [scorer.scores([pair])[0] for pair in pairs] == pytest.approx(together, abs=1e-5)
    assert len({round(score, 4) for score in together}) == len(TEXTS)
    assert scorer.model_id.startswith("tiny@")
    assert PairScorer.load(str(directory), 1, "cpu").model_id == scorer.model_id


@pytest.mark.parametrize("damage", ["missing", "config", "weights", "labels"])
def test_what_is_no_such_directory_is_told_with_the_mend(tmp_path: Path, damage: str) -> None:
    directory = tmp_path / "model"
    if damage != "missing":
        save_cross_encoder(directory, labels=3 if damage == "labels" else 1)
    if damage == "config":
        (directory / "config.json").write_text("{")
    if damage == "weights":
        next(directory.rglob("*.safetensors")).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"ATTUNE_CROSS_ENCODER_PATH") as raised:
        PairScorer.load(str(directory), 1, "cpu")
    assert str(directory) in str(raised.value)


class Fragile:
    """A scorer that fails on one text: each text's score is its length."""

    def scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        if any(text == "bad" for _, text in pairs):
            raise ComputeError("a bad text")
        return [float(len(text)) for _, text in pairs]


def test_questions_are_answered_together_and_one_that_fails_harms_no_other() -> None:
    batch = [
        Question(1, "q", ["a", "bb"], None),
        Question(2, "q", ["bad"], None),
        Question(3, "q", ["ccc"], 5.0),
        Question(4, "q", ["late"], 1.0),
    ]
    found = {each.number: each for each in answers(Fragile(), batch, lambda: 2.0)}  # type: ignore[arg-type]
    assert (list(found[1].scores), list(found[3].scores)) == ([1.0, 2.0], [3.0])
    assert isinstance(found[2].error, ComputeError)
    assert isinstance(found[4].error, DeadlineExpiredError)


async def test_the_process_scores_as_the_model_does_and_is_started_again_when_it_dies(
    directory: Path, scorer: PairScorer
) -> None:
    """One test, as a process takes long to start."""
    engine = PairEngine(ScorerSettings(str(directory), 1, "cpu"), clock=time.monotonic)
    await engine.start()
    try:
        assert engine.model_id == scorer.model_id
        await scores_are_the_models(engine, scorer)
        await too_many_and_late_ones_are_refused(engine)
        await it_comes_back(engine)
    finally:
        await engine.close()
    with pytest.raises(EngineClosedError):
        await engine.score("apple", ["text"])


async def scores_are_the_models(engine: PairEngine, scorer: PairScorer) -> None:
    queries = ["apple", "eagle", "lake"]
    found = await asyncio.gather(*(engine.score(query, TEXTS) for query in queries))
    for query, scores in zip(queries, found, strict=True):
        assert list(scores.values) == pytest.approx(scorer.scores([(query, text) for text in TEXTS]), abs=1e-5)
    assert list((await engine.score("apple", [])).values) == []


async def too_many_and_late_ones_are_refused(engine: PairEngine) -> None:
    with pytest.raises(DeadlineExpiredError):
        await engine.score("apple", ["text"], deadline=time.monotonic() - 1)
    first = asyncio.create_task(engine.score("apple", ["text"] * 1000))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as raised:
        await engine.score("apple", ["text"] * 1000)
    assert raised.value.retry_after_s > 0
    assert len((await first).values) == 1000


async def it_comes_back(engine: PairEngine) -> None:
    asked = asyncio.create_task(engine.score("apple", ["text"] * 1000))
    await asyncio.sleep(0)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError):
        await asked
    scores = None
    while scores is None:
        with suppress(WorkerLostError):
            scores = await engine.score("apple", ["text"])
        await asyncio.sleep(0.05)
    assert len(scores.values) == 1


async def test_a_process_that_cannot_load_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="config"):
        await PairEngine(ScorerSettings(str(tmp_path), 1, "cpu"), clock=time.monotonic).start()
