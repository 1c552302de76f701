"""What is to be foreseen of a log, tenant by tenant."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.knowledge_store.model import UserKey
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.logs.said import Opened
from attune.services.cli.measure.suggestion.cases import Log, log_of_one, logs_of
from attune.services.cli.measure.suggestion.logs import Entries, Entry, entries_in_file, entries_of
from attune.services.cli.measure.suggestion.moments import moment_of, walked
from attune.services.suggestion.queries.asked import Asked

ADA = UserKey("acme", "ada")


def at(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def cases_of(entries: list[Entry], at_most_users: int = 9) -> Log:
    return log_of_one(logs_of(Entries("log", {"acme": entries}), at_most_users, 0), "log")


def test_entries_are_by_time_and_as_they_stand_where_that_is_the_same() -> None:
    said = [Asked(ADA, "second", at(2)), Opened(ADA, "page", at(1)), Asked(ADA, "first", at(1)), Asked(ADA, " ", at(0))]
    assert entries_of(said) == {
        "acme": [Entry("ada", 1, "page", is_page=True), Entry("ada", 1, "first"), Entry("ada", 2, "second")]
    }


def test_tenants_are_told_apart_and_one_has_to_be_named_where_there_are_several(tmp_path: Path) -> None:
    event = {"user_id": "ada", "type": "query", "occurred_at": "2026-01-01T00:00:00Z"}
    file = tmp_path / "log.jsonl"
    file.write_text(
        "\n".join(
            json.dumps(event | {"tenant_id": tenant, "user_query": f"{tenant} {place}"})
            for tenant in ("acme", "other")
            for place in range(3)
        )
    )
    both = logs_of(entries_in_file(file), 9, 0)
    assert {tenant: log.pool for tenant, log in both.items()} == {
        tenant: tuple(f"{tenant} {place}" for place in range(3)) for tenant in ("acme", "other")
    }
    with pytest.raises(CorpusError, match="queries of 2 tenants, acme, other; name one with --tenant"):
        log_of_one(both, "log")
    assert list(logs_of(entries_in_file(file, "other"), 9, 0)) == ["other"]


def test_a_log_without_queries_is_told() -> None:
    with pytest.raises(CorpusError, match="log: holds no query"):
        logs_of(Entries("log", {}), 9, 0)


def asked(user: str, *queries: str, start: float = 0, step: float = 60) -> list[Entry]:
    return [Entry(user, start + step * place, query) for place, query in enumerate(queries)]


def test_what_is_asked_again_at_once_counts_once_and_the_third_query_is_the_first_case() -> None:
    log = cases_of(asked("a", "x", "X ", "y", "y", "z", "x"))
    judged = [case for case in log.cases if case.is_judged]
    assert [(case.earlier, case.target, case.is_new) for case in judged] == [
        (("x", "y"), "z", True),
        (("x", "y", "z"), "x", False),
    ]
    assert log.pool == ("x", "y", "z")


def test_users_of_fewer_queries_are_left_out_and_none_left_is_told() -> None:
    log = cases_of([*asked("a", "x", "y", "z"), *asked("b", "v", "w")])
    assert (log.users, len(log.pool)) == (("a",), 3)
    with pytest.raises(CorpusError, match="no user asked three queries"):
        cases_of(asked("b", "v", "w"))


def test_a_visit_ends_after_half_an_hour() -> None:
    entries = [*asked("a", "x"), *asked("a", "y", "z", "w", start=3600)]
    assert [case.visit for case in cases_of(entries).cases] == [(), (), ("y",)]


def test_a_page_is_the_one_opened_since_the_query() -> None:
    opened = [Entry("a", 30, "before", is_page=True), Entry("a", 90, "since", is_page=True)]
    entries = sorted([*asked("a", "x", "y", "z"), *opened], key=lambda entry: entry.at)
    assert [case.page for case in cases_of(entries).cases] == ["before", "since"]


def test_nothing_of_a_moment_or_after_it_is_known_in_it() -> None:
    others = [Entry(user, at, "z") for user, at in (("b", 10.0), ("c", 20.0), ("d", 120.0), ("e", 500.0))]
    entries = sorted([*asked("a", "x", "y", "z"), *others], key=lambda entry: entry.at)
    log = cases_of(entries)
    seen = {case.target: moment_of(case, *rest).users for case, *rest in walked(log.cases, log.entries, None)}
    assert seen == {"y": {"z": 2}, "z": {"z": 2}}  # b and c; d asked at the very moment
