"""Trains one domain's expert, or a whole model, from a directory and texts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from datasets import disable_progress_bars
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
from transformers.trainer_utils import get_last_checkpoint

from attune.embeddings.config import ModelConfig, read_model_config
from attune.embeddings.mixture.manifest import write_durably
from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.precision import choose_precision
from attune.embeddings.router import DomainSample
from attune.embeddings.training.candidates import Candidate, in_axes, learned
from attune.embeddings.training.frozen import FrozenBackbone, remembered
from attune.embeddings.training.judge import DevEvaluator
from attune.embeddings.training.pairs import TrainingDataError, digest
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.tasks import Task, tasks_of, typical_texts
from attune.embeddings.training.trainable import EXPERT_KINDS, Kind, TrainableExpert
from attune.embeddings.training.trainer import ExpertTrainer, Progress, stopped_by_ctrl_c, training_arguments
from attune.embeddings.weights import weights_sha256

_RUN_FILE = "run.json"
Tell = Callable[[int, float], None]


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    `before` and `after` are the same figures of texts kept back, of the model as it was and of the best checkpoint;
    `log` has the loss and the figures by steps. Of an expert, `candidates` are what may be used of it, the cheapest
    first; `sample` is what a router needs of the domain, `facts` are what was found out about the texts.
    """

    transformer: ExpertTransformer
    before: Mapping[str, float]
    after: Mapping[str, float]
    log: Sequence[Mapping[str, float]] = ()
    candidates: Sequence[Candidate] = ()
    sample: DomainSample | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


class TrainingInterruptedError(Exception):
    """Training was stopped before its end; it goes on from its last checkpoint when it is started again."""


def train(directory: Path, materials: Sequence[Material], recipe: Recipe, work: Path, tell: Tell) -> Trained:
    """Train one expert on one domain's material, or all parameters on that of several domains.

    `work` keeps checkpoints: a training of the same model with the same texts and recipe goes on from there. `tell` is
    given the number and the loss of each step. Raises `TrainingInterruptedError` after Ctrl-C, `ModelError` for the
    model, `TrainingDataError` for an expert of several domains.
    """
    if recipe.shape.kind is not Kind.FULL and len(materials) != 1:
        raise TrainingDataError(f"{len(materials)} domains for one expert: train one after the other")
    checkpoint = _checkpoint(work, directory, materials, recipe)
    set_seed(recipe.seed)
    disable_progress_bars()
    model, transformer = _load(directory, recipe)
    backbone = FrozenBackbone.load(directory)
    tasks = [task for material in materials for task in tasks_of(model, backbone, material, recipe)]
    dtype = choose_precision(device=model.device).dtype
    evaluator = DevEvaluator([(task.judge, task.domain) for task in tasks], dtype)
    before = evaluator.measure(lambda _domain: backbone)
    facts = {name: value for task in tasks for name, value in task.facts.items()}

    learning = [task for task in tasks if task.learns]

    def run() -> list[dict[str, float]]:
        arguments = training_arguments(recipe, work, _domains(learning), dtype)
        return _run(model, learning, evaluator, recipe, arguments, checkpoint, tell)

    if recipe.shape.kind is Kind.FULL:
        transformer.train_all([material.domain for material in materials])
        log = run() if learning else []
        return Trained(transformer, before, evaluator(model) if learning else before, log, facts=facts)
    [material] = materials
    texts = typical_texts(material, recipe.seed)
    sample = DomainSample.of(backbone(texts.passages), backbone(texts.queries))
    has_axes = read_model_config(directory).normalize  # vectors of any length have no axes
    candidates = [in_axes(backbone, texts, evaluator)] if has_axes else []
    if not learning:
        return Trained(transformer, before, before, [], candidates, sample, facts)
    expert = TrainableExpert(transformer, material.domain, recipe.shape)
    transformer.expert = expert  # its parameters are the model's, for the trainer
    log = run()
    embed = remembered(evaluator.embed_of(model, material.domain))
    after = evaluator.measure(lambda _domain: embed)
    own_axes = in_axes(embed, texts, evaluator) if has_axes else None
    candidates.append(learned(EXPERT_KINDS[recipe.shape.kind], expert.tensors(), after, own_axes))
    return Trained(transformer, before, after, log, candidates, sample, facts)


def _run(
    model: SentenceTransformer,
    tasks: Sequence[Task],
    evaluator: DevEvaluator,
    recipe: Recipe,
    arguments: SentenceTransformerTrainingArguments,
    checkpoint: str | None,
    tell: Tell,
) -> list[dict[str, float]]:
    with stopped_by_ctrl_c() as stop:
        trainer = ExpertTrainer(
            model=model,
            args=arguments,
            train_dataset={task.name: task.rows for task in tasks},
            loss={task.name: task.loss for task in tasks},
            evaluator=evaluator,
            callbacks=[Progress(tell, stop), EarlyStoppingCallback(recipe.patience)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=checkpoint)
    if stop.is_set():
        raise TrainingInterruptedError("training was stopped; the same command goes on from its last checkpoint")
    return list(trainer.state.log_history)


def _domains(tasks: Sequence[Task]) -> dict[str, dict[str, str]]:
    return {task.name: dict.fromkeys(task.columns, task.domain) for task in tasks}


def _load(directory: Path, recipe: Recipe) -> tuple[SentenceTransformer, ExpertTransformer]:
    config = read_model_config(directory)
    transformer = ExpertTransformer.load(str(directory))
    transformer.training_tokens = min(recipe.max_tokens, config.max_tokens)
    return SentenceTransformer(modules=[transformer, *_after(config)]), transformer


def _after(config: ModelConfig) -> list[torch.nn.Module]:
    pooling = Pooling(config.encoder.hidden_size, pooling_mode=config.pooling.value)
    return [pooling, Normalize()] if config.normalize else [pooling]


def _checkpoint(work: Path, directory: Path, materials: Sequence[Material], recipe: Recipe) -> str | None:
    """The checkpoint to go on from. Raises `TrainingDataError` if those in `work` are of another training."""
    run = {
        "model": weights_sha256(directory),
        "recipe": asdict(recipe),
        "texts": [material_digest(each) for each in materials],
    }
    file = work / _RUN_FILE
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_durably(file, json.dumps(run).encode())
        return None
    if json.loads(file.read_bytes()) != json.loads(json.dumps(run)):
        raise TrainingDataError(f"{work} has checkpoints of another training (model, texts or options): remove it")
    checkpoint: str | None = get_last_checkpoint(str(work))  # type: ignore[no-untyped-call]
    return checkpoint


def material_digest(material: Material) -> str:
    """The sha256 of all texts of a domain, in hexadecimal."""
    pairs = [text for pair in [*material.pairs, *material.dev_pairs] for text in (pair.a, pair.b)]
    return digest([material.domain, *pairs, *(passage.whole for passage in material.passages)])
