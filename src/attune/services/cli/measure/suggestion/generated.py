"""Candidates that the system makes itself, not those of the closed pool: are they what the user asks next, or near it?

They are made by the service's code, from less: from what others asked until then, after the query, with words of it or
about the user's entities, and from these. There are no titles of documents, as there is no search here. The entities
are the best of the user's whole store, where the service looks up those of the context first. And the first ten are as
they were ordered: the ranker's cut of suggestions that are like one another is left out. What the learned order gains
or loses here is therefore no measure of the whole service. Of a small log no query has the five users that the service
asks for: how many it takes here is an option, and 1 is the least that says anything of a log with few users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attune.knowledge_store.retrieval import Mode
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion.cases import Case
from attune.services.cli.measure.suggestion.ladder import CrossFitted, Inputs, World
from attune.services.cli.measure.suggestion.moments import Known, walked
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.ranking.candidates import Candidate, candidates
from attune.services.suggestion.ranking.features import Seen, features
from attune.services.suggestion.ranking.texts import Block

_SHOWN = 10
_PER_MODE = 8


@dataclass(frozen=True, slots=True)
class Made:
    """One case's candidates, in the order of each ranker."""

    case: Case
    candidates: Sequence[Candidate]
    orders: dict[str, Sequence[int]]


def generated(world: World, fitted: CrossFitted, inputs: Inputs, least_users: int) -> list[Row]:
    """A row for each ranker of the candidates: the learned one, by the query's cosine, and as they were made."""
    cases = [case for case in world.log.cases if case.is_judged and case.is_new]
    made = []
    for case, earlier, stores in walked(cases, world.log.entries, world.entities):
        situation = _situation(world, case, stores.known(case.user, case.at))
        found = candidates(situation, earlier.without(case.user, least_users))
        made.append((case, stores.known(case.user, case.at), found))
    world.encoded.prepare(each.text for _, _, found in made for each in found)
    ordered = [_ordered(world, fitted, inputs, *each) for each in made]
    return [_row(world, name, ordered) for name in ("learned", "by_query", "as_made")]


def _situation(world: World, case: Case, known: Known) -> Situation:
    entities = (
        [
            KnownEntity(entity_id, world.entities.catalog[entity_id].label, mode, score)
            for entity_id, (mode, score) in known.items()
        ]
        if world.entities
        else []
    )
    kept = [each for mode in Mode for each in [one for one in entities if one.mode is mode][:_PER_MODE]]
    return Situation(case.query, list(case.visit), case.page, "", kept, [])


def _ordered(
    world: World, fitted: CrossFitted, inputs: Inputs, case: Case, known: Known, found: Sequence[Candidate]
) -> Made:
    if not found:
        return Made(case, found, {"learned": (), "by_query": (), "as_made": ()})
    query = world.encoded[case.query]
    seen = Seen(
        query=query,
        turns=[world.encoded[text] for text in world.turns(case, inputs.turns)],
        page=world.encoded[case.page] if case.page else None,
        known=known,
    )
    block = Block([world.encoded[each.text] for each in found])
    scores = fitted.model(case.user).scores(features(seen, block, [each.facts for each in found]))
    near = block.cosines(query.vector) if query.vector is not None else np.zeros(len(found), np.float32)
    orders = {"learned": np.argsort(-scores).tolist(), "by_query": np.argsort(-near).tolist()}
    return Made(case, found, orders | {"as_made": list(range(len(found)))})


def _row(world: World, name: str, made: Sequence[Made]) -> Row:
    firsts = [[each.candidates[place].text for place in each.orders[name][:_SHOWN]] for each in made]
    targets = [each.case.target for each in made]
    hits = [[" ".join(text.casefold().split()) for text in first] for first in firsts]
    places = [hit.index(target) + 1 if target in hit else np.inf for hit, target in zip(hits, targets, strict=True)]
    recalls = [
        found
        for first, target in zip(firsts, targets, strict=True)
        if (found := _recall(world, first, target)) is not None
    ]
    return {
        "candidates": "generated",
        "ranker": name,
        "cases": len(made),
        "made": float(np.mean([len(each.candidates) for each in made])),
        "reachable": float(np.mean([_is_among(each) for each in made])),
        **{f"success_at_{place}": float(np.mean(np.array(places) <= place)) for place in (1, 5, 10)},
        "cosine_of_best": float(
            np.mean([_best(world, first, target) for first, target in zip(firsts, targets, strict=True)])
        ),
        "gold_entity_recall": float(np.mean(recalls)) if recalls else 0.0,
        "redundancy": float(np.mean([_redundancy(world, first) for first in firsts if len(first) > 1] or [0.0])),
    }


def _is_among(made: Made) -> bool:
    return any(each.text.casefold() == made.case.target for each in made.candidates)


def _best(world: World, texts: Sequence[str], target: str) -> float:
    vector = world.encoded[target].vector
    if not texts or vector is None:
        return 0.0
    return float(Block([world.encoded[text] for text in texts]).cosines(vector).max())


def _recall(world: World, texts: Sequence[str], target: str) -> float | None:
    """The share of the target's entities that the ten name; None where it has none."""
    gold = set(world.entities.named(target)) if world.entities else set()
    if not gold or world.entities is None:
        return None
    named = {entity_id for text in texts for entity_id in world.entities.named(text)}
    return len(gold & named) / len(gold)


def _redundancy(world: World, texts: Sequence[str]) -> float:
    """The mean cosine of two of them."""
    vectors = Block([world.encoded[text] for text in texts]).vectors
    if not vectors.shape[1]:
        return 0.0
    cosines = vectors @ vectors.T
    return float(cosines[np.triu_indices(len(texts), 1)].mean())
