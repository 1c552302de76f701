"""attune for Python callers. Everything it does is plain gRPC: any language can do the same from the .proto files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.search.v1 import search_pb2
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.client.augmentations import augmentation_number
from attune.services.client.channels import Addresses, Channels, Tls
from attune.services.client.paths import path_number
from attune.services.client.suggesting import SuggestionStream
from attune.services.runtime.purposes import known_purpose, purpose_number
from attune.services.runtime.vectors import to_matrix
from attune.suggestion.v1 import suggestion_pb2 as suggestion
from attune.suggestion.v1.suggestion_pb2_grpc import SuggestionServiceStub


class Client:
    """A caller of the four services. Safe to share between threads; close it, or use it in a `with` statement.

    Every method raises grpc.RpcError; its `code()` and `details()` say what is wrong and how to mend it.
    """

    def __init__(
        self,
        addresses: Addresses | None = None,
        *,
        token: str = "",
        tls: Tls | None = None,
        allow_plaintext: bool = False,
        wait_for_ready: bool = False,
        timeout_s: float = 10,
        stream_timeout_s: float = 600,
        max_message_bytes: int = 16 << 20,
    ) -> None:
        """Plain text goes to this machine only, without `tls`, unless `allow_plaintext` says that the way is safe.

        With `wait_for_ready` a call to a service that is not there waits for it until the deadline, as where its one
        process is being replaced; without, it fails within a second with UNAVAILABLE.

        Raises:
            ConfigError: it would go further, or a file of `tls` is wrong.
        """
        addresses = addresses or Addresses()
        self._channels = Channels(
            max_message_bytes, tls=tls, allow_plaintext=allow_plaintext, wait_for_ready=wait_for_ready
        )
        self._embedding = EmbeddingServiceStub(self._channels.to(addresses.embedding))
        self._knowledge = KnowledgeServiceStub(self._channels.to(addresses.knowledge))
        self._suggestion = SuggestionServiceStub(self._channels.to(addresses.suggestion))
        self._search = SearchServiceStub(self._channels.to(addresses.search))
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._timeout_s = timeout_s
        self._stream_timeout_s = stream_timeout_s

    def __enter__(self) -> Self:
        """Nothing to do: channels open when needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the channels."""
        self.close()

    def close(self) -> None:
        """Close the channels."""
        self._channels.close()

    def embed(
        self, texts: Sequence[str], *, domain: str = "", query: bool = False, augmentation: str = ""
    ) -> NDArray[np.float32]:
        """Vectors [n, d] of up to 1,024 texts. `augmentation` is of queries: "none", "probes", ...; empty: the default.

        Raises:
            TypeError: `texts` is a string, whose letters would be the texts.
            ValueError: one of the texts cannot be embedded; the message says which and why.
        """
        role = embedding.ROLE_QUERY if query else embedding.ROLE_PASSAGE
        return to_matrix(self._embed(texts, domain, role, augmentation, explain=False).vectors)

    def explain_query(self, text: str, *, domain: str = "", augmentation: str = "") -> embedding.EmbeddedItem:
        """How a query's vector is augmented, and which tokens move it how far.

        Raises:
            ValueError: it cannot be embedded; the message says why.
        """
        return self._embed([text], domain, embedding.ROLE_QUERY, augmentation, explain=True).items[0]

    def _embed(
        self,
        texts: Sequence[str],
        domain: str,
        role: embedding.Role.ValueType,
        augmentation: str,
        *,
        explain: bool,
    ) -> embedding.EmbedResponse:
        if isinstance(texts, str):
            raise TypeError("texts is a string: give a list of texts, as in embed([text])")
        asked = augmentation_number(augmentation)
        request = embedding.EmbedRequest(
            inputs=[embedding.TextInput(text=text, domain=domain, role=role, augmentation=asked) for text in texts],
            explain=explain,
        )
        response = self._embedding.Embed(request, timeout=self._timeout_s, metadata=self._metadata)
        for index, item in enumerate(response.items):
            if item.HasField("error"):
                raise ValueError(f"texts[{index}]: {item.error.message}")
        return response

    def model_info(self) -> embedding.GetModelInfoResponse:
        """The model behind the vectors."""
        request = embedding.GetModelInfoRequest()
        return self._embedding.GetModelInfo(request, timeout=self._timeout_s, metadata=self._metadata)

    def domains(self) -> list[embedding.Domain]:
        """The domains that have an expert, at most 1,000 of them."""
        request = embedding.ListDomainsRequest(page_size=1000)
        return list(self._embedding.ListDomains(request, timeout=self._timeout_s, metadata=self._metadata).domains)

    def reload_domains(self) -> embedding.ReloadDomainsResponse:
        """Load the experts that the service's model directory names now."""
        request = embedding.ReloadDomainsRequest()
        return self._embedding.ReloadDomains(request, timeout=self._timeout_s, metadata=self._metadata)

    def route_domains(self, texts: Sequence[str]) -> list[embedding.DomainRoute]:
        """The domains that each of up to 1,024 texts may belong to, the likeliest first."""
        request = embedding.RouteDomainsRequest(texts=texts)
        return list(self._embedding.RouteDomains(request, timeout=self._timeout_s, metadata=self._metadata).routes)

    def index(
        self, documents: Iterable[search_pb2.Document], *, generation: str = ""
    ) -> search_pb2.IndexDocumentsResponse:
        """Add or replace documents; what is unchanged is skipped. `generation`: one that is being built, for documents
        that were there before it was.
        """
        requests = (
            search_pb2.IndexDocumentsRequest(document=document, generation=generation) for document in documents
        )
        return self._search.IndexDocuments(requests, timeout=self._stream_timeout_s, metadata=self._metadata)

    def generations(self) -> list[search_pb2.Generation]:
        """What is searched, and what is being built to take its place."""
        request = search_pb2.ListGenerationsRequest()
        answer = self._search.ListGenerations(request, timeout=self._timeout_s, metadata=self._metadata)
        return list(answer.generations)

    def create_generation(self) -> search_pb2.Generation:
        """Begin to build a new index beside the one that serves; writes go to both from now on."""
        request = search_pb2.CreateGenerationRequest()
        return self._search.CreateGeneration(
            request, timeout=self._stream_timeout_s, metadata=self._metadata
        ).generation

    def activate_generation(self, name: str, *, force: bool = False) -> search_pb2.Generation:
        """Let what was built serve, and drop the one before."""
        request = search_pb2.ActivateGenerationRequest(name=name, force=force)
        answer = self._search.ActivateGeneration(request, timeout=self._stream_timeout_s, metadata=self._metadata)
        return answer.generation

    def drop_generation(self, name: str) -> None:
        """Delete a generation that does not serve."""
        request = search_pb2.DeleteGenerationRequest(name=name)
        self._search.DeleteGeneration(request, timeout=self._timeout_s, metadata=self._metadata)

    def delete(self, document_ids: Sequence[str]) -> int:
        """Remove up to 1,000 documents; return how many were there."""
        request = search_pb2.DeleteDocumentsRequest(document_ids=document_ids)
        return self._search.DeleteDocuments(request, timeout=self._timeout_s, metadata=self._metadata).deleted

    def search(  # noqa: PLR0913 - as the request has them
        self,
        query: str,
        *,
        user: str = "",
        context: Context | None = None,
        domains: Sequence[str] = (),
        page_size: int = 10,
        page_token: str = "",
        augmentation: str = "",
        filter: search_pb2.Filter | None = None,  # noqa: A002 - as the request names it
        principals: Sequence[str] = (),
        languages: Sequence[str] = (),
        rankings: Sequence[str] = (),
        query_id: str = "",
        boosts: Mapping[str, float | None] | None = None,
        cross_encoder_candidates: int | None = None,
    ) -> search_pb2.SearchResponse:
        """The documents that answer a query, the best for `user` first; `augmentation` is as in `embed`.

        `principals` are who asks, as documents name who may see them. Two `rankings` ("plain", "personal", "learned",
        "challenger") are interleaved. `boosts` are weights by the names of declared boosts, None for the declared one.
        Of `cross_encoder_candidates`, 0 is none, and None as many as configured.
        """
        request = search_pb2.SearchRequest(
            query=query,
            user_id=user,
            context=context,
            domains=domains,
            page_size=page_size,
            page_token=page_token,
            augmentation=augmentation_number(augmentation),
            filter=filter,
            principals=principals,
            languages=languages,
            rankings=rankings,
            query_id=query_id,
            boosts=[search_pb2.Boost(name=name, weight=weight) for name, weight in (boosts or {}).items()],
            cross_encoder_candidates=cross_encoder_candidates,
        )
        return self._search.Search(request, timeout=self._timeout_s, metadata=self._metadata)

    def submit_feedback(self, request: search_pb2.SubmitFeedbackRequest) -> search_pb2.SubmitFeedbackResponse:
        """Say what a user thinks of a result, or what a search got wrong; `feedback` makes the request."""
        return self._search.SubmitFeedback(request, timeout=self._timeout_s, metadata=self._metadata)

    def suggest(
        self, query: str, *, user: str = "", context: Context | None = None, limit: int = 5, path: str = ""
    ) -> suggestion.SuggestQueriesResponse:
        """Queries that the user may want to ask next. `path` says who is to write them: "ranker", "llm", or empty for
        the language model where there is one. `path_name(response.path)` says who did, response.fallback_reason why not
        the model.

        Raises:
            ValueError: there is no such path.
        """
        request = _suggestion_request(query, user, context, limit, path)
        return self._suggestion.SuggestQueries(request, timeout=self._timeout_s, metadata=self._metadata)

    def suggest_stream(
        self, query: str, *, user: str = "", context: Context | None = None, limit: int = 5, path: str = ""
    ) -> SuggestionStream:
        """The same one by one: iterate over it, then see its `summary`. An error of the service comes on the way.

        Raises:
            ValueError: there is no such path.
        """
        request = suggestion.StreamSuggestQueriesRequest(request=_suggestion_request(query, user, context, limit, path))
        return SuggestionStream(
            self._suggestion.StreamSuggestQueries(request, timeout=self._timeout_s, metadata=self._metadata)
        )

    def complete(
        self, prefix: str, *, user: str = "", context: Context | None = None, limit: int = 10
    ) -> suggestion.CompleteQueryResponse:
        """What a text that the user is typing may become; of an empty one, what they may begin with."""
        request = suggestion.CompleteQueryRequest(user_id=user, prefix=prefix, context=context, limit=limit)
        return self._suggestion.CompleteQuery(request, timeout=self._timeout_s, metadata=self._metadata)

    def remove_suggestion(
        self, user: str, text: str, *, entity_ids: Sequence[str] = ()
    ) -> suggestion.RemoveSuggestionResponse:
        """Never suggest this to this user again; it counts against the `entity_ids` that the suggestion came with."""
        request = suggestion.RemoveSuggestionRequest(user_id=user, text=text, entity_ids=entity_ids)
        return self._suggestion.RemoveSuggestion(request, timeout=self._timeout_s, metadata=self._metadata)

    def remove_suggestion_history(self, user: str) -> None:
        """Draw no suggestion for this user from anything that they did until now."""
        request = suggestion.RemoveSuggestionRequest(user_id=user, all_history=True)
        self._suggestion.RemoveSuggestion(request, timeout=self._timeout_s, metadata=self._metadata)

    def record(self, events: Iterable[InteractionEvent]) -> knowledge.RecordInteractionsResponse:
        """Append events to the event log; repeating a failed call is harmless."""
        requests = (knowledge.RecordInteractionsRequest(event=event) for event in events)
        return self._knowledge.RecordInteractions(requests, timeout=self._stream_timeout_s, metadata=self._metadata)

    def retrieve(
        self, user: str, *, query: str = "", context: Context | None = None
    ) -> knowledge.RetrieveEntitiesResponse:
        """What of a context the user knows, cares about, or has left behind."""
        request = knowledge.RetrieveEntitiesRequest(user_id=user, query=query, context=context)
        return self._knowledge.RetrieveEntities(request, timeout=self._timeout_s, metadata=self._metadata)

    def profile(self, user: str) -> knowledge.GetUserProfileResponse:
        """What the store holds of a user, in numbers."""
        request = knowledge.GetUserProfileRequest(user_id=user)
        return self._knowledge.GetUserProfile(request, timeout=self._timeout_s, metadata=self._metadata)

    def entities(self, user: str, *, page_size: int = 100) -> Iterator[knowledge.UserEntity]:
        """All entities of a user, the heaviest first, page by page."""
        token = ""
        while True:
            request = knowledge.ListUserEntitiesRequest(user_id=user, page_size=page_size, page_token=token)
            page = self._knowledge.ListUserEntities(request, timeout=self._timeout_s, metadata=self._metadata)
            yield from page.entities
            token = page.next_page_token
            if not token:
                return

    def consents(self, user: str) -> list[knowledge.Consent]:
        """What a user allows, purpose by purpose."""
        request = knowledge.GetConsentsRequest(user_id=user)
        return list(self._knowledge.GetConsents(request, timeout=self._timeout_s, metadata=self._metadata).consents)

    def set_consents(
        self, user: str, *, grant: Iterable[str] = (), withdraw: Iterable[str] = ()
    ) -> list[knowledge.Consent]:
        """Grant and withdraw purposes ("learning", "ranking", ...) from now on; return what the user allows then.

        Raises:
            ValueError: a purpose is unknown; the message says which ones there are.
        """
        choices = [
            knowledge.ConsentChoice(purpose=purpose_number(known_purpose(name)), granted=granted)
            for names, granted in ((grant, True), (withdraw, False))
            for name in names
        ]
        request = knowledge.SetConsentsRequest(user_id=user, choices=choices)
        return list(self._knowledge.SetConsents(request, timeout=self._timeout_s, metadata=self._metadata).consents)

    def export(self, user: str) -> Iterator[knowledge.ExportUserResponse]:
        """Everything that is stored of a user."""
        request = knowledge.ExportUserRequest(user_id=user)
        yield from self._knowledge.ExportUser(request, timeout=self._stream_timeout_s, metadata=self._metadata)

    def forget(self, user: str) -> knowledge.ForgetUserResponse:
        """Remove everything of a user, for good."""
        request = knowledge.ForgetUserRequest(user_id=user)
        return self._knowledge.ForgetUser(request, timeout=self._stream_timeout_s, metadata=self._metadata)


def _suggestion_request(
    query: str, user: str, context: Context | None, limit: int, path: str
) -> suggestion.SuggestQueriesRequest:
    return suggestion.SuggestQueriesRequest(
        query=query, user_id=user, context=context, limit=limit, path=path_number(path)
    )
