"""A training from its last checkpoint to its end: a model, the tasks that it learns, and what judges it."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import disable_progress_bars
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint

from attune.embeddings.config import ModelConfig, read_model_config
from attune.embeddings.devices import choose_device
from attune.embeddings.mixture.manifest import write_durably
from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.precision import PrecisionSetting, choose_precision
from attune.embeddings.training.frozen import FrozenBackbone
from attune.embeddings.training.judge import DevEvaluator
from attune.embeddings.training.pairs import TrainingDataError, digest
from attune.embeddings.training.passages import MadeQuery
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.tasks import Task, tasks_of
from attune.embeddings.training.trainer import ExpertTrainer, Progress, stopped_by_ctrl_c, training_arguments
from attune.embeddings.weights import weights_sha256

_RUN_FILE = "run.json"
Tell = Callable[[int, float], None]


class TrainingInterruptedError(Exception):
    """Training was stopped before its end; it goes on from its last checkpoint when it is started again."""


class Session:
    """The model of a directory, and the tasks of the materials. `before` are the general expert's figures.

    `work` keeps checkpoints: a training of the same model with the same texts and recipe goes on from there. `tell` is
    given the number and the loss of each step. Raises `ModelError` for the model, `TrainingDataError` for checkpoints
    of another training.
    """

    def __init__(self, directory: Path, materials: Sequence[Material], recipe: Recipe, work: Path, tell: Tell) -> None:
        self._recipe, self._work, self._tell = recipe, work, tell
        self._checkpoint, precision = _begun(work, directory, materials, recipe)
        set_seed(recipe.seed)
        disable_progress_bars()
        self.config = read_model_config(directory)
        self.transformer = ExpertTransformer.load(str(directory))
        self.transformer.training_tokens = min(recipe.max_tokens, self.config.max_tokens)
        self.model = SentenceTransformer(modules=[self.transformer, *after_layers(self.config)])
        self.backbone = FrozenBackbone.load(directory, precision)
        self.tasks = [task for each in materials for task in tasks_of(self.model, self.backbone, each, recipe)]
        self._dtype = choose_precision(precision, self.model.device).dtype
        self.evaluator = DevEvaluator([(task.judge, task.domain) for task in self.tasks], self._dtype)
        self.before = self.evaluator.measure(lambda _domain: self.backbone)
        self.facts = {name: value for task in self.tasks for name, value in task.facts.items()}

    @property
    def taken(self) -> dict[str, MadeQuery]:
        """The passages that judges ask for, each with the query that was taken from it."""
        return {passage: query for task in self.tasks for passage, query in task.judge.taken.items()}

    @property
    def learning(self) -> list[Task]:
        """The tasks that have something to learn."""
        return [task for task in self.tasks if task.learns]

    def run(self, tasks: Sequence[Task]) -> list[dict[str, float]]:
        """Learn the tasks, with those parameters that want gradients; the loss and the figures by steps.

        The model is that of the best checkpoint then. Raises `TrainingInterruptedError` after Ctrl-C.
        """
        arguments = training_arguments(self._recipe, self._work, _domains(tasks), self._dtype)
        with stopped_by_ctrl_c() as stop:
            trainer = ExpertTrainer(
                model=self.model,
                args=arguments,
                train_dataset={task.name: task.rows for task in tasks},
                loss={task.name: task.loss for task in tasks},
                evaluator=self.evaluator,
                callbacks=[Progress(self._tell, stop), EarlyStoppingCallback(self._recipe.patience)],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=self._checkpoint)
        if stop.is_set():
            raise TrainingInterruptedError("training was stopped; the same command goes on from its last checkpoint")
        return list(trainer.state.log_history)


def _domains(tasks: Sequence[Task]) -> dict[str, dict[str, str]]:
    return {task.name: dict.fromkeys(task.columns, task.domain) for task in tasks}


def after_layers(config: ModelConfig) -> list[torch.nn.Module]:
    """What follows the tokens' vectors: pooling, and if the model does it, normalisation."""
    pooling = Pooling(config.encoder.hidden_size, pooling_mode=config.pooling.value)
    return [pooling, Normalize()] if config.normalize else [pooling]


def _begun(work: Path, directory: Path, materials: Sequence[Material], recipe: Recipe) -> tuple[str | None, str]:
    """The checkpoint to go on from, and the precision, which is measured once: a busy machine may measure another one.

    Raises `TrainingDataError` if the checkpoints in `work` are of another training.
    """
    run = {
        "model": weights_sha256(directory),
        "recipe": asdict(recipe),
        "texts": [material_digest(each) for each in materials],
    }
    file = work / _RUN_FILE
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        precision = _measured_precision()
        write_durably(file, json.dumps({"run": run, "precision": precision}).encode())
        return None, precision
    begun = json.loads(file.read_bytes())
    if begun.get("run") != json.loads(json.dumps(run)):
        raise TrainingDataError(f"{work} has checkpoints of another training (model, texts or options): remove it")
    return _last_whole_checkpoint(work), begun["precision"]


def _last_whole_checkpoint(work: Path) -> str | None:
    """What a training was killed while writing is removed: the trainer writes its own state last."""
    while (checkpoint := get_last_checkpoint(str(work))) is not None:  # type: ignore[no-untyped-call]
        if (Path(checkpoint) / TRAINER_STATE_NAME).is_file():
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


def _measured_precision() -> str:
    chosen = choose_precision(device=choose_device())
    return PrecisionSetting.BF16 if chosen.dtype == torch.bfloat16 else PrecisionSetting.FP32


def material_digest(material: Material) -> str:
    """The sha256 of all texts of a domain, in hexadecimal."""
    pairs = [text for pair in [*material.pairs, *material.dev_pairs] for text in (pair.a, pair.b)]
    return digest([material.domain, *pairs, *(passage.whole for passage in material.passages)])
