"""RetrieveEntities' work: link the context, look it up in the user's store where the user allows it."""

import time
from datetime import datetime

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.privacy import encode_counts
from attune.knowledge_store.retrieval import Mode
from attune.knowledge_store.retrieval import retrieve as retrieve_entities
from attune.services.knowledge.contexts import link_context
from attune.services.knowledge.convert import MODES, retrieved_entity
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
    resolve = loaded.catalog.redirects.resolve
    context = dict.fromkeys(map(resolve, (*linked.entity_ids, *request.entity_ids)))
    response = pb.RetrieveEntitiesResponse(
        context_entity_ids=linked.entity_ids,
        query_entity_ids=linked.query_entity_ids,
        query_coverage=linked.query_coverage,
        link_ms=link_ms,
    )
    response.withheld = not _is_allowed(knowledge, user, request)
    if response.withheld:
        return response
    if not context and not linked.is_empty:
        return response  # a context that names nothing known: the user's whole store would be no answer to it
    started = time.perf_counter()
    states = knowledge.states(user, loaded)
    limit = request.limit or _DEFAULT_LIMIT
    companions = knowledge.companions_of(user.tenant, loaded)
    for found in retrieve_entities(states, loaded.graph, context, now, _modes(request), limit, companions):
        state = states.get(found.entity_id)
        counts = encode_counts(state) if state else {}
        response.entities.append(retrieved_entity(found, counts, loaded.catalog))
    response.store_ms = (time.perf_counter() - started) * 1000
    return response


def _is_allowed(knowledge: Knowledge, user: UserKey, request: pb.RetrieveEntitiesRequest) -> bool:
    if request.purpose == pb.PURPOSE_UNSPECIFIED:
        return True
    return knowledge.store.allows(user, purpose_of(request.purpose))


def _modes(request: pb.RetrieveEntitiesRequest) -> list[Mode]:
    wanted = [_FROM_PB[mode] for mode in request.modes if mode in _FROM_PB]
    return wanted or list(Mode)
