"""Fields as bytes and back, whatever the numbers are, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import untimed

from attune.knowledge_store import packing
from attune.knowledge_store.packing import pack, unpack

# Microseconds from year 1 to 9999 are well within.
integers = st.sampled_from([0, 1, -1, 127, 128, -128, -129, 2**40]) | st.integers(-(2**62), 2**62)
doubles = st.sampled_from([1.0, 0.0, -1.0, 5e-324]) | st.floats(allow_nan=False)
counts = st.sampled_from([("0q", 1), ("2d", 3, "0q", 1), ()])
numbers = st.tuples(integers, integers, doubles, st.just(0) | doubles, counts)


def fields_of(entities) -> dict:
    rows = [[entity_id, *four, *counted] for entity_id, (*four, counted) in entities.items()]
    return {"n": len(rows), "t": [1, None, -3], "e": rows}


def told(row: list) -> str:
    """All digits of an entity; a recent weight of 0, as an integer, is the weight."""
    entity_id, first, elapsed, weight, recent, *counted = row
    return repr([entity_id, first, elapsed, weight, weight if type(recent) is int else recent, *counted])


@untimed
@given(st.dictionaries(st.text(max_size=3), numbers, max_size=6))
def test_fields_come_back_to_the_bit_in_some_order(entities):
    fields = fields_of(entities)
    again = unpack(pack(fields))
    assert sorted(map(told, again.pop("e"))) == sorted(map(told, fields.pop("e")))
    assert again == fields


def test_the_order_of_entities_changes_nothing():
    entities = {"b": (0, 0, 1.0, 0, ()), "a": (0, 0, 1.0, 0, ()), "c": (7, 2, 0.5, 0.25, ("0q", 2))}
    assert pack(fields_of(entities)) == pack(fields_of(dict(reversed(entities.items()))))


@pytest.mark.parametrize("at_most", [0, 1000])
@pytest.mark.parametrize("count", [1, 32, 33, 100])
def test_few_numbers_and_many_are_the_same_bytes(monkeypatch, count, at_most):
    entities = {f"Q{each}": (each * -(7**each % 2**40), 3**each % 2**50, 0.5, 0.25, ()) for each in range(count)}
    expected, rows = pack(fields_of(entities)), unpack(pack(fields_of(entities)))["e"]
    monkeypatch.setattr(packing, "_FEW", at_most)
    assert pack(fields_of(entities)) == expected
    assert unpack(expected)["e"] == rows


@pytest.mark.parametrize("width", [0, 9])
def test_numbers_of_no_width_are_refused(width):
    content = pack(fields_of({"Q1": (1, 0, 1, 0, ())}))
    with pytest.raises(ValueError, match=f"numbers of {width} bytes"):
        unpack(content[:-3] + bytes([width]) + content[-2:])


def test_what_was_seen_once_with_weight_one_takes_its_time_alone():
    def size(count: int, *four: object) -> int:
        return len(pack(fields_of({f"Q{number}": (*four, ("0q", 1)) for number in range(count)})))

    plain, weighed = (size(100, 2**40, 0, weight, 0) for weight in (1.0, 0.3))
    changed = size(100, 2**40, 2**40, 0.3, 0.2)
    assert weighed - plain == pytest.approx(800, abs=10)
    assert changed - weighed == pytest.approx(1400, abs=10)


@pytest.mark.parametrize("cut", [1, 8, 26])
def test_what_is_cut_is_refused(cut):
    content = pack(fields_of({"Q1": (1, 2, 0.5, 0.25, ()), "Q2": (1, 0, 0.5, 0, ())}))
    with pytest.raises(ValueError, match="ends too early"):
        unpack(content[:-cut])


def test_numbers_that_no_entity_has_are_refused():
    with pytest.raises(ValueError, match="8 bytes too many"):
        unpack(pack(fields_of({})) + bytes(8))
