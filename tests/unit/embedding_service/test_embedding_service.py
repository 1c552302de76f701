"""The servicer over an engine of the test's own, which has no room at first."""

import time
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embeddings.batching import EngineResult, EngineTimings
from attune.embeddings.cross_encoder.engine import Scores
from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import ComputeError, DeadlineExpiredError, EngineClosedError, Overloaded, WorkerLostError
from attune.embeddings.items import Embedded
from attune.services.embedding.convert import vector_batch
from attune.services.embedding.model import Model
from attune.services.embedding.service import EmbeddingServicer
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.errors import ServiceError

MODEL = Model("m@1", 2, 16, "fp32", "", "cpu")
REQUEST = pb.EmbedRequest(inputs=[pb.TextInput(text="a")])


class FullEngine:
    """Refuses so many requests before it takes one."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asked = 0

    async def embed(self, items, **_how: object):
        self.asked += 1
        if self.asked <= self.refusals:
            raise Overloaded(0.001)
        vector = np.array([3.0, 4.0], np.float32)
        return EngineResult(tuple(Embedded(vector, "", 3, truncated=False) for _ in items), EngineTimings(0, 0, 0))

    @property
    def domains(self) -> DomainRegistry:
        raise NotImplementedError

    async def reload(self) -> DomainRegistry:
        raise NotImplementedError


async def requests(count: int) -> AsyncIterator[pb.EmbedStreamRequest]:
    for _ in range(count):
        yield pb.EmbedStreamRequest(request=REQUEST)


def calling(seconds: float) -> None:
    enter_call(Call("Embed", "default", time.monotonic() + seconds))


async def test_a_stream_waits_for_room():
    calling(60)
    engine = FullEngine(refusals=3)
    answers = [each async for each in EmbeddingServicer(engine, MODEL).EmbedStream(requests(2), None)]
    assert (len(answers), engine.asked) == (2, 5)


async def test_a_stream_waits_no_longer_than_its_deadline():
    calling(0.05)
    engine = FullEngine(refusals=10**9)
    with pytest.raises(ServiceError) as raised:
        [each async for each in EmbeddingServicer(engine, MODEL).EmbedStream(requests(1), None)]
    assert raised.value.reason == "OVERLOADED"


async def test_a_single_request_is_refused_at_once():
    calling(60)
    engine = FullEngine(refusals=1)
    with pytest.raises(ServiceError):
        await EmbeddingServicer(engine, MODEL).Embed(REQUEST, None)
    assert engine.asked == 1


def test_int8_is_of_the_unit_vector_whatever_the_models_lengths():
    long = Embedded(np.array([3.0, 4.0], np.float32), "", 3, truncated=False)
    assert vector_batch([long], pb.DATA_TYPE_INT8, 2, 2).data == bytes([76, 102])  # 127 * (.6, .8)
    assert vector_batch([long], pb.DATA_TYPE_FLOAT32, 2, 2).data == long.vector.tobytes()


class Pairs:
    """Scores a text by its length, or fails."""

    model_id = "cross@1"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def score(self, _query: str, texts, **_how: object) -> Scores:
        if self.error:
            raise self.error
        return Scores([float(len(text)) for text in texts], 1.0, 2.0)


def scoring(error: Exception | None = None) -> EmbeddingServicer:
    return EmbeddingServicer(FullEngine(refusals=0), MODEL, Pairs(error))


async def test_pairs_are_scored_in_order_and_blank_texts_told():
    calling(60)
    request = pb.ScorePairsRequest(query="q", texts=["abc", " ", "x" * 20_000])
    answer = await scoring().ScorePairs(request, None)
    assert [each.score for each in answer.scores] == [3.0, 0.0, 16_384.0]
    assert [each.HasField("score") for each in answer.scores] == [True, False, True]
    assert answer.scores[1].error.message == "the text is empty: send at least one word"
    assert (answer.model_id, answer.timings.compute_ms) == ("cross@1", 2.0)
    assert (await scoring().GetModelInfo(pb.GetModelInfoRequest(), None)).cross_encoder_id == "cross@1"


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Overloaded(0.5), "RESOURCE_EXHAUSTED", "OVERLOADED"),
        (DeadlineExpiredError("late"), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        (EngineClosedError("closed"), "UNAVAILABLE", "SHUTTING_DOWN"),
        (WorkerLostError("lost"), "UNAVAILABLE", "WORKER_LOST"),
        (ComputeError("damaged"), "INTERNAL", "COMPUTE_FAILED"),
    ],
)
async def test_what_fails_is_told_as_for_embed(error: Exception, code: str, reason: str):
    calling(60)
    with pytest.raises(ServiceError) as raised:
        await scoring(error).ScorePairs(pb.ScorePairsRequest(query="q", texts=["a"]), None)
    assert (raised.value.code.name, raised.value.reason) == (code, reason)


async def test_without_a_cross_encoder_and_without_words_it_says_what_to_do():
    calling(60)
    servicer = EmbeddingServicer(FullEngine(refusals=0), MODEL)
    with pytest.raises(ServiceError, match="ATTUNE_CROSS_ENCODER_PATH") as raised:
        await servicer.ScorePairs(pb.ScorePairsRequest(query="q", texts=["a"]), None)
    assert raised.value.code is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(ServiceError, match="query: has no words"):
        await scoring().ScorePairs(pb.ScorePairsRequest(query=" ", texts=["a"]), None)
    assert (await servicer.GetModelInfo(pb.GetModelInfoRequest(), None)).cross_encoder_id == ""
