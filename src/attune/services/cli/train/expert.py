"""`attune train expert`: a domain's expert, from its pairs, its documents, or both, into a model directory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.options import named
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress, progress_console
from attune.services.cli.train.installed import training_installed
from attune.services.cli.train.plan import Plan, Texts

_SHOWN_SKIPPED = 3


def expert(  # noqa: PLR0913 - options of a command
    *,
    domain: Annotated[str, typer.Option(help="The domain that the expert is for: what texts will name.")],
    model: Annotated[Path, typer.Option(help="The model directory that gets the expert; made if there is none.")],
    pairs: Annotated[
        list[Path] | None, typer.Option(help='Pairs of similar texts, {"a": ..., "b": ...} a line; may be repeated.')
    ] = None,
    dev: Annotated[
        list[Path] | None, typer.Option(help="Pairs to judge by. Default: a tenth of --pairs is kept back.")
    ] = None,
    joint: Annotated[
        list[str] | None,
        typer.Option(
            help="DOMAIN=FILE: pairs of another domain, trained together with the shared weights, as --model."
        ),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="The domain's documents, in BEIR layout or JSONL: enough without pairs.")
    ] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="What a new --model is made of. Default: the packaged all-MiniLM-L6-v2.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="axes: no training; ffn: feed-forward blocks; lora: small factors; full: a whole model. "
            "Default: ffn where there are pairs, else axes."
        ),
    ] = "",
    layers: Annotated[int, typer.Option(min=0, help="Blocks in so many of the last layers only; 0: in all.")] = 0,
    rank: Annotated[int, typer.Option(min=1, help="The rank of lora's factors.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = 120,
    batch: Annotated[int, typer.Option(min=2, help="Pairs, or queries, in a step.")] = 32,
    max_tokens: Annotated[int, typer.Option(min=8, help="How much of a long text is read in training.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=0, help="0: what suits the kind, and the texts.")] = 0.0,
    hard_negatives: Annotated[int, typer.Option(min=0, help="Mined for each pair from the other pairs.")] = 0,
    seed: Annotated[int, typer.Option(help="Another one trains another expert.")] = 0,
    description: Annotated[str, typer.Option(help="What the domain is about, for ListDomains.")] = "",
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
        _tell_skipped(plan.skipped)
        with _bar(f"training {domain}", steps if plan.recipe.learns else None) as tell:
            found = plan.run(tell)
    print_json(found) if as_json else _show(found)


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
