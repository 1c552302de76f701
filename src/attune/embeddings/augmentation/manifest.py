"""What augmenters a model directory has: `augmenters.json`, beside the manifest of its experts.

An augmenter belongs to the vectors of certain versions of certain domains: where a domain's expert is another one now,
the augmenter is out of date, and queries of that domain are left as they are until it is trained again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import Fields, read_fields
from attune.embeddings.mixture.manifest import write_durably

AUGMENTERS_FILE = "augmenters.json"
AUGMENTERS_DIRECTORY = "augmenters"
_FORMAT = 1
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class AugmenterEntry:
    """One augmenter of the manifest.

    `domains` are those that it is for, each with the version of its vectors; `default` is whether their queries are
    augmented so when they do not say how. `training` says what it was made of and how, `metrics` how good it was.
    """

    kind: Augmentation
    domains: Mapping[str, str]
    file: str = ""
    sha256: str = ""
    default: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Equal versions change equal vectors alike."""
        return self.sha256[:_VERSION_DIGITS]


@dataclass(frozen=True)
class AugmenterManifest:
    """The augmenters of one model, in the order in which they were added; the last one of a kind counts."""

    augmenters: tuple[AugmenterEntry, ...] = ()

    def with_augmenter(self, entry: AugmenterEntry) -> "AugmenterManifest":
        """With another one, in place of those of its kind for its domains; if it is their default, no other is."""
        kept: list[AugmenterEntry] = []
        for each in self.augmenters:
            others = {name: version for name, version in each.domains.items() if name not in entry.domains}
            shared = {name: version for name, version in each.domains.items() if name in entry.domains}
            if others:
                kept.append(replace(each, domains=others))
            if shared and each.kind is not entry.kind:
                kept.append(replace(each, domains=shared, default=each.default and not entry.default))
        return AugmenterManifest((*kept, entry))

    def of(self, domain: str, version: str) -> dict[Augmentation, AugmenterEntry]:
        """Those for a domain whose vectors are of that version, by kind."""
        return {each.kind: each for each in self.augmenters if each.domains.get(domain) == version}

    def outdated(self, versions: Mapping[str, str]) -> list[str]:
        """The domains whose augmenters are of other versions than these, or that there are no more."""
        return sorted(
            {
                name
                for each in self.augmenters
                for name, version in each.domains.items()
                if versions.get(name) != version
            }
        )


def read_augmenters(directory: Path) -> AugmenterManifest:
    """The manifest of the model in the directory; an empty one where there is no file. Raises `ModelError`."""
    file = directory / AUGMENTERS_FILE
    if not file.is_file():
        return AugmenterManifest()
    fields = read_fields(file)
    fields.require("format", _FORMAT)
    return AugmenterManifest(tuple(_read_entry(each) for each in fields.objects("augmenters")))


def put_augmenter(directory: Path, entry: AugmenterEntry) -> None:
    """Add the augmenter to the directory's manifest, and forget the files of those that were replaced before.

    Who does it holds `changing(directory)`. Files of the manifest that is replaced now stay until the next time: a
    service that has just read it is about to read them.
    """
    before = read_augmenters(directory)
    after = before.with_augmenter(entry)
    content = {"format": _FORMAT, "augmenters": [_written(each) for each in after.augmenters]}
    write_durably(directory / AUGMENTERS_FILE, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
    named = {directory / each.file for manifest in (before, after) for each in manifest.augmenters}
    for file in (directory / AUGMENTERS_DIRECTORY).glob("*.safetensors"):
        if file not in named:
            file.unlink()


def _read_entry(fields: Fields) -> AugmenterEntry:
    kind = fields.text("kind")
    kinds = [each for each in Augmentation if each is not Augmentation.NONE]
    if kind not in kinds:
        raise ModelError(f"{fields.file}: {fields.within}kind is {kind!r}: use one of {', '.join(kinds)}")
    domains = fields.nested("domains")
    entry = AugmenterEntry(
        kind=Augmentation(kind),
        domains={name: domains.text(name) for name in domains.content},
        file=fields.text("file"),
        sha256=fields.text("sha256"),
        default=fields.boolean("default", default=False),
        training=fields.nested("training").content,
        metrics=fields.nested("metrics").content,
    )
    if Path(entry.file).is_absolute() or ".." in Path(entry.file).parts:
        raise ModelError(f"{fields.file}: {fields.within}file {entry.file!r} is not inside the model: move it there")
    return entry


def _written(entry: AugmenterEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind.value,
        "domains": dict(entry.domains),
        "file": entry.file,
        "sha256": entry.sha256,
        "default": entry.default,
        "training": dict(entry.training),
        "metrics": dict(entry.metrics),
    }
