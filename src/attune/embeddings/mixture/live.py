"""The experts of a model directory in a running encoder: loaded at start, and again whenever the manifest changes."""

import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import ModelConfig
from attune.embeddings.domains import Domain, DomainRegistry, ExpertKind, LoadedExpert
from attune.embeddings.encoder import Encoder
from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.expert_files import ExpertWeights, read_expert
from attune.embeddings.mixture.manifest import ExpertEntry, Manifest, read_manifest
from attune.embeddings.mixture.samples import read_sample
from attune.embeddings.router import GENERAL, Router

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
        self._reloading = threading.Lock()
        manifest = read_manifest(directory, name)
        self._backbone_sha256 = manifest.backbone_sha256
        self.domains = self._registry(manifest, {})

    def reload(self) -> DomainRegistry:
        """The domains of the manifest as it is now; experts that did not change are not loaded again.

        Raises `ModelError`, and leaves all as it was, if one cannot be loaded or the backbone is another one.
        """
        with self._reloading:
            manifest = read_manifest(self._directory, self._name)
            if manifest.backbone_sha256 != self._backbone_sha256:
                raise ModelError(f"{self._directory}: the backbone's weights are others than those loaded: restart")
            held = {domain.id: domain for domain in self.domains.domains()}
            self.domains = self._registry(manifest, held)
            return self.domains

    def _registry(self, manifest: Manifest, held: dict[str, Domain]) -> DomainRegistry:
        samples = {
            entry.id: read_sample(self._directory / entry.routing_file, entry.routing_sha256)
            for entry in manifest.experts
            if entry.routing_file
        }
        return DomainRegistry(self._load(manifest, held), Router(samples))

    def _load(self, manifest: Manifest, held: dict[str, Domain]) -> Iterable[Domain]:
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
        expert = LoadedExpert(number, memory_bytes)
        weakref.finalize(expert, self._encoder.remove_expert, number)
        return expert
