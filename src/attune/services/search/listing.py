"""The whole list of a search: what was found, in the order in which the user gets it.

What the user said in the session, by rankings of the caller's or the service's choice, comes in here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import invalid
from attune.services.search.comparing.plan import Assignment, assign
from attune.services.search.feedback.memory import NO_FEEDBACK, SessionFeedback, SessionKey, SessionMemory
from attune.services.search.feedback.mending import Mended, mend
from attune.services.search.ordering import Draw, Ordered, Ordering
from attune.services.search.personal import Weight
from attune.services.search.ranking.configured import Rankings
from attune.services.search.ranking.rankings import PLAIN
from attune.services.search.searching import Found, Searcher
from attune.services.search.wish import Wish

NOTHING_LEFT = "all of the query was taken out by feedback in this session: nothing was searched for"


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, and how it came about."""

    found: Found
    order: Ordered
    query_id: str
    mended: Mended
    has_feedback: bool
    """Whether the user said anything in this session that may count."""

    @property
    def is_empty_query(self) -> bool:
        """Whether the user's feedback left nothing to search for."""
        return not (self.mended.query or self.mended.replacements)

    def without_documents(self) -> "Listed":
        """What can be kept of it: nothing that documents say."""
        return replace(self, found=replace(self.found, documents={}, milliseconds={}))


def _ranked_by(assignment: Assignment, context: Context) -> Context:
    """For the plain ranking alone nothing is found by what was said before, nor told of it."""
    if assignment.names != (PLAIN,):
        return context
    plain = Context()
    plain.CopyFrom(context)
    plain.personalization = 0
    return plain


class Lists:
    """Makes lists."""

    def __init__(self, searcher: Searcher, rankings: Rankings, memory: SessionMemory, clock: Clock) -> None:
        self.searcher = searcher
        self._rankings = rankings
        self._memory = memory
        self._clock = clock

    async def make(
        self, wish: Wish, query_id: str, until: datetime, wanted: Callable[[str], bool] = lambda _id: True
    ) -> Listed:
        """The list of a search of that name, of the documents that are `wanted`, by what was said `until` then.

        Raises:
            ServiceError: INVALID_ARGUMENT, where there is no ranking that the caller names.
        """
        assignment = self._assigned(wish)
        feedback = self._feedback(wish, until)
        mended = mend(wish.query, _ranked_by(assignment, wish.context), feedback.parts, self._memory.key)
        found = await self._found(wish, mended, feedback)
        found.ranked = [each for each in found.ranked if wanted(each.fused.id)]
        ordering = Ordering(found.ranked, found.entity_ids, self._rankings.by_name, feedback)
        order = ordering.whole(Draw(wish.page_size, query_id), assignment, self._rankings.default)
        return Listed(found, order, query_id, mended, not feedback.is_empty)

    async def _found(self, wish: Wish, mended: Mended, feedback: SessionFeedback) -> Found:
        if not (mended.query or mended.replacements):
            return Found([], {}, Weight(0.0, NOTHING_LEFT))
        return await self.searcher.search(
            replace(
                wish,
                query=mended.query,
                context=mended.context,
                replacements=mended.replacements,
                not_about=feedback.not_about,
            )
        )

    def _assigned(self, wish: Wish) -> Assignment:
        """By which rankings to search: those that the caller names, or those of the user and the session."""
        for place, name in enumerate(wish.rankings):
            if problem := self._rankings.problem(name):
                raise invalid(f"rankings[{place}]", problem)
        if wish.rankings:
            return Assignment.named(wish.rankings)
        comparison = self._rankings.comparison if wish.personalization > 0 else None
        return assign(comparison, self._rankings.default, current_call().tenant, wish.user, wish.context.session_id)

    def _feedback(self, wish: Wish, until: datetime) -> SessionFeedback:
        """What the user said in this session until then; without personalization nothing."""
        if wish.personalization <= 0 or not wish.context.session_id:
            return NO_FEEDBACK
        key = SessionKey(current_call().tenant, wish.user, wish.context.session_id)
        return self._memory.of(key, self._clock(), until)
