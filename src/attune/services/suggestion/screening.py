"""What must not be suggested to anybody, whoever wrote it: personal data, and what the operator denies.

Asked when queries are counted and again before anything is answered: the denylist may be newer than the count, and a
language model may write what nobody asked.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from attune.knowledge_store.normalization import normalize_name
from attune.knowledge_store.personal_data import personal_data
from attune.services.suggestion.denylist import Denylist

_LONGEST = 8192
"""Characters, as many as a query may have bytes: what is longer is none, and is not read."""


class Screen:
    """Judges texts. Immutable, so threads may share one."""

    def __init__(self, denied: Iterable[str] | Denylist = ()) -> None:
        """Raises ValueError for a denied phrase without a letter or digit."""
        self._denylist = denied if isinstance(denied, Denylist) else Denylist.of(denied)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """With the denylist of a file, if there is one. Raises ConfigError, which names file and line."""
        return cls() if path is None else cls(Denylist.load(path))

    def allows(self, text: str) -> bool:
        """Whether the text may be suggested."""
        return self.reason(text) is None

    def reason(self, text: str) -> str | None:
        """What is in a text that must not be suggested, such as "an e-mail address"; None where it may be."""
        if len(text) > _LONGEST:
            return "more text than a query has"
        folded = normalize_name(text)
        return personal_data(folded) or ("a word of the denylist" if self._denylist.holds(folded) else None)
