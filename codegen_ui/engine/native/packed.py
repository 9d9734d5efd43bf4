"""Weights for `gemm`: 8-bit, in panels, with what the products need beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codegen_ui.engine.native.gemm import CHANNELS
from codegen_ui.engine.native.rows import LEVELS, SMALLEST

CACHE_LINE = 64
CHANNELS_AT_ONCE = 4096
"""Rows of a weight that are quantised together, so that a large one needs no second copy in float32."""


@dataclass(frozen=True)
class Packed:
    """A weight `[out, in]` and a bias `[out]`; `out` is rounded up to whole panels, with zeros.

    Attributes:
        panels: how many.
        weights: int8 `[panels, in / 4, 32, 4]`.
        sums, scales, biases: of each channel: the sum of its whole numbers, what a step of them is worth, its bias.
    """

    panels: int
    weights: Tensor
    sums: Tensor
    scales: Tensor
    biases: Tensor

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.weights, self.sums, self.scales, self.biases))

    @property
    def addresses(self) -> list[int]:
        """As a table of weights has them."""
        return [tensor.data_ptr() for tensor in (self.weights, self.sums, self.scales, self.biases)]


def pack(weight: Tensor, bias: Tensor) -> Packed:
    """A weight on a CPU, of any floating dtype, with `in` a multiple of 4; 127 levels a side for each channel."""
    out, inputs = weight.shape
    panels = -(-out // CHANNELS)
    packed = aligned(panels * CHANNELS * inputs).view(panels, inputs // 4, CHANNELS, 4)
    sums = torch.zeros(panels * CHANNELS, dtype=torch.int32)
    scales, biases = torch.zeros(panels * CHANNELS), torch.zeros(panels * CHANNELS)
    biases[:out] = bias
    for start in range(0, panels * CHANNELS, CHANNELS_AT_ONCE):
        stop = min(start + CHANNELS_AT_ONCE, panels * CHANNELS)
        part = torch.zeros(stop - start, inputs)
        part[: max(0, out - start)] = weight[start:stop]
        scale = part.abs().amax(dim=1, keepdim=True).clamp_min_(SMALLEST).div_(LEVELS)
        whole = part.div_(scale).round_().clamp_(-LEVELS, LEVELS).to(torch.int8)
        scales[start:stop], sums[start:stop] = scale[:, 0], whole.sum(dim=1, dtype=torch.int32)
        blocks = whole.view(-1, CHANNELS, inputs // 4, 4).transpose(1, 2)
        packed[start // CHANNELS : stop // CHANNELS].copy_(blocks)
    return Packed(panels, packed, sums, scales, biases)


def aligned(size: int) -> Tensor:
    """So many bytes, int8, from the beginning of a cache line on; NumPy asks for large pages, PyTorch does not."""
    memory = np.empty(size + CACHE_LINE, dtype=np.int8)
    skip = -memory.ctypes.data % CACHE_LINE
    return torch.from_numpy(memory[skip : skip + size])
