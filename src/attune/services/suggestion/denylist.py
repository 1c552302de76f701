"""Words that are never suggested: a file with a word or phrase a line.

What is compared is folded as names are (knowledge_store/normalization.py), so that case, the coding of accents, wide
letters and invisible characters make no difference. A phrase is found between boundaries of words; one in a script that
puts no spaces between words is found anywhere.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from attune.knowledge_store.normalization import normalize_name
from attune.services.runtime.config import ConfigError

_LONGEST = 256
_COMMENT = "#"
# Thai to Khmer, kana, and the ideographs of Chinese, Japanese and Korean.
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Denylist:
    """Folded phrases."""

    phrases: frozenset[tuple[str, ...]] = frozenset()
    """Each as its words."""
    parts: tuple[str, ...] = ()
    """Those that are found inside of words too."""
    longest: int = 0
    """Words of the longest phrase."""

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Raises ValueError for an entry without a letter or digit, which would be found nowhere."""
        phrases, parts = set(), []
        for entry in entries:
            folded = normalize_name(entry)
            words = tuple(_words(folded))
            if not words:
                raise ValueError("there is no letter or digit in it")
            if _WITHOUT_SPACES.search(folded):
                parts.append(" ".join(words))
            else:
                phrases.add(words)
        return cls(frozenset(phrases), tuple(parts), max(map(len, phrases), default=0))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file in UTF-8; blank lines and those that begin with # are passed over.

        Raises:
            ConfigError: it cannot be read, or a line is wrong; it names file and line.
        """
        entries = []
        for number, line in enumerate(_lines(path), start=1):
            entry = line.strip()
            if not entry or entry.startswith(_COMMENT):
                continue
            try:
                cls.of([entry])
            except ValueError as error:
                raise _wrong(path, number, f"{error}; write a word or phrase") from error
            if len(entry) > _LONGEST:
                raise _wrong(path, number, f"longer than {_LONGEST} characters; write one word or phrase a line")
            entries.append(entry)
        return cls.of(entries)

    def holds(self, folded: str) -> bool:
        """Whether one of the phrases is in a folded text."""
        if not self.phrases and not self.parts:
            return False
        words = _words(folded)
        joined = " ".join(words) if self.parts else ""
        return any(part in joined for part in self.parts) or any(
            gram in self.phrases for gram in _grams(words, self.longest)
        )


def _words(folded: str) -> list[str]:
    """Letters and digits with the marks on them, composed: else "pena" with a tilde would hold the word "pen"."""
    composed = unicodedata.normalize("NFC", folded)
    return "".join(each if _is_of_word(each) else " " for each in composed).split()


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _grams(words: Sequence[str], longest: int) -> Iterator[tuple[str, ...]]:
    for start in range(len(words)):
        gram = tuple(words[start : start + longest])
        yield from (gram[:end] for end in range(1, len(gram) + 1))


def _lines(path: Path) -> Iterator[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"ATTUNE_DENYLIST_PATH: {path} cannot be read ({error.strerror}); name a text file, or leave it unset"
        ) from error
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise _wrong(path, number, "not UTF-8; save the file as UTF-8") from error


def _wrong(path: Path, number: int, trouble: str) -> ConfigError:
    return ConfigError(f"ATTUNE_DENYLIST_PATH: {path}, line {number}: {trouble}")
