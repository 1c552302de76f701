"""A suggestion role with settings of its own, over the other roles of a system that runs already."""

from collections.abc import Iterator
from contextlib import contextmanager

from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

OTHERS = (RoleName.EMBEDDING, RoleName.KNOWLEDGE, RoleName.SEARCH)
AWAY = "127.0.0.1:9"
"""Where nobody listens."""


@contextmanager
def suggestion_role(system: System, **settings: object) -> Iterator[System]:
    """The role, up inside the `with` block; `search_address=...` and its like put another server in a role's place."""
    addresses = {f"{role}_address": system.config.address(role) for role in OTHERS}
    own = {"suggestion_address": "", "suggestion_port": 0, "metrics_port": 0}
    config = system.config.model_copy(update={**addresses, **own, **settings})
    with running_system(config, system_clock, roles=[RoleName.SUGGESTION]) as running:
        yield running


@contextmanager
def client_of(system: System, timeout_s: float = 60) -> Iterator[Client]:
    """A client of a system, patient with busy machines."""
    with Client(Addresses.of(system.config), timeout_s=timeout_s) as client:
        yield client
