"""What a training is asked to do, checked before anything is computed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from attune.embeddings.domains import ExpertKind, check_domain_id
from attune.embeddings.errors import ModelError, SettingError
from attune.embeddings.mixture.directory import make_model_directory, open_with_experts
from attune.embeddings.mixture.manifest import ExpertEntry
from attune.embeddings.router import GENERAL
from attune.embeddings.weights import model_name, resolve_model, weights_sha256
from attune.services.cli.indexing import read_documents

_DEV_SHARE = 0.1
_LEARNING_RATES = {"axes": 0.0, "ffn": 2e-4, "lora": 3e-4, "full": 1e-4}
_LEARNING_RATES_OF_DOCUMENTS = _LEARNING_RATES | {"ffn": 5e-5, "full": 5e-5}
"""To rank as a teacher does, smaller steps: larger ones forget what the backbone knows."""


@dataclass(frozen=True)
class Texts:
    """Where the texts are: files of pairs to train on and to judge by, other domains' pairs, and documents."""

    pairs: Sequence[Path]
    dev: Sequence[Path] = ()
    joint: Mapping[str, Path] = field(default_factory=dict)
    corpus: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A training that can begin. `skipped` says which lines of the pairs are not used, and why."""

    domain: str
    description: str
    directory: Path
    target: Path
    materials: Sequence[Any]
    recipe: Any
    skipped: Sequence[str]
    joint: bool = False

    @classmethod
    def make(
        cls,
        *,
        domain: str,
        model: Path,
        texts: Texts,
        backbone: Path | None,
        description: str,
        options: Mapping[str, Any],
    ) -> Self:
        """Read and check everything. Raises `SettingError`, `TrainingDataError`, `CorpusError` or `ModelError`."""
        options = {**options, "kind": options["kind"] or ("ffn" if texts.pairs else "axes")}
        for name in (domain, *texts.joint):
            check_domain_id(name)
            if name == GENERAL:
                raise SettingError(f"domain {GENERAL!r} is the backbone's own: choose another name")
        if texts.joint:
            _check_joint(domain, texts, options["kind"])
        if not texts.pairs and texts.corpus is None:
            raise SettingError("nothing to train on: give --pairs, --corpus, or both")
        if texts.dev and not texts.pairs:
            raise SettingError("--dev judges what --pairs train: give --pairs too")
        recipe = _recipe(options, _LEARNING_RATES if texts.pairs else _LEARNING_RATES_OF_DOCUMENTS)
        materials, skipped = _materials(domain, texts, one_each=recipe.shape.kind == "full")
        for name, file in texts.joint.items():
            others, more = _materials(name, Texts([file]), one_each=False)
            materials, skipped = [*materials, *others], [*skipped, *more]
        whole = bool(texts.joint) or recipe.shape.kind == "full"
        directory = _new_model(model, backbone) if whole else model_directory(model, backbone)
        return cls(domain, description, directory, model, materials, recipe, skipped, bool(texts.joint))

    def run(self, tell: Callable[[int, float], None]) -> dict[str, Any]:
        """Train, and save what came of it; what was done, for people and programs."""
        from attune.embeddings.training.saving import forget_checkpoints  # noqa: PLC0415
        from attune.embeddings.training.session import TrainingInterruptedError  # noqa: PLC0415

        work = self.target.with_name(f".{self.target.name}.training-{self.domain}")
        try:
            found = self._train(work, tell)
        except TrainingInterruptedError:
            raise KeyboardInterrupt from None
        forget_checkpoints(work)
        return found

    def _train(self, work: Path, tell: Callable[[int, float], None]) -> dict[str, Any]:
        from attune.embeddings.training.joint import train_joint  # noqa: PLC0415
        from attune.embeddings.training.saving import save_expert, save_joint, save_model  # noqa: PLC0415
        from attune.embeddings.training.training import train_expert, train_model  # noqa: PLC0415

        if self.joint:
            joint = train_joint(self.directory, self.materials, self.recipe, work, tell)
            save_joint(self.directory, self.target, joint, {each.domain: self._facts(each) for each in self.materials})
            return self._of_a_new_model("trained together with their shared weights", joint.before, joint.after)
        if self.recipe.shape.kind == "full":
            whole = train_model(self.directory, self.materials, self.recipe, work, tell)
            save_model(self.directory, self.target, whole, self.domain)
            return self._of_a_new_model("trained as a whole", whole.before, whole.after)
        [material] = self.materials
        trained = train_expert(self.directory, material, self.recipe, work, tell)
        return self._found(save_expert(self.target, self.domain, self.description, trained, self._facts(material)))

    def _of_a_new_model(self, how: str, before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
        domains = ", ".join(each.domain for each in self.materials)
        metrics = {f"before_{name}": value for name, value in before.items()} | dict(after)
        return {"domain": domains, "outcome": f"{how}, in {self.target}", "metrics": metrics}

    def _found(self, entry: ExpertEntry) -> dict[str, Any]:
        outcome = f"expert of kind {entry.kind}, in {self.target}"
        if entry.kind is ExpertKind.GENERAL:
            outcome = (
                f"no expert was good enough beside the general one (dev), which serves it from now on, in {self.target}"
            )
        version = entry.version(weights_sha256(self.target))
        return {"domain": self.domain, "outcome": outcome, "version": version, "metrics": dict(entry.metrics)}

    def _facts(self, material: Any) -> dict[str, Any]:
        from attune.embeddings.training.session import material_digest  # noqa: PLC0415

        return {
            "texts_sha256": material_digest(material),
            "pairs": len(material.pairs),
            "dev_pairs": len(material.dev_pairs),
            "passages": len(material.passages),
            "steps": self.recipe.steps,
            "batch": self.recipe.batch,
            "max_tokens": self.recipe.max_tokens,
            "learning_rate": self.recipe.learning_rate,
            "seed": self.recipe.seed,
        }


def _check_joint(domain: str, texts: Texts, kind: str) -> None:
    if domain in texts.joint:
        raise SettingError(f"--joint {domain}: that is --domain itself; name the other domains")
    if not texts.pairs or texts.corpus is not None:
        raise SettingError("--joint learns from pairs alone: give --pairs, and no --corpus")
    if kind != "ffn":
        raise SettingError(f"kind {kind!r} cannot be trained with --joint: use ffn, as the shared weights learn too")


def _recipe(options: Mapping[str, Any], learning_rates: Mapping[str, float]) -> Any:
    from attune.embeddings.training.recipe import Recipe  # noqa: PLC0415
    from attune.embeddings.training.trainable import Kind, Shape  # noqa: PLC0415

    if options["kind"] not in list(Kind):
        raise SettingError(f"kind {options['kind']!r} is unknown: use one of {', '.join(Kind)}")
    kind = Kind(options["kind"])
    return Recipe(
        shape=Shape(kind, options["layers"], options["rank"]),
        steps=options["steps"],
        batch=options["batch"],
        max_tokens=options["max_tokens"],
        learning_rate=options["learning_rate"] or learning_rates[kind],
        hard_negatives=options["hard_negatives"],
        seed=options["seed"],
    )


def _materials(domain: str, texts: Texts, *, one_each: bool) -> tuple[list[Any], list[str]]:
    """The texts. A whole model may have several domains: each file of pairs is one, so that batches do not mix them."""
    from attune.embeddings.training.pairs import check_enough, held_back, read_pairs  # noqa: PLC0415
    from attune.embeddings.training.passages import Passage  # noqa: PLC0415
    from attune.embeddings.training.recipe import Material  # noqa: PLC0415

    skipped: list[str] = []

    def read(paths: Iterable[Path]) -> list[Any]:
        found = read_pairs(paths)
        skipped.extend(found.skipped)
        return found.pairs

    groups = [[file] for file in texts.pairs] if one_each else [list(texts.pairs)]
    judged = read(texts.dev)
    materials = []
    for number, group in enumerate(group for group in groups if group):
        pairs = read(group)
        check_enough(pairs, f"different pairs in {', '.join(str(file) for file in group)}")
        if not judged:
            pairs, kept = held_back(pairs, _DEV_SHARE)
        materials.append(Material(f"{domain}{number or ''}", pairs, judged or kept))
    corpus = texts.corpus
    if corpus is not None:
        documents = read_documents(corpus, domain)
        passages = [Passage(each.title, each.text) for each in documents if each.title.strip() or each.text.strip()]
        skipped += [f"{corpus}: {len(documents) - len(passages)} documents have no text"] * (
            len(passages) < len(documents)
        )
        check_enough(passages, f"documents in {corpus}")
        first = materials[0] if materials else Material(domain)
        materials = [replace(first, passages=passages), *materials[1:]]
    return materials, skipped


def _new_model(model: Path, backbone: Path | None) -> Path:
    """The directory to train a whole model from, which must not overwrite one."""
    if model.exists():
        raise ModelError(f"{model} exists: a model whose shared weights are trained needs a place of its own")
    return resolve_model(str(backbone) if backbone else None)


def model_directory(model: Path, backbone: Path | None) -> Path:
    """The directory that is added to, made of `backbone` if there is none. Raises `ModelError`."""
    source = resolve_model(str(backbone) if backbone else None)
    if not model.exists():
        make_model_directory(source, model)
    elif backbone is not None and weights_sha256(source) != weights_sha256(resolve_model(str(model))):
        raise ModelError(f"{model} has another backbone than {model_name(source)}: leave --backbone out")
    open_with_experts(resolve_model(str(model)))
    return model
