"""What each RPC needs of a credential: declared here, once. An RPC that is not here is refused to everybody."""

from collections.abc import Mapping
from enum import StrEnum

OPEN_SERVICES = frozenset({"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"})
"""Answered without a credential: probes have none, and reflection tells no more than the published contracts."""


class Scope(StrEnum):
    """What a credential allows. None includes another."""

    READ = "read"
    """Search, suggestions, completions, vectors, and what is known of a user."""
    RECORD = "record"
    """What users did: events, feedback, removed suggestions."""
    WRITE = "write"
    """Documents: put, deleted, and what they are about."""
    PRIVACY = "privacy"
    """What users have a right to: their consents, an export, being forgotten."""
    ADMIN = "admin"
    """What concerns all tenants: generations of the index, experts."""


EVERY_SCOPE = frozenset(Scope)

_EMBEDDING = "/attune.embedding.v1.EmbeddingService/"
_KNOWLEDGE = "/attune.knowledge.v1.KnowledgeService/"
_SEARCH = "/attune.search.v1.SearchService/"
_SUGGESTION = "/attune.suggestion.v1.SuggestionService/"

SCOPES: Mapping[str, Scope] = {
    _EMBEDDING + "Embed": Scope.READ,
    _EMBEDDING + "EmbedStream": Scope.READ,
    _EMBEDDING + "RouteDomains": Scope.READ,
    _EMBEDDING + "ListDomains": Scope.READ,
    _EMBEDDING + "ReloadDomains": Scope.ADMIN,
    _EMBEDDING + "ScorePairs": Scope.READ,
    _EMBEDDING + "GetModelInfo": Scope.READ,
    _KNOWLEDGE + "LinkEntities": Scope.READ,
    _KNOWLEDGE + "LinkObjects": Scope.WRITE,
    _KNOWLEDGE + "UnlinkObjects": Scope.WRITE,
    _KNOWLEDGE + "RecordInteractions": Scope.RECORD,
    _KNOWLEDGE + "RetrieveEntities": Scope.READ,
    _KNOWLEDGE + "ListUserEntities": Scope.READ,
    _KNOWLEDGE + "GetUserProfile": Scope.READ,
    _KNOWLEDGE + "ExportUser": Scope.PRIVACY,
    _KNOWLEDGE + "ForgetUser": Scope.PRIVACY,
    _KNOWLEDGE + "ForgetEntity": Scope.PRIVACY,
    _KNOWLEDGE + "GetEntity": Scope.READ,
    _KNOWLEDGE + "SuppressSuggestions": Scope.RECORD,
    _KNOWLEDGE + "GetConsents": Scope.PRIVACY,
    _KNOWLEDGE + "SetConsents": Scope.PRIVACY,
    _KNOWLEDGE + "GetSuppressedSuggestions": Scope.READ,
    _SEARCH + "IndexDocuments": Scope.WRITE,
    _SEARCH + "DeleteDocuments": Scope.WRITE,
    _SEARCH + "GetDocument": Scope.READ,
    _SEARCH + "Search": Scope.READ,
    _SEARCH + "CreateGeneration": Scope.ADMIN,
    _SEARCH + "ListGenerations": Scope.ADMIN,
    _SEARCH + "ActivateGeneration": Scope.ADMIN,
    _SEARCH + "DeleteGeneration": Scope.ADMIN,
    _SEARCH + "SubmitFeedback": Scope.RECORD,
    _SUGGESTION + "SuggestQueries": Scope.READ,
    _SUGGESTION + "StreamSuggestQueries": Scope.READ,
    _SUGGESTION + "CompleteQuery": Scope.READ,
    _SUGGESTION + "RemoveSuggestion": Scope.RECORD,
}
"""By the path of the method."""


def is_open(method: str) -> bool:
    """Whether a method, such as /grpc.health.v1.Health/Check, is answered without a credential."""
    return method.removeprefix("/").partition("/")[0] in OPEN_SERVICES
