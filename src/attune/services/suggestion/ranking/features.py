"""What the ranker sees: numbers of a candidate in a situation, each under a name, by pure functions.

| feature | what it is |
|---|---|
| query_cosine, query_trigrams | how close the candidate is to the query: by meaning, and letter by letter |
| words_kept, words_shared | the share of the query's words in the candidate, and of the candidate's in the query |
| turns_cosine, turns_trigrams | the closest of the earlier queries |
| context_cosine, context_trigrams | the mean over all queries, each older one at 0.7 of the next |
| drift_cosine | to the sum of all queries' vectors, each older one at half of the next |
| page_cosine, page_trigrams | to the title of the page that the user reads |
| repeats | 1 where it is one of the earlier queries, but for case and blanks |
| words | log(1 + words) |
| knows_familiar, knows_lapsed, knows_neighbour | the highest score of its entities that the user knows in that way |
| asked_next | log2(1 + users beyond one who asked it after this query) |
| asked_by | log2(1 + users beyond one who asked it at all) |
| is_title | 1 / rank of the document that it is the title of |

Of users the first does not count: in a log each query was asked by somebody, and by whom says nothing of its worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import normalised
from attune.services.suggestion.ranking.texts import Block, Text

FEATURES = (
    "query_cosine",
    "query_trigrams",
    "words_kept",
    "words_shared",
    "turns_cosine",
    "turns_trigrams",
    "context_cosine",
    "context_trigrams",
    "drift_cosine",
    "page_cosine",
    "page_trigrams",
    "repeats",
    "words",
    "knows_familiar",
    "knows_lapsed",
    "knows_neighbour",
    "asked_next",
    "asked_by",
    "is_title",
)
BY_VECTOR = frozenset(name for name in FEATURES if name.endswith("cosine"))
"""Not known of a candidate that has no vector."""
NEVER_WORSE = frozenset({"asked_next", "asked_by", "is_title"})
"""No weight may be negative. Each query of a log was asked once at least: a ranker that learns from the log alone that
what was asked already is not asked again has learned how the log was made."""
_MODES = {Mode.FAMILIAR: "knows_familiar", Mode.LAPSED: "knows_lapsed", Mode.NEIGHBOUR: "knows_neighbour"}
_TURNS = 20
_FADES = 0.7
_DRIFTS = 0.5
Column = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a candidate besides its text."""

    entity_ids: tuple[str, ...] = ()
    next_users: int = 0
    """Users who asked it after this query."""
    users: int = 0
    """Users who asked it at all."""
    document_rank: int | None = None
    """One-based rank of the document that it is the title of."""


NOTHING_ELSE = Facts()
"""Only the text is known."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The situation that candidates are compared to."""

    query: Text | None
    turns: Sequence[Text] = ()
    """Earlier queries, oldest first; only the last 20 count."""
    page: Text | None = None
    known: Mapping[str, tuple[Mode, float]] = field(default_factory=dict)
    """How the user knows an entity, and its score in [0, 1]."""


def features(seen: Seen, block: Block, facts: Sequence[Facts]) -> NDArray[np.float32]:
    """[n, len(FEATURES)]: a row for each text of `block`, of which `facts` say the rest, in the order of FEATURES.

    NaN where it would take a vector that the candidate does not have; the model takes the mean for it.
    """
    columns = _of_query(seen, block) | _of_turns(seen, block) | _of_page(seen, block) | _of_facts(seen, facts)
    columns["words"] = np.log1p(block.words_of_each)
    found = np.zeros((len(block), len(FEATURES)), np.float32)
    for place, name in enumerate(FEATURES):
        if name in columns:
            found[:, place] = columns[name]
            if name in BY_VECTOR:
                found[~block.has_vector, place] = np.nan
    return found


def _of_query(seen: Seen, block: Block) -> dict[str, Column]:
    query = seen.query
    if query is None:
        return {}
    shared = block.words_in(query)
    return {
        "query_cosine": _cosines(block, query),
        "query_trigrams": block.trigrams_like(query),
        "words_kept": shared / np.float32(max(1, len(query.words))),
        "words_shared": shared / np.maximum(np.float32(1), block.words_of_each),
    }


def _of_turns(seen: Seen, block: Block) -> dict[str, Column]:
    turns = seen.turns[-_TURNS:]
    if not turns and seen.query is None:
        return {}
    spoken = [*turns, *([seen.query] if seen.query else [])]
    cosines = np.stack([_cosines(block, each) for each in spoken])
    trigrams = np.stack([block.trigrams_like(each) for each in spoken])
    fading = _fading(len(spoken), _FADES)
    columns = {
        "context_cosine": fading @ cosines,
        "context_trigrams": fading @ trigrams,
        "drift_cosine": _drift(block, spoken),
    }
    if turns:
        columns |= {"turns_cosine": cosines[: len(turns)].max(0), "turns_trigrams": trigrams[: len(turns)].max(0)}
        asked = {normalised(each.text) for each in turns}
        columns["repeats"] = np.array([normalised(each.text) in asked for each in block.texts], np.float32)
    return columns


def _of_page(seen: Seen, block: Block) -> dict[str, Column]:
    if seen.page is None:
        return {}
    return {"page_cosine": _cosines(block, seen.page), "page_trigrams": block.trigrams_like(seen.page)}


def _of_facts(seen: Seen, facts: Sequence[Facts]) -> dict[str, Column]:
    columns = {name: np.zeros(len(facts), np.float32) for name in _MODES.values()}
    for place, each in enumerate(facts):
        for entity_id in each.entity_ids:
            mode, score = seen.known.get(entity_id, (Mode.UNFAMILIAR, 0.0))
            if mode in _MODES:
                column = columns[_MODES[mode]]
                column[place] = max(column[place], score)
    columns["asked_next"] = _beyond_one([each.next_users for each in facts])
    columns["asked_by"] = _beyond_one([each.users for each in facts])
    columns["is_title"] = np.array([1 / each.document_rank if each.document_rank else 0 for each in facts], np.float32)
    return columns


def _beyond_one(users: Sequence[int]) -> Column:
    return np.log2(np.maximum(np.array(users, np.float32), 1))


def _cosines(block: Block, other: Text) -> Column:
    return np.zeros(len(block), np.float32) if other.vector is None else block.cosines(other.vector)


def _drift(block: Block, spoken: Sequence[Text]) -> Column:
    weights = _fading(len(spoken), _DRIFTS)
    parts = [weight * each.vector for weight, each in zip(weights, spoken, strict=True) if each.vector is not None]
    if not parts:
        return np.zeros(len(block), np.float32)
    whole = np.sum(parts, axis=0)
    return block.cosines((whole / max(float(np.linalg.norm(whole)), 1e-9)).astype(np.float32))


def _fading(count: int, factor: float) -> Column:
    """[count]: weights with sum 1, the last the largest."""
    weights = factor ** np.arange(count, dtype=np.float32)[::-1]
    found: Column = weights / weights.sum()
    return found
