"""`attune events send`: any number of lines in batches, bad ones by their line, both ways into the log."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1.knowledge_pb2 import RecordInteractionsResponse, RejectedEvent
from attune.services.cli.events import lines
from attune.services.cli.events.reading import EventLine
from attune.services.cli.events.sinks import Sent, ServiceSink
from attune.services.cli.main import app
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.validation import Validation

UBI = '{"action_name": "click", "user_id": "bea", "event_attributes": {"object": {"object_id": "d1"}}}'


def click(number: int, **changes: Any) -> str:
    return json.dumps({"event_id": f"e{number}", "user_id": "ada", "type": "click", "object_id": "d1"} | changes)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ATTUNE_EVENTS_TO", "kafka")
    return tmp_path


def send(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["events", "send", *arguments], **options)


def file(directory: Path, *content: str) -> str:
    path = directory / "events.jsonl"
    path.write_text("\n".join(content) + "\n")
    return str(path)


def logged(directory: Path) -> list[Record]:
    log = LocalEventLog(directory / "data" / "events")
    found = list(every_record(log, TOPIC))
    log.close()
    return found


def test_events_reach_the_log_as_the_worker_takes_them(data: Path) -> None:
    sent = send(file(data, click(1), "", UBI, click(2, tenant_id="acme")), "--json")
    assert json.loads(sent.stdout) == {
        "accepted": 3,
        "rejected": [],
        "rejected_count": 0,
        "skipped": 0,
        "log_end_offset": 3,
        "log_end_offsets": {"0": 3},
    }
    assert sent.stderr == ""
    records = logged(data)
    assert [each.key for each in records] == [b"default/ada", b"default/bea", b"acme/ada"]
    events = [Admission().event(each, Validation()) for each in records]
    assert events[1].event_id.startswith("ubi-")


def test_more_than_a_batch_from_standard_input_and_gzip(data: Path) -> None:
    text = "\n".join(click(number) for number in range(2500))
    assert json.loads(send("-", "--json", input=text).stdout)["accepted"] == 2500
    packed = data / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert json.loads(send(str(packed), "--json").stdout)["log_end_offset"] == 5000


def test_a_bad_line_is_named_with_what_was_sent_before_it_and_how_to_go_on(data: Path) -> None:
    path = file(data, *(click(number) for number in range(1000)), "{broken", click(1000))
    sent = send(path)
    assert sent.exit_code == 1
    assert "line 1001: the value is not a JSON object" in sent.stderr
    assert "--from-line 1001" in sent.stderr
    assert len(logged(data)) == 1000
    file(data, *(click(number) for number in range(1000)), click(999), click(1000))
    assert send(path, "--from-line", "1001").exit_code == 0
    assert len(logged(data)) == 1002


def test_bad_lines_can_be_left_out_and_the_first_is_named(data: Path) -> None:
    sent = send(file(data, click(1), "{broken", "[]", click(2)), "--skip-invalid")
    assert sent.exit_code == 0
    shown = " ".join(sent.stdout.split())
    assert "accepted 2, refused 0, skipped 2" in shown
    assert "line 2: the value is not a JSON object" in shown


def test_what_breaks_a_rule_is_refused_by_its_line_and_the_others_count(data: Path) -> None:
    answer = json.loads(send(file(data, click(1), click(2, object_id=""), click(3, user_id="a/b")), "--json").stdout)
    assert (answer["accepted"], answer["rejected_count"]) == (1, 2)
    assert [(each["line"], each["field"]) for each in answer["rejected"]] == [(2, "object_id"), (3, "user_id")]


def test_a_format_that_is_named_is_not_guessed(data: Path) -> None:
    assert "line 1: action_name: is none of" in send(file(data, click(1)), "--format", "ubi").stderr
    assert "not attune.events.v1.InteractionEvent" in send(file(data, UBI), "--format", "attune").stderr


def test_an_unknown_tenant_is_refused_before_it_is_in_the_log(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "tokens.json").write_text('{"secret": "acme"}')
    monkeypatch.setenv("ATTUNE_TOKENS_FILE", str(data / "tokens.json"))
    assert json.loads(send(file(data, click(1)), "--json").stdout)["rejected"][0]["field"] == "tenant_id"
    assert json.loads(send(file(data, click(1)), "--json", "--tenant", "acme").stdout)["accepted"] == 1


def test_a_line_of_any_length_takes_bounded_memory(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 200)
    path = file(data, click(1), click(2, session_id="s" * 10_000), click(3))
    with lines.opened(path) as source:
        assert [(number, line is None) for number, line in source.lines()] == [(1, False), (2, True), (3, False)]
    assert json.loads(send(path, "--json", "--skip-invalid").stdout)["skipped"] == 1


def test_a_damaged_archive_is_one_sentence(data: Path) -> None:
    path = data / "events.jsonl.gz"
    path.write_bytes(gzip.compress(click(1).encode())[:-12])
    sent = send(str(path))
    assert sent.exit_code == 1
    assert "cannot be read" in sent.stderr
    assert "Traceback" not in sent.stderr


class Away(grpc.RpcError):
    """The service does not answer for the moment."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE


class Refusing(Away):
    """The service will never take it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAUTHENTICATED


class Service:
    """Answers, or raises, in turn."""

    def __init__(self, *answers: grpc.RpcError | None) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    def record(self, events: Iterable[InteractionEvent]) -> RecordInteractionsResponse:
        self.asked.append([each.event_id for each in events])
        error = self.answers.pop(0)
        if error is not None:
            raise error
        refused = RejectedEvent(index=0, event_id=self.asked[-1][0], field="user_id", reason="is odd")
        accepted = len(self.asked[-1]) - 1
        return RecordInteractionsResponse(
            accepted=accepted, rejected=[refused], rejected_count=1, log_end_offsets={0: accepted}
        )


def batch(*numbers: int) -> list[EventLine]:
    return [EventLine(number, InteractionEvent(event_id=f"e{number}")) for number in numbers]


def test_a_service_that_is_away_for_a_moment_is_asked_again_with_the_same_batch() -> None:
    service, waited, sent = Service(None, Away(), Away(), None), [], Sent()
    sink = ServiceSink(service.record, waited.append)
    sink.send(batch(1, 2), sent)
    sink.send(batch(7, 8, 9), sent)
    assert service.asked == [["e1", "e2"], *[["e7", "e8", "e9"]] * 3]
    assert waited == [0.5, 1.0]
    assert (sent.accepted, sent.rejected_count) == (3, 2)
    assert [each["line"] for each in sent.rejected] == [1, 7]


@pytest.mark.parametrize("answers", [(Away(),), (None, Refusing()), (None, *[Away()] * 5)])
def test_one_that_was_never_there_or_says_no_is_not_asked_for_ever(answers: tuple[grpc.RpcError | None, ...]) -> None:
    service = Service(*answers)
    sink = ServiceSink(service.record, lambda _: None)
    if answers[0] is None:
        sink.send(batch(1), Sent())
    with pytest.raises(grpc.RpcError):
        sink.send(batch(2), Sent())
    assert service.answers == []


def test_an_event_without_a_time_happened_now(data: Path) -> None:
    before = datetime.now(UTC)
    send(file(data, click(1)))
    (record,) = logged(data)
    assert before <= InteractionEvent.FromString(record.value).occurred_at.ToDatetime(UTC) <= datetime.now(UTC)
