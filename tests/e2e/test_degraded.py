"""What still works when a service that another needs is gone."""

from pathlib import Path

import pytest
from tests.e2e.conftest import config_in
from tests.e2e.material import QUERY, documents

from attune.services.cli.background import running_system
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e


def test_search_goes_on_plainly_without_the_knowledge_service(tmp_path: Path) -> None:
    config = config_in(tmp_path / "files")
    with running_system(config, system_clock) as system, Client(Addresses.of(system.config), timeout_s=30) as client:
        client.index(documents())
        plain = [hit.document.document_id for hit in client.search(QUERY).hits]
    alone = config.model_copy(update={"knowledge_address": "127.0.0.1:9"})
    roles = [RoleName.EMBEDDING, RoleName.SEARCH]
    with running_system(alone, system_clock, roles=roles) as system, Client(Addresses.of(system.config)) as client:
        answer = client.search(QUERY, user="ada")
        deleted = client.delete(["asyncio.timeout"])
    assert [hit.document.document_id for hit in answer.hits] == plain
    assert answer.personalization.reason.startswith("the knowledge service is unavailable")
    assert deleted == 1
