"""Which interactions say that something was read, rejected or said, and which say nothing."""

import pytest
from tests.unit.knowledge_store.builders import START, interaction

from attune.knowledge_store.history import MOST_ENTITIES, MOST_ID_CHARACTERS, MOST_STATEMENT_CHARACTERS
from attune.knowledge_store.model import EventKind, LinkedEntity
from attune.knowledge_store.noting import TURNED_AWAY_MS, noted_reading, noted_statement
from attune.knowledge_store.redirects import Merge, Redirects

NONE = Redirects()


@pytest.mark.parametrize(
    ("kind", "fields", "is_rejected"),
    [
        (EventKind.CLICK, {}, False),
        (EventKind.VIEW, {}, False),
        (EventKind.DWELL, {"dwell_ms": TURNED_AWAY_MS}, False),
        (EventKind.DWELL, {"dwell_ms": TURNED_AWAY_MS - 1}, True),
        (EventKind.FEEDBACK, {"attributes": {"verdict": "relevant"}}, False),
        (EventKind.FEEDBACK, {"attributes": {"verdict": "irrelevant", "stage": "result"}}, True),
        (EventKind.FEEDBACK, {"attributes": {"verdict": "irrelevant", "stage": "query"}}, None),
        (EventKind.IMPRESSION, {}, None),
        (EventKind.QUERY, {"user_query": "a"}, None),
        (EventKind.SUGGESTION_SHOWN, {}, None),
        (EventKind.CLICK, {"object_id": "d" * (MOST_ID_CHARACTERS + 1)}, None),
        (EventKind.CLICK, {"object_id": ""}, None),
    ],
)
def test_what_an_event_says_of_its_document(kind, fields, is_rejected):
    noted = noted_reading(interaction("1", kind, **{"object_id": "d", **fields}), [], NONE)
    assert (noted and noted.is_rejected) == is_rejected
    assert noted is None or (noted.text, noted.at) == ("d", START)


def test_a_document_is_noted_with_what_it_is_mainly_about_under_all_its_ids():
    about = [LinkedEntity(f"e{number}", 1 / (1 + number)) for number in range(MOST_ENTITIES + 1)]
    noted = noted_reading(
        interaction("1", EventKind.CLICK, object_id="d"), about, Redirects([Merge("old", "e0"), Merge("e1", "new")])
    )
    assert noted is not None
    assert noted.entity_ids == tuple(each.entity_id for each in about[:MOST_ENTITIES])
    assert set(noted.other_ids) == {"old", "new"}


def said(text, **attributes: str):
    return noted_statement(interaction("1", EventKind.STATEMENT, user_query=text, attributes=attributes), ["e"], NONE)


def test_a_statement_is_kept_in_one_line_as_it_was_said():
    noted = said(" I am\nvegetarian. ")
    assert (noted.text, noted.is_rejected, noted.entity_ids) == ("I am vegetarian.", False, ("e",))
    assert said("I am vegetarian.", verdict="irrelevant").is_rejected


@pytest.mark.parametrize(
    "text",
    [
        "Write to me at ada@example.com.",
        "My number is 030 901820 1234",
        "my pin is 1234",
        "a" * (MOST_STATEMENT_CHARACTERS + 1),
        " \n",
    ],
)
def test_personal_data_and_what_is_too_long_is_not_kept(text):
    assert said(text) is None
