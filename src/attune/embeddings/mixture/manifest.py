"""What experts a model directory has: `experts.json`, beside the backbone's own files.

The manifest is the truth: a file that it does not name is not an expert. It is replaced as a whole, after the files
that it names are there, so a reader sees the experts of before or those of after.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from attune.embeddings.domains import Domain, ExpertKind, LoadedExpert, check_domain_id
from attune.embeddings.errors import ModelError, SettingError
from attune.embeddings.jsonfile import Fields, read_fields
from attune.embeddings.router import GENERAL
from attune.embeddings.weights import weights_sha256

MANIFEST_FILE = "experts.json"
_FORMAT = 1
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class ExpertEntry:
    """One expert of the manifest.

    `file` is relative to the directory, and empty for a domain that the general expert serves best; `routing_file` has
    what the router keeps of the domain, and is empty for one that no text is routed to. `training` says
    what the expert was trained on and how, `metrics` how good it was on its own held-back pairs.
    """

    id: str
    description: str
    kind: ExpertKind
    file: str = ""
    sha256: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    routing_file: str = ""
    routing_sha256: str = ""

    def domain(self, backbone_sha256: str, expert: LoadedExpert) -> Domain:
        """The domain that the expert serves, once it is loaded."""
        return Domain(self.id, self.description, self.kind, self.version(backbone_sha256), expert)

    def version(self, backbone_sha256: str) -> str:
        """Equal versions give equal vectors: it follows from the weights that make them."""
        if self.kind is ExpertKind.GENERAL:
            return backbone_sha256[:_VERSION_DIGITS]
        return hashlib.sha256(f"{backbone_sha256} {self.sha256}".encode()).hexdigest()[:_VERSION_DIGITS]


@dataclass(frozen=True)
class Manifest:
    """The experts of one backbone, in the order in which they were added."""

    backbone: str
    backbone_sha256: str
    experts: tuple[ExpertEntry, ...] = ()

    def with_expert(self, entry: ExpertEntry) -> "Manifest":
        """With another expert, in place of the one for the same domain if there is one."""
        check_domain_id(entry.id)
        if entry.id == GENERAL:
            raise SettingError(f"domain {GENERAL!r} is the backbone's own: choose another name")
        others = [each for each in self.experts if each.id != entry.id]
        return replace(self, experts=(*others, entry))

    def without(self, domain: str) -> "Manifest":
        """Without the expert of a domain. Raises `SettingError` if there is none."""
        kept = tuple(each for each in self.experts if each.id != domain)
        if len(kept) == len(self.experts):
            raise SettingError(f"domain {domain!r} has no expert here: it has {self._named()}")
        return replace(self, experts=kept)

    def find(self, domain: str) -> ExpertEntry | None:
        """The expert of a domain."""
        return next((each for each in self.experts if each.id == domain), None)

    def _named(self) -> str:
        return ", ".join(each.id for each in self.experts) or "none"


def read_manifest(directory: Path, backbone: str) -> Manifest:
    """The manifest of the model in the directory; one without experts where there is no file.

    Raises `ModelError` when it is malformed, or its experts were trained on other weights than the directory's.
    """
    sha256 = weights_sha256(directory)
    file = directory / MANIFEST_FILE
    if not file.is_file():
        return Manifest(backbone, sha256)
    fields = read_fields(file)
    fields.require("format", _FORMAT)
    trained_on = fields.nested("backbone").text("weights_sha256")
    if trained_on != sha256:
        raise ModelError(
            f"{file}: the experts belong to weights with sha256 {trained_on}, this directory's have {sha256}: "
            "put the backbone that they were trained on beside them, or train them again"
        )
    entries = tuple(_read_entry(each) for each in fields.objects("experts"))
    names = [entry.id for entry in entries]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ModelError(f"{file}: domain {repeated!r} has two experts: remove one")
    return Manifest(fields.nested("backbone").text("name"), sha256, entries)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the directory's manifest at once, or not at all."""
    content = {
        "format": _FORMAT,
        "backbone": {"name": manifest.backbone, "weights_sha256": manifest.backbone_sha256},
        "experts": [_written(entry) for entry in manifest.experts],
    }
    write_durably(directory / MANIFEST_FILE, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())


def put_expert(directory: Path, entry: ExpertEntry, backbone: str) -> None:
    """Add the expert to the directory's manifest, or replace it, one process after the other.

    `backbone` names the model where there is no manifest yet.
    """
    with changing(directory):
        write_manifest(directory, read_manifest(directory, backbone).with_expert(entry))


@contextmanager
def changing(directory: Path) -> Iterator[None]:
    """While one process changes what the model in the directory has, others wait; readers do not."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
        yield
    finally:
        os.close(descriptor)


def write_durably(file: Path, content: bytes) -> None:
    """Put the content in the file's place at once, or leave what was there; it survives a loss of power."""
    waiting = file.with_name(f".{file.name}.{os.getpid()}")
    with waiting.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    waiting.replace(file)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_entry(fields: Fields) -> ExpertEntry:
    kind = fields.text("kind")
    if kind not in list(ExpertKind):
        raise ModelError(f"{fields.file}: {fields.within}kind is {kind!r}: use one of {', '.join(ExpertKind)}")
    stored = kind != ExpertKind.GENERAL
    routing = fields.nested("routing")
    entry = ExpertEntry(
        id=fields.text("domain"),
        description=fields.text("description", ""),
        kind=ExpertKind(kind),
        file=fields.text("file") if stored else "",
        sha256=fields.text("sha256") if stored else "",
        routing_file=routing.text("file", ""),
        routing_sha256=routing.text("sha256", ""),
        training=fields.nested("training").content,
        metrics=fields.nested("metrics").content,
    )
    for file in (entry.file, entry.routing_file):
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise ModelError(f"{fields.file}: {fields.within}file {file!r} is not inside the model: move it there")
    try:
        check_domain_id(entry.id)
    except SettingError as error:
        raise ModelError(f"{fields.file}: {fields.within}{error}") from error
    return entry


def _written(entry: ExpertEntry) -> dict[str, Any]:
    stored: dict[str, Any] = {"file": entry.file, "sha256": entry.sha256} if entry.file else {}
    if entry.routing_file:
        stored["routing"] = {"file": entry.routing_file, "sha256": entry.routing_sha256}
    return {
        "domain": entry.id,
        "description": entry.description,
        "kind": entry.kind.value,
        **stored,
        "training": dict(entry.training),
        "metrics": dict(entry.metrics),
    }
