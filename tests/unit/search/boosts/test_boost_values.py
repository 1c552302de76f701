"""What boosts read of documents: numbers, times and words, and nothing that only looks like one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.boosts.values import UnreadableError, keywords_of, moment_of, number_of
from attune.services.search.index.fields import FieldValue
from attune.services.search.index.port import Document


def document(text: str) -> Document:
    return Document("d", "title", "text", "", attributes={"field": text})


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12.0), ("-0.5", -0.5), ("+3", 3.0), ("1e6", 1e6), (".5", 0.5), ("7.", 7.0), ("0", 0.0)]
)
def test_numbers_are_read(text: str, number: float) -> None:
    assert number_of(document(text), "field") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 1",
        "1 ",
        "1,5",
        "1_000",
        "nan",
        "inf",
        "-Infinity",
        "0x10",
        "1e999",
        "٣",
        "twelve",
        "1" * 4000,
        "1" * 64 + "x",
    ],
)
def test_what_only_looks_like_a_number_is_not_read(text: str) -> None:
    with pytest.raises(UnreadableError):
        number_of(document(text), "field")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_comes_back(number: float) -> None:
    assert number_of(document(repr(number)), "field") == number


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-29", datetime(2026, 11, 29, tzinfo=UTC)),
        ("2026-11-29T06:00:00Z", datetime(2026, 11, 29, 6, tzinfo=UTC)),
        ("2026-11-29t06:00z", datetime(2026, 11, 29, 6, tzinfo=UTC)),
        ("2026-11-29 06:00:00.5+02:00", datetime(2026, 11, 29, 6, 0, 0, 500_000, timezone(timedelta(hours=2)))),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_read(text: str, moment: datetime) -> None:
    assert moment_of(document(text), "field") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "20261129",
        "2026-W48-7",
        "2026-13-01",
        "2026-02-30",
        "2026-11-29T06:00:00",
        "29.11.2026",
        "now",
        "0000-01-01",
    ],
)
def test_what_is_no_moment_is_not_read(text: str) -> None:
    with pytest.raises(UnreadableError):
        moment_of(document(text), "field")


def test_what_a_document_does_not_have_is_none() -> None:
    for read in (number_of, moment_of):
        assert read(document("1"), "other") is None
    assert keywords_of(document("1"), "other") == ()


def test_keywords_are_as_they_are() -> None:
    assert keywords_of(document(" Acme "), "field") == (" Acme ",)


def test_a_filter_field_counts_before_an_attribute_of_its_name() -> None:
    moment = datetime(2026, 11, 29, tzinfo=UTC)
    fields: dict[str, FieldValue] = {"number": 3.0, "time": moment, "one": "a", "several": ("a", "b")}
    both = Document("d", "title", "text", "", attributes=dict.fromkeys(fields, "of the attribute"), fields=fields)
    assert number_of(both, "number") == 3.0
    assert moment_of(both, "time") == moment
    assert [keywords_of(both, name) for name in ("one", "several")] == [("a",), ("a", "b")]
