"""Trains experts of several domains and the weights that they share, together: a new model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.router import GENERAL, DomainSample
from attune.embeddings.training.frozen import remembered
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.session import Session, Tell
from attune.embeddings.training.tasks import Task, typical_texts
from attune.embeddings.training.trainable import TrainableExperts


@dataclass(frozen=True)
class JointlyTrained:
    """A new backbone in `transformer`, and what each domain has beside it: an expert's tensors and a router's sample.

    `before` and `after` are figures of texts kept back, means over the domains; `log` has them by steps.
    """

    transformer: ExpertTransformer
    tensors: Mapping[str, Mapping[str, Tensor]]
    samples: Mapping[str, DomainSample]
    before: Mapping[str, float]
    after: Mapping[str, float]
    log: Sequence[Mapping[str, float]]


def train_joint(
    directory: Path, materials: Sequence[Material], recipe: Recipe, work: Path, tell: Tell
) -> JointlyTrained:
    """Train an expert for each material's domain, and the backbone of the directory with them.

    Each batch is of one domain. In turns, it goes through the domain's expert and through the general one, which must
    still embed what is of no domain, and tell domains apart. `work` and `tell` are as in `Session`. Raises
    `TrainingInterruptedError` after Ctrl-C, `ModelError` for the model, `TrainingDataError` for checkpoints of another
    training.
    """
    session = Session(directory, materials, recipe, work, tell)
    domains = [material.domain for material in materials]
    session.transformer.train_all([])
    experts = TrainableExperts(session.transformer, domains, recipe.shape)
    session.transformer.expert = experts  # its parameters are the model's, for the trainer
    log = session.run([each for task in session.learning for each in (task, _general(task))])
    after = session.evaluator(session.model)
    general = remembered(session.evaluator.embed_of(session.model, GENERAL))
    texts = {material.domain: typical_texts(material, recipe.seed) for material in materials}
    samples = {domain: DomainSample.of(general(of.passages), general(of.queries)) for domain, of in texts.items()}
    tensors = {domain: experts.tensors(domain) for domain in domains}
    experts.leave()
    return JointlyTrained(session.transformer, tensors, samples, session.before, after, log)


def _general(task: Task) -> Task:
    """The same texts for the general expert, as rows of their own: the trainer writes a task's name into them."""
    rows = task.rows.select(range(len(task.rows)))
    return replace(task, name=f"{task.name}-{GENERAL}", domain=GENERAL, rows=rows)
