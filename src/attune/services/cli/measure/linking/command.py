"""`attune eval linking`: which entities texts name, judged by gold mentions."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.knowledge_store.capitals import has_capitals
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.linking import NIL_THRESHOLD, Linker
from attune.knowledge_store.popularity import popularity
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.linking.baselines import Baseline, baselines
from attune.services.cli.measure.linking.gold import GoldSet, read_gold, split
from attune.services.cli.measure.linking.knowledge_base import KnowledgeBase, load_knowledge_base
from attune.services.cli.measure.linking.scores import TextResult, calibrated, measure_set
from attune.services.cli.measure.linking.speed import documents_of, texts_per_second
from attune.services.cli.measure.linking.summary import BRIEF, Judged, set_row, summary
from attune.services.cli.measure.memory import resident_mib
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock

_SHORT_WORDS = 8


def linking(
    *,
    data: Annotated[Path, typer.Option(help="A directory of gold mentions, a .jsonl file for each set.")],
    catalog: Annotated[Path, typer.Option(help="The knowledge base, JSON lines: id (or qid), label, aliases, ...")],
    triples: Annotated[
        Path | None,
        typer.Option(help="Its graph: head, relation, tail; entities.jsonl beside it translates their ids."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            help="SET or SET=SHARE: the NIL threshold is calibrated there, and the set is no test. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the share of a set that is for development.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure entity linking: accuracy given the gold spans, mention F1 end to end, NIL, and texts a second on a core.

    Accuracy is that of mentions whose entity the knowledge base has, beside that of the label and of popularity alone.
    A mention is found if span and entity are right. Gains have 95% intervals by paired bootstrap over texts. Means are
    over the sets that are tests.

    Example: attune eval linking --data gold --catalog kb.jsonl --dev aida-dev=0.5 --out linking.json
    """
    with told_plainly():
        before = resident_mib(os.getpid())
        started = time.perf_counter()
        base = load_knowledge_base(catalog, triples)
        graph = CatalogGraph(base.catalog)
        linker = Linker(base.catalog, graph, nil_threshold=float("-inf"))
        loaded: Row = {
            "entities": len(base.catalog),
            "entities_without_label": base.left_out,
            "load_s": time.perf_counter() - started,
            "memory_mib": resident_mib(os.getpid()) - before,
        }
        developed, tests = _divided(read_gold(data, base.translation, catalog), dev or [], seed)
        with progress() as bar:
            tracked = bar.track([*developed, *tests], description="linking")
            measured = {id(each): _judged(each, base, linker, graph) for each in tracked}
        judged_dev, judged = ([measured[id(each)] for each in sets] for sets in (developed, tests))
        threshold = calibrated([each.results for each in judged_dev]) if judged_dev else NIL_THRESHOLD
        rows = [set_row(each, threshold, part) for part, of in (("dev", judged_dev), ("test", judged)) for each in of]
        figures = {**summary(judged, threshold), **_speeds(Linker(base.catalog, graph, nil_threshold=threshold), tests)}
        made = make_report([*rows, loaded], {**figures, "nil_threshold": threshold}, system_clock(), _remarks(base))
        if out is not None:
            write(made, out, page_of("Entity linking", made))
    show(made, as_json=as_json, brief=BRIEF)


def _remarks(base: KnowledgeBase) -> list[str]:
    return [f"catalog: {each}" for each in base.catalog.warnings]


def _divided(sets: Sequence[GoldSet], dev: Sequence[str], seed: int) -> tuple[list[GoldSet], list[GoldSet]]:
    """The sets for development, and those for tests."""
    shares = dict(_share(each, [known.name for known in sets]) for each in dev)
    parts = [(split(each, shares.get(each.name, 0.0), seed)) for each in sets]
    tests = [rest for _, rest in parts if rest.texts]
    if not tests:
        raise SettingError("--dev names all sets: no set is left for a test; leave one out")
    return [first for first, _ in parts if first.texts], tests


def _share(given: str, names: Sequence[str]) -> tuple[str, float]:
    name, equals, share = given.partition("=")
    if name not in names:
        raise SettingError(f"--dev {given!r}: no such set: name one of {', '.join(names)}")
    try:
        value = float(share) if equals else 1.0
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SettingError(f"--dev {given!r}: {share!r} is no share: write a number above 0, up to 1")
    return name, value


def _judged(gold: GoldSet, base: KnowledgeBase, linker: Linker, graph: CatalogGraph) -> Judged:
    known = {entity.id for entity in base.catalog}
    others = baselines(base.catalog, linker.candidates, popularity(base.catalog, graph))
    results = measure_set(linker, known, gold)
    return Judged(gold.name, results, {name: _right(results, choose) for name, choose in others.items()})


def _right(results: Sequence[TextResult], choose: Baseline) -> list[list[bool]]:
    return [
        each.right_if(
            [
                choose(each.gold.text[mention.start : mention.end], has_capitals(each.gold.text))
                for mention in each.gold.mentions
            ]
        )
        for each in results
    ]


def _speeds(linker: Linker, tests: Sequence[GoldSet]) -> dict[str, float]:
    """Texts of up to eight words are taken for queries; where there are none, the first eight words of every text."""
    texts = [each.text for gold in tests for each in gold.texts]
    short = [text for text in texts if len(text.split()) <= _SHORT_WORDS]
    queries = short or [" ".join(text.split()[:_SHORT_WORDS]) for text in texts]
    return {
        "linking_short_texts_per_s_per_core": texts_per_second(linker, queries),
        "linking_documents_per_s_per_core": texts_per_second(linker, documents_of(texts)),
    }
