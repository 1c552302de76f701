"""A short fault campaign; `python -m tests.faults` runs long ones."""

import json
from pathlib import Path

import pytest
from tests.fakes import kafka, postgres
from tests.faults.campaign import Length, run_campaign
from tests.faults.report import Report

ROUNDS = 3
SESSION_MS = 2000


@pytest.mark.skipif(bool(kafka.missing()), reason=kafka.missing() or "there is one")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_whatever_is_killed_the_store_is_what_one_reader_would_have(store: str, tmp_path: Path) -> None:
    if store == "postgres" and postgres.found() is None:
        pytest.skip(postgres.MISSING)
    report, told = Report(store, brokers=1, seed=3), list[str]()
    run_campaign(tmp_path, report, Length(ROUNDS), told.append, SESSION_MS)
    figures = json.loads(report.as_json())
    assert figures["differences"] == []
    assert (figures["fault_rounds"], len(told)) == (ROUNDS, ROUNDS)
    assert figures["records"] > figures["duplicates"] > 0
    assert figures["dead_letters"] > 0
