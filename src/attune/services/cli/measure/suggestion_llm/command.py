"""The command: draw cases, let the model write and judge, report."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.significance import Interval, bootstrap, paired_difference
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.suggestion.cases import log_of_one, logs_of
from attune.services.cli.measure.suggestion.ladder import SERVED, World, cross_fitted
from attune.services.cli.measure.suggestion.logs import entries_in_file
from attune.services.cli.measure.suggestion.world import make_world
from attune.services.cli.measure.suggestion_llm.cases import drawn_cases
from attune.services.cli.measure.suggestion_llm.scored import Ranked, best_alone, best_mix, rank_all
from attune.services.cli.measure.suggestion_llm.scorer import scorer
from attune.services.cli.measure.suggestion_llm.vectors import Vectorizer
from attune.services.cli.measure.suggestion_llm.written import WrittenFor, rows_of, write_all
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.writing.configured import configured_writer

_MOST_USERS = 500
_LEAST_CASES = 2


def suggestion_llm(  # noqa: PLR0913 - the options of a command
    *,
    log: Annotated[Path, typer.Option(help="JSONL with user, ts and query.")],
    base_url: Annotated[str, typer.Option(help="The language model's server, of OpenAI's protocol.")],
    model: Annotated[str, typer.Option(help="The model to ask there.")],
    style: Annotated[str, typer.Option(help="chat, or completion for a base model.")] = "completion",
    limit_users: Annotated[int, typer.Option(min=2, help="Judge candidates for so many users; a third chooses.")] = 30,
    writer_users: Annotated[int, typer.Option(min=1, help="Write for so many of the others.")] = 14,
    scorer_python: Annotated[
        Path | None, typer.Option(help="A Python with llama-cpp-python, to judge candidates by --scorer-model.")
    ] = None,
    scorer_model: Annotated[Path | None, typer.Option(help="The model's file (GGUF).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a language model on next queries of real users, one of each: as writer of ten suggestions, by the query
    alone, with the user's history and with another user's; and as judge of the 50 queries that come first by a ranker
    that has learned from other users.

    Example: attune eval suggestion-llm --log logs.jsonl --base-url http://127.0.0.1:8000/v1 --model gemma
    """
    with told_plainly():
        if (scorer_python is None) != (scorer_model is None):
            raise SettingError("--scorer-python and --scorer-model go together: give both, or none")
        world = _world(log)
        cases = drawn_cases(world.log, limit_users)
        if len(cases) < _LEAST_CASES:
            raise SettingError(f"--log: {log} has fewer than two users with a next query to tell; give a longer log")
        dev, test = cases[: max(1, len(cases) // 3)], cases[max(1, len(cases) // 3) :]
        config = Config(llm_base_url=base_url, llm_model=model, llm_prompt_style=style)
        writer = configured_writer(config, Metrics())
        assert writer is not None  # noqa: S101 - base_url is set
        with progress() as bar:
            task = bar.add_task("writing", total=3 * len(test[:writer_users]))
            found = write_all(writer, test[:writer_users], Vectorizer(), lambda: bar.advance(task))
        rows, summary = rows_of(found), _of_writer(found)
        if scorer_python is not None and scorer_model is not None:
            ranker = cross_fitted(world, SERVED)
            with progress() as bar, scorer(scorer_python, scorer_model, os.cpu_count() or 1) as score:
                judging = bar.add_task("judging", total=len(cases))
                ranked = rank_all(score, [*dev, *test], ranker, lambda: bar.advance(judging))
            more, figures = _of_scorer(ranked[: len(dev)], ranked[len(dev) :])
            rows, summary = [*rows, *more], summary | figures
        made = make_report(rows, summary, system_clock(), [f"{len(world.log.pool)} queries in the pool"])
        if out is not None:
            write(made, out, page_of("A language model on next queries", made))
    show(made, as_json=as_json)


def _world(path: Path) -> World:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    entries = entries_in_file(path)
    return make_world(log_of_one(logs_of(entries, _MOST_USERS, seed=0), entries.name), None, Embedder.load())


def _of_writer(found: Mapping[str, Sequence[WrittenFor]]) -> dict[str, float]:
    own = found["own history"]
    figures = _told("llm_writer_mrr", bootstrap([each.measures["mrr"] for each in own]))
    for other, name in (("query", "query"), ("another's history", "another")):
        for measure in ("mrr_close", "best_cosine"):
            ours, theirs = ([one.measures[measure] for one in each] for each in (own, found[other]))
            gain = paired_difference(ours, theirs)
            figures |= _told(f"llm_writer_{measure}_gain_over_{name}", gain)
    return figures


def _of_scorer(dev: Sequence[Ranked], test: Sequence[Ranked]) -> tuple[list[Row], dict[str, float]]:
    """How the model's likelihoods rank, chosen on some users and measured on others, beside the ranker without it."""
    context, kind, weight = best_mix(dev)
    alone = best_alone(dev)
    names = {
        "vectors of the query": [each.rank_by_query for each in test],
        "ranker": [each.rank for each in test],
        f"likelihood alone ({', '.join(alone)})": [each.judged_rank(*alone) for each in test],
        f"both ({context}, {kind}, weight {weight})": [each.mixed_rank(weight, context, kind) for each in test],
    }
    reciprocal = [[1 / rank for rank in ranks] for ranks in names.values()]
    rows: list[Row] = []
    for name, values in zip(names, reciprocal, strict=True):
        interval = bootstrap(values)
        rows.append(
            {"ranked by": name, "mrr": interval.mean, "low": interval.low, "high": interval.high, "users": len(test)}
        )
    by_query, ranker, judged, mixed = reciprocal
    figures = _told("llm_scorer_mrr", bootstrap(mixed)) | _told("llm_scorer_alone_mrr", bootstrap(judged))
    figures |= _told("llm_scorer_ranker_mrr", bootstrap(ranker)) | _told("llm_scorer_vectors_mrr", bootstrap(by_query))
    figures |= _told("llm_scorer_gain_over_ranker", paired_difference(mixed, ranker))
    figures |= _told("llm_scorer_gain_over_vectors", paired_difference(mixed, by_query))
    return rows, figures


def _told(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
