"""Attention by PyTorch's own kernels: one call for each group of neighbouring slots, or one for slots anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.layout import AttentionGroup


class Attention(Protocol):
    """Bound to queries in a step's buffer and to their part of the cache."""

    def attend(self, layer: int) -> None:
        """Replace the queries by the attention's result."""
        ...


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
    mask = None
    if group.needs_mask:
        mask = mask_of(positions[group.rows].view(group.slots, group.tokens), group.length, queries.dtype)
    return GroupAttention(own, keys.unbind(0), values.unbind(0), mask, group.causal)


@dataclass(frozen=True)
class GatheredAttention:
    """Slots that lie anywhere, which the device alone knows: their keys and values are first brought side by side.

    That reads and writes them once more than `GroupAttention` does, and takes the memory of one layer's; in return
    the same operators on the same tensors serve whichever slots, which is what a CUDA graph needs.

    Attributes:
        queries: `[slots, n_head, tokens, head_dim]`, a view of the step's buffer.
        data: the cache, up to the positions to read: `[layers, slots of the cache, 2, n_head, length, head_dim]`.
        slots: int64 `[slots]`.
        mask: what hides positions from them.
    """

    queries: Tensor
    data: Tensor
    slots: Tensor
    mask: Tensor

    def attend(self, layer: int) -> None:
        values, keys = self.data[layer].index_select(0, self.slots).unbind(1)
        self.queries.copy_(functional.scaled_dot_product_attention(self.queries, keys, values, attn_mask=self.mask))


def gathered(queries: Tensor, positions: Tensor, slots: Tensor, length: int, cache: KVCache) -> GatheredAttention:
    """As many rows for each of `slots` `[streams]`, side by side: `queries` `[rows, n_head, head_dim]`, `positions`
    `[rows]`, all below `length`."""
    streams = slots.shape[0]
    own = queries.view(streams, -1, *queries.shape[1:]).transpose(1, 2)
    mask = mask_of(positions.view(streams, -1), length, queries.dtype)
    return GatheredAttention(own, cache.data[:, :, :, :, :length], slots, mask)


def mask_of(positions: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """What to add to scores, `[slots, 1, tokens, length]`, of rows at `positions` `[slots, tokens]`: 0 where a row may
    look, else -inf."""
    hidden = torch.arange(length, device=positions.device) > positions[:, None, :, None]
    return torch.zeros(hidden.shape, device=positions.device, dtype=dtype).masked_fill_(hidden, float("-inf"))
