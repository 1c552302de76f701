"""What the demo tells: a corpus, two users with their histories, and the queries they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.beir import load_beir
from attune.services.cli.corpora.histories import plan_from_corpus
from attune.services.cli.corpora.model import Corpus
from attune.services.cli.corpora.plan import PlannedEvent
from attune.services.cli.corpora.scenario import stdlib_plan
from attune.services.cli.corpora.stdlib import load_stdlib
from attune.services.client import interaction


@dataclass(frozen=True, slots=True)
class Story:
    """The demo's material."""

    corpus: Corpus
    users: Sequence[str]
    events: Sequence[PlannedEvent]
    queries: Sequence[str]


def read_story(data: Path | None, limit: int | None) -> Story:
    """The standard library's documentation with its scenario; or a BEIR directory with histories planned from it."""
    if data is None:
        corpus = load_stdlib()
        plan = stdlib_plan()
    else:
        corpus = load_beir(data, limit=limit)
        plan = plan_from_corpus(corpus)
    return Story(corpus, plan.users, plan.events, plan.shared_queries)


def events_of(story: Story, names: dict[str, str], now: datetime) -> list[InteractionEvent]:
    """The planned events as they are sent. Their ids depend on the plan alone: sent again, none counts twice.

    Args:
        story: with the plan.
        names: the id that each planned user bears in this run.
        now: the moment that the plan counts back from.
    """
    return [
        interaction(
            names[each.user],
            each.kind,
            now - timedelta(minutes=each.minutes_ago),
            query=each.query,
            object_id=each.object_id,
            event_id=f"demo/{story.corpus.name}/{names[each.user]}/{place}",
            session_id=each.session,
            dwell_ms=each.dwell_ms or None,
            attributes={"title": each.title} if each.title else {},
        )
        for place, each in enumerate(story.events)
    ]
