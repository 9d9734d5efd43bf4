"""Attention by PyTorch's own kernels: one call for each group of slots."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.layout import AttentionGroup


@dataclass(frozen=True)
class GroupAttention:
    """An attention group on the device.

    Attributes:
        queries: `[slots, n_head, tokens, head_dim]`, a view of the step's buffer.
        keys, values: its part of the cache, layer by layer.
        mask: what hides positions from it.
        causal: where plain causal order says what is hidden.
    """

    queries: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor | None
    causal: bool

    def attend(self, layer: int) -> None:
        """Replace the queries by the attention's result.

        Half precision: every fused kernel of `scaled_dot_product_attention` (CPU, CUDA, ROCm, MPS) and the math
        fallback for CUDA accumulate QK^T and the softmax in fp32, so scores over fp16's 65504 do not overflow.
        """
        result = functional.scaled_dot_product_attention(
            self.queries, self.keys[layer], self.values[layer], attn_mask=self.mask, is_causal=self.causal
        )
        self.queries.copy_(result)


def attention_of(group: AttentionGroup, queries: Tensor, positions: Tensor, cache: KVCache) -> GroupAttention:
    """A group of a step whose rows have these `queries` `[rows, n_head, head_dim]` and `positions` `[rows]`."""
    part = cache.data[:, group.slot : group.slot + group.slots, :, :, : group.length]
    values, keys = part.unbind(2)
    heads, width = queries.shape[1:]
    own = queries[group.rows].view(group.slots, group.tokens, heads, width).transpose(1, 2)
    mask = mask_of(group, positions, queries.dtype) if group.needs_mask else None
    return GroupAttention(own, keys.unbind(0), values.unbind(0), mask, group.causal)


def mask_of(group: AttentionGroup, positions: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to a group's scores, `[slots, 1, tokens, length]`: 0 where a row may look, else -inf."""
    last = positions[group.rows].view(group.slots, 1, group.tokens, 1)
    hidden = torch.arange(group.length, device=positions.device) > last
    return torch.zeros(hidden.shape, device=positions.device, dtype=dtype).masked_fill_(hidden, float("-inf"))
