"""Texts of exactly so many tokens, from the tokenizer's own whole words."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from attune.services.cli.measure.errors import BenchError

_LETTERS = range(3, 13)
_SPACE_MARKS = "Ġ▁"  # how byte-level and SentencePiece vocabularies write the space before a word


class Words:
    """A tokenizer's whole words: lower-case ASCII, one token each, wherever they stand in a text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.special_tokens = tokenizer.num_special_tokens_to_add(is_pair=False)
        self.words = self._whole_words()

    @classmethod
    def load(cls, directory: Path) -> "Words":
        """Those of a model directory."""
        return cls(Tokenizer.from_file(str(directory / "tokenizer.json")))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, special tokens included."""
        return [len(ids) for ids in self.token_ids(texts)]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's tokens, special ones included."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def verify(self, texts: Sequence[str], lengths: Sequence[int]) -> None:
        """Raise `BenchError` where a text has another length."""
        for text, actual, wanted in zip(texts, self.lengths(texts), lengths, strict=True):
            if actual != wanted:
                raise BenchError(f"{text[:60]!r} has {actual} tokens, not {wanted}: this is a bug of the bench")

    def _whole_words(self) -> list[str]:
        candidates = sorted({token.lstrip(_SPACE_MARKS) for token in self._tokenizer.get_vocab()})
        words = [word for word in candidates if len(word) in _LETTERS and word.isascii() and word.islower()]
        words = [word for word in words if word.isalpha()]
        twice = self.lengths([f"{word} {word}" for word in words])
        return [word for word, length in zip(words, twice, strict=True) if length == 2 + self.special_tokens]
