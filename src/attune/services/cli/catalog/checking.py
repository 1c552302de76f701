"""`attune catalog check`: what is wrong or doubtful in a catalog."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from attune.knowledge_store.check import CatalogCheck, Finding, check_catalog
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json


def check(
    file: Annotated[Path, typer.Argument(help="A JSONL file of entities.")],
    top: Annotated[int, typer.Option(min=0, help="So many of the most ambiguous names.")] = 10,
    as_json: Json = False,
) -> None:
    """Count, and look for what a service would not start with (then exit status 1) and for what may be a mistake.

    Example: attune catalog check catalog.jsonl --json
    """
    with told_plainly():
        found = check_catalog(file, top)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if found.errors.count:
        raise typer.Exit(1)


def _show(found: CatalogCheck) -> None:
    console.print(
        f"entities {found.entities}, aliases {found.aliases}, links {found.links}, merges {found.merges}", markup=False
    )
    console.print(f"version {found.version or 'none: a service would not load it'}", markup=False)
    if found.errors.count:
        _show_finding("errors", found.errors, "red")
    for name, finding in found.warnings.items():
        _show_finding(name, finding, "yellow")
    if found.ambiguous:
        table = Table("name", "entities", title="most ambiguous", title_justify="left")
        for name, entities in found.ambiguous.items():
            table.add_row(escape(name), str(entities))
        console.print(table)


def _show_finding(name: str, finding: Finding, style: str) -> None:
    console.print(f"{name}: {finding.count}", style=style, markup=False)
    for example in finding.examples:
        console.print(f"  {example}", markup=False, highlight=False)
