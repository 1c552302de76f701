"""RetrieveEntities' work: link the context, look it up in the user's store where the user allows it."""

import time
from collections.abc import Iterable
from datetime import datetime

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.retrieval import Mode
from attune.services.knowledge.contexts import link_context
from attune.services.knowledge.convert import MODES, tell_retrieved, user_history
from attune.services.runtime.purposes import purpose_of

_DEFAULT_LIMIT = 50
_FROM_PB = {value: mode for mode, value in MODES.items()}


def retrieve(
    knowledge: Knowledge, user: UserKey, request: pb.RetrieveEntitiesRequest, now: datetime
) -> pb.RetrieveEntitiesResponse:
    """The entities of the context in every mode asked for. Blocking."""
    loaded = knowledge.loaded
    started = time.perf_counter()
    linked = link_context(loaded.linker, request.query, request.context)
    link_ms = (time.perf_counter() - started) * 1000
    context = (*linked.entity_ids, *request.entity_ids)
    response = pb.RetrieveEntitiesResponse(
        context_entity_ids=linked.entity_ids,
        query_entity_ids=linked.query_entity_ids,
        query_coverage=linked.query_coverage,
        known_entity_ids=_known(request.entity_ids, loaded.catalog),
        link_ms=link_ms,
    )
    response.withheld = not _is_allowed(knowledge, user, request)
    if response.withheld:
        return response
    started = time.perf_counter()
    view = knowledge.view(user)
    if request.with_history:
        response.history.CopyFrom(user_history(view.history))
    if not context and not linked.is_empty:
        return response  # a context that names nothing known: the user's whole store would be no answer to it
    limit = request.limit or _DEFAULT_LIMIT
    found = knowledge.retrieve(
        user.tenant,
        view,
        context,
        now=now,
        modes=_modes(request),
        limit=limit,
        loaded=loaded,
        context_only=request.context_only,
    )
    for each in found:
        tell_retrieved(response.entities.add(), each, loaded.catalog, with_aliases=request.with_aliases)
    response.store_ms = (time.perf_counter() - started) * 1000
    return response


def _known(entity_ids: Iterable[str], catalog: Catalog) -> list[str]:
    """Those that the catalog has, each once, as it calls them now."""
    return list(dict.fromkeys(catalog.redirects.resolve(each) for each in entity_ids if each in catalog))


def _is_allowed(knowledge: Knowledge, user: UserKey, request: pb.RetrieveEntitiesRequest) -> bool:
    if request.purpose == pb.PURPOSE_UNSPECIFIED:
        return True
    return knowledge.store.allows(user, purpose_of(request.purpose))


def _modes(request: pb.RetrieveEntitiesRequest) -> list[Mode]:
    wanted = [_FROM_PB[mode] for mode in request.modes if mode in _FROM_PB]
    return wanted or list(Mode)
