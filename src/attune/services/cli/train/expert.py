"""`attune train expert`: a domain's expert, from its pairs, its documents, or both, into a model directory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.options import named
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress, progress_console
from attune.services.cli.train import expert_options as options
from attune.services.cli.train.installed import training_installed
from attune.services.cli.train.plan import Plan, Texts

_SHOWN_SKIPPED = 3


def expert(  # noqa: PLR0913 - options of a command
    *,
    domain: options.Domain,
    model: options.Model,
    pairs: options.Pairs = None,
    dev: options.Dev = None,
    joint: options.Joint = None,
    corpus: options.Corpus = None,
    backbone: options.Backbone = None,
    kind: options.Kind = "",
    layers: options.Layers = 0,
    rank: options.Rank = 16,
    steps: options.Steps = 120,
    batch: options.Batch = 32,
    max_tokens: options.MaxTokens = 128,
    learning_rate: options.LearningRate = 0.0,
    hard_negatives: options.HardNegatives = 0,
    seed: options.Seed = 0,
    description: options.Description = "",
    as_json: Json = False,
) -> None:
    """Train an expert for a domain; the others' vectors stay as they are, byte for byte, unless --joint is given.

    With pairs, it learns which texts belong together. Of documents, and of pairs, it gets words and axes of the
    domain's own, without training; asked for ffn or lora without pairs, it learns from made queries to rank as BM25 and
    the backbone together. If it is not clearly better than the general expert on what was kept back, the domain gets
    that one, and the manifest says so. A stopped training goes on when the same command is given again.

    Example: attune train expert --model models/mine --domain law --pairs law.jsonl --corpus corpora/law
    """
    with told_plainly(), training_installed():
        plan = Plan.make(
            domain=domain,
            model=model,
            texts=Texts(pairs or [], dev or [], _files(joint or []), corpus),
            backbone=backbone,
            description=description,
            options={
                "kind": kind,
                "layers": layers,
                "rank": rank,
                "steps": steps,
                "batch": batch,
                "max_tokens": max_tokens,
                "learning_rate": learning_rate,
                "hard_negatives": hard_negatives,
                "seed": seed,
            },
        )
        found = _run(plan, steps)
    print_json(found) if as_json else _show(found)


def _run(plan: Plan, steps: int) -> dict[str, Any]:
    _tell_skipped(plan.skipped)
    with _bar(f"training {plan.domain}", steps if plan.recipe.learns else None) as tell:
        return plan.run(tell)


def _files(given: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, file in (named(each, "--joint") for each in given):
        if name in found:
            raise SettingError(f"--joint {name} is given twice: put the domain's pairs into one file")
        found[name] = Path(file)
    return found


def _tell_skipped(lines: Sequence[str]) -> None:
    for skipped in lines[:_SHOWN_SKIPPED]:
        progress_console.print(f"skipped: {skipped}", style="yellow", markup=False)
    if len(lines) > _SHOWN_SKIPPED:
        progress_console.print(f"skipped in all: {len(lines)} lines", style="yellow")


@contextmanager
def _bar(title: str, steps: int | None) -> Iterator[Callable[[int, float], None]]:
    with progress() as bar:
        task = bar.add_task(title, total=steps)
        yield lambda step, loss: bar.update(task, completed=step, description=f"{title}, loss {loss:.3f}")


def _show(found: dict[str, Any]) -> None:
    console.print(f"{found['domain']}: {found['outcome']}", markup=False)
    for name, value in found["metrics"].items():
        console.print(f"  {name}: {value:.4f}", markup=False)
