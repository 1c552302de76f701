"""A model with experts as sentence-transformers sees it.

`SentenceTransformer(directory, trust_remote_code=True).encode(texts, task="law")`: the task is the domain, and without
one the general expert embeds. sentence-transformers asks for that word before it imports any class that is not its own.
The same layers as in the service compute, with gradients where they are asked for: what is trained is what is served.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from sentence_transformers.base.modules import InputModule, Module
from torch import Tensor, nn

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import ModelConfig, read_model_config, read_tokenizer
from attune.embeddings.errors import TextError, UnknownDomainError
from attune.embeddings.experts import GENERAL_EXPERT
from attune.embeddings.heads import Head
from attune.embeddings.mixture.expert_files import EXPERTS_DIRECTORY, read_expert, read_head
from attune.embeddings.mixture.manifest import MANIFEST_FILE, read_manifest
from attune.embeddings.packed_encoder import PackedEncoder
from attune.embeddings.packing import PackedBatch, pack
from attune.embeddings.router import GENERAL
from attune.embeddings.tokenizer import TextTokenizer, Tokenized
from attune.embeddings.weights import WEIGHTS_INDEX, model_name, weight_files

_BACKBONE_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json")
_UNBOUNDED = 1 << 40
_NONE = -1


@dataclass(frozen=True)
class Route:
    """An expert's number in the layers, the id of its token, where it has one, and how many tokens its head reads."""

    expert: int = GENERAL_EXPERT
    token: int | None = None
    reach: int = 0


class ExpertTransformer(InputModule):
    """The first module of a sentence-transformers model: texts of any domains to their tokens' vectors.

    `routes` are the domains besides the general one. Raises `UnknownDomainError` for a task that is none of them, and
    `TextError` for a text that has no tokens.
    """

    def __init__(
        self,
        directory: Path,
        config: ModelConfig,
        tokenizer: TextTokenizer,
        encoder: PackedEncoder,
        routes: Mapping[str, Route],
        blocks: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._directory = directory
        self._config = config
        self._texts = tokenizer
        self.max_seq_length = tokenizer.max_tokens
        self.training_tokens = tokenizer.max_tokens
        """How many tokens of a text are read in training, which takes longer the more there are."""
        self.encoder = encoder
        self.routes = dict(routes)
        self.blocks = nn.ModuleList(blocks)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **_options: Any) -> Self:  # type: ignore[override]
        """The module of a directory, in fp32, with all its experts. Raises `ModelError`."""
        directory = Path(model_name_or_path, subfolder)
        config = read_model_config(directory)
        encoder = load_encoder(directory, config.encoder)
        routes, blocks = _add_experts(directory, encoder)
        encoder.fold_scales()
        return cls(directory, config, read_tokenizer(directory, config), encoder, routes, blocks)

    @property
    def first_token(self) -> int:
        """The id that every text begins with."""
        [tokenized] = self._texts.tokenize(["a"])
        return self._ids(tokenized, Route())[0]

    def train_all(self, domains: Sequence[str]) -> None:
        """Let every parameter of the backbone learn, from texts of those domains."""
        self.encoder.requires_grad_(requires_grad=True)
        self.routes |= {domain: Route() for domain in domains}

    def get_embedding_dimension(self) -> int:
        """d, the length of a vector."""
        return self._config.encoder.hidden_size

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, task: str | None = None, **_options: Any
    ) -> dict[str, Any]:
        """Texts of one domain to `input_ids` and `attention_mask` [n, longest], and the domain's `expert` [n].

        Where its head reads further, `beyond` [n, longest] has the tokens that the layers do not take, then -1.
        """
        route = self._route(task)
        self._texts.max_tokens = self.training_tokens if self.training else self.max_seq_length
        tokenized = self._texts.tokenize(
            list(inputs),
            prefixes=[prompt or ""] * len(inputs),
            reaches=[0 if self.training else route.reach] * len(inputs),
        )
        ids = _padded([self._ids(each, route) for each in tokenized])
        features = {
            "input_ids": ids.clamp(min=0),
            "attention_mask": (ids != _NONE).long(),
            "expert": torch.full((len(ids),), route.expert),
        }
        beyond = [each.beyond for each in tokenized if isinstance(each, Tokenized)]
        return features | ({"beyond": _padded(beyond)} if any(beyond) else {})

    def forward(self, features: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Adds `token_embeddings` [n, longest, d], zero where there is no token."""
        ids, sequences = features["input_ids"], _sequences(features)
        dtype = _compute_dtype(ids.device)
        self.encoder.attention_dtype = dtype
        [batch] = pack(sequences, _UNBOUNDED, self.encoder.planner(ids.device), features["expert"].tolist())
        hidden = self.encoder(batch.to(ids.device))
        features["token_embeddings"] = _unpacked(hidden, batch, [len(each) for each in sequences], ids.shape)
        return features

    def save(self, output_path: str, *_args: Any, **_options: Any) -> None:
        """Copy the model's files: the backbone's, and its experts'."""
        target = Path(output_path)
        for name in (*_BACKBONE_FILES, MANIFEST_FILE, WEIGHTS_INDEX):
            if (self._directory / name).is_file():
                shutil.copy2(self._directory / name, target / name)
        for file in weight_files(self._directory):
            shutil.copy2(file, target / file.name)
        if (self._directory / EXPERTS_DIRECTORY).is_dir():
            shutil.copytree(self._directory / EXPERTS_DIRECTORY, target / EXPERTS_DIRECTORY, dirs_exist_ok=True)

    def _route(self, task: str | None) -> Route:
        if task in (None, "", GENERAL, "query", "document"):  # the last two are sentence-transformers' own tasks
            return Route()
        if task not in self.routes:
            raise UnknownDomainError(str(task), [GENERAL, *self.routes])
        return self.routes[task]

    @staticmethod
    def _ids(tokenized: Any, route: Route) -> Sequence[int]:
        if isinstance(tokenized, TextError):
            raise tokenized
        return tokenized.ids if route.token is None else (route.token, *tokenized.ids[1:])


class ExpertHeads(Module):
    """The last module of such a model: the heads of those experts that have one, on the CPU.

    `heads` are by the experts' numbers, as `ExpertTransformer` counts them.
    """

    def __init__(self, heads: Mapping[int, Head]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.heads = dict(heads)

    @classmethod
    def load(cls, model_name_or_path: str, **_options: Any) -> Self:  # type: ignore[override]
        """The module of a directory. Raises `ModelError`."""
        directory = Path(model_name_or_path)
        entries = enumerate(read_manifest(directory, model_name(directory)).experts, start=1)
        found = {number: read_head(directory, entry) for number, entry in entries}
        return cls({number: head for number, head in found.items() if head is not None})

    def forward(self, features: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Changes `sentence_embedding` [n, d] by `expert` [n], `input_ids` and `attention_mask` [n, longest], and
        `beyond`, where it is given.
        """
        experts = features.get("expert")
        for number in [] if experts is None else set(experts.tolist()) & self.heads.keys():
            vectors, head = features["sentence_embedding"], self.heads[number]
            read = [head.read(*each) for each in zip(_sequences(features), _beyond(features), strict=True)]
            moved = head(vectors.float().cpu(), read).to(vectors)
            features["sentence_embedding"] = torch.where((experts == number)[:, None], moved, vectors)
        return features

    def save(self, output_path: str, *_args: Any, **_options: Any) -> None:
        """Nothing: the heads are in the experts' files, which `ExpertTransformer` copies."""


def _add_experts(directory: Path, encoder: PackedEncoder) -> tuple[dict[str, Route], list[nn.Module]]:
    routes: dict[str, Route] = {}
    blocks: list[nn.Module] = []
    for number, entry in enumerate(read_manifest(directory, model_name(directory)).experts, start=1):
        if not entry.file:
            routes[entry.id] = Route()
            continue
        weights = read_expert(directory, entry, encoder)
        encoder.put_expert(number, weights.blocks)
        token = None if weights.token is None else encoder.embeddings.word.append(weights.token)
        routes[entry.id] = Route(number, token, 0 if weights.head is None else weights.head.reach)
        blocks += [block for block in weights.blocks if block is not None]
    return routes, blocks


def _sequences(features: Mapping[str, Any]) -> list[list[int]]:
    """Each text's ids, without the padding."""
    lengths = features["attention_mask"].sum(1).tolist()
    return [row[:length] for row, length in zip(features["input_ids"].tolist(), lengths, strict=True)]


def _beyond(features: Mapping[str, Any]) -> list[list[int]]:
    """Each text's ids after those, without the padding."""
    if "beyond" not in features:
        return [[]] * len(features["input_ids"])
    return [[id_ for id_ in row if id_ != _NONE] for row in features["beyond"].tolist()]


def _padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """[n, longest]: -1 where there is none."""
    rows = [torch.tensor(each, dtype=torch.long) for each in sequences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=_NONE)


def _unpacked(hidden: Tensor, batch: PackedBatch, lengths: Sequence[int], shape: torch.Size) -> Tensor:
    """[rows, d] -> [n, longest, d], in the order of the input."""
    counts = torch.tensor([lengths[index] for index in batch.order], device=hidden.device)
    rows = torch.tensor(batch.order, device=hidden.device).repeat_interleave(counts)
    places = batch.positions[: len(rows)].to(hidden.device)
    tokens = hidden.new_zeros(*shape, hidden.shape[-1])
    tokens[rows, places] = hidden[: len(rows)]
    return tokens


def _compute_dtype(device: torch.device) -> torch.dtype:
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32
