"""The same reason in both wordings; the sentences for users are spelled out in test_candidates.py."""

from datetime import UTC, datetime

import pytest

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.reasons import TO_MODEL, TO_USER, reason

SEEN = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (KnownEntity("a", "A", Mode.FAMILIAR, 1, 1, SEEN), "met once, last on 3 November 2026"),
        (KnownEntity("a", "A", Mode.FAMILIAR, 1), "met"),
        (KnownEntity("a", "A", Mode.LAPSED, 1, 4, SEEN), "met 4 times, but not lately, last on 3 November 2026"),
        (KnownEntity("a", "A", Mode.NEIGHBOUR, 1, via_label="B"), "close to B, which the user knows"),
        (KnownEntity("a", "A", Mode.NEIGHBOUR, 1, via_label="B", via_users=6), "close to B, which the user knows"),
        (KnownEntity("a", "A", Mode.NEIGHBOUR, 1, via_users=6), "close to what the user knows"),
        (KnownEntity("a", "A", Mode.UNFAMILIAR, 1), "new to the user"),
    ],
)
def test_a_model_is_told_in_a_few_words(known: KnownEntity, told: str) -> None:
    assert reason(known, TO_MODEL) == told


def test_what_a_label_has_in_braces_is_no_template() -> None:
    known = KnownEntity("a", "{times} {0}", Mode.NEIGHBOUR, 1, via_label="{when}")
    assert reason(known, TO_USER) == "{times} {0} is close to {when}, which you know."
    assert reason(known, TO_MODEL) == "close to {when}, which the user knows"
