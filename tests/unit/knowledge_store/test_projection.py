import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import days, interaction, untimed

from attune.knowledge_store.model import EventKind, LinkedEntity, Source
from attune.knowledge_store.projection import observes_document, observes_query, observes_suggestion, project

QUERY = ["a", "b"]
DOCUMENT = [LinkedEntity("b", 1.0), LinkedEntity("c", 0.5)]
SUGGESTION = ["c", "d"]


def weights(kind: EventKind, **fields: object) -> dict[str, float]:
    event = interaction("e", kind, **fields)
    return {seen.entity_id: seen.weight for seen in project(event, QUERY, DOCUMENT, SUGGESTION)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (EventKind.QUERY, {"a": 1.0, "b": 1.0}),
        (EventKind.SUGGESTION_ACCEPTED, {"a": 1.0, "b": 1.0}),
        (EventKind.REFORMULATION, {"a": 0.5, "b": 0.5}),
        (EventKind.CLICK, {"b": 1.0, "c": 0.5}),
        (EventKind.VIEW, {"b": 0.5, "c": 0.25}),
        (EventKind.IMPRESSION, {}),
        (EventKind.SUGGESTION_SHOWN, {}),
        (EventKind.DWELL, {}),
        (EventKind.FEEDBACK, {}),
        (EventKind.SUGGESTION_REMOVED, {"c": -0.5, "d": -0.5}),
    ],
)
def test_each_kind_weighs_what_the_table_says(kind, expected):
    assert weights(kind) == expected


@pytest.mark.parametrize(("dwell_ms", "weight"), [(0, None), (3_000, 0.05), (30_000, 0.5), (60_000, 1.0), (10**9, 1.0)])
def test_dwelling_counts_up_to_a_minute(dwell_ms, weight):
    assert weights(EventKind.DWELL, dwell_ms=dwell_ms).get("b") == weight


@pytest.mark.parametrize(("position", "weight"), [(None, 1.0), (0, 1.0), (1, 1.0), (2, 1.1), (8, 1.3), (10**6, 1.5)])
def test_a_click_far_down_counts_more(position, weight):
    assert weights(EventKind.CLICK, position=position) == {"b": weight, "c": weight / 2}
    assert weights(EventKind.VIEW, position=position) == {"b": 0.5, "c": 0.25}


@pytest.mark.parametrize(
    ("verdict", "weight"), [("relevant", 1.0), ("irrelevant", -1.0), ("Relevant", None), ("", None)]
)
def test_feedback_counts_by_its_verdict(verdict, weight):
    assert weights(EventKind.FEEDBACK, attributes={"verdict": verdict}).get("b") == weight


def test_feedback_on_entities_counts_against_them_and_against_nothing_else():
    named = {"entity_ids": ("c", "d"), "object_id": "d1", "attributes": {"verdict": "irrelevant"}}
    assert weights(EventKind.FEEDBACK, **named) == {"c": -0.5, "d": -0.5}
    assert weights(EventKind.FEEDBACK, **named | {"attributes": {"verdict": "relevant"}}) == {"b": 1.0, "c": 0.5}
    (seen,) = project(interaction("e", EventKind.FEEDBACK, **named), [], DOCUMENT, ["c"])
    assert (seen.source, seen.weight) == (Source.SUGGESTION, -1.0)


def test_observations_carry_kind_source_and_the_time_of_the_event():
    (seen, _) = project(interaction("e", EventKind.CLICK, at=days(3)), [], DOCUMENT, [])
    assert (seen.kind, seen.source, seen.at) == (EventKind.CLICK, Source.DOCUMENT, days(3))
    (seen,) = project(interaction("e", EventKind.QUERY), ["a", "a"], [], [])
    assert (seen.kind, seen.source) == (EventKind.QUERY, Source.QUERY)
    (seen,) = project(interaction("e", EventKind.SUGGESTION_REMOVED), [], [], ["a", "a"])
    assert (seen.kind, seen.source, seen.weight) == (EventKind.SUGGESTION_REMOVED, Source.SUGGESTION, -1.0)


attributes = st.dictionaries(st.sampled_from(["verdict", "title"]), st.sampled_from(["relevant", "irrelevant", "x"]))


@untimed
@given(st.sampled_from(EventKind), attributes, st.one_of(st.none(), st.integers(0, 10**7)))
def test_no_entity_twice_no_weight_of_zero_and_none_beyond_one(kind, attributes, dwell_ms):
    event = interaction("e", kind, attributes=attributes, dwell_ms=dwell_ms)
    seen = project(event, QUERY * 2, DOCUMENT, SUGGESTION * 2)
    assert len({one.entity_id for one in seen}) == len(seen)
    assert all(0 < abs(one.weight) <= 1 for one in seen)
    observed = [observes_query(kind), observes_document(kind), observes_suggestion(event)]
    assert not seen or sum(observed) == 1


@untimed
@given(st.sampled_from([EventKind.IMPRESSION, EventKind.SUGGESTION_SHOWN]), attributes, st.integers(0, 10**7))
def test_what_the_system_showed_teaches_it_nothing(kind, attributes, dwell_ms):
    shown = interaction("e", kind, attributes=attributes, dwell_ms=dwell_ms)
    assert project(shown, QUERY, DOCUMENT, SUGGESTION) == []
