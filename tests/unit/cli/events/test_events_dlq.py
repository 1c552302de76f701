"""`attune events dlq`: what lies there, one of them, and back among the events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, InteractionEvent
from attune.services.cli.main import app
from attune.services.runtime.dead_letters import dead_letter
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, to_entry
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

NOW = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEventLog]:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    opened = LocalEventLog(tmp_path / "events")
    yield opened
    opened.close()


def dlq(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["events", "dlq", *arguments])


def printed(*arguments: str) -> Any:
    return json.loads(dlq(*arguments, "--json").stdout)


def set_aside(log: LocalEventLog, offset: int, entry: Entry, reason: Reason, minutes: int = 0) -> None:
    record = Record(TOPIC, 0, offset, int(NOW.timestamp() * 1000), entry.key, entry.value, entry.headers)
    letter = dead_letter(record, InvalidRecordError(reason, f"it is {reason} [of course]"))
    log.append(DEAD_LETTER_TOPIC, [letter], NOW + timedelta(minutes=minutes))


def click(user: str = "ada") -> Entry:
    event = InteractionEvent(tenant_id="acme", user_id=user, event_id="e1", type=EVENT_TYPE_CLICK, object_id="d1")
    event.occurred_at.FromDatetime(NOW)
    return to_entry(event)


BAD = Entry(b"acme/ada", b"\xff secret", (("ce_id", b"e1"), ("odd", b"\xfe")))


def test_an_empty_topic_is_a_sentence(log: LocalEventLog) -> None:
    assert "there are no dead letters" in dlq("list").stdout
    assert printed("list") == {"dead_letters": 0, "reasons": {}, "newest": []}
    assert "there are no such dead letters" in dlq("replay").stdout


def test_they_are_counted_by_reason_and_the_newest_come_first(log: LocalEventLog) -> None:
    for offset in range(4):
        set_aside(log, offset, BAD, Reason.MALFORMED, minutes=offset)
    set_aside(log, 9, click(), Reason.UNKNOWN_TENANT)
    answer = printed("list", "--newest", "2")
    assert (answer["dead_letters"], answer["reasons"]) == (5, {"malformed": 4, "unknown_tenant": 1})
    assert [each["position"] for each in answer["newest"]] == [f"{TOPIC}/0/3", f"{TOPIC}/0/2"]
    shown = dlq("list").stdout
    assert "5 dead letters: 4 malformed, 1 unknown_tenant" in shown
    assert "it is malformed [of course]" in shown
    assert "secret" not in shown
    assert printed("list", "--newest", "0")["newest"] == []


def test_a_position_is_whole_however_narrow_the_terminal_is(
    log: LocalEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    set_aside(log, 123_456, BAD, Reason.MALFORMED)
    assert f"{TOPIC}/0/123456" in dlq("list").stdout


def test_one_is_shown_without_its_content_and_raw_with_nothing_else(log: LocalEventLog) -> None:
    set_aside(log, 3, BAD, Reason.MALFORMED)
    place = f"{TOPIC}/0/3"
    answer = printed("show", place)
    assert (answer["key"], answer["code"], answer["headers"]) == (
        "acme/ada",
        "malformed",
        [["ce_id", "e1"], ["odd", "\\xfe"]],
    )
    assert "secret" not in dlq("show", place).stdout
    assert dlq("show", place, "--raw").stdout_bytes == b"\xff secret"


@pytest.mark.parametrize("place", [f"{TOPIC}/0/4", "nowhere", "a/b/c"])
def test_one_that_is_not_there_is_said(log: LocalEventLog, place: str) -> None:
    set_aside(log, 3, BAD, Reason.MALFORMED)
    shown = dlq("show", place)
    assert shown.exit_code == 2
    assert place in shown.stderr


def test_replaying_by_position_and_by_reason(log: LocalEventLog) -> None:
    for offset, user in enumerate(("ada", "bea", "cleo")):
        set_aside(log, offset, click(user), Reason.UNKNOWN_TENANT if offset else Reason.INVALID)
    set_aside(log, 7, BAD, Reason.MALFORMED)
    assert printed("replay", f"{TOPIC}/0/1")["replayed"] == 1
    assert printed("replay", "--reason", "unknown_tenant")["replayed"] == 1
    assert dlq("replay").stdout.strip() == "1 replayed; still wrong: 1 malformed"
    assert [each.key for each in log.poll(TOPIC, 0, 0, 10, 1 << 20, 0)] == [b"acme/bea", b"acme/cleo", b"acme/ada"]
    assert printed("list")["reasons"] == {"malformed": 1}


def test_what_is_still_of_an_unknown_tenant_stays(
    log: LocalEventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens.json").write_text('{"secret": "other"}')
    monkeypatch.setenv("ATTUNE_TOKENS_FILE", str(tmp_path / "tokens.json"))
    set_aside(log, 0, click(), Reason.UNKNOWN_TENANT)
    assert printed("replay") == {"replayed": 0, "forgotten": 0, "still_wrong": {"unknown_tenant": 1}}
