"""`attune store audit`: what is in a store, and how much of it is junk."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from attune.knowledge_store.audit import audit as audit_store
from attune.knowledge_store.catalog import Catalog
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.stores import open_existing_store


def audit(
    catalog: Annotated[Path | None, typer.Option(help="JSONL of entities. Default: the services' own.")] = None,
    as_json: Json = False,
) -> None:
    """Count what the store keeps, and what of it is junk by rules. Users' names are not shown.

    Junk is an entity of a user that the catalog does not have (orphaned); whose label is one common English word, stop
    words alone, one or two characters, or a number or a date alone; or that was seen once with a weight under 0.1
    (faint). Texts are not kept, so the alias that was found is unknown: the rate by any alias is what junk could be at
    most. Duplicates are entities of one user with one label.

    Example: attune store audit --json
    """
    with told_plainly():
        config = Config()
        entities = Catalog.load(catalog or config.catalog)
        with closing(open_existing_store(config)) as opened:
            found = audit_store(opened, entities, system_clock())
    if as_json:
        print_json(found.as_dict())
    else:
        show_audit(found.as_dict())


def show_audit(found: dict[str, Any], title: str = "") -> None:
    """The figures in one table, the rules in another."""
    figures = Table("figure", "value", title=title or None)
    for name, value in found.items():
        if name != "rules":
            figures.add_row(name.replace("_", " "), _shown(value))
    rules = Table("junk: an entity is counted when", "entities", "most often")
    for each in found["rules"].values():
        rules.add_row(each["holds"], str(each["count"]), escape(", ".join(each["examples"])))
    console.print(figures, rules)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if value is None:
        return "not on disk"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
