"""`attune bench system` in phases too short to mean anything: its report, and that nothing is left of it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import wait_until
from tests.e2e.material import QUERY, TEXTS
from tests.e2e.process import ATTUNE, attune, children_of, environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # it starts every role as a process of its own, some twice

PHASES = ("steady", "killed", "rolling", "rolling-plain", "unauthorised")
"""Without the soak, which takes half a minute to tell anything."""
SHORT = ("--minutes", "0.02", "--apart", "0.5", "--rate", "20", "--together", "4")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("corpus")
    lines = [json.dumps({"_id": key, "title": key, "text": text}) for key, text in TEXTS.items()]
    (directory / "corpus.jsonl").write_text("\n".join(lines))
    (directory / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": QUERY}))
    (directory / "qrels").mkdir()
    (directory / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tcsv.reader\t1\n")
    return directory


@pytest.fixture(scope="module")
def measured(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("system")
    out = directory / "system.json"
    phases = [option for phase in PHASES for option in ("--phase", phase)]
    options = (*phases, "--data", str(corpus), "--role", "suggestion", *SHORT, "--out", str(out), "--json")
    done = attune("bench", "system", *options, env=environment(directory))
    assert done.stdout, done.stderr
    return {"printed": json.loads(done.stdout), "written": json.loads(out.read_text()), "told": done.stderr}


def test_what_is_printed_is_what_is_written(measured: dict[str, Any]) -> None:
    assert measured["printed"] == measured["written"]


def test_every_phase_that_is_asked_for_has_rows(measured: dict[str, Any]) -> None:
    phases = {row["phase"] for row in measured["printed"]["rows"]}
    assert phases == set(PHASES)


def test_nothing_is_lost_and_nobody_is_answered(measured: dict[str, Any]) -> None:
    summary = measured["printed"]["summary"]
    assert summary["acknowledged_events"] > 0
    assert (summary["acknowledged_events_lost"], summary["events_counted_twice"]) == (0, 0)
    assert summary["unauthorised_calls"] > 0
    assert summary["unauthorised_rpcs_answered"] == 0
    assert summary["rolling_restart_requests"] > 0
    assert summary["rolling_restart_ended_badly"] == 0
    assert summary["rolling_restart_plain_requests"] > 0
    assert summary["rolling_restart_plain_failed_not_retryable"] == 0
    assert summary["killed_failed_not_retryable"] == 0


@pytest.fixture
def running(tmp_path: Path, corpus: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [*ATTUNE, "bench", "system", "--data", str(corpus)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_it_no_child_process_is_left(running: "subprocess.Popen[str]", number: signal.Signals) -> None:
    wait_until(lambda: len(children_of(running)) >= 2, within_s=120)  # two roles are being started
    children = children_of(running)
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "attune: stopped" in said
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
