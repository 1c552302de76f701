from tests.unit.knowledge_store.builders import days, state

from attune.knowledge_store.model import EntityState, Summary
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.summary import Portrait, in_words, is_due

NOW = days(100)


def of(*states: EntityState) -> Portrait:
    return Portrait.of(states, NOW)


def ids(states: tuple[EntityState, ...]) -> list[str]:
    return [each.entity_id for each in states]


def test_entities_are_told_by_what_they_are_to_the_user():
    portrait = of(
        state("now", count=4, weight=3, last_seen=days(99)),
        state("often", count=9, weight=2, last_seen=days(90)),
        state("lapsed", count=5, weight=2, last_seen=days(20)),
        state("once", count=1, last_seen=days(99)),
        state("rejected", count=1, weight=-1, last_seen=days(99)),
        state("nothing", count=2, weight=0.0, last_seen=days(99)),
    )
    assert ids(portrait.now) == ["now"]
    assert ids(portrait.often) == ["often"]
    assert ids(portrait.lapsed) == ["lapsed"]
    assert ids(portrait.once) == ["once"]
    assert ids(portrait.rejected) == ["rejected"]
    assert portrait.entity_ids == {"now", "often", "lapsed", "once", "rejected"}


def test_words_follow_the_weights_and_leave_out_empty_parts():
    portrait = of(state("a", 3, 2.0, days(90)), state("b", 3, 4.0, days(90)), state("c", 1, -1.0, days(90)))
    assert in_words(portrait, str.upper) == "Again and again: B, A. Not wanted: C."
    assert in_words(of(), str.upper) == ""


def test_a_portrait_is_short_however_much_there_is():
    many = [state(f"e{number:03}", number % 7 + 1, 1 + number, days(99 - number % 90)) for number in range(512)]
    portrait = of(*many)
    assert len(portrait.entity_ids) <= 30
    assert portrait.now
    assert portrait.once


def test_what_is_more_than_a_part_holds_falls_to_the_next():
    portrait = of(*[state(f"n{number}", 5, 9 - number, days(99)) for number in range(8)])
    assert ids(portrait.now) == ["n0", "n1", "n2", "n3", "n4", "n5"]
    assert ids(portrait.often) == ["n6", "n7"]


def test_a_summary_is_due_without_one_and_after_so_many_events():
    record = UserRecord(events=10, states={"a": state("a")})
    assert is_due(record, None, 5)
    assert not is_due(record, Summary("", 1, 6, NOW, "store"), 5)
    assert is_due(record, Summary("", 1, 5, NOW, "store"), 5)
    assert not is_due(UserRecord(events=10), None, 5)


def test_a_summary_of_more_events_than_there_are_is_due():
    record = UserRecord(events=3, states={"a": state("a")})
    assert is_due(record, Summary("", 7, 900, NOW, "store"), 5)
