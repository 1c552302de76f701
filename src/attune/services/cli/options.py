"""Options that several commands share."""

from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.services.client import Client
from attune.services.client.augmentations import augmentation_number
from attune.services.client.channels import Addresses, Tls
from attune.services.runtime.config import Config

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
User = Annotated[str, typer.Option("--user", "-u", help="For whom. Without it: nobody in particular.")]
Token = Annotated[str, typer.Option(envvar="ATTUNE_TOKEN", help="The bearer token, where the servers want one.")]


def connect(token: str) -> Client:
    """A client of the servers that the environment names."""
    config = Config()
    return Client(
        Addresses.of(config),
        token=token or config.token.get_secret_value(),
        tls=Tls.of(config),
        allow_plaintext=config.allow_plaintext,
        max_message_bytes=config.max_message_bytes,
    )


def known_augmentation(name: str) -> str:
    """The name, as it is. Raises `SettingError` for one that is none."""
    try:
        augmentation_number(name)
    except ValueError as error:
        raise SettingError(f"--augmentation: {error}") from error
    return name
