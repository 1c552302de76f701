"""How near each server's vectors are to those of sentence-transformers in fp32, on real text."""

import ast
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.observation import Case, Observation
from attune.services.cli.measure.embedding.sections.in_process import reference_at
from attune.services.cli.measure.embedding.servers.server import Server

_SECTION, _LOAD = "quality", "prose"
_SAMPLE = 200
_AT_ONCE = 20
_MODULES = ("argparse", "datetime", "email.message", "http.cookiejar", "logging", "pathlib", "statistics", "typing")
_LEAST_CHARACTERS = 40
_MOST_CHARACTERS = 600  # below every server's own limit in tokens, which are not the same


class Quality:
    """Once for each server; left out where sentence-transformers is not installed."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """One step."""
        return [Step("quality", partial(_measure, bench), once=True)] if bench.local.model.has_reference else []

    def summary(self, _bench: Bench) -> Mapping[str, float]:
        """None: the rows say it."""
        return {}


def prose() -> list[str]:
    """Docstrings of Python's own library, every fourth its first line only: as people search, and what they find."""
    docstrings = sorted({text for name in _MODULES for text in _docstrings(name) if len(text) >= _LEAST_CHARACTERS})
    sample = random.Random(0).sample(docstrings, _SAMPLE)  # noqa: S311 - nothing secret
    return [text.partition("\n")[0] if place % 4 == 0 else text[:_MOST_CHARACTERS] for place, text in enumerate(sample)]


def _docstrings(module: str) -> Iterator[str]:
    """Of the functions and classes in a module's source."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each row of [n, d] with the same row of the other."""
    ours, theirs = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    result: NDArray[np.float64] = (ours * theirs).sum(axis=1) / norms
    return result


def _measure(bench: Bench, number: int) -> Iterator[Observation]:
    texts = prose()
    reference = bench.local.vectors(reference_at("fp32"), texts)
    for server in bench.servers:
        near = cosines(_vectors(bench, server, texts), reference)
        measures = {"cosine_min": float(near.min()), "cosine_mean": float(near.mean()), "texts": len(texts)}
        yield Observation(Case(_SECTION, server.name, _LOAD), number, measures)


def _vectors(bench: Bench, server: Server, texts: Sequence[str]) -> NDArray[np.float32]:
    async def asked() -> list[bytes]:
        async with server.target.connect() as send:
            groups = [texts[at : at + _AT_ONCE] for at in range(0, len(texts), _AT_ONCE)]
            answers = [await send(server.target.request(group), 120) for group in groups]
        return [answer.vectors_payload(server.name) for answer in answers]

    return np.concatenate([server.target.vectors(payload) for payload in bench.run(asked())])
