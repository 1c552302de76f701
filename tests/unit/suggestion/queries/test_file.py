"""Look-ups in a file: prefixes of any kind, words, other versions, many threads while it is replaced."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.unit.suggestion.queries.asking import MANY, by_many, count, texts

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.file import QueryFile, folded_prefix
from attune.services.suggestion.queries.live import LiveQueries
from attune.services.suggestion.queries.model import NO_QUERIES, Counted
from attune.services.suggestion.queries.schema import FEW, MOST_LISTED, SCHEMA_VERSION, QueriesError, file_of
from attune.services.suggestion.queries.writing import write_queries


def written(directory: Path, queries: list[Counted]) -> QueryFile:
    ordered = sorted(queries, key=lambda each: (-each.users, normalised(each.text)))
    write_queries(directory / "q.sqlite", ordered, (), {})
    return QueryFile(directory / "q.sqlite")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Counted], QueryFile]:
    """Enough for lists of the best at several lengths."""
    queries = [Counted(f"{'ab'[n % 2]}{'cd'[n % 3 // 2]} word{n:04}", 5 + n * 7919 % 1000) for n in range(2000)]
    return queries, written(tmp_path_factory.mktemp("many"), queries)


@settings(max_examples=60, deadline=None)
@given(
    prefix=st.sampled_from(
        ["", "a", "b", "ac", "ad", "bd ", "ac word", "AC  Word0", "ad word00", "ac word0000", "x", "\U0010ffff"]
    ),
    limit=st.sampled_from([1, 5, MOST_LISTED, MOST_LISTED + 1, MANY]),
)
def test_a_prefix_gives_the_most_asked_whether_they_were_listed_before_or_not(many, prefix, limit):
    queries, found = many
    folded = folded_prefix(prefix)
    expected = sorted(
        (each for each in queries if each.text.startswith(folded)), key=lambda each: (-each.users, each.text)
    )
    assert texts(found.beginning(prefix, limit)) == texts(expected[:limit])


def test_lists_of_the_best_are_made_of_exactly_those_prefixes_that_many_begin_with(tmp_path):
    found = written(tmp_path, [Counted(f"same {n:05}", 9) for n in range(FEW + 1)] + [Counted("sa", 9)])
    with closing(sqlite3.connect(tmp_path / "q.sqlite")) as connection:
        listed = [prefix for (prefix,) in connection.execute("SELECT prefix FROM best ORDER BY prefix")]
    assert listed == ["", "s", "sa", "sam", "same", "same ", "same 0", "same 00"]
    assert len(found.beginning("same", MANY)) == FEW + 1


def test_words_are_found_whatever_their_accents_and_signs(tmp_path):
    found = written(tmp_path, [Counted("Caf\u00e9 ol\u00e9", 9), Counted("c++ queue", 8), Counted("e-mail client", 7)])
    assert texts(found.containing(["cafe"], MANY)) == ["Caf\u00e9 ol\u00e9"]
    assert texts(found.containing(["QUEUE", "ole", "queue"], MANY)) == ["Caf\u00e9 ol\u00e9", "c++ queue"]
    assert texts(found.containing(["e-mail"], MANY)) == ["e-mail client"]
    assert texts(found.containing(["c++"], 1)) == ["c++ queue"]
    for nothing in ([], [""], ['"'], ["*", "NEAR(", "\0", "a\0b"], ["\U0001f600"], ["x" * (1 << 20)]):
        assert list(found.containing(nothing, MANY)) == []


@pytest.mark.parametrize(
    "text", ["", " ", "%", "_", "'; DROP TABLE queries; --", "a\0b", "x" * (1 << 20), "\udcff"[:0]]
)
def test_any_text_is_looked_up_and_none_breaks_it(tmp_path, text):
    found = written(tmp_path, [Counted("fine", 9)])
    assert found.users_of(text) == 0
    assert list(found.next_after(text, 5)) == list(found.naming([text], 5)) == []
    assert texts(found.beginning(text, 5)) == ([] if text.strip() else ["fine"])


def test_a_space_behind_a_word_ends_it(tmp_path):
    found = written(tmp_path, [Counted("java script", 9), Counted("javascript", 8)])
    assert texts(found.beginning("Java ", 5)) == ["java script"]
    assert texts(found.beginning(" Java", 5)) == ["java script", "javascript"]


def test_where_nothing_was_counted_nothing_is_told():
    assert (NO_QUERIES.total, NO_QUERIES.users_of("a")) == (0, 0)
    found = [
        NO_QUERIES.beginning("", 5),
        NO_QUERIES.containing(["a"], 5),
        NO_QUERIES.naming(["a"], 5),
        NO_QUERIES.next_after("a", 5),
    ]
    assert all(not each for each in found)


# Files that cannot be used


def spoilt(statement: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "trouble"),
    [
        (spoilt("PRAGMA user_version = 7"), f"has schema version 7, and this attune reads {SCHEMA_VERSION}"),
        (spoilt("PRAGMA application_id = 1"), "is no file of counted queries"),
        (lambda file: file.write_bytes(b""), "is no file of counted queries"),
        (lambda file: file.write_bytes(b"hello" * 1000), "cannot be read"),
        (Path.unlink, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_mend(tmp_path, spoil, trouble):
    written(tmp_path, [Counted("fine", 9)])
    spoil(tmp_path / "q.sqlite")
    with pytest.raises(QueriesError, match=trouble) as raised:
        QueryFile(tmp_path / "q.sqlite")
    assert "q.sqlite" in str(raised.value)
    assert "run `attune queries count` again" in str(raised.value)


# Files that are replaced


def live(directory: Path) -> LiveQueries:
    return LiveQueries(directory, look_again_s=0)


def test_a_new_file_is_taken_and_who_holds_the_old_one_keeps_it(tmp_path):
    queries = live(tmp_path)
    assert queries.of("acme") is NO_QUERIES
    count(tmp_path, by_many("first", 3))
    old = queries.of("acme")
    count(tmp_path, by_many("second", 3))
    assert texts(queries.of("acme").beginning("", 5)) == ["second"]
    assert texts(old.beginning("", 5)) == ["first"]
    assert queries.of("acme") is queries.of("acme")
    count(tmp_path, [])
    assert queries.of("acme").total == 0


def test_it_is_looked_at_once_a_second(tmp_path):
    now = [0.0]
    queries = LiveQueries(tmp_path, lambda: now[0])
    assert queries.of("acme").total == 0
    count(tmp_path, by_many("a", 3))
    now[0] = 0.9
    assert queries.of("acme").total == 0
    now[0] = 1.0
    assert queries.of("acme").total == 1


def test_a_new_file_that_cannot_be_used_changes_nothing_and_is_told_once(tmp_path):
    count(tmp_path, by_many("a", 3))
    queries = live(tmp_path)
    spoilt("PRAGMA user_version = 7")(file_of(tmp_path, "acme"))
    with capture_logs() as told:
        assert queries.of("acme").total == queries.of("acme").total == 1
    assert [each["log_level"] for each in told] == ["error"]
    with pytest.raises(QueriesError, match="schema version 7"):
        live(tmp_path)


def test_readers_see_one_whole_file_or_the_other_while_it_is_replaced(tmp_path):
    """Each file has one query of a letter, asked by as many as its place in the alphabet."""
    letters = "cdefgh"
    count(tmp_path, by_many(letters[0], 3))
    queries, done, wrong = live(tmp_path), threading.Event(), []

    def read() -> None:
        while not done.is_set():
            found = queries.of("acme")
            (each,) = found.beginning("", 5)
            if each.users != letters.index(each.text) + 3 or found.users_of(each.text) != each.users:
                wrong.append(each)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number, letter in enumerate(letters):
        count(tmp_path, by_many(letter, number + 3))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert texts(queries.of("acme").beginning("", 5)) == [letters[-1]]
