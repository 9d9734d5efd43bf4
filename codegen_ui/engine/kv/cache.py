"""Keys and values of every stream, in slots.

One tensor holds them all: `[layers, slots, 2, heads, length, head_dim]`, values at index 0 and keys at index 1 of the
third axis. Heads come before positions, so that attention reads each head's positions in one run of memory. Keys are
stored after rotary embedding; they therefore belong to the positions at which they were computed.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig


@dataclass(frozen=True)
class CachedKV:
    """Keys and values of one stream's tokens, apart from any slot: `data` is `[layers, 2, heads, tokens, head_dim]`."""

    data: Tensor

    @property
    def tokens(self) -> int:
        return self.data.shape[3]

    @property
    def bytes(self) -> int:
        """Of these tokens; a prefix shares the memory of what it was cut from."""
        return self.data.numel() * self.data.element_size()

    def prefix(self, tokens: int) -> CachedKV:
        """The first `tokens` tokens, sharing this one's memory."""
        return CachedKV(self.data[:, :, :, :tokens])

    def suffix(self, start: int) -> CachedKV:
        """The tokens from `start` on, sharing this one's memory."""
        return CachedKV(self.data[:, :, :, start:])


class CacheWrites(Protocol):
    """Bound to a step's buffer and its places in the cache."""

    def __call__(self, layer: int) -> None:
        """Write what the buffer holds now to the layer's places."""
        ...


@dataclass(frozen=True)
class CopiedWrites:
    """A copy for each run of tokens, which on a CPU costs less than one scattered write."""

    places: tuple[tuple[Tensor, ...], ...]
    runs: tuple[Tensor, ...]

    def __call__(self, layer: int) -> None:
        torch._foreach_copy_(self.places[layer], self.runs)


@dataclass(frozen=True)
class ScatteredWrites:
    """One kernel for all rows, wherever they go."""

    data: Tensor
    value_key: Tensor
    slots: Tensor
    positions: Tensor

    def __call__(self, layer: int) -> None:
        self.data[layer][self.slots, :, :, self.positions] = self.value_key


class KVCache:
    """Room for `length` tokens in each of `slots` streams.

    How many tokens of a slot are valid is the caller's knowledge: a step writes at the positions that it is given and
    reads everything before them, so going back is simply starting the next segment earlier.
    """

    def __init__(
        self, config: ModelConfig, slots: int, length: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Raises `ValueError` where there is no slot, or `length` is not within 1..n_positions."""
        if slots < 1:
            raise ValueError(f"slots is {slots}; it must be at least 1")
        if not 1 <= length <= config.n_positions:
            raise ValueError(f"length is {length}; it must be from 1 to the model's {config.n_positions} positions")
        self.slots = slots
        self.length = length
        shape = (config.n_layer, slots, 2, config.n_head, length, config.head_dim)
        self.data = _zeros(shape, device, dtype)

    @staticmethod
    def token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
        """Bytes that one token takes, before any cache exists."""
        return config.n_layer * 2 * config.n_embd * dtype.itemsize

    @property
    def bytes_per_token(self) -> int:
        return self.bytes // (self.slots * self.length)

    @property
    def bytes(self) -> int:
        """Reserved for all slots. On a CPU the slots that no stream has had yet take no memory."""
        return self.data.numel() * self.data.element_size()

    def writes(
        self, value_key: Tensor, spans: Sequence[tuple[int, int, int]], slots: Tensor, positions: Tensor
    ) -> CacheWrites:
        """What takes new tokens' values and keys to their places, layer by layer.

        `value_key`: `[rows, 2, n_head, head_dim]`, a buffer that holds another layer's at each call. `spans`: slot,
        start and stop of each run of rows. `slots`, `positions`: int64 `[rows]`, the same row by row.
        """
        if self.data.device.type != "cpu" and len(spans) > 1:
            return ScatteredWrites(self.data, value_key, slots, positions)
        places = [self.data[:, slot, :, :, start:stop].unbind(0) for slot, start, stop in spans]
        runs = value_key.permute(1, 2, 0, 3).split_with_sizes([stop - start for _, start, stop in spans], dim=2)
        return CopiedWrites(tuple(zip(*places, strict=True)), runs)

    @torch.inference_mode()
    def read(self, slot: int, start: int, stop: int) -> CachedKV:
        """A copy of a slot's tokens `start` to `stop` that stays as it is when the slot is reused."""
        self._check(slot, start, stop)
        return CachedKV(self.data[:, slot, :, :, start:stop].clone(memory_format=torch.contiguous_format))

    @torch.inference_mode()
    def write(self, slot: int, kv: CachedKV, tokens: int, *, start: int = 0) -> None:
        """Put the first `tokens` tokens of `kv` at positions `start`...; they must have been computed there."""
        if tokens > kv.tokens:
            raise ValueError(f"{tokens} tokens wanted of a copy that holds {kv.tokens}")
        self._check(slot, start, start + tokens)
        self.data[:, slot, :, :, start : start + tokens].copy_(kv.data[:, :, :, :tokens])

    @torch.inference_mode()
    def clear(self, slot: int) -> None:
        """Zero a slot that may hold NaN: attention weighs what it must not see with 0, and 0 x NaN is NaN."""
        self._check(slot, 0, self.length)
        self.data[:, slot].zero_()

    def _check(self, slot: int, start: int, stop: int) -> None:
        if not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} is not one of 0..{self.slots - 1}")
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"positions {start} to {stop} are not within 0..{self.length}")


def _zeros(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Zeros, on a CPU in pages that take memory only once they are written (`torch.zeros` writes them all).

    The pages are large where the system has such; a slot's memory is then taken when its first stream begins.
    """
    if device.type != "cpu":
        return torch.zeros(shape, device=device, dtype=dtype)
    count = math.prod(shape)
    memory = mmap.mmap(-1, count * dtype.itemsize)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # Fewer faults and page walks: every layer and head of a slot lies in pages of its own. A kernel without large
        # pages refuses, and the small ones do.
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype, count=count).view(shape)
