"""`attune eval store`: what the store learns from real users' logs, and how much of it is junk."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.junk import RULES
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import Interaction
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.catalogs import labelled_catalog
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.store_quality.logs import read_sets
from attune.services.cli.measure.store_quality.prompts import (
    JOINED,
    PromptSize,
    joined,
    prompt_rows,
    prompt_sizes,
    token_counter,
    within_bar,
)
from attune.services.cli.measure.store_quality.replay import Replayed, learned, replay
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.runtime.clock import system_clock


def store(
    *,
    users: Annotated[Path, typer.Option(help="A directory of sets: <set>/logs.jsonl or <set>/users_ptkb.jsonl.")],
    catalog: Annotated[Path, typer.Option(help="JSONL of entities with id (or qid) and label; others are left out.")],
    sample: Annotated[int, typer.Option(min=0, help="Show so many random entities of users, to be judged.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the sample, and of who is put together.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Replay real logs into a store in memory and audit it, set by set: how many texts link to any entity, how many
    entities users have, and the share of junk by the rules of `attune store audit`, over the label and what was read.

    And how long a prompt of a user's summary and top entities is, against all that the user wrote, in word pieces of
    the packaged model; also for longer histories, of users put together at random.

    The rules see no wrong meanings: read a sample (--sample 40) to know the junk that people would see.

    Example: attune eval store --users logs --catalog catalog.jsonl --sample 40
    """
    with told_plainly():
        sets = read_sets(users)
        entities = labelled_catalog(catalog)
        graph = CatalogGraph(entities)
        linker = Linker(entities, graph)
        replayed = {name: replay(events, entities, graph, linker) for name, events in sets.items() if events}
        rows = [_row(name, each) for name, each in replayed.items()]
        rows += [row for name, each in replayed.items() for row in _rule_rows(name, each)]
        prompts = _prompts(sets, replayed, LoadedCatalog(entities, graph, linker), seed)
        rows += [row for name, sizes in prompts.items() for row in prompt_rows(name, sizes)]
        rows += [row for name, each in replayed.items() for row in _sample_rows(name, each, entities, sample, seed)]
        made = make_report(rows, _summary(replayed) | _prompt_summary(prompts), system_clock())
        if out is not None:
            write(made, out, page_of("What the store learns from real users", made))
    show(made, as_json=as_json)


def _row(name: str, replayed: Replayed) -> Row:
    found = replayed.audit.as_dict()
    return {
        "set": name,
        "users": found["users"],
        "texts": replayed.events,
        "texts_linked": replayed.linked / replayed.events,
        "entities": found["entities"],
        **{f"entities_{which}": number for which, number in found["entities_per_user"].items()},
        "bytes_per_user": found["bytes_of_records_per_user"],
        "duplicates": found["duplicates"],
        "junk": found["junk_rate"],
        "junk_by_any_alias": found["junk_rate_by_any_alias"],
    }


def _rule_rows(name: str, replayed: Replayed) -> Iterator[Row]:
    for rule, holds in RULES.items():
        count = replayed.audit.by_rule[rule].total()
        examples = ", ".join(replayed.audit.examples(rule))
        yield {"set": name, "junk_when": holds, "entities": count, "most_often": examples}


def _sample_rows(name: str, replayed: Replayed, catalog: Catalog, size: int, seed: int) -> Iterator[Row]:
    for pair in replayed.sample(size, seed):
        entity = catalog[pair.entity_id]
        yield {"set": name, "sampled": entity.label, "description": entity.description, "text": pair.text}


def _summary(replayed: Mapping[str, Replayed]) -> dict[str, float]:
    """`junk_rate` is that of the set with most junk."""
    rates = {f"junk_{name}": each.audit.junk_rate for name, each in replayed.items()}
    linked = {f"texts_linked_{name}": each.linked / each.events for name, each in replayed.items()}
    return rates | linked | {"junk_rate": max(rates.values())}


def _prompts(
    sets: Mapping[str, Sequence[Interaction]], replayed: Mapping[str, Replayed], loaded: LoadedCatalog, seed: int
) -> dict[str, list[PromptSize]]:
    """Of each set, and of the same with its users put together, by the name of the row."""
    count, sizes = token_counter(), {}
    for name, each in replayed.items():
        sizes[name] = prompt_sizes(each.store, loaded.catalog, sets[name], count)
        for size in JOINED:
            events = joined(sets[name], size, seed)
            if events:
                store = learned(events, loaded.catalog, loaded.graph, loaded.linker)
                sizes[f"{name}_joined_{size}"] = prompt_sizes(store, loaded.catalog, events, count)
    return sizes


def _prompt_summary(prompts: Mapping[str, Sequence[PromptSize]]) -> dict[str, float]:
    return {f"prompt_at_most_a_quarter_{name}": within_bar(sizes) for name, sizes in prompts.items() if sizes}
