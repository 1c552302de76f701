"""The experts of a model directory in a running encoder: loaded at start, and again whenever the manifest changes."""

import logging
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from attune.embeddings.augmentation.files import read_augmenter
from attune.embeddings.augmentation.live import LiveAugmenters
from attune.embeddings.augmentation.manifest import AugmenterEntry, read_augmenters
from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import ModelConfig
from attune.embeddings.domains import Domain, DomainRegistry, ExpertKind, LoadedAugmenter, LoadedExpert, LoadedHead
from attune.embeddings.encoder import Encoder
from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.expert_files import ExpertWeights, read_expert
from attune.embeddings.mixture.manifest import ExpertEntry, Manifest, read_manifest
from attune.embeddings.mixture.samples import read_sample
from attune.embeddings.packed_encoder import PackedEncoder
from attune.embeddings.router import GENERAL, Router

_log = logging.getLogger(__name__)
_GENERAL_DESCRIPTION = "The shared backbone, for text of any domain"


class LiveExperts:
    """Keeps an encoder's experts those of the manifest in `directory`.

    `domains` is replaced as a whole. Whoever routes a text holds on to its `LoadedExpert` until the text is computed:
    an expert that the manifest has no more leaves the encoder when nobody holds it, so no text loses its expert.
    """

    def __init__(self, directory: Path, config: ModelConfig, name: str, encoder: Encoder) -> None:
        self._directory = directory
        self._config = config
        self._name = name
        self._encoder = encoder
        self.augmenters = LiveAugmenters()
        self._reloading = threading.Lock()
        manifest = read_manifest(directory, name)
        self._backbone_sha256 = manifest.backbone_sha256
        self.domains = self._registry(manifest, {}, starting=True)

    def reload(self) -> DomainRegistry:
        """The domains of the manifest as it is now; experts that did not change are not loaded again.

        Raises `ModelError`, and leaves all as it was, if one cannot be loaded or the backbone is another one.
        """
        with self._reloading:
            manifest = read_manifest(self._directory, self._name)
            if manifest.backbone_sha256 != self._backbone_sha256:
                raise ModelError(f"{self._directory}: the backbone's weights are others than those loaded: restart")
            held = {domain.id: domain for domain in self.domains.domains()}
            self.domains = self._registry(manifest, held, starting=False)
            return self.domains

    def _registry(self, manifest: Manifest, held: dict[str, Domain], *, starting: bool) -> DomainRegistry:
        samples = {
            entry.id: read_sample(self._directory / entry.routing_file, entry.routing_sha256)
            for entry in manifest.experts
            if entry.routing_file
        }
        domains = self._load(manifest, held)
        return DomainRegistry(self._augmented(domains, manifest, held, starting=starting), Router(samples))

    def _augmented(
        self, domains: Sequence[Domain], manifest: Manifest, held: dict[str, Domain], *, starting: bool
    ) -> Iterable[Domain]:
        """The domains with their augmenters; those that did not change are not loaded again."""
        augmenters = read_augmenters(self._directory)
        outdated = augmenters.outdated({domain.id: domain.version for domain in domains})
        if outdated:
            _log.warning("augmenters of %s are out of date, and not used: train them again", ", ".join(outdated))
        for domain in domains:
            found = augmenters.of(domain.id, domain.version).values()
            loaded = [self._augmenter(each, domain, manifest, held, starting=starting) for each in found]
            yield replace(domain, augmenters=tuple(each for each in loaded if each is not None))

    def _augmenter(
        self, entry: AugmenterEntry, domain: Domain, manifest: Manifest, held: dict[str, Domain], *, starting: bool
    ) -> LoadedAugmenter | None:
        """None at the start, for one that cannot be loaded: queries without it are better than none, and without a
        start it could not be trained again. Later all stays as it was, which has the one before.
        """
        before = held.get(domain.id)
        for each in before.augmenters if before is not None and before.version == domain.version else ():
            if each.kind is entry.kind and each.version == entry.version:
                return replace(each, default=entry.default)
        try:
            return self._added_augmenter(entry, domain, manifest)
        except ModelError as error:
            if not starting:
                raise
            _log.error("queries of %s go without augmenter %s: %s", domain.id, entry.kind, error)
            return None

    def _load(self, manifest: Manifest, held: dict[str, Domain]) -> list[Domain]:
        experts = {entry.id: self._kept(held.get(entry.id), entry) for entry in manifest.experts}
        missing = [entry for entry in manifest.experts if experts[entry.id] is None]
        for entry, weights in zip(missing, self._read(missing), strict=True):
            experts[entry.id] = self._added(weights)
        general = ExpertEntry(GENERAL, _GENERAL_DESCRIPTION, ExpertKind.GENERAL)
        return [
            entry.domain(self._backbone_sha256, experts.get(entry.id) or LoadedExpert())
            for entry in (general, *manifest.experts)
        ]

    def _kept(self, domain: Domain | None, entry: ExpertEntry) -> LoadedExpert | None:
        """The expert that need not be loaded: the backbone, or one that is there."""
        if entry.kind is ExpertKind.GENERAL:
            return LoadedExpert()
        same = domain is not None and domain.version == entry.version(self._backbone_sha256)
        return domain.expert if domain is not None and same else None

    def _read(self, entries: list[ExpertEntry]) -> list[ExpertWeights]:
        if not entries:
            return []
        backbone = load_encoder(self._directory, self._config.encoder)
        return [read_expert(self._directory, entry, backbone) for entry in entries]

    def _added(self, weights: ExpertWeights) -> LoadedExpert:
        if weights.head is not None and not self._config.normalize:
            raise ModelError(
                f"{self._directory}: an expert has axes, and the model's vectors are of any length: train it again"
            )
        memory_bytes = weights.memory_bytes(self._encoder.parameter_bytes)
        number = self._encoder.add_expert(weights.blocks, weights.token, weights.head)  # which takes them over
        expert = LoadedExpert(number, memory_bytes, 0 if weights.head is None else weights.head.reach)
        weakref.finalize(expert, self._encoder.remove_expert, number)
        return expert

    def _added_augmenter(self, entry: AugmenterEntry, domain: Domain, manifest: Manifest) -> LoadedAugmenter:
        if not self._config.normalize:
            raise ModelError(
                f"{self._directory}: augmenters are for vectors of length 1, the model's are of any length"
            )
        backbone = load_encoder(self._directory, self._config.encoder)
        weights = read_augmenter(self._directory, entry, backbone)
        tower = self._tower(weights.blocks, domain, manifest, backbone) if weights.blocks else None
        head = LoadedHead(self.augmenters.add(weights.augmenter), weights.augmenter.nbytes)
        weakref.finalize(head, self.augmenters.remove, head.number)
        return LoadedAugmenter(entry.kind, entry.version, entry.default, head, weights.augmenter.reads_hidden, tower)

    def _tower(
        self, blocks: Sequence[nn.Module | None], domain: Domain, manifest: Manifest, backbone: PackedEncoder
    ) -> LoadedExpert:
        """An expert like the domain's own, but with those blocks."""
        entry = manifest.find(domain.id)
        own = (
            read_expert(self._directory, entry, backbone)
            if entry and entry.file
            else ExpertWeights([None] * len(blocks))
        )
        merged = [block or before for block, before in zip(blocks, own.blocks, strict=True)]
        return self._added(replace(own, blocks=merged))
