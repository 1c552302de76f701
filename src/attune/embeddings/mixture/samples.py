"""What the router keeps of each domain, on disk."""

import hashlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.manifest import write_durably
from attune.embeddings.router import DomainSample

ROUTING_DIRECTORY = "routing"
_NAME_DIGITS = 12
_AGAIN = "train the domain's expert again"


def write_sample(directory: Path, domain: str, sample: DomainSample) -> tuple[str, str]:
    """Write a sample into the model directory; the file's path in it, which its content names, and its sha256."""
    content = save(
        {
            "means": sample.means,
            "scatter": sample.scatter,
            "count": np.array([sample.count]),
            "held_passages": sample.held_passages.astype(np.float16),
            "held_queries": sample.held_queries.astype(np.float16),
        }
    )
    sha256 = hashlib.sha256(content).hexdigest()
    (directory / ROUTING_DIRECTORY).mkdir(exist_ok=True)
    file = f"{ROUTING_DIRECTORY}/{domain}-{sha256[:_NAME_DIGITS]}.safetensors"
    write_durably(directory / file, content)
    return file, sha256


def read_sample(file: Path, sha256: str) -> DomainSample:
    """What `write_sample` wrote. Raises `ModelError` for a file that is missing or damaged."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): {_AGAIN}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{file} is not the one that the manifest names: {_AGAIN}")
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ModelError(f"{file} is no safetensors file ({error}): {_AGAIN}") from error
    held = (tensors["held_passages"].astype(np.float32), tensors["held_queries"].astype(np.float32))
    return DomainSample(tensors["means"], tensors["scatter"], int(tensors["count"][0]), *held)
