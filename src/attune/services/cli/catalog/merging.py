"""`attune catalog merge`: two entities that are one, and back."""

from pathlib import Path
from typing import Annotated

import typer

from attune.knowledge_store.catalog_editing import add_merge, remove_merge
from attune.knowledge_store.redirects import Merge
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json


def merge(
    file: Annotated[Path, typer.Argument(help="The catalog.")],
    merged: Annotated[str, typer.Option("--from", help="The id that is given up; it will lead to the other entity.")],
    into: Annotated[str, typer.Option(help="The id that stays; it gets the names and links.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take this merge back: all is as it was before.")] = False,
    as_json: Json = False,
) -> None:
    """Record that two entities are one. The lines of entities stay as they are, so it can be undone.

    A running service takes the change by itself. Nothing in its store is rewritten.

    Example: attune catalog merge catalog.jsonl --from Q28865-old --into Q28865
    """
    record = Merge(merged, into)
    with told_plainly():
        if undo:
            remove_merge(file, record)
            resolves_to = merged
        else:
            resolves_to = add_merge(file, record)
    if as_json:
        print_json({"merged": merged, "into": into, "undone": undo, "resolves_to": resolves_to})
    elif undo:
        console.print(f"{merged} is an entity of its own again", markup=False)
    else:
        console.print(f"{merged} is {resolves_to} now", markup=False)
