"""A file of slots is a dictionary that a killed process, or another start, finds again."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.index import slots as module
from attune.services.search.index.slots import Slots

WIDTH = 16


def contents(*values: int) -> np.ndarray:
    return np.repeat(np.array(values, np.uint8)[:, None], WIDTH, axis=1)


def read(slots: Slots, *keys: int) -> dict[int, list[int]]:
    """Of each key that has a slot the values in it, each once."""
    found, rows = slots.read(keys)
    return {keys[place]: sorted(set(row.tolist())) for place, row in zip(found, rows, strict=True)}


def test_slots_are_found_by_their_keys(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "new", WIDTH)
    slots.write([7, 9], contents(1, 2))
    assert read(slots, 9, 8, 7) == {9: [2], 7: [1]}
    slots.write([9, 8], contents(3, 4))
    assert read(slots, 7, 8, 9) == {7: [1], 8: [4], 9: [3]}
    assert len(slots) == 3


def test_of_no_key_nothing_is_read_or_written(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write([], contents())
    slots.remove([])
    assert read(slots) == {}
    assert slots.read([1])[1].shape == (0, WIDTH)


def test_another_start_finds_them_and_none_that_were_removed(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write(range(1, 1001), contents(*[5] * 1000))
    slots.remove(range(1, 500))
    again = Slots(tmp_path, WIDTH)
    assert read(again, 1, 499) == {}
    assert read(again, 500, 1000) == {500: [5], 1000: [5]}
    assert len(again) == 501


def test_nothing_stays_in_the_file_of_what_was_removed(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write([2**63], contents(77))
    assert b"M" * WIDTH in (tmp_path / f"{WIDTH}.slots").read_bytes()
    slots.remove([2**63, 4])
    assert not any((tmp_path / f"{WIDTH}.slots").read_bytes())
    assert not any((tmp_path / f"{WIDTH}.keys").read_bytes())


def test_slots_of_another_size_are_gone(tmp_path: Path) -> None:
    Slots(tmp_path, WIDTH).write([1], contents(1))
    assert len(Slots(tmp_path, 2 * WIDTH)) == 0
    assert len(Slots(tmp_path, WIDTH)) == 0


def test_files_grow_by_a_part_of_what_they_have_and_reuse_what_is_free(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    for start in range(0, 3000, 100):
        slots.write(range(start + 1, start + 101), contents(*[start % 251] * 100))
    size = (tmp_path / f"{WIDTH}.slots").stat().st_size
    assert 3000 * WIDTH <= size <= 3000 * WIDTH * 1.3
    for _ in range(3):
        slots.remove(range(1, 3001))
        slots.write(range(10_001, 13_001), contents(*[9] * 3000))
        slots.remove(range(10_001, 13_001))
        slots.write(range(1, 3001), contents(*[8] * 3000))
    assert (tmp_path / f"{WIDTH}.slots").stat().st_size == size
    assert read(slots, 1, 3000) == {1: [8], 3000: [8]}


def test_who_reads_while_others_write_reads_a_whole_slot_of_some_time(tmp_path: Path) -> None:
    slots, ended = Slots(tmp_path, WIDTH), threading.Event()
    slots.write([1], contents(1))
    wrong: list[object] = []

    def look() -> None:
        while not ended.is_set():
            found = read(slots, *range(1, 2000))
            wrong.extend((key, values) for key, values in found.items() if key == 1 and values not in ([1], [2]))

    def change(first: int) -> None:
        for number in range(20):
            keys = range(first + 50 * number, first + 50 * number + 50)
            slots.write(keys, contents(*[7] * 50))
            slots.remove(list(keys)[:25])
            slots.write([1], contents(1 + number % 2))

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look) for _ in range(2)]
        changing = [pool.submit(change, first) for first in (10, 2000)]
        for each in changing:
            each.result()
        ended.set()
        for each in looking:
            each.result()
    assert not wrong
    assert len(slots) == len(Slots(tmp_path, WIDTH)) == 1 + 2 * 20 * 25


def test_a_slot_is_never_two_keys(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: slots.write([key], contents(key % 251)), range(1, 1001)))
    assert read(slots, *range(1, 1001)) == {key: [key % 251] for key in range(1, 1001)}


def half_taken(descriptor: int, _offset: int, length: int) -> None:
    """As ext4 does where there is room for a part."""
    os.truncate(descriptor, os.fstat(descriptor).st_size + length // 2)
    raise OSError(28, "No space left on device")


def hardly_any(descriptor: int) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 1000, 1, 1, 10, 10, 10, 0, 255))


@pytest.mark.parametrize(("name", "instead"), [("posix_fallocate", half_taken), ("fstatvfs", hardly_any)])
def test_a_full_disk_is_an_error_that_leaves_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, instead: object
) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write([1, 2], contents(1, 2))
    sizes = [each.stat().st_size for each in sorted(tmp_path.iterdir())]
    monkeypatch.setattr(os, name, instead)
    with pytest.raises(OSError, match="No space left"):
        slots.write([2, *range(10, 700)], contents(3, *[4] * 690))
    assert read(slots, 1, 2, 10) == {1: [1], 2: [3]}
    assert [each.stat().st_size for each in sorted(tmp_path.iterdir())] == sizes
    monkeypatch.undo()
    slots.write([10], contents(5))
    assert read(Slots(tmp_path, WIDTH), 1, 2, 10) == {1: [1], 2: [3], 10: [5]}


@pytest.mark.parametrize("damage", [b"", b"\xff" * 5, b"\xff" * 8 * 9999, b"\x09" + b"\0" * 7 + b"\x09" + b"\0" * 7])
@pytest.mark.parametrize("file", ["keys", "slots"])
def test_damaged_files_lose_slots_and_no_start(tmp_path: Path, damage: bytes, file: str) -> None:
    Slots(tmp_path, WIDTH).write([1, 2], contents(1, 2))
    (tmp_path / f"{WIDTH}.{file}").write_bytes(damage)
    slots = Slots(tmp_path, WIDTH)
    assert file == "slots" or not read(slots, 1, 2)
    slots.write([3, 4], contents(3, 4))
    assert read(slots, 3, 4) == {3: [3], 4: [4]}
    assert read(Slots(tmp_path, WIDTH), 3, 4) == {3: [3], 4: [4]}


def test_keys_of_all_64_bits_are_found_again(tmp_path: Path) -> None:
    keys = [1, 2**63 - 1, 2**63, 2**64 - 1]
    Slots(tmp_path, WIDTH).write(keys, contents(1, 2, 3, 4))
    assert read(Slots(tmp_path, WIDTH), *keys) == dict(zip(keys, ([1], [2], [3], [4]), strict=True))


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "remove", "open"]), st.sets(st.integers(1, 40), max_size=12)), max_size=30
    )
)
def test_any_steps_leave_what_a_dictionary_has(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, set[int]]]
) -> None:
    directory = tmp_path_factory.mktemp("slots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEWEST", 4)
        slots, expected = Slots(directory, WIDTH), dict[int, list[int]]()
        for number, (step, keys) in enumerate(steps):
            if step == "write":
                slots.write(sorted(keys), contents(*[number + 1] * len(keys)))
                expected |= {key: [number + 1] for key in keys}
            elif step == "remove":
                slots.remove(sorted(keys))
                expected = {key: value for key, value in expected.items() if key not in keys}
            else:
                slots = Slots(directory, WIDTH)
            assert read(slots, *range(1, 41)) == expected
