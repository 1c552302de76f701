"""What came of a training, on disk."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from safetensors.torch import save

from attune.embeddings.checkpoint import published_tensors
from attune.embeddings.config import read_model_config
from attune.embeddings.domains import ExpertKind
from attune.embeddings.mixture.directory import copy_model, open_with_experts
from attune.embeddings.mixture.expert_files import EXPERTS_DIRECTORY, write_expert
from attune.embeddings.mixture.manifest import MANIFEST_FILE, ExpertEntry, put_expert, write_durably
from attune.embeddings.mixture.samples import ROUTING_DIRECTORY, write_sample
from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.training.candidates import best_of
from attune.embeddings.training.joint import JointlyTrained
from attune.embeddings.training.judge import MAIN
from attune.embeddings.training.training import Trained
from attune.embeddings.weights import WEIGHTS_FILE, WEIGHTS_INDEX, model_name, weight_files

TRAINING_DIRECTORY = "training"


def save_expert(
    directory: Path, domain: str, description: str, trained: Trained, facts: Mapping[str, Any]
) -> ExpertEntry:
    """Add the expert to the model directory; where it is not clearly better than the general one, the domain alone.

    `facts` say what it was trained on. The manifest names it last, so whatever happens before, nothing has changed.
    """
    best = best_of(trained.before, trained.candidates)
    kind, file, sha256, figures = ExpertKind.GENERAL, "", "", trained.before
    if best is not None:
        kind, figures = best.kind, best.figures
        file, sha256 = write_expert(directory, domain, best.tensors)
    metrics = {f"general_{name}": value for name, value in trained.before.items()} | {**figures, **trained.facts}
    metrics |= {f"tried_{candidate.name}_{MAIN}": candidate.figures[MAIN] for candidate in trained.candidates}
    routing_file, routing_sha256 = write_sample(directory, domain, trained.sample) if trained.sample else ("", "")
    entry = ExpertEntry(
        id=domain,
        description=description,
        kind=kind,
        file=file,
        sha256=sha256,
        routing_file=routing_file,
        routing_sha256=routing_sha256,
        training=facts,
        metrics=metrics,
    )
    save_log(directory / TRAINING_DIRECTORY, domain, trained.log)
    put_expert(directory, entry, model_name(directory))
    return entry


def save_model(backbone: Path, target: Path, trained: Trained, name: str) -> None:
    """Write a wholly trained model to a directory of its own, with the names that its family's checkpoints have."""
    copy_model(backbone, target, _weights_of(trained.transformer, backbone))
    save_log(target / TRAINING_DIRECTORY, name, trained.log)


def save_joint(backbone: Path, target: Path, trained: JointlyTrained, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a jointly trained model with its experts to a directory of its own, whole or not at all.

    `facts` say of each domain what its expert was trained on.
    """
    put_weights = _weights_of(trained.transformer, backbone)
    metrics = {f"general_{name}": value for name, value in trained.before.items()} | dict(trained.after)

    def put_all(directory: Path) -> None:
        put_weights(directory)
        open_with_experts(directory)
        for domain, tensors in trained.tensors.items():
            file, sha256 = write_expert(directory, domain, tensors)
            routing_file, routing_sha256 = write_sample(directory, domain, trained.samples[domain])
            entry = ExpertEntry(
                id=domain,
                description="",
                kind=ExpertKind.FFN,
                file=file,
                sha256=sha256,
                routing_file=routing_file,
                routing_sha256=routing_sha256,
                training=facts[domain],
                metrics=metrics,
            )
            put_expert(directory, entry, model_name(directory))
        save_log(directory / TRAINING_DIRECTORY, "joint", trained.log)

    copy_model(backbone, target, put_all)


def _weights_of(transformer: ExpertTransformer, backbone: Path) -> Callable[[Path], None]:
    """What puts the trained weights in place of the backbone's, in a copy of its directory."""
    tensors = published_tensors(transformer.encoder, read_model_config(backbone).encoder, weight_files(backbone))

    def put_weights(directory: Path) -> None:
        for file in weight_files(directory):
            file.unlink()
        (directory / WEIGHTS_INDEX).unlink(missing_ok=True)
        (directory / MANIFEST_FILE).unlink(missing_ok=True)  # its experts belong to the backbone's weights
        for part in (EXPERTS_DIRECTORY, ROUTING_DIRECTORY, TRAINING_DIRECTORY):
            shutil.rmtree(directory / part, ignore_errors=True)
        write_durably(directory / WEIGHTS_FILE, save(tensors, metadata={"format": "pt"}))

    return put_weights


def save_log(directory: Path, name: str, log: Sequence[Mapping[str, float]]) -> None:
    """The losses and figures by steps, as `name`.json, and drawn as `name`.png."""
    directory.mkdir(exist_ok=True)
    write_durably(directory / f"{name}.json", (json.dumps(list(log), indent=1) + "\n").encode())
    mpl.use("agg")
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    losses = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    judged = [(entry["step"], entry[f"eval_{MAIN}"]) for entry in log if f"eval_{MAIN}" in entry]
    axes.plot(*zip(*losses, strict=True), color="tab:blue", linewidth=0.8) if losses else None
    axes.set(xlabel="step", ylabel="loss", title=name)
    other = axes.twinx()
    other.plot(*zip(*judged, strict=True), color="tab:orange", marker="o") if judged else None
    other.set_ylabel("dev")
    figure.savefig(directory / f"{name}.png", dpi=120)


def forget_checkpoints(work: Path) -> None:
    """Remove what a training kept to go on from."""
    shutil.rmtree(work, ignore_errors=True)
