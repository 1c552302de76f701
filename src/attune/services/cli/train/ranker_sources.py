"""What a ranker is learned from: lists of one or several sources, and what was passed over on the way to them."""

from collections import Counter
from pathlib import Path
from typing import Any

from attune.embeddings.errors import SettingError
from attune.services.cli.measure.suggestion.cases import logs_of
from attune.services.cli.measure.suggestion.ladder import PAGE, SERVED, lessons_of
from attune.services.cli.measure.suggestion.logs import Entries
from attune.services.cli.measure.suggestion.shown import ShownLists
from attune.services.cli.measure.suggestion.world import make_world, read_entities
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking import learning
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.training import Lesson, fit


class Sources:
    """Lessons, and what the file of the ranker says of where they come from."""

    def __init__(self) -> None:
        self.lessons: list[Lesson] = []
        self._told: dict[str, Any] = {}
        self._passed_over: Counter[str] = Counter()

    @property
    def passed_over(self) -> dict[str, int]:
        """`left_out`: what its user does not want to teach, or has not allowed to; and what is wrong, by what it is."""
        names = ("left_out", "records_skipped", "events_skipped", "events_without_query_id")
        return {name: self._passed_over[name] for name in names}

    def add_shown(self, name: str, shown: ShownLists) -> None:
        """Lists that were shown."""
        learned = shown.learned
        self.lessons += learning.lessons_of(learned.lists)
        self._name("events", name)
        self._passed_over.update(
            left_out=shown.left_out,
            records_skipped=shown.records_skipped,
            events_skipped=learned.skipped,
            events_without_query_id=learned.without_list,
        )

    def add_queries(
        self, entries: Entries, catalog: Path | None, model: Path | None, at_most_users: int, seed: int
    ) -> None:
        """What users asked next, tenant by tenant: what those of another one asked is not known."""
        from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

        logs = logs_of(entries, at_most_users, seed)
        known, embedder = read_entities(catalog), Embedder.load(str(model) if model else None)
        for log in logs.values():
            world = make_world(log, known, embedder)
            self.lessons += [lesson for _, lesson in lessons_of(world, PAGE if known is None else SERVED)]
        self._name("log", Path(entries.name).name)
        self._passed_over.update(left_out=entries.left_out, records_skipped=entries.records_skipped)

    def fitted(self) -> RankerModel:
        """The ranker that all of them teach. Raises SettingError where there is no source, RankerError for no list."""
        if not self._told:
            raise SettingError(
                "give --log, a file of queries, --events, a file of suggestions' events, or --from-log, which takes "
                "either from the event log"
            )
        made = self._told | {"lists": len(self.lessons), "date": system_clock().date().isoformat()}
        return fit(self.lessons, made)

    def _name(self, kind: str, name: str) -> None:
        self._told[kind] = f"{self._told[kind]}, {name}" if kind in self._told else name
