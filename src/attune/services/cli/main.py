"""The `attune` command."""

import typer

from attune.services.cli.deferring import deferred
from attune.services.cli.version import attune

_CLI = "attune.services.cli"
_MEASURE = f"{_CLI}.measure"

evaluate = typer.Typer(
    help="Measure quality on judged data.",
    no_args_is_help=True,
    cls=deferred(
        {
            "retrieval": f"{_MEASURE}.retrieval:retrieval",
            "pairs": f"{_MEASURE}.pairs:pairs",
            "routing": f"{_MEASURE}.routing:routing",
            "finegrained": f"{_MEASURE}.finegrained:finegrained",
            "linking": f"{_MEASURE}.linking:linking",
            "merge": f"{_MEASURE}.merged:merge",
            "store": f"{_MEASURE}.store_quality.command:store",
            "completion": f"{_MEASURE}.completion:completion",
            "suggestion": f"{_MEASURE}.suggestion.command:suggestion",
            "interleaving": f"{_MEASURE}.interleaving.command:interleaving",
            "suggestion-llm": f"{_MEASURE}.suggestion_llm.command:suggestion_llm",
            "personalization": f"{_MEASURE}.personalization.command:personalization",
        }
    ),
)
training = typer.Typer(
    help="Train on your own texts.",
    no_args_is_help=True,
    cls=deferred({name: f"{_CLI}.train.{name}:{name}" for name in ("expert", "augmenter", "ranker")}),
)
bench = typer.Typer(
    help="Measure speed on this machine.",
    no_args_is_help=True,
    cls=deferred(
        {
            "embedding": f"{_MEASURE}.embedding:embedding",
            "augmentation": f"{_MEASURE}.finegrained:augmentation",
            "store": f"{_MEASURE}.store_speed:store",
            "fuzz": f"{_MEASURE}.fuzz:fuzz",
            "ingest": f"{_MEASURE}.ingest:ingest",
            "search": f"{_MEASURE}.search_speed:search",
            "suggestion": f"{_MEASURE}.suggestion_speed:suggestion",
            "llm": f"{_MEASURE}.llm_speed.command:llm",
            "system": f"{_MEASURE}.system:system",
        }
    ),
)
app = typer.Typer(
    name="attune",
    cls=deferred(
        {
            "demo": f"{_CLI}.demo.command:demo",
            "up": f"{_CLI}.up:up",
            "index": f"{_CLI}.indexing:index",
            "generations": f"{_CLI}.generations:generations",
            "catalog": f"{_CLI}.catalog.group:catalog",
            "events": f"{_CLI}.events:events",
            "search": f"{_CLI}.asking:search",
            "suggest": f"{_CLI}.asking:suggest",
            "complete": f"{_CLI}.asking:complete",
            "feedback": f"{_CLI}.feedback:feedback",
            "experts": f"{_CLI}.experts:experts",
            "queries": f"{_CLI}.queries:queries",
            "user": f"{_CLI}.user:user",
            "store": f"{_CLI}.store:store",
            "eval": evaluate,
            "train": training,
            "bench": bench,
        }
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(attune)
