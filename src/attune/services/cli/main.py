"""The `attune` command."""

import typer

from attune.services.cli.asking import complete, search, suggest
from attune.services.cli.catalog.group import catalog
from attune.services.cli.demo.command import demo
from attune.services.cli.events import events
from attune.services.cli.experts import experts
from attune.services.cli.feedback import feedback
from attune.services.cli.generations import generations
from attune.services.cli.indexing import index
from attune.services.cli.measure.completion import completion
from attune.services.cli.measure.embedding import embedding
from attune.services.cli.measure.finegrained import augmentation, finegrained
from attune.services.cli.measure.fuzz import fuzz
from attune.services.cli.measure.ingest import ingest
from attune.services.cli.measure.interleaving.command import interleaving
from attune.services.cli.measure.linking import linking
from attune.services.cli.measure.llm_speed.command import llm
from attune.services.cli.measure.merged import merge
from attune.services.cli.measure.pairs import pairs
from attune.services.cli.measure.personalization.command import personalization
from attune.services.cli.measure.retrieval import retrieval
from attune.services.cli.measure.routing import routing
from attune.services.cli.measure.search_speed import search as bench_search
from attune.services.cli.measure.store_quality.command import store as stored
from attune.services.cli.measure.store_speed import store as bench_store
from attune.services.cli.measure.suggestion.command import suggestion
from attune.services.cli.measure.suggestion_llm.command import suggestion_llm
from attune.services.cli.measure.suggestion_speed import suggestion as bench_suggestion
from attune.services.cli.measure.system import system
from attune.services.cli.pipes import QuietGroup
from attune.services.cli.queries import queries
from attune.services.cli.store import store
from attune.services.cli.train import augmenter, expert, ranker
from attune.services.cli.up import up
from attune.services.cli.user import user
from attune.services.cli.version import attune

app = typer.Typer(
    name="attune",
    cls=QuietGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(attune)
app.command()(demo)
app.command()(up)
app.command()(index)
app.add_typer(generations, name="generations")
app.add_typer(catalog, name="catalog")
app.add_typer(events, name="events")
app.command()(search)
app.command()(suggest)
app.command()(complete)
app.command()(feedback)
app.add_typer(experts, name="experts")
app.add_typer(queries, name="queries")
app.add_typer(user, name="user")
app.add_typer(store, name="store")
evaluate = typer.Typer(help="Measure quality on judged data.", no_args_is_help=True)
evaluate.command()(retrieval)
evaluate.command()(pairs)
evaluate.command()(routing)
evaluate.command()(finegrained)
evaluate.command()(linking)
evaluate.command()(merge)
evaluate.command(name="store")(stored)
evaluate.command()(completion)
evaluate.command()(suggestion)
evaluate.command()(interleaving)
evaluate.command(name="suggestion-llm")(suggestion_llm)
evaluate.command()(personalization)
app.add_typer(evaluate, name="eval")
training = typer.Typer(help="Train on your own texts.", no_args_is_help=True)
training.command()(expert)
training.command()(augmenter)
training.command()(ranker)
app.add_typer(training, name="train")
bench = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)
bench.command()(embedding)
bench.command()(augmentation)
bench.command("store")(bench_store)
bench.command()(fuzz)
bench.command()(ingest)
bench.command("search")(bench_search)
bench.command("suggestion")(bench_suggestion)
bench.command()(llm)
bench.command()(system)
app.add_typer(bench, name="bench")
