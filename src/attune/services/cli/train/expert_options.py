"""What `attune train expert` can be told."""

from pathlib import Path
from typing import Annotated

import typer

Domain = Annotated[str, typer.Option(help="The domain that the expert is for: what texts will name.")]
Model = Annotated[Path, typer.Option(help="The model directory that gets the expert; made if there is none.")]
Pairs = Annotated[
    list[Path] | None, typer.Option(help='Pairs of similar texts, {"a": ..., "b": ...} a line; may be repeated.')
]
Dev = Annotated[list[Path] | None, typer.Option(help="Pairs to judge by. Default: a tenth of --pairs is kept back.")]
Joint = Annotated[
    list[str] | None,
    typer.Option(help="DOMAIN=FILE: pairs of another domain, trained together with the shared weights, as --model."),
]
Corpus = Annotated[
    Path | None, typer.Option(help="The domain's documents, in BEIR layout or JSONL: enough without pairs.")
]
Backbone = Annotated[
    Path | None, typer.Option(help="What a new --model is made of. Default: the packaged all-MiniLM-L6-v2.")
]
Kind = Annotated[
    str,
    typer.Option(
        help="axes: no training; ffn: feed-forward blocks; lora: small factors; full: a whole model. "
        "Default: ffn where there are pairs, else axes."
    ),
]
Layers = Annotated[int, typer.Option(min=0, help="Blocks in so many of the last layers only; 0: in all.")]
Rank = Annotated[int, typer.Option(min=1, help="The rank of lora's factors.")]
Steps = Annotated[int, typer.Option(min=1, help="Optimizer steps.")]
Batch = Annotated[int, typer.Option(min=2, help="Pairs, or queries, in a step.")]
MaxTokens = Annotated[int, typer.Option(min=8, help="How much of a long text is read in training.")]
LearningRate = Annotated[float, typer.Option(min=0, help="0: what suits the kind, and the texts.")]
HardNegatives = Annotated[int, typer.Option(min=0, help="Mined for each pair from the other pairs.")]
Seed = Annotated[int, typer.Option(help="Another one trains another expert.")]
Description = Annotated[str, typer.Option(help="What the domain is about, for ListDomains.")]
