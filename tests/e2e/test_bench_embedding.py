"""`attune bench embedding` on the real service, ours alone, in slices too short to mean anything."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import wait_until
from tests.e2e.process import ATTUNE, attune, children_of, environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # it measures eight things, each behind a server of its own

SHORT = ("--loads", "q8", "--concurrency", "1,4", "--seconds", "0.2", "--rounds", "1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("bench")
    out = directory / "made" / "embedding.json"
    options = ("--overload", "--overload-seconds", "0.5", "--out", str(out), "--json")
    done = attune("bench", "embedding", *SHORT, *options, env=environment(directory))
    assert done.returncode == 0, done.stderr
    return {
        "printed": json.loads(done.stdout),
        "written": json.loads(out.read_text()),
        "page": out.with_suffix(".md").read_text(),
    }


def test_what_is_printed_is_what_is_written(measured: dict[str, Any]) -> None:
    assert measured["printed"] == measured["written"]
    assert set(measured["printed"]) == {"command", "commit", "machine", "date", "rows", "summary"}
    assert "Python" in measured["printed"]["machine"]
    assert measured["printed"]["machine"].split("; ")[1].startswith(("fp32", "bf16", "int8"))


def test_every_section_has_a_row(measured: dict[str, Any]) -> None:
    sections = [row["section"] for row in measured["printed"]["rows"]]
    expected = {"closed_loop": 2, "open_loop": 1, "batch32": 2, "in_process": 1, "quality": 1, "overload": 1}
    assert {name: sections.count(name) for name in expected} == expected
    assert all(f"## {title}" in measured["page"] for title in ("Summary", "Closed loop", "Four times the peak"))


def test_the_numbers_are_of_this_world(measured: dict[str, Any]) -> None:
    rows = {row["section"]: row for row in measured["printed"]["rows"]}
    assert rows["closed_loop"]["texts_per_s"] > 0
    assert rows["closed_loop"]["p50_ms"] <= rows["closed_loop"]["p99_ms"]
    assert rows["quality"]["cosine_min"] > 0.99
    assert rows["overload"]["resident_max_mib"] > 100
    assert rows["overload"]["failed"] == 0


def test_the_summary_has_what_ours_alone_can_have(measured: dict[str, Any]) -> None:
    assert {
        "ceiling_fraction_q8",
        "service_share_batch32",
        "goodput_share_at_4x",
        "refusal_p99_ms",
    } <= set(measured["printed"]["summary"])


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [*ATTUNE, "bench", "embedding", "--loads", "q8", "--seconds", "30"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_ctrl_c_leaves_no_child_process(running: "subprocess.Popen[str]") -> None:
    wait_until(lambda: bool(children_of(running)), within_s=120)  # the server's process is there
    children = children_of(running)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "attune: stopped" in said
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--loads", "q9"), "--loads q9: use names from q8, p128, zipf"),
        (("--concurrency", "0"), "--concurrency 0: use whole numbers from 1 up"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(options: tuple[str, ...], said: str) -> None:
    done = attune("bench", "embedding", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
