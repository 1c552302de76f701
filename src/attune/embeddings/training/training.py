"""Trains one domain's expert, or a whole model, from a directory and texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.router import DomainSample
from attune.embeddings.training.candidates import Candidate, learned, with_heads
from attune.embeddings.training.frozen import Embed, remembered
from attune.embeddings.training.heads import Reader
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.session import Session, Tell
from attune.embeddings.training.tasks import ROUTED_BY, typical_texts
from attune.embeddings.training.trainable import EXPERT_KINDS, TrainableExperts


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    `before` and `after` are the same figures of texts kept back, of the model as it was and of the best checkpoint;
    `log` has the loss and the figures by steps. Of an expert, `candidates` are what may be used of it, the cheapest
    first; `sample` is what a router needs of the domain, `facts` are what was found out about the texts.
    """

    transformer: ExpertTransformer
    before: Mapping[str, float]
    after: Mapping[str, float]
    log: Sequence[Mapping[str, float]] = ()
    candidates: Sequence[Candidate] = ()
    sample: DomainSample | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


def train_expert(directory: Path, material: Material, recipe: Recipe, work: Path, tell: Tell) -> Trained:
    """Train an expert of one domain, beside the frozen backbone of the directory.

    `work` and `tell` are as in `Session`. Raises `TrainingInterruptedError` after Ctrl-C, `ModelError` for the model,
    `TrainingDataError` for checkpoints of another training.
    """
    session = Session(directory, [material], recipe, work, tell)
    session.transformer.encoder.requires_grad_(requires_grad=False)
    texts = typical_texts(material, recipe.seed)
    sample = DomainSample.of(session.backbone(texts.passages[:ROUTED_BY]), session.backbone(texts.queries))
    before, evaluator = session.before, session.evaluator

    def headed(embed: Embed) -> list[Candidate]:
        if not session.config.normalize:  # vectors of any length have no axes
            return []
        backbone, vocabulary = session.backbone, session.config.encoder.vocab_size
        reader = Reader(embed, backbone.tokens, vocabulary, backbone.prompt_tokens)
        return with_heads(reader, texts, session.taken, evaluator)

    candidates = headed(session.backbone)
    if not session.learning:
        return Trained(session.transformer, before, before, [], candidates, sample, session.facts)
    experts = TrainableExperts(session.transformer, [material.domain], recipe.shape)
    session.transformer.expert = experts  # its parameters are the model's, for the trainer
    log = session.run(session.learning)
    embed = remembered(evaluator.embed_of(session.model, material.domain))
    after = evaluator.measure(lambda _domain: embed)
    tensors = experts.tensors(material.domain)
    candidates.append(learned(EXPERT_KINDS[recipe.shape.kind], tensors, after, headed(embed)))
    return Trained(session.transformer, before, after, log, candidates, sample, session.facts)


def train_model(directory: Path, materials: Sequence[Material], recipe: Recipe, work: Path, tell: Tell) -> Trained:
    """Train all parameters of the backbone on the material of one domain or several: a specialist, or a dense model.

    Otherwise as `train_expert`.
    """
    session = Session(directory, materials, recipe, work, tell)
    session.transformer.train_all([material.domain for material in materials])
    log = session.run(session.learning) if session.learning else []
    after = session.evaluator(session.model) if log else session.before
    return Trained(session.transformer, session.before, after, log, facts=session.facts)
