"""Experts for a tiny model, as training would write them."""

import shutil
from pathlib import Path

import torch
from torch import Tensor

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.domains import ExpertKind
from attune.embeddings.mixture.expert_files import DOMAIN_TOKEN, write_expert
from attune.embeddings.mixture.manifest import ExpertEntry, read_manifest, write_manifest
from attune.embeddings.packed_encoder import PackedEncoder

RANK = 3


def backbone(directory: Path) -> PackedEncoder:
    return load_encoder(directory, read_model_config(directory).encoder)


def copied(directory: Path, to: Path) -> Path:
    return Path(shutil.copytree(directory, to))


def ffn_tensors(directory: Path, seed: int, layers: tuple[int, ...] = (0, 1)) -> dict[str, Tensor]:
    """The backbone's own blocks with noise, and a token."""
    generator = torch.Generator().manual_seed(seed)
    encoder = backbone(directory)
    tensors = {DOMAIN_TOKEN: torch.randn(encoder.embeddings.word.weight.shape[1], generator=generator)}
    for layer in layers:
        for name, parameter in encoder.layers[layer].get_submodule("feed_forward").named_parameters():
            noise = 0.2 * torch.randn(parameter.shape, generator=generator)
            tensors[f"layers.{layer}.{name}"] = parameter + noise
    return tensors


def lora_tensors(directory: Path, seed: int) -> dict[str, Tensor]:
    """Two factors for each product of both layers' blocks."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer, module in enumerate(backbone(directory).layers):
        for name, parameter in module.get_submodule("feed_forward").named_parameters():
            product, _, kind = name.rpartition(".")
            if kind == "weight":
                outputs, inputs = parameter.shape
                tensors[f"layers.{layer}.{product}.up"] = 0.1 * torch.randn(outputs, RANK, generator=generator)
                tensors[f"layers.{layer}.{product}.down"] = torch.randn(RANK, inputs, generator=generator)
    return tensors


def add_expert(
    directory: Path, domain: str, tensors: dict[str, Tensor], kind: ExpertKind = ExpertKind.FFN
) -> ExpertEntry:
    file, sha256 = write_expert(directory, domain, tensors)
    entry = ExpertEntry(domain, f"Texts about {domain}", kind, file, sha256, {"steps": 3}, {"f1": 0.5})
    write_manifest(directory, read_manifest(directory, "tiny").with_expert(entry))
    return entry
