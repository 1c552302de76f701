"""The command: draw cases, let the model write and judge, report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.significance import Interval, bootstrap, paired_difference
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.suggestion_llm.cases import read_cases
from attune.services.cli.measure.suggestion_llm.scored import KINDS, Ranked, best_mix, rank_all, scorer
from attune.services.cli.measure.suggestion_llm.vectors import Vectorizer
from attune.services.cli.measure.suggestion_llm.written import WrittenFor, rows_of, write_all
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.writing.configured import configured_writer


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
    alone, with the user's history and with another user's; and as judge of the 50 nearest queries of the log.

    Example: attune eval suggestion-llm --log logs.jsonl --base-url http://127.0.0.1:8000/v1 --model gemma
    """
    with told_plainly():
        if (scorer_python is None) != (scorer_model is None):
            raise SettingError("--scorer-python and --scorer-model go together: give both, or none")
        drawn = read_cases(log, limit_users)
        if len(drawn.cases) < 2:
            raise SettingError(f"--log: {log} has fewer than two users with a next query to tell; give a longer log")
        vectors = Vectorizer()
        kept = max(1, len(drawn.cases) // 3)
        config = Config(llm_base_url=base_url, llm_model=model, llm_prompt_style=style)
        writer = configured_writer(config, Metrics())
        assert writer is not None  # noqa: S101 - base_url is set
        test = drawn.cases[kept:]
        with progress() as bar:
            task = bar.add_task("writing", total=3 * len(test[:writer_users]))
            found = write_all(writer, test[:writer_users], vectors, lambda: bar.advance(task))
            rows, summary = rows_of(found), _of_writer(found)
            if scorer_python is not None and scorer_model is not None:
                judging = bar.add_task("judging", total=len(drawn.cases))
                with scorer(scorer_python, scorer_model) as score:
                    ranked = rank_all(score, drawn.cases, drawn.pool, vectors, lambda: bar.advance(judging))
                more, figures = _of_scorer(ranked[:kept], ranked[kept:])
                rows, summary = [*rows, *more], summary | figures
        made = make_report(rows, summary, system_clock(), [f"{len(drawn.pool)} queries in the pool"])
        if out is not None:
            write(made, out, page_of("A language model on next queries", made))
    show(made, as_json=as_json)


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
    context, kind, weight = best_mix(dev)
    alone = max(KINDS, key=lambda each: np.mean([one.reciprocal_rank(1, context, each, alone=True) for one in dev]))
    vectors = [each.reciprocal_rank(0) for each in test]
    mixed = [each.reciprocal_rank(weight, context, kind) for each in test]
    judged = [each.reciprocal_rank(1, context, alone, alone=True) for each in test]
    names = {
        "vectors of the query": vectors,
        f"likelihood alone ({alone}, {context})": judged,
        f"both (likelihood: {kind}, {context}, weight {weight})": mixed,
    }
    rows: list[Row] = []
    for name, values in names.items():
        interval = bootstrap(values)
        row: Row = {
            "ranked by": name,
            "mrr": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "users": len(test),
        }
        rows.append(row)
    figures = _told("llm_scorer_mrr", bootstrap(mixed)) | _told("llm_scorer_alone_mrr", bootstrap(judged))
    figures |= _told("llm_scorer_vectors_mrr", bootstrap(vectors))
    figures |= _told("llm_scorer_gain_over_vectors", paired_difference(mixed, vectors))
    return rows, figures


def _told(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
