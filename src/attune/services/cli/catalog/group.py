"""The group of commands."""

import typer

from attune.services.cli.catalog.checking import check
from attune.services.cli.catalog.importing import import_
from attune.services.cli.catalog.merging import merge

catalog = typer.Typer(help="Make, check and mend a catalog of entities.", no_args_is_help=True)
catalog.command("import")(import_)
catalog.command()(check)
catalog.command()(merge)
