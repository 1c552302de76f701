"""Vectors of texts, by the embedding service."""

from collections.abc import Sequence

import grpc
import numpy as np
import structlog

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.services.runtime.outgoing import onward
from attune.services.runtime.vectors import to_matrix
from attune.services.suggestion.gateways.patience import at_most
from attune.services.suggestion.ranking.encoder import Embedded

_log = structlog.get_logger("attune.suggestion")


class EmbeddingGateway:
    """Asks embedding. Better an order without meaning than a late one."""

    def __init__(self, channel: grpc.aio.Channel, patience_s: float) -> None:
        self._patience_s = patience_s
        self._stub = EmbeddingServiceStub(channel)

    async def vectors(self, texts: Sequence[str]) -> Embedded | None:
        """Unit vectors [n, d] of texts, a row of zeros for a text that has none; None where embedding does not answer
        soon.
        """
        request = embedding.EmbedRequest(
            inputs=[embedding.TextInput(text=text, domain="general", role=embedding.ROLE_QUERY) for text in texts],
            lane=embedding.LANE_INTERACTIVE,
        )
        try:
            answer = await self._stub.Embed(request, **onward(at_most(self._patience_s)))
        except grpc.aio.AioRpcError as error:
            _log.warning("suggestions without meaning: embedding did not answer", code=error.code().name)
            return None
        matrix = to_matrix(answer.vectors)
        nothing = np.zeros(matrix.shape[1], np.float32)
        rows = np.stack([matrix[item.row] if item.HasField("row") else nothing for item in answer.items])
        return Embedded(rows, answer.model_id)
