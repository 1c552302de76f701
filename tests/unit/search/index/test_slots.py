"""A file of slots is a dictionary that a killed process, or another start, finds again."""

import os
from collections.abc import Sequence
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


def test_slots_of_another_size_are_others(tmp_path: Path) -> None:
    Slots(tmp_path, WIDTH).write([1], contents(1))
    assert len(Slots(tmp_path, 2 * WIDTH)) == 0
    assert len(Slots(tmp_path, WIDTH)) == 1


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


def test_who_reads_while_the_files_grow_reads_whole_slots(tmp_path: Path) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write([1], contents(1))
    before = slots.read([1])[1]
    slots.write(range(2, 5000), contents(*[2] * 4998))
    assert before.tolist() == contents(1).tolist()
    assert read(slots, 1, 4999) == {1: [1], 4999: [2]}


def test_a_full_disk_is_an_error_that_leaves_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(tmp_path, WIDTH)
    slots.write([1, 2], contents(1, 2))

    def full(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        slots.write([2, *range(10, 400)], contents(3, *[4] * 390))
    assert read(slots, 1, 2, 10) == {1: [1], 2: [3]}
    monkeypatch.undo()
    slots.write([10], contents(5))
    assert read(Slots(tmp_path, WIDTH), 1, 2, 10) == {1: [1], 2: [3], 10: [5]}


@pytest.mark.parametrize("damage", [b"", b"\xff" * 5, b"\xff" * 8 * 256, b"\x01" + b"\0" * 7 + b"\x01" + b"\0" * 7])
def test_damaged_keys_lose_slots_and_no_start(tmp_path: Path, damage: bytes) -> None:
    Slots(tmp_path, WIDTH).write([1, 2], contents(1, 2))
    (tmp_path / f"{WIDTH}.keys").write_bytes(damage)
    slots = Slots(tmp_path, WIDTH)
    slots.write([3, 4], contents(3, 4))
    assert read(slots, 3, 4) == {3: [3], 4: [4]}


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
