"""Options that several commands share."""

from typing import Annotated

import typer

from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.config import Config

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
User = Annotated[str, typer.Option("--user", "-u", help="For whom. Without it: nobody in particular.")]
Token = Annotated[str, typer.Option(envvar="ATTUNE_TOKEN", help="The bearer token, where the servers want one.")]


def connect(token: str) -> Client:
    """A client of the servers that the environment names."""
    config = Config()
    return Client(Addresses.of(config), token=token, max_message_bytes=config.max_message_bytes)
