from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from attune.embeddings.errors import ModelError, TextError
from attune.embeddings.tokenizer import TextTokenizer, Tokenized

CLS, SEP = 2, 3
LIMIT = 10


def load(directory: Path, *, max_tokens: int = LIMIT, lowercase: bool = False) -> TextTokenizer:
    size = vocabulary_size(directory)
    return TextTokenizer.load(directory / "tokenizer.json", vocab_size=size, max_tokens=max_tokens, lowercase=lowercase)


def vocabulary_size(directory: Path) -> int:
    return Tokenizer.from_file(str(directory / "tokenizer.json")).get_vocab_size()


@pytest.fixture(scope="module")
def tokenizer(shared_tiny_model) -> TextTokenizer:
    return load(shared_tiny_model)


def only(results: list[Tokenized | TextError]) -> Tokenized | TextError:
    assert len(results) == 1
    return results[0]


def test_a_text_is_tokenized_without_the_padding_and_truncation_of_its_file(tokenizer):
    tokens = only(tokenizer.tokenize(["the cat sat on a mat"]))
    assert isinstance(tokens, Tokenized)
    assert (tokens.ids[0], tokens.ids[-1]) == (CLS, SEP)
    assert tokens.token_count == len(tokens.ids) == 8
    assert not tokens.truncated


def test_a_long_text_is_cut_before_its_last_special_token(tokenizer):
    words = ["the", "cat", "sat", "on", "a", "mat"] * 3
    whole = only(tokenizer.tokenize([" ".join(words[:8])]))
    cut = only(tokenizer.tokenize([" ".join(words)]))
    assert whole == Tokenized(whole.ids, truncated=False)
    assert cut == Tokenized(whole.ids, truncated=True)


def test_a_long_text_is_an_error_where_truncation_is_not_allowed(tokenizer):
    long = "cat " * 30
    cut, refused, short = tokenizer.tokenize([long, long, "cat"], truncate=[True, False, False])
    assert isinstance(cut, Tokenized)
    assert isinstance(refused, TextError)
    assert (refused.index, refused.reason) == (
        1,
        "the text has 32 tokens, the model takes 10: shorten it or allow truncation",
    )
    assert short == Tokenized(short.ids, truncated=False)


@settings(deadline=None)
@given(count=st.integers(1, 60), reach=st.integers(0, 40))
def test_tokens_that_a_cut_text_goes_on_with_are_given_as_far_as_they_are_asked_for(tokenizer, count, reach):
    text = " ".join((["the", "cat", "sat", "on", "a", "mat"] * 10)[:count])
    everything = only(TextTokenizer(tokenizer._tokenizer, 100).tokenize([text])).ids
    found = only(tokenizer.tokenize([text], reaches=[reach]))
    assert found == Tokenized(only(tokenizer.tokenize([text])).ids, count > LIMIT - 2, found.beyond)
    assert found.ids[:-1] + found.beyond == everything[:-1][: max(LIMIT, reach) - 1]


def test_a_text_of_a_megabyte_is_read_no_further_than_is_asked_for(tokenizer):
    found = only(tokenizer.tokenize(["cat " * (1 << 18)], reaches=[30]))
    assert (len(found.ids), len(found.beyond)) == (LIMIT, 20)


@pytest.mark.parametrize("blank", ["", " ", "\n\t  ", "\u2003\u3000"])
def test_a_blank_text_is_an_error(tokenizer, blank):
    error = only(tokenizer.tokenize([blank]))
    assert isinstance(error, TextError)
    assert error.reason == "the text is empty: send at least one word"


@pytest.mark.parametrize("invisible", ["\x00", "\u200b", "\x07\x08"])
def test_a_text_without_a_token_is_an_error(tokenizer, invisible):
    error = only(tokenizer.tokenize([invisible]))
    assert isinstance(error, TextError)
    assert "no token" in error.reason


@pytest.mark.parametrize("broken", ["\ud800", "cat \udfff dog", "cat\udc80"])
def test_a_lone_surrogate_is_an_error_that_names_its_place(tokenizer, broken):
    error = only(tokenizer.tokenize([broken]))
    assert isinstance(error, TextError)
    place = next(index for index, character in enumerate(broken) if "\ud800" <= character <= "\udfff")
    assert f"lone surrogate at character {place}" in error.reason


def test_the_size_limit_is_in_bytes_not_characters(tokenizer):
    limit = 1 << 20
    fitting, refused = tokenizer.tokenize(["é" * (limit // 2), "é" * (limit // 2) + "e"])
    assert isinstance(fitting, Tokenized)
    assert isinstance(refused, TextError)
    assert refused.reason == f"the text has {limit + 1} bytes, the limit is {limit}: split it into passages"


@settings(deadline=None)
@given(st.lists(st.one_of(st.just("the cat"), st.text(max_size=60), st.sampled_from(["", "\ud800"])), max_size=8))
def test_each_text_is_judged_alone(tokenizer, texts):
    together = tokenizer.tokenize(texts)
    assert len(together) == len(texts)
    for index, (text, result) in enumerate(zip(texts, together, strict=True)):
        alone = only(tokenizer.tokenize([text]))
        if isinstance(result, TextError):
            assert isinstance(alone, TextError)
            assert (result.index, result.reason) == (index, alone.reason)
        else:
            assert result == alone
            assert result.token_count <= LIMIT


def test_no_texts_give_no_results(tokenizer):
    assert tokenizer.tokenize([]) == []


def test_a_prefix_goes_before_its_own_text(tokenizer):
    prefixed, plain = tokenizer.tokenize(["cat", "cat"], prefixes=["old ", ""])
    assert [prefixed, plain] == tokenizer.tokenize(["old cat", "cat"])


def test_a_prefix_does_not_hide_a_blank_text(tokenizer):
    assert isinstance(only(tokenizer.tokenize([" "], prefixes=["old "])), TextError)


def test_lowercasing_is_ours_where_the_model_asks_for_it(shared_tiny_model, tmp_path):
    cased = Tokenizer.from_file(str(shared_tiny_model / "tokenizer.json"))
    cased.normalizer = None
    cased.save(str(tmp_path / "tokenizer.json"))
    plain, lowered = load(tmp_path), load(tmp_path, lowercase=True)
    assert lowered.tokenize(["CAT"]) == plain.tokenize(["cat"]) != plain.tokenize(["CAT"])


def rounded_up(count: int, step: int) -> int:
    return -(-count // step) * step


@pytest.mark.parametrize(
    "rows", [lambda size: size - 1, lambda size: rounded_up(size + 1, 8) + 1, lambda size: 8 * size]
)
def test_a_vocabulary_of_another_size_is_refused(shared_tiny_model, rows):
    size = vocabulary_size(shared_tiny_model)
    with pytest.raises(ModelError, match=rf"tokenizer\.json has a vocabulary of {size} tokens, the embedding matrix"):
        TextTokenizer.load(shared_tiny_model / "tokenizer.json", vocab_size=rows(size), max_tokens=LIMIT)


@pytest.mark.parametrize("step", [8, 64])
def test_a_matrix_may_be_rounded_up(shared_tiny_model, step):
    rows = rounded_up(vocabulary_size(shared_tiny_model) + 1, step)
    TextTokenizer.load(shared_tiny_model / "tokenizer.json", vocab_size=rows, max_tokens=LIMIT)


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"type": "Unheard"}}', "\x00"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a readable tokenizer"):
        TextTokenizer.load(tmp_path / "tokenizer.json", vocab_size=9, max_tokens=LIMIT)


def test_a_limit_without_room_for_a_word_is_refused(shared_tiny_model):
    with pytest.raises(ModelError, match="the limit of 2 tokens leaves no room"):
        load(shared_tiny_model, max_tokens=2)


@pytest.mark.parametrize("text", ["cat sat " * 900, "cat" * 3000, " " * 5000 + "cat mat " * 900, "cat\n" * 2000])
def test_a_long_text_is_cut_as_if_all_of_it_had_been_read(shared_tiny_model, text):
    tokenizer = load(shared_tiny_model)
    plain = Tokenizer.from_file(str(shared_tiny_model / "tokenizer.json"))
    plain.no_truncation()
    plain.no_padding()
    whole = plain.encode(text).ids
    [found] = tokenizer.tokenize([text])
    if len(whole) > LIMIT:
        assert (found.ids, found.truncated) == ((*whole[: LIMIT - 1], whole[-1]), True)
    else:
        assert (found.ids, found.truncated) == (tuple(whole), False)
    [refused] = tokenizer.tokenize([text], truncate=[False])
    assert isinstance(refused, TextError) == (len(whole) > LIMIT)


@settings(deadline=None)
@given(count=st.integers(1, 60))
def test_what_is_taken_of_a_text_is_all_that_is_read(tokenizer, count):
    words = (["the", "cat", "sat", "on", "a", "mat"] * 10)[:count]
    [taken] = tokenizer.taken([" ".join(words)])
    assert taken == " ".join(words[: LIMIT - 2])
    assert only(tokenizer.tokenize([taken])).ids == only(tokenizer.tokenize([" ".join(words)])).ids


def test_what_is_taken_after_a_prefix_is_the_texts_own(tokenizer):
    assert tokenizer.taken(["cat " * 3, "cat " * 60], "old ") == ["cat " * 3, "cat " * (LIMIT - 4) + "cat"]
