"""One user's next summary: the store read, put into words by a writer, and kept unless it comes too late.

A writer may be a language model, and take seconds: nothing of the store is held open meanwhile.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.folding import fold
from attune.knowledge_store.model import FROM_STORE, Summary, UserKey
from attune.knowledge_store.redirects import Redirects
from attune.knowledge_store.store import Store
from attune.knowledge_store.summary import EVERY, Portrait, in_words, is_old

_LABEL_CHARACTERS = 80
# Control characters, marks that turn the direction of what follows, and halves of a character.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Words:
    """What a writer wrote, and who it is: FROM_STORE, or the name of a language model."""

    text: str
    made_by: str = FROM_STORE


Writer = Callable[[Portrait, Callable[[str], str]], Words]
"""Puts a portrait into words, given the label of each of its entity ids."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A summary, and under which ids the user's record holds the entities that it may name."""

    summary: Summary
    entity_ids: frozenset[str]


def words_from_store(portrait: Portrait, label: Callable[[str], str]) -> Words:
    """The writer that needs no language model."""
    return Words(in_words(portrait, label))


def summarize(
    store: Store, catalog: Catalog, user: UserKey, now: datetime, every: int = EVERY, write: Writer = words_from_store
) -> Summary | None:
    """Makes the user's next summary and keeps it.

    None where nothing was kept: the one there is still does, the user does not allow any, has no entity that the
    catalog knows, or was forgotten meanwhile, or another process has made the next one meanwhile. Raises StoreError.
    """
    if not is_old(store.summary(user), store.profile(user).events, every) or not store.allows(user, Purpose.SUMMARY):
        return None
    draft = next_summary(store, catalog, user, now, write)
    if draft is None or not store.put_summary(user, draft.summary, draft.entity_ids):
        return None
    return draft.summary


def next_summary(
    store: Store, catalog: Catalog, user: UserKey, now: datetime, write: Writer = words_from_store
) -> Draft | None:
    """The summary that follows the user's last one, as of `now`; None where there is nothing to tell.

    Entities that the catalog does not have are left out: nobody could read their ids. Merged ones are told as one.
    """
    last = store.summary(user)
    events = store.profile(user).events  # before the states: the watermark may be too low, and never too high
    states = store.view(user).states
    known = [state for state in fold(states.values(), catalog.redirects) if state.entity_id in catalog]
    portrait = Portrait.of(known, now)
    if not portrait.entity_ids:
        return None
    words = write(portrait, lambda entity_id: _label(catalog, entity_id))
    version = 1 if last is None else last.version + 1
    summary = Summary(words.text, version, events, now, words.made_by)
    return Draft(summary, _held(states, portrait.entity_ids, catalog.redirects))


def plain(text: str) -> str:
    """The text on one line, without what no reader sees or no encoder takes."""
    return " ".join(_UNFIT.sub(" ", text).split())


def _label(catalog: Catalog, entity_id: str) -> str:
    return plain(catalog[entity_id].label)[:_LABEL_CHARACTERS].rstrip() or entity_id


def _held(entity_ids: Collection[str], told: Collection[str], redirects: Redirects) -> frozenset[str]:
    return frozenset(entity_id for entity_id in entity_ids if redirects.resolve(entity_id) in told)
