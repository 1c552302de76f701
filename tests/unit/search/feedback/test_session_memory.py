"""What holds in a session: the last word counts, only for a while, within bounds, and for nobody else."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.feedback.memory import (
    LIFETIME,
    MOST_CORRECTIONS,
    NO_FEEDBACK,
    MixedSourcesError,
    NotAbout,
    Placed,
    Placement,
    SessionKey,
    SessionMemory,
)
from attune.services.search.feedback.parts import Part, Replacement

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = SessionKey("acme", "ada", "s1")


def pin(document_id: str) -> Placed:
    return Placed(document_id, Placement.PINNED)


def reject(document_id: str) -> Placed:
    return Placed(document_id, Placement.REJECTED)


def test_the_last_word_on_a_document_counts_and_the_last_pin_is_first() -> None:
    memory = SessionMemory()
    said = [pin("a"), reject("b"), pin("c"), reject("a"), pin("b"), Placed("c", Placement.NONE), pin("a")]
    for number, each in enumerate(said):
        memory.add(ADA, str(number), each, NOW)
    held = memory.of(ADA, NOW)
    assert (held.pinned, held.rejected) == (("a", "b"), frozenset())


def test_a_repeated_request_says_nothing_new() -> None:
    memory = SessionMemory()
    for request, each in (("1", pin("a")), ("2", reject("a")), ("1", pin("a"))):
        memory.add(ADA, request, each, NOW)
    assert memory.of(ADA, NOW).rejected == {"a"}


@pytest.mark.parametrize(
    "other", [SessionKey("globex", "ada", "s1"), SessionKey("acme", "bea", "s1"), SessionKey("acme", "ada", "s2")]
)
def test_it_holds_for_this_tenant_user_and_session_alone(other: SessionKey) -> None:
    memory = SessionMemory()
    memory.add(ADA, "1", reject("a"), NOW)
    assert memory.of(other, NOW) == NO_FEEDBACK


def test_a_later_page_is_of_what_was_said_before_the_first() -> None:
    memory = SessionMemory()
    memory.add(ADA, "1", reject("a"), NOW)
    memory.add(ADA, "2", reject("b"), NOW + timedelta(seconds=2))
    later = NOW + timedelta(seconds=3)
    assert memory.of(ADA, later, until=NOW + timedelta(seconds=1)).rejected == {"a"}
    assert memory.of(ADA, later).rejected == {"a", "b"}


def test_it_ends_a_while_after_the_last_use_and_leaves_nothing() -> None:
    memory = SessionMemory()
    memory.add(ADA, "1", reject("a"), NOW)
    used = NOW + LIFETIME - timedelta(seconds=1)
    assert memory.of(ADA, used).rejected == {"a"}
    assert memory.of(ADA, used + LIFETIME - timedelta(seconds=1)).rejected == {"a"}
    assert memory.of(ADA, used + 3 * LIFETIME) == NO_FEEDBACK
    assert (len(memory), memory.size) == (0, 0)


def test_people_and_programs_never_share_a_session() -> None:
    memory = SessionMemory()
    memory.add(ADA, "1", reject("a"), NOW)
    with pytest.raises(MixedSourcesError):
        memory.add(ADA, "2", pin("a"), NOW, is_simulated=True)
    assert memory.of(ADA, NOW).rejected == {"a"}
    memory.add(ADA, "3", pin("a"), NOW + 2 * LIFETIME, is_simulated=True)


def test_of_a_session_the_oldest_corrections_go() -> None:
    memory = SessionMemory()
    for number in range(MOST_CORRECTIONS + 1):
        memory.add(ADA, str(number), reject(str(number)), NOW)
    assert memory.of(ADA, NOW).rejected == {str(number) for number in range(1, MOST_CORRECTIONS + 1)}


def part(words: int, dimension: int) -> Part:
    return Part(bytes([words]), words, Replacement({"": np.ones(dimension, np.float32)}))


steps = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 30),
        st.one_of(
            st.sampled_from("abcdef").map(pin),
            st.lists(st.sampled_from("efg"), min_size=1).map(lambda ids: NotAbout(tuple(ids))),
            st.builds(part, st.integers(1, 9), st.sampled_from([1, 100, 2000])),
        ),
    ),
    max_size=60,
)


@given(steps)
def test_the_memory_stays_within_its_bound_and_knows_its_size(taken: list[tuple[int, int, Placed]]) -> None:
    memory, now = SessionMemory(most_bytes=10_000), NOW
    for number, (session, minutes, correction) in enumerate(taken):
        now += timedelta(minutes=minutes)
        memory.add(SessionKey("acme", "ada", str(session)), str(number), correction, now)
        assert memory.size == sum(each.size for each in memory._sessions.values())
        assert memory.size <= 10_000
