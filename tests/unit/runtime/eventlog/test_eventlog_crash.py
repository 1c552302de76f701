"""What is left after a crash: every acknowledged record, in order, and never a garbage one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.services.runtime.eventlog.errors import LogCorruptedError
from attune.services.runtime.eventlog.framing import encode_frame
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record

Read = Callable[..., list[Record]]
Append = Callable[..., list[int]]

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry

root, name, batches = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = LocalEventLog(root, segment_bytes=64 * 1024)
for batch in range(batches):
    entries = [Entry(name.encode(), f"{name} {batch} {n} ".encode() + bytes(range(256)) * 4) for n in range(3)]
    for position in log.append("events", entries, datetime.now(UTC)):
        print(position.offset, flush=True)
"""


def start_writer(root: Path, name: str, batches: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(root), name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # this interpreter, our script


def test_every_acknowledged_record_survives_kill_9(root: Path, read_all: Read, append: Append) -> None:
    writer = start_writer(root, "w", 1_000_000)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(60)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in writer.communicate()[0].splitlines() if line]
    records = read_all()
    assert [record.offset for record in records] == list(range(len(records)))
    assert acknowledged == list(range(len(acknowledged)))
    assert len(records) >= len(acknowledged)
    for record in records:
        batch, number = divmod(record.offset, 3)
        assert record.value == f"w {batch} {number} ".encode() + bytes(range(256)) * 4
    assert append(b"next") == [len(records)]


def test_two_processes_appending_interleave_with_unique_offsets(root: Path, read_all: Read) -> None:
    writers = {name: start_writer(root, name, 40) for name in ("a", "b")}
    offsets = {name: [int(line) for line in writer.communicate()[0].split()] for name, writer in writers.items()}
    records = read_all()
    assert sorted(offsets["a"] + offsets["b"]) == list(range(240)) == [record.offset for record in records]
    for name, mine in offsets.items():
        assert mine == sorted(mine)
        assert [record.offset for record in records if record.key == name.encode()] == mine
        values = [record.value.split()[:3] for record in records if record.key == name.encode()]
        assert values == [[name.encode(), b"%d" % b, b"%d" % n] for b in range(40) for n in range(3)]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.binary(max_size=60), min_size=1, max_size=8),
    torn=st.binary(max_size=120),
    keep=st.floats(0, 1, exclude_max=True),
)
def test_a_tail_cut_anywhere_leaves_a_prefix(
    values: list[bytes], torn: bytes, keep: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("log")
    now = datetime(2026, 5, 4, tzinfo=UTC)
    LocalEventLog(root).append("events", [Entry(b"k", value) for value in values], now)
    segment = root / "events" / "0" / "00000000000000000000.log"
    acknowledged = segment.stat().st_size
    LocalEventLog(root).append("events", [Entry(b"k", torn)], now)
    cut = acknowledged + int(keep * (segment.stat().st_size - acknowledged))
    os.truncate(segment, cut)
    reader = LocalEventLog(root)
    assert [record.value for record in reader.poll("events", 0, 0, 100, 1 << 20, 0)] == values
    assert reader.end_offset("events", 0) == len(values)
    [position] = LocalEventLog(root).append("events", [Entry(b"k", b"after")], now)
    assert position.offset == len(values)
    assert [record.value for record in reader.poll("events", 0, 0, 100, 1 << 20, 0)] == [*values, b"after"]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), values=st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_cutting_acknowledged_bytes_still_yields_a_prefix(
    data: st.DataObject, values: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("log")
    LocalEventLog(root).append("events", [Entry(b"k", v) for v in values], datetime(2026, 5, 4, tzinfo=UTC))
    segment = root / "events" / "0" / "00000000000000000000.log"
    os.truncate(segment, data.draw(st.integers(0, segment.stat().st_size)))
    survivors = [record.value for record in LocalEventLog(root).poll("events", 0, 0, 100, 1 << 20, 0)]
    assert survivors == values[: len(survivors)]


def test_a_zero_filled_tail_is_cut_off(append: Append, read_all: Read, segment: Path) -> None:
    append(b"one")
    with segment.open("ab") as file:
        file.write(bytes(500))
    assert [record.value for record in read_all()] == [b"one"]
    assert append(b"two") == [1]
    assert [record.value for record in read_all()] == [b"one", b"two"]


def test_a_record_whose_body_never_reached_the_disk_is_cut_off(append: Append, read_all: Read, segment: Path) -> None:
    append(b"one")
    size = segment.stat().st_size
    append(b"never synced")
    with segment.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(bytes(5))
    assert [record.value for record in read_all()] == [b"one"]
    append(b"two")
    assert [record.value for record in read_all()] == [b"one", b"two"]
    assert segment.read_bytes()[size:].find(b"never") == -1


def test_a_frame_inside_a_torn_value_is_not_taken_for_a_record(append: Append, read_all: Read, segment: Path) -> None:
    append(b"one")
    size = segment.stat().st_size
    append(encode_frame(Entry(b"k", b"forged"), 2, 0, 0) + bytes(100))
    os.truncate(segment, segment.stat().st_size - 1)
    assert [record.value for record in read_all()] == [b"one"]
    append(b"two")
    assert [record.value for record in read_all()] == [b"one", b"two"]
    assert segment.stat().st_size < size * 2 + 10


@pytest.mark.parametrize("damage_at", [0, 4, 10, 30, 41, -1])
def test_damage_in_the_middle_names_file_and_byte(
    append: Append, read_all: Read, segment: Path, damage_at: int
) -> None:
    append(b"first value")
    start = segment.stat().st_size
    append(b"second value")
    end = segment.stat().st_size
    append(b"third value")
    at = end + damage_at if damage_at < 0 else start + damage_at
    flip(segment, at)
    with pytest.raises(LogCorruptedError, match=f"{segment.name} is corrupted at byte {start}: .*restore") as caught:
        read_all()
    assert (caught.value.path, caught.value.position) == (segment, start)
    with pytest.raises(LogCorruptedError):
        append(b"fourth value")


def test_what_lies_before_the_damage_can_be_polled_in_smaller_steps(
    append: Append, root: Path, topic: str, segment: Path
) -> None:
    append(b"first")
    start = segment.stat().st_size
    append(b"second", b"third")
    flip(segment, start)
    assert [record.value for record in LocalEventLog(root).poll(topic, 0, 0, 1, 100, 0)] == [b"first"]


def test_damage_in_a_sealed_segment_is_never_a_torn_tail(append: Append, read_all: Read, segment: Path) -> None:
    append(b"x" * 100, segment_bytes=100)
    append(b"y" * 100, segment_bytes=100)
    os.truncate(segment, segment.stat().st_size - 1)
    with pytest.raises(LogCorruptedError, match="no intact record starts there"):
        read_all()


def test_a_missing_record_between_intact_ones_is_corruption(append: Append, read_all: Read, segment: Path) -> None:
    append(b"same size 1")
    one = segment.stat().st_size
    append(b"same size 2")
    data = segment.read_bytes()
    segment.write_bytes(data[:one] + encode_frame(Entry(b"k", b"later"), 2, 0, one))
    with pytest.raises(LogCorruptedError, match="offset 2 stands where 1 belongs"):
        read_all()


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ 0x10,)))
