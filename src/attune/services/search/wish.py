"""What a caller asks of a search."""

from dataclasses import dataclass

from attune.embedding.v1.embedding_pb2 import AUGMENTATION_UNSPECIFIED
from attune.knowledge.v1.context_pb2 import Context
from attune.services.search.boosts.declared import Boost
from attune.services.search.feedback.parts import Replacement
from attune.services.search.gateway import Augmentation
from attune.services.search.index.narrowing import PUBLIC, Within


@dataclass(frozen=True, slots=True)
class Wish:
    """What is searched for, by whom, in what context."""

    query: str
    user: str
    context: Context
    domains: tuple[str, ...]
    page_size: int
    augmentation: Augmentation = AUGMENTATION_UNSPECIFIED
    within: Within = PUBLIC
    rankings: tuple[str, ...] = ()
    """By which rankings, if the caller names any."""
    boosts: tuple[Boost, ...] = ()
    """Those that count."""
    replacements: tuple[Replacement, ...] = ()
    """What the user meant instead of parts that were taken out of the query, which may be empty then."""
    not_about: frozenset[str] = frozenset()
    """Entities that the user does not mean."""
    cross_encoded: int | None = None
    """How many documents the cross-encoder is to order; None: as configured."""

    @property
    def personalization(self) -> float:
        """How much of what is known of the user is wanted; 1 is the default, 0 none."""
        return self.session if self.user else 0.0

    @property
    def session(self) -> float:
        """How much of what the caller says of the session is wanted: of a user that is not named, too."""
        return self.context.personalization if self.context.HasField("personalization") else 1.0

    @property
    def looks_at_documents(self) -> bool:
        """Whether anything of the candidates counts but how they were found: their entities, their fields, or which of
        several domains they are of.
        """
        return bool(self.personalization > 0 or self.boosts or self.not_about or len(set(self.domains)) > 1)
