"""Rotary position embedding as CodeGen has it: interleaved pairs of the first `rotary_dim` of each head, base 10000.

The angles are those of transformers' `create_sinusoidal_positions`; the tables stay fp32 whatever the model's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig


class Rotation(Protocol):
    """Bound to a part of a buffer and to its positions."""

    def __call__(self) -> None:
        """Rotate what the buffer holds now, in place."""
        ...


@dataclass(frozen=True)
class ComplexRotation:
    """`pairs` complex64 `[tokens, heads, rotary_dim / 2]`, `factors` `[tokens, 1, rotary_dim / 2]`."""

    pairs: Tensor
    factors: Tensor

    def __call__(self) -> None:
        self.pairs.mul_(self.factors)


@dataclass(frozen=True)
class WidenedRotation:
    """`part` `[tokens, heads, rotary_dim]` of any dtype or layout, `factors` as in `ComplexRotation`."""

    part: Tensor
    factors: Tensor

    def __call__(self) -> None:
        wide = self.part.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        torch.view_as_complex(wide.view(*wide.shape[:-1], -1, 2)).mul_(self.factors)
        self.part.copy_(wide)


@dataclass(frozen=True)
class RealRotation:
    """`part` `[tokens, heads, rotary_dim]` of any dtype, `factors` fp32 `[tokens, 1, rotary_dim / 2, 2]`."""

    part: Tensor
    factors: Tensor

    def __call__(self) -> None:
        first, second = self.part.float().view(*self.part.shape[:-1], -1, 2).unbind(-1)
        cos, sin = self.factors.unbind(-1)
        turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
        self.part.copy_(turned.flatten(-2))


class Rotary:
    """Rotates pairs `(x[2i], x[2i+1])` of each head by `position / 10000^(2i / rotary_dim)`."""

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
        self._dim = config.rotary_dim
        # A pair is a complex number and the rotation one multiplication: in place, where pairs lie at even places, and
        # in fp32 where the model has half of it. MPS, where complex numbers are new, does the same on real ones.
        self._complex = device.type != "mps"
        self._in_place = dtype == torch.float32 and config.head_dim % 2 == 0 and config.inner % 2 == 0
        self._table = angle_table(config).to(device)

    def bind(self, heads: Tensor, positions: Tensor) -> Rotation:
        """What rotates `heads` `[tokens, heads, head_dim]` by `positions` `[tokens]`, as often as it is called."""
        factors = self._table.index_select(0, positions).unsqueeze(1)
        if not self._complex:
            return RealRotation(heads[..., : self._dim], factors)
        if not self._in_place:
            return WidenedRotation(heads[..., : self._dim], torch.view_as_complex(factors))
        pairs = torch.view_as_complex(heads.view(*heads.shape[:-1], -1, 2))
        return ComplexRotation(pairs[..., : self._dim // 2], torch.view_as_complex(factors))


def angle_table(config: ModelConfig) -> Tensor:
    """Cosine and sine of every position's angles, fp32 `[n_positions, rotary_dim / 2, 2]`."""
    inverse = 1.0 / (10000 ** (torch.arange(0, config.rotary_dim, 2, dtype=torch.int64) / config.rotary_dim))
    angles = torch.arange(config.n_positions, dtype=torch.float32)[:, None] * inverse.float()[None, :]
    return torch.stack((angles.cos(), angles.sin()), dim=-1)
