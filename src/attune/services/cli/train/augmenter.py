"""`attune train augmenter`: what changes a query's vector by its tokens, into a model directory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TaskID

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import SettingError
from attune.embeddings.router import GENERAL
from attune.services.cli.corpora.beir import read_qrels, read_queries
from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import read_documents
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress
from attune.services.cli.train.installed import training_installed
from attune.services.cli.train.plan import model_directory

_KINDS = [each for each in Augmentation if each not in (Augmentation.NONE, Augmentation.TOWER)]


def augmenter(  # noqa: PLR0913 - options of a command
    *,
    model: Annotated[Path, typer.Option(help="The model directory that gets it; made if there is none.")],
    corpus: Annotated[
        list[Path], typer.Option(help="Documents, in BEIR layout or JSONL; may be repeated. Best those of the index.")
    ],
    domain: Annotated[
        list[str] | None, typer.Option(help="The domain whose queries it is for; may be repeated. Default: general.")
    ] = None,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(_KINDS)}.")] = Augmentation.PROBES,
    strength: Annotated[float, typer.Option(min=0, help="How far probes move a query.")] = 0.3,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps of a gate.")] = 200,
    queries: Annotated[int, typer.Option(min=64, help="Made of each corpus, for a gate to learn from.")] = 3000,
    at_most: Annotated[int, typer.Option(min=0, help="So many documents of each corpus, drawn at random; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Another one makes other queries of the documents.")] = 0,
    backbone: Annotated[
        Path | None, typer.Option(help="What a new --model is made of. Default: the packaged all-MiniLM-L6-v2.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an augmenter of queries for a domain: passages' vectors, and so the index, stay as they are.

    Probes are computed, from the documents alone: best from those of the very index, and again when many are new. A
    gate (statistical, learned or contextual) is trained on queries made of the documents. It becomes the domain's
    default if made queries that it has not seen gain, and people's, where the corpus has some, do not lose.

    Example: attune train augmenter --model models/mine --domain law --corpus corpora/law
    """
    with told_plainly(), training_installed():
        found = _train(
            model_directory(model, backbone),
            domain or [GENERAL],
            corpus,
            {
                "kind": _kind(kind),
                "strength": strength,
                "steps": steps,
                "queries": queries,
                "seed": seed,
            },
            at_most,
        )
    print_json(found) if as_json else _show(found)


def _kind(given: str) -> Augmentation:
    if given not in _KINDS:
        raise SettingError(f"kind {given!r} is unknown: use one of {', '.join(_KINDS)}")
    return Augmentation(given)


def _train(
    directory: Path, domains: Sequence[str], corpora: Sequence[Path], options: dict[str, Any], at_most: int
) -> dict[str, Any]:
    from attune.embeddings.augmentation.files import save_augmenter  # noqa: PLC0415 - torch, which takes seconds
    from attune.embeddings.augmentation.manifest import AugmenterEntry  # noqa: PLC0415
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415
    from attune.embeddings.training.augmenters import (  # noqa: PLC0415
        AugmenterRecipe,
        is_better,
        judge_augmenter,
        make_augmenter,
    )
    from attune.embeddings.training.collections import read_sources  # noqa: PLC0415
    from attune.embeddings.training.pairs import digest  # noqa: PLC0415

    collections = [read_collection(each, at_most, options["seed"]) for each in corpora]
    embedder = Embedder.load(str(directory))
    recipe = AugmenterRecipe(**options)
    with _bar() as tell:
        sources = read_sources(embedder, domains, collections, tell)
        made = make_augmenter(embedder, sources, recipe, tell)
        figures = judge_augmenter(made, sources, tell)
    facts = {
        "corpora": {each.name: len(each.passages) for each in collections},
        "texts_sha256": digest(text for each in collections for text in each.passages),
        **{name: value for name, value in options.items() if name != "kind"},
    }
    entry = AugmenterEntry(
        kind=recipe.kind,
        domains={name: embedder.domains.route(name).version for name in domains},
        default=is_better(figures),
        training=facts,
        metrics=figures,
    )
    saved = save_augmenter(directory, made, entry)
    outcome = "the default of" if saved.default else "not better than plain queries, so not the default of"
    return {
        "kind": saved.kind.value,
        "outcome": f"{outcome} {', '.join(domains)}, in {directory}",
        "version": saved.version,
        "memory_bytes": made.nbytes,
        "metrics": figures,
    }


def read_collection(directory: Path, at_most: int, seed: int) -> Any:
    """A corpus' passages, and its judged queries; of `at_most` passages (0: all), drawn at random, only the former."""
    from random import Random  # noqa: PLC0415

    from attune.embeddings.training.collections import Collection  # noqa: PLC0415
    from attune.embeddings.training.passages import Passage  # noqa: PLC0415

    documents = read_documents(directory, "")
    passages = {each.id: text for each in documents if (text := Passage(each.title, each.text).whole)}
    name = documents[0].domain if documents else directory.name
    if 0 < at_most < len(passages):
        drawn = Random(seed).sample(list(passages.values()), at_most)  # noqa: S311 - no secret
        return Collection(name, drawn)
    places = {id_: place for place, id_ in enumerate(passages)}
    qrels = read_qrels(directory) if directory.is_dir() else {}
    asked = read_queries(directory) if qrels else []
    queries = [
        (query.text, {places[id_]: grade for id_, grade in qrels[query.id].items() if id_ in places})
        for query in asked
        if query.id in qrels
    ]
    judged = [(text, grades) for text, grades in queries if any(grade > 0 for grade in grades.values())]
    return Collection(name, list(passages.values()), judged)


@contextmanager
def _bar() -> Iterator[Any]:
    with progress() as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            stage = what.partition(",")[0]
            if stage not in tasks:
                tasks[stage] = bar.add_task(what, total=total)
            bar.update(tasks[stage], completed=done, total=total, description=what)

        yield tell


def _show(found: dict[str, Any]) -> None:
    console.print(f"{found['kind']}: {found['outcome']}", markup=False)
    for name, value in found["metrics"].items():
        if not name.startswith("plain_"):
            console.print(f"  {name}: nDCG@10 {found['metrics'][f'plain_{name}']:.4f} -> {value:.4f}", markup=False)
