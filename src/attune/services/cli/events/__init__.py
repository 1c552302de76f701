"""`attune events`: interaction events into the log, and what became of the bad ones."""

import typer

from attune.services.cli.events.dead_letters import dlq
from attune.services.cli.events.replay.command import replay
from attune.services.cli.events.sending import send
from attune.services.cli.events.topics import init

events = typer.Typer(help="Interaction events.", no_args_is_help=True)
events.command()(init)
events.command()(send)
events.command()(replay)
events.add_typer(dlq, name="dlq")
