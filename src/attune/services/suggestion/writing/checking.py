"""What of a model's suggestions may be shown: plausible queries that are new here, and nothing that a page dictated.

A model reads text of strangers and may obey it. So nothing is believed of what it writes: a suggestion is a short
query in the context's writing, or it is dropped.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from attune.services.suggestion.known import Situation, normalised
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.writing.addresses import domains_in, has_address, other_domains
from attune.services.suggestion.writing.languages import speaks_another
from attune.services.suggestion.writing.model import Task
from attune.services.suggestion.writing.prompt import PAGE_CHARACTERS

_MOST_WORDS = 20
_MOST_CHARACTERS = 200
_MOST_RATIONALE = 300
_COPIED_WORDS = 6
"""So many words in a row, as they stand in the page, are its text; but for what the user typed before."""
_ALIKE = 0.8

_ROLES = re.compile(
    r"(?i)<\|?/?\s*(?:im_start|im_end|system|user|assistant|start_of_turn|end_of_turn|endoftext|s)\b[^>]*>?"
    r"|\[/?(?:INST|SYS)\]|^\s*(?:system|assistant|user|human|ai)\s*:|#{2,}\s*(?:system|instruction|response)"
)
_ORDERS = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules|above|previous)\b"
    r"|\b(?:system|developer) prompt\b|\bas an ai\b|\byou are now\b|\bjailbreak"
)
"""Orders to a model. People ask for such things as well: how to ignore files by rules, what a system prompt is."""
_MARKUP = re.compile(
    r"(?i)</?(?:a|audio|b|base|body|br|div|embed|form|html|i|iframe|img|input|link|meta|object|p|script|span|style|svg|u"
    r"|video)\b(?:\s[^<>]*)?/?>?|<!--"
)
"""Of pages, and not all that is in angle brackets: `vector<int>` is asked for."""
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # words of Persian and Indic scripts, and emoji, have them inside


class Checks:
    """The checks of one answer; it remembers what it let through."""

    def __init__(self, task: Task, screen: Screen) -> None:
        situation = task.situation
        self._task = task
        self._screen = screen
        self._asked = {normalised(each) for each in (situation.query, *situation.previous_queries)}
        own = (situation.query, *situation.previous_queries)
        page = situation.page_text[:PAGE_CHARACTERS]
        self._page = f" {' '.join(_words(page))} "
        self._own_runs = {run for each in own for run in _runs(each)}
        self._label_domains = _domains(entity.label for entity in situation.entities)
        self._domains = self._label_domains | _domains((*own, situation.page_title))
        self._user_markup = any(_MARKUP.search(each) for each in own)
        self._user_orders = any(_ORDERS.search(each) for each in own)
        self._page_orders = any(_ORDERS.search(each) for each in (situation.page_title, page))
        self._scripts = _scripts(_context(situation))
        self._context = _words(" ".join((situation.query, *situation.previous_queries, situation.page_title)))
        self._kept: list[frozenset[str]] = []

    def problem(self, text: str) -> str:
        """Why a suggestion is dropped; empty for one that is kept, and counts as kept from now on."""
        problem = self._form(text) or self._content(text)
        if not problem:
            self._kept.append(frozenset(_words(text)))
        return problem

    def rationale(self, text: str) -> str:
        """The rationale, or nothing where it may not be shown: the suggestion stands without it."""
        shown = " ".join(text.split())
        is_foul = _is_foul(shown) or bool(other_domains(shown, self._label_domains)) or self._copies_page(shown)
        is_foul = is_foul or bool(_MARKUP.search(shown))
        if len(shown) > _MOST_RATIONALE or is_foul or self._obeys(shown) or not self._screen.allows(shown):
            return ""
        return shown

    def _form(self, text: str) -> str:
        words = text.split()
        if not any(each.isalnum() for each in text):
            return "wrote no words"
        if len(text) > _MOST_CHARACTERS or len(words) > _MOST_WORDS:
            return "wrote texts that are too long for queries"
        if _is_foul(text) or other_domains(text, self._domains) or self._copies_page(text):
            return "wrote what is no query"
        if self._page_orders and self._obeys(text):
            return "wrote what is no query"
        if not self._user_markup and _MARKUP.search(text):
            return "wrote markup"
        return ""

    def _content(self, text: str) -> str:
        if normalised(text) in self._asked:
            return "only repeated the session"
        if self._scripts and not self._is_in_script(text):
            return "wrote in another script than the context's"
        if speaks_another(_words(text), self._context):
            return "wrote in another language than the context's"
        if not (self._screen.allows(text) and self._task.allows(text)):
            return "only wrote what may not be shown or the user has removed"
        if self._is_kept(text):
            return "repeated itself"
        return ""

    def _is_in_script(self, text: str) -> bool:
        """Names in Latin letters stand in queries of any script, but make none by themselves."""
        used = _scripts([text])
        return not used or bool(used & self._scripts and used - {"LATIN"} <= self._scripts)

    def _copies_page(self, text: str) -> bool:
        return any(f" {run} " in self._page for run in _runs(text) - self._own_runs)

    def _obeys(self, text: str) -> bool:
        """Whether it has an order to a model, which the user did not bring up."""
        return not self._user_orders and bool(_ORDERS.search(text))

    def _is_kept(self, text: str) -> bool:
        """Whether it is near one that was kept: the same words but for one of five, in any order."""
        words = frozenset(_words(text))
        return any(len(words & kept) >= _ALIKE * len(words | kept) for kept in self._kept)


def _is_foul(text: str) -> bool:
    return bool(
        any(unicodedata.category(each) in _UNSEEN and each not in _JOINERS for each in text)
        or has_address(text)
        or _ROLES.search(text)
    )


def _context(situation: Situation) -> Sequence[str]:
    labels = (entity.label for entity in situation.entities)
    return (
        situation.query,
        *situation.previous_queries,
        situation.page_title,
        situation.page_text[:PAGE_CHARACTERS],
        situation.summary,
        *labels,
    )


def _words(text: str) -> list[str]:
    """Words and signs of names (c++, .net), folded."""
    return re.findall(r"[\w+#]+", unicodedata.normalize("NFKC", text).casefold())


def _domains(texts: Iterable[str]) -> set[str]:
    return {each for text in texts for each in domains_in(text)}


def _runs(text: str) -> set[str]:
    """All that stand in it of so many words in a row that they are copied."""
    words = _words(text)
    return {" ".join(words[at : at + _COPIED_WORDS]) for at in range(len(words) - _COPIED_WORDS + 1)}


def _scripts(texts: Iterable[str]) -> frozenset[str]:
    """The scripts of the letters, such as LATIN; as Unicode's names begin. Those that Japanese mixes are one."""
    letters = {each for text in texts for each in unicodedata.normalize("NFKC", text) if each.isalpha()}
    named = {unicodedata.name(each, "UNKNOWN").partition(" ")[0].partition("-")[0] for each in letters}
    return frozenset("CJK" if each in {"HIRAGANA", "KATAKANA", "CJK", "IDEOGRAPHIC"} else each for each in named)
