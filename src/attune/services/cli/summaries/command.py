"""`attune store summarize`: puts users into a few words whose summaries are due."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.store import Store
from attune.knowledge_store.summarizing import Writer, summarize, words_from_store
from attune.knowledge_store.summary import EVERY
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress
from attune.services.cli.summaries.fallbacks import Fallbacks
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.stores import open_existing_store


def summarize_users(
    every: Annotated[int, typer.Option(min=1, help="A summary is due again after so many events of its user.")] = EVERY,
    as_json: Json = False,
) -> None:
    """Put users into a few words, for prompts: those who have no summary, or one of so many events ago.

    With ATTUNE_LLM_BASE_URL and ATTUNE_LLM_MODEL the language model writes, told the names of entities and nothing that
    users wrote; where it fails, and without it, the words are made from the store alone. Services may go on meanwhile.
    Each summary is kept as it is made: broken off, the same command does the rest.

    Example: attune store summarize --every 50
    """
    with told_plainly():
        config = Config()
        catalog = Catalog.load(config.catalog)
        fallbacks = Fallbacks()
        with closing(open_existing_store(config)) as opened, _writer(config, fallbacks) as write:
            made, skipped = _summarize_due(opened, catalog, every, write, system_clock)
    if as_json:
        print_json({"made": made, "skipped": skipped, "model_failed": fallbacks.count, "reason": fallbacks.reason})
        return
    console.print(f"{made} summaries made, {skipped} users skipped")
    if fallbacks.count:
        console.print(
            f"the model failed for {fallbacks.count} users, who have words from the store: {fallbacks.reason}"
        )


def _summarize_due(store: Store, catalog: Catalog, every: int, write: Writer, clock: Clock) -> tuple[int, int]:
    """How many were made, and skipped. The users are collected first: reading is over before a model takes its time."""
    due = list(store.due_for_summary(every))
    made = 0
    with progress() as bar:
        for user in bar.track(due, description="summarizing"):
            made += summarize(store, catalog, user, clock(), every, write) is not None
    return made, len(due) - made


@contextmanager
def _writer(config: Config, fallbacks: Fallbacks) -> Iterator[Writer]:
    if not config.llm_base_url:
        yield words_from_store
        return
    if not config.llm_model:
        raise ConfigError("ATTUNE_LLM_MODEL is empty: name the model to ask, or leave ATTUNE_LLM_BASE_URL empty too")
    from attune.services.cli.summaries.writer import ModelWriter  # noqa: PLC0415 - openai takes a second to import

    key = config.llm_api_key.get_secret_value()
    writer = ModelWriter(config.llm_base_url, config.llm_model, key, config.llm_timeout_s, fallbacks)
    with closing(writer):
        yield writer
