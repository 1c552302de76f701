"""What `attune catalog import` can be told."""

from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.catalog.sources import Format

Source = Annotated[Format, typer.Option("--from", help="What the input is.")]
Input = Annotated[Path, typer.Option("--input", help="A file; .gz and .bz2 are unpacked on the way.")]
Out = Annotated[Path, typer.Option(help="The catalog. It is replaced when the new one is whole; its merges stay.")]
Languages = Annotated[
    list[str] | None,
    typer.Option(help="wikidata, RDF: of names and descriptions, the most wanted first; repeatable. Default: en."),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        help="wikidata: instances and subclasses of this, and of its subclasses as the dump's own P279 statements"
        " tell them; a dump without the classes tells none. The dump is read twice. Repeatable.",
    ),
]
NoSubclasses = Annotated[
    bool,
    typer.Option("--no-subclasses", help="wikidata: only the classes named by --class; the dump is read once."),
]
Ids = Annotated[Path | None, typer.Option(help="wikidata: a file with the ids of the wanted items.")]
MinSitelinks = Annotated[int, typer.Option(min=0, help="wikidata: pages that an item has at least.")]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property", help="wikidata, RDF: ID=NAME or IRI=NAME of a property that becomes a link. Default: all."
    ),
]
Id = Annotated[str, typer.Option("--id", help="products: the column of the id.")]
Label = Annotated[str, typer.Option(help="products: the column of the name.")]
Aliases = Annotated[list[str] | None, typer.Option(help="products: a column of other names; repeatable.")]
Description = Annotated[str, typer.Option(help="products: the column of the description.")]
Links = Annotated[
    list[str] | None,
    typer.Option(help="products: COLUMN=RELATION; each value becomes an entity that products link to."),
]
Separator = Annotated[str, typer.Option(help="products: what stands between several values of a cell.")]
Strict = Annotated[bool, typer.Option("--strict", help="End at the first bad line. Default: count them.")]
DropMerges = Annotated[
    bool,
    typer.Option(
        "--drop-merges", help="Drop merges into entities that the new catalog lacks. Default: nothing is imported."
    ),
]
