"""Suggestions by a real, small language model behind a real server, where `make demo-llm` has installed them."""

import os
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in, record_visibly
from tests.e2e.material import documents, reading

from attune.services.cli.background import running_system
from attune.services.cli.demo.llama_server import MODEL, STYLE, llama_server
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.suggestion.v1 import suggestion_pb2 as pb

PYTHON = Path(os.environ.get("ATTUNE_TEST_LLM_PYTHON", Path(__file__).parents[2] / ".venv-llm/bin/python"))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PYTHON.exists(), reason="no language model here: `make demo-llm` installs one"),
]


def test_a_real_model_writes_suggestions_that_know_the_user(tmp_path: Path) -> None:
    with llama_server(PYTHON, tmp_path) as url:
        config = config_in(
            tmp_path / "data", llm_base_url=url, llm_model=MODEL, llm_prompt_style=STYLE, llm_timeout_s=100
        )
        with (
            running_system(config, system_clock) as system,
            Client(Addresses.of(system.config), timeout_s=110) as client,
        ):
            client.index(documents())
            record_visibly(client, reading("ada", *["multiprocessing.Pool"] * 4))
            answer = client.suggest("run several tasks at once", user="ada", limit=3)
    assert answer.path == pb.SUGGESTION_PATH_LLM, answer.fallback_reason
    assert answer.suggestions[0].path == pb.SUGGESTION_PATH_LLM
    assert answer.usage.model == MODEL
    assert answer.usage.completion_tokens > 0
