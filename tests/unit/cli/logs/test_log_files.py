"""The one reader of files of what users did: every form, every time, and each wrong line told or left out."""

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.knowledge_store.model import UserKey
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.logs.reading import AskedInFile, LogFile
from attune.services.cli.logs.said import Opened
from attune.services.cli.logs.times import moment
from attune.services.suggestion.queries.asked import Asked

ADA = UserKey("acme", "ada")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVENT = {"user_id": "ada", "occurred_at": "2026-01-31T12:00:00Z"}
ROW = {"user": "ada", "ts": "260131120000"}


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return path


def read(path: Path, *lines: object) -> list[Asked | Opened]:
    return list(LogFile(written(path, *lines), "acme"))


@pytest.mark.parametrize(
    "time",
    [
        "260131120000",
        260131120000,
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31T12:00:00",
        " 2026-01-31 12:00 ",
        1769860800,
        1769860800.0,
        "1769860800",
        "1769860800.0",
    ],
)
def test_a_time_may_be_written_in_any_of_these_ways(tmp_path: Path, time: object) -> None:
    assert read(tmp_path / "log.jsonl", {"user": "ada", "time": time, "query": "x"}) == [Asked(ADA, "x", NOON)]


@given(st.integers(0, 253_370_764_800), st.integers(-23, 23))
def test_a_time_with_a_zone_is_the_moment_that_it_says(seconds: int, hours: int) -> None:
    zoned = datetime.fromtimestamp(seconds, timezone(timedelta(hours=hours)))
    assert moment(zoned.isoformat()) == zoned


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_whatever_stands_for_a_time_is_a_moment_in_utc_or_refused_with_what_to_write(given: object) -> None:
    refused = r"^is no time; write YYMMDDhhmmss"
    try:
        found = moment(given)
    except ValueError:
        with pytest.raises(ValueError, match=refused):
            moment(given)
    else:
        assert found.utcoffset() == timedelta(0)


def test_rows_are_read_in_json_and_in_columns_alike(tmp_path: Path) -> None:
    found = [Asked(ADA, "a  b", NOON), Asked(UserKey("acme", "bo"), "", NOON)]
    assert read(tmp_path / "log.jsonl", ROW | {"query": "a  b"}, "", ROW | {"user": "bo", "query": ""}) == found
    columns = ["ada\t260131120000\ta  b", " ", "bo\t1769860800\t"]
    for name in ("log.tsv", "log.txt"):
        assert read(tmp_path / name, *columns) == found
    (tmp_path / "log.tsv.gz").write_bytes(gzip.compress((tmp_path / "log.tsv").read_bytes()))
    assert list(LogFile(tmp_path / "log.tsv.gz", "acme")) == found
    assert list(AskedInFile(tmp_path / "log.tsv", "acme")) == found[:1]  # what is blank was not asked


def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_a_row(tmp_path: Path) -> None:
    (tmp_path / "log.tsv").write_bytes(b"\xef\xbb\xbfada\t260131120000\tx\r\n")
    (tmp_path / "log.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW | {"query": "x"}).encode() + b"\r\n")
    assert [list(LogFile(tmp_path / f"log.{end}", "acme")) for end in ("tsv", "jsonl")] == [[Asked(ADA, "x", NOON)]] * 2


def test_a_row_may_name_its_session_and_have_a_type_of_its_own(tmp_path: Path) -> None:
    row = ROW | {"query": "x", "session": "s", "type": "web"}
    assert read(tmp_path / "log.jsonl", row) == [Asked(ADA, "x", NOON, "s")]
    assert read(tmp_path / "log.jsonl", row | {"session": None}) == [Asked(ADA, "x", NOON)]


def test_events_of_either_schema_are_queries_and_titles_of_what_was_opened(tmp_path: Path) -> None:
    found = read(
        tmp_path / "log.jsonl",
        EVENT | {"type": "query", "user_query": "x", "session_id": "s"},
        EVENT | {"type": "EVENT_TYPE_CLICK", "object_id": "1", "attributes": {"title": "X explained"}},
        EVENT | {"type": "impression", "object_id": "1", "attributes": {"title": "not opened"}},
        EVENT | {"type": "view", "object_id": "without a title"},
        EVENT | {"type": "suggestion_shown"},
        {"action_name": "search", "user_id": "ada", "message": "y", "timestamp": "2026-01-31T12:00:00Z"},
    )
    assert found == [Asked(ADA, "x", NOON, "s"), Opened(ADA, "X explained", NOON), Asked(ADA, "y", NOON)]


def test_an_event_that_names_its_tenant_is_of_that_one(tmp_path: Path) -> None:
    event = EVENT | {"type": "query", "user_query": "x", "tenant_id": "other"}
    assert [each.user.tenant for each in read(tmp_path / "log.jsonl", event)] == ["other"]


def test_all_events_of_a_file_are_read_where_it_has_nothing_else(tmp_path: Path) -> None:
    file = written(tmp_path / "log.jsonl", EVENT | {"type": "suggestion_shown"}, EVENT | {"type": "dwell"})
    events = LogFile(file, "acme", skip_invalid=True)
    assert [(each.tenant_id, each.event_id) for each in events.events()] == [("acme", "line 1")]
    assert events.skipped == 1  # no dwell_ms


def test_sessions_are_queries_and_what_was_clicked(tmp_path: Path) -> None:
    results = [{"rank": 1, "title": "Q: X?"}, {"rank": 2, "title": "Y"}, {"rank": 3}, "no result"]
    clicks = [{"rank": 1, "start": "3"}, {"rank": 3, "start": "5"}, {"rank": 9}, "no click"]
    steps = [{"query": "x", "start": "4.5", "results": results, "clicks": clicks}, {"start": 60}]
    ada = UserKey("acme", "1")
    assert read(tmp_path / "log.jsonl", {"session": "1", "iterations": steps}) == [
        Asked(ada, "x", datetime.fromtimestamp(4.5, UTC)),
        Opened(ada, "X?", datetime.fromtimestamp(4.5, UTC)),  # never before its query
        Asked(ada, "", datetime.fromtimestamp(60, UTC)),
    ]


def test_statements_are_a_minute_apart_in_each_reading(tmp_path: Path) -> None:
    file = LogFile(written(tmp_path / "log.jsonl", {"user": "ada", "ptkb": {"1": "I sail.", "2": "I knit."}}), "acme")
    begin = datetime(2023, 1, 1, tzinfo=UTC)
    expected = [Asked(ADA, "I sail.", begin), Asked(ADA, "I knit.", begin + timedelta(minutes=1))]
    assert list(file) == list(file) == expected


WRONG = [
    ({"ts": "970916105432", "query": "x"}, "field user: is missing"),
    ({"user": " ", "ts": "970916105432", "query": "x"}, "field user: is empty; say who asked"),
    ({"user": 7, "ts": "970916105432", "query": "x"}, "field user: is a int, and no string"),
    ({"user": "u\udc00", "ts": "970916105432", "query": "x"}, "field user: has half a character"),
    ({"user": "a", "query": "x"}, "field time: is missing; write YYMMDDhhmmss"),
    ({"user": "a", "ts": None, "query": "x"}, "field ts: is missing"),
    ({"user": "a", "ts": "979999999999", "query": "x"}, "field ts: is no time; write YYMMDDhhmmss"),
    ({"user": "a", "ts": True, "query": "x"}, "field ts: is no time"),
    ({"user": "a", "ts": 1e300, "query": "x"}, "field ts: is no time"),
    ({"user": "a", "ts": "9" * 400, "query": "x"}, "field ts: is no time"),
    ({"user": "a", "time": "0001-01-01T00:00:00+14:00", "query": "x"}, "field time: is no time"),
    ({"user": "a", "ts": "970916105432"}, "field query: is missing"),
    ({"user": "a", "ts": "970916105432", "query": 7}, "field query: is a int"),
    ({"user": "a", "ts": "970916105432", "query": "a \ud83d"}, "field query: has half a character"),
    ({"user": "a", "ts": "970916105432", "query": "x", "session": "\ud800"}, "field session: has half a character"),
    ({"user": "a", "ts": "970916105432", "query": "x" * (5 << 20)}, "is longer than 4194304 bytes"),
    ({"session": "1", "iterations": 3}, "field iterations: is no list of objects"),
    ({"session": "1", "iterations": [{"query": "x"}]}, r"field iterations\[0\].start: is missing"),
    ({"session": "", "iterations": []}, "field session: is empty"),
    ({"user": "a", "ptkb": ["x"]}, "field ptkb: is no object of strings"),
    ({"user": "a", "ptkb": {"1": 2}}, "field ptkb.1: is a int"),
    ({"action_name": "dance"}, "action_name: is none of"),
    ({"type": "dance"}, "type: is no kind of event"),
    ({"type": "query", "user_id": "u"}, "field user_query: .* is required|field occurred_at: value is required"),
    ({"type": "query", "user_id": "u", "user_query": "x"}, "field occurred_at: value is required"),
    (EVENT | {"type": "query", "user_query": "x", "user_id": "a/b"}, "field user_id"),
    ({"action_name": "query", "user_id": "u", "message": "x", "timestamp": 10**18}, "timestamp: is neither"),
    ("prose", "is not a JSON object in UTF-8"),
    ("[]", "is not a JSON object in UTF-8"),
    ('{"user": NaN}', "is not a JSON object in UTF-8"),
    ("[" * 100_000, "is not a JSON object in UTF-8"),
]


@pytest.mark.parametrize(("line", "trouble"), WRONG)
def test_a_wrong_line_is_told_with_its_field_or_left_out(tmp_path: Path, line: object, trouble: str) -> None:
    file = written(tmp_path / "log.jsonl", ROW | {"query": "x"}, line, ROW | {"query": "y"})
    with pytest.raises(CorpusError, match=f"log.jsonl, line 2(, |: )({trouble}).*; mend that line$"):
        list(LogFile(file))
    with pytest.raises(CorpusError, match=r"or leave out such lines with --skip-invalid$"):
        list(LogFile(file, skip_invalid=False))
    lenient = LogFile(file, skip_invalid=True)
    for _ in range(2):
        assert ([each.text for each in lenient], lenient.skipped) == (["x", "y"], 1)


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (b"a\tx", "has 2 columns; write user, time, query"),
        (b"\t970916105432\tx", "field user: is empty"),
        (b"a\tsoon\tx", "field time: is no time"),
        (b"a\t970916105432\t\xff", "is not UTF-8"),
    ],
)
def test_a_wrong_line_of_columns_is_told(tmp_path: Path, line: bytes, trouble: str) -> None:
    (tmp_path / "log.tsv").write_bytes(line)
    with pytest.raises(CorpusError, match=f"line 1(, |: ){trouble}"):
        list(LogFile(tmp_path / "log.tsv"))


def test_of_a_session_with_a_wrong_step_nothing_is_read(tmp_path: Path) -> None:
    steps = {"session": "1", "iterations": [{"query": "x", "start": 1}, {"query": "y"}]}
    file = LogFile(written(tmp_path / "log.jsonl", steps), skip_invalid=True)
    assert (list(file), file.skipped) == ([], 1)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for path, trouble in (
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "cannot be read"),
        (Path("-"), "name a file"),
    ):
        with pytest.raises(CorpusError, match=trouble):
            list(LogFile(path))
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 9)[:-9])
    with pytest.raises(CorpusError, match="cannot be read"):
        list(LogFile(tmp_path / "log.jsonl.gz", skip_invalid=True))
