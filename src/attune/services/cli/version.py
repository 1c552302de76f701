"""`attune --version`."""

from importlib.metadata import version
from typing import Annotated

import typer


def _show(asked: bool) -> None:
    if asked:
        print(f"attune {version('attune')}")  # noqa: T201 - the command's answer
        raise typer.Exit


def attune(
    *,
    show: Annotated[
        bool, typer.Option("--version", callback=_show, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A personalized search backend: embedding, knowledge, suggestion and search over one event log."""
