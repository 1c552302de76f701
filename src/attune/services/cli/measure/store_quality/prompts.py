"""What a user costs in a prompt: the summary and the top entities, against the user's whole history.

Of the top entities those count that the summary does not name: a prompt need not say them twice. A history is what the
user wrote, a line for each event. Tokens are word pieces of the packaged model's tokenizer, to which the ends of lines
are none.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import numpy as np

from attune.embeddings.weights import resolve_model
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.model import Interaction, UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.summarizing import next_summary
from attune.services.cli.measure.report import Row

BAR = 0.25
TOP = 10
JOINED = (100, 200, 400)
_SPANS = (1, 10, 25, 50, 100, 200, 400, sys.maxsize)
CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class PromptSize:
    """One user: events, and tokens of the summary, of the labels of the other top entities, and of the history."""

    events: int
    summary: int
    top: int
    history: int

    @property
    def ratio(self) -> float:
        """Of summary and top entities to the history."""
        return (self.summary + self.top) / self.history


def token_counter() -> CountTokens:
    """Counts word pieces, special tokens left out. Raises ModelError where the packaged model is not installed."""
    file = resolve_model(None) / "tokenizer.json"
    from tokenizers import Tokenizer  # noqa: PLC0415 - an extra, which the packaged model belongs to

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text.encode(errors="replace").decode(), add_special_tokens=False).ids)


def prompt_sizes(store: Store, catalog: Catalog, events: Sequence[Interaction], count: CountTokens) -> list[PromptSize]:
    """One for each user of the events who has a summary, as of the last event; the store has learned them all."""
    histories: defaultdict[UserKey, list[str]] = defaultdict(list)
    for event in events:
        histories[event.user].append(event.user_query)
    sizes = []
    for user, history in histories.items():
        draft = next_summary(store, catalog, user, events[-1].occurred_at)
        if draft is not None:
            top = [state.entity_id for state in store.entities(user) if state.weight > 0][:TOP]
            words = draft.summary.text
            labels = ", ".join(label for each in top if (label := catalog[each].label) not in words)
            sizes.append(PromptSize(len(history), *map(count, (words, labels, "\n".join(history)))))
    return sizes


def joined(events: Sequence[Interaction], size: int, seed: int) -> list[Interaction]:
    """The same events, users at random put together to longer histories of `size` events or little more; those that are
    left over are left out. Who stands for several people has more kinds of entities than one person has.
    """
    counts = Counter(event.user for event in events)
    users = sorted(counts)
    Random(seed).shuffle(users)  # noqa: S311 - no secret
    stands_for: dict[UserKey, UserKey] = {}
    group: list[UserKey] = []
    for user in users:
        group.append(user)
        if sum(counts[each] for each in group) >= size:
            stands_for |= dict.fromkeys(group, user)
            group = []
    return [replace(event, user=stands_for[event.user]) for event in events if event.user in stands_for]


def prompt_rows(name: str, sizes: Sequence[PromptSize]) -> Iterator[Row]:
    """A row for each span of history lengths that there are users of."""
    for start, end in pairwise(_SPANS):
        found = [each for each in sizes if start <= each.events < end]
        if found:
            span = f"{start}-{end - 1}" if end < sys.maxsize else f"{start} or more"
            yield {"set": name, "events_of_a_user": span, **_figures(found)}


def within_bar(sizes: Sequence[PromptSize]) -> float:
    """The share of users whose prompt is at most a quarter of their history."""
    return float(np.mean([each.ratio <= BAR for each in sizes]))


def _figures(sizes: Sequence[PromptSize]) -> Row:
    ratios = [each.ratio for each in sizes]
    return {
        "users": len(sizes),
        "summary_tokens": float(np.median([each.summary for each in sizes])),
        f"other_top_{TOP}_tokens": float(np.median([each.top for each in sizes])),
        "history_tokens": float(np.median([each.history for each in sizes])),
        "ratio": float(np.median(ratios)),
        "ratio_p90": float(np.quantile(ratios, 0.9)),
        "at_most_a_quarter": within_bar(sizes),
        "summary_alone_at_most_a_quarter": within_bar([replace(each, top=0) for each in sizes]),
    }
