"""`attune queries`: the queries of many users."""

import typer

from attune.services.cli.queries.counting import count

queries = typer.Typer(help="What many users asked, for suggestions and completions.", no_args_is_help=True)
queries.command()(count)
