"""Infinity in a virtual environment of its own, and the model in the formats that its engines read.

Its dependencies contradict ours and each other: the second step repairs what the first resolves to.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attune.services.cli.measure.errors import BenchError

_PACKAGE = "infinity-emb[torch,server,logging,cache,optimum]==0.0.77"
_SUPERFLUOUS = "optimum-onnx"
_REPAIRS = ("optimum==1.24.0", "transformers==4.48.3", "click==8.1.8")
_SENTENCE_FILES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")

# Run by the peer's interpreter. torch's newer exporter, since 2.9 the default, cannot read what optimum 1.24 hands it.
_EXPORT = """
import sys
from functools import partial
import torch
torch.onnx.export = partial(torch.onnx.export, dynamo=False)
from optimum.onnxruntime import ORTModelForFeatureExtraction, ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig
source, fp32, int8, instructions = sys.argv[1:]
ORTModelForFeatureExtraction.from_pretrained(source, export=True).save_pretrained(fp32)
quantization = getattr(AutoQuantizationConfig, instructions)(is_static=False, per_channel=True)
ORTQuantizer.from_pretrained(fp32).quantize(save_dir=int8, quantization_config=quantization)
"""


def python_of(peer_dir: Path) -> Path:
    """The interpreter of the peer's virtual environment."""
    return peer_dir / "venv" / "bin" / "python"


def install_commands(peer_dir: Path, uv: str | None) -> list[list[str]]:
    """The commands that make the virtual environment; with uv where there is one, which is many times faster."""
    python = str(python_of(peer_dir))
    venv = str(peer_dir / "venv")
    if uv is None:
        create, pip = [sys.executable, "-m", "venv", "--clear", venv], [python, "-m", "pip"]
        remove = [*pip, "uninstall", "--quiet", "--yes", _SUPERFLUOUS]
        return [create, [*pip, "install", "--quiet", _PACKAGE], remove, [*pip, "install", "--quiet", *_REPAIRS]]
    create, at = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, venv], ["--quiet", "--python", python]
    return [
        create,
        [uv, "pip", "install", *at, _PACKAGE],
        [uv, "pip", "uninstall", *at, _SUPERFLUOUS],
        [uv, "pip", "install", *at, *_REPAIRS],
    ]


def install(peer_dir: Path) -> None:
    """Make the virtual environment where it is not there whole. Raises `BenchError` where that fails."""
    done = peer_dir / "installed"
    recipe = "\n".join((_PACKAGE, *_REPAIRS))
    if done.is_file() and done.read_text() == recipe:
        return
    peer_dir.mkdir(parents=True, exist_ok=True)
    for command in install_commands(peer_dir, shutil.which("uv")):
        _run(command, "Infinity cannot be installed")
    done.write_text(recipe)


def export(peer_dir: Path, model_dir: Path, revision: str, cpu_flags: frozenset[str]) -> tuple[Path, Path]:
    """Directories with the same weights as ONNX in fp32 and in int8, made once for each revision.

    Raises:
        BenchError: the export fails.
    """
    base = peer_dir / "models" / revision
    fp32, int8 = base / "fp32", base / "int8"
    done = base / "exported"
    if not done.is_file():
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        command = [str(python_of(peer_dir)), "-c", _EXPORT, *map(str, (model_dir, fp32, int8))]
        _run([*command, quantization_for(cpu_flags)], "the model cannot be exported to ONNX")
        for name in _SENTENCE_FILES:
            for directory in (fp32, int8):
                shutil.copy(model_dir / name, directory / name)
        done.touch()
    return fp32, int8


def quantization_for(cpu_flags: frozenset[str]) -> str:
    """Which of optimum's recipes suits this CPU: without VNNI, 7-bit weights, as 8 would overflow."""
    return "avx512_vnni" if cpu_flags & {"avx512_vnni", "avx_vnni"} else "avx2"


def _run(command: Sequence[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - commands of ours
    if done.returncode:
        raise BenchError(f"{failure}: `{' '.join(command)[:200]}` said: {done.stderr.strip()[-600:]}")
