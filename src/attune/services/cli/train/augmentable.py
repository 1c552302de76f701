"""Which domains can have an augmenter, checked before a model is made or a text is read."""

from collections.abc import Sequence
from pathlib import Path

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.domains import check_domain_id
from attune.embeddings.errors import ModelError, SettingError
from attune.embeddings.mixture.manifest import read_manifest
from attune.embeddings.router import GENERAL
from attune.embeddings.weights import model_name, resolve_model

PAIRED = "paired"
"""The kind that changes passages too, and so makes an expert."""


def check_domains(domains: Sequence[str], kind: str, model: Path, backbone: Path | None) -> None:
    """Whether each of the domains can have an augmenter of that kind, in `model`, or in what it is to be made of.

    Raises `SettingError` for a domain, `ModelError` for the model.
    """
    from attune.embeddings.config import read_model_config  # noqa: PLC0415 - tokenizers, for no other command

    place = model if model.exists() else backbone
    source = resolve_model(None if place is None else str(place))
    if not read_model_config(source).normalize:
        raise ModelError(f"{source}: augmenters are for vectors of length 1, the model's are of any length")
    if kind == PAIRED:
        _check_new(domains)
        return
    experts = {each.id: each for each in read_manifest(source, model_name(source)).experts}
    for domain in domains:
        if domain not in {GENERAL, *experts}:
            known = ", ".join(sorted({GENERAL, *experts}))
            raise SettingError(
                f"--domain {domain}: {source} has no such domain: use one of {known}, or train its expert first"
            )
        if kind == Augmentation.TOWER:
            from attune.embeddings.training.tower import check_tower  # noqa: PLC0415 - torch, which takes seconds

            check_tower(domain, experts.get(domain))


def _check_new(domains: Sequence[str]) -> None:
    if len(domains) != 1 or domains[0] == GENERAL:
        raise SettingError("kind paired makes other vectors of passages too: name a domain for them with --domain")
    check_domain_id(domains[0])
