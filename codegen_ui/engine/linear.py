"""Linear layers of the decoder behind one interface: `y = linear(x)` for rows `x`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Linear(Protocol):
    """A weight `[out, in]` and a bias `[out]`, ready to multiply."""

    bytes: int

    def __call__(self, x: Tensor) -> Tensor:
        """`x` `[rows, in]` -> `[rows, out]`, a new tensor of the same dtype."""
        ...


class DenseLinear:
    """Weights as they are, in fp32, bf16 or fp16, on any device."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias
        self.bytes = weight.numel() * weight.element_size() + bias.numel() * bias.element_size()

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


def make_linear(weight: Tensor, bias: Tensor, *, quantize: str) -> Linear:
    """The fastest layer for this weight on its device; the weight itself may be dropped afterwards."""
    return DenseLinear(weight, bias)
