"""The demo command: tell the story, show what came of it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.background import on_free_ports, running_system
from attune.services.cli.corpora.model import Corpus
from attune.services.cli.demo import screen
from attune.services.cli.demo.llama_server import MODEL, STYLE, llama_server
from attune.services.cli.demo.result import Result
from attune.services.cli.demo.steps import forget, name_for_this_run, rank, send, store_of, suggest, timed
from attune.services.cli.demo.story import Story, events_of, read_story
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import print_json, progress_console
from attune.services.cli.uploading import index_with_progress
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.logs import configure_logs


def demo(
    data: Annotated[
        Path | None, typer.Option(help="A corpus in BEIR layout, instead of Python's own documentation.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=50, help="Read at most so many documents of --data.")] = None,
    llm_python: Annotated[
        Path | None, typer.Option(help="Let a small real language model write the suggestions; see `make demo-llm`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show everything attune does, on real text, in one process.

    Reads a corpus, streams two users' histories as events, ranks the same queries for each of them and for nobody,
    suggests what they may ask next, shows what is known of them, and forgets one. Run again, it starts warm.

    Example: attune demo --data corpora/scifact --json
    """
    with told_plainly():
        configure_logs("error")
        result = Result()
        with timed(result, "total"):
            _run(result, data, limit, llm_python)
    if as_json:
        print_json(result.as_dict())
    else:
        screen.show(result)


def _run(result: Result, data: Path | None, limit: int | None, llm_python: Path | None) -> None:
    with progress_console.status("reading the corpus") as status:
        with timed(result, "read_corpus"):
            story = read_story(data, limit)
        config = on_free_ports(Config(), _directory(story.corpus))
        _write_catalog(story.corpus, config.catalog)
        started = time.perf_counter()
        with (
            _with_model(config, llm_python) as config,
            running_system(config, system_clock, lambda role: status.update(f"starting {role}")) as system,
        ):
            result.seconds["start"] = time.perf_counter() - started
            status.stop()
            with Client(Addresses.of(system.config), timeout_s=60) as client:
                _tell(client, story, result)


@contextmanager
def _with_model(config: Config, python: Path | None) -> Iterator[Config]:
    """The settings, with a language model of the demo's own where one is asked for."""
    if python is None:
        yield config
        return
    with llama_server(python, config.data_dir.parent) as url:
        yield config.model_copy(
            update={"llm_base_url": url, "llm_model": MODEL, "llm_prompt_style": STYLE, "llm_timeout_s": 60.0}
        )


def _tell(client: Client, story: Story, result: Result) -> None:
    model = client.model_info()
    result.machine = {"model": model.model_id, "precision": model.precision_reason, "device": model.device}
    corpus = story.corpus
    result.corpus = {"name": corpus.name, "documents": len(corpus.documents), "entities": len(corpus.entities)}
    with timed(result, "index"):
        indexed = index_with_progress(client, corpus.documents, f"indexing {corpus.name}")
    result.indexed = {"new": indexed.indexed, "unchanged": indexed.unchanged, "refused": indexed.rejected_count}
    names = {user: name_for_this_run(client, user) for user in story.users}
    users = list(names.values())
    with timed(result, "events"):
        result.events = send(client, events_of(story, names, system_clock()), users)
    with timed(result, "search"):
        result.rankings = [rank(client, query, user) for query in story.queries for user in (None, *users)]
    with timed(result, "suggest"):
        result.suggestions = [suggest(client, user, story.queries[0]) for user in users]
    with timed(result, "stores"):
        result.stores = [store_of(client, user) for user in users]
    with timed(result, "forget"):
        result.forgotten = forget(client, users[-1])


def _directory(corpus: Corpus) -> Path:
    """Each corpus has its own: the index, the store and the log of one are of no use to another."""
    return Config().data_dir / "demo" / re.sub(r"[^A-Za-z0-9._-]+", "-", corpus.name)


def _write_catalog(corpus: Corpus, path: Path) -> None:
    """The corpus's entities, where the knowledge role reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in corpus.catalog_lines()), encoding="utf-8")
