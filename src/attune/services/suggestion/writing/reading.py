"""One answer of a language model, while it is read: what stands the checks, and what is wrong with the rest."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from attune.services.runtime.llm import LlmError, LlmFailure
from attune.services.suggestion.known import KnownEntity, normalised
from attune.services.suggestion.reasons import TO_MODEL, reason
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.writing.answer import OPENING, Suggested, Unfolding
from attune.services.suggestion.writing.checking import Checks
from attune.services.suggestion.writing.model import Task, Written
from attune.services.suggestion.writing.prompt import by_priority, label_of

_OTHER_JSON = "the language model did not answer with the JSON that it was asked for"
_ANSWER_SHOWN = 2000
_MOST_READ = 4
"""Of so many times the suggestions that are wanted, those that fail the checks included."""


class Reading:
    """One answer, while it is read. One that the prompt began already holds queries alone, to be short."""

    def __init__(self, task: Task, screen: Screen, *, primed: bool = False) -> None:
        self.task = task
        self.kept = 0
        self.text = ""
        self._seen = 0
        self._dropped: Counter[str] = Counter()
        self._checks = Checks(task, screen)
        self._unfolding = Unfolding()
        self._entities = {normalised(label_of(each)): each for each, _ in reversed(by_priority(task.situation))}
        self._is_primed = primed
        if primed:
            list(self._unfolding.feed(OPENING))

    @property
    def is_done(self) -> bool:
        """Whether there is no need to read on."""
        enough = self.kept >= self.task.limit or self._seen >= _MOST_READ * self.task.limit
        return enough or self._unfolding.is_whole or bool(self._unfolding.problem)

    @property
    def form_problem(self) -> str:
        """What is wrong with the form of the answer, for the model to mend; empty where nothing is."""
        if self._unfolding.problem:
            return self._unfolding.problem
        if not self._seen:
            return "it holds no suggestions"
        return "no suggestion has the fields query, rationale and entities" if self._dropped.total() == 0 else ""

    def feed(self, piece: str) -> Iterator[Written]:
        """The suggestions that this piece completes and that may be shown."""
        self.text = (self.text + piece)[:_ANSWER_SHOWN]
        for item in self._unfolding.feed(piece):
            if self.kept >= self.task.limit:
                return
            self._seen += 1
            if written := self._checked(item):
                self.kept += 1
                yield written

    def end(self) -> None:
        """The model has ended."""
        self._unfolding.end()

    def require(self) -> None:
        """Raises LlmError where nothing was kept, or the answer broke off before there were enough."""
        if self.kept >= self.task.limit:
            return
        if self.kept:
            if self._unfolding.problem:
                raise LlmError(f"the language model broke off its answer after {self.kept}", LlmFailure.BROKEN_OFF)
            return
        if self._dropped:
            raise LlmError(f"the language model {self._dropped.most_common(1)[0][0]}", LlmFailure.REFUSED)
        raise LlmError(_OTHER_JSON, LlmFailure.FORM)

    def _checked(self, item: object) -> Written | None:
        try:
            given = Suggested.model_validate({"query": item} if self._is_primed else item)
        except ValidationError:
            return None
        text = " ".join(filter(None, given.query.split(" ")))  # other white space is the checks' business
        if problem := self._checks.problem(text):
            self._dropped[problem] += 1
            return None
        known = self._known(given, text)
        return Written(text, self._rationale(given, known), tuple(each.entity_id for each in known))

    def _known(self, given: Suggested, text: str) -> list[KnownEntity]:
        """The entities that it names, of those that the model was told of, and those in its text."""
        named = (self._entities.get(normalised(each)) for each in given.entities)
        written = (each for label, each in self._entities.items() if f" {label} " in f" {normalised(text)} ")
        return list({each.entity_id: each for each in (*named, *written) if each is not None}.values())

    def _rationale(self, given: Suggested, known: Sequence[KnownEntity]) -> str:
        """The model's, or what is known of its first entity."""
        shown = self._checks.rationale(given.rationale)
        return shown or (self._checks.rationale(f"{known[0].label}: {reason(known[0], TO_MODEL)}.") if known else "")
