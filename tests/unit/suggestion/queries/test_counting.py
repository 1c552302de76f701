"""Counting: what gets into the files, of whom, and what of it is found again."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.suggestion.queries.asking import (
    MANY,
    START,
    asked,
    by_many,
    content,
    count,
    counted,
    statistics_of,
    texts,
)

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries import counting
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.counting import Plan, count_queries
from attune.services.suggestion.queries.schema import QueriesError
from attune.services.suggestion.screening import Screen

WORDS = [
    "asyncio",
    "Queue",
    "queue",
    "task group",
    "ada@example.com",
    "\u00c9t\u00e9",
    "e\u0301te\u0301",
    "a",
    " a ",
    '"',
    "caf\u00e9 ole",
]
LOGS = st.lists(
    st.builds(
        asked,
        st.sampled_from("abcdef"),
        st.sampled_from(WORDS),
        st.integers(0, 90),
        tenant=st.sampled_from(["acme", "other"]),
        session=st.sampled_from(["", "", "s1", "s2"]),
    ),
    max_size=60,
)


def in_a_directory(work):
    directory = Path(tempfile.mkdtemp())
    try:
        return work(directory)
    finally:
        shutil.rmtree(directory)


def users_by_text(log: list[Asked], tenant: str) -> dict[str, set[str]]:
    users = defaultdict(set)
    for each in log:
        if each.user.tenant == tenant:
            users[normalised(each.text)].add(each.user.user)
    return users


# Properties


@settings(max_examples=40, deadline=None)
@given(LOGS, st.integers(2, 4))
def test_nothing_of_fewer_than_k_users_is_found_by_any_look_up(log, k):
    def check(directory):
        count(directory, log, k)
        for tenant in ("acme", "other"):
            users, found = users_by_text(log, tenant), statistics_of(directory, tenant)
            told = [*found.beginning("", MANY), *found.containing(WORDS, MANY)]
            for text in WORDS:
                told += [*found.beginning(text[:1], MANY), *found.beginning(text, MANY)]
                assert found.users_of(text) in {0, len(users[normalised(text)])}
                assert all(each.users >= k for each in found.next_after(text, MANY))
                told += [
                    each for each in found.next_after(text, MANY) if each.users > len(users[normalised(each.text)])
                ]
            assert all(each.users == len(users[normalised(each.text)]) >= k for each in told)
            assert found.total == sum(len(each) >= k and "@" not in text for text, each in users.items())

    in_a_directory(check)


@settings(max_examples=25, deadline=None)
@given(LOGS, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_the_log_gives_the_same_files(log, random):
    def files(asked_now):
        return in_a_directory(lambda directory: (count(directory, asked_now, 2), content(directory))[1])

    other = [*log, *(each for each in log if random.random() < 0.3)]
    random.shuffle(other)
    assert files(log) == files(other)


@settings(max_examples=25, deadline=None)
@given(LOGS)
def test_who_is_gone_from_the_log_is_gone_with_the_next_count(log):
    def check(directory):
        count(directory, log, 2)
        count(directory, [each for each in log if each.user.user != "a"], 2)
        again = content(directory)
        shutil.rmtree(directory)
        count(directory, [each for each in log if each.user.user != "a"], 2)
        assert content(directory) == again
        directory.mkdir(exist_ok=True)

    in_a_directory(check)


# What is counted


def test_a_user_counts_once_and_a_form_is_kept_that_most_wrote(tmp_path):
    log = [*by_many("Task  Group", 3), *by_many("task group", 3)[:2], asked("x", "task group"), *by_many("rare", 1) * 9]
    found = counted(tmp_path, log)
    (only,) = found.beginning("", MANY)
    assert (only.text, only.users, found.total) == ("Task Group", 4, 1)


def test_marks_that_nobody_sees_make_no_other_query(tmp_path):
    log = [asked("a", "sql"), asked("b", "\u202esql"), asked("c", "sql\ufeff"), *by_many("\u200b", 3)]
    found = counted(tmp_path, log)
    assert [(each.text, each.users) for each in found.beginning("", MANY)] == [("sql", 3)]
    assert texts(found.beginning("\ufeffsq", MANY)) == ["sql"]


def test_a_form_that_too_few_wrote_is_not_told(tmp_path):
    log = [asked("a", "Ada"), asked("b", "ADA"), asked("c", "aDa")]
    assert texts(counted(tmp_path, log).beginning("", MANY)) == ["ada"]


def test_what_was_asked_next_is_counted_by_users_and_within_a_session(tmp_path):
    log = []
    for number in range(4):
        user = f"u{number}"
        log += [asked(user, "a", 0), asked(user, "a", 1), asked(user, "b", 20), asked(user, "late", 51)]
        log += [
            asked(user, "c", 200, session="s"),
            asked(user, "d", 300, session="s"),
            asked(user, "e", 301, session="t"),
        ]
    log += [asked("u0", "a", 500), asked("u0", "d", 501)]
    found = counted(tmp_path, log)
    assert [(each.text, each.users) for each in found.next_after(" A ", MANY)] == [("b", 4)]
    assert [texts(found.next_after(each, MANY)) for each in ("b", "c", "d", "nothing")] == [[], ["d"], [], []]


def test_what_too_few_asked_in_between_breaks_the_chain(tmp_path):
    log = [asked(f"u{n}", text, minute) for n in range(4) for minute, text in enumerate(("a", f"my own {n}", "b"))]
    assert counted(tmp_path, log).next_after("a", MANY) == []


def test_a_moment_with_many_queries_is_no_persons(tmp_path):
    log = [asked(f"u{n}", text, 0) for n in range(4) for text in "abcdefgh"] + by_many("then", 4, 1)
    found = counted(tmp_path, log)
    assert found.total == 9
    assert found.next_after("a", MANY) == []


def test_the_window_and_long_and_blank_texts_are_left_out(tmp_path):
    log = [
        *by_many("old", 3, -10),
        *by_many("new", 3),
        *by_many("x" * 257, 3),
        *by_many(" \t", 3),
        *by_many("x" * (1 << 20), 3),
    ]
    assert texts(counted(tmp_path, log, since=START).beginning("", MANY)) == ["new"]


def test_what_must_not_be_suggested_is_not_kept(tmp_path):
    report = count(
        tmp_path, [*by_many("ada@example.com", 9), *by_many("bad word", 9), *by_many("fine", 3)], screen=Screen(["bad"])
    )
    assert (report.asked, report.screened, report.queries) == (21, 2, {"acme": 1})
    assert texts(statistics_of(tmp_path).beginning("", MANY)) == ["fine"]


def test_what_is_remembered_of_judging_may_be_forgotten_in_between(tmp_path, monkeypatch):
    """Each text is judged again then, and counts once all the same."""
    monkeypatch.setattr(counting, "_REMEMBERED", 1)
    log = [
        each
        for tenant in ("acme", "other")
        for number in range(4)
        for text in ("ada@example.com", "bo@example.com", "Fine", "fine", "good")
        for each in [asked(f"u{number}", text, number, tenant=tenant)]
    ]
    report = count(tmp_path / "few", log)
    assert (report.screened, report.queries) == (4, {"acme": 2, "other": 2})
    monkeypatch.undo()
    assert count(tmp_path / "many", log) == report
    assert content(tmp_path / "few") == content(tmp_path / "many")


def test_entities_and_vectors_are_kept_with_the_queries(tmp_path):
    directions = np.random.default_rng(0).normal(size=(2, 384)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    vectors = dict(zip(("queue", "stack"), directions, strict=True))
    log = [*by_many("stack", 3), *by_many("queue", 4)]
    found = counted(
        tmp_path,
        log,
        link=lambda text: [text, text, "both"],
        embed=lambda asked_for: np.stack([vectors[each] for each in asked_for]),
        model_id="a model",
    )
    assert found.vectors_by == "a model"
    assert texts(found.naming(["both"], MANY)) == ["queue", "stack"]
    assert texts(found.naming(["stack", "both", "none"], 1)) == ["queue"]
    (stack,) = found.naming(["stack"], MANY)
    assert stack.entity_ids == ("stack", "both")
    assert stack.vector is not None
    assert float(stack.vector @ vectors["stack"]) > 0.999
    assert found.naming([], MANY) == []


def test_tenants_have_files_of_their_own_and_those_without_queries_have_none(tmp_path):
    both = [*by_many("a", 3), *(asked(f"u{n}", "b", tenant=".") for n in range(3))]
    count(tmp_path, both)
    assert texts(statistics_of(tmp_path, ".").beginning("", MANY)) == ["b"]
    assert texts(statistics_of(tmp_path).beginning("", MANY)) == ["a"]
    (tmp_path / ".of-gone.sqlite.draft").touch()
    count(tmp_path, by_many("a", 3))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "of-acme.sqlite"]


@pytest.mark.parametrize("k", [1, 0, -1])
def test_a_count_that_would_tell_of_one_user_is_refused(tmp_path, k):
    with pytest.raises(ValueError, match=f"k is {k}: give 2 or more"):
        count(tmp_path, by_many("a", 3), k)
    assert list(tmp_path.iterdir()) == []


def test_a_second_count_at_once_is_refused(tmp_path):
    class Reading:
        def __iter__(self) -> Iterator[Asked]:
            with pytest.raises(QueriesError, match="another count is going on there"):
                count(tmp_path, by_many("a", 3))
            return iter(by_many("a", 3))

    assert count_queries(Reading(), tmp_path, Screen(), START, Plan(3)).queries == {"acme": 1}


def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(QueriesError, match=r"ATTUNE_QUERIES_DIR: .* cannot be written"):
        count(tmp_path / "file" / "below", by_many("a", 3))
