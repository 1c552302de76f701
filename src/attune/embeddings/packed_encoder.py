"""A whole encoder over packed tokens, of any family."""

from collections.abc import Callable, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from attune.embeddings.attention import tiles_in
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.experts import ExpertBank
from attune.embeddings.layers import PackedEmbeddings, PackedLayer, PackedSelfAttention
from attune.embeddings.modern_layers import ModernLayer
from attune.embeddings.packing import PackedBatch, PlanAttention
from attune.embeddings.positions import positions_of
from attune.embeddings.products import Product
from attune.embeddings.quantization import quantize
from attune.embeddings.spans import can_attend_by_spans, plan_spans


class PackedEncoder(nn.Module):
    """An encoder without its head: a packed batch -> [rows, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embeddings = PackedEmbeddings(config)
        self.positions = positions_of(config)
        self.layers = nn.ModuleList(_layer(config, index) for index in range(config.num_hidden_layers))
        self.final_norm = _final_norm(config)
        self.attention_dtype = torch.float32
        self.hidden_size = config.hidden_size
        self._head_size = config.hidden_size // config.num_attention_heads
        self._has_bias = bool(config.relative_buckets)

    def forward(self, batch: PackedBatch) -> Tensor:
        # The embeddings and the last norm stay in fp32, where they cost next to nothing; the layers may be in bf16.
        hidden = self.embeddings(batch.token_ids, batch.positions).to(self._hidden_dtype)
        for layer, pattern in zip(self.layers, self.positions(batch, self.attention_dtype), strict=True):
            hidden = layer(hidden, batch, pattern)
        result: Tensor = hidden if self.final_norm is None else self.final_norm(hidden.float())
        return result

    def planner(self, device: torch.device) -> PlanAttention:
        """How the sequences of a batch are attended to there."""
        if not self._has_bias and can_attend_by_spans(self._head_size, device, self.attention_dtype):
            return plan_spans
        return tiles_in(self.attention_dtype)

    def prepare(self, dtype: torch.dtype, *, prepack: bool) -> Self:
        """Make the loaded fp32 layers ready to compute in `dtype`, with weights laid out for this CPU if `prepack`."""
        self.fold_scales()
        self.attention_dtype = dtype
        self.layers.to(dtype)
        for product in (module for module in self.layers.modules() if prepack and isinstance(module, Product)):
            product.prepack()
        return self

    def quantize(self, attention_dtype: torch.dtype, calibrate: Callable[[], object]) -> None:
        """Put the loaded fp32 layers' products into int8; attention computes in `attention_dtype`, the rest in fp32.

        `calibrate` computes `calibration_sequences`.
        """
        self.fold_scales()
        quantize(self.layers, calibrate, attention_dtype)
        self.attention_dtype = attention_dtype

    def put_expert(self, number: int, blocks: Sequence[nn.Module | None]) -> None:
        """Let blocks stand for an expert, one a layer; None is the layer's own. No batch of it may be computed yet."""
        for layer, block in zip(self.layers, blocks, strict=True):
            cast("ExpertBank", layer.experts).put(number, block)

    def fold_scales(self) -> None:
        """Put the scores' scale into the weights of the loaded fp32 layers, once."""
        for attention in (module for module in self.layers.modules() if isinstance(module, PackedSelfAttention)):
            attention.fold_scale()

    def unfolded_state(self) -> dict[str, Tensor]:
        """The parameters by their paths, as they were before `fold_scales`."""
        state = dict(self.state_dict())
        for path, module in self.named_modules():
            if isinstance(module, PackedSelfAttention):
                for name in ("weight", "bias") if module.qkv.bias is not None else ("weight",):
                    state[f"{path}.qkv.{name}"] = module.unfolded(state[f"{path}.qkv.{name}"])
        return state

    @property
    def _hidden_dtype(self) -> torch.dtype:
        return next(self.layers.parameters()).dtype


def _layer(config: EncoderConfig, index: int) -> nn.Module:
    return PackedLayer(config) if config.modern is None else ModernLayer(config, config.modern, index)


def _final_norm(config: EncoderConfig) -> nn.LayerNorm | None:
    if config.modern is None:
        return None
    return nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps, bias=config.modern.norm_bias)
