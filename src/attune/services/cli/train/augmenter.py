"""`attune train augmenter`: what changes a query's vector by its tokens, into a model directory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeVar

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
from attune.services.cli.train.augmentable import PAIRED, check_domains
from attune.services.cli.train.installed import training_installed
from attune.services.cli.train.plan import model_directory

_T = TypeVar("_T")
_KINDS = [*(each.value for each in Augmentation if each is not Augmentation.NONE), PAIRED]
DEFAULT, NOT_BETTER, INDEX_AGAIN = "default", "not_better", "index_again"
_SENTENCES = {
    DEFAULT: "the default of",
    NOT_BETTER: "not better than plain queries, or than the default, so not the default of",
    INDEX_AGAIN: "to be indexed:",
}


@dataclass(frozen=True)
class _Texts:
    """Where passages are, and pairs of people's queries and what answers them."""

    corpora: Sequence[Path]
    pairs: Sequence[Path]
    at_most: int
    vectors: Path | None

    def read(self) -> list[Any]:
        from attune.embeddings.training.collections import Collection, check_passages  # noqa: PLC0415
        from attune.embeddings.training.pairs import read_pairs  # noqa: PLC0415

        found = [read_collection(each, self.at_most) for each in self.corpora]
        for file in self.pairs:
            pairs = _drawn(read_pairs([file]).pairs, self.at_most)
            places = {text: place for place, text in enumerate(dict.fromkeys(pair.b for pair in pairs))}
            queries = [(pair.a, {places[pair.b]: 1}) for pair in pairs]
            found.append(Collection(file.stem, list(places), queries, people_only=True))
        check_passages(found)
        return found


def augmenter(  # noqa: PLR0913 - options of a command
    *,
    model: Annotated[Path, typer.Option(help="The model directory that gets it; made if there is none.")],
    corpus: Annotated[
        list[Path], typer.Option(help="Documents, in BEIR layout or JSONL; may be repeated. Best those of the index.")
    ],
    pairs: Annotated[
        list[Path] | None,
        typer.Option(help='What people asked and what answers it, {"a": ..., "b": ...} a line; may be repeated.'),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="The domain whose queries it is for; may be repeated. Default: general.")
    ] = None,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(_KINDS)}.")] = Augmentation.PROBES,
    strength: Annotated[float, typer.Option(min=0, help="How far probes move a query.")] = 0.3,
    steps: Annotated[int, typer.Option(min=0, help="Optimizer steps; 0: as many as suit the kind.")] = 0,
    queries: Annotated[int, typer.Option(min=64, help="Made of each corpus, to learn from.")] = 3000,
    at_most: Annotated[int, typer.Option(min=0, help="So many documents of each corpus, drawn at random; 0: all.")] = 0,
    vectors: Annotated[
        Path | None, typer.Option(help="Keep vectors in this file, and do not compute again what it has.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one makes other queries of the documents.")] = 0,
    backbone: Annotated[
        Path | None, typer.Option(help="What a new --model is made of. Default: the packaged all-MiniLM-L6-v2.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an augmenter of queries for a domain: passages' vectors, and so the index, stay as they are.

    Probes are computed, from the documents alone: best from those of the very index, and again when many are new. A
    gate (statistical, learned or contextual) is trained on queries made of the documents; so is a tower, which is
    layers for queries, with probes. It becomes the domain's default if made queries that it has not seen gain, and
    people's, where the corpus has some, do not lose. Kind paired changes passages too: it makes an expert of words for
    a new domain, whose documents are to be indexed again.

    Example: attune train augmenter --model models/mine --domain law --corpus corpora/law
    """
    with told_plainly(), training_installed():
        options = {"kind": _kind(kind), "strength": strength, "steps": steps, "queries": queries, "seed": seed}
        found = _train(model, backbone, domain or [GENERAL], _Texts(corpus, pairs or [], at_most, vectors), options)
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    for each in found:
        _show(each)


def _kind(given: str) -> str:
    if given not in _KINDS:
        raise SettingError(f"kind {given!r} is unknown: use one of {', '.join(_KINDS)}")
    return given


def _train(
    model: Path, backbone: Path | None, domains: Sequence[str], texts: _Texts, options: dict[str, Any]
) -> list[dict[str, Any]]:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which takes seconds
    from attune.embeddings.stored_vectors import StoredVectors  # noqa: PLC0415
    from attune.embeddings.training.augmenters import AugmenterRecipe  # noqa: PLC0415
    from attune.embeddings.training.collections import read_sources  # noqa: PLC0415
    from attune.embeddings.training.making import make_and_save, make_pair  # noqa: PLC0415
    from attune.embeddings.training.pairs import digest  # noqa: PLC0415

    paired = options["kind"] == PAIRED
    check_domains(domains, options["kind"], model, backbone)
    collections = texts.read()
    stored = StoredVectors(texts.vectors)
    directory = model_directory(model, backbone)
    embedder = Embedder.load(str(directory))
    recipe = AugmenterRecipe(**options | {"kind": Augmentation.PROBES if paired else Augmentation(options["kind"])})
    facts = {
        "corpora": {each.name: len(each.passages) for each in collections},
        "texts_sha256": digest(text for each in collections for text in each.passages),
        **{name: value for name, value in options.items() if name != "kind"},
    }
    with _bar() as tell:
        try:
            if paired:
                sources = read_sources(embedder, GENERAL, collections, stored, tell)
                return [_told(directory, make_pair(directory, embedder, domains[0], sources, recipe, facts, tell))]
            found = []
            for domain in domains:
                sources = read_sources(embedder, domain, collections, stored, tell)
                found.append(_told(directory, make_and_save(directory, embedder, domain, sources, recipe, facts, tell)))
            return found
        finally:
            stored.save()


def _told(directory: Path, made: Any) -> dict[str, Any]:
    outcome = INDEX_AGAIN if made.kind == PAIRED else DEFAULT if made.default else NOT_BETTER
    return {
        "kind": made.kind,
        "domain": made.domain,
        "outcome": outcome,
        "message": f"{_SENTENCES[outcome]} {made.domain}, in {directory}",
        "version": made.version,
        "memory_bytes": made.memory_bytes,
        "metrics": dict(made.metrics),
    }


def read_collection(directory: Path, at_most: int) -> Any:
    """A corpus' passages, and its judged queries; of `at_most` passages (0: all), drawn at random, only the former."""
    from attune.embeddings.training.collections import Collection  # noqa: PLC0415
    from attune.embeddings.training.passages import Passage  # noqa: PLC0415

    documents = read_documents(directory, "")
    passages = {each.id: text for each in documents if (text := Passage(each.title, each.text).whole)}
    name = documents[0].domain if documents else directory.name
    if 0 < at_most < len(passages):
        return Collection(name, _drawn(list(passages.values()), at_most))
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


def _drawn(items: list[_T], at_most: int) -> list[_T]:
    """Always the same ones, whatever is made of them."""
    return Random(0).sample(items, at_most) if 0 < at_most < len(items) else items  # noqa: S311 - no secret


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
    console.print(f"{found['kind']}: {found['message']}", markup=False)
    for name, value in found["metrics"].items():
        if not name.startswith("plain_"):
            console.print(f"  {name}: nDCG@10 {found['metrics'][f'plain_{name}']:.4f} -> {value:.4f}", markup=False)
