"""A system that a bench starts for itself: nothing that the user has configured is its own."""

import os
import sys
from pathlib import Path

import pytest

from attune.services.cli.measure import own_system as module
from attune.services.cli.measure.own_system import KEPT, own_system, without_settings

CONFIGURED = (
    *("ATTUNE_STORE_URL", "ATTUNE_STORE_URL_FILE", "ATTUNE_KAFKA_BOOTSTRAP_SERVERS", "ATTUNE_QDRANT_URL"),
    *("ATTUNE_LLM_BASE_URL", "ATTUNE_OTLP_ENDPOINT", "ATTUNE_TOKENS_FILE", "ATTUNE_DATA_DIR", "attune_store_url"),
)


def test_no_setting_is_left_but_those_of_the_encoder() -> None:
    given = {"PATH": "/bin", "HOME": "/root", **dict.fromkeys((*CONFIGURED, *KEPT), "theirs")}
    assert without_settings(given) == {"PATH": "/bin", "HOME": "/root", **dict.fromkeys(KEPT, "theirs")}


def test_the_system_has_the_settings_of_the_bench_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CONFIGURED:
        monkeypatch.setenv(name, "theirs")
    code = "import os; print(sorted(name for name in os.environ if name.upper().startswith('ATTUNE_')), flush=True)"
    monkeypatch.setattr(module, "_COMMAND", (sys.executable, "-c", code))
    monkeypatch.setenv("ATTUNE_THREADS", "1")
    with own_system("settings", (), {"ATTUNE_DATA_DIR": str(tmp_path)}, tmp_path / "log") as process:
        assert process.read_line() == f"{['ATTUNE_DATA_DIR', 'ATTUNE_THREADS']}\n"
    assert os.environ["ATTUNE_STORE_URL"] == "theirs"
