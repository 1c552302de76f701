"""The ladder: each ranker may see more than the one before, and those that get somebody else's history must lose.

Fixed ones need no learning. Learned ones are cross-fitted: nobody is ranked by a ranker that has seen any of their
queries. The shipped one is as it comes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.suggestion.cases import Case, Log
from attune.services.cli.measure.suggestion.encoding import Encoded
from attune.services.cli.measure.suggestion.moments import Entities, Known, Moment
from attune.services.cli.measure.suggestion.scores import Ranks, rank_of
from attune.services.suggestion.ranking.features import Facts, Seen, features
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.texts import Block, Text
from attune.services.suggestion.ranking.training import Lesson, fit

FOLDS = 5
FIXED_WEIGHT = 0.3
"""Of the last three queries beside the query. Chosen once, on excite_small."""
_LAST = 3
_NEAR, _FAR = 100, 60
"""Candidates of a list to learn from: the nearest to the query, and others at random."""


_Scoring = Callable[[int], NDArray[np.floating]]


class Turns(StrEnum):
    """Which earlier queries a ranker sees."""

    NONE = "none"
    VISIT = "visit"
    ALL = "all"
    OTHER = "other"
    """All of another user's, with none of the user's own."""


class Store(StrEnum):
    """Whose entities a ranker sees."""

    NONE = "none"
    OWN = "own"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a ranker sees besides the query."""

    turns: Turns = Turns.NONE
    page: bool = False
    store: Store = Store.NONE


QUERY = Inputs()
SESSION = Inputs(Turns.VISIT)
PAGE = Inputs(Turns.VISIT, page=True)
SERVED = Inputs(Turns.VISIT, page=True, store=Store.OWN)
HISTORY = Inputs(Turns.ALL, page=True, store=Store.OWN)


@dataclass(frozen=True)
class World:
    """A log with all that rankers may look at. `moments` are of the cases, in their order."""

    log: Log
    moments: Sequence[Moment]
    encoded: Encoded
    entities: Entities | None
    ends: Mapping[str, Known]
    """What is known of each user at the end."""
    block: Block
    places: Mapping[str, int]

    @property
    def judged(self) -> NDArray[np.intp]:
        """Places of the cases that count."""
        return np.array([place for place, case in enumerate(self.log.cases) if case.is_judged])

    def numbers(self, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
        """The number of the user of each of these cases."""
        number = {user: place for place, user in enumerate(self.log.users)}
        return np.array([number[self.log.cases[place].user] for place in chosen])

    def neighbour(self, user: str) -> str:
        """The other user whose history is taken for this one's: always the next one of the log."""
        users = self.log.users
        return users[(users.index(user) + 1) % len(users)]

    def allowed(self, case: Case, *, new: bool) -> NDArray[np.bool_]:
        """[pool]: what may come next. Not the query itself; of what is new, nothing that the user asked before."""
        found = np.ones(len(self.log.pool), bool)
        for text in case.earlier if new else case.earlier[-1:]:
            found[self.places[text]] = False
        return found

    def turns(self, case: Case, which: Turns) -> tuple[str, ...]:
        """Earlier queries, oldest first."""
        match which:
            case Turns.NONE:
                return ()
            case Turns.VISIT:
                return case.visit
            case Turns.ALL:
                return case.earlier[:-1]
            case Turns.OTHER:
                return self._whole(self.neighbour(case.user))[-len(case.earlier[:-1]) :]

    def values(self, place: int, inputs: Inputs) -> NDArray[np.float32]:
        """Features [pool, features] of all candidates of a case."""
        case, moment = self.log.cases[place], self.moments[place]
        known: Known = {}
        if inputs.store is not Store.NONE:
            known = moment.known if inputs.store is Store.OWN else self.ends[self.neighbour(case.user)]
        seen = Seen(
            query=self.encoded[case.query],
            turns=[self.encoded[text] for text in self.turns(case, inputs.turns)],
            page=self.encoded[case.page] if inputs.page and case.page else None,
            known=known,
        )
        return features(seen, self.block, self._facts(moment))

    def _facts(self, moment: Moment) -> list[Facts]:
        users, following = moment.users, moment.next_users
        return [
            Facts(self._named(text), next_users=following.get(text, 0), users=users.get(text, 0))
            for text in self.log.pool
        ]

    def _named(self, text: str) -> tuple[str, ...]:
        return self.entities.named(text) if self.entities is not None else ()

    def _whole(self, user: str) -> tuple[str, ...]:
        last = [case for case in self.log.cases if case.user == user][-1]
        return (*last.earlier, last.target)


@dataclass(frozen=True)
class Ranked:
    """Ranks of the judged cases: among all but the query, and of those that are new among what is new."""

    all_pairs: Ranks
    new_only: Ranks


def frequent(world: World) -> Ranked:
    """What most others asked until then."""
    return _ranked(world, lambda place: _by_users(world, world.moments[place]))


def fixed(world: World, turns: Turns, weight: float = FIXED_WEIGHT, *, page: bool = False) -> Ranked:
    """By the cosine to the query, with the last three earlier queries and the page at a fixed weight each."""

    def scores(place: int) -> NDArray[np.float32]:
        case = world.log.cases[place]
        parts = [world.encoded[text] for text in world.turns(case, turns)[-_LAST:]]
        whole = _unit([world.encoded[case.query]]) + weight * _unit(parts)
        if page and case.page:
            whole = whole + weight * _unit([world.encoded[case.page]])
        return world.block.vectors @ whole

    return _ranked(world, scores)


def by_model(world: World, inputs: Inputs, model: RankerModel) -> Ranked:
    """By a ranker as it is."""
    return _ranked(world, lambda place: model.scores(world.values(place, inputs)))


def cross_fitted(world: World, inputs: Inputs) -> "CrossFitted":
    """Rankers by fold of users, each learned from the users of the other folds."""
    folds = np.random.default_rng(0).permutation(len(world.log.users)) % FOLDS
    of_user = dict(zip(world.log.users, folds.tolist(), strict=True))
    lessons = list(lessons_of(world, inputs))
    models = [
        fit([lesson for user, lesson in lessons if of_user[user] != fold]) for fold in range(min(FOLDS, max(folds) + 1))
    ]
    return CrossFitted(world, models, of_user)


@dataclass(frozen=True)
class CrossFitted:
    """A ranker for each fold, and the fold of each user."""

    world: World
    models: Sequence[RankerModel]
    folds: Mapping[str, int]

    def model(self, user: str) -> RankerModel:
        """The one that has seen nothing of this user."""
        return self.models[self.folds[user]]

    def ranked(self, inputs: Inputs) -> Ranked:
        """With these inputs, which may be others than it has learned from."""
        cases = self.world.log.cases
        return _ranked(self.world, lambda at: self.model(cases[at].user).scores(self.world.values(at, inputs)))


def lessons_of(world: World, inputs: Inputs) -> Iterator[tuple[str, Lesson]]:
    """Lists to learn from, with their users: of each next query, the second ones too."""
    random = np.random.default_rng(0)
    for place, case in enumerate(world.log.cases):
        values = world.values(place, inputs)
        chosen = _listed(world, case, world.places[case.target], random)
        yield case.user, Lesson(values[chosen], 0)


def _listed(world: World, case: Case, target: int, random: np.random.Generator) -> NDArray[np.intp]:
    """The target, then those near the query, then others at random."""
    allowed = world.allowed(case, new=False)
    query = world.encoded[case.query]
    near = world.block.trigrams_like(query) / 2
    if query.vector is not None:
        near = near + world.block.cosines(query.vector)
    order = np.argsort(-np.where(allowed, near, -np.inf))[: min(_NEAR, int(allowed.sum()))]
    far = random.integers(0, len(allowed), _FAR)
    others = np.unique(np.concatenate([order, far[allowed[far]]]))
    return np.concatenate([[target], others[others != target]])


def _ranked(world: World, scores: "_Scoring") -> Ranked:
    judged = world.judged
    whole, fresh = [], []
    for place in judged:
        case, found = world.log.cases[place], np.asarray(scores(place), np.float64)
        target = world.places[case.target]
        whole.append(rank_of(found, target, world.allowed(case, new=False)))
        if case.is_new:
            fresh.append(rank_of(found, target, world.allowed(case, new=True)))
    users = world.numbers(judged)
    new = np.array([world.log.cases[place].is_new for place in judged])
    return Ranked(Ranks(np.array(whole), users), Ranks(np.array(fresh), users[new]))


def _by_users(world: World, moment: Moment) -> NDArray[np.float64]:
    found = np.zeros(len(world.log.pool))
    for query, users in moment.users.items():
        if query in world.places:
            found[world.places[query]] = users
    return found


def _unit(texts: Sequence[Text]) -> NDArray[np.float32]:
    """The unit vector of the sum, or zeros."""
    vectors = [each.vector for each in texts if each.vector is not None]
    if not vectors:
        return np.zeros(1, np.float32)
    whole = np.sum(vectors, axis=0)
    return np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-9), np.float32)
