"""The forms that a line's object may have beside that of an event. Each says what users asked and opened.

What is wrong raises LineError, with the field.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.knowledge_store.model import UserKey
from attune.services.cli.logs.said import Opened, Said
from attune.services.cli.logs.times import FORMS, moment
from attune.services.suggestion.queries.asked import Asked

Fields = Mapping[str, Any]
_STATEMENTS_BEGIN = datetime(2023, 1, 1, tzinfo=UTC)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LETTERS = re.compile(r"^(Q: )?(A: )?")


@dataclass
class LineError(ValueError):
    """What is wrong with a line."""

    trouble: str
    """What it is, and what to write instead."""
    field: str = ""
    """In which field; empty where it is the whole line."""


def row(fields: Fields, tenant: str) -> Iterator[Said]:
    """{"user", "ts" or "time", "query"}, and perhaps "session": a query of a user."""
    user = _user(fields, "user", tenant)
    name = next((each for each in ("ts", "time") if each in fields), "time")
    session = text_of(fields, "session") if fields.get("session") is not None else ""
    yield Asked(user, text_of(fields, "query"), _moment(fields.get(name), name), session)


def session(fields: Fields, tenant: str) -> Iterator[Said]:
    """{"session", "iterations": [{"query", "start", "results", "clicks"}]}, as CoSoBe's: a session counts as a user."""
    user, steps = _user(fields, "session", tenant), fields["iterations"]
    if not isinstance(steps, list) or not all(isinstance(each, dict) for each in steps):
        raise LineError("is no list of objects; write each query of the session as one", "iterations")
    for number, step in enumerate(steps):
        at = _moment(step.get("start"), f"iterations[{number}].start")
        yield Asked(user, text_of(step, "query") if step.get("query") is not None else "", at)
        clicks = step.get("clicks")
        for click in clicks if isinstance(clicks, list) else ():
            if title := _clicked(step, click):
                opened = _moment(click.get("start"), f"iterations[{number}].clicks.start")
                yield Opened(user, title, max(at, opened))


def statements(fields: Fields, tenant: str, before: int) -> Iterator[Said]:
    """{"user", "ptkb": {number: statement}}, as TREC iKAT's: what people say of themselves, as if each were asked.

    They bear no times, and are dated a minute apart from 2023 on; `before` so many were dated already.
    """
    user, said = _user(fields, "user", tenant), fields["ptkb"]
    if not isinstance(said, dict):
        raise LineError("is no object of strings; give each statement a number", "ptkb")
    for place, name in enumerate(said, start=before):
        yield Asked(user, text_of(said, name, "ptkb"), _STATEMENTS_BEGIN + timedelta(minutes=place))


def text_of(fields: Fields, name: str, within: str = "") -> str:
    """A string of whole characters."""
    value, field = fields.get(name), f"{within}.{name}" if within else name
    if value is None:
        raise LineError("is missing", field)
    if not isinstance(value, str):
        raise LineError(f"is a {type(value).__name__}, and no string", field)
    if _SURROGATE.search(value):
        raise LineError("has half a character (a lone surrogate), which is no text", field)
    return value


def _user(fields: Fields, name: str, tenant: str) -> UserKey:
    user = text_of(fields, name)
    if not user.strip():
        raise LineError("is empty; say who asked", name)
    try:
        return UserKey(tenant, user)
    except ValueError as error:
        raise LineError(str(error), name) from error


def _moment(written: object, field: str) -> datetime:
    if written is None:
        raise LineError(f"is missing; {FORMS}", field)
    try:
        return moment(written)
    except ValueError as error:
        raise LineError(str(error), field) from error


def _clicked(step: Fields, click: object) -> str:
    """The title of the result that was clicked, without the "Q: " that sites put before it."""
    results = step.get("results")
    if not isinstance(click, dict) or not isinstance(results, list):
        return ""
    of_rank = (each for each in results if isinstance(each, dict) and each.get("rank") == click.get("rank"))
    found = next(of_rank, {})
    return _LETTERS.sub("", text_of(found, "title", "results")) if found.get("title") else ""
