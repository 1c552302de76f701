"""The library's front: texts with a domain and a role in, vectors or reasons out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.config import ModelConfig, read_model_config, read_tokenizer
from attune.embeddings.devices import AUTO, choose_device, tokens_at_once
from attune.embeddings.domains import Domain, DomainRegistry, LoadedAugmenter
from attune.embeddings.encoder import Encoder
from attune.embeddings.errors import SettingError, TextError, UnknownAugmentationError, UnknownDomainError
from attune.embeddings.items import PLAIN, Augmented, Embedded, EmbeddedBatch, EmbedItem, ItemError, Role, Timings
from attune.embeddings.mixture.live import LiveExperts
from attune.embeddings.precision import Precision, PrecisionSetting, choose_precision
from attune.embeddings.tokenizer import TextTokenizer, Tokenized
from attune.embeddings.weights import model_name, resolve_model, weights_sha256

_REVISION_DIGITS = 12


@dataclass(frozen=True)
class Prepared:
    """A tokenized text and the domain it goes to, whose expert stays loaded as long as this is held."""

    tokens: Tokenized
    domain: Domain
    candidates: DomainRegistry | None = None
    """For a text that names no domain: those that it may turn out to be of."""
    augmentation: str = Augmentation.NONE
    """As in `EmbedItem`; of a passage, none."""
    explain: bool = False

    def augmenter(self, domain: Domain) -> LoadedAugmenter | None:
        """What augments the text, now that its domain is known; one that was routed to it need not have what it asked
        for.
        """
        try:
            return domain.augmenter(self.augmentation)
        except UnknownAugmentationError:
            return None

    @property
    def token_count(self) -> int:
        """How many tokens are computed."""
        return self.tokens.token_count

    @property
    def truncated(self) -> bool:
        """Whether the text was longer."""
        return self.tokens.truncated

    def embedded(self, vector: NDArray[np.float32], end: "Computation") -> Embedded:
        """With its vector [d], and how it was computed."""
        return Embedded(vector, end.domain.id, self.token_count, self.truncated, end.augmented)


@dataclass(frozen=True)
class Computation:
    """How a text's vector came about: the domain that it was routed to, and how it was augmented."""

    domain: Domain
    augmented: Augmented = PLAIN


class Embedder:
    """Tokenizer, domains and encoder of one model. Blocking; several threads may call it at once."""

    def __init__(
        self,
        *,
        encoder: Encoder,
        tokenizer: TextTokenizer,
        experts: LiveExperts,
        config: ModelConfig,
        name: str,
        revision: str,
        precision: Precision,
        clock: Callable[[], float],
    ) -> None:
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._prompts = {Role.QUERY: config.query_prompt, Role.PASSAGE: config.passage_prompt}
        self._clock = clock
        self._experts = experts
        self._augmenters = experts.augmenters
        self.name = name
        self.revision = revision
        self.precision = precision
        self.device = str(encoder.device)
        self.batch_tokens = tokens_at_once(encoder.device)
        self.dimension = encoder.dimension
        self.max_tokens = tokenizer.max_tokens
        self.normalized = config.normalize

    @classmethod
    def load(
        cls,
        model_path: str | None = None,
        precision: str = PrecisionSetting.AUTO,
        threads: int | None = None,
        *,
        device: str = AUTO,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Self:
        """Load a sentence-transformers directory, or the packaged model when `model_path` is None.

        `threads` sets how many threads torch computes with in this process, `device` is as in `choose_device`. `clock`
        (seconds) takes the timings. Raises `ModelError` for the model, `SettingError` for precision, threads or device.
        """
        _set_threads(threads)
        directory = resolve_model(model_path)
        config = read_model_config(directory)
        place = choose_device(device)
        chosen = choose_precision(precision, place, clock=clock)
        revision = weights_sha256(directory)[:_REVISION_DIGITS]
        name = model_name(directory)
        encoder = Encoder.load(directory, config, chosen, place)
        return cls(
            encoder=encoder,
            tokenizer=read_tokenizer(directory, config),
            experts=LiveExperts(directory, config, name, encoder),
            config=config,
            name=name,
            revision=revision,
            precision=chosen,
            clock=clock,
        )

    @property
    def prompt_tokens(self) -> frozenset[int]:
        """The ids that prompts put before texts, whatever these are."""
        prompts = [prompt for prompt in self._prompts.values() if prompt.strip()]
        return frozenset(
            token for each in self._tokenizer.tokenize(prompts) if isinstance(each, Tokenized) for token in each.ids
        )

    @property
    def domains(self) -> DomainRegistry:
        """The domains whose experts are loaded."""
        return self._experts.domains

    def reload_experts(self) -> DomainRegistry:
        """The domains that the model directory names now, with their experts loaded. Texts may be embedded meanwhile.

        Raises `ModelError`, and leaves all as it was, if one cannot be loaded.
        """
        return self._experts.reload()

    def embed(self, items: Sequence[EmbedItem]) -> EmbeddedBatch:
        """Embed each item. One that cannot be yields its error in its place and leaves the others unharmed.

        `TextError.index` is the item's position.
        """
        started = self._clock()
        prepared = self.prepare(items)
        tokenized = self._clock()
        computed_of = zip(*self.compute([entry for entry in prepared if isinstance(entry, Prepared)]), strict=True)
        results = tuple(
            entry.embedded(*next(computed_of)) if isinstance(entry, Prepared) else entry for entry in prepared
        )
        computed = self._clock()
        return EmbeddedBatch(results, Timings(1000 * (tokenized - started), 1000 * (computed - tokenized)))

    def prepare(self, items: Sequence[EmbedItem], reach: int = 0) -> list[Prepared | ItemError]:
        """Each item ready for `compute`, or why it cannot be. May run while another thread computes.

        The first `reach` tokens of a text are kept, or as many as its domain's head reads, if that is more.
        """
        registry = self.domains
        tokenized = self._tokenizer.tokenize(
            [item.text for item in items],
            prefixes=[self._prompts[item.role] for item in items],
            truncate=[item.truncate for item in items],
            reaches=[max(reach, registry.reach(item.domain)) for item in items],
        )
        return [_prepared(item, tokens, registry) for item, tokens in zip(items, tokenized, strict=True)]

    def compute(self, prepared: Sequence[Prepared]) -> tuple[NDArray[np.float32], list[Computation]]:
        """The vectors [n, d] of n prepared texts, and how they came about.

        A text that names no domain is embedded by the general expert, and if that vector is of another domain, again;
        unless that domain's expert makes its vectors from those. Queries are augmented at last.
        """
        domains = [entry.domain for entry in prepared]
        vectors = self._encode_plain(prepared, domains)
        unknown = [place for place, entry in enumerate(prepared) if entry.candidates is not None]
        if unknown:
            domains = _routed(prepared, domains, vectors, unknown)
            routed = [place for place in unknown if domains[place].expert != prepared[place].domain.expert]
            self._encode_again(vectors, prepared, domains, routed)
        augmented = self._augment(vectors, prepared, domains)
        return vectors, [Computation(*each) for each in zip(domains, augmented, strict=True)]

    def hidden(self, prepared: Sequence[Prepared]) -> list[Tensor]:
        """For each prepared text its tokens' vectors [tokens, d] in the last layer of its domain's expert."""
        experts = [entry.domain.expert.number for entry in prepared]
        states = self._encoder.encode_with_hidden(_ids(prepared), experts)[1]
        return [each.clone() for each in states]  # outside of inference, so that what reads them can learn

    def taken(self, texts: Sequence[str]) -> list[str]:
        """What the layers read of each passage, which may be its beginning alone."""
        return self._tokenizer.taken(texts, self._prompts[Role.PASSAGE])

    def moves_general_vectors(self, domain: Domain) -> bool:
        """Whether the domain's expert makes its vectors from the general expert's: see `moved`."""
        return self._encoder.moves_general_vectors(domain.expert.number)

    def moved(self, vectors: NDArray[np.float32], texts: Sequence[str], domain: Domain) -> NDArray[np.float32]:
        """The domain's vectors [n, d] of passages, from those by the general expert. Raises `TextError`."""
        prepared = self.prepare([EmbedItem(text, domain.id) for text in texts])
        refused = next((each for each in prepared if not isinstance(each, Prepared)), None)
        if refused is not None:
            raise refused
        ready = [each for each in prepared if isinstance(each, Prepared)]
        return self._encoder.moved(vectors, _ids(ready), [domain.expert.number] * len(ready), _beyond(ready))

    @property
    def token_embeddings(self) -> NDArray[np.float32]:
        """[vocabulary, e]: what the encoder's first layer knows each token by."""
        return self._encoder.token_embeddings

    def _augment(
        self, vectors: NDArray[np.float32], prepared: Sequence[Prepared], domains: Sequence[Domain]
    ) -> list[Augmented]:
        """Change the vectors of those queries that are to be augmented, in place; how each was."""
        found = [PLAIN] * len(prepared)
        groups: dict[int, list[int]] = {}
        asked = [entry.augmenter(domain) for entry, domain in zip(prepared, domains, strict=True)]
        for place, augmenter in enumerate(asked):
            if augmenter is not None:
                groups.setdefault(augmenter.head.number, []).append(place)
        for number, places in groups.items():
            augmenter = asked[places[0]]
            if augmenter is not None:
                plain, hidden = self._plain(vectors, prepared, domains, places, augmenter)
                sequences = [prepared[place].tokens.ids for place in places]
                vectors[places] = self._augmenters.augment(number, plain, sequences, hidden)
                for row, place in enumerate(places):
                    found[place] = Augmented(augmenter.kind)
                    if prepared[place].explain:
                        found[place] = self._explained(number, plain[row], sequences[row], hidden[row : row + 1])
        return found

    def _plain(
        self,
        vectors: NDArray[np.float32],
        prepared: Sequence[Prepared],
        domains: Sequence[Domain],
        places: Sequence[int],
        augmenter: LoadedAugmenter,
    ) -> tuple[NDArray[np.float32], list[Tensor]]:
        """The vectors that the augmenter changes, and if it reads them, the tokens' own: both of one more pass."""
        if not augmenter.computes:
            return vectors[places], []
        experts = [(augmenter.tower or domains[place].expert).number for place in places]
        ready = [prepared[place] for place in places]
        if not augmenter.reads_hidden:
            return self._encoder.encode(_ids(ready), experts, _beyond(ready)), []
        return self._encoder.encode_with_hidden(_ids(ready), experts, _beyond(ready))

    def _explained(
        self, number: int, vector: NDArray[np.float32], sequence: Sequence[int], hidden: Sequence[Tensor]
    ) -> Augmented:
        return self._augmenters.explain(number, vector, sequence, hidden, self._tokenizer.written)

    def _encode_plain(self, prepared: Sequence[Prepared], domains: Sequence[Domain]) -> NDArray[np.float32]:
        """Zeros for those whose augmenter computes them otherwise."""
        needed = [
            place
            for place, entry in enumerate(prepared)
            if entry.candidates is not None
            or (augmenter := entry.augmenter(entry.domain)) is None
            or not augmenter.computes
        ]
        if len(needed) == len(prepared):
            return self._encode(prepared, domains)
        vectors = np.zeros((len(prepared), self.dimension), np.float32)
        vectors[needed] = self._encode([prepared[place] for place in needed], [domains[place] for place in needed])
        return vectors

    def _encode_again(
        self,
        vectors: NDArray[np.float32],
        prepared: Sequence[Prepared],
        domains: Sequence[Domain],
        places: Sequence[int],
    ) -> None:
        """Replace the general vectors at `places` by those of their domains' experts."""
        numbers = {place: domains[place].expert.number for place in places}
        moved = [place for place in places if self._encoder.moves_general_vectors(numbers[place])]
        again = [place for place in places if place not in moved]
        if moved:
            ready, experts = [prepared[place] for place in moved], [numbers[place] for place in moved]
            vectors[moved] = self._encoder.moved(vectors[moved], _ids(ready), experts, _beyond(ready))
        if again:
            vectors[again] = self._encode([prepared[place] for place in again], [domains[place] for place in again])

    def _encode(self, prepared: Sequence[Prepared], domains: Sequence[Domain]) -> NDArray[np.float32]:
        return self._encoder.encode(_ids(prepared), [each.expert.number for each in domains], _beyond(prepared))


def _prepared(item: EmbedItem, tokens: Tokenized | TextError, registry: DomainRegistry) -> Prepared | ItemError:
    if isinstance(tokens, TextError):
        return tokens
    try:
        domain, unknown = registry.route(item.domain), registry.routes(item.domain)
        augmentation = item.augmentation if item.role is Role.QUERY else Augmentation.NONE
        if not unknown:
            domain.augmenter(augmentation)
        return Prepared(tokens, domain, registry if unknown else None, augmentation, item.explain)
    except (UnknownDomainError, UnknownAugmentationError) as error:
        return error


def _routed(
    prepared: Sequence[Prepared], domains: Sequence[Domain], vectors: NDArray[np.float32], unknown: Sequence[int]
) -> list[Domain]:
    """The domains, with those of the `unknown` ones by their vectors. Each text has the candidates of when it came."""
    found = list(domains)
    for place in unknown:
        candidates = prepared[place].candidates
        if candidates is not None:
            [name] = candidates.router.route(vectors[place : place + 1])
            found[place] = candidates.route(name)
    return found


def _ids(prepared: Sequence[Prepared]) -> list[Sequence[int]]:
    return [entry.tokens.ids for entry in prepared]


def _beyond(prepared: Sequence[Prepared]) -> list[Sequence[int]]:
    """What heads may read of the texts besides."""
    return [entry.tokens.beyond for entry in prepared]


def _set_threads(threads: int | None) -> None:
    if threads is None:
        return
    if threads < 1:
        raise SettingError(f"threads is {threads}: give at least 1, or none for torch's own choice")
    torch.set_num_threads(threads)
