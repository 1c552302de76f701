"""The names that an entity can be called by: its label, its aliases, and what English makes of them. (Rules: ours.)

- VARIANT: without a leading "The" or a company's ending, regular plural, the other apostrophe, hyphen or space; a
  proper name without its accents.
- ACRONYM: an alias of up to three capitals ("DR": "Dr" is something else); the initials of three capitalised words or
  more ("IMF", "I.M.F."), of two with dots only ("U.N.").
- DEMONYM: what comes from a place (demonyms.txt, and the regular endings): "Iraqi", "Canadian".
- PART: words from the beginning or the end of a name whose words are all capitalised ("Nardelli", "Surrey"); what
  stands before the first small word ("Belgium" of "Belgium national football team").
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from importlib.resources import files

from attune.knowledge_store.model import Entity
from attune.knowledge_store.normalization import normalize_name

LONGEST_DERIVED = 80
"""Longer labels, in characters, are titles of works or sentences: nothing is derived from them."""
_MOST_WORDS = 8
_LARGEST_ACRONYM = 5
_DOTTED_ONLY = 2
_SHORT_ALIAS = 3
_PARTICLE = re.compile(
    r"of|the|and|for|in|on|at|by|to|de|da|do|dos|del|della|di|du|la|le|van|von|der|den|bin|al|el|y|e"
    r"|&"
)
_COMPANY_ENDING = re.compile(r"inc|inc\.|corp|corp\.|corporation|company|co|co\.|ltd|ltd\.|plc|llc|group|holdings")
_PLACE_ENDINGS = (("ia", ("ian",)), ("a", ("an", "ian")), ("o", ("an",)), ("e", ("ean",)), ("", ("i", "ese", "ian")))
_LETTERS = str.maketrans("\u00f8\u00d8\u0142\u0141\u0111\u0110\u0131\u00df", "oOlLdDis")  # have no decomposition
_SPELLED_OUT = re.compile("[\u00e4\u00f6\u00fc\u00c4\u00d6\u00dc\u00f8]")
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")


class NameKind(IntEnum):
    """How a name came about, the most certain first."""

    LABEL = 0
    ALIAS = 1
    VARIANT = 2
    ACRONYM = 3
    DEMONYM = 4
    PART = 5


def names_of(entity: Entity) -> dict[str, NameKind]:
    """The entity's names in their normalised form, each with its most certain kind. Deterministic, in that order."""
    names: dict[str, NameKind] = {}
    _add(names, NameKind.LABEL, entity.label)
    aliases = tuple(dict.fromkeys(entity.aliases))
    for alias in aliases:
        is_short = len(alias) <= _SHORT_ALIAS and alias.isupper()
        _add(names, NameKind.ACRONYM if is_short else NameKind.ALIAS, alias)
    label = entity.label.strip()
    if len(label) <= LONGEST_DERIVED:
        for kind, derived in _derived(label):
            _add(names, kind, derived)
    for alias in aliases:
        for adjective in _demonyms().get(alias, ()):
            _add(names, NameKind.DEMONYM, adjective)
    return names


def _add(names: dict[str, NameKind], kind: NameKind, name: str) -> None:
    key = normalize_name(name)
    if key:
        names.setdefault(key, kind)


def _derived(label: str) -> Iterator[tuple[NameKind, str]]:
    words = label.replace(",", " ").split()
    if len(words) > _MOST_WORDS or not words:
        return
    is_proper = all(word[0].isupper() or _PARTICLE.fullmatch(word.lower()) for word in words) and words[0][0].isupper()
    yield from ((NameKind.VARIANT, name) for name in _variants(label, words, is_proper=is_proper))
    if not is_proper:
        yield from ((NameKind.PART, name) for name in _beginning(words))
        return
    yield from ((NameKind.ACRONYM, name) for name in _acronyms(words))
    yield from ((NameKind.DEMONYM, name) for name in _adjectives(label))
    yield from ((NameKind.PART, name) for name in _parts(words))


def _variants(label: str, words: list[str], *, is_proper: bool) -> Iterator[str]:
    if words[0].lower() == "the" and len(words) > 1:
        yield " ".join(words[1:])
    if len(words) > 1 and _COMPANY_ENDING.fullmatch(words[-1].lower()):
        yield " ".join(words[:-1])
    if "'" in label:
        yield label.replace("'", "\u2019")
    if "-" in label:
        yield label.replace("-", " ")
    if is_proper and not label.isascii():
        yield from _without_accents(label)
    if not is_proper and label.isascii() and label[-1].isalpha() and label.islower():
        yield plural(label)


def _without_accents(label: str) -> Iterator[str]:
    """As typed where there are no accents, and as German does it."""
    for spelled in (label, _SPELLED_OUT.sub(lambda match: f"{match.group()}e", label)):
        folded = unicodedata.normalize("NFKD", spelled.translate(_LETTERS))
        yield "".join(character for character in folded if not unicodedata.combining(character))


def _beginning(words: list[str]) -> Iterator[str]:
    """The capitalised words before the first small one."""
    cut = next((i for i, word in enumerate(words) if not word[0].isupper()), len(words))
    if 0 < cut < len(words) and not _PARTICLE.fullmatch(words[cut].lower()) and _tells(words[:cut]):
        yield " ".join(words[:cut])


def plural(name: str) -> str:
    """The regular English plural."""
    if _SIBILANT.search(name):
        return f"{name}es"
    return f"{name[:-1]}ies" if _CONSONANT_Y.search(name) else f"{name}s"


def _acronyms(words: list[str]) -> Iterator[str]:
    initials = [word[0] for word in words if not _PARTICLE.fullmatch(word.lower()) and word[0].isalpha()]
    if not _DOTTED_ONLY <= len(initials) <= _LARGEST_ACRONYM:
        return
    yield ".".join(initials) + "."
    yield ".".join(initials)
    if len(initials) > _DOTTED_ONLY:
        yield "".join(initials)


def _adjectives(label: str) -> Iterator[str]:
    known = _demonyms().get(label)
    if known is not None:
        yield from known
        return
    if " " in label or not label.isascii():
        return
    for ending, adjectives in _PLACE_ENDINGS:
        if label.endswith(ending):
            stem = label[: len(label) - len(ending)]
            yield from (stem + adjective for adjective in adjectives)
            return


def _parts(words: list[str]) -> Iterator[str]:
    for cut in range(1, len(words)):
        for part in (words[cut:], words[:cut]):
            if not _PARTICLE.fullmatch(part[0].lower()) and not _PARTICLE.fullmatch(part[-1].lower()) and _tells(part):
                yield " ".join(part)


def _tells(part: list[str]) -> bool:
    """Whether it says more than an initial or a number."""
    return any(len(word.strip(".")) > 1 and word[0].isalpha() for word in part)


@lru_cache(maxsize=1)
def _demonyms() -> dict[str, tuple[str, ...]]:
    """Places with what comes from them, the irregular and the most common ones: one tab-separated line each."""
    lines = files("attune.knowledge_store").joinpath("demonyms.txt").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return {place: tuple(adjectives) for place, *adjectives in rows}
