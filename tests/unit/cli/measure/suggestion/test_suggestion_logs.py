"""Logs in every form, and what of them is to be foreseen."""

import json
from pathlib import Path

import pytest

from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.measure.suggestion.cases import cases_of
from attune.services.cli.measure.suggestion.logs import Entry, read_log
from attune.services.cli.measure.suggestion.moments import moment_of, walked


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return path


def test_rows_are_read_in_json_and_tsv_alike(tmp_path: Path) -> None:
    rows = [
        {"user": "a", "ts": "970916105432", "query": "x"},
        {"user": "b", "time": "1997-09-16T10:54:31Z", "query": "y"},
    ]
    table = ["a\t970916105432\tx", "b\t874407271\ty"]
    found = read_log(written(tmp_path / "log.jsonl", *rows))
    assert found == read_log(written(tmp_path / "log.tsv", *table))
    assert [each.user for each in found] == ["b", "a"]  # by time, not as they stand


def test_ubi_events_are_queries_and_titles_of_what_was_opened(tmp_path: Path) -> None:
    query = {"action_name": "search", "user_id": "a", "message": "x", "timestamp": "2026-01-01T00:00:00Z"}
    thing = {"object": {"object_id": "1", "title": "X explained"}}
    click = {"action_name": "click", "user_id": "a", "timestamp": "2026-01-01T00:00:09Z", "event_attributes": thing}
    found = read_log(written(tmp_path / "log.jsonl", query, click))
    assert [(each.text, each.is_page) for each in found] == [("x", False), ("X explained", True)]


def test_sessions_and_statements_are_read(tmp_path: Path) -> None:
    step = {
        "query": "x",
        "start": "4.5",
        "results": [{"rank": 1, "title": "Q: X?"}],
        "clicks": [{"rank": 1, "start": "6"}],
    }
    said = {"user": "p", "ptkb": {"1": "I sail.", "2": "I live in Malta."}}
    found = read_log(written(tmp_path / "log.jsonl", {"session": "1", "iterations": [step]}, said))
    assert [each.text for each in found] == ["x", "X?", "I sail.", "I live in Malta."]


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("log.jsonl", {"ts": "970916105432", "query": "x"}, "line 1, field user: missing"),
        ("log.jsonl", {"user": "a", "query": "x"}, "line 1, field time: missing"),
        ("log.jsonl", {"user": "a", "ts": "979999999999", "query": "x"}, "line 1, field ts: '979999999999' is no time"),
        ("log.jsonl", {"user": "a", "time": "1997-09-16T10:54:31", "query": "x"}, "field time: .* has no time zone"),
        ("log.jsonl", {"user": "a", "ts": "970916105432", "query": 7}, "line 1, field query: a int"),
        ("log.jsonl", {"session": "1", "iterations": 3}, "line 1, field iterations: not a list"),
        ("log.jsonl", {"user": "a", "ptkb": ["x"]}, "line 1, field ptkb: not an object"),
        ("log.jsonl", {"action_name": "dance"}, "line 1, field action_name: is none of"),
        ("log.tsv", "a\tx", "line 1: has 2 columns"),
        ("log.tsv", "\t970916105432\tx", "line 1, field user: is empty"),
        ("log.jsonl", "prose", "line 1: not JSON"),
        ("log.jsonl", {"user": "a", "ts": "970916105432", "query": " "}, "holds no query"),
    ],
)
def test_a_wrong_line_is_told_with_its_field(tmp_path: Path, name: str, line: object, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        read_log(written(tmp_path / name, line))


def asked(user: str, *queries: str, start: float = 0, step: float = 60) -> list[Entry]:
    return [Entry(user, start + step * place, query) for place, query in enumerate(queries)]


def test_what_is_asked_again_at_once_counts_once_and_the_third_query_is_the_first_case() -> None:
    log = cases_of(asked("a", "x", "X ", "y", "y", "z", "x"), "log", 9, 0)
    judged = [case for case in log.cases if case.is_judged]
    assert [(case.earlier, case.target, case.is_new) for case in judged] == [
        (("x", "y"), "z", True),
        (("x", "y", "z"), "x", False),
    ]
    assert log.pool == ("x", "y", "z")


def test_users_of_fewer_queries_are_left_out_and_none_left_is_told() -> None:
    log = cases_of([*asked("a", "x", "y", "z"), *asked("b", "v", "w")], "log", 9, 0)
    assert (log.users, len(log.pool)) == (("a",), 3)
    with pytest.raises(CorpusError, match="no user asked three queries"):
        cases_of(asked("b", "v", "w"), "log", 9, 0)


def test_a_visit_ends_after_half_an_hour() -> None:
    entries = [*asked("a", "x"), *asked("a", "y", "z", "w", start=3600)]
    assert [case.visit for case in cases_of(entries, "log", 9, 0).cases] == [(), (), ("y",)]


def test_a_page_is_the_one_opened_since_the_query() -> None:
    opened = [Entry("a", 30, "before", is_page=True), Entry("a", 90, "since", is_page=True)]
    entries = sorted([*asked("a", "x", "y", "z"), *opened], key=lambda entry: entry.at)
    assert [case.page for case in cases_of(entries, "log", 9, 0).cases] == ["before", "since"]


def test_nothing_of_a_moment_or_after_it_is_known_in_it() -> None:
    others = [Entry(user, at, "z") for user, at in (("b", 10.0), ("c", 20.0), ("d", 120.0), ("e", 500.0))]
    entries = sorted([*asked("a", "x", "y", "z"), *others], key=lambda entry: entry.at)
    log = cases_of(entries, "log", 9, 0)
    seen = {case.target: moment_of(case, *rest).users for case, *rest in walked(log.cases, log.entries, None)}
    assert seen == {"y": {"z": 2}, "z": {"z": 2}}  # b and c; d asked at the very moment
