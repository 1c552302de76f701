"""Our encoder and sentence-transformers on one GPU, beside the bf16 ceiling measured there.

    python benchmarks/gpu.py                           the first GPU
    python benchmarks/gpu.py --device cuda:1 --json
    python benchmarks/gpu.py --device cpu --models minilm --texts 4 --rounds 1    what a machine without one can run

Two models: the packaged all-MiniLM-L6-v2, and an encoder of BERT's base size with random weights, as its speed does not
depend on them. Texts in, vectors out, tokenizing included on both sides. Both take turns; medians over the rounds.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from attune.embeddings.devices import choose_device
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.items import Embedded, EmbedItem
from attune.embeddings.weights import resolve_model
from attune.services.cli.measure.embedding.load.lengths import lengths_of, texts_of
from attune.services.cli.measure.embedding.local.operations import Operations
from attune.services.cli.measure.embedding.local.words import Words
from attune.services.cli.measure.embedding.plan import Load

MODELS = ("minilm", "base")
_CEILING_SIDE = {"cuda": 8192, "cpu": 128}
"""A CPU is there to try the program: in bf16, which many have no instructions for, a large one takes seconds."""
_BATCH_SIZES = (32, 256)
"""sentence-transformers' own, which pads less, and one that fills a GPU: the faster one counts."""
_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 2 where there is no such device."""
    options = _options(arguments)
    try:
        device = choose_device(options.device)
    except SettingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = [row for name in options.models for row in _model_rows(name, device, options.texts, options.rounds)]
    report = {"device": _name(device), "torch": torch.__version__, "rounds": options.rounds, "rows": rows}
    print(json.dumps(report) if options.json else _table(report))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:<number> or cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--texts", nargs="+", type=int, default=[1, 32, 1024], help="texts in one call")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _model_rows(
    name: str, device: torch.device, sizes: Sequence[int], rounds: int
) -> Iterator[dict[str, str | int | float]]:
    with _model_directory(name) as directory:
        ours = Embedder.load(str(directory), "bf16", device=str(device))
        dtype = torch.bfloat16
        theirs = SentenceTransformer(str(directory), device=str(device), model_kwargs={"dtype": dtype})
        words, operations = Words.load(directory), Operations.read(directory)
        for load in Load:
            for size in sizes:
                lengths = lengths_of(load, size, seed=size)
                texts = texts_of(lengths, words.words, words.special_tokens, size)
                measures = _measured(ours, theirs, texts, rounds, device)
                gflops = operations.of(lengths) * measures["texts_per_s"] / size / 1e9
                yield {
                    "model": name,
                    "load": str(load),
                    "texts": size,
                    **measures,
                    "ceiling_fraction": gflops / measures["ceiling_gflops"],
                }


def _measured(
    ours: Embedder, theirs: SentenceTransformer, texts: Sequence[str], rounds: int, device: torch.device
) -> dict[str, float]:
    items = [EmbedItem(text) for text in texts]

    def embed() -> None:
        results = ours.embed(items).results
        if not all(isinstance(result, Embedded) for result in results):
            raise RuntimeError("a text of the load has no vector: this is a bug of the benchmark")

    def encode(batch_size: int) -> None:
        np.asarray(theirs.encode(list(texts), batch_size=batch_size, show_progress_bar=False))

    peers = [partial(encode, size) for size in _BATCH_SIZES]
    for work in (embed, *peers):  # the first calls prepare kernels and memory
        work()
    rows = [(_seconds(embed), *map(_seconds, peers), _ceiling_gflops(device)) for _ in range(rounds)]
    own, *others, ceilings = zip(*rows, strict=True)
    best = min(others, key=median)
    return {
        "texts_per_s": len(texts) / median(own),
        "sentence_transformers_per_s": len(texts) / median(best),
        "ratio": median(their / our for our, their in zip(own, best, strict=True)),
        "ceiling_gflops": median(ceilings),
    }


def _seconds(work: Callable[[], None]) -> float:
    """Both sides end with their vectors in the CPU's memory, so the GPU has ended too."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@torch.inference_mode()
def _ceiling_gflops(device: torch.device) -> float:
    """Of a large square product in bf16, the fastest of a few."""
    side = _CEILING_SIDE[device.type]
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    multiply()
    return 2 * side**3 / min(_seconds(multiply) for _ in range(5)) / 1e9


@contextmanager
def _model_directory(name: str) -> Iterator[Path]:
    packaged = resolve_model(None)
    if name == "minilm":
        yield packaged
        return
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work) / name
        shutil.copytree(packaged, directory, ignore=shutil.ignore_patterns("model.safetensors", "onnx*", "openvino*"))
        _write_random(directory)
        yield directory


def _write_random(directory: Path) -> None:
    """An encoder of BERT's base size, in place of the model's own."""
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - heavy, and for this alone

    settings = json.loads((directory / "config.json").read_text(encoding="utf-8")) | _BASE
    torch.manual_seed(0)
    BertModel(BertConfig(**settings)).save_pretrained(directory)
    pooling = directory / "1_Pooling" / "config.json"
    content = json.loads(pooling.read_text(encoding="utf-8"))
    pooling.write_text(json.dumps(content | {"word_embedding_dimension": _BASE["hidden_size"]}), encoding="utf-8")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"


def _table(report: dict[str, object]) -> str:
    rows = report["rows"]
    if not isinstance(rows, list) or not rows:
        return "nothing was measured"
    heads = list(rows[0])
    lines = [f"{report['device']}, torch {report['torch']}, medians of {report['rounds']} rounds"]
    lines += [" | ".join(heads)]
    lines += [
        " | ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()) for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
