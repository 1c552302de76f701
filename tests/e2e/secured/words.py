"""Words that occur nowhere else, said by every door."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.search.v1.search_pb2 import Document
from attune.services.cli.measure.reflected import Reflected
from attune.services.client import Client, feedback, interaction

WORDS = ("quokkaquery", "wombattitle", "numbatpage", "bilbyanswer", "dunnartuser", "potorooobject", "tammarsession")
QUERY, TITLE, PAGE, ANSWER, USER, OBJECT, SESSION = WORDS


@contextlib.contextmanager
def whatever_comes() -> Iterator[None]:
    """An error is as good as an answer here."""
    with contextlib.suppress(grpc.RpcError, ValueError):
        yield


def say_everything(client: Client) -> None:
    """By each call that takes text."""
    context = Context(session_id=SESSION, turns=[Turn(query=QUERY, title=TITLE, text=PAGE)])
    with whatever_comes():
        client.index([Document(document_id=OBJECT, title=TITLE, text=f"{PAGE} asyncio", domain="marsupials")])
    now = datetime.now(UTC)
    events = [
        interaction(USER, kind, now, query=QUERY, object_id=OBJECT, session_id=SESSION, event_id=f"{USER}-{place}")
        for place, kind in enumerate(("query", "click", "view", "impression", "statement"))
    ]
    with whatever_comes():
        client.record(events)
    for query in (QUERY, f"{QUERY} " * 3000, f"\x00{QUERY}"):
        for ask in (client.search, client.suggest, client.complete):
            with whatever_comes():
                ask(query, user=USER, context=context)  # type: ignore[operator]
    for user in (USER, f"{USER}/{USER}"):
        with whatever_comes():
            client.retrieve(user, query=QUERY, context=context)
        with whatever_comes():
            client.submit_feedback(feedback(user, session=SESSION, document=OBJECT, verdict="irrelevant", part=QUERY))
        with whatever_comes():
            client.remove_suggestion(user, ANSWER)
        with whatever_comes():
            list(client.export(user))
        with whatever_comes():
            client.forget(user)
    with whatever_comes():
        client.embed([QUERY, PAGE * 10_000], domain="marsupials")


def say_it_unreadably(methods: list[Reflected], authorization: str) -> None:
    """To every method, in bytes that are no message of it, and in a token."""
    for each in methods:
        each.error(b"\xff" + QUERY.encode(), authorization=authorization)
        each.error(b"\x0a\x0b" + QUERY.encode(), authorization=authorization)
        each.error(authorization=f"Bearer {QUERY}", attune_tenant=f"{QUERY}/")
