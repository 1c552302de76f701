"""The rows and figures of a log: every step of the ladder, the controls, and what the steps gain."""

from collections.abc import Iterator
from dataclasses import dataclass

from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion.generated import generated
from attune.services.cli.measure.suggestion.ladder import (
    PAGE,
    QUERY,
    SERVED,
    SESSION,
    CrossFitted,
    Inputs,
    Ranked,
    Store,
    Turns,
    World,
    by_model,
    cross_fitted,
    fixed,
    frequent,
)
from attune.services.cli.measure.suggestion.scores import gain, named
from attune.services.suggestion.ranking.model import RankerModel

_ALONE = Inputs(store=Store.OWN)


@dataclass(frozen=True)
class Step:
    """A ranker of the ladder, how it did, and where it is a control, what it must lose against."""

    name: str
    ranked: Ranked
    against: str = ""


def measured(world: World, shipped: RankerModel, least_users: int) -> tuple[list[Row], dict[str, float]]:
    """The rows and the summary. Of a log with a single user nothing is learned and nobody's history is exchanged."""
    steps = list(_fixed(world))
    fitted = None
    if len(world.log.users) > 1:
        learned, fitted = _learned(world)
        steps += learned
    served = _served(world)
    steps.append(Step("shipped", by_model(world, served, shipped)))
    by_name = {each.name: each for each in steps}
    rows = [row for each in steps for row in _rows(world, each, by_name)]
    if fitted is not None:
        rows += generated(world, fitted, served, least_users)
    return rows, _summary(by_name)


def _served(world: World) -> Inputs:
    return SERVED if world.entities is not None else PAGE


def _has_pages(world: World) -> bool:
    return any(case.page for case in world.log.cases)


def _fixed(world: World) -> Iterator[Step]:
    yield Step("frequent", frequent(world))
    yield Step("query", fixed(world, Turns.NONE))
    yield Step("query + session, fixed", fixed(world, Turns.VISIT))
    if _has_pages(world):
        yield Step("query + session + page, fixed", fixed(world, Turns.VISIT, page=True))
    yield Step("query + history, fixed", fixed(world, Turns.ALL))
    if len(world.log.users) > 1:
        yield Step("another's history, fixed", fixed(world, Turns.OTHER), "query + history, fixed")


def _learned(world: World) -> tuple[list[Step], CrossFitted]:
    """The steps, and the rankers of the one that sees what the service sees."""
    steps = [Step("learned: query", cross_fitted(world, QUERY).ranked(QUERY))]
    steps.append(Step("learned: + session", cross_fitted(world, SESSION).ranked(SESSION)))
    if _has_pages(world):
        steps.append(Step("learned: + page", cross_fitted(world, PAGE).ranked(PAGE)))
    served = _served(world)
    fitted = cross_fitted(world, served)
    steps.append(Step("learned: served", fitted.ranked(served)))
    if world.entities is not None:
        steps += _stores(world, fitted)
    history = Inputs(Turns.ALL, page=True, store=served.store)
    whole = cross_fitted(world, history)
    steps.append(Step("learned: served + history", whole.ranked(history)))
    other = Store.OTHER if world.entities is not None else Store.NONE
    against = "learned: served + history"
    steps.append(
        Step("learned: another's history and store", whole.ranked(Inputs(Turns.OTHER, page=True, store=other)), against)
    )
    return steps, fitted


def _stores(world: World, fitted: CrossFitted) -> Iterator[Step]:
    """The store alone, beside the query; and another user's store, beside the query and in all that is served."""
    alone = cross_fitted(world, _ALONE)
    yield Step("learned: query + store", alone.ranked(_ALONE))
    yield Step("learned: query + another's store", alone.ranked(Inputs(store=Store.OTHER)), "learned: query + store")
    other = Inputs(Turns.VISIT, page=True, store=Store.OTHER)
    yield Step("learned: served, another's store", fitted.ranked(other), "learned: served")


def _rows(world: World, step: Step, steps: dict[str, Step]) -> Iterator[Row]:
    for pairs in ("new_only", "all_pairs"):
        ours = getattr(step.ranked, pairs)
        if not len(ours.ranks):
            continue
        query, history = (getattr(steps[name].ranked, pairs) for name in ("query", "query + history, fixed"))
        yield {
            "pairs": pairs,
            "ranker": step.name,
            "cases": len(ours.ranks),
            "candidates": len(world.log.pool),
            **ours.figures(),
            **named("over_query", gain(ours, query)),
            **named("over_history", gain(ours, history)),
        }


def _summary(steps: dict[str, Step]) -> dict[str, float]:
    """Of what is new to its user. `shuffled_store_loss` is what the user's own store is worth in all that is served."""
    best = steps.get("learned: served", steps["shipped"]).ranked.new_only
    found = {"mrr": float(best.reciprocal.mean()), "mrr_all_pairs": _mrr_of_all(steps)}
    found |= {f"success_at_{place}": float((best.ranks <= place).mean()) for place in (1, 5, 10)}
    for name, other in (("query", "query"), ("history", "query + history, fixed"), ("frequent", "frequent")):
        found |= named(f"mrr_gain_over_{name}", gain(best, steps[other].ranked.new_only))
    return found | _losses(steps)


def _mrr_of_all(steps: dict[str, Step]) -> float:
    return float(steps.get("learned: served", steps["shipped"]).ranked.all_pairs.reciprocal.mean())


_LOSSES = {
    "learned: served, another's store": "shuffled_store_loss",
    "learned: another's history and store": "shuffled_history_and_store_loss",
    "learned: query + another's store": "shuffled_entities_loss",
    "another's history, fixed": "shuffled_fixed_history_loss",
}


def _losses(by_name: dict[str, Step]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, figure in _LOSSES.items():
        if name in by_name:
            step = by_name[name]
            found |= named(figure, gain(by_name[step.against].ranked.new_only, step.ranked.new_only))
    return found
