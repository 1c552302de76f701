"""Pairs of similar texts, and which of them are kept back."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from attune.embeddings.errors import EmbeddingsError

FEWEST_EXAMPLES = 32
_FOLDS = 1000


class TrainingDataError(EmbeddingsError):
    """What an expert is to be trained on cannot be used: the message names file, line, field and mend."""


@dataclass(frozen=True)
class TextPair:
    """Two texts that belong together: a question and its answer, two abstracts cited together."""

    a: str
    b: str


@dataclass(frozen=True)
class ReadPairs:
    """The different pairs of some files, in order, and why lines are not among them: one sentence for each."""

    pairs: list[TextPair]
    skipped: list[str]


def read_pairs(files: Iterable[Path]) -> ReadPairs:
    """The pairs of JSONL files: {"a": text, "b": text} on each line; other fields are let be.

    Lines with an empty text, or twice the same one, are skipped: most collections have some. Raises `TrainingDataError`
    for a file that cannot be read, for a line that is not such an object, and where more lines are skipped than not.
    """
    pairs: dict[TextPair, None] = {}
    skipped: list[str] = []
    for file in files:
        for number, line in enumerate(_lines(file), start=1):
            read = _pair(line, f"{file}, line {number}")
            if isinstance(read, TextPair):
                pairs[read] = None
            else:
                skipped.append(read)
    if len(skipped) > len(pairs):
        raise TrainingDataError(f"{len(skipped)} lines have no pair, {len(pairs)} have one; the first: {skipped[0]}")
    return ReadPairs(list(pairs), skipped)


def held_back(pairs: Sequence[TextPair], share: float) -> tuple[list[TextPair], list[TextPair]]:
    """The pairs to train on, and those kept back: all pairs of about that share of the first texts, always the same.

    No two texts that are kept back together are trained on together, whichever comes first. A second text may be in
    both, as a collection is known when its new documents, or its queries, are not.
    """
    kept = [pair for pair in pairs if _fold(pair.a) < share * _FOLDS]
    firsts, together = {pair.a for pair in kept}, {frozenset((pair.a, pair.b)) for pair in kept}
    return [pair for pair in pairs if pair.a not in firsts and frozenset((pair.a, pair.b)) not in together], kept


def check_enough(examples: Sequence[object], what: str) -> None:
    """Raises `TrainingDataError` for fewer examples than can train or judge an expert."""
    if len(examples) < FEWEST_EXAMPLES:
        raise TrainingDataError(
            f"{len(examples)} {what}: at least {FEWEST_EXAMPLES} are needed; give more, or leave the domain to the "
            "general expert"
        )


def digest(texts: Iterable[str]) -> str:
    """The sha256 of texts in their order, in hexadecimal."""
    found = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        found.update(len(encoded).to_bytes(8, "little") + encoded)
    return found.hexdigest()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TrainingDataError(f"{file} cannot be read ({error.strerror}): give a file of pairs") from error
    except UnicodeDecodeError as error:
        raise TrainingDataError(f"{file}: byte {error.start} is not UTF-8: convert the file") from error


def _pair(line: str, place: str) -> TextPair | str:
    """The pair, or why there is none."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise TrainingDataError(f'{place}: not JSON ({error}): write {{"a": text, "b": text}} on each line') from error
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in ("a", "b")):
        raise TrainingDataError(f'{place}: no texts a and b: write {{"a": text, "b": text}} on each line')
    first, second = (fields[name].strip() for name in ("a", "b"))
    if not first or not second:
        return f"{place}, field {'b' if first else 'a'}: no text; fill it, or remove the line"
    if first == second:
        return f"{place}: a and b are the same text; remove the line"
    return TextPair(first, second)


def _fold(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) % _FOLDS
