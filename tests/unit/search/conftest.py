"""A small index on the embedded engine, and the other services as search sees them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from attune.knowledge.v1.context_pb2 import Context
from attune.services.search.gateway import Augmentation, Expert, Read
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.passages import Span
from attune.services.search.index.port import Document, Index
from attune.services.search.person import NOBODY, Person
from attune.services.search.ranking.features import NAMES
from attune.services.search.ranking.model import SearchRanker

DIMENSION = 8
MakeRanker = Callable[..., SearchRanker]


@dataclass
class Services:
    """Stands where `Gateway` does: every text has the same vector, no text has entities, and nobody is known."""

    known: frozenset[str] = frozenset({"general"})
    refused: frozenset[str] = frozenset()
    """Ids of documents that cannot be embedded."""
    embedded: list[str] = field(default_factory=list)
    window: int = 1 << 20
    """How many tokens of a text are read."""
    cut: list[tuple[str, Span]] = field(default_factory=list)
    """Passages that were embedded."""
    unlinked: list[str] = field(default_factory=list)
    knowledge_is_up: bool = True
    fails_with: grpc.StatusCode | None = None
    """How the knowledge service ends the question of who asks."""

    spaces: dict[str, str] = field(default_factory=dict)
    """The space of each expert that has one of its own."""
    probabilities: dict[str, float] = field(default_factory=dict)
    augmentations: frozenset[Augmentation] = frozenset()
    """What each of those experts has for queries."""

    async def experts(self, _max_age_s: float = 0.0) -> dict[str, Expert]:
        own = {domain: Expert(key, self.augmentations) for domain, key in self.spaces.items()}
        return {domain: Expert("") for domain in self.known} | own

    async def route(self, _query: str) -> dict[str, float]:
        return self.probabilities

    async def query_vectors(
        self, _query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[np.ndarray, Augmentation]]:
        return [(np.ones(DIMENSION, np.float32), augmentation) for augmentation in asked.values()]

    async def said_vectors(self, texts: Sequence[str], _domain: str) -> list[np.ndarray | None]:
        return [np.ones(DIMENSION, np.float32) for _ in texts]

    async def passage_vectors(self, documents: Sequence[Document], _experts: object) -> list[Read | str]:
        self.embedded += [each.id for each in documents]
        return ["cannot be embedded" if each.id in self.refused else self.read(each.text) for each in documents]

    async def span_vectors(self, spans: Sequence[tuple[Document, Span]], _experts: object) -> list[Read | str]:
        self.cut += [(document.id, span) for document, span in spans]
        return [self.read(document.text[slice(*span)]) for document, span in spans]

    def read(self, text: str) -> Read:
        """Of every four characters a token."""
        tokens = -(-len(text) // 4)
        return Read(np.ones(DIMENSION, np.float32), min(tokens, self.window), tokens > self.window)

    async def link(self, documents: Sequence[Document]) -> list[tuple[str, ...]]:
        return [()] * len(documents)

    async def unlink(self, document_ids: Sequence[str]) -> bool:
        self.unlinked += document_ids
        return self.knowledge_is_up

    async def person(self, _user: str, _query: str, _context: Context, _entity_ids: Sequence[str]) -> Person:
        if self.fails_with:
            raise grpc.aio.AioRpcError(self.fails_with, grpc.aio.Metadata(), grpc.aio.Metadata(), "a failure")
        return NOBODY


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def small_index(tmp_path: Path) -> Iterator[Index]:
    opened = open_edge_index(tmp_path / "index", IndexIdentity("model-a", DIMENSION))
    yield opened
    opened.close()


@pytest.fixture
def log_lines() -> Iterator[list[EventDict]]:
    """What is logged meanwhile, whatever level another test has set."""
    before = structlog.get_config()
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines
    structlog.configure(**before)


@pytest.fixture(scope="session")
def make_ranker() -> MakeRanker:
    """A ranker with these weights for features as they are; the others weigh nothing."""

    def make(**weights: float) -> SearchRanker:
        found = np.array([weights.get(name, 0.0) for name in NAMES], np.float64)
        return SearchRanker(found, np.zeros(len(NAMES)), np.ones(len(NAMES)), {"made": "by hand"})

    return make
