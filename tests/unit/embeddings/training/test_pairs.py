import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.training.pairs import TextPair, TrainingDataError, check_enough, digest, held_back, read_pairs

words = st.text("abcdef", min_size=1, max_size=3)


def written(directory: Path, *lines: object) -> Path:
    file = directory / "pairs.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def test_pairs_are_read_once_each_in_order(tmp_path):
    file = written(tmp_path, {"a": "x ", "b": "y"}, {"a": "p", "b": "q", "more": 1}, {"a": "x", "b": "y"})
    assert read_pairs([file, file]).pairs == [TextPair("x", "y"), TextPair("p", "q")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"a": "same", "b": " same"}, "line 3: a and b are the same text; remove the line"),
        ({"a": "", "b": "y"}, "line 3, field a: no text; fill it, or remove the line"),
        ({"a": "x", "b": "  "}, "line 3, field b: no text; fill it, or remove the line"),
    ],
)
def test_lines_without_two_texts_are_skipped_with_a_reason(tmp_path, line, reason):
    read = read_pairs([written(tmp_path, {"a": "x", "b": "y"}, {"a": "p", "b": "q"}, line)])
    assert len(read.pairs) == 2
    assert [each.endswith(reason) for each in read.skipped] == [True]


def test_a_file_of_nothing_but_such_lines_is_refused(tmp_path):
    with pytest.raises(TrainingDataError, match=r"2 lines have no pair, 1 have one; the first: .*line 1, field a"):
        read_pairs([written(tmp_path, {"a": "", "b": ""}, {"a": "x", "b": "x"}, {"a": "x", "b": "y"})])


@pytest.mark.parametrize("line", ["{", "[1]", '{"a": "x"}', '{"a": 1, "b": "y"}'])
def test_a_line_that_is_no_pair_of_texts_is_refused(tmp_path, line):
    with pytest.raises(TrainingDataError, match="line 2: no"):
        read_pairs([written(tmp_path, {"a": "x", "b": "y"}, line)])


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_pairs([tmp_path / "gone.jsonl"])
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": "caf\xe9", "b": "y"}')
    with pytest.raises(TrainingDataError, match="byte 10 is not UTF-8: convert the file"):
        read_pairs([tmp_path / "latin.jsonl"])


@given(st.lists(st.builds(TextPair, words, words), max_size=60), st.floats(0, 1))
def test_nothing_that_is_kept_back_is_trained_on(pairs, share):
    train, kept = held_back(pairs, share)
    assert not {pair.a for pair in kept} & {pair.a for pair in train}
    assert not {frozenset((pair.a, pair.b)) for pair in kept} & {frozenset((pair.a, pair.b)) for pair in train}
    assert held_back(pairs, share) == (train, kept)


def test_about_the_share_is_kept_back():
    _, kept = held_back([TextPair(f"a{number}", f"b{number}") for number in range(2000)], 0.1)
    assert 150 < len(kept) < 250


def test_too_few_examples_are_refused():
    with pytest.raises(TrainingDataError, match="20 pairs in x: at least 32 are needed; give more"):
        check_enough(range(20), "pairs in x")


def test_digests_tell_texts_apart():
    assert len({digest([]), digest([""]), digest(["a", "b"]), digest(["ab"]), digest(["b", "a"])}) == 5
