"""The language model as writer: ten suggestions from the query alone, with the user's own history, with another's."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from attune.embeddings.evaluation.significance import bootstrap
from attune.knowledge_store.retrieval import Mode
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion_llm.cases import Case
from attune.services.cli.measure.suggestion_llm.vectors import Vectorizer
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.known import KnownEntity, Situation, normalised
from attune.services.suggestion.writing.model import Account, Task, Writer

LIMIT = 10
CLOSE = 0.8
"""From this cosine on two queries ask for the same, for most of those who would judge."""
_TIMEOUT_S = 120.0
Measures = Mapping[str, float]

HISTORIES: Mapping[str, Callable[[Case], Sequence[str]]] = {
    "query": lambda _case: (),
    "own history": lambda case: case.history,
    "another's history": lambda case: case.others,
}


@dataclass(frozen=True, slots=True)
class WrittenFor:
    """What was written in one case, and how good it was."""

    case: Case
    texts: Sequence[str]
    measures: Measures


def write_all(
    writer: Writer, cases: Sequence[Case], vectors: Vectorizer, done: Callable[[], None]
) -> Mapping[str, list[WrittenFor]]:
    """By kind of history, what the model wrote in each case."""

    async def run() -> Mapping[str, list[WrittenFor]]:
        found: dict[str, list[WrittenFor]] = {name: [] for name in HISTORIES}
        for case in cases:
            for name, history in HISTORIES.items():
                texts = await _write(writer, _situation(case, history(case)))
                found[name].append(WrittenFor(case, texts, _measured(texts, case.next_query, vectors)))
                done()
        await writer.close()
        return found

    return asyncio.run(run())


def rows_of(found: Mapping[str, Sequence[WrittenFor]]) -> list[Row]:
    """A row for each kind of history and measure, with its interval over users."""
    rows: list[Row] = []
    for name, each in found.items():
        for measure in each[0].measures:
            interval = bootstrap([one.measures[measure] for one in each])
            rows.append(
                {
                    "prompt with": name,
                    "measure": measure,
                    "value": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "users": len(each),
                }
            )
    return rows


async def _write(writer: Writer, situation: Situation) -> list[str]:
    texts: list[str] = []
    try:
        async with aclosing(writer.write(Task(situation, LIMIT, _TIMEOUT_S), Account())) as written:
            async for each in written:
                texts.append(each.text)  # noqa: PERF401 - those before an error count
    except LlmError:
        pass  # what it did not write finds nothing
    return texts


def _situation(case: Case, history: Sequence[str]) -> Situation:
    """Past queries stand for the entities of the store, the newest with the highest weight: the log has no catalog."""
    known = [KnownEntity(each, each, Mode.FAMILIAR, 1 / place, 1) for place, each in enumerate(history, start=1)]
    return Situation(case.query, (), "", "", known, ())


def _measured(texts: Sequence[str], gold: str, vectors: Vectorizer) -> Measures:
    cosines = (vectors(texts) @ vectors([gold])[0]).tolist() if texts else []
    equal = [normalised(text) == gold for text in texts]
    close = [cosine >= CLOSE for cosine in cosines]
    return {
        "mrr": _reciprocal_rank(equal),
        "success@10": float(any(equal)),
        "mrr_close": _reciprocal_rank(close),
        "success_close@10": float(any(close)),
        "best_cosine": max(cosines, default=0.0),
        "suggestions": float(len(texts)),
    }


def _reciprocal_rank(right: Sequence[bool]) -> float:
    return next((1 / rank for rank, each in enumerate(right, start=1) if each), 0.0)
