"""Keys and values of every stream, in slots.

One tensor holds them all: `[layers, slots, 2, heads, length, head_dim]`, values at index 0 and keys at index 1 of the
third axis. Heads come before positions, so that attention reads each head's positions in one run of memory. Keys are
stored after rotary embedding; they therefore belong to the positions at which they were computed.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig


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
    """Room for `length` tokens in each of `slots` slots.

    How many tokens of a slot are valid is the caller's knowledge: a step writes at the positions that it is given and
    reads everything before them, so going back is simply starting the next segment earlier. On a CPU a slot takes
    memory only for the positions that were written.
    """

    def __init__(
        self, config: ModelConfig, slots: int, length: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Raises `ValueError` where there is no slot, or `length` is not within 1..n_positions; `OSError` where the
        system does not grant that much address space."""
        if slots < 1:
            raise ValueError(f"slots is {slots}; it must be at least 1")
        if not 1 <= length <= config.n_positions:
            raise ValueError(f"length is {length}; it must be from 1 to the model's {config.n_positions} positions")
        self.slots = slots
        self.length = length
        shape = (config.n_layer, slots, 2, config.n_head, length, config.head_dim)
        self._pages: mmap.mmap | None = None
        if device.type == "cpu":
            count = math.prod(shape)
            self._pages = untouched_memory(count * dtype.itemsize)
            self.data = torch.frombuffer(self._pages, dtype=dtype, count=count).view(shape)
        else:
            self.data = torch.zeros(shape, device=device, dtype=dtype)

    @staticmethod
    def token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
        """Bytes that one token takes, before any cache exists."""
        return config.n_layer * 2 * config.n_embd * dtype.itemsize

    @property
    def bytes_per_token(self) -> int:
        return self.bytes // (self.slots * self.length)

    @property
    def bytes(self) -> int:
        """Of all slots, were every position written."""
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
    def copy(self, source: int, target: int, tokens: int) -> None:
        """Put the first `tokens` tokens of one slot at the same positions of another."""
        self._check(source, 0, tokens)
        self._check(target, 0, tokens)
        self.data[:, target, :, :, :tokens].copy_(self.data[:, source, :, :, :tokens])

    @torch.inference_mode()
    def clear(self, slot: int, start: int, stop: int) -> None:
        """Zero positions that may hold NaN: attention weighs what it must not see with 0, and 0 x NaN is NaN."""
        self._check(slot, start, stop)
        self.data[:, slot, :, :, start:stop].zero_()

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Give a slot's memory back to the system, where that is possible; it holds zeros afterwards."""
        self._check(slot, 0, self.length)
        give_back(self._pages, self.data, slot)

    def _check(self, slot: int, start: int, stop: int) -> None:
        check_place(slot, start, stop, slots=self.slots, length=self.length)


def untouched_memory(size: int) -> mmap.mmap:
    """Zeros whose pages take memory once they are written (`torch.zeros` writes them all).

    Private, as `release` needs it, and not counted against what the system may promise.
    """
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if sys.platform == "linux":
        flags |= getattr(mmap, "MAP_NORESERVE", 0x4000)  # named from Python 3.13 on
    return mmap.mmap(-1, size, flags=flags)


def give_back(pages: mmap.mmap | None, data: Tensor, slot: int) -> None:
    """Zero `data[:, slot]`, `data` being `[layers, slots, ...]`, by returning its pages, where there are such."""
    block = data[0, 0].numel() * data.element_size()
    if pages is None or not hasattr(pages, "madvise") or block % mmap.PAGESIZE:
        data[:, slot].zero_()
        return
    for layer in range(data.shape[0]):
        pages.madvise(mmap.MADV_DONTNEED, (layer * data.shape[1] + slot) * block, block)


def check_place(slot: int, start: int, stop: int, *, slots: int, length: int) -> None:
    """Raises `ValueError` for a slot or positions that a cache does not have."""
    if not 0 <= slot < slots:
        raise ValueError(f"slot {slot} is not one of 0..{slots - 1}")
    if not 0 <= start <= stop <= length:
        raise ValueError(f"positions {start} to {stop} are not within 0..{length}")
