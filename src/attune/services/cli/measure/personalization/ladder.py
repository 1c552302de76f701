"""The ladder: each step sees more; controls get another user's session or history, and must not gain by it.

Gates are cross-fitted: nobody is ranked by a gate that has learned from any of their queries. Strangers' sets teach
what does harm; each is ranked by gates that have learned nothing of the whole set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.personalization.cases import Case
from attune.services.cli.measure.personalization.ground import Ground, Grounds
from attune.services.search.leaning.gate import MOST, Gate
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.leaned import Interests, Leaned, lean
from attune.services.search.leaning.mixing import mixed
from attune.services.search.leaning.teaching import SESSION_THRESHOLD, USER_THRESHOLD, Lessons, teach

FOLDS = 10
_OTHERS_COUNT = 0.4
"""Of a lesson with another user's context: one's own is what a caller mostly gives."""
_NOT_SERVED = "entities"
_READ = "documents"
_CLOSED = Gates.closed()


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step sees besides the query: whose session, whose history, and of which kind."""

    session: str = ""
    history: str = ""
    kind: str = ""

    @property
    def is_own(self) -> bool:
        return "another" not in (self.session, self.history)

    @property
    def is_served(self) -> bool:
        """Whether search sees the like: of entities it sees their names, not their vectors."""
        return self.kind != _NOT_SERVED

    @property
    def name(self) -> str:
        parts = [
            f"{self.session} session" if self.session else "",
            f"{self.history} {self.kind}" if self.history else "",
        ]
        return " + ".join(each for each in parts if each) or self.kind or "plain"


PLAIN = Inputs()


@dataclass(frozen=True, eq=False)
class Lesson:
    """Of one query and one context: the gate's inputs, what full belief in the context adds to nDCG@10."""

    step: str
    fold: int
    values: NDArray[np.float64]
    gain: float
    count: float


def ladder(grounds: Grounds) -> Iterator[Inputs]:
    """The steps of a set, those of strangers with another's contexts alone."""
    whose = ("another",) if grounds.set.is_strangers else ("own", "another")
    for each in whose:
        yield Inputs(session=each)
    for kind in grounds.set.kinds:
        for each in whose:
            yield Inputs(history=each, kind=kind)
            yield Inputs("another" if grounds.set.is_strangers else "own", each, kind)


class Ranker:
    """Ranks the cases of one set with what a step sees."""

    def __init__(self, grounds: Grounds) -> None:
        self.grounds = grounds
        self._interests: dict[tuple[str, ...], Interests] = {}

    def contexts(self, place: int, inputs: Inputs) -> Case:
        """The case, with the session and the history of the step in the place of its own."""
        case = self.grounds.set.cases[place]
        other = case if self.grounds.set.is_strangers else self.grounds.set.others(place)
        session = {"": "", "own": case.session, "another": other.session}[inputs.session]
        kept = {"": (), "own": case.histories.get(inputs.kind, ()), "another": other.histories.get(inputs.kind, ())}
        if not case.session:
            session = ""  # a first query has no session, whoever's
        return replace(case, session=session, histories={inputs.kind: kept[inputs.history]})

    def leaned(self, place: int, inputs: Inputs, gates: Gates) -> tuple[NDArray[np.intp], Leaned]:
        """The documents, and their scores."""
        ground, case = self.grounds.all[place], self.contexts(place, inputs)
        session = self.grounds.texts.of([case.session])[0] if case.session else None
        places, found = self.grounds.candidates(ground, None if session is None else mixed(ground.query, session))
        known = self._known(case.histories[inputs.kind])
        said, read = (None, known) if inputs.kind == _READ else (known, None)
        return places, lean(ground.asked, ground.query, found, gates, session=session, statements=said, documents=read)

    def quality(self, place: int, inputs: Inputs, gates: Gates) -> tuple[float, bool]:
        """nDCG@10, and whether the context counted."""
        places, found = self.leaned(place, inputs, gates)
        counted = any(step.weight for step in found.steps)
        return self.grounds.quality(self.grounds.all[place].case, places, found.scores), counted

    def plain(self, ground: Ground) -> float:
        """nDCG@10 without a context."""
        return self.grounds.quality(ground.case, ground.places, ground.scores)

    def _known(self, texts: Sequence[str]) -> Interests:
        key = tuple(texts)
        if key not in self._interests:
            vectors = self.grounds.texts.of(list(dict.fromkeys(texts)))
            self._interests[key] = Interests(vectors, np.ones(len(vectors)))
        return self._interests[key]


def lessons(ranker: Ranker, folds: Sequence[int]) -> Iterator[Lesson]:
    """Of all steps that add one context to what is there, own and another's. Each counts by how far its door is open:
    a gate decides of nothing else.
    """
    for inputs in ladder(ranker.grounds):
        if inputs.session and inputs.history:
            continue
        for place, fold in enumerate(folds):
            places, found = ranker.leaned(place, inputs, _CLOSED)
            if not found.steps:
                continue
            (step,) = found.steps
            if step.door <= 0:
                continue
            name = "session" if inputs.session else _READ if inputs.kind == _READ else "statements"
            case = ranker.grounds.all[place].case
            before = ranker.grounds.quality(case, places, found.base)
            after = ranker.grounds.quality(case, places, found.base + MOST * step.full)
            count = step.door * (1.0 if inputs.is_own else _OTHERS_COUNT)
            yield Lesson(name, fold, step.values, after - before, count)


def fitted(learned: Sequence[Lesson], leave_out: int | None = None) -> Gates:
    """Gates of all lessons, or of those of the other folds."""
    chosen = [each for each in learned if each.fold != leave_out]
    return Gates(
        _taught([each for each in chosen if each.step == "session"], SESSION_THRESHOLD),
        _taught([each for each in chosen if each.step == "statements"], USER_THRESHOLD),
        _taught([each for each in chosen if each.step == _READ], USER_THRESHOLD),
    )


def _taught(learned: Sequence[Lesson], threshold: float) -> Gate:
    if not learned:
        return Gate.closed()
    return teach(
        Lessons(
            np.stack([each.values for each in learned]),
            np.array([each.gain for each in learned]),
            np.array([each.count for each in learned]),
        ),
        threshold,
    )
