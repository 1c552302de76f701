"""The writer that the settings ask for."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.writing.breaker import Breaker
from attune.services.suggestion.writing.engines.in_process import InProcess
from attune.services.suggestion.writing.engines.port import Engine
from attune.services.suggestion.writing.metrics import LlmMetrics
from attune.services.suggestion.writing.prices import Prices
from attune.services.suggestion.writing.retrying import Retries, RetryBudget
from attune.services.suggestion.writing.template import PromptStyle, load_template
from attune.services.suggestion.writing.writer import Guard, ModelWriter


def configured_writer(config: Config, metrics: Metrics, screen: Screen | None = None) -> ModelWriter | None:
    """A writer, or None where no language model is configured.

    Raises:
        ConfigError: two models are configured, or one whose address is missing or wrong, or the prompt's file is
            not usable.
        ModelError: the model's directory is not usable.
    """
    template = load_template(PromptStyle(config.llm_prompt_style), config.suggestion_prompt_path)
    engine = _engine(config, template.style)
    if engine is None:
        return None
    counted = LlmMetrics(metrics.registry)
    breaker = Breaker(config.llm_breaker_failures, config.llm_breaker_open_s, time.monotonic, counted.breaker)
    return ModelWriter(
        engine,
        template,
        guard=Guard(breaker, Retries(config.llm_retries, RetryBudget()), config.llm_timeout_s),
        screen=screen or Screen(),
        prices=Prices(config.llm_price_prompt, config.llm_price_completion),
        metrics=counted,
    )


def _engine(config: Config, style: PromptStyle) -> Engine | None:
    if config.llm_model_path is not None:
        if config.llm_base_url:
            raise ConfigError("ATTUNE_LLM_MODEL_PATH and ATTUNE_LLM_BASE_URL name two language models: set one of them")
        return _in_process(config.llm_model_path, config.llm_waiting, style)
    if not config.llm_base_url:
        if config.llm_model:
            raise ConfigError("ATTUNE_LLM_MODEL names a model of no server: set ATTUNE_LLM_BASE_URL too, or unset it")
        return None
    _require_server(config)
    # openai takes a second to import: only who has set a server needs it
    from attune.services.suggestion.writing.engines.openai_server import OpenAiServer  # noqa: PLC0415

    return OpenAiServer(config.llm_base_url, config.llm_model, config.llm_api_key.get_secret_value(), style)


def _require_server(config: Config) -> None:
    """What the client would only find out with the first question, and the ranker would hide."""
    url = urlsplit(config.llm_base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(
            f"ATTUNE_LLM_BASE_URL: {config.llm_base_url!r} is no address; write one such as http://127.0.0.1:8000/v1"
        )


def _in_process(directory: Path, waiting: int, style: PromptStyle) -> Engine:
    try:  # torch takes seconds to import and is an extra: only who has set a model needs it
        from attune.embeddings.language_model import LanguageModel  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "ATTUNE_LLM_MODEL_PATH needs transformers and torch: pip install 'attune[llm]', or unset it"
        ) from error
    return InProcess(LanguageModel.load(directory, chats=style is PromptStyle.CHAT), waiting)
