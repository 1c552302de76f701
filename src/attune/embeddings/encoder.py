"""The encoder: token ids to vectors, in packed batches without padding."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import ModelConfig
from attune.embeddings.devices import CPU, tokens_at_once
from attune.embeddings.experts import GENERAL_EXPERT, ExpertBank, prepare_block
from attune.embeddings.graphs import RecordedPasses, record_on_gpu
from attune.embeddings.grouped import GroupedFeedForward, can_group
from attune.embeddings.heads import Head
from attune.embeddings.layers import FeedForward
from attune.embeddings.packed_encoder import PackedEncoder
from attune.embeddings.packing import PackedBatch, pack
from attune.embeddings.pooling import pool, pool_spans
from attune.embeddings.precision import Precision
from attune.embeddings.quantization import calibration_sequences, quantize
from attune.embeddings.spans import SpanPlan


class Encoder:
    """An encoder with its pooling, on one device. Vectors do not depend on what else is in the call, but for rounding.

    `token_budget` bounds the tokens computed at once; without it, it is what suits the device.
    """

    def __init__(
        self,
        packed: PackedEncoder,
        config: ModelConfig,
        precision: Precision,
        token_budget: int | None = None,
        device: torch.device = CPU,
    ) -> None:
        self._packed = packed
        self.device = device
        self._precision = precision
        self._experts = 1
        self._free: list[int] = []
        self._tokens: dict[int, int] = {}
        self._heads: dict[int, Head] = {}
        self._changing = threading.RLock()  # an expert may be dropped, and so removed, while another is added
        self._config = config
        self._token_budget = token_budget or tokens_at_once(device)
        self._recorded = RecordedPasses(self._encode_batch, record_on_gpu) if device.type == "cuda" else None
        if precision.quantized:
            packed.quantize(precision.dtype, self._calibrate)
        else:
            packed.prepare(precision.dtype, prepack=precision.prepacked).to(device)

    @classmethod
    def load(cls, directory: Path, config: ModelConfig, precision: Precision, device: torch.device = CPU) -> Self:
        """The encoder with the weights in `directory`. Raises `ModelError`."""
        return cls(load_encoder(directory, config.encoder), config, precision, device=device)

    @property
    def dimension(self) -> int:
        """d, the length of a vector."""
        return self._config.encoder.hidden_size

    @property
    def token_embeddings(self) -> NDArray[np.float32]:
        """[vocabulary, e]: the backbone's table of tokens."""
        table: NDArray[np.float32] = (
            self._packed.embeddings.word.weight[: self._config.encoder.vocab_size].float().cpu().numpy()
        )
        return table

    @property
    def experts(self) -> int:
        """How many experts there are, the general one included."""
        return self._experts

    @property
    def parameter_bytes(self) -> int:
        """How many bytes a layer's weight takes for each of its numbers."""
        return 1 if self._precision.quantized else self._precision.dtype.itemsize

    def add_expert(
        self, blocks: Sequence[nn.Module | None], token: Tensor | None = None, head: Head | None = None
    ) -> int:
        """The number of a new expert, to be given to `encode`; other experts' vectors stay as they are.

        `blocks` are its feed-forward blocks in fp32, one a layer, of the kind that the layers have: they become the
        encoder's own. None stands for the layer's own block. `token` [embedding size] stands in for the vector of its
        sequences' first token, `head` is what their vectors go through at last. Sequences may be encoded meanwhile.
        Raises `ValueError` for another number of blocks, and for a head of another size than vectors have.
        """
        layers = self._packed.layers
        if len(blocks) != len(layers):
            raise ValueError(f"the expert has {len(blocks)} feed-forward blocks: give {len(layers)}, one a layer")
        if head is not None and head.size != self.dimension:
            raise ValueError(f"the head is for vectors of {head.size}, these are of {self.dimension}")
        banks = [cast("ExpertBank", layer.experts) for layer in layers]
        with self._changing:
            number = self._place(banks, [self._prepared(block) for block in blocks])
            try:
                if head is not None:
                    self._heads[number] = head
                if token is not None:
                    self._tokens[number] = self._packed.embeddings.word.append(token)
                if self._precision.quantized:
                    self._quantize_in_place(banks, number)
                self._group(layers)
            except BaseException:
                self.remove_expert(number)
                raise
        return number

    def remove_expert(self, number: int) -> None:
        """Forget an expert, whose number may be given to a later one; no sequence may go to it any more."""
        with self._changing:
            for layer in self._packed.layers:
                cast("ExpertBank", layer.experts).put(number, None)
            self._tokens.pop(number, None)
            self._heads.pop(number, None)
            self._free.append(number)
            self._group(self._packed.layers)

    def _place(self, banks: Sequence[ExpertBank], blocks: Sequence[nn.Module | None]) -> int:
        number = self._free.pop() if self._free else self._experts
        for bank, block in zip(banks, blocks, strict=True):
            bank.put(number, block)
        self._experts = max(self._experts, number + 1)
        return number

    def _quantize_in_place(self, banks: Sequence[ExpertBank], number: int) -> None:
        """Observed in its place, since what a layer is given depends on the expert's blocks before it."""
        owned = [(bank, block) for bank in banks if (block := bank.find(number)) is not None]
        quantized = quantize([block for _, block in owned], lambda: self._calibrate(number), self._precision.dtype)
        for (bank, _), block in zip(owned, quantized, strict=True):
            bank.put(number, block)

    def _group(self, layers: Iterable[nn.Module]) -> None:
        for layer in layers:
            bank = cast("ExpertBank", layer.experts)
            blocks = bank.all_blocks(layer.get_submodule("feed_forward"), self._experts)
            if can_group(blocks, self.device, self._precision.dtype):
                bank.grouped = GroupedFeedForward(cast("list[FeedForward]", blocks))
        if self._recorded is not None:
            self._recorded.forget()

    def _prepared(self, block: nn.Module | None) -> nn.Module | None:
        if block is None or self._precision.quantized:
            return block
        return prepare_block(block, self._precision.dtype, prepack=self._precision.prepacked).to(self.device)

    def _calibrate(self, expert: int = GENERAL_EXPERT) -> None:
        config = self._config.encoder
        sequences = calibration_sequences(config.vocab_size, config.max_tokens)
        self.encode(sequences, [expert] * len(sequences))

    @torch.inference_mode()
    def encode(
        self,
        token_ids: Sequence[Sequence[int]],
        experts: Sequence[int] = (),
        beyond: Sequence[Sequence[int]] = (),
    ) -> NDArray[np.float32]:
        """Vectors [n, d] of n token sequences, in their order, L2-normalised if the model says so.

        `experts` has the expert of each sequence; if empty, all go to the general one. `beyond` has the tokens after
        each sequence, for heads that read on; if empty, there are none. Raises `ValueError` for a
        sequence that is empty or longer than the model's positions, for an id outside the vocabulary, for an expert
        that was not added, and for another number of experts than sequences.
        """
        self._check(token_ids)
        self._check_experts(experts, len(token_ids))
        seen = self._with_domain_tokens(token_ids, experts)
        vectors = torch.empty(len(token_ids), self.dimension)
        batches = pack(seen, self._token_budget, self._packed.planner(self.device), experts)
        # A GPU computes one batch while the next is packed: nothing waits for it before the last is on its way.
        for order, found in [(batch.order, self._encode_placed(batch)) for batch in batches]:
            vectors[list(order)] = found.cpu()
        self._put_through_heads(vectors, seen, experts, beyond)  # a domain's token is no word
        result: NDArray[np.float32] = vectors.numpy()
        return result

    @torch.inference_mode()
    def encode_with_hidden(
        self, token_ids: Sequence[Sequence[int]], experts: Sequence[int], beyond: Sequence[Sequence[int]] = ()
    ) -> tuple[NDArray[np.float32], list[Tensor]]:
        """As `encode`, and for each sequence its tokens' vectors [tokens, d] in the last layer, in fp32 on the CPU."""
        if not token_ids:
            return np.zeros((0, self.dimension), np.float32), []
        self._check(token_ids)
        self._check_experts(experts, len(token_ids))
        seen = self._with_domain_tokens(token_ids, experts)
        vectors, states = torch.empty(len(seen), self.dimension), [torch.empty(0)] * len(seen)
        for batch in pack(seen, self._token_budget, self._packed.planner(self.device), experts):
            hidden = self._packed(batch.to(self.device))
            vectors[list(batch.order)] = self._normalized(self._pooled(hidden, batch.to(self.device))).cpu()
            lengths = [len(seen[place]) for place in batch.order]
            for place, rows in zip(batch.order, hidden[: sum(lengths)].float().cpu().split(lengths), strict=True):
                states[place] = rows
        self._put_through_heads(vectors, seen, experts, beyond)
        return vectors.numpy(), states

    def _with_domain_tokens(
        self, token_ids: Sequence[Sequence[int]], experts: Sequence[int]
    ) -> Sequence[Sequence[int]]:
        """Each sequence with its expert's token in place of its first one, if the expert has one."""
        tokens = self._tokens
        if not any(expert in tokens for expert in experts):
            return token_ids
        return [
            (tokens[expert], *sequence[1:]) if expert in tokens else sequence
            for sequence, expert in zip(token_ids, experts, strict=True)
        ]

    def moves_general_vectors(self, expert: int) -> bool:
        """Whether the expert has a head, and its layers are the backbone's own: see `moved`."""
        banks = (cast("ExpertBank", layer.experts) for layer in self._packed.layers)
        return expert in self._heads and expert not in self._tokens and all(bank.find(expert) is None for bank in banks)

    def moved(
        self,
        vectors: NDArray[np.float32],
        token_ids: Sequence[Sequence[int]],
        experts: Sequence[int],
        beyond: Sequence[Sequence[int]] = (),
    ) -> NDArray[np.float32]:
        """The vectors [n, d] that sequences have by these experts, from those by the general one, without a pass."""
        found = torch.from_numpy(vectors.copy())
        self._put_through_heads(found, token_ids, experts, beyond)
        result: NDArray[np.float32] = found.numpy()
        return result

    def _put_through_heads(
        self,
        vectors: Tensor,
        token_ids: Sequence[Sequence[int]],
        experts: Sequence[int],
        beyond: Sequence[Sequence[int]],
    ) -> None:
        """The vectors [n, d] of those experts that have heads, in place."""
        for expert in set(experts):
            head = self._heads.get(expert)
            if head is not None:
                rows = [place for place, each in enumerate(experts) if each == expert]
                read = [head.read(token_ids[row], beyond[row]) if beyond else token_ids[row] for row in rows]
                vectors[rows] = head(vectors[rows], read)

    def _encode_placed(self, batch: PackedBatch) -> Tensor:
        if self._recorded is None:
            return self._encode_batch(batch)
        return self._recorded(batch.routed().to(self.device))

    def _encode_batch(self, batch: PackedBatch) -> Tensor:
        return self._normalized(self._pooled(self._packed(batch), batch))

    def _normalized(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors) if self._config.normalize else vectors

    def _pooled(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[rows, d] -> [sequences, d], in fp32 whatever the layers compute in."""
        pooling = self._config.pooling
        if isinstance(batch.attention, SpanPlan):
            return pool_spans(hidden, batch.attention.bounds[:-1], batch.positions, pooling)
        groups = [(hidden[group.rows], group) for group in batch.groups]
        return torch.cat([pool(rows.view(group.count, group.length, -1), pooling) for rows, group in groups])

    def _check(self, token_ids: Sequence[Sequence[int]]) -> None:
        config = self._config.encoder
        for index, sequence in enumerate(token_ids):
            if not 0 < len(sequence) <= config.max_tokens:
                raise ValueError(f"sequence {index} has {len(sequence)} tokens: give 1 to {config.max_tokens}")
            if min(sequence) < 0 or max(sequence) >= config.vocab_size:
                raise ValueError(f"sequence {index} has an id outside 0..{config.vocab_size - 1}: tokenize it again")

    def _check_experts(self, experts: Sequence[int], sequences: int) -> None:
        if not experts:
            return
        if len(experts) != sequences:
            raise ValueError(f"{sequences} sequences come with {len(experts)} experts: give one each, or none")
        if min(experts) < 0 or max(experts) >= self._experts:
            raise ValueError(f"an expert is outside 0..{self._experts - 1}: add it first")
