"""sentence-transformers' trainer, which keeps only what is trained, and can be interrupted."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import BatchSamplers, MultiDatasetBatchSamplers
from transformers import TrainerCallback, TrainerControl, TrainerState

from attune.embeddings.training.judge import MAIN
from attune.embeddings.training.recipe import Recipe

CHECKPOINT_WEIGHTS = "trained.safetensors"
_WARM_UP_SHARE = 0.1
_WEIGHT_DECAY = 0.01


class ExpertTrainer(SentenceTransformerTrainer):
    """Its checkpoints hold the parameters that learn, and none of the frozen ones. It writes no model card."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Adds none: it would embed examples and count the tokens of texts, for a card that nobody reads."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        del state_dict  # it has the frozen ones too
        directory = Path(str(output_dir or self.args.output_dir))
        directory.mkdir(parents=True, exist_ok=True)
        learning = {name: each.detach().contiguous() for name, each in self._learning()}
        save_file(learning, directory / CHECKPOINT_WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        del model  # it is the trainer's own
        saved = load_file(Path(resume_from_checkpoint) / CHECKPOINT_WEIGHTS)
        with torch.no_grad():
            for name, parameter in self._learning():
                parameter.copy_(saved[name])

    def _learning(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, each) for name, each in self.model.named_parameters() if each.requires_grad)


def training_arguments(
    recipe: Recipe, work: Path, domains: dict[str, dict[str, str]], dtype: torch.dtype
) -> SentenceTransformerTrainingArguments:
    """The trainer's settings. `domains` is the domain of each column of each dataset; products are in `dtype`."""
    use_cpu = not torch.cuda.is_available()
    every = max(1, recipe.steps // recipe.evaluations)
    return SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch,
        learning_rate=recipe.learning_rate,
        warmup_steps=max(1, round(_WARM_UP_SHARE * recipe.steps)),
        lr_scheduler_type="linear",
        weight_decay=_WEIGHT_DECAY,
        bf16=dtype == torch.bfloat16,
        use_cpu=use_cpu,
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{MAIN}",
        greater_is_better=True,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        multi_dataset_batch_sampler=MultiDatasetBatchSamplers.ROUND_ROBIN,
        router_mapping=domains,
        dataloader_pin_memory=not use_cpu,
    )


class Progress(TrainerCallback):
    """Tells of each step, and ends the training after the present one when it is asked to, with a checkpoint."""

    def __init__(self, tell: Callable[[int, float], None], stop: threading.Event) -> None:
        self._tell = tell
        self._stop = stop

    def on_step_end(  # the trainer names the arguments
        self,
        args: Any,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **_more: Any,
    ) -> TrainerControl:
        """After each optimizer step."""
        if self._stop.is_set():
            control.should_save = control.should_training_stop = True
        return control

    def on_log(
        self,
        args: Any,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **_more: Any,
    ) -> None:
        """After each step's loss is known."""
        if logs and "loss" in logs:
            self._tell(state.global_step, logs["loss"])


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; a second one ends the process at once. In the main thread only."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
