"""Documents that answer a query, by the search service."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import structlog

from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1 import search_pb2 as search
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.runtime.call import current_call
from attune.services.runtime.outgoing import onward
from attune.services.suggestion.gateways.patience import at_most

_log = structlog.get_logger("attune.suggestion")
_DOCUMENTS = 20
_WITHOUT_SEARCH = {
    grpc.StatusCode.UNAVAILABLE: "the search service is unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the search service did not answer in time",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "the search service is overloaded",
    grpc.StatusCode.CANCELLED: "the search service was about to end",
}


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Documents that answer a query."""

    titles: Sequence[str] = ()
    """The best first."""
    entity_ids: Sequence[str] = ()
    """The entities in them, whether or not the user knows them."""
    notice: str = ""
    """Why there are none, where search did not answer: a sentence for the caller."""


class SearchGateway:
    """Asks search."""

    def __init__(self, channel: grpc.aio.Channel, patience_s: float) -> None:
        self._patience_s = patience_s
        self._stub = SearchServiceStub(channel)

    async def retrieved(self, user: str, query: str, context: Context) -> Retrieved:
        """What answers the query, ranked for the user; nothing, with a notice, where search is away, too slow or
        overloaded, or refuses it.
        """
        if not query.strip():
            return Retrieved()
        request = search.SearchRequest(query=query, user_id=user, context=context, page_size=_DOCUMENTS)
        try:
            answer = await self._stub.Search(request, **onward(at_most(self._patience_s)))
        except grpc.aio.AioRpcError as error:
            if not current_call().remaining_s() or not _is_dispensable(error):
                raise
            _log.warning("suggestions without documents: search did not answer", code=error.code().name)
            return Retrieved(notice=_without_documents(error))
        entities = (each for hit in answer.hits for each in hit.entity_ids)
        return Retrieved([hit.document.title for hit in answer.hits], list(dict.fromkeys(entities)))

    async def titles(self, text: str, limit_s: float) -> Sequence[str]:
        """Titles of documents that answer a text, the best first, for nobody in particular, within so many seconds."""
        request = search.SearchRequest(query=text, page_size=_DOCUMENTS)
        answer = await self._stub.Search(request, **onward(limit_s))
        return [hit.document.title for hit in answer.hits if hit.document.title]


def _is_dispensable(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.INVALID_ARGUMENT or error.code() in _WITHOUT_SEARCH


def _without_documents(error: grpc.aio.AioRpcError) -> str:
    because = _WITHOUT_SEARCH.get(error.code(), f"search refused the query ({error.details()})")
    return f"{because}: these suggestions draw on no documents"
