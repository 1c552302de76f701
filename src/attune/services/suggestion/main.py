"""The suggestion role: the one place that constructs it."""

import numpy as np

from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.server import Role
from attune.services.suggestion.completion.completer import Completer
from attune.services.suggestion.gateway import Gateway
from attune.services.suggestion.llm import OpenAiWriter, Writer
from attune.services.suggestion.queries.live import LiveQueries
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.removing import Remover
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.service import SuggestionServicer
from attune.services.suggestion.suggester import Suggester
from attune.suggestion.v1.suggestion_pb2_grpc import add_SuggestionServiceServicer_to_server


async def build(config: Config, metrics: Metrics, *, clock: Clock = system_clock, writer: Writer | None = None) -> Role:
    """The suggestion service, asking the services at the addresses of `config`; tests hand in a writer of theirs."""
    gateway = Gateway(
        *(
            connect(config.address(role), max_message_bytes=config.max_message_bytes)
            for role in (RoleName.KNOWLEDGE, RoleName.EMBEDDING, RoleName.SEARCH)
        )
    )
    writer = writer or _configured_writer(config)
    screen, queries = Screen.load(config.denylist_path), LiveQueries(config.queries)
    ranker = RankerPath(
        gateway.vectors,
        RankerModel.load(config.ranker_path),
        queries=lambda: queries.of(current_call().tenant),
        temperature=config.suggestion_exploration,
        random=np.random.default_rng(),
    )
    suggester = Suggester(gateway, ranker, writer, config.llm_timeout_s, screen)
    completer = Completer(gateway, queries, screen, config.completion_budget_ms / 1000)
    servicer = SuggestionServicer(suggester, completer, Remover(gateway, clock), metrics)

    async def close() -> None:
        if writer is not None:
            await writer.close()
        await gateway.close()

    return Role(
        RoleName.SUGGESTION,
        ("attune.suggestion.v1.SuggestionService",),
        lambda server: add_SuggestionServiceServicer_to_server(servicer, server),
        close,
    )


def _configured_writer(config: Config) -> Writer | None:
    if not config.llm_base_url:
        return None
    return OpenAiWriter(config.llm_base_url, config.llm_model, config.llm_api_key.get_secret_value())
