"""The suggestion role: the one place that constructs it."""

import numpy as np

from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.server import Role
from attune.services.suggestion.completion.completer import Completer
from attune.services.suggestion.gateways.embedding import EmbeddingGateway
from attune.services.suggestion.gateways.knowledge import KnowledgeGateway
from attune.services.suggestion.gateways.search import SearchGateway
from attune.services.suggestion.queries.live import LiveQueries
from attune.services.suggestion.ranking.configured import configured_ranker
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.removing import Remover
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.service import SuggestionServicer
from attune.services.suggestion.situating import Situating
from attune.services.suggestion.suggester import Suggester
from attune.services.suggestion.writing.configured import configured_writer
from attune.services.suggestion.writing.model import Writer
from attune.suggestion.v1.suggestion_pb2_grpc import add_SuggestionServiceServicer_to_server


async def build(config: Config, metrics: Metrics, *, clock: Clock = system_clock, writer: Writer | None = None) -> Role:
    """The suggestion service, asking the services at the addresses of `config`; tests hand in a writer of theirs."""
    channels = [connect(config, role) for role in (RoleName.KNOWLEDGE, RoleName.EMBEDDING, RoleName.SEARCH)]
    patience_s = config.suggestion_budget_ms / 1000
    knowledge, embedding = KnowledgeGateway(channels[0]), EmbeddingGateway(channels[1], patience_s)
    search = SearchGateway(channels[2], patience_s)
    screen, queries = Screen.load(config.denylist_path), LiveQueries(config.queries)
    writer = writer or configured_writer(config, metrics, screen)
    ranker = RankerPath(
        embedding.vectors,
        configured_ranker(config),
        queries=lambda: queries.of(current_call().tenant),
        temperature=config.suggestion_exploration,
        random=np.random.default_rng(),
    )
    suggester = Suggester(Situating(knowledge, search, screen), ranker, writer, config.llm_timeout_s)
    completer = Completer(knowledge, search, queries, screen, config.completion_budget_ms / 1000)
    servicer = SuggestionServicer(suggester, completer, Remover(knowledge, clock), metrics)

    async def close() -> None:
        if writer is not None:
            await writer.close()
        for channel in channels:
            await channel.close()

    return Role(
        RoleName.SUGGESTION,
        ("attune.suggestion.v1.SuggestionService",),
        lambda server: add_SuggestionServiceServicer_to_server(servicer, server),
        close,
    )
