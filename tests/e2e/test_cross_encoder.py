"""A running system with a cross-encoder, whose order searches have."""

from collections.abc import Iterator

import grpc
import pytest
from tests.e2e.conftest import config_in
from tests.e2e.material import QUERY, documents
from tests.fakes.cross_encoder import save_cross_encoder

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.search.v1 import search_pb2 as pb
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.logs import configure_logs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("crossed")
    model = save_cross_encoder(directory / "tiny")
    configure_logs("error")
    with running_system(config_in(directory / "data", cross_encoder_path=model), system_clock) as running:
        with Client(Addresses.of(running.config)) as client:
            client.index(documents())
        yield running


def search(system: System, **fields: object) -> pb.SearchResponse:
    with grpc.insecure_channel(Addresses.of(system.config).search) as channel:
        return SearchServiceStub(channel).Search(pb.SearchRequest(query=QUERY, **fields), timeout=60)  # type: ignore[arg-type]


def score(system: System, texts: list[str]) -> embedding.ScorePairsResponse:
    with grpc.insecure_channel(Addresses.of(system.config).embedding) as channel:
        request = embedding.ScorePairsRequest(query=QUERY, texts=texts)
        return EmbeddingServiceStub(channel).ScorePairs(request, timeout=60)


def test_searches_have_the_cross_encoders_order(crossed: System) -> None:
    plain = search(crossed, cross_encoder_candidates=0)
    answer = search(crossed)
    texts = {hit.document.document_id: f"{hit.document.title}\n{hit.document.text}" for hit in answer.hits}
    scored = score(crossed, list(texts.values()))
    scores = dict(zip(texts, (each.score for each in scored.scores), strict=True))
    order = sorted(texts, key=lambda each: -scores[each])
    assert [hit.document.document_id for hit in answer.hits] == order
    assert [hit.document.document_id for hit in plain.hits] != order
    assert [hit.score for hit in answer.hits] == pytest.approx([hit.score for hit in plain.hits])
    for place, hit in enumerate(answer.hits, start=1):
        (part,) = [each for each in hit.explanation.parts if each.name == "cross_encoder"]
        assert (part.rank, part.value) == (place, pytest.approx(scores[hit.document.document_id], abs=1e-5))
        assert sum(each.contribution for each in hit.explanation.parts) == pytest.approx(hit.score)
    assert answer.timings.cross_encode_ms > 0


def test_the_model_is_told(crossed: System) -> None:
    with Client(Addresses.of(crossed.config)) as client:
        assert client.model_info().cross_encoder_id == score(crossed, ["a"]).model_id
        assert client.model_info().cross_encoder_id.startswith("tiny@")
