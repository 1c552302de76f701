"""Text to token ids, each text judged for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Self

from tokenizers import Encoding, Tokenizer

from attune.embeddings.errors import ModelError, TextError

MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True)
class Tokenized:
    """A text's ids, special tokens included, cut to the model's limit when `truncated`; `beyond` are those after it,
    as far as they were asked for.
    """

    ids: tuple[int, ...]
    truncated: bool
    beyond: tuple[int, ...] = ()

    @property
    def token_count(self) -> int:
        """How many tokens the model sees, special tokens included."""
        return len(self.ids)


_MOST_SPARE_ROWS, _ROUNDED_TO = 127, 8
_HEAD_CHARACTERS_PER_TOKEN = 16


class TextTokenizer:
    """A model's tokenizer with its own limit. Whatever padding and truncation its file stores is not applied.

    Raises `ModelError` when `max_tokens` leaves no room beside the special tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_tokens: int, *, lowercase: bool = False, max_bytes: int = MAX_TEXT_BYTES
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._lowercase = lowercase
        self._max_bytes = max_bytes
        self.max_tokens = max_tokens
        self._special_count = tokenizer.num_special_tokens_to_add(is_pair=False)  # BERT: [CLS] and [SEP]
        if max_tokens <= self._special_count:
            raise ModelError(f"the limit of {max_tokens} tokens leaves no room for a word: raise max_seq_length")

    @classmethod
    def load(cls, file: Path, *, vocab_size: int, max_tokens: int, lowercase: bool = False) -> Self:
        """Read a tokenizer.json. Raises `ModelError` when it is damaged, or its vocabulary is not `vocab_size` large.

        A number of rows that is a multiple of 8 may be that of the tokens, rounded up for speed.
        """
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain Exception for every damage
            raise ModelError(f"{file} is not a readable tokenizer ({error}): copy it again") from error
        actual = tokenizer.get_vocab_size(with_added_tokens=True)
        spare = vocab_size - actual
        if spare and not (0 < spare <= _MOST_SPARE_ROWS and vocab_size % _ROUNDED_TO == 0):
            raise ModelError(
                f"{file} has a vocabulary of {actual} tokens, the embedding matrix {vocab_size} rows: "
                "use the tokenizer.json that belongs to this model"
            )
        return cls(tokenizer, max_tokens, lowercase=lowercase)

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        prefixes: Sequence[str] = (),
        truncate: Sequence[bool] = (),
        reaches: Sequence[int] = (),
    ) -> list[Tokenized | TextError]:
        """Each text's tokens, or why it has none: blank, too large, not valid Unicode, or too long for the model.

        `prefixes` (one a text) are put before the texts. `truncate` (one a text, true by default) says whether a text
        of more than `max_tokens` is cut or is an error. Of one that is cut, those tokens that the model does not take
        are `beyond`, up to its place in `reaches` (one a text, none by default).
        """
        results: list[Tokenized | TextError | None] = [self._problem(index, text) for index, text in enumerate(texts)]
        valid = [index for index, problem in enumerate(results) if problem is None]
        cut = [truncate[index] if truncate else True for index in valid]
        prepared = [self._prepare(texts[index], prefixes[index] if prefixes else "") for index in valid]
        reach = [max(reaches[index] if reaches else 0, self.max_tokens) for index in valid]
        for index, encoding, far, may_cut in zip(valid, self._encoded(prepared, cut, reach), reach, cut, strict=True):
            results[index] = self._limit(index, encoding, far, truncate=may_cut)
        return [result for result in results if result is not None]

    def taken(self, texts: Sequence[str], prefix: str = "") -> list[str]:
        """What the model takes of each text, after the prefix: all of it, or the beginning of one that is cut.

        Of a model that reads small letters, in these.
        """
        prepared = [self._prepare(text, prefix) for text in texts]
        found = []
        for text, encoding in zip(prepared, self._tokenizer.encode_batch(prepared), strict=True):
            kept = encoding.offsets[: self.max_tokens - len(_trailing_special_ids(encoding))]
            end = max((end for _, end in kept), default=0) if len(encoding.ids) > self.max_tokens else len(text)
            found.append(text[len(prefix) : end])
        return found

    def written(self, token: int) -> str:
        """A token as the vocabulary writes it; a continued word's part begins with "##" in BERT's."""
        return self._tokenizer.id_to_token(token) or ""

    def _encoded(self, texts: Sequence[str], cut: Sequence[bool], reach: Sequence[int]) -> list[Encoding]:
        """The encodings, or of a long text that may be cut one that begins in the same way and is long enough to be.

        Reading a megabyte to keep 256 tokens takes a second, in which nobody else's text is read.
        """
        heads = [
            _beginning(text, far) if may_cut else text for text, far, may_cut in zip(texts, reach, cut, strict=True)
        ]
        encodings = list(self._tokenizer.encode_batch_fast(heads))
        for place, (head, text) in enumerate(zip(heads, texts, strict=True)):
            if len(head) < len(text) and len(encodings[place].ids) <= reach[place]:
                [encodings[place]] = self._tokenizer.encode_batch_fast([text])
        return encodings

    def _prepare(self, text: str, prefix: str) -> str:
        joined = prefix + text
        return joined.lower() if self._lowercase else joined

    def _problem(self, index: int, text: str) -> TextError | None:
        if not text or text.isspace():
            return TextError(index, "the text is empty: send at least one word")
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            return TextError(index, f"the text has a lone surrogate at character {error.start}: send valid Unicode")
        if size > self._max_bytes:
            return TextError(
                index, f"the text has {size} bytes, the limit is {self._max_bytes}: split it into passages"
            )
        return None

    def _limit(self, index: int, encoding: Encoding, reach: int, *, truncate: bool) -> Tokenized | TextError:
        ids = encoding.ids
        if len(ids) <= self._special_count:
            return TextError(index, "the text has no token that the model knows of: send at least one word")
        if len(ids) <= self.max_tokens:
            return Tokenized(tuple(ids), truncated=False)
        if not truncate:
            reason = (
                f"the text has {len(ids)} tokens, the model takes {self.max_tokens}: shorten it or allow truncation"
            )
            return TextError(index, reason)
        suffix = _trailing_special_ids(encoding)
        end = self.max_tokens - len(suffix)
        beyond = ids[end : min(reach, len(ids)) - len(suffix)]
        return Tokenized((*ids[:end], *suffix), truncated=True, beyond=tuple(beyond))


def _beginning(text: str, tokens: int) -> str:
    """The words that a long text begins with, enough for so many tokens; all of it, where they do not end in time."""
    limit = _HEAD_CHARACTERS_PER_TOKEN * tokens
    if len(text) <= 2 * limit:
        return text
    return text[:limit].rpartition(" ")[0] or text


def _trailing_special_ids(encoding: Encoding) -> list[int]:
    """The special tokens that end the sequence ([SEP] in BERT), which truncation keeps."""
    count = sum(1 for _ in takewhile(bool, reversed(encoding.special_tokens_mask)))
    return encoding.ids[len(encoding.ids) - count :]
